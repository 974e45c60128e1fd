//! The dashboard: events in, numbers out; pure, with time as an argument.
//!
//! In: `Event`, names, connection news · Out: `Snapshot` · Thread: none of its own (the aggregator owns a model).
//!
//! An event is looked at once ([`duplicates`]), timed ([`latency`], [`freshness`]), and its facts go to the one place
//! that understands them: [`conversations`], [`observation`], [`user`] or [`tutorial`]. The same events in the same order
//! give the same snapshot; for conversations any order does.

mod bucket;
mod bytes;
mod condensed;
pub(crate) mod conversation;
pub mod conversations;
pub(crate) mod counts;
mod coverage;
mod dashboard;
pub(crate) mod details;
mod duplicates;
mod freshness;
mod gap;
mod index;
mod latency;
mod layers;
mod live;
mod observation;
mod outcome;
mod overlay;
mod packed;
pub mod queue;
mod service_time;
mod slots;
pub mod snapshot;
#[cfg(test)]
pub(crate) mod testing;
mod totals;
mod tutorial;
mod user;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::conversations::{Conversations, Taken};
use self::duplicates::{Duplicates, Sight};
use self::freshness::Freshness;
use self::gap::GapLedger;
use self::latency::Latencies;
use self::observation::Observations;
use self::queue::{QueueSet, QueueSettings, Queues};
use self::service_time::ServiceTime;
use self::snapshot::{ConnectionSnapshot, Counters, OutputSnapshot, Snapshot};
use self::totals::Totals;
use self::tutorial::{ConversationStates, Metrics, QueueAverages};
use self::user::Users;
use crate::base::millis;
use crate::config::{Config, Protocol, ServiceLevel, TotalsConfig, WindowsConfig};
use crate::event::facts::Facts;
use crate::{Event, EventKind, Id, Moment};

/// What a model needs to know of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Decides which numbers exist.
    pub protocol: Protocol,
    /// Data older than this is stale.
    #[serde(rename = "stale_after_ms", with = "millis")]
    pub stale_after: Duration,
    /// How long a finished conversation is remembered.
    #[serde(rename = "retention_ms", with = "millis")]
    pub retention: Duration,
    /// Conversations in memory at most.
    pub max_conversations: usize,
    /// Windows of the numbers.
    pub windows: WindowsConfig,
    /// Since when totals count.
    pub totals: TotalsConfig,
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        Self {
            protocol: config.protocol,
            stale_after: config.stale_after,
            retention: config.model.retention,
            max_conversations: config.model.max_conversations,
            windows: config.windows,
            totals: config.totals,
        }
    }
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied {
    /// First, repeated, or the twin of an overlapping connection.
    pub sight: Sight,
    /// Its conversation is forgotten already: counted, not applied.
    pub late: bool,
    /// Its data was too old when it came (`metrics` protocol).
    pub stale: Option<Stale>,
}

impl Applied {
    /// Whether the event gets a record: all do but the twins.
    #[must_use]
    pub fn gets_record(&self) -> bool {
        self.sight != Sight::Overlapped
    }
}

/// Data found older than the limit (`metrics` protocol), to be audited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// Which metric type.
    pub metric_type: Box<str>,
    /// The type turned stale with this; false where it was stale already or has fresher data.
    pub is_turn: bool,
    /// How it was found.
    pub by: StaleBy,
}

/// How stale data was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaleBy {
    /// An event came with an old timestamp.
    Arrival,
    /// No event came.
    Silence,
}

/// The dashboard as it grows.
#[derive(Debug)]
pub struct Model {
    settings: Settings,
    started_at: Moment,
    /// Covered since then, gaps aside, where REST gave what was before the start.
    covered_from: Option<Moment>,
    revision: u64,
    counts: Counts,
    conversations: Conversations,
    observations: Observations,
    users: Users,
    states: ConversationStates,
    averages: QueueAverages,
    metrics: Metrics,
    queues: Queues,
    latencies: Latencies,
    kinds: Freshness,
    metric_types: Freshness,
    duplicates: Duplicates,
    gaps: GapLedger,
    service_time: ServiceTime,
}

/// The counters that this band owns.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    applied: u64,
    duplicates: u64,
    unknown: u64,
    stale: u64,
    unkeyed: u64,
    late: u64,
    repairs: u64,
}

impl Model {
    /// A dashboard of which nothing is known yet.
    #[must_use]
    pub fn new(settings: Settings, started_at: Moment) -> Self {
        Self {
            started_at,
            covered_from: None,
            revision: 0,
            counts: Counts::default(),
            conversations: Conversations::new(
                settings.retention,
                settings.max_conversations,
                Totals::new(settings.windows, settings.totals),
            ),
            observations: Observations::default(),
            users: Users::default(),
            states: ConversationStates::new(settings.retention, settings.max_conversations),
            averages: QueueAverages::default(),
            metrics: Metrics::default(),
            queues: Queues::default(),
            latencies: Latencies::default(),
            kinds: Freshness::new(settings.stale_after),
            metric_types: Freshness::new(settings.stale_after),
            duplicates: Duplicates::default(),
            gaps: GapLedger::default(),
            service_time: ServiceTime::default(),
            settings,
        }
    }

    /// Takes an event from the stream. `now` is the time of applying: it decides what is forgotten.
    pub fn apply(&mut self, event: &Event, now: Moment) -> Applied {
        if let Facts::Conversation(facts) = &event.facts {
            self.conversations.fetch(&facts.id);
        }
        self.counts.applied += 1;
        self.counts.unknown += u64::from(event.kind == EventKind::Unknown);
        self.kinds.record(event.kind.as_str(), None, event.received_at);
        let mut applied = Applied {
            sight: self.duplicates.sight(event),
            late: false,
            stale: None,
        };
        let stale = self.note_metric_time(event);
        if applied.sight == Sight::First {
            if let Some(ms) = event.latency_ms() {
                self.latencies.record(event.kind, ms);
            }
            self.counts.stale += u64::from(stale.is_some());
            applied.stale = stale;
        } else {
            self.counts.duplicates += 1;
            // Joining twice changes nothing, so conversations need not trust a fingerprint; all others must.
            if !matches!(event.facts, Facts::Conversation(_)) {
                return applied;
            }
        }
        applied.late = self.take(&event.facts, event.received_at, now);
        applied
    }

    /// Takes facts from REST: counted in `repairs` only. `now` is the time of the answer.
    pub fn apply_rest(&mut self, facts: &Facts, now: Moment) {
        self.counts.repairs += 1;
        match facts {
            Facts::Conversation(conversation) => {
                self.service_time.saw(conversation, now);
                self.conversations.apply_rest(conversation, now);
            }
            other => drop(self.take(other, now, now)),
        }
    }

    /// REST gave all facts since `at`, which is before the start: windows count as covered from there on.
    pub fn set_covered_from(&mut self, at: Moment) {
        self.covered_from = Some(self.covered_from.map_or(at, |from| from.min(at)));
    }

    /// How far the service's dates are ahead of ours, in milliseconds; to be told at every tick.
    pub fn set_service_ahead(&mut self, now: Moment, ahead_ms: i64) {
        self.service_time.tick(now, ahead_ms);
    }

    /// The service's time now, or ours if it is behind: what a snapshot is as of.
    #[must_use]
    pub fn as_of(&self, now: Moment) -> Moment {
        self.service_time.at_least(now)
    }

    /// The service's time at a moment of ours that is not long ago; not later than it was.
    #[must_use]
    pub fn service_time(&self, at: Moment) -> Moment {
        self.service_time.then(at)
    }

    /// The local midnight before `now`, where totals count since then: its REST facts are to be asked for at the start.
    #[must_use]
    pub fn day_start(&self, now: Moment) -> Option<Moment> {
        self.conversations.totals().day_start(now)
    }

    /// Forgets what is old. Returns the metric types that became stale by silence since the last tick.
    pub fn on_tick(&mut self, now: Moment) -> Vec<Stale> {
        self.conversations.forget(now);
        self.states.forget(now);
        let became_stale = self.metric_types.on_tick(now);
        self.counts.stale += became_stale.len() as u64;
        let stale = |metric_type| Stale {
            metric_type,
            is_turn: true,
            by: StaleBy::Silence,
        };
        became_stale.into_iter().map(stale).collect()
    }

    /// Which queues the snapshot lists: the subscribed ones, those named by subscribed topics included.
    pub fn set_queues(&mut self, queues: QueueSet) {
        self.queues.listed = queues;
    }

    /// What the listing says of a queue.
    ///
    /// Its thresholds hold for what was counted before, too: exactly if they are whole seconds, or were known before the
    /// first answer.
    pub fn set_queue_settings(&mut self, queue: Id, settings: QueueSettings) {
        if self.settings.windows.service_level == ServiceLevel::Queue {
            for (media, threshold) in &settings.service_level_thresholds {
                self.conversations
                    .totals_mut()
                    .set_threshold(&queue, *media, *threshold);
            }
        }
        self.queues.settings.insert(queue, settings);
    }

    /// Names of users; those of whom nothing is known yet are listed, too.
    pub fn set_user_names<'a>(&mut self, names: impl IntoIterator<Item = (&'a Id, Option<&'a str>)>) {
        for (id, name) in names {
            self.users.set_name(id, name);
        }
    }

    /// A connection's upgrade was asked for: from here on it may deliver what others deliver, too.
    pub fn connection_opened(&mut self, connection: u32, at: Moment) {
        self.duplicates.connection_opened(connection, at);
    }

    /// A connection ended.
    pub fn connection_closed(&mut self, connection: u32, at: Moment) {
        self.duplicates.connection_closed(connection, at);
    }

    /// The ledger of gaps, to be written.
    pub fn gaps_mut(&mut self) -> &mut GapLedger {
        &mut self.gaps
    }

    /// Events taken so far: a term of the identity of the counters.
    #[cfg(any(test, feature = "internals"))]
    #[must_use]
    pub fn events_applied(&self) -> u64 {
        self.counts.applied
    }

    /// The conversations, to be read.
    #[must_use]
    pub fn conversations(&self) -> &Conversations {
        &self.conversations
    }

    /// The dashboard at `as_of`, with the next revision.
    ///
    /// `connection` and `counters` come from those who know; the gaps of the one and the model's own counters of the
    /// other (applied, duplicates, unknown, stale, unkeyed, late, evicted, drift, repairs) are filled in here.
    pub fn snapshot(
        &mut self,
        as_of: Moment,
        generated_at: Moment,
        connection: ConnectionSnapshot,
        counters: Counters,
        outputs: BTreeMap<String, OutputSnapshot>,
    ) -> Snapshot {
        self.revision += 1;
        let (queues, all_queues) = self.queues(as_of);
        let freshness = match self.settings.protocol {
            Protocol::Metrics => &self.metric_types,
            _ => &self.kinds,
        };
        Snapshot {
            schema: 1,
            revision: self.revision,
            generated_at,
            started_at: self.started_at,
            as_of,
            connection: ConnectionSnapshot {
                gaps_total: self.gaps.total(),
                gaps: self.gaps.last(),
                ..connection
            },
            counters: Counters {
                events_applied: self.counts.applied,
                duplicates: self.counts.duplicates,
                unknown: self.counts.unknown,
                stale: self.counts.stale,
                unkeyed: self.counts.unkeyed,
                late: self.counts.late,
                evicted: self.conversations.evicted() + self.states.evicted(),
                drift: self.conversations.drift(),
                repairs: self.counts.repairs,
                ..counters
            },
            outputs,
            latency: self.latencies.snapshot(),
            freshness: freshness.snapshot(generated_at),
            totals: self.totals(),
            all_queues,
            queues,
            users: self.users.snapshot(),
            metrics: self.metrics.snapshot(),
        }
    }

    /// Returns whether they were late.
    fn take(&mut self, facts: &Facts, received_at: Moment, now: Moment) -> bool {
        match facts {
            Facts::None => {}
            Facts::Conversation(conversation) => {
                self.service_time.saw(conversation, now);
                let late = self.conversations.apply(conversation, now) == Taken::Late;
                self.counts.late += u64::from(late);
                return late;
            }
            Facts::Observations(rows) => self.observations.apply(rows, received_at),
            Facts::User(user) => self.users.apply(user, received_at),
            Facts::ConversationState(state) => {
                self.counts.unkeyed += u64::from(self.states.apply(state, now));
            }
            Facts::QueueStatistics(statistics) => self.averages.apply(statistics),
            Facts::Metrics(metrics) => self.metrics.apply(metrics, received_at),
        }
        false
    }

    /// Also for a repetition: a server that says the same again without a timestamp is not silent.
    fn note_metric_time(&mut self, event: &Event) -> Option<Stale> {
        let Facts::Metrics(metrics) = &event.facts else {
            return None;
        };
        let arrival = self
            .metric_types
            .record(&metrics.metric_type, metrics.at, event.received_at);
        arrival.is_old.then(|| Stale {
            metric_type: metrics.metric_type.clone(),
            is_turn: arrival.became_stale,
            by: StaleBy::Arrival,
        })
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
