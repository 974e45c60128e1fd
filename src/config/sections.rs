//! The sections of a configuration, as in its file.
//!
//! In: the checks of a configuration · Out: plain values in their ranges · Thread: any (plain data).

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::canonical::path;
use super::time_zone::TimeZone;
use crate::Secret;
use crate::base::millis;

/// Base URLs, without a trailing slash; `streaming` is `ws://` or `wss://`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hosts {
    /// The region as the user named it, for messages.
    pub region: String,
    /// `https://login.<domain>`.
    pub login: String,
    /// `https://api.<domain>`.
    pub api: String,
    /// `wss://streaming.<domain>`: a `connectUri` must have this host.
    pub streaming: String,
}

#[cfg(feature = "engine")]
impl Hosts {
    /// Of a process that does not connect to Genesys; `region` is shown.
    pub(crate) fn none(region: &str) -> Self {
        Self {
            region: region.to_owned(),
            login: String::new(),
            api: String::new(),
            streaming: String::new(),
        }
    }
}

/// What is subscribed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Subscribe {
    /// Queues by id or name as the user gave them; `all` for every queue. Empty with no users and topics either means all.
    ///
    /// Names are resolved when the stream starts. In the `metrics` protocol the resolved ids then fill
    /// `entityFilters.queueIds`, unless `metrics.entity_filters` holds something.
    pub queues: Vec<String>,
    /// Users by id; `queue-members` for the members of the queues that are named (or `all`).
    pub users: Vec<String>,
    /// Topics as they are.
    pub topics: Vec<String>,
    /// How often the listing of queues is read again with `all`.
    pub refresh: Duration,
    /// `events` protocol: event types.
    pub event_types: Vec<String>,
    /// `metrics` protocol: the payload.
    pub metrics: MetricsPayload,
}

impl Subscribe {
    /// Whether every queue is meant: `all` is named, or nothing at all.
    #[must_use]
    pub fn all_queues(&self) -> bool {
        self.queues.iter().any(|q| q == "all")
            || (self.queues.is_empty() && self.users.is_empty() && self.topics.is_empty())
    }
}

/// What the client of the `metrics` protocol sends first; order and names of the fields are those of the tutorial.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricsPayload {
    /// 1 to 5 of queue agent interaction skill wrapup skillGroup.
    pub metric_types: Vec<String>,
    /// At most 3.
    pub time_windows: Vec<TimeWindow>,
    /// `PT<n>M`, `PT<n>H` or `PT<n>S`.
    pub granularity: String,
    /// 1 to 20 metric names.
    pub metrics: Vec<String>,
    /// Filters as the service takes them: name to a list of ids.
    pub entity_filters: serde_json::Map<String, serde_json::Value>,
}

/// One window of a [`MetricsPayload`]: each bound is `now`, `now-PT…` or ISO 8601.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TimeWindow {
    /// Where it begins.
    pub start: String,
    /// Where it ends.
    pub end: String,
}

impl Default for MetricsPayload {
    fn default() -> Self {
        let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        Self {
            metric_types: owned(&["queue", "agent"]),
            time_windows: vec![TimeWindow {
                start: "now-PT1H".to_owned(),
                end: "now".to_owned(),
            }],
            granularity: "PT1M".to_owned(),
            metrics: owned(&["offered", "answered", "serviceLevelPercent", "avgWaitTime"]),
            entity_filters: serde_json::Map::new(),
        }
    }
}

/// What happens to events when the buffer between reader and aggregator is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WhenFull {
    /// The event is merged into a waiting one of the same conversation, queue or user. Where there is none, the reader waits
    /// until its next timer; then the oldest is dropped.
    #[default]
    Coalesce,
    /// The reader waits; no event is dropped.
    Block,
    /// The oldest waiting event is dropped.
    DropOldest,
    /// The new event is dropped.
    DropNewest,
}

/// `buffer` in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BufferConfig {
    /// Events that may wait; at least 1.
    pub capacity: usize,
    /// What happens to events when it is full.
    pub when_full: WhenFull,
}

/// `heartbeat` in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HeartbeatConfig {
    /// Between two pings; at least 1 s.
    pub interval: Duration,
    /// Its answer, or any other frame, must come within this; at least 1 s.
    pub timeout: Duration,
    /// Without any frame for this long the connection is given up; at least 1 s.
    pub silence: Duration,
}

/// `limits` in the file: how long a step may wait for the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LimitsConfig {
    /// Name lookup and TCP connect together, and the answer of a proxy.
    pub connect: Duration,
    /// Each TLS handshake, and the answer to a WebSocket upgrade.
    pub handshake: Duration,
    /// A REST call in all, from the lookup to the last byte of its answer.
    pub rest: Duration,
}

impl LimitsConfig {
    /// The whole opening of a socket: connect, TLS and upgrade.
    pub(crate) fn opening(&self) -> Duration {
        self.connect + self.handshake * 2
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            handshake: Duration::from_secs(10),
            rest: Duration::from_secs(15),
        }
    }
}

/// `reconnect` in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ReconnectConfig {
    /// Upper bound of the first pause; at least 10 ms.
    pub initial: Duration,
    /// Upper bound of every pause; at least `initial`.
    pub max: Duration,
    /// Failures in a row before giving up; 0 = never.
    pub max_attempts: u32,
    /// Streaming this long makes the next failure the first again.
    pub stable_after: Duration,
    /// Notification channels that one connection's failures may create in an hour; at least 2. Half of them may come at
    /// once, the others one by one. `reconnect.max_channels_per_hour`.
    pub max_channels_per_hour: u32,
}

/// The threshold of the service level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceLevel {
    /// The queue's own setting for the medium, 20 s without one.
    Queue,
    /// The same for every queue.
    #[serde(rename = "fixed_ms", with = "millis")]
    Fixed(Duration),
}

/// `windows` in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowsConfig {
    /// Length of a window; aligned to the clock in UTC.
    #[serde(rename = "granularity_ms", with = "millis")]
    pub granularity: Duration,
    /// How many are kept; at least 1.
    pub keep: usize,
    /// Threshold of the service level.
    pub service_level: ServiceLevel,
    /// Abandoned sooner than this is also short-abandoned; zero = never.
    #[serde(rename = "short_abandon_ms", with = "millis")]
    pub short_abandon: Duration,
}

/// Since when totals count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TotalsSince {
    /// Since the start of the stream.
    Start,
    /// Since midnight of `time_zone`, else of `utc_offset`.
    Day,
}

/// `totals` in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TotalsConfig {
    /// Since when.
    pub since: TotalsSince,
    /// Minutes east of UTC, -1439 to 1439.
    pub utc_offset_minutes: i32,
    /// The zone whose midnight begins the day; without one `utc_offset_minutes` counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<TimeZone>,
}

/// `model` in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ModelConfig {
    /// How long a finished conversation is remembered.
    pub retention: Duration,
    /// Conversations in memory at most; at least 1.
    pub max_conversations: usize,
    /// Bytes of conversations in memory at most, those included of which only the counts are known; at least 1 MiB.
    pub max_bytes: usize,
    /// An open conversation unseen for this long is asked for.
    pub recheck: Duration,
}

/// `backfill` in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BackfillConfig {
    /// Whether gaps are repaired through REST.
    pub enabled: bool,
    /// Its share of the requests a minute.
    pub max_requests_per_min: u32,
    /// How many days before a gap conversations may have begun.
    pub lookback_days: u32,
}

/// What goes to stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stdout {
    /// `Live` on a terminal, `Lines` elsewhere.
    #[default]
    Auto,
    /// One screen, redrawn in place.
    Live,
    /// One JSON record an event.
    Events,
    /// One JSON snapshot an interval.
    Snapshots,
    /// One short human line an event, without customer data.
    Lines,
    /// Nothing.
    None,
}

/// `outputs` in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutputsConfig {
    /// What goes to stdout (the program only; a library prints nothing).
    pub stdout: Stdout,
    /// Empties names, addresses, attributes and notes in records.
    pub redact: bool,
    /// Time between two snapshots.
    pub interval: Duration,
    /// Replaced atomically with a snapshot, and at the end with the last one.
    #[serde(serialize_with = "path")]
    pub snapshot_file: Option<PathBuf>,
    /// Least time between two replacements.
    pub snapshot_every: Duration,
    /// Its permission bits. `None`: a new file is readable by its owner only, and those of an existing one stay.
    pub snapshot_mode: Option<u32>,
    /// Hash-chained audit file.
    #[serde(serialize_with = "path")]
    pub audit_file: Option<PathBuf>,
    /// Recording of raw frames.
    #[serde(serialize_with = "path")]
    pub record_file: Option<PathBuf>,
    /// Logs go here instead of stderr.
    #[serde(serialize_with = "path")]
    pub log_file: Option<PathBuf>,
    /// The tutorials' dashboard callback over HTTP.
    pub webhook: Option<WebhookConfig>,
}

/// `outputs.webhook` in the file.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct WebhookConfig {
    /// Where snapshots or events are posted.
    #[serde(skip)]
    pub url: String,
    /// Key of the signature.
    #[serde(skip)]
    pub secret: Option<Secret>,
    /// What is posted.
    pub on: WebhookOn,
    /// Total limit of one post.
    pub timeout: Duration,
    /// Whether `http://` is accepted off loopback.
    pub allow_http: bool,
}

impl std::fmt::Debug for WebhookConfig {
    /// Without the address: its path or query may hold a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookConfig")
            .field("on", &self.on)
            .field("timeout", &self.timeout)
            .field("allow_http", &self.allow_http)
            .finish_non_exhaustive()
    }
}

/// What a webhook posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookOn {
    /// One JSON snapshot.
    Snapshot,
    /// NDJSON of at most 500 events.
    Events,
    /// NDJSON of at most 500 alerts.
    Alerts,
}

/// `http` in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HttpConfig {
    /// `HOST:PORT` of the small HTTP server; none = no server.
    pub listen: Option<String>,
    /// What `http.token_file` holds: asked for wherever it is set, and needed off loopback.
    #[serde(skip)]
    pub token: Option<Secret>,
    /// Host names that are answered in addition to loopback names and the listen address.
    pub allowed_hosts: Vec<String>,
}
