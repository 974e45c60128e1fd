//! Events that cross from a reader to the aggregator together.
//!
//! In: decoded events · Out: the same, oldest first · Thread: any (one owner at a time).

use crate::event::Event;
use crate::event::facts::Facts;
use crate::event::spare::{Spare, Spares};

/// Events, oldest first, with a cursor: those before it are done. [`Batch::clear`] keeps the memory of their facts for the
/// thread that allocated it, unless somebody wanted the events with their facts.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// `None` only before the cursor.
    events: Vec<Option<Event>>,
    /// Bytes of each event, as an estimate.
    sizes: Vec<u32>,
    cursor: usize,
    spare: Spares,
}

impl Batch {
    /// Events after the cursor.
    pub(crate) fn len(&self) -> usize {
        self.events.len() - self.cursor
    }

    /// Whether no event is after the cursor.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds the newest event.
    pub(crate) fn push(&mut self, event: Event) {
        self.sizes.push(bytes_of(&event));
        self.events.push(Some(event));
    }

    /// Bytes of the events after the cursor, as an estimate.
    pub(super) fn bytes(&self) -> usize {
        self.sizes[self.cursor..].iter().map(|bytes| *bytes as usize).sum()
    }

    /// Bytes of the oldest event.
    pub(super) fn oldest_bytes(&self) -> usize {
        self.sizes.get(self.cursor).map_or(0, |bytes| *bytes as usize)
    }

    /// Of the events after the cursor, how many of the oldest have so many bytes together.
    pub(super) fn within(&self, bytes: usize) -> usize {
        let mut sum = 0;
        let sizes = self.sizes[self.cursor..].iter();
        sizes
            .take_while(|size| {
                sum += **size as usize;
                sum <= bytes
            })
            .count()
    }

    /// How many of the newest events after the cursor have so many bytes together.
    pub(super) fn newest_within(&self, bytes: usize) -> usize {
        let mut sum = 0;
        let sizes = self.sizes[self.cursor..].iter().rev();
        sizes
            .take_while(|size| {
                sum += **size as usize;
                sum <= bytes
            })
            .count()
    }

    /// The oldest event.
    pub(crate) fn oldest(&self) -> Option<&Event> {
        self.events.get(self.cursor)?.as_ref()
    }

    /// Takes the oldest event.
    pub(crate) fn pop(&mut self) -> Option<Event> {
        let event = self.events.get_mut(self.cursor)?.take();
        self.cursor += 1;
        event
    }

    /// Takes the oldest event and keeps its facts for their memory.
    pub(crate) fn pop_without_facts(&mut self) -> Option<Event> {
        let mut event = self.pop()?;
        let facts = std::mem::replace(&mut event.facts, Facts::None);
        self.spare.keep(facts);
        Some(event)
    }

    /// Is done with the `count` oldest events.
    pub(crate) fn skip(&mut self, count: usize) {
        self.cursor = self.events.len().min(self.cursor + count);
    }

    /// Drops all events and keeps the memory of the list and of facts.
    pub(crate) fn clear(&mut self) {
        for event in self.events.drain(..).flatten() {
            self.spare.keep(event.facts);
        }
        self.sizes.clear();
        self.cursor = 0;
    }

    /// Gives facts that nobody needs any more, for their memory.
    pub(crate) fn fill(&mut self, spare: &mut Spare) {
        self.spare.fill(spare);
    }

    /// Takes what `other` has of such facts.
    pub(crate) fn take_spare(&mut self, other: &mut Self) {
        std::mem::swap(&mut self.spare, &mut other.spare);
    }

    /// Whether it has memory that is worth keeping.
    pub(super) fn has_memory(&self) -> bool {
        self.events.capacity() > 0
    }

    /// Bytes of all events whose memory it has, as an estimate.
    pub(super) fn spent_bytes(&self) -> usize {
        self.sizes.iter().map(|bytes| *bytes as usize).sum()
    }

    /// Where the next event will be, counted from the first event that the batch had.
    pub(super) fn end(&self) -> usize {
        self.events.len()
    }

    /// Changes the event at this place, unless the cursor has passed it. Returns by how many bytes more or less it has.
    pub(super) fn change(&mut self, place: usize, change: impl FnOnce(&mut Event)) -> Option<isize> {
        if place < self.cursor {
            return None;
        }
        let event = self.events.get_mut(place)?.as_mut()?;
        change(event);
        let before = std::mem::replace(&mut self.sizes[place], bytes_of(event));
        Some(self.sizes[place] as isize - before as isize)
    }

    /// The events after the cursor, with their places.
    pub(super) fn places(&self) -> impl Iterator<Item = (usize, &Event)> {
        let places = self.events.iter().enumerate().skip(self.cursor);
        places.filter_map(|(place, event)| Some((place, event.as_ref()?)))
    }

    /// Moves the `count` oldest events of `other` behind these.
    pub(super) fn append(&mut self, other: &mut Self, count: usize) {
        let until = other.events.len().min(other.cursor + count);
        let moved = other.events[other.cursor..until].iter_mut().map(Option::take);
        self.events.extend(moved);
        self.sizes.extend_from_slice(&other.sizes[other.cursor..until]);
        other.cursor = until;
    }
}

fn bytes_of(event: &Event) -> u32 {
    u32::try_from(event.bytes()).unwrap_or(u32::MAX)
}
