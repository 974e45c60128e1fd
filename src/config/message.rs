//! What is wrong with a configuration, said so that it can be put right: where, what was found, what is allowed.
//!
//! In: findings of the checks · Out: one line a problem · Thread: any (pure).

use std::fmt;
use std::sync::Arc;

use super::json::{Node, Value};
use crate::{Error, ErrorKind};

/// Longest text of a value that a message shows, in characters.
const SHOWN_CHARS: usize = 60;

/// Where a value was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A flag, with its dashes.
    #[cfg_attr(not(feature = "cli"), allow(dead_code))]
    Flag(&'static str),
    /// A method of the builder.
    Setter(&'static str),
    /// An environment variable.
    Variable(&'static str),
    /// A place in the file, both from 1.
    File { file: Arc<str>, line: usize, column: usize },
    /// The file as a whole, which could not be read.
    Unreadable,
    /// Nowhere: it is missing.
    Missing,
}

impl Origin {
    fn rank(&self) -> (u8, usize, usize) {
        match self {
            Self::Flag(_) => (0, 0, 0),
            Self::Setter(_) => (1, 0, 0),
            Self::Variable(_) => (2, 0, 0),
            Self::File { line, column, .. } => (3, *line, *column),
            Self::Unreadable => (3, 0, 0),
            Self::Missing => (4, 0, 0),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub origin: Origin,
    /// Dotted path of the key; empty where the fault is outside any key.
    pub key: String,
    /// What was found and what is allowed.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match &self.origin {
            Origin::Flag(flag) => write!(f, "{flag}: ")?,
            Origin::Setter(method) => write!(f, "{method}() ({key}): ")?,
            Origin::Variable(name) => write!(f, "{name}: ")?,
            Origin::File { file, line, column } if key.is_empty() => write!(f, "{file}:{line}:{column}: ")?,
            Origin::File { file, line, column } => write!(f, "{file}:{line}:{column}: {key}: ")?,
            Origin::Unreadable => {}
            Origin::Missing => write!(f, "{key}: ")?,
        }
        f.write_str(&self.what)
    }
}

/// All problems as one error, one a line: flags first, then environment, then the file from top to bottom.
pub(crate) fn to_error(mut problems: Vec<Problem>) -> Error {
    problems.sort_by_key(|one| one.origin.rank());
    problems.dedup();
    let count = match problems.len() {
        1 => "1 problem".to_owned(),
        n => format!("{n} problems"),
    };
    let lines: Vec<String> = problems.iter().map(|p| format!("  {p}")).collect();
    Error::new(
        ErrorKind::Configuration,
        "configuration",
        format!("{count}, nothing was connected\n{}", lines.join("\n")),
    )
}

/// Whether a key's own name, the last part of its path, says that its value is nobody's business.
pub(crate) fn names_a_secret(key: &str) -> bool {
    let key = own_name(key).to_ascii_lowercase();
    [
        "secret",
        "token",
        "password",
        "passwd",
        "credential",
        "authorization",
        "api_key",
        "apikey",
    ]
    .iter()
    .any(|word| key.contains(word))
}

fn own_name(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// A webhook's address often is its key; it stands in `outputs.webhook.url`, or by mistake in `outputs.webhook`.
fn names_a_webhook(key: &str) -> bool {
    own_name(key).contains("webhook") || key.ends_with("webhook.url")
}

/// What was found, for a message: never a secret, never user information of a URL, never a control character.
pub(crate) fn found(key: &str, node: &Node) -> String {
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::List(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::Number(_) if names_a_secret(key) => "a number".to_owned(),
        Value::Number(written) => shortened(written),
        Value::Text(text) => found_text(key, text),
    }
}

/// As [`found`] for a text.
pub(crate) fn found_text(key: &str, text: &str) -> String {
    if text.is_empty() {
        return "an empty text".to_owned();
    }
    if names_a_secret(key) || text.contains('@') || names_a_webhook(key) {
        return "a text (not shown here)".to_owned();
    }
    format!("\"{}\"", shortened(text))
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(SHOWN_CHARS).flat_map(char::escape_debug).collect();
    if text.chars().count() > SHOWN_CHARS {
        short.push('…');
    }
    short
}

/// The known word nearest to `word`, if it is near enough to be what was meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let limit = (word.chars().count() / 3).max(1) + 1;
    known
        .into_iter()
        .map(|candidate| {
            let low = candidate.to_lowercase();
            // A forgotten unit: `timeout` for `timeout_secs`.
            let begun = word.len() >= 3
                && low
                    .strip_prefix(&word)
                    .is_some_and(|rest| rest.starts_with(['_', '.', '-']));
            (if begun { 1 } else { distance(&word, &low) }, candidate)
        })
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Letters to insert, delete or replace, or neighbours to swap.
fn distance(a: &str, b: &str) -> usize {
    // Longer words are no typing error of a known one; the bound keeps the cost small.
    const MAX_CHARS: usize = 100;
    let a: Vec<char> = a.chars().take(MAX_CHARS).collect();
    let b: Vec<char> = b.chars().take(MAX_CHARS).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_word_is_near() {
        let known = ["capacity", "when_full", "initial_ms", "max_ms"];
        assert_eq!(nearest("capcity", known), Some("capacity"));
        assert_eq!(nearest("When-Full", known), Some("when_full"));
        assert_eq!(nearest("mxa_ms", known), Some("max_ms"));
        assert_eq!(nearest("initial", known), Some("initial_ms"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("x", ["y"]), None);
    }

    #[test]
    fn secrets_and_user_information_are_not_shown() {
        let text = |t: &str| Node {
            value: Value::Text(t.to_owned()),
            at: 0,
        };
        assert!(!found("client_secret", &text("hunter2")).contains("hunter2"));
        assert!(!found("proxy", &text("http://me:hunter2@host")).contains("hunter2"));
        for key in [
            "outputs.webhook.url",
            "outputs.webhook",
            "outputs.webhook.secret_file",
            "http.token_file",
        ] {
            assert!(!found(key, &text("http://h/hunter2")).contains("hunter2"), "{key}");
        }
        assert_eq!(found("outputs.webhook.on", &text("always")), "\"always\"");
        assert_eq!(found("token.refresh_before_secs", &text("soon")), "\"soon\"");
        assert_eq!(found("protocol", &text("a\u{1b}[2J")), "\"a\\u{1b}[2J\"");
    }

    #[test]
    fn problems_come_in_order_of_their_place() {
        let problem = |origin| Problem {
            origin,
            key: "k".to_owned(),
            what: "w".to_owned(),
        };
        let at = |line| Origin::File {
            file: "f.json".into(),
            line,
            column: 1,
        };
        let error = to_error(vec![
            problem(Origin::Missing),
            problem(at(9)),
            problem(at(2)),
            problem(Origin::Variable("V")),
            problem(Origin::Flag("--x")),
            problem(Origin::Flag("--x")),
        ]);
        assert_eq!(
            error.to_string(),
            "configuration: 5 problems, nothing was connected\n  --x: w\n  V: w\n  f.json:2:1: k: w\n  f.json:9:1: k: w\n  k: w"
        );
    }
}
