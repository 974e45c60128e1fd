//! Analytics through REST: queue observations and conversation details, from the same facts as the events.
//!
//! In: queries · Out: results · Thread: the connection's.

use super::filters::{DimensionValues, Filter};
use super::problem::Problem;
use super::{Answer, Call, Outcome};
use crate::base::order::Ordered as _;
use crate::simulator::centre::facts::{Conversation, Participant, Purpose, Stay};
use crate::simulator::render::{details, observations};
use crate::simulator::when::{Ms, parse_interval};
use crate::simulator::world::{ALL_MEDIA, World};
use serde_json::{Map, Value, json};

const METRICS: [&str; 11] = [
    "oActiveUsers",
    "oAlerting",
    "oInteracting",
    "oLongestInteracting",
    "oLongestWaiting",
    "oMemberUsers",
    "oOffQueueUsers",
    "oOnQueueUsers",
    "oUserPresences",
    "oUserRoutingStatuses",
    "oWaiting",
];
const DAY_MS: Ms = 86_400_000;
/// The longest interval of a details query.
const MAX_INTERVAL_MS: Ms = 31 * DAY_MS;
const MAX_PAGE: u64 = 100;
const MAX_IDS: usize = 100;

pub(super) fn observations(call: &Call<'_>) -> Outcome {
    call.need("analytics:queueObservation:view")?;
    let body = call.json()?;
    let filter = body
        .get("filter")
        .ok_or_else(|| Problem::bad_request("The filter is missing."))?;
    let filter = Filter::parse(filter, &["queueId", "mediaType"])?;
    let metrics = names(&body, "metrics", &METRICS)?;
    if metrics.is_empty() {
        return Err(Problem::bad_request("The metrics are missing."));
    }
    let detail_metrics = names(&body, "detailMetrics", &METRICS)?;
    let centre = call.shared.centre();
    let now = call.shared.clock.centre().max(centre.now());
    let world = &centre.world;
    let asked = |value: &Value| {
        value
            .get("metric")
            .and_then(Value::as_str)
            .is_some_and(|m| metrics.iter().any(|a| a == m))
    };
    let present = observations::present(&centre);
    let mut results = Vec::new();
    for (index, queue) in world.queues.iter().enumerate() {
        let id = queue.id.to_string();
        let subject = |media: Option<&str>| {
            let (id, media) = (id.clone(), media.map(str::to_owned));
            move |dimension: &str| match dimension {
                "queueId" => DimensionValues::Known(vec![id.clone()]),
                "mediaType" => DimensionValues::Known(media.clone().into_iter().collect()),
                _ => DimensionValues::Unknown,
            }
        };
        if filter.passes(&subject(None)) {
            let data: Vec<Value> = observations::user_metrics(&centre, index)
                .into_iter()
                .filter(asked)
                .collect();
            if !data.is_empty() {
                results.push(json!({"group": {"queueId": id}, "data": data}));
            }
        }
        for media in ALL_MEDIA {
            if !filter.passes(&subject(Some(media.analytics_name()))) {
                continue;
            }
            let here = &present[index][media.index()];
            let data: Vec<Value> = observations::conversation_metrics(here, now, &detail_metrics)
                .into_iter()
                .filter(asked)
                .collect();
            if !data.is_empty() {
                results.push(json!({"group": {"queueId": id, "mediaType": media.analytics_name()}, "data": data}));
            }
        }
    }
    let mut mappings = Map::new();
    mappings.extend(
        world
            .presences
            .iter()
            .map(|p| (p.system.to_owned(), json!([p.id.to_string()]))),
    );
    Ok(Answer::Json(
        json!({"systemToOrganizationMappings": mappings, "results": results}),
    ))
}

fn names(body: &Value, key: &str, allowed: &[&str]) -> Result<Vec<String>, Problem> {
    let list = match body.get(key) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(list) => list
            .as_array()
            .ok_or_else(|| Problem::bad_request(format!("{key} must be a list.")))?,
    };
    let known = |v: &Value| v.as_str().filter(|n| allowed.contains(n)).map(str::to_owned);
    list.iter()
        .map(|v| known(v).ok_or_else(|| Problem::bad_request(format!("{key}: unknown value {v}."))))
        .collect()
}

pub(super) fn details_query(call: &Call<'_>) -> Outcome {
    call.need("analytics:conversationDetail:view")?;
    let body = call.json()?;
    let interval = body.get("interval").and_then(Value::as_str).and_then(parse_interval);
    let (from, to) =
        interval.ok_or_else(|| Problem::bad_request("interval: expected START/END in ISO 8601, START before END."))?;
    if to - from > MAX_INTERVAL_MS {
        return Err(Problem::bad_request("interval: longer than 31 days."));
    }
    let (size, number) = paging(&body)?;
    let order = one_of(&body, "order", &["asc", "desc", "unordered"])?;
    let order_by = one_of(
        &body,
        "orderBy",
        &["conversationStart", "conversationEnd", "segmentStart", "segmentEnd"],
    )?;
    let mut conversation_filters = filters(&body, "conversationFilters", &CONVERSATION_DIMENSIONS)?;
    let mut segment_filters = filters(&body, "segmentFilters", &SEGMENT_DIMENSIONS)?;
    let quirks = call.shared.faults().details_quirks;
    if quirks.deepest.is_some_and(|deepest| number > deepest) {
        return Err(Problem::bad_request(format!(
            "paging.pageNumber: pages deeper than {} are not available.",
            quirks.deepest.unwrap_or(0)
        )));
    }
    if quirks.ignores_filters {
        conversation_filters.clear();
        segment_filters.clear();
    }
    for other in ["evaluationFilters", "surveyFilters", "resolutionFilters"] {
        if body.get(other).and_then(Value::as_array).is_some_and(|f| !f.is_empty()) {
            return Err(Problem::bad_request(format!("{other} are not simulated.")));
        }
    }
    // Whole days: every conversation that began on a day which overlaps the interval.
    let (first, last) = (
        from.div_euclid(DAY_MS) * DAY_MS,
        (to - 1).div_euclid(DAY_MS) * DAY_MS + DAY_MS,
    );
    let centre = call.shared.centre();
    let world = &centre.world;
    let mut hits: Vec<&Conversation> = centre
        .conversations()
        .filter(|c| c.start() >= first && c.start() < last)
        .filter(|c| {
            conversation_filters
                .iter()
                .all(|f| f.passes(&|dimension| conversation_dimension(world, c, dimension)))
        })
        .filter(|c| {
            segment_filters.iter().all(|f| {
                c.stays()
                    .any(|(_, p, s)| f.passes(&|dimension| segment_dimension(world, p, s, dimension)))
            })
        })
        .collect();
    if !quirks.ignores_order {
        if matches!(order_by, Some("conversationEnd" | "segmentEnd")) {
            let key = |c: &Conversation| (c.over().unwrap_or(Ms::MAX), c.key);
            hits.order_by_key(|one| key(one));
        }
        if order == Some("desc") {
            hits.reverse();
        }
    }
    let (size, number) = if quirks.ignores_paging {
        (hits.len(), 1)
    } else {
        (size, number)
    };
    let page: Vec<Value> = hits
        .iter()
        .skip(size.saturating_mul(number - 1))
        .take(size)
        .map(|c| details::conversation(world, c))
        .collect();
    Ok(Answer::Json(json!({"conversations": page, "totalHits": hits.len()})))
}

fn one_of<'a>(body: &'a Value, key: &str, allowed: &[&str]) -> Result<Option<&'a str>, Problem> {
    match body.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_str().filter(|v| allowed.contains(v)) {
            Some(text) => Ok(Some(text)),
            None => Err(Problem::bad_request(format!(
                "{key}: found {value}, allowed {}.",
                allowed.join(", ")
            ))),
        },
    }
}

fn paging(body: &Value) -> Result<(usize, usize), Problem> {
    let Some(paging) = body.get("paging").filter(|p| !p.is_null()) else {
        return Ok((25, 1));
    };
    let number = |key: &str, most: u64| match paging.get(key).and_then(Value::as_u64) {
        Some(n) if (1..=most).contains(&n) => Ok(n as usize),
        _ => Err(Problem::bad_request(format!(
            "paging.{key}: expected a number from 1 to {most}."
        ))),
    };
    Ok((number("pageSize", MAX_PAGE)?, number("pageNumber", 1_000_000)?))
}

fn filters(body: &Value, key: &str, dimensions: &[&str]) -> Result<Vec<Filter>, Problem> {
    match body.get(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) => list.iter().map(|f| Filter::parse(f, dimensions)).collect(),
        Some(_) => Err(Problem::bad_request(format!("{key} must be a list."))),
    }
}

const CONVERSATION_DIMENSIONS: [&str; 5] = [
    "conversationEnd",
    "conversationStart",
    "conversationId",
    "originatingDirection",
    "divisionId",
];
const SEGMENT_DIMENSIONS: [&str; 8] = [
    "queueId",
    "mediaType",
    "userId",
    "purpose",
    "direction",
    "segmentEnd",
    "wrapUpCode",
    "disconnectType",
];

fn values(value: Option<impl ToString>) -> DimensionValues {
    DimensionValues::Known(value.map(|v| v.to_string()).into_iter().collect())
}

fn conversation_dimension(world: &World, c: &Conversation, dimension: &str) -> DimensionValues {
    match dimension {
        "conversationEnd" => values(c.over()),
        "conversationStart" => values(Some(c.start())),
        "conversationId" => values(Some(c.id)),
        "originatingDirection" => values(Some("inbound")),
        "divisionId" => values(Some(world.division)),
        _ => DimensionValues::Unknown,
    }
}

fn segment_dimension(world: &World, p: &Participant, s: &Stay, dimension: &str) -> DimensionValues {
    let tells_queue = matches!(p.purpose, Purpose::Acd | Purpose::Agent | Purpose::User);
    match dimension {
        "queueId" => values(s.queue.filter(|_| tells_queue).map(|q| world.queues[q].id)),
        "mediaType" => values(Some(s.media.analytics_name())),
        "userId" => values(p.user.map(|u| world.users[u].id)),
        "purpose" => values(Some(p.purpose.name())),
        "direction" => values(Some("inbound")),
        "segmentEnd" => values(s.end.filter(|_| !s.after_call.is_open())),
        "wrapUpCode" => values(s.after_call.code.map(|code| world.wrapup_codes[code].0)),
        "disconnectType" => values(s.disconnect.map(|d| d.camel())),
        _ => DimensionValues::Unknown,
    }
}

pub(super) fn details_by_ids(call: &Call<'_>) -> Outcome {
    call.need("analytics:conversationDetail:view")?;
    let ids = call.list("id");
    if ids.is_empty() || ids.len() > MAX_IDS {
        return Err(Problem::bad_request(format!(
            "id: found {} ids, allowed 1 to {MAX_IDS}.",
            ids.len()
        )));
    }
    let centre = call.shared.centre();
    let found: Vec<Value> = ids
        .iter()
        .filter_map(|id| centre.conversation(id))
        .map(|c| details::conversation(&centre.world, c))
        .collect();
    Ok(Answer::Json(json!({"conversations": found})))
}

pub(super) fn details_by_id(call: &Call<'_>, id: &str) -> Outcome {
    call.need("analytics:conversationDetail:view")?;
    let centre = call.shared.centre();
    let found = centre.conversation(id).ok_or_else(Problem::not_found)?;
    Ok(Answer::Json(details::conversation(&centre.world, found)))
}
