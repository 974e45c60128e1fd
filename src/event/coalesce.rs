//! Merges events of the same entity while they wait in the buffer.
//!
//! In: two events of one entity · Out: one event with the facts of both · Thread: any (pure; the buffer calls it).

use crate::base::limits::ROWS;
use crate::event::facts::{Facts, MetricFacts, ObservationFacts, UserFacts};
use crate::event::stats::Name;
use crate::event::{Event, EventKind};
use crate::{Id, Moment};

/// Two events with the same key may be merged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EntityKey {
    kind: EventKind,
    id: Id,
    /// Metric type of the `metrics` protocol.
    part: Option<Name>,
}

/// The entity of an event; `None` if it must not be merged (a conversation without an id, an unknown topic).
pub(crate) fn entity_key(event: &Event) -> Option<EntityKey> {
    let (id, part) = match &event.facts {
        Facts::ConversationUpdate(update) => (update.id.clone(), None),
        Facts::Conversation(facts) => (facts.id.clone(), None),
        Facts::Observations(facts) => (facts.queue.clone(), None),
        Facts::User(facts) => (facts.user.clone(), None),
        Facts::ConversationState(facts) => (facts.conversation.clone()?, None),
        Facts::QueueStatistics(facts) => (facts.queue.clone(), None),
        // By entity, so that a value of one queue does not replace that of another.
        Facts::Metrics(facts) => (
            facts.entity.clone().unwrap_or_else(|| Id::new("")),
            Some(facts.metric_type.clone()),
        ),
        Facts::None => return None,
    };
    Some(EntityKey {
        kind: event.kind,
        id,
        part,
    })
}

/// Whether the merged event would still be one that is read in one piece: a list that grows with every event would make each
/// merge slower than the one before.
pub(crate) fn fits(waiting: &Event, newer: &Event) -> bool {
    match (&waiting.facts, &newer.facts) {
        (Facts::Observations(ours), Facts::Observations(theirs)) => ours.rows.len() + theirs.rows.len() <= ROWS,
        (Facts::Metrics(ours), Facts::Metrics(theirs)) => ours.values.len() + theirs.values.len() <= ROWS,
        _ => true,
    }
}

/// Merges `newer` into `waiting`, which then holds the facts of both and the body of the newer one.
///
/// Both must have the same [`entity_key`].
pub(crate) fn merge(waiting: &mut Event, newer: Event) {
    let mut newer = newer;
    let facts = std::mem::replace(&mut newer.facts, Facts::None);
    if let Facts::ConversationUpdate(update) = &waiting.facts {
        waiting.facts = Facts::Conversation(Box::new(update.facts()));
    }
    let mut left_out = 0;
    match (&mut waiting.facts, facts) {
        (Facts::Conversation(ours), Facts::ConversationUpdate(theirs)) => left_out = ours.join(&theirs.facts()),
        (Facts::Conversation(ours), Facts::Conversation(theirs)) => left_out = ours.join(&theirs),
        (Facts::Observations(ours), Facts::Observations(theirs)) => merge_observations(ours, *theirs),
        (Facts::User(ours), Facts::User(theirs)) => merge_user(ours, *theirs),
        (Facts::ConversationState(ours), Facts::ConversationState(theirs)) => {
            if theirs.active.is_some() && not_older(theirs.at, ours.at) {
                *ours = theirs;
            }
        }
        (Facts::QueueStatistics(ours), Facts::QueueStatistics(theirs)) => {
            if theirs.average_wait_secs.is_some() && not_older(theirs.at, ours.at) {
                *ours = theirs;
            }
        }
        (Facts::Metrics(ours), Facts::Metrics(theirs)) => merge_metrics(ours, *theirs),
        (ours, theirs) => *ours = theirs,
    }
    let facts = std::mem::replace(&mut waiting.facts, Facts::None);
    let event_time = waiting.event_time.max(newer.event_time);
    let unreadable = waiting.unreadable.saturating_add(newer.unreadable);
    let unreadable = unreadable.saturating_add(left_out);
    *waiting = Event {
        facts,
        event_time,
        unreadable,
        // The merged event repeats neither of the two.
        fingerprint: 0,
        ..newer
    };
}

/// Whether a fact of the time `new` may replace one of the time `old`. If one has no time, the order of arrival decides.
fn not_older(new: Option<Moment>, old: Option<Moment>) -> bool {
    match (new, old) {
        (Some(new), Some(old)) => new >= old,
        _ => true,
    }
}

fn merge_observations(ours: &mut ObservationFacts, theirs: ObservationFacts) {
    for row in theirs.rows {
        let same = ours.rows.iter_mut().find(|old| {
            old.media == row.media
                && old.interval == row.interval
                && old.metric == row.metric
                && old.qualifier == row.qualifier
        });
        match same {
            Some(old) => *old = row,
            None => ours.rows.push(row),
        }
    }
}

fn merge_user(ours: &mut UserFacts, theirs: UserFacts) {
    for (old, new) in [
        (&mut ours.presence, theirs.presence),
        (&mut ours.routing_status, theirs.routing_status),
    ] {
        let Some(new) = new else { continue };
        if old.as_ref().is_none_or(|old| not_older(new.1, old.1)) {
            *old = Some(new);
        }
    }
}

fn merge_metrics(ours: &mut MetricFacts, theirs: MetricFacts) {
    let newer = not_older(theirs.at, ours.at);
    for (name, value) in theirs.values {
        match ours.values.iter_mut().find(|(old, _)| *old == name) {
            Some(old) if newer => old.1 = value,
            Some(_) => {}
            None => ours.values.push((name, value)),
        }
    }
    if newer {
        ours.at = theirs.at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::facts::{ConversationFacts, MediaKind};
    use crate::event::update::{CommunicationUpdate, ConversationUpdate, ParticipantUpdate};
    use crate::model::testing::{at, event};

    fn update(secs: i64, participants: &[&str]) -> ConversationUpdate {
        let mut update = ConversationUpdate::nothing_of(Id::new("c"));
        update.at = at(secs);
        for id in participants {
            update.participants.push(ParticipantUpdate {
                connected: Some(at(secs)),
                communications: 1,
                ..ParticipantUpdate::nothing_of(Id::new(id))
            });
            update
                .communications
                .push(CommunicationUpdate::nothing_of(MediaKind::Voice, Id::new(id)));
        }
        update
    }

    #[test]
    fn updates_of_a_conversation_become_the_join_of_their_facts() {
        let updates = [update(1, &["a"]), update(3, &["a", "b"]), update(2, &["c"])];
        let mut events = updates
            .clone()
            .map(|update| {
                event(
                    EventKind::QueueConversation,
                    Facts::ConversationUpdate(Box::new(update)),
                    at(4),
                )
            })
            .into_iter();
        let mut merged = events.next().unwrap();
        for newer in events {
            assert_eq!(entity_key(&merged), entity_key(&newer));
            merge(&mut merged, newer);
        }
        let mut joined = ConversationFacts::nothing_of(Id::new("c"));
        for update in &updates {
            joined.join(&update.facts());
        }
        assert_eq!(merged.facts, Facts::Conversation(Box::new(joined)));
    }

    #[test]
    fn what_is_beyond_the_limits_of_a_conversation_is_counted() {
        let names = |from: usize, to: usize| Vec::from_iter((from..to).map(|n| format!("p{n}")));
        let told = |names: &[String]| {
            let names = Vec::from_iter(names.iter().map(String::as_str));
            let facts = Facts::ConversationUpdate(Box::new(update(1, &names)));
            event(EventKind::QueueConversation, facts, at(4))
        };
        let mut merged = told(&names(0, 200));
        merge(&mut merged, told(&names(100, 250)));
        assert_eq!(merged.unreadable, 0);
        merge(&mut merged, told(&names(200, 300)));
        assert_eq!(merged.unreadable, 44, "256 are taken");
    }
}
