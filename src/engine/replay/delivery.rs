//! The outputs of a replay, which are waited for: a recording can wait.
//!
//! In: records, snapshots · Out: calls that return when there is room, or when the replay was stopped · Thread:
//! `gs-replay`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::Finished;
use crate::event::Event;
use crate::model::snapshot::Snapshot;
use crate::net::Cancel;
use crate::output::sink::Events;
use crate::output::{Item, Outputs};

/// Outputs of a replay that was stopped have this long.
pub(crate) const OUTPUT_LIMIT: Duration = Duration::from_millis(700);
/// A wait for outputs looks this often whether the replay was stopped.
const STOP_CHECK: Duration = Duration::from_millis(100);
/// A reader of the last records who takes longer than a day is gone.
const LAST_LIMIT: Duration = Duration::from_secs(86_400);

pub(super) struct Delivery {
    pub(super) outputs: Outputs,
    cancel: Cancel,
}

impl Delivery {
    /// Waits end when `cancel` says so.
    pub(super) fn new(outputs: Outputs, cancel: Cancel) -> Self {
        Self { outputs, cancel }
    }

    /// Whether the replay was stopped.
    pub(super) fn is_stopped(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Hands an event over, once there is room.
    pub(super) fn event(&mut self, event: Event) {
        if self.outputs.wanted_events() != Events::None {
            self.wait_until_taken();
            self.outputs.offer(&Item::Event(Arc::new(event)));
        }
    }

    /// Hands a snapshot over, and waits until it and all before it were taken.
    pub(super) fn snapshot(&mut self, snapshot: Snapshot) {
        self.outputs.offer(&Item::Snapshot(Arc::new(snapshot)));
        self.flush();
    }

    /// Waits until everything was taken.
    pub(super) fn flush(&mut self) {
        self.wait_until_taken();
        while !self.is_stopped() && !self.outputs.flush(Instant::now() + STOP_CHECK) {}
    }

    /// Ends the outputs with the last snapshot.
    pub(super) fn finish(self, last: Snapshot) -> Finished {
        let limit = if self.is_stopped() { OUTPUT_LIMIT } else { LAST_LIMIT };
        let last = Arc::new(last);
        let mut abandoned = Vec::new();
        for closing in self.outputs.close(Some(&last), Instant::now() + limit) {
            abandoned.extend(closing.warning());
            if closing.abandoned.is_none() && closing.counts.missed > 0 {
                abandoned.push(format!(
                    "output {}: {} records missed",
                    closing.name, closing.counts.missed
                ));
            }
        }
        Finished {
            snapshot: last,
            abandoned,
        }
    }

    fn wait_until_taken(&mut self) {
        while self.outputs.is_holding() && !self.is_stopped() {
            self.outputs.wait_for_room(Instant::now() + STOP_CHECK);
        }
    }
}
