//! The exposition: its two forms, escaping, and that its numbers are the snapshot's.
//!
//! In: made snapshots · Out: verdicts · Thread: the test's.

use super::*;
use crate::model::snapshot::{AlertLevel, AlertName, AlertSnapshot};
use crate::model::snapshot::{AllQueues, LiveNumbers, Numbers, ObservedSnapshot, QueueSnapshot, WhyUnknown};
use crate::web::testing;
use crate::{Id, Moment};

fn text(snapshot: &Snapshot, server: &ServerState, format: Format) -> String {
    let mut text = Vec::new();
    write(&mut text, snapshot, server, format).unwrap();
    String::from_utf8(text).unwrap()
}

const SERVER: ServerState = ServerState {
    ready: true,
    viewers: 2,
};

fn snapshot() -> Snapshot {
    let mut snapshot = testing::snapshot();
    let queue = QueueSnapshot {
        name: Some("Sales \"east\\west\"\nnew".to_owned()),
        live: LiveNumbers {
            waiting: 3.into(),
            ..LiveNumbers::default()
        },
        longest_wait_secs: Some(12.5),
        totals: Some(Numbers {
            offered: 9,
            service_level_percent: Some(75.0),
            ..Numbers::default()
        }),
        ..QueueSnapshot::default()
    };
    snapshot.queues.insert(Id::new("q1"), queue);
    snapshot.counters.events_dropped = 4;
    snapshot
}

/// A sample's value by the text before it.
fn value<'a>(text: &'a str, series: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))
}

#[test]
fn numbers_are_the_snapshots_in_base_units() {
    let text = text(&snapshot(), &SERVER, Format::Prometheus);
    let labels = r#"{queue_id="q1",queue="Sales \"east\\west\"\nnew"}"#;
    for (series, expected) in [
        ("genesys_queue_waiting_conversations", Some("3")),
        ("genesys_queue_longest_wait_seconds", Some("12.5")),
        ("genesys_queue_offered", Some("9")),
        ("genesys_queue_service_level_ratio", Some("0.75")),
        ("genesys_queue_average_handle_seconds", None),
        ("genesys_queue_interacting_agents", None),
    ] {
        assert_eq!(value(&text, &format!("{series}{labels}")), expected, "{series}");
    }
    assert_eq!(value(&text, "genesys_stream_events_dropped_total"), Some("4"));
    assert_eq!(value(&text, "genesys_stream_ready"), Some("1"));
    assert_eq!(value(&text, "genesys_stream_state{state=\"streaming\"}"), Some("1"));
    assert_eq!(value(&text, "genesys_stream_state{state=\"backoff\"}"), Some("0"));
    let as_of = Moment::from_epoch_ms(1_777_903_530_250);
    assert_eq!(snapshot().as_of, as_of);
    assert_eq!(
        value(&text, "genesys_stream_snapshot_timestamp_seconds"),
        Some("1777903530.25")
    );
}

#[test]
fn waits_and_names_of_queues() {
    let mut snapshot = snapshot();
    let queue = snapshot.queues.values_mut().next().unwrap();
    queue.waits_within = Some([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let text = text(&snapshot, &SERVER, Format::Prometheus);
    for (series, expected) in [
        (r#"info{queue_id="q1",name="Sales \"east\\west\"\nnew"}"#, Some("1")),
        (r#"wait_within{queue_id="q1",le="5"}"#, Some("1")),
        (r#"wait_within{queue_id="q1",le="600"}"#, Some("8")),
        (r#"wait_within{queue_id="q1",le="+Inf"}"#, Some("9")),
    ] {
        assert_eq!(value(&text, &format!("genesys_queue_{series}")), expected, "{series}");
    }
    assert!(
        !text.contains("genesys_queue_service_level_30m_ratio"),
        "no window tells it"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_has_its_usual_metrics() {
    let text = text(&snapshot(), &SERVER, Format::Prometheus);
    let number = |name: &str| value(&text, name).and_then(|text| text.parse::<f64>().ok());
    for name in [
        "cpu_seconds_total",
        "resident_memory_bytes",
        "virtual_memory_bytes",
        "open_fds",
        "max_fds",
        "threads",
    ] {
        assert!(number(&format!("process_{name}")).is_some_and(|n| n >= 0.0), "{name}");
    }
    assert!(number("process_resident_memory_bytes").unwrap() > 1e6);
    let age = Moment::now().epoch_ms() as f64 / 1000.0 - number("process_start_time_seconds").unwrap();
    assert!((-2.0..86_400.0).contains(&age), "{age}");
}

/// Samples of unknown numbers are left out; the reason is one of few, whatever the service said.
#[test]
fn unknown_queues_and_differences_have_samples() {
    let mut snapshot = snapshot();
    snapshot.totals.live.waiting = 3.into();
    let at = snapshot.as_of;
    let known = |differs_since| QueueSnapshot {
        live: LiveNumbers {
            waiting: 3.into(),
            interacting: 1.into(),
            ..LiveNumbers::default()
        },
        observed: Some(ObservedSnapshot {
            waiting: 5,
            interacting: 1,
            at,
            differs_since,
        }),
        ..QueueSnapshot::default()
    };
    snapshot.queues = [
        (Id::new("differs"), known(Some(at))),
        (Id::new("just-differs"), known(None)),
    ]
    .into();
    for (id, why) in [
        ("r", WhyUnknown::Refused("a\"b".to_owned())),
        ("n", WhyUnknown::NotSubscribed),
    ] {
        let unknown = QueueSnapshot {
            live: LiveNumbers::UNKNOWN,
            unknown: Some(why),
            ..QueueSnapshot::default()
        };
        snapshot.queues.insert(Id::new(id), unknown);
    }
    let all = text(&snapshot, &SERVER, Format::Prometheus);
    for (series, expected) in [
        ("unknown{queue_id=\"r\",queue=\"\",reason=\"refused\"}", Some("1")),
        (
            "unknown{queue_id=\"n\",queue=\"\",reason=\"not_subscribed\"}",
            Some("1"),
        ),
        ("waiting_conversations{queue_id=\"r\",queue=\"\"}", None),
        (
            "observed_difference{queue_id=\"differs\",queue=\"\",metric=\"waiting\"}",
            Some("-2"),
        ),
        (
            "observed_difference{queue_id=\"differs\",queue=\"\",metric=\"interacting\"}",
            Some("0"),
        ),
        (
            "observed_difference{queue_id=\"just-differs\",queue=\"\",metric=\"waiting\"}",
            Some("0"),
        ),
    ] {
        assert_eq!(value(&all, &format!("genesys_queue_{series}")), expected, "{series}");
    }
    assert_eq!(value(&all, "genesys_waiting_conversations"), Some("3"));
    let alert = AlertSnapshot {
        level: AlertLevel::Red,
        since: at,
        value: Some(5.0),
    };
    let differs = snapshot.queues.get_mut(&Id::new("differs")).expect("it is there");
    differs.alerts.insert(AlertName::Waiting, alert);
    let alerting = text(&snapshot, &SERVER, Format::Prometheus);
    let series = "genesys_queue_alert{queue_id=\"differs\",queue=\"\",alert=\"waiting\",level=\"red\"}";
    assert_eq!((value(&all, series), value(&alerting, series)), (None, Some("1")));
    snapshot.queues.retain(|_, queue| queue.unknown.is_some());
    let none_known = text(&snapshot, &SERVER, Format::Prometheus);
    assert_eq!(value(&none_known, "genesys_waiting_conversations"), None);
}

/// Dashboards and alerts of users hold these names; the declaration of a number only implies them.
#[test]
fn families_of_queues_keep_their_names() {
    let mut snapshot = snapshot();
    let numbers = Numbers {
        service_level_percent: Some(80.0),
        average_wait_secs: Some(1.0),
        average_speed_of_answer_secs: Some(1.0),
        average_handle_secs: Some(1.0),
        ..Numbers::default()
    };
    let live = LiveNumbers {
        waiting: 1.into(),
        interacting: 1.into(),
        after_call_work: 1.into(),
    };
    snapshot.totals.live = live;
    snapshot.all_queues = Some(AllQueues {
        totals: numbers,
        windows: Vec::new(),
        ..AllQueues::default()
    });
    let queue = snapshot.queues.values_mut().next().unwrap();
    queue.live = live;
    queue.totals = Some(numbers);
    let media = queue.by_media.entry("voice".to_owned()).or_default();
    media.live = live;
    media.longest_wait_secs = Some(1.0);
    let text = text(&snapshot, &SERVER, Format::Prometheus);
    let live = ["waiting_conversations", "interacting_agents", "after_call_work_agents"];
    let counted = [
        "offered",
        "answered",
        "abandoned",
        "short_abandoned",
        "flow_out",
        "transferred",
        "handled",
        "wrapups",
        "service_level_ratio",
        "average_wait_seconds",
        "average_speed_of_answer_seconds",
        "average_handle_seconds",
        "hold_seconds",
    ];
    let waits = ["longest_wait_seconds"];
    for (prefix, names) in [
        ("genesys_", &live[..]),
        ("genesys_all_queues_", &counted),
        ("genesys_queue_", &live),
        ("genesys_queue_", &counted),
        ("genesys_queue_", &waits),
        ("genesys_queue_media_", &live),
        ("genesys_queue_media_", &waits),
    ] {
        for name in names {
            assert!(
                text.contains(&format!("# TYPE {prefix}{name} gauge\n")),
                "{prefix}{name}"
            );
        }
    }
}

/// Each family once, headed, and no sample outside its family: what a strict parser demands.
#[test]
fn families_are_whole_and_open_metrics_differs_where_it_must() {
    for format in [Format::Prometheus, Format::OpenMetrics] {
        let text = text(&snapshot(), &SERVER, format);
        let mut seen = std::collections::BTreeSet::new();
        let mut family = String::new();
        let mut counter = false;
        for line in text.lines().filter(|line| *line != "# EOF") {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                family = rest.split(' ').next().unwrap().to_owned();
                assert!(seen.insert(family.clone()), "{family} twice");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                counter = rest == format!("{family} counter");
                assert!(counter || rest == format!("{family} gauge"), "{line}");
            } else {
                let name = line.split(['{', ' ']).next().unwrap();
                let suffix = if counter && format == Format::OpenMetrics {
                    "_total"
                } else {
                    ""
                };
                assert_eq!(name, format!("{family}{suffix}"), "{line}");
                assert_eq!(counter, name.ends_with("_total"), "{line}");
                assert!(line.rsplit(' ').next().unwrap().parse::<f64>().is_ok(), "{line}");
            }
        }
        assert_eq!(text.ends_with("# EOF\n"), format == Format::OpenMetrics);
    }
}

#[test]
fn the_reader_chooses_the_format() {
    let of = |accept| Format::of_accept(Some(accept));
    let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                      text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    assert_eq!(of(prometheus), Format::OpenMetrics);
    assert_eq!(of("application/openmetrics-text"), Format::OpenMetrics);
    assert_eq!(
        of("text/plain;version=0.0.4;q=0.5, application/openmetrics-text;q=0.3"),
        Format::Prometheus
    );
    assert_eq!(of("application/openmetrics-text;q=0"), Format::Prometheus);
    assert_eq!(of("text/html,*/*"), Format::Prometheus);
    assert_eq!(Format::of_accept(None), Format::Prometheus);
}
