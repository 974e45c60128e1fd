//! The last snapshot for people: a block of lines that begins with `snapshot`.
//!
//! In: `Snapshot` · Out: text · Thread: any (pure).

use std::fmt::Write as _;

use super::text::{clip, number, plain, seconds, secs, short, sign, width};
use crate::base::order::Ordered as _;
use crate::config::Protocol;
use crate::model::counts::{Field, LiveNumbers, Numbers, Unit};
use crate::model::snapshot::{AlertName, AlertSnapshot, Counters, QueueSnapshot, Snapshot, UnknownQueues};

/// Queues, users' statuses and metrics shown at most; longer lists are in the JSON outputs.
const SHOWN: usize = 40;
/// Columns of a name.
const NAME: usize = 28;
/// Rank of the least important number of a queue that is shown.
const LEAST_RANK: u8 = 9;

/// The whole block, each line ended.
pub(crate) fn block(snapshot: &Snapshot) -> String {
    let mut out = String::new();
    let connection = &snapshot.connection;
    let _ = write!(
        out,
        "snapshot {}, {}",
        seconds(snapshot.as_of),
        connection.state.as_str()
    );
    if let Some(cause) = &connection.cause {
        let _ = write!(out, ": {}", plain(cause));
    }
    let _ = writeln!(
        out,
        "; protocol {}, {} reconnects",
        connection.protocol.as_str(),
        connection.reconnects
    );
    if knows_conversations(snapshot) {
        let _ = writeln!(out, "  totals: {}", totals(snapshot));
    }
    if let Some(unknown) = UnknownQueues::of(snapshot) {
        let _ = writeln!(out, "  not in the totals: {}", plain(&unknown.to_string()));
    }
    if let Some(all) = &snapshot.all_queues {
        let open = connection.gaps.iter().filter(|gap| !gap.repaired).count();
        let incomplete = if open > 0 { "; not complete, see losses" } else { "" };
        let _ = writeln!(out, "  all queues: {}{incomplete}", counted(&all.totals).join(", "));
    }
    let mut queues: Vec<_> = snapshot.queues.iter().collect();
    queues.order_by(|(_, one), (_, other)| {
        let by_name = || one.name.cmp(&other.name);
        other.live.waiting.cmp(&one.live.waiting).then_with(by_name)
    });
    for (id, queue) in queues.iter().take(SHOWN) {
        let name = queue
            .name
            .as_deref()
            .map_or_else(|| short(id), |name| plain(name).into_owned());
        let name = clip(&name, NAME);
        let pad = NAME - width(&name);
        let _ = writeln!(out, "  queue {name}{:pad$}  {}", "", numbers(queue));
    }
    more(&mut out, queues.len(), "queues");
    if !snapshot.users.is_empty() {
        let _ = writeln!(out, "  users: {}", statuses(snapshot).join(", "));
    }
    for (name, metric) in snapshot.metrics.iter().take(SHOWN) {
        let at = metric
            .timestamp
            .map_or(String::new(), |at| format!("  ({})", seconds(at)));
        let _ = writeln!(out, "  metric {} = {}{at}", plain(name), number(metric.value));
    }
    more(&mut out, snapshot.metrics.len(), "metrics");
    let c = &snapshot.counters;
    let _ = writeln!(
        out,
        "  counters: {} frames, {} events, {} applied, {} coalesced, {} duplicates",
        c.frames_received, c.events_decoded, c.events_applied, c.events_coalesced, c.duplicates
    );
    let losses = losses(snapshot);
    let _ = writeln!(
        out,
        "  losses: {}",
        if losses.is_empty() {
            "none".to_owned()
        } else {
            losses.join(", ")
        }
    );
    out
}

fn more(out: &mut String, all: usize, what: &str) {
    if all > SHOWN {
        let _ = writeln!(out, "  and {} more {what}", all - SHOWN);
    }
}

fn totals(snapshot: &Snapshot) -> String {
    let totals = &snapshot.totals;
    let active = totals.active_conversations.map(|count| format!("{count} active"));
    let mut parts = Vec::from_iter(active);
    parts.extend(LiveNumbers::FIELDS.iter().filter_map(|field| said(field, &totals.live)));
    parts.join(", ")
}

fn numbers(queue: &QueueSnapshot) -> String {
    let longest = queue
        .longest_wait_secs
        .map_or(String::new(), |wait| format!(" (longest {})", secs(wait)));
    let mut parts = Vec::new();
    if let Some(why) = &queue.unknown {
        parts.push(format!("unknown now ({})", plain(&why.to_string())));
    }
    let alert = |(name, alert): (&AlertName, &AlertSnapshot)| {
        let sign = sign(alert.level);
        format!("{sign} {} {}", name.as_str(), alert.level.as_str())
    };
    parts.extend(queue.alerts.iter().map(alert));
    for field in LiveNumbers::FIELDS {
        let beside = if field.key == "waiting" { &*longest } else { "" };
        parts.extend(said(field, &queue.live).map(|text| text + beside));
    }
    if let Some(observed) = &queue.observed
        && let Some(since) = observed.differs_since
    {
        parts.push(format!(
            "by Genesys {} waiting and {} interacting, different since {}",
            observed.waiting,
            observed.interacting,
            seconds(since)
        ));
    }
    parts.extend(queue.totals.iter().flat_map(counted));
    parts.extend(
        queue
            .average_wait_secs
            .map(|wait| format!("average wait {}", secs(wait))),
    );
    if parts.is_empty() {
        parts.push("no numbers".to_owned());
    }
    parts.join(", ")
}

/// The important numbers of what happened.
fn counted(numbers: &Numbers) -> Vec<String> {
    let shown = |field: &&Field<Numbers>| (1..=LEAST_RANK).contains(&field.rank);
    let fields = Numbers::FIELDS.iter().filter(shown);
    fields.filter_map(|field| said(field, numbers)).collect()
}

/// A number with its name, if it has a value: `3 waiting`, `service level 79.9 %`, `average wait 14.2 s`.
fn said<T>(field: &Field<T>, of: &T) -> Option<String> {
    let (value, label) = ((field.of)(of)?, field.label);
    Some(match field.unit {
        Unit::Count | Unit::Conversations | Unit::Agents => format!("{value} {label}"),
        // Not rounded up: 79.99 % does not reach 80 %.
        Unit::Percent => format!("{label} {} %", number((value * 10.0).floor() / 10.0)),
        Unit::Seconds => format!("{label} {}", secs(value)),
    })
}

/// Whether the protocol tells of conversations; in `metrics`, which does not, a zero would be made up.
pub(crate) fn knows_conversations(snapshot: &Snapshot) -> bool {
    snapshot.connection.protocol != Protocol::Metrics
}

/// How many users have which status: `5 ON_QUEUE`. Routing status where it is known, else presence.
pub(crate) fn statuses(snapshot: &Snapshot) -> Vec<String> {
    let mut counts: std::collections::BTreeMap<&str, u64> = std::collections::BTreeMap::new();
    for user in snapshot.users.values() {
        let off_queue = |status: &str| status == "OFF_QUEUE";
        // The presence says more of a user who is off queue: a break, a meal, a meeting.
        let status = match (user.routing_status.as_deref(), user.presence.as_deref()) {
            (Some(status), Some(presence)) if off_queue(status) => presence,
            (Some(status), _) => status,
            (None, Some(presence)) => presence,
            (None, None) => "unknown",
        };
        *counts.entry(status).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.order_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(other.0)));
    counts
        .iter()
        .take(SHOWN)
        .map(|(status, count)| format!("{count} {}", plain(status)))
        .collect()
}

/// What was lost or refused; zeros are left out.
pub(crate) fn losses(snapshot: &Snapshot) -> Vec<String> {
    let connection = &snapshot.connection;
    let Counters {
        events_dropped,
        malformed,
        server_errors,
        stale,
        unkeyed,
        late,
        evicted,
        lost,
        unreadable,
        unknown,
        ..
    } = snapshot.counters;
    let mut parts = Vec::new();
    let mut part = |count: u64, what: &str| {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    };
    part(events_dropped, "events dropped");
    for (name, output) in &snapshot.outputs {
        part(output.missed, &format!("missed by {}", plain(name)));
    }
    let open = connection.gaps.iter().filter(|gap| gap.to.is_none()).count();
    let repaired = connection.gaps.iter().filter(|gap| gap.repaired).count();
    let gaps = match (open, repaired) {
        (0, 0) => String::new(),
        (0, repaired) => format!(" ({repaired} repaired)"),
        (open, 0) => format!(" ({open} open)"),
        (open, repaired) => format!(" ({open} open, {repaired} repaired)"),
    };
    let word = if connection.gaps_total == 1 { "gap" } else { "gaps" };
    part(connection.gaps_total, &format!("{word}{gaps}"));
    part(malformed, "malformed");
    part(connection.refused_topics.len() as u64, "topics refused");
    part(server_errors, "server errors");
    part(stale, "times stale");
    part(unkeyed, "without id");
    part(late, "too late");
    part(evicted, "evicted");
    part(lost, "lost");
    part(unreadable, "times or entries unreadable");
    part(unknown, "of unknown type");
    parts
}
