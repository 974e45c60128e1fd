//! Little conversation histories as a real centre would have them, told in growing full snapshots.
//!
//! In: a seed · Out: histories, and their events as facts · Thread: any (tests only).

use std::cmp::Reverse;

use fastrand::Rng;

use super::{at, communication, participant};
use crate::event::facts::{
    AcwState, AfterCallWork, CommunicationState, ConversationFacts, DisconnectKind, MediaKind, Participant, Purpose,
    Stamped,
};
use crate::{Id, Moment};

/// Everything that will have happened to one participant, in milliseconds.
pub(super) struct Plan {
    pub(super) id: Id,
    pub(super) purpose: Purpose,
    pub(super) queue: Option<Id>,
    pub(super) user: Option<Id>,
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

impl History {
    /// Its conversation.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// Arrival → ivr → acd → missed alerts → agent → transfer → second queue → agent → after-call work, with an abandon
    /// or a flow-out here and there; holds, parked e-mails, consults, conferences, callbacks, after-call work that ends
    /// long after the call or is skipped. Begins at `start_secs`.
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
        let mut clock = start_secs * 1000 + rng.i64(0..1000);
        let arrived = clock;
        let mut step = |rng: &mut Rng, most_secs: i64| {
            clock += rng.i64(1..=most_secs * 1000);
            clock
        };
        history.plan(rng, Purpose::Customer, None, arrived, Some(arrived), None);
        let ivr_left = step(rng, 20);
        history.plan(
            rng,
            Purpose::Other,
            None,
            arrived + 1,
            Some(arrived + 1),
            Some(ivr_left),
        );
        let gone = 'life: {
            for leg in 0..3 {
                let queue = &queues[rng.usize(..queues.len())];
                let entered = step(rng, 2);
                let visit = history.plan(rng, Purpose::Acd, Some(queue), entered, Some(entered), None);
                for _ in 0..rng.usize(..3) {
                    let alerted = step(rng, 5);
                    let missed = step(rng, 15);
                    history.plan(rng, Purpose::Agent, Some(queue), alerted, None, Some(missed));
                }
                if rng.u8(..5) == 0 {
                    let abandoned = step(rng, 60);
                    history.plans[visit].ended = Some(abandoned);
                    break 'life abandoned;
                }
                if leg < 2 && rng.u8(..6) == 0 {
                    let flowed_out = step(rng, 60);
                    history.plans[visit].ended = Some(flowed_out);
                    continue;
                }
                let answered = step(rng, 30);
                history.plans[visit].ended = Some(answered);
                let agent = history.plan(rng, Purpose::Agent, Some(queue), answered - 1, Some(answered), None);
                if rng.u8(..3) == 0 {
                    let held = step(rng, 30);
                    history.plans[agent].pause = Some((held, step(rng, 60)));
                }
                if rng.u8(..4) == 0 {
                    let (called, joined) = (step(rng, 20), step(rng, 10));
                    let left = step(rng, 90) + rng.i64(0..200_000);
                    history.third(rng, called, joined, left);
                }
                let released = step(rng, 120);
                history.plans[agent].ended = Some(released);
                let plan = &mut history.plans[agent];
                match rng.u8(..8) {
                    0..4 => plan.after_call_work = Some((released, released + rng.i64(1..90_000))),
                    4 => plan.after_call_work = Some((released, released + rng.i64(1..1_200_000))),
                    5 => plan.skips = true,
                    _ => {}
                }
                if leg == 2 || rng.u8(..3) > 0 {
                    break 'life released;
                }
                history.plans[agent].transfers = true;
            }
            step(rng, 30)
        };
        history.plans[0].ended = Some(gone);
        // Nobody from outside stays when everybody else is gone.
        for plan in history
            .plans
            .iter_mut()
            .filter(|plan| plan.purpose == Purpose::External)
        {
            plan.ended = plan.ended.map(|ended| ended.min(gone));
        }
        history
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

    fn plan(
        &mut self,
        rng: &mut Rng,
        purpose: Purpose,
        queue: Option<&Id>,
        created: i64,
        connected: Option<i64>,
        ended: Option<i64>,
    ) -> usize {
        let user = matches!(purpose, Purpose::Agent | Purpose::User).then(|| uuid(rng));
        self.plans.push(Plan {
            id: uuid(rng),
            purpose,
            queue: queue.cloned(),
            user,
            created,
            connected,
            ended,
            after_call_work: None,
            skips: false,
            transfers: false,
            pause: None,
        });
        self.plans.len() - 1
    }

    /// The moments at which something changes, in order.
    pub fn moments(&self) -> Vec<i64> {
        let mut moments: Vec<i64> = self
            .plans
            .iter()
            .flat_map(|plan| {
                let acw = plan.after_call_work;
                [
                    Some(plan.created),
                    plan.connected,
                    plan.ended,
                    acw.map(|acw| acw.0),
                    acw.map(|acw| acw.1),
                    plan.pause.map(|held| held.0),
                    plan.pause.map(|held| held.1),
                ]
            })
            .flatten()
            .collect();
        moments.sort_unstable();
        moments.dedup();
        moments
    }

    /// The snapshot the service would send at `now_ms`. Long-ended participants may be missing, as `rng` decides.
    pub fn told_at(&self, now_ms: i64, rng: &mut Rng) -> ConversationFacts {
        let newest = self.moments().into_iter().filter(|ms| *ms <= now_ms).max();
        let stamp = moment(newest.unwrap_or(now_ms));
        let begun = self.plans.iter().filter(|plan| plan.created <= now_ms);
        let told = begun.filter(|plan| {
            let over = plan
                .ended
                .map(|ended| plan.after_call_work.map_or(ended, |acw| acw.1.max(ended)));
            over.is_none_or(|over| over > now_ms - 30_000) || rng.bool()
        });
        ConversationFacts {
            id: self.id.clone(),
            ended: None,
            participants: told.map(|plan| self.tell(plan, now_ms, stamp)).collect(),
        }
    }

    /// All its events in order.
    pub fn told(&self, rng: &mut Rng) -> Vec<ConversationFacts> {
        let moments = self.moments();
        moments.into_iter().map(|now_ms| self.told_at(now_ms, rng)).collect()
    }

    fn tell(&self, plan: &Plan, now_ms: i64, stamp: Moment) -> Participant {
        let by_now = |ms: Option<i64>| ms.filter(|ms| *ms <= now_ms).map(moment);
        let mut p = participant(&plan.id.to_string(), plan.purpose);
        p.purpose = with_value(stamp, plan.purpose);
        p.queue = plan.queue.clone().map(|value| Stamped { at: stamp, value });
        p.user = plan.user.clone().map(|value| Stamped { at: stamp, value });
        p.connected = by_now(plan.connected);
        p.ended = by_now(plan.ended);
        let expected = plan.after_call_work.is_some() || plan.skips;
        p.wrapup_expected = with_value(stamp, Reverse(expected));
        p.wrapup_required = with_value(stamp, Reverse(expected));
        let work = AfterCallWork {
            started: by_now(plan.after_call_work.map(|acw| acw.0)),
            ended: by_now(plan.after_call_work.map(|acw| acw.1)),
        };
        p.after_call_work = work.started.map(|_| work).into_iter().collect();
        p.wrapups.timed = work.ended.into_iter().collect();
        let mut m = communication(&medium_of(&plan.id), self.media);
        m.connected = p.connected;
        m.disconnected = p.ended;
        let on_break = plan.pause.filter(|(from, _)| *from <= now_ms);
        let on_pausenow = p.ended.is_none() && on_break.is_some_and(|(_, to)| now_ms < to);
        let state = match (p.connected, p.ended) {
            (Some(_), None) if on_pausenow && self.media == MediaKind::Email => CommunicationState::Parked,
            (None, None) => CommunicationState::Alerting,
            (Some(_), None) => CommunicationState::Connected,
            (_, Some(_)) => CommunicationState::Terminated,
        };
        m.state = with_value(stamp, state);
        if p.ended.is_some() {
            let kind = if plan.transfers {
                DisconnectKind::Transfer
            } else {
                DisconnectKind::Plain
            };
            m.disconnect = with_value(stamp, kind);
        }
        if work.started.is_some() {
            let state = if work.ended.is_some() {
                AcwState::Complete
            } else {
                AcwState::Pending
            };
            m.acw_state = with_value(stamp, state);
        }
        if plan.skips && p.ended.is_some() {
            m.acw_state = with_value(stamp, AcwState::Skipped);
        }
        m.hold_started = on_break.filter(|_| on_pausenow).map(|(from, _)| moment(from));
        m.queue = p.queue.clone().filter(|_| p.ended.is_none());
        m.oldest_queue.clone_from(&p.queue);
        if self.media == MediaKind::Callback && p.connected.is_some() && plan.purpose == Purpose::Agent {
            let mut call = m.clone();
            call.kind = MediaKind::Voice;
            call.id = call_of(&m.id);
            p.communications.push(call);
        }
        p.communications.push(m);
        p
    }
}

/// A medium has an id of its own: the participant's, with its last letters turned round.
pub(super) fn medium_of(participant: &Id) -> String {
    let own = participant.to_string();
    let (head, tail) = own.split_at(30);
    format!("{head}{}", tail.chars().rev().collect::<String>())
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
