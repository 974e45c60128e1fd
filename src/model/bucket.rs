//! Counts and sums of one bucket: a queue's medium, in total or in one window.
//!
//! In: counts to add or to take back · Out: `Sums` · Thread: any (pure).
//!
//! Whatever was added can be taken back exactly, because a later event may change what a conversation counts for. Waits
//! of answered and of abandoned visits are counted by whole seconds, so that the service level follows a threshold that
//! becomes known or changes later, and that there is a distribution of waits.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::counts::{CountKind, Sign, Sums};

/// One bucket.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bucket {
    /// Without `answered_in_time`, which depends on the threshold.
    sums: Sums,
    waits: Waits,
}

/// Upper bounds of the distribution of waits, in seconds; the last group has all waits.
pub(crate) const WAIT_BOUNDS_SECS: [u64; 8] = [5, 10, 20, 30, 60, 120, 300, 600];

/// How many waits are no longer than each of [`WAIT_BOUNDS_SECS`], and how many there are at all.
pub(crate) type WaitsWithin = [u64; WAIT_BOUNDS_SECS.len() + 1];

/// Number of visits by wait.
///
/// A threshold is exact if it is a multiple of a second, or a multiple of a second more than `fraction_ms`.
#[derive(Clone, Debug, Default)]
struct Waits {
    fraction_ms: u64,
    counts: BTreeMap<u64, Ended>,
}

/// Bytes of an entry of a `BTreeMap`, whose nodes are two thirds full on average.
const ENTRY_BYTES: usize = size_of::<(u64, Ended)>() * 3 / 2;

/// How many visits ended after waits of one group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ended {
    answered: u32,
    abandoned: u32,
}

impl Waits {
    /// Waits are grouped by bounds: every whole second, and every whole second plus the fraction. A wait belongs to the
    /// first bound that it does not exceed.
    fn place(&self, ms: u64) -> u64 {
        ms.div_ceil(1000) + ms.saturating_sub(self.fraction_ms).div_ceil(1000)
    }

    /// Returns whether there was a group, or room for one.
    fn count(&mut self, sign: Sign, ms: u64, part: fn(&mut Ended) -> &mut u32, room: bool) -> bool {
        let place = self.place(ms);
        let ended = match self.counts.entry(place) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) if sign == Sign::Add && room => new.insert(Ended::default()),
            Entry::Vacant(_) => return false,
        };
        let count = part(ended);
        *count = match sign {
            Sign::Add => count.saturating_add(1),
            Sign::Take => count.saturating_sub(1),
        };
        if *ended == Ended::default() {
            self.counts.remove(&place);
        }
        true
    }

    fn answered_within(&self, threshold_ms: u64) -> u64 {
        let counts = self.counts.range(..=self.place(threshold_ms));
        counts.map(|(_, ended)| u64::from(ended.answered)).sum()
    }

    fn add_within(&self, to: &mut WaitsWithin) {
        for (place, ended) in &self.counts {
            let count = u64::from(ended.answered) + u64::from(ended.abandoned);
            let from = WAIT_BOUNDS_SECS.partition_point(|bound| self.place(bound * 1000) < *place);
            to[from..].iter_mut().for_each(|within| *within += count);
        }
    }

    /// Changes the fraction, unless answered visits were counted already. The place of a whole second is the same with any.
    fn set_fraction(&mut self, fraction_ms: u64) {
        if self.counts.values().all(|ended| ended.answered == 0) {
            self.fraction_ms = fraction_ms;
        }
    }
}

impl Bucket {
    /// `fraction_ms`: milliseconds of the threshold beyond whole seconds.
    pub(crate) fn new(fraction_ms: u64) -> Self {
        Self {
            waits: Waits {
                fraction_ms,
                counts: BTreeMap::new(),
            },
            ..Self::default()
        }
    }

    /// Adds one count or takes it back. An abandon after less than `short_abandon_ms` is also a short abandon. Where there is
    /// no `room`, a wait of a length that is new is counted, but not by its length; that returns false.
    pub(crate) fn count(
        &mut self,
        sign: Sign,
        (kind, millis): (CountKind, u64),
        short_abandon_ms: u64,
        room: bool,
    ) -> bool {
        self.sums.count(sign, kind, millis);
        match kind {
            CountKind::Answered => self.waits.count(sign, millis, |ended| &mut ended.answered, room),
            CountKind::Abandoned => {
                if millis < short_abandon_ms {
                    self.sums.count(sign, CountKind::ShortAbandoned, millis);
                }
                // No threshold is asked of these: whole seconds are enough.
                let whole = millis.div_ceil(1000).saturating_mul(1000);
                self.waits.count(sign, whole, |ended| &mut ended.abandoned, room)
            }
            _ => true,
        }
    }

    /// Adds a hold that ended.
    pub(crate) fn hold(&mut self, millis: u64) {
        Sign::Add.apply(&mut self.sums.hold_ms, millis);
    }

    /// Sets the milliseconds of the threshold beyond whole seconds, unless waits were counted already.
    pub(crate) fn set_fraction(&mut self, fraction_ms: u64) {
        self.waits.set_fraction(fraction_ms);
    }

    /// Adds how many answered and abandoned visits waited no longer than each bound.
    pub(crate) fn add_waits_within(&self, to: &mut WaitsWithin) {
        self.waits.add_within(to);
    }

    /// Bytes in memory, as an estimate, its place in the lists included.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + ENTRY_BYTES + self.waits.counts.len() * ENTRY_BYTES
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sums == Sums::default()
    }

    /// Everything that was counted, judged by a threshold.
    pub(crate) fn sums(&self, threshold_ms: u64) -> Sums {
        Sums {
            answered_in_time: self.waits.answered_within(threshold_ms),
            ..self.sums
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::counts::Numbers;

    fn numbers(bucket: &Bucket, threshold_ms: u64) -> Numbers {
        bucket.sums(threshold_ms).numbers()
    }

    #[test]
    fn each_number_as_it_is_defined() {
        let mut bucket = Bucket::new(0);
        let mut add = |kind, millis| assert!(bucket.count(Sign::Add, (kind, millis), 5_000, true));
        (0..6).for_each(|_| add(CountKind::Offered, 0));
        add(CountKind::Answered, 20_000);
        add(CountKind::Answered, 20_001);
        add(CountKind::Abandoned, 4_999);
        add(CountKind::Abandoned, 5_000);
        add(CountKind::FlowOut, 9_000);
        add(CountKind::Handled, 61_000);
        add(CountKind::Handled, 60_000);
        add(CountKind::Transferred, 0);
        add(CountKind::WrappedUp, 0);
        bucket.hold(1_500);
        let n = numbers(&bucket, 20_000);
        assert_eq!((n.offered, n.answered, n.abandoned, n.short_abandoned), (6, 2, 2, 1));
        assert_eq!((n.flow_out, n.handled, n.transferred, n.wrapups), (1, 2, 1, 1));
        assert_eq!(n.service_level_percent, Some(100.0 / 3.0));
        assert_eq!(n.average_wait_secs, Some(12.5));
        assert_eq!(n.average_speed_of_answer_secs, Some(20.0005));
        assert_eq!(n.average_handle_secs, Some(60.5));
        assert_eq!(n.hold_secs, 1.5);
    }

    #[test]
    fn nothing_to_divide_by_is_no_number_and_what_was_added_can_be_taken_back() {
        let mut bucket = Bucket::new(0);
        for sign in [Sign::Add, Sign::Take] {
            for kind in CountKind::ALL {
                bucket.count(sign, (*kind, 1_234), 2_000, true);
            }
            assert_eq!(bucket.is_empty(), sign == Sign::Take);
        }
        assert_eq!(numbers(&bucket, 20_000), Numbers::default());
        let mut short = Bucket::new(0);
        short.count(Sign::Add, (CountKind::Abandoned, 1), 2_000, true);
        assert_eq!(numbers(&short, 20_000).service_level_percent, None);
    }

    #[test]
    fn waits_are_distributed_and_follow_what_is_taken_back() {
        let mut bucket = Bucket::new(0);
        let within = |bucket: &Bucket| {
            let mut within = WaitsWithin::default();
            bucket.add_waits_within(&mut within);
            within
        };
        let waits = [0, 5_000, 5_001, 10_000, 30_001, 600_000, 600_001];
        for wait in waits {
            bucket.count(Sign::Add, (CountKind::Abandoned, wait), 0, true);
        }
        let abandoned = [2, 4, 4, 4, 5, 5, 5, 6, 7];
        assert_eq!(within(&bucket), abandoned);
        // A threshold of 20.5 s becomes known: bounds stay exact, and so does what is taken back and comes again.
        bucket.set_fraction(500);
        assert_eq!(within(&bucket), abandoned);
        bucket.count(Sign::Add, (CountKind::Answered, 20_500), 0, true);
        assert_eq!(within(&bucket), [2, 4, 4, 5, 6, 6, 6, 7, 8]);
        assert_eq!(bucket.sums(20_500).answered_in_time, 1);
        assert_eq!(bucket.sums(20_000).answered_in_time, 0);
        bucket.count(Sign::Take, (CountKind::Answered, 20_500), 0, true);
        assert_eq!(within(&bucket), abandoned);
        for wait in waits {
            bucket.count(Sign::Take, (CountKind::Abandoned, wait), 0, true);
        }
        assert!(bucket.is_empty() && bucket.waits.counts.is_empty());
    }

    #[test]
    fn a_threshold_may_come_later_and_have_a_fraction() {
        let mut whole = Bucket::new(0);
        let mut split = Bucket::new(500);
        for bucket in [&mut whole, &mut split] {
            for wait in [0, 999, 1_000, 1_001, 1_499, 1_500, 1_501, 2_000, 2_001] {
                bucket.count(Sign::Add, (CountKind::Answered, wait), 0, true);
            }
        }
        let percent =
            |bucket: &Bucket, threshold| numbers(bucket, threshold).service_level_percent.unwrap() * 9.0 / 100.0;
        for (threshold, within) in [(0, 1.0), (1_000, 3.0), (2_000, 8.0), (3_000, 9.0)] {
            assert!((percent(&whole, threshold) - within).abs() < 1e-9, "{threshold}");
            assert!((percent(&split, threshold) - within).abs() < 1e-9, "{threshold}");
        }
        assert!((percent(&split, 1_500) - 6.0).abs() < 1e-9);
        assert!((percent(&split, 2_500) - 9.0).abs() < 1e-9);
    }
}
