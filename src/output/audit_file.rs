//! The audit file: a chain of lines that grows over runs, crashes and rotations.
//!
//! In: `Item::Audited` · Out: lines of `audit::Chain`, rotated by size · Thread: that of its output.
//!
//! Each line is written with one call, so that a killed process leaves whole lines. If a crash of the machine tears the last
//! line, the next start ends it with a newline and goes on with a `torn` entry, whose `prev` is the hash of the torn line.
//! Entries that a full disk or a vanished directory cost are counted in a `missed` entry once writing works again.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::Item;
use super::appending::{self, Lock, advice, is_still, refuse};
use super::counters::OutputCounters;
use super::failure_log::FailureLog;
use super::sink::{Closed, Events, Sink, Snapshots, Wants};
use crate::audit::{Chain, Entry, entries};
use crate::model::snapshot::Snapshot;
use crate::{Error, Moment};

const NAME: &str = "audit_file";
/// Size of a file at most; before it would grow beyond, it is rotated.
pub(crate) const ROTATE_BYTES: u64 = 10 << 20;
/// Rotated files that are kept; `FILE.1` is the youngest.
pub(crate) const KEPT: u32 = 10;

/// See the module.
pub(crate) struct AuditFile {
    path: PathBuf,
    rotate_bytes: u64,
    chain: Chain,
    open: Option<Open>,
    /// Entries that could not be written, and the time of the first.
    missed: Option<(u64, Moment)>,
    failures: FailureLog,
}

struct Open {
    file: File,
    /// Its length; `None` for what is no regular file.
    bytes: Option<u64>,
}

impl AuditFile {
    /// Opens `path` and finds the end of its chain.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Configuration`] where it cannot be opened or written, or another process has it.
    pub(crate) fn new(path: &Path, rotate_bytes: u64) -> Result<Self, Error> {
        let mut this = Self {
            path: path.to_owned(),
            rotate_bytes,
            chain: Chain::beginning(),
            open: None,
            missed: None,
            failures: FailureLog::default(),
        };
        this.chain = chain_of(&rotated(path, 1)).unwrap_or_else(Chain::beginning);
        match this.reopen() {
            Ok(()) => Ok(this),
            // The disk may have room later; until then each entry fails and is counted.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => Ok(this),
            Err(error) => Err(refuse("audit file", path, error)),
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        let mut file = appending::open(&self.path)?;
        let there = file.metadata()?;
        if !there.is_file() {
            self.open = Some(Open { file, bytes: None });
            return Ok(());
        }
        if appending::lock(&file) == Lock::Taken {
            let what = "another process writes to it; each needs its own";
            return Err(io::Error::new(io::ErrorKind::AddrInUse, what));
        }
        let tail = appending::tail(&mut file)?;
        if let Some(last) = &tail.last {
            self.chain = Chain::after(last);
        }
        if !tail.torn.is_empty() {
            file.write_all(b"\n")?;
            self.chain = Chain::after(&tail.torn);
        }
        let bytes = file.metadata()?.len();
        self.open = Some(Open {
            file,
            bytes: Some(bytes),
        });
        if !tail.torn.is_empty() {
            log::warn!("output {NAME}: its last line was torn by a crash; it was ended and chained over");
            self.append(&entries::torn(tail.torn.len(), Moment::now()))?;
        }
        Ok(())
    }

    fn append(&mut self, entry: &Entry) -> io::Result<()> {
        let is_current = |open: &Open| is_still(&self.path, &open.file);
        if !self.open.as_ref().is_some_and(is_current) {
            self.open = None;
            self.reopen()?;
        }
        let line = self.chain.line(entry);
        let is_full = |open: &Open| {
            open.bytes
                .is_some_and(|bytes| bytes > 0 && bytes + line.len() as u64 > self.rotate_bytes)
        };
        if self.open.as_ref().is_some_and(is_full) {
            self.rotate()?;
        }
        let Some(open) = &mut self.open else {
            return Err(io::ErrorKind::NotFound.into());
        };
        if let Err(error) = open.file.write_all(&line) {
            // Removes the half-written line; if that fails, the next opening finds it torn.
            let whole = open.bytes.map(|bytes| open.file.set_len(bytes));
            if !matches!(whole, Some(Ok(()))) {
                self.open = None;
            }
            return Err(error);
        }
        open.bytes = open.bytes.map(|bytes| bytes + line.len() as u64);
        self.chain = Chain::after(&line[..line.len() - 1]);
        Ok(())
    }

    /// Renames `FILE` to `FILE.1`, `FILE.1` to `FILE.2` and so on; the chain continues in a new `FILE`.
    fn rotate(&mut self) -> io::Result<()> {
        if let Some(open) = &self.open {
            open.file.sync_all()?;
        }
        for number in (1..KEPT).rev() {
            match fs::rename(rotated(&self.path, number), rotated(&self.path, number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.path, rotated(&self.path, 1))?;
        self.open = None;
        self.reopen()
    }

    /// Writes an entry, preceded by a `missed` entry if some could not be written before.
    fn write(&mut self, entry: &Entry) -> io::Result<()> {
        if let Some((count, since)) = self.missed {
            self.append(&entries::missed(count, since, Moment::now()))?;
            self.missed = None;
        }
        self.append(entry)
    }

    fn settle(&mut self, entry: &Entry, counters: &OutputCounters) {
        match self.write(entry) {
            Ok(()) => {
                counters.wrote(1);
                if let Some(line) = self.failures.worked(NAME) {
                    log::info!("{line}");
                }
            }
            Err(error) => {
                counters.missed(1);
                self.missed = match self.missed {
                    Some((count, since)) => Some((count + 1, since)),
                    None => Some((1, entry.at())),
                };
                let what = format!("{}: {error}; {}", self.path.display(), advice(&error));
                if let Some(line) = self.failures.failed(NAME, &what, 1, Instant::now()) {
                    log::warn!("{line}");
                }
            }
        }
    }
}

/// `FILE.N`.
pub(crate) fn rotated(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// SHA-256 of the last line of a file, if that is there and can be read.
#[cfg(feature = "cli")]
pub(crate) fn chain_end(path: &Path) -> Option<String> {
    chain_of(path).map(|chain| chain.end().to_owned())
}

/// The chain after the last line of a file that is there.
fn chain_of(path: &Path) -> Option<Chain> {
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let tail = appending::tail(&mut File::open(path).ok()?).ok()?;
    if !tail.torn.is_empty() {
        return Some(Chain::after(&tail.torn));
    }
    tail.last.map(|last| Chain::after(&last))
}

impl Sink for AuditFile {
    fn wants(&self) -> Wants {
        Wants {
            events: Events::None,
            changes: false,
            alerts: false,
            snapshots: Snapshots::None,
        }
    }

    fn take(&mut self, item: Item, counters: &OutputCounters) -> Result<(), Closed> {
        if let Item::Audited(entry) = item {
            self.settle(&entry, counters);
        }
        Ok(())
    }

    fn flush(&mut self, _: &OutputCounters) -> Result<(), Closed> {
        Ok(())
    }

    fn end(&mut self, last: Option<Arc<Snapshot>>, counters: &OutputCounters) -> Result<(), Closed> {
        counters.offered();
        self.settle(&entries::stop(last.as_deref(), Moment::now()), counters);
        if let Some(open) = &self.open {
            // Where the file cannot be synced the entry is written all the same.
            let _ = open.file.sync_all();
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "audit_file_tests.rs"]
mod tests;
