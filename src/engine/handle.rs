//! A handle to the engine's thread, and what the thread leaves.
//!
//! In: the work of the thread · Out: `Finished`, a notice where the thread ends in a panic · Thread: `gs-aggregator`.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::event::notice::Notice;
use crate::model::snapshot::Snapshot;
use crate::net::cancel::Never;
use crate::{Error, ErrorKind};

/// What the engine leaves.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) snapshot: Arc<Snapshot>,
    /// What was not done in time, in words.
    pub(crate) abandoned: Vec<String>,
}

/// The running thread.
pub(crate) struct AggregatorThread {
    thread: JoinHandle<Finished>,
    done: Receiver<Never>,
}

impl AggregatorThread {
    /// Starts the thread. If it ends in a panic, the supervisor is told.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn spawn(
        run: impl FnOnce() -> Finished + Send + 'static,
        notices: Sender<Notice>,
    ) -> Result<Self, Error> {
        let (alive, done) = bounded(0);
        let thread = std::thread::Builder::new()
            .name("gs-aggregator".to_owned())
            .spawn(move || {
                let _alive: Sender<Never> = alive;
                let _guard = PanicGuard(notices);
                run()
            })
            .map_err(|error| Error::new(ErrorKind::Local, "starting the aggregator's thread", error.to_string()))?;
        Ok(Self { thread, done })
    }

    /// Whether it ended by `deadline`.
    pub(crate) fn ends_by(&self, deadline: Instant) -> bool {
        !matches!(self.done.recv_deadline(deadline), Err(RecvTimeoutError::Timeout))
    }

    /// Waits for what it leaves; to be called once it has ended.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] where it ended in a panic.
    pub(crate) fn join(self) -> Result<Finished, Error> {
        self.thread.join().map_err(|panic| {
            let what = crate::base::error::panic_text(&*panic);
            Error::new(ErrorKind::Internal, "aggregating", format!("a defect ended it: {what}"))
        })
    }
}

/// Tells the supervisor when the thread ends in a panic.
struct PanicGuard(Sender<Notice>);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let what = "a defect ended the aggregator".to_owned();
            let _ = self.0.send(Notice::AggregatorGone(what));
        }
    }
}
