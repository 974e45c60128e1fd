//! Statistics of queues: what replaces what, what is left out, and for how long.
//!
//! In: rows by time · Out: verdicts · Thread: the test's.

use super::*;
use crate::model::testing::at;

fn row(media: Option<MediaKind>, interval: Option<i64>, metric: &str, count: f64) -> ObservationRow {
    ObservationRow {
        media,
        interval: interval.map(|n| (at(n * 1800), at((n + 1) * 1800))),
        metric: metric.into(),
        qualifier: None,
        stats: Stats::from_iter([("count".into(), count)]),
    }
}

fn voice(interval: i64, metric: &str, count: f64) -> ObservationRow {
    row(Some(MediaKind::Voice), Some(interval), metric, count)
}

fn apply(observations: &mut Observations, rows: Vec<ObservationRow>, received_at: Moment) {
    let queue = Id::new("Q");
    observations.apply(&ObservationFacts { queue, rows }, received_at);
}

/// All came at the beginning, and are looked at then.
fn merged(rows: Vec<ObservationRow>) -> Observations {
    let mut observations = Observations::default();
    for row in rows {
        apply(&mut observations, vec![row], at(0));
    }
    observations
}

fn count(observations: &Observations, media: &str, metric: &str) -> Option<f64> {
    count_at(observations, at(0), media, metric)
}

fn count_at(observations: &Observations, as_of: Moment, media: &str, metric: &str) -> Option<f64> {
    let snapshot = observations.snapshot(&Id::new("Q"), as_of);
    match snapshot.get(media)?.get(metric)? {
        ObservationSnapshot::Plain(stats) => stats.get("count").copied(),
        ObservationSnapshot::Qualified(_) => None,
    }
}

#[test]
fn partial_messages_are_merged_and_the_later_arrival_of_an_interval_wins() {
    let o = merged(vec![
        voice(0, "oWaiting", 3.0),
        voice(0, "nOffered", 12.0),
        voice(0, "oWaiting", 4.0),
        row(Some(MediaKind::Email), Some(0), "oWaiting", 9.0),
        row(None, Some(0), "oOnQueueUsers", 5.0),
    ]);
    assert_eq!(count(&o, "voice", "oWaiting"), Some(4.0));
    assert_eq!(count(&o, "voice", "nOffered"), Some(12.0));
    assert_eq!(count(&o, "email", "oWaiting"), Some(9.0));
    assert_eq!(count(&o, "all", "oOnQueueUsers"), Some(5.0));
}

#[test]
fn a_new_interval_drops_old_aggregates_of_its_group_and_keeps_the_present() {
    let o = merged(vec![
        voice(0, "oWaiting", 3.0),
        voice(0, "oServiceLevel", 0.8),
        voice(0, "nOffered", 12.0),
        row(Some(MediaKind::Email), Some(0), "tAnswered", 7.0),
        voice(1, "nAnswered", 1.0),
    ]);
    assert_eq!(count(&o, "voice", "oWaiting"), Some(3.0));
    assert_eq!(count(&o, "voice", "oServiceLevel"), None);
    assert_eq!(count(&o, "voice", "nOffered"), None);
    assert_eq!(count(&o, "voice", "nAnswered"), Some(1.0));
    assert_eq!(count(&o, "email", "tAnswered"), Some(7.0), "another group");
}

#[test]
fn an_aggregate_goes_a_while_after_its_interval_unless_it_came_later_still() {
    const LAST: i64 = 1800 + 60;
    let mut o = Observations::default();
    let rows = vec![
        voice(0, "nOffered", 12.0),
        voice(0, "oServiceLevel", 0.8),
        voice(0, "oWaiting", 3.0),
        row(Some(MediaKind::Email), Some(0), "tAnswered", 7.0),
    ];
    apply(&mut o, rows, at(900));
    apply(&mut o, vec![voice(0, "nAnswered", 2.0)], at(LAST));
    let aggregates = [
        ("voice", "nOffered"),
        ("voice", "oServiceLevel"),
        ("voice", "nAnswered"),
        ("email", "tAnswered"),
    ];
    for (media, metric) in aggregates {
        assert!(count_at(&o, at(LAST), media, metric).is_some(), "{metric}");
        assert_eq!(count_at(&o, at(LAST + 1), media, metric), None, "{metric}");
    }
    assert_eq!(
        count_at(&o, at(LAST + 1), "voice", "oWaiting"),
        Some(3.0),
        "the present"
    );
    let left = o.snapshot(&Id::new("Q"), at(LAST + 1));
    assert!(!left.contains_key("email"), "nothing is left of it");

    let mut o = Observations::default();
    apply(&mut o, vec![voice(0, "nOffered", 12.0)], at(LAST + 1));
    assert_eq!(count_at(&o, at(1_000_000), "voice", "nOffered"), Some(12.0));
    apply(&mut o, vec![voice(1, "nAnswered", 1.0)], at(1_000_001));
    assert_eq!(
        count_at(&o, at(1_000_001), "voice", "nOffered"),
        None,
        "a newer one came"
    );
}

#[test]
fn an_older_interval_never_overwrites_a_newer_one() {
    let o = merged(vec![
        voice(1, "oWaiting", 1.0),
        voice(1, "nOffered", 2.0),
        voice(0, "oWaiting", 30.0),
        voice(0, "nOffered", 40.0),
        voice(0, "tAbandon", 50.0),
        voice(0, "oInteracting", 60.0),
    ]);
    assert_eq!(count(&o, "voice", "oWaiting"), Some(1.0));
    assert_eq!(count(&o, "voice", "nOffered"), Some(2.0));
    assert_eq!(count(&o, "voice", "tAbandon"), None);
    assert_eq!(count(&o, "voice", "oInteracting"), Some(60.0), "nothing newer is known");
}

#[test]
fn rows_from_rest_are_of_the_present() {
    let o = merged(vec![
        voice(1, "oWaiting", 1.0),
        row(Some(MediaKind::Voice), None, "oWaiting", 2.0),
        voice(0, "oWaiting", 30.0),
    ]);
    assert_eq!(count(&o, "voice", "oWaiting"), Some(2.0));
    let o = merged(vec![
        row(Some(MediaKind::Voice), None, "oWaiting", 2.0),
        voice(0, "oWaiting", 3.0),
    ]);
    assert_eq!(count(&o, "voice", "oWaiting"), Some(3.0));
}

fn present(observations: &Observations) -> Option<(u64, u64, Moment)> {
    let present = observations.present(&Id::new("Q"))?;
    Some((present.counts.waiting, present.counts.interacting, present.at))
}

fn rest(observations: &mut Observations, rows: Vec<ObservationRow>, received_at: Moment) {
    let queue = Id::new("Q");
    observations.apply_rest(&ObservationFacts { queue, rows }, received_at);
}

#[test]
fn who_waits_and_talks_is_summed_over_media_unless_there_is_a_row_over_all() {
    let mut o = Observations::default();
    let email = |metric, count| row(Some(MediaKind::Email), Some(0), metric, count);
    apply(&mut o, vec![voice(0, "oWaiting", 3.0)], at(1));
    assert_eq!(present(&o), None, "of who talks nothing is known");
    apply(
        &mut o,
        vec![voice(0, "oInteracting", 5.0), email("oWaiting", 1.0)],
        at(2),
    );
    assert_eq!(present(&o), Some((4, 5, at(2))));
    let shown = o.present(&Id::new("Q")).unwrap();
    let talks = |media| shown.interacting_over.contains(media);
    assert!(talks(MediaKind::Voice) && !talks(MediaKind::Email) && shown.waiting_over.contains(MediaKind::Email));
    rest(&mut o, vec![], at(3));
    assert_eq!(present(&o), Some((4, 5, at(2))), "what the stream told stands");
    assert_eq!(o.present(&Id::new("Q")).unwrap().interacting_over, Over::All);
    let all = |metric, count| row(None, Some(0), metric, count);
    apply(&mut o, vec![all("oWaiting", 7.0), all("oInteracting", 8.0)], at(4));
    assert_eq!(present(&o), Some((7, 8, at(4))));
}

#[test]
fn what_came_before_a_gap_counts_again_when_it_is_told_again() {
    let statistics = |queue: &str| GapTopics::Some(vec![format!("v2.analytics.queues.{queue}.observations")]);
    let both = |waiting, interacting| {
        vec![
            voice(0, "oWaiting", waiting),
            voice(0, "oInteracting", interacting),
            row(Some(MediaKind::Email), Some(0), "oWaiting", 9.0),
        ]
    };
    let mut o = Observations::default();
    apply(&mut o, both(3.0, 5.0), at(1));
    o.distrust(&statistics("other"), None);
    o.distrust(&GapTopics::Some(vec!["v2.routing.queues.Q.conversations".into()]), None);
    assert!(present(&o).is_some(), "its statistics were covered");
    o.distrust(&statistics("Q"), None);
    assert_eq!(present(&o), None);
    // REST names no other medium and nobody who talks: there is nobody.
    rest(&mut o, vec![row(Some(MediaKind::Voice), None, "oWaiting", 2.0)], at(20));
    o.distrust(&GapTopics::All, Some(at(20)));
    assert_eq!(present(&o), Some((2, 0, at(20))));
    assert_eq!(count(&o, "email", "oWaiting"), Some(0.0));
    o.distrust(&GapTopics::All, Some(at(21)));
    assert_eq!(present(&o), None);
    rest(&mut o, vec![], at(22));
    assert_eq!(present(&o), Some((0, 0, at(22))));
}

#[test]
fn qualifiers_stand_one_level_deeper() {
    let qualified = |qualifier: &str, n| ObservationRow {
        qualifier: Some(qualifier.into()),
        ..row(None, None, "oUserRoutingStatuses", n)
    };
    let mut rows = vec![qualified("IDLE", 2.0), qualified("INTERACTING", 5.0)];
    let json = |rows| serde_json::to_string(&merged(rows).snapshot(&Id::new("Q"), at(0))).unwrap();
    assert_eq!(
        json(rows.clone()),
        r#"{"all":{"oUserRoutingStatuses":{"IDLE":{"count":2},"INTERACTING":{"count":5}}}}"#
    );
    rows.push(row(None, None, "oUserRoutingStatuses", 7.0));
    assert_eq!(
        json(rows),
        r#"{"all":{"oUserRoutingStatuses":{"IDLE":{"count":2},"INTERACTING":{"count":5},"all":{"count":7}}}}"#
    );
}

#[test]
fn names_without_end_do_not_fill_the_memory() {
    let mut o = Observations::default();
    let rows = (0..ROWS_AT_MOST + 10)
        .map(|n| voice(0, &format!("x{n}"), 1.0))
        .collect();
    apply(&mut o, rows, at(0));
    assert_eq!(o.snapshot(&Id::new("Q"), at(0))["voice"].len(), ROWS_AT_MOST);
}

#[test]
fn numbers_that_json_cannot_hold_are_left_out() {
    let o = merged(vec![voice(0, "oWaiting", f64::NAN)]);
    assert_eq!(count(&o, "voice", "oWaiting"), None);
}

#[test]
fn a_message_with_rows_of_many_intervals_leaves_those_of_the_newest() {
    let rows = |n: i64| -> Vec<ObservationRow> {
        let one = |n: i64| ObservationRow {
            media: None,
            interval: Some((at(n), at(n + 1_800))),
            metric: format!("n{n}").as_str().into(),
            qualifier: None,
            stats: Stats::from_iter([("count".into(), 1.0)]),
        };
        let mut rows: Vec<_> = (0..4_000)
            .map(|n| ObservationRow {
                interval: None,
                metric: format!("o{n}").as_str().into(),
                ..one(0)
            })
            .collect();
        rows.extend((0..n).map(one));
        rows
    };
    let mut observations = Observations::default();
    let queue = Id::new("q");
    observations.apply(
        &ObservationFacts {
            queue: queue.clone(),
            rows: rows(20_000),
        },
        at(0),
    );
    let group = &observations.queues[&queue].groups[&None];
    assert_eq!(group.newest, Some((at(19_999), at(21_799))));
    assert_eq!(
        group.rows.len(),
        4_001,
        "only those of the newest interval, and of the present"
    );
}

#[test]
fn rows_of_all_queues_are_bounded_in_bytes() {
    let mut observations = Observations::default();
    let long = |n: usize| format!("o{n:0127}");
    for queue in 0..200 {
        let row = |n: usize| ObservationRow {
            media: None,
            interval: None,
            metric: long(n).as_str().into(),
            qualifier: Some(long(n).as_str().into()),
            stats: (0..24).map(|n| (long(n).as_str().into(), 1.0)).collect(),
        };
        let facts = ObservationFacts {
            queue: Id::new(&format!("{queue:0256}")),
            rows: (0..100).map(row).collect(),
        };
        observations.apply(&facts, at(0));
    }
    assert!(
        observations.bytes > BYTES_AT_MOST && observations.bytes < BYTES_AT_MOST + 100_000,
        "{}",
        observations.bytes
    );
    let rows: usize = observations
        .queues
        .values()
        .flat_map(|of| of.groups.values())
        .map(|group| group.rows.len())
        .sum();
    assert!(rows < 20_000, "{rows}");
}
