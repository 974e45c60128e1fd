//! A routing queue as the service lists it.
//!
//! In: REST · Out: names, targets and thresholds for the model · Thread: any (plain data).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::facts::MediaKind;
use crate::Id;
use crate::base::millis;

/// A routing queue, from the listing or from the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Queue {
    pub(crate) id: Id,
    /// `None` for an id that the listing does not contain.
    pub(crate) name: Option<String>,
    /// The queue's service level settings, by medium.
    pub(crate) service_levels: Vec<(MediaKind, ServiceLevelSetting)>,
}

/// `mediaSettings.<medium>.serviceLevel`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ServiceLevelSetting {
    /// The target, 0 to 100.
    pub(crate) target_percent: Option<f64>,
    /// An interaction that is answered within this time counts as within the service level.
    #[serde(rename = "threshold_ms", with = "millis::option")]
    pub(crate) threshold: Option<Duration>,
}
