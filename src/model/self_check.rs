//! The self-check: whether our numbers of a queue differ from Genesys' own for long.
//!
//! In: both numbers of each queue, once a second · Out: since when they differ, what to log · Thread: any (pure).
//!
//! Genesys publishes its numbers once a second at most and not for all media at once, so in a busy queue they are always a
//! little behind ours. They count as different only where ours had not that value within the last seconds.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use crate::{Id, Moment};

/// A difference is told once it has lasted longer than this (`docs/numbers.md`).
const LASTING: Duration = Duration::from_secs(60);
/// How far Genesys' numbers may be behind ours.
const BEHIND: Duration = Duration::from_secs(10);
/// Two looks further apart have nothing to do with each other: the process was frozen, or a clock was set.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Ticks may come more often than looks are needed; a tick each second is a little early at times.
const BETWEEN_LOOKS_MS: i64 = 900;
/// A difference of a queue is logged this often at most.
const BETWEEN_LOGS: Duration = Duration::from_secs(3600);

/// Who waits and who talks in a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) waiting: u64,
    pub(crate) interacting: u64,
}

impl Counts {
    fn each(self) -> [u64; 2] {
        [self.waiting, self.interacting]
    }
}

/// Our counts of a queue and Genesys' own, over the same media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Compared {
    pub(crate) ours: Counts,
    pub(crate) observed: Counts,
}

/// A difference that is to be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) compared: Compared,
    /// By the service's clock.
    pub(crate) since: Moment,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Compared { ours, observed } = self.compared;
        write!(
            f,
            "{} wait and {} talk, by Genesys' own count {} and {}; different since {}",
            ours.waiting, ours.interacting, observed.waiting, observed.interacting, self.since
        )
    }
}

/// A moment by our clock, by which time is measured, and by the service's, which is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) ours: Moment,
    pub(super) service: Moment,
}

/// What was seen of every queue that Genesys counts.
#[derive(Debug, Default)]
pub(super) struct SelfCheck {
    queues: BTreeMap<Id, Watch>,
    looked_at: Option<Moment>,
}

#[derive(Debug, Default)]
struct Watch {
    looked_at: Option<Moment>,
    /// Our counts within [`BEHIND`], oldest first.
    ours: VecDeque<(Moment, Counts)>,
    /// Since when each of the two numbers differs.
    differ: [Option<Now>; 2],
    /// Since when one of them differs, by the service's clock, once that has lasted.
    differs_since: Option<Moment>,
    logged_at: Option<Moment>,
}

impl SelfCheck {
    /// Whether it is time for the next look, at `now` of our clock; then that look is taken.
    pub(super) fn is_due(&mut self, now: Moment) -> bool {
        let since = self.looked_at.map(|before| now.millis_since(before));
        let is_due = !since.is_some_and(|ms| (0..BETWEEN_LOOKS_MS).contains(&ms));
        self.looked_at = if is_due { Some(now) } else { self.looked_at };
        is_due
    }

    /// Looks at a queue. `compared` is `None` in a gap, and where one of the two is not known: then a difference begins
    /// anew. Returns a difference that is to be logged.
    pub(super) fn look(&mut self, queue: &Id, compared: Option<Compared>, now: Now) -> Option<Difference> {
        let Some(compared) = compared else {
            if let Some(watch) = self.queues.get_mut(queue) {
                watch.begin_anew();
            }
            return None;
        };
        if !self.queues.contains_key(queue) {
            self.queues.insert(queue.clone(), Watch::default());
        }
        let watch = self.queues.get_mut(queue)?;
        watch.look(compared, now);
        let since = watch.differs_since?;
        let is_logged = watch.logged_at.is_some_and(|at| now.ours < at.plus(BETWEEN_LOGS));
        if is_logged {
            return None;
        }
        watch.logged_at = Some(now.ours);
        Some(Difference { compared, since })
    }

    /// Since when the numbers of a queue differ, by the service's clock, if that has lasted.
    pub(super) fn differs_since(&self, queue: &Id) -> Option<Moment> {
        self.queues.get(queue)?.differs_since
    }
}

impl Watch {
    fn begin_anew(&mut self) {
        *self = Self {
            logged_at: self.logged_at,
            ..Self::default()
        };
    }

    fn look(&mut self, compared: Compared, now: Now) {
        let longest_pause = i64::try_from(LONGEST_PAUSE.as_millis()).unwrap_or(i64::MAX);
        let paused = |before: Moment| !(0..=longest_pause).contains(&now.ours.millis_since(before));
        if self.looked_at.is_some_and(paused) {
            self.begin_anew();
        }
        self.looked_at = Some(now.ours);
        self.ours.push_back((now.ours, compared.ours));
        while self.ours.front().is_some_and(|(at, _)| at.plus(BEHIND) < now.ours) {
            self.ours.pop_front();
        }
        for (n, observed) in compared.observed.each().into_iter().enumerate() {
            let ours = || self.ours.iter().map(|(_, counts)| counts.each()[n]);
            let was_ours = ours().min() <= Some(observed) && Some(observed) <= ours().max();
            self.differ[n] = (!was_ours).then(|| self.differ[n].unwrap_or(now));
        }
        let lasting = self
            .differ
            .iter()
            .flatten()
            .filter(|since| since.ours.plus(LASTING) < now.ours);
        self.differs_since = lasting.map(|since| since.service).min();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::at;

    /// The service's clock is an hour ahead.
    fn now(secs: i64) -> Now {
        Now {
            ours: at(secs),
            service: at(secs + 3600),
        }
    }

    fn compared(ours: (u64, u64), observed: (u64, u64)) -> Option<Compared> {
        let counts = |(waiting, interacting)| Counts { waiting, interacting };
        Some(Compared {
            ours: counts(ours),
            observed: counts(observed),
        })
    }

    /// Looks each second of `secs`; the seconds at which something was logged.
    fn look(check: &mut SelfCheck, secs: std::ops::Range<i64>, compared: impl Fn(i64) -> Option<Compared>) -> Vec<i64> {
        secs.filter(|n| check.look(&Id::new("Q"), compared(*n), now(*n)).is_some())
            .collect()
    }

    fn since(check: &SelfCheck) -> Option<Moment> {
        check.differs_since(&Id::new("Q"))
    }

    #[test]
    fn a_difference_is_told_after_a_minute_and_logged_once_an_hour() {
        let mut check = SelfCheck::default();
        look(&mut check, 0..10, |_| compared((4, 2), (4, 2)));
        // Somebody leaves Genesys' queue and stays in ours: ours was 4 all the time, so it differs at once.
        assert_eq!(look(&mut check, 10..71, |_| compared((4, 2), (3, 2))), [0; 0]);
        assert_eq!(since(&check), None, "for 60 s");
        assert_eq!(look(&mut check, 71..4000, |_| compared((4, 2), (3, 2))), [71, 3671]);
        assert_eq!(since(&check), Some(at(3610)), "by the service's clock");
        look(&mut check, 4000..4001, |_| compared((3, 2), (3, 2)));
        assert_eq!(since(&check), None);
    }

    #[test]
    fn a_number_that_is_behind_does_not_differ() {
        let mut check = SelfCheck::default();
        // Ours changes each second, and Genesys' is what ours was 5 s ago; in another queue ours only grows.
        let ours = |n: i64| (n * n % 17).unsigned_abs();
        look(&mut check, 5..400, |n| compared((ours(n), 1), (ours(n - 5), 1)));
        assert_eq!(since(&check), None);
        let ours = |n: i64| n.unsigned_abs();
        look(&mut check, 400..800, |n| compared((1, ours(n)), (1, ours(n - 5))));
        assert_eq!(since(&check), None);
        look(&mut check, 800..1200, |n| compared((1, ours(n)), (1, ours(n - 12))));
        assert!(since(&check).is_some(), "too far behind");
    }

    #[test]
    fn each_number_must_differ_for_a_minute_by_itself() {
        let mut check = SelfCheck::default();
        let in_turns = |n: i64| match n / 40 % 2 {
            0 => compared((1, 5), (2, 5)),
            _ => compared((1, 5), (1, 6)),
        };
        assert_eq!(look(&mut check, 0..400, in_turns), [0; 0]);
    }

    #[test]
    fn gaps_pauses_and_steps_of_the_clock_begin_anew() {
        let differ = |_| compared((1, 0), (0, 0));
        let mut check = SelfCheck::default();
        look(&mut check, 0..100, differ);
        assert!(since(&check).is_some());
        look(&mut check, 100..101, |_| None);
        assert_eq!(since(&check), None);
        look(&mut check, 101..150, differ);
        // Frozen for 85 s, then set back by two hours, then forth.
        for begin in [235, 235 - 7200, 100_000] {
            look(&mut check, begin..begin + 60, differ);
            assert_eq!(since(&check), None);
        }
        look(&mut check, 100_060..100_062, differ);
        assert!(since(&check).is_some());
    }
}
