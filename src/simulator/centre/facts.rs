//! The facts of the centre: conversations, participants and their stays, with times that are set once.
//!
//! In: the traffic model · Out: the facts from which all answers, events and counts are made · Thread: any (plain data).

mod stay;

pub(in crate::simulator) use stay::{AfterCall, Before, CallBack, Disconnect, Span, Stay};

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
    /// A colleague who is consulted or monitors, or who calls a queue.
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

/// Somebody who monitors an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::simulator) struct Monitoring {
    /// The index of the participant who is monitored.
    pub whom: usize,
    /// When the monitor took over the conversation.
    pub until: Option<Ms>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::simulator) struct Participant {
    pub id: Id,
    pub purpose: Purpose,
    pub user: Option<usize>,
    /// For a consulted colleague: the index of the participant who asked.
    pub consulted_by: Option<usize>,
    pub monitoring: Option<Monitoring>,
    /// In the order of their starts; never empty.
    pub stays: Vec<Stay>,
}

impl Participant {
    /// The newest stay.
    pub(in crate::simulator) fn stay(&self) -> &Stay {
        &self.stays[self.stays.len() - 1]
    }

    pub(in crate::simulator) fn stay_mut(&mut self) -> &mut Stay {
        let last = self.stays.len() - 1;
        &mut self.stays[last]
    }

    /// When it joined first.
    pub(in crate::simulator) fn joined(&self) -> Ms {
        self.stays[0].start
    }

    /// The earliest connected time.
    pub(in crate::simulator) fn connected(&self) -> Option<Ms> {
        self.stays.iter().find_map(|s| s.connected)
    }

    /// When the last stay ended; `None` while one goes on.
    pub(in crate::simulator) fn ended(&self) -> Option<Ms> {
        self.stays.iter().try_fold(Ms::MIN, |last, s| Some(last.max(s.end?)))
    }

    pub(in crate::simulator) fn is_internal(&self) -> bool {
        matches!(self.purpose, Purpose::Agent | Purpose::User)
    }

    /// Whether it monitors and has not taken over.
    pub(in crate::simulator) fn listens_in(&self) -> bool {
        self.monitoring.is_some_and(|m| m.until.is_none())
    }

    /// Whether nothing is left to do for it.
    pub(in crate::simulator) fn is_done(&self) -> bool {
        self.stays.iter().all(|s| !s.is_open() && !s.after_call.is_open())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::simulator) struct Conversation {
    /// The number of the conversation, in the order of their starts.
    pub key: u64,
    pub id: Id,
    /// The medium in which it began.
    pub media: Media,
    /// From each begin until the last participant had left and all after-call work was done. A mail or message thread
    /// has a further period for each time that the customer came back.
    pub periods: Vec<Span>,
    pub caller: String,
    /// The customer's number or address, without scheme.
    pub address: String,
    pub subject: &'static str,
    pub tier: &'static str,
    /// Index 0 is the customer, or the colleague who called a queue.
    pub participants: Vec<Participant>,
}

impl Conversation {
    pub(in crate::simulator) fn start(&self) -> Ms {
        self.periods[0].start
    }

    /// The end of the last period; `None` while it goes on.
    pub(in crate::simulator) fn end(&self) -> Option<Ms> {
        self.periods.last().and_then(|period| period.end)
    }

    /// When the last participant left; agents may still have after-call work.
    pub(in crate::simulator) fn over(&self) -> Option<Ms> {
        self.participants
            .iter()
            .try_fold(self.start(), |last, p| Some(last.max(p.ended()?)))
    }

    pub(in crate::simulator) fn customer(&self) -> &Participant {
        &self.participants[0]
    }

    /// Whether a colleague called, not a customer.
    pub(in crate::simulator) fn is_from_inside(&self) -> bool {
        self.customer().is_internal()
    }

    /// The stays of all participants, each with its participant's index.
    pub(in crate::simulator) fn stays(&self) -> impl Iterator<Item = (usize, &Participant, &Stay)> {
        (self.participants.iter().enumerate()).flat_map(|(who, p)| p.stays.iter().map(move |s| (who, p, s)))
    }

    /// The participants that stand for a queue, each with its index.
    pub(in crate::simulator) fn visits(&self) -> impl Iterator<Item = (usize, &Participant)> {
        let all = self.participants.iter().enumerate();
        all.filter(|(_, p)| p.purpose == Purpose::Acd)
    }

    /// The agents' stays on queues: neither the caller's nor those of people who listen in.
    pub(in crate::simulator) fn work(&self) -> impl Iterator<Item = (&Participant, &Stay)> {
        self.stays()
            .filter(|(who, p, s)| *who > 0 && p.is_internal() && !p.listens_in() && s.queue.is_some())
            .map(|(_, p, s)| (p, s))
    }

    /// The media, each once, in the order in which they were first used.
    pub(in crate::simulator) fn all_media(&self) -> Vec<Media> {
        let mut all = Vec::new();
        let used = self
            .stays()
            .flat_map(|(_, _, s)| [Some(s.media), s.call_back.as_ref().map(|_| Media::Voice)]);
        for media in used.flatten() {
            if !all.contains(&media) {
                all.push(media);
            }
        }
        all
    }

    /// The visited queues, each once, in the order of the first visit.
    pub(in crate::simulator) fn queues(&self) -> Vec<usize> {
        let mut queues = Vec::new();
        let visits = self.participants.iter().filter(|p| p.purpose == Purpose::Acd);
        for queue in visits.filter_map(|p| p.stay().queue) {
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

    /// Whether the customer is in a queue or in voicemail now, or a callback is to come.
    pub(in crate::simulator) fn goes_on(&self) -> bool {
        let voicemail = |p: &Participant| p.purpose == Purpose::Voicemail && p.stay().is_open();
        self.open_visit().is_some() || self.participants.iter().any(voicemail)
    }

    /// The open visit to a queue, as an index of a participant.
    pub(in crate::simulator) fn open_visit(&self) -> Option<usize> {
        self.participants
            .iter()
            .rposition(|p| p.purpose == Purpose::Acd && p.stay().is_open())
    }

    /// Whether an agent took this visit's conversation.
    pub(in crate::simulator) fn is_answered(&self, visit: usize) -> bool {
        self.stays()
            .any(|(_, _, s)| s.visit == Some(visit) && s.connected.is_some())
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
