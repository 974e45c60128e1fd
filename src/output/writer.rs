//! Lines in batches onto any writer, with every loss counted and every line whole.
//!
//! In: lines of a `Render` · Out: bytes on a writer · Thread: that of its output.
//!
//! When a write fails half-way through a line, the rest of that line is kept and written first the next time: after a
//! full disk has room again, every line in the file is still whole.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Item;
use super::complaint::Complaint;
use super::sink::{Closed, Outlet, Wants};
use super::tally::Tally;
use crate::model::snapshot::Snapshot;

/// A batch is written at this size: beyond it a larger write is not faster.
const BATCH_BYTES: usize = 128 * 1024;
/// A buffer that grew beyond this for one huge body is given back.
const KEPT_BYTES: usize = 1024 * 1024;
/// How soon a writer that does not block is tried again.
const RETRY: Duration = Duration::from_millis(5);

/// What a line output makes of items.
pub(crate) trait Render: Send {
    /// Which items it wants.
    fn wants(&self) -> Wants;

    /// Appends the lines of an item.
    fn render(&mut self, item: &Item, out: &mut Vec<u8>) -> Rendered;

    /// Appends what stands at the end.
    fn end(&mut self, last: Option<&Snapshot>, out: &mut Vec<u8>);

    /// The last `count` numbered records that were rendered did not leave: their numbers are free again.
    fn take_back(&mut self, count: u64) {
        let _ = count;
    }
}

/// What became of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rendered {
    /// Nothing to write, nothing to count.
    Nothing,
    /// A record without a number.
    Plain,
    /// A record with a number.
    Numbered,
}

/// A line output.
pub(crate) struct LineOutlet<R, W> {
    name: &'static str,
    render: R,
    writer: W,
    bytes: Vec<u8>,
    /// Where each record in `bytes` ends, and whether it has a number.
    records: Vec<(usize, Rendered)>,
    /// The first record in `bytes` is the rest of one that was begun.
    torn: bool,
    complaint: Complaint,
}

impl<R: Render, W: Write + Send> LineOutlet<R, W> {
    /// `name` is for the log.
    pub(crate) fn new(name: &'static str, render: R, writer: W) -> Self {
        Self {
            name,
            render,
            writer,
            bytes: Vec::new(),
            records: Vec::new(),
            torn: false,
            complaint: Complaint::default(),
        }
    }

    fn push(&mut self, what: Rendered) {
        if what != Rendered::Nothing {
            self.records.push((self.bytes.len(), what));
        }
    }

    fn write_batch(&mut self, tally: &Tally) -> Result<(), Closed> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        let (at, result) = write_out(&mut self.writer, &self.bytes, tally);
        let left = self.records.iter().filter(|(end, _)| *end <= at).count();
        tally.wrote(left as u64);
        let Err(error) = result else {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_BYTES);
            self.records.clear();
            self.torn = false;
            if let Some(line) = self.complaint.worked(self.name) {
                log::info!("{line}");
            }
            return Ok(());
        };
        // From here: records[left..] are not written; the first of them may be begun.
        let line_start = left.checked_sub(1).map_or(0, |last| self.records[last].0);
        let begun = left < self.records.len() && (at > line_start || left == 0 && self.torn);
        let kept = usize::from(begun);
        let lost = &self.records[left + kept..];
        let numbered = lost.iter().filter(|(_, what)| *what == Rendered::Numbered).count();
        let lost = lost.len() as u64;
        tally.missed(lost);
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
        if let Some(line) = self.complaint.failed(self.name, &error, lost, Instant::now()) {
            log::warn!("{line}");
        }
        Ok(())
    }
}

impl<R: Render, W: Write + Send> Outlet for LineOutlet<R, W> {
    fn wants(&self) -> Wants {
        self.render.wants()
    }

    fn take(&mut self, item: Item, tally: &Tally) -> Result<(), Closed> {
        let what = self.render.render(&item, &mut self.bytes);
        self.push(what);
        if self.bytes.len() >= BATCH_BYTES {
            self.write_batch(tally)?;
        }
        Ok(())
    }

    fn flush(&mut self, tally: &Tally) -> Result<(), Closed> {
        self.write_batch(tally)
    }

    fn end(&mut self, last: Option<Arc<Snapshot>>, tally: &Tally) -> Result<(), Closed> {
        // Apart from the last block, so that an error there cannot be mistaken for a loss of records.
        self.write_batch(tally)?;
        let from = self.bytes.len();
        self.render.end(last.as_deref(), &mut self.bytes);
        if self.bytes.len() > from {
            tally.offered();
            self.push(Rendered::Plain);
        }
        self.write_batch(tally)
    }
}

/// Whether the error says that nobody reads any more.
pub(crate) fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted
    )
}

/// Writes all of `bytes`; how many were written, and what went wrong with the rest.
pub(crate) fn write_out(writer: &mut dyn Write, bytes: &[u8], tally: &Tally) -> (usize, io::Result<()>) {
    let mut at = 0;
    while at < bytes.len() {
        match writer.write(&bytes[at..]) {
            Ok(0) => return (at, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => at += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            // Another process may have made a shared pipe or terminal non-blocking; there is nothing to wait on but time.
            Err(e) if e.kind() == io::ErrorKind::WouldBlock && !tally.is_over() => {
                let _ = crossbeam_channel::after(RETRY).recv();
            }
            Err(e) => return (at, Err(e)),
        }
    }
    (at, writer.flush())
}

/// Stdout without the standard library's line buffer, so that what is counted as written is written.
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
