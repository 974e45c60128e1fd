//! Sums of outcomes, in total and by window, in the format of a snapshot.
//!
//! In: outcomes · Out: JSON · Thread: any (pure).

use super::outcomes::{Activity, Kind};
use crate::simulator::json::Object;
use crate::simulator::when::{Ms, iso};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Counts and lengths of a queue, a medium or a window.
#[derive(Debug, Clone, Default)]
pub(super) struct Sums {
    offered: u64,
    answered: u64,
    in_time: u64,
    abandoned: u64,
    short_abandoned: u64,
    flow_out: u64,
    transferred: u64,
    handled: u64,
    wrapups: u64,
    answer_waits: Ms,
    abandon_waits: Ms,
    handle_times: Ms,
    held: Ms,
}

/// Thresholds of waits, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub in_time: Ms,
    pub short: Ms,
}

impl Sums {
    fn add(&mut self, kind: Kind, limits: Limits) {
        match kind {
            Kind::Offered => self.offered += 1,
            Kind::Answered { wait } => {
                self.answered += 1;
                self.answer_waits += wait;
                self.in_time += u64::from(wait <= limits.in_time);
            }
            Kind::Abandoned { wait } => {
                self.abandoned += 1;
                self.abandon_waits += wait;
                self.short_abandoned += u64::from(wait < limits.short);
            }
            Kind::FlowOut => self.flow_out += 1,
            Kind::Handled(part) => {
                self.handled += 1;
                self.handle_times += part.time;
                self.held += part.held;
                self.transferred += u64::from(part.transferred);
                self.wrapups += u64::from(part.wrapped_up);
            }
        }
    }

    fn object(&self) -> Object {
        let mean = |sum: Ms, count: u64| match count {
            0 => Value::Null,
            _ => json!(sum as f64 / count as f64 / 1000.0),
        };
        let judged = self.answered + self.abandoned - self.short_abandoned;
        let level = match judged {
            0 => Value::Null,
            _ => json!(self.in_time as f64 * 100.0 / judged as f64),
        };
        Object::new()
            .set("offered", self.offered)
            .set("answered", self.answered)
            .set("abandoned", self.abandoned)
            .set("short_abandoned", self.short_abandoned)
            .set("flow_out", self.flow_out)
            .set("transferred", self.transferred)
            .set("handled", self.handled)
            .set("wrapups", self.wrapups)
            .set("service_level_percent", level)
            .set(
                "average_wait_secs",
                mean(self.answer_waits + self.abandon_waits, self.answered + self.abandoned),
            )
            .set("average_speed_of_answer_secs", mean(self.answer_waits, self.answered))
            .set("average_handle_secs", mean(self.handle_times, self.handled))
            .set("hold_secs", self.held as f64 / 1000.0)
    }
}

/// The live numbers.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Live {
    pub waiting: u64,
    pub interacting: u64,
    pub after_call_work: u64,
    longest: Option<Ms>,
}

impl Live {
    pub(super) fn add(&mut self, what: Activity) {
        match what {
            Activity::Waiting { since } => {
                self.waiting += 1;
                self.longest = Some(self.longest.map_or(since, |other| other.min(since)));
            }
            Activity::Interacting => self.interacting += 1,
            Activity::AfterCallWork => self.after_call_work += 1,
        }
    }

    pub(super) fn object(&self, as_of: Ms) -> Object {
        let longest = self.longest.map(|since| (as_of - since) as f64 / 1000.0);
        Object::new()
            .set("waiting", self.waiting)
            .set("interacting", self.interacting)
            .set("after_call_work", self.after_call_work)
            .set("longest_wait_secs", longest.map_or(Value::Null, Value::from))
    }
}

/// The windows of a query.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    pub granularity: Ms,
    pub keep: usize,
    pub as_of: Ms,
}

/// Sums in total and by window.
#[derive(Debug, Clone, Default)]
pub(super) struct WindowedSums {
    totals: Sums,
    windows: BTreeMap<Ms, Sums>,
}

impl WindowedSums {
    pub(super) fn add(&mut self, at: Ms, kind: Kind, limits: Limits, grid: Grid) {
        self.totals.add(kind, limits);
        let start = at.div_euclid(grid.granularity) * grid.granularity;
        self.windows.entry(start).or_default().add(kind, limits);
    }

    pub(super) fn totals(&self) -> Value {
        self.totals.object().into()
    }

    /// All windows from the first with an outcome to that of `as_of`, including empty ones, but at most `keep`.
    pub(super) fn windows(&self, grid: Grid) -> Value {
        let last = grid.as_of.div_euclid(grid.granularity);
        let first = self
            .windows
            .keys()
            .next()
            .map_or(last, |start| start / grid.granularity)
            .max(last + 1 - i64::try_from(grid.keep).unwrap_or(i64::MAX));
        let nothing = Sums::default();
        (first..=last)
            .map(|number| {
                let start = number * grid.granularity;
                let sums = self.windows.get(&start).unwrap_or(&nothing);
                Value::from(
                    sums.object()
                        .time("start", start)
                        .set("granularity", period(grid.granularity))
                        .set("complete", start + grid.granularity <= grid.as_of)
                        .set("coverage_percent", 100.0),
                )
            })
            .collect::<Vec<_>>()
            .into()
    }
}

/// A length in whole seconds, as `PT1H30M`.
pub(super) fn period(length: Ms) -> String {
    let secs = length / 1000;
    let parts = [(secs / 3600, 'H'), (secs / 60 % 60, 'M'), (secs % 60, 'S')];
    let mut text = "PT".to_owned();
    for (number, unit) in parts.into_iter().filter(|(number, _)| *number > 0) {
        text.push_str(&number.to_string());
        text.push(unit);
    }
    text
}

/// A time as text, or `null`.
pub(super) fn moment(at: Option<Ms>) -> Value {
    at.map_or(Value::Null, |at| iso(at).into())
}
