//! The terminal is entered once, redrawn at most 4 times a second, and always restored.
//!
//! In: scripted writers · Out: assertions on ANSI sequences · Thread: the test's and `gs-out-*`.

use super::*;
use crate::model::snapshot::OutputSnapshot;
use crate::output::sink::{Handover, Output, OutputEnded, ROOM};
use crate::output::testing::{ScriptedWriter, a_snapshot, numbered, soon};
use crossbeam_channel::bounded;
use std::sync::Mutex;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU32};

const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";
const BEGIN: &str = "\x1b[?2026h";

fn live(writer: &ScriptedWriter) -> Live {
    let size = || Size { cols: 80, rows: 24 };
    Live::new(
        Box::new(writer.clone()),
        size,
        Ability::Colours,
        "mypurecloud.com",
        "since start",
        Box::new(LastLog::default()),
    )
}

/// A log that remembers whether the screen is on.
#[derive(Clone, Default)]
struct LastLog {
    on_screen: Arc<AtomicBool>,
    line: Arc<Mutex<Option<String>>>,
}

impl ScreenLog for LastLog {
    fn screen_on(&self) {
        self.on_screen.store(true, SeqCst);
    }

    fn screen_off(&self) {
        self.on_screen.store(false, SeqCst);
    }

    fn latest(&self) -> Option<String> {
        self.line.lock().unwrap().clone()
    }
}

fn spawn(live: Live) -> (Output, crossbeam_channel::Receiver<OutputEnded>) {
    let (told, ended) = bounded(1);
    let notice = Box::new(move |why| told.send(why).unwrap());
    (
        Output::spawn("stdout", Box::new(live), Handover::DropWhenFull, ROOM, notice).unwrap(),
        ended,
    )
}

#[test]
fn the_terminal_is_restored_before_the_summary() {
    let writer = ScriptedWriter::default();
    let (output, ended) = spawn(live(&writer));
    output.offer(&Item::Snapshot(numbered(1)));
    writer.wait_for("Support");
    assert!(writer.text().starts_with(ENTER));
    let closing = output.close(Some(numbered(2)), soon());
    assert_eq!(ended.recv_deadline(soon()), Ok(OutputEnded::Finished));
    let text = writer.text();
    let (screen, after) = text.split_once(LEAVE).unwrap();
    assert_eq!((text.matches(ENTER).count(), text.matches(LEAVE).count()), (1, 1));
    assert!(
        screen.ends_with("\x1b[?7h\x1b[?25h"),
        "wrapping and the cursor are restored too"
    );
    assert!(after.starts_with("snapshot 2026-05-04T14:05:30Z"));
    assert_eq!(closing.counts.missed, 0);
}

#[test]
fn it_redraws_by_itself_at_most_four_times_a_second() {
    let writer = ScriptedWriter::default();
    let (output, _ended) = spawn(live(&writer));
    let start = Instant::now();
    let draws = || writer.text().matches(BEGIN).count();
    output.offer(&Item::Snapshot(numbered(1)));
    writer.wait_for(BEGIN);
    // Snapshots as fast as they can be taken, until the second screen.
    while draws() < 2 {
        output.offer(&Item::Snapshot(numbered(2)));
        output.flush(soon());
    }
    assert!(start.elapsed() >= REDRAW);
    let (closing, took) = (output.close(None, soon()), start.elapsed());
    let most = 2 + took.as_millis() / REDRAW.as_millis();
    assert!(
        u128::from(closing.counts.written) <= most + 1,
        "{closing:?} in {took:?}"
    );
}

#[test]
fn a_resize_clears_and_uses_the_new_size() {
    let writer = ScriptedWriter::default();
    let cols = Arc::new(AtomicU32::new(80));
    let asked = Arc::clone(&cols);
    let size = move || Size {
        cols: u16::try_from(asked.load(SeqCst)).unwrap(),
        rows: 10,
    };
    let mut live = Live::new(
        Box::new(writer.clone()),
        size,
        Ability::Plain,
        "",
        "since start",
        Box::new(LastLog::default()),
    );
    let counters = OutputCounters::default();
    live.take(Item::Snapshot(numbered(1)), &counters).unwrap();
    live.draw(&counters).unwrap();
    live.draw(&counters).unwrap();
    assert_eq!(writer.text().matches("\x1b[2J").count(), 1, "cleared when entered");
    cols.store(40, SeqCst);
    live.draw(&counters).unwrap();
    let text = writer.text();
    assert_eq!(text.matches("\x1b[2J").count(), 2);
    assert!(!text.rsplit(BEGIN).next().unwrap().contains("\x1b[11;1H"));
}

#[test]
fn a_panic_restores_the_terminal() {
    let writer = ScriptedWriter::default();
    let mut calls = 0;
    let size = move || {
        calls += 1;
        assert!(calls < 2, "on purpose");
        Size { cols: 80, rows: 24 }
    };
    let live = Live::new(
        Box::new(writer.clone()),
        size,
        Ability::Plain,
        "",
        "since start",
        Box::new(LastLog::default()),
    );
    let (output, ended) = spawn(live);
    output.offer(&Item::Snapshot(numbered(1)));
    assert_eq!(ended.recv_deadline(soon()), Ok(OutputEnded::Panicked));
    assert!(writer.text().ends_with(LEAVE));
    drop(output);
}

#[test]
fn a_hanging_terminal_is_restored_from_another_thread_once() {
    let writer = ScriptedWriter::default();
    let mut live = live(&writer);
    let restorer = live.restorer();
    let mut outside = Vec::new();
    restorer.restore(&mut outside);
    assert!(outside.is_empty(), "not entered yet");
    let counters = OutputCounters::default();
    live.take(Item::Snapshot(Arc::new(a_snapshot())), &counters).unwrap();
    live.flush(&counters).unwrap();
    restorer.clone().restore(&mut outside);
    restorer.restore(&mut outside);
    assert_eq!(String::from_utf8(outside).unwrap().matches(LEAVE).count(), 1);
    drop(live);
    assert!(!writer.text().contains(LEAVE));
    assert_eq!(counters.counts(), OutputSnapshot { written: 1, missed: 0 });
}

#[test]
fn the_log_goes_to_the_status_line_while_the_screen_is_on() {
    let writer = ScriptedWriter::default();
    let log = LastLog::default();
    let size = || Size { cols: 80, rows: 24 };
    let mut live = Live::new(
        Box::new(writer.clone()),
        size,
        Ability::Plain,
        "",
        "since start",
        Box::new(log.clone()),
    );
    let counters = OutputCounters::default();
    live.take(Item::Snapshot(numbered(1)), &counters).unwrap();
    live.flush(&counters).unwrap();
    assert!(log.on_screen.load(SeqCst));
    *log.line.lock().unwrap() = Some("WARN socket \x1b[31mclosed".to_owned());
    live.draw(&counters).unwrap();
    assert!(writer.text().contains("WARN socket \u{fffd}[31mclosed"));
    live.end(None, &counters).unwrap();
    assert!(!log.on_screen.load(SeqCst));
}

#[test]
fn what_a_terminal_can_show() {
    let ability = |term, no_color| Ability::from_environment(term, no_color);
    assert_eq!(ability(Some("xterm-256color"), None), Some(Ability::Colours));
    assert_eq!(ability(Some("xterm"), Some("")), Some(Ability::Colours));
    assert_eq!(ability(Some("xterm"), Some("1")), Some(Ability::Plain));
    assert_eq!(ability(Some("dumb"), None), None);
    assert_eq!(ability(Some(""), None), None);
}

#[test]
fn a_full_line_keeps_its_last_column() {
    let writer = ScriptedWriter::default();
    let mut terminal = Terminal::new(Box::new(writer.clone()));
    let lines = ["\x1b[1mabcd\x1b[0m".to_owned(), "abc".to_owned()];
    terminal
        .show(&lines, Size { cols: 4, rows: 2 }, &OutputCounters::default())
        .unwrap();
    // After a full line, "erase to the end" would erase its last column.
    let text = writer.text();
    assert!(
        text.contains("\x1b[1;1H\x1b[K\x1b[1mabcd\x1b[0m\x1b[2;1Habc\x1b[K\x1b[1;1H"),
        "{text:?}"
    );
}
