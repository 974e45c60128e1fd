//! What waits for the courier of a webhook.
//!
//! In: items of the outlet, outcomes of posts · Out: what to post next · Thread: the outlet's and the courier's, under one
//! mutex that nobody holds while waiting for the network.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::MOST_WAITING;
use crate::config::WebhookOn;
use crate::model::snapshot::Snapshot;
use crate::net::Cancel;
use crate::output::Item;
use crate::output::tally::Tally;

/// Records in one post at most (`docs/records.md#webhook`).
pub(super) const RECORDS_A_POST: usize = 500;

/// Between two tries at the end, which has no time for long pauses.
const LAST_PAUSE: Duration = Duration::from_millis(50);

/// See the module.
#[derive(Default)]
pub(super) struct Desk {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    tally: Option<Arc<Tally>>,
    snapshot: Option<Arc<Snapshot>>,
    items: VecDeque<Item>,
    /// How many records are out: under way, or failed and to be tried again as they are.
    out: usize,
    posting: bool,
    /// Ends the post under way.
    current: Option<Cancel>,
    closing: bool,
    /// Nobody counts any more.
    abandoned: bool,
    done: bool,
}

/// One post.
pub(super) struct Work {
    pub(super) what: What,
    pub(super) cancel: Cancel,
}

pub(super) enum What {
    Snapshot(Arc<Snapshot>),
    Records(Vec<Item>),
}

/// When the next post may begin.
#[derive(Clone, Copy)]
pub(super) enum Pause {
    /// At once.
    None,
    /// Then, or when a post is full.
    Gather(Instant),
    /// Then, because the last one failed.
    Failure(Instant),
    /// The same at the end.
    Last(Instant),
}

/// What became of a post.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Taken,
    /// The same again is no use.
    Refused,
    Failed,
}

impl State {
    fn has_work(&self) -> bool {
        self.snapshot.is_some() || !self.items.is_empty()
    }
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn attach(&self, tally: Arc<Tally>) {
        self.state().tally = Some(tally);
    }

    /// Puts an item there; how many were missed for it.
    pub(super) fn put(&self, item: Item) -> u64 {
        let mut state = self.state();
        let missed = match item {
            Item::Snapshot(snapshot) => state.snapshot.replace(snapshot).is_some(),
            _ if state.items.len() >= MOST_WAITING => true,
            item => {
                state.items.push_back(item);
                false
            }
        };
        self.changed.notify_all();
        u64::from(missed)
    }

    /// The last snapshot, for which there is always room: after the records, or in place of an older one.
    pub(super) fn put_last(&self, last: Arc<Snapshot>, on: WebhookOn) -> u64 {
        let mut state = self.state();
        if on == WebhookOn::Events {
            state.items.push_back(Item::Snapshot(last));
            return 0;
        }
        u64::from(state.snapshot.replace(last).is_some())
    }

    /// Nothing comes any more.
    pub(super) fn close(&self) {
        self.state().closing = true;
        self.changed.notify_all();
    }

    /// Whether no post is under way, or that of the last records is, by `deadline`.
    pub(super) fn is_between_posts_by(&self, deadline: Instant) -> bool {
        self.wait_until(deadline, |state| !state.posting || !state.has_work())
    }

    /// Whether everything was settled by `deadline`.
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

    /// Ends the post under way.
    pub(super) fn give_up_current(&self) {
        if let Some(current) = &self.state().current {
            current.cancel();
        }
    }

    /// Ends the courier; how many records were not taken.
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
        let in_hand = state.posting && state.items.is_empty();
        let left = state.items.len() + usize::from(state.snapshot.is_some()) + usize::from(in_hand);
        self.changed.notify_all();
        left as u64
    }

    /// Waits for something to post, not before `not_before`; at the end also for what is left. `None` = nothing comes.
    ///
    /// While it waits to gather records, a full post is not kept waiting.
    pub(super) fn next(&self, not_before: Pause) -> Option<Work> {
        let mut state = self.state();
        let mut not_before = not_before;
        loop {
            if let (true, Pause::Failure(due)) = (state.closing, not_before) {
                not_before = Pause::Last(due.min(Instant::now() + LAST_PAUSE));
            }
            if state.abandoned || state.closing && !state.has_work() {
                state.done = true;
                self.changed.notify_all();
                return None;
            }
            let now = Instant::now();
            let due = match not_before {
                Pause::None => None,
                Pause::Gather(_) if state.closing || state.items.len() >= RECORDS_A_POST => None,
                Pause::Gather(due) | Pause::Failure(due) | Pause::Last(due) => Some(due),
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
        let what = match state.snapshot.take() {
            Some(snapshot) => What::Snapshot(snapshot),
            None => {
                if state.out == 0 {
                    state.out = state.items.len().min(RECORDS_A_POST);
                }
                What::Records(state.items.iter().take(state.out).cloned().collect())
            }
        };
        let cancel = Cancel::new();
        state.posting = true;
        state.current = Some(cancel.clone());
        Some(Work { what, cancel })
    }

    /// A post is over. Returns how many records it cost.
    pub(super) fn settle(&self, what: What, fate: Fate) -> u64 {
        let mut state = self.state();
        state.posting = false;
        state.current = None;
        self.changed.notify_all();
        if state.abandoned {
            return 0;
        }
        let count = match what {
            What::Records(records) => {
                if fate == Fate::Failed {
                    return 0;
                }
                state.items.drain(..records.len());
                state.out = 0;
                records.len() as u64
            }
            What::Snapshot(snapshot) => {
                if fate == Fate::Failed && state.snapshot.is_none() {
                    state.snapshot = Some(snapshot);
                    return 0;
                }
                1
            }
        };
        if let Some(tally) = &state.tally {
            match fate {
                Fate::Taken => tally.wrote(count),
                Fate::Refused | Fate::Failed => tally.missed(count),
            }
        }
        if fate == Fate::Taken { 0 } else { count }
    }
}
