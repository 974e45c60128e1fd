//! What a model needs to know of the configuration.
//!
//! In: the configuration, or the first line of a recording · Out: [`Settings`] · Thread: any (plain data).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::millis;
use crate::config::{Config, Protocol, ThresholdsConfig, TotalsConfig, WindowsConfig};

/// What a model needs to know of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Decides which numbers exist.
    pub protocol: Protocol,
    /// Data older than this is stale.
    #[serde(rename = "stale_after_ms", with = "millis")]
    pub stale_after: Duration,
    /// How long a finished conversation is remembered.
    #[serde(rename = "retention_ms", with = "millis")]
    pub retention: Duration,
    /// Conversations in memory at most.
    pub max_conversations: usize,
    /// Bytes of conversations in memory at most, those included of which only the counts are known, and of the numbers and
    /// histories of queues.
    #[serde(default = "default_max_bytes")]
    pub max_bytes: usize,
    /// Windows of the numbers.
    pub windows: WindowsConfig,
    /// Since when totals count.
    pub totals: TotalsConfig,
    /// When numbers of queues are alerts.
    #[serde(default, skip_serializing_if = "ThresholdsConfig::is_empty")]
    pub thresholds: ThresholdsConfig,
}

/// For recordings made before the key existed.
fn default_max_bytes() -> usize {
    128 << 20
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        Self {
            protocol: config.protocol,
            stale_after: config.stale_after,
            retention: config.model.retention,
            max_conversations: config.model.max_conversations,
            max_bytes: config.model.max_bytes,
            windows: config.windows,
            totals: config.totals.clone(),
            thresholds: config.thresholds.clone(),
        }
    }
}
