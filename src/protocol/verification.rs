//! The query that checks that metrics are available before the socket of the `metrics` protocol is opened.
//!
//! In: the payload, the time · Out: the query's JSON · Thread: any (pure).

use std::time::Duration;

use serde_json::json;

use crate::config::{MetricsPayload, TimeWindow};
use crate::{Error, ErrorKind, Moment};

/// The body of `POST /api/v2/analytics/conversations/details/query`: one conversation in the longest time window and in
/// the queues of the payload's filters.
///
/// # Errors
/// [`ErrorKind::Configuration`] if there is no window, or the bounds of one cannot be read or are in the wrong order.
pub fn query(payload: &MetricsPayload, now: Moment) -> Result<String, Error> {
    let windows = payload
        .time_windows
        .iter()
        .map(|window| resolve(window, now))
        .collect::<Result<Vec<_>, _>>()?;
    let Some((start, end)) = windows.into_iter().max_by_key(|(start, end)| end.millis_since(*start)) else {
        return Err(Error::new(
            ErrorKind::Configuration,
            "subscribe.metrics.timeWindows",
            "is empty, one to three are needed",
        ));
    };
    let mut query = json!({
        "interval": format!("{start}/{end}"),
        "paging": {"pageSize": 1, "pageNumber": 1},
    });
    let queues: Vec<&str> = match payload.entity_filters.get("queueIds") {
        Some(serde_json::Value::Array(ids)) => ids.iter().filter_map(|id| id.as_str()).collect(),
        Some(serde_json::Value::String(id)) => vec![id],
        _ => Vec::new(),
    };
    if !queues.is_empty() {
        let predicates: Vec<_> = queues
            .into_iter()
            .map(|id| json!({"type": "dimension", "dimension": "queueId", "operator": "matches", "value": id}))
            .collect();
        query["segmentFilters"] = json!([{"type": "or", "predicates": predicates}]);
    }
    Ok(query.to_string())
}

fn resolve(window: &TimeWindow, now: Moment) -> Result<(Moment, Moment), Error> {
    let wrong = |what: String| Error::new(ErrorKind::Configuration, "subscribe.metrics.timeWindows", what);
    let bound = |text: &str| {
        resolve_bound(text, now)
            .ok_or_else(|| wrong(format!("{text:?} is not a time; allowed are now, now-PT<n>H, now-PT<n>M, now-PT<n>S and ISO 8601 with Z or an offset")))
    };
    let (start, end) = (bound(&window.start)?, bound(&window.end)?);
    if start >= end {
        return Err(wrong(format!("{:?} is not before {:?}", window.start, window.end)));
    }
    Ok((start, end))
}

/// Reads one bound of a time window: `now`, `now-PT…` (hours, minutes, seconds) or ISO 8601 (a date without a time means
/// midnight UTC).
#[must_use]
pub fn resolve_bound(text: &str, now: Moment) -> Option<Moment> {
    if text == "now" {
        return Some(now);
    }
    if let Some(back) = text.strip_prefix("now-") {
        return parse_period(back).map(|back| now.minus(back));
    }
    Moment::parse(text).or_else(|| Moment::parse(&format!("{text}T00:00:00Z")))
}

/// Reads `PT1H`, `PT90M`, `PT1H30M`: whole numbers, each unit at most once, in the order hours, minutes, seconds.
fn parse_period(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix("PT")?;
    let mut secs = 0_u64;
    let mut found = false;
    for (unit, length_secs) in [('H', 3600_u64), ('M', 60), ('S', 1)] {
        let Some((number, after)) = rest.split_once(unit) else {
            continue;
        };
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        secs = secs.checked_add(number.parse::<u64>().ok()?.checked_mul(length_secs)?)?;
        rest = after;
        found = true;
    }
    (found && rest.is_empty()).then(|| Duration::from_secs(secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Moment {
        Moment::parse("2026-05-04T14:05:30.000Z").unwrap()
    }

    fn payload(windows: &[(&str, &str)]) -> MetricsPayload {
        MetricsPayload {
            time_windows: windows
                .iter()
                .map(|(start, end)| TimeWindow {
                    start: (*start).to_owned(),
                    end: (*end).to_owned(),
                })
                .collect(),
            ..MetricsPayload::default()
        }
    }

    #[test]
    fn the_longest_window_without_filters() {
        assert_eq!(
            query(
                &payload(&[
                    ("now-PT5M", "now"),
                    ("2026-05-04T10:00:00+02:00", "2026-05-04T10:00:00Z"),
                    ("now-PT1H", "now")
                ]),
                now()
            )
            .unwrap(),
            r#"{"interval":"2026-05-04T08:00:00.000Z/2026-05-04T10:00:00.000Z","paging":{"pageNumber":1,"pageSize":1}}"#
        );
    }

    #[test]
    fn queues_become_segment_filters() {
        let mut payload = payload(&[("now-PT1H", "now")]);
        payload.entity_filters.insert("queueIds".to_owned(), json!(["a", "b"]));
        payload.entity_filters.insert("userIds".to_owned(), json!(["u"]));
        let query: serde_json::Value = serde_json::from_str(&query(&payload, now()).unwrap()).unwrap();
        assert_eq!(
            query,
            json!({
                "interval": "2026-05-04T13:05:30.000Z/2026-05-04T14:05:30.000Z",
                "paging": {"pageSize": 1, "pageNumber": 1},
                "segmentFilters": [{"type": "or", "predicates": [
                    {"type": "dimension", "dimension": "queueId", "operator": "matches", "value": "a"},
                    {"type": "dimension", "dimension": "queueId", "operator": "matches", "value": "b"},
                ]}],
            })
        );
    }

    #[test]
    fn bounds_in_every_spelling() {
        let back = |text: &str| resolve_bound(text, now()).map(|at| now().millis_since(at) / 1000);
        assert_eq!(back("now"), Some(0));
        assert_eq!(back("now-PT1H"), Some(3600));
        assert_eq!(back("now-PT90M"), Some(5400));
        assert_eq!(back("now-PT1H30M5S"), Some(5405));
        assert_eq!(back("2026-05-04T14:05:00Z"), Some(30));
        assert_eq!(back("2026-05-04"), Some(14 * 3600 + 5 * 60 + 30));
        for text in [
            "",
            "Now",
            "now-",
            "now-PT",
            "now-PTH",
            "now-PT-1H",
            "now-PT1.5H",
            "now-PT5M1H",
            "now-P1D",
            "now-PT1",
            "now+PT1H",
            "yesterday",
            "now-PT99999999999999999999H",
            "now-PT9999999999999999999H",
        ] {
            assert_eq!(back(text), None, "{text}");
        }
    }

    #[test]
    fn windows_that_are_refused() {
        for windows in [
            &[][..],
            &[("now", "now")],
            &[("now", "now-PT1H")],
            &[("now-PT1H", "soon")],
        ] {
            let error = query(&payload(windows), now()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.to_string().starts_with("subscribe.metrics.timeWindows: "));
        }
    }
}
