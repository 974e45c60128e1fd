//! Events that were read while the buffer was full.
//!
//! In: events that the buffer gave back · Out: the same, oldest first · Thread: the reader's.

use std::collections::VecDeque;

use crate::event::Event;

/// The reader stops reading at this many events, and the peer has to wait.
const MOST_EVENTS: usize = 1024;
/// The same in bytes.
const MOST_BYTES: usize = 8 << 20;
/// An event without its body, in bytes (an estimate).
const EVENT_BYTES: usize = 512;

/// The events read ahead.
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

    /// Whether the reader must stop reading. The events of a frame that was read are kept in any case.
    pub(super) fn is_full(&self) -> bool {
        self.events.len() >= MOST_EVENTS || self.bytes >= MOST_BYTES
    }

    /// Adds the newest event.
    pub(super) fn push(&mut self, event: Box<Event>) {
        self.bytes += bytes_of(&event);
        self.events.push_back(event);
    }

    /// Takes the oldest event.
    pub(super) fn pop(&mut self) -> Option<Box<Event>> {
        let event = self.events.pop_front()?;
        self.bytes -= bytes_of(&event);
        Some(event)
    }

    /// Puts the oldest event back.
    pub(super) fn put_back(&mut self, event: Box<Event>) {
        self.bytes += bytes_of(&event);
        self.events.push_front(event);
    }

    /// Drops all events; returns how many.
    pub(super) fn clear(&mut self) -> u64 {
        self.bytes = 0;
        let count = self.events.len();
        self.events.clear();
        count as u64
    }
}
