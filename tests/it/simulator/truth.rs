//! The simulator's true numbers against a second count: from the frames alone, by the rules of `docs/numbers.md`.
//!
//! In: the frames of queue conversations · Out: verdicts on `/sim/truth` · Thread: the test's.

use super::frames::{Contact, Person, Seen, Stay, ms, stays_of};
use super::*;
use std::collections::BTreeMap;

/// Counts and sums of milliseconds, under the truth's names.
type Numbers = BTreeMap<&'static str, i64>;

#[derive(Default)]
struct Count {
    /// By queue and begin of the minute.
    windows: BTreeMap<(String, i64), Numbers>,
    /// By queue: waiting, interacting, after-call work.
    live: BTreeMap<String, [i64; 3]>,
    active: i64,
    as_of: i64,
    short: i64,
    level: i64,
}

/// A conversation as people and stays.
struct Story<'a> {
    people: Vec<&'a Person>,
    stays: Vec<Stay>,
    visits: Vec<Stay>,
    first_inside: Option<usize>,
}

impl<'a> Story<'a> {
    fn of(people: Vec<&'a Person>) -> Self {
        let stays: Vec<Stay> = (people.iter().enumerate())
            .flat_map(|(who, person)| stays_of(who, person))
            .collect();
        let mut visits: Vec<Stay> = (stays.iter().filter(|s| people[s.who].purpose == "acd"))
            .cloned()
            .collect();
        visits.sort_by_key(|visit| visit.begin);
        let inside =
            |s: &&Stay| ["user", "agent"].contains(&people[s.who].purpose.as_str()) && !people[s.who].listens.1;
        let first = stays
            .iter()
            .filter(inside)
            .min_by_key(|s| (s.begin, people[s.who].purpose == "agent"));
        let first_inside = first.map(|s| s.who);
        Story {
            people,
            stays,
            visits,
            first_inside,
        }
    }

    fn any(&self, purpose: &str) -> bool {
        self.people.iter().any(|p| p.purpose == purpose)
    }

    fn begin(&self, who: usize) -> Option<i64> {
        self.stays.iter().filter(|s| s.who == who).map(|s| s.begin).min()
    }

    fn is_outside(&self, who: usize, entered: Option<i64>) -> bool {
        match self.people[who].purpose.as_str() {
            "customer" => true,
            "external" => !self.any("customer") || self.begin(who).zip(entered).is_some_and(|(at, to)| at < to),
            "user" | "agent" => !self.any("customer") && !self.any("external") && self.first_inside == Some(who),
            _ => false,
        }
    }

    fn works(&self, who: usize) -> bool {
        let person = self.people[who];
        ["user", "agent"].contains(&person.purpose.as_str()) && !person.listens.1 && !self.is_outside(who, None)
    }
}

fn was_there(stay: &Stay, at: i64) -> bool {
    stay.begin <= at && stay.end.is_none_or(|end| end >= at)
}

impl Count {
    fn add(&mut self, queue: &str, at: i64, name: &'static str, number: i64) {
        let window = (queue.to_owned(), at - at.rem_euclid(60_000));
        *self.windows.entry(window).or_default().entry(name).or_default() += number;
    }

    fn of(seen: &Seen, as_of: i64, short: i64, level: i64) -> Count {
        let mut count = Count {
            as_of,
            short,
            level,
            ..Count::default()
        };
        for people in seen.conversations.values() {
            let story = Story::of(people.values().collect());
            let entered = story.visits.last().map(|v| v.begin);
            let active = |s: &Stay| s.end.is_none() && story.is_outside(s.who, entered);
            count.active += i64::from(story.stays.iter().any(active));
            for (i, visit) in story.visits.iter().enumerate() {
                let next = story.visits[i + 1..].iter().find(|v| v.queue == visit.queue);
                count.visit(&story, visit, next.map_or(i64::MAX, |v| v.begin));
            }
            for stay in story.stays.iter().filter(|s| story.works(s.who)) {
                count.work(&story, stay);
            }
        }
        count
    }

    fn visit(&mut self, story: &Story<'_>, visit: &Stay, next: i64) {
        let (queue, entered) = (visit.queue.clone().unwrap(), visit.begin);
        self.add(&queue, entered, "offered", 1);
        let outside: Vec<&Stay> = (story.stays.iter())
            .filter(|s| story.is_outside(s.who, Some(entered)))
            .collect();
        let waits_for = |at: i64, left: i64| {
            outside
                .iter()
                .any(|s| was_there(s, left) && s.end.is_none_or(|end| end > at))
        };
        let in_time = |at: &i64| {
            let late = |left| *at <= left + 5_000 || (*at <= left + 60_000 && waits_for(*at, left));
            (entered..next).contains(at) && visit.end.is_none_or(late)
        };
        let here = |s: &&Stay| story.works(s.who) && s.queue == visit.queue;
        if let Some(at) = story.stays.iter().filter(here).map(|s| s.begin).filter(in_time).min() {
            self.add(&queue, at, "answered", 1);
            self.add(&queue, at, "speed", at - entered);
            self.add(&queue, at, "in_time", i64::from(at - entered <= self.level));
            return;
        }
        let Some(left) = visit.end else {
            self.live.entry(queue).or_default()[0] += 1;
            return;
        };
        let there = outside.iter().filter(|s| was_there(s, left));
        let gone = there
            .map(|s| s.end.unwrap_or(i64::MAX - 5_000))
            .max()
            .unwrap_or(left)
            .max(left);
        let elsewhere = story.stays.iter().any(|s| {
            let ignored = s.who == visit.who || story.is_outside(s.who, Some(entered)) || here(&s);
            let listens = story.people[s.who].listens.1;
            let in_time = s.begin >= entered && s.begin <= gone + 5_000;
            !ignored && !listens && in_time && s.end.is_none_or(|end| end > left)
        });
        let is_callback = |s: &Stay| s.contacts.iter().any(|c| c.is_callback);
        let called_back = story.people.iter().flat_map(|p| p.contacts.values()).any(|c| {
            let after = |at: Option<i64>| at.is_some_and(|at| at >= entered);
            c.is_callback && (after(c.scheduled) || after(c.connected))
        });
        let near = |s: &Stay| s.end.is_none() && (was_there(s, left) || (s.begin - left).abs() <= 5_000);
        if elsewhere || (!is_callback(visit) && called_back) {
            self.add(&queue, left, "flow_out", 1);
        } else if !outside.iter().any(|s| near(s)) {
            self.add(&queue, left, "abandoned", 1);
            self.add(&queue, left, "patience", left - entered);
            self.add(&queue, left, "short_abandoned", i64::from(left - entered < self.short));
        }
    }

    fn work(&mut self, story: &Story<'_>, stay: &Stay) {
        let Some(queue) = stay.queue.clone() else { return };
        let any = |test: &dyn Fn(&Contact) -> bool| stay.contacts.iter().any(test);
        let began = stay.contacts.iter().filter_map(|c| c.work.0).min();
        let done = stay.contacts.iter().filter_map(|c| c.work.1).max();
        let live = self.live.entry(queue.clone()).or_default();
        let Some(end) = stay.end else {
            live[1] += 1;
            return;
        };
        if began.is_some() && done.is_none() {
            live[2] += 1;
            return;
        }
        let expected = match stay.is_last {
            true => story.people[stay.who].expected.1,
            false => any(&|c| c.required),
        };
        let settled = done.is_some() || any(&|c| c.settled || c.code) || self.as_of >= end + 600_000;
        if expected && !settled {
            return;
        }
        let at = done.unwrap_or(end).max(end);
        let work = began.zip(done).map_or(0, |(began, done)| done - began);
        self.add(&queue, at, "handled", 1);
        self.add(&queue, at, "handle", end - stay.begin + work);
        self.add(&queue, at, "transferred", i64::from(any(&|c| c.transfer)));
        self.add(&queue, at, "wrapups", i64::from(done.is_some() || any(&|c| c.code)));
    }
}

/// Compares our numbers with the fields of `/sim/truth`.
fn compare(where_: &str, mine: &Numbers, truth: &Value) {
    let n = |name: &str| mine.get(name).copied().unwrap_or_default();
    for name in [
        "offered",
        "answered",
        "abandoned",
        "short_abandoned",
        "flow_out",
        "handled",
        "transferred",
        "wrapups",
    ] {
        assert_eq!(truth[name], n(name), "{name} of {where_}");
    }
    let means = [
        (
            "average_wait_secs",
            n("speed") + n("patience"),
            n("answered") + n("abandoned"),
            1000.0,
        ),
        ("average_speed_of_answer_secs", n("speed"), n("answered"), 1000.0),
        ("average_handle_secs", n("handle"), n("handled"), 1000.0),
        (
            "service_level_percent",
            n("in_time"),
            n("answered") + n("abandoned") - n("short_abandoned"),
            0.01,
        ),
    ];
    for (name, sum, of, unit) in means {
        match truth[name].as_f64() {
            None => assert_eq!(of, 0, "{name} of {where_}"),
            Some(mean) => assert!(
                (mean - sum as f64 / of as f64 / unit).abs() < 1e-9,
                "{name} of {where_}: {mean}"
            ),
        }
    }
}

fn check(sim: &Simulator, seen: &Seen) -> Value {
    let call = "/sim/truth?granularity=PT1M&service_level_secs=12.5&short_abandon_secs=10&keep=10000";
    let truth = http(sim, "GET", call, &[], "").json();
    let mine = Count::of(seen, ms(&truth["as_of"]).unwrap(), 10_000, 12_500);
    assert_eq!(truth["totals"]["active_conversations"], mine.active);
    let mut windows = 0;
    let mut all = Numbers::new();
    for (id, name) in sim.queues() {
        let queue = &truth["queues"][&id];
        let mut totals = Numbers::new();
        for window in queue["windows"].as_array().unwrap() {
            let start = ms(&window["start"]).unwrap();
            let numbers = mine.windows.get(&(id.clone(), start)).cloned().unwrap_or_default();
            windows += usize::from(!numbers.is_empty());
            compare(&format!("{name} {}", window["start"]), &numbers, window);
            numbers.iter().for_each(|(key, n)| *totals.entry(key).or_default() += n);
        }
        compare(&name, &totals, &queue["totals"]);
        totals.iter().for_each(|(key, n)| *all.entry(key).or_default() += n);
        let live = ["waiting", "interacting", "after_call_work"].map(|key| queue[key].as_i64().unwrap());
        assert_eq!(live, mine.live.get(&id).copied().unwrap_or_default(), "{name}");
    }
    assert_eq!(windows, mine.windows.len(), "no window of ours is missing there");
    compare("all", &all, &truth["all_queues"]["totals"]);
    truth
}

/// Reads on until the state says so and everything sent before has come.
fn read_until(sim: &Simulator, socket: &mut Socket, seen: &mut Seen, state: &str) {
    until_true(state, || {
        let is_so = http(sim, "GET", "/sim/state", &[], "").json()[state] == true;
        say(socket, &json!({"message": "ping"}));
        until(socket, |frame| {
            seen.frame(frame);
            (frame["eventBody"]["message"] == "pong").then_some(())
        });
        is_so
    });
}

/// The paths where two answers differ: a failure should not print both answers.
fn differences(path: &str, one: &Value, two: &Value) -> Vec<String> {
    let keys = |v: &Value| -> Vec<String> { v.as_object().map_or_else(Vec::new, |o| o.keys().cloned().collect()) };
    if one == two {
        return Vec::new();
    }
    if one.is_object() && keys(one) == keys(two) {
        let inner = keys(one).into_iter();
        return inner
            .flat_map(|k| differences(&format!("{path}/{k}"), &one[&k], &two[&k]))
            .collect();
    }
    match (one.as_array(), two.as_array()) {
        (Some(a), Some(b)) if a.len() == b.len() => (0..a.len())
            .flat_map(|i| differences(&format!("{path}/{i}"), &a[i], &b[i]))
            .collect(),
        _ => vec![format!("{path}: {one} / {two}")],
    }
}

/// A socket for all queues' conversations that hears them already, before the first of them begins.
fn listen(sim: &Simulator) -> Socket {
    let client = log_in(sim);
    let queues = sim.queues();
    let topics: Vec<String> = queues
        .iter()
        .map(|(id, _)| format!("v2.routing.queues.{id}.conversations"))
        .collect();
    let (id, uri) = client.channel();
    assert_eq!(client.subscribe("PUT", &id, "", &topics).status, 200);
    let mut socket = connect(sim, &uri);
    say(&mut socket, &json!({"message": "ping"}));
    until(&mut socket, |f| (f["eventBody"]["message"] == "pong").then_some(()));
    socket
}

fn empty() -> Builder {
    sim().warm_up(Duration::ZERO).arrivals_per_sec(0.0)
}

#[test]
fn truth_is_what_the_frames_tell_while_it_goes_on_and_at_the_end() {
    let sim = empty().speed(200.0).start().unwrap();
    let mut socket = listen(&sim);
    let mut seen = Seen::default();
    sim.control("reorder?percent=20").unwrap();
    sim.control("duplicate?percent=20").unwrap();
    sim.control("load?per_second=0.9").unwrap();
    while seen.conversations.len() < 1_000 {
        until(&mut socket, |frame| {
            seen.frame(frame);
            Some(())
        });
    }
    sim.control("pause").unwrap();
    read_until(&sim, &mut socket, &mut seen, "settled");
    let truth = check(&sim, &seen);
    assert!(truth["totals"]["active_conversations"].as_u64().unwrap() > 5, "{truth}");
    sim.control("pause?on=0").unwrap();
    sim.control("drain").unwrap();
    read_until(&sim, &mut socket, &mut seen, "quiet");
    let truth = check(&sim, &seen);
    let all = &truth["all_queues"]["totals"];
    assert_eq!(truth["conversations"], seen.conversations.len());
    for name in [
        "answered",
        "abandoned",
        "short_abandoned",
        "flow_out",
        "transferred",
        "wrapups",
    ] {
        assert!(all[name].as_u64().unwrap() > 0, "{name}: {all}");
    }
    let sum = ["answered", "abandoned", "flow_out"]
        .iter()
        .map(|k| all[*k].as_u64().unwrap())
        .sum::<u64>();
    assert_eq!(all["offered"], sum, "at the end every visit is decided");
    assert_eq!(truth["totals"]["active_conversations"], 0);
}

#[test]
fn truth_of_the_past_of_some_queues_and_of_later_conversations() {
    let sim = sim().speed(50.0).epoch_ms(1_777_903_500_000).start().unwrap();
    sim.control("drain").unwrap();
    let ask = |parameters: &str| http(&sim, "GET", &format!("/sim/truth?{parameters}"), &[], "");
    let epoch = "as_of=2026-05-04T14:05:00.000Z";
    // The past stays as it was, whatever has happened since.
    let then = ask(epoch).json();
    let state = |name: &str| http(&sim, "GET", "/sim/state", &[], "").json()[name].clone();
    until_true("most are over", || state("conversations_open").as_u64().unwrap() <= 20);
    assert_eq!(differences("", &then, &ask(epoch).json()), [""; 0]);
    let mut query = TruthQuery::default();
    query.as_of_ms = Some(1_777_903_500_000);
    // Through text as well, since reading a number back may change its last digit.
    let direct: Value = serde_json::from_str(&sim.truth(&query).to_string()).unwrap();
    assert_eq!(differences("", &then, &direct), [""; 0]);
    let n = |v: &Value, key: &str| v["all_queues"]["totals"][key].as_u64().unwrap();
    assert!(n(&then, "offered") > 100 && then["totals"]["waiting"].as_u64().unwrap() > 0);
    // Without the five minutes before: those open at the epoch are left.
    let later = ask(&format!("{epoch}&since=2026-05-04T14:05:00Z")).json();
    assert!(n(&later, "offered") < n(&then, "offered"));
    assert_eq!(later["totals"], then["totals"]);
    let (id, _) = &sim.queues()[1];
    let one = ask(&format!("{epoch}&queue={id}")).json();
    assert_eq!(one["queues"].as_object().unwrap().len(), 1);
    assert_eq!(one["queues"][id], then["queues"][id]);
    for wrong in [
        "granularity=1M",
        "as_of=2100-01-01T00:00:00Z",
        "since=now",
        "queue=x",
        "service_level_secs=-1",
        "x=1",
    ] {
        assert_eq!(ask(wrong).status, 400, "{wrong}");
    }
}
