//! Control calls for sockets: closing, resetting, halting, invalid frames.
//!
//! In: parameters · Out: faults on sockets · Thread: the connection's.

use super::ControlCall;
use crate::simulator::shared::{Outage, RestAccess, Shared};
use crate::simulator::stream::{Frame, Outbox, events, frame, notifications, text_frame};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Text that is not UTF-8.
const BROKEN_TEXT: &[u8] = b"{\"topicName\":\"\xff\xfe\x80\"}";
/// A reserved opcode.
const NO_OPCODE: u8 = 0x5;
/// How deeply the deepest invalid frame is nested.
const DEPTH: usize = 100_000;

pub(super) fn on_all(shared: &Shared, what: impl Fn(&Outbox)) -> Value {
    let sockets = shared.all_sockets();
    sockets.iter().for_each(|s| what(s));
    json!({"sockets": sockets.len()})
}

pub(super) fn reset(call: &ControlCall<'_>) -> Result<Value, String> {
    call.only(&["nth"])?;
    if call.text("nth").is_none() {
        return Ok(on_all(call.shared, Outbox::reset));
    }
    let sockets = call.shared.all_sockets();
    let nth = call.number("nth", None, sockets.len() as u64)?;
    let one = (nth as usize).checked_sub(1).and_then(|at| sockets.get(at));
    let one = one.ok_or(format!("nth: found {nth}, allowed 1 to {}", sockets.len()))?;
    one.reset();
    Ok(json!({"sockets": 1}))
}

pub(super) fn close(call: &ControlCall<'_>) -> Result<Value, String> {
    call.only(&["code", "reason"])?;
    let code = call.number("code", Some(1001), 4999)?;
    if code < 1000 {
        return Err(format!("code: found {code}, allowed 1000 to 4999"));
    }
    let reason = call.text("reason").unwrap_or("closed on demand").to_owned();
    Ok(on_all(call.shared, |s| s.close(code as u16, &reason)))
}

pub(super) fn socket_closing(call: &ControlCall<'_>) -> Result<Value, String> {
    call.only(&["after_secs"])?;
    let after = call.number("after_secs", Some(60), 86_400)?;
    let sockets: Vec<Arc<Outbox>> = call.shared.registry().sockets().into_iter().map(|(_, s)| s).collect();
    for socket in &sockets {
        socket.send(notifications::socket_closing(call.shared));
    }
    let count = sockets.len();
    let at = Instant::now() + call.shared.clock.shorten(Duration::from_secs(after));
    call.shared.faults().closings.push((at, sockets));
    Ok(json!({"sockets": count, "closing_after_secs": after}))
}

pub(super) fn error_frame(call: &ControlCall<'_>) -> Result<Value, String> {
    call.only(&["message"])?;
    let sockets = events::publish_error(call.shared, call.text("message").unwrap_or("simulated error"));
    Ok(json!({"sockets": sockets}))
}

/// Resets all sockets and refuses new ones for a while.
pub(super) fn outage(call: &ControlCall<'_>) -> Result<Value, String> {
    call.only(&["secs", "rest"])?;
    let length = call.secs("secs", None)?;
    let rest = if call.switch("rest", "0")? {
        RestAccess::Served
    } else {
        RestAccess::Refused
    };
    let until = Instant::now() + length;
    // Before the sockets are reset, so that a socket in the middle of its upgrade is either reset here or sees the outage.
    call.shared.faults().outage = (!length.is_zero()).then_some(Outage { until, rest });
    let hit = match length.is_zero() {
        true => json!({"sockets": 0}),
        false => on_all(call.shared, Outbox::reset),
    };
    Ok(json!({"secs": length.as_secs_f64(), "rest": rest == RestAccess::Served, "sockets": hit["sockets"]}))
}

/// Halts all open sockets for a time.
pub(super) fn halt(call: &ControlCall<'_>, begin: impl Fn(&Outbox, Instant)) -> Result<Value, String> {
    call.only(&["secs"])?;
    let length = call.secs("secs", Some(3600.0))?;
    let end = Instant::now() + length;
    Ok(on_all(call.shared, |socket| begin(socket, end)))
}

/// Changes a setting of all sockets, including later ones.
pub(super) fn setting(call: &ControlCall<'_>, name: &str, most: u64, set: &AtomicU64) -> Result<Value, String> {
    call.only(&[name])?;
    let value = call.number(name, None, most)?;
    set.store(value, Ordering::Relaxed);
    Ok(json!({name: value}))
}

pub(super) fn no_heartbeat(call: &ControlCall<'_>) -> Result<Value, String> {
    call.only(&["on"])?;
    let on = call.switch("on", "1")?;
    call.shared.socket_faults.no_heartbeat.store(on, Ordering::Relaxed);
    Ok(json!({"no_heartbeat": on}))
}

/// Sends invalid frames.
pub(super) fn garbage(call: &ControlCall<'_>) -> Result<Value, String> {
    call.only(&["count", "kind"])?;
    let count = call.number("count", Some(1), 100_000)?;
    let frames: Vec<Frame> = match call.text("kind").unwrap_or("text") {
        "text" => texts(),
        "binary" => vec![frame(0x2, &[0, 159, 146, 150])],
        "utf8" => vec![frame(0x1, BROKEN_TEXT)],
        "opcode" => vec![frame(NO_OPCODE, b"?")],
        other => return Err(format!("kind: found {other}, allowed text, binary, utf8, opcode")),
    };
    let all: Vec<&Frame> = frames.iter().cycle().take(count as usize).collect();
    Ok(on_all(call.shared, |socket| {
        all.iter().for_each(|frame| socket.send(Arc::clone(frame)));
    }))
}

/// Texts that are not JSON, not an object, or not a notification.
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

/// Sends a frame that is larger than any event.
pub(super) fn oversize(call: &ControlCall<'_>) -> Result<Value, String> {
    call.only(&["bytes"])?;
    let bytes = call.number("bytes", Some(64 * 1024 * 1024), 256 * 1024 * 1024)? as usize;
    let head = r#"{"topicName":"v2.oversize","version":"2","eventBody":{"padding":""#;
    let padding = "x".repeat(bytes.saturating_sub(head.len() + 3));
    let frame = text_frame(&format!(r#"{head}{padding}"}}}}"#));
    Ok(on_all(call.shared, |socket| socket.send(Arc::clone(&frame))))
}
