//! What happens to a value, by its key.
//!
//! In: keys, texts · Out: rules, verdicts · Thread: any (pure).

/// What happens to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Keep,
    /// As `Keep`, and a `name` directly inside is kept: the entries of a `metrics` list.
    KeepMetrics,
    /// All text and numbers inside are emptied.
    Empty,
    /// The value is emptied if it is text or a list of texts.
    EmptyText,
    /// The object or list becomes `{}` or `[]`.
    EmptyContainer,
    /// An identifier, a list of them, or an object whose `value` is one.
    Id,
    /// A topic, a list of them, or an object with topics as keys.
    Topic,
    /// An object with identifiers as keys, or a list of identifiers.
    ById,
    /// As `ById`; texts directly inside and `name` in an entry become `null`: people.
    People,
    /// An entry of `People`.
    Person,
    /// Everything inside is kept.
    Verbatim,
}

/// Whose words the keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Schema {
    /// The service's: frames and bodies.
    Service,
    /// This program's: records and snapshots. Names of queues are kept.
    Record,
    /// This program's: lines of a recording. Names of queues are kept.
    Recording,
}

/// The rule of the value of `key` in an object whose own rule is `inside`.
pub(super) fn rule_of(key: &str, inside: Rule, schema: Schema) -> Rule {
    match (inside, schema) {
        (Rule::Verbatim, _) => Rule::Verbatim,
        (Rule::People, _) => Rule::Person,
        (_, Schema::Record | Schema::Recording) => rule_of_ours(key, inside, schema),
        (_, Schema::Service) => rule_of_service(key, inside),
    }
}

fn rule_of_ours(key: &str, inside: Rule, schema: Schema) -> Rule {
    match key {
        "value" if inside == Rule::Id => Rule::Id,
        "name" if inside == Rule::Person => Rule::Person,
        "thresholds" => Rule::Verbatim,
        "id" => Rule::Id,
        "queue" | "user" | "oldest_queue" | "gone" | "lost" if schema == Schema::Recording => Rule::Id,
        "queues" => Rule::ById,
        "users" => Rule::People,
        "topic" | "topics" => Rule::Topic,
        _ if key.ends_with("_id") => Rule::Id,
        _ if inside == Rule::Topic => Rule::Topic,
        _ => Rule::Keep,
    }
}

fn rule_of_service(key: &str, inside: Rule) -> Rule {
    let is_id = key == "id"
        || key == "peer"
        || ["Id", "Ids", "ID", "IDs", "_id", "_ids"]
            .iter()
            .any(|end| key.ends_with(end));
    let key = key.to_ascii_lowercase();
    let has = |part: &str| key.contains(part);
    let ends = |part: &str| key.ends_with(part);
    if ends("attributes") || key == "messageparams" {
        Rule::EmptyContainer
    } else if inside == Rule::Empty || inside == Rule::EmptyContainer {
        Rule::Empty
    } else if inside == Rule::KeepMetrics && key == "name" {
        Rule::Keep
    } else if key == "topicname" {
        Rule::Topic
    } else if has("name") && key != "namespace"
        || has("address")
        || has("number")
        || has("dnis")
        || ends("note")
        || ends("notes")
        || matches!(
            key.as_str(),
            "ani" | "callerid" | "remote" | "subject" | "externaltag" | "uuidata"
        )
    {
        Rule::Empty
    } else if is_id {
        Rule::Id
    } else if has("email")
        || has("phone")
        || has("transcript")
        || has("text")
        || has("comment")
        || ends("message")
        || ends("withparams")
        || matches!(key.as_str(), "word" | "phrase")
    {
        Rule::EmptyText
    } else if key == "metrics" {
        Rule::KeepMetrics
    } else {
        Rule::Keep
    }
}

/// Whether a text looks like an address.
pub(super) fn is_address(text: &str) -> bool {
    if text.contains('@') {
        return true;
    }
    // Blanks, slashes and quotes before it change nothing for a reader.
    let text = text.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '+');
    let starts = |prefix: &str| {
        text.get(..prefix.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(prefix))
    };
    let number = text.strip_prefix('+').map(|number| {
        let digits = number
            .chars()
            .filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.' | '/'));
        digits.take(5).filter(char::is_ascii_digit).count()
    });
    ["tel:", "sip:", "sips:", "mailto:"].into_iter().any(starts) || number.is_some_and(|digits| digits == 5)
}

/// What the program itself looks for in a text that is emptied: the service's answer to a ping, and the status of a refusal.
pub(super) fn kept_of(text: &str) -> &'static str {
    match text {
        "pong" => "pong",
        _ if text.contains("403") => "403",
        _ => "",
    }
}
