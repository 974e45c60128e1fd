//! The topics that can be subscribed, the permissions that they need, and combined topics.
//!
//! In: topic texts · Out: individual topics or refusals · Thread: any (pure).

use super::json::Object;
use serde_json::{Value, json};

/// A kind of topic.
pub(super) struct Template {
    pub id: &'static str,
    /// All of these are needed.
    pub permissions: &'static [&'static str],
    pub description: &'static str,
}

const CONVERSATION: &[&str] = &["conversation:communication:view"];
const DETAIL: &[&str] = &["analytics:conversationDetail:view"];

macro_rules! templates {
    ($($id:literal $permissions:expr, $description:literal;)*) => {
        pub(super) const TEMPLATES: &[Template] =
            &[$(Template { id: $id, permissions: $permissions, description: $description }),*];
    };
}

templates! {
    "v2.routing.queues.{id}.conversations" CONVERSATION, "All conversations of a queue, every medium";
    "v2.routing.queues.{id}.conversations.calls" CONVERSATION, "Calls of a queue";
    "v2.routing.queues.{id}.conversations.callbacks" CONVERSATION, "Callbacks of a queue";
    "v2.routing.queues.{id}.conversations.chats" CONVERSATION, "Chats of a queue";
    "v2.routing.queues.{id}.conversations.cobrowsesessions" CONVERSATION, "Co-browse sessions of a queue";
    "v2.routing.queues.{id}.conversations.emails" CONVERSATION, "E-mails of a queue";
    "v2.routing.queues.{id}.conversations.messages" CONVERSATION, "Messages of a queue";
    "v2.routing.queues.{id}.conversations.screenshares" CONVERSATION, "Screen shares of a queue";
    "v2.routing.queues.{id}.conversations.socialexpressions" CONVERSATION, "Social expressions of a queue";
    "v2.routing.queues.{id}.conversations.videos" CONVERSATION, "Videos of a queue";
    "v2.routing.queues.{id}.users" &["routing:queue:view"], "Members who join or leave a queue";
    "v2.analytics.queues.{id}.observations" &["analytics:queueObservation:view", "analytics:conversationAggregate:view"], "Queue observations and half-hour counts";
    "v2.analytics.queues.{id}.activity" &["analytics:queueObservation:view"], "Counts of a queue by medium";
    "v2.analytics.users.{id}.aggregates" &["analytics:userAggregate:view", "analytics:conversationAggregate:view"], "SocketIo-hour counts of a user";
    "v2.users.{id}.presence" &["directory:user:view"], "A user's presence";
    "v2.users.{id}.routingStatus" &["routing:status:view"], "A user's routing status";
    "v2.users.{id}.activity" &["directory:user:view"], "A user's presence, routing status and active queues";
    "v2.users.{id}.outofoffice" &["directory:user:view"], "A user's out-of-office note";
    "v2.users.{id}.station" &["directory:user:view"], "A user's station";
    "v2.users.{id}.conversationsummary" CONVERSATION, "How many conversations a user has";
    "v2.users.{id}.conversations" CONVERSATION, "All conversations of a user, every medium";
    "v2.users.{id}.conversations.calls" CONVERSATION, "Calls of a user";
    "v2.users.{id}.conversations.callbacks" CONVERSATION, "Callbacks of a user";
    "v2.users.{id}.conversations.chats" CONVERSATION, "Chats of a user";
    "v2.users.{id}.conversations.emails" CONVERSATION, "E-mails of a user";
    "v2.users.{id}.conversations.messages" CONVERSATION, "Messages of a user";
    "v2.detail.events.conversation.{id}.acd.start" DETAIL, "A conversation enters a queue";
    "v2.detail.events.conversation.{id}.acd.end" DETAIL, "A conversation leaves a queue";
    "v2.detail.events.conversation.{id}.acw" DETAIL, "After-call work begins";
    "v2.detail.events.conversation.{id}.customer.start" DETAIL, "The customer's session begins";
    "v2.detail.events.conversation.{id}.customer.end" DETAIL, "The customer's session ends";
    "v2.detail.events.conversation.{id}.flow.start" DETAIL, "A flow begins";
    "v2.detail.events.conversation.{id}.flow.end" DETAIL, "A flow ends";
    "v2.detail.events.conversation.{id}.user.start" DETAIL, "A user's session begins";
    "v2.detail.events.conversation.{id}.user.end" DETAIL, "A user's session ends";
    "v2.detail.events.conversation.{id}.wrapup" DETAIL, "A wrap-up code is given";
}

/// Ids this long or longer are refused.
const MAX_ID_CHARS: usize = 200;

/// The kind of an individual topic.
pub(super) fn template(topic: &str) -> Option<&'static Template> {
    TEMPLATES.iter().find(|t| matches(t.id, topic))
}

fn matches(template: &str, topic: &str) -> bool {
    let (mut pattern, mut given) = (template.split('.'), topic.split('.'));
    loop {
        match (pattern.next(), given.next()) {
            (None, None) => return true,
            (Some("{id}"), Some(id))
                if !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') => {}
            (Some(expected), Some(found)) if expected == found => {}
            _ => return false,
        }
    }
}

/// The individual topics of an id (several if it is combined as `prefix?a&b`); `None` if it is not a valid topic.
pub(super) fn expand(id: &str) -> Option<Vec<String>> {
    if id.len() >= MAX_ID_CHARS {
        return None;
    }
    let topics: Vec<String> = match id.split_once('?') {
        None => vec![id.to_owned()],
        Some((prefix, lasts)) => lasts
            .split('&')
            .filter(|last| !last.contains('.'))
            .map(|last| format!("{prefix}.{last}"))
            .collect(),
    };
    let parts = id.split_once('?').map_or(1, |(_, lasts)| lasts.split('&').count());
    (topics.len() == parts && topics.iter().all(|t| template(t).is_some())).then_some(topics)
}

/// One entry of `availabletopics` with the requested expansions.
pub(super) fn available(template: &Template, expand: &[String]) -> Value {
    let wants = |what: &str| expand.iter().any(|e| e == what);
    let parameter = if template.id.contains(".queues.") {
        "queueId"
    } else if template.id.contains("users.") {
        "userId"
    } else {
        "conversationId"
    };
    let details = json!([{
        "type": "requiresPermissions", "permissions": template.permissions, "allowsCurrentUser": false, "enforced": true,
    }]);
    Object::new()
        .set("id", template.id)
        .when(wants("description"), "description", template.description)
        .when(wants("enforced"), "enforced", true)
        .when(wants("visibility"), "visibility", "Public")
        .when(wants("transports"), "transports", json!(["Websocket"]))
        .when(wants("schema"), "schema", json!({}))
        .when(
            wants("publicApiTemplateUriPaths"),
            "publicApiTemplateUriPaths",
            json!([]),
        )
        .when(
            wants("requiresPermissions"),
            "requiresPermissions",
            json!(template.permissions),
        )
        .when(wants("permissionDetails"), "permissionDetails", details)
        .when(wants("topicParameters"), "topicParameters", json!([parameter]))
        .set("requiresDivisionPermissions", false)
        .set("requiresAnyValidator", false)
        .set("requiresCurrentUser", false)
        .set("requiresCurrentUserOrPermission", false)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combined_topics_expand_and_wrong_ones_do_not() {
        assert_eq!(
            expand("v2.users.e5240415-6b6a.x?presence&routingStatus"),
            None,
            "the prefix has a segment too many"
        );
        assert_eq!(
            expand("v2.users.e5240415-6b6a?presence&routingStatus").unwrap(),
            [
                "v2.users.e5240415-6b6a.presence",
                "v2.users.e5240415-6b6a.routingStatus"
            ]
        );
        assert_eq!(expand("v2.routing.queues.a.conversations").unwrap().len(), 1);
        for wrong in [
            "",
            "v2.routing.queues..conversations",
            "v2.routing.queues.a.conversation",
            "v2.routing.queues.a.*",
            "channel.metadata",
            "v2.system.socket_closing",
            "v2.users.a?presence&nonsense",
            "v2.detail.events.conversation.a?acd.start",
            &format!("v2.users.{}.presence", "a".repeat(200)),
        ] {
            assert_eq!(expand(wrong), None, "{wrong}");
        }
    }
}
