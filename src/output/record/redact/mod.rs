//! Removes everything that may identify a customer from a JSON text.
//!
//! In: the JSON text of a body of any kind · Out: JSON text on one line, same shape, same order · Thread: any (pure).
//!
//! Text becomes `""`, a number `null`. Keys decide, in lower case, by the published schemas (seen 2026-11):
//! - these are emptied with everything inside: keys that contain `name` (except `namespace` and `topicName`), `address`,
//!   `number` or `dnis`; `ani`, `callerid`, `remote`, `subject`, `externaltag`, `uuidata`; keys that end with `note` or
//!   `notes`;
//! - these become `{}` or `[]`: keys that end with `attributes`, and `messageparams`;
//! - these are emptied if they are text: keys that contain `email`, `phone`, `transcript`, `text` or `comment`, keys that
//!   end with `message` or `withparams`, and `word`, `phrase`.
//!
//! `name` is kept in the entries of a `metrics` list, where it is the name of a metric. Under any key, a text is emptied
//! that starts like an address (`tel:`, `sip:`, `sips:`, `mailto:`, `+` and digits) or contains an `@`.

//! An identifier stays where it is a canonical UUID; any other becomes `h:` and 32 hex digits (`base/pseudonym.rs`), so that
//! equal ones stay equal and a redacted recording gives the same numbers. Identifiers are the values of `id`, `peer` and of
//! keys that end with `Id`, `Ids`, `_id` or `_ids`; topics have them between their points. Texts are judged after their
//! escapes were decoded. Whatever a decoder of this program would refuse becomes `null`, which it refuses as well.

mod rules;

use std::borrow::Cow;

use self::rules::{Rule, Schema, is_address, kept_of, rule_of};
use crate::base::pseudonym;

/// Frames that are nested deeper are refused by the decoders (`protocol/depth.rs`).
const MAX_DEPTH: usize = 100;

/// Appends a body or frame without customers' names, addresses, attributes and notes; `null` if it is not JSON.
pub(crate) fn redact(out: &mut Vec<u8>, text: &str) {
    redact_as(out, text, Schema::Service);
}

/// Appends a record or snapshot of this program without the names of people.
pub(crate) fn redact_record(out: &mut Vec<u8>, text: &str) {
    redact_as(out, text, Schema::Record);
}

/// Appends a line of a recording, which is no frame, without the names of people.
pub(crate) fn redact_recorded(out: &mut Vec<u8>, text: &str) {
    redact_as(out, text, Schema::Recording);
}

fn redact_as(out: &mut Vec<u8>, text: &str, schema: Schema) {
    let start = out.len();
    let mut cursor = Cursor {
        bytes: text.as_bytes(),
        at: 0,
        schema,
    };
    let done = cursor.value(out, Rule::Keep, 0).and_then(|()| {
        cursor.space();
        (cursor.at == cursor.bytes.len()).then_some(())
    });
    if done.is_none() {
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

/// A text of the input: as it stands there, and decoded.
struct Text<'a> {
    quoted: &'a [u8],
    decoded: Cow<'a, str>,
}

/// Appends `text` in quotes.
fn quote(out: &mut Vec<u8>, text: &str) {
    // Writing a text into a vector cannot fail.
    let _ = serde_json::to_writer(out, text);
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    schema: Schema,
}

/// Every method returns `None` if the text is not JSON.
impl<'a> Cursor<'a> {
    fn space(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn peek(&mut self) -> Option<u8> {
        self.space();
        self.bytes.get(self.at).copied()
    }

    fn expect(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    /// `depth`: how many objects and lists the value is in.
    fn value(&mut self, out: &mut Vec<u8>, rule: Rule, depth: usize) -> Option<()> {
        match self.peek()? {
            open @ (b'{' | b'[') if rule == Rule::EmptyContainer => {
                self.skip(depth)?;
                out.extend_from_slice(if open == b'{' { b"{}" } else { b"[]" });
                Some(())
            }
            b'{' | b'[' if depth >= MAX_DEPTH => None,
            b'{' => self.object(out, rule, depth),
            b'[' => self.array(out, rule, depth),
            b'"' => {
                let text = self.text()?;
                Self::write_text(out, &text, rule);
                Some(())
            }
            _ => {
                let scalar = self.scalar()?;
                let is_number = scalar[0] == b'-' || scalar[0].is_ascii_digit();
                out.extend_from_slice(match rule {
                    Rule::Empty | Rule::EmptyContainer if is_number => b"null",
                    // Of the same type, because decoders refuse it by its type.
                    Rule::Id if is_number && self.schema == Schema::Service => b"0",
                    _ => scalar,
                });
                Some(())
            }
        }
    }

    fn write_text(out: &mut Vec<u8>, text: &Text<'_>, rule: Rule) {
        let Text { quoted, decoded } = text;
        match rule {
            Rule::Verbatim => out.extend_from_slice(quoted),
            Rule::Id | Rule::ById => match pseudonym::of(decoded) {
                Cow::Borrowed(_) => out.extend_from_slice(quoted),
                Cow::Owned(shown) => quote(out, &shown),
            },
            // No topic, so that the words of topics mean nothing in it.
            Rule::Topic if is_address(decoded) && !decoded.contains('.') => quote(out, &pseudonym::of(decoded)),
            Rule::Topic => quote(out, &pseudonym::of_topic(decoded)),
            Rule::People | Rule::Person => out.extend_from_slice(b"null"),
            Rule::Keep | Rule::KeepMetrics if !is_address(decoded) => out.extend_from_slice(quoted),
            Rule::EmptyText => quote(out, kept_of(decoded)),
            Rule::Keep | Rule::KeepMetrics | Rule::Empty | Rule::EmptyContainer => out.extend_from_slice(b"\"\""),
        }
    }

    fn object(&mut self, out: &mut Vec<u8>, rule: Rule, depth: usize) -> Option<()> {
        self.expect(b'{')?;
        out.push(b'{');
        if self.peek()? != b'}' {
            loop {
                self.space();
                let key = self.text()?;
                match rule {
                    Rule::ById | Rule::People => Self::write_text(out, &key, Rule::Id),
                    Rule::Topic => Self::write_text(out, &key, Rule::Topic),
                    // What may be an address is no key of a schema.
                    _ if is_address(&key.decoded) => Self::write_text(out, &key, Rule::Id),
                    _ => out.extend_from_slice(key.quoted),
                }
                self.expect(b':')?;
                out.push(b':');
                self.value(out, rule_of(&key.decoded, rule, self.schema), depth + 1)?;
                if self.peek()? != b',' {
                    break;
                }
                self.at += 1;
                out.push(b',');
            }
        }
        self.expect(b'}')?;
        out.push(b'}');
        Some(())
    }

    fn array(&mut self, out: &mut Vec<u8>, rule: Rule, depth: usize) -> Option<()> {
        // The rule of a key holds for the entries of its list; identifiers are keys of an object only.
        let rule = if rule == Rule::ById { Rule::Id } else { rule };
        self.expect(b'[')?;
        out.push(b'[');
        if self.peek()? != b']' {
            loop {
                self.value(out, rule, depth + 1)?;
                if self.peek()? != b',' {
                    break;
                }
                self.at += 1;
                out.push(b',');
            }
        }
        self.expect(b']')?;
        out.push(b']');
        Some(())
    }

    fn text(&mut self) -> Option<Text<'a>> {
        let start = self.at;
        if *self.bytes.get(start)? != b'"' {
            return None;
        }
        self.at += 1;
        let mut is_escaped = false;
        loop {
            match self.bytes.get(self.at)? {
                b'"' => break,
                b'\\' => {
                    is_escaped = true;
                    self.at += 2;
                }
                0..0x20 => return None,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        let quoted = self.bytes.get(start..self.at)?;
        let text = std::str::from_utf8(quoted).ok()?;
        let decoded = match is_escaped {
            true => Cow::Owned(serde_json::from_str::<String>(text).ok()?),
            false => Cow::Borrowed(&text[1..text.len() - 1]),
        };
        Some(Text { quoted, decoded })
    }

    /// A number, `true`, `false` or `null`.
    fn scalar(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        while self
            .bytes
            .get(self.at)
            .is_some_and(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b))
        {
            self.at += 1;
        }
        let scalar = &self.bytes[start..self.at];
        serde_json::from_str::<serde::de::IgnoredAny>(std::str::from_utf8(scalar).ok()?)
            .ok()
            .map(|_| scalar)
    }

    /// Skips an object or list; what is in it has to be JSON, too.
    fn skip(&mut self, depth: usize) -> Option<()> {
        let mut nothing = Vec::new();
        self.value(&mut nothing, Rule::Verbatim, depth)
    }
}

#[cfg(test)]
mod tests;
