//! Sorting of lists where nobody waits for it.
//!
//! In: a list and how two entries compare · Out: the list in order · Thread: any (pure).
//!
//! The code of the standard library's sort takes six kilobytes for each type of entry. Here it exists once, for places in
//! a list, which is enough for short lists and rare sorts.

use std::cmp::Ordering;

/// Stable sorts for slices.
pub(crate) trait Ordered<T> {
    /// Like `sort_by`.
    fn order_by(&mut self, compare: impl FnMut(&T, &T) -> Ordering);

    /// Like `sort_by_key`.
    fn order_by_key<K: Ord>(&mut self, key: impl FnMut(&T) -> K);
}

impl<T> Ordered<T> for [T] {
    fn order_by(&mut self, mut compare: impl FnMut(&T, &T) -> Ordering) {
        if self.is_sorted_by(|one, other| compare(one, other).is_le()) {
            return;
        }
        let places = places(self.len(), &mut |one, other| compare(&self[one], &self[other]));
        for to in 0..self.len() {
            // What was in front of `to` has been swapped to where its successor came from.
            let mut from = places[to];
            while from < to {
                from = places[from];
            }
            self.swap(to, from);
        }
    }

    fn order_by_key<K: Ord>(&mut self, mut key: impl FnMut(&T) -> K) {
        self.order_by(|one, other| key(one).cmp(&key(other)));
    }
}

/// For each place of the ordered list, the place from which its entry comes.
#[inline(never)]
fn places(length: usize, compare: &mut dyn FnMut(usize, usize) -> Ordering) -> Vec<usize> {
    let mut places: Vec<usize> = (0..length).collect();
    places.sort_by(|&one, &other| compare(one, other));
    places
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn as_the_standard_library_sorts(mut list in prop::collection::vec((0_u8..20, any::<u16>()), 0..100)) {
            let mut expected = list.clone();
            expected.sort_by_key(|one| one.0);
            list.order_by_key(|one| one.0);
            prop_assert_eq!(list, expected);
        }
    }
}
