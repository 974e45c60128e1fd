//! Whether a run does its work, for a watchdog.
//!
//! In: questions to supervisor and aggregator · Out: states, whether both answer · Thread: any other.

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};

use super::{SNAPSHOT_WAIT, ask_snapshot};
use crate::engine::{Ask, ControlSender, StateAndCause};
use crate::event::notice::Notice;

/// Asks the threads of a run.
pub(crate) struct Pulse {
    notices: Sender<Notice>,
    control: ControlSender,
}

impl Pulse {
    pub(super) fn new(notices: Sender<Notice>, control: ControlSender) -> Self {
        Self { notices, control }
    }

    /// The state of now and each one after it, with its cause, until the aggregator ends.
    pub(crate) fn states(&self) -> Receiver<StateAndCause> {
        let (watcher, states) = unbounded();
        self.control.send(Ask::States(watcher));
        states
    }

    /// Whether supervisor and aggregator answer, within a second each.
    pub(crate) fn beats(&self) -> bool {
        let (asked, answered) = bounded(0);
        let supervised = self.notices.send(Notice::Asked(asked)).is_ok()
            && answered.recv_timeout(SNAPSHOT_WAIT) == Err(RecvTimeoutError::Disconnected);
        supervised && ask_snapshot(&self.control).is_some()
    }
}
