//! The log: lines with their time, to stderr or a file, held back while a screen uses the terminal.
//!
//! In: `log` records · Out: lines · Thread: any (one mutex, held while one line is written).

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use log::{Level, LevelFilter, Log, Metadata, Record};

use super::args::Verbosity;
use super::log_file::LogFile;
use crate::base::plural::counted;
use crate::base::scrub;
use crate::event::notice::PROGRESS;
use crate::{Error, Moment};

/// The most lines that are held back; older ones are dropped and counted.
const MOST_HELD_LINES: usize = 200;

/// The target of this crate's records.
const OWN_TARGET: &str = "genesys_stream";

/// Other crates log at most this, whatever `RUST_LOG` says: their traces contain headers and URLs with secrets.
const FOREIGN_LIMIT: LevelFilter = LevelFilter::Info;

/// Where log lines go. Clones share it, so that it can be changed while the log is in use.
#[derive(Clone, Debug)]
pub struct LogTarget(Arc<Mutex<LogState>>);

#[derive(Debug)]
struct LogState {
    file: Option<LogFile>,
    /// Whether stderr is the journal's.
    journal: bool,
    /// A failure of the file, until it can be shown.
    complaint: Option<String>,
    /// `Some` while a screen uses the terminal.
    held: Option<HeldBack>,
    /// Whether a line of progress is on the terminal, which the next line replaces.
    progress: bool,
}

/// Moves to the first column and erases the line.
const CLEARS: &str = "\r\x1b[K";
/// Length of a line of progress, so that it does not wrap on a terminal of 80 columns.
const PROGRESS_COLUMNS: usize = 79;

#[derive(Debug, Default)]
struct HeldBack {
    lines: VecDeque<String>,
    dropped: usize,
}

impl LogTarget {
    /// Lines go to stderr.
    #[must_use]
    pub fn stderr() -> Self {
        Self(Arc::new(Mutex::new(LogState {
            file: None,
            journal: stderr_is_journal(),
            complaint: None,
            held: None,
            progress: false,
        })))
    }

    fn state(&self) -> MutexGuard<'_, LogState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lines are appended to this file from now on.
    ///
    /// # Errors
    /// The file cannot be opened for appending ([`ErrorKind::Configuration`]).
    pub fn append_to(&self, path: &Path) -> Result<(), Error> {
        let file = LogFile::new(path)?;
        self.state().file = Some(file);
        Ok(())
    }

    /// Whether lines go to a file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.state().file.is_some()
    }

    /// Stops writing to stderr, because a screen uses the terminal. A log file is still written.
    pub fn hold_back(&self) {
        self.state().held.get_or_insert_default();
    }

    /// Writes to stderr again, first the lines that were held back unless they are in the log file.
    pub fn release(&self) {
        let mut state = self.state();
        let Some(held) = state.held.take() else {
            return;
        };
        let mut text = state.complaint.take().unwrap_or_default();
        if state.file.is_none() {
            if held.dropped > 0 {
                text = format!("({} left out here)\n", counted(held.dropped, "earlier log line"));
            }
            text.extend(held.lines);
        }
        // A closed stderr is ignored.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    /// The newest line that is held back, without its newline, for the screen's status line.
    #[must_use]
    pub fn last_line(&self) -> Option<String> {
        let state = self.state();
        let line = state.held.as_ref()?.lines.back()?;
        Some(line.trim_end().to_owned())
    }

    /// Replaces the line of progress, if stderr is a terminal that only the log uses.
    fn show_progress(&self, text: &str) {
        let mut state = self.state();
        if state.file.is_none() && state.held.is_none() && io::stderr().is_terminal() {
            state.progress = true;
            let text: String = text.chars().take(PROGRESS_COLUMNS).collect();
            // A closed stderr is ignored.
            let _ = write!(io::stderr().lock(), "{CLEARS}{text}");
        }
    }

    fn write_line(&self, line: &str) {
        let mut state = self.state();
        let LogState {
            file,
            complaint,
            held,
            progress,
            journal: _,
        } = &mut *state;
        // A full disk must not end the stream, and cannot be reported in the log.
        let failure = file.as_mut().and_then(|file| file.write(line));
        match held {
            Some(held) => {
                for line in [Some(line), failure.as_deref()].into_iter().flatten() {
                    if held.lines.len() == MOST_HELD_LINES {
                        held.lines.pop_front();
                        held.dropped += 1;
                    }
                    held.lines.push_back(line.to_owned());
                }
                *complaint = failure.or(complaint.take());
            }
            None => {
                let shown = if file.is_none() { Some(line) } else { failure.as_deref() };
                if let Some(shown) = shown {
                    let clears = if std::mem::take(progress) { CLEARS } else { "" };
                    let _ = write!(io::stderr().lock(), "{clears}{shown}");
                }
            }
        }
    }

    /// How lines begin: the journal has times and levels of its own.
    fn stamp(&self) -> Stamp {
        let state = self.state();
        if state.journal && state.file.is_none() {
            Stamp::Priority
        } else {
            Stamp::Time
        }
    }
}

/// How a line begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stamp {
    Time,
    /// The level as systemd's journal reads it: `<3>`.
    Priority,
}

/// Whether stderr is the socket to systemd's journal, which `JOURNAL_STREAM` names as `device:inode`.
#[cfg(unix)]
fn stderr_is_journal() -> bool {
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;
    let Ok(named) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let stderr = io::stderr().as_fd().try_clone_to_owned().map(std::fs::File::from);
    let there = stderr.and_then(|file| file.metadata());
    there.is_ok_and(|there| named == format!("{}:{}", there.dev(), there.ino()))
}

#[cfg(not(unix))]
fn stderr_is_journal() -> bool {
    false
}

impl crate::output::live::ScreenLog for LogTarget {
    fn screen_on(&self) {
        self.hold_back();
    }

    fn screen_off(&self) {
        self.release();
    }

    fn latest(&self) -> Option<String> {
        self.last_line()
    }
}

/// The filter of `env_logger` in front of a [`LogTarget`].
struct Logger {
    filter: env_logger::Logger,
    target: LogTarget,
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let own = metadata.target().split("::").next() == Some(OWN_TARGET);
        (own || metadata.level() <= FOREIGN_LIMIT) && self.filter.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) && self.filter.matches(record) {
            match record.target() {
                PROGRESS => self.target.show_progress(&record.args().to_string()),
                _ => {
                    let line = line(Moment::now(), self.target.stamp(), record);
                    self.target.write_line(&line);
                }
            }
        }
    }

    fn flush(&self) {}
}

/// `2026-05-04T14:05:30.123Z WARN  message`, or `<4>WARN  message`. Control characters are escaped, so that a peer's text cannot forge or hide
/// lines.
fn line(now: Moment, stamp: Stamp, record: &Record<'_>) -> String {
    let own = record.target().split("::").next() == Some(OWN_TARGET);
    let from = if own {
        String::new()
    } else {
        format!("{}: ", record.target())
    };
    let message = record.args().to_string();
    let message = scrub::text(&message);
    let level = record.level();
    let mut line = match stamp {
        Stamp::Time => format!("{now} {level:5} {from}"),
        Stamp::Priority => {
            let priority = match level {
                Level::Error => 3,
                Level::Warn => 4,
                Level::Info => 6,
                Level::Debug | Level::Trace => 7,
            };
            format!("<{priority}>{level:5} {from}")
        }
    };
    for c in message.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line.push('\n');
    line
}

/// The level that the flags ask for.
fn level(verbosity: Verbosity) -> LevelFilter {
    match i16::from(verbosity.verbose) - i16::from(verbosity.quiet) {
        ..=-2 => LevelFilter::Error,
        -1 => LevelFilter::Warn,
        0 => LevelFilter::Info,
        1 => LevelFilter::Debug,
        2.. => LevelFilter::Trace,
    }
}

fn filter(verbosity: Verbosity, rust_log: Option<&str>) -> env_logger::Logger {
    let mut builder = env_logger::Builder::new();
    match rust_log.filter(|text| !text.trim().is_empty()) {
        Some(directives) => builder.parse_filters(directives),
        None => builder
            .filter_level(LevelFilter::Warn.min(level(verbosity)))
            .filter_module(OWN_TARGET, level(verbosity)),
    };
    builder.build()
}

/// Starts the log of the whole process, on stderr; `rust_log` is the variable's value and overrides `verbosity`.
#[must_use]
pub fn start(verbosity: Verbosity, rust_log: Option<&str>) -> LogTarget {
    let target = LogTarget::stderr();
    let filter = filter(verbosity, rust_log);
    let max = filter.filter();
    let logger = Logger {
        filter,
        target: target.clone(),
    };
    // Fails only if the process has a log already, which is then used.
    if log::set_boxed_logger(Box::new(logger)).is_ok() {
        log::set_max_level(max);
    }
    target
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn logger(verbosity: Verbosity, rust_log: Option<&str>) -> Logger {
        Logger {
            filter: filter(verbosity, rust_log),
            target: LogTarget::stderr(),
        }
    }

    fn logs(logger: &Logger, target: &str, level: Level) -> bool {
        logger.enabled(&Metadata::builder().target(target).level(level).build())
    }

    #[test]
    fn flags_set_the_level_and_rust_log_overrides() {
        let flags = |verbose, quiet| Verbosity { verbose, quiet };
        for (verbosity, loudest) in [
            (flags(0, 0), Level::Info),
            (flags(1, 0), Level::Debug),
            (flags(2, 0), Level::Trace),
            (flags(0, 1), Level::Warn),
            (flags(0, 2), Level::Error),
            (flags(0, 9), Level::Error),
        ] {
            let logger = logger(verbosity, None);
            for level in Level::iter() {
                assert_eq!(
                    logs(&logger, "genesys_stream::reader", level),
                    level <= loudest,
                    "{verbosity:?} {level}"
                );
            }
        }
        let logger = logger(flags(0, 2), Some("genesys_stream=debug"));
        assert!(logs(&logger, "genesys_stream", Level::Debug));
    }

    #[test]
    fn other_crates_never_trace() {
        let logger = logger(Verbosity { verbose: 2, quiet: 0 }, Some("trace"));
        assert!(logs(&logger, "genesys_stream", Level::Trace));
        for target in ["tungstenite::handshake::client", "ureq_proto", "genesys_streamer"] {
            assert!(!logs(&logger, target, Level::Debug), "{target}");
            assert!(logs(&logger, target, Level::Info), "{target}");
        }
    }

    #[test]
    fn a_line_cannot_be_forged() {
        let now = Moment::parse("2026-05-04T14:05:30.123Z").unwrap();
        let record = |stamp, target: &str| {
            let args = format_args!("evil\n{}", "\u{1b}[2J");
            line(
                now,
                stamp,
                &Record::builder().args(args).level(Level::Warn).target(target).build(),
            )
        };
        assert_eq!(
            record(Stamp::Time, "genesys_stream::x"),
            "2026-05-04T14:05:30.123Z WARN  evil\\n\\u{1b}[2J\n"
        );
        assert!(record(Stamp::Priority, "rustls").starts_with("<4>WARN  rustls: evil"));
    }

    #[test]
    fn progress_is_not_a_log_line() {
        let logger = logger(Verbosity { verbose: 0, quiet: 0 }, None);
        logger.target.hold_back();
        let args = format_args!("page 3 of at most 9");
        let record = |target| Record::builder().args(args).level(Level::Info).target(target).build();
        logger.log(&record(PROGRESS));
        assert_eq!(logger.target.last_line(), None);
        logger.log(&record("genesys_stream::supervisor"));
        assert!(logger.target.last_line().is_some());
    }

    #[test]
    fn lines_are_held_back_and_written_to_the_file() {
        let target = LogTarget::stderr();
        assert_eq!(target.last_line(), None);
        target.hold_back();
        for n in 0..MOST_HELD_LINES + 5 {
            target.write_line(&format!("line {n}\n"));
        }
        assert_eq!(target.last_line().as_deref(), Some("line 204"));
        assert_eq!(target.state().held.as_ref().map(|held| held.dropped), Some(5));

        let path = std::env::temp_dir().join(format!("gs-log-{}", std::process::id()));
        target.append_to(&path).unwrap();
        target.write_line("held and written\n");
        target.release();
        target.write_line("written\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "held and written\nwritten\n");
        std::fs::remove_file(&path).unwrap();
        let error = LogTarget::stderr().append_to(Path::new("/nowhere/log")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        let says = error.to_string();
        assert!(
            says.contains("/nowhere/log") && says.contains("directory that is there"),
            "{says}"
        );
    }
}
