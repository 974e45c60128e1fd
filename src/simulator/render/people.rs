//! Renders users: entities, presence, routing status, and the bodies of user topics.
//!
//! In: the organisation and its users' states · Out: JSON · Thread: any (pure).

use crate::simulator::centre::Centre;
use crate::simulator::json::{Object, id_ref};
use crate::simulator::world::{Media, ON_QUEUE, World};
use serde_json::{Value, json};

pub(super) fn division(world: &World) -> Value {
    json!({
        "id": world.division.to_string(),
        "name": "Home",
        "selfUri": format!("/api/v2/authorization/divisions/{}", world.division),
    })
}

pub(in crate::simulator) fn user(centre: &Centre, index: usize, expand: &[String]) -> Value {
    let world = &centre.world;
    let user = &world.users[index];
    let wants = |what: &str| expand.iter().any(|e| e == what);
    Object::new()
        .set("id", user.id)
        .set("name", user.name.clone())
        .set("division", division(world))
        .set(
            "chat",
            json!({"jabberId": format!("{}@simulator.example.com", user.id)}),
        )
        .set("email", user.email.clone())
        .set("username", user.email.clone())
        .set("title", user.title)
        .set("state", "active")
        .set("version", 1)
        .set("acdAutoAnswer", false)
        .when(wants("presence"), "presence", presence(centre, index))
        .when(wants("routingStatus"), "routingStatus", routing_status(centre, index))
        .when(
            wants("conversationSummary"),
            "conversationSummary",
            summary(centre, index),
        )
        .set("selfUri", format!("/api/v2/users/{}", user.id))
        .into()
}

/// `GET …/presences/purecloud`.
pub(in crate::simulator) fn presence(centre: &Centre, index: usize) -> Value {
    let world = &centre.world;
    let agent = &centre.agents[index];
    let definition = &world.presences[agent.presence];
    let user = world.users[index].id;
    Object::new()
        .set("id", user)
        .set("source", "PURECLOUD")
        .set("primary", true)
        .set(
            "presenceDefinition",
            json!({
                "id": definition.id.to_string(),
                "systemPresence": definition.label,
                "selfUri": format!("/api/v2/presence/definitions/{}", definition.id),
            }),
        )
        .set("message", "")
        .time("modifiedDate", agent.presence_since)
        .set("selfUri", format!("/api/v2/users/{user}/presences/purecloud"))
        .into()
}

/// `GET …/routingstatus`.
pub(in crate::simulator) fn routing_status(centre: &Centre, index: usize) -> Value {
    let agent = &centre.agents[index];
    Object::new()
        .set("userId", centre.world.users[index].id)
        .set("status", agent.routing.name())
        .time("startTime", agent.routing_since)
        .into()
}

/// `v2.users.{id}.presence`; the body does not name the user.
pub(in crate::simulator) fn presence_event(centre: &Centre, index: usize) -> Value {
    let agent = &centre.agents[index];
    let definition = &centre.world.presences[agent.presence];
    Object::new()
        .set("source", "PURECLOUD")
        .set(
            "presenceDefinition",
            json!({"id": definition.id.to_string(), "systemPresence": definition.system}),
        )
        .set("primary", true)
        .set("message", "")
        .time("modifiedDate", agent.presence_since)
        .into()
}

/// `v2.users.{id}.routingStatus`.
pub(in crate::simulator) fn routing_event(centre: &Centre, index: usize) -> Value {
    let agent = &centre.agents[index];
    let status = Object::new()
        .set("status", agent.routing.name())
        .time("startTime", agent.routing_since);
    Object::new()
        .set("id", centre.world.users[index].id)
        .set("routingStatus", Value::from(status))
        .into()
}

/// `v2.users.{id}.activity`.
pub(in crate::simulator) fn activity_event(centre: &Centre, index: usize) -> Value {
    let world = &centre.world;
    let agent = &centre.agents[index];
    let definition = &world.presences[agent.presence];
    let active: Vec<String> = match agent.presence == ON_QUEUE {
        true => world.users[index]
            .queues
            .iter()
            .map(|&q| world.queues[q].id.to_string())
            .collect(),
        false => Vec::new(),
    };
    let routing = Object::new()
        .set("status", agent.routing.name())
        .time("startTime", agent.routing_since);
    let presence = Object::new()
        .set(
            "presenceDefinition",
            json!({"id": definition.id.to_string(), "systemPresence": definition.system}),
        )
        .set("presenceMessage", "")
        .time("modifiedDate", agent.presence_since);
    let office = Object::new().set("active", false).time("modifiedDate", world.created);
    Object::new()
        .set("id", world.users[index].id)
        .set("routingStatus", Value::from(routing))
        .set("presence", Value::from(presence))
        .set("outOfOffice", Value::from(office))
        .set("activeQueueIds", active)
        .time("dateActiveQueuesChanged", agent.presence_since)
        .into()
}

/// `v2.users.{id}.conversationsummary`, and the expansion of the same name.
pub(in crate::simulator) fn summary(centre: &Centre, index: usize) -> Value {
    let (mut active, mut after_call) = ([0; 4], [0; 4]);
    for s in centre.work_of(index) {
        active[s.media.index()] += i64::from(s.is_talking());
        after_call[s.media.index()] += i64::from(s.after_call.is_open());
    }
    let of = |media: Media| {
        json!({
            "contactCenter": {"active": active[media.index()], "acw": after_call[media.index()]},
            "enterprise": {"active": 0, "acw": 0},
        })
    };
    Object::new()
        .set("userId", centre.world.users[index].id)
        .set("call", of(Media::Voice))
        .set("callback", of(Media::Callback))
        .set("email", of(Media::Email))
        .set("message", of(Media::Message))
        .set(
            "chat",
            json!({"contactCenter": {"active": 0, "acw": 0}, "enterprise": {"active": 0, "acw": 0}}),
        )
        .into()
}

/// `v2.routing.queues.{id}.users`.
pub(in crate::simulator) fn queue_user_event(world: &World, queue: usize, user: usize, joined: bool) -> Value {
    let id = world.users[user].id;
    Object::new()
        .set("id", id)
        .set("user", id_ref(id))
        .set("queueId", world.queues[queue].id)
        .set("joined", joined)
        .into()
}

/// `GET /api/v2/presence/definitions`.
pub(in crate::simulator) fn presence_definition(world: &World, index: usize) -> Value {
    let p = &world.presences[index];
    json!({
        "id": p.id.to_string(),
        "name": p.label,
        "type": "System",
        "languageLabels": {"en_US": p.label},
        "systemPresence": p.definition,
        "deactivated": false,
        "selfUri": format!("/api/v2/presence/definitions/{}", p.id),
    })
}

/// `GET /api/v2/presencedefinitions`, the older listing.
pub(in crate::simulator) fn organization_presence(world: &World, index: usize) -> Value {
    let p = &world.presences[index];
    json!({
        "id": p.id.to_string(),
        "name": p.label,
        "languageLabels": {"en_US": p.label},
        "systemPresence": p.label,
        "deactivated": false,
        "primary": true,
        "selfUri": format!("/api/v2/presencedefinitions/{}", p.id),
    })
}
