//! Observations, activity, users and detail events.
//!
//! In: fixtures, short frames · Out: verdicts · Thread: the test's own.

use super::*;

#[test]
fn observations_by_group_interval_metric_and_qualifier() {
    let event = event(fixture!("analytics-queue-observations"));
    assert_eq!(
        (event.kind, event.queue_id),
        (EventKind::QueueObservation, Some(Id::new(Q)))
    );
    // An interval does not count as a time.
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
    let stats: Vec<(&str, f64)> = answered.stats.iter().collect();
    assert_eq!(
        stats,
        [("count", 9.0), ("max", 31002.0), ("min", 1203.0), ("sum", 84210.0)]
    );
    assert_eq!(row("oServiceLevel").stats.get("ratio"), Some(0.8));

    let Facts::Observations(facts) = self::event(fixture!("analytics-queue-observations-users")).facts else {
        panic!()
    };
    assert_eq!((facts.rows.len(), facts.rows[0].media), (4, None));
    assert_eq!(facts.rows[1].qualifier.as_deref(), Some("INTERACTING"));
    assert_eq!(facts.rows[1].stats.get("count"), Some(5.0));
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
            (&*row.metric, row.media, name, value)
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

#[test]
fn what_cannot_be_read_is_counted() {
    let in_topic = |topic: &str, body: &str| {
        let text = format!(r#"{{"topicName":"{topic}","eventBody":{body}}}"#);
        event(&text).unreadable
    };
    let observations = format!("v2.analytics.queues.{Q}.observations");
    let presence = format!("v2.users.{USER_1}.presence");
    let status = format!("v2.users.{USER_1}.routingStatus");
    let activity = format!("v2.users.{USER_1}.activity");
    for (topic, body, count) in [
        (
            &*observations,
            r#"{"data":[{"interval":"2026-05-04T14:00Z/2026-05-04T14:30","metrics":[{"metric":"a","stats":{"count":1}}]}]}"#,
            0,
        ),
        (
            &observations,
            r#"{"data":[{"interval":"","metrics":[{"metric":"a"}]}]}"#,
            0,
        ),
        (
            &observations,
            r#"{"data":[{"interval":"today/tomorrow","metrics":[]}]}"#,
            1,
        ),
        (
            &observations,
            r#"{"data":[7,{"metrics":[{"stats":{"count":1}},"x"]}]}"#,
            3,
        ),
        (&observations, r#"{"results":[null,{"data":[{"count":1}]}]}"#, 2),
        (&presence, r#"{"modifiedDate":"2026-05-04T14:02"}"#, 0),
        (&presence, r#"{"modifiedDate":"yesterday"}"#, 1),
        (&status, r#"{"routingStatus":{"status":"IDLE","startTime":"14:02"}}"#, 1),
        (
            &activity,
            r#"{"presence":{"modifiedDate":7},"routingStatus":{"startTime":"x"}}"#,
            2,
        ),
        (
            "v2.detail.events.conversation.c.acw",
            r#"{"eventTime":"2026-05-04T14:02:00Z","currentStateStart":""}"#,
            1,
        ),
        ("v2.routing.queues.q.users", r#"{"joinDate":"x"}"#, 0),
    ] {
        assert_eq!(in_topic(topic, body), count, "{topic} {body}");
    }
}

#[test]
fn ids_are_read_in_lower_case_and_the_body_stays() {
    let body = format!(r#"{{"id":"{}","participants":[]}}"#, CALL.to_uppercase());
    let text = format!(
        r#"{{"topicName":"v2.routing.queues.{}.conversations","eventBody":{body}}}"#,
        Q.to_uppercase()
    );
    let event = event(&text);
    assert_eq!(event.queue_id.unwrap().to_string(), Q);
    assert_eq!(event.conversation_id.unwrap().to_string(), CALL);
    assert_eq!(event.body.as_deref(), Some(&*body));
}

/// Our clock shows 15:00, the service's 13:00 or 17:00.
#[test]
fn times_are_believed_up_to_ten_minutes_beyond_the_services_clock() {
    for service in [moment("2026-05-04T13:00:00Z"), moment("2026-05-04T17:00:00Z")] {
        let receipt = Receipt::new(now(), service);
        let hear = |topic: String, body: String| {
            let mut heard = Vec::new();
            let text = format!(r#"{{"topicName":"{topic}","eventBody":{body}}}"#);
            machine().on_text(&text, receipt, &mut heard);
            match heard.remove(0) {
                Heard::Event(event) => event,
                other => panic!("{other:?}"),
            }
        };
        for (ahead_ms, is_believed) in [(600_000, true), (600_001, false), (250_000_000_000_000, false)] {
            let at = service.plus_ms(ahead_ms);
            let expected = (is_believed.then_some(at), u32::from(!is_believed));
            let presence = hear(
                format!("v2.users.{USER_1}.presence"),
                format!(r#"{{"presenceDefinition":{{"systemPresence":"AWAY"}},"modifiedDate":"{at}"}}"#),
            );
            let Facts::User(facts) = presence.facts else { panic!() };
            assert_eq!((facts.presence.unwrap().1, presence.unreadable), expected);
            for kind in ["routingStatus", "activity"] {
                let routing = hear(
                    format!("v2.users.{USER_1}.{kind}"),
                    format!(r#"{{"routingStatus":{{"status":"IDLE","startTime":"{at}"}}}}"#),
                );
                let Facts::User(facts) = routing.facts else { panic!() };
                assert_eq!((facts.routing_status.unwrap().1, routing.unreadable), expected);
            }
            let conversation = hear(
                format!("v2.routing.queues.{Q}.conversations"),
                format!(
                    r#"{{"id":"c","participants":[{{"id":"p","connectedTime":"{at}","calls":[{{"id":"k","callbackScheduledTime":"9999-01-01T00:00:00Z"}}]}}]}}"#
                ),
            );
            let Facts::ConversationUpdate(facts) = conversation.facts else {
                panic!()
            };
            assert_eq!((facts.participants[0].connected, conversation.unreadable), expected);
            assert_eq!(
                facts.newest(),
                expected.0,
                "a planned time is none at which something happened"
            );
            let detail = hear(
                "v2.detail.events.conversation.c.acd.start".to_owned(),
                format!(r#"{{"conversationId":"c","eventTime":{}}}"#, at.epoch_ms()),
            );
            assert_eq!(detail.unreadable, expected.1);
        }
        let interval = hear(
            format!("v2.analytics.queues.{Q}.observations"),
            format!(
                r#"{{"group":{{"queueId":"{Q}"}},"data":[{{"interval":"{0}/9999-01-01T00:00:00Z","metrics":[{{"metric":"nOffered","stats":{{"count":1}}}}]}}]}}"#,
                "9998-01-01T00:00:00Z"
            ),
        );
        assert_eq!(
            (interval.unreadable, interval.event_time),
            (0, None),
            "intervals are exempt"
        );
    }
}
