//! Reads JSON piece by piece in a single walk, eight bytes at a time where that pays.
//!
//! In: JSON text of a peer · Out: keys, values, the newest times in it · Thread: any (pure).
//!
//! The scanner accepts and refuses exactly what serde_json does (a property test holds them together), and what nobody asks
//! for is validated by [`Scanner::skip`]. The rules of serde_json for a value that is read are stricter than for one that
//! is skipped: a number must be in the range of a double, and surrogates in text must come in pairs.
//!
//! On the way the scanner notes the newest time in the text: see [`Times`].

use std::borrow::Cow;

use serde::de::IgnoredAny;

use super::depth::{MAX_DEPTH, check_depth};
use super::json::{Entries, Field, Lenient, not_json};
use crate::base::receipt::Receipt;
use crate::{Id, Moment};

/// The text cannot be read; the scanner knows why.
#[derive(Debug)]
pub(crate) struct Invalid;

/// Why a text cannot be read.
#[derive(Clone, Copy, Debug)]
enum Fault {
    None,
    /// It is not JSON, or nested too deeply.
    Syntax,
    /// The text or number that begins at this byte cannot be read.
    Scalar(usize),
    /// The known key that ends before this byte is there twice.
    Twice(usize),
    /// A value other than an object.
    NoObject,
}

/// The known keys of an object, made by `keys!`.
pub(crate) trait Key: Copy {
    /// The key of this text, whose first eight bytes (with zeros behind a shorter one) are `word`.
    fn of(key: &[u8], word: u64) -> Option<Self>;
    /// The place of the field in a set of bits. Two spellings of a field have one place.
    fn field(self) -> u32;
}

/// The first eight bytes of a key as a number, with zeros behind a shorter one.
pub(crate) const fn key_word(key: &[u8]) -> u64 {
    let mut word = [0; 8];
    let mut at = 0;
    while at < key.len() && at < 8 {
        word[at] = key[at];
        at += 1;
    }
    u64::from_le_bytes(word)
}

/// Declares the known keys of an object: a key is looked up by its first eight bytes and then compared whole.
macro_rules! keys {
    ($(#[$doc:meta])* $name:ident { $($key:ident = $text:literal $(| $other:ident = $other_text:literal)?),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum $name { $($key),+ }

        impl $crate::protocol::scan::Key for $name {
            #[inline]
            #[allow(non_upper_case_globals, reason = "each is named as its variant")]
            fn of(key: &[u8], word: u64) -> Option<Self> {
                $(
                    const $key: u64 = $crate::protocol::scan::key_word($text.as_bytes());
                    $(const $other: u64 = $crate::protocol::scan::key_word($other_text.as_bytes());)?
                )+
                match word {
                    $(
                        $key if key == $text.as_bytes() => Some(Self::$key),
                        $($other if key == $other_text.as_bytes() => Some(Self::$key),)?
                    )+
                    _ => None,
                }
            }
            fn field(self) -> u32 {
                self as u32
            }
        }
    };
}
pub(crate) use keys;

/// The newest times in a text, by the limits of a receipt: nothing that is later than the receipt has happened.
///
/// A time is a string value that is an ISO 8601 date and time with a `T` in upper case. Keys, intervals (`A/B`), dates
/// without a time and times inside longer strings do not count. Neither do times with JSON escapes, because no serialiser
/// escapes digits, letters or `-:.+`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    /// The newest that is not later than the receipt by this machine's clock.
    pub(crate) by_ours: Option<Moment>,
    /// The newest that is not later than the receipt by the service's clock.
    pub(crate) by_service: Option<Moment>,
}

/// A JSON value as sent, and the newest times in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body<'a> {
    pub(crate) text: &'a str,
    pub(crate) times: Times,
}

impl Body<'_> {
    /// The body of an event that has none; bodies are always JSON.
    pub(crate) const NONE: Self = Self {
        text: "null",
        times: Times::NONE,
    };
}

/// The most bytes of a time: `YYYY-MM-DDTHH:MM:SS.nnnnnnnnn+HH:MM`, with some room.
const LONGEST_TIME: usize = 47;

/// The state of the walk through one object.
#[derive(Default)]
pub(crate) struct Object {
    /// The known fields so far, one bit each.
    seen: u64,
    is_begun: bool,
}

/// The state of the walk through one list.
#[derive(Default)]
pub(crate) struct List {
    is_begun: bool,
}

/// A place in the text to which the scanner can return.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    at: usize,
    depth: usize,
}

/// Reads one JSON text from its beginning to its end.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Objects and lists around this place.
    depth: usize,
    fault: Fault,
    ours: Moment,
    service: Moment,
    times: Times,
}

/// Where a string's text lies.
#[derive(Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
    is_plain: bool,
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = ONES * 0x80;

/// The high bit of the first byte that is a quote, a backslash or a control character; higher bits have no meaning.
#[inline(always)]
fn ends_plain_text(word: u64) -> u64 {
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (control | (quote.wrapping_sub(ONES) & !quote) | (backslash.wrapping_sub(ONES) & !backslash)) & HIGH_BITS
}

impl<'a> Scanner<'a> {
    /// A scanner at the beginning of `text`, which was received at `at`.
    pub(crate) fn new(text: &'a str, at: Receipt) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
            depth: 0,
            fault: Fault::None,
            ours: at.ours,
            service: at.service,
            times: Times::NONE,
        }
    }

    // ---- places and times ----

    /// The beginning of the next value. Times before it are forgotten.
    pub(crate) fn mark(&mut self) -> Mark {
        self.blank();
        self.times = Times::NONE;
        Mark {
            at: self.at,
            depth: self.depth,
        }
    }

    /// Returns to `mark`, and forgets what was wrong behind it.
    pub(crate) fn rewind(&mut self, mark: Mark) {
        self.at = mark.at;
        self.depth = mark.depth;
        self.fault = Fault::None;
        self.times = Times::NONE;
    }

    /// What is between `mark`, the last one, and this place.
    pub(crate) fn since(&self, mark: Mark) -> Body<'a> {
        Body {
            text: self.text.get(mark.at..self.at).unwrap_or_default(),
            times: self.times,
        }
    }

    #[inline]
    fn note_time(&mut self, at: Moment) {
        if at <= self.ours {
            self.times.by_ours = self.times.by_ours.max(Some(at));
        }
        if at <= self.service {
            self.times.by_service = self.times.by_service.max(Some(at));
        }
    }

    /// Notes the string value at `span` if it is a time.
    #[inline(always)]
    fn note(&mut self, span: Span) {
        // Nearly every other string has no `T` there.
        if span.is_plain && self.bytes.get(span.start + 10) == Some(&b'T') && span.end - span.start <= LONGEST_TIME {
            self.note_likely(span);
        }
    }

    fn note_likely(&mut self, span: Span) {
        if span.end - span.start > 10
            && let Some(at) = Moment::parse(self.span_text(span))
        {
            self.note_time(at);
        }
    }

    // ---- what is wrong ----

    #[cold]
    fn stop<T>(&mut self, fault: Fault) -> Result<T, Invalid> {
        self.fault = fault;
        Err(Invalid)
    }

    #[cold]
    fn syntax<T>(&mut self) -> Result<T, Invalid> {
        self.stop(Fault::Syntax)
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
    fn complaint_of(&self, what: &str, text: &str, from: usize, fault: Fault) -> String {
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

    // ---- objects and lists ----

    /// Enters an object that must be there.
    pub(crate) fn object(&mut self) -> Result<Object, Invalid> {
        if self.blank() != b'{' {
            return self.stop(Fault::NoObject);
        }
        self.enter()?;
        Ok(Object::default())
    }

    /// Enters the object of a field; a value of another type is read over.
    pub(crate) fn object_field(&mut self) -> Result<Field<Object>, Invalid> {
        match self.blank() {
            b'{' => self.enter().map(|()| Field::Given(Object::default())),
            b'n' => self.literal(b"null").map(|()| Field::Absent),
            _ => self.wrong_type().map(|()| Field::Wrong),
        }
    }

    /// Reads the object of a field with `read`; a value of another type is read over.
    #[inline]
    pub(crate) fn object_as<T>(
        &mut self,
        read: impl FnOnce(&mut Self, Object) -> Result<T, Invalid>,
    ) -> Result<Field<T>, Invalid> {
        Ok(match self.object_field()? {
            Field::Given(object) => Field::Given(read(self, object)?),
            Field::Absent => Field::Absent,
            Field::Wrong => Field::Wrong,
        })
    }

    /// Reads the objects in the list of a field with `read`; other entries are counted.
    pub(crate) fn objects_as<T>(
        &mut self,
        read: impl Fn(&mut Self, Object) -> Result<T, Invalid>,
    ) -> Result<Field<Entries<T>>, Invalid> {
        let mut list = match self.list_field()? {
            Field::Given(list) => list,
            Field::Absent => return Ok(Field::Absent),
            Field::Wrong => return Ok(Field::Wrong),
        };
        let mut entries = Entries {
            good: Vec::new(),
            wrong: 0,
        };
        while self.next_entry(&mut list)? {
            match self.object_as(&read)? {
                Field::Given(entry) => entries.good.push(entry),
                Field::Absent | Field::Wrong => entries.wrong += 1,
            }
        }
        Ok(Field::Given(entries))
    }

    /// Enters the list of a field; a value of another type is read over.
    pub(crate) fn list_field(&mut self) -> Result<Field<List>, Invalid> {
        match self.blank() {
            b'[' => self.enter().map(|()| Field::Given(List::default())),
            b'n' => self.literal(b"null").map(|()| Field::Absent),
            _ => self.wrong_type().map(|()| Field::Wrong),
        }
    }

    /// The next known key; the scanner is then at its value. Fields with other keys are skipped.
    #[inline]
    pub(crate) fn next_key<K: Key>(&mut self, object: &mut Object) -> Result<Option<K>, Invalid> {
        loop {
            if !self.has_next(&mut object.is_begun, b'}')? {
                return Ok(None);
            }
            match self.known_key::<K>()? {
                Some(key) => {
                    let bit = 1 << key.field();
                    if object.seen & bit != 0 {
                        self.blank();
                        return self.stop(Fault::Twice(self.at));
                    }
                    object.seen |= bit;
                    self.colon()?;
                    return Ok(Some(key));
                }
                None => {
                    self.colon()?;
                    self.skip()?;
                }
            }
        }
    }

    /// The next key as text, whatever it is; the scanner is then at its value.
    pub(crate) fn next_name(&mut self, object: &mut Object) -> Result<Option<Cow<'a, str>>, Invalid> {
        if !self.has_next(&mut object.is_begun, b'}')? {
            return Ok(None);
        }
        if self.peek() != b'"' {
            return self.syntax();
        }
        let span = self.string_to_read()?;
        let name = self.read(span)?;
        self.colon()?;
        Ok(Some(name))
    }

    /// Whether the list has another entry; the scanner is then at it.
    #[inline]
    pub(crate) fn next_entry(&mut self, list: &mut List) -> Result<bool, Invalid> {
        self.has_next(&mut list.is_begun, b']')
    }

    /// Nothing but whitespace may follow.
    pub(crate) fn end(&mut self) -> Result<(), Invalid> {
        self.blank();
        match self.at == self.bytes.len() {
            true => Ok(()),
            false => self.syntax(),
        }
    }

    #[inline(always)]
    fn enter(&mut self) -> Result<(), Invalid> {
        self.at += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH { self.syntax() } else { Ok(()) }
    }

    #[inline(always)]
    fn has_next(&mut self, is_begun: &mut bool, close: u8) -> Result<bool, Invalid> {
        let next = self.blank();
        if next == close {
            self.at += 1;
            self.depth -= 1;
            return Ok(false);
        }
        if *is_begun {
            if next != b',' {
                return self.syntax();
            }
            self.at += 1;
            self.blank();
        }
        *is_begun = true;
        Ok(true)
    }

    #[inline(always)]
    fn colon(&mut self) -> Result<(), Invalid> {
        if self.blank() != b':' {
            return self.syntax();
        }
        self.at += 1;
        Ok(())
    }

    #[inline(always)]
    fn known_key<K: Key>(&mut self) -> Result<Option<K>, Invalid> {
        if self.peek() != b'"' {
            return self.syntax();
        }
        let span = self.string_to_read()?;
        if !span.is_plain {
            let key = self.read(span)?;
            return Ok(K::of(key.as_bytes(), key_word(key.as_bytes())));
        }
        let key = &self.bytes[span.start..span.end];
        // The eight bytes are in the text but at its very end.
        let word = match self.bytes.get(span.start..).and_then(|rest| rest.first_chunk::<8>()) {
            Some(chunk) => match key.len() {
                0 => 0,
                long @ 1..8 => u64::from_le_bytes(*chunk) & (u64::MAX >> (64 - 8 * long)),
                _ => u64::from_le_bytes(*chunk),
            },
            None => key_word(key),
        };
        Ok(K::of(key, word))
    }

    // ---- values ----

    /// A field of text, a number or a flag; a value of another type is read over.
    pub(crate) fn field<T: Lenient<'a>>(&mut self) -> Result<Field<T>, Invalid> {
        Ok(match self.blank() {
            b'"' => {
                let span = self.string_to_read()?;
                self.note(span);
                self.text_as(span)?
            }
            b'-' | b'0'..=b'9' => match self.number()? {
                Number::Integer(number) => given(T::integer(number)),
                Number::Float(number) => given(T::number(number)),
            },
            b't' => self.literal(b"true").map(|()| given(T::flag(true)))?,
            b'f' => self.literal(b"false").map(|()| given(T::flag(false)))?,
            b'n' => self.literal(b"null").map(|()| Field::Absent)?,
            _ => self.wrong_type().map(|()| Field::Wrong)?,
        })
    }

    /// A field with an identifier.
    #[inline]
    pub(crate) fn id(&mut self) -> Result<Field<Id>, Invalid> {
        const LENGTH: usize = 36;
        if self.blank() == b'"'
            && let Some([uuid @ .., b'"']) = self.bytes.get(self.at + 1..self.at + LENGTH + 2)
            && let Some(id) = Id::from_uuid_text(uuid)
        {
            self.at += LENGTH + 2;
            return Ok(Field::Given(id));
        }
        self.field()
    }

    /// A field with a time.
    #[inline]
    pub(crate) fn moment(&mut self) -> Result<Field<Moment>, Invalid> {
        const LENGTH: usize = 24;
        if self.blank() == b'"'
            && let Some([time @ .., b'"']) = self.bytes.get(self.at + 1..self.at + LENGTH + 2)
            && let Some(at) = Moment::from_usual_text(time)
        {
            self.at += LENGTH + 2;
            self.note_time(at);
            return Ok(Field::Given(at));
        }
        self.field()
    }

    /// Reads a value of a type that its field cannot have. Not as lenient as [`Self::skip`]: text must be text, and a number
    /// in range.
    #[cold]
    pub(crate) fn wrong_type(&mut self) -> Result<(), Invalid> {
        match self.blank() {
            b'"' => {
                let span = self.string_to_read()?;
                self.note(span);
                self.read(span).map(|_| ())
            }
            b'-' | b'0'..=b'9' => self.number().map(|_| ()),
            b'{' => {
                self.enter()?;
                let mut object = Object::default();
                while self.next_name(&mut object)?.is_some() {
                    self.skip()?;
                }
                Ok(())
            }
            _ => self.skip(),
        }
    }

    /// Validates a value of any type without reading it.
    pub(crate) fn skip(&mut self) -> Result<(), Invalid> {
        // One bit for each object or list that is open: 1 for an object. There are at most `MAX_DEPTH`.
        let mut kinds = 1_u128;
        let outside = self.depth;
        loop {
            match self.blank() {
                b'"' => {
                    let span = self.string()?;
                    self.note(span);
                }
                b'{' => {
                    self.enter()?;
                    kinds = kinds << 1 | 1;
                    if self.blank() != b'}' {
                        self.skip_key()?;
                        continue;
                    }
                    self.at += 1;
                    self.depth -= 1;
                    kinds >>= 1;
                }
                b'[' => {
                    self.enter()?;
                    kinds <<= 1;
                    if self.blank() != b']' {
                        continue;
                    }
                    self.at += 1;
                    self.depth -= 1;
                    kinds >>= 1;
                }
                b't' => self.literal(b"true")?,
                b'f' => self.literal(b"false")?,
                b'n' => self.literal(b"null")?,
                b'-' | b'0'..=b'9' => self.skip_number()?,
                _ => return self.syntax(),
            }
            // Behind a value: what closes here, and whether another value follows.
            loop {
                if self.depth == outside {
                    return Ok(());
                }
                match (self.blank(), kinds & 1) {
                    (b',', is_object) => {
                        self.at += 1;
                        if is_object == 1 {
                            self.blank();
                            self.skip_key()?;
                        }
                        break;
                    }
                    (b'}', 1) | (b']', 0) => {
                        self.at += 1;
                        self.depth -= 1;
                        kinds >>= 1;
                    }
                    _ => return self.syntax(),
                }
            }
        }
    }

    #[inline(always)]
    fn skip_key(&mut self) -> Result<(), Invalid> {
        if self.peek() != b'"' {
            return self.syntax();
        }
        self.string()?;
        self.colon()
    }

    // ---- bytes ----

    /// The byte at this place, 0 at the end; 0 has no place in JSON outside strings either.
    #[inline(always)]
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    /// Moves over whitespace; gives the byte behind it.
    #[inline(always)]
    pub(crate) fn blank(&mut self) -> u8 {
        let byte = self.peek();
        if byte > b' ' { byte } else { self.over_whitespace() }
    }

    fn over_whitespace(&mut self) -> u8 {
        while let Some([b' ', b' ', b' ', b' ']) = self.bytes.get(self.at..self.at + 4) {
            self.at += 4;
        }
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
        match self.peek() {
            b' ' => self.over_whitespace(),
            byte => byte,
        }
    }

    #[inline(always)]
    fn literal(&mut self, literal: &[u8]) -> Result<(), Invalid> {
        if self.bytes.get(self.at..self.at + literal.len()) != Some(literal) {
            return self.syntax();
        }
        self.at += literal.len();
        Ok(())
    }

    /// Moves over the string that begins here.
    #[inline(always)]
    fn string(&mut self) -> Result<Span, Invalid> {
        let start = self.at + 1;
        let end = self.plain_end(start);
        if self.bytes.get(end) != Some(&b'"') {
            return self.string_with_escapes(start, end);
        }
        self.at = end + 1;
        let is_plain = true;
        Ok(Span { start, end, is_plain })
    }

    /// The same for a string that will be read, where the complaint about it is another.
    #[inline(always)]
    fn string_to_read(&mut self) -> Result<Span, Invalid> {
        let start = self.at;
        match self.string() {
            Ok(span) => Ok(span),
            Err(Invalid) => self.stop(Fault::Scalar(start)),
        }
    }

    /// The first byte from `at` on that is a quote, a backslash or a control character; else the end of the text.
    #[inline(always)]
    fn plain_end(&self, mut at: usize) -> usize {
        while let Some(chunk) = self.bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
            let found = ends_plain_text(u64::from_le_bytes(*chunk));
            if found != 0 {
                return at + found.trailing_zeros() as usize / 8;
            }
            at += 8;
        }
        while self
            .bytes
            .get(at)
            .is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20))
        {
            at += 1;
        }
        at
    }

    #[cold]
    fn string_with_escapes(&mut self, start: usize, mut end: usize) -> Result<Span, Invalid> {
        loop {
            let escaped = match self.bytes.get(end..).unwrap_or_default() {
                [b'"', ..] => {
                    self.at = end + 1;
                    let is_plain = false;
                    return Ok(Span { start, end, is_plain });
                }
                [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
                [b'\\', b'u', digits @ ..] if digits.iter().take(4).filter(|b| b.is_ascii_hexdigit()).count() == 4 => 6,
                _ => return self.syntax(),
            };
            end = self.plain_end(end + escaped);
        }
    }

    fn span_text(&self, span: Span) -> &'a str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }

    /// The text of a string.
    fn read(&mut self, span: Span) -> Result<Cow<'a, str>, Invalid> {
        if span.is_plain {
            return Ok(Cow::Borrowed(self.span_text(span)));
        }
        match serde_json::from_str(&self.text[span.start - 1..=span.end]) {
            Ok(text) => Ok(Cow::Owned(text)),
            // Surrogates that are no pair.
            Err(_) => self.stop(Fault::Scalar(span.start - 1)),
        }
    }

    #[inline(always)]
    fn text_as<T: Lenient<'a>>(&mut self, span: Span) -> Result<Field<T>, Invalid> {
        Ok(match self.read(span)? {
            text if text.is_empty() && T::EMPTY_IS_ABSENT => Field::Absent,
            Cow::Borrowed(text) => given(T::borrowed_text(text)),
            Cow::Owned(text) => given(T::text(&text)),
        })
    }

    /// Reads a number as serde_json does: as an integer if it is one in the range of `i64`.
    fn number(&mut self) -> Result<Number, Invalid> {
        let start = self.at;
        if self.skip_number().is_err() {
            return self.stop(Fault::Scalar(start));
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        // `-0` is a double.
        if text != "-0"
            && let Ok(number) = text.parse()
        {
            return Ok(Number::Integer(number));
        }
        match serde_json::from_str(text) {
            Ok(number) => Ok(Number::Float(number)),
            Err(_) => self.stop(Fault::Scalar(start)),
        }
    }

    fn skip_number(&mut self) -> Result<(), Invalid> {
        if self.peek() == b'-' {
            self.at += 1;
        }
        match self.peek() {
            b'0' => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.peek(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// At least one digit.
    #[inline(always)]
    fn digits(&mut self) -> Result<(), Invalid> {
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        if self.at == start { self.syntax() } else { Ok(()) }
    }
}

enum Number {
    Integer(i64),
    Float(f64),
}

fn given<T>(value: Option<T>) -> Field<T> {
    value.map_or(Field::Wrong, Field::Given)
}

impl Times {
    /// No time at all.
    pub(crate) const NONE: Self = Self {
        by_ours: None,
        by_service: None,
    };

    /// The newest times in a JSON text that was received at `at`.
    pub(crate) fn of(json: &str, at: Receipt) -> Self {
        let mut scan = Scanner::new(json, at);
        // What cannot be read has no more times.
        let _ = scan.skip();
        scan.times
    }
}

#[cfg(test)]
mod tests;
