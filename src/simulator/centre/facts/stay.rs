//! One presence of a participant: its communications, times, holds and after-call work.
//!
//! In: the traffic model · Out: facts · Thread: any (plain data).

use crate::simulator::json::Id;
use crate::simulator::when::Ms;
use crate::simulator::world::Media;

/// Why a participant left. The three spellings are those of notifications, analytics and detail events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::simulator) enum Disconnect {
    Endpoint,
    Client,
    Peer,
    Transfer,
    ConsultTransfer,
    ConferenceTransfer,
    NoAnswer,
}

impl Disconnect {
    pub(in crate::simulator) fn dotted(self) -> &'static str {
        self.names().0
    }

    pub(in crate::simulator) fn camel(self) -> &'static str {
        self.names().1
    }

    pub(in crate::simulator) fn upper(self) -> &'static str {
        self.names().2
    }

    fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Disconnect::Endpoint => ("endpoint", "endpoint", "ENDPOINT"),
            Disconnect::Client => ("client", "client", "CLIENT"),
            Disconnect::Peer => ("peer", "peer", "PEER"),
            Disconnect::Transfer => ("transfer", "transfer", "TRANSFER"),
            Disconnect::ConsultTransfer => ("transfer.consult", "consultTransfer", "CONSULT_TRANSFER"),
            Disconnect::ConferenceTransfer => ("transfer.conference", "conferenceTransfer", "CONFERENCE_TRANSFER"),
            Disconnect::NoAnswer => ("transfer.noanswer", "noAnswerTransfer", "NO_ANSWER_TRANSFER"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::simulator) struct Span {
    pub start: Ms,
    pub end: Option<Ms>,
}

/// An agent's after-call work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::simulator) struct AfterCall {
    pub expected: bool,
    /// The agent may do without it.
    pub optional: bool,
    pub skipped: bool,
    pub start: Option<Ms>,
    pub end: Option<Ms>,
    /// Index of the wrap-up code.
    pub code: Option<usize>,
}

impl AfterCall {
    /// Whether it has begun and not ended.
    pub(in crate::simulator) fn is_open(&self) -> bool {
        self.start.is_some() && self.end.is_none()
    }
}

/// The call that an agent makes in a callback, and the customer's side of it: a second communication of the same stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::simulator) struct CallBack {
    pub communication: Id,
    /// When the agent dialled.
    pub start: Ms,
    pub connected: Option<Ms>,
    pub end: Option<Ms>,
}

/// What a participant was doing before it was connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::simulator) enum Before {
    /// It rang at an agent.
    Alert,
    /// The queue had not taken the conversation yet.
    Delay,
    /// As [`Before::Delay`], which the service tells in another way.
    System,
    /// The service had not let the customer in yet.
    Contacting,
}

/// One uninterrupted presence of a participant, on one queue if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::simulator) struct Stay {
    /// The id of its call, message, e-mail or callback.
    pub communication: Id,
    pub media: Media,
    pub queue: Option<usize>,
    /// The visit that an agent was offered: its index among the participants.
    pub visit: Option<usize>,
    /// When it was scheduled, began to alert, or joined.
    pub start: Ms,
    pub before: Before,
    /// The time for which a callback was scheduled.
    pub scheduled_for: Option<Ms>,
    pub connected: Option<Ms>,
    pub end: Option<Ms>,
    pub disconnect: Option<Disconnect>,
    pub holds: Vec<Span>,
    pub parks: Vec<Span>,
    pub after_call: AfterCall,
    pub call_back: Option<CallBack>,
}

impl Stay {
    pub(in crate::simulator) fn is_open(&self) -> bool {
        self.end.is_none()
    }

    pub(in crate::simulator) fn is_talking(&self) -> bool {
        self.connected.is_some() && self.end.is_none()
    }

    /// Whether it is a callback that is not due yet.
    pub(in crate::simulator) fn is_scheduled(&self) -> bool {
        self.scheduled_for.is_some() && self.connected.is_none() && self.end.is_none()
    }

    pub(in crate::simulator) fn is_alerting(&self) -> bool {
        self.connected.is_none() && self.end.is_none() && self.scheduled_for.is_none()
    }

    pub(in crate::simulator) fn held_since(&self) -> Option<Ms> {
        self.holds.last().filter(|h| h.end.is_none()).map(|h| h.start)
    }

    pub(in crate::simulator) fn parked_since(&self) -> Option<Ms> {
        self.parks.last().filter(|p| p.end.is_none()).map(|p| p.start)
    }

    /// Total time on hold by `now`.
    pub(in crate::simulator) fn held_ms(&self, now: Ms) -> Ms {
        self.holds.iter().map(|h| h.end.unwrap_or(now) - h.start).sum()
    }
}
