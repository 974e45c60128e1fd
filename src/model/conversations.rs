//! All conversations that are remembered, and what they add to the numbers.
//!
//! In: facts, the time they are applied · Out: live numbers, totals, counts of the late and the evicted · Thread: any
//! (pure).
//!
//! An event costs the same however many conversations there are: its conversation is unpacked, joined and judged, and
//! the difference goes into the numbers. Order of forgetting is a set of the finished ones.
//!
//! Of a conversation there are two layers: the join of what the stream said, and of what REST said; it is judged by
//! the second laid under the first. A finished one for which nothing came for ten minutes is condensed to what it was counted for, and so is
//! an evicted one. What then still comes of it counts unless its newest time was known already: everything it was
//! counted for stands, an agent who was handled later than known is counted then, participants that are new count.
//! Inexact is only this: an older fact that comes for the first time after its conversation was condensed is lost.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::condensed::{Cause, Condensed, Kept};
use super::counts::Sign;
use super::layers::{Layered, count_hold, held};
use super::live::{Live, differences};
use super::outcome::Outcome;
#[cfg(test)]
use super::overlay::overlay;
use super::packed::Packed;
use super::slots::{Beside, Slot, Slots};
use super::totals::Totals;
use crate::event::facts::{ConversationFacts, Participant};
use crate::{Id, Moment};

/// A finished conversation is kept whole for so long after its last event: late and repeated events of a reconnect or
/// of a repair (which asks again after 300 s) come within.
const SETTLE: Duration = Duration::from_secs(600);

/// Slots have numbers of 32 bits.
const CONVERSATIONS_AT_MOST: usize = u32::MAX as usize - 1;

/// Participants of one conversation at most; real ones have some dozens. Later ones are not taken, so that one
/// conversation id can neither fill the memory nor make its events slow.
const PARTICIPANTS_AT_MOST: usize = 2_000;

/// What a finished conversation was counted for is known for so long after it was forgotten, if there is room: a late
/// event of the time when it was open does not bring it back, and one that goes on does not count anew what was counted.
const AFTERLIFE: Duration = Duration::from_secs(24 * 3600);

/// Condensed conversations come beside the whole ones, as many again, and so many at least: a few dozen kilobytes.
const CONDENSED_AT_LEAST: usize = 1_000;

/// What became of an event's facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Joined with what was known.
    Joined,
    /// Its conversation is forgotten already: counted, not applied.
    Late,
}

/// Who said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    Stream,
    Rest,
}

/// The store of conversations.
#[derive(Debug)]
pub struct Conversations {
    slots: Slots,
    /// Finished conversations by their newest time.
    finished: BTreeSet<(Moment, u32)>,
    /// Finished ones, in the order in which they are condensed unless something comes: when, which slot.
    settling: VecDeque<(Moment, u32)>,
    condensed: Condensed,
    live: Live,
    totals: Totals,
    drift: u64,
    retention: Duration,
    max_conversations: usize,
    evicted: u64,
}

impl Conversations {
    /// An empty store that forgets finished conversations `retention` after their newest time and holds
    /// `max_conversations` at most.
    #[must_use]
    pub(crate) fn new(retention: Duration, max_conversations: usize, totals: Totals) -> Self {
        Self {
            slots: Slots::default(),
            finished: BTreeSet::new(),
            settling: VecDeque::new(),
            condensed: Condensed::default(),
            live: Live::default(),
            totals,
            drift: 0,
            retention,
            max_conversations: max_conversations.clamp(1, CONVERSATIONS_AT_MOST),
            evicted: 0,
        }
    }

    /// Joins `facts` of the stream with what is known of their conversation.
    ///
    /// They are late if their conversation is not remembered and all their participants ended (after-call work
    /// included) before `now` less the retention. What is still remembered takes everything, however old: an old fact
    /// that completes it is as welcome as a new one.
    pub fn apply(&mut self, facts: &ConversationFacts, now: Moment) -> Taken {
        self.take(facts, Layer::Stream, now)
    }

    /// Joins `facts` of REST with what REST said of their conversation; they are never late.
    pub fn apply_rest(&mut self, facts: &ConversationFacts, now: Moment) {
        self.take(facts, Layer::Rest, now);
    }

    /// Brings what [`apply`](Self::apply) will need of a conversation into the processor's cache, while something else
    /// is done. Changes nothing.
    pub(crate) fn fetch(&self, id: &Id) {
        self.slots.fetch(id);
    }

    fn take(&mut self, facts: &ConversationFacts, layer: Layer, now: Moment) -> Taken {
        self.forget(now);
        if facts.participants.is_empty() {
            return Taken::Joined;
        }
        let slot = match self.slots.find(&facts.id) {
            Some(slot) => slot,
            None => {
                let horizon = now.minus(self.retention);
                let kept = self.condensed.newest(&facts.id);
                let is_old = kept.is_none_or(|newest| newest < horizon);
                if layer == Layer::Stream && is_old && facts.participants.iter().all(|p| ended_before(p, horizon)) {
                    return Taken::Late;
                }
                if kept.is_some() && facts.newest() <= kept {
                    return if is_old { Taken::Late } else { Taken::Joined };
                }
                let totals = &self.totals;
                let kept = self.condensed.take(&facts.id, |number| totals.queue_of(number));
                let settled = kept.map(|kept| kept.counts.into_boxed_slice());
                let nothing = Packed::new(&ConversationFacts::nothing_of(facts.id.clone()));
                self.slots.insert(nothing, settled, now)
            }
        };
        self.join(slot, facts, layer, now);
        self.slots.touch(slot, now);
        self.make_room(now);
        Taken::Joined
    }

    /// Condenses finished conversations that have settled or whose newest time is before `now` less the retention,
    /// forgets what condensed ones were counted for a day after that, and windows and days that are over.
    pub fn forget(&mut self, now: Moment) {
        self.totals.advance(now);
        let horizon = now.minus(self.retention);
        while let Some(&(newest, slot)) = self.finished.first() {
            if newest >= horizon {
                break;
            }
            self.condense(slot, Cause::Finished);
        }
        while let Some(&(due, at)) = self.settling.front() {
            if due > now {
                break;
            }
            self.settling.pop_front();
            if !self.leaves_settling(at) {
                continue;
            }
            let (_, slot) = self.slots.both_mut(at);
            let due = slot.seen.plus(SETTLE);
            if due <= now {
                self.condense(at, Cause::Finished);
            } else {
                slot.settles = true;
                self.settling.push_back((due, at));
            }
        }
        self.condensed.forget(horizon.minus(AFTERLIFE));
    }

    /// Whether anything is remembered of a conversation, condensed ones included.
    #[must_use]
    pub fn remembers(&self, id: &Id) -> bool {
        self.slots.find(id).is_some() || self.condensed.newest(id).is_some()
    }

    /// Finished or evicted conversations of which only is known what they were counted for.
    #[cfg(any(test, feature = "internals"))]
    #[must_use]
    pub fn condensed(&self) -> usize {
        self.condensed.len()
    }

    /// Times that differ between stream and REST: per participant its connected and end time, start and end of its
    /// after-call work, each counted once. A difference that the join of later facts resolves is no longer counted;
    /// those of condensed conversations stay.
    #[must_use]
    pub fn drift(&self) -> u64 {
        self.drift
    }

    /// Whole conversations in memory, finished ones included.
    #[cfg(any(test, feature = "internals"))]
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether none is in memory.
    #[cfg(any(test, feature = "internals"))]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.len() == 0
    }

    /// Conversations forgotten for lack of room so far.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// The joined state of a conversation, completed by REST, if it is remembered whole.
    #[cfg(test)]
    #[must_use]
    pub fn facts(&self, id: &Id) -> Option<ConversationFacts> {
        let at = self.slots.find(id)?;
        let mut facts = self.slots.packed(at)?.unpack();
        if let Some(rest) = self.slots.slot(at).rest() {
            overlay(&mut facts, &rest.unpack());
        }
        Some(facts)
    }

    /// Whole conversations that are not finished, in no order; for a repair that asks what became of them.
    pub fn open(&self) -> impl Iterator<Item = Id> {
        self.slots.open()
    }

    /// Open conversations whose last event came before `before`, the longest idle first, `at_most` of them.
    #[must_use]
    pub fn idle_since(&self, before: Moment, at_most: usize) -> Vec<Id> {
        self.slots.idle_since(before, at_most)
    }

    /// The live numbers.
    pub(crate) fn live(&self) -> &Live {
        &self.live
    }

    /// What happened.
    pub(crate) fn totals(&self) -> &Totals {
        &self.totals
    }

    /// What happened, to learn thresholds.
    pub(crate) fn totals_mut(&mut self) -> &mut Totals {
        &mut self.totals
    }

    fn join(&mut self, at: u32, facts: &ConversationFacts, layer: Layer, now: Moment) {
        let (of_stream, slot) = self.slots.both_mut(at);
        let Some(packed) = of_stream else { return };
        let stream = packed.unpack();
        let rest = slot.rest().map(Packed::unpack);
        let before = Layered::of(&stream, rest.as_ref(), slot.settled());
        let on_hold = match layer {
            Layer::Stream => held(&stream),
            Layer::Rest => Vec::new(),
        };

        let (mut stream, mut rest) = (stream, rest);
        let joined = match layer {
            Layer::Stream => &mut stream,
            Layer::Rest => rest.get_or_insert_with(|| ConversationFacts::nothing_of(facts.id.clone())),
        };
        if !joined.join_from(facts) {
            return;
        }
        joined.participants.truncate(PARTICIPANTS_AT_MOST);
        let packed = match layer {
            Layer::Stream => of_stream,
            Layer::Rest => &mut slot.beside_mut().rest,
        };
        match packed {
            Some(packed) => packed.replace(joined),
            None => *packed = Some(Packed::new(joined)),
        }
        for (participant, medium) in on_hold {
            count_hold(&mut self.totals, &stream.participants[participant], medium, now);
        }
        let after = Layered::of(&stream, rest.as_ref(), slot.settled());

        let finished = after.outcome.finished.then(|| {
            let of_stream = stream.newest();
            let newest = of_stream.max(rest.as_ref().and_then(ConversationFacts::newest));
            newest.unwrap_or(slot.seen)
        });
        let was_finished = slot.finished();
        if was_finished != finished {
            if let Some(newest) = was_finished {
                self.finished.remove(&(newest, at));
            }
            if let Some(newest) = finished {
                self.finished.insert((newest, at));
            }
            slot.beside_mut().finished = finished;
        }
        if finished.is_some() && !slot.settles {
            slot.settles = true;
            self.settling.push_back((now.plus(SETTLE), at));
        }
        self.drift = (self.drift + after.differences).saturating_sub(before.differences);
        self.replace(at, &before.outcome, &after.outcome);
    }

    fn replace(&mut self, at: u32, before: &Outcome, after: &Outcome) {
        if before == after {
            return;
        }
        self.live.replace(at, before, after);
        for (_, gone, come) in differences(&before.counts, &after.counts) {
            if let Some(gone) = gone {
                self.totals.count(Sign::Take, gone);
            }
            if let Some(come) = come {
                self.totals.count(Sign::Add, come);
            }
        }
    }

    /// Returns whether the slot still holds a finished conversation.
    fn leaves_settling(&mut self, at: u32) -> bool {
        let (packed, slot) = self.slots.both_mut(at);
        slot.settles = false;
        let (is_free, is_finished) = (packed.is_none(), slot.finished().is_some());
        if is_free {
            self.slots.release(at);
        }
        is_finished
    }

    /// Finished ones go first, and lose nothing that was counted. Then the longest idle.
    fn make_room(&mut self, now: Moment) {
        while self.slots.len() > self.max_conversations {
            match self.settling.pop_front() {
                Some((_, at)) => {
                    if self.leaves_settling(at) {
                        self.condense(at, Cause::Finished);
                    }
                }
                None => {
                    let Some(at) = self.slots.idlest() else { break };
                    self.condense(at, Cause::Evicted);
                    self.evicted += 1;
                }
            }
        }
        let at_most = self.max_conversations.max(CONDENSED_AT_LEAST);
        let forgotten = now.minus(self.retention);
        self.evicted += self.condensed.shrink_to(at_most, forgotten);
    }

    /// Keeps what a conversation was counted for, and nothing else of it. Live numbers lose it.
    fn condense(&mut self, at: u32, cause: Cause) {
        let Slot { seen, settles, .. } = *self.slots.slot(at);
        if let Some((
            packed,
            Beside {
                rest,
                settled,
                finished,
            },
        )) = self.slots.take(at)
        {
            if let Some(newest) = finished {
                self.finished.remove(&(newest, at));
            }
            let stream = packed.unpack();
            let rest = rest.map(|rest| rest.unpack());
            let mut outcome = Layered::of(&stream, rest.as_ref(), settled.as_deref()).outcome;
            let newest = stream.newest().max(rest.as_ref().and_then(ConversationFacts::newest));
            let counts = std::mem::take(&mut outcome.counts);
            self.live.replace(at, &outcome, &Outcome::default());
            let kept = Kept {
                newest: newest.unwrap_or(seen),
                counts,
            };
            let totals = &mut self.totals;
            self.condensed
                .keep(&stream.id, seen, &kept, cause, |queue| totals.queue_number(queue));
        }
        // A slot that stands in `settling` is not used again before it left it.
        if !settles {
            self.slots.release(at);
        }
    }
}

/// Ended before the horizon, and so did its after-call work, if any of it has a time.
fn ended_before(participant: &Participant, horizon: Moment) -> bool {
    participant.ended_at().is_some_and(|ended| ended < horizon)
        && participant.acw_ended.is_none_or(|ended| ended < horizon)
}

#[cfg(test)]
mod tests;
