//! The numbers of the tutorials' protocols: conversations counted by their state (`events`), last values (`metrics`).
//!
//! In: facts of these protocols · Out: active conversations, queues' average waits, metrics · Thread: any (pure).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use crate::base::inserted::Inserted as _;
use crate::event::facts::{ConversationStateFacts, MetricFacts, QueueStatisticsFacts};
use crate::model::snapshot::MetricSnapshot;
use crate::{Id, Moment};

/// Queues with an average at most.
const QUEUES_AT_MOST: usize = 20_000;

/// Metrics at most; the protocol knows six types of ten metrics.
const METRICS_AT_MOST: usize = 10_000;

/// `events` protocol: which conversations are active.
///
/// A conversation that is no longer active is remembered for the retention, so that an older event does not make it
/// active again.
#[derive(Debug)]
pub(crate) struct ConversationStates {
    states: HashMap<Id, State>,
    /// All, in the order of their last event.
    by_idleness: BTreeSet<(u64, Id)>,
    /// Those that are not active, by the arrival of their last event.
    inactive: BTreeSet<(Moment, Id)>,
    active: u64,
    /// The tutorial's ±1 counter of conversations without an id.
    unkeyed_active: u64,
    events: u64,
    retention: Duration,
    max_conversations: usize,
    evicted: u64,
}

#[derive(Clone, Copy, Debug)]
struct State {
    active: bool,
    /// The newest time of its events; older events change nothing.
    newest: Option<Moment>,
    seen: Moment,
    order: u64,
}

impl ConversationStates {
    /// Without conversations. One that is not active is forgotten `retention` after its last event; at most
    /// `max_conversations` are remembered.
    #[must_use]
    pub(crate) fn new(retention: Duration, max_conversations: usize) -> Self {
        Self {
            states: HashMap::new(),
            by_idleness: BTreeSet::new(),
            inactive: BTreeSet::new(),
            active: 0,
            unkeyed_active: 0,
            events: 0,
            retention,
            max_conversations: max_conversations.max(1),
            evicted: 0,
        }
    }

    /// Takes an event that arrived at `now`. Returns whether the conversation had no id.
    pub(crate) fn apply(&mut self, facts: &ConversationStateFacts, now: Moment) -> bool {
        self.forget(now);
        let Some(id) = &facts.conversation else {
            match facts.active {
                Some(true) => self.unkeyed_active += 1,
                Some(false) => self.unkeyed_active = self.unkeyed_active.saturating_sub(1),
                None => {}
            }
            return true;
        };
        let Some(active) = facts.active else { return false };
        let known = self.states.get(id).copied();
        let newest = known.and_then(|known| known.newest);
        if facts.at.is_some() && facts.at < newest {
            return false;
        }
        if let Some(known) = known {
            self.unlink(id, known);
        }
        self.events += 1;
        let state = State {
            active,
            newest: newest.max(facts.at),
            seen: now,
            order: self.events,
        };
        self.by_idleness.insert((state.order, id.clone()));
        if active {
            self.active += 1;
        } else {
            self.inactive.insert((now, id.clone()));
        }
        self.states.insert(id.clone(), state);
        while self.states.len() > self.max_conversations {
            let Some((_, idlest)) = self.by_idleness.first().cloned() else {
                break;
            };
            self.remove(&idlest);
            self.evicted += 1;
        }
        false
    }

    /// Forgets those that are not active and whose last event came before `now` less the retention.
    pub(crate) fn forget(&mut self, now: Moment) {
        let horizon = now.minus(self.retention);
        while let Some((_, id)) = self.inactive.first().filter(|(seen, _)| *seen < horizon).cloned() {
            self.remove(&id);
        }
    }

    /// Active conversations, those without an id included.
    #[must_use]
    pub(crate) fn active(&self) -> u64 {
        self.active + self.unkeyed_active
    }

    /// Conversations forgotten for lack of room.
    #[must_use]
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }

    fn remove(&mut self, id: &Id) {
        if let Some(state) = self.states.remove(id) {
            self.unlink(id, state);
        }
    }

    fn unlink(&mut self, id: &Id, state: State) {
        self.by_idleness.remove(&(state.order, id.clone()));
        if state.active {
            self.active -= 1;
        } else {
            self.inactive.remove(&(state.seen, id.clone()));
        }
    }
}

/// `events` protocol: the queues' own average waits.
#[derive(Debug, Default)]
pub(crate) struct QueueAverages {
    queues: BTreeMap<Id, (f64, Option<Moment>)>,
}

impl QueueAverages {
    /// Takes an event. One with an older time changes nothing; without times the last to arrive counts.
    pub(crate) fn apply(&mut self, facts: &QueueStatisticsFacts) {
        let Some(secs) = facts.average_wait_secs.filter(|secs| secs.is_finite()) else {
            return;
        };
        let newest = self.queues.get(&facts.queue).and_then(|known| known.1);
        let is_old = facts.at.is_some() && facts.at < newest;
        let is_full = self.queues.len() >= QUEUES_AT_MOST && !self.queues.contains_key(&facts.queue);
        if !is_old && !is_full {
            self.queues.insert(facts.queue.clone(), (secs, newest.max(facts.at)));
        }
    }

    /// Seconds, as the server said.
    #[must_use]
    pub(crate) fn of(&self, queue: &Id) -> Option<f64> {
        self.queues.get(queue).map(|known| known.0)
    }

    /// Queues that have one.
    pub(crate) fn queues(&self) -> impl Iterator<Item = &Id> {
        self.queues.keys()
    }
}

/// `metrics` protocol: the last value of each metric.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    values: BTreeMap<String, (MetricSnapshot, Option<Moment>)>,
}

impl Metrics {
    /// Takes an event that arrived at `received_at`. One with an older time changes nothing; one without a time counts as
    /// of its arrival.
    pub(crate) fn apply(&mut self, facts: &MetricFacts, received_at: Moment) {
        for (name, value) in facts.values.iter().filter(|(_, value)| value.is_finite()) {
            let key = format!("{}.{name}", facts.metric_type);
            let newest = self.values.get(&key).and_then(|known| known.1);
            let is_old = Some(facts.at.unwrap_or(received_at)) < newest;
            let is_full = self.values.len() >= METRICS_AT_MOST && !self.values.contains_key(&key);
            if is_old || is_full {
                continue;
            }
            let metric = MetricSnapshot {
                value: *value,
                timestamp: facts.at,
                entity: facts.entity.clone(),
            };
            self.values.insert(key, (metric, newest.max(facts.at)));
        }
    }

    /// By `<metric type>.<metric>`.
    #[must_use]
    pub(crate) fn snapshot(&self) -> BTreeMap<String, MetricSnapshot> {
        let values = self.values.iter();
        values
            .map(|(key, (metric, _))| (key.clone(), metric.clone()))
            .inserted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::at;

    fn state(id: Option<&str>, active: Option<bool>, own: Option<i64>) -> ConversationStateFacts {
        ConversationStateFacts {
            conversation: id.map(Id::new),
            queue: None,
            active,
            at: own.map(at),
        }
    }

    fn states() -> ConversationStates {
        ConversationStates::new(Duration::from_secs(100), 3)
    }

    #[test]
    fn a_conversation_counts_once_however_often_it_is_repeated() {
        let mut s = states();
        for n in 0..5 {
            assert!(!s.apply(&state(Some("a"), Some(true), None), at(n)));
        }
        s.apply(&state(Some("b"), Some(true), None), at(5));
        assert_eq!(s.active(), 2);
        s.apply(&state(Some("a"), Some(false), None), at(6));
        s.apply(&state(Some("a"), Some(false), None), at(7));
        assert_eq!(s.active(), 1);
        s.apply(&state(Some("b"), None, None), at(8));
        assert_eq!(s.active(), 1, "another state says nothing");
    }

    #[test]
    fn an_older_timestamp_undoes_nothing_and_an_equal_or_absent_one_goes_by_arrival() {
        let mut s = states();
        s.apply(&state(Some("a"), Some(false), Some(10)), at(10));
        s.apply(&state(Some("a"), Some(true), Some(9)), at(11));
        assert_eq!(s.active(), 0);
        s.apply(&state(Some("a"), Some(true), Some(10)), at(12));
        assert_eq!(s.active(), 1);
        s.apply(&state(Some("a"), Some(false), None), at(13));
        assert_eq!(s.active(), 0);
        s.apply(&state(Some("a"), Some(true), Some(9)), at(14));
        assert_eq!(s.active(), 0, "the time seen before still holds");
    }

    #[test]
    fn without_an_id_the_counter_goes_up_and_down_and_never_below_zero() {
        let mut s = states();
        assert!(s.apply(&state(None, Some(false), None), at(0)));
        assert_eq!(s.active(), 0);
        s.apply(&state(None, Some(true), None), at(1));
        s.apply(&state(None, Some(true), None), at(2));
        s.apply(&state(Some("a"), Some(true), None), at(3));
        s.apply(&state(None, Some(false), None), at(4));
        assert_eq!(s.active(), 2);
    }

    #[test]
    fn memory_is_bounded_by_retention_and_number() {
        let mut s = states();
        s.apply(&state(Some("a"), Some(false), None), at(0));
        s.forget(at(100));
        assert_eq!(s.states.len(), 1);
        s.forget(at(101));
        assert_eq!(s.states.len(), 0);
        for (n, id) in (0..).zip(["a", "b", "c", "a", "d"]) {
            s.apply(&state(Some(id), Some(true), None), at(200 + n));
        }
        assert_eq!((s.active(), s.evicted()), (3, 1));
        assert!(!s.states.contains_key(&Id::new("b")), "the longest idle went");
        assert_eq!(s.by_idleness.len() + s.inactive.len(), 3);
    }

    #[test]
    fn the_servers_average_goes_by_time_then_arrival() {
        let mut q = QueueAverages::default();
        let facts = |secs, own: Option<i64>| QueueStatisticsFacts {
            queue: Id::new("Q"),
            average_wait_secs: secs,
            at: own.map(at),
        };
        q.apply(&facts(Some(12.5), Some(10)));
        q.apply(&facts(Some(99.0), Some(9)));
        q.apply(&facts(None, Some(11)));
        assert_eq!(q.of(&Id::new("Q")), Some(12.5));
        q.apply(&facts(Some(13.0), None));
        assert_eq!(q.of(&Id::new("Q")), Some(13.0));
    }

    #[test]
    fn metrics_keep_the_newest_value() {
        let mut m = Metrics::default();
        let facts = |value, own: Option<i64>, entity: Option<&str>| MetricFacts {
            metric_type: "queue".into(),
            entity: entity.map(Id::new),
            at: own.map(at),
            values: vec![("offered".into(), value), ("broken".into(), f64::NAN)],
        };
        m.apply(&facts(3.0, Some(10), Some("Q")), at(10));
        m.apply(&facts(2.0, Some(9), None), at(11));
        let of = |m: &Metrics| m.snapshot().remove("queue.offered").unwrap();
        assert_eq!(
            (of(&m).value, of(&m).entity, of(&m).timestamp),
            (3.0, Some(Id::new("Q")), Some(at(10)))
        );
        assert_eq!(m.snapshot().len(), 1);
        m.apply(&facts(7.0, None, None), at(9));
        assert_eq!(
            (of(&m).value, of(&m).timestamp),
            (3.0, Some(at(10))),
            "it came before the time of what is known"
        );
        m.apply(&facts(4.0, None, None), at(12));
        assert_eq!((of(&m).value, of(&m).timestamp), (4.0, None));
        m.apply(&facts(5.0, Some(9), None), at(13));
        assert_eq!(of(&m).value, 4.0);
    }
}
