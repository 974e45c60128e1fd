//! A snapshot as Prometheus and OpenMetrics read it.
//!
//! In: a snapshot, the verdict on it · Out: text · Thread: any (pure).
//!
//! Base units (`_seconds`, ratios 0 to 1). What may fall is a gauge, the totals of queues too: a late fact moves a
//! conversation from one to another. Series are bounded: by subscribed queues, users' statuses from a closed list, and
//! metrics the run asked for.

mod centre;
mod exposition;
mod health;

use crate::model::snapshot::Snapshot;
use exposition::Exposition;

pub(super) use exposition::Format;

/// What a snapshot does not tell.
pub(super) struct Surroundings {
    /// `/readyz` says yes.
    pub(super) ready: bool,
    /// Viewers of the page and of `/api/events`.
    pub(super) viewers: usize,
}

/// The whole exposition.
pub(super) fn text(snapshot: &Snapshot, surroundings: &Surroundings, format: Format) -> String {
    let mut to = Exposition::new(format);
    health::write(&mut to, snapshot, surroundings);
    centre::write(&mut to, snapshot);
    to.end()
}

#[cfg(test)]
#[path = "metrics/tests.rs"]
mod tests;
