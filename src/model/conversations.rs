//! All conversations that are remembered, and what they add to the numbers.
//!
//! In: facts, the time they are applied · Out: live numbers, totals, counts of the late and the evicted · Thread: any
//! (pure).
//!
//! The cost of an event does not depend on the number of conversations: what its own conversation means is computed before
//! and after the event is joined with it, and the numbers are changed by the difference.
//!
//! Two states are kept of a conversation: the join of what the stream said, and the join of what REST said, which fills
//! in what the first lacks. Few finished conversations are kept whole; the others are packed (`packed.rs`), and so is an
//! open one for which there is no room. A packed one takes every fact with the same result as a whole one: it is unpacked for
//! that.
//!
//! What may not be packed is in no list of `finished` and not the idlest: whatever is open, which includes after-call work that
//! goes on or is expected, and a visit without a verdict, as long as one of its participants is there; and a lost conversation that
//! time alone still changes.
//!
//! Time alone changes what a conversation counts for when after-call work is expected no longer; `changing` says when.

mod room;

use std::collections::BTreeSet;
use std::time::Duration;

use super::counts::{LiveSums, Sign};
use super::layers::{ended_holds, layered};
use super::live::{Live, QueueLive, differences};
use super::outcome::{Outcome, Reading};
use super::packed::Packed;
use super::queue_numbers::QueueNumbers;
use super::slots::{Slot, Slots};
use super::state::{Changed, State};
use super::stays::is_over;
use super::told::ConversationTold;
use super::totals::{QueueTotals, Totals};
use crate::event::facts::{ConversationFacts, MediaKind};
use crate::{Id, Moment};

/// Slots have numbers of 32 bits.
const CONVERSATIONS_AT_MOST: usize = u32::MAX as usize - 1;

/// Finished conversations that are kept whole at most (about 500 kB); the one with the oldest newest time is packed first.
const FINISHED_AT_MOST: usize = 512;

/// A finished conversation stays known for this long after it was forgotten: a late event does not bring it back, and if
/// it goes on, nothing is counted twice.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// The same for a conversation with an e-mail, message or callback: threads go on under the same id.
const REMEMBERED_THREADS: Duration = Duration::from_secs(31 * 24 * 3600);

/// How much is remembered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// A finished conversation is forgotten so long after its newest time.
    pub(crate) retention: Duration,
    /// Whole conversations at most.
    pub(crate) max_conversations: usize,
    /// Bytes of all conversations at most, packed ones, the numbers of queues and what is kept beside them included.
    pub(crate) max_bytes: usize,
}

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
    /// Conversations that time alone changes, by when.
    changing: BTreeSet<(Moment, u32)>,
    packed: Packed,
    queues: QueueNumbers,
    live: Live,
    totals: Totals,
    drift: u64,
    limits: Limits,
    finished_at_most: usize,
    /// Bytes of whole conversations, as an estimate.
    bytes: usize,
    /// Bytes that others take of what is allowed.
    bytes_beside: usize,
    evicted: u64,
    lost: u64,
    left_out: u32,
    /// What a conversation means before and after a change; here so that their memory is used again.
    before: Outcome,
    after: Outcome,
    reading: Reading,
}

impl Conversations {
    /// An empty store.
    #[must_use]
    pub(crate) fn new(limits: Limits, mut totals: Totals) -> Self {
        totals.set_max_bytes(limits.max_bytes / 2);
        Self {
            slots: Slots::default(),
            finished: BTreeSet::new(),
            changing: BTreeSet::new(),
            packed: Packed::default(),
            queues: QueueNumbers::default(),
            live: Live::default(),
            totals,
            drift: 0,
            limits: Limits {
                max_conversations: limits.max_conversations.clamp(1, CONVERSATIONS_AT_MOST),
                ..limits
            },
            finished_at_most: FINISHED_AT_MOST,
            bytes: 0,
            bytes_beside: 0,
            evicted: 0,
            lost: 0,
            left_out: 0,
            before: Outcome::default(),
            after: Outcome::default(),
            reading: Reading::default(),
        }
    }

    /// Joins `facts` of the stream with what is known of their conversation.
    ///
    /// They are late if their conversation is not remembered and all their participants ended (after-call work
    /// included) before `now` less the retention. A conversation that is remembered takes every fact, however old.
    pub(crate) fn apply(&mut self, facts: &impl ConversationTold, now: Moment) -> Taken {
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

    fn take(&mut self, facts: &impl ConversationTold, source: Source, now: Moment) -> Taken {
        self.forget(now);
        if facts.participants().len() == 0 {
            return Taken::Joined;
        }
        let slot = match self.slots.find(facts.id()) {
            Some(slot) => slot,
            None => {
                let horizon = now.minus(self.limits.retention);
                let newest = self.packed.newest(facts.id());
                let is_old = newest.is_none_or(|newest| newest < horizon);
                if source == Source::Stream && is_old && self.ended_before(facts, horizon, now) {
                    return Taken::Late;
                }
                if is_old && newest.is_some() && facts.newest() <= newest {
                    return Taken::Late;
                }
                match self.packed.take(facts.id()) {
                    Some(whole) => self.unpack(whole, now),
                    None => {
                        let slot = self.slots.insert(State::nothing_of(facts.id().clone()), None, now);
                        self.bytes += self.bytes_of(slot);
                        slot
                    }
                }
            }
        };
        self.learn_ids(slot, facts);
        self.join(slot, facts, source, now);
        self.slots.touch(slot, now);
        self.make_room(now);
        Taken::Joined
    }

    /// Lets time pass: counts what it decides, packs finished conversations with a newest time before `now` less the
    /// retention, forgets packed ones later; drops windows and days that are no longer kept.
    pub(crate) fn forget(&mut self, now: Moment) {
        self.totals.advance(now);
        while let Some(&(at, slot)) = self.changing.first()
            && at <= now
        {
            self.compute_again(slot, now);
        }
        let horizon = now.minus(self.limits.retention);
        while let Some(&(newest, slot)) = self.finished.first()
            && (newest < horizon || self.finished.len() > self.finished_at_most)
        {
            self.pack(slot);
        }
        self.packed
            .forget(horizon.minus(REMEMBERED), horizon.minus(REMEMBERED_THREADS));
    }

    /// REST does not know an open conversation any more: it leaves the live numbers until something is told of it again.
    pub(crate) fn lose(&mut self, id: &Id, now: Moment) {
        let Some(at) = self.slots.find(id) else { return };
        let slot = self.slots.slot(at);
        if slot.finished().is_some() || slot.is_lost() {
            return;
        }
        self.lost += 1;
        self.change(at, now, |_, slot, _| {
            slot.extra_mut().is_lost = true;
            Changed::Values
        });
    }

    /// How much was left out because it is beyond the limits of a conversation, since the last call.
    pub(crate) fn take_left_out(&mut self) -> u32 {
        std::mem::take(&mut self.left_out)
    }

    /// Conversations that REST did not know any more so far.
    #[must_use]
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    /// Whether anything is remembered of a conversation, packed ones included.
    #[must_use]
    pub(crate) fn remembers(&self, id: &Id) -> bool {
        self.slots.find(id).is_some() || self.packed.newest(id).is_some()
    }

    /// Number of packed conversations.
    #[cfg(any(test, feature = "internals"))]
    #[must_use]
    pub fn packed(&self) -> usize {
        self.packed.len()
    }

    /// From now on so many finished conversations are kept whole.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn keep_finished(&mut self, at_most: usize) {
        self.finished_at_most = at_most;
    }

    /// Times that differ between stream and REST: of each communication its connected and disconnected time, start and end
    /// of its after-call work, each counted once. A difference that later facts resolve is no longer counted; those of
    /// conversations that were forgotten remain.
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

    /// The joined state of a conversation, completed by REST, if it is remembered whole.
    #[cfg(test)]
    pub(crate) fn facts(&self, id: &Id) -> Option<ConversationFacts> {
        let at = self.slots.find(id)?;
        let mut facts = self.slots.state(at)?.facts(&self.queues);
        if let Some(rest) = self.slots.slot(at).rest() {
            super::overlay::overlay(&mut facts, &rest.facts(&self.queues));
        }
        Some(facts)
    }

    /// Bytes in memory, as an estimate.
    #[must_use]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes + self.packed.bytes() + self.totals.bytes() + self.bytes_beside
    }

    /// So many of the bytes that are allowed are taken by others.
    pub(crate) fn set_bytes_beside(&mut self, bytes: usize) {
        self.bytes_beside = bytes;
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

    /// The live numbers of a queue, if anything is going on in it.
    pub(crate) fn live_of(&self, queue: &Id) -> Option<&QueueLive> {
        self.live.queue(self.queues.known(queue)?)
    }

    /// Totals and windows of a queue, if anything was counted of it.
    pub(crate) fn totals_of(&self, queue: &Id) -> Option<&QueueTotals> {
        self.totals.queue(self.queues.known(queue)?)
    }

    /// Live numbers over the queues that `is_counted` accepts.
    pub(crate) fn live_sums(&self, mut is_counted: impl FnMut(&Id) -> bool) -> LiveSums {
        let counted = self.queues.all().filter(|(_, id)| is_counted(id));
        self.live.sums(counted.map(|(number, _)| number))
    }

    /// Queues in which anything is going on.
    pub(crate) fn live_queues(&self) -> impl Iterator<Item = &Id> {
        let live = self
            .queues
            .all()
            .filter(|(number, _)| self.live.queue(*number).is_some());
        live.map(|(_, id)| id)
    }

    /// Queues that have totals or windows now.
    pub(crate) fn counted_queues(&self) -> impl Iterator<Item = &Id> {
        let has_numbers = |number| self.totals.queue(number).is_some_and(|totals| !totals.is_empty());
        let counted = self.queues.all().filter(move |(number, _)| has_numbers(*number));
        counted.map(|(_, id)| id)
    }

    /// These queues are subscribed: they are counted, however many others events name.
    pub(crate) fn subscribe<'a>(&mut self, queues: impl IntoIterator<Item = &'a Id>) {
        self.queues.subscribe(queues);
    }

    /// Sets a queue's own threshold of the service level for a medium; see [`Totals::set_threshold`].
    pub(crate) fn set_threshold(&mut self, queue: &Id, media: MediaKind, threshold: Duration) {
        self.totals.set_threshold(self.queues.of(queue), media, threshold);
    }

    fn join(&mut self, at: u32, facts: &impl ConversationTold, source: Source, now: Moment) {
        let holds = match (source, self.slots.state(at)) {
            (Source::Stream, Some(state)) => ended_holds(&mut self.reading, state, facts, now),
            _ => Vec::new(),
        };
        let mut left_out = 0;
        self.change(at, now, |stream, slot, queues| {
            let changed = match source {
                Source::Stream => stream.join(facts, queues, &mut left_out),
                Source::Rest => {
                    let rest = &mut slot.extra_mut().rest;
                    let rest = rest.get_or_insert_with(|| Box::new(State::nothing_of(facts.id().clone())));
                    // With the other state even a stamp may decide.
                    rest.join(facts, queues, &mut left_out).of_values()
                }
            };
            if slot.is_lost() {
                slot.extra_mut().is_lost = false;
                return Changed::Values;
            }
            changed
        });
        self.left_out += left_out;
        for hold in holds {
            self.totals.hold(hold.queue, hold.media, hold.at, hold.millis);
        }
    }

    fn compute_again(&mut self, at: u32, now: Moment) {
        self.change(at, now, |_, _, _| Changed::Values);
    }

    /// What a conversation counts for. Returns how many times differ between stream and REST.
    fn judge(&mut self, at: u32, as_of: Moment, outcome: &mut Outcome) -> u64 {
        let Some(state) = self.slots.state(at) else { return 0 };
        let slot = self.slots.slot(at);
        let layers = (state, slot.rest());
        let differences = layered(&mut self.reading, &mut self.queues, layers, as_of, outcome);
        if slot.is_lost() {
            outcome.active = false;
            outcome.live.clear();
        }
        differences
    }

    /// Changes what is known of a conversation, and the numbers by the difference.
    fn change(
        &mut self,
        at: u32,
        now: Moment,
        change: impl FnOnce(&mut State, &mut Slot, &mut QueueNumbers) -> Changed,
    ) {
        let bytes_before = self.bytes_of(at);
        let (mut before, mut after) = (std::mem::take(&mut self.before), std::mem::take(&mut self.after));
        let differed = self.judge(at, self.slots.slot(at).computed, &mut before);
        let (state, slot) = self.slots.both_mut(at);
        let changed = match state {
            Some(state) => change(state, slot, &mut self.queues),
            None => Changed::Nothing,
        };
        let has_rest = slot.rest().is_some();
        // Stamps move the newest time of a finished conversation.
        if changed == Changed::Values || changed == Changed::Stamps && (has_rest || slot.finished().is_some()) {
            slot.computed = now;
            let differs = self.judge(at, now, &mut after);
            self.drift = (self.drift + differs).saturating_sub(differed);
            self.note_times(at, &after);
            self.replace(at, &before, &after);
        }
        self.bytes = self.bytes + self.bytes_of(at) - bytes_before;
        (self.before, self.after) = (before, after);
    }

    /// Moves a conversation in the lists by time.
    fn note_times(&mut self, at: u32, outcome: &Outcome) {
        let slot = self.slots.slot(at);
        // A lost one may still expect after-call work.
        let is_finished = outcome.finished || slot.is_lost() && outcome.changes_at.is_none();
        let finished = is_finished.then(|| self.newest(at));
        let changes_at = outcome.changes_at;
        let (was_finished, changed_at) = (slot.finished(), slot.changes_at());
        if (was_finished, changed_at) != (finished, changes_at) {
            let extra = self.slots.both_mut(at).1.extra_mut();
            (extra.finished, extra.changes_at) = (finished, changes_at);
            move_to(&mut self.finished, at, was_finished, finished);
            move_to(&mut self.changing, at, changed_at, changes_at);
        }
    }

    /// The newest time in a conversation, else when it was seen.
    fn newest(&self, at: u32) -> Moment {
        let slot = self.slots.slot(at);
        let of_stream = self.slots.state(at).and_then(State::newest);
        let of_rest = slot.rest().and_then(State::newest);
        of_stream.max(of_rest).unwrap_or(slot.seen)
    }

    /// Whether everything in these facts, after-call work included, ended before the horizon.
    fn ended_before(&mut self, facts: &impl ConversationTold, horizon: Moment, now: Moment) -> bool {
        let state = State::of(facts, &mut self.queues);
        self.reading.read(&state);
        let end = state.end();
        (0..state.participants.len()).all(|at| {
            let (told, stays) = (state.told(at), self.reading.stays_of(at));
            let ended = told
                .participant
                .ended
                .max(stays.iter().filter_map(|stay| stay.end).max());
            let work = stays.iter().filter_map(|stay| stay.after_call_work.ended).max();
            ended.is_some_and(|ended| ended < horizon)
                && work.is_none_or(|ended| ended < horizon)
                && is_over(told, stays, end, now)
        })
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
}

/// Moves a slot in a list by time.
fn move_to(list: &mut BTreeSet<(Moment, u32)>, at: u32, from: Option<Moment>, to: Option<Moment>) {
    if let Some(from) = from {
        list.remove(&(from, at));
    }
    if let Some(to) = to {
        list.insert((to, at));
    }
}

#[cfg(test)]
mod tests;
