//! What time it is at the service: the time of this machine, unless the service's clock differs.
//!
//! In: times inside facts, how far the service's dates are from ours · Out: the service's time · Thread: any (pure).
//!
//! Facts carry the service's times, gaps are noticed by our clock. A service whose time is compressed may even be ahead
//! of its own `Date` headers; then the newest time inside its facts counts. A single wrong time must not move the clock:
//! a time far ahead counts only if several conversations agree.

use std::collections::VecDeque;

use crate::event::facts::ConversationFacts;
use crate::{Id, Moment};

/// A single conversation is believed if it is at most this far ahead of what was known.
const BELIEVED_MS: i64 = 600_000;
/// Number of conversations that must agree on a time further ahead.
const AGREEING: usize = 3;
/// Samples kept, and the time between two of them: two minutes in all, longer than it takes to notice a gap.
const SAMPLES: usize = 512;
const BETWEEN_SAMPLES_MS: i64 = 250;

/// The difference between the service's clock and ours.
#[derive(Debug, Default)]
pub(crate) struct ServiceTime {
    /// The newest believed time inside facts.
    newest: Option<Moment>,
    /// Times too far ahead to be believed yet, each of another conversation.
    doubted: Vec<(Id, Moment)>,
    /// How far the service is ahead of us by its `Date` headers, in milliseconds.
    ahead_ms: i64,
    /// The same at the start, once it was known.
    ahead_at_start_ms: Option<i64>,
    /// Our time and the service's at the same moment.
    samples: VecDeque<(Moment, Moment)>,
}

impl ServiceTime {
    /// Takes the times inside facts that arrived at `now`.
    pub(crate) fn saw(&mut self, facts: &ConversationFacts, now: Moment) {
        let Some(at) = facts.newest() else { return };
        let known = self.at_least(now);
        if at <= known {
            return;
        }
        if at.millis_since(known) <= BELIEVED_MS {
            self.newest = Some(at);
            return;
        }
        self.doubted.retain(|(id, _)| *id != facts.id);
        self.doubted.push((facts.id.clone(), at));
        if self.doubted.len() >= AGREEING {
            self.newest = self.doubted.drain(..).map(|(_, at)| at).min();
        }
    }

    /// Takes how far the service is ahead of us by its `Date` headers; called at every tick.
    pub(crate) fn tick(&mut self, now: Moment, ahead_ms: i64) {
        self.ahead_ms = ahead_ms;
        if ahead_ms != 0 {
            self.ahead_at_start_ms.get_or_insert(ahead_ms);
        }
        let last = self.samples.back().map(|(ours, _)| *ours);
        if last.is_none_or(|last| now.millis_since(last) >= BETWEEN_SAMPLES_MS) {
            if self.samples.len() == SAMPLES {
                self.samples.pop_front();
            }
            self.samples.push_back((now, self.service(now)));
        }
    }

    /// The later of the service's time and ours at `now`.
    pub(crate) fn at_least(&self, now: Moment) -> Moment {
        self.service(now).max(now)
    }

    /// The service's time at a recent moment of our clock; never later than it was.
    pub(crate) fn then(&self, at: Moment) -> Moment {
        let sample = self.samples.iter().rev().find(|(ours, _)| *ours <= at);
        match sample.or(self.samples.front()) {
            Some((ours, service)) => service.plus_ms(at.millis_since(*ours).max(0)),
            None => self.service(at),
        }
    }

    /// The service's time at our start.
    pub(crate) fn start(&self, started_at: Moment) -> Moment {
        started_at.plus_ms(self.ahead_at_start_ms.unwrap_or(0))
    }

    fn service(&self, at: Moment) -> Moment {
        let dated = at.plus_ms(self.ahead_ms);
        self.newest.map_or(dated, |newest| newest.max(dated))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::facts::Purpose;
    use crate::model::testing::{at, participant};

    fn seen(id: &str, secs: i64) -> ConversationFacts {
        let mut customer = participant("p", Purpose::Customer);
        customer.connected = Some(at(secs));
        ConversationFacts {
            id: Id::new(id),
            ended: None,
            participants: vec![customer],
        }
    }

    #[test]
    fn facts_move_the_clock_and_one_wrong_time_does_not() {
        let mut time = ServiceTime::default();
        time.saw(&seen("a", 90), at(100));
        assert_eq!(time.at_least(at(100)), at(100));
        time.saw(&seen("a", 300), at(100));
        assert_eq!(time.at_least(at(110)), at(300));
        assert_eq!(time.at_least(at(301)), at(301));
        for _ in 0..5 {
            time.saw(&seen("wrong", 1_000_000), at(110));
        }
        assert_eq!(time.at_least(at(110)), at(300));
        time.saw(&seen("b", 5_000), at(110));
        time.saw(&seen("c", 5_001), at(110));
        assert_eq!(time.at_least(at(110)), at(5_000), "three agree");
    }

    #[test]
    fn moments_of_ours_are_translated() {
        let mut time = ServiceTime::default();
        time.tick(at(0), 0);
        assert_eq!((time.then(at(0)), time.start(at(0))), (at(0), at(0)));
        time.tick(at(10), 3_600_000);
        assert_eq!(time.then(at(9)), at(9), "as it was then");
        assert_eq!((time.then(at(12)), time.start(at(0))), (at(3612), at(3600)));
        assert_eq!(time.at_least(at(20)), at(3620));
        time.tick(at(30), -60_000);
        assert_eq!((time.then(at(31)), time.at_least(at(31))), (at(-29), at(31)));
        // Compressed: it runs five times as fast.
        let mut time = ServiceTime::default();
        for n in 0..10 {
            time.saw(&seen("a", 100 + 5 * n), at(n));
            time.tick(at(n), 0);
        }
        assert_eq!((time.then(at(4)), time.then(at(9))), (at(120), at(145)));
    }
}
