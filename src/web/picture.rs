//! What the page shows, as rows of short JSON, and the difference between two pictures.
//!
//! In: snapshots · Out: one frame for who has no picture yet, one for who has the one before · Thread: any (pure).
//!
//! A snapshot of many queues with 60 windows each is megabytes, of which little changes in a second: the page is sent
//! the rows that did. Rows (`src/web/page.html` reads them): `i` settings, `c` connection, `k` stale kinds, `t` totals,
//! `a` totals of all queues, `aw/<start>` their windows, `q/<id>` queue, `w/<id>/<start>` its windows, `u/<id>` user,
//! `m/<key>` metric. Times are Unix milliseconds.

use std::collections::BTreeMap;

use super::Terms;
use crate::Moment;
use crate::config::TotalsSince;
use crate::model::snapshot::{Numbers, ObservationSnapshot, QueueSnapshot, Snapshot, WindowSnapshot};

/// Rows by key, each a JSON value.
pub(super) struct Picture {
    rows: BTreeMap<String, String>,
    head: String,
}

impl Picture {
    /// The rows of a snapshot.
    pub(super) fn of(snapshot: &Snapshot, terms: Terms) -> Self {
        let mut rows = BTreeMap::new();
        let mut add = |key: String, row: Row| rows.insert(key, row.end());
        add("i".to_owned(), settings(snapshot, terms));
        add("c".to_owned(), connection(snapshot));
        let mut stale = Row::new('{', '}');
        for (kind, freshness) in snapshot.freshness.iter().filter(|(_, freshness)| freshness.stale) {
            stale.key(kind).time(Some(freshness.last_event_at));
        }
        add("k".to_owned(), stale);
        let totals = &snapshot.totals;
        let mut live = Row::list();
        for count in [
            totals.active_conversations,
            totals.live.waiting,
            totals.live.interacting,
            totals.live.after_call_work,
        ] {
            live.count(count);
        }
        add("t".to_owned(), live);
        if let Some(all) = &snapshot.all_queues {
            add("a".to_owned(), numbers(&all.totals));
            for window in &all.windows {
                add(format!("aw/{}", window.start.epoch_ms()), of_window(window));
            }
        }
        for (id, queue) in &snapshot.queues {
            add(format!("q/{id}"), of_queue(queue, snapshot.as_of));
            for window in queue.windows.iter().flatten() {
                add(format!("w/{id}/{}", window.start.epoch_ms()), of_window(window));
            }
        }
        for (id, user) in &snapshot.users {
            let mut row = Row::list();
            row.text(user.name.as_deref())
                .text(user.presence.as_deref())
                .text(user.routing_status.as_deref())
                .time(user.since);
            add(format!("u/{id}"), row);
        }
        for (key, metric) in &snapshot.metrics {
            let mut row = Row::list();
            row.number(Some(metric.value)).time(metric.timestamp);
            add(format!("m/{key}"), row);
        }
        let mut head = Row::new('{', ' ');
        head.key("rev")
            .count(Some(snapshot.revision))
            .key("at")
            .time(Some(snapshot.as_of))
            .key("f")
            .time(snapshot.connection.last_frame_at);
        Self { rows, head: head.end() }
    }

    /// Everything, for a viewer that has no picture, or an older one than `before`.
    pub(super) fn frame(&self, before: Option<&Picture>) -> Vec<u8> {
        let unchanged = |key: &str, row: &str| {
            before
                .and_then(|before| before.rows.get(key))
                .is_some_and(|old| old == row)
        };
        let mut set = Row::new('{', '}');
        for (key, row) in self.rows.iter().filter(|(key, row)| !unchanged(key, row)) {
            set.key(key).raw(row);
        }
        let mut gone = Row::list();
        for key in before.iter().flat_map(|before| before.rows.keys()) {
            if !self.rows.contains_key(key) {
                gone.text(Some(key));
            }
        }
        let whole = u8::from(before.is_none());
        format!(
            "data: {},\"whole\":{whole},\"set\":{},\"gone\":{}}}\n\n",
            self.head,
            set.end(),
            gone.end()
        )
        .into_bytes()
    }
}

fn settings(snapshot: &Snapshot, terms: Terms) -> Row {
    let mut row = Row::new('{', '}');
    row.key("version").text(Some(env!("CARGO_PKG_VERSION")));
    row.key("started").time(Some(snapshot.started_at));
    row.key("since").text(Some(match terms.totals_since {
        TotalsSince::Start => "start",
        TotalsSince::Day => "day",
    }));
    for (key, duration) in [("interval", terms.interval), ("stale", terms.stale_after)] {
        row.key(key).count(u64::try_from(duration.as_millis()).ok());
    }
    row
}

fn connection(snapshot: &Snapshot) -> Row {
    let connection = &snapshot.connection;
    let open = connection.gaps.iter().find(|gap| gap.to.is_none());
    let unrepaired = connection.gaps.iter().filter(|gap| !gap.repaired).count() as u64;
    let mut row = Row::new('{', '}');
    row.key("state").text(Some(connection.state.as_str()));
    row.key("protocol").text(Some(connection.protocol.as_str()));
    row.key("since").time(Some(connection.since));
    row.key("cause").text(connection.cause.as_deref());
    row.key("gap").text(open.map(|gap| gap.cause.as_str()));
    row.key("gap_from").time(open.map(|gap| gap.from));
    for (key, count) in [
        ("connections", u64::from(connection.connections)),
        ("reconnects", connection.reconnects),
        ("gaps", connection.gaps_total),
        ("unrepaired", unrepaired),
        ("refused", connection.refused_topics.len() as u64),
        ("dropped", snapshot.counters.events_dropped),
    ] {
        row.key(key).count(Some(count));
    }
    row
}

/// Offered, answered, abandoned, service level, average wait, speed of answer, handle time.
fn numbers(numbers: &Numbers) -> Row {
    let mut row = Row::list();
    row.count(Some(numbers.offered))
        .count(Some(numbers.answered))
        .count(Some(numbers.abandoned))
        .number(numbers.service_level_percent)
        .number(numbers.average_wait_secs)
        .number(numbers.average_speed_of_answer_secs)
        .number(numbers.average_handle_secs);
    row
}

/// Offered, answered, abandoned, service level, coverage, whether complete.
fn of_window(window: &WindowSnapshot) -> Row {
    let mut row = Row::list();
    row.count(Some(window.numbers.offered))
        .count(Some(window.numbers.answered))
        .count(Some(window.numbers.abandoned))
        .number(window.numbers.service_level_percent)
        .number(Some(window.coverage_percent))
        .count(Some(u64::from(window.complete)));
    row
}

fn of_queue(queue: &QueueSnapshot, as_of: Moment) -> Row {
    let mut row = Row::new('{', '}');
    row.key("name").text(queue.name.as_deref());
    row.key("waiting").count(queue.live.waiting);
    row.key("interacting").count(queue.live.interacting);
    row.key("acw").count(queue.live.after_call_work);
    // The moment, not the duration: it does not change with every second.
    let entered = queue.longest_wait_secs.map(|secs| {
        let ms = (secs * 1000.0).round();
        // In range: a wait of this run, and `as` saturates.
        Moment::from_epoch_ms(as_of.epoch_ms().saturating_sub(ms as i64))
    });
    row.key("entered").time(entered);
    row.key("wait").number(queue.average_wait_secs);
    row.key("target").number(queue.service_level_target_percent);
    match &queue.totals {
        Some(totals) => row.key("totals").raw(&numbers(totals).end()),
        None => row.key("totals").text(None),
    };
    let mut people = Row::new('{', '}');
    let all = queue.observations.get("all");
    match all.and_then(|all| all.get("oUserRoutingStatuses").or_else(|| all.get("oOnQueueUsers"))) {
        Some(ObservationSnapshot::Qualified(by)) => {
            for (status, stats) in by {
                people.key(status).number(stats.get("count").copied());
            }
        }
        Some(ObservationSnapshot::Plain(stats)) => {
            people.key("ON_QUEUE").number(stats.get("count").copied());
        }
        None => {}
    }
    row.key("people").raw(&people.end());
    row
}

/// One JSON list or object under construction.
struct Row {
    text: String,
    close: char,
    /// A comma is due before the next value.
    comma: bool,
}

impl Row {
    fn new(open: char, close: char) -> Self {
        Self {
            text: open.to_string(),
            close,
            comma: false,
        }
    }

    fn list() -> Self {
        Self::new('[', ']')
    }

    fn raw(&mut self, json: &str) -> &mut Self {
        if self.comma {
            self.text.push(',');
        }
        self.text.push_str(json);
        self.comma = true;
        self
    }

    fn key(&mut self, key: &str) -> &mut Self {
        self.text(Some(key));
        self.text.push(':');
        self.comma = false;
        self
    }

    fn text(&mut self, text: Option<&str>) -> &mut Self {
        let quoted = text.and_then(|text| serde_json::to_string(text).ok());
        self.raw(quoted.as_deref().unwrap_or("null"))
    }

    fn count(&mut self, count: Option<u64>) -> &mut Self {
        match count {
            Some(count) => self.raw(&count.to_string()),
            None => self.raw("null"),
        }
    }

    /// With one digit behind the point: the page shows no more.
    fn number(&mut self, number: Option<f64>) -> &mut Self {
        match number.filter(|number| number.is_finite()) {
            Some(number) => self.raw(&((number * 10.0).round() / 10.0).to_string()),
            None => self.raw("null"),
        }
    }

    fn time(&mut self, at: Option<Moment>) -> &mut Self {
        match at {
            Some(at) => self.raw(&at.epoch_ms().to_string()),
            None => self.raw("null"),
        }
    }

    fn end(mut self) -> String {
        if self.close != ' ' {
            self.text.push(self.close);
        }
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Id;
    use crate::model::snapshot::LiveNumbers;
    use crate::web::testing;
    use serde_json::Value;
    use std::time::Duration;

    const TERMS: Terms = Terms {
        totals_since: TotalsSince::Start,
        stale_after: Duration::from_secs(30),
        interval: Duration::from_secs(1),
    };

    fn read(frame: &[u8]) -> Value {
        let text = std::str::from_utf8(frame).unwrap();
        let data = text.strip_prefix("data: ").unwrap().strip_suffix("\n\n").unwrap();
        assert!(!data.contains('\n'), "{data}");
        serde_json::from_str(data).unwrap()
    }

    #[test]
    fn only_what_changed_is_sent_to_who_has_the_one_before() {
        let mut snapshot = testing::snapshot();
        let waits = |name: &str, waiting| QueueSnapshot {
            name: Some(name.to_owned()),
            live: LiveNumbers {
                waiting: Some(waiting),
                ..LiveNumbers::default()
            },
            longest_wait_secs: Some(2.5),
            ..QueueSnapshot::default()
        };
        snapshot.queues.insert(Id::new("a"), waits("<b>Sales</b>\n\"", 1));
        snapshot.queues.insert(Id::new("b"), waits("Support", 2));
        let first = Picture::of(&snapshot, TERMS);
        let whole = read(&first.frame(None));
        assert_eq!((whole["whole"].as_u64(), whole["rev"].as_u64()), (Some(1), Some(42)));
        assert_eq!(whole["set"]["q/a"]["name"], "<b>Sales</b>\n\"");
        assert_eq!(whole["set"]["q/a"]["entered"], snapshot.as_of.epoch_ms() - 2500);
        assert_eq!(whole["set"]["c"]["state"], "streaming");

        // A second later the same visit still waits, and one queue is gone.
        snapshot.revision += 1;
        snapshot.as_of = snapshot.as_of.plus(Duration::from_secs(1));
        snapshot.queues.remove(&Id::new("b"));
        snapshot.queues.get_mut(&Id::new("a")).unwrap().longest_wait_secs = Some(3.5);
        let second = Picture::of(&snapshot, TERMS);
        let difference = read(&second.frame(Some(&first)));
        assert_eq!(difference["set"].as_object().unwrap().len(), 0, "{difference}");
        assert_eq!(difference["gone"], serde_json::json!(["q/b"]));
        assert_eq!(
            (difference["whole"].as_u64(), difference["rev"].as_u64()),
            (Some(0), Some(43))
        );
    }
}
