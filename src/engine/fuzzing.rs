//! The way of frames and answers to a snapshot without threads and sockets, for `fuzz/`.
//!
//! In: frames, answers of REST, changes, times · Out: `Snapshot`s · Thread: any (pure).

use std::sync::OnceLock;
use std::time::Duration;

use super::core::{Core, Observed};
use crate::base::hash::Seeded;
use crate::base::receipt::Receipt;
use crate::config::{Config, MetricsPayload, Protocol, ServiceLevel};
use crate::event::change::{Change, ClockLook};
use crate::event::coalesce::{entity_key, fits, merge};
use crate::event::state::{ConnectionState, StateChange};
use crate::model::snapshot::{Counters, Snapshot};
use crate::model::{Settings, details};
use crate::protocol::metrics::PayloadText;
use crate::protocol::opening::Opening;
use crate::protocol::{Heard, KeepBody, Machine, Options};
use crate::{Event, Id, Moment, Secret};

/// What a frame was to its decoder.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FrameHeard {
    /// The bodies of its events.
    pub bodies: Vec<String>,
    /// Frames that are malformed: 0 or 1.
    pub malformed: u64,
    /// Anything else that it said: errors, signs of life, refusals.
    pub others: u64,
}

/// Few windows, which are long, so that a snapshot is quickly made.
fn settings() -> Settings {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    let make = || {
        let config = Config::builder().region("mypurecloud.ie").client_id("fuzz");
        let config = config.client_secret(Secret::derived("fuzz")).build();
        let mut settings = Settings::from(&config.expect("it is valid"));
        settings.windows.service_level = ServiceLevel::Queue;
        settings.windows.granularity = Duration::from_secs(900);
        settings.windows.keep = 6;
        settings
    };
    SETTINGS.get_or_init(make).clone()
}

/// Decoders of two connections, and the dashboard that their events are applied to.
pub struct Dashboard {
    core: Core,
    machines: Vec<Box<dyn Machine>>,
    /// Events that wait to be merged.
    waiting: Vec<Event>,
    counters: Counters,
}

impl Dashboard {
    /// A run that starts at `start_ms`; no queue means all. `max_conversations` and `max_bytes` bound the memory of
    /// conversations; those that ended are packed where more than `keep_finished` are whole.
    ///
    /// # Panics
    /// Never: the settings are valid.
    #[must_use]
    pub fn new(protocol: Protocol, queues: &[String], start_ms: i64, limits: (usize, usize, usize)) -> Self {
        let (max_conversations, max_bytes, keep_finished) = limits;
        let settings = Settings {
            protocol,
            max_conversations,
            max_bytes,
            ..settings()
        };
        let start = Moment::from_epoch_ms(start_ms);
        let hasher = Seeded::random();
        let machine = |connection| {
            let opening = match protocol {
                Protocol::Notifications => {
                    Opening::Notifications(Secret::derived("wss://streaming.example/channels/of-the-fuzzer"))
                }
                Protocol::Events => Opening::Events {
                    event_types: Vec::new(),
                    queues: queues.to_vec(),
                },
                Protocol::Metrics => {
                    Opening::Metrics(PayloadText::new(&MetricsPayload::default()).expect("it is short"))
                }
            };
            let mut machine = opening.machine(Options {
                connection,
                bodies: KeepBody::Verbatim,
                hasher: hasher.clone(),
            });
            let _ = machine.on_open();
            machine
        };
        let mut core = Core::new(settings, start);
        core.keep_finished(keep_finished);
        let mut dashboard = Self {
            core,
            machines: vec![machine(1), machine(2)],
            waiting: Vec::new(),
            counters: Counters::default(),
        };
        let listed = |id: &String| serde_json::json!({"id": id, "name": null, "service_levels": []});
        match queues {
            [] => dashboard.apply(Change::AnyQueue {}, start),
            _ => drop(dashboard.change(
                &serde_json::json!({"queues": queues.iter().map(listed).collect::<Vec<_>>()}).to_string(),
                start_ms,
            )),
        }
        for connection in [1, 2] {
            dashboard.apply(Change::ConnectionOpened { connection }, start);
        }
        let streaming = StateChange {
            at: start,
            state: ConnectionState::Streaming,
            cause: None,
            attempt: None,
            retry_in: None,
        };
        dashboard.apply(Change::State(streaming), start);
        let topics = queues.iter().map(|id| format!("v2.routing.queues.{id}.conversations"));
        let (line, topics, since) = (0, topics.collect(), start);
        dashboard.apply(Change::Covered { line, topics, since }, start);
        dashboard
    }

    /// Takes a frame of connection 0 or 1, and applies its events.
    pub fn frame(&mut self, connection: usize, text: &str, at_ms: i64) -> FrameHeard {
        let (events, told) = self.decode(connection, text, at_ms);
        for event in events {
            self.core.apply_event(&event);
        }
        told
    }

    /// The same; its events wait until [`Dashboard::flush`], merged with those of the same entity that wait already.
    pub fn frame_that_waits(&mut self, connection: usize, text: &str, at_ms: i64) -> FrameHeard {
        let (events, told) = self.decode(connection, text, at_ms);
        for event in events {
            let key = entity_key(&event);
            let same = |waiting: &&mut Event| key.is_some() && entity_key(waiting) == key && fits(waiting, &event);
            match self.waiting.iter_mut().find(same) {
                Some(waiting) => merge(waiting, event),
                None => self.waiting.push(event),
            }
        }
        told
    }

    fn decode(&mut self, connection: usize, text: &str, at_ms: i64) -> (Vec<Event>, FrameHeard) {
        let at = Moment::from_epoch_ms(at_ms);
        let receipt = Receipt::new(at, self.core.model().as_of(at));
        let (mut all, mut events) = (Vec::new(), Vec::new());
        self.machines[connection % 2].on_text(text, receipt, &mut all);
        self.counters.frames_received += 1;
        let mut told = FrameHeard::default();
        for heard in all {
            match heard {
                Heard::Event(event) => {
                    told.bodies.push(event.body.as_deref().unwrap_or_default().to_owned());
                    events.push(event);
                }
                Heard::Malformed(_) | Heard::Incomplete { .. } => told.malformed += 1,
                _ => told.others += 1,
            }
        }
        (events, told)
    }

    /// Applies what waits.
    pub fn flush(&mut self) {
        for event in std::mem::take(&mut self.waiting) {
            self.core.apply_event(&event);
        }
    }

    /// Takes an answer of the API with conversation details.
    ///
    /// # Errors
    /// It is none.
    pub fn details(&mut self, answer: &[u8], at_ms: i64) -> Result<(), String> {
        let at = Moment::from_epoch_ms(at_ms);
        let trusted_until = Receipt::from(self.core.model().as_of(at)).trusted_until;
        let page = details::read_answer(answer, trusted_until)?;
        let entries = u32::try_from(page.unreadable).unwrap_or(u32::MAX);
        let count = page
            .conversations
            .iter()
            .fold(entries, |sum, one| sum.saturating_add(one.unreadable));
        let facts = page.conversations.into_iter().map(|one| one.facts).collect();
        self.apply(Change::Unreadable { count }, at);
        self.apply(Change::Conversations(facts), at);
        Ok(())
    }

    /// Takes a change in the form of a recording; whether it is one.
    pub fn change(&mut self, json: &str, at_ms: i64) -> bool {
        let change = serde_json::from_str(json).ok();
        let is_change = change.is_some();
        if let Some(change) = change {
            self.apply(change, Moment::from_epoch_ms(at_ms));
        }
        is_change
    }

    /// Time passes.
    pub fn tick(&mut self, at_ms: i64) {
        let clock = ClockLook::default();
        self.apply(Change::Tick { clock, dropped: 0 }, Moment::from_epoch_ms(at_ms));
    }

    fn apply(&mut self, change: Change, at: Moment) {
        drop(self.core.apply(change, at));
    }

    /// The dashboard of a moment.
    pub fn snapshot(&mut self, at_ms: i64) -> Snapshot {
        let observed = Observed {
            counters: self.counters,
            ..Observed::default()
        };
        self.core.snapshot(Moment::from_epoch_ms(at_ms), observed)
    }

    /// The same identifier: letter case aside where it is a UUID.
    #[must_use]
    pub fn same_id(one: &str, other: &str) -> bool {
        Id::new(one) == Id::new(other)
    }
}
