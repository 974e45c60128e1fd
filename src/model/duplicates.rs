//! Distinguishes first deliveries, repetitions, and copies that an overlapping connection delivers.
//!
//! In: events, opened and closed connections · Out: `Delivery` · Thread: any (pure).
//!
//! The service does not number its events, so topic and body (the fingerprint) must do:
//! * What two overlapping connections both deliver is one event: the n-th delivery of the one is the n-th of the other.
//!   This holds for every kind of event.
//! * On one connection (or on one that was opened after the other had closed) an equal body is a repetition if it holds
//!   a time of its own: conversations, users' states with a date, metrics with a timestamp.
//! * A body without a time of its own (queue statistics, states without a date) may be sent again as a new fact: 3
//!   waiting, 4 waiting, 3 waiting. It is a repetition only of the last body of the same entity.
//! * A conversation without an id (`events` protocol) is never a repetition on one connection: two calls have equal
//!   bodies, and each counts.
//!
//! A fingerprint of 0 means that the event cannot be recognised (for instance because it was merged from several).

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};

use crate::event::facts::Facts;
use crate::{Event, Moment};

/// Fingerprints of one generation; the two together remember at least this many events. A map holds so many in 32,768 places
/// of 25 bytes, so that deliveries, copies and what was said last take 4.4 MB at most, and 1.6 MB where two connections never
/// deliver the same.
const GENERATION: usize = 28_672;

/// Connections of which opening and closing times are remembered.
const LIFETIMES_AT_MOST: usize = 256;

/// Without these times, connections whose deliveries are further apart count as not overlapping.
const OVERLAP_AT_MOST_MS: i64 = 60_000;

/// How an event relates to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// Not seen before, as far as can be known.
    First,
    /// A repetition: it gets a record and changes no number.
    Repeated,
    /// An overlapping connection has delivered it already: it gets no record and changes no number.
    Overlapped,
}

/// Bounded memory of what was delivered.
#[derive(Debug, Default)]
pub(crate) struct Duplicates {
    /// The deliveries of a fingerprint by the connection that delivered it last.
    deliveries: Generations<ByConnection>,
    /// Those by the connection before it, where the two overlap.
    copies: Generations<ByConnection>,
    /// What an entity said last, by topic and ids.
    last_said: Generations<u64>,
    lifetimes: BTreeMap<u32, Lifetime>,
}

#[derive(Clone, Copy, Debug)]
struct ByConnection {
    connection: u32,
    times: u32,
    last_at: Moment,
}

#[derive(Clone, Copy, Debug)]
struct Lifetime {
    opened: Moment,
    closed: Option<Moment>,
}

/// How a repetition of an event can be recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recognised {
    ByBody,
    AsLastSaid,
    Never,
}

impl Duplicates {
    /// A connection began (its upgrade was asked for) at `at`.
    pub(crate) fn connection_opened(&mut self, connection: u32, at: Moment) {
        self.lifetimes.insert(
            connection,
            Lifetime {
                opened: at,
                closed: None,
            },
        );
        while self.lifetimes.len() > LIFETIMES_AT_MOST {
            self.lifetimes.pop_first();
        }
    }

    /// A connection ended at `at`.
    pub(crate) fn connection_closed(&mut self, connection: u32, at: Moment) {
        if let Some(lifetime) = self.lifetimes.get_mut(&connection) {
            lifetime.closed = Some(at);
        }
    }

    /// Notes an event and says how it relates to those before it.
    pub(crate) fn classify(&mut self, event: &Event) -> Delivery {
        if event.fingerprint == 0 {
            return Delivery::First;
        }
        let by_fingerprint = self.classify_fingerprint(event.fingerprint, event.connection, event.received_at);
        if by_fingerprint == Delivery::Overlapped {
            return Delivery::Overlapped;
        }
        let recognised = recognised(event);
        // Noted for a first delivery, too: from now on it is what the entity said last.
        let said_last = recognised == Recognised::AsLastSaid
            && self.last_said.put(entity(event), event.fingerprint) == Some(event.fingerprint);
        match (by_fingerprint, recognised) {
            (Delivery::Repeated, Recognised::ByBody) => Delivery::Repeated,
            (Delivery::Repeated, Recognised::AsLastSaid) if said_last => Delivery::Repeated,
            _ => Delivery::First,
        }
    }

    fn classify_fingerprint(&mut self, fingerprint: u64, connection: u32, at: Moment) -> Delivery {
        let delivery = ByConnection {
            connection,
            times: 1,
            last_at: at,
        };
        let Some(newer) = self.deliveries.find_or_insert(fingerprint, delivery) else {
            // Of a delivery that was forgotten.
            self.copies.remove(fingerprint);
            return Delivery::First;
        };
        let older = self.copies.find(fingerprint).copied();
        let (mine, other) = match older {
            _ if newer.connection == connection => (Some(newer), older),
            Some(older) if older.connection == connection => (Some(older), Some(newer)),
            _ => (None, Some(newer)),
        };
        let mine = mine.map_or(delivery, |mine| ByConnection {
            times: mine.times.saturating_add(1),
            ..delivery
        });
        let copy_of = other.filter(|other| self.overlap(*other, mine));
        self.deliveries.put(fingerprint, mine);
        match copy_of {
            Some(other) => drop(self.copies.put(fingerprint, other)),
            None => self.copies.remove(fingerprint),
        }
        match copy_of {
            Some(other) if mine.times <= other.times => Delivery::Overlapped,
            _ => Delivery::Repeated,
        }
    }

    /// Whether both could have delivered the same event: each was open when the other delivered.
    fn overlap(&self, one: ByConnection, other: ByConnection) -> bool {
        match (
            self.lifetimes.get(&one.connection),
            self.lifetimes.get(&other.connection),
        ) {
            (Some(a), Some(b)) => {
                a.closed.is_none_or(|closed| b.opened <= closed)
                    && b.closed.is_none_or(|closed| a.opened <= closed)
                    && one.last_at >= b.opened
                    && other.last_at >= a.opened
            }
            _ => one.last_at.millis_since(other.last_at).abs() <= OVERLAP_AT_MOST_MS,
        }
    }
}

fn recognised(event: &Event) -> Recognised {
    let has_time = match &event.facts {
        Facts::None => event.event_time.is_some(),
        Facts::ConversationUpdate(_) | Facts::Conversation(_) => true,
        Facts::Observations(_) => false,
        Facts::User(user) => {
            let timed = |half: &Option<(Box<str>, Option<Moment>)>| half.as_ref().is_none_or(|half| half.1.is_some());
            timed(&user.presence) && timed(&user.routing_status)
        }
        Facts::ConversationState(state) if state.conversation.is_none() => return Recognised::Never,
        Facts::ConversationState(state) => state.at.is_some(),
        Facts::QueueStatistics(statistics) => statistics.at.is_some(),
        Facts::Metrics(metrics) => metrics.at.is_some(),
    };
    if has_time {
        Recognised::ByBody
    } else {
        Recognised::AsLastSaid
    }
}

/// What an event is about: topic, ids, and the medium of statistics, whose groups share a topic.
fn entity(event: &Event) -> u64 {
    let mut hasher = DefaultHasher::new();
    event.topic.hash(&mut hasher);
    (&event.conversation_id, &event.queue_id, &event.user_id).hash(&mut hasher);
    if let Facts::Observations(observations) = &event.facts {
        observations.rows.first().map(|row| row.media).hash(&mut hasher);
    }
    hasher.finish()
}

/// A map with bounded memory: the newest entries, and those of the generation before. Its keys are hashes.
#[derive(Debug)]
struct Generations<T> {
    young: HashMap<u64, T, BuildHasherDefault<AsItIs>>,
    old: HashMap<u64, T, BuildHasherDefault<AsItIs>>,
}

impl<T> Default for Generations<T> {
    fn default() -> Self {
        Self {
            young: HashMap::default(),
            old: HashMap::default(),
        }
    }
}

impl<T> Generations<T> {
    fn find(&mut self, key: u64) -> Option<&mut T> {
        self.young.get_mut(&key).or_else(|| self.old.get_mut(&key))
    }

    /// The value of a key; one that is not remembered is entered.
    fn find_or_insert(&mut self, key: u64, new: T) -> Option<T>
    where
        T: Copy,
    {
        if self.young.len() < GENERATION {
            return match (self.young.entry(key), self.old.get(&key)) {
                (Entry::Occupied(known), _) => Some(*known.get()),
                (Entry::Vacant(_), Some(known)) => Some(*known),
                (Entry::Vacant(vacant), None) => {
                    vacant.insert(new);
                    None
                }
            };
        }
        let known = self.find(key).copied();
        if known.is_none() {
            self.insert(key, new);
        }
        known
    }

    /// Returns the value before, if it is remembered.
    fn put(&mut self, key: u64, value: T) -> Option<T> {
        if let Some(known) = self.find(key) {
            return Some(std::mem::replace(known, value));
        }
        self.insert(key, value);
        None
    }

    /// Enters a key that is not remembered.
    fn insert(&mut self, key: u64, value: T) {
        if self.young.len() >= GENERATION {
            // The memory of what is forgotten is used again.
            std::mem::swap(&mut self.old, &mut self.young);
            self.young.clear();
        }
        self.young.insert(key, value);
    }

    fn remove(&mut self, key: u64) {
        for generation in [&mut self.young, &mut self.old] {
            // Nearly always empty, because connections hardly ever overlap.
            if !generation.is_empty() && generation.remove(&key).is_some() {
                return;
            }
        }
    }
}

/// The hash of a key that is a hash.
#[derive(Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::facts::{ConversationFacts, ConversationStateFacts, ObservationFacts, UserFacts};
    use crate::model::testing::{at, event};
    use crate::{EventKind, Id};

    fn conversation(connection: u32, fingerprint: u64, secs: i64) -> Event {
        let facts = Facts::Conversation(Box::new(ConversationFacts::nothing_of(Id::new("c"))));
        let mut e = event(EventKind::QueueConversation, facts, at(secs));
        (e.connection, e.fingerprint) = (connection, fingerprint);
        e
    }

    fn statistics(connection: u32, fingerprint: u64) -> Event {
        let facts = Facts::Observations(Box::new(ObservationFacts {
            queue: Id::new("Q"),
            rows: Vec::new(),
        }));
        let mut e = event(EventKind::QueueObservation, facts, at(1));
        (e.connection, e.fingerprint) = (connection, fingerprint);
        e
    }

    #[test]
    fn a_repetition_on_the_same_connection_and_a_twin_on_an_overlapping_one() {
        let mut d = Duplicates::default();
        assert_eq!(d.classify(&conversation(1, 7, 0)), Delivery::First);
        assert_eq!(d.classify(&conversation(1, 8, 0)), Delivery::First);
        assert_eq!(d.classify(&conversation(2, 7, 1)), Delivery::Overlapped);
        assert_eq!(d.classify(&conversation(1, 7, 2)), Delivery::Repeated);
        assert_eq!(
            d.classify(&conversation(2, 7, 3)),
            Delivery::Overlapped,
            "the second pairs with the second"
        );
        assert_eq!(d.classify(&conversation(2, 7, 4)), Delivery::Repeated);
        assert_eq!(d.classify(&conversation(1, 7, 5)), Delivery::Overlapped);
    }

    #[test]
    fn connections_that_did_not_overlap_have_no_twins() {
        let mut d = Duplicates::default();
        d.connection_opened(1, at(0));
        d.classify(&conversation(1, 7, 5));
        d.classify(&conversation(1, 8, 50));
        d.connection_opened(2, at(40));
        assert_eq!(
            d.classify(&conversation(2, 7, 41)),
            Delivery::Repeated,
            "delivered before the second began"
        );
        assert_eq!(d.classify(&conversation(2, 8, 51)), Delivery::Overlapped);
        d.connection_closed(1, at(60));
        d.connection_closed(2, at(60));
        d.connection_opened(3, at(61));
        assert_eq!(
            d.classify(&conversation(3, 8, 62)),
            Delivery::Repeated,
            "the others were closed"
        );
    }

    #[test]
    fn without_known_lives_nearness_decides() {
        let mut d = Duplicates::default();
        d.classify(&conversation(1, 7, 0));
        assert_eq!(d.classify(&conversation(2, 7, 61)), Delivery::Repeated);
        assert_eq!(d.classify(&conversation(1, 7, 62)), Delivery::Overlapped);
    }

    #[test]
    fn statistics_repeat_only_what_was_said_last() {
        let mut d = Duplicates::default();
        assert_eq!(d.classify(&statistics(1, 3)), Delivery::First);
        assert_eq!(d.classify(&statistics(1, 3)), Delivery::Repeated);
        assert_eq!(d.classify(&statistics(1, 4)), Delivery::First);
        assert_eq!(
            d.classify(&statistics(1, 3)),
            Delivery::First,
            "three are waiting again"
        );
        assert_eq!(
            d.classify(&statistics(2, 3)),
            Delivery::Overlapped,
            "a straggler of the other connection"
        );
    }

    #[test]
    fn conversations_without_id_are_new_every_time_unless_another_connection_says_so_too() {
        let mut d = Duplicates::default();
        let unkeyed = |connection| {
            let facts = Facts::ConversationState(ConversationStateFacts {
                conversation: None,
                queue: None,
                active: Some(true),
                at: Some(at(0)),
            });
            let mut e = event(EventKind::Conversation, facts, at(1));
            (e.connection, e.fingerprint) = (connection, 9);
            e
        };
        assert_eq!(d.classify(&unkeyed(1)), Delivery::First);
        assert_eq!(d.classify(&unkeyed(1)), Delivery::First);
        assert_eq!(d.classify(&unkeyed(2)), Delivery::Overlapped);
        assert_eq!(d.classify(&unkeyed(2)), Delivery::Overlapped);
        assert_eq!(d.classify(&unkeyed(2)), Delivery::First);
    }

    #[test]
    fn a_users_state_is_recognised_by_its_date() {
        let mut d = Duplicates::default();
        let user = |fingerprint, own: Option<i64>| {
            let facts = Facts::User(Box::new(UserFacts {
                user: Id::new("u"),
                presence: Some(("BUSY".into(), own.map(at))),
                routing_status: None,
            }));
            let mut e = event(EventKind::UserPresence, facts, at(1));
            e.fingerprint = fingerprint;
            e
        };
        d.classify(&user(1, Some(0)));
        d.classify(&user(2, Some(1)));
        assert_eq!(d.classify(&user(1, Some(0))), Delivery::Repeated);
        d.classify(&user(3, None));
        d.classify(&user(4, None));
        assert_eq!(d.classify(&user(3, None)), Delivery::First);
    }

    #[test]
    fn what_cannot_be_recognised_is_always_new() {
        let mut d = Duplicates::default();
        assert_eq!(d.classify(&conversation(1, 0, 0)), Delivery::First);
        assert_eq!(d.classify(&conversation(2, 0, 0)), Delivery::First);
    }

    #[test]
    fn memory_is_bounded_and_remembers_a_generation() {
        let mut d = Duplicates::default();
        for n in 1..=3 * GENERATION as u64 {
            d.classify(&conversation(1, n, 0));
        }
        assert!(d.deliveries.young.len() + d.deliveries.old.len() <= 2 * GENERATION);
        for generation in [&d.deliveries.young, &d.deliveries.old] {
            assert!(generation.capacity() <= GENERATION, "{}", generation.capacity());
        }
        assert_eq!(size_of::<(u64, ByConnection)>(), 24);
        assert_eq!(
            d.classify(&conversation(1, 2 * GENERATION as u64, 0)),
            Delivery::Repeated
        );
        assert_eq!(d.classify(&conversation(1, 1, 0)), Delivery::First);
    }
}
