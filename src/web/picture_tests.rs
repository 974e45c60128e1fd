//! Pictures: what is in them, that differences add up, and that the page reads no name that is not sent.
//!
//! In: snapshots, the scripts of the page · Out: verdicts · Thread: the test's.

use std::path::Path;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::event::alert::{Alert, AlertState};
use crate::event::state::{ConnectionState, StateChange};
use crate::model::snapshot::{
    FreshnessSnapshot, LiveNumber, MetricSnapshot, Numbers, ObservedSnapshot, UserSnapshot, WhyUnknown,
};
use crate::output::Item;
use crate::output::last_changes::LastChanges;
use crate::web::testing;
use crate::{AlertLevel, AlertName, AlertSnapshot, Id};

/// With changes of all kinds.
fn scene(snapshot: Snapshot) -> Scene {
    let at = testing::snapshot().as_of;
    let state = |state| StateChange {
        state,
        ..StateChange::stopped(at, "socket closed")
    };
    let gap = Gap {
        id: 1,
        topics: GapTopics::Some(vec!["a".to_owned()]),
        from: at,
        to: Some(at),
        cause: "socket closed".to_owned(),
        repaired: true,
    };
    let alert = Alert {
        at,
        queue_id: Id::new("a"),
        queue: Some("Sales".into()),
        name: AlertName::Waiting,
        state: AlertState::Firing,
        level: AlertLevel::Red,
        value: Some(7.0),
        threshold: 5.0,
        since: at,
    };
    let mut changes = LastChanges::default();
    for item in [
        Item::State(Arc::new(state(ConnectionState::Connecting))),
        Item::State(Arc::new(state(ConnectionState::Streaming))),
        Item::State(Arc::new(state(ConnectionState::Backoff))),
        Item::Gap(Arc::new(gap)),
        Item::Alert(Arc::new(alert)),
    ] {
        changes.take(&item, 0);
    }
    Scene {
        snapshot: Arc::new(snapshot),
        changes: changes.entries(),
        history: Arc::new(BTreeMap::from([(at, LiveTotals::default())])),
    }
}

fn live_numbers() -> LiveNumbers {
    LiveNumbers {
        waiting: 1.into(),
        interacting: 2.into(),
        after_call_work: 3.into(),
    }
}

const SETTINGS: Settings = Settings {
    totals_since: TotalsSince::Start,
    source: "service",
    limits: String::new(),
    stale_after: Duration::from_secs(30),
    interval: Duration::from_secs(1),
};

fn read(event: &[u8]) -> Value {
    let text = std::str::from_utf8(event).unwrap();
    let data = text.strip_prefix("data: ").unwrap().strip_suffix("\n\n").unwrap();
    assert!(!data.contains('\n'), "{data}");
    serde_json::from_str(data).unwrap()
}

/// Applies a merge patch as RFC 7396 says it.
fn apply(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in patch {
        let target = target.as_object_mut().unwrap();
        match value {
            Value::Null => drop(target.remove(name)),
            value => apply(target.entry(name.clone()).or_insert(Value::Null), value),
        }
    }
}

fn window(start_mins: i64, answered: u64) -> WindowSnapshot {
    WindowSnapshot {
        start: Moment::from_epoch_ms(start_mins * 60_000),
        granularity: "PT1M".into(),
        complete: true,
        coverage_percent: 100.0,
        numbers: Numbers {
            answered,
            service_level_percent: Some(66.666),
            ..Numbers::default()
        },
        live: None,
    }
}

/// A snapshot in which everything is known that a picture may have.
fn full() -> Snapshot {
    let mut snapshot = testing::snapshot();
    let at = snapshot.as_of;
    let numbers = Numbers {
        offered: 3,
        answered: 2,
        abandoned: 1,
        service_level_percent: Some(66.666),
        average_wait_secs: Some(10.06),
        average_speed_of_answer_secs: Some(9.0),
        average_handle_secs: Some(60.5),
        ..Numbers::default()
    };
    let by_status = [
        "IDLE",
        "INTERACTING",
        "COMMUNICATING",
        "NOT_RESPONDING",
        "OFF_QUEUE",
        "ON_QUEUE",
    ]
    .map(|status| (status.to_owned(), BTreeMap::from([("count".to_owned(), 2.0)])));
    let observation = ObservationSnapshot::Qualified(BTreeMap::from(by_status));
    let alert = AlertSnapshot {
        level: AlertLevel::Amber,
        since: at,
        value: Some(7.0),
    };
    let queue = QueueSnapshot {
        name: Some("<b>Sales</b>\n\"".to_owned()),
        live: live_numbers(),
        longest_wait_secs: Some(2.5),
        average_wait_secs: Some(12.34),
        service_level_target_percent: Some(80.0),
        unknown: Some(WhyUnknown::Gone),
        alerts: BTreeMap::from([(AlertName::Waiting, alert)]),
        observed: Some(ObservedSnapshot {
            waiting: 4,
            interacting: 2,
            at,
            differs_since: Some(at),
        }),
        totals: Some(numbers),
        waits_within: None,
        windows: Some([window(1, 2)].into_iter().collect()),
        day: Default::default(),
        by_media: BTreeMap::from([("voice".to_owned(), Default::default())]),
        observations: BTreeMap::from([(
            "all".to_owned(),
            BTreeMap::from([("oUserRoutingStatuses".to_owned(), observation)]),
        )]),
    };
    snapshot.queues.insert(Id::new("a"), queue);
    // It is known, so that the totals are.
    snapshot.queues.insert(Id::new("b"), QueueSnapshot::default());
    let user = UserSnapshot {
        name: Some("Ada".to_owned()),
        presence: Some("ON_QUEUE".to_owned()),
        routing_status: Some("IDLE".to_owned()),
        since: Some(at),
        queues: vec![Id::new("a"), Id::new("b")],
    };
    snapshot.users.insert(Id::new("u"), user);
    let metric = MetricSnapshot {
        value: 1.25,
        timestamp: Some(at),
        entity: None,
    };
    snapshot.metrics.insert("queue.waiting".to_owned(), metric);
    let freshness = FreshnessSnapshot {
        last_event_at: at,
        stale: true,
    };
    snapshot.freshness.insert("queue".to_owned(), freshness);
    snapshot.connection.cause = Some("socket closed (1006)".to_owned());
    snapshot.connection.gaps.push(Gap {
        id: 1,
        topics: GapTopics::All,
        from: at,
        to: None,
        cause: "events dropped".to_owned(),
        repaired: false,
    });
    snapshot.totals = LiveTotals {
        active_conversations: Some(4),
        live: live_numbers(),
    };
    snapshot.all_queues = Some(AllQueues {
        totals: numbers,
        windows: vec![window(1, 2)],
        ..AllQueues::default()
    });
    snapshot
}

#[test]
fn a_number_beyond_all_others_is_no_number_and_never_breaks_the_json() {
    for (number, shown) in [
        (1.7e308, Value::Null),
        (-1.7e308, Value::Null),
        (0.25, Value::from(0.3)),
    ] {
        assert_eq!(shortened(Value::from(number)), shown);
    }
    let mut now = crate::web::testing::snapshot();
    let queue = QueueSnapshot {
        average_wait_secs: Some(f64::INFINITY),
        ..QueueSnapshot::default()
    };
    now.queues.insert(crate::Id::new("q"), queue);
    let event = String::from_utf8(event(&scene(now), None, &SETTINGS)).expect("text");
    serde_json::from_str::<Value>(event.trim().trim_start_matches("data: ")).expect("JSON");
}

#[test]
fn a_picture_has_the_names_of_the_snapshot() {
    let whole = read(&event(&scene(full()), None, &SETTINGS));
    assert_eq!(whole["whole"], true);
    let picture = &whole["patch"];
    // All numbers of the totals, with one digit behind the point.
    let mut totals = serde_json::to_value(full().queues[&Id::new("a")].totals).unwrap();
    totals["service_level_percent"] = json!(66.7);
    totals["average_wait_secs"] = json!(10.1);
    totals["average_speed_of_answer_secs"] = json!(9);
    totals["hold_secs"] = json!(0);
    assert_eq!(
        picture["queues"]["a"],
        json!({
            "name": "<b>Sales</b>\n\"", "waiting": 1, "interacting": 2, "after_call_work": 3,
            "longest_wait_since": "2026-05-04T14:05:27.750Z", "average_wait_secs": 12.3,
            "alerts": {"waiting": {"level": "amber", "since": "2026-05-04T14:05:30.250Z", "value": 7}},
            "service_level_target_percent": 80, "unknown": "gone",
            "observed": {
                "waiting": 4, "interacting": 2,
                "at": "2026-05-04T14:05:30.250Z", "differs_since": "2026-05-04T14:05:30.250Z",
            },
            "totals": totals,
            "windows": {"1970-01-01T00:01:00.000Z": {
                "answered": 2, "abandoned": 0, "service_level_percent": 66.7, "coverage_percent": 100,
            }},
            "agents_by_status": {
                "IDLE": 2, "INTERACTING": 2, "COMMUNICATING": 2, "NOT_RESPONDING": 2, "OFF_QUEUE": 2, "ON_QUEUE": 2,
            },
        })
    );
    // What is not said at the head of the module to be different is as in the snapshot.
    let snapshot = serde_json::to_value(full()).unwrap();
    for path in [
        "/as_of",
        "/started_at",
        "/totals",
        "/users/u/name",
        "/users/u/routing_status",
        "/users/u/since",
        "/connection/state",
        "/connection/last_frame_at",
    ] {
        assert_eq!(picture.pointer(path), snapshot.pointer(path), "{path}");
    }
    assert_eq!(picture["users"]["u"]["queues"], json!({"a": true, "b": true}));
    assert_eq!(
        picture["connection"]["open_gap"],
        json!({"from": "2026-05-04T14:05:30.250Z", "cause": "events dropped"})
    );
}

#[test]
fn only_what_changed_is_sent_to_a_viewer_that_has_the_picture_before() {
    let first = full();
    let mut second = full();
    // A second later the same visit still waits, one is answered, and the user is gone.
    second.as_of = second.as_of.plus(Duration::from_secs(1));
    second.users.clear();
    let queue = second.queues.get_mut(&Id::new("a")).unwrap();
    queue.longest_wait_secs = Some(3.5);
    queue.live.interacting = 3.into();
    let windows = queue.windows.as_ref().unwrap();
    queue.windows = Some(windows.iter().chain([window(2, 1)]).collect());
    let difference = read(&event(&scene(second.clone()), Some(&scene(first.clone())), &SETTINGS));
    assert_eq!(
        difference,
        json!({"whole": false, "patch": {
            "as_of": "2026-05-04T14:05:31.250Z",
            "queues": {"a": {
                "interacting": 3,
                "windows": {"1970-01-01T00:02:00.000Z": {
                    "answered": 1, "abandoned": 0, "service_level_percent": 66.7, "coverage_percent": 100,
                }},
            }},
            "users": {"u": null},
        }})
    );
}

/// One of the states that a few queues, users and metrics can be in.
fn any_snapshot() -> impl Strategy<Value = Snapshot> {
    let windows = prop::collection::btree_map(0_i64..80, 0_u64..3, 0..70);
    let queue = (
        any::<Option<bool>>(),
        prop::option::of(0_u64..3),
        prop::option::of(0_u8..3),
        windows,
    );
    let queues = prop::collection::btree_map("[a-c]", queue, 0..3);
    let keys = prop::collection::btree_map("[a-c]", prop::option::of(0_u8..3), 0..3);
    (queues, keys, any::<[bool; 3]>(), 0_u64..3).prop_map(|(queues, keys, [has_all, has_gap, has_totals], secs)| {
        let mut snapshot = full();
        snapshot.as_of = snapshot.as_of.plus(Duration::from_secs(secs));
        snapshot.queues.clear();
        for (id, (named, waiting, wait, windows)) in queues {
            let windows = windows.into_iter().map(|(start, answered)| window(start, answered));
            let queue = QueueSnapshot {
                name: named.map(|named| named.to_string()),
                live: LiveNumbers {
                    waiting: waiting.map_or(LiveNumber::NotTold, LiveNumber::Known),
                    ..LiveNumbers::default()
                },
                longest_wait_secs: wait.map(f64::from),
                windows: waiting.map(|_| windows.collect()),
                totals: wait.map(|_| Numbers::default()),
                ..QueueSnapshot::default()
            };
            snapshot.queues.insert(Id::new(&id), queue);
        }
        snapshot.users.clear();
        snapshot.metrics.clear();
        for (key, state) in keys {
            let user = UserSnapshot {
                routing_status: state.map(|state| state.to_string()),
                ..UserSnapshot::default()
            };
            snapshot.users.insert(Id::new(&key), user);
            let metric = MetricSnapshot {
                value: state.map_or(0.5, f64::from),
                timestamp: None,
                entity: None,
            };
            snapshot.metrics.insert(key, metric);
        }
        if !has_all {
            snapshot.all_queues = None;
        }
        if !has_gap {
            snapshot.connection.gaps.clear();
        }
        if !has_totals {
            snapshot.totals = LiveTotals::default();
        }
        snapshot
    })
}

proptest! {
    /// A viewer that got every difference has what a viewer that comes now gets.
    #[test]
    fn differences_add_up_to_the_whole(snapshots in prop::collection::vec(any_snapshot(), 1..6)) {
        let mut picture = Value::Null;
        let mut before = None;
        for now in snapshots.into_iter().map(scene) {
            apply(&mut picture, &read(&event(&now, before.as_ref(), &SETTINGS))["patch"]);
            let mut whole = Value::Null;
            apply(&mut whole, &read(&event(&now, None, &SETTINGS))["patch"]);
            before = Some(now);
            // Empty objects are left behind where all rows went.
            prop_assert_eq!(without_empty(picture.clone()), without_empty(whole));
            let queues = picture["queues"].as_object();
            for windows in queues.into_iter().flat_map(|queues| queues.values()).filter_map(|queue| queue["windows"].as_object()) {
                prop_assert!(windows.len() <= WINDOWS);
            }
        }
    }
}

/// With very many queues each has fewer windows, also those that did not change.
#[test]
fn a_picture_of_very_many_queues_has_few_windows_of_each() {
    let mut one = full();
    let mut queue = one.queues[&Id::new("a")].clone();
    queue.longest_wait_secs = None;
    let window = queue.windows.as_ref().and_then(|windows| windows.last()).unwrap();
    let windows = (0..60).map(|minute| WindowSnapshot {
        start: Moment::from_epoch_ms(minute * 60_000),
        ..window.clone()
    });
    queue.windows = Some(windows.collect());
    one.queues = BTreeMap::from([(Id::new("a"), queue.clone())]);
    let mut many = one.clone();
    many.queues
        .extend((0..7_999).map(|n| (Id::new(&format!("q{n}")), queue.clone())));
    let mut picture = Value::Null;
    apply(
        &mut picture,
        &read(&event(&scene(one.clone()), None, &SETTINGS))["patch"],
    );
    assert_eq!(picture["queues"]["a"]["windows"].as_object().unwrap().len(), 60);
    apply(
        &mut picture,
        &read(&event(&scene(many), Some(&scene(one)), &SETTINGS))["patch"],
    );
    for queue in ["a", "q0", "q7998"] {
        assert_eq!(
            picture["queues"][queue]["windows"].as_object().unwrap().len(),
            3,
            "{queue}"
        );
    }
}

fn without_empty(value: Value) -> Value {
    let Value::Object(object) = value else { return value };
    let parts = object.into_iter().map(|(name, value)| (name, without_empty(value)));
    parts.filter(|(_, value)| *value != json!({})).collect()
}

/// The scripts of the page without their comments, by file.
fn scripts() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/page");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let scripts = files.filter(|path| path.extension().is_some_and(|extension| extension == "js"));
    scripts
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let is_code = |line: &&str| !["//", "/*", "*"].iter().any(|mark| line.trim_start().starts_with(mark));
            let code: Vec<&str> = text.lines().filter(is_code).collect();
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                code.join("\n"),
            )
        })
        .collect()
}

/// The chains of names read from a variable: `["totals", "abandoned"]` for `queue.totals?.abandoned`.
fn reads<'a>(code: &'a str, variable: &'a str) -> impl Iterator<Item = Vec<&'a str>> {
    let in_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
    code.match_indices(variable).filter_map(move |(at, _)| {
        if code[..at].ends_with(|c: char| in_name(c) || c == '.' || c == '\'') {
            return None;
        }
        let mut rest = &code[at + variable.len()..];
        let mut chain = Vec::new();
        while let Some(after) = rest.strip_prefix("?.").or_else(|| rest.strip_prefix('.')) {
            let end = after.find(|c: char| !in_name(c)).unwrap_or(after.len());
            if end == 0 {
                break;
            }
            chain.push(&after[..end]);
            rest = &after[end..];
        }
        (!chain.is_empty()).then_some(chain)
    })
}

#[test]
fn only_new_changes_are_sent() {
    let mut changes = LastChanges::default();
    let gap = |id, to, repaired| {
        Item::Gap(Arc::new(Gap {
            id,
            topics: GapTopics::All,
            from: Moment::from_epoch_ms(0),
            to,
            cause: "socket closed".to_owned(),
            repaired,
        }))
    };
    let scene = |changes: &LastChanges| Scene {
        snapshot: Arc::new(testing::snapshot()),
        changes: changes.entries(),
        history: Arc::default(),
    };
    let sent = |now: &Scene, before: Option<&Scene>| read(&event(now, before, &SETTINGS))["patch"]["changes"].clone();
    changes.take(&gap(1, None, false), 0);
    let first = scene(&changes);
    let row =
        json!({"kind": "gap", "id": 1, "at": "1970-01-01T00:00:00.000Z", "cause": "socket closed", "repaired": false});
    assert_eq!(sent(&first, None), json!({"1": row}));
    assert_eq!(sent(&scene(&changes), Some(&first)), Value::Null, "nothing is new");
    changes.take(&gap(1, Some(Moment::from_epoch_ms(1000)), true), 0);
    changes.take(&gap(2, None, false), 0);
    let mut new = row.clone();
    new["id"] = json!(2);
    assert_eq!(
        sent(&scene(&changes), Some(&first)),
        json!({"1": {"until": "1970-01-01T00:00:01.000Z", "repaired": true}, "2": new})
    );
}

/// The page gives its variables the names in this list, and every name that it reads from them is sent.
#[test]
fn the_page_reads_no_name_that_is_not_sent() {
    let picture = read(&event(&scene(full()), None, &SETTINGS))["patch"].clone();
    let queue = &picture["queues"]["a"];
    let mut time_window = queue["windows"]["1970-01-01T00:01:00.000Z"].clone();
    // Added by the page from the window's key.
    time_window["start"] = json!(60_000);
    // One kind of change has what others have not.
    let changes = picture["changes"].as_object().unwrap().values();
    let change: Object = changes
        .flat_map(|change| change.as_object().unwrap().clone())
        .inserted();
    let change = Value::Object(change);
    let variables = [
        ("change", &change, 10),
        ("picture", &picture, 10),
        ("queue", queue, 10),
        ("user", &picture["users"]["u"], 5),
        ("metric", &picture["metrics"]["queue.waiting"], 2),
        ("connection", &picture["connection"], 10),
        ("settings", &picture["settings"], 4),
        ("gap", &picture["connection"]["open_gap"], 2),
        ("numbers", &queue["totals"], 4),
        ("timeWindow", &time_window, 5),
    ];
    let scripts = scripts();
    for (variable, sent, at_least) in variables {
        let mut found = 0;
        for (file, code) in &scripts {
            for chain in reads(code, variable) {
                found += 1;
                let mut value = sent;
                for name in &chain {
                    // Beyond a number or a text only JavaScript's own names follow.
                    if !value.is_object() {
                        break;
                    }
                    assert!(value.get(name).is_some(), "{file} reads {variable}.{}", chain.join("."));
                    value = &value[name];
                }
            }
        }
        assert!(found >= at_least, "{variable}: the page reads {found} names");
    }
    // Columns and tiles name what they show.
    for (file, sent) in [("columns.js", queue), ("tiles.js", &picture["totals"])] {
        let (_, code) = scripts.iter().find(|(name, _)| name == file).unwrap();
        let fields: Vec<&str> = code
            .split("field: '")
            .skip(1)
            .filter_map(|rest| rest.split('\'').next())
            .collect();
        assert!(fields.len() >= 4, "{file}: {fields:?}");
        for field in fields {
            let pointer = format!("/{}", field.replace('.', "/"));
            assert!(sent.pointer(&pointer).is_some(), "{file} shows {field}");
        }
    }
}

/// What is made for the page alone is read by it.
#[test]
fn the_page_reads_every_name_that_only_a_picture_has() {
    let snapshot = full();
    let overview = object(&Overview::of(&snapshot, &SETTINGS));
    let window =
        read(&event(&scene(snapshot.clone()), None, &SETTINGS))["patch"]["queues"]["a"]["windows"]["1970-01-01T00:01:00.000Z"].clone();
    let code: String = scripts().into_iter().map(|(_, code)| code).collect();
    let mut names = vec!["longest_wait_since".to_owned(), "agents_by_status".to_owned()];
    for part in [
        &Value::Object(overview.clone()),
        &overview["settings"].clone(),
        &overview["connection"].clone(),
        &overview["counters"].clone(),
        &window,
    ] {
        names.extend(part.as_object().unwrap().keys().cloned());
    }
    for name in names {
        let is_read = [".", "{ ", ", "]
            .iter()
            .any(|before| code.contains(&format!("{before}{name}")));
        assert!(is_read, "the page never reads {name}");
    }
}
