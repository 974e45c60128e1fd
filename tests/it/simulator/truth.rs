//! The simulator's true numbers against a second count: from the frames alone, by the rules of `docs/numbers.md`.
//!
//! In: the frames of queue conversations · Out: verdicts on `/sim/truth` · Thread: the test's.

use super::*;
use std::collections::BTreeMap;

/// What the frames so far say about a participant; merged so that order and repetition do not matter.
#[derive(Default, Clone)]
struct Person {
    purpose: String,
    queue: Option<String>,
    connected: Option<i64>,
    ended: Option<i64>,
    after_call: (Option<i64>, Option<i64>),
    expected: bool,
    settled: bool,
    code: bool,
    transfer: bool,
}

#[derive(Default)]
struct Seen {
    conversations: BTreeMap<String, BTreeMap<String, Person>>,
    frames: usize,
}

fn ms(value: &Value) -> Option<i64> {
    let format = &time::format_description::well_known::Rfc3339;
    let at = time::OffsetDateTime::parse(value.as_str()?, format).unwrap();
    Some((at.unix_timestamp_nanos() / 1_000_000) as i64)
}

impl Seen {
    fn frame(&mut self, frame: &Value) {
        let topic = frame["topicName"].as_str().unwrap_or_default();
        if !topic.ends_with(".conversations") {
            return;
        }
        self.frames += 1;
        let body = &frame["eventBody"];
        let people = self
            .conversations
            .entry(body["id"].as_str().unwrap().to_owned())
            .or_default();
        for p in body["participants"].as_array().unwrap() {
            let person = people.entry(p["id"].as_str().unwrap().to_owned()).or_default();
            let medium = ["calls", "messages", "emails", "callbacks"]
                .iter()
                .find_map(|a| p[*a].get(0))
                .unwrap();
            person.purpose = p["purpose"].as_str().unwrap().to_owned();
            person.queue = p["queueId"].as_str().map(str::to_owned).or(person.queue.take());
            person.connected = person.connected.or(ms(&p["connectedTime"]));
            person.ended = person.ended.or(ms(&p["endTime"]));
            person.after_call.0 = person.after_call.0.or(ms(&p["startAcwTime"]));
            person.after_call.1 = person.after_call.1.or(ms(&p["endAcwTime"]));
            person.expected |= p["wrapupExpected"] == true;
            person.code |= p["wrapup"]["code"].is_string();
            let state = medium["afterCallWork"]["state"].as_str().unwrap_or_default();
            person.settled |= ["skipped", "notApplicable", "complete"].contains(&state);
            let how = medium["disconnectType"].as_str().unwrap_or_default();
            person.transfer |= how.contains("transfer") && how != "transfer.noanswer";
        }
    }
}

/// Counts and sums of milliseconds, under the truth's names.
type Numbers = BTreeMap<&'static str, i64>;

#[derive(Default)]
struct Count {
    /// By queue and begin of the minute.
    windows: BTreeMap<(String, i64), Numbers>,
    /// By queue: waiting, interacting, after-call work.
    live: BTreeMap<String, [i64; 3]>,
    active: i64,
}

impl Count {
    fn add(&mut self, queue: &str, at: i64, name: &'static str, number: i64) {
        let window = (queue.to_owned(), at - at.rem_euclid(60_000));
        *self.windows.entry(window).or_default().entry(name).or_default() += number;
    }

    fn of(seen: &Seen, short: i64, level: i64) -> Count {
        let mut count = Count::default();
        for people in seen.conversations.values() {
            count.conversation(&people.values().collect::<Vec<_>>(), short, level);
        }
        count
    }

    fn conversation(&mut self, people: &[&Person], short: i64, level: i64) {
        let customers = || people.iter().filter(|p| p.purpose == "customer");
        self.active += i64::from(customers().any(|p| p.connected.is_some() && p.ended.is_none()));
        let mut visits: Vec<&&Person> = people.iter().filter(|p| p.purpose == "acd").collect();
        visits.sort_by_key(|p| p.connected);
        let works_on =
            |p: &Person, q: &str| ["agent", "user"].contains(&p.purpose.as_str()) && p.queue.as_deref() == Some(q);
        for (i, visit) in visits.iter().enumerate() {
            let (queue, entered) = (visit.queue.as_deref().unwrap(), visit.connected.unwrap());
            let next = visits[i + 1..].iter().find(|v| v.queue == visit.queue);
            let next = next.map_or(i64::MAX, |v| v.connected.unwrap());
            let latest = visit.ended.map_or(i64::MAX, |left| left + 5000);
            self.add(queue, entered, "offered", 1);
            let answers = people.iter().filter(|p| works_on(p, queue)).filter_map(|p| p.connected);
            if let Some(at) = answers.filter(|at| (entered..next).contains(at) && *at <= latest).min() {
                self.add(queue, at, "answered", 1);
                self.add(queue, at, "speed", at - entered);
                self.add(queue, at, "in_time", i64::from(at - entered <= level));
                continue;
            }
            let Some(left) = visit.ended else {
                self.live.entry(queue.to_owned()).or_default()[0] += 1;
                continue;
            };
            let outside = |p: &Person| {
                p.purpose == "customer" || (p.purpose == "external" && p.connected.is_some_and(|at| at < entered))
            };
            let elsewhere = people.iter().any(|p| {
                let here = outside(p) || works_on(p, queue);
                !here && p.connected.is_some_and(|at| at >= entered) && p.ended.is_none_or(|end| end > left)
            });
            if elsewhere {
                self.add(queue, left, "flow_out", 1);
            } else if people.iter().filter(|p| outside(p)).all(|p| p.ended.is_some()) {
                self.add(queue, left, "abandoned", 1);
                self.add(queue, left, "patience", left - entered);
                self.add(queue, left, "short_abandoned", i64::from(left - entered < short));
            }
        }
        for p in people
            .iter()
            .filter(|p| ["agent", "user"].contains(&p.purpose.as_str()))
        {
            let (Some(queue), Some(connected)) = (&p.queue, p.connected) else {
                continue;
            };
            let (began, done) = p.after_call;
            let live = self.live.entry(queue.clone()).or_default();
            match p.ended {
                None => live[1] += 1,
                Some(_) if p.expected && !p.settled && done.is_none() && !p.code => live[2] += 1,
                Some(end) => {
                    let at = done.unwrap_or(end).max(end);
                    let work = began.zip(done).map_or(0, |(began, done)| done - began);
                    self.add(queue, at, "handled", 1);
                    self.add(queue, at, "handle", end - connected + work);
                    self.add(queue, at, "transferred", i64::from(p.transfer));
                    self.add(queue, at, "wrapups", i64::from(p.code || done.is_some()));
                }
            }
        }
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
    let mine = Count::of(seen, 10_000, 12_500);
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
    while seen.conversations.len() < 250 {
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
