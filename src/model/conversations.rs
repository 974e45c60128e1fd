//! All conversations that are remembered, and what they add to the numbers.
//!
//! In: facts, the time they are applied · Out: live numbers, totals, counts of the late and the evicted · Thread: any
//! (pure).
//!
//! The cost of an event does not depend on the number of conversations: its own conversation is unpacked and joined with
//! the event, what it means is computed before and after, and the numbers are changed by the difference.
//!
//! Two states are kept of a conversation: the join of what the stream said, and the join of what REST said, which fills
//! in what the first lacks. A finished conversation without an event for ten minutes is condensed to what it was counted
//! for, and so is an evicted one. A later event of a condensed conversation counts unless its newest time was known
//! already: earlier counts stand, an agent who was handled later than was known is counted at the later time, and new
//! participants count. One thing is inexact: an older fact that arrives for the first time after its conversation was
//! condensed is lost.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::condensed::{Cause, Condensed, Kept};
use super::counts::Sign;
use super::layers::{Layered, count_hold, held};
use super::live::{Live, differences};
use super::outcome::Outcome;
use super::packed::Packed;
use super::slots::{Extra, Slot, Slots};
use super::totals::Totals;
use crate::event::facts::{ConversationFacts, Participant};
use crate::{Id, Moment};

/// A finished conversation is kept whole for this long after its last event: late and repeated events of a reconnect or
/// of a repair (which asks again after 300 s) arrive within it.
const SETTLE: Duration = Duration::from_secs(600);

/// Slots have numbers of 32 bits.
const CONVERSATIONS_AT_MOST: usize = u32::MAX as usize - 1;

/// Participants of one conversation at most; real ones have some dozens. Further ones are not taken, so that one
/// conversation can neither fill the memory nor make its events slow.
const PARTICIPANTS_AT_MOST: usize = 2_000;

/// What a finished conversation was counted for stays known for this long after it was forgotten, if there is room: a
/// late event does not bring it back, and if it goes on, nothing is counted twice.
const REMEMBERED_COUNTS: Duration = Duration::from_secs(24 * 3600);

/// As many condensed conversations are kept as whole ones may be, and at least this many: a few dozen kilobytes.
const CONDENSED_AT_LEAST: usize = 1_000;

/// What was done with an event's facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Joined with what was known.
    Joined,
    /// Not applied: its conversation is already forgotten.
    Late,
}

/// Where facts came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Stream,
    Rest,
}

/// The store of conversations.
#[derive(Debug)]
pub struct Conversations {
    slots: Slots,
    /// Finished conversations by their newest time.
    finished: BTreeSet<(Moment, u32)>,
    /// Finished ones in the order in which they are condensed unless an event arrives: when, which slot.
    settling: VecDeque<(Moment, u32)>,
    condensed: Condensed,
    live: Live,
    totals: Totals,
    drift: u64,
    lost: u64,
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
            lost: 0,
            retention,
            max_conversations: max_conversations.clamp(1, CONVERSATIONS_AT_MOST),
            evicted: 0,
        }
    }

    /// Joins `facts` of the stream with what is known of their conversation.
    ///
    /// They are late if their conversation is not remembered and all their participants ended (after-call work
    /// included) before `now` less the retention. A conversation that is remembered takes every fact, however old.
    pub(crate) fn apply(&mut self, facts: &ConversationFacts, now: Moment) -> Taken {
        self.take(facts, Source::Stream, now)
    }

    /// Joins `facts` of REST with what REST said of their conversation; they are never late.
    pub(crate) fn apply_rest(&mut self, facts: &ConversationFacts, now: Moment) {
        self.take(facts, Source::Rest, now);
    }

    /// Reads what [`apply`](Self::apply) will need of a conversation, so that it is in the processor's cache by then.
    pub(crate) fn fetch(&self, id: &Id) {
        self.slots.fetch(id);
    }

    fn take(&mut self, facts: &ConversationFacts, source: Source, now: Moment) -> Taken {
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
                if source == Source::Stream && is_old && facts.participants.iter().all(|p| ended_before(p, horizon)) {
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
        self.join(slot, facts, source, now);
        self.slots.touch(slot, now);
        self.make_room(now);
        Taken::Joined
    }

    /// Condenses finished conversations without an event for ten minutes or with a newest time before `now` less the
    /// retention; forgets condensed ones a day later; drops windows and days that are no longer kept.
    pub(crate) fn forget(&mut self, now: Moment) {
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
        self.condensed.forget(horizon.minus(REMEMBERED_COUNTS));
    }

    /// Whether anything is remembered of a conversation, condensed ones included.
    #[must_use]
    pub(crate) fn remembers(&self, id: &Id) -> bool {
        self.slots.find(id).is_some() || self.condensed.newest(id).is_some()
    }

    /// Number of conversations of which only what they were counted for is known.
    #[cfg(any(test, feature = "internals"))]
    #[must_use]
    pub fn condensed(&self) -> usize {
        self.condensed.len()
    }

    /// Times that differ between stream and REST: per participant its connected and end time, start and end of its
    /// after-call work, each counted once. A difference that later facts resolve is no longer counted; those of condensed
    /// conversations remain.
    #[must_use]
    pub(crate) fn drift(&self) -> u64 {
        self.drift
    }

    /// Number of whole conversations in memory, finished ones included.
    #[cfg(any(test, feature = "internals"))]
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether no whole conversation is in memory.
    #[cfg(any(test, feature = "internals"))]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.len() == 0
    }

    /// Conversations forgotten for lack of room so far.
    #[must_use]
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// REST does not know this open conversation: it leaves the live numbers.
    pub(crate) fn lose(&mut self, id: &Id) {
        if let Some(at) = self.slots.find(id) {
            self.condense(at, Cause::Evicted);
            self.lost += 1;
        }
    }

    /// Conversations that left the live numbers because REST does not know them.
    #[must_use]
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    /// The joined state of a conversation, completed by REST, if it is remembered whole.
    #[cfg(test)]
    pub(crate) fn facts(&self, id: &Id) -> Option<ConversationFacts> {
        let at = self.slots.find(id)?;
        let mut facts = self.slots.packed(at)?.unpack();
        if let Some(rest) = self.slots.slot(at).rest() {
            super::overlay::overlay(&mut facts, &rest.unpack());
        }
        Some(facts)
    }

    /// Whole conversations that are not finished, in no order; a repair asks for them.
    pub(crate) fn open(&self) -> impl Iterator<Item = Id> {
        self.slots.open()
    }

    /// Open conversations whose last event came before `before`, the longest idle first, `at_most` of them.
    #[must_use]
    pub(crate) fn idle_since(&self, before: Moment, at_most: usize) -> Vec<Id> {
        self.slots.idle_since(before, at_most)
    }

    /// The live numbers.
    pub(crate) fn live(&self) -> &Live {
        &self.live
    }

    /// Totals and windows.
    pub(crate) fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Totals and windows, to set thresholds.
    pub(crate) fn totals_mut(&mut self) -> &mut Totals {
        &mut self.totals
    }

    fn join(&mut self, at: u32, facts: &ConversationFacts, source: Source, now: Moment) {
        let (of_stream, slot) = self.slots.both_mut(at);
        let Some(packed) = of_stream else { return };
        let stream = packed.unpack();
        let rest = slot.rest().map(Packed::unpack);
        let before = Layered::of(&stream, rest.as_ref(), slot.settled());
        let on_hold = match source {
            Source::Stream => held(&stream),
            Source::Rest => Vec::new(),
        };

        let (mut stream, mut rest) = (stream, rest);
        let joined = match source {
            Source::Stream => &mut stream,
            Source::Rest => rest.get_or_insert_with(|| ConversationFacts::nothing_of(facts.id.clone())),
        };
        if !joined.join_from(facts) {
            return;
        }
        joined.participants.truncate(PARTICIPANTS_AT_MOST);
        let packed = match source {
            Source::Stream => of_stream,
            Source::Rest => &mut slot.extra_mut().rest,
        };
        match packed {
            Some(packed) => packed.replace(joined),
            None => *packed = Some(Packed::new(joined)),
        }
        for (participant, communication) in on_hold {
            count_hold(&mut self.totals, &stream.participants[participant], communication, now);
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
            slot.extra_mut().finished = finished;
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

    /// Takes a slot out of `settling`. Returns whether it still holds a finished conversation.
    fn leaves_settling(&mut self, at: u32) -> bool {
        let (packed, slot) = self.slots.both_mut(at);
        slot.settles = false;
        let (is_free, is_finished) = (packed.is_none(), slot.finished().is_some());
        if is_free {
            self.slots.release(at);
        }
        is_finished
    }

    /// Condenses finished conversations first, which loses no count, then the longest idle.
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

    /// Keeps only what a conversation was counted for, and takes it out of the live numbers.
    fn condense(&mut self, at: u32, cause: Cause) {
        let Slot { seen, settles, .. } = *self.slots.slot(at);
        if let Some((
            packed,
            Extra {
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
        // A slot that is still in `settling` is released when it leaves it.
        if !settles {
            self.slots.release(at);
        }
    }
}

/// Whether it ended before the horizon, and so did its after-call work, if that has a time.
fn ended_before(participant: &Participant, horizon: Moment) -> bool {
    participant.ended_at().is_some_and(|ended| ended < horizon)
        && participant.acw_ended.is_none_or(|ended| ended < horizon)
}

#[cfg(test)]
mod tests;
