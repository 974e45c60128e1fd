//! Counts and sums of one bucket: a queue's medium, in total or in one window.
//!
//! In: counts to add or to take back · Out: `Sums` · Thread: any (pure).
//!
//! Whatever was added can be taken back exactly, because a later event may change what a conversation counts for. Waits
//! of answered visits are counted by whole seconds, so that the service level follows a threshold that becomes known or
//! changes later.

use std::collections::BTreeMap;

use super::counts::{CountKind, Sign, Sums};

/// One bucket.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bucket {
    /// Without `answered_in_time`, which depends on the threshold.
    sums: Sums,
    waits: Waits,
}

/// Number of answered visits by wait.
///
/// A threshold is exact if it is a multiple of a second, or a multiple of a second more than `fraction_ms`.
#[derive(Clone, Debug, Default)]
struct Waits {
    fraction_ms: u64,
    counts: BTreeMap<u64, u64>,
}

impl Waits {
    /// Waits are grouped by bounds: every whole second, and every whole second plus the fraction. A wait belongs to the
    /// first bound that it does not exceed.
    fn place(&self, ms: u64) -> u64 {
        ms.div_ceil(1000) + ms.saturating_sub(self.fraction_ms).div_ceil(1000)
    }

    fn count(&mut self, sign: Sign, ms: u64) {
        let place = self.place(ms);
        let count = self.counts.entry(place).or_default();
        sign.apply(count, 1);
        if *count == 0 {
            self.counts.remove(&place);
        }
    }

    fn within(&self, threshold_ms: u64) -> u64 {
        self.counts.range(..=self.place(threshold_ms)).map(|(_, n)| n).sum()
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

    /// Adds one count or takes it back. An abandon after less than `short_abandon_ms` is also a short abandon.
    pub(crate) fn count(&mut self, sign: Sign, kind: CountKind, millis: u64, short_abandon_ms: u64) {
        self.sums.count(sign, kind, millis);
        match kind {
            CountKind::Answered => self.waits.count(sign, millis),
            CountKind::Abandoned if millis < short_abandon_ms => {
                self.sums.count(sign, CountKind::ShortAbandoned, millis);
            }
            _ => {}
        }
    }

    /// Adds a hold that ended.
    pub(crate) fn hold(&mut self, millis: u64) {
        Sign::Add.apply(&mut self.sums.hold_ms, millis);
    }

    /// Sets the milliseconds of the threshold beyond whole seconds, unless waits were counted already.
    pub(crate) fn set_fraction(&mut self, fraction_ms: u64) {
        if self.waits.counts.is_empty() {
            self.waits.fraction_ms = fraction_ms;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sums == Sums::default()
    }

    /// Everything that was counted, judged by a threshold.
    pub(crate) fn sums(&self, threshold_ms: u64) -> Sums {
        Sums {
            answered_in_time: self.waits.within(threshold_ms),
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
        let mut add = |kind, millis| bucket.count(Sign::Add, kind, millis, 5_000);
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
                bucket.count(sign, *kind, 1_234, 2_000);
            }
            assert_eq!(bucket.is_empty(), sign == Sign::Take);
        }
        assert_eq!(numbers(&bucket, 20_000), Numbers::default());
        let mut short = Bucket::new(0);
        short.count(Sign::Add, CountKind::Abandoned, 1, 2_000);
        assert_eq!(numbers(&short, 20_000).service_level_percent, None);
    }

    #[test]
    fn a_threshold_may_come_later_and_have_a_fraction() {
        let mut whole = Bucket::new(0);
        let mut split = Bucket::new(500);
        for bucket in [&mut whole, &mut split] {
            for wait in [0, 999, 1_000, 1_001, 1_499, 1_500, 1_501, 2_000, 2_001] {
                bucket.count(Sign::Add, CountKind::Answered, wait, 0);
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
