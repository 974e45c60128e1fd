//! The payload, the confirmation, and every kind of frame of the `metrics` protocol.
//!
//! In: short frames · Out: verdicts · Thread: the test's own.

use super::*;
use proptest::prelude::*;

const CONFIRMATION: &str = r#"{"status":200,"connectionId":"abc"}"#;

fn now() -> Moment {
    Moment::parse("2026-05-04T15:00:00.000Z").unwrap()
}

fn machine() -> Metrics {
    Metrics::new(Options::new(1), PayloadText::new(&MetricsPayload::default()).unwrap())
}

fn hear(machine: &mut Metrics, text: &str) -> Vec<Heard> {
    let mut heard = Vec::new();
    machine.on_text(text, now().into(), &mut heard);
    heard
}

fn one(machine: &mut Metrics, text: &str) -> Heard {
    let mut heard = hear(machine, text);
    assert_eq!(heard.len(), 1, "{text}: {heard:?}");
    heard.remove(0)
}

fn streaming() -> Metrics {
    let mut machine = machine();
    machine.on_open();
    assert!(matches!(one(&mut machine, CONFIRMATION), Heard::Confirmed));
    machine
}

/// The event's facts, and how much of it cannot be read; or what it lacks.
fn facts(text: &str) -> Result<(MetricFacts, u32), &'static str> {
    // The same with the memory of a longer event that is done.
    let mut used = streaming();
    let values = ["offered", "of-another", "offered", "third", "fourth", "fifth"];
    used.spare.metrics = Some(Box::new(MetricFacts {
        metric_type: "another".into(),
        at: Some(now()),
        entity: None,
        values: values.map(|name| (name.into(), 17.0)).into(),
    }));
    let heard = one(&mut streaming(), text);
    assert_eq!(format!("{heard:?}"), format!("{:?}", one(&mut used, text)));
    match heard {
        Heard::Event(event) => {
            assert_eq!(event.kind, EventKind::Metric);
            let Facts::Metrics(facts) = event.facts else {
                panic!("{event:?}")
            };
            Ok((*facts, event.unreadable))
        }
        Heard::Incomplete { metric_type, what, .. } => {
            assert_eq!(&*metric_type, "queue");
            Err(what)
        }
        other => panic!("{other:?}"),
    }
}

const AT: &str = r#""timestamp":"2026-05-04T14:59:58Z""#;
const METRICS: &str = r#""metrics":[{"name":"offered","value":3}]"#;

#[test]
fn the_payload_as_the_tutorial_writes_it() {
    let mut machine = machine();
    assert_eq!(
        machine.on_open(),
        [
            r#"{"metricTypes":["queue","agent"],"timeWindows":[{"start":"now-PT1H","end":"now"}],"granularity":"PT1M","metrics":["offered","answered","serviceLevelPercent","avgWaitTime"],"entityFilters":{}}"#
        ]
    );
    assert_eq!(machine.handshake_limit(), Some(Duration::from_secs(10)));
    assert_eq!(machine.ping(), Ping::Control);
    let mut payload = MetricsPayload::default();
    payload
        .entity_filters
        .insert("queueIds".to_owned(), serde_json::json!(["q1"]));
    assert!(
        PayloadText::new(&payload)
            .unwrap()
            .as_str()
            .ends_with(r#""entityFilters":{"queueIds":["q1"]}}"#)
    );
}

#[test]
fn a_payload_has_at_most_8192_bytes() {
    let mut payload = MetricsPayload::default();
    let empty = serde_json::to_string(&payload).unwrap().len();
    let filler = MAX_PAYLOAD_BYTES - empty - "\"x\":\"\"".len();
    payload.entity_filters.insert("x".to_owned(), "y".repeat(filler).into());
    assert_eq!(PayloadText::new(&payload).unwrap().as_str().len(), 8192);
    payload
        .entity_filters
        .insert("x".to_owned(), "y".repeat(filler + 1).into());
    let error = PayloadText::new(&payload).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(
        error.to_string().contains("takes 8193 bytes as JSON, at most 8192"),
        "{error}"
    );
}

#[test]
fn the_answer_confirms_or_refuses() {
    for text in [
        CONFIRMATION,
        r#"{"status":"200","connectionId":"abc"}"#,
        r#"{"status":200}"#,
    ] {
        assert!(matches!(one(&mut machine(), text), Heard::Confirmed), "{text}");
    }
    for (text, status, message) in [
        (r#"{"status":400,"message":"bad payload"}"#, Some(400), "bad payload"),
        (
            r#"{"status":"403","message":"no\npermission"}"#,
            Some(403),
            "no permission",
        ),
        (r#"{"status":500}"#, Some(500), "no message"),
        (r#"{"type":"error","code":429,"message":"slow"}"#, Some(429), "slow"),
        (r#"{"type":"error","message":"x"}"#, None, "x"),
        (r#"{"error":"text"}"#, None, "text"),
        (r#"{"error":{"message":"inner"},"status":200}"#, Some(200), "inner"),
    ] {
        match one(&mut machine(), text) {
            Heard::Refused(refusal) => assert_eq!((refusal.status, &*refusal.message), (status, message), "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    assert!(matches!(one(&mut streaming(), CONFIRMATION), Heard::Alive));
    for (text, said) in [
        (r#"{"status":500,"message":"x"}"#, "500 x"),
        (r#"{"type":"error","message":"x"}"#, "x"),
        (r#"{"error":["x"]}"#, "no message"),
    ] {
        match one(&mut streaming(), text) {
            Heard::ServerError(what) => assert_eq!(what, said),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn an_event_in_every_field_and_before_the_confirmation_too() {
    let text = r#"{"timestamp":"2026-05-04T14:59:58.500Z","metricType":"queue","metrics":[{"name":"offered","value":3},{"name":"serviceLevelPercent","value":81.5}], "queueId":"q1"}"#;
    for mut machine in [machine(), streaming()] {
        let Heard::Event(event) = one(&mut machine, text) else {
            panic!()
        };
        assert_eq!((event.kind, &*event.topic), (EventKind::Metric, "queue"));
        assert_eq!(event.protocol, Protocol::Metrics);
        assert_eq!(
            (event.queue_id, event.user_id, event.conversation_id),
            (Some(Id::new("q1")), None, None)
        );
        assert_eq!(event.body.as_deref(), Some(text));
        assert_eq!(event.event_time, Moment::parse("2026-05-04T14:59:58.500Z"));
        assert_eq!(
            event.facts,
            Facts::Metrics(Box::new(MetricFacts {
                metric_type: "queue".into(),
                entity: Some(Id::new("q1")),
                at: Moment::parse("2026-05-04T14:59:58.500Z"),
                values: vec![("offered".into(), 3.0), ("serviceLevelPercent".into(), 81.5)],
            }))
        );
    }
}

#[test]
fn the_entity_is_the_queue_else_the_user_else_another() {
    let entity = |fields: &str| {
        facts(&format!(r#"{{"metricType":"x",{AT},{METRICS},{fields}}}"#))
            .expect("an event")
            .0
            .entity
            .map(|id| id.to_string())
    };
    assert_eq!(entity(r#""userId":"u","queueId":"q""#).as_deref(), Some("q"));
    assert_eq!(entity(r#""conversationId":"c","agentId":"a""#).as_deref(), Some("a"));
    assert_eq!(entity(r#""conversationId":"c","entityId":"e""#).as_deref(), Some("e"));
    for field in [
        "userId",
        "skillId",
        "skillGroupId",
        "wrapupCode",
        "interactionId",
        "conversationId",
    ] {
        assert_eq!(entity(&format!(r#""{field}":"i""#)).as_deref(), Some("i"));
    }
    assert_eq!(entity(r#""queueId":12"#).as_deref(), Some("12"));
    assert_eq!(entity(r#""queueId":null,"userId":"""#), None);
}

#[test]
fn without_timestamp_or_metrics_it_is_no_event() {
    for (fields, missing) in [
        (METRICS.to_owned(), "timestamp"),
        (format!(r#""timestamp":null,{METRICS}"#), "timestamp"),
        (format!(r#""timestamp":"","queueId":"q",{METRICS}"#), "timestamp"),
        (format!(r#""timestamp":"yesterday",{METRICS}"#), "timestamp"),
        (AT.to_owned(), "metrics"),
        (format!(r#"{AT},"metrics":[]"#), "metrics"),
        (format!(r#"{AT},"metrics":[{{"name":"a","value":"1"}}]"#), "metrics"),
        (r#""metrics":null"#.to_owned(), "timestamp and metrics"),
    ] {
        let found = facts(&format!(r#"{{"metricType":"queue",{fields}}}"#));
        assert_eq!(found, Err(missing), "{fields}");
    }
}

#[test]
fn metrics_that_cannot_be_read_are_counted_and_the_others_taken() {
    for (fields, unreadable) in [
        (format!("{AT},{METRICS}"), 0),
        (format!(r#""timestamp":"2026-05-04 14:59",{METRICS}"#), 0),
        (
            format!(r#"{AT},"metrics":[{{"name":"a","value":1}},{{"name":"b","value":null}}]"#),
            0,
        ),
        (
            format!(r#"{AT},"metrics":[{{"name":"a","value":1}},{{"name":"b","value":"2"}}]"#),
            1,
        ),
        (
            format!(r#"{AT},"metrics":[{{"name":"a","value":1}},{{"value":2}},{{}}]"#),
            2,
        ),
    ] {
        let (facts, found) = facts(&format!(r#"{{"metricType":"queue",{fields}}}"#)).expect("an event");
        assert_eq!((facts.values.len(), found), (1, unreadable), "{fields}");
        assert!(facts.at.is_some());
    }
}

#[test]
fn malformed_and_unknown_frames() {
    for text in [
        "",
        "x",
        "[]",
        "7",
        r#"{"metricType":"queue","metrics":{}}"#,
        r#"{"metricType":"queue","metrics":[7]}"#,
    ] {
        assert!(matches!(one(&mut streaming(), text), Heard::Malformed(_)), "{text}");
        assert!(matches!(one(&mut machine(), text), Heard::Malformed(_)), "{text}");
    }
    for (text, topic) in [
        (r#"{"type":"news"}"#, "news"),
        (r#"{"metrics":[{"name":"a","value":1}]}"#, ""),
        (r#"{"metricType":7}"#, ""),
        ("{}", ""),
    ] {
        for mut machine in [machine(), streaming()] {
            match one(&mut machine, text) {
                Heard::Event(event) => {
                    assert_eq!((event.kind, &*event.topic), (EventKind::Unknown, topic));
                    assert_eq!(event.body.as_deref(), Some(text));
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }
    // After an unknown frame the confirmation is still awaited.
    let mut machine = machine();
    hear(&mut machine, "{}");
    assert!(matches!(one(&mut machine, CONFIRMATION), Heard::Confirmed));
}

proptest! {
    #[test]
    fn never_panics(text in "\\PC{0,100}", cut in 0_usize..140, insert in "[\\[\\]{}\",:0-9tfn\\\\-]{0,4}") {
        let mut machine = machine();
        hear(&mut machine, &text);
        let frame = r#"{"timestamp":"2026-05-04T14:59:58.500Z","metricType":"queue","metrics":[{"name":"offered","value":3}],"queueId":"q1"}"#;
        let cut = cut.min(frame.len());
        let mutated = format!("{}{insert}{}", &frame[..cut], &frame[cut..]);
        prop_assert_eq!(hear(&mut machine, &mutated).len(), 1);
    }
}

#[test]
fn long_names_are_cut_and_a_long_type_or_identifier_is_malformed() {
    let of = |kind: &str, name: &str, queue: &str| {
        format!(r#"{{"metricType":"{kind}",{AT},"queueId":"{queue}","metrics":[{{"name":"{name}","value":3}}]}}"#)
    };
    let long = "x".repeat(200);
    let (facts, unreadable) = facts(&of(&long, &long, "q")).unwrap();
    assert_eq!(
        (facts.metric_type.len(), facts.values[0].0.len(), unreadable),
        (128, 128, 2)
    );
    let too_long = "x".repeat(257);
    for text in [
        of(&too_long, "offered", "q"),
        of("queue", "offered", &too_long),
        format!(r#"{{"type":"{too_long}"}}"#),
    ] {
        assert!(matches!(one(&mut streaming(), &text), Heard::Malformed(_)), "{text}");
    }
    let many = vec![r#"{"name":"offered","value":3}"#; 6_000].join(",");
    let (facts, unreadable) = self::facts(&format!(r#"{{"metricType":"queue",{AT},"metrics":[{many}]}}"#)).unwrap();
    assert_eq!((facts.values.len(), unreadable), (5_000, 1_000));
}

#[test]
fn a_time_that_is_not_believed_counts_as_absent_and_as_unreadable() {
    for (time, unreadable) in [
        ("2026-05-04T15:10:00Z", None),
        ("2026-05-04T15:10:00.001Z", Some(1)),
        ("9999-01-01T00:00:00Z", Some(1)),
        ("soon", Some(1)),
    ] {
        let text = format!(r#"{{"metricType":"queue","timestamp":"{time}",{METRICS}}}"#);
        match one(&mut streaming(), &text) {
            Heard::Event(event) => assert_eq!((event.unreadable, unreadable), (0, None), "{time}"),
            Heard::Incomplete {
                unreadable: counted,
                what,
                ..
            } => {
                assert_eq!((Some(counted), what), (unreadable, "timestamp"), "{time}");
            }
            other => panic!("{other:?}"),
        }
    }
}
