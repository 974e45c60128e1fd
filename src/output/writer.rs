//! Writes lines in batches onto any writer; counts every loss and never leaves half a line.
//!
//! In: lines of a `Render` · Out: bytes on a writer · Thread: that of its output.
//!
//! When a write fails in the middle of a line, the rest of that line is kept and written first the next time, so that
//! every line in the file is whole once a full disk has room again.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Item;
use super::counters::OutputCounters;
use super::failure_log::FailureLog;
use super::sink::{Closed, Sink, Wants};
use crate::model::snapshot::Snapshot;

/// A batch is written at this size: larger writes are not faster.
const BATCH_BYTES: usize = 128 * 1024;
/// The memory that the buffer keeps after it grew for one huge body.
const KEPT_BYTES: usize = 1024 * 1024;
/// How soon a non-blocking writer that would have blocked is tried again.
const RETRY: Duration = Duration::from_millis(5);

/// Renders items as lines.
pub(crate) trait Render: Send {
    /// The items that it wants.
    fn wants(&self) -> Wants;

    /// Appends the lines of an item.
    fn render(&mut self, item: &Item, out: &mut Vec<u8>) -> Rendered;

    /// Appends the last lines.
    fn end(&mut self, last: Option<&Snapshot>, out: &mut Vec<u8>);

    /// The last `count` numbered records were not written: their numbers are used again.
    fn take_back(&mut self, count: u64) {
        let _ = count;
    }
}

/// How an item was rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rendered {
    /// Nothing to write, nothing to count.
    Nothing,
    /// A record without a number.
    Plain,
    /// A record with a number.
    Numbered,
}

/// A sink that writes lines.
pub(crate) struct LineSink<R, W> {
    name: &'static str,
    render: R,
    writer: W,
    bytes: Vec<u8>,
    /// Where each record in `bytes` ends, and whether it has a number.
    records: Vec<(usize, Rendered)>,
    /// The first record in `bytes` is the rest of one that was partly written.
    torn: bool,
    failures: FailureLog,
}

impl<R: Render, W: Write + Send> LineSink<R, W> {
    /// `name` is for the log.
    pub(crate) fn new(name: &'static str, render: R, writer: W) -> Self {
        Self {
            name,
            render,
            writer,
            bytes: Vec::new(),
            records: Vec::new(),
            torn: false,
            failures: FailureLog::default(),
        }
    }

    fn push(&mut self, what: Rendered) {
        if what != Rendered::Nothing {
            self.records.push((self.bytes.len(), what));
        }
    }

    fn write_batch(&mut self, counters: &OutputCounters) -> Result<(), Closed> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        let (at, result) = write_out(&mut self.writer, &self.bytes, counters);
        let left = self.records.iter().filter(|(end, _)| *end <= at).count();
        counters.wrote(left as u64);
        let Err(error) = result else {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_BYTES);
            self.records.clear();
            self.torn = false;
            if let Some(line) = self.failures.worked(self.name) {
                log::info!("{line}");
            }
            return Ok(());
        };
        // records[left..] are not written, or the first of them in part.
        let line_start = left.checked_sub(1).map_or(0, |last| self.records[last].0);
        let begun = left < self.records.len() && (at > line_start || left == 0 && self.torn);
        let kept = usize::from(begun);
        let lost = &self.records[left + kept..];
        let numbered = lost.iter().filter(|(_, what)| *what == Rendered::Numbered).count();
        let lost = lost.len() as u64;
        counters.missed(lost);
        self.render.take_back(numbered as u64);
        if begun {
            let (end, what) = self.records[left];
            self.bytes.truncate(end);
            self.bytes.drain(..at);
            self.records.clear();
            self.records.push((end - at, what));
        } else {
            self.bytes.clear();
            self.records.clear();
        }
        self.torn = begun;
        if is_closed(&error) {
            return Err(Closed);
        }
        if let Some(line) = self.failures.failed(self.name, &error, lost, Instant::now()) {
            log::warn!("{line}");
        }
        Ok(())
    }
}

impl<R: Render, W: Write + Send> Sink for LineSink<R, W> {
    fn wants(&self) -> Wants {
        self.render.wants()
    }

    fn take(&mut self, item: Item, counters: &OutputCounters) -> Result<(), Closed> {
        let what = self.render.render(&item, &mut self.bytes);
        self.push(what);
        if self.bytes.len() >= BATCH_BYTES {
            self.write_batch(counters)?;
        }
        Ok(())
    }

    fn flush(&mut self, counters: &OutputCounters) -> Result<(), Closed> {
        self.write_batch(counters)
    }

    fn end(&mut self, last: Option<Arc<Snapshot>>, counters: &OutputCounters) -> Result<(), Closed> {
        // In a write of its own, so that an error in the last lines is not taken for a loss of these records.
        self.write_batch(counters)?;
        let from = self.bytes.len();
        self.render.end(last.as_deref(), &mut self.bytes);
        if self.bytes.len() > from {
            counters.offered();
            self.push(Rendered::Plain);
        }
        self.write_batch(counters)
    }
}

/// Whether the error says that the reader is gone.
pub(crate) fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted
    )
}

/// Writes all of `bytes`. Returns how many were written, and the error that stopped the rest.
pub(crate) fn write_out(writer: &mut dyn Write, bytes: &[u8], counters: &OutputCounters) -> (usize, io::Result<()>) {
    let mut at = 0;
    while at < bytes.len() {
        match writer.write(&bytes[at..]) {
            Ok(0) => return (at, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => at += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            // Another process may have made a shared pipe or terminal non-blocking; retrying is all that can be done.
            Err(e) if e.kind() == io::ErrorKind::WouldBlock && !counters.is_over() => {
                let _ = crossbeam_channel::after(RETRY).recv();
            }
            Err(e) => return (at, Err(e)),
        }
    }
    (at, writer.flush())
}

/// Stdout without the standard library's line buffer: what is counted as written must have left the process.
#[cfg(feature = "cli")]
pub(crate) fn stdout() -> Box<dyn Write + Send> {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd;
        if let Ok(fd) = io::stdout().as_fd().try_clone_to_owned() {
            return Box::new(std::fs::File::from(fd));
        }
    }
    Box::new(io::stdout())
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
