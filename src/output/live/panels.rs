//! The totals, and the list of metrics.
//!
//! In: `View` · Out: lines · Thread: any (pure).

use super::charts;
use super::columns::{NO_NUMBER, live_style, shown};
use super::history::sparkline;
use super::layout::{Line, Style};
use super::queues::{LEAST_SPARK, MOST_SPARK};
use super::view::View;
use crate::model::counts::{Field, LiveNumbers, Numbers, Unit};
use crate::model::snapshot::UnknownQueues;
use crate::output::text::{number, short, width};

/// Least and most columns of a metric's name.
const LEAST_NAME: usize = 8;
const MOST_NAME: usize = 32;
/// Rank of the least important number that is shown over all queues.
const LEAST_RANK_OF_ALL: u8 = 8;

/// A line of what holds now and a line of what happened, as far as the protocol tells.
pub(super) fn totals(view: &View<'_>, cols: usize) -> Vec<Line> {
    [now(view, cols), so_far(view, cols)].into_iter().flatten().collect()
}

/// Active conversations and the live numbers over all queues.
fn now(view: &View<'_>, cols: usize) -> Option<Line> {
    let totals = &view.snapshot.totals;
    let mut line = Line::default();
    let mut part = |style: Style, value: &str, label: &str| {
        if line.used() > 0 {
            line.add(Style::Normal, "   ");
        }
        line.add(style, value).add(Style::Normal, &format!(" {label}"));
    };
    if let Some(active) = totals.active_conversations {
        part(Style::Strong, &active.to_string(), "active");
    }
    let none_known = UnknownQueues::of(view.snapshot).is_some_and(|unknown| unknown.are_all());
    for field in LiveNumbers::FIELDS {
        // Without the preposition, which costs room.
        let label = if cols < 60 {
            field.head
        } else {
            field.label.trim_start_matches("in ")
        };
        match (field.of)(&totals.live) {
            Some(_) if none_known => part(Style::Dim, NO_NUMBER, label),
            Some(value) => part(live_style(field, value, Style::Strong), &value.to_string(), label),
            None => {}
        }
    }
    let room = cols.saturating_sub(line.used() + 12);
    let spark = sparkline(&view.history.total(), room.min(60));
    if room >= 8 && !spark.trim().is_empty() {
        line.add(Style::Dim, "   waiting ").add(Style::Accent, &spark);
    }
    (line.used() > 0).then_some(line)
}

/// The most important totals over all queues, since the start or midnight.
fn so_far(view: &View<'_>, cols: usize) -> Option<Line> {
    let all = view.snapshot.all_queues.as_ref()?;
    let mut line = Line::default();
    let mut part = |style: Style, value: String, what: &str| {
        if line.used() > 0 {
            line.add(Style::Normal, "   ");
        }
        line.add(style, &value).add(Style::Normal, &format!(" {what}"));
    };
    let important = |field: &&Field<Numbers>| (1..=LEAST_RANK_OF_ALL).contains(&field.rank);
    for field in Numbers::FIELDS.iter().filter(important) {
        if let Some(value) = (field.of)(&all.totals) {
            let percent = if field.unit == Unit::Percent { " %" } else { "" };
            part(Style::Strong, shown(field.unit, value) + percent, field.label);
        }
    }
    line.add(Style::Dim, &format!("   {}", view.since));
    let open = view.unrepaired_gaps();
    if open > 0 {
        let word = if open == 1 { "gap" } else { "gaps" };
        let mut marked = Line::default();
        // In front, so that a narrow screen does not cut it off.
        marked.add(Style::Warn, &format!("NOT COMPLETE ({open} {word})   "));
        marked.join(&line.dimmed());
        line = marked;
    }
    let room = cols.saturating_sub(line.used() + 12);
    if room >= LEAST_SPARK && !all.windows.is_empty() {
        line.add(Style::Dim, "   offered ");
        charts::offered(&mut line, &all.windows, room.min(MOST_SPARK));
    }
    Some(line)
}

/// A head, then a line for each metric.
pub(super) fn metrics(view: &View<'_>, cols: usize) -> Vec<Line> {
    let snapshot = view.snapshot;
    let widest = snapshot.metrics.keys().map(|name| width(name)).max().unwrap_or(0);
    let name = widest
        .clamp(LEAST_NAME, MOST_NAME)
        .min(cols.saturating_sub(14).max(LEAST_NAME));
    let mut head = Line::default();
    head.left(Style::Dim, "metric", name)
        .right(Style::Dim, "value", 13)
        .add(Style::Dim, &format!("   of ({})", view.zone_name()));
    let mut lines = vec![head];
    for (key, metric) in &snapshot.metrics {
        let mut line = Line::default();
        line.left(Style::Normal, key, name)
            .right(Style::Strong, &number(metric.value), 13);
        line.add(Style::Dim, "   ").left(
            Style::Dim,
            &metric
                .timestamp
                .map_or_else(|| NO_NUMBER.to_owned(), |at| view.clock(at)),
            8,
        );
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
