//! After-call work, wrap-up codes and transfers of the stays of one participant.
//!
//! In: single participants, times in seconds · Out: asserted work of each stay · Thread: any (tests only).

use std::cmp::Reverse;

use super::*;
use crate::event::facts::Stamped;

/// Two stays, from 5 to 20 and from 60 to 80.
fn twice() -> Participant {
    agent(vec![call("a", 5, Some(20)), call("b", 60, Some(80))])
}

/// Start and end of the after-call work of each stay.
fn works(p: &Participant) -> Vec<(Option<i64>, Option<i64>)> {
    let stays = stays(p, None);
    let times = |stay: &Stay| {
        let Work { started, ended, .. } = stay.after_call_work;
        (started.map(secs), ended.map(secs))
    };
    stays.iter().map(times).collect()
}

const NONE: (Option<i64>, Option<i64>) = (None, None);

fn with_work(pairs: Vec<AfterCallWork>, p: Participant) -> Participant {
    Participant {
        after_call_work: pairs,
        ..p
    }
}

fn yes() -> Option<Stamped<Reverse<bool>>> {
    stamped(0, Reverse(true))
}

fn no() -> Option<Stamped<Reverse<bool>>> {
    stamped(0, Reverse(false))
}

/// From which second on each stay is handled, at a second.
fn handled(p: &Participant, as_of: i64) -> Vec<Option<i64>> {
    let stays = stays(p, None);
    stays.iter().map(|stay| stay.handled_at(at(as_of)).map(secs)).collect()
}

#[test]
fn each_pair_is_work_of_the_stay_that_had_ended_last_at_its_start() {
    let pairs = vec![work(20, Some(30)), work(81, Some(95))];
    assert_eq!(
        works(&with_work(pairs, twice())),
        [(Some(20), Some(30)), (Some(81), Some(95))]
    );
    let during_the_next = vec![work(70, Some(75))];
    assert_eq!(
        works(&with_work(during_the_next, twice())),
        [(Some(70), Some(75)), NONE]
    );
    let before_any_end = vec![work(7, Some(9))];
    assert_eq!(works(&with_work(before_any_end, twice())), [(Some(7), Some(9)), NONE]);
    let without_a_start = AfterCallWork {
        started: None,
        ended: Some(at(85)),
    };
    assert_eq!(
        works(&with_work(vec![without_a_start], twice())),
        [NONE, (None, Some(85))]
    );
}

#[test]
fn of_overlapping_stays_it_is_of_the_one_that_ended_last_not_of_the_one_that_began_last() {
    let p = agent(vec![call("a", 5, Some(50)), on("R", call("b", 10, Some(20)))]);
    assert_eq!(
        works(&with_work(vec![work(50, None)], p.clone())),
        [(Some(50), None), NONE]
    );
    assert_eq!(works(&with_work(vec![work(20, None)], p)), [NONE, (Some(20), None)]);
}

#[test]
fn within_a_stay_pairs_merge() {
    let one = || agent(vec![call("a", 5, Some(20))]);
    let merged = |pairs| works(&with_work(pairs, one())).remove(0);
    assert_eq!(
        merged(vec![work(20, Some(30)), work(25, Some(40))]),
        (Some(20), Some(40))
    );
    assert_eq!(
        merged(vec![work(20, Some(30)), work(35, None)]),
        (Some(20), None),
        "it began anew"
    );
    assert_eq!(
        merged(vec![work(20, Some(30)), work(35, None), work(40, Some(50))]),
        (Some(20), Some(50))
    );
    let p = with_work(vec![work(20, Some(30)), work(40, Some(50))], one());
    assert_eq!(stays(&p, None)[0].handle_ms(), 45_000, "from the start to the end");
}

#[test]
fn work_that_began_anew_is_not_over_with_the_end_of_a_communications_earlier_work() {
    let mut first = call("a", 5, Some(20));
    (first.acw_started, first.acw_ended) = (Some(at(20)), Some(at(30)));
    let p = with_work(vec![work(20, Some(30)), work(35, None)], agent(vec![first.clone()]));
    assert_eq!(works(&p), [(Some(20), None)]);
    first.acw_ended = Some(at(38));
    let p = with_work(vec![work(20, Some(30)), work(35, None)], agent(vec![first]));
    assert_eq!(works(&p), [(Some(20), Some(38))]);
}

#[test]
fn a_stay_without_work_of_its_own_takes_that_of_its_communications() {
    let mut p = twice();
    (p.communications[0].acw_started, p.communications[0].acw_ended) = (Some(at(21)), Some(at(31)));
    p.communications[1].acw_started = Some(at(82));
    assert_eq!(works(&p), [(Some(21), Some(31)), (Some(82), None)]);
    let p = with_work(vec![work(20, Some(30))], p);
    assert_eq!(
        works(&p),
        [(Some(20), Some(30)), (Some(82), None)],
        "the participant's own comes first"
    );
    let mut both = agent(vec![call("a", 5, Some(20)), call("b", 10, Some(22))]);
    (both.communications[0].acw_started, both.communications[0].acw_ended) = (Some(at(20)), Some(at(25)));
    (both.communications[1].acw_started, both.communications[1].acw_ended) = (Some(at(22)), Some(at(28)));
    assert_eq!(works(&both), [(Some(20), Some(28))]);
}

#[test]
fn only_agents_and_users_do_after_call_work() {
    for (purpose, has_work) in [
        (Purpose::Agent, true),
        (Purpose::User, true),
        (Purpose::Customer, false),
        (Purpose::Acd, false),
        (Purpose::External, false),
    ] {
        let mut p = with_work(vec![work(20, None)], agent(vec![call("a", 5, Some(20))]));
        p.purpose = stamped(0, purpose);
        assert_eq!(stays(&p, None)[0].is_in_work(), has_work, "{purpose:?}");
    }
}

#[test]
fn a_wrapup_code_is_of_the_stay_that_had_ended_last_at_its_time() {
    let coded = |timed: &[i64], untimed: Option<i64>| {
        let p = Participant {
            wrapups: Wrapups {
                timed: timed.iter().copied().map(at).collect(),
                untimed: untimed.map(at),
            },
            ..twice()
        };
        let stays = stays(&p, None);
        let is_coded: Vec<_> = stays.iter().map(|stay| stay.is_coded).collect();
        is_coded
    };
    assert_eq!(coded(&[30], None), [true, false]);
    assert_eq!(coded(&[80], None), [false, true]);
    assert_eq!(coded(&[30, 95], None), [true, true]);
    assert_eq!(coded(&[3], None), [true, false]);
    assert_eq!(coded(&[], Some(95)), [false, true]);
    let mut p = twice();
    p.communications[1].wrapup_coded = true;
    let stays = stays(&p, None);
    assert!(!stays[0].is_coded && stays[1].is_coded);
}

#[test]
fn a_transfer_is_of_the_stay_of_its_communication() {
    let mut p = twice();
    p.communications[0].disconnect = stamped(20, DisconnectKind::Transfer);
    p.communications[1].disconnect = stamped(80, DisconnectKind::Plain);
    let stays = stays(&p, None);
    assert!(stays[0].is_transferred && !stays[1].is_transferred);
}

#[test]
fn what_the_participant_expects_is_expected_of_its_last_stay_only() {
    let mut p = twice();
    p.wrapup_expected = yes();
    assert_eq!(handled(&p, 100), [Some(20), None]);
    p.wrapup_expected = None;
    p.wrapup_required = yes();
    assert_eq!(handled(&p, 100), [Some(20), None]);
    p.wrapup_required = no();
    p.communications[0].acw_required = yes();
    p.communications[1].acw_required = yes();
    assert_eq!(
        handled(&p, 100),
        [None, Some(80)],
        "an earlier one goes by its communications"
    );
    p.wrapup_required = None;
    assert_eq!(handled(&p, 100), [None, None]);
}

#[test]
fn signs_of_one_stay_are_no_signs_of_another() {
    let mut p = twice();
    p.wrapup_expected = yes();
    p.communications[0].acw_required = yes();
    p.communications[0].acw_state = stamped(20, AcwState::Complete);
    assert_eq!(handled(&p, 100), [Some(20), None]);
    p.communications[0].acw_state = None;
    p.communications[1].acw_state = stamped(80, AcwState::Skipped);
    assert_eq!(handled(&p, 100), [None, Some(80)]);
    let p = with_work(vec![work(20, Some(30))], p);
    assert_eq!(handled(&p, 100), [Some(30), Some(80)]);
}

#[test]
fn what_is_expected_is_given_up_600_seconds_after_the_end_of_each_stay() {
    let mut p = twice();
    p.wrapup_expected = yes();
    p.communications[0].acw_required = yes();
    assert_eq!(handled(&p, 619), [None, None]);
    assert_eq!(handled(&p, 620), [Some(20), None]);
    assert_eq!(handled(&p, 679), [Some(20), None]);
    assert_eq!(handled(&p, 680), [Some(20), Some(80)]);
    let until: Vec<_> = stays(&p, None).iter().map(Stay::work_expected_until).collect();
    assert_eq!(until, [Some(at(620)), Some(at(680))]);
}

#[test]
fn a_participant_is_over_when_its_stays_and_their_work_are() {
    let over = |p: &Participant, as_of| {
        is_over(
            state(&conversation(vec![p.clone()])).told(0),
            &stays(p, None),
            None,
            at(as_of),
        )
    };
    let mut p = twice();
    assert!(over(&p, 100));
    p.wrapup_expected = yes();
    assert!(!over(&p, 679) && over(&p, 680));
    let begun = with_work(vec![work(80, None)], p.clone());
    assert!(!over(&begun, 10_000));
    p.communications[1].acw_state = stamped(80, AcwState::Pending);
    assert!(!over(&p, 10_000));
    let alerting = agent(vec![communication("a", MediaKind::Voice)]);
    assert!(!over(&alerting, 10_000));
    assert!(
        is_over(state(&conversation(vec![alerting])).told(0), &[], Some(at(9)), at(10)),
        "its conversation ended"
    );
}
