//! What is asked of REST for a repair, and how a query is split that goes too deep.
//!
//! In: spans, queues, page numbers · Out: JSON, spans · Thread: any (pure).

use std::time::Duration;

use serde_json::{Value, json};

use crate::{Id, Moment};

/// Conversations on one page: the most that the service gives (seen 2026-08).
pub(super) const PAGE_SIZE: u64 = 100;
/// Queues in one query, as in the queries of observations.
pub(super) const QUEUES_A_QUERY: usize = 100;
/// The longest interval of a query with filters that the service states (seen 2026-08).
const LONGEST: Duration = Duration::from_secs(31 * 86_400);
pub(super) const DAY_MS: i64 = 86_400_000;

/// A stretch of time.
pub(super) type Interval = (Moment, Moment);

/// Which conversations of the interval, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// All, the oldest first: what begins meanwhile moves no page.
    All,
    /// Those that began at this moment or later: all, the newest first, up to a page of older ones.
    Began(Moment),
    /// Those that ended at this moment or later: all, the last to end first, up to a page of older ends.
    Ended(Moment),
    /// Those without an end.
    Open,
    /// Those with an open segment on one of the queues: after the end, this is after-call work.
    OpenSegment,
}

/// A query without its page number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Query<'a> {
    pub(super) span: Interval,
    pub(super) queues: &'a [Id],
    pub(super) which: Which,
}

impl<'a> Query<'a> {
    /// The body of one page; the first page is 1.
    pub(super) fn page(&self, number: u64) -> String {
        let dimension = |dimension: &str, operator: &str| json!({"type": "dimension", "dimension": dimension, "operator": operator});
        let on_queue = |queue: &Id| {
            let mut predicate = dimension("queueId", "matches");
            predicate["value"] = Value::from(queue.to_string());
            predicate
        };
        let predicates: Vec<Value> = self.queues.iter().map(on_queue).collect();
        let mut segments = vec![json!({"type": "or", "predicates": predicates})];
        if self.which == Which::OpenSegment {
            segments.push(json!({"type": "and", "predicates": [dimension("segmentEnd", "notExists")]}));
        }
        let (order, by) = match self.which {
            Which::All | Which::Open | Which::OpenSegment => ("asc", "conversationStart"),
            Which::Began(_) => ("desc", "conversationStart"),
            Which::Ended(_) => ("desc", "conversationEnd"),
        };
        let mut query = json!({
            "interval": format!("{}/{}", self.span.0, self.span.1),
            "order": order,
            "orderBy": by,
            "paging": {"pageSize": PAGE_SIZE, "pageNumber": number},
            "segmentFilters": segments,
        });
        if self.which == Which::Open {
            query["conversationFilters"] =
                json!([{"type": "and", "predicates": [dimension("conversationEnd", "notExists")]}]);
        }
        query.to_string()
    }

    /// Two queries that together ask the same: of fewer days, else of fewer queues. `None` for one queue on one day.
    ///
    /// Days, because a conversation matches by the day of its start: halves of a day would ask the same twice.
    pub(super) fn halves(&self) -> Option<(Self, Self)> {
        if let Some(halves) = self.shorter() {
            return Some(halves);
        }
        let (some, others) = self.queues.split_at(self.queues.len() / 2);
        let part = |queues: &'a [Id]| Self { queues, ..*self };
        (!some.is_empty()).then(|| (part(some), part(others)))
    }

    /// Two queries of fewer days that together ask the same. `None` for one day.
    pub(super) fn shorter(&self) -> Option<(Self, Self)> {
        let (from, to) = self.span;
        let (first, last) = (
            from.epoch_ms().div_euclid(DAY_MS),
            (to.epoch_ms() - 1).div_euclid(DAY_MS),
        );
        let midnight = Moment::from_epoch_ms((first + (last - first + 1) / 2) * DAY_MS);
        let part = |span| Self { span, ..*self };
        (first < last).then(|| (part((from, midnight)), part((midnight, to))))
    }

    /// How long its span is.
    pub(super) fn length_ms(&self) -> i64 {
        self.span.1.millis_since(self.span.0)
    }
}

/// The span to ask for: from `reach` before `from` until `now`. Conversations match by the day of their start, so those
/// that began earlier need the reach.
pub(super) fn span(from: Moment, reach: Duration, now: Moment) -> Interval {
    let end = now.max(from.plus(Duration::from_millis(1)));
    (from.minus(reach).max(end.minus(LONGEST)), end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Moment {
        Moment::from_epoch_ms(1_777_900_000_000 + secs * 1000)
    }

    #[test]
    fn bodies() {
        let queues = [Id::new("q"), Id::new("r")];
        let read = |which| -> Value {
            let query = Query {
                span: (at(0), at(60)),
                queues: &queues,
                which,
            };
            serde_json::from_str(&query.page(3)).unwrap()
        };
        let all = read(Which::All);
        assert_eq!(all["interval"], format!("{}/{}", at(0), at(60)));
        let order = |body: &Value| format!("{} {}", body["orderBy"], body["order"]).replace('"', "");
        assert_eq!(order(&all), "conversationStart asc");
        assert_eq!(all["paging"], json!({"pageSize": 100, "pageNumber": 3}));
        let matches =
            |queue: &str| json!({"type": "dimension", "dimension": "queueId", "operator": "matches", "value": queue});
        let on_queues = json!({"type": "or", "predicates": [matches("q"), matches("r")]});
        assert_eq!(all["segmentFilters"], json!([on_queues]));
        assert_eq!(all.get("conversationFilters"), None);
        let absent = |dimension: &str| {
            let predicate = json!({"type": "dimension", "dimension": dimension, "operator": "notExists"});
            json!({"type": "and", "predicates": [predicate]})
        };
        assert_eq!(order(&read(Which::Began(at(9)))), "conversationStart desc");
        let ended = read(Which::Ended(at(9)));
        assert_eq!(order(&ended), "conversationEnd desc");
        assert_eq!(
            ended.get("conversationFilters"),
            None,
            "who ended while it was asked is not to vanish"
        );
        let open = read(Which::Open);
        assert_eq!(open["conversationFilters"], json!([absent("conversationEnd")]));
        assert_eq!(open["segmentFilters"], json!([on_queues]));
        let wrapup = read(Which::OpenSegment);
        assert_eq!(wrapup["segmentFilters"], json!([on_queues, absent("segmentEnd")]));
    }

    #[test]
    fn the_span_reaches_back_and_stays_within_the_limit() {
        let day = Duration::from_secs(86_400);
        assert_eq!(span(at(40), day, at(120)), (at(40).minus(day), at(120)));
        assert_eq!(span(at(100), 31 * day, at(120)), (at(120).minus(31 * day), at(120)));
        let (from, to) = span(at(5), Duration::ZERO, at(4));
        assert!(
            from < to,
            "the service takes no empty interval, and a clock may be set back"
        );
    }

    #[test]
    fn a_query_is_split_by_days_then_by_queues_and_misses_nothing() {
        let queues: Vec<Id> = (0..5).map(|n| Id::new(&format!("q{n}"))).collect();
        let whole = Query {
            span: (at(0), at(3 * 86_400)),
            queues: &queues,
            which: Which::All,
        };
        let (mut parts, mut days, mut shares) = (vec![whole], Vec::new(), 0);
        while let Some(query) = parts.pop() {
            if let Some((one, other)) = query.halves() {
                parts.extend([other, one]);
            } else {
                assert_eq!(query.queues.len(), 1);
                shares += 1;
                if query.queues == &queues[..1] {
                    days.push(query.span);
                }
            }
        }
        assert_eq!((days.len(), shares), (4, 20), "the span touches four days");
        assert!(days.windows(2).all(|pair| pair[0].1 == pair[1].0));
        assert_eq!((days[0].0, days[3].1), whole.span);
        assert!(days.iter().all(|day| day.0 < day.1));
    }
}
