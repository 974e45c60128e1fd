//! The state is the plain join in another layout.
//!
//! In: arbitrary facts of one conversation · Out: equal joins · Thread: any (tests only).

use proptest::prelude::*;

use super::*;
use crate::event::facts::Purpose;
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

proptest! {
    #[test]
    fn equals_the_plain_join(parts in proptest::collection::vec(facts_of_one_conversation(), 1..6)) {
        let parts: Vec<_> = parts.iter().map(kept).collect();
        let mut queues = QueueNumbers::default();
        let mut plain = ConversationFacts::nothing_of(parts[0].id.clone());
        let mut state = State::nothing_of(parts[0].id.clone());
        for part in &parts {
            let changed = plain.join_from(part);
            prop_assert_eq!(state.join(part, &mut queues) > Changed::Nothing, changed);
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
        if joined.join(&kept(&b), &mut queues) == Changed::Stamps {
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
    assert_eq!(state.join(&told(1, Purpose::Agent), &mut queues), Changed::Nothing);
    assert_eq!(state.join(&told(2, Purpose::Agent), &mut queues), Changed::Stamps);
    assert_eq!(state.join(&told(3, Purpose::Acd), &mut queues), Changed::Values);
    assert_eq!(state.join(&told(2, Purpose::User), &mut queues), Changed::Nothing);
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
