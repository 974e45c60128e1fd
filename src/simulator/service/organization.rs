//! Queues, members, users, presences, wrap-up codes, single conversations.
//!
//! In: `GET` calls · Out: entities and listings · Thread: the connection's.

use super::listing::{Page, Totals, fits, page};
use super::problem::Problem;
use super::{Answer, Call, Outcome};
use crate::base::order::Ordered as _;
use crate::simulator::render::{conversation as whole, observations, people, queues as queue_json};
use crate::simulator::when::Ms;
use crate::simulator::world::{ALL_MEDIA, Media};
use serde_json::{Value, json};

fn queue_index(call: &Call<'_>, id: &str) -> Result<usize, Problem> {
    call.shared.world.queue_index(id).ok_or_else(Problem::not_found)
}

fn user_index(call: &Call<'_>, id: &str) -> Result<usize, Problem> {
    call.shared.world.user_index(id).ok_or_else(Problem::not_found)
}

/// Whether the listing is sorted in descending order.
fn descending(call: &Call<'_>) -> bool {
    call.parameter("sortOrder")
        .is_some_and(|order| order.to_lowercase().starts_with("desc"))
}

pub(super) fn queues(call: &Call<'_>) -> Outcome {
    call.need("routing:queue:view")?;
    let asked = Page::of(call, 500)?;
    let world = &call.shared.world;
    let ids = call.list("id");
    let name = call.parameter("name");
    let mut all: Vec<usize> = (0..world.queues.len())
        .filter(|&q| {
            ids.is_empty()
                || ids
                    .iter()
                    .any(|id| id.eq_ignore_ascii_case(&world.queues[q].id.to_string()))
        })
        .filter(|&q| name.is_none_or(|filter| fits(filter, &world.queues[q].name)))
        .collect();
    all.order_by(|&a, &b| world.queues[a].name.cmp(&world.queues[b].name));
    if descending(call) {
        all.reverse();
    }
    let centre = call.shared.centre();
    page(call, asked, Totals::Told, &all, |q| queue_json::queue(&centre, q))
}

pub(super) fn queue(call: &Call<'_>, id: &str) -> Outcome {
    call.need("routing:queue:view")?;
    let index = queue_index(call, id)?;
    Ok(Answer::Json(queue_json::queue(&call.shared.centre(), index)))
}

pub(super) fn members(call: &Call<'_>, id: &str) -> Outcome {
    call.need("routing:queue:view")?;
    let index = queue_index(call, id)?;
    let asked = Page::of(call, 100)?;
    let expand = call.list("expand");
    let joined = call.parameter("joined").map(|j| j == "true");
    let centre = call.shared.centre();
    let on_queue = |user: usize| centre.agents[user].presence == crate::simulator::world::ON_QUEUE;
    let all: Vec<usize> = call.shared.world.queues[index]
        .members
        .iter()
        .copied()
        .filter(|&u| joined.is_none_or(|j| j == on_queue(u)))
        .collect();
    page(call, asked, Totals::Untold, &all, |user| {
        queue_json::member(&centre, index, user, &expand)
    })
}

pub(super) fn estimated_wait(call: &Call<'_>, id: &str) -> Outcome {
    let index = queue_index(call, id)?;
    let centre = call.shared.centre();
    let present = observations::present(&centre);
    let results: Vec<Value> = ALL_MEDIA
        .into_iter()
        .map(|media| {
            let intent = match media {
                Media::Voice => "CALL",
                Media::Message => "MESSAGE",
                Media::Email => "EMAIL",
                Media::Callback => "CALLBACK",
            };
            let waiting = present[index][media.index()].waiting.len() as Ms;
            let members = (centre.world.queues[index].members.len() as Ms).max(1);
            json!({"intent": intent, "formula": "SIMPLE", "estimatedWaitTimeSeconds": 5 + waiting * 30 / members})
        })
        .collect();
    Ok(Answer::Json(json!({"results": results})))
}

pub(super) fn wrapup_codes(call: &Call<'_>) -> Outcome {
    let asked = Page::of(call, 500)?;
    let world = &call.shared.world;
    let name = call.parameter("name");
    let all: Vec<usize> = (0..world.wrapup_codes.len())
        .filter(|&w| name.is_none_or(|filter| fits(filter, world.wrapup_codes[w].1)))
        .collect();
    page(call, asked, Totals::Told, &all, |w| queue_json::wrapup_code(world, w))
}

pub(super) fn users(call: &Call<'_>) -> Outcome {
    call.need("directory:user:view")?;
    let asked = Page::of(call, 500)?;
    let world = &call.shared.world;
    let (ids, expand) = (call.list("id"), call.list("expand"));
    let active = call.parameter("state").is_none_or(|s| s == "active" || s == "any");
    let all: Vec<usize> = (0..world.users.len())
        .filter(|&u| {
            active
                && (ids.is_empty()
                    || ids
                        .iter()
                        .any(|id| id.eq_ignore_ascii_case(&world.users[u].id.to_string())))
        })
        .collect();
    let centre = call.shared.centre();
    page(call, asked, Totals::Told, &all, |u| people::user(&centre, u, &expand))
}

pub(super) fn user(call: &Call<'_>, id: &str) -> Outcome {
    let index = user_index(call, id)?;
    Ok(Answer::Json(people::user(
        &call.shared.centre(),
        index,
        &call.list("expand"),
    )))
}

pub(super) fn presence(call: &Call<'_>, id: &str) -> Outcome {
    let index = user_index(call, id)?;
    Ok(Answer::Json(people::presence(&call.shared.centre(), index)))
}

pub(super) fn routing_status(call: &Call<'_>, id: &str) -> Outcome {
    let index = user_index(call, id)?;
    Ok(Answer::Json(people::routing_status(&call.shared.centre(), index)))
}

pub(super) fn presence_definitions(call: &Call<'_>) -> Outcome {
    let world = &call.shared.world;
    let entities: Vec<Value> = (0..world.presences.len())
        .map(|p| people::presence_definition(world, p))
        .collect();
    Ok(Answer::Json(
        json!({"entities": entities, "total": entities.len(), "selfUri": "/api/v2/presence/definitions"}),
    ))
}

pub(super) fn organization_presences(call: &Call<'_>) -> Outcome {
    let world = &call.shared.world;
    let all: Vec<usize> = (0..world.presences.len()).collect();
    page(call, Page::of(call, 500)?, Totals::Told, &all, |p| {
        people::organization_presence(world, p)
    })
}

/// The conversations of the logged-in user; client credentials have no user.
pub(super) fn no_conversations(call: &Call<'_>) -> Outcome {
    page(call, Page { size: 25, number: 1 }, Totals::Told, &[], |_| Value::Null)
}

pub(super) fn conversation(call: &Call<'_>, id: &str) -> Outcome {
    call.need("conversation:communication:view")?;
    let centre = call.shared.centre();
    let found = centre.conversation(id).ok_or_else(Problem::not_found)?;
    Ok(Answer::Json(whole::conversation(
        &centre.world,
        found,
        whole::Shape::Rest,
    )))
}
