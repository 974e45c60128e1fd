//! The live numbers of the last 25 hours, by quarter of an hour.
//!
//! In: the history · Out: typed values · Thread: any (immutable).

use std::fmt;

use super::WindowLive;
use super::window_live::live;
use crate::Moment;
use crate::model::day::{QUARTER_MS, Recorded};

/// The live numbers of the last 25 hours, which is the longest day there is, by quarter of an hour; as far as the program
/// ran. Not in JSON. Cheap to clone.
///
/// ```no_run
/// # fn show(stream: &genesys_stream::Stream) {
/// let dashboard = stream.snapshot();
/// for (begin, live) in dashboard.queue("Sales").into_iter().flat_map(|sales| sales.day.quarters()) {
///     println!("{begin} {:?}", live.waiting);
/// }
/// # }
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Day(Recorded);

impl Day {
    pub(crate) fn new(recorded: Recorded) -> Self {
        Self(recorded)
    }

    /// When each quarter of an hour begins and what the numbers were in it, the oldest first; the last one goes on. Those in
    /// which nothing was observed are left out.
    pub fn quarters(&self) -> impl Iterator<Item = (Moment, WindowLive)> {
        let begin = |quarter: i64| Moment::from_epoch_ms(quarter.saturating_mul(QUARTER_MS));
        self.0
            .windows()
            .map(move |(quarter, ranges)| (begin(quarter), live(ranges)))
    }
}

impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.quarters()).finish()
    }
}
