//! Whether another process takes our channels, and how long to stand back then.
//!
//! In: channels that were taken, as instants · Out: a count in a row, a pause · Thread: none of its own (pure).
//!
//! Two processes on one OAuth client share 20 channels: whoever creates the 21st ends one of the other's, who then creates
//! one again, and so on for ever. Once ours are taken again and again, we stand back: the other one streams.

use std::time::{Duration, Instant};

/// The longest pause, in units of the longest backoff: ten minutes with the default of one.
const LONGEST: u32 = 10;

/// What was taken from us so far.
#[derive(Debug, Default)]
pub(super) struct Takeovers {
    in_a_row: u32,
    last: Option<Instant>,
    /// How long we stood back last.
    stood_back: Duration,
}

impl Takeovers {
    /// A channel was taken at `now`; returns how many that makes in a row. `calm` without one, beside the time that we
    /// stood back ourselves, begins anew.
    pub(super) fn on_taken(&mut self, now: Instant, calm: Duration) -> u32 {
        let is_calm = |last: Instant| now.saturating_duration_since(last) > calm + self.stood_back;
        if self.last.is_none_or(is_calm) {
            self.in_a_row = 0;
            self.stood_back = Duration::ZERO;
        }
        self.last = Some(now);
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.in_a_row
    }

    /// The pause after so many in a row, for a plan of so many channels: it doubles each time that all of them could have
    /// been taken once more. `draw` is even in `0.0..1.0`: two that stand back do not come back at the same time.
    pub(super) fn pause(&mut self, channels: u32, longest_backoff: Duration, draw: f64) -> Duration {
        let rounds = self.in_a_row.saturating_sub(channels + 2) / channels.max(1);
        let bound = longest_backoff.saturating_mul((1 << rounds.min(10)).min(LONGEST));
        let pause = bound.mul_f64(0.5 + draw / 2.0);
        self.stood_back = self.stood_back.max(pause);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn takings_in_a_row_are_counted_until_it_is_calm() {
        let start = Instant::now();
        let mut takeovers = Takeovers::default();
        let mut at = |secs: u64| takeovers.on_taken(start + Duration::from_secs(secs), MINUTE);
        assert_eq!([at(0), at(10), at(60), at(120), at(181), at(200)], [1, 2, 3, 4, 1, 2]);
    }

    #[test]
    fn the_pause_doubles_to_its_limit_and_is_no_calm() {
        let mut now = Instant::now();
        let mut takeovers = Takeovers::default();
        for _ in 0..3 {
            takeovers.on_taken(now, MINUTE);
        }
        let mut pauses = Vec::new();
        for _ in 0..7 {
            let pause = takeovers.pause(1, MINUTE, 1.0);
            pauses.push(pause.as_secs() / 60);
            now += pause + Duration::from_secs(30);
            takeovers.on_taken(now, MINUTE);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 10, 10, 10]);
        assert_eq!(takeovers.pause(1, MINUTE, 0.0), MINUTE * 5);
        now += MINUTE * 40;
        assert_eq!(takeovers.on_taken(now, MINUTE), 1);
        assert_eq!(takeovers.pause(1, MINUTE, 1.0), MINUTE);
    }
}
