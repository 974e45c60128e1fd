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
const DAY_MS: i64 = 86_400_000;

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
        let (from, to) = self.span;
        let (first, last) = self.days();
        if first < last {
            let midnight = Moment::from_epoch_ms((first + (last - first + 1) / 2) * DAY_MS);
            let part = |span| Self { span, ..*self };
            return Some((part((from, midnight)), part((midnight, to))));
        }
        let (some, others) = self.queues.split_at(self.queues.len() / 2);
        let part = |queues: &'a [Id]| Self { queues, ..*self };
        (!some.is_empty()).then(|| (part(some), part(others)))
    }

    /// Queries of at most so many days each, that together ask the same; the earliest first.
    pub(super) fn in_parts_of(&self, days: i64) -> Vec<Self> {
        let (from, to) = self.span;
        let (first, last) = self.days();
        let begins = (first..=last).step_by(usize::try_from(days).unwrap_or(1).max(1));
        begins
            .map(|day| {
                let begin = Moment::from_epoch_ms(day * DAY_MS).max(from);
                let end = Moment::from_epoch_ms((day + days) * DAY_MS).min(to);
                Self {
                    span: (begin, end),
                    ..*self
                }
            })
            .collect()
    }

    /// How many days its span touches.
    pub(super) fn length_days(&self) -> i64 {
        let (first, last) = self.days();
        last - first + 1
    }

    /// The first and the last day that its span touches.
    fn days(&self) -> (i64, i64) {
        let day = |ms: i64| ms.div_euclid(DAY_MS);
        (day(self.span.0.epoch_ms()), day(self.span.1.epoch_ms() - 1))
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

    #[test]
    fn an_interval_is_asked_for_in_parts_that_miss_nothing() {
        let whole = Query {
            span: (at(0), at(31 * 86_400)),
            queues: &[],
            which: Which::All,
        };
        assert_eq!(whole.length_days(), 32, "it begins in the middle of a day");
        for days in [1, 7, 31, 40] {
            let parts = whole.in_parts_of(days);
            assert!(parts.iter().all(|part| part.length_days() <= days));
            assert_eq!((parts[0].span.0, parts[parts.len() - 1].span.1), whole.span);
            assert!(parts.windows(2).all(|pair| pair[0].span.1 == pair[1].span.0));
        }
        assert_eq!(whole.in_parts_of(40), [whole]);
    }
}
