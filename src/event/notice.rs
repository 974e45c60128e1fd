//! What threads tell the supervisor, and why a connection ended.
//!
//! In: readers, aggregator, outputs, stop handles · Out: the supervisor's inbox · Thread: any (plain data).

use std::fmt;

use crate::{Error, Moment};

/// Target of log records that replace each other on a terminal; elsewhere they are left out.
pub(crate) const PROGRESS: &str = "genesys_stream::progress";

/// Why a subscription was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Status, where one was given.
    pub status: Option<u16>,
    /// The server's text, shortened to a line.
    pub message: String,
}

/// One message in the supervisor's inbox.
#[derive(Debug)]
pub(crate) enum Notice {
    /// Somebody asked to stop.
    Stop,
    /// Somebody asks whether the supervisor runs; the sender is dropped when it does.
    #[cfg(all(unix, feature = "cli"))]
    Asked(crossbeam_channel::Sender<()>),
    /// News of one connection.
    Connection {
        /// Its number.
        connection: u32,
        /// What happened.
        news: ConnectionNews,
    },
    /// An output ended for good (closed stdout): nobody reads us any more.
    OutputClosed(String),
    /// Publishing cannot go on: the engine refuses us, or another process uses our name.
    #[cfg(feature = "engine")]
    EngineRefused(Error),
    /// The service refused the token of now: another is needed.
    TokenRefused,
    /// It is not clear what time it is at the service: an answer is needed, for its date.
    ClockUnsure,
    /// A REST call of the supervisor came to its end.
    Answered {
        /// The call's number.
        call: u64,
    },
    /// The aggregator is gone without having been told to end.
    AggregatorGone(String),
}

/// News of one connection, in the order in which they may come.
#[derive(Debug)]
pub(crate) enum ConnectionNews {
    /// The subscription stands: from then on the stream is covered.
    Confirmed(Moment),
    /// A frame came after that: the connection is alive.
    Alive,
    /// The service will close this socket soon.
    SocketClosing,
    /// The service says that the topics of its channel changed.
    SubscriptionsChanged,
    /// The token of its channel was revoked.
    TokenRevoked,
    /// It ended. Every reader sends this, last and exactly once, also when it panicked.
    Ended {
        /// Why.
        reason: CloseReason,
        /// When its last frame came; `None` if it never carried any.
        last_frame_at: Option<Moment>,
    },
}

/// Why a connection ended: a closed list, so that the policy can be a table.
#[derive(Clone, Debug)]
pub(crate) enum CloseReason {
    /// We ended it.
    Stopped,
    /// Another connection took over, and we ended it.
    Replaced,
    /// Name, TCP, proxy or TLS failed.
    Dial(Error),
    /// The upgrade was answered with this status; how long to wait, where the answer said so.
    Upgrade {
        status: u16,
        retry_after: Option<std::time::Duration>,
    },
    /// No answer to the upgrade in time, or a broken one.
    UpgradeFailed(String),
    /// The subscription was refused.
    Refused(Refusal),
    /// The subscription was not confirmed in time.
    HandshakeLate,
    /// The peer closed with this code; `None` when it gave none.
    Closed { code: Option<u16> },
    /// The transport failed or ended without a close.
    Lost(String),
    /// No frame of any kind for too long.
    Silence,
    /// A ping stayed without an answer.
    PingUnanswered,
    /// A message larger than the limit.
    TooLong,
    /// The peer broke the WebSocket protocol.
    Violation(String),
    /// The peer did not take what we sent in time.
    WriteStalled,
    /// The channel is gone.
    ChannelGone,
    /// Another client took this channel.
    TakenOver(String),
    /// The reader panicked.
    Panicked(String),
}

impl CloseReason {
    /// Whether the server ended the stream as one ends a stream.
    pub(crate) fn is_normal_end(&self) -> bool {
        // 1000 normal, 1001 going away, 1005 a close without a code.
        matches!(
            self,
            Self::Closed {
                code: None | Some(1000 | 1001 | 1005)
            }
        )
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("stopped"),
            Self::Replaced => f.write_str("replaced"),
            Self::Dial(error) => write!(f, "{error}"),
            Self::Upgrade { status, .. } => write!(f, "upgrade answered with {status}"),
            Self::UpgradeFailed(what) => write!(f, "upgrade failed: {what}"),
            Self::Refused(Refusal {
                status: Some(status),
                message,
            }) => {
                write!(f, "subscription refused: {status} {message}")
            }
            Self::Refused(Refusal { status: None, message }) => write!(f, "subscription refused: {message}"),
            Self::HandshakeLate => f.write_str("subscription not confirmed in time"),
            Self::Closed { code: Some(code) } => write!(f, "socket closed ({code})"),
            Self::Closed { code: None } => f.write_str("socket closed (no code)"),
            Self::Lost(what) => write!(f, "socket closed (1006): {what}"),
            Self::Silence => f.write_str("silence"),
            Self::PingUnanswered => f.write_str("ping unanswered"),
            Self::TooLong => f.write_str("message longer than the limit"),
            Self::Violation(what) => write!(f, "WebSocket protocol broken: {what}"),
            Self::WriteStalled => f.write_str("peer stopped reading"),
            Self::ChannelGone => f.write_str("channel gone (expired, evicted, or its token ended)"),
            Self::TakenOver(why) => write!(f, "another client of this OAuth client took the channel ({why})"),
            Self::Panicked(what) => write!(f, "reader panicked: {what}"),
        }
    }
}
