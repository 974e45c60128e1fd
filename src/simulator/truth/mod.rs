//! The true numbers: the numbers that a dashboard of this centre must show, counted from the centre's own facts.
//!
//! In: facts of all known conversations, a query · Out: a snapshot's `queues`, `totals` and `all_queues` · Thread: any
//! (pure).
//!
//! No code is shared with the client that is checked by these numbers: this is a second implementation of
//! `docs/numbers.md`, on facts that were never rendered as JSON.

mod history;
mod outcomes;
mod sums;

use super::centre::Centre;
use super::centre::facts::Conversation;
use super::json::Object;
use super::when::{Ms, millis};
use super::world::{ALL_MEDIA, World};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::time::Duration;
use sums::{Grid, Limits, Live, WindowedSums, moment, period};

/// The wait within which an answer counts for the service level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceLevel {
    /// The queue's own threshold for the medium.
    #[default]
    Queue,
    /// One threshold for all.
    Within(Duration),
}

/// A query for the true numbers; [`TruthQuery::default`] matches a client with default settings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TruthQuery {
    /// Length of a window in whole seconds, at least one. Default 1 min.
    pub granularity: Duration,
    /// The most windows in the answer; the newest ones are kept. Default 60.
    pub keep: usize,
    /// The service level's threshold.
    pub service_level: ServiceLevel,
    /// Abandons with a shorter wait count as short abandons; zero: none do. Default 0.
    pub short_abandon: Duration,
    /// The moment in the centre's time, as Unix milliseconds; later facts are left out. `None` is now. For a moment that
    /// the centre does not reach within two seconds, now is used.
    pub as_of_ms: Option<i64>,
    /// Only conversations that were open at this moment (Unix milliseconds, the centre's time) or began later. `None`: all
    /// that the centre keeps.
    pub since_ms: Option<i64>,
    /// Only these queues, by id, and only conversations that visited one of them; empty means all. Unknown ids are ignored.
    pub queues: Vec<String>,
}

impl Default for TruthQuery {
    fn default() -> Self {
        TruthQuery {
            granularity: Duration::from_secs(60),
            keep: 60,
            service_level: ServiceLevel::Queue,
            short_abandon: Duration::ZERO,
            as_of_ms: None,
            since_ms: None,
            queues: Vec::new(),
        }
    }
}

/// The numbers of one queue.
struct QueueNumbers {
    sums: WindowedSums,
    live: Live,
    media: [Option<(WindowedSums, Live)>; 4],
}

/// Answers a query from the facts that the centre keeps.
pub(super) fn answer(centre: &Centre, query: &TruthQuery, as_of: Ms) -> Value {
    let (answer, counted) = number(&centre.world, centre.conversations(), query, as_of);
    answer
        .set("conversations", counted)
        .set("forgotten", centre.forgotten())
        .into()
}

/// The numbers, and from how many conversations they were counted.
fn number<'a>(
    world: &World,
    conversations: impl Iterator<Item = &'a Conversation>,
    query: &TruthQuery,
    as_of: Ms,
) -> (Object, u64) {
    let grid = Grid {
        granularity: millis(query.granularity).max(1000) / 1000 * 1000,
        keep: query.keep.max(1),
        as_of,
    };
    let wanted: Vec<bool> = (world.queues.iter())
        .map(|q| query.queues.is_empty() || query.queues.iter().any(|id| id.eq_ignore_ascii_case(&q.id.to_string())))
        .collect();
    let mut by_queue: Vec<QueueNumbers> = (world.queues.iter())
        .map(|_| QueueNumbers {
            sums: WindowedSums::default(),
            live: Live::default(),
            media: Default::default(),
        })
        .collect();
    let (mut all, mut everywhere) = (WindowedSums::default(), Live::default());
    let (mut active, mut counted) = (0u64, 0u64);
    let was_there = |c: &Conversation| {
        let went_on = |since| c.periods.iter().any(|p| p.end.is_none_or(|end| end > since));
        query.since_ms.is_none_or(went_on)
    };
    for c in conversations.filter_map(|c| history::at(c, as_of)) {
        let c: Cow<'_, Conversation> = c;
        if !was_there(&c) {
            continue;
        }
        if !c.queues().iter().any(|&q| wanted[q]) {
            continue;
        }
        counted += 1;
        let result = outcomes::of_conversation(&c, as_of);
        active += u64::from(result.active);
        for outcome in result.outcomes.iter().filter(|o| wanted[o.queue]) {
            let own = world.queues[outcome.queue].service_level[outcome.media.index()].1;
            let limits = Limits {
                in_time: match query.service_level {
                    ServiceLevel::Queue => own,
                    ServiceLevel::Within(limit) => millis(limit),
                },
                short: millis(query.short_abandon),
            };
            let numbers = &mut by_queue[outcome.queue];
            let of_media = numbers.media[outcome.media.index()].get_or_insert_default();
            for sums in [&mut all, &mut numbers.sums, &mut of_media.0] {
                sums.add(outcome.at, outcome.kind, limits, grid);
            }
        }
        for ongoing in result.ongoing.iter().filter(|o| wanted[o.queue]) {
            let numbers = &mut by_queue[ongoing.queue];
            let of_media = numbers.media[ongoing.media.index()].get_or_insert_default();
            for live in [&mut everywhere, &mut numbers.live, &mut of_media.1] {
                live.add(ongoing.what);
            }
        }
    }
    let mut queues = Map::new();
    queues.extend(
        (world.queues.iter().zip(&by_queue).zip(&wanted))
            .filter(|(_, wanted)| **wanted)
            .map(|((queue, numbers), _)| (queue.id.to_string(), of_queue(queue, numbers, grid))),
    );
    let totals = Object::new()
        .set("active_conversations", active)
        .set("waiting", everywhere.waiting)
        .set("interacting", everywhere.interacting)
        .set("after_call_work", everywhere.after_call_work);
    let answer = Object::new()
        .time("as_of", as_of)
        .set("since", moment(query.since_ms))
        .set("granularity", period(grid.granularity))
        .set("totals", Value::from(totals))
        .set(
            "all_queues",
            Value::from(
                Object::new()
                    .set("totals", all.totals())
                    .set("windows", all.windows(grid)),
            ),
        )
        .set("queues", queues);
    (answer, counted)
}

fn of_queue(queue: &super::world::Queue, numbers: &QueueNumbers, grid: Grid) -> Value {
    let mut by_media = Map::new();
    by_media.extend(ALL_MEDIA.into_iter().filter_map(|media| {
        let (sums, live) = numbers.media[media.index()].as_ref()?;
        let value = live.object(grid.as_of).set("totals", sums.totals());
        Some((media.analytics_name().to_owned(), Value::from(value)))
    }));
    numbers
        .live
        .object(grid.as_of)
        .set("name", queue.name.clone())
        .set("service_level_target_percent", queue.service_level[0].0 * 100.0)
        .set("totals", numbers.sums.totals())
        .set("windows", numbers.sums.windows(grid))
        .set("by_media", by_media)
        .into()
}

#[cfg(test)]
mod tests;
