//! Histories of scripted looks.
//!
//! In: made looks · Out: verdicts · Thread: the test's.

use proptest::prelude::*;

use super::*;
use crate::model::testing::at;

fn history(granularity_secs: u64, keep: usize) -> History {
    History::new(
        1000 * granularity_secs.cast_signed(),
        i64::try_from(keep).unwrap(),
        usize::MAX,
    )
}

fn look(waiting: u64) -> Look {
    Look {
        waiting: Some(waiting),
        interacting: Some(2 * waiting),
        ..Look::default()
    }
}

/// A visit waits that entered at this second.
fn waits(since: i64) -> Look {
    Look {
        entered: Some(at(since)),
        ..look(1)
    }
}

fn at_ms(ms: i64) -> LookedAt {
    LookedAt {
        ours: at(0).plus_ms(ms),
        service: at(0).plus_ms(ms),
        stepped_ms: 0,
    }
}

fn take(history: &mut History, now: LookedAt, look: Look) {
    history.look(now, &[(&Id::new("Q"), look)]);
}

/// Looks at so many milliseconds.
fn taken(history: &mut History, looks: &[(i64, Look)]) {
    for (ms, look) in looks {
        take(history, at_ms(*ms), *look);
    }
}

/// The first window that begins at second 0, and the ones after it: greatest, mean and last of the number at this place.
fn shown(history: &History, number: usize, windows: i64) -> Vec<Option<(u64, u64, u64)>> {
    let recorded = history.of(&Id::new("Q"));
    let mut find = recorded.finder();
    let first = history.grid.window_of(at(0));
    let of = |window| {
        let range = find(window)?[number]?;
        Some((range.max, range.mean, range.last))
    };
    (first..first + windows).map(of).collect()
}

const WAITING: usize = 0;
const LONGEST_WAIT: usize = 1;
const IDLE: usize = 3;

#[test]
fn what_was_known_counts_until_the_next_look_in_each_window() {
    let mut h = history(60, 60);
    taken(
        &mut h,
        &[
            (56_000, look(3)),
            (58_000, look(1)),
            (61_000, look(5)),
            (62_000, look(0)),
        ],
    );
    // 3 for 2 s and 1 for 2 s; then 1 for 1 s and 5 for 1 s.
    let expected = [Some((3, 2000, 1)), Some((5, 3000, 0)), None];
    assert_eq!(shown(&h, WAITING, 3), expected);
    assert_eq!(shown(&h, IDLE, 3), [None, None, None]);
    let nothing = h.of(&Id::new("another"));
    assert_eq!(nothing.finder()(h.grid.window_of(at(0))), None);
}

#[test]
fn the_longest_wait_grows_while_the_same_visit_waits() {
    let mut h = history(60, 60);
    taken(
        &mut h,
        &[
            (50_000, waits(40)),
            (55_000, waits(40)),
            (60_000, waits(40)),
            (65_000, waits(63)),
        ],
    );
    // From 10 s to 20 s in the first; in the second 20 s, held for the 5 s in which that visit left.
    let expected = [Some((20_000, 15_000, 20_000)), Some((20_000, 20_000, 2_000))];
    assert_eq!(shown(&h, LONGEST_WAIT, 2), expected);
    let mut h = history(60, 60);
    taken(&mut h, &[(0, look(0)), (1_000, waits(-5))]);
    assert_eq!(
        shown(&h, LONGEST_WAIT, 1),
        [Some((6_000, 0, 6_000))],
        "0 while nobody waits"
    );
}

#[test]
fn unknown_time_is_no_part_of_a_mean() {
    let mut h = history(60, 60);
    let idle = Look {
        idle: Some(7),
        ..Look::default()
    };
    taken(
        &mut h,
        &[(0, look(4)), (5_000, idle), (10_000, look(2)), (15_000, look(2))],
    );
    assert_eq!(shown(&h, WAITING, 1), [Some((4, 3000, 2))]);
    assert_eq!(shown(&h, IDLE, 1), [Some((7, 7000, 7))]);
}

#[test]
fn a_process_that_was_stopped_knows_nothing_of_that_time() {
    for (stopped_ms, mean) in [(6_000, 3500), (6_001, 2000)] {
        let mut h = history(60, 60);
        taken(&mut h, &[(0, look(5)), (stopped_ms, look(2))]);
        taken(&mut h, &[(stopped_ms + 6_000, look(2))]);
        assert_eq!(shown(&h, WAITING, 1), [Some((5, mean, 2))]);
    }
}

#[test]
fn a_step_of_our_clock_or_of_the_services_leaves_what_was_recorded() {
    let mut h = history(60, 60);
    taken(&mut h, &[(0, look(5)), (1_000, look(5))]);
    let stepped = LookedAt {
        ours: at(3600),
        stepped_ms: 3_598_000,
        ..at_ms(2_000)
    };
    take(&mut h, stepped, look(1));
    let next = LookedAt {
        ours: at(3601),
        ..at_ms(3_000)
    };
    take(&mut h, next, look(1));
    assert_eq!(
        shown(&h, WAITING, 1),
        [Some((5, 3000, 1))],
        "the second of the step is not known"
    );

    // A service's clock that stands still for a while.
    let mut h = history(60, 60);
    taken(
        &mut h,
        &[
            (59_000, look(1)),
            (60_500, look(1)),
            (60_500, look(9)),
            (61_500, look(1)),
        ],
    );
    assert_eq!(shown(&h, WAITING, 2), [Some((1, 1000, 1)), Some((9, 6333, 1))]);

    // One that was wrong by an hour.
    let mut h = history(60, 100);
    taken(&mut h, &[(0, look(1)), (1_000, look(1)), (60_000, look(2))]);
    let wrong = |ms: i64| LookedAt {
        service: at(3600).plus_ms(ms),
        ..at_ms(ms)
    };
    take(&mut h, wrong(61_000), look(7));
    take(&mut h, wrong(62_000), look(7));
    taken(&mut h, &[(63_000, look(3)), (64_000, look(3))]);
    assert_eq!(shown(&h, WAITING, 62), {
        let mut expected = vec![None; 62];
        expected[0] = Some((1, 1000, 1));
        expected[1] = Some((3, 3000, 3));
        expected
    });
}

#[test]
fn windows_are_kept_for_so_many_also_those_of_queues_that_are_no_longer_listed() {
    let mut h = history(60, 3);
    for minute in 0..5 {
        take(&mut h, at_ms(minute * 60_000), look(minute.unsigned_abs()));
    }
    let known = |history: &History| -> Vec<i64> {
        let shown = (0..).zip(shown(history, WAITING, 10));
        shown.filter_map(|(n, range)| range.map(|_| n)).collect()
    };
    assert_eq!(known(&h), [2, 3, 4]);
    for (minute, left) in [(5, vec![3, 4]), (6, vec![4])] {
        h.look(at_ms(minute * 60_000), &[]);
        assert_eq!(known(&h), left);
    }
    h.look(at_ms(7 * 60_000), &[]);
    assert!(h.queues.is_empty());
}

/// A service whose time is compressed: each second of ours is an hour of the service.
#[test]
fn a_look_may_pass_over_many_windows() {
    let mut h = history(60, 60);
    for n in 0..3 {
        let now = LookedAt {
            ours: at(n),
            ..at_ms(n * 3_600_000)
        };
        take(&mut h, now, look(1 + n.unsigned_abs()));
    }
    let shown = shown(&h, WAITING, 121);
    assert!(shown[..61].iter().all(Option::is_none), "not kept");
    assert!(shown[61..120].iter().all(|range| *range == Some((2, 2000, 2))));
    assert_eq!(shown[120], Some((3, 3000, 3)));
}

#[test]
fn over_all_queues_it_is_the_sum_and_the_longest_wait_of_those_that_are_known() {
    let mut h = history(60, 60);
    let ids = ["a", "b", "c"].map(Id::new);
    let looks = [
        waits(-30),
        Look {
            idle: Some(2),
            ..waits(-40)
        },
        Look::default(),
    ];
    for second in 0..3 {
        h.look(at_ms(second * 1000), &Vec::from_iter(ids.iter().zip(looks)));
    }
    let recorded = h.of_all();
    let ranges = recorded.finder()(h.grid.window_of(at(0))).unwrap();
    let means = ranges.map(|range| range.map(|range| range.mean));
    assert_eq!(means, [Some(2000), Some(41_000), Some(4000), Some(2000)]);
    let mut unknown = |second: i64| {
        h.look(at_ms(second * 1000), &ids.each_ref().map(|id| (id, Look::default())));
        h.of_all()
    };
    let (before, after) = (unknown(3), unknown(5));
    assert_eq!(before, after, "unknown time adds nothing");
}

/// A queue that is never quiet, in windows of a minute and of a quarter of an hour.
#[test]
fn a_day_of_a_busy_queue_has_a_bounded_size() {
    for (granularity_secs, at_most) in [(60, 55_000), (900, 3_700)] {
        let mut h = history(granularity_secs, 86_400 / usize::try_from(granularity_secs).unwrap());
        for n in 0..3 * 86_400 / 5_i64 {
            let busy = Look {
                waiting: Some(150 + n.unsigned_abs() % 50),
                entered: Some(at(5 * n - 7200)),
                interacting: Some(400 + n.unsigned_abs() % 7),
                idle: Some(130 + n.unsigned_abs() % 3),
            };
            take(&mut h, at_ms(5000 * n), busy);
        }
        let bytes = h.of(&Id::new("Q")).past_bytes();
        assert!(
            (at_most / 2..=at_most).contains(&bytes),
            "{granularity_secs} s: {bytes}"
        );
    }
}

#[test]
fn past_windows_are_shared_until_the_next_one_begins() {
    let mut h = history(60, 60);
    taken(&mut h, &[(59_000, look(1)), (60_000, look(1))]);
    let before = h.of(&Id::new("Q"));
    taken(&mut h, &[(61_000, look(2))]);
    assert!(h.of(&Id::new("Q")).shares_with(&before));
    taken(&mut h, &[(120_000, look(2))]);
    assert!(!h.of(&Id::new("Q")).shares_with(&before));
}

fn any_look() -> impl Strategy<Value = Look> {
    let waiting = prop::option::of((0..9_u64, prop::option::of(-90..0_i64)));
    (waiting, prop::option::of(0..9_u64)).prop_map(|(waiting, idle)| Look {
        waiting: waiting.map(|(n, _)| n),
        entered: waiting.and_then(|(_, entered)| entered).map(at),
        interacting: waiting.map(|(n, _)| n + 1),
        idle,
    })
}

proptest! {
    /// A span of time may be looked at as a whole or in parts: as long as what is known stays the same, so do the numbers.
    #[test]
    fn looks_between_change_nothing(
        looks in prop::collection::vec((1..5_000_i64, 0..100_u8, any_look()), 1..40),
        granularity_secs in 1..9_u64,
    ) {
        let (mut whole, mut parts) = (history(granularity_secs, 1000), history(granularity_secs, 1000));
        let mut now = 0;
        let mut held = Look::default();
        for (passed, share, look) in looks {
            let middle = now + passed * i64::from(share) / 100;
            // Whoever waits longest goes on waiting between the two.
            let look = Look { entered: held.entered.filter(|_| look.waiting.is_some()).or(look.entered), ..look };
            if held.entered == look.entered {
                take(&mut parts, at_ms(middle), held);
            }
            now += passed;
            take(&mut whole, at_ms(now), look);
            take(&mut parts, at_ms(now), look);
            held = look;
        }
        let recorded = [&whole, &parts].map(|history| history.of(&Id::new("Q")));
        let [mut whole, mut parts] = recorded.each_ref().map(Recorded::finder);
        let first = at(0).epoch_ms() / 1000 / granularity_secs.cast_signed();
        for window in first..first + 300 {
            prop_assert_eq!(whole(window), parts(window));
        }
    }

    /// Whatever the clocks do, a mean lies between the least and the greatest, and no window is recorded twice or too long.
    #[test]
    fn no_order_of_looks_gives_impossible_numbers(
        looks in prop::collection::vec((0..400_000_i64, any_look()), 1..60),
        keep in 1..9_usize,
    ) {
        let mut h = history(60, keep);
        for (ms, look) in looks {
            let now = LookedAt { ours: at(0), ..at_ms(ms) };
            take(&mut h, now, look);
            let recorded = h.of(&Id::new("Q"));
            let windows: Vec<_> = recorded.windows().collect();
            prop_assert!(windows.windows(2).all(|two| two[0].0 < two[1].0));
            let first = windows.first().map_or(0, |(window, _)| *window);
            prop_assert!(windows.iter().all(|(window, _)| *window < first + i64::try_from(keep).unwrap()));
            for range in windows.iter().flat_map(|(_, ranges)| [ranges[0], ranges[2], ranges[3]]).flatten() {
                prop_assert!(range.mean <= 1000 * range.max && range.last <= range.max, "{:?}", range);
            }
        }
    }
}

#[test]
fn where_queues_are_too_many_for_the_room_fewer_windows_are_kept_and_more_again_later() {
    let max_bytes = 100_000;
    let mut history = History::new(1000, 60, max_bytes);
    let ids = Vec::from_iter((0..200).map(|n| Id::new(&format!("Q{n}"))));
    let looks = |count: usize, n: u64| Vec::from_iter(ids[..count].iter().map(|id| (id, look(1_000_000 + n))));
    for n in 0..100 {
        history.look(at_ms(1000 * n), &looks(200, n.unsigned_abs()));
        assert!(history.bytes <= max_bytes, "{} at {n}", history.bytes);
    }
    let kept = |history: &History| history.of(&ids[0]).windows().count();
    assert!((2..50).contains(&kept(&history)), "{}", kept(&history));
    for n in 100..300 {
        history.look(at_ms(1000 * n), &looks(20, n.unsigned_abs()));
    }
    assert_eq!(kept(&history), 60);
    let more = Vec::from_iter((0..2_000).map(|n| Id::new(&format!("R{n}"))));
    history.look(at_ms(300_000), &Vec::from_iter(more.iter().map(|id| (id, look(1)))));
    assert!(
        history.bytes <= max_bytes && history.queues.len() > 100,
        "{}",
        history.queues.len()
    );
    let all = history.of_all().windows().last().unwrap();
    assert_eq!(
        all.1[0].map(|range| range.last),
        Some(2_000),
        "the sum is over all of them"
    );
}
