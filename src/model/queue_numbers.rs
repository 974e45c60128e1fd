//! A small number for each queue, so that states and counts need not hold ids.
//!
//! In: ids of queues · Out: their numbers, and the same ids again · Thread: any (pure).

use std::collections::HashMap;
use std::num::NonZeroU32;

use crate::Id;
use crate::base::hash::Seeded;

/// Stands for a queue until the end of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct QueueNumber(NonZeroU32);

impl QueueNumber {
    /// Its place in a list of all queues.
    pub(super) fn place(self) -> usize {
        self.0.get() as usize - 1
    }

    fn of_place(place: usize) -> Self {
        // An organization has far fewer than 2^32 queues.
        Self(NonZeroU32::new(u32::try_from(place + 1).unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN))
    }

    /// The number that [`QueueNumber::code`] gave.
    pub(super) fn of_code(code: u64) -> Option<Self> {
        u32::try_from(code).ok().and_then(NonZeroU32::new).map(Self)
    }

    /// The number itself.
    pub(super) fn code(self) -> u64 {
        u64::from(self.0.get())
    }
}

/// All queues that were named so far.
#[derive(Debug, Default)]
pub(crate) struct QueueNumbers {
    numbers: HashMap<Id, QueueNumber, Seeded>,
    ids: Vec<Id>,
    /// The last one that was asked for: the participants of an event mostly name the same queue.
    last: Option<QueueNumber>,
}

impl QueueNumbers {
    /// The number of a queue; a new one for a new queue.
    pub(crate) fn of(&mut self, queue: &Id) -> QueueNumber {
        if let Some(last) = self.last
            && self.ids[last.place()] == *queue
        {
            return last;
        }
        let number = match self.numbers.get(queue) {
            Some(number) => *number,
            None => {
                let number = QueueNumber::of_place(self.ids.len());
                self.ids.push(queue.clone());
                self.numbers.insert(queue.clone(), number);
                number
            }
        };
        self.last = Some(number);
        number
    }

    /// The number of a queue that was named.
    pub(crate) fn known(&self, queue: &Id) -> Option<QueueNumber> {
        self.numbers.get(queue).copied()
    }

    /// The queue that a number stands for.
    pub(crate) fn id(&self, number: QueueNumber) -> &Id {
        &self.ids[number.place()]
    }

    /// All queues with their numbers.
    pub(crate) fn all(&self) -> impl Iterator<Item = (QueueNumber, &Id)> {
        let numbers = (0..).map(QueueNumber::of_place);
        numbers.zip(&self.ids)
    }
}
