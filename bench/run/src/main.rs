//! Runs the benchmarks of the whole program in interleaved rounds and prints the figures.
//!
//! In: the environment (`ROUNDS`, `QUICK`, `PYTHON`, `EVENTS`), binaries built before (`make bench`) · Out: a table on
//! stdout, progress on stderr · Thread: main.

mod flat_out;
mod load;
mod paced;
mod process;
mod single;
mod table;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use flat_out::Run;
use load::{Client, Places};
use table::{ratio, spread};

type AnyError = Box<dyn std::error::Error>;

/// Pace of the runs that measure the latency, events a second, and their number of events.
const RATE: u64 = 2_000;
const PACED_EVENTS: u64 = 8_000;
/// More rounds of these tell nothing more.
const MOST_PACED_ROUNDS: usize = 3;

/// A whole number from the environment, at least 1; `None` where the variable is not set or empty.
fn number(name: &str) -> Result<Option<usize>, AnyError> {
    let text = std::env::var(name).unwrap_or_default();
    match text.parse::<usize>() {
        _ if text.is_empty() => Ok(None),
        Ok(number @ 1..) => Ok(Some(number)),
        _ => Err(format!("{name}={text}: a whole number from 1 on is allowed; leave it out for the default").into()),
    }
}

fn main() -> Result<(), AnyError> {
    let is_quick = std::env::var("QUICK").is_ok_and(|quick| !quick.is_empty());
    let rounds = number("ROUNDS")?.unwrap_or(if is_quick { 2 } else { 5 });
    let asked_events = number("EVENTS")?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .ok_or("no checkout")?;
    let binaries = std::env::current_exe()?
        .parent()
        .ok_or("no folder of the binaries")?
        .to_owned();
    let places = Places {
        root: root.to_owned(),
        scratch: binaries.join("scratch"),
        binaries,
        python: python(),
    };
    std::fs::create_dir_all(&places.scratch)?;
    if places.python.is_none() {
        println!(
            "SKIPPED: the Python client. `import websockets` works with no interpreter; name one that has it: PYTHON=…\n"
        );
    }
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("{cores} cores, {rounds} interleaved rounds: median (least-greatest). Ratios are those of each round.");
    println!(
        "ours: target/release/genesys-stream, --output none, snapshot to a file each second, buffer 5000, when_full block."
    );
    println!(
        "load busy: of the time, the load worked or waited for a core. others: of all cores, other processes had so much;"
    );
    println!(
        "with more than a few percent only the CPU figures mean anything. of one thread: CPU of the busiest thread, which"
    );
    println!("is what limits the speed where every thread has a core.");
    println!("Every run is checked: all events applied, none dropped, merged, repeated or unreadable; totals as sent.");

    let protocols: &[(&str, u64)] = &[("notifications", 150_000), ("events", 600_000), ("metrics", 400_000)];
    for (protocol, events) in &protocols[..if is_quick { 1 } else { 3 }] {
        let events = asked_events.map_or(*events, |events| events as u64);
        let mut clients = vec![Client::X1, Client::Ours, Client::Tokio];
        if places.python.is_some() {
            clients.push(Client::Python);
        }
        if *protocol == "notifications" {
            clients.push(Client::OursToFile);
        }
        print_flat_out(
            protocol,
            events,
            &flat_out_rounds(&places, &clients, protocol, events, rounds)?,
        );
    }
    print_paced(&places, rounds.min(MOST_PACED_ROUNDS))?;
    let program = std::fs::metadata(places.root.join("target/release/genesys-stream"))?;
    println!("\nrelease binary: {} bytes", program.len());
    println!(
        "bytes per open conversation of five participants: {}",
        progress("conversations", single::conversations(&places))?
    );
    println!(
        "snapshot of 1,000 queues with 60 windows: {}",
        progress("snapshots", single::snapshots(&places))?
    );
    println!("idle over TLS: {}", progress("idle", single::idle(&places))?);
    std::fs::remove_dir_all(&places.scratch)?;
    Ok(())
}

fn progress(what: &str, result: Result<String, AnyError>) -> Result<String, AnyError> {
    eprintln!("{what}: done");
    result
}

/// An interpreter that has `websockets`: the one named in `PYTHON`, else `python3`.
fn python() -> Option<String> {
    let name = std::env::var("PYTHON")
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or("python3".to_owned());
    let mut import = Command::new(&name);
    import
        .args(["-c", "import websockets"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    import.status().is_ok_and(|status| status.success()).then_some(name)
}

fn flat_out_rounds(
    places: &Places,
    clients: &[Client],
    protocol: &str,
    events: u64,
    rounds: usize,
) -> Result<BTreeMap<Client, Vec<Run>>, AnyError> {
    let mut runs: BTreeMap<Client, Vec<Run>> = BTreeMap::new();
    for round in 1..=rounds {
        for client in clients {
            let run = flat_out::run(places, *client, protocol, events)?;
            eprintln!(
                "{protocol}, round {round}, {client:?}: {:.0} events/s",
                run.events_per_sec
            );
            runs.entry(*client).or_default().push(run);
        }
    }
    Ok(runs)
}

fn print_flat_out(protocol: &str, events: u64, runs: &BTreeMap<Client, Vec<Run>>) {
    let figures = |client: Client, figure: fn(&Run) -> f64| -> Vec<f64> {
        runs.get(&client).into_iter().flatten().map(figure).collect()
    };
    println!("\n{protocol}, flat out, {events} events a run");
    println!(
        "{:12} {:>24} {:>20} {:>20} {:>26} {:>18} {:>10} {:>8}",
        "",
        "events/s",
        "CPU s per million",
        "of one thread",
        "switches per million",
        "peak RSS MB",
        "load busy",
        "others"
    );
    for (client, of_client) in runs {
        let busy = spread(of_client.iter().map(|run| run.load_busy_percent).collect()).median;
        let others = spread(of_client.iter().map(|run| run.others_percent).collect()).median;
        println!(
            "{:12} {:>24} {:>20} {:>20} {:>26} {:>18} {busy:>8.0} % {others:>6.0} %{}",
            client.name(),
            spread(figures(*client, |run| run.events_per_sec)).to_string(),
            spread(figures(*client, |run| run.cpu_secs_per_million)).to_string(),
            spread(figures(*client, |run| run.busiest_thread_secs_per_million)).to_string(),
            spread(figures(*client, |run| run.switches_per_million)).to_string(),
            spread(figures(*client, |run| run.peak_rss_mb)).to_string(),
            if busy > 90.0 {
                "  THE LOAD WAS THE BOTTLENECK"
            } else {
                ""
            }
        );
    }
    for theirs in [Client::X1, Client::Tokio, Client::Python] {
        if runs.contains_key(&theirs) {
            let speed: fn(&Run) -> f64 = |run| run.events_per_sec;
            let cpu: fn(&Run) -> f64 = |run| run.cpu_secs_per_million;
            let alone: fn(&Run) -> f64 = |run| 1.0 / run.busiest_thread_secs_per_million;
            let ours_by = |figure| ratio(&figures(Client::Ours, figure), &figures(theirs, figure)).to_string();
            println!(
                "ours ÷ {:8} events/s {:>20}   CPU {:>20}   events/s by the busiest thread {:>20}",
                theirs.name(),
                ours_by(speed),
                ours_by(cpu),
                ours_by(alone)
            );
        }
    }
    if runs.contains_key(&Client::OursToFile) {
        let speed: fn(&Run) -> f64 = |run| run.events_per_sec_to_exit;
        let part = ratio(&figures(Client::OursToFile, speed), &figures(Client::Ours, speed));
        println!("--output events to a file ÷ none: events/s {part} (until the process has ended)");
    }
}

fn print_paced(places: &Places, rounds: usize) -> Result<(), AnyError> {
    let clients = [Client::Model, Client::Callback, Client::Tokio, Client::X1];
    let mut medians = vec![Vec::new(); clients.len()];
    let mut p99s = medians.clone();
    for round in 1..=rounds {
        for (place, client) in clients.iter().enumerate() {
            let latency = paced::run(places, *client, RATE, PACED_EVENTS)?;
            eprintln!("paced, round {round}, {}: {:.0} µs", client.name(), latency.median_us);
            medians[place].push(latency.median_us);
            p99s[place].push(latency.p99_us);
        }
    }
    println!(
        "\nlatency at {RATE} events/s, from the write of the frame until: our model, the event is in the model, where a"
    );
    println!(
        "snapshot shows it (noted by the thread of the model); our callback, a library user's callback gets the event,"
    );
    println!("one thread later; tokio and x1, the event is counted. Rounds: {rounds}.");
    for (place, client) in clients.iter().enumerate() {
        println!(
            "{:12} median {:>22} µs   99th percentile {:>24} µs",
            client.name(),
            spread(medians[place].clone()).to_string(),
            spread(p99s[place].clone()).to_string()
        );
    }
    println!("model ÷ tokio, median: {}", ratio(&medians[0], &medians[2]));
    println!("callback ÷ tokio, median: {}", ratio(&medians[1], &medians[2]));
    Ok(())
}
