//! What is told of a number: key, unit, label, help, value.
//!
//! In: the rows of `counts.rs` · Out: `Field`s for metrics, summary and terminal · Thread: any (plain data).

use super::live_number::LiveNumber;

/// In which unit a number is shown, and what is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A plain count.
    Count,
    /// A count of conversations that goes up and down.
    Conversations,
    /// A count of agents that goes up and down.
    Agents,
    /// Its JSON key ends in `_percent`; as a metric it is a ratio from 0 to 1.
    Percent,
    /// Its JSON key ends in `_secs`.
    Seconds,
}

/// What is told of one number of a `T`.
pub(crate) struct Field<T> {
    /// Its JSON key.
    pub(crate) key: &'static str,
    pub(crate) unit: Unit,
    /// Its importance for people: 1 is shown first, 0 in JSON and metrics only.
    pub(crate) rank: u8,
    /// Its name for people.
    pub(crate) label: &'static str,
    /// Its name at the head of a column.
    #[cfg_attr(not(feature = "cli"), allow(dead_code))]
    pub(crate) head: &'static str,
    /// One sentence; no backslash, quote or line end.
    pub(crate) help: &'static str,
    /// Its value; `None` where there is none.
    pub(crate) of: fn(&T) -> Option<f64>,
}

impl<T> Field<T> {
    /// The name of its metric, without a prefix: in base units, as Prometheus asks for.
    pub(crate) fn metric_name(&self) -> String {
        let Self { key, unit, .. } = self;
        match unit {
            Unit::Count => (*key).to_owned(),
            Unit::Conversations => format!("{key}_conversations"),
            Unit::Agents => format!("{key}_agents"),
            Unit::Percent => format!("{}_ratio", key.trim_end_matches("_percent")),
            Unit::Seconds => format!("{}_seconds", key.trim_end_matches("_secs")),
        }
    }

    /// Its value in the unit of its metric.
    pub(crate) fn metric_value(&self, of: &T) -> Option<f64> {
        let value = (self.of)(of)?;
        Some(if self.unit == Unit::Percent {
            value / 100.0
        } else {
            value
        })
    }
}

/// A field of a snapshot as a number, if it has a value.
pub(super) trait Shown {
    fn shown(self) -> Option<f64>;
}

impl Shown for LiveNumber {
    fn shown(self) -> Option<f64> {
        self.known().shown()
    }
}

impl Shown for u64 {
    fn shown(self) -> Option<f64> {
        // Exact up to 2^53.
        Some(self as f64)
    }
}

impl Shown for f64 {
    fn shown(self) -> Option<f64> {
        Some(self)
    }
}

impl<T: Shown> Shown for Option<T> {
    fn shown(self) -> Option<f64> {
        self.and_then(T::shown)
    }
}
