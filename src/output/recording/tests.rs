//! Every line comes back as it was written, and is written as `docs/recording.md` shows it.
//!
//! In: lines, the page · Out: verdicts · Thread: the test's.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::event::change::Membership;
use crate::event::facts::{MediaKind, ObservationFacts, ObservationRow};
use crate::event::queue::{Queue, ServiceLevelSetting};
use crate::model::testing::facts_of_one_conversation;

fn at() -> Moment {
    Moment::parse("2026-05-04T14:05:30.123Z").unwrap()
}

fn written(line: &Line, bodies: Bodies) -> String {
    let mut out = Vec::new();
    line.write(&mut out, bodies);
    assert_eq!(out.iter().filter(|b| **b == b'\n').count(), 1);
    String::from_utf8(out).unwrap()
}

fn read(text: &str) -> Line {
    Line::read(text.trim_end().as_bytes()).unwrap()
}

fn frame(text: &str) -> Line {
    Line::frame(at().into(), 3, Some(text.into()), vec![u64::MAX])
}

fn start() -> Line {
    let config = crate::Config::builder()
        .region("http://127.0.0.1:1")
        .client_id("c")
        .client_secret(crate::Secret::new("s"))
        .json(
            "x",
            r#"{"windows":{"granularity":"PT30M","keep":3,"service_level_secs":11,"short_abandon_secs":2},
                "totals":{"since":"day","utc_offset":"-02:30"},"protocol":"events"}"#,
        )
        .build()
        .unwrap();
    let start = Start::new(config.hosts.region.clone(), Settings::from(&config));
    Line::state(at(), None, State::Start(Box::new(start)))
}

#[test]
fn a_frame_is_kept_to_the_letter() {
    let line = frame("{\"a\": \"é\\n\"}\n");
    let text = written(&line, Bodies::Verbatim);
    assert_eq!(
        text,
        concat!(
            r#"{"received_at":"2026-05-04T14:05:30.123Z","connection":3,"kind":"frame","#,
            r#""data":"{\"a\": \"é\\n\"}\n","fingerprints":[18446744073709551615]}"#,
            "\n"
        )
    );
    assert_eq!(read(&text), line);
    let no_text = Line::frame(at().into(), 3, None, Vec::new());
    assert_eq!(read(&written(&no_text, Bodies::Verbatim)), no_text);
}

#[test]
fn a_redacted_line_holds_no_customer_and_no_name() {
    let id = "509f5a7f-cb31-5a43-ac00-8041a8ba3690";
    let line = read(&written(
        &frame(&format!(r#"{{"name":"Erika","id":"{id}"}}"#)),
        Bodies::Redacted,
    ));
    assert_eq!(
        line,
        frame(&format!(r#"{{"name":"","id":"{id}"}}"#)),
        "the fingerprint tells it from others"
    );
    let cause = Change::GapOpened {
        line: 0,
        topics: crate::event::gap::GapTopics::All,
        from: at(),
        cause: "x".to_owned(),
    };
    let cause = Line::change(at(), cause, 1);
    assert_eq!(read(&written(&cause, Bodies::Redacted)), cause);
    let redacted = |change: Change| read(&written(&Line::change(at(), change, 1), Bodies::Redacted)).content;
    let hashed = |id: &str| Id::new(&crate::base::pseudonym::of(id));
    let users = |id: &str, name: Option<&str>| Change::Users([(Id::new(id), name.map(str::to_owned))].into());
    assert_eq!(
        redacted(users("Max", Some("Erika"))),
        Content::Rest(Change::Users([(hashed("max"), None)].into()))
    );
    assert_eq!(redacted(users(id, None)), Content::Rest(users(id, None)));
    let members = |user, queue| {
        Change::Members(vec![Membership {
            user,
            queues: vec![queue],
        }])
    };
    assert_eq!(
        redacted(members(Id::new("Max"), Id::new("Support"))),
        Content::Rest(members(hashed("max"), hashed("support")))
    );
    let named = queue(Some("Sales"));
    let there = Queue {
        id: hashed("q"),
        ..named.clone()
    };
    assert_eq!(
        redacted(Change::Queues(vec![named])),
        Content::Rest(Change::Queues(vec![there]))
    );
    let topics = |id: &str| vec![format!("v2.users.{id}.presence")];
    let covered = |topics| Change::Covered {
        line: 7,
        topics,
        since: at(),
    };
    assert_eq!(
        redacted(covered(topics("Max"))),
        Content::State(State::Change(covered(topics(&hashed("max").to_string()))))
    );
    let refused = |id: &str| Change::Refused {
        line: 7,
        topics: topics(id).into_iter().map(|topic| (topic, "why".to_owned())).collect(),
        since: at(),
    };
    assert_eq!(
        redacted(refused("Max")),
        Content::State(State::Change(refused(&hashed("max").to_string())))
    );
}

fn queue(name: Option<&str>) -> Queue {
    let level = ServiceLevelSetting {
        target_percent: Some(80.1),
        threshold: Some(Duration::from_millis(20_500)),
    };
    Queue {
        id: Id::new("q"),
        name: name.map(str::to_owned),
        service_levels: vec![(MediaKind::Voice, level)],
    }
}

#[test]
fn a_start_says_what_the_numbers_mean() {
    let line = start();
    assert_eq!(read(&written(&line, Bodies::Verbatim)), line);
    assert!(line.as_start().is_some());
    assert!(frame("").as_start().is_none());
}

#[test]
fn a_recording_of_another_schema_is_refused_with_advice() {
    let old = concat!(
        r#"{"received_at":"2026-05-04T14:05:30.123Z","connection":null,"kind":"state","data":{"start":{"#,
        r#""schema":1,"version":"0.1.0","region":"x","protocol":"events","stale_after_ms":900000}}}"#
    );
    let new = written(&start(), Bodies::Verbatim).replace("\"schema\":3", "\"schema\":4");
    for (text, schema) in [
        (old, "schema 1, written by version 0.1.0;"),
        (new.trim_end(), "schema 4"),
    ] {
        let what = Line::read(text.as_bytes()).unwrap_err();
        assert!(what.contains(schema) && what.contains("reads schema 3"), "{what}");
        assert!(what.contains("record anew"), "{what}");
    }
    let unusable = written(&start(), Bodies::Verbatim).replace("\"granularity_ms\":1800000", "\"granularity_ms\":0");
    assert!(Line::read(unusable.trim_end().as_bytes()).is_err());
}

#[test]
fn what_is_no_line_is_refused_without_showing_it() {
    for text in [
        "",
        "{}",
        "[]",
        "hunter2",
        r#"{"received_at":"hunter2","connection":1,"kind":"state","data":{}}"#,
        r#"{"received_at":"2026-05-04T14:05:30Z","connection":"hunter2","kind":"state","data":{}}"#,
        r#"{"received_at":"2026-05-04T14:05:30Z","connection":1,"kind":"hunter2","data":{}}"#,
        r#"{"received_at":"2026-05-04T14:05:30Z","connection":1,"kind":"frame","data":{"hunter2":1}}"#,
        r#"{"received_at":"2026-05-04T14:05:30Z","connection":1,"kind":"state","data":{"hunter2":1}}"#,
    ] {
        let wrong = Line::read(text.as_bytes()).unwrap_err();
        assert!(
            wrong.starts_with("no line of a recording") && !wrong.contains("hunter2"),
            "{wrong}"
        );
    }
}

/// The names that the derived reader of an enum knows, as its error lists them.
fn variants<T: serde::de::DeserializeOwned>() -> BTreeSet<String> {
    let Err(error) = serde_json::from_str::<T>(r#"{"?":0}"#) else {
        panic!("there is a variant of this name")
    };
    let error = error.to_string();
    let (_, names) = error.split_once("expected").expect(&error);
    names.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The page's lines of JSON that hold `part`.
fn examples(part: &'static str) -> impl Iterator<Item = &'static str> {
    let page = include_str!("../../../docs/recording.md");
    page.lines()
        .filter(move |line| line.starts_with('{') && line.contains(part))
}

#[test]
fn the_page_shows_every_kind_of_line_as_it_is_written() {
    let mut shown = BTreeSet::new();
    for example in examples("\"received_at\"") {
        assert_eq!(written(&read(example), Bodies::Verbatim).trim_end(), example);
        let value: Value = serde_json::from_str(example).unwrap();
        let kind = value["kind"].as_str().unwrap();
        match &value["data"] {
            Value::Object(data) => shown.extend(data.keys().cloned()),
            _ => shown.extend([kind.to_owned()]),
        }
    }
    let mut expected = variants::<Change>();
    assert!(expected.len() > 15, "{expected:?}");
    expected.extend(["frame", "start", "opening", "control_frames", "stop"].map(str::to_owned));
    assert_eq!(shown, expected);
}

fn any_moment() -> impl Strategy<Value = Moment> {
    any::<i64>().prop_map(Moment::from_epoch_ms)
}

fn any_observation() -> impl Strategy<Value = ObservationFacts> {
    let interval = prop::option::of((any_moment(), any_moment()));
    let stats = prop::collection::btree_map(".{0,5}".prop_map(Into::into), any::<f64>(), 0..4);
    (".{0,9}", interval, stats).prop_map(|(queue, interval, stats)| ObservationFacts {
        queue: Id::new(&queue),
        rows: vec![ObservationRow {
            media: Some(MediaKind::Chat),
            interval,
            metric: "oWaiting".into(),
            qualifier: None,
            stats: stats
                .into_iter()
                .filter(|(_, number): &(_, f64)| number.is_finite())
                .collect(),
        }],
    })
}

proptest! {
    #[test]
    fn any_frame_comes_back(text in ".{0,60}|[\\x00-\\x7f]{0,60}", connection in any::<u32>()) {
        let line = Line::frame(at().into(), connection, Some(text.into()), Vec::new());
        prop_assert_eq!(read(&written(&line, Bodies::Verbatim)), line);
    }

    /// To the last bit of every number.
    #[test]
    fn any_facts_come_back(conversation in facts_of_one_conversation(), observation in any_observation(), after in any::<u64>()) {
        for change in [Change::Conversations(vec![conversation]), Change::Observations(vec![observation])] {
            let line = Line::change(at(), change, after);
            prop_assert_eq!(&read(&written(&line, Bodies::Verbatim)), &line);
            // Redacted, it is still a line, and the same when it is redacted once more but for its hashes.
            prop_assert_eq!(read(&written(&line, Bodies::Redacted)).after, Some(after));
        }
    }

    #[test]
    fn nothing_panics(line in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = Line::read(&line);
    }
}
