//! The state of a conversation is the join of everything seen of it: the same in any order and with any repetition.
//!
//! In: `ConversationFacts` of events and answers · Out: their join · Thread: any (pure; model and coalescing buffer).
//!
//! The join is commutative, associative and idempotent up to the order of the lists: the earliest start and connected
//! time, the latest end, the value with the later stamp (of equal stamps the greater value), `true` over `false`; and a
//! participant that was seen once stays. Only holds go by the order of receipt.

use std::collections::HashMap;
use std::hash::Hash;

use crate::base::limits::{COMMUNICATIONS, PARTICIPANTS};
use crate::event::facts::{AfterCallWork, Communication, ConversationFacts, MediaKind, Participant, Stamped, Wrapups};
use crate::{Id, Moment};

/// A list with more entries is searched through an index, so that joining a very long list takes linear time.
pub(super) const LINEAR_SEARCH_AT_MOST: usize = 32;

impl ConversationFacts {
    /// A conversation of which nothing was seen: the neutral element of the join.
    #[cfg(any(test, feature = "cli"))]
    #[must_use]
    pub(crate) fn nothing_of(id: Id) -> Self {
        Self {
            id,
            ended: None,
            participants: Vec::new(),
        }
    }

    /// Adds what `other` knows of the same conversation. Facts of another conversation change nothing. Returns how much is
    /// beyond the limits of a conversation.
    pub(crate) fn join(&mut self, other: &ConversationFacts) -> u32 {
        self.join_from(other);
        self.lacking(other)
    }

    /// How much of what was joined is not here, because there is no room for it.
    fn lacking(&self, other: &ConversationFacts) -> u32 {
        let is_full = |p: &Participant| {
            let longest = p.communications.len().max(p.after_call_work.len());
            longest.max(p.wrapups.timed.len()) >= COMMUNICATIONS
        };
        if self.participants.len() < PARTICIPANTS && !self.participants.iter().any(is_full) {
            return 0;
        }
        let known: HashMap<&Id, &Participant> = self.participants.iter().map(|p| (&p.id, p)).collect();
        let of_one = |told: &Participant| match known.get(&told.id) {
            None => 1,
            Some(known) => {
                let is_known = |told: &&Communication| known.communications.iter().any(|c| c.is_same(told));
                let of_communications = told.communications.iter().filter(|told| !is_known(told)).count();
                count(of_communications)
                    + lacking_work(&known.after_call_work, &told.after_call_work)
                    + lacking_wrapups(&known.wrapups.timed, &told.wrapups.timed)
            }
        };
        other.participants.iter().map(of_one).sum()
    }

    /// Adds what `other` knows of the same conversation. Returns whether anything changed.
    pub(crate) fn join_from(&mut self, other: &ConversationFacts) -> bool {
        self.id == other.id
            && latest(&mut self.ended, other.ended)
                | join_list(&mut self.participants, &other.participants, PARTICIPANTS)
    }

    /// The newest time in it, stamps included; `None` if it holds no time.
    #[must_use]
    pub(crate) fn newest(&self) -> Option<Moment> {
        // No moment is less than every moment.
        let mut newest = self.ended;
        for p in &self.participants {
            let times = p
                .connected
                .max(p.ended)
                .max(p.wrapups.untimed)
                .max(p.wrapups.timed.iter().max().copied());
            let stamps = stamp(&p.purpose).max(stamp(&p.queue)).max(stamp(&p.user));
            let flags = stamp(&p.wrapup_expected)
                .max(stamp(&p.wrapup_required))
                .max(stamp(&p.listens_in));
            newest = newest.max(times).max(stamps).max(flags);
            for work in &p.after_call_work {
                newest = newest.max(work.started).max(work.ended);
            }
            for c in &p.communications {
                let times = c.connected.max(c.disconnected).max(c.scheduled);
                let work = c.acw_started.max(c.acw_ended).max(c.hold_started);
                let stamps = stamp(&c.state).max(stamp(&c.queue)).max(stamp(&c.oldest_queue));
                let of_work = stamp(&c.disconnect)
                    .max(stamp(&c.acw_required))
                    .max(stamp(&c.acw_state));
                newest = newest.max(times).max(work).max(stamps).max(of_work);
            }
        }
        newest.filter(|at| *at > Moment::from_epoch_ms(i64::MIN))
    }

    /// The same facts with their lists in the order of their ids, and entries of equal id joined: two states that know
    /// the same are equal in this form. Holds are left out: they go by the order of receipt.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn canonical(&self) -> Self {
        let mut canonical = Self::nothing_of(self.id.clone());
        canonical.join_from(self);
        canonical.participants.sort_by(|a, b| a.id.cmp(&b.id));
        for participant in &mut canonical.participants {
            participant.communications.sort_by_key(Entry::key);
            for communication in &mut participant.communications {
                (communication.hold_started, communication.hold_over) = (None, None);
            }
        }
        canonical
    }
}

fn stamp<T>(of: &Option<Stamped<T>>) -> Option<Moment> {
    of.as_ref().map(|stamped| stamped.at)
}

/// An entry of a list: entries with equal keys are joined.
trait Entry: Clone {
    type Key: Hash + Eq;

    fn key(&self) -> Self::Key;
    fn is_same(&self, other: &Self) -> bool;
    /// Returns whether anything changed.
    fn join_from(&mut self, other: &Self) -> bool;
    /// A copy for a list, with its own lists joined.
    fn taken(&self) -> Self;
}

/// Takes at most so many entries. Returns whether anything changed.
fn join_list<T: Entry>(list: &mut Vec<T>, other: &[T], at_most: usize) -> bool {
    let mut changed = false;
    let mut take = |list: &mut Vec<T>, entry: &T| {
        let is_room = list.len() < at_most;
        if is_room {
            list.push(entry.taken());
            changed = true;
        }
        is_room
    };
    if list.len().max(other.len()) > LINEAR_SEARCH_AT_MOST {
        let mut index: HashMap<T::Key, usize> = list.iter().enumerate().map(|(at, e)| (e.key(), at)).collect();
        let mut joined = false;
        for entry in other {
            match index.get(&entry.key()) {
                Some(&at) => joined |= list[at].join_from(entry),
                None => {
                    if take(list, entry) {
                        index.insert(entry.key(), list.len() - 1);
                    }
                }
            }
        }
        return changed | joined;
    }
    let mut joined = false;
    for (at, entry) in other.iter().enumerate() {
        // Events list the same participants in the same order, so the entry is nearly always at the same place.
        let found = match list.get(at) {
            Some(there) if there.is_same(entry) => Some(at),
            _ => list.iter().position(|there| there.is_same(entry)),
        };
        match found {
            Some(at) => joined |= list[at].join_from(entry),
            None => drop(take(list, entry)),
        }
    }
    changed | joined
}

impl Entry for Participant {
    type Key = Id;

    fn key(&self) -> Id {
        self.id.clone()
    }

    fn is_same(&self, other: &Self) -> bool {
        self.id == other.id
    }

    fn join_from(&mut self, other: &Self) -> bool {
        earliest(&mut self.connected, other.connected)
            | latest(&mut self.ended, other.ended)
            | join_work(&mut self.after_call_work, &other.after_call_work)
            | later(&mut self.purpose, &other.purpose)
            | later(&mut self.queue, &other.queue)
            | later(&mut self.user, &other.user)
            | later(&mut self.wrapup_expected, &other.wrapup_expected)
            | later(&mut self.wrapup_required, &other.wrapup_required)
            | self.wrapups.join_from(&other.wrapups)
            | later(&mut self.listens_in, &other.listens_in)
            | join_list(&mut self.communications, &other.communications, COMMUNICATIONS)
    }

    fn taken(&self) -> Self {
        let mut communications = Vec::with_capacity(self.communications.len().min(COMMUNICATIONS));
        join_list(&mut communications, &self.communications, COMMUNICATIONS);
        let mut after_call_work = Vec::new();
        join_work(&mut after_call_work, &self.after_call_work);
        let mut wrapups = Wrapups::default();
        wrapups.join_from(&self.wrapups);
        Self {
            communications,
            after_call_work,
            wrapups,
            queue: self.queue.clone(),
            user: self.user.clone(),
            id: self.id.clone(),
            ..*self
        }
    }
}

impl Wrapups {
    /// Returns whether anything changed.
    pub(super) fn join_from(&mut self, other: &Self) -> bool {
        let mut changed = earliest(&mut self.untimed, other.untimed);
        for at in &other.timed {
            if let Err(place) = self.timed.binary_search(at)
                && self.timed.len() < COMMUNICATIONS
            {
                self.timed.insert(place, *at);
                changed = true;
            }
        }
        changed
    }
}

/// How many of these pairs of after-call work are not in the list.
pub(super) fn lacking_work(list: &[AfterCallWork], told: &[AfterCallWork]) -> u32 {
    let is_known = |told: &&AfterCallWork| list.binary_search_by_key(&told.started, |known| known.started).is_ok();
    count(told.iter().filter(|told| !is_known(told)).count())
}

/// How many of these ends of wrap-ups are not in the list.
pub(super) fn lacking_wrapups(list: &[Moment], told: &[Moment]) -> u32 {
    count(told.iter().filter(|told| list.binary_search(told).is_err()).count())
}

fn count(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}

/// Returns whether anything changed.
pub(super) fn join_work(list: &mut Vec<AfterCallWork>, other: &[AfterCallWork]) -> bool {
    let mut changed = false;
    for work in other {
        match list.binary_search_by_key(&work.started, |known| known.started) {
            Ok(at) => changed |= latest(&mut list[at].ended, work.ended),
            Err(at) if list.len() < COMMUNICATIONS => {
                list.insert(at, *work);
                changed = true;
            }
            Err(_) => {}
        }
    }
    changed
}

impl Entry for Communication {
    type Key = (MediaKind, Id);

    fn key(&self) -> (MediaKind, Id) {
        (self.kind, self.id.clone())
    }

    fn is_same(&self, other: &Self) -> bool {
        self.kind == other.kind && self.id == other.id
    }

    fn join_from(&mut self, other: &Self) -> bool {
        earliest(&mut self.connected, other.connected)
            | latest(&mut self.disconnected, other.disconnected)
            | later(&mut self.state, &other.state)
            | later(&mut self.queue, &other.queue)
            | older(&mut self.oldest_queue, &other.oldest_queue)
            | earliest(&mut self.scheduled, other.scheduled)
            | later(&mut self.disconnect, &other.disconnect)
            | later(&mut self.acw_required, &other.acw_required)
            | later(&mut self.acw_state, &other.acw_state)
            | earliest(&mut self.acw_started, other.acw_started)
            | latest(&mut self.acw_ended, other.acw_ended)
            | once(&mut self.wrapup_coded, other.wrapup_coded)
            | self.join_hold(other)
    }

    fn taken(&self) -> Self {
        self.clone()
    }
}

impl Communication {
    /// The hold that an event received after this state shows; one that is over already does not begin again.
    pub(super) fn next_hold(&self, event: &Self) -> Option<Moment> {
        event.hold_started.filter(|started| self.hold_over < Some(*started))
    }

    /// Returns whether anything changed.
    fn join_hold(&mut self, other: &Self) -> bool {
        let next = self.next_hold(other);
        let changed = latest(&mut self.hold_over, other.hold_over);
        if next == self.hold_started {
            return changed;
        }
        if next.is_none() {
            self.hold_over = self.hold_over.max(self.hold_started);
        }
        self.hold_started = next;
        true
    }
}

pub(super) fn earliest(mine: &mut Option<Moment>, theirs: Option<Moment>) -> bool {
    let is_new = theirs.is_some() && mine.is_none_or(|mine| theirs < Some(mine));
    if is_new {
        *mine = theirs;
    }
    is_new
}

pub(super) fn latest(mine: &mut Option<Moment>, theirs: Option<Moment>) -> bool {
    // `None` is less than every moment.
    let is_new = theirs > *mine;
    if is_new {
        *mine = theirs;
    }
    is_new
}

fn later<T: Ord + Clone>(mine: &mut Option<Stamped<T>>, theirs: &Option<Stamped<T>>) -> bool {
    // Ordered by stamp, then value; `None` is less than both.
    let is_new = *theirs > *mine;
    if is_new {
        mine.clone_from(theirs);
    }
    is_new
}

/// The value with the earlier stamp; with equal stamps the greater value.
fn older<T: Ord + Clone>(mine: &mut Option<Stamped<T>>, theirs: &Option<Stamped<T>>) -> bool {
    let Some(new) = theirs else { return false };
    let is_new = mine
        .as_ref()
        .is_none_or(|known| new.at < known.at || new.at == known.at && new.value > known.value);
    if is_new {
        mine.clone_from(theirs);
    }
    is_new
}

fn once(mine: &mut bool, theirs: bool) -> bool {
    let is_new = theirs && !*mine;
    *mine |= theirs;
    is_new
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::facts::{CommunicationState, Purpose};
    use crate::model::testing::{at, communication, conversation, facts_of_one_conversation, participant, work};
    use proptest::prelude::*;

    fn joined(parts: &[&ConversationFacts]) -> ConversationFacts {
        let mut whole = ConversationFacts::nothing_of(parts[0].id.clone());
        for part in parts {
            whole.join(part);
        }
        whole.canonical()
    }

    proptest! {
        #[test]
        fn commutative(a in facts_of_one_conversation(), b in facts_of_one_conversation()) {
            let (mut ab, mut ba) = (a.clone(), b.clone());
            ab.join(&b);
            ba.join(&a);
            prop_assert_eq!(ab.canonical(), ba.canonical());
        }

        #[test]
        fn associative(
            a in facts_of_one_conversation(),
            b in facts_of_one_conversation(),
            c in facts_of_one_conversation(),
        ) {
            let (mut left, mut right) = (a.clone(), b.clone());
            left.join(&b);
            left.join(&c);
            right.join(&c);
            let mut whole = a;
            whole.join(&right);
            prop_assert_eq!(left.canonical(), whole.canonical());
        }

        #[test]
        fn idempotent(a in facts_of_one_conversation(), b in facts_of_one_conversation()) {
            let mut ab = a.clone();
            ab.join(&b);
            let once = ab.canonical();
            ab.join(&a);
            ab.join(&b);
            prop_assert_eq!(ab.canonical(), once);
        }
    }

    proptest! {
        #[test]
        fn tells_whether_anything_was_new(a in facts_of_one_conversation(), b in facts_of_one_conversation()) {
            let before = a.canonical();
            let mut both = before.clone();
            let changed = both.join_from(&b);
            prop_assert_eq!(changed, both.canonical() != before);
        }
    }

    #[test]
    fn times_merge_by_earliest_start_and_latest_end() {
        let mut early = participant("p", Purpose::Agent);
        early.connected = Some(at(10));
        early.ended = Some(at(20));
        early.after_call_work = vec![work(20, None)];
        let mut late = participant("p", Purpose::Agent);
        late.connected = Some(at(11));
        late.ended = Some(at(21));
        late.after_call_work = vec![work(19, Some(24)), work(20, Some(25))];
        let one = |p| conversation(vec![p]);
        let both = joined(&[&one(early), &one(late)]);
        let p = &both.participants[0];
        assert_eq!((p.connected, p.ended), (Some(at(10)), Some(at(21))));
        assert_eq!(p.after_call_work, [work(19, Some(24)), work(20, Some(25))]);
    }

    #[test]
    fn a_later_stamp_wins_and_a_tie_goes_to_the_greater_value() {
        let with = |stamp, state| {
            let mut p = participant("p", Purpose::Agent);
            let mut m = communication("m", MediaKind::Voice);
            m.state = Some(Stamped {
                at: at(stamp),
                value: state,
            });
            p.communications.push(m);
            conversation(vec![p])
        };
        let state = |facts: &ConversationFacts| facts.participants[0].communications[0].state.map(|s| s.value);
        let newer = with(9, CommunicationState::Connected);
        let older = with(5, CommunicationState::Disconnected);
        let tied = with(9, CommunicationState::Alerting);
        assert_eq!(
            state(&joined(&[&newer, &older, &tied])),
            Some(CommunicationState::Connected)
        );
        assert_eq!(
            state(&joined(&[&tied, &older, &newer])),
            Some(CommunicationState::Connected)
        );
    }

    #[test]
    fn nobody_seen_is_ever_gone_and_entries_of_equal_id_in_one_event_are_one() {
        let one = conversation(vec![
            participant("a", Purpose::Customer),
            participant("b", Purpose::Acd),
        ]);
        let mut twin = participant("a", Purpose::Customer);
        twin.ended = Some(at(3));
        let other = conversation(vec![participant("a", Purpose::Customer), twin]);
        let both = joined(&[&one, &other]);
        assert_eq!(both.participants.len(), 2);
        assert_eq!(both.participants[0].ended, Some(at(3)));
    }

    #[test]
    fn long_lists_join_like_short_ones() {
        let many = |from: u32, to: u32| {
            let participants = from..to;
            conversation(
                participants
                    .map(|n| participant(&format!("p{n}"), Purpose::Other))
                    .collect(),
            )
        };
        let mut whole = many(0, 100);
        whole.join(&many(50, 150));
        whole.join(&many(90, 92));
        assert_eq!(whole.participants.len(), 150);
        whole.join(&many(100, 400));
        assert_eq!(whole.participants.len(), PARTICIPANTS);
    }

    #[test]
    fn another_conversation_changes_nothing_and_no_time_is_no_newest() {
        let mut mine = ConversationFacts::nothing_of(Id::new("mine"));
        let mut other = ConversationFacts::nothing_of(Id::new("other"));
        let mut p = participant("p", Purpose::Agent);
        p.purpose = Some(Stamped {
            at: Moment::from_epoch_ms(i64::MIN),
            value: Purpose::Agent,
        });
        other.participants.push(p);
        mine.join(&other);
        assert!(mine.participants.is_empty());
        assert_eq!(other.newest(), None);
        other.participants[0].ended = Some(at(7));
        assert_eq!(other.newest(), Some(at(7)));
    }
}
