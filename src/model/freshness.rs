//! How old the newest data is, by kind of event or by metric type.
//!
//! In: events' times, the time now · Out: `FreshnessSnapshot`, what became stale · Thread: any (pure).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Moment;
use crate::base::inserted::Inserted as _;
use crate::event::stats::Name;
use crate::model::snapshot::FreshnessSnapshot;

/// Names at most; there are a dozen kinds of events and six metric types.
const NAMES_AT_MOST: usize = 1_000;

/// Data older than the limit (`metrics` protocol), to be audited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stale {
    /// Which metric type.
    pub metric_type: Name,
    /// The type became stale now; false if it was stale already or has fresher data.
    pub is_turn: bool,
    /// How it was noticed.
    pub by: StaleBy,
}

/// How stale data was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StaleBy {
    /// An event with an old timestamp arrived.
    Arrival,
    /// No event arrived for too long.
    Silence,
}

/// How old the newest data of every name is.
#[derive(Debug)]
pub(crate) struct Freshness {
    stale_after: Duration,
    /// In no order: there are few.
    names: Vec<(Box<str>, Age)>,
    /// Where the name of the last event is: the next event usually has the same.
    last: usize,
}

#[derive(Debug)]
struct Age {
    /// By our clock; everything else is by the service's.
    last_event_at: Moment,
    /// The newest time of its data: the event's own time if it has one, but never later than its arrival.
    newest: Moment,
    stale: bool,
}

/// What the time of an event means for its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Arrival {
    /// The event was older than the limit when it arrived.
    pub is_old: bool,
    /// Its name became stale with it, because there was no fresher data.
    pub became_stale: bool,
}

impl Freshness {
    /// Data older than `stale_after` is stale.
    #[must_use]
    pub(crate) fn new(stale_after: Duration) -> Self {
        Self {
            stale_after,
            names: Vec::new(),
            last: 0,
        }
    }

    /// Notes an event of `name` that arrived at `arrived` of our clock, when the service's showed `now`; `own` is the time
    /// of its data.
    pub(crate) fn record(&mut self, name: &str, own: Option<Moment>, arrived: Moment, now: Moment) -> Arrival {
        let newest = own.map_or(now, |own| own.min(now));
        let stale_after = self.stale_after;
        let is_old = is_stale(newest, now, stale_after);
        let Some(age) = self.age_of(name) else {
            if self.names.len() < NAMES_AT_MOST {
                let age = Age {
                    last_event_at: arrived,
                    newest,
                    stale: is_old,
                };
                self.names.push((name.into(), age));
            }
            return Arrival {
                is_old,
                became_stale: is_old,
            };
        };
        age.last_event_at = arrived;
        age.newest = age.newest.max(newest);
        let was_stale = std::mem::replace(&mut age.stale, is_stale(age.newest, now, stale_after));
        Arrival {
            is_old,
            became_stale: age.stale && !was_stale,
        }
    }

    fn age_of(&mut self, name: &str) -> Option<&mut Age> {
        let has_name = |(other, _): &(Box<str>, Age)| **other == *name;
        if !self.names.get(self.last).is_some_and(has_name) {
            self.last = self.names.iter().position(has_name)?;
        }
        self.names.get_mut(self.last).map(|(_, age)| age)
    }

    /// Names that became stale since the last tick because no event arrived.
    pub(crate) fn on_tick(&mut self, now: Moment) -> Vec<Box<str>> {
        let mut became_stale = Vec::new();
        for (name, age) in &mut self.names {
            if !age.stale && is_stale(age.newest, now, self.stale_after) {
                age.stale = true;
                became_stale.push(name.clone());
            }
        }
        became_stale.sort_unstable();
        became_stale
    }

    /// All names at `as_of`.
    #[must_use]
    pub(crate) fn snapshot(&self, as_of: Moment) -> BTreeMap<String, FreshnessSnapshot> {
        let one = |age: &Age| FreshnessSnapshot {
            last_event_at: age.last_event_at,
            stale: is_stale(age.newest, as_of, self.stale_after),
        };
        self.names
            .iter()
            .map(|(name, age)| (name.to_string(), one(age)))
            .inserted()
    }
}

fn is_stale(newest: Moment, now: Moment, stale_after: Duration) -> bool {
    newest.plus(stale_after) < now
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::at;

    fn freshness() -> Freshness {
        Freshness::new(Duration::from_secs(30))
    }

    #[test]
    fn silence_makes_stale_once() {
        let mut f = freshness();
        assert_eq!(f.record("queue", None, at(0), at(0)), Arrival::default());
        assert!(f.on_tick(at(30)).is_empty(), "exactly thirty seconds are not older");
        assert!(!f.snapshot(at(30))["queue"].stale);
        assert_eq!(f.on_tick(at(31)), ["queue".into()]);
        assert!(f.on_tick(at(60)).is_empty());
        assert!(f.snapshot(at(60))["queue"].stale);
        f.record("queue", None, at(61), at(61));
        assert!(!f.snapshot(at(61))["queue"].stale);
        assert_eq!(f.on_tick(at(100)), ["queue".into()]);
    }

    #[test]
    fn old_data_is_stale_on_arrival_and_not_once_more_by_silence() {
        let mut f = freshness();
        let arrival = f.record("queue", Some(at(0)), at(31), at(31));
        assert!(arrival.is_old && arrival.became_stale);
        let again = f.record("queue", Some(at(1)), at(40), at(40));
        assert!(again.is_old && !again.became_stale);
        assert!(f.on_tick(at(50)).is_empty());
        let fresh = f.record("queue", Some(at(50)), at(51), at(51));
        assert_eq!(fresh, Arrival::default());
        let straggler = f.record("queue", Some(at(2)), at(52), at(52));
        assert!(straggler.is_old && !straggler.became_stale, "fresher data is there");
        assert_eq!(f.snapshot(at(53))["queue"].last_event_at, at(52));
    }

    #[test]
    fn a_time_ahead_of_the_clock_does_not_keep_fresh() {
        let mut f = freshness();
        f.record("queue", Some(at(1000)), at(0), at(0));
        assert_eq!(f.on_tick(at(31)), ["queue".into()]);
    }
}
