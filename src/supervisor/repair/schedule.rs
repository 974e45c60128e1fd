//! What was asked for once and is asked for again, because REST shows some things late.
//!
//! In: work that is done · Out: the same work when it is due · Thread: any (pure).

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crate::{Id, Moment};

/// After how long (contract, section 9: 60 s and 300 s after the repair).
const PAUSES: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(240)];
/// What becomes due within this long is done in one go, so that a hundred outages in a row do not mean a hundred passes.
const TOGETHER: Duration = Duration::from_secs(30);
/// What ended so shortly before a gap enters the numbers, too: clocks are not that exact, and a dropped event may have
/// waited.
const BEFORE: Duration = Duration::from_secs(60);

/// What one pass has to find out. Moments are by the service's clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Work {
    /// Where the stream began: who was open then. The first of several.
    pub(super) start: Option<Moment>,
    /// Everything since then is wanted: the beginning of the first gap and a margin, or of the day.
    pub(super) since: Option<Moment>,
    /// The gaps of the ledger that this repairs.
    pub(super) ledger: Vec<u64>,
    /// Everything since then counts as covered when it is done.
    pub(super) covered_from: Option<Moment>,
}

impl Work {
    pub(super) fn is_empty(&self) -> bool {
        self.start.is_none() && self.since.is_none()
    }

    pub(super) fn add_start(&mut self, at: Moment) {
        self.start = first(self.start, Some(at));
    }

    /// Everything since then is wanted.
    pub(super) fn add_since(&mut self, at: Moment) {
        self.since = first(self.since, Some(at));
    }

    /// Adds a gap, and a margin before it: what ended before `floor` does not come into the margin. That is the last start
    /// of the stream, or the moment before which the model may have counted and forgotten a conversation.
    pub(super) fn add_gap(&mut self, id: u64, from: Moment, floor: Moment) {
        self.add_since(from.minus(BEFORE).max(floor).min(from));
        self.ledger.push(id);
    }

    fn merge(&mut self, other: Self) {
        self.start = first(self.start, other.start);
        self.since = first(self.since, other.since);
    }

    /// What ended at this moment or later enters the numbers, and what is open. What ended between two gaps, too: the
    /// stream told of it.
    pub(super) fn enters_since(&self) -> Option<Moment> {
        first(self.start, self.since)
    }
}

fn first(one: Option<Moment>, other: Option<Moment>) -> Option<Moment> {
    one.into_iter().chain(other).min()
}

/// Work that was done and is due again.
#[derive(Debug)]
pub(super) struct Again {
    due: Instant,
    first_due: Instant,
    round: usize,
    pub(super) work: Work,
    /// Conversations that were open.
    pub(super) open: HashSet<Id>,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Schedule(Vec<Again>);

impl Schedule {
    /// The work was done at `now`, for the first time.
    pub(super) fn done_first(&mut self, work: Work, open: HashSet<Id>, now: Instant) {
        self.add(work, open, 0, now);
    }

    /// It was done again.
    pub(super) fn done_again(&mut self, again: Again, now: Instant) {
        self.add(again.work, again.open, again.round + 1, now);
    }

    fn add(&mut self, work: Work, open: HashSet<Id>, round: usize, now: Instant) {
        let Some(pause) = PAUSES.get(round) else { return };
        let due = now + *pause;
        let near = |again: &&mut Again| again.round == round && due <= again.first_due + TOGETHER;
        match self.0.iter_mut().find(near) {
            Some(again) => {
                again.due = due;
                again.work.merge(work);
                again.open.extend(open);
            }
            None => self.0.push(Again {
                due,
                first_due: due,
                round,
                work,
                open,
            }),
        }
    }

    /// When the next is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.0.iter().map(|again| again.due).min()
    }

    /// One that is due.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Again> {
        let at = self.0.iter().position(|again| again.due <= now)?;
        Some(self.0.remove(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(secs: i64) -> Moment {
        Moment::from_epoch_ms(secs * 1000)
    }

    fn gap(id: u64, from: i64) -> Work {
        let mut work = Work::default();
        work.add_gap(id, moment(from), moment(from));
        work
    }

    #[test]
    fn twice_after_60_and_300_seconds() {
        let began = Instant::now();
        let after = |secs| began + Duration::from_secs(secs);
        let mut schedule = Schedule::default();
        schedule.done_first(gap(7, 100), HashSet::from([Id::new("c")]), began);
        assert_eq!(schedule.next_due(), Some(after(60)));
        assert!(schedule.take_due(after(59)).is_none());
        let again = schedule.take_due(after(60)).unwrap();
        assert_eq!((again.work.since, again.open.len()), (Some(moment(100)), 1));
        assert!(schedule.take_due(after(60)).is_none(), "taken");
        assert_eq!(schedule.next_due(), None);
        schedule.done_again(again, after(60));
        let again = schedule.take_due(after(300)).unwrap();
        schedule.done_again(again, after(300));
        assert_eq!(schedule.next_due(), None);
    }

    #[test]
    fn a_burst_is_done_again_in_one_go_but_never_put_off_for_long() {
        let began = Instant::now();
        let mut schedule = Schedule::default();
        for secs in 0..=60 {
            let now = began + Duration::from_secs(secs);
            schedule.done_first(gap(secs, secs as i64), HashSet::new(), now);
        }
        let mut passes = Vec::new();
        while let Some(due) = schedule.next_due() {
            passes.push((due - began, schedule.take_due(due).unwrap().work.since));
        }
        let secs = Duration::from_secs;
        assert_eq!(passes, [(secs(90), Some(moment(0))), (secs(120), Some(moment(31)))]);
    }

    #[test]
    fn the_margin_before_a_gap_ends_where_the_model_knows_nothing() {
        let from = |floor| {
            let mut work = Work::default();
            work.add_gap(3, moment(200), moment(floor));
            assert_eq!(work.ledger, [3]);
            work.since
        };
        assert_eq!(from(0), Some(moment(140)));
        assert_eq!(from(170), Some(moment(170)));
        assert_eq!(from(205), Some(moment(200)), "the gap itself counts whole");
    }

    #[test]
    fn the_first_of_starts_and_gaps_decides_who_enters() {
        let mut work = gap(1, 100);
        assert_eq!((work.start, work.enters_since()), (None, Some(moment(100))));
        work.merge(gap(2, 90));
        assert_eq!((work.since, work.ledger.as_slice()), (Some(moment(90)), [1].as_slice()));
        work.add_start(moment(95));
        assert_eq!(work.enters_since(), Some(moment(90)));
        work.add_start(moment(80));
        assert_eq!((work.start, work.enters_since()), (Some(moment(80)), Some(moment(80))));
        assert!(!work.is_empty() && Work::default().is_empty());
    }
}
