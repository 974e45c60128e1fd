//! The input of the screen: the snapshot with its surroundings.
//!
//! In: snapshot, time, history, changes, the viewer's choices, log line · Out: `View` · Thread: any (plain data).

use std::time::Duration;

use super::ability::Keys;
use super::board::Board;
use super::changes::Changes;
use super::history::History;
use crate::Moment;
use crate::config::{AgentLimits, TimeZone};
use crate::model::snapshot::{ConnectionState, Snapshot};
use crate::output::text::{between, clock, span};

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
    pub(super) board: &'a Board,
    pub(super) changes: &'a Changes,
    /// Whether keys are read.
    pub(super) keys: Keys,
    /// The zone of local times, if it is known.
    pub(super) zone: Option<&'a TimeZone>,
    pub(super) limits: &'a AgentLimits,
}

#[cfg(test)]
pub(super) static NO_LIMITS: AgentLimits = AgentLimits(std::collections::BTreeMap::new());

/// Without a new snapshot for this long the numbers are not current, even if the last one says "streaming".
const SILENT: Duration = Duration::from_secs(5);

impl View<'_> {
    /// `14:05:30` in the zone that the viewer chose.
    pub(super) fn clock(&self, at: Moment) -> String {
        clock(self.shifted(at))
    }

    /// `14:05`.
    pub(super) fn hour(&self, at: Moment) -> String {
        let mut text = self.clock(at);
        text.truncate(5);
        text
    }

    /// `14:05:30`, with the day before it where that is not the day of the numbers.
    pub(super) fn day_and_clock(&self, at: Moment) -> String {
        let day = |at: Moment| self.shifted(at).to_string()[5..10].to_owned();
        match day(at) {
            today if today == day(self.snapshot.as_of) => self.clock(at),
            other => format!("{other} {}", self.clock(at)),
        }
    }

    pub(super) fn zone_name(&self) -> &'static str {
        if self.local().is_some() { "local" } else { "UTC" }
    }

    fn local(&self) -> Option<&TimeZone> {
        self.zone.filter(|_| self.board.is_local)
    }

    /// The moment whose time in UTC is the local time of `at`.
    fn shifted(&self, at: Moment) -> Moment {
        let offset_ms = self.local().map_or(0, |zone| zone.offset_ms(at));
        Moment::from_epoch_ms(at.epoch_ms().saturating_add(offset_ms))
    }

    /// Number of gaps that REST did not fill in; with any, less was counted than happened.
    pub(super) fn unrepaired_gaps(&self) -> usize {
        let gaps = &self.snapshot.connection.gaps;
        gaps.iter().filter(|gap| !gap.repaired).count()
    }

    /// Why the numbers are not current, if they are not.
    pub(super) fn stale(&self) -> Option<String> {
        let connection = &self.snapshot.connection;
        let waited = between(self.snapshot.generated_at, self.now);
        let freshness = &self.snapshot.freshness;
        if self.board.paused.is_some() {
            // Then the numbers are old, whatever the connection does.
            Some("PAUSED".to_owned())
        } else if connection.state == ConnectionState::Stopped {
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
