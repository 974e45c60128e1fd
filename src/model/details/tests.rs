//! One case for every clause of the mapping in section 9.
//!
//! In: details as the service writes them · Out: asserted facts · Thread: any (tests only).

use serde_json::{Value, json};

use super::*;
use crate::model::testing::at;

/// `kind`, start, end, disconnect type; times in seconds, nothing for an end below zero.
fn segment(kind: &str, from: i64, to: i64, disconnect: &str) -> Value {
    let mut segment = json!({"segmentType": kind, "segmentStart": at(from).to_string(), "queueId": "Q"});
    if to >= 0 {
        segment["segmentEnd"] = at(to).to_string().into();
    }
    if !disconnect.is_empty() {
        segment["disconnectType"] = disconnect.into();
    }
    segment
}

fn session(segments: &[Value]) -> Value {
    json!({"sessionId": "s", "mediaType": "voice", "segments": segments})
}

fn conversation(end: Option<i64>, purpose: &str, sessions: &[Value]) -> RestConversation {
    let mut whole = json!({"conversationId": "c", "conversationStart": at(0).to_string(), "participants": [
        {"participantId": "p", "purpose": purpose, "userId": "u", "sessions": sessions}]});
    if let Some(end) = end {
        whole["conversationEnd"] = at(end).to_string().into();
    }
    read_conversation(&whole.to_string()).unwrap()
}

fn read(end: Option<i64>, purpose: &str, sessions: &[Value]) -> Participant {
    conversation(end, purpose, sessions).facts.participants.remove(0)
}

fn agent(end: Option<i64>, segments: &[Value]) -> Participant {
    read(end, "agent", &[session(segments)])
}

#[test]
fn identities_medium_and_stamps() {
    let p = agent(None, &[segment("interact", 5, -1, "")]);
    assert_eq!(
        (p.id.to_string(), p.purpose.map(|s| s.value)),
        ("p".into(), Some(Purpose::Agent))
    );
    assert_eq!(p.queue.as_ref().map(|s| &s.value), Some(&Id::new("Q")));
    assert_eq!(p.user.as_ref().map(|s| &s.value), Some(&Id::new("u")));
    assert_eq!(
        (p.communications[0].kind, p.communications[0].id.to_string()),
        (MediaKind::Voice, "s".into())
    );
    assert_eq!(
        p.purpose.map(|s| s.at),
        Some(at(5)),
        "the newest time in the conversation"
    );
}

#[test]
fn an_agent_is_connected_by_its_first_interact_hold_or_parked_segment() {
    for kind in ["interact", "hold", "parked", "INTERACT"] {
        let p = agent(None, &[segment("alert", 5, 9, ""), segment(kind, 9, -1, "")]);
        assert_eq!(p.connected, Some(at(9)), "{kind}");
    }
    for kind in ["alert", "dialing", "contacting", "wrapup", "brand.new"] {
        assert_eq!(agent(None, &[segment(kind, 5, -1, "")]).connected, None, "{kind}");
    }
    let unordered = agent(None, &[segment("interact", 12, -1, ""), segment("hold", 9, 12, "")]);
    assert_eq!(unordered.connected, Some(at(9)));
}

#[test]
fn all_others_are_connected_by_their_first_segment() {
    for purpose in ["acd", "ivr", "customer", "voicemail", "external", "workflow"] {
        let p = read(
            None,
            purpose,
            &[session(&[segment("dialing", 3, 4, ""), segment("interact", 4, -1, "")])],
        );
        assert_eq!(p.connected, Some(at(3)), "{purpose}");
        assert!(p.wrapup_expected.is_none());
    }
}

#[test]
fn an_end_needs_the_conversations_or_a_disconnect_in_every_session() {
    let talk = segment("interact", 5, 9, "client");
    assert_eq!(agent(None, std::slice::from_ref(&talk)).ended, Some(at(9)));
    let cases = [
        ("still talking", vec![segment("interact", 5, -1, "")]),
        (
            "on hold",
            vec![segment("interact", 5, 8, ""), segment("hold", 8, -1, "")],
        ),
        (
            "between hold and talk",
            vec![segment("interact", 5, 8, ""), segment("hold", 8, 9, "")],
        ),
        (
            "disconnected earlier, then back",
            vec![segment("interact", 5, 8, "peer"), segment("interact", 8, -1, "")],
        ),
        (
            "a disconnect type without an end",
            vec![segment("interact", 5, -1, "client")],
        ),
    ];
    for (what, segments) in &cases {
        assert_eq!(agent(None, segments).ended, None, "{what}");
        assert!(
            agent(Some(30), segments).ended.is_some(),
            "{what}, but the conversation ended"
        );
    }
    assert_eq!(
        agent(Some(30), &cases[1].1).ended,
        Some(at(30)),
        "an open segment ends with it"
    );
    assert_eq!(agent(Some(30), &cases[2].1).ended, Some(at(9)));
    let two = |second: Value| {
        read(
            None,
            "agent",
            &[session(std::slice::from_ref(&talk)), session(&[second])],
        )
    };
    assert_eq!(two(segment("interact", 6, -1, "")).ended, None);
    assert_eq!(two(segment("interact", 6, 20, "peer")).ended, Some(at(20)));
    assert_eq!(
        two(segment("wrapup", 9, -1, "")).ended,
        Some(at(9)),
        "a session of after-call work only"
    );
    assert_eq!(agent(None, &[]).ended, None);
}

#[test]
fn a_missed_alert_ended_and_was_never_connected() {
    let p = agent(None, &[segment("alert", 5, 20, "transfer.noanswer")]);
    assert_eq!((p.connected, p.ended), (None, Some(at(20))));
}

#[test]
fn after_call_work_is_from_the_first_start_to_the_last_end_of_wrapup_segments() {
    let talk = segment("interact", 5, 9, "client");
    let mut coded = segment("wrapup", 12, 30, "");
    coded["wrapUpCode"] = "code".into();
    let p = agent(Some(9), &[talk.clone(), segment("wrapup", 9, 12, ""), coded]);
    assert_eq!(
        (p.acw_started, p.acw_ended, p.ended),
        (Some(at(9)), Some(at(30)), Some(at(9)))
    );
    assert!(p.wrapup_coded && p.wrapup_expected.is_none());
    let p = agent(
        Some(9),
        &[
            talk.clone(),
            segment("wrapup", 9, 12, ""),
            segment("wrapup", 12, -1, ""),
        ],
    );
    assert_eq!((p.acw_started, p.acw_ended), (Some(at(9)), None));
    assert_eq!(p.wrapup_expected.map(|e| e.value), Some(true));
    assert!(!p.wrapup_coded);
    let p = agent(Some(9), std::slice::from_ref(&talk));
    assert_eq!(
        p.wrapup_expected.map(|e| e.value),
        Some(false),
        "the conversation ended without"
    );
    assert_eq!(agent(None, std::slice::from_ref(&talk)).wrapup_expected, None);
    let mut skipping = session(&[talk]);
    skipping["acwSkipped"] = true.into();
    let p = read(None, "agent", &[skipping]);
    assert_eq!(p.communications[0].acw_state.map(|s| s.value), Some(AcwState::Skipped));
}

#[test]
fn the_disconnect_type_is_that_of_the_last_segment_that_has_one() {
    let kind = |segments: &[Value]| agent(None, segments).communications[0].disconnect.map(|d| d.value);
    let first = segment("interact", 5, 9, "transfer");
    assert_eq!(
        kind(&[first.clone(), segment("hold", 9, 10, "")]),
        Some(DisconnectKind::Transfer)
    );
    assert_eq!(
        kind(&[segment("hold", 9, 10, "client"), first]),
        Some(DisconnectKind::Plain)
    );
    assert_eq!(
        kind(&[segment("alert", 5, 9, "transfer.noanswer")]),
        Some(DisconnectKind::Plain)
    );
    assert_eq!(kind(&[segment("alert", 5, 9, "")]), None);
}

#[test]
fn whoever_monitors_coaches_or_barges_in_listens_in() {
    for kind in ["monitoring", "coaching", "barging", "screenmonitoring"] {
        assert!(agent(None, &[segment(kind, 5, -1, "")]).listens_in, "{kind}");
    }
    assert!(!agent(None, &[segment("interact", 5, -1, "")]).listens_in);
    for named in ["monitoredParticipantId", "coachedParticipantId", "bargedParticipantId"] {
        let mut talking = session(&[segment("interact", 5, -1, "")]);
        talking[named] = json!("p");
        let read = conversation(None, "agent", &[talking]);
        assert!(read.facts.participants[0].listens_in, "{named}");
    }
}

#[test]
fn an_answer_keeps_what_can_be_read() {
    let body = json!({"totalHits": 4, "conversations": [{"conversationId": "a"}, {"no": "id"}, 7,
        {"conversationId": "b", "participants": [{"purpose": "agent"}, {"participantId": "p", "sessions": null}]}]});
    let page = read_answer(body.to_string().as_bytes()).unwrap();
    assert_eq!((page.conversations.len(), page.unreadable), (2, 2));
    assert_eq!(page.conversations[1].facts.participants.len(), 1);
    assert_eq!(read_answer(b"{\"totalHits\":0}").unwrap(), DetailsPage::default());
    for wrong in [&b"[]"[..], b"{\"conversations\":7}", b"\xff", b"{"] {
        assert!(read_answer(wrong).is_err());
    }
    assert!(read_conversation("{}").is_err());
}

#[test]
fn who_was_open_at_some_moment_of_a_gap_enters() {
    let ended = conversation(Some(20), "agent", &[session(&[segment("interact", 5, 20, "client")])]);
    assert!(ended.enters(at(20)) && ended.enters(at(-9)) && !ended.enters(at(21)));
    let open = conversation(None, "agent", &[session(&[segment("interact", 5, -1, "")])]);
    assert!(open.enters(at(500)) && !open.wraps_up());
    let working = |to| {
        let segments = [segment("interact", 5, 20, "client"), segment("wrapup", 20, to, "")];
        conversation(Some(20), "agent", &[session(&segments)])
    };
    assert!(working(40).enters(at(30)) && !working(40).enters(at(41)));
    assert!(working(-1).enters(at(500)) && working(-1).wraps_up());
}
