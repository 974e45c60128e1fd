//! The dashboard at one moment, as it is written (schema 1; every key is described in `docs/records.md`).
//!
//! In: the model; JSON through serde · Out: JSON through serde, typed fields for library users · Thread: any (immutable
//! once built).
//!
//! A field that is `None` (or an empty map that the run cannot fill) is left out of the JSON, or is `null` where the key
//! is always there: no number is made up.

mod day;
mod unknown_queues;
mod window_live;
mod windows;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use super::bucket::WaitsWithin;
pub use super::counts::{LiveNumber, LiveNumbers, Numbers};
pub use super::unknown::WhyUnknown;
use crate::base::number::{self, Number};
pub use crate::config::AlertName;
use crate::config::Protocol;
pub use crate::event::alert::AlertLevel;
pub use crate::event::gap::{Gap, GapTopics};
pub use crate::event::state::ConnectionState;
use crate::{Id, Moment};
pub use day::Day;
pub(crate) use unknown_queues::UnknownQueues;
pub use window_live::{LiveRange, WindowLive};
pub use windows::Windows;
pub(crate) use windows::{Grid, Packed};

/// The dashboard at one moment.
///
/// In JSON it begins with `"record":"snapshot"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename = "snapshot")]
#[non_exhaustive]
pub struct Snapshot {
    /// Always 1.
    pub schema: u32,
    /// Grows by one with every snapshot of a run.
    pub revision: u64,
    /// When it was built.
    pub generated_at: Moment,
    /// When the run started.
    pub started_at: Moment,
    /// The moment its numbers hold for.
    pub as_of: Moment,
    /// State of the stream.
    pub connection: ConnectionSnapshot,
    /// What was received, applied and lost.
    pub counters: Counters,
    /// By output name.
    pub outputs: BTreeMap<String, OutputSnapshot>,
    /// By kind of event, milliseconds.
    pub latency: BTreeMap<String, LatencySnapshot>,
    /// By kind of event; by metric type in the `metrics` protocol.
    pub freshness: BTreeMap<String, FreshnessSnapshot>,
    /// Over all conversations, and over all listed queues that are known now.
    pub totals: LiveTotals,
    /// What happened, over all listed queues (`notifications`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all_queues: Option<AllQueues>,
    /// By queue id: the subscribed queues only.
    pub queues: BTreeMap<Id, QueueSnapshot>,
    /// By user id.
    pub users: BTreeMap<Id, UserSnapshot>,
    /// By `<metric type>.<metric>` (`metrics` protocol).
    pub metrics: BTreeMap<String, MetricSnapshot>,
}

impl Snapshot {
    /// The queue with this id, else the first in the order of ids that has exactly this name.
    ///
    /// ```no_run
    /// # fn show(stream: &genesys_stream::Stream) {
    /// let dashboard = stream.snapshot();
    /// if let Some(sales) = dashboard.queue("Sales") {
    ///     // `–` while it is not known.
    ///     println!("{} wait", sales.live.waiting);
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn queue(&self, name_or_id: &str) -> Option<&QueueSnapshot> {
        let named = |queue: &&QueueSnapshot| queue.name.as_deref() == Some(name_or_id);
        let of_id = self.queues.get(&Id::new(name_or_id));
        of_id.or_else(|| self.queues.values().find(named))
    }
}

/// State of the stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ConnectionSnapshot {
    /// `connecting`, `streaming`, `backoff` or `stopped`.
    pub state: ConnectionState,
    /// Which protocol is spoken.
    pub protocol: Protocol,
    /// Open connections.
    pub connections: u32,
    /// Connections made after the first.
    pub reconnects: u64,
    /// Since when `state` holds.
    pub since: Moment,
    /// When the last frame of any kind came.
    pub last_frame_at: Option<Moment>,
    /// When the token ends.
    pub token_expires_at: Option<Moment>,
    /// When the channel ends (`notifications`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_expires_at: Option<Moment>,
    /// How far this machine's clock is ahead of the service's, in milliseconds: negative where it is behind, 0 where the
    /// difference is under 1 s or not known.
    #[serde(default)]
    pub clock_ahead_ms: i64,
    /// Why the state changed last, in a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Topics that the service refused, with its reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused_topics: BTreeMap<String, String>,
    /// Gaps of this run.
    pub gaps_total: u64,
    /// The last 100 gaps.
    pub gaps: Vec<Gap>,
}

/// What was received, applied and lost. At any time
/// `events_decoded = events_applied + events_coalesced + events_dropped + events_buffered`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Counters {
    /// Text and binary messages.
    pub frames_received: u64,
    /// WebSocket ping, pong, close.
    pub control_frames: u64,
    /// Events that frames gave.
    pub events_decoded: u64,
    /// Events that the model took.
    pub events_applied: u64,
    /// Events merged into a waiting one.
    pub events_coalesced: u64,
    /// Events lost because the buffer was full or the stop did not wait.
    pub events_dropped: u64,
    /// Events waiting now; 0 at exit.
    pub events_buffered: u64,
    /// Repetitions; also counted as decoded and applied.
    pub duplicates: u64,
    /// Frames that are no events of this protocol; in `metrics` also events without timestamp or metrics.
    pub malformed: u64,
    /// Events of unknown topics or types; kept.
    pub unknown: u64,
    /// Errors that the service reported.
    pub server_errors: u64,
    /// Data found older than `freshness.stale_after_secs`.
    pub stale: u64,
    /// `events` protocol: conversations without an id.
    pub unkeyed: u64,
    /// Events of conversations that are forgotten already.
    pub late: u64,
    /// Conversations forgotten for lack of room.
    pub evicted: u64,
    /// Open conversations that REST did not know three times in a row.
    pub lost: u64,
    /// Times that could not be read or were too far ahead (they count as absent), entries without an id, and what is over a
    /// limit.
    pub unreadable: u64,
    /// Differences found between stream and REST.
    pub drift: u64,
    /// Facts from REST.
    pub repairs: u64,
}

/// What an output took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OutputSnapshot {
    /// Records written.
    pub written: u64,
    /// Records it could not take.
    pub missed: u64,
}

/// `received_at − event_time` of one kind, in milliseconds; longer than two years counts as two years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LatencySnapshot {
    /// Of the last event.
    pub last_ms: u64,
    /// Median, exact to two digits.
    pub p50_ms: u64,
    /// 99th percentile, exact to two digits.
    pub p99_ms: u64,
    /// Greatest of the run, exact.
    pub max_ms: u64,
}

/// How old the data of one kind is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FreshnessSnapshot {
    /// When its last event came.
    pub last_event_at: Moment,
    /// Older than `freshness.stale_after_secs` at `as_of`.
    pub stale: bool,
}

/// Over all conversations and all known queues, now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LiveTotals {
    /// With a customer side that is connected and not ended; absent in `metrics`, which knows no conversations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_conversations: Option<u64>,
    /// Who waits, talks and wraps up (`notifications`).
    #[serde(flatten)]
    pub live: LiveNumbers,
}

/// Over all listed queues: what happened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AllQueues {
    /// Since `totals.since`.
    pub totals: Numbers,
    /// Oldest first.
    pub windows: Vec<WindowSnapshot>,
    /// The live numbers of the day, over all listed queues that were known; not in JSON.
    #[serde(skip)]
    pub day: Day,
}

/// One window of a queue or of all.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct WindowSnapshot {
    /// Where it begins; a whole number of windows after midnight UTC.
    pub start: Moment,
    /// Its length as the service writes it: `PT1M`.
    pub granularity: Arc<str>,
    /// It ended at or before `as_of`.
    pub complete: bool,
    /// How much of its past part was covered, by the stream or by a repair.
    pub coverage_percent: f64,
    /// What happened in it.
    #[serde(flatten)]
    pub numbers: Numbers,
    /// What the live numbers were during it; `None` where nothing of them was observed, as before the program ran.
    #[serde(default)]
    pub live: Option<WindowLive>,
}

impl Serialize for WindowSnapshot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("WindowSnapshot", 5 + Numbers::FIELDS.len())?;
        fields.serialize_field("start", &self.start)?;
        fields.serialize_field("granularity", &*self.granularity)?;
        fields.serialize_field("complete", &self.complete)?;
        fields.serialize_field("coverage_percent", &self.coverage_percent)?;
        self.numbers.serialize_into(&mut fields)?;
        fields.serialize_field("live", &self.live)?;
        fields.end()
    }
}

/// One queue, now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QueueSnapshot {
    /// Its name, a label only.
    pub name: Option<String>,
    /// Who waits, talks and wraps up (`notifications`).
    #[serde(flatten)]
    pub live: LiveNumbers,
    /// Seconds since the longest waiting visit entered; `null` when nobody waits.
    pub longest_wait_secs: Option<f64>,
    /// `events` protocol: the server's number, seconds.
    pub average_wait_secs: Option<f64>,
    /// The queue's own target from the listing, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_level_target_percent: Option<f64>,
    /// Why its live numbers are not known now; `None` while its conversation topic is covered.
    pub unknown: Option<WhyUnknown>,
    /// The numbers that are beyond their thresholds now.
    #[serde(default)]
    pub alerts: BTreeMap<AlertName, AlertSnapshot>,
    /// Genesys' own count of who waits and talks, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<ObservedSnapshot>,
    /// What happened since `totals.since` (`notifications`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub totals: Option<Numbers>,
    /// How many of these answered and abandoned visits waited no longer than each bound; metrics only.
    #[serde(skip)]
    pub(crate) waits_within: Option<WaitsWithin>,
    /// What happened when, oldest first (`notifications`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub windows: Option<Windows>,
    /// The live numbers of the day (`notifications`); not in JSON.
    #[serde(skip)]
    pub day: Day,
    /// By medium; only media that were seen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_media: BTreeMap<String, Box<MediaSnapshot>>,
    /// Genesys' own statistics: medium (`all` for rows without one) → metric → statistic → number; a row with a
    /// qualifier stands one level deeper, under it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub observations: BTreeMap<String, BTreeMap<String, ObservationSnapshot>>,
}

/// A number of a queue that is beyond a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AlertSnapshot {
    /// Beyond which threshold.
    pub level: AlertLevel,
    /// Since when it has fired at this level, by the service's clock.
    pub since: Moment,
    /// The number now; `None` where it is not known or there is none, and the alert has not ended yet.
    #[serde(serialize_with = "number::maybe")]
    pub value: Option<f64>,
}

/// Genesys' own count of a queue (`oWaiting`, `oInteracting`), to be compared with ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ObservedSnapshot {
    /// Over all media.
    pub waiting: u64,
    /// Over all media.
    pub interacting: u64,
    /// When the newer of the two was received, by the service's clock.
    pub at: Moment,
    /// Since when one of them differs from ours, by the service's clock; `None` until that has lasted for a minute.
    pub differs_since: Option<Moment>,
}

/// One metric of a queue as Genesys computed it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ObservationSnapshot {
    /// Statistic to number.
    #[serde(serialize_with = "statistics")]
    Plain(BTreeMap<String, f64>),
    /// Qualifier to statistic to number.
    #[serde(serialize_with = "qualified")]
    Qualified(BTreeMap<String, BTreeMap<String, f64>>),
}

/// One medium of one queue, now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MediaSnapshot {
    /// Who waits, talks and wraps up.
    #[serde(flatten)]
    pub live: LiveNumbers,
    /// Seconds since the longest waiting visit entered.
    pub longest_wait_secs: Option<f64>,
    /// What happened since `totals.since`.
    pub totals: Numbers,
}

/// One user, now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UserSnapshot {
    /// A label only.
    pub name: Option<String>,
    /// System presence in upper snake case.
    pub presence: Option<String>,
    /// Routing status.
    pub routing_status: Option<String>,
    /// The later of the times at which these two began.
    pub since: Option<Moment>,
    /// The subscribed queues of which the user was a member at the last look at their members; empty where nobody subscribed
    /// to members of queues.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queues: Vec<Id>,
}

/// The last value of one metric (`metrics` protocol).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MetricSnapshot {
    /// As sent.
    #[serde(serialize_with = "number::exact")]
    pub value: f64,
    /// The event's own.
    pub timestamp: Option<Moment>,
    /// Queue, user or other entity, where the event named one.
    pub entity: Option<Id>,
}

fn statistics<S: Serializer>(by_name: &BTreeMap<String, f64>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(by_name.iter().map(|(name, value)| (name, Number(*value))))
}

fn qualified<S: Serializer>(
    by_qualifier: &BTreeMap<String, BTreeMap<String, f64>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    /// As [`statistics`] writes them.
    #[derive(Serialize)]
    struct Statistics<'a>(#[serde(serialize_with = "statistics")] &'a BTreeMap<String, f64>);

    serializer.collect_map(
        by_qualifier
            .iter()
            .map(|(qualifier, by_name)| (qualifier, Statistics(by_name))),
    )
}

#[cfg(test)]
mod tests;
