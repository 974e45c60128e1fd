//! What comes after a conversation was packed counts like what comes before.
//!
//! In: little conversations with ids as the service gives them · Out: equal numbers · Thread: any (tests only).

use std::cmp::Reverse;

use super::*;

/// With UUIDs, so that short ids take the place of theirs.
fn named(mut facts: ConversationFacts) -> ConversationFacts {
    let of = |text: &str| {
        let seed = text.bytes().fold(0, |seed, byte| seed * 31 + u64::from(byte));
        uuid(&mut fastrand::Rng::with_seed(seed))
    };
    for p in &mut facts.participants {
        let name = p.id.to_string();
        p.id = of(&name);
        if p.communications.is_empty() {
            p.communications.push(communication("call", MediaKind::Voice));
        }
        for c in &mut p.communications {
            c.id = of(&format!("{name} {}", c.id));
            (c.connected, c.disconnected) = (p.connected, p.ended);
            c.state = p.ended.and_then(|_| stamped(30, CommunicationState::Terminated));
        }
    }
    facts
}

/// Both stores after these facts, one of which packs whatever is finished.
fn both(told: &[ConversationFacts]) -> [Conversations; 2] {
    [0, usize::MAX].map(|at_most| {
        let mut store = store(TWO_HOURS, 10);
        store.keep_finished(at_most);
        for facts in told {
            store.apply(facts, at(40));
            store.forget(at(40));
        }
        store
    })
}

/// A conversation that ended, and one more fact about its agent: the numbers with everything kept whole, which packing
/// does not change.
fn after(first: ConversationFacts, change: impl FnOnce(&mut ConversationFacts)) -> Numbers {
    let mut later = first.clone();
    change(&mut later);
    let [packed, whole] = both(std::slice::from_ref(&first));
    assert_eq!((packed.len(), packed.packed()), (0, 1));
    assert_eq!((whole.len(), whole.packed()), (1, 0));
    let [packed, whole] = both(&[first, later]);
    let queue = [Id::new("Q")];
    assert_eq!(numbers(&packed, &queue, at(50)), numbers(&whole, &queue, at(50)));
    assert_eq!(packed.open().collect::<Vec<_>>(), whole.open().collect::<Vec<_>>());
    let [packed, whole] = [&packed, &whole].map(|store| total(store, MediaKind::Voice));
    assert_eq!(packed, whole, "holds, too");
    whole
}

fn over() -> ConversationFacts {
    named(answered("c", Some(30)))
}

#[test]
fn a_hold_that_ends_after_packing() {
    let mut held = over();
    held.participants[2].communications[0].hold_started = Some(at(15));
    let numbers = after(held, |later| {
        let call = &mut later.participants[2].communications[0];
        (call.hold_started, call.wrapup_coded) = (None, true);
    });
    assert!(numbers.hold_secs > 0.0);
    assert_eq!((numbers.handled, numbers.wrapups), (1, 1));
}

#[test]
fn listening_in_that_is_told_after_packing() {
    let numbers = after(over(), |later| {
        later.participants[2].listens_in = stamped(35, Reverse(true));
    });
    assert_eq!((numbers.answered, numbers.handled), (0, 0));
}

#[test]
fn after_call_work_that_is_told_after_packing() {
    let begun = |later: &mut ConversationFacts| later.participants[2].after_call_work = vec![work(31, None)];
    assert_eq!(after(over(), begun).handled, 0, "it goes on");
    let mut at_work = over();
    begun(&mut at_work);
    let over = |later: &mut ConversationFacts| later.participants[2].after_call_work = vec![work(31, Some(38))];
    assert_eq!(after(self::over(), over).wrapups, 1);
    let [packing, _] = both(&[self::over(), at_work]);
    assert_eq!(
        (packing.len(), packing.packed()),
        (1, 0),
        "while somebody is at work nothing is packed"
    );
}

#[test]
fn a_participant_that_only_an_earlier_event_told_is_not_gone() {
    let numbers = after(over(), |later| {
        later.participants.retain(|p| p.id == over().participants[0].id);
        later.participants[0].ended = Some(at(33));
    });
    assert_eq!((numbers.offered, numbers.answered, numbers.handled), (1, 1, 1));
}

#[test]
fn what_is_open_or_changes_by_time_alone_is_not_packed() {
    let mut expecting = named(answered("expecting", Some(30)));
    expecting.participants[2].wrapup_expected = stamped(30, Reverse(true));
    let mut waiting = named(visit("waiting", "Q", None));
    waiting.participants[0].id = Id::new("c");
    let mut undecided = named(visit("undecided", "Q", None));
    // Its visit has left, its customer stays, and nobody says what became of it.
    undecided.participants[1].ended = Some(at(20));
    let told = [expecting.clone(), waiting, undecided];
    let [mut packing, _] = both(&told);
    assert_eq!((packing.len(), packing.packed()), (3, 0));
    // A lost one waits for the end of its expectation, too.
    packing.lose(&expecting.id, at(50));
    packing.forget(at(50));
    assert_eq!((packing.len(), packing.packed()), (3, 0));
    packing.forget(at(630));
    packing.forget(at(631));
    assert_eq!((packing.len(), packing.packed()), (2, 1));
    assert_eq!(total(&packing, MediaKind::Voice).handled, 1);
    assert_eq!(packing.lost(), 1);
}

#[test]
fn an_evicted_one_takes_its_place_again() {
    let mut store = store(TWO_HOURS, 1);
    store.apply(&named(visit("c", "Q", None)), at(6));
    let before = numbers(&store, &[Id::new("Q")], at(50));
    store.apply(&named(visit("other", "R", None)), at(7));
    assert!(store.live_of(&Id::new("Q")).is_none(), "nobody waits");
    store.apply(&named(visit("c", "Q", None)), at(8));
    assert_eq!((store.evicted(), store.len()), (2, 1));
    assert_eq!(numbers(&store, &[Id::new("Q")], at(50)), before);
    store.apply(&over(), at(30));
    let voice = total(&store, MediaKind::Voice);
    assert_eq!((voice.offered, voice.answered, voice.handled), (1, 1, 1));
    assert_eq!(store.live().active(), 0);
}
