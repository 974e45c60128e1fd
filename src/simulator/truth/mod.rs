//! The true numbers: what a dashboard of this centre must show, from the centre's own facts.
//!
//! In: facts of all known conversations, a question · Out: a snapshot's `queues`, `totals` and `all_queues` · Thread: any; pure.
//!
//! Nothing here is shared with the client that is measured by it: these are the definitions of `docs/numbers.md`,
//! written a second time on facts that were never rendered.

mod history;
mod outcomes;
mod sums;

use super::centre::Centre;
use super::centre::facts::Conversation;
use super::json::Object;
use super::when::{Ms, millis};
use super::world::{ALL_MEDIA, World};
use outcomes::account;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::time::Duration;
use sums::{Course, Grid, Limits, Live, moment, period};

/// Within which wait an answer counts for the service level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceLevel {
    /// The queue's own threshold for the medium.
    #[default]
    Queue,
    /// One threshold for all.
    Within(Duration),
}

/// A question for the true numbers; [`TruthQuery::default`] asks as a client with default settings counts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TruthQuery {
    /// Length of a window in whole seconds, at least one. Default 1 min.
    pub granularity: Duration,
    /// Windows given at most, the newest. Default 60.
    pub keep: usize,
    /// The service level's threshold.
    pub service_level: ServiceLevel,
    /// Abandons with a shorter wait are short ones; zero knows none. Default 0.
    pub short_abandon: Duration,
    /// The moment in the centre's time, as Unix milliseconds: what happened later is left out. `None` is now. A moment that
    /// the centre does not reach within two seconds is taken as now.
    pub as_of_ms: Option<i64>,
    /// Only conversations that were open at this moment (Unix milliseconds, the centre's time) or began later. `None` takes all
    /// that the centre remembers.
    pub since_ms: Option<i64>,
    /// Only these queues, by id, and only conversations that visited one of them; empty means all. Unknown ids are left out.
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

/// One queue's books.
struct Book {
    course: Course,
    live: Live,
    media: [Option<(Course, Live)>; 4],
}

/// Answers a question from what the centre remembers.
pub(super) fn answer(centre: &Centre, query: &TruthQuery, as_of: Ms) -> Value {
    let (answer, counted) = number(&centre.world, centre.conversations(), query, as_of);
    answer
        .set("conversations", counted)
        .set("forgotten", centre.forgotten())
        .into()
}

/// The numbers, and how many conversations they come from.
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
    let mut books: Vec<Book> = (world.queues.iter())
        .map(|_| Book {
            course: Course::default(),
            live: Live::default(),
            media: Default::default(),
        })
        .collect();
    let (mut all, mut everywhere) = (Course::default(), Live::default());
    let (mut active, mut counted) = (0u64, 0u64);
    let was_there = |c: &Conversation| query.since_ms.is_none_or(|since| c.end.is_none_or(|end| end > since));
    for c in conversations
        .filter(|c| was_there(c))
        .filter_map(|c| history::at(c, as_of))
    {
        let c: Cow<'_, Conversation> = c;
        if !c.queues().iter().any(|&q| wanted[q]) {
            continue;
        }
        counted += 1;
        let account = account(&c);
        active += u64::from(account.active);
        for outcome in account.outcomes.iter().filter(|o| wanted[o.queue]) {
            let own = world.queues[outcome.queue].service_level[c.media.index()].1;
            let limits = Limits {
                in_time: match query.service_level {
                    ServiceLevel::Queue => own,
                    ServiceLevel::Within(limit) => millis(limit),
                },
                short: millis(query.short_abandon),
            };
            let book = &mut books[outcome.queue];
            let of_media = book.media[c.media.index()].get_or_insert_default();
            for course in [&mut all, &mut book.course, &mut of_media.0] {
                course.add(outcome.at, outcome.kind, limits, grid);
            }
        }
        for ongoing in account.ongoing.iter().filter(|o| wanted[o.queue]) {
            let book = &mut books[ongoing.queue];
            let of_media = book.media[c.media.index()].get_or_insert_default();
            for live in [&mut everywhere, &mut book.live, &mut of_media.1] {
                live.add(ongoing.what);
            }
        }
    }
    let mut queues = Map::new();
    queues.extend(
        (world.queues.iter().zip(&books).zip(&wanted))
            .filter(|(_, wanted)| **wanted)
            .map(|((queue, book), _)| (queue.id.to_string(), of_queue(queue, book, grid))),
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

fn of_queue(queue: &super::world::Queue, book: &Book, grid: Grid) -> Value {
    let mut by_media = Map::new();
    by_media.extend(ALL_MEDIA.into_iter().filter_map(|media| {
        let (course, live) = book.media[media.index()].as_ref()?;
        let value = live.object(grid.as_of).set("totals", course.totals());
        Some((media.analytics_name().to_owned(), Value::from(value)))
    }));
    book.live
        .object(grid.as_of)
        .set("name", queue.name.clone())
        .set("service_level_target_percent", queue.service_level[0].0 * 100.0)
        .set("totals", book.course.totals())
        .set("windows", book.course.windows(grid))
        .set("by_media", by_media)
        .into()
}

#[cfg(test)]
mod tests;
