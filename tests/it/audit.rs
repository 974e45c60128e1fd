//! The audit file of a stream, and `audit verify` of the program.
//!
//! In: a simulator, a scripted peer, the built program · Out: verdicts · Thread: the test's.

use std::path::{Path, PathBuf};

use genesys_stream::{Protocol, WhenFull};
use serde_json::{Value, json};

use crate::support::peer::{Answer, Behaviour, event, peer, sockets};
use crate::support::{against_the_clock, busy, config, control, for_all_protocols, start, watch};

/// A directory of its own, removed with it.
pub struct Directory(pub PathBuf);

impl Directory {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("gs-it-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn entries(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("an audit file");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("an entry"))
        .collect()
}

#[test]
fn a_run_leaves_one_entry_for_each_thing_and_no_secret() {
    // For the last entries there are 700 ms.
    for_all_protocols(|protocol| against_the_clock(|_| leaves_its_entries(protocol)));
}

fn leaves_its_entries(protocol: Protocol) {
    let directory = Directory::new(&format!("audit-{}", protocol.as_str()));
    let path = directory.file("audit.jsonl");
    let sim = start(busy());
    let stream = watch(config(&sim.url(), protocol).audit_file(&path));
    stream.until_fed();
    control(&sim, "close?code=1011");
    stream.until_reconnected(1);
    let report = stream.stop();
    assert!(report.abandoned.is_empty(), "{:?}", report.abandoned);
    let entries = entries(&path);
    let has = |kind: &str, holds: &dyn Fn(&Value) -> bool| entries.iter().any(|e| e["kind"] == kind && holds(e));
    assert_eq!(entries[0]["kind"], "start");
    assert_eq!(entries[1]["kind"], "configuration");
    assert_eq!(entries[1]["sha256"].as_str().unwrap().len(), 64);
    assert!(has("token", &|e| e["life_secs"].as_u64() > Some(0)));
    assert!(has("connection", &|e| e["state"] == "streaming"));
    assert!(has("connection", &|e| e["state"] == "ended"
        && e["cause"].as_str().unwrap().contains("1011")));
    assert!(has("error", &|e| e["error"].as_str().unwrap().contains("1011")));
    assert!(has("gap", &|e| e["to"].is_null()));
    assert!(has("gap", &|e| e["to"].is_string()));
    if protocol == Protocol::Notifications {
        assert!(has("channel", &|_| true));
        assert!(has("subscription", &|e| e["topics"].as_u64() > Some(0) && e["refused"] == 0));
    }
    let last = entries.last().unwrap();
    assert_eq!(
        (&last["kind"], &last["cause"]),
        (&"stop".into(), &"asked to stop".into())
    );
    assert_eq!(last["events_applied"], report.snapshot.counters.events_applied);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        !text.contains("streaming-") && !text.contains("\"simulator:"),
        "no channel, no secret"
    );
    assert_eq!(report.snapshot.outputs["audit_file"].missed, 0);
}

#[test]
fn metrics_without_data_stale_or_incomplete_are_audited() {
    let directory = Directory::new("audit-warnings");
    let path = directory.file("none.jsonl");
    let empty = peer(|asked, _| {
        asked
            .is("POST", "/conversations/details/query")
            .then(|| Answer::Json(200, json!({})))
    });
    let error = watch(config(&empty.url(), Protocol::Metrics).audit_file(&path)).ends();
    assert_eq!(error.unwrap_err().kind(), genesys_stream::ErrorKind::NoData);
    let said = |entries: &[Value], kind: &str, key: &str, part: &str| {
        let found = entries
            .iter()
            .any(|e| e["kind"] == kind && e[key].as_str().is_some_and(|text| text.contains(part)));
        assert!(found, "{kind} {part}: {entries:#?}");
    };
    said(&entries(&path), "error", "error", "no conversations");
    assert_eq!(entries(&path).last().unwrap()["kind"], "stop");

    let path = directory.file("old.jsonl");
    let texts = vec![
        event(Protocol::Metrics, 1),
        json!({"metricType": "agent", "metrics": [{"name": "offered", "value": 1}]}).to_string(),
        json!({"timestamp": "2026-05-04T14:05:30Z", "metricType": "skill"}).to_string(),
    ];
    let peer = peer(sockets(vec![Behaviour::Well(texts)]));
    let stream = watch(
        config(&peer.url(), Protocol::Metrics)
            .without_verification()
            .audit_file(&path),
    );
    stream.until("all came", |s| s.counters.malformed == 2);
    let last = stream.stop().snapshot;
    assert_eq!(
        last.counters.events_decoded, 1,
        "those without timestamp or metrics are no events"
    );
    assert!(last.freshness.keys().eq(["queue"]), "{:?}", last.freshness);
    let entries = entries(&path);
    said(&entries, "stale", "metric_type", "queue");
    said(&entries, "incomplete", "metric_type", "agent");
    said(&entries, "incomplete", "missing", "metrics");
}

#[test]
fn dropped_events_are_audited() {
    let directory = Directory::new("audit-drop");
    let path = directory.file("audit.jsonl");
    let texts = (0..5000).map(|n| event(Protocol::Events, n)).collect();
    let peer = peer(sockets(vec![Behaviour::Well(texts)]));
    let builder = config(&peer.url(), Protocol::Events)
        .buffer_capacity(1)
        .when_full(WhenFull::DropNewest)
        .audit_file(&path);
    let stream = watch(builder);
    stream.until("all came", |s| {
        s.counters.events_decoded == 5000 && s.counters.events_buffered == 0
    });
    let dropped = stream.stop().snapshot.counters.events_dropped;
    assert!(dropped > 0, "the flood was too slow");
    let told: u64 = entries(&path)
        .iter()
        .filter(|e| e["kind"] == "drop")
        .map(|e| e["events"].as_u64().unwrap())
        .sum();
    assert_eq!(told, dropped);
}

#[cfg(all(unix, feature = "cli"))]
mod program {
    use super::*;
    use crate::support::process::{Ended, program};

    const CREDENTIALS: [(&str, &str); 2] = [
        ("GENESYS_CLIENT_ID", "simulator"),
        ("GENESYS_CLIENT_SECRET", "simulator"),
    ];

    fn verify(path: &Path) -> Ended {
        program(&["audit", "verify", path.to_str().unwrap()], &[]).wait()
    }

    /// The program is killed and started again, the file is torn, changed and split: the chain shows just that.
    #[test]
    fn it_survives_kill_and_tells_of_changes() {
        let directory = Directory::new("audit-kill");
        let path = directory.file("audit.jsonl");
        let sim = start(busy());
        let url = sim.url();
        let flags = [
            "run",
            "--region",
            &url,
            "--output",
            "lines",
            "--audit-file",
            path.to_str().unwrap(),
        ];
        for _ in 0..3 {
            let running = program(&flags, &CREDENTIALS);
            running.line("streaming", |line| line.contains("streaming"));
            running.signal("KILL");
            assert_eq!(running.wait().code, 137);
            // As a crash of the machine leaves it.
            let mut text = std::fs::read_to_string(&path).unwrap();
            assert!(text.ends_with('\n'), "each line was written at once");
            text.push_str(r#"{"at":"2026-"#);
            std::fs::write(&path, text).unwrap();
        }
        let torn = verify(&path);
        assert_eq!(torn.code, 4);
        assert!(torn.lines[0].contains("no newline"), "{:?}", torn.lines);
        let running = program(&flags, &CREDENTIALS);
        running.line("streaming", |line| line.contains("streaming"));
        // A second program on the same file is turned away; the first goes on.
        let second = program(&flags, &CREDENTIALS).wait();
        assert_eq!(second.code, 2, "{}", second.stderr);
        assert!(second.stderr.contains("another process"), "{}", second.stderr);
        running.signal("TERM");
        assert_eq!(running.wait().code, 0);
        let whole = verify(&path);
        assert_eq!(whole.code, 0, "{:?}", whole.lines);
        assert!(whole.lines[0].contains("3 lines were torn"), "{:?}", whole.lines);
        assert!(whole.lines[0].contains("the chain begins here"), "{:?}", whole.lines);

        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let changed = text.replacen("\"life_secs\":", "\"life_secs\":1", 1);
        let at = lines.iter().position(|line| line.contains("life_secs")).unwrap() + 1;
        std::fs::write(&path, changed).unwrap();
        let broken = verify(&path);
        assert_eq!(broken.code, 4);
        assert!(
            broken.lines[0].contains(&format!("broken at line {at}: ")),
            "{:?}",
            broken.lines
        );

        // The second half, as after a rotation.
        let (older, younger) = lines.split_at(4);
        let one = directory.file("audit.jsonl.1");
        std::fs::write(&path, younger.join("\n") + "\n").unwrap();
        let alone = verify(&path);
        assert_eq!(alone.code, 0);
        assert!(
            alone.lines[0].contains("continues an earlier file"),
            "{:?}",
            alone.lines
        );
        std::fs::write(&one, older.join("\n") + "\n").unwrap();
        assert!(
            verify(&path).lines[0].contains("it continues"),
            "{:?}",
            verify(&path).lines
        );
        assert_eq!(verify(&one).code, 0);
        std::fs::write(&one, older[..3].join("\n") + "\n").unwrap();
        let missing = verify(&path);
        assert_eq!(missing.code, 4, "{:?}", missing.lines);
        assert_eq!(verify(&directory.file("none")).code, 2);
    }

    #[test]
    fn a_full_disk_stops_nothing() {
        let sim = start(busy());
        let url = sim.url();
        let flags = [
            "run",
            "--region",
            &url,
            "--output",
            "snapshots",
            "--interval-ms",
            "100",
            "--audit-file",
            "/dev/full",
        ];
        let running = program(&flags, &CREDENTIALS);
        running.line("entries missed, and events", |line| {
            let snapshot: Value = serde_json::from_str(line).expect("JSON");
            snapshot["outputs"]["audit_file"]["missed"].as_u64() > Some(5)
                && snapshot["counters"]["events_applied"].as_u64() > Some(0)
        });
        running.signal("TERM");
        let ended = running.wait();
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let told = ended
            .stderr
            .lines()
            .filter(|line| line.contains("free some space"))
            .count();
        assert_eq!(told, 1, "{}", ended.stderr);
    }
}
