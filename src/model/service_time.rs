//! What time it is where the facts come from: this machine's, unless the service's differs.
//!
//! In: times inside facts, how far the service's dates are from ours · Out: the service's time · Thread: any (pure).
//!
//! Facts carry the service's times, gaps are noticed by ours. A service may be ahead of its own dates, too, where its time
//! is compressed; then the newest time inside its facts counts. One wrong time must not move the clock: what is far ahead
//! counts when several conversations agree.

use std::collections::VecDeque;

use crate::event::facts::ConversationFacts;
use crate::{Id, Moment};

/// So far ahead of what was known one conversation is believed.
const BELIEVED_MS: i64 = 600_000;
/// Conversations that must be further ahead.
const AGREEING: usize = 3;
/// Samples kept, and between two of them: two minutes, longer than any silence before a gap is noticed.
const SAMPLES: usize = 512;
const BETWEEN_SAMPLES_MS: i64 = 250;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct ServiceTime {
    /// The newest believed time inside facts.
    newest: Option<Moment>,
    /// Times further ahead, of different conversations.
    doubted: Vec<(Id, Moment)>,
    /// (service − here) by its dates, in milliseconds.
    ahead_ms: i64,
    /// That at the start, once it was known.
    ahead_at_start_ms: Option<i64>,
    /// Our time, the service's.
    samples: VecDeque<(Moment, Moment)>,
}

impl ServiceTime {
    /// Facts came.
    pub(crate) fn saw(&mut self, facts: &ConversationFacts, now: Moment) {
        let participants = facts.participants.iter();
        let times = participants.flat_map(|p| [p.connected, p.ended, p.acw_started, p.acw_ended]);
        let Some(at) = times.flatten().max() else { return };
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

    /// Once in a while: how far the service's dates are ahead of ours.
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

    /// The service's time at our `now`, but not before ours: until then windows are shown.
    pub(crate) fn at_least(&self, now: Moment) -> Moment {
        self.service(now).max(now)
    }

    /// The service's time at our `at`, which is now or not long ago; not later than it was.
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
