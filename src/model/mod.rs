//! The dashboard: events in, numbers out; pure, with time as an argument.
//!
//! In: `Event`, names, connection news · Out: `Snapshot` · Thread: none of its own (the aggregator owns a model).

pub mod snapshot;
pub mod conversation;
pub mod conversations;
mod live;
mod packed;
pub mod visit;
#[cfg(test)]
mod testing;
