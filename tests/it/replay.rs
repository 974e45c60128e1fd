//! Recordings and their replay: the same snapshot as live, whatever happened to the stream.
//!
//! In: a simulator, a scripted peer, the built program · Out: verdicts · Thread: the test's.

use std::path::Path;
use std::time::{Duration, Instant};

use genesys_stream::simulator::Simulator;
use genesys_stream::{ConfigBuilder, Moment, Protocol, Snapshot, Stream, WhenFull};
use serde_json::{Value, json};

use crate::audit::Directory;
use crate::support::peer::{Behaviour, event, notification, peer, sockets};
use crate::support::process::{Ended, program};
use crate::support::{
    STOP_LIMIT, against_the_clock, built, busy, config, control, for_all_protocols, impatient, start, watch, watch_with,
};

/// A REST budget that does not slow a test.
const PLENTY: &str = r#"{"rest":{"max_requests_per_min":100000},"backfill":{"max_requests_per_min":100000},
    "windows":{"granularity":"PT10S","service_level_secs":7},"totals":{"since":"start"},
    "thresholds":{"default":{"waiting":[1,3],"longest_wait_secs":[2,5],"abandoned_percent":[5,10],
        "service_level_percent":[90,70],"idle_agents":[3,1],"for_secs":1}}}"#;

fn replay(recording: &Path, more: &[&str]) -> Ended {
    replay_at("0", recording, more)
}

fn replay_at(speed: &str, recording: &Path, more: &[&str]) -> Ended {
    let mut flags = vec!["replay", recording.to_str().unwrap(), "--speed", speed];
    flags.extend(more);
    program(&flags, &[]).wait()
}

/// The last snapshot of a replay.
pub fn replayed(recording: &Path) -> Value {
    let ended = replay(recording, &["--output", "snapshots", "--interval-ms", "3600000"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    serde_json::from_str(ended.lines.last().expect("a snapshot")).expect("JSON")
}

fn comparable(mut snapshot: Value) -> Value {
    for key in ["generated_at", "started_at", "latency", "revision"] {
        snapshot.as_object_mut().expect("an object").remove(key).expect(key);
    }
    snapshot
}

#[track_caller]
pub fn assert_equal(live: &Snapshot, replayed: &Value) {
    // Through text, as the other: reading rounds a number's last bit.
    let live = serde_json::to_string(live).expect("JSON");
    let live = comparable(serde_json::from_str(&live).expect("JSON"));
    let replayed = comparable(replayed.clone());
    for (key, value) in live.as_object().unwrap() {
        assert_eq!(&replayed[key], value, "{key}");
    }
    assert_eq!(replayed, live);
}

fn stormy(url: &str, protocol: Protocol, path: &Path) -> ConfigBuilder {
    impatient(url, protocol).json("plenty.json", PLENTY).record_file(path)
}

/// An outage that is repaired, then closes, resets, duplicates, events out of order, garbage, error frames.
fn storm(sim: &Simulator, stream: &crate::support::Watched, protocol: Protocol) {
    stream.until_fed();
    control(sim, "duplicate?percent=20");
    control(sim, "reorder?percent=20");
    control(sim, "garbage?count=3&kind=text");
    control(sim, "garbage?kind=binary");
    control(sim, "error_frame?message=oops");
    stream.until("garbage came", |s| s.counters.malformed >= 2);
    control(sim, "outage?secs=1");
    let repaired = |s: &Snapshot| s.connection.gaps.iter().all(|gap| gap.to.is_some() && gap.repaired);
    stream.until("the outage is over", |s| s.connection.gaps_total >= 1);
    // Events came over the new socket, so the simulator knows it, too.
    let reconnected = |count| {
        let before = stream.until_reconnected(count).counters.events_applied;
        stream.until("more came", |s| s.counters.events_applied >= before + 20);
    };
    reconnected(1);
    control(sim, "close?code=1011");
    reconnected(2);
    control(sim, "reset");
    reconnected(3);
    if protocol == Protocol::Notifications {
        stream.until("all gaps are repaired", |s| s.connection.gaps_total >= 3 && repaired(s));
        control(sim, "revoke");
        reconnected(4);
    }
}

#[test]
fn a_replay_gives_the_snapshot_of_the_stream() {
    // For the last lines of the recording there are 700 ms.
    for_all_protocols(|protocol| against_the_clock(|_| gives_the_snapshot(protocol)));
}

fn gives_the_snapshot(protocol: Protocol) {
    let directory = Directory::new(&format!("replay-{}", protocol.as_str()));
    let path = directory.file("recording.jsonl");
    let sim = start(busy());
    let mut builder = stormy(&sim.url(), protocol, &path);
    if protocol == Protocol::Notifications {
        builder = builder.queue("all").user("queue-members");
    }
    let stream = watch(builder);
    storm(&sim, &stream, protocol);
    let report = stream.stop();
    assert!(report.abandoned.is_empty(), "{:?}", report.abandoned);
    let live = &report.snapshot;
    assert_eq!(live.outputs["record_file"].missed, 0);
    assert!(live.connection.gaps_total >= 3, "{:?}", live.connection.gaps);
    assert!(live.counters.malformed > 0, "{:?}", live.counters);
    if protocol == Protocol::Notifications {
        assert!(
            live.counters.duplicates > 0 && live.counters.repairs > 0,
            "{:?}",
            live.counters
        );
        assert!(live.queues.values().all(|queue| queue.name.is_some()));
    }
    assert_equal(live, &replayed(&path));
    // A second time, and at another speed, it is no other.
    let ended = replay_at(
        "50000",
        &path,
        &[
            "--output",
            "none",
            "--snapshot-file",
            directory.file("last.json").to_str().unwrap(),
        ],
    );
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let last = std::fs::read_to_string(directory.file("last.json")).unwrap();
    assert_equal(live, &serde_json::from_str(&last).unwrap());

    let text = std::fs::read_to_string(&path).unwrap();
    let channels: Vec<&str> = text
        .match_indices("streaming-")
        .map(|(at, _)| &text[at..at + 20])
        .collect();
    assert!(channels.is_empty(), "{channels:?}");
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        assert!(
            ["frame", "rest", "state"].contains(&line["kind"].as_str().unwrap()),
            "{line}"
        );
        assert!(line["received_at"].is_string() && line.get("connection").is_some());
    }
}

/// A redacted recording holds nothing of a customer; its numbers are the same.
#[test]
fn a_redacted_recording_has_the_same_numbers() {
    let directory = Directory::new("replay-redacted");
    let path = directory.file("recording.jsonl");
    let topic = "v2.users.7a1b0c2d-0000-4000-8000-000000000001.presence";
    let text = |name: &str| {
        let body = json!({"source": name, "name": name, "presenceDefinition": {"id": "p", "systemPresence": "BUSY"}});
        notification(topic, &body)
    };
    // Two events that are equal but for their names, and a repeated one.
    let texts = vec![text("Erika"), text("Max"), text("Max"), "Erika, no JSON".to_owned()];
    let peer = peer(sockets(vec![Behaviour::Well(texts)]));
    let stream = watch(
        config(&peer.url(), Protocol::Notifications)
            .redacted()
            .record_file(&path)
            .queue("Sales"),
    );
    stream.until("all came", |s| {
        s.counters.events_applied == 3 && s.counters.malformed == 1
    });
    let live = stream.stop().snapshot;
    assert_eq!(live.counters.duplicates, 1);
    let recording = std::fs::read_to_string(&path).unwrap();
    assert!(!recording.contains("\"name\\\":\\\"Erika") && !recording.contains("no JSON"));
    assert!(recording.contains("Sales"), "names of queues stay");
    let replayed = replayed(&path);
    assert_eq!(replayed["counters"], serde_json::to_value(live.counters).unwrap());
    assert_eq!(replayed["users"], serde_json::to_value(&live.users).unwrap());
}

/// An event counts at the time of its receipt: how long it waited in the buffer shows in no number.
#[test]
fn events_that_waited_have_the_same_numbers() {
    const QUEUE: &str = "509f5a7f-cb31-5a43-ac00-8041a8ba3690";
    /// More than an output that nobody reads, the buffer and the reader can hold before the last ones.
    const OTHERS: usize = 2_300;
    let directory = Directory::new("replay-waited");
    let path = directory.file("recording.jsonl");
    let began = Moment::now().minus(Duration::from_secs(10));
    let topic = format!("v2.routing.queues.{QUEUE}.conversations");
    // No time in the event is later than the begin of the hold: it ends when the event was received.
    let told = |conversation: &str, held: bool| {
        let call = json!({"id": "m", "state": "connected", "held": held, "startHoldTime": began});
        let agent = json!({"id": "p", "purpose": "agent", "userId": "u", "queueId": QUEUE, "connectedTime": began,
            "calls": [call]});
        let customer = json!({"id": "c", "purpose": "customer", "connectedTime": began});
        notification(&topic, &json!({"id": conversation, "participants": [customer, agent]}))
    };
    let mut texts = vec![told("held", true)];
    texts.extend((0..OTHERS).map(|n| told(&format!("other-{n}"), true)));
    texts.push(told("held", false));
    let all = texts.len() as u64;
    let peer = peer(sockets(vec![Behaviour::Well(texts)]));
    let config = config(&peer.url(), Protocol::Notifications)
        .topic(&topic)
        .buffer_capacity(1)
        .when_full(WhenFull::Block)
        .record_file(&path);
    let (builder, events) = Stream::builder(built(config)).events(1);
    let stream = watch_with(builder);
    let s = stream.until("all came, and some wait", |s| {
        s.counters.events_decoded == all && s.counters.events_buffered > 0
    });
    let waited = s.generated_at.plus(Duration::from_millis(300));
    stream.until("they wait", |s| s.generated_at > waited);
    let reading = std::thread::spawn(move || events.count());
    stream.until("all are applied", |s| s.counters.events_applied == all);
    let live = stream.stop().snapshot;
    reading.join().expect("the events");

    let recording = std::fs::read_to_string(&path).unwrap();
    let last = recording
        .lines()
        .rfind(|line| line.contains(r#"\"held\":false"#))
        .unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    let received = Moment::parse(last["received_at"].as_str().unwrap()).unwrap();
    let held_ms = received.millis_since(began);
    let queue = live.queues.values().next().expect("the queue");
    let told_ms = queue.totals.as_ref().expect("totals").hold_secs * 1000.0;
    assert_eq!(told_ms.round() as i64, held_ms);
    assert_equal(&live, &replayed(&path));
}

#[test]
fn a_replay_writes_the_records_of_the_stream() {
    // For the last records there are 700 ms.
    for_all_protocols(|protocol| against_the_clock(|_| writes_the_records(protocol)));
}

fn writes_the_records(protocol: Protocol) {
    let directory = Directory::new(&format!("replay-records-{}", protocol.as_str()));
    let path = directory.file("recording.jsonl");
    let texts = (0..50).map(|n| event(protocol, n)).collect();
    let peer = peer(sockets(vec![Behaviour::Close(texts, 1011)]));
    let url = peer.url();
    let mut flags = vec![
        "run",
        "--region",
        &url,
        "--protocol",
        protocol.as_str(),
        "--output",
        "events",
    ];
    flags.extend(["--interval-ms", "50", "--no-verify", "--record", path.to_str().unwrap()]);
    let variables = [
        ("GENESYS_CLIENT_ID", "simulator"),
        ("GENESYS_CLIENT_SECRET", "simulator"),
    ];
    let running = program(&flags, &variables);
    let mut live = running.lines_until("the end of the gap", |line| {
        line.contains(r#""record":"gap""#) && !line.contains(r#""to":null"#)
    });
    running.signal("TERM");
    let ended = running.wait();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    live.extend(ended.lines);
    let replayed = replay(&path, &["--output", "events"]);
    assert_eq!(replayed.code, 0, "{}", replayed.stderr);
    let records = |lines: &[String]| -> Vec<Value> {
        let all = lines.iter().map(|line| serde_json::from_str(line).expect("JSON"));
        all.filter(|record: &Value| record["record"] != "snapshot").collect()
    };
    let events: Vec<Value> = records(&live).into_iter().filter(|r| r["record"] == "event").collect();
    assert_eq!(events.len(), 50);
    assert_eq!(records(&replayed.lines), records(&live));
}

#[test]
fn broken_recordings_are_named_by_their_line() {
    let directory = Directory::new("replay-broken");
    let path = directory.file("recording.jsonl");
    let texts = (0..5).map(|n| event(Protocol::Events, n)).collect();
    let peer = peer(sockets(vec![Behaviour::Well(texts)]));
    let stream = watch(config(&peer.url(), Protocol::Events).record_file(&path));
    stream.until("all came", |s| s.counters.events_applied == 5);
    stream.stop();
    let whole = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let with = |text: String| {
        std::fs::write(&path, text).unwrap();
        replay(&path, &["--output", "snapshots"])
    };
    let mut broken = lines.clone();
    broken[6] = "garbage";
    let ended = with(broken.join("\n") + "\n");
    assert_eq!(ended.code, 1);
    assert!(
        ended.stderr.contains("line 7: no line of a recording"),
        "{}",
        ended.stderr
    );

    // Cut off in its last line, as by a crash: the whole lines count.
    let cut = lines[..lines.len() - 1].join("\n") + "\n" + &lines[lines.len() - 1][..30];
    let ended = with(cut.clone());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stderr.contains("torn"), "{}", ended.stderr);
    let last: Value = serde_json::from_str(ended.lines.last().unwrap()).unwrap();
    assert_eq!(last["counters"]["events_applied"], 5);
    assert_eq!(last["connection"]["state"], "stopped");

    // Another run appended to it: each is played from its own start.
    let ended = with(cut + "\n" + &whole);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let last: Value = serde_json::from_str(ended.lines.last().unwrap()).unwrap();
    assert_eq!(last["counters"]["events_applied"], 5);

    // Of another version: refused with advice, also where a run of this one is appended to it.
    let old = lines[0].replace("\"schema\":3", "\"schema\":1");
    let ended = with(old + "\n" + &whole);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("found a recording of schema 1") && ended.stderr.contains("reads schema 3 only"),
        "{}",
        ended.stderr
    );
    assert_eq!(with("{\"a\":1}\n".to_owned()).code, 2);
    assert_eq!(with(String::new()).code, 2);
    assert_eq!(replay(&directory.file("none"), &[]).code, 2);
}

/// At the recorded speed a replay takes as long as the recording did; a signal ends it at once.
#[test]
fn it_runs_on_recorded_time_and_stops_when_asked() {
    let directory = Directory::new("replay-speed");
    let path = directory.file("recording.jsonl");
    let texts = (0..5).map(|n| event(Protocol::Events, n)).collect();
    let peer = peer(sockets(vec![Behaviour::Well(texts)]));
    let stream = watch(config(&peer.url(), Protocol::Events).record_file(&path));
    stream.until("a second passes", |s| s.as_of.millis_since(s.started_at) >= 1000);
    stream.stop();
    let path = path.to_str().unwrap();
    let began = Instant::now();
    let ended = program(&["replay", path, "--output", "none"], &[]).wait();
    let took = began.elapsed();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(took >= Duration::from_millis(1000), "{took:?}");
    against_the_clock(|_| {
        let slow = program(&["replay", path, "--speed", "0.02", "--output", "snapshots"], &[]);
        slow.line("the first snapshot", |line| line.contains("\"snapshot\""));
        slow.signal("TERM");
        let ended = slow.wait();
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert!(ended.took < STOP_LIMIT, "{:?}", ended.took);
        let last: Value = serde_json::from_str(ended.lines.last().unwrap()).unwrap();
        assert_eq!(last["connection"]["cause"], "asked to stop");
    });
}

/// A disk that is full, and a directory that vanishes: told, counted, and gone on from; the stream is not disturbed.
#[test]
fn a_full_disk_and_a_vanished_directory_stop_nothing() {
    let directory = Directory::new("replay-vanished");
    let below = directory.file("below");
    std::fs::create_dir(&below).unwrap();
    let path = below.join("recording.jsonl");
    let sim = start(busy());
    let stream = watch(
        config(&sim.url(), Protocol::Notifications)
            .queue("all")
            .record_file(&path),
    );
    stream.until("recorded", |s| s.outputs["record_file"].written > 20);
    // Moved away at once: while one removes it file by file, the recorder would make a new one.
    std::fs::rename(&below, directory.file("away")).unwrap();
    let s = stream.until("missed", |s| s.outputs["record_file"].missed > 5);
    let (written, applied) = (s.outputs["record_file"].written, s.counters.events_applied);
    std::fs::create_dir(&below).unwrap();
    stream.until("goes on", |s| {
        s.outputs["record_file"].written > written + 5 && s.counters.events_applied > applied + 20
    });
    let report = stream.stop();
    // What it went on in can be replayed by itself: the stream's state, its queues, and the events since then.
    let again = replayed(&path);
    assert_eq!(again["connection"]["state"], "stopped");
    assert_eq!(again["connection"]["reconnects"], report.snapshot.connection.reconnects);
    let events = |s: &Value| s["counters"]["events_applied"].as_u64().unwrap();
    assert!(
        events(&again) > 5 && events(&again) < report.snapshot.counters.events_applied,
        "{again}"
    );
    assert_eq!(again["counters"]["events_buffered"], 0);
    assert_eq!(again["counters"]["events_dropped"], 0);
    let queues: Vec<String> = report.snapshot.queues.keys().map(ToString::to_string).collect();
    assert!(!queues.is_empty());
    assert_eq!(
        again["queues"].as_object().unwrap().keys().cloned().collect::<Vec<_>>(),
        queues
    );

    let stream = watch(config(&sim.url(), Protocol::Events).record_file("/dev/full"));
    let s = stream.until("missed, and events", |s| {
        s.outputs["record_file"].missed > 20 && s.counters.events_applied > 0
    });
    assert_eq!(s.outputs["record_file"].written, 0);
    stream.stop();
}
