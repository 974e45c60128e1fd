//! What a conversation means when stream and REST are taken together.
//!
//! In: the state from the stream, from REST, the time · Out: `Outcome`, differences; ended holds · Thread:
//! any (pure).

use super::outcome::{Outcome, Reading};
use super::overlay::overlay;
use super::queue_numbers::{QueueNumber, QueueNumbers};
use super::state::State;
use super::stays::{millis_between, stay_of};
use super::told::{CommunicationTold as _, ConversationTold, ParticipantTold as _};
use crate::Moment;
use crate::event::facts::MediaKind;

/// Reads what a conversation counts for, both taken together. Returns how many times differ between stream and REST.
pub(super) fn layered(
    reading: &mut Reading,
    queues: &mut QueueNumbers,
    (stream, rest): (&State, Option<&State>),
    as_of: Moment,
    outcome: &mut Outcome,
) -> u64 {
    match rest {
        None => {
            reading.outcome(stream, as_of, outcome);
            0
        }
        Some(rest) => {
            let mut whole = stream.facts(queues);
            let differences = overlay(&mut whole, &rest.facts(queues));
            reading.outcome(&State::of(&whole, queues), as_of, outcome);
            differences
        }
    }
}

/// A hold of an agent that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EndedHold {
    pub(super) queue: QueueNumber,
    pub(super) media: MediaKind,
    pub(super) at: Moment,
    pub(super) millis: u64,
}

/// The holds that an event ends. The stream does not tell when a hold ended: at the newest time in the event, if that is
/// later than its begin, else when the event was received.
pub(super) fn ended_holds(
    reading: &mut Reading,
    stream: &State,
    event: &impl ConversationTold,
    received: Moment,
) -> Vec<EndedHold> {
    if stream.communications.iter().all(|c| c.hold_started().is_none()) {
        return Vec::new();
    }
    let mut over = Vec::new();
    for told in event.participants() {
        let Some(person) = stream.participants.iter().position(|p| p.id == *told.id()) else {
            continue;
        };
        for (n, communication) in stream.communications_of(person).iter().enumerate() {
            let Some(began) = communication.hold_started() else {
                continue;
            };
            let mut told = told.communications();
            let told = told.find(|c| *c.id() == communication.id && c.kind() == communication.kind);
            if told.is_some_and(|told| communication.next_hold(&told).is_none()) {
                over.push((person, n, began));
            }
        }
    }
    if over.is_empty() {
        return Vec::new();
    }
    reading.read(stream);
    let (newest, end) = (event.newest(), stream.end());
    let ended = over.into_iter().filter_map(|(person, communication, began)| {
        let stay = stay_of(stream.told(person), communication, end)?;
        let stay = reading.stays_of(person).get(stay)?;
        let queue = stay.queue.filter(|_| reading.people[person].is_agent())?;
        let at = newest.filter(|newest| *newest > began).unwrap_or(received);
        Some(EndedHold {
            queue,
            media: reading.media_of(stay),
            at,
            millis: millis_between(began, at),
        })
    });
    ended.collect()
}
