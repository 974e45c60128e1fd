//! Arbitrary and mutated frames: each gives one result, and the fast path agrees with the general parser.
//!
//! In: generated frames · Out: verdicts · Thread: the test's own.

use super::*;
use proptest::prelude::*;

const FIXTURES: [&str; 10] = [
    fixture!("queue-conversation-7-wrapped-up"),
    fixture!("user-conversation"),
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
        fast_path_agrees(&mutated)?;
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
        // The tree sorts its keys; the usual layout has the topic first.
        let text = format!(r#"{{"topicName":{},"eventBody":{},"metadata":{{}}}}"#, tree["topicName"], tree["eventBody"]);
        fast_path_agrees(&text)?;
    }
}

/// If the fast path gives a result, it is that of the general parser.
fn fast_path_agrees(text: &str) -> Result<(), TestCaseError> {
    let mut machine = machine();
    if let Some(short) = machine.usual_conversation(text, now().into()) {
        let general = machine.any_frame(text, now().into());
        prop_assert_eq!(format!("{short:?}"), format!("{general:?}"));
    }
    Ok(())
}

#[test]
fn the_fast_path_is_taken_for_every_conversation_of_the_usual_layout() {
    for (text, taken) in [
        (fixture!("queue-conversation-1-waiting"), true),
        (fixture!("queue-conversation-calls"), true),
        (fixture!("user-conversation"), true),
        (fixture!("user-presence"), false),
        (fixture!("heartbeat"), false),
    ] {
        assert_eq!(machine().usual_conversation(text, now().into()).is_some(), taken);
        fast_path_agrees(text).unwrap();
    }
    let body = r#"{"id":"c","participants":[]}"#;
    let topic = format!(r#""topicName":"v2.routing.queues.{Q}.conversations""#);
    for (text, taken) in [
        (format!(r#"{{{topic},"eventBody":{body}}}"#), true),
        (
            format!(r#"{{{topic},"eventBody":{body},"metadata":{{"CorrelationId":"x"}},"new":[1]}}"#),
            true,
        ),
        (format!(r#"{{{topic},"eventBody":{{}}}}"#), true),
        (format!(r#"{{{topic},"eventBody":{body}"#), false),
        (format!(r#"{{{topic},"eventBody":{body}}}}}"#), false),
        (format!(r#"{{{topic},"eventBody":{body},}}"#), false),
        (format!(r#"{{{topic},"eventBody":{body}"a":1}}"#), false),
        (format!(r#"{{{topic},"eventBody":{body},"eventBody":{{}}}}"#), false),
        (format!(r#"{{{topic},"eventBody":{body},"topicName":"x"}}"#), false),
        (format!(r#"{{{topic},"eventBody":[{body}]}}"#), false),
        (format!(r#"{{{topic},"eventBody":null}}"#), false),
        (format!(r#"{{"eventBody":{body},{topic}}}"#), false),
    ] {
        assert_eq!(
            machine().usual_conversation(&text, now().into()).is_some(),
            taken,
            "{text}"
        );
        fast_path_agrees(&text).unwrap();
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
