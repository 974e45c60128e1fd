//! Lays out the whole screen for a given size.
//!
//! In: `View` (snapshot, time, history, log line), `Size` · Out: at most `rows` lines, none wider than `cols`
//! · Thread: any (pure).
//!
//! From the top: header, problem and filter (if there is one), totals, the page that the viewer chose, users, losses, log
//! line, hint. On a small screen the least important parts are left out first: what stands below the table, hint, log line,
//! losses, then rows of the table.

use super::ability::{Ability, Keys, Size};
use super::board::Page;
use super::layout::{Line, Style};
use super::view::View;
use super::{agents, one_queue, pages, panels, queues};
use crate::base::order::Ordered as _;
use crate::model::snapshot::{ConnectionState, Snapshot, UnknownQueues};
use crate::output::summary;
use crate::output::text::{between, plain, short, span, width};

/// So many lines of a page are more important than what stands at the bottom.
const LEAST_ROWS: usize = 6;

/// A screen, and how far its page can be scrolled.
pub(super) struct Drawn {
    pub(super) lines: Vec<String>,
    pub(super) most_scroll: usize,
}

/// Draws the screen.
pub(super) fn draw(view: &View<'_>, size: Size, ability: Ability) -> Drawn {
    let (cols, rows) = (usize::from(size.cols), usize::from(size.rows));
    let stale = view.stale();
    let roomy = rows >= 18;
    let dim = |line: Line| if stale.is_some() { line.dimmed() } else { line };

    let mut top = vec![header(view, stale.as_deref(), cols)];
    top.extend(problem(view, stale.as_deref()));
    top.extend(differing(view));
    top.extend(filter(view));
    if roomy {
        top.push(Line::default());
    }
    // On a small screen the other pages need the room.
    if view.board.page == Page::Queues || roomy && view.board.page != Page::Help {
        top.extend(panels::totals(view, cols).into_iter().map(dim));
    }
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

    let least = match view.board.page {
        Page::Queues => (1 + view.snapshot.queues.len() + view.snapshot.metrics.len()).min(LEAST_ROWS),
        _ => LEAST_ROWS,
    };
    while bottom.len() > 1 && top.len() + least + bottom.len() > rows {
        bottom.pop();
    }
    if roomy {
        bottom.insert(0, Line::default());
    }
    let room = rows.saturating_sub(top.len() + bottom.len());
    let mut lines = top;
    let (body, most_scroll) = body(view, cols, room);
    lines.extend(match view.board.page {
        // What is old news by nature does not look older while the numbers are not current.
        Page::Changes | Page::Help => body,
        _ => body.into_iter().map(dim).collect(),
    });
    // The bottom stays at the bottom.
    while lines.len() + bottom.len() < rows {
        lines.push(Line::default());
    }
    lines.append(&mut bottom);
    lines.truncate(rows);
    Drawn {
        lines: lines.iter().map(|line| line.render(cols, ability)).collect(),
        most_scroll,
    }
}

/// The page that the viewer chose, in at most `room` lines, and how far it can be scrolled.
fn body(view: &View<'_>, cols: usize, room: usize) -> (Vec<Line>, usize) {
    let scroll = view.board.scroll;
    match &view.board.page {
        Page::Queues => (queues_and_more(view, cols, room), 0),
        Page::Queue(id) => pages::scrolled(one_queue::lines(view, id, cols, room), 0, room, scroll),
        Page::Agents => pages::scrolled(agents::list(view, cols), 1, room, scroll),
        Page::Changes => pages::scrolled(pages::changes(view), 1, room, scroll),
        Page::Help => pages::scrolled(pages::help(), 0, room, scroll),
    }
}

/// The table of queues or metrics, and below it, where there is room, what else there is to see.
fn queues_and_more(view: &View<'_>, cols: usize, room: usize) -> Vec<Line> {
    let snapshot = view.snapshot;
    let mut lines = Vec::new();
    if !snapshot.queues.is_empty() {
        let table = queues::table(view, cols);
        // The selected row stands in the middle of a table that is longer than the screen.
        let scroll = table
            .selected
            .map_or(0, |at| at.saturating_sub(room.saturating_sub(2) / 2));
        lines = pages::scrolled(table.lines, 1, room, scroll).0;
    }
    if !snapshot.metrics.is_empty() {
        let left = room.saturating_sub(lines.len());
        lines.extend(pages::scrolled(panels::metrics(view, cols), 1, left, 0).0);
    }
    if lines.is_empty() {
        let mut line = Line::default();
        line.add(Style::Dim, "no queue or metric seen yet");
        lines.push(line);
    }
    let left = room.saturating_sub(lines.len());
    lines.extend(pages::below(view, cols, left));
    lines
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
    let time = format!("  {} {}", view.clock(snapshot.as_of), view.zone_name());
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
    line.add(
        Style::Warn,
        &format!("  numbers of {} {}", view.clock(view.snapshot.as_of), view.zone_name()),
    );
    line.add(
        Style::Normal,
        &format!(", {} since {}", connection.state.as_str(), view.clock(connection.since)),
    );
    if let Some(cause) = &connection.cause {
        line.add(Style::Normal, &format!(": {cause}"));
    }
    Some(line)
}

/// The queue whose numbers differ from Genesys' own for the longest time.
fn differing(view: &View<'_>) -> Option<Line> {
    let mut all = Vec::from_iter(view.snapshot.queues.iter().filter_map(|(id, queue)| {
        let observed = queue.observed.filter(|observed| observed.differs_since.is_some())?;
        Some((observed.differs_since, id, queue, observed))
    }));
    all.order_by_key(|(since, id, ..)| (*since, *id));
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
        line.add(Style::Normal, &format!(", since {}", view.clock(*since)));
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

/// The filter of the page, while there is one.
fn filter(view: &View<'_>) -> Option<Line> {
    let board = view.board;
    let filter = board.filter().filter(|filter| board.is_typing || !filter.is_empty())?;
    let mut line = Line::default();
    line.add(Style::Accent, &format!("/{filter}"));
    if board.is_typing {
        line.add(Style::Accent, "▏")
            .add(Style::Dim, "  Enter keeps it, Esc clears it");
    } else {
        line.add(Style::Dim, "  Esc clears it");
    }
    Some(line)
}

fn hint(view: &View<'_>) -> Line {
    let mut line = Line::default();
    let board = view.board;
    let keys = match (view.keys, &board.page) {
        (Keys::NotRead, _) => "Ctrl-C ends".to_owned(),
        (Keys::Read, Page::Queues) if view.snapshot.queues.is_empty() => "q quit  ? help".to_owned(),
        (Keys::Read, Page::Queues) => format!("q quit  ? help  s sort: {}", board.queue_order.label()),
        (Keys::Read, Page::Agents) => format!("Esc back  ? help  s sort: {}", board.agent_order.label()),
        (Keys::Read, Page::Queue(_) | Page::Changes) => "Esc back  ? help".to_owned(),
        (Keys::Read, Page::Help) => "Esc back".to_owned(),
    };
    line.add(Style::Dim, &keys);
    let reconnects = view.snapshot.connection.reconnects;
    if reconnects > 0 {
        let word = if reconnects == 1 { "reconnect" } else { "reconnects" };
        line.add(Style::Dim, &format!("  {reconnects} {word}"));
    }
    let up = between(view.snapshot.started_at, view.snapshot.as_of);
    line.add(Style::Dim, &format!("  up {}", span(up)));
    line
}

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
