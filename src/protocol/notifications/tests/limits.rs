//! What is over a limit is left out, cut, or makes the event malformed, and is counted.
//!
//! In: frames with long texts and lists · Out: verdicts · Thread: the test's own.

use super::*;

fn frame(topic: &str, body: &serde_json::Value) -> String {
    serde_json::json!({"topicName": topic, "eventBody": body}).to_string()
}

fn conversation_frame(body: &serde_json::Value) -> String {
    frame(&format!("v2.routing.queues.{Q}.conversations"), body)
}

fn complaint(text: &str) -> String {
    match one(text) {
        Heard::Malformed(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_identifier_over_its_limit_makes_the_event_malformed() {
    for (length, is_read) in [(256, true), (257, false), (400_000, false)] {
        let long = "x".repeat(length);
        for body in [
            serde_json::json!({"id": long, "participants": []}),
            serde_json::json!({"id": "c", "participants": [{"id": long}]}),
            serde_json::json!({"id": "c", "participants": [{"id": "p", "queueId": long}]}),
            serde_json::json!({"id": "c", "participants": [{"id": "p", "user": {"id": long}}]}),
            serde_json::json!({"id": "c", "participants": [{"id": "p", "calls": [{"id": long}]}]}),
        ] {
            let text = conversation_frame(&body);
            assert_eq!(matches!(one(&text), Heard::Event(_)), is_read, "{length}");
            let escaped = text.replace("xx", "\\u0078\\u0078");
            assert_eq!(matches!(one(&escaped), Heard::Event(_)), is_read, "{length}, escaped");
        }
        let detail = frame(
            "v2.detail.events.conversation.c.acd.start",
            &serde_json::json!({"queueId": long}),
        );
        assert_eq!(matches!(one(&detail), Heard::Event(_)), is_read, "{length}");
    }
    let long = serde_json::json!({"id": "c", "participants": [{"id": "x".repeat(257)}]});
    assert_eq!(
        complaint(&conversation_frame(&long)),
        "queue_conversation: eventBody has an identifier of more than 256 bytes"
    );
}

#[test]
fn a_topic_over_its_limit_makes_the_event_malformed_and_is_not_remembered() {
    let mut machine = machine();
    let body = serde_json::json!({"id": "c"});
    for (length, is_read) in [(256, true), (257, false), (1_000_000, false)] {
        let topic = format!("v2.{}", "x".repeat(length - 3));
        let mut heard = Vec::new();
        machine.on_text(&frame(&topic, &body), now().into(), &mut heard);
        match &heard[..] {
            [Heard::Event(event)] => assert!(is_read && *event.topic == topic),
            [Heard::Malformed(why)] => assert!(!is_read && why == "a topic or type of more than 256 bytes"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(machine.topics.len(), 1);
}

#[test]
fn entries_beyond_the_limits_are_left_out_and_counted() {
    let call = |n: usize| serde_json::json!({"id": format!("k{n}"), "state": "connected"});
    let person = |n: usize, calls: usize| serde_json::json!({"id": format!("p{n}"), "calls": (0..calls).map(call).collect::<Vec<_>>()});
    let people: Vec<_> = (0..300).map(|n| person(n, if n == 3 { 70 } else { 1 })).collect();
    let text = conversation_frame(&serde_json::json!({"id": "c", "participants": people}));
    let event = event(&text);
    assert_eq!(event.unreadable, 300 - 256 + 70 - 64);
    assert!(text.contains(event.body.as_deref().unwrap()), "the body is as sent");
    let facts = conversation(&text);
    assert_eq!(facts.participants.len(), 256);
    assert_eq!(part(&facts, "p3").communications.len(), 64);
    // The limit is one of all media together.
    let media = serde_json::json!({"id": "c", "participants": [{"id": "p",
        "calls": (0..40).map(call).collect::<Vec<_>>(), "chats": (0..40).map(call).collect::<Vec<_>>()}]});
    let event = self::event(&conversation_frame(&media));
    assert_eq!(event.unreadable, 16);
}

#[test]
fn a_status_is_cut_between_characters_and_counted() {
    for (status, name, unreadable) in [
        ("a".repeat(128), "A".repeat(128), 0),
        ("a".repeat(129), "A".repeat(128), 1),
        ("é".repeat(200), "É".repeat(64), 1),
        (format!("a{}", "é".repeat(64)), format!("A{}", "É".repeat(63)), 1),
    ] {
        let routing = serde_json::json!({"routingStatus": {"status": status}});
        let event = event(&frame(&format!("v2.users.{USER_1}.routingStatus"), &routing));
        assert_eq!(event.unreadable, unreadable, "{status}");
        let Facts::User(facts) = event.facts else { panic!() };
        assert_eq!(*facts.routing_status.unwrap().0, *name);
        let presence = serde_json::json!({"presenceDefinition": {"systemPresence": status}});
        let event = self::event(&frame(&format!("v2.users.{USER_1}.presence"), &presence));
        assert_eq!(event.unreadable, unreadable, "{status}");
    }
}

#[test]
fn rows_of_statistics_are_bounded() {
    let observations = |data: serde_json::Value| {
        let body = serde_json::json!({"group": {"queueId": Q, "mediaType": "voice"}, "data": data});
        let event = event(&frame(&format!("v2.analytics.queues.{Q}.observations"), &body));
        let Facts::Observations(facts) = event.facts else {
            panic!()
        };
        (facts.rows, event.unreadable)
    };
    let stats: serde_json::Map<_, _> = (0..40).map(|n| (format!("s{n:02}"), n.into())).collect();
    let metric = |metric: &str, stats: &serde_json::Map<_, _>| serde_json::json!({"metric": metric, "stats": stats});
    let (rows, unreadable) = observations(serde_json::json!([{"metrics": [metric("oWaiting", &stats)]}]));
    assert_eq!((rows[0].stats.iter().count(), unreadable), (32, 8));
    let long = "m".repeat(129);
    let stats = serde_json::Map::from_iter([(long.clone(), 1.into())]);
    let one = serde_json::json!({"metric": long, "qualifier": long, "stats": stats});
    let (rows, unreadable) = observations(serde_json::json!([{"metrics": [one]}]));
    assert_eq!(unreadable, 3);
    assert_eq!(
        (rows[0].metric.len(), rows[0].qualifier.as_ref().unwrap().len()),
        (128, 128)
    );
    assert_eq!(rows[0].stats.iter().next().unwrap().0.len(), 128);
    let stats = serde_json::Map::from_iter([("count".to_owned(), 1.into())]);
    let metrics: Vec<_> = (0..6_000).map(|n| metric(&format!("o{n}"), &stats)).collect();
    let (rows, unreadable) = observations(serde_json::json!([{"metrics": metrics}, {"metrics": [one]}]));
    assert_eq!((rows.len(), unreadable), (5_000, 1_001));
}
