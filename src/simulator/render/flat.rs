//! Renders the bodies of topics of one medium (`…conversations.calls` and so on): participants without arrays of media.
//!
//! In: facts of one conversation · Out: JSON · Thread: any (pure).

use super::conversation::{
    address, attributes, initial_state, monitored, name, our_address, queue_of, routing_data, state, uri_address,
    wrapup, wrapup_prompt,
};
use crate::simulator::centre::facts::{CallBack, Conversation, Participant, Stay};
use crate::simulator::json::{Object, id_ref};
use crate::simulator::world::{Media, World};
use serde_json::{Value, json};

/// The participants who take part by one medium, each with its newest stay.
pub(in crate::simulator) fn conversation(world: &World, c: &Conversation, media: Media) -> Value {
    let of = |p: &Participant| {
        let stay = p.stays.iter().rev().find(|s| s.media == media);
        let call = || p.stays.iter().rev().find_map(|s| s.call_back.as_ref());
        match stay {
            Some(stay) => Some(participant(world, c, p, stay)),
            None if media == Media::Voice => call().map(|call| caller_back(world, c, p, call)),
            None => None,
        }
    };
    let participants: Vec<Value> = c.participants.iter().filter_map(of).collect();
    let body = Object::new()
        .set("id", c.id)
        .set("participants", participants)
        .set("otherMediaUris", json!([]));
    let body = if media == Media::Voice {
        body.set("recordingState", "none")
    } else {
        body
    };
    body.into()
}

/// What a participant has in every medium.
fn base(world: &World, c: &Conversation, p: &Participant) -> Object {
    let queue = queue_of(p, p.stay());
    Object::new()
        .set("id", p.id)
        .set("name", name(world, c, p))
        .set("address", address(world, c, p))
        .set("purpose", p.purpose.name())
        .maybe("user", p.user.map(|u| id_ref(world.users[u].id)))
        .maybe("queue", queue.map(|q| id_ref(world.queues[q].id)))
        .set("attributes", attributes(c, p))
        .maybe("conversationRoutingData", routing_data(world, p))
}

/// Somebody whose only call is that of a callback.
fn caller_back(world: &World, c: &Conversation, p: &Participant, call: &CallBack) -> Value {
    let state = match (call.end, call.connected) {
        (Some(_), _) => "disconnected",
        (None, Some(_)) => "connected",
        (None, None) => "dialing",
    };
    base(world, c, p)
        .time("startTime", call.start)
        .maybe_time("connectedTime", call.connected)
        .maybe_time("endTime", call.end)
        .set("state", state)
        .set("initialState", "dialing")
        .set("direction", "outbound")
        .maybe("disconnectType", call.end.map(|_| "endpoint"))
        .set("held", false)
        .set("wrapupRequired", false)
        .set("provider", Media::Voice.provider())
        .set("muted", false)
        .set("confined", false)
        .set("recording", false)
        .set("recordingState", "none")
        .into()
}

fn participant(world: &World, c: &Conversation, p: &Participant, s: &Stay) -> Value {
    let object = base(world, c, p)
        .time("startTime", s.start)
        .maybe_time("connectedTime", s.connected)
        .maybe_time("endTime", s.end)
        .maybe_time("startHoldTime", s.held_since())
        .maybe_time("parkTime", s.parked_since())
        .set("state", state(c, p, s))
        .set("initialState", initial_state(p, s))
        .set("direction", "inbound")
        .maybe("disconnectType", s.disconnect.map(|d| d.dotted()))
        .set("held", s.held_since().is_some())
        .with(wrapup_prompt(s))
        .when(s.after_call.skipped, "wrapupSkipped", true)
        .set("provider", s.media.provider())
        .maybe("wrapup", wrapup(world, s))
        .maybe_time("startAcwTime", s.after_call.start)
        .maybe_time("endAcwTime", s.after_call.end)
        .when(
            p.is_internal(),
            "alertingTimeoutMs",
            crate::simulator::centre::ALERTING_TIMEOUT_MS,
        )
        .when(p.id != c.customer().id, "peer", c.customer().stay().communication);
    match s.media {
        Media::Voice => object
            .maybe("monitoredParticipantId", monitored(c, p))
            .set("muted", false)
            .set("confined", false)
            .set("recording", false)
            .set("recordingState", "none")
            .set("ani", uri_address(c))
            .set("dnis", our_address(s.media)),
        Media::Email => object.set("subject", c.subject),
        Media::Callback => object
            .set("callbackNumbers", vec![c.address.clone()])
            .set("callbackUserName", c.caller.clone())
            .maybe_time("callbackScheduledTime", s.scheduled_for),
        Media::Message => object.set("type", "webmessaging"),
    }
    .into()
}
