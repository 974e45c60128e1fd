//! The pages of `docs`, held against the program: they cannot say what is not so.
//!
//! In: Markdown, JSON Schemas, the program's output, its help · Out: verdicts · Thread: the test's.

mod configuration;
mod page;
mod schema;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use genesys_stream::{ConnectionState, Moment, Protocol, Records, Stream};
use serde_json::Value;

use self::schema::{Schema, Seen};
use crate::support::peer::{Behaviour, notification, peer, queues, sockets};
use crate::support::{built, busy, config, control, for_all_protocols, start, watch, watch_with};

/// The events of the example in `numbers.md` are sent, one more each time, and the numbers below each are compared.
#[test]
fn the_example_of_the_numbers_is_what_the_program_counts() {
    let now = Moment::now().epoch_ms();
    let begin = Moment::from_epoch_ms(now - now % 60_000).minus(Duration::from_secs(600));
    let of_today = |text: &str| {
        (0..10).fold(text.to_owned(), |text, minute| {
            let at = begin.plus(Duration::from_secs(60 * minute)).to_string();
            text.replace(&format!("2026-05-04T14:0{minute}"), &at[..16])
        })
    };
    let page = page::read("docs/numbers.md");
    let parsed = |text: &str| -> Value { serde_json::from_str(&of_today(text)).expect("JSON") };
    let events: Vec<String> = page::blocks(&page, "json event")
        .into_iter()
        .map(|(queue, body)| notification(&format!("v2.routing.queues.{queue}.conversations"), &parsed(body)))
        .collect();
    let numbers = page::blocks(&page, "json numbers");
    assert_eq!((events.len(), numbers.len()), (3, 3));
    for (n, (_, wanted)) in (1..).zip(numbers) {
        let sockets = sockets(vec![Behaviour::Well(events[..n].to_vec())]);
        let peer = peer(move |asked, peer| match asked.is("GET", "/api/v2/routing/queues") {
            true => Some(queues(&[("sales", "Sales"), ("support", "Support")])),
            false => sockets(asked, peer),
        });
        let stream = watch(config(&peer.url(), Protocol::Notifications));
        // Live numbers are known once the subscription is confirmed.
        let snapshot = stream.until("all events", |s| {
            s.counters.events_applied == n as u64 && s.connection.state == ConnectionState::Streaming
        });
        let found = serde_json::to_value(&*snapshot).expect("JSON");
        assert_eq!(
            differences(&found, &parsed(wanted), "$"),
            [""; 0],
            "after event {n}: {found}"
        );
        stream.stop();
    }
}

/// Where `found` is not what `wanted` says; it may say more.
fn differences(found: &Value, wanted: &Value, path: &str) -> Vec<String> {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => wanted
            .iter()
            .flat_map(|(key, wanted)| {
                differences(found.get(key).unwrap_or(&Value::Null), wanted, &format!("{path}.{key}"))
            })
            .collect(),
        (Value::Array(found), Value::Array(wanted)) => wanted
            .iter()
            .filter(|wanted| !found.iter().any(|found| differences(found, wanted, path).is_empty()))
            .map(|wanted| format!("{path}: nothing is like {wanted}"))
            .collect(),
        _ if found == wanted => Vec::new(),
        _ => vec![format!("{path}: {found} instead of {wanted}")],
    }
}

/// What a stream wrote.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Records of all three protocols, with a gap, a refused topic and users. Nothing is missing from the schemas, and nothing
/// in them never occurs.
#[test]
fn events_and_snapshots_are_as_their_schemas_say() {
    let schemas = [Schema::read("event"), Schema::read("snapshot")];
    let seen = Mutex::new([Seen::new(), Seen::new()]);
    let page = page::read("docs/records.md");
    let examples: Vec<Value> = page::blocks(&page, "json")
        .into_iter()
        .filter_map(|(_, text)| serde_json::from_str(text).ok())
        .collect();
    for_all_protocols(|protocol| {
        let sim = start(busy());
        control(&sim, "forbid?topic=routingStatus");
        let written = Written::default();
        // Whatever waits is beyond it.
        let thresholds = r#"{"thresholds":{"default":{"waiting":[0,0],"for_secs":0}}}"#;
        let wanted = config(&sim.url(), protocol).queue("all").user("queue-members");
        let wanted = wanted.json("thresholds.json", thresholds);
        let builder = Stream::builder(built(wanted)).records(Records::Events, written.clone());
        let stream = watch_with(builder);
        let mut own = [Seen::new(), Seen::new()];
        let mut faults = Vec::new();
        let mut is_reset = false;
        stream.until("all kinds of numbers, before a gap and after it", |snapshot| {
            let reconnects = snapshot.connection.reconnects;
            let snapshot = serde_json::to_value(snapshot).expect("JSON");
            faults.extend(schemas[1].faults(&snapshot, &mut own[1]));
            let has_all = has_all(&snapshot, protocol);
            if has_all && !is_reset {
                control(&sim, "reset");
                is_reset = true;
            }
            has_all && reconnects == 1
        });
        stream.until_reconnected(1);
        stream.stop();
        let bytes = written.0.lock().expect("no panic").clone();
        let mut records = BTreeSet::new();
        for line in String::from_utf8(bytes).expect("UTF-8").lines() {
            let record: Value = serde_json::from_str(line).expect("a JSON record");
            let kind = record["record"].as_str().expect("a kind of record");
            records.insert(kind.to_owned());
            match kind {
                "event" => faults.extend(schemas[0].faults(&record, &mut own[0])),
                "snapshot" => faults.extend(schemas[1].faults(&record, &mut own[1])),
                _ => {}
            }
            if let Some(example) = examples.iter().find(|example| example["record"] == *kind) {
                assert_eq!(keys(&record), keys(example), "the example of {kind}");
            } else {
                assert_eq!(kind, "snapshot", "an example is missing");
            }
        }
        let mut wanted = BTreeSet::from(["event", "gap", "snapshot", "state"].map(str::to_owned));
        wanted.extend((protocol == Protocol::Notifications).then(|| "alert".to_owned()));
        assert_eq!(records, wanted);
        assert_eq!(faults, [""; 0]);
        let mut seen = seen.lock().expect("no panic");
        for (all, own) in seen.iter_mut().zip(own) {
            all.extend(own);
        }
    });
    for (schema, seen) in schemas.iter().zip(seen.into_inner().expect("no panic")) {
        let properties = schema.properties();
        let never: Vec<_> = properties.difference(&seen).collect();
        assert!(never.is_empty(), "never written: {never:?}");
        for property in &properties {
            let name = property.rsplit('/').next().unwrap_or_default();
            let is_told = [format!("`{name}`"), format!("\"{name}\"")]
                .iter()
                .any(|name| page.contains(name));
            assert!(is_told, "docs/records.md does not name {name}");
        }
    }
}

/// Whether a snapshot holds everything that its protocol has.
fn has_all(snapshot: &Value, protocol: Protocol) -> bool {
    let some = |part: &str| snapshot[part].as_object().is_some_and(|object| !object.is_empty());
    let of_queues = |part: &str| {
        let queues = snapshot["queues"].as_object().into_iter().flatten();
        queues.into_iter().any(|(_, queue)| queue[part].is_object())
    };
    let is_fed = snapshot["connection"]["state"] == "streaming" && some("freshness");
    is_fed
        && match protocol {
            Protocol::Notifications => {
                some("users")
                    && ["by_media", "observations", "observed", "alerts"]
                        .into_iter()
                        .all(of_queues)
            }
            Protocol::Events => some("queues"),
            _ => some("metrics"),
        }
}

fn keys(value: &Value) -> Vec<&String> {
    value.as_object().into_iter().flat_map(|object| object.keys()).collect()
}

#[test]
fn the_readme_lists_the_simulators_calls() {
    let page = page::read("README.md");
    let told = page::rows(&page, 3).into_iter().flat_map(|row| page::code(row[0]));
    let told: BTreeSet<&str> = told.filter_map(|word| word.strip_prefix("/sim/")).collect();
    let sim = start(busy());
    let list = control(&sim, "");
    let calls = list["calls"].as_array().into_iter().flatten();
    let real = calls.filter_map(|call| call["call"].as_str()?.strip_prefix("/sim/"));
    assert_eq!(told, real.collect());
}

/// A row tells the parameters of all its calls: exactly those that `/sim/` lists, each of which its call takes.
#[test]
fn the_readme_lists_the_parameters_of_the_simulators_calls() {
    let page = page::read("README.md");
    let sim = start(busy());
    let list = control(&sim, "");
    let listed = |call: &str| -> BTreeSet<String> {
        let calls = list["calls"].as_array().into_iter().flatten();
        let mut calls = calls.filter(|one| one["call"] == format!("/sim/{call}"));
        let parameters = calls.next().and_then(|one| one["parameters"].as_str()).expect(call);
        let names = parameters.split(|c: char| !(c.is_alphanumeric() || "_=".contains(c)));
        let names = names.map(|name| name.split('=').next().unwrap_or_default().to_owned());
        names
            .filter(|name| !matches!(name.as_str(), "" | "or" | "and"))
            .collect()
    };
    let rows = page::rows(&page, 3).into_iter();
    let mut seen = 0;
    for row in rows.filter(|row| row[0].contains("`/sim/")) {
        let calls = page::code(row[0])
            .into_iter()
            .filter_map(|call| call.strip_prefix("/sim/"));
        let calls: Vec<&str> = calls.collect();
        let told = page::code(row[1]).into_iter();
        let told: BTreeSet<&str> = told.map(|text| text.split('=').next().unwrap_or_default()).collect();
        for name in &told {
            assert!(
                calls.iter().any(|call| listed(call).contains(*name)),
                "{calls:?}: {name}"
            );
        }
        if let ([call], false) = (calls.as_slice(), told.is_empty()) {
            assert_eq!(
                listed(call),
                told.iter().map(|name| (*name).to_owned()).collect(),
                "{call}"
            );
        }
        seen += calls.len();
    }
    assert!(seen > 20, "{seen}");
}

/// In the pages, and in what the sources say of them.
#[test]
fn references_to_pages_lead_to_headings() {
    let mut faults = Vec::new();
    let follow = |from: &str, target: &str, folder: &Path| -> Option<String> {
        let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
        let path = match path {
            "" => Path::new(from).to_owned(),
            _ => folder.join(path),
        };
        if !page::exists(&path) {
            return Some(format!("{from}: there is no {target}"));
        }
        let is_heading = || page::anchors(&page::read(&path.to_string_lossy())).contains(anchor);
        let leads_there = anchor.is_empty() || is_heading();
        (!leads_there).then(|| format!("{from}: {target} has no such heading"))
    };
    let pages = page::files(
        &[
            "docs",
            "README.md",
            "CONTRIBUTING.md",
            "CHANGELOG.md",
            "ARCHITECTURE.md",
            "SECURITY.md",
        ],
        ".md",
    );
    assert!(pages.len() >= 7, "{pages:?}");
    for name in &pages {
        let text = page::read(name);
        // What is not in this repository explains nothing.
        if text.to_lowercase().contains("contract") {
            faults.push(format!("{name} speaks of a contract"));
        }
        let folder = Path::new(name).parent().unwrap_or(Path::new(""));
        for target in page::links(&text).into_iter().filter(|target| !target.contains("://")) {
            faults.extend(follow(name, target, folder));
        }
    }
    for name in page::files(&["src", "tests/it", "benches", "examples"], ".rs") {
        let text = page::read(&name);
        for (at, _) in text
            .match_indices("docs/")
            .filter(|_| !name.starts_with("tests/it/docs"))
        {
            let is_part = |c: char| c.is_ascii_alphanumeric() || "/.#-_".contains(c);
            let target = text[at..].split(|c| !is_part(c)).next().unwrap_or_default();
            if let Some((path, anchor)) = target.split_once(".md") {
                let anchor = anchor.trim_end_matches(['.', '-']);
                faults.extend(follow(&name, &format!("{path}.md{anchor}"), Path::new("")));
            }
        }
    }
    assert_eq!(faults, [""; 0]);
}
