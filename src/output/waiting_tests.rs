//! The queue of an output: its bounds, and who is woken when.
//!
//! In: items of known size · Out: assertions · Thread: the test's.

use super::*;
use crate::event::facts::{Facts, Participant, Purpose};
use crate::model::testing::{conversation, participant};
use crate::output::record::tests::{an_event, moment};
use crate::output::recording::{Content, Line, State};
use crate::output::testing::{event_item, soon, state_item};

const ROOM: Room = Room {
    items: 4,
    bytes: 100_000,
};

fn taken(taker: &Taker) -> usize {
    let mut piece = Vec::new();
    taker.take(&mut piece);
    piece.len()
}

fn body(bytes: usize) -> Item {
    event_item(&"x".repeat(bytes))
}

#[test]
fn what_waits_is_bounded_by_number_and_by_bytes() {
    let (giver, taker) = queue(ROOM);
    for _ in 0..4 {
        giver.push(state_item()).unwrap();
    }
    assert!(matches!(giver.push(state_item()), Err(Refused::Full(_))));
    assert_eq!(taken(&taker), 4);
    giver.push(body(60_000)).unwrap();
    assert!(matches!(giver.push(body(60_000)), Err(Refused::Full(_))));
    giver.push(body(20_000)).unwrap();
    assert_eq!(taken(&taker), 2);
    giver.push(body(1_000_000)).unwrap();
    assert!(
        matches!(giver.push(state_item()), Err(Refused::Full(_))),
        "a huge one waits alone"
    );
    assert_eq!(taken(&taker), 1);
    giver.push(state_item()).unwrap();
}

#[test]
fn facts_and_recorded_text_count_as_bytes() {
    let mut event = an_event(None);
    let without = Item::Event(Arc::new(event.clone())).bytes();
    assert_eq!(body(5_000).bytes(), without + 5_000);
    event.facts = Facts::Conversation(Box::new(conversation(vec![participant("p", Purpose::Agent)])));
    assert!(Item::Event(Arc::new(event)).bytes() >= without + size_of::<Participant>());
    let line = Line::state(moment("2026-05-04T14:05:30Z"), None, State::ControlFrames(1));
    let frame = Line {
        content: Content::Frame(Some("x".repeat(5_000).into())),
        ..line.clone()
    };
    let bytes = |line: Line| Item::Recorded(Arc::new(line)).bytes();
    assert_eq!(bytes(frame), bytes(line) + 5_000);
}

#[test]
fn a_giver_is_told_when_half_of_the_room_is_free() {
    let (giver, taker) = queue(Room {
        items: 2 * PIECE,
        bytes: 10_000_000,
    });
    for _ in 0..2 * PIECE {
        giver.push(state_item()).unwrap();
    }
    assert!(giver.emptied().try_recv().is_err(), "nobody was refused");
    assert!(matches!(giver.push(state_item()), Err(Refused::Full(_))));
    assert!(giver.emptied().try_recv().is_err());
    assert_eq!(taken(&taker), PIECE);
    giver.emptied().recv_deadline(soon()).unwrap();
    assert_eq!(taken(&taker), PIECE);
    assert!(giver.emptied().try_recv().is_err(), "told once");
}

#[test]
fn the_taker_is_woken_by_the_first_entry_only() {
    let (giver, taker) = queue(ROOM);
    giver.push(state_item()).unwrap();
    assert!(taker.filled().try_recv().is_ok());
    giver.push(state_item()).unwrap();
    assert!(taker.filled().try_recv().is_err());
    assert_eq!(taken(&taker), 2);
    let acknowledged = giver.flush();
    assert!(taker.filled().try_recv().is_ok());
    assert!(acknowledged.try_recv() == Err(crossbeam_channel::TryRecvError::Empty));
    assert_eq!(taken(&taker), 1);
    assert!(acknowledged.try_recv() == Err(crossbeam_channel::TryRecvError::Disconnected));
    drop(giver);
    assert_eq!(taker.filled().recv(), Err(crossbeam_channel::RecvError));
}

#[test]
fn the_end_of_the_taker_frees_what_waits_and_wakes_all() {
    let (giver, taker) = queue(ROOM);
    let Item::Event(event) = body(60_000) else {
        panic!("no event")
    };
    giver.push(Item::Event(Arc::clone(&event))).unwrap();
    assert!(matches!(giver.push(body(60_000)), Err(Refused::Full(_))));
    let acknowledged = giver.flush();
    drop(taker);
    giver.emptied().recv_deadline(soon()).unwrap();
    assert!(acknowledged.recv_deadline(soon()).is_err());
    assert_eq!(Arc::strong_count(&event), 1);
    assert!(matches!(giver.push(state_item()), Err(Refused::Over)));
    assert!(giver.flush().recv_deadline(soon()) == Err(crossbeam_channel::RecvTimeoutError::Disconnected));
}
