//! Asking for the true numbers.
//!
//! In: parameters or a query · Out: the centre's own count · Thread: the caller's; waits a little for the centre.

use super::Ask;
use crate::simulator::centre::Centre;
use crate::simulator::shared::Shared;
use crate::simulator::truth::{ServiceLevel, TruthQuery, answer};
use crate::simulator::when::{Ms, iso, parse_iso, parse_period};
use serde_json::Value;
use std::time::{Duration, Instant};

/// A centre that has not come to the moment asked for by then is too far from it.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(2);
const DAY_SECS: u64 = 86_400;
/// Windows in one answer at most.
const MOST_WINDOWS: u64 = 100_000;

pub(super) fn ask(ask: &Ask<'_>) -> Result<Value, String> {
    let known = [
        "granularity",
        "service_level_secs",
        "short_abandon_secs",
        "as_of",
        "since",
        "queue",
        "keep",
    ];
    ask.only(&known)?;
    let moment = |name: &str| match ask.text(name).filter(|t| !t.is_empty()) {
        None => Ok(None),
        Some(text) => parse_iso(text)
            .map(Some)
            .ok_or_else(|| format!("{name}: found {text}, expected ISO 8601 such as 2026-05-04T14:05:30.123Z")),
    };
    let granularity = match ask.text("granularity").filter(|t| !t.is_empty()) {
        None => Duration::from_secs(60),
        Some(text) => parse_period(text)
            .filter(|g| g.as_secs() <= DAY_SECS)
            .ok_or_else(|| format!("granularity: found {text}, allowed PT1S to PT24H"))?,
    };
    let service_level = match ask.text("service_level_secs").unwrap_or_default() {
        "" | "queue" => ServiceLevel::Queue,
        _ => ServiceLevel::Within(ask.secs("service_level_secs", None)?),
    };
    let ids: Vec<String> = ask
        .parameters
        .iter()
        .filter(|(key, _)| key == "queue")
        .flat_map(|(_, value)| value.split(','))
        .filter(|id| !id.is_empty())
        .map(str::to_owned)
        .collect();
    if let Some(unknown) = ids.iter().find(|id| ask.shared.world.queue_index(id).is_none()) {
        return Err(format!("queue: {unknown} is no queue's id"));
    }
    let query = TruthQuery {
        granularity,
        keep: ask.number("keep", Some(60), MOST_WINDOWS)? as usize,
        service_level,
        short_abandon: ask.secs("short_abandon_secs", Some(0.0))?,
        as_of_ms: moment("as_of")?,
        since_ms: moment("since")?,
        queues: ids,
    };
    truth(ask.shared, &query)
}

/// The true numbers at the moment asked for, once the centre has come to it.
pub(in crate::simulator) fn truth(shared: &Shared, query: &TruthQuery) -> Result<Value, String> {
    let deadline = Instant::now() + PATIENCE;
    let as_of = query.as_of_ms.unwrap_or_else(|| shared.clock.centre());
    loop {
        {
            let centre = shared.centre();
            if is_settled(shared, &centre, as_of) {
                return Ok(answer(&centre, query, as_of));
            }
        }
        if query.as_of_ms.is_none() && Instant::now() > deadline {
            // It lags behind its clock.
            return Ok(truth_now(shared, query));
        }
        if Instant::now() > deadline || shared.clock.until(as_of) > PATIENCE {
            let now = iso(shared.clock.centre());
            return Err(format!(
                "as_of: {} is still to come, the centre's time is {now}",
                iso(as_of)
            ));
        }
        std::thread::sleep(LOOK);
    }
}

/// As far as the centre has come.
pub(in crate::simulator) fn truth_now(shared: &Shared, query: &TruthQuery) -> Value {
    let centre = shared.centre();
    answer(&centre, query, centre.now())
}

/// Whether nothing will happen any more up to that moment.
fn is_settled(shared: &Shared, centre: &Centre, as_of: Ms) -> bool {
    let over = centre.now() >= as_of;
    let nothing_due = centre
        .next_due()
        .is_none_or(|due| due > as_of.min(shared.clock.centre()));
    // A centre at rest has no facts to come, however late the moment.
    let at_rest = shared.clock.is_paused() || (centre.open_count() == 0 && !centre.has_arrivals());
    over && centre.next_due().is_none_or(|due| due > as_of)
        || nothing_due && (as_of <= shared.clock.centre() || at_rest)
}
