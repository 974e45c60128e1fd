//! What a conversation counts for on its queues: who waits, talks and wraps up now, and what happened when.
//!
//! In: the joined state of one conversation · Out: `Outcome` · Thread: any (a pure function).
//!
//! The definitions are in `docs/numbers.md`. Where they leave something open:
//! * Visits of one queue with equal `entered` are ordered by participant id. Of two such visits the earlier ends when
//!   the later begins, so that one agent does not answer both.
//! * If no customer-side participant was seen (an internal call to a queue), the customer side counts as ended.
//! * For `active`, an `external` beside a customer counts if it began before some visit of the conversation.
//! * After-call work that has an end is not pending, whatever a communication says.
//! * A participant with communications by several media counts for the first of callback, voice, message, email, chat,
//!   video, other (an agent who calls back has a callback and a call: it is a callback); one without communications for
//!   the medium of the customer side.

use std::time::Duration;

use super::counts::{CountKind, LiveKind};
use crate::base::id::short_hash;
use crate::event::facts::{
    AcwState, Communication, CommunicationState, ConversationFacts, DisconnectKind, MediaKind, Participant, Purpose,
};
use crate::{Id, Moment};

/// An agent may be connected this long after the visit's end and still have answered it (`docs/numbers.md`).
const ANSWERED_AFTER_LEFT_AT_MOST: Duration = Duration::from_secs(5);

/// What one conversation adds to the numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// A customer-side participant is connected and not ended.
    pub(crate) active: bool,
    /// Every participant has ended and no after-call work runs: nothing more is expected.
    pub(crate) finished: bool,
    /// What it counts for now.
    pub(crate) live: Vec<LiveCount>,
    /// What happened, each at its moment.
    pub(crate) counts: Vec<Count>,
}

/// A visit that waits, or an agent who talks or wraps up, now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LiveCount {
    /// On which queue.
    pub(crate) queue: Id,
    /// By which medium.
    pub(crate) media: MediaKind,
    /// Which of these.
    pub(crate) kind: LiveKind,
    /// Since when: `entered`, connected, start of after-call work.
    pub(crate) since: Moment,
}

/// Something that happened and counts once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    /// On which queue.
    pub(crate) queue: Id,
    /// By which medium.
    pub(crate) media: MediaKind,
    /// What happened.
    pub(crate) kind: CountKind,
    /// When; it counts in the window of this moment.
    pub(crate) at: Moment,
    /// Its wait or handle time in milliseconds; 0 where it has none.
    pub(crate) millis: u64,
    /// The participant it is about (the visit's or the agent), as 32 bits of its id's hash.
    pub(crate) participant: u32,
}

impl Participant {
    /// Its connected time, else the earliest of its communications.
    #[must_use]
    pub(crate) fn connected_at(&self) -> Option<Moment> {
        self.connected.or_else(|| {
            self.communications
                .iter()
                .filter_map(|communication| communication.connected)
                .min()
        })
    }

    /// Its end time, else the latest disconnected time, if all its communications are disconnected or
    /// terminated.
    #[must_use]
    pub(crate) fn ended_at(&self) -> Option<Moment> {
        self.ended.or_else(|| {
            if self.all_disconnected() {
                self.communications
                    .iter()
                    .filter_map(|communication| communication.disconnected)
                    .max()
            } else {
                None
            }
        })
    }

    /// Counts as an agent: purpose `agent` or `user`, and does not listen in.
    #[must_use]
    pub(crate) fn is_agent(&self) -> bool {
        matches!(self.purpose_value(), Some(Purpose::Agent | Purpose::User)) && !self.listens_in
    }

    /// In after-call work: it began and did not end, or a communication says pending.
    #[must_use]
    pub(crate) fn in_after_call_work(&self) -> bool {
        self.acw_ended.is_none() && (self.acw_started.is_some() || self.any_acw_state(|s| s == AcwState::Pending))
    }

    fn purpose_value(&self) -> Option<Purpose> {
        self.purpose.map(|purpose| purpose.value)
    }

    fn queue_value(&self) -> Option<&Id> {
        self.queue.as_ref().map(|queue| &queue.value)
    }

    fn all_disconnected(&self) -> bool {
        let gone = |c: &Communication| {
            c.state.is_some_and(|s| {
                matches!(
                    s.value,
                    CommunicationState::Disconnected | CommunicationState::Terminated
                )
            })
        };
        !self.communications.is_empty() && self.communications.iter().all(gone)
    }

    fn any_acw_state(&self, is: impl Fn(AcwState) -> bool) -> bool {
        self.communications
            .iter()
            .any(|communication| communication.acw_state.is_some_and(|state| is(state.value)))
    }

    /// After-call work is still expected of an agent who has left.
    fn expects_after_call_work(&self) -> bool {
        let no_longer = self.acw_ended.is_some()
            || self.wrapup_coded
            || self.any_acw_state(|s| matches!(s, AcwState::Skipped | AcwState::NotApplicable | AcwState::Complete));
        let required_by_any = || {
            self.communications
                .iter()
                .any(|c| c.acw_required.is_some_and(|r| r.value))
        };
        !no_longer
            && match (self.wrapup_expected, self.wrapup_required) {
                (Some(expected), _) => expected.value,
                (None, Some(required)) => required.value,
                (None, None) => required_by_any(),
            }
    }

    /// Whether nothing more is expected of it, even if it has no end time.
    fn is_over(&self) -> bool {
        (self.ended.is_some() || self.all_disconnected()) && !self.in_after_call_work()
    }
}

/// A participant, with what is needed of it more than once.
struct Member<'a> {
    participant: &'a Participant,
    purpose: Option<Purpose>,
    queue: Option<&'a Id>,
    connected: Option<Moment>,
    ended: Option<Moment>,
    is_agent: bool,
}

impl Member<'_> {
    fn is_agent_on(&self, queue: &Id) -> bool {
        self.is_agent && self.queue == Some(queue)
    }
}

/// A visit of a queue: a participant with purpose `acd` that entered.
struct Visit<'a> {
    member: &'a Member<'a>,
    queue: &'a Id,
    entered: Moment,
}

/// What the joined state of a conversation counts for.
pub(crate) fn outcome(facts: &ConversationFacts) -> Outcome {
    let conversation = Conversation::of(facts);
    let mut outcome = Outcome {
        active: conversation.is_active(),
        finished: facts.participants.iter().all(Participant::is_over),
        ..Outcome::default()
    };
    let visits = conversation.visits();
    for (n, visit) in visits.iter().enumerate() {
        let next = visits.get(n + 1).filter(|next| next.queue == visit.queue);
        conversation.count_visit(visit, next.map(|next| next.entered), &mut outcome);
    }
    for member in conversation.members.iter().filter(|member| member.is_agent) {
        conversation.count_agent(member, &mut outcome);
    }
    outcome
}

struct Conversation<'a> {
    members: Vec<Member<'a>>,
    has_customer: bool,
    /// The medium of the customer side, which also counts for participants without one.
    media: MediaKind,
}

impl<'a> Conversation<'a> {
    fn of(facts: &'a ConversationFacts) -> Self {
        let members: Vec<Member<'a>> = facts
            .participants
            .iter()
            .map(|p| Member {
                participant: p,
                purpose: p.purpose_value(),
                queue: p.queue_value(),
                connected: p.connected_at(),
                ended: p.ended_at(),
                is_agent: p.is_agent(),
            })
            .collect();
        let media_of = |purpose| {
            let of_purpose = members.iter().filter(|member| member.purpose == Some(purpose));
            foremost(of_purpose.flat_map(|member| &member.participant.communications))
        };
        let media = media_of(Purpose::Customer)
            .or_else(|| media_of(Purpose::External))
            .unwrap_or(MediaKind::Other);
        Self {
            has_customer: members.iter().any(|member| member.purpose == Some(Purpose::Customer)),
            members,
            media,
        }
    }

    /// In the order queue, `entered`, participant id.
    fn visits(&self) -> Vec<Visit<'_>> {
        let mut visits: Vec<Visit<'_>> = self
            .members
            .iter()
            .filter(|member| member.purpose == Some(Purpose::Acd))
            .filter_map(|member| {
                Some(Visit {
                    member,
                    queue: member.queue?,
                    entered: member.connected?,
                })
            })
            .collect();
        visits.sort_by(|a, b| {
            (a.queue, a.entered, &a.member.participant.id).cmp(&(b.queue, b.entered, &b.member.participant.id))
        });
        visits
    }

    fn is_customer_side(&self, member: &Member<'_>, entered: Option<Moment>) -> bool {
        match member.purpose {
            Some(Purpose::Customer) => true,
            Some(Purpose::External) => {
                !self.has_customer
                    || member
                        .connected
                        .zip(entered)
                        .is_some_and(|(began, entered)| began < entered)
            }
            _ => false,
        }
    }

    fn is_active(&self) -> bool {
        let acd = self
            .members
            .iter()
            .filter(|member| member.purpose == Some(Purpose::Acd));
        let last_entered = acd.filter_map(|member| member.connected).max();
        self.members.iter().any(|member| {
            member.connected.is_some() && member.ended.is_none() && self.is_customer_side(member, last_entered)
        })
    }

    fn media_of(&self, member: &Member<'_>) -> MediaKind {
        foremost(&member.participant.communications).unwrap_or(self.media)
    }

    fn count_visit(&self, visit: &Visit<'_>, next_entered: Option<Moment>, outcome: &mut Outcome) {
        let entered = visit.entered;
        let left = visit.member.ended;
        let media = self.media_of(visit.member);
        let participant = short_hash(&visit.member.participant.id);
        let mut count = |kind, at: Moment, millis| {
            outcome.counts.push(Count {
                queue: visit.queue.clone(),
                media,
                kind,
                at,
                millis,
                participant,
            });
        };
        count(CountKind::Offered, entered, 0);

        let could_answer = |connected: &Moment| {
            *connected >= entered
                && next_entered.is_none_or(|next| *connected < next)
                && left.is_none_or(|left| *connected <= left.plus(ANSWERED_AFTER_LEFT_AT_MOST))
        };
        let agents = self.members.iter().filter(|member| member.is_agent_on(visit.queue));
        if let Some(answered) = agents.filter_map(|member| member.connected).filter(could_answer).min() {
            count(CountKind::Answered, answered, millis_between(entered, answered));
            return;
        }
        let Some(left) = left else {
            outcome.live.push(LiveCount {
                queue: visit.queue.clone(),
                media,
                kind: LiveKind::Waiting,
                since: entered,
            });
            return;
        };
        let went_on_to = |member: &Member<'_>| {
            !self.is_customer_side(member, Some(entered))
                && !member.is_agent_on(visit.queue)
                && member.connected.is_some_and(|connected| connected >= entered)
                && member.ended.is_none_or(|ended| ended > left)
        };
        let mut customer_side = self
            .members
            .iter()
            .filter(|member| self.is_customer_side(member, Some(entered)));
        if self.members.iter().any(went_on_to) {
            count(CountKind::FlowOut, left, millis_between(entered, left));
        } else if customer_side.all(|member| member.ended.is_some()) {
            count(CountKind::Abandoned, left, millis_between(entered, left));
        }
    }

    fn count_agent(&self, member: &Member<'_>, outcome: &mut Outcome) {
        let Some(queue) = member.queue else { return };
        let agent = member.participant;
        let media = self.media_of(member);
        let mut count_live = |kind, since| {
            outcome.live.push(LiveCount {
                queue: queue.clone(),
                media,
                kind,
                since,
            });
        };
        if let (Some(connected), None) = (member.connected, member.ended) {
            count_live(LiveKind::Interacting, connected);
        }
        if agent.in_after_call_work() {
            // Pending work may have no start; the time is only a label.
            let since = agent.acw_started.or(member.ended).or(member.connected);
            count_live(LiveKind::AfterCallWork, since.unwrap_or_default());
        }
        let (Some(connected), Some(ended)) = (member.connected, member.ended) else {
            return;
        };
        if agent.expects_after_call_work() {
            return;
        }
        let at = Some(ended).max(agent.acw_ended).unwrap_or(ended);
        let after_call_work = agent.acw_started.zip(agent.acw_ended);
        let handle = millis_between(connected, ended)
            + after_call_work.map_or(0, |(started, ended)| millis_between(started, ended));
        let participant = short_hash(&agent.id);
        let mut count = |kind, millis| {
            outcome.counts.push(Count {
                queue: queue.clone(),
                media,
                kind,
                at,
                millis,
                participant,
            });
        };
        count(CountKind::Handled, handle);
        let transfers = |c: &Communication| c.disconnect.is_some_and(|d| d.value == DisconnectKind::Transfer);
        if agent.communications.iter().any(transfers) {
            count(CountKind::Transferred, 0);
        }
        if agent.wrapup_coded || agent.acw_ended.is_some() || agent.any_acw_state(|s| s == AcwState::Complete) {
            count(CountKind::WrappedUp, 0);
        }
    }
}

/// The medium for which a participant with communications by several media counts.
pub(super) fn foremost<'a>(communications: impl IntoIterator<Item = &'a Communication>) -> Option<MediaKind> {
    let rank = |kind: &MediaKind| match kind {
        MediaKind::Callback => 0,
        MediaKind::Voice => 1,
        MediaKind::Message => 2,
        MediaKind::Email => 3,
        MediaKind::Chat => 4,
        MediaKind::Video => 5,
        MediaKind::Other => 6,
    };
    communications
        .into_iter()
        .map(|communication| communication.kind)
        .min_by_key(rank)
}

/// Zero if the times contradict each other.
fn millis_between(from: Moment, to: Moment) -> u64 {
    u64::try_from(to.millis_since(from)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
