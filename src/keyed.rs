//! Maps from pairs, one pair after the other: `collect` brings a sort of its own for each type, 5 KB of code a piece.
//!
//! In: pairs · Out: `BTreeMap`, `BTreeSet` · Thread: none of its own (pure).

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_stands() {
        assert_eq!(
            keyed([(2, 'a'), (1, 'b'), (2, 'c')]),
            BTreeMap::from([(1, 'b'), (2, 'c')])
        );
        assert_eq!(set_of([3, 1, 3]), BTreeSet::from([1, 3]));
    }
}
