//! How long to wait before the next attempt.
//!
//! In: failures, stable streaming, the pause that the service asks for · Out: a pause · Thread: none of its own (pure).

use std::time::{Duration, Instant};

use crate::config::ReconnectConfig;

/// Exponential backoff with full jitter: each pause is drawn evenly between zero and a bound that doubles from `initial`
/// to `max`.
///
/// The bound returns to `initial` only after `stable_after` of streaming, so that a connection which dies right after
/// its start does not become a tight loop.
#[derive(Debug)]
pub(crate) struct Backoff {
    limits: ReconnectConfig,
    failures: u32,
    streaming_since: Option<Instant>,
}

impl Backoff {
    pub(crate) fn new(limits: ReconnectConfig) -> Self {
        Self {
            limits,
            failures: 0,
            streaming_since: None,
        }
    }

    /// Records that the stream is subscribed and alive since `now`.
    pub(crate) fn on_streaming(&mut self, now: Instant) {
        self.streaming_since = Some(now);
    }

    /// Records a failure at `now`; returns the number of failures in a row.
    pub(crate) fn on_failure(&mut self, now: Instant) -> u32 {
        if let Some(since) = self.streaming_since.take()
            && now.duration_since(since) >= self.limits.stable_after
        {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        self.failures
    }

    /// Whether `max_attempts` failures in a row have happened; never where it is 0.
    pub(crate) fn exhausted(&self) -> bool {
        self.limits.max_attempts != 0 && self.failures >= self.limits.max_attempts
    }

    /// The number of failures in a row.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// The pause before the next attempt, at least `asked`; `draw` is drawn evenly from `0.0..1.0`.
    pub(crate) fn pause(&self, draw: f64, asked: Option<Duration>) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(30);
        let bound = self.limits.initial.saturating_mul(1 << doublings).min(self.limits.max);
        // A pause that the service asks for is kept in full; the jitter on top keeps its clients from returning at once.
        match asked {
            Some(asked) => asked + self.limits.initial.mul_f64(draw),
            None => bound.mul_f64(draw),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> ReconnectConfig {
        ReconnectConfig {
            initial: Duration::from_secs(1),
            max: Duration::from_secs(60),
            max_attempts: 3,
            stable_after: Duration::from_secs(30),
            max_channels_per_hour: 60,
        }
    }

    #[test]
    fn the_bound_doubles_to_its_limit() {
        let mut backoff = Backoff::new(limits());
        let now = Instant::now();
        let bounds: Vec<u64> = (0..10)
            .map(|_| {
                backoff.on_failure(now);
                backoff.pause(1.0, None).as_secs()
            })
            .collect();
        assert_eq!(bounds, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
        assert_eq!(backoff.pause(0.0, None), Duration::ZERO);
        assert_eq!(backoff.pause(0.5, None), Duration::from_secs(30));
    }

    #[test]
    fn only_stable_streaming_resets_it() {
        let mut backoff = Backoff::new(limits());
        let now = Instant::now();
        backoff.on_failure(now);
        backoff.on_streaming(now);
        assert_eq!(backoff.on_failure(now + Duration::from_secs(29)), 2);
        assert!(!backoff.exhausted());
        backoff.on_streaming(now + Duration::from_secs(40));
        assert_eq!(backoff.on_failure(now + Duration::from_secs(70)), 1);
        backoff.on_failure(now + Duration::from_secs(71));
        assert_eq!(backoff.on_failure(now + Duration::from_secs(72)), 3);
        assert!(backoff.exhausted());
    }

    #[test]
    fn the_pause_is_at_least_what_the_service_asks_for() {
        let mut backoff = Backoff::new(limits());
        backoff.on_failure(Instant::now());
        assert_eq!(
            backoff.pause(0.0, Some(Duration::from_secs(42))),
            Duration::from_secs(42)
        );
        assert!(backoff.pause(1.0, Some(Duration::from_secs(42))) <= Duration::from_secs(43));
        assert!(backoff.pause(0.3, Some(Duration::ZERO)) > Duration::ZERO);
    }
}
