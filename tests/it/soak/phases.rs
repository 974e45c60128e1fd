//! The phases: what each peer does, and how the program is started against it.
//!
//! In: nothing · Out: a list · Thread: the test's.

use genesys_stream::Protocol;

use super::answers::{echoes, endless_answers, endless_frames, endless_upgrade, flapping, large_pages, many_queues};
use super::floods::{self, notice};
use super::pouring::{Pace, Script, Sent, flood};

/// One process, and what it meets.
pub struct Phase {
    pub name: &'static str,
    pub protocol: Protocol,
    pub side: Side,
    /// Flags beyond those of every phase.
    pub flags: &'static [&'static str],
    pub stdout: Stdout,
    /// What a shell does before it starts the program.
    pub before: &'static str,
    pub visitors: Visitors,
    pub most_rss_kb: u64,
    pub oldest_snapshot_ms: i64,
}

/// 300 MB.
const MOST_RSS_KB: u64 = 300_000_000 / 1024;
/// The case at the limit that `SECURITY.md` names: thousands of queues, all of them busy in every window, while somebody reads
/// page, metrics and `/api/snapshot`.
const WITH_BUSY_QUEUES_KB: u64 = 400_000_000 / 1024;
const WITH_BUSY_QUEUES_MS: i64 = 5_000;

/// Whom the program is connected to.
pub enum Side {
    Peer(fn(&Sent) -> Script),
    /// A simulator with faults, so many times as fast as the clock.
    Centre(u32),
}

#[derive(PartialEq, Eq)]
pub enum Stdout {
    /// `--output none`.
    Unused,
    /// All events, into a file.
    Kept,
    /// All events, into a pipe that nobody reads.
    Blocked,
}

#[derive(PartialEq, Eq)]
pub enum Visitors {
    Welcome,
    Strangers,
}

/// Against a peer, with the defaults.
fn against(name: &'static str, side: fn(&Sent) -> Script) -> Phase {
    Phase {
        name,
        protocol: Protocol::Notifications,
        side: Side::Peer(side),
        flags: &[],
        stdout: Stdout::Unused,
        before: "",
        visitors: Visitors::Welcome,
        most_rss_kb: MOST_RSS_KB,
        oldest_snapshot_ms: 3_000,
    }
}

const FLAT_OUT: Pace = Pace::FlatOut;

/// Frames of a server: a ping of 64 bytes; the begin of a message; its continuation by one byte.
const PING: &[u8] = b"\x89\x400123456789012345678901234567890123456789012345678901234567890123";
const BEGIN: &[u8] = b"\x01\x01[";
const CONTINUED: &[u8] = b"\x00\x01[";

/// An upgrade whose key nobody checks before its head has ended.
const ENDLESS_HEAD: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n";

pub fn phases() -> Vec<Phase> {
    vec![
        against("huge numbers", |sent| flood(sent, FLAT_OUT, floods::huge_numbers)),
        against("socket_closing", |sent| {
            flood(sent, FLAT_OUT, notice("v2.system.socket_closing"))
        }),
        against("result 500", |sent| flood(sent, FLAT_OUT, floods::errors)),
        against("token_revoked", |sent| {
            flood(sent, FLAT_OUT, notice("v2.system.token_revoked"))
        }),
        against("subscriptions changed", |sent| {
            flood(sent, FLAT_OUT, notice("v2.subscription.updated"))
        }),
        against("statistics rows", |sent| flood(sent, FLAT_OUT, floods::rows)),
        against("media of one", |sent| flood(sent, FLAT_OUT, floods::media)),
        against("participants", |sent| flood(sent, FLAT_OUT, floods::participants)),
        against("new queues", |sent| flood(sent, FLAT_OUT, floods::new_queues)),
        against("ids of 4 MB", |sent| flood(sent, FLAT_OUT, floods::long_ids)),
        against("new topics", |sent| flood(sent, FLAT_OUT, floods::new_topics)),
        against("new users", |sent| flood(sent, FLAT_OUT, floods::new_users)),
        against("new statistics", |sent| flood(sent, FLAT_OUT, floods::new_statistics)),
        against("year 9999", |sent| flood(sent, FLAT_OUT, floods::far_ahead)),
        Phase {
            flags: &["--queue", "all", "--user", "queue-members"],
            ..against("pages of 60 MB", large_pages)
        },
        Phase {
            stdout: Stdout::Blocked,
            ..against("stdout blocked", |sent| flood(sent, FLAT_OUT, floods::large_bodies))
        },
        Phase {
            stdout: Stdout::Blocked,
            flags: &["--when-full", "block"],
            ..against("the same, block", |sent| flood(sent, FLAT_OUT, floods::large_bodies))
        },
        against("all at once", |sent| flood(sent, FLAT_OUT, floods::everything)),
        against("garbage", |sent| flood(sent, FLAT_OUT, floods::garbage)),
        against("pings", |sent| endless_frames(sent, b"", PING)),
        against("endless message", |sent| endless_frames(sent, BEGIN, CONTINUED)),
        against("endless head", |sent| {
            endless_upgrade(sent, ENDLESS_HEAD, b"X-Padding: 0123456789\r\n")
        }),
        against("endless 1xx", |sent| {
            endless_upgrade(sent, b"", b"HTTP/1.1 100 Continue\r\n\r\n")
        }),
        against("endless answers", endless_answers),
        against("nothing stays", flapping),
        Phase {
            visitors: Visitors::Strangers,
            ..against("512 strangers", |sent| {
                flood(sent, Pace::PerSecond(100), floods::new_topics)
            })
        },
        Phase {
            before: "ulimit -n 64",
            visitors: Visitors::Strangers,
            ..against("64 descriptors", flapping)
        },
        Phase {
            stdout: Stdout::Kept,
            flags: &["--record", "record.jsonl", "-v"],
            ..against("echoed secrets", echoes)
        },
        Phase {
            protocol: Protocol::Events,
            ..against("events", |sent| flood(sent, FLAT_OUT, floods::tutorial_events))
        },
        Phase {
            protocol: Protocol::Events,
            stdout: Stdout::Kept,
            flags: &["--record", "record.jsonl", "-v"],
            ..against("events, secrets", echoes)
        },
        Phase {
            protocol: Protocol::Metrics,
            ..against("metrics", |sent| flood(sent, FLAT_OUT, floods::tutorial_metrics))
        },
        Phase {
            protocol: Protocol::Metrics,
            stdout: Stdout::Kept,
            flags: &["--record", "record.jsonl", "-v"],
            ..against("metrics, secrets", echoes)
        },
        Phase {
            most_rss_kb: WITH_BUSY_QUEUES_KB,
            oldest_snapshot_ms: WITH_BUSY_QUEUES_MS,
            ..against("8,000 queues", |sent| {
                let (listing, events) = (many_queues(), flood(sent, FLAT_OUT, floods::busy_queues));
                Box::new(move |asked, peer| listing(asked, peer).or_else(|| events(asked, peer)))
            })
        },
        Phase {
            side: Side::Centre(360),
            ..against("long hours", flapping)
        },
    ]
}
