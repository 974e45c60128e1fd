//! Reads JSON piece by piece in a single walk, eight bytes at a time where that pays.
//!
//! In: JSON text of a peer · Out: keys, values, the newest times in it · Thread: any (pure).
//!
//! The scanner accepts and refuses exactly what serde_json does (a property test holds them together), and what nobody asks
//! for is validated by [`Scanner::skip`]. The rules of serde_json for a value that is read are stricter than for one that
//! is skipped: a number must be in the range of a double, and surrogates in text must come in pairs.
//!
//! On the way the scanner notes the newest time in the text: see [`Times`].

mod bytes;
mod complaint;
mod keys;
mod times;

use std::borrow::Cow;

use super::depth::MAX_DEPTH;
use super::json::{Field, Lenient, Longest, LooseId, given};
use crate::base::limits::cut;
use crate::base::moment::Day;
use crate::base::receipt::Receipt;
use crate::{Id, Moment};
use bytes::{Number, Span, ends_plain_text};
use complaint::Fault;
pub(crate) use keys::{Key, key_word, keys};
pub(crate) use times::{Body, Times};

/// The text cannot be read; the scanner knows why.
#[derive(Debug)]
pub(crate) struct Invalid;

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
    /// Texts that were cut, and entries that were left out, since the last mark.
    over_limits: u32,
    /// The day of the time before.
    day: Day,
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
            over_limits: 0,
            day: Day::default(),
        }
    }

    /// The beginning of the next value. Times before it are forgotten.
    pub(crate) fn mark(&mut self) -> Mark {
        self.blank();
        self.times = Times::NONE;
        self.over_limits = 0;
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
        self.over_limits = 0;
    }

    /// What is between `mark`, the last one, and this place.
    pub(crate) fn since(&self, mark: Mark) -> Body<'a> {
        Body {
            text: self.text.get(mark.at..self.at).unwrap_or_default(),
            times: self.times,
            over_limits: self.over_limits,
        }
    }

    /// Reads over an entry that is beyond the limit of its list, and counts it.
    #[cold]
    pub(crate) fn leave_out(&mut self) -> Result<(), Invalid> {
        self.count_over_limit();
        self.skip()
    }

    /// Counts something that is over its limit.
    #[cold]
    pub(crate) fn count_over_limit(&mut self) {
        self.over_limits = self.over_limits.saturating_add(1);
    }

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
            // The place is kept in a register as long as the text is as usual.
            let key_at = match self.bytes.get(self.at..) {
                Some([b',', b'"', ..]) if object.is_begun => self.at + 2,
                _ if !self.has_next(&mut object.is_begun, b'}')? => return Ok(None),
                _ if self.peek() == b'"' => self.at + 1,
                _ => return self.syntax(),
            };
            let (key, end) = match self.usual_key::<K>(key_at) {
                Some(found) => found,
                None => self.other_key(key_at)?,
            };
            if let Some(key) = key {
                let bit = 1 << key.field();
                if object.seen & bit != 0 {
                    self.at = end;
                    self.blank();
                    return self.stop(Fault::Twice(self.at));
                }
                object.seen |= bit;
            }
            self.at = end + 1;
            if self.bytes.get(end) != Some(&b':') {
                self.at = end;
                self.colon()?;
            }
            if key.is_some() {
                return Ok(key);
            }
            self.skip()?;
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
        let start = self.at + 1;
        let end = self.plain_end(start);
        if let Some([b'"', b':', ..]) = self.bytes.get(end..) {
            self.at = end + 2;
            return Ok(Some(Cow::Borrowed(self.text.get(start..end).unwrap_or_default())));
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

    /// The key that begins at `start`, which is `None` if it is not among the known ones, and the place behind its quote.
    /// `None` for a key with escapes, one that is invalid, and one at the end of the text.
    #[inline(always)]
    fn usual_key<K: Key>(&self, start: usize) -> Option<(Option<K>, usize)> {
        let rest = self.bytes.get(start..)?;
        let word = u64::from_le_bytes(*rest.first_chunk::<8>()?);
        let ends = ends_plain_text(word);
        if ends == 0 {
            if let Some((key, length)) = K::long(word, rest) {
                return Some((Some(key), start + length + 1));
            }
            let end = self.plain_end(start + 8);
            return (self.bytes.get(end) == Some(&b'"')).then_some((None, end + 1));
        }
        let bits = ends.trailing_zeros() & !7;
        let is_quote = word >> bits & 0xff == u64::from(b'"');
        is_quote.then(|| (K::short(word & !(u64::MAX << bits)), start + bits as usize / 8 + 1))
    }

    /// The same for any other key.
    #[cold]
    #[inline(never)]
    fn other_key<K: Key>(&mut self, start: usize) -> Result<(Option<K>, usize), Invalid> {
        self.at = start - 1;
        let span = self.string_to_read()?;
        let key = self.read(span)?;
        Ok((K::of(key.as_bytes()), self.at))
    }

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

    /// A field of text.
    #[inline]
    pub(crate) fn text(&mut self) -> Result<Field<Cow<'a, str>>, Invalid> {
        if self.blank() == b'"' {
            let start = self.at + 1;
            let (end, is_plain) = (self.plain_end(start), true);
            if self.bytes.get(end) == Some(&b'"') {
                let span = Span { start, end, is_plain };
                self.at = end + 1;
                self.note(span);
                return Ok(Field::Given(Cow::Borrowed(self.span_text(span))));
            }
        }
        self.field()
    }

    /// A field with an identifier.
    #[inline]
    pub(crate) fn id(&mut self) -> Result<Field<Id>, Invalid> {
        match self.uuid() {
            Some(id) => Ok(Field::Given(id)),
            None => self.field(),
        }
    }

    /// An identifier that may be written as a number.
    #[inline]
    pub(crate) fn loose_id(&mut self) -> Result<Option<Id>, Invalid> {
        match self.uuid() {
            Some(id) => Ok(Some(id)),
            None => Ok(self.field()?.some().map(|LooseId(id)| id)),
        }
    }

    /// The next value, if it is the text of a UUID in its usual form.
    #[inline]
    fn uuid(&mut self) -> Option<Id> {
        const LENGTH: usize = 36;
        if self.blank() == b'"'
            && let Some([uuid @ .., b'"']) = self.bytes.get(self.at + 1..self.at + LENGTH + 2)
            && let Some(id) = Id::from_uuid_text(uuid)
        {
            self.at += LENGTH + 2;
            return Some(id);
        }
        None
    }

    /// A field with a time.
    #[inline]
    pub(crate) fn moment(&mut self) -> Result<Field<Moment>, Invalid> {
        const LENGTH: usize = 24;
        if self.blank() == b'"'
            && let Some([time @ .., b'"']) = self.bytes.get(self.at + 1..self.at + LENGTH + 2)
            && let Some(at) = Moment::from_usual_text(time, &mut self.day)
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
    #[inline]
    pub(crate) fn skip(&mut self) -> Result<(), Invalid> {
        if self.peek() != b'"' {
            return self.skip_any();
        }
        let span = self.string()?;
        self.note(span);
        Ok(())
    }

    fn skip_any(&mut self) -> Result<(), Invalid> {
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
        let start = self.at + 1;
        let end = self.plain_end(start);
        // Nearly always a quote and a colon.
        if let Some([b'"', b':', ..]) = self.bytes.get(end..) {
            self.at = end + 2;
            return Ok(());
        }
        self.string()?;
        self.colon()
    }

    #[inline(always)]
    fn text_as<T: Lenient<'a>>(&mut self, span: Span) -> Result<Field<T>, Invalid> {
        if !span.is_plain {
            return self.text_with_escapes_as(span);
        }
        Ok(match self.span_text(span) {
            "" if T::EMPTY_IS_ABSENT => Field::Absent,
            text if T::LONGEST.is_exceeded_by(text.len()) => self.long_text_as(text)?,
            text => given(T::borrowed_text(text)),
        })
    }

    /// A text over the limit of its type.
    #[cold]
    #[inline(never)]
    fn long_text_as<T: Lenient<'a>>(&mut self, text: &str) -> Result<Field<T>, Invalid> {
        match T::LONGEST {
            Longest::Cut(bytes) => {
                self.count_over_limit();
                Ok(given(T::text(cut(text, bytes))))
            }
            Longest::Whole(bytes) => self.stop(Fault::TooLong(bytes)),
            Longest::Any => Ok(given(T::text(text))),
        }
    }

    #[cold]
    #[inline(never)]
    fn text_with_escapes_as<T: Lenient<'a>>(&mut self, span: Span) -> Result<Field<T>, Invalid> {
        // No text with an escape is empty.
        let text = self.read(span)?;
        match T::LONGEST.is_exceeded_by(text.len()) {
            true => self.long_text_as(&text),
            false => Ok(given(T::text(&text))),
        }
    }
}

#[cfg(test)]
mod tests;
