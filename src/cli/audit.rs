//! `audit verify`: checks the hash chain of an audit file.
//!
//! In: a file · Out: one line on stdout, the exit code · Thread: main.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::args::AuditCommand;
use crate::audit::{Broken, Verifier, Whole};
use crate::output::audit_file::rotated;
use crate::{Error, ErrorKind};

const BROKEN: u8 = 4;
/// No entry of an audit file is longer.
const LONGEST_LINE_BYTES: u64 = 4 << 20;

/// Verifies the file, prints the result and returns the exit code: 0 whole, 4 broken.
///
/// # Errors
/// [`ErrorKind::Configuration`] where the file cannot be read, [`ErrorKind::Local`] where the result cannot be written.
pub fn run(command: &AuditCommand) -> Result<u8, Error> {
    let AuditCommand::Verify { file } = command;
    let failed = |error: io::Error| {
        Error::new(
            ErrorKind::Configuration,
            format!("reading the audit file {}", file.display()),
            error.to_string(),
        )
    };
    let verdict = verify(BufReader::new(File::open(file).map_err(failed)?)).map_err(failed)?;
    let verdict = verdict.and_then(|whole| follows(file, whole));
    let (line, code) = match verdict {
        Ok((whole, follows)) => (describe(&whole, follows.as_deref()), 0),
        Err(Broken { line, what }) => (format!("broken at line {line}: {what}"), BROKEN),
    };
    super::print_whole(&format!("{}: {line}\n", file.display()))?;
    Ok(code)
}

fn verify(mut reader: impl BufRead) -> io::Result<Result<Whole, Broken>> {
    let mut verifier = Verifier::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        reader.by_ref().take(LONGEST_LINE_BYTES).read_until(b'\n', &mut line)?;
        if line.pop_if(|last| *last == b'\n').is_none() {
            return Ok(verifier.finish(&line));
        }
        if let Err(broken) = verifier.line(&line) {
            return Ok(Err(broken));
        }
    }
}

/// Checks a file that continues another against the last line of the file that was rotated before it, where that file is
/// there; then returns its path.
fn follows(file: &Path, whole: Whole) -> Result<(Whole, Option<PathBuf>), Broken> {
    let (Some(prev), older) = (&whole.continues, older(file)) else {
        return Ok((whole, None));
    };
    match crate::output::audit_file::chain_end(&older) {
        None => Ok((whole, None)),
        Some(end) if end == *prev => Ok((whole, Some(older))),
        Some(end) => Err(Broken {
            line: 1,
            what: format!(
                "its prev is {prev}, but the last line of {} has the SHA-256 {end}: lines between them are missing, or that \
                 line was changed",
                older.display()
            ),
        }),
    }
}

/// `FILE.1` for `FILE`, `FILE.3` for `FILE.2`.
fn older(file: &Path) -> PathBuf {
    let number = file
        .extension()
        .and_then(|number| number.to_str()?.parse::<u32>().ok())
        .filter(|number| *number > 0);
    match number {
        Some(number) => rotated(&file.with_extension(""), number.saturating_add(1)),
        None => rotated(file, 1),
    }
}

fn describe(whole: &Whole, follows: Option<&Path>) -> String {
    let lines = match whole.lines {
        1 => "1 entry".to_owned(),
        lines => format!("{lines} entries"),
    };
    let mut text = format!("whole: {lines}");
    if let Some((first, last)) = &whole.span {
        text.push_str(&format!(" from {first} to {last}"));
    }
    match (&whole.continues, follows) {
        (None, _) if whole.lines > 0 => text.push_str("; the chain begins here"),
        (None, _) => {}
        (Some(_), Some(older)) => text.push_str(&format!("; it continues {}", older.display())),
        (Some(prev), None) => text.push_str(&format!(
            "; it continues an earlier file whose last line has the SHA-256 {prev}"
        )),
    }
    match &*whole.torn {
        [] => {}
        [one] => text.push_str(&format!(
            "; line {one} was torn by a crash, and the chain continues after it"
        )),
        more => text.push_str(&format!(
            "; {} lines were torn by crashes, and the chain continues after them",
            more.len()
        )),
    }
    text
}
