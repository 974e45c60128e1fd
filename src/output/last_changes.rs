//! The last changes of a run, for whoever looks later: interruptions of the stream, gaps with their repair, alerts.
//!
//! In: items of the outputs · Out: a bounded list · Thread: any (pure).
//!
//! An entry is one story from its beginning to its end: the first word of a gap, its end and its repair are one entry, and
//! so are an alert's firing, its levels and its end. The oldest entries go first, of alerts apart from all others: many
//! alerts in a bad hour do not push out what happened to the stream at night.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::Item;
use crate::config::AlertName;
use crate::event::alert::{Alert, AlertLevel, AlertState};
use crate::event::gap::{Gap, GapTopics};
use crate::event::state::{ConnectionState, StateChange};
use crate::{Id, Moment};

/// Alerts that are kept, and as many interruptions and gaps together: less than 100 KB in all.
pub(crate) const KEPT: usize = 200;

/// One change, by the service's clock.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LastChange {
    pub(crate) at: Moment,
    /// `None` while it lasts.
    pub(crate) until: Option<Moment>,
    pub(crate) what: What,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum What {
    /// The program started; it lasts until the stream is there.
    Start {},
    /// There was no stream.
    Interruption {
        /// The first cause.
        cause: Option<String>,
        /// Attempts to connect.
        attempts: u32,
        /// The program has ended.
        stopped: bool,
    },
    /// Topics were not covered.
    Gap {
        id: u64,
        /// How many; `None` for all.
        topics: Option<usize>,
        cause: String,
        repaired: bool,
    },
    /// A number of a queue was beyond a threshold.
    Alert {
        queue_id: Id,
        queue: Option<Box<str>>,
        name: AlertName,
        /// The worst one.
        level: AlertLevel,
        /// The number when that level began.
        value: Option<f64>,
    },
}

/// By number, in the order in which they began. Cheap to clone.
pub(crate) type Entries = Arc<BTreeMap<u64, LastChange>>;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct LastChanges {
    entries: Entries,
    /// The number of the newest entry.
    newest: u64,
}

impl LastChanges {
    /// All entries.
    pub(crate) fn entries(&self) -> Entries {
        Arc::clone(&self.entries)
    }

    /// Takes what changed; other items change nothing. `clock_ahead_ms` is how far this machine's clock is ahead of the service's.
    pub(crate) fn take(&mut self, item: &Item, clock_ahead_ms: i64) {
        let by_service = |at: Moment| at.plus_ms(-clock_ahead_ms);
        match item {
            Item::State(change) => self.take_state(change, by_service(change.at)),
            Item::Gap(gap) => self.take_gap(gap, by_service),
            Item::Alert(alert) => self.take_alert(alert),
            _ => {}
        }
    }

    fn take_state(&mut self, change: &StateChange, at: Moment) {
        let is_first = self.newest == 0;
        let open = self
            .last(|entry| entry.until.is_none() && matches!(entry.what, What::Start {} | What::Interruption { .. }));
        if change.state == ConnectionState::Streaming {
            if let Some(open) = open {
                open.until = Some(at);
            }
            return;
        }
        // A start that fails is over: what follows is an interruption.
        if change.state != ConnectionState::Connecting
            && let Some(open) = open.filter(|open| matches!(open.what, What::Start {}))
        {
            open.until = Some(at);
        }
        let open = self.last(|entry| entry.until.is_none() && matches!(entry.what, What::Interruption { .. }));
        let is_stop = change.state == ConnectionState::Stopped;
        if let Some(What::Interruption {
            cause,
            attempts,
            stopped,
        }) = open.map(|open| &mut open.what)
        {
            *cause = cause.take().or_else(|| change.cause.clone());
            *attempts = change.attempt.unwrap_or(0).max(*attempts);
            *stopped = is_stop;
            return;
        }
        let what = match is_first && change.state == ConnectionState::Connecting {
            true => What::Start {},
            false => What::Interruption {
                cause: change.cause.clone(),
                attempts: change.attempt.unwrap_or(0),
                stopped: is_stop,
            },
        };
        self.add(at, None, what);
    }

    fn take_gap(&mut self, gap: &Gap, by_service: impl Fn(Moment) -> Moment) {
        let until = gap.to.map(&by_service);
        let known = self.last(|entry| matches!(entry.what, What::Gap { id, .. } if id == gap.id));
        let what = What::Gap {
            id: gap.id,
            topics: match &gap.topics {
                GapTopics::All => None,
                GapTopics::Some(topics) => Some(topics.len()),
            },
            cause: gap.cause.clone(),
            repaired: gap.repaired,
        };
        match known {
            Some(entry) => (entry.until, entry.what) = (until, what),
            None => self.add(by_service(gap.from), until, what),
        }
    }

    fn take_alert(&mut self, alert: &Alert) {
        let until = (alert.state == AlertState::Resolved).then_some(alert.at);
        let open = self.last(|entry| match &entry.what {
            What::Alert { queue_id, name, .. } => {
                entry.until.is_none() && *queue_id == alert.queue_id && *name == alert.name
            }
            _ => false,
        });
        if let Some(entry) = open {
            entry.until = until;
            if let What::Alert { level, value, .. } = &mut entry.what
                && alert.level > *level
            {
                (*level, *value) = (alert.level, alert.value);
            }
            return;
        }
        let what = What::Alert {
            queue_id: alert.queue_id.clone(),
            queue: alert.queue.clone(),
            name: alert.name,
            level: alert.level,
            value: alert.value,
        };
        self.add(alert.since, until, what);
    }

    /// The newest such entry.
    fn last(&mut self, is_it: impl Fn(&LastChange) -> bool) -> Option<&mut LastChange> {
        let number = *self.entries.iter().rev().find(|(_, entry)| is_it(entry))?.0;
        Arc::make_mut(&mut self.entries).get_mut(&number)
    }

    fn add(&mut self, at: Moment, until: Option<Moment>, what: What) {
        let is_alert = |what: &What| matches!(what, What::Alert { .. });
        let of_its_kind = is_alert(&what);
        let entries = Arc::make_mut(&mut self.entries);
        self.newest += 1;
        entries.insert(self.newest, LastChange { at, until, what });
        let mut same = entries
            .iter()
            .filter(|(_, entry)| is_alert(&entry.what) == of_its_kind)
            .map(|(number, _)| *number);
        let oldest = same.next();
        if same.count() >= KEPT
            && let Some(oldest) = oldest
        {
            entries.remove(&oldest);
        }
    }
}

#[cfg(test)]
#[path = "last_changes_tests.rs"]
mod tests;
