//! The figures that need one run each: idle over TLS, memory of conversations, a large snapshot.
//!
//! In: places · Out: lines for the table · Thread: main.

use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::AnyError;
use crate::load::{Load, Places, Running};
use crate::process::{self, Used};

/// How long an idle program is watched.
const IDLE: Duration = Duration::from_secs(20);
/// A program that takes longer than this to apply what it got has hung.
const APPLY_LIMIT: Duration = Duration::from_secs(60);

/// Memory and wake-ups of a program without events, connected over TLS.
///
/// # Errors
/// When something fails.
pub fn idle(places: &Places) -> Result<String, AnyError> {
    let tls = places.root.join("tests/fixtures/tls");
    let mut load = Load::start(places, &["--tls", &tls.to_string_lossy()])?;
    let mut command = places.program(&format!("https://127.0.0.1:{}", load.port));
    command
        .args(["--output", "none"])
        .arg("--ca-file")
        .arg(tls.join("ca.pem"));
    let running = Running(command.stdin(Stdio::null()).spawn()?);
    let pid = running.0.id();
    load.told("sending")?;
    // What belongs to the start is over by then.
    sleep(Duration::from_secs(5));
    let before = process::threads(pid);
    sleep(IDLE);
    let after = process::threads(pid);
    let rss = process::memory_kb(pid, "VmRSS:") / 1024.0;
    let woken = after.iter().filter_map(|(name, used)| {
        let count = used.since(before.get(name).copied().unwrap_or_default()).switches;
        (count > 0.0).then(|| format!("{name} {count:.0}"))
    });
    let woken = woken.collect::<Vec<_>>().join(", ");
    let cpu: f64 =
        after.values().map(|used| used.cpu_secs).sum::<f64>() - before.values().map(|used| used.cpu_secs).sum::<f64>();
    drop(running);
    load.finish()?;
    Ok(format!(
        "{rss:.1} MB; context switches in {} s: {woken}; CPU {:.1} ms",
        IDLE.as_secs(),
        cpu * 1000.0
    ))
}

/// Bytes of an open conversation of five participants: the growth from 10,000 to 100,000 of them.
///
/// # Errors
/// When something fails, or not all conversations are there at the end.
pub fn conversations(places: &Places) -> Result<String, AnyError> {
    let (few, many) = (10_000_u64, 100_000_u64);
    let (some, all) = (few.to_string(), many.to_string());
    let mut load = Load::start(places, &["--shape", "open", "--events", &all, "--stop-at", &some])?;
    let running = start(places, load.port, 1000, true)?;
    let pid = running.0.id();
    load.told("sent")?;
    wait_until_applied(pid)?;
    let before = process::memory_kb(pid, "VmRSS:");
    load.go_on()?;
    load.told("sent")?;
    wait_until_applied(pid)?;
    let after = process::memory_kb(pid, "VmRSS:");
    sleep(Duration::from_secs(1));
    let snapshot = crate::flat_out::read_snapshot(places)?;
    let evicted = snapshot["counters"]["evicted"].as_u64().unwrap_or(0);
    let active = snapshot["totals"]["active_conversations"].as_u64().unwrap_or(0);
    if active + evicted != many {
        return Err(format!("{active} conversations and {evicted} evicted ones are not {many}").into());
    }
    let bytes = (after - before) * 1024.0 / (many - few) as f64;
    Ok(format!(
        "{bytes:.0} bytes (RSS {:.1} MB with {few}, {:.1} MB with {many}, {evicted} evicted)",
        before / 1024.0,
        after / 1024.0
    ))
}

/// Time and memory of snapshots of 1,000 queues with 60 windows.
///
/// # Errors
/// When something fails.
pub fn snapshots(places: &Places) -> Result<String, AnyError> {
    let (_, _, without) = with_snapshots(places, 3_600_000, false)?;
    let (build, _, built) = with_snapshots(places, 500, false)?;
    let (_, written_all, written) = with_snapshots(places, 500, true)?;
    Ok(format!(
        "{:.1} ms of the aggregator each, peak RSS +{:.1} MB; written to a file as JSON {:.0} ms of CPU each in all threads, peak RSS +{:.1} MB",
        build * 1000.0,
        (built - without) / 1024.0,
        written_all * 1000.0,
        (written - without) / 1024.0
    ))
}

/// CPU seconds of the aggregator and of all threads for each snapshot, and the peak of the memory in KB.
fn with_snapshots(places: &Places, interval_ms: u64, to_file: bool) -> Result<(f64, f64, f64), AnyError> {
    let shape = [
        "--shape",
        "windows",
        "--events",
        "60000",
        "--queues",
        "1000",
        "--stop-at",
        "60000",
    ];
    let mut load = Load::start(places, &shape)?;
    let running = start(places, load.port, interval_ms, to_file)?;
    let pid = running.0.id();
    load.told("sent")?;
    wait_until_applied(pid)?;
    let before = process::threads(pid);
    let began = Instant::now();
    sleep(Duration::from_secs(5));
    let after = process::threads(pid);
    let count = began.elapsed().as_secs_f64() * 1000.0 / interval_ms as f64;
    let spent = |select: &dyn Fn(&str) -> bool| {
        let sum = |threads: &std::collections::BTreeMap<String, Used>| -> f64 {
            threads
                .iter()
                .filter(|(name, _)| select(name))
                .map(|(_, used)| used.cpu_secs)
                .sum()
        };
        (sum(&after) - sum(&before)) / count
    };
    let peak = process::memory_kb(pid, "VmHWM:");
    Ok((spent(&|name| name.starts_with("gs-aggregator")), spent(&|_| true), peak))
}

fn start(places: &Places, port: u16, interval_ms: u64, to_file: bool) -> Result<Running, AnyError> {
    let mut command = places.program(&format!("http://127.0.0.1:{port}"));
    command.args(["--output", "none", "--interval-ms", &interval_ms.to_string()]);
    if to_file {
        command.arg("--snapshot-file").arg(places.snapshot_file());
    }
    Ok(Running(command.stdin(Stdio::null()).spawn()?))
}

/// Waits until the readers wait for more, and a second for what is in the buffer then.
fn wait_until_applied(pid: u32) -> Result<(), AnyError> {
    let read = || -> f64 {
        let threads = process::threads(pid);
        let readers = threads.iter().filter(|(name, _)| name.starts_with("gs-reader"));
        readers.map(|(_, used)| used.cpu_secs).sum()
    };
    let began = Instant::now();
    let mut before = -1.0;
    loop {
        let now = read();
        if now - before < 0.001 {
            sleep(Duration::from_secs(1));
            return Ok(());
        }
        if began.elapsed() > APPLY_LIMIT {
            return Err("the program does not come to rest".into());
        }
        before = now;
        sleep(Duration::from_millis(500));
    }
}
