//! The tutorial's `events` socket: subscribe, ack, then conversation and queue events.
//!
//! In: an upgrade of `/api/v2/events?access_token=…`, one subscription · Out: event frames · Thread: the connection's; the
//! centre's sends the frames.

use super::subscribed::EventSocket;
use super::{Frame, Outbox, serve, text_frame, upgrade, wants_upgrade};
use crate::http_server::{Reply, Request, Response};
use crate::simulator::centre::facts::{Conversation, Participant, Purpose};
use crate::simulator::json::Object;
use crate::simulator::service::problem::Problem;
use crate::simulator::shared::Shared;
use crate::simulator::when::{Ms, iso};
use serde_json::{Value, json};
use std::net::TcpStream;
use std::sync::Arc;

/// The event types that can be subscribed.
const TYPES: [&str; 2] = ["conversation:updated", "routing:queue:updated"];

pub(in crate::simulator) fn open(shared: &Arc<Shared>, request: &Request, correlation: &str) -> Reply {
    if !wants_upgrade(request) {
        return Problem::new(426, "upgrade.required", "This is a WebSocket.")
            .response(correlation)
            .header("Upgrade", "websocket")
            .into();
    }
    let token = request
        .parameters()
        .into_iter()
        .find(|(key, _)| key == "access_token")
        .map(|(_, value)| value);
    let token = match token {
        Some(token) if shared.registry().tokens.valid(&token, shared.clock.wall()).is_some() => token,
        _ => return Problem::bad_credentials().response(correlation).into(),
    };
    let shared = Arc::clone(shared);
    let response = Response::new(101).header("ININ-Correlation-Id", correlation);
    upgrade(request, response, move |stream, early| {
        run(&shared, &token, stream, early)
    })
}

fn run(shared: &Shared, token: &str, stream: TcpStream, early: Vec<u8>) {
    let outbox_of = |outbox: &Arc<Outbox>| {
        // Registered before it subscribes to any type, so that revoking the token closes the socket.
        let socket = EventSocket {
            outbox: Arc::clone(outbox),
            token: token.to_owned(),
            conversations: false,
            queue_updates: false,
            queues: None,
        };
        shared.events().push(socket);
        true
    };
    let outbox = serve(shared, stream, early, None, outbox_of, |outbox, text| {
        let answer = subscribe(shared, outbox, text);
        outbox.send(text_frame(&answer.to_string()));
    });
    if let Some(outbox) = outbox {
        shared.events().retain(|s| s.outbox.id != outbox.id);
    }
}

fn refusal(status: u16, message: &str) -> Value {
    json!({"type": "error", "status": status, "message": message})
}

fn subscribe(shared: &Shared, outbox: &Outbox, text: &str) -> Value {
    let Ok(message) = serde_json::from_str::<Value>(text) else {
        return refusal(400, "The message is not JSON.");
    };
    if message.get("type").and_then(Value::as_str) != Some("subscribe") {
        return refusal(400, "Unknown message type; expected subscribe.");
    }
    let Some(subscription) = message.get("subscription").and_then(Value::as_object) else {
        return refusal(400, "The subscription is missing.");
    };
    let texts = |value: Option<&Value>| -> Option<Vec<String>> {
        value?
            .as_array()?
            .iter()
            .map(|t| t.as_str().map(str::to_owned))
            .collect()
    };
    let Some(types) = texts(subscription.get("eventTypes")).filter(|t| !t.is_empty()) else {
        return refusal(400, "eventTypes must be a list of texts that is not empty.");
    };
    if let Some(unknown) = types.iter().find(|t| !TYPES.contains(&t.as_str())) {
        return refusal(400, &format!("Unknown event type {unknown}."));
    }
    let queues = match subscription.get("filters") {
        None | Some(Value::Null) => None,
        Some(filters) => match texts(filters.get("routingQueueIds")) {
            Some(list) => Some(list.into_iter().map(|id| id.to_lowercase()).collect()),
            None => return refusal(400, "filters.routingQueueIds must be a list of texts."),
        },
    };
    if queues.is_some() && shared.faults().refuse_event_filters {
        return refusal(403, "403 Forbidden: filters are not allowed for this client.");
    }
    if let Some(socket) = shared.events().iter_mut().find(|s| s.outbox.id == outbox.id) {
        socket.conversations = types.iter().any(|t| t == TYPES[0]);
        socket.queue_updates = types.iter().any(|t| t == TYPES[1]);
        socket.queues = queues;
    }
    json!({"type": "ack"})
}

fn state(c: &Conversation) -> &'static str {
    let consulted = |p: &Participant| p.purpose == Purpose::User && !p.listens_in() && p.stay().is_talking();
    if c.end().is_some() {
        "closed"
    } else if !c.customer().stay().is_open() {
        "wrapup"
    } else if c.participants.iter().skip(1).any(consulted) && c.stays().any(|(.., s)| s.held_since().is_some()) {
        "consulting"
    } else {
        "connected"
    }
}

/// Sends a conversation's change to the sockets without a filter, and to those that filter by a queue that it visited.
pub(in crate::simulator) fn publish(shared: &Shared, c: &Conversation, at: Ms) {
    let sockets = shared.events();
    if !sockets.iter().any(|s| s.conversations) {
        return;
    }
    let queues: Vec<String> = c
        .queues()
        .iter()
        .map(|&q| shared.world.queues[q].id.to_string())
        .collect();
    let current = c.customer().stay().queue.map(|q| shared.world.queues[q].id);
    let body = Object::new()
        .set("id", c.id)
        .set("state", state(c))
        .maybe("queueId", current)
        .set("timestamp", iso(at));
    let frame = event(TYPES[0], body.into());
    for socket in sockets.iter().filter(|s| s.conversations) {
        if socket.queues.is_none() || queues.iter().any(|q| socket.wants_queue(q)) {
            socket.outbox.send_event(Arc::clone(&frame));
        }
    }
}

/// Sends a queue's average wait, in seconds.
pub(in crate::simulator) fn publish_queue(shared: &Shared, queue: usize, average_wait_secs: f64) {
    let sockets = shared.events();
    let id = shared.world.queues[queue].id.to_string();
    let frame = event(
        TYPES[1],
        json!({"id": id, "statistics": {"averageWaitTime": average_wait_secs}}),
    );
    for socket in sockets.iter().filter(|s| s.queue_updates && s.wants_queue(&id)) {
        socket.outbox.send_event(Arc::clone(&frame));
    }
}

fn event(kind: &str, data: Value) -> Frame {
    text_frame(&json!({"type": "event", "event": {"type": kind, "data": data}}).to_string())
}

/// Sends an error frame to every `events` socket. Returns how many there are.
pub(in crate::simulator) fn publish_error(shared: &Shared, message: &str) -> usize {
    let frame = text_frame(&json!({"type": "error", "message": message}).to_string());
    let sockets = shared.events();
    sockets.iter().for_each(|s| s.outbox.send(Arc::clone(&frame)));
    sockets.len()
}
