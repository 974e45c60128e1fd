//! Folds events into the dashboard and hands records on.
//!
//! In: events from the buffer, `Control` from the supervisor · Out: `Item`s to outputs, published snapshots ·
//! Thread: `gs-aggregator`.
//!
//! It waits for an event, a control message or its next tick, whichever is first. Where the buffer's policy is `block` and
//! an output has no room, it takes no event until there is; control messages and snapshots go on.

mod audited;
mod control;
mod recorded;
mod repair;
#[cfg(feature = "cli")]
pub(crate) mod replay;
#[cfg(feature = "cli")]
mod replayed;
mod thread;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, select};
use serde_json::json;

use crate::Moment;
use crate::config::Config;
use crate::event::Event;
use crate::event::facts::Facts;
use crate::model::queue::{QueueSet, QueueSettings};
use crate::model::snapshot::{ConnectionSnapshot, ConnectionState, Counters, Gap, GapTopics, OutputSnapshot, Snapshot};
use crate::model::{Model, Settings};
use crate::output::journal::Journal;
use crate::output::record::StateChange;
use crate::output::recording::Start;
use crate::output::{Item, Outputs};
use crate::reader::buffer::BufferReceiver;
use crate::reader::telemetry::Telemetry;
use crate::rest::ServiceClock;
use crate::rest::lookup::Queue;

pub(crate) use self::control::{Control, ControlSender};
#[cfg(feature = "cli")]
pub(crate) use self::recorded::Recorded;
pub(crate) use self::repair::{FromRepair, Repair, Shown};
#[cfg(feature = "cli")]
pub(crate) use self::replayed::ReplayEnd;
pub(crate) use self::thread::{AggregatorThread, Finished};

/// Events applied before control messages and the clock are looked at again: well under a millisecond of work.
const BATCH: usize = 128;

/// What the aggregator is given.
pub(crate) struct AggregatorParts {
    pub(crate) config: Arc<Config>,
    pub(crate) buffer: BufferReceiver,
    pub(crate) control: Receiver<Control>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) outputs: Outputs,
    pub(crate) journal: Journal,
    /// The time where it does not pass by itself: in a replay.
    pub(crate) time: Option<Moment>,
    /// Where gaps go that can be repaired; none where nothing repairs them.
    pub(crate) repairs: Option<Sender<Repair>>,
    /// How the service's clock differs, as its answers tell.
    pub(crate) clock: Arc<ServiceClock>,
}

/// See the module.
pub(crate) struct Aggregator {
    config: Arc<Config>,
    buffer: BufferReceiver,
    control: Receiver<Control>,
    telemetry: Arc<Telemetry>,
    outputs: Outputs,
    journal: Journal,
    time: Option<Moment>,
    /// Of the recorded run, for the last snapshot of its replay.
    recorded_outputs: Option<BTreeMap<String, OutputSnapshot>>,
    repairs: Option<Sender<Repair>>,
    clock: Arc<ServiceClock>,
    want_events: bool,
    model: Model,
    /// Where the open gaps begin by the service's clock.
    gap_begins: BTreeMap<u64, Moment>,
    /// The open gap of each line.
    line_gaps: BTreeMap<usize, u64>,
    /// The open gap of dropped events, and the count at its last look.
    drop_gap: Option<u64>,
    dropped_seen: u64,
    ticked_at: Moment,
    refused: BTreeMap<usize, BTreeMap<String, String>>,
    connection: ConnectionSnapshot,
    published: Arc<Mutex<Arc<Snapshot>>>,
    next_tick: Instant,
}

impl Aggregator {
    pub(crate) fn new(parts: AggregatorParts) -> Self {
        let now = parts.time.unwrap_or_else(Moment::now);
        let settings = Settings::from(&*parts.config);
        parts.journal.record(|| {
            let region = parts.config.hosts.region.clone();
            Start {
                at: now,
                region,
                settings,
            }
            .line()
        });
        let mut model = Model::new(settings, now);
        let connection = ConnectionSnapshot {
            state: ConnectionState::Connecting,
            protocol: parts.config.protocol,
            connections: 0,
            reconnects: 0,
            since: now,
            last_frame_at: None,
            token_expires_at: None,
            channel_expires_at: None,
            cause: None,
            refused_topics: BTreeMap::new(),
            gaps_total: 0,
            gaps: Vec::new(),
        };
        let first = model.snapshot(
            now,
            now,
            connection.clone(),
            Counters::default(),
            parts.outputs.counts(),
        );
        Self {
            want_events: parts.outputs.want_events(),
            next_tick: Instant::now() + parts.config.outputs.interval,
            config: parts.config,
            buffer: parts.buffer,
            control: parts.control,
            telemetry: parts.telemetry,
            outputs: parts.outputs,
            journal: parts.journal,
            time: parts.time,
            recorded_outputs: None,
            repairs: parts.repairs,
            clock: parts.clock,
            gap_begins: BTreeMap::new(),
            model,
            line_gaps: BTreeMap::new(),
            drop_gap: None,
            dropped_seen: 0,
            ticked_at: now,
            refused: BTreeMap::new(),
            connection,
            published: Arc::new(Mutex::new(Arc::new(first))),
        }
    }

    /// Where the newest snapshot can always be found.
    pub(crate) fn published(&self) -> Arc<Mutex<Arc<Snapshot>>> {
        Arc::clone(&self.published)
    }

    fn run(mut self) -> Finished {
        loop {
            while let Ok(control) = self.control.try_recv() {
                if let Some(end) = self.on_control(control) {
                    return self.finish(end);
                }
            }
            if Instant::now() >= self.next_tick {
                self.tick();
            }
            if self.outputs.is_holding() {
                self.wait_for_room();
                continue;
            }
            let until_tick = self.next_tick.saturating_duration_since(Instant::now());
            select! {
                recv(self.control) -> control => match control {
                    Ok(control) => {
                        if let Some(end) = self.on_control(control) {
                            return self.finish(end);
                        }
                    }
                    // The supervisor is gone without a word: what came is kept.
                    Err(_) => {
                        let now = Instant::now();
                        let state = StateChange {
                            at: Moment::now(),
                            state: ConnectionState::Stopped,
                            cause: Some("the supervisor is gone".to_owned()),
                            attempt: None,
                            retry_in: None,
                        };
                        return self.finish(End { state, drain_until: now, outputs_until: now });
                    }
                },
                recv(self.buffer.tickets()) -> ticket => {
                    if let Ok(ticket) = ticket {
                        self.apply(ticket);
                        for _ in 1..BATCH {
                            if self.outputs.is_holding() {
                                break;
                            }
                            match self.buffer.tickets().try_recv() {
                                Ok(ticket) => self.apply(ticket),
                                Err(_) => break,
                            }
                        }
                    } else {
                        // No reader can come any more; what is left are control messages.
                        self.wait_for_control();
                    }
                },
                default(until_tick) => {}
            }
        }
    }

    /// Waits for a control message or the tick, where the buffer's end would make a `select!` spin.
    fn wait_for_control(&mut self) {
        let mut ready = crossbeam_channel::Select::new();
        ready.recv(&self.control);
        // Only the waiting matters: the loop looks at the channel itself.
        let _ = ready.ready_deadline(self.next_tick);
    }

    /// Waits until an output that is waited for has room, for a control message or the tick: events wait in the buffer
    /// meanwhile, and everything else goes on.
    fn wait_for_room(&mut self) {
        let mut ready = crossbeam_channel::Select::new();
        ready.recv(&self.control);
        self.outputs.select_room(&mut ready);
        let _ = ready.ready_deadline(self.next_tick);
        self.outputs.offer_held();
    }

    /// The time of now.
    fn now(&self) -> Moment {
        self.time.unwrap_or_else(Moment::now)
    }

    fn apply(&mut self, ticket: u64) {
        if let Some(event) = self.buffer.take(ticket) {
            self.apply_event(event);
        }
    }

    fn apply_event(&mut self, event: Box<Event>) {
        let applied = self.model.apply(&event, self.now());
        Telemetry::add(&self.telemetry.applied, 1);
        if let Some(stale) = &applied.stale {
            self.audit_stale(stale);
        }
        if applied.gets_record() && self.want_events {
            let event: Arc<Event> = Arc::from(event);
            self.outputs.offer(&Item::Event(event));
        }
    }

    fn on_control(&mut self, control: Control) -> Option<End> {
        let now = self.now();
        self.record_control(&control, now);
        match control {
            Control::State(change) => self.on_state(change),
            Control::TokenExpires(at) => self.connection.token_expires_at = Some(at),
            Control::Connections {
                open,
                reconnects,
                channel_expires_at,
            } => {
                self.connection.connections = open;
                self.connection.reconnects = reconnects;
                self.connection.channel_expires_at = channel_expires_at;
            }
            Control::Refused { line, topics } => {
                self.refused.insert(line, topics);
                self.connection.refused_topics = self
                    .refused
                    .values()
                    .flatten()
                    .map(|(topic, why)| (topic.clone(), why.clone()))
                    .collect();
            }
            Control::Queues(queues) => self.on_queues(queues),
            Control::AnyQueue => self.model.set_queues(QueueSet::All),
            Control::ConnectionOpened(number) => self.model.connection_opened(number, now),
            Control::ConnectionEnded(number) => self.model.connection_closed(number, now),
            Control::UserNames(names) => {
                self.model
                    .set_user_names(names.iter().map(|(user, name)| (user, name.as_deref())));
            }
            Control::Observations(facts) => {
                for facts in facts {
                    self.model.apply_rest(&Facts::Observations(Box::new(facts)), now);
                }
            }
            Control::Repair(message) => self.on_repair(message),
            Control::GapOpened {
                line,
                topics,
                from,
                cause,
            } => {
                log::warn!("gap since {from}: {cause}");
                let id = self.open_gap(topics, from, &cause);
                self.line_gaps.insert(line, id);
            }
            Control::GapClosed { line, to } => {
                if let Some(id) = self.line_gaps.remove(&line) {
                    self.close_gap(id, to);
                }
            }
            Control::Snapshot(answer) => {
                let snapshot = self.snapshot();
                // Whoever asked may have gone on without it.
                let _ = answer.send(snapshot);
            }
            Control::Finish {
                state,
                drain_until,
                outputs_until,
            } => {
                return Some(End {
                    state,
                    drain_until,
                    outputs_until,
                });
            }
        }
        None
    }

    fn on_state(&mut self, change: StateChange) {
        self.connection.state = change.state;
        self.connection.since = change.at;
        self.connection.cause.clone_from(&change.cause);
        self.audit_state(&change);
        self.outputs.offer(&Item::State(Arc::new(change)));
    }

    fn on_queues(&mut self, queues: Vec<Queue>) {
        self.model.set_queues(QueueSet::These(BTreeSet::from_iter(
            queues.iter().map(|queue| queue.id.clone()),
        )));
        for queue in queues {
            let target = queue
                .service_levels
                .iter()
                .find_map(|(_, setting)| setting.target_percent);
            let thresholds = queue
                .service_levels
                .iter()
                .filter_map(|(kind, setting)| Some((*kind, setting.threshold?)));
            let settings = QueueSettings {
                name: queue.name.map(Into::into),
                service_level_target_percent: target,
                service_level_thresholds: BTreeMap::from_iter(thresholds),
            };
            self.model.set_queue_settings(queue.id, settings);
        }
    }

    fn open_gap(&mut self, topics: GapTopics, from: Moment, cause: &str) -> u64 {
        let opened = self.model.gaps_mut().open(topics, from, cause);
        let begin = self.model.service_time(from);
        let begin = *self
            .gap_begins
            .entry(opened.id)
            .and_modify(|known| *known = begin.min(*known))
            .or_insert(begin);
        self.model.gaps_mut().set_service_times(opened.id, begin, None);
        self.tell_gap(opened.changed);
        opened.id
    }

    fn close_gap(&mut self, id: u64, to: Moment) {
        let closed = self.model.gaps_mut().close(id, to);
        let since = self.gap_begins.remove(&id);
        if let (Some(since), Some(gap)) = (since, &closed) {
            let end = self.model.service_time(to);
            self.model.gaps_mut().set_service_times(id, since, Some(end));
            if let Some(repairs) = &self.repairs {
                // After a defect of the repair the gap stays unrepaired.
                let _ = repairs.send(Repair::Gap {
                    id,
                    from: gap.from,
                    since,
                });
            }
        }
        self.tell_gap(closed);
    }

    fn tell_gap(&mut self, changed: Option<Gap>) {
        if let Some(gap) = changed {
            self.audit_gap(&gap);
            self.outputs.offer(&Item::Gap(Arc::new(gap)));
        }
    }

    fn tick(&mut self) {
        // From now, not from the last tick: after a busy while no burst of ticks makes up for it.
        self.next_tick = Instant::now() + self.config.outputs.interval;
        let now = self.now();
        let ahead_ms = self.clock.earliest(now).millis_since(now);
        self.record(now, || json!({ "tick": ahead_ms }));
        self.model.set_service_ahead(now, ahead_ms);
        for stale in self.model.on_tick(now) {
            self.audit_stale(&stale);
            log::warn!(
                "metric type {}: no data for {} s",
                stale.metric_type,
                self.config.stale_after.as_secs()
            );
        }
        self.watch_drops(now, "events dropped: the buffer was full");
        let snapshot = self.snapshot();
        self.outputs.offer(&Item::Snapshot(snapshot));
    }

    /// Dropped events are a gap: from the tick before the first to the tick after the last.
    fn watch_drops(&mut self, now: Moment, cause: &str) {
        let dropped = self.telemetry.dropped.load(Ordering::Relaxed);
        let more = dropped - self.dropped_seen;
        if more > 0 {
            self.audit_drop(more, cause, now);
        }
        self.dropped_seen = dropped;
        match (more, self.drop_gap) {
            (0, Some(id)) => {
                self.drop_gap = None;
                let to = self.ticked_at;
                self.record(now, || json!({"drop_gap_closed": to}));
                self.close_gap(id, to);
            }
            (0, None) => {}
            (more, None) => {
                log::warn!("{more} {cause}");
                let from = self.ticked_at;
                self.record(now, || json!({"drop_gap_opened": {"from": from, "cause": cause}}));
                self.drop_gap = Some(self.open_gap(GapTopics::All, from, cause));
            }
            (more, Some(_)) => log::warn!("{more} more {cause}"),
        }
        self.ticked_at = now;
    }

    fn snapshot(&mut self) -> Arc<Snapshot> {
        let mut connection = self.connection.clone();
        connection.last_frame_at = self.telemetry.last_frame_at();
        let now = self.now();
        let counters = self.telemetry.counters();
        let outputs = match &self.recorded_outputs {
            Some(recorded) => recorded.clone(),
            None => self.outputs.counts(),
        };
        let as_of = self.model.as_of(now);
        let snapshot = Arc::new(self.model.snapshot(as_of, now, connection, counters, outputs));
        *self.published.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&snapshot);
        snapshot
    }

    /// The same at the end, when nobody has anything to say any more.
    fn wait_for_outputs(&mut self, until: Instant) {
        let mut ready = crossbeam_channel::Select::new();
        self.outputs.select_room(&mut ready);
        let _ = ready.ready_deadline(until);
        self.outputs.offer_held();
    }

    fn finish(mut self, end: End) -> Finished {
        let mut abandoned = Vec::new();
        while Instant::now() < end.drain_until {
            if self.outputs.is_holding() {
                self.wait_for_outputs(end.drain_until);
                continue;
            }
            match self.buffer.tickets().try_recv() {
                Ok(ticket) => self.apply(ticket),
                Err(_) => break,
            }
        }
        let discarded = self.buffer.discard();
        if discarded > 0 {
            abandoned.push(format!(
                "{discarded} events in the buffer were dropped: there was no time to apply them"
            ));
        }
        self.watch_drops(self.now(), "events dropped: stopped before they were applied");
        self.record_control(&Control::State(end.state.clone()), self.now());
        self.on_state(end.state);
        // What is under way is counted in the last snapshot; some of the time is left for that snapshot itself.
        let left = end.outputs_until.saturating_duration_since(Instant::now());
        let flush_until = Instant::now() + left / 2;
        while self.outputs.is_holding() && Instant::now() < flush_until {
            self.wait_for_outputs(flush_until);
        }
        self.outputs.flush(flush_until);
        let last = self.snapshot();
        let outputs = std::mem::take(&mut self.outputs);
        for closing in outputs.close(Some(&last), end.outputs_until) {
            abandoned.extend(closing.complaint());
        }
        Finished {
            snapshot: last,
            abandoned,
        }
    }
}

/// How to end.
struct End {
    state: StateChange,
    drain_until: Instant,
    outputs_until: Instant,
}
