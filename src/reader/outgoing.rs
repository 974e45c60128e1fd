//! The events of one connection on their way into the buffer.
//!
//! In: decoded events · Out: batches to the buffer · Thread: the reader's.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use crate::event::Event;
use crate::event::spare::Spare;
use crate::reader::buffer::{Batch, BufferSender, Sent, StopSignal};
use crate::reader::telemetry::Telemetry;

/// The reader stops reading at this many events ahead, and the peer has to wait.
const MOST_EVENTS: usize = 1024;
/// The same in bytes.
const MOST_BYTES: usize = 8 << 20;

/// The batch that is being filled, and the events that were read ahead because the buffer was full.
///
/// When it is dropped, also in a panic, the buffer gets what it has room for; the rest counts as dropped.
pub(super) struct Outgoing {
    buffer: BufferSender,
    telemetry: Arc<Telemetry>,
    batch: Batch,
    ahead: VecDeque<Event>,
    bytes_ahead: usize,
}

impl Outgoing {
    pub(super) fn new(buffer: BufferSender, telemetry: Arc<Telemetry>) -> Self {
        Self {
            buffer,
            telemetry,
            batch: Batch::default(),
            ahead: VecDeque::new(),
            bytes_ahead: 0,
        }
    }

    /// Adds the newest event. Returns whether the batch is full, so that it has to be handed over.
    #[must_use]
    pub(super) fn push(&mut self, event: Event) -> bool {
        self.batch.push(event);
        self.batch.len() >= self.buffer.batch_events()
    }

    /// Gives facts that nobody needs any more, for their memory.
    pub(super) fn fill(&mut self, spare: &mut Spare) {
        self.batch.fill(spare);
    }

    /// Hands the batch over. What comes back because the buffer is full is kept, and what comes after it waits behind it.
    /// Unless it can come back, this waits for room until `until`.
    pub(super) fn hand_over(&mut self, until: Instant, stop: &StopSignal) {
        if self.batch.is_empty() {
            return;
        }
        Telemetry::add(&self.telemetry.decoded, self.batch.len() as u64);
        let until = match self.buffer.gives_back() {
            true => Instant::now(),
            false => until,
        };
        if self.is_ahead() || self.buffer.send(&mut self.batch, until, stop) == Sent::NotYet {
            while let Some(event) = self.batch.pop() {
                self.bytes_ahead += event.bytes();
                self.ahead.push_back(event);
            }
            self.batch.clear();
        }
    }

    /// Hands over events that were read ahead, as far as the buffer has room by `until`.
    pub(super) fn hand_over_ahead(&mut self, until: Instant, stop: &StopSignal) {
        self.hand_over(until, stop);
        while self.is_ahead() {
            while self.batch.len() < self.buffer.batch_events()
                && let Some(event) = self.ahead.pop_front()
            {
                self.bytes_ahead -= event.bytes();
                self.batch.push(event);
            }
            if self.buffer.send(&mut self.batch, until, stop) == Sent::NotYet {
                let at = self.ahead.len();
                while let Some(event) = self.batch.pop() {
                    self.bytes_ahead += event.bytes();
                    self.ahead.push_back(event);
                }
                self.batch.clear();
                // Those that came back are older than those that were still ahead.
                self.ahead.rotate_left(at);
                return;
            }
        }
    }

    /// Whether events were read ahead.
    pub(super) fn is_ahead(&self) -> bool {
        !self.ahead.is_empty()
    }

    /// Whether so much was read ahead that the reader must stop reading. The events of a frame that was read are kept in any
    /// case.
    pub(super) fn is_full(&self) -> bool {
        self.ahead.len() >= MOST_EVENTS || self.bytes_ahead >= MOST_BYTES
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.hand_over(Instant::now(), &crossbeam_channel::never());
        Telemetry::add(&self.telemetry.dropped, self.ahead.len() as u64);
    }
}
