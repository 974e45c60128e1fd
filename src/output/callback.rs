//! Closures of a library user as outputs; a slow, failing or panicking closure does not end the stream.
//!
//! In: `Item`s · Out: calls of the closures · Thread: that of its output.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use super::Item;
use super::counters::OutputCounters;
use super::failure_log::FailureLog;
use super::sink::{Closed, Events, Sink, Snapshots, Wants};
use crate::event::Event;
use crate::model::snapshot::Snapshot;

/// What a callback may return: nothing, or a result whose error is counted and logged.
pub trait CallbackOutcome {
    /// The error as text, if it failed.
    fn failure(self) -> Option<String>;
}

impl CallbackOutcome for () {
    fn failure(self) -> Option<String> {
        None
    }
}

impl<E: Display> CallbackOutcome for Result<(), E> {
    fn failure(self) -> Option<String> {
        self.err().map(|error| error.to_string())
    }
}

type OnEvent = Box<dyn FnMut(&Event) -> Option<String> + Send>;
type OnSnapshot = Box<dyn FnMut(&Snapshot) -> Option<String> + Send>;

enum Call {
    Event(OnEvent),
    Snapshot(OnSnapshot),
}

/// The sink of one closure.
pub(crate) struct Callback {
    name: &'static str,
    call: Call,
    failures: FailureLog,
}

impl Callback {
    /// Called with every event.
    pub(crate) fn on_event<O: CallbackOutcome>(mut call: impl FnMut(&Event) -> O + Send + 'static) -> Self {
        Self::new("callback", Call::Event(Box::new(move |event| call(event).failure())))
    }

    /// Called with the newest snapshot each interval (unless the last call is still running), and with the last of the run.
    pub(crate) fn on_snapshot<O: CallbackOutcome>(mut call: impl FnMut(&Snapshot) -> O + Send + 'static) -> Self {
        Self::new(
            "dashboard",
            Call::Snapshot(Box::new(move |snapshot| call(snapshot).failure())),
        )
    }

    fn new(name: &'static str, call: Call) -> Self {
        Self {
            name,
            call,
            failures: FailureLog::default(),
        }
    }

    fn settle(&mut self, outcome: std::thread::Result<Option<String>>, counters: &OutputCounters) {
        let failure = match outcome {
            Ok(None) => {
                counters.wrote(1);
                if let Some(line) = self.failures.worked(self.name) {
                    log::info!("{line}");
                }
                return;
            }
            Ok(Some(failure)) => format!("failed: {failure}"),
            Err(panic) => {
                let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
                let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
                // The payload belongs to the user's code: dropping it may panic too.
                let _ = catch_unwind(AssertUnwindSafe(|| drop(panic)));
                format!("panicked: {}", text.as_deref().unwrap_or("(no text)"))
            }
        };
        counters.missed(1);
        if let Some(line) = self.failures.failed(self.name, &failure, 1, Instant::now()) {
            log::error!("{line}");
        }
    }

    fn snapshot(&mut self, snapshot: &Snapshot, counters: &OutputCounters) {
        if let Call::Snapshot(call) = &mut self.call {
            let outcome = catch_unwind(AssertUnwindSafe(|| call(snapshot)));
            self.settle(outcome, counters);
        }
    }
}

impl Sink for Callback {
    fn wants(&self) -> Wants {
        let (events, snapshots) = match self.call {
            Call::Event(_) => (Events::Whole, Snapshots::None),
            Call::Snapshot(_) => (Events::None, Snapshots::Each),
        };
        Wants {
            events,
            changes: false,
            alerts: false,
            snapshots,
        }
    }

    fn take(&mut self, item: Item, counters: &OutputCounters) -> Result<(), Closed> {
        match (&mut self.call, &item) {
            (Call::Event(call), Item::Event(event)) => {
                let outcome = catch_unwind(AssertUnwindSafe(|| call(event)));
                self.settle(outcome, counters);
            }
            (_, Item::Snapshot(snapshot)) => self.snapshot(snapshot, counters),
            _ => {}
        }
        Ok(())
    }

    fn flush(&mut self, _: &OutputCounters) -> Result<(), Closed> {
        Ok(())
    }

    fn end(&mut self, last: Option<Arc<Snapshot>>, counters: &OutputCounters) -> Result<(), Closed> {
        if let (Call::Snapshot(_), Some(last)) = (&self.call, last) {
            counters.offered();
            self.snapshot(&last, counters);
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "callback_tests.rs"]
mod tests;
