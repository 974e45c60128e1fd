//! Changes read from a recording.
//!
//! In: JSON of `rest` and `state` lines · Out: what they are to the aggregator · Thread: `gs-replay`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::engine::{Control, FromRepair, Shown};
use crate::event::facts::{MediaKind, ObservationFacts, ObservationRow};
use crate::model::details::read_conversation;
use crate::model::snapshot::{ConnectionState, GapTopics};
use crate::output::record::StateChange;
use crate::rest::lookup::{Queue, ServiceLevelSetting};
use crate::{Id, Moment};

/// What a recorded change is to the aggregator.
#[derive(Debug)]
pub(crate) enum Recorded {
    /// A message of the supervisor or of the repair.
    Control(Control),
    /// The tick.
    Tick {
        /// How far the service's clock is ahead of ours.
        ahead_ms: i64,
    },
    /// Events were dropped since `from`.
    DropGapOpened { from: Moment, cause: String },
    /// None were since `to`.
    DropGapClosed { to: Moment },
}

/// One object of a recording, read key by key.
struct Object<'a>(&'a Map<String, Value>);

impl<'a> Object<'a> {
    fn of(value: &'a Value) -> Option<Self> {
        value.as_object().map(Self)
    }

    fn text(&self, key: &str) -> Option<&'a str> {
        self.0.get(key)?.as_str()
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.0.get(key)?.as_u64()
    }

    fn moment(&self, key: &str) -> Option<Moment> {
        moment(self.0.get(key)?)
    }

    fn list<T>(&self, key: &str, read: impl Fn(&'a Value) -> Option<T>) -> Option<Vec<T>> {
        self.0.get(key)?.as_array()?.iter().map(read).collect()
    }
}

fn moment(value: &Value) -> Option<Moment> {
    Moment::parse(value.as_str()?)
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// An emptied name is none.
fn name(value: &Value) -> Option<String> {
    value.as_str().filter(|name| !name.is_empty()).map(str::to_owned)
}

fn id(value: &Value) -> Option<Id> {
    value.as_str().map(Id::new)
}

fn small(number: u64) -> Option<u32> {
    u32::try_from(number).ok()
}

impl Recorded {
    /// Reads the data of a `rest` or `state` line; none where it is of another kind, or broken.
    pub(crate) fn read(data: &Value) -> Option<Self> {
        let object = Object::of(data)?;
        // One key beside `after`.
        let (key, value) = object.0.iter().find(|(key, _)| *key != "after")?;
        let inner = Object::of(value);
        Some(Self::Control(match key.as_str() {
            "tick" => {
                return Some(Self::Tick {
                    ahead_ms: value.as_i64()?,
                });
            }
            "drop_gap_opened" => {
                let inner = inner?;
                return Some(Self::DropGapOpened {
                    from: inner.moment("from")?,
                    cause: inner.text("cause")?.to_owned(),
                });
            }
            "drop_gap_closed" => return Some(Self::DropGapClosed { to: moment(value)? }),
            "state" => Control::State(state(&inner?)?),
            "token_expires_at" => Control::TokenExpires(moment(value)?),
            "connections" => {
                let inner = inner?;
                Control::Connections {
                    open: small(inner.number("open")?)?,
                    reconnects: inner.number("reconnects")?,
                    channel_expires_at: inner.moment("channel_expires_at"),
                }
            }
            "refused" => {
                let inner = inner?;
                let topics = inner.0.get("topics")?.as_object()?;
                Control::Refused {
                    line: usize::try_from(inner.number("line")?).ok()?,
                    topics: topics
                        .iter()
                        .map(|(topic, why)| Some((topic.clone(), text(why)?)))
                        .collect::<Option<_>>()?,
                }
            }
            "queues" => Control::Queues(object.list(key, queue)?),
            "any_queue" => Control::AnyQueue,
            "opened" => Control::ConnectionOpened(small(value.as_u64()?)?),
            "ended" => Control::ConnectionEnded(small(value.as_u64()?)?),
            "users" => {
                let user = |value| {
                    let user = Object::of(value)?;
                    Some((id(user.0.get("id")?)?, user.0.get("name").and_then(name)))
                };
                Control::UserNames(object.list(key, user)?.into_iter().collect())
            }
            "observations" => Control::Observations(object.list(key, observed)?),
            "conversations" => {
                let shown = |raw: &Value| {
                    Some(Shown {
                        facts: read_conversation(&raw.to_string()).ok()?.facts,
                        enters: true,
                        raw: None,
                    })
                };
                // Nobody waits for the answer.
                let (done, _) = crossbeam_channel::bounded(1);
                Control::Repair(FromRepair::Conversations {
                    shown: object.list(key, shown)?,
                    done,
                })
            }
            "covered_from" => Control::Repair(FromRepair::CoveredFrom(moment(value)?)),
            "repaired" => Control::Repair(FromRepair::Repaired(object.list(key, Value::as_u64)?)),
            "gap_opened" => {
                let inner = inner?;
                Control::GapOpened {
                    line: usize::try_from(inner.number("line")?).ok()?,
                    topics: match inner.text("topics") {
                        Some(_) => GapTopics::All,
                        None => GapTopics::Some(inner.list("topics", text)?),
                    },
                    from: inner.moment("from")?,
                    cause: inner.text("cause")?.to_owned(),
                }
            }
            "gap_closed" => {
                let inner = inner?;
                Control::GapClosed {
                    line: usize::try_from(inner.number("line")?).ok()?,
                    to: inner.moment("to")?,
                }
            }
            _ => return None,
        }))
    }
}

fn state(inner: &Object<'_>) -> Option<StateChange> {
    let states = [
        ConnectionState::Connecting,
        ConnectionState::Streaming,
        ConnectionState::Backoff,
        ConnectionState::Stopped,
    ];
    let name = inner.text("state")?;
    Some(StateChange {
        at: inner.moment("at")?,
        state: states.into_iter().find(|state| state.as_str() == name)?,
        cause: inner.text("cause").map(str::to_owned),
        attempt: inner.number("attempt").and_then(small),
        retry_in: inner.number("retry_in_ms").map(Duration::from_millis),
    })
}

fn queue(value: &Value) -> Option<Queue> {
    let queue = Object::of(value)?;
    let level = |value: &Value| {
        let threshold_ms = value.get(2)?.as_u64();
        Some((
            MediaKind::parse(value.get(0)?.as_str()?),
            ServiceLevelSetting {
                target_percent: value.get(1)?.as_f64(),
                threshold: threshold_ms.map(Duration::from_millis),
            },
        ))
    };
    Some(Queue {
        id: id(queue.0.get("id")?)?,
        name: queue.0.get("name").and_then(name),
        service_levels: queue.list("service_levels", level)?,
    })
}

fn observed(value: &Value) -> Option<ObservationFacts> {
    let facts = Object::of(value)?;
    let row = |value: &Value| {
        let row = Object::of(value)?;
        let stats: Option<BTreeMap<Box<str>, f64>> = row.0.get("stats")?.as_object().map(|stats| {
            let number = |(name, number): (&String, &Value)| {
                let exact = number.as_f64().or_else(|| number.as_str()?.parse().ok());
                Some((name.as_str().into(), exact?))
            };
            stats.iter().filter_map(number).collect()
        });
        Some(ObservationRow {
            media: row.text("media").map(MediaKind::parse),
            interval: row
                .list("interval", moment)
                .and_then(|interval| Some((*interval.first()?, *interval.get(1)?))),
            metric: row.text("metric")?.into(),
            qualifier: row.text("qualifier").map(Into::into),
            stats: stats?,
        })
    };
    Some(ObservationFacts {
        queue: id(facts.0.get("queue")?)?,
        rows: facts.list("rows", row)?,
    })
}
