//! `live`: one screen on the terminal, redrawn in place; the terminal is restored however the output ends.
//!
//! In: the newest `Snapshot`, the last log line, the terminal's size · Out: ANSI sequences · Thread: that of its output.

mod history;
mod layout;
mod panels;
mod screen;
mod terminal;
mod view;

use std::io::Write;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Item;
use super::counters::OutputCounters;
use super::failure_log::FailureLog;
use super::sink::{Closed, Events, Sink, Snapshots, Wants};
use super::summary;
use super::writer::is_closed;
use crate::Moment;
use crate::model::snapshot::Snapshot;
use history::History;
use terminal::Terminal;

pub(crate) use terminal::Restorer;
pub(crate) use view::{Ability, Size};

/// The least time between two screens: at most 4 a second.
const REDRAW: Duration = Duration::from_millis(250);
/// A redraw after this long without a snapshot, so that the ages on the screen keep counting.
const TICK: Duration = Duration::from_secs(1);

/// The log while the screen is shown. Called on the output's thread.
pub(crate) trait ScreenLog: Send {
    /// The screen is shown: from now on log lines must not reach the terminal.
    fn screen_on(&self);

    /// The screen is no longer shown.
    fn screen_off(&self);

    /// The newest log line since the screen is shown.
    fn latest(&self) -> Option<String>;
}

/// The sink that draws the screen.
pub(crate) struct Live {
    terminal: Terminal,
    log: Box<dyn ScreenLog>,
    region: String,
    since: &'static str,
    ability: Ability,
    /// Called at each redraw, so that a resized window needs no signal.
    size: Box<dyn FnMut() -> Size + Send>,
    newest: Option<Arc<Snapshot>>,
    history: History,
    dirty: bool,
    drawn: Option<Instant>,
    failures: FailureLog,
}

impl Live {
    /// Nothing is written before the first screen. `region` is as the user typed it, `since` says in words since when the
    /// totals count.
    pub(crate) fn new(
        writer: Box<dyn Write + Send>,
        size: impl FnMut() -> Size + Send + 'static,
        ability: Ability,
        region: &str,
        since: &'static str,
        log: Box<dyn ScreenLog>,
    ) -> Self {
        Self {
            terminal: Terminal::new(writer),
            log,
            region: region.to_owned(),
            since,
            ability,
            size: Box::new(size),
            newest: None,
            history: History::default(),
            dirty: true,
            drawn: None,
            failures: FailureLog::default(),
        }
    }

    /// Restores the terminal from another thread: after the second signal, and when this output was abandoned.
    pub(crate) fn restorer(&self) -> Restorer {
        self.terminal.restorer()
    }

    fn draw(&mut self, counters: &OutputCounters) -> Result<(), Closed> {
        let Some(newest) = &self.newest else { return Ok(()) };
        let size = (self.size)();
        let log = self.log.latest();
        let view = view::View {
            snapshot: newest,
            now: Moment::now(),
            region: &self.region,
            since: self.since,
            history: &self.history,
            log: log.as_deref(),
        };
        let lines = screen::draw(&view, size, self.ability);
        self.log.screen_on();
        let shown = self.terminal.show(&lines, size, counters);
        // Also after a failure, so that the next attempt waits as long.
        self.drawn = Some(Instant::now());
        self.dirty = false;
        match shown {
            Ok(()) => {
                counters.wrote(1);
                self.failures.worked("live");
                Ok(())
            }
            Err(error) if is_closed(&error) => Err(Closed),
            Err(error) => {
                if let Some(line) = self.failures.failed("live", &error, 0, Instant::now()) {
                    log::warn!("{line}");
                }
                Ok(())
            }
        }
    }
}

impl Sink for Live {
    fn wants(&self) -> Wants {
        Wants {
            events: Events::None,
            changes: false,
            alerts: false,
            snapshots: Snapshots::Newest,
        }
    }

    fn take(&mut self, item: Item, _: &OutputCounters) -> Result<(), Closed> {
        if let Item::Snapshot(snapshot) = item {
            self.history.add(&snapshot);
            self.newest = Some(snapshot);
            self.dirty = true;
        }
        Ok(())
    }

    fn flush(&mut self, counters: &OutputCounters) -> Result<(), Closed> {
        match self.due() {
            Some(due) if due > Instant::now() => Ok(()),
            _ => self.draw(counters),
        }
    }

    fn due(&self) -> Option<Instant> {
        self.newest.as_ref()?;
        let wait = if self.dirty { REDRAW } else { TICK };
        Some(self.drawn.map_or_else(Instant::now, |drawn| drawn + wait))
    }

    fn end(&mut self, last: Option<Arc<Snapshot>>, counters: &OutputCounters) -> Result<(), Closed> {
        self.terminal.restore();
        self.log.screen_off();
        let Some(last) = last.or_else(|| self.newest.take()) else {
            return Ok(());
        };
        counters.offered();
        match self.terminal.print(&summary::block(&last), counters) {
            Ok(()) => {
                counters.wrote(1);
                Ok(())
            }
            Err(error) if is_closed(&error) => Err(Closed),
            Err(error) => {
                log::warn!("output live: {error}; the last snapshot could not be printed");
                Ok(())
            }
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.terminal.restore();
        self.log.screen_off();
    }
}

#[cfg(test)]
#[path = "live/live_tests.rs"]
mod tests;
