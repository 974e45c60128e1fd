//! A handle to the engine's thread, and what it leaves.
//!
//! In: an `Aggregator` · Out: `Finished`, a notice at an end that nobody asked for · Thread: `gs-aggregator`.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::thread::Aggregator;
use crate::event::notice::Notice;
use crate::model::snapshot::Snapshot;
use crate::net::cancel::Never;
use crate::{Error, ErrorKind};

/// What it leaves.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) snapshot: Arc<Snapshot>,
    /// What was not done in time, in words.
    pub(crate) abandoned: Vec<String>,
}

/// Its running thread.
pub(crate) struct AggregatorThread {
    thread: JoinHandle<Finished>,
    done: Receiver<Never>,
}

impl AggregatorThread {
    /// Whether it ended by `deadline`.
    pub(crate) fn ends_by(&self, deadline: Instant) -> bool {
        !matches!(self.done.recv_deadline(deadline), Err(RecvTimeoutError::Timeout))
    }

    /// Waits for what it leaves; to be called once it has ended.
    pub(crate) fn join(self) -> Result<Finished, Error> {
        self.thread.join().map_err(|panic| {
            let what = crate::base::error::panic_text(&*panic);
            Error::new(ErrorKind::Internal, "aggregating", format!("a defect ended it: {what}"))
        })
    }
}

impl Aggregator {
    /// Starts the thread. If it ends without having been told to, the supervisor hears of it.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn spawn(self, notices: Sender<Notice>) -> Result<AggregatorThread, Error> {
        let (alive, done) = bounded(0);
        let thread = std::thread::Builder::new()
            .name("gs-aggregator".to_owned())
            .spawn(move || {
                let _alive: Sender<Never> = alive;
                let guard = Guard { notices: Some(notices) };
                let finished = self.run();
                guard.disarm();
                finished
            })
            .map_err(|error| Error::new(ErrorKind::Local, "starting the aggregator's thread", error.to_string()))?;
        Ok(AggregatorThread { thread, done })
    }
}

/// Tells the supervisor when the thread ends in a panic.
struct Guard {
    notices: Option<Sender<Notice>>,
}

impl Guard {
    fn disarm(mut self) {
        self.notices = None;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(notices) = self.notices.take() {
            let _ = notices.send(Notice::AggregatorGone("a defect ended the aggregator".to_owned()));
        }
    }
}
