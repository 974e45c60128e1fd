//! A running stream, as a program holds it.
//!
//! In: calls of the program · Out: snapshots, a `Report` · Thread: any; the stream runs on threads of its own.

mod builder;
mod events;
mod outputs;
#[cfg(all(unix, feature = "cli"))]
mod pulse;
#[cfg(feature = "cli")]
mod replay;
mod run;
mod web;

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, at, bounded, never, select, unbounded};

use crate::config::Config;
use crate::engine::{Ask, ControlSender};
use crate::event::notice::Notice;
use crate::event::state::ConnectionState;
use crate::model::snapshot::Snapshot;
use crate::net::Cancel;
use crate::net::cancel::Never;
use crate::{Error, ErrorKind};

pub use self::builder::StreamBuilder;
pub use self::events::Events;
#[cfg(all(unix, feature = "cli"))]
pub(crate) use self::pulse::Pulse;

/// How long [`Stream::snapshot`] waits for the aggregator before it gives the last published one.
const SNAPSHOT_WAIT: Duration = Duration::from_secs(1);

/// A running stream. Dropping it stops the stream and waits for its end, at most about two seconds.
///
/// The stream runs on threads of its own; all methods may be called from any thread.
///
/// ```no_run
/// use genesys_stream::{Config, Stream};
/// use std::time::Duration;
///
/// let config = Config::builder().environment().queue("Sales").build()?;
/// let stream = Stream::start(config)?;
/// stream.wait_streaming(Duration::from_secs(30))?;
/// for queue in stream.snapshot().queues.values() {
///     println!("{:?}: {} waiting", queue.name, queue.live.waiting);
/// }
/// let report = stream.stop()?;
/// println!("{:?} after {} events", report.ended, report.snapshot.counters.events_applied);
/// # Ok::<(), genesys_stream::Error>(())
/// ```
pub struct Stream {
    stop: StopHandle,
    shared: Shared,
    thread: Option<JoinHandle<Result<Report, Error>>>,
    ending: Ending,
}

/// What the threads of a stream share with its handle.
#[derive(Clone)]
struct Shared {
    published: Arc<Mutex<Arc<Snapshot>>>,
    control: ControlSender,
    http_address: Option<SocketAddr>,
}

/// Asks the engine for the dashboard of now. `None` if it has ended, or does not answer within a second.
fn ask_snapshot(control: &ControlSender) -> Option<Arc<Snapshot>> {
    let (answer, answered) = bounded(1);
    control.send(Ask::Snapshot(answer));
    answered.recv_timeout(SNAPSHOT_WAIT).ok()
}

impl Shared {
    fn published(&self) -> Arc<Snapshot> {
        Arc::clone(&self.published.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Tells that the supervisor's thread has ended, and why where it failed.
struct Ending {
    /// Disconnected at the end.
    ended: Receiver<Never>,
    failure: Arc<OnceLock<Error>>,
}

impl Stream {
    /// Starts building a stream.
    pub fn builder(config: Config) -> StreamBuilder {
        StreamBuilder::new(config)
    }

    /// Starts a stream without callbacks, for a program that asks for [`Stream::snapshot`] when it wants the numbers.
    ///
    /// # Errors
    /// Those of [`StreamBuilder::start`].
    pub fn start(config: Config) -> Result<Self, Error> {
        Self::builder(config).start()
    }

    /// The dashboard of now. Waits for the aggregator, at most a second; when it takes longer or has ended, this is the
    /// snapshot that it published last.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        ask_snapshot(&self.shared.control).unwrap_or_else(|| self.shared.published())
    }

    /// Waits until the state is [`ConnectionState::Streaming`]: subscribed and alive. Returns as soon as the aggregator has
    /// answered, if it is.
    ///
    /// # Errors
    /// [`ErrorKind::Transient`] with the last cause when `timeout` is over before that; the stream goes on. When the
    /// stream has ended: what ended it, [`ErrorKind::Stopped`] where it was asked to stop.
    pub fn wait_streaming(&self, timeout: Duration) -> Result<(), Error> {
        let too_late = Instant::now().checked_add(timeout).map_or_else(never, at);
        // Cannot grow: it is read at once.
        let (watcher, states) = unbounded();
        self.shared.control.send(Ask::States(watcher));
        let mut cause = None;
        loop {
            select! {
                recv(states) -> change => match change {
                    Ok((ConnectionState::Streaming, _)) => return Ok(()),
                    Ok((_, why)) => cause = why.or(cause),
                    // The aggregator has ended; the supervisor's thread follows it.
                    Err(_) => break,
                },
                recv(too_late) -> _ => return Err(not_streaming(timeout, cause)),
            }
        }
        select! {
            recv(self.ending.ended) -> _ => {}
            recv(too_late) -> _ => return Err(not_streaming(timeout, cause)),
        }
        Err(self.ending.failure.get().cloned().unwrap_or_else(|| {
            let cause = self.shared.published().connection.cause.clone();
            let why = cause.unwrap_or_else(|| "asked to stop".to_owned());
            Error::new(ErrorKind::Stopped, WAITING, format!("it has ended: {why}"))
        }))
    }

    /// Where the live page and the metrics are served, if `http.listen` is set; tells the port where that was 0.
    #[must_use]
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.shared.http_address
    }

    /// A handle that stops the stream from another thread; cheap to clone.
    #[must_use]
    pub fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }

    /// Whether the stream has ended, by itself or through a [`StopHandle`].
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Stops the stream and waits for the end, at most about two seconds: sockets closed, everything received applied, the
    /// outputs done.
    ///
    /// # Errors
    /// What ended the stream, if it could not go on before.
    pub fn stop(self) -> Result<Report, Error> {
        self.stop.stop();
        self.wait()
    }

    /// Waits until the stream ends.
    ///
    /// # Errors
    /// What ended the stream, if it could not go on: refused credentials, a wrong queue name, too many failures.
    /// [`ErrorKind::Internal`] after a defect in this crate.
    pub fn wait(mut self) -> Result<Report, Error> {
        match self.thread.take() {
            Some(thread) => thread.join().unwrap_or_else(|panic| {
                let what = crate::base::error::panic_text(&*panic);
                Err(Error::new(
                    ErrorKind::Internal,
                    "supervising",
                    format!("a defect ended it: {what}"),
                ))
            }),
            // Only `wait` and `drop` take the thread, and both take the stream.
            None => Err(Error::new(
                ErrorKind::Internal,
                "waiting for the stream",
                "it has no thread",
            )),
        }
    }
}

const WAITING: &str = "waiting until the stream is streaming";

fn not_streaming(timeout: Duration, cause: Option<String>) -> Error {
    let cause = cause.unwrap_or_else(|| "no attempt has failed so far".to_owned());
    Error::new(
        ErrorKind::Transient,
        WAITING,
        format!("not within {timeout:?}: {cause}"),
    )
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.stop.stop();
            // Nobody is left to read what it reports.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connection = &self.shared.published().connection;
        f.debug_struct("Stream")
            .field("protocol", &connection.protocol)
            .field("state", &connection.state)
            .field("http_address", &self.shared.http_address)
            .field("is_finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}

/// Stops a stream from any thread, also from a callback.
///
/// ```no_run
/// # let config = genesys_stream::Config::builder().environment().build()?;
/// let stream = genesys_stream::Stream::start(config)?;
/// let stop = stream.stop_handle();
/// std::thread::spawn(move || {
///     // When the user asks for it:
///     stop.stop();
/// });
/// stream.wait()?;
/// # Ok::<(), genesys_stream::Error>(())
/// ```
#[derive(Clone)]
pub struct StopHandle {
    notices: Sender<Notice>,
    calls: Cancel,
}

impl StopHandle {
    /// Asks the stream to end; returns at once. Calling it again changes nothing.
    pub fn stop(&self) {
        // The notice first: a call that is interrupted finds it.
        let _ = self.notices.send(Notice::Stop);
        self.calls.cancel();
    }
}

impl fmt::Debug for StopHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopHandle")
            .field("is_stopping", &self.calls.is_cancelled())
            .finish()
    }
}

/// What a stream leaves when it ended in order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// Why it ended.
    pub ended: Ended,
    /// The last snapshot.
    pub snapshot: Arc<Snapshot>,
    /// What the stop did not finish in time, one line each; empty when all is well.
    pub abandoned: Vec<String>,
}

/// Why a stream ended in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// It was asked to, or its duration was over.
    Stopped,
    /// The server ended the stream normally.
    ServerEnded,
    /// Nobody reads the program's output any more.
    OutputClosed,
}
