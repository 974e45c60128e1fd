//! The protocol `metrics`, from the second tutorial: one payload, a confirmation, values of metrics.
//!
//! In: text frames · Out: `Heard` · Thread: that of the reader, which owns the machine.
//!
//! Genesys' published API lists no such socket; this follows the tutorial (`docs/numbers.md#other-protocols`).

use std::borrow::Cow;
use std::time::Duration;

use super::json::{Field, Lenient, Status};
use super::scan::{Body, Invalid, Object, Scanner, keys};
use super::{FewNames, Heard, LONG_TOPIC, Machine, Options, Ping, Refusal};
use crate::base::limits::{ROWS, TOPIC_BYTES, WORD_BYTES, cut, cut_and_count};
use crate::base::receipt::Receipt;
use crate::base::scrub::line_of_peer;
use crate::config::{MetricsPayload, Protocol};
use crate::event::EventKind;
use crate::event::facts::{Facts, MetricFacts};
use crate::event::spare::Spare;
use crate::event::stats::Name;
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
    types: FewNames,
    spare: Spare,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    AwaitingConfirmation,
    Streaming,
}

keys! {
    FrameKey {
        // In an event:
        MetricType = "metricType",
        Timestamp = "timestamp",
        Metrics = "metrics",
        QueueId = "queueId",
        UserId = "userId",
        AgentId = "agentId",
        EntityId = "entityId",
        SkillId = "skillId",
        SkillGroupId = "skillGroupId",
        WrapupCode = "wrapupCode",
        InteractionId = "interactionId",
        ConversationId = "conversationId",
        // In an answer or an error:
        Type = "type",
        Status = "status",
        Code = "code",
        Message = "message",
        Error = "error",
    }
}
keys! { ValueKey { Name = "name", Value = "value" } }
keys! { ErrorKey { Message = "message" } }

#[derive(Default)]
struct Frame<'a> {
    metric_type: Option<Cow<'a, str>>,
    timestamp: Field<Moment>,
    metrics: Field<Values>,
    queue_id: Option<Id>,
    user_id: Option<Id>,
    agent_id: Option<Id>,
    entity_id: Option<Id>,
    skill_id: Option<Id>,
    skill_group_id: Option<Id>,
    wrapup_code: Option<Id>,
    interaction_id: Option<Id>,
    conversation_id: Option<Id>,
    what: Option<Cow<'a, str>>,
    status: Option<Status>,
    code: Option<Status>,
    message: Option<Cow<'a, str>>,
    error: Option<ErrorText<'a>>,
}

#[derive(Default)]
struct Values {
    /// The first are those that were read; those behind them are of another event, for their memory and their names.
    good: Vec<(Name, f64)>,
    read: usize,
    unreadable: u32,
    has_other_than_objects: bool,
}

impl Values {
    /// `good` has memory for the values, and probably their names.
    fn read(scan: &mut Scanner<'_>, good: Vec<(Name, f64)>) -> Result<Field<Self>, Invalid> {
        let mut list = match scan.list_field()? {
            Field::Given(list) => list,
            Field::Absent => return Ok(Field::Absent),
            Field::Wrong => return Ok(Field::Wrong),
        };
        let mut values = Self {
            good,
            ..Self::default()
        };
        while scan.next_entry(&mut list)? {
            if values.read >= ROWS {
                scan.leave_out()?;
                continue;
            }
            match scan.object_as(|scan, object| values.read_one(scan, object))? {
                Field::Given(()) => {}
                Field::Absent | Field::Wrong => values.has_other_than_objects = true,
            }
        }
        values.good.truncate(values.read);
        Ok(Field::Given(values))
    }

    fn read_one(&mut self, scan: &mut Scanner<'_>, mut object: Object) -> Result<(), Invalid> {
        let (mut name, mut value) = (Field::<Cow<'_, str>>::Absent, Field::Absent);
        while let Some(key) = scan.next_key(&mut object)? {
            match key {
                ValueKey::Name => {
                    name = scan.text()?;
                    if name.as_some().is_some_and(|name| name.len() > WORD_BYTES) {
                        scan.count_over_limit();
                    }
                }
                ValueKey::Value => value = scan.field()?,
            }
        }
        match (name, value) {
            (Field::Given(name), Field::Given(value)) => {
                let name = cut(&name, WORD_BYTES);
                match self.good.get_mut(self.read) {
                    Some(known) if *known.0 == *name => known.1 = value,
                    Some(other) => *other = (name.into(), value),
                    None => self.good.push((name.into(), value)),
                }
                self.read += 1;
            }
            // A metric without a value yet is not an error.
            (Field::Given(_), Field::Absent) => {}
            _ => self.unreadable += 1,
        }
        Ok(())
    }
}

/// The field `error`, and its text if it has one. `false` counts as absent.
struct ErrorText<'a>(Option<Cow<'a, str>>);

impl<'a> Lenient<'a> for ErrorText<'a> {
    fn text(text: &str) -> Option<Self> {
        Some(Self(Some(Cow::Owned(text.to_owned()))))
    }
    fn flag(flag: bool) -> Option<Self> {
        flag.then_some(Self(None))
    }
    fn number(_: f64) -> Option<Self> {
        Some(Self(None))
    }
}

impl<'a> ErrorText<'a> {
    fn read(scan: &mut Scanner<'a>) -> Result<Option<Self>, Invalid> {
        let text = match scan.blank() {
            b'{' => scan.object_as(Self::message)?,
            b'[' => {
                scan.skip()?;
                Field::Given(Self(None))
            }
            _ => scan.field()?,
        };
        Ok(text.some())
    }

    fn message(scan: &mut Scanner<'a>, mut object: Object) -> Result<Self, Invalid> {
        let mut message = Field::Absent;
        while let Some(ErrorKey::Message) = scan.next_key(&mut object)? {
            message = scan.field()?;
        }
        Ok(Self(message.some()))
    }
}

impl<'a> Frame<'a> {
    /// `spare` has memory for the values.
    fn read(&mut self, scan: &mut Scanner<'a>, spare: Option<&mut Box<MetricFacts>>) -> Result<(), Invalid> {
        let mut good = spare.map_or_else(Vec::new, |spare| std::mem::take(&mut spare.values));
        let mut object = scan.object()?;
        while let Some(key) = scan.next_key(&mut object)? {
            match key {
                FrameKey::MetricType => self.metric_type = scan.text()?.some(),
                FrameKey::Timestamp => self.timestamp = scan.moment()?,
                FrameKey::Metrics => self.metrics = Values::read(scan, std::mem::take(&mut good))?,
                FrameKey::QueueId => self.queue_id = scan.loose_id()?,
                FrameKey::UserId => self.user_id = scan.loose_id()?,
                FrameKey::AgentId => self.agent_id = scan.loose_id()?,
                FrameKey::EntityId => self.entity_id = scan.loose_id()?,
                FrameKey::SkillId => self.skill_id = scan.loose_id()?,
                FrameKey::SkillGroupId => self.skill_group_id = scan.loose_id()?,
                FrameKey::WrapupCode => self.wrapup_code = scan.loose_id()?,
                FrameKey::InteractionId => self.interaction_id = scan.loose_id()?,
                FrameKey::ConversationId => self.conversation_id = scan.loose_id()?,
                FrameKey::Type => self.what = scan.field()?.some(),
                FrameKey::Status => self.status = scan.field()?.some(),
                FrameKey::Code => self.code = scan.field()?.some(),
                FrameKey::Message => self.message = scan.field()?.some(),
                FrameKey::Error => self.error = ErrorText::read(scan)?,
            }
        }
        scan.end()
    }
}

impl Frame<'_> {
    fn is_error(&self) -> bool {
        let what = self.what.as_deref();
        what.is_some_and(|what| what.eq_ignore_ascii_case("error")) || self.error.is_some()
    }

    fn text(&self) -> String {
        let error = self.error.as_ref().and_then(|ErrorText(text)| text.as_deref());
        line_of_peer(self.message.as_deref().or(error).unwrap_or("no message"))
    }

    fn status(&self) -> Option<u16> {
        self.status.or(self.code).map(|Status(status)| status)
    }
}

impl Metrics {
    /// A machine that subscribes with `payload`.
    #[must_use]
    pub fn new(options: Options, payload: PayloadText) -> Self {
        Self {
            options,
            payload,
            types: FewNames::default(),
            spare: Spare::default(),
            state: State::AwaitingConfirmation,
        }
    }

    fn on_event(&mut self, frame: &mut Frame<'_>, body: Body<'_>, at: Receipt, heard: &mut Vec<Heard>) {
        let metrics = match std::mem::take(&mut frame.metrics) {
            Field::Wrong => {
                heard.push(Heard::Malformed("metrics is not a list".to_owned()));
                return;
            }
            Field::Absent => Values::default(),
            Field::Given(values) if values.has_other_than_objects => {
                heard.push(Heard::Malformed("an entry of metrics is not an object".to_owned()));
                return;
            }
            Field::Given(values) => values,
        };
        let metric_type = frame.metric_type.take().unwrap_or_default();
        if metric_type.len() > TOPIC_BYTES {
            heard.push(Heard::Malformed(LONG_TOPIC.to_owned()));
            return;
        }
        let user_id = frame.user_id.take().or(frame.agent_id.take());
        let entity = frame.queue_id.as_ref().or(user_id.as_ref());
        let entity = entity
            .or(frame.entity_id.as_ref())
            .or(frame.skill_id.as_ref())
            .or(frame.skill_group_id.as_ref())
            .or(frame.wrapup_code.as_ref())
            .or(frame.interaction_id.as_ref())
            .or(frame.conversation_id.as_ref())
            .cloned();
        let (values, mut unreadable) = (metrics.good, metrics.unreadable);
        let time = at.trusted(frame.timestamp.copied(), &mut unreadable);
        let missing = match (time, values.is_empty()) {
            (Some(_), false) => None,
            (Some(_), true) => Some("metrics"),
            (None, false) => Some("timestamp"),
            (None, true) => Some("timestamp and metrics"),
        };
        if let Some(what) = missing {
            let metric_type = (&*metric_type).into();
            let unreadable = unreadable
                .saturating_add(frame.timestamp.unreadable())
                .saturating_add(body.over_limits);
            heard.push(Heard::Incomplete {
                metric_type,
                what,
                unreadable,
            });
            return;
        }
        let topic = self.types.of(&metric_type);
        let named = cut_and_count(&metric_type, WORD_BYTES, &mut unreadable).into();
        let mut event = self
            .options
            .event(Protocol::Metrics, EventKind::Metric, topic, body, at);
        event.conversation_id = frame.conversation_id.take();
        event.queue_id = frame.queue_id.take();
        event.user_id = user_id;
        let facts = MetricFacts {
            metric_type: named,
            entity,
            at: time,
            values,
        };
        event.facts = Facts::Metrics(match self.spare.metrics.take() {
            Some(mut spare) => {
                *spare = facts;
                spare
            }
            None => Box::new(facts),
        });
        event.unreadable += unreadable;
        heard.push(Heard::Event(event));
    }

    /// Reads a frame that is not an event: the confirmation, an error, or one of an unknown kind.
    fn on_answer(&mut self, frame: &Frame<'_>, body: Body<'_>, at: Receipt) -> Heard {
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
                let what = frame.what.as_deref().unwrap_or("");
                if what.len() > TOPIC_BYTES {
                    return Heard::Malformed(LONG_TOPIC.to_owned());
                }
                let topic = what.into();
                Heard::Event(
                    self.options
                        .event(Protocol::Metrics, EventKind::Unknown, topic, body, at),
                )
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
        let mut scan = Scanner::new(text, at);
        let mark = scan.mark();
        let mut frame = Frame::default();
        if let Err(Invalid) = frame.read(&mut scan, self.spare.metrics.as_mut()) {
            heard.push(Heard::Malformed(scan.complaint("the frame")));
            return;
        }
        let body = Body {
            text,
            ..scan.since(mark)
        };
        if frame.metric_type.is_some() {
            self.on_event(&mut frame, body, at, heard);
        } else {
            heard.push(self.on_answer(&frame, body, at));
        }
    }

    fn spare(&mut self) -> Option<&mut Spare> {
        Some(&mut self.spare)
    }
}

#[cfg(test)]
mod tests;
