//! What an event says about the contact centre, in a form that can be joined in any order.
//!
//! In: decoders (stream and REST) · Out: `Facts` for the model and the coalescing buffer · Thread: any (plain data).
//!
//! Fields with a time merge by earliest start and latest end. Fields without one are [`Stamped`] with the newest time
//! inside the event that said them: the later stamp wins, ties go to the greater value. Every enum here is therefore
//! declared in the order in which a conversation moves on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Id, Moment};

/// What one event says; the variant follows from the event's kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Facts {
    /// Nothing that the numbers use; the event is kept for its body.
    None,
    /// Some or all participants of a conversation.
    Conversation(Box<ConversationFacts>),
    /// Rows of a queue's statistics as Genesys computed them.
    Observations(Box<ObservationFacts>),
    /// Presence, routing status or both, of one user.
    User(Box<UserFacts>),
    /// `events` protocol: a conversation is active or not.
    ConversationState(ConversationStateFacts),
    /// `events` protocol: a queue's own average wait.
    QueueStatistics(QueueStatisticsFacts),
    /// `metrics` protocol: values of one metric type.
    Metrics(Box<MetricFacts>),
}

/// A value without a time of its own, and the newest time inside the event that said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamped<T> {
    /// Newest inner time of the event; [`Moment::from_epoch_ms`]`(i64::MIN)` where the event holds none.
    pub at: Moment,
    /// What it said.
    pub value: T,
}

/// A conversation as far as it was seen. The same type is an event's share and the joined state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "internals"), non_exhaustive)]
pub struct ConversationFacts {
    /// The conversation.
    pub id: Id,
    /// Everybody seen so far, in the order of first sight (the order has no meaning).
    pub participants: Vec<Participant>,
}

/// One participant: a caller, a queue (`acd`), an agent, a flow …
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "internals"), non_exhaustive)]
pub struct Participant {
    /// The participant.
    pub id: Id,
    /// `connectedTime`; earliest wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connected: Option<Moment>,
    /// `endTime`; latest wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Moment>,
    /// `startAcwTime`; earliest wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acw_started: Option<Moment>,
    /// `endAcwTime`; latest wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acw_ended: Option<Moment>,
    /// `purpose`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Stamped<Purpose>>,
    /// `queueId`, else `conversationRoutingData.queue.id`, else `queue.id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<Stamped<Id>>,
    /// `userId`, else `user.id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Stamped<Id>>,
    /// `wrapupExpected`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrapup_expected: Option<Stamped<bool>>,
    /// `wrapupRequired`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrapup_required: Option<Stamped<bool>>,
    /// A wrap-up code was seen. Once true, always true.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wrapup_coded: bool,
    /// Monitors, coaches or barges in: no agent in the numbers. Once true, always true.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub listens_in: bool,
    /// Its media: one entry a call, message, e-mail …
    pub media: Vec<Medium>,
}

/// One medium of a participant: a call, a chat, a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "internals"), non_exhaustive)]
pub struct Medium {
    /// Which medium.
    pub kind: MediaKind,
    /// The service's id of it; the participant's id in the flat topics, which have none.
    pub id: Id,
    /// `connectedTime`; earliest wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connected: Option<Moment>,
    /// `disconnectedTime`; latest wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disconnected: Option<Moment>,
    /// `state`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<Stamped<MediumState>>,
    /// `disconnectType`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disconnect: Option<Stamped<DisconnectKind>>,
    /// `afterCallWorkRequired`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acw_required: Option<Stamped<bool>>,
    /// `afterCallWork.state`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acw_state: Option<Stamped<AcwState>>,
    /// `startHoldTime` of the hold that was seen last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_started: Option<Stamped<Moment>>,
    /// `held`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<Stamped<bool>>,
}

/// Purposes that the numbers tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Purpose {
    /// Any other: ivr, workflow, voicemail, dialer, station, api … and unknown ones.
    Other,
    /// `customer`.
    Customer,
    /// `external`.
    External,
    /// `acd`: a visit of a queue.
    Acd,
    /// `user`: counts like an agent.
    User,
    /// `agent`.
    Agent,
}

/// Media as the snapshot names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MediaKind {
    /// `calls`, `voice`, `VOICE`.
    Voice,
    /// `messages`.
    Message,
    /// `emails`.
    Email,
    /// `chats`.
    Chat,
    /// `callbacks`.
    Callback,
    /// `videos`.
    Video,
    /// Everything else.
    Other,
}

impl MediaKind {
    /// All, in the order of the snapshot.
    pub const ALL: [Self; 7] = [
        Self::Voice,
        Self::Message,
        Self::Email,
        Self::Chat,
        Self::Callback,
        Self::Video,
        Self::Other,
    ];

    /// The key in `by_media`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Voice => "voice",
            Self::Message => "message",
            Self::Email => "email",
            Self::Chat => "chat",
            Self::Callback => "callback",
            Self::Video => "video",
            Self::Other => "other",
        }
    }

    /// Reads every spelling of the service: `call`, `calls`, `voice`, `VOICE`, `webmessaging` is no medium but a type.
    #[must_use]
    pub(crate) fn parse(text: &str) -> Self {
        let is = |names: &[&str]| names.iter().any(|name| text.eq_ignore_ascii_case(name));
        if is(&["voice", "call", "calls"]) {
            Self::Voice
        } else if is(&["message", "messages"]) {
            Self::Message
        } else if is(&["email", "emails"]) {
            Self::Email
        } else if is(&["chat", "chats"]) {
            Self::Chat
        } else if is(&["callback", "callbacks"]) {
            Self::Callback
        } else if is(&["video", "videos", "videocomm"]) {
            Self::Video
        } else {
            Self::Other
        }
    }
}

/// States of a medium, in the order in which one moves on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MediumState {
    /// `none` and unknown ones.
    Other,
    /// `scheduled`, `uploading`, `transmitting`, `converting`.
    Waiting,
    /// `alerting`, `dialing`, `contacting`, `offering`.
    Alerting,
    /// `connected`.
    Connected,
    /// `parked`.
    Parked,
    /// `disconnected`.
    Disconnected,
    /// `terminated`.
    Terminated,
}

/// How a medium ended, as far as the numbers care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DisconnectKind {
    /// No transfer.
    Plain,
    /// Letters only and lower-cased it contains `transfer`, and not `noanswer`, `notavailable` or `dnd`.
    Transfer,
}

/// States of after-call work, in the order in which it moves on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AcwState {
    /// `unknown` and unknown ones.
    Unknown,
    /// `pending`.
    Pending,
    /// `skipped`.
    Skipped,
    /// `notApplicable`.
    NotApplicable,
    /// `complete`.
    Complete,
}

/// Statistics of one queue from one event or answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ObservationFacts {
    /// The queue, from the group or the topic.
    pub queue: Id,
    /// One entry a number.
    pub rows: Vec<ObservationRow>,
}

/// One metric of one group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ObservationRow {
    /// Medium of the group; none for the numbers of the whole queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<MediaKind>,
    /// Start and end of its interval, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<(Moment, Moment)>,
    /// For instance `oWaiting`, `nOffered`, `tAnswered`.
    pub metric: Box<str>,
    /// For instance a routing status, or the organization's presence id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qualifier: Option<Box<str>>,
    /// For instance `count`, `sum`, `ratio`; milliseconds for `t` metrics.
    pub stats: BTreeMap<Box<str>, f64>,
}

/// What is known of one user. Each half goes by its own time, else by arrival.
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
    /// Absent: the tutorial's ±1 counter is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation: Option<Id>,
    /// Its queue, where named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<Id>,
    /// connected, consulting = true; wrapup, closed = false; another state says nothing (`None`).
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
    pub metric_type: Box<str>,
    /// Queue, user or other entity that the event names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity: Option<Id>,
    /// The event's `timestamp`; absent = counted as malformed in content and audited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Moment>,
    /// Name and value.
    pub values: Vec<(Box<str>, f64)>,
}
