//! The states of the stream, and the changes between them.
//!
//! In: the supervisor · Out: records, snapshots, audit entries · Thread: any (plain data).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Moment;
use crate::base::millis;

/// States of the stream as records name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConnectionState {
    /// Logging in, planning, subscribing, opening the socket.
    Connecting,
    /// Subscribed and receiving frames.
    Streaming,
    /// Waiting before the next attempt.
    Backoff,
    /// Ended.
    Stopped,
}

impl ConnectionState {
    /// The name in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Streaming => "streaming",
            Self::Backoff => "backoff",
            Self::Stopped => "stopped",
        }
    }
}

/// Why a run stops without a failure: on request, by the server, because nobody reads its output.
pub(crate) const ORDERLY_STOPS: [&str; 3] = ["asked to stop", "the server ended the stream", "the output was closed"];

/// A change of the stream's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StateChange {
    pub(crate) at: Moment,
    /// The new state.
    pub(crate) state: ConnectionState,
    /// The cause in one line.
    pub(crate) cause: Option<String>,
    /// The number of the attempt in a row, from 1.
    pub(crate) attempt: Option<u32>,
    /// The time until the next attempt.
    #[serde(rename = "retry_in_ms", with = "millis::option")]
    pub(crate) retry_in: Option<Duration>,
}

impl StateChange {
    /// The change to `Stopped`.
    pub(crate) fn stopped(at: Moment, cause: impl Into<String>) -> Self {
        Self {
            at,
            state: ConnectionState::Stopped,
            cause: Some(cause.into()),
            attempt: None,
            retry_in: None,
        }
    }
}
