//! Control calls that sockets suffer from.
//!
//! In: parameters · Out: closed, silent, disturbed sockets · Thread: the connection's.

use super::Ask;
use crate::simulator::shared::{Outage, Reach, Shared};
use crate::simulator::stream::{Frame, Outbox, events, frame, notifications, text_frame};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A second frame of continuation bytes that begin no character, and one with an opcode that does not exist.
const BROKEN_TEXT: &[u8] = b"{\"topicName\":\"\xff\xfe\x80\"}";
const NO_OPCODE: u8 = 0x5;
/// How deep the deepest garbage is.
const DEPTH: usize = 100_000;

pub(super) fn on_all(shared: &Shared, what: impl Fn(&Outbox)) -> Value {
    let sockets = shared.all_sockets();
    sockets.iter().for_each(|s| what(s));
    json!({"sockets": sockets.len()})
}

pub(super) fn reset(ask: &Ask<'_>) -> Result<Value, String> {
    ask.only(&["nth"])?;
    if ask.text("nth").is_none() {
        return Ok(on_all(ask.shared, Outbox::reset));
    }
    let sockets = ask.shared.all_sockets();
    let nth = ask.number("nth", None, sockets.len() as u64)?;
    let one = (nth as usize).checked_sub(1).and_then(|at| sockets.get(at));
    let one = one.ok_or(format!("nth: found {nth}, allowed 1 to {}", sockets.len()))?;
    one.reset();
    Ok(json!({"sockets": 1}))
}

pub(super) fn close(ask: &Ask<'_>) -> Result<Value, String> {
    ask.only(&["code", "reason"])?;
    let code = ask.number("code", Some(1001), 4999)?;
    if code < 1000 {
        return Err(format!("code: found {code}, allowed 1000 to 4999"));
    }
    let reason = ask.text("reason").unwrap_or("closed on demand").to_owned();
    Ok(on_all(ask.shared, |s| s.close(code as u16, &reason)))
}

pub(super) fn socket_closing(ask: &Ask<'_>) -> Result<Value, String> {
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

pub(super) fn error_frame(ask: &Ask<'_>) -> Result<Value, String> {
    ask.only(&["message"])?;
    let sockets = events::publish_error(ask.shared, ask.text("message").unwrap_or("simulated error"));
    Ok(json!({"sockets": sockets}))
}

/// Resets all sockets and refuses new ones for a while.
pub(super) fn outage(ask: &Ask<'_>) -> Result<Value, String> {
    ask.only(&["secs", "rest"])?;
    let length = ask.secs("secs", None)?;
    let rest = if ask.switch("rest", "0")? {
        Reach::Served
    } else {
        Reach::Refused
    };
    let until = Instant::now() + length;
    // Before the sockets are looked up, so that one in the middle of its upgrade is found by either.
    ask.shared.faults().outage = (!length.is_zero()).then_some(Outage { until, rest });
    let hit = match length.is_zero() {
        true => json!({"sockets": 0}),
        false => on_all(ask.shared, Outbox::reset),
    };
    Ok(json!({"secs": length.as_secs_f64(), "rest": rest == Reach::Served, "sockets": hit["sockets"]}))
}

/// A spell for all sockets open now.
pub(super) fn spell(ask: &Ask<'_>, begin: impl Fn(&Outbox, Instant)) -> Result<Value, String> {
    ask.only(&["secs"])?;
    let length = ask.secs("secs", Some(3600.0))?;
    let end = Instant::now() + length;
    Ok(on_all(ask.shared, |socket| begin(socket, end)))
}

/// A setting for all sockets, open now or later.
pub(super) fn setting(ask: &Ask<'_>, name: &str, most: u64, set: &AtomicU64) -> Result<Value, String> {
    ask.only(&[name])?;
    let value = ask.number(name, None, most)?;
    set.store(value, Ordering::Relaxed);
    Ok(json!({name: value}))
}

pub(super) fn no_heartbeat(ask: &Ask<'_>) -> Result<Value, String> {
    ask.only(&["on"])?;
    let on = ask.switch("on", "1")?;
    ask.shared.weather.no_heartbeat.store(on, Ordering::Relaxed);
    Ok(json!({"no_heartbeat": on}))
}

/// Frames that are no events.
pub(super) fn garbage(ask: &Ask<'_>) -> Result<Value, String> {
    ask.only(&["count", "kind"])?;
    let count = ask.number("count", Some(1), 100_000)?;
    let frames: Vec<Frame> = match ask.text("kind").unwrap_or("text") {
        "text" => texts(),
        "binary" => vec![frame(0x2, &[0, 159, 146, 150])],
        "utf8" => vec![frame(0x1, BROKEN_TEXT)],
        "opcode" => vec![frame(NO_OPCODE, b"?")],
        other => return Err(format!("kind: found {other}, allowed text, binary, utf8, opcode")),
    };
    let all: Vec<&Frame> = frames.iter().cycle().take(count as usize).collect();
    Ok(on_all(ask.shared, |socket| {
        all.iter().for_each(|frame| socket.send(Arc::clone(frame)));
    }))
}

/// Texts that are no JSON, no object, or no notification.
fn texts() -> Vec<Frame> {
    let deep = format!(
        r#"{{"topicName":"v2.x","eventBody":{}{}}}"#,
        "[".repeat(DEPTH),
        "]".repeat(DEPTH)
    );
    [
        "garbage",
        r#"{"topicName":"v2.routing.queues.x.conversations","eventBody":{"id":"#,
        r#"{"topicName":5,"eventBody":[]}"#,
        "null",
        "",
        "[1,2,3]",
        r#"{"topicName":"v2.routing.queues.x.conversations","eventBody":null}"#,
        &deep,
    ]
    .map(text_frame)
    .to_vec()
}

/// One frame larger than any event.
pub(super) fn oversize(ask: &Ask<'_>) -> Result<Value, String> {
    ask.only(&["bytes"])?;
    let bytes = ask.number("bytes", Some(64 * 1024 * 1024), 256 * 1024 * 1024)? as usize;
    let head = r#"{"topicName":"v2.oversize","version":"2","eventBody":{"padding":""#;
    let padding = "x".repeat(bytes.saturating_sub(head.len() + 3));
    let frame = text_frame(&format!(r#"{head}{padding}"}}}}"#));
    Ok(on_all(ask.shared, |socket| socket.send(Arc::clone(&frame))))
}
