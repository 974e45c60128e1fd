//! Any order and any repetition of the same events give the same live numbers; memory stays within its bounds.
//!
//! In: random histories · Out: asserted numbers · Thread: any (tests only).

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::room::SLOT_BYTES;
use super::*;
use crate::event::facts::{Communication, CommunicationState, Purpose, Stamped};
use crate::model::counts::{LiveSums, Numbers};
use crate::model::testing::centre::{History, moment, uuid};
use crate::model::testing::{
    at, communication, conversation as conversation_of, participant, stamped, state, store, visit, work,
};

mod ends;
mod memory;
mod packing;
mod time;

const TWO_HOURS: Duration = Duration::from_secs(7200);

fn queues(rng: &mut fastrand::Rng) -> Vec<Id> {
    (0..3).map(|_| uuid(rng)).collect()
}

/// What holds now, the longest wait, what happened.
type OfMedium = (LiveSums, Option<f64>, Numbers);

/// Everything that the snapshot would show: active conversations, all queues, each queue by medium.
fn numbers(store: &Conversations, queues: &[Id], as_of: Moment) -> (u64, LiveSums, Vec<BTreeMap<MediaKind, OfMedium>>) {
    let of = |queue| {
        let mut media: BTreeMap<MediaKind, OfMedium> = BTreeMap::new();
        for (kind, live) in store.live_of(queue).iter().flat_map(|live| live.media()) {
            media.insert(kind, (live.sums, live.longest_wait_secs(as_of), Numbers::default()));
        }
        if let Some(totals) = store.totals_of(queue) {
            for kind in MediaKind::ALL {
                if let Some(sums) = totals.total(kind, 0, 20_000) {
                    media.entry(kind).or_default().2 = Numbers {
                        // Approximate: it depends on when the end of a hold is told.
                        hold_secs: 0.0,
                        ..sums.numbers()
                    };
                }
            }
        }
        media
    };
    let live = store.live();
    (
        live.active(),
        store.live_sums(|_| true),
        queues.iter().map(of).collect(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn order_and_repetition_do_not_matter(seed in any::<u64>(), cut in 0.05_f64..1.0) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let queues = queues(&mut rng);
        let mut told = Vec::new();
        for _ in 0..rng.usize(1..8) {
            let start = rng.i64(0..120);
            let history = History::random(&mut rng, &queues, start);
            let events = history.told(&mut rng);
            let upto = ((events.len() as f64 * cut).ceil() as usize).max(1);
            told.extend(events.into_iter().take(upto));
        }
        let now = moment(2_000_000);
        let mut in_order = store(TWO_HOURS, 1000);
        for facts in &told {
            in_order.apply(facts, now);
        }
        let again = rng.usize(0..told.len());
        let mut shuffled: Vec<_> = told.iter().chain(told.iter().take(again)).collect();
        rng.shuffle(&mut shuffled);
        let mut out_of_order = store(TWO_HOURS, 1000);
        for facts in shuffled {
            out_of_order.apply(facts, now);
        }
        prop_assert_eq!(numbers(&in_order, &queues, now), numbers(&out_of_order, &queues, now));
    }

    #[test]
    fn contradictory_facts_leave_no_trace_when_forgotten(
        parts in proptest::collection::vec(crate::model::testing::facts_of_one_conversation(), 1..12),
    ) {
        let mut store = crate::model::testing::store(TWO_HOURS, 1);
        for (n, mut facts) in (0..).zip(parts) {
            facts.id = Id::new(&format!("c{}", n % 3));
            store.apply(&facts, at(10));
        }
        // The single place goes to a conversation that adds nothing.
        let mut nobody = ConversationFacts::nothing_of(Id::new("nobody"));
        nobody.participants.push(participant("x", Purpose::Other));
        store.apply(&nobody, at(10));
        prop_assert_eq!(store.len(), 1);
        prop_assert_eq!((store.live().active(), store.live_sums(|_| true)), (0, LiveSums::default()));
    }
}

#[test]
fn a_history_is_followed_from_waiting_to_its_end() {
    let mut store = crate::model::testing::store(TWO_HOURS, 10);
    store.apply(&visit("c", "Q", None), at(6));
    store.apply(&visit("c", "Q", None), at(7));
    let (active, live, q) = numbers(&store, &[Id::new("Q")], at(9));
    assert_eq!((active, live.waiting), (1, 1));
    assert_eq!(q[0][&MediaKind::Voice].1, Some(4.0));
    store.apply(&visit("c", "Q", Some(20)), at(20));
    let (active, live, q) = numbers(&store, &[Id::new("Q")], at(21));
    assert_eq!((active, live.waiting), (0, 0));
    assert_eq!(q[0][&MediaKind::Voice].0.waiting, 0, "its medium is still shown");
    store.apply(&visit("c", "Q", None), at(22));
    assert_eq!(
        numbers(&store, &[Id::new("Q")], at(22)).1.waiting,
        0,
        "an older event undoes nothing"
    );
}

#[test]
fn a_conversation_in_two_queues_is_active_once() {
    let mut store = crate::model::testing::store(TWO_HOURS, 10);
    let mut facts = visit("c", "Q", None);
    let mut second = facts.participants[1].clone();
    second.id = Id::new("acd2");
    second.queue = stamped(0, Id::new("R"));
    facts.participants.push(second);
    store.apply(&facts, at(6));
    assert_eq!((store.live().active(), store.live_sums(|_| true).waiting), (1, 2));
}

#[test]
fn a_finished_conversation_is_forgotten_after_its_retention_and_late_ones_do_not_come_back() {
    let mut store = crate::model::testing::store(Duration::from_secs(100), 10);
    store.apply(&visit("c", "Q", Some(20)), at(20));
    store.forget(at(120));
    assert_eq!(store.len(), 1, "its newest time is not before the horizon");
    assert_eq!(store.apply(&visit("c", "Q", Some(20)), at(120)), Taken::Joined);
    store.forget(at(121));
    assert_eq!(store.len(), 0);
    assert!(store.live_of(&Id::new("Q")).is_none());
    assert_eq!(store.apply(&visit("c", "Q", Some(20)), at(121)), Taken::Late);
    assert_eq!(store.len(), 0);
}

#[test]
fn an_open_conversation_is_not_forgotten_and_takes_old_facts() {
    let mut store = crate::model::testing::store(Duration::from_secs(100), 10);
    store.apply(&visit("c", "Q", None), at(6));
    store.forget(at(100_000));
    assert_eq!(store.len(), 1);
    assert_eq!(store.apply(&visit("c", "Q", Some(20)), at(100_000)), Taken::Joined);
    assert_eq!(store.live().active(), 0, "its end is believed, however late");
}

#[test]
fn running_after_call_work_keeps_a_conversation_and_its_recent_end_is_not_late() {
    let mut store = crate::model::testing::store(Duration::from_secs(100), 10);
    let mut facts = visit("c", "Q", Some(20));
    let mut agent = participant("agent", Purpose::Agent);
    agent.queue = stamped(0, Id::new("Q"));
    agent.connected = Some(at(10));
    agent.ended = Some(at(20));
    agent.after_call_work = vec![work(20, None)];
    facts.participants.push(agent);
    store.apply(&facts, at(20));
    store.forget(at(1000));
    assert_eq!(store.live_sums(|_| true).after_call_work, 1);
    facts.participants[2].after_call_work = vec![work(20, Some(990))];
    let mut fresh = crate::model::testing::store(Duration::from_secs(100), 10);
    assert_eq!(fresh.apply(&facts, at(1000)), Taken::Joined);
    store.apply(&facts, at(1000));
    store.forget(at(1091));
    assert!(store.is_empty());
}

#[test]
fn the_longest_idle_is_evicted_and_counted() {
    let mut store = crate::model::testing::store(TWO_HOURS, 2);
    store.apply(&visit("a", "Q", None), at(6));
    store.apply(&visit("b", "Q", None), at(7));
    store.apply(&visit("a", "Q", None), at(8));
    store.apply(&visit("c", "Q", None), at(9));
    assert_eq!((store.len(), store.evicted()), (2, 1));
    assert!(store.facts(&Id::new("b")).is_none());
    assert_eq!(store.live_sums(|_| true).waiting, 2);
    assert_eq!(store.idle_since(at(100), 9), [Id::new("a"), Id::new("c")]);
    assert_eq!(store.idle_since(at(9), 9), [Id::new("a")]);
    assert_eq!(store.idle_since(at(100), 1), [Id::new("a")]);
    for n in 0..50 {
        store.apply(&visit(&format!("n{n}"), "Q", None), at(10 + n));
    }
    assert_eq!((store.len(), store.evicted(), store.slots.slots()), (2, 51, 3));
}

#[test]
fn finished_ones_are_not_asked_for_again() {
    let mut store = crate::model::testing::store(TWO_HOURS, 5);
    store.apply(&visit("a", "Q", Some(9)), at(9));
    store.apply(&visit("b", "Q", None), at(10));
    assert_eq!(store.idle_since(at(100), 9), [Id::new("b")]);
}

#[test]
fn an_event_without_participants_is_neither_late_nor_remembered() {
    let mut store = crate::model::testing::store(TWO_HOURS, 5);
    let nothing = ConversationFacts::nothing_of(Id::new("c"));
    assert_eq!(store.apply(&nothing, at(9)), Taken::Joined);
    assert!(store.is_empty());
}

#[test]
fn one_conversation_cannot_fill_the_memory() {
    let mut store = crate::model::testing::store(TWO_HOURS, 5);
    for part in 0..3 {
        let mut facts = ConversationFacts::nothing_of(Id::new("c"));
        for n in 0..900 {
            facts
                .participants
                .push(participant(&format!("{part}-{n}"), Purpose::Other));
        }
        store.apply(&facts, at(9));
    }
    let held = store.facts(&Id::new("c")).map(|facts| facts.participants.len());
    assert_eq!(held, Some(256));
}

#[test]
fn an_open_conversation_of_five_participants_takes_less_than_1200_bytes() {
    let mut rng = fastrand::Rng::with_seed(7);
    let queues = queues(&mut rng);
    let (mut bytes, mut rows) = (0, 0);
    for _ in 0..500 {
        let history = History::random(&mut rng, &queues, 0);
        let mut whole: Option<ConversationFacts> = None;
        for facts in history.told(&mut rng) {
            match &mut whole {
                Some(whole) => drop(whole.join(&facts)),
                None => whole = Some(facts),
            }
        }
        let state = state(&whole.unwrap());
        rows += state.participants.len() + state.communications.len();
        bytes += state.heap_bytes();
    }
    let of_ten = SLOT_BYTES + bytes * 10 / rows;
    println!(
        "{of_ten} bytes: {SLOT_BYTES} and {} for a participant with a communication",
        bytes * 2 / rows
    );
    assert!(of_ten <= 1200, "{of_ten}");
}

fn answered(conversation: &str, ended: Option<i64>) -> ConversationFacts {
    let mut facts = visit(conversation, "Q", ended);
    facts.participants[1].ended = Some(at(10));
    let mut agent = participant("agent", Purpose::Agent);
    agent.queue = stamped(0, Id::new("Q"));
    agent.connected = Some(at(10));
    agent.ended = ended.map(at);
    facts.participants.push(agent);
    facts
}

fn total(store: &Conversations, media: MediaKind) -> Numbers {
    let queue = store.totals_of(&Id::new("Q"));
    let sum = queue.and_then(|queue| queue.total(media, 0, 20_000));
    sum.map_or_else(Numbers::default, |sum| sum.numbers())
}

#[test]
fn an_evicted_one_that_comes_back_counts_what_it_was_not_counted_for() {
    let mut store = crate::model::testing::store(TWO_HOURS, 1);
    store.apply(&visit("c", "Q", None), at(6));
    store.apply(&visit("other", "R", None), at(7));
    assert_eq!((store.evicted(), store.packed()), (1, 1));
    assert_eq!(total(&store, MediaKind::Voice).offered, 1, "what was counted stays");
    assert!(store.live_of(&Id::new("Q")).is_none(), "nobody waits");
    store.apply(&answered("c", Some(30)), at(30));
    let voice = total(&store, MediaKind::Voice);
    assert_eq!((voice.offered, voice.answered, voice.handled), (1, 1, 1));
    assert_eq!(voice.average_speed_of_answer_secs, Some(5.0));
}

#[test]
fn a_packed_one_takes_what_is_new_and_nothing_twice() {
    let mut store = crate::model::testing::store(TWO_HOURS, 10);
    store.apply(&answered("c", Some(30)), at(30));
    store.forget(at(30).plus(TWO_HOURS));
    assert_eq!((store.len(), store.packed()), (1, 0));
    store.forget(at(31).plus(TWO_HOURS));
    assert_eq!((store.len(), store.packed()), (0, 1));
    let before = total(&store, MediaKind::Voice);
    assert!(store.remembers(&Id::new("c")));
    store.apply(&answered("c", None), at(8_000));
    store.apply_rest(&as_rest(answered("c", Some(30))), at(8_000));
    assert_eq!((total(&store, MediaKind::Voice), store.len()), (before, 0));
    // Its customer calls back: a second visit, told without the first.
    let mut again = visit("c", "Q", None);
    again.participants[1].id = Id::new("acd2");
    again.participants[1].connected = Some(at(8_100));
    store.apply(&again, at(8_100));
    let voice = total(&store, MediaKind::Voice);
    assert_eq!((voice.offered, voice.answered, voice.abandoned), (2, 1, 0));
    assert_eq!(store.live_sums(|_| true).waiting, 1);
    store.forget(at(100_000));
    assert_eq!((store.len(), store.packed()), (1, 0), "an open one stays");
}

/// What comes late was true once: a state in which the conversation was open, after it was forgotten.
#[test]
fn a_late_event_of_an_open_state_revives_nothing_and_one_that_goes_on_counts_once() {
    let mut store = crate::model::testing::store(Duration::from_secs(100), 10);
    store.apply(&answered("c", Some(30)), at(30));
    store.forget(at(1_000));
    let before = total(&store, MediaKind::Voice);
    assert_eq!(store.apply(&answered("c", None), at(1_000)), Taken::Late);
    assert_eq!(store.apply(&visit("c", "Q", None), at(1_000)), Taken::Late);
    assert_eq!((total(&store, MediaKind::Voice), store.len()), (before, 0));
    assert_eq!(store.live_sums(|_| true).waiting, 0);
    // The customer writes again: the old visit is told with the new one.
    let mut again = answered("c", Some(30));
    let mut second = participant("acd2", Purpose::Acd);
    second.queue = stamped(0, Id::new("Q"));
    second.connected = Some(at(1_100));
    again.participants.push(second);
    assert_eq!(store.apply(&again, at(1_100)), Taken::Joined);
    assert_eq!(total(&store, MediaKind::Voice).offered, 2);
}

/// The same as REST tells it: in sessions.
fn as_rest(mut facts: ConversationFacts) -> ConversationFacts {
    for p in &mut facts.participants {
        let (connected, disconnected) = (p.connected.take(), p.ended.take());
        let state = disconnected.map(|at| Stamped {
            at,
            value: CommunicationState::Disconnected,
        });
        p.communications = vec![Communication {
            connected,
            disconnected,
            state,
            ..communication(&format!("session of {}", p.id), MediaKind::Voice)
        }];
    }
    facts
}

#[test]
fn rest_fills_in_whatever_comes_first_and_drift_is_what_differs() {
    let numbers = |rest_first: bool| {
        let mut store = crate::model::testing::store(TWO_HOURS, 10);
        let stream = visit("c", "Q", None);
        let mut rest = answered("c", Some(30));
        rest.participants[1].connected = Some(at(4));
        let rest = as_rest(rest);
        if rest_first {
            store.apply_rest(&rest, at(50));
        }
        store.apply(&stream, at(50));
        if !rest_first {
            store.apply_rest(&rest, at(50));
        }
        store.apply_rest(&rest, at(50));
        assert_eq!(store.drift(), 1, "the visit's entered");
        let voice = total(&store, MediaKind::Voice);
        assert_eq!(voice.average_speed_of_answer_secs, Some(5.0), "the stream's stands");
        store.apply(&answered("c", Some(31)), at(51));
        assert_eq!(store.drift(), 3, "and the ends of customer and agent");
        (voice, total(&store, MediaKind::Voice))
    };
    assert_eq!(numbers(true), numbers(false));
}
