//! What is known of a conversation, in few bytes, changed in place.
//!
//! In: what events and answers tell · Out: their join · Thread: any (pure).
//!
//! It is the join of `conversation.rs` in another layout, and a property test holds the two together. All communications of
//! a conversation are in one list, in the order of their participants. Of values without a time of their own nearly always
//! all have the same stamp, so one stamp stands for all of them; what differs, and what few conversations have, is boxed.

mod communication;
pub(crate) mod packing;
mod participant;

use std::collections::HashMap;
use std::ops::Range;

pub(crate) use self::communication::CommunicationRow;
pub(crate) use self::participant::ParticipantRow;
use super::conversation::{LINEAR_SEARCH_AT_MOST, latest};
use super::queue_numbers::{QueueNumber, QueueNumbers};
use super::told::{CommunicationTold, ConversationTold, ParticipantTold};
use crate::base::limits::{COMMUNICATIONS, PARTICIPANTS};
use crate::event::facts::{ConversationFacts, Stamped};
use crate::{Id, Moment};

/// What is known of a conversation.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) id: Id,
    /// As REST tells.
    pub(crate) ended: Option<Moment>,
    pub(crate) participants: Vec<ParticipantRow>,
    /// In the order of their participants.
    pub(crate) communications: Vec<CommunicationRow>,
}

/// What a join changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Changed {
    Nothing,
    /// Only stamps: it counts for the same.
    Stamps,
    Values,
}

impl Changed {
    /// A change of stamps counts as one of values.
    pub(crate) fn of_values(self) -> Self {
        Self::values(self > Self::Nothing)
    }

    fn values(changed: bool) -> Self {
        if changed { Self::Values } else { Self::Nothing }
    }
}

impl State {
    /// A conversation of which nothing was seen.
    pub(crate) fn nothing_of(id: Id) -> Self {
        Self {
            id,
            ended: None,
            participants: Vec::new(),
            communications: Vec::new(),
        }
    }

    /// What these facts tell.
    pub(crate) fn of(facts: &impl ConversationTold, queues: &mut QueueNumbers) -> Self {
        let mut state = Self::nothing_of(facts.id().clone());
        state.join(facts, queues, &mut 0);
        state
    }

    /// Adds what facts tell of the same conversation. Counts in `left_out` what is beyond the limits of a conversation.
    pub(crate) fn join(
        &mut self,
        told: &impl ConversationTold,
        queues: &mut QueueNumbers,
        left_out: &mut u32,
    ) -> Changed {
        let mut changed = Changed::values(latest(&mut self.ended, told.ended()));
        let all = told.participants();
        let is_long = self.participants.len().max(all.len()) > LINEAR_SEARCH_AT_MOST;
        let mut index: Option<HashMap<Id, usize>> = is_long.then(|| {
            let known = self.participants.iter().enumerate();
            known.map(|(at, p)| (p.id.clone(), at)).collect()
        });
        self.participants
            .reserve_exact(new_at_most(self.participants.len(), all.len()));
        for (n, told) in all.enumerate() {
            let found = match (&index, self.participants.get(n)) {
                // Events list the same participants in the same order, so it is nearly always at the same place.
                (_, Some(there)) if there.id == *told.id() => Some(n),
                (Some(index), _) => index.get(told.id()).copied(),
                (None, _) => self.participants.iter().position(|p| p.id == *told.id()),
            };
            let at = match found {
                Some(at) => at,
                None if self.participants.len() == PARTICIPANTS => {
                    *left_out += 1;
                    continue;
                }
                None => {
                    changed = Changed::Values;
                    let at = self.participants.len();
                    if let Some(index) = &mut index {
                        index.insert(told.id().clone(), at);
                    }
                    self.participants
                        .push(ParticipantRow::new(told.id().clone(), self.communications.len()));
                    at
                }
            };
            changed = changed.max(self.participants[at].join(&told, queues, left_out));
            changed = changed.max(self.join_communications(at, told.communications(), queues, left_out));
        }
        changed
    }

    fn join_communications(
        &mut self,
        at: usize,
        told: impl Iterator<Item = impl CommunicationTold>,
        queues: &mut QueueNumbers,
        left_out: &mut u32,
    ) -> Changed {
        let mut changed = Changed::Nothing;
        for (n, one) in told.enumerate() {
            let own = self.range(at);
            let known = &self.communications[own.clone()];
            let is_same = |row: &CommunicationRow| row.kind == one.kind() && row.id == *one.id();
            let found = match known.get(n) {
                Some(there) if is_same(there) => Some(n),
                _ => known.iter().position(is_same),
            };
            let place = match found {
                Some(found) => own.start + found,
                None if known.len() == COMMUNICATIONS => {
                    *left_out += 1;
                    continue;
                }
                None => {
                    changed = Changed::Values;
                    self.communications.reserve_exact(1);
                    self.communications
                        .insert(own.end, CommunicationRow::new(one.kind(), one.id().clone()));
                    self.participants[at].count += 1;
                    for later in &mut self.participants[at + 1..] {
                        later.first += 1;
                    }
                    own.end
                }
            };
            changed = changed.max(self.communications[place].join(&one, queues));
        }
        changed
    }

    fn range(&self, at: usize) -> Range<usize> {
        let row = &self.participants[at];
        let first = usize::from(row.first);
        first..first + usize::from(row.count)
    }

    /// The communications of the participant at a place.
    pub(crate) fn communications_of(&self, at: usize) -> &[CommunicationRow] {
        &self.communications[self.range(at)]
    }

    /// The same as facts; what no number uses is left out.
    pub(crate) fn facts(&self, queues: &QueueNumbers) -> ConversationFacts {
        let participants = self.participants.iter().enumerate();
        ConversationFacts {
            id: self.id.clone(),
            ended: self.ended,
            participants: participants
                .map(|(at, row)| {
                    let communications = self.communications_of(at).iter();
                    row.facts(communications.map(|c| c.facts(queues)).collect(), queues)
                })
                .collect(),
        }
    }

    /// The newest time in it, stamps included; `None` if it holds no time.
    pub(crate) fn newest(&self) -> Option<Moment> {
        let of_participants = self.participants.iter().filter_map(ParticipantRow::newest);
        let of_communications = self.communications.iter().filter_map(CommunicationRow::newest);
        let newest = of_participants.chain(of_communications).max().max(self.ended);
        newest.filter(|at| *at > Moment::from_epoch_ms(i64::MIN))
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.participants.capacity() * size_of::<ParticipantRow>()
            + self.communications.capacity() * size_of::<CommunicationRow>()
            + self.participants.iter().map(ParticipantRow::heap_bytes).sum::<usize>()
            + self
                .communications
                .iter()
                .map(CommunicationRow::heap_bytes)
                .sum::<usize>()
    }
}

/// Room for participants of an event that are not known, if they are few.
fn new_at_most(known: usize, told: usize) -> usize {
    told.saturating_sub(known).min(PARTICIPANTS)
}

/// The later stamp wins; with equal stamps the greater value.
fn later<T: Ord + Copy>(mine: &mut Option<T>, at: &mut Option<Moment>, theirs: Option<Stamped<T>>) -> Changed {
    let Some(theirs) = theirs else { return Changed::Nothing };
    let (stamp, value) = (Some(theirs.at), Some(theirs.value));
    if (*at, *mine) >= (stamp, value) {
        return Changed::Nothing;
    }
    let is_same = *mine == value;
    (*at, *mine) = (stamp, value);
    if is_same { Changed::Stamps } else { Changed::Values }
}

/// The same for a queue.
fn later_queue(
    mine: &mut Option<QueueNumber>,
    at: &mut Option<Moment>,
    theirs: Option<Stamped<&Id>>,
    queues: &mut QueueNumbers,
) -> Changed {
    let Some(Stamped {
        at: stamp,
        value: queue,
    }) = theirs
    else {
        return Changed::Nothing;
    };
    let known = mine.map(|number| queues.id(number));
    if (*at, known) >= (Some(stamp), Some(queue)) {
        return Changed::Nothing;
    }
    let is_same = known == Some(queue);
    *at = Some(stamp);
    if is_same {
        return Changed::Stamps;
    }
    *mine = Some(queues.of(queue));
    Changed::Values
}

/// Moves the stamp of values that were told again.
fn move_stamp(stamp: &mut Option<Moment>, at: Moment) -> Changed {
    if Some(at) <= *stamp {
        return Changed::Nothing;
    }
    *stamp = Some(at);
    Changed::Stamps
}

/// The stamp of what is there, and whether it is the same for all.
fn common(stamps: &[Option<Moment>]) -> (Option<Moment>, bool) {
    let mut there = stamps.iter().flatten();
    let first = there.next().copied();
    (first, there.all(|at| Some(*at) == first))
}

fn stamped<T>(value: Option<T>, at: Option<Moment>) -> Option<Stamped<T>> {
    value.zip(at).map(|(value, at)| Stamped { at, value })
}

#[cfg(test)]
mod tests;
