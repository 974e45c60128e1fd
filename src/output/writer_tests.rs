//! Batches, losses and record numbers of the line writer, without a thread.
//!
//! In: scripted writers · Out: assertions · Thread: the test's.

use super::*;
use crate::model::snapshot::OutputSnapshot;
use crate::output::events::Records;
use crate::output::record::Bodies;
use crate::output::testing::{ScriptedWriter, WriteStep, event_item, numbered, state_item};
use serde_json::Value;

fn sink(writer: &ScriptedWriter) -> LineSink<Records, ScriptedWriter> {
    LineSink::new("test", Records::new(Bodies::Verbatim), writer.clone())
}

fn offer(sink: &mut LineSink<Records, ScriptedWriter>, counters: &OutputCounters, item: Item) {
    counters.offered();
    sink.take(item, counters).unwrap();
}

fn seqs(text: &str) -> Vec<u64> {
    let parse = |line: &str| serde_json::from_str::<Value>(line).expect(line);
    text.lines().filter_map(|line| parse(line)["seq"].as_u64()).collect()
}

#[test]
fn a_batch_is_one_write_and_records_keep_their_order() {
    let writer = ScriptedWriter::new([WriteStep::Take(usize::MAX), WriteStep::Fail(io::ErrorKind::Other)]);
    let (mut sink, counters) = (sink(&writer), OutputCounters::default());
    offer(&mut sink, &counters, event_item("1"));
    offer(&mut sink, &counters, state_item());
    offer(&mut sink, &counters, event_item("2"));
    assert_eq!(writer.text(), "");
    sink.flush(&counters).unwrap();
    let text = writer.text();
    assert_eq!(seqs(&text), [1, 2]);
    assert!(text.lines().nth(1).unwrap().starts_with("{\"record\":\"state\""));
    assert_eq!(counters.counts(), OutputSnapshot { written: 3, missed: 0 });
}

#[test]
fn a_full_disk_leaves_no_hole_in_the_numbers_and_no_partial_line() {
    // The disk takes the first record and 10 bytes of the second, then fails twice.
    let first = {
        let mut out = Vec::new();
        Records::new(Bodies::Verbatim).render(&event_item("1"), &mut out);
        out.len()
    };
    let full = || WriteStep::Fail(io::ErrorKind::StorageFull);
    let writer = ScriptedWriter::new([WriteStep::Take(first + 10), full(), full()]);
    let (mut sink, counters) = (sink(&writer), OutputCounters::default());
    for body in ["1", "2", "3", "4"] {
        offer(&mut sink, &counters, event_item(body));
    }
    sink.flush(&counters).unwrap();
    // 2 is partly written and kept, 3 and 4 are lost.
    assert_eq!(counters.counts(), OutputSnapshot { written: 1, missed: 2 });
    offer(&mut sink, &counters, state_item());
    offer(&mut sink, &counters, event_item("5"));
    sink.flush(&counters).unwrap();
    assert_eq!(counters.counts(), OutputSnapshot { written: 1, missed: 4 });
    // There is room again.
    offer(&mut sink, &counters, event_item("6"));
    sink.flush(&counters).unwrap();
    let text = writer.text();
    assert_eq!(seqs(&text), [1, 2, 3]);
    let bodies: Vec<_> = text
        .lines()
        .map(|l| serde_json::from_str::<Value>(l).unwrap()["body"].clone())
        .collect();
    assert_eq!(bodies, [1, 2, 6]);
    assert_eq!(counters.counts(), OutputSnapshot { written: 3, missed: 4 });
    assert_eq!(counters.waiting(), 0);
}

#[test]
fn a_failure_between_two_lines_loses_whole_lines_only() {
    let writer = ScriptedWriter::new([WriteStep::Fail(io::ErrorKind::StorageFull)]);
    let (mut sink, counters) = (sink(&writer), OutputCounters::default());
    offer(&mut sink, &counters, event_item("1"));
    offer(&mut sink, &counters, event_item("2"));
    sink.flush(&counters).unwrap();
    offer(&mut sink, &counters, event_item("3"));
    sink.flush(&counters).unwrap();
    assert_eq!(seqs(&writer.text()), [1]);
    assert_eq!(counters.counts(), OutputSnapshot { written: 1, missed: 2 });
}

#[test]
fn interruptions_and_busy_pipes_are_retried() {
    let writer = ScriptedWriter::new([
        WriteStep::Fail(io::ErrorKind::Interrupted),
        WriteStep::Take(5),
        WriteStep::Fail(io::ErrorKind::WouldBlock),
        WriteStep::Take(7),
    ]);
    let (mut sink, counters) = (sink(&writer), OutputCounters::default());
    offer(&mut sink, &counters, event_item("1"));
    sink.flush(&counters).unwrap();
    assert_eq!(seqs(&writer.text()), [1]);
    assert_eq!(counters.counts(), OutputSnapshot { written: 1, missed: 0 });
}

#[test]
fn a_closed_pipe_is_reported() {
    let writer = ScriptedWriter::new([WriteStep::Fail(io::ErrorKind::BrokenPipe)]);
    let (mut sink, counters) = (sink(&writer), OutputCounters::default());
    offer(&mut sink, &counters, event_item("1"));
    assert_eq!(sink.flush(&counters), Err(Closed));
    assert_eq!(counters.counts(), OutputSnapshot { written: 0, missed: 1 });
}

#[test]
fn a_large_batch_does_not_wait() {
    let writer = ScriptedWriter::default();
    let (mut sink, counters) = (sink(&writer), OutputCounters::default());
    let body = format!("\"{}\"", "x".repeat(BATCH_BYTES));
    offer(&mut sink, &counters, event_item(&body));
    assert_eq!(seqs(&writer.text()), [1]);
}

#[test]
fn the_last_snapshot_comes_last() {
    let writer = ScriptedWriter::default();
    let (mut sink, counters) = (sink(&writer), OutputCounters::default());
    offer(&mut sink, &counters, event_item("1"));
    sink.end(Some(numbered(9)), &counters).unwrap();
    let text = writer.text();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((&last["record"], &last["revision"]), (&"snapshot".into(), &9.into()));
    assert_eq!(counters.counts(), OutputSnapshot { written: 2, missed: 0 });
}
