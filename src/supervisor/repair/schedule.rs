//! What was asked for once and is asked for again, because REST shows some things late.
//!
//! In: work that is done · Out: the same work when it is due · Thread: any (pure).

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::query::{Interval, merged};
use crate::{Id, Moment};

/// After how long (contract, section 9: 60 s and 300 s after the repair).
const PAUSES: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(240)];
/// What becomes due within this long is done in one go, so that a hundred outages in a row do not mean a hundred passes.
const TOGETHER: Duration = Duration::from_secs(30);
/// What was open so shortly before a gap enters the numbers, too: the clocks of service and client differ, and a dropped
/// event may have waited.
const BEFORE: Duration = Duration::from_secs(60);
/// What began within this after a gap or a start enters, too, should the service's clock be ahead: the stream carries it
/// anyway.
const AFTER: Duration = Duration::from_secs(3600);

/// What one pass has to find out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Work {
    /// Moments at which the stream began: who was open then.
    pub(super) starts: Vec<Moment>,
    /// Intervals of which everything is wanted.
    pub(super) gaps: Vec<Interval>,
    /// The gaps of the ledger that these intervals are.
    pub(super) ledger: Vec<u64>,
    /// Everything since then counts as covered when it is done.
    pub(super) covered_from: Option<Moment>,
}

impl Work {
    pub(super) fn is_empty(&self) -> bool {
        self.starts.is_empty() && self.gaps.is_empty()
    }

    /// Adds a gap, and a margin before it: what ended before `floor` does not come into the margin. That is the last start
    /// of the stream, or the moment before which the model may have counted and forgotten a conversation.
    pub(super) fn add_gap(&mut self, id: u64, gap: Interval, floor: Moment) {
        let from = gap.0.minus(BEFORE).max(floor).min(gap.0);
        self.gaps.push((from, gap.1));
        self.ledger.push(id);
    }

    fn merge(&mut self, other: Self) {
        self.starts.extend(other.starts);
        self.gaps.extend(other.gaps);
    }

    /// Intervals at one moment of which a conversation must have been open to enter the numbers.
    pub(super) fn intervals(&self) -> Vec<Interval> {
        let starts = self.starts.iter().map(|at| (*at, *at));
        let all = starts.chain(self.gaps.iter().copied());
        merged(all.map(|(from, to)| (from, to.plus(AFTER))).collect())
    }

    /// As [`Work::intervals`], without what lies before `floor`.
    pub(super) fn intervals_since(&self, floor: Moment) -> Vec<Interval> {
        let all = self.intervals().into_iter().filter(|(_, to)| *to >= floor);
        all.map(|(from, to)| (from.max(floor), to)).collect()
    }
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

    fn gap(from: i64, to: i64) -> Work {
        Work {
            gaps: vec![(Moment::from_epoch_ms(from), Moment::from_epoch_ms(to))],
            ..Work::default()
        }
    }

    #[test]
    fn twice_after_60_and_300_seconds() {
        let began = Instant::now();
        let after = |secs| began + Duration::from_secs(secs);
        let mut schedule = Schedule::default();
        schedule.done_first(gap(0, 9), HashSet::from([Id::new("c")]), began);
        assert_eq!(schedule.next_due(), Some(after(60)));
        assert!(schedule.take_due(after(59)).is_none());
        let again = schedule.take_due(after(60)).unwrap();
        assert_eq!((again.work.gaps.len(), again.open.len()), (1, 1));
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
            schedule.done_first(gap(secs as i64 * 1000, secs as i64 * 1000 + 500), HashSet::new(), now);
        }
        let mut passes = Vec::new();
        while let Some(due) = schedule.next_due() {
            passes.push((due - began, schedule.take_due(due).unwrap().work.gaps.len()));
        }
        let secs = Duration::from_secs;
        assert_eq!(passes, [(secs(90), 31), (secs(120), 30)]);
    }

    #[test]
    fn the_margin_before_a_gap_ends_where_the_model_knows_nothing() {
        let moment = |secs: i64| Moment::from_epoch_ms(secs * 1000);
        let from = |floor| {
            let mut work = Work::default();
            work.add_gap(3, (moment(200), moment(210)), moment(floor));
            assert_eq!((work.gaps[0].1, work.ledger.as_slice()), (moment(210), [3].as_slice()));
            work.gaps[0].0
        };
        assert_eq!(from(0), moment(140));
        assert_eq!(from(170), moment(170));
        assert_eq!(from(205), moment(200), "the gap itself counts whole");
    }

    #[test]
    fn starts_and_gaps_let_conversations_enter() {
        let moment = |secs: i64| Moment::from_epoch_ms(secs * 1000);
        let mut work = gap(10_000, 20_000);
        work.merge(gap(15_000, 30_000));
        work.starts.push(moment(9_000));
        let intervals = [(moment(10), moment(3_630)), (moment(9_000), moment(12_600))];
        assert_eq!(work.intervals(), intervals);
        assert_eq!(
            work.intervals_since(moment(20)),
            [(moment(20), moment(3_630)), intervals[1]]
        );
        assert_eq!(work.intervals_since(moment(4_000)), [intervals[1]]);
        assert!(!work.is_empty() && Work::default().is_empty());
    }
}
