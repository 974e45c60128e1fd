use super::*;
use crate::facts::*;
use crate::protocol::KeepBody;
use proptest::prelude::*;

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
        include_str!(concat!("../../../tests/fixtures/ws-", $name, ".json"))
    };
}

fn moment(text: &str) -> Moment {
    Moment::parse(text).unwrap()
}

fn now() -> Moment {
    moment("2026-05-04T15:00:00.000Z")
}

fn machine() -> Notifications {
    Notifications::new(Options::new(7), Secret::new(CHANNEL_ID))
}

fn hear(text: &str) -> Vec<Heard> {
    let mut heard = Vec::new();
    machine().on_text(text, now(), &mut heard);
    heard
}

fn one(text: &str) -> Heard {
    let mut heard = hear(text);
    assert_eq!(heard.len(), 1, "{heard:?}");
    heard.remove(0)
}

fn event(text: &str) -> Event {
    match one(text) {
        Heard::Event(event) => *event,
        other => panic!("{other:?}"),
    }
}

fn conversation(text: &str) -> ConversationFacts {
    match event(text).facts {
        Facts::Conversation(facts) => *facts,
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
    assert!(matches!(one(fixture!("pong")), Heard::Alive));
    assert!(matches!(one(fixture!("subscribe-ack")), Heard::Alive));
    assert!(matches!(one(fixture!("system-socket-closing")), Heard::SocketClosing));
    assert!(matches!(one(fixture!("system-token-revoked")), Heard::TokenRevoked));
    assert!(matches!(one(fixture!("error-404")), Heard::ChannelGone));
    assert!(matches!(one(r#"{"result":404}"#), Heard::ChannelGone));
    assert!(matches!(one(r#"{"result":200,"status":"subscribed"}"#), Heard::Alive));
    assert!(matches!(one(r#"{"message":"pong"}"#), Heard::Alive));
    assert!(matches!(
        one(r#"{"topicName":"v2.subscription.updated","eventBody":{}}"#),
        Heard::Alive
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
fn what_is_no_frame_is_malformed_and_not_shown() {
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
    assert_eq!(&*unknown.topic, "v2.x.<channel>");
    assert_eq!(unknown.body.as_deref(), Some(r#"{"channelId":"<channel>"}"#));
    let untitled = event(&format!(r#"{{"channelId":"{CHANNEL_ID}"}}"#));
    assert_eq!(untitled.body.as_deref(), Some(r#"{"channelId":"<channel>"}"#));
    for text in [
        fixture!("system-no-longer-subscribed"),
        fixture!("system-token-revoked"),
    ] {
        assert!(!format!("{:?}", hear(text)).contains(CHANNEL_ID));
    }
}

#[test]
fn a_waiting_conversation_in_every_field() {
    let text = fixture!("queue-conversation-1-waiting");
    let event = event(text);
    assert_eq!(event.kind, EventKind::QueueConversation);
    assert_eq!(&*event.topic, format!("v2.routing.queues.{Q}.conversations"));
    assert_eq!((event.connection, event.protocol), (7, Protocol::Notifications));
    assert_eq!(event.received_at, now());
    assert_eq!(event.conversation_id, Some(Id::new(CALL)));
    assert_eq!(event.queue_id, Some(Id::new(Q)));
    assert_eq!(event.user_id, None);
    assert_eq!(event.event_time, Some(moment("2026-05-04T14:05:04.500Z")));
    assert_eq!(event.latency_ms(), Some(3_295_500));
    let body = event.body.unwrap();
    assert!(text.contains(&*body) && body.starts_with('{') && body.ends_with('}'));

    let Facts::Conversation(facts) = event.facts else {
        panic!()
    };
    assert_eq!(facts.id, Id::new(CALL));
    assert_eq!(facts.participants.len(), 2);
    let at = moment("2026-05-04T14:05:04.500Z");
    let stamped = |value| Some(Stamped { at, value });
    let queue = Some(Stamped { at, value: Id::new(Q) });
    assert_eq!(
        facts.participants[1],
        Participant {
            id: Id::new(ACD),
            connected: Some(at),
            ended: None,
            acw_started: None,
            acw_ended: None,
            purpose: Some(Stamped {
                at,
                value: Purpose::Acd
            }),
            queue,
            user: None,
            wrapup_expected: stamped(false),
            wrapup_required: stamped(false),
            wrapup_coded: false,
            listens_in: false,
            media: vec![Medium {
                kind: MediaKind::Voice,
                id: Id::new("0a93101a-f7f4-50f8-8121-7d9be44b0dca"),
                connected: Some(at),
                disconnected: None,
                state: Some(Stamped {
                    at,
                    value: MediumState::Connected
                }),
                disconnect: None,
                acw_required: None,
                acw_state: None,
                hold_started: None,
                held: stamped(false),
            }],
        }
    );
    let customer = part(&facts, CUSTOMER);
    assert_eq!(value(&customer.purpose), Some(Purpose::Customer));
    assert_eq!(customer.connected, Some(moment("2026-05-04T14:05:00.100Z")));
    assert_eq!(customer.ended, None);
}

#[test]
fn a_call_from_alert_to_wrap_up() {
    let alerting = conversation(fixture!("queue-conversation-2-alerting"));
    let agent = part(&alerting, AGENT_1);
    assert_eq!(value(&agent.purpose), Some(Purpose::Agent));
    assert_eq!(value(&agent.user), Some(Id::new(USER_1)));
    assert_eq!((agent.connected, agent.ended), (None, None));
    assert_eq!(value(&agent.media[0].state), Some(MediumState::Alerting));
    assert_eq!(value(&agent.media[0].acw_required), Some(true));
    assert_eq!(value(&agent.wrapup_required), Some(true));

    let missed = conversation(fixture!("queue-conversation-3-no-answer-requeue"));
    let first = part(&missed, AGENT_1);
    assert_eq!(first.ended, Some(moment("2026-05-04T14:05:24Z")));
    assert_eq!(value(&first.media[0].disconnect), Some(DisconnectKind::Plain));
    assert_eq!(first.media[0].disconnected, Some(moment("2026-05-04T14:05:24Z")));
    assert_eq!(
        part(&missed, AGENT_2).media[0].state.unwrap().at,
        moment("2026-05-04T14:05:24Z")
    );

    let connected = conversation(fixture!("queue-conversation-4-connected"));
    assert_eq!(
        part(&connected, AGENT_2).connected,
        Some(moment("2026-05-04T14:05:30Z"))
    );
    assert_eq!(value(&part(&connected, AGENT_2).user), Some(Id::new(USER_2)));
    assert_eq!(part(&connected, ACD).ended, Some(moment("2026-05-04T14:05:30Z")));

    let held = conversation(fixture!("queue-conversation-5-held"));
    let medium = &part(&held, AGENT_2).media[0];
    let holding = held
        .participants
        .iter()
        .flat_map(|p| &p.media)
        .find(|m| value(&m.held) == Some(true))
        .unwrap();
    assert!(value(&holding.hold_started).is_some());
    assert_eq!(holding.hold_started.unwrap().at, holding.held.unwrap().at);
    assert_eq!(medium.kind, MediaKind::Voice);

    let acw = conversation(fixture!("queue-conversation-6-acw"));
    let agent = part(&acw, AGENT_2);
    let at = moment("2026-05-04T14:10:00Z");
    assert_eq!((agent.acw_started, agent.acw_ended), (Some(at), None));
    assert_eq!(
        agent.media[0].acw_state,
        Some(Stamped {
            at,
            value: AcwState::Pending
        })
    );
    assert_eq!(value(&agent.media[0].state), Some(MediumState::Disconnected));
    assert!(!agent.wrapup_coded);

    let done = conversation(fixture!("queue-conversation-7-wrapped-up"));
    let agent = part(&done, AGENT_2);
    assert!(agent.wrapup_coded);
    assert!(agent.acw_ended.is_some());
    assert_eq!(value(&agent.media[0].acw_state), Some(AcwState::Complete));

    let abandoned = conversation(fixture!("queue-conversation-8-abandoned"));
    assert!(
        abandoned
            .participants
            .iter()
            .all(|p| p.ended == Some(moment("2026-05-04T14:12:44Z")))
    );
    assert_eq!(
        value(&abandoned.participants[1].media[0].state),
        Some(MediumState::Terminated)
    );
}

#[test]
fn other_media_in_the_general_topic() {
    let text = fixture!("queue-conversation-callback");
    let callback = conversation(text);
    let medium = &callback.participants[0].media[0];
    assert_eq!(medium.kind, MediaKind::Callback);
    // The only time in it is planned: it stamps nothing, and is later than now.
    let state = medium.state.unwrap();
    assert_eq!(
        (state.at, state.value),
        (Moment::from_epoch_ms(i64::MIN), MediumState::Waiting)
    );
    assert_eq!(event(text).event_time, None);

    let email = conversation(fixture!("queue-conversation-email"));
    assert_eq!(email.participants[0].media[0].kind, MediaKind::Email);

    let message = conversation(fixture!("queue-conversation-message"));
    assert_eq!(message.participants[1].media[0].kind, MediaKind::Message);
    assert_eq!(
        value(&message.participants[1].media[0].state),
        Some(MediumState::Alerting)
    );

    let everything = participant(
        r#""chats":[{"id":"1"}],"cobrowsesessions":[{"id":"2"}],"internalMessages":[{"id":"3"}],"screenMonitorings":[{"id":"4"}],
           "screenshares":[{"id":"5"}],"socialExpressions":[{"id":"6"}],"videos":[{"id":"7"}]"#,
    );
    let kinds: Vec<MediaKind> = everything.media.iter().map(|m| m.kind).collect();
    use MediaKind::{Chat, Other, Video};
    assert_eq!(kinds, [Chat, Other, Other, Other, Other, Other, Video]);
}

#[test]
fn a_topic_of_one_medium_has_flat_participants() {
    let event = event(fixture!("queue-conversation-calls"));
    assert_eq!(event.kind, EventKind::QueueConversation);
    assert_eq!(
        (event.conversation_id, event.queue_id),
        (Some(Id::new(CALL)), Some(Id::new(Q)))
    );
    let Facts::Conversation(facts) = event.facts else {
        panic!()
    };
    let agent = part(&facts, AGENT_1);
    assert_eq!(value(&agent.user), Some(Id::new(USER_1)));
    assert_eq!(value(&agent.queue), Some(Id::new(Q)));
    // `startTime` of the alert is the newest time.
    let at = moment("2026-05-04T14:05:09Z");
    assert_eq!(
        agent.media,
        [Medium {
            kind: MediaKind::Voice,
            id: Id::new(AGENT_1),
            connected: None,
            disconnected: None,
            state: Some(Stamped {
                at,
                value: MediumState::Alerting
            }),
            disconnect: None,
            acw_required: None,
            acw_state: None,
            hold_started: None,
            held: Some(Stamped { at, value: false }),
        }]
    );
    let ended = hear(&format!(
        r#"{{"topicName":"v2.users.{USER_1}.conversations.emails","eventBody":{{"id":"c","participants":[
            {{"id":"p","state":"disconnected","disconnectType":"transfer","held":true,"startHoldTime":"2026-05-04T14:00:00Z",
             "connectedTime":"2026-05-04T13:00:00Z","endTime":"2026-05-04T14:01:00Z","queue":{{"id":"q"}}}}]}}}}"#
    ));
    let [Heard::Event(event)] = &ended[..] else {
        panic!("{ended:?}")
    };
    assert_eq!(
        (event.kind, &event.queue_id),
        (EventKind::UserConversation, &Some(Id::new("q")))
    );
    let Facts::Conversation(facts) = &event.facts else {
        panic!()
    };
    let medium = &facts.participants[0].media[0];
    assert_eq!((medium.kind, &medium.id), (MediaKind::Email, &Id::new("p")));
    assert_eq!(medium.disconnected, Some(moment("2026-05-04T14:01:00Z")));
    assert_eq!(value(&medium.disconnect), Some(DisconnectKind::Transfer));
    assert_eq!(value(&medium.hold_started), Some(moment("2026-05-04T14:00:00Z")));
}

#[test]
fn users_conversations() {
    let event = event(fixture!("user-conversation"));
    assert_eq!(event.kind, EventKind::UserConversation);
    assert_eq!(event.user_id, Some(Id::new(USER_1)));
    assert_eq!(event.queue_id, Some(Id::new(Q)));
    assert_eq!(event.conversation_id, Some(Id::new(CALL)));
    let Facts::Conversation(facts) = event.facts else {
        panic!()
    };
    assert_eq!(part(&facts, AGENT_1).connected, Some(moment("2026-05-04T14:05:30Z")));
}

#[test]
fn where_queue_user_code_and_listening_come_from() {
    let queue = |fields: &str| value(&participant(fields).queue);
    let all = r#""queueId":"a","conversationRoutingData":{"queue":{"id":"b"}},"queue":{"id":"c"}"#;
    assert_eq!(queue(all), Some(Id::new("a")));
    assert_eq!(queue(&all.replace("\"a\"", "null")), Some(Id::new("b")));
    assert_eq!(queue(&all.replace("\"a\"", "\"\"")), Some(Id::new("b")));
    assert_eq!(
        queue(&all.replace("\"a\"", "7").replace("{\"id\":\"b\"}", "[]")),
        Some(Id::new("c"))
    );
    assert_eq!(value(&participant(r#""user":{"id":"u"}"#).user), Some(Id::new("u")));
    assert_eq!(
        value(&participant(r#""userId":"v","user":{"id":"u"}"#).user),
        Some(Id::new("v"))
    );

    assert!(participant(r#""wrapup":{"code":"x"}"#).wrapup_coded);
    assert!(participant(r#""calls":[{"id":"1","wrapup":{"code":"x"}}]"#).wrapup_coded);
    assert!(!participant(r#""wrapup":{"code":"","notes":"n"}"#).wrapup_coded);
    assert!(!participant(r#""wrapup":null"#).wrapup_coded);

    for field in [
        "monitoredParticipantId",
        "coachedParticipantId",
        "bargedParticipantId",
        "screenMonitoredParticipantId",
    ] {
        assert!(participant(&format!(r#""{field}":"x""#)).listens_in);
        assert!(!participant(&format!(r#""{field}":null"#)).listens_in);
    }
    assert!(!participant(r#""consultParticipantId":"x""#).listens_in);
}

#[test]
fn null_is_absent_and_a_wrong_type_loses_its_field_only() {
    let bare = participant(r#""new":1"#);
    let names = [
        "connectedTime",
        "endTime",
        "startAcwTime",
        "endAcwTime",
        "purpose",
        "queueId",
        "userId",
        "wrapupExpected",
        "wrapupRequired",
        "wrapup",
        "conversationRoutingData",
        "queue",
        "user",
        "calls",
        "messages",
        "attributes",
        "monitoredParticipantId",
        "coachedParticipantId",
        "startTime",
        "afterCallWork",
    ];
    let with = |value: &str| {
        let fields: Vec<String> = names.iter().map(|name| format!("\"{name}\":{value}")).collect();
        participant(&fields.join(","))
    };
    assert_eq!(with("null"), bare);
    assert_eq!(with("17"), bare);
    assert_eq!(with("{}"), bare);
    assert_eq!(with("[]"), bare);
    assert_eq!(with("[7,null,[]]"), bare);
    assert_eq!(with("1.5e3"), bare);

    let mixed = participant(
        r#""connectedTime":[],"endTime":"2026-05-04T14:00:00Z","calls":[7,{"id":"m","state":9,"held":"no","connectedTime":"soon"}]"#,
    );
    assert_eq!(
        (mixed.connected, mixed.ended),
        (None, Some(moment("2026-05-04T14:00:00Z")))
    );
    assert_eq!(
        (mixed.media.len(), mixed.media[0].state, mixed.media[0].connected),
        (1, None, None)
    );
    // Without an id of its own a medium has its participant's.
    assert_eq!(
        participant(r#""calls":[{"state":"connected"}]"#).media[0].id,
        Id::new("p")
    );
}

#[test]
fn participants_must_be_a_list_of_objects() {
    for (body, ok) in [
        (r#"{"id":"c"}"#, true),
        (r#"{"id":"c","participants":null}"#, true),
        (r#"{"id":"c","participants":[]}"#, true),
        (r#"{"id":"c","participants":[{}]}"#, true),
        (r#"{"id":"c","participants":{}}"#, false),
        (r#"{"id":"c","participants":"x"}"#, false),
        (r#"{"id":"c","participants":[{"id":"p"},7]}"#, false),
        (r#"{"id":"c","participants":[null]}"#, false),
        (r#"{"participants":[]}"#, false),
        (r#"{"id":7,"participants":[]}"#, false),
        (r#"{"id":"","participants":[]}"#, false),
        ("[]", false),
        (r#"["c",[]]"#, false),
        ("null", false),
    ] {
        let heard = one(&frame(body));
        assert_eq!(matches!(heard, Heard::Event(_)), ok, "{body}: {heard:?}");
        assert_eq!(matches!(heard, Heard::Malformed(_)), !ok, "{body}: {heard:?}");
        if let Heard::Event(event) = heard {
            let Facts::Conversation(facts) = event.facts else {
                panic!()
            };
            assert!(facts.participants.is_empty());
        }
    }
}

#[test]
fn stamps_go_by_what_happened_not_by_what_is_planned_or_written() {
    let stamp = |fields: &str| {
        participant(&format!(r#""purpose":"agent",{fields}"#))
            .purpose
            .unwrap()
            .at
    };
    let none = Moment::from_epoch_ms(i64::MIN);
    let at = "2026-05-04T14:00:00.000Z";
    for field in [
        "connectedTime",
        "endTime",
        "startAcwTime",
        "endAcwTime",
        "startTime",
        "startHoldTime",
    ] {
        assert_eq!(stamp(&format!(r#""{field}":"{at}""#)), moment(at), "{field}");
    }
    assert_eq!(stamp(&format!(r#""wrapup":{{"endTime":"{at}"}}"#)), moment(at));
    for field in ["connectedTime", "disconnectedTime", "startHoldTime"] {
        assert_eq!(
            stamp(&format!(r#""videos":[{{"id":"m"}},{{"id":"n","{field}":"{at}"}}]"#)),
            moment(at),
            "{field}"
        );
    }
    assert_eq!(
        stamp(&format!(r#""calls":[{{"afterCallWork":{{"startTime":"{at}"}}}}]"#)),
        moment(at)
    );
    assert_eq!(
        stamp(&format!(r#""calls":[{{"afterCallWork":{{"endTime":"{at}"}}}}]"#)),
        moment(at)
    );
    assert_eq!(stamp(&format!(r#""attributes":{{"connectedTime":"{at}"}}"#)), none);
    assert_eq!(
        stamp(&format!(r#""callbacks":[{{"callbackScheduledTime":"{at}"}}]"#)),
        none
    );
    assert_eq!(stamp(&format!(r#""emails":[{{"resumeTime":"{at}"}}]"#)), none);
    let facts = conversation(&frame(&format!(
        r#"{{"id":"c","participants":[{{"id":"a","purpose":"acd"}},{{"id":"b","endTime":"{at}"}}]}}"#
    )));
    assert_eq!(facts.participants[0].purpose.unwrap().at, moment(at));
}

#[test]
fn escapes_are_read_and_bodies_stay_verbatim() {
    let body = r#"{"id":"caf\u00e9", "participants":[{"id":"p\n","name":"\"\\ \u00e9","purpose":"\u0061cd"}]}"#;
    let event = event(&frame(body));
    assert_eq!(event.body.as_deref(), Some(body));
    assert_eq!(event.conversation_id, Some(Id::new("café")));
    let Facts::Conversation(facts) = event.facts else {
        panic!()
    };
    assert_eq!(facts.participants[0].id, Id::new("p\n"));
    assert_eq!(value(&facts.participants[0].purpose), Some(Purpose::Acd));
    let topic = self::event(r#"{"topicName":"v2.users.\u0055.presence","eventBody":{}}"#);
    assert_eq!(
        (topic.kind, &*topic.topic),
        (EventKind::UserPresence, "v2.users.U.presence")
    );
}

#[test]
fn fingerprints_tell_repetitions_apart_and_bodies_can_be_dropped() {
    let options = Options::new(1);
    let other = Options {
        connection: 2,
        bodies: KeepBody::Drop,
        ..options.clone()
    };
    let print = |options: &Options, text: &str| {
        let mut heard = Vec::new();
        Notifications::new(options.clone(), Secret::new("")).on_text(text, now(), &mut heard);
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

#[test]
fn observations_by_group_interval_metric_and_qualifier() {
    let event = event(fixture!("analytics-queue-observations"));
    assert_eq!(
        (event.kind, event.queue_id),
        (EventKind::QueueObservation, Some(Id::new(Q)))
    );
    // An interval is no time.
    assert_eq!(event.event_time, None);
    let Facts::Observations(facts) = event.facts else {
        panic!()
    };
    assert_eq!(facts.queue, Id::new(Q));
    assert_eq!(facts.rows.len(), 5);
    let interval = Some((moment("2026-05-04T14:00:00Z"), moment("2026-05-04T14:30:00Z")));
    let row = |metric: &str| facts.rows.iter().find(|row| &*row.metric == metric).unwrap();
    let answered = row("tAnswered");
    assert_eq!(
        (answered.media, answered.interval, &answered.qualifier),
        (Some(MediaKind::Voice), interval, &None)
    );
    let stats: Vec<(&str, f64)> = answered.stats.iter().map(|(name, value)| (&**name, *value)).collect();
    assert_eq!(
        stats,
        [("count", 9.0), ("max", 31002.0), ("min", 1203.0), ("sum", 84210.0)]
    );
    assert_eq!(row("oServiceLevel").stats["ratio"], 0.8);

    let Facts::Observations(facts) = self::event(fixture!("analytics-queue-observations-users")).facts else {
        panic!()
    };
    assert_eq!((facts.rows.len(), facts.rows[0].media), (4, None));
    assert_eq!(facts.rows[1].qualifier.as_deref(), Some("INTERACTING"));
    assert_eq!(facts.rows[1].stats["count"], 5.0);
}

#[test]
fn activity_and_its_drift() {
    let event = event(fixture!("analytics-queue-activity"));
    assert_eq!(
        (event.kind, event.queue_id),
        (EventKind::QueueActivity, Some(Id::new(Q)))
    );
    let Facts::Observations(facts) = event.facts else {
        panic!()
    };
    let rows: Vec<(&str, Option<MediaKind>, &str, f64)> = facts
        .rows
        .iter()
        .map(|row| {
            let (name, value) = row.stats.iter().next().unwrap();
            (&*row.metric, row.media, &**name, *value)
        })
        .collect();
    let voice = Some(MediaKind::Voice);
    assert_eq!(
        rows,
        [
            ("oWaiting", voice, "count", 3.0),
            ("oInteracting", voice, "count", 5.0),
            ("oAlerting", voice, "count", 1.0),
            ("oLongestWaiting", voice, "calculatedMetricValue", 48211.0),
        ]
    );

    let rows = |body: &str| {
        let text = format!(r#"{{"topicName":"v2.analytics.queues.{Q}.activity","eventBody":{body}}}"#);
        match one(&text) {
            Heard::Event(event) => match event.facts {
                Facts::Observations(facts) => Some(facts.rows.len()),
                other => panic!("{other:?}"),
            },
            Heard::Malformed(_) => None,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        rows(r#"{"group":{"mediaType":"voice"},"data":[{"metric":"oWaiting","stats":{"count":3.0}}]}"#),
        Some(1)
    );
    assert_eq!(
        rows(
            r#"{"results":[{"group":{"mediaType":"voice"},"data":[{"metric":"a","count":1},{"metric":"b"},{"count":1},7]}]}"#
        ),
        Some(1)
    );
    assert_eq!(
        rows(
            r#"{"results":[{"group":{"queueId":"other"},"data":[]},{"group":{"queueId":"another"},"data":[{"metric":"a","count":1}]}]}"#
        ),
        Some(0)
    );
    assert_eq!(
        rows(r#"{"results":[{"data":[{"metric":"a","stats":{"count":"1","sum":2}}]}]}"#),
        Some(1)
    );
    assert_eq!(rows("{}"), Some(0));
    assert_eq!(rows(r#"{"results":null}"#), Some(0));
    assert_eq!(rows(r#"{"results":{}}"#), None);
    assert_eq!(rows(r#"{"data":7}"#), None);
    assert_eq!(rows("[]"), None);
}

#[test]
fn users() {
    let user = |text: &str| match event(text) {
        Event {
            kind,
            user_id,
            event_time,
            facts: Facts::User(facts),
            ..
        } => {
            assert_eq!((user_id, &facts.user), (Some(Id::new(USER_1)), &Id::new(USER_1)));
            (kind, event_time, facts.presence, facts.routing_status)
        }
        other => panic!("{other:?}"),
    };
    let on_queue = Some(("ON_QUEUE".into(), Some(moment("2026-05-04T14:02:11.123Z"))));
    let status = |name: &str, at: &str| Some((name.into(), Some(moment(at))));
    assert_eq!(
        user(fixture!("user-presence")),
        (
            EventKind::UserPresence,
            Some(moment("2026-05-04T14:02:11.123Z")),
            on_queue.clone(),
            None
        )
    );
    assert_eq!(
        user(fixture!("user-routing-status")),
        (
            EventKind::UserRoutingStatus,
            Some(moment("2026-05-04T14:05:32.004Z")),
            None,
            status("INTERACTING", "2026-05-04T14:05:32.004Z")
        )
    );
    assert_eq!(
        user(fixture!("user-activity")),
        (
            EventKind::UserActivity,
            Some(moment("2026-05-04T14:02:11.400Z")),
            on_queue,
            status("IDLE", "2026-05-04T14:02:11.400Z")
        )
    );
    let presence = |body: &str| {
        user(&format!(
            r#"{{"topicName":"v2.users.{USER_1}.presence","eventBody":{body}}}"#
        ))
        .2
    };
    assert_eq!(
        presence(r#"{"presenceDefinition":{"systemPresence":"On Queue"}}"#),
        Some(("ON_QUEUE".into(), None))
    );
    assert_eq!(
        presence(r#"{"primary":false,"presenceDefinition":{"systemPresence":"AWAY"}}"#),
        None
    );
    for body in [
        "{}",
        r#"{"presenceDefinition":null}"#,
        r#"{"presenceDefinition":{"systemPresence":7}}"#,
    ] {
        assert_eq!(presence(body), None);
    }
    assert!(matches!(
        one(r#"{"topicName":"v2.users.U.presence","eventBody":"x"}"#),
        Heard::Malformed(_)
    ));
    assert!(matches!(
        one(r#"{"topicName":"v2.users..presence","eventBody":{}}"#),
        Heard::Malformed(_)
    ));
}

#[test]
fn detail_events() {
    for (text, at, queue, user) in [
        (fixture!("detail-customer-start"), 1_777_903_500_000, None, None),
        (fixture!("detail-acd-start"), 1_777_903_504_400, Some(Q), None),
        (fixture!("detail-user-start"), 1_777_903_525_000, Some(Q), Some(USER_2)),
        (fixture!("detail-acd-end"), 1_777_903_530_000, Some(Q), None),
        (fixture!("detail-user-end"), 1_777_903_800_000, Some(Q), Some(USER_2)),
        (fixture!("detail-customer-end"), 1_777_903_800_000, None, None),
        (fixture!("detail-acw"), 1_777_903_821_000, Some(Q), Some(USER_2)),
    ] {
        let event = event(text);
        assert_eq!(event.kind, EventKind::DetailEvent);
        assert_eq!(event.event_time, Some(Moment::from_epoch_ms(at)), "{}", event.topic);
        assert_eq!(event.conversation_id, Some(Id::new(CALL)));
        assert_eq!((event.queue_id, event.user_id), (queue.map(Id::new), user.map(Id::new)));
        assert_eq!(event.facts, Facts::None);
    }
    let time = |body: &str| {
        event(&format!(
            r#"{{"topicName":"v2.detail.events.conversation.c.acw","eventBody":{body}}}"#
        ))
        .event_time
    };
    assert_eq!(time(r#"{"eventTime":9999999999999}"#), None);
    assert_eq!(time(r#"{"eventTime":"1777903500000"}"#), None);
    assert_eq!(
        time(r#"{"eventTime":1000,"at":"1970-01-01T00:00:02Z"}"#),
        Some(Moment::from_epoch_ms(2000))
    );
}

const FIXTURES: [&str; 8] = [
    fixture!("queue-conversation-4-connected"),
    fixture!("queue-conversation-calls"),
    fixture!("analytics-queue-observations"),
    fixture!("analytics-queue-activity"),
    fixture!("user-activity"),
    fixture!("detail-acd-end"),
    fixture!("system-no-longer-subscribed"),
    fixture!("subscribe-failure"),
];

proptest! {
    #[test]
    fn arbitrary_text_gives_one_verdict(text in "\\PC{0,200}") {
        prop_assert_eq!(hear(&text).len(), 1);
    }

    #[test]
    fn mutated_frames_give_one_verdict(
        which in 0..FIXTURES.len(),
        at in 0.0_f64..1.0,
        cut in 0_usize..40,
        insert in prop_oneof!["[\\[\\]{}\",:0-9tfn\\\\-]{0,6}", "\\PC{0,3}", Just("null".to_owned()), Just("1e999".to_owned())],
    ) {
        let text = FIXTURES[which];
        let at = (text.len() as f64 * at) as usize;
        let mutated = format!("{}{insert}{}", &text[..at], &text[(at + cut).min(text.len())..]);
        prop_assert_eq!(hear(&mutated).len(), 1);
    }

    #[test]
    fn a_value_swapped_for_another_type_never_loses_the_frame_silently(
        which in 0..FIXTURES.len(),
        nth in any::<prop::sample::Index>(),
        with in prop::sample::select(vec!["null", "true", "17", "-0.5", "\"x\"", "[]", "{}", "[{}]"]),
    ) {
        let mut tree: serde_json::Value = serde_json::from_str(FIXTURES[which]).unwrap();
        let mut pointers = Vec::new();
        collect_pointers(&tree, String::new(), &mut pointers);
        *tree.pointer_mut(&pointers[nth.index(pointers.len())]).unwrap() = serde_json::from_str(with).unwrap();
        prop_assert_eq!(hear(&tree.to_string()).len(), 1);
    }
}

fn collect_pointers(value: &serde_json::Value, path: String, into: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                collect_pointers(value, format!("{path}/{key}"), into);
            }
        }
        serde_json::Value::Array(list) => {
            for (at, value) in list.iter().enumerate() {
                collect_pointers(value, format!("{path}/{at}"), into);
            }
        }
        _ => {}
    }
    into.push(path);
}
