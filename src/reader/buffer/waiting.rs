//! The batches that wait for the aggregator.
//!
//! In: batches of readers · Out: batches, oldest first · Thread: none of its own (the buffer keeps it behind its mutex).

use std::collections::{HashMap, VecDeque};

use super::batch::Batch;
use crate::event::Event;
use crate::event::coalesce::{EntityKey, entity_key, fits, merge};

/// Empty batches that are kept for their memory: as many as a flood of small events fills until the aggregator looks again.
const SPARE_AT_MOST: usize = 8;
/// No more are kept once they have so many bytes.
const SPARE_BYTES: usize = 256 << 10;

/// See the module.
#[derive(Debug)]
pub(super) struct Waiting {
    capacity: usize,
    /// Events in a batch at most.
    batch_events: usize,
    /// None is empty.
    batches: VecDeque<Batch>,
    /// Number of `batches[0]` among all batches of the run.
    first: u64,
    /// Events in all batches.
    events: usize,
    /// Their bytes, as an estimate.
    bytes: usize,
    max_bytes: usize,
    /// Where the newest waiting event of each entity is. It is built when an event has to be merged, holds all that waits
    /// from then on, and goes when the buffer is half empty. An entry whose event was taken stays until then.
    by_entity: Option<HashMap<EntityKey, (u64, usize)>>,
    spare: Vec<Batch>,
    /// Senders that wait for room.
    pub(super) senders: usize,
}

impl Waiting {
    pub(super) fn new(capacity: usize, batch_events: usize, max_bytes: usize) -> Self {
        Self {
            capacity,
            batch_events,
            batches: VecDeque::new(),
            first: 0,
            events: 0,
            bytes: 0,
            max_bytes,
            by_entity: None,
            spare: Vec::new(),
            senders: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Whether there is room for an event of usual size.
    pub(super) fn has_room(&self) -> bool {
        self.events < self.capacity && self.bytes < self.max_bytes
    }

    /// Moves the oldest events of `batch` into the buffer, as far as they fit. One that has more bytes than all may have
    /// waits alone.
    pub(super) fn put(&mut self, batch: &mut Batch) {
        let fit = batch.within(self.max_bytes.saturating_sub(self.bytes));
        let fit = fit.max(usize::from(self.events == 0)).min(batch.len());
        let count = fit.min(self.capacity - self.events);
        if count == 0 {
            return;
        }
        let before = batch.bytes();
        self.put_first(batch, count);
        self.bytes += before - batch.bytes();
    }

    fn put_first(&mut self, batch: &mut Batch, count: usize) {
        self.events += count;
        let fits = |last: &Batch| last.end() + count <= self.batch_events;
        if !self.batches.back().is_some_and(fits) {
            let mut spare = self.spare.pop().unwrap_or_default();
            if count == batch.len() {
                // The spare facts are the sender's.
                spare.take_spare(batch);
                self.batches.push_back(std::mem::replace(batch, spare));
                return self.note_newest(0);
            }
            spare.clear();
            self.batches.push_back(spare);
        }
        let Some(last) = self.batches.back_mut() else { return };
        let from = last.end();
        last.append(batch, count);
        self.note_newest(from);
    }

    /// Enters the events of the newest batch from this place on into the index.
    fn note_newest(&mut self, from: usize) {
        let is_idle = self.events < self.capacity / 2;
        self.by_entity = self
            .by_entity
            .take()
            .filter(|index| !is_idle && index.len() < 2 * self.capacity);
        if let (Some(index), Some(last)) = (&mut self.by_entity, self.batches.back()) {
            let number = self.first + self.batches.len() as u64 - 1;
            enter(index, number, last.places().filter(|(place, _)| *place >= from));
        }
    }

    /// Merges the oldest event of `batch` into the newest waiting event of its entity; whether there was one, and there was
    /// room in it.
    pub(super) fn merge(&mut self, batch: &mut Batch) -> bool {
        // What was merged before may have grown beyond the limit.
        if self.bytes > self.max_bytes {
            return false;
        }
        let Some(key) = batch.oldest().and_then(entity_key) else {
            return false;
        };
        let index = self.by_entity.get_or_insert_with(|| {
            let mut index = HashMap::new();
            for (number, batch) in (self.first..).zip(&self.batches) {
                enter(&mut index, number, batch.places());
            }
            index
        });
        let mut is_merged = false;
        let waiting = index.get(&key).and_then(|(number, place)| {
            let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
            self.batches.get_mut(at)?.change(*place, |waiting| {
                is_merged = batch.oldest().is_some_and(|newer| fits(waiting, newer));
                if is_merged && let Some(event) = batch.pop() {
                    merge(waiting, event);
                }
            })
        });
        let (true, Some(more)) = (is_merged, waiting) else {
            return false;
        };
        self.bytes = self.bytes.saturating_add_signed(more);
        true
    }

    /// Drops the oldest events until there is room for `count` with so many `bytes` together, or none is left; returns how
    /// many were dropped.
    pub(super) fn make_room(&mut self, count: usize, bytes: usize) -> usize {
        let mut dropped = 0;
        while let Some(oldest) = self.batches.front_mut() {
            let too_many = (self.events + count).saturating_sub(self.capacity);
            let too_large = (self.bytes + bytes).saturating_sub(self.max_bytes);
            if too_many == 0 && too_large == 0 {
                break;
            }
            // Those that are smaller together than what is too large, and one more.
            let large = if too_large == 0 {
                0
            } else {
                oldest.within(too_large - 1) + 1
            };
            let skipped = oldest.len().min(too_many.max(large));
            let before = oldest.bytes();
            oldest.skip(skipped);
            self.events -= skipped;
            self.bytes -= before - oldest.bytes();
            dropped += skipped;
            if oldest.is_empty()
                && let Some(empty) = self.pop()
            {
                self.keep(empty);
            }
        }
        dropped
    }

    /// Takes the oldest batch.
    pub(super) fn take(&mut self) -> Option<Batch> {
        let batch = self.pop()?;
        self.events -= batch.len();
        self.bytes -= batch.bytes();
        if self.batches.is_empty() {
            self.by_entity = None;
        }
        Some(batch)
    }

    /// How many of the newest events of `batch` fit into an empty buffer; one always does.
    pub(super) fn fitting(&self, batch: &Batch) -> usize {
        let within = batch.newest_within(self.max_bytes).max(1);
        within.min(self.capacity).min(batch.len())
    }

    fn pop(&mut self) -> Option<Batch> {
        let batch = self.batches.pop_front()?;
        self.first += 1;
        Some(batch)
    }

    /// Keeps an empty batch for a sender, who drops the events that are still in its memory.
    pub(super) fn keep(&mut self, empty: Batch) {
        let bytes = || self.spare.iter().map(Batch::spent_bytes).sum::<usize>();
        if empty.has_memory() && self.spare.len() < SPARE_AT_MOST && bytes() < SPARE_BYTES {
            self.spare.push(empty);
        }
    }
}

/// Enters events of the batch of this number, oldest first.
fn enter<'a>(
    index: &mut HashMap<EntityKey, (u64, usize)>,
    number: u64,
    events: impl Iterator<Item = (usize, &'a Event)>,
) {
    for (place, event) in events {
        if let Some(key) = entity_key(event) {
            index.insert(key, (number, place));
        }
    }
}
