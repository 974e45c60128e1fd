//! The three protocols as state machines without I/O: they turn frames into events and control messages.
//!
//! In: text frames and their time of receipt · Out: `Heard` · Thread: that of the reader, which owns a machine.

mod depth;
pub mod events;
pub(crate) mod json;
pub mod metrics;
pub mod notifications;
pub(crate) mod opening;
mod scan;
pub(crate) mod time_scan;
pub(crate) mod topic_plan;
pub mod verification;
mod words;

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use crate::base::hash::Seeded;
use crate::base::receipt::Receipt;
use crate::config::Protocol;
use crate::event::facts::Facts;
use crate::event::spare::Spare;
use crate::event::{Event, EventKind};
use scan::Body;

pub use crate::event::notice::Refusal;
pub use events::Events;
pub use metrics::Metrics;
pub use notifications::Notifications;

/// What a machine read in a frame. One frame gives any number of these, in order.
#[derive(Debug)]
pub enum Heard {
    /// An event of the contact centre.
    Event(Event),
    /// The subscription is confirmed: from now on the stream is complete.
    Confirmed,
    /// The peer refused the subscription, permanently or for the moment.
    Refused(Refusal),
    /// The reader must send this (for instance the subscription again, without its filter).
    Send {
        /// The text frame.
        text: String,
        /// The reason, for the log.
        why: &'static str,
    },
    /// A frame that only shows that the peer is alive, such as a heartbeat.
    Alive,
    /// The answer to our text ping.
    Pong,
    /// The service is about to close this socket.
    SocketClosing,
    /// The topics of this channel changed.
    SubscriptionsChanged,
    /// The token of this channel was revoked.
    TokenRevoked,
    /// Another client took the channel's subscriptions; the reason as sent.
    NoLongerSubscribed(String),
    /// The channel no longer exists (a frame with `"result": 404`).
    ChannelGone,
    /// The service reported an error; the connection goes on.
    ServerError(String),
    /// A frame that is not JSON, or not of a shape that this protocol has: what is wrong, without quoting it.
    Malformed(String),
    /// An event without a timestamp or without metrics (`metrics` protocol): it changes no value, and is counted as malformed
    /// and audited.
    Incomplete {
        /// The event's metric type as sent.
        metric_type: Box<str>,
        /// What is missing.
        what: &'static str,
        /// Times and texts of it that cannot be read or believed, or are over a limit.
        unreadable: u32,
    },
}

/// How a protocol pings its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ping {
    /// With this text frame.
    Text(&'static str),
    /// With a WebSocket ping.
    Control,
}

/// The state machine of one connection. The reader passes each frame to it and acts on what it returns.
pub trait Machine: Send {
    /// Text frames to send right after the upgrade.
    fn on_open(&mut self) -> Vec<String>;

    /// The time limit for the confirmation of the subscription, from the upgrade on; `None` if the subscription was
    /// confirmed before the connection was opened.
    fn handshake_limit(&self) -> Option<Duration>;

    /// How to ping the peer.
    fn ping(&self) -> Ping;

    /// Reads a whole text frame, and appends to `heard`. Never panics, whatever the text.
    fn on_text(&mut self, text: &str, at: Receipt, heard: &mut Vec<Heard>);

    /// Where facts that nobody needs any more may be put, if the machine can use their memory.
    fn spare(&mut self) -> Option<&mut Spare> {
        None
    }
}

/// Whether events carry their bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepBody {
    /// They do: an output or a webhook writes bodies.
    Verbatim,
    /// They do not: no output needs bodies, which saves memory and time.
    Drop,
}

/// Settings of every machine.
#[derive(Clone, Debug)]
pub struct Options {
    /// Number of the connection, for [`Event::connection`].
    pub connection: u32,
    /// Whether events carry their bodies.
    pub bodies: KeepBody,
    /// Makes the fingerprints. All machines of a run have clones of the same hasher, so that an event delivered by two
    /// connections has the same fingerprint. Each run has a new one, so that a peer cannot prepare collisions.
    pub hasher: Seeded,
}

impl Options {
    /// Settings for the connection of this number, which keeps bodies and has a new hasher.
    #[cfg(any(test, feature = "cli", feature = "internals"))]
    #[must_use]
    pub fn new(connection: u32) -> Self {
        Self {
            connection,
            bodies: KeepBody::Verbatim,
            hasher: Seeded::random(),
        }
    }

    /// An event without ids and facts.
    fn event(&self, protocol: Protocol, kind: EventKind, topic: Arc<str>, body: Body<'_>, at: Receipt) -> Event {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(topic.as_bytes());
        // Separates topic and body: this byte never occurs in UTF-8.
        hasher.write_u8(0xff);
        hasher.write(body.text.as_bytes());
        let newest = body.times.by_service;
        Event {
            received_at: at.ours,
            service_time: at.service,
            travel_ms: newest.map(|newest| u64::try_from(at.service.millis_since(newest)).unwrap_or(0)),
            connection: self.connection,
            protocol,
            kind,
            topic,
            conversation_id: None,
            queue_id: None,
            user_id: None,
            event_time: body.times.by_ours,
            body: match self.bodies {
                KeepBody::Verbatim => Some(body.text.into()),
                KeepBody::Drop => None,
            },
            fingerprint: hasher.finish(),
            unreadable: body.over_limits,
            facts: Facts::None,
        }
    }
}

/// Names of which a stream has few, such as its types of events: each takes memory once.
#[derive(Debug, Default)]
struct FewNames(Vec<Arc<str>>);

impl FewNames {
    const AT_MOST: usize = 16;

    fn of(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.iter().find(|known| ***known == *text) {
            return Arc::clone(known);
        }
        let name: Arc<str> = text.into();
        if self.0.len() < Self::AT_MOST {
            self.0.push(Arc::clone(&name));
        }
        name
    }
}

/// What is wrong with an event whose topic is over its limit; its type, in the protocols that have no topics.
const LONG_TOPIC: &str = "a topic or type of more than 256 bytes";
