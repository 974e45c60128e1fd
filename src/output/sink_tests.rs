//! Output threads with writers that block, fail or close.
//!
//! In: scripted writers · Out: assertions · Thread: the test's and `gs-out-*`.

use super::*;
use crate::output::Outputs;
use crate::output::events::Records;
use crate::output::record::Bodies;
use crate::output::snapshots::SnapshotLines;
use crate::output::testing::{ScriptedWriter, WriteStep, event_item, numbered, soon, state_item};
use crate::output::writer::LineSink;
use std::io;

fn records(writer: &ScriptedWriter) -> Box<dyn Sink> {
    Box::new(LineSink::new("test", Records::new(Bodies::Verbatim), writer.clone()))
}

fn room(items: usize) -> Room {
    Room { items, ..ROOM }
}

fn spawn(sink: Box<dyn Sink>, handover: Handover, items: usize) -> (Output, Receiver<OutputEnded>) {
    let (told, ended) = bounded(1);
    let notice = Box::new(move |why| told.send(why).unwrap());
    (
        Output::spawn("test", sink, handover, room(items), notice).unwrap(),
        ended,
    )
}

fn ended(notice: &Receiver<OutputEnded>) -> OutputEnded {
    notice.recv_deadline(soon()).unwrap()
}

#[test]
fn lines_are_written_promptly_and_the_end_writes_the_rest() {
    let writer = ScriptedWriter::default();
    let (output, notice) = spawn(records(&writer), Handover::DropWhenFull, 8);
    output.offer(&event_item("1"));
    // It is written without a flush.
    writer.wait_for_lines(1);
    output.offer(&state_item());
    output.offer(&event_item("2"));
    let closing = output.close(Some(numbered(1)), soon());
    assert_eq!(closing.counts, OutputSnapshot { written: 4, missed: 0 });
    assert_eq!(closing.abandoned, None);
    assert_eq!(writer.text().lines().count(), 4);
    assert!(
        writer
            .text()
            .lines()
            .last()
            .unwrap()
            .starts_with("{\"record\":\"snapshot\"")
    );
    assert_eq!(ended(&notice), OutputEnded::Finished);
}

#[test]
fn offering_to_a_blocked_writer_never_blocks_and_counts() {
    let writer = ScriptedWriter::blocked();
    let (output, notice) = spawn(records(&writer), Handover::DropWhenFull, 4);
    output.offer(&event_item("1"));
    writer.wait_for_call();
    for _ in 0..100 {
        output.offer(&event_item("2"));
    }
    assert_eq!(output.counts(), OutputSnapshot { written: 0, missed: 96 });
    assert!(!output.flush(Instant::now()));
    // The deadline has passed already: the rest is abandoned, counted and reported.
    let counters = output.counters();
    let closing = output.close(None, Instant::now());
    assert_eq!(
        closing.counts,
        OutputSnapshot {
            written: 0,
            missed: 101
        }
    );
    assert_eq!(closing.abandoned, Some(5));
    assert!(closing.warning().unwrap().contains("5 records abandoned"));
    writer.unblock();
    assert_eq!(ended(&notice), OutputEnded::Finished);
    // Records that were written after all no longer count as missed.
    assert_eq!(counters.counts(), OutputSnapshot { written: 5, missed: 96 });
}

#[test]
fn waiting_for_a_slow_writer_misses_nothing() {
    let writer = ScriptedWriter::blocked();
    let (keep, stopping) = bounded(0);
    let (output, _notice) = spawn(records(&writer), Handover::WaitForRoom(stopping), 2);
    let giver = std::thread::spawn(move || {
        for n in 0..500 {
            output.offer(&event_item(&n.to_string()));
        }
        output
    });
    writer.wait_for_call();
    writer.unblock();
    let output = giver.join().unwrap();
    let closing = output.close(None, soon());
    drop(keep);
    assert_eq!(
        closing.counts,
        OutputSnapshot {
            written: 500,
            missed: 0
        }
    );
    let text = writer.text();
    assert!(text.lines().last().unwrap().contains("\"seq\":500,"));
}

#[test]
fn a_stop_ends_the_wait() {
    let writer = ScriptedWriter::blocked();
    let (keep, stopping) = bounded(0);
    let (output, _notice) = spawn(records(&writer), Handover::WaitForRoom(stopping), 1);
    output.offer(&event_item("1"));
    writer.wait_for_call();
    output.offer(&event_item("2"));
    let giver = std::thread::spawn(move || {
        output.offer(&event_item("3"));
        output
    });
    drop(keep);
    let output = giver.join().unwrap();
    assert_eq!(output.counts().missed, 1);
    writer.unblock();
    let closing = output.close(None, soon());
    assert_eq!(closing.counts, OutputSnapshot { written: 2, missed: 1 });
}

#[test]
fn a_closed_pipe_ends_the_output_and_offering_no_longer_waits() {
    let writer = ScriptedWriter::new([WriteStep::Fail(io::ErrorKind::BrokenPipe)]);
    let (_keep, stopping) = bounded(0);
    let (output, notice) = spawn(records(&writer), Handover::WaitForRoom(stopping), 1);
    output.offer(&event_item("1"));
    assert_eq!(ended(&notice), OutputEnded::Closed);
    for _ in 0..3 {
        output.offer(&event_item("2"));
    }
    assert!(output.flush(soon()));
    let closing = output.close(Some(numbered(1)), soon());
    assert_eq!(closing.counts, OutputSnapshot { written: 0, missed: 4 });
    assert_eq!(closing.abandoned, None);
}

#[test]
fn a_flush_is_acknowledged_after_the_write() {
    let writer = ScriptedWriter::default();
    let (output, _notice) = spawn(records(&writer), Handover::DropWhenFull, 8);
    output.offer(&event_item("1"));
    assert!(output.flush(soon()));
    assert_eq!(writer.text().lines().count(), 1);
    assert_eq!(output.counts(), OutputSnapshot { written: 1, missed: 0 });
}

#[test]
fn only_the_newest_snapshot_waits_and_replaced_ones_are_missed() {
    let writer = ScriptedWriter::blocked();
    let sink = Box::new(LineSink::new("test", SnapshotLines(Bodies::Verbatim), writer.clone()));
    let (output, _notice) = spawn(sink, Handover::DropWhenFull, 1);
    output.offer(&Item::Snapshot(numbered(1)));
    writer.wait_for_call();
    for revision in 2..=9 {
        output.offer(&Item::Snapshot(numbered(revision)));
    }
    writer.unblock();
    let closing = output.close(Some(numbered(10)), soon());
    let text = writer.text();
    let revisions: Vec<u64> = text
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["revision"]
                .as_u64()
                .unwrap()
        })
        .collect();
    assert_eq!(revisions, [1, 9, 10]);
    assert_eq!(closing.counts, OutputSnapshot { written: 3, missed: 7 });
}

struct Panics;

impl Sink for Panics {
    fn wants(&self) -> Wants {
        Wants {
            events: Events::Whole,
            changes: true,
            alerts: true,
            snapshots: Snapshots::None,
        }
    }

    fn take(&mut self, _: Item, _: &OutputCounters) -> Result<(), Closed> {
        panic!("on purpose")
    }

    fn flush(&mut self, _: &OutputCounters) -> Result<(), Closed> {
        Ok(())
    }

    fn end(&mut self, _: Option<Arc<Snapshot>>, _: &OutputCounters) -> Result<(), Closed> {
        Ok(())
    }
}

#[test]
fn a_panic_is_reported_and_the_other_outputs_go_on() {
    let writer = ScriptedWriter::default();
    let (broken, notice) = spawn(Box::new(Panics), Handover::DropWhenFull, 4);
    let (sound, _notice) = spawn(records(&writer), Handover::DropWhenFull, 4);
    let mut outputs = Outputs::default();
    outputs.add(broken);
    outputs.add(sound);
    outputs.offer(&event_item("1"));
    assert_eq!(ended(&notice), OutputEnded::Panicked);
    outputs.offer(&event_item("2"));
    assert!(outputs.flush(soon()));
    let closings = outputs.close(None, soon());
    assert_eq!(closings[0].counts, OutputSnapshot { written: 0, missed: 2 });
    assert_eq!(closings[1].counts, OutputSnapshot { written: 2, missed: 0 });
}

#[test]
fn two_blocked_outputs_share_one_deadline() {
    let writers = [ScriptedWriter::blocked(), ScriptedWriter::blocked()];
    let mut outputs = Outputs::default();
    for writer in &writers {
        let output = Output::spawn(
            "test",
            records(writer),
            Handover::DropWhenFull,
            room(4),
            Box::new(|_| {}),
        )
        .unwrap();
        output.offer(&event_item("1"));
        writer.wait_for_call();
        outputs.add(output);
    }
    let start = Instant::now();
    let wait = Duration::from_millis(150);
    let closings = outputs.close(None, start + wait);
    assert!(closings.iter().all(|closing| closing.abandoned == Some(1)));
    assert!(start.elapsed() >= wait && start.elapsed() < Duration::from_secs(10));
    writers.iter().for_each(ScriptedWriter::unblock);
}
