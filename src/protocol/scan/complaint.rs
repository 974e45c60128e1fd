//! Says what is wrong with a text, in the words and with the places of serde_json.
//!
//! In: a text that the scanner refused · Out: a sentence that quotes nothing · Thread: any (pure).

use serde::de::IgnoredAny;

use super::{Invalid, Mark, Scanner};
use crate::protocol::depth::check_depth;
use crate::protocol::json::not_json;

/// Why a text cannot be read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    None,
    /// It is not JSON, or nested too deeply.
    Syntax,
    /// The text or number that begins at this byte cannot be read.
    Scalar(usize),
    /// The known key that ends before this byte is there twice.
    Twice(usize),
    /// A value other than an object.
    NoObject,
    /// An identifier of more bytes than these.
    TooLong(usize),
}

impl Scanner<'_> {
    #[cold]
    pub(super) fn stop<T>(&mut self, fault: Fault) -> Result<T, Invalid> {
        self.fault = fault;
        Err(Invalid)
    }

    #[cold]
    pub(super) fn syntax<T>(&mut self) -> Result<T, Invalid> {
        self.stop(Fault::Syntax)
    }

    /// Whether the text cannot be read because of an identifier over its limit.
    pub(crate) fn has_long_id(&self) -> bool {
        matches!(self.fault, Fault::TooLong(_))
    }

    /// What is wrong with the whole text, without quoting it.
    #[cold]
    pub(crate) fn complaint(&self, what: &str) -> String {
        if let Err(wrong) = check_depth(self.text) {
            return wrong;
        }
        self.complaint_of(what, self.text, 0, self.fault)
    }

    /// What is wrong with the value at `mark`, without quoting it; the scanner is then behind that value. Fails where the
    /// value is not JSON at all.
    #[cold]
    pub(crate) fn complaint_since(&mut self, what: &str, mark: Mark) -> Result<String, Invalid> {
        let fault = self.fault;
        self.rewind(mark);
        self.skip()?;
        Ok(self.complaint_of(what, self.since(mark).text, mark.at, fault))
    }

    /// `text` begins at the byte `from`.
    pub(super) fn complaint_of(&self, what: &str, text: &str, from: usize, fault: Fault) -> String {
        let place = |at: usize| {
            let before = &text.as_bytes()[..at.saturating_sub(from).min(text.len())];
            let line_start = before
                .iter()
                .rposition(|b| *b == b'\n')
                .map_or(0, |newline| newline + 1);
            let line = 1 + before.iter().filter(|b| **b == b'\n').count();
            (line, before.len() - line_start)
        };
        match fault {
            Fault::TooLong(bytes) => format!("{what} has an identifier of more than {bytes} bytes"),
            Fault::Twice(at) => {
                let (line, column) = place(at);
                format!("{what} has a field that cannot be read (line {line}, column {column})")
            }
            Fault::Scalar(at) => {
                let rest = &self.text[at..];
                let error = match rest.starts_with('"') {
                    true => serde_json::from_str::<String>(rest).err(),
                    false => serde_json::from_str::<f64>(rest).err(),
                };
                let (line, column) = place(at);
                match error {
                    Some(error) if error.line() > 1 => {
                        not_json(what, error.is_eof(), line + error.line() - 1, error.column())
                    }
                    error => {
                        let (is_eof, more) = error.map_or((false, 0), |error| (error.is_eof(), error.column()));
                        not_json(what, is_eof, line, column + more)
                    }
                }
            }
            Fault::None | Fault::Syntax | Fault::NoObject => match serde_json::from_str::<IgnoredAny>(text) {
                Err(error) => not_json(what, error.is_eof(), error.line(), error.column()),
                Ok(_) => format!("{what} is JSON, but not an object"),
            },
        }
    }
}
