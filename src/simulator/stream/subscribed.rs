//! The sockets of the tutorials' protocols and their subscriptions.
//!
//! In: accepted subscriptions · Out: which socket gets what · Thread: under the lock of the list that holds them.

use super::Outbox;
use crate::simulator::when::{Ms, millis, parse_iso, parse_period};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One `events` socket.
pub(in crate::simulator) struct EventSocket {
    pub outbox: Arc<Outbox>,
    pub token: String,
    pub(super) conversations: bool,
    pub(super) queue_updates: bool,
    /// Ids of the queues in the filter, in lower case; `None` = no filter.
    pub(super) queues: Option<Vec<String>>,
}

impl EventSocket {
    pub(super) fn wants_queue(&self, queue: &str) -> bool {
        self.queues.as_ref().is_none_or(|list| list.iter().any(|q| q == queue))
    }
}

/// One `metrics` socket; `wanted` is `None` until its payload is accepted.
pub(in crate::simulator) struct MetricSocket {
    pub outbox: Arc<Outbox>,
    pub token: String,
    pub(super) wanted: Option<MetricRequest>,
    pub(super) sent: HashMap<(usize, Option<usize>), (Vec<Value>, Instant)>,
}

/// An accepted payload.
#[derive(Clone)]
pub(super) struct MetricRequest {
    pub(super) types: Vec<String>,
    pub(super) metrics: Vec<String>,
    pub(super) windows: Vec<(Bound, Bound)>,
    pub(super) queues: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Bound {
    Now,
    Back(Duration),
    At(Ms),
}

impl Bound {
    pub(super) fn parse(text: &str) -> Option<Bound> {
        match text.strip_prefix("now") {
            Some("") => Some(Bound::Now),
            Some(rest) => parse_period(rest.strip_prefix('-')?).map(Bound::Back),
            None => parse_iso(text).map(Bound::At),
        }
    }

    pub(super) fn at(self, now: Ms) -> Ms {
        match self {
            Bound::Now => now,
            Bound::Back(length) => now - millis(length),
            Bound::At(at) => at,
        }
    }
}
