//! Live numbers of a Genesys Cloud contact centre, without an async runtime.
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
#[cfg(feature = "simulator")]
pub mod simulator;
mod stream;
mod supervisor;
mod web;

/// What the benchmarks measure piece by piece; no part of the public interface.
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals {
    pub use crate::model::queue::QueueSet;
    pub use crate::model::{Model, Settings};
    pub use crate::protocol::{Heard, KeepBody, Machine, Notifications, Options};
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
pub use event::facts::{CommunicationState, MetricFacts, ObservationFacts, ObservationRow, Participant, Purpose};
pub use event::facts::{QueueStatisticsFacts, Stamped, UserFacts};
pub use event::{Event, EventKind};
pub use model::snapshot::{AllQueues, LiveNumbers, Numbers, WindowSnapshot};
pub use model::snapshot::{ConnectionSnapshot, ConnectionState, Counters, FreshnessSnapshot, Gap, GapTopics};
pub use model::snapshot::{LatencySnapshot, LiveTotals, MediaSnapshot, MetricSnapshot, ObservationSnapshot};
pub use model::snapshot::{OutputSnapshot, QueueSnapshot, Snapshot, UserSnapshot};
pub use output::callback::CallbackOutcome;
pub use output::record::Records;
pub use stream::{Ended, Events, Report, StopHandle, Stream, StreamBuilder};
