//! Every state comes back as it was, and short ids are as good as the ids themselves.
//!
//! In: arbitrary facts of one conversation · Out: equal states · Thread: any (tests only).

use proptest::prelude::*;

use super::*;
use crate::event::facts::ConversationFacts;
use crate::event::facts::Purpose;
use crate::model::queue_numbers::QueueNumbers;
use crate::model::testing::centre::uuid;
use crate::model::testing::{at, communication, conversation, facts_of_one_conversation, participant};

fn packed_and_back(whole: &Layers, base: Moment) -> (Layers, Ids) {
    let mut writer = Writer::default();
    let ids = writer.write(&mut whole.clone(), base);
    let (back, rest) = read(whole.stream.id.clone(), (&writer.shape, &writer.content), ids, base);
    assert!(rest.is_empty());
    (back, ids)
}

/// With UUIDs in the place of other ids.
fn with_uuids(mut facts: ConversationFacts) -> ConversationFacts {
    let of = |id: &Id| {
        let seed = id.to_string().bytes().fold(7, |seed, byte| seed * 31 + u64::from(byte));
        uuid(&mut fastrand::Rng::with_seed(seed))
    };
    for p in &mut facts.participants {
        p.id = of(&p.id);
        p.communications.iter_mut().for_each(|c| c.id = of(&c.id));
    }
    facts
}

proptest! {
    #[test]
    fn every_state_comes_back(
        stream in proptest::collection::vec(facts_of_one_conversation(), 1..4),
        rest in proptest::collection::vec(facts_of_one_conversation(), 0..3),
        has_uuids in any::<bool>(),
        base in -20_i64..20,
    ) {
        let change = |facts: &Vec<ConversationFacts>| -> Vec<_> {
            let facts = facts.iter().cloned();
            facts.map(|facts| if has_uuids { with_uuids(facts) } else { facts }).collect()
        };
        let (stream, rest) = (change(&stream), change(&rest));
        let mut queues = QueueNumbers::default();
        let mut state = |all: &[ConversationFacts]| {
            let mut state = State::nothing_of(Id::new("c"));
            for facts in all {
                state.join(facts, &mut queues, &mut 0);
            }
            state
        };
        let whole = Layers {
            stream: state(&stream),
            rest: (!rest.is_empty()).then(|| Box::new(state(&rest))),
        };
        let (mut back, ids) = packed_and_back(&whole, at(base));
        prop_assert_eq!(back.stream.newest(), whole.stream.newest());
        prop_assert_eq!(has_short_ids(&back.stream), ids == Ids::Short && !back.stream.participants.is_empty());
        // Packed again before its ids are told.
        let (again, _) = packed_and_back(&back, at(0));
        prop_assert_eq!(again.stream.facts(&queues), back.stream.facts(&queues));
        for facts in stream.iter().chain(&rest) {
            learn_ids(&mut back.stream, facts);
            if let Some(rest) = &mut back.rest {
                learn_ids(rest, facts);
            }
        }
        prop_assert_eq!(has_short_ids(&back.stream), false);
        prop_assert_eq!(back.stream.facts(&queues), whole.stream.facts(&queues));
        let of_rest = |layers: &Layers| layers.rest.as_ref().map(|rest| rest.facts(&queues));
        prop_assert_eq!(of_rest(&back), of_rest(&whole));
    }
}

fn whole_of(ids: &[&str]) -> Layers {
    let told = |id: &&str| {
        let mut p = participant(id, Purpose::Agent);
        p.communications.push(communication(id, MediaKind::Voice));
        p
    };
    let facts = conversation(ids.iter().map(told).collect());
    Layers {
        stream: State::of(&facts, &mut QueueNumbers::default()),
        rest: None,
    }
}

#[test]
fn ids_are_short_if_they_begin_differently() {
    const A: &str = "509f5a7f-cb31-4a43-ac00-8041a8ba3690";
    const B: &str = "609f5a7f-cb31-4a43-ac00-8041a8ba3690";
    const LIKE_A: &str = "509f5a7f-cb31-4a43-ac00-8041a8ba3691";
    let form = |ids: &[&str]| packed_and_back(&whole_of(ids), at(0)).1;
    assert_eq!(form(&[A, B]), Ids::Short);
    assert_eq!(form(&[A, LIKE_A]), Ids::Whole);
    assert_eq!(form(&[A, "p"]), Ids::Whole);
}

#[test]
fn short_ids_keep_their_order_and_an_alike_id_is_another() {
    let ids: Vec<Id> = [
        "00000000-0000-4000-8000-000000000001",
        "3fffffff-0000-4000-8000-000000000000",
        "40000000-0000-4000-8000-000000000000",
        "ffff0000-0000-4000-8000-000000000000",
    ]
    .iter()
    .map(|id| Id::new(id))
    .collect();
    let texts: Vec<String> = ids.iter().map(Id::to_string).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let (back, form) = packed_and_back(&whole_of(&texts), at(0));
    assert_eq!(form, Ids::Short);
    let short: Vec<Id> = back.stream.participants.iter().map(|row| row.id.clone()).collect();
    assert!(short.is_sorted());
    for (n, id) in ids.iter().enumerate() {
        for (m, short) in short.iter().enumerate() {
            assert_eq!(stands_for(short, id), n == m);
            assert_eq!(
                n.cmp(&m),
                if n == m {
                    std::cmp::Ordering::Equal
                } else {
                    id.cmp(short)
                }
            );
        }
    }
    let alike = Id::new("00000000-0000-4000-8000-000000000002");
    assert!(!stands_for(&short[0], &alike));
}
