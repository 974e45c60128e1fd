//! The whole conversations, each in a slot, found by id; and which of them has been idle longest.
//!
//! In: ids, states, times · Out: slots · Thread: any (pure).
//!
//! An event touches the index cell, the slot and the state of its own conversation and of no other, because with
//! a hundred thousand conversations each of these is a cache miss. Therefore the slots are not linked in the order of
//! idleness: the longest idle are looked up, many at once, when they are needed.

use std::hash::BuildHasher;

use super::index::Index;
use super::state::State;
use crate::base::hash::Seeded;
use crate::{Id, Moment};

/// The list of the longest idle takes one of this many conversations at a time.
const IDLEST_OF: usize = 8;

/// All slots.
#[derive(Debug, Default)]
pub(super) struct Slots {
    /// What the stream said, by slot; none in a slot that is free.
    states: Vec<Option<State>>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    index: Index,
    hasher: Seeded,
    /// How often a conversation was touched so far.
    touches: u64,
    /// The longest idle when they were last looked up, the idlest last: value of `touched` at that time, slot. An entry
    /// whose slot was touched since is void.
    idlest: Vec<(u64, u32)>,
}

/// What is known of one conversation beside its state; fits into one cache line.
#[derive(Debug)]
#[repr(align(32))]
pub(super) struct Slot {
    /// What few conversations have.
    extra: Option<Box<Extra>>,
    /// When its last event came.
    pub(super) seen: Moment,
    /// Its place in the order of idleness.
    touched: u64,
    /// The time at which what it counts for was computed last.
    pub(super) computed: Moment,
}

/// What most conversations do not have, or not yet; kept apart so that a slot stays small.
#[derive(Debug, Default)]
pub(super) struct Extra {
    /// What REST said of it.
    pub(super) rest: Option<Box<State>>,
    /// Its newest time, if it is finished.
    pub(super) finished: Option<Moment>,
    /// When time alone changes what it counts for.
    pub(super) changes_at: Option<Moment>,
    /// REST does not know it any more, so it counts for nothing that goes on.
    pub(super) is_lost: bool,
    /// It was packed, and some of its ids are known in short only.
    pub(super) has_short_ids: bool,
}

impl Slot {
    /// What REST said of it.
    pub(super) fn rest(&self) -> Option<&State> {
        self.extra.as_ref()?.rest.as_deref()
    }

    /// Its newest time, if it is finished.
    pub(super) fn finished(&self) -> Option<Moment> {
        self.extra.as_ref()?.finished
    }

    /// When time alone changes what it counts for.
    pub(super) fn changes_at(&self) -> Option<Moment> {
        self.extra.as_ref()?.changes_at
    }

    /// REST does not know it any more.
    pub(super) fn is_lost(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| extra.is_lost)
    }

    /// It was packed, and some of its ids are known in short only.
    pub(super) fn has_short_ids(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| extra.has_short_ids)
    }

    /// Bytes on the heap beside the state of the stream.
    pub(super) fn heap_bytes(&self) -> usize {
        self.extra.as_ref().map_or(0, |extra| {
            let rest = extra
                .rest
                .as_ref()
                .map_or(0, |rest| size_of::<State>() + rest.heap_bytes());
            size_of::<Extra>() + rest
        })
    }

    /// Whether nothing more is expected of it.
    fn is_over(&self) -> bool {
        self.finished().is_some() || self.is_lost()
    }

    /// Creates it if there is none yet.
    pub(super) fn extra_mut(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }
}

impl Slots {
    /// Number of conversations.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Number of slots, free ones included.
    #[cfg(test)]
    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The slot of a conversation.
    pub(super) fn find(&self, id: &Id) -> Option<u32> {
        let is = |at: u32| {
            let state = self.states[at as usize].as_ref();
            state.is_some_and(|state| state.id == *id)
        };
        self.index.find(self.hash(id), is)
    }

    /// Reads what an event of this conversation will need, so that it is in the cache by then.
    pub(super) fn fetch(&self, id: &Id) {
        let place = self.index.find(self.hash(id), |_| true);
        let Some(at) = place else { return };
        std::hint::black_box(self.slots[at as usize].touched);
        if let Some(state) = &self.states[at as usize] {
            std::hint::black_box(state.participants.len());
        }
    }

    /// What the stream said of the conversation in a slot.
    pub(super) fn state(&self, at: u32) -> Option<&State> {
        self.states[at as usize].as_ref()
    }

    /// What else is known of the conversation in a slot.
    pub(super) fn slot(&self, at: u32) -> &Slot {
        &self.slots[at as usize]
    }

    /// State and slot of a conversation.
    pub(super) fn both_mut(&mut self, at: u32) -> (&mut Option<State>, &mut Slot) {
        (&mut self.states[at as usize], &mut self.slots[at as usize])
    }

    /// Conversations that are not finished, in no order.
    pub(super) fn open(&self) -> impl Iterator<Item = Id> {
        let open = self.taken().filter(|at| !self.slots[*at].is_over());
        open.filter_map(|at| self.states[at].as_ref().map(|state| state.id.clone()))
    }

    /// Gives a conversation a slot.
    pub(super) fn insert(&mut self, state: State, extra: Option<Box<Extra>>, now: Moment) -> u32 {
        let hash = self.hash(&state.id);
        let slot = Slot {
            extra,
            seen: now,
            touched: self.next_touch(),
            computed: now,
        };
        let at = match self.free.pop() {
            Some(at) => {
                (self.states[at as usize], self.slots[at as usize]) = (Some(state), slot);
                at
            }
            None => {
                self.states.push(Some(state));
                self.slots.push(slot);
                // The store holds less than 2^32.
                u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.index.insert(hash, at);
        at
    }

    /// Empties a slot, which is then used again.
    pub(super) fn take(&mut self, at: u32) -> Option<(State, Extra)> {
        let state = self.states[at as usize].take()?;
        let extra = self.slots[at as usize].extra.take();
        self.index.remove(self.hash(&state.id), at);
        self.free.push(at);
        Some((state, extra.map_or_else(Extra::default, |extra| *extra)))
    }

    /// Notes an event of a conversation, which is then the least idle.
    pub(super) fn touch(&mut self, at: u32, now: Moment) {
        let touched = self.next_touch();
        let slot = &mut self.slots[at as usize];
        (slot.seen, slot.touched) = (now, touched);
    }

    /// The conversation that was touched longest ago; the caller must take it, as it is returned once only.
    ///
    /// Looks at all conversations each time that an eighth of them was returned or touched.
    pub(super) fn idlest(&mut self) -> Option<u32> {
        loop {
            while let Some((touched, at)) = self.idlest.pop() {
                let is_there = self.states[at as usize].is_some();
                if is_there && self.slots[at as usize].touched == touched {
                    return Some(at);
                }
            }
            if self.len() == 0 {
                return None;
            }
            // Slots have numbers of 32 bits.
            let all = self.taken().map(|at| (self.slots[at].touched, at as u32)).collect();
            self.idlest = first_sorted(all, self.len().div_ceil(IDLEST_OF));
            self.idlest.reverse();
        }
    }

    /// Unfinished conversations whose last event came before `before`, the longest idle first, `at_most` of them.
    pub(super) fn idle_since(&self, before: Moment, at_most: usize) -> Vec<Id> {
        let is_idle = |slot: &Slot| slot.seen < before && !slot.is_over();
        let idle = self.taken().filter(|at| is_idle(&self.slots[*at]));
        let idle = idle.map(|at| (self.slots[at].touched, at)).collect();
        let idle = first_sorted(idle, at_most).into_iter();
        idle.filter_map(|(_, at)| self.states[at].as_ref().map(|state| state.id.clone()))
            .collect()
    }

    /// Slots that hold a conversation.
    fn taken(&self) -> impl Iterator<Item = usize> {
        (0..self.states.len()).filter(|at| self.states[*at].is_some())
    }

    fn next_touch(&mut self) -> u64 {
        self.touches += 1;
        self.touches
    }

    fn hash(&self, id: &Id) -> u32 {
        (self.hasher.hash_one(id) >> 32) as u32
    }
}

/// The least `at_most` of a list, in order.
pub(super) fn first_sorted<T: Ord>(mut list: Vec<T>, at_most: usize) -> Vec<T> {
    if at_most < list.len() {
        list.select_nth_unstable(at_most);
        list.truncate(at_most);
    }
    list.sort_unstable();
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::at;
    use proptest::prelude::*;

    fn id(n: u32) -> Id {
        Id::new(&format!("c{n}"))
    }

    fn touch(slots: &mut Slots, id: &Id, now: Moment) {
        match slots.find(id) {
            Some(at) => slots.touch(at, now),
            None => {
                slots.insert(State::nothing_of(id.clone()), None, now);
            }
        }
    }

    proptest! {
        #[test]
        fn the_longest_idle_goes_first_whatever_was_touched_between(
            steps in proptest::collection::vec(proptest::option::weighted(0.7, 0..40_u32), 0..300),
        ) {
            let (mut slots, mut order) = (Slots::default(), Vec::new());
            for (now, step) in (0..).zip(steps) {
                match step {
                    Some(n) => {
                        order.retain(|known| *known != id(n));
                        order.push(id(n));
                        touch(&mut slots, &id(n), at(now));
                    }
                    None => {
                        let idlest = slots.idlest();
                        let taken = idlest.and_then(|at| slots.take(at).map(|(state, _)| state.id));
                        prop_assert_eq!(taken, (!order.is_empty()).then(|| order.remove(0)));
                    }
                }
                prop_assert_eq!(slots.len(), order.len());
            }
            prop_assert_eq!(slots.idle_since(at(1_000), 3), &order[..order.len().min(3)]);
            prop_assert_eq!(slots.open().count(), order.len());
        }
    }
}
