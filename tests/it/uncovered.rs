//! Ways of being deaf that look like a stream: topics refused or gone, a process that was stopped, queues that are none.
//!
//! In: a simulator, a scripted peer, the program as a child · Out: verdicts · Thread: the test's.

use std::time::Duration;

use genesys_stream::{ConnectionState, Gap, GapTopics, Protocol, Snapshot};
use serde_json::{Value, json};

use crate::support::peer::{Answer, QUEUES, peer, queues};
use crate::support::process::{program, signal_to};
use crate::support::{busy, config, control, start, watch};

const CREDENTIALS: [(&str, &str); 2] = [
    ("GENESYS_CLIENT_ID", "simulator"),
    ("GENESYS_CLIENT_SECRET", "simulator"),
];

fn topic_of(queue: &str) -> String {
    format!("v2.routing.queues.{queue}.conversations")
}

fn unknown(snapshot: &Snapshot, queue: &str) -> Option<String> {
    let queue = snapshot.queue(queue).expect("a queue");
    queue.unknown.as_ref().map(ToString::to_string)
}

fn gap_of<'a>(snapshot: &'a Snapshot, topic: &str) -> Option<&'a Gap> {
    let is_it =
        |gap: &&Gap| matches!(&gap.topics, GapTopics::Some(topics) if topics.iter().any(|other| other == topic));
    snapshot.connection.gaps.iter().find(is_it)
}

/// The rest streams; the refused topic is a gap from the start on, and is asked for again with the next reconnect.
#[test]
fn a_refused_topic_is_a_gap_of_its_own_until_it_is_granted() {
    let sim = start(busy());
    let (id, _) = sim.queues()[0].clone();
    let topic = topic_of(&id);
    control(&sim, &format!("forbid?topic={topic}"));
    let stream = watch(config(&sim.url(), Protocol::Notifications));
    let fed = stream.until_fed();
    let gap = gap_of(&fed, &topic).expect("a gap");
    assert_eq!(gap.topics, GapTopics::Some(vec![topic.clone()]));
    assert!(gap.to.is_none() && gap.cause.starts_with("refused: "), "{gap:?}");
    assert!(gap.from.millis_since(fed.started_at) < 100, "{gap:?}");
    assert!(
        unknown(&fed, &id).is_some_and(|why| why.starts_with("refused: ")),
        "{:?}",
        unknown(&fed, &id)
    );
    control(&sim, "forbid?clear=1");
    control(&sim, "reset");
    let granted = stream.until("granted", |s| gap_of(s, &topic).is_some_and(|gap| gap.to.is_some()));
    assert_eq!(granted.connection.state, ConnectionState::Streaming);
    let known = stream.until("known and repaired", |s| {
        unknown(s, &id).is_none() && gap_of(s, &topic).is_some_and(|gap| gap.repaired)
    });
    assert!(known.connection.refused_topics.is_empty());
    stream.stop();
}

/// The answer to the subscription does not name a topic.
#[test]
fn a_topic_that_the_answer_does_not_name_is_not_subscribed() {
    let sim = start(busy());
    let (id, _) = sim.queues()[0].clone();
    let topic = topic_of(&id);
    control(&sim, &format!("topic_missing?topic={topic}"));
    let stream = watch(config(&sim.url(), Protocol::Notifications));
    let fed = stream.until_fed();
    assert_eq!(unknown(&fed, &id).as_deref(), Some("not subscribed"));
    let gap = gap_of(&fed, &topic).expect("a gap");
    assert_eq!((gap.to, gap.cause.as_str()), (None, "not subscribed"));
    stream.stop();
}

/// The service drops all subscriptions and says so: they are read back, and the gap begins when they were known last.
#[test]
fn subscriptions_that_are_gone_are_noticed_and_made_again() {
    let sim = start(busy());
    let stream = watch(config(&sim.url(), Protocol::Notifications));
    let fed = stream.until_fed();
    control(&sim, "unsubscribe?tell=1");
    let gone = stream.until("the gap", |s| s.connection.gaps_total == 1);
    let gap = &gone.connection.gaps[0];
    assert_eq!(gap.topics, GapTopics::All);
    assert!(
        gap.from <= fed.generated_at && gap.cause.contains("subscriptions"),
        "{gap:?}"
    );
    let repaired = stream.until("repaired", |s| s.connection.gaps.iter().all(|gap| gap.repaired));
    assert_eq!((repaired.connection.gaps_total, repaired.connection.reconnects), (1, 0));
    let applied = repaired.counters.events_applied;
    stream.until("events again", |s| s.counters.events_applied > applied + 5);
    stream.stop();
}

/// They are gone when the channel is connected again: the gap does not end with the connection.
#[test]
fn a_reconnect_does_not_end_the_gap_of_subscriptions_that_are_gone() {
    let sim = start(busy());
    let stream = watch(config(&sim.url(), Protocol::Notifications));
    stream.until_fed();
    control(&sim, "unsubscribe");
    control(&sim, "reset");
    let back = stream.until_reconnected(1);
    let applied = back.counters.events_applied;
    stream.until("events again", |s| s.counters.events_applied > applied + 5);
    stream.stop();
}

fn record(line: &str, kind: &str) -> Option<Value> {
    let record: Value = serde_json::from_str(line).ok()?;
    (record["record"] == kind).then_some(record)
}

/// A stop of 2 s is no gap; one of 6 s is one of all topics, from before it to after it, and repaired.
#[test]
fn a_process_that_was_stopped_has_a_gap() {
    let sim = start(busy());
    let url = sim.url();
    let program = program(&["run", "--region", &url, "--output", "events"], &CREDENTIALS);
    let is_streaming = |line: &str| record(line, "state").is_some_and(|state| state["state"] == "streaming");
    program.line("streaming", is_streaming);
    let stop = |secs| {
        signal_to(program.id(), "STOP");
        // How long the stop lasts is what is tested; nothing waits for it.
        std::thread::sleep(Duration::from_secs(secs));
        let before = genesys_stream::Moment::now();
        signal_to(program.id(), "CONT");
        before
    };
    stop(2);
    let lines = program.lines_until("an event", |line| record(line, "event").is_some());
    assert!(lines.iter().all(|line| record(line, "gap").is_none()), "{lines:?}");
    let stopped = genesys_stream::Moment::now();
    let resumed = stop(6);
    let is_gap = |line: &str| record(line, "gap").is_some();
    let opened = record(&program.line("the gap", is_gap), "gap").expect("a gap");
    assert_eq!(
        (&opened["id"], &opened["topics"], &opened["to"]),
        (&json!(1), &json!("all"), &Value::Null)
    );
    let at = |value: &Value| genesys_stream::Moment::parse(value.as_str().expect("a time")).expect("a time");
    let from = at(&opened["from"]);
    assert!(
        from <= stopped.plus(Duration::from_millis(500)),
        "{opened} after {stopped}"
    );
    assert!(
        opened["cause"]
            .as_str()
            .is_some_and(|cause| cause.contains("stopped for")),
        "{opened}"
    );
    let closed = record(&program.line("its end", is_gap), "gap").expect("a gap");
    assert!(at(&closed["to"]) >= resumed, "{closed} before {resumed}");
    let repaired = record(&program.line("its repair", is_gap), "gap").expect("a gap");
    assert_eq!((&repaired["id"], &repaired["repaired"]), (&json!(1), &json!(true)));
    signal_to(program.id(), "TERM");
    assert_eq!(program.wait().code, 0);
}

/// An id that no listing contains is wrong like a name that none contains.
#[test]
fn an_unknown_id_ends_it_with_2() {
    let sim = start(busy());
    let (url, id) = (sim.url(), "00000000-0000-4000-8000-00000000abcd");
    let ended = program(&["run", "--region", &url, "--queue", id], &CREDENTIALS).wait();
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains(id), "{}", ended.stderr);
}

/// A listing that is refused says nothing about an id: it streams.
#[test]
fn an_id_streams_where_the_listing_is_refused() {
    let peer = peer(|asked, _| {
        let refusal = json!({"status": 403, "code": "missing.permissions", "message": "no"});
        asked.is("GET", "/routing/queues").then(|| Answer::Json(403, refusal))
    });
    let stream = watch(config(&peer.url(), Protocol::Notifications).queue(QUEUES[0].0));
    stream.until_streaming();
    stream.stop();
}

/// A named queue that is not listed any more is unknown, and known again when it is back.
#[test]
fn a_named_queue_that_is_gone_is_unknown() {
    let peer = peer(|asked, peer| {
        let listings = peer.log().count("GET", "/routing/queues");
        let is_gone = asked.is("GET", "/routing/queues") && (2..4).contains(&listings);
        is_gone.then(|| queues(&QUEUES[1..]))
    });
    let config = config(&peer.url(), Protocol::Notifications);
    let stream = watch(config.queue("Sales").refresh_queues_every(Duration::from_secs(1)));
    let gone = stream.until("gone", |s| {
        !s.queues.is_empty() && unknown(s, QUEUES[0].0).as_deref() == Some("gone")
    });
    assert_eq!(
        gone.queues[&genesys_stream::Id::new(QUEUES[0].0)].name.as_deref(),
        Some("Sales")
    );
    stream.until("listed again", |s| unknown(s, QUEUES[0].0).is_none());
    stream.stop();
}

/// An empty listing makes no name unknown, members of no queue are none, and entries that cannot be read are tried again soon.
#[test]
fn empty_and_unreadable_listings() {
    let empty = peer(|asked, _| asked.is("GET", "/routing/queues").then(|| queues(&[])));
    let stream = watch(config(&empty.url(), Protocol::Notifications).queue("Sales"));
    let waits = stream.until("it waits", |s| s.connection.state == ConnectionState::Backoff);
    assert!(
        waits
            .connection
            .cause
            .as_ref()
            .is_some_and(|cause| cause.contains("no queue is visible"))
    );
    stream.stop();

    let stream = watch(config(&empty.url(), Protocol::Notifications).user("queue-members"));
    let waits = stream.until("it waits", |s| s.connection.state == ConnectionState::Backoff);
    assert!(
        waits
            .connection
            .cause
            .as_ref()
            .is_some_and(|cause| cause.contains("no queue was asked for, and no topic"))
    );
    stream.stop();

    let unreadable = peer(|asked, peer| {
        let is_first = asked.is("GET", "/routing/queues") && peer.log().count("GET", "/routing/queues") == 1;
        is_first.then(|| Answer::Json(200, json!({"entities": [{"name": "no id"}]})))
    });
    let stream = watch(config(&unreadable.url(), Protocol::Notifications).queue("Sales"));
    stream.until_streaming();
    stream.stop();
}
