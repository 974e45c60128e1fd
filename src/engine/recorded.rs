//! What the aggregator does, as lines of a recording.
//!
//! In: `Control`, ticks, gaps of dropped events · Out: JSON · Thread: the aggregator's.
//!
//! A line says after how many events it was applied, so that a replay applies it at the same place.

#[cfg(feature = "cli")]
mod reading;

use std::sync::atomic::Ordering;

use serde_json::{Map, Value, json};

#[cfg(feature = "cli")]
pub(crate) use self::reading::Recorded;
use super::{Aggregator, Control, FromRepair};
use crate::event::facts::{MediaKind, ObservationFacts, ObservationRow};
use crate::output::recording::{Line, What};
use crate::rest::lookup::{Queue, ServiceLevelSetting};
use crate::{Id, Moment};

/// Whether a change came over REST.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Rest,
    Run,
}

impl Aggregator {
    /// Events that have left the buffer: applied, merged or dropped.
    fn settled(&self) -> u64 {
        let telemetry = &self.telemetry;
        [&telemetry.applied, &telemetry.coalesced, &telemetry.dropped]
            .iter()
            .map(|counter| counter.load(Ordering::Relaxed))
            .sum()
    }

    pub(super) fn record(&self, now: Moment, data: impl FnOnce() -> Value) {
        self.record_from(Source::Run, now, data);
    }

    fn record_from(&self, source: Source, now: Moment, data: impl FnOnce() -> Value) {
        self.journal.record(|| {
            let mut data = data();
            if let Value::Object(data) = &mut data {
                data.insert("after".to_owned(), self.settled().into());
            }
            Line {
                at: now,
                connection: None,
                what: match source {
                    Source::Rest => What::Rest(data),
                    Source::Run => What::State(data),
                },
            }
        });
    }

    /// Records a message as it is applied at `now`; what changes nothing is none.
    pub(super) fn record_control(&self, control: &Control, now: Moment) {
        if !self.journal.records() {
            return;
        }
        let source = match control {
            Control::Queues(_) | Control::UserNames(_) | Control::Observations(_) => Source::Rest,
            _ => Source::Run,
        };
        if let Some(data) = written(control) {
            self.record_from(source, now, || data);
        }
    }

    /// Records conversations of REST that were applied.
    pub(super) fn record_conversations(&self, raw: Vec<Value>, now: Moment) {
        if !raw.is_empty() {
            self.record_from(Source::Rest, now, || json!({ "conversations": raw }));
        }
    }
}

fn time(at: Option<Moment>) -> Value {
    at.map(|at| at.to_string()).into()
}

/// A message as JSON; none for questions, and for the conversations, which are recorded as they are applied.
fn written(control: &Control) -> Option<Value> {
    Some(match control {
        Control::State(change) => json!({"state": {
            "at": change.at, "state": change.state, "cause": change.cause, "attempt": change.attempt,
            "retry_in_ms": change.retry_in.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        }}),
        Control::TokenExpires(at) => json!({"token_expires_at": at}),
        Control::Connections {
            open,
            reconnects,
            channel_expires_at,
        } => json!({"connections": {
            "open": open, "reconnects": reconnects, "channel_expires_at": time(*channel_expires_at),
        }}),
        Control::Refused { line, topics } => json!({"refused": {"line": line, "topics": topics}}),
        Control::Queues(queues) => {
            let level = |(media, level): &(MediaKind, ServiceLevelSetting)| {
                let threshold = level
                    .threshold
                    .map(|t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX));
                json!([media.as_str(), level.target_percent, threshold])
            };
            let queue = |queue: &Queue| {
                let levels: Vec<Value> = queue.service_levels.iter().map(level).collect();
                json!({"id": queue.id, "name": queue.name, "service_levels": levels})
            };
            json!({"queues": queues.iter().map(queue).collect::<Vec<_>>()})
        }
        Control::AnyQueue => json!({"any_queue": true}),
        Control::ConnectionOpened(number) => json!({"opened": number}),
        Control::ConnectionEnded(number) => json!({"ended": number}),
        Control::UserNames(names) => {
            let name = |(id, name): (&Id, &Option<String>)| json!({"id": id, "name": name});
            json!({"users": names.iter().map(name).collect::<Vec<_>>()})
        }
        Control::Observations(facts) => {
            json!({"observations": facts.iter().map(observations).collect::<Vec<_>>()})
        }
        Control::Repair(FromRepair::CoveredFrom(at)) => json!({"covered_from": at}),
        Control::Repair(FromRepair::Repaired(gaps)) => json!({"repaired": gaps}),
        Control::GapOpened {
            line,
            topics,
            from,
            cause,
        } => json!({"gap_opened": {"line": line, "topics": topics, "from": from, "cause": cause}}),
        Control::GapClosed { line, to } => json!({"gap_closed": {"line": line, "to": to}}),
        Control::Repair(_) | Control::Snapshot(_) | Control::Finish { .. } => return None,
    })
}

fn observations(facts: &ObservationFacts) -> Value {
    let row = |row: &ObservationRow| {
        let interval = row.interval.map(|(start, end)| [start, end]);
        let stats: Map<String, Value> = row.stats.iter().map(|(name, n)| (name.to_string(), stat(*n))).collect();
        json!({"media": row.media.map(MediaKind::as_str), "interval": interval, "metric": row.metric,
            "qualifier": row.qualifier, "stats": stats})
    };
    json!({"queue": facts.queue, "rows": facts.rows.iter().map(row).collect::<Vec<_>>()})
}

/// A fraction goes as text, which is read back to the last bit.
fn stat(number: f64) -> Value {
    match number.fract() == 0.0 && number.abs() < 1e15 {
        true => Value::from(number),
        false => Value::from(number.to_string()),
    }
}
