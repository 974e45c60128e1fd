//! Files that are appended to: readable by their owner only, opened again when they were moved or removed.
//!
//! In: a path · Out: a writer, advice for the operator when writing fails · Thread: that of its output.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::{Error, ErrorKind};

/// How much of a file's end is read to find its last line; a line is far shorter.
const TAIL_BYTES: u64 = 1 << 20;

/// Opens `path` for appending; creates it, readable by its owner only, if it does not exist.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Whether `path` still leads to `file`, which may have been removed, moved or replaced. Always true for a pipe or device.
pub(crate) fn is_still(path: &Path, file: &File) -> bool {
    let Ok(ours) = file.metadata() else { return false };
    if !ours.is_file() {
        return true;
    }
    std::fs::metadata(path).is_ok_and(|there| same(&ours, &there))
}

#[cfg(unix)]
fn same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn same(_: &Metadata, _: &Metadata) -> bool {
    // On these systems an open file cannot be removed.
    true
}

/// How a file ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tail {
    /// The last complete line, without its newline; `None` if there is none.
    pub(crate) last: Option<Vec<u8>>,
    /// The bytes after it: a line that a crash cut off.
    pub(crate) torn: Vec<u8>,
}

/// Reads the end of a file.
pub(crate) fn tail(file: &mut File) -> io::Result<Tail> {
    let length = file.metadata()?.len();
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    let Some(end) = bytes.iter().rposition(|b| *b == b'\n') else {
        return Ok(Tail {
            last: None,
            torn: bytes,
        });
    };
    let torn = bytes.split_off(end + 1);
    bytes.pop();
    let start = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    Ok(Tail {
        last: Some(bytes.split_off(start)),
        torn,
    })
}

/// What the operator can do about a failed write.
pub(crate) fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::WriteZero => {
            "free some space on its disk; writing resumes by itself"
        }
        io::ErrorKind::FileTooLarge => "raise the limit of file sizes (ulimit -f), or rotate the file",
        io::ErrorKind::NotFound => "create its directory again; writing resumes by itself",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "allow this user to write there",
        _ => "the next record tries again",
    }
}

/// The error for a file that cannot be opened, which is reported before anything is connected.
pub(crate) fn refuse(what: &str, path: &Path, error: io::Error) -> Error {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "its directory does not exist; create it first".to_owned(),
        _ => error.to_string(),
    };
    Error::new(
        ErrorKind::Configuration,
        format!("opening the {what} {}", path.display()),
        why,
    )
    .with_source(error)
}

/// Whether this process has the file for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lock {
    Ours,
    /// Another process has it.
    Taken,
}

/// Locks the file for this process until it is closed. A system that cannot lock it counts as success.
#[cfg(all(unix, feature = "cli"))]
pub(crate) fn lock(file: &File) -> Lock {
    use rustix::fs::{FlockOperation, flock};
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => Lock::Taken,
        _ => Lock::Ours,
    }
}

/// Always succeeds: without `flock` there is no lock.
#[cfg(not(all(unix, feature = "cli")))]
pub(crate) fn lock(_: &File) -> Lock {
    Lock::Ours
}

/// A writer that appends to the file at `path`, and opens it again when it was moved or removed.
pub(crate) struct Appending {
    path: PathBuf,
    file: Option<File>,
    preface: Option<Preface>,
}

/// Makes the lines that a new or truncated file begins with.
pub(crate) type Preface = Box<dyn Fn() -> Vec<u8> + Send>;

impl Appending {
    /// Opens the file, and ends a last line that a crash cut off.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] if that fails, or another process writes to the file.
    pub(crate) fn new(what: &str, path: &Path) -> Result<Self, Error> {
        let mut this = Self {
            path: path.to_owned(),
            file: None,
            preface: None,
        };
        let file = this.current().map_err(|error| refuse(what, path, error))?;
        if file.metadata().is_ok_and(|there| there.is_file()) {
            let tail = tail(file).map_err(|error| refuse(what, path, error))?;
            if !tail.torn.is_empty() {
                file.write_all(b"\n").map_err(|error| refuse(what, path, error))?;
            }
        }
        Ok(this)
    }

    /// Makes every file that is opened from now on, or was truncated, begin with the preface.
    pub(crate) fn with_preface(mut self, preface: Preface) -> Self {
        self.preface = Some(preface);
        self
    }

    fn current(&mut self) -> io::Result<&mut File> {
        let (mut file, is_new) = match self.file.take() {
            Some(file) if is_still(&self.path, &file) => (file, false),
            _ => {
                let file = open(&self.path)?;
                if file.metadata()?.is_file() && lock(&file) == Lock::Taken {
                    return Err(io::Error::new(
                        io::ErrorKind::AddrInUse,
                        "another process writes to it; each process needs its own file",
                    ));
                }
                (file, true)
            }
        };
        if let Some(preface) = &self.preface
            && (is_new || file.metadata().is_ok_and(|there| there.is_file() && there.len() == 0))
        {
            let before = file.metadata()?.len();
            if let Err(error) = file.write_all(&preface()) {
                // A full disk may have taken the first half of it, onto which the next attempt must not write.
                let _ = file.set_len(before);
                return Err(error);
            }
        }
        Ok(self.file.insert(file))
    }
}

impl Write for Appending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.current().and_then(|file| file.write(bytes));
        written.map_err(|error| {
            let text = format!("{}: {error}; {}", self.path.display(), advice(&error));
            io::Error::new(error.kind(), text)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_file() {
        let path = std::env::temp_dir().join(format!("gs-tail-{}", std::process::id()));
        for (content, last, torn) in [
            ("", None, ""),
            ("a", None, "a"),
            ("a\n", Some("a"), ""),
            ("a\nbc\n", Some("bc"), ""),
            ("a\nbc\nd", Some("bc"), "d"),
            ("\n", Some(""), ""),
        ] {
            std::fs::write(&path, content).unwrap();
            let tail = tail(&mut open(&path).unwrap()).unwrap();
            assert_eq!(tail.last.as_deref(), last.map(str::as_bytes), "{content:?}");
            assert_eq!(tail.torn, torn.as_bytes(), "{content:?}");
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_removed_directory_is_reported_and_writing_resumes_when_it_is_back() {
        let directory = std::env::temp_dir().join(format!("gs-appending-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("file");
        std::fs::write(&path, "torn").unwrap();
        let mut writer = Appending::new("test file", &path).unwrap();
        writer.write_all(b"one\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "torn\none\n");
        std::fs::remove_dir_all(&directory).unwrap();
        let error = writer.write_all(b"two\n").unwrap_err();
        assert!(error.to_string().contains("create its directory"), "{error}");
        std::fs::create_dir_all(&directory).unwrap();
        writer.write_all(b"three\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\n");
        #[cfg(all(unix, feature = "cli"))]
        assert!(Appending::new("test file", &path).is_err(), "taken");
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
