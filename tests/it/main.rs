<<<<<<< HEAD
//! Tests of the whole, one module a subject.

#[cfg(feature = "cli")]
mod cli_config;
=======
//! The integration tests, one module a subject.
//!
//! In: the library as its users see it · Out: verdicts · Thread: the tests'.

#[cfg(feature = "simulator")]
mod simulator;
>>>>>>> 90614296b009e8163e52833bf57029b6b808feee
