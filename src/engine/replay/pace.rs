//! The time of a replay: when a line is due, and how far the replay is.
//!
//! In: the recording's times, a speed · Out: waits, progress · Thread: `gs-replay`.

use std::time::{Duration, Instant};

use crate::Moment;
use crate::net::{Cancel, Waited};

/// The least time between two reports of progress.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// How far a replay is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    pub(crate) percent: u64,
    /// The recording's time.
    pub(crate) at: Moment,
}

/// Told about progress; with none when it is over.
pub(crate) type Tell = Box<dyn FnMut(Option<Progress>) + Send>;

/// How to play.
pub(crate) struct Pace {
    /// Times the recorded time; 0 = as fast as it goes.
    pub(crate) speed: f64,
    /// Recorded time between two snapshots that are shown.
    pub(crate) interval: Duration,
    pub(crate) tell: Option<Tell>,
}

/// A pace under way.
pub(super) struct Pacer {
    pace: Pace,
    /// When the run began, here and in the recording.
    began: (Instant, Moment),
    shown_at: Option<Moment>,
    told_at: Option<Instant>,
}

impl Pacer {
    pub(super) fn new(pace: Pace, start: Moment) -> Self {
        Self {
            pace,
            began: (Instant::now(), start),
            shown_at: None,
            told_at: None,
        }
    }

    /// Another run begins.
    pub(super) fn begin(&mut self, start: Moment) {
        self.began = (Instant::now(), start);
    }

    /// Waits until a line of this time is due.
    pub(super) fn wait_for(&self, at: Moment, cancel: &Cancel) -> Waited {
        if cancel.is_cancelled() {
            return Waited::Cancelled;
        }
        if self.pace.speed <= 0.0 {
            return Waited::TimedOut;
        }
        let (began, first) = self.began;
        let recorded = u64::try_from(at.millis_since(first)).unwrap_or(0);
        let due = Duration::try_from_secs_f64(recorded as f64 / 1000.0 / self.pace.speed).unwrap_or(Duration::MAX);
        let wait = due.saturating_sub(began.elapsed());
        match wait.is_zero() {
            true => Waited::TimedOut,
            false => cancel.wait(wait),
        }
    }

    /// Whether a snapshot is to be shown at this time; then the next is due an interval later.
    pub(super) fn shows_snapshot(&mut self, at: Moment) -> bool {
        let interval = i64::try_from(self.pace.interval.as_millis()).unwrap_or(i64::MAX);
        let is_due = self.shown_at.is_none_or(|shown| at.millis_since(shown) >= interval);
        if is_due {
            self.shown_at = Some(at);
        }
        is_due
    }

    /// Reports progress now and then.
    pub(super) fn tell(&mut self, percent: u64, at: Moment) {
        let Some(tell) = &mut self.pace.tell else { return };
        let now = Instant::now();
        if self
            .told_at
            .is_none_or(|told| now.duration_since(told) >= PROGRESS_EVERY)
        {
            self.told_at = Some(now);
            tell(Some(Progress { percent, at }));
        }
    }

    /// The replay is over.
    pub(super) fn end(&mut self) {
        if let Some(tell) = &mut self.pace.tell {
            tell(None);
        }
    }
}
