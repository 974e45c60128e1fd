//! A recording as a file: line by line, with the number of each.
//!
//! In: a file · Out: lines, the first broken one named · Thread: `gs-replay`.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::failed;
use crate::output::recording::{Line, Start};
use crate::{Error, ErrorKind, Moment};

/// The longest message has 4 MiB; as a JSON string it may take six times as much.
const LONGEST_LINE_BYTES: u64 = 32 << 20;
const READ_BUFFER_BYTES: usize = 64 << 10;
const NO_START: &str = "it is no start of a recording; one is made by run --record FILE";

/// An open recording whose first line was read.
pub(crate) struct Recording {
    path: PathBuf,
    reader: BufReader<File>,
    bytes: u64,
    total: u64,
    /// Number of the last line that was read, from 1.
    number: u64,
    start: (Moment, Start),
}

/// One line of the file.
enum Reading {
    Line(Line),
    /// A line with a newline that cannot be read.
    Broken(String),
    /// A last line without a newline that cannot be read.
    Torn,
    End,
}

impl Recording {
    /// Opens it and reads its start.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] where there is none, or it is no recording.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let refused = |what: String| failed(path, what, ErrorKind::Configuration);
        let file = File::open(path).map_err(|error| refused(error.to_string()))?;
        let total = file.metadata().map_err(|error| refused(error.to_string()))?.len();
        let mut reader = BufReader::with_capacity(READ_BUFFER_BYTES, file);
        let mut bytes = 0;
        let first = read(&mut reader, &mut bytes).map_err(|error| refused(error.to_string()))?;
        let start = match first {
            Reading::Line(line) => line
                .as_start()
                .map(|start| (line.at, start.clone()))
                .ok_or_else(|| NO_START.to_owned()),
            Reading::Broken(what) => Err(what),
            Reading::Torn | Reading::End => Err(NO_START.to_owned()),
        };
        let start = start.map_err(|what| refused(format!("line 1: {what}")))?;
        Ok(Self {
            path: path.to_owned(),
            reader,
            bytes,
            total,
            number: 1,
            start,
        })
    }

    /// Time and content of the first line.
    pub(crate) fn start(&self) -> (Moment, &Start) {
        (self.start.0, &self.start.1)
    }

    /// Percent of the file that was read.
    pub(crate) fn percent(&self) -> u64 {
        (self.bytes * 100)
            .checked_div(self.total)
            .map_or(100, |percent| percent.min(100))
    }

    /// The next line; none at the end. A torn last line is left out with a warning.
    ///
    /// # Errors
    /// [`ErrorKind::Local`] for a broken line, by its number, or a file that cannot be read any more.
    pub(crate) fn next_line(&mut self) -> Result<Option<Line>, Error> {
        self.number += 1;
        match self.read()? {
            Reading::Line(line) => Ok(Some(line)),
            Reading::End => Ok(None),
            Reading::Torn => {
                log::warn!(
                    "line {} of the recording is torn, and left out: it is the last",
                    self.number
                );
                Ok(None)
            }
            Reading::Broken(what) => {
                // If another run starts after it, a crash tore it.
                match self.read()? {
                    Reading::Line(line) if line.as_start().is_some() => {
                        log::warn!(
                            "line {} of the recording is torn, and left out: a run ended there",
                            self.number
                        );
                        self.number += 1;
                        Ok(Some(line))
                    }
                    _ => Err(self.broken(&what)),
                }
            }
        }
    }

    /// An error about the last line that was read.
    pub(crate) fn broken(&self, what: &str) -> Error {
        failed(&self.path, format!("line {}: {what}", self.number), ErrorKind::Local)
    }

    fn read(&mut self) -> Result<Reading, Error> {
        read(&mut self.reader, &mut self.bytes).map_err(|error| failed(&self.path, error.to_string(), ErrorKind::Local))
    }
}

fn read(reader: &mut impl BufRead, bytes: &mut u64) -> std::io::Result<Reading> {
    let mut line = Vec::new();
    reader.take(LONGEST_LINE_BYTES).read_until(b'\n', &mut line)?;
    *bytes += line.len() as u64;
    if line.is_empty() {
        return Ok(Reading::End);
    }
    let has_end = line.pop_if(|last| *last == b'\n').is_some();
    Ok(match Line::read(&line) {
        Ok(line) => Reading::Line(line),
        Err(_) if !has_end && (line.len() as u64) < LONGEST_LINE_BYTES => Reading::Torn,
        Err(what) => Reading::Broken(what),
    })
}
