//! The state of the stream as the dashboard shows it.
//!
//! In: changes of the supervisor · Out: `ConnectionSnapshot` · Thread: any (pure).

use std::collections::BTreeMap;

use super::control::StateAndCause;
use crate::Moment;
use crate::config::Protocol;
use crate::event::state::{ConnectionState, StateChange};
use crate::model::snapshot::ConnectionSnapshot;

/// What is known of connections, token and channels.
#[derive(Debug)]
pub(super) struct ConnectionView {
    /// Without what others know: the last frame, and the gaps.
    shown: ConnectionSnapshot,
    /// Refused topics of each line.
    refused: BTreeMap<usize, BTreeMap<String, String>>,
}

impl ConnectionView {
    pub(super) fn new(protocol: Protocol, since: Moment) -> Self {
        Self {
            shown: ConnectionSnapshot {
                state: ConnectionState::Connecting,
                protocol,
                connections: 0,
                reconnects: 0,
                since,
                last_frame_at: None,
                token_expires_at: None,
                channel_expires_at: None,
                clock_ahead_ms: 0,
                cause: None,
                refused_topics: BTreeMap::new(),
                gaps_total: 0,
                gaps: Vec::new(),
            },
            refused: BTreeMap::new(),
        }
    }

    pub(super) fn state(&self) -> StateAndCause {
        (self.shown.state, self.shown.cause.clone())
    }

    pub(super) fn set_state(&mut self, change: &StateChange) {
        self.shown.state = change.state;
        self.shown.since = change.at;
        self.shown.cause.clone_from(&change.cause);
    }

    pub(super) fn set_token(&mut self, expires_at: Moment) {
        self.shown.token_expires_at = Some(expires_at);
    }

    pub(super) fn set_connections(&mut self, open: u32, reconnects: u64, channel_expires_at: Option<Moment>) {
        self.shown.connections = open;
        self.shown.reconnects = reconnects;
        self.shown.channel_expires_at = channel_expires_at;
    }

    /// Replaces the refused topics of a line.
    pub(super) fn set_refused(&mut self, line: usize, topics: BTreeMap<String, String>) {
        self.refused.insert(line, topics);
        let all = self.refused.values().flatten();
        self.shown.refused_topics = all.map(|(topic, why)| (topic.clone(), why.clone())).collect();
    }

    pub(super) fn snapshot(&self, last_frame_at: Option<Moment>) -> ConnectionSnapshot {
        ConnectionSnapshot {
            last_frame_at,
            ..self.shown.clone()
        }
    }
}
