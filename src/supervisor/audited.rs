//! What the supervisor puts into the audit file: tokens, channels, subscriptions, connections, errors.
//!
//! In: what it does · Out: entries without any secret · Thread: the supervisor's, which never waits for them.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::Supervisor;
use crate::Moment;
use crate::audit::Entry;
use crate::event::notice::CloseReason;
use crate::rest::channels::Channel;
use crate::rest::oauth::Token;

/// Refused topics that are named; the count tells of all.
const TOPICS_NAMED: usize = 20;

impl Supervisor {
    pub(super) fn audit_token(&self, token: &Token) {
        self.journal.audit(|| {
            Entry::new("token", Moment::now())
                .with("life_secs", token.life.as_secs())
                .with("expires_at", token.expires_at.to_string())
        });
    }

    pub(super) fn audit_channel(&self, line: usize, channel: &Channel) {
        self.journal.audit(|| {
            let entry = Entry::new("channel", Moment::now()).with("line", line);
            match channel.expires {
                Some(expires) => entry.with("expires_at", expires.to_string()),
                None => entry,
            }
        });
    }

    pub(super) fn audit_subscription(&self, line: usize, topics: usize, refused: &BTreeMap<String, String>) {
        self.journal.audit(|| {
            let named: BTreeMap<_, _> = refused.iter().take(TOPICS_NAMED).collect();
            let entry = Entry::new("subscription", Moment::now())
                .with("line", line)
                .with("topics", topics)
                .with("refused", refused.len());
            match serde_json::to_value(&named) {
                Ok(named) if !refused.is_empty() => entry.with("refused_topics", named),
                _ => entry,
            }
        });
    }

    pub(super) fn audit_connection(&self, number: u32, state: &str, reason: Option<&CloseReason>) {
        self.journal.audit(|| {
            let entry = Entry::new("connection", Moment::now())
                .with("connection", number)
                .with("state", state);
            match reason {
                Some(reason) => entry.with("cause", reason.to_string()),
                None => entry,
            }
        });
    }

    pub(super) fn audit_error(&self, error: &dyn Display) {
        self.journal
            .audit(|| Entry::new("error", Moment::now()).with("error", error.to_string()));
    }
}
