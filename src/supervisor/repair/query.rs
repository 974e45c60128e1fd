//! What is asked of REST for a repair, and when a query is at its end.
//!
//! In: intervals, queues, page numbers · Out: JSON, intervals · Thread: any (pure).

use std::time::Duration;

use serde_json::{Value, json};

use crate::{Id, Moment};

/// Conversations on one page: the most that the service gives (seen 2026-08).
pub(super) const PAGE_SIZE: u64 = 100;
/// Queues in one query, as in the queries of observations.
pub(super) const QUEUES_A_QUERY: usize = 100;
/// The longest interval of a query with filters that the service states (seen 2026-08).
const LONGEST: Duration = Duration::from_secs(31 * 86_400);

/// A stretch of time, both ends included.
pub(super) type Interval = (Moment, Moment);

/// Which conversations of the interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// All, the oldest first: what begins meanwhile moves no page.
    All,
    /// All, the newest first: what begins meanwhile moves pages back, so some come twice. For those who stop early.
    Newest,
    /// Those without an end.
    Open,
    /// Those with an open segment on one of the queues: after the end, this is after-call work.
    OpenSegment,
}

/// The body of one page of a query; the first page is 1.
pub(super) fn details(interval: Interval, queues: &[Id], which: Which, page: u64) -> String {
    let dimension =
        |dimension: &str, operator: &str| json!({"type": "dimension", "dimension": dimension, "operator": operator});
    let on_queue = |queue: &Id| {
        let mut predicate = dimension("queueId", "matches");
        predicate["value"] = Value::from(queue.to_string());
        predicate
    };
    let predicates: Vec<Value> = queues.iter().map(on_queue).collect();
    let mut segments = vec![json!({"type": "or", "predicates": predicates})];
    if which == Which::OpenSegment {
        segments.push(json!({"type": "and", "predicates": [dimension("segmentEnd", "notExists")]}));
    }
    let mut query = json!({
        "interval": format!("{}/{}", interval.0, interval.1),
        "order": if which == Which::Newest { "desc" } else { "asc" },
        "orderBy": "conversationStart",
        "paging": {"pageSize": PAGE_SIZE, "pageNumber": page},
        "segmentFilters": segments,
    });
    if which == Which::Open {
        query["conversationFilters"] =
            json!([{"type": "and", "predicates": [dimension("conversationEnd", "notExists")]}]);
    }
    query.to_string()
}

/// The interval to ask for: from `reach` before the first until `now`. Conversations match by the day of their start,
/// so those that began earlier need the reach.
pub(super) fn span(intervals: &[Interval], reach: Duration, now: Moment) -> Interval {
    let first = intervals.iter().map(|interval| interval.0).min().unwrap_or(now);
    let last = intervals.iter().map(|interval| interval.1).max().unwrap_or(now);
    let end = now.max(last).max(first.plus(Duration::from_millis(1)));
    (first.minus(reach).max(end.minus(LONGEST)), end)
}

/// Joins intervals that overlap or touch, in order.
pub(super) fn merged(mut intervals: Vec<Interval>) -> Vec<Interval> {
    intervals.sort_unstable();
    let mut merged: Vec<Interval> = Vec::with_capacity(intervals.len());
    for (from, to) in intervals {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    merged
}

/// Whether nothing can follow a page of `shown` conversations. Totals are approximate and pages may be short, so a page
/// is the last only if it is empty, or short where the total is reached.
pub(super) fn is_last(page: u64, shown: usize, total: Option<u64>) -> bool {
    let is_short = (shown as u64) < PAGE_SIZE;
    shown == 0 || is_short && total.is_none_or(|total| page.saturating_mul(PAGE_SIZE) >= total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Moment {
        Moment::from_epoch_ms(1_777_900_000_000 + secs * 1000)
    }

    #[test]
    fn bodies() {
        let queues = [Id::new("Q"), Id::new("R")];
        let read = |which| -> Value { serde_json::from_str(&details((at(0), at(60)), &queues, which, 3)).unwrap() };
        let all = read(Which::All);
        assert_eq!(all["interval"], format!("{}/{}", at(0), at(60)));
        assert_eq!(
            (&all["order"], &all["orderBy"]),
            (&json!("asc"), &json!("conversationStart"))
        );
        assert_eq!(all["paging"], json!({"pageSize": 100, "pageNumber": 3}));
        let matches =
            |queue: &str| json!({"type": "dimension", "dimension": "queueId", "operator": "matches", "value": queue});
        let on_queues = json!({"type": "or", "predicates": [matches("Q"), matches("R")]});
        assert_eq!(all["segmentFilters"], json!([on_queues]));
        assert_eq!(all.get("conversationFilters"), None);
        let absent = |dimension: &str| {
            let predicate = json!({"type": "dimension", "dimension": dimension, "operator": "notExists"});
            json!({"type": "and", "predicates": [predicate]})
        };
        assert_eq!(read(Which::Newest)["order"], "desc");
        let open = read(Which::Open);
        assert_eq!(open["conversationFilters"], json!([absent("conversationEnd")]));
        assert_eq!(open["segmentFilters"], json!([on_queues]));
        let wrapup = read(Which::OpenSegment);
        assert_eq!(wrapup["segmentFilters"], json!([on_queues, absent("segmentEnd")]));
    }

    #[test]
    fn the_span_reaches_back_and_stays_within_the_limit() {
        let day = Duration::from_secs(86_400);
        let gaps = [(at(100), at(110)), (at(40), at(50))];
        assert_eq!(span(&gaps, day, at(120)), (at(40).minus(day), at(120)));
        assert_eq!(span(&gaps, day, at(105)).1, at(110), "a clock that was set back");
        assert_eq!(span(&gaps, 31 * day, at(120)), (at(120).minus(31 * day), at(120)));
        let (from, to) = span(&[(at(5), at(5))], Duration::ZERO, at(5));
        assert!(from < to, "the service takes no empty interval");
    }

    #[test]
    fn intervals_are_joined() {
        let scattered = vec![(at(10), at(20)), (at(0), at(5)), (at(20), at(30)), (at(12), at(14))];
        assert_eq!(merged(scattered), [(at(0), at(5)), (at(10), at(30))]);
        assert_eq!(merged(Vec::new()), []);
    }

    #[test]
    fn the_last_page() {
        assert!(is_last(1, 0, Some(1000)));
        assert!(!is_last(1, 100, Some(100)), "more may have come");
        assert!(!is_last(1, 60, Some(150)), "a short page on the way");
        assert!(is_last(2, 50, Some(150)));
        assert!(is_last(1, 99, None));
    }
}
