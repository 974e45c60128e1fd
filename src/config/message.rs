//! Parts of messages: a value as it may be shown, and the known word nearest to a mistyped one.
//!
//! In: keys, values, words · Out: text without secrets · Thread: any (pure).

use super::json::{Node, Value};

/// Longest text of a value that a message shows, in characters.
const SHOWN_CHARS: usize = 60;

/// Whether a key's own name, the last part of its path, says that its value is secret.
pub(crate) fn names_a_secret(key: &str) -> bool {
    let key = own_name(key).to_ascii_lowercase();
    [
        "secret",
        "token",
        "password",
        "passwd",
        "credential",
        "authorization",
        "api_key",
        "apikey",
    ]
    .iter()
    .any(|word| key.contains(word))
}

fn own_name(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// A webhook's address often is its key; it stands in `outputs.webhook.url`, or by mistake in `outputs.webhook`.
fn names_a_webhook(key: &str) -> bool {
    own_name(key).contains("webhook") || key.ends_with("webhook.url")
}

/// What was found, for a message: never a secret, never user information of a URL, never a control character.
pub(crate) fn found(key: &str, node: &Node) -> String {
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::List(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::Number(_) if names_a_secret(key) => "a number".to_owned(),
        Value::Number(written) => shortened(written),
        Value::Duration(duration) => format!("{duration:?}"),
        Value::Text(text) => found_text(key, text),
    }
}

/// As [`found`] for a text.
pub(crate) fn found_text(key: &str, text: &str) -> String {
    if text.is_empty() {
        return "an empty text".to_owned();
    }
    if names_a_secret(key) || text.contains('@') || names_a_webhook(key) {
        return "a text (not shown here)".to_owned();
    }
    format!("\"{}\"", shortened(text))
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(SHOWN_CHARS).flat_map(char::escape_debug).collect();
    if text.chars().count() > SHOWN_CHARS {
        short.push('…');
    }
    short
}

/// The known word nearest to `word`, if it is near enough to be what was meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let length = word.chars().count();
    let limit = (length / 3).max(1) + 1;
    let distance = |candidate: &str| {
        let candidate = candidate.to_lowercase();
        // A forgotten unit: `timeout` for `timeout_secs`.
        let rest = candidate.strip_prefix(&word).filter(|_| word.len() >= 3);
        if rest.is_some_and(|rest| rest.starts_with(['_', '.', '-'])) {
            return Some(1);
        }
        let chars = candidate.chars().count();
        // The distance is at least the difference in length; a long text is not compared at all.
        let may_be_near = chars.abs_diff(length) <= limit;
        let distance = may_be_near.then(|| strsim::osa_distance(&word, &candidate))?;
        (distance <= limit && distance < chars).then_some(distance)
    };
    let near = known
        .into_iter()
        .filter_map(|candidate| Some((distance(candidate)?, candidate)));
    near.min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_word_is_near() {
        let known = ["capacity", "when_full", "initial_ms", "max_ms"];
        assert_eq!(nearest("capcity", known), Some("capacity"));
        assert_eq!(nearest("When-Full", known), Some("when_full"));
        assert_eq!(nearest("mxa_ms", known), Some("max_ms"));
        assert_eq!(nearest("initial", known), Some("initial_ms"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("x", ["y"]), None);
        assert_eq!(nearest(&"x".repeat(10_000_000), known), None);
    }

    #[test]
    fn secrets_and_user_information_are_not_shown() {
        let text = |t: &str| Node {
            value: Value::Text(t.to_owned()),
            at: 0,
        };
        assert!(!found("client_secret", &text("hunter2")).contains("hunter2"));
        assert!(!found("proxy", &text("http://me:hunter2@host")).contains("hunter2"));
        for key in [
            "outputs.webhook.url",
            "outputs.webhook",
            "outputs.webhook.secret_file",
            "http.token_file",
        ] {
            assert!(!found(key, &text("http://h/hunter2")).contains("hunter2"), "{key}");
        }
        assert_eq!(found("outputs.webhook.on", &text("always")), "\"always\"");
        assert_eq!(found("token.refresh_before_secs", &text("soon")), "\"soon\"");
        assert_eq!(found("protocol", &text("a\u{1b}[2J")), "\"a\\u{1b}[2J\"");
    }
}
