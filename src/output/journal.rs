//! Where the threads of a run send audit entries and lines of the recording.
//!
//! In: audit entries, recorded lines · Out: calls that never block · Thread: any.

use std::sync::Arc;

use crate::audit::Entry;
use crate::output::recording::Line;

/// Delivers something to an output. It never blocks: what there is no room for is dropped and counted.
pub(crate) type Deliver<T> = Arc<dyn Fn(T) + Send + Sync>;

/// The audit file and the recording of a run, as far as it has them.
#[derive(Clone, Default)]
pub(crate) struct Journal {
    pub(crate) audit: Option<Deliver<Entry>>,
    pub(crate) record: Option<Deliver<Line>>,
    /// Tells the readers of a shared stream.
    #[cfg(feature = "engine")]
    pub(crate) share: Option<Deliver<super::shared::Shared>>,
}

impl Journal {
    /// Sends an entry to the audit file, if there is one.
    pub(crate) fn audit(&self, entry: impl FnOnce() -> Entry) {
        if let Some(audit) = &self.audit {
            audit(entry());
        }
    }

    /// Sends a line to the recording, if there is one.
    pub(crate) fn record(&self, line: impl FnOnce() -> Line) {
        if let Some(record) = &self.record {
            record(line());
        }
    }
}
