//! Screens of several sizes as they are, and what must hold at any size.
//!
//! In: snapshots · Out: assertions on whole screens · Thread: the test's.

use super::*;
use crate::Id;
use crate::model::snapshot::{FreshnessSnapshot, MetricSnapshot, ObservationSnapshot};
use crate::output::testing::{SALES, a_gap, a_snapshot};
use crate::output::text::width;
use crate::record::tests::moment;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn screen(snapshot: &Snapshot, cols: u16, rows: u16, log: Option<&str>) -> String {
    screen_at(snapshot, cols, rows, log, snapshot.generated_at)
}

fn screen_at(snapshot: &Snapshot, cols: u16, rows: u16, log: Option<&str>, now: Moment) -> String {
    let mut history = History::default();
    for (step, waiting) in [0, 2, 8, 3, 5].into_iter().enumerate() {
        let mut past = snapshot.clone();
        past.as_of = snapshot.as_of.minus(Duration::from_secs(5 * (4 - step as u64)));
        past.totals.waiting = past.totals.waiting.map(|_| waiting);
        history.add(&past);
    }
    let view = View {
        snapshot,
        now,
        region: "mypurecloud.ie",
        history: &history,
        log,
    };
    let lines = draw(&view, Size { cols, rows }, Ability::Plain);
    assert!(lines.len() <= usize::from(rows));
    for line in &lines {
        assert!(width(line) <= usize::from(cols), "{line:?}");
    }
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn assert_screen(is: &str, want: &str) {
    assert_eq!(is, want, "\n--- is:\n{is}--- want:\n{want}");
}

fn print(name: &str, screen: &str) {
    println!("=== {name}\n{screen}");
}

#[test]
fn show() {
    let mut s = a_snapshot();
    print(
        "80x24",
        &screen(
            &s,
            80,
            24,
            Some("[2026-05-04T14:05:12Z WARN genesys_stream] token refreshed"),
        ),
    );
    print("40x10", &screen(&s, 40, 10, Some("log")));
    let obs = |v: &[(&str, f64)]| ObservationSnapshot::Plain(v.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect());
    s.queues.get_mut(&Id::new(SALES)).unwrap().observations = BTreeMap::from([
        (
            "voice",
            BTreeMap::from([(
                "oServiceLevel".to_owned(),
                obs(&[("ratio", 0.8), ("numerator", 8.0), ("denominator", 10.0)]),
            )]),
        ),
        (
            "all",
            BTreeMap::from([(
                "oOnQueueUsers".to_owned(),
                ObservationSnapshot::Qualified(BTreeMap::from([(
                    "IDLE".to_owned(),
                    BTreeMap::from([("count".to_owned(), 4.0)]),
                )])),
            )]),
        ),
    ]);
    for n in 0..30 {
        let mut q = s.queues[&Id::new(SALES)].clone();
        q.name = Some(format!("販売部 {n}"));
        q.waiting = Some(n % 3);
        s.queues.insert(Id::new(&format!("q{n}")), q);
    }
    print("120x40", &screen(&s, 120, 40, None));
    print("80x24 many", &screen(&s, 80, 24, None));
    s.connection.state = ConnectionState::Backoff;
    s.connection.cause = Some("socket closed (1006)".to_owned());
    s.connection.gaps_total = 1;
    s.connection.gaps = vec![a_gap(s.as_of, None)];
    print(
        "80x24 bad",
        &screen_at(&s, 80, 24, Some("x"), s.as_of.plus(Duration::from_secs(70))),
    );
    s.queues.clear();
    s.users.clear();
    s.connection.state = ConnectionState::Streaming;
    s.connection.protocol = "metrics";
    s.totals.waiting = None;
    s.totals.interacting = None;
    s.totals.after_call_work = None;
    s.freshness.insert(
        "agent".to_owned(),
        FreshnessSnapshot {
            last_event_at: s.as_of,
            stale: true,
        },
    );
    s.freshness.insert(
        "queue".to_owned(),
        FreshnessSnapshot {
            last_event_at: s.as_of,
            stale: false,
        },
    );
    for (k, v) in [
        ("queue.offered", 3.0),
        ("queue.serviceLevelPercent", 81.25),
        ("agent.answered", 7.0),
    ] {
        s.metrics.insert(
            k.to_owned(),
            MetricSnapshot {
                value: v,
                timestamp: Some(moment("2026-05-04T14:05:30Z")),
                entity: None,
            },
        );
    }
    print("80x24 metrics", &screen(&s, 80, 24, None));
}
