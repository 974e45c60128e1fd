//! The ways to the audit file and to the recording, for whoever has something to put there.
//!
//! In: audit entries, recorded lines · Out: calls that never block · Thread: any.

use std::sync::Arc;

use crate::audit::Entry;

/// Takes something; never blocks.
pub(crate) type Way<T> = Arc<dyn Fn(T) + Send + Sync>;

/// Where a run puts what is audited and what is recorded; empty where nothing is.
#[derive(Clone, Default)]
pub(crate) struct Journal {
    pub(crate) audit: Option<Way<Entry>>,
}

impl Journal {
    /// Puts an entry into the audit file, if there is one.
    pub(crate) fn audit(&self, entry: impl FnOnce() -> Entry) {
        if let Some(audit) = &self.audit {
            audit(entry());
        }
    }
}
