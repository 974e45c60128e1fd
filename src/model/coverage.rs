//! How much of an interval was covered.
//!
//! In: gaps, the start of coverage · Out: percent · Thread: any (pure).
//!
//! A queue is covered while its conversation topic is: `v2.routing.queues.<id>.conversations`, the same of one medium, or
//! a combined form (`v2.routing.queues.<id>?conversations&…`).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::gap::ServiceGap;
use super::snapshot::GapTopics;
use crate::{Id, Moment};

/// Intervals without coverage, merged and in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Uncovered(Vec<(Moment, Moment)>);

impl Uncovered {
    /// Merges intervals that overlap or touch.
    pub(crate) fn new(mut intervals: Vec<(Moment, Moment)>) -> Self {
        intervals.retain(|(from, to)| from < to);
        intervals.sort_unstable();
        let mut merged: Vec<(Moment, Moment)> = Vec::with_capacity(intervals.len());
        for (from, to) in intervals {
            match merged.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        Self(merged)
    }

    /// The covered share of `from..to` in percent; 100 of an empty interval.
    pub(crate) fn percent_covered(&self, from: Moment, to: Moment) -> f64 {
        let whole = to.millis_since(from);
        if whole <= 0 || self.0.is_empty() {
            return 100.0;
        }
        let first = self.0.partition_point(|interval| interval.1 <= from);
        let missing: i64 = self.0[first..]
            .iter()
            .take_while(|interval| interval.0 < to)
            .map(|interval| interval.1.min(to).millis_since(interval.0.max(from)))
            .sum();
        100.0 * (whole - missing) as f64 / whole as f64
    }
}

/// The unrepaired gaps since a moment, by the queues that they concern.
#[derive(Debug)]
pub(crate) struct Coverage {
    of_all: Vec<(Moment, Moment)>,
    common: Arc<Uncovered>,
    of_queues: BTreeMap<Id, Vec<(Moment, Moment)>>,
}

impl Coverage {
    /// Nothing before `begins` was covered. Gaps that are open last until `as_of`.
    pub(crate) fn new<'a>(
        gaps: impl Iterator<Item = ServiceGap<'a>>,
        since: Moment,
        begins: Moment,
        as_of: Moment,
    ) -> Self {
        let mut of_all = vec![(since, begins)];
        let mut of_queues: BTreeMap<Id, Vec<(Moment, Moment)>> = BTreeMap::new();
        for ServiceGap { gap, from, to } in gaps.filter(|interval| !interval.gap.repaired) {
            let interval = (from.max(since), to.unwrap_or(as_of).min(as_of));
            if interval.0 >= interval.1 {
                continue;
            }
            match &gap.topics {
                GapTopics::All => of_all.push(interval),
                GapTopics::Some(topics) => {
                    for queue in topics.iter().filter_map(|topic| queue_of_conversations(topic)) {
                        of_queues.entry(queue).or_default().push(interval);
                    }
                }
            }
        }
        Self {
            common: Arc::new(Uncovered::new(of_all.clone())),
            of_all,
            of_queues,
        }
    }

    /// This interval of a queue was not covered either.
    pub(crate) fn add(&mut self, queue: &Id, interval: (Moment, Moment)) {
        if interval.0 < interval.1 {
            self.of_queues.entry(queue.clone()).or_default().push(interval);
        }
    }

    /// What was not covered of a queue.
    pub(crate) fn of(&self, queue: &Id) -> Arc<Uncovered> {
        match self.of_queues.get(queue) {
            Some(own) => Arc::new(Uncovered::new(own.iter().chain(&self.of_all).copied().collect())),
            None => Arc::clone(&self.common),
        }
    }

    /// Whether no queue has gaps of its own.
    pub(crate) fn is_same_for_all(&self) -> bool {
        self.of_queues.is_empty()
    }

    /// What was not covered of any queue without gaps of its own.
    pub(crate) fn common(&self) -> &Arc<Uncovered> {
        &self.common
    }
}

/// The queue whose conversations a topic carries.
pub(super) fn queue_of_conversations(topic: &str) -> Option<Id> {
    let rest = topic.strip_prefix("v2.routing.queues.")?;
    let (id, carries) = match rest.split_once('?') {
        Some((id, parts)) => (id, parts.split('&').any(is_conversations)),
        None => {
            let (id, what) = rest.split_once('.')?;
            (id, is_conversations(what))
        }
    };
    carries.then(|| Id::new(id))
}

/// `conversations`, or those of one medium.
fn is_conversations(part: &str) -> bool {
    part.strip_prefix("conversations")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::snapshot::Gap;
    use crate::model::testing::at;

    fn gap(topics: GapTopics, from: i64, to: Option<i64>) -> Gap {
        Gap {
            id: 1,
            topics,
            from: at(from),
            to: to.map(at),
            cause: String::new(),
            repaired: false,
        }
    }

    fn intervals(gaps: &[Gap]) -> impl Iterator<Item = ServiceGap<'_>> {
        gaps.iter().map(|gap| ServiceGap {
            gap,
            from: gap.from,
            to: gap.to,
        })
    }

    fn some(topic: &str) -> GapTopics {
        GapTopics::Some(vec!["v2.users.u.presence".into(), topic.into()])
    }

    #[test]
    fn overlapping_gaps_count_once_and_repaired_ones_not_at_all() {
        let repaired = Gap {
            repaired: true,
            ..gap(GapTopics::All, 50, Some(60))
        };
        let gaps = [
            gap(GapTopics::All, 10, Some(20)),
            gap(GapTopics::All, 15, Some(25)),
            gap(GapTopics::All, 12, Some(14)),
            gap(GapTopics::All, 90, None),
            repaired,
        ];
        let coverage = Coverage::new(intervals(&gaps), at(-100), at(0), at(100));
        let of_any = coverage.of(&Id::new("Q"));
        let percent = |from, to| of_any.percent_covered(at(from), at(to));
        assert_eq!(percent(0, 100), 75.0);
        assert_eq!(percent(0, 10), 100.0);
        assert_eq!(percent(25, 90), 100.0);
        assert_eq!(percent(10, 20), 0.0);
        assert_eq!(percent(20, 30), 50.0);
        assert_eq!(percent(95, 100), 0.0, "still open");
        assert_eq!(percent(-10, 10), 50.0, "before the start");
        assert_eq!(percent(-10, 0), 0.0);
        assert_eq!(percent(40, 40), 100.0);
        assert!(coverage.is_same_for_all());
    }

    #[test]
    fn a_queue_has_the_gaps_of_its_conversation_topic_in_any_form() {
        for (topic, concerns) in [
            ("v2.routing.queues.Q.conversations", true),
            ("v2.routing.queues.Q.conversations.calls", true),
            ("v2.routing.queues.Q?conversations&users", true),
            ("v2.routing.queues.Q?users&conversations.calls", true),
            ("v2.routing.queues.Q.users", false),
            ("v2.routing.queues.Q?users", false),
            ("v2.routing.queues.R.conversations", false),
            ("v2.analytics.queues.Q.observations", false),
            ("v2.routing.queues.Q.conversationsummary", false),
        ] {
            let gaps = [gap(some(topic), 0, Some(50)), gap(GapTopics::All, 40, Some(60))];
            let coverage = Coverage::new(intervals(&gaps), at(0), at(0), at(100));
            let covered = coverage.of(&Id::new("Q")).percent_covered(at(0), at(100));
            assert_eq!(covered, if concerns { 40.0 } else { 80.0 }, "{topic}");
            assert_eq!(coverage.common().percent_covered(at(0), at(100)), 80.0);
        }
    }
}
