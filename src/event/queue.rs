//! A routing queue as its listing describes it.
//!
//! In: REST · Out: names, targets and thresholds for the model · Thread: any (plain data).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::facts::MediaKind;
use crate::Id;
use crate::base::millis;

/// A routing queue, as far as its listing or its configuration tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Queue {
    /// Its id.
    pub(crate) id: Id,
    /// Its name; none for an id that the listing does not hold.
    pub(crate) name: Option<String>,
    /// Its own service levels, by medium.
    pub(crate) service_levels: Vec<(MediaKind, ServiceLevelSetting)>,
}

/// `mediaSettings.<medium>.serviceLevel`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ServiceLevelSetting {
    /// The target, 0 to 100.
    pub(crate) target_percent: Option<f64>,
    /// Answered within this counts.
    #[serde(rename = "threshold_ms", with = "millis::option")]
    pub(crate) threshold: Option<Duration>,
}
