//! Conversations from the field (`tests/fixtures/cases`), played as recordings: the numbers are those that each file expects.
//!
//! In: case files · Out: verdicts · Thread: the test's own.
//!
//! Each file is played as it stands, with ticks between its steps, with each step twice, and with its steps in other orders.
//! `GENESYS_STREAM_CASES=DIR` names a folder of further files. The format is described in `CONTRIBUTING.md`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::delivery::Delivery;
use super::run::Run;
use crate::base::id::is_canonical_uuid;
use crate::base::pseudonym;
use crate::base::receipt::Receipt;
use crate::config::{Config, ServiceLevel};
use crate::event::change::{Change, ClockLook};
use crate::event::gap::GapTopics;
use crate::event::queue::Queue;
use crate::event::state::{ConnectionState, StateChange};
use crate::model::Settings;
use crate::model::details;
use crate::net::Cancel;
use crate::output::Outputs;
use crate::output::record::Bodies;
use crate::output::recording::{Line, Start, State};
use crate::protocol::KeepBody;
use crate::{Id, Moment, Secret};

/// Orders in which the steps of a file are played, beside its own.
const ORDERS: u64 = 24;
/// A time further ahead of its receipt is not believed.
const TRUSTED_AHEAD: Duration = Duration::from_secs(600);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[allow(dead_code, reason = "for people")]
    what: String,
    service_level_secs: u64,
    queues: Vec<CaseQueue>,
    steps: Vec<Step>,
    expect: Vec<Expected>,
    /// The numbers depend on the order of the steps.
    #[serde(default)]
    ordered: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseQueue {
    id: Id,
    name: String,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    at: Moment,
    frame: Option<Box<RawValue>>,
    rest_conversations: Option<Box<RawValue>>,
    #[serde(default)]
    look: bool,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// -1 = the last.
    after_step: i64,
    #[serde(default)]
    values: BTreeMap<String, Value>,
    #[serde(default)]
    between: BTreeMap<String, (f64, f64)>,
}

/// How the steps of a file are played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    AsWritten,
    WithTicks,
    Doubled,
    /// As a redacted recording, with identifiers that look like addresses.
    Redacted,
    /// In another order, by its number; every second one doubled.
    Shuffled(u64),
}

/// One case on its way through a replay.
struct Playing {
    run: Run,
    delivery: Delivery,
    start: Moment,
    gaps: u64,
    bodies: Bodies,
}

impl Playing {
    fn new(case: &Case, start: Moment, bodies: Bodies) -> Self {
        let secret = Secret::new("replay");
        let config = Config::builder().connection_overridden("http://127.0.0.1:1", "replay", secret);
        let mut settings = Settings::from(&config.build().expect("settings"));
        settings.windows.service_level = ServiceLevel::Fixed(Duration::from_secs(case.service_level_secs));
        let begin = Start::new("case".to_owned(), settings);
        let mut playing = Self {
            run: Run::new(&begin, start, KeepBody::Drop),
            delivery: Delivery::new(Outputs::default(), Cancel::new()),
            start,
            gaps: 0,
            bodies,
        };
        let queue = |queue: &CaseQueue| Queue {
            id: queue.id.clone(),
            name: Some(queue.name.clone()),
            service_levels: Vec::new(),
        };
        playing.change(start, Change::Queues(case.queues.iter().map(queue).collect()));
        let opening = State::Opening {
            event_types: Vec::new(),
            queues: Vec::new(),
        };
        playing.line(&Line::state(start, Some(1), opening));
        playing.change(start, Change::ConnectionOpened { connection: 1 });
        let streaming = StateChange {
            at: start,
            state: ConnectionState::Streaming,
            cause: None,
            attempt: None,
            retry_in: None,
        };
        playing.change(start, Change::State(streaming));
        playing
    }

    /// Plays a line of a recording, through its text.
    fn line(&mut self, line: &Line) {
        let mut text = Vec::new();
        line.write(&mut text, self.bodies);
        let read = Line::read(text.trim_ascii_end()).expect("a line of a recording");
        self.run.play(read, &mut self.delivery).expect("it can be played");
    }

    fn change(&mut self, at: Moment, change: Change) {
        self.line(&Line::change(at, change, u64::MAX));
    }

    fn tick(&mut self, at: Moment) {
        self.change(
            at,
            Change::Tick {
                clock: ClockLook::default(),
                dropped: 0,
            },
        );
    }

    fn step(&mut self, step: &Step, at: Moment) {
        if let Some(frame) = &step.frame {
            self.line(&Line::frame(at.into(), 1, Some(frame.get().into()), Vec::new()));
        }
        if let Some(list) = &step.rest_conversations {
            self.repair(list.get(), at);
        }
    }

    /// A gap over all times before `at`, and its repair with this answer.
    fn repair(&mut self, list: &str, at: Moment) {
        let answer = format!(r#"{{"conversations":{list}}}"#);
        let page = details::read_answer(answer.as_bytes(), Receipt::from(at).trusted_until).expect("a details answer");
        let found = page.conversations.into_iter().filter(|one| one.enters(self.start));
        let found = found.map(|one| one.facts).collect();
        self.gaps += 1;
        let (from, line) = (self.start, 0);
        let (topics, cause) = (GapTopics::All, "case".to_owned());
        self.change(
            at,
            Change::GapOpened {
                line,
                topics,
                from,
                cause,
            },
        );
        self.change(at, Change::GapClosed { line, to: at });
        self.change(at, Change::Conversations(found));
        self.change(at, Change::GapsRepaired { ids: vec![self.gaps] });
    }

    fn look(&mut self, at: Moment) -> Value {
        self.tick(at);
        let snapshot = self.run.snapshot(BTreeMap::new());
        serde_json::to_value(snapshot).expect("JSON")
    }
}

impl Case {
    /// The snapshots after its steps, as far as this way of playing gives them; the last one always.
    fn play(&self, way: Way, start: Moment) -> BTreeMap<usize, Value> {
        let bodies = match way {
            Way::Redacted => Bodies::Redacted,
            _ => Bodies::Verbatim,
        };
        let mut playing = Playing::new(self, start, bodies);
        let last = self.steps.len() - 1;
        let end = self.steps[last].at;
        let mut looks = BTreeMap::new();
        if let Way::Shuffled(seed) = way {
            for (step, at) in self.shuffled(seed) {
                (0..=seed % 2).for_each(|_| playing.step(step, at));
            }
        } else {
            let mut ticked = start;
            for (n, step) in self.steps.iter().enumerate() {
                while way == Way::WithTicks && ticked < step.at {
                    playing.tick(ticked);
                    ticked = ticked.plus(Duration::from_secs(60));
                }
                let times = if way == Way::Doubled { 2 } else { 1 };
                (0..times).for_each(|_| playing.step(step, step.at));
                if step.look || n == last || self.expect.iter().any(|one| one.after_step == n as i64) {
                    looks.insert(n, playing.look(step.at));
                }
            }
        }
        if let Way::Shuffled(_) = way {
            looks.insert(last, playing.look(end));
        }
        looks
    }

    /// Its steps in another order: received when they came in turns, where no time is then too far ahead of its receipt, else
    /// all when the last one came.
    fn shuffled(&self, seed: u64) -> Vec<(&Step, Moment)> {
        let mut told: Vec<&Step> = self.steps.iter().filter(|step| !step.look).collect();
        let times: Vec<Moment> = told.iter().map(|step| step.at).collect();
        let (first, last) = (times[0], times[times.len() - 1]);
        let in_turns = !seed.is_multiple_of(3) && last <= first.plus(TRUSTED_AHEAD);
        fastrand::Rng::with_seed(seed).shuffle(&mut told);
        let at = |n: usize| if in_turns { times[n] } else { last };
        (0..).zip(told).map(|(n, step)| (step, at(n))).collect()
    }

    /// Where the numbers are not the expected ones.
    fn differences(&self, way: Way, start: Moment) -> Vec<String> {
        let looks = self.play(way, start);
        let is_shuffled = matches!(way, Way::Shuffled(_));
        let mut differences = Vec::new();
        for expected in &self.expect {
            let step = usize::try_from(expected.after_step).unwrap_or(self.steps.len() - 1);
            let Some(snapshot) = looks.get(&step) else {
                assert!(is_shuffled, "there is no step {step}");
                continue;
            };
            let key_of = |part: &str| match part {
                uuid if way == Way::Redacted && is_canonical_uuid(uuid) => pseudonym::of(&address(uuid)).into_owned(),
                other => other.to_owned(),
            };
            let found = |path: &str| path.split('.').fold(snapshot, |value, key| &value[key_of(key)]);
            // The time at which a hold is over depends on the order.
            let counts = |path: &str| !(is_shuffled && path.ends_with("hold_secs"));
            for (path, wanted) in expected.values.iter().filter(|(path, _)| counts(path)) {
                let found = found(path);
                let is_equal = match (found.as_f64(), wanted.as_f64()) {
                    (Some(found), Some(wanted)) => (found - wanted).abs() < 1e-9,
                    _ => found == wanted,
                };
                if !is_equal {
                    differences.push(format!("{way:?}, after step {step}: {path} is {found}, not {wanted}"));
                }
            }
            for (path, (least, most)) in expected.between.iter().filter(|(path, _)| counts(path)) {
                let found = found(path);
                if !found.as_f64().is_some_and(|found| (*least..=*most).contains(&found)) {
                    differences.push(format!(
                        "{way:?}, after step {step}: {path} is {found}, not {least} to {most}"
                    ));
                }
            }
        }
        differences
    }
}

/// Plays a file in every way; the differences found.
fn check(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).expect("a case file");
    let read = || -> Result<(Case, Value), serde_json::Error> {
        Ok((serde_json::from_str(&text)?, serde_json::from_str(&text)?))
    };
    let (case, whole) = read().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let first = earliest(&whole).expect("a case has times");
    let start = first.minus(Duration::from_secs(1));
    let orders = if case.ordered { 0 } else { ORDERS };
    let ways = [Way::AsWritten, Way::WithTicks, Way::Doubled];
    let ways = ways.into_iter().chain((1..=orders).map(Way::Shuffled));
    let addressed = Case {
        expect: case.expect.clone(),
        ..serde_json::from_str(&with_addresses(&text)).expect("the same with other identifiers")
    };
    let redacted = || addressed.differences(Way::Redacted, start);
    // One way that fails says enough.
    let found = ways
        .map(|way| case.differences(way, start))
        .chain(std::iter::once_with(redacted))
        .find(|found| !found.is_empty());
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let named = |difference: String| format!("{name}: {difference}");
    found.into_iter().flatten().map(named).collect()
}

/// An identifier that looks like an address, in place of a UUID.
fn address(uuid: &str) -> String {
    format!("sip:{}@x", uuid.to_ascii_lowercase())
}

fn with_addresses(text: &str) -> String {
    let mut changed = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let uuid = rest.get(..36).filter(|uuid| is_canonical_uuid(uuid));
        let length = uuid.map_or(first.len_utf8(), str::len);
        match uuid {
            Some(uuid) => changed.push_str(&address(uuid)),
            None => changed.push(first),
        }
        rest = &rest[length..];
    }
    changed
}

/// The earliest time in a file.
fn earliest(value: &Value) -> Option<Moment> {
    match value {
        Value::String(text) => Moment::parse(text),
        Value::Array(list) => list.iter().filter_map(earliest).min(),
        Value::Object(fields) => fields.values().filter_map(earliest).min(),
        _ => None,
    }
}

fn files_of(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    files.sort_unstable();
    assert!(!files.is_empty(), "no case files in {}", folder.display());
    files
}

#[test]
fn conversations_from_the_field_have_the_right_numbers() {
    let mut files = files_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cases"));
    if let Some(more) = std::env::var_os("GENESYS_STREAM_CASES") {
        files.extend(files_of(Path::new(&more)));
    }
    let differences: Vec<String> = files.iter().flat_map(|path| check(path)).collect();
    assert!(differences.is_empty(), "\n{}\n", differences.join("\n"));
}
