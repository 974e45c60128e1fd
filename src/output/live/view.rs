//! The input of the screen: the snapshot with its surroundings, and the terminal's size and abilities.
//!
//! In: snapshot, time, history, log line · Out: `View`, `Size`, `Ability` · Thread: any (plain data).

use std::time::Duration;

use super::history::History;
use crate::Moment;
use crate::model::snapshot::{ConnectionState, Snapshot};
use crate::output::text::{between, span};

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

/// Everything that a screen shows.
pub(super) struct View<'a> {
    pub(super) snapshot: &'a Snapshot,
    /// The current time, by the clock of `generated_at`.
    pub(super) now: Moment,
    pub(super) region: &'a str,
    /// Since when totals count, in words.
    pub(super) since: &'a str,
    pub(super) history: &'a History,
    pub(super) log: Option<&'a str>,
}

/// Without a new snapshot for this long the numbers are not current, even if the last one says "streaming".
const SILENT: Duration = Duration::from_secs(5);

impl View<'_> {
    /// Why the numbers are not current, if they are not.
    pub(super) fn stale(&self) -> Option<String> {
        let connection = &self.snapshot.connection;
        let waited = between(self.snapshot.generated_at, self.now);
        let freshness = &self.snapshot.freshness;
        if connection.state == ConnectionState::Stopped {
            Some("STOPPED".to_owned())
        } else if connection.state != ConnectionState::Streaming {
            Some("NOT LIVE".to_owned())
        } else if waited >= SILENT {
            Some(format!("NO NEW NUMBERS FOR {}", span(waited)))
        } else if !freshness.is_empty() && freshness.values().all(|kind| kind.stale) {
            Some("STALE".to_owned())
        } else {
            None
        }
    }
}
