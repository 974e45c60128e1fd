//! Tests of the whole, one module a subject.
//!
//! In: the library and the program as their users see them · Out: verdicts · Thread: the tests'.
//!
//! | module | subject |
//! |---|---|
//! | `channels` | notification channels: used again, renewed, replaced, bounded, shared with others, many at once |
//! | `cli_config` | wrong command lines, environments and files: exit 2, nothing connected |
//! | `cli_texts` | help, completions, the manual page |
//! | `check` | preflight: every step, what it says when it fails, nothing left behind |
//! | `plan` | what would be subscribed, without subscribing |
//! | `protocols` | one suite for all three protocols: streams, counts, pings, stops, refusals, tokens, 429 |
//! | `reconnect` | every way in which a connection ends, for all three protocols: back by itself, the gap recorded |
//! | `fault_matrix` | each fault of the simulator for each protocol, plain and under TLS: times, gaps, the truth after it |
//! | `unanswered` | REST calls that are never answered: reconnects, gaps and ends go on meanwhile |
//! | `repair` | the beginning and gaps, filled in through REST: the numbers are the truth |
//! | `stream` | `notifications`: topics, channels, subscriptions, permissions, the listing |
//! | `overload` | more than the buffer holds, and receivers that do not keep up: nothing lost unseen |
//! | `library` | the stream in a program: callbacks, events, snapshots, handles |
//! | `audit` | the audit file: entries, chain, crashes, `audit verify` |
//! | `replay` | recordings: the same snapshot as live, torn and broken files, full disks |
//! | `webhook` | snapshots and events posted to receivers that take, refuse, fail and hang |
//! | `process` | the program: outputs, signals, exit codes |
//! | `simulator` | the simulator from outside |
//! | `web` | the page, metrics, health and snapshots over HTTP, and what hostile peers get |
//! | `week` | a week of renewals and faults, compressed: the truth at its end, and nothing leaked |
//! | `tidy` | the rules of the architecture, read from the sources |
//!
//! `support` has what they share: a watched stream, a scripted peer for the faults that the simulator does not play,
//! and the program as a child process. No test sleeps to let something happen: each waits for a condition, under a
//! deadline.

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
#[cfg(feature = "simulator")]
mod fault_matrix;
#[cfg(feature = "simulator")]
mod library;
#[cfg(feature = "simulator")]
mod overload;
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
#[cfg(feature = "simulator")]
mod simulator;
#[cfg(feature = "simulator")]
mod stream;
#[cfg(feature = "simulator")]
mod support;
mod tidy;
#[cfg(feature = "simulator")]
mod unanswered;
#[cfg(feature = "simulator")]
mod web;
#[cfg(feature = "simulator")]
mod webhook;
#[cfg(all(target_os = "linux", feature = "cli", feature = "simulator"))]
mod week;
