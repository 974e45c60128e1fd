//! `explain`: what one conversation was counted for and why, from a recording and from a saved details answer.
//!
//! In: case files, the built program · Out: verdicts · Thread: the test's.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::audit::Directory;
use crate::support::process::{Ended, program};

const SALES: &str = "11111111-aaaa-4aaa-8aaa-000000000001";
const SUPPORT: &str = "22222222-bbbb-4bbb-8bbb-000000000002";

fn case(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/cases/{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).expect("a case file")).expect("JSON")
}

fn explain(file: &Path, conversation: &str, more: &[&str]) -> Ended {
    let mut arguments = vec!["explain", file.to_str().unwrap(), "--conversation", conversation];
    arguments.extend(more);
    program(&arguments, &[]).wait()
}

#[track_caller]
fn explained(file: &Path, conversation: &str) -> Value {
    let ended = explain(file, conversation, &["--json"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(ended.lines.len(), 1);
    serde_json::from_str(&ended.lines[0]).expect("JSON")
}

/// A recording of the frames and REST facts of a case.
fn recording(directory: &Directory, protocol: &str, case: &Value) -> PathBuf {
    let at = "2026-11-27T09:59:00.000Z";
    let settings = json!({"protocol": protocol, "stale_after_ms": 30000, "retention_ms": 7_200_000,
        "max_conversations": 200_000, "max_bytes": 134_217_728, "totals": {"since": "start", "utc_offset_minutes": 0},
        "windows": {"granularity_ms": 60000, "keep": 60, "service_level": "queue", "short_abandon_ms": 0}});
    let start = json!({"schema": 3, "version": "0.1.0", "region": "r", "settings": settings, "events_before": 0});
    let queue = |queue: &Value| json!({"id": queue["id"], "name": queue["name"], "service_levels": []});
    let queues: Vec<Value> = case["queues"].as_array().unwrap().iter().map(queue).collect();
    let mut lines = vec![
        json!({"received_at": at, "connection": null, "kind": "state", "data": {"start": start}}),
        json!({"received_at": at, "connection": null, "kind": "rest", "data": {"queues": queues}, "after": 0}),
        json!({"received_at": at, "connection": 1, "kind": "state", "data": {"opening": {"event_types": [], "queues": []}}}),
    ];
    let frames = case["steps"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|step| step["frame"].is_object());
    lines.extend(frames.map(
        |step| json!({"received_at": step["at"], "connection": 1, "kind": "frame", "data": step["frame"].to_string()}),
    ));
    let text: Vec<String> = lines.iter().map(ToString::to_string).collect();
    let path = directory.file(&format!("{protocol}.jsonl"));
    std::fs::write(&path, text.join("\n") + "\n").expect("written");
    path
}

#[test]
fn from_a_details_answer() {
    let directory = Directory::new("explain-details");
    let conversations = &case("one-agent-three-times-rest")["steps"][0]["rest_conversations"];
    let stay = |queue: Option<&str>, begin: &str, end: &str| {
        json!({"queue_id": queue, "media": "message", "begin": format!("2026-11-27T{begin}Z"),
               "end": format!("2026-11-27T{end}Z")})
    };
    let visit = |queue: &str, entered: &str, left: &str, wait_ms: u64| {
        json!({"queue_id": queue, "entered": format!("2026-11-27T{entered}Z"), "left": format!("2026-11-27T{left}Z"),
               "verdict": "answered", "answered_by": "ag", "wait_ms": wait_ms})
    };
    let handled = |queue: &str, at: &str, handle_ms: u64, transferred: bool| {
        json!({"queue_id": queue, "participant_id": "ag", "at": format!("2026-11-27T{at}Z"), "handle_ms": handle_ms,
               "transferred": transferred, "wrapup": true})
    };
    let expected = json!({
        "conversation_id": "c1",
        "participants": [
            {"id": "cu", "purpose": "customer", "stays": [stay(Some(SALES), "10:00:01.000", "10:02:00.000")]},
            {"id": "a1", "purpose": "acd", "stays": [stay(Some(SALES), "10:00:10.000", "10:00:13.010")]},
            {"id": "ag", "purpose": "agent", "stays": [
                stay(Some(SALES), "10:00:13.000", "10:00:40.000"),
                stay(Some(SUPPORT), "10:00:52.000", "10:01:20.000"),
                stay(Some(SALES), "10:01:30.000", "10:02:00.000"),
            ]},
            {"id": "a2", "purpose": "acd", "stays": [stay(Some(SUPPORT), "10:00:41.000", "10:00:52.010")]},
            {"id": "a3", "purpose": "acd", "stays": [stay(Some(SALES), "10:01:22.000", "10:01:30.020")]},
        ],
        "visits": [
            visit(SALES, "10:00:10.000", "10:00:13.010", 3_000),
            visit(SUPPORT, "10:00:41.000", "10:00:52.010", 11_000),
            visit(SALES, "10:01:22.000", "10:01:30.020", 8_000),
        ],
        "handled": [
            handled(SALES, "10:00:45.000", 32_000, true),
            handled(SUPPORT, "10:01:24.000", 32_000, true),
            handled(SALES, "10:02:10.000", 40_000, false),
        ],
    });
    let pretty = |value: &Value| serde_json::to_string_pretty(value).expect("JSON");
    let forms = [
        (
            "answer.json",
            pretty(&json!({"conversations": conversations, "totalHits": 1})),
        ),
        ("list.json", conversations.to_string()),
        ("one.json", pretty(&conversations[0])),
    ];
    for (name, text) in forms {
        let path = directory.file(name);
        std::fs::write(&path, text).expect("written");
        assert_eq!(explained(&path, "C1"), expected, "{name}");
    }
}

#[test]
fn from_a_recording() {
    let directory = Directory::new("explain-recording");
    let path = recording(&directory, "notifications", &case("transfer-back-to-the-same-agent"));
    let whole = explained(&path, "c1");
    let of = |list: &str, key: &str| -> Vec<Value> {
        let entries = whole[list].as_array().expect("a list").iter();
        entries.map(|entry| entry[key].clone()).collect()
    };
    assert_eq!(of("visits", "queue_id"), [SALES, SUPPORT, SALES]);
    assert_eq!(of("visits", "answered_by"), ["ag", "a2", "ag"]);
    assert_eq!(of("visits", "wait_ms"), [15_000, 20_000, 10_000]);
    assert_eq!(of("handled", "handle_ms"), [40_000, 30_000, 60_000]);
    assert_eq!(of("handled", "transferred"), [true, true, false]);

    let text = explain(&path, "c1", &[]).lines.join("\n");
    for part in [
        "conversation c1, as of 2026-11-27T10:03:00.000Z",
        "  ag agent\n    2026-11-27T10:00:20.000Z to 2026-11-27T10:01:00.000Z voice Sales (11111111-aaaa-4aaa-8aaa-000000000001)",
        "answered after 15.000 s: then a stay of the agent ag began on the queue",
        " by ag at 2026-11-27T10:01:00.000Z: 40.000 s, transferred",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
}

/// The reason of each verdict, and of a stay that is not handled.
#[test]
fn why() {
    let directory = Directory::new("explain-why");
    for (name, steps, part) in [
        ("internal-caller-stamped-with-the-queue", 1, "waiting: no agent's stay"),
        (
            "internal-caller-stamped-with-the-queue",
            1,
            "  u user, called: the customer side",
        ),
        ("internal-caller-stamped-with-the-queue", 4, "abandoned after 35.000 s"),
        ("call-that-leaves-for-a-callback", 3, "flow-out after 55.000 s"),
        ("agent-picks-up-after-the-visit-left", 1, "undecided"),
        (
            "agent-picks-up-after-the-visit-left",
            3,
            "not handled, because the stay goes on",
        ),
        (
            "after-call-work-at-the-medium",
            1,
            "not handled, because after-call work goes on",
        ),
        (
            "after-call-work-taken-back",
            1,
            "expected until 2026-11-27T10:11:00.000Z",
        ),
        ("monitor-takes-over", 1, "  mo agent, listens in: counts for nothing"),
        ("callback-that-is-due", 1, "    was never connected"),
    ] {
        let mut case = case(name);
        case["steps"].as_array_mut().expect("steps").truncate(steps);
        let text = explain(&recording(&directory, "notifications", &case), "c1", &[])
            .lines
            .join("\n");
        assert!(text.contains(part), "{name}, {part}:\n{text}");
    }
}

#[test]
fn what_cannot_be_explained() {
    let directory = Directory::new("explain-not");
    let frames = case("monitor-takes-over");
    let good = recording(&directory, "notifications", &frames);
    let details = directory.file("details.json");
    std::fs::write(&details, r#"{"totalHits": 0}"#).expect("written");
    let empty = directory.file("empty.json");
    std::fs::write(&empty, r#"{"conversations": []}"#).expect("written");
    let garbage = directory.file("garbage");
    std::fs::write(&garbage, "no JSON").expect("written");
    let broken = directory.file("broken.jsonl");
    let text = std::fs::read_to_string(&good).expect("a recording");
    std::fs::write(&broken, text.replacen("\"frame\"", "\"farme\"", 1)).expect("written");
    for (path, id, code, said) in [
        (&good, "c2", 1, "does not hold it"),
        (&empty, "c1", 1, "does not hold it"),
        (&directory.file("none.json"), "c1", 2, "reading"),
        (&garbage, "c1", 2, "it is no JSON"),
        (&details, "c1", 2, "neither conversations nor a conversationId"),
        (&broken, "c1", 2, "line 4: no line of a recording"),
        (
            &recording(&directory, "events", &frames),
            "c1",
            2,
            "a recording of the protocol events",
        ),
    ] {
        let ended = explain(path, id, &[]);
        assert_eq!(
            (ended.code, ended.lines.len()),
            (code, 0),
            "{}: {}",
            path.display(),
            ended.stderr
        );
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
    }
}
