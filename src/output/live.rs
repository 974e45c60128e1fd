//! `live`: one screen on the terminal, redrawn in place; the terminal is restored however the output ends.
//!
//! In: the newest `Snapshot`, changes, keys, the last log line, the terminal's size · Out: ANSI sequences · Thread: that of
//! its output.
//!
//! What a key does is decided in `board.rs`, what is shown in `screen.rs` (both pure); `cli/keyboard.rs` reads the keys.

mod ability;
mod agents;
mod board;
mod changes;
mod charts;
mod columns;
mod history;
mod keys;
mod layout;
mod one_queue;
mod order;
mod pages;
mod panels;
mod queues;
mod screen;
mod terminal;
mod view;

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Item;
use super::counters::OutputCounters;
use super::failure_log::FailureLog;
use super::last_changes::LastChanges;
use super::sink::{Closed, Events, Sink, Snapshots, Wants};
use super::summary;
use super::writer::is_closed;
use crate::Moment;
use crate::config::{AgentLimits, TimeZone};
use crate::model::snapshot::Snapshot;
use board::{Act, Board};
use crossbeam_channel::Receiver;
use history::History;
use terminal::Terminal;

pub(crate) use ability::{Ability, Keys, Size};
pub(crate) use keys::{Decoder, Key};
pub(crate) use terminal::Restorer;

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

/// What the system is asked for the screen.
pub(crate) trait Console: Send + Sync {
    /// Columns and rows; asked at each redraw, so that a resized window needs no signal.
    fn size(&self) -> Size;

    /// Whether the terminal is ours to draw on: not while the process is in the background.
    fn is_foreground(&self) -> bool;

    /// From now on each key is given at once, without an echo.
    fn enter(&self);

    /// The terminal's settings are as they were before `enter`. Called on any thread.
    fn leave(&self);

    /// Stops the process as Ctrl-Z does; returns when it goes on.
    fn suspend(&self);

    /// Ends the program in order, as Ctrl-C does.
    fn quit(&self);
}

/// What the screen is told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Key(Key),
    /// The process is asked to stop (Ctrl-Z).
    Suspend,
    /// The process goes on after it was stopped.
    Continued,
}

/// What a screen is about.
pub(crate) struct About {
    pub(crate) ability: Ability,
    /// As the user typed it.
    pub(crate) region: String,
    /// Since when the totals count, in words.
    pub(crate) since: &'static str,
    pub(crate) keys: Keys,
    /// The zone of this machine.
    pub(crate) zone: Option<TimeZone>,
    pub(crate) limits: AgentLimits,
}

/// The sink that draws the screen.
pub(crate) struct Live {
    terminal: Terminal,
    log: Box<dyn ScreenLog>,
    console: Arc<dyn Console>,
    about: About,
    inputs: Receiver<Input>,
    board: Board,
    changes: LastChanges,
    newest: Option<Arc<Snapshot>>,
    history: History,
    dirty: bool,
    drawn: Option<Instant>,
    failures: FailureLog,
}

impl Live {
    /// Nothing is written before the first screen. Whoever sends an input wakes the output's thread.
    pub(crate) fn new(
        writer: Box<dyn Write + Send>,
        console: Arc<dyn Console>,
        about: About,
        inputs: Receiver<Input>,
        log: Box<dyn ScreenLog>,
    ) -> Self {
        Self {
            terminal: Terminal::new(writer, Arc::clone(&console)),
            log,
            console,
            about,
            inputs,
            board: Board::default(),
            changes: LastChanges::default(),
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
        if !self.console.is_foreground() {
            self.drawn = Some(Instant::now());
            return Ok(());
        }
        let size = self.console.size();
        let log = self.log.latest();
        let changes = self.changes.entries();
        let view = view::View {
            snapshot: self.board.paused.as_ref().unwrap_or(newest),
            now: Moment::now(),
            region: &self.about.region,
            since: self.about.since,
            history: &self.history,
            log: log.as_deref(),
            board: &self.board,
            changes: &changes,
            keys: self.about.keys,
            zone: self.about.zone.as_ref(),
            limits: &self.about.limits,
        };
        let screen::Drawn { lines, most_scroll } = screen::draw(&view, size, self.about.ability);
        self.board.scroll = self.board.scroll.min(most_scroll);
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

impl Live {
    /// Answers what has come in since the last time.
    fn answer(&mut self) {
        while let Ok(input) = self.inputs.try_recv() {
            match (input, &self.newest) {
                (Input::Key(key), Some(newest)) => match self.board.press(key, newest, &self.history) {
                    Act::Quit => self.console.quit(),
                    Act::Redraw => self.dirty = true,
                },
                // There is no screen yet whose keys these could be.
                (Input::Key(_), None) => {}
                (Input::Suspend, _) => {
                    self.terminal.restore();
                    self.console.suspend();
                    self.dirty = true;
                }
                (Input::Continued, _) => {
                    self.terminal.forget();
                    self.dirty = true;
                }
            }
        }
    }
}

impl Sink for Live {
    fn wants(&self) -> Wants {
        Wants {
            events: Events::None,
            changes: true,
            alerts: true,
            snapshots: Snapshots::Newest,
        }
    }

    fn take(&mut self, item: Item, counters: &OutputCounters) -> Result<(), Closed> {
        match item {
            Item::Snapshot(snapshot) => {
                self.history.add(&snapshot);
                self.newest = Some(snapshot);
                self.dirty = true;
                return Ok(());
            }
            Item::State(_) | Item::Gap(_) | Item::Alert(_) => {
                let newest = self.newest.as_ref();
                let ahead_ms = newest.map_or(0, |newest| newest.connection.clock_ahead_ms);
                self.changes.take(&item, ahead_ms);
            }
            Item::Event(_) | Item::Audited(_) | Item::Recorded(_) => return Ok(()),
            #[cfg(feature = "engine")]
            Item::Shared(_) => return Ok(()),
        }
        counters.wrote(1);
        Ok(())
    }

    fn flush(&mut self, counters: &OutputCounters) -> Result<(), Closed> {
        self.answer();
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
