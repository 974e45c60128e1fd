//! Callbacks that fail or panic.
//!
//! In: closures · Out: assertions · Thread: the test's and `gs-out-*`.

use super::*;
use crate::model::snapshot::OutputSnapshot;
use crate::output::sink::{Handover, Output, OutputEnded, ROOM};
use crate::output::testing::{event_item, numbered, soon, state_item};
use crossbeam_channel::{bounded, unbounded};

fn spawn(callback: Callback) -> (Output, crossbeam_channel::Receiver<OutputEnded>) {
    let (told, ended) = bounded(1);
    let notice = Box::new(move |why| told.send(why).unwrap());
    let output = Output::spawn("callback", Box::new(callback), Handover::DropWhenFull, ROOM, notice).unwrap();
    (output, ended)
}

#[test]
fn panics_and_errors_are_counted_and_the_output_goes_on() {
    let (seen, sees) = unbounded();
    let (output, notice) = spawn(Callback::on_event(move |event: &Event| {
        let body = event.body.clone().unwrap();
        seen.send(body.to_string()).unwrap();
        match &*body {
            "1" => panic!("on purpose"),
            "2" => std::panic::panic_any(7),
            "3" => Err("refused"),
            _ => Ok(()),
        }
    }));
    for body in ["1", "2", "3", "4"] {
        output.offer(&event_item(body));
        output.offer(&state_item());
    }
    let closing = output.close(Some(numbered(1)), soon());
    assert_eq!(closing.counts, OutputSnapshot { written: 1, missed: 3 });
    assert_eq!(notice.recv_deadline(soon()), Ok(OutputEnded::Finished));
    assert_eq!(sees.try_iter().collect::<Vec<_>>(), ["1", "2", "3", "4"]);
}

#[test]
fn a_dashboard_callback_gets_the_newest_and_the_last() {
    let (seen, sees) = unbounded();
    let (output, _notice) = spawn(Callback::on_snapshot(move |snapshot: &Snapshot| {
        seen.send(snapshot.revision).unwrap();
    }));
    output.offer(&Item::Snapshot(numbered(1)));
    assert!(output.flush(soon()));
    output.offer(&event_item("1"));
    let closing = output.close(Some(numbered(2)), soon());
    assert_eq!(closing.counts, OutputSnapshot { written: 2, missed: 0 });
    assert_eq!(sees.try_iter().collect::<Vec<_>>(), [1, 2]);
}
