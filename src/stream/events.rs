//! The events of a stream as an iterator for the program.
//!
//! In: events as they are applied · Out: the same, one by one · Thread: `gs-out-events` sends, any receives.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, select};

use crate::event::Event;
use crate::model::snapshot::Snapshot;
use crate::output::Item;
use crate::output::counters::OutputCounters;
use crate::output::sink::{self, Closed, Handover, Sink, Snapshots, Wants};

/// Events of a stream, in the order in which they were applied: an iterator that ends with the stream.
///
/// Clones take events from the same channel: each event goes to one of them.
#[derive(Clone, Debug)]
pub struct Events {
    receiver: Receiver<Arc<Event>>,
}

impl Events {
    pub(super) fn new(receiver: Receiver<Arc<Event>>) -> Self {
        Self { receiver }
    }

    /// The next event; waits at most `timeout`. `None` when none came in that time, or the stream has ended.
    #[must_use]
    pub fn next_within(&self, timeout: Duration) -> Option<Arc<Event>> {
        self.receiver.recv_timeout(timeout).ok()
    }
}

impl Iterator for Events {
    type Item = Arc<Event>;

    /// Waits for the next event; `None` when the stream has ended.
    fn next(&mut self) -> Option<Arc<Event>> {
        self.receiver.recv().ok()
    }
}

/// The output behind [`Events`].
pub(super) struct EventChannel {
    /// `None` once the program dropped its receiver.
    sender: Option<Sender<Arc<Event>>>,
    /// Where the stream waits for the receiver: disconnected when it must not wait any longer.
    stopping: Option<Receiver<()>>,
}

impl EventChannel {
    pub(super) fn new(sender: Sender<Arc<Event>>, handover: &Handover) -> Self {
        let stopping = match handover {
            Handover::WaitForRoom(stopping) => Some(stopping.clone()),
            Handover::DropWhenFull => None,
        };
        Self {
            sender: Some(sender),
            stopping,
        }
    }
}

impl Sink for EventChannel {
    fn wants(&self) -> Wants {
        Wants {
            events: sink::Events::Whole,
            changes: false,
            alerts: false,
            snapshots: Snapshots::None,
        }
    }

    fn take(&mut self, item: Item, counters: &OutputCounters) -> Result<(), Closed> {
        let Item::Event(event) = item else { return Ok(()) };
        let sent = match (&self.sender, &self.stopping) {
            (None, _) => false,
            (Some(sender), None) => match sender.try_send(event) {
                Ok(()) => true,
                Err(TrySendError::Full(_)) => false,
                Err(TrySendError::Disconnected(_)) => {
                    // The program dropped its receiver: that is no reason to end the stream.
                    self.sender = None;
                    false
                }
            },
            (Some(sender), Some(stopping)) => select! {
                send(sender, event) -> sent => sent.is_ok(),
                recv(stopping) -> _ => false,
            },
        };
        if sent {
            counters.wrote(1)
        } else {
            counters.missed(1)
        }
        Ok(())
    }

    fn flush(&mut self, _tally: &OutputCounters) -> Result<(), Closed> {
        Ok(())
    }

    fn end(&mut self, _last: Option<Arc<Snapshot>>, _tally: &OutputCounters) -> Result<(), Closed> {
        self.sender = None;
        Ok(())
    }
}
