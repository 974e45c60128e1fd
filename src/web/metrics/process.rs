//! Families of the process, by the names that Prometheus' own clients use: `process_…`. Linux only.
//!
//! In: `/proc` · Out: families · Thread: any.

use std::fs;

use super::exposition::{Exposition, Kind};

/// Ticks a second in `/proc`, whatever the kernel's own are.
const TICKS: f64 = 100.0;

pub(super) fn write(to: &mut Exposition<'_>) {
    if !cfg!(target_os = "linux") {
        return;
    }
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let stat = read("/proc/self/stat");
    // The name of the program, in parentheses, may hold anything; the fields after it are numbers.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |place: usize| fields.get(place - 3)?.parse::<f64>().ok();
    let boot = value_of(&read("/proc/stat"), "btime");
    let status = read("/proc/self/status");
    let limits = read("/proc/self/limits");
    let open = fs::read_dir("/proc/self/fd").ok().map(Iterator::count);
    let cpu = field(14).zip(field(15)).map(|(user, system)| (user + system) / TICKS);
    to.family(Kind::Counter, "process_cpu_seconds", "CPU time of the process.", |to| {
        to.add(&[], cpu)
    });
    for (name, help, value) in [
        (
            "resident_memory_bytes",
            "Memory of the process that is in RAM.",
            value_of(&status, "VmRSS:").map(|kib| kib * 1024.0),
        ),
        (
            "virtual_memory_bytes",
            "Address space of the process.",
            value_of(&status, "VmSize:").map(|kib| kib * 1024.0),
        ),
        (
            // The listing itself is one of them.
            "open_fds",
            "Open file descriptors.",
            open.map(|count| count.saturating_sub(1) as f64),
        ),
        (
            "max_fds",
            "Most file descriptors that the process may open.",
            value_of(&limits, "Max open files"),
        ),
        ("threads", "Threads of the process.", value_of(&status, "Threads:")),
        (
            "start_time_seconds",
            "When the process was started, Unix time.",
            field(22).zip(boot).map(|(ticks, boot)| boot + ticks / TICKS),
        ),
    ] {
        to.gauge(&format!("process_{name}"), help, value);
    }
}

/// The number after a name at the beginning of a line.
fn value_of(text: &str, name: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}
