//! The protocol `events`, from the first tutorial: subscribe, ack, events.
//!
//! In: text frames · Out: `Heard` · Thread: that of the reader, which owns the machine.
//!
//! Genesys' published API lists no such socket; this follows the tutorial (`docs/numbers.md#other-protocols`).

use std::borrow::Cow;
use std::time::Duration;

use super::json::{Field, Status};
use super::scan::{Body, Invalid, Object, Scanner, Times, keys};
use super::words::same_letters;
use super::{FewNames, Heard, LONG_TOPIC, Machine, Options, Ping, Refusal};
use crate::Id;
use crate::base::limits::TOPIC_BYTES;
use crate::base::receipt::Receipt;
use crate::base::scrub::line_of_peer;
use crate::config::Protocol;
use crate::event::EventKind;
use crate::event::facts::{ConversationStateFacts, Facts, QueueStatisticsFacts};

/// The tutorial's limit for the `ack`.
const ACK_LIMIT: Duration = Duration::from_secs(10);

/// The machine of the `events` protocol.
#[derive(Debug)]
pub struct Events {
    options: Options,
    event_types: Vec<String>,
    queues: Vec<String>,
    queue_ids: Vec<Id>,
    types: FewNames,
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

keys! { FrameKey { Type = "type", Event = "event", Status = "status", Code = "code", Message = "message" } }
keys! { TypedKey { Type = "type", Data = "data" } }
keys! { ConversationKey { Id = "id", State = "state", QueueId = "queueId", Timestamp = "timestamp" } }
keys! { QueueKey { Id = "id", Statistics = "statistics", Timestamp = "timestamp" } }
keys! { StatisticsKey { AverageWaitTime = "averageWaitTime" } }

#[derive(Default)]
struct Frame<'a> {
    what: Option<Cow<'a, str>>,
    status: Option<Status>,
    code: Option<Status>,
    message: Option<Cow<'a, str>>,
}

/// What the data of an event say.
enum Data {
    Conversation(ConversationStateFacts),
    Queue(QueueStatisticsFacts),
    /// Of an event of another type: its queue, if it names one.
    Other(Option<Id>),
}

/// The data of an event as sent, and what they say, with the count of unreadable times, or why they cannot be used.
type ReadData<'a> = (Body<'a>, Result<(Data, u32), String>);

impl Events {
    /// Subscribes `event_types`, restricted to `queues` (ids) if any are given.
    #[must_use]
    pub fn new(options: Options, event_types: Vec<String>, queues: Vec<String>) -> Self {
        Self {
            options,
            event_types,
            queue_ids: queues.iter().map(|queue| Id::new(queue)).collect(),
            queues,
            types: FewNames::default(),
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
        let message = frame.message.as_deref().unwrap_or("no message");
        let status = frame.status.or(frame.code).map(|Status(status)| status);
        if self.state == State::Subscribed {
            return Heard::ServerError(match status {
                Some(status) => format!("{status} {}", line_of_peer(message)),
                None => line_of_peer(message),
            });
        }
        let forbidden = [frame.status, frame.code].contains(&Some(Status(403))) || message.contains("403");
        if forbidden && !self.queues.is_empty() && self.filtered_by == FilteredBy::Server {
            self.filtered_by = FilteredBy::Us;
            return Heard::Send {
                text: self.subscription(),
                why: "the server refused the queue filter with 403: subscribing without it and filtering here",
            };
        }
        Heard::Refused(Refusal {
            status: if forbidden { Some(403) } else { status },
            message: line_of_peer(message),
        })
    }

    /// Whether an event of `queue` is wanted. An event that names no queue passes, as nothing shows that it is unwanted.
    fn passes(&self, queue: Option<&Id>) -> bool {
        match (self.filtered_by, queue) {
            (FilteredBy::Us, Some(queue)) => self.queue_ids.contains(queue),
            _ => true,
        }
    }

    /// Reads the event at the scanner's place. Fails where it is not JSON.
    fn event(&mut self, scan: &mut Scanner<'_>, at: Receipt, heard: &mut Vec<Heard>) -> Result<(), Invalid> {
        let mark = scan.mark();
        if let Err(Invalid) = self.typed_event(scan, at, heard) {
            heard.push(Heard::Malformed(scan.complaint_since("event", mark)?));
        }
        Ok(())
    }

    /// An event of a queue that is not wanted only shows that the peer is alive.
    fn typed_event(&mut self, scan: &mut Scanner<'_>, at: Receipt, heard: &mut Vec<Heard>) -> Result<(), Invalid> {
        let mut what = Field::<Cow<'_, str>>::Absent;
        let mut body = Body::NONE;
        let mut read = None;
        let mut object = scan.object()?;
        while let Some(key) = scan.next_key(&mut object)? {
            match (key, what.as_some()) {
                (TypedKey::Type, _) => what = scan.text()?,
                (TypedKey::Data, Some(what)) => read = Some(data(scan, what, at)?),
                // Data that come before their type are read afterwards.
                (TypedKey::Data, None) => {
                    let mark = scan.mark();
                    scan.skip()?;
                    body = scan.since(mark);
                }
            }
        }
        let what = what.some().unwrap_or_default();
        if what.len() > TOPIC_BYTES {
            heard.push(Heard::Malformed(LONG_TOPIC.to_owned()));
            return Ok(());
        }
        let (body, read) = match read {
            Some(read) => read,
            None => data(&mut Scanner::new(body.text, at), &what, at)?,
        };
        let (data, unreadable) = match read {
            Ok(data) => data,
            Err(wrong) => {
                heard.push(Heard::Malformed(wrong));
                return Ok(());
            }
        };
        let (kind, conversation_id, queue_id, facts) = match data {
            Data::Conversation(facts) => (
                EventKind::Conversation,
                facts.conversation.clone(),
                facts.queue.clone(),
                Facts::ConversationState(facts),
            ),
            Data::Queue(facts) => (
                EventKind::Queue,
                None,
                Some(facts.queue.clone()),
                Facts::QueueStatistics(facts),
            ),
            Data::Other(queue) => (EventKind::Unknown, None, queue, Facts::None),
        };
        if !self.passes(queue_id.as_ref()) {
            heard.push(Heard::Alive);
            return Ok(());
        }
        let topic = self.types.of(&what);
        let mut event = self.options.event(Protocol::Events, kind, topic, body, at);
        event.conversation_id = conversation_id;
        event.queue_id = queue_id;
        event.facts = facts;
        event.unreadable += unreadable;
        heard.push(Heard::Event(event));
        Ok(())
    }

    /// Reads a frame in one walk, and appends the event in it. It is read in place if the frame's type comes before it.
    fn frame<'a>(&mut self, scan: &mut Scanner<'a>, at: Receipt, heard: &mut Vec<Heard>) -> Result<Frame<'a>, Invalid> {
        let before = heard.len();
        let mut frame = Frame::default();
        let mut body = Body::NONE;
        let mut object = scan.object()?;
        while let Some(key) = scan.next_key(&mut object)? {
            match key {
                FrameKey::Type => frame.what = scan.text()?.some(),
                FrameKey::Event if frame.what.as_deref() == Some("event") => self.event(scan, at, heard)?,
                FrameKey::Event => {
                    let mark = scan.mark();
                    scan.skip()?;
                    body = scan.since(mark);
                }
                FrameKey::Status => frame.status = scan.field()?.some(),
                FrameKey::Code => frame.code = scan.field()?.some(),
                FrameKey::Message => frame.message = scan.field()?.some(),
            }
        }
        scan.end()?;
        if heard.len() == before && frame.what.as_deref() == Some("event") {
            self.event(&mut Scanner::new(body.text, at), at, heard)?;
        }
        Ok(frame)
    }
}

/// The data of a conversation's and of a queue's event, in messages.
const CONVERSATION: &str = "the data of conversation:updated";
const QUEUE: &str = "the data of routing:queue:updated";

/// Reads the data at the scanner's place, of an event of the type `what`. Fails where they are not JSON.
fn data<'a>(scan: &mut Scanner<'a>, what: &str, at: Receipt) -> Result<ReadData<'a>, Invalid> {
    let mark = scan.mark();
    let (name, read) = match what {
        "conversation:updated" => (
            CONVERSATION,
            conversation(scan, at).map(|(facts, unreadable)| Ok((Data::Conversation(facts), unreadable))),
        ),
        "routing:queue:updated" => (
            QUEUE,
            queue(scan, at).map(|read| read.map(|(facts, unreadable)| (Data::Queue(facts), unreadable))),
        ),
        _ => (
            "data",
            conversation(scan, at).map(|(facts, _)| Ok((Data::Other(facts.queue), 0))),
        ),
    };
    let read = match read {
        Ok(read) => read,
        Err(Invalid) => match (scan.has_long_id(), scan.complaint_since(name, mark)?, what) {
            (true, wrong, _) | (_, wrong, "conversation:updated" | "routing:queue:updated") => Err(wrong),
            // What an event of another type carries need not be an object.
            _ => Ok((Data::Other(None), 0)),
        },
    };
    Ok((scan.since(mark), read))
}

/// Also gives the count of unreadable times.
fn conversation(scan: &mut Scanner<'_>, at: Receipt) -> Result<(ConversationStateFacts, u32), Invalid> {
    let mut state = Field::<Cow<'_, str>>::Absent;
    let (mut id, mut queue, mut timestamp) = (None, None, Field::Absent);
    let mut object = scan.object()?;
    while let Some(key) = scan.next_key(&mut object)? {
        match key {
            ConversationKey::Id => id = scan.loose_id()?,
            ConversationKey::State => state = scan.text()?,
            ConversationKey::QueueId => queue = scan.loose_id()?,
            ConversationKey::Timestamp => timestamp = scan.moment()?,
        }
    }
    let mut unreadable = timestamp.unreadable();
    let facts = ConversationStateFacts {
        conversation: id,
        queue,
        active: state.as_some().and_then(|state| is_active(state)),
        at: at.trusted(timestamp.some(), &mut unreadable),
    };
    Ok((facts, unreadable))
}

/// Also gives the count of unreadable times.
fn queue(scan: &mut Scanner<'_>, at: Receipt) -> Result<Result<(QueueStatisticsFacts, u32), String>, Invalid> {
    let (mut id, mut statistics, mut timestamp) = (None, Field::Absent, Field::Absent);
    let mut object = scan.object()?;
    while let Some(key) = scan.next_key(&mut object)? {
        match key {
            QueueKey::Id => id = scan.loose_id()?,
            QueueKey::Statistics => statistics = scan.object_as(average_wait)?,
            QueueKey::Timestamp => timestamp = scan.moment()?,
        }
    }
    let Some(queue) = id else {
        return Ok(Err(format!("{QUEUE} has no id")));
    };
    let average = match statistics {
        Field::Absent => Field::Absent,
        Field::Wrong => return Ok(Err(format!("{QUEUE}: statistics is not an object"))),
        Field::Given(average) => average,
    };
    if average == Field::Wrong {
        return Ok(Err(format!("{QUEUE}: averageWaitTime is not a number")));
    }
    let mut unreadable = timestamp.unreadable();
    let facts = QueueStatisticsFacts {
        queue,
        average_wait_secs: average.some(),
        at: at.trusted(timestamp.some(), &mut unreadable),
    };
    Ok(Ok((facts, unreadable)))
}

fn average_wait(scan: &mut Scanner<'_>, mut object: Object) -> Result<Field<f64>, Invalid> {
    let mut average = Field::Absent;
    while let Some(StatisticsKey::AverageWaitTime) = scan.next_key(&mut object)? {
        average = scan.field()?;
    }
    Ok(average)
}

fn is_active(state: &str) -> Option<bool> {
    // Nearly always in this spelling, which is compared much faster than letter by letter.
    match state {
        "connected" | "consulting" => return Some(true),
        "wrapup" | "closed" => return Some(false),
        _ => {}
    }
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
        let mut scan = Scanner::new(text, at);
        let before = heard.len();
        let frame = match self.frame(&mut scan, at, heard) {
            Ok(frame) => frame,
            Err(Invalid) => {
                heard.truncate(before);
                heard.push(Heard::Malformed(scan.complaint("the frame")));
                if self.state == State::AwaitingAck {
                    refuse(heard, "a frame that is not a JSON object");
                }
                return;
            }
        };
        if heard.len() > before {
            return;
        }
        match frame.what.as_deref() {
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
                Some(other) => refuse(heard, &format!("a frame of type {:?}", line_of_peer(other))),
                None => refuse(heard, "a frame without a type"),
            },
            Some(other) if other.len() > TOPIC_BYTES => heard.push(Heard::Malformed(LONG_TOPIC.to_owned())),
            other => {
                let topic = other.unwrap_or_default().into();
                let times = Times::of(text, at);
                let body = Body {
                    text,
                    times,
                    over_limits: 0,
                };
                let event = self
                    .options
                    .event(Protocol::Events, EventKind::Unknown, topic, body, at);
                heard.push(Heard::Event(event));
            }
        }
    }
}

#[cfg(test)]
mod tests;
