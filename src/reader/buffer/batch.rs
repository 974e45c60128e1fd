//! Events that cross from a reader to the aggregator together.
//!
//! In: decoded events · Out: the same, oldest first · Thread: any (one owner at a time).

use crate::event::Event;
use crate::event::facts::Facts;
use crate::event::update::ConversationUpdate;

/// Facts that are kept for their memory at most, about a kilobyte each.
const SPARE_AT_MOST: usize = 256;

/// Events, oldest first, with a cursor: those before it are done. [`Batch::clear`] keeps the memory of their facts for the
/// thread that allocated it, unless somebody wanted the events with their facts.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// `None` only before the cursor.
    events: Vec<Option<Event>>,
    cursor: usize,
    #[expect(clippy::vec_box, reason = "the boxes themselves are used again")]
    spare: Vec<Box<ConversationUpdate>>,
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
        self.events.push(Some(event));
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
        if let Facts::ConversationUpdate(update) = std::mem::replace(&mut event.facts, Facts::None) {
            self.spare.push(update);
        }
        Some(event)
    }

    /// Is done with the `count` oldest events.
    pub(crate) fn skip(&mut self, count: usize) {
        self.cursor = self.events.len().min(self.cursor + count);
    }

    /// Drops all events and keeps the memory of the list and of facts.
    pub(crate) fn clear(&mut self) {
        let spent = self.events.drain(..).flatten();
        self.spare.extend(spent.filter_map(|event| match event.facts {
            Facts::ConversationUpdate(update) => Some(update),
            _ => None,
        }));
        self.spare.truncate(SPARE_AT_MOST);
        self.cursor = 0;
    }

    /// Facts that nobody needs any more, for their memory.
    pub(crate) fn spare(&mut self) -> Option<Box<ConversationUpdate>> {
        self.spare.pop()
    }

    /// Takes what `other` has of such facts.
    pub(crate) fn take_spare(&mut self, other: &mut Self) {
        std::mem::swap(&mut self.spare, &mut other.spare);
    }

    /// Whether it has memory that is worth keeping.
    pub(super) fn has_memory(&self) -> bool {
        self.events.capacity() > 0
    }

    /// Where the next event will be, counted from the first event that the batch had.
    pub(super) fn end(&self) -> usize {
        self.events.len()
    }

    /// The event at this place, unless the cursor has passed it.
    pub(super) fn at_mut(&mut self, place: usize) -> Option<&mut Event> {
        match place >= self.cursor {
            true => self.events.get_mut(place)?.as_mut(),
            false => None,
        }
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
        other.cursor = until;
    }
}
