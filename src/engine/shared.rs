//! The engine's part in sharing: it tells what it applied, and takes over a core that was fed with the past.
//!
//! In: applied changes, a core · Out: `Shared`, in the service's time · Thread: `gs-aggregator`.

use super::core::{Core, Effect};
use super::thread::Aggregator;
use crate::Moment;
use crate::event::change::Change;
use crate::event::gap::{Gap, GapTopics};
use crate::output::Item;
use crate::output::shared::{Shared, Told};

impl Aggregator {
    /// Tells of a change that was applied at `now`.
    pub(super) fn share(&self, change: Change, effects: &[Effect], now: Moment) {
        let Some(share) = &self.journal.share else { return };
        let model = self.core.model();
        let at = model.as_of(now);
        let tell = |what| share(Shared { at, what });
        for effect in effects {
            if let Effect::Record(Item::Gap(gap)) = effect {
                tell(Told::Gap(self.core.gap_in_service_time(gap)));
            }
        }
        match change {
            Change::Tick { .. } => tell(Told::Alive {
                last_frame_at: self.telemetry.last_frame_at().map(|at| model.service_time(at)),
            }),
            Change::Covered { line, topics, since } => {
                let since = model.service_time(since);
                tell(Told::Change(Change::Covered { line, topics, since }));
            }
            Change::Refused { line, topics, since } => {
                let since = model.service_time(since);
                tell(Told::Change(Change::Refused { line, topics, since }));
            }
            Change::GapOpened { .. }
            | Change::GapClosed { .. }
            | Change::GapsRepaired { .. }
            | Change::Drained { .. }
            | Change::Token { .. }
            | Change::Connections { .. }
            | Change::ConnectionOpened { .. }
            | Change::ConnectionEnded { .. } => {}
            change => tell(Told::Change(change)),
        }
    }

    /// Goes on with a core that was fed with the past, once there is one. Revisions go on where they are.
    pub(super) fn take_over(&mut self) {
        if let Ok(mut core) = self.past.try_recv() {
            core.continue_from(&self.core);
            self.core = *core;
        }
    }
}

impl Core {
    /// A gap, with its times by the service's clock.
    fn gap_in_service_time(&self, gap: &Gap) -> Gap {
        let mut told = gap.clone();
        if let Some((from, to)) = self.model().gap_by_service_clock(gap.id) {
            (told.from, told.to) = (from, to);
        }
        told
    }

    /// The closed gaps of these topics that began at `from` of our clock and are not repaired.
    pub(crate) fn closed_gaps(&self, topics: &GapTopics, from: Moment) -> Vec<u64> {
        let gaps = self.model().gaps();
        let is_meant = |gap: &&Gap| gap.topics == *topics && gap.from == from && gap.to.is_some() && !gap.repaired;
        gaps.filter(is_meant).map(|gap| gap.id).collect()
    }
}
