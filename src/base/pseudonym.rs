//! What stands for an identifier in redacted records: the same for the same identifier, as long as the process runs.
//!
//! In: identifiers, topics · Out: `h:` and 32 hex digits, and topics with these · Thread: any (one key, drawn once).

use std::borrow::Cow;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::OnceLock;

use ring::hmac;
use ring::rand::SystemRandom;

use super::digest::hex;
use super::id;
use super::limits::ID_BYTES;
use super::topic_words::MEDIA_TOPICS;

/// Bytes of the hash that are shown.
const SHOWN_BYTES: usize = 16;

fn key() -> &'static hmac::Key {
    static KEY: OnceLock<hmac::Key> = OnceLock::new();
    KEY.get_or_init(|| {
        hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).unwrap_or_else(|_| {
            // The system gives no randomness; the standard library has its own way to some.
            let random: Vec<u8> = (0..4)
                .flat_map(|n| RandomState::new().hash_one(n).to_le_bytes())
                .collect();
            hmac::Key::new(hmac::HMAC_SHA256, &random)
        })
    })
}

/// What stands for an identifier. A canonical UUID and an empty text stand for themselves; letter case makes no other
/// identifier.
pub(crate) fn of(text: &str) -> Cow<'_, str> {
    if text.is_empty() || id::is_canonical_uuid(text) {
        return Cow::Borrowed(text);
    }
    let tag = hmac::sign(key(), text.to_ascii_lowercase().as_bytes());
    let mut shown = format!("h:{}", hex(&tag.as_ref()[..SHOWN_BYTES]));
    // It makes its event malformed, and what stands for it has to do so, too.
    if text.len() > ID_BYTES {
        shown.extend(std::iter::repeat_n('0', ID_BYTES));
    }
    Cow::Owned(shown)
}

/// Words of topics that no identifier is hidden in, besides [`MEDIA_TOPICS`] (the service's list of topics, August 2026).
const TOPIC_WORDS: [&str; 32] = [
    "v2",
    "channel",
    "metadata",
    "subscription",
    "updated",
    "system",
    "socket_closing",
    "no_longer_subscribed",
    "token_revoked",
    "routing",
    "queues",
    "analytics",
    "observations",
    "activity",
    "users",
    "presence",
    "routingstatus",
    "conversations",
    "detail",
    "events",
    "conversation",
    "agent",
    "acd",
    "customer",
    "ivr",
    "user",
    "voicemail",
    "start",
    "end",
    "wrapup",
    "station",
    "aggregates",
];

/// A topic with what stands for the identifiers in it. A text without a point is no topic, and stays.
pub(crate) fn of_topic(topic: &str) -> String {
    let mut shown = String::with_capacity(topic.len());
    let mut before = "";
    for (place, part) in topic.split('.').enumerate() {
        // Combined topics: `v2.users.{id}?presence&routingStatus`.
        let (part, aspects) = part
            .split_once('?')
            .map_or((part, None), |(part, aspects)| (part, Some(aspects)));
        let has_id = matches!(before, "queues" | "users" | "conversation") || before == "agent" && place == 4;
        if place > 0 {
            shown.push('.');
        }
        match is_word(part) && !has_id || !topic.contains('.') {
            true => shown.push_str(part),
            false => shown.push_str(&of(part)),
        }
        for (nth, aspect) in aspects.iter().flat_map(|aspects| aspects.split('&').enumerate()) {
            shown.push(if nth == 0 { '?' } else { '&' });
            shown.push_str(&if is_word(aspect) { aspect.into() } else { of(aspect) });
        }
        before = match has_id {
            true => "",
            false => TOPIC_WORDS
                .into_iter()
                .find(|word| part.eq_ignore_ascii_case(word))
                .unwrap_or(""),
        };
    }
    shown
}

fn is_word(part: &str) -> bool {
    let mut words = TOPIC_WORDS.iter().chain(&MEDIA_TOPICS);
    words.any(|word| part.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_has_one_stand_in_and_a_uuid_none() {
        let uuid = "509F5A7F-cb31-5a43-ac00-8041a8ba3690";
        assert_eq!(of(uuid), uuid);
        assert_eq!(of(""), "");
        let one = of("Agent-7");
        let digits = one.strip_prefix("h:").expect("a hash");
        assert!(
            digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit()),
            "{one}"
        );
        assert_eq!(one, of("agent-7"), "letter case makes no other identifier");
        assert_ne!(one, of("agent-8"));
        assert_ne!(
            of("509f5a7fcb315a43ac008041a8ba3690").len(),
            32,
            "not the canonical form"
        );
        assert!(of(&"x".repeat(ID_BYTES + 1)).len() > ID_BYTES);
    }

    #[test]
    fn topics_keep_their_words_and_lose_their_identifiers() {
        for same in [
            "channel.metadata",
            "v2.system.socket_closing",
            "v2.users.509f5a7f-cb31-5a43-ac00-8041a8ba3690.routingStatus",
            "conversation:updated",
            "all",
            "",
        ] {
            assert_eq!(of_topic(same), same);
        }
        for (topic, id) in [
            ("v2.routing.queues.Sales.conversations.calls", "Sales"),
            ("v2.users.users?presence&routingStatus", "users"),
            ("v2.detail.events.conversation.acd.agent.start", "acd"),
            ("v2.new.things.john@example.com", "john@example"),
        ] {
            let shown = of_topic(topic);
            assert!(shown.contains(&*of(id)) || id.contains('@'), "{shown}");
            assert!(!shown.contains("john") && !shown.contains("Sales"), "{shown}");
            assert_eq!(shown.split('.').count(), topic.split('.').count());
        }
        assert!(of_topic("v2.users.u?presence&routingStatus").ends_with("?presence&routingStatus"));
        let odd = of_topic("v2.users.u?presence&john");
        assert!(odd.contains("?presence&h:") && !odd.contains("john"), "{odd}");
    }
}
