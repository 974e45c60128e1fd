//! The audit file's lines: entries, and the hash chain that connects them.
//!
//! In: what happened, the line before · Out: lines · Thread: any (pure).
//!
//! A line is one JSON object; its `prev` is the SHA-256 of the line before without its newline, so that every
//! changed, removed or moved line is found. No entry holds a secret or anything of a customer.

pub(crate) mod entries;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
#[cfg(feature = "cli")]
mod verify;

use serde_json::{Map, Value};

use crate::Moment;
use crate::base::digest::sha256_hex;
use crate::base::scrub;

#[cfg(feature = "cli")]
pub(crate) use verify::{Broken, Verifier, Whole};

/// `prev` of the first line ever.
pub(crate) const FIRST: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// Characters of a text in an entry, at most: enough for a cause, and a peer cannot fill the disk with its messages.
const LONGEST_TEXT: usize = 300;

/// One entry.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    at: Moment,
    kind: &'static str,
    fields: Map<String, Value>,
}

impl Entry {
    /// All entries of the program are built in [`entries`].
    fn new(kind: &'static str, at: Moment) -> Self {
        Self {
            at,
            kind,
            fields: Map::new(),
        }
    }

    /// Adds a field; a text becomes one line and is cut to [`LONGEST_TEXT`].
    #[must_use]
    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        let value = match value.into() {
            Value::String(text) => Value::String(line_of(&text)),
            other => other,
        };
        self.fields.insert(key.to_owned(), value);
        self
    }

    /// Adds a field if there is a value for it.
    #[must_use]
    fn with_some(self, key: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// When it happened.
    pub(crate) fn at(&self) -> Moment {
        self.at
    }
}

fn line_of(text: &str) -> String {
    let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    line.take(LONGEST_TEXT).collect()
}

/// The end of a chain: what the next line has to refer to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    prev: String,
}

impl Chain {
    /// Of an empty chain.
    pub(crate) fn beginning() -> Self {
        Self { prev: FIRST.to_owned() }
    }

    /// After this line, given without its newline.
    pub(crate) fn after(line: &[u8]) -> Self {
        Self { prev: sha256_hex(line) }
    }

    /// `prev` of the next line.
    #[cfg(feature = "cli")]
    pub(crate) fn end(&self) -> &str {
        &self.prev
    }

    /// The next line, with its newline. Once it is written, [`Chain::after`] gives the new end.
    pub(crate) fn line(&self, entry: &Entry) -> Vec<u8> {
        let mut object = Map::new();
        object.insert("at".to_owned(), Value::String(entry.at.to_string()));
        object.insert("kind".to_owned(), Value::String(entry.kind.to_owned()));
        object.insert("prev".to_owned(), Value::String(self.prev.clone()));
        object.extend(entry.fields.clone());
        let mut line = Value::Object(object).to_string().into_bytes();
        scrub::bytes(&mut line, 0);
        line.push(b'\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn entry(n: i64) -> Entry {
        Entry::new("token", Moment::from_epoch_ms(n)).with("life_secs", n)
    }

    #[test]
    fn lines_hold_on_to_each_other() {
        let first = Chain::beginning().line(&entry(1));
        let text = String::from_utf8(first.clone()).unwrap();
        assert_eq!(
            text,
            format!(
                "{{\"at\":\"1970-01-01T00:00:00.001Z\",\"kind\":\"token\",\"life_secs\":1,\"prev\":\"{FIRST}\"}}\n"
            )
        );
        let second = Chain::after(&first[..first.len() - 1]).line(&entry(2));
        let value: Value = serde_json::from_slice(&second).unwrap();
        assert_eq!(value["prev"], sha256_hex(text.trim_end().as_bytes()));
    }

    #[test]
    fn texts_stay_on_their_line_and_short() {
        let line = Chain::beginning().line(&entry(1).with("cause", format!("a\nb{}", "x".repeat(1000))));
        assert_eq!(line.iter().filter(|b| **b == b'\n').count(), 1);
        let value: Value = serde_json::from_slice(&line).unwrap();
        let cause = value["cause"].as_str().unwrap();
        assert!(cause.starts_with("a bx") && cause.chars().count() == LONGEST_TEXT);
    }
}
