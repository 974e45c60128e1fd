//! The numbers that hold now, by queue and medium, kept by adding and subtracting outcomes.
//!
//! In: outcomes of conversations · Out: sums, longest waits · Thread: any (pure).

use std::collections::BTreeSet;

use super::counts::{LiveKind, LiveSums, Sign};
use super::outcome::{LiveCount, Outcome};
use super::queue_numbers::QueueNumber;
use crate::Moment;
use crate::event::facts::MediaKind;

/// Live numbers of all queues, subscribed or not.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// By their numbers.
    queues: Vec<QueueLive>,
    active: u64,
}

/// Live numbers of one queue, by [`MediaKind::ALL`].
#[derive(Debug, Default)]
pub(crate) struct QueueLive {
    media: [MediaLive; MediaKind::ALL.len()],
}

/// Live numbers of one medium of a queue.
#[derive(Debug, Default)]
pub(crate) struct MediaLive {
    pub(crate) sums: LiveSums,
    /// Of each visit that waits: when it entered, slot of its conversation, place among the conversation's counts.
    entered: BTreeSet<(Moment, u32, u32)>,
}

impl MediaLive {
    /// Seconds since the longest waiting visit entered: exact to the millisecond; never negative, even if a peer's
    /// clock is ahead.
    pub(crate) fn longest_wait_secs(&self, as_of: Moment) -> Option<f64> {
        let (entered, ..) = self.entered.first()?;
        Some(as_of.millis_since(*entered).max(0) as f64 / 1000.0)
    }

    fn count(&mut self, sign: Sign, live: &LiveCount, slot: u32, n: u32) {
        self.sums.count(sign, live.kind);
        if live.kind == LiveKind::Waiting {
            let entry = (live.since, slot, n);
            match sign {
                Sign::Add => self.entered.insert(entry),
                Sign::Take => self.entered.remove(&entry),
            };
        }
    }

    fn is_empty(&self) -> bool {
        self.sums == LiveSums::default()
    }
}

impl QueueLive {
    /// Media in which anything is going on.
    pub(crate) fn media(&self) -> impl Iterator<Item = (MediaKind, &MediaLive)> {
        let all = MediaKind::ALL.iter().map(|kind| (*kind, &self.media[*kind as usize]));
        all.filter(|(_, live)| !live.is_empty())
    }

    fn is_empty(&self) -> bool {
        self.media.iter().all(MediaLive::is_empty)
    }

    /// Over all media.
    pub(crate) fn sums(&self) -> LiveSums {
        let mut sums = LiveSums::default();
        self.media.iter().for_each(|live| sums.add(&live.sums));
        sums
    }

    /// Over all media.
    pub(crate) fn longest_wait_secs(&self, as_of: Moment) -> Option<f64> {
        let waits = self.media.iter().filter_map(|live| live.longest_wait_secs(as_of));
        waits.reduce(f64::max)
    }

    /// When the longest waiting visit entered, over all media.
    pub(crate) fn longest_waits_since(&self) -> Option<Moment> {
        let first = |live: &MediaLive| live.entered.first().map(|(entered, ..)| *entered);
        self.media.iter().filter_map(first).min()
    }
}

impl Live {
    /// Replaces what a conversation (by its slot) meant before by what it means now.
    ///
    /// What is equal at the same place of both lists is left alone, which is most of it.
    pub(crate) fn replace(&mut self, slot: u32, before: &Outcome, after: &Outcome) {
        self.active = self.active + u64::from(after.active) - u64::from(before.active);
        for (n, gone, come) in differences(&before.live, &after.live) {
            // A conversation has far fewer than 2^32 counts.
            let n = u32::try_from(n).unwrap_or(u32::MAX);
            for (sign, live) in [(Sign::Take, gone), (Sign::Add, come)] {
                if let Some(live) = live {
                    self.change(live.queue, live.media, |media| media.count(sign, live, slot, n));
                }
            }
        }
    }

    /// Number of conversations whose customer side is there.
    pub(crate) fn active(&self) -> u64 {
        self.active
    }

    /// One queue, if anything is going on in it.
    pub(crate) fn queue(&self, queue: QueueNumber) -> Option<&QueueLive> {
        self.queues.get(queue.place()).filter(|live| !live.is_empty())
    }

    /// Over these queues.
    pub(crate) fn sums(&self, queues: impl Iterator<Item = QueueNumber>) -> LiveSums {
        let mut sums = LiveSums::default();
        queues
            .filter_map(|queue| self.queue(queue))
            .for_each(|live| sums.add(&live.sums()));
        sums
    }

    fn change(&mut self, queue: QueueNumber, media: MediaKind, change: impl FnOnce(&mut MediaLive)) {
        if queue.place() >= self.queues.len() {
            self.queues.resize_with(queue.place() + 1, QueueLive::default);
        }
        change(&mut self.queues[queue.place()].media[media as usize]);
    }
}

/// The places where two lists differ: place, old entry, new entry.
pub(super) fn differences<'a, T: PartialEq>(
    before: &'a [T],
    after: &'a [T],
) -> impl Iterator<Item = (usize, Option<&'a T>, Option<&'a T>)> {
    (0..before.len().max(after.len()))
        .map(|n| (n, before.get(n), after.get(n)))
        .filter(|(_, before, after)| before != after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::counts::CountKind;
    use crate::model::outcome::Count;
    use crate::model::testing::{at, queue};

    fn add(live: &mut Live, slot: u32, outcome: &Outcome) {
        live.replace(slot, &Outcome::default(), outcome);
    }

    fn outcome(name: &str, media: MediaKind, kind: LiveKind, since: i64) -> Outcome {
        Outcome {
            active: true,
            live: vec![LiveCount {
                queue: queue(name),
                media,
                kind,
                since: at(since),
            }],
            counts: vec![Count {
                queue: queue(name),
                media,
                kind: CountKind::Offered,
                at: at(since),
                millis: 0,
            }],
            ..Outcome::default()
        }
    }

    /// Longest waits by medium.
    fn longest(live: &Live, name: &str, as_of: i64) -> Vec<(MediaKind, Option<f64>)> {
        let queue = live.queue(queue(name)).unwrap();
        let media = queue.media();
        media
            .map(|(kind, live)| (kind, live.longest_wait_secs(at(as_of))))
            .collect()
    }

    #[test]
    fn each_medium_has_its_own_numbers_and_longest_wait() {
        let mut live = Live::default();
        add(&mut live, 0, &outcome("Q", MediaKind::Voice, LiveKind::Waiting, 20));
        add(&mut live, 1, &outcome("Q", MediaKind::Email, LiveKind::Waiting, 10));
        add(&mut live, 2, &outcome("Q", MediaKind::Voice, LiveKind::Interacting, 15));
        add(
            &mut live,
            3,
            &outcome("R", MediaKind::Voice, LiveKind::AfterCallWork, 1),
        );
        let q = live.queue(queue("Q")).unwrap();
        let sums = |waiting, interacting, after_call_work| LiveSums {
            waiting,
            interacting,
            after_call_work,
        };
        assert_eq!(q.sums(), sums(2, 1, 0));
        let by_media: Vec<_> = q.media().map(|(kind, live)| (kind, live.sums)).collect();
        assert_eq!(
            by_media,
            [(MediaKind::Voice, sums(1, 1, 0)), (MediaKind::Email, sums(1, 0, 0))]
        );
        assert_eq!(
            longest(&live, "Q", 30),
            [(MediaKind::Voice, Some(10.0)), (MediaKind::Email, Some(20.0))]
        );
        assert_eq!(q.longest_wait_secs(at(30)), Some(20.0));
        assert_eq!(live.active(), 4);
        assert_eq!(live.sums([queue("R")].into_iter()), sums(0, 0, 1));
        assert_eq!(live.sums(["Q", "R"].map(queue).into_iter()), sums(2, 1, 1));
    }

    #[test]
    fn what_was_added_is_taken_back_without_a_trace() {
        let mut live = Live::default();
        let all = [
            outcome("Q", MediaKind::Voice, LiveKind::Waiting, 20),
            outcome("Q", MediaKind::Voice, LiveKind::Interacting, 20),
            outcome("R", MediaKind::Chat, LiveKind::AfterCallWork, 20),
        ];
        for (slot, outcome) in (0..).zip(&all) {
            add(&mut live, slot, outcome);
        }
        for (slot, outcome) in (0..).zip(&all) {
            live.replace(slot, outcome, &Outcome::default());
        }
        assert!(["Q", "R"].iter().all(|name| live.queue(queue(name)).is_none()));
        assert_eq!(live.active(), 0);
    }

    #[test]
    fn a_clock_that_is_ahead_gives_no_negative_wait() {
        let mut live = Live::default();
        add(&mut live, 0, &outcome("Q", MediaKind::Voice, LiveKind::Waiting, 20));
        assert_eq!(longest(&live, "Q", 10), [(MediaKind::Voice, Some(0.0))]);
    }
}
