//! What one output took and missed.
//!
//! In: counts from both ends of the hand-over · Out: `OutputSnapshot` · Thread: any (atomics).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

use crate::model::snapshot::OutputSnapshot;

/// Counts of one output. `offered` is kept beside the two that are shown, so that after the end everything that was
/// offered and not written is missed, wherever it got stuck.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    offered: AtomicU64,
    written: AtomicU64,
    missed: AtomicU64,
    over: AtomicBool,
}

impl Tally {
    /// An item that must be written or missed is about to be handed over.
    pub(crate) fn offered(&self) {
        self.offered.fetch_add(1, Relaxed);
    }

    /// Records that left.
    pub(crate) fn wrote(&self, count: u64) {
        self.written.fetch_add(count, Relaxed);
    }

    /// Records that could not be taken, or were lost on the way out.
    pub(crate) fn missed(&self, count: u64) {
        self.missed.fetch_add(count, Relaxed);
    }

    /// From now on everything that was offered and not written is missed.
    pub(crate) fn end(&self) {
        self.over.store(true, SeqCst);
    }

    /// Whether the output has ended or was abandoned.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(SeqCst)
    }

    /// Offered, and neither written nor missed yet.
    pub(crate) fn waiting(&self) -> u64 {
        let settled = self.written.load(Relaxed) + self.missed.load(Relaxed);
        self.offered.load(Relaxed).saturating_sub(settled)
    }

    /// As shown in a snapshot.
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
        let tally = Tally::default();
        for _ in 0..5 {
            tally.offered();
        }
        tally.wrote(2);
        tally.missed(1);
        assert_eq!(tally.waiting(), 2);
        assert_eq!(tally.counts(), OutputSnapshot { written: 2, missed: 1 });
        tally.end();
        assert_eq!(tally.counts(), OutputSnapshot { written: 2, missed: 3 });
    }
}
