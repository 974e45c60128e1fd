//! The table of queues.
//!
//! In: `View` · Out: lines · Thread: any (pure).

use super::charts;
use super::columns::{self, GUTTER, Incomplete, NO_NUMBER, style_of};
use super::layout::{Line, Style};
use super::order;
use super::view::View;
use crate::Id;
use crate::model::counts::LiveNumbers;
use crate::model::snapshot::{QueueSnapshot, WhyUnknown};
use crate::output::text::{short, sign, width};

/// Least columns of a queue's name.
const LEAST_NAME: usize = 8;
/// Most columns of a queue's name; with a longer one it is hard to follow the row.
const MOST_NAME: usize = 32;
/// Least and most columns of a sparkline in the table.
pub(super) const LEAST_SPARK: usize = 10;
pub(super) const MOST_SPARK: usize = 60;
/// Columns of the table that come before the sparkline, where there is no room for all.
const BEFORE_SPARK: usize = 6;

/// Rows in their order, and the place of the selected one.
pub(super) struct Table {
    /// The first line is the head.
    pub(super) lines: Vec<Line>,
    pub(super) selected: Option<usize>,
}

/// The table of the queues that the viewer's filter lets through.
pub(super) fn table(view: &View<'_>, cols: usize) -> Table {
    let board = view.board;
    let rows = order::queues(view.snapshot, view.history, board.queue_order, &board.queue_filter);
    let selected = rows.iter().position(|(id, _)| Some(*id) == board.selected.as_ref());
    let worst = |queue: &QueueSnapshot| queue.alerts.values().map(|alert| alert.level).max();
    // The signs are visible without colours, too; they stand in front, where a narrow screen does not cut them off.
    let name_of = |id: &Id, queue: &QueueSnapshot| {
        let name = queue.name.clone().unwrap_or_else(|| short(id));
        let name = worst(queue).map_or_else(|| name.clone(), |level| format!("{} {name}", sign(level)));
        match board.selected.as_ref() {
            None => name,
            Some(selected) if selected == id => format!("> {name}"),
            Some(_) => format!("  {name}"),
        }
    };
    let widest = rows.iter().map(|(id, queue)| width(&name_of(id, queue))).max();
    let wanted = widest.unwrap_or(0).clamp(LEAST_NAME, MOST_NAME);
    let has_windows = rows.iter().any(|(_, queue)| queue.windows.is_some());

    // Columns are added while there is room for the least width of the name and, after the first ones, for the sparkline.
    let queues = Vec::from_iter(rows.iter().map(|(_, queue)| *queue));
    let reserve = if has_windows {
        LEAST_SPARK + 2 * GUTTER + (wanted - LEAST_NAME)
    } else {
        0
    };
    let (columns, mut left) = columns::choose(&queues, cols.saturating_sub(LEAST_NAME), BEFORE_SPARK, reserve);
    let name = wanted.min(LEAST_NAME + left);
    left -= name - LEAST_NAME;
    let spark = match left.saturating_sub(2 * GUTTER).min(MOST_SPARK) {
        spark if has_windows && spark >= LEAST_SPARK => spark,
        _ => 0,
    };

    let mut head = Line::default();
    head.left(Style::Dim, "queue", name);
    for column in &columns {
        column.head(&mut head);
    }
    if spark > 0 {
        let title = if spark < 17 { "over time" } else { "offered over time" };
        head.add(Style::Dim, "  ").left(Style::Dim, title, spark);
    }
    let mut lines = vec![head];
    for (id, queue) in &rows {
        let mut line = Line::default();
        let style = match worst(queue) {
            _ if board.selected.as_ref() == Some(*id) => Style::Selected,
            Some(level) => style_of(level),
            None => Style::Normal,
        };
        line.left(style, &name_of(id, queue), name);
        let mut columns = columns.iter().peekable();
        if let Some(why) = &queue.unknown {
            let mut room = 0;
            while let Some(column) = columns.next_if(|column| column.is_live) {
                room += column.width() + GUTTER;
            }
            unknown(&mut line, why, room);
        }
        for column in columns {
            column.add(&mut line, queue, incomplete(view));
        }
        if spark > 0 {
            line.add(Style::Normal, "  ");
            let newest = queue.windows.as_ref().map(|windows| windows.newest(spark));
            charts::offered(&mut line, &newest.unwrap_or_default(), spark);
        }
        lines.push(line);
    }
    if rows.is_empty() {
        let mut line = Line::default();
        line.add(Style::Dim, "no queue of this name");
        lines.push(line);
    }
    Table { lines, selected }
}

/// Whether gaps make the numbers of what happened incomplete.
pub(super) fn incomplete(view: &View<'_>) -> Incomplete {
    match view.unrepaired_gaps() {
        0 => Incomplete::Normal,
        _ => Incomplete::Dim,
    }
}

/// In place of the live numbers of a queue: a dash beneath the first of them, and why they are not known.
fn unknown(line: &mut Line, why: &WhyUnknown, room: usize) {
    let first = width(LiveNumbers::FIELDS[0].head) + GUTTER;
    if room >= first {
        line.right(Style::Dim, NO_NUMBER, first);
        let rest = room - first;
        line.left(Style::Warn, &format!(" {why}"), rest);
    }
}
