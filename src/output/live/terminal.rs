//! The terminal itself: taken over once, drawn on in place, given back exactly once.
//!
//! In: lines · Out: ANSI sequences (alternate screen, cursor, wrapping) · Thread: that of `live`; `Restorer` any.
//!
//! No raw mode: Ctrl-C stays a signal. What somebody types is echoed by the terminal, so every screen is written whole,
//! which at 4 a second costs some 10 KB/s and repairs any such mark.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use super::view::Size;
use crate::output::tally::Tally;
use crate::output::text::width;
use crate::output::writer::write_out;

/// Alternate screen, cursor hidden, no wrapping (should a width ever be guessed wrong), cleared.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
/// The reverse; also ends colours and a begun synchronized update.
const LEAVE: &str = "\x1b[0m\x1b[?2026l\x1b[?7h\x1b[?25h\x1b[?1049l";

/// A terminal that is drawn on.
pub(super) struct Terminal {
    writer: Box<dyn Write + Send>,
    taken: Arc<AtomicBool>,
    size: Option<Size>,
}

impl Terminal {
    pub(super) fn new(writer: Box<dyn Write + Send>) -> Self {
        Self {
            writer,
            taken: Arc::new(AtomicBool::new(false)),
            size: None,
        }
    }

    pub(super) fn restorer(&self) -> Restorer {
        Restorer(Arc::clone(&self.taken))
    }

    /// Draws a whole screen; lines beyond `size` must not be given.
    pub(super) fn show(&mut self, lines: &[String], size: Size, tally: &Tally) -> io::Result<()> {
        let mut out = String::with_capacity(4096);
        if !self.taken.swap(true, SeqCst) {
            out.push_str(ENTER);
        } else if self.size != Some(size) {
            out.push_str("\x1b[2J");
        }
        self.size = Some(size);
        // Synchronized update: terminals that know it show the whole screen at once, others ignore it.
        out.push_str("\x1b[?2026h");
        for (row, line) in lines.iter().enumerate() {
            // After a full line the cursor stands on its last column, which must not be erased.
            let _ = match shown_width(line) < usize::from(size.cols) {
                true => write!(out, "\x1b[{};1H{line}\x1b[K", row + 1),
                false => write!(out, "\x1b[{};1H\x1b[K{line}", row + 1),
            };
        }
        // Everything below goes; the cursor waits at the top, where an echoed Enter cannot scroll the screen.
        if lines.len() < usize::from(size.rows) {
            let _ = write!(out, "\x1b[{};1H\x1b[J", lines.len() + 1);
        }
        out.push_str("\x1b[1;1H\x1b[?2026l");
        write_out(&mut *self.writer, out.as_bytes(), tally).1
    }

    /// Prints below what stood on the normal screen.
    pub(super) fn print(&mut self, text: &str, tally: &Tally) -> io::Result<()> {
        write_out(&mut *self.writer, text.as_bytes(), tally).1
    }

    /// Gives the terminal back if it was taken.
    pub(super) fn restore(&mut self) {
        if self.taken.swap(false, SeqCst) {
            // One that is gone needs no restoring.
            let _ = self.writer.write_all(LEAVE.as_bytes());
            let _ = self.writer.flush();
        }
    }
}

/// Columns of a line with colours in it.
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

/// Gives the terminal back from outside, once.
#[derive(Clone)]
pub(crate) struct Restorer(Arc<AtomicBool>);

impl Restorer {
    /// Writes what gives the terminal back, if it is still taken.
    pub(crate) fn restore(&self, to: &mut dyn Write) {
        if self.0.swap(false, SeqCst) {
            let _ = to.write_all(LEAVE.as_bytes());
            let _ = to.flush();
        }
    }
}
