//! The history of one queue, or of all together: each window's numbers.
//!
//! In: the numbers at each look · Out: what they were during each window that is kept · Thread: any (pure).
//!
//! What was known at a look counts until the next one: waiting, interacting and idle as they were, the longest wait growing
//! while the same visit is the longest waiting one. A number that was not known at a look is not known until the next.

use std::sync::Arc;

use super::course::{Course, Range};
use crate::model::bytes::{put, take};
use crate::{Id, Moment};

/// How many numbers there are: waiting, the longest wait (milliseconds), interacting, idle.
const NUMBERS: usize = 4;
/// Into how many parts of their units means are divided: thousandths; milliseconds have no parts.
const PARTS: [u64; NUMBERS] = [1000, 1, 1000, 1000];

/// The four numbers of a window; `None` where one was never known.
pub(crate) type Ranges = [Option<Range>; NUMBERS];

/// The windows that are kept, by their numbers since 1970.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Grid {
    pub(super) granularity_ms: i64,
    pub(super) keep: i64,
}

impl Grid {
    pub(super) fn window_of(&self, at: Moment) -> i64 {
        at.epoch_ms().div_euclid(self.granularity_ms.max(1))
    }

    fn start_of(&self, window: i64) -> Moment {
        Moment::from_epoch_ms(window.saturating_mul(self.granularity_ms))
    }

    /// The oldest window that is kept while another is the current one.
    pub(super) fn oldest(&self, current: i64) -> i64 {
        current.saturating_sub(self.keep - 1)
    }
}

/// What a look at a queue showed; `None` where it was not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) waiting: Option<u64>,
    /// When the longest waiting visit entered; `None` where nobody waits, too.
    pub(crate) entered: Option<Moment>,
    pub(crate) interacting: Option<u64>,
    pub(crate) idle: Option<u64>,
}

impl Look {
    /// Adds what is known of another queue.
    pub(super) fn add(&mut self, other: &Self) {
        let sum = |one: Option<u64>, other: Option<u64>| match (one, other) {
            (Some(one), Some(other)) => Some(one.saturating_add(other)),
            (one, other) => one.or(other),
        };
        *self = Self {
            waiting: sum(self.waiting, other.waiting),
            entered: self.entered.into_iter().chain(other.entered).min(),
            interacting: sum(self.interacting, other.interacting),
            idle: sum(self.idle, other.idle),
        };
    }

    /// The numbers at a moment at which this still held.
    fn values(&self, at: Moment) -> [Option<u64>; NUMBERS] {
        let wait_ms = |entered: Moment| at.millis_since(entered).max(0).unsigned_abs();
        let longest = self.waiting.map(|_| self.entered.map_or(0, wait_ms));
        [self.waiting, longest, self.interacting, self.idle]
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct OfQueue {
    /// The last look.
    held: Look,
    current: i64,
    courses: [Course; NUMBERS],
    /// The windows before the current one.
    past: Packed,
    pub(super) is_listed: bool,
}

impl OfQueue {
    /// Takes what a look showed at `at`. `since` is when the look before was, if what it showed counts until now.
    pub(super) fn look(&mut self, grid: &Grid, since: Option<Moment>, at: Moment, look: Look) {
        if let Some(since) = since {
            self.go_on(grid, since, at, look.entered);
        }
        self.enter(grid, grid.window_of(at));
        for (course, value) in self.courses.iter_mut().zip(look.values(at)) {
            value.into_iter().for_each(|value| course.note(value));
        }
        self.held = look;
    }

    fn go_on(&mut self, grid: &Grid, since: Moment, until: Moment, entered: Option<Moment>) {
        let held = self.held;
        let first = held.values(since);
        if first == [None; NUMBERS] {
            return;
        }
        let grows = held.entered == entered;
        let values = |at: Moment| if grows { held.values(at) } else { first };
        let mut at = since.max(grid.start_of(grid.oldest(grid.window_of(until))));
        while at < until {
            let window = grid.window_of(at);
            let end = grid.start_of(window.saturating_add(1)).min(until);
            self.enter(grid, window);
            let ms = end.millis_since(at).unsigned_abs();
            let pieces = values(at).into_iter().zip(values(end));
            for (course, piece) in self.courses.iter_mut().zip(pieces) {
                if let (Some(from), Some(to)) = piece {
                    course.go_on(from, to, ms);
                }
            }
            at = end;
        }
    }

    fn enter(&mut self, grid: &Grid, window: i64) {
        if window == self.current {
            return;
        }
        self.past.push(self.current, &self.ranges(), grid.oldest(window));
        self.courses = Default::default();
        self.current = window;
    }

    /// Bytes in memory, as an estimate.
    pub(super) fn bytes(&self, id: &Id) -> usize {
        size_of::<Self>() + size_of::<Id>() + id.heap_bytes() + self.past.0.len()
    }

    /// Forgets the windows before this one.
    pub(super) fn forget_before(&mut self, window: i64) {
        self.past.push(window, &Ranges::default(), window);
    }

    /// Forgets this window and those after it.
    pub(super) fn forget_from(&mut self, window: i64) {
        self.past.truncate(window);
        if self.current >= window {
            self.courses = Default::default();
        }
    }

    fn ranges(&self) -> Ranges {
        let mut parts = PARTS.into_iter();
        self.courses.map(|course| course.range(parts.next().unwrap_or(1)))
    }

    /// Whether nothing is known of any window that is kept.
    pub(super) fn is_empty(&self) -> bool {
        self.past.0.is_empty() && !self.courses.iter().any(Course::is_known)
    }

    pub(super) fn recorded(&self) -> Recorded {
        Recorded {
            past: self.past.clone(),
            current: (self.current, self.ranges()),
        }
    }
}

/// What is kept of a queue at one moment. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recorded {
    past: Packed,
    current: (i64, Ranges),
}

impl Recorded {
    /// Answers for windows in ascending order what is known of them.
    pub(crate) fn finder(&self) -> impl FnMut(i64) -> Option<Ranges> + use<'_> {
        let mut left = self.windows().peekable();
        move |window| {
            while left.next_if(|(of, _)| *of < window).is_some() {}
            left.next_if(|(of, _)| *of == window).map(|(_, ranges)| ranges)
        }
    }

    /// The windows of which anything is known, in ascending order.
    pub(crate) fn windows(&self) -> impl Iterator<Item = (i64, Ranges)> {
        let current = Some(self.current).filter(|(_, ranges)| is_known(ranges));
        self.past.iter().chain(current)
    }

    /// Whether both have the same memory.
    #[cfg(test)]
    pub(super) fn shares_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.past.0, &other.past.0)
    }

    /// The bytes of the windows before the current one.
    #[cfg(test)]
    pub(super) fn past_bytes(&self) -> usize {
        self.past.0.len()
    }
}

fn is_known(ranges: &Ranges) -> bool {
    ranges.iter().any(Option::is_some)
}

/// Past windows in ascending order. Of each: its number, which of the four are known (a bit each), and of these greatest,
/// last and mean. All but the bits as numbers of `model/bytes.rs`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Packed(Arc<[u8]>);

impl Packed {
    /// Appends a window, if anything is known of it, and drops those before `oldest`.
    fn push(&mut self, window: i64, ranges: &Ranges, oldest: i64) {
        let mut left = &*self.0;
        let mut kept = left;
        while let Some((of, _)) = next(&mut left)
            && of < oldest
        {
            kept = left;
        }
        let adds = window >= oldest && is_known(ranges);
        if !adds && kept.len() == self.0.len() {
            return;
        }
        let mut bytes = kept.to_vec();
        if adds {
            put(&mut bytes, window.cast_unsigned());
            bytes.push(
                (0..)
                    .zip(ranges)
                    .fold(0, |bits, (n, range)| bits | u8::from(range.is_some()) << n),
            );
            let numbers = ranges
                .iter()
                .flatten()
                .flat_map(|range| [range.max, range.last, range.mean]);
            numbers.for_each(|number| put(&mut bytes, number));
        }
        self.0 = bytes.into();
    }

    /// Drops this window and those after it.
    fn truncate(&mut self, window: i64) {
        let mut left = &*self.0;
        let mut kept = 0;
        while let Some((of, _)) = next(&mut left)
            && of < window
        {
            kept = self.0.len() - left.len();
        }
        if kept < self.0.len() {
            self.0 = self.0[..kept].into();
        }
    }

    fn iter(&self) -> impl Iterator<Item = (i64, Ranges)> {
        let mut left = &*self.0;
        std::iter::from_fn(move || next(&mut left))
    }
}

/// Takes a window off the front.
fn next(left: &mut &[u8]) -> Option<(i64, Ranges)> {
    if left.is_empty() {
        return None;
    }
    let window = take(left).cast_signed();
    let (bits, rest) = left.split_first()?;
    *left = rest;
    let mut ranges = [None; NUMBERS];
    for (n, range) in ranges.iter_mut().enumerate() {
        if bits >> n & 1 == 1 {
            let [max, last, mean] = std::array::from_fn(|_| take(left));
            *range = Some(Range { max, mean, last });
        }
    }
    Some((window, ranges))
}
