//! Whitespace, literals, strings and numbers, eight bytes at a time where that pays.
//!
//! In: the bytes at the scanner's place · Out: places of strings, numbers · Thread: any (pure).

use std::borrow::Cow;

use super::complaint::Fault;
use super::{Invalid, Scanner};

/// Where a string's text lies.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) is_plain: bool,
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = ONES * 0x80;

/// The high bit of the first byte that is a quote, a backslash or a control character; higher bits have no meaning.
#[inline(always)]
pub(super) fn ends_plain_text(word: u64) -> u64 {
    // This turns a quote into a blank and leaves control characters what they are: all are then less than `!`. A blank and
    // a `!` become a quote and a `#`.
    let less_than_mark = (word ^ (ONES * 0x02)).wrapping_sub(ONES * b'!' as u64);
    let backslash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    (less_than_mark | backslash) & !word & HIGH_BITS
}

impl<'a> Scanner<'a> {
    /// The byte at this place, 0 at the end; 0 has no place in JSON outside strings either.
    #[inline(always)]
    pub(super) fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    /// Moves over whitespace; gives the byte behind it.
    #[inline(always)]
    pub(crate) fn blank(&mut self) -> u8 {
        let byte = self.peek();
        if byte > b' ' { byte } else { self.over_whitespace() }
    }

    #[inline(never)]
    pub(super) fn over_whitespace(&mut self) -> u8 {
        loop {
            match self.bytes.get(self.at..).unwrap_or_default() {
                [b' ', b' ', b' ', b' ', b' ', b' ', b' ', b' ', ..] => self.at += 8,
                [b' ' | b'\n' | b'\r' | b'\t', ..] => self.at += 1,
                rest => return rest.first().copied().unwrap_or(0),
            }
        }
    }

    #[inline(always)]
    pub(super) fn literal(&mut self, literal: &[u8]) -> Result<(), Invalid> {
        if self.bytes.get(self.at..self.at + literal.len()) != Some(literal) {
            return self.syntax();
        }
        self.at += literal.len();
        Ok(())
    }

    /// Moves over the string that begins here.
    #[inline(always)]
    pub(super) fn string(&mut self) -> Result<Span, Invalid> {
        let start = self.at + 1;
        let end = self.plain_end(start);
        if self.bytes.get(end) == Some(&b'"') {
            self.at = end + 1;
            let is_plain = true;
            return Ok(Span { start, end, is_plain });
        }
        self.string_with_escapes(end)?;
        let (end, is_plain) = (self.at - 1, false);
        Ok(Span { start, end, is_plain })
    }

    /// The same for a string that will be read, where the complaint about it is another.
    #[inline(always)]
    pub(super) fn string_to_read(&mut self) -> Result<Span, Invalid> {
        let start = self.at;
        match self.string() {
            Ok(span) => Ok(span),
            Err(Invalid) => self.stop(Fault::Scalar(start)),
        }
    }

    /// The first byte from `at` on that is a quote, a backslash or a control character; else the end of the text.
    #[inline(always)]
    pub(super) fn plain_end(&self, at: usize) -> usize {
        let mut rest = self.bytes.get(at..).unwrap_or_default();
        while let Some((chunk, behind)) = rest.split_first_chunk::<8>() {
            let found = ends_plain_text(u64::from_le_bytes(*chunk));
            if found != 0 {
                return self.bytes.len() - rest.len() + found.trailing_zeros() as usize / 8;
            }
            rest = behind;
        }
        let plain = rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20));
        self.bytes.len() - rest.len() + plain.count()
    }

    /// Moves over the rest of a string; its first byte that is not plain text is at `end`.
    #[cold]
    #[inline(never)]
    pub(super) fn string_with_escapes(&mut self, mut end: usize) -> Result<(), Invalid> {
        loop {
            let escaped = match self.bytes.get(end..).unwrap_or_default() {
                [b'"', ..] => {
                    self.at = end + 1;
                    return Ok(());
                }
                [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
                [b'\\', b'u', digits @ ..] if digits.iter().take(4).filter(|b| b.is_ascii_hexdigit()).count() == 4 => 6,
                _ => return self.syntax(),
            };
            end = self.plain_end(end + escaped);
        }
    }

    pub(super) fn span_text(&self, span: Span) -> &'a str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }

    /// The text of a string.
    pub(super) fn read(&mut self, span: Span) -> Result<Cow<'a, str>, Invalid> {
        if span.is_plain {
            return Ok(Cow::Borrowed(self.span_text(span)));
        }
        match serde_json::from_str(&self.text[span.start - 1..=span.end]) {
            Ok(text) => Ok(Cow::Owned(text)),
            // Surrogates that are no pair.
            Err(_) => self.stop(Fault::Scalar(span.start - 1)),
        }
    }

    /// Reads a number as serde_json does: as an integer if it is one in the range of `i64`.
    pub(super) fn number(&mut self) -> Result<Number, Invalid> {
        let start = self.at;
        if let Some(number) = self.short_number() {
            return Ok(number);
        }
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

    /// A number of at most 15 digits without sign and exponent, which is what nearly all are; `None` for any other, and the
    /// scanner stays where it is. Such a number without its point is exact as a double, and so is the power of ten, hence
    /// their quotient is the double next to the number.
    #[inline]
    fn short_number(&mut self) -> Option<Number> {
        const POWERS: [f64; 15] = [
            1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14,
        ];
        let text = self.bytes.get(self.at..)?;
        let (mut number, mut point) = (0_i64, None);
        for (at, byte) in text.iter().enumerate().take(17) {
            match byte {
                b'0'..=b'9' => number = number * 10 + i64::from(byte - b'0'),
                b'.' if point.is_none() && at > 0 => point = Some(at),
                b',' | b'}' | b']' => {
                    let digits = at - usize::from(point.is_some());
                    let has_zeros_first = text[0] == b'0' && digits > 1 && point != Some(1);
                    if digits == 0 || digits > 15 || has_zeros_first {
                        return None;
                    }
                    let read = match point {
                        None => Number::Integer(number),
                        Some(point) if at - point > 1 => Number::Float(number as f64 / POWERS.get(at - point - 1)?),
                        Some(_) => return None,
                    };
                    self.at += at;
                    return Some(read);
                }
                _ => return None,
            }
        }
        None
    }

    pub(super) fn skip_number(&mut self) -> Result<(), Invalid> {
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
    pub(super) fn digits(&mut self) -> Result<(), Invalid> {
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        if self.at == start { self.syntax() } else { Ok(()) }
    }
}

pub(super) enum Number {
    Integer(i64),
    Float(f64),
}
