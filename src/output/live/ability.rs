//! What the terminal can do: its size, colours, keys.
//!
//! In: environment, the system's answer · Out: `Ability`, `Size`, `Keys` · Thread: any (plain data).

/// What a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ability {
    /// Cursor movement, but no colours.
    Plain,
    /// Cursor movement and colours.
    Colours,
}

impl Ability {
    /// From `TERM` and `NO_COLOR`; `None` if the cursor cannot be moved, so that `lines` is used instead.
    pub(crate) fn from_environment(term: Option<&str>, no_color: Option<&str>) -> Option<Self> {
        match (term, no_color) {
            // Windows sets no TERM.
            (None, _) if cfg!(unix) => None,
            (Some("" | "dumb" | "unknown"), _) => None,
            // https://no-color.org: present and not empty.
            (_, Some(value)) if !value.is_empty() => Some(Self::Plain),
            _ => Some(Self::Colours),
        }
    }
}

/// Columns and rows of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) cols: u16,
    pub(crate) rows: u16,
}

impl Size {
    /// The size of the terminal that this program runs on; 80x24 if it is unknown.
    pub(crate) fn of_terminal() -> Self {
        let (cols, rows) = terminal_size::terminal_size().map_or((80, 24), |(cols, rows)| (cols.0, rows.0));
        Self { cols, rows }
    }
}

/// Whether the program reads keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    Read,
    /// Stdin is no terminal.
    NotRead,
}
