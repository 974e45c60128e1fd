//! An alert: a number of a queue is beyond a threshold, or no longer so.
//!
//! In: the model's alerts · Out: records · Thread: any (plain data).

use serde::{Deserialize, Serialize};

use crate::base::number;
use crate::config::AlertName;
use crate::{Id, Moment};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AlertLevel {
    /// Beyond the first threshold.
    Amber,
    /// Beyond the second.
    Red,
}

impl AlertLevel {
    /// The name in snapshots, records and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Amber => "amber",
            Self::Red => "red",
        }
    }
}

/// Whether an alert is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AlertState {
    Firing,
    Resolved,
}

/// An alert that began, changed its level, or ended. Times by the service's clock.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Alert {
    pub(crate) at: Moment,
    pub(crate) queue_id: Id,
    /// The name of the queue, a label only.
    pub(crate) queue: Option<Box<str>>,
    pub(crate) name: AlertName,
    pub(crate) state: AlertState,
    /// The level from now on; of a resolved one, the level that it had.
    pub(crate) level: AlertLevel,
    /// The number now; `None` where it is not known or there is none.
    #[serde(serialize_with = "number::maybe")]
    pub(crate) value: Option<f64>,
    /// Where `level` begins.
    #[serde(serialize_with = "number::exact")]
    pub(crate) threshold: f64,
    /// Since when it has fired at this level.
    pub(crate) since: Moment,
}
