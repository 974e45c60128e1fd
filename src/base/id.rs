//! An identifier of the service, compact where it is a UUID.
//!
//! In: text from frames · Out: `Id` · Thread: any (plain data).

use std::convert::Infallible;
use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A Genesys identifier: of a conversation, a participant, a queue, a user.
///
/// Identifiers compare without regard to letter case: the ASCII letters of the text become lower case. Nearly all are UUIDs
/// and take 16 bytes; any other text is kept.
///
/// ```
/// use genesys_stream::Id;
/// let id = Id::new("509F5A7F-cb31-5a43-ac00-8041a8ba3690");
/// assert_eq!(id.to_string(), "509f5a7f-cb31-5a43-ac00-8041a8ba3690");
/// assert_eq!(Id::new("Agent-7"), Id::new("agent-7"));
/// assert_ne!(Id::new("agent-7"), id);
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(Form);

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Form {
    /// Two halves, the lower one not zero and the other variant of one pointer: so both fit into 16 bytes.
    Uuid(u64, NonZeroU64),
    Other(Box<Box<str>>),
}

impl Id {
    /// Stands where an identifier is not known yet.
    pub(crate) const PLACEHOLDER: Self = Self(Form::Uuid(0, NonZeroU64::MIN));

    /// An identifier of any text; its ASCII letters become lower case.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self::from_uuid_text(text.as_bytes())
            .unwrap_or_else(|| Self(Form::Other(Box::new(text.to_ascii_lowercase().into_boxed_str()))))
    }

    /// The identifier that is written as this UUID; `None` for any other text, and for a UUID with a lower half of zeros.
    #[inline]
    pub(crate) fn from_uuid_text(text: &[u8]) -> Option<Self> {
        let (high, low) = parse_uuid(text)?;
        Some(Self::of_uuid(high, NonZeroU64::new(low)?))
    }

    /// The UUID of these two halves, the lower of which is not zero.
    pub(crate) fn of_uuid(high: u64, low: NonZeroU64) -> Self {
        Self(Form::Uuid(high, low))
    }

    /// Bytes on the heap, as an estimate: none for a UUID.
    #[inline]
    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.0 {
            Form::Uuid(..) => 0,
            Form::Other(text) => size_of::<Box<str>>() + text.len() + 16,
        }
    }

    /// The two halves of a UUID; `None` for any other text.
    pub(crate) fn as_uuid(&self) -> Option<(u64, u64)> {
        match self.0 {
            Form::Uuid(high, low) => Some((high, low.get())),
            Form::Other(_) => None,
        }
    }
}

/// Whether a text is a UUID in its canonical spelling, in either letter case.
pub(crate) fn is_canonical_uuid(text: &str) -> bool {
    parse_uuid(text.as_bytes()).is_some()
}

/// Only the canonical spelling, in either case: writing it gives the same text again, in lower case.
fn parse_uuid(b: &[u8]) -> Option<(u64, u64)> {
    let b: &[u8; 36] = b.try_into().ok()?;
    if (b[8], b[13], b[18], b[23]) != (b'-', b'-', b'-', b'-') {
        return None;
    }
    let four = |at: usize| u64::from(u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]]));
    let words = [
        four(0) | four(4) << 32,
        four(9) | four(14) << 32,
        four(19) | four(24) << 32,
        four(28) | four(32) << 32,
    ];
    let (a, a_is) = eight_digits(words[0]);
    let (b, b_is) = eight_digits(words[1]);
    let (c, c_is) = eight_digits(words[2]);
    let (d, d_is) = eight_digits(words[3]);
    let is_any_above_127 = (words[0] | words[1] | words[2] | words[3]) & HIGH_BITS != 0;
    let are_digits = a_is & b_is & c_is & d_is == HIGH_BITS;
    (are_digits && !is_any_above_127).then_some((a << 32 | b, c << 32 | d))
}

const EACH: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = EACH * 0x80;

/// The number of eight hexadecimal digits, the first of which is in the lowest byte; and the high bit of each byte that is
/// such a digit. Both are right only where no byte is above 127.
#[inline(always)]
fn eight_digits(word: u64) -> (u64, u64) {
    let word = word & !HIGH_BITS;
    // The high bit of each byte that is at least `least` and less than `beyond`: no byte is above 127, so nothing is
    // carried.
    let between = |word: u64, least: u8, beyond: u8| {
        (word + EACH * u64::from(0x80 - least)) & !(word + EACH * u64::from(0x80 - beyond)) & HIGH_BITS
    };
    let letters = between(word | (EACH * 0x20), b'a', b'f' + 1);
    let are_digits = between(word, b'0', b'9' + 1) | letters;
    let digits = (word & (EACH * 0x0f)) + (letters >> 7) * 9;
    // Pairs of digits to bytes, then the bytes together.
    let pairs = (digits << 4 | digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    (u64::from(((fours | fours >> 16) as u32).swap_bytes()), are_digits)
}

/// What [`parse_uuid`] read, in small letters. Snapshots and records have many of these, and formatting directives take
/// ten times as long.
fn uuid_text(high: u64, low: u64) -> [u8; 36] {
    let mut text = [b'-'; 36];
    let mut digits = u128::from(high) << 64 | u128::from(low);
    for part in [24..36, 19..23, 14..18, 9..13, 0..8] {
        for place in text[part].iter_mut().rev() {
            *place = b"0123456789abcdef"[(digits & 0xf) as usize];
            digits >>= 4;
        }
    }
    text
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Uuid(high, low) => f.write_str(str::from_utf8(&uuid_text(*high, low.get())).unwrap_or_default()),
            Form::Other(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<&str> for Id {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl FromStr for Id {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::new(text))
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(IdText)
    }
}

/// Reads the text without copying a UUID.
struct IdText;

impl de::Visitor<'_> for IdText {
    type Value = Id;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an identifier as text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Id, E> {
        Ok(Id::new(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_uuid_takes_no_heap_and_other_text_is_kept() {
        for uuid in [
            "509f5a7f-cb31-5a43-ac00-8041a8ba3690",
            "509F5A7F-CB31-5A43-AC00-8041A8BA3690",
        ] {
            assert!(matches!(Id::new(uuid).0, Form::Uuid(..)));
        }
        for text in [
            "509f5a7fcb315a43ac008041a8ba3690",
            "509g5a7f-cb31-5a43-ac00-8041a8ba3690",
        ] {
            assert!(matches!(Id::new(text).0, Form::Other(_)));
        }
        assert_eq!(size_of::<Option<Id>>(), 24);
    }

    #[test]
    fn letter_case_makes_no_other_id() {
        for (one, other) in [
            (
                "509F5a7f-cb31-5A43-ac00-8041a8ba369D",
                "509f5a7f-cb31-5a43-ac00-8041a8ba369d",
            ),
            ("Agent-7É", "agent-7É"),
        ] {
            assert_eq!(Id::new(one), Id::new(other));
            assert_eq!(Id::new(one).to_string(), other);
        }
        assert_ne!(Id::new("é"), Id::new("É"), "ASCII letters only");
    }

    /// The digits of a UUID one by one.
    fn uuid_by_digits(text: &str) -> Option<(u64, u64)> {
        let digits = text
            .bytes()
            .enumerate()
            .filter(|(at, b)| !(matches!(at, 8 | 13 | 18 | 23) && *b == b'-'));
        let digits: Option<Vec<u128>> = digits
            .map(|(_, b)| char::from(b).to_digit(16).map(u128::from))
            .collect();
        let value = digits.filter(|digits| text.len() == 36 && digits.len() == 32)?;
        let value = value.iter().fold(0, |value, digit| value << 4 | digit);
        Some(((value >> 64) as u64, value as u64))
    }

    #[test]
    fn every_byte_at_every_place_of_a_uuid() {
        for at in 0..36 {
            for byte in 0..=u8::MAX {
                let mut text = *b"509f5A7f-cb31-5a43-ac00-8041a8ba3690";
                text[at] = byte;
                let expected = std::str::from_utf8(&text).ok().and_then(uuid_by_digits);
                assert_eq!(parse_uuid(&text), expected, "{byte} at {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_uuid_has_the_value_of_its_digits(text in "(?i:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})|[0-9a-fA-Fg\\-]{36}") {
            prop_assert_eq!(parse_uuid(text.as_bytes()), uuid_by_digits(&text));
        }

        #[test]
        fn what_went_in_comes_out_in_lower_case(text in "(?i:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})|\\PC{0,40}") {
            prop_assert_eq!(Id::new(&text).to_string(), text.to_ascii_lowercase());
        }
    }

    #[test]
    fn reads_itself_from_text_and_from_json() {
        for text in ["509f5a7f-cb31-5a43-ac00-8041a8ba3690", "Sales \"EU\""] {
            let id: Id = text.parse().unwrap();
            assert_eq!(id, Id::new(text));
            let json = serde_json::to_string(&id).unwrap();
            assert_eq!(serde_json::from_str::<Id>(&json).unwrap(), id);
        }
        assert!(serde_json::from_str::<Id>("7").is_err());
    }
}
