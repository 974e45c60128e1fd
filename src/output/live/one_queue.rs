//! One queue's own page: its numbers by medium, its agents, its windows.
//!
//! In: `View`, the queue's id · Out: lines · Thread: any (pure).

use super::columns::{self, style_of};
use super::layout::{Line, Style};
use super::queues::incomplete;
use super::view::View;
use super::{agents, charts};
use crate::Id;
use crate::model::snapshot::{ObservationSnapshot, QueueSnapshot, WindowSnapshot};
use crate::output::text::{number, short, sign};

/// Columns of the first column of a table.
const FIRST: usize = 10;
/// Lines of the charts.
const CHARTS: usize = 10;
/// Least lines of a screen with charts.
const ROOMY: usize = 20;

/// The whole page; it may be longer than the screen.
pub(super) fn lines(view: &View<'_>, id: &Id, cols: usize, room: usize) -> Vec<Line> {
    let Some(queue) = view.snapshot.queues.get(id) else {
        return vec![said(Style::Warn, "this queue is not subscribed any more")];
    };
    let mut lines = vec![title(view, id, queue)];
    if let Some(why) = &queue.unknown {
        lines.push(said(Style::Warn, &format!("its live numbers are not known: {why}")));
    }
    lines.push(Line::default());
    lines.extend(by_medium(view, queue, cols));
    for people in [counts_of_users(queue), agents::members(view, id, (cols, room))] {
        if !people.is_empty() {
            lines.push(Line::default());
            lines.extend(people);
        }
    }
    if let Some(windows) = &queue.windows {
        let windows = Vec::from_iter(windows.iter());
        if room >= ROOMY {
            for chart in [
                charts::over_time(view, &windows, cols, CHARTS),
                charts::of_the_day(view, &queue.day, cols, CHARTS),
            ] {
                if !chart.is_empty() {
                    lines.push(Line::default());
                }
                lines.extend(chart);
            }
        }
        lines.push(Line::default());
        lines.extend(by_window(view, queue, &windows, cols));
    }
    lines
}

fn said(style: Style, text: &str) -> Line {
    let mut line = Line::default();
    line.add(style, text);
    line
}

/// Its name and what fires.
fn title(view: &View<'_>, id: &Id, queue: &QueueSnapshot) -> Line {
    let mut line = Line::default();
    line.add(Style::Strong, &queue.name.clone().unwrap_or_else(|| short(id)));
    for (name, alert) in &queue.alerts {
        let value = alert.value.map_or_else(|| "–".to_owned(), number);
        let (sign, name, since) = (
            sign(alert.level),
            name.as_str().replace('_', " "),
            view.clock(alert.since),
        );
        line.add(style_of(alert.level), &format!("  {sign} {name} {value} since {since}"));
    }
    line
}

/// A row for all media, then one for each.
fn by_medium(view: &View<'_>, queue: &QueueSnapshot, cols: usize) -> Vec<Line> {
    let mut rows = vec![(
        "all".to_owned(),
        QueueSnapshot {
            windows: None,
            ..queue.clone()
        },
    )];
    for (medium, numbers) in &queue.by_media {
        let row = QueueSnapshot {
            live: numbers.live,
            longest_wait_secs: numbers.longest_wait_secs,
            totals: Some(numbers.totals),
            unknown: queue.unknown.clone(),
            ..QueueSnapshot::default()
        };
        rows.push((medium.clone(), row));
    }
    table(view, "medium", &rows, cols)
}

/// The newest first.
fn by_window(view: &View<'_>, queue: &QueueSnapshot, windows: &[WindowSnapshot], cols: usize) -> Vec<Line> {
    let rows = Vec::from_iter(windows.iter().rev().map(|window| {
        let mark = match window {
            window if window.coverage_percent < 100.0 => format!(" {:.0}%", window.coverage_percent.floor()),
            window if !window.complete => " …".to_owned(),
            _ => String::new(),
        };
        let row = QueueSnapshot {
            totals: Some(window.numbers),
            service_level_target_percent: queue.service_level_target_percent,
            ..QueueSnapshot::default()
        };
        (view.hour(window.start) + &mark, row)
    }));
    if rows.is_empty() {
        return Vec::new();
    }
    table(view, "window", &rows, cols)
}

fn table(view: &View<'_>, first: &str, rows: &[(String, QueueSnapshot)], cols: usize) -> Vec<Line> {
    let queues = Vec::from_iter(rows.iter().map(|(_, queue)| queue));
    let (columns, _) = columns::choose(&queues, cols.saturating_sub(FIRST), usize::MAX, 0);
    let mut head = Line::default();
    head.left(Style::Dim, first, FIRST);
    columns.iter().for_each(|column| column.head(&mut head));
    let mut lines = vec![head];
    for (name, queue) in rows {
        let mut line = Line::default();
        line.left(Style::Normal, name, FIRST);
        columns
            .iter()
            .for_each(|column| column.add(&mut line, queue, incomplete(view)));
        lines.push(line);
    }
    lines
}

/// How many of its agents are in which status, by the queue's observations.
fn counts_of_users(queue: &QueueSnapshot) -> Vec<Line> {
    let Some(observations) = queue.observations.get("all") else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for (metric, label) in [
        ("oMemberUsers", "members"),
        ("oActiveUsers", "active"),
        ("oOnQueueUsers", "on queue"),
        ("oOffQueueUsers", "off queue"),
    ] {
        let Some(observation) = observations.get(metric) else {
            continue;
        };
        let mut line = Line::default();
        line.left(Style::Dim, label, FIRST);
        match observation {
            ObservationSnapshot::Plain(stats) => {
                let count = stats.get("count").copied().unwrap_or(0.0);
                line.right(Style::Strong, &number(count), 6);
            }
            ObservationSnapshot::Qualified(by) => {
                let count_of =
                    |stats: &std::collections::BTreeMap<String, f64>| stats.get("count").copied().unwrap_or(0.0);
                line.right(Style::Strong, &number(by.values().map(count_of).sum()), 6);
                // A qualifier with a digit is the id of a presence, which says nothing to people.
                let named = |(qualifier, _): &(&String, _)| !qualifier.contains(|c: char| c.is_ascii_digit());
                for (qualifier, stats) in by.iter().filter(named) {
                    let status = qualifier.to_lowercase().replace('_', " ");
                    line.add(Style::Normal, &format!("   {} {status}", number(count_of(stats))));
                }
            }
        }
        lines.push(line);
    }
    if !lines.is_empty() {
        lines.insert(0, said(Style::Strong, "agents"));
    }
    lines
}
