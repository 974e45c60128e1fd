//! How far through the pages of a query it is, and whether the service keeps to the order and the filter asked for.
//!
//! In: what each page shows · Out: the next page, the end, or that it cannot be trusted · Thread: any (pure).
//!
//! Nothing is taken on trust: a walk ends with an empty page, and earlier only where the pages themselves prove that they are
//! sorted and that nothing is left. Totals are approximate and end nothing, pages may be short or repeat entries that others
//! pushed back, and a service may ignore page numbers and sizes.

use std::collections::HashSet;
use std::hash::BuildHasher as _;

use super::query::{PAGE_SIZE, Which};
use crate::base::hash::Seeded;
use crate::{Id, Moment};

/// Entries in a row, each below the last, that prove an order: chance gives one such row in 20! pages.
const PROOF: u32 = 20;
/// So many of them must be against the order of starts, so that pages sorted by start do not pass for sorted by end.
const AGAINST: u32 = 3;
/// After so many pages in a row that show nothing new, the service is taken to ignore page numbers.
const REPEATED: u32 = 3;
/// A query of the open ones is read this often at the most.
pub(super) const ROUNDS: u32 = 2;

/// One conversation of a page.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) id: Id,
    pub(super) start: Option<Moment>,
    /// None while it is open.
    pub(super) end: Option<Moment>,
    /// Somebody still has after-call work.
    pub(super) wraps_up: bool,
}

/// What comes after a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another page.
    Page,
    /// Nothing: all was shown that was asked for.
    Done,
    /// Nothing, and fewer were shown than announced: some moved to pages that were read before.
    Short,
    /// The service does not do as asked: another query is needed.
    Untrue,
}

/// One reading of one query.
#[derive(Debug)]
pub(super) struct Walk {
    which: Which,
    /// Hashes of ids: a million take the same memory however long the ids are.
    seen: HashSet<u64>,
    hasher: Seeded,
    /// The most that was announced.
    announced: u64,
    /// The last key in the order asked for, and the start of its conversation.
    last: Option<(Moment, Option<Moment>)>,
    falls: u32,
    against: u32,
    /// Pages in a row that showed nothing new.
    repeated: u32,
}

impl Walk {
    pub(super) fn new(which: Which) -> Self {
        Self {
            which,
            seen: HashSet::new(),
            hasher: Seeded::random(),
            announced: 0,
            last: None,
            falls: 0,
            against: 0,
            repeated: 0,
        }
    }

    /// Takes the next page: its entries, how many they were before any was found unreadable, the total it announces.
    pub(super) fn page(&mut self, entries: &[Entry], shown: usize, total: Option<u64>) -> Next {
        self.announced = self.announced.max(total.unwrap_or(0));
        let before = self.seen.len();
        let (mut keys, mut old) = (0, 0);
        for entry in entries {
            let is_new = self.seen.insert(self.hasher.hash_one(&entry.id));
            let (key, until) = match self.which {
                Which::Ended(until) => (entry.end, until),
                Which::Began(until) => (entry.start, until),
                Which::All | Which::Open | Which::OpenSegment => continue,
            };
            // Open ones may stand anywhere, or be missing: they are asked for by themselves.
            let Some(key) = key else { continue };
            keys += 1;
            old += u32::from(key < until);
            // What was pushed back by others that came is seen twice.
            if is_new && !self.falls_to(key, entry.start) {
                return Next::Untrue;
            }
        }
        if self.ignores_filter(entries) {
            return Next::Untrue;
        }
        if self.is_proven() && keys > 0 && old == keys {
            return Next::Done;
        }
        let new = self.seen.len() - before;
        self.repeated = match new {
            0 => self.repeated + 1,
            _ => 0,
        };
        // A service that ignores page sizes, and numbers as well: the same again, with what came meanwhile.
        let is_all_again = shown as u64 > PAGE_SIZE && before > 0 && 2 * new < entries.len();
        match shown == 0 || is_all_again || self.repeated >= REPEATED {
            false => Next::Page,
            true if self.is_of_open() && (self.seen.len() as u64) < self.announced => Next::Short,
            true => Next::Done,
        }
    }

    /// How many different conversations were shown.
    pub(super) fn seen(&self) -> u64 {
        self.seen.len() as u64
    }

    fn falls_to(&mut self, key: Moment, start: Option<Moment>) -> bool {
        if let Some((last, its_start)) = self.last {
            if key > last {
                return false;
            }
            self.falls += u32::from(key < last);
            self.against += u32::from(key < last && start > its_start);
        }
        self.last = Some((key, start));
        true
    }

    fn is_proven(&self) -> bool {
        let by_end = matches!(self.which, Which::Ended(_));
        self.falls >= PROOF && (self.against >= AGAINST || !by_end)
    }

    fn is_of_open(&self) -> bool {
        matches!(self.which, Which::Open | Which::OpenSegment)
    }

    /// Most of what was asked for with a filter should not be there.
    fn ignores_filter(&self, entries: &[Entry]) -> bool {
        let is_wrong = |entry: &&Entry| match self.which {
            Which::Open => entry.end.is_some(),
            Which::OpenSegment => entry.end.is_some() && !entry.wraps_up,
            Which::All | Which::Began(_) | Which::Ended(_) => false,
        };
        2 * entries.iter().filter(is_wrong).count() > entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Moment {
        Moment::from_epoch_ms(1_777_900_000_000 + secs * 1000)
    }

    fn entry(id: i64, start: i64, end: Option<i64>) -> Entry {
        Entry {
            id: Id::new(&format!("c{id}")),
            start: Some(at(start)),
            end: end.map(at),
            wraps_up: false,
        }
    }

    /// Ends fall by a second each from `newest`; lengths differ.
    fn sorted(newest: i64, count: i64) -> Vec<Entry> {
        let of = |n: i64| entry(newest - n, newest - n - 10 - (n * 37) % 90, Some(newest - n));
        (0..count).map(of).collect()
    }

    #[test]
    fn a_sorted_service_is_left_at_the_first_page_of_old_ends() {
        let mut walk = Walk::new(Which::Ended(at(850)));
        assert_eq!(walk.page(&sorted(1000, 100), 100, Some(5000)), Next::Page);
        // Three ended meanwhile, so the page begins with what was shown; and open ones stand where they like.
        let mut second = sorted(903, 100);
        second.insert(40, entry(7, 0, None));
        assert_eq!(walk.page(&second, 101, Some(5003)), Next::Page, "850 is among them");
        assert_eq!(walk.page(&sorted(803, 100), 100, Some(5003)), Next::Done);
    }

    #[test]
    fn an_order_that_is_not_kept_is_found_out() {
        let ended = || Walk::new(Which::Ended(at(5000)));
        let mut by_start: Vec<Entry> = sorted(1000, 100);
        by_start.sort_by_key(|entry| entry.start);
        assert_eq!(
            ended().page(&by_start, 100, Some(900)),
            Next::Untrue,
            "the oldest first"
        );
        by_start.reverse();
        assert_eq!(
            ended().page(&by_start, 100, Some(900)),
            Next::Untrue,
            "the newest first"
        );
        let mut walk = ended();
        walk.which = Which::Ended(at(0));
        assert_eq!(walk.page(&sorted(1000, 100), 100, Some(900)), Next::Page);
        assert_eq!(
            walk.page(&sorted(1200, 100), 100, Some(900)),
            Next::Untrue,
            "from page to page"
        );
        // All of one length: sorted by start as well as by end, so nothing is proven, and it is read to the end.
        let alike: Vec<Entry> = (0..100).map(|n| entry(n, 900 - n, Some(930 - n))).collect();
        assert_eq!(ended().page(&alike, 100, Some(900)), Next::Page);
        assert_eq!(
            ended().page(&sorted(1000, 15), 15, Some(900)),
            Next::Page,
            "too few to prove it"
        );
        let mut began = Walk::new(Which::Began(at(5000)));
        assert_eq!(began.page(&alike, 100, Some(900)), Next::Done);
    }

    #[test]
    fn short_pages_wrong_totals_and_ignored_numbers_come_to_an_end() {
        let of = |range: std::ops::Range<i64>| range.map(|n| entry(n, n, Some(n + 5))).collect::<Vec<_>>();
        let mut walk = Walk::new(Which::All);
        assert_eq!(
            walk.page(&of(0..25), 25, Some(60)),
            Next::Page,
            "its pages are smaller than asked"
        );
        assert_eq!(walk.page(&of(25..50), 25, Some(60)), Next::Page);
        assert_eq!(walk.page(&of(50..60), 10, Some(60)), Next::Page, "a total ends nothing");
        assert_eq!(walk.page(&of(60..62), 2, Some(60)), Next::Page);
        assert_eq!(walk.page(&[], 0, Some(60)), Next::Done);
        let mut walk = Walk::new(Which::All);
        for _ in 0..3 {
            assert_eq!(
                walk.page(&of(0..100), 100, Some(100)),
                Next::Page,
                "others may have pushed it back"
            );
        }
        assert_eq!(
            walk.page(&of(0..100), 100, Some(100)),
            Next::Done,
            "the same again and again"
        );
        let mut walk = Walk::new(Which::All);
        assert_eq!(walk.page(&of(0..500), 500, Some(500)), Next::Page);
        assert_eq!(
            walk.page(&of(0..503), 503, Some(503)),
            Next::Done,
            "three came meanwhile"
        );
        assert_eq!(Walk::new(Which::All).page(&[], 0, Some(9)), Next::Done);
        assert_eq!(
            Walk::new(Which::All).page(&of(0..3), 3, None),
            Next::Page,
            "no total tells the last page"
        );
    }

    #[test]
    fn open_ones_that_moved_are_noticed_and_so_is_an_ignored_filter() {
        let open = |range: std::ops::Range<i64>| range.map(|n| entry(n, n, None)).collect::<Vec<_>>();
        let mut walk = Walk::new(Which::Open);
        assert_eq!(walk.page(&open(0..100), 100, Some(150)), Next::Page);
        // Ten of the first page ended, so ten moved there.
        assert_eq!(walk.page(&open(110..150), 40, Some(140)), Next::Page);
        assert_eq!(walk.page(&[], 0, Some(140)), Next::Short);
        let mut walk = Walk::new(Which::Open);
        assert_eq!(walk.page(&open(0..100), 100, Some(150)), Next::Page);
        assert_eq!(walk.page(&open(100..150), 50, Some(150)), Next::Page);
        assert_eq!(walk.page(&[], 0, Some(150)), Next::Done);
        assert_eq!(Walk::new(Which::Open).page(&sorted(1000, 9), 9, Some(9)), Next::Untrue);
        assert_eq!(
            Walk::new(Which::OpenSegment).page(&sorted(1000, 9), 9, Some(9)),
            Next::Untrue
        );
        let mut wrapping = sorted(1000, 9);
        wrapping.iter_mut().for_each(|entry| entry.wraps_up = true);
        assert_eq!(Walk::new(Which::OpenSegment).page(&wrapping, 9, Some(9)), Next::Page);
    }
}
