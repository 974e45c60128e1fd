//! After-call work in conversation details.
//!
//! In: details as the service writes them · Out: asserted facts and stays · Thread: any (tests only).

use super::*;

#[test]
fn after_call_work_is_from_the_first_start_to_the_last_end_of_wrapup_segments() {
    let talk = segment("interact", 5, 9, "client");
    let mut coded = segment("wrapup", 12, 30, "");
    coded["wrapUpCode"] = "code".into();
    let done = agent(Some(9), &[talk.clone(), segment("wrapup", 9, 12, ""), coded]);
    assert_eq!(
        (done.acw_started, done.acw_ended, done.disconnected),
        (Some(at(9)), Some(at(30)), Some(at(9)))
    );
    assert!(done.wrapup_coded);
    let begun = agent(
        Some(9),
        &[talk, segment("wrapup", 9, 12, ""), segment("wrapup", 12, -1, "")],
    );
    assert_eq!((begun.acw_started, begun.acw_ended), (Some(at(9)), None));
    assert!(!begun.wrapup_coded);
}

#[test]
fn each_session_has_after_call_work_of_its_own() {
    let of = |from: i64| {
        [
            segment("interact", from, from + 10, "client"),
            segment("wrapup", from + 10, from + 15, ""),
        ]
    };
    let p = read(
        Some(80),
        "agent",
        &[session_with_id("s1", &of(5)), session_with_id("s2", &of(60))],
    );
    let stays = stays(&p, Some(at(80)));
    let work: Vec<_> = stays
        .iter()
        .map(|stay| (stay.after_call_work.started, stay.after_call_work.ended))
        .collect();
    assert_eq!(work, [(Some(at(15)), Some(at(20))), (Some(at(70)), Some(at(75)))]);
}

#[test]
fn an_empty_code_is_none() {
    let mut empty = segment("wrapup", 9, 12, "");
    empty["wrapUpCode"] = "".into();
    assert!(!agent(Some(9), &[segment("interact", 5, 9, "client"), empty]).wrapup_coded);
}

#[test]
fn skipped_after_call_work_is_not_expected() {
    for (skipped, state) in [(true, Some(AcwState::Skipped)), (false, None)] {
        let mut session = session(&[segment("interact", 5, 9, "client")]);
        session["acwSkipped"] = skipped.into();
        let mut p = read(Some(9), "agent", &[session]);
        assert_eq!(p.communications[0].acw_state.map(|s| s.value), state);
        // What the stream said before.
        p.wrapup_expected = crate::model::testing::stamped(4, Reverse(true));
        let stays = stays(&p, Some(at(9)));
        let handled = stays[0].handled_at(at(100));
        assert_eq!(handled, skipped.then_some(at(9)), "else it is expected for 600 s");
        assert_eq!(stays[0].handled_at(at(609)), Some(at(9)));
    }
}

#[test]
fn rest_says_nothing_of_what_is_expected() {
    let p = read(Some(9), "agent", &[session(&[segment("interact", 5, 9, "client")])]);
    assert_eq!((p.wrapup_expected, p.wrapup_required), (None, None));
    assert_eq!(p.communications[0].acw_required, None);
    assert_eq!(stays(&p, Some(at(9)))[0].handled_at(at(10)), Some(at(9)));
}
