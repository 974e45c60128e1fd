//! The state is the plain join in another layout.
//!
//! In: arbitrary facts of one conversation · Out: equal joins · Thread: any (tests only).

use proptest::prelude::*;

use super::*;
use crate::event::facts::Purpose;
use crate::event::update::{CommunicationUpdate, ConversationUpdate, ParticipantUpdate};
use crate::model::testing::{at, conversation, facts_of_one_conversation, outcome, participant};

/// Without what a state leaves out: users, and pairs of after-call work without a time.
fn kept(facts: &ConversationFacts) -> ConversationFacts {
    let mut kept = facts.clone();
    for p in &mut kept.participants {
        p.user = None;
        p.after_call_work
            .retain(|work| work.started.is_some() || work.ended.is_some());
    }
    kept
}

/// What an event could say that shows some of these facts.
fn update(facts: &ConversationFacts) -> ConversationUpdate {
    let mut update = ConversationUpdate::nothing_of(facts.id.clone());
    update.at = facts.newest().unwrap_or(update.at);
    for p in &facts.participants {
        let value = |flag: &Option<Stamped<std::cmp::Reverse<bool>>>| flag.map(|flag| flag.value.0);
        update.participants.push(ParticipantUpdate {
            connected: p.connected,
            ended: p.ended,
            work: p.after_call_work.first().copied().unwrap_or_default(),
            wrapup_ended: p.wrapups.timed.first().copied(),
            wrapup_coded: !p.wrapups.is_empty(),
            queue: p.queue.as_ref().map(|queue| queue.value.clone()),
            communications: u32::try_from(p.communications.len()).unwrap(),
            purpose: p.purpose.map(|purpose| purpose.value),
            wrapup_expected: value(&p.wrapup_expected),
            wrapup_required: value(&p.wrapup_required),
            listens_in: value(&p.listens_in) == Some(true),
            ..ParticipantUpdate::nothing_of(p.id.clone())
        });
        let rows = p.communications.iter().map(|c| CommunicationUpdate {
            connected: c.connected,
            disconnected: c.disconnected,
            hold_started: c.hold_started,
            acw_started: c.acw_started,
            acw_ended: c.acw_ended,
            state: c.state.map(|state| state.value),
            disconnect: c.disconnect.map(|disconnect| disconnect.value),
            acw_required: value(&c.acw_required),
            acw_state: c.acw_state.map(|state| state.value),
            wrapup_coded: c.wrapup_coded,
            ..CommunicationUpdate::nothing_of(c.kind, c.id.clone())
        });
        update.communications.extend(rows);
    }
    update
}

proptest! {
    #[test]
    fn an_update_is_joined_like_its_facts(parts in proptest::collection::vec(facts_of_one_conversation(), 1..6)) {
        let mut queues = QueueNumbers::default();
        let (mut by_update, mut by_facts) = (
            State::nothing_of(parts[0].id.clone()),
            State::nothing_of(parts[0].id.clone()),
        );
        for part in &parts {
            let update = update(part);
            prop_assert_eq!(update.newest(), update.facts().newest());
            prop_assert_eq!(by_update.join(&update, &mut queues, &mut 0), by_facts.join(&update.facts(), &mut queues, &mut 0));
            prop_assert_eq!(by_update.facts(&queues), by_facts.facts(&queues));
        }
    }

    #[test]
    fn equals_the_plain_join(parts in proptest::collection::vec(facts_of_one_conversation(), 1..6)) {
        let parts: Vec<_> = parts.iter().map(kept).collect();
        let mut queues = QueueNumbers::default();
        let mut plain = ConversationFacts::nothing_of(parts[0].id.clone());
        let mut state = State::nothing_of(parts[0].id.clone());
        for part in &parts {
            let changed = plain.join_from(part);
            prop_assert_eq!(state.join(part, &mut queues, &mut 0) > Changed::Nothing, changed);
            prop_assert_eq!(state.facts(&queues), plain.clone());
            prop_assert_eq!(state.newest(), plain.newest());
        }
        let again = State::of(&plain, &mut queues);
        prop_assert_eq!(again.facts(&queues), plain);
    }

    #[test]
    fn stamps_alone_change_no_number(
        a in facts_of_one_conversation(),
        b in facts_of_one_conversation(),
        as_of in 0_i64..20,
    ) {
        let (mut queues, before) = (QueueNumbers::default(), kept(&a));
        let mut joined = State::of(&before, &mut queues);
        if joined.join(&kept(&b), &mut queues, &mut 0) == Changed::Stamps {
            prop_assert_eq!(outcome(&before, at(as_of)), outcome(&joined.facts(&queues), at(as_of)));
        }
    }
}

#[test]
fn newer_stamps_of_equal_values_are_told_from_new_values() {
    let mut queues = QueueNumbers::default();
    let told = |secs, purpose| {
        let mut p = participant("p", purpose);
        p.purpose = Some(Stamped {
            at: at(secs),
            value: purpose,
        });
        conversation(vec![p])
    };
    let mut state = State::of(&told(1, Purpose::Agent), &mut queues);
    assert_eq!(
        state.join(&told(1, Purpose::Agent), &mut queues, &mut 0),
        Changed::Nothing
    );
    assert_eq!(
        state.join(&told(2, Purpose::Agent), &mut queues, &mut 0),
        Changed::Stamps
    );
    assert_eq!(state.join(&told(3, Purpose::Acd), &mut queues, &mut 0), Changed::Values);
    assert_eq!(
        state.join(&told(2, Purpose::User), &mut queues, &mut 0),
        Changed::Nothing
    );
}

#[test]
fn a_row_has_about_a_hundred_bytes() {
    assert!(size_of::<ParticipantRow>() <= 104, "{}", size_of::<ParticipantRow>());
    assert!(
        size_of::<CommunicationRow>() <= 112,
        "{}",
        size_of::<CommunicationRow>()
    );
}
