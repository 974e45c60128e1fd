//! What a conversation means when stream, REST and what it was counted for before are taken together.
//!
//! In: the state from the stream, from REST, earlier counts, the time · Out: `Outcome`, differences; ended holds · Thread:
//! any (pure).

use super::counts::CountKind;
use super::outcome::{Count, Outcome, Reading};
use super::overlay::overlay;
use super::queue_numbers::{QueueNumber, QueueNumbers};
use super::state::State;
use super::stays::{millis_between, stay_of};
use super::told::{CommunicationTold as _, ConversationTold, ParticipantTold as _};
use crate::Moment;
use crate::event::facts::MediaKind;

/// Reads what a conversation counts for, all three taken together. Returns how many times differ between stream and REST.
pub(super) fn layered(
    reading: &mut Reading,
    queues: &mut QueueNumbers,
    (stream, rest, settled): (&State, Option<&State>, Option<&[Count]>),
    as_of: Moment,
    outcome: &mut Outcome,
) -> u64 {
    let differences = match rest {
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
    };
    if let Some(settled) = settled {
        outcome.counts = with_settled(settled, std::mem::take(&mut outcome.counts));
    }
    differences
}

/// Of a conversation that was condensed only a part may be told again, so earlier counts stand. Stay by stay, new counts
/// replace the earlier ones only if the stay had no verdict yet, or if it is an agent's that was handled later than was
/// known.
fn with_settled(settled: &[Count], found: Vec<Count>) -> Vec<Count> {
    let key = |count: &Count| (count.participant, count.stay);
    let verdict_at = |counts: &[Count], stay: (u32, Moment)| {
        let own = counts.iter().filter(|c| key(c) == stay);
        own.filter(|c| c.kind != CountKind::Offered).map(|c| c.at).max()
    };
    let is_agent = |stay| settled.iter().any(|c| key(c) == stay && c.kind == CountKind::Handled);
    let is_in = |counts: &[Count], stay| counts.iter().any(|c| key(c) == stay);
    let gives_way = |stay| {
        let (old, new) = (verdict_at(settled, stay), verdict_at(&found, stay));
        old.is_none() || (is_agent(stay) && new > old)
    };
    let stands = |c: &&Count| !(is_in(&found, key(c)) && gives_way(key(c)));
    let mut whole: Vec<Count> = settled.iter().filter(stands).copied().collect();
    let is_new = |c: &&Count| !is_in(settled, key(c)) || gives_way(key(c));
    whole.extend(found.iter().filter(is_new).copied());
    whole
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::{at, queue};

    fn count(participant: u32, kind: CountKind, secs: i64) -> Count {
        Count {
            queue: queue("Q"),
            media: MediaKind::Voice,
            kind,
            at: at(secs),
            millis: 0,
            participant,
            stay: at(0),
        }
    }

    #[test]
    fn what_was_counted_stands_and_what_is_new_counts() {
        let visit = [count(1, CountKind::Offered, 0), count(1, CountKind::Answered, 5)];
        let agent = [count(2, CountKind::Handled, 20), count(2, CountKind::WrappedUp, 20)];
        let settled = [visit, agent].concat();
        let none = with_settled(&settled, Vec::new());
        assert_eq!(none, settled, "who is absent from what came is not gone");
        let in_part = vec![count(1, CountKind::Offered, 0), count(1, CountKind::FlowOut, 9)];
        assert_eq!(
            with_settled(&settled, in_part),
            settled,
            "a verdict in part only is none"
        );
        let earlier = vec![count(2, CountKind::Handled, 19)];
        assert_eq!(with_settled(&settled, earlier), settled);
        let later = vec![count(2, CountKind::Handled, 30)];
        let whole = with_settled(&settled, later.clone());
        assert_eq!(whole, [visit.to_vec(), later].concat());
        let new = vec![count(3, CountKind::Offered, 40)];
        assert_eq!(with_settled(&settled, new.clone()), [settled, new].concat());
        let waited = [count(1, CountKind::Offered, 0)];
        assert_eq!(
            with_settled(&waited, visit.to_vec()),
            visit,
            "an evicted one that is answered"
        );
    }
}
