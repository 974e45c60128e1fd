//! A snapshot for the tests of the web.
//!
//! In: nothing · Out: a snapshot of a stream that is well · Thread: the test's.

use crate::Moment;
use crate::config::Protocol;
use crate::model::snapshot::{ConnectionSnapshot, ConnectionState, Counters, LiveTotals, Snapshot};

pub(super) fn snapshot() -> Snapshot {
    let at = Moment::from_epoch_ms(1_777_903_530_250);
    Snapshot {
        schema: 1,
        revision: 42,
        generated_at: at,
        started_at: Moment::from_epoch_ms(1_777_900_000_000),
        as_of: at,
        connection: ConnectionSnapshot {
            state: ConnectionState::Streaming,
            protocol: Protocol::Notifications,
            connections: 1,
            reconnects: 0,
            since: at,
            last_frame_at: Some(at),
            token_expires_at: None,
            channel_expires_at: None,
            clock_ahead_ms: 0,
            cause: None,
            refused_topics: Default::default(),
            gaps_total: 0,
            gaps: Vec::new(),
        },
        counters: Counters::default(),
        outputs: Default::default(),
        latency: Default::default(),
        freshness: Default::default(),
        totals: LiveTotals::default(),
        all_queues: None,
        queues: Default::default(),
        users: Default::default(),
        metrics: Default::default(),
    }
}
