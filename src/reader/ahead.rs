//! Events that were read while the buffer had no room.
//!
//! In: events that came back · Out: the same, oldest first · Thread: the reader's.

use std::collections::VecDeque;

use crate::event::Event;

/// Beyond so many the reader stops reading, and the peer has to wait.
const MOST: usize = 1024;
/// The same for what they hold, in bytes.
const MOST_BYTES: usize = 8 << 20;
/// An event without its body, roughly, in bytes.
const EVENT_BYTES: usize = 512;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    events: VecDeque<Box<Event>>,
    bytes: usize,
}

fn bytes_of(event: &Event) -> usize {
    EVENT_BYTES + event.body.as_ref().map_or(0, |body| body.len())
}

impl Ahead {
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Whether no more should be read. A frame that was read is kept in any case.
    pub(super) fn is_full(&self) -> bool {
        self.events.len() >= MOST || self.bytes >= MOST_BYTES
    }

    /// The newest.
    pub(super) fn push(&mut self, event: Box<Event>) {
        self.bytes += bytes_of(&event);
        self.events.push_back(event);
    }

    /// Takes the oldest.
    pub(super) fn pop(&mut self) -> Option<Box<Event>> {
        let event = self.events.pop_front()?;
        self.bytes -= bytes_of(&event);
        Some(event)
    }

    /// Puts the oldest back.
    pub(super) fn put_back(&mut self, event: Box<Event>) {
        self.bytes += bytes_of(&event);
        self.events.push_front(event);
    }

    /// Forgets all; returns how many.
    pub(super) fn clear(&mut self) -> u64 {
        self.bytes = 0;
        let count = self.events.len();
        self.events.clear();
        count as u64
    }
}
