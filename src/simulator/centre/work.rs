//! The agent's side: alert, answer or miss, talk, hold, park, consult, transfer, after-call work.
//!
//! In: due actions · Out: facts · Thread: the centre's lock.

use super::facts::{Disconnect, Purpose, Span, Step};
use super::{Action, Begins, Centre, Waiting};
use crate::simulator::when::Ms;
use crate::simulator::world::Media;

/// How long an agent is alerted before the conversation goes back to the queue.
pub(in crate::simulator) const ALERTING_TIMEOUT_MS: Ms = 8_000;

/// How many waiting conversations of a queue are searched for one of a medium that the agent can take.
const SEARCHED: usize = 500;

impl Centre {
    /// Offers a waiting conversation to the agent who has been idle longest, if one is free.
    pub(super) fn offer_to_idle_agent(&mut self, key: u64, visit: usize, queue: usize) {
        let Some(media) = self.conversations.get(&key).map(|c| c.media) else {
            return;
        };
        let members = &self.world.queues[queue].members;
        let free = members.iter().copied().filter(|&u| self.agents[u].can_take(media));
        if let Some(user) = free.min_by_key(|&u| (self.agents[u].engaged.len(), self.agents[u].idle_since, u)) {
            self.alert(key, visit, queue, user);
        }
    }

    /// Offers a free agent the conversation that has waited longest in the agent's queues.
    pub(super) fn offer_work(&mut self, user: usize) {
        let mut best: Option<(Ms, u64, usize, usize)> = None;
        for &queue in &self.world.users[user].queues {
            for waiting in self.waiting[queue].iter().take(SEARCHED) {
                let Some(conversation) = self.conversations.get(&waiting.key) else {
                    continue;
                };
                if !self.agents[user].can_take(conversation.media) {
                    continue;
                }
                let since = conversation.participants[waiting.visit].start;
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
        self.stop_waiting(key, visit);
        let expected = self.world.queues[queue].wrapup_required;
        let who = self.join(key, Purpose::Agent, Some(user), Some(queue), Begins::Alerting);
        if let Some(agent) = self.participant_mut(key, who) {
            agent.after_call.expected = expected;
        }
        self.engage(user, key);
        self.touch(key, Step::UserStart(who));
        if self.chance(0.07) {
            self.after(ALERTING_TIMEOUT_MS, Action::Miss(key, who));
        } else {
            let rings = self.between(700, 3_500);
            self.after(rings, Action::Answer(key, who));
        }
    }

    pub(super) fn miss(&mut self, key: u64, who: usize) {
        if !self.participant(key, who).is_some_and(|p| p.is_alerting()) || !self.leave(key, who, Disconnect::NoAnswer) {
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
        let visit = self.conversations.get(&key).and_then(|c| {
            c.participants
                .iter()
                .rposition(|p| p.purpose == Purpose::Acd && p.is_open())
        });
        if let Some(visit) = visit
            && let Some(queue) = self.participant(key, visit).and_then(|p| p.queue)
        {
            self.waiting[queue].push_front(Waiting { key, visit });
            self.offer_to_idle_agent(key, visit, queue);
        }
    }

    /// Ends the alert of an agent after the customer has left.
    pub(super) fn withdraw_alert(&mut self, key: u64, how: Disconnect) {
        let alerting = self
            .conversations
            .get(&key)
            .and_then(|c| c.participants.iter().position(|p| p.is_internal() && p.is_alerting()));
        if let Some(who) = alerting
            && self.leave(key, who, how)
        {
            self.touch(key, Step::UserEnd(who));
            if let Some(user) = self.participant(key, who).and_then(|p| p.user) {
                self.disengage(user, key);
            }
        }
    }

    pub(super) fn answer(&mut self, key: u64, who: usize) {
        let now = self.now;
        let Some(conversation) = self.conversations.get_mut(&key) else {
            return;
        };
        let media = conversation.media;
        if !conversation.participants[who].is_alerting() {
            return;
        }
        let Some(visit) = conversation
            .participants
            .iter()
            .rposition(|p| p.purpose == Purpose::Acd && p.is_open())
        else {
            return;
        };
        conversation.participants[who].connected = Some(now);
        let (queue, since) = (
            conversation.participants[visit].queue.unwrap_or(0),
            conversation.participants[visit].start,
        );
        self.leave(key, visit, Disconnect::Transfer);
        let threshold = self.world.queues[queue].service_level[media.index()];
        self.stats.answered(now, queue, media, now - since, threshold);
        self.touch(key, Step::AcdEnd(visit));
        if let Some(user) = self.participant(key, who).and_then(|p| p.user) {
            self.refresh_routing(user);
        }
        self.plan_talk(key, who, media);
    }

    fn plan_talk(&mut self, key: u64, who: usize, media: Media) {
        let talk = match media {
            Media::Voice => self.between(4_000, 16_000) + self.between(0, 18_000),
            Media::Message => self.between(10_000, 45_000),
            Media::Email => self.between(12_000, 60_000),
            Media::Callback => self.between(8_000, 35_000),
        };
        let mut extra = 0;
        if media == Media::Voice && self.chance(0.06) {
            let start = talk / 3;
            extra = 16_000;
            self.after(start, Action::Consult(key, who));
        } else if media == Media::Voice && self.chance(0.25) {
            let (start, length) = (self.between(2_000, talk / 2 + 2_000), self.between(2_000, 10_000));
            extra = length;
            self.after(start, Action::Hold(key, who));
            self.after(start + length, Action::Unhold(key, who));
        } else if matches!(media, Media::Message | Media::Email) && self.chance(0.3) {
            let (start, length) = (self.between(3_000, talk / 2), self.between(5_000, 20_000));
            extra = length;
            self.after(start, Action::Park(key, who));
            self.after(start + length, Action::Unpark(key, who));
        }
        self.after(talk + extra, Action::TalkEnd(key, who));
    }

    fn open_span(&mut self, key: u64, who: usize, spans: fn(&mut super::Participant) -> &mut Vec<Span>) {
        let now = self.now;
        let Some(participant) = self.participant_mut(key, who).filter(|p| p.is_talking()) else {
            return;
        };
        spans(participant).push(Span { start: now, end: None });
        self.touch(key, Step::Other);
    }

    fn close_span(&mut self, key: u64, who: usize, spans: fn(&mut super::Participant) -> &mut Vec<Span>) {
        let now = self.now;
        let Some(participant) = self.participant_mut(key, who).filter(|p| p.is_talking()) else {
            return;
        };
        if let Some(span) = spans(participant).last_mut().filter(|s| s.end.is_none()) {
            span.end = Some(now);
            self.touch(key, Step::Other);
        }
    }

    pub(super) fn hold(&mut self, key: u64, who: usize) {
        self.open_span(key, who, |p| &mut p.holds);
    }

    pub(super) fn unhold(&mut self, key: u64, who: usize) {
        self.close_span(key, who, |p| &mut p.holds);
    }

    pub(super) fn park(&mut self, key: u64, who: usize) {
        self.open_span(key, who, |p| &mut p.parks);
    }

    pub(super) fn unpark(&mut self, key: u64, who: usize) {
        self.close_span(key, who, |p| &mut p.parks);
    }

    pub(super) fn talk_end(&mut self, key: u64, who: usize) {
        let Some(participant) = self.participant(key, who).filter(|p| p.is_talking()) else {
            return;
        };
        let queue = participant.queue;
        let queues = self.world.queues.len();
        let Some(media) = self.conversations.get(&key).map(|c| c.media) else {
            return;
        };
        let visits = self.conversations.get(&key).map_or(0, |c| {
            c.participants.iter().filter(|p| p.purpose == Purpose::Acd).count()
        });
        let goes_on = queue.is_some() && media != Media::Callback && visits < 4 && self.chance(0.10);
        // Sometimes an external expert stays with the customer.
        let stays = goes_on && self.chance(0.5);
        // The others leave first, so that none of them is left alone in the conversation.
        let others: Vec<usize> = self.conversations.get(&key).map_or_else(Vec::new, |c| {
            (1..c.participants.len())
                .filter(|&i| {
                    let p = &c.participants[i];
                    let outside = p.purpose == Purpose::External;
                    i != who && p.is_open() && (p.is_internal() || (outside && !stays))
                })
                .collect()
        });
        for other in others {
            self.agent_leaves(key, other, Disconnect::Peer);
        }
        if let (Some(from), true) = (queue, goes_on) {
            // Usually to another queue, sometimes back to the same one.
            let to = if queues == 1 || self.chance(0.15) {
                from
            } else {
                (from + self.rng.usize(1..queues)) % queues
            };
            self.agent_leaves(key, who, Disconnect::Transfer);
            self.stats.transferred(self.now, from, media);
            self.enter_queue(key, to);
            return;
        }
        let customer_first = self.chance(0.7);
        let (customer, agent) = match (customer_first, media) {
            (true, Media::Voice) => (Disconnect::Endpoint, Disconnect::Peer),
            (true, _) => (Disconnect::Client, Disconnect::Peer),
            (false, _) => (Disconnect::Peer, Disconnect::Client),
        };
        self.leave(key, 0, customer);
        self.touch(key, Step::CustomerEnd);
        self.agent_leaves(key, who, agent);
    }

    /// An agent or another participant leaves; agents begin after-call work if their queue requires it.
    pub(super) fn agent_leaves(&mut self, key: u64, who: usize, how: Disconnect) {
        if !self.leave(key, who, how) {
            return;
        }
        let outside = self.participant(key, who).is_none_or(|p| p.user.is_none());
        self.touch(key, if outside { Step::Other } else { Step::UserEnd(who) });
        let skips = self.chance(0.06);
        let now = self.now;
        let Some(participant) = self.participant_mut(key, who) else {
            return;
        };
        let Some(user) = participant.user else { return };
        if participant.connected.is_none() || !participant.after_call.expected || skips {
            participant.after_call.skipped = participant.connected.is_some() && participant.after_call.expected;
            self.finished(key, who);
            self.disengage(user, key);
            return;
        }
        participant.after_call.start = Some(now);
        self.touch(key, Step::AfterCall(who));
        let work = self.between(1_500, 9_000);
        self.after(work, Action::AfterCallEnd(key, who));
    }

    pub(super) fn after_call_end(&mut self, key: u64, who: usize) {
        let (now, code) = (self.now, self.rng.usize(..self.world.wrapup_codes.len()));
        let Some(participant) = self.participant_mut(key, who).filter(|p| p.after_call.is_open()) else {
            return;
        };
        participant.after_call.end = Some(now);
        participant.after_call.code = Some(code);
        let user = participant.user;
        self.touch(key, Step::Wrapup(who));
        self.finished(key, who);
        if let Some(user) = user {
            self.disengage(user, key);
        }
    }

    /// Counts an agent's handled conversation, once all its work is done.
    fn finished(&mut self, key: u64, who: usize) {
        let Some(conversation) = self.conversations.get(&key) else {
            return;
        };
        let participant = &conversation.participants[who];
        let (Some(queue), Some(connected), Some(end)) = (participant.queue, participant.connected, participant.end)
        else {
            return;
        };
        let held = participant.held_ms(end);
        let after_call = participant
            .after_call
            .start
            .zip(participant.after_call.end)
            .map_or(0, |(s, e)| e - s);
        self.stats.handled(
            self.now,
            queue,
            conversation.media,
            end - connected - held,
            held,
            after_call,
        );
    }
}
