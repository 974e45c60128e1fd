//! How many channels failures may create.
//!
//! In: creations, as instants · Out: go, or how long to wait · Thread: none of its own (pure).

use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);

/// Bounds the channels created in any hour: half of them may be created at once, the others become available one by one.
///
/// So a row of failures is answered at once, and the bound never makes a connection wait for long: with 60 an hour the
/// 31st channel in a row comes after two minutes, not after an hour.
#[derive(Clone, Debug)]
pub(super) struct Allowance {
    at_once: f64,
    one_in: Duration,
    /// What is left of `at_once` at `at`.
    left: f64,
    at: Instant,
}

impl Allowance {
    /// `per_hour` is at least 2.
    pub(super) fn new(per_hour: u32, now: Instant) -> Self {
        let at_once = per_hour.div_ceil(2).max(1);
        let at_once_f = f64::from(at_once);
        Self {
            at_once: at_once_f,
            one_in: HOUR / per_hour.saturating_sub(at_once).max(1),
            left: at_once_f,
            at: now,
        }
    }

    /// How long until one more is allowed.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        let missing = 1.0 - self.left_at(now);
        // Rounded up, so that the wait is long enough.
        if missing <= 0.0 {
            Duration::ZERO
        } else {
            self.one_in.mul_f64(missing) + Duration::from_millis(1)
        }
    }

    /// One is created.
    pub(super) fn take(&mut self, now: Instant) {
        self.left = (self.left_at(now) - 1.0).max(0.0);
        self.at = now;
    }

    fn left_at(&self, now: Instant) -> f64 {
        let back = now.saturating_duration_since(self.at).as_secs_f64() / self.one_in.as_secs_f64();
        (self.left + back).min(self.at_once)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Creates whenever it may; when each came, in seconds.
    fn greedy(per_hour: u32, secs: u32) -> Vec<u32> {
        let start = Instant::now();
        let mut allowance = Allowance::new(per_hour, start);
        let mut created = Vec::new();
        for at in 0..secs {
            let now = start + Duration::from_secs(u64::from(at));
            while allowance.wait(now).is_zero() {
                allowance.take(now);
                created.push(at);
            }
        }
        created
    }

    #[test]
    fn no_hour_has_more_than_the_bound_and_no_wait_is_long() {
        for per_hour in [2, 3, 10, 60, 1000] {
            let created = greedy(per_hour, 3 * 3600);
            let most = created
                .iter()
                .map(|from| created.iter().filter(|at| (*from..from + 3600).contains(at)).count())
                .max();
            assert!(most <= Some(per_hour as usize), "{per_hour}: {most:?}");
            let at_once = created.iter().filter(|at| **at == 0).count();
            assert_eq!(at_once, per_hour.div_ceil(2) as usize);
        }
        let created = greedy(60, 2 * 3600);
        let longest = created.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert!(longest <= Some(121), "{longest:?}");
    }

    #[test]
    fn the_wait_is_enough() {
        let start = Instant::now();
        let mut allowance = Allowance::new(60, start);
        for _ in 0..30 {
            assert_eq!(allowance.wait(start), Duration::ZERO);
            allowance.take(start);
        }
        let wait = allowance.wait(start);
        assert!(
            wait > Duration::from_secs(119) && wait < Duration::from_secs(121),
            "{wait:?}"
        );
        assert_eq!(allowance.wait(start + wait), Duration::ZERO);
    }
}
