//! The three protocols as pure machines: frames in, events and verdicts out.
//!
//! In: text frames, the time they came · Out: `Heard` · Thread: none of its own (a reader owns a machine).

mod depth;
pub mod events;
pub(crate) mod json;
pub mod metrics;
pub mod notifications;
pub(crate) mod opening;
mod time_scan;
pub(crate) mod topic_plan;
pub mod verification;
mod words;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use crate::Moment;
use crate::config::Protocol;
use crate::event::facts::Facts;
use crate::event::{Event, EventKind};

pub use crate::event::notice::Refusal;
pub use events::Events;
pub use metrics::Metrics;
pub use notifications::Notifications;

/// What a machine makes of a frame. One frame gives any number of these, in order.
#[derive(Debug)]
pub enum Heard {
    /// A fact about the contact centre.
    Event(Box<Event>),
    /// The subscription stands: from here on the stream is covered.
    Confirmed,
    /// The other side refused the subscription for good or for now.
    Refused(Refusal),
    /// The machine wants this sent (for instance the subscription once more, without its filter), and why.
    Send {
        /// The text frame.
        text: String,
        /// For the log.
        why: &'static str,
    },
    /// A sign of life without content: a heartbeat.
    Alive,
    /// The answer to our text ping.
    Pong,
    /// The service closes this socket soon.
    SocketClosing,
    /// The token of this channel was revoked.
    TokenRevoked,
    /// Somebody else took the channel's subscriptions; the reason as sent.
    NoLongerSubscribed(String),
    /// The channel is gone (a `404` result frame).
    ChannelGone,
    /// The service reported an error that ends nothing.
    ServerError(String),
    /// A frame that is no JSON, or not of a shape this protocol knows; what was wrong, without its content.
    Malformed(String),
    /// An event that misses its timestamp or its metrics (`metrics` protocol): counted and audited beside its event.
    Incomplete {
        /// Its metric type, as the peer wrote it.
        metric_type: Box<str>,
        /// What is missing.
        what: &'static str,
    },
}

/// How a connection of this protocol is asked for a sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ping {
    /// This text frame.
    Text(&'static str),
    /// A WebSocket ping.
    Control,
}

/// A protocol without I/O. The reader feeds it and does what it says.
pub trait Machine: Send {
    /// Text frames to send right after the upgrade.
    fn on_open(&mut self) -> Vec<String>;

    /// How long after the upgrade the subscription must be confirmed; `None` where it was confirmed before.
    fn handshake_limit(&self) -> Option<Duration>;

    /// How to ask for a sign of life.
    fn ping(&self) -> Ping;

    /// A whole text frame, received at `now`. Appends to `heard`; never panics, whatever the text.
    fn on_text(&mut self, text: &str, now: Moment, heard: &mut Vec<Heard>);
}

/// Whether events carry their bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepBody {
    /// For records and webhooks that show the body.
    Verbatim,
    /// Nobody looks at bodies: memory and time are saved.
    Drop,
}

/// What every machine is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Number of the connection, for [`Event::connection`].
    pub connection: u32,
    /// Whether events carry their bodies.
    pub bodies: KeepBody,
    /// Makes the fingerprints. All machines of a run share one (by `clone`), so that what two connections both deliver
    /// has one fingerprint; a fresh one each run, so that a peer cannot prepare collisions.
    pub hasher: RandomState,
}

impl Options {
    /// For the connection of this number, with bodies and a hasher of its own.
    #[cfg(any(test, feature = "cli", feature = "internals"))]
    #[must_use]
    pub fn new(connection: u32) -> Self {
        Self {
            connection,
            bodies: KeepBody::Verbatim,
            hasher: RandomState::new(),
        }
    }

    /// An event that names nothing yet.
    fn event(&self, protocol: Protocol, kind: EventKind, topic: Arc<str>, body: &str, now: Moment) -> Event {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(topic.as_bytes());
        // No UTF-8 text holds this byte: it parts topic and body.
        hasher.write_u8(0xff);
        hasher.write(body.as_bytes());
        Event {
            received_at: now,
            connection: self.connection,
            protocol,
            kind,
            topic,
            conversation_id: None,
            queue_id: None,
            user_id: None,
            event_time: time_scan::newest_until(body, now),
            body: match self.bodies {
                KeepBody::Verbatim => Some(body.into()),
                KeepBody::Drop => None,
            },
            fingerprint: hasher.finish(),
            facts: Facts::None,
        }
    }
}

/// The body of an event that has none: bodies are always JSON.
const NO_BODY: &str = "null";

/// A peer's text as one line of bounded length.
fn one_line(text: &str) -> String {
    const LONGEST: usize = 300;
    let mut line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST)
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        line.push('…');
    }
    line
}
