//! What supervisor, repair and program tell and ask the engine.
//!
//! In: whoever has something to tell or to ask · Out: messages, in their order · Thread: any.

use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::Sender;

use crate::event::change::Change;
use crate::event::facts::ConversationFacts;
use crate::event::state::{ConnectionState, StateChange};
use crate::model::snapshot::Snapshot;
use crate::{Id, Moment};

/// A message to the engine.
#[derive(Debug)]
pub(crate) enum Control {
    /// Something that alters the dashboard.
    Change(Change),
    /// Something that does not.
    Ask(Ask),
    /// No event comes any more.
    Finish(Finish),
}

/// A question; whoever asks may have gone on without the answer.
#[derive(Debug)]
pub(crate) enum Ask {
    /// Wants the dashboard of now.
    Snapshot(Sender<Arc<Snapshot>>),
    /// Wants the state of now and each one after it, with its cause.
    States(Sender<StateAndCause>),
    /// Offers conversations of REST; answered when those that count are applied, so that no more than one page waits.
    Conversations {
        found: Vec<FoundConversation>,
        done: Sender<()>,
    },
    /// Wants the conversations that are not finished.
    Open(Sender<Vec<Id>>),
    /// Wants open conversations of which nothing came since `before`, the longest idle first.
    Idle {
        before: Moment,
        at_most: usize,
        answer: Sender<Vec<Id>>,
    },
    /// Wants the local midnight before `at`, where totals count since then.
    DayStart { at: Moment, answer: Sender<Option<Moment>> },
}

/// A state of the stream, and why it is in that state, in a line.
pub(crate) type StateAndCause = (ConnectionState, Option<String>);

/// A conversation that REST showed.
#[derive(Debug)]
pub(crate) struct FoundConversation {
    pub(crate) facts: ConversationFacts,
    /// It enters the numbers even if the model knows nothing of it.
    pub(crate) enters: bool,
}

/// How to end: empty the buffer until then, let the outputs finish until then.
#[derive(Debug)]
pub(crate) struct Finish {
    pub(crate) state: StateChange,
    pub(crate) drain_until: Instant,
    pub(crate) outputs_until: Instant,
}

/// Something that REST has to fill in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repair {
    /// The stream is on, for the first time or with new queues: who waits and talks already.
    Start { at: Moment },
    /// This gap is closed. It began at `from`, by the service's clock at `since` or later.
    Gap { id: u64, from: Moment, since: Moment },
}

impl From<Change> for Control {
    fn from(change: Change) -> Self {
        Self::Change(change)
    }
}

impl From<Ask> for Control {
    fn from(ask: Ask) -> Self {
        Self::Ask(ask)
    }
}

impl From<Finish> for Control {
    fn from(finish: Finish) -> Self {
        Self::Finish(finish)
    }
}

/// Sends messages to the engine.
#[derive(Clone)]
pub(crate) struct ControlSender(Sender<Control>);

impl ControlSender {
    pub(crate) fn new(sender: Sender<Control>) -> Self {
        Self(sender)
    }

    /// Never blocks. After the end of the engine messages are lost.
    pub(crate) fn send(&self, message: impl Into<Control>) {
        let _ = self.0.send(message.into());
    }
}
