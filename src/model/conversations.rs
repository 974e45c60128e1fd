//! All conversations that are remembered, and what they add to the live numbers.
//!
//! In: facts, the time they are applied · Out: live numbers, counts of the late and the evicted · Thread: any (pure).
//!
//! An event costs the same however many conversations there are: its conversation is unpacked, joined and judged, and
//! the difference goes into the live numbers. Order of idleness is a linked list through the slots, order of forgetting
//! a set of the finished ones.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::live::Live;
use super::packed::Packed;
use super::visit::{self, Outcome};
use crate::facts::{ConversationFacts, Participant};
use crate::{Id, Moment};

/// No slot.
const NONE: u32 = u32::MAX;

/// Participants of one conversation at most; real ones have some dozens. Later ones are not taken, so that one
/// conversation id can neither fill the memory nor make its events slow.
const PARTICIPANTS_AT_MOST: usize = 2_000;

/// What became of an event's facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Joined with what was known.
    Joined,
    /// Its conversation is forgotten already: counted, not applied.
    Late,
}

/// The store of conversations.
#[derive(Debug)]
pub struct Conversations {
    slots: Vec<Slot>,
    free: Vec<u32>,
    index: HashMap<Id, u32>,
    /// The slot that was touched longest ago, and the one touched last.
    idlest: u32,
    busiest: u32,
    /// Finished conversations by their newest time.
    finished: BTreeSet<(Moment, u32)>,
    live: Live,
    retention: Duration,
    max_conversations: usize,
    evicted: u64,
}

#[derive(Debug)]
struct Slot {
    packed: Option<Packed>,
    /// When its last event came.
    seen: Moment,
    /// Its place in `finished`, if it is.
    finished: Option<Moment>,
    /// Neighbours in the order of idleness.
    idler: u32,
    busier: u32,
}

impl Conversations {
    /// An empty store that forgets finished conversations `retention` after their newest time and holds
    /// `max_conversations` at most.
    #[must_use]
    pub fn new(retention: Duration, max_conversations: usize) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            index: HashMap::new(),
            idlest: NONE,
            busiest: NONE,
            finished: BTreeSet::new(),
            live: Live::default(),
            retention,
            max_conversations: max_conversations.clamp(1, NONE as usize),
            evicted: 0,
        }
    }

    /// Joins `facts` with what is known of their conversation.
    ///
    /// They are late if their conversation is not remembered and all their participants ended (after-call work
    /// included) before `now` less the retention. What is still remembered takes everything, however old: an old fact
    /// that completes it is as welcome as a new one.
    pub fn apply(&mut self, facts: &ConversationFacts, now: Moment) -> Taken {
        self.forget(now);
        if facts.participants.is_empty() {
            return Taken::Joined;
        }
        let horizon = now.minus(self.retention);
        let slot = match self.index.get(&facts.id) {
            Some(&slot) => slot,
            None if facts.participants.iter().all(|p| ended_before(p, horizon)) => return Taken::Late,
            None => self.insert(&facts.id, now),
        };
        self.join(slot, facts);
        self.touch(slot, now);
        while self.index.len() > self.max_conversations {
            self.remove(self.idlest);
            self.evicted += 1;
        }
        Taken::Joined
    }

    /// Forgets finished conversations whose newest time is before `now` less the retention.
    pub fn forget(&mut self, now: Moment) {
        let horizon = now.minus(self.retention);
        while let Some(&(newest, slot)) = self.finished.first() {
            if newest >= horizon {
                break;
            }
            self.remove(slot);
        }
    }

    /// Conversations in memory, finished ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether none is in memory.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Conversations forgotten for lack of room so far.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// The joined state of a conversation, if it is remembered.
    #[must_use]
    pub fn facts(&self, id: &Id) -> Option<ConversationFacts> {
        let slot = *self.index.get(id)?;
        self.slots[slot as usize].packed.as_ref().map(Packed::unpack)
    }

    /// Open conversations whose last event came before `before`, the longest idle first, `at_most` of them.
    #[must_use]
    pub fn idle_since(&self, before: Moment, at_most: usize) -> Vec<Id> {
        let mut idle = Vec::new();
        let mut at = self.idlest;
        while let Some(slot) = self.slots.get(at as usize) {
            if slot.seen >= before || idle.len() >= at_most {
                break;
            }
            if slot.finished.is_none() {
                idle.extend(slot.packed.as_ref().map(|packed| packed.id().clone()));
            }
            at = slot.busier;
        }
        idle
    }

    /// The live numbers.
    pub(crate) fn live(&self) -> &Live {
        &self.live
    }

    fn join(&mut self, at: u32, facts: &ConversationFacts) {
        let slot = &mut self.slots[at as usize];
        let (mut joined, before) = match &slot.packed {
            Some(packed) => {
                let known = packed.unpack();
                let before = visit::outcome(&known);
                (known, before)
            }
            None => (ConversationFacts::nothing_of(facts.id.clone()), Outcome::default()),
        };
        if !joined.join_from(facts) && slot.packed.is_some() {
            return;
        }
        joined.participants.truncate(PARTICIPANTS_AT_MOST);
        let after = visit::outcome(&joined);
        slot.packed = Some(Packed::new(&joined));
        let finished = after.finished.then(|| joined.newest().unwrap_or(slot.seen));
        if slot.finished != finished {
            if let Some(newest) = slot.finished {
                self.finished.remove(&(newest, at));
            }
            if let Some(newest) = finished {
                self.finished.insert((newest, at));
            }
            slot.finished = finished;
        }
        if before != after {
            self.live.replace(at, &before, &after);
        }
    }

    fn insert(&mut self, id: &Id, now: Moment) -> u32 {
        let slot = Slot {
            packed: None,
            seen: now,
            finished: None,
            idler: NONE,
            busier: NONE,
        };
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at as usize] = slot;
                at
            }
            None => {
                self.slots.push(slot);
                // At most `max_conversations` + 1 slots exist, which fits.
                u32::try_from(self.slots.len() - 1).unwrap_or(NONE)
            }
        };
        self.index.insert(id.clone(), at);
        self.link_last(at);
        at
    }

    fn remove(&mut self, at: u32) {
        self.unlink(at);
        let slot = &mut self.slots[at as usize];
        if let Some(newest) = slot.finished.take() {
            self.finished.remove(&(newest, at));
        }
        if let Some(packed) = slot.packed.take() {
            self.index.remove(packed.id());
            self.live
                .replace(at, &visit::outcome(&packed.unpack()), &Outcome::default());
        }
        self.free.push(at);
    }

    fn touch(&mut self, at: u32, now: Moment) {
        self.slots[at as usize].seen = now;
        if self.busiest != at {
            self.unlink(at);
            self.link_last(at);
        }
    }

    fn link_last(&mut self, at: u32) {
        let before = std::mem::replace(&mut self.busiest, at);
        match self.slots.get_mut(before as usize) {
            Some(slot) => slot.busier = at,
            None => self.idlest = at,
        }
        let slot = &mut self.slots[at as usize];
        (slot.idler, slot.busier) = (before, NONE);
    }

    fn unlink(&mut self, at: u32) {
        let (idler, busier) = {
            let slot = &self.slots[at as usize];
            (slot.idler, slot.busier)
        };
        match self.slots.get_mut(idler as usize) {
            Some(slot) => slot.busier = busier,
            None => self.idlest = busier,
        }
        match self.slots.get_mut(busier as usize) {
            Some(slot) => slot.idler = idler,
            None => self.busiest = idler,
        }
    }
}

/// Ended before the horizon, and so did its after-call work, if any of it has a time.
fn ended_before(participant: &Participant, horizon: Moment) -> bool {
    participant.ended_at().is_some_and(|ended| ended < horizon)
        && participant.acw_ended.is_none_or(|ended| ended < horizon)
}

#[cfg(test)]
mod tests;
