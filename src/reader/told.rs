//! What a connection has told already, so that a peer that repeats itself fills neither the inbox nor the log.
//!
//! In: news and lines of one connection · Out: which of them to tell now · Thread: none of its own (pure).

use std::time::{Duration, Instant};

use crate::base::repeats::Repeats;

/// Changes of the subscriptions are told once in this time: the supervisor reads the whole list each time.
const CHANGES_EVERY: Duration = Duration::from_secs(1);

/// The news of one connection.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) closing: Once,
    pub(super) revoked: Once,
    pub(super) errors: Repeats,
    pub(super) warnings: Repeats,
    changes: Changes,
}

/// Something that is told once a connection.
#[derive(Debug, Default)]
pub(super) struct Once(bool);

impl Once {
    /// Whether this is the first time.
    pub(super) fn is_first(&mut self) -> bool {
        !std::mem::replace(&mut self.0, true)
    }
}

#[derive(Debug, Default)]
struct Changes {
    told_at: Option<Instant>,
    is_waiting: bool,
}

impl Told {
    /// The subscriptions changed.
    pub(super) fn on_change(&mut self) {
        self.changes.is_waiting = true;
    }

    /// Whether to tell now that the subscriptions changed.
    pub(super) fn tells_change(&mut self, now: Instant) -> bool {
        let Changes { told_at, is_waiting } = &mut self.changes;
        let is_early = told_at.is_some_and(|at| now.saturating_duration_since(at) < CHANGES_EVERY);
        if !*is_waiting || is_early {
            return false;
        }
        *is_waiting = false;
        *told_at = Some(now);
        true
    }

    /// When a change that waits is to be told.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let told_at = self.changes.told_at.filter(|_| self.changes.is_waiting)?;
        Some(told_at + CHANGES_EVERY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_repeats_itself_is_told_of_once() {
        let mut told = Told::default();
        assert_eq!((0..1000).filter(|_| told.closing.is_first()).count(), 1);
        assert_eq!((0..1000).filter(|_| told.revoked.is_first()).count(), 1);
    }

    #[test]
    fn changes_are_told_once_a_second_and_the_last_is_not_lost() {
        let (mut told, start) = (Told::default(), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        let count = (0..5000_u64)
            .filter(|ms| {
                told.on_change();
                told.tells_change(at(*ms))
            })
            .count();
        assert_eq!(count, 5);
        assert_eq!(told.next_due(), Some(at(5000)));
        assert!(told.tells_change(at(5000)) && told.next_due().is_none());
        assert!(!told.tells_change(at(9000)), "nothing changed");
    }
}
