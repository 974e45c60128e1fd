//! The engine: folds events and changes into the dashboard, and hands records on.
//!
//! In: events, `Control` messages, a recording · Out: `Item`s to outputs, snapshots · Thread: see the submodules.
//!
//! [`core`] is pure and does all that a recording can repeat; [`thread`] drives it in a run, [`replay`] from a recording.

#[cfg(feature = "internals")]
pub mod applied;
mod clock_log;
mod connection;
mod control;
mod core;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod gaps;
mod handle;
#[cfg(feature = "cli")]
pub(crate) mod replay;
#[cfg(feature = "engine")]
mod shared;
mod thread;

#[cfg(all(unix, feature = "cli"))]
pub(crate) use self::control::StateAndCause;
pub(crate) use self::control::{Ask, ControlSender, Finish, FoundConversation, Repair};
#[cfg(feature = "engine")]
pub(crate) use self::core::Core;
pub(crate) use self::handle::{AggregatorThread, Finished};
pub(crate) use self::thread::{Aggregator, AggregatorParts};
