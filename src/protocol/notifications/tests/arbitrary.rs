//! Arbitrary and mutated frames: each gives one result, and the order of an envelope's fields makes no difference.
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
        // The tree sorts its keys, so that the body came before its topic; the service writes the topic first.
        let parts = ["topicName", "eventBody", "result", "message"].into_iter().filter(|key| tree.get(key).is_some());
        let parts: Vec<String> = parts.map(|key| format!("\"{key}\":{}", tree[key])).collect();
        let in_order = format!("{{{}}}", parts.join(","));
        if tree.get("topicName").is_some_and(serde_json::Value::is_string) {
            let mut machine = machine();
            let mut verdict = |text: &str| {
                let mut heard = Vec::new();
                machine.on_text(text, now().into(), &mut heard);
                format!("{heard:?}")
            };
            prop_assert_eq!(verdict(&in_order), verdict(&tree.to_string()));
        }
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
