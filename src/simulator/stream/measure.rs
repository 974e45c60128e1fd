//! Computes the tutorial's metrics from the facts of a time window.
//!
//! In: the centre's facts, a window · Out: numbers per queue · Thread: the centre's (pure).

use crate::simulator::centre::Centre;
use crate::simulator::centre::facts::{Disconnect, Purpose};
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
    // No conversation lasts longer than an hour.
    for c in centre.conversations().rev().take_while(|c| c.start >= from - 3_600_000) {
        for p in &c.participants {
            let Some(queue) = p.queue else { continue };
            let m = &mut all[queue];
            match p.purpose {
                Purpose::Acd => {
                    m.offered += i64::from(within(p.start));
                    let Some(left) = p.end.filter(|&end| within(end)) else {
                        continue;
                    };
                    let answered = c
                        .participants
                        .iter()
                        .any(|a| a.purpose == Purpose::Agent && a.connected == Some(left));
                    let goes_on = c
                        .participants
                        .iter()
                        .any(|a| a.purpose == Purpose::Acd && a.id != p.id && a.start == left);
                    if answered || !goes_on {
                        m.waited += left - p.start;
                    }
                    if answered {
                        m.answered += 1;
                        m.in_time += i64::from(left - p.start <= world.queues[queue].service_level[c.media.index()].1);
                    } else if !goes_on {
                        m.abandoned += 1;
                    }
                }
                Purpose::Agent => {
                    let (Some(connected), Some(end)) = (p.connected, p.end) else {
                        continue;
                    };
                    let done = p.after_call.end.unwrap_or(end);
                    if p.after_call.is_open() || !within(done) {
                        continue;
                    }
                    m.handled += 1;
                    m.handle += end - connected + (done - p.after_call.start.unwrap_or(done));
                    m.held += p.held_ms(end);
                    m.transferred += i64::from(matches!(
                        p.disconnect,
                        Some(Disconnect::Transfer | Disconnect::ConsultTransfer)
                    ));
                    m.wrapups += i64::from(p.after_call.code.is_some());
                }
                _ => {}
            }
        }
    }
    all
}
