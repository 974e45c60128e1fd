//! Who opened which gap, and when the gaps began by the service's clock.
//!
//! In: what is uncovered from when, and covered again since when · Out: gaps in the model's ledger, those that changed, and
//! what REST has to fill in · Thread: any (pure).

use std::collections::BTreeMap;

use super::control::Repair;
use crate::Moment;
use crate::event::change::NOT_SUBSCRIBED;
use crate::event::gap::{Gap, GapTopics};
use crate::model::{Model, Opened};

/// Refused topics of one answer that have a gap each; beyond that, one gap is about all of them.
const GAPS_OF_REFUSED: usize = 40;

/// Who opened a gap, and will close it. One owner may have several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// A line that is not covered, or not all of it.
    Line(usize),
    /// Dropped events.
    Drops,
}

/// The gaps that are open.
#[derive(Debug, Default)]
pub(super) struct OpenGaps {
    by_owner: BTreeMap<Owner, Vec<u64>>,
    /// Refused topics of each line, and the gap that each is in.
    refused: BTreeMap<usize, BTreeMap<String, u64>>,
    /// Where each begins by the service's clock.
    begins: BTreeMap<u64, Moment>,
}

/// A gap that was closed, and the job to fill it in.
pub(super) type Closed = (Gap, Option<Repair>);

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
        let opened = self.open_gap(model, topics, from, cause);
        let own = self.by_owner.entry(owner).or_default();
        if !own.contains(&opened.id) {
            own.push(opened.id);
        }
        opened.changed
    }

    fn open_gap(&mut self, model: &mut Model, topics: GapTopics, from: Moment, cause: &str) -> Opened {
        let opened = model.gaps_mut().open(topics, from, cause);
        let begin = model.service_time(from);
        let known = self.begins.entry(opened.id).or_insert(begin);
        *known = begin.min(*known);
        model.gaps_mut().set_service_times(opened.id, *known, None);
        opened
    }

    /// What this owner left uncovered is covered again since `to`. Returns the gaps that this closed.
    pub(super) fn close(&mut self, model: &mut Model, owner: Owner, to: Moment) -> Vec<Closed> {
        let own = self.by_owner.remove(&owner).unwrap_or_default();
        own.into_iter().filter_map(|id| self.close_gap(model, id, to)).collect()
    }

    /// Closes a gap, unless somebody else holds it open.
    fn close_gap(&mut self, model: &mut Model, id: u64, to: Moment) -> Option<Closed> {
        let mut held = self.by_owner.values().flatten();
        let mut refused = self.refused.values().flat_map(BTreeMap::values);
        if held.any(|other| *other == id) || refused.any(|other| *other == id) {
            return None;
        }
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

    /// The refused topics of a line, with the reasons: those that are new are uncovered since `since`, those that are not
    /// refused any more are covered since `now`. Returns the gaps that are new, and those that this closed.
    pub(super) fn set_refused(
        &mut self,
        model: &mut Model,
        line: usize,
        topics: &BTreeMap<String, String>,
        (since, now): (Moment, Moment),
    ) -> (Vec<Gap>, Vec<Closed>) {
        let mut known = self.refused.remove(&line).unwrap_or_default();
        let mut gone: Vec<(String, u64)> = known.iter().map(|(topic, id)| (topic.clone(), *id)).collect();
        gone.retain(|(topic, _)| !topics.contains_key(topic));
        known.retain(|topic, _| topics.contains_key(topic));
        let new: Vec<&String> = topics.keys().filter(|topic| !known.contains_key(*topic)).collect();
        let parts = match new.len() {
            0..=GAPS_OF_REFUSED => new.chunks(1),
            many => new.chunks(many),
        };
        let mut opened = Vec::new();
        for part in parts {
            let why = part
                .first()
                .and_then(|topic| topics.get(*topic))
                .map_or("", String::as_str);
            let cause = match why {
                NOT_SUBSCRIBED => why.to_owned(),
                why => format!("refused: {why}"),
            };
            let all: Vec<String> = part.iter().map(|topic| (*topic).clone()).collect();
            let gap = self.open_gap(model, GapTopics::Some(all), since, &cause);
            opened.extend(gap.changed);
            known.extend(part.iter().map(|topic| ((*topic).clone(), gap.id)));
        }
        self.refused.insert(line, known);
        gone.sort_unstable_by_key(|(_, id)| *id);
        gone.dedup_by_key(|(_, id)| *id);
        let closed = gone.into_iter().filter_map(|(_, id)| self.close_gap(model, id, now));
        let closed = closed.collect();
        (opened, closed)
    }
}
