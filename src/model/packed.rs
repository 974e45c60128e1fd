//! Conversations that are over, or for which there was no room, each in some dozen bytes.
//!
//! In: all that is known of a conversation · Out: the same again · Thread: any (pure).
//!
//! Entries are appended to chunks of bytes and found by the 64-bit hash of their conversation's id: that any two of a million
//! conversations have the same hash has a probability of 1 in 30 million. What is taken out leaves a hole; a chunk with more
//! holes than entries is written anew. Otherwise chunks are dropped whole, the oldest first.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use super::bytes::{put, put_signed, take, take_signed};
use super::index::Index;
use super::shapes::Shapes;
use super::state::packing::{self, Ids, Layers, Writer};
use crate::base::hash::Seeded;
use crate::event::facts::MediaKind;
use crate::{Id, Moment};

/// Room of a chunk; an entry that is larger has a chunk of its own.
const CHUNK_BYTES: usize = 1 << 16;
/// Entries begin at multiples of this many bytes, so that their places fit into 32 bits.
const ALIGNED_BYTES: usize = 4;
/// Bits of a place for the offset in its chunk, in units of [`ALIGNED_BYTES`]; the bits above are the number of the chunk.
const OFFSET_BITS: u32 = 14;
const _: () = assert!(CHUNK_BYTES == ALIGNED_BYTES << OFFSET_BITS);
/// Chunks at most: 16 GB.
const CHUNKS_AT_MOST: usize = (1 << (32 - OFFSET_BITS)) - 1;
/// Bytes of an entry before its content at most: hash, flags, three numbers.
const HEAD_BYTES: usize = 8 + 1 + 3 * 10;

/// Flags of an entry: it was open.
const EVICTED: u8 = 1;
/// REST did not know it any more.
const LOST: u8 = 2;
/// Ids are short.
const SHORT_IDS: u8 = 4;

/// All that is known of one conversation.
#[derive(Clone, Debug)]
pub(crate) struct Whole {
    pub(crate) layers: Layers,
    /// REST does not know it any more.
    pub(crate) is_lost: bool,
    /// The newest time in it.
    pub(crate) newest: Moment,
    /// When it was seen or computed last; may come back later than it was.
    pub(crate) seen: Moment,
    /// When what it counts for was computed last, if it was not finished.
    pub(crate) evicted: Option<Moment>,
}

/// How long a conversation is remembered after it was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// A day.
    Day,
    /// 31 days: it has an e-mail, message or callback, whose threads go on under the same id.
    Month,
}

/// All packed conversations.
#[derive(Debug, Default)]
pub(crate) struct Packed {
    index: Index,
    hasher: Seeded,
    /// By number; those of free numbers are empty.
    chunks: Vec<Chunk>,
    free: Vec<u32>,
    /// Numbers of chunks by [`Lifetime`], in the order in which they were begun.
    logs: [VecDeque<u32>; 2],
    shapes: Shapes,
    /// Of all chunks.
    bytes: usize,
    writer: Writer,
}

#[derive(Debug, Default)]
struct Chunk {
    bytes: Vec<u8>,
    /// Bytes of entries that were not taken.
    live: usize,
    /// Newest times are relative to it.
    base: Moment,
    /// The latest moment at which one of its conversations was seen.
    seen: Moment,
}

/// An entry of a chunk.
struct Entry<'a> {
    hash: u64,
    flags: u8,
    shape: u32,
    newest: Moment,
    content: &'a [u8],
    /// Where it ends in its chunk, and where the next one begins.
    end: usize,
}

impl Chunk {
    /// The entry that begins at this place; none at the end.
    fn entry(&self, offset: usize) -> Option<Entry<'_>> {
        let (hash, rest) = self.bytes.get(offset..)?.split_first_chunk::<8>()?;
        let (&flags, mut rest) = rest.split_first()?;
        let len = take(&mut rest) as usize;
        let shape = take(&mut rest) as u32;
        let newest = self.base.epoch_ms() + take_signed(&mut rest);
        let content = rest.get(..len)?;
        let end = self.bytes.len() - rest.len() + len;
        Some(Entry {
            hash: u64::from_le_bytes(*hash),
            flags,
            shape,
            newest: Moment::from_epoch_ms(newest),
            content,
            end: end.next_multiple_of(ALIGNED_BYTES),
        })
    }

    /// All entries with their places, those that were taken included.
    fn entries(&self) -> impl Iterator<Item = (usize, Entry<'_>)> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let (offset, entry) = (next, self.entry(next)?);
            next = entry.end;
            Some((offset, entry))
        })
    }
}

impl Packed {
    /// Keeps a conversation.
    pub(crate) fn keep(&mut self, mut whole: Whole) {
        let hash = self.hasher.hash_one(&whole.layers.stream.id);
        let lifetime = lifetime(&whole.layers);
        let ids = self.writer.write(&mut whole.layers, whole.newest);
        let computed = whole.evicted.map(|at| at.epoch_ms());
        let shape = self.shapes.enter(&self.writer.shape);
        let number = self.chunk_for(lifetime, self.writer.content.len() + HEAD_BYTES, whole.newest);
        let chunk = &mut self.chunks[number as usize];
        let offset = chunk.bytes.len();
        let flag = |flag, is_set| if is_set { flag } else { 0 };
        let mut flags = flag(LOST, whole.is_lost) | flag(SHORT_IDS, ids == Ids::Short);
        if let Some(computed) = computed {
            flags |= EVICTED;
            put_signed(&mut self.writer.content, computed);
        }
        chunk.bytes.extend_from_slice(&hash.to_le_bytes());
        chunk.bytes.push(flags);
        put(&mut chunk.bytes, self.writer.content.len() as u64);
        put(&mut chunk.bytes, u64::from(shape));
        put_signed(&mut chunk.bytes, whole.newest.millis_since(chunk.base));
        chunk.bytes.extend_from_slice(&self.writer.content);
        let end = chunk.bytes.len().next_multiple_of(ALIGNED_BYTES);
        chunk.bytes.resize(end, 0);
        chunk.live += end - offset;
        chunk.seen = chunk.seen.max(whole.seen);
        self.bytes += end - offset;
        self.index.insert(upper(hash), place(number, offset));
    }

    /// The newest time of a conversation that is kept.
    pub(crate) fn newest(&self, id: &Id) -> Option<Moment> {
        let (_, _, entry) = self.find(id)?;
        Some(entry.newest)
    }

    /// Gives a conversation back.
    pub(crate) fn take(&mut self, id: &Id) -> Option<Whole> {
        let (number, offset, entry) = self.find(id)?;
        let seen = self.chunks[number as usize].seen;
        let (hash, shape, len) = (entry.hash, entry.shape, entry.end - offset);
        let ids = match entry.flags & SHORT_IDS {
            0 => Ids::Whole,
            _ => Ids::Short,
        };
        let bytes = (self.shapes.shape(shape), entry.content);
        let (layers, mut rest) = packing::read(id.clone(), bytes, ids, entry.newest);
        let evicted = (entry.flags & EVICTED != 0).then(|| Moment::from_epoch_ms(take_signed(&mut rest)));
        let whole = Whole {
            layers,
            is_lost: entry.flags & LOST != 0,
            newest: entry.newest,
            seen,
            evicted,
        };
        self.shapes.release(shape);
        self.index.remove(upper(hash), place(number, offset));
        self.chunks[number as usize].live -= len;
        self.close_holes(number);
        Some(whole)
    }

    /// Forgets the chunks of which all conversations were last seen before the horizon of their lifetime.
    pub(crate) fn forget(&mut self, day: Moment, month: Moment) {
        for (lifetime, horizon) in [(Lifetime::Day, day), (Lifetime::Month, month)] {
            while self.oldest(lifetime).is_some_and(|seen| seen < horizon) {
                self.drop_oldest(lifetime);
            }
        }
    }

    /// Drops the chunk whose newest time is the oldest. Returns how many finished conversations count as evicted: those of
    /// a chunk whose newest time is `forgotten` or later (some of them may have been due); evicted ones were counted
    /// already. `None` if there is no chunk.
    pub(crate) fn drop_some(&mut self, forgotten: Moment) -> Option<u64> {
        let all = [Lifetime::Day, Lifetime::Month].into_iter();
        let lifetime = all
            .filter(|lifetime| self.oldest(*lifetime).is_some())
            .min_by_key(|lifetime| self.oldest(*lifetime))?;
        let counts = self.oldest(lifetime) >= Some(forgotten);
        let finished = self.drop_oldest(lifetime);
        Some(if counts { finished } else { 0 })
    }

    /// Whether one more needs a chunk for which there is no number.
    pub(crate) fn is_full(&self) -> bool {
        self.free.is_empty() && self.chunks.len() >= CHUNKS_AT_MOST
    }

    /// Bytes in memory, as an estimate.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes + self.index.heap_bytes() + self.shapes.bytes()
    }

    /// Number of conversations.
    #[cfg(any(test, feature = "internals"))]
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    fn find(&self, id: &Id) -> Option<(u32, usize, Entry<'_>)> {
        let hash = self.hasher.hash_one(id);
        let is_it = |place| self.entry_at(place).is_some_and(|entry| entry.hash == hash);
        let place = self.index.find(upper(hash), is_it)?;
        let (number, offset) = parts(place);
        Some((number, offset, self.entry_at(place)?))
    }

    fn entry_at(&self, place: u32) -> Option<Entry<'_>> {
        let (number, offset) = parts(place);
        self.chunks.get(number as usize)?.entry(offset)
    }

    /// When a conversation of the chunk that was begun first was seen last.
    fn oldest(&self, lifetime: Lifetime) -> Option<Moment> {
        let number = self.logs[lifetime as usize].front()?;
        Some(self.chunks[*number as usize].seen)
    }

    /// The number of a chunk with room for an entry of so many bytes.
    fn chunk_for(&mut self, lifetime: Lifetime, bytes: usize, base: Moment) -> u32 {
        if let Some(&last) = self.logs[lifetime as usize].back() {
            let chunk = &self.chunks[last as usize];
            // An entry begins within the first bytes of its chunk, however long the chunk is.
            if chunk.bytes.len() + bytes <= chunk.bytes.capacity().min(CHUNK_BYTES) {
                return last;
            }
        }
        let number = self.free.pop().unwrap_or_else(|| {
            self.chunks.push(Chunk::default());
            // The caller drops chunks before their numbers run out.
            u32::try_from(self.chunks.len() - 1).unwrap_or(u32::MAX)
        });
        self.chunks[number as usize] = Chunk {
            bytes: Vec::with_capacity(bytes.max(CHUNK_BYTES)),
            live: 0,
            base,
            seen: Moment::from_epoch_ms(i64::MIN),
        };
        self.logs[lifetime as usize].push_back(number);
        number
    }

    /// Writes a chunk anew if less than half of it is live; a small one waits until it is worth it.
    fn close_holes(&mut self, number: u32) {
        let chunk = &self.chunks[number as usize];
        let holes = chunk.bytes.len() - chunk.live;
        let is_open = self.logs.iter().any(|log| log.back() == Some(&number));
        let at_least = if is_open { CHUNK_BYTES / 2 } else { chunk.live };
        if holes <= at_least {
            return;
        }
        self.bytes -= holes;
        let room = if is_open { CHUNK_BYTES } else { chunk.live };
        let mut bytes = Vec::with_capacity(room);
        for (offset, entry) in chunk.entries() {
            let (hash, old) = (upper(entry.hash), place(number, offset));
            if self.index.find(hash, |place| place == old).is_some() {
                self.index.remove(hash, old);
                self.index.insert(hash, place(number, bytes.len()));
                bytes.extend_from_slice(&chunk.bytes[offset..entry.end]);
            }
        }
        self.chunks[number as usize].bytes = bytes;
        if !is_open && self.chunks[number as usize].live == 0 {
            for log in &mut self.logs {
                log.retain(|kept| *kept != number);
            }
            self.release(number);
        }
    }

    /// Returns how many finished ones were dropped.
    fn drop_oldest(&mut self, lifetime: Lifetime) -> u64 {
        let Some(number) = self.logs[lifetime as usize].pop_front() else {
            return 0;
        };
        let mut finished = 0;
        let chunk = std::mem::take(&mut self.chunks[number as usize]);
        self.bytes -= chunk.bytes.len();
        for (offset, entry) in chunk.entries() {
            let (hash, old) = (upper(entry.hash), place(number, offset));
            if self.index.find(hash, |place| place == old).is_some() {
                self.index.remove(hash, old);
                self.shapes.release(entry.shape);
                finished += u64::from(entry.flags & EVICTED == 0);
            }
        }
        self.index.shrink();
        self.release(number);
        finished
    }

    fn release(&mut self, number: u32) {
        self.chunks[number as usize] = Chunk::default();
        self.free.push(number);
    }
}

fn place(number: u32, offset: usize) -> u32 {
    number << OFFSET_BITS | (offset / ALIGNED_BYTES) as u32
}

/// Number of the chunk and offset in it.
fn parts(place: u32) -> (u32, usize) {
    let offset = place & ((1 << OFFSET_BITS) - 1);
    (place >> OFFSET_BITS, offset as usize * ALIGNED_BYTES)
}

/// The half of a hash that the index holds.
fn upper(hash: u64) -> u32 {
    (hash >> 32) as u32
}

fn lifetime(layers: &Layers) -> Lifetime {
    let states = [Some(&layers.stream), layers.rest.as_deref()];
    let mut communications = states.into_iter().flatten().flat_map(|state| &state.communications);
    let is_thread =
        communications.any(|c| matches!(c.kind, MediaKind::Email | MediaKind::Message | MediaKind::Callback));
    if is_thread { Lifetime::Month } else { Lifetime::Day }
}

#[cfg(test)]
mod tests;
