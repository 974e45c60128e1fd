//! Computes the tutorial's metrics from the facts of a time window.
//!
//! In: the centre's facts, a window · Out: numbers per queue · Thread: the centre's (pure).

use crate::simulator::centre::Centre;
use crate::simulator::centre::facts::{Disconnect, Participant, Purpose};
use crate::simulator::when::Ms;
use serde_json::{Value, json};

/// The counts of one queue in a window.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Measured {
    offered: i64,
    answered: i64,
    abandoned: i64,
    in_time: i64,
    waited: Ms,
    handled: i64,
    handle: Ms,
    held: Ms,
    transferred: i64,
    wrapups: i64,
    threshold: Ms,
}

impl Measured {
    pub(super) fn add(&mut self, other: &Measured) {
        self.offered += other.offered;
        self.answered += other.answered;
        self.abandoned += other.abandoned;
        self.in_time += other.in_time;
        self.waited += other.waited;
        self.handled += other.handled;
        self.handle += other.handle;
        self.held += other.held;
        self.transferred += other.transferred;
        self.wrapups += other.wrapups;
        self.threshold = self.threshold.max(other.threshold);
    }

    /// A metric's value; durations in seconds.
    pub(super) fn value(&self, metric: &str) -> Value {
        let secs = |sum: Ms, count: i64| {
            if count > 0 {
                json!(sum as f64 / count as f64 / 1000.0)
            } else {
                json!(0.0)
            }
        };
        let left = self.answered + self.abandoned;
        match metric {
            "offered" => json!(self.offered),
            "answered" => json!(self.answered),
            "abandoned" => json!(self.abandoned),
            "serviceLevelPercent" => json!(if left > 0 {
                self.in_time as f64 * 100.0 / left as f64
            } else {
                100.0
            }),
            "serviceLevelDuration" => secs(self.threshold, 1),
            "avgHandleTime" => secs(self.handle, self.handled),
            "avgWaitTime" => secs(self.waited, left),
            "holdDuration" => secs(self.held, 1),
            "transferCount" => json!(self.transferred),
            _ => json!(self.wrapups),
        }
    }
}

/// Counts the facts by the time at which each happened.
pub(super) fn measure(centre: &Centre, from: Ms, to: Ms) -> Vec<Measured> {
    let world = &centre.world;
    let mut all: Vec<Measured> = world
        .queues
        .iter()
        .map(|q| Measured {
            threshold: q.service_level[0].1,
            ..Measured::default()
        })
        .collect();
    let within = |at: Ms| at >= from && at < to;
    for c in centre.conversations().filter(|c| c.end().is_none_or(|end| end >= from)) {
        for (visit, p) in c.visits() {
            let s = p.stay();
            let (Some(queue), Some(entered)) = (s.queue, s.connected) else {
                continue;
            };
            let m = &mut all[queue];
            m.offered += i64::from(within(entered));
            let Some(left) = s.end.filter(|&end| within(end)) else {
                continue;
            };
            let is_next =
                |(who, p): (usize, &Participant)| who != visit && p.purpose == Purpose::Acd && p.stay().start == left;
            let answered = c.is_answered(visit);
            let goes_on = c.participants.iter().enumerate().any(is_next);
            if answered || !goes_on {
                m.waited += left - entered;
            }
            if answered {
                m.answered += 1;
                m.in_time += i64::from(left - entered <= world.queues[queue].service_level[s.media.index()].1);
            } else if !goes_on {
                m.abandoned += 1;
            }
        }
        for (_, s) in c.work() {
            let (Some(queue), Some(connected), Some(end)) = (s.queue, s.connected, s.end) else {
                continue;
            };
            let m = &mut all[queue];
            let done = s.after_call.end.unwrap_or(end);
            if s.after_call.is_open() || !within(done) {
                continue;
            }
            m.handled += 1;
            m.handle += end - connected + (done - s.after_call.start.unwrap_or(done));
            m.held += s.held_ms(end);
            m.transferred += i64::from(matches!(
                s.disconnect,
                Some(Disconnect::Transfer | Disconnect::ConsultTransfer)
            ));
            m.wrapups += i64::from(s.after_call.code.is_some());
        }
    }
    all
}
