//! What only shared streams ask of the dashboard.
//!
//! In: a dashboard · Out: its gaps, the number of its next snapshot · Thread: any (pure).

use super::Model;
use super::snapshot::Gap;
use crate::Moment;

impl Model {
    /// All gaps that are remembered, oldest first.
    pub(crate) fn gaps(&self) -> impl Iterator<Item = &Gap> {
        self.gaps.by_service_clock().map(|known| known.gap)
    }

    /// Begin and end of a gap by the service's clock.
    pub(crate) fn gap_by_service_clock(&self, id: u64) -> Option<(Moment, Option<Moment>)> {
        let known = self.gaps.by_service_clock().find(|known| known.gap.id == id)?;
        Some((known.from, known.to))
    }

    /// Its next snapshot has the number after the last one of `before`, which it replaces.
    pub(crate) fn continue_from(&mut self, before: &Self) {
        self.revision = self.revision.max(before.revision);
    }
}
