//! What time alone changes, and conversations that go on after they were forgotten or lost.
//!
//! In: little conversations, times in seconds · Out: asserted numbers · Thread: any (tests only).

use std::cmp::Reverse;

use super::*;

fn voice(store: &Conversations) -> Numbers {
    total(store, MediaKind::Voice)
}

/// Ended at 30; after-call work is expected.
fn expecting(conversation: &str) -> ConversationFacts {
    let mut facts = answered(conversation, Some(30));
    facts.participants[2].wrapup_expected = stamped(30, Reverse(true));
    facts
}

#[test]
fn expected_work_without_a_sign_is_given_up_by_time_alone() {
    let mut store = store(Duration::from_secs(100), 10);
    store.apply(&expecting("c"), at(30));
    assert_eq!(voice(&store).handled, 0);
    store.forget(at(629));
    assert_eq!(
        (voice(&store).handled, store.len()),
        (0, 1),
        "still open, so not forgotten"
    );
    store.forget(at(630));
    assert_eq!(voice(&store).handled, 1);
    store.forget(at(631));
    assert_eq!((store.len(), store.packed()), (0, 1), "finished since then");
    assert_eq!(voice(&store).handled, 1);
}

#[test]
fn a_sign_in_time_keeps_it_waiting_and_a_late_one_takes_the_count_back() {
    let working = |conversation| {
        let mut facts = expecting(conversation);
        facts.participants[2].after_call_work = vec![work(30, None)];
        facts
    };
    let mut store = store(TWO_HOURS, 10);
    store.apply(&expecting("c"), at(30));
    store.apply(&working("c"), at(600));
    store.forget(at(5_000));
    assert_eq!(voice(&store).handled, 0);
    assert_eq!(store.live_sums(|_| true).after_call_work, 1);

    store.apply(&expecting("d"), at(5_000));
    assert_eq!(voice(&store).handled, 1, "told long after its end");
    store.apply(&working("d"), at(5_001));
    assert_eq!(voice(&store).handled, 0);
    let mut done = working("d");
    done.participants[2].after_call_work = vec![work(30, Some(90))];
    store.apply(&done, at(5_002));
    assert_eq!((voice(&store).handled, voice(&store).wrapups), (1, 1));
}

#[test]
fn the_moment_of_telling_does_not_matter_at_an_equal_time() {
    let told_at = |secs| {
        let mut store = store(TWO_HOURS, 10);
        store.apply(&expecting("c"), at(secs));
        store.forget(at(1_000));
        voice(&store)
    };
    assert_eq!(told_at(30), told_at(629));
    assert_eq!(told_at(30), told_at(999));
    assert_eq!(told_at(30).handled, 1);
}

/// A message thread: the same customer, visit and agent, first from 0 to 30, and once more from `again` on.
fn thread(again: Option<i64>) -> ConversationFacts {
    let message = |id: &str, from: i64, to: Option<i64>| Communication {
        connected: Some(at(from)),
        disconnected: to.map(at),
        state: stamped(
            to.unwrap_or(from),
            match to {
                Some(_) => CommunicationState::Disconnected,
                None => CommunicationState::Connected,
            },
        ),
        queue: stamped(from, Id::new("Q")),
        ..communication(id, MediaKind::Message)
    };
    let of = |id: &str, purpose, first: (i64, i64), next: Option<Communication>| {
        let mut p = participant(id, purpose);
        p.communications
            .push(message(&format!("{id}-1"), first.0, Some(first.1)));
        p.communications.extend(next);
        p
    };
    conversation_of(vec![
        of(
            "customer",
            Purpose::Customer,
            (0, 30),
            again.map(|at| message("customer-2", at, None)),
        ),
        of(
            "acd",
            Purpose::Acd,
            (5, 10),
            again.map(|at| message("acd-2", at, Some(at + 20))),
        ),
        of(
            "agent",
            Purpose::Agent,
            (10, 30),
            again.map(|at| message("agent-2", at + 20, None)),
        ),
    ])
}

#[test]
fn a_thread_that_goes_on_three_days_later_is_not_counted_anew() {
    let three_days = 3 * 24 * 3600;
    let mut store = store(TWO_HOURS, 10);
    store.apply(&thread(None), at(30));
    for hours in 1..=72 {
        store.forget(at(hours * 3600));
    }
    assert_eq!((store.len(), store.packed()), (0, 1));
    let before = total(&store, MediaKind::Message);
    assert_eq!((before.offered, before.answered, before.handled), (1, 1, 1));
    store.apply(&thread(Some(three_days)), at(three_days));
    let after = total(&store, MediaKind::Message);
    assert_eq!((after.offered, after.answered, after.handled), (2, 2, 1));
    assert_eq!(after.average_speed_of_answer_secs, Some(12.5));
    let live = store.live_sums(|_| true);
    assert_eq!((store.live().active(), live.waiting, live.interacting), (1, 0, 1));
    assert_eq!(
        store.apply(&thread(Some(three_days)), at(three_days + 1)),
        Taken::Joined
    );
    assert_eq!(total(&store, MediaKind::Message), after);
}

#[test]
fn a_thread_is_known_for_31_days_and_a_call_for_one() {
    let day = 24 * 3600;
    let mut store = store(TWO_HOURS, 10);
    let mail = thread(None);
    store.apply(&mail, at(30));
    store.apply(&answered("call", Some(30)), at(30));
    let remembered = |store: &mut Conversations, secs: i64| {
        store.forget(at(secs).plus(TWO_HOURS));
        (store.remembers(&mail.id), store.remembers(&Id::new("call")))
    };
    assert_eq!(remembered(&mut store, day), (true, true));
    assert_eq!(remembered(&mut store, day + 31), (true, false));
    assert_eq!(remembered(&mut store, 31 * day), (true, false));
    assert_eq!(remembered(&mut store, 31 * day + 31), (false, false));
}

#[test]
fn a_lost_conversation_leaves_the_live_numbers_and_keeps_its_counts() {
    let mut store = store(TWO_HOURS, 10);
    let id = Id::new("c");
    store.lose(&id, at(6));
    assert_eq!(store.lost(), 0, "nothing is known of it");
    store.apply(&visit("c", "Q", None), at(6));
    store.lose(&id, at(100));
    store.lose(&id, at(101));
    assert_eq!(store.lost(), 1);
    assert_eq!((store.live().active(), store.live_sums(|_| true).waiting), (0, 0));
    assert_eq!(voice(&store).offered, 1);
    assert!(store.idle_since(at(10_000), 9).is_empty() && store.open().next().is_none());

    store.apply(&visit("c", "Q", None), at(200));
    assert_eq!((store.live().active(), store.live_sums(|_| true).waiting), (1, 1));
    assert_eq!((store.lost(), voice(&store).offered), (1, 1));
    store.lose(&id, at(300));
    assert_eq!(store.lost(), 2);
    store.forget(at(5).plus(TWO_HOURS));
    assert_eq!(store.len(), 1);
    store.forget(at(6).plus(TWO_HOURS));
    assert_eq!((store.len(), store.packed()), (0, 1), "forgotten like a finished one");
    assert_eq!(voice(&store).offered, 1);
}

#[test]
fn a_finished_conversation_is_never_lost() {
    let mut store = store(TWO_HOURS, 10);
    store.apply(&visit("c", "Q", Some(20)), at(20));
    store.lose(&Id::new("c"), at(30));
    assert_eq!(store.lost(), 0);
}
