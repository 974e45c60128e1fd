//! Counts and sums of what happened in one cell: a queue's medium, in total or in one window.
//!
//! In: happenings to add or to take back · Out: `Numbers` · Thread: any (pure).
//!
//! Whatever was added can be taken back, so that a fact which changes its meaning leaves no trace. Waits of answered
//! visits are counted by whole seconds, so that the service level follows a threshold that is learned or changed later.

use std::collections::BTreeMap;

use super::numbers::Numbers;
use super::visit::What;

/// One cell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    offered: u64,
    answered: u64,
    abandoned: u64,
    short_abandoned: u64,
    flow_out: u64,
    transferred: u64,
    handled: u64,
    wrapups: u64,
    answered_ms: u64,
    abandoned_ms: u64,
    handled_ms: u64,
    hold_ms: u64,
    waits: Waits,
}

/// How often answered visits waited how long.
///
/// A threshold is exact if it is a multiple of a second, or a multiple of a second more than `fraction_ms`.
#[derive(Clone, Debug, Default)]
struct Waits {
    fraction_ms: u64,
    counts: BTreeMap<u64, u64>,
}

impl Waits {
    /// Bounds at every whole second and at every whole second and the fraction; a wait belongs to the bound it reaches.
    fn place(&self, ms: u64) -> u64 {
        ms.div_ceil(1000) + ms.saturating_sub(self.fraction_ms).div_ceil(1000)
    }

    fn within(&self, threshold_ms: u64) -> u64 {
        self.counts.range(..=self.place(threshold_ms)).map(|(_, n)| n).sum()
    }
}

/// Adding, or taking back what was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    Add,
    Take,
}

impl Sign {
    /// What is taken back was added before; should it not be so, nothing goes below zero.
    pub(crate) fn apply(self, to: &mut u64, by: u64) {
        *to = match self {
            Self::Add => to.saturating_add(by),
            Self::Take => to.saturating_sub(by),
        };
    }
}

impl Tally {
    /// `fraction_ms`: what the threshold has beyond whole seconds.
    pub(crate) fn new(fraction_ms: u64) -> Self {
        Self {
            waits: Waits {
                fraction_ms,
                counts: BTreeMap::new(),
            },
            ..Self::default()
        }
    }

    /// Counts one happening. An abandon of less than `short_abandon_ms` is also a short one.
    pub(crate) fn count(&mut self, sign: Sign, what: What, millis: u64, short_abandon_ms: u64) {
        match what {
            What::Offered => sign.apply(&mut self.offered, 1),
            What::Answered => {
                sign.apply(&mut self.answered, 1);
                sign.apply(&mut self.answered_ms, millis);
                let place = self.waits.place(millis);
                let count = self.waits.counts.entry(place).or_default();
                sign.apply(count, 1);
                if *count == 0 {
                    self.waits.counts.remove(&place);
                }
            }
            What::Abandoned => {
                sign.apply(&mut self.abandoned, 1);
                sign.apply(&mut self.abandoned_ms, millis);
                if millis < short_abandon_ms {
                    sign.apply(&mut self.short_abandoned, 1);
                }
            }
            What::FlowOut => sign.apply(&mut self.flow_out, 1),
            What::Handled => {
                sign.apply(&mut self.handled, 1);
                sign.apply(&mut self.handled_ms, millis);
            }
            What::Transferred => sign.apply(&mut self.transferred, 1),
            What::Wrapup => sign.apply(&mut self.wrapups, 1),
        }
    }

    /// A hold that ended.
    pub(crate) fn hold(&mut self, millis: u64) {
        Sign::Add.apply(&mut self.hold_ms, millis);
    }

    /// The threshold has this many milliseconds beyond whole seconds. Waits that were counted stay as they are.
    pub(crate) fn set_fraction(&mut self, fraction_ms: u64) {
        if self.waits.counts.is_empty() {
            self.waits.fraction_ms = fraction_ms;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        let counts = [
            self.offered,
            self.answered,
            self.abandoned,
            self.flow_out,
            // These stand beside `handled`, and may be taken back after it.
            self.transferred,
            self.handled,
            self.wrapups,
            self.hold_ms,
        ];
        counts.iter().all(|n| *n == 0)
    }
}

/// A sum of cells, each with its own threshold.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    offered: u64,
    answered: u64,
    abandoned: u64,
    short_abandoned: u64,
    flow_out: u64,
    transferred: u64,
    handled: u64,
    wrapups: u64,
    answered_ms: u64,
    abandoned_ms: u64,
    handled_ms: u64,
    hold_ms: u64,
    within: u64,
}

impl Sum {
    pub(crate) fn add(&mut self, tally: &Tally, threshold_ms: u64) {
        self.add_sum(&Self {
            offered: tally.offered,
            answered: tally.answered,
            abandoned: tally.abandoned,
            short_abandoned: tally.short_abandoned,
            flow_out: tally.flow_out,
            transferred: tally.transferred,
            handled: tally.handled,
            wrapups: tally.wrapups,
            answered_ms: tally.answered_ms,
            abandoned_ms: tally.abandoned_ms,
            handled_ms: tally.handled_ms,
            hold_ms: tally.hold_ms,
            within: tally.waits.within(threshold_ms),
        });
    }

    pub(crate) fn add_sum(&mut self, other: &Self) {
        self.offered += other.offered;
        self.answered += other.answered;
        self.abandoned += other.abandoned;
        self.short_abandoned += other.short_abandoned;
        self.flow_out += other.flow_out;
        self.transferred += other.transferred;
        self.handled += other.handled;
        self.wrapups += other.wrapups;
        self.answered_ms = self.answered_ms.saturating_add(other.answered_ms);
        self.abandoned_ms = self.abandoned_ms.saturating_add(other.abandoned_ms);
        self.handled_ms = self.handled_ms.saturating_add(other.handled_ms);
        self.hold_ms = self.hold_ms.saturating_add(other.hold_ms);
        self.within += other.within;
    }

    /// Something exact is in it, not only time on hold.
    pub(crate) fn counts(&self) -> bool {
        let counts = [self.offered, self.answered, self.abandoned, self.flow_out, self.handled];
        counts.iter().any(|n| *n > 0)
    }

    pub(crate) fn numbers(&self) -> Numbers {
        let judged = (self.answered + self.abandoned).saturating_sub(self.short_abandoned);
        let mean_secs = |ms: u64, count: u64| (count > 0).then(|| ms as f64 / count as f64 / 1000.0);
        Numbers {
            offered: self.offered,
            answered: self.answered,
            abandoned: self.abandoned,
            short_abandoned: self.short_abandoned,
            flow_out: self.flow_out,
            transferred: self.transferred,
            handled: self.handled,
            wrapups: self.wrapups,
            service_level_percent: (judged > 0).then(|| 100.0 * self.within as f64 / judged as f64),
            average_wait_secs: mean_secs(
                self.answered_ms.saturating_add(self.abandoned_ms),
                self.answered + self.abandoned,
            ),
            average_speed_of_answer_secs: mean_secs(self.answered_ms, self.answered),
            average_handle_secs: mean_secs(self.handled_ms, self.handled),
            hold_secs: self.hold_ms as f64 / 1000.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(tally: &Tally, threshold_ms: u64) -> Numbers {
        let mut sum = Sum::default();
        sum.add(tally, threshold_ms);
        sum.numbers()
    }

    #[test]
    fn each_number_as_section_8_defines_it() {
        let mut tally = Tally::new(0);
        let mut add = |what, millis| tally.count(Sign::Add, what, millis, 5_000);
        (0..6).for_each(|_| add(What::Offered, 0));
        add(What::Answered, 20_000);
        add(What::Answered, 20_001);
        add(What::Abandoned, 4_999);
        add(What::Abandoned, 5_000);
        add(What::FlowOut, 9_000);
        add(What::Handled, 61_000);
        add(What::Handled, 60_000);
        add(What::Transferred, 0);
        add(What::Wrapup, 0);
        tally.hold(1_500);
        let n = numbers(&tally, 20_000);
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
        let mut tally = Tally::new(0);
        let all = [
            What::Offered,
            What::Answered,
            What::Abandoned,
            What::FlowOut,
            What::Handled,
            What::Transferred,
            What::Wrapup,
        ];
        for sign in [Sign::Add, Sign::Take] {
            all.into_iter().for_each(|what| tally.count(sign, what, 1_234, 2_000));
        }
        assert!(tally.is_empty());
        assert_eq!(numbers(&tally, 20_000), Numbers::default());
        let mut short = Tally::new(0);
        short.count(Sign::Add, What::Abandoned, 1, 2_000);
        assert_eq!(numbers(&short, 20_000).service_level_percent, None);
    }

    #[test]
    fn a_threshold_may_come_later_and_have_a_fraction() {
        let mut whole = Tally::new(0);
        let mut split = Tally::new(500);
        for tally in [&mut whole, &mut split] {
            for wait in [0, 999, 1_000, 1_001, 1_499, 1_500, 1_501, 2_000, 2_001] {
                tally.count(Sign::Add, What::Answered, wait, 0);
            }
        }
        let percent = |tally: &Tally, threshold| numbers(tally, threshold).service_level_percent.unwrap() * 9.0 / 100.0;
        for (threshold, within) in [(0, 1.0), (1_000, 3.0), (2_000, 8.0), (3_000, 9.0)] {
            assert!((percent(&whole, threshold) - within).abs() < 1e-9, "{threshold}");
            assert!((percent(&split, threshold) - within).abs() < 1e-9, "{threshold}");
        }
        assert!((percent(&split, 1_500) - 6.0).abs() < 1e-9);
        assert!((percent(&split, 2_500) - 9.0).abs() < 1e-9);
    }
}
