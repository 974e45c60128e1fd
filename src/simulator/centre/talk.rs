//! The agent's talk: hold, park, transfer, the end, after-call work.
//!
//! In: due actions · Out: facts · Thread: the centre's lock.

use super::facts::{Disconnect, Purpose, Span, Step};
use super::{Action, Centre, Stay};
use crate::simulator::world::Media;

impl Centre {
    pub(super) fn plan_talk(&mut self, key: u64, who: usize, media: Media) {
        let talk = match media {
            Media::Voice => self.between(4_000, 16_000) + self.between(0, 18_000),
            Media::Message => self.between(10_000, 45_000),
            Media::Email => self.between(12_000, 60_000),
            Media::Callback => {
                let looks_up = self.between(800, 4_000);
                return self.after(looks_up, Action::Dial(key, who));
            }
        };
        if media != Media::Email && self.chance(0.03) {
            self.after(talk / 4, Action::Monitor(key, who));
        }
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

    fn open_span(&mut self, key: u64, who: usize, spans: fn(&mut Stay) -> &mut Vec<Span>) {
        let now = self.now;
        let Some(stay) = self.stay_mut(key, who).filter(|s| s.is_talking()) else {
            return;
        };
        spans(stay).push(Span { start: now, end: None });
        self.touch(key, Step::Other);
    }

    fn close_span(&mut self, key: u64, who: usize, spans: fn(&mut Stay) -> &mut Vec<Span>) {
        let now = self.now;
        let Some(stay) = self.stay_mut(key, who).filter(|s| s.is_talking()) else {
            return;
        };
        if let Some(span) = spans(stay).last_mut().filter(|s| s.end.is_none()) {
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
        let Some(stay) = self.stay(key, who).filter(|s| s.is_talking()) else {
            return;
        };
        let (queue, media) = (stay.queue, stay.media);
        if self.end_call_back(key, who) {
            return;
        }
        let visited: Vec<usize> = self.conversations.get(&key).map_or_else(Vec::new, |c| {
            let visits = c.stays().filter(|(_, p, _)| p.purpose == Purpose::Acd);
            visits.filter_map(|(.., s)| s.queue).collect()
        });
        // Who was moved once is often moved again.
        let share = if visited.len() > 1 { 0.25 } else { 0.10 };
        let goes_on = queue.is_some() && media != Media::Callback && visited.len() < 4 && self.chance(share);
        // Sometimes an external expert stays with the customer.
        let stays = goes_on && self.chance(0.5);
        // The others leave first, so that none of them is left alone in the conversation.
        let others: Vec<usize> = self.conversations.get(&key).map_or_else(Vec::new, |c| {
            (1..c.participants.len())
                .filter(|&i| {
                    let p = &c.participants[i];
                    let outside = p.purpose == Purpose::External;
                    i != who && p.stay().is_open() && (p.is_internal() || (outside && !stays))
                })
                .collect()
        });
        for other in others {
            self.agent_leaves(key, other, Disconnect::Peer);
        }
        if let (Some(from), true) = (queue, goes_on) {
            let to = self.pick_next(key, who, from, &visited);
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
        self.plan_return(key, 0.12);
        self.customer_leaves(key, customer);
        self.agent_leaves(key, who, agent);
    }

    /// The queue of a transfer: usually another one, sometimes the same or the first one again, or one of the agent's own,
    /// who then wants to have the conversation again.
    fn pick_next(&mut self, key: u64, who: usize, from: usize, visited: &[usize]) -> usize {
        let queues = self.world.queues.len();
        if self.chance(0.2)
            && let Some(user) = self.participant(key, who).and_then(|p| p.user)
            && !self.world.users[user].queues.is_empty()
        {
            self.wanted.insert(key, user);
            let own = self.world.users[user].queues.len();
            let pick = self.rng.usize(..own);
            return self.world.users[user].queues[pick];
        }
        match visited {
            [first, _, ..] if self.chance(0.6) => *first,
            _ if queues == 1 || self.chance(0.15) => from,
            _ => (from + self.rng.usize(1..queues)) % queues,
        }
    }

    /// An agent or another participant leaves; agents begin after-call work if their queue requires it.
    pub(super) fn agent_leaves(&mut self, key: u64, who: usize, how: Disconnect) {
        if !self.leave(key, who, how) {
            return;
        }
        let user = self.participant(key, who).and_then(|p| p.user);
        self.touch(key, user.map_or(Step::Other, |_| Step::UserEnd(who)));
        let skips = self.chance(0.06);
        let now = self.now;
        let (Some(user), Some(stay)) = (user, self.stay_mut(key, who)) else {
            return;
        };
        let after = &mut stay.after_call;
        let is_due = stay.connected.is_some() && after.expected && !after.optional;
        if !is_due || skips {
            after.skipped = is_due;
            self.finished(key, who);
            self.disengage(user, key);
            return;
        }
        after.start = Some(now);
        self.touch(key, Step::AfterCall(who));
        let work = self.between(1_500, 9_000);
        self.after(work, Action::AfterCallEnd(key, who));
    }

    pub(super) fn after_call_end(&mut self, key: u64, who: usize) {
        let (now, code) = (self.now, self.rng.usize(..self.world.wrapup_codes.len()));
        let Some(stay) = self.stay_mut(key, who).filter(|s| s.after_call.is_open()) else {
            return;
        };
        stay.after_call.end = Some(now);
        stay.after_call.code = Some(code);
        let user = self.participant(key, who).and_then(|p| p.user);
        self.touch(key, Step::Wrapup(who));
        self.finished(key, who);
        if let Some(user) = user {
            self.disengage(user, key);
        }
    }

    /// Counts an agent's handled conversation, once all its work is done.
    fn finished(&mut self, key: u64, who: usize) {
        let Some(participant) = self.participant(key, who).filter(|p| !p.listens_in()) else {
            return;
        };
        let stay = participant.stay();
        let (Some(queue), Some(connected), Some(end)) = (stay.queue, stay.connected, stay.end) else {
            return;
        };
        let (media, held) = (stay.media, stay.held_ms(end));
        let after_call = stay.after_call.start.zip(stay.after_call.end).map_or(0, |(s, e)| e - s);
        self.stats
            .handled(self.now, queue, media, end - connected - held, held, after_call);
    }
}
