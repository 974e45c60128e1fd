//! The facts of the centre: conversations and participants with all their times, each of which is set once.
//!
//! In: the traffic model · Out: the facts from which all answers, events and counts are made · Thread: any (plain data).

use crate::simulator::json::Id;
use crate::simulator::when::Ms;
use crate::simulator::world::Media;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::simulator) enum Purpose {
    Customer,
    Ivr,
    Workflow,
    Acd,
    Voicemail,
    /// An external expert whom an agent consulted.
    External,
    Agent,
    /// A consulted colleague, who takes part without a queue.
    User,
}

impl Purpose {
    pub(in crate::simulator) fn name(self) -> &'static str {
        match self {
            Purpose::Customer => "customer",
            Purpose::Ivr => "ivr",
            Purpose::Workflow => "workflow",
            Purpose::Acd => "acd",
            Purpose::Voicemail => "voicemail",
            Purpose::External => "external",
            Purpose::Agent => "agent",
            Purpose::User => "user",
        }
    }
}

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

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::simulator) struct Participant {
    pub id: Id,
    /// The id of its one communication: call, message, e-mail or callback.
    pub communication: Id,
    pub purpose: Purpose,
    pub user: Option<usize>,
    pub queue: Option<usize>,
    /// For a consulted colleague: the index of the participant who asked.
    pub consulted_by: Option<usize>,
    /// When it began to alert, or, for other participants, joined.
    pub start: Ms,
    pub connected: Option<Ms>,
    pub end: Option<Ms>,
    pub disconnect: Option<Disconnect>,
    pub holds: Vec<Span>,
    pub parks: Vec<Span>,
    pub after_call: AfterCall,
}

impl Participant {
    pub(in crate::simulator) fn is_open(&self) -> bool {
        self.end.is_none()
    }

    pub(in crate::simulator) fn is_talking(&self) -> bool {
        self.connected.is_some() && self.end.is_none()
    }

    pub(in crate::simulator) fn is_alerting(&self) -> bool {
        self.connected.is_none() && self.end.is_none()
    }

    pub(in crate::simulator) fn is_internal(&self) -> bool {
        matches!(self.purpose, Purpose::Agent | Purpose::User)
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

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::simulator) struct Conversation {
    /// The number of the conversation, in the order of their starts.
    pub key: u64,
    pub id: Id,
    pub media: Media,
    pub start: Ms,
    /// When the last participant had left and all after-call work was done.
    pub end: Option<Ms>,
    pub caller: String,
    /// The customer's number or address, without scheme.
    pub address: String,
    pub subject: &'static str,
    pub tier: &'static str,
    /// Index 0 is the customer.
    pub participants: Vec<Participant>,
}

impl Conversation {
    /// When the last participant left; agents may still have after-call work.
    pub(in crate::simulator) fn over(&self) -> Option<Ms> {
        self.participants
            .iter()
            .try_fold(self.start, |last, p| Some(last.max(p.end?)))
    }

    pub(in crate::simulator) fn customer(&self) -> &Participant {
        &self.participants[0]
    }

    /// The visited queues, each once, in the order of the first visit.
    pub(in crate::simulator) fn queues(&self) -> Vec<usize> {
        let mut queues = Vec::new();
        for queue in self
            .participants
            .iter()
            .filter(|p| p.purpose == Purpose::Acd)
            .filter_map(|p| p.queue)
        {
            if !queues.contains(&queue) {
                queues.push(queue);
            }
        }
        queues
    }

    /// The users who took part, each once.
    pub(in crate::simulator) fn users(&self) -> Vec<usize> {
        let mut users = Vec::new();
        for user in self.participants.iter().filter_map(|p| p.user) {
            if !users.contains(&user) {
                users.push(user);
            }
        }
        users
    }

    /// Whether the customer is in a queue or in voicemail now.
    pub(in crate::simulator) fn goes_on(&self) -> bool {
        let voicemail = |p: &Participant| p.purpose == Purpose::Voicemail && p.is_open();
        self.open_visit().is_some() || self.participants.iter().any(voicemail)
    }

    /// The open visit to a queue.
    pub(in crate::simulator) fn open_visit(&self) -> Option<&Participant> {
        self.participants
            .iter()
            .rev()
            .find(|p| p.purpose == Purpose::Acd && p.is_open())
    }
}

/// What happened to a conversation; all but `Other` have a detail event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::simulator) enum Step {
    CustomerStart,
    CustomerEnd,
    FlowStart(usize),
    FlowEnd(usize),
    AcdStart(usize),
    AcdEnd(usize),
    UserStart(usize),
    UserEnd(usize),
    AfterCall(usize),
    Wrapup(usize),
    /// Something else: answered, held, parked.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::simulator) enum Routing {
    OffQueue,
    Idle,
    Interacting,
    NotResponding,
    Communicating,
}

impl Routing {
    pub(in crate::simulator) fn name(self) -> &'static str {
        match self {
            Routing::OffQueue => "OFF_QUEUE",
            Routing::Idle => "IDLE",
            Routing::Interacting => "INTERACTING",
            Routing::NotResponding => "NOT_RESPONDING",
            Routing::Communicating => "COMMUNICATING",
        }
    }
}

/// One change of the centre, with the state right after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::simulator) enum Change {
    Conversation {
        at: Ms,
        conversation: Conversation,
        steps: Vec<Step>,
    },
    Presence {
        user: usize,
    },
    Routing {
        user: usize,
    },
    /// The user's conversations changed.
    Load {
        user: usize,
    },
    /// The user joined or left all queues of which the user is a member.
    Joined {
        user: usize,
        joined: bool,
    },
}
