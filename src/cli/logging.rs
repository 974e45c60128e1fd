//! Log lines with their time, to stderr, to a file, or kept back while a screen owns the terminal.
//!
//! In: `log` records · Out: lines · Thread: any (one mutex, held while one line is written).

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use log::{LevelFilter, Log, Metadata, Record};

use super::args::Verbosity;
use crate::event::notice::PROGRESS;
use crate::{Error, ErrorKind, Moment};

/// Lines kept back while a screen owns the terminal; older ones are dropped and counted.
const KEPT_LINES: usize = 200;

/// The log's own crate; what other crates say is capped.
const OWN_TARGET: &str = "genesys_stream";

/// Other crates at most say this, whatever `RUST_LOG` asks: their traces hold headers and addresses with secrets.
const FOREIGN_LIMIT: LevelFilter = LevelFilter::Info;

/// Where log lines go; clones share it, so that it can be switched while the log is in use.
#[derive(Clone, Debug)]
pub struct LogTarget(Arc<Mutex<Sink>>);

#[derive(Debug)]
struct Sink {
    file: Option<File>,
    /// `Some` while a screen owns the terminal.
    kept: Option<Kept>,
    /// A line of progress stands on the terminal, to be replaced by what follows.
    progress: bool,
}

/// To the first column, and the line is empty.
const CLEARS: &str = "\r\x1b[K";
/// Columns of a line of progress, so that it never wraps on the narrowest of usual terminals.
const PROGRESS_COLUMNS: usize = 79;

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<String>,
    dropped: u64,
}

impl LogTarget {
    /// Lines go to stderr.
    #[must_use]
    pub fn stderr() -> Self {
        Self(Arc::new(Mutex::new(Sink {
            file: None,
            kept: None,
            progress: false,
        })))
    }

    fn sink(&self) -> MutexGuard<'_, Sink> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lines are appended to this file from now on.
    ///
    /// # Errors
    /// The file cannot be opened for appending ([`ErrorKind::Configuration`]).
    pub fn append_to(&self, path: &Path) -> Result<(), Error> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(|error| {
                let did = format!("opening the log file {}", path.display());
                let what = format!("{error}; name a file that can be written, in a directory that is there");
                Error::new(ErrorKind::Configuration, did, what)
            })?;
        self.sink().file = Some(file);
        Ok(())
    }

    /// Whether lines go to a file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.sink().file.is_some()
    }

    /// From now on nothing is written to stderr: a screen owns the terminal. A log file goes on.
    pub fn keep_back(&self) {
        self.sink().kept.get_or_insert_default();
    }

    /// The screen is gone: what was kept back is written to stderr (unless there is a log file), and so is what follows.
    pub fn release(&self) {
        let mut sink = self.sink();
        let Some(kept) = sink.kept.take() else {
            return;
        };
        if sink.file.is_some() {
            return;
        }
        let mut text = String::new();
        if kept.dropped > 0 {
            text = format!("({} earlier log lines were not kept)\n", kept.dropped);
        }
        text.extend(kept.lines);
        // Nobody is left to tell if stderr is gone.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    /// The newest line while lines are kept back, without its newline: for the screen's status line.
    #[must_use]
    pub fn last_line(&self) -> Option<String> {
        let sink = self.sink();
        let line = sink.kept.as_ref()?.lines.back()?;
        Some(line.trim_end().to_owned())
    }

    /// Replaces the line of progress, if there is a place for one.
    fn show_progress(&self, text: &str) {
        let mut sink = self.sink();
        if sink.file.is_none() && sink.kept.is_none() && io::stderr().is_terminal() {
            sink.progress = true;
            let text: String = text.chars().take(PROGRESS_COLUMNS).collect();
            // As above: nobody is left to tell.
            let _ = write!(io::stderr().lock(), "{CLEARS}{text}");
        }
    }

    fn write_line(&self, line: &str) {
        let mut sink = self.sink();
        let Sink { file, kept, progress } = &mut *sink;
        if let Some(file) = file {
            // A full disk must not end the stream, and the log is where it would be told.
            let _ = file.write_all(line.as_bytes());
        }
        match kept {
            Some(kept) => {
                if kept.lines.len() == KEPT_LINES {
                    kept.lines.pop_front();
                    kept.dropped += 1;
                }
                kept.lines.push_back(line.to_owned());
            }
            None if file.is_none() => {
                let clears = if std::mem::take(progress) { CLEARS } else { "" };
                let _ = write!(io::stderr().lock(), "{clears}{line}");
            }
            None => {}
        }
    }
}

impl crate::output::live::ScreenLog for LogTarget {
    fn screen_on(&self) {
        self.keep_back();
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
                _ => self.target.write_line(&line(Moment::now(), record)),
            }
        }
    }

    fn flush(&self) {}
}

/// `2026-05-04T14:05:30.123Z WARN  message`; control characters of a peer's text cannot forge or hide lines.
fn line(now: Moment, record: &Record<'_>) -> String {
    let own = record.target().split("::").next() == Some(OWN_TARGET);
    let from = if own {
        String::new()
    } else {
        format!("{}: ", record.target())
    };
    let message = record.args().to_string();
    let mut line = format!("{now} {:5} {from}", record.level());
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

/// The level the flags ask for.
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
    // Fails only if the process has a log already, which then is somebody's choice.
    if log::set_boxed_logger(Box::new(logger)).is_ok() {
        log::set_max_level(max);
    }
    target
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::Level;

    fn logger(verbosity: Verbosity, rust_log: Option<&str>) -> Logger {
        Logger {
            filter: filter(verbosity, rust_log),
            target: LogTarget::stderr(),
        }
    }

    fn says(logger: &Logger, target: &str, level: Level) -> bool {
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
                    says(&logger, "genesys_stream::reader", level),
                    level <= loudest,
                    "{verbosity:?} {level}"
                );
            }
        }
        let logger = logger(flags(0, 2), Some("genesys_stream=debug"));
        assert!(says(&logger, "genesys_stream", Level::Debug));
    }

    #[test]
    fn other_crates_never_trace() {
        let logger = logger(Verbosity { verbose: 2, quiet: 0 }, Some("trace"));
        assert!(says(&logger, "genesys_stream", Level::Trace));
        for target in ["tungstenite::handshake::client", "ureq_proto", "genesys_streamer"] {
            assert!(!says(&logger, target, Level::Debug), "{target}");
            assert!(says(&logger, target, Level::Info), "{target}");
        }
    }

    #[test]
    fn a_line_cannot_be_forged() {
        let now = Moment::parse("2026-05-04T14:05:30.123Z").unwrap();
        let record = |target: &str| {
            let args = format_args!("evil\n{}", "\u{1b}[2J");
            line(
                now,
                &Record::builder().args(args).level(Level::Warn).target(target).build(),
            )
        };
        assert_eq!(
            record("genesys_stream::x"),
            "2026-05-04T14:05:30.123Z WARN  evil\\n\\u{1b}[2J\n"
        );
        assert!(record("rustls").contains("WARN  rustls: evil"));
    }

    #[test]
    fn progress_is_no_line() {
        let logger = logger(Verbosity { verbose: 0, quiet: 0 }, None);
        logger.target.keep_back();
        let args = format_args!("page 3 of at most 9");
        let record = |target| Record::builder().args(args).level(Level::Info).target(target).build();
        logger.log(&record(PROGRESS));
        assert_eq!(logger.target.last_line(), None);
        logger.log(&record("genesys_stream::supervisor"));
        assert!(logger.target.last_line().is_some());
    }

    #[test]
    fn lines_are_kept_back_and_written_to_the_file() {
        let target = LogTarget::stderr();
        assert_eq!(target.last_line(), None);
        target.keep_back();
        for n in 0..KEPT_LINES + 5 {
            target.write_line(&format!("line {n}\n"));
        }
        assert_eq!(target.last_line().as_deref(), Some("line 204"));
        assert_eq!(target.sink().kept.as_ref().map(|kept| kept.dropped), Some(5));

        let path = std::env::temp_dir().join(format!("gs-log-{}", std::process::id()));
        target.append_to(&path).unwrap();
        target.write_line("kept and written\n");
        target.release();
        target.write_line("written\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "kept and written\nwritten\n");
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
