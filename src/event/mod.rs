//! One fact about the contact centre, as it came from a frame.
//!
//! In: protocol machines · Out: `Event` to buffer, model, outputs and callbacks · Thread: any (plain data).

pub(crate) mod change;
pub(crate) mod coalesce;
pub mod facts;
pub mod gap;
pub(crate) mod notice;
pub(crate) mod queue;
pub mod state;

use std::sync::Arc;

use crate::config::Protocol;
use crate::event::facts::Facts;
use crate::{Id, Moment};

/// What an event is about; the names in records are snake case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum EventKind {
    /// `events` protocol: `conversation:updated`.
    Conversation,
    /// `events` protocol: `routing:queue:updated`.
    Queue,
    /// `metrics` protocol: an event of one metric type.
    Metric,
    /// `v2.routing.queues.{id}.conversations` and its media topics.
    QueueConversation,
    /// `v2.analytics.queues.{id}.observations`.
    QueueObservation,
    /// `v2.analytics.queues.{id}.activity`.
    QueueActivity,
    /// `v2.users.{id}.presence`.
    UserPresence,
    /// `v2.users.{id}.routingStatus`.
    UserRoutingStatus,
    /// `v2.users.{id}.activity`.
    UserActivity,
    /// `v2.users.{id}.conversations` and its media topics.
    UserConversation,
    /// `v2.detail.events.…`.
    DetailEvent,
    /// Any other topic or type: kept, counted, never discarded for being unknown.
    Unknown,
}

impl EventKind {
    /// All kinds, for tables by kind.
    pub const ALL: [Self; 12] = [
        Self::Conversation,
        Self::Queue,
        Self::Metric,
        Self::QueueConversation,
        Self::QueueObservation,
        Self::QueueActivity,
        Self::UserPresence,
        Self::UserRoutingStatus,
        Self::UserActivity,
        Self::UserConversation,
        Self::DetailEvent,
        Self::Unknown,
    ];

    /// The name in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conversation => "conversation",
            Self::Queue => "queue",
            Self::Metric => "metric",
            Self::QueueConversation => "queue_conversation",
            Self::QueueObservation => "queue_observation",
            Self::QueueActivity => "queue_activity",
            Self::UserPresence => "user_presence",
            Self::UserRoutingStatus => "user_routing_status",
            Self::UserActivity => "user_activity",
            Self::UserConversation => "user_conversation",
            Self::DetailEvent => "detail_event",
            Self::Unknown => "unknown",
        }
    }
}

/// One fact about the contact centre.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// When its frame was complete, by this machine's clock.
    pub received_at: Moment,
    /// Which connection delivered it: 1 for the first of this run.
    pub connection: u32,
    /// The protocol it came by.
    pub protocol: Protocol,
    /// What it is about.
    pub kind: EventKind,
    /// Topic (`notifications`), event type (`events`), metric type (`metrics`); empty where a frame had none.
    pub topic: Arc<str>,
    /// The conversation it names.
    pub conversation_id: Option<Id>,
    /// The queue it names: of the topic, else of the body.
    pub queue_id: Option<Id>,
    /// The user it names.
    pub user_id: Option<Id>,
    /// The newest time inside the body that is not later than `received_at`.
    pub event_time: Option<Moment>,
    /// The body as it came (`eventBody`, `event.data`, or the whole event), if the run keeps bodies.
    pub body: Option<Box<str>>,
    /// Hash of topic and body: equal for a repetition.
    pub fingerprint: u64,
    /// What it says.
    pub facts: Facts,
}

impl Event {
    /// `received_at − event_time` in milliseconds.
    #[must_use]
    pub fn latency_ms(&self) -> Option<u64> {
        self.event_time
            .map(|at| u64::try_from(self.received_at.millis_since(at)).unwrap_or(0))
    }
}
