//! What the supervisor puts into the audit file: tokens, channels, subscriptions, connections, errors.
//!
//! In: what it does · Out: entries without any secret · Thread: the supervisor's, which never waits for them.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::Supervisor;
use crate::Moment;
use crate::audit::entries;
use crate::event::notice::CloseReason;
use crate::rest::channels::Channel;
use crate::rest::oauth::Token;

impl Supervisor {
    pub(super) fn audit_token(&self, token: &Token) {
        self.journal
            .audit(|| entries::token(token.life, token.expires_at, Moment::now()));
    }

    pub(super) fn audit_channel(&self, line: usize, channel: &Channel) {
        self.journal
            .audit(|| entries::channel(line, channel.expires, Moment::now()));
    }

    pub(super) fn audit_subscription(&self, line: usize, topics: usize, refused: &BTreeMap<String, String>) {
        self.journal
            .audit(|| entries::subscription(line, topics, refused, Moment::now()));
    }

    pub(super) fn audit_connection(&self, number: u32, state: &str, reason: Option<&CloseReason>) {
        self.journal
            .audit(|| entries::connection(number, state, reason, Moment::now()));
    }

    pub(super) fn audit_error(&self, error: &dyn Display) {
        self.journal.audit(|| entries::error(error, Moment::now()));
    }
}
