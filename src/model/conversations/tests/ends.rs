//! A visit whose medium ended without a time is over when its conversation is; until then it is kept whole.
//!
//! In: visits with a medium that is terminated · Out: asserted numbers · Thread: any (tests only).

use super::*;

/// A visit of Q since 10 whose medium is terminated, without an end; the customer left at `left`.
fn terminated(left: Option<i64>) -> ConversationFacts {
    let mut customer = participant("customer", Purpose::Customer);
    (customer.connected, customer.ended) = (Some(at(5)), left.map(at));
    let mut medium = communication("m", MediaKind::Chat);
    medium.connected = Some(at(10));
    medium.state = stamped(20, CommunicationState::Terminated);
    let mut visit = participant("acd", Purpose::Acd);
    visit.queue = stamped(10, Id::new("Q"));
    visit.communications = vec![medium];
    conversation_of(vec![customer, visit])
}

fn counted(store: &Conversations) -> (u64, Numbers) {
    let totals = store.totals_of(&Id::new("Q")).unwrap();
    let numbers = totals.total(MediaKind::Chat, 0, 20_000).unwrap().numbers();
    (store.live_sums(|_| true).waiting, numbers)
}

#[test]
fn it_waits_as_long_as_its_conversation_goes_on_and_is_not_packed() {
    let mut store = store(TWO_HOURS, 10);
    store.keep_finished(0);
    store.apply(&terminated(None), at(30));
    // Longer than after-call work is expected, than the retention, than anything is remembered.
    for later in [31, 700, 10_000, 40 * 86_400] {
        store.forget(at(later));
        assert_eq!((counted(&store).0, store.packed(), store.len()), (1, 0, 1), "{later}");
    }
}

#[test]
fn it_is_over_with_its_conversation_at_that_time() {
    for finished in [0, usize::MAX] {
        let mut store = store(TWO_HOURS, 10);
        store.keep_finished(finished);
        store.apply(&terminated(None), at(30));
        store.apply(&terminated(Some(50)), at(60));
        let (waiting, numbers) = counted(&store);
        assert_eq!((waiting, numbers.offered, numbers.abandoned), (0, 1, 1));
        assert_eq!(
            numbers.average_wait_secs,
            Some(40.0),
            "from 10 to the end of the conversation"
        );
        store.forget(at(61));
        assert_eq!(store.packed(), usize::from(finished == 0));
        assert_eq!(counted(&store).1.abandoned, 1);
    }
}

#[test]
fn one_that_still_waits_goes_last_where_there_is_no_room() {
    let mut store = store(TWO_HOURS, 3);
    let mut waiting = terminated(None);
    waiting.id = Id::new("waits");
    store.apply(&waiting, at(30));
    for n in 0..20 {
        let mut over = terminated(Some(50));
        over.id = Id::new(&format!("c{n}"));
        store.apply(&over, at(60 + n));
    }
    assert_eq!((store.evicted(), counted(&store).0), (0, 1));
    assert!(store.facts(&Id::new("waits")).is_some());
}
