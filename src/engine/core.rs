//! The core: events and changes in, effects and snapshots out; pure, with time as an argument.
//!
//! In: events, `Change`s · Out: `Effect`s, `Snapshot`s · Thread: none of its own (the engine's thread owns one, a replay
//! another).
//!
//! The same events and changes in the same order give the same snapshots: a recording holds them, and a replay applies them
//! again. An event counts at the time of its receipt, a change at the time at which it was applied.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::clock_log::ClockLog;
use super::connection::ConnectionView;
use super::control::{FoundConversation, Repair, StateAndCause};
use super::gaps::{Closed, OpenGaps, Owner};
use crate::audit::{Entry, entries};
use crate::base::inserted::Inserted as _;
use crate::event::change::{Change, ClockLook};
use crate::event::facts::{ConversationFacts, Facts};
use crate::event::gap::{Gap, GapTopics};
use crate::event::queue::Queue;
use crate::model::freshness::Stale;
use crate::model::queue::{QueueSet, QueueSettings};
use crate::model::snapshot::{Counters, OutputSnapshot, Snapshot};
use crate::model::{Model, Settings};
use crate::output::Item;
use crate::{Event, Moment};

/// What has to be done after an event or a change was applied.
#[derive(Debug)]
pub(crate) enum Effect {
    /// The outputs get this record.
    Record(Item),
    /// The outputs get a snapshot of now.
    Snapshot,
    /// The audit file gets this entry.
    Audit(Entry),
    /// The repair gets this job.
    Repair(Repair),
    /// The log gets this warning.
    Warn(String),
    /// The log gets this line.
    Inform(String),
}

/// What became of an event.
#[derive(Debug)]
pub(crate) struct Applied {
    /// Whether it gets a record: all events do, except those that an overlapping connection has delivered already.
    pub(crate) gets_record: bool,
    /// What else has to be done.
    pub(crate) effect: Option<Effect>,
}

/// Parts of a snapshot that the core does not know.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observed {
    pub(crate) counters: Counters,
    pub(crate) last_frame_at: Option<Moment>,
    pub(crate) outputs: BTreeMap<String, OutputSnapshot>,
}

/// A gap of dropped events ends after so long without any: a little less than between two ticks without questions. Whoever
/// asks for a snapshot causes a tick, too.
const WITHOUT_DROPS_MS: i64 = 900;

/// See the module.
#[derive(Debug)]
pub(crate) struct Core {
    settings: Settings,
    model: Model,
    connection: ConnectionView,
    gaps: OpenGaps,
    /// The last tick. A gap of dropped events reaches from the tick before the first drop to the last tick with drops.
    ticked_at: Moment,
    /// The last tick with drops.
    dropped_at: Moment,
    clock_log: ClockLog,
}

impl Core {
    /// The core of a run that starts at `now`.
    pub(crate) fn new(settings: Settings, now: Moment) -> Self {
        Self {
            connection: ConnectionView::new(settings.protocol, now),
            model: Model::new(settings.clone(), now),
            gaps: OpenGaps::default(),
            ticked_at: now,
            dropped_at: now,
            clock_log: ClockLog::default(),
            settings,
        }
    }

    /// The model, to be read.
    pub(crate) fn model(&self) -> &Model {
        &self.model
    }

    /// From now on so many finished conversations are kept whole.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn keep_finished(&mut self, at_most: usize) {
        self.model.keep_finished(at_most);
    }

    /// Its next snapshot has the number after the last one of `before`, which it replaces.
    #[cfg(feature = "engine")]
    pub(super) fn continue_from(&mut self, before: &Self) {
        self.model.continue_from(&before.model);
    }

    /// The state of the stream, and why it is in that state.
    pub(crate) fn state(&self) -> StateAndCause {
        self.connection.state()
    }

    /// The dashboard at `now`, with the next revision.
    pub(crate) fn snapshot(&mut self, now: Moment, observed: Observed) -> Snapshot {
        let mut connection = self.connection.snapshot(observed.last_frame_at);
        connection.clock_ahead_ms = self.model.clock_ahead_ms();
        let as_of = self.model.as_of(now);
        self.model
            .snapshot(as_of, now, connection, observed.counters, observed.outputs)
    }

    /// Applies an event, as of the time of its receipt.
    pub(crate) fn apply_event(&mut self, event: &Event) -> Applied {
        let applied = self.model.apply(event, event.service_time);
        let turned = applied.stale.as_ref().filter(|stale| stale.is_turn);
        Applied {
            gets_record: applied.gets_record(),
            effect: turned.map(|stale| Effect::Audit(entries::stale(stale, event.received_at))),
        }
    }

    /// Selects the conversations that count: those that enter the numbers, and those that the model remembers.
    pub(crate) fn select(&self, found: Vec<FoundConversation>) -> Vec<ConversationFacts> {
        let known = self.model.conversations();
        let counts = |found: &FoundConversation| found.enters || known.remembers(&found.facts.id);
        found.into_iter().filter(counts).map(|found| found.facts).collect()
    }

    /// Applies a change at `now`.
    pub(crate) fn apply(&mut self, change: Change, now: Moment) -> Vec<Effect> {
        let mut effects = Vec::from_iter(entries::of_change(&change, now).map(Effect::Audit));
        if let Change::Tick { clock, .. } = change {
            effects.extend(self.tick(clock, now));
        }
        if let Some((events, cause)) = change.drops() {
            effects.extend(self.watch_drops(events, cause, now));
        }
        let ticked = match change {
            Change::Tick { clock, .. } => Some(clock),
            Change::Drained { .. } => Some(ClockLook::default()),
            _ => None,
        };
        let is_about_gaps = matches!(
            change,
            Change::Tick { .. }
                | Change::Drained { .. }
                | Change::GapOpened { .. }
                | Change::GapClosed { .. }
                | Change::Refused { .. }
        );
        match change {
            Change::Tick { .. } | Change::Drained { .. } => {}
            Change::State(change) => {
                self.connection.set_state(&change);
                self.model.on_state(change.state);
                effects.push(Effect::Record(Item::State(Arc::new(change))));
            }
            Change::Token { expires_at } => self.connection.set_token(expires_at),
            Change::Connections {
                open,
                reconnects,
                channel_expires_at,
            } => self.connection.set_connections(open, reconnects, channel_expires_at),
            Change::Covered { topics, since, .. } => {
                let since = self.model.service_time(since);
                self.model.subscriptions_mut().covered(&topics, since);
            }
            Change::Refused { line, topics, since } => effects.extend(self.set_refused(line, topics, since, now)),
            Change::Gone(queues) => self.model.subscriptions_mut().set_gone(&queues),
            Change::Lost(ids) => self.model.lose(&ids, now),
            Change::Queues(queues) => self.set_queues(queues),
            Change::AnyQueue {} => self.model.set_queues(QueueSet::All),
            Change::Users(names) => {
                let users = self.model.users_mut();
                names
                    .iter()
                    .for_each(|(user, name)| users.set_name(user, name.as_deref()));
            }
            Change::Members(all) => self.model.users_mut().set_memberships(all),
            Change::ConnectionOpened { connection } => self.model.connection_opened(connection, now),
            Change::ConnectionEnded { connection } => self.model.connection_closed(connection, now),
            Change::Observations(all) => {
                for facts in all {
                    self.model.apply_rest(&Facts::Observations(Box::new(facts)), now);
                }
            }
            Change::Conversations(all) => {
                for facts in all {
                    self.model.apply_rest(&Facts::Conversation(Box::new(facts)), now);
                }
            }
            Change::Unreadable { count } => self.model.count_unreadable(count),
            Change::CoveredFrom { at } => self.model.set_covered_from(at),
            Change::GapOpened {
                line,
                topics,
                from,
                cause,
            } => {
                effects.push(Effect::Warn(format!("gap since {from}: {cause}")));
                let gap = self
                    .gaps
                    .open(&mut self.model, Owner::Line(line), (topics, from, &cause));
                effects.extend(gap.into_iter().flat_map(|gap| gap_changed(gap, now)));
            }
            Change::GapClosed { line, to } => effects.extend(self.close_gap(Owner::Line(line), to, now)),
            Change::GapsRepaired { ids } => {
                for id in ids {
                    if let Some(gap) = self.model.gaps_mut().repaired(id) {
                        let to = gap.to.unwrap_or(gap.from);
                        effects.push(Effect::Inform(format!("gap {id} is repaired: {} to {to}", gap.from)));
                        effects.extend(gap_changed(gap, now));
                    }
                }
                effects.push(Effect::Snapshot);
            }
        }
        if is_about_gaps {
            self.model.distrust_what_came_before_gaps(now);
        }
        if let Some(clock) = ticked {
            self.model.record_history(now, clock);
        }
        effects
    }

    fn tick(&mut self, clock: ClockLook, now: Moment) -> Vec<Effect> {
        self.model.set_clock(now, clock);
        let told = self
            .clock_log
            .on_tick(clock.clock_ahead_ms, clock.stepped_ms)
            .into_iter();
        let limit_secs = self.settings.stale_after.as_secs();
        let effects = |stale: Stale| {
            let what = format!("metric type {}: no data for {limit_secs} s", stale.metric_type);
            [Effect::Audit(entries::stale(&stale, now)), Effect::Warn(what)]
        };
        let stale = self.model.on_tick(now).into_iter().flat_map(effects);
        let mut effects = Vec::from_iter(told.map(Effect::Warn).chain(stale));
        effects.extend(self.model.check_self(now).into_iter().map(Effect::Warn));
        effects.extend(self.model.check_windows_kept(now).map(Effect::Warn));
        let alerts = self.model.check_alerts(now).into_iter();
        effects.extend(alerts.map(|alert| Effect::Record(Item::Alert(Arc::new(alert)))));
        effects
    }

    fn watch_drops(&mut self, events: u64, cause: &str, now: Moment) -> Vec<Effect> {
        let from = std::mem::replace(&mut self.ticked_at, now);
        if events > 0 {
            self.dropped_at = now;
        }
        match (events, self.gaps.is_open(Owner::Drops)) {
            (0, _) if (0..WITHOUT_DROPS_MS).contains(&now.millis_since(self.dropped_at)) => Vec::new(),
            (0, _) => self.close_gap(Owner::Drops, self.dropped_at, now),
            (_, true) => vec![Effect::Warn(format!("{events} more {cause}"))],
            (_, false) => {
                let gap = self
                    .gaps
                    .open(&mut self.model, Owner::Drops, (GapTopics::All, from, cause));
                let mut effects = vec![Effect::Warn(format!("{events} {cause}"))];
                effects.extend(gap.into_iter().flat_map(|gap| gap_changed(gap, now)));
                effects
            }
        }
    }

    fn close_gap(&mut self, owner: Owner, to: Moment, now: Moment) -> Vec<Effect> {
        let closed = self.gaps.close(&mut self.model, owner, to);
        closed.into_iter().flat_map(|closed| gap_closed(closed, now)).collect()
    }

    fn set_refused(
        &mut self,
        line: usize,
        topics: BTreeMap<String, String>,
        since: Moment,
        now: Moment,
    ) -> Vec<Effect> {
        let (opened, closed) = self.gaps.set_refused(&mut self.model, line, &topics, (since, now));
        self.connection.set_refused(line, topics.clone());
        self.model.subscriptions_mut().set_refused(line, topics);
        let opened = opened.into_iter().flat_map(|gap| gap_changed(gap, now));
        let closed = closed.into_iter().flat_map(|closed| gap_closed(closed, now));
        opened.chain(closed).collect()
    }

    fn set_queues(&mut self, queues: Vec<Queue>) {
        let ids = queues.iter().map(|queue| queue.id.clone()).inserted();
        self.model.set_queues(QueueSet::These(ids));
        for queue in queues {
            let levels = || queue.service_levels.iter();
            let settings = QueueSettings {
                service_level_target_percent: levels().find_map(|(_, level)| level.target_percent),
                service_level_thresholds: levels()
                    .filter_map(|(kind, level)| Some((*kind, level.threshold?)))
                    .inserted(),
                name: queue.name.map(Into::into),
            };
            self.model.set_queue_settings(queue.id, settings);
        }
    }
}

fn gap_closed((gap, repair): Closed, now: Moment) -> Vec<Effect> {
    let mut effects = Vec::from(gap_changed(gap, now));
    effects.extend(repair.map(Effect::Repair));
    effects
}

fn gap_changed(gap: Gap, now: Moment) -> [Effect; 2] {
    [
        Effect::Audit(entries::gap(&gap, now)),
        Effect::Record(Item::Gap(Arc::new(gap))),
    ]
}

#[cfg(all(test, feature = "cli"))]
#[path = "core_tests.rs"]
mod tests;
