//! `replay`: a recording through the outputs of a run, on its own time.
//!
//! In: flags, a recording · Out: records on stdout, progress on a terminal · Thread: main.

use std::io::{IsTerminal, Write};

use super::args::ReplayFlags;
use super::logging::LogTarget;
use super::run::{self, Process, ReplayOptions, Source};
use super::settings::Settings;
use super::signals::SignalWatch;
use crate::config::{Config, ModelConfig};
use crate::engine::replay::{Progress, Recording, Tell};
use crate::output::recording::Start;
use crate::{Error, Secret};

/// Plays a recording to its end.
pub fn start(flags: ReplayFlags, log: &LogTarget) -> Result<(), Error> {
    let recording = Recording::open(&flags.recording)?;
    // Nothing is connected, and what the numbers mean comes from the recording.
    let builder = Config::builder().connection_overridden("http://127.0.0.1:1", "replay", Secret::new("replay"));
    let mut settings = Settings::new(builder);
    settings.file(&flags.file);
    settings.output(&flags.output);
    let (mut config, mut notes) = settings.builder.build_with_notes()?;
    take_over(&mut config, recording.start().1);
    if config.outputs.audit_file.take().is_some() {
        notes.push("outputs.audit_file (--audit-file) has no effect: a replay is not audited".to_owned());
    }
    if config.outputs.record_file.take().is_some() {
        notes.push("outputs.record_file (--record) has no effect: a replay is not recorded".to_owned());
    }
    let process = Process {
        log: log.clone(),
        signals: SignalWatch::start()?,
    };
    let options = ReplayOptions {
        speed: flags.speed,
        tell: progress(),
    };
    let source = Source::Recording(Box::new(recording), options);
    run::start(config, &notes, source, &process)
}

fn take_over(config: &mut Config, start: &Start) {
    let settings = start.settings.clone();
    config.hosts.region.clone_from(&start.region);
    config.protocol = settings.protocol;
    config.stale_after = settings.stale_after;
    config.windows = settings.windows;
    config.totals = settings.totals;
    config.thresholds = settings.thresholds;
    config.model = ModelConfig {
        retention: settings.retention,
        max_conversations: settings.max_conversations,
        max_bytes: settings.max_bytes,
        ..config.model
    };
}

/// Progress on stderr, where that is a terminal and nothing else draws on it.
fn progress() -> Option<Tell> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    Some(Box::new(|progress: Option<Progress>| {
        let text = match progress {
            Some(Progress { percent, at }) => format!("\rreplaying: {percent:>3} % | {at} "),
            // Erases the line.
            None => "\r\x1b[K".to_owned(),
        };
        // A closed stderr stops nothing.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }))
}
