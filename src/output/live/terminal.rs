//! Switches the terminal to the alternate screen, draws on it, and restores it exactly once.
//!
//! In: lines · Out: ANSI sequences (alternate screen, cursor, wrapping) · Thread: that of `live`; `Restorer` any.
//!
//! Where keys are read, the terminal gives each of them at once and echoes none; Ctrl-C and Ctrl-Z stay signals. Elsewhere it
//! echoes what somebody types; every screen is written whole and so erases that, at some 10 KB/s for 4 screens a second.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use super::Console;
use super::ability::Size;
use crate::base::scrub;
use crate::output::counters::OutputCounters;
use crate::output::text::width;
use crate::output::writer::write_out;

/// Alternate screen, cursor hidden, no wrapping (in case a width was measured wrong), cleared.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
/// Undoes `ENTER`; also ends colours and an unfinished synchronized update.
const LEAVE: &str = "\x1b[0m\x1b[?2026l\x1b[?7h\x1b[?25h\x1b[?1049l";

/// The terminal on which the screen is drawn.
pub(super) struct Terminal {
    writer: Box<dyn Write + Send>,
    /// Whether the terminal is in the state of `ENTER`.
    entered: Arc<AtomicBool>,
    console: Arc<dyn Console>,
    size: Option<Size>,
}

impl Terminal {
    pub(super) fn new(writer: Box<dyn Write + Send>, console: Arc<dyn Console>) -> Self {
        Self {
            writer,
            entered: Arc::new(AtomicBool::new(false)),
            console,
            size: None,
        }
    }

    pub(super) fn restorer(&self) -> Restorer {
        Restorer {
            entered: Arc::clone(&self.entered),
            console: Arc::clone(&self.console),
        }
    }

    /// After the process was stopped, the shell has used the terminal: the next screen enters it again.
    pub(super) fn forget(&mut self) {
        self.entered.store(false, SeqCst);
    }

    /// Draws a whole screen. `lines` must fit into `size`.
    pub(super) fn show(&mut self, lines: &[String], size: Size, counters: &OutputCounters) -> io::Result<()> {
        let mut out = String::with_capacity(4096);
        if !self.entered.swap(true, SeqCst) {
            self.console.enter();
            out.push_str(ENTER);
        } else if self.size != Some(size) {
            out.push_str("\x1b[2J");
        }
        self.size = Some(size);
        // Synchronized update: terminals that know it show the whole screen at once, others ignore it.
        out.push_str("\x1b[?2026h");
        for (row, line) in lines.iter().enumerate() {
            let line = scrub::text(line);
            // After a line that fills its row the cursor is on the last column, which "erase to the end" would erase.
            let _ = match shown_width(&line) < usize::from(size.cols) {
                true => write!(out, "\x1b[{};1H{line}\x1b[K", row + 1),
                false => write!(out, "\x1b[{};1H\x1b[K{line}", row + 1),
            };
        }
        // Erases everything below; moves the cursor to the top, where an echoed Enter cannot scroll the screen.
        if lines.len() < usize::from(size.rows) {
            let _ = write!(out, "\x1b[{};1H\x1b[J", lines.len() + 1);
        }
        out.push_str("\x1b[1;1H\x1b[?2026l");
        write_out(&mut *self.writer, out.as_bytes(), counters).1
    }

    /// Prints on the normal screen, after `restore`.
    pub(super) fn print(&mut self, text: &str, counters: &OutputCounters) -> io::Result<()> {
        write_out(&mut *self.writer, text.as_bytes(), counters).1
    }

    /// Restores the terminal if the screen is shown.
    pub(super) fn restore(&mut self) {
        self.restorer().restore(&mut *self.writer);
    }
}

/// The width of a line without its colour codes.
fn shown_width(line: &str) -> usize {
    let mut pieces = line.split('\x1b');
    let first = pieces.next().map_or(0, width);
    first
        + pieces
            .map(|piece| width(piece.split_once('m').map_or("", |(_, text)| text)))
            .sum::<usize>()
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.restore();
    }
}

/// Restores the terminal, also from another thread, once.
#[derive(Clone)]
pub(crate) struct Restorer {
    entered: Arc<AtomicBool>,
    console: Arc<dyn Console>,
}

impl Restorer {
    /// Writes the codes that restore the terminal, if the screen is still shown.
    pub(crate) fn restore(&self, to: &mut dyn Write) {
        if self.entered.swap(false, SeqCst) {
            // A terminal that is gone needs no restoring.
            let _ = to.write_all(LEAVE.as_bytes());
            let _ = to.flush();
            self.console.leave();
        }
    }
}
