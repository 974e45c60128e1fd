//! What is left of conversations that are over: what they were counted for, in a few dozen bytes each.
//!
//! In: an id, its newest time, its counts · Out: the same again · Thread: any (pure).
//!
//! Entries are appended to chunks of bytes and found by the 64-bit hash of their id: that any two of a million
//! conversations have the same hash has a probability of 1 in 30 million. Chunks are dropped whole, the oldest first.
//! Participants are distinguished by 32 bits of their ids' hashes.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::bytes::{Coded, put, put_signed, take, take_signed};
use super::counts::CountKind;
use super::outcome::Count;
use super::queue_numbers::QueueNumber;
use crate::event::facts::MediaKind;
use crate::{Id, Moment};

/// A chunk with this many bytes is full.
const CHUNK_BYTES: usize = 1 << 16;
/// Bits of a position for the offset in its chunk; the bits above are the number of the chunk and, in the lowest of them,
/// the [`Lifetime`].
const OFFSET_BITS: u32 = 24;
/// Estimated bytes of an entry of the index, its free places included.
const INDEX_ENTRY_BYTES: usize = 24;

/// The first byte of a count: its kind and three flags.
const KIND: u8 = (1 << 5) - 1;
/// It has milliseconds.
const HAS_MILLIS: u8 = 1 << 5;
/// It is about the same stay, queue and medium as the one before.
const SAME_STAY: u8 = 1 << 6;
/// It happened at the same moment as the one before.
const SAME_MOMENT: u8 = 1 << 7;
const _: () = assert!(CountKind::ALL.len() <= KIND as usize + 1);

/// What was kept of one conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The newest time that was in it.
    pub(crate) newest: Moment,
    /// What it was counted for.
    pub(crate) counts: Vec<Count>,
}

/// Why a conversation was condensed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It is over.
    Finished,
    /// There was no room for more conversations.
    Evicted,
}

/// How long a condensed conversation is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// A day.
    Day,
    /// 31 days: it has an e-mail, message or callback, whose threads go on under the same id.
    Month,
}

/// All condensed conversations.
#[derive(Debug, Default)]
pub(crate) struct Condensed {
    index: HashMap<u64, u64>,
    /// By [`Lifetime`].
    logs: [Log; 2],
    bytes: usize,
}

/// Chunks in the order in which they were begun.
#[derive(Debug, Default)]
struct Log {
    chunks: VecDeque<Chunk>,
    /// The number of the first chunk in `chunks`.
    first: u64,
}

#[derive(Debug)]
struct Chunk {
    bytes: Vec<u8>,
    /// The latest moment at which one of its conversations was seen.
    seen: Moment,
}

impl Condensed {
    /// Keeps a conversation that was last seen at `seen`.
    pub(crate) fn keep(&mut self, id: &Id, seen: Moment, kept: &Kept, (cause, lifetime): (Cause, Lifetime)) {
        let hash = hash_of(id);
        let Log { chunks, first } = &mut self.logs[lifetime as usize];
        if chunks.back().is_none_or(|chunk| chunk.bytes.len() >= CHUNK_BYTES) {
            if let Some(full) = chunks.back_mut() {
                full.bytes.shrink_to_fit();
            }
            chunks.push_back(Chunk {
                bytes: Vec::new(),
                seen,
            });
        }
        let last = *first + chunks.len() as u64 - 1;
        let Some(chunk) = chunks.back_mut() else { return };
        let offset = chunk.bytes.len() as u64;
        let mut entry = Vec::with_capacity(64);
        write(&mut entry, kept);
        chunk.bytes.extend_from_slice(&hash.to_le_bytes());
        put(
            &mut chunk.bytes,
            (entry.len() as u64) << 1 | u64::from(cause == Cause::Evicted),
        );
        chunk.bytes.extend_from_slice(&entry);
        chunk.seen = chunk.seen.max(seen);
        self.bytes += chunk.bytes.len() - offset as usize;
        self.index.insert(hash, position(last, lifetime as u64, offset));
    }

    /// The newest time of a conversation that is kept.
    pub(crate) fn newest(&self, id: &Id) -> Option<Moment> {
        let mut bytes = self.entry(self.index.get(&hash_of(id)).copied()?)?;
        Some(Moment::from_epoch_ms(take_signed(&mut bytes)))
    }

    /// Gives a conversation back.
    pub(crate) fn take(&mut self, id: &Id) -> Option<Kept> {
        let at = self.index.remove(&hash_of(id))?;
        self.entry(at).map(read)
    }

    /// Forgets the chunks of which all conversations were last seen before the horizon of their lifetime.
    pub(crate) fn forget(&mut self, day: Moment, month: Moment) {
        for (log, horizon) in [(0, day), (1, month)] {
            while self.logs[log].chunks.front().is_some_and(|chunk| chunk.seen < horizon) {
                self.drop_oldest(log);
            }
        }
    }

    /// Drops the chunk that was begun first. Returns how many finished conversations in it were seen at `forgotten` or
    /// later; older ones are due anyway, and evicted ones were counted as evicted already. `None` if there is no chunk.
    pub(crate) fn drop_some(&mut self, forgotten: Moment) -> Option<u64> {
        let oldest = |log: &usize| self.logs[*log].chunks.front().map(|chunk| chunk.seen);
        let log = (0..self.logs.len())
            .filter(|log| oldest(log).is_some())
            .min_by_key(oldest)?;
        let counts = oldest(&log) >= Some(forgotten);
        let finished = self.drop_oldest(log);
        Some(if counts { finished } else { 0 })
    }

    /// Bytes in memory, as an estimate.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes + self.index.len() * INDEX_ENTRY_BYTES
    }

    #[cfg(any(test, feature = "internals"))]
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Returns how many finished ones were dropped.
    fn drop_oldest(&mut self, log: usize) -> u64 {
        let mut finished = 0;
        let Log { chunks, first } = &mut self.logs[log];
        let Some(chunk) = chunks.pop_front() else { return 0 };
        let number = *first;
        *first += 1;
        self.bytes -= chunk.bytes.len();
        let mut offset = 0;
        while let Some((head, mut rest)) = chunk.bytes.get(offset..).and_then(|b| b.split_first_chunk::<8>()) {
            let hash = u64::from_le_bytes(*head);
            let head = take(&mut rest);
            if self.index.get(&hash) == Some(&position(number, log as u64, offset as u64)) {
                self.index.remove(&hash);
                finished += u64::from(head & 1 == 0);
            }
            offset = chunk.bytes.len() - rest.len() + (head >> 1) as usize;
        }
        if self.index.capacity() > 4 * self.index.len() + 1024 {
            self.index.shrink_to(2 * self.index.len());
        }
        finished
    }

    /// The bytes of an entry after its hash and length.
    fn entry(&self, position: u64) -> Option<&[u8]> {
        let number = position >> OFFSET_BITS;
        let log = self.logs.get((number & 1) as usize)?;
        let chunk = (number >> 1).checked_sub(log.first)?;
        let offset = (position & ((1 << OFFSET_BITS) - 1)) as usize + 8;
        let mut bytes = log.chunks.get(usize::try_from(chunk).ok()?)?.bytes.get(offset..)?;
        let len = (take(&mut bytes) >> 1) as usize;
        bytes.get(..len)
    }
}

fn position(chunk: u64, log: u64, offset: u64) -> u64 {
    (chunk << 1 | log) << OFFSET_BITS | offset
}

fn hash_of(id: &Id) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

fn write(to: &mut Vec<u8>, kept: &Kept) {
    put_signed(to, kept.newest.epoch_ms());
    let mut before: Option<&Count> = None;
    for count in &kept.counts {
        let is_same = |b: &Count| {
            (b.participant, b.stay, b.media) == (count.participant, count.stay, count.media) && b.queue == count.queue
        };
        let same_stay = before.is_some_and(is_same);
        let same_moment = before.is_some_and(|b| b.at == count.at);
        let mut head = count.kind as u8;
        head |= if count.millis > 0 { HAS_MILLIS } else { 0 };
        head |= if same_stay { SAME_STAY } else { 0 };
        head |= if same_moment { SAME_MOMENT } else { 0 };
        to.push(head);
        if !same_stay {
            to.extend_from_slice(&count.participant.to_le_bytes());
            put(to, count.queue.code());
            to.push(count.media.code());
            put_signed(to, kept.newest.millis_since(count.stay));
        }
        if !same_moment {
            put_signed(to, kept.newest.millis_since(count.at));
        }
        if count.millis > 0 {
            put(to, count.millis);
        }
        before = Some(count);
    }
}

/// Reads what [`write`] wrote.
fn read(mut bytes: &[u8]) -> Kept {
    let newest = Moment::from_epoch_ms(take_signed(&mut bytes));
    let mut counts: Vec<Count> = Vec::new();
    while let Some(count) = read_count(&mut bytes, newest, counts.last()) {
        counts.push(count);
    }
    Kept { newest, counts }
}

/// `None` at the end.
fn read_count(bytes: &mut &[u8], newest: Moment, before: Option<&Count>) -> Option<Count> {
    let head = take_byte(bytes)?;
    let before_newest = |ms: i64| Moment::from_epoch_ms(newest.epoch_ms().saturating_sub(ms));
    let (participant, queue, media, stay) = match before {
        Some(before) if head & SAME_STAY != 0 => (before.participant, before.queue, before.media, before.stay),
        _ => {
            let (participant, rest) = bytes.split_first_chunk::<4>()?;
            *bytes = rest;
            let queue = QueueNumber::of_code(take(bytes))?;
            let media = take_byte(bytes).and_then(MediaKind::of_code)?;
            let stay = before_newest(take_signed(bytes));
            (u32::from_le_bytes(*participant), queue, media, stay)
        }
    };
    let at = match before {
        Some(before) if head & SAME_MOMENT != 0 => before.at,
        _ => before_newest(take_signed(bytes)),
    };
    Some(Count {
        queue,
        media,
        kind: CountKind::of_code(head & KIND)?,
        at,
        millis: if head & HAS_MILLIS != 0 { take(bytes) } else { 0 },
        participant,
        stay,
    })
}

fn take_byte(bytes: &mut &[u8]) -> Option<u8> {
    let (byte, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(*byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::{at, queue};

    fn count(participant: u32, queue: &str, kind: CountKind, secs: i64, millis: u64) -> Count {
        Count {
            queue: self::queue(queue),
            media: MediaKind::ALL[participant as usize % 7],
            kind,
            at: at(secs),
            millis,
            participant,
            stay: at(secs / 2),
        }
    }

    const FINISHED: (Cause, Lifetime) = (Cause::Finished, Lifetime::Day);

    fn kept(newest: i64, counts: Vec<Count>) -> Kept {
        Kept {
            newest: at(newest),
            counts,
        }
    }

    #[test]
    fn what_is_kept_comes_back_once() {
        let mut condensed = Condensed::default();
        let mut all = Vec::new();
        for n in 0..3_000_u32 {
            let secs = i64::from(n);
            let whole = kept(
                secs + 100,
                vec![
                    count(n, "Q", CountKind::Offered, secs, 0),
                    count(n, "Q", CountKind::Answered, secs + 5, 5_000),
                    count(n + 1, "R", CountKind::Handled, secs + 200, 195_123),
                    count(n + 1, "R", CountKind::Transferred, secs + 200, 0),
                    count(n + 1, "Q", CountKind::WrappedUp, secs + 200, 0),
                    count(n + 2, "R", CountKind::FlowOut, -5, 7),
                    count(n + 2, "R", CountKind::Abandoned, -5, 7),
                ],
            );
            condensed.keep(
                &Id::new(&format!("c{n}")),
                at(secs),
                &whole,
                (Cause::Finished, [Lifetime::Day, Lifetime::Month][n as usize % 2]),
            );
            all.push(whole);
        }
        assert_eq!((condensed.len(), condensed.logs[0].chunks.len() > 1), (3_000, true));
        for (n, whole) in all.iter().enumerate() {
            let id = Id::new(&format!("c{n}"));
            assert_eq!(condensed.newest(&id), Some(whole.newest));
            assert_eq!(condensed.take(&id).as_ref(), Some(whole));
            assert_eq!(condensed.newest(&id), None);
        }
        assert_eq!(condensed.len(), 0);
    }

    #[test]
    fn the_oldest_are_forgotten_and_a_newer_entry_of_the_same_conversation_is_not() {
        let mut condensed = Condensed::default();
        let again = Id::new("again");
        condensed.keep(&again, at(0), &kept(0, Vec::new()), FINISHED);
        let mut n = 0;
        while condensed.logs[0].chunks.len() < 3 {
            let long = vec![count(n, "Q", CountKind::Offered, 0, 0); 500];
            let id = Id::new(&format!("c{n}"));
            let cause = if n % 2 == 0 { Cause::Finished } else { Cause::Evicted };
            condensed.keep(&id, at(i64::from(n)), &kept(0, long), (cause, Lifetime::Day));
            n += 1;
        }
        let evicted = (Cause::Evicted, Lifetime::Day);
        condensed.keep(&again, at(i64::from(n)), &kept(1, Vec::new()), evicted);
        let whole = condensed.len();
        condensed.forget(at(0), at(0));
        assert_eq!(condensed.len(), whole);
        condensed.forget(at(i64::from(n)), at(0));
        let left = condensed.len();
        assert!(left > 1 && left < whole, "{left} of {whole}");
        assert_eq!(condensed.newest(&again), Some(at(1)));
        assert_eq!(condensed.newest(&Id::new("c0")), None);
        let finished = condensed.drop_some(Moment::from_epoch_ms(0)).unwrap() as usize;
        assert!(finished.abs_diff(left / 2) <= 2, "{finished} of {left}");
        assert_eq!((condensed.len(), condensed.newest(&again)), (0, None));
        assert_eq!((condensed.bytes(), condensed.drop_some(at(0))), (0, None));
    }

    #[test]
    fn threads_are_remembered_for_longer() {
        let mut condensed = Condensed::default();
        let (call, mail) = (Id::new("call"), Id::new("mail"));
        condensed.keep(&call, at(0), &kept(0, Vec::new()), FINISHED);
        let thread = (Cause::Finished, Lifetime::Month);
        condensed.keep(&mail, at(0), &kept(0, Vec::new()), thread);
        condensed.forget(at(1), at(0));
        assert_eq!((condensed.newest(&call), condensed.newest(&mail)), (None, Some(at(0))));
        condensed.forget(at(1), at(1));
        assert_eq!(condensed.len(), 0);
    }
}
