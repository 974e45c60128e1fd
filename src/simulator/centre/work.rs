//! Agents and the queue: offering, alerting, answering, missing.
//!
//! In: due actions · Out: facts · Thread: the centre's lock.

use super::facts::{Disconnect, Participant, Purpose, Step};
use super::{Action, Begins, Centre, Waiting};
use crate::simulator::when::Ms;
use crate::simulator::world::Media;

/// How long an agent is alerted before the conversation goes back to the queue.
pub(in crate::simulator) const ALERTING_TIMEOUT_MS: Ms = 8_000;

/// How many waiting conversations of a queue are searched for one of a medium that the agent can take.
const SEARCHED: usize = 500;

impl Centre {
    /// Offers a waiting conversation to a free agent: often to one who had it before, else to the one who has been idle
    /// longest.
    pub(super) fn offer_to_idle_agent(&mut self, key: u64, visit: usize, queue: usize) {
        let Some(media) = self.stay(key, visit).map(|s| s.media) else {
            return;
        };
        let wanted = self.wanted.get(&key).copied();
        let members = &self.world.queues[queue].members;
        let mut free: Vec<usize> = members
            .iter()
            .copied()
            .filter(|&u| self.agents[u].can_take(media) && wanted.is_none_or(|wanted| wanted == u))
            .collect();
        free.sort_unstable_by_key(|&u| (self.agents[u].engaged.len(), self.agents[u].idle_since, u));
        let known = free.iter().copied().find(|&u| self.had_before(key, u).is_some());
        let user = match known {
            Some(known) if self.chance(0.6) => Some(known),
            _ => free.first().copied(),
        };
        if let Some(user) = user {
            self.alert(key, visit, queue, user);
        }
    }

    pub(super) fn any_agent(&mut self, key: u64, visit: usize) {
        if self.wanted.remove(&key).is_some()
            && let Some(stay) = self.stay(key, visit).filter(|s| s.is_talking())
            && let Some(queue) = stay.queue
        {
            self.offer_to_idle_agent(key, visit, queue);
        }
    }

    /// The participant as which a user talked in this conversation before, with nothing left to do.
    fn had_before(&self, key: u64, user: usize) -> Option<usize> {
        let is_he = |p: &Participant| {
            p.purpose == Purpose::Agent && p.user == Some(user) && p.stay().connected.is_some() && p.is_done()
        };
        self.conversations.get(&key)?.participants.iter().rposition(is_he)
    }

    /// Offers a free agent the conversation that has waited longest in the agent's queues.
    pub(super) fn offer_work(&mut self, user: usize) {
        let mut best: Option<(Ms, u64, usize, usize)> = None;
        for &queue in &self.world.users[user].queues {
            for waiting in self.waiting[queue].iter().take(SEARCHED) {
                let Some(stay) = self.stay(waiting.key, waiting.visit) else {
                    continue;
                };
                let is_for_other = self.wanted.get(&waiting.key).is_some_and(|&wanted| wanted != user);
                if is_for_other || !self.agents[user].can_take(stay.media) {
                    continue;
                }
                let since = stay.connected.unwrap_or(stay.start);
                if best.is_none_or(|(other, ..)| since < other) {
                    best = Some((since, waiting.key, waiting.visit, queue));
                }
                break;
            }
        }
        if let Some((_, key, visit, queue)) = best {
            self.alert(key, visit, queue, user);
        }
    }

    fn alert(&mut self, key: u64, visit: usize, queue: usize, user: usize) {
        let Some(media) = self.stay(key, visit).map(|s| s.media) else {
            return;
        };
        self.stop_waiting(key, visit);
        self.wanted.remove(&key);
        let expected = self.world.queues[queue].wrapup_required;
        let mut stay = self.new_stay(media, Some(queue), Begins::Alerting);
        stay.visit = Some(visit);
        stay.after_call.expected = expected;
        stay.after_call.optional = expected && self.chance(0.05) && self.world.optional_after_call_work;
        let again = self
            .had_before(key, user)
            .filter(|&who| self.may_go_on(key, who, &stay));
        let who = match again {
            Some(who) if self.chance(0.7) => {
                if let Some(agent) = self.participant_mut(key, who) {
                    agent.stays.push(stay);
                }
                who
            }
            _ => self.join(key, Purpose::Agent, Some(user), stay),
        };
        self.engage(user, key, media);
        self.touch(key, Step::UserStart(who));
        if self.chance(0.07) {
            self.after(ALERTING_TIMEOUT_MS, Action::Miss(key, who));
        } else {
            let rings = self.between(700, 3_500);
            self.after(rings, Action::Answer(key, who));
        }
    }

    /// Whether an agent may have another stay as the same participant. A thread is seen again days later by clients that
    /// did not see its begin, and notifications tell only the newest queue of a participant: there the queue must be the
    /// same.
    fn may_go_on(&self, key: u64, who: usize, next: &super::Stay) -> bool {
        let is_thread = matches!(next.media, Media::Message | Media::Email);
        self.stay(key, who)
            .is_some_and(|last| last.media == next.media && (!is_thread || last.queue == next.queue))
    }

    pub(super) fn miss(&mut self, key: u64, who: usize) {
        if !self.stay(key, who).is_some_and(|s| s.is_alerting()) || !self.leave(key, who, Disconnect::NoAnswer) {
            return;
        }
        self.touch(key, Step::UserEnd(who));
        let Some(user) = self.participant(key, who).and_then(|p| p.user) else {
            return;
        };
        self.agents[user].not_responding = true;
        let absent = self.between(6_000, 15_000);
        self.after(absent, Action::Recover(user));
        self.disengage(user, key);
        let visit = self.conversations.get(&key).and_then(|c| c.open_visit());
        if let Some(visit) = visit
            && let Some(queue) = self.stay(key, visit).and_then(|s| s.queue)
        {
            self.waiting[queue].push_front(Waiting { key, visit });
            self.offer_to_idle_agent(key, visit, queue);
        }
    }

    /// Ends the alert of an agent after the customer has left.
    pub(super) fn withdraw_alert(&mut self, key: u64, how: Disconnect) {
        let alerting = (self.conversations.get(&key))
            .and_then(|c| c.stays().find(|(_, p, s)| p.is_internal() && s.is_alerting()))
            .map(|(who, ..)| who);
        if let Some(who) = alerting
            && self.leave(key, who, how)
        {
            self.touch(key, Step::UserEnd(who));
            if let Some(user) = self.participant(key, who).and_then(|p| p.user) {
                self.disengage(user, key);
            }
        }
    }

    /// The queue hands the conversation over to an agent, who usually is connected now, sometimes a little later.
    pub(super) fn answer(&mut self, key: u64, who: usize) {
        let visit = self.stay(key, who).filter(|s| s.is_alerting()).and_then(|s| s.visit);
        let Some(visit) = visit else { return };
        if !self.leave(key, visit, Disconnect::Transfer) {
            return;
        }
        self.touch(key, Step::AcdEnd(visit));
        let late = match self.rng.u8(..100) {
            0..3 => self.between(200, 4_900),
            3..5 => self.between(6_000, 40_000),
            _ => 0,
        };
        if late == 0 {
            return self.pick_up(key, who);
        }
        self.after(late, Action::PickUp(key, who));
        if late > 5_000 && self.chance(0.3) {
            self.after(late / 2, Action::HangUp(key, who));
        }
    }

    pub(super) fn pick_up(&mut self, key: u64, who: usize) {
        let now = self.now;
        let Some(stay) = self.stay_mut(key, who).filter(|s| s.is_alerting()) else {
            return;
        };
        stay.connected = Some(now);
        let (media, queue, visit) = (stay.media, stay.queue.unwrap_or(0), stay.visit.unwrap_or(0));
        let entered = self.stay(key, visit).and_then(|s| s.connected).unwrap_or(now);
        let threshold = self.world.queues[queue].service_level[media.index()];
        self.stats.answered(now, queue, media, now - entered, threshold);
        self.touch(key, Step::Other);
        if let Some(user) = self.participant(key, who).and_then(|p| p.user) {
            self.refresh_routing(user);
        }
        self.plan_talk(key, who, media);
    }
}
