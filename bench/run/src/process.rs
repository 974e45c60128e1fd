//! What a process and its threads have used so far, as the kernel tells it.
//!
//! In: a process id · Out: CPU time, context switches, memory · Thread: any.

use std::collections::BTreeMap;
use std::fs::read_to_string;
use std::path::{Path, PathBuf};

use nix::sys::resource::{UsageWho, getrusage};

/// What was used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    pub cpu_secs: f64,
    /// Context switches, voluntary and not.
    pub switches: f64,
}

impl Used {
    /// What was used since `before`.
    pub fn since(self, before: Self) -> Self {
        Self {
            cpu_secs: self.cpu_secs - before.cpu_secs,
            switches: self.switches - before.switches,
        }
    }
}

/// What all children that have ended used.
///
/// # Errors
/// When the kernel does not tell.
pub fn ended_children() -> Result<Used, nix::Error> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let secs = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(Used {
        cpu_secs: secs(usage.user_time()) + secs(usage.system_time()),
        switches: (usage.voluntary_context_switches() + usage.involuntary_context_switches()) as f64,
    })
}

/// What all threads together have used.
pub fn sum(threads: &BTreeMap<String, Used>) -> Used {
    let mut sum = Used::default();
    for used in threads.values() {
        sum.cpu_secs += used.cpu_secs;
        sum.switches += used.switches;
    }
    sum
}

/// What each thread has used; threads of the same name are added up.
pub fn threads(pid: u32) -> BTreeMap<String, Used> {
    let mut threads: BTreeMap<String, Used> = BTreeMap::new();
    for folder in task_folders(pid) {
        let name = read_to_string(folder.join("comm")).unwrap_or_default();
        let used = threads.entry(name.trim().to_owned()).or_default();
        let ran = read_to_string(folder.join("schedstat")).unwrap_or_default();
        let ran_ns: f64 = ran.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0.0);
        used.cpu_secs += ran_ns / 1e9;
        used.switches += number(&folder.join("status"), "voluntary_ctxt_switches:");
        used.switches += number(&folder.join("status"), "nonvoluntary_ctxt_switches:");
    }
    threads
}

/// CPU seconds that all processes of the machine have used, what a hypervisor took included.
pub fn whole_machine() -> f64 {
    let text = read_to_string("/proc/stat").unwrap_or_default();
    let first = text.lines().next().unwrap_or_default();
    let ticks: Vec<f64> = first
        .split_whitespace()
        .skip(1)
        .filter_map(|ticks| ticks.parse().ok())
        .collect();
    // user nice system idle iowait irq softirq steal, in hundredths of a second.
    let busy = [0, 1, 2, 5, 6, 7].into_iter().filter_map(|place| ticks.get(place));
    busy.sum::<f64>() / 100.0
}

/// A line of `/proc/<pid>/status`, such as `VmHWM:`, in KB.
pub fn memory_kb(pid: u32, line: &str) -> f64 {
    number(&PathBuf::from(format!("/proc/{pid}/status")), line)
}

fn task_folders(pid: u32) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
    entries.flatten().map(|entry| entry.path()).collect()
}

fn number(file: &Path, line: &str) -> f64 {
    let text = read_to_string(file).unwrap_or_default();
    let found = text.lines().find_map(|found| found.strip_prefix(line));
    found
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0.0)
}
