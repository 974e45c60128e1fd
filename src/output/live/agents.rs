//! Who does what since when.
//!
//! In: `View` · Out: lines · Thread: any (pure).

use super::columns::{minutes, style_of};
use super::layout::{Line, Style};
use super::order;
use super::view::View;
use crate::Id;
use crate::event::alert::AlertLevel;
use crate::model::snapshot::UserSnapshot;
use crate::output::text::{between, short, sign, width};

/// Least and most columns of a name.
const LEAST_NAME: usize = 9;
const MOST_NAME: usize = 32;
/// Least and most columns of a status.
const LEAST_STATUS: usize = 6;
const MOST_STATUS: usize = 18;
/// Columns of the time in it.
const TIME: usize = 10;
/// Columns of a mark beside it.
const MARK: usize = 3;
/// Members on a queue's own page at most.
const MOST_MEMBERS: usize = 12;
const LEAST_MEMBERS: usize = 3;

/// A head, then the agents that the viewer's filter lets through, in the viewer's order. A name is shown where the run
/// asked for the names of users, else an id.
pub(super) fn list(view: &View<'_>, cols: usize) -> Vec<Line> {
    let snapshot = view.snapshot;
    let rows = order::agents(snapshot, view.board.agent_order, &view.board.agent_filter);
    if snapshot.users.is_empty() {
        return vec![said(
            "no agent is known: ask for them with --queue all --user queue-members, or --user ID",
        )];
    }
    let mut lines = table(view, &rows, usize::MAX, cols);
    if rows.is_empty() {
        lines.push(said("no agent of this name, status or queue"));
    }
    lines
}

/// The first members of a queue in the viewer's order; none where its members are not known.
pub(super) fn members(view: &View<'_>, queue: &Id, (cols, room): (usize, usize)) -> Vec<Line> {
    let rows = order::members(view.snapshot, view.board.agent_order, queue);
    if rows.is_empty() {
        return Vec::new();
    }
    let most = (room / 6).clamp(LEAST_MEMBERS, MOST_MEMBERS);
    let mut lines = table(view, &rows, most, cols);
    match rows.len().saturating_sub(most) {
        0 => {}
        more => lines.push(said(&format!(
            "{more} more: a lists agents, there / takes a queue's name"
        ))),
    }
    lines
}

/// The first `most` rows; agents beyond a limit are counted over all.
fn table(view: &View<'_>, rows: &[(&Id, &UserSnapshot)], most: usize, cols: usize) -> Vec<Line> {
    let named = Vec::from_iter(rows.iter().map(|(id, user)| {
        let name = user.name.clone().unwrap_or_else(|| short(id));
        (name, order::status(user), *user)
    }));
    let widest = named.iter().map(|(name, ..)| width(name)).max().unwrap_or(0);
    let statuses = named.iter().map(|(_, status, _)| width(status));
    let status = statuses.max().unwrap_or(0).clamp(LEAST_STATUS, MOST_STATUS);
    let room = cols.saturating_sub(status + TIME + MARK + 1).max(LEAST_NAME);
    let name = widest.clamp(LEAST_NAME, MOST_NAME).min(room);
    let mut head = Line::default();
    head.left(Style::Dim, "agent", name)
        .add(Style::Normal, " ")
        .left(Style::Dim, "status", status)
        .right(Style::Dim, "for", TIME);
    let levels = Vec::from_iter(rows.iter().map(|(_, user)| level_of(user, view)));
    let beyond = levels.iter().flatten().count();
    if let Some(worst) = levels.iter().flatten().max() {
        head.add(style_of(*worst), &format!("  {} {beyond} beyond a limit", sign(*worst)));
    }
    let mut lines = vec![head];
    for ((text, status_text, user), level) in named.iter().zip(levels).take(most) {
        let time = user
            .since
            .map(|since| minutes(between(since, view.snapshot.as_of).as_secs_f64()));
        let mut line = Line::default();
        line.left(Style::Normal, text, name)
            .add(Style::Normal, " ")
            .left(style(user), status_text, status)
            .right(
                level.map_or(Style::Normal, style_of),
                time.as_deref().unwrap_or("–"),
                TIME,
            );
        if let Some(level) = level {
            line.add(style_of(level), &format!(" {}", sign(level)));
        }
        lines.push(line);
    }
    lines
}

/// Beyond which limit the time in the routing status or in the presence is; the worse of the two.
fn level_of(user: &UserSnapshot, view: &View<'_>) -> Option<AlertLevel> {
    let secs = between(user.since?, view.snapshot.as_of).as_secs_f64();
    let level = |status: Option<&str>| {
        let limits = view.limits.0.get(status?)?;
        let amber = (secs >= limits.amber).then_some(AlertLevel::Amber);
        (secs >= limits.red).then_some(AlertLevel::Red).or(amber)
    };
    level(user.routing_status.as_deref()).max(level(user.presence.as_deref()))
}

fn said(text: &str) -> Line {
    let mut line = Line::default();
    line.add(Style::Dim, text);
    line
}

fn style(user: &UserSnapshot) -> Style {
    match user.routing_status.as_deref() {
        Some("NOT_RESPONDING") => Style::Bad,
        Some("IDLE") => Style::Good,
        Some("INTERACTING" | "COMMUNICATING") => Style::Accent,
        _ => Style::Normal,
    }
}
