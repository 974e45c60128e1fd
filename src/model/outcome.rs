//! What a conversation counts for on its queues: who waits, talks and wraps up now, and what happened when.
//!
//! In: the joined state of one conversation, the time · Out: `Outcome`, or visit by visit · Thread: any (pure functions).
//!
//! The definitions are in `docs/numbers.md`. Where they leave something open:
//! * Visits of one queue with equal `entered` are ordered by participant id. Of two such visits the earlier ends when
//!   the later begins, so that one agent does not answer both.
//! * If nobody of the customer side was seen, the customer side counts as ended.
//! * For `active`, an `external` beside a customer counts if it began before some visit of the conversation.
//! * A stay of a participant without communications counts for the medium of the customer side.

use std::ops::Range;
use std::time::Duration;

use super::counts::{CountKind, LiveKind};
use super::queue_numbers::QueueNumber;
use super::state::State;
use super::stays::{Stay, is_over, millis_between, rank, stays};
use crate::Moment;
use crate::base::order::Ordered as _;
use crate::event::facts::{MediaKind, Purpose};

/// An agent may be connected this long after the visit's end and still have answered it, and what follows a visit may
/// begin this long after it.
const SHORTLY: Duration = Duration::from_secs(5);

/// The same for an agent while somebody of the customer side is still there.
const WHILE_CUSTOMER_STAYS: Duration = Duration::from_secs(60);

/// What one conversation adds to the numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// A customer-side participant is connected and not ended.
    pub(crate) active: bool,
    /// Every participant has ended and no after-call work runs or is expected: nothing more is expected.
    pub(crate) finished: bool,
    /// When time alone changes it next.
    pub(crate) changes_at: Option<Moment>,
    /// What it counts for now.
    pub(crate) live: Vec<LiveCount>,
    /// What happened, each at its moment.
    pub(crate) counts: Vec<Count>,
}

/// A visit that waits, or an agent who talks or wraps up, now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LiveCount {
    /// On which queue.
    pub(crate) queue: QueueNumber,
    /// By which medium.
    pub(crate) media: MediaKind,
    /// Which of these.
    pub(crate) kind: LiveKind,
    /// Since when: `entered`, connected, start of after-call work.
    pub(crate) since: Moment,
}

/// Something that happened and counts once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    /// On which queue.
    pub(crate) queue: QueueNumber,
    /// By which medium.
    pub(crate) media: MediaKind,
    /// What happened.
    pub(crate) kind: CountKind,
    /// When; it counts in the window of this moment.
    pub(crate) at: Moment,
    /// Its wait or handle time in milliseconds; 0 where it has none.
    pub(crate) millis: u64,
}

/// What became of a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It has not left and is not answered.
    Waiting,
    /// An agent's stay began at this moment.
    Answered(Moment),
    /// It left for something else.
    FlowOut,
    /// It left, and the customer side with it.
    Abandoned,
    /// It left, and the customer side is still there.
    Undecided,
}

/// A visit of a queue: a stay of a participant with purpose `acd`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Visit {
    /// Its participant, by its place.
    person: usize,
    /// Its communication is a callback.
    is_callback: bool,
    pub(crate) queue: QueueNumber,
    pub(crate) media: MediaKind,
    pub(crate) entered: Moment,
    pub(crate) left: Option<Moment>,
    pub(crate) verdict: Verdict,
    /// The agent who answered it, by the place of the participant.
    pub(crate) answered_by: Option<usize>,
}

/// What a participant is, and which stays are its own.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    purpose: Option<Purpose>,
    is_listening: bool,
    /// Calls a queue from inside: the customer side of a conversation without one.
    is_caller: bool,
    began: Option<Moment>,
    stays: Range<usize>,
}

impl Person {
    /// Counts as an agent.
    pub(crate) fn is_agent(&self) -> bool {
        matches!(self.purpose, Some(Purpose::Agent | Purpose::User)) && !self.is_listening && !self.is_caller
    }
}

/// The stays of a conversation and what follows from them. It may be used again, for another conversation.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// In the order of the state's participants.
    pub(crate) people: Vec<Person>,
    /// In the order of their participants.
    stays: Vec<Stay>,
    /// In the order queue, `entered`, participant id.
    pub(crate) visits: Vec<Visit>,
    has_customer: bool,
    /// The medium of the customer side, which also counts for participants without one.
    media: Option<MediaKind>,
    end: Option<Moment>,
    in_work: Vec<(usize, QueueNumber)>,
}

impl Reading {
    /// What the state of a conversation counts for at a moment.
    pub(crate) fn outcome(&mut self, state: &State, as_of: Moment, outcome: &mut Outcome) {
        self.read(state);
        outcome.live.clear();
        outcome.counts.clear();
        outcome.active = self.is_active();
        outcome.finished = self.is_finished(state, as_of);
        outcome.changes_at = self.changes_at(as_of);
        for visit in &self.visits {
            count_visit(visit, outcome);
        }
        let mut in_work = std::mem::take(&mut self.in_work);
        in_work.clear();
        for (person, stay, queue) in self.agent_stays() {
            // An agent counts once a queue, however many of its stays are in after-call work.
            let agent = (person, queue);
            if stay.is_in_work() && !in_work.contains(&agent) {
                in_work.push(agent);
                outcome.live.push(LiveCount {
                    queue,
                    media: self.media_of(stay),
                    kind: LiveKind::AfterCallWork,
                    // Pending work may have no start; the time is only a label.
                    since: stay.after_call_work.started.or(stay.end).unwrap_or(stay.begin),
                });
            }
            self.count_agent(stay, queue, as_of, outcome);
        }
        self.in_work = in_work;
    }

    /// Reads the stays and visits of a conversation.
    pub(crate) fn read(&mut self, state: &State) {
        self.end = state.end();
        self.people.clear();
        self.stays.clear();
        for at in 0..state.participants.len() {
            let told = state.told(at);
            let first = self.stays.len();
            stays(told, self.end, &mut self.stays);
            self.people.push(Person {
                purpose: told.participant.purpose,
                is_listening: told.participant.is_listening(),
                is_caller: false,
                began: self.stays.get(first).map(|stay| stay.begin),
                stays: first..self.stays.len(),
            });
        }
        let has = |purpose| self.people.iter().any(|person| person.purpose == Some(purpose));
        self.has_customer = has(Purpose::Customer);
        if !self.has_customer
            && !has(Purpose::External)
            && let Some(caller) = self.internal_caller(state)
        {
            self.people[caller].is_caller = true;
        }
        self.media = self.customer_media();
        self.read_visits(state);
    }

    fn read_visits(&mut self, state: &State) {
        let mut visits = std::mem::take(&mut self.visits);
        visits.clear();
        for (n, person) in self.people.iter().enumerate() {
            if person.purpose != Some(Purpose::Acd) {
                continue;
            }
            for stay in &self.stays[person.stays.clone()] {
                visits.extend(stay.queue.map(|queue| Visit {
                    person: n,
                    is_callback: stay.media == Some(MediaKind::Callback),
                    queue,
                    media: self.media_of(stay),
                    entered: stay.begin,
                    left: stay.end,
                    verdict: Verdict::Undecided,
                    answered_by: None,
                }));
            }
        }
        let id = |visit: &Visit| &state.participants[visit.person].id;
        visits.order_by(|a, b| (a.queue, a.entered, id(a)).cmp(&(b.queue, b.entered, id(b))));
        for n in 0..visits.len() {
            let next = visits.get(n + 1).filter(|next| next.queue == visits[n].queue);
            let answer = self.answer(state, &visits[n], next.map(|next| next.entered));
            let visit = &mut visits[n];
            (visit.verdict, visit.answered_by) = match (answer, visit.left) {
                (Some((at, agent)), _) => (Verdict::Answered(at), Some(agent)),
                (None, None) => (Verdict::Waiting, None),
                (None, Some(left)) => (self.verdict_on_leaving(state, visit, left), None),
            };
        }
        self.visits = visits;
    }

    /// The stays of a participant, by its place.
    pub(crate) fn stays_of(&self, person: usize) -> &[Stay] {
        &self.stays[self.people[person].stays.clone()]
    }

    /// The stays on queues of those who count as agents, with the places of their participants.
    pub(crate) fn agent_stays(&self) -> impl Iterator<Item = (usize, &Stay, QueueNumber)> {
        let agents = self.people.iter().enumerate().filter(|(_, person)| person.is_agent());
        agents.flat_map(|(n, person)| {
            let on_queues = self.stays[person.stays.clone()].iter();
            on_queues.filter_map(move |stay| stay.queue.map(|queue| (n, stay, queue)))
        })
    }

    /// The medium for which a stay counts.
    pub(crate) fn media_of(&self, stay: &Stay) -> MediaKind {
        stay.media.or(self.media).unwrap_or(MediaKind::Other)
    }

    fn customer_stays(&self, entered: Option<Moment>) -> impl Iterator<Item = &Stay> {
        let side = self
            .people
            .iter()
            .filter(move |person| self.is_customer_side(person, entered));
        side.flat_map(|person| &self.stays[person.stays.clone()])
    }

    fn is_customer_side(&self, person: &Person, entered: Option<Moment>) -> bool {
        match person.purpose {
            Some(Purpose::Customer) => true,
            Some(Purpose::External) => !self.has_customer || entered.is_some() && person.began < entered,
            _ => person.is_caller,
        }
    }

    fn is_active(&self) -> bool {
        let last_entered = self.visits.iter().map(|visit| visit.entered).max();
        self.customer_stays(last_entered).any(|stay| stay.end.is_none())
    }

    /// Whether nothing more is expected of the conversation that was read.
    pub(crate) fn is_finished(&self, state: &State, as_of: Moment) -> bool {
        let mut people = 0..self.people.len();
        people.all(|n| is_over(state.told(n), self.stays_of(n), self.end, as_of))
    }

    /// When after-call work is expected no longer: of those who do not count as agents, too, because the conversation is
    /// not finished before.
    fn changes_at(&self, as_of: Moment) -> Option<Moment> {
        let until = self.stays.iter().filter_map(Stay::work_expected_until);
        until.filter(|until| *until > as_of).min()
    }

    /// When an agent answered, and who.
    fn answer(&self, state: &State, visit: &Visit, next_entered: Option<Moment>) -> Option<(Moment, usize)> {
        let entered = visit.entered;
        let customer_waits = |left: Moment, at: Moment| {
            let mut there = self
                .customer_stays(Some(entered))
                .filter(|stay| stay.was_there_at(left));
            there.any(|stay| stay.goes_on_after(at))
        };
        let could_answer = |at: Moment| {
            at >= entered
                && next_entered.is_none_or(|next| at < next)
                && visit.left.is_none_or(|left| {
                    at <= left.plus(SHORTLY) || at <= left.plus(WHILE_CUSTOMER_STAYS) && customer_waits(left, at)
                })
        };
        self.agent_stays()
            .filter(|(_, stay, queue)| *queue == visit.queue && could_answer(stay.begin))
            .map(|(person, stay, _)| (stay.begin, person))
            .min_by_key(|(at, person)| (*at, &state.participants[*person].id))
    }

    fn verdict_on_leaving(&self, state: &State, visit: &Visit, left: Moment) -> Verdict {
        let entered = Some(visit.entered);
        let was_there = || self.customer_stays(entered).filter(|stay| stay.was_there_at(left));
        // While somebody of the customer side is there, what follows may begin at any time.
        let customer_stays = was_there().any(|stay| stay.end.is_none());
        let both_left = was_there().filter_map(|stay| stay.end).fold(left, Moment::max);
        let goes_on_as = |person: &Person, stay: &Stay| {
            !(person.is_agent() && stay.queue == Some(visit.queue))
                && stay.begin >= visit.entered
                && (customer_stays || stay.begin <= both_left.plus(SHORTLY))
                && stay.goes_on_after(left)
        };
        let others = self.people.iter().enumerate().filter(|(n, person)| {
            *n != visit.person && !person.is_listening && !self.is_customer_side(person, entered)
        });
        let goes_on = others
            .flat_map(|(n, person)| self.stays_of(n).iter().map(move |stay| (person, stay)))
            .any(|(person, stay)| goes_on_as(person, stay));
        if goes_on || !visit.is_callback && has_callback_since(state, visit.entered) {
            return Verdict::FlowOut;
        }
        let soon = left.plus(SHORTLY);
        let is_there = |stay: &Stay| stay.end.is_none() && stay.begin <= soon;
        if self.customer_stays(entered).any(is_there) {
            Verdict::Undecided
        } else {
            Verdict::Abandoned
        }
    }

    fn count_agent(&self, stay: &Stay, queue: QueueNumber, as_of: Moment, outcome: &mut Outcome) {
        let media = self.media_of(stay);
        if stay.end.is_none() {
            outcome.live.push(LiveCount {
                queue,
                media,
                kind: LiveKind::Interacting,
                since: stay.begin,
            });
        }
        let Some(at) = stay.handled_at(as_of) else { return };
        let mut count = |kind, millis| {
            outcome.counts.push(Count {
                queue,
                media,
                kind,
                at,
                millis,
            });
        };
        count(CountKind::Handled, stay.handle_ms());
        if stay.is_transferred {
            count(CountKind::Transferred, 0);
        }
        if stay.is_wrapped_up() {
            count(CountKind::WrappedUp, 0);
        }
    }

    /// Of a conversation without a customer, the user or agent who connected first and does not listen in.
    fn internal_caller(&self, state: &State) -> Option<usize> {
        let inside = self.people.iter().enumerate().filter(|(_, person)| {
            matches!(person.purpose, Some(Purpose::Agent | Purpose::User)) && !person.is_listening
        });
        let first = inside.filter_map(|(n, person)| {
            let is_agent = person.purpose == Some(Purpose::Agent);
            Some((person.began?, is_agent, &state.participants[n].id, n))
        });
        first.min().map(|(.., n)| n)
    }

    /// The medium by which the customer side came first.
    fn customer_media(&self) -> Option<MediaKind> {
        let of = |is_it: &dyn Fn(&Person) -> bool| {
            let side = self.people.iter().filter(|person| is_it(person));
            let media = side
                .flat_map(|person| &self.stays[person.stays.clone()])
                .filter_map(|stay| Some((stay.begin, stay.media?)));
            media
                .min_by_key(|(begin, media)| (*begin, rank(*media)))
                .map(|(_, media)| media)
        };
        of(&|person| person.purpose == Some(Purpose::Customer))
            .or_else(|| of(&|person| person.purpose == Some(Purpose::External)))
            .or_else(|| of(&|person| person.is_caller))
    }
}

/// Whether a callback was scheduled or began at a moment or later.
fn has_callback_since(state: &State, since: Moment) -> bool {
    let mut callbacks = state.communications.iter().filter(|c| c.kind == MediaKind::Callback);
    callbacks.any(|c| c.scheduled().max(c.begin()) >= Some(since))
}

fn count_visit(visit: &Visit, outcome: &mut Outcome) {
    let Visit {
        queue, entered, media, ..
    } = *visit;
    let mut count = |kind, at: Moment, millis| {
        outcome.counts.push(Count {
            queue,
            media,
            kind,
            at,
            millis,
        });
    };
    count(CountKind::Offered, entered, 0);
    let left = visit.left.unwrap_or(entered);
    match visit.verdict {
        Verdict::Answered(at) => count(CountKind::Answered, at, millis_between(entered, at)),
        Verdict::FlowOut => count(CountKind::FlowOut, left, millis_between(entered, left)),
        Verdict::Abandoned => count(CountKind::Abandoned, left, millis_between(entered, left)),
        Verdict::Undecided => {}
        Verdict::Waiting => outcome.live.push(LiveCount {
            queue,
            media,
            kind: LiveKind::Waiting,
            since: entered,
        }),
    }
}

#[cfg(test)]
mod tests;
