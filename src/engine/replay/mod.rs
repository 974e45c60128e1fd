//! Plays a recording through the decoders, the core and the outputs of a run, in the recording's order and on its time.
//!
//! In: a recording, a pace · Out: what the recorded run gave · Thread: `gs-replay`; it waits until a line is due, and for
//! outputs, and for nothing once it is stopped.

#[cfg(test)]
mod cases;
mod decoders;
mod delivery;
#[cfg(test)]
mod extremes;
mod file;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod pace;
mod run;
mod telling;

use self::delivery::Delivery;
pub(crate) use self::delivery::OUTPUT_LIMIT;
pub(crate) use self::file::Recording;
use self::pace::Pacer;
pub(crate) use self::pace::{Pace, Progress, Tell};
use self::run::Run;
pub(crate) use self::telling::{Told, told_of};
use crate::engine::Finished;
use crate::net::{Cancel, Waited};
use crate::output::Outputs;
use crate::output::recording::Line;
use crate::protocol::KeepBody;
use crate::{Error, ErrorKind};

/// Plays one recording: one run after the other, each from a start of its own.
pub(crate) struct Player {
    recording: Recording,
    run: Run,
    pacer: Pacer,
    delivery: Delivery,
    bodies: KeepBody,
    cancel: Cancel,
}

impl Player {
    /// Ends early when `cancel` says so.
    pub(crate) fn new(recording: Recording, outputs: Outputs, pace: Pace, bodies: KeepBody, cancel: Cancel) -> Self {
        let (at, start) = recording.start();
        Self {
            run: Run::new(start, at, bodies),
            pacer: Pacer::new(pace, at),
            delivery: Delivery::new(outputs, cancel.clone()),
            recording,
            bodies,
            cancel,
        }
    }

    /// Plays to the end, or until it is stopped.
    ///
    /// # Errors
    /// The first broken line, after everything before it was played and the outputs ended in order.
    pub(crate) fn run(mut self) -> Result<Finished, Error> {
        let played = self.play();
        self.pacer.end();
        let cause = match &played {
            Err(error) => Some(error.to_string()),
            Ok(()) if self.run.is_stopped() => None,
            Ok(()) if self.cancel.is_cancelled() => Some("asked to stop".to_owned()),
            Ok(()) => {
                log::warn!("the recording has no stop: it was cut off there");
                Some("the recording ends here".to_owned())
            }
        };
        if let Some(cause) = cause {
            self.run.cut_off(cause, &mut self.delivery);
        }
        self.delivery.flush();
        let counts = self.delivery.outputs.counts();
        let last = self.run.snapshot(counts);
        let finished = self.delivery.finish(last);
        played.map(|()| finished)
    }

    fn play(&mut self) -> Result<(), Error> {
        while let Some(line) = self.recording.next_line()? {
            if self.pacer.wait_for(line.at, &self.cancel) == Waited::Cancelled {
                return Ok(());
            }
            self.pacer.tell(self.recording.percent(), line.at);
            self.play_line(line).map_err(|what| self.recording.broken(&what))?;
            if self.run.is_settled() && self.pacer.shows_snapshot(self.run.now()) {
                let counts = self.delivery.outputs.counts();
                self.delivery.snapshot(self.run.snapshot(counts));
            }
        }
        Ok(())
    }

    fn play_line(&mut self, line: Line) -> Result<(), String> {
        let Some(start) = line.as_start() else {
            return self.run.play(line, &mut self.delivery);
        };
        log::info!("the recording goes on with another run at {}", line.at);
        self.run = Run::new(start, line.at, self.bodies);
        self.pacer.begin(line.at);
        Ok(())
    }
}

/// An error about a recording.
fn failed(path: &std::path::Path, what: impl Into<String>, kind: ErrorKind) -> Error {
    Error::new(kind, format!("replaying {}", path.display()), what)
}
