//! The bounded hand-over from readers to the aggregator.
//!
//! In: batches of all readers · Out: batches, oldest first · Thread: senders on readers, one receiver on the aggregator.
//!
//! The batches wait behind one mutex, because `coalesce` must change events that wait, `drop-oldest` must drop them, and a
//! channel gives no access to them. The mutex is taken once a batch and never held during a wait. Two crossbeam channels of
//! one place wake the aggregator when something waits, and a reader when there is room. Capacity counts events: at most
//! `capacity` wait here, and each reader and the aggregator have a batch in hand. Events that are large beyond measure have
//! less room, by a bound of their bytes; the policies are the same for both.

mod batch;
#[cfg(test)]
mod properties;
#[cfg(test)]
pub(in crate::reader) mod tests;
mod waiting;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded, select};

pub(crate) use self::batch::Batch;
use self::waiting::Waiting;
use crate::config::{BufferConfig, WhenFull};
use crate::net::cancel::Never;
use crate::reader::telemetry::Telemetry;

/// Events in a batch at most: the delay of a message or a tick that comes while the aggregator applies them.
const BATCH_EVENTS: usize = 128;

/// A batch is at most this part of the capacity, so that a small buffer stays as small as it was asked to be.
const CAPACITY_PARTS: usize = 8;

/// Waiting events have this many bytes on average at most: about 1,400 of itself and its rows, or 3,000 of
/// merged facts, and a body of 3 KB where bodies are shown.
const EVENT_BYTES: usize = 6_500;

/// A buffer of fewer events has room for the bytes of as many: 32 MB.
const BYTES_OF_EVENTS: usize = 5_000;

/// A channel on which nothing is ever sent: its disconnection is the stop signal.
pub(crate) type StopSignal = Receiver<Never>;

/// What became of a batch that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// Its events wait, were merged into others, or were dropped and counted, as the policy says.
    Done,
    /// The buffer is still full and the time is over, or a stop came: the batch still holds those that did not fit.
    NotYet,
}

/// Where readers put events.
#[derive(Clone)]
pub(crate) struct BufferSender {
    shared: Arc<Shared>,
    /// Wakes the aggregator.
    filled: Sender<()>,
}

/// Where the aggregator takes them.
pub(crate) struct BufferReceiver {
    shared: Arc<Shared>,
    filled: Receiver<()>,
}

struct Shared {
    policy: WhenFull,
    batch_events: usize,
    waiting: Mutex<Waiting>,
    /// Wakes a sender that waits for room. Both ends are here, so that it is never disconnected.
    room: (Sender<()>, Receiver<()>),
    telemetry: Arc<Telemetry>,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // A panic while merging leaves at worst one event unmerged; the batches stay consistent.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake_a_sender(&self) {
        // Where one is woken already, it wakes the next.
        let _ = self.room.0.try_send(());
    }
}

/// How a wait for room ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waited {
    ForRoom,
    TimeOver,
    Stopped,
}

/// A buffer for `config.capacity` events. Losses and merges are counted in `telemetry`.
pub(crate) fn buffer(config: BufferConfig, telemetry: Arc<Telemetry>) -> (BufferSender, BufferReceiver) {
    let capacity = config.capacity.max(1);
    let batch_events = (capacity / CAPACITY_PARTS).clamp(1, BATCH_EVENTS);
    let max_bytes = capacity.max(BYTES_OF_EVENTS).saturating_mul(EVENT_BYTES);
    let (filler, filled) = bounded(1);
    let shared = Arc::new(Shared {
        policy: config.when_full,
        batch_events,
        waiting: Mutex::new(Waiting::new(capacity, batch_events, max_bytes)),
        room: bounded(1),
        telemetry,
    });
    (
        BufferSender {
            shared: Arc::clone(&shared),
            filled: filler,
        },
        BufferReceiver { shared, filled },
    )
}

impl BufferSender {
    /// Events in a batch at most.
    pub(crate) fn batch_events(&self) -> usize {
        self.shared.batch_events
    }

    /// Hands a batch over, which is then empty. `coalesce` and `block` wait for room until `until` or `stop`.
    ///
    /// After `until` `coalesce` drops the oldest event; `block` leaves what does not fit in the batch ([`Sent::NotYet`]), so
    /// that the reader can serve its timers and try again.
    pub(crate) fn send(&self, batch: &mut Batch, until: Instant, stop: &StopSignal) -> Sent {
        let shared = &self.shared;
        let mut waited = None;
        loop {
            let mut waiting = shared.waiting();
            waiting.senders -= usize::from(waited.is_some());
            let was_empty = waiting.is_empty();
            let is_done = self.put(&mut waiting, batch, waited == Some(Waited::TimeOver));
            let is_over = match waited {
                Some(Waited::Stopped) => true,
                Some(Waited::TimeOver) => shared.policy == WhenFull::Block,
                Some(Waited::ForRoom) | None => false,
            };
            let wakes_receiver = was_empty && !waiting.is_empty();
            let wakes_sender = waiting.senders > 0 && waiting.has_room();
            let waits = !is_done && !is_over;
            waiting.senders += usize::from(waits);
            drop(waiting);
            if wakes_receiver {
                // Fails where a message is there already.
                let _ = self.filled.try_send(());
            }
            if wakes_sender {
                shared.wake_a_sender();
            }
            if waits {
                waited = Some(self.wait(until, stop));
                continue;
            }
            if !is_done {
                return Sent::NotYet;
            }
            // What is still in its memory was dropped, or left behind by the aggregator.
            batch.clear();
            return Sent::Done;
        }
    }

    /// Puts into the buffer what fits; whether nothing is left that has to wait.
    fn put(&self, waiting: &mut Waiting, batch: &mut Batch, time_is_over: bool) -> bool {
        let telemetry = &self.shared.telemetry;
        match self.shared.policy {
            WhenFull::Block => waiting.put(batch),
            WhenFull::DropNewest => {
                waiting.put(batch);
                Telemetry::add(&telemetry.dropped, batch.len() as u64);
                batch.skip(batch.len());
            }
            WhenFull::DropOldest => {
                let too_many = batch.len() - waiting.fitting(batch);
                let dropped = waiting.make_room(batch.len(), batch.bytes());
                batch.skip(too_many);
                waiting.put(batch);
                Telemetry::add(&telemetry.dropped, (dropped + too_many) as u64);
            }
            WhenFull::Coalesce => {
                let mut may_drop = time_is_over;
                let mut merged = 0;
                loop {
                    waiting.put(batch);
                    if batch.is_empty() {
                        break;
                    }
                    if waiting.merge(batch) {
                        merged += 1;
                    } else if std::mem::take(&mut may_drop) {
                        let bytes = batch.oldest_bytes();
                        let dropped = waiting.make_room(1, bytes);
                        Telemetry::add(&telemetry.dropped, dropped as u64);
                    } else {
                        break;
                    }
                }
                Telemetry::add(&telemetry.coalesced, merged);
            }
        }
        batch.is_empty()
    }

    fn wait(&self, until: Instant, stop: &StopSignal) -> Waited {
        select! {
            recv(self.shared.room.1) -> _ => Waited::ForRoom,
            recv(stop) -> _ => Waited::Stopped,
            default(until.saturating_duration_since(Instant::now())) => Waited::TimeOver,
        }
    }

    /// Whether events can come back because the buffer is full.
    pub(crate) fn gives_back(&self) -> bool {
        self.shared.policy == WhenFull::Block
    }
}

impl BufferReceiver {
    /// A message comes when something waits; disconnected when no sender is left.
    pub(crate) fn filled(&self) -> &Receiver<()> {
        &self.filled
    }

    /// Whether there is room for what comes within a millisecond, however fast it comes.
    pub(crate) fn is_large(&self) -> bool {
        self.shared.batch_events == BATCH_EVENTS
    }

    /// Puts the oldest batch in the place of a used one; whether there was one.
    pub(crate) fn take(&self, batch: &mut Batch) -> bool {
        let used = std::mem::take(batch);
        let mut waiting = self.shared.waiting();
        waiting.keep(used);
        let Some(taken) = waiting.take() else { return false };
        *batch = taken;
        let has_senders = waiting.senders > 0;
        drop(waiting);
        if has_senders {
            self.shared.wake_a_sender();
        }
        true
    }

    /// Empties the buffer and the batch that the aggregator has in hand, and counts what was in both as dropped.
    pub(crate) fn discard(&self, batch: &mut Batch) -> u64 {
        let mut discarded = 0;
        loop {
            discarded += batch.len() as u64;
            batch.clear();
            if !self.take(batch) {
                break;
            }
        }
        Telemetry::add(&self.shared.telemetry.dropped, discarded);
        discarded
    }
}
