//! What the supervisor's state machine is told and what it wants done.
//!
//! In: news, the time, random draws · Out: acts, in the order in which they are to be carried out · Thread: none of its
//! own (pure).

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::End;
use super::choose::{Choice, Users};
use crate::audit::{Entry, entries};
use crate::event::change::Change;
use crate::event::notice::{CloseReason, ConnectionNews};
use crate::event::queue::Queue;
use crate::protocol::topic_plan::{Entity, TopicQueues};
use crate::rest::channels::Channel;
use crate::rest::oauth::Token;
use crate::{Error, Moment, Secret};

/// Number of a REST call. An answer whose number nothing waits for any more is ignored.
pub(super) type CallId = u64;

/// What happened.
#[derive(Debug)]
pub(super) enum News {
    /// News of a connection.
    Connection(u32, ConnectionNews),
    /// A socket could not be opened because of this side: its ticket could not be made, or the system gave no thread.
    NotOpened(u32, Error),
    /// A REST call came to its end.
    Answered(CallId, Result<Answer, Error>),
    /// The service refused the newest token.
    TokenRefused,
    /// The process did not run since then, for so long.
    Frozen { since: Moment, lasted: Duration },
}

/// One thing to do.
#[derive(Debug)]
pub(super) enum Act {
    /// Make a REST call; its answer comes back as [`News::Answered`] under this number.
    Call(CallId, Call),
    /// Open a socket.
    Open(Open),
    /// Let a connection close with 1000 and end.
    Close(u32),
    /// Let a connection close with 1000, deliver what is still on its way, and end.
    Retire(u32),
    /// End a connection at once; no news of it counts any more.
    Cut(u32),
    /// Tell the engine.
    Tell(Change),
    /// Write into the audit file.
    Audit(Entry),
    /// Write into the log.
    Log(Level, String),
    /// Give the repair of gaps this token.
    TokenForRepair(Secret),
    /// Tell the repair of gaps which queues are subscribed.
    QueuesForRepair(TopicQueues),
    /// End the run.
    End(End),
}

/// A socket to open.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) connection: u32,
    /// Its channel's address (`notifications`).
    pub(super) connect_uri: Option<Secret>,
    pub(super) token: Secret,
}

/// How important a line of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Debug,
    Info,
    Warn,
}

/// A REST call, with all it needs.
#[derive(Debug)]
pub(super) enum Call {
    /// Obtain a token.
    Token,
    /// Read the listings that the plan needs.
    Listing {
        token: Secret,
        /// The queues that were chosen before by name or id.
        known: Vec<Queue>,
        /// First prove that the service has data for the payload (`metrics`).
        verify: bool,
        /// Count the channels that exist (`notifications`).
        count_channels: bool,
    },
    /// Create a channel.
    CreateChannel { token: Secret, token_number: u64 },
    /// Replace the list of topics of a channel.
    Subscribe {
        token: Secret,
        channel: Secret,
        topics: Arc<[String]>,
    },
    /// Replace the list by the same one, which may move the channel's end, and ask for that end.
    RenewChannel {
        token: Secret,
        channel: Secret,
        topics: Arc<[String]>,
    },
    /// Read back which topics a channel has.
    ReadBack { token: Secret, channel: Secret },
    /// Remove all topics of a channel.
    LeaveChannel { token: Secret, channel: Secret },
}

/// The answer to a [`Call`].
#[derive(Debug)]
pub(super) enum Answer {
    Token(Token),
    Listing(Box<Listing>),
    Channel {
        channel: Channel,
        /// Number of the token that it was created with.
        token_number: u64,
    },
    Subscribed(Vec<Entity>),
    /// With the channel's end, where the service tells one.
    Renewed(Vec<Entity>, Option<Moment>),
    /// The topics that a channel has.
    ReadBack(Vec<Entity>),
    /// Whether the channel still exists.
    Left(bool),
}

/// What the service lists.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) choice: Choice,
    pub(super) users: Users,
    /// Channels of this OAuth client that exist; `None` where they were not counted.
    pub(super) channels: Option<Result<usize, Error>>,
}

/// Numbers that are given once.
#[derive(Debug)]
pub(super) struct Numbers {
    call: CallId,
    connection: u32,
}

impl Default for Numbers {
    fn default() -> Self {
        // Connections of a run are counted from 1.
        Self { call: 1, connection: 1 }
    }
}

impl Numbers {
    pub(super) fn connection(&mut self) -> u32 {
        let number = self.connection;
        self.connection += 1;
        number
    }

    fn call(&mut self) -> CallId {
        let number = self.call;
        self.call += 1;
        number
    }
}

/// The time and the chance of one turn of the state machine, and the acts that it collects.
pub(super) struct Turn<'a> {
    pub(super) now: Instant,
    /// The same by the clock of the calendar.
    pub(super) at: Moment,
    /// Draws evenly from `0.0..1.0`.
    pub(super) draw: &'a mut dyn FnMut() -> f64,
    pub(super) numbers: &'a mut Numbers,
    pub(super) acts: &'a mut Vec<Act>,
}

impl Turn<'_> {
    pub(super) fn act(&mut self, act: Act) {
        self.acts.push(act);
    }

    /// Begins a call; returns its number.
    pub(super) fn call(&mut self, call: Call) -> CallId {
        let id = self.numbers.call();
        self.act(Act::Call(id, call));
        id
    }

    pub(super) fn tell(&mut self, change: Change) {
        self.act(Act::Tell(change));
    }

    pub(super) fn end(&mut self, end: End) {
        self.act(Act::End(end));
    }

    pub(super) fn debug(&mut self, text: impl Into<String>) {
        self.act(Act::Log(Level::Debug, text.into()));
    }

    pub(super) fn info(&mut self, text: impl Into<String>) {
        self.act(Act::Log(Level::Info, text.into()));
    }

    pub(super) fn warn(&mut self, text: impl Into<String>) {
        self.act(Act::Log(Level::Warn, text.into()));
    }

    pub(super) fn audit_error(&mut self, error: &dyn std::fmt::Display) {
        self.act(Act::Audit(entries::error(error, self.at)));
    }

    pub(super) fn audit_connection(&mut self, number: u32, state: &'static str, reason: Option<&CloseReason>) {
        self.act(Act::Audit(entries::connection(number, state, reason, self.at)));
    }

    /// A pause that a draw of this turn shortens.
    pub(super) fn pause(&mut self, backoff: &crate::net::backoff::Backoff, asked: Option<Duration>) -> Duration {
        backoff.pause((self.draw)(), asked)
    }
}
