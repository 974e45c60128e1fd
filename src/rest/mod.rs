//! The REST API: one client with limits and a request budget, and the endpoints that a stream needs.
//!
//! In: hosts, tokens, ids · Out: typed answers or one `Error` · Thread: the caller's, which waits.

pub(crate) mod analytics;
mod answer;
pub(crate) mod channels;
pub(crate) mod client;
mod http_date;
pub(crate) mod lookup;
pub(crate) mod oauth;
mod paging;
pub(crate) mod rate;
mod transport;

#[allow(unused_imports)] // The band above names what it needs from here.
pub(crate) use {
    answer::Answer,
    client::{Body, Limits, Method, Request, RestClient},
    rate::{Budget, Lane, Purpose, RateLimits},
};

#[cfg(test)]
mod client_tests;
