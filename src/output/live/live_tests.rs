//! The terminal is entered once, redrawn at most 4 times a second, and always restored.
//!
//! In: scripted writers · Out: assertions on ANSI sequences · Thread: the test's and `gs-out-*`.

use super::*;
use crate::model::snapshot::OutputSnapshot;
use crate::output::sink::{Handover, Output, OutputEnded, ROOM};
use crate::output::testing::{ScriptedWriter, a_snapshot, numbered, soon};
use crossbeam_channel::{Sender, bounded};
use std::sync::Mutex;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU32};

const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";
const BEGIN: &str = "\x1b[?2026h";

/// A terminal of a size, and what was asked of it.
struct FakeConsole {
    size: Box<dyn Fn() -> Size + Send + Sync>,
    calls: Mutex<Vec<&'static str>>,
    is_foreground: AtomicBool,
}

impl FakeConsole {
    fn new(size: impl Fn() -> Size + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            size: Box::new(size),
            calls: Mutex::default(),
            is_foreground: AtomicBool::new(true),
        })
    }

    fn calls(&self) -> Vec<&'static str> {
        self.calls.lock().unwrap().clone()
    }

    fn called(&self, what: &'static str) {
        self.calls.lock().unwrap().push(what);
    }
}

impl Console for FakeConsole {
    fn size(&self) -> Size {
        (self.size)()
    }

    fn is_foreground(&self) -> bool {
        self.is_foreground.load(SeqCst)
    }

    fn enter(&self) {
        self.called("enter");
    }

    fn leave(&self) {
        self.called("leave");
    }

    fn suspend(&self) {
        self.called("suspend");
    }

    fn quit(&self) {
        self.called("quit");
    }
}

const USUAL: Size = Size { cols: 80, rows: 24 };

fn live(writer: &ScriptedWriter) -> Live {
    live_on(writer, FakeConsole::new(|| USUAL), LastLog::default()).0
}

/// With the end through which it is told of keys.
fn live_on(writer: &ScriptedWriter, console: Arc<FakeConsole>, log: LastLog) -> (Live, Sender<Input>) {
    let (tell, inputs) = bounded(64);
    let about = About {
        ability: Ability::Plain,
        region: "mypurecloud.com".to_owned(),
        since: "since start",
        keys: Keys::Read,
        zone: None,
        limits: Default::default(),
    };
    let live = Live::new(Box::new(writer.clone()), console, about, inputs, Box::new(log));
    (live, tell)
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
    let mut live = live_on(&writer, FakeConsole::new(size), LastLog::default()).0;
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
    let calls = AtomicU32::new(0);
    let size = move || {
        assert!(calls.fetch_add(1, SeqCst) < 1, "on purpose");
        USUAL
    };
    let console = FakeConsole::new(size);
    let live = live_on(&writer, Arc::clone(&console), LastLog::default()).0;
    let (output, ended) = spawn(live);
    output.offer(&Item::Snapshot(numbered(1)));
    assert_eq!(ended.recv_deadline(soon()), Ok(OutputEnded::Panicked));
    assert!(writer.text().ends_with(LEAVE));
    assert_eq!(console.calls(), ["enter", "leave"]);
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
    let mut live = live_on(&writer, FakeConsole::new(|| USUAL), log.clone()).0;
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
    let mut terminal = Terminal::new(Box::new(writer.clone()), FakeConsole::new(|| USUAL));
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

/// A live screen of one snapshot, with its writer, console and keys.
fn shown() -> (Live, ScriptedWriter, Arc<FakeConsole>, Sender<Input>, OutputCounters) {
    let (writer, console, counters) = (
        ScriptedWriter::default(),
        FakeConsole::new(|| USUAL),
        OutputCounters::default(),
    );
    let (mut live, tell) = live_on(&writer, Arc::clone(&console), LastLog::default());
    live.take(Item::Snapshot(numbered(1)), &counters).unwrap();
    live.flush(&counters).unwrap();
    (live, writer, console, tell, counters)
}

/// The last screen that was drawn.
fn last_screen(writer: &ScriptedWriter) -> String {
    writer.text().rsplit(BEGIN).next().unwrap().to_owned()
}

#[test]
fn keys_change_the_next_screen() {
    let (mut live, writer, console, tell, counters) = shown();
    tell.send(Input::Key(Key::Char('?'))).unwrap();
    live.answer();
    live.draw(&counters).unwrap();
    assert!(last_screen(&writer).contains("end the program, with a summary"));
    for key in [Key::Escape, Key::Char('/'), Key::Char('s'), Key::Char('u'), Key::Enter] {
        tell.send(Input::Key(key)).unwrap();
    }
    live.answer();
    live.draw(&counters).unwrap();
    let screen = last_screen(&writer);
    assert!(screen.contains("Support") && !screen.contains("Sales"), "{screen}");
    assert_eq!(console.calls(), ["enter"]);
    tell.send(Input::Key(Key::Char('q'))).unwrap();
    live.answer();
    assert_eq!(console.calls(), ["enter", "quit"]);
}

#[test]
fn a_stop_restores_the_terminal_and_the_next_screen_enters_it_again() {
    let (mut live, writer, console, tell, counters) = shown();
    tell.send(Input::Suspend).unwrap();
    live.answer();
    assert!(writer.text().ends_with(LEAVE));
    assert_eq!(console.calls(), ["enter", "leave", "suspend"]);
    tell.send(Input::Continued).unwrap();
    // It goes on in the background first.
    console.is_foreground.store(false, SeqCst);
    live.answer();
    live.draw(&counters).unwrap();
    assert!(writer.text().ends_with(LEAVE), "nothing is drawn over the shell");
    console.is_foreground.store(true, SeqCst);
    live.draw(&counters).unwrap();
    assert_eq!(writer.text().matches(ENTER).count(), 2);
    assert_eq!(console.calls(), ["enter", "leave", "suspend", "enter"]);
}

#[test]
fn a_pause_keeps_the_numbers_and_the_summary_has_the_last() {
    let (mut live, writer, _, tell, counters) = shown();
    tell.send(Input::Key(Key::Char('p'))).unwrap();
    live.answer();
    let mut newer = a_snapshot();
    newer.queues.clear();
    live.take(Item::Snapshot(Arc::new(newer.clone())), &counters).unwrap();
    live.draw(&counters).unwrap();
    let screen = last_screen(&writer);
    assert!(screen.contains("PAUSED") && screen.contains("Support"), "{screen}");
    tell.send(Input::Key(Key::Char('p'))).unwrap();
    live.answer();
    live.draw(&counters).unwrap();
    assert!(!last_screen(&writer).contains("Support"));
}

#[test]
fn changes_are_listed_and_counted_as_written() {
    let (mut live, writer, _, tell, counters) = shown();
    let gap = crate::output::testing::a_gap(a_snapshot().as_of, None);
    counters.offered();
    live.take(Item::Gap(Arc::new(gap)), &counters).unwrap();
    tell.send(Input::Key(Key::Char('e'))).unwrap();
    live.answer();
    live.draw(&counters).unwrap();
    assert!(last_screen(&writer).contains("1 begins: socket closed (1006)"));
    assert_eq!(counters.counts().missed, 0);
}
