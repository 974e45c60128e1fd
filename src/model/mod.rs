//! The dashboard: events in, numbers out; pure, with time as an argument.
//!
//! In: `Event`, names, opened and closed connections · Out: `Snapshot` · Thread: none of its own (the aggregator owns a
//! model).
//!
//! Each event is checked for repetition ([`duplicates`]) and timed ([`latency`], [`freshness`]); its facts go to the one
//! part that understands them: [`conversations`], [`observation`], [`user`] or [`tutorial`]. The same events in the same
//! order give the same snapshot; conversation events do so in any order. The numbers of queues are declared in
//! [`counts`].

mod alerts;
pub(crate) mod bucket;
mod bytes;
mod conversation;
mod conversations;
pub(crate) mod counts;
mod coverage;
mod dashboard;
mod day;
pub(crate) mod details;
mod duplicates;
#[cfg(feature = "cli")]
pub(crate) mod explain;
pub(crate) mod freshness;
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
mod queue_alerts;
mod queue_day;
mod queue_numbers;
mod self_check;
mod service_time;
mod settings;
mod shapes;
mod slots;
pub mod snapshot;
mod state;
mod stays;
mod subscriptions;
#[cfg(test)]
pub(crate) mod testing;
mod told;
mod totals;
mod tutorial;
mod unknown;
mod user;
mod windows_kept;

use std::collections::BTreeMap;
use std::time::Duration;

use self::alerts::Alerts;
use self::conversations::{Conversations, Limits, Taken};
use self::dashboard::PackedWindows;
use self::duplicates::{Delivery, Duplicates};
use self::freshness::{Freshness, Stale, StaleBy};
pub(crate) use self::gap::Opened;
use self::gap::{GapLedger, ServiceGap};
use self::latency::Latencies;
use self::live::QueueLive;
use self::observation::Observations;
use self::queue::{QueueSet, QueueSettings, Queues};
use self::self_check::{Compared, Counts, Now, SelfCheck};
use self::service_time::ServiceTime;
pub use self::settings::Settings;
use self::snapshot::{ConnectionSnapshot, ConnectionState, Counters, OutputSnapshot, Snapshot};
use self::subscriptions::Subscriptions;
use self::told::ConversationTold;
use self::totals::Totals;
use self::tutorial::{ConversationStates, Metrics, QueueAverages};
use self::unknown::{InGap, WhyUnknown};
use self::user::Users;
use self::windows_kept::WindowsKept;
use crate::config::{Protocol, ServiceLevel};
use crate::event::change::ClockLook;
use crate::event::facts::Facts;
use crate::event::stats::Name;
use crate::{Event, EventKind, Id, Moment};

/// Gaps that ended within this time before a look: longer than between two looks, and than it takes to notice the end.
const RECENT_GAP: Duration = Duration::from_secs(60);

/// What the model did with an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// First, repeated, or also delivered by an overlapping connection.
    pub(crate) delivery: Delivery,
    /// Its conversation is already forgotten: the event was counted, not applied.
    pub(crate) late: bool,
    /// Its data was too old on arrival (`metrics` protocol).
    pub(crate) stale: Option<Stale>,
}

impl Applied {
    /// Whether the event gets a record: all events but those that an overlapping connection delivered, too.
    #[must_use]
    pub(crate) fn gets_record(&self) -> bool {
        self.delivery != Delivery::Overlapped
    }
}

/// The dashboard: everything that is known, and the snapshots of it.
#[derive(Debug)]
pub struct Model {
    settings: Settings,
    started_at: Moment,
    /// Since when all facts are known, gaps aside, if REST gave those before the start.
    covered_from: Option<Moment>,
    revision: u64,
    counters: OwnCounters,
    conversations: Conversations,
    observations: Observations,
    self_check: SelfCheck,
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
    subscriptions: Subscriptions,
    service_time: ServiceTime,
    packed_windows: PackedWindows,
    alerts: Alerts,
    histories: day::Histories,
    windows_kept: WindowsKept,
}

/// The counters that the model owns.
#[derive(Clone, Copy, Debug, Default)]
struct OwnCounters {
    applied: u64,
    duplicates: u64,
    unknown: u64,
    stale: u64,
    unkeyed: u64,
    late: u64,
    unreadable: u64,
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
            counters: OwnCounters::default(),
            conversations: Conversations::new(
                Limits {
                    retention: settings.retention,
                    max_conversations: settings.max_conversations,
                    max_bytes: settings.max_bytes,
                },
                Totals::new(settings.windows, settings.totals.clone()),
            ),
            observations: Observations::default(),
            self_check: SelfCheck::default(),
            users: Users::default(),
            states: ConversationStates::new(settings.retention, settings.max_conversations, settings.max_bytes),
            averages: QueueAverages::default(),
            metrics: Metrics::default(),
            queues: Queues::default(),
            latencies: Latencies::default(),
            kinds: Freshness::new(settings.stale_after),
            metric_types: Freshness::new(settings.stale_after),
            duplicates: Duplicates::default(),
            gaps: GapLedger::default(),
            subscriptions: Subscriptions::default(),
            service_time: ServiceTime::default(),
            packed_windows: PackedWindows::default(),
            alerts: Alerts::new(settings.thresholds.clone()),
            histories: day::Histories::new(&settings.windows, settings.max_bytes / 8),
            windows_kept: WindowsKept::default(),
            settings,
        }
    }

    /// Takes an event from the stream. `now` is the service's time of its receipt: it decides what is forgotten.
    pub fn apply(&mut self, event: &Event, now: Moment) -> Applied {
        match &event.facts {
            Facts::ConversationUpdate(update) => self.conversations.fetch(&update.id),
            Facts::Conversation(facts) => self.conversations.fetch(&facts.id),
            _ => {}
        }
        self.counters.applied += 1;
        self.counters.unknown += u64::from(event.kind == EventKind::Unknown);
        self.kinds.record(event.kind.as_str(), None, event.received_at, now);
        let mut applied = Applied {
            delivery: self.duplicates.classify(event),
            late: false,
            stale: None,
        };
        let stale = self.note_metric_time(event, now);
        if applied.delivery == Delivery::First {
            if let Some(ms) = event.travel_ms {
                self.latencies.record(event.kind, ms);
            }
            self.counters.stale += u64::from(stale.is_some());
            self.counters.unreadable += u64::from(event.unreadable);
            applied.stale = stale;
        } else {
            self.counters.duplicates += 1;
            // Joining a conversation twice changes nothing, so its events are applied whatever the fingerprint says.
            if !matches!(event.facts, Facts::ConversationUpdate(_) | Facts::Conversation(_)) {
                return applied;
            }
        }
        applied.late = self.take(&event.facts, now);
        let left_out = self.conversations.take_left_out();
        if applied.delivery == Delivery::First {
            self.count_unreadable(left_out);
        }
        applied
    }

    /// Takes facts from REST: counted in `repairs` only. `now` is the time of the answer by our clock.
    pub(crate) fn apply_rest(&mut self, facts: &Facts, now: Moment) {
        let now = self.service_time.at(now);
        self.counters.repairs += 1;
        match facts {
            Facts::Conversation(conversation) => {
                self.service_time.saw(&**conversation, now);
                self.conversations.apply_rest(conversation, now);
            }
            Facts::Observations(rows) => self.observations.apply_rest(rows, now),
            other => drop(self.take(other, now)),
        }
        let left_out = self.conversations.take_left_out();
        self.count_unreadable(left_out);
    }

    /// So much of what REST answered cannot be read or believed, or is over a limit.
    pub(crate) fn count_unreadable(&mut self, count: u32) {
        self.counters.unreadable += u64::from(count);
    }

    /// REST gave all facts since `at`, which is before the start: windows count as covered from that moment on.
    pub(crate) fn set_covered_from(&mut self, at: Moment) {
        self.covered_from = Some(self.covered_from.map_or(at, |from| from.min(at)));
        self.subscriptions.covered_by_rest(at);
    }

    /// Takes what the clocks showed at a tick.
    pub(crate) fn set_clock(&mut self, now: Moment, look: ClockLook) {
        self.service_time.tick(now, look);
        if look.stepped_ms != 0 {
            self.latencies = Latencies::default();
        }
    }

    /// The service's time at `now` of our clock: the `as_of` of a snapshot.
    #[must_use]
    pub(crate) fn as_of(&self, now: Moment) -> Moment {
        self.service_time.at(now)
    }

    /// The newest believed time inside facts: the service's clock shows at least this.
    #[must_use]
    pub(crate) fn newest_time(&self) -> Option<Moment> {
        self.service_time.newest()
    }

    /// How far our clock is ahead of the service's, in milliseconds; negative where it is behind.
    #[must_use]
    pub(crate) fn clock_ahead_ms(&self) -> i64 {
        self.service_time.clock_ahead_ms()
    }

    /// The service's time at a recent moment of our clock; never later than it was.
    #[must_use]
    pub(crate) fn service_time(&self, at: Moment) -> Moment {
        self.service_time.then(at)
    }

    /// The local midnight before `now` of the service's clock, if totals count since midnight; the facts since then are asked for at the start.
    #[must_use]
    pub(crate) fn day_start(&self, now: Moment) -> Option<Moment> {
        self.conversations.totals().day_start(now)
    }

    /// Forgets what is old. Returns the metric types that became stale since the last tick because no event arrived.
    pub(crate) fn on_tick(&mut self, now: Moment) -> Vec<Stale> {
        let now = self.service_time.at(now);
        self.conversations.forget(now);
        self.states.forget(now);
        let became_stale = self.metric_types.on_tick(now);
        self.counters.stale += became_stale.len() as u64;
        let stale = |metric_type: Box<str>| Stale {
            metric_type: Name::from(&*metric_type),
            is_turn: true,
            by: StaleBy::Silence,
        };
        became_stale.into_iter().map(stale).collect()
    }

    /// Compares our numbers with Genesys' own, once a second at most; `now` is by our clock. Returns what is to be logged.
    pub(crate) fn check_self(&mut self, now: Moment) -> Vec<String> {
        if self.settings.protocol != Protocol::Notifications || !self.self_check.is_due(now) {
            return Vec::new();
        }
        let in_gap = InGap::new(self.gaps.open_gaps());
        let queues = Vec::from_iter(self.observations.queues().cloned());
        let now = Now {
            ours: now,
            service: self.service_time.at(now),
        };
        let look = |queue: Id| {
            let compared = self.compared(&queue, &in_gap);
            let difference = self.self_check.look(&queue, compared, now)?;
            let name = self
                .queues
                .settings
                .get(&queue)
                .and_then(|settings| settings.name.as_deref());
            let label = name.map_or_else(|| queue.to_string(), str::to_owned);
            Some(format!("queue {label}: {difference}"))
        };
        queues.into_iter().filter_map(look).collect()
    }

    /// What Genesys told of a queue before a gap counts no more, until it is told again. To be called when gaps changed, and at
    /// each tick because of those that are open; `now` is by our clock.
    pub(crate) fn distrust_what_came_before_gaps(&mut self, now: Moment) {
        let recent = self.service_time.at(now).minus(RECENT_GAP);
        let gaps = self.gaps.by_service_clock();
        for ServiceGap { gap, to, .. } in gaps.filter(|gap| gap.to.is_none_or(|to| to >= recent)) {
            self.observations.distrust(&gap.topics, to);
        }
    }

    /// Our numbers and Genesys' own, over the media of which that is known.
    fn compared(&self, queue: &Id, in_gap: &InGap) -> Option<Compared> {
        let present = self.observations.present(queue)?;
        if self.unknown_reason(queue, in_gap).is_some() {
            return None;
        }
        let mut ours = Counts::default();
        let live = self.conversations.live_of(queue);
        for (media, live) in live.into_iter().flat_map(QueueLive::media) {
            if present.waiting_over.contains(media) {
                ours.waiting += live.sums.waiting;
            }
            if present.interacting_over.contains(media) {
                ours.interacting += live.sums.interacting;
            }
        }
        Some(Compared {
            ours,
            observed: present.counts,
        })
    }

    /// Sets the queues that the snapshot lists: the subscribed ones, including those that subscribed topics name.
    pub fn set_queues(&mut self, queues: QueueSet) {
        if let QueueSet::These(queues) = &queues {
            self.conversations.subscribe(queues);
        }
        self.queues.listed = queues;
    }

    /// Takes what the listing says of a queue.
    ///
    /// Its thresholds also hold for what was counted before: exactly if they are whole seconds or were known before the
    /// first answered visit.
    pub(crate) fn set_queue_settings(&mut self, queue: Id, settings: QueueSettings) {
        if self.settings.windows.service_level == ServiceLevel::Queue {
            for (media, threshold) in &settings.service_level_thresholds {
                self.conversations.set_threshold(&queue, *media, *threshold);
            }
        }
        self.queues.settings.insert(queue, settings);
    }

    /// The users, to be told names and memberships.
    pub(crate) fn users_mut(&mut self) -> &mut Users {
        &mut self.users
    }

    /// A connection's upgrade was requested: from now on it may deliver events that other connections deliver, too.
    pub(crate) fn connection_opened(&mut self, connection: u32, at: Moment) {
        self.duplicates.connection_opened(connection, at);
    }

    /// A connection ended.
    pub(crate) fn connection_closed(&mut self, connection: u32, at: Moment) {
        self.duplicates.connection_closed(connection, at);
    }

    /// The gaps.
    pub(crate) fn gaps_mut(&mut self) -> &mut GapLedger {
        &mut self.gaps
    }

    /// The stream took on this state.
    pub(crate) fn on_state(&mut self, state: ConnectionState) {
        match state {
            ConnectionState::Connecting | ConnectionState::Backoff => self.subscriptions.on_connecting(),
            ConnectionState::Streaming => self.subscriptions.on_streaming(),
            ConnectionState::Stopped => {}
        }
    }

    /// What is subscribed.
    pub(crate) fn subscriptions_mut(&mut self) -> &mut Subscriptions {
        &mut self.subscriptions
    }

    /// Why the live numbers of a queue are unknown now; `None` where its conversation topic is covered, and in the
    /// protocols that have no such topics.
    fn unknown_reason(&self, queue: &Id, in_gap: &InGap) -> Option<WhyUnknown> {
        match self.settings.protocol {
            Protocol::Notifications => self.subscriptions.unknown(queue, in_gap),
            Protocol::Events | Protocol::Metrics => None,
        }
    }

    /// These conversations leave the live numbers, because REST does not know them.
    pub(crate) fn lose(&mut self, ids: &[Id], now: Moment) {
        let now = self.service_time.at(now);
        for id in ids {
            self.conversations.lose(id, now);
        }
    }

    /// Events applied so far, as in [`Counters::events_applied`].
    #[cfg(any(test, feature = "internals"))]
    #[must_use]
    pub fn events_applied(&self) -> u64 {
        self.counters.applied
    }

    /// From now on so many finished conversations are kept whole.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn keep_finished(&mut self, at_most: usize) {
        self.conversations.keep_finished(at_most);
    }

    /// The conversations.
    #[must_use]
    pub fn conversations(&self) -> &Conversations {
        &self.conversations
    }

    /// The dashboard at `as_of`, with the next revision.
    ///
    /// The caller gives what it knows of `connection` and `counters`; the gaps and the model's own counters (applied,
    /// duplicates, unknown, stale, unkeyed, late, evicted, lost, unreadable, drift, repairs) are filled in here.
    pub(crate) fn snapshot(
        &mut self,
        as_of: Moment,
        generated_at: Moment,
        connection: ConnectionSnapshot,
        counters: Counters,
        outputs: BTreeMap<String, OutputSnapshot>,
    ) -> Snapshot {
        self.revision += 1;
        let in_gap = InGap::new(self.gaps.open_gaps());
        let (queues, all_queues) = self.queues(as_of, &in_gap);
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
                events_applied: self.counters.applied,
                duplicates: self.counters.duplicates,
                unknown: self.counters.unknown,
                stale: self.counters.stale,
                unkeyed: self.counters.unkeyed,
                late: self.counters.late,
                unreadable: self.counters.unreadable + self.conversations.totals().untaken() + counters.unreadable,
                evicted: self.conversations.evicted() + self.states.evicted(),
                lost: self.conversations.lost(),
                drift: self.conversations.drift(),
                repairs: self.counters.repairs,
                ..counters
            },
            outputs,
            latency: self.latencies.snapshot(),
            freshness: freshness.snapshot(as_of),
            totals: self.totals(&in_gap),
            all_queues,
            queues,
            users: self.users.snapshot(),
            metrics: self.metrics.snapshot(),
        }
    }

    /// Takes facts that came at `now` of the service's clock. Returns whether they were late.
    fn take(&mut self, facts: &Facts, now: Moment) -> bool {
        match facts {
            Facts::None => {}
            Facts::ConversationUpdate(update) => return self.take_conversation(&**update, now),
            Facts::Conversation(conversation) => return self.take_conversation(&**conversation, now),
            Facts::Observations(rows) => self.observations.apply(rows, now),
            Facts::User(user) => self.users.apply(user, now),
            Facts::ConversationState(state) => {
                self.counters.unkeyed += u64::from(self.states.apply(state, now));
            }
            Facts::QueueStatistics(statistics) => self.averages.apply(statistics),
            Facts::Metrics(metrics) => self.metrics.apply(metrics, now),
        }
        false
    }

    /// Returns whether it was late.
    fn take_conversation(&mut self, told: &impl ConversationTold, now: Moment) -> bool {
        self.service_time.saw(told, now);
        let late = self.conversations.apply(told, now) == Taken::Late;
        self.counters.late += u64::from(late);
        late
    }

    /// Repetitions count, too: a server that repeats a value is not silent.
    fn note_metric_time(&mut self, event: &Event, now: Moment) -> Option<Stale> {
        let Facts::Metrics(metrics) = &event.facts else {
            return None;
        };
        let arrival = self
            .metric_types
            .record(&metrics.metric_type, metrics.at, event.received_at, now);
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
