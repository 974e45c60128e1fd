//! Whether the numbers can be relied on now, for `/readyz` and the page.
//!
//! In: a snapshot and its age · Out: yes, in part, or no, with the reason · Thread: any (pure).

use std::time::Duration;

use super::Settings;
use crate::Moment;
use crate::config::Protocol;
use crate::event::gap::{Gap, GapTopics};
use crate::model::snapshot::{ConnectionState, Snapshot, UnknownQueues};

/// The age that the snapshot of an answer may have: a newer one is asked for, which takes that long at most.
const SNAPSHOT_AGE: Duration = Duration::from_secs(1);

/// What `/readyz` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    Ready,
    /// It streams, but not everything is known; the reason in one line.
    Degraded(String),
    /// The reason in one line.
    NotReady(String),
}

/// Of a snapshot at `now`.
pub(super) fn of(snapshot: &Snapshot, now: Moment, settings: &Settings) -> Readiness {
    match (not_ready(snapshot, now, settings), degraded(snapshot)) {
        (Some(why), _) => Readiness::NotReady(why),
        (None, Some(why)) => Readiness::Degraded(why),
        (None, None) => Readiness::Ready,
    }
}

/// What is not known though it streams, in one line.
pub(super) fn degraded(snapshot: &Snapshot) -> Option<String> {
    let unknown = UnknownQueues::of(snapshot).map(|unknown| unknown.to_string());
    unknown.or_else(|| {
        let gap = snapshot.connection.gaps.iter().find(|gap| gap.to.is_none())?;
        Some(format!("a gap is open since {}: {}", gap.from, gap.cause))
    })
}

fn not_ready(snapshot: &Snapshot, now: Moment, settings: &Settings) -> Option<String> {
    let connection = &snapshot.connection;
    if connection.state != ConnectionState::Streaming {
        let cause = connection.cause.as_deref();
        let cause = cause.map_or(String::new(), |cause| format!(": {cause}"));
        return Some(format!("{}{cause}", connection.state.as_str()));
    }
    let older_than = |since: Moment, limit: Duration| {
        let age = now.millis_since(since);
        (age > i64::try_from(limit.as_millis()).unwrap_or(i64::MAX)).then_some(age / 1000)
    };
    // Frames since the snapshot are not in it, so the limits are longer by the age that it may have.
    let limit = settings.stale_after + SNAPSHOT_AGE;
    if let Some(secs) = older_than(snapshot.generated_at, limit) {
        return Some(format!("the last snapshot is {secs} s old"));
    }
    match connection.last_frame_at {
        None => return Some("no frame received yet".to_owned()),
        Some(at) => {
            if let Some(secs) = older_than(at, limit) {
                return Some(format!("the last frame came {secs} s ago"));
            }
        }
    }
    let of_all = |gap: &&Gap| gap.to.is_none() && gap.topics == GapTopics::All;
    if let Some(gap) = connection.gaps.iter().find(of_all) {
        return Some(format!("a gap is open since {}: {}", gap.from, gap.cause));
    }
    if let Some(unknown) = UnknownQueues::of(snapshot).filter(UnknownQueues::are_all) {
        return Some(unknown.to_string());
    }
    // No notification of a kind may mean that the centre is quiet; metric types are sent on a schedule.
    let stale = || snapshot.freshness.iter().find(|(_, freshness)| freshness.stale);
    let (kind, freshness) = stale().filter(|_| connection.protocol == Protocol::Metrics)?;
    Some(format!("{kind}: no data since {}", freshness.last_event_at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Id;
    use crate::config::TotalsSince;
    use crate::model::snapshot::{FreshnessSnapshot, QueueSnapshot, WhyUnknown};
    use crate::web::testing;

    const SETTINGS: Settings = Settings {
        stale_after: Duration::from_secs(30),
        interval: Duration::from_secs(60),
        totals_since: TotalsSince::Start,
        source: "service",
        limits: String::new(),
    };

    /// What is said `age` after the snapshot.
    fn said(age: Duration, change: impl FnOnce(&mut Snapshot)) -> Readiness {
        let mut snapshot = testing::snapshot();
        change(&mut snapshot);
        of(&snapshot, snapshot.generated_at.plus(age), &SETTINGS)
    }

    fn not_ready(why: &str) -> Readiness {
        Readiness::NotReady(why.to_owned())
    }

    fn gap(topics: GapTopics, from: Moment) -> Gap {
        Gap {
            id: 1,
            topics,
            from,
            to: None,
            cause: "events dropped".to_owned(),
            repaired: false,
        }
    }

    #[test]
    fn ready_is_streaming_and_fresh() {
        let none = Duration::ZERO;
        assert_eq!(said(none, |_| {}), Readiness::Ready);
        assert_eq!(said(Duration::from_secs(31), |_| {}), Readiness::Ready);
        let stuck = said(Duration::from_secs(32), |_| {});
        assert_eq!(stuck, not_ready("the last snapshot is 32 s old"));
        let silent = said(Duration::from_secs(1), |s| {
            s.connection.last_frame_at = Some(s.generated_at.minus(Duration::from_secs(31)));
        });
        assert_eq!(silent, not_ready("the last frame came 32 s ago"));
        let never = said(none, |s| s.connection.last_frame_at = None);
        assert_eq!(never, not_ready("no frame received yet"));
        let away = said(none, |s| {
            s.connection.state = ConnectionState::Backoff;
            s.connection.cause = Some("socket closed (1006)".to_owned());
        });
        assert_eq!(away, not_ready("backoff: socket closed (1006)"));
        let stale = |s: &mut Snapshot| {
            let last_event_at = s.as_of;
            let old = FreshnessSnapshot {
                last_event_at,
                stale: true,
            };
            s.freshness.insert("queue".to_owned(), old);
        };
        assert_eq!(said(none, stale), Readiness::Ready, "a quiet centre is no fault");
        let metrics = said(none, |s| {
            s.connection.protocol = Protocol::Metrics;
            stale(s);
        });
        assert!(matches!(metrics, Readiness::NotReady(why) if why.starts_with("queue: no data")));
    }

    #[test]
    fn some_unknown_queues_degrade_and_none_known_is_not_ready() {
        let with = |reasons: [Option<WhyUnknown>; 2]| {
            said(Duration::ZERO, |s| {
                for (id, unknown) in ["a", "b"].into_iter().zip(reasons) {
                    let queue = QueueSnapshot {
                        unknown,
                        ..QueueSnapshot::default()
                    };
                    s.queues.insert(Id::new(id), queue);
                }
            })
        };
        assert_eq!(with([None, None]), Readiness::Ready);
        let refused = || Some(WhyUnknown::Refused("p".to_owned()));
        let some = "1 of 2 queues unknown (refused: p)".to_owned();
        assert_eq!(with([refused(), None]), Readiness::Degraded(some));
        let all = with([refused(), Some(WhyUnknown::Gone)]);
        assert_eq!(all, not_ready("all 2 queues unknown (refused: p; gone)"));
        // Of a topic that is not about conversations of a queue.
        let presence = said(Duration::ZERO, |s| {
            let topics = GapTopics::Some(vec!["v2.users.u.presence".to_owned()]);
            s.connection.gaps.push(gap(topics, s.as_of));
        });
        assert!(matches!(presence, Readiness::Degraded(why) if why.contains("a gap is open")));
        let all = said(Duration::ZERO, |s| {
            s.connection.gaps.push(gap(GapTopics::All, s.as_of));
        });
        assert!(matches!(all, Readiness::NotReady(why) if why.contains("a gap is open")));
    }
}
