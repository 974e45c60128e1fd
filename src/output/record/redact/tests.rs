//! What redaction keeps and what it empties.
//!
//! In: JSON texts · Out: verdicts · Thread: the test's.

use super::*;
use crate::output::record::tests::any_json;
use proptest::prelude::*;
use serde_json::Value;

fn redacted(text: &str) -> String {
    let mut out = Vec::new();
    redact(&mut out, text);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_conversation_keeps_its_numbers_but_nothing_about_the_customer() {
    let body = r#"{"id": "00000000-0000-4000-8000-0000000000c1", "participants": [{
        "id":"00000000-0000-4000-8000-0000000000a1","name":"Erika Mustermann","purpose":"customer","address":"tel:+15550100","queueId":"00000000-0000-4000-8000-0000000000b1",
        "attributes":{"ssn":"123"},"ani":"tel:+15550100","dnis":"+15550199","externalTag":"VIP",
        "calls":[{"id":"00000000-0000-4000-8000-0000000000d1","state":"connected","held":false,"self":{"name":"Erika","nameRaw":"E","addressRaw":"x"},
          "afterCallWork":{"state":"pending"},"uuiData":"abc"}],
        "callbacks":[{"callbackNumbers":["+15550101"],"callbackUserName":"Erika"}],
        "emails":[{"id":"00000000-0000-4000-8000-0000000000d2","subject":"My bill","state":"connected","messagesSent":2}],
        "wrapup":{"code":"7a","notes":"angry","durationSeconds":4}}]}"#;
    let want = concat!(
        r#"{"id":"00000000-0000-4000-8000-0000000000c1","participants":[{"#,
        r#""id":"00000000-0000-4000-8000-0000000000a1","name":"","purpose":"customer","address":"","queueId":"00000000-0000-4000-8000-0000000000b1","#,
        r#""attributes":{},"ani":"","dnis":"","externalTag":"","#,
        r#""calls":[{"id":"00000000-0000-4000-8000-0000000000d1","state":"connected","held":false,"self":{"name":"","nameRaw":"","addressRaw":""},"#,
        r#""afterCallWork":{"state":"pending"},"uuiData":""}],"#,
        r#""callbacks":[{"callbackNumbers":[""],"callbackUserName":""}],"#,
        r#""emails":[{"id":"00000000-0000-4000-8000-0000000000d2","subject":"","state":"connected","messagesSent":2}],"#,
        r#""wrapup":{"code":"7a","notes":"","durationSeconds":4}}]}"#,
    );
    assert_eq!(redacted(body), want);
}

#[test]
fn other_bodies_keep_their_numbers_and_states() {
    for same in [
        r#"{"topicName":"v2.users.00000000-0000-4000-8000-0000000000aa.presence","eventBody":{"message":"pong"}}"#,
        r#"{"timestamp":"2026-05-04T14:05:30Z","metricType":"queue","metrics":[{"name":"offered","value":3}]}"#,
        r#"{"userId":"00000000-0000-4000-8000-0000000000aa","message":{"contactCenter":{"active":2,"acw":1}},"email":{"contactCenter":{"active":0}}}"#,
        r#"{"group":{"queueId":"00000000-0000-4000-8000-0000000000aa"},"data":[{"metrics":[{"metric":"oWaiting","stats":{"count":3}}]}]}"#,
        r#"[1.50,-2e3,true,null,"\u00e4\"{",[],{}]"#,
    ] {
        assert_eq!(redacted(same), same);
    }
    assert_eq!(
        redacted(r#"{"source":"PURECLOUD","message":"at the doctor's","to":["a@b.example"],"n\u0061me":"x"}"#),
        r#"{"source":"PURECLOUD","message":"","to":[""],"n\u0061me":""}"#
    );
    // Found by fuzzing: a handle, and an address where a topic stands.
    assert_eq!(redacted(r#"{"reason":" @erika"}"#), r#"{"reason":""}"#);
    let topic = redacted(r#"{"topicName":"(sip:erika"}"#);
    assert!(topic.contains("\"h:") && !topic.contains("erika"), "{topic}");
    assert_eq!(
        redacted(r#"{"metrics":[{"name":"offered","user":{"name":"Erika"}}]}"#),
        r#"{"metrics":[{"name":"offered","user":{"name":""}}]}"#
    );
    assert_eq!(
        redacted(r#"{"address":{"id":7,"city":"Ulm","open":true}}"#),
        r#"{"address":{"id":null,"city":"","open":true}}"#
    );
}

#[test]
fn text_that_is_not_json_becomes_null() {
    for text in [
        "",
        "Erika",
        "{\"a\":1",
        "{\"a\" 1}",
        "{\"a\":\"b\"} Erika",
        "\"\\",
        "[1,,2]",
        "{\"attributes\":}",
        "tru",
    ] {
        assert_eq!(redacted(text), "null", "{text}");
    }
}

#[test]
fn depth_has_a_limit() {
    let deep = format!("{}\"Erika\"{}", "[".repeat(100_000), "]".repeat(100_000));
    let text = redacted(&deep);
    assert!(text.contains("null") && !text.contains("Erika"));
}

/// Checks on parsed values that nothing is left under `address`, and that nothing is changed except by emptying.
fn check(before: &Value, after: &Value, inside_named: bool) -> Result<(), TestCaseError> {
    match (before, after) {
        (Value::Object(b), Value::Object(a)) => {
            if a.is_empty() {
                return Ok(());
            }
            if b.keys().any(|key| rules::is_address(key)) {
                prop_assert_eq!(b.len(), a.len());
                return Ok(());
            }
            prop_assert_eq!(b.keys().collect::<Vec<_>>(), a.keys().collect::<Vec<_>>());
            for (key, b) in b {
                check(b, &a[key], inside_named || key == "address")?;
            }
        }
        (Value::Array(b), Value::Array(a)) => {
            for (b, a) in b.iter().zip(a) {
                check(b, a, inside_named)?;
            }
        }
        (_, Value::String(a)) if a.is_empty() || a.starts_with("h:") => {}
        (_, Value::Null) => {}
        (b, a) => {
            prop_assert_eq!(b, a);
            prop_assert!(!(inside_named && (a.is_string() || a.is_number())), "{:?}", a);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn shape_is_kept_and_nothing_is_left_under_address(body in any_json()) {
        let text = serde_json::to_string_pretty(&body).unwrap();
        let after: Value = serde_json::from_str(&redacted(&text)).unwrap();
        check(&serde_json::from_str(&text).unwrap(), &after, false)?;
    }

    #[test]
    fn never_panics(text in "[\\[\\]{}\":,\\\\a1 ]{0,40}") {
        let _ = redacted(&text);
    }
}

#[test]
fn texts_are_judged_as_they_are_read() {
    for address in [
        r#"john\u0040x"#,
        r#"\/sip:x"#,
        r#" tel:123"#,
        r#"\ttel:123"#,
        r#"\u0073ip:x"#,
        r#"\u002b4915112345678"#,
        r#"+49 (151) 1234"#,
        r#"MAILTO:x"#,
        r#"\"sip:x"#,
    ] {
        assert_eq!(
            redacted(&format!("{{\"to\":\"{address}\"}}")),
            r#"{"to":""}"#,
            "{address}"
        );
    }
    for same in [
        r#"{"to":"\u00e4 +1"}"#,
        r#"{"at":"2026-05-04T14:05:30+02:00"}"#,
        r#"{"to":"+1:30"}"#,
    ] {
        assert_eq!(redacted(same), same);
    }
    let key = redacted(r#"{"john\u0040x":1}"#);
    assert!(key.starts_with(r#"{"h:"#), "{key}");
}

#[test]
fn identifiers_stay_apart_and_tell_nothing() {
    let uuid = r#"{"id":"509f5a7f-cb31-5a43-ac00-8041a8ba3690","userIds":["509F5A7F-cb31-5a43-ac00-8041a8ba3690"]}"#;
    assert_eq!(redacted(uuid), uuid);
    let text = redacted(
        r#"{"id":"tel:+4912345","queueId":"TEL:+4912345","peer":"Erika","userIds":["Erika",7],"user":{"id":""}}"#,
    );
    let value: Value = serde_json::from_str(&text).unwrap();
    let id = value["id"].as_str().unwrap();
    assert!(id.starts_with("h:") && id.len() == 34, "{text}");
    assert_eq!(value["queueId"], id);
    assert_eq!(value["userIds"][0], value["peer"]);
    assert_eq!(value["userIds"][1], 0, "of the same type");
    assert_eq!(value["user"]["id"], "");
    assert!(!text.contains("Erika") && !text.contains("49123"), "{text}");
    let topic = redacted(r#"{"topicName":"v2.users.Erika.presence"}"#);
    assert!(
        topic.starts_with(r#"{"topicName":"v2.users.h:"#) && topic.ends_with(r#".presence"}"#),
        "{topic}"
    );
}

#[test]
fn what_a_decoder_refuses_is_refused_after_redaction() {
    let deep = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
    let hidden = |n: usize| format!("{{\"attributes\":{}}}", deep(n));
    assert_eq!(redacted(&deep(MAX_DEPTH)), deep(MAX_DEPTH));
    assert_eq!(redacted(&hidden(MAX_DEPTH - 1)), r#"{"attributes":[]}"#);
    for refused in [
        deep(MAX_DEPTH + 1),
        hidden(MAX_DEPTH),
        r#"{"a":"\q"}"#.to_owned(),
        r#"{"a":"\ud800"}"#.to_owned(),
        r#"{"a\x":1}"#.to_owned(),
        r#"{"attributes":["\q"]}"#.to_owned(),
        r#"{"attributes":[1,]}"#.to_owned(),
        r#"{"attributes":{"a"}}"#.to_owned(),
        r#"{"a":01}"#.to_owned(),
    ] {
        assert!(serde_json::from_str::<Value>(&refused).is_err() || refused.len() > MAX_DEPTH);
        assert_eq!(redacted(&refused), "null", "{refused:.40}");
    }
    // The status that the service hid in its text decides what comes next.
    assert_eq!(redacted(r#"{"message":"403 for Erika"}"#), r#"{"message":"403"}"#);
}

proptest! {
    #[test]
    fn the_result_is_json_whatever_comes(text in "[\\[\\]{}\":,\\\\u00d8@+a1 ]{0,60}") {
        let redacted = redacted(&text);
        prop_assert!(serde_json::from_str::<Value>(&redacted).is_ok(), "{}", redacted);
        if serde_json::from_str::<Value>(&text).is_err() {
            prop_assert_eq!(redacted, "null");
        }
    }
}
