//! The numbers that hold now, by queue and medium, kept by adding and subtracting outcomes.
//!
//! In: outcomes of conversations · Out: counts, longest waits · Thread: any (pure).

use std::collections::{BTreeMap, BTreeSet};

use super::visit::{Doing, Outcome};
use crate::event::facts::MediaKind;
use crate::model::snapshot::{LiveTotals, MediaSnapshot, QueueSnapshot};
use crate::{Id, Moment};

/// Live numbers of all queues, subscribed or not.
#[derive(Debug, Default)]
pub(crate) struct Live {
    queues: BTreeMap<Id, QueueLive>,
    active: u64,
}

/// Live numbers of one queue, by [`MediaKind::ALL`].
#[derive(Debug, Default)]
pub(crate) struct QueueLive {
    media: [MediaLive; 7],
}

#[derive(Debug, Default)]
struct MediaLive {
    /// Entered, conversation, number among the conversation's presences.
    waiting: BTreeSet<(Moment, u32, u32)>,
    interacting: u64,
    after_call_work: u64,
}

impl MediaLive {
    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.interacting == 0 && self.after_call_work == 0
    }

    fn snapshot(&self, as_of: Moment) -> MediaSnapshot {
        MediaSnapshot {
            waiting: self.waiting.len() as u64,
            interacting: self.interacting,
            after_call_work: self.after_call_work,
            longest_wait_secs: self.waiting.first().map(|(entered, ..)| secs_since(*entered, as_of)),
            ..MediaSnapshot::default()
        }
    }
}

impl Live {
    /// A conversation (by its place in the store) meant `before`, and now means `after`.
    ///
    /// What stands at the same place in both is left alone: an event changes little.
    pub(crate) fn replace(&mut self, slot: u32, before: &Outcome, after: &Outcome) {
        self.active = self.active + u64::from(after.active) - u64::from(before.active);
        for (n, gone, come) in differences(&before.presences, &after.presences) {
            // Numbers of presences: there are never 2^32.
            let n = u32::try_from(n).unwrap_or(u32::MAX);
            if let Some(gone) = gone {
                self.change(&gone.queue, gone.media, |media| match gone.doing {
                    Doing::Waiting => drop(media.waiting.remove(&(gone.since, slot, n))),
                    Doing::Interacting => media.interacting -= 1,
                    Doing::AfterCallWork => media.after_call_work -= 1,
                });
            }
            if let Some(come) = come {
                self.change(&come.queue, come.media, |media| match come.doing {
                    Doing::Waiting => drop(media.waiting.insert((come.since, slot, n))),
                    Doing::Interacting => media.interacting += 1,
                    Doing::AfterCallWork => media.after_call_work += 1,
                });
            }
        }
    }

    /// Conversations with a customer side that is there.
    #[cfg(test)]
    pub(crate) fn active(&self) -> u64 {
        self.active
    }

    /// One queue, if anything is known of it.
    pub(crate) fn queue(&self, queue: &Id) -> Option<&QueueLive> {
        self.queues.get(queue)
    }

    /// Queues of which anything is known.
    pub(crate) fn queues(&self) -> impl Iterator<Item = &Id> {
        self.queues.keys()
    }

    /// Over the queues that `counts` accepts.
    pub(crate) fn totals(&self, mut counts: impl FnMut(&Id) -> bool) -> LiveTotals {
        let (mut waiting, mut interacting, mut after_call_work) = (0, 0, 0);
        for (_, live) in self.queues.iter().filter(|(queue, _)| counts(queue)) {
            for media in &live.media {
                waiting += media.waiting.len() as u64;
                interacting += media.interacting;
                after_call_work += media.after_call_work;
            }
        }
        LiveTotals {
            active_conversations: Some(self.active),
            waiting: Some(waiting),
            interacting: Some(interacting),
            after_call_work: Some(after_call_work),
        }
    }

    fn change(&mut self, queue: &Id, media: MediaKind, change: impl FnOnce(&mut MediaLive)) {
        match self.queues.get_mut(queue) {
            Some(live) => {
                let of_media = &mut live.media[media as usize];
                change(of_media);
                if of_media.is_empty() && live.media.iter().all(MediaLive::is_empty) {
                    self.queues.remove(queue);
                }
            }
            None => {
                let mut live = QueueLive::default();
                change(&mut live.media[media as usize]);
                self.queues.insert(queue.clone(), live);
            }
        }
    }
}

/// Place, old and new of every place where two lists differ.
pub(super) fn differences<'a, T: PartialEq>(
    before: &'a [T],
    after: &'a [T],
) -> impl Iterator<Item = (usize, Option<&'a T>, Option<&'a T>)> {
    (0..before.len().max(after.len()))
        .map(|n| (n, before.get(n), after.get(n)))
        .filter(|(_, before, after)| before != after)
}

impl QueueLive {
    /// Writes this queue's live numbers into its part of a snapshot.
    pub(crate) fn fill(&self, as_of: Moment, snapshot: &mut QueueSnapshot) {
        let (mut waiting, mut interacting, mut after_call_work) = (0, 0, 0);
        for kind in MediaKind::ALL {
            let live = &self.media[kind as usize];
            if live.is_empty() {
                continue;
            }
            waiting += live.waiting.len() as u64;
            interacting += live.interacting;
            after_call_work += live.after_call_work;
            snapshot.by_media.insert(kind.as_str(), live.snapshot(as_of));
        }
        let entered = self
            .media
            .iter()
            .filter_map(|live| live.waiting.first())
            .map(|(entered, ..)| *entered)
            .min();
        snapshot.waiting = Some(waiting);
        snapshot.interacting = Some(interacting);
        snapshot.after_call_work = Some(after_call_work);
        snapshot.longest_wait_secs = entered.map(|entered| secs_since(entered, as_of));
    }
}

/// Exact to the millisecond; never negative, even if a peer's clock is ahead.
fn secs_since(entered: Moment, as_of: Moment) -> f64 {
    as_of.millis_since(entered).max(0) as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::at;
    use crate::model::visit::{Happening, Presence, What};

    fn add(live: &mut Live, slot: u32, outcome: &Outcome) {
        live.replace(slot, &Outcome::default(), outcome);
    }

    fn outcome(queue: &str, media: MediaKind, doing: Doing, since: i64) -> Outcome {
        Outcome {
            active: true,
            presences: vec![Presence {
                queue: Id::new(queue),
                media,
                doing,
                since: at(since),
            }],
            happenings: vec![Happening {
                queue: Id::new(queue),
                media,
                what: What::Offered,
                at: at(since),
                millis: 0,
                who: 0,
            }],
            ..Outcome::default()
        }
    }

    fn snapshot(live: &Live, queue: &str, as_of: i64) -> QueueSnapshot {
        let mut snapshot = QueueSnapshot::default();
        if let Some(queue) = live.queue(&Id::new(queue)) {
            queue.fill(at(as_of), &mut snapshot);
        }
        snapshot
    }

    #[test]
    fn longest_wait_is_over_all_media_and_each_medium_has_its_own() {
        let mut live = Live::default();
        add(&mut live, 0, &outcome("Q", MediaKind::Voice, Doing::Waiting, 20));
        add(&mut live, 1, &outcome("Q", MediaKind::Email, Doing::Waiting, 10));
        add(&mut live, 2, &outcome("Q", MediaKind::Voice, Doing::Interacting, 15));
        add(&mut live, 3, &outcome("R", MediaKind::Voice, Doing::AfterCallWork, 1));
        let q = snapshot(&live, "Q", 30);
        assert_eq!(
            (q.waiting, q.interacting, q.after_call_work),
            (Some(2), Some(1), Some(0))
        );
        assert_eq!(q.longest_wait_secs, Some(20.0));
        assert_eq!(q.by_media["voice"].longest_wait_secs, Some(10.0));
        assert_eq!(q.by_media["voice"].interacting, 1);
        assert_eq!(q.by_media["email"].waiting, 1);
        assert_eq!(live.active(), 4);
        let totals = live.totals(|queue| *queue == Id::new("R"));
        assert_eq!((totals.waiting, totals.after_call_work), (Some(0), Some(1)));
        assert_eq!(live.totals(|_| true).waiting, Some(2));
    }

    #[test]
    fn what_was_added_is_taken_back_without_a_trace() {
        let mut live = Live::default();
        let all = [
            outcome("Q", MediaKind::Voice, Doing::Waiting, 20),
            outcome("Q", MediaKind::Voice, Doing::Interacting, 20),
            outcome("R", MediaKind::Chat, Doing::AfterCallWork, 20),
        ];
        for (slot, outcome) in (0..).zip(&all) {
            add(&mut live, slot, outcome);
        }
        for (slot, outcome) in (0..).zip(&all) {
            live.replace(slot, outcome, &Outcome::default());
        }
        assert!(live.queues.is_empty());
        assert_eq!(live.active(), 0);
    }

    #[test]
    fn a_clock_that_is_ahead_gives_no_negative_wait() {
        let mut live = Live::default();
        add(&mut live, 0, &outcome("Q", MediaKind::Voice, Doing::Waiting, 20));
        assert_eq!(snapshot(&live, "Q", 10).longest_wait_secs, Some(0.0));
    }
}
