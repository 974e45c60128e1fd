//! Renders the bodies of topics of one medium (`…conversations.calls` and so on): participants without arrays of media.
//!
//! In: facts of one conversation · Out: JSON · Thread: any (pure).

use super::conversation::{
    WRAPUP_TIMEOUT_MS, address, attributes, initial_state, name, our_address, routing_data, state, uri_address, wrapup,
};
use crate::simulator::centre::facts::{Conversation, Participant, Purpose};
use crate::simulator::json::{Object, id_ref};
use crate::simulator::world::{Media, World};
use serde_json::{Value, json};

pub(in crate::simulator) fn conversation(world: &World, c: &Conversation) -> Value {
    let participants: Vec<Value> = c.participants.iter().map(|p| participant(world, c, p)).collect();
    let body = Object::new()
        .set("id", c.id)
        .set("participants", participants)
        .set("otherMediaUris", json!([]));
    let body = if c.media == Media::Voice {
        body.set("recordingState", "none")
    } else {
        body
    };
    body.into()
}

fn participant(world: &World, c: &Conversation, p: &Participant) -> Value {
    let expected = p.after_call.expected;
    let queue = p
        .queue
        .filter(|_| !matches!(p.purpose, Purpose::Ivr | Purpose::Workflow));
    let object = Object::new()
        .set("id", p.id)
        .set("name", name(world, c, p))
        .set("address", address(world, c, p))
        .time("startTime", p.start)
        .maybe_time("connectedTime", p.connected)
        .maybe_time("endTime", p.end)
        .maybe_time("startHoldTime", p.held_since())
        .maybe_time("parkTime", p.parked_since())
        .set("purpose", p.purpose.name())
        .set("state", state(c, p))
        .set("initialState", initial_state(c, p))
        .set("direction", "inbound")
        .maybe("disconnectType", p.disconnect.map(|d| d.dotted()))
        .set("held", p.held_since().is_some())
        .set("wrapupRequired", expected)
        .when(expected, "wrapupPrompt", "timeout")
        .when(expected, "wrapupTimeoutMs", WRAPUP_TIMEOUT_MS)
        .when(p.after_call.skipped, "wrapupSkipped", true)
        .maybe("user", p.user.map(|u| id_ref(world.users[u].id)))
        .maybe("queue", queue.map(|q| id_ref(world.queues[q].id)))
        .set("attributes", attributes(c, p))
        .set("provider", c.media.provider())
        .maybe("conversationRoutingData", routing_data(world, p))
        .maybe("wrapup", wrapup(world, p))
        .maybe_time("startAcwTime", p.after_call.start)
        .maybe_time("endAcwTime", p.after_call.end)
        .when(
            p.is_internal(),
            "alertingTimeoutMs",
            crate::simulator::centre::ALERTING_TIMEOUT_MS,
        )
        .when(p.purpose != Purpose::Customer, "peer", c.customer().communication);
    match c.media {
        Media::Voice => object
            .set("muted", false)
            .set("confined", false)
            .set("recording", false)
            .set("recordingState", "none")
            .set("ani", uri_address(c))
            .set("dnis", our_address(c.media)),
        Media::Email => object.set("subject", c.subject),
        Media::Callback => object
            .set("callbackNumbers", vec![c.address.clone()])
            .set("callbackUserName", c.caller.clone()),
        Media::Message => object.set("type", "webmessaging"),
    }
    .into()
}
