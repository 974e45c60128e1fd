//! The protocol `metrics`, from the second tutorial: one payload, a confirmation, values of metrics.
//!
//! In: text frames · Out: `Heard` · Thread: that of the reader, which owns the machine.
//!
//! Genesys' published API lists no such socket; this follows the tutorial (`docs/numbers.md#other-protocols`).

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;

use super::depth::check_depth;
use super::json::{Entries, Field, LooseId, Present, Status, lenient_object, read_object};
use super::{Heard, Machine, Options, Ping, Refusal, one_line};
use crate::base::receipt::Receipt;
use crate::config::{MetricsPayload, Protocol};
use crate::event::facts::{Facts, MetricFacts};
use crate::event::{Event, EventKind};
use crate::{Error, ErrorKind, Id, Moment};

/// The tutorial's limit for the confirmation.
const CONFIRMATION_LIMIT: Duration = Duration::from_secs(10);

/// The tutorial's limit for the payload.
pub const MAX_PAYLOAD_BYTES: usize = 8192;

/// The payload of a run: the configured one, with the chosen queues as its filter if it has none.
pub(crate) fn payload(configured: &MetricsPayload, queues: Option<&[Id]>) -> MetricsPayload {
    let mut payload = configured.clone();
    if payload.entity_filters.is_empty()
        && let Some(queues) = queues
    {
        let ids = queues
            .iter()
            .map(|queue| serde_json::Value::String(queue.to_string()))
            .collect();
        payload
            .entity_filters
            .insert("queueIds".to_owned(), serde_json::Value::Array(ids));
    }
    payload
}

/// The JSON of a payload, at most [`MAX_PAYLOAD_BYTES`] long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadText(String);

impl PayloadText {
    /// Serialises a payload.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] if it is longer than [`MAX_PAYLOAD_BYTES`].
    pub fn new(payload: &MetricsPayload) -> Result<Self, Error> {
        let text = serde_json::to_string(payload).map_err(|error| {
            Error::new(
                ErrorKind::Configuration,
                "writing subscribe.metrics as JSON",
                error.to_string(),
            )
        })?;
        if text.len() > MAX_PAYLOAD_BYTES {
            return Err(Error::new(
                ErrorKind::Configuration,
                "subscribe.metrics",
                format!(
                    "takes {} bytes as JSON, at most {MAX_PAYLOAD_BYTES} are allowed; name fewer ids in entityFilters",
                    text.len()
                ),
            ));
        }
        Ok(Self(text))
    }

    /// The JSON text.
    #[cfg(test)]
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The machine of the `metrics` protocol.
#[derive(Debug)]
pub struct Metrics {
    options: Options,
    payload: PayloadText,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    AwaitingConfirmation,
    Streaming,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Frame<'a> {
    // In an event:
    #[serde(borrow)]
    metric_type: Field<Cow<'a, str>>,
    timestamp: Field<Moment>,
    metrics: Field<Entries<Value>>,
    queue_id: Field<LooseId>,
    user_id: Field<LooseId>,
    agent_id: Field<LooseId>,
    entity_id: Field<LooseId>,
    skill_id: Field<LooseId>,
    skill_group_id: Field<LooseId>,
    wrapup_code: Field<LooseId>,
    interaction_id: Field<LooseId>,
    conversation_id: Field<LooseId>,
    // In an answer or an error:
    #[serde(borrow, rename = "type")]
    what: Field<Cow<'a, str>>,
    status: Field<Status>,
    code: Field<Status>,
    #[serde(borrow)]
    message: Field<Cow<'a, str>>,
    #[serde(borrow)]
    error: Field<ErrorText<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Value {
    name: Field<Box<str>>,
    value: Field<f64>,
}
lenient_object!(Value);

/// The field `error`, and its text if it has one. `false` counts as absent.
struct ErrorText<'a>(Option<Cow<'a, str>>);

impl<'de: 'a, 'a> super::json::Lenient<'de> for ErrorText<'a> {
    fn text(text: &str) -> Option<Self> {
        Some(Self(Some(Cow::Owned(text.to_owned()))))
    }
    fn flag(flag: bool) -> Option<Self> {
        flag.then_some(Self(None))
    }
    fn number(_: f64) -> Option<Self> {
        Some(Self(None))
    }
    fn object<A: serde::de::MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Inner {
            message: Field<Box<str>>,
        }
        let inner: Inner = super::json::object_from(map)?;
        Ok(Some(Self(
            inner.message.some().map(|message| Cow::Owned(message.into_string())),
        )))
    }
    fn list<A: serde::de::SeqAccess<'de>>(list: A) -> Result<Option<Self>, A::Error> {
        Ok(Present::list(list)?.map(|Present| Self(None)))
    }
}

impl Frame<'_> {
    fn is_event(&self) -> bool {
        matches!(self.metric_type, Field::Given(_))
    }

    fn is_error(&self) -> bool {
        self.what
            .as_some()
            .is_some_and(|what| what.eq_ignore_ascii_case("error"))
            || self.error.as_some().is_some()
    }

    fn text(&self) -> String {
        let error = self.error.as_some().and_then(|ErrorText(text)| text.as_deref());
        one_line(self.message.as_some().map(|m| &**m).or(error).unwrap_or("no message"))
    }

    fn status(&self) -> Option<u16> {
        self.status.copied().or(self.code.copied()).map(|Status(status)| status)
    }
}

impl Metrics {
    /// A machine that subscribes with `payload`.
    #[must_use]
    pub fn new(options: Options, payload: PayloadText) -> Self {
        Self {
            options,
            payload,
            state: State::AwaitingConfirmation,
        }
    }

    fn on_event(&self, frame: Frame<'_>, text: &str, at: Receipt, heard: &mut Vec<Heard>) {
        let metrics = match frame.metrics {
            Field::Wrong => {
                heard.push(Heard::Malformed("metrics is not a list".to_owned()));
                return;
            }
            Field::Absent => Vec::new(),
            Field::Given(entries) if entries.wrong > 0 => {
                heard.push(Heard::Malformed("an entry of metrics is not an object".to_owned()));
                return;
            }
            Field::Given(entries) => entries.good,
        };
        let metric_type = frame.metric_type.some().unwrap_or_default();
        let id = |field: Field<LooseId>| field.some().map(|LooseId(id)| id);
        let queue_id = id(frame.queue_id);
        let user_id = id(frame.user_id).or(id(frame.agent_id));
        let conversation_id = id(frame.conversation_id);
        let others = [
            frame.entity_id,
            frame.skill_id,
            frame.skill_group_id,
            frame.wrapup_code,
            frame.interaction_id,
        ];
        let entity: Option<Id> = queue_id
            .clone()
            .or(user_id.clone())
            .or(others.into_iter().find_map(id))
            .or(conversation_id.clone());
        let mut unreadable = 0;
        let mut values = Vec::with_capacity(metrics.len());
        for metric in metrics {
            match (metric.name, metric.value) {
                (Field::Given(name), Field::Given(value)) => values.push((name, value)),
                // A metric without a value yet is not an error.
                (Field::Given(_), Field::Absent) => {}
                _ => unreadable += 1,
            }
        }
        let time = at.trusted(frame.timestamp.some(), &mut unreadable);
        let missing = match (time, values.is_empty()) {
            (Some(_), false) => None,
            (Some(_), true) => Some("metrics"),
            (None, false) => Some("timestamp"),
            (None, true) => Some("timestamp and metrics"),
        };
        if let Some(what) = missing {
            let metric_type = (&*metric_type).into();
            heard.push(Heard::Incomplete { metric_type, what });
            return;
        }
        let event = Event {
            conversation_id,
            queue_id,
            user_id,
            facts: Facts::Metrics(Box::new(MetricFacts {
                metric_type: (&*metric_type).into(),
                entity,
                at: time,
                values,
            })),
            unreadable,
            ..self
                .options
                .event(Protocol::Metrics, EventKind::Metric, metric_type.into(), text, at)
        };
        heard.push(Heard::Event(Box::new(event)));
    }

    /// Reads a frame that is not an event: the confirmation, an error, or one of an unknown kind.
    fn on_answer(&mut self, frame: &Frame<'_>, text: &str, at: Receipt) -> Heard {
        let status = frame.status();
        match (self.state, status) {
            (State::AwaitingConfirmation, Some(200)) if !frame.is_error() => {
                self.state = State::Streaming;
                Heard::Confirmed
            }
            (State::Streaming, Some(200)) if !frame.is_error() => Heard::Alive,
            (State::AwaitingConfirmation, status) if status.is_some() || frame.is_error() => Heard::Refused(Refusal {
                status,
                message: frame.text(),
            }),
            (State::Streaming, Some(status)) => Heard::ServerError(format!("{status} {}", frame.text())),
            (State::Streaming, None) if frame.is_error() => Heard::ServerError(frame.text()),
            _ => {
                let topic = frame.what.as_some().map_or("", |what| &**what).into();
                Heard::Event(Box::new(self.options.event(
                    Protocol::Metrics,
                    EventKind::Unknown,
                    topic,
                    text,
                    at,
                )))
            }
        }
    }
}

impl Machine for Metrics {
    fn on_open(&mut self) -> Vec<String> {
        self.state = State::AwaitingConfirmation;
        vec![self.payload.0.clone()]
    }

    fn handshake_limit(&self) -> Option<Duration> {
        Some(CONFIRMATION_LIMIT)
    }

    fn ping(&self) -> Ping {
        Ping::Control
    }

    fn on_text(&mut self, text: &str, at: Receipt, heard: &mut Vec<Heard>) {
        match check_depth(text).and_then(|()| read_object::<Frame<'_>>("the frame", text)) {
            Err(wrong) => heard.push(Heard::Malformed(wrong)),
            Ok(frame) if frame.is_event() => self.on_event(frame, text, at, heard),
            Ok(frame) => {
                let verdict = self.on_answer(&frame, text, at);
                heard.push(verdict);
            }
        }
    }
}

#[cfg(test)]
mod tests;
