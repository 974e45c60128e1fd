//! One client takes all events as fast as it can.
//!
//! In: client, protocol, number of events · Out: what it used, checked against what was sent · Thread: main; one more
//! watches memory and threads.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

use crate::AnyError;
use crate::load::{Client, Load, Places};
use crate::process::{self, Used};

/// What one run of one client showed.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub events_per_sec: f64,
    /// The same up to the end of the process, with everything written.
    pub events_per_sec_to_exit: f64,
    pub cpu_secs_per_million: f64,
    /// Of the thread that used most: with a core for each thread nothing is faster than this thread.
    pub busiest_thread_secs_per_million: f64,
    pub switches_per_million: f64,
    pub peak_rss_mb: f64,
    /// How much of the time the load was at work or waited for a core, in percent.
    pub load_busy_percent: f64,
    /// The share of the cores that other processes of this machine took meanwhile, in percent.
    pub others_percent: f64,
}

/// Between two looks at memory and threads.
const LOOK: Duration = Duration::from_millis(50);

/// Runs a client once against a load of its own.
///
/// # Errors
/// When something fails, or the client has not applied exactly what was sent.
pub fn run(places: &Places, client: Client, protocol: &str, events: u64) -> Result<Run, AnyError> {
    let mut load = Load::start(places, &["--protocol", protocol, "--events", &events.to_string()])?;
    let before = process::ended_children()?;
    let mut running = places.start(client, protocol, load.port, None)?;
    let pid = running.0.id();
    let began = load.told("sending")?[0];
    let (at_start, machine) = (process::threads(pid), process::whole_machine());
    let ended = AtomicBool::new(false);
    let (status, (peak_kb, share)) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| watch(pid, &at_start, &ended));
        let status = running.0.wait();
        ended.store(true, Ordering::Relaxed);
        (status, watch.join().expect("the watch does not panic"))
    });
    let status = status?;
    let exited = UNIX_EPOCH.elapsed()?.as_nanos() as u64;
    let used = process::ended_children()?.since(before).since(process::sum(&at_start));
    let machine = process::whole_machine() - machine;
    if !status.success() {
        return Err(format!("{client:?} ended with {status}").into());
    }
    let of_load = load.told("load")?;
    let expected = load.told("expected")?;
    load.finish()?;
    let (counted, last) = match client {
        Client::Ours | Client::OursToFile => check_snapshot(places, protocol, events, &expected)?,
        _ => {
            let mut text = String::new();
            running.0.stdout.take().ok_or("no stdout")?.read_to_string(&mut text)?;
            let mut words = text.split_whitespace().skip(1).map(str::parse::<u64>);
            let mut next = || words.next().ok_or("the client told nothing");
            (next()??, next()??)
        }
    };
    if counted != events {
        return Err(format!("{client:?} counted {counted} events of {events}").into());
    }
    let millions = events as f64 / 1e6;
    let secs = (exited - began) as f64 / 1e9;
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    let others = machine - used.cpu_secs - of_load[3] as f64 / 1e9;
    Ok(Run {
        events_per_sec: events as f64 * 1e9 / (last - began) as f64,
        events_per_sec_to_exit: events as f64 / secs,
        cpu_secs_per_million: used.cpu_secs / millions,
        busiest_thread_secs_per_million: used.cpu_secs * share / millions,
        switches_per_million: used.switches / millions,
        peak_rss_mb: peak_kb / 1024.0,
        load_busy_percent: of_load[2] as f64,
        others_percent: (others / secs / cores * 100.0).clamp(0.0, 100.0),
    })
}

/// Looks at a process until it has ended: the peak of its memory in KB, and which part of the CPU time since `before` its
/// busiest thread used.
fn watch(pid: u32, before: &BTreeMap<String, Used>, ended: &AtomicBool) -> (f64, f64) {
    let mut peak_kb = 0.0_f64;
    // A thread that ends keeps what it had at the last look.
    let mut latest = before.clone();
    while !ended.load(Ordering::Relaxed) {
        peak_kb = peak_kb.max(process::memory_kb(pid, "VmHWM:"));
        for (name, used) in process::threads(pid) {
            let latest = latest.entry(name).or_default();
            if used.cpu_secs > latest.cpu_secs {
                *latest = used;
            }
        }
        std::thread::sleep(LOOK);
    }
    let since = latest.iter().map(|(name, used)| {
        let before = before.get(name).copied().unwrap_or_default();
        used.since(before).cpu_secs
    });
    let (most, all) = since.fold((0.0_f64, 0.0), |(most, all), secs| (most.max(secs), all + secs));
    (peak_kb, if all > 0.0 { most / all } else { 1.0 })
}

/// Compares the last snapshot with what was sent; the number of applied events, and when that snapshot was made.
fn check_snapshot(places: &Places, protocol: &str, events: u64, expected: &[u64]) -> Result<(u64, u64), AnyError> {
    let snapshot = read_snapshot(places)?;
    let mut wrong = Vec::new();
    let mut compare = |name: &str, found: &Value, expected: u64| {
        if found.as_u64() != Some(expected) {
            wrong.push(format!("{name} is {found} in place of {expected}"));
        }
    };
    let counters = &snapshot["counters"];
    compare("events_applied", &counters["events_applied"], events);
    for name in [
        "events_coalesced",
        "events_dropped",
        "events_buffered",
        "duplicates",
        "malformed",
        "unknown",
    ]
    .into_iter()
    .chain(["server_errors", "unkeyed", "late", "evicted", "lost", "unreadable"])
    {
        compare(name, &counters[name], 0);
    }
    if protocol == "notifications" {
        let totals = &snapshot["all_queues"]["totals"];
        for (name, expected) in ["offered", "answered", "abandoned", "handled"]
            .into_iter()
            .zip(expected)
        {
            compare(name, &totals[name], *expected);
        }
    }
    if protocol != "metrics" {
        compare(
            "active_conversations",
            &snapshot["totals"]["active_conversations"],
            expected[4],
        );
    }
    if !wrong.is_empty() {
        return Err(format!("the last snapshot is wrong: {}", wrong.join(", ")).into());
    }
    Ok((
        events,
        moment_ns(snapshot["generated_at"].as_str().unwrap_or_default())?,
    ))
}

/// The newest snapshot that the program wrote.
///
/// # Errors
/// When there is none.
pub fn read_snapshot(places: &Places) -> Result<Value, AnyError> {
    Ok(serde_json::from_slice(&std::fs::read(places.snapshot_file())?)?)
}

/// Nanoseconds since 1970 of a time of today (or of yesterday, just after midnight) in UTC.
fn moment_ns(text: &str) -> Result<u64, AnyError> {
    let part = |range: std::ops::Range<usize>| -> Result<u64, AnyError> {
        Ok(text.get(range).ok_or("a snapshot without a time")?.parse()?)
    };
    let of_day = ((part(11..13)? * 60 + part(14..16)?) * 60 + part(17..19)?) * 1000 + part(20..23)?;
    let now = UNIX_EPOCH.elapsed()?.as_millis() as u64;
    let day = 86_400_000;
    let today = now - now % day + of_day;
    Ok(if today > now + 1000 { today - day } else { today } * 1_000_000)
}
