//! The query that checks that metrics are available before the socket of the `metrics` protocol is opened.
//!
//! In: the payload, the time · Out: the query's JSON · Thread: any (pure).

use std::time::Duration;

use serde_json::json;

use crate::config::{MetricsPayload, TimeWindow};
use crate::{Error, ErrorKind, Moment};

/// What is asked for where the payload has no time window: `now-PT1H` to `now`.
const WITHOUT_WINDOWS: Duration = Duration::from_secs(3600);

/// The body of `POST /api/v2/analytics/conversations/details/query`: one conversation in the longest time window (the last
/// hour where the payload has none) and in the queues of the payload's filters.
///
/// # Errors
/// [`ErrorKind::Configuration`] if the bounds of a window cannot be read or are in the wrong order.
pub fn query(payload: &MetricsPayload, now: Moment) -> Result<String, Error> {
    let windows = payload
        .time_windows
        .iter()
        .map(|window| resolve(window, now))
        .collect::<Result<Vec<_>, _>>()?;
    let (start, end) = (windows.into_iter())
        .max_by_key(|(start, end)| end.millis_since(*start))
        .unwrap_or((now.minus(WITHOUT_WINDOWS), now));
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
    let wrong = |what: &str| {
        let TimeWindow { start, end } = window;
        let what = format!("the window from {start:?} to {end:?} {what}");
        Error::new(ErrorKind::Configuration, "subscribe.metrics.timeWindows", what)
    };
    match window.at(now) {
        Some((start, end)) if start < end => Ok((start, end)),
        Some(_) => Err(wrong("does not begin before it ends")),
        None => Err(wrong("has a bound that cannot be read")),
    }
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
    fn without_windows_the_last_hour() {
        assert_eq!(
            query(&payload(&[]), now()).unwrap(),
            r#"{"interval":"2026-05-04T13:05:30.000Z/2026-05-04T14:05:30.000Z","paging":{"pageNumber":1,"pageSize":1}}"#
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
    fn windows_that_are_refused() {
        for windows in [&[("now", "now")][..], &[("now", "now-PT1H")], &[("now-PT1H", "soon")]] {
            let error = query(&payload(windows), now()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.to_string().starts_with("subscribe.metrics.timeWindows: "));
        }
    }
}
