#![forbid(unsafe_code)]
pub(crate) mod http_server;
#[cfg(feature = "simulator")]
pub mod simulator;
