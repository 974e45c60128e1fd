//! The joined state of a conversation in a few hundred bytes.
//!
//! In: `ConversationFacts` · Out: the same again, exactly · Thread: any (pure).
//!
//! Every distinct moment and id is kept once, in a table; fields are places in these tables. Each moment is the
//! difference from the one before, in as few bytes as it needs. Everything is in one block of memory that is read from
//! beginning to end: of a hundred thousand conversations hardly any is in the processor's cache when its event arrives.

use super::bytes::{Coded, put, put_signed, take, take_signed};
use crate::event::facts::{AfterCallWork, Communication, ConversationFacts, Participant, Stamped, Wrapups};
use crate::{Id, Moment};

/// A conversation's state, packed.
#[derive(Clone, Debug)]
pub(crate) struct Packed {
    /// Number of ids, the ids (the first is the conversation's); likewise the moments; likewise the participants. The
    /// rest is unused.
    bytes: Box<[u8]>,
}

/// Bytes of a cache line.
const LINE: usize = 64;

/// With more unused bytes the state moves to a smaller block.
const ROOM_AT_MOST: usize = 48;

/// So many of the newest entries of a table are searched for a value; with a dozen participants there are no more.
const SEARCHED_AT_MOST: usize = 128;

impl Packed {
    pub(crate) fn new(facts: &ConversationFacts) -> Self {
        Self::of(Writer::written(facts))
    }

    /// Replaces the state by another of the same conversation, in the same block if it fits.
    pub(crate) fn replace(&mut self, facts: &ConversationFacts) {
        let bytes = Writer::written(facts);
        match self.bytes.len().checked_sub(bytes.len()) {
            Some(..=ROOM_AT_MOST) => {
                // Most bytes, the ids, do not change; a cache line that is not written need not go back to memory.
                for (place, new) in self.bytes.chunks_mut(LINE).zip(bytes.chunks(LINE)) {
                    let place = &mut place[..new.len()];
                    if place != new {
                        place.copy_from_slice(new);
                    }
                }
            }
            _ => *self = Self::of(bytes),
        }
    }

    /// Reads a byte of every cache line: the loads run at the same time, while unpacking would wait for each in turn.
    pub(crate) fn fetch(&self) {
        let lines = self.bytes.iter().step_by(LINE).chain(self.bytes.last());
        std::hint::black_box(lines.fold(0, |all, byte| all ^ byte));
    }

    fn of(mut bytes: Vec<u8>) -> Self {
        // The allocator rounds up to this anyway.
        bytes.resize((bytes.len() + 7) / 16 * 16 + 8, 0);
        Self {
            bytes: bytes.into_boxed_slice(),
        }
    }

    /// Whether it is the state of this conversation.
    pub(crate) fn is_of(&self, id: &Id) -> bool {
        self.id() == *id
    }

    /// The conversation.
    pub(crate) fn id(&self) -> Id {
        let mut r = Reader::of(&self.bytes);
        r.number();
        r.whole_id()
    }

    /// The same facts again.
    pub(crate) fn unpack(&self) -> ConversationFacts {
        let mut r = Reader::of(&self.bytes);
        let ids = r.place();
        r.ids = (0..ids).map(|_| r.whole_id()).collect();
        r.table_of_moments();
        let len = r.number();
        let has_ended = r.number() != 0;
        ConversationFacts {
            id: r.ids.first().cloned().unwrap_or_else(|| Id::from_uuid(0, 0)),
            ended: r.moment_if(has_ended),
            participants: (0..len).map(|_| r.participant()).collect(),
        }
    }

    /// Bytes on the heap, without the allocator's own.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.bytes.len()
    }
}

struct Writer {
    ids: Vec<Id>,
    bytes: Vec<u8>,
    moments: Vec<Moment>,
}

impl Writer {
    fn written(facts: &ConversationFacts) -> Vec<u8> {
        let mut w = Self {
            ids: Vec::with_capacity(24),
            moments: Vec::with_capacity(32),
            bytes: Vec::with_capacity(256),
        };
        w.ids.push(facts.id.clone());
        w.number(facts.participants.len() as u64);
        w.number(u64::from(facts.ended.is_some()));
        w.moments(&[facts.ended]);
        for p in &facts.participants {
            w.participant(p);
        }
        let participants = std::mem::take(&mut w.bytes);
        // An id takes 17 bytes, a moment seldom more than 4.
        w.bytes = Vec::with_capacity(participants.len() + 17 * w.ids.len() + 6 * w.moments.len() + 16);
        w.table_of_ids();
        w.table_of_moments();
        w.bytes.extend_from_slice(&participants);
        w.bytes
    }

    fn number(&mut self, n: u64) {
        put(&mut self.bytes, n);
    }

    /// A UUID is written as a zero and its sixteen bytes, any other id as its length plus one and its text.
    fn table_of_ids(&mut self) {
        self.number(self.ids.len() as u64);
        for id in std::mem::take(&mut self.ids) {
            match id.as_uuid() {
                Some((high, low)) => {
                    self.bytes.push(0);
                    self.bytes.extend_from_slice(&high.to_le_bytes());
                    self.bytes.extend_from_slice(&low.to_le_bytes());
                }
                None => {
                    let text = id.to_string();
                    self.number(text.len() as u64 + 1);
                    self.bytes.extend_from_slice(text.as_bytes());
                }
            }
        }
    }

    fn table_of_moments(&mut self) {
        self.number(self.moments.len() as u64);
        let mut before = 0;
        for at in 0..self.moments.len() {
            let ms = self.moments[at].epoch_ms();
            put_signed(&mut self.bytes, ms - before);
            before = ms;
        }
    }

    fn moment(&mut self, moment: Moment) {
        let place = place_in_table(&mut self.moments, &moment);
        self.number(place as u64);
    }

    fn id(&mut self, id: &Id) {
        let place = place_in_table(&mut self.ids, id);
        self.number(place as u64);
    }

    fn moments(&mut self, moments: &[Option<Moment>]) {
        for moment in moments.iter().flatten() {
            self.moment(*moment);
        }
    }

    fn value<T: Coded>(&mut self, stamped: Option<Stamped<T>>) {
        if let Some(stamped) = stamped {
            self.moment(stamped.at);
            self.bytes.push(stamped.value.code());
        }
    }

    fn id_value(&mut self, stamped: Option<&Stamped<Id>>) {
        if let Some(stamped) = stamped {
            self.moment(stamped.at);
            self.id(&stamped.value);
        }
    }

    fn participant(&mut self, p: &Participant) {
        self.id(&p.id);
        self.number(bits(&[
            p.connected.is_some(),
            p.ended.is_some(),
            p.purpose.is_some(),
            p.queue.is_some(),
            p.user.is_some(),
            p.listens_in.is_some(),
            p.wrapup_expected.is_some(),
            p.wrapup_required.is_some(),
            !p.after_call_work.is_empty(),
            !p.wrapups.is_empty(),
        ]));
        self.moments(&[p.connected, p.ended]);
        self.value(p.purpose);
        self.id_value(p.queue.as_ref());
        self.id_value(p.user.as_ref());
        self.value(p.listens_in);
        self.value(p.wrapup_expected);
        self.value(p.wrapup_required);
        if !p.after_call_work.is_empty() {
            self.number(p.after_call_work.len() as u64);
            for work in &p.after_call_work {
                self.number(bits(&[work.started.is_some(), work.ended.is_some()]));
                self.moments(&[work.started, work.ended]);
            }
        }
        if !p.wrapups.is_empty() {
            let Wrapups { timed, untimed } = &p.wrapups;
            self.number((timed.len() as u64) << 1 | u64::from(untimed.is_some()));
            self.moments(&[*untimed]);
            timed.iter().for_each(|at| self.moment(*at));
        }
        self.number(p.communications.len() as u64);
        for m in &p.communications {
            self.communication(m);
        }
    }

    fn communication(&mut self, m: &Communication) {
        self.id(&m.id);
        self.bytes.push(m.kind.code());
        self.number(bits(&[
            m.connected.is_some(),
            m.disconnected.is_some(),
            m.state.is_some(),
            m.queue.is_some(),
            m.oldest_queue.is_some(),
            m.disconnect.is_some(),
            m.acw_state.is_some(),
            m.acw_required.is_some(),
            m.acw_started.is_some(),
            m.acw_ended.is_some(),
            m.scheduled.is_some(),
            m.hold_started.is_some(),
            m.hold_over.is_some(),
            m.wrapup_coded,
        ]));
        self.moments(&[
            m.connected,
            m.disconnected,
            m.acw_started,
            m.acw_ended,
            m.scheduled,
            m.hold_started,
            m.hold_over,
        ]);
        self.value(m.state);
        self.id_value(m.queue.as_ref());
        self.id_value(m.oldest_queue.as_ref());
        self.value(m.disconnect);
        self.value(m.acw_state);
        self.value(m.acw_required);
    }
}

/// Reads what [`Writer`] wrote.
struct Reader<'a> {
    bytes: &'a [u8],
    ids: Vec<Id>,
    moments: Vec<Moment>,
}

impl<'a> Reader<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            ids: Vec::new(),
            moments: Vec::new(),
        }
    }

    /// An id of the table.
    fn whole_id(&mut self) -> Id {
        match self.place() {
            0 => {
                let mut half = || {
                    let (half, rest) = self.bytes.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
                    self.bytes = rest;
                    u64::from_le_bytes(*half)
                };
                let (high, low) = (half(), half());
                Id::from_uuid(high, low)
            }
            len => {
                let (text, rest) = self.bytes.split_at(self.bytes.len().min(len - 1));
                self.bytes = rest;
                Id::new(std::str::from_utf8(text).unwrap_or_default())
            }
        }
    }

    fn number(&mut self) -> u64 {
        take(&mut self.bytes)
    }

    fn place(&mut self) -> usize {
        self.number() as usize
    }

    fn table_of_moments(&mut self) {
        let len = self.place();
        let mut ms = 0;
        self.moments = (0..len)
            .map(|_| {
                ms += take_signed(&mut self.bytes);
                Moment::from_epoch_ms(ms)
            })
            .collect();
    }

    fn moment(&mut self) -> Moment {
        let place = self.place();
        self.moments.get(place).copied().unwrap_or_default()
    }

    fn id(&mut self) -> Id {
        let place = self.place();
        self.ids
            .get(place)
            .or(self.ids.first())
            .cloned()
            .unwrap_or_else(|| Id::from_uuid(0, 0))
    }

    fn moment_if(&mut self, there: bool) -> Option<Moment> {
        there.then(|| self.moment())
    }

    /// `None` for a number that is no code, which is never written.
    fn code<T: Coded>(&mut self) -> Option<T> {
        u8::try_from(self.number()).ok().and_then(T::of_code)
    }

    fn value_if<T: Coded>(&mut self, there: bool) -> Option<Stamped<T>> {
        if !there {
            return None;
        }
        let at = self.moment();
        self.code().map(|value| Stamped { at, value })
    }

    fn id_value_if(&mut self, there: bool) -> Option<Stamped<Id>> {
        there.then(|| Stamped {
            at: self.moment(),
            value: self.id(),
        })
    }

    fn participant(&mut self) -> Participant {
        let id = self.id();
        let there = self.number();
        let is = |bit: u32| there & 1 << bit != 0;
        let (connected, ended) = (self.moment_if(is(0)), self.moment_if(is(1)));
        let purpose = self.value_if(is(2));
        let (queue, user) = (self.id_value_if(is(3)), self.id_value_if(is(4)));
        let listens_in = self.value_if(is(5));
        let wrapup_expected = self.value_if(is(6));
        let wrapup_required = self.value_if(is(7));
        let works = if is(8) { self.place() } else { 0 };
        let after_call_work = (0..works).map(|_| self.work()).collect();
        let wrapups = if is(9) { self.wrapups() } else { Wrapups::default() };
        let len = self.place();
        let mut communications = Vec::with_capacity(len);
        communications.extend((0..len).map_while(|_| self.communication()));
        Participant {
            id,
            connected,
            ended,
            after_call_work,
            purpose,
            queue,
            user,
            wrapup_expected,
            wrapup_required,
            wrapups,
            listens_in,
            communications,
        }
    }

    fn work(&mut self) -> AfterCallWork {
        let there = self.number();
        AfterCallWork {
            started: self.moment_if(there & 1 != 0),
            ended: self.moment_if(there & 2 != 0),
        }
    }

    fn wrapups(&mut self) -> Wrapups {
        let head = self.number();
        Wrapups {
            untimed: self.moment_if(head & 1 != 0),
            timed: (0..head >> 1).map(|_| self.moment()).collect(),
        }
    }

    fn communication(&mut self) -> Option<Communication> {
        let id = self.id();
        let kind = self.code()?;
        let there = self.number();
        let is = |bit: u32| there & 1 << bit != 0;
        Some(Communication {
            kind,
            id,
            connected: self.moment_if(is(0)),
            disconnected: self.moment_if(is(1)),
            acw_started: self.moment_if(is(8)),
            acw_ended: self.moment_if(is(9)),
            scheduled: self.moment_if(is(10)),
            hold_started: self.moment_if(is(11)),
            hold_over: self.moment_if(is(12)),
            state: self.value_if(is(2)),
            queue: self.id_value_if(is(3)),
            oldest_queue: self.id_value_if(is(4)),
            disconnect: self.value_if(is(5)),
            acw_state: self.value_if(is(6)),
            acw_required: self.value_if(is(7)),
            wrapup_coded: is(13),
        })
    }
}

/// Only the newest entries are searched: a value that is not found there is stored twice, which costs bytes only.
fn place_in_table<T: PartialEq + Clone>(table: &mut Vec<T>, value: &T) -> usize {
    let from = table.len().saturating_sub(SEARCHED_AT_MOST);
    match table[from..].iter().rposition(|known| known == value) {
        Some(place) => from + place,
        None => {
            table.push(value.clone());
            table.len() - 1
        }
    }
}

fn bits(flags: &[bool]) -> u64 {
    flags.iter().rev().fold(0, |bits, flag| bits << 1 | u64::from(*flag))
}

#[cfg(test)]
mod tests;
