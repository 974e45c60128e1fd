//! The program as a service: what it tells systemd, how it logs, and which signals it obeys.
//!
//! In: the built program, a simulator of this process · Out: verdicts · Thread: the test's.

use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Instant;

use crate::audit::Directory;
use crate::support::peer::{Answer, peer};
use crate::support::process::{command, program, program_after};
use crate::support::{PATIENCE, busy, start};

const CREDENTIALS: [(&str, &str); 2] = [
    ("GENESYS_CLIENT_ID", "simulator"),
    ("GENESYS_CLIENT_SECRET", "simulator"),
];

/// systemd's side of `NOTIFY_SOCKET`.
struct Systemd {
    socket: UnixDatagram,
    path: String,
    _directory: Directory,
}

impl Systemd {
    fn new(name: &str) -> Self {
        let directory = Directory::new(name);
        let path = directory.file("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a limit");
        let path = path.to_str().expect("ASCII").to_owned();
        Self {
            socket,
            path,
            _directory: directory,
        }
    }

    fn variables<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let mut variables = CREDENTIALS.to_vec();
        variables.push(("NOTIFY_SOCKET", &self.path));
        variables.extend(more);
        variables
    }

    fn told(&self) -> String {
        let mut bytes = [0; 4096];
        let count = self.socket.recv(&mut bytes).expect("a datagram in time");
        String::from_utf8(bytes[..count].to_vec()).expect("text")
    }

    /// The datagrams until one has this line, with that one.
    fn until(&self, line: &str) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            all.push(self.told());
            if all.last().is_some_and(|told| told.lines().any(|l| l == line)) {
                return all;
            }
        }
    }

    /// What waits to be read.
    fn rest(&self) -> Vec<String> {
        self.socket.set_nonblocking(true).expect("it can be changed");
        let mut bytes = [0; 4096];
        std::iter::from_fn(|| self.socket.recv(&mut bytes).ok().map(|count| bytes[..count].to_vec()))
            .map(|bytes| String::from_utf8(bytes).expect("text"))
            .collect()
    }
}

#[test]
fn systemd_is_told_of_readiness_life_and_end() {
    let sim = start(busy());
    let url = sim.url();
    let systemd = Systemd::new("notify");
    let variables = systemd.variables(&[("WATCHDOG_USEC", "200000")]);
    let running = program(&["run", "--region", &url, "--output", "none"], &variables);
    let begin = systemd.until("READY=1");
    assert_eq!(begin.last().expect("one"), "READY=1\nSTATUS=streaming");
    for _ in 0..3 {
        systemd.until("WATCHDOG=1");
    }
    running.signal("TERM");
    let end = systemd.until("STOPPING=1");
    assert!(!end.iter().any(|told| told.contains("READY")), "told once: {end:?}");
    assert_eq!(running.wait().code, 0);
}

#[test]
fn a_watchdog_of_another_process_is_not_served() {
    let sim = start(busy());
    let url = sim.url();
    let systemd = Systemd::new("foreign");
    let variables = systemd.variables(&[("WATCHDOG_USEC", "2000"), ("WATCHDOG_PID", "1")]);
    let running = program(&["run", "--region", &url, "--output", "none"], &variables);
    systemd.until("READY=1");
    running.signal("TERM");
    let end = systemd.until("STOPPING=1");
    assert!(!end.iter().any(|told| told.contains("WATCHDOG")), "{end:?}");
    assert_eq!(running.wait().code, 0);
}

/// A service that is away at boot does not fail the start; what an operator must change does.
#[test]
fn it_is_ready_without_the_service_but_not_without_credentials() {
    let unavailable = peer(|asked, _| {
        let login = asked.is("POST", "/oauth/token");
        login.then(|| Answer::Json(503, serde_json::json!({"message": "later"})))
    });
    let systemd = Systemd::new("away");
    let running = program(&["run", "--region", &unavailable.url()], &systemd.variables(&[]));
    let told = systemd.until("READY=1").pop().expect("one");
    assert!(told.contains("STATUS=backoff: "), "{told}");
    running.signal("TERM");
    assert_eq!(running.wait().code, 0);

    let sim = start(busy());
    let systemd = Systemd::new("refused");
    let variables = systemd.variables(&[("GENESYS_CLIENT_SECRET", "wrong")]);
    assert_eq!(program(&["run", "--region", &sim.url()], &variables).wait().code, 3);
    let told = systemd.rest();
    assert!(!told.iter().any(|told| told.contains("READY")), "{told:?}");
}

/// Under the journal lines have its priorities instead of times of their own; on any other stderr they keep the time.
#[test]
fn the_journal_gets_priorities_and_no_times() {
    let peer = peer(|_, _| None);
    for is_journal in [true, false] {
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        let there = std::fs::File::from(OwnedFd::from(writer.try_clone().expect("a copy")));
        // The copy of the writer is closed, so that the pipe ends with the program.
        let there = { there }.metadata().expect("its numbers");
        let inode = if is_journal { there.ino() } else { there.ino() + 1 };
        let journal = format!("{}:{inode}", there.dev());
        let url = peer.url();
        let mut command = command(
            &["run", "--region", &url, "--duration", "1", "--output", "none"],
            &CREDENTIALS,
        );
        let mut child = command
            .env("JOURNAL_STREAM", &journal)
            .stderr(writer)
            .spawn()
            .expect("it starts");
        drop(command);
        let mut text = String::new();
        std::io::Read::read_to_string(&mut reader, &mut text).expect("text");
        assert!(child.wait().expect("a status").success(), "{text}");
        assert!(!text.is_empty());
        for line in text.lines() {
            let prefix = line.starts_with("<6>INFO ") || line.starts_with("<4>WARN ");
            assert_eq!(prefix, is_journal, "{line}");
        }
    }
}

fn until_contains(path: &Path, part: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !std::fs::read_to_string(path).is_ok_and(|text| text.contains(part)) {
        assert!(Instant::now() < deadline, "{part} in {}", path.display());
        std::thread::yield_now();
    }
}

#[test]
fn a_log_file_that_was_moved_is_opened_anew_and_a_hangup_does_not_stop() {
    let sim = start(busy());
    let directory = Directory::new("log");
    let (log, rotated) = (directory.file("log"), directory.file("log.1"));
    let url = sim.url();
    let path = log.to_str().expect("ASCII");
    let running = program(
        &["run", "--region", &url, "--output", "lines", "--log-file", path],
        &CREDENTIALS,
    );
    running.line("streaming", |line| line.contains("streaming"));
    std::fs::rename(&log, &rotated).expect("it can be renamed");
    running.signal("HUP");
    until_contains(&log, "SIGHUP: the log file is opened anew");
    assert!(!std::fs::read_to_string(&rotated).expect("a file").contains("SIGHUP"));
    // Without a signal as well.
    std::fs::remove_file(&log).expect("it can be removed");
    running.signal("TERM");
    until_contains(&log, "SIGTERM: stopping");
    assert_eq!(running.wait().code, 0);
}

/// nohup, and `&` in a script.
#[cfg(target_os = "linux")]
#[test]
fn a_signal_that_was_ignored_at_the_start_stays_ignored() {
    let sim = start(busy());
    let url = sim.url();
    let arguments = ["run", "--region", &url, "--output", "snapshots", "--interval-ms", "100"];
    let running = program_after("trap '' INT HUP", &arguments, &CREDENTIALS);
    running.line("streaming", |line| line.contains(r#""state":"streaming""#));
    running.signal("INT");
    running.signal("HUP");
    running.line("the next snapshot", |_| true);
    running.line("and one more", |line| line.contains(r#""state":"streaming""#));
    running.signal("TERM");
    let ended = running.wait();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(
        !ended.stderr.contains("SIGINT") && !ended.stderr.contains("SIGHUP"),
        "{}",
        ended.stderr
    );
}

/// A limit of file sizes is a full disk: counted and told, for stdout, log, snapshot, audit file and recording.
#[cfg(target_os = "linux")]
#[test]
fn a_file_size_limit_is_a_full_disk() {
    let sim = start(busy());
    let url = sim.url();
    let directory = Directory::new("limit");
    let file = |name: &str| directory.file(name).to_str().expect("ASCII").to_owned();
    let (snapshot, audit, record, log) = (file("snapshot"), file("audit"), file("record"), file("log"));
    // Its head alone would be beyond the limit.
    std::fs::write(&log, vec![b'\n'; 1024]).expect("a file");
    let arguments = [
        "run",
        "--region",
        &url,
        "--output",
        "snapshots",
        "--interval-ms",
        "50",
        "--snapshot-file",
        &snapshot,
        "--audit-file",
        &audit,
        "--record",
        &record,
        "--log-file",
        &log,
    ];
    let running = program_after("ulimit -f 2", &arguments, &CREDENTIALS);
    running.log_line("the log file", |line| {
        line.contains("the log file") && line.contains("ulimit -f")
    });
    running.line("all outputs miss something", |line| {
        let snapshot: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let missed = |name: &str| snapshot["outputs"][name]["missed"].as_u64();
        missed("snapshot_file") > Some(0) && missed("record_file") > Some(0)
    });
    running.signal("TERM");
    let ended = running.wait();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(
        !ended.stderr.contains("cannot be written"),
        "told once: {}",
        ended.stderr
    );
}
