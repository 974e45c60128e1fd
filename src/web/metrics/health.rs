//! Families of the stream's health: `genesys_stream_…`.
//!
//! In: a snapshot · Out: families · Thread: any (pure).

use super::ServerState;
use super::exposition::{Exposition, Kind};
use crate::Moment;
use crate::model::snapshot::{ConnectionState, Counters, Snapshot};

/// Kinds of data with series of their own; the number is bounded because the service names metric types.
const MOST_KINDS: usize = 50;

/// A counter: name, help, value.
type Counted = (&'static str, &'static str, fn(&Counters) -> u64);

const COUNTERS: [Counted; 18] = [
    ("frames_received", "Text and binary messages received.", |c| {
        c.frames_received
    }),
    (
        "control_frames",
        "WebSocket ping, pong and close frames received.",
        |c| c.control_frames,
    ),
    ("events_decoded", "Events that frames gave.", |c| c.events_decoded),
    ("events_applied", "Events that the model took.", |c| c.events_applied),
    ("events_coalesced", "Events merged into a waiting one.", |c| {
        c.events_coalesced
    }),
    (
        "events_dropped",
        "Events lost because the buffer was full or the stop did not wait.",
        |c| c.events_dropped,
    ),
    ("duplicates", "Repetitions of events; applied without effect.", |c| {
        c.duplicates
    }),
    ("malformed", "Frames that are no events of the protocol.", |c| {
        c.malformed
    }),
    ("unknown", "Events of unknown topics or types.", |c| c.unknown),
    (
        "server_errors",
        "Errors that the service reported on the stream.",
        |c| c.server_errors,
    ),
    ("stale", "Times that data was found stale.", |c| c.stale),
    ("unkeyed", "Conversations without an id (events protocol).", |c| {
        c.unkeyed
    }),
    ("late", "Events of conversations that were forgotten already.", |c| {
        c.late
    }),
    ("evicted", "Conversations forgotten for lack of room.", |c| c.evicted),
    (
        "lost",
        "Open conversations that REST did not know three times in a row.",
        |c| c.lost,
    ),
    (
        "unreadable",
        "Times that could not be read or are too far ahead (they count as absent), entries without an id, and what is over a limit.",
        |c| c.unreadable,
    ),
    ("drift", "Differences found between stream and REST.", |c| c.drift),
    ("repairs", "Facts taken from REST.", |c| c.repairs),
];

const STATES: [ConnectionState; 4] = [
    ConnectionState::Connecting,
    ConnectionState::Streaming,
    ConnectionState::Backoff,
    ConnectionState::Stopped,
];

fn seconds(at: Moment) -> f64 {
    at.epoch_ms() as f64 / 1000.0
}

fn whole(count: impl TryInto<u32>) -> Option<f64> {
    Some(count.try_into().map_or(f64::from(u32::MAX), f64::from))
}

pub(super) fn write(to: &mut Exposition<'_>, snapshot: &Snapshot, server: &ServerState) {
    let connection = &snapshot.connection;
    to.family(
        Kind::Gauge,
        "genesys_stream_build_info",
        "Always 1; version of the program and protocol of the run.",
        |to| {
            let labels = [
                ("version", env!("CARGO_PKG_VERSION")),
                ("protocol", connection.protocol.as_str()),
            ];
            to.count(&labels, 1);
        },
    );
    to.family(
        Kind::Gauge,
        "genesys_stream_state",
        "1 for the state that the stream is in, 0 for the others.",
        |to| {
            for state in STATES {
                to.count(&[("state", state.as_str())], u64::from(state == connection.state));
            }
        },
    );
    let open = connection.gaps.iter().filter(|gap| gap.to.is_none()).count();
    let unrepaired = connection.gaps.iter().filter(|gap| !gap.repaired).count();
    for (name, help, value) in [
        (
            "ready",
            "1 while /readyz answers 200: streaming and fresh, some queues may be unknown.",
            whole(u8::from(server.ready)),
        ),
        (
            "start_time_seconds",
            "When the run started, Unix time.",
            Some(seconds(snapshot.started_at)),
        ),
        (
            "snapshot_timestamp_seconds",
            "The moment for which all other numbers hold, Unix time.",
            Some(seconds(snapshot.as_of)),
        ),
        (
            "state_change_timestamp_seconds",
            "Since when the state holds, Unix time.",
            Some(seconds(connection.since)),
        ),
        (
            "last_frame_timestamp_seconds",
            "When the last frame of any kind came, Unix time.",
            connection.last_frame_at.map(seconds),
        ),
        (
            "token_expiry_timestamp_seconds",
            "When the access token ends, Unix time.",
            connection.token_expires_at.map(seconds),
        ),
        (
            "channel_expiry_timestamp_seconds",
            "When the notification channel ends, Unix time.",
            connection.channel_expires_at.map(seconds),
        ),
        (
            "clock_ahead_seconds",
            "How far this machine's clock is ahead of the service's; negative where it is behind.",
            Some(connection.clock_ahead_ms as f64 / 1000.0),
        ),
        (
            "connections",
            "Open connections to the service.",
            whole(connection.connections),
        ),
        (
            "events_buffered",
            "Events that wait in the buffer.",
            whole(snapshot.counters.events_buffered),
        ),
        ("gaps_open", "Gaps that are open.", whole(open)),
        (
            "gaps_unrepaired",
            "Gaps not filled in, of the last 100.",
            whole(unrepaired),
        ),
        (
            "refused_topics",
            "Topics that the service refused.",
            whole(connection.refused_topics.len()),
        ),
        (
            "viewers",
            "Viewers of the live page and of /api/events.",
            whole(server.viewers),
        ),
    ] {
        to.gauge(&format!("genesys_stream_{name}"), help, value);
    }
    let connection_counts = [
        ("snapshots", "Snapshots built.", snapshot.revision),
        ("reconnects", "Connections made after the first.", connection.reconnects),
        ("gaps", "Gaps of this run.", connection.gaps_total),
    ];
    let gauges = connection_counts.map(|counted| (Kind::Gauge, counted));
    let counters = COUNTERS
        .iter()
        .map(|(name, help, of)| (*name, *help, of(&snapshot.counters)));
    for (kind, (name, help, value)) in gauges
        .into_iter()
        .chain(counters.map(|counted| (Kind::Counter, counted)))
    {
        let name = format!("genesys_stream_{name}");
        to.family(kind, &name, help, |to| to.count(&[], value));
    }
    outputs(to, snapshot);
    kinds(to, snapshot);
}

fn outputs(to: &mut Exposition<'_>, snapshot: &Snapshot) {
    to.family(
        Kind::Counter,
        "genesys_stream_output_written",
        "Records that an output wrote.",
        |to| {
            for (name, counts) in &snapshot.outputs {
                to.count(&[("output", name)], counts.written);
            }
        },
    );
    to.family(
        Kind::Counter,
        "genesys_stream_output_missed",
        "Records that an output could not take.",
        |to| {
            for (name, counts) in &snapshot.outputs {
                to.count(&[("output", name)], counts.missed);
            }
        },
    );
}

fn kinds(to: &mut Exposition<'_>, snapshot: &Snapshot) {
    to.family(
        Kind::Gauge,
        "genesys_stream_event_latency_seconds",
        "From an event's own time to its receipt, over the run, by kind of event.",
        |to| {
            for (kind, latency) in &snapshot.latency {
                for (statistic, ms) in [
                    ("last", latency.last_ms),
                    ("p50", latency.p50_ms),
                    ("p99", latency.p99_ms),
                    ("max", latency.max_ms),
                ] {
                    to.add(&[("kind", kind), ("statistic", statistic)], Some(ms as f64 / 1000.0));
                }
            }
        },
    );
    to.family(
        Kind::Gauge,
        "genesys_stream_last_event_timestamp_seconds",
        "When the last event of a kind came, Unix time.",
        |to| {
            for (kind, freshness) in snapshot.freshness.iter().take(MOST_KINDS) {
                to.add(&[("kind", kind)], Some(seconds(freshness.last_event_at)));
            }
        },
    );
    to.family(
        Kind::Gauge,
        "genesys_stream_data_stale",
        "1 where the last event of a kind is older than freshness.stale_after_secs.",
        |to| {
            for (kind, freshness) in snapshot.freshness.iter().take(MOST_KINDS) {
                to.count(&[("kind", kind)], u64::from(freshness.stale));
            }
        },
    );
}
