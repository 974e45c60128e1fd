//! Every entry of the audit file: which kinds there are and what each says.
//!
//! In: changes and what else a run does · Out: `Entry` · Thread: any (pure).
//!
//! `docs/recording.md` describes each kind. No entry holds a secret or anything of a customer.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use serde_json::Value;

use super::Entry;
use crate::Moment;
use crate::base::digest::sha256_hex;
use crate::config::Config;
use crate::event::change::Change;
use crate::event::gap::{Gap, GapTopics};
use crate::event::notice::CloseReason;
use crate::event::state::StateChange;
use crate::model::freshness::{Stale, StaleBy};
use crate::model::snapshot::Snapshot;

/// Refused topics that are named; the count tells of all.
const TOPICS_NAMED: usize = 20;

/// What a change, applied at `now`, is worth by itself. What the model makes of it (gaps, stale data) has entries of its
/// own.
pub(crate) fn of_change(change: &Change, now: Moment) -> Option<Entry> {
    if let Change::State(change) = change {
        return Some(state(change));
    }
    let (events, cause) = change.drops().filter(|(events, _)| *events > 0)?;
    Some(Entry::new("drop", now).with("events", events).with("cause", cause))
}

fn state(change: &StateChange) -> Entry {
    Entry::new("connection", change.at)
        .with("state", change.state.as_str())
        .with_some("cause", change.cause.as_deref())
        .with_some("attempt", change.attempt)
}

/// A gap that opened, closed, was repaired or turned out to begin earlier.
pub(crate) fn gap(gap: &Gap, now: Moment) -> Entry {
    let topics = match &gap.topics {
        GapTopics::All => Value::from("all"),
        GapTopics::Some(topics) => topics.len().into(),
    };
    Entry::new("gap", now)
        .with("id", gap.id)
        .with("topics", topics)
        .with("from", gap.from.to_string())
        .with("to", gap.to.map(|to| to.to_string()))
        .with("cause", gap.cause.as_str())
        .with("repaired", gap.repaired)
}

/// A metric type turned stale.
pub(crate) fn stale(stale: &Stale, now: Moment) -> Entry {
    let found_by = match stale.by {
        StaleBy::Arrival => "an event that was old when it came",
        StaleBy::Silence => "silence",
    };
    Entry::new("stale", now)
        .with("metric_type", &*stale.metric_type)
        .with("found_by", found_by)
}

/// A token was obtained.
pub(crate) fn token(life: Duration, expires_at: Moment, now: Moment) -> Entry {
    Entry::new("token", now)
        .with("life_secs", life.as_secs())
        .with("expires_at", expires_at.to_string())
}

/// A line has a channel.
pub(crate) fn channel(line: usize, expires_at: Option<Moment>, now: Moment) -> Entry {
    Entry::new("channel", now)
        .with("line", line)
        .with_some("expires_at", expires_at.map(|at| at.to_string()))
}

/// The topics of a line were subscribed, some of them refused.
pub(crate) fn subscription(line: usize, topics: usize, refused: &BTreeMap<String, String>, now: Moment) -> Entry {
    let named = refused.iter().take(TOPICS_NAMED);
    let named: serde_json::Map<_, _> = named.map(|(topic, why)| (topic.clone(), why.clone().into())).collect();
    Entry::new("subscription", now)
        .with("line", line)
        .with("topics", topics)
        .with("refused", refused.len())
        .with_some("refused_topics", (!named.is_empty()).then_some(named))
}

/// A connection is `opening`, `subscribed` or `ended`.
pub(crate) fn connection(connection: u32, state: &str, reason: Option<&CloseReason>, now: Moment) -> Entry {
    Entry::new("connection", now)
        .with("connection", connection)
        .with("state", state)
        .with_some("cause", reason.map(ToString::to_string))
}

/// Something failed.
pub(crate) fn error(error: &dyn Display, now: Moment) -> Entry {
    Entry::new("error", now).with("error", error.to_string())
}

/// The service reported an error on a connection.
pub(crate) fn service_error(connection: u32, text: &str, now: Moment) -> Entry {
    error(&format_args!("the service reports: {text}"), now).with("connection", connection)
}

/// An event came without something that it must have.
pub(crate) fn incomplete(connection: u32, metric_type: &str, missing: &str, now: Moment) -> Entry {
    Entry::new("incomplete", now)
        .with("connection", connection)
        .with("metric_type", metric_type)
        .with("missing", missing)
}

/// Which program begins to run, and with which client.
pub(crate) fn start(config: &Config, process: u32, now: Moment) -> Entry {
    Entry::new("start", now)
        .with("version", env!("CARGO_PKG_VERSION"))
        .with("pid", process)
        .with("region", config.hosts.region.as_str())
        .with("client_id", config.client_id.as_str())
        .with("protocol", config.protocol.as_str())
}

/// Which configuration it runs with: equal settings give an equal hash, and no secret is in it.
pub(crate) fn configuration(config: &Config, now: Moment) -> Entry {
    Entry::new("configuration", now).with("sha256", sha256_hex(config.canonical_json().as_bytes()))
}

/// The end of a run; `last` is missing where the engine did not end in order.
pub(crate) fn stop(last: Option<&Snapshot>, now: Moment) -> Entry {
    let stop = Entry::new("stop", now);
    let Some(last) = last else { return stop };
    let counters = &last.counters;
    stop.with("cause", last.connection.cause.as_deref().unwrap_or_default())
        .with("events_applied", counters.events_applied)
        .with("events_coalesced", counters.events_coalesced)
        .with("events_dropped", counters.events_dropped)
        .with("gaps", last.connection.gaps_total)
}

/// The last line before was torn by a crash and ended.
pub(crate) fn torn(bytes: usize, now: Moment) -> Entry {
    Entry::new("torn", now).with("bytes", bytes)
}

/// So many entries could not be written, the first of them at `since`.
pub(crate) fn missed(entries: u64, since: Moment, now: Moment) -> Entry {
    Entry::new("missed", now)
        .with("entries", entries)
        .with("since", since.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::Chain;
    use super::*;
    use crate::event::state::ConnectionState;
    use std::collections::BTreeSet;

    /// One entry of each form, with all its fields.
    fn one_of_each() -> Vec<Entry> {
        let at = Moment::from_epoch_ms(7);
        let config = crate::Config::builder()
            .region("http://127.0.0.1:1")
            .client_id("c")
            .client_secret(crate::Secret::new("s"))
            .build()
            .unwrap();
        let change = StateChange {
            attempt: Some(1),
            state: ConnectionState::Backoff,
            ..StateChange::stopped(at, "x")
        };
        let dropped = Change::Drained { dropped: 1 };
        let known = Stale {
            metric_type: "queue".into(),
            is_turn: true,
            by: StaleBy::Silence,
        };
        let known_gap = Gap {
            id: 1,
            topics: GapTopics::Some(vec!["v2.a".to_owned()]),
            from: at,
            to: None,
            cause: "x".to_owned(),
            repaired: false,
        };
        let refused = [("v2.a".to_owned(), "why".to_owned())].into();
        let mut all = vec![
            gap(&known_gap, at),
            stale(&known, at),
            token(Duration::from_secs(1), at, at),
            channel(0, Some(at), at),
            subscription(0, 2, &refused, at),
            connection(1, "ended", Some(&CloseReason::Silence), at),
            error(&"x", at),
            service_error(1, "x", at),
            incomplete(1, "queue", "metrics", at),
            start(&config, 1, at),
            configuration(&config, at),
            torn(1, at),
            missed(1, at, at),
        ];
        all.extend(of_change(&Change::State(change), at));
        all.extend(of_change(&dropped, at));
        all
    }

    fn keys(line: &[u8]) -> (String, BTreeSet<String>) {
        let value: serde_json::Map<String, Value> = serde_json::from_slice(line).unwrap();
        (
            value["kind"].as_str().unwrap().to_owned(),
            value.keys().cloned().collect(),
        )
    }

    #[test]
    fn the_page_shows_every_kind_with_all_its_fields() {
        let page = include_str!("../../docs/recording.md").lines();
        let shown: BTreeSet<_> = page
            .filter(|line| line.starts_with("{\"at\""))
            .map(|line| keys(line.as_bytes()))
            .collect();
        let written: BTreeSet<_> = one_of_each()
            .iter()
            .map(|entry| keys(&Chain::beginning().line(entry)))
            .collect();
        let missing: Vec<_> = written.difference(&shown).collect();
        assert!(missing.is_empty(), "{missing:?}");
        let others: Vec<_> = shown.difference(&written).map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(others, ["stop"], "which needs a whole snapshot");
    }

    #[test]
    fn a_change_that_says_nothing_gets_no_entry() {
        let at = Moment::from_epoch_ms(7);
        assert_eq!(of_change(&Change::Drained { dropped: 0 }, at), None);
        assert_eq!(of_change(&Change::AnyQueue {}, at), None);
    }
}
