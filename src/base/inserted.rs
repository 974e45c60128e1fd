//! Maps and sets made by inserting one entry after the other.
//!
//! In: an iterator · Out: a collection · Thread: any (pure).
//!
//! `collect` sorts the entries of an ordered map first, and the code of that sort takes five kilobytes for each type of
//! entry: on a small box that is more than it gains.

/// Collects by insertion.
pub(crate) trait Inserted: Iterator + Sized {
    /// All items in a new collection.
    fn inserted<C: Default + Extend<Self::Item>>(self) -> C {
        let mut all = C::default();
        all.extend(self);
        all
    }
}

impl<I: Iterator> Inserted for I {}
