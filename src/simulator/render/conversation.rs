//! Renders a whole conversation: the body of `…conversations` topics and the answer of `GET /api/v2/conversations/{id}`.
//!
//! In: facts of one conversation · Out: JSON · Thread: any (pure).

use crate::simulator::centre::facts::{Conversation, Participant, Purpose};
use crate::simulator::json::{Object, id_ref};
use crate::simulator::when::iso;
use crate::simulator::world::{Media, World};
use serde_json::{Value, json};

/// Agents' after-call work ends by itself after this time, in the queues' settings.
pub(in crate::simulator) const WRAPUP_TIMEOUT_MS: i64 = 30_000;
/// The centre's own number.
pub(in crate::simulator) const OUR_NUMBER: &str = "+15550199";
/// The number of the external expert whom agents consult.
const OUTSIDE_NUMBER: &str = "tel:+15550177";
/// The centre's own mailbox.
pub(in crate::simulator) const OUR_MAILBOX: &str = "service@example.com";

/// The two forms of a conversation with one array for each medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::simulator) enum Shape {
    Notification,
    Rest,
}

pub(in crate::simulator) fn conversation(world: &World, c: &Conversation, shape: Shape) -> Value {
    let participants: Vec<Value> = c.participants.iter().map(|p| participant(world, c, p, shape)).collect();
    let mut entities = vec![];
    for queue in c.queues() {
        entities.push(id_ref(world.queues[queue].id));
    }
    let division_uri = format!("/api/v2/authorization/divisions/{}", world.division);
    let body = Object::new().set("id", c.id).set("participants", participants).set(
        "divisions",
        json!([{"division": {"id": world.division.to_string(), "selfUri": division_uri}, "entities": entities}]),
    );
    match shape {
        Shape::Notification => body.set("recordingState", "none"),
        Shape::Rest => body
            .set("recordingState", "NONE")
            .time("startTime", c.start)
            .maybe_time("endTime", c.end)
            .set("selfUri", format!("/api/v2/conversations/{}", c.id)),
    }
    .into()
}

pub(super) fn uri_address(c: &Conversation) -> String {
    match c.media {
        Media::Voice | Media::Callback => format!("tel:{}", c.address),
        Media::Message | Media::Email => c.address.clone(),
    }
}

pub(super) fn our_address(media: Media) -> &'static str {
    match media {
        Media::Voice | Media::Callback => "tel:+15550199",
        Media::Message => "webmessaging",
        Media::Email => OUR_MAILBOX,
    }
}

/// The name shown for a participant.
pub(super) fn name(world: &World, c: &Conversation, p: &Participant) -> String {
    match p.purpose {
        Purpose::Customer => c.caller.clone(),
        Purpose::Ivr | Purpose::Workflow => "Main Menu".to_owned(),
        Purpose::Voicemail => "Voicemail".to_owned(),
        Purpose::External => "Outside Expert".to_owned(),
        Purpose::Acd => p.queue.map_or_else(String::new, |q| world.queues[q].name.clone()),
        Purpose::Agent | Purpose::User => p.user.map_or_else(String::new, |u| world.users[u].name.clone()),
    }
}

pub(super) fn address(world: &World, c: &Conversation, p: &Participant) -> String {
    match p.purpose {
        Purpose::Customer => uri_address(c),
        Purpose::External => OUTSIDE_NUMBER.to_owned(),
        Purpose::Agent | Purpose::User => p
            .user
            .map_or_else(String::new, |u| format!("sip:{}", world.users[u].email)),
        _ => our_address(c.media).to_owned(),
    }
}

pub(super) fn attributes(c: &Conversation, p: &Participant) -> Value {
    if p.purpose != Purpose::Customer {
        return json!({});
    }
    json!({
        "customerTier": c.tier,
        "language": "en-us",
        "journey.step": "contact",
        "menu.path": "main/service",
        "crm.reference": format!("CRM-{:08}", c.id.0 % 100_000_000),
    })
}

pub(super) fn wrapup(world: &World, p: &Participant) -> Option<Value> {
    let (code, start, end) = (p.after_call.code?, p.after_call.start?, p.after_call.end?);
    Some(json!({
        "code": world.wrapup_codes[code].0.to_string(),
        "notes": "",
        "tags": [],
        "durationSeconds": (end - start) / 1000,
        "endTime": iso(end),
    }))
}

pub(super) fn routing_data(world: &World, p: &Participant) -> Option<Value> {
    let queue = p.queue.filter(|_| matches!(p.purpose, Purpose::Acd | Purpose::Agent))?;
    Some(json!({"queue": {"id": world.queues[queue].id.to_string()}, "priority": 0, "skills": []}))
}

fn participant(world: &World, c: &Conversation, p: &Participant, shape: Shape) -> Value {
    let ours = p.is_internal();
    let expected = p.after_call.expected;
    let queue = p
        .queue
        .filter(|_| !matches!(p.purpose, Purpose::Ivr | Purpose::Workflow));
    let mut object = Object::new()
        .set("id", p.id)
        .maybe_time("connectedTime", p.connected)
        .maybe_time("endTime", p.end)
        .maybe("userId", p.user.map(|u| world.users[u].id))
        .set("name", name(world, c, p))
        .maybe("queueId", queue.map(|q| world.queues[q].id))
        .set("purpose", p.purpose.name())
        .set("address", address(world, c, p))
        .set("wrapupRequired", expected)
        .maybe(
            "consultParticipantId",
            p.consulted_by.map(|asker| c.participants[asker].id),
        )
        .maybe("conversationRoutingData", routing_data(world, p))
        .set("attributes", attributes(c, p))
        .maybe_time("startAcwTime", p.after_call.start)
        .maybe_time("endAcwTime", p.after_call.end)
        .maybe("wrapup", wrapup(world, p))
        .set(c.media.array_name(), vec![medium(world, c, p, shape)]);
    if shape == Shape::Notification {
        object = object.set("wrapupExpected", expected);
    } else {
        object = object
            .time("startTime", p.start)
            .maybe("queueName", queue.map(|q| world.queues[q].name.clone()));
    }
    if expected {
        object = object
            .set("wrapupPrompt", "timeout")
            .set("wrapupTimeoutMs", WRAPUP_TIMEOUT_MS);
    }
    if ours {
        object = object.set("alertingTimeoutMs", crate::simulator::centre::ALERTING_TIMEOUT_MS);
    }
    object.into()
}

/// The state of a participant's communication.
pub(super) fn state(c: &Conversation, p: &Participant) -> &'static str {
    let can_terminate = matches!(c.media, Media::Voice | Media::Callback);
    match (p.end, p.connected) {
        (None, None) => "alerting",
        (None, Some(_)) if p.parked_since().is_some() => "parked",
        (None, Some(_)) => "connected",
        (Some(_), _) if can_terminate && (p.after_call.end.is_some() || c.end.is_some()) => "terminated",
        (Some(_), _) => "disconnected",
    }
}

pub(super) fn initial_state(c: &Conversation, p: &Participant) -> &'static str {
    match (p.purpose, c.media) {
        (Purpose::Agent | Purpose::User, _) | (Purpose::Customer, Media::Voice) => "alerting",
        (Purpose::Acd, Media::Voice) => "contacting",
        _ => "connected",
    }
}

fn after_call_work(p: &Participant) -> Option<Value> {
    if !p.is_internal() || p.connected.is_none() || p.end.is_none() {
        return None;
    }
    let a = &p.after_call;
    let state = match (a.expected, a.skipped, a.end) {
        (false, _, _) => "notApplicable",
        (true, true, _) => "skipped",
        (true, false, None) => "pending",
        (true, false, Some(_)) => "complete",
    };
    Some(
        Object::new()
            .set("state", state)
            .maybe_time("startTime", a.start)
            .maybe_time("endTime", a.end)
            .into(),
    )
}

fn medium(world: &World, c: &Conversation, p: &Participant, shape: Shape) -> Value {
    let customer = c.customer();
    let ours = p.is_internal();
    let common = Object::new()
        .set("id", p.communication)
        .set("state", state(c, p))
        .set("initialState", initial_state(c, p))
        .set("held", p.held_since().is_some())
        .set("direction", "inbound")
        .set("provider", c.media.provider())
        .maybe_time("connectedTime", p.connected)
        .maybe_time("startHoldTime", p.held_since())
        .maybe_time("disconnectedTime", p.end)
        .maybe("disconnectType", p.disconnect.map(|d| d.dotted()))
        .when(p.purpose != Purpose::Customer, "peerId", customer.communication)
        .when(ours, "afterCallWorkRequired", p.after_call.expected)
        .maybe("afterCallWork", after_call_work(p))
        .maybe("wrapup", wrapup(world, p));
    let common = if shape == Shape::Rest && ours {
        common.time("startAlertingTime", p.start)
    } else {
        common
    };
    let (theirs, us) = (
        json!({"name": c.caller, "addressNormalized": c.address, "addressRaw": c.address}),
        us(c.media),
    );
    let own = Object::new();
    let own = match c.media {
        Media::Voice => own
            .set("recording", false)
            .set("recordingState", "none")
            .set("muted", false)
            .set("confined", false)
            .set("securePause", false)
            .when(p.purpose == Purpose::Customer, "self", theirs.clone())
            .when(p.purpose == Purpose::Customer, "other", us.clone())
            .when(
                ours,
                "self",
                json!({"name": name(world, c, p), "addressNormalized": address(world, c, p)}),
            )
            .when(ours, "other", theirs),
        Media::Message => own
            .set("type", "webmessaging")
            .maybe_time("parkTime", p.parked_since())
            .set("toAddress", us)
            .set("fromAddress", theirs),
        Media::Email => own
            .set("subject", c.subject)
            .set("autoGenerated", false)
            .set("spam", false)
            .set(
                "messagesSent",
                i64::from(ours && p.end.is_some() && p.connected.is_some()),
            )
            .maybe_time("parkTime", p.parked_since()),
        Media::Callback => own
            .set("callbackNumbers", vec![c.address.clone()])
            .set("callbackUserName", c.caller.clone())
            .set("externalCampaign", false)
            .set("skipEnabled", true)
            .set("timeoutSeconds", 0),
    };
    common.with(own).into()
}

fn us(media: Media) -> Value {
    match media {
        Media::Voice | Media::Callback => {
            json!({"addressNormalized": OUR_NUMBER, "addressRaw": OUR_NUMBER})
        }
        _ => json!({"addressNormalized": our_address(media), "addressRaw": our_address(media)}),
    }
}
