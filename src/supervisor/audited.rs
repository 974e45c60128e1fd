//! What the supervisor puts into the audit file: tokens, channels, subscriptions, connections, errors.
//!
//! In: what happened · Out: entries without any secret · Thread: none of its own (pure).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Moment;
use crate::audit::Entry;

/// Refused topics that are named; the count tells of all.
const TOPICS_NAMED: usize = 20;

/// Something worth an entry.
#[derive(Debug)]
pub(super) enum Occurrence {
    /// A token was obtained.
    Token { life: Duration, expires_at: Moment },
    /// A channel was created.
    Channel { line: usize, expires_at: Option<Moment> },
    /// A list of topics was subscribed, except the refused ones.
    Subscription {
        line: usize,
        topics: usize,
        /// Topic and reason.
        refused: BTreeMap<String, String>,
    },
    /// A connection took on another state.
    Connection {
        number: u32,
        state: &'static str,
        cause: Option<String>,
    },
    /// Something failed.
    Error(String),
}

impl Occurrence {
    pub(super) fn entry(&self, at: Moment) -> Entry {
        match self {
            Self::Token { life, expires_at } => Entry::new("token", at)
                .with("life_secs", life.as_secs())
                .with("expires_at", expires_at.to_string()),
            Self::Channel { line, expires_at } => {
                let entry = Entry::new("channel", at).with("line", *line);
                match expires_at {
                    Some(expires_at) => entry.with("expires_at", expires_at.to_string()),
                    None => entry,
                }
            }
            Self::Subscription { line, topics, refused } => {
                let named: BTreeMap<_, _> = refused.iter().take(TOPICS_NAMED).collect();
                let entry = Entry::new("subscription", at)
                    .with("line", *line)
                    .with("topics", *topics)
                    .with("refused", refused.len());
                match serde_json::to_value(&named) {
                    Ok(named) if !refused.is_empty() => entry.with("refused_topics", named),
                    _ => entry,
                }
            }
            Self::Connection { number, state, cause } => {
                let entry = Entry::new("connection", at)
                    .with("connection", *number)
                    .with("state", *state);
                match cause {
                    Some(cause) => entry.with("cause", cause.as_str()),
                    None => entry,
                }
            }
            Self::Error(error) => Entry::new("error", at).with("error", error.as_str()),
        }
    }
}
