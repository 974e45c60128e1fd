//! The page of changes, the help, and what stands below a short table.
//!
//! In: `View` · Out: lines · Thread: any (pure).

use super::layout::{Line, Style};
use super::view::View;
use super::{agents, charts};
use crate::output::text::width;

/// From so many columns on, agents and changes stand side by side.
const WIDE: usize = 120;
/// Between the two.
const BETWEEN: usize = 3;
/// Fewer lines than these are not worth a part of their own: a blank line, a title, a line.
const LEAST: usize = 3;

/// The first `fixed` lines, then those from `scroll` on, in at most `room` lines, the last of which says how many are
/// hidden; and how far it can be scrolled.
pub(super) fn scrolled(mut lines: Vec<Line>, fixed: usize, room: usize, scroll: usize) -> (Vec<Line>, usize) {
    if lines.len() <= room {
        return (lines, 0);
    }
    let shown = room.saturating_sub(fixed + 1);
    let most = lines.len() - fixed - shown;
    let above = scroll.min(most);
    lines.drain(fixed..fixed + above);
    let below = lines.len().saturating_sub(room.saturating_sub(1));
    lines.truncate(room.saturating_sub(1));
    if room > 0 {
        let text = match (above, below) {
            (0, below) => format!("… {below} more rows"),
            (above, 0) => format!("… {above} rows above"),
            (above, below) => format!("… {above} rows above, {below} below"),
        };
        let mut line = Line::default();
        line.add(Style::Dim, &text);
        lines.push(line);
    }
    (lines, most)
}

/// A head, then the newest change first.
pub(super) fn changes(view: &View<'_>) -> Vec<Line> {
    let mut head = Line::default();
    head.add(Style::Strong, "last changes")
        .add(Style::Dim, &format!("  newest first, {} time", view.zone_name()));
    let mut lines = vec![head];
    let times = Vec::from_iter(view.changes.newest().map(|entry| view.day_and_clock(entry.at)));
    let widest = times.iter().map(|time| width(time)).max().unwrap_or(0);
    for (entry, time) in view.changes.newest().zip(&times) {
        let mut line = Line::default();
        line.left(Style::Dim, time, widest)
            .add(Style::Normal, "  ")
            .left(entry.style, entry.kind, 7)
            .add(Style::Normal, &entry.text);
        lines.push(line);
    }
    if times.is_empty() {
        let mut line = Line::default();
        line.add(Style::Dim, "none since the start");
        lines.push(line);
    }
    lines
}

/// Below the table: the chart over all queues, agents and the last changes, as far as there is room.
pub(super) fn below(view: &View<'_>, cols: usize, mut room: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(all) = view.snapshot.all_queues.as_ref().filter(|_| room > LEAST) {
        // On a large screen the charts take a half.
        let most = (room / 2).max(LEAST) - 1;
        let day = charts::of_the_day(view, &all.day, cols, most / 2);
        let most = if day.is_empty() { most } else { most - day.len() };
        add(&mut lines, charts::over_time(view, &all.windows, cols, most), &mut room);
        if room > day.len() {
            add(&mut lines, day, &mut room);
        }
    }
    let has_agents = !view.snapshot.users.is_empty();
    if has_agents && cols >= WIDE && room >= LEAST {
        let half = (cols - BETWEEN) / 2;
        let left = scrolled(agents::list(view, half), 1, room - 1, 0).0;
        let right = scrolled(changes(view), 1, room - 1, 0).0;
        let both = (0..left.len().max(right.len())).map(|at| {
            let mut line = left.get(at).cloned().unwrap_or_default().fitted(half);
            line.add(Style::Normal, &" ".repeat(BETWEEN));
            line.join(&right.get(at).cloned().unwrap_or_default().fitted(half));
            line
        });
        add(&mut lines, both.collect(), &mut room);
        return lines;
    }
    let changes = changes(view);
    if has_agents && room > LEAST {
        // The changes get what they need, up to a half.
        let kept = if view.changes.newest().len() == 0 {
            0
        } else {
            (changes.len() + 1).min(room / 2)
        };
        let most = room - 1 - kept;
        add(
            &mut lines,
            scrolled(agents::list(view, cols), 1, most.max(LEAST), 0).0,
            &mut room,
        );
    }
    if room >= LEAST {
        add(&mut lines, scrolled(changes, 1, room - 1, 0).0, &mut room);
    }
    lines
}

/// Appends a part after a blank line, if there is one.
fn add(lines: &mut Vec<Line>, part: Vec<Line>, room: &mut usize) {
    if !part.is_empty() {
        lines.push(Line::default());
        *room = room.saturating_sub(part.len() + 1);
        lines.extend(part);
    }
}

/// What the keys do, and what signs mean.
pub(super) fn help() -> Vec<Line> {
    const KEYS: [(&str, &str); 12] = [
        ("q Ctrl-C", "end the program, with a summary"),
        ("? Esc", "this help; back"),
        ("↑ ↓ Enter", "select a queue, open its page"),
        ("← →", "on its page: the queue before, the next one"),
        ("/", "only names (agents: or statuses, queues) with this text"),
        ("s S", "sort by the next value; turn the order round"),
        ("a", "agents: who is in which status for how long"),
        ("e", "last changes: connection, gaps, repairs, alerts"),
        ("t", "times in UTC or of this machine's zone"),
        ("p", "pause: the numbers stay; again: go on"),
        ("PgUp PgDn", "ten rows; Home and End: the first and last"),
        ("Ctrl-Z", "back to the shell; `fg` goes on"),
    ];
    const SIGNS: [(&str, &str); 4] = [
        ("! !!", "an alert, amber or red"),
        ("–", "not known, or there is none"),
        ("· dim", "not covered, or in part only"),
        ("79/80%!", "service level and its target, missed"),
    ];
    let mut lines = Vec::new();
    for rows in [&KEYS[..], &SIGNS] {
        if !lines.is_empty() {
            lines.push(Line::default());
        }
        for (key, what) in rows {
            let mut line = Line::default();
            line.left(Style::Accent, key, 11).add(Style::Normal, what);
            lines.push(line);
        }
    }
    lines
}
