//! Queue statistics as Genesys computed them, merged from partial messages.
//!
//! In: rows from stream and REST · Out: the newest row of each metric · Thread: any (pure).
//!
//! A row is identified by queue, media group, metric and qualifier. Aggregates of an interval (`n…`, `t…`,
//! `oServiceLevel`, `oServiceTarget`) are dropped when a newer interval of their group begins; observations of the
//! present (other `o…`) stay until they are replaced. Within an interval the later arrival wins, because rows have no time
//! of their own. A row without an interval (REST) is of the present and counts as of the group's newest interval.
//!
//! An aggregate that arrived while its interval ran, or within 60 s after, is shown until 60 s after the end of the
//! interval. One that arrived later is shown until a newer interval replaces it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::event::facts::{MediaKind, ObservationFacts, ObservationRow};
use crate::model::snapshot::ObservationSnapshot;
use crate::{Id, Moment};

/// Queues with statistics at most: all topics of all channels of one client.
const QUEUES_AT_MOST: usize = 20_000;

/// Rows of one queue at most; a real one has some hundreds.
const ROWS_AT_MOST: usize = 5_000;

/// An interval that begins later than this after its receipt is no interval.
const BEGINS_WITHIN: Duration = Duration::from_secs(86_400);

/// How long an aggregate is shown after the end of its interval: the last message about it may take that long.
const GRACE: Duration = Duration::from_secs(60);

/// The key of rows without a medium, and of a row without a qualifier beside rows with one.
const ALL: &str = "all";

/// Start and end; ordered by start first.
type Interval = (Moment, Moment);

/// The newest statistics of every queue.
#[derive(Debug, Default)]
pub(crate) struct Observations {
    queues: BTreeMap<Id, BTreeMap<Option<MediaKind>, Group>>,
}

/// The rows of one queue and medium.
#[derive(Debug, Default)]
struct Group {
    newest: Option<Interval>,
    rows: BTreeMap<(Box<str>, Option<Box<str>>), Row>,
}

#[derive(Debug)]
struct Row {
    interval: Option<Interval>,
    /// Not shown after this.
    until: Option<Moment>,
    stats: BTreeMap<Box<str>, f64>,
}

impl Observations {
    /// Merges the rows of one event or answer that came at `received_at` of the service's clock.
    pub(crate) fn apply(&mut self, facts: &ObservationFacts, received_at: Moment) {
        if !self.queues.contains_key(&facts.queue) && self.queues.len() >= QUEUES_AT_MOST {
            return;
        }
        let groups = self.queues.entry(facts.queue.clone()).or_default();
        let mut rows: usize = groups.values().map(|group| group.rows.len()).sum();
        for row in &facts.rows {
            let room = rows < ROWS_AT_MOST;
            let group = groups.entry(row.media).or_default();
            let before = group.rows.len();
            group.apply(row, received_at, room);
            rows = rows + group.rows.len() - before;
        }
    }

    /// Communication (`all` for rows without one) → metric → numbers, of one queue, without what has aged out at `as_of`.
    #[must_use]
    pub(crate) fn snapshot(
        &self,
        queue: &Id,
        as_of: Moment,
    ) -> BTreeMap<String, BTreeMap<String, ObservationSnapshot>> {
        let Some(groups) = self.queues.get(queue) else {
            return BTreeMap::new();
        };
        let name = |media: &Option<MediaKind>| media.map_or(ALL, MediaKind::as_str).to_owned();
        let groups = groups.iter().map(|(media, group)| (name(media), group.snapshot(as_of)));
        BTreeMap::from_iter(groups.filter(|(_, metrics)| !metrics.is_empty()))
    }

    /// Queues that have any.
    pub(crate) fn queues(&self) -> impl Iterator<Item = &Id> {
        self.queues.keys()
    }
}

impl Group {
    fn apply(&mut self, row: &ObservationRow, received_at: Moment, room: bool) {
        // Of an interval that begins much later nothing would ever be older: it would hide all that follows.
        let latest = received_at.plus(BEGINS_WITHIN);
        let interval = row.interval.filter(|(begin, _)| *begin <= latest);
        if interval > self.newest {
            self.newest = interval;
            // A new interval starts from zero.
            self.rows.retain(|(metric, _), _| !is_aggregate(metric));
        }
        let interval = interval.or(self.newest);
        if is_aggregate(&row.metric) && interval < self.newest {
            return;
        }
        let key = (row.metric.clone(), row.qualifier.clone());
        match self.rows.get(&key) {
            Some(known) if known.interval > interval => return,
            None if !room => return,
            _ => {}
        }
        let finite = row.stats.iter().filter(|(_, number)| number.is_finite());
        let stats = BTreeMap::from_iter(finite.map(|(name, number)| (name.clone(), *number)));
        let until = interval
            .filter(|_| is_aggregate(&row.metric))
            .map(|(_, end)| end.plus(GRACE))
            .filter(|until| received_at <= *until);
        self.rows.insert(key, Row { interval, until, stats });
    }

    fn snapshot(&self, as_of: Moment) -> BTreeMap<String, ObservationSnapshot> {
        let mut metrics: BTreeMap<String, ObservationSnapshot> = BTreeMap::new();
        let is_shown = |row: &Row| row.until.is_none_or(|until| as_of <= until);
        for ((metric, qualifier), row) in self.rows.iter().filter(|(_, row)| is_shown(row)) {
            let stats: BTreeMap<String, f64> =
                BTreeMap::from_iter(row.stats.iter().map(|(name, number)| (name.to_string(), *number)));
            // Rows are in the order of their keys: the one without a qualifier comes first.
            match (metrics.remove(&**metric), qualifier) {
                (None, None) => {
                    metrics.insert(metric.to_string(), ObservationSnapshot::Plain(stats));
                }
                (before, qualifier) => {
                    let mut by_qualifier = match before {
                        Some(ObservationSnapshot::Qualified(by_qualifier)) => by_qualifier,
                        Some(ObservationSnapshot::Plain(plain)) => BTreeMap::from([(ALL.to_owned(), plain)]),
                        None => BTreeMap::new(),
                    };
                    by_qualifier.insert(qualifier.as_deref().unwrap_or(ALL).to_owned(), stats);
                    metrics.insert(metric.to_string(), ObservationSnapshot::Qualified(by_qualifier));
                }
            }
        }
        metrics
    }
}

/// Whether a metric counts over an interval, unlike an observation of the present.
fn is_aggregate(metric: &str) -> bool {
    metric.starts_with(['n', 't']) || matches!(metric, "oServiceLevel" | "oServiceTarget")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::at;

    fn row(media: Option<MediaKind>, interval: Option<i64>, metric: &str, count: f64) -> ObservationRow {
        ObservationRow {
            media,
            interval: interval.map(|n| (at(n * 1800), at((n + 1) * 1800))),
            metric: metric.into(),
            qualifier: None,
            stats: BTreeMap::from([("count".into(), count)]),
        }
    }

    fn voice(interval: i64, metric: &str, count: f64) -> ObservationRow {
        row(Some(MediaKind::Voice), Some(interval), metric, count)
    }

    fn apply(observations: &mut Observations, rows: Vec<ObservationRow>, received_at: Moment) {
        let queue = Id::new("Q");
        observations.apply(&ObservationFacts { queue, rows }, received_at);
    }

    /// All came at the beginning, and are looked at then.
    fn merged(rows: Vec<ObservationRow>) -> Observations {
        let mut observations = Observations::default();
        for row in rows {
            apply(&mut observations, vec![row], at(0));
        }
        observations
    }

    fn count(observations: &Observations, media: &str, metric: &str) -> Option<f64> {
        count_at(observations, at(0), media, metric)
    }

    fn count_at(observations: &Observations, as_of: Moment, media: &str, metric: &str) -> Option<f64> {
        let snapshot = observations.snapshot(&Id::new("Q"), as_of);
        match snapshot.get(media)?.get(metric)? {
            ObservationSnapshot::Plain(stats) => stats.get("count").copied(),
            ObservationSnapshot::Qualified(_) => None,
        }
    }

    #[test]
    fn partial_messages_are_merged_and_the_later_arrival_of_an_interval_wins() {
        let o = merged(vec![
            voice(0, "oWaiting", 3.0),
            voice(0, "nOffered", 12.0),
            voice(0, "oWaiting", 4.0),
            row(Some(MediaKind::Email), Some(0), "oWaiting", 9.0),
            row(None, Some(0), "oOnQueueUsers", 5.0),
        ]);
        assert_eq!(count(&o, "voice", "oWaiting"), Some(4.0));
        assert_eq!(count(&o, "voice", "nOffered"), Some(12.0));
        assert_eq!(count(&o, "email", "oWaiting"), Some(9.0));
        assert_eq!(count(&o, "all", "oOnQueueUsers"), Some(5.0));
    }

    #[test]
    fn a_new_interval_drops_old_aggregates_of_its_group_and_keeps_the_present() {
        let o = merged(vec![
            voice(0, "oWaiting", 3.0),
            voice(0, "oServiceLevel", 0.8),
            voice(0, "nOffered", 12.0),
            row(Some(MediaKind::Email), Some(0), "tAnswered", 7.0),
            voice(1, "nAnswered", 1.0),
        ]);
        assert_eq!(count(&o, "voice", "oWaiting"), Some(3.0));
        assert_eq!(count(&o, "voice", "oServiceLevel"), None);
        assert_eq!(count(&o, "voice", "nOffered"), None);
        assert_eq!(count(&o, "voice", "nAnswered"), Some(1.0));
        assert_eq!(count(&o, "email", "tAnswered"), Some(7.0), "another group");
    }

    #[test]
    fn an_aggregate_goes_a_while_after_its_interval_unless_it_came_later_still() {
        const LAST: i64 = 1800 + 60;
        let mut o = Observations::default();
        let rows = vec![
            voice(0, "nOffered", 12.0),
            voice(0, "oServiceLevel", 0.8),
            voice(0, "oWaiting", 3.0),
            row(Some(MediaKind::Email), Some(0), "tAnswered", 7.0),
        ];
        apply(&mut o, rows, at(900));
        apply(&mut o, vec![voice(0, "nAnswered", 2.0)], at(LAST));
        let aggregates = [
            ("voice", "nOffered"),
            ("voice", "oServiceLevel"),
            ("voice", "nAnswered"),
            ("email", "tAnswered"),
        ];
        for (media, metric) in aggregates {
            assert!(count_at(&o, at(LAST), media, metric).is_some(), "{metric}");
            assert_eq!(count_at(&o, at(LAST + 1), media, metric), None, "{metric}");
        }
        assert_eq!(
            count_at(&o, at(LAST + 1), "voice", "oWaiting"),
            Some(3.0),
            "the present"
        );
        let left = o.snapshot(&Id::new("Q"), at(LAST + 1));
        assert!(!left.contains_key("email"), "nothing is left of it");

        let mut o = Observations::default();
        apply(&mut o, vec![voice(0, "nOffered", 12.0)], at(LAST + 1));
        assert_eq!(count_at(&o, at(1_000_000), "voice", "nOffered"), Some(12.0));
        apply(&mut o, vec![voice(1, "nAnswered", 1.0)], at(1_000_001));
        assert_eq!(
            count_at(&o, at(1_000_001), "voice", "nOffered"),
            None,
            "a newer one came"
        );
    }

    #[test]
    fn an_older_interval_never_overwrites_a_newer_one() {
        let o = merged(vec![
            voice(1, "oWaiting", 1.0),
            voice(1, "nOffered", 2.0),
            voice(0, "oWaiting", 30.0),
            voice(0, "nOffered", 40.0),
            voice(0, "tAbandon", 50.0),
            voice(0, "oInteracting", 60.0),
        ]);
        assert_eq!(count(&o, "voice", "oWaiting"), Some(1.0));
        assert_eq!(count(&o, "voice", "nOffered"), Some(2.0));
        assert_eq!(count(&o, "voice", "tAbandon"), None);
        assert_eq!(count(&o, "voice", "oInteracting"), Some(60.0), "nothing newer is known");
    }

    #[test]
    fn rows_from_rest_are_of_the_present() {
        let o = merged(vec![
            voice(1, "oWaiting", 1.0),
            row(Some(MediaKind::Voice), None, "oWaiting", 2.0),
            voice(0, "oWaiting", 30.0),
        ]);
        assert_eq!(count(&o, "voice", "oWaiting"), Some(2.0));
        let o = merged(vec![
            row(Some(MediaKind::Voice), None, "oWaiting", 2.0),
            voice(0, "oWaiting", 3.0),
        ]);
        assert_eq!(count(&o, "voice", "oWaiting"), Some(3.0));
    }

    #[test]
    fn qualifiers_stand_one_level_deeper() {
        let qualified = |qualifier: &str, n| ObservationRow {
            qualifier: Some(qualifier.into()),
            ..row(None, None, "oUserRoutingStatuses", n)
        };
        let mut rows = vec![qualified("IDLE", 2.0), qualified("INTERACTING", 5.0)];
        let json = |rows| serde_json::to_string(&merged(rows).snapshot(&Id::new("Q"), at(0))).unwrap();
        assert_eq!(
            json(rows.clone()),
            r#"{"all":{"oUserRoutingStatuses":{"IDLE":{"count":2},"INTERACTING":{"count":5}}}}"#
        );
        rows.push(row(None, None, "oUserRoutingStatuses", 7.0));
        assert_eq!(
            json(rows),
            r#"{"all":{"oUserRoutingStatuses":{"IDLE":{"count":2},"INTERACTING":{"count":5},"all":{"count":7}}}}"#
        );
    }

    #[test]
    fn names_without_end_do_not_fill_the_memory() {
        let mut o = Observations::default();
        let rows = (0..ROWS_AT_MOST + 10)
            .map(|n| voice(0, &format!("x{n}"), 1.0))
            .collect();
        apply(&mut o, rows, at(0));
        assert_eq!(o.snapshot(&Id::new("Q"), at(0))["voice"].len(), ROWS_AT_MOST);
    }

    #[test]
    fn numbers_that_json_cannot_hold_are_left_out() {
        let o = merged(vec![voice(0, "oWaiting", f64::NAN)]);
        assert_eq!(count(&o, "voice", "oWaiting"), None);
    }
}
