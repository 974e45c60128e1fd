//! What agents do: interacting, after-call work, handled, transferred, wrap-ups.
//!
//! In: little conversations in seconds · Out: asserted outcomes · Thread: any (tests only).

use super::*;

/// With a customer, so that the agent is no internal caller.
fn with_customer(g: Participant) -> Vec<Participant> {
    vec![customer(0, Some(60)), acd("a", "Q", 5, Some(10)), g]
}

#[test]
fn after_call_work_goes_on_when_the_customer_is_gone() {
    let mut g = agent("g", "Q", 10, Some(60));
    g.wrapup_expected = stamped(60, Reverse(true));
    g.after_call_work = vec![work(60, None)];
    for as_of in [61, 10_000] {
        let o = judge_at(as_of, with_customer(g.clone()));
        assert!(!o.active && !o.finished);
        assert_eq!(now(&o, "Q", LiveKind::AfterCallWork), 1);
        assert_eq!(now(&o, "Q", LiveKind::Interacting), 0);
        assert_eq!(of(&o, "Q", CountKind::Handled), []);
        assert_eq!(o.changes_at, None, "begun work waits for its end, however long");
    }
    g.after_call_work = vec![work(60, Some(81))];
    let o = judge(with_customer(g));
    assert!(o.finished && o.live.is_empty());
    assert_eq!(of(&o, "Q", CountKind::Handled), [(81, 71_000)]);
    assert_eq!(of(&o, "Q", CountKind::WrappedUp), [(81, 0)]);
}

#[test]
fn handled_waits_for_begun_work_also_where_none_is_expected_until_its_state_says_that_it_is_over() {
    let mut g = ended_agent();
    g.after_call_work = vec![work(61, None)];
    assert_eq!(of(&judge(with_customer(g.clone())), "Q", CountKind::Handled), []);
    g.communications[0].acw_state = stamped(62, AcwState::Pending);
    assert_eq!(of(&judge(with_customer(g.clone())), "Q", CountKind::Handled), []);
    for over in [AcwState::Complete, AcwState::Skipped, AcwState::NotApplicable] {
        g.communications[0].acw_state = stamped(63, over);
        let o = judge(with_customer(g.clone()));
        assert_eq!(of(&o, "Q", CountKind::Handled), [(60, 50_000)], "over without a time");
        assert!(o.live.is_empty() && o.finished);
    }
}

#[test]
fn pending_after_call_work_counts_without_a_start_and_not_with_an_end() {
    let mut g = ended_agent();
    g.communications[0].acw_state = stamped(60, AcwState::Pending);
    let o = judge(with_customer(g.clone()));
    assert_eq!(now(&o, "Q", LiveKind::AfterCallWork), 1);
    g.after_call_work = vec![crate::event::facts::AfterCallWork {
        started: None,
        ended: Some(at(70)),
    }];
    assert_eq!(now(&judge(with_customer(g)), "Q", LiveKind::AfterCallWork), 0);
}

#[test]
fn at_equal_times_no_after_call_work_pending_stands_over_pending() {
    let with = |state| {
        let mut g = ended_agent();
        g.communications[0].acw_state = stamped(60, state);
        conversation(with_customer(g))
    };
    for over in [
        AcwState::Complete,
        AcwState::Skipped,
        AcwState::NotApplicable,
        AcwState::Unknown,
    ] {
        for (first, second) in [(AcwState::Pending, over), (over, AcwState::Pending)] {
            let mut joined = with(first);
            joined.join(&with(second));
            let o = outcome(&joined, at(500));
            assert_eq!(now(&o, "Q", LiveKind::AfterCallWork), 0, "{over:?}");
        }
    }
}

#[test]
fn handled_waits_for_after_call_work_only_where_it_is_expected() {
    let yes = || stamped(1, Reverse(true));
    let no = || stamped(1, Reverse(false));
    let handled = |g: Participant| of(&judge(with_customer(g)), "Q", CountKind::Handled).len();
    assert_eq!(handled(ended_agent()), 1, "nothing said: not expected");

    let mut expected = ended_agent();
    expected.wrapup_expected = yes();
    assert_eq!(handled(expected.clone()), 0);
    let mut overruled = ended_agent();
    overruled.wrapup_expected = no();
    overruled.wrapup_required = yes();
    overruled.communications[0].acw_required = yes();
    assert_eq!(handled(overruled), 1, "wrapupExpected comes first");
    let mut required = ended_agent();
    required.wrapup_required = yes();
    assert_eq!(handled(required), 0);
    let mut not_required = ended_agent();
    not_required.wrapup_required = no();
    not_required.communications[0].acw_required = yes();
    assert_eq!(handled(not_required), 1, "wrapupRequired comes second");
    let mut by_communication = ended_agent();
    by_communication.communications[0].acw_required = yes();
    assert_eq!(handled(by_communication), 0);

    for (state, over) in [
        (AcwState::Unknown, 0),
        (AcwState::Pending, 0),
        (AcwState::Skipped, 1),
        (AcwState::NotApplicable, 1),
        (AcwState::Complete, 1),
    ] {
        let mut g = expected.clone();
        g.communications[0].acw_state = stamped(61, state);
        assert_eq!(handled(g), over, "{state:?}");
    }
    for coded in [
        Wrapups {
            timed: vec![at(61)],
            untimed: None,
        },
        Wrapups {
            timed: Vec::new(),
            untimed: Some(at(61)),
        },
    ] {
        let mut g = expected.clone();
        g.wrapups = coded;
        assert_eq!(handled(g), 1);
    }
    let mut coded = expected.clone();
    coded.communications[0].wrapup_coded = true;
    assert_eq!(handled(coded), 1);
    let mut ended = expected;
    ended.after_call_work = vec![work(60, Some(70))];
    assert_eq!(handled(ended), 1);
}

#[test]
fn expected_work_without_a_sign_is_given_up_600_seconds_after_the_end() {
    let mut g = ended_agent();
    g.wrapup_expected = stamped(60, Reverse(true));
    let o = judge_at(659, with_customer(g.clone()));
    assert_eq!((of(&o, "Q", CountKind::Handled), o.finished), (vec![], false));
    assert_eq!(o.changes_at, Some(at(660)));
    let o = judge_at(660, with_customer(g.clone()));
    assert_eq!(
        of(&o, "Q", CountKind::Handled),
        [(60, 50_000)],
        "in the window of its end"
    );
    assert_eq!((o.changes_at, o.finished), (None, true));
    assert_eq!(of(&o, "Q", CountKind::WrappedUp), []);

    g.communications[0].acw_state = stamped(61, AcwState::Pending);
    let o = judge_at(10_000, with_customer(g));
    assert_eq!(of(&o, "Q", CountKind::Handled), [], "pending is a sign");
    assert_eq!((o.changes_at, o.finished), (None, false));
}

#[test]
fn the_earliest_moment_at_which_time_changes_anything_is_told() {
    let expecting = |id: &str, ended| {
        let mut g = agent(id, "Q", 10, Some(ended));
        g.wrapup_expected = stamped(60, Reverse(true));
        g
    };
    let people = || vec![customer(0, Some(60)), expecting("g", 60), expecting("h", 50)];
    assert_eq!(judge_at(100, people()).changes_at, Some(at(650)));
    assert_eq!(judge_at(650, people()).changes_at, Some(at(660)));
    assert_eq!(judge_at(660, people()).changes_at, None);
}

#[test]
fn handled_needs_a_connected_agent_that_ended() {
    let o = judge(vec![
        customer(0, None),
        agent("g", "Q", 10, None),
        p("missed", Purpose::Agent, "Q", None, Some(9)),
    ]);
    assert_eq!(of(&o, "Q", CountKind::Handled), []);
}

#[test]
fn each_stay_of_an_agent_is_handled_with_its_own_work_code_and_transfer() {
    let mut first = call("g1", "Q", 10, Some(60));
    first.disconnect = stamped(60, DisconnectKind::Transfer);
    let mut g = with_calls("g", Purpose::Agent, vec![first, call("g2", "Q", 200, Some(260))]);
    g.after_call_work = vec![work(60, Some(70)), work(260, None)];
    g.wrapups.timed = vec![at(70)];
    let o = judge(vec![customer(0, Some(260)), g.clone()]);
    assert_eq!(of(&o, "Q", CountKind::Handled), [(70, 60_000)]);
    assert_eq!(of(&o, "Q", CountKind::Transferred), [(70, 0)]);
    assert_eq!(of(&o, "Q", CountKind::WrappedUp), [(70, 0)]);
    assert_eq!(now(&o, "Q", LiveKind::AfterCallWork), 1);

    g.after_call_work[1].ended = Some(at(280));
    let o = judge(vec![customer(0, Some(260)), g]);
    assert_eq!(of(&o, "Q", CountKind::Handled), [(70, 60_000), (280, 80_000)]);
    assert_eq!(of(&o, "Q", CountKind::Transferred), [(70, 0)]);
    assert_eq!(of(&o, "Q", CountKind::WrappedUp), [(70, 0), (280, 0)]);
}

#[test]
fn stays_on_two_queues_count_on_each() {
    let calls = vec![call("g1", "Q", 10, Some(60)), call("g2", "R", 100, None)];
    let o = judge(vec![customer(0, None), with_calls("g", Purpose::Agent, calls)]);
    assert_eq!(of(&o, "Q", CountKind::Handled), [(60, 50_000)]);
    assert_eq!(of(&o, "R", CountKind::Handled), []);
    assert_eq!(now(&o, "Q", LiveKind::Interacting), 0);
    assert_eq!(now(&o, "R", LiveKind::Interacting), 1);
}

#[test]
fn wrapups_are_codes_or_completed_after_call_work() {
    let wrapups = |change: &dyn Fn(&mut Participant)| {
        let mut g = ended_agent();
        change(&mut g);
        of(&judge(with_customer(g)), "Q", CountKind::WrappedUp).len()
    };
    assert_eq!(wrapups(&|_| {}), 0);
    assert_eq!(wrapups(&|g| g.wrapups.timed.push(at(61))), 1);
    assert_eq!(wrapups(&|g| g.communications[0].wrapup_coded = true), 1);
    assert_eq!(wrapups(&|g| g.after_call_work = vec![work(60, Some(61))]), 1);
    assert_eq!(
        wrapups(&|g| g.communications[0].acw_state = stamped(61, AcwState::Complete)),
        1
    );
    assert_eq!(
        wrapups(&|g| g.communications[0].acw_state = stamped(61, AcwState::Skipped)),
        0
    );
}

#[test]
fn an_agent_without_a_queue_is_on_no_queue() {
    let o = judge(vec![customer(0, None), p("g", Purpose::Agent, "", Some(3), None)]);
    assert!(o.active && o.live.is_empty());
}
