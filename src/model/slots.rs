//! The whole conversations: found by id, each in its slot, and which of them is idle longest.
//!
//! In: ids, packed states, times · Out: slots · Thread: any (pure).
//!
//! An event touches its own conversation's index cell, slot and packed state, and nothing of any other: of a hundred
//! thousand conversations each of these is a trip to the memory. So there is no list from one slot to the next; who is
//! idle longest is looked up for many at once when somebody asks.

use std::cmp::Reverse;
use std::hash::{BuildHasher, RandomState};

use super::index::Index;
use super::packed::Packed;
use super::visit::Happening;
use crate::{Id, Moment};

/// One of so many is taken into the list of the longest idle at a time.
const IDLEST_OF: usize = 8;

/// All slots.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    free: Vec<u32>,
    index: Index,
    hasher: RandomState,
    /// How often a conversation was touched so far.
    touches: u64,
    /// The longest idle when they were looked for, the idlest last: what `touched` was then, which slot. All others were
    /// touched later, and whoever was touched since is no longer meant.
    idlest: Vec<(u64, u32)>,
}

/// One conversation, in a line of the cache.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Slot {
    /// What the stream said; none in a slot that is free.
    pub(super) packed: Option<Packed>,
    /// What only few have.
    beside: Option<Box<Beside>>,
    /// When its last event came.
    pub(super) seen: Moment,
    /// Its place in the order of idleness.
    touched: u64,
    /// Its place among the finished, if it is.
    pub(super) finished: Option<Moment>,
    /// It waits to be condensed.
    pub(super) settles: bool,
}

/// What only few conversations have.
#[derive(Debug, Default)]
struct Beside {
    /// What REST said of it.
    rest: Option<Packed>,
    /// What it was counted for before it was condensed, if it came back.
    settled: Option<Box<[Happening]>>,
}

impl Slot {
    /// What REST said of it; most have nothing.
    pub(super) fn rest(&self) -> Option<&Packed> {
        self.beside.as_ref()?.rest.as_ref()
    }

    /// Where to put what REST says of it.
    pub(super) fn rest_mut(&mut self) -> &mut Option<Packed> {
        &mut self.beside.get_or_insert_default().rest
    }

    /// What it was counted for before it was condensed, if it came back.
    pub(super) fn settled(&self) -> Option<&[Happening]> {
        self.beside.as_ref()?.settled.as_deref()
    }
}

impl Slots {
    /// Conversations that are there.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Slots, free ones included.
    #[cfg(test)]
    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The slot of a conversation.
    pub(super) fn find(&self, id: &Id) -> Option<u32> {
        let is = |at: u32| {
            self.slots[at as usize]
                .packed
                .as_ref()
                .is_some_and(|packed| packed.is_of(id))
        };
        self.index.find(self.hash(id), is)
    }

    /// A slot by its number, which [`find`](Self::find) or [`insert`](Self::insert) gave.
    pub(super) fn slot(&self, at: u32) -> &Slot {
        &self.slots[at as usize]
    }

    /// As [`slot`](Self::slot), to be changed.
    pub(super) fn slot_mut(&mut self, at: u32) -> &mut Slot {
        &mut self.slots[at as usize]
    }

    /// All slots that hold a conversation, with its state, in no order.
    pub(super) fn taken(&self) -> impl Iterator<Item = (&Slot, &Packed)> {
        self.slots.iter().filter_map(|slot| Some((slot, slot.packed.as_ref()?)))
    }

    /// Gives a conversation that is not there a slot.
    pub(super) fn insert(&mut self, packed: Packed, settled: Option<Box<[Happening]>>, now: Moment) -> u32 {
        let hash = self.hash(&packed.id());
        let slot = Slot {
            packed: Some(packed),
            beside: settled.map(|settled| {
                Box::new(Beside {
                    rest: None,
                    settled: Some(settled),
                })
            }),
            seen: now,
            touched: self.next_touch(),
            finished: None,
            settles: false,
        };
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at as usize] = slot;
                at
            }
            None => {
                self.slots.push(slot);
                // The store holds less than 2^32.
                u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.index.insert(hash, at);
        at
    }

    /// Takes what a slot holds: what the stream said, what REST said, what it was counted for. The slot is used again
    /// only after [`release`](Self::release).
    pub(super) fn take(&mut self, at: u32) -> Option<(Packed, Option<Packed>, Option<Box<[Happening]>>)> {
        let slot = &mut self.slots[at as usize];
        let packed = slot.packed.take()?;
        let Beside { rest, settled } = slot.beside.take().map_or_else(Beside::default, |beside| *beside);
        self.index.remove(self.hash(&packed.id()), at);
        Some((packed, rest, settled))
    }

    /// A slot that was taken may be used again.
    pub(super) fn release(&mut self, at: u32) {
        self.free.push(at);
    }

    /// Something came for a conversation: from now on all others are idle for longer.
    pub(super) fn touch(&mut self, at: u32, now: Moment) {
        let touched = self.next_touch();
        let slot = &mut self.slots[at as usize];
        (slot.seen, slot.touched) = (now, touched);
    }

    /// The conversation that was touched longest ago, to be taken: it is named once.
    ///
    /// Looks at all of them once in a while; for each time an eighth of them was named or touched.
    pub(super) fn idlest(&mut self) -> Option<u32> {
        loop {
            while let Some((touched, at)) = self.idlest.pop() {
                let slot = &self.slots[at as usize];
                if slot.touched == touched && slot.packed.is_some() {
                    return Some(at);
                }
            }
            if self.len() == 0 {
                return None;
            }
            let numbered = (0..).zip(&self.slots).filter(|(_, slot)| slot.packed.is_some());
            let all = numbered.map(|(at, slot)| (slot.touched, at)).collect();
            self.idlest = first_sorted(all, self.len().div_ceil(IDLEST_OF));
            self.idlest.sort_unstable_by_key(|idle| Reverse(*idle));
        }
    }

    /// Unfinished conversations whose last event came before `before`, the longest idle first, `at_most` of them.
    pub(super) fn idle_since(&self, before: Moment, at_most: usize) -> Vec<Id> {
        let idle = |slot: &Slot| slot.seen < before && slot.finished.is_none() && slot.packed.is_some();
        let numbered = self.slots.iter().enumerate().filter(|(_, slot)| idle(slot));
        let all = numbered.map(|(at, slot)| (slot.touched, at)).collect();
        let ids = first_sorted(all, at_most).into_iter();
        ids.filter_map(|(_, at)| self.slots[at].packed.as_ref().map(Packed::id))
            .collect()
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
fn first_sorted<T: Ord>(mut list: Vec<T>, at_most: usize) -> Vec<T> {
    if at_most < list.len() {
        list.select_nth_unstable(at_most);
        list.truncate(at_most);
    }
    list.sort_unstable();
    list
}
