//! What waits for the thread of an output, bounded by number and by bytes.
//!
//! In: items and requests to flush, from any thread · Out: the same, oldest first, in pieces · Thread: any gives, that of
//! the output takes (one mutex, held for moments and never during a wait).
//!
//! The taker is woken only when the first entry comes, and a giver that waits for room only when half of it is free:
//! between a fast giver and a slow taker the threads do not change places for each item.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::Item;

/// The taker is given so many entries at once at most.
const PIECE: usize = 256;
/// The taker is given no more entries at once when they have so many bytes.
const PIECE_BYTES: usize = 256 * 1024;

/// How much may wait. An item that is larger than all of it waits alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) items: usize,
    pub(crate) bytes: usize,
}

/// What the taker is given.
pub(super) enum Entry {
    Item(Item),
    /// Flush, then drop this sender.
    Flush(Sender<()>),
}

/// Why an item was not taken.
#[derive(Debug)]
pub(super) enum Refused {
    /// There is no room for it now.
    Full(Item),
    /// The taker is gone.
    Over,
}

/// The giving side. When the last one is dropped, the taker's wait ends.
pub(super) struct Giver {
    shared: Arc<Shared>,
    filled: Sender<()>,
    emptied: Receiver<()>,
}

/// The taking side. When it is dropped, what waits is dropped too, and nothing is taken any more.
pub(super) struct Taker {
    shared: Arc<Shared>,
    filled: Receiver<()>,
}

struct Shared {
    room: Room,
    waiting: Mutex<Waiting>,
    emptied: Sender<()>,
}

#[derive(Default)]
struct Waiting {
    entries: VecDeque<Entry>,
    items: usize,
    bytes: usize,
    /// Somebody waits for room.
    is_awaited: bool,
    is_over: bool,
}

/// Both sides of a queue with so much room.
pub(super) fn queue(room: Room) -> (Giver, Taker) {
    let (wake, filled) = bounded(1);
    let (emptied, has_room) = bounded(1);
    let shared = Arc::new(Shared {
        room,
        waiting: Mutex::default(),
        emptied,
    });
    let giver = Giver {
        shared: Arc::clone(&shared),
        filled: wake,
        emptied: has_room,
    };
    (giver, Taker { shared, filled })
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Giver {
    /// Adds an item if there is room. Never blocks.
    ///
    /// # Errors
    /// Returns the item where there is no room; [`Giver::emptied`] tells when there is again.
    pub(super) fn push(&self, item: Item) -> Result<(), Refused> {
        let bytes = item.bytes();
        let mut waiting = self.shared.waiting();
        if waiting.is_over {
            return Err(Refused::Over);
        }
        let Room {
            items: most,
            bytes: most_bytes,
        } = self.shared.room;
        let fits = waiting.items < most && waiting.bytes.saturating_add(bytes) <= most_bytes;
        if waiting.items > 0 && !fits {
            // What it told before is outdated.
            let _ = self.emptied.try_recv();
            waiting.is_awaited = true;
            return Err(Refused::Full(item));
        }
        waiting.items += 1;
        waiting.bytes += bytes;
        self.add(waiting, Entry::Item(item));
        Ok(())
    }

    /// Asks for a flush after what waits. The receiver is disconnected once that is done, or the taker is gone.
    pub(super) fn flush(&self) -> Receiver<()> {
        let (ack, acknowledged) = bounded(0);
        let waiting = self.shared.waiting();
        if !waiting.is_over {
            self.add(waiting, Entry::Flush(ack));
        }
        acknowledged
    }

    fn add(&self, mut waiting: MutexGuard<'_, Waiting>, entry: Entry) {
        let was_empty = waiting.entries.is_empty();
        waiting.entries.push_back(entry);
        drop(waiting);
        // Otherwise the taker was woken already, and looks again before it waits.
        if was_empty {
            self.wake();
        }
    }

    /// Wakes the taker, which looks for a snapshot too.
    pub(super) fn wake(&self) {
        // Where one waits already, the taker has not seen that one yet.
        let _ = self.filled.try_send(());
    }

    /// Is ready when there may be room after a push was refused, or the taker is gone.
    pub(super) fn emptied(&self) -> &Receiver<()> {
        &self.emptied
    }
}

impl Taker {
    /// Is ready when there may be something to take; disconnected when nothing will be added any more.
    pub(super) fn filled(&self) -> &Receiver<()> {
        &self.filled
    }

    /// Moves the oldest entries to `piece`, as many as are handed over at once.
    pub(super) fn take(&self, piece: &mut Vec<Entry>) {
        let mut waiting = self.shared.waiting();
        let mut bytes = 0;
        while piece.len() < PIECE
            && bytes < PIECE_BYTES
            && let Some(entry) = waiting.entries.pop_front()
        {
            if let Entry::Item(item) = &entry {
                bytes += item.bytes();
                waiting.items -= 1;
            }
            piece.push(entry);
        }
        waiting.bytes -= bytes;
        let Room {
            items: most,
            bytes: most_bytes,
        } = self.shared.room;
        if waiting.is_awaited && waiting.items <= most / 2 && waiting.bytes <= most_bytes / 2 {
            waiting.is_awaited = false;
            // Nothing is in it: it was emptied when the wait began.
            let _ = self.shared.emptied.try_send(());
        }
    }
}

impl Drop for Taker {
    fn drop(&mut self) {
        let mut waiting = self.shared.waiting();
        waiting.is_over = true;
        let left = std::mem::take(&mut waiting.entries);
        drop(waiting);
        let _ = self.shared.emptied.try_send(());
        drop(left);
    }
}

#[cfg(test)]
#[path = "waiting_tests.rs"]
mod tests;
