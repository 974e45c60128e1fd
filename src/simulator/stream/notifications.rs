//! The socket of a notification channel.
//!
//! In: an upgrade for `/channels/{id}`, the client's JSON messages · Out: answers to them (`publish` sends the events) ·
//! Thread: the connection's.

use super::{Outbox, serve, text_frame, upgrade, wants_upgrade};
use crate::http_server::{Reply, Request, Response};
use crate::simulator::channels::{Errors, Mode, Refusal, end_of};
use crate::simulator::json::Object;
use crate::simulator::service::problem::Problem;
use crate::simulator::shared::Shared;
use serde_json::{Value, json};
use std::net::TcpStream;
use std::sync::Arc;

const HEARTBEAT: &str = r#"{"topicName":"channel.metadata","eventBody":{"message":"WebSocket Heartbeat"}}"#;
const PONG: &str = r#"{"topicName":"channel.metadata","eventBody":{"message":"pong"}}"#;

pub(in crate::simulator) fn open(shared: &Arc<Shared>, request: &Request, id: &str, correlation: &str) -> Reply {
    if shared.registry().channel(id, None).is_none() {
        return Problem::not_found().response(correlation).into();
    }
    if !wants_upgrade(request) {
        return Problem::new(426, "upgrade.required", "This is a WebSocket.")
            .response(correlation)
            .header("Upgrade", "websocket")
            .into();
    }
    let (shared, id) = (Arc::clone(shared), id.to_owned());
    let response = Response::new(101).header("ININ-Correlation-Id", correlation);
    upgrade(request, response, move |stream, early| run(&shared, &id, stream, early))
}

fn run(shared: &Shared, id: &str, stream: TcpStream, early: Vec<u8>) {
    let heartbeat = (shared.clock.shorten(shared.options.heartbeat), text_frame(HEARTBEAT));
    let attach = |outbox: &Arc<Outbox>| {
        // A separate statement, so that the lock is released before the frames are sent.
        let attached = shared.registry().attach(id, outbox);
        match attached {
            Ok(Some(first)) => {
                first.send(system(
                    shared,
                    "no_longer_subscribed",
                    id,
                    Some("another_channel_subscribed"),
                ));
                first.close(1000, "another connection took this channel");
                true
            }
            Ok(None) => true,
            Err(()) => {
                close_as_gone(outbox);
                false
            }
        }
    };
    let outbox = serve(shared, stream, early, Some(heartbeat), attach, |outbox, text| {
        message(shared, id, outbox, text)
    });
    if let Some(outbox) = outbox {
        shared.registry().detach(id, &outbox);
    }
}

/// Tells the client that the channel is gone, and closes the socket.
pub(in crate::simulator) fn close_as_gone(outbox: &Outbox) {
    outbox.send(text_frame(
        r#"{"result":"404","message":"Channel not found or expired"}"#,
    ));
    outbox.close(1001, "channel gone");
}

/// A system topic's frame; `kind` is also the `systemTopicType`.
pub(in crate::simulator) fn system(shared: &Shared, kind: &str, channel: &str, reason: Option<&str>) -> super::Frame {
    system_frame(shared, &format!("v2.system.{kind}.{channel}"), kind, channel, reason)
}

/// The frame that tells that the subscriptions of a channel changed.
pub(in crate::simulator) fn subscription_changed(shared: &Shared, channel: &str) -> super::Frame {
    system_frame(shared, "v2.subscription.updated", "subscription_changed", channel, None)
}

fn system_frame(shared: &Shared, topic: &str, kind: &str, channel: &str, reason: Option<&str>) -> super::Frame {
    let correlation = shared.random_id();
    let body = Object::new()
        .set("channelId", channel)
        .set("systemTopicType", kind)
        .set("correlationId", correlation)
        .set("organizationId", shared.world.organization)
        .set("oauthClientId", shared.world.oauth_client)
        .maybe("reason", reason);
    let frame = json!({
        "topicName": topic,
        "version": "2",
        "eventBody": Value::from(body),
        "metadata": {"CorrelationId": correlation.to_string()},
    });
    text_frame(&frame.to_string())
}

/// The frame that announces a close.
pub(in crate::simulator) fn socket_closing(shared: &Shared) -> super::Frame {
    let frame = json!({
        "topicName": "v2.system.socket_closing",
        "version": "2",
        "eventBody": {"message": "This socket will be closed soon; reconnect."},
        "metadata": {"CorrelationId": shared.random_id().to_string()},
    });
    text_frame(&frame.to_string())
}

fn message(shared: &Shared, id: &str, outbox: &Outbox, text: &str) {
    // Text that is not a JSON object is ignored, as the service seems to do.
    let Ok(Value::Object(message)) = serde_json::from_str::<Value>(text) else {
        return;
    };
    let kind = message.get("message").and_then(Value::as_str).unwrap_or_default();
    if kind == "ping" {
        outbox.send(text_frame(PONG));
        return;
    }
    if kind != "subscribe" && kind != "unsubscribe" {
        return;
    }
    let answer = match message.get("topics").map(topic_list) {
        Some(Some(topics)) => change(shared, id, kind, &topics),
        _ => Err(("400", "topics must be a list of texts".to_owned())),
    };
    let object = match answer {
        Ok(status) => Object::new().set("result", "200").set("status", status),
        Err((result, why)) => Object::new()
            .set("result", result)
            .set("status", "failure")
            .set("message", why),
    };
    let object = object.maybe("correlationId", message.get("correlationId").cloned());
    outbox.send(text_frame(&Value::from(object).to_string()));
}

fn topic_list(value: &Value) -> Option<Vec<String>> {
    value
        .as_array()?
        .iter()
        .map(|t| t.as_str().map(str::to_owned))
        .collect()
}

fn change(shared: &Shared, id: &str, kind: &str, topics: &[String]) -> Result<&'static str, (&'static str, String)> {
    let rules = shared.rules();
    let gone = ("404", "Channel not found or expired".to_owned());
    if kind == "unsubscribe" {
        return shared
            .registry()
            .unsubscribe(id, Some(topics), &rules)
            .then_some("unsubscribed")
            .ok_or(gone);
    }
    let limits = (
        end_of(&shared.clock, shared.options.channel_life),
        shared.options.max_topics,
    );
    let done = shared
        .registry()
        .subscribe(id, topics, (Mode::Add, Errors::Fail), &rules, limits);
    match done {
        Ok(_) => Ok("subscribed"),
        Err(Refusal::NoChannel) => Err(gone),
        Err(Refusal::TooMany) => Err(("400", "Too many subscriptions".to_owned())),
        Err(Refusal::InvalidTopic(topic)) => Err(("400", format!("The subscription topic is not valid: {topic}"))),
        Err(Refusal::Unauthorized(topic)) => Err(("403", format!("Not authorized for this topic: {topic}"))),
    }
}
