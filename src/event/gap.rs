//! A gap: an interval in which topics were not provably covered.
//!
//! In: the ledger of gaps · Out: records, snapshots, audit entries · Thread: any (plain data).

use serde::{Deserialize, Serialize};

use crate::Moment;

/// Which topics a gap is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GapTopics {
    /// Every topic; `"all"` in JSON.
    All,
    /// These; a list in JSON.
    #[serde(untagged)]
    Some(Vec<String>),
}

/// An interval in which topics were not provably covered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Gap {
    /// 1 for the first gap of a run.
    pub id: u64,
    /// The topics that were not covered.
    pub topics: GapTopics,
    /// When the last frame of any kind before it was received.
    pub from: Moment,
    /// When the subscription was confirmed again; `None` while it is open.
    pub to: Option<Moment>,
    /// Why it began.
    pub cause: String,
    /// Whether REST filled it in completely.
    pub repaired: bool,
}
