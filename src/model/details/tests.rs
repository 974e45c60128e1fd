//! The mapping of conversation details: identities, sessions and their times, what an answer may contain.
//!
//! In: details as the service writes them · Out: asserted facts · Thread: any (tests only).

use serde_json::{Value, json};

use super::*;
use crate::model::testing::{at, stays};

mod listening;
mod work;

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

fn on_queue(queue: &str, mut segment: Value) -> Value {
    segment["queueId"] = queue.into();
    segment
}

fn session_with_id(id: &str, segments: &[Value]) -> Value {
    json!({"sessionId": id, "mediaType": "voice", "segments": segments})
}

fn session(segments: &[Value]) -> Value {
    session_with_id("s", segments)
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

/// The only session of a participant.
fn one(end: Option<i64>, purpose: &str, segments: &[Value]) -> Communication {
    let mut read = read(end, purpose, &[session(segments)]);
    assert_eq!(read.communications.len(), 1);
    read.communications.remove(0)
}

fn agent(end: Option<i64>, segments: &[Value]) -> Communication {
    one(end, "agent", segments)
}

#[test]
fn identities_medium_and_stamps() {
    let p = read(None, "agent", &[session(&[segment("interact", 5, -1, "")])]);
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
    assert_eq!((p.connected, p.ended), (None, None), "only sessions have times");
}

#[test]
fn each_session_is_a_communication_with_the_last_queue_of_its_segments() {
    let first = [
        on_queue("Q", segment("interact", 5, 9, "")),
        on_queue("R", segment("interact", 9, 20, "peer")),
    ];
    let second = [on_queue("S", segment("interact", 60, -1, ""))];
    let p = read(
        None,
        "agent",
        &[session_with_id("s1", &first), session_with_id("s2", &second)],
    );
    let queue = |n: usize| p.communications[n].queue.as_ref().map(|queue| queue.value.clone());
    assert_eq!((queue(0), queue(1)), (Some(Id::new("R")), Some(Id::new("S"))));
    let stays = stays(&p, None);
    let found: Vec<_> = stays.iter().map(|stay| (stay.begin, stay.end)).collect();
    assert_eq!(found, [(at(5), Some(at(20))), (at(60), None)]);
    let unordered = agent(
        None,
        &[
            on_queue("late", segment("interact", 9, -1, "")),
            on_queue("early", segment("interact", 5, 9, "")),
        ],
    );
    assert_eq!(unordered.queue.map(|queue| queue.value), Some(Id::new("late")));
}

#[test]
fn an_agent_is_connected_by_its_first_interact_hold_or_parked_segment() {
    for purpose in ["agent", "user"] {
        for kind in ["interact", "hold", "parked", "INTERACT"] {
            let session = one(None, purpose, &[segment("alert", 5, 9, ""), segment(kind, 9, -1, "")]);
            assert_eq!(session.connected, Some(at(9)), "{kind}");
        }
        for kind in [
            "alert",
            "dialing",
            "contacting",
            "system",
            "delay",
            "scheduled",
            "wrapup",
            "ivr",
            "brand.new",
        ] {
            let session = one(None, purpose, &[segment(kind, 5, -1, "")]);
            assert_eq!(session.connected, None, "{kind}");
        }
    }
    let unordered = agent(None, &[segment("interact", 12, -1, ""), segment("hold", 9, 12, "")]);
    assert_eq!(unordered.connected, Some(at(9)));
}

#[test]
fn all_others_are_connected_by_their_first_segment_in_which_somebody_is_there() {
    for purpose in ["acd", "ivr", "customer", "voicemail", "external", "workflow"] {
        for before in [
            "scheduled",
            "delay",
            "system",
            "dialing",
            "contacting",
            "alert",
            "converting",
            "transmitting",
            "uploading",
        ] {
            let segments = [segment(before, 3, 4, ""), segment("interact", 4, -1, "")];
            let session = one(None, purpose, &segments);
            assert_eq!(session.connected, Some(at(4)), "{purpose} {before}");
        }
        for kind in ["interact", "ivr", "voicemail", "hold", "brand.new"] {
            let session = one(None, purpose, &[segment(kind, 3, -1, "")]);
            assert_eq!(session.connected, Some(at(3)), "{purpose} {kind}");
        }
    }
}

#[test]
fn a_session_with_system_segments_only_begins_with_them_but_not_on_a_queue() {
    let segments = [segment("system", 3, 4, ""), segment("system", 4, 9, "client")];
    for purpose in ["customer", "workflow", "external"] {
        assert_eq!(one(None, purpose, &segments).connected, Some(at(3)), "{purpose}");
    }
    assert_eq!(one(None, "acd", &segments).connected, None);
    let more = [segment("system", 3, 4, ""), segment("alert", 4, 9, "client")];
    assert_eq!(one(None, "customer", &more).connected, None);
}

#[test]
fn an_end_needs_that_of_the_conversation_or_a_disconnect_of_the_last_segment() {
    let talk = segment("interact", 5, 9, "client");
    assert_eq!(agent(None, std::slice::from_ref(&talk)).disconnected, Some(at(9)));
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
        let open = agent(None, segments);
        assert_eq!((open.disconnected, open.is_over()), (None, false), "{what}");
        let over = agent(Some(30), segments);
        assert!(
            over.disconnected.is_some() && over.is_over(),
            "{what}, but the conversation ended"
        );
    }
    let ended = |n: usize| agent(Some(30), &cases[n].1).disconnected;
    assert_eq!(ended(1), Some(at(30)), "an open segment ends with it");
    assert_eq!(ended(2), Some(at(9)));
    assert_eq!(
        agent(None, &[talk, segment("wrapup", 9, 40, "")]).disconnected,
        Some(at(9)),
        "after-call work ends nothing"
    );
    assert_eq!(agent(None, &[]).disconnected, None);
    assert_eq!(agent(None, &[segment("wrapup", 9, -1, "")]).disconnected, None);
}

#[test]
fn an_end_is_the_last_of_all_segments_of_its_own_session_only() {
    let talk = segment("interact", 5, 9, "client");
    let overlapping = [segment("interact", 5, 20, ""), segment("hold", 8, 12, "peer")];
    assert_eq!(agent(None, &overlapping).disconnected, Some(at(20)));
    let p = read(
        None,
        "agent",
        &[
            session_with_id("s1", &[talk]),
            session_with_id("s2", &[segment("interact", 30, -1, "")]),
        ],
    );
    let ends: Vec<_> = p.communications.iter().map(|c| c.disconnected).collect();
    assert_eq!(ends, [Some(at(9)), None]);
}

#[test]
fn a_missed_alert_ended_and_was_never_connected() {
    let session = agent(None, &[segment("alert", 5, 20, "transfer.noanswer")]);
    assert_eq!((session.connected, session.disconnected), (None, Some(at(20))));
}

#[test]
fn a_scheduled_callback_has_not_begun_and_its_planned_end_moves_nothing() {
    let callback = |end: Option<i64>, segments: &[Value]| {
        let mut session = session(segments);
        session["mediaType"] = "callback".into();
        conversation(end, "customer", &[session])
    };
    let planned = segment("scheduled", 7, 90_000, "");
    let waiting = callback(None, std::slice::from_ref(&planned));
    let p = &waiting.facts.participants[0];
    assert_eq!(
        (p.communications[0].scheduled, p.communications[0].connected),
        (Some(at(7)), None)
    );
    assert!(!p.communications[0].is_over() && stays(p, None).is_empty());
    assert_eq!(p.purpose.map(|s| s.at), Some(at(7)), "a planned end is no stamp");

    let called = callback(Some(95_000), &[planned, segment("interact", 94_000, 95_000, "client")]);
    let session = &called.facts.participants[0].communications[0];
    assert_eq!(
        (session.connected, session.disconnected),
        (Some(at(94_000)), Some(at(95_000)))
    );
    let call = one(None, "customer", &[segment("scheduled", 7, 90, "")]);
    assert_eq!(call.scheduled, None, "only callbacks are scheduled");
}

#[test]
fn a_planned_end_later_than_the_real_one_is_not_the_end() {
    let mut session = session(&[segment("scheduled", 7, 900, ""), segment("interact", 30, 40, "client")]);
    session["mediaType"] = "callback".into();
    let p = read(None, "customer", &[session]);
    assert_eq!(p.communications[0].disconnected, Some(at(40)));
}

#[test]
fn the_disconnect_type_is_that_of_the_last_segment_that_has_one() {
    let kind = |segments: &[Value]| agent(None, segments).disconnect.map(|d| d.value);
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
fn an_answer_keeps_what_can_be_read() {
    let whenever = Moment::from_epoch_ms(i64::MAX);
    let body = json!({"totalHits": 4, "conversations": [{"conversationId": "a"}, {"no": "id"}, 7,
        {"conversationId": "b", "participants": [{"purpose": "agent"}, {"participantId": "p", "sessions": null}]}]});
    let page = read_answer(body.to_string().as_bytes(), whenever).unwrap();
    assert_eq!((page.conversations.len(), page.unreadable), (2, 2));
    assert_eq!(page.conversations[1].facts.participants.len(), 1);
    assert_eq!(unreadable_in(&page), 1, "a participant without an id");
    assert_eq!(
        read_answer(b"{\"totalHits\":0}", whenever).unwrap(),
        DetailsPage::default()
    );
    for wrong in [&b"[]"[..], b"{\"conversations\":7}", b"\xff", b"{"] {
        assert!(read_answer(wrong, whenever).is_err());
    }
    assert!(read_conversation("{}").is_err());
}

#[test]
fn times_that_are_not_trusted_or_not_readable_count_as_absent_and_planned_ends_are_exempt() {
    let mut unreadable = segment("interact", 5, -1, "");
    unreadable["segmentEnd"] = "soon".into();
    let body = json!({"conversations": [{"conversationId": "c", "conversationEnd": at(101).to_string(), "participants": [
        {"participantId": "p", "purpose": "agent", "sessions": [session(&[
            segment("scheduled", 1, 5_000, ""), segment("interact", 101, 200, "client"), unreadable])]}]}]});
    let page = read_answer(body.to_string().as_bytes(), at(100)).unwrap();
    assert_eq!(unreadable_in(&page), 4);
    let conversation = &page.conversations[0];
    assert_eq!(conversation.end, None);
    let session = &conversation.facts.participants[0].communications[0];
    assert_eq!((session.connected, session.is_over()), (Some(at(5)), false));
    let page = read_answer(body.to_string().as_bytes(), at(300)).unwrap();
    assert_eq!(unreadable_in(&page), 1);
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

fn page_of(participants: Value) -> DetailsPage {
    let answer = json!({"conversations": [{"conversationId": "c", "participants": participants}]});
    read_answer(answer.to_string().as_bytes(), at(10_000)).unwrap()
}

#[test]
fn entries_over_the_limits_of_a_conversation_are_left_out_and_counted() {
    let person = |n: usize| json!({"participantId": format!("p{n}")});
    let page = page_of((0..300).map(person).collect());
    assert_eq!(page.conversations[0].facts.participants.len(), 256);
    assert_eq!(unreadable_in(&page), 300 - 256);
    let sessions: Vec<_> = (0..70).map(|n| session_with_id(&format!("s{n}"), &[])).collect();
    let page = page_of(json!([{"participantId": "p", "sessions": sessions}]));
    assert_eq!(page.conversations[0].facts.participants[0].communications.len(), 64);
    assert_eq!(unreadable_in(&page), 70 - 64);
}

#[test]
fn an_identifier_over_its_limit_is_never_shortened() {
    for (length, is_read) in [(256, true), (257, false)] {
        let long = "x".repeat(length);
        let answer = json!({"conversations": [{"conversationId": long}, {"conversationId": "c"}]});
        let page = read_answer(answer.to_string().as_bytes(), at(0)).unwrap();
        assert_eq!(
            (page.conversations.len(), page.unreadable == 0),
            (1 + usize::from(is_read), is_read)
        );
        let of_people = page_of(json!([{"participantId": long}, {"participantId": "p"}]));
        assert_eq!(unreadable_in(&of_people) == 0, is_read);
        let of_sessions = page_of(json!([{"participantId": "p", "sessions": [session_with_id(&long, &[])]}]));
        let sessions = &of_sessions.conversations[0].facts.participants[0].communications;
        assert_eq!(
            (sessions.len(), unreadable_in(&of_sessions) == 0),
            (usize::from(is_read), is_read)
        );
    }
}

/// A whole page of segments would take 30 times its length.
#[test]
fn a_conversation_or_a_page_of_any_length_costs_bounded_memory() {
    let segments = vec![json!({}); 400_000];
    let page = page_of(json!([{"participantId": "p", "sessions": [session(&segments)]}]));
    assert_eq!((page.conversations.len(), page.unreadable), (0, 1), "more than 1 MiB");
    let page = page_of(json!([{"participantId": "p", "sessions": [session(&segments[..2_000])]}]));
    assert_eq!((page.conversations.len(), unreadable_in(&page)), (1, 2_000 - 1_024));
    let people: Vec<_> = (0..256).map(|n| format!(r#"{{"participantId":"{n}"}}"#)).collect();
    let one = format!(r#"{{"conversationId":"c","participants":[{}]}}"#, people.join(","));
    let answer = format!(r#"{{"conversations":[{}]}}"#, vec![one; 1_000].join(","));
    let page = read_answer(answer.as_bytes(), at(0)).unwrap();
    let bytes: usize = page.conversations.iter().map(RestConversation::bytes).sum();
    assert!(bytes < PAGE_BYTES + (1 << 20), "{bytes}");
    assert_eq!(page.conversations.len() + page.unreadable, 1_000);
    assert!(page.unreadable > 0);
}

fn unreadable_in(page: &DetailsPage) -> u32 {
    page.conversations
        .iter()
        .map(|conversation| conversation.unreadable)
        .sum()
}
