//! What the supervisor lends the repair: the token of now, the queues of the plan.
//!
//! In: tokens and plans · Out: the newest of each · Thread: any (one mutex, held briefly).

use std::sync::{Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded, select};

use crate::net::Cancel;
use crate::protocol::topic_plan::TopicQueues;
use crate::{Id, Secret};

/// See the module.
pub(in crate::supervisor) struct Access {
    known: Mutex<Known>,
    /// Holds one message while a change was not looked at.
    tell: Sender<()>,
    changed: Receiver<()>,
}

#[derive(Default)]
struct Known {
    token: Option<Secret>,
    queues: TopicQueues,
}

impl Access {
    pub(super) fn new() -> Self {
        let (tell, changed) = bounded(1);
        Self {
            known: Mutex::default(),
            tell,
            changed,
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new token.
    pub(in crate::supervisor) fn set_token(&self, token: Secret) {
        self.known().token = Some(token);
        // Full: the change before was not looked at yet, and will show this one.
        let _ = self.tell.try_send(());
    }

    /// The queues of a plan. Returns whether some are new.
    pub(super) fn set_queues(&self, queues: TopicQueues) -> bool {
        let mut known = self.known();
        let is_new = |queue: &Id| !known.queues.conversations.contains(queue);
        let grew = queues.conversations.iter().any(is_new);
        known.queues = queues;
        grew
    }

    /// The queues whose conversations, and those whose statistics, are subscribed.
    pub(super) fn queues(&self) -> TopicQueues {
        self.known().queues.clone()
    }

    /// The token of now; waits for one. `None` on cancel.
    pub(super) fn token(&self, cancel: &Cancel) -> Option<Secret> {
        loop {
            if cancel.is_cancelled() {
                return None;
            }
            if let Some(token) = self.known().token.clone() {
                return Some(token);
            }
            select! {
                recv(self.changed) -> _ => {}
                recv(cancel.receiver()) -> _ => return None,
            }
        }
    }

    /// The service refused this token. Returns whether it is the newest, so that another must be asked for.
    pub(super) fn refuse(&self, token: &Secret) -> bool {
        let mut known = self.known();
        let is_newest = known.token.as_ref() == Some(token);
        if is_newest {
            known.token = None;
        }
        is_newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_token_is_waited_for_unless_there_is_another_already() {
        let access = Access::new();
        let cancel = Cancel::new();
        access.set_token(Secret::new("first"));
        let first = access.token(&cancel).unwrap();
        access.set_token(Secret::new("second"));
        assert!(!access.refuse(&first));
        let second = access.token(&cancel).unwrap();
        assert_eq!(second.reveal(), "second");
        assert!(access.refuse(&second));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| access.token(&cancel));
            access.set_token(Secret::new("third"));
            assert_eq!(waiting.join().unwrap().unwrap().reveal(), "third");
        });
        assert!(access.refuse(&Secret::new("third")));
        cancel.cancel();
        assert!(access.token(&cancel).is_none());
    }

    #[test]
    fn new_queues_are_told_from_known_ones() {
        let access = Access::new();
        let of = |names: &[&str]| TopicQueues {
            conversations: names.iter().map(|name| Id::new(name)).collect(),
            statistics: Vec::new(),
        };
        assert!(access.set_queues(of(&["a", "b"])));
        assert!(!access.set_queues(of(&["b"])));
        assert!(access.set_queues(of(&["b", "c"])));
    }
}
