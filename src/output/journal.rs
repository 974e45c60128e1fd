//! The ways to the audit file and to the recording, for whoever has something to put there.
//!
//! In: audit entries, recorded lines · Out: calls that never block · Thread: any.

use std::sync::Arc;

use crate::audit::Entry;
use crate::output::recording::Line;

/// Takes something; never blocks.
pub(crate) type Way<T> = Arc<dyn Fn(T) + Send + Sync>;

/// Where a run puts what is audited and what is recorded; empty where nothing is.
#[derive(Clone, Default)]
pub(crate) struct Journal {
    pub(crate) audit: Option<Way<Entry>>,
    pub(crate) record: Option<Way<Line>>,
}

impl Journal {
    /// Puts an entry into the audit file, if there is one.
    pub(crate) fn audit(&self, entry: impl FnOnce() -> Entry) {
        if let Some(audit) = &self.audit {
            audit(entry());
        }
    }

    /// Puts a line into the recording, if there is one.
    pub(crate) fn record(&self, line: impl FnOnce() -> Line) {
        if let Some(record) = &self.record {
            record(line());
        }
    }

    /// Whether anything is recorded.
    pub(crate) fn records(&self) -> bool {
        self.record.is_some()
    }
}
