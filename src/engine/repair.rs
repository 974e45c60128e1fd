//! What the aggregator and the repair say to each other.
//!
//! In: answers of REST, questions about the model · Out: facts in the model, answers, closed gaps to be repaired ·
//! Thread: the aggregator's.

use crossbeam_channel::Sender;
use serde_json::Value;

use super::Aggregator;
use crate::event::facts::{ConversationFacts, Facts};
use crate::{Id, Moment};

/// Something that REST has to fill in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repair {
    /// The stream is on, for the first time or with new queues: who waits and talks already.
    Start { at: Moment },
    /// This gap is closed. It began at `from`, by the service's clock at `since` or later.
    Gap { id: u64, from: Moment, since: Moment },
}

/// One conversation as REST showed it.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) facts: ConversationFacts,
    /// It enters the numbers even if the model knows nothing of it.
    pub(crate) enters: bool,
    /// As it came, where that is recorded.
    pub(crate) raw: Option<Value>,
}

/// Messages of the repair; who asks may have gone on without the answer.
#[derive(Debug)]
pub(crate) enum FromRepair {
    /// Facts of REST; answered when they are applied, so that no more than one page waits.
    Conversations { shown: Vec<Shown>, done: Sender<()> },
    /// Wants the conversations that are not finished.
    Open(Sender<Vec<Id>>),
    /// Wants open conversations of which nothing came since `before`, the longest idle first.
    Idle {
        before: Moment,
        at_most: usize,
        answer: Sender<Vec<Id>>,
    },
    /// Wants the local midnight before `at`, where totals count since then.
    DayStart { at: Moment, answer: Sender<Option<Moment>> },
    /// REST gave everything since then.
    CoveredFrom(Moment),
    /// One complete pass over these gaps succeeded.
    Repaired(Vec<u64>),
}

impl Aggregator {
    pub(super) fn on_repair(&mut self, message: FromRepair) {
        match message {
            FromRepair::Conversations { shown, done } => {
                let now = self.now();
                let mut recorded = Vec::new();
                for Shown { facts, enters, raw } in shown {
                    if enters || self.model.conversations().remembers(&facts.id) {
                        recorded.extend(raw);
                        self.model.apply_rest(&Facts::Conversation(Box::new(facts)), now);
                    }
                }
                self.record_conversations(recorded, now);
                let _ = done.send(());
            }
            FromRepair::Open(answer) => {
                let _ = answer.send(self.model.conversations().open().collect());
            }
            FromRepair::Idle {
                before,
                at_most,
                answer,
            } => {
                let _ = answer.send(self.model.conversations().idle_since(before, at_most));
            }
            FromRepair::DayStart { at, answer } => {
                let _ = answer.send(self.model.day_start(at));
            }
            FromRepair::CoveredFrom(at) => self.model.set_covered_from(at),
            FromRepair::Repaired(gaps) => {
                for id in gaps {
                    let repaired = self.model.gaps_mut().repaired(id);
                    if let Some(gap) = &repaired {
                        log::info!("gap {id} is repaired: {} to {}", gap.from, gap.to.unwrap_or(gap.from));
                    }
                    self.tell_gap(repaired);
                }
                let snapshot = self.snapshot();
                self.outputs.offer(&super::Item::Snapshot(snapshot));
            }
        }
    }
}
