//! The protocol `notifications`, Genesys' documented Notification Service: topics in envelopes, heartbeats, system topics.
//!
//! In: text frames · Out: `Heard` · Thread: that of the reader, which owns the machine.

mod conversation;
mod observations;
mod topic;
mod users;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use super::json::{Field, Status};
use super::scan::{Body, Invalid, Scanner, Times, keys};
use super::{Heard, LONG_TOPIC, Machine, Options, Ping};
use crate::Id;
use crate::base::limits::TOPIC_BYTES;
use crate::base::receipt::Receipt;
use crate::base::scrub::line_of_peer;
use crate::config::Protocol;
use crate::event::facts::{Facts, UserFacts};
use crate::event::spare::Spare;
use crate::event::update::ConversationUpdate;
use crate::event::{Event, EventKind};
use topic::{Shape, System, Topic, Topics};

/// The JSON ping that the service answers with a `pong` (Genesys' own SDKs send it).
const PING: &str = r#"{"message":"ping"}"#;

/// The machine of the `notifications` protocol.
///
/// The channel was subscribed through REST before, so the machine sends nothing on opening and waits for no confirmation.
pub struct Notifications {
    options: Options,
    topics: Topics,
    /// Used again from conversation to conversation.
    memory: conversation::Memory,
}

keys! { EnvelopeKey { TopicName = "topicName", EventBody = "eventBody", Result = "result", Message = "message" } }
keys! { SystemKey { About = "systemTopicType", Reason = "reason", Message = "message" } }
keys! { MetadataKey { Message = "message" } }

#[derive(Default)]
struct Envelope<'a> {
    topic_name: Field<Cow<'a, str>>,
    result: Option<Status>,
    message: Option<Cow<'a, str>>,
}

#[derive(Default)]
struct SystemMessage {
    about: Option<Box<str>>,
    reason: Option<Box<str>>,
    message: Option<Box<str>>,
}

impl SystemMessage {
    fn read(body: &str, at: Receipt) -> Result<Self, Invalid> {
        let mut said = Self::default();
        let mut scan = Scanner::new(body, at);
        let mut object = scan.object()?;
        while let Some(key) = scan.next_key(&mut object)? {
            match key {
                SystemKey::About => said.about = scan.field()?.some(),
                SystemKey::Reason => said.reason = scan.field()?.some(),
                SystemKey::Message => said.message = scan.field()?.some(),
            }
        }
        Ok(said)
    }
}

impl fmt::Debug for Notifications {
    /// Without the topics: system topics hold the channel id.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifications")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Notifications {
    /// A machine of which nothing was heard yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            topics: Topics::new(options.hasher.clone()),
            options,
            memory: conversation::Memory::default(),
        }
    }

    /// Reads a frame in one walk.
    fn frame(&mut self, scan: &mut Scanner<'_>, text: &str, at: Receipt) -> Result<Heard, Invalid> {
        let mut envelope = Envelope::default();
        let mut topic = None;
        let mut has_long_topic = false;
        let mut body = Body::NONE;
        let mut read = None;
        let mut object = scan.object()?;
        while let Some(key) = scan.next_key(&mut object)? {
            match key {
                EnvelopeKey::TopicName => {
                    envelope.topic_name = scan.text()?;
                    let name = envelope.topic_name.as_some();
                    has_long_topic = name.is_some_and(|name| name.len() > TOPIC_BYTES);
                    topic = name.filter(|_| !has_long_topic).map(|name| self.topics.find(name));
                }
                EnvelopeKey::Result => envelope.result = scan.field()?.some(),
                EnvelopeKey::Message => envelope.message = scan.field()?.some(),
                EnvelopeKey::EventBody => match &topic {
                    Some(topic) if topic.shape.has_facts() => read = Some(self.event(scan, topic, at)?),
                    // A body that comes before its topic is read afterwards.
                    _ => {
                        let mark = scan.mark();
                        scan.skip()?;
                        body = scan.since(mark);
                    }
                },
            }
        }
        scan.end()?;
        if has_long_topic {
            return Ok(Heard::Malformed(LONG_TOPIC.to_owned()));
        }
        let Some(topic) = topic else {
            return Ok(self.without_topic(text, &envelope, at));
        };
        Ok(match topic.shape {
            Shape::System(system) => self.system(system, body.text, at),
            Shape::Opaque => Heard::Event(blank(&self.options, &topic, body, at)),
            _ => match read {
                Some(read) => read,
                None => self.event(&mut Scanner::new(body.text, at), &topic, at)?,
            },
        })
    }

    /// Reads the body of a topic with facts, at the scanner's place. Fails where it is not JSON.
    fn event(&mut self, scan: &mut Scanner<'_>, topic: &Topic, at: Receipt) -> Result<Heard, Invalid> {
        let mark = scan.mark();
        let read = match self.content(scan, topic, at) {
            Ok(read) => read,
            Err(Invalid) => Err(scan.complaint_since("eventBody", mark)?),
        };
        Ok(match read {
            Ok(content) => {
                let event = blank(&self.options, topic, scan.since(mark), at);
                Heard::Event(content.added_to(event, topic, at))
            }
            Err(wrong) => Heard::Malformed(format!("{}: {wrong}", topic.kind.as_str())),
        })
    }

    /// What the body at the scanner's place says, or why it cannot be used.
    fn content(
        &mut self,
        scan: &mut Scanner<'_>,
        topic: &Topic,
        at: Receipt,
    ) -> Result<Result<Content, String>, Invalid> {
        let user = |scan: &mut Scanner<'_>, read: ReadUser| {
            let Some(user) = &topic.user else {
                scan.skip()?;
                return Ok(Err("a topic without a user".to_owned()));
            };
            let (mut facts, mut unreadable) = read(scan, user)?;
            for (_, time) in [&mut facts.presence, &mut facts.routing_status].into_iter().flatten() {
                *time = at.trusted(*time, &mut unreadable);
            }
            Ok(Ok(Content::Facts(Facts::User(Box::new(facts)), unreadable)))
        };
        match topic.shape {
            Shape::Conversation(layout) => {
                let read = conversation::read(scan, &mut self.memory, layout, at.trusted_until)?;
                Ok(read.map(|read| Content::Facts(Facts::ConversationUpdate(read.update), read.unreadable)))
            }
            Shape::Observations => {
                let read = observations::read(scan, topic.queue.as_ref(), &mut self.memory.spare.statistics)?;
                Ok(read.map(|(facts, unreadable)| Content::Facts(Facts::Observations(facts), unreadable)))
            }
            Shape::Presence => user(scan, users::read_presence),
            Shape::RoutingStatus | Shape::UserActivity => user(scan, users::read_activity),
            Shape::DetailEvent => Ok(Ok(Content::Detail(users::Detail::read(scan)?))),
            Shape::Opaque | Shape::System(_) => {
                scan.skip()?;
                Ok(Ok(Content::Facts(Facts::None, 0)))
            }
        }
    }

    /// Reads a frame without a topic: an answer to something that was sent, or a frame of an unknown kind.
    fn without_topic(&self, text: &str, envelope: &Envelope<'_>, at: Receipt) -> Heard {
        match (envelope.result, envelope.message.as_deref()) {
            (Some(Status(200..=299)), _) => Heard::Alive,
            (Some(Status(404)), _) => Heard::ChannelGone,
            (Some(Status(status)), message) => {
                let message = message.unwrap_or("no message");
                Heard::ServerError(format!("{status} {}", line_of_peer(message)))
            }
            (None, Some("pong")) => Heard::Pong,
            (None, _) => {
                let body = Body {
                    text,
                    times: Times::of(text, at),
                    over_limits: 0,
                };
                let event = self
                    .options
                    .event(Protocol::Notifications, EventKind::Unknown, "".into(), body, at);
                Heard::Event(event)
            }
        }
    }

    fn system(&self, system: System, body: &str, at: Receipt) -> Heard {
        match system {
            System::Alive if is_pong(body, at) => Heard::Pong,
            System::Alive => Heard::Alive,
            System::SocketClosing => Heard::SocketClosing,
            System::SubscriptionsChanged => Heard::SubscriptionsChanged,
            System::Other => {
                let said = SystemMessage::read(body, at).unwrap_or_default();
                match said.about.as_deref() {
                    Some("subscription_changed") => Heard::SubscriptionsChanged,
                    _ => Heard::Alive,
                }
            }
            System::TokenRevoked => Heard::TokenRevoked,
            System::NoLongerSubscribed => {
                let said = SystemMessage::read(body, at).unwrap_or_default();
                let reason = said.reason.or(said.message);
                Heard::NoLongerSubscribed(reason.map_or_else(|| "no reason given".to_owned(), |r| line_of_peer(&r)))
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

    fn on_text(&mut self, text: &str, at: Receipt, heard: &mut Vec<Heard>) {
        let mut scan = Scanner::new(text, at);
        heard.push(match self.frame(&mut scan, text, at) {
            Ok(verdict) => verdict,
            Err(Invalid) => Heard::Malformed(scan.complaint("the frame")),
        });
    }

    fn spare(&mut self) -> Option<&mut Spare> {
        Some(&mut self.memory.spare)
    }
}

/// An event with the ids in the topic's name, without facts.
fn blank(options: &Options, topic: &Topic, body: Body<'_>, at: Receipt) -> Event {
    Event {
        conversation_id: topic.conversation.clone(),
        queue_id: topic.queue.clone(),
        user_id: topic.user.clone(),
        ..options.event(Protocol::Notifications, topic.kind, topic.name.clone(), body, at)
    }
}

/// Reads the facts of a user's topic, and counts what cannot be read.
type ReadUser = fn(&mut Scanner<'_>, &Id) -> Result<(UserFacts, u32), Invalid>;

/// What a body says.
enum Content {
    /// Facts, and how much cannot be read.
    Facts(Facts, u32),
    Detail(users::Detail),
}

impl Content {
    fn added_to(self, event: Event, topic: &Topic, at: Receipt) -> Event {
        match self {
            Self::Facts(facts, unreadable) => {
                let mut event = finished(event, facts, topic);
                event.unreadable += unreadable;
                event
            }
            Self::Detail(detail) => {
                let travel_ms = detail
                    .newest_until(at.service)
                    .map(|newest| at.service.millis_since(newest).unsigned_abs());
                Event {
                    event_time: event.event_time.max(detail.newest_until(at.ours)),
                    travel_ms: travel_ms.into_iter().chain(event.travel_ms).min(),
                    unreadable: event.unreadable + detail.unreadable(at.trusted_until),
                    conversation_id: event.conversation_id.or(detail.conversation_id),
                    queue_id: event.queue_id.or(detail.queue_id),
                    user_id: event.user_id.or(detail.user_id),
                    ..event
                }
            }
        }
    }
}

/// The event with its facts and the ids in them.
fn finished(mut event: Event, facts: Facts, topic: &Topic) -> Event {
    match &facts {
        Facts::ConversationUpdate(conversation) => {
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
fn queue_of(conversation: &ConversationUpdate, user: Option<&Id>) -> Option<Id> {
    let participants = &conversation.participants;
    let own = participants
        .iter()
        .rev()
        .filter(|p| p.user.as_ref() == user)
        .find_map(|p| p.queue.as_ref());
    own.or_else(|| participants.iter().find_map(|p| p.queue.as_ref()))
        .cloned()
}

/// Whether the body of a `channel.metadata` frame answers our ping; any other is a heartbeat.
fn is_pong(body: &str, at: Receipt) -> bool {
    let message = || -> Result<Field<Cow<'_, str>>, Invalid> {
        let mut message = Field::Absent;
        let mut scan = Scanner::new(body, at);
        let mut object = scan.object()?;
        while let Some(MetadataKey::Message) = scan.next_key(&mut object)? {
            message = scan.field()?;
        }
        Ok(message)
    };
    message().is_ok_and(|message| message.as_some().is_some_and(|message| message == "pong"))
}
