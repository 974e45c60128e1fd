//! Redaction: whatever comes in, valid JSON of the same shape comes out, and nothing that was planted.
//!
//! In: choices, JSON · Out: a panic where something passes · Thread: the fuzzer's.
#![no_main]

use fuzz::{Input, depth, is_json, texts};
use genesys_stream::fuzzing::{redacted, redacted_recorded};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const PLANTED: &str = "qZ7planted";
/// The decoders refuse what is deeper.
const DEPTH: usize = 100;

/// Emptied with everything inside (docs/records.md).
const EMPTIED: [&str; 22] = [
    "participantName",
    "displayName",
    "customerNAME",
    "address",
    "addressNormalized",
    "fromAddress",
    "toAddress",
    "dialedNumber",
    "phoneNumber",
    "ani",
    "ANI",
    "dnis",
    "sessionDnis",
    "callerId",
    "remote",
    "subject",
    "externalTag",
    "uuiData",
    "note",
    "wrapupNotes",
    "accountNumber",
    "firstname",
];
/// Become `{}` or `[]`.
const CONTAINERS: [&str; 4] = [
    "attributes",
    "customAttributes",
    "messageParams",
    "conversationAttributes",
];
/// Emptied where they are text, or a list of texts.
const EMPTIED_TEXTS: [&str; 12] = [
    "email",
    "emailAlias",
    "phone",
    "mobilePhone",
    "transcript",
    "text",
    "bodyText",
    "comment",
    "lastMessage",
    "messageWithParams",
    "word",
    "phrase",
];

/// A text in quotes, of which some characters are escaped.
fn quoted(input: &mut Input<'_>, text: &str) -> String {
    let mut quoted = String::from("\"");
    let choice = input.byte();
    for (n, c) in text.chars().enumerate() {
        match choice >> (n % 8) & 1 {
            1 if c.is_ascii() => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ if c == '/' => quoted.push_str("\\/"),
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A member of an object whose value must not pass.
fn member(input: &mut Input<'_>) -> String {
    let kind = input.below(4);
    let key = match kind {
        0 => input.one_of(&EMPTIED),
        1 => input.one_of(&CONTAINERS),
        2 => input.one_of(&EMPTIED_TEXTS),
        // Whatever the key, an address does not pass.
        _ => input.one_of(&[
            "state",
            "id",
            "queueId",
            "topicName",
            "x",
            "reason",
            "code",
            "metrics",
            "users",
            "peer",
        ]),
    };
    let key = quoted(input, key);
    let text = match kind {
        3 => {
            let before = input.one_of(&["", " ", "\u{a0}", "/", "\u{2009}<", "("]);
            let form = input.one_of(&[
                "tel:%",
                "sip:%",
                "SIPS:%",
                "mailto:%",
                "%@example.com",
                "@%",
                "+4930 12345 %",
            ]);
            format!("{before}{}", form.replace('%', PLANTED))
        }
        _ => format!("{}{PLANTED}", input.one_of(&["", " ", "Mr ", "a.b.", "h:"])),
    };
    let text = quoted(input, &text);
    let value = match (kind, input.below(5)) {
        (0, 1) => format!(r#"{{"a":{text},"b":[{text}]}}"#),
        (0 | 2 | 3, 2) => format!("[{text},[{text}]]"),
        (0, 3) => format!(r#"[{{"value":{text}}}]"#),
        (1, 0..2) => format!(r#"{{"any":{text},{text}:2}}"#),
        (1, _) => format!(r#"[{text},{{"any":{text}}}]"#),
        _ => text,
    };
    format!("{key}:{value}")
}

/// Inserts a member into an object of the text, the chosen one of those that it has.
fn plant(text: &str, member: &str, which: usize) -> Option<String> {
    let mut places = Vec::new();
    let (mut in_text, mut escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' if !in_text => places.push(at + 1),
            _ => {}
        }
    }
    let at = *places.get(which % places.len().max(1))?;
    let (before, after) = text.split_at(at);
    let comma = if after.trim_start().starts_with('}') { "" } else { "," };
    Some(format!("{before}{member}{comma}{after}"))
}

/// The same kinds of values in the same places; `{}` and `[]` may stand for more.
fn is_same_shape(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            after.is_empty()
                || before.len() >= after.len()
                    && before
                        .iter()
                        .all(|(key, value)| after.get(key).is_none_or(|after| is_same_shape(value, after)))
        }
        (Value::Array(before), Value::Array(after)) => {
            after.is_empty()
                || before.len() == after.len() && before.iter().zip(after).all(|(one, other)| is_same_shape(one, other))
        }
        (Value::String(_), Value::String(_)) | (Value::Bool(_), Value::Bool(_)) | (Value::Null, Value::Null) => true,
        (Value::Number(_), Value::Number(_) | Value::Null) => true,
        _ => false,
    }
}

/// Whether a text looks like an address to a person.
fn looks_like_an_address(text: &str) -> bool {
    let text = text
        .trim_start_matches(|c: char| !c.is_alphanumeric() && c != '+')
        .to_lowercase();
    text.contains('@')
        || ["tel:", "sip:", "sips:", "mailto:"]
            .iter()
            .any(|scheme| text.starts_with(scheme))
}

fn check(text: &str) -> Value {
    let out = redacted(text);
    assert!(!out.contains(['\n', '\r']), "{out:?} is no line");
    let read: Value = serde_json::from_str(&out).unwrap_or_else(|error| match error.to_string() {
        // This reader takes no number beyond its range; the program passes it on.
        wrong if wrong.contains("number out of range") && is_json(&out) => Value::Null,
        wrong => panic!("{out:?} is no JSON: {wrong}"),
    });
    if !is_json(text) {
        assert_eq!(out, "null", "{text:?} is no JSON");
    } else if let Ok(before) = serde_json::from_str::<Value>(text)
        && depth(&before) < DEPTH
    {
        assert!(is_same_shape(&before, &read), "{text} became {out}");
    }
    texts(&read, &mut |text| {
        assert!(!looks_like_an_address(text), "{text:?} passed: {out}")
    });
    read
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let which = input.below(256);
    let member = member(&mut input);
    let Ok(text) = std::str::from_utf8(input.0) else {
        return;
    };
    let has_planted = |value: &Value| {
        let mut found = false;
        texts(value, &mut |text| found |= text.contains(PLANTED));
        found
    };
    // The fuzzer may have learnt the word.
    let knows_it = has_planted(&check(text));
    let recorded = redacted_recorded(text);
    assert!(is_json(&recorded), "{recorded:?} is no JSON");
    if knows_it {
        return;
    }
    let Some(planted) = plant(text, &member, which).filter(|planted| is_json(planted)) else {
        return;
    };
    assert!(
        !has_planted(&check(&planted)),
        "{planted} became {}",
        redacted(&planted)
    );
});
