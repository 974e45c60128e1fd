//! Totals and windows as they are written.
//!
//! In: sums of the totals · Out: JSON through serde, typed fields for library users · Thread: any (plain data).

use std::sync::Arc;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::Moment;

/// The countable facts of one queue, medium or window (section 8 of the contract).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Numbers {
    /// Visits that entered.
    pub offered: u64,
    /// Visits that an agent took.
    pub answered: u64,
    /// Visits whose customer side left.
    pub abandoned: u64,
    /// Those of `abandoned` that waited shorter than `windows.short_abandon_secs`.
    pub short_abandoned: u64,
    /// Visits that went on to somebody else.
    pub flow_out: u64,
    /// Those of `handled` that were transferred.
    pub transferred: u64,
    /// Agents who were done with a conversation.
    pub handled: u64,
    /// Those of `handled` that were wrapped up.
    pub wrapups: u64,
    /// Answered within the threshold ÷ (answered + abandoned − short abandoned), in percent; `None` without any.
    pub service_level_percent: Option<f64>,
    /// Mean wait of answered and abandoned visits, seconds.
    pub average_wait_secs: Option<f64>,
    /// Mean wait of answered visits, seconds.
    pub average_speed_of_answer_secs: Option<f64>,
    /// Mean handle time, seconds.
    pub average_handle_secs: Option<f64>,
    /// Time on hold as far as the stream showed it, seconds; approximate.
    pub hold_secs: f64,
}

/// How many fields [`Numbers`] writes.
const FIELDS: usize = 13;

impl Numbers {
    fn write<S: SerializeStruct>(&self, to: &mut S) -> Result<(), S::Error> {
        to.serialize_field("offered", &self.offered)?;
        to.serialize_field("answered", &self.answered)?;
        to.serialize_field("abandoned", &self.abandoned)?;
        to.serialize_field("short_abandoned", &self.short_abandoned)?;
        to.serialize_field("flow_out", &self.flow_out)?;
        to.serialize_field("transferred", &self.transferred)?;
        to.serialize_field("handled", &self.handled)?;
        to.serialize_field("wrapups", &self.wrapups)?;
        to.serialize_field("service_level_percent", &self.service_level_percent)?;
        to.serialize_field("average_wait_secs", &self.average_wait_secs)?;
        to.serialize_field("average_speed_of_answer_secs", &self.average_speed_of_answer_secs)?;
        to.serialize_field("average_handle_secs", &self.average_handle_secs)?;
        to.serialize_field("hold_secs", &self.hold_secs)
    }
}

impl Serialize for Numbers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Numbers", FIELDS)?;
        self.write(&mut fields)?;
        fields.end()
    }
}

/// One window of a queue or of all.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowSnapshot {
    /// Where it begins; a whole number of windows after midnight UTC.
    pub start: Moment,
    /// Its length as the service writes it: `PT1M`.
    pub granularity: Arc<str>,
    /// It ended at or before `as_of`.
    pub complete: bool,
    /// How much of its past part was covered, by the stream or by a repair.
    pub coverage_percent: f64,
    /// What happened in it.
    pub numbers: Numbers,
}

impl Serialize for WindowSnapshot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("WindowSnapshot", 4 + FIELDS)?;
        fields.serialize_field("start", &self.start)?;
        fields.serialize_field("granularity", &*self.granularity)?;
        fields.serialize_field("complete", &self.complete)?;
        fields.serialize_field("coverage_percent", &self.coverage_percent)?;
        self.numbers.write(&mut fields)?;
        fields.end()
    }
}

/// Over all listed queues.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct AllQueues {
    /// Since `totals.since`.
    pub totals: Numbers,
    /// Oldest first.
    pub windows: Vec<WindowSnapshot>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_writes_its_own_fields_and_then_those_of_totals() {
        let window = WindowSnapshot {
            start: Moment::from_epoch_ms(60_000),
            granularity: "PT1M".into(),
            complete: true,
            coverage_percent: 100.0,
            numbers: Numbers {
                offered: 2,
                average_wait_secs: Some(1.5),
                ..Numbers::default()
            },
        };
        let json = serde_json::to_string(&window).unwrap();
        let own = "{\"start\":\"1970-01-01T00:01:00.000Z\",\"granularity\":\"PT1M\",\"complete\":true,\
                   \"coverage_percent\":100.0,\"offered\":2,";
        assert!(json.starts_with(own), "{json}");
        let rest = serde_json::to_string(&window.numbers).unwrap();
        assert!(json.ends_with(&rest[1..]), "{json}\n{rest}");
        assert_eq!(json.matches("\":").count(), 4 + FIELDS);
    }
}
