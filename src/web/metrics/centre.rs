//! Families of the contact centre: `genesys_…`, most of them by queue.
//!
//! In: a snapshot · Out: families · Thread: any (pure).
//!
//! The numbers of queues, their names and help come from `model/counts.rs`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::exposition::{Exposition, Kind};
use crate::model::bucket::WAIT_BOUNDS_SECS;
use crate::model::counts::{Field, LiveNumbers, Numbers, Unit};
use crate::model::snapshot::{MediaSnapshot, ObservationSnapshot, QueueSnapshot, Snapshot, UnknownQueues};

/// Queues with series of their own; an organisation has a few hundred.
const MOST_QUEUES: usize = 5000;
/// Metrics with series of their own (`metrics`): 5 types of 20.
const MOST_METRICS: usize = 100;
/// Statuses that Genesys documents; any other is `OTHER`.
const STATUSES: [&str; 5] = ["OFF_QUEUE", "IDLE", "INTERACTING", "NOT_RESPONDING", "COMMUNICATING"];

/// A metric of a queue that is not counted here: name, help, value.
type Other = (&'static str, &'static str, fn(&QueueSnapshot) -> Option<f64>);

const OTHERS: [Other; 4] = [
    ("longest_wait_seconds", LONGEST_WAIT, |queue| queue.longest_wait_secs),
    (
        "reported_average_wait_seconds",
        "Average wait as the service sends it (events protocol).",
        |queue| queue.average_wait_secs,
    ),
    (
        "service_level_target_ratio",
        "The queue's own target of the service level, 0 to 1.",
        |queue| queue.service_level_target_percent.map(|percent| percent / 100.0),
    ),
    (
        "service_level_30m_ratio",
        "Service level of the windows of the last 30 minutes, 0 to 1.",
        |queue| {
            let recent = queue.windows.as_ref()?.sums_of_last(HALF_HOUR);
            Some(recent.numbers().service_level_percent? / 100.0)
        },
    ),
];

const HALF_HOUR: Duration = Duration::from_secs(30 * 60);

const LONGEST_WAIT: &str = "Wait so far of who waits longest; absent while nobody waits.";

pub(super) fn write(to: &mut Exposition<'_>, snapshot: &Snapshot) {
    let active = snapshot.totals.active_conversations.map(|count| count as f64);
    to.gauge(
        "genesys_active_conversations",
        "Conversations with a customer connected now.",
        active,
    );
    let none_known = UnknownQueues::of(snapshot).is_some_and(|unknown| unknown.are_all());
    for field in LiveNumbers::FIELDS {
        let value = field.metric_value(&snapshot.totals.live).filter(|_| !none_known);
        to.gauge(&format!("genesys_{}", field.metric_name()), field.help, value);
    }
    if let Some(all) = &snapshot.all_queues {
        for field in Numbers::FIELDS {
            let help = format!("{} All listed queues.", help(field));
            let value = field.metric_value(&all.totals);
            to.gauge(&format!("genesys_all_queues_{}", field.metric_name()), &help, value);
        }
    }
    let queues = queues(snapshot);
    for field in LiveNumbers::FIELDS {
        by_queue(to, &field.metric_name(), field.help, &queues, |queue| {
            field.metric_value(&queue.live)
        });
    }
    for (name, help, of) in OTHERS {
        by_queue(to, name, help, &queues, of);
    }
    for field in Numbers::FIELDS {
        by_queue(to, &field.metric_name(), &help(field), &queues, |queue| {
            field.metric_value(queue.totals.as_ref()?)
        });
    }
    info(to, &queues);
    waits(to, &queues);
    by_media(to, &queues);
    unknown(to, &queues);
    alerts(to, &queues);
    observed(to, &queues);
    users(to, snapshot, &queues);
    metrics(to, snapshot);
}

/// What a number of the totals means, in which range, and since when.
fn help(field: &Field<Numbers>) -> String {
    let range = if field.unit == Unit::Percent {
        " From 0 to 1."
    } else {
        ""
    };
    format!("{}{range} Since totals.since.", field.help)
}

fn info(to: &mut Exposition<'_>, queues: &[Queue<'_>]) {
    let help = "Always 1; the name of a queue.";
    to.family(Kind::Gauge, "genesys_queue_info", help, |to| {
        for queue in queues {
            to.count(&[("queue_id", &queue.id), ("name", queue.name)], 1);
        }
    });
}

fn waits(to: &mut Exposition<'_>, queues: &[Queue<'_>]) {
    let help = "Answered and abandoned visits that waited at most le seconds. Since totals.since.";
    let bounds: Vec<String> = WAIT_BOUNDS_SECS.iter().map(u64::to_string).collect();
    to.family(Kind::Gauge, "genesys_queue_wait_within", help, |to| {
        for queue in queues {
            let bounds = bounds.iter().map(String::as_str).chain(["+Inf"]);
            for (within, le) in queue.now.waits_within.iter().flatten().zip(bounds) {
                to.count(&[("queue_id", &queue.id), ("le", le)], *within);
            }
        }
    });
}

fn by_media(to: &mut Exposition<'_>, queues: &[Queue<'_>]) {
    let mut family = |name: &str, help: &str, of: &dyn Fn(&MediaSnapshot) -> Option<f64>| {
        let help = format!("{help} By medium.");
        to.family(Kind::Gauge, &format!("genesys_queue_media_{name}"), &help, |to| {
            for queue in queues {
                for (medium, media) in &queue.now.by_media {
                    to.add(&queue.labels_and("media", medium), of(media));
                }
            }
        });
    };
    for field in LiveNumbers::FIELDS {
        family(&field.metric_name(), field.help, &|media| {
            field.metric_value(&media.live)
        });
    }
    family("longest_wait_seconds", LONGEST_WAIT, &|media| media.longest_wait_secs);
}

fn unknown(to: &mut Exposition<'_>, queues: &[Queue<'_>]) {
    let help =
        "1 for a queue whose live numbers are unknown and left out, because its conversation topic is not covered.";
    to.family(Kind::Gauge, "genesys_queue_unknown", help, |to| {
        for queue in queues {
            if let Some(why) = &queue.now.unknown {
                to.count(&queue.labels_and("reason", &why.kind().replace(' ', "_")), 1);
            }
        }
    });
}

fn alerts(to: &mut Exposition<'_>, queues: &[Queue<'_>]) {
    let help = "1 for a number of a queue that is beyond a threshold (thresholds.*).";
    to.family(Kind::Gauge, "genesys_queue_alert", help, |to| {
        for queue in queues {
            for (name, alert) in &queue.now.alerts {
                let [id, label] = queue.labels();
                to.count(
                    &[id, label, ("alert", name.as_str()), ("level", alert.level.as_str())],
                    1,
                );
            }
        }
    });
}

fn observed(to: &mut Exposition<'_>, queues: &[Queue<'_>]) {
    let help = "Our number less Genesys' own where they have differed for a minute; 0 where they have not.";
    to.family(Kind::Gauge, "genesys_queue_observed_difference", help, |to| {
        for queue in queues {
            let Some(observed) = &queue.now.observed else { continue };
            let live = &queue.now.live;
            for (metric, ours, theirs) in [
                ("waiting", live.waiting, observed.waiting),
                ("interacting", live.interacting, observed.interacting),
            ] {
                let difference = observed.differs_since.map_or(Some(0.0), |_| {
                    // Exact up to 2^53.
                    Some(ours.known()? as f64 - theirs as f64)
                });
                to.add(&queue.labels_and("metric", metric), difference);
            }
        }
    });
}

fn metrics(to: &mut Exposition<'_>, snapshot: &Snapshot) {
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
    to: &mut Exposition<'_>,
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

/// A status of the closed list.
fn status(text: &str) -> &'static str {
    STATUSES.into_iter().find(|known| *known == text).unwrap_or("OTHER")
}

fn users(to: &mut Exposition<'_>, snapshot: &Snapshot, queues: &[Queue<'_>]) {
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
