//! Days of renewals, closes and outages, compressed to seconds: the numbers are true at the end, and nothing leaks.
//!
//! In: the program as a child, a simulator that is disturbed by a script · Out: verdicts · Thread: the test's.
//!
//! A day here is the life of a token and of a channel (24 h at the service, 10 s here), with a reset, an announced
//! close, an outage, a close and a silent connection in each.

use std::path::{Path, PathBuf};
use std::time::Duration;

use genesys_stream::simulator::{Script, Simulator};
use serde_json::Value;

use crate::repair::scene::{Numbers, Settings, centre_time, settle};
use crate::support::process::{Program, program};
use crate::support::{control, eventually, start, until_true};

/// By the centre's clock; a tenth of it by ours.
const DAY: Duration = Duration::from_secs(100);
const SPEED: f64 = 10.0;

/// By our clock.
const DAY_OF_FAULTS: &str = "\
1s     reset
2s     socket_closing?after_secs=20
3.8s   outage?secs=1
5.8s   close?code=1001
7s     silence?secs=3600
10s    loop
";

const CONFIG: &str = r#"{
    "heartbeat": {"interval_secs": 1, "timeout_secs": 1, "silence_secs": 2},
    "reconnect": {"initial_ms": 20, "max_ms": 500, "max_channels_per_hour": 6000},
    "rest": {"max_requests_per_min": 100000},
    "backfill": {"max_requests_per_min": 100000},
    "outputs": {"interval_ms": 100}
}"#;

/// What a process holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    threads: u64,
    descriptors: u64,
    rss_kb: u64,
}

impl Held {
    /// The least over some snapshots that show the stream on one connection: a replacement holds more for a moment, a
    /// reconnect less.
    fn by(program: &Program, file: &SnapshotFile) -> Held {
        let steady = |snapshot: &Value| is_on(snapshot) && snapshot["connection"]["connections"] == 1;
        let mut samples = Vec::new();
        while samples.len() < 25 {
            file.next("one connection", steady);
            let now = Held::now(program.id());
            if file.read().is_some_and(|snapshot| steady(&snapshot)) {
                samples.push(now);
            }
        }
        let least = |number: fn(&Held) -> u64| samples.iter().map(number).min().expect("samples");
        Held {
            threads: least(|held| held.threads),
            descriptors: least(|held| held.descriptors),
            rss_kb: least(|held| held.rss_kb),
        }
    }

    fn now(pid: u32) -> Held {
        let of = |name: &str| PathBuf::from(format!("/proc/{pid}/{name}"));
        let count = |name: &str| std::fs::read_dir(of(name)).expect("a process").count() as u64;
        let status = std::fs::read_to_string(of("status")).expect("a process");
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let rss = rss.and_then(|rest| rest.split_whitespace().next()).expect("VmRSS");
        Held {
            threads: count("task"),
            descriptors: count("fd"),
            rss_kb: rss.parse().expect("a number"),
        }
    }
}

struct SnapshotFile(PathBuf);

impl SnapshotFile {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("gs-week-{}-{name}.json", std::process::id())))
    }

    fn path(&self) -> &Path {
        &self.0
    }

    /// The next snapshot for which this holds.
    fn next(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let before = self.read().map(|snapshot| snapshot["revision"].clone());
        eventually(what, || {
            let now = self.read();
            let next = now.filter(|snapshot| Some(&snapshot["revision"]) != before.as_ref() && holds(snapshot));
            next.ok_or_else(|| format!("{:?}", self.read()))
        })
    }

    fn read(&self) -> Option<Value> {
        serde_json::from_str(&std::fs::read_to_string(&self.0).ok()?).ok()
    }
}

impl Drop for SnapshotFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn is_on(snapshot: &Value) -> bool {
    snapshot["connection"]["state"] == "streaming"
}

fn days(count: u32, name: &str) {
    let sim = start(
        Simulator::builder()
            .seed(5)
            .speed(SPEED)
            .queues(4)
            .agents(60)
            .optional_after_call_work(false)
            .requests_per_min(0)
            .token_life(DAY)
            .channel_life(DAY)
            .retention(Duration::from_secs(7 * 86_400))
            .script(Script::read(DAY_OF_FAULTS).expect("a script")),
    );
    settle(&sim);
    let since = centre_time(&sim);
    let file = SnapshotFile::new(name);
    let config = SnapshotFile::new(&format!("{name}-config"));
    std::fs::write(config.path(), CONFIG).expect("a file");
    let path = |file: &SnapshotFile| file.path().to_str().expect("ASCII").to_owned();
    let child = program(
        &[
            "run",
            "--config",
            &path(&config),
            "--output",
            "none",
            "--queue",
            "all",
            "--snapshot-file",
            &path(&file),
        ],
        &[
            ("GENESYS_REGION", &sim.url()),
            ("GENESYS_CLIENT_ID", "simulator"),
            ("GENESYS_CLIENT_SECRET", "simulator"),
        ],
    );
    file.next("streaming", is_on);
    control(&sim, "pause?on=0");

    let passed = |days: u32| {
        let end = since + (DAY * days).as_millis() as i64;
        until_true("the end of a day", || centre_time(&sim) >= end);
    };
    passed(1);
    let first = Held::by(&child, &file);
    (2..=count).for_each(passed);
    let last = Held::by(&child, &file);

    settle(&sim);
    let truth = Numbers::of(&sim.truth(&Settings::default().query(Some(since))));
    let end = eventually("the true numbers", || {
        let snapshot = file.next("a snapshot", is_on);
        let wrong = truth.differences(&Numbers::of(&snapshot));
        wrong.is_empty().then_some(snapshot).ok_or_else(|| wrong.join("; "))
    });
    for (id, queue) in end["queues"].as_object().expect("queues") {
        let observed = &queue["observed"];
        assert!(observed["differs_since"].is_null(), "{id}: {observed}");
    }
    let connection = &end["connection"];
    let gaps = connection["gaps_total"].as_u64().expect("a number");
    // Four faults a day are gaps; on a busy machine one may begin before the last is over.
    assert!(gaps >= u64::from(count) * 2, "the faults did not happen: {connection}");
    let state = control(&sim, "state");
    assert!(state["channels"].as_u64() <= Some(3), "{state}");
    assert_eq!(state["channels_evicted"], 0, "{state}");
    println!("{count} days: {gaps} gaps; after the first {first:?}, after the last {last:?}");
    // A call to REST may be under way in all samples: a thread and up to three descriptors. A leak grows with each fault.
    assert!(last.threads <= first.threads + 1, "{first:?} {last:?}");
    assert!(last.descriptors <= first.descriptors + 3, "{first:?} {last:?}");
    // Finished conversations are remembered for a while, so some growth is theirs.
    assert!(
        last.rss_kb <= first.rss_kb + 4096 + 1024 * u64::from(count),
        "{first:?} {last:?}"
    );
    child.signal("TERM");
    let ended = child.wait();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(!ended.stderr.contains("by Genesys' own count"), "{}", ended.stderr);
}

#[test]
fn two_days() {
    days(2, "two");
}

/// About a minute: `cargo test --test it -- --ignored seven_days`.
#[test]
#[ignore = "takes a minute"]
fn seven_days() {
    days(7, "seven");
}
