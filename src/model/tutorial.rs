//! The numbers of the tutorials' protocols: conversations counted by their state (`events`), last values (`metrics`).
//!
//! In: facts of these protocols · Out: active conversations, queues' average waits, metrics · Thread: any (pure).

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use crate::base::hash::Seeded;
use crate::base::inserted::Inserted as _;
use crate::event::facts::{ConversationStateFacts, MetricFacts, QueueStatisticsFacts};
use crate::event::stats::Name;
use crate::model::slots::first_sorted;
use crate::model::snapshot::MetricSnapshot;
use crate::{Id, Moment};

/// Queues with an average at most.
const QUEUES_AT_MOST: usize = 20_000;

/// Metrics at most; the protocol knows six types of ten metrics.
const METRICS_AT_MOST: usize = 10_000;

/// `idlest` is rebuilt with an eighth of all conversations.
const IDLEST_OF: usize = 8;

/// `events` protocol: which conversations are active.
///
/// A conversation that is no longer active is remembered for the retention, so that an older event does not make it
/// active again.
#[derive(Debug)]
pub(crate) struct ConversationStates {
    states: HashMap<Id, State, Seeded>,
    /// Events after which a conversation was not active, the oldest first, and when they came; for each conversation its
    /// last event counts.
    inactive: VecDeque<(u64, Moment, Id)>,
    /// The longest idle when they were last looked up, the idlest last. One that had an event since is void.
    idlest: Vec<(u64, Id)>,
    active: u64,
    /// The tutorial's ±1 counter of conversations without an id.
    unkeyed_active: u64,
    events: u64,
    retention: Duration,
    max_conversations: usize,
    /// Bytes of all, as an estimate.
    bytes: usize,
    max_bytes: usize,
    evicted: u64,
}

/// Bytes of a conversation, as an estimate: its id stands in the map, up to twice among the inactive, and once among the
/// idlest.
fn bytes_of(id: &Id) -> usize {
    size_of::<(Id, State)>() + 2 * size_of::<(u64, Moment, Id)>() + size_of::<(u64, Id)>() + 4 * id.heap_bytes()
}

#[derive(Clone, Copy, Debug)]
struct State {
    active: bool,
    /// The newest time of its events; older events change nothing.
    newest: Option<Moment>,
    /// The number of its last event.
    order: u64,
}

impl ConversationStates {
    /// Without conversations. One that is not active is forgotten `retention` after its last event; at most
    /// `max_conversations` are remembered, and no more than `max_bytes` have room for.
    #[must_use]
    pub(crate) fn new(retention: Duration, max_conversations: usize, max_bytes: usize) -> Self {
        Self {
            states: HashMap::with_hasher(Seeded::random()),
            inactive: VecDeque::new(),
            idlest: Vec::new(),
            active: 0,
            unkeyed_active: 0,
            events: 0,
            retention,
            max_conversations: max_conversations.max(1),
            bytes: 0,
            max_bytes,
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
        let order = self.events + 1;
        match self.states.entry(id.clone()) {
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                if facts.at.is_some() && facts.at < known.newest {
                    return false;
                }
                self.active -= u64::from(known.active);
                let newest = known.newest.max(facts.at);
                *known = State { active, newest, order };
            }
            Entry::Vacant(new) => {
                let newest = facts.at;
                new.insert(State { active, newest, order });
                self.bytes += bytes_of(id);
            }
        }
        self.active += u64::from(active);
        self.events = order;
        if !active {
            self.inactive.push_back((order, now, id.clone()));
        }
        while self.states.len() > self.max_conversations || self.bytes > self.max_bytes && self.states.len() > 1 {
            self.evict();
        }
        // Leaves out the events after which another came, once there are more of them than of the others.
        if self.inactive.len() > 2 * self.states.len() + 64 {
            let states = &self.states;
            let is_last = |id: &Id, order: u64| states.get(id).is_some_and(|state| state.order == order);
            self.inactive.retain(|(order, _, id)| is_last(id, *order));
        }
        false
    }

    /// Whether the last event of `id` is the one of this number.
    fn is_last(&self, id: &Id, order: u64) -> bool {
        self.states.get(id).is_some_and(|state| state.order == order)
    }

    /// Forgets the longest idle for lack of room.
    ///
    /// Looks at all conversations each time that an eighth of them was forgotten or had an event.
    fn evict(&mut self) {
        while let Some((order, id)) = self.idlest.pop() {
            if self.is_last(&id, order) {
                self.remove(&id);
                self.evicted += 1;
                return;
            }
        }
        let all = self.states.iter().map(|(id, state)| (state.order, id)).collect();
        let idlest = first_sorted(all, self.states.len().div_ceil(IDLEST_OF));
        let idlest = idlest.into_iter().rev().map(|(order, id)| (order, id.clone()));
        self.idlest = idlest.collect();
    }

    /// Forgets those that are not active and whose last event came before `now` less the retention.
    pub(crate) fn forget(&mut self, now: Moment) {
        let horizon = now.minus(self.retention);
        while self.inactive.front().is_some_and(|(_, seen, _)| *seen < horizon)
            && let Some((order, _, id)) = self.inactive.pop_front()
        {
            if self.is_last(&id, order) {
                self.remove(&id);
            }
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
        let state = self.states.remove(id);
        self.bytes -= if state.is_some() { bytes_of(id) } else { 0 };
        self.active -= u64::from(state.is_some_and(|state| state.active));
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
    /// By metric type, or what is before its first point.
    types: BTreeMap<Name, Values>,
    count: usize,
}

/// Those of one type.
#[derive(Debug, Default)]
struct Values {
    /// In the order in which they came first: messages nearly always have the same order.
    values: Vec<Value>,
    places: BTreeMap<Name, usize>,
}

#[derive(Debug)]
struct Value {
    /// The rest of the name.
    name: Name,
    last: MetricSnapshot,
    newest: Option<Moment>,
}

impl Values {
    /// The place of a name, which is probably `likely`.
    fn place(&self, name: &Name, likely: usize) -> Option<usize> {
        match self.values.get(likely) {
            Some(value) if value.name == *name => Some(likely),
            _ => self.places.get(name).copied(),
        }
    }
}

impl Metrics {
    /// Takes an event that arrived at `received_at`. One with an older time changes nothing; one without a time counts as
    /// of its arrival.
    pub(crate) fn apply(&mut self, facts: &MetricFacts, received_at: Moment) {
        let values = facts.values.iter().filter(|(_, value)| value.is_finite());
        // Names are joined by a point, so those that have points themselves are read as one.
        match facts.metric_type.split_once('.') {
            None => self.put(
                &facts.metric_type,
                values.map(|(name, value)| (Cow::Borrowed(name), *value)),
                facts,
                received_at,
            ),
            Some((first, rest)) => {
                let joined = values.map(|(name, value)| (Cow::Owned(format!("{rest}.{name}").into()), *value));
                self.put(&first.into(), joined, facts, received_at);
            }
        }
    }

    fn put<'a>(
        &mut self,
        first: &Name,
        values: impl Iterator<Item = (Cow<'a, Name>, f64)>,
        facts: &MetricFacts,
        received_at: Moment,
    ) {
        let mut values = values.peekable();
        if !self.types.contains_key(first) && self.count < METRICS_AT_MOST && values.peek().is_some() {
            self.types.insert(first.clone(), Values::default());
        }
        let Some(known) = self.types.get_mut(first) else { return };
        let mut likely = 0;
        for (name, value) in values {
            let last = MetricSnapshot {
                value,
                timestamp: facts.at,
                entity: facts.entity.clone(),
            };
            if let Some(place) = known.place(&name, likely) {
                likely = place + 1;
                let known = &mut known.values[place];
                if Some(facts.at.unwrap_or(received_at)) >= known.newest {
                    known.last = last;
                    known.newest = known.newest.max(facts.at);
                }
            } else if self.count < METRICS_AT_MOST {
                let (name, newest) = (name.into_owned(), facts.at);
                known.places.insert(name.clone(), known.values.len());
                known.values.push(Value { name, last, newest });
                self.count += 1;
            }
        }
    }

    /// By `<metric type>.<metric>`.
    #[must_use]
    pub(crate) fn snapshot(&self) -> BTreeMap<String, MetricSnapshot> {
        let by_first = self.types.iter();
        by_first
            .flat_map(|(first, values)| values.values.iter().map(move |value| (first, value)))
            .map(|(first, value)| (format!("{first}.{}", value.name), value.last.clone()))
            .inserted()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::vec;
    use proptest::prelude::*;

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
        ConversationStates::new(Duration::from_secs(100), 3, usize::MAX)
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

    proptest! {
        #[test]
        fn the_longest_idle_are_evicted_first(
            at_most in 1..40_usize,
            steps in vec((0..60_u8, any::<bool>(), 0..40_i64), 0..400),
        ) {
            let mut s = ConversationStates::new(Duration::from_secs(100), at_most, usize::MAX);
            // The last event of each: id, whether it is active, when. The longest idle first.
            let mut plain: Vec<(u8, bool, i64)> = Vec::new();
            let (mut now, mut evicted) = (0, 0);
            for (id, active, later) in steps {
                now += later;
                s.apply(&state(Some(&format!("c{id}")), Some(active), None), at(now));
                plain.retain(|(_, active, seen)| *active || *seen >= now - 100);
                plain.retain(|(other, ..)| *other != id);
                plain.push((id, active, now));
                if plain.len() > at_most {
                    plain.remove(0);
                    evicted += 1;
                }
                let ids = BTreeSet::from_iter(s.states.keys().cloned());
                prop_assert_eq!(ids, plain.iter().map(|(id, ..)| Id::new(&format!("c{id}"))).collect());
                prop_assert_eq!(s.active(), plain.iter().filter(|(_, active, _)| *active).count() as u64);
                prop_assert_eq!(s.evicted(), evicted);
            }
        }
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
    fn memory_is_bounded_in_bytes() {
        let mut states = ConversationStates::new(Duration::from_secs(100), 1_000, 100_000);
        for n in 0..1_000 {
            states.apply(&state(Some(&format!("{n:0>250}")), Some(n % 2 == 0), None), at(n));
            assert!(states.bytes <= 100_000);
        }
        let kept = states.states.len() as u64;
        assert!((40..90).contains(&kept), "{kept}");
        states.forget(at(2_000));
        let active = states.states.len();
        assert_eq!(states.bytes, active * bytes_of(&Id::new(&"0".repeat(250))));
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
        for n in 0..10_000 {
            s.apply(&state(Some("a"), Some(n % 2 == 0), None), at(300));
        }
        assert!(s.inactive.len() <= 2 * 3 + 64);
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
