//! Control over HTTP: `/sim/…`, without login, for tests and rehearsals.
//!
//! In: `GET` or `POST /sim/NAME?parameters` · Out: JSON of what was done · Thread: the connection's.

use super::flood;
use super::shared::{RetryAfter, Shared, Trouble};
use super::stream::{Outbox, events, notifications};
use crate::http_server::{Request, Response};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Name, parameters, what it does; `/sim/` lists them.
const CALLS: &[(&str, &str, &str)] = &[
    (
        "state",
        "",
        "counts: conversations, channels, sockets, tokens, frames and requests",
    ),
    (
        "load",
        "per_second",
        "sets the mean rate of arrivals, in the centre's time",
    ),
    (
        "flood",
        "events, bytes=3000",
        "sends so many conversation events of about this size as fast as the sockets take them; answers when done",
    ),
    (
        "forbid",
        "topic and/or permission, or clear=1",
        "refuses topics that contain the text, or everything that needs the permission",
    ),
    ("close", "code=1001, reason", "closes all sockets with this code"),
    ("reset", "", "resets all sockets (TCP RST)"),
    ("revoke", "", "revokes all tokens; their channels die with them"),
    ("evict", "", "drops all channels as if others had taken their places"),
    (
        "socket_closing",
        "after_secs=60",
        "announces a close to all notification sockets, and closes them then",
    ),
    (
        "429",
        "secs=5, count=1, date=0, path",
        "refuses the next calls (login included) with 429 and Retry-After, in seconds or as an HTTP date; path limits it to paths that contain the text; count=0 ends it",
    ),
    (
        "error",
        "status=503, count=1, secs, date=0, path",
        "refuses the next calls (login included) with this status; with secs also a Retry-After",
    ),
    ("error_frame", "message", "sends an error frame to all `events` sockets"),
    (
        "refuse_filters",
        "on=1",
        "answers subscriptions with filters on `events` sockets by an error 403",
    ),
];

struct Ask<'a> {
    shared: &'a Arc<Shared>,
    parameters: Vec<(String, String)>,
}

impl Ask<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    fn number(&self, name: &str, default: Option<u64>, most: u64) -> Result<u64, String> {
        match self.text(name) {
            None => default.ok_or_else(|| format!("{name}: missing, a number up to {most} is needed")),
            Some(text) => match text.parse() {
                Ok(n) if n <= most => Ok(n),
                _ => Err(format!("{name}: found {text}, allowed a number up to {most}")),
            },
        }
    }

    fn only(&self, known: &[&str]) -> Result<(), String> {
        match self.parameters.iter().find(|(key, _)| !known.contains(&key.as_str())) {
            Some((key, _)) => Err(format!("{key}: unknown parameter, allowed: {}", known.join(", "))),
            None => Ok(()),
        }
    }
}

/// Answers a call that came over HTTP.
pub(super) fn handle(shared: &Arc<Shared>, request: &Request) -> Response {
    call(shared, &request.path, request.parameters())
}

/// Answers a call by its path and parameters.
pub(super) fn call(shared: &Arc<Shared>, path: &str, parameters: Vec<(String, String)>) -> Response {
    let name = path.trim_start_matches("/sim").trim_matches('/');
    let ask = Ask { shared, parameters };
    let outcome = match name {
        "" => Ok(list()),
        "state" => ask.only(&[]).map(|()| state(shared)),
        "load" => load(&ask),
        "flood" => flood(&ask),
        "forbid" => forbid(&ask),
        "close" => close(&ask),
        "reset" => ask.only(&[]).map(|()| on_all(shared, Outbox::reset)),
        "revoke" => ask.only(&[]).map(|()| revoke(shared)),
        "evict" => ask.only(&[]).map(|()| evict(shared)),
        "socket_closing" => socket_closing(&ask),
        "429" => trouble(&ask, Some(429)),
        "error" => trouble(&ask, None),
        "error_frame" => error_frame(&ask),
        "refuse_filters" => refuse_filters(&ask),
        other => {
            let names: Vec<&str> = CALLS.iter().map(|c| c.0).collect();
            let body = json!({"error": format!("unknown call {other}"), "allowed": names});
            return Response::with_body(404, "application/json", format!("{body}\n"));
        }
    };
    match outcome {
        Ok(value) => Response::with_body(200, "application/json", format!("{value}\n")),
        Err(why) => Response::with_body(400, "application/json", format!("{}\n", json!({"error": why}))),
    }
}

fn list() -> Value {
    let calls: Vec<Value> = CALLS
        .iter()
        .map(|(name, parameters, does)| json!({"call": format!("/sim/{name}"), "parameters": parameters, "does": does}))
        .collect();
    json!({"calls": calls})
}

fn state(shared: &Shared) -> Value {
    let (open, known, now) = {
        let centre = shared.centre();
        (centre.open_count(), centre.conversations().count(), centre.now())
    };
    let (channels, sockets, tokens, evicted) = {
        let hub = shared.hub();
        (
            hub.channels().count(),
            hub.sockets().len(),
            hub.token_count(),
            hub.evicted,
        )
    };
    json!({
        "seed": shared.options.seed,
        "speed": shared.options.speed,
        "epoch": super::when::iso(shared.clock.epoch()),
        "centre_time": super::when::iso(now),
        "conversations_open": open,
        "conversations_known": known,
        "channels": channels,
        "channels_evicted": evicted,
        "tokens": tokens,
        "sockets": {"notifications": sockets, "events": shared.events().len(), "metrics": shared.metrics().len()},
        "frames_sent": shared.counters.frames_sent.load(Ordering::Relaxed),
        "requests": shared.counters.requests.load(Ordering::Relaxed),
    })
}

fn load(ask: &Ask<'_>) -> Result<Value, String> {
    ask.only(&["per_second"])?;
    let text = ask
        .text("per_second")
        .ok_or("per_second: missing, a number from 0 to 10000 is needed")?;
    let rate: f64 = text
        .parse()
        .ok()
        .filter(|r| (0.0..=10_000.0).contains(r))
        .ok_or(format!("per_second: found {text}, allowed 0 to 10000"))?;
    ask.shared.centre().set_rate(rate);
    // Already due plans may be later than the new ones.
    let _ = ask.shared.wake.try_send(());
    Ok(json!({"per_second": rate}))
}

fn flood(ask: &Ask<'_>) -> Result<Value, String> {
    ask.only(&["events", "bytes"])?;
    let events = ask.number("events", None, 100_000_000)?;
    let bytes = ask.number("bytes", Some(3000), 500_000)?;
    let begin = Instant::now();
    let sent = flood::run(ask.shared, events, bytes as usize)?;
    Ok(json!({"events": events, "sent": sent, "secs": begin.elapsed().as_secs_f64()}))
}

fn forbid(ask: &Ask<'_>) -> Result<Value, String> {
    ask.only(&["topic", "permission", "clear"])?;
    let mut faults = ask.shared.faults();
    if ask.text("clear").is_some() {
        faults.rules = Default::default();
    }
    let none = ask.parameters.is_empty();
    faults
        .rules
        .forbidden
        .extend(ask.text("topic").filter(|t| !t.is_empty()).map(str::to_owned));
    faults
        .rules
        .missing_permissions
        .extend(ask.text("permission").filter(|p| !p.is_empty()).map(str::to_owned));
    if none {
        Err("topic, permission or clear is needed".to_owned())
    } else {
        Ok(json!({"topics": faults.rules.forbidden, "permissions": faults.rules.missing_permissions}))
    }
}

/// Every socket of any kind.
fn all_sockets(shared: &Shared) -> Vec<Arc<Outbox>> {
    let mut all: Vec<Arc<Outbox>> = shared.hub().sockets().into_iter().map(|(_, s)| s).collect();
    all.extend(shared.events().iter().map(|s| Arc::clone(&s.outbox)));
    all.extend(shared.metrics().iter().map(|s| Arc::clone(&s.outbox)));
    all
}

fn on_all(shared: &Shared, what: impl Fn(&Outbox)) -> Value {
    let sockets = all_sockets(shared);
    sockets.iter().for_each(|s| what(s));
    json!({"sockets": sockets.len()})
}

fn close(ask: &Ask<'_>) -> Result<Value, String> {
    ask.only(&["code", "reason"])?;
    let code = ask.number("code", Some(1001), 4999)?;
    if code < 1000 {
        return Err(format!("code: found {code}, allowed 1000 to 4999"));
    }
    let reason = ask.text("reason").unwrap_or("closed on demand").to_owned();
    Ok(on_all(ask.shared, |s| s.close(code as u16, &reason)))
}

fn revoke(shared: &Shared) -> Value {
    let gone = shared.hub().log_out_all();
    for (channel, socket) in &gone {
        socket.send(notifications::system(
            shared,
            "token_revoked",
            channel,
            Some("user_tokens_revoked"),
        ));
        notifications::say_gone(socket);
    }
    let mut others: Vec<Arc<Outbox>> = shared.events().iter().map(|s| Arc::clone(&s.outbox)).collect();
    others.extend(shared.metrics().iter().map(|s| Arc::clone(&s.outbox)));
    others.iter().for_each(|s| s.close(1008, "token revoked"));
    json!({"sockets": gone.len() + others.len()})
}

fn evict(shared: &Shared) -> Value {
    let gone = shared.hub().evict_all();
    gone.iter().for_each(|(_, socket)| notifications::say_gone(socket));
    json!({"sockets": gone.len()})
}

fn socket_closing(ask: &Ask<'_>) -> Result<Value, String> {
    ask.only(&["after_secs"])?;
    let after = ask.number("after_secs", Some(60), 86_400)?;
    let sockets: Vec<Arc<Outbox>> = ask.shared.hub().sockets().into_iter().map(|(_, s)| s).collect();
    for socket in &sockets {
        socket.send(notifications::socket_closing(ask.shared));
    }
    let count = sockets.len();
    let at = Instant::now() + ask.shared.clock.shorten(Duration::from_secs(after));
    ask.shared.faults().closings.push((at, sockets));
    Ok(json!({"sockets": count, "closing_after_secs": after}))
}

fn trouble(ask: &Ask<'_>, fixed: Option<u16>) -> Result<Value, String> {
    ask.only(if fixed.is_some() {
        &["secs", "count", "date", "path"]
    } else {
        &["status", "secs", "count", "date", "path"]
    })?;
    let status = match fixed {
        Some(status) => status,
        None => ask.number("status", Some(503), 599)? as u16,
    };
    if status < 400 {
        return Err(format!("status: found {status}, allowed 400 to 599"));
    }
    let count = ask.number("count", Some(1), 1_000_000)?;
    let secs = ask.number("secs", Some(5), 86_400)?;
    let date = ask.number("date", Some(0), 1)? == 1;
    let wanted = status == 429 || ask.text("secs").is_some();
    let retry_after = wanted.then_some(if date {
        RetryAfter::Date(secs)
    } else {
        RetryAfter::Secs(secs)
    });
    let path = ask.text("path").map(str::to_owned);
    let answer = json!({"status": status, "count": count, "path": path.as_deref().unwrap_or("")});
    ask.shared.faults().trouble = (count > 0).then_some(Trouble {
        status,
        count,
        retry_after,
        path,
    });
    Ok(answer)
}

fn error_frame(ask: &Ask<'_>) -> Result<Value, String> {
    ask.only(&["message"])?;
    let sockets = events::publish_error(ask.shared, ask.text("message").unwrap_or("simulated error"));
    Ok(json!({"sockets": sockets}))
}

fn refuse_filters(ask: &Ask<'_>) -> Result<Value, String> {
    ask.only(&["on"])?;
    let on = ask.number("on", Some(1), 1)? == 1;
    ask.shared.faults().refuse_event_filters = on;
    Ok(json!({"refuse_filters": on}))
}
