//! One run: starts its threads, runs the supervisor, and waits for the end of the others.
//!
//! In: a builder · Out: a `Report` · Thread: `gs-supervisor`, or the program's main thread.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded, unbounded};

use super::outputs::{self, OutputSpawner};
use super::web::BoundServer;
use super::{Ended, Report, Shared, StopHandle, StreamBuilder};
use crate::Error;
use crate::config::{Protocol, WhenFull};
use crate::engine::{Aggregator, AggregatorParts, AggregatorThread, ControlSender, Finished, Repair};
use crate::net::{Cancel, Net};
use crate::output::Outputs;
use crate::output::sink::Handover;
use crate::reader::buffer::buffer;
use crate::reader::telemetry::Telemetry;
use crate::rest::{Limits, RestClient};
use crate::supervisor::{End, Parts, RepairParts, RepairThread, Stopped, Supervisor};
use crate::web::Source;

/// A run whose threads are started, but for the supervisor's.
pub(crate) struct Run {
    supervisor: Head,
    aggregator: AggregatorThread,
    /// Dropped when nobody may wait for an output any more.
    output_waits: Sender<()>,
    shared: Shared,
    stop: StopHandle,
}

/// What feeds the aggregator.
#[cfg(not(feature = "engine"))]
type Head = Supervisor;

/// What feeds the aggregator: Genesys, or other processes that read it.
#[cfg(feature = "engine")]
enum Head {
    Service(Box<Supervisor>),
    Readers(Box<crate::sharing::Follower>),
}

#[cfg(feature = "engine")]
impl Head {
    fn run(self) -> Stopped {
        match self {
            Self::Service(supervisor) => supervisor.run(),
            Self::Readers(follower) => follower.run(),
        }
    }
}

/// Time past the outputs' limit in which the aggregator's thread must have ended.
pub(super) const GRACE: Duration = Duration::from_millis(150);

impl Run {
    pub(crate) fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }

    #[cfg(all(unix, feature = "cli"))]
    pub(crate) fn pulse(&self) -> super::Pulse {
        super::Pulse::new(self.stop.notices.clone(), self.shared.control.clone())
    }

    pub(super) fn shared(&self) -> Shared {
        self.shared.clone()
    }

    /// Runs the supervisor on the caller's thread; returns when everything has ended.
    ///
    /// # Errors
    /// What ended the run, if it could not go on.
    pub(crate) fn run(self) -> Result<Report, Error> {
        let Stopped {
            end,
            drain_until,
            outputs_until,
            mut abandoned,
        } = self.supervisor.run();
        // From here on no output is waited for: the aggregator has drained the buffer, or drops what is left.
        let aggregator = self.aggregator;
        let drained = aggregator.ends_by(drain_until);
        drop(self.output_waits);
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

impl StreamBuilder {
    /// Starts every thread but the supervisor's, which is then the caller's own ([`Run::run`]).
    ///
    /// # Errors
    /// Those of [`StreamBuilder::start`].
    pub(crate) fn prepare(self) -> Result<Run, Error> {
        let config = Arc::new(self.config);
        let server = BoundServer::bind(&config, Source::Service)?;
        let http_address = server.address();
        let telemetry = Arc::new(Telemetry::new());
        // Cannot grow: of each connection one notice of a kind, of changes one a second, of each call and tick one; the
        // supervisor never blocks.
        let (notices, inbox) = unbounded();
        // Cannot grow: a few changes for each notice, and of REST a page that is waited for; the engine takes these first.
        let (control, control_inbox) = unbounded();
        let control = ControlSender::new(control);
        server.ask(&control);
        let (events_in, events_out) = buffer(config.buffer, Arc::clone(&telemetry));
        let calls = Cancel::new();
        let net = Arc::new(Net::new(&config)?);
        let rest = RestClient::new(
            config.hosts.clone(),
            Arc::clone(&net),
            calls.clone(),
            Limits::new(&config),
        );

        let (output_waits, stopping) = bounded(0);
        let spawner = OutputSpawner {
            notices: notices.clone(),
            handover: match config.buffer.when_full {
                WhenFull::Block => Handover::WaitForRoom(stopping),
                WhenFull::Coalesce | WhenFull::DropOldest | WhenFull::DropNewest => Handover::DropWhenFull,
            },
        };
        let mut all = Outputs::default();
        let journal = outputs::start_journal(&config, &spawner, &mut all)?;
        #[cfg(feature = "engine")]
        let journal = {
            let mut journal = journal;
            let parts = crate::sharing::PublisherParts {
                config: Arc::clone(&config),
                control: control.clone(),
                notices: notices.clone(),
                clock: Arc::clone(rest.clock()),
            };
            outputs::start_publisher(parts, &spawner, &mut journal, &mut all)?;
            journal
        };
        outputs::start(self.outputs, server, &config, &net, &spawner, &mut all)?;
        let keep_body = outputs::keep_body(self.keep_body, &config);

        // Cannot grow beyond the gaps: one job for each.
        // The other protocols have no API that fills in what was missed.
        #[cfg(feature = "engine")]
        let only_shows = config.engine.only_shows();
        #[cfg(not(feature = "engine"))]
        let only_shows = false;
        let repairs = (!only_shows && config.protocol == Protocol::Notifications && config.backfill.enabled)
            .then(unbounded::<Repair>);
        #[cfg(feature = "engine")]
        let (take_over, past) = bounded(1);
        let aggregator = Aggregator::new(AggregatorParts {
            #[cfg(feature = "engine")]
            past,
            repairs: repairs.as_ref().map(|(jobs, _)| jobs.clone()),
            config: &config,
            buffer: events_out,
            control: control_inbox,
            telemetry: Arc::clone(&telemetry),
            outputs: all,
            journal: journal.clone(),
            clock: Arc::clone(rest.clock()),
            notices: notices.clone(),
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
        let aggregator = aggregator.spawn()?;
        #[cfg(feature = "engine")]
        if only_shows {
            let follower = crate::sharing::Follower::new(crate::sharing::FollowerParts {
                config,
                until: self.until,
                inbox,
                asked: calls.clone(),
                buffer: events_in,
                control,
                take_over,
                telemetry,
                clock: Arc::clone(rest.clock()),
            })?;
            return Ok(Run {
                supervisor: Head::Readers(Box::new(follower)),
                aggregator,
                output_waits,
                shared,
                stop: StopHandle { notices, calls },
            });
        }
        let supervisor = Supervisor::new(Parts {
            config,
            until: self.until,
            net,
            rest,
            inbox,
            asked: calls.clone(),
            notices: notices.clone(),
            buffer: events_in,
            control,
            telemetry,
            keep_body,
            journal,
            repair,
        });
        #[cfg(feature = "engine")]
        let supervisor = Head::Service(Box::new(supervisor));
        Ok(Run {
            supervisor,
            aggregator,
            output_waits,
            shared,
            stop: StopHandle { notices, calls },
        })
    }
}
