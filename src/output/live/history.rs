//! How many conversations waited during the last five minutes, for the sparkline, and last in each queue, for its place.
//!
//! In: snapshots · Out: counts, oldest first · Thread: any (pure).

use std::collections::{BTreeMap, VecDeque};

use crate::Id;
use crate::model::snapshot::{ConnectionState, Snapshot, UnknownQueues};

/// How many samples are kept: the width of the widest sparkline.
const KEEP: usize = 60;
/// Least time between two samples: 60 of them show the last five minutes.
const STEP_MS: i64 = 5000;

/// Counts of waiting conversations; `None` where the count was not known.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    slot: Option<i64>,
    total: VecDeque<Option<u64>>,
    last_known: BTreeMap<Id, u64>,
}

impl History {
    /// Takes one snapshot. The greatest count within one step is kept, so that a short peak is seen.
    pub(super) fn add(&mut self, snapshot: &Snapshot) {
        let slot = snapshot.as_of.epoch_ms().div_euclid(STEP_MS);
        let steps = match self.slot {
            Some(before) if slot <= before => 0,
            Some(before) => usize::try_from(slot - before).unwrap_or(KEEP).min(KEEP),
            None => 1,
        };
        self.slot = self.slot.max(Some(slot));
        let is_live = snapshot.connection.state == ConnectionState::Streaming
            && !UnknownQueues::of(snapshot).is_some_and(|unknown| unknown.are_all());
        let waiting = snapshot.totals.live.waiting.known().filter(|_| is_live);
        push(&mut self.total, steps, waiting);
        for (id, queue) in &snapshot.queues {
            if let Some(waiting) = queue.live.waiting.known() {
                self.last_known.insert(id.clone(), waiting);
            }
        }
    }

    /// How many waited in a queue when that was known last. A queue keeps its place while it is unknown.
    pub(super) fn last_known(&self, queue: &Id) -> Option<u64> {
        self.last_known.get(queue).copied()
    }

    pub(super) fn total(&self) -> Vec<Option<u64>> {
        self.total.iter().copied().collect()
    }
}

fn push(samples: &mut VecDeque<Option<u64>>, steps: usize, value: Option<u64>) {
    if steps == 0 {
        if let Some(last) = samples.back_mut() {
            *last = (*last).max(value);
        }
        return;
    }
    // A pause between snapshots is shown as a gap, not as a straight line.
    for _ in 1..steps {
        samples.push_back(None);
    }
    samples.push_back(value);
    while samples.len() > KEEP {
        samples.pop_front();
    }
}

/// The last `columns` samples as bars of eight heights; an unknown count is a space.
pub(super) fn sparkline(samples: &[Option<u64>], columns: usize) -> String {
    bars(&samples[samples.len().saturating_sub(columns)..], 1).concat()
}

/// The samples as bars that are `lines` lines high, the uppermost line first; a zero is a low bar, an unknown count a space.
pub(super) fn bars(samples: &[Option<u64>], lines: usize) -> Vec<String> {
    const HEIGHTS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let top = samples.iter().flatten().copied().max().unwrap_or(0).max(1);
    let most = (8 * lines as u64).saturating_sub(1);
    let height = |sample: &Option<u64>| {
        let count = u128::from((*sample)?) * u128::from(most);
        usize::try_from(count.div_ceil(u128::from(top)))
            .ok()
            .map(|height| height + 1)
    };
    let heights = Vec::from_iter(samples.iter().map(height));
    let line = |below: usize| {
        let eighths = |height: &Option<usize>| height.map_or(0, |height| height.saturating_sub(8 * below).min(8));
        heights.iter().map(|height| HEIGHTS[eighths(height)]).collect()
    };
    (0..lines).rev().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_follow_the_greatest() {
        assert_eq!(sparkline(&[Some(0), Some(1), Some(7), None, Some(14)], 10), "▁▂▅ █");
        assert_eq!(sparkline(&[Some(9), Some(0), Some(0)], 2), "▁▁");
        assert_eq!(sparkline(&[], 5), "");
    }

    #[test]
    fn bars_of_several_lines() {
        assert_eq!(bars(&[Some(0), Some(5), Some(10), None], 2), [" ▁█ ", "▁██ "]);
        assert_eq!(bars(&[], 2), ["", ""]);
        assert_eq!(bars(&[Some(u64::MAX)], 1), ["█"]);
    }

    #[test]
    fn peaks_are_kept_and_pauses_are_unknown() {
        let mut samples = VecDeque::new();
        push(&mut samples, 1, Some(2));
        push(&mut samples, 0, Some(5));
        push(&mut samples, 0, Some(1));
        push(&mut samples, 3, Some(4));
        assert_eq!(samples, [Some(5), None, None, Some(4)]);
        push(&mut samples, 1000, Some(1));
        assert_eq!(samples.len(), KEEP);
    }
}
