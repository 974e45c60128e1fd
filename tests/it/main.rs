//! Tests of the library and the program as a whole, one module a subject.
//!
//! In: the library and the program as their users see them · Out: verdicts · Thread: the tests'.
//!
//! | module | subject |
//! |---|---|
//! | `channels` | notification channels: reused, renewed, replaced, bounded, shared with other programs, many at once |
//! | `cli_config` | wrong command lines, environments and files: exit 2, nothing connected |
//! | `cli_texts` | help, completions, the manual page |
//! | `clock` | a service whose clock differs from ours, in both directions |
//! | `docs` | the pages of `docs`: keys, flags, schemas, the worked example, links |
//! | `check` | preflight: every step, what it says when it fails, nothing left behind |
//! | `packaging` | what is installed and packaged |
//! | `plan` | what would be subscribed, without subscribing |
//! | `protocols` | one suite for all three protocols: streams, counts, pings, stops, refusals, tokens, 429 |
//! | `reconnect` | every way in which a connection ends, for all three protocols: back by itself, the gap recorded |
//! | `fault_matrix` | each fault of the simulator for each protocol, plain and under TLS: times, gaps, numbers |
//! | `hostile` | peers that mean harm at each step to a stream: broken handshakes, answers without end, tokens without a life |
//! | `unanswered` | REST calls that are never answered: reconnects, gaps and ends go on meanwhile |
//! | `uncovered` | topics refused or gone, a process that was stopped, queues that are not listed |
//! | `repair` | backfill through REST, at the start and after gaps: the numbers are the true ones |
//! | `stream` | `notifications`: topics, channels, subscriptions, permissions, the listing |
//! | `overload` | more events than the buffer holds, and receivers that do not keep up: every lost event is counted |
//! | `library` | the stream in a program: callbacks, events, snapshots, handles |
//! | `audit` | the audit file: entries, chain, crashes, `audit verify` |
//! | `replay` | recordings: the same snapshot as live, torn and broken files, full disks |
//! | `history` | what the live numbers were in each window: as snapshots showed them, and in a replay |
//! | `explain` | what one conversation was counted for and why |
//! | `webhook` | snapshots and events posted to receivers that take, refuse, fail and hang |
//! | `process` | the program: outputs, signals, exit codes |
//! | `terminal` | the live screen on a terminal: keys, job control, settings restored |
//! | `secrets` | a peer that repeats every secret: none is in what the program leaves behind |
//! | `service` | the program as a service: systemd's datagrams, the journal, log files, ignored signals, file size limits |
//! | `sharing` | feature `engine`: readers and dashboards around a real Redis |
//! | `simulator` | the simulator from outside |
//! | `strange_hosts` | no DNS, no route, no loopback interface, read-only disks |
//! | `web` | the page, metrics, health and snapshots over HTTP, and what hostile peers get |
//! | `soak` | hostile peers against the release program: memory, snapshot file, stop, secrets, measured from outside |
//! | `week` | a week of renewals and faults, compressed: the numbers are true at its end, and nothing leaks |
//! | `api` | the public interface, compared with its listing in `docs/api.txt` |
//! | `tidy` | the rules of the architecture, read from the sources |
//!
//! `support` has what they share: a watched stream, a scripted peer for the faults that the simulator does not play,
//! and the program as a child process. No test sleeps to let something happen: each waits for a condition, under a
//! deadline. See `support/patience.rs` for tests whose subject is a time.

mod api;
#[cfg(feature = "simulator")]
mod audit;
#[cfg(feature = "simulator")]
mod channels;
#[cfg(all(unix, feature = "cli", feature = "simulator"))]
mod check;
#[cfg(feature = "cli")]
mod cli_config;
#[cfg(feature = "cli")]
mod cli_texts;
#[cfg(all(unix, feature = "cli", feature = "simulator"))]
mod clock;
#[cfg(all(unix, feature = "cli", feature = "simulator"))]
mod docs;
#[cfg(all(unix, feature = "cli", feature = "simulator"))]
mod explain;
#[cfg(feature = "simulator")]
mod fault_matrix;
#[cfg(all(unix, feature = "cli", feature = "simulator"))]
mod history;
#[cfg(feature = "simulator")]
mod hostile;
#[cfg(feature = "simulator")]
mod library;
#[cfg(feature = "simulator")]
mod overload;
#[cfg(all(unix, feature = "cli", feature = "simulator"))]
mod packaging;
#[cfg(all(unix, feature = "cli", feature = "simulator"))]
mod plan;
#[cfg(all(unix, feature = "cli", feature = "simulator"))]
mod process;
#[cfg(feature = "simulator")]
mod protocols;
#[cfg(feature = "simulator")]
mod reconnect;
#[cfg(feature = "simulator")]
mod repair;
#[cfg(all(unix, feature = "cli", feature = "simulator"))]
mod replay;
#[cfg(all(target_os = "linux", feature = "cli", feature = "simulator"))]
mod secrets;
#[cfg(all(unix, feature = "cli", feature = "simulator"))]
mod service;
#[cfg(all(target_os = "linux", feature = "engine", feature = "cli", feature = "simulator"))]
mod sharing;
#[cfg(feature = "simulator")]
mod simulator;
#[cfg(all(target_os = "linux", feature = "cli", feature = "simulator"))]
mod soak;
#[cfg(all(target_os = "linux", feature = "cli", feature = "simulator"))]
mod strange_hosts;
#[cfg(feature = "simulator")]
mod stream;
#[cfg(feature = "simulator")]
mod support;
#[cfg(all(unix, feature = "cli", feature = "simulator"))]
mod terminal;
mod tidy;
#[cfg(feature = "simulator")]
mod unanswered;
#[cfg(all(unix, feature = "cli", feature = "simulator"))]
mod uncovered;
#[cfg(feature = "simulator")]
mod web;
#[cfg(feature = "simulator")]
mod web_asking;
#[cfg(feature = "simulator")]
mod webhook;
#[cfg(all(target_os = "linux", feature = "cli", feature = "simulator"))]
mod week;
