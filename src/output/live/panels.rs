//! The parts of the screen that hold numbers: totals, the table of queues, the list of metrics.
//!
//! In: `View` · Out: lines · Thread: any (pure).

use std::cmp::Reverse;

use super::history::sparkline;
use super::layout::{Line, Style};
use super::screen::View;
use crate::Id;
use crate::model::snapshot::{ObservationSnapshot, QueueSnapshot, Snapshot};
use crate::output::text::{clock, number, secs, short};

/// Columns of the bar beside the waiting count.
const BAR: usize = 10;
/// Least columns of a queue's name.
const LEAST_NAME: usize = 8;
/// Most columns of a queue's name: beyond it the eye loses the row.
const MOST_NAME: usize = 32;

/// Active, waiting, interacting, after-call work; what the protocol does not tell is not shown.
pub(super) fn totals(view: &View<'_>, cols: usize) -> Option<Line> {
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

/// A column of the table of queues: head, width, and what it shows.
struct Column {
    head: &'static str,
    width: usize,
    show: fn(&QueueSnapshot) -> Option<String>,
}

const COLUMNS: [Column; 6] = [
    Column {
        head: "longest",
        width: 12,
        show: |queue| queue.longest_wait_secs.map(secs),
    },
    Column {
        head: "interacting",
        width: 11,
        show: |queue| queue.interacting.map(|n| n.to_string()),
    },
    Column {
        head: "acw",
        width: 5,
        show: |queue| queue.after_call_work.map(|n| n.to_string()),
    },
    Column {
        head: "average wait",
        width: 12,
        show: |queue| queue.average_wait_secs.map(secs),
    },
    Column {
        head: "serv. level",
        width: 11,
        show: service_level,
    },
    Column {
        head: "on queue",
        width: 8,
        show: on_queue,
    },
];

/// Genesys' own `oServiceLevel` over all media.
fn service_level(queue: &QueueSnapshot) -> Option<String> {
    let rows: Vec<_> = queue
        .observations
        .values()
        .filter_map(|metrics| match metrics.get("oServiceLevel")? {
            ObservationSnapshot::Plain(stats) => Some(stats),
            ObservationSnapshot::Qualified(_) => None,
        })
        .collect();
    let sum = |key: &str| rows.iter().map(|stats| stats.get(key)).sum::<Option<f64>>();
    let ratio = match (sum("numerator"), sum("denominator")) {
        (Some(part), Some(whole)) if whole > 0.0 => part / whole,
        _ => *rows.first()?.get("ratio")?,
    };
    Some(format!("{} %", number((ratio * 1000.0).round() / 10.0)))
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
    rows.sort_by_cached_key(|(id, queue)| (Reverse(queue.waiting), queue.name.clone(), (*id).clone()));
    let waits = rows.iter().any(|(_, queue)| queue.waiting.is_some());
    let most = rows
        .iter()
        .filter_map(|(_, queue)| queue.waiting)
        .max()
        .unwrap_or(0)
        .max(1);
    let name_of = |id: &Id, queue: &QueueSnapshot| queue.name.clone().unwrap_or_else(|| short(id));
    let widest = rows
        .iter()
        .map(|(id, queue)| crate::output::text::width(&name_of(id, queue)))
        .max();
    let wanted = widest.unwrap_or(0).clamp(LEAST_NAME, MOST_NAME);

    // Columns from left to right while the name keeps its least width; one that nobody can fill is left out.
    let mut left = cols.saturating_sub(LEAST_NAME + if waits { 8 } else { 0 });
    let mut columns = Vec::new();
    for column in &COLUMNS {
        let filled = rows.iter().any(|(_, queue)| (column.show)(queue).is_some()) || column.head == "longest" && waits;
        if filled && left > column.width {
            left -= column.width + 1;
            columns.push(column);
        }
    }
    let name = wanted.min(LEAST_NAME + left);
    left -= name - LEAST_NAME;
    let bar = if waits && left > BAR { BAR } else { 0 };
    left -= if bar > 0 { bar + 1 } else { 0 };
    let spark = if waits && left > 12 { (left - 2).min(60) } else { 0 };

    let mut head = Line::default();
    head.left(Style::Dim, "queue", name);
    if waits {
        head.right(Style::Dim, "waiting", 8);
        if bar > 0 {
            head.left(Style::Dim, "", bar + 1);
        }
    }
    for column in &columns {
        head.right(Style::Dim, column.head, column.width + 1);
    }
    if spark > 0 {
        head.add(Style::Dim, "  waiting over time");
    }
    let mut lines = vec![head];
    for (id, queue) in rows {
        let mut line = Line::default();
        line.left(Style::Normal, &name_of(id, queue), name);
        if waits {
            let waiting = queue.waiting.unwrap_or(0);
            let text = queue.waiting.map_or_else(|| "-".to_owned(), |n| n.to_string());
            line.right(waiting_style(waiting), &text, 8);
            if bar > 0 {
                line.add(Style::Normal, " ")
                    .left(Style::Warn, &self::bar(waiting, most, bar), bar);
            }
        }
        for column in &columns {
            let text = (column.show)(queue).unwrap_or_else(|| "-".to_owned());
            line.right(Style::Normal, &text, column.width + 1);
        }
        if spark > 0 {
            line.add(Style::Normal, "  ");
            line.add(Style::Accent, &sparkline(&view.history.queue(id), spark));
        }
        lines.push(line);
    }
    lines
}

/// A bar in eighths of a column; anything above nothing is seen.
fn bar(value: u64, most: u64, columns: usize) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = u128::from(value) * (columns as u128) * 8 / u128::from(most);
    let eighths = usize::try_from(eighths).unwrap_or(0).max(usize::from(value > 0));
    format!("{}{}", "█".repeat(eighths / 8), PARTS[eighths % 8])
}

fn metrics(snapshot: &Snapshot, cols: usize) -> Vec<Line> {
    let widest = snapshot
        .metrics
        .keys()
        .map(|name| crate::output::text::width(name))
        .max()
        .unwrap_or(0);
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
