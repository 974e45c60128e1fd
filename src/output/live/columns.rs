//! The columns of the tables of queues, media and windows.
//!
//! In: `QueueSnapshot`s · Out: cells of known width · Thread: any (pure).

use super::layout::{Line, Style};
use crate::base::order::Ordered as _;
use crate::model::counts::{Field, LiveNumbers, Numbers, Unit};
use crate::model::snapshot::{AlertLevel, AlertName, ObservationSnapshot, QueueSnapshot};
use crate::output::text::{number, width};

/// Between two columns, and before a sparkline.
pub(super) const GUTTER: usize = 1;
/// The widest cell: a longer number is cut.
const WIDEST: usize = 12;
/// Rank of the longest wait among the live numbers.
const LONGEST_WAIT_RANK: u8 = 2;
const LONGEST_WAIT_HEAD: &str = "longest";
/// Stands for a number that is not known.
pub(super) const NO_NUMBER: &str = "–";

pub(super) fn live_style(field: &Field<LiveNumbers>, value: f64, usual: Style) -> Style {
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

pub(super) fn style_of(level: AlertLevel) -> Style {
    match level {
        AlertLevel::Amber => Style::Warn,
        AlertLevel::Red => Style::Bad,
    }
}

/// A number as it stands in a cell; a percentage without its sign.
pub(super) fn shown(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Count | Unit::Conversations | Unit::Agents => value.to_string(),
        // Not rounded up: 79.9 % does not reach 80 %.
        Unit::Percent => format!("{:.0}", value.floor()),
        Unit::Seconds => minutes(value),
    }
}

/// Style and text of a cell.
type Cell = (Style, String);

/// The cell of a queue in a column; `None` where the number is not known.
type MakeCell = Box<dyn Fn(&QueueSnapshot) -> Option<Cell>>;

/// A column of a table of queues.
pub(super) struct Column {
    rank: u8,
    head: &'static str,
    /// Whether its number holds now, and is unknown while the queue is.
    pub(super) is_live: bool,
    /// Whether its numbers are incomplete while there are gaps.
    is_counted: bool,
    /// Columns of its head and of its widest cell.
    width: usize,
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
        width: 0,
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
        width: 0,
        cell: Box::new(move |queue| on_queue(queue).map(normal)),
    };
    let live = LiveNumbers::FIELDS.iter().map(|field| Column {
        rank: field.rank,
        head: field.head,
        is_live: true,
        is_counted: false,
        width: 0,
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
        width: 0,
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
    columns.order_by_key(|column| column.rank);
    columns
}

impl Column {
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Appends its head.
    pub(super) fn head(&self, line: &mut Line) {
        line.right(Style::Dim, self.head, self.width + GUTTER);
    }

    /// Appends the cell of a queue; with `incomplete`, numbers that gaps make incomplete are dim.
    pub(super) fn add(&self, line: &mut Line, queue: &QueueSnapshot, incomplete: Incomplete) {
        let (style, text) = (self.cell)(queue).unwrap_or((Style::Dim, NO_NUMBER.to_owned()));
        let is_dim = incomplete == Incomplete::Dim && self.is_counted;
        line.right(if is_dim { Style::Dim } else { style }, &text, self.width + GUTTER);
    }
}

/// The columns that have a value in a row and fit into `left` columns, and how many columns are left. From the column
/// `reserve_from` on, `reserve` columns are kept free.
pub(super) fn choose(
    rows: &[&QueueSnapshot],
    mut left: usize,
    reserve_from: usize,
    reserve: usize,
) -> (Vec<Column>, usize) {
    let is_told = |queue: &&QueueSnapshot| !queue.live.waiting.is_not_told();
    let has_live = rows.iter().any(is_told);
    let mut columns = Vec::new();
    for (at, mut column) in all_columns().into_iter().enumerate() {
        let cells = rows.iter().filter_map(|queue| (column.cell)(queue));
        let widest = cells.map(|(_, text)| width(&text)).max();
        let is_shown = widest.is_some() || column.is_live && has_live;
        column.width = width(column.head).max(widest.unwrap_or(0).min(WIDEST));
        let kept = if at >= reserve_from { reserve } else { 0 };
        if is_shown && left >= column.width + GUTTER + kept {
            left -= column.width + GUTTER;
            columns.push(column);
        }
    }
    (columns, left)
}

/// Whether numbers that gaps make incomplete are dim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Incomplete {
    Dim,
    Normal,
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
pub(super) fn minutes(secs: f64) -> String {
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
