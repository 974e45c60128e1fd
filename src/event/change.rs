//! Everything but events that alters the dashboard.
//!
//! In: supervisor, repair, the engine's clock · Out: one type that the engine applies, the recording holds and a replay
//! applies again · Thread: any (plain data).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::facts::{ConversationFacts, ObservationFacts};
use super::gap::GapTopics;
use super::queue::Queue;
use super::state::StateChange;
use crate::{Id, Moment};

/// The reason of a topic that the service's answer does not name, among those of refused topics.
pub(crate) const NOT_SUBSCRIBED: &str = "not subscribed";

/// One change. Its JSON form is described in `docs/recording.md`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Change {
    /// The stream took on another state.
    State(StateChange),
    /// A token was obtained.
    Token { expires_at: Moment },
    /// How many connections are subscribed, how many were made after the first, and when the first channel ends.
    Connections {
        open: u32,
        reconnects: u64,
        channel_expires_at: Option<Moment>,
    },
    /// The topics of one line that the service accepted, once its socket is open, told when they change. Those that were
    /// never covered before are covered since `since`.
    Covered {
        line: usize,
        topics: Vec<String>,
        since: Moment,
    },
    /// The topics of one line that the service refused, with the missing permissions or else its reason, and those that its
    /// answer does not name, as [`NOT_SUBSCRIBED`]; replaces what was known of that line. Those that are new are uncovered
    /// since `since`.
    Refused {
        line: usize,
        topics: BTreeMap<String, String>,
        since: Moment,
    },
    /// Named queues that the listing does not contain any more; replaces those before.
    Gone(Vec<Id>),
    /// The subscribed queues, with what the listing says of them.
    Queues(Vec<Queue>),
    /// No queue was named: each that appears counts as subscribed.
    AnyQueue {},
    /// The subscribed users, with their names.
    Users(BTreeMap<Id, Option<String>>),
    /// The subscribed queues of which each user is a member; replaces what was known. Told where members are subscribed.
    Members(Vec<Membership>),
    /// A connection is being made: from here on it may deliver what others deliver, too.
    ConnectionOpened { connection: u32 },
    /// A connection ended.
    ConnectionEnded { connection: u32 },
    /// Statistics of queues from REST.
    Observations(Vec<ObservationFacts>),
    /// Conversations from REST.
    Conversations(Vec<ConversationFacts>),
    /// So much of what REST answered cannot be read or believed, or is over a limit.
    Unreadable { count: u32 },
    /// Conversations that are open in the numbers and that REST did not know three times in a row.
    Lost(Vec<Id>),
    /// REST gave everything since `at` of the queues that are subscribed now.
    CoveredFrom { at: Moment },
    /// The topics of a line are uncovered since `from`.
    GapOpened {
        line: usize,
        topics: GapTopics,
        from: Moment,
        cause: String,
    },
    /// The topics of a line are covered again since `to`.
    GapClosed { line: usize, to: Moment },
    /// REST filled these gaps in completely.
    GapsRepaired { ids: Vec<u64> },
    /// Time passes. What the clocks showed, and how many events were dropped since the last tick: they open a gap, which a
    /// tick without drops closes.
    Tick {
        #[serde(flatten)]
        clock: ClockLook,
        dropped: u64,
    },
    /// The run ends: how many events were dropped since the last tick, those that were left in the buffer included.
    Drained { dropped: u64 },
}

/// The queues of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Membership {
    pub(crate) user: Id,
    pub(crate) queues: Vec<Id>,
}

/// Our clock against the service's at a tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClockLook {
    /// How far our clock is ahead of the service's, in milliseconds: negative where ours is behind, 0 where the difference
    /// is under 1 s or not known.
    pub(crate) clock_ahead_ms: i64,
    /// By how much our clock was stepped since the last tick; `clock_ahead_ms` contains it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) stepped_ms: i64,
    /// An answer's date showed that the newest time inside events was too late.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) refuted: bool,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl Change {
    /// Whether it came over REST.
    pub(crate) fn is_from_rest(&self) -> bool {
        matches!(
            self,
            Self::Queues(_)
                | Self::Gone(_)
                | Self::Users(_)
                | Self::Members(_)
                | Self::Observations(_)
                | Self::Conversations(_)
                | Self::Lost(_)
                | Self::Unreadable { .. }
        )
    }

    /// How many events it reports as dropped, and why they were.
    pub(crate) fn drops(&self) -> Option<(u64, &'static str)> {
        match self {
            Self::Tick { dropped, .. } => Some((*dropped, "events dropped: the buffer was full")),
            Self::Drained { dropped } => Some((*dropped, "events dropped: stopped before they were applied")),
            _ => None,
        }
    }
}
