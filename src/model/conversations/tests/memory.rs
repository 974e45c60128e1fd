//! `max_bytes` bounds all that is remembered, and no count is lost by it.
//!
//! In: many little conversations · Out: asserted bounds · Thread: any (tests only).

use super::*;
use crate::model::testing::{totals_config, windows_config};

const MAX_BYTES: usize = 200_000;

fn bounded() -> Conversations {
    let limits = Limits {
        retention: TWO_HOURS,
        max_conversations: 1_000_000,
        max_bytes: MAX_BYTES,
    };
    Conversations::new(limits, Totals::new(windows_config(), totals_config()))
}

#[test]
fn open_conversations_are_evicted_the_longest_idle_first() {
    let mut store = bounded();
    let all = 5_000_u64;
    for n in 0..all {
        store.apply(&visit(&format!("c{n}"), "Q", None), at(10));
        assert!(store.bytes() <= MAX_BYTES, "{} after {n}", store.bytes());
    }
    let kept = store.len() as u64;
    assert!(kept > 50 && kept < all, "{kept}");
    assert_eq!(store.evicted(), all - kept);
    assert!(store.facts(&Id::new("c0")).is_none());
    assert!(store.facts(&Id::new(&format!("c{}", all - 1))).is_some());
    assert_eq!(store.live_sums(|_| true).waiting, kept);
    assert_eq!(total(&store, MediaKind::Voice).offered, all);
}

#[test]
fn finished_conversations_are_packed_before_an_open_one_is_evicted() {
    let mut store = bounded();
    store.apply(&visit("open", "Q", None), at(10));
    let all = 1_000;
    for n in 0..all {
        store.apply(&answered(&format!("c{n}"), Some(30)), at(30));
        assert!(store.bytes() <= MAX_BYTES, "{} after {n}", store.bytes());
    }
    assert!(store.packed() > 0);
    assert_eq!((store.len() + store.packed(), store.evicted()), (all + 1, 0));
    assert!(store.facts(&Id::new("open")).is_some());
}

#[test]
fn what_is_known_after_forgetting_counts_too() {
    let mut store = bounded();
    let all = 10_000_u64;
    for n in 0..all {
        store.apply(&answered(&format!("c{n}"), Some(30)), at(30));
        assert!(store.bytes() <= MAX_BYTES, "{} after {n}", store.bytes());
    }
    let known = (store.len() + store.packed()) as u64;
    assert_eq!(store.evicted(), all - known, "finished, but not due to be forgotten");
    assert!(known < all, "{known}");
    let voice = total(&store, MediaKind::Voice);
    assert_eq!((voice.offered, voice.handled), (all, all));
}

#[test]
fn numbers_of_very_many_queues_and_lengths_of_waits_are_bounded_with_the_conversations() {
    let mut store = bounded();
    for n in 0..5_000 {
        let queue = format!("Q{}", n % 2_500);
        store.apply(&visit(&format!("c{n}"), &queue, Some(20 + n)), at(20 + n));
        assert!(store.bytes() <= MAX_BYTES, "{} after {n}", store.bytes());
    }
    assert!(store.totals().untaken() > 0, "there was no room for all");
    assert!(store.len() + store.packed() > 0, "conversations keep their part");
    let windows = store.totals().window_of(at(5_000)) - store.totals().oldest_kept(at(5_000));
    assert!((0..10).contains(&windows), "older windows went first: {windows}");
}
