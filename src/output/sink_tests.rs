//! Threads of outputs against writers that block, fail or close.
//!
//! In: scripted writers · Out: assertions · Thread: the test's and `gs-out-*`.

use super::*;
use crate::output::Outputs;
use crate::output::events::Records;
use crate::output::record::Bodies;
use crate::output::snapshots::SnapshotLines;
use crate::output::testing::{Act, Scripted, event_item, numbered, soon, state_item};
use crate::output::writer::LineOutlet;
use std::io;

fn records(writer: &Scripted) -> Box<dyn Outlet> {
    Box::new(LineOutlet::new("test", Records::new(Bodies::Verbatim), writer.clone()))
}

fn spawn(outlet: Box<dyn Outlet>, handover: Handover, capacity: usize) -> (Output, Receiver<OutputEnded>) {
    let (told, ended) = bounded(1);
    let notice = Box::new(move |why| told.send(why).unwrap());
    (
        Output::spawn("test", outlet, handover, capacity, notice).unwrap(),
        ended,
    )
}

fn ended(notice: &Receiver<OutputEnded>) -> OutputEnded {
    notice.recv_deadline(soon()).unwrap()
}

#[test]
fn lines_come_promptly_and_closing_drains() {
    let writer = Scripted::default();
    let (output, notice) = spawn(records(&writer), Handover::Offer, 8);
    output.offer(&event_item("1"));
    // Without any flush.
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
fn offering_to_a_stuck_reader_never_blocks_and_counts() {
    let writer = Scripted::shut();
    let (output, notice) = spawn(records(&writer), Handover::Offer, 4);
    output.offer(&event_item("1"));
    writer.wait_for_call();
    for _ in 0..100 {
        output.offer(&event_item("2"));
    }
    assert_eq!(output.counts(), OutputSnapshot { written: 0, missed: 96 });
    assert!(!output.flush(Instant::now()));
    // Its time is up at once: the rest is abandoned, counted, and named.
    let tally = output.tally();
    let closing = output.close(None, Instant::now());
    assert_eq!(
        closing.counts,
        OutputSnapshot {
            written: 0,
            missed: 101
        }
    );
    assert_eq!(closing.abandoned, Some(5));
    assert!(closing.complaint().unwrap().contains("5 records abandoned"));
    writer.open();
    assert_eq!(ended(&notice), OutputEnded::Finished);
    // What still left in the end is not called missed.
    assert_eq!(tally.counts(), OutputSnapshot { written: 5, missed: 96 });
}

#[test]
fn waiting_for_a_slow_reader_misses_nothing() {
    let writer = Scripted::shut();
    let (keep, stopping) = bounded(0);
    let (output, _notice) = spawn(records(&writer), Handover::Wait(stopping), 2);
    let giver = std::thread::spawn(move || {
        for n in 0..500 {
            output.offer(&event_item(&n.to_string()));
        }
        output
    });
    writer.wait_for_call();
    writer.open();
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
    let writer = Scripted::shut();
    let (keep, stopping) = bounded(0);
    let (output, _notice) = spawn(records(&writer), Handover::Wait(stopping), 1);
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
    writer.open();
    let closing = output.close(None, soon());
    assert_eq!(closing.counts, OutputSnapshot { written: 2, missed: 1 });
}

#[test]
fn a_closed_pipe_ends_the_output_and_nothing_waits_for_it() {
    let writer = Scripted::new([Act::Fail(io::ErrorKind::BrokenPipe)]);
    let (_keep, stopping) = bounded(0);
    let (output, notice) = spawn(records(&writer), Handover::Wait(stopping), 1);
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
    let writer = Scripted::default();
    let (output, _notice) = spawn(records(&writer), Handover::Offer, 8);
    output.offer(&event_item("1"));
    assert!(output.flush(soon()));
    assert_eq!(writer.text().lines().count(), 1);
    assert_eq!(output.counts(), OutputSnapshot { written: 1, missed: 0 });
}

#[test]
fn only_the_newest_snapshot_waits_and_replaced_ones_are_counted() {
    let writer = Scripted::shut();
    let outlet = Box::new(LineOutlet::new("test", SnapshotLines, writer.clone()));
    let (output, _notice) = spawn(outlet, Handover::Offer, 1);
    output.offer(&Item::Snapshot(numbered(1)));
    writer.wait_for_call();
    for revision in 2..=9 {
        output.offer(&Item::Snapshot(numbered(revision)));
    }
    writer.open();
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

impl Outlet for Panics {
    fn wants(&self) -> Wants {
        Wants {
            events: true,
            changes: true,
            snapshots: Snapshots::None,
        }
    }

    fn take(&mut self, _: Item, _: &Tally) -> Result<(), Closed> {
        panic!("on purpose")
    }

    fn flush(&mut self, _: &Tally) -> Result<(), Closed> {
        Ok(())
    }

    fn end(&mut self, _: Option<Arc<Snapshot>>, _: &Tally) -> Result<(), Closed> {
        Ok(())
    }
}

#[test]
fn a_panic_is_told_and_the_other_outputs_go_on() {
    let writer = Scripted::default();
    let (broken, notice) = spawn(Box::new(Panics), Handover::Offer, 4);
    let (sound, _notice) = spawn(records(&writer), Handover::Offer, 4);
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
fn two_stuck_outputs_share_one_deadline() {
    let writers = [Scripted::shut(), Scripted::shut()];
    let mut outputs = Outputs::default();
    for writer in &writers {
        let (output, _notice) = spawn_unheard(writer);
        output.offer(&event_item("1"));
        writer.wait_for_call();
        outputs.add(output);
    }
    let start = Instant::now();
    let wait = Duration::from_millis(150);
    let closings = outputs.close(None, start + wait);
    assert!(closings.iter().all(|closing| closing.abandoned == Some(1)));
    assert!(start.elapsed() >= wait && start.elapsed() < Duration::from_secs(10));
    writers.iter().for_each(Scripted::open);
}

fn spawn_unheard(writer: &Scripted) -> (Output, ()) {
    let output = Output::spawn("test", records(writer), Handover::Offer, 4, Box::new(|_| {})).unwrap();
    (output, ())
}
