//! The three protocols as pure machines: frames in, events and verdicts out.
//!
//! In: text frames, the time they came · Out: `Heard` · Thread: none of its own (a reader owns a machine).

use std::time::Duration;

use crate::Moment;
use crate::event::Event;

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
    /// A sign of life without content: heartbeat, JSON pong.
    Alive,
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
    Incomplete(&'static str),
}

/// Why a subscription was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Status, where one was given.
    pub status: Option<u16>,
    /// The server's text, shortened to a line.
    pub message: String,
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
