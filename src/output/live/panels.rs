//! The parts of the screen that hold numbers: totals, the table of queues, the list of metrics.
//!
//! In: `View` · Out: lines · Thread: any (pure).

use super::history::sparkline;
use super::layout::{Line, Style};
use super::view::View;
use crate::Id;
use crate::model::numbers::WindowSnapshot;
use crate::model::snapshot::{ObservationSnapshot, QueueSnapshot, Snapshot};
use crate::output::text::{clock, number, short, width};

/// Least columns of a queue's name.
const LEAST_NAME: usize = 8;
/// Most columns of a queue's name: beyond it the eye loses the row.
const MOST_NAME: usize = 32;
/// Least and most columns of a sparkline in the table.
const LEAST_SPARK: usize = 10;
const MOST_SPARK: usize = 60;
/// Between two columns, and before a sparkline.
const GUTTER: usize = 1;

/// What holds now, and below it what happened; what the protocol does not tell is not shown.
pub(super) fn totals(view: &View<'_>, cols: usize) -> Vec<Line> {
    [now(view, cols), so_far(view, cols)].into_iter().flatten().collect()
}

/// Active, waiting, interacting, after-call work.
fn now(view: &View<'_>, cols: usize) -> Option<Line> {
    let totals = &view.snapshot.totals;
    let mut line = Line::default();
    let mut part = |value: Option<u64>, style: Style, what: &str| {
        let Some(value) = value else { return };
        if line.used() > 0 {
            line.add(Style::Normal, "   ");
        }
        line.add(style, &value.to_string())
            .add(Style::Normal, &format!(" {what}"));
    };
    part(totals.active_conversations, Style::Strong, "active");
    part(totals.waiting, waiting_style(totals.waiting.unwrap_or(0)), "waiting");
    part(totals.interacting, Style::Strong, "interacting");
    part(
        totals.after_call_work,
        Style::Strong,
        if cols < 60 { "acw" } else { "after-call work" },
    );
    let room = cols.saturating_sub(line.used() + 12);
    let spark = sparkline(&view.history.total(), room.min(60));
    if room >= 8 && !spark.trim().is_empty() {
        line.add(Style::Dim, "   waiting ").add(Style::Accent, &spark);
    }
    (line.used() > 0).then_some(line)
}

/// Offered, answered, abandoned, service level, since the start or midnight.
fn so_far(view: &View<'_>, cols: usize) -> Option<Line> {
    let all = view.snapshot.all_queues.as_ref()?;
    let mut line = Line::default();
    let mut part = |style: Style, value: String, what: &str| {
        if line.used() > 0 {
            line.add(Style::Normal, "   ");
        }
        line.add(style, &value).add(Style::Normal, &format!(" {what}"));
    };
    part(Style::Strong, all.totals.offered.to_string(), "offered");
    part(Style::Strong, all.totals.answered.to_string(), "answered");
    part(Style::Strong, all.totals.abandoned.to_string(), "abandoned");
    if let Some(level) = all.totals.service_level_percent {
        part(Style::Strong, format!("{:.0} %", level.floor()), "service level");
    }
    line.add(Style::Dim, &format!("   {}", view.since));
    let open = unrepaired(view.snapshot);
    if open > 0 {
        let word = if open == 1 { "gap" } else { "gaps" };
        let mut marked = Line::default();
        // First, so that no narrow screen cuts it off.
        marked.add(Style::Warn, &format!("NOT COMPLETE ({open} {word})   "));
        marked.join(&line.dimmed());
        line = marked;
    }
    let room = cols.saturating_sub(line.used() + 12);
    if room >= LEAST_SPARK && !all.windows.is_empty() {
        line.add(Style::Dim, "   offered ");
        windows(&mut line, &all.windows, room.min(MOST_SPARK));
    }
    Some(line)
}

/// Gaps that REST did not fill in: what was counted is less than what happened.
fn unrepaired(snapshot: &Snapshot) -> usize {
    snapshot.connection.gaps.iter().filter(|gap| !gap.repaired).count()
}

/// Offered visits by window, the last ones that fit. A window that is not covered is a dot; one that is covered in part,
/// or still runs, is dim.
fn windows(line: &mut Line, windows: &[WindowSnapshot], columns: usize) {
    let windows = &windows[windows.len().saturating_sub(columns)..];
    let counts: Vec<Option<u64>> = windows
        .iter()
        .map(|window| (window.coverage_percent > 0.0).then_some(window.numbers.offered))
        .collect();
    // One piece for neighbours of one style.
    let mut piece = (Style::Accent, String::new());
    for (window, height) in windows.iter().zip(sparkline(&counts, columns).chars()) {
        let (style, height) = match height {
            ' ' => (Style::Dim, '·'),
            height if window.complete && window.coverage_percent >= 100.0 => (Style::Accent, height),
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

fn waiting_style(waiting: u64) -> Style {
    if waiting > 0 { Style::Warn } else { Style::Strong }
}

/// Queues and metrics, headed; every line may be the last that fits.
pub(super) fn table(view: &View<'_>, cols: usize) -> Vec<Line> {
    let snapshot = view.snapshot;
    let mut lines = Vec::new();
    if !snapshot.queues.is_empty() {
        lines.extend(queues(view, cols));
    }
    if !snapshot.metrics.is_empty() {
        lines.extend(metrics(snapshot, cols));
    }
    if lines.is_empty() {
        let mut line = Line::default();
        line.add(Style::Dim, "no queue or metric seen yet");
        lines.push(line);
    }
    lines
}

/// The first lines that fit, with a line that tells how many do not.
pub(super) fn fit(mut lines: Vec<Line>, room: usize) -> Vec<Line> {
    if lines.len() > room {
        let hidden = lines.len() - room.saturating_sub(1);
        lines.truncate(room.saturating_sub(1));
        if room > 0 {
            let mut line = Line::default();
            line.add(Style::Dim, &format!("… {hidden} more rows"));
            lines.push(line);
        }
    }
    lines
}

/// What stands in a cell, and how it looks.
type Cell = (Style, String);

/// A column of the table of queues: head, width, and what it shows.
struct Column {
    head: &'static str,
    width: usize,
    show: fn(&QueueSnapshot) -> Option<Cell>,
    /// From what happened, which gaps make incomplete.
    counted: bool,
}

/// In the order of their worth: on a narrow screen the last are left out.
const COLUMNS: [Column; 11] = [
    column("waiting", 7, |queue| {
        queue.waiting.map(|n| (waiting_style(n), n.to_string()))
    }),
    column("longest", 7, |queue| {
        Some((Style::Normal, queue.longest_wait_secs.map(minutes)?))
    }),
    column("interacting", 11, |queue| queue.interacting.map(plain_number)),
    column("acw", 3, |queue| queue.after_call_work.map(plain_number)),
    counted("SL/target", 9, service_level),
    counted("abandoned", 9, |queue| queue.totals.map(|n| plain_number(n.abandoned))),
    counted("offered", 7, |queue| queue.totals.map(|n| plain_number(n.offered))),
    counted("answered", 8, |queue| queue.totals.map(|n| plain_number(n.answered))),
    column("average wait", 12, average_wait),
    counted("handle time", 11, |queue| {
        Some((Style::Normal, minutes(queue.totals?.average_handle_secs?)))
    }),
    column("on queue", 8, |queue| on_queue(queue).map(|n| (Style::Normal, n))),
];

const fn column(head: &'static str, width: usize, show: fn(&QueueSnapshot) -> Option<Cell>) -> Column {
    Column {
        head,
        width,
        show,
        counted: false,
    }
}

const fn counted(head: &'static str, width: usize, show: fn(&QueueSnapshot) -> Option<Cell>) -> Column {
    Column {
        counted: true,
        ..column(head, width, show)
    }
}

fn plain_number(n: u64) -> Cell {
    (Style::Normal, n.to_string())
}

/// `81/80%`: what is, and the queue's own target. What misses it is marked, also without colours.
fn service_level(queue: &QueueSnapshot) -> Option<Cell> {
    let level = queue.totals?.service_level_percent?;
    // Not rounded up: 79.9 % does not reach 80 %.
    let shown = level.floor();
    Some(match queue.service_level_target_percent {
        Some(target) if level < target => (Style::Bad, format!("{shown:.0}/{target:.0}%!")),
        Some(target) => (Style::Good, format!("{shown:.0}/{target:.0}% ")),
        None => (Style::Normal, format!("{shown:.0}% ")),
    })
}

/// The server's own number where it gives one, else what was counted.
fn average_wait(queue: &QueueSnapshot) -> Option<Cell> {
    let counted = || queue.totals?.average_wait_secs;
    Some((Style::Normal, minutes(queue.average_wait_secs.or_else(counted)?)))
}

/// `0:12`, `12:07`, `1:02:07`.
fn minutes(secs: f64) -> String {
    // Negative and what is no number becomes 0.
    let secs = secs as u64;
    let (hours, minutes, secs) = (secs / 3600, secs / 60 % 60, secs % 60);
    match hours {
        0 => format!("{minutes}:{secs:02}"),
        _ => format!("{hours}:{minutes:02}:{secs:02}"),
    }
}

/// Genesys' own count of users on queue, over all routing statuses.
fn on_queue(queue: &QueueSnapshot) -> Option<String> {
    let count = queue.observations.get("all")?.get("oOnQueueUsers")?;
    let count = match count {
        ObservationSnapshot::Plain(stats) => *stats.get("count")?,
        ObservationSnapshot::Qualified(by) => by.values().filter_map(|stats| stats.get("count")).sum(),
    };
    Some(number(count))
}

fn queues(view: &View<'_>, cols: usize) -> Vec<Line> {
    let mut rows: Vec<(&Id, &QueueSnapshot)> = view.snapshot.queues.iter().collect();
    rows.sort_by(|one, other| {
        let by_name = || one.1.name.cmp(&other.1.name).then(one.0.cmp(other.0));
        other.1.waiting.cmp(&one.1.waiting).then_with(by_name)
    });
    let name_of = |id: &Id, queue: &QueueSnapshot| queue.name.clone().unwrap_or_else(|| short(id));
    let widest = rows.iter().map(|(id, queue)| width(&name_of(id, queue))).max();
    let wanted = widest.unwrap_or(0).clamp(LEAST_NAME, MOST_NAME);
    let has_windows = rows.iter().any(|(_, queue)| queue.windows.is_some());
    let waits = rows.iter().any(|(_, queue)| queue.waiting.is_some());

    // Columns while the name keeps its least width and the sparkline, once the first six stand, its own; one that nobody
    // can fill is left out.
    let mut left = cols.saturating_sub(LEAST_NAME);
    let mut columns = Vec::new();
    for (at, column) in COLUMNS.iter().enumerate() {
        let filled = rows.iter().any(|(_, queue)| (column.show)(queue).is_some()) || column.head == "longest" && waits;
        let kept = if has_windows && at >= 6 {
            LEAST_SPARK + 2 * GUTTER + (wanted - LEAST_NAME)
        } else {
            0
        };
        if filled && left >= column.width + GUTTER + kept {
            left -= column.width + GUTTER;
            columns.push(column);
        }
    }
    let name = wanted.min(LEAST_NAME + left);
    left -= name - LEAST_NAME;
    let spark = match left.saturating_sub(2 * GUTTER).min(MOST_SPARK) {
        spark if has_windows && spark >= LEAST_SPARK => spark,
        _ => 0,
    };

    let mut head = Line::default();
    head.left(Style::Dim, "queue", name);
    for column in &columns {
        head.right(Style::Dim, column.head, column.width + GUTTER);
    }
    if spark > 0 {
        let title = if spark < 17 { "over time" } else { "offered over time" };
        head.add(Style::Dim, "  ").left(Style::Dim, title, spark);
    }
    let incomplete = unrepaired(view.snapshot) > 0;
    let mut lines = vec![head];
    for (id, queue) in rows {
        let mut line = Line::default();
        line.left(Style::Normal, &name_of(id, queue), name);
        for column in &columns {
            let (style, text) = (column.show)(queue).unwrap_or((Style::Dim, "-".to_owned()));
            let style = if incomplete && column.counted {
                Style::Dim
            } else {
                style
            };
            line.right(style, &text, column.width + GUTTER);
        }
        if spark > 0 {
            line.add(Style::Normal, "  ");
            windows(&mut line, queue.windows.as_deref().unwrap_or_default(), spark);
        }
        lines.push(line);
    }
    lines
}

fn metrics(snapshot: &Snapshot, cols: usize) -> Vec<Line> {
    let widest = snapshot.metrics.keys().map(|name| width(name)).max().unwrap_or(0);
    let name = widest
        .clamp(LEAST_NAME, MOST_NAME)
        .min(cols.saturating_sub(14).max(LEAST_NAME));
    let mut head = Line::default();
    head.left(Style::Dim, "metric", name)
        .right(Style::Dim, "value", 13)
        .add(Style::Dim, "   of (UTC)");
    let mut lines = vec![head];
    for (key, metric) in &snapshot.metrics {
        let mut line = Line::default();
        line.left(Style::Normal, key, name)
            .right(Style::Strong, &number(metric.value), 13);
        line.add(Style::Dim, "   ")
            .left(Style::Dim, &metric.timestamp.map_or_else(|| "-".to_owned(), clock), 8);
        let kind = key.split('.').next().unwrap_or_default();
        let stale = snapshot.freshness.get(kind).is_some_and(|freshness| freshness.stale);
        if let Some(entity) = &metric.entity {
            line.add(Style::Dim, &format!("  {}", short(entity)));
        }
        if stale {
            line.add(Style::Warn, "  stale");
            line = line.dimmed();
        }
        lines.push(line);
    }
    lines
}
