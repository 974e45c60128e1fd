//! The handshake, the fallback without the filter, and every kind of frame of the `events` protocol.
//!
//! In: short frames · Out: verdicts · Thread: the test's own.

use super::*;
use crate::Moment;
use crate::event::Event;
use proptest::prelude::*;

const FILTERED: &str = r#"{"type":"subscribe","subscription":{"eventTypes":["conversation:updated","routing:queue:updated"],"filters":{"routingQueueIds":["q1","q2"]}}}"#;
const UNFILTERED: &str =
    r#"{"type":"subscribe","subscription":{"eventTypes":["conversation:updated","routing:queue:updated"]}}"#;
const ACK: &str = r#"{"type":"ack"}"#;

fn now() -> Moment {
    Moment::parse("2026-05-04T15:00:00.000Z").unwrap()
}

fn machine(queues: &[&str]) -> Events {
    let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
    Events::new(
        Options::new(3),
        owned(&["conversation:updated", "routing:queue:updated"]),
        owned(queues),
    )
}

fn hear(machine: &mut Events, text: &str) -> Vec<Heard> {
    let mut heard = Vec::new();
    machine.on_text(text, now().into(), &mut heard);
    heard
}

fn one(machine: &mut Events, text: &str) -> Heard {
    let mut heard = hear(machine, text);
    assert_eq!(heard.len(), 1, "{heard:?}");
    heard.remove(0)
}

fn subscribed(queues: &[&str]) -> Events {
    let mut machine = machine(queues);
    machine.on_open();
    assert!(matches!(one(&mut machine, ACK), Heard::Confirmed));
    machine
}

fn event(data: &str) -> Event {
    match one(&mut subscribed(&[]), data) {
        Heard::Event(event) => event,
        other => panic!("{other:?}"),
    }
}

fn conversation(data: &str) -> String {
    format!(r#"{{"type":"event","event":{{"type":"conversation:updated","data":{data}}}}}"#)
}

fn queue(data: &str) -> String {
    format!(r#"{{"type":"event","event":{{"type":"routing:queue:updated","data":{data}}}}}"#)
}

fn refusal(heard: Heard) -> Refusal {
    match heard {
        Heard::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn subscribes_on_opening_and_is_confirmed_by_an_ack() {
    assert_eq!(machine(&["q1", "q2"]).on_open(), [FILTERED]);
    let mut machine = machine(&[]);
    assert_eq!(machine.on_open(), [UNFILTERED]);
    assert_eq!(machine.handshake_limit(), Some(Duration::from_secs(10)));
    assert_eq!(machine.ping(), Ping::Control);
    assert!(matches!(one(&mut machine, ACK), Heard::Confirmed));
    assert!(matches!(one(&mut machine, ACK), Heard::Alive));
}

#[test]
fn events_before_the_ack_are_applied() {
    let mut machine = machine(&[]);
    machine.on_open();
    assert!(matches!(
        one(&mut machine, &conversation(r#"{"id":"c","state":"connected"}"#)),
        Heard::Event(_)
    ));
    assert!(matches!(one(&mut machine, &conversation("7")), Heard::Malformed(_)));
    assert!(matches!(one(&mut machine, ACK), Heard::Confirmed));
}

#[test]
fn anything_else_before_the_ack_refuses() {
    for text in [r#"{"type":"welcome"}"#, r#"{"hello":1}"#, r#"{"type":7}"#] {
        let refusal = refusal(one(&mut machine(&["q1"]), text));
        assert_eq!(refusal.status, None);
        assert!(
            refusal.message.starts_with("expected an ack, received "),
            "{}",
            refusal.message
        );
    }
    for text in ["", "garbage", "[]"] {
        let heard = hear(&mut machine(&["q1"]), text);
        assert!(
            matches!(&heard[..], [Heard::Malformed(_), Heard::Refused(_)]),
            "{heard:?}"
        );
    }
    let refused = refusal(one(
        &mut machine(&["q1"]),
        r#"{"type":"error","status":400,"message":"bad\ntopic"}"#,
    ));
    assert_eq!((refused.status, &*refused.message), (Some(400), "bad topic"));
    let refused = refusal(one(&mut machine(&[]), r#"{"type":"error"}"#));
    assert_eq!((refused.status, &*refused.message), (None, "no message"));
}

#[test]
fn a_403_drops_the_filter_once() {
    for error in [
        r#"{"type":"error","status":403}"#,
        r#"{"type":"error","status":"403","message":"x"}"#,
        r#"{"type":"error","code":403}"#,
        r#"{"type":"error","status":400,"code":"403"}"#,
        r#"{"type":"error","message":"HTTP 403: filters"}"#,
    ] {
        let mut machine = machine(&["q1"]);
        machine.on_open();
        match one(&mut machine, error) {
            Heard::Send { text, .. } => assert_eq!(text, UNFILTERED, "{error}"),
            other => panic!("{error}: {other:?}"),
        }
        let again = refusal(one(&mut machine, error));
        assert_eq!(again.status, Some(403));
        // A new connection does not try the filter again.
        assert_eq!(machine.on_open(), [UNFILTERED]);
    }
    let refused = refusal(one(
        &mut machine(&[]),
        r#"{"type":"error","status":403,"message":"no"}"#,
    ));
    assert_eq!(refused.status, Some(403));
}

#[test]
fn without_the_servers_filter_events_are_filtered_here() {
    let mut machine = machine(&["q1", "q2"]);
    machine.on_open();
    hear(&mut machine, r#"{"type":"error","status":403}"#);
    for phase in 0..2 {
        for (text, passes) in [
            (conversation(r#"{"id":"c","queueId":"q1"}"#), true),
            (conversation(r#"{"id":"c","queueId":"q2"}"#), true),
            (conversation(r#"{"id":"c","queueId":"q3"}"#), false),
            (conversation(r#"{"id":"c"}"#), true),
            (queue(r#"{"id":"q1"}"#), true),
            (queue(r#"{"id":"q3"}"#), false),
            (
                r#"{"type":"event","event":{"type":"new","data":{"queueId":"q3"}}}"#.to_owned(),
                false,
            ),
            (r#"{"type":"event","event":{"type":"new","data":[]}}"#.to_owned(), true),
        ] {
            match one(&mut machine, &text) {
                Heard::Event(_) => assert!(passes, "{text}"),
                Heard::Alive => assert!(!passes, "{text}"),
                other => panic!("{phase} {text}: {other:?}"),
            }
        }
        hear(&mut machine, ACK);
    }
    // If the server filters, every event passes.
    let mut trusting = subscribed(&["q1"]);
    assert!(matches!(
        one(&mut trusting, &conversation(r#"{"id":"c","queueId":"q3"}"#)),
        Heard::Event(_)
    ));
}

#[test]
fn conversations_in_every_state() {
    let event = event(&conversation(
        r#"{"id":"c1", "state":"connected","queueId":"q1","timestamp":"2026-05-04T14:59:59Z","later":"2026-05-04T15:00:01Z"}"#,
    ));
    assert_eq!(
        (event.kind, &*event.topic),
        (EventKind::Conversation, "conversation:updated")
    );
    assert_eq!((event.protocol, event.connection), (Protocol::Events, 3));
    assert_eq!(
        (&event.conversation_id, &event.queue_id),
        (&Some(Id::new("c1")), &Some(Id::new("q1")))
    );
    assert_eq!(event.latency_ms(), Some(1000));
    assert_eq!(
        event.body.as_deref(),
        Some(
            r#"{"id":"c1", "state":"connected","queueId":"q1","timestamp":"2026-05-04T14:59:59Z","later":"2026-05-04T15:00:01Z"}"#
        )
    );
    assert_eq!(
        event.facts,
        Facts::ConversationState(ConversationStateFacts {
            conversation: Some(Id::new("c1")),
            queue: Some(Id::new("q1")),
            active: Some(true),
            at: Moment::parse("2026-05-04T14:59:59Z"),
        })
    );
    assert_eq!(event.unreadable, 0);
    assert_eq!(
        self::event(&conversation(r#"{"id":"c1","timestamp":"soon"}"#)).unreadable,
        1
    );
    assert_eq!(self::event(&queue(r#"{"id":"q","timestamp":7}"#)).unreadable, 1);
    let active = |state: &str| match self::event(&conversation(&format!(r#"{{"state":{state}}}"#))).facts {
        Facts::ConversationState(facts) => {
            assert_eq!((facts.conversation, facts.queue, facts.at), (None, None, None));
            facts.active
        }
        other => panic!("{other:?}"),
    };
    for (state, expected) in [
        ("\"connected\"", Some(true)),
        ("\"Consulting\"", Some(true)),
        ("\"wrapup\"", Some(false)),
        ("\"WRAP_UP\"", Some(false)),
        ("\"closed\"", Some(false)),
        ("\"alerting\"", None),
        ("null", None),
        ("7", None),
    ] {
        assert_eq!(active(state), expected, "{state}");
    }
    // An id may be a number; an empty id or one of another type counts as absent.
    assert_eq!(
        self::event(&conversation(r#"{"id":17}"#)).conversation_id,
        Some(Id::new("17"))
    );
    for id in ["\"\"", "null", "[]", "1.5"] {
        assert_eq!(
            self::event(&conversation(&format!(r#"{{"id":{id},"timestamp":7}}"#))).conversation_id,
            None
        );
    }
    assert_eq!(
        self::event(&conversation(r#"{"id":"\u00e9\""}"#)).conversation_id,
        Some(Id::new("é\""))
    );
}

#[test]
fn queues_and_their_average_wait() {
    let event = event(&queue(r#"{"id":"q1","statistics":{"averageWaitTime":12.5}}"#));
    assert_eq!((event.kind, &event.queue_id), (EventKind::Queue, &Some(Id::new("q1"))));
    assert_eq!(
        event.facts,
        Facts::QueueStatistics(QueueStatisticsFacts {
            queue: Id::new("q1"),
            average_wait_secs: Some(12.5),
            at: None,
        })
    );
    let wait = |data: &str| match one(&mut subscribed(&[]), &queue(data)) {
        Heard::Event(event) => match event.facts {
            Facts::QueueStatistics(facts) => Ok(facts.average_wait_secs),
            other => panic!("{other:?}"),
        },
        Heard::Malformed(what) => Err(what),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        wait(r#"{"id":"q1","statistics":{"averageWaitTime":12}}"#),
        Ok(Some(12.0))
    );
    assert_eq!(wait(r#"{"id":"q1","statistics":{"averageWaitTime":null}}"#), Ok(None));
    assert_eq!(wait(r#"{"id":"q1","statistics":null}"#), Ok(None));
    assert_eq!(wait(r#"{"id":"q1"}"#), Ok(None));
    for wrong in [
        r#"{"id":"q1","statistics":{"averageWaitTime":"12.5"}}"#,
        r#"{"id":"q1","statistics":{"averageWaitTime":[12.5]}}"#,
        r#"{"id":"q1","statistics":{"averageWaitTime":1e999}}"#,
        r#"{"id":"q1","statistics":[]}"#,
        r#"{"statistics":{"averageWaitTime":1}}"#,
        "[]",
        "null",
    ] {
        assert!(wait(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn after_the_ack_errors_are_reported_and_unknown_frames_are_kept() {
    let mut machine = subscribed(&["q1"]);
    for (text, said) in [
        (r#"{"type":"error","message":"slow\tdown"}"#, "slow down"),
        (r#"{"type":"error","status":403,"message":"x"}"#, "403 x"),
        (r#"{"type":"error"}"#, "no message"),
    ] {
        match one(&mut machine, text) {
            Heard::ServerError(what) => assert_eq!(what, said),
            other => panic!("{other:?}"),
        }
    }
    for (text, topic, body) in [
        (r#"{"type":"news","x":1}"#, "news", r#"{"type":"news","x":1}"#),
        (r#"{"x":1}"#, "", r#"{"x":1}"#),
        (
            r#"{"type":"event","event":{"type":"new:thing","data":[1]}}"#,
            "new:thing",
            "[1]",
        ),
        (r#"{"type":"event","event":{"type":"new:thing"}}"#, "new:thing", "null"),
        (r#"{"type":"event","event":{}}"#, "", "null"),
    ] {
        match one(&mut machine, text) {
            Heard::Event(event) => {
                assert_eq!((event.kind, &*event.topic), (EventKind::Unknown, topic), "{text}");
                assert_eq!(event.body.as_deref(), Some(body));
            }
            other => panic!("{text}: {other:?}"),
        }
    }
    for text in [
        "",
        "x",
        "[]",
        r#"{"type":"event"}"#,
        r#"{"type":"event","event":[]}"#,
        r#"{"type":"event","event":"x"}"#,
    ] {
        assert!(matches!(one(&mut machine, text), Heard::Malformed(_)), "{text}");
    }
}

proptest! {
    #[test]
    fn never_panics(text in "\\PC{0,100}", cut in 0_usize..140, insert in "[\\[\\]{}\",:0-9tfn\\\\-]{0,4}") {
        let mut machine = machine(&["q1"]);
        hear(&mut machine, &text);
        hear(&mut machine, ACK);
        hear(&mut machine, &text);
        let frame = conversation(r#"{"id":"c1","state":"connected","queueId":"q1","timestamp":"2026-05-04T14:59:59Z"}"#);
        let cut = cut.min(frame.len());
        prop_assert_eq!(hear(&mut machine, &format!("{}{insert}{}", &frame[..cut], &frame[cut..])).len(), 1);
    }
}

#[test]
fn a_type_or_identifier_over_its_limit_is_malformed() {
    let of = |kind: &str, id: &str| {
        format!(
            r#"{{"type":"event","event":{{"type":"{kind}","data":{{"id":"{id}","statistics":{{"averageWaitTime":1}}}}}}}}"#
        )
    };
    for (length, is_read) in [(256, true), (257, false), (500_000, false)] {
        let long = "x".repeat(length);
        for text in [
            of("conversation:updated", &long),
            of("routing:queue:updated", &long),
            of("another", &long),
            of(&long, "id"),
            format!(r#"{{"type":"{long}"}}"#),
        ] {
            let heard = one(&mut subscribed(&[]), &text);
            assert_eq!(matches!(heard, Heard::Event(_)), is_read, "{length}: {heard:?}");
        }
    }
}

#[test]
fn a_time_that_is_not_believed_counts_as_absent_and_as_unreadable() {
    for (time, is_believed) in [
        ("2026-05-04T15:10:00Z", true),
        ("2026-05-04T15:10:00.001Z", false),
        ("9999-01-01T00:00:00Z", false),
    ] {
        let of = |kind: &str| {
            let text = format!(
                r#"{{"type":"event","event":{{"type":"{kind}","data":{{"id":"a","timestamp":"{time}","statistics":{{"averageWaitTime":1}}}}}}}}"#
            );
            let event = event(&text);
            let at = match event.facts {
                Facts::ConversationState(facts) => facts.at,
                Facts::QueueStatistics(facts) => facts.at,
                other => panic!("{other:?}"),
            };
            assert_eq!(
                (at.is_some(), event.unreadable),
                (is_believed, u32::from(!is_believed)),
                "{time}"
            );
        };
        of("conversation:updated");
        of("routing:queue:updated");
    }
}
