//! Who opened which gap, and when the gaps began by the service's clock.
//!
//! In: what is uncovered from when, and covered again since when · Out: gaps in the model's ledger, those that changed, and
//! what REST has to fill in · Thread: any (pure).

use std::collections::BTreeMap;

use super::control::Repair;
use crate::Moment;
use crate::event::gap::{Gap, GapTopics};
use crate::model::Model;

/// Who opened a gap, and will close it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// A line without a connection.
    Line(usize),
    /// Dropped events.
    Drops,
}

/// The gaps that are open.
#[derive(Debug, Default)]
pub(super) struct OpenGaps {
    by_owner: BTreeMap<Owner, u64>,
    /// Where each begins by the service's clock.
    begins: BTreeMap<u64, Moment>,
}

impl OpenGaps {
    pub(super) fn is_open(&self, owner: Owner) -> bool {
        self.by_owner.contains_key(&owner)
    }

    /// `topics` are uncovered since `from`. Returns the gap where it is new or begins earlier than it did.
    pub(super) fn open(
        &mut self,
        model: &mut Model,
        owner: Owner,
        (topics, from, cause): (GapTopics, Moment, &str),
    ) -> Option<Gap> {
        let opened = model.gaps_mut().open(topics, from, cause);
        let begin = model.service_time(from);
        let known = self.begins.entry(opened.id).or_insert(begin);
        *known = begin.min(*known);
        model.gaps_mut().set_service_times(opened.id, *known, None);
        self.by_owner.insert(owner, opened.id);
        opened.changed
    }

    /// What this owner left uncovered is covered again since `to`. Returns the gap where that closed it, and the job to
    /// fill it in.
    pub(super) fn close(&mut self, model: &mut Model, owner: Owner, to: Moment) -> Option<(Gap, Option<Repair>)> {
        let id = self.by_owner.remove(&owner)?;
        let since = self.begins.remove(&id);
        let gap = model.gaps_mut().close(id, to)?;
        let repair = since.map(|since| {
            let end = model.service_time(to);
            model.gaps_mut().set_service_times(id, since, Some(end));
            let from = gap.from;
            Repair::Gap { id, from, since }
        });
        Some((gap, repair))
    }
}
