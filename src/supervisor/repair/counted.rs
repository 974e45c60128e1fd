//! What of REST's answers was counted as unreadable already: passes read the same texts again and again.
//!
//! In: how much is unreadable in which part of an answer · Out: how much of it is new · Thread: any (pure).

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};

use crate::base::hash::Seeded;

/// Parts that are remembered; what was counted of them is forgotten where there are more.
const PARTS_AT_MOST: usize = 20_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Counted {
    hasher: Seeded,
    /// By the hash of a part: the most that was unreadable in it.
    parts: HashMap<u64, u32>,
}

impl Counted {
    /// So much is unreadable in this part now. Returns how much more that is than before.
    pub(super) fn more(&mut self, part: impl Hash, unreadable: u32) -> u32 {
        if unreadable == 0 {
            return 0;
        }
        if self.parts.len() >= PARTS_AT_MOST {
            self.parts.clear();
        }
        let known = self.parts.entry(self.hasher.hash_one(part)).or_default();
        let more = unreadable.saturating_sub(*known);
        *known += more;
        more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_more_than_before_counts_and_parts_are_bounded() {
        let mut counted = Counted::default();
        assert_eq!((counted.more("a", 2), counted.more("b", 1)), (2, 1));
        assert_eq!(
            (counted.more("a", 2), counted.more("a", 1), counted.more("a", 5)),
            (0, 0, 3)
        );
        for n in 0..3 * PARTS_AT_MOST {
            counted.more(n, 1);
            counted.more(("read", n), 0);
            assert!(counted.parts.len() <= PARTS_AT_MOST);
        }
    }
}
