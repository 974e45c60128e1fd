//! The decoded content of events.
//!
//! In: decoders (stream and REST) · Out: `Facts` for the model and the coalescing buffer · Thread: any (plain data).

use serde::{Deserialize, Serialize};

pub use crate::event::conversation::{
    AcwState, AfterCallWork, Communication, CommunicationState, ConversationFacts, DisconnectKind, MediaKind,
    Participant, Purpose, Stamped, Wrapups,
};
use crate::event::stats::{Name, Stats};
use crate::event::update::ConversationUpdate;
use crate::{Id, Moment};

/// The decoded content of one event; the variant follows from the event's kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Facts {
    /// Nothing that the numbers use; the event only carries its body.
    None,
    /// What one event says of some or all participants of a conversation.
    ConversationUpdate(Box<ConversationUpdate>),
    /// What several events say of a conversation, or REST.
    Conversation(Box<ConversationFacts>),
    /// Rows of a queue's statistics as Genesys computed them.
    Observations(Box<ObservationFacts>),
    /// Presence, routing status or both of one user.
    User(Box<UserFacts>),
    /// `events` protocol: whether a conversation is active.
    ConversationState(ConversationStateFacts),
    /// `events` protocol: a queue's average wait as the service computed it.
    QueueStatistics(QueueStatisticsFacts),
    /// `metrics` protocol: values of one metric type.
    Metrics(Box<MetricFacts>),
}

/// Statistics of one queue from one event or answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ObservationFacts {
    /// The queue, from the group or the topic.
    pub queue: Id,
    /// One entry for each metric of each group.
    pub rows: Vec<ObservationRow>,
}

/// One metric of one group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ObservationRow {
    /// Medium of the group; `None` for all media.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<MediaKind>,
    /// Start and end of its interval, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<(Moment, Moment)>,
    /// For instance `oWaiting`, `nOffered`, `tAnswered`.
    pub metric: Name,
    /// For instance a routing status, or the organization's presence id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qualifier: Option<Name>,
    /// For instance `count`, `sum`, `ratio`; milliseconds for `t` metrics.
    pub stats: Stats,
}

impl ObservationRow {
    /// Bytes in memory, as an estimate.
    pub(crate) fn bytes(&self) -> usize {
        let qualifier = self.qualifier.as_ref().map_or(0, Name::heap_bytes);
        size_of::<Self>() + self.metric.heap_bytes() + qualifier + self.stats.heap_bytes()
    }
}

/// Presence and routing status of a user. For each, the newer value wins, by its own time or else by order of arrival.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UserFacts {
    /// The user.
    pub user: Id,
    /// System presence in upper snake case (`ON_QUEUE`), and its `modifiedDate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence: Option<(Box<str>, Option<Moment>)>,
    /// Routing status (`IDLE`), and its `startTime`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routing_status: Option<(Box<str>, Option<Moment>)>,
}

/// `events` protocol: `conversation:updated`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ConversationStateFacts {
    /// `None`: conversations are counted by +1 and −1, as in the tutorial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation: Option<Id>,
    /// Its queue, if the event names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<Id>,
    /// `connected` and `consulting`: true; `wrapup` and `closed`: false; any other state: `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// The event's own `timestamp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Moment>,
}

/// `events` protocol: `routing:queue:updated`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QueueStatisticsFacts {
    /// The queue.
    pub queue: Id,
    /// `statistics.averageWaitTime`, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_wait_secs: Option<f64>,
    /// The event's own `timestamp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Moment>,
}

/// `metrics` protocol: one event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MetricFacts {
    /// For instance `queue`.
    pub metric_type: Name,
    /// Queue, user or other entity that the event names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity: Option<Id>,
    /// The event's `timestamp`; a frame without one is no event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Moment>,
    /// Name and value.
    pub values: Vec<(Name, f64)>,
}
