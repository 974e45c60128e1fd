//! Frames of the three protocols, applied to a dashboard: whatever comes, its snapshot and the page's frames are valid JSON and
//! no count is negative; and the numbers of conversations depend neither on order nor repetition, merging, packing, redaction.
//!
//! In: choices and frames, or choices alone, from which conversations are made · Out: a panic where a promise does not hold
//! · Thread: the fuzzer's.
#![no_main]

use std::sync::Arc;

use fuzz::{Input, is_json, numbers};
use genesys_stream::fuzzing::{Dashboard, day_chart, metrics, page, pseudonym, redacted};
use genesys_stream::{Protocol, Snapshot};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};

/// 2026-05-04T14:05:00Z: the fixtures are of this time.
const START_MS: i64 = 1_777_903_500_000;
/// Everything is over, and nothing is old enough to be forgotten.
const LATER_MS: i64 = START_MS + 3_000_000;
/// Room for everything.
const ROOMY: (usize, usize, usize) = (10_000, 1 << 30, usize::MAX);
/// One is no UUID, and comes after the others, as what stands for it does: between equal times the greater id wins.
const QUEUES: [&str; 3] = [
    "509f5a7f-cb31-5a43-ac00-8041a8ba3690",
    "609f5a7f-cb31-5a43-ac00-8041a8ba3691",
    "sip:q3@x",
];

/// An identifier; the order of the identifiers is that of the numbers.
fn id(number: usize) -> String {
    format!("{number:08x}-0000-4000-8000-000000000000")
}

fn queues() -> Vec<String> {
    QUEUES.map(str::to_owned).to_vec()
}

/// What may differ between orders (docs/numbers.md), and what is not of conversations.
const APART: [&str; 8] = [
    "hold_secs",
    "observations",
    "observed",
    "unknown",
    "alerts",
    "coverage_percent",
    "live",
    "quarters",
];

fn without(value: &mut Value, keys: &[&str]) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| !keys.contains(&key.as_str()));
            map.values_mut().for_each(|value| without(value, keys));
        }
        Value::Array(list) => list.iter_mut().for_each(|entry| without(entry, keys)),
        _ => {}
    }
}

/// The numbers of conversations.
fn counted(snapshot: &Snapshot) -> Value {
    let mut all = json!({"totals": snapshot.totals, "all_queues": snapshot.all_queues, "queues": snapshot.queues});
    without(&mut all, &APART);
    all
}

/// Where two values differ, to say it shortly.
fn difference(one: &Value, other: &Value, at: &str) -> Option<String> {
    match (one, other) {
        _ if one == other => None,
        (Value::Object(a), Value::Object(b)) => {
            let mut keys = a.keys().chain(b.keys());
            keys.find_map(|key| difference(&one[key.as_str()], &other[key.as_str()], &format!("{at}.{key}")))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.find_map(|(n, (a, b))| difference(a, b, &format!("{at}[{n}]")))
        }
        _ => Some(format!("{at}: {one} and {other}")),
    }
}

fn merge_patch(to: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, value) in patch {
        match (to.get_mut(key), value) {
            (_, Value::Null) => drop(to.remove(key)),
            (Some(Value::Object(to)), Value::Object(patch)) => merge_patch(to, patch),
            (_, Value::Object(patch)) => {
                let mut new = Map::new();
                merge_patch(&mut new, patch);
                to.insert(key.clone(), new.into());
            }
            _ => drop(to.insert(key.clone(), value.clone())),
        }
    }
}

/// The patch in an event for the page.
fn patch(now: &Arc<Snapshot>, before: Option<&Arc<Snapshot>>) -> Map<String, Value> {
    let event = page(now, before);
    let text = String::from_utf8(event).expect("the page's event is UTF-8");
    let json = text
        .strip_prefix("data: ")
        .and_then(|text| text.strip_suffix("\n\n"))
        .expect("an event");
    assert!(!json.contains('\n'), "the page's event has two lines");
    let mut message: Value = serde_json::from_str(json).expect("the page's event is JSON");
    assert_eq!(message["whole"], before.is_none());
    match message["patch"].take() {
        Value::Object(patch) => patch,
        other => panic!("a patch that is {other}"),
    }
}

/// Checks one snapshot, and the page's picture of it after the one before.
fn check(now: &Arc<Snapshot>, before: Option<&Arc<Snapshot>>) {
    let text = serde_json::to_string(now).expect("a snapshot can be written");
    let whole: Value = serde_json::from_str(&text).expect("a snapshot is JSON");
    // What a peer measured, and which way our clock differs, may be negative.
    let may_be_negative = |path: &[String]| {
        let has = |name: &str| path.iter().any(|part| part == name);
        let of_a_peer = path.len() == 3 && path[2] == "average_wait_secs";
        has("metrics") || has("observations") || has("observed") || has("clock_ahead_ms") || of_a_peer || has("alerts")
    };
    numbers(&whole, &mut Vec::new(), &mut |path, number| {
        assert!(number >= 0.0 || may_be_negative(path), "{} is {number}", path.join("."));
    });
    let picture = patch(now, None);
    if let Some(before) = before {
        let mut patched = patch(before, None);
        merge_patch(&mut patched, &patch(now, Some(before)));
        // `null` in a picture is absent.
        let mut wanted = Map::new();
        merge_patch(&mut wanted, &picture);
        let (patched, wanted) = (Value::Object(patched), Value::Object(wanted));
        let mut keys = [patched, wanted];
        keys.iter_mut()
            .for_each(|picture| without(picture, &["longest_wait_since"]));
        let told = difference(&keys[0], &keys[1], "");
        assert_eq!(told, None, "the page's patch and its whole picture differ");
    }
    assert!(is_json(&day_chart(now)), "the chart of the day is no JSON");
}

/// Checks the text for Prometheus, which takes a while: the state of the process is in it.
fn check_metrics(snapshot: &Snapshot) {
    let text = metrics(snapshot);
    let line = |line: &str| {
        let value = line.rsplit_once(' ').map(|(_, value)| value);
        line.starts_with('#') || value.is_some_and(|value| value.parse::<f64>().is_ok())
    };
    assert!(text.ends_with("# EOF\n") && text.lines().all(line), "{text}");
}

/// Frames, answers and changes as they stand in the input, one a line.
fn played(mut input: Input<'_>, protocol: Protocol) {
    let choice = input.byte();
    // As little room as a configuration may give, or much.
    let limits = match choice & 3 {
        0 => (3, 1 << 20, 1),
        1 => (1, 1 << 20, 0),
        _ => ROOMY,
    };
    let listed = if choice & 4 == 0 { queues() } else { Vec::new() };
    let mut dashboard = Dashboard::new(protocol, &listed, START_MS, limits);
    let mut now = START_MS + 60_000;
    let mut before: Option<Arc<Snapshot>> = None;
    let mut frames = Vec::new();
    for (n, line) in input.0.split(|byte| *byte == b'\n').enumerate().take(24) {
        let Ok(text) = std::str::from_utf8(line) else {
            continue;
        };
        match line.first() {
            Some(b'+') => now += text[1..].parse::<i64>().unwrap_or(1000).clamp(-100_000, 90_000_000),
            Some(b'R') => drop(dashboard.details(&line[1..], now)),
            Some(b'C') => drop(dashboard.change(&text[1..], now)),
            Some(b'T') => dashboard.tick(now),
            _ => {
                let heard = match choice & 8 {
                    0 => dashboard.frame(n, text, now),
                    _ => dashboard.frame_that_waits(n, text, now),
                };
                assert!(
                    heard.bodies.iter().all(|body| is_json(body)),
                    "{text:?}: {:?}",
                    heard.bodies
                );
                if !is_json(text) {
                    assert!(
                        heard.malformed > 0 && heard.bodies.is_empty(),
                        "{text:?} is no JSON: {heard:?}"
                    );
                }
                frames.push(text.to_owned());
            }
        }
        if n % 4 == 3 {
            dashboard.flush();
            let snapshot = Arc::new(dashboard.snapshot(now));
            check(&snapshot, before.as_ref());
            if choice >= 240 {
                check_metrics(&snapshot);
            }
            before = Some(snapshot);
        }
    }
    dashboard.flush();
    dashboard.tick(now);
    check(&Arc::new(dashboard.snapshot(now)), before.as_ref());
    if protocol == Protocol::Notifications && !frames.is_empty() {
        compared(&frames, choice >> 4);
    }
}

/// The numbers of these frames, all received at the end, in an order and with repetitions that `choice` gives, in one of the
/// ways that must not matter.
fn compared(frames: &[String], choice: u8) {
    let finish = |mut dashboard: Dashboard| {
        dashboard.flush();
        dashboard.tick(LATER_MS);
        dashboard.snapshot(LATER_MS)
    };
    let mut one = Dashboard::new(Protocol::Notifications, &queues(), START_MS, ROOMY);
    for frame in frames {
        one.frame(0, frame, LATER_MS);
    }
    let one = finish(one);
    // What is too old is not applied, unless its conversation is there: then the order matters.
    if one.counters.late > 0 {
        return;
    }
    // Each frame once or twice, some held back until the end, by two connections.
    let count = frames.len();
    let step = [1, 5, 7, 11, 13]
        .into_iter()
        .find(|step| !count.is_multiple_of(*step))
        .unwrap_or(1);
    let mut order: Vec<usize> = (0..count).map(|n| (n * step + usize::from(choice)) % count).collect();
    let (held_back, twice): (Vec<_>, Vec<_>) = order.iter().partition(|n| (**n + usize::from(choice)) % 3 == 0);
    order.retain(|n| !held_back.contains(n));
    order.reverse();
    order.extend(twice);
    order.extend(held_back);
    let limits = match choice & 3 {
        1 => (ROOMY.0, ROOMY.1, 0),
        _ => ROOMY,
    };
    let mut other = Dashboard::new(Protocol::Notifications, &queues(), START_MS, limits);
    for (at, n) in order.iter().enumerate() {
        match choice & 3 {
            2 => drop(other.frame_that_waits(at, &frames[*n], LATER_MS)),
            _ => drop(other.frame(at, &frames[*n], LATER_MS)),
        }
        if choice & 3 == 1 {
            // What ended is packed, and unpacked by what comes later.
            other.tick(LATER_MS);
        }
    }
    let other = finish(other);
    if other.counters.late > 0 {
        return;
    }
    let told = difference(&counted(&one), &counted(&other), "");
    assert_eq!(told, None, "{frames:#?} in the order {order:?}, way {}", choice & 3);
}

/// The numbers of the frames before and after redaction.
fn of_redacted(frames: &[String]) {
    let shown = QUEUES.map(pseudonym).to_vec();
    let mut one = Dashboard::new(Protocol::Notifications, &queues(), START_MS, ROOMY);
    let mut other = Dashboard::new(Protocol::Notifications, &shown, START_MS, ROOMY);
    for frame in frames {
        one.frame(0, frame, LATER_MS);
        other.frame(0, &redacted(frame), LATER_MS);
    }
    one.tick(LATER_MS);
    other.tick(LATER_MS);
    let mut one = counted(&one.snapshot(LATER_MS));
    let mut other = counted(&other.snapshot(LATER_MS));
    for (id, shown) in QUEUES.iter().zip(&shown) {
        let (of_one, of_other) = (one["queues"][*id].take(), other["queues"][shown.as_str()].take());
        assert_eq!(difference(&of_one, &of_other, id), None, "redacted: {frames:#?}");
    }
    without(&mut one, &["queues"]);
    without(&mut other, &["queues"]);
    assert_eq!(difference(&one, &other, ""), None, "redacted: {frames:#?}");
}

fn time(input: &mut Input<'_>) -> Value {
    // Few different ones, so that ties are frequent.
    let ms = START_MS + i64::from(input.byte() % 48) * 5_000;
    let (secs, ms) = (ms / 1000, ms % 1000);
    let of_day = secs.rem_euclid(86_400);
    format!(
        "2026-05-04T{:02}:{:02}:{:02}.{ms:03}Z",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    )
    .into()
}

/// Sets a field in about `of` of 8 cases.
fn maybe(
    input: &mut Input<'_>,
    of: usize,
    object: &mut Map<String, Value>,
    key: &str,
    value: impl FnOnce(&mut Input<'_>) -> Value,
) {
    if input.below(8) < of {
        let value = value(input);
        object.insert(key.to_owned(), value);
    }
}

fn communication(input: &mut Input<'_>, number: usize) -> Value {
    let mut c = Map::new();
    c.insert("id".to_owned(), id(number * 2 + input.below(2)).into());
    maybe(input, 7, &mut c, "state", |input| {
        input
            .one_of(&[
                "connected",
                "disconnected",
                "terminated",
                "alerting",
                "scheduled",
                "parked",
                "held",
                "dialing",
            ])
            .into()
    });
    maybe(input, 5, &mut c, "connectedTime", time);
    maybe(input, 4, &mut c, "disconnectedTime", time);
    maybe(input, 1, &mut c, "startHoldTime", time);
    maybe(input, 2, &mut c, "held", |input| input.is_one_in(2).into());
    maybe(input, 2, &mut c, "disconnectType", |input| {
        input
            .one_of(&["peer", "transfer", "endpoint", "transfer.noanswer", "client"])
            .into()
    });
    maybe(input, 2, &mut c, "afterCallWorkRequired", |input| {
        input.is_one_in(2).into()
    });
    maybe(input, 2, &mut c, "afterCallWork", |input| {
        let mut work = Map::new();
        maybe(input, 7, &mut work, "state", |input| {
            input
                .one_of(&["pending", "complete", "skipped", "notApplicable", "unknown"])
                .into()
        });
        maybe(input, 5, &mut work, "startTime", time);
        maybe(input, 4, &mut work, "endTime", time);
        work.into()
    });
    maybe(input, 1, &mut c, "callbackScheduledTime", time);
    maybe(
        input,
        1,
        &mut c,
        "wrapup",
        |input| json!({"code": "w", "endTime": time(input)}),
    );
    c.into()
}

fn participant(input: &mut Input<'_>) -> Value {
    let mut p = Map::new();
    let n = input.below(5);
    p.insert("id".to_owned(), id(n).into());
    // Mostly of one purpose, as in life.
    let purposes = ["customer", "acd", "agent", "external", "user"];
    let odd = ["ivr", "voicemail", "agent", "customer", "dialer"];
    let purpose = if input.is_one_in(12) { odd[n] } else { purposes[n] };
    p.insert("purpose".to_owned(), purpose.into());
    maybe(input, 5, &mut p, "queueId", |input| input.one_of(&QUEUES).into());
    maybe(
        input,
        1,
        &mut p,
        "conversationRoutingData",
        |input| json!({"queue": {"id": input.one_of(&QUEUES)}}),
    );
    maybe(input, 2, &mut p, "userId", |input| id(50 + input.below(2)).into());
    maybe(input, 6, &mut p, "connectedTime", time);
    maybe(input, 4, &mut p, "endTime", time);
    maybe(input, 2, &mut p, "startAcwTime", time);
    maybe(input, 2, &mut p, "endAcwTime", time);
    maybe(input, 2, &mut p, "wrapupRequired", |input| input.is_one_in(2).into());
    maybe(input, 2, &mut p, "wrapupExpected", |input| input.is_one_in(2).into());
    maybe(input, 2, &mut p, "wrapup", |input| {
        let mut wrapup = Map::new();
        wrapup.insert("code".to_owned(), "w".into());
        maybe(input, 6, &mut wrapup, "endTime", time);
        wrapup.into()
    });
    maybe(input, 1, &mut p, "monitoredParticipantId", |_| id(2).into());
    for (nth, list) in ["calls", "messages", "callbacks", "emails"].into_iter().enumerate() {
        let of = if list == "calls" { 6 } else { 1 };
        maybe(input, of, &mut p, list, |input| {
            let count = if input.is_one_in(4) { 2 } else { 1 };
            let all = (0..count).map(|_| communication(input, 100 + n * 10 + nth));
            all.collect::<Vec<_>>().into()
        });
    }
    p.into()
}

/// Conversations made from choices: nearly every input is one that the model understands.
fn made(mut input: Input<'_>) {
    let choice = input.byte();
    let mut frames = Vec::new();
    while !input.is_empty() && frames.len() < 10 {
        let conversation = input.one_of(&["c1", "c1", "c1", "0b1e08b8-e7c3-538a-87c3-a10b68b6b415", "sip:c3@x"]);
        let count = 1 + input.below(4);
        let participants: Vec<Value> = (0..count).map(|_| participant(&mut input)).collect();
        let topic = format!("v2.routing.queues.{}.conversations", input.one_of(&QUEUES));
        let body = json!({"id": conversation, "participants": participants});
        frames.push(json!({"topicName": topic, "version": "2", "eventBody": body}).to_string());
    }
    if frames.is_empty() {
        return;
    }
    let mut dashboard = Dashboard::new(Protocol::Notifications, &queues(), START_MS, ROOMY);
    let mut before = None;
    for (n, frame) in frames.iter().enumerate() {
        let now = START_MS + 300_000 + n as i64 * 1_000;
        let heard = dashboard.frame(0, frame, now);
        assert_eq!((heard.bodies.len(), heard.malformed), (1, 0), "{frame}");
        if n % 3 == 2 {
            dashboard.tick(now);
            let snapshot = Arc::new(dashboard.snapshot(now));
            check(&snapshot, before.as_ref());
            before = Some(snapshot);
        }
    }
    match choice & 7 {
        7 => of_redacted(&frames),
        _ => compared(&frames, choice),
    }
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    match input.below(8) {
        0 | 1 => played(input, Protocol::Notifications),
        2 => played(input, Protocol::Events),
        3 => played(input, Protocol::Metrics),
        _ => made(input),
    }
});
