//! Who monitors, coaches or barges in, in conversation details.
//!
//! In: details as the service writes them · Out: asserted facts · Thread: any (tests only).

use super::*;

const KINDS: [&str; 4] = ["monitoring", "coaching", "barging", "screenmonitoring"];

fn listens(sessions: &[Value]) -> bool {
    read(None, "agent", sessions).is_listening()
}

#[test]
fn whoever_monitors_coaches_or_barges_in_is_connected_and_listens_in() {
    for kind in KINDS {
        let only = session(&[segment("alert", 3, 5, ""), segment(kind, 5, -1, "")]);
        let p = read(None, "agent", &[only]);
        assert!(p.is_listening(), "{kind}");
        assert_eq!(p.communications[0].connected, Some(at(5)), "{kind}");
    }
    assert!(!listens(&[session(&[segment("interact", 5, -1, "")])]));
}

#[test]
fn the_last_segment_but_after_call_work_decides() {
    for kind in KINDS {
        let took_over = session(&[
            segment(kind, 5, 20, ""),
            segment("interact", 20, 40, "client"),
            segment("wrapup", 40, 50, ""),
        ]);
        let p = read(None, "agent", &[took_over]);
        assert!(!p.is_listening(), "{kind}");
        assert_eq!(p.communications[0].connected, Some(at(5)));
        let still = session(&[
            segment("interact", 5, 20, ""),
            segment(kind, 20, 40, "client"),
            segment("wrapup", 40, 50, ""),
        ]);
        assert!(listens(&[still]), "{kind}");
    }
}

#[test]
fn of_several_sessions_the_one_with_the_newest_segment_decides() {
    let monitoring = session_with_id("s1", &[segment("monitoring", 5, 20, "client")]);
    let talking = session_with_id("s2", &[segment("interact", 30, -1, "")]);
    assert!(!listens(&[monitoring.clone(), talking.clone()]));
    assert!(!listens(&[talking, monitoring]));
}

#[test]
fn a_session_that_names_whom_it_listens_to_and_has_no_such_segment_listens_in() {
    for named in ["monitoredParticipantId", "coachedParticipantId", "bargedParticipantId"] {
        let mut talking = session(&[segment("interact", 5, -1, "")]);
        talking[named] = json!("p");
        assert!(listens(&[talking]), "{named}");
    }
}
