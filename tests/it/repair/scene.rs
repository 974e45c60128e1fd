//! A stream beside a simulator that knows the truth, and the comparison of all their numbers.
//!
//! In: a simulator, how numbers are asked for · Out: verdicts · Thread: the test's.

use std::collections::BTreeMap;
use std::time::Duration;

use genesys_stream::simulator::{Builder, ServiceLevel, Simulator, TruthQuery};
use genesys_stream::{ConfigBuilder, ConnectionState, Protocol};
use serde_json::Value;

use crate::support::{Watched, config, control, start, until_true, watch};

/// A REST budget that does not slow a test.
pub const PLENTY: &str = r#"{"rest":{"max_requests_per_min":100000},"backfill":{"max_requests_per_min":100000}}"#;

/// Between two snapshots, of which each is compared with the truth and costs some milliseconds.
pub const INTERVAL: Duration = Duration::from_millis(100);

pub fn notifications(url: &str) -> ConfigBuilder {
    let builder = config(url, Protocol::Notifications).snapshot_interval(INTERVAL);
    builder.json("plenty.json", PLENTY)
}

/// A centre that has been at work for some minutes: several pages of conversations.
pub fn warm() -> Simulator {
    start(warm_centre())
}

pub fn warm_centre() -> Builder {
    Simulator::builder()
        .seed(11)
        .queues(4)
        .agents(120)
        .optional_after_call_work(false)
        .requests_per_min(0)
        .warm_up(Duration::from_secs(240))
}

/// The settings of the numbers, for the stream and for the simulator.
#[derive(Clone, Copy)]
pub struct Settings {
    pub granularity: &'static str,
    pub service_level_secs: Option<u64>,
    pub short_abandon_secs: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            granularity: "PT1M",
            service_level_secs: None,
            short_abandon_secs: 0,
        }
    }
}

impl Settings {
    /// As a configuration.
    pub fn json(&self) -> String {
        let level = self
            .service_level_secs
            .map_or("\"queue\"".to_owned(), |secs| secs.to_string());
        let (granularity, short) = (self.granularity, self.short_abandon_secs);
        format!(
            r#"{{"windows":{{"granularity":"{granularity}","service_level_secs":{level},"short_abandon_secs":{short}}}}}"#
        )
    }

    pub fn query(&self, since_ms: Option<i64>) -> TruthQuery {
        let mut query = TruthQuery::default();
        query.granularity = Duration::from_secs(if self.granularity == "PT10S" { 10 } else { 60 });
        query.service_level = self.service_level_secs.map_or(ServiceLevel::Queue, |secs| {
            ServiceLevel::Within(Duration::from_secs(secs))
        });
        query.short_abandon = Duration::from_secs(self.short_abandon_secs);
        query.keep = 100_000;
        query.since_ms = since_ms;
        query
    }
}

/// Starts that are tried before the one that is expected: five seconds.
const STARTS: i64 = 50;
const BETWEEN_STARTS_MS: i64 = 100;

/// A stream whose numbers are compared with the truth.
pub struct Scene {
    pub sim: Simulator,
    pub stream: Watched,
    /// The simulator counts conversations that were open then or began later; all without it.
    pub since_ms: Option<i64>,
    pub settings: Settings,
}

impl Scene {
    /// Starts the stream while the centre is paused, and waits until the state at the start is known.
    pub fn begin(sim: Simulator, config: impl FnOnce(&str) -> ConfigBuilder) -> Scene {
        Scene::begin_with(sim, Settings::default(), config)
    }

    pub fn begin_with(sim: Simulator, settings: Settings, config: impl FnOnce(&str) -> ConfigBuilder) -> Scene {
        settle(&sim);
        let stream = watch(config(&sim.url()).queue("all").json("windows.json", settings.json()));
        let scene = Scene {
            since_ms: Some(centre_time(&sim)),
            sim,
            stream,
            settings,
        };
        scene.until_true();
        scene
    }

    /// What is true for a stream that started when `since_ms` says, or a little before: while the centre is paused our
    /// clock goes on, so a stream that learns the difference late takes its start for earlier in the centre's time.
    fn truths(&self) -> Vec<Numbers> {
        let truth = |since_ms| Numbers::of(&self.sim.truth(&self.settings.query(since_ms)));
        match self.since_ms {
            Some(paused) => (0..=STARTS)
                .map(|n| truth(Some(paused - n * BETWEEN_STARTS_MS)))
                .collect(),
            None => vec![truth(None)],
        }
    }

    /// Pauses the centre, waits until all numbers are those of the centre, and lets it go on.
    #[track_caller]
    pub fn until_true(&self) {
        settle(&self.sim);
        self.until_true_standing();
        control(&self.sim, "pause?on=0");
    }

    /// As [`Scene::until_true`], of a centre that is paused and stays so.
    #[track_caller]
    pub fn until_true_standing(&self) {
        self.until_true_standing_on(&self.stream);
    }

    /// As [`Scene::until_true_standing`], of another stream that shows the same centre.
    #[track_caller]
    pub fn until_true_standing_on(&self, stream: &Watched) {
        let truths = self.truths();
        stream.until_newest("the true numbers", |snapshot| {
            let ours = Numbers::of(&serde_json::to_value(snapshot).unwrap());
            if truths.iter().any(|truth| truth.differences(&ours).is_empty()) {
                return Ok(());
            }
            let mut wrong = truths[0].differences(&ours);
            wrong.truncate(20);
            Err(wrong.join("; "))
        });
    }

    /// Waits until so many gaps are there, all of them repaired.
    #[track_caller]
    pub fn until_repaired(&self, gaps: usize) {
        self.stream.until("repaired", |s| {
            let connection = &s.connection;
            connection.state == ConnectionState::Streaming
                && connection.gaps.len() >= gaps
                && connection.gaps.iter().all(|gap| gap.repaired)
        });
    }
}

/// The centre's time, in Unix milliseconds.
pub fn centre_time(sim: &Simulator) -> i64 {
    moment_ms(&control(sim, "state")["centre_time"])
}

pub fn moment_ms(text: &Value) -> i64 {
    let format = &time::format_description::well_known::Rfc3339;
    let at = time::OffsetDateTime::parse(text.as_str().unwrap(), format).unwrap();
    (at.unix_timestamp_nanos() / 1_000_000) as i64
}

/// Pauses the centre and waits until all its events are on their way.
pub fn settle(sim: &Simulator) {
    control(sim, "pause?on=1");
    until_true("the centre settled", || control(sim, "state")["settled"] == true);
}

/// All numbers of `docs/numbers.md` but `hold_secs`, which the stream tells approximately.
const TOTALS: [&str; 12] = [
    "offered",
    "answered",
    "abandoned",
    "short_abandoned",
    "flow_out",
    "transferred",
    "handled",
    "wrapups",
    "service_level_percent",
    "average_wait_secs",
    "average_speed_of_answer_secs",
    "average_handle_secs",
];
const LIVE: [&str; 3] = ["waiting", "interacting", "after_call_work"];

/// All numbers of a snapshot by queue, medium and name; one that is missing is zero.
pub struct Numbers {
    plain: BTreeMap<String, Value>,
    /// By place, then by start.
    windows: BTreeMap<String, BTreeMap<i64, Vec<Value>>>,
}

impl Numbers {
    pub fn of(snapshot: &Value) -> Numbers {
        let mut numbers = Numbers {
            plain: BTreeMap::new(),
            windows: BTreeMap::new(),
        };
        numbers.add("all", &snapshot["totals"], &LIVE);
        numbers.add("all", &snapshot["totals"], &["active_conversations"]);
        numbers.add("all", &snapshot["all_queues"]["totals"], &TOTALS);
        numbers.add_windows("all", &snapshot["all_queues"]["windows"]);
        for (queue, book) in snapshot["queues"].as_object().unwrap() {
            numbers.add(queue, book, &LIVE);
            numbers.add(queue, &book["totals"], &TOTALS);
            numbers.add_windows(queue, &book["windows"]);
            for (medium, book) in book["by_media"].as_object().into_iter().flatten() {
                let place = format!("{queue} {medium}");
                numbers.add(&place, book, &LIVE);
                numbers.add(&place, &book["totals"], &TOTALS);
            }
        }
        numbers
    }

    fn add(&mut self, place: &str, object: &Value, names: &[&str]) {
        for name in names {
            self.plain.insert(format!("{place} {name}"), object[name].clone());
        }
    }

    fn add_windows(&mut self, place: &str, windows: &Value) {
        let of = |window: &Value| {
            (
                moment_ms(&window["start"]),
                TOTALS.map(|name| window[name].clone()).to_vec(),
            )
        };
        let windows = windows.as_array().unwrap().iter().map(of).collect();
        self.windows.insert(place.to_owned(), windows);
    }

    pub fn differences(&self, ours: &Numbers) -> Vec<String> {
        let nothing = |value: &Value| value.is_null() || value.as_f64() == Some(0.0);
        let same = |one: &Value, other: &Value| match (one.as_f64(), other.as_f64()) {
            (Some(one), Some(other)) => (one - other).abs() < 1e-6,
            _ => nothing(one) && nothing(other),
        };
        let mut found = Vec::new();
        let places = self.plain.keys().chain(ours.plain.keys());
        for place in places.collect::<std::collections::BTreeSet<_>>() {
            let of = |numbers: &Numbers| numbers.plain.get(place).cloned().unwrap_or_default();
            let (truth, ours) = (of(self), of(ours));
            if !same(&truth, &ours) {
                found.push(format!("{place}: true {truth}, ours {ours}"));
            }
        }
        for (place, windows) in &self.windows {
            let Some(shown) = ours.windows.get(place) else {
                found.push(format!("{place}: no windows"));
                continue;
            };
            // A stream keeps a limited number of windows, so its first one may not be the first of the simulator.
            let first = shown.keys().next().copied().unwrap_or(i64::MAX);
            let starts = windows
                .range(first..)
                .chain(shown.range(first..))
                .map(|(start, _)| start);
            for start in starts.collect::<std::collections::BTreeSet<_>>() {
                let none = vec![Value::Null; TOTALS.len()];
                let (truth, ours) = (windows.get(start).unwrap_or(&none), shown.get(start).unwrap_or(&none));
                for (at, name) in TOTALS.iter().enumerate() {
                    if !same(&truth[at], &ours[at]) {
                        found.push(format!("{place} {start} {name}: true {}, ours {}", truth[at], ours[at]));
                    }
                }
            }
        }
        found
    }
}
