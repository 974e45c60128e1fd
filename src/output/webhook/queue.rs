//! The queue of the thread that posts to a webhook.
//!
//! In: items of the sink, outcomes of posts · Out: the next payload · Thread: the sink's and `gs-webhook`, under one mutex
//! that is never held while waiting for the network.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::MAX_QUEUED;
use crate::config::WebhookOn;
use crate::model::snapshot::Snapshot;
use crate::net::Cancel;
use crate::output::Item;
use crate::output::counters::OutputCounters;

/// The most records in one post (`docs/records.md#webhook`).
pub(super) const MAX_RECORDS_PER_POST: usize = 500;

/// Bytes of the records that wait, as an estimate; one record always has room.
const MOST_BYTES: usize = 32 << 20;

/// Bytes of the records in one post, as an estimate; one record is always posted.
const MOST_POST_BYTES: usize = 4 << 20;

/// Pause before a retry at the end of the stream, when there is no time for longer ones.
const LAST_PAUSE: Duration = Duration::from_millis(50);

/// Snapshots and records that wait to be posted.
#[derive(Default)]
pub(super) struct PostQueue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    counters: Option<Arc<OutputCounters>>,
    snapshot: Option<Arc<Snapshot>>,
    items: VecDeque<Item>,
    /// Bytes of the items, as an estimate.
    bytes: usize,
    /// How many of the first `items` are the current batch, which is being posted or waits for its retry.
    in_batch: usize,
    /// Number of the current batch, or of the one before; the first is 1.
    batch_number: u64,
    posting: bool,
    /// Cancels the post that is running.
    current: Option<Cancel>,
    closing: bool,
    /// The sink has counted what is left as missed, so nothing more is counted.
    abandoned: bool,
    done: bool,
}

/// One post.
pub(super) struct Work {
    pub(super) payload: Payload,
    pub(super) cancel: Cancel,
}

pub(super) enum Payload {
    Snapshot(Arc<Snapshot>),
    Batch {
        /// Grows by one with each new batch, also after a refused one, and stays the same for a retry: a receiver tells
        /// repetitions by it.
        number: u64,
        records: Vec<Item>,
    },
}

/// When the next post may begin.
#[derive(Clone, Copy)]
pub(super) enum NotBefore {
    Now,
    /// At this time, or as soon as a post is full.
    Gathered(Instant),
    /// At this time, because the last post failed.
    Retry(Instant),
    /// At this time, because the last post failed and the stream is ending.
    LastRetry(Instant),
}

/// How a post ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Taken,
    /// The receiver will never take this payload.
    Refused,
    /// The payload can be posted again.
    Failed,
}

impl State {
    fn has_work(&self) -> bool {
        self.snapshot.is_some() || !self.items.is_empty()
    }

    fn fills_a_post(&self) -> bool {
        self.items.len() >= MAX_RECORDS_PER_POST || self.bytes >= MOST_POST_BYTES
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.items.is_empty() || self.items.len() < MAX_QUEUED && self.bytes + bytes <= MOST_BYTES
    }

    /// How many of the first items make the next post.
    fn fitting(&self) -> usize {
        let mut bytes = 0;
        let fits = |item: &&Item| {
            bytes += item.bytes();
            bytes <= MOST_POST_BYTES
        };
        let some = self.items.iter().take(MAX_RECORDS_PER_POST);
        some.take_while(fits).count().max(1).min(self.items.len())
    }
}

impl PostQueue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn attach(&self, counters: Arc<OutputCounters>) {
        self.state().counters = Some(counters);
    }

    /// Adds an item. Returns how many records are missed because of that: the item itself if there is no room, or the
    /// snapshot that it replaces.
    pub(super) fn push(&self, item: Item) -> u64 {
        let mut state = self.state();
        let missed = match item {
            Item::Snapshot(snapshot) => state.snapshot.replace(snapshot).is_some(),
            item if !state.has_room(item.bytes()) => true,
            item => {
                state.bytes += item.bytes();
                state.items.push_back(item);
                false
            }
        };
        self.changed.notify_all();
        u64::from(missed)
    }

    /// Adds the last snapshot, for which there is always room: after the records, or in place of an older snapshot.
    /// Returns how many records are missed because of that.
    pub(super) fn push_last(&self, last: Arc<Snapshot>, on: WebhookOn) -> u64 {
        let mut state = self.state();
        if on == WebhookOn::Events {
            let last = Item::Snapshot(last);
            state.bytes += last.bytes();
            state.items.push_back(last);
            return 0;
        }
        u64::from(state.snapshot.replace(last).is_some())
    }

    /// Says that nothing will be added any more.
    pub(super) fn close(&self) {
        self.state().closing = true;
        self.changed.notify_all();
    }

    /// Waits until no post is running, or only the last one is; whether that was before `deadline`.
    pub(super) fn is_idle_by(&self, deadline: Instant) -> bool {
        self.wait_until(deadline, |state| !state.posting || !state.has_work())
    }

    /// Waits until everything is settled; whether that was before `deadline`.
    pub(super) fn is_done_by(&self, deadline: Instant) -> bool {
        self.wait_until(deadline, |state| state.done)
    }

    fn wait_until(&self, deadline: Instant, met: impl Fn(&State) -> bool) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let waited = self
            .changed
            .wait_timeout_while(self.state(), left, |state| !met(state))
            .unwrap_or_else(PoisonError::into_inner);
        met(&waited.0)
    }

    /// Cancels the post that is running.
    pub(super) fn cancel_current(&self) {
        if let Some(current) = &self.state().current {
            current.cancel();
        }
    }

    /// Ends the posting thread. Returns how many records were not taken.
    pub(super) fn abandon(&self) -> u64 {
        let mut state = self.state();
        if state.done {
            return 0;
        }
        state.abandoned = true;
        state.closing = true;
        if let Some(current) = &state.current {
            current.cancel();
        }
        let snapshot_in_post = state.posting && state.items.is_empty();
        let left = state.items.len() + usize::from(state.snapshot.is_some()) + usize::from(snapshot_in_post);
        self.changed.notify_all();
        left as u64
    }

    /// Waits for the next payload, which is not posted before `not_before`. Returns `None` once the queue is closed and
    /// empty, or abandoned.
    pub(super) fn next(&self, not_before: NotBefore) -> Option<Work> {
        let mut state = self.state();
        let mut not_before = not_before;
        loop {
            if let (true, NotBefore::Retry(due)) = (state.closing, not_before) {
                not_before = NotBefore::LastRetry(due.min(Instant::now() + LAST_PAUSE));
            }
            if state.abandoned || state.closing && !state.has_work() {
                state.done = true;
                self.changed.notify_all();
                return None;
            }
            let now = Instant::now();
            let due = match not_before {
                NotBefore::Now => None,
                NotBefore::Gathered(_) if state.closing || state.fills_a_post() => None,
                NotBefore::Gathered(due) | NotBefore::Retry(due) | NotBefore::LastRetry(due) => Some(due),
            };
            let wait = due
                .map(|due| due.saturating_duration_since(now))
                .filter(|wait| !wait.is_zero());
            if state.has_work() && wait.is_none() {
                break;
            }
            state = match wait.filter(|_| state.has_work()) {
                Some(wait) => {
                    let waited = self.changed.wait_timeout(state, wait);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        let payload = match state.snapshot.take() {
            Some(snapshot) => Payload::Snapshot(snapshot),
            None => {
                if state.in_batch == 0 {
                    state.in_batch = state.fitting();
                    state.batch_number += 1;
                }
                Payload::Batch {
                    number: state.batch_number,
                    records: state.items.iter().take(state.in_batch).cloned().collect(),
                }
            }
        };
        let cancel = Cancel::new();
        state.posting = true;
        state.current = Some(cancel.clone());
        Some(Work { payload, cancel })
    }

    /// Says how a post ended. Returns how many records are missed because of that.
    pub(super) fn settle(&self, payload: Payload, outcome: Outcome) -> u64 {
        let mut state = self.state();
        state.posting = false;
        state.current = None;
        self.changed.notify_all();
        if state.abandoned {
            return 0;
        }
        let count = match payload {
            Payload::Batch { records, .. } => {
                if outcome == Outcome::Failed {
                    return 0;
                }
                let done: usize = state.items.drain(..records.len()).map(|item| item.bytes()).sum();
                state.bytes -= done;
                state.in_batch = 0;
                records.len() as u64
            }
            Payload::Snapshot(snapshot) => {
                if outcome == Outcome::Failed && state.snapshot.is_none() {
                    state.snapshot = Some(snapshot);
                    return 0;
                }
                1
            }
        };
        if let Some(counters) = &state.counters {
            match outcome {
                Outcome::Taken => counters.wrote(count),
                Outcome::Refused | Outcome::Failed => counters.missed(count),
            }
        }
        if outcome == Outcome::Taken { 0 } else { count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing::state_item;

    /// The number and the size of the next batch.
    fn post(queue: &PostQueue, outcome: Outcome) -> (u64, usize) {
        let work = queue.next(NotBefore::Now).expect("a batch");
        let Payload::Batch { number, records } = work.payload else {
            panic!("a snapshot")
        };
        let size = records.len();
        queue.settle(Payload::Batch { number, records }, outcome);
        (number, size)
    }

    #[test]
    fn records_that_wait_and_those_of_a_post_are_bounded_in_bytes() {
        let queue = PostQueue::default();
        let large = |mib: usize| {
            let mut event = crate::model::testing::event(
                crate::EventKind::Unknown,
                crate::event::facts::Facts::None,
                crate::Moment::default(),
            );
            event.body = Some("x".repeat(mib << 20).into());
            Item::Event(Arc::new(event))
        };
        let missed: u64 = (0..40).map(|_| queue.push(large(1))).sum();
        assert_eq!(missed, 9, "31 of a little more than a MiB have room");
        assert_eq!(post(&queue, Outcome::Taken), (1, 3));
        assert_eq!((0..4).map(|_| queue.push(large(1))).sum::<u64>(), 1);
        for n in 2..=11 {
            post(&queue, Outcome::Taken);
            assert!(queue.state().bytes < MOST_BYTES, "{n}");
        }
        assert_eq!(post(&queue, Outcome::Taken), (12, 1));
        assert_eq!(queue.state().bytes, 0);
        assert_eq!(queue.push(large(40)), 0, "one always has room");
        assert_eq!(post(&queue, Outcome::Taken), (13, 1));
    }

    #[test]
    fn each_batch_has_a_number_of_its_own_and_a_retry_keeps_it() {
        let queue = PostQueue::default();
        queue.push(state_item());
        assert_eq!(post(&queue, Outcome::Refused), (1, 1));
        queue.push(state_item());
        assert_eq!(post(&queue, Outcome::Failed), (2, 1));
        queue.push(state_item());
        assert_eq!(post(&queue, Outcome::Taken), (2, 1), "the failed batch as it was");
        assert_eq!(post(&queue, Outcome::Taken), (3, 1));
        queue.close();
        assert!(queue.next(NotBefore::Now).is_none());
    }
}
