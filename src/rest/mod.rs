//! The REST API: one client with time limits and a request budget, and the endpoints that a stream needs.
//!
//! In: hosts, tokens, ids · Out: typed answers or an `Error` · Thread: the caller's, which waits.

pub(crate) mod analytics;
mod answer;
pub(crate) mod channels;
pub(crate) mod client;
pub(crate) mod clock;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub(crate) mod lookup;
pub(crate) mod oauth;
mod paging;
pub(crate) mod rate;
mod retry_after;
mod service_clock;
mod transport;
pub(crate) mod webhook;

pub(crate) use client::{Limits, RestClient};
pub(crate) use rate::Purpose;
pub(crate) use retry_after::retry_after;
pub(crate) use service_clock::ServiceClock;

#[cfg(test)]
mod client_tests;
