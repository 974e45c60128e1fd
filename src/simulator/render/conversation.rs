//! Renders a whole conversation: the body of `…conversations` topics and the answer of `GET /api/v2/conversations/{id}`.
//!
//! In: facts of one conversation · Out: JSON · Thread: any (pure).

use crate::simulator::centre::facts::{CallBack, Conversation, Participant, Purpose, Stay};
use crate::simulator::json::{Id, Object, id_ref};
use crate::simulator::when::iso;
use crate::simulator::world::{ALL_MEDIA, Media, World};
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
            .time("startTime", c.start())
            .maybe_time("endTime", c.end())
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
        Purpose::Acd => p
            .stay()
            .queue
            .map_or_else(String::new, |q| world.queues[q].name.clone()),
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

pub(super) fn wrapup(world: &World, s: &Stay) -> Option<Value> {
    let (code, start, end) = (s.after_call.code?, s.after_call.start?, s.after_call.end?);
    Some(json!({
        "code": world.wrapup_codes[code].0.to_string(),
        "notes": "",
        "tags": [],
        "durationSeconds": (end - start) / 1000,
        "endTime": iso(end),
    }))
}

/// The queue that is told of a participant; a menu does not belong to the queue to which it leads.
pub(super) fn queue_of(p: &Participant, s: &Stay) -> Option<usize> {
    s.queue
        .filter(|_| !matches!(p.purpose, Purpose::Ivr | Purpose::Workflow))
}

pub(super) fn routing_data(world: &World, p: &Participant) -> Option<Value> {
    let queue = (p.stay().queue).filter(|_| matches!(p.purpose, Purpose::Acd | Purpose::Agent))?;
    Some(json!({"queue": {"id": world.queues[queue].id.to_string()}, "priority": 0, "skills": []}))
}

/// The newest stay that has after-call work: a participant has the times of one only.
fn last_work(p: &Participant) -> &Stay {
    let worked = |s: &&Stay| s.after_call.start.is_some();
    p.stays.iter().rev().find(worked).unwrap_or(p.stay())
}

/// How a queue asks for after-call work.
pub(super) fn wrapup_prompt(s: &Stay) -> Object {
    let after = &s.after_call;
    Object::new()
        .set("wrapupRequired", after.expected)
        .when(
            after.expected,
            "wrapupPrompt",
            if after.optional { "optional" } else { "timeout" },
        )
        .when(after.expected && !after.optional, "wrapupTimeoutMs", WRAPUP_TIMEOUT_MS)
}

fn participant(world: &World, c: &Conversation, p: &Participant, shape: Shape) -> Value {
    let ours = p.is_internal();
    let stay = p.stay();
    let queue = queue_of(p, stay);
    let work = last_work(p);
    let mut object = Object::new()
        .set("id", p.id)
        .maybe_time("connectedTime", p.connected())
        .maybe_time("endTime", p.ended())
        .maybe("userId", p.user.map(|u| world.users[u].id))
        .set("name", name(world, c, p))
        .maybe("queueId", queue.map(|q| world.queues[q].id))
        .set("purpose", p.purpose.name())
        .set("address", address(world, c, p))
        .with(wrapup_prompt(stay))
        .maybe(
            "consultParticipantId",
            p.consulted_by.map(|asker| c.participants[asker].id),
        )
        .maybe("monitoredParticipantId", monitored(c, p))
        .maybe("conversationRoutingData", routing_data(world, p))
        .set("attributes", attributes(c, p))
        .maybe_time("startAcwTime", work.after_call.start)
        .maybe_time("endAcwTime", work.after_call.end)
        .maybe("wrapup", p.stays.iter().rev().find_map(|s| wrapup(world, s)));
    if shape == Shape::Notification {
        object = object.when(!stay.after_call.optional, "wrapupExpected", stay.after_call.expected);
    } else {
        object = object
            .time("startTime", p.joined())
            .maybe("queueName", queue.map(|q| world.queues[q].name.clone()));
    }
    if ours {
        object = object.set("alertingTimeoutMs", crate::simulator::centre::ALERTING_TIMEOUT_MS);
    }
    for media in ALL_MEDIA {
        let mut list: Vec<Value> = Vec::new();
        for s in &p.stays {
            if s.media == media {
                list.push(medium(world, c, p, s, shape));
            }
            if let (Media::Voice, Some(call)) = (media, &s.call_back) {
                list.push(call_back(c, p, call));
            }
        }
        object = object.when(!list.is_empty(), media.array_name(), list);
    }
    object.into()
}

/// Whom a participant monitors, as long as it has not taken over.
pub(super) fn monitored(c: &Conversation, p: &Participant) -> Option<Id> {
    let whom = p.monitoring.filter(|m| m.until.is_none())?.whom;
    Some(c.participants[whom].id)
}

/// The state of a participant's communication.
pub(super) fn state(c: &Conversation, p: &Participant, s: &Stay) -> &'static str {
    let can_terminate = matches!(s.media, Media::Voice | Media::Callback);
    match (s.end, s.connected) {
        (None, None) if s.is_scheduled() => "scheduled",
        (None, None) => initial_state(p, s),
        (None, Some(_)) if s.parked_since().is_some() => "parked",
        (None, Some(_)) => "connected",
        (Some(_), _) if can_terminate && (s.after_call.end.is_some() || c.end().is_some()) => "terminated",
        (Some(_), _) => "disconnected",
    }
}

pub(super) fn initial_state(p: &Participant, s: &Stay) -> &'static str {
    if s.scheduled_for.is_some() {
        return "scheduled";
    }
    let not_at_once = s.connected != Some(s.start);
    match (p.purpose, s.media) {
        (Purpose::Agent | Purpose::User, _) | (Purpose::Customer, Media::Voice) => "alerting",
        (Purpose::Acd, Media::Voice | Media::Callback) => "contacting",
        _ if not_at_once => "alerting",
        _ => "connected",
    }
}

fn after_call_work(p: &Participant, s: &Stay) -> Option<Value> {
    // Work that may be left out is not announced.
    if !p.is_internal() || s.connected.is_none() || s.end.is_none() || s.after_call.optional {
        return None;
    }
    let a = &s.after_call;
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

/// The settings of a call that is a communication of its own.
fn call_settings() -> Object {
    Object::new()
        .set("recording", false)
        .set("recordingState", "none")
        .set("muted", false)
        .set("confined", false)
        .set("securePause", false)
}

/// The call of an agent who calls back, and the customer's side of it.
fn call_back(c: &Conversation, p: &Participant, call: &CallBack) -> Value {
    let state = match (call.end, call.connected) {
        (Some(_), _) => "disconnected",
        (None, Some(_)) => "connected",
        (None, None) => "dialing",
    };
    let peer = c
        .customer()
        .stay()
        .call_back
        .as_ref()
        .map(|theirs| theirs.communication);
    Object::new()
        .set("id", call.communication)
        .set("state", state)
        .set("initialState", "dialing")
        .set("held", false)
        .set("direction", "outbound")
        .set("provider", Media::Voice.provider())
        .maybe_time("connectedTime", call.connected)
        .maybe_time("disconnectedTime", call.end)
        .maybe("disconnectType", call.end.map(|_| "endpoint"))
        .maybe("peerId", peer.filter(|_| p.is_internal()))
        .with(call_settings())
        .into()
}

fn medium(world: &World, c: &Conversation, p: &Participant, s: &Stay, shape: Shape) -> Value {
    let customer = c.customer();
    let is_caller = p.id == customer.id;
    let ours = p.is_internal();
    let common = Object::new()
        .set("id", s.communication)
        .set("state", state(c, p, s))
        .set("initialState", initial_state(p, s))
        .set("held", s.held_since().is_some())
        .set("direction", "inbound")
        .set("provider", s.media.provider())
        .maybe_time("connectedTime", s.connected)
        .maybe_time("startHoldTime", s.held_since())
        .maybe_time("disconnectedTime", s.end)
        .maybe("disconnectType", s.disconnect.map(|d| d.dotted()))
        .when(!is_caller, "peerId", customer.stay().communication)
        .when(ours, "afterCallWorkRequired", s.after_call.expected)
        .maybe("afterCallWork", after_call_work(p, s))
        .maybe("wrapup", wrapup(world, s));
    let common = if shape == Shape::Rest && ours {
        common.time("startAlertingTime", s.start)
    } else {
        common
    };
    let (theirs, us) = (
        json!({"name": c.caller, "addressNormalized": c.address, "addressRaw": c.address}),
        us(s.media),
    );
    let own = Object::new();
    let own = match s.media {
        Media::Voice => own
            .with(call_settings())
            .when(is_caller, "self", theirs.clone())
            .when(is_caller, "other", us.clone())
            .when(
                ours && !is_caller,
                "self",
                json!({"name": name(world, c, p), "addressNormalized": address(world, c, p)}),
            )
            .when(ours && !is_caller, "other", theirs),
        Media::Message => own
            .set("type", "webmessaging")
            .maybe_time("parkTime", s.parked_since())
            .set("toAddress", us)
            .set("fromAddress", theirs),
        Media::Email => own
            .set("subject", c.subject)
            .set("autoGenerated", false)
            .set("spam", false)
            .set(
                "messagesSent",
                i64::from(ours && s.end.is_some() && s.connected.is_some()),
            )
            .maybe_time("parkTime", s.parked_since()),
        Media::Callback => own
            .set("callbackNumbers", vec![c.address.clone()])
            .set("callbackUserName", c.caller.clone())
            .set("externalCampaign", false)
            .set("skipEnabled", true)
            .set("timeoutSeconds", 0)
            .maybe_time("callbackScheduledTime", s.scheduled_for),
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
