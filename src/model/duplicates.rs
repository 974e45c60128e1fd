//! Tells a first delivery from a repetition, and a repetition from the twin that an overlapping connection delivers.
//!
//! In: events, news of connections · Out: `Sight` · Thread: any (pure).
//!
//! The service numbers nothing, so only an event's topic and body (its fingerprint) can tell:
//! * What two overlapping connections both deliver is one event: the n-th delivery on the one pairs with the n-th on
//!   the other. This holds for every kind.
//! * On one connection (or on one that was opened after the other had closed) an equal body is a repetition where it
//!   holds a time of its own: conversations, users' states with their dates, metrics with a timestamp.
//! * Bodies without a time of their own (queue statistics, states without a date) may truthfully come again: 3 waiting,
//!   4 waiting, 3 waiting. They are a repetition only of what the same entity said last.
//! * Conversations without an id (`events` protocol) are never a repetition on one connection: two calls give equal
//!   bodies, and each counts.
//!
//! A fingerprint of 0 says that the event cannot be recognised (for instance because it was merged from several).

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::event::facts::Facts;
use crate::{Event, Moment};

/// Fingerprints of one generation; the two together remember at least this many events.
const GENERATION: usize = 32_768;

/// Connections whose life is remembered.
const LIVES_AT_MOST: usize = 256;

/// Where the life of a connection is not known, deliveries this far apart are not of overlapping ones.
const OVERLAP_AT_MOST_MS: i64 = 60_000;

/// What an event is, seen from all before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Never seen before, as far as can be told.
    First,
    /// Seen before: gets its record, changes no number.
    Repeated,
    /// The twin of what an overlapping connection has delivered: no record, changes no number.
    Overlapped,
}

/// Bounded memory of what was delivered.
#[derive(Debug, Default)]
pub struct Duplicates {
    sightings: Generations<Sighting>,
    /// What an entity said last, by topic and ids.
    last_said: Generations<u64>,
    lives: BTreeMap<u32, Life>,
}

/// Deliveries of one fingerprint by the two connections that brought it last.
#[derive(Clone, Copy, Debug)]
struct Sighting {
    newer: Delivery,
    older: Option<Delivery>,
}

#[derive(Clone, Copy, Debug)]
struct Delivery {
    connection: u32,
    times: u32,
    last_at: Moment,
}

#[derive(Clone, Copy, Debug)]
struct Life {
    opened: Moment,
    closed: Option<Moment>,
}

/// Whether an equal body can be told from a new fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recognised {
    ByBody,
    AsLastSaid,
    Never,
}

impl Duplicates {
    /// A connection began (its upgrade was asked for) at `at`.
    pub fn connection_opened(&mut self, connection: u32, at: Moment) {
        self.lives.insert(
            connection,
            Life {
                opened: at,
                closed: None,
            },
        );
        while self.lives.len() > LIVES_AT_MOST {
            self.lives.pop_first();
        }
    }

    /// A connection ended at `at`.
    pub fn connection_closed(&mut self, connection: u32, at: Moment) {
        if let Some(life) = self.lives.get_mut(&connection) {
            life.closed = Some(at);
        }
    }

    /// Notes an event and tells what it is.
    pub fn sight(&mut self, event: &Event) -> Sight {
        if event.fingerprint == 0 {
            return Sight::First;
        }
        let by_fingerprint = self.sight_of_fingerprint(event.fingerprint, event.connection, event.received_at);
        if by_fingerprint == Sight::Overlapped {
            return Sight::Overlapped;
        }
        let recognised = recognised(event);
        // Noted even for a first sight: it is what the entity said last from now on.
        let said_last = recognised == Recognised::AsLastSaid
            && self.last_said.put(entity(event), event.fingerprint) == Some(event.fingerprint);
        match (by_fingerprint, recognised) {
            (Sight::Repeated, Recognised::ByBody) => Sight::Repeated,
            (Sight::Repeated, Recognised::AsLastSaid) if said_last => Sight::Repeated,
            _ => Sight::First,
        }
    }

    fn sight_of_fingerprint(&mut self, fingerprint: u64, connection: u32, at: Moment) -> Sight {
        let delivery = Delivery {
            connection,
            times: 1,
            last_at: at,
        };
        let Some(known) = self.sightings.find(fingerprint) else {
            self.sightings.put(
                fingerprint,
                Sighting {
                    newer: delivery,
                    older: None,
                },
            );
            return Sight::First;
        };
        let mut sighting = *known;
        let (mine, other) = match sighting.older {
            _ if sighting.newer.connection == connection => (Some(sighting.newer), sighting.older),
            Some(older) if older.connection == connection => (Some(older), Some(sighting.newer)),
            _ => (None, Some(sighting.newer)),
        };
        let mine = mine.map_or(delivery, |mine| Delivery {
            times: mine.times.saturating_add(1),
            ..delivery
        });
        let twin = other.filter(|other| self.overlap(*other, mine));
        sighting.newer = mine;
        sighting.older = twin;
        if let Some(known) = self.sightings.find(fingerprint) {
            *known = sighting;
        }
        match twin {
            Some(twin) if mine.times <= twin.times => Sight::Overlapped,
            _ => Sight::Repeated,
        }
    }

    /// Both could have brought the same event: each was open when the other delivered.
    fn overlap(&self, one: Delivery, other: Delivery) -> bool {
        match (self.lives.get(&one.connection), self.lives.get(&other.connection)) {
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
        Facts::Conversation(_) => true,
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

/// Who speaks: topic, ids, and the medium of statistics, whose groups share a topic.
fn entity(event: &Event) -> u64 {
    let mut hasher = DefaultHasher::new();
    event.topic.hash(&mut hasher);
    (&event.conversation_id, &event.queue_id, &event.user_id).hash(&mut hasher);
    if let Facts::Observations(observations) = &event.facts {
        observations.rows.first().map(|row| row.media).hash(&mut hasher);
    }
    hasher.finish()
}

/// A map that forgets: the newest entries, and those of the generation before.
#[derive(Debug)]
struct Generations<T> {
    young: HashMap<u64, T>,
    old: HashMap<u64, T>,
}

impl<T> Default for Generations<T> {
    fn default() -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }
}

impl<T> Generations<T> {
    fn find(&mut self, key: u64) -> Option<&mut T> {
        self.young.get_mut(&key).or_else(|| self.old.get_mut(&key))
    }

    /// The value before, if it is remembered.
    fn put(&mut self, key: u64, value: T) -> Option<T> {
        if let Some(known) = self.find(key) {
            return Some(std::mem::replace(known, value));
        }
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
        None
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
        assert_eq!(d.sight(&conversation(1, 7, 0)), Sight::First);
        assert_eq!(d.sight(&conversation(1, 8, 0)), Sight::First);
        assert_eq!(d.sight(&conversation(2, 7, 1)), Sight::Overlapped);
        assert_eq!(d.sight(&conversation(1, 7, 2)), Sight::Repeated);
        assert_eq!(
            d.sight(&conversation(2, 7, 3)),
            Sight::Overlapped,
            "the second pairs with the second"
        );
        assert_eq!(d.sight(&conversation(2, 7, 4)), Sight::Repeated);
        assert_eq!(d.sight(&conversation(1, 7, 5)), Sight::Overlapped);
    }

    #[test]
    fn connections_that_did_not_overlap_have_no_twins() {
        let mut d = Duplicates::default();
        d.connection_opened(1, at(0));
        d.sight(&conversation(1, 7, 5));
        d.sight(&conversation(1, 8, 50));
        d.connection_opened(2, at(40));
        assert_eq!(
            d.sight(&conversation(2, 7, 41)),
            Sight::Repeated,
            "delivered before the second began"
        );
        assert_eq!(d.sight(&conversation(2, 8, 51)), Sight::Overlapped);
        d.connection_closed(1, at(60));
        d.connection_closed(2, at(60));
        d.connection_opened(3, at(61));
        assert_eq!(
            d.sight(&conversation(3, 8, 62)),
            Sight::Repeated,
            "the others were closed"
        );
    }

    #[test]
    fn without_known_lives_nearness_decides() {
        let mut d = Duplicates::default();
        d.sight(&conversation(1, 7, 0));
        assert_eq!(d.sight(&conversation(2, 7, 61)), Sight::Repeated);
        assert_eq!(d.sight(&conversation(1, 7, 62)), Sight::Overlapped);
    }

    #[test]
    fn statistics_repeat_only_what_was_said_last() {
        let mut d = Duplicates::default();
        assert_eq!(d.sight(&statistics(1, 3)), Sight::First);
        assert_eq!(d.sight(&statistics(1, 3)), Sight::Repeated);
        assert_eq!(d.sight(&statistics(1, 4)), Sight::First);
        assert_eq!(d.sight(&statistics(1, 3)), Sight::First, "three are waiting again");
        assert_eq!(
            d.sight(&statistics(2, 3)),
            Sight::Overlapped,
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
        assert_eq!(d.sight(&unkeyed(1)), Sight::First);
        assert_eq!(d.sight(&unkeyed(1)), Sight::First);
        assert_eq!(d.sight(&unkeyed(2)), Sight::Overlapped);
        assert_eq!(d.sight(&unkeyed(2)), Sight::Overlapped);
        assert_eq!(d.sight(&unkeyed(2)), Sight::First);
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
        d.sight(&user(1, Some(0)));
        d.sight(&user(2, Some(1)));
        assert_eq!(d.sight(&user(1, Some(0))), Sight::Repeated);
        d.sight(&user(3, None));
        d.sight(&user(4, None));
        assert_eq!(d.sight(&user(3, None)), Sight::First);
    }

    #[test]
    fn what_cannot_be_recognised_is_always_new() {
        let mut d = Duplicates::default();
        assert_eq!(d.sight(&conversation(1, 0, 0)), Sight::First);
        assert_eq!(d.sight(&conversation(2, 0, 0)), Sight::First);
    }

    #[test]
    fn memory_is_bounded_and_remembers_a_generation() {
        let mut d = Duplicates::default();
        for n in 1..=3 * GENERATION as u64 {
            d.sight(&conversation(1, n, 0));
        }
        assert!(d.sightings.young.len() + d.sightings.old.len() <= 2 * GENERATION);
        assert_eq!(d.sight(&conversation(1, 2 * GENERATION as u64, 0)), Sight::Repeated);
        assert_eq!(d.sight(&conversation(1, 1, 0)), Sight::First);
    }
}
