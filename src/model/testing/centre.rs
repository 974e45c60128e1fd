//! Little conversation histories as a real centre would have them, told in growing full snapshots.
//!
//! In: a seed · Out: histories, and their events as facts · Thread: any (tests only).

use std::cmp::Reverse;

use fastrand::Rng;

use super::{at, communication, participant};
use crate::event::facts::{
    AcwState, AfterCallWork, Communication, CommunicationState, ConversationFacts, DisconnectKind, MediaKind,
    Participant, Purpose, Stamped,
};
use crate::{Id, Moment};

/// Everything that will have happened to one participant.
pub(super) struct Plan {
    pub(super) id: Id,
    pub(super) purpose: Purpose,
    pub(super) user: Option<Id>,
    /// One after the other.
    pub(super) stints: Vec<Stint>,
}

/// One stay of a participant, or a missed alert; in milliseconds.
#[derive(Default)]
pub(super) struct Stint {
    pub(super) queue: Option<Id>,
    pub(super) created: i64,
    pub(super) connected: Option<i64>,
    pub(super) ended: Option<i64>,
    pub(super) after_call_work: Option<(i64, i64)>,
    /// After-call work was expected and left out.
    pub(super) skips: bool,
    pub(super) transfers: bool,
    /// On hold, or parked.
    pub(super) pause: Option<(i64, i64)>,
}

/// One conversation from its arrival to its end.
pub struct History {
    pub(super) id: Id,
    pub(super) media: MediaKind,
    pub(super) plans: Vec<Plan>,
}

/// An id as the service writes them.
pub fn uuid(rng: &mut Rng) -> Id {
    let n = rng.u128(..);
    Id::new(&format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        n >> 96,
        n >> 80 & 0xffff,
        n >> 64 & 0xffff,
        n >> 48 & 0xffff,
        n & 0xffff_ffff_ffff
    ))
}

impl Stint {
    fn is_expected(&self) -> bool {
        self.after_call_work.is_some() || self.skips
    }

    /// When it is over, its after-call work included.
    fn over(&self) -> Option<i64> {
        let work = self.after_call_work.map(|work| work.1);
        self.ended.map(|ended| work.map_or(ended, |work| work.max(ended)))
    }
}

impl Plan {
    /// Stints that have begun, each with its place.
    pub(super) fn begun(&self, now_ms: i64) -> impl DoubleEndedIterator<Item = (usize, &Stint)> {
        let stints = self.stints.iter().enumerate();
        stints.filter(move |(_, stint)| stint.created <= now_ms)
    }

    /// When the last of the stints that have begun is over.
    fn over(&self, now_ms: i64) -> Option<i64> {
        self.begun(now_ms).next_back().and_then(|(_, stint)| stint.over())
    }
}

impl History {
    /// Its conversation.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// Arrival → ivr → acd → missed alerts → agent → transfer → second queue → agent → after-call work, with an abandon
    /// or a flow-out here and there; holds, parked e-mails, consults, conferences, callbacks, after-call work that ends
    /// long after the call or is skipped. Visits and agents may be participants that were there before, and a customer
    /// may come back. Begins at `start_secs`.
    pub fn random(rng: &mut Rng, queues: &[Id], start_secs: i64) -> Self {
        let mut history = Self {
            id: uuid(rng),
            media: [
                MediaKind::Voice,
                MediaKind::Message,
                MediaKind::Email,
                MediaKind::Callback,
            ][rng.usize(..4)],
            plans: Vec::new(),
        };
        let arrived = start_secs * 1000 + rng.i64(0..1000);
        history.plan(rng, Purpose::Customer, None, arrived, Some(arrived), None);
        let ivr_left = arrived + rng.i64(1..=20_000);
        history.plan(
            rng,
            Purpose::Other,
            None,
            arrived + 1,
            Some(arrived + 1),
            Some(ivr_left),
        );
        let gone = history.live(rng, queues, ivr_left, 3);
        // Nobody from outside stays when everybody else is gone.
        for plan in history
            .plans
            .iter_mut()
            .filter(|plan| plan.purpose == Purpose::External)
        {
            for stint in &mut plan.stints {
                stint.ended = stint.ended.map(|ended| ended.min(gone));
            }
        }
        let over = history.plans.iter().filter_map(|plan| plan.over(i64::MAX)).max();
        let over = over.unwrap_or(gone);
        if rng.u8(..3) == 0 && over < gone + 300_000 {
            let back = over + rng.i64(10_000..200_000);
            history.plans[0].stints.push(Stint {
                created: back,
                connected: Some(back),
                ..Stint::default()
            });
            history.live(rng, queues, back, 1);
        }
        history
    }

    /// From queue to queue until the customer is gone. Returns when that is.
    fn live(&mut self, rng: &mut Rng, queues: &[Id], from: i64, legs: usize) -> i64 {
        let mut clock = from;
        let mut step = |rng: &mut Rng, most_secs: i64| {
            clock += rng.i64(1..=most_secs * 1000);
            clock
        };
        let gone = 'life: {
            for leg in 1..=legs {
                let queue = &queues[rng.usize(..queues.len())];
                let entered = step(rng, 2);
                let visit = self.plan(rng, Purpose::Acd, Some(queue), entered, Some(entered), None);
                for _ in 0..rng.usize(..3) {
                    let alerted = step(rng, 5);
                    let missed = step(rng, 15);
                    self.plan(rng, Purpose::Agent, Some(queue), alerted, None, Some(missed));
                }
                if rng.u8(..5) == 0 {
                    let abandoned = step(rng, 60);
                    self.stint(visit).ended = Some(abandoned);
                    break 'life abandoned;
                }
                if leg < legs && rng.u8(..6) == 0 {
                    let flowed_out = step(rng, 60);
                    self.stint(visit).ended = Some(flowed_out);
                    continue;
                }
                let answered = step(rng, 30);
                self.stint(visit).ended = Some(answered);
                let agent = self.plan(rng, Purpose::Agent, Some(queue), answered - 1, Some(answered), None);
                if rng.u8(..3) == 0 {
                    let held = step(rng, 30);
                    self.stint(agent).pause = Some((held, step(rng, 60)));
                }
                if rng.u8(..4) == 0 {
                    let (called, joined) = (step(rng, 20), step(rng, 10));
                    let left = step(rng, 90) + rng.i64(0..200_000);
                    self.third(rng, called, joined, left);
                }
                let released = step(rng, 120);
                let stint = self.stint(agent);
                stint.ended = Some(released);
                match rng.u8(..8) {
                    0..4 => stint.after_call_work = Some((released, released + rng.i64(1..90_000))),
                    4 => stint.after_call_work = Some((released, released + rng.i64(1..1_200_000))),
                    5 => stint.skips = true,
                    _ => {}
                }
                if leg == legs || rng.u8(..3) > 0 {
                    break 'life released;
                }
                stint.transfers = true;
            }
            step(rng, 30)
        };
        self.stint(0).ended = Some(gone);
        gone
    }

    /// A consulted colleague, who answers no visit, or somebody from outside in a conference.
    fn third(&mut self, rng: &mut Rng, called: i64, joined: i64, left: i64) {
        let purpose = [Purpose::User, Purpose::External][rng.usize(..2)];
        let joined = (rng.u8(..4) > 0).then_some(joined);
        self.plan(
            rng,
            purpose,
            None,
            joined.filter(|_| purpose == Purpose::External).unwrap_or(called),
            joined,
            Some(left),
        );
    }

    /// A visit or an agent may be a participant whose earlier stays are over.
    fn plan(
        &mut self,
        rng: &mut Rng,
        purpose: Purpose,
        queue: Option<&Id>,
        created: i64,
        connected: Option<i64>,
        ended: Option<i64>,
    ) -> usize {
        let stint = Stint {
            queue: queue.cloned(),
            created,
            connected,
            ended,
            ..Stint::default()
        };
        let may_return = matches!(purpose, Purpose::Acd | Purpose::Agent) && rng.bool();
        let is_over = |plan: &Plan| plan.purpose == purpose && plan.over(i64::MAX).is_some_and(|over| over < created);
        if let Some(known) = self.plans.iter().position(is_over).filter(|_| may_return) {
            self.plans[known].stints.push(stint);
            return known;
        }
        let user = matches!(purpose, Purpose::Agent | Purpose::User).then(|| uuid(rng));
        self.plans.push(Plan {
            id: uuid(rng),
            purpose,
            user,
            stints: vec![stint],
        });
        self.plans.len() - 1
    }

    /// The last stint of a participant.
    fn stint(&mut self, plan: usize) -> &mut Stint {
        self.plans[plan].stints.last_mut().expect("each plan has a stint")
    }

    /// The moments at which something changes, in order.
    pub fn moments(&self) -> Vec<i64> {
        let mut moments: Vec<i64> = self
            .plans
            .iter()
            .flat_map(|plan| &plan.stints)
            .flat_map(|stint| {
                let acw = stint.after_call_work;
                [
                    Some(stint.created),
                    stint.connected,
                    stint.ended,
                    acw.map(|acw| acw.0),
                    acw.map(|acw| acw.1),
                    stint.pause.map(|held| held.0),
                    stint.pause.map(|held| held.1),
                ]
            })
            .flatten()
            .collect();
        moments.sort_unstable();
        moments.dedup();
        moments
    }

    /// The snapshot the service would send at `now_ms`. Long-ended participants, and earlier stays of those who came
    /// back, may be missing, as `rng` decides.
    pub fn told_at(&self, now_ms: i64, rng: &mut Rng) -> ConversationFacts {
        let newest = self.moments().into_iter().filter(|ms| *ms <= now_ms).max();
        let stamp = moment(newest.unwrap_or(now_ms));
        let mut told = Vec::new();
        for plan in &self.plans {
            let has_begun = plan.begun(now_ms).next().is_some();
            if has_begun && (plan.over(now_ms).is_none_or(|over| over > now_ms - 30_000) || rng.bool()) {
                told.push(self.tell(plan, now_ms, stamp, rng));
            }
        }
        ConversationFacts {
            id: self.id.clone(),
            ended: None,
            participants: told,
        }
    }

    /// All its events in order.
    pub fn told(&self, rng: &mut Rng) -> Vec<ConversationFacts> {
        let moments = self.moments();
        moments.into_iter().map(|now_ms| self.told_at(now_ms, rng)).collect()
    }

    fn tell(&self, plan: &Plan, now_ms: i64, stamp: Moment, rng: &mut Rng) -> Participant {
        let by_now = |ms: Option<i64>| ms.filter(|ms| *ms <= now_ms).map(moment);
        let begun: Vec<(usize, &Stint)> = plan.begun(now_ms).collect();
        let (_, current) = *begun.last().expect("it has begun");
        let told: Vec<(usize, &Stint)> = begun
            .into_iter()
            .filter(|(_, stint)| std::ptr::eq(*stint, current) || rng.bool())
            .collect();
        let mut p = participant(&plan.id.to_string(), plan.purpose);
        p.purpose = with_value(stamp, plan.purpose);
        p.queue = current.queue.clone().map(|value| Stamped { at: stamp, value });
        p.user = plan.user.clone().map(|value| Stamped { at: stamp, value });
        p.connected = told.iter().filter_map(|(_, stint)| by_now(stint.connected)).min();
        p.ended = by_now(current.ended);
        p.wrapup_expected = with_value(stamp, Reverse(current.is_expected()));
        p.wrapup_required = with_value(stamp, Reverse(current.is_expected()));
        let work = |(_, stint): &(usize, &Stint)| {
            let (started, ended) = stint.after_call_work.filter(|work| work.0 <= now_ms)?;
            Some(AfterCallWork {
                started: Some(moment(started)),
                ended: by_now(Some(ended)),
            })
        };
        p.after_call_work = told.iter().rev().find_map(work).into_iter().collect();
        p.wrapups.timed = p.after_call_work.iter().filter_map(|work| work.ended).collect();
        for (n, stint) in told {
            let mut m = self.communication(plan, (n, stint), now_ms, stamp);
            m.queue = p.queue.clone().filter(|_| m.disconnected.is_none());
            m.oldest_queue.clone_from(&p.queue);
            if self.media == MediaKind::Callback && m.connected.is_some() && plan.purpose == Purpose::Agent {
                let mut call = m.clone();
                call.kind = MediaKind::Voice;
                call.id = call_of(&m.id);
                p.communications.push(call);
            }
            p.communications.push(m);
        }
        p
    }

    fn communication(&self, plan: &Plan, (n, stint): (usize, &Stint), now_ms: i64, stamp: Moment) -> Communication {
        let by_now = |ms: Option<i64>| ms.filter(|ms| *ms <= now_ms).map(moment);
        let mut m = communication(&medium_of(&plan.id, n), self.media);
        m.connected = by_now(stint.connected);
        m.disconnected = by_now(stint.ended);
        let on_break = stint.pause.filter(|(from, _)| *from <= now_ms);
        let on_pausenow = m.disconnected.is_none() && on_break.is_some_and(|(_, to)| now_ms < to);
        let state = match (m.connected, m.disconnected) {
            (Some(_), None) if on_pausenow && self.media == MediaKind::Email => CommunicationState::Parked,
            (None, None) => CommunicationState::Alerting,
            (Some(_), None) => CommunicationState::Connected,
            (_, Some(_)) => CommunicationState::Terminated,
        };
        m.state = with_value(stamp, state);
        if m.disconnected.is_some() {
            let kind = if stint.transfers {
                DisconnectKind::Transfer
            } else {
                DisconnectKind::Plain
            };
            m.disconnect = with_value(stamp, kind);
        }
        m.acw_required = with_value(stamp, Reverse(stint.is_expected()));
        m.acw_state = match stint.after_call_work {
            Some((_, ended)) if ended <= now_ms => with_value(stamp, AcwState::Complete),
            Some((started, _)) if started <= now_ms => with_value(stamp, AcwState::Pending),
            _ if stint.skips && m.disconnected.is_some() => with_value(stamp, AcwState::Skipped),
            _ => None,
        };
        m.hold_started = on_break.filter(|_| on_pausenow).map(|(from, _)| moment(from));
        m
    }
}

/// The communication of a participant's stint has an id of its own: the participant's, with its first letters counted on
/// and its last letters turned round.
pub(super) fn medium_of(participant: &Id, stint: usize) -> String {
    let own = participant.to_string();
    let (head, tail) = own.split_at(30);
    let first = u32::from_str_radix(&head[..8], 16).unwrap_or(0);
    let first = first.wrapping_add(u32::try_from(stint).unwrap_or(0));
    format!("{first:08x}{}{}", &head[8..], tail.chars().rev().collect::<String>())
}

/// The call beside a callback.
pub(super) fn call_of(callback: &Id) -> Id {
    Id::new(&callback.to_string().replace('a', "b"))
}

fn with_value<T>(at: Moment, value: T) -> Option<Stamped<T>> {
    Some(Stamped { at, value })
}

/// Milliseconds after the fixed moment of these tests.
pub fn moment(ms: i64) -> Moment {
    Moment::from_epoch_ms(at(0).epoch_ms() + ms)
}
