//! The shapes of packed conversations, each kept once.
//!
//! In: shapes, numbers · Out: numbers, shapes · Thread: any (pure).

use std::collections::HashMap;
use std::sync::Arc;

use crate::base::hash::Seeded;

/// Estimated bytes of a shape beside its own: entries of both lists, counters of the allocation.
const ENTRY_BYTES: usize = 80;

/// All shapes in use.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    numbers: HashMap<Arc<[u8]>, u32, Seeded>,
    /// By their numbers, with how often they are used; not used at all where the number is free.
    all: Vec<(Arc<[u8]>, u32)>,
    free: Vec<u32>,
    bytes: usize,
}

impl Shapes {
    /// The number of a shape, which is used once more.
    pub(super) fn enter(&mut self, shape: &[u8]) -> u32 {
        if let Some(number) = self.numbers.get(shape) {
            self.all[*number as usize].1 += 1;
            return *number;
        }
        let shape: Arc<[u8]> = Arc::from(shape);
        let number = match self.free.pop() {
            Some(number) => number,
            None => {
                self.all.push((Arc::default(), 0));
                // There are no more of them than conversations.
                u32::try_from(self.all.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.bytes += shape.len() + ENTRY_BYTES;
        self.all[number as usize] = (Arc::clone(&shape), 1);
        self.numbers.insert(shape, number);
        number
    }

    /// The shape of a number that is in use.
    pub(super) fn shape(&self, number: u32) -> &[u8] {
        &self.all[number as usize].0
    }

    /// It is used once less.
    pub(super) fn release(&mut self, number: u32) {
        let (shape, uses) = &mut self.all[number as usize];
        *uses -= 1;
        if *uses == 0 {
            self.bytes -= shape.len() + ENTRY_BYTES;
            self.numbers.remove(shape);
            *shape = Arc::default();
            self.free.push(number);
        }
    }

    /// Bytes in memory, as an estimate.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_kept_as_long_as_it_is_used() {
        let mut shapes = Shapes::default();
        let (a, b) = (shapes.enter(b"a"), shapes.enter(b"b"));
        assert_eq!(
            (shapes.enter(b"a"), shapes.shape(a), shapes.shape(b)),
            (a, &b"a"[..], &b"b"[..])
        );
        shapes.release(a);
        assert_eq!(shapes.shape(a), b"a");
        shapes.release(a);
        assert_eq!((shapes.enter(b"c"), shapes.shape(a)), (a, &b"c"[..]));
        shapes.release(a);
        shapes.release(b);
        assert_eq!((shapes.bytes(), shapes.numbers.len()), (0, 0));
    }
}
