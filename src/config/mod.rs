//! The configuration of a stream, checked and ready to use.
//!
//! In: flags, environment, file (see the submodules) · Out: `Config` · Thread: any (plain data).

pub(crate) mod allowed;
mod build;
mod builder;
mod canonical;
mod credentials;
#[cfg(feature = "engine")]
pub(crate) mod engine;
mod json;
pub(crate) mod message;
mod metrics;
mod notes;
mod outputs;
pub(crate) mod period;
mod profile;
pub(crate) mod reading;
mod region;
mod sections;
mod settings;
mod subscribe;
#[cfg(test)]
mod tests;
mod thresholds;
pub(crate) mod time_zone;
pub(crate) mod whole_file;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::canonical::path;
use crate::{Error, ErrorKind, Secret};

pub use builder::ConfigBuilder;
#[cfg(feature = "cli")]
pub(crate) use metrics::{METRIC_TYPES, METRICS};
#[cfg(feature = "cli")]
pub(crate) use notes::Terminal;
#[cfg(feature = "cli")]
pub(crate) use region::REGIONS;
pub use sections::WhenFull;
pub(crate) use sections::{
    BackfillConfig, BufferConfig, HeartbeatConfig, Hosts, HttpConfig, LimitsConfig, MetricsPayload, ModelConfig,
    OutputsConfig, ReconnectConfig, ServiceLevel, Stdout, Subscribe, TimeWindow, TotalsConfig, TotalsSince,
    WebhookConfig, WebhookOn, WindowsConfig,
};
pub use thresholds::AlertName;
pub(crate) use thresholds::{AgentLimits, Levels, QueueThresholds, ThresholdsConfig};
pub(crate) use time_zone::TimeZone;

/// The protocol that a stream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Protocol {
    /// The Notification Service that Genesys documents.
    #[default]
    Notifications,
    /// The event socket of the first tutorial.
    Events,
    /// The analytics socket of the second tutorial.
    Metrics,
}

impl Protocol {
    /// The name used in flags, files and records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Notifications => "notifications",
            Self::Events => "events",
            Self::Metrics => "metrics",
        }
    }
}

/// The checked configuration of one stream.
///
/// It comes from [`Config::builder`] and cannot be changed: every value in it is in its range. Each setter of
/// [`ConfigBuilder`] has a method of the same name here that gives the value in effect. `Serialize` writes all settings
/// but secrets; that form may change.
///
/// ```
/// use genesys_stream::{Config, Secret};
/// use std::time::Duration;
///
/// let config = Config::builder()
///     .region("mypurecloud.ie")
///     .client_id("my-client")
///     .client_secret(Secret::new("from your vault"))
///     .heartbeat_interval(Duration::from_millis(7_500))
///     .build()?;
/// assert_eq!(config.heartbeat_interval(), Duration::from_millis(7_500));
/// assert_eq!(config.buffer_capacity(), 5_000);
/// # Ok::<(), genesys_stream::Error>(())
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct Config {
    /// Where login, API and sockets are.
    pub(crate) hosts: Hosts,
    /// PEM file with certificates that are trusted in addition to the system's.
    #[serde(serialize_with = "path")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Proxy from flag, setter or file, which may hold a password; without it the usual environment variables hold (see
    /// `proxy_from_env`).
    #[serde(skip)]
    pub(crate) proxy: Option<Secret>,
    /// Whether `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY` and their like are read.
    pub(crate) proxy_from_env: bool,
    /// OAuth client of the grant type "client credentials".
    pub(crate) client_id: String,
    /// Its secret.
    #[serde(skip)]
    pub(crate) client_secret: Secret,
    /// Which protocol is spoken.
    pub(crate) protocol: Protocol,
    /// `metrics` only: check that there is data before the socket is opened.
    pub(crate) verify: bool,
    /// What is subscribed.
    pub(crate) subscribe: Subscribe,
    /// The bounded buffer between reader and aggregator.
    pub(crate) buffer: BufferConfig,
    /// How a dead connection is noticed.
    pub(crate) heartbeat: HeartbeatConfig,
    /// Pauses between attempts.
    pub(crate) reconnect: ReconnectConfig,
    /// Limits of steps that wait for the other side.
    pub(crate) limits: LimitsConfig,
    /// How long before its end a token is replaced, at most (20 % of its life if that is less). `token.refresh_before_secs`.
    pub(crate) token_refresh_before: Duration,
    /// Data older than this is stale. `freshness.stale_after_secs`.
    pub(crate) stale_after: Duration,
    /// Windows of the numbers.
    pub(crate) windows: WindowsConfig,
    /// Since when totals count.
    pub(crate) totals: TotalsConfig,
    /// Memory of conversations.
    pub(crate) model: ModelConfig,
    /// Requests a minute to the REST API, all callers together. `rest.max_requests_per_min`.
    pub(crate) rest_max_requests_per_min: u32,
    /// Repair of gaps through REST.
    pub(crate) backfill: BackfillConfig,
    /// When numbers of queues are alerts.
    pub(crate) thresholds: ThresholdsConfig,
    /// How long agents may be in a status. `thresholds.agents`.
    pub(crate) agent_limits: AgentLimits,
    /// Where results go.
    pub(crate) outputs: OutputsConfig,
    /// The small HTTP server.
    pub(crate) http: HttpConfig,
    /// Sharing through Redis.
    #[cfg(feature = "engine")]
    pub(crate) engine: engine::EngineConfig,
}
