//! The webhook against receivers that take, refuse, fail and hang: the stream never waits for them.
//!
//! In: a scripted peer that is both the organisation and the receiver · Out: verdicts · Thread: the test's.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use genesys_stream::{ConfigBuilder, ConnectionState, Moment, Protocol};
use serde_json::{Value, json};

use crate::support::peer::{Answer, Asked, Behaviour, Log, Running, event, notification, peer, queues, sockets};
use crate::support::{STOP_LIMIT, against_the_clock, config, for_all_protocols, watch};

const HOOK: &str = "/hook?token=hunter2";

/// An organisation that sends these texts, and whose receiver answers so.
fn receiver(texts: Vec<String>, answer: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static) -> Running {
    let socket = sockets(vec![Behaviour::Well(texts)]);
    let posts = AtomicUsize::new(0);
    peer(move |asked, peer| {
        if asked.is("POST", "/hook") {
            return Some(answer(asked, posts.fetch_add(1, Ordering::SeqCst)));
        }
        socket(asked, peer)
    })
}

fn taken() -> Answer {
    Answer::Json(200, json!({}))
}

fn hooked(peer: &Running, protocol: Protocol, more: &str) -> ConfigBuilder {
    let webhook = format!(r#"{{"outputs":{{"webhook":{{"url":"{}{HOOK}"{more}}}}}}}"#, peer.url());
    config(&peer.url(), protocol).json("webhook.json", webhook)
}

fn posts(log: &Log) -> Vec<Asked> {
    log.asked.iter().filter(|a| a.is("POST", "/hook")).cloned().collect()
}

fn body(asked: &Asked) -> Value {
    serde_json::from_str(&asked.body).expect("one JSON object")
}

fn is_last(asked: &Asked) -> bool {
    body(asked)["connection"]["state"] == "stopped"
}

/// For the last post there are 350 ms.
#[test]
fn every_snapshot_is_posted_signed_and_the_last_one_too() {
    for_all_protocols(|protocol| against_the_clock(|_| snapshots_are_posted(protocol)));
}

fn snapshots_are_posted(protocol: Protocol) {
    let peer = receiver(vec![event(protocol, 1)], |_, _| taken());
    let secret = std::env::temp_dir().join(format!("gs-hook-{}-{}", std::process::id(), protocol.as_str()));
    std::fs::write(&secret, "Jefe\n").unwrap();
    let more = format!(r#","secret_file":"{}""#, secret.display());
    let stream = watch(hooked(&peer, protocol, &more));
    std::fs::remove_file(&secret).unwrap();
    stream.until("applied and posted", |s| {
        s.counters.events_applied == 1 && s.outputs["webhook"].written >= 3
    });
    let report = stream.stop();
    assert!(report.abandoned.is_empty(), "{:?}", report.abandoned);
    let posts = posts(&peer.log());
    let mut before = 0;
    for post in &posts {
        let revision: u64 = post.header("x-genesys-stream-revision").unwrap().parse().unwrap();
        assert_eq!(body(post)["revision"], revision);
        assert!(revision > before, "{revision} after {before}");
        before = revision;
        let key = ring_key(b"Jefe");
        let given = post.header("x-genesys-stream-signature").unwrap();
        assert_eq!(given, format!("sha256={}", hex(&key, post.body.as_bytes())));
        assert_eq!(post.header("content-type"), Some("application/json"));
    }
    assert!(is_last(posts.last().unwrap()));
    assert_eq!(body(posts.last().unwrap())["revision"], report.snapshot.revision);
}

fn ring_key(key: &[u8]) -> ring::hmac::Key {
    ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key)
}

fn hex(key: &ring::hmac::Key, bytes: &[u8]) -> String {
    let tag = ring::hmac::sign(key, bytes);
    tag.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

/// After a failure it is tried again, with the newest snapshot; those in between are missed.
#[test]
fn a_failing_receiver_gets_the_newest_state_later() {
    let peer = receiver(vec![], |_, n| match n {
        0 => Answer::WithHeader(503, ("Retry-After", "1".to_owned()), json!({})),
        _ => taken(),
    });
    let stream = watch(hooked(&peer, Protocol::Events, ""));
    let (first, second) = peer.until("the second post", |log| {
        let posts = posts(log);
        Some((posts.first()?.clone(), posts.get(1)?.clone()))
    });
    assert!(second.at - first.at >= Duration::from_secs(1), "Retry-After is obeyed");
    let newer_by = body(&second)["revision"].as_u64().unwrap() - body(&first)["revision"].as_u64().unwrap();
    assert!(
        newer_by > 1,
        "the snapshot after the first is not the newest a second later: {newer_by}"
    );
    let s = stream.until("counted", |s| s.outputs["webhook"].written > 0);
    assert!(s.outputs["webhook"].missed >= newer_by - 1, "{:?}", s.outputs);
    stream.stop();
}

/// A receiver that accepts and never answers: neither the stream nor its stop waits.
#[test]
fn a_hanging_receiver_holds_up_nothing() {
    for_all_protocols(|protocol| against_the_clock(|_| hangs(protocol)));
}

fn hangs(protocol: Protocol) {
    let texts = (0..300).map(|n| event(protocol, n)).collect();
    let peer = receiver(texts, |_, _| Answer::Nothing);
    let stream = watch(hooked(&peer, protocol, r#","timeout_secs":300"#));
    let applied = stream.until("all applied", |s| s.counters.events_applied == 300);
    peer.until("a post", |log| (!posts(log).is_empty()).then_some(()));
    stream.until("the callback gets snapshots", |s| s.revision > applied.revision + 20);
    let report = stream.stop_within(STOP_LIMIT);
    assert_eq!(report.snapshot.counters.events_applied, 300);
    assert_eq!(report.snapshot.outputs["webhook"].written, 0);
    // The unanswered post was given up for the last one.
    let posts = posts(&peer.log());
    assert!(is_last(posts.last().unwrap()));
}

#[test]
fn events_go_in_order_at_most_500_a_post_and_without_holes() {
    against_the_clock(|_| events_are_posted());
}

fn events_are_posted() {
    let topic = "v2.users.7a1b0c2d-0000-4000-8000-000000000001.presence";
    let text = |n: usize| {
        let body = json!({"source": format!("{n}"), "name": "Erika",
            "presenceDefinition": {"id": "p", "systemPresence": "AVAILABLE"}});
        notification(topic, &body)
    };
    let texts = (0..1500).map(text).collect();
    let peer = receiver(texts, |_, n| match n {
        // It is tried again unchanged.
        1 => Answer::Json(500, json!({})),
        _ => taken(),
    });
    let builder = hooked(&peer, Protocol::Notifications, r#","on":"events""#).redacted();
    let stream = watch(builder);
    stream.until("all posted", |s| {
        s.counters.events_applied == 1500 && s.outputs["webhook"].written >= 1500
    });
    stream.stop();
    let posts = posts(&peer.log());
    let (mut seq, mut last, mut revision) = (0, Value::Null, 0);
    for (number, post) in posts.iter().enumerate() {
        assert_eq!(post.header("content-type"), Some("application/x-ndjson"));
        assert!(post.body.lines().count() <= 500);
        assert!(!post.body.contains("Erika"));
        if number == 1 {
            assert_eq!(post.body, posts[2].body, "the same again");
            continue;
        }
        let given: u64 = post.header("x-genesys-stream-revision").unwrap().parse().unwrap();
        assert_eq!(given, revision + 1);
        revision = given;
        for line in post.body.lines() {
            last = serde_json::from_str(line).expect("JSON");
            if last["record"] == "event" {
                seq += 1;
                assert_eq!(last["seq"], seq);
                assert_eq!(last["body"]["source"], format!("{}", seq - 1));
            }
        }
    }
    assert_eq!(seq, 1500);
    assert_eq!(last["record"], "snapshot");
    assert_eq!(last["connection"]["state"], "stopped");
}

/// Of a stream with events and snapshots the alerts alone are posted, each as it begins and as it ends.
#[test]
fn alerts_alone_are_posted_where_those_are_asked_for() {
    let (queue, topic) = ("sales", "v2.routing.queues.sales.conversations");
    let begin = Moment::now().minus(Duration::from_secs(60)).to_string();
    let text = notification(
        topic,
        &json!({"id": "c", "participants": [
            {"id": "p", "purpose": "customer", "connectedTime": begin},
            {"id": "a", "purpose": "acd", "connectedTime": begin, "queueId": queue},
        ]}),
    );
    let socket = sockets(vec![Behaviour::Well(vec![text])]);
    let peer = peer(move |asked, peer| match asked {
        _ if asked.is("POST", "/hook") => Some(taken()),
        _ if asked.is("GET", "/api/v2/routing/queues") => Some(queues(&[(queue, "Sales")])),
        _ => socket(asked, peer),
    });
    let json = json!({
        "thresholds": {"queues": {"Sales": {"waiting": [1, 2], "longest_wait_secs": [10, 20], "for_secs": 0}}},
        "outputs": {"webhook": {"url": format!("{}{HOOK}", peer.url()), "on": "alerts"}},
    });
    let builder = config(&peer.url(), Protocol::Notifications).queue("Sales");
    let stream = watch(builder.json("alerts.json", json.to_string()));
    let snapshot = stream.until("both posted", |s| {
        s.outputs.get("webhook").is_some_and(|webhook| webhook.written >= 2)
    });
    let shown = serde_json::to_value(&snapshot.queues[&genesys_stream::Id::new(queue)].alerts).expect("JSON");
    assert_eq!(
        (&shown["waiting"]["level"], &shown["waiting"]["value"]),
        (&json!("amber"), &json!(1))
    );
    stream.stop();
    let posts = posts(&peer.log());
    let records = posts.iter().flat_map(|post| {
        assert_eq!(post.header("content-type"), Some("application/x-ndjson"));
        let lines = post
            .body
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        lines.collect::<Vec<_>>()
    });
    let told: Vec<_> = records
        .map(|record| {
            let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
            assert_eq!(
                (text("record"), text("queue_id"), text("queue")),
                ("alert".into(), queue.into(), "Sales".into())
            );
            (text("name"), text("state"), text("level"), record["threshold"].clone())
        })
        .collect();
    let row = |name: &str, level: &str, threshold: i64| {
        (name.to_owned(), "firing".to_owned(), level.to_owned(), json!(threshold))
    };
    assert_eq!(told, [row("waiting", "amber", 1), row("longest_wait_secs", "red", 20)]);
}

/// A body that the receiver will never take is given up, and the next one tried.
#[test]
fn a_refused_batch_is_missed_and_the_next_goes_on() {
    against_the_clock(|_| a_batch_is_refused());
}

fn a_batch_is_refused() {
    let texts = (0..3).map(|n| event(Protocol::Events, n)).collect();
    let peer = receiver(texts, |_, n| match n {
        0 => Answer::Json(413, json!({})),
        _ => taken(),
    });
    let stream = watch(hooked(&peer, Protocol::Events, r#","on":"events""#));
    // The first batch may be the record of the state "connecting" alone, so it may be refused before the stream is on.
    stream.until("refused, and the stream goes on", |s| {
        s.outputs["webhook"].missed > 0
            && s.connection.state == ConnectionState::Streaming
            && s.counters.events_applied == 3
    });
    stream.stop();
    let posts = posts(&peer.log());
    let last = posts.last().unwrap();
    assert!(last.body.lines().last().unwrap().contains("\"stopped\""));
    let revisions = posts
        .iter()
        .map(|post| post.header("x-genesys-stream-revision").unwrap().to_owned());
    let numbers = (1..=posts.len()).map(|number| number.to_string());
    assert!(revisions.eq(numbers), "a batch after a refused one has a new number");
}

/// Path and query of the address may hold a secret and are never shown.
#[cfg(all(unix, feature = "cli"))]
#[test]
fn its_address_is_not_shown() {
    use crate::support::process::program;
    let peer = receiver(vec![], |_, _| Answer::Json(503, json!({})));
    let (url, hook) = (peer.url(), format!("{}/hook/hunter1?token=hunter2", peer.url()));
    let flags = ["run", "--region", &url, "--webhook", &hook, "--output", "none", "-vv"];
    let variables = [
        ("GENESYS_CLIENT_ID", "simulator"),
        ("GENESYS_CLIENT_SECRET", "simulator"),
    ];
    let running = program(&flags, &variables);
    // The second post follows the complaint about the first.
    peer.until("a second post", |log| (posts(log).len() > 1).then_some(()));
    running.signal("TERM");
    let ended = running.wait();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let said = ended
        .stderr
        .lines()
        .find(|line| line.contains("output webhook: "))
        .expect("a complaint");
    assert!(said.contains("503") && said.contains(&url), "{said}");
    assert!(!ended.stderr.contains("hunter"), "{}", ended.stderr);
}
