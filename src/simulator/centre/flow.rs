//! The customer's side: arriving, the menu before the queue, waiting, abandoning, moving to another queue.
//!
//! In: due actions · Out: facts · Thread: the centre's lock.

use super::facts::{Conversation, Disconnect, Participant, Purpose, Step};
use super::{Action, Begins, Centre, Waiting};
use crate::simulator::json::Id;
use crate::simulator::when::Ms;
use crate::simulator::world::{ALL_MEDIA, FIRST_NAMES, LAST_NAMES, Media};

/// The rate is at most this factor above its mean.
const PEAK: f64 = 1.5;

const SUBJECTS: [&str; 6] = [
    "Where is my order",
    "Question about my bill",
    "Password does not work",
    "Change of address",
    "Complaint",
    "Offer wanted",
];
const TIERS: [&str; 3] = ["standard", "silver", "gold"];

impl Centre {
    pub(super) fn schedule_arrival(&mut self) {
        if self.rate <= 0.0 {
            return;
        }
        // Thinning: candidates arrive at the peak rate; each is accepted with the ratio of the current rate to the peak.
        let gap = -(1.0 - self.rng.f64()).ln() / (self.rate * PEAK) * 1000.0;
        self.after(gap as Ms, Action::Arrival(self.rate_generation));
    }

    /// The ratio of the current rate to its mean: a slow wave and a faster one.
    fn rate_factor(&self) -> f64 {
        let secs = (self.now - self.epoch) as f64 / 1000.0;
        let wave = |period: f64| (secs / period * std::f64::consts::TAU).sin();
        1.0 + 0.35 * wave(900.0) + 0.15 * wave(170.0)
    }

    pub(super) fn arrival(&mut self, generation: u64) {
        if generation != self.rate_generation {
            return;
        }
        self.schedule_arrival();
        if self.chance(self.rate_factor() / PEAK) {
            self.start_conversation();
        }
    }

    fn start_conversation(&mut self) {
        let queue = self.pick_queue();
        let media = self.pick_media(queue);
        let (first, last) = (FIRST_NAMES[self.rng.usize(..24)], LAST_NAMES[self.rng.usize(..24)]);
        let number = self.rng.u32(..10_000_000);
        let conversation = Conversation {
            key: self.next_key,
            id: Id::random(&mut self.rng),
            media,
            start: self.now,
            end: None,
            caller: format!("{first} {last}"),
            address: match media {
                Media::Voice | Media::Callback => format!("+1555{number:07}"),
                Media::Message => format!("{:016x}", self.rng.u64(..)),
                Media::Email => format!(
                    "{}.{}{}@example.org",
                    first.to_lowercase(),
                    last.to_lowercase(),
                    number % 1000
                ),
            },
            subject: SUBJECTS[self.rng.usize(..SUBJECTS.len())],
            tier: TIERS[self.rng.usize(..TIERS.len())],
            participants: Vec::new(),
        };
        let key = self.next_key;
        self.next_key += 1;
        self.by_id.insert(conversation.id, key);
        self.open.insert(key);
        self.conversations.insert(key, conversation);
        self.join(key, Purpose::Customer, None, None, Begins::Connected);
        self.touch(key, Step::CustomerStart);
        match media {
            Media::Voice | Media::Message => {
                let purpose = if media == Media::Voice {
                    Purpose::Ivr
                } else {
                    Purpose::Workflow
                };
                let flow = self.join(key, purpose, None, None, Begins::Connected);
                // The queue to which the menu will lead; this is not a visit to the queue yet.
                if let Some(flow) = self.participant_mut(key, flow) {
                    flow.queue = Some(queue);
                }
                self.touch(key, Step::FlowStart(flow));
                let time = if media == Media::Voice {
                    self.between(1_500, 7_000)
                } else {
                    self.between(300, 1_500)
                };
                self.after(time, Action::FlowDone(key));
            }
            Media::Email | Media::Callback => self.enter_queue(key, queue),
        }
    }

    fn pick_queue(&mut self) -> usize {
        let total: f64 = self.world.queues.iter().map(|q| q.weight).sum();
        let mut left = self.rng.f64() * total;
        for (index, queue) in self.world.queues.iter().enumerate() {
            left -= queue.weight;
            if left <= 0.0 {
                return index;
            }
        }
        0
    }

    fn pick_media(&mut self, queue: usize) -> Media {
        let mut left = self.rng.f64();
        for (media, share) in ALL_MEDIA.into_iter().zip(self.world.queues[queue].mix) {
            left -= share;
            if left <= 0.0 && share > 0.0 {
                return media;
            }
        }
        Media::Voice
    }

    pub(super) fn flow_done(&mut self, key: u64) {
        const FLOW: usize = 1;
        let Some(queue) = self.participant(key, FLOW).and_then(|p| p.queue) else {
            return;
        };
        if let Some(flow) = self.participant_mut(key, FLOW) {
            flow.queue = None;
        }
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
            self.leave(key, 0, Disconnect::Client);
            self.touch(key, Step::CustomerEnd);
        } else {
            self.enter_queue(key, queue);
        }
    }

    /// Begins a visit to the queue now.
    pub(super) fn enter_queue(&mut self, key: u64, queue: usize) {
        let Some(media) = self.conversations.get(&key).map(|c| c.media) else {
            return;
        };
        let visit = self.join(key, Purpose::Acd, None, Some(queue), Begins::Connected);
        if let Some(customer) = self.participant_mut(key, 0) {
            customer.queue = Some(queue);
        }
        self.touch(key, Step::AcdStart(visit));
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
        self.waiting[queue].push_back(Waiting { key, visit });
        self.offer_to_idle_agent(key, visit, queue);
    }

    pub(super) fn stop_waiting(&mut self, key: u64, visit: usize) {
        let Some(queue) = self.participant(key, visit).and_then(|p| p.queue) else {
            return;
        };
        // The one that leaves has usually waited longest, so it is found at the front.
        if let Some(at) = self.waiting[queue].iter().position(|w| w.key == key) {
            self.waiting[queue].remove(at);
        }
    }

    pub(super) fn give_up(&mut self, key: u64, visit: usize) {
        if !self.participant(key, visit).is_some_and(|p| p.is_open()) {
            return;
        }
        let voice = self.conversations.get(&key).is_some_and(|c| c.media == Media::Voice);
        if voice && self.chance(0.25) {
            return self.leave_message(key, visit);
        }
        self.leave(key, visit, Disconnect::Peer);
        self.stop_waiting(key, visit);
        self.touch(key, Step::AcdEnd(visit));
        if let (Some(c), Some(v)) = (self.conversations.get(&key), self.participant(key, visit)) {
            self.stats
                .abandoned(self.now, v.queue.unwrap_or(0), c.media, self.now - v.start);
        }
        self.withdraw_alert(key, Disconnect::Peer);
        let how = if voice {
            Disconnect::Endpoint
        } else {
            Disconnect::Client
        };
        self.leave(key, 0, how);
        self.touch(key, Step::CustomerEnd);
        self.external_experts_leave(key);
    }

    /// External experts leave a little after the customer.
    fn external_experts_leave(&mut self, key: u64) {
        let outside: Vec<usize> = self.conversations.get(&key).map_or_else(Vec::new, |c| {
            let open = |p: &Participant| p.purpose == Purpose::External && p.is_open();
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
        if let (Some(c), Some(v)) = (self.conversations.get(&key), self.participant(key, visit)) {
            self.stats.flow_out(self.now, v.queue.unwrap_or(0), c.media);
        }
        let voicemail = self.join(key, Purpose::Voicemail, None, None, Begins::Connected);
        let message = self.between(4_000, 15_000);
        self.after(message, Action::VoicemailDone(key, voicemail));
    }

    pub(super) fn voicemail_done(&mut self, key: u64, voicemail: usize) {
        self.leave(key, voicemail, Disconnect::Peer);
        self.leave(key, 0, Disconnect::Endpoint);
        self.touch(key, Step::CustomerEnd);
        self.external_experts_leave(key);
    }

    /// Moves a caller who waited too long to the overflow queue, unless an agent is alerting already.
    pub(super) fn overflow(&mut self, key: u64, visit: usize) {
        let Some(conversation) = self.conversations.get(&key) else {
            return;
        };
        let alerting = conversation
            .participants
            .iter()
            .any(|p| p.purpose == Purpose::Agent && p.is_alerting());
        let Some(from) = conversation
            .participants
            .get(visit)
            .filter(|p| p.is_open())
            .and_then(|p| p.queue)
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
