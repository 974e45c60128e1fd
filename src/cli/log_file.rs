//! The log file: opened anew when it was renamed or removed, and lines that a full disk does not take are counted.
//!
//! In: lines · Out: a file that is appended to, what the operator must be told of it · Thread: any (in the log's mutex).

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::base::plural::counted;
use crate::output::appending;
use crate::{Error, ErrorKind};

/// A file that lines are appended to.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    /// `None` where it could not be opened again.
    file: Option<File>,
    /// Lines that were not written since the last one that was.
    lost: usize,
    /// A failed write may have left the beginning of a line.
    torn: bool,
    /// Failures are told once in a run.
    told: bool,
}

impl LogFile {
    /// Opens the file for appending.
    ///
    /// # Errors
    /// That fails ([`ErrorKind::Configuration`]).
    pub(super) fn new(path: &Path) -> Result<Self, Error> {
        let file = open(path).map_err(|error| {
            let did = format!("opening the log file {}", path.display());
            let what = format!("{error}; name a file that can be written, in a directory that is there");
            Error::new(ErrorKind::Configuration, did, what)
        })?;
        Ok(Self {
            path: path.to_owned(),
            file: Some(file),
            lost: 0,
            torn: false,
            told: false,
        })
    }

    /// Appends a line. Returns what the operator must be told: the first failure of a run.
    pub(super) fn write(&mut self, line: &str) -> Option<String> {
        let error = self.append(line).err()?;
        self.lost += 1;
        if std::mem::replace(&mut self.told, true) {
            return None;
        }
        let (path, advice) = (self.path.display(), appending::advice(&error));
        Some(format!(
            "warning: the log file {path} cannot be written: {error}; {advice} (told once)\n"
        ))
    }

    fn append(&mut self, line: &str) -> io::Result<()> {
        let mut file = match self.file.take() {
            Some(file) if appending::is_still(&self.path, &file) => file,
            _ => {
                self.torn = false;
                open(&self.path)?
            }
        };
        let end = if self.torn { "\n" } else { "" };
        let lost = match self.lost {
            0 => String::new(),
            lost => format!("({} not written)\n", counted(lost, "log line")),
        };
        let written = file.write_all(format!("{end}{lost}{line}").as_bytes());
        self.file = Some(file);
        self.torn |= written.is_err();
        written?;
        (self.torn, self.lost) = (false, 0);
        Ok(())
    }
}

/// A FIFO is not waited for, neither when it is opened nor when it is written: what nobody reads in time is not written.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32);
        // Opened for reading too, it needs no reader.
        options.read(std::fs::metadata(path).is_ok_and(|there| there.file_type().is_fifo()));
    }
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renamed_or_removed_file_is_opened_anew_and_lost_lines_are_counted() {
        let directory = std::env::temp_dir().join(format!("gs-log-file-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let (path, renamed) = (directory.join("log"), directory.join("log.1"));
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        let mut file = LogFile::new(&path).unwrap();
        assert_eq!(file.write("one\n"), None);
        std::fs::rename(&path, &renamed).unwrap();
        assert_eq!(file.write("two\n"), None);
        assert_eq!((read(&renamed), read(&path)), ("one\n".to_owned(), "two\n".to_owned()));

        std::fs::remove_dir_all(&directory).unwrap();
        let told = file.write("three\n").unwrap();
        assert!(told.contains("create its directory"), "{told}");
        assert_eq!(file.write("four\n"), None);
        std::fs::create_dir_all(&directory).unwrap();
        assert_eq!(file.write("five\n"), None);
        assert_eq!(read(&path), "(2 log lines not written)\nfive\n");

        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_once() {
        let mut file = LogFile::new(Path::new("/dev/full")).unwrap();
        assert!(file.write("one\n").unwrap().contains("free some space"));
        assert_eq!(file.write("two\n"), None);
        assert_eq!(file.lost, 2);
    }

    #[cfg(unix)]
    #[test]
    fn a_fifo_that_nobody_reads_is_not_waited_for_and_lost_lines_are_counted() {
        use std::io::Read as _;
        let path = std::env::temp_dir().join(format!("gs-log-fifo-{}", std::process::id()));
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.expect("mkfifo").success());
        let mut file = LogFile::new(&path).unwrap();
        let line = format!("{}\n", "x".repeat(999));
        let told: Vec<String> = (0..500).filter_map(|_| file.write(&line)).collect();
        assert!(told.len() == 1 && file.lost > 0, "{told:?}");
        let mut reader = OpenOptions::new().read(true).open(&path).unwrap();
        reader.read_exact(&mut vec![0; 32 * 1024]).unwrap();
        assert_eq!(file.write("once more\n"), None);
        assert_eq!(file.lost, 0);
        drop(file);
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert!(
            rest.ends_with(" not written)\nonce more\n"),
            "{}",
            &rest[rest.len() - 60..]
        );
        std::fs::remove_file(&path).unwrap();
    }
}
