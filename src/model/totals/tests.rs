//! Buckets of scripted counts.
//!
//! In: made counts · Out: verdicts · Thread: the test's.

use super::*;
use crate::config::time_zone::tests::berlin;
use crate::model::counts::CountKind;
use crate::model::testing::queue;

fn totals(granularity_secs: u64, since: TotalsSince) -> Totals {
    let config = TotalsConfig {
        since,
        utc_offset_minutes: 120,
        time_zone: None,
    };
    Totals::new(totals_windows(granularity_secs), config)
}

fn totals_windows(granularity_secs: u64) -> WindowsConfig {
    WindowsConfig {
        granularity: Duration::from_secs(granularity_secs),
        keep: 3,
        service_level: ServiceLevel::Queue,
        short_abandon: Duration::ZERO,
    }
}

fn offered(at: &str) -> Count {
    Count {
        queue: queue("Q"),
        media: MediaKind::Voice,
        kind: CountKind::Offered,
        at: Moment::parse(at).unwrap(),
        millis: 0,
    }
}

fn windows(totals: &Totals) -> Vec<(String, u64)> {
    let mut found = BTreeMap::new();
    if let Some(queue) = totals.queue(queue("Q")) {
        queue.add_windows(i64::MIN..=i64::MAX, &[20_000; MediaKind::ALL.len()], &mut found);
    }
    found
        .iter()
        .map(|(at, sum)| {
            (
                totals.start_of(*at).to_string()[11..19].to_owned(),
                sum.numbers().offered,
            )
        })
        .collect()
}

fn total(totals: &Totals, as_of: &str) -> u64 {
    let day = totals.day_of(Moment::parse(as_of).unwrap());
    let queue = totals.queue(queue("Q"));
    queue
        .and_then(|queue| queue.total(MediaKind::Voice, day, 20_000))
        .map_or(0, |sum| sum.numbers().offered)
}

#[test]
fn windows_are_aligned_in_utc_take_late_facts_and_are_kept_for_so_many() {
    let mut t = totals(900, TotalsSince::Start);
    assert_eq!(&*t.granularity(), "PT15M");
    t.advance(Moment::parse("2026-05-04T14:50:00Z").unwrap());
    for at in [
        "14:44:59.999",
        "14:45:00.000",
        "14:14:59.999",
        "14:15:00.000",
        "15:00:00.000",
    ] {
        t.count(Sign::Add, &offered(&format!("2026-05-04T{at}Z")));
    }
    let of =
        |list: &[(&str, u64)]| -> Vec<(String, u64)> { list.iter().map(|(at, n)| ((*at).to_owned(), *n)).collect() };
    let all = [("14:15:00", 1), ("14:30:00", 1), ("14:45:00", 1), ("15:00:00", 1)];
    assert_eq!(windows(&t), of(&all));
    assert_eq!(total(&t, "2026-05-04T14:50:00Z"), 5, "totals have no horizon");
    t.advance(Moment::parse("2026-05-04T15:00:00Z").unwrap());
    assert_eq!(windows(&t), of(&all[1..]));
    t.count(Sign::Take, &offered("2026-05-04T14:15:00Z"));
    assert_eq!(windows(&t), of(&all[1..]), "what is gone is not taken back twice");
    t.count(Sign::Take, &offered("2026-05-04T14:30:00Z"));
    assert_eq!(windows(&t), of(&all[2..]));
    assert_eq!(total(&t, "2026-05-04T15:00:00Z"), 3);
    t.advance(Moment::parse("2026-05-04T14:00:00Z").unwrap());
    t.count(Sign::Add, &offered("2026-05-04T14:00:00Z"));
    assert_eq!(windows(&t), of(&all[2..]), "a clock set back brings nothing back");
}

#[test]
fn both_changes_of_berlin_have_days_from_midnight_to_midnight() {
    for (day, next, hours) in [
        ("2026-03-28T23:00:00.000Z", "2026-03-29T22:00:00.000Z", 23),
        ("2026-10-24T22:00:00.000Z", "2026-10-25T23:00:00.000Z", 25),
    ] {
        let config = TotalsConfig {
            since: TotalsSince::Day,
            utc_offset_minutes: 0,
            time_zone: Some(berlin()),
        };
        let mut t = Totals::new(totals_windows(3600), config);
        let at = |text| Moment::parse(text).unwrap();
        for hour in -2..=hours {
            let now = at(day).plus_ms(hour * 3_600_000 + 60_000);
            t.advance(now);
            t.count(Sign::Add, &offered(&now.to_string()));
            let begin = t.day_start(now).unwrap();
            let (since, midnight) = match hour {
                ..0 => (hour + 3, None),
                _ if hour < hours => (hour + 1, Some(at(day))),
                _ => (1, Some(at(next))),
            };
            assert_eq!(total(&t, &now.to_string()), since.unsigned_abs(), "{hour}");
            assert!(midnight.is_none_or(|midnight| begin == midnight), "{hour}: {begin}");
        }
    }
}

#[test]
fn the_time_may_go_back_until_something_is_counted() {
    let mut t = totals(900, TotalsSince::Day);
    t.advance(Moment::parse("2026-05-04T23:50:00Z").unwrap());
    t.advance(Moment::parse("2026-05-04T20:50:00Z").unwrap());
    t.count(Sign::Add, &offered("2026-05-04T20:45:00Z"));
    assert_eq!(total(&t, "2026-05-04T20:50:00Z"), 1);
    assert_eq!(windows(&t), [("20:45:00".to_owned(), 1)]);
}

#[test]
fn totals_of_a_day_begin_anew_at_local_midnight() {
    let mut t = totals(1800, TotalsSince::Day);
    let before = "2026-05-04T21:59:59.999Z";
    let midnight = "2026-05-04T22:00:00.000Z";
    t.advance(Moment::parse(before).unwrap());
    t.count(Sign::Add, &offered(before));
    t.count(Sign::Add, &offered(midnight));
    t.count(Sign::Add, &offered("2026-05-03T21:59:59Z"));
    assert_eq!(total(&t, before), 1);
    assert_eq!(
        t.day_start(Moment::parse(before).unwrap()),
        Moment::parse("2026-05-03T22:00:00Z")
    );
    t.advance(Moment::parse(midnight).unwrap());
    assert_eq!(total(&t, midnight), 1, "what is dated after midnight stays");
    t.count(Sign::Take, &offered(before));
    t.count(Sign::Add, &offered(before));
    assert_eq!(total(&t, midnight), 1);
    assert_eq!(windows(&t), [("21:30:00".to_owned(), 1), ("22:00:00".to_owned(), 1)]);
    assert_eq!(totals(60, TotalsSince::Start).day_start(Moment::default()), None);
}

#[test]
fn midnights_of_odd_offsets() {
    for (offset, at, midnight) in [
        ("+05:45", "2026-05-04T18:14:59.999Z", "2026-05-03T18:15:00Z"),
        ("+05:45", "2026-05-04T18:15:00Z", "2026-05-04T18:15:00Z"),
        ("-03:30", "2026-05-04T03:29:59.999Z", "2026-05-03T03:30:00Z"),
        ("-03:30", "2026-05-04T03:30:00Z", "2026-05-04T03:30:00Z"),
    ] {
        let minutes: i32 = offset[1..3].parse::<i32>().unwrap() * 60 + offset[4..].parse::<i32>().unwrap();
        let config = TotalsConfig {
            since: TotalsSince::Day,
            utc_offset_minutes: if offset.starts_with('-') { -minutes } else { minutes },
            time_zone: None,
        };
        let windows = WindowsConfig {
            granularity: Duration::from_secs(60),
            keep: 3,
            service_level: ServiceLevel::Queue,
            short_abandon: Duration::ZERO,
        };
        let totals = Totals::new(windows, config);
        let start = totals.day_start(Moment::parse(at).unwrap());
        assert_eq!(start, Moment::parse(midnight), "{offset} {at}");
    }
}

#[test]
fn a_queue_of_which_all_was_taken_back_has_no_numbers() {
    let mut t = totals(10, TotalsSince::Start);
    assert_eq!(&*t.granularity(), "PT10S");
    t.set_threshold(queue("Q"), MediaKind::Voice, Duration::from_millis(20_500));
    t.count(Sign::Add, &offered("2026-05-04T14:30:00Z"));
    let is_empty = |t: &Totals| t.queue(queue("Q")).is_none_or(QueueTotals::is_empty);
    assert!(!is_empty(&t));
    t.count(Sign::Take, &offered("2026-05-04T14:30:00Z"));
    assert!(is_empty(&t));
    assert_eq!(&*totals(3600, TotalsSince::Start).granularity(), "PT1H");
}

/// Windows were shortened, and then the service's clock went back.
#[test]
fn the_oldest_window_is_never_after_the_current_one() {
    let mut t = totals(60, TotalsSince::Start);
    t.shortened_to = 1_000;
    let at = Moment::from_epoch_ms(900 * 60_000);
    assert_eq!((t.oldest_kept(at), t.window_of(at)), (900, 900));
    assert_eq!(t.oldest_kept(Moment::from_epoch_ms(1_001 * 60_000)), 1_000);
}
