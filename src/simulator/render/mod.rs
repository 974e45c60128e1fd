//! Renders facts as the JSON of the published schemas.
//!
//! In: facts and states of the centre · Out: JSON values · Thread: any (pure).

pub(super) mod conversation;
pub(super) mod detail_event;
pub(super) mod details;
pub(super) mod flat;
pub(super) mod observations;
pub(super) mod people;
pub(super) mod queues;

#[cfg(test)]
mod tests;
