//! What the page and Prometheus get of a snapshot, for `fuzz/`.
//!
//! In: snapshots · Out: server-sent events, text · Thread: any (reads `/proc`).

use std::sync::Arc;
use std::time::Duration;

use super::metrics::{self, Format, ServerState};
use super::picture::{self, Scene};
use super::{Settings, day};
use crate::config::TotalsSince;
use crate::model::snapshot::Snapshot;

/// The page's event with the picture of `now`: its difference from that of `before`, or all of it.
#[must_use]
pub fn page(now: &Arc<Snapshot>, before: Option<&Arc<Snapshot>>) -> Vec<u8> {
    let scene = |snapshot: &Arc<Snapshot>| Scene {
        snapshot: Arc::clone(snapshot),
        changes: Arc::default(),
        history: Arc::default(),
    };
    let settings = Settings {
        stale_after: Duration::from_secs(30),
        interval: Duration::from_secs(1),
        totals_since: TotalsSince::Start,
        source: "service",
        limits: String::new(),
    };
    picture::event(&scene(now), before.map(scene).as_ref(), &settings)
}

/// The metrics in the text form of OpenMetrics.
#[must_use]
pub fn metrics(snapshot: &Snapshot) -> String {
    let server = ServerState {
        ready: true,
        viewers: 0,
    };
    let mut text = Vec::new();
    metrics::write(&mut text, snapshot, &server, Format::OpenMetrics).expect("nothing fails in memory");
    String::from_utf8(text).expect("the exposition is UTF-8")
}

/// The answer to the page's question for its chart of the day, of all queues together.
#[must_use]
pub fn day_chart(snapshot: &Snapshot) -> String {
    day::json(snapshot, &[])
}
