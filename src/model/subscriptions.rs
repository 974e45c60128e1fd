//! Which queues' conversations are subscribed and since when, which the service refused, and which queues are gone.
//!
//! In: what the supervisor tells of its subscriptions · Out: why the numbers of a queue are unknown, since when they are
//! covered · Thread: any (pure).

use std::collections::{BTreeMap, BTreeSet};

use super::coverage::{Coverage, queue_of_conversations};
use super::unknown::{InGap, WhyUnknown};
use crate::base::inserted::Inserted as _;
use crate::event::change::NOT_SUBSCRIBED;
use crate::{Id, Moment};

/// What is known of the subscriptions.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    /// A stream is being set up: what was not told to be subscribed is not. Without a stream (a recording of events only)
    /// nothing is ever told, and every queue counts as covered.
    is_awaited: bool,
    /// Lines told what they subscribed.
    is_told: bool,
    /// Since when the conversations of a queue were subscribed for the first time, by the service's clock.
    since: BTreeMap<Id, Moment>,
    /// Refused topics of each line, with the reasons.
    refused: BTreeMap<usize, BTreeMap<String, String>>,
    /// The same by queue, conversation topics only.
    refused_queues: BTreeMap<Id, WhyUnknown>,
    /// Named queues that the listing does not contain any more.
    gone: BTreeSet<Id>,
}

impl Subscriptions {
    /// A stream is being set up.
    pub(crate) fn on_connecting(&mut self) {
        self.is_awaited = true;
    }

    /// It streams. Where no line told its subscriptions by now, none will.
    pub(crate) fn on_streaming(&mut self) {
        self.is_awaited = self.is_told;
    }

    /// These topics are subscribed and confirmed since `since`, unless they were before.
    pub(crate) fn covered(&mut self, topics: &[String], since: Moment) {
        self.is_told = true;
        self.is_awaited = true;
        for queue in topics.iter().filter_map(|topic| queue_of_conversations(topic)) {
            self.since.entry(queue).or_insert(since);
        }
    }

    /// The refused topics of a line; replaces what was known of that line.
    pub(crate) fn set_refused(&mut self, line: usize, topics: BTreeMap<String, String>) {
        self.refused.insert(line, topics);
        let all = self.refused.values().flatten();
        let of_queues = all.filter_map(|(topic, why)| Some((queue_of_conversations(topic)?, unknown(why))));
        self.refused_queues = of_queues.inserted();
    }

    /// The named queues that are gone; replaces those before.
    pub(crate) fn set_gone(&mut self, queues: &[Id]) {
        self.gone = queues.iter().cloned().inserted();
    }

    /// REST gave everything since `at` of the queues that are subscribed.
    pub(crate) fn covered_by_rest(&mut self, at: Moment) {
        for since in self.since.values_mut() {
            *since = at.min(*since);
        }
    }

    /// Why a queue is unknown now. `None` where its conversation topic is covered.
    pub(super) fn unknown(&self, queue: &Id, in_gap: &InGap) -> Option<WhyUnknown> {
        if self.gone.contains(queue) {
            return Some(WhyUnknown::Gone);
        }
        if let Some(refused) = self.refused_queues.get(queue) {
            return Some(refused.clone());
        }
        if self.is_awaited && !self.since.contains_key(queue) {
            return Some(WhyUnknown::NotSubscribed);
        }
        in_gap.contains(queue).then_some(WhyUnknown::Gap)
    }

    /// When the first queue was covered; `None` where nothing is known of that, `as_of` where none was yet.
    pub(crate) fn begin(&self, as_of: Moment) -> Option<Moment> {
        self.is_awaited
            .then(|| self.since.values().min().copied().unwrap_or(as_of))
    }

    /// Notes in `coverage` which of these queues were not covered at first, `begins` being when the others were.
    pub(crate) fn limit<'a>(
        &self,
        coverage: &mut Coverage,
        queues: impl Iterator<Item = &'a Id>,
        (begins, started, as_of): (Moment, Moment, Moment),
    ) {
        if !self.is_awaited {
            return;
        }
        for queue in queues {
            match self.since.get(queue) {
                Some(since) if *since <= begins => {}
                Some(since) => coverage.add(queue, (begins, *since)),
                None => coverage.add(queue, (begins.max(started), as_of)),
            }
        }
    }
}

fn unknown(why: &str) -> WhyUnknown {
    match why {
        NOT_SUBSCRIBED => WhyUnknown::NotSubscribed,
        why => WhyUnknown::Refused(why.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::gap::GapLedger;
    use crate::model::snapshot::GapTopics;
    use crate::model::testing::at;

    fn topic(queue: &str) -> String {
        format!("v2.routing.queues.{queue}.conversations")
    }

    fn shown(subscriptions: &Subscriptions, gaps: &GapLedger, queue: &str) -> Option<String> {
        let unknown = subscriptions.unknown(&Id::new(queue), &InGap::new(gaps.open_gaps()));
        unknown.map(|unknown| unknown.to_string())
    }

    #[test]
    fn a_queue_is_known_while_its_conversation_topic_is_covered() {
        let mut gaps = GapLedger::default();
        let mut all = Subscriptions::default();
        assert_eq!(shown(&all, &gaps, "a"), None, "no stream");
        all.on_connecting();
        assert_eq!(shown(&all, &gaps, "a").as_deref(), Some("not subscribed"));
        all.covered(&[topic("a"), topic("b")], at(1));
        all.on_streaming();
        assert_eq!(shown(&all, &gaps, "a"), None);
        assert_eq!(shown(&all, &gaps, "c").as_deref(), Some("not subscribed"));
        let observations = "v2.analytics.queues.a.observations";
        let why = |topics: &[(&str, &str)]| {
            let owned = topics.iter().map(|(topic, why)| ((*topic).into(), (*why).into()));
            owned.inserted()
        };
        all.set_refused(0, why(&[(&topic("b"), "a:b:view"), (observations, "a:c:view")]));
        all.set_refused(1, why(&[(&topic("d"), NOT_SUBSCRIBED)]));
        assert_eq!(shown(&all, &gaps, "a"), None, "only its statistics were refused");
        assert_eq!(shown(&all, &gaps, "b").as_deref(), Some("refused: a:b:view"));
        assert_eq!(shown(&all, &gaps, "d").as_deref(), Some("not subscribed"));
        all.set_refused(0, BTreeMap::new());
        assert_eq!(shown(&all, &gaps, "b"), None);
        let gap = gaps.open(GapTopics::Some(vec![topic("a")]), at(5), "gone").id;
        assert_eq!(shown(&all, &gaps, "a").as_deref(), Some("gap"));
        assert_eq!(shown(&all, &gaps, "b"), None);
        gaps.close(gap, at(6));
        gaps.open(GapTopics::All, at(7), "silence");
        assert_eq!(shown(&all, &gaps, "b").as_deref(), Some("gap"));
        all.set_gone(&[Id::new("b")]);
        assert_eq!(shown(&all, &gaps, "b").as_deref(), Some("gone"));
    }

    #[test]
    fn a_recording_without_subscriptions_is_covered() {
        let (gaps, mut all) = (GapLedger::default(), Subscriptions::default());
        all.on_connecting();
        all.on_streaming();
        assert_eq!(shown(&all, &gaps, "a"), None);
        assert_eq!(all.begin(at(9)), None);
    }

    #[test]
    fn coverage_begins_when_a_queue_was_subscribed_or_where_rest_filled_in() {
        let percent = |all: &Subscriptions, covered_from: Option<i64>, queue: &str| {
            let begins = covered_from.map_or_else(|| all.begin(at(100)).unwrap(), at);
            let mut coverage = Coverage::new(std::iter::empty(), at(0), begins, at(100));
            let queues = ["a", "b", "c"].map(Id::new);
            all.limit(&mut coverage, queues.iter(), (begins, at(10), at(100)));
            coverage.of(&Id::new(queue)).percent_covered(at(0), at(100))
        };
        let mut all = Subscriptions::default();
        all.on_connecting();
        assert_eq!(percent(&all, None, "a"), 0.0);
        all.covered(&[topic("a")], at(20));
        all.covered(&[topic("a"), topic("b")], at(60));
        assert_eq!([percent(&all, None, "a"), percent(&all, None, "b")], [80.0, 40.0]);
        assert_eq!(percent(&all, None, "c"), 0.0, "never subscribed");
        all.covered_by_rest(at(10));
        assert_eq!(
            [percent(&all, Some(10), "a"), percent(&all, Some(10), "b")],
            [90.0, 90.0]
        );
        assert_eq!(percent(&all, Some(10), "c"), 0.0);
        all.covered(&[topic("c")], at(70));
        assert_eq!(percent(&all, Some(10), "c"), 30.0, "subscribed after REST was asked");
    }
}
