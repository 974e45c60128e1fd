//! Makes text from outside safe for a terminal or a log, measures and shortens it, and formats times and numbers.
//!
//! In: names, causes, topics · Out: printable text of known width · Thread: any (pure).
//!
//! The width is approximate and rather too large than too small: a line must never be wider than measured.

use std::borrow::Cow;
use std::time::Duration;

use crate::model::snapshot::AlertLevel;
use crate::{Id, Moment};

/// Replaces everything that moves the cursor, starts a control sequence, or changes the direction of writing.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(
        text.chars()
            .map(|c| if is_harmful(c) { '\u{fffd}' } else { c })
            .collect(),
    )
}

fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// The sign of an alert.
pub(crate) fn sign(level: AlertLevel) -> &'static str {
    match level {
        AlertLevel::Amber => "!",
        AlertLevel::Red => "!!",
    }
}

/// Columns that a character takes; 2 where terminals differ.
pub(crate) fn char_width(c: char) -> usize {
    match u32::from(c) {
        // Combining marks, drawn onto the letter before them.
        0x300..=0x36f
        | 0x483..=0x489
        | 0x591..=0x5bd
        | 0x610..=0x61a
        | 0x64b..=0x65f
        | 0x1ab0..=0x1aff
        | 0x1dc0..=0x1dff
        | 0x20d0..=0x20ff
        | 0xfe00..=0xfe0f
        | 0xfe20..=0xfe2f => 0,
        // East Asian scripts and forms.
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0xa4cf
        | 0xa960..=0xa97f
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe10..=0xfe19
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6 => 2,
        // Symbols that may be drawn as emoji.
        0x231a..=0x231b | 0x23e9..=0x23fa | 0x25fd..=0x25fe | 0x2600..=0x27bf | 0x2b00..=0x2bff => 2,
        0x1_6fe0..=0x1_8fff | 0x1_b000..=0x1_b2ff | 0x1_f000..=0x1_faff | 0x2_0000..=0x3_ffff => 2,
        _ => 1,
    }
}

/// Columns that a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// `text` in at most `columns`, ending with `…` if it was cut. At most two combining marks stay on a letter.
pub(crate) fn clip(text: &str, columns: usize) -> Cow<'_, str> {
    let mut marks = 0;
    let mut stacked = false;
    for c in text.chars() {
        marks = if char_width(c) == 0 { marks + 1 } else { 0 };
        stacked |= marks > 2;
    }
    if !stacked && width(text) <= columns {
        return Cow::Borrowed(text);
    }
    if columns == 0 {
        return Cow::Borrowed("");
    }
    let fits = width(text) <= columns;
    let room = if fits { columns } else { columns - 1 };
    let mut out = String::new();
    let mut used = 0;
    marks = 0;
    for c in text.chars() {
        let w = char_width(c);
        marks = if w == 0 { marks + 1 } else { 0 };
        if used + w > room {
            break;
        }
        if marks <= 2 {
            out.push(c);
            used += w;
        }
    }
    if !fits {
        out.push('…');
    }
    Cow::Owned(out)
}

/// The beginning of an id: short enough for a line, long enough to search for.
pub(crate) fn short(id: &Id) -> String {
    let text = id.to_string();
    match text.char_indices().nth(8) {
        Some((at, _)) if text.len() > 12 => format!("{}…", plain(&text[..at])),
        _ => plain(&text).into_owned(),
    }
}

/// `2026-05-04T14:05:30Z`.
pub(crate) fn seconds(at: Moment) -> String {
    let mut text = at.to_string();
    text.truncate(19);
    text.push('Z');
    text
}

/// `14:05:30`.
#[cfg(any(test, feature = "cli"))]
pub(crate) fn clock(at: Moment) -> String {
    at.to_string()[11..19].to_owned()
}

/// `0.4 s`, `12 s`, `3 min 5 s`, `2 h 7 min`, `3 d 4 h`.
pub(crate) fn span(length: Duration) -> String {
    let secs = length.as_secs();
    match secs {
        0..10 => format!("{}.{} s", secs, length.subsec_millis() / 100),
        10..60 => format!("{secs} s"),
        60..3600 => format!("{} min {} s", secs / 60, secs % 60),
        3600..86_400 => format!("{} h {} min", secs / 3600, secs / 60 % 60),
        _ => format!("{} d {} h", secs / 86_400, secs / 3600 % 24),
    }
}

/// `later − earlier`, zero if that is negative.
pub(crate) fn between(earlier: Moment, later: Moment) -> Duration {
    Duration::from_millis(u64::try_from(later.millis_since(earlier)).unwrap_or(0))
}

/// Seconds with at most one decimal, `12.5 s`; from a minute on in the format of [`span`].
pub(crate) fn secs(value: f64) -> String {
    match Duration::try_from_secs_f64(value) {
        Ok(length) if value >= 60.0 => span(length),
        _ => format!("{} s", number((value * 10.0).round() / 10.0)),
    }
}

/// A number without exponent for usual sizes, and with at most three decimals.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() || value.abs() >= 1e15 {
        return format!("{value:e}");
    }
    let rounded = (value * 1000.0).round() / 1000.0;
    // Shows `-0` as `0`.
    format!("{}", if rounded == 0.0 { 0.0 } else { rounded })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_dangerous_passes() {
        assert_eq!(
            plain("Sales\u{1b}[2J\n\u{202e}x\u{9b}"),
            "Sales\u{fffd}[2J\u{fffd}\u{fffd}x\u{fffd}"
        );
        assert!(matches!(plain("Verkauf Süd 販売"), Cow::Borrowed(_)));
    }

    #[test]
    fn clipping_counts_columns() {
        assert_eq!(clip("Sales", 5), "Sales");
        assert_eq!(clip("Sales!", 5), "Sale…");
        assert_eq!(clip("販売部", 5), "販売…");
        assert_eq!(clip("販売部", 6), "販売部");
        assert_eq!(clip("abc", 0), "");
        assert_eq!(clip("a\u{301}\u{301}\u{301}\u{301}b", 5), "a\u{301}\u{301}b");
    }

    #[test]
    fn spans_and_numbers() {
        let span = |ms| super::span(Duration::from_millis(ms));
        assert_eq!(span(420), "0.4 s");
        assert_eq!(span(12_900), "12 s");
        assert_eq!(span(185_000), "3 min 5 s");
        assert_eq!(span(7_620_000), "2 h 7 min");
        assert_eq!(span(273_600_000), "3 d 4 h");
        assert_eq!(number(3.0), "3");
        assert_eq!(number(0.812_345), "0.812");
        assert_eq!(number(-0.000_01), "0");
        assert_eq!(secs(12.54), "12.5 s");
        assert_eq!(secs(f64::NAN), "NaN s");
        assert_eq!(
            seconds(Moment::from_epoch_ms(1_777_903_530_999)),
            "2026-05-04T14:05:30Z"
        );
        assert_eq!(short(&Id::new("1b3e08b8-e7c3-538a-87c3-a10b68b6b415")), "1b3e08b8…");
        assert_eq!(short(&Id::new("\u{1b}abc")), "\u{fffd}abc");
    }

    proptest! {
        #[test]
        fn clipped_text_fits(text in ".{0,30}", columns in 0_usize..40) {
            let clipped = clip(&text, columns);
            prop_assert!(width(&clipped) <= columns);
        }
    }
}
