//! Arrivals: who comes when, by which medium, for which queue.
//!
//! In: due actions · Out: facts · Thread: the centre's lock.

use super::facts::{Conversation, Purpose, Span, Step};
use super::{Action, Begins, Centre};
use crate::simulator::json::Id;
use crate::simulator::when::Ms;
use crate::simulator::world::{ALL_MEDIA, FIRST_NAMES, LAST_NAMES, Media, ON_QUEUE};

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
        let inside = if media == Media::Voice && self.chance(0.03) {
            self.idle_colleague()
        } else {
            None
        };
        let (first, last) = (FIRST_NAMES[self.rng.usize(..24)], LAST_NAMES[self.rng.usize(..24)]);
        let number = self.rng.u32(..10_000_000);
        let conversation = Conversation {
            key: self.next_key,
            id: Id::random(&mut self.rng),
            media,
            periods: vec![Span {
                start: self.now,
                end: None,
            }],
            caller: inside.map_or_else(|| format!("{first} {last}"), |user| self.world.users[user].name.clone()),
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
        let begins = match media {
            Media::Callback if self.chance(0.3) => Begins::Scheduled(self.appointment()),
            Media::Message | Media::Email if self.chance(0.25) => Begins::Starting,
            _ => Begins::Connected,
        };
        let on_queue = Some(queue).filter(|_| media == Media::Callback);
        let stay = self.new_stay(media, on_queue, begins);
        match inside {
            Some(user) => {
                self.join(key, Purpose::User, Some(user), stay);
                self.engage(user, key, media);
            }
            None => {
                self.join(key, Purpose::Customer, None, stay);
            }
        }
        self.touch(key, Step::CustomerStart);
        match begins {
            Begins::Scheduled(_) => self.await_callback(key, queue, begins),
            Begins::Starting => {
                let time = self.between(100, 900);
                self.after(time, Action::Welcome(key, queue));
            }
            _ => self.enter(key, queue),
        }
    }

    pub(super) fn welcome(&mut self, key: u64, queue: usize) {
        let now = self.now;
        if let Some(customer) = self.stay_mut(key, 0) {
            customer.connected = Some(now);
        }
        self.touch(key, Step::Other);
        self.enter(key, queue);
    }

    /// The menu, if the medium has one, then the queue.
    fn enter(&mut self, key: u64, queue: usize) {
        let Some(media) = self.conversations.get(&key).map(|c| c.media) else {
            return;
        };
        match media {
            Media::Voice | Media::Message => {
                let purpose = if media == Media::Voice {
                    Purpose::Ivr
                } else {
                    Purpose::Workflow
                };
                // The queue to which the menu will lead; this is not a visit to the queue yet.
                let stay = self.new_stay(media, Some(queue), Begins::Connected);
                let flow = self.join(key, purpose, None, stay);
                self.touch(key, Step::FlowStart(flow));
                let time = if media == Media::Voice {
                    self.between(1_500, 7_000)
                } else {
                    self.between(300, 1_500)
                };
                self.after(time, Action::FlowDone(key));
            }
            Media::Email => self.enter_queue(key, queue),
            Media::Callback => self.await_callback(key, queue, Begins::Connected),
        }
    }

    /// A user who takes no conversations now and so may call a queue.
    fn idle_colleague(&mut self) -> Option<usize> {
        let is_idle = |user: &usize| self.agents[*user].engaged.is_empty() && self.agents[*user].presence != ON_QUEUE;
        let idle: Vec<usize> = (0..self.agents.len()).filter(is_idle).collect();
        idle.get(self.rng.usize(..idle.len().max(1))).copied()
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
}
