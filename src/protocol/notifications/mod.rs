//! The protocol `notifications`, Genesys' documented Notification Service: topics in envelopes, heartbeats, system topics.
//!
//! In: text frames · Out: `Heard` · Thread: that of the reader, which owns the machine.

mod conversation;
mod envelope;
mod observations;
mod topic;
mod users;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::depth::check_depth;
use super::json::{Field, Status, read_object};
use super::{Heard, Machine, NO_BODY, Options, Ping, one_line};
use crate::config::Protocol;
use crate::event::facts::{ConversationFacts, Facts};
use crate::event::{Event, EventKind};
use crate::{Id, Moment, Secret};
use envelope::Beginning;
use topic::{Shape, System, Topic, Topics};

/// The JSON ping that the service answers with a `pong` (Genesys' own SDKs send it).
const PING: &str = r#"{"message":"ping"}"#;

/// Replaces the channel id in every text that could be shown.
const CHANNEL: &str = "<channel>";

/// The machine of the `notifications` protocol.
///
/// The channel was subscribed through REST before, so the machine sends nothing on opening and waits for no confirmation.
/// Anybody who knows the channel id can connect to the channel; the id occurs in system topics and must never be shown.
pub struct Notifications {
    options: Options,
    channel: Secret,
    topics: Topics,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(borrow)]
    topic_name: Field<Cow<'a, str>>,
    #[serde(borrow)]
    event_body: Option<&'a RawValue>,
    result: Field<Status>,
    #[serde(borrow)]
    message: Field<Cow<'a, str>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SystemMessage {
    reason: Field<Box<str>>,
    message: Field<Box<str>>,
}

impl fmt::Debug for Notifications {
    /// Without the topics: system topics hold the channel id.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifications")
            .field("options", &self.options)
            .field("channel", &self.channel)
            .finish_non_exhaustive()
    }
}

impl Notifications {
    /// `channel` is the channel's id (empty if it is not known).
    #[must_use]
    pub fn new(options: Options, channel: Secret) -> Self {
        Self {
            options,
            channel,
            topics: Topics::default(),
        }
    }

    /// A peer's text without the channel id, as one line.
    fn safe_line(&self, text: &str) -> String {
        one_line(&self.without_channel(text))
    }

    fn without_channel<'a>(&self, text: &'a str) -> Cow<'a, str> {
        // Real ids are longer; replacing a shorter text would garble messages.
        const SHORTEST: usize = 8;
        let id = self.channel.reveal();
        if id.len() >= SHORTEST && text.contains(id) {
            Cow::Owned(text.replace(id, CHANNEL))
        } else {
            Cow::Borrowed(text)
        }
    }

    /// Reads a frame without a topic: an answer to something that was sent, or a frame of an unknown kind.
    fn without_topic(&self, text: &str, envelope: &Envelope<'_>, now: Moment) -> Heard {
        let message = envelope.message.as_some().map(|m| &**m);
        match (envelope.result.copied(), message) {
            (Some(Status(200..=299)), _) => Heard::Alive,
            (Some(Status(404)), _) => Heard::ChannelGone,
            (Some(Status(status)), message) => {
                let message = message.unwrap_or("no message");
                Heard::ServerError(format!("{status} {}", self.safe_line(message)))
            }
            (None, Some("pong")) => Heard::Pong,
            (None, _) => {
                let body = self.without_channel(text);
                let event = self
                    .options
                    .event(Protocol::Notifications, EventKind::Unknown, "".into(), &body, now);
                Heard::Event(Box::new(event))
            }
        }
    }

    /// The fast path for the most frequent frames: a conversation in an envelope of the usual layout, whose body is parsed
    /// once. Returns the same as [`Self::any_frame`], or `None`.
    fn usual_conversation(&mut self, text: &str, now: Moment) -> Option<Heard> {
        let Beginning { topic_name, from_body } = envelope::beginning(text)?;
        let topic = self.topics.find(topic_name);
        let layout = topic.shape.layout()?;
        let (read, length) = conversation::read_prefix(from_body, layout, trusted_until(now))?;
        let (body, after_body) = from_body.split_at_checked(length)?;
        if let Some(remainder) = envelope::remainder(after_body) {
            let rest: Envelope<'_> = read_object("the frame", &remainder).ok()?;
            if rest.topic_name != Field::Absent || rest.event_body.is_some() {
                return None;
            }
        }
        let options = &self.options;
        let read = read.map(|read| {
            let facts = Facts::Conversation(Box::new(read.facts));
            finished(blank(options, topic, body, now), facts, topic)
        });
        Some(verdict(topic, read))
    }

    /// Reads a frame of any layout.
    fn any_frame(&mut self, text: &str, now: Moment) -> Heard {
        let envelope: Envelope<'_> = match read_object("the frame", text) {
            Ok(envelope) => envelope,
            Err(wrong) => return Heard::Malformed(wrong),
        };
        let Field::Given(name) = &envelope.topic_name else {
            return self.without_topic(text, &envelope, now);
        };
        let body = envelope.event_body.map_or(NO_BODY, RawValue::get);
        let topic = self.topics.find(name).clone();
        match topic.shape {
            Shape::System(system) => self.system(system, body),
            Shape::Opaque => {
                let body = self.without_channel(body);
                let shown = Topic {
                    name: self.without_channel(&topic.name).into(),
                    ..topic
                };
                Heard::Event(Box::new(blank(&self.options, &shown, &body, now)))
            }
            _ => verdict(&topic, decode(&self.options, &topic, body, now)),
        }
    }

    fn system(&self, system: System, body: &str) -> Heard {
        match system {
            System::Alive if is_pong(body) => Heard::Pong,
            System::Alive => Heard::Alive,
            System::SocketClosing => Heard::SocketClosing,
            System::TokenRevoked => Heard::TokenRevoked,
            System::NoLongerSubscribed => {
                let said = read_object::<SystemMessage>("eventBody", body).unwrap_or_default();
                let reason = said.reason.some().or(said.message.some());
                Heard::NoLongerSubscribed(reason.map_or_else(|| "no reason given".to_owned(), |r| self.safe_line(&r)))
            }
        }
    }
}

impl Machine for Notifications {
    fn on_open(&mut self) -> Vec<String> {
        Vec::new()
    }

    fn handshake_limit(&self) -> Option<Duration> {
        None
    }

    fn ping(&self) -> Ping {
        Ping::Text(PING)
    }

    fn on_text(&mut self, text: &str, now: Moment, heard: &mut Vec<Heard>) {
        heard.push(match check_depth(text) {
            Err(wrong) => Heard::Malformed(wrong),
            Ok(()) => match self.usual_conversation(text, now) {
                Some(verdict) => verdict,
                None => self.any_frame(text, now),
            },
        });
    }
}

fn verdict(topic: &Topic, read: Result<Event, String>) -> Heard {
    match read {
        Ok(event) => Heard::Event(Box::new(event)),
        Err(wrong) => Heard::Malformed(format!("{}: {wrong}", topic.kind.as_str())),
    }
}

/// An event with the ids in the topic's name, without facts.
fn blank(options: &Options, topic: &Topic, body: &str, now: Moment) -> Event {
    Event {
        conversation_id: topic.conversation.clone(),
        queue_id: topic.queue.clone(),
        user_id: topic.user.clone(),
        ..options.event(Protocol::Notifications, topic.kind, topic.name.clone(), body, now)
    }
}

fn decode(options: &Options, topic: &Topic, body: &str, now: Moment) -> Result<Event, String> {
    let user = || topic.user.as_ref().ok_or("a topic without a user");
    // The facts first: an event whose body cannot be read need not be hashed and copied.
    let facts = match topic.shape {
        Shape::Conversation(layout) => {
            Facts::Conversation(Box::new(conversation::read(body, layout, trusted_until(now))?.facts))
        }
        Shape::Observations => Facts::Observations(Box::new(observations::read(body, topic.queue.as_ref())?)),
        Shape::Presence => Facts::User(Box::new(users::read_presence(body, user()?)?)),
        Shape::RoutingStatus | Shape::UserActivity => Facts::User(Box::new(users::read_activity(body, user()?)?)),
        Shape::DetailEvent => {
            let detail = users::Detail::read(body)?;
            let mut event = blank(options, topic, body, now);
            event.event_time = event.event_time.max(detail.newest_until(now));
            event.conversation_id = event.conversation_id.or(detail.conversation_id.some());
            event.queue_id = event.queue_id.or(detail.queue_id.some());
            event.user_id = event.user_id.or(detail.user_id.some());
            return Ok(event);
        }
        Shape::Opaque | Shape::System(_) => Facts::None,
    };
    Ok(finished(blank(options, topic, body, now), facts, topic))
}

/// Times inside an event are trusted up to this one.
fn trusted_until(now: Moment) -> Moment {
    now.plus(Duration::from_secs(600))
}

/// The event with its facts and the ids in them.
fn finished(mut event: Event, facts: Facts, topic: &Topic) -> Event {
    match &facts {
        Facts::Conversation(conversation) => {
            event.conversation_id = Some(conversation.id.clone());
            if event.queue_id.is_none() {
                event.queue_id = queue_of(conversation, topic.user.as_ref());
            }
        }
        Facts::Observations(observations) if event.queue_id.is_none() => {
            event.queue_id = Some(observations.queue.clone());
        }
        _ => {}
    }
    event.facts = facts;
    event
}

/// The queue of a user's conversation: that of the user's last participant, else of the first participant with a queue.
fn queue_of(conversation: &ConversationFacts, user: Option<&Id>) -> Option<Id> {
    let participants = &conversation.participants;
    let own = participants
        .iter()
        .rev()
        .filter(|p| p.user.as_ref().map(|u| &u.value) == user)
        .find_map(|p| p.queue.as_ref());
    own.or_else(|| participants.iter().find_map(|p| p.queue.as_ref()))
        .map(|queue| queue.value.clone())
}

/// Whether the body of a `channel.metadata` frame answers our ping; any other is a heartbeat.
fn is_pong(body: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Metadata<'a> {
        #[serde(borrow)]
        message: Cow<'a, str>,
    }
    serde_json::from_str::<Metadata<'_>>(body).is_ok_and(|metadata| metadata.message == "pong")
}
