//! Numbers over time as bars.
//!
//! In: windows · Out: lines · Thread: any (pure).

use std::time::Duration;

use super::history::{bars, sparkline};
use super::layout::{Line, Style};
use super::view::View;
use crate::Moment;
use crate::config::period;
use crate::model::snapshot::{Day, LiveRange, Numbers, WindowLive, WindowSnapshot};
use crate::output::text::number;

/// Columns of the name of a series and of its sum.
const LABEL: usize = 11;
const SUM: usize = 11;
/// Without so many columns for bars there is no chart.
const LEAST_BARS: usize = 8;
/// Columns of the bar of one window at most.
const WIDEST_BAR: usize = 5;

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

/// A number of windows over time.
struct Series {
    label: &'static str,
    of: Number,
}

#[derive(Clone, Copy)]
enum Number {
    /// It is counted: several windows have the sum.
    Counted(fn(&Numbers) -> u64),
    /// It holds for a time: several windows have the greatest.
    Live(fn(&WindowLive) -> Option<LiveRange>),
}

/// The most important first: where there is little room, the last are left out.
const SERIES: [Series; 7] = [
    Series {
        label: "waiting",
        of: Number::Live(|live| live.waiting),
    },
    Series {
        label: "offered",
        of: Number::Counted(|numbers| numbers.offered),
    },
    Series {
        label: "abandoned",
        of: Number::Counted(|numbers| numbers.abandoned),
    },
    Series {
        label: "answered",
        of: Number::Counted(|numbers| numbers.answered),
    },
    Series {
        label: "longest s",
        of: Number::Live(|live| live.longest_wait_secs),
    },
    Series {
        label: "interacting",
        of: Number::Live(|live| live.interacting),
    },
    Series {
        label: "idle",
        of: Number::Live(|live| live.idle),
    },
];

impl Series {
    /// The bar of these windows; `None` where nothing is known of them.
    fn bar(&self, windows: &[WindowSnapshot]) -> Option<u64> {
        match self.of {
            Number::Counted(of) => {
                let counts = windows
                    .iter()
                    .filter_map(|window| known(window, |window| Some(of(&window.numbers))));
                counts.reduce(u64::saturating_add)
            }
            // The cast rounds down and keeps within the limits.
            Number::Live(_) => self.live(windows).map(|range| range.max as u64).max(),
        }
    }

    fn live(&self, windows: &[WindowSnapshot]) -> impl Iterator<Item = LiveRange> {
        let of = match self.of {
            Number::Counted(_) => None,
            Number::Live(of) => Some(of),
        };
        windows.iter().filter_map(move |window| of?(window.live.as_ref()?))
    }

    /// The sum over all windows; of a live number the greatest, and the mean of the means.
    fn says(&self, windows: &[WindowSnapshot]) -> (String, String) {
        let bar = self
            .bar(windows)
            .map_or_else(|| "–".to_owned(), |all| number(all as f64));
        let count = self.live(windows).count();
        if count == 0 {
            return (bar, String::new());
        }
        let mean = self.live(windows).map(|range| range.mean).sum::<f64>() / count as f64;
        (format!("max {bar}"), format!("mean {:.1}", mean))
    }
}

/// The windows as charts one below the other, in at most `room` lines.
pub(super) fn over_time(view: &View<'_>, windows: &[WindowSnapshot], cols: usize, room: usize) -> Vec<Line> {
    chart(view, "over time", &Vec::from_iter(&SERIES), windows, cols, room)
}

/// The live numbers of the day by quarter of an hour, in at most `room` lines; nothing before the second quarter.
pub(super) fn of_the_day(view: &View<'_>, day: &Day, cols: usize, room: usize) -> Vec<Line> {
    of_quarters(view, day.quarters(), cols, room)
}

fn of_quarters(
    view: &View<'_>,
    quarters: impl Iterator<Item = (Moment, WindowLive)>,
    cols: usize,
    room: usize,
) -> Vec<Line> {
    let mut windows: Vec<WindowSnapshot> = Vec::new();
    for (start, live) in quarters {
        let mut next = windows.last().map_or(start, end_of);
        // A quarter of which nothing is known has its place, too.
        while next < start {
            windows.push(quarter(next, None));
            next = next.plus(QUARTER);
        }
        windows.push(quarter(start, Some(live)));
    }
    if windows.len() < 2 {
        return Vec::new();
    }
    let is_live = |series: &&Series| matches!(series.of, Number::Live(_));
    let series = Vec::from_iter(SERIES.iter().filter(is_live));
    chart(view, "the day", &series, &windows, cols, room)
}

const QUARTER: Duration = Duration::from_secs(900);

fn quarter(start: Moment, live: Option<WindowLive>) -> WindowSnapshot {
    WindowSnapshot {
        start,
        granularity: "PT15M".into(),
        complete: true,
        coverage_percent: 100.0,
        numbers: Numbers::default(),
        live,
    }
}

/// Of each number its name, its sum or greatest, and bars.
fn chart(
    view: &View<'_>,
    title: &str,
    series: &[&Series],
    windows: &[WindowSnapshot],
    cols: usize,
    room: usize,
) -> Vec<Line> {
    let columns = cols.saturating_sub(LABEL + SUM + 2);
    let (Some(first), Some(last)) = (windows.first(), windows.last()) else {
        return Vec::new();
    };
    let told = Vec::from_iter(series.iter().filter(|series| series.bar(windows).is_some()));
    let count = told.len().min(room.saturating_sub(1));
    if columns < LEAST_BARS || count == 0 {
        return Vec::new();
    }
    // Several windows in one column, or several columns for one window.
    let together = windows.len().div_ceil(columns);
    let groups = Vec::from_iter(windows.chunks(together));
    let wide = (columns / groups.len()).min(WIDEST_BAR);
    // Two or three lines for each number where there is room for them.
    let height = ((room - 1) / count).clamp(1, 3);

    let mut head = Line::default();
    head.add(Style::Strong, title);
    let each = match secs(first).saturating_mul(together as u64) {
        secs if secs % 3600 == 0 => format!("{} h", secs / 3600),
        secs if secs % 60 == 0 => format!("{} min", secs / 60),
        secs => format!("{secs} s"),
    };
    let (from, to) = (view.hour(first.start), view.hour(end_of(last)));
    let says = format!("  {from} to {to} {}, {each} a bar", view.zone_name());
    head.add(Style::Dim, &says);
    let mut lines = vec![head];
    for series in &told[..count] {
        let samples = Vec::from_iter(groups.iter().map(|group| series.bar(group)));
        let (foot, above) = series.says(windows);
        let rows = bars(&samples, height);
        for (at, row) in rows.iter().enumerate() {
            let mut line = Line::default();
            // Name and number stand at the foot of the bars, the mean above.
            let (label, says, absent) = match rows.len() - at {
                1 => (series.label, foot.as_str(), '·'),
                2 => ("", above.as_str(), ' '),
                _ => ("", "", ' '),
            };
            line.left(Style::Normal, label, LABEL)
                .right(Style::Strong, says, SUM)
                .add(Style::Normal, "  ");
            let heights = row.chars().flat_map(|height| std::iter::repeat_n(height, wide));
            let whole = groups.iter().map(|group| group.iter().all(is_whole));
            let whole = whole.flat_map(|is_whole| std::iter::repeat_n(is_whole, wide));
            add_bars(&mut line, heights, whole, absent);
            lines.push(line);
        }
    }
    lines
}

/// Seconds of a window, from its granularity (`PT30S`, `PT1M`, `PT1H`).
fn secs(window: &WindowSnapshot) -> u64 {
    period::parse_simple(&window.granularity).unwrap_or(60)
}

fn end_of(window: &WindowSnapshot) -> Moment {
    window.start.plus(Duration::from_secs(secs(window)))
}

#[cfg(test)]
#[path = "charts_tests.rs"]
mod tests;
