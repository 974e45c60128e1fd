//! What time it is at the service: the time of this machine, unless the service's clock differs.
//!
//! In: times inside facts, how far our clock is ahead of the service's · Out: the service's time · Thread: any (pure).
//!
//! Facts carry the service's times, gaps are noticed by our clock. A service whose time is compressed may even be ahead
//! of its own `Date` headers; then the newest time inside its facts counts.

use std::collections::VecDeque;

use super::told::ConversationTold;
use crate::Moment;
use crate::base::receipt::Receipt;
use crate::event::change::ClockLook;

/// Samples kept, and the time between two of them: two minutes in all, longer than it takes to notice a gap.
const SAMPLES: usize = 512;
const BETWEEN_SAMPLES_MS: i64 = 250;
/// A service's clock that goes back by no more stands still; by more, it was wrong before.
const STANDS_STILL_MS: i64 = 60_000;

/// The difference between the service's clock and ours.
#[derive(Debug, Default)]
pub(crate) struct ServiceTime {
    /// The newest believed time inside facts.
    newest: Option<Moment>,
    /// How far our clock is ahead of the service's, in milliseconds; negative where it is behind.
    clock_ahead_ms: i64,
    /// The same at the start, once it was known.
    ahead_at_start_ms: Option<i64>,
    /// What it was at the last tick.
    ticked: Option<Moment>,
    /// Our time and the service's at the same moment.
    samples: VecDeque<(Moment, Moment)>,
}

impl ServiceTime {
    /// Takes the times inside facts that arrived when the service's clock showed `service`.
    pub(crate) fn saw(&mut self, told: &impl ConversationTold, service: Moment) {
        let trusted_until = Receipt::from(service).trusted_until;
        let newest = told.newest().filter(|at| *at <= trusted_until);
        self.newest = self.newest.max(newest);
    }

    /// Takes what the clocks showed at a tick.
    pub(crate) fn tick(&mut self, now: Moment, look: ClockLook) {
        if look.refuted {
            self.newest = None;
        }
        if look.stepped_ms != 0 {
            self.ahead_at_start_ms.get_or_insert(self.clock_ahead_ms);
        }
        self.clock_ahead_ms = look.clock_ahead_ms;
        if self.clock_ahead_ms != 0 {
            self.ahead_at_start_ms.get_or_insert(self.clock_ahead_ms);
        }
        self.ticked = Some(self.at(now));
        let last = self.samples.back().map(|(ours, _)| now.millis_since(*ours));
        if last.is_none_or(|since| !(0..BETWEEN_SAMPLES_MS).contains(&since)) {
            if self.samples.len() == SAMPLES {
                self.samples.pop_front();
            }
            self.samples.push_back((now, self.at(now)));
        }
    }

    /// The service's time at `now` of our clock; not before the last tick, unless what was known then was wrong.
    pub(crate) fn at(&self, now: Moment) -> Moment {
        let dated = now.plus_ms(-self.clock_ahead_ms);
        let at = self.newest.map_or(dated, |newest| newest.max(dated));
        let is_near = |ticked: &Moment| ticked.millis_since(at) <= STANDS_STILL_MS;
        self.ticked.filter(is_near).map_or(at, |ticked| ticked.max(at))
    }

    /// The service's time at a recent moment of our clock; never later than it was.
    pub(crate) fn then(&self, at: Moment) -> Moment {
        // The nearest one: a clock that was set back shows the same moments again.
        let before = self.samples.iter().rev().filter(|(ours, _)| *ours <= at);
        let sample = before.min_by_key(|(ours, _)| at.millis_since(*ours));
        match sample.or(self.samples.front()) {
            Some((ours, service)) => service.plus_ms(at.millis_since(*ours)),
            None => self.at(at),
        }
    }

    /// The service's time at our start.
    pub(crate) fn start(&self, started_at: Moment) -> Moment {
        started_at.plus_ms(-self.ahead_at_start_ms.unwrap_or(0))
    }

    /// The newest believed time inside facts.
    pub(crate) fn newest(&self) -> Option<Moment> {
        self.newest
    }

    /// How far our clock is ahead of the service's, in milliseconds; negative where it is behind.
    pub(crate) fn clock_ahead_ms(&self) -> i64 {
        self.clock_ahead_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Id;
    use crate::event::facts::{ConversationFacts, Purpose};
    use crate::model::testing::{at, participant};

    const HOUR_MS: i64 = 3_600_000;

    fn seen(id: &str, secs: i64) -> ConversationFacts {
        let mut customer = participant("p", Purpose::Customer);
        customer.connected = Some(at(secs));
        ConversationFacts {
            id: Id::new(id),
            ended: None,
            participants: vec![customer],
        }
    }

    fn ahead(ms: i64) -> ClockLook {
        ClockLook {
            clock_ahead_ms: ms,
            ..ClockLook::default()
        }
    }

    fn stepped(ahead_ms: i64, by_ms: i64) -> ClockLook {
        ClockLook {
            stepped_ms: by_ms,
            ..ahead(ahead_ms)
        }
    }

    #[test]
    fn facts_move_the_clock_and_wrong_times_do_not() {
        let mut time = ServiceTime::default();
        time.saw(&seen("a", 90), at(100));
        assert_eq!(time.at(at(100)), at(100));
        time.saw(&seen("a", 300), at(100));
        assert_eq!((time.at(at(110)), time.at(at(301))), (at(300), at(301)));
        for id in ["a", "b", "c", "d"] {
            time.saw(&seen(id, 1_000_000), at(110));
        }
        assert_eq!(time.at(at(110)), at(300));
        time.tick(
            at(111),
            ClockLook {
                refuted: true,
                ..ahead(0)
            },
        );
        assert_eq!(time.at(at(111)), at(111), "a date showed that it was wrong");
    }

    #[test]
    fn it_does_not_go_back_by_little() {
        let mut time = ServiceTime::default();
        let refuted = ClockLook {
            refuted: true,
            ..ahead(0)
        };
        time.saw(&seen("a", 105), at(100));
        time.tick(at(100), ahead(0));
        time.tick(at(101), refuted);
        assert_eq!(
            (time.at(at(101)), time.at(at(106))),
            (at(105), at(106)),
            "it stands still"
        );
        time.tick(at(107), ahead(30_000));
        assert_eq!(
            (time.at(at(107)), time.at(at(138))),
            (at(105), at(108)),
            "as at the tick"
        );
        time.tick(at(139), ahead(HOUR_MS));
        assert_eq!(time.at(at(139)), at(139).plus_ms(-HOUR_MS), "it was wrong");
    }

    #[test]
    fn the_time_is_the_service_s_in_both_directions() {
        for ahead_ms in [3 * HOUR_MS, -3 * HOUR_MS, 600_000, -600_000] {
            let mut time = ServiceTime::default();
            time.tick(at(10), ahead(ahead_ms));
            let service = |secs| at(secs).plus_ms(-ahead_ms);
            assert_eq!((time.at(at(20)), time.start(at(0))), (service(20), service(0)));
            assert_eq!(time.then(at(12)), service(12));
        }
    }

    #[test]
    fn moments_of_ours_are_translated() {
        let mut time = ServiceTime::default();
        time.tick(at(0), ahead(0));
        assert_eq!((time.then(at(0)), time.start(at(0))), (at(0), at(0)));
        time.tick(at(10), ahead(-HOUR_MS));
        assert_eq!(time.then(at(9)), at(9), "as it was then");
        assert_eq!((time.then(at(12)), time.start(at(0))), (at(3612), at(3600)));
        assert_eq!(time.at(at(20)), at(3620));
        // Compressed: it runs five times as fast.
        let mut time = ServiceTime::default();
        for n in 0..10 {
            time.saw(&seen("a", 100 + 5 * n), at(n));
            time.tick(at(n), ahead(0));
        }
        assert_eq!((time.then(at(4)), time.then(at(9))), (at(120), at(145)));
    }

    #[test]
    fn a_step_of_our_clock_moves_nothing() {
        for by_ms in [2 * HOUR_MS, -2 * HOUR_MS] {
            let mut time = ServiceTime::default();
            time.tick(at(99), ahead(0));
            time.tick(at(100), ahead(0));
            let ours = |secs| at(secs).plus_ms(by_ms);
            time.tick(ours(101), stepped(by_ms, by_ms));
            assert_eq!((time.at(ours(102)), time.start(at(0))), (at(102), at(0)));
            assert_eq!((time.then(at(100)), time.then(ours(101))), (at(100), at(101)));
            time.tick(ours(102), ahead(by_ms));
            assert_eq!(time.at(ours(103)), at(103));
        }
    }
}
