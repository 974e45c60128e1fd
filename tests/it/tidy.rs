//! The rules of the architecture, read from the sources: nobody has to remember them.
//!
//! In: every file of `src` and `tests/it` · Out: verdicts that name file and rule · Thread: the test's.
//!
//! A rule that has to be broken somewhere is broken in a table here, with its reason; a table entry that nothing needs
//! any more fails as well.

#[path = "tidy_reading.rs"]
mod reading;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use self::reading::{paths_in, reexports, sources, texts};

/// From the bottom up; imports go downwards or stay in their band.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Band {
    Words,
    Thought,
    Tools,
    Rooms,
    Control,
    Peer,
}

use Band::{Control, Peer, Rooms, Thought, Tools, Words};

/// Each top-level module: its band, and what it may import. Rooms import no room but those named here.
const MODULES: &[(&str, Band, &str)] = &[
    ("moment", Words, ""),
    ("id", Words, ""),
    ("keyed", Words, ""),
    ("secret", Words, ""),
    ("error", Words, ""),
    ("facts", Words, "id moment"),
    ("config", Words, "error keyed moment secret"),
    ("event", Words, "config facts id moment"),
    ("notice", Words, "error moment protocol"),
    ("telemetry", Words, "model moment"),
    ("digest", Thought, "secret"),
    ("audit", Thought, "digest moment"),
    ("backoff", Thought, "config"),
    ("heartbeat", Thought, "config"),
    ("coalesce", Thought, "event facts id moment"),
    ("topic_plan", Thought, "error id"),
    ("protocol", Thought, "config error event facts id moment secret"),
    ("model", Thought, "config event facts id keyed moment protocol"),
    ("record", Thought, "event id model moment"),
    ("recording", Thought, "config id model moment record"),
    ("journal", Tools, "audit recording"),
    ("net", Tools, "config error secret"),
    ("buffer", Tools, "coalesce config event net telemetry"),
    (
        "rest",
        Tools,
        "config digest error facts id keyed moment net secret topic_plan",
    ),
    ("http_server", Tools, ""),
    ("web", Rooms, "config error http_server model moment record secret"),
    (
        "reader",
        Rooms,
        "audit buffer config error event heartbeat journal moment net notice protocol recording rest secret telemetry",
    ),
    (
        "output",
        Rooms,
        "audit backoff config error event facts id keyed model moment net record recording rest",
    ),
    (
        "aggregator",
        Rooms,
        "audit buffer config error event facts id journal keyed model moment net notice output record recording rest \
         telemetry",
    ),
    (
        "supervisor",
        Control,
        "aggregator audit backoff buffer config error id journal model moment net notice protocol reader record recording \
         rest secret telemetry topic_plan",
    ),
    (
        "replay",
        Control,
        "aggregator config error event model moment net protocol record recording secret telemetry",
    ),
    (
        "stream",
        Control,
        "aggregator audit buffer config digest error event journal model moment net notice output protocol record replay \
         rest supervisor telemetry web",
    ),
    (
        "preflight",
        Control,
        "buffer config error id journal moment net notice protocol reader rest secret supervisor telemetry topic_plan",
    ),
    (
        "cli",
        Control,
        "audit config error moment net notice output preflight protocol record recording replay rest secret simulator \
         stream topic_plan",
    ),
    ("simulator", Peer, "http_server keyed"),
];

/// Imports that go upwards, or from room to room, and why.
const UPWARDS: &[(&str, &str, &str)] = &[
    ("notice", "protocol", "a refusal is data that only a machine knows"),
    ("telemetry", "model", "the snapshot's counters are plain data"),
    (
        "aggregator",
        "output",
        "it hands items to outputs and closes them; they know nothing of it",
    ),
    ("cli", "simulator", "`simulate` and `demo` start one"),
];

/// Files of Control, Rooms or Tools that are pure all the same.
const PURE_FILES: &[&str] = &[
    "supervisor/allowance.rs",
    "supervisor/policy.rs",
    "supervisor/rivals.rs",
    "supervisor/repair/query.rs",
    "supervisor/repair/schedule.rs",
    "supervisor/repair/walk.rs",
    "net/target.rs",
    "web/metrics.rs",
    "web/metrics/exposition.rs",
    "web/metrics/health.rs",
    "web/metrics/centre.rs",
    "web/picture.rs",
    "web/readiness.rs",
];

/// What no word and no thought may name.
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
    ("moment.rs", "SystemTime", "Moment::now is the one clock"),
    ("config/builder.rs", "std::fs", "a configuration is read from its file"),
    ("config/builder.rs", "log::", "notes of a library user's configuration"),
    (
        "config/build.rs",
        "std::fs",
        "a missing ca_file is a configuration error",
    ),
    ("config/credentials.rs", "std::fs", "a secret is read from its file"),
    ("config/region.rs", "std::net", "the form of an address, no socket"),
    ("config/url.rs", "std::net", "the form of an address, no socket"),
    ("net/target.rs", "std::net", "the form of an address, no socket"),
];

/// Foreign crates with an owner: named below these paths only.
const OWNERS: &[(&str, &str)] = &[
    ("ureq", "rest/"),
    ("rustix", "output/appending.rs"),
    ("rustls", "net/"),
    ("rustls_native_certs", "net/"),
    ("webpki_roots", "net/"),
    ("socket2", "net/ http_server/connection.rs simulator/stream/outbox.rs"),
    ("httparse", "net/proxy.rs http_server/"),
    ("tungstenite", "reader/ simulator/stream/"),
    ("clap", "cli/"),
    ("clap_complete", "cli/"),
    ("env_logger", "cli/"),
    ("signal_hook", "cli/"),
    ("terminal_size", "output/live/"),
    ("hdrhistogram", "model/latency.rs"),
    ("ring", "digest.rs web/access.rs web/pages.rs"),
    ("zeroize", "secret.rs config/credentials.rs"),
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

fn band(module: &str) -> Option<Band> {
    MODULES
        .iter()
        .find(|(name, ..)| *name == module)
        .map(|(_, band, _)| *band)
}

#[test]
fn imports_are_those_of_the_table() {
    let sources = sources();
    let types = reexports(&sources);
    let mut faults = Vec::new();
    let mut used: BTreeSet<(String, String)> = BTreeSet::new();
    for source in &sources {
        let Some(module) = source.module.first() else { continue };
        let Some((_, _, allowed)) = MODULES.iter().find(|(name, ..)| name == module) else {
            faults.push(format!("{}: module {module} is not in the table", source.path));
            continue;
        };
        let allowed = words(allowed);
        for name in paths_in(source) {
            let target = types.get(&name).unwrap_or(&name);
            if target == module {
                continue;
            }
            if !allowed.contains(target.as_str()) {
                faults.push(format!("{}: {module} must not import {target}", source.path));
            }
            used.insert((module.clone(), target.clone()));
        }
    }
    for (module, _, allowed) in MODULES {
        for target in words(allowed) {
            if !used.contains(&((*module).to_owned(), target.to_owned())) {
                faults.push(format!("the table lets {module} import {target}, which it does not"));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn imports_go_downwards() {
    let mut faults = Vec::new();
    let mut excepted = BTreeSet::new();
    for (module, own, allowed) in MODULES {
        for target in words(allowed) {
            let Some(other) = band(target) else {
                faults.push(format!("{target}, which {module} may import, is not in the table"));
                continue;
            };
            let between_rooms = *own == Rooms && other == Rooms;
            if other > *own || between_rooms {
                match UPWARDS.iter().find(|(from, to, _)| from == module && *to == target) {
                    Some(exception) => {
                        excepted.insert(exception.2);
                    }
                    None => faults.push(format!("{module} ({own:?}) imports {target} ({other:?})")),
                }
            }
        }
    }
    for (from, to, reason) in UPWARDS {
        if !excepted.contains(reason) {
            faults.push(format!("no exception is needed for {from} and {to}"));
        }
    }
    assert_none(&faults);
}

#[test]
fn words_and_thoughts_are_pure() {
    let mut faults = Vec::new();
    let mut excepted = BTreeSet::new();
    for source in sources() {
        let is_pure = PURE_FILES.contains(&source.path.as_str())
            || source
                .module
                .first()
                .and_then(|module| band(module))
                .is_some_and(|band| band <= Thought);
        if !is_pure {
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
