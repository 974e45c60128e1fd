//! Batches, losses and numbers of the line writer, without a thread.
//!
//! In: scripted writers · Out: assertions · Thread: the test's.

use super::*;
use crate::model::snapshot::OutputSnapshot;
use crate::output::events::Records;
use crate::output::record::Bodies;
use crate::output::testing::{Act, Scripted, event_item, numbered, state_item};
use serde_json::Value;

fn outlet(writer: &Scripted) -> LineOutlet<Records, Scripted> {
    LineOutlet::new("test", Records::new(Bodies::Verbatim), writer.clone())
}

fn hand(outlet: &mut LineOutlet<Records, Scripted>, tally: &Tally, item: Item) {
    tally.offered();
    outlet.take(item, tally).unwrap();
}

fn seqs(text: &str) -> Vec<u64> {
    let parse = |line: &str| serde_json::from_str::<Value>(line).expect(line);
    text.lines().filter_map(|line| parse(line)["seq"].as_u64()).collect()
}

#[test]
fn a_batch_is_one_write_and_records_keep_their_order() {
    let writer = Scripted::new([Act::Take(usize::MAX), Act::Fail(io::ErrorKind::Other)]);
    let (mut outlet, tally) = (outlet(&writer), Tally::default());
    hand(&mut outlet, &tally, event_item("1"));
    hand(&mut outlet, &tally, state_item());
    hand(&mut outlet, &tally, event_item("2"));
    assert_eq!(writer.text(), "");
    outlet.flush(&tally).unwrap();
    let text = writer.text();
    assert_eq!(seqs(&text), [1, 2]);
    assert!(text.lines().nth(1).unwrap().starts_with("{\"record\":\"state\""));
    assert_eq!(tally.counts(), OutputSnapshot { written: 3, missed: 0 });
}

#[test]
fn what_a_full_disk_loses_leaves_no_hole_and_no_torn_line() {
    // Everything of the first record, and 10 bytes of the second; then nothing for a while.
    let first = {
        let mut out = Vec::new();
        Records::new(Bodies::Verbatim).render(&event_item("1"), &mut out);
        out.len()
    };
    let full = || Act::Fail(io::ErrorKind::StorageFull);
    let writer = Scripted::new([Act::Take(first + 10), full(), full()]);
    let (mut outlet, tally) = (outlet(&writer), Tally::default());
    for body in ["1", "2", "3", "4"] {
        hand(&mut outlet, &tally, event_item(body));
    }
    outlet.flush(&tally).unwrap();
    // 2 is begun and stays, 3 and 4 are lost.
    assert_eq!(tally.counts(), OutputSnapshot { written: 1, missed: 2 });
    hand(&mut outlet, &tally, state_item());
    hand(&mut outlet, &tally, event_item("5"));
    outlet.flush(&tally).unwrap();
    assert_eq!(tally.counts(), OutputSnapshot { written: 1, missed: 4 });
    // There is room again.
    hand(&mut outlet, &tally, event_item("6"));
    outlet.flush(&tally).unwrap();
    let text = writer.text();
    assert_eq!(seqs(&text), [1, 2, 3]);
    let bodies: Vec<_> = text
        .lines()
        .map(|l| serde_json::from_str::<Value>(l).unwrap()["body"].clone())
        .collect();
    assert_eq!(bodies, [1, 2, 6]);
    assert_eq!(tally.counts(), OutputSnapshot { written: 3, missed: 4 });
    assert_eq!(tally.waiting(), 0);
}

#[test]
fn a_failure_between_two_lines_loses_whole_lines_only() {
    let writer = Scripted::new([Act::Fail(io::ErrorKind::StorageFull)]);
    let (mut outlet, tally) = (outlet(&writer), Tally::default());
    hand(&mut outlet, &tally, event_item("1"));
    hand(&mut outlet, &tally, event_item("2"));
    outlet.flush(&tally).unwrap();
    hand(&mut outlet, &tally, event_item("3"));
    outlet.flush(&tally).unwrap();
    assert_eq!(seqs(&writer.text()), [1]);
    assert_eq!(tally.counts(), OutputSnapshot { written: 1, missed: 2 });
}

#[test]
fn interruptions_and_busy_pipes_are_no_failures() {
    let writer = Scripted::new([
        Act::Fail(io::ErrorKind::Interrupted),
        Act::Take(5),
        Act::Fail(io::ErrorKind::WouldBlock),
        Act::Take(7),
    ]);
    let (mut outlet, tally) = (outlet(&writer), Tally::default());
    hand(&mut outlet, &tally, event_item("1"));
    outlet.flush(&tally).unwrap();
    assert_eq!(seqs(&writer.text()), [1]);
    assert_eq!(tally.counts(), OutputSnapshot { written: 1, missed: 0 });
}

#[test]
fn a_closed_pipe_is_told() {
    let writer = Scripted::new([Act::Fail(io::ErrorKind::BrokenPipe)]);
    let (mut outlet, tally) = (outlet(&writer), Tally::default());
    hand(&mut outlet, &tally, event_item("1"));
    assert_eq!(outlet.flush(&tally), Err(Closed));
    assert_eq!(tally.counts(), OutputSnapshot { written: 0, missed: 1 });
}

#[test]
fn a_large_batch_does_not_wait() {
    let writer = Scripted::default();
    let (mut outlet, tally) = (outlet(&writer), Tally::default());
    let body = format!("\"{}\"", "x".repeat(BATCH_BYTES));
    hand(&mut outlet, &tally, event_item(&body));
    assert_eq!(seqs(&writer.text()), [1]);
}

#[test]
fn the_last_snapshot_comes_last() {
    let writer = Scripted::default();
    let (mut outlet, tally) = (outlet(&writer), Tally::default());
    hand(&mut outlet, &tally, event_item("1"));
    outlet.end(Some(numbered(9)), &tally).unwrap();
    let text = writer.text();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((&last["record"], &last["revision"]), (&"snapshot".into(), &9.into()));
    assert_eq!(tally.counts(), OutputSnapshot { written: 2, missed: 0 });
}
