//! The snapshot file: always one whole snapshot, replaced in one step.
//!
//! In: the newest `Snapshot` · Out: a file with one JSON object and a newline · Thread: that of its output.
//!
//! A temporary file in the same directory is written and renamed over the old one, so that a reader sees the old or the
//! new, never a part. It is not synced to the disk each time: after a power cut the numbers of a dead process are worth
//! nothing, while a sync a second wears out the flash of small devices and waits behind their slow disks. The last one
//! of a run is synced.
//!
//! A new file can be read by its owner only (names of users and queues are in it); the permissions of a file that is
//! there already are kept, so that an operator decides once who may read it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Item;
use super::complaint::Complaint;
use super::sink::{Closed, Outlet, Snapshots, Wants};
use super::tally::Tally;
use crate::model::snapshot::Snapshot;
use crate::output::record;
use crate::{Error, ErrorKind};

const NAME: &str = "snapshot file";
/// A temporary file older than this belongs to no living writer: writing one takes milliseconds.
const LEFTOVER_AGE: Duration = Duration::from_secs(60);

/// Whether the content must outlive a power cut.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sync {
    No,
    Yes,
}

/// Replaces one file.
pub(crate) struct SnapshotFile {
    path: PathBuf,
    temporary: PathBuf,
    bytes: Vec<u8>,
    complaint: Complaint,
}

impl SnapshotFile {
    /// Prepares to replace `path`, through a symbolic link if it is one, and removes temporary files that a killed
    /// process left behind.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] if `path` is no regular file, or its directory is none: both are mistakes that are
    /// better told at once.
    pub(crate) fn new(path: &Path) -> Result<Self, Error> {
        let did = || format!("preparing the snapshot file {}", path.display());
        let refuse = |what: String| Error::new(ErrorKind::Configuration, did(), what);
        // A link stays a link; where nothing is yet, the path is taken as it is.
        let path_to = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if let Ok(there) = fs::metadata(&path_to)
            && !there.is_file()
        {
            return Err(refuse(
                "is there and is no regular file; name a file that may be replaced".to_owned(),
            ));
        }
        let name = path_to
            .file_name()
            .ok_or_else(|| refuse("has no file name".to_owned()))?;
        let directory = match path_to.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        if !directory.is_dir() {
            return Err(refuse(format!(
                "{} is no directory; create it first",
                directory.display()
            )));
        }
        let name = name.to_string_lossy();
        remove_leftovers(directory, &name);
        let temporary = directory.join(format!(".{name}.{}.tmp", std::process::id()));
        Ok(Self {
            path: path_to,
            temporary,
            bytes: Vec::new(),
            complaint: Complaint::default(),
        })
    }

    fn replace(&mut self, snapshot: &Snapshot, sync: Sync, tally: &Tally) {
        self.bytes.clear();
        record::snapshot(&mut self.bytes, snapshot);
        match self.write(sync) {
            Ok(()) => {
                tally.wrote(1);
                if let Some(line) = self.complaint.worked(NAME) {
                    log::info!("{line}");
                }
            }
            Err(error) => {
                // Half a file helps nobody, least of all on a full disk.
                let _ = fs::remove_file(&self.temporary);
                tally.missed(1);
                let what = format!("{}: {error}", self.path.display());
                if let Some(line) = self.complaint.failed(NAME, &what, 1, Instant::now()) {
                    log::warn!("{line}");
                }
            }
        }
    }

    fn write(&self, sync: Sync) -> io::Result<()> {
        let mut file = create(&self.temporary)?;
        if let Ok(there) = fs::metadata(&self.path) {
            file.set_permissions(there.permissions())?;
        }
        file.write_all(&self.bytes)?;
        if sync == Sync::Yes {
            file.sync_all()?;
        }
        drop(file);
        fs::rename(&self.temporary, &self.path)
    }
}

/// A new file that only its owner can read. One of the same name is a leftover of an earlier process with our number.
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

impl Outlet for SnapshotFile {
    fn wants(&self) -> Wants {
        Wants {
            events: false,
            changes: false,
            snapshots: Snapshots::Newest,
        }
    }

    fn take(&mut self, item: Item, tally: &Tally) -> Result<(), Closed> {
        if let Item::Snapshot(snapshot) = item {
            self.replace(&snapshot, Sync::No, tally);
        }
        Ok(())
    }

    fn flush(&mut self, _: &Tally) -> Result<(), Closed> {
        Ok(())
    }

    fn end(&mut self, last: Option<Arc<Snapshot>>, tally: &Tally) -> Result<(), Closed> {
        if let Some(last) = last {
            self.replace(&last, Sync::Yes, tally);
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "snapshot_file_tests.rs"]
mod tests;
