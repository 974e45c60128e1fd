//! Which open conversations REST does not know, and how often in a row.
//!
//! In: what REST was asked for and what it showed · Out: those that are lost · Thread: any (pure).

use std::collections::{HashMap, HashSet};

use crate::Id;

/// A conversation that REST does not know so often in a row is lost (docs/gaps.md).
const LOST_AFTER: u32 = 3;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Unknown(HashMap<Id, u32>);

impl Unknown {
    /// REST answered for these conversations, and did not know those among `unknown`. Returns those that are lost now.
    pub(super) fn answered(&mut self, asked: &[Id], unknown: &HashSet<Id>) -> Vec<Id> {
        let mut lost = Vec::new();
        for id in asked {
            if !unknown.contains(id) {
                self.0.remove(id);
                continue;
            }
            let times = self.0.entry(id.clone()).or_default();
            *times += 1;
            if *times >= LOST_AFTER {
                self.0.remove(id);
                lost.push(id.clone());
            }
        }
        lost
    }

    /// Only these are still open without news: the others were heard of.
    pub(super) fn retain(&mut self, idle: &HashSet<Id>) {
        self.0.retain(|id, _| idle.contains(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_times_in_a_row() {
        let (a, b) = (Id::new("a"), Id::new("b"));
        let both = [a.clone(), b.clone()];
        let only = |id: &Id| HashSet::from([id.clone()]);
        let neither = HashSet::from_iter(both.clone());
        let mut unknown = Unknown::default();
        assert!(unknown.answered(&both, &neither).is_empty());
        assert!(unknown.answered(&both, &neither).is_empty());
        assert_eq!(
            unknown.answered(&both, &only(&a)),
            std::slice::from_ref(&a),
            "the other was shown"
        );
        assert!(unknown.answered(&both, &neither).is_empty(), "it begins anew");
        unknown.answered(&both, &neither);
        unknown.retain(&only(&b));
        assert_eq!(unknown.answered(&both, &neither), [b]);
    }
}
