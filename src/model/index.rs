//! Where a conversation is kept, by the hash of its id.
//!
//! In: hashes, places · Out: places · Thread: any (pure).
//!
//! A cell takes eight bytes, where a map with whole ids takes thirty-three: the index of a hundred thousand conversations
//! stays in the processor's cache. Different ids may have the same hash, so the caller checks the place that is found.

/// Cells at least; always a power of two.
const CELLS_AT_LEAST: usize = 16;

/// Places by hash.
#[derive(Debug)]
pub(super) struct Index {
    /// Upper half: the hash; lower half: the place plus one; 0 if the cell is empty. A hash is in the cell that its upper
    /// bits name, or in a later one with only full cells between.
    cells: Vec<u64>,
    len: usize,
}

impl Default for Index {
    fn default() -> Self {
        Self {
            cells: vec![0; CELLS_AT_LEAST],
            len: 0,
        }
    }
}

impl Index {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The place with this hash that `is` accepts.
    pub(super) fn find(&self, hash: u32, is: impl Fn(u32) -> bool) -> Option<u32> {
        let mut at = self.home(hash);
        while let Some((of, place)) = parts(self.cells[at]) {
            if of == hash && is(place) {
                return Some(place);
            }
            at = self.after(at);
        }
        None
    }

    /// Adds a place, which is below [`u32::MAX`] and not in the index yet.
    pub(super) fn insert(&mut self, hash: u32, place: u32) {
        // At most three quarters full: then an entry is nearly always in the cache line of its first cell.
        if (self.len + 1) * 4 > self.cells.len() * 3 {
            self.resize(self.cells.len() * 2);
        }
        self.put(u64::from(hash) << 32 | (u64::from(place) + 1));
        self.len += 1;
    }

    /// Removes a place, if it is in the index.
    pub(super) fn remove(&mut self, hash: u32, place: u32) {
        let mut hole = self.home(hash);
        loop {
            match parts(self.cells[hole]) {
                None => return,
                Some(found) if found == (hash, place) => break,
                Some(_) => hole = self.after(hole),
            }
        }
        self.len -= 1;
        // The entries behind it move up, unless they are already in their own cell.
        let mut at = self.after(hole);
        while let Some((of, _)) = parts(self.cells[at]) {
            let mask = self.cells.len() - 1;
            let from_home = at.wrapping_sub(self.home(of)) & mask;
            if from_home >= at.wrapping_sub(hole) & mask {
                self.cells[hole] = self.cells[at];
                hole = at;
            }
            at = self.after(at);
        }
        self.cells[hole] = 0;
    }

    /// Gives memory back if hardly any of it is used.
    pub(super) fn shrink(&mut self) {
        let cells = (self.len * 2).next_power_of_two().max(CELLS_AT_LEAST);
        if cells * 4 <= self.cells.len() {
            self.resize(cells);
        }
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(self.cells.as_slice())
    }

    fn resize(&mut self, cells: usize) {
        for cell in std::mem::replace(&mut self.cells, vec![0; cells]) {
            self.put(cell);
        }
    }

    fn put(&mut self, cell: u64) {
        let Some((hash, _)) = parts(cell) else { return };
        let mut at = self.home(hash);
        while self.cells[at] != 0 {
            at = self.after(at);
        }
        self.cells[at] = cell;
    }

    fn home(&self, hash: u32) -> usize {
        ((u64::from(hash) * self.cells.len() as u64) >> 32) as usize
    }

    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.cells.len() - 1)
    }
}

/// Hash and place of a cell that is not empty.
fn parts(cell: u64) -> Option<(u32, u32)> {
    (cell != 0).then(|| ((cell >> 32) as u32, (cell as u32).wrapping_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn finds_what_is_there_and_nothing_else(steps in proptest::collection::vec((any::<bool>(), 0..200_u32), 0..600)) {
            // Few hashes, at both ends of the range: long runs, around the end of the table, too.
            let hash = |place: u32| [0, 1 << 28, u32::MAX - 1, u32::MAX][place as usize % 4];
            let (mut index, mut known) = (Index::default(), BTreeSet::new());
            for (adds, place) in steps {
                if !adds {
                    index.remove(hash(place), place);
                    known.remove(&place);
                } else if known.insert(place) {
                    index.insert(hash(place), place);
                }
                prop_assert_eq!(index.len(), known.len());
            }
            index.shrink();
            for place in 0..200 {
                let found = index.find(hash(place), |found| found == place);
                prop_assert_eq!(found, known.contains(&place).then_some(place));
            }
            prop_assert_eq!(index.cells.iter().filter(|cell| **cell != 0).count(), known.len());
        }
    }

    #[test]
    fn equal_hashes_are_told_apart_by_their_places() {
        let mut index = Index::default();
        index.insert(7, 1);
        index.insert(7, 2);
        assert_eq!(index.find(7, |place| place == 2), Some(2));
        assert_eq!(index.find(7, |_| false), None);
        assert_eq!(index.find(8, |_| true), None);
    }
}
