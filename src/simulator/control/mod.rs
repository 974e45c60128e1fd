//! Control over HTTP: `/sim/…`, without login, for tests and rehearsals.
//!
//! In: `GET` or `POST /sim/NAME?parameters` · Out: JSON of what was done · Thread: the connection's.

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

    /// A length of the wall clock, fractions allowed.
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
    let ask = Ask { shared, parameters };
    let outcome = match name {
        "" => Ok(list()),
        "state" => ask.only(&[]).map(|()| state(shared)),
        "load" => load(&ask),
        "flood" => flood(&ask),
        "truth" => truth::ask(&ask),
        "pause" => pause(&ask),
        "drain" => ask.only(&[]).map(|()| drain(shared)),
        "forbid" => service::forbid(&ask),
        "close" => sockets::close(&ask),
        "reset" => sockets::reset(&ask),
        "revoke" => ask.only(&[]).map(|()| service::revoke(shared)),
        "evict" => ask.only(&[]).map(|()| service::evict(shared)),
        "socket_closing" => sockets::socket_closing(&ask),
        "429" => service::trouble(&ask, Some(429)),
        "error" => service::trouble(&ask, None),
        "outage" => sockets::outage(&ask),
        "silence" => sockets::spell(&ask, Outbox::silence),
        "stall" => sockets::spell(&ask, Outbox::stall),
        "dribble" => sockets::setting(&ask, "ms", 10_000, &shared.weather.dribble_ms),
        "no_heartbeat" => sockets::no_heartbeat(&ask),
        "duplicate" => sockets::setting(&ask, "percent", 100, &shared.weather.duplicate_percent),
        "reorder" => sockets::setting(&ask, "percent", 100, &shared.weather.reorder_percent),
        "garbage" => sockets::garbage(&ask),
        "oversize" => sockets::oversize(&ask),
        "error_frame" => sockets::error_frame(&ask),
        "details" => service::whims(&ask),
        "refuse_filters" => service::refuse_filters(&ask),
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
    let nothing_leaves = || shared.unpublished.load(Ordering::SeqCst) == 0;
    // Before and after: what is no longer held back may be about to be sent.
    let published = nothing_leaves() && !shared.all_sockets().iter().any(|s| s.has_late()) && nothing_leaves();
    let outage = shared
        .outage()
        .map_or(0.0, |o| o.until.saturating_duration_since(Instant::now()).as_secs_f64());
    let (channels, sockets, tokens, evicted) = {
        let hub = shared.hub();
        (
            hub.channels().count(),
            hub.sockets().len(),
            hub.tokens.len(),
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

fn pause(ask: &Ask<'_>) -> Result<Value, String> {
    ask.only(&["on"])?;
    let on = ask.switch("on", "1")?;
    if on {
        ask.shared.clock.pause();
    } else {
        ask.shared.clock.resume();
        let _ = ask.shared.wake.try_send(());
    }
    Ok(json!({"paused": on}))
}

fn drain(shared: &Shared) -> Value {
    let mut centre = shared.centre();
    centre.set_rate(0.0);
    json!({"conversations_open": centre.open_count()})
}

fn flood(ask: &Ask<'_>) -> Result<Value, String> {
    ask.only(&["events", "bytes"])?;
    let events = ask.number("events", None, 100_000_000)?;
    let bytes = ask.number("bytes", Some(3000), 500_000)?;
    let begin = Instant::now();
    let sent = flood::run(ask.shared, events, bytes as usize)?;
    Ok(json!({"events": events, "sent": sent, "secs": begin.elapsed().as_secs_f64()}))
}
