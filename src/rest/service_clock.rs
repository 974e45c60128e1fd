//! The difference between the service's clock and this machine's, from the dates of answers.
//!
//! In: dates, and when each was asked for and received · Out: bounds of the service's time · Thread: any (one mutex, held
//! briefly).

use std::sync::{Mutex, PoisonError};

use crate::Moment;

/// Clocks that differ by less count as equal: dates are whole seconds, and clocks are usually right to some tenths.
const EQUAL_MS: i64 = 1000;
/// The resolution of a date.
const SECOND_MS: i64 = 1000;

/// Bounds of (service's clock − this machine's), in milliseconds, from the newest answer.
#[derive(Clone, Copy, Debug, Default)]
struct Ahead {
    least: i64,
    most: i64,
}

/// The newest bounds. Without any date both clocks count as equal.
#[derive(Debug, Default)]
pub(crate) struct ServiceClock(Mutex<Ahead>);

impl ServiceClock {
    /// Learns from an answer with this date, which was asked for and received at these moments of this machine's clock.
    pub(crate) fn learn(&self, date: Moment, asked: Moment, came: Moment) {
        let least = date.millis_since(came);
        let most = date.millis_since(asked).saturating_add(SECOND_MS);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Ahead { least, most };
    }

    fn bounds(&self) -> Ahead {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ahead(&self) -> Ahead {
        let ahead = self.bounds();
        if ahead.least <= EQUAL_MS && ahead.most >= -EQUAL_MS {
            return Ahead::default();
        }
        ahead
    }

    /// At `at` of this machine's clock the service's clock showed this at most, even where both clocks count as equal.
    pub(crate) fn surely_by(&self, at: Moment) -> Moment {
        at.plus_ms(self.bounds().most)
    }

    /// At `at` of this machine's clock the service's clock showed this at least.
    pub(crate) fn earliest(&self, at: Moment) -> Moment {
        at.plus_ms(self.ahead().least)
    }

    /// At `at` of this machine's clock the service's clock showed this at most; equal clocks count as equal.
    pub(crate) fn latest(&self, at: Moment) -> Moment {
        at.plus_ms(self.ahead().most)
    }

    /// This machine's time when the service's clock shows `at`, or a little earlier.
    pub(crate) fn ours(&self, at: Moment) -> Moment {
        at.plus_ms(-self.ahead().most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_bounds_the_difference_and_small_ones_are_none() {
        let at = |ms: i64| Moment::from_epoch_ms(1_777_900_000_000 + ms);
        let clock = ServiceClock::default();
        let bounds = || (clock.earliest(at(0)), clock.latest(at(0)));
        assert_eq!(bounds(), (at(0), at(0)));
        // The same second, received after 200 ms.
        clock.learn(at(0), at(500), at(700));
        assert_eq!(bounds(), (at(0), at(0)));
        assert_eq!(clock.surely_by(at(0)), at(500));
        clock.learn(at(3000), at(500), at(700));
        assert_eq!(bounds(), (at(2300), at(3500)));
        assert_eq!(clock.ours(at(3500)), at(0));
        clock.learn(at(-9000), at(500), at(700));
        assert_eq!(bounds(), (at(-9700), at(-8500)));
        clock.learn(at(0), at(500), at(700));
        assert_eq!(bounds(), (at(0), at(0)), "corrected in the meantime");
    }
}
