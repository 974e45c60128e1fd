//! Builds a stream: configuration, callbacks, outputs, and when it ends by itself.
//!
//! In: `Config`, closures, writers · Out: a running `Stream` · Thread: the caller's.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};

use super::events::{EventChannel, Events};
use super::outputs::{self, MakeOutput, OutputSpawner};
use super::{Ending, Stream};
use crate::config::Config;
use crate::event::Event;
use crate::model::snapshot::Snapshot;
use crate::net::cancel::Never;
use crate::output::callback::{Callback, CallbackOutcome};
use crate::output::record::Records;
use crate::output::{self, Output};
use crate::protocol::KeepBody;
use crate::supervisor::Until;
use crate::{Error, ErrorKind};

/// The room for a channel's events is taken at once.
const MAX_EVENTS: usize = 1_000_000;

/// Builds a [`Stream`]: callbacks, outputs, and when it ends by itself.
///
/// ```no_run
/// use genesys_stream::{Config, Records, Secret, Stream};
/// use std::time::Duration;
///
/// let config = Config::builder()
///     .region("mypurecloud.ie")
///     .client_id("my-client")
///     .client_secret(Secret::new(std::env::var("GENESYS_CLIENT_SECRET")?))
///     .queue("Sales")
///     .build()?;
/// let report = Stream::builder(config)
///     .on_snapshot(|dashboard| println!("waiting: {}", dashboard.totals.live.waiting))
///     .records(Records::Events, std::fs::File::create("events.ndjson")?)
///     .duration(Duration::from_secs(60))
///     .start()?
///     .wait()?;
/// println!("applied {} events", report.snapshot.counters.events_applied);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a builder does nothing until it is started"]
pub struct StreamBuilder {
    pub(super) config: Config,
    pub(super) until: Until,
    /// Whether an output shows the bodies of events.
    pub(super) keep_body: KeepBody,
    pub(super) outputs: Vec<MakeOutput>,
}

impl StreamBuilder {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            until: Until::default(),
            keep_body: KeepBody::Drop,
            outputs: Vec::new(),
        }
    }

    /// Calls `callback` with every event, on a thread of its own (`gs-out-callback`).
    ///
    /// It may return nothing, or a `Result` whose error is counted and logged. An error or a panic ends nothing. Where
    /// the callback does not keep up, events are left out and counted as missed in the snapshot's `outputs`; with
    /// [`WhenFull::Block`](crate::WhenFull::Block) the stream waits for the callback instead.
    pub fn on_event<O: CallbackOutcome>(self, callback: impl FnMut(&Event) -> O + Send + 'static) -> Self {
        self.output(KeepBody::Verbatim, |spawner| {
            spawner.spawn("callback", Box::new(Callback::on_event(callback)))
        })
    }

    /// Calls `callback` with the newest snapshot each `snapshot_interval`, and with the last one at the end, on a thread of
    /// its own (`gs-out-dashboard`). Errors and panics are treated as in [`StreamBuilder::on_event`]; a slow callback gets
    /// the newest state.
    pub fn on_snapshot<O: CallbackOutcome>(self, callback: impl FnMut(&Snapshot) -> O + Send + 'static) -> Self {
        self.output(KeepBody::Drop, |spawner| {
            spawner.spawn("dashboard", Box::new(Callback::on_snapshot(callback)))
        })
    }

    /// Also gives the events as an iterator. At most `capacity` events wait for the receiver: 1 to 1,000,000; what is outside
    /// counts as the nearest.
    ///
    /// The iterator ends when the stream ends. Where the receiver does not keep up, events are left out and counted as missed; with
    /// [`WhenFull::Block`](crate::WhenFull::Block) the stream waits for the receiver instead.
    pub fn events(self, capacity: usize) -> (Self, Events) {
        let (sender, receiver) = bounded(capacity.clamp(1, MAX_EVENTS));
        let builder = self.output(KeepBody::Verbatim, |spawner| {
            spawner.spawn("events", Box::new(EventChannel::new(sender, &spawner.handover)))
        });
        (builder, Events::new(receiver))
    }

    /// Writes records to `writer` on a thread of its own (`gs-out-records`): a file, a pipe, a socket.
    ///
    /// Where the writer does not keep up, records are counted as missed; with
    /// [`WhenFull::Block`](crate::WhenFull::Block) the stream waits for it instead. When the writer reports a closed pipe,
    /// the stream ends ([`Ended::OutputClosed`](crate::Ended::OutputClosed)); any other failure is counted and logged, and
    /// the stream goes on.
    pub fn records(self, records: Records, writer: impl Write + Send + 'static) -> Self {
        self.records_named("records", records, writer)
    }

    pub(crate) fn records_named(
        self,
        name: &'static str,
        records: Records,
        writer: impl Write + Send + 'static,
    ) -> Self {
        let bodies = outputs::bodies(&self.config);
        let keep_body = match records {
            Records::Events => KeepBody::Verbatim,
            Records::Snapshots | Records::Lines => KeepBody::Drop,
        };
        self.output(keep_body, move |spawner| {
            spawner.spawn(name, output::line_sink(name, records, bodies, writer))
        })
    }

    /// Adds an output.
    pub(crate) fn output(
        mut self,
        keep_body: KeepBody,
        make: impl FnOnce(&OutputSpawner) -> Result<Output, Error> + Send + 'static,
    ) -> Self {
        if keep_body == KeepBody::Verbatim {
            self.keep_body = KeepBody::Verbatim;
        }
        self.outputs.push(Box::new(make));
        self
    }

    /// Ends the stream by itself this long after its start. A duration that is too long for the clock sets no limit.
    pub fn duration(mut self, duration: Duration) -> Self {
        self.until.duration = Some(duration);
        self
    }

    /// Ends the stream when the server ends it normally (a close with code 1000, 1001 or none).
    pub fn until_the_server_ends(mut self) -> Self {
        self.until.end_of_stream = true;
        self
    }

    /// Starts the threads. Connecting happens in the background: a wrong secret shows in [`Stream::wait_streaming`] and
    /// [`Stream::wait`].
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] when `ca_file`, `http.listen` or a file of the outputs cannot be used,
    /// [`ErrorKind::Local`] when the system gives no thread.
    pub fn start(self) -> Result<Stream, Error> {
        let run = self.prepare()?;
        let (stop, shared) = (run.stop_handle(), run.shared());
        let (alive, ended) = bounded(0);
        let failure = Arc::new(OnceLock::new());
        let its_failure = Arc::clone(&failure);
        let thread = std::thread::Builder::new()
            .name("gs-supervisor".to_owned())
            .spawn(move || {
                let _alive: Sender<Never> = alive;
                let result = run.run();
                if let Err(error) = &result {
                    // Set once: this thread is the only one that does.
                    let _ = its_failure.set(error.clone());
                }
                result
            })
            .map_err(|error| Error::caused_by(ErrorKind::Local, "starting the supervisor's thread", error))?;
        Ok(Stream {
            stop,
            shared,
            thread: Some(thread),
            ending: Ending { ended, failure },
        })
    }
}

impl fmt::Debug for StreamBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamBuilder")
            .field("config", &self.config)
            .field("until", &self.until)
            .field("outputs", &self.outputs.len())
            .finish_non_exhaustive()
    }
}
