//! What one conversation counts for, and why: the stays of its participants, its visits, what was handled.
//!
//! In: what stream and REST told of a conversation, a time · Out: `Explanation` · Thread: any (pure).
//!
//! It is derived from the same stays and verdicts as the numbers.

use serde::Serialize;

use super::outcome::{Reading, Verdict, Visit};
use super::overlay::overlay;
use super::queue_numbers::QueueNumbers;
use super::state::State;
use super::stays::{Stay, millis_between};
use crate::base::order::Ordered as _;
use crate::event::facts::{ConversationFacts, MediaKind, Purpose};
use crate::{Id, Moment};

/// One conversation; its JSON is what `explain --json` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Explanation {
    pub(crate) conversation_id: Id,
    /// In the order of their first stays; those without one last.
    pub(crate) participants: Vec<ExplainedParticipant>,
    /// In the order in which they entered.
    pub(crate) visits: Vec<ExplainedVisit>,
    /// In the order in which they were handled.
    pub(crate) handled: Vec<Handled>,
    /// The stays of agents that do not count as handled.
    #[serde(skip)]
    pub(crate) unhandled: Vec<Unhandled>,
}

/// A participant with its stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ExplainedParticipant {
    pub(crate) id: Id,
    pub(crate) purpose: Option<Purpose>,
    pub(crate) stays: Vec<ExplainedStay>,
    #[serde(skip)]
    pub(crate) counts_as: CountsAs,
}

/// For what a participant counts beside its purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CountsAs {
    /// Its stays on queues are those of an agent.
    Agent,
    /// A user or agent who monitors, coaches or barges in.
    Listener,
    /// A user or agent who called: the customer side.
    Caller,
    /// As its purpose says.
    Itself,
}

/// One stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ExplainedStay {
    pub(crate) queue_id: Option<Id>,
    pub(crate) media: MediaKind,
    pub(crate) begin: Moment,
    /// None while it goes on.
    pub(crate) end: Option<Moment>,
}

/// One visit of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ExplainedVisit {
    pub(crate) queue_id: Id,
    pub(crate) entered: Moment,
    pub(crate) left: Option<Moment>,
    pub(crate) verdict: VerdictName,
    /// The participant whose stay answered it.
    pub(crate) answered_by: Option<Id>,
    /// Until it was answered or left; none while it waits.
    pub(crate) wait_ms: Option<u64>,
}

/// What became of a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum VerdictName {
    Waiting,
    Answered,
    FlowOut,
    Abandoned,
    Undecided,
}

/// A stay of an agent that counts as handled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Handled {
    pub(crate) queue_id: Id,
    pub(crate) participant_id: Id,
    pub(crate) at: Moment,
    pub(crate) handle_ms: u64,
    pub(crate) transferred: bool,
    pub(crate) wrapup: bool,
}

/// A stay of an agent that does not count as handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unhandled {
    pub(crate) queue_id: Id,
    pub(crate) participant_id: Id,
    pub(crate) because: Because,
}

/// Why a stay does not count as handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Because {
    /// It goes on.
    GoesOn,
    /// Its after-call work goes on or is pending.
    InWork,
    /// After-call work is expected; without any sign of it only until then.
    WorkExpected(Option<Moment>),
}

/// What stream and REST told of a conversation, taken together as the numbers take it.
#[must_use]
pub(crate) fn together(mut stream: ConversationFacts, rest: Option<&ConversationFacts>) -> ConversationFacts {
    if let Some(rest) = rest {
        overlay(&mut stream, rest);
    }
    stream
}

/// Explains a conversation as of `as_of`.
#[must_use]
pub(crate) fn explain(facts: &ConversationFacts, as_of: Moment) -> Explanation {
    let (mut queues, mut reading) = (QueueNumbers::default(), Reading::default());
    let state = State::of(facts, &mut queues);
    reading.read(&state);
    let from = Explained {
        state: &state,
        reading: &reading,
        queues: &queues,
    };
    let mut participants: Vec<ExplainedParticipant> =
        (0..state.participants.len()).map(|at| from.participant(at)).collect();
    let place = |one: &ExplainedParticipant| (one.stays.is_empty(), one.stays.first().map(|stay| stay.begin));
    participants.order_by(|a, b| place(a).cmp(&place(b)).then_with(|| a.id.cmp(&b.id)));
    let mut visits: Vec<ExplainedVisit> = reading.visits.iter().map(|visit| from.visit(visit)).collect();
    visits.order_by(|a, b| (a.entered, &a.queue_id).cmp(&(b.entered, &b.queue_id)));
    let (mut handled, mut unhandled) = (Vec::new(), Vec::new());
    for (person, stay, queue) in reading.agent_stays() {
        let (queue_id, participant_id) = (queues.id(queue).clone(), state.participants[person].id.clone());
        match stay.handled_at(as_of) {
            Some(at) => handled.push(Handled {
                queue_id,
                participant_id,
                at,
                handle_ms: stay.handle_ms(),
                transferred: stay.is_transferred,
                wrapup: stay.is_wrapped_up(),
            }),
            None => unhandled.push(Unhandled {
                queue_id,
                participant_id,
                because: because(stay),
            }),
        }
    }
    handled.order_by(|a, b| (a.at, &a.participant_id).cmp(&(b.at, &b.participant_id)));
    Explanation {
        conversation_id: facts.id.clone(),
        participants,
        visits,
        handled,
        unhandled,
    }
}

/// What is explained, and from what.
struct Explained<'a> {
    state: &'a State,
    reading: &'a Reading,
    queues: &'a QueueNumbers,
}

impl Explained<'_> {
    fn participant(&self, at: usize) -> ExplainedParticipant {
        let (row, person) = (&self.state.participants[at], &self.reading.people[at]);
        let stay = |stay: &Stay| ExplainedStay {
            queue_id: stay.queue.map(|queue| self.queues.id(queue).clone()),
            media: self.reading.media_of(stay),
            begin: stay.begin,
            end: stay.end,
        };
        ExplainedParticipant {
            id: row.id.clone(),
            purpose: row.purpose,
            stays: self.reading.stays_of(at).iter().map(stay).collect(),
            counts_as: match row.purpose {
                _ if person.is_agent() => CountsAs::Agent,
                Some(Purpose::Agent | Purpose::User) if row.is_listening() => CountsAs::Listener,
                Some(Purpose::Agent | Purpose::User) => CountsAs::Caller,
                _ => CountsAs::Itself,
            },
        }
    }

    fn visit(&self, visit: &Visit) -> ExplainedVisit {
        let (verdict, until) = match visit.verdict {
            Verdict::Waiting => (VerdictName::Waiting, None),
            Verdict::Answered(at) => (VerdictName::Answered, Some(at)),
            Verdict::FlowOut => (VerdictName::FlowOut, visit.left),
            Verdict::Abandoned => (VerdictName::Abandoned, visit.left),
            Verdict::Undecided => (VerdictName::Undecided, visit.left),
        };
        ExplainedVisit {
            queue_id: self.queues.id(visit.queue).clone(),
            entered: visit.entered,
            left: visit.left,
            verdict,
            answered_by: visit.answered_by.map(|at| self.state.participants[at].id.clone()),
            wait_ms: until.map(|until| millis_between(visit.entered, until)),
        }
    }
}

fn because(stay: &Stay) -> Because {
    if stay.end.is_none() {
        Because::GoesOn
    } else if stay.is_in_work() {
        Because::InWork
    } else {
        Because::WorkExpected(stay.work_expected_until())
    }
}
