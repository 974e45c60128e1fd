//! Which queues the snapshot lists, and what the listing says of them.
//!
//! In: the supervisor's subscriptions, the queue listing · Out: labels, targets, thresholds · Thread: any (plain data).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::Id;
use crate::event::facts::MediaKind;

/// Queues that a snapshot lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueSet {
    /// Every queue that events name: all are meant and there is no listing.
    All,
    /// These: subscribed, or named by a subscribed topic.
    These(BTreeSet<Id>),
}

impl Default for QueueSet {
    fn default() -> Self {
        Self::These(BTreeSet::new())
    }
}

/// What the queue listing says of one queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct QueueSettings {
    /// A label only.
    pub name: Option<Box<str>>,
    /// Its service level target in percent, if it has one.
    pub service_level_target_percent: Option<f64>,
    /// Its service level threshold by medium.
    pub service_level_thresholds: BTreeMap<MediaKind, Duration>,
}

/// Subscribed queues and what is known of them.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    pub(crate) listed: QueueSet,
    pub(crate) settings: BTreeMap<Id, QueueSettings>,
}

impl Queues {
    /// Whether a queue counts towards the totals: the listed ones, or all if none is listed (only topics or users are
    /// subscribed).
    pub(crate) fn counts(&self, queue: &Id) -> bool {
        match &self.listed {
            QueueSet::All => true,
            QueueSet::These(queues) => queues.is_empty() || queues.contains(queue),
        }
    }
}
