//! What one number was during one window.
//!
//! In: its values and for how long each held · Out: greatest, mean and last · Thread: any (pure).

/// One number during one window, as far as it was known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Course {
    /// Greatest and last; `None` until it was known.
    seen: Option<(u64, u64)>,
    /// For how long it was known.
    known_ms: u64,
    /// Twice the integral of the number over that time in milliseconds: a whole number.
    twice_integral: u64,
}

/// What one number was during one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) max: u64,
    /// In parts of the number's unit that the caller of [`Course::range`] chose.
    pub(crate) mean: u64,
    pub(crate) last: u64,
}

impl Course {
    /// It had this value at a moment.
    pub(super) fn note(&mut self, value: u64) {
        let max = self.seen.map_or(value, |(max, _)| max.max(value));
        self.seen = Some((max, value));
    }

    /// It went evenly from one value to another in `ms`.
    pub(super) fn go_on(&mut self, from: u64, to: u64, ms: u64) {
        self.note(from);
        self.note(to);
        self.known_ms = self.known_ms.saturating_add(ms);
        let twice = from.saturating_add(to).saturating_mul(ms);
        self.twice_integral = self.twice_integral.saturating_add(twice);
    }

    /// Whether it was known at any moment.
    pub(super) fn is_known(&self) -> bool {
        self.seen.is_some()
    }

    /// `None` where it was never known. The mean is weighted by time, and rounded to a whole number of `parts`th parts.
    pub(super) fn range(&self, parts: u64) -> Option<Range> {
        let (max, last) = self.seen?;
        let mean = match u128::from(self.known_ms) {
            0 => last.saturating_mul(parts),
            known_ms => {
                let mean = (u128::from(self.twice_integral) * u128::from(parts) + known_ms) / (2 * known_ms);
                u64::try_from(mean).unwrap_or(u64::MAX)
            }
        };
        Some(Range { max, mean, last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn course(pieces: &[(u64, u64, u64)]) -> Course {
        let mut course = Course::default();
        for (from, to, ms) in pieces {
            course.go_on(*from, *to, *ms);
        }
        course
    }

    #[test]
    fn a_mean_is_weighted_by_time() {
        assert_eq!(Course::default().range(1000), None);
        let range = course(&[(4, 4, 1000), (1, 1, 2000)]).range(1000);
        assert_eq!(
            range,
            Some(Range {
                max: 4,
                mean: 2000,
                last: 1
            })
        );
        let mean = |pieces: &[_]| course(pieces).range(1000).map(|range| range.mean);
        assert_eq!(mean(&[(0, 10, 1000), (10, 10, 1000)]), Some(7500));
        assert_eq!(mean(&[(1, 1, 1), (0, 0, 2)]), Some(333));
        assert_eq!(mean(&[(2, 2, 1), (0, 0, 1), (0, 0, 1)]), Some(667));
        let mut noted = Course::default();
        noted.note(7);
        noted.note(5);
        assert_eq!(
            noted.range(1000),
            Some(Range {
                max: 7,
                mean: 5000,
                last: 5
            })
        );
    }

    proptest! {
        #[test]
        fn a_mean_lies_between_the_least_and_the_greatest(
            pieces in prop::collection::vec((0..5_000_000_000_u64, 0..5_000_000_000_u64, 0..86_400_000_u64), 1..6),
            parts in prop_oneof![Just(1_u64), Just(1000)],
        ) {
            let range = course(&pieces).range(parts).unwrap();
            let least = pieces.iter().map(|(from, to, _)| *from.min(to)).min().unwrap();
            prop_assert!(least * parts <= range.mean && range.mean <= range.max * parts, "{:?}", range);
            prop_assert!(least <= range.last && range.last <= range.max);
        }

        #[test]
        fn pieces_in_any_order_give_the_same_mean(
            pieces in prop::collection::vec((0..1000_u64, 0..1000_u64, 0..10_000_u64), 1..9),
            by in 0..9_usize,
        ) {
            let mut turned = pieces.clone();
            turned.rotate_left(by % pieces.len());
            let one = course(&pieces);
            let other = course(&turned);
            prop_assert_eq!((one.known_ms, one.twice_integral), (other.known_ms, other.twice_integral));
        }
    }
}
