//! The messages that supervisor, repair and program send to the engine.
//!
//! In: changes, questions, the end · Out: messages, in their order · Thread: any.

use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::Sender;

use crate::event::change::Change;
use crate::event::facts::ConversationFacts;
#[cfg(feature = "engine")]
use crate::event::gap::GapTopics;
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
    /// The closed gaps of these topics that began at `from` were filled in completely.
    #[cfg(feature = "engine")]
    Filled { topics: GapTopics, from: Moment },
}

/// A question. The caller may have timed out; then nobody receives the answer.
#[derive(Debug)]
pub(crate) enum Ask {
    /// Asks for the current dashboard.
    Snapshot(Sender<Arc<Snapshot>>),
    /// Wants the state of now and each one after it, with its cause.
    States(Sender<StateAndCause>),
    /// Offers conversations of REST; `done` is answered once those that count are applied, so that at most one page waits.
    Conversations {
        found: Vec<FoundConversation>,
        done: Sender<()>,
    },
    /// Asks for the conversations that are not finished.
    Open(Sender<Vec<Id>>),
    /// Asks for open conversations without news since `before`, the longest idle first.
    Idle {
        before: Moment,
        at_most: usize,
        answer: Sender<Vec<Id>>,
    },
    /// Asks for the local midnight before `at`; the answer is `None` unless totals count since then.
    DayStart { at: Moment, answer: Sender<Option<Moment>> },
}

/// A state of the stream, and why it is in that state, in a line.
pub(crate) type StateAndCause = (ConnectionState, Option<String>);

/// A conversation that REST showed.
#[derive(Debug)]
pub(crate) struct FoundConversation {
    pub(crate) facts: ConversationFacts,
    /// Whether it enters the numbers even if the model does not know it.
    pub(crate) enters: bool,
}

/// How to end: the deadlines for emptying the buffer and for the outputs.
#[derive(Debug)]
pub(crate) struct Finish {
    pub(crate) state: StateChange,
    pub(crate) drain_until: Instant,
    pub(crate) outputs_until: Instant,
}

/// A job of the repair: something that REST has to fill in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repair {
    /// The stream has started, or has new queues: asks who is waiting and talking already.
    Start { at: Moment },
    /// This gap was closed. It began at `from`; by the service's clock at `since` or later.
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

#[cfg(feature = "engine")]
impl ControlSender {
    /// The closed gaps of these topics that began at `from` were filled in completely.
    pub(crate) fn filled(&self, topics: GapTopics, from: Moment) {
        let _ = self.0.send(Control::Filled { topics, from });
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
