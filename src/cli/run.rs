//! `run` and `demo`: a stream from its start to its end.
//!
//! In: a checked configuration · Out: records on stdout, an error or none · Thread: main.

use super::logging::LogTarget;
use super::settings::RunOptions;
use super::signals::SignalWatch;
use crate::config::{Config, Stdout, Terminal};
use crate::{Error, ErrorKind};

/// What the process owns and a stream needs.
pub struct Surroundings {
    /// Where log lines go: kept back while `live` owns the terminal.
    pub log: LogTarget,
    /// Its first signal stops the stream.
    pub signals: SignalWatch,
}

/// Shows what is odd and what is without effect, then streams until stopped.
pub fn start(config: Config, notes: &[String], options: RunOptions, surroundings: &Surroundings) -> Result<(), Error> {
    if let Some(file) = &config.outputs.log_file {
        surroundings.log.append_to(file)?;
    }
    for line in notes.iter().chain(&config.not_acted_on()) {
        log::warn!("{line}");
        // A warning that nobody sees is none.
        if surroundings.log.is_file() {
            super::say(&format!("warning: {line}"));
        }
    }
    log::info!("{}", config.summary());
    run(config, options, surroundings)
}

/// Streams until stopped.
fn run(config: Config, options: RunOptions, surroundings: &Surroundings) -> Result<(), Error> {
    let stdout = config.outputs.stdout.resolved(Terminal::of_stdout());
    log::debug!(
        "stdout {}, {options:?}, terminal kept for a screen: {}",
        stdout.as_str(),
        stdout == Stdout::Live
    );
    let (stop, stopped) = crossbeam_channel::bounded::<()>(1);
    surroundings.signals.on_stop(move || drop(stop));
    drop(stopped);
    Err(Error::new(
        ErrorKind::Internal,
        "starting the stream",
        "the stream engine is not part of this build",
    ))
}
