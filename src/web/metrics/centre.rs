//! Families of the contact centre: `genesys_…`, most of them by queue.
//!
//! In: a snapshot · Out: families · Thread: any (pure).

use std::collections::BTreeMap;

use super::exposition::{Exposition, Kind};
use crate::model::numbers::Numbers;
use crate::model::snapshot::{LiveTotals, MediaSnapshot, ObservationSnapshot, QueueSnapshot, Snapshot};

/// Queues with series of their own; an organisation has a few hundred.
const MOST_QUEUES: usize = 5000;
/// Metrics with series of their own (`metrics`): 5 types of 20.
const MOST_METRICS: usize = 100;
/// Statuses that Genesys documents; any other is `OTHER`.
const STATUSES: [&str; 5] = ["OFF_QUEUE", "IDLE", "INTERACTING", "NOT_RESPONDING", "COMMUNICATING"];

type Number<T> = (&'static str, &'static str, fn(&T) -> Option<f64>);

const TOTALS: [Number<LiveTotals>; 4] = [
    (
        "active_conversations",
        "Conversations with a customer connected, now.",
        |t| count(t.active_conversations?),
    ),
    (
        "waiting_conversations",
        "Conversations that wait in queues, now.",
        |t| count(t.waiting?),
    ),
    ("interacting_agents", "Agents connected to a conversation, now.", |t| {
        count(t.interacting?)
    }),
    ("after_call_work_agents", "Agents in after-call work, now.", |t| {
        count(t.after_call_work?)
    }),
];

const LIVE: [Number<QueueSnapshot>; 6] = [
    (
        "waiting_conversations",
        "Conversations that wait in the queue, now.",
        |q| count(q.waiting?),
    ),
    (
        "interacting_agents",
        "Agents of the queue connected to a conversation, now.",
        |q| count(q.interacting?),
    ),
    (
        "after_call_work_agents",
        "Agents of the queue in after-call work, now.",
        |q| count(q.after_call_work?),
    ),
    (
        "longest_wait_seconds",
        "Wait so far of who waits longest; absent while nobody waits.",
        |q| q.longest_wait_secs,
    ),
    (
        "reported_average_wait_seconds",
        "Average wait as the service sends it (events protocol).",
        |q| q.average_wait_secs,
    ),
    (
        "service_level_target_ratio",
        "The queue's own target of the service level, 0 to 1.",
        |q| q.service_level_target_percent.map(ratio),
    ),
];

const MEDIA: [Number<MediaSnapshot>; 3] = [
    (
        "media_waiting_conversations",
        "Conversations of a medium that wait in the queue, now.",
        |m| count(m.waiting),
    ),
    (
        "media_interacting_agents",
        "Agents connected to a conversation of a medium, now.",
        |m| count(m.interacting),
    ),
    (
        "media_longest_wait_seconds",
        "Wait so far of who waits longest, by medium; absent while nobody waits.",
        |m| m.longest_wait_secs,
    ),
];

const NUMBERS: [Number<Numbers>; 13] = [
    ("offered", "Visits that entered, since totals.since.", |n| {
        count(n.offered)
    }),
    ("answered", "Visits that an agent took, since totals.since.", |n| {
        count(n.answered)
    }),
    ("abandoned", "Visits whose customer left, since totals.since.", |n| {
        count(n.abandoned)
    }),
    (
        "short_abandoned",
        "Those abandoned sooner than windows.short_abandon_secs.",
        |n| count(n.short_abandoned),
    ),
    (
        "flow_out",
        "Visits that went on to somebody else, since totals.since.",
        |n| count(n.flow_out),
    ),
    (
        "transferred",
        "Handled conversations that were transferred, since totals.since.",
        |n| count(n.transferred),
    ),
    (
        "handled",
        "Conversations that agents were done with, since totals.since.",
        |n| count(n.handled),
    ),
    (
        "wrapups",
        "Handled conversations that were wrapped up, since totals.since.",
        |n| count(n.wrapups),
    ),
    (
        "service_level_ratio",
        "Answered within the threshold, 0 to 1; absent without any.",
        |n| n.service_level_percent.map(ratio),
    ),
    (
        "average_wait_seconds",
        "Mean wait of answered and abandoned visits.",
        |n| n.average_wait_secs,
    ),
    (
        "average_speed_of_answer_seconds",
        "Mean wait of answered visits.",
        |n| n.average_speed_of_answer_secs,
    ),
    ("average_handle_seconds", "Mean handle time.", |n| n.average_handle_secs),
    (
        "hold_seconds",
        "Time on hold as far as the stream showed it, since totals.since.",
        |n| Some(n.hold_secs),
    ),
];

fn count(count: u64) -> Option<f64> {
    // Exact up to 2^53.
    Some(count as f64)
}

fn ratio(percent: f64) -> f64 {
    percent / 100.0
}

pub(super) fn write(to: &mut Exposition, snapshot: &Snapshot) {
    for (name, help, of) in TOTALS {
        to.gauge(&format!("genesys_{name}"), help, of(&snapshot.totals));
    }
    if let Some(all) = &snapshot.all_queues {
        for (name, help, of) in NUMBERS {
            let help = format!("{help} All listed queues.");
            to.gauge(&format!("genesys_all_queues_{name}"), &help, of(&all.totals));
        }
    }
    let queues = queues(snapshot);
    for (name, help, of) in LIVE {
        by_queue(to, name, help, &queues, of);
    }
    for (name, help, of) in NUMBERS {
        by_queue(to, name, help, &queues, |queue| of(queue.totals.as_ref()?));
    }
    for (name, help, of) in MEDIA {
        to.family(Kind::Gauge, &format!("genesys_queue_{name}"), help, |to| {
            for queue in &queues {
                for (medium, media) in &queue.now.by_media {
                    to.add(&queue.labels_and("media", medium), of(media));
                }
            }
        });
    }
    users(to, snapshot, &queues);
    to.family(
        Kind::Gauge,
        "genesys_metric_value",
        "Last value of a metric as the service sent it, in its own unit (metrics protocol).",
        |to| {
            for (key, metric) in snapshot.metrics.iter().take(MOST_METRICS) {
                to.add(&metric_labels(key), Some(metric.value));
            }
        },
    );
    to.family(
        Kind::Gauge,
        "genesys_metric_timestamp_seconds",
        "The time that the service gave with the last value, Unix time (metrics protocol).",
        |to| {
            for (key, metric) in snapshot.metrics.iter().take(MOST_METRICS) {
                let at = metric.timestamp.map(|at| at.epoch_ms() as f64 / 1000.0);
                to.add(&metric_labels(key), at);
            }
        },
    );
}

fn metric_labels(key: &str) -> [(&'static str, &str); 2] {
    let (kind, name) = key.split_once('.').unwrap_or(("", key));
    [("metric_type", kind), ("metric", name)]
}

/// A queue with the values of its labels.
struct Queue<'a> {
    id: String,
    name: &'a str,
    now: &'a QueueSnapshot,
}

impl Queue<'_> {
    fn labels(&self) -> [(&str, &str); 2] {
        [("queue_id", &self.id), ("queue", self.name)]
    }

    fn labels_and<'a>(&'a self, label: &'a str, value: &'a str) -> [(&'a str, &'a str); 3] {
        let [id, name] = self.labels();
        [id, name, (label, value)]
    }
}

fn queues(snapshot: &Snapshot) -> Vec<Queue<'_>> {
    snapshot
        .queues
        .iter()
        .take(MOST_QUEUES)
        .map(|(id, now)| Queue {
            id: id.to_string(),
            name: now.name.as_deref().unwrap_or_default(),
            now,
        })
        .collect()
}

fn by_queue(
    to: &mut Exposition,
    name: &str,
    help: &str,
    queues: &[Queue<'_>],
    of: impl Fn(&QueueSnapshot) -> Option<f64>,
) {
    to.family(Kind::Gauge, &format!("genesys_queue_{name}"), help, |to| {
        for queue in queues {
            to.add(&queue.labels(), of(queue.now));
        }
    });
}

/// The closed list's own word for a status.
fn status(text: &str) -> &'static str {
    STATUSES.into_iter().find(|known| *known == text).unwrap_or("OTHER")
}

fn users(to: &mut Exposition, snapshot: &Snapshot, queues: &[Queue<'_>]) {
    to.family(
        Kind::Gauge,
        "genesys_queue_users",
        "Members of the queue by routing status, as Genesys observes them.",
        |to| {
            for queue in queues {
                let observed = queue.now.observations.get("all");
                let Some(ObservationSnapshot::Qualified(by)) = observed.and_then(|all| all.get("oUserRoutingStatuses"))
                else {
                    continue;
                };
                let mut counts = BTreeMap::new();
                for (name, stats) in by {
                    if let Some(n) = stats.get("count").filter(|_| name != "all") {
                        *counts.entry(status(name)).or_insert(0.0) += n;
                    }
                }
                for (status, n) in counts {
                    to.add(&queue.labels_and("routing_status", status), Some(n));
                }
            }
        },
    );
    to.family(
        Kind::Gauge,
        "genesys_users",
        "Subscribed users by routing status.",
        |to| {
            let mut counts = BTreeMap::new();
            for text in snapshot
                .users
                .values()
                .filter_map(|user| user.routing_status.as_deref())
            {
                *counts.entry(status(text)).or_insert(0_u64) += 1;
            }
            for (status, n) in counts {
                to.count(&[("routing_status", status)], n);
            }
        },
    );
}
