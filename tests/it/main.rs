//! The integration tests, one module a subject.
//!
//! In: the library as its users see it · Out: verdicts · Thread: the tests'.

#[cfg(feature = "simulator")]
mod simulator;
