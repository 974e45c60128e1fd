//! Lays out the whole screen for a given size.
//!
//! In: `View` (snapshot, time, history, log line), `Size` · Out: at most `rows` lines, none wider than `cols`
//! · Thread: any (pure).
//!
//! From the top: header, problem (if there is one), totals, queues or metrics, users, losses, log line, hint. On a small
//! screen the least important parts are left out first: hint, log line, losses, then rows of the table.

use super::layout::{Line, Style};
use super::panels;
use super::view::{Ability, Size, View};
use crate::model::snapshot::{ConnectionState, Snapshot, UnknownQueues};
use crate::output::summary;
use crate::output::text::{between, clock, plain, short, span, width};

/// Draws the screen.
pub(super) fn draw(view: &View<'_>, size: Size, ability: Ability) -> Vec<String> {
    let (cols, rows) = (usize::from(size.cols), usize::from(size.rows));
    let stale = view.stale();
    let roomy = rows >= 18;
    let dim = |line: Line| if stale.is_some() { line.dimmed() } else { line };

    let mut top = vec![header(view, stale.as_deref(), cols)];
    top.extend(problem(view, stale.as_deref()));
    top.extend(differing(view.snapshot));
    if roomy {
        top.push(Line::default());
    }
    top.extend(panels::totals(view, cols).into_iter().map(dim));
    if roomy && top.last().is_some_and(|line| line.used() > 0) {
        top.push(Line::default());
    }

    // The last of these is left out first.
    let mut bottom = vec![losses(view.snapshot)];
    if let Some(people) = people(view.snapshot) {
        bottom.insert(0, dim(people));
    }
    if let Some(log) = view.log {
        let mut line = Line::default();
        line.add(Style::Dim, log);
        bottom.push(line);
    }
    bottom.push(hint(view));

    let table = panels::table(view, cols);
    let enough = top.len() + table.len().min(4);
    while bottom.len() > 1 && enough + bottom.len() > rows {
        bottom.pop();
    }
    if roomy {
        bottom.insert(0, Line::default());
    }
    let room = rows.saturating_sub(top.len() + bottom.len());
    let mut lines = top;
    lines.extend(panels::fit(table, room).into_iter().map(dim));
    // The bottom stays at the bottom.
    while lines.len() + bottom.len() < rows {
        lines.push(Line::default());
    }
    lines.append(&mut bottom);
    lines.truncate(rows);
    lines.iter().map(|line| line.render(cols, ability)).collect()
}

fn header(view: &View<'_>, stale: Option<&str>, cols: usize) -> Line {
    let snapshot = view.snapshot;
    let connection = &snapshot.connection;
    let style = match connection.state {
        ConnectionState::Streaming if stale.is_none() => Style::Good,
        ConnectionState::Streaming | ConnectionState::Connecting => Style::Warn,
        ConnectionState::Backoff | ConnectionState::Stopped => Style::Bad,
    };
    let mut line = Line::default();
    line.add(style, connection.state.as_str());
    match connection.last_frame_at {
        Some(at) => {
            // Each difference is between two times of the same clock: in a replay `as_of` is not today's time.
            let age = between(at, snapshot.as_of) + between(snapshot.generated_at, view.now);
            line.add(Style::Normal, &format!(", last frame {} ago", span(age)));
        }
        None => {
            line.add(Style::Normal, ", no frame yet");
        }
    }
    if connection.connections > 1 {
        line.add(Style::Normal, &format!(", {} connections", connection.connections));
    }
    let title = "genesys-stream  ";
    let time = format!("  {} UTC", clock(snapshot.as_of));
    let region = format!("  {}", view.region);
    // Beside the state there may be room for these, the most important first.
    let mut room = cols.saturating_sub(line.used());
    let mut take = |columns: usize| {
        let fits = columns <= room;
        room -= if fits { columns } else { 0 };
        fits
    };
    let protocol = format!("  {}", connection.protocol.as_str());
    if take(width(&protocol)) {
        line.add(Style::Dim, &protocol);
    }
    let (timed, titled) = (take(width(&time)), take(width(title)));
    if !view.region.is_empty() && take(width(&plain(&region))) {
        line.add(Style::Dim, &region);
    }
    let mut whole = Line::default();
    if titled {
        whole.add(Style::Strong, title);
    }
    whole.join(&line);
    if timed {
        let pad = cols - whole.used() - width(&time);
        whole.add(Style::Normal, &" ".repeat(pad)).add(Style::Dim, &time);
    }
    whole
}

/// Why the numbers are not current, or not all known, if so.
fn problem(view: &View<'_>, stale: Option<&str>) -> Option<Line> {
    let mut line = Line::default();
    let Some(stale) = stale else {
        let unknown = UnknownQueues::of(view.snapshot)?;
        line.add(Style::Warn, "DEGRADED")
            .add(Style::Normal, &format!("  {unknown}"));
        return Some(line);
    };
    let connection = &view.snapshot.connection;
    line.add(Style::Bad, stale);
    line.add(Style::Warn, &format!("  numbers of {} UTC", clock(view.snapshot.as_of)));
    line.add(
        Style::Normal,
        &format!(", {} since {}", connection.state.as_str(), clock(connection.since)),
    );
    if let Some(cause) = &connection.cause {
        line.add(Style::Normal, &format!(": {cause}"));
    }
    Some(line)
}

/// The queue whose numbers differ from Genesys' own for the longest time.
fn differing(snapshot: &Snapshot) -> Option<Line> {
    let mut all = Vec::from_iter(snapshot.queues.iter().filter_map(|(id, queue)| {
        let observed = queue.observed.filter(|observed| observed.differs_since.is_some())?;
        Some((observed.differs_since, id, queue, observed))
    }));
    all.sort_by_key(|(since, id, ..)| (*since, *id));
    let (since, id, queue, observed) = all.first()?;
    let name = queue.name.clone().unwrap_or_else(|| short(id));
    let mut line = Line::default();
    line.add(Style::Warn, "DIFFERS").add(
        Style::Normal,
        &format!(
            "  {name}: {} waiting, {} interacting; by Genesys {}, {}",
            queue.live.waiting, queue.live.interacting, observed.waiting, observed.interacting
        ),
    );
    if let Some(since) = since {
        line.add(Style::Normal, &format!(", since {}", clock(*since)));
    }
    if all.len() > 1 {
        line.add(Style::Normal, &format!("; and {} more queues", all.len() - 1));
    }
    Some(line)
}

fn people(snapshot: &Snapshot) -> Option<Line> {
    if snapshot.users.is_empty() {
        return None;
    }
    let mut line = Line::default();
    line.add(Style::Dim, "users    ");
    line.add(Style::Normal, &summary::statuses(snapshot).join("  "));
    Some(line)
}

fn losses(snapshot: &Snapshot) -> Line {
    let losses = summary::losses(snapshot);
    let c = &snapshot.counters;
    let mut line = Line::default();
    line.add(Style::Dim, "losses   ");
    if losses.is_empty() {
        line.add(Style::Good, "none");
    } else {
        line.add(Style::Warn, &losses.join(", "));
    }
    line.add(Style::Dim, &format!("  of {} events", c.events_decoded));
    line
}

fn hint(view: &View<'_>) -> Line {
    let mut line = Line::default();
    line.add(Style::Dim, "Ctrl-C ends");
    let reconnects = view.snapshot.connection.reconnects;
    if reconnects > 0 {
        line.add(Style::Dim, &format!("  {reconnects} reconnects"));
    }
    let up = between(view.snapshot.started_at, view.snapshot.as_of);
    line.add(Style::Dim, &format!("  up {}", span(up)));
    line
}

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
