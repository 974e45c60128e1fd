//! The control call for the true numbers.
//!
//! In: parameters or a query · Out: the numbers counted from the centre's facts · Thread: the caller's; waits up to two
//! seconds for the centre.

use super::ControlCall;
use crate::simulator::centre::Centre;
use crate::simulator::shared::Shared;
use crate::simulator::truth::{ServiceLevel, TruthQuery, answer};
use crate::simulator::when::{Ms, iso, parse_iso, parse_period};
use serde_json::Value;
use std::time::{Duration, Instant};

/// How long to wait until the centre reaches the requested time.
const MAX_WAIT: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(2);
const DAY_SECS: u64 = 86_400;
/// The most windows in one answer.
const MOST_WINDOWS: u64 = 100_000;

pub(super) fn from_call(call: &ControlCall<'_>) -> Result<Value, String> {
    let known = [
        "granularity",
        "service_level_secs",
        "short_abandon_secs",
        "as_of",
        "since",
        "queue",
        "keep",
    ];
    call.only(&known)?;
    let moment = |name: &str| match call.text(name).filter(|t| !t.is_empty()) {
        None => Ok(None),
        Some(text) => parse_iso(text)
            .map(Some)
            .ok_or_else(|| format!("{name}: found {text}, expected ISO 8601 such as 2026-05-04T14:05:30.123Z")),
    };
    let granularity = match call.text("granularity").filter(|t| !t.is_empty()) {
        None => Duration::from_secs(60),
        Some(text) => parse_period(text)
            .filter(|g| g.as_secs() <= DAY_SECS)
            .ok_or_else(|| format!("granularity: found {text}, allowed PT1S to PT24H"))?,
    };
    let service_level = match call.text("service_level_secs").unwrap_or_default() {
        "" | "queue" => ServiceLevel::Queue,
        _ => ServiceLevel::Within(call.secs("service_level_secs", None)?),
    };
    let ids: Vec<String> = call
        .parameters
        .iter()
        .filter(|(key, _)| key == "queue")
        .flat_map(|(_, value)| value.split(','))
        .filter(|id| !id.is_empty())
        .map(str::to_owned)
        .collect();
    if let Some(unknown) = ids.iter().find(|id| call.shared.world.queue_index(id).is_none()) {
        return Err(format!("queue: there is no queue with the id {unknown}"));
    }
    let query = TruthQuery {
        granularity,
        keep: call.number("keep", Some(60), MOST_WINDOWS)? as usize,
        service_level,
        short_abandon: call.secs("short_abandon_secs", Some(0.0))?,
        as_of_ms: moment("as_of")?,
        since_ms: moment("since")?,
        queues: ids,
    };
    truth(call.shared, &query)
}

/// The true numbers at the requested time, as soon as the centre has reached it.
pub(in crate::simulator) fn truth(shared: &Shared, query: &TruthQuery) -> Result<Value, String> {
    let deadline = Instant::now() + MAX_WAIT;
    let as_of = query.as_of_ms.unwrap_or_else(|| shared.clock.centre());
    loop {
        {
            let centre = shared.centre();
            if is_settled(shared, &centre, as_of) {
                return Ok(answer(&centre, query, as_of));
            }
        }
        if query.as_of_ms.is_none() && Instant::now() > deadline {
            // The centre is behind its clock.
            return Ok(truth_now(shared, query));
        }
        if Instant::now() > deadline || shared.clock.until(as_of) > MAX_WAIT {
            let now = iso(shared.clock.centre());
            return Err(format!(
                "as_of: {} is in the future, the centre's time is {now}",
                iso(as_of)
            ));
        }
        std::thread::sleep(POLL);
    }
}

/// The true numbers at the time that the centre has reached.
pub(in crate::simulator) fn truth_now(shared: &Shared, query: &TruthQuery) -> Value {
    let centre = shared.centre();
    answer(&centre, query, centre.now())
}

/// Whether the centre can add no more facts up to that time.
fn is_settled(shared: &Shared, centre: &Centre, as_of: Ms) -> bool {
    let over = centre.now() >= as_of;
    let nothing_due = centre
        .next_due()
        .is_none_or(|due| due > as_of.min(shared.clock.centre()));
    // A paused centre, or one without conversations and arrivals, adds no facts at all.
    let at_rest = shared.clock.is_paused() || (centre.open_count() == 0 && !centre.has_arrivals());
    over && centre.next_due().is_none_or(|due| due > as_of)
        || nothing_due && (as_of <= shared.clock.centre() || at_rest)
}
