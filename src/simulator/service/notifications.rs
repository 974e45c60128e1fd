//! Notification channels over REST.
//!
//! In: `/api/v2/notifications/…` · Out: channels, subscriptions, topics · Thread: the connection's.

use super::problem::Problem;
use super::{Answer, Call, Outcome};
use crate::simulator::channels::{Channel, Errors, Mode, Refusal, TopicResult, end_of};
use crate::simulator::json::Object;
use crate::simulator::stream::notifications::close_as_gone;
use crate::simulator::topics;
use serde_json::{Value, json};

fn channel_json(call: &Call<'_>, channel: &Channel) -> Value {
    let scheme = if call.shared.options.tls_front { "wss" } else { "ws" };
    Object::new()
        .set(
            "connectUri",
            format!("{scheme}://{}/channels/{}", call.host(), channel.id),
        )
        .set("id", channel.id.clone())
        .time("expires", call.shared.clock.to_centre(channel.expires))
        .into()
}

pub(super) fn create(call: &Call<'_>) -> Outcome {
    let shared = call.shared;
    let id = format!("streaming-5-{}", shared.random_text(26));
    let expires = end_of(&shared.clock, shared.options.channel_life);
    let (evicted, answer) = {
        let mut registry = shared.registry();
        let evicted = registry.create(
            id.clone(),
            &call.token,
            &call.client_id,
            expires,
            shared.options.max_channels,
        );
        (evicted, registry.channel(&id, None).map(|c| channel_json(call, c)))
    };
    if let Some((_, socket)) = evicted {
        close_as_gone(&socket);
    }
    answer.map(Answer::Json).ok_or_else(Problem::not_found)
}

pub(super) fn list(call: &Call<'_>) -> Outcome {
    let all = match call.parameter("includechannels") {
        None | Some("token") => false,
        Some("oauthclient") => true,
        Some(other) => {
            return Err(Problem::bad_request(format!(
                "includechannels: found {other}, allowed token or oauthclient"
            )));
        }
    };
    let registry = call.shared.registry();
    let mine = registry.channels().filter(|c| c.client_id == call.client_id);
    let entities: Vec<Value> = mine
        .filter_map(|c| match c.token == call.token {
            true => Some(channel_json(call, c)),
            // The client may know that another token has a channel, but the channel's id is secret.
            false => all.then(|| {
                Object::new()
                    .time("expires", call.shared.clock.to_centre(c.expires))
                    .into()
            }),
        })
        .collect();
    Ok(Answer::Json(json!({"entities": entities})))
}

pub(super) fn exists(call: &Call<'_>, id: &str) -> Outcome {
    if call.request.method != "HEAD" {
        return Err(Problem::new(405, "method.not.allowed", "Only HEAD is allowed here."));
    }
    let found = call.shared.registry().channel(id, Some(&call.client_id)).is_some();
    if found {
        Ok(Answer::Empty(200))
    } else {
        Err(Problem::not_found())
    }
}

pub(super) fn subscriptions(call: &Call<'_>, id: &str) -> Outcome {
    let registry = call.shared.registry();
    let channel = registry
        .channel(id, Some(&call.client_id))
        .ok_or_else(Problem::not_found)?;
    let entities: Vec<Value> = channel
        .topics
        .iter()
        .map(|t| json!({"id": t, "state": "Permitted"}))
        .collect();
    Ok(Answer::Json(json!({"entities": entities})))
}

/// `POST` adds, `PUT` replaces.
pub(super) fn subscribe(call: &Call<'_>, id: &str) -> Outcome {
    let shared = call.shared;
    let body = call.json()?;
    let wanted = body
        .as_array()
        .ok_or_else(|| Problem::bad_request("The request body must be a list of topics."))?;
    let wanted: Option<Vec<String>> = wanted
        .iter()
        .map(|t| t.get("id")?.as_str().map(str::to_owned))
        .collect();
    let wanted = wanted.ok_or_else(|| Problem::bad_request("Each topic needs an id."))?;
    let errors = match call.parameter("ignoreErrors").unwrap_or("false") {
        "true" => Errors::Ignore,
        "false" => Errors::Fail,
        other => {
            return Err(Problem::bad_request(format!(
                "ignoreErrors: found {other}, allowed true or false"
            )));
        }
    };
    let mode = if call.request.method == "PUT" {
        Mode::Replace
    } else {
        Mode::Add
    };
    let rules = shared.rules();
    let limits = (
        end_of(&shared.clock, shared.options.channel_life),
        shared.options.max_topics,
    );
    let done = {
        let mut registry = shared.registry();
        if registry.channel(id, Some(&call.client_id)).is_none() {
            return Err(Problem::not_found());
        }
        registry.subscribe(id, &wanted, (mode, errors), &rules, limits)
    };
    let results = done.map_err(|refusal| match refusal {
        Refusal::NoChannel => Problem::not_found(),
        Refusal::InvalidTopic(_) => Problem::new(
            400,
            "notification.invalid.topic",
            "The subscription topic is not valid.",
        ),
        Refusal::TooMany => Problem::new(
            400,
            "notification.subscription.too.many.subscriptions",
            "Too many subscriptions",
        ),
        Refusal::Unauthorized(_) => {
            Problem::new(403, "notification.unauthorized.topic", "Not authorized for this topic.")
        }
    })?;
    let entities: Vec<Value> = results.iter().map(topic_result_json).collect();
    Ok(Answer::Json(json!({"entities": entities})))
}

fn topic_result_json(result: &TopicResult) -> Value {
    let object = Object::new().set("id", result.id.clone());
    match &result.rejection {
        None => object.set("state", "Permitted"),
        Some((why, missing)) => object
            .set("state", "Rejected")
            .set("rejectionReason", why.clone())
            .when(!missing.is_empty(), "missingPermissions", missing.clone()),
    }
    .into()
}

pub(super) fn unsubscribe(call: &Call<'_>, id: &str) -> Outcome {
    let rules = call.shared.rules();
    let mut registry = call.shared.registry();
    if registry.channel(id, Some(&call.client_id)).is_none() || !registry.unsubscribe(id, None, &rules) {
        return Err(Problem::not_found());
    }
    Ok(Answer::Empty(200))
}

pub(super) fn available(call: &Call<'_>) -> Outcome {
    let expand = call.list("expand");
    let entities: Vec<Value> = topics::TEMPLATES
        .iter()
        .map(|t| topics::available(t, &expand))
        .collect();
    Ok(Answer::Json(json!({"entities": entities})))
}
