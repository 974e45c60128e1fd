//! Live numbers of a Genesys Cloud contact centre, without an async runtime.
//!
//! A [`Stream`] logs in with OAuth client credentials, subscribes to Genesys Cloud's WebSocket streams, turns frames into
//! typed [`Event`]s and keeps a dashboard of queues, conversations and users in memory: who waits, for how long, who
//! talks, who wraps up. It reconnects by itself, renews tokens and channels before they end, fills gaps in through REST
//! where the protocol allows it, and counts every loss.
//!
//! ```no_run
//! use genesys_stream::{Config, Stream};
//! use std::time::Duration;
//!
//! // Region, client id and secret come from the environment: GENESYS_REGION, GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET.
//! let config = Config::builder().environment().queue("Sales").queue("Support").build()?;
//! let stream = Stream::builder(config)
//!     .on_event(|event: &genesys_stream::Event| println!("{} {}", event.received_at, event.kind.as_str()))
//!     .start()?;
//! stream.wait_streaming(Duration::from_secs(30))?;
//!
//! let dashboard = stream.snapshot();
//! if let Some(sales) = dashboard.queue("Sales") {
//!     println!("waiting: {}", sales.live.waiting);
//! }
//! let report = stream.stop()?;
//! println!("{} events", report.snapshot.counters.events_applied);
//! # Ok::<(), genesys_stream::Error>(())
//! ```
//!
//! # Where to begin
//!
//! - [`Config::builder`]: what to connect to, and every setting. [`Config`] cannot be changed after it was built.
//! - [`Stream::start`], [`Stream::builder`]: a running stream, with callbacks and outputs if need be.
//! - [`Stream::snapshot`] gives a [`Snapshot`]: the numbers of now, of windows and in total, gaps, counters.
//! - [`StreamBuilder::events`] gives [`Events`], an iterator of [`Event`]s; [`Event::facts`] says what happened.
//! - [`StreamBuilder::records`] writes [`Records`]: JSON lines.
//! - [`Error`] says what was done, what came back and, by its [`ErrorKind`], who must act.
//! - `simulator::Simulator` is a contact centre for tests, in this process.
//!
//! `docs/embedding.md` has an example for each of these. The meaning of the numbers is defined in `docs/numbers.md`, the JSON
//! forms in `docs/records.md`, all keys of the configuration in `docs/configuration.md`.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `cli` | yes | what the program `genesys-stream` needs: command line, logging to stderr, signals, the live screen |
//! | `engine` | no | sharing through Redis (`docs/sharing.md`) |
//! | `simulator` | yes | the module `simulator`: login, REST and sockets of a simulated organisation on a loopback port |
//!
//! A library needs neither: `default-features = false`.
//!
//! # Threads
//!
//! A stream runs on threads of its own, and nothing blocks the thread that starts it:
//!
//! | thread | does |
//! |---|---|
//! | `gs-supervisor` | login, channels, subscriptions, reconnects |
//! | `gs-reader-N` | reads one connection |
//! | `gs-aggregator` | applies events to the dashboard, builds snapshots |
//! | `gs-out-NAME` | one for each callback, writer and configured output |
//!
//! Callbacks run on threads of their own, one call at a time. A callback that is slow, fails or panics ends nothing; what
//! it does not take is counted. With [`WhenFull::Block`] the stream waits for it instead. All handles may be used from any
//! thread. The crate sets no signal handler and prints nothing (it logs through the crate `log`). Its only global state is the
//! secrets that it has to recognise and the key of redaction.
//!
//! Dropping or stopping a stream takes at most about two seconds: sockets are closed, what was received is applied,
//! outputs are finished.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod audit;
mod base;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
mod config;
mod engine;
mod event;
mod http_server;
mod model;
mod net;
mod output;
#[cfg(feature = "cli")]
mod preflight;
mod protocol;
mod reader;
mod rest;
#[cfg(feature = "engine")]
mod sharing;
#[cfg(feature = "simulator")]
pub mod simulator;
mod stream;
mod supervisor;
mod web;

/// What the benchmarks measure piece by piece; no part of the public interface.
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals {
    pub use crate::engine::applied::APPLIED;
    pub use crate::model::queue::QueueSet;
    pub use crate::model::{Model, Settings};
    pub use crate::protocol::metrics::PayloadText;
    pub use crate::protocol::{Events, Heard, KeepBody, Machine, Metrics, Notifications, Options};
}

/// What the targets in `fuzz/` attack piece by piece; no part of the public interface.
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::audit::fuzzing::verify_audit;
    pub use crate::engine::fuzzing::{Dashboard, FrameHeard};
    pub use crate::engine::replay::fuzzing::replay;
    pub use crate::http_server::fuzzing::{HttpRequest, http_limits, http_requests};
    pub use crate::net::fuzzing::{connect, url};
    pub use crate::output::fuzzing::{pseudonym, recorded, redacted, redacted_recorded};
    pub use crate::rest::fuzzing::{Answered, SECRETS, http_date, pause, rest_call};
    pub use crate::web::fuzzing::{day_chart, metrics, page};
}

pub use base::error::{Error, ErrorKind};
pub use base::id::Id;
pub use base::moment::Moment;
pub use base::problem::{ConfigProblem, Origin};
pub use base::secret::Secret;
pub use config::{Config, ConfigBuilder, Protocol, WhenFull};
pub use event::facts::{
    AcwState, Communication, ConversationFacts, ConversationStateFacts, DisconnectKind, Facts, MediaKind,
};
pub use event::facts::{AfterCallWork, QueueStatisticsFacts, Stamped, UserFacts, Wrapups};
pub use event::facts::{CommunicationState, MetricFacts, ObservationFacts, ObservationRow, Participant, Purpose};
pub use event::stats::{Name, Stats};
pub use event::update::{CommunicationUpdate, ConversationUpdate, ParticipantUpdate};
pub use event::{Event, EventKind};
pub use model::snapshot::{AlertLevel, AlertName, AlertSnapshot};
pub use model::snapshot::{AllQueues, LiveNumber, LiveNumbers, Numbers, WhyUnknown, WindowSnapshot, Windows};
pub use model::snapshot::{ConnectionSnapshot, ConnectionState, Counters, Day, FreshnessSnapshot, Gap, GapTopics};
pub use model::snapshot::{LatencySnapshot, LiveRange, LiveTotals, MediaSnapshot, MetricSnapshot, ObservationSnapshot};
pub use model::snapshot::{ObservedSnapshot, OutputSnapshot, QueueSnapshot, Snapshot, UserSnapshot, WindowLive};
pub use output::callback::CallbackOutcome;
pub use output::record::Records;
pub use stream::{Ended, Events, Report, StopHandle, Stream, StreamBuilder};

/// The examples of these pages, as documentation tests.
#[cfg(all(doctest, feature = "simulator"))]
mod pages {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/embedding.md")]
    struct Embedding;
}

/// What callers may rely on when they move handles between threads or share them.
const _: () = {
    const fn is_send<T: Send + 'static>() {}
    const fn is_send_and_sync<T: Send + Sync + 'static>() {}
    is_send_and_sync::<Stream>();
    is_send_and_sync::<StopHandle>();
    is_send_and_sync::<Events>();
    is_send_and_sync::<Report>();
    is_send_and_sync::<Config>();
    is_send_and_sync::<Error>();
    is_send_and_sync::<Event>();
    is_send_and_sync::<Snapshot>();
    is_send_and_sync::<Secret>();
    is_send::<StreamBuilder>();
    is_send::<ConfigBuilder>();
    #[cfg(feature = "simulator")]
    is_send_and_sync::<simulator::Simulator>();
};
