//! Queue statistics as Genesys computed them, merged from partial messages.
//!
//! In: rows from stream and REST · Out: the newest row of each metric · Thread: any (pure).
//!
//! A row is identified by queue, media group, metric and qualifier. Aggregates of an interval (`n…`, `t…`,
//! `oServiceLevel`, `oServiceTarget`) are dropped when a newer interval of their group begins; observations of the
//! present (other `o…`) stay until they are replaced. Within an interval the later arrival wins, because rows have no time
//! of their own. A row without an interval (REST) is of the present and counts as of the group's newest interval.
//!
//! REST fills in what the stream did not tell since it is covered: a number of the stream is replaced by the stream's next
//! one only, because the answer may be older. An absent metric is zero in an answer, and unchanged in a message. What came
//! before a gap is of the past ([`Observations::distrust`]) until it is told again.
//!
//! An aggregate that arrived while its interval ran, or within 60 s after, is shown until 60 s after the end of the
//! interval. One that arrived later is shown until a newer interval replaces it.

mod rows;

use std::collections::BTreeMap;
use std::time::Duration;

use self::rows::{Before, RowKey, Rows};
use super::self_check::Counts;
use super::snapshot::{GapTopics, ObservationSnapshot};
use crate::base::inserted::Inserted as _;
use crate::event::facts::{MediaKind, ObservationFacts, ObservationRow};
use crate::event::stats::Stats;
use crate::{Id, Moment};

/// Queues with statistics at most: all topics of all channels of one client.
const QUEUES_AT_MOST: usize = 20_000;

/// Rows of one queue at most; a real one has some hundreds.
const ROWS_AT_MOST: usize = 5_000;

/// Bytes of the rows of all queues, as an estimate; a usual row has some 250.
const BYTES_AT_MOST: usize = 48 << 20;

/// An interval that begins later than this after its receipt is no interval.
const BEGINS_WITHIN: Duration = Duration::from_secs(86_400);

/// How long an aggregate is shown after the end of its interval: the last message about it may take that long.
const GRACE: Duration = Duration::from_secs(60);

/// The key of rows without a medium, and of a row without a qualifier beside rows with one.
const ALL: &str = "all";

/// Who waits and who talks, one row for each medium.
const WAITING: &str = "oWaiting";
const INTERACTING: &str = "oInteracting";

/// Members on queue to whom nobody talks.
const IDLE: (&str, Option<&str>) = ("oOnQueueUsers", Some("IDLE"));

/// The metrics of conversations that REST is asked for.
const PRESENT: [&str; 3] = [WAITING, INTERACTING, "oAlerting"];

/// Start and end; ordered by start first.
type Interval = (Moment, Moment);

/// The newest statistics of every queue.
#[derive(Debug, Default)]
pub(crate) struct Observations {
    queues: BTreeMap<Id, OfQueue>,
    bytes: usize,
}

/// The rows of one queue.
#[derive(Debug, Default)]
struct OfQueue {
    groups: BTreeMap<Option<MediaKind>, Group>,
    /// When REST told all, unless that was before a gap: a metric without a row is zero.
    told_at: Option<Moment>,
}

/// The rows of one queue and medium.
#[derive(Debug, Default)]
struct Group {
    newest: Option<Interval>,
    rows: Rows,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Row {
    interval: Option<Interval>,
    /// Not shown after this.
    until: Option<Moment>,
    stats: Stats,
    received_at: Moment,
    source: Source,
}

/// Who told a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Source {
    #[default]
    Stream,
    Rest,
    /// Either, before a gap.
    Past,
}

/// Genesys' own count of who waits and talks in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Present {
    pub(crate) counts: Counts,
    /// When the newest row was received.
    pub(crate) at: Moment,
    /// Over which media each of the two is.
    pub(crate) waiting_over: Over,
    pub(crate) interacting_over: Over,
}

/// The media of a sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    All,
    /// Of other media nothing was told.
    These(Vec<MediaKind>),
}

impl Over {
    pub(crate) fn contains(&self, media: MediaKind) -> bool {
        match self {
            Self::All => true,
            Self::These(these) => these.contains(&media),
        }
    }
}

impl Observations {
    /// Merges the rows of one event that came at `received_at` of the service's clock.
    pub(crate) fn apply(&mut self, facts: &ObservationFacts, received_at: Moment) {
        self.merge(facts, received_at, Source::Stream);
    }

    /// Merges the rows of an answer that came at `received_at` of the service's clock.
    pub(crate) fn apply_rest(&mut self, facts: &ObservationFacts, received_at: Moment) {
        self.merge(facts, received_at, Source::Rest);
        let Some(of_queue) = self.queues.get_mut(&facts.queue) else {
            return;
        };
        of_queue.told_at = Some(received_at);
        for (media, group) in &mut of_queue.groups {
            for ((metric, qualifier), row) in group.rows.iter_mut() {
                let is_same = |told: &ObservationRow| {
                    told.media == *media && told.metric == *metric && told.qualifier == *qualifier
                };
                let is_absent = row.source != Source::Stream && !facts.rows.iter().any(is_same);
                if is_absent && PRESENT.contains(&&**metric) {
                    row.stats.set_to_zero();
                    (row.received_at, row.source) = (received_at, Source::Rest);
                }
            }
        }
    }

    fn merge(&mut self, facts: &ObservationFacts, received_at: Moment, source: Source) {
        let is_full = self.queues.len() >= QUEUES_AT_MOST;
        let groups = match self.queues.get_mut(&facts.queue) {
            Some(of_queue) => &mut of_queue.groups,
            None if is_full => return,
            None => {
                self.bytes += size_of::<(Id, OfQueue)>() + facts.queue.heap_bytes();
                &mut self.queues.entry(facts.queue.clone()).or_default().groups
            }
        };
        let mut rows: usize = groups.values().map(|group| group.rows.len()).sum();
        for of_group in facts.rows.chunk_by(|a, b| a.media == b.media) {
            let group = groups.entry(of_group[0].media).or_default();
            let (bytes, count) = (group.bytes, group.rows.len());
            group.begin_newest(of_group, received_at);
            (rows, self.bytes) = (rows + group.rows.len() - count, self.bytes + group.bytes - bytes);
            let mut before = None;
            for row in of_group {
                let (bytes, count) = (group.bytes, group.rows.len());
                let room = rows < ROWS_AT_MOST && self.bytes < BYTES_AT_MOST;
                group.apply(row, &mut before, (received_at, source), room);
                (rows, self.bytes) = (rows + group.rows.len() - count, self.bytes + group.bytes - bytes);
            }
        }
    }

    /// Communication (`all` for rows without one) → metric → numbers, of one queue, without what has aged out at `as_of`.
    #[must_use]
    pub(crate) fn snapshot(
        &self,
        queue: &Id,
        as_of: Moment,
    ) -> BTreeMap<String, BTreeMap<String, ObservationSnapshot>> {
        let Some(OfQueue { groups, .. }) = self.queues.get(queue) else {
            return BTreeMap::new();
        };
        let name = |media: &Option<MediaKind>| media.map_or(ALL, MediaKind::as_str).to_owned();
        let groups = groups.iter().map(|(media, group)| (name(media), group.snapshot(as_of)));
        groups.filter(|(_, metrics)| !metrics.is_empty()).inserted()
    }

    /// These topics were not covered before `until` of the service's clock, or are not covered now: what came until then is
    /// of the past.
    pub(crate) fn distrust(&mut self, topics: &GapTopics, until: Option<Moment>) {
        match topics {
            GapTopics::All => self.queues.values_mut().for_each(|of_queue| of_queue.distrust(until)),
            GapTopics::Some(topics) => {
                for queue in topics.iter().filter_map(|topic| queue_of_statistics(topic)) {
                    if let Some(of_queue) = self.queues.get_mut(&queue) {
                        of_queue.distrust(until);
                    }
                }
            }
        }
    }

    /// Who waits and talks in a queue, by what was told since the last gap.
    pub(crate) fn present(&self, queue: &Id) -> Option<Present> {
        let of_queue = self.queues.get(queue)?;
        let (waiting, waiting_at, waiting_over) = of_queue.sum(WAITING)?;
        let (interacting, interacting_at, interacting_over) = of_queue.sum(INTERACTING)?;
        Some(Present {
            counts: Counts { waiting, interacting },
            at: waiting_at.max(interacting_at),
            waiting_over,
            interacting_over,
        })
    }

    /// How many members of a queue are on queue and idle, by what was told since the last gap.
    pub(crate) fn idle_on_queue(&self, queue: &Id) -> Option<f64> {
        let of_queue = self.queues.get(queue)?;
        let row = of_queue.groups.get(&None).and_then(|group| group.rows.get(IDLE));
        let told = row
            .filter(|row| row.source != Source::Past)
            .and_then(|row| row.stats.get("count"));
        told.or_else(|| of_queue.told_at.map(|_| 0.0))
    }

    /// Queues that have any.
    pub(crate) fn queues(&self) -> impl Iterator<Item = &Id> {
        self.queues.keys()
    }
}

impl OfQueue {
    fn distrust(&mut self, until: Option<Moment>) {
        let is_past = |at: Moment| until.is_none_or(|until| at < until);
        for (_, row) in self.groups.values_mut().flat_map(|group| group.rows.iter_mut()) {
            if is_past(row.received_at) {
                row.source = Source::Past;
            }
        }
        self.told_at = self.told_at.filter(|at| !is_past(*at));
    }

    /// The count of a metric: of the group without a medium, if there is one, else of all media; when it was received, and
    /// over which media it is. `None` where nothing was told.
    fn sum(&self, metric: &str) -> Option<(u64, Moment, Over)> {
        let told = self.groups.iter().filter_map(|(media, group)| {
            let row = group
                .rows
                .get((metric, None))
                .filter(|row| row.source != Source::Past)?;
            Some((*media, row.stats.get("count")?, row.received_at))
        });
        let told: Vec<_> = told.collect();
        if let Some((_, count, at)) = told.iter().find(|(media, ..)| media.is_none()) {
            return Some((whole(*count), *at, Over::All));
        }
        let newest = told.iter().map(|(.., at)| *at).max();
        let over = match self.told_at {
            Some(_) => Over::All,
            None => Over::These(told.iter().filter_map(|(media, ..)| *media).collect()),
        };
        let sum = told.iter().map(|(_, count, _)| count).sum();
        Some((whole(sum), newest.or(self.told_at)?, over))
    }
}

/// Saturates: what is no count is none, or very many.
fn whole(count: f64) -> u64 {
    count as u64
}

/// The queue whose statistics a topic carries.
fn queue_of_statistics(topic: &str) -> Option<Id> {
    let rest = topic.strip_prefix("v2.analytics.queues.")?;
    rest.split_once(['.', '?']).map(|(id, _)| Id::new(id))
}

impl Row {
    fn set(
        &mut self,
        stats: &Stats,
        (interval, until): (Option<Interval>, Option<Moment>),
        (received_at, source): (Moment, Source),
    ) {
        self.stats.set_finite(stats);
        (self.interval, self.until) = (interval, until);
        (self.received_at, self.source) = (received_at, source);
    }
}

/// Its interval, unless that begins so late that nothing would ever be newer: it would hide all that follows.
fn interval_of(row: &ObservationRow, received_at: Moment) -> Option<Interval> {
    let latest = received_at.plus(BEGINS_WITHIN);
    row.interval.filter(|(begin, _)| *begin <= latest)
}

/// Bytes that a row takes here more than in a message.
const ROW_BYTES: usize = size_of::<Row>() + 64;

impl Group {
    /// Where a message has rows of a newer interval, that begins: it starts from zero.
    fn begin_newest(&mut self, told: &[ObservationRow], received_at: Moment) {
        let newest = told.iter().filter_map(|row| interval_of(row, received_at)).max();
        if newest <= self.newest {
            return;
        }
        self.newest = newest;
        self.rows.retain(|metric| !is_aggregate(metric));
        let of_one = |((metric, qualifier), row): (&RowKey, &Row)| {
            let names = metric.heap_bytes() + qualifier.as_ref().map_or(0, |name| name.heap_bytes());
            ROW_BYTES + size_of::<ObservationRow>() + names + row.stats.heap_bytes()
        };
        self.bytes = self.rows.iter().map(of_one).sum();
    }

    fn apply(
        &mut self,
        row: &ObservationRow,
        before: &mut Before,
        (received_at, source): (Moment, Source),
        room: bool,
    ) {
        let interval = interval_of(row, received_at).or(self.newest);
        if is_aggregate(&row.metric) && interval < self.newest {
            return;
        }
        let until = interval
            .filter(|_| is_aggregate(&row.metric))
            .map(|(_, end)| end.plus(GRACE))
            .filter(|until| received_at <= *until);
        let Some((known, is_new)) = self.rows.entry(row, before, room) else {
            return;
        };
        let bytes = known.stats.heap_bytes();
        if is_new {
            self.bytes += ROW_BYTES + row.bytes() - row.stats.heap_bytes();
        } else if !room && row.stats.heap_bytes() > bytes {
            return;
        }
        let is_older = known.interval > interval || source == Source::Rest && known.source == Source::Stream;
        if is_new || !is_older {
            known.set(&row.stats, (interval, until), (received_at, source));
            self.bytes = self.bytes + known.stats.heap_bytes() - bytes;
        }
    }

    fn snapshot(&self, as_of: Moment) -> BTreeMap<String, ObservationSnapshot> {
        let mut metrics: BTreeMap<String, ObservationSnapshot> = BTreeMap::new();
        let is_shown = |row: &Row| row.until.is_none_or(|until| as_of <= until);
        for ((metric, qualifier), row) in self.rows.iter().filter(|(_, row)| is_shown(row)) {
            let stats: BTreeMap<String, f64> = row
                .stats
                .iter()
                .map(|(name, number)| (name.to_owned(), number))
                .inserted();
            // Rows are in the order of their keys: the one without a qualifier comes first.
            match (metrics.remove(&**metric), qualifier) {
                (None, None) => {
                    metrics.insert(metric.to_string(), ObservationSnapshot::Plain(stats));
                }
                (before, qualifier) => {
                    let mut by_qualifier = match before {
                        Some(ObservationSnapshot::Qualified(by_qualifier)) => by_qualifier,
                        Some(ObservationSnapshot::Plain(plain)) => [(ALL.to_owned(), plain)].into_iter().inserted(),
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
mod tests;
