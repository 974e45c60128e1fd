//! The newest times in a text, noted during the walk through it.
//!
//! In: string values · Out: `Times`, `Body` · Thread: any (pure).

use super::Scanner;
use super::bytes::Span;
use crate::Moment;
use crate::base::receipt::Receipt;

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
    /// Texts in it that were cut, and entries that were left out, where it was read.
    pub(crate) over_limits: u32,
}

impl Body<'_> {
    /// The body of an event that has none; bodies are always JSON.
    pub(crate) const NONE: Self = Self {
        text: "null",
        times: Times::NONE,
        over_limits: 0,
    };
}

/// The most bytes of a time: `YYYY-MM-DDTHH:MM:SS.nnnnnnnnn+HH:MM`, with some room.
const LONGEST_TIME: usize = 47;

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

impl Scanner<'_> {
    #[inline]
    pub(super) fn note_time(&mut self, at: Moment) {
        if at <= self.ours {
            self.times.by_ours = self.times.by_ours.max(Some(at));
        }
        if at <= self.service {
            self.times.by_service = self.times.by_service.max(Some(at));
        }
    }

    fn time_at(&mut self, span: Span) -> Option<Moment> {
        let text = self.span_text(span);
        Moment::from_usual_text(text.as_bytes(), &mut self.day).or_else(|| Moment::parse(text))
    }

    /// Notes the string value at `span` if it is a time.
    #[inline(always)]
    pub(super) fn note(&mut self, span: Span) {
        // Nearly every other string has no `T` there.
        if span.is_plain && self.bytes.get(span.start + 10) == Some(&b'T') && span.end - span.start <= LONGEST_TIME {
            self.note_likely(span);
        }
    }

    pub(super) fn note_likely(&mut self, span: Span) {
        if span.end - span.start > 10
            && let Some(at) = self.time_at(span)
        {
            self.note_time(at);
        }
    }
}
