//! The list of last changes: one entry a story, in order, bounded.
//!
//! In: items · Out: verdicts · Thread: the test's.

use std::time::Duration;

use super::*;
use crate::model::testing::at;

fn state(secs: i64, state: ConnectionState, cause: Option<&str>, attempt: Option<u32>) -> Item {
    Item::State(Arc::new(StateChange {
        at: at(secs),
        state,
        cause: cause.map(str::to_owned),
        attempt,
        retry_in: attempt.map(|_| Duration::from_secs(1)),
    }))
}

fn gap(id: u64, from: i64, to: Option<i64>, repaired: bool) -> Item {
    Item::Gap(Arc::new(Gap {
        id,
        topics: GapTopics::Some(vec!["a".to_owned(), "b".to_owned()]),
        from: at(from),
        to: to.map(at),
        cause: "socket closed (1006)".to_owned(),
        repaired,
    }))
}

fn alert(secs: i64, queue: &str, state: AlertState, level: AlertLevel, value: f64) -> Item {
    Item::Alert(Arc::new(Alert {
        at: at(secs),
        queue_id: Id::new(queue),
        queue: Some("Sales".into()),
        name: AlertName::Waiting,
        state,
        level,
        value: Some(value),
        threshold: 5.0,
        since: at(secs),
    }))
}

fn told(items: &[Item]) -> Vec<LastChange> {
    let mut changes = LastChanges::default();
    items.iter().for_each(|item| changes.take(item, 0));
    changes.entries().values().cloned().collect()
}

#[test]
fn the_start_and_each_interruption_are_one_entry() {
    use ConnectionState::{Backoff, Connecting, Stopped, Streaming};
    let told = told(&[
        state(0, Connecting, None, Some(1)),
        state(2, Streaming, None, None),
        state(100, Backoff, Some("socket closed (1006)"), Some(1)),
        state(101, Connecting, None, Some(2)),
        state(102, Backoff, Some("connection refused"), Some(2)),
        state(130, Streaming, None, None),
        state(200, Stopped, Some("stopped as asked"), None),
    ]);
    let interruption = |cause: &str, attempts, stopped| What::Interruption {
        cause: Some(cause.to_owned()),
        attempts,
        stopped,
    };
    let entry = |from, until: Option<i64>, what| LastChange {
        at: at(from),
        until: until.map(at),
        what,
    };
    assert_eq!(
        told,
        [
            entry(0, Some(2), What::Start {}),
            entry(100, Some(130), interruption("socket closed (1006)", 2, false)),
            entry(200, None, interruption("stopped as asked", 0, true)),
        ]
    );
}

#[test]
fn a_start_that_fails_is_over_when_it_failed() {
    use ConnectionState::{Backoff, Connecting, Streaming};
    let told = told(&[
        state(0, Connecting, None, Some(1)),
        state(1, Backoff, Some("connection refused"), Some(1)),
        state(3, Connecting, None, Some(2)),
        state(4, Streaming, None, None),
    ]);
    let spans: Vec<_> = told.iter().map(|entry| (entry.at, entry.until)).collect();
    assert_eq!(spans, [(at(0), Some(at(1))), (at(1), Some(at(4)))]);
}

#[test]
fn a_gap_its_end_and_its_repair_are_one_entry_by_the_services_clock() {
    let mut changes = LastChanges::default();
    for item in [
        gap(1, 10, None, false),
        gap(2, 11, None, false),
        gap(1, 10, Some(20), false),
    ] {
        changes.take(&item, 1000);
    }
    changes.take(&gap(1, 10, Some(20), true), 1000);
    let entries = changes.entries();
    assert_eq!(entries.keys().copied().collect::<Vec<_>>(), [1, 2]);
    assert_eq!((entries[&1].at, entries[&1].until), (at(9), Some(at(19))));
    assert!(matches!(
        entries[&1].what,
        What::Gap {
            id: 1,
            topics: Some(2),
            repaired: true,
            ..
        }
    ));
    assert_eq!(entries[&2].until, None);
}

#[test]
fn an_alert_has_its_worst_level_and_its_end() {
    use AlertLevel::{Amber, Red};
    use AlertState::{Firing, Resolved};
    let told = told(&[
        alert(10, "a", Firing, Amber, 5.0),
        alert(11, "b", Firing, Amber, 6.0),
        alert(20, "a", Firing, Red, 12.0),
        alert(30, "a", Firing, Amber, 7.0),
        alert(40, "a", Resolved, Amber, 1.0),
        alert(50, "a", Firing, Amber, 5.0),
    ]);
    let seen: Vec<_> = told
        .iter()
        .map(|entry| match &entry.what {
            What::Alert {
                queue_id, level, value, ..
            } => (entry.at, entry.until, queue_id.to_string(), *level, *value),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        seen,
        [
            (at(10), Some(at(40)), "a".to_owned(), Red, Some(12.0)),
            (at(11), None, "b".to_owned(), Amber, Some(6.0)),
            (at(50), None, "a".to_owned(), Amber, Some(5.0)),
        ]
    );
}

#[test]
fn the_oldest_go_first_and_alerts_push_out_no_gap() {
    let mut changes = LastChanges::default();
    changes.take(&gap(1, 0, Some(1), true), 0);
    for n in 0..1000 {
        changes.take(&alert(n, &format!("q{n}"), AlertState::Firing, AlertLevel::Red, 9.0), 0);
    }
    let before = changes.entries();
    assert_eq!(before.len(), KEPT + 1);
    assert!(before.contains_key(&1) && before.contains_key(&1001) && !before.contains_key(&801));
    for id in 2..1000 {
        changes.take(&gap(id, 0, None, false), 0);
    }
    assert_eq!(changes.entries().len(), 2 * KEPT);
    assert!(!changes.entries().contains_key(&1));
    assert_eq!(before.len(), KEPT + 1, "what a picture holds does not change");
}
