//! What is packed comes out again, also where it took the place of another state.
//!
//! In: random facts · Out: verdicts · Thread: the test's.

use super::*;
use crate::event::facts::{CommunicationState, MediaKind, Purpose};
use crate::model::testing::{communication, facts_of_one_conversation, participant};
use proptest::prelude::*;

proptest! {
    #[test]
    fn what_is_packed_comes_out_again(facts in facts_of_one_conversation()) {
        prop_assert_eq!(Packed::new(&facts).unpack(), facts);
    }

    #[test]
    fn a_state_takes_the_place_of_another(
        states in proptest::collection::vec(facts_of_one_conversation(), 2..6),
    ) {
        let mut packed = Packed::new(&states[0]);
        for facts in &states {
            packed.replace(facts);
            prop_assert_eq!(&packed.unpack(), facts);
            let least = Packed::new(facts).heap_bytes();
            prop_assert!(packed.heap_bytes() <= least + ROOM_AT_MOST);
            prop_assert!(packed.is_of(&facts.id));
        }
    }

    #[test]
    fn any_moment_survives(ms in proptest::collection::vec(any::<i64>(), 0..200)) {
        let mut facts = ConversationFacts::nothing_of(Id::new("c"));
        for (n, ms) in ms.iter().enumerate() {
            let mut p = participant(&format!("p{n}"), Purpose::Agent);
            p.connected = Some(Moment::from_epoch_ms(*ms));
            facts.participants.push(p);
        }
        prop_assert_eq!(Packed::new(&facts).unpack(), facts);
    }
}

#[test]
fn every_value_of_every_enum_survives() {
    fn all<T: Coded>() -> Vec<T> {
        (0..=u8::MAX).filter_map(T::of_code).collect()
    }
    fn stamped<T: Coded>(values: &[T], n: usize, ms: i64) -> Option<Stamped<T>> {
        values.get(n).map(|value| Stamped {
            at: Moment::from_epoch_ms(ms),
            value: *value,
        })
    }
    let mut facts = ConversationFacts::nothing_of(Id::new("c"));
    for (n, purpose) in all().into_iter().enumerate() {
        facts.participants.push(participant(&format!("p{n}"), purpose));
    }
    assert_eq!(all::<CommunicationState>().len(), MediaKind::ALL.len());
    for (n, kind) in MediaKind::ALL.into_iter().enumerate() {
        let mut m = communication(&format!("m{n}"), kind);
        m.state = stamped(&all(), n, n as i64);
        m.acw_state = stamped(&all(), n, -1);
        m.disconnect = stamped(&all(), n, i64::MIN);
        facts.participants[0].communications.push(m);
    }
    assert_eq!(Packed::new(&facts).unpack(), facts);
}
