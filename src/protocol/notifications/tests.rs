//! Frames of the Notification Service: control frames, unknown frames, secrets; and helpers for the other tests.
//!
//! In: fixtures, short frames · Out: verdicts · Thread: the test's own.

use super::*;
use crate::Moment;
use crate::event::facts::*;
use crate::protocol::KeepBody;

const Q: &str = "509f5a7f-cb31-5a43-ac00-8041a8ba3690";
const CALL: &str = "1b3e08b8-e7c3-538a-87c3-a10b68b6b415";
const CUSTOMER: &str = "61c76ad5-aa46-5f93-9fc8-f53fc77d185f";
const ACD: &str = "9b9150e8-d8a4-5b6a-9a74-a041e876fe69";
const AGENT_1: &str = "b7fd34a9-1fa4-531c-a3c9-c0293e4adb21";
const AGENT_2: &str = "23c359dc-b8ce-577b-975f-6066edd781fe";
const USER_1: &str = "e5240415-6b6a-5736-bbef-4488bb5408e2";
const USER_2: &str = "f2a4b774-5568-52ba-be1b-feb7aebd4535";
const CHANNEL_ID: &str = "streaming-5-k3f9q2m7x1c8v4b6n0z5a2s9d7";

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/ws-",
            $name,
            ".json"
        ))
    };
}

// Below the macro, because they use it.
mod arbitrary;
mod conversations;
mod limits;
mod statistics_and_users;

fn moment(text: &str) -> Moment {
    Moment::parse(text).unwrap()
}

fn now() -> Moment {
    moment("2026-05-04T15:00:00.000Z")
}

fn machine() -> Notifications {
    let _known_to_the_scrubber = crate::Secret::channel(CHANNEL_ID);
    Notifications::new(Options::new(7))
}

/// What a machine hears; the same with the memory of longer statistics that are done.
fn hear(text: &str) -> Vec<Heard> {
    let by = |mut machine: Notifications| {
        let mut heard = Vec::new();
        machine.on_text(text, now().into(), &mut heard);
        heard
    };
    let mut used = machine();
    let row = ObservationRow {
        media: Some(MediaKind::Email),
        interval: Some((now(), now())),
        metric: "oOfAnother".into(),
        qualifier: Some("OTHER".into()),
        stats: [("count".into(), 17.0)].into_iter().collect(),
    };
    used.memory.spare.statistics = Some(Box::new(ObservationFacts {
        queue: Id::new("of-another"),
        rows: vec![row; 9],
    }));
    let heard = by(machine());
    assert_eq!(format!("{heard:?}"), format!("{:?}", by(used)));
    heard
}

fn one(text: &str) -> Heard {
    let mut heard = hear(text);
    assert_eq!(heard.len(), 1, "{heard:?}");
    heard.remove(0)
}

fn event(text: &str) -> Event {
    match one(text) {
        Heard::Event(event) => event,
        other => panic!("{other:?}"),
    }
}

fn conversation(text: &str) -> ConversationFacts {
    match event(text).facts {
        Facts::ConversationUpdate(update) => update.facts(),
        other => panic!("{other:?}"),
    }
}

fn part<'a>(facts: &'a ConversationFacts, id: &str) -> &'a Participant {
    facts.participants.iter().find(|p| p.id == Id::new(id)).unwrap()
}

fn value<T: Clone>(stamped: &Option<Stamped<T>>) -> Option<T> {
    stamped.as_ref().map(|s| s.value.clone())
}

/// A frame of the general queue topic with this body.
fn frame(body: &str) -> String {
    format!(r#"{{"topicName":"v2.routing.queues.{Q}.conversations","version":"2","eventBody":{body}}}"#)
}

/// The facts of one participant with these further fields.
fn participant(fields: &str) -> Participant {
    let mut facts = conversation(&frame(&format!(
        r#"{{"id":"c","participants":[{{"id":"p",{fields}}}]}}"#
    )));
    facts.participants.remove(0)
}

#[test]
fn opens_silently_and_pings_in_json() {
    let mut machine = machine();
    assert!(machine.on_open().is_empty());
    assert_eq!(machine.handshake_limit(), None);
    assert_eq!(machine.ping(), Ping::Text("{\"message\":\"ping\"}"));
    assert!(!format!("{machine:?}").contains(CHANNEL_ID));
}

#[test]
fn control_frames() {
    assert!(matches!(one(fixture!("heartbeat")), Heard::Alive));
    assert!(matches!(one(fixture!("pong")), Heard::Pong));
    assert!(matches!(one(fixture!("subscribe-ack")), Heard::Alive));
    assert!(matches!(one(fixture!("system-socket-closing")), Heard::SocketClosing));
    assert!(matches!(one(fixture!("system-token-revoked")), Heard::TokenRevoked));
    assert!(matches!(one(fixture!("error-404")), Heard::ChannelGone));
    assert!(matches!(one(r#"{"result":404}"#), Heard::ChannelGone));
    assert!(matches!(one(r#"{"result":200,"status":"subscribed"}"#), Heard::Alive));
    assert!(matches!(one(r#"{"message":"pong"}"#), Heard::Pong));
    assert!(matches!(
        one(r#"{"topicName":"v2.subscription.updated","eventBody":{}}"#),
        Heard::SubscriptionsChanged
    ));
    assert!(matches!(
        one(r#"{"topicName":"v2.system.a.b","eventBody":{"systemTopicType":"subscription_changed"}}"#),
        Heard::SubscriptionsChanged
    ));
    assert!(matches!(
        one(r#"{"topicName":"v2.system.a.b","eventBody":7}"#),
        Heard::Alive
    ));
    assert!(matches!(
        one(r#"{"topicName":"v2.system.socket_closing"}"#),
        Heard::SocketClosing
    ));
    assert!(matches!(
        one(r#"{"topicName":"channel.metadata","eventBody":null}"#),
        Heard::Alive
    ));
    match one(fixture!("system-no-longer-subscribed")) {
        Heard::NoLongerSubscribed(reason) => assert_eq!(reason, "another_channel_subscribed"),
        other => panic!("{other:?}"),
    }
    match one(&format!(
        r#"{{"topicName":"v2.system.no_longer_subscribed.x","eventBody":{{"message":"see {CHANNEL_ID}\n!"}}}}"#
    )) {
        Heard::NoLongerSubscribed(reason) => assert_eq!(reason, "see <channel> !"),
        other => panic!("{other:?}"),
    }
    match one(r#"{"topicName":"v2.system.no_longer_subscribed.x","eventBody":[]}"#) {
        Heard::NoLongerSubscribed(reason) => assert_eq!(reason, "no reason given"),
        other => panic!("{other:?}"),
    }
    match one(fixture!("subscribe-failure")) {
        Heard::ServerError(text) => assert_eq!(text, "400 (text not known)"),
        other => panic!("{other:?}"),
    }
    match one(&format!(r#"{{"result":"500","message":"channel {CHANNEL_ID}"}}"#)) {
        Heard::ServerError(text) => assert_eq!(text, "500 channel <channel>"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn malformed_frames_are_reported_without_their_text() {
    for text in [
        "",
        " ",
        "geheim",
        "{\"topicName\":\"geheim\"",
        "[{\"geheim\":1}]",
        "null",
        "42",
        "\"geheim\"",
        "{\"topicName\":\"a\",\"topicName\":\"geheim\"}",
        "{\"topicName\":\"\\ud800\"}",
        "{\"a\":1}x",
    ] {
        match one(text) {
            Heard::Malformed(what) => assert!(!what.contains("geheim"), "{what}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    let deep = frame(&format!(
        r#"{{"id":"c","participants":[],"x":{}{}}}"#,
        "[".repeat(500),
        "]".repeat(500)
    ));
    assert!(matches!(one(&deep), Heard::Malformed(what) if what == "nested deeper than 100 levels"));
}

#[test]
fn unknown_frames_and_topics_are_kept() {
    let text = r#"{"neu":true,"result":"soon"}"#;
    let unknown = event(text);
    assert_eq!((unknown.kind, &*unknown.topic), (EventKind::Unknown, ""));
    assert_eq!(unknown.body.as_deref(), Some(text));
    assert_eq!(unknown.facts, Facts::None);

    let unknown = event(r#"{"topicName":null,"eventBody":{}}"#);
    assert_eq!(unknown.body.as_deref(), Some(r#"{"topicName":null,"eventBody":{}}"#));

    let unknown = event(r#"{"topicName":"v3.new.thing","eventBody":[1, {"at":"2026-05-04T14:00:00Z"}]}"#);
    assert_eq!((unknown.kind, &*unknown.topic), (EventKind::Unknown, "v3.new.thing"));
    assert_eq!(unknown.body.as_deref(), Some(r#"[1, {"at":"2026-05-04T14:00:00Z"}]"#));
    assert_eq!(unknown.event_time, Some(moment("2026-05-04T14:00:00Z")));

    let unknown = event(r#"{"topicName":"v3.new.thing"}"#);
    assert_eq!(unknown.body.as_deref(), Some("null"));

    let joined = event(fixture!("queue-user"));
    assert_eq!((joined.kind, joined.queue_id), (EventKind::Unknown, Some(Id::new(Q))));
    let summary = event(fixture!("user-conversationsummary"));
    assert_eq!(
        (summary.kind, summary.user_id),
        (EventKind::Unknown, Some(Id::new(USER_1)))
    );
    let aggregates = event(fixture!("analytics-user-aggregates"));
    assert_eq!(
        (aggregates.kind, aggregates.user_id),
        (EventKind::Unknown, Some(Id::new(USER_1)))
    );
}

#[test]
fn the_channel_id_is_never_shown() {
    let unknown = event(&format!(
        r#"{{"topicName":"v2.x.{CHANNEL_ID}","eventBody":{{"channelId":"{CHANNEL_ID}"}}}}"#
    ));
    let untitled = event(&format!(r#"{{"channelId":"{CHANNEL_ID}"}}"#));
    for event in [unknown, untitled] {
        let record = serde_json::to_value(&event).unwrap();
        assert_eq!(record["body"]["channelId"], "<channel>");
        for shown in [record.to_string(), format!("{event:?}")] {
            assert!(!shown.contains(CHANNEL_ID) && shown.contains("<channel>"), "{shown}");
        }
    }
    for text in [
        fixture!("system-no-longer-subscribed"),
        fixture!("system-token-revoked"),
    ] {
        assert!(!format!("{:?}", hear(text)).contains(CHANNEL_ID));
    }
}

#[test]
fn repetitions_have_equal_fingerprints_and_bodies_can_be_dropped() {
    let options = Options::new(1);
    let other = Options {
        connection: 2,
        bodies: KeepBody::Drop,
        ..options.clone()
    };
    let print = |options: &Options, text: &str| {
        let mut heard = Vec::new();
        Notifications::new(options.clone()).on_text(text, now().into(), &mut heard);
        match heard.remove(0) {
            Heard::Event(event) => (event.fingerprint, event.body.is_some()),
            other => panic!("{other:?}"),
        }
    };
    let a = r#"{"topicName":"v2.a","version":"2","eventBody":{"x":1}}"#;
    let again = r#"{"eventBody":{"x":1},"topicName":"v2.a","metadata":{"CorrelationId":"other"}}"#;
    assert_eq!(print(&options, a).0, print(&other, again).0);
    assert_eq!((print(&options, a).1, print(&other, a).1), (true, false));
    assert_ne!(print(&options, a).0, print(&options, &a.replace("v2.a", "v2.b")).0);
    assert_ne!(print(&options, a).0, print(&options, &a.replace(":1", ":2")).0);
}
