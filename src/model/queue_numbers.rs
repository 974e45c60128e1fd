//! A small number for each queue, so that states and counts need not hold ids.
//!
//! In: ids of queues · Out: their numbers, and the same ids again · Thread: any (pure).

use std::collections::HashMap;
use std::num::NonZeroU32;

use crate::Id;
use crate::base::hash::Seeded;

/// Queues that are numbered by what events name them; those that are subscribed always have a number. All others share
/// one number, and are no queue of the snapshot.
const NAMED_AT_MOST: usize = 20_000;

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
    /// How many have a number because they are subscribed.
    subscribed: usize,
    /// Stands for all queues for which there is no room.
    others: Option<QueueNumber>,
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
            None if self.ids.len() - self.subscribed >= NAMED_AT_MOST => return self.of_others(),
            None => self.add(queue),
        };
        self.last = Some(number);
        number
    }

    /// These are subscribed: they have numbers, however many others events named.
    pub(crate) fn subscribe<'a>(&mut self, queues: impl IntoIterator<Item = &'a Id>) {
        for queue in queues {
            if !self.numbers.contains_key(queue) {
                self.subscribed += 1;
                self.add(queue);
            }
        }
    }

    fn add(&mut self, queue: &Id) -> QueueNumber {
        let number = QueueNumber::of_place(self.ids.len());
        self.ids.push(queue.clone());
        self.numbers.insert(queue.clone(), number);
        number
    }

    #[cold]
    fn of_others(&mut self) -> QueueNumber {
        let next = QueueNumber::of_place(self.ids.len());
        *self.others.get_or_insert_with(|| {
            self.ids.push(Id::PLACEHOLDER);
            next
        })
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
        numbers
            .zip(&self.ids)
            .filter(|(number, _)| Some(*number) != self.others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_that_nobody_subscribed_are_bounded_and_subscribed_ones_always_counted() {
        let mut numbers = QueueNumbers::default();
        let id = |n: usize| Id::new(&format!("q{n}"));
        let first: Vec<_> = (0..NAMED_AT_MOST).map(|n| numbers.of(&id(n))).collect();
        let others = numbers.of(&id(NAMED_AT_MOST));
        assert_eq!(numbers.of(&id(NAMED_AT_MOST + 1)), others);
        assert!(!first.contains(&others) && numbers.known(&id(NAMED_AT_MOST)).is_none());
        assert_eq!(numbers.all().count(), NAMED_AT_MOST, "the others are no queue");
        let subscribed = id(NAMED_AT_MOST + 2);
        numbers.subscribe([&subscribed]);
        let number = numbers.of(&subscribed);
        assert!(number != others && *numbers.id(number) == subscribed);
        assert_eq!(numbers.of(&id(7)), first[7]);
        assert_eq!(
            numbers.of(&id(NAMED_AT_MOST + 3)),
            others,
            "no room was made for others"
        );
    }
}
