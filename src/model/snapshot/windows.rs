//! The windows of a queue in little memory: 60,000 of them are written each second where 1,000 queues keep 60.
//!
//! In: sums and histories by window, or JSON · Out: `WindowSnapshot`s, made when they are asked for · Thread: any (immutable).
//!
//! What was counted is packed into bytes, which snapshots share until it changes. What follows from it, or depends on the
//! moment (`complete`, the coverage, means), is computed for whoever reads a window.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::WindowSnapshot;
use super::window_live::live;
use crate::Moment;
use crate::model::bytes::{put, take};
use crate::model::counts::Sums;
use crate::model::coverage::Uncovered;
use crate::model::day::{Ranges, Recorded};

/// The windows of one queue, oldest first. Cheap to clone.
///
/// ```no_run
/// # fn show(stream: &genesys_stream::Stream) {
/// let dashboard = stream.snapshot();
/// if let Some(windows) = dashboard.queue("Sales").and_then(|sales| sales.windows.as_ref()) {
///     for window in windows.iter() {
///         println!("{} {}", window.start, window.numbers.offered);
///     }
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct Windows(Form);

#[derive(Clone)]
enum Form {
    /// As they were read.
    Told(Arc<[WindowSnapshot]>),
    Counted(Counted),
}

/// What the model has counted, and what is needed to read it.
#[derive(Clone)]
struct Counted {
    grid: Arc<Grid>,
    uncovered: Arc<Uncovered>,
    packed: Packed,
    recorded: Recorded,
}

/// What is the same for all windows of one snapshot.
#[derive(Debug)]
pub(crate) struct Grid {
    pub(crate) granularity: Arc<str>,
    pub(crate) granularity_ms: i64,
    pub(crate) as_of: Moment,
}

impl Grid {
    /// A window by its number since 1970.
    pub(crate) fn window(
        &self,
        at: i64,
        sums: &Sums,
        ranges: Option<Ranges>,
        covered: impl FnOnce(Moment, Moment) -> f64,
    ) -> WindowSnapshot {
        let start_of = |at: i64| Moment::from_epoch_ms(at.saturating_mul(self.granularity_ms));
        let (start, end) = (start_of(at), start_of(at.saturating_add(1)));
        WindowSnapshot {
            start,
            granularity: Arc::clone(&self.granularity),
            complete: end <= self.as_of,
            coverage_percent: covered(start, end.min(self.as_of)),
            numbers: sums.numbers(),
            live: ranges.map(live),
        }
    }
}

/// Sums by window. Of each window: the distance from the one before, which sums are not zero (a bit each), and these.
/// All but the bits as numbers of `model/bytes.rs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packed {
    len: usize,
    bytes: Arc<[u8]>,
}

impl Packed {
    /// `windows` in ascending order. `scratch` is emptied before.
    pub(crate) fn new(windows: impl Iterator<Item = (i64, Sums)>, scratch: &mut Vec<u8>) -> Self {
        scratch.clear();
        let (mut len, mut before) = (0, 0);
        for (at, sums) in windows {
            len += 1;
            put(scratch, at.wrapping_sub(before).cast_unsigned());
            before = at;
            let list = sums.to_list();
            let bits = list
                .iter()
                .rev()
                .fold(0_u16, |bits, sum| bits << 1 | u16::from(*sum > 0));
            scratch.extend_from_slice(&bits.to_le_bytes());
            list.into_iter()
                .filter(|sum| *sum > 0)
                .for_each(|sum| put(scratch, sum));
        }
        Self {
            len,
            bytes: Arc::from(&**scratch),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, Sums)> + '_ {
        let (mut left, mut at) = (&*self.bytes, 0_i64);
        std::iter::from_fn(move || {
            if left.is_empty() {
                return None;
            }
            at = at.wrapping_add(take(&mut left).cast_signed());
            let (bits, rest) = left.split_first_chunk()?;
            left = rest;
            let mut bits = u16::from_le_bytes(*bits);
            let mut list = [0; Sums::LEN];
            for sum in &mut list {
                if bits & 1 == 1 {
                    *sum = take(&mut left);
                }
                bits >>= 1;
            }
            Some((at, Sums::of_list(list)))
        })
    }
}

impl Windows {
    pub(crate) fn counted(grid: &Arc<Grid>, uncovered: &Arc<Uncovered>, packed: Packed, recorded: Recorded) -> Self {
        Self(Form::Counted(Counted {
            grid: Arc::clone(grid),
            uncovered: Arc::clone(uncovered),
            packed,
            recorded,
        }))
    }

    /// All, oldest first. Each is computed when it is reached.
    pub fn iter(&self) -> impl Iterator<Item = WindowSnapshot> + '_ {
        let (told, counted) = match &self.0 {
            Form::Told(windows) => (&**windows, None),
            Form::Counted(counted) => (&[][..], Some(counted)),
        };
        let counted = counted.into_iter().flat_map(|counted| {
            let windows = counted.packed.iter();
            let mut recorded = counted.recorded.finder();
            windows.map(move |(at, sums)| {
                let covered = |from, to| counted.uncovered.percent_covered(from, to);
                counted.grid.window(at, &sums, recorded(at), covered)
            })
        });
        told.iter().cloned().chain(counted)
    }

    /// The sums of the windows that overlap this time before now; none of windows that were read.
    pub(crate) fn sums_of_last(&self, time: Duration) -> Sums {
        let mut all = Sums::default();
        if let Form::Counted(Counted { grid, packed, .. }) = &self.0 {
            let oldest = grid.as_of.minus(time).epoch_ms().div_euclid(grid.granularity_ms);
            let windows = packed.iter().filter(|(at, _)| *at >= oldest);
            windows.for_each(|(_, sums)| all.add(&sums));
        }
        all
    }

    /// Whether both have the same memory.
    #[cfg(test)]
    pub(crate) fn shares_with(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Form::Counted(one), Form::Counted(other)) => Arc::ptr_eq(&one.packed.bytes, &other.packed.bytes),
            _ => false,
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Told(windows) => windows.len(),
            Form::Counted(counted) => counted.packed.len,
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The newest ones, so many at most, oldest first.
    pub(crate) fn newest(&self, at_most: usize) -> Vec<WindowSnapshot> {
        self.iter().skip(self.len().saturating_sub(at_most)).collect()
    }

    /// The newest.
    #[must_use]
    pub fn last(&self) -> Option<WindowSnapshot> {
        self.iter().last()
    }
}

impl FromIterator<WindowSnapshot> for Windows {
    fn from_iter<I: IntoIterator<Item = WindowSnapshot>>(windows: I) -> Self {
        Self(Form::Told(windows.into_iter().collect()))
    }
}

impl PartialEq for Windows {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Windows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Serialize for Windows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Windows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_sum() -> impl Strategy<Value = u64> {
        prop_oneof![Just(0), 0..200_u64, any::<u64>()]
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_back(
            windows in prop::collection::btree_map(any::<i64>(), prop::collection::vec(any_sum(), Sums::LEN), 0..20)
        ) {
            let sums = |list: Vec<u64>| Sums::of_list(list.try_into().unwrap());
            let windows = Vec::from_iter(windows.into_iter().map(|(at, list)| (at, sums(list))));
            let packed = Packed::new(windows.iter().copied(), &mut vec![1]);
            prop_assert_eq!(packed.len, windows.len());
            prop_assert_eq!(Vec::from_iter(packed.iter()), windows);
        }
    }

    #[test]
    fn the_last_minutes_are_the_windows_that_overlap_them() {
        let grid = Grid {
            granularity: "PT1M".into(),
            granularity_ms: 60_000,
            as_of: Moment::from_epoch_ms(100 * 60_000 + 1),
        };
        let one = Sums {
            offered: 1,
            ..Sums::default()
        };
        let packed = Packed::new((90..=100).map(|at| (at, one)), &mut Vec::new());
        let windows = Windows::counted(&Arc::new(grid), &Arc::default(), packed, Recorded::default());
        let offered = |secs| windows.sums_of_last(Duration::from_secs(secs)).offered;
        assert_eq!([offered(0), offered(60), offered(120), offered(1800)], [1, 2, 3, 11]);
    }

    #[test]
    fn an_empty_window_takes_three_bytes() {
        let packed = Packed::new((1_000_000..1_000_060).map(|at| (at, Sums::default())), &mut Vec::new());
        assert!(packed.bytes.len() <= 3 * 60 + 3, "{}", packed.bytes.len());
    }
}
