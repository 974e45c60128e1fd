//! Conversations of all topics: golden facts, odd types, stamps.
//!
//! In: fixtures, short frames · Out: verdicts · Thread: the test's own.

use std::cmp::Reverse;

use super::*;

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

    let Facts::ConversationUpdate(update) = event.facts else {
        panic!()
    };
    let facts = update.facts();
    assert_eq!(facts.id, Id::new(CALL));
    assert_eq!(facts.participants.len(), 2);
    let at = moment("2026-05-04T14:05:04.500Z");
    let stamped = |value| {
        Some(Stamped {
            at,
            value: Reverse(value),
        })
    };
    let queue = Some(Stamped { at, value: Id::new(Q) });
    assert_eq!(
        facts.participants[1],
        Participant {
            id: Id::new(ACD),
            connected: Some(at),
            ended: None,
            after_call_work: Vec::new(),
            purpose: Some(Stamped {
                at,
                value: Purpose::Acd
            }),
            queue: queue.clone(),
            user: None,
            wrapup_expected: stamped(false),
            wrapup_required: stamped(false),
            wrapups: Wrapups::default(),
            listens_in: stamped(false),
            communications: vec![Communication {
                kind: MediaKind::Voice,
                id: Id::new("0a93101a-f7f4-50f8-8121-7d9be44b0dca"),
                connected: Some(at),
                disconnected: None,
                state: Some(Stamped {
                    at,
                    value: CommunicationState::Connected
                }),
                queue: queue.clone(),
                oldest_queue: queue,
                scheduled: None,
                disconnect: None,
                acw_required: None,
                acw_state: None,
                acw_started: None,
                acw_ended: None,
                wrapup_coded: false,
                hold_started: None,
                hold_over: None,
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
    assert_eq!(
        value(&agent.communications[0].state),
        Some(CommunicationState::Alerting)
    );
    assert_eq!(value(&agent.communications[0].acw_required), Some(Reverse(true)));
    assert_eq!(value(&agent.wrapup_required), Some(Reverse(true)));

    let missed = conversation(fixture!("queue-conversation-3-no-answer-requeue"));
    let first = part(&missed, AGENT_1);
    assert_eq!(first.ended, Some(moment("2026-05-04T14:05:24Z")));
    assert_eq!(value(&first.communications[0].disconnect), Some(DisconnectKind::Plain));
    assert_eq!(
        first.communications[0].disconnected,
        Some(moment("2026-05-04T14:05:24Z"))
    );
    assert_eq!(
        part(&missed, AGENT_2).communications[0].state.unwrap().at,
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
    let communication = &part(&held, AGENT_2).communications[0];
    let holding = held
        .participants
        .iter()
        .flat_map(|p| &p.communications)
        .find(|m| m.hold_started.is_some())
        .unwrap();
    assert_eq!(holding.hold_over, None);
    assert_eq!(communication.kind, MediaKind::Voice);

    let acw = conversation(fixture!("queue-conversation-6-acw"));
    let agent = part(&acw, AGENT_2);
    let at = moment("2026-05-04T14:10:00Z");
    assert_eq!(
        agent.after_call_work,
        [AfterCallWork {
            started: Some(at),
            ended: None
        }]
    );
    assert_eq!(
        agent.communications[0].acw_state,
        Some(Stamped {
            at,
            value: AcwState::Pending
        })
    );
    assert_eq!(
        value(&agent.communications[0].state),
        Some(CommunicationState::Disconnected)
    );
    assert!(agent.wrapups.is_empty());

    let done = conversation(fixture!("queue-conversation-7-wrapped-up"));
    let agent = part(&done, AGENT_2);
    assert_eq!(agent.wrapups.timed.len(), 1);
    assert!(agent.after_call_work[0].ended.is_some());
    assert_eq!(value(&agent.communications[0].acw_state), Some(AcwState::Complete));

    let abandoned = conversation(fixture!("queue-conversation-8-abandoned"));
    assert!(
        abandoned
            .participants
            .iter()
            .all(|p| p.ended == Some(moment("2026-05-04T14:12:44Z")))
    );
    assert_eq!(
        value(&abandoned.participants[1].communications[0].state),
        Some(CommunicationState::Terminated)
    );
}

#[test]
fn other_media_in_the_general_topic() {
    let text = fixture!("queue-conversation-callback");
    let callback = conversation(text);
    let communication = &callback.participants[0].communications[0];
    assert_eq!(communication.kind, MediaKind::Callback);
    // The only time in it is planned: it stamps nothing, and is later than now.
    let state = communication.state.unwrap();
    assert_eq!(
        (state.at, state.value),
        (Moment::from_epoch_ms(i64::MIN), CommunicationState::Scheduled)
    );
    assert_eq!(event(text).event_time, None);

    let email = conversation(fixture!("queue-conversation-email"));
    assert_eq!(email.participants[0].communications[0].kind, MediaKind::Email);

    let message = conversation(fixture!("queue-conversation-message"));
    assert_eq!(message.participants[1].communications[0].kind, MediaKind::Message);
    assert_eq!(
        value(&message.participants[1].communications[0].state),
        Some(CommunicationState::Alerting)
    );

    let everything = participant(
        r#""chats":[{"id":"1"}],"cobrowsesessions":[{"id":"2"}],"internalMessages":[{"id":"3"}],"screenMonitorings":[{"id":"4"}],
           "screenshares":[{"id":"5"}],"socialExpressions":[{"id":"6"}],"videos":[{"id":"7"}]"#,
    );
    let kinds: Vec<MediaKind> = everything.communications.iter().map(|m| m.kind).collect();
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
    let Facts::ConversationUpdate(update) = event.facts else {
        panic!()
    };
    let facts = update.facts();
    let agent = part(&facts, AGENT_1);
    assert_eq!(value(&agent.user), Some(Id::new(USER_1)));
    assert_eq!(value(&agent.queue), Some(Id::new(Q)));
    // `startTime` of the alert is the newest time.
    let at = moment("2026-05-04T14:05:09Z");
    let queue = Some(Stamped { at, value: Id::new(Q) });
    assert_eq!(
        agent.communications,
        [Communication {
            kind: MediaKind::Voice,
            id: Id::new(AGENT_1),
            connected: None,
            disconnected: None,
            state: Some(Stamped {
                at,
                value: CommunicationState::Alerting
            }),
            queue: queue.clone(),
            oldest_queue: queue,
            scheduled: None,
            disconnect: None,
            acw_required: None,
            acw_state: None,
            acw_started: None,
            acw_ended: None,
            wrapup_coded: false,
            hold_started: None,
            hold_over: None,
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
    let Facts::ConversationUpdate(update) = &event.facts else {
        panic!()
    };
    let facts = update.facts();
    let communication = &facts.participants[0].communications[0];
    assert_eq!(
        (communication.kind, &communication.id),
        (MediaKind::Email, &Id::new("p"))
    );
    assert_eq!(communication.disconnected, Some(moment("2026-05-04T14:01:00Z")));
    assert_eq!(value(&communication.disconnect), Some(DisconnectKind::Transfer));
    assert_eq!(communication.hold_started, None, "nobody holds what is over");
}

#[test]
fn the_queue_of_a_communication_is_the_participants_while_it_is_open() {
    for (state, is_open) in [
        ("connected", true),
        ("alerting", true),
        ("parked", true),
        ("disconnected", false),
        ("terminated", false),
    ] {
        let read = participant(&format!(
            r#""queueId":"q","calls":[{{"id":"m","state":"{state}","connectedTime":"2026-05-04T14:00:00Z"}}]"#
        ));
        let queue = |of: &Option<Stamped<Id>>| of.as_ref().map(|queue| (queue.at, queue.value.clone()));
        let told = Some((moment("2026-05-04T14:00:00Z"), Id::new("q")));
        let call = &read.communications[0];
        assert_eq!(queue(&call.queue), told.clone().filter(|_| is_open), "{state}");
        assert_eq!(queue(&call.oldest_queue), told, "{state}");
    }
}

#[test]
fn a_callback_was_scheduled_at_the_newest_time_of_the_event_that_shows_it() {
    let at = "2026-05-04T14:00:00Z";
    let scheduled = |state: &str, list: &str| {
        let read = participant(&format!(
            r#""endTime":"{at}","{list}":[{{"id":"m","state":"{state}","callbackScheduledTime":"2026-05-05T00:00:00Z"}}]"#
        ));
        read.communications[0].scheduled
    };
    assert_eq!(scheduled("scheduled", "callbacks"), Some(moment(at)));
    assert_eq!(scheduled("connected", "callbacks"), None);
    assert_eq!(scheduled("scheduled", "calls"), None);
}

#[test]
fn after_call_work_of_a_communication_has_times_of_its_own() {
    let (from, to) = ("2026-05-04T14:00:00Z", "2026-05-04T14:00:30Z");
    let read = participant(&format!(
        r#""calls":[{{"id":"m","afterCallWork":{{"state":"complete","startTime":"{from}","endTime":"{to}"}}}}]"#
    ));
    let call = &read.communications[0];
    assert_eq!(
        (call.acw_started, call.acw_ended),
        (Some(moment(from)), Some(moment(to)))
    );
    assert!(read.after_call_work.is_empty());
}

#[test]
fn a_call_that_is_not_held_has_no_hold() {
    let hold = |fields: &str| {
        let read = participant(&format!(
            r#""calls":[{{"id":"m","startHoldTime":"2026-05-04T14:00:00Z",{fields}}}]"#
        ));
        read.communications[0].hold_started
    };
    let at = Some(moment("2026-05-04T14:00:00Z"));
    assert_eq!(hold(r#""held":true"#), at);
    assert_eq!(hold(r#""state":"connected""#), at);
    assert_eq!(hold(r#""held":false"#), None);
}

#[test]
fn users_conversations() {
    let event = event(fixture!("user-conversation"));
    assert_eq!(event.kind, EventKind::UserConversation);
    assert_eq!(event.user_id, Some(Id::new(USER_1)));
    assert_eq!(event.queue_id, Some(Id::new(Q)));
    assert_eq!(event.conversation_id, Some(Id::new(CALL)));
    let Facts::ConversationUpdate(update) = event.facts else {
        panic!()
    };
    let facts = update.facts();
    assert_eq!(part(&facts, AGENT_1).connected, Some(moment("2026-05-04T14:05:30Z")));
}

#[test]
fn every_field_for_queue_user_wrap_up_code_and_listening() {
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

    let wrapups = |fields: &str| participant(fields).wrapups;
    let end = "2026-05-04T14:00:00Z";
    assert_eq!(
        wrapups(&format!(r#""wrapup":{{"code":"x","endTime":"{end}"}}"#)),
        Wrapups {
            timed: vec![moment(end)],
            untimed: None
        }
    );
    assert_eq!(
        wrapups(&format!(r#""wrapup":{{"code":"x"}},"endTime":"{end}""#)),
        Wrapups {
            timed: Vec::new(),
            untimed: Some(moment(end))
        }
    );
    for none in [r#""wrapup":{"code":"","notes":"n"}"#, r#""wrapup":null"#] {
        assert!(wrapups(none).is_empty(), "{none}");
    }
    let of_call = participant(r#""calls":[{"id":"1","wrapup":{"code":"x"}},{"id":"2"}]"#);
    assert!(of_call.wrapups.is_empty() && of_call.communications[0].wrapup_coded);
    assert!(!of_call.communications[1].wrapup_coded);

    let listens = |fields: &str| value(&participant(fields).listens_in);
    for field in [
        "monitoredParticipantId",
        "coachedParticipantId",
        "bargedParticipantId",
        "screenMonitoredParticipantId",
    ] {
        assert_eq!(listens(&format!(r#""{field}":"x""#)), Some(Reverse(true)), "{field}");
        assert_eq!(listens(&format!(r#""{field}":null"#)), Some(Reverse(false)), "{field}");
    }
    assert_eq!(listens(r#""consultParticipantId":"x""#), Some(Reverse(false)));
}

#[test]
fn null_is_absent_and_a_field_of_the_wrong_type_is_ignored() {
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
        (
            mixed.communications.len(),
            mixed.communications[0].state,
            mixed.communications[0].connected
        ),
        (1, None, None)
    );
    // Without an id of its own a communication has its participant's.
    assert_eq!(
        participant(r#""calls":[{"state":"connected"}]"#).communications[0].id,
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
            let Facts::ConversationUpdate(update) = event.facts else {
                panic!()
            };
            let facts = update.facts();
            assert!(facts.participants.is_empty());
        }
    }
}

#[test]
fn planned_times_and_times_in_attributes_are_no_stamps() {
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
fn escapes_are_decoded_and_bodies_are_kept_verbatim() {
    let body = r#"{"id":"caf\u00e9", "participants":[{"id":"p\n","name":"\"\\ \u00e9","purpose":"\u0061cd"}]}"#;
    let event = event(&frame(body));
    assert_eq!(event.body.as_deref(), Some(body));
    assert_eq!(event.conversation_id, Some(Id::new("café")));
    let Facts::ConversationUpdate(update) = event.facts else {
        panic!()
    };
    let facts = update.facts();
    assert_eq!(facts.participants[0].id, Id::new("p\n"));
    assert_eq!(value(&facts.participants[0].purpose), Some(Purpose::Acd));
    let topic = self::event(r#"{"topicName":"v2.users.\u0055.presence","eventBody":{}}"#);
    assert_eq!(
        (topic.kind, &*topic.topic),
        (EventKind::UserPresence, "v2.users.U.presence")
    );
}
