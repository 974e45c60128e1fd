//! Whether the numbers can be relied on now.
//!
//! In: a snapshot and its age · Out: yes, or the reason why not · Thread: any (pure).

use std::time::Duration;

use super::Terms;
use crate::Moment;
use crate::model::snapshot::{ConnectionState, Snapshot};

/// `Ok` only while streaming and fresh; else the reason in a line.
pub(super) fn verdict(snapshot: &Snapshot, now: Moment, terms: Terms) -> Result<(), String> {
    let connection = &snapshot.connection;
    if connection.state != ConnectionState::Streaming {
        let cause = connection
            .cause
            .as_deref()
            .map_or(String::new(), |cause| format!(": {cause}"));
        return Err(format!("{}{cause}", connection.state.as_str()));
    }
    let older_than = |since: Moment, limit: Duration| {
        let age = now.millis_since(since);
        (age > i64::try_from(limit.as_millis()).unwrap_or(i64::MAX)).then(|| age / 1000)
    };
    if let Some(secs) = older_than(snapshot.as_of, terms.interval * 2 + terms.stale_after) {
        return Err(format!("the last snapshot is {secs} s old"));
    }
    // A snapshot that is not due yet hides frames that came since.
    match connection.last_frame_at {
        None => return Err("no frame received yet".to_owned()),
        Some(at) => {
            if let Some(secs) = older_than(at, terms.stale_after + terms.interval) {
                return Err(format!("the last frame came {secs} s ago"));
            }
        }
    }
    if let Some(gap) = connection.gaps.iter().find(|gap| gap.to.is_none()) {
        return Err(format!("a gap is open since {}: {}", gap.from, gap.cause));
    }
    // Kinds of notifications may rest with the centre; metric types are sent on a schedule.
    if connection.protocol == "metrics"
        && let Some((kind, freshness)) = snapshot.freshness.iter().find(|(_, freshness)| freshness.stale)
    {
        return Err(format!("{kind}: no data since {}", freshness.last_event_at));
    }
    Ok(())
}
