//! The service's time, as a dashboard learns it from the signs of life of its readers.
//!
//! In: the service's time in entries, when they came · Out: how far this machine's clock is ahead · Thread: the caller's.
//!
//! An entry comes after it was made, so the clock of the service shows at least the time in it. The one that was under way
//! for the shortest time tells the most.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::Moment;
use crate::event::change::Change;
use crate::rest::ServiceClock;

/// What was learned counts at least so long, so that entries which were delayed together do not count.
const COUNTS_FOR: Duration = Duration::from_secs(120);
/// Clocks that differ by less count as equal.
const EQUAL_MS: i64 = 1000;

/// A change of a reader with each of its times as `ours` gives it.
pub(super) fn with_times(mut change: Change, ours: impl Fn(Moment) -> Moment) -> Change {
    match &mut change {
        Change::Covered { since: at, .. }
        | Change::Refused { since: at, .. }
        | Change::GapOpened { from: at, .. }
        | Change::GapClosed { to: at, .. } => *at = ours(*at),
        _ => {}
    }
    change
}

/// See the module.
pub(super) struct EngineTime {
    clock: Arc<ServiceClock>,
    origin: Instant,
    /// The service's time at `origin`, in milliseconds since 1970, and when it was learned.
    best: Option<(i64, Instant)>,
}

impl EngineTime {
    pub(super) fn new(clock: Arc<ServiceClock>) -> Self {
        Self {
            clock,
            origin: Instant::now(),
            best: None,
        }
    }

    /// An entry that was made at `at` of the service's clock came at `received`.
    pub(super) fn learn(&mut self, at: Moment, received: Instant) {
        let sample = self.sample(at, received);
        let counts = |(best, learned): &(i64, Instant)| {
            *best > sample && received.saturating_duration_since(*learned) < COUNTS_FOR
        };
        if self.best.is_none_or(|best| !counts(&best)) {
            self.best = Some((sample, received));
        }
        if let Some((best, _)) = self.best {
            let now = Instant::now();
            let service = Moment::from_epoch_ms(best + self.since_origin(now));
            self.clock.learn(service, now, now);
        }
    }

    /// As [`learn`](Self::learn), for an entry that may be old: it counts only where it tells more than what is known.
    pub(super) fn learn_more(&mut self, at: Moment, received: Instant) {
        let sample = self.sample(at, received);
        if self.best.is_some_and(|(best, _)| sample > best) {
            self.learn(at, received);
        }
    }

    fn sample(&self, at: Moment, received: Instant) -> i64 {
        at.epoch_ms().saturating_sub(self.since_origin(received))
    }

    /// How far this machine's clock is ahead of the service's, in milliseconds; 0 under a second and where it is not known.
    pub(super) fn ahead_ms(&self) -> i64 {
        let ahead = |(best, _): (i64, Instant)| Moment::now().epoch_ms() - best - self.since_origin(Instant::now());
        self.best
            .map(ahead)
            .filter(|ahead| ahead.abs() >= EQUAL_MS)
            .unwrap_or(0)
    }

    /// This machine's time when the service's clock shows `at`.
    pub(super) fn ours(&self, at: Moment) -> Moment {
        self.clock.ours(at)
    }

    fn since_origin(&self, at: Instant) -> i64 {
        let since = at.saturating_duration_since(self.origin);
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_that_came_fastest_tells_the_time() {
        let mut time = EngineTime::new(Arc::new(ServiceClock::new()));
        assert_eq!(time.ahead_ms(), 0);
        let now = Instant::now();
        let hour = Moment::now().plus_ms(-3_600_000);
        time.learn(hour, now);
        // The same clock, delayed by a minute.
        time.learn(hour.plus_ms(-60_000), now);
        assert!((time.ahead_ms() - 3_600_000).abs() < 1000, "{}", time.ahead_ms());
        let ours = time.ours(hour);
        assert!(ours.millis_since(Moment::now()).abs() < 3000, "{ours}");
        time.learn_more(Moment::now(), Instant::now());
        assert_eq!(time.ahead_ms(), 0);
        // An old one tells nothing, however long ago something was learned.
        time.learn_more(hour, now + Duration::from_secs(500));
        assert_eq!(time.ahead_ms(), 0);
    }
}
