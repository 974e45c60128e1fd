//! The program as its users start it: outputs, signals, exit codes.
//!
//! In: the built program, a simulator of this process or of its own · Out: verdicts · Thread: the test's.

use std::io::Read;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

use genesys_stream::Protocol;
use serde_json::Value;

use crate::audit::Directory;
use crate::support::peer::{Answer, Behaviour, QUEUES, event, notification, peer, permitted, sockets, sound};
use crate::support::process::{Ended, command, program, signal};
use crate::support::{PATIENCE, PROTOCOLS, STOP_LIMIT, against_the_clock, busy, control, for_all_protocols, start};

const CREDENTIALS: [(&str, &str); 2] = [
    ("GENESYS_CLIENT_ID", "simulator"),
    ("GENESYS_CLIENT_SECRET", "simulator"),
];

/// Flags of a `run` against this.
fn run<'a>(url: &'a str, protocol: Protocol, more: &[&'a str]) -> Vec<&'a str> {
    let mut flags = vec![
        "run",
        "--region",
        url,
        "--protocol",
        protocol.as_str(),
        "--interval-ms",
        "100",
    ];
    flags.extend(more);
    flags
}

fn assert_ended(ended: &Ended, code: i32) {
    assert_eq!(ended.code, code, "stderr: {}\nstdout: {:?}", ended.stderr, ended.lines);
}

#[test]
fn demo_ends_with_a_summary() {
    for_all_protocols(|protocol| {
        // The demo must be streaming before its duration is over.
        against_the_clock(|factor| {
            let duration = factor.to_string();
            let flags = [
                "demo",
                "--duration",
                &duration,
                "--output",
                "lines",
                "--protocol",
                protocol.as_str(),
            ];
            let ended = program(&flags, &[]).wait();
            assert_ended(&ended, 0);
            let last = ended.lines.iter().rposition(|line| line.starts_with("snapshot "));
            let last = last.unwrap_or_else(|| panic!("no summary: {:?}", ended.lines));
            assert!(ended.lines[last].contains("stopped"), "{}", ended.lines[last]);
            assert!(
                ended.lines[last + 1..].iter().all(|line| line.starts_with(' ')),
                "{:?}",
                &ended.lines[last..]
            );
            assert!(
                ended.lines[..last].iter().any(|line| line.contains("streaming")),
                "{:?}",
                ended.lines
            );
            assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        });
    });
}

#[test]
fn signals_stop_it_in_order() {
    let sim = start(busy());
    let url = sim.url();
    let stops = |signal: &str, protocol| {
        let running = program(&run(&url, protocol, &["--output", "snapshots"]), &CREDENTIALS);
        running.line("a stream with events", |line| {
            let snapshot: Value = serde_json::from_str(line).expect("JSON");
            snapshot["connection"]["state"] == "streaming" && snapshot["counters"]["events_applied"] != 0
        });
        running.signal(signal);
        let ended = running.wait();
        assert_ended(&ended, 0);
        assert!(ended.took < STOP_LIMIT, "{signal}: {:?}", ended.took);
        let last: Value = serde_json::from_str(ended.lines.last().expect("a last line")).expect("JSON");
        assert_eq!(last["connection"]["state"], "stopped", "{signal}");
        assert_eq!(last["counters"]["events_buffered"], 0);
    };
    std::thread::scope(|scope| {
        for (signal, protocol) in ["TERM", "INT", "HUP"].into_iter().zip(PROTOCOLS) {
            scope.spawn(move || against_the_clock(|_| stops(signal, protocol)));
        }
    });
}

/// Before there is a stream a signal ends it just as quickly.
#[test]
fn a_signal_stops_it_before_the_login_is_answered() {
    against_the_clock(|_| {
        let peer = peer(|asked, _| asked.is("POST", "/oauth/token").then_some(Answer::Nothing));
        let running = program(&run(&peer.url(), Protocol::Notifications, &[]), &CREDENTIALS);
        peer.until("login", |log| (log.count("POST", "/oauth/token") == 1).then_some(()));
        running.signal("INT");
        let ended = running.wait();
        assert_ended(&ended, 0);
        assert!(ended.took < STOP_LIMIT, "{:?}", ended.took);
    });
}

/// A second signal ends at once, with 128 and its number, whatever is still under way.
#[test]
fn a_second_signal_ends_at_once() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        // The second one must come before the end in order, which takes 700 ms.
        against_the_clock(|_| a_second_ends_it(signal, code));
    }
}

fn a_second_ends_it(signal: &str, code: i32) {
    let peer = peer(|asked, _| asked.is("DELETE", "/subscriptions").then_some(Answer::Nothing));
    let running = program(
        &run(&peer.url(), Protocol::Notifications, &["--output", "lines"]),
        &CREDENTIALS,
    );
    running.line("streaming", |line| line.contains("streaming"));
    running.signal(signal);
    peer.until("the clean-up", |log| {
        (log.count("DELETE", "/subscriptions") > 0).then_some(())
    });
    running.signal(signal);
    assert_ended(&running.wait(), code);
}

/// When the reader of stdout closes it (`| head -1`), the program ends without a complaint.
#[test]
fn a_closed_stdout_ends_it_quietly() {
    let sim = start(busy());
    let url = sim.url();
    for output in ["events", "snapshots", "lines"] {
        let flags = run(&url, Protocol::Notifications, &["--output", output, "-q"]);
        let mut child = command(&flags, &CREDENTIALS).spawn().expect("the program starts");
        let mut stdout = child.stdout.take().expect("piped");
        stdout.read_exact(&mut [0; 20]).expect("some bytes");
        drop(stdout);
        let mut stderr = String::new();
        child
            .stderr
            .take()
            .expect("piped")
            .read_to_string(&mut stderr)
            .expect("text");
        let status = child.wait().expect("a status");
        assert_eq!(status.code(), Some(0), "{output}: {stderr}");
        assert!(
            !stderr.contains("panicked") && !stderr.contains("roken pipe"),
            "{output}: {stderr}"
        );
    }
}

/// A result that cannot be written is not a success.
#[cfg(target_os = "linux")]
#[test]
fn a_full_stdout_is_1() {
    let peer = sound();
    let directory = Directory::new("full");
    let audit_file = directory.file("audit.jsonl");
    std::fs::write(&audit_file, "").expect("a file");
    let (url, audit_file) = (peer.url(), audit_file.to_str().expect("ASCII"));
    for arguments in [
        &["check", "--region", &url][..],
        &["check", "--json", "--region", &url],
        &["plan", "--region", &url],
        &["audit", "verify", audit_file],
        &["man"],
        &["--help"],
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
        let output = command(arguments, &CREDENTIALS)
            .stdout(full.expect("a full device"))
            .output()
            .expect("the program starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
        assert!(stderr.contains("error: writing to stdout"), "{arguments:?}: {stderr}");
    }
}

/// A verdict that nobody can read does not end with 0.
#[test]
fn a_verdict_to_a_closed_stdout_is_1() {
    let peer = sound();
    let directory = Directory::new("closed");
    let audit_file = directory.file("audit.jsonl");
    std::fs::write(&audit_file, "").expect("a file");
    let (url, audit_file) = (peer.url(), audit_file.to_str().expect("ASCII"));
    for arguments in [&["check", "--region", &url][..], &["audit", "verify", audit_file]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        // Before the program can write.
        drop(reader);
        let output = command(arguments, &CREDENTIALS).stdout(writer).output();
        let output = output.expect("the program starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
    }
}

/// An error before any stream is told once, and there is nothing to sum up.
#[test]
fn an_error_before_any_stream_is_told_once() {
    let peer = sound();
    let lines = run(
        &peer.url(),
        Protocol::Notifications,
        &["--output", "lines", "--queue", "Sails"],
    )
    .join("\u{1f}");
    let arguments: Vec<&str> = lines.split('\u{1f}').collect();
    let ended = program(&arguments, &CREDENTIALS).wait();
    assert_ended(&ended, 2);
    let all = format!("{}\n{}", ended.lines.join("\n"), ended.stderr);
    assert_eq!(all.matches("no queue is named").count(), 1, "{all}");
    assert!(!all.contains("snapshot "), "{all}");
}

#[test]
fn a_wrong_secret_is_3_at_once() {
    let sim = start(busy());
    let url = sim.url();
    for_all_protocols(|protocol| {
        let wrong = [("GENESYS_CLIENT_ID", "simulator"), ("GENESYS_CLIENT_SECRET", "hunter2")];
        let ended = program(&run(&url, protocol, &[]), &wrong).wait();
        assert_ended(&ended, 3);
        assert!(ended.stderr.contains("region"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    });
    assert_eq!(control(&sim, "state")["requests"], 3, "each asked once");
}

#[test]
fn exit_codes_of_refusals() {
    let proof = peer(|asked, _| {
        let proof = asked.is("POST", "/analytics/conversations/details/query");
        proof.then(|| Answer::Json(200, serde_json::json!({"totalHits": 0})))
    });
    let subscription = peer(|asked, _| {
        let body = serde_json::json!({"message": "no", "code": "notification.invalid.topic", "status": 400});
        asked.is("PUT", "/subscriptions").then_some(Answer::Json(400, body))
    });
    let resets = peer(sockets((0..9).map(|_| Behaviour::Reset).collect()));
    let sound = sound();
    for (peer, protocol, flags, code) in [
        (&sound, Protocol::Notifications, &["--queue", "Sails"][..], 2),
        (&subscription, Protocol::Notifications, &[], 1),
        (&proof, Protocol::Metrics, &[], 4),
        (&resets, Protocol::Events, &["--max-attempts", "1"], 1),
    ] {
        let ended = program(&run(&peer.url(), protocol, flags), &CREDENTIALS).wait();
        assert_ended(&ended, code);
        assert!(ended.stderr.contains("error: "), "{}", ended.stderr);
    }
}

/// Event records of a run with a gap: each kind comes, before and after it.
#[test]
fn event_records_are_whole() {
    for_all_protocols(|protocol| {
        let sim = start(busy());
        let url = sim.url();
        let running = program(
            &run(&url, protocol, &["--output", "events", "--when-full", "block"]),
            &CREDENTIALS,
        );
        running.line("an event", |line| line.contains(r#""record":"event""#));
        control(&sim, "close?code=1011");
        running.line("a gap", |line| line.contains(r#""record":"gap""#));
        running.line("another event", |line| line.contains(r#""record":"event""#));
        running.signal("TERM");
        let ended = running.wait();
        assert_ended(&ended, 0);
    });
}

/// The whole stream of records from first to last.
#[test]
fn event_records_in_order_from_first_to_last() {
    // For the last records there are 700 ms.
    for_all_protocols(|protocol| against_the_clock(|_| are_in_order(protocol)));
}

fn are_in_order(protocol: Protocol) {
    let texts = |from: usize| (from..from + 40).map(|n| event(protocol, n)).collect();
    let peer = peer(sockets(vec![
        Behaviour::Close(texts(0), 1011),
        Behaviour::Close(texts(40), 1000),
    ]));
    let url = peer.url();
    let ended = program(&run(&url, protocol, &["--output", "events", "--once"]), &CREDENTIALS).wait();
    assert_ended(&ended, 0);
    let records: Vec<Value> = ended
        .lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let of = |kind: &str| records.iter().filter(|r| r["record"] == kind).collect::<Vec<_>>();
    let numbers: Vec<u64> = of("event")
        .iter()
        .map(|r| r["seq"].as_u64().expect("a number"))
        .collect();
    assert_eq!(numbers, (1..=80).collect::<Vec<_>>());
    for record in of("event") {
        assert_eq!(
            (&record["schema"], &record["protocol"]),
            (&1.into(), &protocol.as_str().into())
        );
        assert!(
            record["body"].is_object() && record["received_at"].is_string(),
            "{record}"
        );
    }
    let states: Vec<&str> = of("state").iter().filter_map(|r| r["state"].as_str()).collect();
    assert_eq!(states.first(), Some(&"connecting"));
    assert!(
        states.contains(&"streaming") && states.contains(&"backoff"),
        "{states:?}"
    );
    assert_eq!(states.last(), Some(&"stopped"));
    let gaps = of("gap");
    assert_eq!(gaps[0]["to"], Value::Null);
    assert!(
        gaps.iter().any(|gap| gap["id"] == 1 && gap["to"].is_string()),
        "{gaps:?}"
    );
    let last = records.last().expect("records");
    assert_eq!(last["record"], "snapshot");
    assert_eq!(last["counters"]["events_applied"], 80);
    assert_eq!(last["outputs"]["stdout"]["missed"], 0);
    assert_eq!(of("snapshot").len(), 1);
}

/// What an operator is told on stderr: channels that run out, a forbidden topic, another program on the same client.
#[test]
fn warnings_about_channels_and_topics() {
    let peer = peer(|asked, peer| {
        let listing = asked.method == "GET" && asked.path.contains("includechannels=oauthclient");
        if listing {
            let channels = vec![serde_json::json!({"expires": "2126-05-05T14:00:00.000Z"}); 15];
            return Some(Answer::Json(200, serde_json::json!({"entities": channels})));
        }
        let taken = || {
            let body = serde_json::json!({"reason": "another_channel_subscribed"});
            notification("v2.system.no_longer_subscribed.streaming-5-2", &body)
        };
        if asked.is_upgrade() && peer.log().upgrades() == 1 {
            return Some(Answer::Socket(Behaviour::Well(vec![taken()])));
        }
        let of_sales = format!("v2.analytics.queues.{}.observations", QUEUES[0].0);
        asked
            .is("PUT", "/subscriptions")
            .then(|| permitted(asked, |topic| topic != of_sales))
    });
    let url = peer.url();
    let running = program(
        &run(&url, Protocol::Notifications, &["--output", "events"]),
        &CREDENTIALS,
    );
    peer.until("a second channel", |log| (log.upgrades() == 2).then_some(()));
    running.line("streaming again", |line| {
        line.contains(r#""repaired""#) && !line.contains(r#""to":null"#)
    });
    running.signal("TERM");
    let ended = running.wait();
    assert_ended(&ended, 0);
    let said = |part: &str| ended.stderr.lines().filter(|line| line.contains(part)).count();
    assert_eq!(said("15 of 20 notification channels"), 1, "{}", ended.stderr);
    assert!(
        said(&format!("{}.observations refused", QUEUES[0].0)) >= 1,
        "{}",
        ended.stderr
    );
    assert_eq!(
        said("another client of this OAuth client took channel #"),
        1,
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("streaming-5"), "{}", ended.stderr);
}

struct TempDir(PathBuf);

impl TempDir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("gs-it-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Whoever reads the snapshot file, at any time, finds one whole snapshot.
#[test]
fn the_snapshot_file_is_always_whole() {
    // For the last snapshot there are 700 ms.
    against_the_clock(|_| the_snapshot_file_is_whole());
}

fn the_snapshot_file_is_whole() {
    let sim = start(busy());
    let url = sim.url();
    let dir = TempDir::new("snapshot");
    let file = dir.0.join("numbers.json");
    let path = file.to_str().expect("ASCII");
    let mut flags = run(
        &url,
        Protocol::Notifications,
        &["--output", "none", "--snapshot-file", path],
    );
    let interval = flags.iter().position(|flag| *flag == "100").expect("the interval");
    flags[interval] = "10";
    let running = program(&flags, &CREDENTIALS);
    let deadline = Instant::now() + PATIENCE;
    let mut revisions = Vec::new();
    // One is written a second.
    while revisions.len() < 4 {
        assert!(Instant::now() < deadline, "{revisions:?}");
        let Ok(text) = std::fs::read_to_string(&file) else {
            assert!(revisions.is_empty(), "the file was gone for a moment");
            std::thread::yield_now();
            continue;
        };
        let snapshot: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let revision = snapshot["revision"].as_u64().expect("a number");
        assert!(revisions.last().is_none_or(|last| *last <= revision));
        if revisions.last() != Some(&revision) {
            revisions.push(revision);
        }
    }
    running.signal("TERM");
    assert_ended(&running.wait(), 0);
    let last: Value = serde_json::from_str(&std::fs::read_to_string(&file).expect("the file")).expect("JSON");
    assert_eq!(last["connection"]["state"], "stopped");
    let left: Vec<_> = std::fs::read_dir(&dir.0).expect("the directory").collect();
    assert_eq!(left.len(), 1, "nothing else is left: {left:?}");
}

#[test]
fn simulate_says_where_it_listens() {
    let simulator = program(&["simulate", "--listen", "127.0.0.1:0"], &[]);
    let first = simulator.line("anything", |_| true);
    let url = first
        .strip_prefix("listening on ")
        .unwrap_or_else(|| panic!("{first}"))
        .to_owned();
    let mut variables = Vec::new();
    for _ in 0..3 {
        let line = simulator.line("an export", |_| true);
        let (name, value) = line
            .strip_prefix("export ")
            .and_then(|l| l.split_once('='))
            .expect("an export");
        variables.push((name.to_owned(), value.to_owned()));
    }
    // The lines are all that a client needs.
    let variables: Vec<(&str, &str)> = variables.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert!(variables.contains(&("GENESYS_DOMAIN", url.as_str())));
    let client = program(&["run", "--output", "lines"], &variables);
    client.line("streaming", |line| line.contains("streaming"));
    client.signal("TERM");
    assert_ended(&client.wait(), 0);
    simulator.signal("TERM");
    assert_ended(&simulator.wait(), 0);
}

/// The service is killed and started again: the program comes back by itself.
#[test]
fn it_outlives_the_service() {
    // Another program may take the port before the service does.
    against_the_clock(|_| the_service_is_started_again());
}

fn the_service_is_started_again() {
    let simulator = program(&["simulate", "--listen", "127.0.0.1:0", "--speed", "5"], &[]);
    let first = simulator.line("the address", |_| true);
    let url = first.strip_prefix("listening on ").expect("an address").to_owned();
    let address = url.strip_prefix("http://").expect("a URL").to_owned();
    let client = program(
        &run(&url, Protocol::Notifications, &["--output", "events"]),
        &CREDENTIALS,
    );
    client.line("an event", |line| line.contains(r#""record":"event""#));
    simulator.signal("KILL");
    assert_eq!(simulator.wait().code, 137);
    client.line("a pause", |line| line.contains(r#""state":"backoff""#));
    let simulator = program(&["simulate", "--listen", &address, "--speed", "5"], &[]);
    client.line("streaming", |line| line.contains(r#""state":"streaming""#));
    client.line("an event", |line| line.contains(r#""record":"event""#));
    client.signal("TERM");
    assert_ended(&client.wait(), 0);
    drop(simulator);
}

/// stdin, stdout and stderr may all be closed: the program runs and stops.
#[test]
fn it_runs_without_any_terminal() {
    let peer = sound();
    let url = peer.url();
    let mut child = command(&run(&url, Protocol::Events, &["--output", "none"]), &CREDENTIALS)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    peer.until("its stream", |log| (log.upgrades() == 1).then_some(()));
    signal(&child, "TERM");
    assert_eq!(child.wait().expect("a status").code(), Some(0));
}

/// Keys of thresholds that are no queue's are told once, not with each listing.
#[test]
fn thresholds_that_hold_for_no_queue() {
    let peer = peer(sockets(vec![Behaviour::Well(Vec::new())]));
    let directory = Directory::new("thresholds");
    let file = directory.file("config.json");
    let [by_name, by_id] = [format!(" {} ", QUEUES[0].1.to_uppercase()), QUEUES[1].0.to_owned()];
    let of_one = serde_json::json!({"waiting": [1, 2]});
    let thresholds = serde_json::json!({by_name: of_one, by_id: of_one, "Slaes": of_one});
    let config = serde_json::json!({"thresholds": {"queues": thresholds}, "subscribe": {"refresh_secs": 1}});
    std::fs::write(&file, config.to_string()).expect("written");
    let file = file.to_string_lossy().into_owned();
    let url = peer.url();
    let running = program(
        &run(&url, Protocol::Notifications, &["--config", &file, "--duration", "4"]),
        &CREDENTIALS,
    );
    let ended = running.wait();
    assert_ended(&ended, 0);
    let said: Vec<&str> = ended
        .stderr
        .lines()
        .filter(|line| line.contains("thresholds.queues"))
        .collect();
    assert_eq!(said.len(), 1, "{}", ended.stderr);
    assert!(
        said[0].contains("thresholds.queues.Slaes: no subscribed queue has this name or id"),
        "{said:?}"
    );
}
