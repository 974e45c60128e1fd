//! The customer's side: the menu before the queue, waiting, abandoning, moving to another queue.
//!
//! In: due actions · Out: facts · Thread: the centre's lock.

use super::facts::{Before, Disconnect, Participant, Purpose, Step};
use super::{Action, Begins, Centre, Waiting};
use crate::simulator::when::Ms;
use crate::simulator::world::Media;

/// How long a conversation waits for the agent who moved it, before any other can have it.
const LAST_AGENT_MS: Ms = 12_000;

impl Centre {
    pub(super) fn flow_done(&mut self, key: u64) {
        const FLOW: usize = 1;
        let Some(flow) = self.stay_mut(key, FLOW) else { return };
        let Some(queue) = flow.queue.take() else { return };
        let hangs_up = self.chance(0.04);
        self.leave(
            key,
            FLOW,
            if hangs_up {
                Disconnect::Peer
            } else {
                Disconnect::Transfer
            },
        );
        self.touch(key, Step::FlowEnd(FLOW));
        if hangs_up {
            self.customer_leaves(key, Disconnect::Client);
        } else {
            self.enter_queue(key, queue);
        }
    }

    /// Hands the conversation to the queue, which usually takes it now, sometimes a little later.
    pub(super) fn enter_queue(&mut self, key: u64, queue: usize) {
        let Some(media) = self.conversations.get(&key).map(|c| c.media) else {
            return;
        };
        let is_late = self.chance(0.12);
        let begins = if is_late { Begins::Delayed } else { Begins::Connected };
        let mut stay = self.new_stay(media, Some(queue), begins);
        if is_late && self.chance(0.5) {
            stay.before = Before::System;
        }
        let visit = self.join(key, Purpose::Acd, None, stay);
        if let Some(customer) = self.stay_mut(key, 0) {
            customer.queue = Some(queue);
        }
        self.touch(key, Step::AcdStart(visit));
        if is_late {
            let delay = self.between(200, 2_500);
            self.after(delay, Action::Queued(key, visit));
        } else {
            self.queued(key, visit);
        }
    }

    /// The visit to the queue begins now, unless it has begun.
    pub(super) fn queued(&mut self, key: u64, visit: usize) {
        let now = self.now;
        let Some(stay) = self.stay_mut(key, visit).filter(|s| s.is_open()) else {
            return;
        };
        stay.connected.get_or_insert(now);
        let (media, Some(queue)) = (stay.media, stay.queue) else {
            return;
        };
        self.touch(key, Step::Other);
        self.stats.offered(self.now, queue, media);
        let patience = match media {
            Media::Voice => self.between(6_000, 75_000),
            Media::Message => self.between(40_000, 240_000),
            Media::Email | Media::Callback => self.between(400_000, 1_200_000),
        };
        self.after(patience, Action::GiveUp(key, visit));
        if media == Media::Voice && self.world.queues[queue].overflow.is_some() && self.chance(0.4) {
            let limit = self.between(15_000, 25_000);
            self.after(limit, Action::Overflow(key, visit));
        }
        if media == Media::Voice
            && self.chance(0.1)
            && self.conversations.get(&key).is_some_and(|c| !c.is_from_inside())
        {
            let bored = self.between(3_000, 12_000);
            self.after(bored, Action::AskForCallback(key, visit));
        }
        if self.wanted.contains_key(&key) {
            self.after(LAST_AGENT_MS, Action::AnyAgent(key, visit));
        }
        self.waiting[queue].push_back(Waiting { key, visit });
        self.offer_to_idle_agent(key, visit, queue);
    }

    pub(super) fn stop_waiting(&mut self, key: u64, visit: usize) {
        let Some(queue) = self.stay(key, visit).and_then(|s| s.queue) else {
            return;
        };
        // The one that leaves has usually waited longest, so it is found at the front.
        if let Some(at) = self.waiting[queue].iter().position(|w| w.key == key) {
            self.waiting[queue].remove(at);
        }
    }

    pub(super) fn give_up(&mut self, key: u64, visit: usize) {
        let Some(media) = self.stay(key, visit).filter(|s| s.is_open()).map(|s| s.media) else {
            return;
        };
        if media == Media::Voice && self.chance(0.25) {
            return self.leave_message(key, visit);
        }
        self.leave(key, visit, Disconnect::Peer);
        self.stop_waiting(key, visit);
        self.touch(key, Step::AcdEnd(visit));
        self.abandon(key, visit);
    }

    /// The customer leaves, whom nobody has answered.
    pub(super) fn abandon(&mut self, key: u64, visit: usize) {
        let Some(stay) = self.stay(key, visit) else { return };
        let (media, queue) = (stay.media, stay.queue.unwrap_or(0));
        let wait = stay.end.zip(stay.connected).map_or(0, |(left, entered)| left - entered);
        self.stats.abandoned(self.now, queue, media, wait);
        self.withdraw_alert(key, Disconnect::Peer);
        let how = if media == Media::Voice {
            Disconnect::Endpoint
        } else {
            Disconnect::Client
        };
        self.plan_return(key, 0.15);
        self.customer_leaves(key, how);
        self.external_experts_leave(key);
    }

    /// The customer hangs up between the end of the visit and the agent's answer.
    pub(super) fn hang_up(&mut self, key: u64, who: usize) {
        let visit = self.stay(key, who).filter(|s| s.is_alerting()).and_then(|s| s.visit);
        if let Some(visit) = visit {
            self.abandon(key, visit);
        }
    }

    /// External experts leave a little after the customer.
    pub(super) fn external_experts_leave(&mut self, key: u64) {
        let outside: Vec<usize> = self.conversations.get(&key).map_or_else(Vec::new, |c| {
            let open = |p: &Participant| p.purpose == Purpose::External && p.stay().is_open();
            (0..c.participants.len())
                .filter(|&i| open(&c.participants[i]))
                .collect()
        });
        for who in outside {
            let lingers = self.between(500, 3_000);
            self.after(lingers, Action::ExternalLeaves(key, who));
        }
    }

    /// The caller gives up waiting and leaves a voicemail message.
    fn leave_message(&mut self, key: u64, visit: usize) {
        self.leave(key, visit, Disconnect::Transfer);
        self.stop_waiting(key, visit);
        self.touch(key, Step::AcdEnd(visit));
        self.withdraw_alert(key, Disconnect::Peer);
        if let Some((media, queue)) = self.stay(key, visit).map(|s| (s.media, s.queue)) {
            self.stats.flow_out(self.now, queue.unwrap_or(0), media);
        }
        let stay = self.new_stay(Media::Voice, None, Begins::Connected);
        let voicemail = self.join(key, Purpose::Voicemail, None, stay);
        let message = self.between(4_000, 15_000);
        self.after(message, Action::VoicemailDone(key, voicemail));
    }

    pub(super) fn voicemail_done(&mut self, key: u64, voicemail: usize) {
        self.leave(key, voicemail, Disconnect::Peer);
        self.customer_leaves(key, Disconnect::Endpoint);
        self.external_experts_leave(key);
    }

    /// Moves a caller who waited too long to the overflow queue, unless an agent is alerting already.
    pub(super) fn overflow(&mut self, key: u64, visit: usize) {
        let Some(conversation) = self.conversations.get(&key) else {
            return;
        };
        let alerting = conversation
            .stays()
            .any(|(_, _, s)| s.visit.is_some() && s.is_alerting());
        let Some(from) = (conversation.participants.get(visit))
            .map(Participant::stay)
            .filter(|s| s.is_open())
            .and_then(|s| s.queue)
        else {
            return;
        };
        let Some(to) = self.world.queues[from].overflow.filter(|_| !alerting) else {
            return;
        };
        let media = conversation.media;
        self.leave(key, visit, Disconnect::Transfer);
        self.stop_waiting(key, visit);
        self.touch(key, Step::AcdEnd(visit));
        self.stats.flow_out(self.now, from, media);
        self.enter_queue(key, to);
    }
}
