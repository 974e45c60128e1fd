//! Tests of the whole, one module a subject.

#[cfg(feature = "cli")]
mod cli_config;
