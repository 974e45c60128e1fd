//! What a conversation means when stream, REST and what it was counted for before are taken together.
//!
//! In: the state from the stream, from REST, earlier counts · Out: `Outcome`, differences; ended holds · Thread: any
//! (pure).

use super::counts::CountKind;
use super::outcome::{Count, Outcome, foremost, outcome};
use super::overlay::overlay;
use super::totals::Totals;
use crate::Moment;
use crate::event::facts::{Communication, ConversationFacts, Participant};

/// What a conversation means, all three taken together.
pub(super) struct Layered {
    pub(super) outcome: Outcome,
    /// Times that differ between stream and REST.
    pub(super) differences: u64,
}

impl Layered {
    /// `settled`: what the conversation was counted for before it was condensed, if an event for it arrived afterwards.
    pub(super) fn of(stream: &ConversationFacts, rest: Option<&ConversationFacts>, settled: Option<&[Count]>) -> Self {
        let (mut outcome, differences) = match rest {
            None => (outcome(stream), 0),
            Some(rest) => {
                let mut whole = stream.clone();
                let differences = overlay(&mut whole, rest);
                (outcome(&whole), differences)
            }
        };
        if let Some(settled) = settled {
            outcome.counts = with_settled(settled, outcome.counts);
        }
        Self { outcome, differences }
    }
}

/// Earlier counts stand, because of a conversation that was condensed only a part is known. Participant by participant,
/// new counts replace the earlier ones only if the participant had no verdict yet, or if it is an agent who was handled
/// later than was known.
fn with_settled(settled: &[Count], found: Vec<Count>) -> Vec<Count> {
    let verdict_at = |counts: &[Count], participant: u32| {
        let own = counts.iter().filter(|c| c.participant == participant);
        own.filter(|c| c.kind != CountKind::Offered).map(|c| c.at).max()
    };
    let is_agent = |participant: u32| {
        let mut own = settled.iter().filter(|c| c.participant == participant);
        own.any(|c| c.kind == CountKind::Handled)
    };
    let is_in = |counts: &[Count], participant: u32| counts.iter().any(|c| c.participant == participant);
    let gives_way = |participant: u32| {
        let (old, new) = (verdict_at(settled, participant), verdict_at(&found, participant));
        old.is_none() || (is_agent(participant) && new > old)
    };
    let stands = |c: &&Count| !(is_in(&found, c.participant) && gives_way(c.participant));
    let mut whole: Vec<Count> = settled.iter().filter(stands).cloned().collect();
    let is_new = |c: &&Count| !is_in(settled, c.participant) || gives_way(c.participant);
    whole.extend(found.iter().filter(is_new).cloned());
    whole
}

/// Agents' communications that are on hold: place of the participant, place of the communication.
pub(super) fn held(facts: &ConversationFacts) -> Vec<(usize, usize)> {
    let mut held = Vec::new();
    for (p, participant) in facts.participants.iter().enumerate() {
        if participant.is_agent() && participant.ended_at().is_none() {
            let on_hold = |c: &Communication| c.held.is_some_and(|held| held.value) && c.hold_started.is_some();
            for (c, communication) in participant.communications.iter().enumerate() {
                if on_hold(communication) {
                    held.push((p, c));
                }
            }
        }
    }
    held
}

/// Adds a hold that has ended. The stream does not tell when a hold ends: it ended when its agent did, else `now`.
pub(super) fn count_hold(totals: &mut Totals, participant: &Participant, communication: usize, now: Moment) {
    let (Some(queue), Some(held)) = (&participant.queue, participant.communications.get(communication)) else {
        return;
    };
    let ended = participant.ended_at();
    if ended.is_none() && held.held.is_some_and(|held| held.value) {
        return;
    }
    let (Some(began), until) = (held.hold_started, ended.unwrap_or(now)) else {
        return;
    };
    let millis = u64::try_from(until.millis_since(began.value)).unwrap_or(0);
    let media = foremost(&participant.communications).unwrap_or(held.kind);
    totals.hold(&queue.value, media, until, millis);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Id;
    use crate::event::facts::MediaKind;
    use crate::model::testing::at;

    fn count(participant: u32, kind: CountKind, secs: i64) -> Count {
        Count {
            queue: Id::new("Q"),
            media: MediaKind::Voice,
            kind,
            at: at(secs),
            millis: 0,
            participant,
        }
    }

    #[test]
    fn what_was_counted_stands_and_what_is_new_counts() {
        let visit = [count(1, CountKind::Offered, 0), count(1, CountKind::Answered, 5)];
        let agent = [count(2, CountKind::Handled, 20), count(2, CountKind::WrappedUp, 20)];
        let settled = [visit.clone(), agent.clone()].concat();
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
