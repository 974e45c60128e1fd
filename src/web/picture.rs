//! What the live page is sent of a snapshot: all of it, or the difference from the picture before.
//!
//! In: snapshots · Out: server-sent events · Thread: any (pure).
//!
//! A picture is an object of objects with the snapshot's own names, without what the page does not show. What is `null`
//! in a snapshot is absent, numbers have one digit behind the point, moments are text as in the snapshot. The other
//! differences from a snapshot:
//!
//! - `version`, `settings`, `degraded` (what is not known though it streams) `changes` (the last ones) and `history` (`totals` of the last
//!   hour by minute) are added.
//! - `totals` has no live numbers while no queue is known.
//! - `connection` has counts instead of lists, and the gap of all topics that is open now.
//! - `windows` is an object by the windows' starts: the newest 60, with the numbers that the page draws.
//! - A queue has `longest_wait_since`, which does not change each second, instead of `longest_wait_secs`, and
//!   `agents_by_status` instead of `observations`; it has no `by_media`, and `observed` only where that differs.
//! - The `queues` of a user are an object by their ids.
//!
//! Each event is `{"whole":…,"patch":…}`. The patch is a JSON merge patch (RFC 7396) that turns the picture before into
//! this one; if `whole` is true, it begins with an empty object. A snapshot of many queues with 60 windows each is
//! megabytes, of which little changes in a second, so differences are small in spite of the names.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::{Settings, readiness};
use crate::Moment;
use crate::base::inserted::Inserted as _;
use crate::base::scrub;
use crate::config::TotalsSince;
use crate::model::snapshot::{
    AllQueues, Gap, GapTopics, LiveNumbers, LiveTotals, ObservationSnapshot, QueueSnapshot, Snapshot, UnknownQueues,
    WindowSnapshot,
};
use crate::output::last_changes::{Entries, LastChange};

/// Windows of each queue in a picture: as many as the page's charts have room for.
const WINDOWS: usize = 60;
/// With more queues each has fewer windows in a picture: as many as these have room for together.
const QUEUES_WITH_ALL: usize = 1_000;
const WINDOWS_OF_MORE: usize = 24_000;

/// Windows of each queue in a picture of so many.
fn windows_of_each(queues: usize) -> usize {
    if queues <= QUEUES_WITH_ALL {
        WINDOWS
    } else {
        (WINDOWS_OF_MORE / queues).max(1)
    }
}

type Object = Map<String, Value>;

/// Totals by minute. Cheap to clone.
pub(super) type History = Arc<BTreeMap<Moment, LiveTotals>>;

/// What a picture is made of.
#[derive(Clone)]
pub(super) struct Scene {
    pub(super) snapshot: Arc<Snapshot>,
    /// The last changes.
    pub(super) changes: Entries,
    /// The totals of the last hour by the minute in which they were published first.
    pub(super) history: History,
}

/// A server-sent event with the picture of `now`: its difference from the picture of `before`, or all of it.
pub(super) fn event(now: &Scene, before: Option<&Scene>, settings: &Settings) -> Vec<u8> {
    let snapshot_before = before.map(|before| &*before.snapshot);
    let mut patch = patch(&now.snapshot, snapshot_before, settings);
    put(
        &mut patch,
        "changes",
        changes(before.map(|before| &before.changes), &now.changes),
    );
    let history = rows(before.map(|before| &*before.history), &now.history, |old, now| {
        change(old, now, object)
    });
    put(&mut patch, "history", history);
    let message = Message {
        whole: before.is_none(),
        patch: Patch {
            rest: patch,
            queues: QueueRows {
                now: &now.snapshot,
                before: snapshot_before,
            },
        },
    };
    let mut bytes = b"data: ".to_vec();
    if serde_json::to_writer(&mut bytes, &message).is_err() {
        // Every key is a text, and nothing fails when it is written to memory.
        return Vec::new();
    }
    scrub::bytes(&mut bytes, 0);
    // JSON holds no line end of its own, so this is one line.
    bytes.extend_from_slice(b"\n\n");
    bytes.shrink_to_fit();
    bytes
}

#[derive(Serialize)]
struct Message<'a> {
    whole: bool,
    patch: Patch<'a>,
}

#[derive(Serialize)]
struct Patch<'a> {
    #[serde(flatten)]
    rest: Object,
    #[serde(skip_serializing_if = "QueueRows::is_empty")]
    queues: QueueRows<'a>,
}

/// The patch of the queues. A row is made when it is written: as objects, all rows of many queues would be a hundred
/// megabytes.
struct QueueRows<'a> {
    now: &'a Snapshot,
    before: Option<&'a Snapshot>,
}

impl QueueRows<'_> {
    fn rows(&self) -> impl Iterator<Item = (String, Value)> {
        let (now, before) = (self.now, self.before);
        let of_each = windows_of_each(now.queues.len());
        let of_each_before = before.map_or(of_each, |before| windows_of_each(before.queues.len()));
        changed_rows(before.map(|before| &before.queues), &now.queues, move |old, queue| {
            // A wait that is as long as in the snapshot before began later.
            if old == Some(queue) && queue.longest_wait_secs.is_none() && of_each == of_each_before {
                return Object::new();
            }
            let old_numbers = old.zip(before).map(|(old, before)| queue_numbers(old, before.as_of));
            let mut patch = difference(old_numbers, queue_numbers(queue, now.as_of));
            let newest = |queue: &QueueSnapshot, most| queue.windows.as_ref().map(|windows| windows.newest(most));
            let old_windows = old.map(|old| newest(old, of_each_before).unwrap_or_default());
            put(
                &mut patch,
                "windows",
                windows(old_windows.as_deref(), &newest(queue, of_each).unwrap_or_default()),
            );
            patch
        })
    }

    fn is_empty(&self) -> bool {
        self.rows().next().is_none()
    }
}

impl Serialize for QueueRows<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.rows())
    }
}

/// The patch without the queues.
fn patch(now: &Snapshot, before: Option<&Snapshot>, settings: &Settings) -> Object {
    let mut patch = difference(
        before.map(|before| object(&Overview::of(before, settings))),
        object(&Overview::of(now, settings)),
    );
    let users = rows(before.map(|before| &before.users), &now.users, |old, user| {
        change(old, user, |user| {
            let mut row = object(user);
            let queues = user.queues.iter().map(|id| (id.to_string(), true.into()));
            // The ids are keys: a merge patch replaces lists only as a whole.
            row.insert("queues".to_owned(), queues.inserted::<Object>().into());
            row
        })
    });
    put(&mut patch, "users", users);
    let metrics = rows(before.map(|before| &before.metrics), &now.metrics, |old, metric| {
        change(old, metric, object)
    });
    put(&mut patch, "metrics", metrics);
    // One row or none.
    let old_all = before.map(all_queues);
    patch.extend(rows(old_all.as_ref(), &all_queues(now), |old, all| {
        let totals = |all: &&AllQueues| {
            [("totals".to_owned(), object(&all.totals).into())]
                .into_iter()
                .inserted::<Object>()
        };
        let mut patch = change(old, all, totals);
        let old_windows = old.map(|old| old.windows.as_slice());
        put(&mut patch, "windows", windows(old_windows, &all.windows));
        patch
    }));
    patch
}

/// The patch of the last changes by their numbers.
fn changes(old: Option<&Entries>, now: &Entries) -> Object {
    if old.is_some_and(|old| Arc::ptr_eq(old, now)) {
        return Object::new();
    }
    rows(old.map(|old| &**old), now, |old, now| {
        change(old, now, |entry: &LastChange| {
            let mut row = object(&entry.what);
            row.insert("at".to_owned(), entry.at.to_string().into());
            row.extend(entry.until.map(|until| ("until".to_owned(), until.to_string().into())));
            row
        })
    })
}

fn all_queues(snapshot: &Snapshot) -> BTreeMap<&str, &AllQueues> {
    snapshot.all_queues.iter().map(|all| ("all_queues", all)).inserted()
}

/// All of a picture but the rows of queues, users and metrics.
#[derive(Serialize)]
struct Overview<'a> {
    version: &'a str,
    started_at: Moment,
    as_of: Moment,
    settings: PageSettings<'a>,
    degraded: Option<String>,
    connection: Connection<'a>,
    counters: Counters,
    freshness: BTreeMap<&'a str, Freshness>,
    totals: LiveTotals,
}

#[derive(Serialize)]
struct PageSettings<'a> {
    totals_since: &'static str,
    interval_ms: u64,
    stale_after_ms: u64,
    /// `service`, `simulator` or `replay`.
    source: &'static str,
    /// `STATUS:amber:red,…`, in seconds.
    limits: &'a str,
}

#[derive(Serialize)]
struct Connection<'a> {
    state: &'a str,
    protocol: &'a str,
    since: Moment,
    last_frame_at: Option<Moment>,
    cause: Option<&'a str>,
    connections: u32,
    reconnects: u64,
    topics_refused: usize,
    gaps_total: u64,
    /// Of the last 100.
    gaps_unrepaired: usize,
    open_gap: Option<OpenGap<'a>>,
}

#[derive(Serialize)]
struct OpenGap<'a> {
    from: Moment,
    cause: &'a str,
}

#[derive(Serialize)]
struct Counters {
    events_dropped: u64,
}

#[derive(Serialize)]
struct Freshness {
    stale: bool,
}

impl<'a> Overview<'a> {
    fn of(snapshot: &'a Snapshot, settings: &'a Settings) -> Self {
        let connection = &snapshot.connection;
        // The page compares all times with `as_of`, which is by the service's clock.
        let by_service = |at: Moment| at.plus_ms(-connection.clock_ahead_ms);
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let of_all = |gap: &&Gap| gap.to.is_none() && gap.topics == GapTopics::All;
        let open_gap = connection.gaps.iter().find(of_all);
        Self {
            version: env!("CARGO_PKG_VERSION"),
            started_at: by_service(snapshot.started_at),
            as_of: snapshot.as_of,
            settings: PageSettings {
                totals_since: match settings.totals_since {
                    TotalsSince::Start => "start",
                    TotalsSince::Day => "day",
                },
                interval_ms: millis(settings.interval),
                stale_after_ms: millis(settings.stale_after),
                source: settings.source,
                limits: &settings.limits,
            },
            degraded: readiness::degraded(snapshot),
            connection: Connection {
                state: connection.state.as_str(),
                protocol: connection.protocol.as_str(),
                since: by_service(connection.since),
                last_frame_at: connection.last_frame_at.map(by_service),
                cause: connection.cause.as_deref(),
                connections: connection.connections,
                reconnects: connection.reconnects,
                topics_refused: connection.refused_topics.len(),
                gaps_total: connection.gaps_total,
                gaps_unrepaired: connection.gaps.iter().filter(|gap| !gap.repaired).count(),
                open_gap: open_gap.map(|gap| OpenGap {
                    from: by_service(gap.from),
                    cause: &gap.cause,
                }),
            },
            counters: Counters {
                events_dropped: snapshot.counters.events_dropped,
            },
            freshness: snapshot
                .freshness
                .iter()
                .map(|(kind, freshness)| (kind.as_str(), Freshness { stale: freshness.stale }))
                .inserted(),
            totals: shown_totals(snapshot),
        }
    }
}

/// The totals as far as they are known.
pub(super) fn shown_totals(snapshot: &Snapshot) -> LiveTotals {
    match UnknownQueues::of(snapshot) {
        Some(unknown) if unknown.are_all() => LiveTotals {
            live: LiveNumbers::UNKNOWN,
            ..snapshot.totals
        },
        _ => snapshot.totals,
    }
}

/// A queue without its windows. All of its other numbers are there under the names that the snapshot gives them, so a
/// new number needs no change here.
fn queue_numbers(queue: &QueueSnapshot, as_of: Moment) -> Object {
    let mut numbers = object(&QueueSnapshot {
        windows: None,
        by_media: BTreeMap::new(),
        observations: BTreeMap::new(),
        observed: queue.observed.filter(|observed| observed.differs_since.is_some()),
        longest_wait_secs: None,
        ..queue.clone()
    });
    if let Some(secs) = queue.longest_wait_secs {
        // In range: a wait of this run, and `as` saturates.
        let ms = (secs * 1000.0).round() as i64;
        let since = Moment::from_epoch_ms(as_of.epoch_ms().saturating_sub(ms));
        numbers.insert("longest_wait_since".to_owned(), since.to_string().into());
    }
    put(&mut numbers, "agents_by_status", agents_by_status(queue));
    numbers
}

/// Members of the queue by routing status; `ON_QUEUE` is all that is known where Genesys sends no more.
fn agents_by_status(queue: &QueueSnapshot) -> Object {
    let count = |stats: &BTreeMap<String, f64>| stats.get("count").copied();
    let all = queue.observations.get("all");
    let observation = all.and_then(|all| all.get("oUserRoutingStatuses").or_else(|| all.get("oOnQueueUsers")));
    object(&match observation {
        Some(ObservationSnapshot::Qualified(by_status)) => by_status
            .iter()
            .map(|(status, stats)| (status.as_str(), count(stats)))
            .inserted(),
        Some(ObservationSnapshot::Plain(stats)) => [("ON_QUEUE", count(stats))].into_iter().inserted(),
        None => BTreeMap::new(),
    })
}

#[derive(Serialize)]
struct Window {
    answered: u64,
    abandoned: u64,
    service_level_percent: Option<f64>,
    coverage_percent: f64,
}

/// The patch of the newest windows by their starts.
fn windows(old: Option<&[WindowSnapshot]>, now: &[WindowSnapshot]) -> Object {
    fn newest(windows: &[WindowSnapshot]) -> BTreeMap<Moment, &WindowSnapshot> {
        let left_out = windows.len().saturating_sub(WINDOWS);
        windows
            .iter()
            .skip(left_out)
            .map(|window| (window.start, window))
            .inserted()
    }
    let window = |window: &&WindowSnapshot| {
        object(&Window {
            answered: window.numbers.answered,
            abandoned: window.numbers.abandoned,
            service_level_percent: window.numbers.service_level_percent,
            coverage_percent: window.coverage_percent,
        })
    };
    let now = newest(now);
    rows(old.map(newest).as_ref(), &now, |old, now| change(old, now, window))
}

/// The patch of rows by key; `change` gives the patch of one row.
fn rows<K: Ord + ToString, V>(
    old: Option<&BTreeMap<K, V>>,
    now: &BTreeMap<K, V>,
    change: impl Fn(Option<&V>, &V) -> Object,
) -> Object {
    changed_rows(old, now, change).inserted()
}

/// Rows that changed, each with its patch, and those that are gone.
fn changed_rows<'a, K: Ord + ToString, V>(
    old: Option<&'a BTreeMap<K, V>>,
    now: &'a BTreeMap<K, V>,
    change: impl Fn(Option<&'a V>, &'a V) -> Object,
) -> impl Iterator<Item = (String, Value)> {
    let changed = now.iter().filter_map(move |(key, row)| {
        let old = old.and_then(|old| old.get(key));
        let change = change(old, row);
        (old.is_none() || !change.is_empty()).then(|| (key.to_string(), change.into()))
    });
    let gone = old.into_iter().flat_map(BTreeMap::keys);
    let gone = gone.filter(|key| !now.contains_key(key));
    changed.chain(gone.map(|key| (key.to_string(), Value::Null)))
}

/// The patch of one row. The objects of rows that are equal, which most are, are not made.
fn change<V: PartialEq>(old: Option<&V>, now: &V, object: impl Fn(&V) -> Object) -> Object {
    match old == Some(now) {
        true => Object::new(),
        false => difference(old.map(&object), object(now)),
    }
}

/// The merge patch that turns `old` into `now`; all of `now` without `old`.
fn difference(old: Option<Object>, now: Object) -> Object {
    let Some(mut old) = old else { return now };
    let mut patch = Object::new();
    for (name, value) in now {
        match (old.remove(&name), value) {
            (Some(old), value) if old == value => continue,
            (Some(Value::Object(old)), Value::Object(now)) => {
                patch.insert(name, difference(Some(old), now).into());
            }
            (_, value) => {
                patch.insert(name, value);
            }
        }
    }
    patch.extend(old.into_iter().map(|(name, _)| (name, Value::Null)));
    patch
}

/// Inserts a part, unless it is empty.
fn put(object: &mut Object, name: &str, part: Object) {
    if !part.is_empty() {
        object.insert(name.to_owned(), part.into());
    }
}

/// The JSON object of a struct or map, as short as the page needs it.
pub(super) fn object(source: &impl Serialize) -> Object {
    match serde_json::to_value(source).map(shortened) {
        Ok(Value::Object(object)) => object,
        // Every type here is a struct or a map with text as keys.
        _ => Object::new(),
    }
}

/// Without `null`, and numbers with one digit behind the point: the page shows no more.
fn shortened(value: Value) -> Value {
    match value {
        Value::Object(object) => object
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, shortened(value)))
            .inserted::<Object>()
            .into(),
        Value::Number(number) if number.is_f64() => {
            let tenths = (number.as_f64().unwrap_or_default() * 10.0).round();
            match tenths % 10.0 == 0.0 {
                // Saturates far beyond what a contact centre counts.
                true => Value::from((tenths / 10.0) as i64),
                false => Value::from(tenths / 10.0),
            }
        }
        other => other,
    }
}

#[cfg(test)]
#[path = "picture_tests.rs"]
mod tests;
