//! The history of the live numbers: what they were during each window.
//!
//! In: the live numbers of each queue at each tick · Out: what they were by window · Thread: any (pure).
//!
//! Windows go by the service's clock. Time between two looks that are too far apart by our clock, because the process was
//! stopped, is not known; neither is the time before a step of our clock.

mod course;
mod queue;

use std::collections::BTreeMap;

pub(crate) use self::course::Range;
use self::queue::{Grid, OfQueue};
pub(crate) use self::queue::{Look, Ranges, Recorded};
use crate::config::WindowsConfig;
use crate::{Id, Moment};

/// Looks that are further apart by our clock have time between them of which nothing is known: there is a tick each second,
/// and one that comes more than 5 s late means that the process was stopped.
const LONGEST_MS: i64 = 6_000;

/// A quarter of an hour. The local days of all time zones begin with one.
pub(crate) const QUARTER_MS: i64 = 900_000;
/// The quarters of the longest local day.
const QUARTERS: i64 = 25 * 4;

/// The histories of all queues, by the windows of the snapshot and by the quarters of a day.
#[derive(Debug, Default)]
pub(super) struct Histories {
    pub(super) by_window: History,
    pub(super) by_quarter: History,
}

impl Histories {
    /// Each of the two has half of `max_bytes`.
    pub(super) fn new(windows: &WindowsConfig, max_bytes: usize) -> Self {
        let granularity_ms = i64::try_from(windows.granularity.as_millis()).unwrap_or(i64::MAX);
        let keep = i64::try_from(windows.keep.max(1)).unwrap_or(i64::MAX);
        Self {
            by_window: History::new(granularity_ms, keep, max_bytes / 2),
            by_quarter: History::new(QUARTER_MS, QUARTERS, max_bytes / 2),
        }
    }

    /// Takes the numbers of the listed queues.
    pub(super) fn look(&mut self, now: LookedAt, listed: &[(&Id, Look)]) {
        self.by_window.look(now, listed);
        self.by_quarter.look(now, listed);
    }

    /// Bytes in memory, as an estimate.
    pub(super) fn bytes(&self) -> usize {
        self.by_window.bytes + self.by_quarter.bytes
    }
}

/// One history of all queues.
#[derive(Debug, Default)]
pub(crate) struct History {
    grid: Grid,
    last: Option<LookedAt>,
    queues: BTreeMap<Id, OfQueue>,
    all: OfQueue,
    /// Bytes of all queues at the last look, as an estimate.
    bytes: usize,
    max_bytes: usize,
    /// Windows that are kept where there is room.
    keep: i64,
}

/// When a look is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LookedAt {
    pub(crate) ours: Moment,
    pub(crate) service: Moment,
    /// By how much our clock was stepped since the look before.
    pub(crate) stepped_ms: i64,
}

impl History {
    fn new(granularity_ms: i64, keep: i64, max_bytes: usize) -> Self {
        Self {
            grid: Grid { granularity_ms, keep },
            max_bytes,
            keep,
            ..Self::default()
        }
    }

    /// Takes the numbers of the listed queues. Of a queue that is not listed any more nothing is known; it is forgotten with its
    /// last window. Fewer windows are kept where there is no room for all, and as a last resort no new queue is taken.
    fn look(&mut self, now: LookedAt, listed: &[(&Id, Look)]) {
        let at = now.service;
        let since = self.holds_since(now);
        self.last = Some(now);
        let grid = &self.grid;
        let mut all = Look::default();
        for (id, look) in listed {
            if !self.queues.contains_key(*id) && self.bytes < self.max_bytes {
                self.bytes += OfQueue::default().bytes(id);
                self.queues.insert((*id).clone(), OfQueue::default());
            }
            all.add(look);
            let Some(queue) = self.queues.get_mut(*id) else {
                continue;
            };
            queue.is_listed = true;
            queue.look(grid, since, at, *look);
        }
        self.all.look(grid, since, at, all);
        self.queues.retain(|_, queue| {
            let is_listed = std::mem::take(&mut queue.is_listed);
            if !is_listed {
                queue.look(grid, since, at, Look::default());
            }
            is_listed || !queue.is_empty()
        });
        self.make_room(at);
    }

    /// How many windows are kept now.
    pub(super) fn kept(&self) -> i64 {
        self.grid.keep
    }

    /// Keeps a quarter of the windows less where all together are too large, one more again where there is room.
    fn make_room(&mut self, at: Moment) {
        loop {
            self.bytes = self.queues.iter().map(|(id, queue)| queue.bytes(id)).sum();
            if self.bytes <= self.max_bytes || self.grid.keep <= 1 {
                break;
            }
            self.grid.keep = self.grid.keep / 4 * 3;
            self.grid.keep = self.grid.keep.max(1);
            let oldest = self.grid.oldest(self.grid.window_of(at));
            for queue in self.queues.values_mut().chain([&mut self.all]) {
                queue.forget_before(oldest);
            }
        }
        if self.grid.keep < self.keep && self.bytes < self.max_bytes / 4 * 3 {
            self.grid.keep += 1;
        }
    }

    /// Since when what the last look showed has held, by the service's clock. One that goes back was wrong before.
    fn holds_since(&mut self, now: LookedAt) -> Option<Moment> {
        let last = self.last?;
        if now.service < last.service {
            let window = self.grid.window_of(now.service);
            let queues = self.queues.values_mut().chain([&mut self.all]);
            queues.for_each(|queue| queue.forget_from(window));
            return None;
        }
        let passed_ms = now.ours.millis_since(last.ours);
        let holds = now.stepped_ms == 0 && (0..=LONGEST_MS).contains(&passed_ms);
        holds.then_some(last.service)
    }

    /// What is kept of a queue.
    pub(crate) fn of(&self, queue: &Id) -> Recorded {
        self.queues.get(queue).map(OfQueue::recorded).unwrap_or_default()
    }

    /// What is kept of all listed queues together: the sums, and the longest wait, over those that were known.
    pub(crate) fn of_all(&self) -> Recorded {
        self.all.recorded()
    }
}

#[cfg(test)]
mod tests;
