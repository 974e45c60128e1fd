//! Tests of the whole, one module a subject.
//!
//! In: the library and the program as their users see them · Out: verdicts · Thread: the tests'.

#[cfg(feature = "cli")]
mod cli_config;
#[cfg(feature = "simulator")]
mod simulator;
