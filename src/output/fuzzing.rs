//! Redaction and lines of recordings, for `fuzz/`.
//!
//! In: texts · Out: texts · Thread: any (pure).

use super::record::{Bodies, redact, redact_recorded};
use super::recording::Line;
use crate::base::pseudonym;

fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).expect("redaction writes UTF-8")
}

/// A frame or body of the service, redacted.
#[must_use]
pub fn redacted(frame: &str) -> String {
    text(|out| redact(out, frame))
}

/// A line of a recording that is no frame, redacted.
#[must_use]
pub fn redacted_recorded(line: &str) -> String {
    text(|out| redact_recorded(out, line))
}

/// What stands for an identifier in redacted texts.
#[must_use]
pub fn pseudonym(id: &str) -> String {
    pseudonym::of(id).into_owned()
}

/// A line of a recording, read and written again: verbatim and redacted.
///
/// # Errors
/// It is no line of a recording.
pub fn recorded(line: &[u8]) -> Result<(String, String), String> {
    let line = Line::read(line)?;
    let written = |bodies| text(|out| line.write(out, bodies));
    Ok((written(Bodies::Verbatim), written(Bodies::Redacted)))
}
