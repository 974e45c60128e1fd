//! Numbers over time as bars.
//!
//! In: windows · Out: lines · Thread: any (pure).

use std::time::Duration;

use super::history::{bars, sparkline};
use super::layout::{Line, Style};
use super::view::View;
use crate::Moment;
use crate::model::snapshot::WindowSnapshot;
use crate::output::text::number;

/// Columns of the name of a series and of its sum.
const LABEL: usize = 11;
const SUM: usize = 8;
/// Without so many columns for bars there is no chart.
const LEAST_BARS: usize = 8;

/// Offered visits by window, the last ones that fit. A window that is not covered is a dot; one that is covered in part,
/// or still runs, is dim.
pub(super) fn offered(line: &mut Line, windows: &[WindowSnapshot], columns: usize) {
    let windows = &windows[windows.len().saturating_sub(columns)..];
    let counts = Vec::from_iter(
        windows
            .iter()
            .map(|window| known(window, |window| Some(window.numbers.offered))),
    );
    let heights = sparkline(&counts, columns);
    add_bars(line, heights.chars(), windows.iter().map(is_whole), '·');
}

/// Neighbours of one style are written together.
fn add_bars(line: &mut Line, heights: impl Iterator<Item = char>, whole: impl Iterator<Item = bool>, absent: char) {
    let mut piece = (Style::Accent, String::new());
    for (height, is_whole) in heights.zip(whole) {
        let (style, height) = match height {
            ' ' => (Style::Dim, absent),
            height if is_whole => (Style::Accent, height),
            height => (Style::Dim, height),
        };
        if style != piece.0 {
            line.add(piece.0, &std::mem::take(&mut piece.1));
            piece.0 = style;
        }
        piece.1.push(height);
    }
    line.add(piece.0, &piece.1);
}

fn is_whole(window: &WindowSnapshot) -> bool {
    window.complete && window.coverage_percent >= 100.0
}

/// The number of a window, unless nothing is known of it.
fn known(window: &WindowSnapshot, of: impl Fn(&WindowSnapshot) -> Option<u64>) -> Option<u64> {
    of(window).filter(|_| window.coverage_percent > 0.0)
}

/// A number of windows, and how several windows become one bar.
struct Series {
    label: &'static str,
    of: fn(&WindowSnapshot) -> Option<u64>,
    joined: Joined,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Joined {
    Sum,
    Greatest,
}

/// The most important first: where there is little room, the last are left out.
const SERIES: &[Series] = &[
    Series {
        label: "offered",
        of: |window| Some(window.numbers.offered),
        joined: Joined::Sum,
    },
    Series {
        label: "answered",
        of: |window| Some(window.numbers.answered),
        joined: Joined::Sum,
    },
    Series {
        label: "abandoned",
        of: |window| Some(window.numbers.abandoned),
        joined: Joined::Sum,
    },
];

/// The windows as charts one below the other, in at most `room` lines: of each number its name, its sum or greatest, and
/// bars. `last` says when the windows end.
pub(super) fn over_time(view: &View<'_>, windows: &[WindowSnapshot], cols: usize, room: usize) -> Vec<Line> {
    let columns = cols.saturating_sub(LABEL + SUM + 2);
    let (Some(first), Some(last)) = (windows.first(), windows.last()) else {
        return Vec::new();
    };
    if columns < LEAST_BARS || room < 2 {
        return Vec::new();
    }
    let together = windows.len().div_ceil(columns);
    let groups = Vec::from_iter(windows.chunks(together));
    let count = SERIES.len().min(room - 1);
    // Two or three lines for each number where there is room for them beside all else.
    let height = ((room - 1) / count).clamp(1, 3);

    let mut title = Line::default();
    title.add(Style::Strong, "over time");
    let each = match secs(first).saturating_mul(together as u64) {
        secs if secs % 3600 == 0 => format!("{} h", secs / 3600),
        secs if secs % 60 == 0 => format!("{} min", secs / 60),
        secs => format!("{secs} s"),
    };
    let (from, to) = (view.hour(first.start), view.hour(end_of(last)));
    let says = format!("  {from} to {to} {}, {each} a column", view.zone_name());
    title.add(Style::Dim, &says);
    let mut lines = vec![title];
    for series in &SERIES[..count] {
        let of_group = |group: &[WindowSnapshot]| {
            let values = group.iter().filter_map(|window| known(window, series.of));
            match series.joined {
                Joined::Sum => values.reduce(u64::saturating_add),
                Joined::Greatest => values.max(),
            }
        };
        let samples = Vec::from_iter(groups.iter().map(|group| of_group(group)));
        let all = of_group(windows).map_or_else(|| "–".to_owned(), |all| number(all as f64));
        let rows = bars(&samples, height);
        for (at, row) in rows.iter().enumerate() {
            let mut line = Line::default();
            // Name and number stand at the foot of the bars.
            let is_foot = at + 1 == rows.len();
            line.left(Style::Normal, if is_foot { series.label } else { "" }, LABEL)
                .right(Style::Strong, if is_foot { &all } else { "" }, SUM)
                .add(Style::Normal, "  ");
            let whole = groups.iter().map(|group| group.iter().all(is_whole));
            add_bars(&mut line, row.chars(), whole, if is_foot { '·' } else { ' ' });
            lines.push(line);
        }
    }
    lines
}

/// Seconds of a window, from its granularity (`PT30S`, `PT1M`, `PT1H`).
fn secs(window: &WindowSnapshot) -> u64 {
    let text = window.granularity.trim_start_matches("PT");
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match &text[digits.len()..] {
        "S" => 1,
        "H" => 3600,
        _ => 60,
    };
    digits.parse().unwrap_or(1) * unit
}

fn end_of(window: &WindowSnapshot) -> Moment {
    window.start.plus(Duration::from_secs(secs(window)))
}
