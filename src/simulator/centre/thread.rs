//! Customers who come back to their mail and message threads after minutes, hours or days.
//!
//! In: ends of threads, due actions · Out: facts · Thread: the centre's lock.

use super::facts::{Span, Step};
use super::{Action, Begins, Centre};
use crate::simulator::when::Ms;
use crate::simulator::world::Media;

const MINUTE: Ms = 60_000;
const HOUR: Ms = 60 * MINUTE;
const DAY: Ms = 24 * HOUR;

impl Centre {
    /// Lets the customer of a thread that is about to end come back later, with this probability.
    pub(super) fn plan_return(&mut self, key: u64, probability: f64) {
        let is_thread = |media| matches!(media, Media::Message | Media::Email);
        if !self.conversations.get(&key).is_some_and(|c| is_thread(c.media)) || !self.chance(probability) {
            return;
        }
        let absent = match self.rng.u8(..20) {
            0..8 => self.between(MINUTE, 10 * MINUTE),
            8..15 => self.between(HOUR, 6 * HOUR),
            15..19 => self.between(DAY, 4 * DAY),
            _ => self.between(5 * DAY, 12 * DAY),
        };
        self.returning.insert(key);
        self.after(absent, Action::ComeBack(key));
    }

    /// The same conversation goes on: a new stay of the same customer, a new visit of the queue.
    pub(super) fn come_back(&mut self, key: u64) {
        let now = self.now;
        let is_awaited = self.returning.remove(&key);
        let Some(conversation) = self.conversations.get_mut(&key).filter(|_| is_awaited) else {
            return;
        };
        // One that has not ended is still at work on the customer's last message.
        let Some(end) = conversation.end() else { return };
        let (media, queue) = (conversation.media, conversation.customer().stay().queue);
        let Some(queue) = queue.filter(|_| self.rate > 0.0) else {
            self.ended.insert((end, key));
            return;
        };
        conversation.periods.push(Span { start: now, end: None });
        self.open.insert(key);
        let stay = self.new_stay(media, Some(queue), Begins::Connected);
        if let Some(customer) = self.participant_mut(key, 0) {
            customer.stays.push(stay);
        }
        self.touch(key, Step::CustomerStart);
        self.enter_queue(key, queue);
    }
}
