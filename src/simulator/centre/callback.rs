//! Callbacks: callers who leave the queue for one, callbacks for later, agents who call back.
//!
//! In: due actions · Out: facts · Thread: the centre's lock.

use super::facts::{CallBack, Disconnect, Purpose, Step};
use super::{Action, Begins, Centre};
use crate::simulator::json::Id;
use crate::simulator::when::Ms;
use crate::simulator::world::Media;

const HOUR: Ms = 3_600_000;

impl Centre {
    /// The time for which a customer wants a callback: usually some minutes from now, sometimes hours.
    pub(super) fn appointment(&mut self) -> Ms {
        let later = if self.chance(0.1) {
            self.between(HOUR, 20 * HOUR)
        } else {
            self.between(15_000, 420_000)
        };
        self.now + later
    }

    /// A caller who waits hangs up and is called back, at once or later. Not while an agent is alerted.
    pub(super) fn ask_for_callback(&mut self, key: u64, visit: usize) {
        let Some(queue) = self.stay(key, visit).filter(|s| s.is_talking()).and_then(|s| s.queue) else {
            return;
        };
        let alerting = |s: &super::Stay| s.visit == Some(visit) && s.is_alerting();
        if (self.conversations.get(&key)).is_none_or(|c| c.stays().any(|(_, _, s)| alerting(s))) {
            return;
        }
        self.leave(key, visit, Disconnect::Peer);
        self.stop_waiting(key, visit);
        self.touch(key, Step::AcdEnd(visit));
        self.stats.flow_out(self.now, queue, Media::Voice);
        self.leave(key, 0, Disconnect::Endpoint);
        self.external_experts_leave(key);
        let begins = if self.chance(0.5) {
            Begins::Scheduled(self.appointment())
        } else {
            Begins::Connected
        };
        let stay = self.new_stay(Media::Callback, Some(queue), begins);
        if let Some(customer) = self.participant_mut(key, 0) {
            customer.stays.push(stay);
        }
        self.await_callback(key, queue, begins);
    }

    /// Puts a callback into the queue, now or when it is due.
    pub(super) fn await_callback(&mut self, key: u64, queue: usize, begins: Begins) {
        let stay = self.new_stay(Media::Callback, Some(queue), begins);
        let visit = self.join(key, Purpose::Acd, None, stay);
        self.touch(key, Step::AcdStart(visit));
        match begins {
            Begins::Scheduled(at) => self.after(at - self.now, Action::CallbackDue(key, visit)),
            _ => self.queued(key, visit),
        }
    }

    pub(super) fn callback_due(&mut self, key: u64, visit: usize) {
        let now = self.now;
        for who in [0, visit] {
            let Some(stay) = self.stay_mut(key, who).filter(|s| s.is_scheduled()) else {
                return;
            };
            stay.connected = Some(now);
        }
        self.queued(key, visit);
    }

    pub(super) fn cancel_callbacks(&mut self) {
        // Arrivals may have begun again.
        if self.rate > 0.0 {
            return;
        }
        let scheduled: Vec<(u64, usize)> = self
            .open()
            .flat_map(|c| {
                c.stays()
                    .filter(|(.., s)| s.is_scheduled())
                    .map(|(who, ..)| (c.key, who))
            })
            .collect();
        for (key, who) in scheduled {
            self.leave(key, who, Disconnect::Client);
            self.touch(key, Step::Other);
        }
    }

    /// The agent of a callback calls the customer.
    pub(super) fn dial(&mut self, key: u64, who: usize) {
        if !self
            .stay(key, who)
            .is_some_and(|s| s.is_talking() && s.call_back.is_none())
        {
            return;
        }
        for side in [0, who] {
            let (now, communication) = (self.now, Id::random(&mut self.rng));
            if let Some(stay) = self.stay_mut(key, side) {
                stay.call_back = Some(CallBack {
                    communication,
                    start: now,
                    connected: None,
                    end: None,
                });
            }
        }
        self.touch(key, Step::Other);
        let rings = self.between(2_000, 8_000);
        if self.chance(0.85) {
            self.after(rings, Action::CustomerAnswers(key, who));
        } else {
            self.after(rings + 6_000, Action::TalkEnd(key, who));
        }
    }

    pub(super) fn customer_answers(&mut self, key: u64, who: usize) {
        let now = self.now;
        for side in [0, who] {
            let stay = self.stay_mut(key, side).filter(|s| s.is_talking());
            let Some(call) = stay.and_then(|s| s.call_back.as_mut()).filter(|c| c.end.is_none()) else {
                return;
            };
            call.connected = Some(now);
        }
        self.touch(key, Step::Other);
        let talk = self.between(8_000, 35_000);
        self.after(talk, Action::TalkEnd(key, who));
    }

    /// Ends the call of a callback, and soon after it the callback. False if there is no such call.
    pub(super) fn end_call_back(&mut self, key: u64, who: usize) -> bool {
        let now = self.now;
        let mut ended = false;
        for side in [0, who] {
            let call = self.stay_mut(key, side).and_then(|s| s.call_back.as_mut());
            if let Some(call) = call.filter(|c| c.end.is_none()) {
                call.end = Some(now);
                ended = true;
            }
        }
        if ended {
            self.touch(key, Step::Other);
            let notes = self.between(300, 2_500);
            self.after(notes, Action::TalkEnd(key, who));
        }
        ended
    }
}
