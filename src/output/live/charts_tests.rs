//! Charts use the width that there is and make up nothing.
//!
//! In: windows · Out: assertions on lines · Thread: the test's.

use super::super::ability::{Ability, Keys};
use super::super::board::Board;
use super::super::changes::Changes;
use super::super::history::History;
use super::*;
use crate::output::testing::a_snapshot;

fn windows(count: u64) -> Vec<WindowSnapshot> {
    let start = a_snapshot().started_at;
    let window = |n: u64| WindowSnapshot {
        start: start.plus(Duration::from_secs(60 * n)),
        granularity: "PT1M".into(),
        complete: true,
        coverage_percent: if n == 1 { 0.0 } else { 100.0 },
        numbers: Numbers {
            offered: n,
            ..Numbers::default()
        },
        live: None,
    };
    (0..count).map(window).collect()
}

fn drawn(windows: &[WindowSnapshot], cols: usize, room: usize) -> Vec<String> {
    drawn_by(cols, |view| over_time(view, windows, cols, room))
}

fn drawn_by(cols: usize, draw: impl FnOnce(&View<'_>) -> Vec<Line>) -> Vec<String> {
    let (snapshot, history, board, changes) = (a_snapshot(), History::default(), Board::default(), Changes::default());
    let view = View {
        snapshot: &snapshot,
        now: snapshot.as_of,
        region: "",
        since: "",
        history: &history,
        log: None,
        board: &board,
        changes: &changes,
        keys: Keys::Read,
        zone: None,
        limits: &super::super::view::NO_LIMITS,
    };
    draw(&view)
        .iter()
        .map(|line| line.render(cols, Ability::Plain))
        .collect()
}

#[test]
fn windows_share_a_bar_or_have_a_wide_one() {
    let wide = drawn(&windows(4), 44, 2);
    assert_eq!(wide[0], "over time  14:00 to 14:04 UTC, 1 min a bar");
    assert_eq!(wide[1], "offered              5  ▁▁▁▁▁·····▆▆▆▆▆█████");
    let narrow = drawn(&windows(40), 44, 2);
    assert_eq!(narrow[0], "over time  14:00 to 14:40 UTC, 2 min a bar");
    assert!(narrow[1].starts_with("offered            779  ▁▂"), "{narrow:?}");
    assert_eq!(narrow[1].chars().count(), 44);
    assert!(
        drawn(&windows(4), 20, 9).is_empty() && drawn(&[], 80, 9).is_empty() && drawn(&windows(4), 80, 1).is_empty()
    );
}

#[test]
fn live_numbers_have_their_greatest_and_mean_where_they_are_known() {
    let mut windows = windows(2);
    assert!(!drawn(&windows, 60, 20).join("\n").contains("waiting"));
    windows[0].live = Some(WindowLive::default());
    windows[1].live = Some(WindowLive {
        waiting: Some(LiveRange {
            max: 9.0,
            mean: 1.25,
            last: 0.0,
        }),
        ..WindowLive::default()
    });
    let lines = drawn(&windows, 60, 9);
    let foot = lines
        .iter()
        .position(|line| line.starts_with("waiting          max 9  ···"))
        .unwrap();
    assert!(
        lines[foot - 1].contains("mean 1.2") && lines[foot].ends_with("██"),
        "{lines:?}"
    );
}

#[test]
fn the_day_has_a_place_for_quarters_of_which_nothing_is_known() {
    let start = a_snapshot().started_at;
    let live = |waiting: f64| WindowLive {
        waiting: Some(LiveRange {
            max: waiting,
            mean: 1.0,
            last: 0.0,
        }),
        ..WindowLive::default()
    };
    let quarter = |n: u32, waiting| (start.plus(QUARTER * n), live(waiting));
    let drawn =
        |quarters: &[(Moment, WindowLive)]| drawn_by(60, |view| of_quarters(view, quarters.iter().copied(), 60, 2));
    assert!(drawn(&[quarter(0, 3.0)]).is_empty());
    let lines = drawn(&[quarter(0, 7.0), quarter(3, 1.0)]);
    assert_eq!(lines[0], "the day  14:00 to 15:00 UTC, 15 min a bar");
    assert_eq!(lines[1], "waiting          max 7  █████··········▂▂▂▂▂");
}
