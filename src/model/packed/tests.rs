//! What is packed comes out again, also where it took the place of another state.
//!
//! In: random facts · Out: verdicts · Thread: the test's.

use super::*;
use crate::model::testing::{facts_of_one_conversation, participant};
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
    let mut facts = ConversationFacts::nothing_of(Id::new("c"));
    let stamped = |n| Moment::from_epoch_ms(n);
    for (n, purpose) in PURPOSES.into_iter().enumerate() {
        facts.participants.push(participant(&format!("p{n}"), purpose));
    }
    for (n, value) in STATES.into_iter().enumerate() {
        let mut m = crate::model::testing::medium(&format!("m{n}"), MediaKind::ALL[n]);
        m.state = Some(Stamped {
            at: stamped(n as i64),
            value,
        });
        m.acw_state = ACW_STATES.get(n).map(|value| Stamped {
            at: stamped(-1),
            value: *value,
        });
        m.disconnect = DISCONNECTS.get(n).map(|value| Stamped {
            at: stamped(i64::MIN),
            value: *value,
        });
        facts.participants[0].media.push(m);
    }
    assert_eq!(Packed::new(&facts).unpack(), facts);
}
