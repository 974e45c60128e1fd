//! What is allowed in the payload of the `metrics` protocol.
//!
//! In: metric types, windows, names, the whole payload · Out: what is wrong with them · Thread: any (pure).

use std::time::Duration;

use super::message::nearest;
use super::period;
use super::{MetricsPayload, TimeWindow};
use crate::Moment;

/// Metric types of the second tutorial.
pub const METRIC_TYPES: [&str; 6] = ["queue", "agent", "interaction", "skill", "wrapup", "skillGroup"];

/// Metrics of the second tutorial.
pub const METRICS: [&str; 10] = [
    "offered",
    "answered",
    "abandoned",
    "serviceLevelPercent",
    "serviceLevelDuration",
    "avgHandleTime",
    "avgWaitTime",
    "holdDuration",
    "transferCount",
    "wrapupCount",
];

/// The largest payload that the tutorial allows, in bytes.
pub const MAX_PAYLOAD_BYTES: usize = 8192;
/// Metric types in a payload, at most.
pub(crate) const MAX_METRIC_TYPES: usize = 5;
/// Metrics in a payload, at most.
pub(crate) const MAX_METRICS: usize = 20;
/// Time windows in a payload, at most.
pub(crate) const MAX_TIME_WINDOWS: usize = 3;
/// What a queue adds to the payload, in bytes: its id with quotes and comma.
const QUEUE_ID_BYTES: usize = 39;

/// One of a closed list of names.
pub(crate) fn check_name(text: &str, known: &[&'static str]) -> Result<(), String> {
    if known.contains(&text) {
        return Ok(());
    }
    let meant = nearest(text, known.iter().copied()).map_or(String::new(), |meant| format!("; did you mean {meant}?"));
    Err(format!("allowed are {}{meant}", known.join(", ")))
}

/// `PT<n>M`, `PT<n>H` or `PT<n>S`.
pub(crate) fn check_granularity(text: &str) -> Result<(), String> {
    match period::parse_simple(text) {
        Some(_) => Ok(()),
        None => Err("allowed is PT<n>M, PT<n>H or PT<n>S with n at least 1, such as PT1M".to_owned()),
    }
}

#[derive(Clone, Copy)]
enum Bound {
    /// Seconds before now.
    Ago(u64),
    At(Moment),
}

fn bound(text: &str) -> Option<Bound> {
    if text == "now" {
        return Some(Bound::Ago(0));
    }
    if let Some(period) = text.strip_prefix("now-") {
        return period::parse_compound(period).map(Bound::Ago);
    }
    Moment::parse(text).map(Bound::At)
}

impl TimeWindow {
    /// Its bounds at `now`; `None` where one cannot be read.
    pub(crate) fn at(&self, now: Moment) -> Option<(Moment, Moment)> {
        let resolved = |text| {
            bound(text).map(|bound| match bound {
                Bound::Ago(secs) => now.minus(Duration::from_secs(secs)),
                Bound::At(at) => at,
            })
        };
        Some((resolved(&self.start)?, resolved(&self.end)?))
    }
}

/// `now`, `now-PT…`, or a date and time with zone.
pub(crate) fn check_bound(text: &str) -> Result<(), String> {
    match bound(text) {
        Some(_) => Ok(()),
        None => {
            Err("allowed is now, now-PT… (such as now-PT1H), or ISO 8601 with zone (2026-05-04T00:00:00Z)".to_owned())
        }
    }
}

/// Refuses a window that does not begin before it ends, as far as that is known without a clock.
pub(crate) fn check_order(window: &TimeWindow) -> Result<(), String> {
    let forward = match (bound(&window.start), bound(&window.end)) {
        (Some(Bound::Ago(start)), Some(Bound::Ago(end))) => start > end,
        (Some(Bound::At(start)), Some(Bound::At(end))) => start < end,
        _ => true,
    };
    if forward {
        Ok(())
    } else {
        Err("this window does not begin before it ends".to_owned())
    }
}

impl MetricsPayload {
    /// Size on the wire in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        serde_json::to_string(self).map_or(usize::MAX, |text| text.len())
    }

    /// The size in bytes once the ids of `queues` are in `entityFilters.queueIds`.
    pub(crate) fn size_bytes_with(&self, queues: &[String]) -> usize {
        let filled = self.entity_filters.is_empty() && !queues.is_empty() && !queues.iter().any(|q| q == "all");
        let added = if filled {
            r#""queueIds":[]"#.len() + queues.len() * QUEUE_ID_BYTES
        } else {
            0
        };
        self.size_bytes().saturating_add(added)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        for right in [
            "now",
            "now-PT1H",
            "now-PT1H30M",
            "now-PT90S",
            "2026-05-04T00:00:00Z",
            "2026-05-04T00:00:00.000+02:00",
        ] {
            assert_eq!(check_bound(right), Ok(()), "{right}");
        }
        for wrong in [
            "",
            "Now",
            "now+PT1H",
            "now-",
            "now-1H",
            "now-PT",
            "now-PTH",
            "now-PT-1H",
            "now-PT1.5H",
            "now-PT5M1H",
            "now-P1D",
            "now-PT1",
            "now-PT99999999999999999999H",
            "2026-05-04",
            "yesterday",
        ] {
            assert!(check_bound(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn bounds_are_resolved_at_a_moment() {
        let now = Moment::parse("2026-05-04T14:05:30.000Z").unwrap();
        for (start, secs_ago) in [
            ("now", 0),
            ("now-PT1H", 3600),
            ("now-PT90M", 5400),
            ("now-PT1H30M5S", 5405),
            ("2026-05-04T14:05:00Z", 30),
        ] {
            let window = TimeWindow {
                start: start.to_owned(),
                end: "now".to_owned(),
            };
            let expected = now.minus(Duration::from_secs(secs_ago));
            assert_eq!(window.at(now), Some((expected, now)), "{start}");
        }
    }

    #[test]
    fn windows_go_forward() {
        let window = |start: &str, end: &str| TimeWindow {
            start: start.to_owned(),
            end: end.to_owned(),
        };
        assert!(check_order(&window("now-PT1H", "now")).is_ok());
        assert!(check_order(&window("now", "now-PT1H")).is_err());
        assert!(check_order(&window("now", "now")).is_err());
        assert!(check_order(&window("2026-05-04T01:00:00Z", "2026-05-04T00:00:00Z")).is_err());
        assert!(check_order(&window("2026-05-04T01:00:00Z", "now")).is_ok());
    }

    #[test]
    fn names_and_granularity() {
        assert!(check_name("offered", &METRICS).is_ok());
        assert!(
            check_name("avgWaitTme", &METRICS)
                .unwrap_err()
                .ends_with("did you mean avgWaitTime?")
        );
        assert!(check_granularity("PT15M").is_ok());
        assert!(check_granularity("15M").is_err());
    }

    #[test]
    fn the_size_counts_queues_as_ids() {
        let payload = MetricsPayload::default();
        let one = ["Sales".to_owned()];
        let mut filled = payload.clone();
        filled.entity_filters.insert(
            "queueIds".to_owned(),
            serde_json::json!(["509f5a7f-cb31-5a43-ac00-8041a8ba3690"]),
        );
        let (estimated, real) = (payload.size_bytes_with(&one), filled.size_bytes());
        assert!(estimated >= real && estimated <= real + 1, "{estimated} {real}");
        assert_eq!(payload.size_bytes_with(&["all".to_owned()]), payload.size_bytes());
        assert_eq!(filled.size_bytes_with(&one), filled.size_bytes());
    }
}
