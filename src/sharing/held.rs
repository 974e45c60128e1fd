//! What holds of a reader now: the newest change of each kind, and its last gaps.
//!
//! In: what a run tells · Out: an `About` for those who come later · Thread: any (pure).

use std::collections::BTreeMap;

use super::entry::{About, Content, What};
use crate::event::change::Change;
use crate::event::gap::Gap;

/// Gaps that are told again.
const GAPS: usize = 100;

/// See the module.
pub(super) struct Held {
    run: String,
    share: String,
    /// By kind and line.
    changes: BTreeMap<(u8, usize), Change>,
    gaps: BTreeMap<u64, Gap>,
}

impl Held {
    pub(super) fn new(run: String, share: String) -> Self {
        Self {
            run,
            share,
            changes: BTreeMap::new(),
            gaps: BTreeMap::new(),
        }
    }

    /// Something is told.
    pub(super) fn note(&mut self, content: &Content) {
        match &content.what {
            What::Change(change) => {
                if let Some(key) = key(change) {
                    self.changes.insert(key, change.clone());
                }
            }
            What::Gap(gap) => {
                self.gaps.insert(gap.id, gap.clone());
                if self.gaps.len() > GAPS {
                    let oldest = self.gaps.values().find(|gap| gap.to.is_some()).map(|gap| gap.id);
                    oldest.map(|id| self.gaps.remove(&id));
                }
            }
            _ => {}
        }
    }

    /// All of it.
    pub(super) fn about(&self) -> About {
        About {
            run: self.run.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            share: self.share.clone(),
            changes: self.changes.values().cloned().collect(),
            gaps: self.gaps.values().cloned().collect(),
        }
    }
}

/// A change replaces the one before of the same key; `None` where it describes a moment. The order is that in which they
/// are told.
fn key(change: &Change) -> Option<(u8, usize)> {
    match change {
        Change::Queues(_) | Change::AnyQueue {} => Some((0, 0)),
        Change::Users(_) => Some((1, 0)),
        Change::Members(_) => Some((2, 0)),
        Change::Gone(_) => Some((3, 0)),
        Change::Covered { line, .. } => Some((4, *line)),
        Change::Refused { line, .. } => Some((5, *line)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Moment;
    use crate::event::gap::GapTopics;

    #[test]
    fn the_newest_of_each_kind_holds() {
        let at = Moment::from_epoch_ms(1);
        let mut held = Held::new("r".to_owned(), "1/1".to_owned());
        let covered = |line, topic: &str| Change::Covered {
            line,
            topics: vec![topic.to_owned()],
            since: at,
        };
        let told = [
            covered(0, "a"),
            covered(1, "b"),
            Change::AnyQueue {},
            covered(0, "c"),
            Change::CoveredFrom { at },
        ];
        for change in told {
            held.note(&Content {
                at,
                what: What::Change(change),
            });
        }
        for id in 1..=150 {
            let to = (id != 1).then_some(at);
            let gap = Gap {
                id,
                topics: GapTopics::All,
                from: at,
                to,
                cause: String::new(),
                repaired: false,
            };
            held.note(&Content {
                at,
                what: What::Gap(gap),
            });
        }
        let about = held.about();
        assert_eq!(about.changes, [Change::AnyQueue {}, covered(0, "c"), covered(1, "b")]);
        let ids: Vec<u64> = about.gaps.iter().map(|gap| gap.id).collect();
        assert_eq!((ids.len(), ids[0], ids[1], ids[99]), (100, 1, 52, 150));
    }
}
