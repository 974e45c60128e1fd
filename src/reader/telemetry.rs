//! Counters that several threads write and the snapshot reads.
//!
//! In: reader, buffer, aggregator · Out: `Counters` · Thread: any (atomics; each counter has one kind of writer).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::Moment;
use crate::model::snapshot::Counters;

/// Shared by all threads of one stream.
#[derive(Debug)]
pub(crate) struct Telemetry {
    pub(crate) frames_received: AtomicU64,
    pub(crate) control_frames: AtomicU64,
    pub(crate) decoded: AtomicU64,
    pub(crate) applied: AtomicU64,
    pub(crate) coalesced: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) malformed: AtomicU64,
    pub(crate) server_errors: AtomicU64,
    /// In events that came without timestamp or metrics; the model counts those of all others.
    pub(crate) unreadable: AtomicU64,
    /// When each metric type was last warned of because an event of it came without timestamp or metrics (`metrics`
    /// protocol); kept here, so that it survives a reconnect.
    incomplete_warned: Mutex<BTreeMap<Box<str>, Instant>>,
    last_frame_ms: AtomicI64,
}

/// At most one warning of incomplete events of a metric type in this time.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// Metric types that are warned of separately; the protocol knows six.
const WARNED_TYPES_AT_MOST: usize = 100;

/// Stands for "no frame yet".
const NEVER: i64 = i64::MIN;

impl Telemetry {
    pub(crate) fn new() -> Self {
        Self {
            frames_received: AtomicU64::new(0),
            control_frames: AtomicU64::new(0),
            decoded: AtomicU64::new(0),
            applied: AtomicU64::new(0),
            coalesced: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            malformed: AtomicU64::new(0),
            server_errors: AtomicU64::new(0),
            unreadable: AtomicU64::new(0),
            incomplete_warned: Mutex::default(),
            last_frame_ms: AtomicI64::new(NEVER),
        }
    }

    /// A frame of any kind was complete.
    pub(crate) fn on_frame(&self, at: Moment) {
        self.last_frame_ms.fetch_max(at.epoch_ms(), Ordering::Relaxed);
    }

    /// Our clock was stepped by so much until `now`: the last frame is as long ago as before.
    pub(crate) fn on_step(&self, by_ms: i64, now: Moment) {
        let shifted = |ms: i64| (ms != NEVER).then(|| ms.saturating_add(by_ms).min(now.epoch_ms()));
        // Fails only where no frame came yet.
        let _ = self
            .last_frame_ms
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, shifted);
    }

    /// Counts an event without timestamp or metrics as malformed. Returns whether to warn of it: at most once per metric type and
    /// minute.
    pub(crate) fn on_incomplete(&self, metric_type: &str, now: Instant) -> bool {
        Self::add(&self.malformed, 1);
        let mut warned = self.incomplete_warned.lock().unwrap_or_else(PoisonError::into_inner);
        let is_recent = |last: &Instant| now.saturating_duration_since(*last) < WARN_EVERY;
        let is_full = warned.len() >= WARNED_TYPES_AT_MOST && !warned.contains_key(metric_type);
        if is_full || warned.get(metric_type).is_some_and(is_recent) {
            return false;
        }
        warned.insert(metric_type.into(), now);
        true
    }

    /// When the last frame of any kind came.
    pub(crate) fn last_frame_at(&self) -> Option<Moment> {
        match self.last_frame_ms.load(Ordering::Relaxed) {
            NEVER => None,
            ms => Some(Moment::from_epoch_ms(ms)),
        }
    }

    /// The counters kept here; the others are left at 0. The identity
    /// `decoded = applied + coalesced + dropped + buffered` holds in every result.
    pub(crate) fn counters(&self) -> Counters {
        // Read in the reverse of the order in which an event is counted: one that is between two counters is then seen as
        // buffered, and the sum never exceeds `decoded`.
        let applied = self.applied.load(Ordering::Acquire);
        let coalesced = self.coalesced.load(Ordering::Acquire);
        let dropped = self.dropped.load(Ordering::Acquire);
        let decoded = self.decoded.load(Ordering::Acquire);
        Counters {
            frames_received: self.frames_received.load(Ordering::Relaxed),
            control_frames: self.control_frames.load(Ordering::Relaxed),
            events_decoded: decoded,
            events_applied: applied,
            events_coalesced: coalesced,
            events_dropped: dropped,
            events_buffered: decoded.saturating_sub(applied + coalesced + dropped),
            malformed: self.malformed.load(Ordering::Relaxed),
            server_errors: self.server_errors.load(Ordering::Relaxed),
            unreadable: self.unreadable.load(Ordering::Relaxed),
            ..Counters::default()
        }
    }

    /// Events that have left the buffer: applied, merged or dropped.
    pub(crate) fn settled(&self) -> u64 {
        let counters = [&self.applied, &self.coalesced, &self.dropped];
        counters.iter().map(|counter| counter.load(Ordering::Relaxed)).sum()
    }

    /// Adds `n` to one of the counters; ordered so that [`Telemetry::counters`] never sees an event applied before it was decoded.
    pub(crate) fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incomplete_events_are_all_counted_and_warned_of_once_a_minute_and_type() {
        let telemetry = Telemetry::new();
        let start = Instant::now();
        let warned: Vec<bool> = [("queue", 0), ("queue", 59), ("agent", 59), ("queue", 60), ("queue", 61)]
            .into_iter()
            .map(|(metric_type, secs)| telemetry.on_incomplete(metric_type, start + Duration::from_secs(secs)))
            .collect();
        assert_eq!(warned, [true, false, true, true, false]);
        for n in 0..2 * WARNED_TYPES_AT_MOST {
            telemetry.on_incomplete(&format!("type {n}"), start);
        }
        assert_eq!(telemetry.counters().malformed, 5 + 2 * WARNED_TYPES_AT_MOST as u64);
        assert!(!telemetry.on_incomplete("one more", start), "memory is bounded");
    }

    #[test]
    fn the_identity_holds_while_an_event_is_on_its_way() {
        let telemetry = Telemetry::new();
        Telemetry::add(&telemetry.decoded, 3);
        Telemetry::add(&telemetry.applied, 1);
        Telemetry::add(&telemetry.dropped, 1);
        let counters = telemetry.counters();
        assert_eq!(counters.events_buffered, 1);
        assert_eq!(telemetry.last_frame_at(), None);
        telemetry.on_frame(Moment::from_epoch_ms(7));
        telemetry.on_frame(Moment::from_epoch_ms(5));
        assert_eq!(telemetry.last_frame_at(), Some(Moment::from_epoch_ms(7)));
        telemetry.on_step(-5, Moment::from_epoch_ms(3));
        assert_eq!(telemetry.last_frame_at(), Some(Moment::from_epoch_ms(2)));
        telemetry.on_step(100, Moment::from_epoch_ms(99));
        assert_eq!(telemetry.last_frame_at(), Some(Moment::from_epoch_ms(99)));
    }
}
