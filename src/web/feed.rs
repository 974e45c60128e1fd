//! The newest state, for any number of viewers that wait for it.
//!
//! In: states from one publisher · Out: the newest one to each viewer, never an older one · Thread: any (one mutex and
//! one condition; nothing is done while it is held).

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Holds the newest state and wakes those who wait for it.
pub(super) struct Feed<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    /// Grows with each state; 0 before the first.
    number: u64,
    newest: Option<Arc<T>>,
    viewers: usize,
    closed: bool,
}

/// Why a viewer's wait ended.
pub(super) enum Next<T> {
    /// A state that it has not seen, and its number.
    New(u64, Arc<T>),
    /// None came by the deadline.
    Timeout,
    /// No more will come.
    Closed,
}

impl<T> Default for Feed<T> {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                number: 0,
                newest: None,
                viewers: 0,
                closed: false,
            }),
            changed: Condvar::new(),
        }
    }
}

impl<T> Feed<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the newest state and wakes the viewers.
    pub(super) fn publish(&self, state: T) {
        let state = Arc::new(state);
        let mut shared = self.lock();
        shared.number += 1;
        let before = shared.newest.replace(state);
        drop(shared);
        self.changed.notify_all();
        // Not under the lock: it takes a while to free a large state.
        drop(before);
    }

    /// The newest state, if there is one.
    pub(super) fn newest(&self) -> Option<Arc<T>> {
        self.lock().newest.clone()
    }

    /// Waits for a state newer than number `seen`. A state published before `close` is still given out.
    pub(super) fn next(&self, seen: u64, deadline: Instant) -> Next<T> {
        let mut shared = self.lock();
        loop {
            if let Some(newest) = shared.newest.as_ref().filter(|_| shared.number > seen) {
                return Next::New(shared.number, Arc::clone(newest));
            }
            if shared.closed {
                return Next::Closed;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Next::Timeout;
            }
            shared = self
                .changed
                .wait_timeout(shared, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Ends the feed: no more states will come.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Takes a place for a viewer, unless `most` places are taken.
    pub(super) fn enter(self: &Arc<Self>, most: usize) -> Option<Place<T>> {
        let mut shared = self.lock();
        if shared.viewers >= most {
            return None;
        }
        shared.viewers += 1;
        Some(Place { feed: Arc::clone(self) })
    }

    /// Places taken now.
    pub(super) fn viewers(&self) -> usize {
        self.lock().viewers
    }

    /// Waits until every viewer has left; `false` if some had not by `deadline`.
    pub(super) fn emptied_by(&self, deadline: Instant) -> bool {
        let mut shared = self.lock();
        while shared.viewers > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            shared = self
                .changed
                .wait_timeout(shared, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }
}

/// A viewer's place; given back when dropped.
pub(super) struct Place<T> {
    pub(super) feed: Arc<Feed<T>>,
}

impl<T> Drop for Place<T> {
    fn drop(&mut self) {
        let mut shared = self.feed.lock();
        shared.viewers -= 1;
        if shared.closed {
            self.feed.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_viewer_gets_the_newest_and_only_once() {
        let feed = Arc::new(Feed::default());
        assert!(matches!(feed.next(0, Instant::now()), Next::Timeout));
        feed.publish("a");
        feed.publish("b");
        let Next::New(number, state) = feed.next(0, Instant::now()) else {
            panic!("one was published")
        };
        assert_eq!((number, *state), (2, "b"));
        assert!(matches!(feed.next(number, Instant::now()), Next::Timeout));
        feed.publish("c");
        feed.close();
        assert!(matches!(feed.next(number, Instant::now()), Next::New(3, _)));
        assert!(matches!(feed.next(3, Instant::now()), Next::Closed));
    }

    #[test]
    fn places_are_limited_and_given_back() {
        let feed = Arc::new(Feed::<()>::default());
        let (first, second) = (feed.enter(2), feed.enter(2));
        assert!(first.is_some() && second.is_some() && feed.enter(2).is_none());
        drop(first);
        assert_eq!(feed.viewers(), 1);
        assert!(!feed.emptied_by(Instant::now()));
        drop(second);
        assert!(feed.emptied_by(Instant::now() + Duration::from_secs(5)));
    }

    #[test]
    fn all_waiting_viewers_are_woken_by_one_state() {
        let feed = Arc::new(Feed::default());
        let deadline = Instant::now() + Duration::from_secs(20);
        let waiting: Vec<_> = (0..20)
            .map(|_| {
                let feed = Arc::clone(&feed);
                std::thread::spawn(move || matches!(feed.next(0, deadline), Next::New(1, _)))
            })
            .collect();
        feed.publish(7);
        assert!(waiting.into_iter().all(|thread| thread.join().unwrap()));
    }
}
