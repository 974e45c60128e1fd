//! How many records one output has written and missed.
//!
//! In: counts from both sides of the output's queue · Out: `OutputSnapshot` · Thread: any (atomics).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

use crate::model::snapshot::OutputSnapshot;

/// Counts of one output. `offered` is not shown; after the end, everything that was offered and not written is missed.
#[derive(Debug, Default)]
pub(crate) struct OutputCounters {
    offered: AtomicU64,
    written: AtomicU64,
    missed: AtomicU64,
    over: AtomicBool,
}

impl OutputCounters {
    /// Counts an item that is about to be queued and must end as written or missed.
    pub(crate) fn offered(&self) {
        self.offered.fetch_add(1, Relaxed);
    }

    /// Counts records that were written.
    pub(crate) fn wrote(&self, count: u64) {
        self.written.fetch_add(count, Relaxed);
    }

    /// Counts records for which there was no room, or whose write failed.
    pub(crate) fn missed(&self, count: u64) {
        self.missed.fetch_add(count, Relaxed);
    }

    /// Ends the output's counting: everything that was offered and is not written is missed from now on.
    pub(crate) fn end(&self) {
        self.over.store(true, SeqCst);
    }

    /// Whether the output has ended or was abandoned.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(SeqCst)
    }

    /// How many items were offered and are neither written nor missed yet.
    pub(crate) fn waiting(&self) -> u64 {
        let settled = self.written.load(Relaxed) + self.missed.load(Relaxed);
        self.offered.load(Relaxed).saturating_sub(settled)
    }

    /// The counts as a snapshot shows them.
    pub(crate) fn counts(&self) -> OutputSnapshot {
        let written = self.written.load(Relaxed);
        let missed = self.missed.load(Relaxed);
        OutputSnapshot {
            written,
            missed: if self.is_over() {
                missed.max(self.offered.load(Relaxed).saturating_sub(written))
            } else {
                missed
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_end_nothing_is_in_between() {
        let counters = OutputCounters::default();
        for _ in 0..5 {
            counters.offered();
        }
        counters.wrote(2);
        counters.missed(1);
        assert_eq!(counters.waiting(), 2);
        assert_eq!(counters.counts(), OutputSnapshot { written: 2, missed: 1 });
        counters.end();
        assert_eq!(counters.counts(), OutputSnapshot { written: 2, missed: 3 });
    }
}
