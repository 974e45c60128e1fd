//! Control of the simulator over HTTP: `/sim/…`, without login, for tests and rehearsals.
//!
//! In: `GET` or `POST /sim/NAME?parameters` · Out: JSON answers · Thread: the connection's.

pub(super) mod script;
mod service;
mod sockets;
mod truth;

pub(super) use truth::{truth, truth_now};

use super::calls::CALLS;
use super::flood;
use super::shared::Shared;
use super::stream::Outbox;
use crate::http_server::{Request, Response};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A control call with its parameters.
struct ControlCall<'a> {
    shared: &'a Arc<Shared>,
    parameters: Vec<(String, String)>,
}

impl ControlCall<'_> {
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

    /// A parameter in seconds of real time, fractions allowed.
    fn secs(&self, name: &str, default: Option<f64>) -> Result<Duration, String> {
        const MOST: f64 = 86_400.0;
        let secs = match self.text(name) {
            None => default.ok_or_else(|| format!("{name}: missing, a number from 0 to {MOST} is needed"))?,
            Some(text) => text
                .parse()
                .ok()
                .filter(|n| (0.0..=MOST).contains(n))
                .ok_or_else(|| format!("{name}: found {text}, allowed 0 to {MOST}"))?,
        };
        Ok(Duration::from_secs_f64(secs))
    }

    fn switch(&self, name: &str, default: &str) -> Result<bool, String> {
        match self.text(name).unwrap_or(default) {
            "1" => Ok(true),
            "0" => Ok(false),
            other => Err(format!("{name}: found {other}, allowed 0 or 1")),
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
    let call = ControlCall { shared, parameters };
    let outcome = match name {
        "" => Ok(list()),
        "state" => call.only(&[]).map(|()| state(shared)),
        "load" => load(&call),
        "flood" => flood(&call),
        "truth" => truth::from_call(&call),
        "pause" => pause(&call),
        "drain" => call.only(&[]).map(|()| drain(shared)),
        "forbid" => service::forbid(&call),
        "unsubscribe" => service::unsubscribe(&call),
        "topic_missing" => service::topic_missing(&call),
        "close" => sockets::close(&call),
        "reset" => sockets::reset(&call),
        "revoke" => call.only(&[]).map(|()| service::revoke(shared)),
        "evict" => call.only(&[]).map(|()| service::evict(shared)),
        "socket_closing" => sockets::socket_closing(&call),
        "429" => service::refuse_calls(&call, Some(429)),
        "error" => service::refuse_calls(&call, None),
        "outage" => sockets::outage(&call),
        "silence" => sockets::halt(&call, Outbox::silence),
        "stall" => sockets::halt(&call, Outbox::stall),
        "dribble" => sockets::setting(&call, "ms", 10_000, &shared.socket_faults.dribble_ms),
        "no_heartbeat" => sockets::no_heartbeat(&call),
        "duplicate" => sockets::setting(&call, "percent", 100, &shared.socket_faults.duplicate_percent),
        "reorder" => sockets::setting(&call, "percent", 100, &shared.socket_faults.reorder_percent),
        "garbage" => sockets::garbage(&call),
        "oversize" => sockets::oversize(&call),
        "error_frame" => sockets::error_frame(&call),
        "details" => service::details_quirks(&call),
        "refuse_filters" => service::refuse_filters(&call),
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
    let (open, known, forgotten, now, is_done) = {
        let centre = shared.centre();
        let clock = shared.clock.centre();
        (
            centre.open_count(),
            centre.conversations().count(),
            centre.forgotten(),
            centre.now(),
            centre.next_due().is_none_or(|due| due > clock),
        )
    };
    let is_idle = || shared.unpublished.load(Ordering::SeqCst) == 0;
    // Before and after: a frame that is no longer delayed may be about to be sent.
    let published = is_idle() && !shared.all_sockets().iter().any(|s| s.has_delayed()) && is_idle();
    let outage = shared
        .outage()
        .map_or(0.0, |o| o.until.saturating_duration_since(Instant::now()).as_secs_f64());
    let (channels, sockets, tokens, evicted) = {
        let registry = shared.registry();
        (
            registry.channels().count(),
            registry.sockets().len(),
            registry.tokens.len(),
            registry.evicted,
        )
    };
    json!({
        "seed": shared.options.seed,
        "speed": shared.options.speed,
        "epoch": super::when::iso(shared.clock.epoch()),
        "centre_time": super::when::iso(now),
        "conversations_open": open,
        "conversations_known": known,
        "conversations_forgotten": forgotten,
        "quiet": open == 0 && published,
        "settled": is_done && published,
        "paused": shared.clock.is_paused(),
        "outage_secs_left": outage,
        "channels": channels,
        "channels_evicted": evicted,
        "tokens": tokens,
        "sockets": {"notifications": sockets, "events": shared.events().len(), "metrics": shared.metrics().len()},
        "frames_sent": shared.counters.frames_sent.load(Ordering::Relaxed),
        "requests": shared.counters.requests.load(Ordering::Relaxed),
    })
}

fn load(call: &ControlCall<'_>) -> Result<Value, String> {
    call.only(&["per_second"])?;
    let text = call
        .text("per_second")
        .ok_or("per_second: missing, a number from 0 to 10000 is needed")?;
    let rate: f64 = text
        .parse()
        .ok()
        .filter(|r| (0.0..=10_000.0).contains(r))
        .ok_or(format!("per_second: found {text}, allowed 0 to 10000"))?;
    call.shared.centre().set_rate(rate);
    // The next arrival may now be due earlier than the time for which the centre's thread sleeps.
    let _ = call.shared.wake.try_send(());
    Ok(json!({"per_second": rate}))
}

fn pause(call: &ControlCall<'_>) -> Result<Value, String> {
    call.only(&["on"])?;
    let on = call.switch("on", "1")?;
    if on {
        call.shared.clock.pause();
    } else {
        call.shared.clock.resume();
        let _ = call.shared.wake.try_send(());
    }
    Ok(json!({"paused": on}))
}

fn drain(shared: &Shared) -> Value {
    let mut centre = shared.centre();
    centre.set_rate(0.0);
    json!({"conversations_open": centre.open_count()})
}

fn flood(call: &ControlCall<'_>) -> Result<Value, String> {
    call.only(&["events", "bytes"])?;
    let events = call.number("events", None, 100_000_000)?;
    let bytes = call.number("bytes", Some(3000), 500_000)?;
    let begin = Instant::now();
    let sent = flood::run(call.shared, events, bytes as usize)?;
    Ok(json!({"events": events, "sent": sent, "secs": begin.elapsed().as_secs_f64()}))
}
