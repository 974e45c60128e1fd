//! What the live numbers of a queue were during a window.
//!
//! In: the history; JSON through serde · Out: JSON through serde, typed fields for library users · Thread: any (immutable).

use serde::{Deserialize, Serialize};

use crate::base::number;

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
