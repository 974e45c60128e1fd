//! What is left of conversations that are over: what they were counted for, in a few dozen bytes each.
//!
//! In: an id, its newest time, its happenings · Out: the same again · Thread: any (pure).
//!
//! Entries are appended to chunks of bytes and found by the hash of their id (64 bits: two of a million conversations
//! share one with a probability of 1 to 30 million). Chunks are dropped whole, the oldest first. Participants are told
//! apart by 32 bits of their ids' hashes.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::visit::{Happening, What};
use crate::event::facts::MediaKind;
use crate::{Id, Moment};

/// Bytes of a chunk before the next is begun.
const CHUNK_BYTES: usize = 1 << 16;
/// Bits of a position that say where in its chunk.
const OFFSET_BITS: u32 = 24;

const WHATS: [What; 7] = [
    What::Offered,
    What::Answered,
    What::Abandoned,
    What::FlowOut,
    What::Handled,
    What::Transferred,
    What::Wrapup,
];
/// In the first byte of a happening: about the same participant as the one before, at the same moment.
const SAME_WHO: u8 = 1 << 6;
const SAME_AT: u8 = 1 << 7;

/// What was kept of one conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The newest time that was in it.
    pub(crate) newest: Moment,
    /// What it was counted for.
    pub(crate) happenings: Vec<Happening>,
}

/// Why a conversation was condensed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It is over.
    Finished,
    /// There was no room.
    Evicted,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Condensed {
    index: HashMap<u64, u64>,
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
    /// Keeps a conversation that was last seen at `seen`. `number` gives a queue its number.
    pub(crate) fn keep(&mut self, id: &Id, seen: Moment, kept: &Kept, cause: Cause, number: impl FnMut(&Id) -> u32) {
        let hash = hash_of(id);
        if self.chunks.back().is_none_or(|chunk| chunk.bytes.len() >= CHUNK_BYTES) {
            if let Some(full) = self.chunks.back_mut() {
                full.bytes.shrink_to_fit();
            }
            self.chunks.push_back(Chunk {
                bytes: Vec::new(),
                seen,
            });
        }
        let last = self.first + self.chunks.len() as u64 - 1;
        let Some(chunk) = self.chunks.back_mut() else { return };
        let offset = chunk.bytes.len() as u64;
        let mut entry = Vec::with_capacity(64);
        write(&mut entry, kept, number);
        chunk.bytes.extend_from_slice(&hash.to_le_bytes());
        put(
            &mut chunk.bytes,
            (entry.len() as u64) << 1 | u64::from(cause == Cause::Evicted),
        );
        chunk.bytes.extend_from_slice(&entry);
        chunk.seen = chunk.seen.max(seen);
        self.index.insert(hash, last << OFFSET_BITS | offset);
    }

    /// The newest time of a conversation that is kept.
    pub(crate) fn newest(&self, id: &Id) -> Option<Moment> {
        let mut bytes = self.entry(self.index.get(&hash_of(id)).copied()?)?;
        Some(Moment::from_epoch_ms(unzigzag(take(&mut bytes))))
    }

    /// Gives a conversation back. `id_of` gives a number its queue.
    pub(crate) fn take<'a>(&mut self, id: &Id, id_of: impl Fn(u32) -> Option<&'a Id>) -> Option<Kept> {
        let at = self.index.remove(&hash_of(id))?;
        self.entry(at).map(|bytes| read(bytes, id_of))
    }

    /// Forgets those last seen before `horizon`, some of them a little later.
    pub(crate) fn forget(&mut self, horizon: Moment) {
        while self.chunks.front().is_some_and(|chunk| chunk.seen < horizon) {
            self.drop_oldest();
        }
    }

    /// Drops the oldest until `at_most` are left. Returns how many finished ones went that were seen at `forgotten` or
    /// later: older ones are no loss, and evicted ones are evicted once.
    pub(crate) fn shrink_to(&mut self, at_most: usize, forgotten: Moment) -> u64 {
        let mut finished = 0;
        while self.index.len() > at_most
            && let Some(oldest) = self.chunks.front()
        {
            let counts = oldest.seen >= forgotten;
            let gone = self.drop_oldest();
            finished += if counts { gone } else { 0 };
        }
        finished
    }

    #[cfg(any(test, feature = "internals"))]
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Returns how many finished ones went.
    fn drop_oldest(&mut self) -> u64 {
        let mut finished = 0;
        let Some(chunk) = self.chunks.pop_front() else { return 0 };
        let number = self.first;
        self.first += 1;
        let mut offset = 0;
        while let Some((head, mut rest)) = chunk.bytes.get(offset..).and_then(|b| b.split_first_chunk::<8>()) {
            let hash = u64::from_le_bytes(*head);
            let head = take(&mut rest);
            if self.index.get(&hash) == Some(&(number << OFFSET_BITS | offset as u64)) {
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

    /// What follows an entry's hash and length.
    fn entry(&self, position: u64) -> Option<&[u8]> {
        let chunk = (position >> OFFSET_BITS).checked_sub(self.first)?;
        let offset = (position & ((1 << OFFSET_BITS) - 1)) as usize + 8;
        let mut bytes = self.chunks.get(usize::try_from(chunk).ok()?)?.bytes.get(offset..)?;
        let len = (take(&mut bytes) >> 1) as usize;
        bytes.get(..len)
    }
}

fn hash_of(id: &Id) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

fn write(to: &mut Vec<u8>, kept: &Kept, mut number: impl FnMut(&Id) -> u32) {
    put(to, zigzag(kept.newest.epoch_ms()));
    let mut before: Option<&Happening> = None;
    for happening in &kept.happenings {
        let same_who =
            before.is_some_and(|b| (b.who, b.media) == (happening.who, happening.media) && b.queue == happening.queue);
        let same_at = before.is_some_and(|b| b.at == happening.at);
        let what = WHATS.iter().position(|what| *what == happening.what).unwrap_or(0) as u8;
        let mut head = what | (happening.media as u8) << 3;
        head |= if same_who { SAME_WHO } else { 0 };
        head |= if same_at { SAME_AT } else { 0 };
        to.push(head);
        if !same_who {
            to.extend_from_slice(&happening.who.to_le_bytes());
            put(to, u64::from(number(&happening.queue)));
        }
        if !same_at {
            put(to, zigzag(kept.newest.millis_since(happening.at)));
        }
        if has_millis(happening.what) {
            put(to, happening.millis);
        }
        before = Some(happening);
    }
}

/// Reads what [`write`] wrote. Bytes that are not there read as zero: own bytes never miss any.
fn read<'a>(mut bytes: &[u8], id_of: impl Fn(u32) -> Option<&'a Id>) -> Kept {
    let newest = Moment::from_epoch_ms(unzigzag(take(&mut bytes)));
    let mut happenings: Vec<Happening> = Vec::new();
    while let Some((&head, rest)) = bytes.split_first() {
        bytes = rest;
        let before = happenings.last();
        let (who, queue) = match before {
            Some(before) if head & SAME_WHO != 0 => (before.who, Some(before.queue.clone())),
            _ => {
                let who = bytes.split_first_chunk::<4>().map_or(0, |(who, rest)| {
                    bytes = rest;
                    u32::from_le_bytes(*who)
                });
                let number = u32::try_from(take(&mut bytes)).unwrap_or(u32::MAX);
                (who, id_of(number).cloned())
            }
        };
        let at = match before {
            Some(before) if head & SAME_AT != 0 => before.at,
            _ => Moment::from_epoch_ms(newest.epoch_ms().saturating_sub(unzigzag(take(&mut bytes)))),
        };
        let what = WHATS[usize::from(head & 7).min(WHATS.len() - 1)];
        let millis = if has_millis(what) { take(&mut bytes) } else { 0 };
        // Numbers of queues are never taken back, so there is one.
        let Some(queue) = queue else { continue };
        happenings.push(Happening {
            queue,
            media: MediaKind::ALL[usize::from(head >> 3 & 7).min(MediaKind::ALL.len() - 1)],
            what,
            at,
            millis,
            who,
        });
    }
    Kept { newest, happenings }
}

fn has_millis(what: What) -> bool {
    matches!(what, What::Answered | What::Abandoned | What::FlowOut | What::Handled)
}

/// Seven bits a byte, the lowest first; the top bit says that more follow.
fn put(to: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        to.push(n as u8 | 0x80);
        n >>= 7;
    }
    to.push(n as u8);
}

fn take(from: &mut &[u8]) -> u64 {
    let (mut n, mut shift) = (0, 0);
    while let Some((&byte, rest)) = from.split_first() {
        *from = rest;
        n |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 || shift >= 63 {
            break;
        }
        shift += 7;
    }
    n
}

/// The sign goes to the lowest bit, so that a small negative number is a small number, too.
fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)) as u64
}

fn unzigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::at;

    fn happening(who: u32, queue: &str, what: What, secs: i64, millis: u64) -> Happening {
        Happening {
            queue: Id::new(queue),
            media: MediaKind::ALL[who as usize % 7],
            what,
            at: at(secs),
            millis,
            who,
        }
    }

    fn kept(newest: i64, happenings: Vec<Happening>) -> Kept {
        Kept {
            newest: at(newest),
            happenings,
        }
    }

    #[test]
    fn what_is_kept_comes_back_once() {
        let queues = [Id::new("Q"), Id::new("R")];
        let number = |id: &Id| queues.iter().position(|queue| queue == id).unwrap() as u32;
        let mut condensed = Condensed::default();
        let mut all = Vec::new();
        for n in 0..3_000_u32 {
            let secs = i64::from(n);
            let whole = kept(
                secs + 100,
                vec![
                    happening(n, "Q", What::Offered, secs, 0),
                    happening(n, "Q", What::Answered, secs + 5, 5_000),
                    happening(n + 1, "R", What::Handled, secs + 200, 195_123),
                    happening(n + 1, "R", What::Transferred, secs + 200, 0),
                    happening(n + 1, "Q", What::Wrapup, secs + 200, 0),
                    happening(n + 2, "R", What::FlowOut, -5, 7),
                    happening(n + 2, "R", What::Abandoned, -5, 7),
                ],
            );
            condensed.keep(&Id::new(&format!("c{n}")), at(secs), &whole, Cause::Finished, number);
            all.push(whole);
        }
        assert_eq!((condensed.len(), condensed.chunks.len() > 2), (3_000, true));
        for (n, whole) in all.iter().enumerate() {
            let id = Id::new(&format!("c{n}"));
            assert_eq!(condensed.newest(&id), Some(whole.newest));
            assert_eq!(condensed.take(&id, |n| queues.get(n as usize)).as_ref(), Some(whole));
            assert_eq!(condensed.newest(&id), None);
        }
        assert_eq!(condensed.len(), 0);
    }

    #[test]
    fn the_oldest_are_forgotten_and_a_newer_entry_of_the_same_conversation_is_not() {
        let mut condensed = Condensed::default();
        let again = Id::new("again");
        condensed.keep(&again, at(0), &kept(0, Vec::new()), Cause::Finished, |_| 0);
        let mut n = 0;
        while condensed.chunks.len() < 3 {
            let long = vec![happening(n, "Q", What::Offered, 0, 0); 500];
            let id = Id::new(&format!("c{n}"));
            let cause = if n % 2 == 0 { Cause::Finished } else { Cause::Evicted };
            condensed.keep(&id, at(i64::from(n)), &kept(0, long), cause, |_| 0);
            n += 1;
        }
        condensed.keep(&again, at(i64::from(n)), &kept(1, Vec::new()), Cause::Evicted, |_| 0);
        let whole = condensed.len();
        condensed.forget(at(0));
        assert_eq!(condensed.len(), whole);
        condensed.forget(at(i64::from(n)));
        let left = condensed.len();
        assert!(left > 1 && left < whole, "{left} of {whole}");
        assert_eq!(condensed.newest(&again), Some(at(1)));
        assert_eq!(condensed.newest(&Id::new("c0")), None);
        let finished = condensed.shrink_to(0, Moment::from_epoch_ms(0)) as usize;
        assert!(finished.abs_diff(left / 2) <= 2, "{finished} of {left}");
        assert_eq!((condensed.len(), condensed.newest(&again)), (0, None));
    }
}
