//! Whether the numbers can be relied on now, for `/readyz`.
//!
//! In: a snapshot and its age · Out: yes, or the reason why not · Thread: any (pure).

use std::time::Duration;

use super::Settings;
use crate::Moment;
use crate::config::Protocol;
use crate::model::snapshot::{ConnectionState, Snapshot};

/// `Ok` while the stream is on and its newest frame is fresh; otherwise the reason in one line.
pub(super) fn check(snapshot: &Snapshot, now: Moment, settings: Settings) -> Result<(), String> {
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
        (age > i64::try_from(limit.as_millis()).unwrap_or(i64::MAX)).then_some(age / 1000)
    };
    if let Some(secs) = older_than(snapshot.generated_at, settings.interval * 2 + settings.stale_after) {
        return Err(format!("the last snapshot is {secs} s old"));
    }
    // Frames since the last snapshot are not in it, so the limit is longer by an interval.
    match connection.last_frame_at {
        None => return Err("no frame received yet".to_owned()),
        Some(at) => {
            if let Some(secs) = older_than(at, settings.stale_after + settings.interval) {
                return Err(format!("the last frame came {secs} s ago"));
            }
        }
    }
    if let Some(gap) = connection.gaps.iter().find(|gap| gap.to.is_none()) {
        return Err(format!("a gap is open since {}: {}", gap.from, gap.cause));
    }
    // No notification of a kind may mean that the centre is quiet; metric types are sent on a schedule.
    if connection.protocol == Protocol::Metrics
        && let Some((kind, freshness)) = snapshot.freshness.iter().find(|(_, freshness)| freshness.stale)
    {
        return Err(format!("{kind}: no data since {}", freshness.last_event_at));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TotalsSince;
    use crate::model::snapshot::{FreshnessSnapshot, Gap, GapTopics};
    use crate::web::testing;

    const SETTINGS: Settings = Settings {
        stale_after: Duration::from_secs(30),
        interval: Duration::from_secs(1),
        totals_since: TotalsSince::Start,
    };

    /// What is wrong `age` after the snapshot.
    fn wrong(age: Duration, change: impl FnOnce(&mut Snapshot)) -> Option<String> {
        let mut snapshot = testing::snapshot();
        change(&mut snapshot);
        check(&snapshot, snapshot.generated_at.plus(age), SETTINGS).err()
    }

    #[test]
    fn ready_is_streaming_and_fresh() {
        let none = Duration::ZERO;
        assert_eq!(wrong(none, |_| {}), None);
        assert_eq!(wrong(Duration::from_secs(31), |_| {}), None);
        let silent = wrong(Duration::from_secs(32), |_| {});
        assert_eq!(silent.as_deref(), Some("the last frame came 32 s ago"));
        let stuck = wrong(Duration::from_secs(33), |_| {});
        assert_eq!(stuck.as_deref(), Some("the last snapshot is 33 s old"));
        let never = wrong(none, |s| s.connection.last_frame_at = None);
        assert_eq!(never.as_deref(), Some("no frame received yet"));
        let away = wrong(none, |s| {
            s.connection.state = ConnectionState::Backoff;
            s.connection.cause = Some("socket closed (1006)".to_owned());
        });
        assert_eq!(away.as_deref(), Some("backoff: socket closed (1006)"));
        let gap = wrong(none, |s| {
            s.connection.gaps.push(Gap {
                id: 1,
                topics: GapTopics::All,
                from: s.as_of,
                to: None,
                cause: "events dropped".to_owned(),
                repaired: false,
            });
        });
        assert!(gap.is_some_and(|why| why.contains("a gap is open")));
        let stale = |s: &mut Snapshot| {
            let last_event_at = s.as_of;
            let old = FreshnessSnapshot {
                last_event_at,
                stale: true,
            };
            s.freshness.insert("queue".to_owned(), old);
        };
        assert_eq!(wrong(none, stale), None, "a quiet centre is no fault");
        let metrics = wrong(none, |s| {
            s.connection.protocol = Protocol::Metrics;
            stale(s);
        });
        assert!(metrics.is_some_and(|why| why.starts_with("queue: no data")));
    }
}
