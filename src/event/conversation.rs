//! What is known of a conversation, in the form in which facts are joined.
//!
//! In: decoders (stream and REST) · Out: `ConversationFacts` for the model and the coalescing buffer · Thread: any (plain data).
//!
//! Times are joined by the earliest start and the latest end. Values without a time of their own are [`Stamped`] with the
//! newest time in their event: the later stamp wins, and with equal stamps the greater value. The variants of each enum are
//! therefore declared so that what comes later in the life of a conversation is greater, else by the service's name for
//! it; for a flag that ends as false the value is a [`Reverse`].

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use crate::{Id, Moment};

/// A value without a time of its own, and the newest time in its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamped<T> {
    /// Newest time in the event; [`Moment::from_epoch_ms`]`(i64::MIN)` if it contains none.
    pub at: Moment,
    /// The value.
    pub value: T,
}

/// A conversation as far as it is known: from one event, or joined from several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "internals"), non_exhaustive)]
pub struct ConversationFacts {
    /// The conversation.
    pub id: Id,
    /// `conversationEnd`, which only REST tells; latest wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Moment>,
    /// All participants seen so far (their order has no meaning).
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
    /// Pairs of `startAcwTime` and `endAcwTime`, in the order of their starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after_call_work: Vec<AfterCallWork>,
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
    pub wrapup_expected: Option<Stamped<Reverse<bool>>>,
    /// `wrapupRequired`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrapup_required: Option<Stamped<Reverse<bool>>>,
    /// `wrapup.endTime` of each wrap-up with a code, in order; of one without a time the newest time in the oldest event
    /// that showed it.
    #[serde(default, skip_serializing_if = "Wrapups::is_empty")]
    pub wrapups: Wrapups,
    /// Monitors, coaches or barges in, so it does not count as an agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listens_in: Option<Stamped<Reverse<bool>>>,
    /// Its communications: calls, messages, e-mails …
    pub communications: Vec<Communication>,
}

/// One pair of `startAcwTime` and `endAcwTime`: pairs with equal starts are one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AfterCallWork {
    /// `startAcwTime`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Moment>,
    /// `endAcwTime`; latest wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Moment>,
}

/// Wrap-ups with a code of one participant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wrapups {
    /// Their end times, in order, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timed: Vec<Moment>,
    /// One without an end time was seen: the newest time in the oldest event that showed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untimed: Option<Moment>,
}

impl Wrapups {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.timed.is_empty() && self.untimed.is_none()
    }
}

/// One communication of a participant: a call, a message, a chat … In REST it is a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(not(feature = "internals"), non_exhaustive)]
pub struct Communication {
    /// By which medium.
    pub kind: MediaKind,
    /// The service's id of the medium; in topics of one medium, which have none, the participant's id.
    pub id: Id,
    /// `connectedTime`; earliest wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connected: Option<Moment>,
    /// `disconnectedTime`; latest wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disconnected: Option<Moment>,
    /// `state`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<Stamped<CommunicationState>>,
    /// The queue of the participant in the newest event that showed the communication open; in REST that of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<Stamped<Id>>,
    /// The queue of the participant in the oldest event that showed the communication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_queue: Option<Stamped<Id>>,
    /// When a callback was scheduled: the newest time in the oldest event that showed it as scheduled; in REST the start of
    /// its `scheduled` segment. Earliest wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduled: Option<Moment>,
    /// `disconnectType`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disconnect: Option<Stamped<DisconnectKind>>,
    /// `afterCallWorkRequired`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acw_required: Option<Stamped<Reverse<bool>>>,
    /// `afterCallWork.state`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acw_state: Option<Stamped<AcwState>>,
    /// `afterCallWork.startTime`; earliest wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acw_started: Option<Moment>,
    /// `afterCallWork.endTime`; latest wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acw_ended: Option<Moment>,
    /// A wrap-up code was seen on it. Once true, always true.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wrapup_coded: bool,
    /// `startHoldTime`, unless it is not held: the hold that the event received last showed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_started: Option<Moment>,
    /// Start of the newest hold that is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_over: Option<Moment>,
}

impl ConversationFacts {
    /// Bytes on the heap, as an estimate.
    pub(crate) fn heap_bytes(&self) -> usize {
        let id = |id: &Option<Stamped<Id>>| id.as_ref().map_or(0, |id| id.value.heap_bytes());
        let of_communication = |c: &Communication| c.id.heap_bytes() + id(&c.queue) + id(&c.oldest_queue);
        let of_participant = |p: &Participant| {
            size_of::<Participant>()
                + size_of_val(p.communications.as_slice())
                + size_of_val(p.after_call_work.as_slice())
                + size_of_val(p.wrapups.timed.as_slice())
                + (p.id.heap_bytes() + id(&p.queue) + id(&p.user))
                + p.communications.iter().map(of_communication).sum::<usize>()
        };
        self.id.heap_bytes() + self.participants.iter().map(of_participant).sum::<usize>()
    }
}

impl Participant {
    /// Whether it monitors, coaches or barges in by the newest word.
    pub(crate) fn is_listening(&self) -> bool {
        self.listens_in.is_some_and(|listens| listens.value.0)
    }
}

impl Communication {
    fn is_in(&self, states: &[CommunicationState]) -> bool {
        self.state.is_some_and(|state| states.contains(&state.value))
    }

    /// Disconnected or terminated.
    pub(crate) fn is_over(&self) -> bool {
        self.is_in(&[CommunicationState::Disconnected, CommunicationState::Terminated])
    }

    /// Its connected time, unless it is still scheduled.
    pub(crate) fn begin(&self) -> Option<Moment> {
        self.connected.filter(|_| !self.is_in(&[CommunicationState::Scheduled]))
    }
}

/// Purposes that the numbers distinguish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Purpose {
    /// `acd`: a visit to a queue.
    Acd,
    /// `agent`.
    Agent,
    /// `customer`.
    Customer,
    /// `external`.
    External,
    /// Any other purpose: ivr, workflow, voicemail, dialer, station, api … and unknown ones.
    Other,
    /// `user`: counts like an agent.
    User,
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

    /// Reads every spelling of the service: `call`, `calls`, `voice`, `VOICE` …; anything else is `Other`.
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

/// States of a communication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CommunicationState {
    /// `alerting`, `dialing`, `contacting`, `offering`.
    Alerting,
    /// `connected`.
    Connected,
    /// `none`, `uploading`, `transmitting`, `converting`, and unknown ones.
    Other,
    /// `parked`.
    Parked,
    /// `scheduled`: it has not begun.
    Scheduled,
    /// `disconnected`.
    Disconnected,
    /// `terminated`.
    Terminated,
}

/// How a communication ended, as far as the numbers distinguish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DisconnectKind {
    /// No transfer.
    Plain,
    /// Its letters in lower case contain `transfer`, and none of `noanswer`, `notavailable` and `dnd`.
    Transfer,
}

/// States of after-call work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AcwState {
    /// `pending`.
    Pending,
    /// `complete`.
    Complete,
    /// `notApplicable`.
    NotApplicable,
    /// `skipped`.
    Skipped,
    /// `unknown`, and any value that is not known here.
    Unknown,
}
