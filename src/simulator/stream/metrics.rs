//! The tutorial's `metrics` socket: one validated payload, then numbers every second.
//!
//! In: an upgrade of `/api/v2/analytics/conversations/details/query` with a bearer token, one payload · Out: metric frames ·
//! Thread: the connection's; the centre's sends the frames.

use super::measure::{Measured, measure};
use super::subscribed::{Bound, MetricRequest, MetricSocket};
use super::{Outbox, serve, text_frame, upgrade, wants_upgrade};
use crate::http_server::{Reply, Request, Response};
use crate::simulator::json::Object;
use crate::simulator::service::problem::Problem;
use crate::simulator::shared::Shared;
use crate::simulator::tokens::bearer;
use crate::simulator::when::{Ms, iso, parse_period};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

const METRIC_TYPES: [&str; 6] = ["queue", "agent", "interaction", "skill", "wrapup", "skillGroup"];
const METRICS: [&str; 10] = [
    "offered",
    "answered",
    "abandoned",
    "serviceLevelPercent",
    "serviceLevelDuration",
    "avgHandleTime",
    "avgWaitTime",
    "holdDuration",
    "transferCount",
    "wrapupCount",
];
const MAX_PAYLOAD_BYTES: usize = 8192;
/// Unchanged numbers are repeated after this time, so that a client sees that they are current.
const REPEAT: Duration = Duration::from_secs(10);

pub(in crate::simulator) fn open(shared: &Arc<Shared>, request: &Request, correlation: &str) -> Reply {
    if !wants_upgrade(request) {
        return Problem::new(426, "upgrade.required", "This is a WebSocket.")
            .response(correlation)
            .header("Upgrade", "websocket")
            .into();
    }
    let token = request.header("authorization").and_then(bearer).map(str::to_owned);
    let token = match token {
        Some(token) if shared.registry().tokens.valid(&token, shared.clock.wall()).is_some() => token,
        Some(_) => return Problem::bad_credentials().response(correlation).into(),
        None => return Problem::no_token().response(correlation).into(),
    };
    let shared = Arc::clone(shared);
    let response = Response::new(101).header("ININ-Correlation-Id", correlation);
    upgrade(request, response, move |stream, early| {
        run(&shared, &token, stream, early)
    })
}

fn run(shared: &Shared, token: &str, stream: TcpStream, early: Vec<u8>) {
    let register = |outbox: &Arc<Outbox>| {
        shared.metrics().push(MetricSocket {
            outbox: Arc::clone(outbox),
            token: token.to_owned(),
            wanted: None,
            sent: HashMap::new(),
        });
        true
    };
    let outbox = serve(shared, stream, early, None, register, |outbox, text| {
        let answer = match parse(text) {
            Ok(wanted) => {
                if let Some(socket) = shared.metrics().iter_mut().find(|s| s.outbox.id == outbox.id) {
                    socket.wanted = Some(wanted);
                    socket.sent.clear();
                }
                json!({"status": 200, "connectionId": shared.random_id().to_string()})
            }
            Err(why) => json!({"status": 400, "message": why}),
        };
        outbox.send(text_frame(&answer.to_string()));
    });
    if let Some(outbox) = outbox {
        shared.metrics().retain(|s| s.outbox.id != outbox.id);
    }
}

fn parse(text: &str) -> Result<MetricRequest, String> {
    if text.len() > MAX_PAYLOAD_BYTES {
        return Err(format!(
            "payload: found {} bytes, allowed at most {MAX_PAYLOAD_BYTES}",
            text.len()
        ));
    }
    let payload: Value = serde_json::from_str(text).map_err(|_| "payload: not JSON".to_owned())?;
    let names = |key: &str, allowed: &[&str], most: usize| -> Result<Vec<String>, String> {
        let list = payload
            .get(key)
            .and_then(Value::as_array)
            .ok_or(format!("{key}: missing or no list"))?;
        if list.is_empty() || list.len() > most {
            return Err(format!("{key}: found {}, allowed 1 to {most}", list.len()));
        }
        let known = |v: &Value| {
            v.as_str()
                .filter(|n| allowed.contains(n))
                .map(str::to_owned)
                .ok_or(format!("{key}: unknown value {v}"))
        };
        list.iter().map(known).collect()
    };
    let types = names("metricTypes", &METRIC_TYPES, 5)?;
    let metrics = names("metrics", &METRICS, 20)?;
    let windows = payload
        .get("timeWindows")
        .and_then(Value::as_array)
        .filter(|w| w.len() <= 3);
    let windows = windows.ok_or("timeWindows: a list of at most 3 is needed")?;
    let windows = windows
        .iter()
        .map(|w| {
            let bound = |key: &str| w.get(key).and_then(Value::as_str).and_then(Bound::parse);
            bound("start")
                .zip(bound("end"))
                .ok_or(format!("timeWindows: not understood: {w}"))
        })
        .collect::<Result<Vec<_>, String>>()?;
    payload
        .get("granularity")
        .and_then(Value::as_str)
        .and_then(parse_period)
        .ok_or("granularity: expected PT<n>M, PT<n>H or PT<n>S")?;
    let queues = match payload.get("entityFilters") {
        None => None,
        Some(Value::Object(filters)) => match filters.get("queueIds") {
            None => None,
            Some(Value::Array(ids)) => Some(ids.iter().filter_map(Value::as_str).map(str::to_lowercase).collect()),
            Some(_) => return Err("entityFilters.queueIds: no list".to_owned()),
        },
        Some(_) => return Err("entityFilters: no object".to_owned()),
    };
    Ok(MetricRequest {
        types,
        metrics,
        windows,
        queues,
    })
}

/// Sends every socket the numbers that changed.
pub(in crate::simulator) fn publish(shared: &Shared) {
    // The requests are copied first, because the two locks must not be held together.
    let requests: Vec<(u64, MetricRequest)> = shared
        .metrics()
        .iter()
        .filter_map(|s| Some((s.outbox.id, s.wanted.clone()?)))
        .collect();
    for (id, wanted) in requests {
        let (now, measured) = {
            let centre = shared.centre();
            let now = centre.now();
            let from = wanted.windows.iter().map(|w| w.0.at(now)).min().unwrap_or(now);
            let to = wanted.windows.iter().map(|w| w.1.at(now)).max().unwrap_or(now);
            (now, measure(&centre, from, to + 1))
        };
        if let Some(socket) = shared.metrics().iter_mut().find(|s| s.outbox.id == id) {
            numbers(shared, socket, &wanted, now, &measured);
        }
    }
}

fn numbers(shared: &Shared, socket: &mut MetricSocket, wanted: &MetricRequest, now: Ms, measured: &[Measured]) {
    let heard = |queue: &usize| {
        wanted
            .queues
            .as_ref()
            .is_none_or(|list| list.contains(&shared.world.queues[*queue].id.to_string()))
    };
    let queues: Vec<usize> = (0..measured.len()).filter(heard).collect();
    let mut together = Measured::default();
    queues.iter().for_each(|&q| together.add(&measured[q]));
    for (index, kind) in wanted.types.iter().enumerate() {
        // Frames have an id for queues only, so the other types are totals.
        let rows: Vec<(Option<usize>, &Measured)> = if kind == "queue" {
            queues.iter().map(|&q| (Some(q), &measured[q])).collect()
        } else {
            vec![(None, &together)]
        };
        for (queue, m) in rows {
            let values: Vec<Value> = wanted
                .metrics
                .iter()
                .map(|name| json!({"name": name, "value": m.value(name)}))
                .collect();
            let last = socket.sent.get(&(index, queue));
            if last.is_some_and(|(old, at)| *old == values && at.elapsed() < REPEAT) {
                continue;
            }
            let frame = Object::new()
                .set("timestamp", iso(now))
                .set("metricType", kind.clone())
                .set("metrics", values.clone())
                .maybe("queueId", queue.map(|q| shared.world.queues[q].id));
            socket.outbox.send_event(text_frame(&Value::from(frame).to_string()));
            socket.sent.insert((index, queue), (values, Instant::now()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_checked() {
        let good = r#"{"metricTypes":["queue"],"timeWindows":[{"start":"now-PT1H","end":"now"}],"granularity":"PT1M","metrics":["offered"],"entityFilters":{}}"#;
        assert!(parse(good).is_ok());
        assert!(parse(&good.replace(r#"{"start":"now-PT1H","end":"now"}"#, "")).is_ok());
        for (from, to) in [
            (r#"["queue"]"#, r#"["quue"]"#),
            (r#"["queue"]"#, "[]"),
            ("now-PT1H", "yesterday"),
            ("PT1M", "1 minute"),
            ("offered", "unknown"),
            (r#""entityFilters":{}"#, r#""entityFilters":{"queueIds":7}"#),
        ] {
            assert!(parse(&good.replace(from, to)).is_err(), "{to}");
        }
        assert!(parse(&format!("{good}{}", " ".repeat(9000))).is_err());
    }
}
