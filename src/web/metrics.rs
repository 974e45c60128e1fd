//! A snapshot as Prometheus and OpenMetrics read it.
//!
//! In: a snapshot, the state of this server, of the process · Out: text, in blocks · Thread: any (reads `/proc`).
//!
//! Base units (`_seconds`, ratios from 0 to 1). What may fall is a gauge, and so are the totals of queues: a late fact may
//! move a conversation from one count to another. The number of series is bounded: subscribed queues, users' statuses from
//! a closed list, metrics that the run asked for.

mod centre;
mod exposition;
mod health;
mod process;

use std::io::{self, Write};

use crate::model::snapshot::Snapshot;
use exposition::Exposition;

pub(super) use exposition::Format;

/// What a snapshot does not tell of this server.
pub(super) struct ServerState {
    /// Whether `/readyz` answers 200.
    pub(super) ready: bool,
    /// Viewers of the page and of `/api/events`.
    pub(super) viewers: usize,
}

/// Writes all families.
///
/// # Errors
/// Those of `out`.
pub(super) fn write(out: &mut dyn Write, snapshot: &Snapshot, server: &ServerState, format: Format) -> io::Result<()> {
    let mut to = Exposition::new(format, out);
    health::write(&mut to, snapshot, server);
    centre::write(&mut to, snapshot);
    process::write(&mut to);
    to.end()
}

#[cfg(test)]
#[path = "metrics/tests.rs"]
mod tests;
