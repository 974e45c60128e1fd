//! The dashboard at one moment, as it is written (schema 1).
//!
//! In: the model · Out: JSON through serde, typed fields for library users · Thread: any (immutable once built).
//!
//! A field that is `None` (or an empty map that the run cannot fill) is left out of the JSON unless the contract says
//! `null`: no number is made up.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

use super::numbers::{AllQueues, Numbers, WindowSnapshot};
pub use crate::event::gap::{Gap, GapTopics};
pub use crate::event::state::ConnectionState;
use crate::{Id, Moment};

/// Writes a number of the service as it would: without a fraction where it has none.
fn number<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    /// The greatest integer up to which every integer has its own `f64`.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        // In range and whole, as just checked.
        serializer.serialize_i64(*value as i64)
    } else {
        serializer.serialize_f64(*value)
    }
}

/// See [`number`].
struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        number(&self.0, serializer)
    }
}

/// The dashboard at one moment.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Snapshot {
    /// Always `snapshot`.
    pub record: &'static str,
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
    pub latency: BTreeMap<&'static str, LatencySnapshot>,
    /// By kind of event; by metric type in the `metrics` protocol.
    pub freshness: BTreeMap<String, FreshnessSnapshot>,
    /// Over all conversations.
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

/// State of the stream.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectionSnapshot {
    /// `connecting`, `streaming`, `backoff` or `stopped`.
    pub state: ConnectionState,
    /// Name of the protocol.
    pub protocol: &'static str,
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
    /// Why the state changed last, in a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Topics that the service refused, with its reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub refused_topics: BTreeMap<String, String>,
    /// Gaps of this run.
    pub gaps_total: u64,
    /// The last 100 gaps.
    pub gaps: Vec<Gap>,
}

/// What was received, applied and lost. At any time
/// `events_decoded = events_applied + events_coalesced + events_dropped + events_buffered`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
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
    /// Frames that are no events of this protocol.
    pub malformed: u64,
    /// `metrics` protocol: events without timestamp or metrics; also counted as decoded.
    pub incomplete: u64,
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
    /// Differences found between stream and REST.
    pub drift: u64,
    /// Facts from REST.
    pub repairs: u64,
}

/// What an output took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputSnapshot {
    /// Records written.
    pub written: u64,
    /// Records it could not take.
    pub missed: u64,
}

/// `received_at − event_time` of one kind, in milliseconds; longer than two years counts as two years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FreshnessSnapshot {
    /// When its last event came.
    pub last_event_at: Moment,
    /// Older than `freshness.stale_after_secs` at `as_of`.
    pub stale: bool,
}

/// Over all conversations, now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LiveTotals {
    /// With a customer side that is connected and not ended; absent in `metrics`, which knows no conversations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_conversations: Option<u64>,
    /// Visits that wait (`notifications`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<u64>,
    /// Agents that are connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interacting: Option<u64>,
    /// Agents in after-call work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_call_work: Option<u64>,
}

/// One queue, now.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct QueueSnapshot {
    /// Its name, a label only.
    pub name: Option<String>,
    /// Visits that wait (`notifications`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<u64>,
    /// Agents that are connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interacting: Option<u64>,
    /// Agents in after-call work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_call_work: Option<u64>,
    /// Seconds since the longest waiting visit entered; `null` when nobody waits.
    pub longest_wait_secs: Option<f64>,
    /// `events` protocol: the server's number, seconds.
    pub average_wait_secs: Option<f64>,
    /// The queue's own target from the listing, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_level_target_percent: Option<f64>,
    /// What happened since `totals.since` (`notifications`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub totals: Option<Numbers>,
    /// What happened when, oldest first (`notifications`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub windows: Option<Vec<WindowSnapshot>>,
    /// By medium; only media that were seen.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub by_media: BTreeMap<&'static str, MediaSnapshot>,
    /// Genesys' own statistics: medium (`all` for rows without one) → metric → statistic → number; a row with a
    /// qualifier stands one level deeper, under it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub observations: BTreeMap<&'static str, BTreeMap<String, ObservationSnapshot>>,
}

/// One metric of a queue as Genesys computed it.
#[derive(Clone, Debug, PartialEq)]
pub enum ObservationSnapshot {
    /// Statistic to number.
    Plain(BTreeMap<String, f64>),
    /// Qualifier to statistic to number.
    Qualified(BTreeMap<String, BTreeMap<String, f64>>),
}

/// Statistics with their numbers as [`number`] writes them.
struct Statistics<'a>(&'a BTreeMap<String, f64>);

impl Serialize for Statistics<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, Number(*value))))
    }
}

impl Serialize for ObservationSnapshot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(stats) => Statistics(stats).serialize(serializer),
            Self::Qualified(by_qualifier) => serializer.collect_map(
                by_qualifier
                    .iter()
                    .map(|(qualifier, stats)| (qualifier, Statistics(stats))),
            ),
        }
    }
}

/// One medium of one queue, now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct MediaSnapshot {
    /// Visits that wait.
    pub waiting: u64,
    /// Agents that are connected.
    pub interacting: u64,
    /// Agents in after-call work.
    pub after_call_work: u64,
    /// Seconds since the longest waiting visit entered.
    pub longest_wait_secs: Option<f64>,
    /// What happened since `totals.since`.
    pub totals: Numbers,
}

/// One user, now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UserSnapshot {
    /// A label only.
    pub name: Option<String>,
    /// System presence in upper snake case.
    pub presence: Option<String>,
    /// Routing status.
    pub routing_status: Option<String>,
    /// The later of the times at which these two began.
    pub since: Option<Moment>,
}

/// The last value of one metric (`metrics` protocol).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricSnapshot {
    /// As sent.
    #[serde(serialize_with = "number")]
    pub value: f64,
    /// The event's own.
    pub timestamp: Option<Moment>,
    /// Queue, user or other entity, where the event named one.
    pub entity: Option<Id>,
}
