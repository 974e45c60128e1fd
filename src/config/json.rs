//! Reads JSON and keeps where each key and value stands, so that all errors can be shown at once, each with its place.
//!
//! In: the text of a configuration file · Out: a tree of nodes, the faults of its notation · Thread: any (pure).
//!
//! This reader is our own because serde_json ends at the first error and its values do not know their lines: a user with
//! three wrong keys would have to start the program three times, and an error in a range (`buffer.capacity`, line 12)
//! could not name its line. Texts and numbers are read by serde_json.

use std::collections::HashMap;
use std::time::Duration;

use crate::base::problem::Finding;

/// Objects and lists inside each other; a configuration needs five.
const MAX_DEPTH: usize = 32;

/// A value and the byte where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub value: Value,
    pub at: usize,
}

/// JSON's kinds of values, and a duration from a setter. Numbers stay as written, so that messages show what the user
/// wrote.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(String),
    /// Given by a setter: never read from a file.
    Duration(Duration),
    Text(String),
    List(Vec<Node>),
    Object(Vec<Member>),
}

/// One `"key": value` of an object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub key: String,
    pub at: usize,
    pub node: Node,
}

/// A fault of the notation: its place, the key that it is in, what it is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    pub at: usize,
    pub path: String,
    pub finding: Finding,
}

/// What was read. After a fault that ends reading, `root` holds what came before it and `complete` is false.
#[derive(Debug)]
pub(crate) struct Document {
    pub root: Node,
    pub faults: Vec<Fault>,
    pub complete: bool,
}

/// A place in a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    at: usize,
    /// From 1.
    pub(crate) line: usize,
    /// In characters, from 1.
    pub(crate) column: usize,
}

impl Default for Place {
    /// The beginning.
    fn default() -> Self {
        Self {
            at: 0,
            line: 1,
            column: 1,
        }
    }
}

impl Place {
    /// The place of the byte `at`; reads the text from this place on if that is before it.
    pub(crate) fn moved_to(self, text: &str, at: usize) -> Self {
        let at = at.min(text.len());
        let mut place = if at < self.at { Self::default() } else { self };
        for byte in &text.as_bytes()[place.at..at] {
            match byte {
                b'\n' => (place.line, place.column) = (place.line + 1, 1),
                // Bytes that continue a character do not count as a column.
                _ => place.column += usize::from(byte & 0xc0 != 0x80),
            }
        }
        place.at = at;
        place
    }
}

/// Line and column (in characters), both from 1.
pub(crate) fn place(text: &str, at: usize) -> (usize, usize) {
    let place = Place::default().moved_to(text, at);
    (place.line, place.column)
}

/// Reads a whole document. Never panics, whatever the text.
pub(crate) fn read(text: &str) -> Document {
    let mut reader = Reader {
        text,
        at: if text.starts_with('\u{feff}') { 3 } else { 0 },
        faults: Vec::new(),
        path: Vec::new(),
    };
    reader.skip_space();
    let (root, complete) = match reader.value() {
        Ok(root) => {
            reader.skip_space();
            let rest = reader.at < text.len();
            if rest {
                reader.fault(reader.at, "something follows after the end of the JSON value");
            }
            (root, !rest)
        }
        Err(root) => (root, false),
    };
    Document {
        root,
        faults: reader.faults,
        complete,
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    faults: Vec<Fault>,
    path: Vec<String>,
}

/// `Err` carries what was read before a fault that ends reading; the fault is already noted.
type Read = Result<Node, Node>;

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn fault(&mut self, at: usize, finding: impl Into<Finding>) {
        self.faults.push(Fault {
            at,
            path: self.path.join("."),
            finding: finding.into(),
        });
    }

    /// Describes the character here without showing more of the text, which may be a secret without quotes.
    fn found(&self) -> String {
        match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            None => "the end of the file".to_owned(),
            Some(c) if c.is_alphanumeric() => "a word or number that is no JSON value".to_owned(),
            Some(c) => format!("`{}`", c.escape_default()),
        }
    }

    fn skip_space(&mut self) {
        loop {
            while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
                self.at += 1;
            }
            let rest = &self.text[self.at..];
            if rest.starts_with("//") || rest.starts_with('#') {
                self.fault(self.at, "JSON has no comments; remove it");
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else {
                return;
            }
        }
    }

    fn value(&mut self) -> Read {
        let at = self.at;
        let node = |value| Node { value, at };
        if self.path.len() > MAX_DEPTH {
            self.fault(at, format!("nested deeper than {MAX_DEPTH} levels"));
            return Err(node(Value::Null));
        }
        match self.peek() {
            Some(b'{') => self.object(at),
            Some(b'[') => self.list(at),
            Some(b'"') => match self.string() {
                Some(text) => Ok(node(Value::Text(text))),
                None => Err(node(Value::Null)),
            },
            Some(b'-' | b'0'..=b'9') => self.number(at),
            Some(b'\'') => {
                self.fault(at, ("a single quote", "texts stand in double quotes"));
                Err(node(Value::Null))
            }
            _ => self.word(at),
        }
    }

    fn word(&mut self, at: usize) -> Read {
        let rest = &self.text[at..];
        let len = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let value = match &rest[..len] {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "null" => Value::Null,
            word => {
                let here;
                let finding = match word {
                    "True" | "TRUE" => ("True", "write true"),
                    "False" | "FALSE" => ("False", "write false"),
                    "None" | "NULL" | "Null" => ("a null in another language", "write null"),
                    "" => {
                        here = self.found();
                        (here.as_str(), "a value is needed here")
                    }
                    _ => ("a word without quotes", "texts stand in double quotes"),
                };
                self.fault(at, finding);
                return Err(Node { value: Value::Null, at });
            }
        };
        self.at += len;
        Ok(Node { value, at })
    }

    fn number(&mut self, at: usize) -> Read {
        let bytes = &self.text.as_bytes()[at..];
        let len = bytes
            .iter()
            .take_while(|b| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
            .count();
        let written = &self.text[at..at + len];
        if serde_json::from_str::<serde_json::Number>(written).is_err() {
            self.fault(
                at,
                ("something that begins like a number and is none", "write a number"),
            );
            return Err(Node { value: Value::Null, at });
        }
        self.at += len;
        Ok(Node {
            value: Value::Number(written.to_owned()),
            at,
        })
    }

    /// `None` when the text does not end or holds a forbidden escape; the fault is noted.
    fn string(&mut self) -> Option<String> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut end = start + 1;
        loop {
            match bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => end += 2,
                Some(b'\n') | None => {
                    self.fault(start, "this text has no closing quote on its line");
                    return None;
                }
                Some(_) => end += 1,
            }
        }
        let read = self.text.get(start..=end).map(serde_json::from_str::<String>);
        if let Some(Ok(text)) = read {
            self.at = end + 1;
            Some(text)
        } else {
            self.fault(
                start,
                "this text holds a control character or an escape that JSON does not have",
            );
            None
        }
    }

    /// Between two items: a comma, or the end. A comma too many or too few is noted and reading goes on.
    fn separator(&mut self, close: u8, starts_item: fn(u8) -> bool) -> Result<bool, ()> {
        self.skip_space();
        match self.peek() {
            Some(b',') => {
                let comma = self.at;
                self.at += 1;
                self.skip_space();
                if self.peek() == Some(close) {
                    self.fault(comma, "a comma before the end; remove it");
                    self.at += 1;
                    return Ok(false);
                }
                Ok(true)
            }
            Some(b) if b == close => {
                self.at += 1;
                Ok(false)
            }
            Some(b) if starts_item(b) => {
                self.fault(self.at, "a comma is missing before this");
                Ok(true)
            }
            _ => {
                let needed = format!("a comma or `{}` is needed here", close as char);
                self.fault(self.at, (self.found(), needed));
                Err(())
            }
        }
    }

    fn object(&mut self, at: usize) -> Read {
        let (mut members, mut first_at): (Vec<Member>, HashMap<String, usize>) = Default::default();
        self.at += 1;
        self.skip_space();
        let mut more = self.peek() != Some(b'}');
        if !more {
            self.at += 1;
        }
        let mut complete = true;
        while more {
            let key_at = self.at;
            if self.peek() != Some(b'"') {
                self.fault(key_at, (self.found(), "a key in double quotes is needed here"));
                complete = false;
                break;
            }
            let Some(key) = self.string() else {
                complete = false;
                break;
            };
            self.path.push(key.clone());
            self.skip_space();
            if self.peek() != Some(b':') {
                self.fault(self.at, (self.found(), "a colon is needed here"));
                self.path.pop();
                complete = false;
                break;
            }
            self.at += 1;
            self.skip_space();
            let read = self.value();
            if let Some(first_at) = first_at.get(&key) {
                let (line, _) = place(self.text, *first_at);
                let found = format!("this key a second time (first on line {line})");
                self.fault(key_at, (found, "give it once"));
            }
            self.path.pop();
            let (node, whole) = match read {
                Ok(node) => (node, true),
                Err(node) => (node, false),
            };
            // The finished parts of a broken object are still checked; a broken scalar is not.
            if whole || matches!(node.value, Value::Object(_)) {
                first_at.entry(key.clone()).or_insert(key_at);
                members.push(Member { key, at: key_at, node });
            }
            if !whole {
                complete = false;
                break;
            }
            match self.separator(b'}', |b| b == b'"') {
                Ok(next) => more = next,
                Err(()) => {
                    complete = false;
                    break;
                }
            }
        }
        let node = Node {
            value: Value::Object(members),
            at,
        };
        if complete { Ok(node) } else { Err(node) }
    }

    fn list(&mut self, at: usize) -> Read {
        let mut items = Vec::new();
        self.at += 1;
        self.skip_space();
        let mut more = self.peek() != Some(b']');
        if !more {
            self.at += 1;
        }
        while more {
            self.path.push(format!("[{}]", items.len()));
            let read = self.value();
            self.path.pop();
            let broken = Node { value: Value::Null, at };
            match read {
                Ok(item) => items.push(item),
                Err(_) => return Err(broken),
            }
            match self.separator(b']', |b| matches!(b, b'"' | b'{' | b'[' | b'0'..=b'9')) {
                Ok(next) => more = next,
                Err(()) => return Err(broken),
            }
        }
        Ok(Node {
            value: Value::List(items),
            at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn faults(text: &str) -> Vec<(usize, usize, String)> {
        let document = read(text);
        let mut all: Vec<_> = document
            .faults
            .iter()
            .map(|f| {
                let (line, column) = place(text, f.at);
                let found = f.finding.found.as_deref().unwrap_or_default();
                (line, column, format!("{found}; {}", f.finding.allowed))
            })
            .collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn keeps_where_keys_and_values_stand() {
        let text = "{\n \"é\": 1,\n  \"b\": {\"c\": [true, null]}}";
        let document = read(text);
        assert!(document.complete && document.faults.is_empty());
        let Value::Object(members) = &document.root.value else {
            panic!("{document:?}")
        };
        assert_eq!(place(text, members[0].node.at), (2, 7));
        assert_eq!(place(text, members[1].at), (3, 3));
        assert_eq!(members[0].node.value, Value::Number("1".to_owned()));
    }

    #[test]
    fn goes_on_after_small_faults() {
        let found = faults("{\"a\": 1,\n \"a\": 2\n \"b\": [1, 2,], // note\n \"c\": 3,}");
        let lines: Vec<_> = found.iter().map(|(line, _, _)| *line).collect();
        assert_eq!(lines, [2, 3, 3, 3, 4], "{found:?}");
        assert!(
            found.iter().any(|f| f.2.contains("second time (first on line 1)")),
            "{found:?}"
        );
        assert!(found.iter().any(|f| f.2.contains("comma is missing")), "{found:?}");
        assert!(found.iter().any(|f| f.2.contains("no comments")), "{found:?}");
    }

    #[test]
    fn ends_at_large_faults_and_keeps_what_came_before() {
        for (text, line, column, part) in [
            ("", 1, 1, "end of the file"),
            ("{\"a\": hunter2}", 1, 7, "without quotes"),
            ("{\"a\": True}", 1, 7, "write true"),
            ("{\"a\": 'x'}", 1, 7, "single quote"),
            ("{\n\"a\" 1}", 2, 5, "colon"),
            ("{\"a\": \"open\n}", 1, 7, "closing quote"),
            ("{\"a\": \"\\q\"}", 1, 7, "escape"),
            ("{\"a\": 01}", 1, 7, "number"),
            ("{} {}", 1, 4, "follows after"),
            ("{a: 1}", 1, 2, "double quotes"),
        ] {
            let found = faults(text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert_eq!((found[0].0, found[0].1), (line, column), "{text}: {found:?}");
            assert!(found[0].2.contains(part), "{text}: {found:?}");
            assert!(!found[0].2.contains("hunter2"));
        }
        let document = read("{\"a\": 1, \"b\": {\"c\": 2, \"d\": oops");
        let Value::Object(members) = document.root.value else {
            panic!()
        };
        assert_eq!(members.len(), 2);
    }

    #[test]
    fn depth_is_limited() {
        let deep = "[".repeat(100_000);
        assert!(read(&deep).faults[0].finding.allowed.contains("nested deeper"));
    }

    proptest! {
        #[test]
        fn never_panics(text in "[\\[\\]{}:,\"\\\\a-c0-9.eé\n /#-]{0,60}") {
            let document = read(&text);
            for fault in document.faults {
                let _ = place(&text, fault.at);
            }
        }

        #[test]
        fn reads_what_serde_writes(text in "\\PC{0,20}", number in any::<i64>()) {
            let written = serde_json::json!({"k": [text, number, null]}).to_string();
            let document = read(&written);
            prop_assert!(document.complete && document.faults.is_empty());
        }
    }
}
