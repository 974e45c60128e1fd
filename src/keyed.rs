//! Maps and orders without the sort that `collect` and `sort` bring along for each type, 5 KB of code a piece.
//!
//! In: pairs, lists · Out: `BTreeMap`, `BTreeSet`, ordered lists · Thread: none of its own (pure).
//!
//! For what is not done for every event: one shared sort calls its comparison through a pointer.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// A map of these pairs; of two with the same key the later one stands.
pub(crate) fn keyed<K: Ord, V>(pairs: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    for (key, value) in pairs {
        map.insert(key, value);
    }
    map
}

/// A set of these.
pub(crate) fn set_of<K: Ord>(keys: impl IntoIterator<Item = K>) -> BTreeSet<K> {
    let mut set = BTreeSet::new();
    for key in keys {
        set.insert(key);
    }
    set
}

/// Puts `items` in order; equal ones stay as they stand.
pub(crate) fn order_by<T>(items: &mut Vec<T>, compare: impl Fn(&T, &T) -> Ordering) {
    let order = order(items.len(), &|one, other| {
        let both = items.get(one).zip(items.get(other));
        both.is_some_and(|(one, other)| compare(one, other) == Ordering::Less)
    });
    let mut taken: Vec<Option<T>> = items.drain(..).map(Some).collect();
    items.extend(
        order
            .into_iter()
            .filter_map(|at| taken.get_mut(at).and_then(Option::take)),
    );
}

/// The places of `count` items in order: a merge sort from the bottom up.
fn order(count: usize, less: &dyn Fn(usize, usize) -> bool) -> Vec<usize> {
    let mut sorted: Vec<usize> = (0..count).collect();
    let mut length = 1;
    while length < count {
        let mut merged = Vec::with_capacity(count);
        for pair in sorted.chunks(2 * length) {
            let (mut left, mut right) = pair.split_at(length.min(pair.len()));
            while let ([first, lefts @ ..], [other, rights @ ..]) = (left, right) {
                if less(*other, *first) {
                    merged.push(*other);
                    right = rights;
                } else {
                    merged.push(*first);
                    left = lefts;
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        sorted = merged;
        length *= 2;
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_later_stands() {
        assert_eq!(
            keyed([(2, 'a'), (1, 'b'), (2, 'c')]),
            BTreeMap::from([(1, 'b'), (2, 'c')])
        );
        assert_eq!(set_of([3, 1, 3]), BTreeSet::from([1, 3]));
    }

    proptest! {
        #[test]
        fn orders_as_the_standard_library_does(keys in proptest::collection::vec(0_u8..9, 0..70)) {
            let mut ours: Vec<(u8, usize)> = keys.into_iter().enumerate().map(|(at, key)| (key, at)).collect();
            let mut theirs = ours.clone();
            theirs.sort_by_key(|(key, _)| *key);
            order_by(&mut ours, |one, other| one.0.cmp(&other.0));
            prop_assert_eq!(ours, theirs);
        }
    }
}
