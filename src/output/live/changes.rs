//! The last changes: states of the connection, gaps and their repair, alerts.
//!
//! In: what an output receives · Out: the newest changes with their times · Thread: any (pure).

use std::collections::VecDeque;

use super::layout::Style;
use crate::Moment;
use crate::event::alert::{Alert, AlertState};
use crate::model::snapshot::{AlertLevel, ConnectionState, Gap, GapTopics};
use crate::output::record::StateChange;
use crate::output::text::{between, number, short, sign, span};

/// So many are kept, some 20 KB.
const KEEP: usize = 100;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) at: Moment,
    pub(super) style: Style,
    /// In a word: `gap`.
    pub(super) kind: &'static str,
    /// Not safe for a terminal yet: it holds names and causes.
    pub(super) text: String,
    /// Id and stage of the gap, so that a stage is listed once.
    gap: Option<(u64, GapStage)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GapStage {
    Open,
    Closed,
    Repaired,
}

/// The newest changes.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    /// Oldest first.
    entries: VecDeque<Entry>,
}

impl Changes {
    /// The newest first.
    pub(super) fn newest(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter().rev()
    }

    /// Takes a change of the connection's state.
    pub(super) fn state(&mut self, change: &StateChange) {
        let style = match change.state {
            ConnectionState::Streaming => Style::Good,
            ConnectionState::Connecting => Style::Normal,
            ConnectionState::Backoff | ConnectionState::Stopped => Style::Bad,
        };
        let mut text = change.state.as_str().to_owned();
        if let Some(cause) = &change.cause {
            text = format!("{text}: {cause}");
        }
        if let Some(attempt) = change.attempt.filter(|attempt| *attempt > 1) {
            text = format!("{text} (attempt {attempt})");
        }
        self.push(change.at, style, "state", text, None);
    }

    /// Takes a gap that opened, closed or was repaired; `now` is the time of the repair.
    pub(super) fn gap(&mut self, gap: &Gap, now: Moment) {
        let topics = match &gap.topics {
            GapTopics::All => String::new(),
            GapTopics::Some(topics) if topics.len() == 1 => " of 1 topic".to_owned(),
            GapTopics::Some(topics) => format!(" of {} topics", topics.len()),
        };
        let (id, cause) = (gap.id, &gap.cause);
        let length = gap.to.map(|to| span(between(gap.from, to)));
        let (stage, at, style, text) = match (length, gap.to) {
            (Some(length), Some(_)) if gap.repaired => {
                let text = format!("{id}{topics} repaired, {length} long: {cause}");
                (GapStage::Repaired, now, Style::Good, text)
            }
            (Some(length), Some(to)) => {
                let text = format!("{id}{topics} ended after {length}: {cause}");
                (GapStage::Closed, to, Style::Warn, text)
            }
            _ => {
                let text = format!("{id}{topics} begins: {cause}");
                (GapStage::Open, gap.from, Style::Bad, text)
            }
        };
        let same = |entry: &Entry| entry.gap == Some((id, stage));
        if !self.entries.iter().any(same) {
            self.push(at, style, "gap", text, Some((id, stage)));
        }
    }

    /// Takes an alert that began, changed its level, or ended.
    pub(super) fn alert(&mut self, alert: &Alert) {
        let queue = alert
            .queue
            .as_deref()
            .map_or_else(|| short(&alert.queue_id), str::to_owned);
        let value = alert.value.map_or_else(|| "–".to_owned(), number);
        let (style, is) = match (alert.state, alert.level) {
            (AlertState::Resolved, _) => (Style::Good, "resolved".to_owned()),
            (AlertState::Firing, AlertLevel::Amber) => (Style::Warn, format!("{} amber", sign(alert.level))),
            (AlertState::Firing, AlertLevel::Red) => (Style::Bad, format!("{} red", sign(alert.level))),
        };
        let text = format!("{queue}: {} {value}, {is}", alert.name.as_str().replace('_', " "));
        self.push(alert.at, style, "alert", text, None);
    }

    fn push(&mut self, at: Moment, style: Style, kind: &'static str, text: String, gap: Option<(u64, GapStage)>) {
        if self.entries.len() == KEEP {
            self.entries.pop_front();
        }
        let entry = Entry {
            at,
            style,
            kind,
            text,
            gap,
        };
        self.entries.push_back(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Id;
    use crate::config::AlertName;
    use crate::output::record::tests::moment;
    use crate::output::testing::a_gap;
    use std::time::Duration;

    fn texts(changes: &Changes) -> Vec<String> {
        changes
            .newest()
            .map(|entry| format!("{} {}", entry.kind, entry.text))
            .collect()
    }

    #[test]
    fn each_stage_of_a_gap_once() {
        let mut changes = Changes::default();
        let from = moment("2026-05-04T03:00:00Z");
        let (to, later) = (from.plus(Duration::from_secs(12)), from.plus(Duration::from_secs(20)));
        let mut gap = a_gap(from, None);
        changes.gap(&gap, later);
        changes.gap(&gap, later);
        gap.to = Some(to);
        changes.gap(&gap, later);
        gap.repaired = true;
        changes.gap(&gap, later);
        assert_eq!(
            texts(&changes),
            [
                "gap 1 repaired, 12 s long: socket closed (1006)",
                "gap 1 ended after 12 s: socket closed (1006)",
                "gap 1 begins: socket closed (1006)"
            ]
        );
        assert_eq!(
            Vec::from_iter(changes.newest().map(|entry| entry.at)),
            [later, to, from]
        );
    }

    #[test]
    fn states_and_alerts_in_words() {
        let mut changes = Changes::default();
        let at = moment("2026-05-04T03:00:00Z");
        changes.state(&StateChange {
            at,
            state: ConnectionState::Backoff,
            cause: Some("socket closed (1006)".to_owned()),
            attempt: Some(2),
            retry_in: None,
        });
        let mut alert = Alert {
            at,
            queue_id: Id::new("q"),
            queue: Some("Sales".into()),
            name: AlertName::LongestWaitSecs,
            state: AlertState::Firing,
            level: AlertLevel::Red,
            value: Some(181.5),
            threshold: 180.0,
            since: at,
        };
        changes.alert(&alert);
        alert.state = AlertState::Resolved;
        changes.alert(&alert);
        assert_eq!(
            texts(&changes),
            [
                "alert Sales: longest wait secs 181.5, resolved",
                "alert Sales: longest wait secs 181.5, !! red",
                "state backoff: socket closed (1006) (attempt 2)"
            ]
        );
    }

    #[test]
    fn the_newest_hundred_are_kept() {
        let mut changes = Changes::default();
        for id in 0..150 {
            let mut gap = a_gap(moment("2026-05-04T03:00:00Z"), None);
            gap.id = id;
            changes.gap(&gap, gap.from);
        }
        assert_eq!(changes.newest().len(), KEEP);
        assert!(changes.newest().next().unwrap().text.starts_with("149 "));
    }
}
