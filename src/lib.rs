//! Live numbers of a Genesys Cloud contact centre, without an async runtime.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod config;
mod error;
mod event;
pub mod facts;
mod id;
pub mod model;
mod moment;
#[allow(dead_code)] // Until the supervisor uses all of it.
pub(crate) mod net;
pub mod protocol;
#[allow(dead_code)] // Until the supervisor uses all of it.
pub(crate) mod rest;
mod secret;

pub use error::{Error, ErrorKind};
pub use event::{Event, EventKind};
pub use id::Id;
pub use moment::Moment;
pub use secret::Secret;
