//! A replay: the outputs of a stream, fed from a recording.
//!
//! In: a builder with its outputs, a recording · Out: a `Report` · Thread: the caller's waits, `gs-replay` plays.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, select, unbounded};

use super::outputs::{self, OutputSpawner};
use super::run::GRACE;
use super::web::BoundServer;
use super::{Ended, Report, StopHandle, StreamBuilder};
use crate::engine::Finished;
use crate::engine::replay::{OUTPUT_LIMIT, Pace, Player, Recording};
use crate::event::notice::Notice;
use crate::net::cancel::Never;
use crate::net::{Cancel, Net};
use crate::output::Outputs;
use crate::output::sink::Handover;
use crate::web::Source;
use crate::{Error, ErrorKind};

/// A replay that is ready to run.
pub(crate) struct ReplayRun {
    player: Player,
    /// Ends the player.
    cancel: Cancel,
    inbox: Receiver<Notice>,
    /// Dropped when the player must no longer wait for outputs.
    output_waits: Sender<()>,
    stop: StopHandle,
}

impl StreamBuilder {
    /// Prepares a replay with these outputs. The replay waits for them.
    ///
    /// # Errors
    /// As [`StreamBuilder::start`].
    pub(crate) fn replay(self, recording: Recording, pace: Pace) -> Result<ReplayRun, Error> {
        let config = Arc::new(self.config);
        let server = BoundServer::bind(&config, Source::Replay)?;
        // Cannot grow: the stop, and the end of each output.
        let (notices, inbox) = unbounded();
        let (output_waits, stopping) = bounded(0);
        let net = Arc::new(Net::new(&config)?);
        let spawner = OutputSpawner {
            notices: notices.clone(),
            handover: Handover::WaitForRoom(stopping),
        };
        let mut all = Outputs::default();
        outputs::start(self.outputs, server, &config, &net, &spawner, &mut all)?;
        let keep_body = outputs::keep_body(self.keep_body, &config);
        let cancel = Cancel::new();
        Ok(ReplayRun {
            player: Player::new(recording, all, pace, keep_body, cancel.clone()),
            cancel,
            inbox,
            output_waits,
            stop: StopHandle {
                notices,
                calls: Cancel::new(),
            },
        })
    }
}

impl ReplayRun {
    pub(crate) fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }

    /// Plays; returns when the outputs have taken everything, or soon after the replay was stopped.
    ///
    /// # Errors
    /// The first broken line.
    pub(crate) fn run(self) -> Result<Report, Error> {
        let (alive, done) = bounded::<Never>(0);
        let player = self.player;
        let thread = std::thread::Builder::new()
            .name("gs-replay".to_owned())
            .spawn(move || {
                let _alive: Sender<Never> = alive;
                player.run()
            })
            .map_err(|error| Error::caused_by(ErrorKind::Local, "starting the replay's thread", error))?;
        let ended = loop {
            select! {
                recv(self.inbox) -> notice => match notice {
                    Ok(Notice::Stop) => break Some(Ended::Stopped),
                    Ok(Notice::OutputClosed(_)) => break Some(Ended::OutputClosed),
                    Ok(_) => {}
                    Err(_) => break None,
                },
                recv(done) -> _ => break None,
            }
        };
        if ended.is_some() {
            self.cancel.cancel();
            // The player may wait for an output that nobody reads; then it is told to wait no longer.
            let is_done = |limit: Duration| done.recv_timeout(limit).is_err_and(|error| error.is_disconnected());
            if !is_done(OUTPUT_LIMIT) {
                drop(self.output_waits);
                let until = Instant::now() + OUTPUT_LIMIT + GRACE;
                if !is_done(until.saturating_duration_since(Instant::now())) {
                    return Err(Error::new(
                        ErrorKind::Local,
                        "stopping the replay",
                        "an output did not end in time; what it had not taken is lost",
                    ));
                }
            }
        }
        let Finished { snapshot, abandoned } = thread.join().unwrap_or_else(|panic| {
            let what = crate::base::error::panic_text(&*panic);
            Err(Error::new(
                ErrorKind::Internal,
                "replaying",
                format!("a defect ended it: {what}"),
            ))
        })?;
        Ok(Report {
            ended: ended.unwrap_or(Ended::Stopped),
            snapshot,
            abandoned,
        })
    }
}
