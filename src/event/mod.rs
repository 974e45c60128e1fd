//! Events of the contact centre, decoded from frames, and their records.
//!
//! In: protocol machines · Out: `Event` to buffer, model, outputs and callbacks · Thread: any (plain data).

pub mod alert;
pub(crate) mod change;
pub(crate) mod coalesce;
pub mod conversation;
pub mod facts;
pub mod gap;
pub(crate) mod notice;
pub(crate) mod queue;
pub mod spare;
pub mod state;
pub mod stats;
pub mod update;

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::base::scrub;
use crate::config::Protocol;
use crate::event::facts::{ConversationFacts, Facts, ObservationRow};
use crate::event::stats::Name;
use crate::event::update::ConversationUpdate;
use crate::{Id, Moment};

/// What an event is about. Records have the name that [`EventKind::as_str`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
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
    /// Any other topic or type; such events are kept and counted.
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

/// One event of the contact centre. Its fields may be read and changed; later versions may add fields.
///
/// `Serialize` gives the record that [`Records::Events`](crate::Records::Events) writes, without `seq`; in formats other
/// than JSON the body is a text. Neither that nor `Debug` shows secrets of this process; the fields are as they came.
///
/// ```no_run
/// # let config = genesys_stream::Config::builder().environment().build()?;
/// let (builder, events) = genesys_stream::Stream::builder(config).events(1_000);
/// let stream = builder.start()?;
/// for event in events.take(10) {
///     println!("{} {} {:?} ms", event.kind.as_str(), event.topic, event.latency_ms());
///     println!("{}", serde_json::to_string(&*event)?);
/// }
/// stream.stop()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Event {
    /// When the frame was complete, by this machine's clock.
    pub received_at: Moment,
    /// The same by the service's clock, as far as that was known then.
    pub(crate) service_time: Moment,
    /// How long it was under way by the service's clock, in milliseconds; `None` without a time in its body.
    pub(crate) travel_ms: Option<u64>,
    /// Which connection delivered it: 1 for the first of this run.
    pub connection: u32,
    /// The protocol of that connection.
    pub protocol: Protocol,
    /// What the event is about.
    pub kind: EventKind,
    /// Topic (`notifications`), event type (`events`) or metric type (`metrics`); empty if the frame had none.
    pub topic: Arc<str>,
    /// The conversation that the event names.
    pub conversation_id: Option<Id>,
    /// The queue that the event names: in the topic, else in the body.
    pub queue_id: Option<Id>,
    /// The user that the event names.
    pub user_id: Option<Id>,
    /// The newest time inside the body that is not later than `received_at`.
    pub event_time: Option<Moment>,
    /// The body as it came (`eventBody`, `event.data`, or the whole event); `None` where no output of the stream shows bodies.
    pub body: Option<Box<str>>,
    /// Hash of topic and body, with a key of its own for each stream: equal for a repetition.
    pub fingerprint: u64,
    /// Times inside the body that could not be read or believed.
    pub unreadable: u32,
    /// What the event says.
    pub facts: Facts,
}

impl Event {
    /// `received_at − event_time` in milliseconds; 0 if that is negative, `None` without `event_time`.
    #[must_use]
    pub fn latency_ms(&self) -> Option<u64> {
        self.event_time
            .map(|at| u64::try_from(self.received_at.millis_since(at)).unwrap_or(0))
    }

    /// Bytes that it takes while it waits, as an estimate: itself, its body where it has one, and its longer facts.
    pub(crate) fn bytes(&self) -> usize {
        let of_facts = match &self.facts {
            Facts::ConversationUpdate(update) => {
                let ids = |p: &update::ParticipantUpdate| {
                    let heap = |id: &Option<Id>| id.as_ref().map_or(0, Id::heap_bytes);
                    p.id.heap_bytes() + heap(&p.queue) + heap(&p.user)
                };
                size_of::<ConversationUpdate>()
                    + size_of_val(update.participants.as_slice())
                    + size_of_val(update.communications.as_slice())
                    + update.participants.iter().map(ids).sum::<usize>()
                    + update.communications.iter().map(|c| c.id.heap_bytes()).sum::<usize>()
            }
            Facts::Conversation(facts) => size_of::<ConversationFacts>() + facts.heap_bytes(),
            Facts::Observations(facts) => facts.rows.iter().map(ObservationRow::bytes).sum(),
            Facts::Metrics(facts) => {
                let of_one = |(name, _): &(Name, f64)| size_of::<(Name, f64)>() + name.heap_bytes();
                facts.values.iter().map(of_one).sum()
            }
            _ => 0,
        };
        size_of::<Self>() + of_facts + self.body.as_ref().map_or(0, |body| body.len())
    }

    /// The record without its body; `seq` is the event's number among those that an output writes.
    pub(crate) fn record(&self, seq: Option<u64>) -> EventRecord<'_> {
        EventRecord {
            record: "event",
            schema: 1,
            seq,
            received_at: self.received_at,
            protocol: self.protocol,
            kind: self.kind,
            topic: &self.topic,
            conversation_id: self.conversation_id.as_ref(),
            queue_id: self.queue_id.as_ref(),
            user_id: self.user_id.as_ref(),
            event_time: self.event_time,
            latency_ms: self.latency_ms(),
        }
    }
}

/// The record of an event without its body; its fields are described in `docs/records.md`.
#[derive(Serialize)]
pub(crate) struct EventRecord<'a> {
    record: &'static str,
    schema: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    received_at: Moment,
    protocol: Protocol,
    kind: EventKind,
    topic: &'a str,
    conversation_id: Option<&'a Id>,
    queue_id: Option<&'a Id>,
    user_id: Option<&'a Id>,
    event_time: Option<Moment>,
    latency_ms: Option<u64>,
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = format!("{:?}", self.facts);
        f.debug_struct("Event")
            .field("record", &scrub::text(&serde_json::to_string(self).unwrap_or_default()))
            .field("connection", &self.connection)
            .field("unreadable", &self.unreadable)
            .field("facts", &format_args!("{}", scrub::text(&facts)))
            .finish_non_exhaustive()
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Body<'a> {
            Json(&'a RawValue),
            Text(&'a str),
        }
        #[derive(Serialize)]
        struct Whole<'a> {
            #[serde(flatten)]
            record: EventRecord<'a>,
            body: Option<Body<'a>>,
        }
        let (topic, body) = (scrub::text(&self.topic), self.body.as_deref().map(scrub::text));
        Whole {
            record: EventRecord {
                topic: &topic,
                ..self.record(None)
            },
            body: body
                .as_deref()
                .map(|text| serde_json::from_str(text).map_or(Body::Text(text), Body::Json)),
        }
        .serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_serialised_by_their_names() {
        for kind in EventKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn bytes_grow_with_rows_and_body() {
        let mut update = ConversationUpdate::nothing_of(Id::new("c"));
        let bytes = |update: &ConversationUpdate, body: Option<&str>| {
            let facts = Facts::ConversationUpdate(Box::new(update.clone()));
            let mut event = crate::model::testing::event(EventKind::QueueConversation, facts, Moment::default());
            event.body = body.map(Into::into);
            event.bytes()
        };
        let empty = bytes(&update, None);
        assert_eq!(bytes(&update, Some("12345")), empty + 5);
        update.participants = vec![update::ParticipantUpdate::nothing_of(Id::PLACEHOLDER); 10];
        assert_eq!(
            bytes(&update, None),
            empty + 10 * size_of::<update::ParticipantUpdate>()
        );
        let with_uuids = bytes(&update, None);
        update.participants[0].id = Id::new(&"x".repeat(256));
        assert!(bytes(&update, None) >= with_uuids + 256, "ids that are no UUIDs count");
        let merged = |update: &ConversationUpdate| {
            let facts = Facts::Conversation(Box::new(update.facts()));
            crate::model::testing::event(EventKind::QueueConversation, facts, Moment::default()).bytes()
        };
        let mut with_uuid = update.clone();
        with_uuid.participants[0].id = Id::PLACEHOLDER;
        assert!(
            merged(&update) >= merged(&with_uuid) + 256,
            "those of a merged one as well"
        );
    }
}
