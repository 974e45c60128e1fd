//! Facts that nobody needs any more, kept for their memory.
//!
//! In: facts of events that are done · Out: the same, to be filled again · Thread: any (one owner at a time).
//!
//! Without this each event allocates and frees its facts, a hundred of a kind one after the other, which costs the allocator
//! more than the decoder needs for a small event.

use super::facts::{Facts, MetricFacts, ObservationFacts};
use super::update::ConversationUpdate;

/// Facts of a kind that are kept at most: those of conversations and metrics take about a kilobyte each, statistics more.
const AT_MOST: usize = 256;
const STATISTICS_AT_MOST: usize = 64;
/// Metrics with a longer name are not kept.
const NAME_AT_MOST: usize = 32;
/// Facts with more rows are not kept: a few large ones must not make all of them large.
const ROWS_AT_MOST: usize = 32;

/// What a decoder fills next: at most one of each kind.
#[derive(Debug, Default)]
pub struct Spare {
    pub(crate) conversation: Option<Box<ConversationUpdate>>,
    pub(crate) statistics: Option<Box<ObservationFacts>>,
    pub(crate) metrics: Option<Box<MetricFacts>>,
}

/// Facts that are kept, by kind.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "the boxes themselves are used again")]
pub(crate) struct Spares {
    conversations: Vec<Box<ConversationUpdate>>,
    statistics: Vec<Box<ObservationFacts>>,
    metrics: Vec<Box<MetricFacts>>,
}

impl Spares {
    /// Keeps facts if their memory is worth it.
    pub(crate) fn keep(&mut self, facts: Facts) {
        match facts {
            Facts::ConversationUpdate(update)
                if self.conversations.len() < AT_MOST
                    && update.participants.capacity().max(update.communications.capacity()) <= ROWS_AT_MOST =>
            {
                self.conversations.push(update);
            }
            Facts::Observations(mut facts)
                if self.statistics.len() < STATISTICS_AT_MOST && facts.rows.capacity() <= ROWS_AT_MOST =>
            {
                facts.rows.clear();
                self.statistics.push(facts);
            }
            Facts::Metrics(facts)
                if self.metrics.len() < AT_MOST
                    && facts.values.capacity() <= ROWS_AT_MOST
                    && facts.values.iter().all(|(name, _)| name.len() <= NAME_AT_MOST) =>
            {
                self.metrics.push(facts);
            }
            _ => {}
        }
    }

    /// Gives one of each kind that is missing.
    pub(crate) fn fill(&mut self, spare: &mut Spare) {
        if spare.conversation.is_none() {
            spare.conversation = self.conversations.pop();
        }
        if spare.statistics.is_none() {
            spare.statistics = self.statistics.pop();
        }
        if spare.metrics.is_none() {
            spare.metrics = self.metrics.pop();
        }
    }
}
