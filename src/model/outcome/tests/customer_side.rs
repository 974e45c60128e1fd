//! Who is the customer side: customers, people from outside, callers from inside.
//!
//! In: little conversations in seconds · Out: asserted outcomes · Thread: any (tests only).

use super::*;

#[test]
fn external_is_the_customer_side_where_there_is_no_customer() {
    let outbound = p("external", Purpose::External, "", Some(0), None);
    let o = judge(vec![outbound.clone(), acd("a", "Q", 5, None)]);
    assert!(o.active);
    let mut gone = outbound;
    gone.ended = Some(at(9));
    let o = judge(vec![gone, acd("a", "Q", 5, Some(9))]);
    assert_eq!(of(&o, "Q", CountKind::Abandoned), [(9, 4_000)]);
    assert!(!o.active);
}

#[test]
fn external_beside_a_customer_counts_only_if_it_began_before_the_visit() {
    let outside = |from| p("external", Purpose::External, "", Some(from), None);
    let case = |from| judge(vec![customer(0, Some(20)), outside(from), acd("a", "Q", 5, Some(20))]);
    let before = case(4);
    assert!(before.active);
    assert_eq!(
        of(&before, "Q", CountKind::Abandoned),
        [],
        "one of the customer side is still there"
    );
    for from in [5, 8] {
        let after = case(from);
        assert!(!after.active);
        assert_eq!(
            of(&after, "Q", CountKind::FlowOut),
            [(20, 15_000)],
            "it went on to somebody outside"
        );
    }
}

#[test]
fn it_is_the_first_stay_of_an_external_that_must_begin_before_the_visit() {
    let calls = vec![call("e1", "", 3, Some(4)), call("e2", "", 10, None)];
    let outside = with_calls("external", Purpose::External, calls);
    let o = judge(vec![customer(0, Some(20)), outside, acd("a", "Q", 5, Some(20))]);
    assert!(o.active);
    assert_eq!(o.counts.len(), 1, "undecided: {o:?}");
}

#[test]
fn for_active_an_external_counts_from_the_first_later_visit_on() {
    let outside = p("external", Purpose::External, "", Some(8), None);
    let mut people = vec![customer(0, Some(20)), outside, acd("a", "Q", 5, Some(20))];
    assert!(!judge(people.clone()).active);
    people.push(acd("b", "R", 9, Some(30)));
    let o = judge(people);
    assert!(o.active);
    assert_eq!(of(&o, "R", CountKind::Abandoned), [], "the customer side of this visit");
}

#[test]
fn an_internal_caller_is_the_customer_side_on_whatever_queue() {
    for (purpose, queue) in [(Purpose::User, ""), (Purpose::User, "Q"), (Purpose::Agent, "Q")] {
        let caller = |ended| p("caller", purpose, queue, Some(0), ended);
        let o = judge(vec![caller(None), acd("a", "Q", 5, None)]);
        assert!(o.active);
        assert_eq!(now(&o, "Q", LiveKind::Interacting), 0);
        assert_eq!(now(&o, "Q", LiveKind::Waiting), 1);
        let o = judge(vec![caller(Some(20)), acd("a", "Q", 5, Some(20))]);
        assert_eq!(of(&o, "Q", CountKind::Abandoned), [(20, 15_000)]);
        assert_eq!(of(&o, "Q", CountKind::Handled), []);
        assert!(!o.active);
        let o = judge(vec![
            caller(Some(90)),
            acd("a", "Q", 5, Some(20)),
            agent("g", "Q", 20, Some(90)),
        ]);
        assert_eq!(of(&o, "Q", CountKind::Answered), [(20, 15_000)]);
        assert_eq!(of(&o, "Q", CountKind::Handled), [(90, 70_000)]);
    }
}

/// Who interacts on queue Q now, of two people who are there.
fn interacting(first: Participant, second: Participant) -> Vec<i64> {
    let o = judge(vec![first, second]);
    let mut since: Vec<_> = o
        .live
        .iter()
        .map(|live| live.since.millis_since(at(0)) / 1000)
        .collect();
    since.sort_unstable();
    since
}

#[test]
fn the_internal_caller_connected_first_and_ties_go_to_the_user_then_to_the_smaller_id() {
    let user = |id: &str, from| p(id, Purpose::User, "Q", Some(from), None);
    assert_eq!(interacting(agent("a", "Q", 3, None), agent("b", "Q", 2, None)), [3]);
    assert_eq!(interacting(user("a", 3), agent("b", "Q", 2, None)), [3]);

    let of = |first: Participant, second: Participant| {
        let facts = conversation(vec![first, second]);
        let (state, mut whole) = (state(&facts), Reading::default());
        whole.read(&state);
        let agents = whole.agent_stays();
        Vec::from_iter(agents.map(|(person, ..)| state.participants[person].id.to_string()))
    };
    assert_eq!(of(agent("a", "Q", 2, None), user("b", 2)), ["a"], "the user called");
    assert_eq!(of(user("b", 2), user("a", 2)), ["b"], "the smaller id called");
}

#[test]
fn who_listens_in_or_never_connected_is_no_internal_caller() {
    let mut monitor = agent("monitor", "Q", 1, None);
    monitor.listens_in = stamped(1, Reverse(true));
    assert!(interacting(monitor, agent("g", "Q", 2, None)).is_empty());
    let missed = p("missed", Purpose::User, "Q", None, Some(1));
    assert!(interacting(missed, agent("g", "Q", 2, None)).is_empty());
    let ivr = p("ivr", Purpose::Other, "Q", Some(1), None);
    assert!(interacting(ivr, agent("g", "Q", 2, None)).is_empty());
}

#[test]
fn consult_and_conference_count_every_agent_and_one_active_conversation() {
    let o = judge(vec![
        customer(0, None),
        acd("a", "Q", 5, Some(10)),
        agent("g1", "Q", 10, None),
        agent("g2", "Q", 30, None),
        p("outside", Purpose::External, "", Some(40), None),
    ]);
    assert!(o.active);
    assert_eq!(now(&o, "Q", LiveKind::Interacting), 2);
    assert_eq!(of(&o, "Q", CountKind::Answered), [(10, 5_000)]);
}

#[test]
fn a_customer_between_two_stays_is_not_active() {
    let calls = |to| vec![call("c1", "", 0, Some(20)), call("c2", "", 90, to)];
    let back = |to| with_calls("customer", Purpose::Customer, calls(to));
    assert!(!judge(vec![back(Some(95))]).active);
    assert!(judge(vec![back(None)]).active);
}
