#![forbid(unsafe_code)]
#[cfg(feature = "simulator")]
pub(crate) mod http_server;
#[cfg(feature = "simulator")]
pub mod simulator;
