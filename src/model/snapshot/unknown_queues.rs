//! How many of the listed queues are unknown now, and why, in words.
//!
//! In: a snapshot · Out: counts, text · Thread: any (pure).

use std::collections::BTreeSet;
use std::fmt;

use super::{Snapshot, WhyUnknown};
use crate::base::inserted::Inserted as _;

/// The listed queues whose live numbers are not known now; at least one. As text: `2 of 6 queues unknown (gap)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnknownQueues<'a> {
    count: usize,
    listed: usize,
    reasons: BTreeSet<&'a WhyUnknown>,
}

impl<'a> UnknownQueues<'a> {
    /// `None` where all listed queues are known.
    pub(crate) fn of(snapshot: &'a Snapshot) -> Option<Self> {
        let unknown = || snapshot.queues.values().filter_map(|queue| queue.unknown.as_ref());
        let count = unknown().count();
        (count > 0).then(|| Self {
            count,
            listed: snapshot.queues.len(),
            reasons: unknown().inserted(),
        })
    }

    /// Whether no listed queue is known.
    pub(crate) fn are_all(&self) -> bool {
        self.count == self.listed
    }
}

impl fmt::Display for UnknownQueues<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.are_all(), self.listed) {
            (true, 1) => f.write_str("the queue is unknown")?,
            (true, listed) => write!(f, "all {listed} queues unknown")?,
            (false, listed) => write!(f, "{} of {listed} queues unknown", self.count)?,
        }
        let reasons: Vec<String> = self.reasons.iter().map(ToString::to_string).collect();
        write!(f, " ({})", reasons.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Id;
    use crate::model::snapshot::QueueSnapshot;
    use crate::model::testing::snapshot_of_everything;

    fn said(reasons: &[Option<WhyUnknown>]) -> Option<String> {
        let mut snapshot = snapshot_of_everything();
        snapshot.queues.clear();
        for (n, unknown) in reasons.iter().enumerate() {
            let queue = QueueSnapshot {
                unknown: unknown.clone(),
                ..QueueSnapshot::default()
            };
            snapshot.queues.insert(Id::new(&format!("q{n}")), queue);
        }
        UnknownQueues::of(&snapshot).map(|unknown| unknown.to_string())
    }

    #[test]
    fn counts_and_reasons_in_words() {
        let refused = || Some(WhyUnknown::Refused("p".to_owned()));
        let gap = || Some(WhyUnknown::Gap);
        assert_eq!(said(&[]), None);
        assert_eq!(said(&[None, None]), None);
        assert_eq!(said(&[gap()]).unwrap(), "the queue is unknown (gap)");
        assert_eq!(said(&[gap(), gap()]).unwrap(), "all 2 queues unknown (gap)");
        assert_eq!(
            said(&[gap(), None, refused(), gap()]).unwrap(),
            "3 of 4 queues unknown (refused: p; gap)"
        );
    }
}
