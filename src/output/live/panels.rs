//! The parts of the screen that hold numbers: totals, the table of queues, the list of metrics.
//!
//! In: `View` · Out: lines · Thread: any (pure).

use super::history::sparkline;
use super::layout::{Line, Style};
use super::view::View;
use crate::Id;
use crate::model::counts::{Field, LiveNumbers, Numbers, Unit};
use crate::model::snapshot::{
    AlertLevel, AlertName, ObservationSnapshot, QueueSnapshot, Snapshot, UnknownQueues, WhyUnknown, WindowSnapshot,
};
use crate::output::text::{clock, number, short, sign, width};

/// Least columns of a queue's name.
const LEAST_NAME: usize = 8;
/// Most columns of a queue's name; with a longer one it is hard to follow the row.
const MOST_NAME: usize = 32;
/// Least and most columns of a sparkline in the table.
const LEAST_SPARK: usize = 10;
const MOST_SPARK: usize = 60;
/// Between two columns, and before a sparkline.
const GUTTER: usize = 1;
/// Columns of the table that come before the sparkline, where there is no room for all.
const BEFORE_SPARK: usize = 6;
/// Rank of the longest wait among the live numbers.
const LONGEST_WAIT_RANK: u8 = 2;
const LONGEST_WAIT_HEAD: &str = "longest";
/// Stands for a number that is not known.
const NO_NUMBER: &str = "–";
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
    let open = unrepaired(view.snapshot);
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
        windows(&mut line, &all.windows, room.min(MOST_SPARK));
    }
    Some(line)
}

/// Number of gaps that REST did not fill in; with any, less was counted than happened.
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
    // Neighbours of one style are written together.
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

fn live_style(field: &Field<LiveNumbers>, value: f64, usual: Style) -> Style {
    if field.key == "waiting" && value > 0.0 {
        Style::Warn
    } else {
        usual
    }
}

/// The colour of a number that is beyond a threshold.
fn alert_style(queue: &QueueSnapshot, name: AlertName) -> Option<Style> {
    queue.alerts.get(&name).map(|alert| style_of(alert.level))
}

fn style_of(level: AlertLevel) -> Style {
    match level {
        AlertLevel::Amber => Style::Warn,
        AlertLevel::Red => Style::Bad,
    }
}

/// A number as it stands in a cell; a percentage without its sign.
fn shown(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Count | Unit::Conversations | Unit::Agents => value.to_string(),
        // Not rounded up: 79.9 % does not reach 80 %.
        Unit::Percent => format!("{:.0}", value.floor()),
        Unit::Seconds => minutes(value),
    }
}

/// The tables of queues and metrics, each with a head.
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

/// The first lines that fit, and a line that says how many do not.
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

/// Style and text of a cell.
type Cell = (Style, String);

/// The cell of a queue in a column; `None` where the number is not known.
type MakeCell = Box<dyn Fn(&QueueSnapshot) -> Option<Cell>>;

/// A column of the table of queues.
struct Column {
    rank: u8,
    head: &'static str,
    /// Whether its number holds now, and is unknown while the queue is.
    is_live: bool,
    /// Whether its numbers are incomplete while there are gaps.
    is_counted: bool,
    cell: MakeCell,
}

/// The most important first: on a narrow screen the last are left out.
fn all_columns() -> Vec<Column> {
    let normal = |text: String| (Style::Normal, text);
    let longest_wait = Column {
        rank: LONGEST_WAIT_RANK,
        head: LONGEST_WAIT_HEAD,
        is_live: true,
        is_counted: false,
        cell: Box::new(move |queue| {
            let style = alert_style(queue, AlertName::LongestWaitSecs);
            Some((style.unwrap_or(Style::Normal), minutes(queue.longest_wait_secs?)))
        }),
    };
    let on_queue = Column {
        rank: u8::MAX,
        head: "on queue",
        is_live: false,
        is_counted: false,
        cell: Box::new(move |queue| on_queue(queue).map(normal)),
    };
    let live = LiveNumbers::FIELDS.iter().map(|field| Column {
        rank: field.rank,
        head: field.head,
        is_live: true,
        is_counted: false,
        cell: Box::new(|queue| {
            let value = (field.of)(&queue.live)?;
            let alert = alert_style(queue, AlertName::Waiting).filter(|_| field.key == "waiting");
            let style = alert.unwrap_or_else(|| live_style(field, value, Style::Normal));
            Some((style, shown(field.unit, value)))
        }),
    });
    let counted = Numbers::FIELDS.iter().map(|field| Column {
        rank: field.rank,
        head: field.head,
        is_live: false,
        is_counted: field.key != "average_wait_secs",
        cell: Box::new(move |queue| {
            let counted = || (field.of)(queue.totals.as_ref()?);
            match field.key {
                "service_level_percent" => Some(service_level(counted()?, queue.service_level_target_percent)),
                // The server's own number, if it gives one (`events` protocol).
                "average_wait_secs" => queue.average_wait_secs.or_else(counted).map(minutes).map(normal),
                _ => Some(normal(shown(field.unit, counted()?))),
            }
        }),
    });
    let mut columns: Vec<Column> = live.chain(counted).filter(|column| column.rank > 0).collect();
    columns.extend([longest_wait, on_queue]);
    columns.sort_by_key(|column| column.rank);
    columns
}

impl Column {
    fn width(&self) -> usize {
        width(self.head)
    }
}

/// Service level and the queue's own target: `81/80%`. A miss is marked with `!`, which is visible without colours, too.
fn service_level(level: f64, target: Option<f64>) -> Cell {
    let shown = shown(Unit::Percent, level);
    match target {
        Some(target) if level < target => (Style::Bad, format!("{shown}/{target:.0}%!")),
        Some(target) => (Style::Good, format!("{shown}/{target:.0}% ")),
        None => (Style::Normal, format!("{shown}% ")),
    }
}

/// `0:12`, `12:07`, `1:02:07`.
fn minutes(secs: f64) -> String {
    // The cast turns negative numbers and NaN into 0.
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
        let waiting = |(id, queue): &(&Id, &QueueSnapshot)| {
            let known = queue.live.waiting.known();
            known.or_else(|| view.history.last_known(id))
        };
        waiting(other).cmp(&waiting(one)).then_with(by_name)
    });
    let worst = |queue: &QueueSnapshot| queue.alerts.values().map(|alert| alert.level).max();
    // The sign is visible without colours, too; it stands in front, where a narrow screen does not cut it off.
    let name_of = |id: &Id, queue: &QueueSnapshot| {
        let name = queue.name.clone().unwrap_or_else(|| short(id));
        match worst(queue) {
            Some(level) => format!("{} {name}", sign(level)),
            None => name,
        }
    };
    let widest = rows.iter().map(|(id, queue)| width(&name_of(id, queue))).max();
    let wanted = widest.unwrap_or(0).clamp(LEAST_NAME, MOST_NAME);
    let has_windows = rows.iter().any(|(_, queue)| queue.windows.is_some());
    let is_told = |queue: &QueueSnapshot| !queue.live.waiting.is_not_told();
    let has_live = rows.iter().any(|(_, queue)| is_told(queue));

    // Columns are added while there is room for the least width of the name and, after the first ones, for the sparkline.
    // A column without a value in any row is left out.
    let mut left = cols.saturating_sub(LEAST_NAME);
    let mut columns = Vec::new();
    for (at, column) in all_columns().into_iter().enumerate() {
        let is_shown = rows.iter().any(|(_, queue)| (column.cell)(queue).is_some()) || column.is_live && has_live;
        let kept = if has_windows && at >= BEFORE_SPARK {
            LEAST_SPARK + 2 * GUTTER + (wanted - LEAST_NAME)
        } else {
            0
        };
        if is_shown && left >= column.width() + GUTTER + kept {
            left -= column.width() + GUTTER;
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
        head.right(Style::Dim, column.head, column.width() + GUTTER);
    }
    if spark > 0 {
        let title = if spark < 17 { "over time" } else { "offered over time" };
        head.add(Style::Dim, "  ").left(Style::Dim, title, spark);
    }
    let incomplete = unrepaired(view.snapshot) > 0;
    let mut lines = vec![head];
    for (id, queue) in rows {
        let mut line = Line::default();
        let style = worst(queue).map_or(Style::Normal, style_of);
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
            let (style, text) = (column.cell)(queue).unwrap_or((Style::Dim, NO_NUMBER.to_owned()));
            let style = if incomplete && column.is_counted {
                Style::Dim
            } else {
                style
            };
            line.right(style, &text, column.width() + GUTTER);
        }
        if spark > 0 {
            line.add(Style::Normal, "  ");
            let newest = queue.windows.as_ref().map(|windows| windows.newest(spark));
            windows(&mut line, &newest.unwrap_or_default(), spark);
        }
        lines.push(line);
    }
    lines
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
        line.add(Style::Dim, "   ").left(
            Style::Dim,
            &metric.timestamp.map_or_else(|| NO_NUMBER.to_owned(), clock),
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
