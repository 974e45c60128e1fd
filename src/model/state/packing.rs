//! What is known of a conversation as two strings of bytes, and read again from them.
//!
//! In: states · Out: bytes, and the same states again · Thread: any (pure).
//!
//! The *shape* says how many participants and communications there are, their enums, and which times and queues are equal;
//! thousands of conversations share one, so it is kept once (`shapes.rs`). The *content* is what differs: times, queues and ids,
//! in the order in which they are met first. One walk over all fields writes both, and reads them.
//!
//! An id of a participant or communication is written in five bytes: its first two, which keep nearly every order of ids,
//! and three of a hash. That tells it from all others: where the ids of two participants or of two communications begin
//! alike, or one is no UUID, all are written whole. A state that was read has *short ids* in their place, until facts tell
//! the ids themselves; see [`learn_ids`].

use std::num::NonZeroU64;

use super::communication::MoreOfCommunication;
use super::participant::MoreOfParticipant;
use super::{CommunicationRow, ParticipantRow, State};
use crate::event::facts::{AfterCallWork, MediaKind};
use crate::model::bytes::{Coded, put, put_signed, take, take_signed};
use crate::model::queue_numbers::QueueNumber;
use crate::model::told::{CommunicationTold as _, ConversationTold, ParticipantTold as _};
use crate::{Id, Moment};

/// Times that a field may refer back to; a conversation rarely has more than twenty.
const REFERRED_AT_MOST: usize = 64;
/// Bytes of an id in its short form.
const SHORT_BYTES: usize = 5;
/// Of them, bits of the hash.
const HASH_BITS: u32 = 24;
/// The lower half of every short id. A UUID of the service has other bits for its variant.
const SHORT: NonZeroU64 = NonZeroU64::MIN.saturating_add(0x0073_686f_7274_6963);

/// All that is known of a conversation.
#[derive(Clone, Debug)]
pub(crate) struct Layers {
    /// What the stream said.
    pub(crate) stream: State,
    /// What REST said.
    pub(crate) rest: Option<Box<State>>,
}

/// How ids are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ids {
    Short,
    Whole,
}

/// Something that is done to each field in turn: it is written, or read.
trait Pass {
    /// A number of the shape; returns the one that is in force.
    fn number(&mut self, n: usize) -> usize;
    fn time(&mut self, at: &mut Option<Moment>);
    fn queue(&mut self, queue: &mut Option<QueueNumber>);
    fn id(&mut self, id: &mut Id);

    fn code<T: Coded>(&mut self, value: &mut Option<T>) {
        let code = self.number(value.map_or(0, |value| usize::from(value.code()) + 1));
        *value = code.checked_sub(1).and_then(|code| T::of_code(code as u8));
    }

    /// A part that few have; returns it, if it is there.
    fn part<'a, T: Default>(&mut self, part: &'a mut Option<T>) -> Option<&'a mut T> {
        (self.number(usize::from(part.is_some())) == 1).then(|| part.get_or_insert_default())
    }

    /// A list, each entry with `each`.
    fn list<T: Clone>(&mut self, list: &mut Vec<T>, blank: &T, mut each: impl FnMut(&mut Self, &mut T)) {
        let count = self.number(list.len());
        list.reserve_exact(count - list.len());
        list.resize(count, blank.clone());
        list.iter_mut().for_each(|entry| each(self, entry));
    }
}

fn layers(layers: &mut Layers, pass: &mut impl Pass) {
    state(&mut layers.stream, pass);
    let blank = || Box::new(State::nothing_of(blank_id()));
    if pass.number(usize::from(layers.rest.is_some())) == 1 {
        state(layers.rest.get_or_insert_with(blank), pass);
    }
}

fn state(state: &mut State, pass: &mut impl Pass) {
    pass.time(&mut state.ended);
    let mut first = 0;
    pass.list(
        &mut state.participants,
        &ParticipantRow::new(blank_id(), 0),
        |pass, row| {
            row.first = first;
            participant(row, pass);
            first += row.count;
        },
    );
    let blank = CommunicationRow::new(MediaKind::Other, blank_id());
    pass.list(&mut state.communications, &blank, |pass, row| communication(row, pass));
}

fn participant(row: &mut ParticipantRow, pass: &mut impl Pass) {
    pass.id(&mut row.id);
    row.count = pass.number(usize::from(row.count)) as u16;
    for at in [
        &mut row.connected,
        &mut row.ended,
        &mut row.stamp,
        &mut row.work.started,
        &mut row.work.ended,
        &mut row.wrapup,
    ] {
        pass.time(at);
    }
    pass.queue(&mut row.queue);
    pass.code(&mut row.purpose);
    for flag in [&mut row.wrapup_expected, &mut row.wrapup_required, &mut row.listens_in] {
        pass.code(flag);
    }
    if let Some(more) = pass.part(&mut row.more) {
        more_of_participant(more, pass);
    }
}

fn more_of_participant(more: &mut MoreOfParticipant, pass: &mut impl Pass) {
    if let Some(stamps) = pass.part(&mut more.stamps) {
        stamps.iter_mut().for_each(|at| pass.time(at));
    }
    let blank = AfterCallWork {
        started: None,
        ended: None,
    };
    pass.list(&mut more.work, &blank, |pass, work| {
        pass.time(&mut work.started);
        pass.time(&mut work.ended);
    });
    pass.list(&mut more.wrapups.timed, &Moment::default(), |pass, at| {
        let mut there = Some(*at);
        pass.time(&mut there);
        *at = there.unwrap_or_default();
    });
    pass.time(&mut more.wrapups.untimed);
}

fn communication(row: &mut CommunicationRow, pass: &mut impl Pass) {
    pass.id(&mut row.id);
    let mut kind = Some(row.kind);
    pass.code(&mut kind);
    row.kind = kind.unwrap_or(MediaKind::Other);
    for at in [
        &mut row.connected,
        &mut row.disconnected,
        &mut row.stamp,
        &mut row.queue_stamp,
        &mut row.oldest_queue_stamp,
        &mut row.acw_started,
        &mut row.acw_ended,
    ] {
        pass.time(at);
    }
    pass.queue(&mut row.queue);
    pass.queue(&mut row.oldest_queue);
    pass.code(&mut row.state);
    pass.code(&mut row.disconnect);
    pass.code(&mut row.acw_required);
    pass.code(&mut row.acw_state);
    row.wrapup_coded = pass.number(usize::from(row.wrapup_coded)) == 1;
    if let Some(more) = pass.part(&mut row.more) {
        more_of_communication(more, pass);
    }
}

fn more_of_communication(more: &mut MoreOfCommunication, pass: &mut impl Pass) {
    if let Some(stamps) = pass.part(&mut more.stamps) {
        stamps.iter_mut().for_each(|at| pass.time(at));
    }
    for at in [&mut more.scheduled, &mut more.hold_started, &mut more.hold_over] {
        pass.time(at);
    }
}

/// Writes states; its memory is used again.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) shape: Vec<u8>,
    pub(crate) content: Vec<u8>,
    ids: Ids,
    times: Vec<Moment>,
    queues: Vec<QueueNumber>,
    last: Moment,
    /// Kind and begin of each id, with the id itself.
    begins: Vec<(u64, u64, u64)>,
}

impl Default for Writer {
    fn default() -> Self {
        Self {
            shape: Vec::new(),
            content: Vec::new(),
            ids: Ids::Short,
            times: Vec::new(),
            queues: Vec::new(),
            last: Moment::default(),
            begins: Vec::new(),
        }
    }
}

impl Writer {
    /// Writes shape and content, with times relative to `base`, and says how it wrote ids.
    pub(crate) fn write(&mut self, whole: &mut Layers, base: Moment) -> Ids {
        self.shape.clear();
        self.content.clear();
        self.times.clear();
        self.queues.clear();
        self.last = base;
        self.ids = self.form_of(whole);
        layers(whole, self);
        self.ids
    }

    /// Short, if all ids are UUIDs, and those of participants begin differently, and those of communications, too.
    fn form_of(&mut self, whole: &Layers) -> Ids {
        self.begins.clear();
        for state in [Some(&whole.stream), whole.rest.as_deref()].into_iter().flatten() {
            let participants = state.participants.iter().map(|row| &row.id);
            for id in participants.chain(state.communications.iter().map(|row| &row.id)) {
                let Some((high, low)) = id.as_uuid() else {
                    return Ids::Whole;
                };
                self.begins.push((begin(high), high, low));
            }
        }
        self.begins.sort_unstable();
        let is_alike = |pair: &[(u64, u64, u64)]| pair[0].0 == pair[1].0 && pair[0] != pair[1];
        match self.begins.windows(2).any(is_alike) {
            true => Ids::Whole,
            false => Ids::Short,
        }
    }
}

impl Pass for Writer {
    fn number(&mut self, n: usize) -> usize {
        put(&mut self.shape, n as u64);
        n
    }

    fn time(&mut self, at: &mut Option<Moment>) {
        let Some(at) = *at else {
            self.shape.push(0);
            return;
        };
        let known = self.times.iter().take(REFERRED_AT_MOST).position(|known| *known == at);
        let place = known.unwrap_or(self.times.len());
        put(&mut self.shape, place as u64 + 1);
        if known.is_none() {
            put_signed(&mut self.content, at.millis_since(self.last));
            self.times.push(at);
            self.last = at;
        }
    }

    fn queue(&mut self, queue: &mut Option<QueueNumber>) {
        let Some(queue) = *queue else {
            self.shape.push(0);
            return;
        };
        let known = self.queues.iter().position(|known| *known == queue);
        let place = known.unwrap_or(self.queues.len());
        put(&mut self.shape, place as u64 + 1);
        if known.is_none() {
            put(&mut self.content, queue.code());
            self.queues.push(queue);
        }
    }

    fn id(&mut self, id: &mut Id) {
        match (self.ids, id.as_uuid()) {
            (Ids::Short, Some(id)) => {
                let bytes = short_of(id).to_le_bytes();
                self.content.extend_from_slice(&bytes[..SHORT_BYTES]);
            }
            (_, Some((high, low))) => {
                self.content.push(0);
                self.content.extend_from_slice(&high.to_le_bytes());
                self.content.extend_from_slice(&low.to_le_bytes());
            }
            (_, None) => {
                let text = id.to_string();
                put(&mut self.content, text.len() as u64 + 1);
                self.content.extend_from_slice(text.as_bytes());
            }
        }
    }
}

/// Reads states from what a [`Writer`] wrote.
struct Reader<'s, 'a> {
    shape: &'s [u8],
    content: &'a [u8],
    ids: Ids,
    times: Vec<Moment>,
    queues: Vec<QueueNumber>,
    last: Moment,
}

/// What is known of the conversation of this id, with times relative to `base`; and the bytes behind the content.
pub(crate) fn read<'a>(id: Id, (shape, content): (&[u8], &'a [u8]), ids: Ids, base: Moment) -> (Layers, &'a [u8]) {
    let mut whole = Layers {
        stream: State::nothing_of(id.clone()),
        rest: None,
    };
    let mut reader = Reader {
        shape,
        content,
        ids,
        times: Vec::new(),
        queues: Vec::new(),
        last: base,
    };
    layers(&mut whole, &mut reader);
    if let Some(rest) = &mut whole.rest {
        rest.id = id;
    }
    (whole, reader.content)
}

impl Reader<'_, '_> {
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        // What is read here was written here, so no byte is missing.
        let (bytes, rest) = self.content.split_first_chunk().unwrap_or((&[0; N], &[]));
        self.content = rest;
        *bytes
    }
}

impl Pass for Reader<'_, '_> {
    fn number(&mut self, _: usize) -> usize {
        take(&mut self.shape) as usize
    }

    fn time(&mut self, at: &mut Option<Moment>) {
        let place = (take(&mut self.shape) as usize).checked_sub(1);
        *at = place.map(|place| {
            if let Some(known) = self.times.get(place) {
                return *known;
            }
            let ms = self.last.epoch_ms() + take_signed(&mut self.content);
            self.last = Moment::from_epoch_ms(ms);
            self.times.push(self.last);
            self.last
        });
    }

    fn queue(&mut self, queue: &mut Option<QueueNumber>) {
        let place = (take(&mut self.shape) as usize).checked_sub(1);
        *queue = place.and_then(|place| {
            if self.queues.len() <= place {
                self.queues.push(QueueNumber::of_code(take(&mut self.content))?);
            }
            self.queues.get(place).copied()
        });
    }

    fn id(&mut self, id: &mut Id) {
        if self.ids == Ids::Short {
            let mut bytes = [0; 8];
            bytes[..SHORT_BYTES].copy_from_slice(&self.bytes::<SHORT_BYTES>());
            *id = Id::of_uuid(u64::from_le_bytes(bytes) << (64 - 8 * SHORT_BYTES), SHORT);
            return;
        }
        *id = match (take(&mut self.content) as usize).checked_sub(1) {
            Some(len) => {
                let (text, rest) = self.content.split_at(len.min(self.content.len()));
                self.content = rest;
                Id::new(&String::from_utf8_lossy(text))
            }
            None => {
                let high = u64::from_le_bytes(self.bytes());
                let low = NonZeroU64::new(u64::from_le_bytes(self.bytes()));
                Id::of_uuid(high, low.unwrap_or(NonZeroU64::MIN))
            }
        };
    }
}

/// Puts the ids that facts tell in the place of short ones. Returns whether short ones are left.
pub(crate) fn learn_ids(state: &mut State, facts: &impl ConversationTold) -> bool {
    for told in facts.participants() {
        let is_told = |row: &ParticipantRow| stands_for(&row.id, told.id());
        let Some(at) = state.participants.iter().position(is_told) else {
            continue;
        };
        state.participants[at].id.clone_from(told.id());
        let own = state.range(at);
        for told in told.communications() {
            let is_told = |row: &&mut CommunicationRow| row.kind == told.kind() && stands_for(&row.id, told.id());
            if let Some(row) = state.communications[own.clone()].iter_mut().find(is_told) {
                row.id.clone_from(told.id());
            }
        }
    }
    has_short_ids(state)
}

/// Whether facts have not told the ids of all its participants and communications since it was read.
pub(crate) fn has_short_ids(state: &State) -> bool {
    let participants = state.participants.iter().map(|row| &row.id);
    let mut ids = participants.chain(state.communications.iter().map(|row| &row.id));
    ids.any(|id| matches!(id.as_uuid(), Some((_, low)) if low == SHORT.get()))
}

/// Whether the first id is the second, or its short form.
fn stands_for(known: &Id, told: &Id) -> bool {
    match (known.as_uuid(), told.as_uuid()) {
        (Some(short), Some(id)) if short.1 == SHORT.get() => short_of(id) == short_of(short),
        _ => known == told,
    }
}

/// The first two bytes of an id, and three of its hash. That of a short id is its own.
fn short_of((high, low): (u64, u64)) -> u64 {
    /// 2^64 divided by the golden ratio: an odd number whose bits have no pattern.
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    if low == SHORT.get() {
        return high >> (64 - 8 * SHORT_BYTES);
    }
    let mixed = (high.wrapping_mul(SPREAD).rotate_left(23) ^ low).wrapping_mul(SPREAD);
    begin(high) << HASH_BITS | mixed >> (64 - HASH_BITS)
}

/// The first two bytes.
fn begin(high: u64) -> u64 {
    high >> 48
}

fn blank_id() -> Id {
    Id::of_uuid(0, SHORT)
}

#[cfg(test)]
mod tests;
