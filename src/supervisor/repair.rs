//! Fills in through REST what the stream could not carry: who was there at the start, and what happened in gaps.
//!
//! In: `Repair` jobs of supervisor and aggregator, token and queues · Out: facts and repaired gaps to the aggregator ·
//! Thread: `gs-repair`, which waits for jobs and for what is due; it ends when the run is stopped, in every state.
//!
//! * One pass serves all gaps that wait: statistics of the queues, conversations of the intervals page by page, then
//!   those that the model has open and that no page showed, by their ids. When all of it succeeded the gaps are repaired.
//! * What REST may show late is asked for twice more ([`schedule`]).
//! * An open conversation of which nothing came for `model.recheck_secs` is asked for by its id.
//! * Live events go on meanwhile: the model joins both, in any order.

mod access;
mod counted;
mod lost;
mod pass;
mod query;
mod schedule;
mod walk;
mod worker;

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use self::access::Access;
use self::pass::Asker;
use self::worker::Worker;
use crate::config::Config;
use crate::engine::{ControlSender, Repair};
use crate::event::notice::Notice;
use crate::net::Cancel;
use crate::net::cancel::Never;
use crate::protocol::topic_plan::TopicQueues;
use crate::rest::{Limits, RestClient};
use crate::{Error, ErrorKind, Moment, Secret};

/// What the thread is given.
pub(crate) struct RepairParts<'a> {
    pub(crate) config: Arc<Config>,
    /// The run's client; the repair has connections of its own and shares the budget.
    pub(crate) client: &'a RestClient,
    pub(crate) cancel: Cancel,
    pub(crate) control: ControlSender,
    pub(crate) notices: Sender<Notice>,
    /// Where supervisor and aggregator put jobs.
    pub(crate) jobs: (Sender<Repair>, Receiver<Repair>),
}

/// The running thread, as the supervisor holds it.
pub(crate) struct RepairThread {
    access: Arc<Access>,
    jobs: Sender<Repair>,
    stop: StopOnDrop,
    /// Disconnects when the thread has ended.
    done: Receiver<Never>,
    thread: JoinHandle<()>,
    /// There are queues of which the beginning was not asked for.
    start_due: bool,
}

impl RepairThread {
    /// Starts it.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn spawn(parts: RepairParts<'_>) -> Result<Self, Error> {
        let access = Arc::new(Access::new());
        let (alive, done) = bounded(0);
        let (jobs, inbox) = parts.jobs;
        let cancel = parts.cancel;
        let asker = Asker {
            client: parts.client.scoped(cancel.clone(), Limits::new(&parts.config).call),
            control: parts.control,
            notices: parts.notices,
            access: Arc::clone(&access),
            cancel: cancel.clone(),
            pauses: parts.config.reconnect,
            longest_days: Cell::new(i64::MAX),
            counted: RefCell::default(),
        };
        let worker = Worker::new(parts.config, asker, inbox);
        let thread = std::thread::Builder::new()
            .name("gs-repair".to_owned())
            .spawn(move || {
                let _alive: Sender<Never> = alive;
                // The stop needs no word of its own.
                let _ = worker.run();
            })
            .map_err(|error| Error::caused_by(ErrorKind::Local, "starting the repair's thread", error))?;
        Ok(Self {
            access,
            jobs,
            stop: StopOnDrop(cancel),
            done,
            thread,
            start_due: false,
        })
    }

    /// A new token.
    pub(super) fn set_token(&self, token: Secret) {
        self.access.set_token(token);
    }

    /// The queues of a new plan.
    pub(super) fn set_queues(&mut self, queues: TopicQueues) {
        self.start_due |= self.access.set_queues(queues);
    }

    /// The stream is on: asks for the beginning where that is due.
    pub(super) fn begin(&mut self, at: Moment) {
        if std::mem::take(&mut self.start_due) {
            // A thread that a defect ended takes no jobs.
            let _ = self.jobs.send(Repair::Start { at });
        }
    }

    /// Asks it to end; returns at once.
    pub(super) fn stop(&self) {
        self.stop.0.cancel();
    }

    /// Waits for its end. Returns whether it came by `deadline`.
    pub(super) fn ends_by(self, deadline: Instant) -> bool {
        if let Err(RecvTimeoutError::Timeout) = self.done.recv_deadline(deadline) {
            return false;
        }
        if let Err(panic) = self.thread.join() {
            let what = crate::base::error::panic_text(&*panic);
            log::error!("repair: a defect ended it: {what}");
        }
        true
    }
}

/// Dropping the handle stops the thread.
struct StopOnDrop(Cancel);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
