//! What a conversation means for its queues: who waits, who talks, and what happened when.
//!
//! In: the joined state of one conversation · Out: `Outcome` · Thread: any (a pure function).
//!
//! Section 8 of the contract, sentence by sentence. Where it leaves something open:
//! * Visits of one queue with equal `entered` are ordered by participant id; the earlier of two such ends where the
//!   later begins, so that no agent answers both.
//! * Where nobody of the customer side was seen (an internal call to a queue), every customer-side participant has ended.
//! * For `active` an `external` beside a customer counts if it began before some visit of the conversation.
//! * After-call work that has an end is not pending, whatever a medium said last.
//! * The medium of a participant is the first of callback, voice, message, email, chat, video, other among its own (an
//!   agent who calls back holds a callback and a call: it is a callback); without one, the customer side's.

use std::time::Duration;

use crate::base::id::short_hash;
use crate::event::facts::{
    AcwState, ConversationFacts, DisconnectKind, MediaKind, Medium, MediumState, Participant, Purpose,
};
use crate::{Id, Moment};

/// An agent may be connected this long after the visit's end and still have answered it (section 8).
const ANSWERED_AFTER_LEFT_AT_MOST: Duration = Duration::from_secs(5);

/// What one conversation adds to the numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// A customer-side participant is connected and not ended.
    pub active: bool,
    /// Every participant has ended and no after-call work runs: nothing more is expected.
    pub finished: bool,
    /// Who is there now.
    pub presences: Vec<Presence>,
    /// What happened, each at its moment.
    pub happenings: Vec<Happening>,
}

/// Somebody who waits, talks or wraps up now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// On which queue.
    pub queue: Id,
    /// By which medium.
    pub media: MediaKind,
    /// Doing what.
    pub doing: Doing,
    /// Since when: `entered`, connected, start of after-call work.
    pub since: Moment,
}

/// What somebody does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Doing {
    /// A visit that has neither left nor been answered.
    Waiting,
    /// An agent who is connected.
    Interacting,
    /// An agent in after-call work.
    AfterCallWork,
}

/// One countable fact, in the window of its moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// On which queue.
    pub queue: Id,
    /// By which medium.
    pub media: MediaKind,
    /// What.
    pub what: What,
    /// When: decides the window.
    pub at: Moment,
    /// Its wait or handle time in milliseconds; 0 where it has none.
    pub millis: u64,
    /// The participant it is about (the visit's or the agent), as 32 bits of its id's hash.
    pub who: u32,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// A visit entered.
    Offered,
    /// An agent took it; millis = wait.
    Answered,
    /// The customer left; millis = wait.
    Abandoned,
    /// It went on to somebody else; millis = wait.
    FlowOut,
    /// An agent was done with it; millis = handle time.
    Handled,
    /// Such an agent had transferred it.
    Transferred,
    /// Such an agent had wrapped it up.
    Wrapup,
}

impl Participant {
    /// Its connected time, else the earliest of its media.
    #[must_use]
    pub fn connected_at(&self) -> Option<Moment> {
        self.connected
            .or_else(|| self.media.iter().filter_map(|medium| medium.connected).min())
    }

    /// Its end time, else, only when every medium is disconnected or terminated, the latest disconnected time.
    #[must_use]
    pub fn ended_at(&self) -> Option<Moment> {
        self.ended.or_else(|| {
            if self.all_media_gone() {
                self.media.iter().filter_map(|medium| medium.disconnected).max()
            } else {
                None
            }
        })
    }

    /// Counts as an agent: purpose `agent` or `user`, and does not listen in.
    #[must_use]
    pub fn is_agent(&self) -> bool {
        matches!(self.purpose_value(), Some(Purpose::Agent | Purpose::User)) && !self.listens_in
    }

    /// In after-call work: it began and did not end, or a medium says pending.
    #[must_use]
    pub fn in_after_call_work(&self) -> bool {
        self.acw_ended.is_none() && (self.acw_started.is_some() || self.any_acw_state(|s| s == AcwState::Pending))
    }

    fn purpose_value(&self) -> Option<Purpose> {
        self.purpose.map(|purpose| purpose.value)
    }

    fn queue_value(&self) -> Option<&Id> {
        self.queue.as_ref().map(|queue| &queue.value)
    }

    fn all_media_gone(&self) -> bool {
        let gone = |m: &Medium| {
            m.state
                .is_some_and(|s| matches!(s.value, MediumState::Disconnected | MediumState::Terminated))
        };
        !self.media.is_empty() && self.media.iter().all(gone)
    }

    fn any_acw_state(&self, is: impl Fn(AcwState) -> bool) -> bool {
        self.media
            .iter()
            .any(|medium| medium.acw_state.is_some_and(|state| is(state.value)))
    }

    /// After-call work is still expected of an agent who has left.
    fn expects_after_call_work(&self) -> bool {
        let no_longer = self.acw_ended.is_some()
            || self.wrapup_coded
            || self.any_acw_state(|s| matches!(s, AcwState::Skipped | AcwState::NotApplicable | AcwState::Complete));
        let required_by_media = || self.media.iter().any(|m| m.acw_required.is_some_and(|r| r.value));
        !no_longer
            && match (self.wrapup_expected, self.wrapup_required) {
                (Some(expected), _) => expected.value,
                (None, Some(required)) => required.value,
                (None, None) => required_by_media(),
            }
    }

    /// Nothing more comes of it, even if it never said when it ended.
    fn is_over(&self) -> bool {
        (self.ended.is_some() || self.all_media_gone()) && !self.in_after_call_work()
    }
}

/// A participant with what is asked of it again and again.
struct Seen<'a> {
    participant: &'a Participant,
    purpose: Option<Purpose>,
    queue: Option<&'a Id>,
    connected: Option<Moment>,
    ended: Option<Moment>,
    is_agent: bool,
}

impl Seen<'_> {
    fn is_agent_on(&self, queue: &Id) -> bool {
        self.is_agent && self.queue == Some(queue)
    }
}

/// A visit of a queue: a participant with purpose `acd` that entered.
struct Visit<'a> {
    seen: &'a Seen<'a>,
    queue: &'a Id,
    entered: Moment,
}

/// What the joined state of a conversation means.
#[must_use]
pub fn outcome(facts: &ConversationFacts) -> Outcome {
    let conversation = Conversation::of(facts);
    let mut outcome = Outcome {
        active: conversation.is_active(),
        finished: facts.participants.iter().all(Participant::is_over),
        ..Outcome::default()
    };
    let visits = conversation.visits();
    for (n, visit) in visits.iter().enumerate() {
        let next = visits.get(n + 1).filter(|next| next.queue == visit.queue);
        conversation.judge_visit(visit, next.map(|next| next.entered), &mut outcome);
    }
    for seen in conversation.everybody.iter().filter(|seen| seen.is_agent) {
        conversation.judge_agent(seen, &mut outcome);
    }
    outcome
}

struct Conversation<'a> {
    everybody: Vec<Seen<'a>>,
    has_customer: bool,
    /// Medium of the customer side, for participants without one.
    media: MediaKind,
}

impl<'a> Conversation<'a> {
    fn of(facts: &'a ConversationFacts) -> Self {
        let everybody: Vec<Seen<'a>> = facts
            .participants
            .iter()
            .map(|p| Seen {
                participant: p,
                purpose: p.purpose_value(),
                queue: p.queue_value(),
                connected: p.connected_at(),
                ended: p.ended_at(),
                is_agent: p.is_agent(),
            })
            .collect();
        let media_of = |purpose| {
            let of_purpose = everybody.iter().filter(|seen| seen.purpose == Some(purpose));
            foremost(of_purpose.flat_map(|seen| &seen.participant.media))
        };
        let media = media_of(Purpose::Customer)
            .or_else(|| media_of(Purpose::External))
            .unwrap_or(MediaKind::Other);
        Self {
            has_customer: everybody.iter().any(|seen| seen.purpose == Some(Purpose::Customer)),
            everybody,
            media,
        }
    }

    /// In the order queue, `entered`, participant id.
    fn visits(&self) -> Vec<Visit<'_>> {
        let mut visits: Vec<Visit<'_>> = self
            .everybody
            .iter()
            .filter(|seen| seen.purpose == Some(Purpose::Acd))
            .filter_map(|seen| {
                Some(Visit {
                    seen,
                    queue: seen.queue?,
                    entered: seen.connected?,
                })
            })
            .collect();
        visits.sort_by(|a, b| {
            (a.queue, a.entered, &a.seen.participant.id).cmp(&(b.queue, b.entered, &b.seen.participant.id))
        });
        visits
    }

    fn is_customer_side(&self, seen: &Seen<'_>, entered: Option<Moment>) -> bool {
        match seen.purpose {
            Some(Purpose::Customer) => true,
            Some(Purpose::External) => {
                !self.has_customer
                    || seen
                        .connected
                        .zip(entered)
                        .is_some_and(|(began, entered)| began < entered)
            }
            _ => false,
        }
    }

    fn is_active(&self) -> bool {
        let acd = self.everybody.iter().filter(|seen| seen.purpose == Some(Purpose::Acd));
        let last_entered = acd.filter_map(|seen| seen.connected).max();
        self.everybody
            .iter()
            .any(|seen| seen.connected.is_some() && seen.ended.is_none() && self.is_customer_side(seen, last_entered))
    }

    fn media_of(&self, seen: &Seen<'_>) -> MediaKind {
        foremost(&seen.participant.media).unwrap_or(self.media)
    }

    fn judge_visit(&self, visit: &Visit<'_>, next_entered: Option<Moment>, outcome: &mut Outcome) {
        let entered = visit.entered;
        let left = visit.seen.ended;
        let media = self.media_of(visit.seen);
        let who = short_hash(&visit.seen.participant.id);
        let mut happened = |what, at: Moment, millis| {
            outcome.happenings.push(Happening {
                queue: visit.queue.clone(),
                media,
                what,
                at,
                millis,
                who,
            });
        };
        happened(What::Offered, entered, 0);

        let could_answer = |connected: &Moment| {
            *connected >= entered
                && next_entered.is_none_or(|next| *connected < next)
                && left.is_none_or(|left| *connected <= left.plus(ANSWERED_AFTER_LEFT_AT_MOST))
        };
        let agents = self.everybody.iter().filter(|seen| seen.is_agent_on(visit.queue));
        if let Some(answered) = agents.filter_map(|seen| seen.connected).filter(could_answer).min() {
            happened(What::Answered, answered, millis_between(entered, answered));
            return;
        }
        let Some(left) = left else {
            outcome.presences.push(Presence {
                queue: visit.queue.clone(),
                media,
                doing: Doing::Waiting,
                since: entered,
            });
            return;
        };
        let went_on_to = |seen: &Seen<'_>| {
            !self.is_customer_side(seen, Some(entered))
                && !seen.is_agent_on(visit.queue)
                && seen.connected.is_some_and(|connected| connected >= entered)
                && seen.ended.is_none_or(|ended| ended > left)
        };
        let mut customer_side = self
            .everybody
            .iter()
            .filter(|seen| self.is_customer_side(seen, Some(entered)));
        if self.everybody.iter().any(went_on_to) {
            happened(What::FlowOut, left, millis_between(entered, left));
        } else if customer_side.all(|seen| seen.ended.is_some()) {
            happened(What::Abandoned, left, millis_between(entered, left));
        }
    }

    fn judge_agent(&self, seen: &Seen<'_>, outcome: &mut Outcome) {
        let Some(queue) = seen.queue else { return };
        let agent = seen.participant;
        let media = self.media_of(seen);
        let mut is_now = |doing, since| {
            outcome.presences.push(Presence {
                queue: queue.clone(),
                media,
                doing,
                since,
            });
        };
        if let (Some(connected), None) = (seen.connected, seen.ended) {
            is_now(Doing::Interacting, connected);
        }
        if agent.in_after_call_work() {
            // Its time is a label only: pending work may not have said when it began.
            let since = agent.acw_started.or(seen.ended).or(seen.connected);
            is_now(Doing::AfterCallWork, since.unwrap_or_default());
        }
        let (Some(connected), Some(ended)) = (seen.connected, seen.ended) else {
            return;
        };
        if agent.expects_after_call_work() {
            return;
        }
        let at = Some(ended).max(agent.acw_ended).unwrap_or(ended);
        let after_call_work = agent.acw_started.zip(agent.acw_ended);
        let handle = millis_between(connected, ended)
            + after_call_work.map_or(0, |(started, ended)| millis_between(started, ended));
        let who = short_hash(&agent.id);
        let mut happened = |what, millis| {
            outcome.happenings.push(Happening {
                queue: queue.clone(),
                media,
                what,
                at,
                millis,
                who,
            });
        };
        happened(What::Handled, handle);
        let transfers = |m: &Medium| m.disconnect.is_some_and(|d| d.value == DisconnectKind::Transfer);
        if agent.media.iter().any(transfers) {
            happened(What::Transferred, 0);
        }
        if agent.wrapup_coded || agent.acw_ended.is_some() || agent.any_acw_state(|s| s == AcwState::Complete) {
            happened(What::Wrapup, 0);
        }
    }
}

/// The medium that names a participant with several.
pub(super) fn foremost<'a>(media: impl IntoIterator<Item = &'a Medium>) -> Option<MediaKind> {
    let rank = |kind: &MediaKind| match kind {
        MediaKind::Callback => 0,
        MediaKind::Voice => 1,
        MediaKind::Message => 2,
        MediaKind::Email => 3,
        MediaKind::Chat => 4,
        MediaKind::Video => 5,
        MediaKind::Other => 6,
    };
    media.into_iter().map(|medium| medium.kind).min_by_key(rank)
}

/// Never negative: times that contradict each other give nothing, not a number near 2^64.
fn millis_between(from: Moment, to: Moment) -> u64 {
    u64::try_from(to.millis_since(from)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
