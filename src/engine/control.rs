//! What the supervisor and the repair tell the aggregator.
//!
//! In: whoever has something to tell · Out: messages, in their order · Thread: any.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::Sender;

use super::FromRepair;
use crate::event::facts::ObservationFacts;
use crate::model::snapshot::{GapTopics, Snapshot};
use crate::output::record::StateChange;
use crate::rest::lookup::Queue;
use crate::{Id, Moment};

/// What the supervisor tells the aggregator, in order.
#[derive(Debug)]
pub(crate) enum Control {
    /// The stream took on another state.
    State(StateChange),
    /// A token was obtained.
    TokenExpires(Moment),
    /// What is open now.
    Connections {
        open: u32,
        reconnects: u64,
        channel_expires_at: Option<Moment>,
    },
    /// The topics of one line that the service refused, and why; replaces what was known of that line.
    Refused {
        line: usize,
        topics: BTreeMap<String, String>,
    },
    /// The subscribed queues, with what the listing says of them.
    Queues(Vec<Queue>),
    /// No queue was named: each that appears counts as subscribed.
    AnyQueue,
    /// A connection is being made: from here on it may deliver what others deliver, too.
    ConnectionOpened(u32),
    /// It ended.
    ConnectionEnded(u32),
    /// The subscribed users, with their names.
    UserNames(BTreeMap<Id, Option<String>>),
    /// Facts from REST.
    Observations(Vec<ObservationFacts>),
    /// What the repair found or wants to know.
    Repair(FromRepair),
    /// The topics of a line are uncovered from here on.
    GapOpened {
        line: usize,
        topics: GapTopics,
        from: Moment,
        cause: String,
    },
    /// They are covered again.
    GapClosed { line: usize, to: Moment },
    /// Wants the dashboard of now.
    Snapshot(Sender<Arc<Snapshot>>),
    /// No event comes any more: empty the buffer until then, let the outputs finish until then, and end.
    Finish {
        state: StateChange,
        drain_until: Instant,
        outputs_until: Instant,
    },
}

/// The supervisor's and the program's way to the aggregator.
#[derive(Clone)]
pub(crate) struct ControlSender(Sender<Control>);

impl ControlSender {
    pub(crate) fn new(sender: Sender<Control>) -> Self {
        Self(sender)
    }

    /// Never blocks. After the end of the aggregator nothing is left to tell.
    pub(crate) fn send(&self, control: Control) {
        let _ = self.0.send(control);
    }
}
