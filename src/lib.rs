//! Live numbers of a Genesys Cloud contact centre, without an async runtime.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod audit;
mod base;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
pub mod config;
mod engine;
pub mod event;
mod http_server;
pub mod model;
mod net;
mod output;
#[cfg(feature = "cli")]
mod preflight;
pub mod protocol;
mod reader;
mod rest;
#[cfg(feature = "simulator")]
pub mod simulator;
mod stream;
mod supervisor;
mod web;

pub use base::error::{Error, ErrorKind};
pub use base::id::Id;
pub use base::moment::Moment;
pub use base::secret::Secret;
pub use config::Config;
pub use event::{Event, EventKind};
pub use output::callback::CallbackOutcome;
pub use output::record::Records;
pub use stream::{Ended, Events, Report, StopHandle, Stream, StreamBuilder};
