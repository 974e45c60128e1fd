//! What the aggregator puts into the audit file: states, gaps, stale data, drops.
//!
//! In: what it sees · Out: entries · Thread: the aggregator's, which never waits for them.

use super::Aggregator;
use crate::Moment;
use crate::audit::Entry;
use crate::model::snapshot::{Gap, GapTopics};
use crate::model::{Stale, StaleBy};
use crate::output::record::StateChange;

impl Aggregator {
    pub(super) fn audit_state(&self, change: &StateChange) {
        self.journal.audit(|| {
            let mut entry = Entry::new("connection", change.at).with("state", change.state.as_str());
            if let Some(cause) = &change.cause {
                entry = entry.with("cause", cause.as_str());
            }
            if let Some(attempt) = change.attempt {
                entry = entry.with("attempt", attempt);
            }
            entry
        });
    }

    pub(super) fn audit_gap(&self, gap: &Gap) {
        self.journal.audit(|| {
            let topics = match &gap.topics {
                GapTopics::All => "all".into(),
                GapTopics::Some(topics) => serde_json::Value::from(topics.len()),
            };
            Entry::new("gap", Moment::now())
                .with("id", gap.id)
                .with("topics", topics)
                .with("from", gap.from.to_string())
                .with("to", gap.to.map(|to| to.to_string()))
                .with("cause", gap.cause.as_str())
                .with("repaired", gap.repaired)
        });
    }

    /// When a metric type turns stale; what comes late after that is counted only.
    pub(super) fn audit_stale(&self, stale: &Stale) {
        if stale.is_turn {
            self.journal.audit(|| {
                Entry::new("stale", Moment::now())
                    .with("metric_type", &*stale.metric_type)
                    .with(
                        "found_by",
                        match stale.by {
                            StaleBy::Arrival => "an event that was old when it came",
                            StaleBy::Silence => "silence",
                        },
                    )
            });
        }
    }

    pub(super) fn audit_drop(&self, events: u64, cause: &str, now: Moment) {
        self.journal
            .audit(|| Entry::new("drop", now).with("events", events).with("cause", cause));
    }
}
