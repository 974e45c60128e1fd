//! Visits that left without an answer: flow-out, abandoned, undecided.
//!
//! In: little conversations in seconds · Out: asserted outcomes · Thread: any (tests only).

use super::*;

/// On queue Q, from 5 to 20.
fn visit() -> Participant {
    acd("a", "Q", 5, Some(20))
}

/// What became of the visit: flowed out, was abandoned, else undecided.
fn verdict(participants: Vec<Participant>) -> Option<CountKind> {
    let o = judge(participants);
    let found: Vec<_> = [CountKind::FlowOut, CountKind::Abandoned, CountKind::Answered]
        .into_iter()
        .filter(|kind| of(&o, "Q", *kind) == [(20, 15_000)])
        .collect();
    assert!(found.len() <= 1 && now(&o, "Q", LiveKind::Waiting) == 0);
    found.first().copied()
}

#[test]
fn flow_out_to_another_queue_to_voicemail_and_to_an_agent_elsewhere() {
    for onward in [
        acd("b", "R", 20, None),
        p("voicemail", Purpose::Other, "", Some(20), Some(50)),
        agent("g", "R", 20, None),
        p("direct", Purpose::User, "", Some(22), None),
        acd("b", "R", 5, None),
        acd("b", "R", 25, None),
    ] {
        assert_eq!(
            verdict(vec![customer(0, None), visit(), onward]),
            Some(CountKind::FlowOut)
        );
    }
}

#[test]
fn no_flow_out_to_whoever_came_before_or_too_late_or_ended_by_then_or_listens_in() {
    let mut monitor = agent("monitor", "R", 10, None);
    monitor.listens_in = stamped(10, Reverse(true));
    for bystander in [
        p("ivr", Purpose::Other, "", Some(4), None),
        p("ivr", Purpose::Other, "", Some(6), Some(20)),
        p("missed", Purpose::Agent, "R", None, Some(25)),
        p("voicemail", Purpose::Other, "", Some(26), None),
        agent("same queue", "Q", 26, None),
        monitor,
    ] {
        assert_eq!(
            verdict(vec![customer(0, Some(20)), visit(), bystander]),
            Some(CountKind::Abandoned)
        );
    }
}

#[test]
fn a_second_stay_of_the_same_participant_is_no_flow_out() {
    let moved = with_calls(
        "a",
        Purpose::Acd,
        vec![call("v1", "Q", 5, Some(20)), call("v2", "R", 20, None)],
    );
    let o = judge(vec![customer(0, Some(20)), moved]);
    assert_eq!(of(&o, "Q", CountKind::FlowOut), []);
    assert_eq!(of(&o, "Q", CountKind::Abandoned), [(20, 15_000)]);
}

#[test]
fn abandoned_only_once_every_customer_side_stay_ended() {
    let o = judge(vec![customer(0, None), visit()]);
    assert_eq!(o.counts.len(), 1, "undecided: {o:?}");
    assert!(o.live.is_empty());
    let o = judge(vec![customer(0, Some(20)), visit()]);
    assert_eq!(of(&o, "Q", CountKind::Abandoned), [(20, 15_000)]);
    assert!(!o.active && o.finished);
    // It counts in the window in which the visit left, not the customer.
    assert_eq!(
        verdict(vec![customer(0, Some(90)), visit()]),
        Some(CountKind::Abandoned)
    );
}

#[test]
fn whoever_comes_within_five_seconds_after_the_visit_leaves_it_undecided_and_later_ones_do_not() {
    let back = |from| {
        with_calls(
            "customer",
            Purpose::Customer,
            vec![call("c1", "", 0, Some(20)), call("c2", "", from, None)],
        )
    };
    assert_eq!(verdict(vec![back(25), visit()]), None);
    assert_eq!(
        verdict(vec![back(26), visit()]),
        Some(CountKind::Abandoned),
        "a customer who comes back to the thread later"
    );
}

#[test]
fn a_late_agent_turns_undecided_into_answered() {
    let o = judge(vec![customer(0, Some(90)), visit(), agent("g", "Q", 24, Some(90))]);
    assert_eq!(of(&o, "Q", CountKind::Answered), [(24, 19_000)]);
    assert_eq!(of(&o, "Q", CountKind::Abandoned), []);
}

/// A customer from 0 to 20, with a callback.
fn with_callback(callback: Communication) -> Vec<Participant> {
    let calls = vec![call("c", "", 0, Some(20)), callback];
    let visit = with_calls("a", Purpose::Acd, vec![call("v", "Q", 5, Some(20))]);
    vec![with_calls("customer", Purpose::Customer, calls), visit]
}

#[test]
fn a_callback_that_was_scheduled_since_the_visit_entered_is_a_flow_out() {
    let scheduled = |secs| Communication {
        scheduled: Some(at(secs)),
        state: stamped(secs, CommunicationState::Scheduled),
        ..communication("later", MediaKind::Callback)
    };
    assert_eq!(verdict(with_callback(scheduled(5))), Some(CountKind::FlowOut));
    assert_eq!(verdict(with_callback(scheduled(4_000))), Some(CountKind::FlowOut));
    assert_eq!(verdict(with_callback(scheduled(4))), Some(CountKind::Abandoned));
}

#[test]
fn a_callback_that_began_since_the_visit_entered_is_a_flow_out() {
    let began = |secs| lasting(MediaKind::Callback, "later", "", secs, Some(secs + 9));
    assert_eq!(verdict(with_callback(began(5))), Some(CountKind::FlowOut));
    assert_eq!(verdict(with_callback(began(3_600))), Some(CountKind::FlowOut));
    assert_eq!(verdict(with_callback(began(4))), Some(CountKind::Abandoned));
}

#[test]
fn a_callback_does_not_flow_out_to_itself() {
    let callback = |id: &str, queue: &str, from| lasting(MediaKind::Callback, id, queue, from, Some(20));
    let o = judge(vec![
        with_calls("customer", Purpose::Customer, vec![callback("c", "", 5)]),
        with_calls("a", Purpose::Acd, vec![callback("v", "Q", 5)]),
    ]);
    assert_eq!(of(&o, "Q", CountKind::FlowOut), []);
    assert_eq!(of(&o, "Q", CountKind::Abandoned), [(20, 15_000)]);
}
