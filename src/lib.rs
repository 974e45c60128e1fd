//! Live numbers of a Genesys Cloud contact centre, without an async runtime.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod aggregator;
mod audit;
mod backoff;
mod buffer;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
mod coalesce;
pub mod config;
mod digest;
mod error;
mod event;
pub mod facts;
mod heartbeat;
mod http_server;
mod id;
mod journal;
mod keyed;
pub mod model;
mod moment;
mod net;
mod notice;
mod output;
#[cfg(feature = "cli")]
mod preflight;
pub mod protocol;
mod reader;
mod record;
mod recording;
#[cfg(feature = "cli")]
mod replay;
mod rest;
mod secret;
#[cfg(feature = "simulator")]
pub mod simulator;
mod stream;
mod supervisor;
mod telemetry;
mod topic_plan;
mod web;

pub use config::Config;
pub use error::{Error, ErrorKind};
pub use event::{Event, EventKind};
pub use id::Id;
pub use moment::Moment;
pub use output::callback::CallbackOutcome;
pub use record::Records;
pub use secret::Secret;
pub use stream::{Ended, Events, Report, StopHandle, Stream, StreamBuilder};
