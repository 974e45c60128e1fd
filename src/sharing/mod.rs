//! Sharing through Redis: one process reads Genesys and publishes facts, others show them.
//!
//! In: what a run's engine applies · Out: entries of a Redis stream, and a dashboard that is fed from such streams · Thread:
//! see the submodules.
//!
//! A reader publishes to a stream of its own ([`publisher`]); a dashboard reads the streams of all readers ([`follower`]).
//! `docs/sharing.md` describes keys and entries.

mod client;
mod coverage;
mod entry;
mod follower;
mod held;
mod joined;
mod outbox;
mod own_stream;
mod past;
mod publisher;
mod register;
mod resp;
mod restart;
mod source;
mod time;

pub(crate) use self::follower::{Follower, FollowerParts};
pub(crate) use self::publisher::{Publisher, PublisherParts};

/// The stream of a reader.
fn stream_key(org: &str, name: &str) -> String {
    format!("gs:{{{org}:{name}}}:s")
}

/// The readers of an organisation.
fn readers_key(org: &str) -> String {
    format!("gs:{{{org}}}:readers")
}
