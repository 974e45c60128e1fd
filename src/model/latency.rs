//! How long after its own time an event arrived, by kind of event.
//!
//! In: milliseconds · Out: last, median, 99th percentile, greatest · Thread: any (pure).

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::EventKind;
use crate::base::inserted::Inserted as _;
use crate::model::snapshot::LatencySnapshot;

/// Two years of 365 days; anything longer counts as this.
const LONGEST_MS: u64 = 2 * 365 * 24 * 3_600_000;

/// Digits to which percentiles are exact. With the range above a kind takes 30 × 128 counts of 4 bytes: 15 KiB.
const SIGNIFICANT_DIGITS: u8 = 2;

/// A histogram for every kind of event that arrived.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    /// By the kind's place in [`EventKind::ALL`].
    kinds: [Option<Box<Latency>>; EventKind::ALL.len()],
}

#[derive(Debug)]
struct Latency {
    last_ms: u64,
    max_ms: u64,
    histogram: Histogram<u32>,
}

impl Latencies {
    /// Notes one event.
    pub(crate) fn record(&mut self, kind: EventKind, ms: u64) {
        let ms = ms.min(LONGEST_MS);
        let Some(place) = self.kinds.get_mut(kind as usize) else {
            return;
        };
        if place.is_none() {
            // The bounds are valid, so this does not fail; if it did, only the latency would be missing.
            let histogram = Histogram::new_with_bounds(1, LONGEST_MS, SIGNIFICANT_DIGITS).ok();
            *place = histogram.map(|histogram| {
                Box::new(Latency {
                    last_ms: ms,
                    max_ms: ms,
                    histogram,
                })
            });
        }
        let Some(latency) = place else { return };
        latency.last_ms = ms;
        latency.max_ms = latency.max_ms.max(ms);
        latency.histogram.saturating_record(ms);
    }

    /// By the kind's name.
    #[must_use]
    pub(crate) fn snapshot(&self) -> BTreeMap<String, LatencySnapshot> {
        let one = |latency: &Latency| LatencySnapshot {
            last_ms: latency.last_ms,
            p50_ms: latency.histogram.value_at_quantile(0.5).min(latency.max_ms),
            p99_ms: latency.histogram.value_at_quantile(0.99).min(latency.max_ms),
            max_ms: latency.max_ms,
        };
        let known = EventKind::ALL.iter().zip(&self.kinds);
        known
            .filter_map(|(kind, latency)| Some((kind.as_str().to_owned(), one(latency.as_ref()?))))
            .inserted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_place() {
        for (place, kind) in EventKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
        }
    }

    #[test]
    fn percentiles_are_within_two_digits_and_never_above_the_greatest() {
        let mut latencies = Latencies::default();
        for ms in 1..=1000 {
            latencies.record(EventKind::QueueConversation, ms);
        }
        latencies.record(EventKind::QueueConversation, 7);
        let s = latencies.snapshot()["queue_conversation"];
        assert_eq!((s.last_ms, s.max_ms), (7, 1000));
        assert!((495..=505).contains(&s.p50_ms), "{s:?}");
        assert!((980..=1000).contains(&s.p99_ms), "{s:?}");
        assert_eq!(latencies.snapshot().len(), 1);
    }

    #[test]
    fn percentiles_are_right_up_to_two_years() {
        let mut latencies = Latencies::default();
        let day_ms = 24 * 3_600_000;
        for days in 1..=730 {
            latencies.record(EventKind::Metric, days * day_ms);
        }
        let s = latencies.snapshot()["metric"];
        let within = |found: u64, days: u64| found.abs_diff(days * day_ms) <= days * day_ms / 100;
        assert!(within(s.p50_ms, 365) && within(s.p99_ms, 723), "{s:?}");
        assert_eq!(s.max_ms, 730 * day_ms);
    }

    #[test]
    fn a_kind_takes_little_memory() {
        let mut latencies = Latencies::default();
        latencies.record(EventKind::Metric, u64::MAX);
        let latency = latencies.kinds[EventKind::Metric as usize].as_ref();
        let counts = latency.expect("noted").histogram.distinct_values();
        assert_eq!(counts * size_of::<u32>(), 15 * 1024);
    }

    #[test]
    fn extremes_are_clamped_in_all_numbers_alike() {
        let mut latencies = Latencies::default();
        latencies.record(EventKind::Metric, 0);
        assert_eq!(latencies.snapshot()["metric"].p99_ms, 0);
        latencies.record(EventKind::Metric, u64::MAX);
        let s = latencies.snapshot()["metric"];
        assert_eq!((s.last_ms, s.p99_ms, s.max_ms), (LONGEST_MS, LONGEST_MS, LONGEST_MS));
    }
}
