//! One phase: the program is started, attacked, watched and stopped.
//!
//! In: a phase, how long it lasts · Out: what was measured, and each promise that was broken · Thread: the phase's; one
//! reads the page, one plays strangers.

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use genesys_stream::{Moment, Protocol};
use serde_json::{Value, json};

use super::answers::planted;
use super::phases::{Phase, Side, Stdout, Visitors};
use super::planted::{CLIENT_ID, client_secret, found_below, is_in, page_token};
use super::pouring::Sent;
use super::strangers::{ask, visit};
use crate::audit::Directory;
use crate::support::peer::peer;
use crate::support::process::{path, signal};

const LONGEST_STOP: Duration = Duration::from_secs(2);
/// The service's clock is ours here; times are believed up to ten minutes beyond it.
const FURTHEST_AHEAD_MS: i64 = 11 * 60_000;
/// Log and audit file together: lines at the beginning and at the end, and so many bytes a second.
const MOST_LOG_BYTES: u64 = 100_000;
const MOST_LOG_BYTES_A_SEC: u64 = 20_000;

/// Between two looks at the process.
const LOOKS_EVERY: Duration = Duration::from_millis(50);
/// How long an end is waited for before it is forced.
const PATIENCE: Duration = Duration::from_secs(60);
/// Of the page's frames so much is kept, to be searched for secrets.
const KEPT_PAGE_BYTES: usize = 20_000_000;

/// Faults of the simulator, over and over.
const HOURS_OF_FAULTS: &str = "\
1s     reset
2s     socket_closing?after_secs=3
4s     outage?secs=1
6s     duplicate?percent=50
7s     close?code=1001
8s     revoke
9s     loop
";

pub struct Measured {
    name: &'static str,
    sent_bytes: u64,
    rss_kb: u64,
    oldest_ms: i64,
    stop: Duration,
    log_bytes: u64,
    faults: Vec<String>,
}

impl Measured {
    pub const HEADING: &str =
        "phase                 |    sent MB | peak RSS MB | oldest snapshot s | stop s | log kB | verdict";

    /// Whether a time is all that is wrong.
    pub fn is_only_late(&self) -> bool {
        !self.faults.is_empty() && self.faults.iter().all(|fault| [OLD, LATE].contains(&fault.as_str()))
    }

    pub fn faults(&self) -> impl Iterator<Item = String> {
        self.faults.iter().map(|fault| format!("{}: {fault}", self.name))
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{:<21} | {:>10.1} | {:>11.1} | {:>17.1} | {:>6.2} | {:>6} | {}",
            self.name,
            self.sent_bytes as f64 / 1e6,
            self.rss_kb as f64 * 1024.0 / 1e6,
            self.oldest_ms as f64 / 1e3,
            self.stop.as_secs_f64(),
            self.log_bytes / 1000,
            if self.faults.is_empty() {
                "ok".to_owned()
            } else {
                self.faults.join("; ")
            }
        )
    }
}

/// The program's files in a folder of their own.
struct Files(Directory);

impl Files {
    fn of(phase: &Phase, url: &str) -> Self {
        let name: String = phase.name.chars().filter(char::is_ascii_alphanumeric).collect();
        let files = Self(Directory::new(&format!("soak-{name}")));
        let config = json!({"region": url, "client_id": CLIENT_ID,
            "client_secret_file": files.secret("client"), "protocol": phase.protocol.as_str(),
            "http": {"listen": "127.0.0.1:0", "token_file": files.secret("page")}});
        std::fs::write(files.0.file("config.json"), config.to_string()).expect("a file");
        std::fs::create_dir(files.kept()).expect("a folder");
        files
    }

    /// A file with a secret, outside of what is searched.
    fn secret(&self, whose: &str) -> PathBuf {
        let (path, secret) = match whose {
            "client" => (self.0.file("client-secret"), client_secret()),
            _ => (self.0.file("page-token"), page_token()),
        };
        std::fs::write(&path, secret).expect("a file");
        path
    }

    /// The folder of everything that the program writes or answers.
    fn kept(&self) -> PathBuf {
        self.0.file("kept")
    }

    fn kept_file(&self, name: &str) -> PathBuf {
        self.kept().join(name)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.kept_file("stderr")).unwrap_or_default()
    }

    fn start(&self, phase: &Phase) -> Child {
        let file = |name: &str| std::fs::File::create(self.kept_file(name)).expect("a file");
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-c", &format!("{}\nexec \"$0\" \"$@\"", phase.before)])
            .arg(path())
            .args(["run", "--config", "../config.json", "--output"])
            .arg(if phase.stdout == Stdout::Unused {
                "none"
            } else {
                "events"
            })
            .args(["--snapshot-file", "snapshot.json", "--audit-file", "audit.jsonl"])
            .args(phase.flags)
            .current_dir(self.kept())
            .env_clear()
            .stdin(Stdio::null())
            .stdout(match phase.stdout {
                Stdout::Unused => Stdio::null(),
                Stdout::Kept => file("stdout").into(),
                Stdout::Blocked => Stdio::piped(),
            })
            .stderr(file("stderr"));
        shell.spawn().expect("the program starts")
    }
}

/// What is seen of a running program.
#[derive(Default)]
struct Seen {
    rss_kb: u64,
    oldest_ms: i64,
    faults: Vec<String>,
}

impl Seen {
    fn fault(&mut self, fault: impl Into<String>) {
        let fault = fault.into();
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    fn look(&mut self, child: &Child, began: Moment, files: &Files) {
        let now = Moment::now();
        // What is not there yet is as old as the program.
        let at = begin_of(&files.kept_file("snapshot.json")).and_then(|text| generated_at(&text));
        self.oldest_ms = self.oldest_ms.max(now.millis_since(at.unwrap_or(began)));
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        self.rss_kb = self.rss_kb.max(peak.unwrap_or(0));
    }

    /// Command lines and environments of the program and of what it started.
    fn look_at_processes(&mut self, program: u32) {
        let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
        for process in processes {
            let of = |name: &str| std::fs::read(process.path().join(name)).unwrap_or_default();
            let status = String::from_utf8_lossy(&of("status")).into_owned();
            let is_child = status.lines().any(|line| line == format!("PPid:\t{program}"));
            if is_child || process.file_name().to_string_lossy() == program.to_string() {
                for name in ["cmdline", "environ"] {
                    if is_in(&of(name)) {
                        self.fault(format!("a secret in {name}"));
                    }
                }
            }
        }
    }
}

fn begin_of(path: &Path) -> Option<String> {
    use std::io::Read as _;
    let mut begin = vec![0; 400];
    let read = std::fs::File::open(path)
        .and_then(|mut file| file.read(&mut begin))
        .ok()?;
    Some(String::from_utf8_lossy(&begin[..read]).into_owned())
}

fn generated_at(text: &str) -> Option<Moment> {
    let (_, rest) = text.split_once(r#""generated_at":"#)?;
    let end = rest.get(1..)?.find('"')? + 2;
    serde_json::from_str(&rest[..end]).ok()
}

pub fn run(phase: &Phase, lasts: Duration) -> Measured {
    let sent = Sent::default();
    match phase.side {
        Side::Peer(script) => {
            let own = script(&sent);
            let peer = peer(move |asked, peer| own(asked, peer).or_else(|| planted(asked, peer)));
            attack(phase, &peer.url(), lasts, &sent)
        }
        Side::Centre(speed) => {
            let centre = Centre::start(speed);
            // What a simulator sends is counted by itself.
            sent.fetch_add(1, Ordering::Relaxed);
            attack(phase, &centre.url, lasts, &sent)
        }
    }
}

/// A simulator in a process of its own; it ends when dropped.
struct Centre {
    child: Child,
    url: String,
    _files: Directory,
}

impl Centre {
    fn start(speed: u32) -> Self {
        let files = Directory::new("soak-centre");
        let script = files.file("script");
        std::fs::write(&script, HOURS_OF_FAULTS).expect("a file");
        let mut child = Command::new(path())
            .args([
                "simulate",
                "--listen",
                "127.0.0.1:0",
                "--seed",
                "5",
                "--queues",
                "12",
                "--agents",
                "150",
            ])
            .args(["--speed", &speed.to_string(), "--script"])
            .arg(&script)
            .env_clear()
            .envs([
                ("GENESYS_CLIENT_ID", CLIENT_ID),
                ("GENESYS_CLIENT_SECRET", &client_secret()),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the simulator starts");
        let stdout = child.stdout.take().expect("piped");
        let first = BufReader::new(stdout).lines().next().expect("a line").expect("text");
        let url = first.strip_prefix("listening on ").expect("an address").to_owned();
        Self {
            child,
            url,
            _files: files,
        }
    }
}

impl Drop for Centre {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn attack(phase: &Phase, url: &str, lasts: Duration, sent: &Sent) -> Measured {
    let files = Files::of(phase, url);
    let began = (Instant::now(), Moment::now());
    let mut child = files.start(phase);
    let mut seen = Seen::default();
    let over = Arc::new(AtomicBool::new(false));
    let mut beside = Vec::new();
    let mut address = None;
    while began.0.elapsed() < lasts {
        std::thread::sleep(LOOKS_EVERY);
        if let Some(status) = child.try_wait().expect("a status") {
            seen.fault(format!(
                "it ended by itself with {status}: {}",
                last_lines(&files.log())
            ));
            break;
        }
        seen.look(&child, began.1, &files);
        if address.is_none()
            && let Some(found) = listens_at(&files.log())
        {
            address = Some(found);
            let (kept, is_over) = (files.kept_file("page"), Arc::clone(&over));
            beside.push(std::thread::spawn(move || read_page(found, &kept, &is_over)));
            if phase.visitors == Visitors::Strangers {
                let is_over = Arc::clone(&over);
                beside.push(std::thread::spawn(move || {
                    visit(found, &is_over);
                    Ok(())
                }));
            }
        }
    }
    seen.look_at_processes(child.id());
    match address {
        Some(address) => ask_everything(address, &files, &mut seen),
        None => seen.fault("its page has no address"),
    }
    seen.look(&child, began.1, &files);
    let stop = stop(&mut child, &mut seen, &files);
    over.store(true, Ordering::SeqCst);
    for thread in beside {
        if let Err(fault) = thread.join().expect("no panic") {
            seen.fault(fault);
        }
    }
    let sent_bytes = sent.load(Ordering::Relaxed);
    let log_bytes = judge(phase, &files, lasts, (stop, sent_bytes), &mut seen);
    Measured {
        name: phase.name,
        sent_bytes,
        rss_kb: seen.rss_kb,
        oldest_ms: seen.oldest_ms,
        stop,
        log_bytes,
        faults: seen.faults,
    }
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().rev().take(3).collect();
    lines.join(" / ").chars().take(600).collect()
}

fn listens_at(log: &str) -> Option<SocketAddr> {
    let (_, rest) = log.split_once("page and metrics: http://")?;
    rest.split(['/', '\n', ' ']).next()?.parse().ok()
}

/// Keeps what the page is sent; each frame must be JSON.
fn read_page(address: SocketAddr, kept: &Path, over: &AtomicBool) -> Result<(), String> {
    let mut file = std::fs::File::create(kept).expect("a file");
    let (mut bytes, mut broken) = (0, Ok(()));
    while !over.load(Ordering::SeqCst) {
        let Ok(mut stream) = TcpStream::connect(address) else {
            continue;
        };
        let _ = stream.set_read_timeout(Some(Duration::from_millis(500)));
        let token = page_token();
        let _ = write!(
            stream,
            "GET /api/page HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while !over.load(Ordering::SeqCst) {
            match reader.read_until(b'\n', &mut line) {
                Ok(0) => break,
                Ok(_) if line.ends_with(b"\n") => {}
                Ok(_) => continue,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
                Err(_) => break,
            }
            if bytes < KEPT_PAGE_BYTES {
                bytes += line.len();
                file.write_all(&line).expect("written");
            }
            if let Some(data) = line.strip_prefix(b"data: ")
                && let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(data)
            {
                broken = Err(format!("a frame of the page is no JSON: {error}"));
            }
            line.clear();
        }
    }
    broken
}

/// Keeps what the server answers at the end of the attack.
fn ask_everything(address: SocketAddr, files: &Files, seen: &mut Seen) {
    for (path, name) in [
        ("/metrics", "metrics"),
        ("/api/snapshot", "api-snapshot"),
        ("/", "page.html"),
    ] {
        // Strangers come and go; one of a few requests gets through.
        let mut tries = (0..5).map(|_| ask(address, path, &page_token()));
        match tries.find_map(Result::ok) {
            Some(body) => std::fs::write(files.kept_file(name), body).expect("a file"),
            None => seen.fault(ask(address, path, &page_token()).err().unwrap_or_default()),
        }
    }
}

/// Stops it; returns how long that took.
fn stop(child: &mut Child, seen: &mut Seen, files: &Files) -> Duration {
    if child.try_wait().expect("a status").is_some() {
        return Duration::ZERO;
    }
    signal(child, "TERM");
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a status") {
            if status.code() != Some(0) {
                seen.fault(format!("{status}: {}", last_lines(&files.log())));
            }
            return began.elapsed();
        }
        if began.elapsed() > PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            return began.elapsed();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Judges what was measured and what is left; returns the size of log and audit file.
fn judge(phase: &Phase, files: &Files, lasts: Duration, (stop, sent_bytes): (Duration, u64), seen: &mut Seen) -> u64 {
    if seen.rss_kb > phase.most_rss_kb {
        seen.fault("memory");
    }
    if seen.oldest_ms > phase.oldest_snapshot_ms {
        seen.fault(OLD);
    }
    if stop > LONGEST_STOP {
        seen.fault(LATE);
    }
    if sent_bytes == 0 {
        seen.fault(format!("nothing was sent: {}", last_lines(&files.log())));
    }
    let names = std::fs::read_dir(files.kept()).expect("a folder").flatten();
    let logs = names.filter(|file| {
        let name = file.file_name().to_string_lossy().into_owned();
        name.starts_with("stderr") || name.starts_with("audit")
    });
    let log_bytes = logs.map(|file| file.metadata().map_or(0, |data| data.len())).sum();
    // With `-v` single connections are told.
    if !phase.flags.contains(&"-v") && log_bytes > MOST_LOG_BYTES + MOST_LOG_BYTES_A_SEC * lasts.as_secs() {
        seen.fault("a long log");
    }
    let log = files.log();
    if let Some(line) = log.lines().find(|line| line.contains("panicked")) {
        seen.fault(line.to_owned());
    }
    for name in ["snapshot.json", "api-snapshot"] {
        let text = std::fs::read(files.kept_file(name)).unwrap_or_default();
        match serde_json::from_slice::<Value>(&text) {
            Ok(snapshot) => judge_clock(&snapshot, seen),
            Err(error) => seen.fault(format!("{name}: {error}")),
        }
    }
    for found in found_below(&files.kept()) {
        let cut: String = found.chars().take(200).collect();
        seen.fault(format!("a secret in {cut}"));
    }
    if phase.protocol == Protocol::Notifications && matches!(phase.side, Side::Centre(_)) {
        // The centre's time runs ahead of ours.
        seen.faults.retain(|fault| fault != AHEAD);
    }
    log_bytes
}

const OLD: &str = "an old snapshot";
const LATE: &str = "a late stop";
const AHEAD: &str = "as_of is in the future";

fn judge_clock(snapshot: &Value, seen: &mut Seen) {
    let as_of: Result<Moment, _> = serde_json::from_value(snapshot["as_of"].clone());
    match as_of {
        Ok(as_of) if as_of.millis_since(Moment::now()) > FURTHEST_AHEAD_MS => seen.fault(AHEAD),
        Ok(_) => {}
        Err(error) => seen.fault(format!("as_of: {error}")),
    }
}
