//! A snapshot as JSON, and back.
//!
//! In: made snapshots · Out: verdicts · Thread: the test's.

use super::*;
use crate::model::testing::snapshot_of_everything;

#[test]
fn a_snapshot_comes_back_from_its_json() {
    let mut snapshot = snapshot_of_everything();
    // The distribution of waits is in metrics only.
    snapshot.queues.values_mut().for_each(|queue| queue.waits_within = None);
    let json = serde_json::to_string(&snapshot).unwrap();
    // Not in JSON.
    snapshot.all_queues.as_mut().unwrap().day = Day::default();
    snapshot
        .queues
        .values_mut()
        .for_each(|queue| queue.day = Day::default());
    let back: Snapshot = serde_json::from_str(&json).unwrap();
    assert_eq!(back, snapshot);
    assert_eq!(serde_json::to_string(&back).unwrap(), json);
}

#[test]
fn a_window_writes_its_own_fields_and_then_those_of_totals() {
    let window = WindowSnapshot {
        start: Moment::from_epoch_ms(60_000),
        granularity: "PT1M".into(),
        complete: true,
        coverage_percent: 100.0,
        numbers: Numbers {
            offered: 2,
            average_wait_secs: Some(1.5),
            ..Numbers::default()
        },
        live: Some(WindowLive {
            waiting: Some(LiveRange {
                max: 3.0,
                mean: 1.25,
                last: 0.0,
            }),
            ..WindowLive::default()
        }),
    };
    let json = serde_json::to_string(&window).unwrap();
    let own = "{\"start\":\"1970-01-01T00:01:00.000Z\",\"granularity\":\"PT1M\",\"complete\":true,\
               \"coverage_percent\":100.0,\"offered\":2,";
    assert!(json.starts_with(own), "{json}");
    let rest = serde_json::to_string(&window.numbers).unwrap();
    let live = ",\"live\":{\"waiting\":{\"max\":3,\"mean\":1.25,\"last\":0},\"longest_wait_secs\":null,\
                \"interacting\":null,\"idle\":null}}";
    let numbers = json.strip_suffix(live).unwrap_or_else(|| panic!("{json}"));
    assert!(numbers.ends_with(&rest[1..rest.len() - 1]), "{json}\n{rest}");
    assert_eq!(json.matches("\":").count(), 4 + Numbers::FIELDS.len() + 8);
}

/// Keys that a newer version adds are no error, and numbers that an older one did not have are zero or absent.
#[test]
fn snapshots_of_other_versions_are_read() {
    let snapshot = snapshot_of_everything();
    let waiting = snapshot.queues.values().next().unwrap().live.waiting;
    let mut json = serde_json::to_value(snapshot).unwrap();
    json["counters"]["weather"] = 7.into();
    json["counters"].as_object_mut().unwrap().remove("late");
    let queue = json["queues"].as_object_mut().unwrap().values_mut().next().unwrap();
    queue["totals"]["weather"] = 7.into();
    queue["totals"].as_object_mut().unwrap().remove("offered");
    queue.as_object_mut().unwrap().remove("interacting");
    let back: Snapshot = serde_json::from_value(json).unwrap();
    let queue = back.queues.values().next().unwrap();
    assert_eq!((back.counters.late, queue.totals.unwrap().offered), (0, 0));
    assert_eq!(queue.live.interacting, LiveNumber::NotTold);
    assert!(waiting.known().is_some() && queue.live.waiting == waiting);
}

#[test]
fn a_queue_is_found_by_id_first_and_by_name_else() {
    let mut snapshot = snapshot_of_everything();
    snapshot.queues.clear();
    for (id, name, waiting) in [("a", "Sales", 1), ("b", "a", 2), ("c", "Sales", 3)] {
        let mut queue = QueueSnapshot {
            name: Some(name.to_owned()),
            ..QueueSnapshot::default()
        };
        queue.live.waiting = waiting.into();
        snapshot.queues.insert(Id::new(id), queue);
    }
    let found = |name_or_id| snapshot.queue(name_or_id).and_then(|queue| queue.live.waiting.known());
    assert_eq!((found("a"), found("b"), found("Sales")), (Some(1), Some(2), Some(1)));
    assert_eq!((found("sales"), found("")), (None, None));
}

/// Keys that users know keep their order, whatever is added.
#[test]
fn keys_of_numbers_keep_their_order() {
    let json = serde_json::to_string(&Numbers::default()).unwrap();
    let places = [
        "offered",
        "answered",
        "abandoned",
        "short_abandoned",
        "flow_out",
        "transferred",
        "handled",
        "wrapups",
        "service_level_percent",
        "average_wait_secs",
        "average_speed_of_answer_secs",
        "average_handle_secs",
        "hold_secs",
    ]
    .map(|key| json.find(&format!("\"{key}\":")).unwrap());
    assert!(places.is_sorted(), "{json}");
    let nothing = serde_json::to_string(&LiveNumbers::default()).unwrap();
    assert_eq!(nothing, "{}");
}
