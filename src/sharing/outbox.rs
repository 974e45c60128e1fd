//! What waits for the engine, what is under way, and what may have to be sent again.
//!
//! In: contents, acknowledgements, the last entry that the engine has · Out: numbered entries, oldest first · Thread: any
//! (pure).
//!
//! An entry gets its number and its id when it is handed out for the first time, so that what is dropped before leaves no
//! hole in the numbers: it becomes a gap, which is published in its place.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::entry::{Content, EntryId, What};
use super::held::Held;
use crate::Moment;
use crate::event::gap::{Gap, GapTopics};

/// Bytes of an entry beside its content, as an estimate.
const OVERHEAD: usize = 128;
/// Gaps of entries that were dropped have ids above those of the run's own.
const DROPPED_IDS: u64 = 1 << 40;

/// An entry with its number and id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Numbered {
    pub(super) n: u64,
    pub(super) id: EntryId,
    pub(super) kind: &'static str,
    pub(super) data: String,
    /// Whether an output item stands behind it, which must be counted.
    counts: bool,
}

impl Numbered {
    fn bytes(&self) -> usize {
        self.data.len() + OVERHEAD
    }
}

struct Waiting {
    at: Moment,
    kind: &'static str,
    data: String,
    counts: bool,
}

/// What the engine has of our stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resumed {
    /// It has all that it acknowledged.
    Whole,
    /// It has lost something, which is sent again as far as it is still here.
    Behind,
    /// It has an entry that is not ours.
    Foreign,
}

/// See the module.
pub(super) struct Outbox {
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    /// Handed out and not acknowledged.
    under_way: VecDeque<Numbered>,
    /// Acknowledged, the oldest first.
    ring: VecDeque<(Instant, Numbered)>,
    ring_bytes: usize,
    ring_time: Duration,
    max_bytes: usize,
    last: Option<(u64, EntryId)>,
    /// The newest entry that the engine acknowledged, or that an earlier process left.
    acknowledged: Option<(u64, EntryId)>,
    /// Items whose entries were acknowledged and that are not counted yet.
    written: u64,
    held: Held,
    wants_about: bool,
    /// The time of the last content that got a number.
    numbered_at: Option<Moment>,
    /// Times of the contents around those that were dropped since the last gap.
    dropped: Option<(Moment, Moment)>,
    dropped_gaps: u64,
    /// Contents that were dropped and are not counted yet.
    missed: u64,
}

impl Outbox {
    pub(super) fn new(held: Held, max_bytes: usize, ring_time: Duration) -> Self {
        Self {
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            under_way: VecDeque::new(),
            ring: VecDeque::new(),
            ring_bytes: 0,
            ring_time,
            max_bytes,
            last: None,
            acknowledged: None,
            written: 0,
            numbered_at: None,
            held,
            wants_about: true,
            dropped: None,
            dropped_gaps: 0,
            missed: 0,
        }
    }

    /// Puts a content behind the others. The oldest are dropped where there is no room.
    pub(super) fn push(&mut self, content: &Content, counts: bool) {
        let waiting = self.take_in(content, counts);
        self.waiting.push_back(waiting);
        while self.waiting_bytes > self.max_bytes
            && self.waiting.len() > 1
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.waiting_bytes -= oldest.data.len() + OVERHEAD;
            self.missed += u64::from(oldest.counts);
            let (before, after) = (self.numbered_at, self.waiting.front().map(|next| next.at));
            self.lost_between(before.unwrap_or(oldest.at), after.unwrap_or(oldest.at));
        }
    }

    /// Puts a content before all others, which were made later.
    pub(super) fn push_first(&mut self, content: &Content) {
        let waiting = self.take_in(content, false);
        self.waiting.push_front(waiting);
    }

    fn take_in(&mut self, content: &Content, counts: bool) -> Waiting {
        self.held.note(content);
        let data = content.data();
        self.waiting_bytes += data.len() + OVERHEAD;
        Waiting {
            at: content.at,
            kind: content.what.kind(),
            data,
            counts,
        }
    }

    /// Something before this time is not published that came after all that waits.
    pub(super) fn lost(&mut self, at: Moment) {
        let before = self.waiting.back().map(|last| last.at).or(self.numbered_at);
        self.lost_between(before.unwrap_or(at), at);
    }

    /// Something between two contents is not published. A gap is never without length, since such a gap tells nothing.
    fn lost_between(&mut self, before: Moment, after: Moment) {
        let after = after.max(before.plus_ms(1));
        let (from, to) = self.dropped.unwrap_or((before, after));
        self.dropped = Some((from.min(before), to.max(after)));
        self.wants_about = true;
    }

    /// How many contents were dropped since the last call.
    pub(super) fn take_missed(&mut self) -> u64 {
        std::mem::take(&mut self.missed)
    }

    /// Tells all that holds once more.
    pub(super) fn want_about(&mut self) {
        self.wants_about = true;
    }

    /// Goes on behind the last entry of an earlier process; called once, before anything is handed out.
    pub(super) fn continue_after(&mut self, last: Option<(u64, EntryId)>) {
        self.last = last;
        self.acknowledged = last;
    }

    /// The last entry that the stream must have.
    pub(super) fn acknowledged(&self) -> Option<(u64, EntryId)> {
        self.acknowledged
    }

    /// The engine refuses ids up to `newest`: gives later ones to all that is under way. What it had acknowledged was
    /// removed by somebody, and is not sent again.
    pub(super) fn number_anew(&mut self, newest: EntryId, now_ms: u64) {
        let acknowledged = self.acknowledged.map_or(0, |(n, _)| n);
        self.under_way.retain(|entry| entry.n > acknowledged);
        let mut id = newest.max(self.last.map_or(newest, |(_, id)| id));
        for entry in &mut self.under_way {
            id = id.next(now_ms);
            entry.id = id;
        }
        self.last = Some((self.last.map_or(0, |(n, _)| n), id));
        self.wants_about = true;
    }

    /// After a connection: `last` is the last entry that the engine has. What follows it is handed out again.
    pub(super) fn resume(&mut self, last: Option<(u64, EntryId)>) -> Resumed {
        let has = last.map_or(EntryId::default(), |(_, id)| id);
        if last.is_some_and(|last| !self.is_ours(last)) {
            return Resumed::Foreign;
        }
        let from = self.ring.partition_point(|(_, entry)| entry.id <= has);
        let mut again: VecDeque<Numbered> = self.ring.split_off(from).into_iter().map(|(_, entry)| entry).collect();
        self.ring_bytes -= again.iter().map(Numbered::bytes).sum::<usize>();
        let is_behind = !again.is_empty() || (last.is_none() && self.acknowledged.is_some());
        again.append(&mut self.under_way);
        // What the engine took without our hearing of it.
        let from = again.partition_point(|entry| entry.id <= has);
        let rest = again.split_off(from);
        let taken = std::mem::replace(&mut again, rest);
        taken.into_iter().for_each(|entry| self.keep(entry, Instant::now()));
        self.under_way = again;
        match is_behind {
            true => {
                self.wants_about = true;
                Resumed::Behind
            }
            false => Resumed::Whole,
        }
    }

    /// Whether the last entry that the engine has is one of ours.
    fn is_ours(&self, (n, id): (u64, EntryId)) -> bool {
        let mut sent = self
            .ring
            .iter()
            .map(|(_, entry)| entry)
            .chain(&self.under_way)
            .peekable();
        match sent.peek() {
            // Older than all that is here.
            Some(first) if first.id > id => first.n > n,
            Some(_) => sent.any(|entry| (entry.n, entry.id) == (n, id)),
            None => self.last == Some((n, id)),
        }
    }

    /// The oldest of what is under way and, where that is nothing, of what waits: about so many bytes. `now_ms` is our clock.
    pub(super) fn hand_out(&mut self, bytes: usize, now_ms: u64) -> Vec<Numbered> {
        if self.under_way.is_empty() {
            self.number(bytes, now_ms);
        }
        let mut taken = 0;
        let oldest = self.under_way.iter().take_while(|entry| {
            let fits = taken < bytes;
            taken += entry.bytes();
            fits
        });
        oldest.cloned().collect()
    }

    fn number(&mut self, bytes: usize, now_ms: u64) {
        let Some(at) = self.waiting.front().map(|first| first.at) else {
            return;
        };
        if let Some((from, to)) = self.dropped.take() {
            self.dropped_gaps += 1;
            let gap = Gap {
                id: DROPPED_IDS + self.dropped_gaps,
                topics: GapTopics::All,
                from,
                to: Some(to),
                cause: "dropped before the engine took it".to_owned(),
                repaired: false,
            };
            let content = Content {
                at,
                what: What::Gap(gap),
            };
            self.held.note(&content);
            self.add(content.what.kind(), content.data(), false, now_ms);
        }
        if std::mem::take(&mut self.wants_about) {
            let about = self.held.about();
            let content = Content {
                at,
                what: What::About(Box::new(about)),
            };
            self.add(content.what.kind(), content.data(), false, now_ms);
        }
        let mut taken = 0;
        while taken < bytes
            && let Some(next) = self.waiting.pop_front()
        {
            let size = next.data.len() + OVERHEAD;
            self.waiting_bytes -= size;
            taken += size;
            self.numbered_at = Some(next.at);
            self.add(next.kind, next.data, next.counts, now_ms);
        }
    }

    fn add(&mut self, kind: &'static str, data: String, counts: bool, now_ms: u64) {
        let (n, id) = self.last.unwrap_or_default();
        let (n, id) = (n.saturating_add(1), id.next(now_ms));
        self.last = Some((n, id));
        self.under_way.push_back(Numbered {
            n,
            id,
            kind,
            data,
            counts,
        });
    }

    /// The engine took the oldest that is under way.
    pub(super) fn acknowledge(&mut self, now: Instant) {
        if let Some(entry) = self.under_way.pop_front() {
            self.keep(entry, now);
        }
    }

    /// How many items were written since the last call; what is sent again counts once.
    pub(super) fn take_written(&mut self) -> u64 {
        std::mem::take(&mut self.written)
    }

    fn keep(&mut self, mut entry: Numbered, now: Instant) {
        self.written += u64::from(std::mem::take(&mut entry.counts));
        self.acknowledged = self.acknowledged.max(Some((entry.n, entry.id)));
        self.ring_bytes += entry.bytes();
        self.ring.push_back((now, entry));
        let (time, most) = (self.ring_time, self.max_bytes);
        while let Some((at, oldest)) = self.ring.front()
            && (now.saturating_duration_since(*at) > time || self.ring_bytes > most)
        {
            self.ring_bytes -= oldest.bytes();
            self.ring.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(max_bytes: usize) -> Outbox {
        Outbox::new(
            Held::new("r".to_owned(), "1/1".to_owned()),
            max_bytes,
            Duration::from_secs(60),
        )
    }

    fn cover(secs: i64) -> Content {
        let at = Moment::from_epoch_ms(secs * 1000);
        Content {
            at,
            what: What::Cover { to: Some(at) },
        }
    }

    fn told(entries: &[Numbered]) -> Vec<(u64, &str)> {
        entries.iter().map(|entry| (entry.n, entry.kind)).collect()
    }

    fn sent(outbox: &mut Outbox, secs: std::ops::Range<i64>) -> Vec<Numbered> {
        secs.for_each(|secs| outbox.push(&cover(secs), true));
        let entries = outbox.hand_out(1 << 20, 1000);
        for _ in &entries {
            outbox.acknowledge(Instant::now());
        }
        entries
    }

    #[test]
    fn numbers_go_on_after_those_of_an_earlier_process() {
        let mut outbox = outbox(1 << 20);
        outbox.continue_after(Some((41, EntryId { ms: 5000, seq: 3 })));
        let entries = sent(&mut outbox, 0..2);
        assert_eq!(told(&entries), [(42, "about"), (43, "cover"), (44, "cover")]);
        // Our clock is behind that of the earlier process.
        assert_eq!(entries[2].id.to_string(), "5000-6");
        assert!(outbox.hand_out(1 << 20, 9000).is_empty());
    }

    #[test]
    fn what_is_not_acknowledged_is_handed_out_again_as_it_was() {
        let mut outbox = outbox(1 << 20);
        outbox.push(&cover(1), true);
        let first = outbox.hand_out(1 << 20, 7);
        outbox.push(&cover(2), true);
        assert_eq!(outbox.hand_out(1 << 20, 9), first);
        assert_eq!(
            outbox.resume(None),
            Resumed::Whole,
            "nothing was ever acknowledged, but something was handed out"
        );
    }

    #[test]
    fn what_the_engine_lost_is_sent_again() {
        let mut outbox = outbox(1 << 20);
        let entries = sent(&mut outbox, 0..4);
        let last = |n: usize| Some((entries[n].n, entries[n].id));
        assert_eq!(outbox.take_written(), 4);
        assert_eq!(outbox.resume(last(4)), Resumed::Whole);
        assert_eq!(outbox.resume(last(2)), Resumed::Behind);
        assert_eq!(told(&outbox.hand_out(1 << 20, 2000)), told(&entries[3..]));
        assert_eq!(outbox.resume(None), Resumed::Behind);
        assert_eq!(told(&outbox.hand_out(1 << 20, 2000)), told(&entries));
        assert_eq!(
            told(&outbox.hand_out(1, 2000)),
            told(&entries[..1]),
            "one piece at a time"
        );
        // It took some of them, and we did not hear of it.
        assert_eq!(outbox.resume(last(3)), Resumed::Whole);
        assert_eq!(told(&outbox.hand_out(1 << 20, 2000)), told(&entries[4..]));
        outbox.acknowledge(Instant::now());
        assert_eq!(outbox.take_written(), 0, "what is sent again was counted");
    }

    #[test]
    fn an_entry_that_is_not_ours_is_noticed() {
        let mut outbox = outbox(1 << 20);
        let entries = sent(&mut outbox, 0..2);
        let last = entries[2].clone();
        let foreign = [
            (last.n, last.id.next(0)),
            (last.n + 1, last.id),
            (last.n + 1, last.id.next(5000)),
        ];
        for other in foreign {
            assert_eq!(outbox.resume(Some(other)), Resumed::Foreign, "{other:?}");
        }
        assert_eq!(outbox.resume(Some((last.n, last.id))), Resumed::Whole);
    }

    #[test]
    fn the_oldest_is_dropped_and_becomes_a_gap_without_a_hole_in_the_numbers() {
        let mut outbox = outbox(2_000);
        let before = sent(&mut outbox, 0..1);
        for secs in 1..=100 {
            outbox.push(&cover(secs), true);
        }
        let missed = outbox.take_missed();
        assert!(missed > 50);
        let entries = outbox.hand_out(1 << 20, 2000);
        assert_eq!(entries.len() as u64, 100 - missed + 2);
        let numbers: Vec<u64> = entries.iter().map(|entry| entry.n).collect();
        let first = before.last().map_or(0, |entry| entry.n) + 1;
        assert_eq!(numbers, Vec::from_iter(first..first + numbers.len() as u64));
        assert_eq!((entries[0].kind, entries[1].kind), ("change", "about"));
        assert_eq!(dropped(&entries[0]), (0, missed as i64 + 1));
        assert!(
            entries[1].data.contains("dropped before"),
            "who comes later is told of the gap, too"
        );
    }

    /// The gap that an entry tells, in seconds.
    fn dropped(entry: &Numbered) -> (i64, i64) {
        let content: Content = serde_json::from_str(&entry.data).unwrap();
        let What::Gap(Gap { from, to: Some(to), .. }) = content.what else {
            panic!("{}", entry.data)
        };
        (from.epoch_ms() / 1000, to.epoch_ms() / 1000)
    }

    #[test]
    fn a_gap_lasts_from_the_content_before_it_to_the_one_after_it() {
        let mut outbox = outbox(1 << 20);
        sent(&mut outbox, 0..3);
        outbox.max_bytes = 250;
        outbox.push(&cover(5), true);
        outbox.push(&cover(9), true);
        assert_eq!(outbox.take_missed(), 1);
        assert_eq!(
            dropped(&outbox.hand_out(1 << 20, 2000)[0]),
            (2, 9),
            "one entry was dropped"
        );
        let mut outbox = super::tests::outbox(1 << 20);
        sent(&mut outbox, 0..3);
        outbox.push(&cover(5), true);
        outbox.lost(Moment::from_epoch_ms(8000));
        outbox.push(&cover(8), true);
        assert_eq!(dropped(&outbox.hand_out(1 << 20, 2000)[0]), (5, 8), "before the outbox");
    }

    #[test]
    fn where_old_ids_are_refused_what_is_new_gets_later_ones() {
        let mut outbox = outbox(1 << 20);
        let entries = sent(&mut outbox, 0..2);
        outbox.push(&cover(3), true);
        assert_eq!(outbox.hand_out(1 << 20, 1000)[0].id.to_string(), "1000-3");
        assert_eq!(outbox.resume(None), Resumed::Behind);
        outbox.number_anew(EntryId { ms: 7000, seq: 4 }, 2000);
        let again = outbox.hand_out(1 << 20, 2000);
        assert_eq!((again.len(), again[0].n), (1, entries[2].n + 1));
        assert_eq!(again[0].id.to_string(), "7000-5");
        outbox.acknowledge(Instant::now());
        let last = Some((again[0].n, again[0].id));
        assert_eq!((outbox.acknowledged(), outbox.resume(last)), (last, Resumed::Whole));
        outbox.push(&cover(4), true);
        assert_eq!(told(&outbox.hand_out(1 << 20, 2000)), [(5, "about"), (6, "cover")]);
    }

    #[test]
    fn the_ring_forgets() {
        let mut outbox = outbox(1 << 20);
        let entries = sent(&mut outbox, 0..4);
        let later = Instant::now() + Duration::from_secs(61);
        outbox.push(&cover(9), true);
        outbox.hand_out(1 << 20, 3000);
        outbox.acknowledge(later);
        assert_eq!(outbox.resume(None), Resumed::Behind);
        let again = outbox.hand_out(1 << 20, 4000);
        assert_eq!((again.len(), again[0].n), (1, entries[4].n + 1));
    }
}
