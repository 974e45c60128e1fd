//! Renders queue observations, the current numbers, for REST and for the analytics topics.
//!
//! In: the centre · Out: JSON · Thread: any (pure).

use crate::simulator::centre::Centre;
use crate::simulator::centre::facts::{Conversation, Stay};
use crate::simulator::centre::stats::{Counts, INTERVAL_MS, Timing};
use crate::simulator::json::Object;
use crate::simulator::when::{Ms, iso};
use crate::simulator::world::{ALL_MEDIA, Media, ON_QUEUE};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The conversations that wait, alert and talk in one queue and medium now, each with the time since when.
#[derive(Default)]
pub(in crate::simulator) struct Present<'a> {
    pub waiting: Vec<(Ms, &'a Conversation, &'a Stay)>,
    pub alerting: Vec<(Ms, &'a Conversation, &'a Stay)>,
    pub interacting: Vec<(Ms, &'a Conversation, &'a Stay)>,
}

/// The current conversations of every queue and medium.
pub(in crate::simulator) fn present(centre: &Centre) -> Vec<[Present<'_>; 4]> {
    let mut all: Vec<[Present<'_>; 4]> = centre.world.queues.iter().map(|_| Default::default()).collect();
    for c in centre.open() {
        for (visit, p) in c.visits() {
            let s = p.stay();
            if let (Some(queue), Some(entered), true) = (s.queue, s.connected, s.is_open() && !c.is_answered(visit)) {
                all[queue][s.media.index()].waiting.push((entered, c, s));
            }
        }
        for (_, s) in c.work() {
            let Some(queue) = s.queue else { continue };
            let here = &mut all[queue][s.media.index()];
            match s.connected {
                None if s.is_alerting() => here.alerting.push((s.start, c, s)),
                Some(connected) if s.is_open() => here.interacting.push((connected, c, s)),
                _ => {}
            }
        }
    }
    all
}

fn count(metric: &str, count: usize) -> Value {
    json!({"metric": metric, "stats": {"count": count}})
}

fn qualified(metric: &str, qualifier: &str, count: usize) -> Value {
    json!({"metric": metric, "qualifier": qualifier, "stats": {"count": count}})
}

/// The user metrics of a queue, each with its name; metrics that count no user are left out.
pub(in crate::simulator) fn user_metrics(centre: &Centre, queue: usize) -> Vec<Value> {
    let world = &centre.world;
    let members = &world.queues[queue].members;
    let mut on_queue: BTreeMap<&str, usize> = BTreeMap::new();
    let mut off_queue: BTreeMap<String, usize> = BTreeMap::new();
    let mut presences: BTreeMap<String, usize> = BTreeMap::new();
    let mut statuses: BTreeMap<&str, usize> = BTreeMap::new();
    for &user in members {
        let agent = &centre.agents[user];
        let presence = world.presences[agent.presence].id.to_string();
        if agent.presence == ON_QUEUE {
            *on_queue.entry(agent.routing.name()).or_default() += 1;
        } else {
            *off_queue.entry(presence.clone()).or_default() += 1;
        }
        *presences.entry(presence).or_default() += 1;
        *statuses.entry(agent.routing.name()).or_default() += 1;
    }
    let active: usize = on_queue.values().sum();
    let mut out = vec![count("oActiveUsers", active), count("oMemberUsers", members.len())];
    out.extend(on_queue.iter().map(|(q, n)| qualified("oOnQueueUsers", q, *n)));
    out.extend(off_queue.iter().map(|(q, n)| qualified("oOffQueueUsers", q, *n)));
    out.extend(presences.iter().map(|(q, n)| qualified("oUserPresences", q, *n)));
    out.extend(statuses.iter().map(|(q, n)| qualified("oUserRoutingStatuses", q, *n)));
    out
}

/// The conversation metrics of one queue and medium for REST; `details` names the metrics that list what they count.
pub(in crate::simulator) fn conversation_metrics(here: &Present<'_>, now: Ms, details: &[String]) -> Vec<Value> {
    let mut out = Vec::new();
    for (metric, list) in [
        ("oAlerting", &here.alerting),
        ("oInteracting", &here.interacting),
        ("oWaiting", &here.waiting),
    ] {
        if list.is_empty() {
            continue;
        }
        let mut value = Object::new()
            .set("metric", metric)
            .set("stats", json!({"count": list.len()}));
        if details.iter().any(|d| d == metric) {
            let observations: Vec<Value> = list.iter().take(100).map(|(at, c, s)| observation(*at, c, s)).collect();
            value = value
                .set("truncated", list.len() > 100)
                .set("observations", observations);
        }
        out.push(value.into());
    }
    for (metric, list) in [
        ("oLongestInteracting", &here.interacting),
        ("oLongestWaiting", &here.waiting),
    ] {
        if let Some(since) = list.iter().map(|(at, ..)| *at).min() {
            out.push(json!({"metric": metric, "stats": {"calculatedMetricValue": now - since}}));
        }
    }
    out
}

fn observation(at: Ms, c: &Conversation, s: &Stay) -> Value {
    let object = Object::new()
        .time("observationDate", at)
        .set("conversationId", c.id)
        .set("sessionId", s.communication)
        .set("routingPriority", 0)
        .set("participantName", c.caller.clone())
        .set("direction", "inbound");
    match s.media {
        Media::Voice | Media::Callback => object
            .set("ani", format!("tel:{}", c.address))
            .set("dnis", "tel:+15550199"),
        _ => object.set("addressFrom", c.address.clone()),
    }
    .into()
}

fn timing(metric: &str, t: &Timing) -> Option<Value> {
    (t.count > 0)
        .then(|| json!({"metric": metric, "stats": {"count": t.count, "sum": t.sum, "min": t.min, "max": t.max}}))
}

fn interval_metrics(counts: &Counts) -> Vec<Value> {
    let mut out = Vec::new();
    let mut number = |metric: &str, n: i64| {
        if n > 0 {
            out.push(json!({"metric": metric, "stats": {"count": n}}));
        }
    };
    number("nOffered", counts.offered);
    number("nTransferred", counts.transferred);
    number("tFlowOut", counts.flow_out);
    let timings = [
        ("tAnswered", &counts.answered),
        ("tAbandon", &counts.abandoned),
        ("tWait", &counts.waited),
        ("tHandle", &counts.handled),
        ("tTalk", &counts.talked),
        ("tHeld", &counts.held),
        ("tAcw", &counts.after_call),
    ];
    out.extend(timings.iter().filter_map(|(metric, t)| timing(metric, t)));
    let denominator = counts.answered.count + counts.abandoned.count;
    if denominator > 0 {
        let target = if counts.target > 0.0 { counts.target } else { 0.8 };
        let ratio = counts.in_time as f64 / denominator as f64;
        let stats = json!({"ratio": ratio, "numerator": counts.in_time, "denominator": denominator, "target": target});
        out.push(json!({"metric": "oServiceLevel", "stats": stats}));
    }
    out
}

/// The current bodies of `v2.analytics.queues.{id}.observations`: one for the users, one for each medium.
pub(in crate::simulator) fn notifications(
    centre: &mut Centre,
    queue: usize,
    present: &[[(usize, usize, usize); 4]],
) -> Vec<Value> {
    let now = centre.now();
    let (start, counts) = centre.stats.of_queue(now, queue);
    let interval = format!("{}/{}", iso(start), iso(start + INTERVAL_MS));
    let id = centre.world.queues[queue].id.to_string();
    let mut out = vec![json!({
        "group": {"queueId": id},
        "data": [{"interval": interval, "metrics": user_metrics(centre, queue)}],
    })];
    for media in ALL_MEDIA {
        let (waiting, alerting, interacting) = present[queue][media.index()];
        let counts = &counts[media.index()];
        if centre.world.queues[queue].mix[media.index()] == 0.0 && counts.offered == 0 && waiting + interacting == 0 {
            continue;
        }
        let mut metrics = vec![
            count("oWaiting", waiting),
            count("oAlerting", alerting),
            count("oInteracting", interacting),
        ];
        metrics.extend(interval_metrics(counts));
        out.push(json!({
            "group": {"queueId": id, "mediaType": media.analytics_name()},
            "data": [{"interval": interval, "metrics": metrics}],
        }));
    }
    out
}

/// The current numbers of waiting, alerting and interacting conversations of every queue and medium.
pub(in crate::simulator) fn present_counts(centre: &Centre) -> Vec<[(usize, usize, usize); 4]> {
    present(centre)
        .iter()
        .map(|queue| {
            queue
                .each_ref()
                .map(|p| (p.waiting.len(), p.alerting.len(), p.interacting.len()))
        })
        .collect()
}

/// The body of `v2.analytics.queues.{id}.activity`.
pub(in crate::simulator) fn activity(queue: &[Present<'_>; 4], now: Ms) -> Value {
    let results: Vec<Value> = ALL_MEDIA
        .into_iter()
        .map(|media| {
            let here = &queue[media.index()];
            let mut data = vec![
                json!({"metric": "oWaiting", "count": here.waiting.len()}),
                json!({"metric": "oInteracting", "count": here.interacting.len()}),
                json!({"metric": "oAlerting", "count": here.alerting.len()}),
            ];
            if let Some(since) = here.waiting.iter().map(|w| w.0).min() {
                data.push(json!({"metric": "oLongestWaiting", "calculatedMetricValue": now - since}));
            }
            json!({"mediaType": media.analytics_name(), "data": data})
        })
        .collect();
    json!({"results": results})
}
