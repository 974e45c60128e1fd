//! The rules of the architecture, read from the sources: nobody has to remember them.
//!
//! In: every file of `src` and `tests/it` · Out: verdicts that name file and rule · Thread: the test's.
//!
//! A rule that has to be broken somewhere is broken in a table here, with its reason; a table entry that nothing needs
//! any more fails as well.

#[path = "tidy_reading.rs"]
mod reading;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use self::reading::{arrows, paths_in, reexports, sources, texts};

/// The modules at the root, from the bottom up: each may import those above it in this list.
const LAYERS: &[&str] = &[
    "base",
    "config",
    "event",
    "protocol",
    "model",
    "net",
    "rest",
    "http_server",
    "audit",
    "output",
    "reader",
    "engine",
    "web",
    "supervisor",
    "sharing",
    "stream",
    "preflight",
    "simulator",
    "cli",
];

/// Modules that may import less than what is above them in `LAYERS`.
const ONLY: &[(&str, &str)] = &[
    // The other side: it shares no decoder with the client, so that a mistake of one shows in the other.
    ("simulator", "base http_server"),
    ("http_server", "base"),
    ("web", "base config event http_server model output"),
];

/// Modules without thread, socket, file, clock or log: time is an argument.
const PURE: &[&str] = &["base", "config", "event", "protocol", "model", "audit"];

/// Files of other modules that are pure all the same.
const PURE_FILES: &[&str] = &[
    "net/backoff.rs",
    "reader/heartbeat.rs",
    "output/record/",
    "output/live/agents.rs",
    "output/live/board.rs",
    "output/live/changes.rs",
    "output/live/charts.rs",
    "output/live/columns.rs",
    "output/live/keys.rs",
    "output/live/one_queue.rs",
    "output/live/order.rs",
    "output/live/pages.rs",
    "output/live/panels.rs",
    "output/live/queues.rs",
    "output/live/screen.rs",
    "output/recording/",
    "sharing/coverage.rs",
    "sharing/entry.rs",
    "sharing/held.rs",
    "sharing/past.rs",
    "sharing/resp.rs",
    "supervisor/acts.rs",
    "supervisor/allowance.rs",
    "supervisor/channels.rs",
    "supervisor/core.rs",
    "supervisor/line/",
    "supervisor/planning.rs",
    "supervisor/policy.rs",
    "supervisor/process.rs",
    "supervisor/session.rs",
    "supervisor/takeovers.rs",
    "supervisor/repair/query.rs",
    "supervisor/repair/schedule.rs",
    "supervisor/repair/walk.rs",
    "web/metrics",
    "web/picture.rs",
    "web/readiness.rs",
];

/// What a pure file must not name.
const IMPURE: &[&str] = &[
    "std::thread",
    "thread::",
    "std::net",
    "std::fs",
    "Instant::now",
    "SystemTime",
    "Moment::now",
    "log::",
    "crossbeam_channel",
    "fastrand",
];

/// Where it is named all the same, and why.
const IMPURE_FILES: &[(&str, &str, &str)] = &[
    ("base/moment.rs", "SystemTime", "Moment::now is the one clock"),
    ("base/url.rs", "std::net", "the form of an address, no socket"),
    (
        "config/whole_file.rs",
        "std::fs",
        "a configuration and what it names are read from files",
    ),
    ("config/builder.rs", "log::", "notes of a library user's configuration"),
    (
        "config/build.rs",
        "std::fs",
        "a missing ca_file is a configuration error",
    ),
    ("config/credentials.rs", "std::fs", "a secret is read from its file"),
    ("config/region.rs", "std::net", "the form of an address, no socket"),
    (
        "event/notice.rs",
        "crossbeam_channel",
        "a question whose answer is the end of its channel",
    ),
    ("web/metrics/process.rs", "std::fs", "the process is told by /proc"),
];

/// Foreign crates with an owner: named below these paths only.
const OWNERS: &[(&str, &str)] = &[
    ("ureq", "rest/"),
    (
        "rustix",
        "output/appending.rs cli/keyboard.rs http_server/mod.rs cli/log_file.rs",
    ),
    ("rustls", "net/"),
    ("rustls_native_certs", "net/"),
    ("webpki_roots", "net/"),
    ("socket2", "net/ http_server/connection.rs simulator/stream/outbox.rs"),
    ("http", "base/url.rs rest/"),
    ("httparse", "net/proxy.rs http_server/"),
    ("httpdate", "rest/retry_after.rs"),
    ("percent_encoding", "base/percent.rs"),
    ("tungstenite", "reader/ simulator/stream/"),
    ("clap", "cli/"),
    ("clap_complete", "cli/"),
    ("clap_mangen", "cli/man.rs"),
    ("env_logger", "cli/"),
    ("signal_hook", "cli/"),
    ("terminal_size", "output/live/"),
    ("foldhash", "base/hash.rs"),
    ("hdrhistogram", "model/latency.rs"),
    ("ring", "base/digest.rs base/pseudonym.rs web/access.rs web/pages.rs"),
    ("zeroize", "base/secret.rs base/scrub.rs config/credentials.rs"),
];

/// Files over 600 lines, and why.
const LONG_FILES: &[(&str, &str)] = &[];

const MOST_LINES: usize = 600;

/// Fails with one line a fault.
fn assert_none(faults: &[String]) {
    let mut report = String::new();
    for fault in faults {
        let _ = writeln!(report, "  {fault}");
    }
    assert!(faults.is_empty(), "{} faults:\n{report}", faults.len());
}

fn words(list: &str) -> BTreeSet<&str> {
    list.split_whitespace().collect()
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|name| *name == module)
}

#[test]
fn imports_go_downwards() {
    let sources = sources();
    let types = reexports(&sources);
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for source in &sources {
        let Some(module) = source.module.first() else { continue };
        let Some(own) = layer(module) else {
            faults.push(format!("{}: module {module} is not in LAYERS", source.path));
            continue;
        };
        seen.insert(own);
        let only = ONLY
            .iter()
            .find(|(name, _)| name == module)
            .map(|(_, only)| words(only));
        for name in paths_in(source) {
            let target = types.get(&name).unwrap_or(&name);
            let is_below = layer(target).is_some_and(|other| other <= own);
            let is_allowed = target == module || only.as_ref().is_none_or(|only| only.contains(target.as_str()));
            if !is_below || !is_allowed {
                faults.push(format!("{}: {module} must not import {target}", source.path));
            }
        }
    }
    for (at, module) in LAYERS.iter().enumerate() {
        if !seen.contains(&at) {
            faults.push(format!("there is no module {module}"));
        }
    }
    assert!(LAYERS.len() <= 19, "the root has more than 19 modules");
    assert_none(&faults);
}

/// Files that name each other in a circle cannot be understood one by one. A module and its own children may.
#[test]
fn no_files_form_a_circle() {
    let sources = sources();
    let arrows = arrows(&sources);
    assert!(arrows.len() > 80, "the reading of paths is broken: {}", arrows.len());
    let mut faults = Vec::new();
    for (file, targets) in &arrows {
        // Everything that can be reached from this file, with the way to it.
        let mut ways: BTreeMap<&str, Vec<&str>> = targets.iter().map(|target| (*target, vec![*target])).collect();
        let mut open: Vec<&str> = targets.iter().copied().collect();
        while let Some(at) = open.pop() {
            for next in arrows.get(at).into_iter().flatten() {
                if !ways.contains_key(next) {
                    let way = ways[at].iter().chain([next]).copied().collect();
                    ways.insert(next, way);
                    open.push(next);
                }
            }
        }
        if let Some(way) = ways.get(file) {
            faults.push(format!("{file} → {}", way.join(" → ")));
        }
    }
    assert_none(&faults);
}

#[test]
fn pure_modules_are_pure() {
    let mut faults = Vec::new();
    let mut excepted = BTreeSet::new();
    for source in sources() {
        let module = source.module.first().map_or("", String::as_str);
        if !PURE.contains(&module) && !PURE_FILES.iter().any(|path| source.path.starts_with(path)) {
            continue;
        }
        for name in IMPURE {
            let begins_a_name = |at: usize| !source.code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            if !source.code.match_indices(name).any(|(at, _)| begins_a_name(at)) {
                continue;
            }
            match IMPURE_FILES
                .iter()
                .position(|(file, what, _)| *file == source.path && what == name)
            {
                Some(exception) => {
                    excepted.insert(exception);
                }
                None => faults.push(format!("{} names {name}", source.path)),
            }
        }
    }
    for (number, (file, what, _)) in IMPURE_FILES.iter().enumerate() {
        if !excepted.contains(&number) {
            faults.push(format!("{file} does not name {what} any more"));
        }
    }
    assert_none(&faults);
}

#[test]
fn foreign_crates_stay_with_their_owners() {
    let mut faults = Vec::new();
    for source in sources() {
        for (name, owners) in OWNERS {
            let path = format!("{name}::");
            let named = source.code.match_indices(&path).any(|(at, _)| {
                let before = &source.code[..at];
                !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
            });
            if named && !words(owners).iter().any(|owner| source.path.starts_with(owner)) {
                faults.push(format!("{} names {name}, which belongs to {owners}", source.path));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn every_file_says_what_it_is() {
    let mut faults = Vec::new();
    let all = texts("src")
        .into_iter()
        .chain(texts("tests/it"))
        .chain(texts("benches"));
    for (path, text) in all {
        let first = text.lines().next().unwrap_or_default();
        if !first.starts_with("//! ") || !first.ends_with(['.', ':']) {
            faults.push(format!("{path}: the first line is no `//!` sentence"));
        }
        let head: Vec<&str> = text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .map(|line| line.trim_start_matches("//!").trim())
            .collect();
        let head = head.join(" ");
        let flows = head.split_once(" In: ").is_some_and(|(_, flow)| {
            let out = flow.find("· Out: ");
            let thread = flow.find("· Thread: ");
            matches!((out, thread), (Some(out), Some(thread)) if out < thread)
        });
        // `lib.rs` is the front page of the documentation.
        if !flows && path != "src/lib.rs" {
            faults.push(format!("{path}: no `In: … · Out: … · Thread: …` at its head"));
        }
    }
    assert_none(&faults);
}

#[test]
fn no_file_is_too_long() {
    let mut faults = Vec::new();
    for (path, text) in texts("src").into_iter().chain(texts("tests/it")) {
        let lines = text.lines().count();
        let excepted = LONG_FILES.iter().any(|(file, _)| *file == path);
        if (lines > MOST_LINES) != excepted {
            faults.push(format!(
                "{path}: {lines} lines, at most {MOST_LINES} (or it is in the table without need)"
            ));
        }
    }
    assert_none(&faults);
}

/// What ends a thread or a process where input could reach it, and what belongs to tests alone.
#[test]
fn nothing_unwraps_prints_or_sleeps() {
    let mut faults = Vec::new();
    for source in sources() {
        for (what, excepted) in [
            (".unwrap()", &[][..]),
            ("todo!(", &[]),
            ("unimplemented!(", &[]),
            ("unreachable!(", &[]),
            ("panic!(", &[]),
            ("dbg!(", &[]),
            ("println!(", &[]),
            ("eprintln!(", &[]),
            ("thread::sleep", &["simulator/"]),
            ("process::exit", &["cli/signals.rs"]),
            ("unsafe ", &[]),
        ] {
            for (at, _) in source.code.match_indices(what) {
                if !excepted.iter().any(|path: &&str| source.path.starts_with(path)) {
                    let line = source.code[..at].lines().count();
                    faults.push(format!("src/{}:{line}: {what}", source.path));
                }
            }
        }
    }
    assert_none(&faults);
}

/// An `expect` states the invariant it relies on.
#[test]
fn every_expect_states_its_reason() {
    let mut faults = Vec::new();
    for source in sources() {
        for (at, _) in source.code.match_indices(".expect(\"") {
            let reason = source.text[at + 8..].split(['"', ')']).nth(1).unwrap_or_default();
            if reason.split_whitespace().count() < 3 {
                let line = source.code[..at].lines().count();
                faults.push(format!("src/{}:{line}: expect({reason:?})", source.path));
            }
        }
    }
    assert_none(&faults);
}
