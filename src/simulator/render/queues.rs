//! Renders queues, their members and wrap-up codes.
//!
//! In: the organisation and its agents' states · Out: JSON · Thread: any (pure).

use super::people::{self, division};
use crate::simulator::centre::Centre;
use crate::simulator::json::Object;
use crate::simulator::world::{Media, ON_QUEUE, World};
use serde_json::{Value, json};

pub(in crate::simulator) fn queue(centre: &Centre, index: usize) -> Value {
    let world = &centre.world;
    let queue = &world.queues[index];
    let joined = queue
        .members
        .iter()
        .filter(|&&u| centre.agents[u].presence == ON_QUEUE)
        .count();
    let setting = |media: Media, timeout: i64| {
        let (percentage, duration) = queue.service_level[media.index()];
        json!({
            "alertingTimeoutSeconds": timeout,
            "enableAutoAnswer": false,
            "serviceLevel": {"percentage": percentage, "durationMs": duration},
        })
    };
    let wrapup = if queue.wrapup_required {
        json!({"wrapupPrompt": "MANDATORY_TIMEOUT", "timeoutMs": 30000})
    } else {
        json!({"wrapupPrompt": "OPTIONAL"})
    };
    Object::new()
        .set("id", queue.id)
        .set("name", queue.name.clone())
        .set("division", division(world))
        .time("dateCreated", world.created)
        .time("dateModified", world.created)
        .set("memberCount", queue.members.len())
        .set("userMemberCount", queue.members.len())
        .set("joinedMemberCount", joined)
        .set(
            "mediaSettings",
            json!({
                "call": setting(Media::Voice, 8),
                "callback": setting(Media::Callback, 8),
                "chat": setting(Media::Message, 8),
                "email": setting(Media::Email, 8),
                "message": setting(Media::Message, 8),
            }),
        )
        .set("acwSettings", wrapup)
        .set("skillEvaluationMethod", "ALL")
        .set("autoAnswerOnly", false)
        .set("selfUri", format!("/api/v2/routing/queues/{}", queue.id))
        .into()
}

pub(in crate::simulator) fn member(centre: &Centre, queue: usize, user: usize, expand: &[String]) -> Value {
    let world = &centre.world;
    let person = &world.users[user];
    let wants = |what: &str| expand.iter().any(|e| e == what);
    Object::new()
        .set("id", person.id)
        .set("name", person.name.clone())
        .set("user", people::user(centre, user, expand))
        .set("ringNumber", 1)
        .set("joined", centre.agents[user].presence == ON_QUEUE)
        .set("memberBy", "user")
        .when(
            wants("routingStatus"),
            "routingStatus",
            people::routing_status(centre, user),
        )
        .set(
            "selfUri",
            format!(
                "/api/v2/routing/queues/{}/members/{}",
                world.queues[queue].id, person.id
            ),
        )
        .into()
}

pub(in crate::simulator) fn wrapup_code(world: &World, index: usize) -> Value {
    let (id, name) = &world.wrapup_codes[index];
    Object::new()
        .set("id", *id)
        .set("name", *name)
        .time("dateCreated", world.created)
        .time("dateModified", world.created)
        .set("selfUri", format!("/api/v2/routing/wrapupcodes/{id}"))
        .into()
}
