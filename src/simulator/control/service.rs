//! Control calls for login, REST and channels: permissions, refusals, revoked tokens, evicted channels.
//!
//! In: parameters · Out: changed rules, ended tokens and channels · Thread: the connection's.

use super::ControlCall;
use crate::simulator::shared::{DetailsQuirks, RefusedCalls, RetryAfter, Shared};
use crate::simulator::stream::{Outbox, notifications};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) fn forbid(call: &ControlCall<'_>) -> Result<Value, String> {
    call.only(&["topic", "permission", "clear"])?;
    let mut faults = call.shared.faults();
    if call.text("clear").is_some() {
        faults.rules.forbidden.clear();
        faults.rules.missing_permissions.clear();
    }
    let none = call.parameters.is_empty();
    faults
        .rules
        .forbidden
        .extend(call.text("topic").filter(|t| !t.is_empty()).map(str::to_owned));
    faults
        .rules
        .missing_permissions
        .extend(call.text("permission").filter(|p| !p.is_empty()).map(str::to_owned));
    if none {
        Err("topic, permission or clear is needed".to_owned())
    } else {
        Ok(json!({"topics": faults.rules.forbidden, "permissions": faults.rules.missing_permissions}))
    }
}

/// Removes subscriptions; the sockets stay open.
pub(super) fn unsubscribe(call: &ControlCall<'_>) -> Result<Value, String> {
    call.only(&["channel", "topic", "tell"])?;
    let shared = call.shared;
    let tells = call.switch("tell", "0")?;
    let (channel, topic) = (call.text("channel").unwrap_or(""), call.text("topic").unwrap_or(""));
    let rules = shared.rules();
    let (changed, sockets) = {
        let mut registry = shared.registry();
        let changed = registry.unsubscribe_some(channel, topic, &rules);
        (changed, registry.sockets())
    };
    let is_changed = |id: &String| changed.iter().any(|(other, _)| other == id);
    for (id, socket) in sockets.iter().filter(|(id, _)| tells && is_changed(id)) {
        socket.send(notifications::subscription_changed(shared, id));
    }
    let topics: usize = changed.iter().map(|(_, gone)| gone).sum();
    Ok(json!({"channels": changed.len(), "topics": topics}))
}

/// Leaves topics out of answers to subscriptions, and sends nothing for them.
pub(super) fn topic_missing(call: &ControlCall<'_>) -> Result<Value, String> {
    call.only(&["topic", "on"])?;
    let on = call.switch("on", "1")?;
    let topic = call.text("topic").filter(|t| !t.is_empty());
    let rules = {
        let mut faults = call.shared.faults();
        let missing = &mut faults.rules.missing;
        match topic {
            Some(topic) => missing.retain(|other| other != topic),
            None if on => return Err("topic: missing, a text is needed".to_owned()),
            None => missing.clear(),
        }
        missing.extend(topic.filter(|_| on).map(str::to_owned));
        faults.rules.clone()
    };
    call.shared.registry().leave_out(&rules);
    Ok(json!({"missing": rules.missing}))
}

pub(super) fn revoke(shared: &Shared) -> Value {
    let gone = shared.registry().log_out_all();
    for (channel, socket) in &gone {
        socket.send(notifications::system(
            shared,
            "token_revoked",
            channel,
            Some("user_tokens_revoked"),
        ));
        notifications::close_as_gone(socket);
    }
    let mut others: Vec<Arc<Outbox>> = shared.events().iter().map(|s| Arc::clone(&s.outbox)).collect();
    others.extend(shared.metrics().iter().map(|s| Arc::clone(&s.outbox)));
    others.iter().for_each(|s| s.close(1008, "token revoked"));
    json!({"sockets": gone.len() + others.len()})
}

pub(super) fn evict(shared: &Shared) -> Value {
    let gone = shared.registry().evict_all();
    gone.iter().for_each(|(_, socket)| notifications::close_as_gone(socket));
    json!({"sockets": gone.len()})
}

pub(super) fn refuse_calls(call: &ControlCall<'_>, fixed: Option<u16>) -> Result<Value, String> {
    call.only(if fixed.is_some() {
        &["secs", "count", "date", "path"]
    } else {
        &["status", "secs", "count", "date", "path"]
    })?;
    let status = match fixed {
        Some(status) => status,
        None => call.number("status", Some(503), 599)? as u16,
    };
    if status < 400 {
        return Err(format!("status: found {status}, allowed 400 to 599"));
    }
    let count = call.number("count", Some(1), 1_000_000)?;
    let secs = call.number("secs", Some(5), 86_400)?;
    let date = call.switch("date", "0")?;
    let wanted = status == 429 || call.text("secs").is_some();
    let retry_after = wanted.then_some(if date {
        RetryAfter::Date(secs)
    } else {
        RetryAfter::Secs(secs)
    });
    let path = call.text("path").map(str::to_owned);
    let answer = json!({"status": status, "count": count, "path": path.as_deref().unwrap_or("")});
    call.shared.faults().refused_calls = (count > 0).then_some(RefusedCalls {
        status,
        count,
        retry_after,
        path,
    });
    Ok(answer)
}

pub(super) fn refuse_filters(call: &ControlCall<'_>) -> Result<Value, String> {
    call.only(&["on"])?;
    let on = call.switch("on", "1")?;
    call.shared.faults().refuse_event_filters = on;
    Ok(json!({"refuse_filters": on}))
}

pub(super) fn details_quirks(call: &ControlCall<'_>) -> Result<Value, String> {
    call.only(&["ignore", "deepest"])?;
    let ignored: Vec<&str> = call
        .text("ignore")
        .unwrap_or_default()
        .split(',')
        .filter(|w| !w.is_empty())
        .collect();
    let known = ["order", "filters", "paging"];
    if let Some(other) = ignored.iter().find(|what| !known.contains(what)) {
        return Err(format!("ignore: found {other}, allowed {}", known.join(", ")));
    }
    let deepest = call.number("deepest", Some(0), 1_000_000)? as usize;
    call.shared.faults().details_quirks = DetailsQuirks {
        ignores_order: ignored.contains(&"order"),
        ignores_filters: ignored.contains(&"filters"),
        ignores_paging: ignored.contains(&"paging"),
        deepest: (deepest > 0).then_some(deepest),
    };
    Ok(json!({"ignore": ignored, "deepest": deepest}))
}
