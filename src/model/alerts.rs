//! Alerts: which numbers of which queues are beyond their thresholds, and since when.
//!
//! In: thresholds, the numbers of each queue at a tick · Out: alerts that begin, change or end · Thread: any (pure).
//!
//! Amber and red are two conditions with the same rule: a condition begins to hold when the number has been at or beyond
//! its threshold for `for_secs`, and ends when the number has not been there for as long. Red is worse than amber, so an
//! alert is red while that condition holds. A number that is not known is beyond no threshold.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::{AlertName, Levels, QueueThresholds, ThresholdsConfig};
use crate::event::alert::{Alert, AlertLevel, AlertState};
use crate::{Id, Moment};

const DEFAULT_FOR_SECS: u64 = 30;
/// Ticks may come more often than looks are needed.
const BETWEEN_LOOKS_MS: i64 = 450;

/// The alerts of all queues.
#[derive(Debug, Default)]
pub(super) struct Alerts {
    config: ThresholdsConfig,
    looked_at: Option<Moment>,
    queues: BTreeMap<Id, OfQueue>,
}

/// An alert that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Firing {
    pub(super) name: AlertName,
    pub(super) level: AlertLevel,
    /// Since when it has fired at this level.
    pub(super) since: Moment,
}

#[derive(Debug)]
struct OfQueue {
    /// As it was when `watched` was made: thresholds are found by it.
    name: Option<Box<str>>,
    hold: Duration,
    watched: Vec<Watched>,
    is_listed: bool,
}

/// A number with thresholds.
#[derive(Debug)]
struct Watched {
    name: AlertName,
    levels: Levels,
    amber: Condition,
    red: Condition,
    /// Since when the level has been what it is.
    since: Moment,
}

/// Whether a number is beyond a threshold, once that has lasted.
#[derive(Debug, Default)]
struct Condition {
    holds: bool,
    /// Since when the number says otherwise.
    differs_since: Option<Moment>,
}

impl Condition {
    fn look(&mut self, is_beyond: bool, now: Moment, hold: Duration) {
        if is_beyond == self.holds {
            self.differs_since = None;
            return;
        }
        // The clock may have been set back.
        let since = self.differs_since.map_or(now, |since| since.min(now));
        self.differs_since = Some(since);
        if since.plus(hold) <= now {
            *self = Self {
                holds: is_beyond,
                differs_since: None,
            };
        }
    }
}

impl Watched {
    fn new(name: AlertName, levels: Levels, now: Moment) -> Self {
        Self {
            name,
            levels,
            amber: Condition::default(),
            red: Condition::default(),
            since: now,
        }
    }

    fn level(&self) -> Option<AlertLevel> {
        match (self.red.holds, self.amber.holds) {
            (true, _) => Some(AlertLevel::Red),
            (false, true) => Some(AlertLevel::Amber),
            (false, false) => None,
        }
    }

    fn is_beyond(&self, value: Option<f64>, threshold: f64) -> bool {
        value.is_some_and(|value| match self.name.falls() {
            true => value <= threshold,
            false => value >= threshold,
        })
    }

    /// Takes the number of now. Returns the level before and the time since which it held, if the level is another one.
    fn look(&mut self, value: Option<f64>, now: Moment, hold: Duration) -> Option<(Option<AlertLevel>, Moment)> {
        let before = self.level();
        let [amber, red] = [self.levels.amber, self.levels.red].map(|threshold| self.is_beyond(value, threshold));
        self.amber.look(amber, now, hold);
        self.red.look(red, now, hold);
        (self.level() != before).then(|| (before, std::mem::replace(&mut self.since, now)))
    }

    /// The change of the level from `before`, as it is told.
    fn told(
        &self,
        (before, since_before): (Option<AlertLevel>, Moment),
        (queue_id, queue): (&Id, Option<&str>),
        value: Option<f64>,
        now: Moment,
    ) -> Option<Alert> {
        let after = self.level();
        let level = after.or(before)?;
        let (state, since) = match after {
            Some(_) => (AlertState::Firing, self.since),
            None => (AlertState::Resolved, since_before),
        };
        Some(Alert {
            at: now,
            queue_id: queue_id.clone(),
            queue: queue.map(Into::into),
            name: self.name,
            state,
            level,
            value,
            threshold: match level {
                AlertLevel::Amber => self.levels.amber,
                AlertLevel::Red => self.levels.red,
            },
            since,
        })
    }
}

impl Alerts {
    pub(super) fn new(config: ThresholdsConfig) -> Self {
        Self {
            config,
            ..Self::default()
        }
    }

    /// Whether a look at the numbers is due at `now` of the service's clock; never, where there are no thresholds.
    pub(super) fn is_due(&self, now: Moment) -> bool {
        let is_recent = |at: Moment| (0..BETWEEN_LOOKS_MS).contains(&now.millis_since(at));
        !self.config.is_empty() && !self.looked_at.is_some_and(is_recent)
    }

    /// Looks at the numbers of the listed queues, given with their names. Returns what begins, changes or ends.
    pub(super) fn look<'a>(
        &mut self,
        now: Moment,
        listed: impl Iterator<Item = (&'a Id, Option<&'a str>)>,
        value: impl Fn(&Id, AlertName) -> Option<f64>,
    ) -> Vec<Alert> {
        self.looked_at = Some(now);
        self.queues.values_mut().for_each(|queue| queue.is_listed = false);
        let mut told = Vec::new();
        for (id, name) in listed {
            let is_known = self.queues.get(id).is_some_and(|queue| queue.name.as_deref() == name);
            if !is_known {
                let before = self.queues.remove(id);
                let queue = OfQueue::new(&self.config, (id, name), before, now, &mut told);
                self.queues.insert(id.clone(), queue);
            }
            let Some(queue) = self.queues.get_mut(id) else { continue };
            queue.is_listed = true;
            for watched in &mut queue.watched {
                let value = value(id, watched.name);
                if let Some(before) = watched.look(value, now, queue.hold) {
                    told.extend(watched.told(before, (id, name), value, now));
                }
            }
        }
        self.queues.retain(|id, queue| {
            if !queue.is_listed {
                queue.end(id, now, &mut told);
            }
            queue.is_listed
        });
        told
    }

    /// What fires of a queue.
    pub(super) fn firing(&self, queue: &Id) -> impl Iterator<Item = Firing> {
        let watched = self.queues.get(queue).into_iter().flat_map(|queue| &queue.watched);
        watched.filter_map(|watched| {
            Some(Firing {
                name: watched.name,
                level: watched.level()?,
                since: watched.since,
            })
        })
    }
}

impl OfQueue {
    /// A queue with the thresholds that its id and name have. What goes on with the same thresholds as `before` is kept, what
    /// has none any more is told as ended.
    fn new(
        config: &ThresholdsConfig,
        (id, name): (&Id, Option<&str>),
        before: Option<Self>,
        now: Moment,
        told: &mut Vec<Alert>,
    ) -> Self {
        let (hold, levels) = thresholds_of(config, id, name);
        let mut kept = before;
        let mut take = |of: AlertName, levels: Levels| {
            let old = &mut kept.as_mut()?.watched;
            let at = old.iter().position(|old| old.name == of && old.levels == levels)?;
            Some(old.swap_remove(at))
        };
        let watched = levels
            .into_iter()
            .map(|(of, levels)| take(of, levels).unwrap_or_else(|| Watched::new(of, levels, now)))
            .collect();
        if let Some(mut rest) = kept {
            rest.end(id, now, told);
        }
        Self {
            name: name.map(Into::into),
            hold,
            watched,
            is_listed: true,
        }
    }

    /// Tells that what fires has ended.
    fn end(&mut self, id: &Id, now: Moment, told: &mut Vec<Alert>) {
        for watched in &mut self.watched {
            let before = (watched.level(), watched.since);
            (watched.amber, watched.red) = Default::default();
            told.extend(watched.told(before, (id, self.name.as_deref()), None, now));
        }
    }
}

/// The thresholds of a queue: the default ones, over them those by its name, over them those by its id.
fn thresholds_of(config: &ThresholdsConfig, id: &Id, name: Option<&str>) -> (Duration, BTreeMap<AlertName, Levels>) {
    let by_name = name.and_then(|name| {
        let folded = || name.trim().to_lowercase();
        let exact = config.queues.get(name);
        exact.or_else(|| {
            let mut all = config.queues.iter();
            all.find(|(key, _)| key.trim().to_lowercase() == folded())
                .map(|(_, own)| own)
        })
    });
    let mut all = config.queues.iter();
    let by_id = all.find(|(key, _)| Id::new(key.trim()) == *id).map(|(_, own)| own);
    let mut for_secs = DEFAULT_FOR_SECS;
    let mut levels = BTreeMap::new();
    let layers: [Option<&QueueThresholds>; 3] = [Some(&config.default), by_name, by_id];
    for layer in layers.into_iter().flatten() {
        for_secs = layer.for_secs.unwrap_or(for_secs);
        for (name, own) in &layer.levels {
            match own {
                Some(own) => levels.insert(*name, *own),
                None => levels.remove(name),
            };
        }
    }
    (Duration::from_secs(for_secs), levels)
}

#[cfg(test)]
mod tests;
