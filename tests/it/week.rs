//! Days of renewals, ends and outages, each passing in seconds: the numbers are the truth at the end, and nothing leaked.
//!
//! In: the program as a child, a simulator that is disturbed by a script · Out: verdicts · Thread: the test's.
//!
//! A day here is the life of a token and of a channel (24 h at the service, 17 s here), with a reset, an announced close,
//! an outage, a close and a spell of silence in each.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use genesys_stream::simulator::{Script, Simulator};
use serde_json::Value;

use crate::repair::scene::{Numbers, Settings, centre_time, settle};
use crate::support::process::{Program, program};
use crate::support::{PATIENCE, control, start};

const DAY: Duration = Duration::from_secs(17);
const SPEED: f64 = 10.0;

const DAY_OF_FAULTS: &str = "\
2s     reset
4s     socket_closing?after_secs=20
6.5s   outage?secs=1
9.5s   close?code=1001
12s    silence?secs=3600
17s    loop
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
    threads: usize,
    descriptors: usize,
    rss_kb: u64,
}

impl Held {
    /// The least over some snapshots: a replacement under way holds more for a moment.
    fn by(program: &Program, file: &SnapshotFile) -> Held {
        let mut least = Held::now(program.id());
        for _ in 0..10 {
            file.next("another snapshot", |_| true);
            let now = Held::now(program.id());
            least = Held {
                threads: least.threads.min(now.threads),
                descriptors: least.descriptors.min(now.descriptors),
                rss_kb: least.rss_kb.min(now.rss_kb),
            };
        }
        least
    }

    fn now(pid: u32) -> Held {
        let of = |name: &str| PathBuf::from(format!("/proc/{pid}/{name}"));
        let count = |name: &str| std::fs::read_dir(of(name)).expect("a process").count();
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
        let deadline = Instant::now() + PATIENCE;
        let before = self.read().map(|snapshot| snapshot["revision"].clone());
        loop {
            if let Some(snapshot) = self.read()
                && Some(&snapshot["revision"]) != before.as_ref()
                && holds(&snapshot)
            {
                return snapshot;
            }
            assert!(Instant::now() < deadline, "not seen: {what}: {:?}", self.read());
            std::thread::park_timeout(Duration::from_millis(10));
        }
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

fn days(count: u32, name: &str) {
    let life = DAY.mul_f64(SPEED);
    let sim = start(
        Simulator::builder()
            .seed(5)
            .speed(SPEED)
            .queues(4)
            .agents(60)
            .requests_per_min(0)
            .token_life(life)
            .channel_life(life)
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
    let is_on = |snapshot: &Value| snapshot["connection"]["state"] == "streaming";
    file.next("streaming", is_on);
    control(&sim, "pause?on=0");
    let began = Instant::now();

    let wait_until = |at: Duration| {
        while began.elapsed() < at {
            file.next("a snapshot", |_| true);
        }
    };
    wait_until(DAY);
    file.next("streaming after the first day", is_on);
    let first = Held::by(&child, &file);
    wait_until(DAY * count);
    let last = Held::by(&child, &file);

    settle(&sim);
    let truth = Numbers::of(&sim.truth(&Settings::default().query(Some(since))));
    let deadline = Instant::now() + PATIENCE;
    let end = loop {
        let snapshot = file.next("a snapshot", is_on);
        let wrong = truth.differences(&Numbers::of(&snapshot));
        if wrong.is_empty() {
            break snapshot;
        }
        assert!(Instant::now() < deadline, "the numbers are not true: {wrong:?}");
    };
    let connection = &end["connection"];
    let gaps = connection["gaps_total"].as_u64().expect("a number");
    assert!(gaps >= u64::from(count) * 3, "the faults did not happen: {connection}");
    let state = control(&sim, "state");
    assert!(state["channels"].as_u64() <= Some(3), "{state}");
    assert_eq!(state["channels_evicted"], 0, "{state}");
    println!("{count} days: {gaps} gaps; after the first {first:?}, after the last {last:?}");
    assert!(last.threads <= first.threads, "{first:?} {last:?}");
    assert!(last.descriptors <= first.descriptors + 1, "{first:?} {last:?}");
    // Finished conversations are remembered for a while, so some growth is theirs.
    assert!(
        last.rss_kb <= first.rss_kb + 4096 + 1024 * u64::from(count),
        "{first:?} {last:?}"
    );
    child.signal("TERM");
    let ended = child.wait();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}

#[test]
fn two_days() {
    days(2, "two");
}

/// About two minutes: `cargo test --test it -- --ignored seven_days`.
#[test]
#[ignore = "takes two minutes"]
fn seven_days() {
    days(7, "seven");
}
