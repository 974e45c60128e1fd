//! The snapshot file: always one whole snapshot, replaced atomically.
//!
//! In: the newest `Snapshot` · Out: a file with one JSON object and a newline · Thread: that of its output.
//!
//! A temporary file in the same directory is written and renamed over the old one, so that a reader sees the old or the
//! new snapshot, never a part. Only the last one of a run is synced to the disk: after a power cut the numbers of a dead
//! process are worth nothing, while a sync each second wears out the flash of small devices and waits for their slow disks.
//!
//! A new file can be read by its owner only (it holds names of users and queues). The permissions of an existing file are
//! kept, so that an operator decides once who may read it, unless the configuration names them.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Item;
use super::counters::OutputCounters;
use super::failure_log::FailureLog;
use super::sink::{Closed, Events, Sink, Snapshots, Wants};
use crate::model::snapshot::Snapshot;
use crate::output::record;
use crate::{Error, ErrorKind};

const NAME: &str = "snapshot file";
/// A temporary file older than this was left by a process that was killed: writing one takes milliseconds.
const LEFTOVER_AGE: Duration = Duration::from_secs(60);

/// Whether the content must outlive a power cut.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sync {
    No,
    Yes,
}

/// The sink of the snapshot file.
pub(crate) struct SnapshotFile {
    path: PathBuf,
    temporary: PathBuf,
    /// The least time between two replacements.
    every: Duration,
    /// Its permission bits, where the configuration names them.
    mode: Option<u32>,
    /// The last try.
    tried: Option<Instant>,
    failures: FailureLog,
}

impl SnapshotFile {
    /// Prepares to replace `path`, through a symbolic link if it is one, and removes temporary files that a killed
    /// process left behind.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] if `path` exists and is not a regular file, or its directory does not exist.
    pub(crate) fn new(path: &Path, every: Duration, mode: Option<u32>) -> Result<Self, Error> {
        let did = || format!("preparing the snapshot file {}", path.display());
        let refuse = |what: String| Error::new(ErrorKind::Configuration, did(), what);
        // A link stays a link. A path that does not exist yet is used as it is.
        let path_to = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if let Ok(there) = fs::metadata(&path_to)
            && !there.is_file()
        {
            return Err(refuse(
                "it exists and is not a regular file; name a file that may be replaced".to_owned(),
            ));
        }
        let name = path_to
            .file_name()
            .ok_or_else(|| refuse("it has no file name".to_owned()))?;
        let directory = match path_to.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        if !directory.is_dir() {
            return Err(refuse(format!(
                "{} is not a directory; create it first",
                directory.display()
            )));
        }
        let name = name.to_string_lossy();
        remove_leftovers(directory, &name);
        let temporary = directory.join(format!(".{name}.{}.tmp", std::process::id()));
        Ok(Self {
            path: path_to,
            temporary,
            every,
            mode,
            tried: None,
            failures: FailureLog::default(),
        })
    }

    fn replace(&mut self, snapshot: &Snapshot, sync: Sync, counters: &OutputCounters) {
        match self.write(snapshot, sync) {
            Ok(()) => {
                counters.wrote(1);
                if let Some(line) = self.failures.worked(NAME) {
                    log::info!("{line}");
                }
            }
            Err(error) => {
                // Half a file is of no use, and takes space on a disk that may be full.
                let _ = fs::remove_file(&self.temporary);
                counters.missed(1);
                let what = format!("{}: {error}", self.path.display());
                if let Some(line) = self.failures.failed(NAME, &what, 1, Instant::now()) {
                    log::warn!("{line}");
                }
            }
        }
    }

    fn write(&self, snapshot: &Snapshot, sync: Sync) -> io::Result<()> {
        let mut file = create(&self.temporary)?;
        if let Some(permissions) = self.permissions() {
            file.set_permissions(permissions)?;
        }
        record::write_snapshot(&mut file, snapshot)?;
        if sync == Sync::Yes {
            file.sync_all()?;
        }
        drop(file);
        fs::rename(&self.temporary, &self.path)
    }
}

impl SnapshotFile {
    /// The permissions of the file, unless it is new and none are named.
    fn permissions(&self) -> Option<Permissions> {
        #[cfg(unix)]
        if let Some(mode) = self.mode {
            return Some(std::os::unix::fs::PermissionsExt::from_mode(mode));
        }
        Some(fs::metadata(&self.path).ok()?.permissions())
    }

    /// Whether a snapshot that comes now is written. The ticks of the engine are late by turns, so that one which comes a
    /// tenth too early is in time.
    fn is_due(&mut self, now: Instant) -> bool {
        let early = self.every / 10;
        let due = self
            .tried
            .is_none_or(|tried| now.duration_since(tried) + early >= self.every);
        if due {
            self.tried = Some(now);
        }
        due
    }
}

/// Creates a file that only its owner can read. An existing one was left by an earlier process with the same id.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            options.open(path)
        }
        opened => opened,
    }
}

fn remove_leftovers(directory: &Path, name: &str) {
    let ours = |file: &str| {
        let number = file
            .strip_prefix('.')
            .and_then(|rest| rest.strip_prefix(name))
            .and_then(|rest| rest.strip_prefix('.'))
            .and_then(|rest| rest.strip_suffix(".tmp"));
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    };
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let old = || {
            entry
                .metadata()
                .ok()?
                .modified()
                .ok()?
                .elapsed()
                .ok()
                .filter(|age| *age >= LEFTOVER_AGE)
        };
        if ours(&entry.file_name().to_string_lossy()) && old().is_some() {
            let _ = fs::remove_file(entry.path());
        }
    }
}

impl Sink for SnapshotFile {
    fn wants(&self) -> Wants {
        Wants {
            events: Events::None,
            changes: false,
            alerts: false,
            snapshots: Snapshots::Newest,
        }
    }

    fn take(&mut self, item: Item, counters: &OutputCounters) -> Result<(), Closed> {
        if let Item::Snapshot(snapshot) = item
            && self.is_due(Instant::now())
        {
            self.replace(&snapshot, Sync::No, counters);
        }
        Ok(())
    }

    fn flush(&mut self, _: &OutputCounters) -> Result<(), Closed> {
        Ok(())
    }

    fn end(&mut self, last: Option<Arc<Snapshot>>, counters: &OutputCounters) -> Result<(), Closed> {
        if let Some(last) = last {
            self.replace(&last, Sync::Yes, counters);
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "snapshot_file_tests.rs"]
mod tests;
