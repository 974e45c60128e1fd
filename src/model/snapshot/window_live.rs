//! What the live numbers of a queue were during a window.
//!
//! In: the history; JSON through serde · Out: JSON through serde, typed fields for library users · Thread: any (immutable).

use serde::{Deserialize, Serialize};

use crate::base::number;
use crate::model::day::{Range, Ranges};

/// The live numbers during one window, as far as they were observed; `None` where one was not known at any moment of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct WindowLive {
    /// Visits that waited.
    pub waiting: Option<LiveRange>,
    /// Seconds since the longest waiting visit entered; 0 while nobody waited.
    pub longest_wait_secs: Option<LiveRange>,
    /// Agents connected to a conversation.
    pub interacting: Option<LiveRange>,
    /// Members of the queue on queue and idle, by Genesys' observations.
    pub idle: Option<LiveRange>,
}

/// What one number was during a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct LiveRange {
    /// The greatest.
    #[serde(serialize_with = "number::exact")]
    pub max: f64,
    /// The mean over the time in which it was known, to three digits.
    pub mean: f64,
    /// The last that was known.
    #[serde(serialize_with = "number::exact")]
    pub last: f64,
}

/// What was recorded of a window, in the units of a snapshot.
pub(super) fn live([waiting, longest_wait, interacting, idle]: Ranges) -> WindowLive {
    let range = |range: Option<Range>, per_unit: f64| {
        range.map(|range| LiveRange {
            max: range.max as f64 / per_unit,
            mean: range.mean as f64 / 1000.0,
            last: range.last as f64 / per_unit,
        })
    };
    WindowLive {
        waiting: range(waiting, 1.0),
        longest_wait_secs: range(longest_wait, 1000.0),
        interacting: range(interacting, 1.0),
        idle: range(idle, 1.0),
    }
}
