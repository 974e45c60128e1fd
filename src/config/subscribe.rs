//! Reads the keys below `subscribe`: queues, users, topics, event types, the metrics payload.
//!
//! In: layers · Out: `Subscribe` · Thread: any (pure).

use super::json::{Node, Value};
use super::metrics;
use super::reading::{Complaints, Null, Reading, allowed_words};
use super::{MetricsPayload, Protocol, Subscribe, TimeWindow};
use crate::Id;
use crate::base::problem::Origin;

const DAY_SECS: u64 = 86_400;

pub(super) fn read_subscribe(r: &mut Reading<'_>, protocol: Protocol, notes: &mut Vec<String>) -> Subscribe {
    const MANY: usize = 100_000;
    let queues = r.texts("subscribe.queues", 0..=MANY, check_queue).unwrap_or_default();
    let users = r.texts("subscribe.users", 0..=MANY, check_user).unwrap_or_default();
    let topics = r.texts("subscribe.topics", 0..=MANY, check_topic).unwrap_or_default();
    let topics = topics.iter().map(|topic| with_lower_case_ids(topic)).collect();
    let refresh = r.duration("subscribe.refresh_secs", 1..=DAY_SECS, 300);
    let event_types = r
        .texts("subscribe.event_types", 1..=100, check_event_type)
        .unwrap_or_else(|| {
            ["conversation:updated", "routing:queue:updated"]
                .map(str::to_owned)
                .to_vec()
        });
    let metrics = read_metrics(r, protocol, &queues);
    if protocol != Protocol::Notifications {
        for (key, list) in [("users", &users), ("topics", &topics)] {
            if !list.is_empty() {
                notes.push(format!(
                    "subscribe.{key} has no effect with protocol {}",
                    protocol.as_str()
                ));
            }
        }
    }
    for (key, of) in [
        ("subscribe.event_types", Protocol::Events),
        ("subscribe.metrics.metrics", Protocol::Metrics),
        ("subscribe.metrics.metricTypes", Protocol::Metrics),
    ] {
        if protocol != of
            && let Some(Origin::Flag(flag)) = r.origin(key)
        {
            notes.push(format!("{flag} has no effect with protocol {}", protocol.as_str()));
        }
    }
    Subscribe {
        queues,
        users,
        topics,
        refresh,
        event_types,
        metrics,
    }
}

fn check_queue(text: &str) -> Result<(), String> {
    if text.trim().is_empty() || text.len() > 300 || text.chars().any(char::is_control) {
        return Err("a queue's id or name, or all, is needed".to_owned());
    }
    Ok(())
}

fn check_user(text: &str) -> Result<(), String> {
    let id =
        !text.is_empty() && text.len() <= 100 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if id {
        Ok(())
    } else {
        Err("a user's id (not a name), or queue-members, is needed".to_owned())
    }
}

fn check_topic(text: &str) -> Result<(), String> {
    if text.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("a topic without spaces is needed, such as v2.users.ID.presence".to_owned());
    }
    if text.chars().count() >= 200 {
        return Err("a topic has fewer than 200 characters".to_owned());
    }
    if text == "channel.metadata" || text == "v2.system" || text.starts_with("v2.system.") {
        return Err("channel.metadata and v2.system.* come by themselves and cannot be subscribed".to_owned());
    }
    Ok(())
}

/// The topic with its UUIDs in lower case, as the service writes them; its words keep their case.
fn with_lower_case_ids(topic: &str) -> String {
    let lower = |part: &str| {
        let id = Id::new(part.trim_end_matches(['.', '?']));
        match id.as_uuid() {
            Some(_) => part.to_ascii_lowercase(),
            None => part.to_owned(),
        }
    };
    topic.split_inclusive(['.', '?']).map(lower).collect()
}

fn check_event_type(text: &str) -> Result<(), String> {
    let right = !text.is_empty()
        && text.len() <= 100
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b":._-".contains(&b));
    if right {
        Ok(())
    } else {
        Err("an event type without spaces is needed, such as conversation:updated".to_owned())
    }
}

fn read_metrics(r: &mut Reading<'_>, protocol: Protocol, queues: &[String]) -> MetricsPayload {
    let default = MetricsPayload::default();
    let payload = MetricsPayload {
        metric_types: r
            .texts("subscribe.metrics.metricTypes", 1..=metrics::MAX_METRIC_TYPES, |text| {
                metrics::check_name(text, &metrics::METRIC_TYPES)
            })
            .unwrap_or(default.metric_types),
        time_windows: r
            .pick("subscribe.metrics.timeWindows", Null::Refused, read_time_windows)
            .unwrap_or(default.time_windows),
        granularity: r
            .text("subscribe.metrics.granularity", Null::Refused, |text| {
                metrics::check_granularity(text).map(|()| text.to_owned())
            })
            .unwrap_or(default.granularity),
        metrics: r
            .texts("subscribe.metrics.metrics", 1..=metrics::MAX_METRICS, |text| {
                metrics::check_name(text, &metrics::METRICS)
            })
            .unwrap_or(default.metrics),
        entity_filters: r
            .pick("subscribe.metrics.entityFilters", Null::Refused, read_entity_filters)
            .unwrap_or_default(),
    };
    let queues = if protocol == Protocol::Metrics { queues } else { &[] };
    let size = payload.size_bytes_with(queues);
    if size > metrics::MAX_PAYLOAD_BYTES {
        let key = if payload.size_bytes() > metrics::MAX_PAYLOAD_BYTES {
            "subscribe.metrics.entityFilters"
        } else {
            "subscribe.queues"
        };
        r.problem(
            key,
            format!(
                "the metrics payload would be {size} bytes; allowed are {}: name fewer",
                metrics::MAX_PAYLOAD_BYTES
            ),
        );
    }
    payload
}

fn read_time_windows(node: &Node, complaints: &mut Complaints) -> Option<Vec<TimeWindow>> {
    const KEY: &str = "timeWindows";
    let Value::List(items) = &node.value else {
        complaints.about(KEY, node, "a list of {\"start\": …, \"end\": …} is needed");
        return None;
    };
    if items.len() > metrics::MAX_TIME_WINDOWS {
        let most = metrics::MAX_TIME_WINDOWS;
        complaints.plain(
            "",
            node.at,
            (
                format!("{} time windows", items.len()),
                format!("allowed are at most {most}"),
            ),
        );
    }
    let mut windows = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let Value::Object(members) = &item.value else {
            complaints.below(
                KEY,
                &format!("[{index}]"),
                item,
                "an object {\"start\": …, \"end\": …} is needed",
            );
            continue;
        };
        for member in members.iter().filter(|m| m.key != "start" && m.key != "end") {
            let meant = allowed_words(&member.key, ["start", "end"].into_iter());
            complaints.plain(&format!("[{index}]"), member.at, format!("unknown key inside; {meant}"));
        }
        let before = complaints.len();
        let mut one = |name: &str| -> String {
            let part = format!("[{index}].{name}");
            match members.iter().find(|m| m.key == name).map(|m| &m.node) {
                None => complaints.plain(&part, item.at, "missing"),
                Some(node) => match &node.value {
                    Value::Text(text) => match metrics::check_bound(text) {
                        Ok(()) => return text.clone(),
                        Err(complaint) => complaints.below(KEY, &part, node, complaint),
                    },
                    _ => complaints.below(KEY, &part, node, "a text such as \"now-PT1H\" is needed"),
                },
            }
            String::new()
        };
        let window = TimeWindow {
            start: one("start"),
            end: one("end"),
        };
        if complaints.len() == before
            && let Err(complaint) = metrics::check_order(&window)
        {
            complaints.plain(&format!("[{index}]"), item.at, complaint);
        }
        windows.push(window);
    }
    Some(windows)
}

fn read_entity_filters(node: &Node, complaints: &mut Complaints) -> Option<serde_json::Map<String, serde_json::Value>> {
    const KEY: &str = "entityFilters";
    let Value::Object(members) = &node.value else {
        complaints.about(
            KEY,
            node,
            "an object of lists is needed, such as {\"queueIds\": [\"…\"]}",
        );
        return None;
    };
    let mut filters = serde_json::Map::new();
    for member in members {
        let mut ids = Vec::new();
        match &member.node.value {
            Value::List(items) => {
                for item in items {
                    match &item.value {
                        Value::Text(text) if !text.is_empty() => ids.push(serde_json::Value::from(text.as_str())),
                        _ => complaints.below(KEY, &member.key, item, "a list of ids (texts) is needed"),
                    }
                }
            }
            _ => complaints.below(KEY, &member.key, &member.node, "a list of ids (texts) is needed"),
        }
        filters.insert(member.key.clone(), ids.into());
    }
    Some(filters)
}
