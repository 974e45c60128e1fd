//! The protocol `events`, from the first tutorial: subscribe, ack, events.
//!
//! In: text frames · Out: `Heard` · Thread: that of the reader, which owns the machine.
//!
//! Genesys' published API lists no such socket; this follows the tutorial (`docs/numbers.md#other-protocols`).

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::depth::check_depth;
use super::json::{Field, LooseId, Status, lenient_object, read_object};
use super::words::same_letters;
use super::{Heard, Machine, NO_BODY, Options, Ping, Refusal, one_line};
use crate::base::receipt::Receipt;
use crate::config::Protocol;
use crate::event::facts::{ConversationStateFacts, Facts, QueueStatisticsFacts};
use crate::event::{Event, EventKind};
use crate::{Id, Moment};

/// The tutorial's limit for the `ack`.
const ACK_LIMIT: Duration = Duration::from_secs(10);

/// The machine of the `events` protocol.
#[derive(Debug)]
pub struct Events {
    options: Options,
    event_types: Vec<String>,
    queues: Vec<String>,
    state: State,
    filtered_by: FilteredBy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    AwaitingAck,
    Subscribed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FilteredBy {
    /// The server filters, or there is no filter.
    Server,
    /// The server refused the filter with 403, so the subscription was sent without it and events are filtered here.
    Us,
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Subscribe<'a> {
    #[serde(rename = "type")]
    what: &'static str,
    subscription: Subscription<'a>,
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Subscription<'a> {
    event_types: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    filters: Option<Filters<'a>>,
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Filters<'a> {
    routing_queue_ids: &'a [String],
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Frame<'a> {
    #[serde(borrow, rename = "type")]
    what: Field<Cow<'a, str>>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    status: Field<Status>,
    code: Field<Status>,
    #[serde(borrow)]
    message: Field<Cow<'a, str>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TypedEvent<'a> {
    #[serde(borrow, rename = "type")]
    what: Field<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Conversation<'a> {
    id: Field<LooseId>,
    #[serde(borrow)]
    state: Field<Cow<'a, str>>,
    queue_id: Field<LooseId>,
    timestamp: Field<Moment>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Queue {
    id: Field<LooseId>,
    statistics: Field<Statistics>,
    timestamp: Field<Moment>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Statistics {
    average_wait_time: Field<f64>,
}
lenient_object!(Statistics);

impl Events {
    /// Subscribes `event_types`, restricted to `queues` (ids) if any are given.
    #[must_use]
    pub fn new(options: Options, event_types: Vec<String>, queues: Vec<String>) -> Self {
        Self {
            options,
            event_types,
            queues,
            state: State::AwaitingAck,
            filtered_by: FilteredBy::Server,
        }
    }

    fn subscription(&self) -> String {
        let filters = (self.filtered_by == FilteredBy::Server && !self.queues.is_empty()).then_some(Filters {
            routing_queue_ids: &self.queues,
        });
        let subscribe = Subscribe {
            what: "subscribe",
            subscription: Subscription {
                event_types: &self.event_types,
                filters,
            },
        };
        serde_json::to_string(&subscribe).expect("texts and lists of texts always serialise")
    }

    fn on_error(&mut self, frame: &Frame<'_>) -> Heard {
        let message = frame.message.as_some().map_or("no message", |m| &**m);
        let status = frame
            .status
            .copied()
            .or(frame.code.copied())
            .map(|Status(status)| status);
        if self.state == State::Subscribed {
            return Heard::ServerError(match status {
                Some(status) => format!("{status} {}", one_line(message)),
                None => one_line(message),
            });
        }
        let forbidden =
            [frame.status.copied(), frame.code.copied()].contains(&Some(Status(403))) || message.contains("403");
        if forbidden && !self.queues.is_empty() && self.filtered_by == FilteredBy::Server {
            self.filtered_by = FilteredBy::Us;
            return Heard::Send {
                text: self.subscription(),
                why: "the server refused the queue filter with 403: subscribing without it and filtering here",
            };
        }
        Heard::Refused(Refusal {
            status: if forbidden { Some(403) } else { status },
            message: one_line(message),
        })
    }

    /// Whether an event of `queue` is wanted. An event that names no queue passes, as nothing shows that it is unwanted.
    fn passes(&self, queue: Option<&Id>) -> bool {
        match (self.filtered_by, queue) {
            (FilteredBy::Us, Some(queue)) => self.queues.iter().any(|wanted| Id::new(wanted) == *queue),
            _ => true,
        }
    }

    /// `Ok(None)`: an event of a queue that is not wanted.
    fn on_event(&self, event: Option<&RawValue>, at: Receipt) -> Result<Option<Event>, String> {
        let event: TypedEvent<'_> = read_object("event", event.map_or(NO_BODY, RawValue::get))?;
        let what = event.what.some().unwrap_or_default();
        let body = event.data.map_or(NO_BODY, RawValue::get);
        let mut unreadable = 0;
        let (kind, conversation_id, queue_id, facts) = match &*what {
            "conversation:updated" => {
                let data: Conversation<'_> = read_object("the data of conversation:updated", body)?;
                unreadable = data.timestamp.unreadable();
                let facts = ConversationStateFacts {
                    conversation: data.id.some().map(|LooseId(id)| id),
                    queue: data.queue_id.some().map(|LooseId(id)| id),
                    active: data.state.as_some().and_then(|state| is_active(state)),
                    at: at.trusted(data.timestamp.some(), &mut unreadable),
                };
                (
                    EventKind::Conversation,
                    facts.conversation.clone(),
                    facts.queue.clone(),
                    Facts::ConversationState(facts),
                )
            }
            "routing:queue:updated" => {
                let data: Queue = read_object(QUEUE, body)?;
                unreadable = data.timestamp.unreadable();
                let mut facts = data.into_facts()?;
                facts.at = at.trusted(facts.at, &mut unreadable);
                (
                    EventKind::Queue,
                    None,
                    Some(facts.queue.clone()),
                    Facts::QueueStatistics(facts),
                )
            }
            _ => {
                let named: Conversation<'_> = read_object("data", body).unwrap_or_default();
                let queue = named.queue_id.some().map(|LooseId(id)| id);
                (EventKind::Unknown, None, queue, Facts::None)
            }
        };
        if !self.passes(queue_id.as_ref()) {
            return Ok(None);
        }
        Ok(Some(Event {
            conversation_id,
            queue_id,
            facts,
            unreadable,
            ..self.options.event(Protocol::Events, kind, what.into(), body, at)
        }))
    }
}

/// The body of a queue's event, in messages.
const QUEUE: &str = "the data of routing:queue:updated";

impl Queue {
    fn into_facts(self) -> Result<QueueStatisticsFacts, String> {
        let Some(LooseId(queue)) = self.id.some() else {
            return Err(format!("{QUEUE} has no id"));
        };
        let average = match self.statistics {
            Field::Absent => Field::Absent,
            Field::Wrong => return Err(format!("{QUEUE}: statistics is not an object")),
            Field::Given(statistics) => statistics.average_wait_time,
        };
        if average == Field::Wrong {
            return Err(format!("{QUEUE}: averageWaitTime is not a number"));
        }
        Ok(QueueStatisticsFacts {
            queue,
            average_wait_secs: average.some(),
            at: self.timestamp.some(),
        })
    }
}

fn is_active(state: &str) -> Option<bool> {
    let is = |names: [&str; 2]| names.iter().any(|name| same_letters(state, name));
    if is(["connected", "consulting"]) {
        Some(true)
    } else if is(["wrapup", "closed"]) {
        Some(false)
    } else {
        None
    }
}

impl Machine for Events {
    fn on_open(&mut self) -> Vec<String> {
        self.state = State::AwaitingAck;
        vec![self.subscription()]
    }

    fn handshake_limit(&self) -> Option<Duration> {
        Some(ACK_LIMIT)
    }

    fn ping(&self) -> Ping {
        Ping::Control
    }

    fn on_text(&mut self, text: &str, at: Receipt, heard: &mut Vec<Heard>) {
        let refuse = |heard: &mut Vec<Heard>, found: &str| {
            heard.push(Heard::Refused(Refusal {
                status: None,
                message: format!("expected an ack, received {found}"),
            }));
        };
        let frame = match check_depth(text).and_then(|()| read_object::<Frame<'_>>("the frame", text)) {
            Ok(frame) => frame,
            Err(wrong) => {
                heard.push(Heard::Malformed(wrong));
                if self.state == State::AwaitingAck {
                    refuse(heard, "a frame that is not a JSON object");
                }
                return;
            }
        };
        let what = frame.what.as_some().map(|what| &**what);
        match what {
            Some("event") => heard.push(match self.on_event(frame.event, at) {
                Ok(Some(event)) => Heard::Event(Box::new(event)),
                Ok(None) => Heard::Alive,
                Err(wrong) => Heard::Malformed(wrong),
            }),
            Some("ack") => heard.push(match self.state {
                State::AwaitingAck => {
                    self.state = State::Subscribed;
                    Heard::Confirmed
                }
                State::Subscribed => Heard::Alive,
            }),
            Some("error") => {
                let verdict = self.on_error(&frame);
                heard.push(verdict);
            }
            other if self.state == State::AwaitingAck => match other {
                Some(other) => refuse(heard, &format!("a frame of type {:?}", one_line(other))),
                None => refuse(heard, "a frame without a type"),
            },
            other => {
                let topic = other.unwrap_or_default().into();
                let event = self
                    .options
                    .event(Protocol::Events, EventKind::Unknown, topic, text, at);
                heard.push(Heard::Event(Box::new(event)));
            }
        }
    }
}

#[cfg(test)]
mod tests;
