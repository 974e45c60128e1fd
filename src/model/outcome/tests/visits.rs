//! Visits that wait, and who answers them.
//!
//! In: little conversations in seconds · Out: asserted outcomes · Thread: any (tests only).

use super::*;

#[test]
fn a_visit_waits_from_the_moment_it_entered() {
    let o = judge(vec![customer(0, None), acd("a", "Q", 5, None)]);
    assert!(o.active && !o.finished);
    assert_eq!(of(&o, "Q", CountKind::Offered), [(5, 0)]);
    assert_eq!(
        o.live,
        [LiveCount {
            queue: queue("Q"),
            media: MediaKind::Voice,
            kind: LiveKind::Waiting,
            since: at(5)
        }]
    );
}

#[test]
fn an_acd_without_connected_time_or_queue_is_no_visit() {
    let unentered = p("a", Purpose::Acd, "Q", None, None);
    let nowhere = p("b", Purpose::Acd, "", Some(3), None);
    let o = judge(vec![customer(0, None), unentered, nowhere]);
    assert!(o.counts.is_empty() && o.live.is_empty());
}

#[test]
fn each_stay_of_an_acd_participant_is_a_visit() {
    let visits = vec![
        call("v1", "Q", 5, Some(20)),
        call("v2", "R", 20, Some(30)),
        call("v3", "Q", 40, None),
    ];
    let o = judge(vec![customer(0, None), with_calls("a", Purpose::Acd, visits)]);
    assert_eq!(of(&o, "Q", CountKind::Offered), [(5, 0), (40, 0)]);
    assert_eq!(of(&o, "R", CountKind::Offered), [(20, 0)]);
    assert_eq!(
        (now(&o, "Q", LiveKind::Waiting), now(&o, "R", LiveKind::Waiting)),
        (1, 0)
    );
}

#[test]
fn the_earliest_agent_on_the_queue_answers_and_missed_alerts_do_not() {
    let missed = p("missed", Purpose::Agent, "Q", None, Some(12));
    let elsewhere = agent("elsewhere", "R", 8, None);
    let o = judge(vec![
        customer(0, None),
        acd("a", "Q", 5, Some(30)),
        missed,
        elsewhere,
        agent("second", "Q", 40, None),
        agent("first", "Q", 30, None),
    ]);
    assert_eq!(of(&o, "Q", CountKind::Answered), [(30, 25_000)]);
    assert_eq!(now(&o, "Q", LiveKind::Interacting), 2);
    assert_eq!(now(&o, "Q", LiveKind::Waiting), 0);
    assert_eq!(of(&o, "Q", CountKind::FlowOut), []);
}

#[test]
fn the_same_agent_answers_both_visits_with_a_stay_each() {
    let g = with_calls(
        "g",
        Purpose::Agent,
        vec![call("g1", "Q", 20, Some(40)), call("g2", "Q", 60, Some(80))],
    );
    let o = judge(vec![
        customer(0, Some(80)),
        acd("a", "Q", 5, Some(20)),
        acd("b", "Q", 50, Some(60)),
        g,
    ]);
    assert_eq!(of(&o, "Q", CountKind::Answered), [(20, 15_000), (60, 10_000)]);
    assert_eq!(of(&o, "Q", CountKind::Handled), [(40, 20_000), (80, 20_000)]);
}

#[test]
fn a_user_answers_and_whoever_listens_in_does_not() {
    let mut monitor = agent("monitor", "Q", 6, None);
    monitor.listens_in = stamped(6, Reverse(true));
    let o = judge(vec![customer(0, None), acd("a", "Q", 5, None), monitor]);
    assert_eq!(of(&o, "Q", CountKind::Answered), []);
    assert_eq!(now(&o, "Q", LiveKind::Interacting), 0);
    assert_eq!(now(&o, "Q", LiveKind::Waiting), 1);
    let user = p("user", Purpose::User, "Q", Some(9), None);
    let o = judge(vec![customer(0, None), acd("a", "Q", 5, None), user]);
    assert_eq!(of(&o, "Q", CountKind::Answered), [(9, 4_000)]);
}

#[test]
fn a_monitor_who_takes_over_is_an_agent_by_the_newest_word() {
    let mut monitor = conversation(vec![
        customer(0, None),
        acd("a", "Q", 5, None),
        agent("m", "Q", 6, None),
    ]);
    monitor.participants[2].listens_in = stamped(6, Reverse(true));
    let mut takes_over = monitor.clone();
    takes_over.participants[2].listens_in = stamped(30, Reverse(false));
    for (first, second) in [(&monitor, &takes_over), (&takes_over, &monitor)] {
        let mut joined = first.clone();
        joined.join(second);
        let o = outcome(&joined, at(500));
        assert_eq!(of(&o, "Q", CountKind::Answered), [(6, 1_000)]);
        assert_eq!(now(&o, "Q", LiveKind::Interacting), 1);
    }
    // At equal times not listening comes later in the life of a conversation.
    takes_over.participants[2].listens_in = stamped(6, Reverse(false));
    takes_over.join(&monitor);
    assert_eq!(now(&outcome(&takes_over, at(500)), "Q", LiveKind::Interacting), 1);
}

#[test]
fn an_agent_answers_up_to_five_seconds_after_the_visit_left() {
    let case = |connected| {
        judge(vec![
            customer(0, Some(20)),
            acd("a", "Q", 5, Some(20)),
            agent("g", "Q", connected, None),
        ])
    };
    assert_eq!(of(&case(25), "Q", CountKind::Answered), [(25, 20_000)]);
    assert_eq!(of(&case(26), "Q", CountKind::Answered), []);
    assert_eq!(of(&case(4), "Q", CountKind::Answered), []);
    assert_eq!(of(&case(5), "Q", CountKind::Answered), [(5, 0)]);
}

#[test]
fn an_agent_answers_up_to_sixty_seconds_after_it_while_the_customer_stays() {
    let case = |customer_ended, connected| {
        judge(vec![
            customer(0, customer_ended),
            acd("a", "Q", 5, Some(20)),
            agent("g", "Q", connected, None),
        ])
    };
    assert_eq!(of(&case(None, 80), "Q", CountKind::Answered), [(80, 75_000)]);
    assert_eq!(of(&case(None, 81), "Q", CountKind::Answered), []);
    assert_eq!(of(&case(Some(51), 50), "Q", CountKind::Answered), [(50, 45_000)]);
    assert_eq!(
        of(&case(Some(50), 50), "Q", CountKind::Answered),
        [],
        "the customer no longer goes on"
    );
}

#[test]
fn only_a_customer_who_was_there_when_the_visit_left_waits_for_an_agent() {
    let back = with_calls(
        "customer",
        Purpose::Customer,
        vec![call("c1", "", 0, Some(18)), call("c2", "", 22, None)],
    );
    let o = judge(vec![back, acd("a", "Q", 5, Some(20)), agent("g", "Q", 40, None)]);
    assert_eq!(of(&o, "Q", CountKind::Answered), []);
    let other = p("outside", Purpose::External, "", Some(1), None);
    let o = judge(vec![
        customer(0, Some(20)),
        other,
        acd("a", "Q", 5, Some(20)),
        agent("g", "Q", 40, None),
    ]);
    assert_eq!(
        of(&o, "Q", CountKind::Answered),
        [(40, 35_000)],
        "any stay of the customer side will do"
    );
}

#[test]
fn a_visit_answered_before_it_left_no_longer_waits() {
    let o = judge(vec![
        customer(0, None),
        acd("a", "Q", 5, None),
        agent("g", "Q", 9, None),
    ]);
    assert_eq!(now(&o, "Q", LiveKind::Waiting), 0);
    assert_eq!(of(&o, "Q", CountKind::Answered), [(9, 4_000)]);
}

#[test]
fn a_requeue_within_the_queue_is_a_second_visit_and_the_first_flowed_out() {
    let o = judge(vec![
        customer(0, None),
        acd("a", "Q", 5, Some(20)),
        acd("b", "Q", 21, Some(40)),
        agent("g", "Q", 40, None),
    ]);
    assert_eq!(of(&o, "Q", CountKind::Offered), [(5, 0), (21, 0)]);
    assert_eq!(of(&o, "Q", CountKind::FlowOut), [(20, 15_000)]);
    assert_eq!(of(&o, "Q", CountKind::Answered), [(40, 19_000)]);
}

#[test]
fn an_agent_at_the_next_visits_entry_answers_the_next_only() {
    let o = judge(vec![
        customer(0, None),
        acd("a", "Q", 5, Some(20)),
        acd("b", "Q", 22, None),
        agent("g", "Q", 22, None),
    ]);
    assert_eq!(of(&o, "Q", CountKind::Answered), [(22, 0)]);
}

#[test]
fn visits_that_entered_together_are_answered_once_in_any_order() {
    let (a, b, g) = (
        acd("a", "Q", 5, Some(20)),
        acd("b", "Q", 5, Some(20)),
        agent("g", "Q", 9, None),
    );
    let one = judge(vec![customer(0, None), a.clone(), b.clone(), g.clone()]);
    let other = judge(vec![g, b, a, customer(0, None)]);
    assert_eq!(of(&one, "Q", CountKind::Answered).len(), 1);
    let sorted = |o: &Outcome| {
        let mut all: Vec<_> = o.counts.iter().map(|h| format!("{h:?}")).collect();
        all.sort();
        all
    };
    assert_eq!(sorted(&one), sorted(&other));
}

#[test]
fn a_transfer_to_another_queue_gives_each_queue_its_own_answer() {
    let mut first = agent("g1", "Q", 20, Some(60));
    first.communications.push(communication("g1-call", MediaKind::Voice));
    first.communications[0].disconnect = stamped(60, DisconnectKind::Transfer);
    let o = judge(vec![
        customer(0, None),
        acd("a", "Q", 5, Some(20)),
        first,
        acd("b", "R", 60, Some(80)),
        agent("g2", "R", 80, None),
    ]);
    assert_eq!(of(&o, "Q", CountKind::Answered), [(20, 15_000)]);
    assert_eq!(of(&o, "Q", CountKind::Handled), [(60, 40_000)]);
    assert_eq!(of(&o, "Q", CountKind::Transferred), [(60, 0)]);
    assert_eq!(of(&o, "Q", CountKind::FlowOut), []);
    assert_eq!(of(&o, "R", CountKind::Answered), [(80, 20_000)]);
    assert_eq!(of(&o, "R", CountKind::Transferred), []);
    assert_eq!(
        now(&o, "R", LiveKind::Interacting) + now(&o, "Q", LiveKind::Interacting),
        1
    );
}
