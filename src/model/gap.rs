//! The ledger of gaps: intervals in which topics were not provably covered.
//!
//! In: topics that are not covered, from when, until when · Out: `Gap`s to record · Thread: any (pure).
//!
//! Every method returns a gap only if it changed and must be recorded (stream, audit, log).

use std::collections::{BTreeMap, VecDeque};

use crate::Moment;
use crate::model::snapshot::{Gap, GapTopics};

/// Gaps that a snapshot holds.
const SHOWN_AT_MOST: usize = 100;

/// Gaps in memory: the coverage of windows goes further back than the gaps that are shown.
const KEPT_AT_MOST: usize = 2_000;

/// All gaps of a run.
#[derive(Debug, Default)]
pub(crate) struct GapLedger {
    gaps: VecDeque<Gap>,
    total: u64,
    /// Begin and end by the service's clock, where that differs.
    by_service: BTreeMap<u64, (Moment, Option<Moment>)>,
}

/// A gap by the service's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServiceGap<'a> {
    pub(crate) gap: &'a Gap,
    pub(crate) from: Moment,
    /// `None` while it is open.
    pub(crate) to: Option<Moment>,
}

/// What [`GapLedger::open`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    /// The gap to close later: a new one, or the open one of the same topics.
    pub id: u64,
    /// The gap, if it must be recorded: it is new or begins earlier than before.
    pub changed: Option<Gap>,
}

impl GapLedger {
    /// Opens a gap of `topics` at `from`. If one of the same topics is open, that one is extended instead.
    pub(crate) fn open(&mut self, topics: GapTopics, from: Moment, cause: &str) -> Opened {
        if let Some(gap) = self
            .gaps
            .iter_mut()
            .find(|gap| gap.to.is_none() && gap.topics == topics)
        {
            let earlier = from < gap.from;
            gap.from = gap.from.min(from);
            return Opened {
                id: gap.id,
                changed: earlier.then(|| gap.clone()),
            };
        }
        self.total += 1;
        let gap = Gap {
            id: self.total,
            topics,
            from,
            to: None,
            cause: cause.to_owned(),
            repaired: false,
        };
        self.gaps.push_back(gap.clone());
        self.trim();
        Opened {
            id: gap.id,
            changed: Some(gap),
        }
    }

    /// Closes a gap at `to`. Nothing changes if it is closed already or forgotten.
    pub(crate) fn close(&mut self, id: u64, to: Moment) -> Option<Gap> {
        let gap = self.gap_mut(id).filter(|gap| gap.to.is_none())?;
        gap.to = Some(to.max(gap.from));
        let closed = gap.clone();
        self.trim();
        Some(closed)
    }

    /// Marks a gap as repaired: REST filled it in completely. A gap that is open cannot be repaired.
    pub(crate) fn repaired(&mut self, id: u64) -> Option<Gap> {
        let gap = self.gap_mut(id).filter(|gap| gap.to.is_some() && !gap.repaired)?;
        gap.repaired = true;
        Some(gap.clone())
    }

    /// Number of gaps of this run, open and closed.
    #[must_use]
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The last 100, oldest first; open ones are among them, however old.
    #[must_use]
    pub(crate) fn last(&self) -> Vec<Gap> {
        let open = self.open_gaps().count();
        let mut closed_to_skip = (self.gaps.len() - open).saturating_sub(SHOWN_AT_MOST.saturating_sub(open));
        let is_shown = |gap: &&Gap| {
            let skipped = gap.to.is_some() && closed_to_skip > 0;
            closed_to_skip -= usize::from(skipped);
            !skipped
        };
        self.gaps.iter().filter(is_shown).cloned().collect()
    }

    /// Sets begin and end of a gap by the service's clock, by which the coverage of windows is computed. Without this
    /// our clock counts.
    pub(crate) fn set_service_times(&mut self, id: u64, from: Moment, to: Option<Moment>) {
        if self.gap_mut(id).is_some_and(|gap| (gap.from, gap.to) != (from, to)) {
            self.by_service.insert(id, (from, to.map(|to| to.max(from))));
        }
    }

    /// All gaps that are remembered, by the service's clock, oldest first.
    pub(crate) fn by_service_clock(&self) -> impl Iterator<Item = ServiceGap<'_>> {
        self.gaps.iter().map(|gap| {
            let (from, to) = self.by_service.get(&gap.id).copied().unwrap_or((gap.from, gap.to));
            ServiceGap { gap, from, to }
        })
    }

    /// Open gaps, oldest first.
    pub(crate) fn open_gaps(&self) -> impl Iterator<Item = &Gap> {
        self.gaps.iter().filter(|gap| gap.to.is_none())
    }

    fn gap_mut(&mut self, id: u64) -> Option<&mut Gap> {
        self.gaps.iter_mut().find(|gap| gap.id == id)
    }

    /// Drops the oldest closed gaps; open ones stay, so that they can be closed.
    fn trim(&mut self) {
        while self.gaps.len() > KEPT_AT_MOST {
            let closed = self.gaps.iter().position(|gap| gap.to.is_some());
            if let Some(gap) = self.gaps.remove(closed.unwrap_or(0)) {
                self.by_service.remove(&gap.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::at;

    #[test]
    fn an_open_gap_of_the_same_topics_takes_in_another() {
        let mut gaps = GapLedger::default();
        let first = gaps.open(GapTopics::All, at(10), "socket closed (1006)");
        assert_eq!(first.changed.as_ref().map(|gap| gap.from), Some(at(10)));
        let same = gaps.open(GapTopics::All, at(12), "connect failed");
        assert_eq!((same.id, same.changed), (first.id, None));
        let earlier = gaps.open(GapTopics::All, at(8), "silence");
        assert_eq!(earlier.changed.map(|gap| gap.from), Some(at(8)));
        let other = gaps.open(GapTopics::Some(vec!["v2.a".into()]), at(9), "refused");
        assert_ne!(other.id, first.id);
        assert_eq!((gaps.total(), gaps.open_gaps().count()), (2, 2));
    }

    #[test]
    fn closed_once_then_repaired_once() {
        let mut gaps = GapLedger::default();
        let id = gaps.open(GapTopics::All, at(10), "x").id;
        assert_eq!(gaps.repaired(id), None, "still open");
        assert_eq!(gaps.close(id, at(20)).and_then(|gap| gap.to), Some(at(20)));
        assert_eq!(gaps.close(id, at(30)), None);
        assert_eq!(gaps.repaired(id).map(|gap| gap.repaired), Some(true));
        assert_eq!(gaps.repaired(id), None);
        assert_eq!(gaps.close(99, at(30)), None);
        let next = gaps.open(GapTopics::All, at(40), "y").id;
        assert_eq!(next, id + 1, "a closed gap takes in nothing");
        assert_eq!(
            gaps.close(next, at(39)).and_then(|gap| gap.to),
            Some(at(40)),
            "never ends before it began"
        );
    }

    #[test]
    fn the_last_hundred_are_shown_and_an_old_open_one_can_still_be_closed() {
        let mut gaps = GapLedger::default();
        let old = gaps.open(GapTopics::Some(vec!["v2.a".into()]), at(0), "refused").id;
        for n in 0..150 {
            let id = gaps.open(GapTopics::All, at(n), "x").id;
            gaps.close(id, at(n + 1));
        }
        assert_eq!((gaps.total(), gaps.last().len()), (151, 100));
        assert_eq!(gaps.last().first().map(|gap| gap.id), Some(old));
        assert_eq!(gaps.last().last().map(|gap| gap.id), Some(151));
        assert!(gaps.close(old, at(500)).is_some());
        assert_eq!(gaps.last().first().map(|gap| gap.id), Some(52));
        for n in 0..3_000 {
            let id = gaps.open(GapTopics::All, at(n), "x").id;
            gaps.close(id, at(n + 1));
        }
        assert_eq!((gaps.gaps.len(), gaps.last().len()), (KEPT_AT_MOST, 100));
    }
}
