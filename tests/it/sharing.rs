//! Readers that publish and dashboards that show, around a real Redis: the numbers are the true ones.
//!
//! In: a simulator that knows the truth, `redis-server` · Out: verdicts · Thread: the test's.

mod redis;

use std::path::Path;
use std::time::Duration;

use genesys_stream::simulator::Simulator;
use genesys_stream::{Config, ConfigBuilder, ConnectionState, ErrorKind, Gap};
use serde_json::{Value, json};

use self::redis::{Redis, is_installed};
use crate::repair::scene::{INTERVAL, Scene, Settings, centre_time, settle, warm_centre};
use crate::support::process::{Program, program};
use crate::support::{Watched, control, start, until_true, watch};

/// A room with a centre, a Redis, and a dashboard that shows what the readers publish.
struct Room {
    redis: Redis,
    /// Its stream is the dashboard.
    scene: Scene,
}

/// A program that reads the centre and publishes.
fn reader(sim: &Simulator, redis: &Redis, name: &str, more: &[&str]) -> Program {
    let (centre, engine) = (sim.url(), redis.url());
    let mut arguments = vec![
        "run",
        "--region",
        &centre,
        "--publish",
        &engine,
        "--org",
        "test",
        "--name",
        name,
    ];
    arguments.extend(["--queue", "all", "--output", "none"]);
    arguments.extend(more);
    program(
        &arguments,
        &[
            ("GENESYS_CLIENT_ID", "simulator"),
            ("GENESYS_CLIENT_SECRET", "simulator"),
        ],
    )
}

/// A dashboard, which knows nothing of the centre.
fn dashboard(redis: &Redis) -> Watched {
    watch(dashboard_config(&redis.url()))
}

fn dashboard_config(engine: &str) -> ConfigBuilder {
    let keys = json!({"engine": {"from": engine, "org": "test"}});
    Config::builder()
        .snapshot_interval(INTERVAL)
        .json("dashboard.json", keys.to_string())
}

impl Room {
    /// The reader `a` asks REST for what there is; the centre stands until its numbers are shown.
    fn new(sim: Simulator, redis: Redis, more: &[&str]) -> (Room, Program) {
        settle(&sim);
        let reader = reader(&sim, &redis, "a", more);
        (Room::with(sim, redis), reader)
    }

    /// A dashboard of readers that were started; the centre stands until its numbers are shown.
    fn with(sim: Simulator, redis: Redis) -> Room {
        let scene = Scene {
            since_ms: Some(centre_time(&sim)),
            stream: dashboard(&redis),
            sim,
            settings: Settings::default(),
        };
        scene.until_true();
        Room { redis, scene }
    }

    fn reader(&self, name: &str, more: &[&str]) -> Program {
        reader(&self.scene.sim, &self.redis, name, more)
    }

    fn dashboard(&self) -> &Watched {
        &self.scene.stream
    }

    /// Waits until so many readers are heard.
    #[track_caller]
    fn until_heard(&self, readers: u32) {
        self.dashboard().until("heard", |s| s.connection.connections == readers);
    }

    /// Waits until so many events more were applied.
    #[track_caller]
    fn until_fed(&self, events: u64) {
        let before = self.dashboard().fresh().counters.events_applied;
        self.dashboard()
            .until("fed", |s| s.counters.events_applied >= before + events);
    }

    /// Pauses the centre, and waits until the dashboard and these show the true numbers.
    #[track_caller]
    fn until_true(&self, others: &[&Watched]) {
        settle(&self.scene.sim);
        self.scene.until_true_standing();
        for other in others {
            self.scene.until_true_standing_on(other);
        }
        control(&self.scene.sim, "pause?on=0");
    }

    /// All that is in the stream of a reader, as `redis-cli` prints it.
    fn entries(&self, name: &str) -> String {
        self.redis.cli(&["XRANGE", &format!("gs:{{test:{name}}}:s"), "-", "+"])
    }
}

fn kill(reader: Program) {
    reader.signal("KILL");
    reader.wait();
}

/// A centre with some traffic.
fn lively() -> Simulator {
    start(warm_centre())
}

#[test]
fn a_dashboard_shows_the_true_numbers_live_and_late() {
    if !is_installed() {
        return;
    }
    let (room, reader) = Room::new(lively(), Redis::start(&[]), &[]);
    room.until_fed(200);
    let late = dashboard(&room.redis);
    late.until_streaming();
    room.until_true(&[&late]);
    room.until_fed(50);
    room.until_true(&[&late]);
    let ended = {
        reader.signal("TERM");
        reader.wait()
    };
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    for dashboard in [&late, room.dashboard()] {
        // The reader ended in order, so nobody waits for its next word.
        let snapshot = dashboard.until("a gap since its end", |s| !s.connection.gaps.is_empty());
        assert_eq!(snapshot.connection.gaps.len(), 1, "{:?}", snapshot.connection.gaps);
    }
    // No names, addresses, attributes and notes of anybody.
    let all = room.entries("a");
    for word in [
        "@",
        "tel:",
        "sip:",
        "address",
        "attributes",
        "notes",
        "firstName",
        "\"ani\"",
        "+1",
    ] {
        assert!(
            !all.contains(word),
            "{word} is published: {:?}",
            all.find(word).map(|at| &all[at.saturating_sub(200)..at + 40])
        );
    }
    let names = all.matches("\"name\":").count() - all.matches("\"name\":null").count();
    let queues = all.matches("\"service_levels\"").count();
    assert!(queues > 0 && names <= queues, "{names} names, {queues} queues");
}

#[test]
fn each_of_three_readers_is_killed_in_turn() {
    if !is_installed() {
        return;
    }
    let (room, a) = Room::new(lively(), Redis::start(&[]), &[]);
    let others = ["b", "c"].map(|name| (name, Some(room.reader(name, &["--no-backfill"]))));
    let mut readers = Vec::from([("a", Some(a))]);
    readers.extend(others);
    let other = dashboard(&room.redis);
    room.until_heard(3);
    for (name, reader) in &mut readers {
        room.until_fed(100);
        kill(reader.take().expect("it runs"));
        room.until_heard(2);
        room.until_fed(100);
        *reader = Some(room.reader(name, &["--no-backfill"]));
        room.until_heard(3);
    }
    room.until_true(&[&other]);
    for dashboard in [room.dashboard(), &other] {
        let gaps = dashboard.fresh().connection.gaps.clone();
        assert!(gaps.is_empty(), "{gaps:?}");
    }
}

#[test]
fn a_gap_of_all_readers_is_one_and_is_repaired() {
    if !is_installed() {
        return;
    }
    let (room, a) = Room::new(lively(), Redis::start(&[]), &[]);
    let b = room.reader("b", &[]);
    let other = dashboard(&room.redis);
    room.until_heard(2);
    room.until_fed(100);
    kill(a);
    kill(b);
    room.dashboard()
        .until("a gap", |s| s.connection.gaps.iter().any(|gap| gap.to.is_none()));
    let shown = room.dashboard().fresh();
    assert!(
        shown.queues.values().all(|queue| queue.unknown.is_some()),
        "nothing is known in a gap"
    );
    // What happens meanwhile is missed.
    std::thread::sleep(Duration::from_secs(5));
    let readers = ["a", "b"].map(|name| room.reader(name, &[]));
    room.scene.until_repaired(1);
    room.until_fed(50);
    let late = dashboard(&room.redis);
    late.until_streaming();
    room.until_true(&[&other, &late]);
    for dashboard in [room.dashboard(), &other, &late] {
        let snapshot = dashboard.fresh();
        // A short silence of all readers leaves a gap without length.
        let is_long = |gap: &&Gap| gap.to != Some(gap.from);
        let gaps: Vec<&Gap> = snapshot.connection.gaps.iter().filter(is_long).collect();
        assert!(gaps.len() == 1 && gaps[0].repaired, "{gaps:?}");
    }
    drop(readers);
}

#[test]
fn the_engine_is_killed_and_loses_its_tail_and_all_of_its_data() {
    if !is_installed() {
        return;
    }
    let persistent = ["--appendonly", "yes", "--appendfsync", "always"];
    let (mut room, reader) = Room::new(lively(), Redis::start(&persistent), &[]);
    room.until_fed(100);
    let log = room.redis.folder().join("appendonlydir");
    for round in 0..3 {
        room.redis.kill();
        match round {
            0 => {}
            1 => tear_tail_off(&log),
            _ => std::fs::remove_dir_all(&log).expect("it was there"),
        }
        room.dashboard()
            .until("unreachable", |s| s.connection.state == ConnectionState::Backoff);
        room.redis.start_again();
        room.scene.stream.until_streaming();
        room.until_fed(50);
        room.until_true(&[]);
        let late = dashboard(&room.redis);
        late.until_streaming();
        if round < 2 {
            // Nothing that was published is missing: REST is not needed for it.
            room.until_true(&[&late]);
        }
    }
    let gaps = room.dashboard().fresh().connection.gaps.clone();
    assert!(
        gaps.iter().all(|gap| gap.to == Some(gap.from)),
        "it saw everything: {gaps:?}"
    );
    drop(reader);
}

/// By somebody who has rights of his own, while no connection is lost.
#[test]
fn a_stream_that_is_wiped_or_emptied_goes_on() {
    if !is_installed() {
        return;
    }
    let (room, reader) = Room::new(lively(), Redis::start(&[]), &[]);
    for command in [["FLUSHALL"].as_slice(), &["XTRIM", "gs:{test:a}:s", "MAXLEN", "0"]] {
        room.until_fed(50);
        room.redis.cli(command);
        room.until_fed(50);
        // All that holds is told again.
        until_true("told again", || room.entries("a").contains("\"about\""));
        room.until_true(&[]);
    }
    // The reader is listed again.
    let late = dashboard(&room.redis);
    late.until_fed();
    let gaps = room.dashboard().fresh().connection.gaps.clone();
    assert!(
        gaps.iter().all(|gap| gap.to == Some(gap.from)),
        "it saw everything: {gaps:?}"
    );
    reader.signal("TERM");
    assert_eq!(reader.wait().code, 0);
}

/// Cuts the last part of the log off, as a crash may: some entries are lost.
fn tear_tail_off(log: &Path) {
    let files = std::fs::read_dir(log)
        .expect("a folder")
        .map(|file| file.expect("a file").path());
    let newest = files
        .filter(|path| path.to_string_lossy().ends_with(".incr.aof"))
        .max()
        .expect("a log");
    let length = std::fs::metadata(&newest).expect("it is there").len();
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&newest)
        .expect("it is there");
    file.set_len(length - 5_000).expect("shorter");
}

#[test]
fn a_second_process_of_a_name_ends_and_the_first_goes_on() {
    if !is_installed() {
        return;
    }
    let (room, _first) = Room::new(lively(), Redis::start(&[]), &[]);
    let second = room.reader("a", &[]).wait();
    assert_eq!(second.code, 1, "{}", second.stderr);
    assert!(
        second.stderr.contains("another process publishes under this name"),
        "{}",
        second.stderr
    );
    room.until_fed(50);
    room.until_true(&[]);
}

#[test]
fn shares_of_three_readers_are_the_whole() {
    if !is_installed() {
        return;
    }
    let sim = lively();
    settle(&sim);
    let redis = Redis::start(&[]);
    let readers = ["1/3", "2/3", "3/3"].map(|share| reader(&sim, &redis, &share[..1], &["--share", share]));
    let room = Room::with(sim, redis);
    room.until_heard(3);
    room.until_fed(200);
    room.until_true(&[]);
    assert_eq!(room.dashboard().fresh().queues.len(), 4);
    drop(readers);
}

#[test]
fn a_slow_engine_costs_a_gap_and_no_local_number() {
    if !is_installed() {
        return;
    }
    let redis = Redis::start(&[]);
    let snapshot = redis.folder().join("snapshot.json").display().to_string();
    // What REST tells at the start is more than the buffer holds.
    let scene = Scene {
        since_ms: None,
        stream: dashboard(&redis),
        sim: lively(),
        settings: Settings::default(),
    };
    let room = Room { redis, scene };
    let small = small_buffer();
    let more = ["--no-backfill", "--config", &small, "--snapshot-file", &snapshot];
    let reader = room.reader("a", &more);
    room.dashboard().until_fed();
    room.until_fed(20);
    room.redis.signal("STOP");
    let read = || -> Option<Value> { serde_json::from_slice(&std::fs::read(&snapshot).ok()?).ok() };
    until_true("entries are dropped", || {
        read().is_some_and(|snapshot| snapshot["outputs"]["engine"]["missed"].as_u64() > Some(20))
    });
    room.redis.signal("CONT");
    room.dashboard().until("a gap of what was dropped", |s| {
        s.connection.gaps.iter().any(|gap| gap.to.is_some() && !gap.repaired)
    });
    room.until_fed(20);
    reader.signal("TERM");
    assert_eq!(reader.wait().code, 0);
    let local = read().expect("a snapshot");
    assert_eq!(
        local["connection"]["gaps_total"], 0,
        "the numbers of the reader itself go on"
    );
}

fn small_buffer() -> String {
    let path = std::env::temp_dir().join(format!("gs-small-{}.json", std::process::id()));
    std::fs::write(&path, r#"{"engine":{"buffer_bytes":65536}}"#).expect("a file");
    path.display().to_string()
}

#[test]
fn what_the_engine_refuses_ends_the_program() {
    if !is_installed() {
        return;
    }
    let sim = lively();
    let redis = Redis::start(&["--requirepass", "right"]);
    let folder = redis.folder();
    for (password, code) in [(None, 3), (Some("hunter2"), 3)] {
        let file = folder.join("password");
        std::fs::write(&file, password.unwrap_or_default()).expect("a file");
        let keys = match password {
            Some(_) => json!({"engine": {"password_file": file}}),
            None => json!({}),
        };
        let settings = folder.join("settings.json");
        std::fs::write(&settings, keys.to_string()).expect("a file");
        let settings = settings.display().to_string();
        let ended = reader(&sim, &redis, "a", &["--config", &settings]).wait();
        assert_eq!(ended.code, code, "{}", ended.stderr);
        let engine = redis.url();
        let shows = [
            "run", "--from", &engine, "--org", "test", "--output", "none", "--config", &settings,
        ];
        let ended = program(&shows, &[]).wait();
        assert_eq!(ended.code, code, "{}", ended.stderr);
        // The password itself is not told. (Redis answers WRONGPASS.)
        if let Some(password) = password {
            assert!(!ended.stderr.contains(password), "{}", ended.stderr);
        }
    }
    // Rights that only show once something is written, or read.
    let redis = Redis::start(&[]);
    let rights = [
        "+xrevrange +type +multi +exec +watch +xtrim +hget +hset",
        "+type +hkeys +xread",
    ];
    let missing = ["xadd", "xrange"];
    assert_eq!(redis.cli(&["HSET", "gs:{test}:readers", "z", "{}"]), "1");
    for (right, missing) in rights.into_iter().zip(missing) {
        let words: Vec<&str> = ["ACL", "SETUSER", "default", "-@all", "~*"]
            .into_iter()
            .chain(right.split(' '))
            .collect();
        let admin = ["+acl", "+auth"];
        assert_eq!(redis.cli(&[words.as_slice(), &admin].concat()), "OK");
        let engine = redis.url();
        let shows = ["run", "--from", &engine, "--org", "test", "--output", "none"];
        let ended = match missing {
            "xadd" => reader(&sim, &redis, "a", &[]).wait(),
            _ => program(&shows, &[]).wait(),
        };
        assert_eq!(ended.code, 1, "{}", ended.stderr);
        let told = ended.stderr.to_lowercase();
        assert!(
            told.contains("noperm") && told.contains(&format!("'{missing}'")),
            "{}",
            ended.stderr
        );
    }
}

/// Rights as `docs/sharing.md` gives them, TLS with a root of our own, passwords in files.
#[test]
fn under_tls_a_reader_writes_and_a_dashboard_only_reads() {
    if !is_installed() {
        return;
    }
    let port = redis::free_port().to_string();
    let fixture = |name: &str| format!("{}/tests/fixtures/tls/{name}", env!("CARGO_MANIFEST_DIR"));
    let (root, certificate, key) = (fixture("ca.pem"), fixture("server.pem"), fixture("server.key.pem"));
    let tls = [
        "--tls-port",
        &port,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
    ];
    let more = ["--tls-ca-cert-file", &root, "--tls-auth-clients", "no"];
    let redis = Redis::start(&[tls.as_slice(), more.as_slice()].concat());
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/sharing.md")).expect("the page");
    let commands: Vec<&str> = page.lines().filter(|line| line.starts_with("ACL SETUSER")).collect();
    assert_eq!(commands.len(), 2);
    for command in commands {
        let words: Vec<&str> = command.split(' ').collect();
        assert_eq!(redis.cli(&words), "OK", "{command}");
    }
    assert_eq!(redis.cli(&["ACL", "SETUSER", "default", "off"]), "OK");
    let password = redis.folder().join("password");
    std::fs::write(&password, "PASSWORD").expect("a file");
    let settings = |user: &str| {
        let path = redis.folder().join(format!("{user}.json"));
        let keys = json!({"engine": {"user": user, "password_file": password}});
        std::fs::write(&path, keys.to_string()).expect("a file");
        path.display().to_string()
    };
    let (url, sim) = (format!("rediss://localhost:{port}"), lively());
    let centre = sim.url();
    let publish = |settings: &str| {
        let engine = ["--publish", &url, "--org", "acme", "--name", "a", "--output", "none"];
        let rest = ["--region", &centre, "--config", settings, "--ca-file", &root];
        let account = [
            ("GENESYS_CLIENT_ID", "simulator"),
            ("GENESYS_CLIENT_SECRET", "simulator"),
        ];
        program(&[["run"].as_slice(), &engine, &rest].concat(), &account)
    };
    let _reader = publish(&settings("reader"));
    let keys = json!({"engine": {"from": url, "org": "acme", "user": "dashboard", "password_file": password}});
    let shows = |keys: &Value| {
        Config::builder()
            .snapshot_interval(INTERVAL)
            .json("d.json", keys.to_string())
    };
    watch(shows(&keys).ca_file(&root)).until_fed();
    let ended = publish(&settings("dashboard")).wait();
    assert!(ended.code == 1 && ended.stderr.contains("NOPERM"), "{}", ended.stderr);
    // Without the root.
    let error = watch(shows(&keys)).gives_up_at_once();
    assert_eq!(error.kind(), ErrorKind::Certificate, "{error}");
}
