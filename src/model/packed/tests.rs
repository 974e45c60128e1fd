//! What is packed comes back once, the oldest goes first, and holes are closed.
//!
//! In: little conversations · Out: asserted contents and bounds · Thread: any (tests only).

use super::*;
use crate::event::facts::{ConversationFacts, Purpose};
use crate::model::queue_numbers::QueueNumbers;
use crate::model::state::State;
use crate::model::testing::{at, communication, conversation, participant};

fn id(n: usize) -> Id {
    Id::new(&format!("c{n}"))
}

fn facts(n: usize, kind: MediaKind) -> ConversationFacts {
    let mut p = participant(&format!("p{n}"), Purpose::Customer);
    p.connected = Some(at(n as i64));
    p.communications.push(communication(&format!("m{n}"), kind));
    ConversationFacts {
        id: id(n),
        ..conversation(vec![p])
    }
}

fn whole(n: usize, seen: i64) -> Whole {
    of(&facts(n, MediaKind::Voice), seen)
}

fn of(facts: &ConversationFacts, seen: i64) -> Whole {
    Whole {
        layers: Layers {
            stream: State::of(facts, &mut QueueNumbers::default()),
            rest: None,
        },
        is_lost: false,
        newest: at(seen),
        seen: at(seen),
        evicted: None,
    }
}

fn told(whole: &Whole) -> ConversationFacts {
    whole.layers.stream.facts(&QueueNumbers::default())
}

#[test]
fn what_is_packed_comes_back_once() {
    let mut packed = Packed::default();
    for n in 0..3_000 {
        let mut one = whole(n, n as i64);
        one.is_lost = n % 3 == 0;
        one.evicted = (n % 2 == 0).then(|| at(7));
        if n % 5 == 0 {
            one.layers.rest = Some(Box::new(one.layers.stream.clone()));
        }
        packed.keep(one);
    }
    assert_eq!(packed.len(), 3_000);
    assert!(packed.logs[0].len() > 1);
    for n in 0..3_000 {
        assert_eq!(packed.newest(&id(n)), Some(at(n as i64)));
        let back = packed.take(&id(n)).unwrap();
        assert_eq!(told(&back), facts(n, MediaKind::Voice));
        assert_eq!(back.layers.rest.is_some(), n % 5 == 0);
        assert_eq!((back.is_lost, back.evicted), (n % 3 == 0, (n % 2 == 0).then(|| at(7))));
        assert_eq!((packed.newest(&id(n)), packed.take(&id(n)).is_none()), (None, true));
    }
    assert_eq!((packed.len(), packed.shapes.bytes()), (0, 0));
    assert!(packed.bytes <= CHUNK_BYTES);
}

#[test]
fn holes_are_closed() {
    let mut packed = Packed::default();
    let count = 10_000;
    (0..count).for_each(|n| packed.keep(whole(n, 0)));
    let full = packed.bytes;
    let stays = |n: usize| n % 10 == 3;
    (0..count)
        .filter(|n| !stays(*n))
        .for_each(|n| drop(packed.take(&id(n))));
    assert!(packed.bytes < full / 4, "{} of {full}", packed.bytes);
    let live: usize = packed.chunks.iter().map(|chunk| chunk.live).sum();
    assert!(
        packed.bytes <= 2 * live + CHUNK_BYTES,
        "{} with {live} live",
        packed.bytes
    );
    // What is taken and kept again and again takes no more.
    let before = packed.bytes;
    for round in 0..100_000 {
        let n = (0..count).filter(|n| stays(*n)).nth(round % 50).unwrap();
        let one = packed.take(&id(n)).unwrap();
        packed.keep(one);
    }
    assert!(packed.bytes <= before + CHUNK_BYTES, "{} after {before}", packed.bytes);
    for n in 0..count {
        assert_eq!(
            packed.take(&id(n)).map(|one| told(&one)),
            stays(n).then(|| facts(n, MediaKind::Voice))
        );
    }
    let in_use = packed.chunks.iter().filter(|chunk| chunk.bytes.capacity() > 0).count();
    assert!(in_use <= 1, "{in_use} chunks are left of {}", packed.chunks.len());
}

#[test]
fn the_oldest_are_forgotten_and_a_newer_entry_of_the_same_conversation_is_not() {
    let mut packed = Packed::default();
    packed.keep(whole(0, 0));
    let mut n = 1;
    while packed.logs[0].len() < 3 {
        let mut one = whole(n, n as i64);
        one.evicted = (n % 2 == 1).then(|| at(0));
        packed.keep(one);
        n += 1;
    }
    let again = packed.take(&id(0)).unwrap();
    packed.keep(Whole {
        newest: at(1),
        evicted: Some(at(0)),
        seen: at(n as i64),
        ..again
    });
    let all = packed.len();
    packed.forget(at(0), at(0));
    assert_eq!(packed.len(), all);
    packed.forget(at(n as i64 - 1), at(0));
    let left = packed.len();
    assert!(left > 1 && left < all, "{left} of {all}");
    assert_eq!((packed.newest(&id(0)), packed.newest(&id(1))), (Some(at(1)), None));
    let finished = packed.drop_some(Moment::from_epoch_ms(0)).unwrap() as usize;
    assert!(finished.abs_diff(left / 2) <= 2, "{finished} of {left}");
    assert_eq!((packed.len(), packed.newest(&id(0))), (0, None));
    assert_eq!(
        (packed.bytes, packed.shapes.bytes(), packed.drop_some(at(0))),
        (0, 0, None)
    );
}

#[test]
fn threads_are_remembered_for_longer() {
    let mut packed = Packed::default();
    packed.keep(whole(1, 0));
    packed.keep(of(&facts(2, MediaKind::Email), 0));
    packed.forget(at(1), at(0));
    assert_eq!((packed.newest(&id(1)), packed.newest(&id(2))), (None, Some(at(0))));
    packed.forget(at(1), at(1));
    assert_eq!(packed.len(), 0);
}

#[test]
fn a_large_conversation_has_a_chunk_of_its_own() {
    let mut packed = Packed::default();
    let people = (0..256).map(|n| {
        let mut p = participant(&format!("{n}"), Purpose::Other);
        p.communications = (0..64)
            .map(|m| communication(&format!("{n} {m}"), MediaKind::Voice))
            .collect();
        p
    });
    let large = ConversationFacts {
        id: id(9),
        ..conversation(people.collect())
    };
    packed.keep(whole(1, 0));
    packed.keep(of(&large, 0));
    packed.keep(whole(2, 0));
    assert_eq!(packed.logs[0].len(), 3);
    assert_eq!(packed.take(&id(9)).map(|one| told(&one)), Some(large));
    assert_eq!(
        packed.take(&id(2)).map(|one| told(&one)),
        Some(facts(2, MediaKind::Voice))
    );
}
