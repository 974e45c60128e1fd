//! Room for conversations: which are whole and which are packed, within bytes and number.
//!
//! In: the store after a change · Out: the same within its limits · Thread: any (pure).

use super::{Conversations, move_to};
use crate::Moment;
use crate::model::outcome::Outcome;
use crate::model::packed::Whole;
use crate::model::slots::{Extra, Slot};
use crate::model::state::State;
use crate::model::state::packing::{Layers, has_short_ids, learn_ids};
use crate::model::told::ConversationTold;

/// Estimated bytes of a whole conversation beside its state: slot, entry of the index, entries in the lists by time.
pub(super) const SLOT_BYTES: usize = size_of::<Slot>() + size_of::<Option<State>>() + 48;

impl Conversations {
    /// Bytes of a whole conversation, as an estimate.
    pub(super) fn bytes_of(&self, at: u32) -> usize {
        let state = self.slots.state(at).map_or(0, State::heap_bytes);
        SLOT_BYTES + state + self.slots.slot(at).heap_bytes()
    }

    /// Packs finished conversations first, then drops what was packed first, then packs the longest idle.
    pub(super) fn make_room(&mut self, now: Moment) {
        loop {
            let is_full = self.slots.len() > self.limits.max_conversations;
            let is_large = self.bytes() > self.limits.max_bytes || self.packed.is_full();
            if !is_full && !is_large {
                return;
            }
            if let Some(&(_, at)) = self.finished.first() {
                self.pack(at);
                continue;
            }
            let forgotten = now.minus(self.limits.retention);
            if !is_full && let Some(evicted) = self.packed.drop_some(forgotten) {
                self.evicted += evicted;
                continue;
            }
            // The conversation whose event came last stays, however large it is.
            if self.slots.len() <= 1 {
                return;
            }
            let Some(at) = self.slots.idlest() else { return };
            self.pack(at);
            self.evicted += 1;
        }
    }

    /// Packs a conversation, and takes it out of the live numbers if it is not finished. What it was counted for stays counted.
    pub(super) fn pack(&mut self, at: u32) {
        self.bytes -= self.bytes_of(at);
        let slot = self.slots.slot(at);
        let (seen, computed, finished) = (slot.seen, slot.computed, slot.finished());
        let newest = finished.unwrap_or_else(|| self.newest(at));
        if finished.is_none() {
            let mut outcome = std::mem::take(&mut self.before);
            self.judge(at, computed, &mut outcome);
            self.live.replace(at, &outcome, &Outcome::default());
            self.before = outcome;
        }
        let Some((stream, extra)) = self.slots.take(at) else {
            return;
        };
        move_to(&mut self.finished, at, finished, None);
        move_to(&mut self.changing, at, extra.changes_at, None);
        self.packed.keep(Whole {
            layers: Layers {
                stream,
                rest: extra.rest,
            },
            is_lost: extra.is_lost,
            newest,
            seen: seen.max(computed),
            evicted: finished.is_none().then_some(computed),
        });
    }

    /// Gives a packed conversation a slot, and what it means its place in the live numbers again.
    pub(super) fn unpack(&mut self, whole: Whole, now: Moment) -> u32 {
        let Whole { layers, is_lost, .. } = whole;
        let has_short_ids = has_short_ids(&layers.stream) || layers.rest.as_deref().is_some_and(has_short_ids);
        let extra = Extra {
            rest: layers.rest,
            is_lost,
            has_short_ids,
            ..Extra::default()
        };
        let at = self.slots.insert(layers.stream, Some(Box::new(extra)), now);
        // Time does not change what a finished one means, once it is seen.
        let computed = whole.evicted.unwrap_or(whole.seen);
        self.slots.both_mut(at).1.computed = computed;
        self.bytes += self.bytes_of(at);
        let mut outcome = std::mem::take(&mut self.before);
        self.judge(at, computed, &mut outcome);
        self.live.replace(at, &Outcome::default(), &outcome);
        self.note_times(at, &outcome);
        self.before = outcome;
        at
    }

    /// Facts tell the ids of which a conversation that was packed knows only the short form.
    pub(super) fn learn_ids(&mut self, at: u32, facts: &impl ConversationTold) {
        if !self.slots.slot(at).has_short_ids() {
            return;
        }
        if let (Some(state), slot) = self.slots.both_mut(at) {
            let extra = slot.extra_mut();
            let of_stream = learn_ids(state, facts);
            let of_rest = extra.rest.as_mut().is_some_and(|rest| learn_ids(rest, facts));
            extra.has_short_ids = of_stream || of_rest;
        }
    }
}
