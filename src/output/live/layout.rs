//! Lines of styled text, cut to the width of the screen.
//!
//! In: text and styles · Out: one string for each line, with or without colours · Thread: any (pure).

use super::ability::Ability;
use crate::output::text::{clip, plain, width};

/// How a piece of a line looks. It has no effect on a terminal without colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Normal,
    Strong,
    Dim,
    Good,
    Warn,
    Bad,
    Accent,
    /// The row that is selected.
    Selected,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Normal => "",
            Self::Strong => "\x1b[1m",
            Self::Dim => "\x1b[2m",
            Self::Good => "\x1b[32m",
            Self::Warn => "\x1b[33m",
            Self::Bad => "\x1b[1;31m",
            Self::Accent => "\x1b[36m",
            Self::Selected => "\x1b[7m",
        }
    }
}

/// A line as styled pieces.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    pieces: Vec<(Style, String)>,
    used: usize,
}

impl Line {
    /// Appends text; control characters are replaced.
    pub(super) fn add(&mut self, style: Style, text: &str) -> &mut Self {
        let text = plain(text).into_owned();
        self.used += width(&text);
        self.pieces.push((style, text));
        self
    }

    /// Appends `text` in exactly `columns`, left-aligned.
    pub(super) fn left(&mut self, style: Style, text: &str, columns: usize) -> &mut Self {
        let text = plain(text);
        let text = clip(&text, columns);
        let pad = " ".repeat(columns - width(&text));
        self.add(style, &text).add(Style::Normal, &pad)
    }

    /// Appends `text` in exactly `columns`, right-aligned.
    pub(super) fn right(&mut self, style: Style, text: &str, columns: usize) -> &mut Self {
        let text = plain(text);
        let text = clip(&text, columns);
        let pad = " ".repeat(columns - width(&text));
        self.add(Style::Normal, &pad).add(style, &text)
    }

    /// Appends another line.
    pub(super) fn join(&mut self, other: &Self) -> &mut Self {
        self.used += other.used;
        self.pieces.extend_from_slice(&other.pieces);
        self
    }

    /// The line in exactly so many columns.
    pub(super) fn fitted(&self, columns: usize) -> Self {
        let mut line = self.cut(columns);
        let pad = " ".repeat(columns.saturating_sub(line.used));
        line.add(Style::Normal, &pad);
        line
    }

    /// The line in at most so many columns, ending with `…` if it was cut.
    fn cut(&self, columns: usize) -> Self {
        let mut line = Self::default();
        let mut room = columns;
        let overflows = self.used > columns;
        for (style, text) in &self.pieces {
            // The piece that does not fit is cut; the pieces after it are left out.
            let fits = width(text) <= room && !(overflows && width(text) == room);
            let text = if fits { clip(text, room) } else { cut(text, room).into() };
            room -= width(&text);
            line.add(*style, &text);
            if !fits {
                break;
            }
        }
        line
    }

    /// Columns used so far.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// The line in grey, because its numbers are not current.
    pub(super) fn dimmed(mut self) -> Self {
        for (style, _) in &mut self.pieces {
            *style = Style::Dim;
        }
        self
    }

    /// The text of the line with its colour codes, at most `columns` wide.
    pub(super) fn render(&self, columns: usize, ability: Ability) -> String {
        let mut out = String::new();
        for (style, text) in &self.cut(columns).pieces {
            let code = if ability == Ability::Colours && !text.trim().is_empty() {
                style.code()
            } else {
                ""
            };
            out.push_str(code);
            out.push_str(text);
            if !code.is_empty() {
                out.push_str("\x1b[0m");
            }
        }
        out
    }
}

/// `text` in at most `room` columns, ending with `…` even if it fits, because pieces after it are left out.
fn cut(text: &str, room: usize) -> String {
    clip(&format!("{text}……"), room).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_long_line_is_cut_once() {
        let mut line = Line::default();
        line.add(Style::Strong, "Sales")
            .add(Style::Normal, " | ")
            .add(Style::Bad, "3");
        assert_eq!(line.render(20, Ability::Plain), "Sales | 3");
        assert_eq!(line.render(9, Ability::Plain), "Sales | 3");
        assert_eq!(line.render(7, Ability::Plain), "Sales …");
        assert_eq!(line.render(5, Ability::Plain), "Sale…");
        assert_eq!(
            line.render(9, Ability::Colours),
            "\x1b[1mSales\x1b[0m | \x1b[1;31m3\x1b[0m"
        );
        assert_eq!(
            line.dimmed().render(9, Ability::Colours),
            "\x1b[2mSales\x1b[0m\x1b[2m | \x1b[0m\x1b[2m3\x1b[0m"
        );
    }

    proptest! {
        #[test]
        fn never_wider_than_allowed(pieces in prop::collection::vec(".{0,9}", 0..6), columns in 0_usize..30) {
            let mut line = Line::default();
            for piece in &pieces {
                line.add(Style::Normal, piece);
            }
            let text = line.render(columns, Ability::Plain);
            prop_assert!(width(&text) <= columns, "{text:?}");
            prop_assert!(!text.chars().any(char::is_control));
        }
    }
}
