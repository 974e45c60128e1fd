//! A running stream, as a program holds it.
//!
//! In: `Config`, callbacks · Out: events, snapshots, a `Report` · Thread: any; the stream runs on threads of its own.

mod outputs;
#[cfg(feature = "cli")]
mod replay;
mod web;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded, unbounded};

use crate::config::{Config, Protocol, WhenFull};
use crate::engine::{Aggregator, AggregatorParts, AggregatorThread, Ask, ControlSender, Finished, Repair};
use crate::event::Event;
use crate::event::notice::Notice;
use crate::model::snapshot::Snapshot;
use crate::net::{Cancel, Net};
use crate::output::callback::{Callback, CallbackOutcome};
use crate::output::record::Records;
use crate::output::sink::Handover;
use crate::output::{self, Output, Outputs};
use crate::protocol::KeepBody;
use crate::reader::buffer::buffer;
use crate::reader::telemetry::Telemetry;
use crate::rest::{Limits, RestClient};
use crate::supervisor::{End, Parts, RepairParts, RepairThread, Stopped, Supervisor, Until};
use crate::{Error, ErrorKind};

pub use self::outputs::Events;
use self::outputs::{EventChannel, MakeOutput, OutputSeat};

/// How long [`Stream::snapshot`] waits for the aggregator before it gives the last published one.
const SNAPSHOT_WAIT: Duration = Duration::from_secs(1);

/// Builds a [`Stream`]: configuration, callbacks, and when it ends by itself.
///
/// ```no_run
/// use genesys_stream::{Config, Secret, Stream};
///
/// let config = Config::builder()
///     .region("mypurecloud.ie")
///     .client_id("my-client")
///     .client_secret(Secret::new(std::env::var("GENESYS_CLIENT_SECRET")?))
///     .queue("Sales")
///     .build()?;
/// let stream = Stream::builder(config)
///     .on_snapshot(|dashboard| println!("waiting: {:?}", dashboard.totals.live.waiting))
///     .start()?;
/// std::thread::sleep(std::time::Duration::from_secs(60));
/// let report = stream.stop()?;
/// println!("applied {} events", report.snapshot.counters.events_applied);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a builder does nothing until it is started"]
pub struct StreamBuilder {
    config: Config,
    until: Until,
    keep_body: KeepBody,
    outputs: Vec<MakeOutput>,
}

impl StreamBuilder {
    /// Calls `callback` with every event, on a thread of its own (`gs-out-callback`).
    ///
    /// It may return nothing, or a `Result` whose error is counted and logged. An error or a panic ends nothing. Where
    /// it does not keep up, events pass it by and are counted as missed in the snapshot's `outputs`; with
    /// `buffer.when_full` = `block` the stream waits for it instead.
    pub fn on_event<O: CallbackOutcome>(mut self, callback: impl FnMut(&Event) -> O + Send + 'static) -> Self {
        self.keep_body = KeepBody::Verbatim;
        self.outputs.push(Box::new(|seat| {
            seat.spawn("callback", Box::new(Callback::on_event(callback)))
        }));
        self
    }

    /// Calls `callback` with the newest snapshot each `outputs.interval_ms`, and with the last one at the end, on a
    /// thread of its own (`gs-out-dashboard`). The rules of [`StreamBuilder::on_event`] hold; a slow callback gets the
    /// newest state.
    pub fn on_snapshot<O: CallbackOutcome>(mut self, callback: impl FnMut(&Snapshot) -> O + Send + 'static) -> Self {
        self.outputs.push(Box::new(|seat| {
            seat.spawn("dashboard", Box::new(Callback::on_snapshot(callback)))
        }));
        self
    }

    /// A channel of events beside the callbacks: at most `capacity` (at least 1) wait in it.
    ///
    /// It ends when the stream ends. Where the receiver does not keep up the rules of [`StreamBuilder::on_event`] hold.
    pub fn events(mut self, capacity: usize) -> (Self, Events) {
        self.keep_body = KeepBody::Verbatim;
        let (sender, receiver) = bounded(capacity.max(1));
        let wait = self.config.buffer.when_full == WhenFull::Block;
        self.outputs.push(Box::new(move |seat| {
            let stopping = match &seat.handover {
                Handover::Wait(stopping) if wait => Some(stopping.clone()),
                _ => None,
            };
            seat.spawn(
                "events",
                Box::new(EventChannel {
                    sender: Some(sender),
                    stopping,
                }),
            )
        }));
        (self, Events { receiver })
    }

    /// Ends the stream by itself after this long.
    pub fn duration(mut self, duration: Duration) -> Self {
        self.until.duration = Some(duration);
        self
    }

    /// Ends the stream when the server ends it normally (a close with code 1000, 1001 or none).
    pub fn until_the_server_ends(mut self) -> Self {
        self.until.end_of_stream = true;
        self
    }

    /// Writes records to `writer` on a thread of its own (`gs-out-records`): a file, a pipe, a socket.
    ///
    /// Where the writer does not keep up, records are counted as missed; with `buffer.when_full` = `block` the stream
    /// waits for it instead. When the writer reports a closed pipe the stream ends ([`Ended::OutputClosed`]); any other
    /// failure is counted and logged, and the stream goes on.
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
        self.output(keep_body, move |seat| {
            seat.spawn(name, output::line_outlet(name, records, bodies, writer))
        })
    }

    /// Adds an output.
    pub(crate) fn output(
        mut self,
        keep_body: KeepBody,
        make: impl FnOnce(&OutputSeat) -> Result<Output, Error> + Send + 'static,
    ) -> Self {
        if keep_body == KeepBody::Verbatim {
            self.keep_body = KeepBody::Verbatim;
        }
        self.outputs.push(Box::new(make));
        self
    }

    /// Starts the threads. Connecting happens in the background: a wrong secret shows in [`Stream::wait`].
    ///
    /// # Errors
    /// When the system gives no thread, or `ca_file`, `http.listen` or a file of the outputs cannot be used.
    pub fn start(self) -> Result<Stream, Error> {
        let engine = self.engine()?;
        let (handle, shared) = (engine.stop_handle(), engine.shared.clone());
        let thread = std::thread::Builder::new()
            .name("gs-supervisor".to_owned())
            .spawn(move || engine.run())
            .map_err(|error| Error::caused_by(ErrorKind::Local, "starting the supervisor's thread", error))?;
        Ok(Stream {
            stop: handle,
            shared,
            thread: Some(thread),
        })
    }

    /// Starts every thread but the supervisor's, which is then the caller's own.
    pub(crate) fn engine(self) -> Result<Engine, Error> {
        let config = Arc::new(self.config);
        let listening = web::listen(&config)?;
        let telemetry = Arc::new(Telemetry::new());
        let (notices, inbox) = unbounded();
        let (control, control_inbox) = unbounded();
        let control = ControlSender::new(control);
        let (events_in, events_out) = buffer(config.buffer, Arc::clone(&telemetry));
        let calls = Cancel::new();
        let net = Arc::new(Net::new(&config)?);
        let rest = RestClient::new(
            config.hosts.clone(),
            Arc::clone(&net),
            calls.clone(),
            Limits::new(&config),
        );

        let (hurry, stopping) = bounded(0);
        let handover = match config.buffer.when_full {
            WhenFull::Block => Handover::Wait(stopping),
            _ => Handover::Offer,
        };
        let seat = OutputSeat {
            notices: notices.clone(),
            handover,
        };
        let (journal, journals) = outputs::journal(&config, &seat)?;
        let mut all = Outputs::default();
        for output in journals {
            all.add(output);
        }
        for make in self.outputs {
            all.add(make(&seat)?);
        }
        let http_address = listening.address();
        listening.join(&mut all, &seat)?;
        for output in outputs::configured(&config, &net, &seat)? {
            all.add(output);
        }
        let keep_body = match self.keep_body {
            KeepBody::Verbatim => KeepBody::Verbatim,
            KeepBody::Drop => outputs::configured_bodies(&config),
        };

        // The other protocols have no API that tells what they did not.
        let repairs = (config.protocol == Protocol::Notifications && config.backfill.enabled).then(unbounded::<Repair>);
        let aggregator = Aggregator::new(AggregatorParts {
            repairs: repairs.as_ref().map(|(jobs, _)| jobs.clone()),
            config: &config,
            buffer: events_out,
            control: control_inbox,
            telemetry: Arc::clone(&telemetry),
            outputs: all,
            journal: journal.clone(),
            clock: Arc::clone(rest.clock()),
        });
        let shared = Shared {
            published: aggregator.published(),
            control: control.clone(),
            http_address,
        };
        let repair = repairs.map(|jobs| {
            RepairThread::spawn(RepairParts {
                config: Arc::clone(&config),
                client: &rest,
                cancel: calls.child(),
                control: control.clone(),
                notices: notices.clone(),
                jobs,
            })
        });
        let repair = repair.transpose()?;
        let aggregator = aggregator.spawn(notices.clone())?;
        let supervisor = Supervisor::new(Parts {
            config,
            until: self.until,
            net,
            rest,
            inbox,
            notices: notices.clone(),
            buffer: events_in,
            control,
            telemetry,
            keep_body,
            journal,
            repair,
        });
        Ok(Engine {
            supervisor,
            aggregator,
            hurry,
            shared,
            stop: StopHandle { notices, calls },
        })
    }
}

/// All threads but the supervisor's.
pub(crate) struct Engine {
    supervisor: Supervisor,
    aggregator: AggregatorThread,
    /// Dropped when nobody may wait for an output any more.
    hurry: Sender<()>,
    shared: Shared,
    stop: StopHandle,
}

/// Time past the outputs' limit in which the aggregator's thread must have ended.
const GRACE: Duration = Duration::from_millis(150);

impl Engine {
    pub(crate) fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }

    /// The supervisor runs here; returns when everything has ended.
    pub(crate) fn run(self) -> Result<Report, Error> {
        let Stopped {
            end,
            drain_until,
            outputs_until,
            mut abandoned,
        } = self.supervisor.run();
        // From here on nobody waits for a slow output: the aggregator either drained in time or lets go.
        let aggregator = self.aggregator;
        let drained = aggregator.ends_by(drain_until);
        drop(self.hurry);
        let finished = if drained || aggregator.ends_by(outputs_until + GRACE) {
            aggregator.join()?
        } else {
            abandoned.push("the last snapshot was not finished".to_owned());
            Finished {
                snapshot: self.shared.published(),
                abandoned: Vec::new(),
            }
        };
        abandoned.extend(finished.abandoned);
        let ended = match end {
            End::Stopped => Ended::Stopped,
            End::ServerEnded => Ended::ServerEnded,
            End::OutputClosed => Ended::OutputClosed,
            End::GaveUp(error) => {
                for what in &abandoned {
                    log::warn!("{what}");
                }
                return Err(error);
            }
        };
        Ok(Report {
            ended,
            snapshot: finished.snapshot,
            abandoned,
        })
    }
}

#[derive(Clone)]
struct Shared {
    published: Arc<Mutex<Arc<Snapshot>>>,
    control: ControlSender,
    http_address: Option<SocketAddr>,
}

impl Shared {
    fn published(&self) -> Arc<Snapshot> {
        Arc::clone(&self.published.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A running stream. Dropping it stops the stream and waits for it, at most about two seconds.
pub struct Stream {
    stop: StopHandle,
    shared: Shared,
    thread: Option<JoinHandle<Result<Report, Error>>>,
}

impl Stream {
    /// Starts building one.
    pub fn builder(config: Config) -> StreamBuilder {
        StreamBuilder {
            config,
            until: Until::default(),
            keep_body: KeepBody::Drop,
            outputs: Vec::new(),
        }
    }

    /// Starts one without callbacks, for a program that asks for [`Stream::snapshot`] when it wants the numbers.
    ///
    /// # Errors
    /// As [`StreamBuilder::start`].
    pub fn start(config: Config) -> Result<Self, Error> {
        Self::builder(config).start()
    }

    /// The dashboard of now; while the aggregator is busy for long, or has ended, the last one it published.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        let (answer, answered) = bounded(1);
        self.shared.control.send(Ask::Snapshot(answer));
        answered
            .recv_timeout(SNAPSHOT_WAIT)
            .unwrap_or_else(|_| self.shared.published())
    }

    /// Where the live page and the metrics are served, if `http.listen` is set; tells the port where that was 0.
    #[must_use]
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.shared.http_address
    }

    /// Stops it from another thread; cheap to clone.
    #[must_use]
    pub fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }

    /// Whether it has ended by itself (or through a [`StopHandle`]).
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Stops it and waits for the end, at most about two seconds: sockets closed, everything received applied, the
    /// outputs done.
    ///
    /// # Errors
    /// What ended it, if it could not go on before.
    pub fn stop(self) -> Result<Report, Error> {
        self.stop.stop();
        self.wait()
    }

    /// Waits until it ends.
    ///
    /// # Errors
    /// What ended it, if it could not go on: refused credentials, a wrong queue name, too many failures.
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
            None => Err(Error::new(
                ErrorKind::Internal,
                "waiting for the stream",
                "it was waited for already",
            )),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.stop.stop();
            // What it reports has no reader.
            let _ = thread.join();
        }
    }
}

/// Stops a stream from any thread.
#[derive(Clone)]
pub struct StopHandle {
    notices: Sender<Notice>,
    calls: Cancel,
}

impl StopHandle {
    /// Asks the stream to end; returns at once. Calling it again changes nothing.
    pub fn stop(&self) {
        // The notice first: whoever wakes from an interrupted call finds it.
        let _ = self.notices.send(Notice::Stop);
        self.calls.cancel();
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
