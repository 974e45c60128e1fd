//! What the centre sends: kinds, determinism, floods, slow readers.
//!
//! In: a running simulator · Out: verdicts · Thread: the test's.

use super::*;
use std::collections::BTreeSet;

#[test]
fn all_four_kinds_of_traffic_come_within_ten_seconds() {
    against_the_clock(|_| {
        let began = Instant::now();
        all_four_kinds_come();
        let took = began.elapsed();
        assert!(took < Duration::from_secs(10), "{took:?}");
    });
}

fn all_four_kinds_come() {
    let sim = Simulator::builder().start().unwrap();
    let client = log_in(&sim);
    let mut topics: Vec<String> = Vec::new();
    for queue in ids(&client.get("/api/v2/routing/queues?pageSize=100")) {
        topics.push(format!("v2.routing.queues.{queue}.conversations"));
        topics.push(format!("v2.analytics.queues.{queue}.observations"));
    }
    for user in ids(&client.get("/api/v2/users?pageSize=100")) {
        topics.push(format!("v2.users.{user}?presence&routingStatus"));
    }
    let (id, uri) = client.channel();
    assert_eq!(client.subscribe("PUT", &id, "", &topics).status, 200);
    let mut socket = connect(&sim, &uri);
    let mut missing: BTreeSet<&str> = [".conversations", ".observations", ".presence", ".routingStatus"].into();
    until(&mut socket, |frame| {
        let topic = frame["topicName"].as_str()?;
        missing.retain(|kind| !topic.ends_with(kind));
        if topic.ends_with(".conversations") {
            assert_eq!(frame["eventBody"]["participants"][0]["purpose"], "customer");
        }
        assert!(frame["metadata"]["CorrelationId"].is_string() || topic == "channel.metadata");
        missing.is_empty().then_some(())
    });
}

#[test]
fn the_same_seed_and_time_give_the_same_facts() {
    let epoch = 1_777_903_500_000;
    let facts = |seed: u64| {
        // It hardly goes on while it is asked.
        let sim = sim().seed(seed).epoch_ms(epoch).speed(0.01).start().unwrap();
        let client = log_in(&sim);
        let mut all = Vec::new();
        for page in 1.. {
            let query = json!({
                "interval": "2026-05-04T00:00:00.000Z/2026-05-05T00:00:00.000Z",
                "paging": {"pageSize": 100, "pageNumber": page},
                "conversationFilters": [{"type": "and", "predicates": [{"dimension": "conversationEnd", "operator": "exists"}]}],
            });
            let answer = client
                .call("POST", "/api/v2/analytics/conversations/details/query", &query)
                .json();
            let hits = answer["conversations"].as_array().unwrap().clone();
            if hits.is_empty() {
                break;
            }
            // What ended before the start is the same however long the simulator has been running.
            all.extend(
                hits.into_iter()
                    .filter(|c| c["conversationEnd"].as_str().unwrap() < "2026-05-04T14:05:00.000Z"),
            );
        }
        all
    };
    let one = facts(7);
    assert!(one.len() > 50, "{}", one.len());
    assert_eq!(one, facts(7));
    assert_ne!(one, facts(8));
}

#[test]
fn a_flood_arrives_whole() {
    // No other events: the centre is at rest.
    let sim = sim().warm_up(Duration::ZERO).arrivals_per_sec(0.0).start().unwrap();
    let client = log_in(&sim);
    let topics: Vec<String> = sim
        .queues()
        .iter()
        .map(|(id, _)| format!("v2.routing.queues.{id}.conversations"))
        .collect();
    let (id, uri) = client.channel();
    client.subscribe("PUT", &id, "", &topics);
    let mut socket = connect(&sim, &uri);
    say(&mut socket, &json!({"message": "ping"}));
    until(&mut socket, |f| (f["eventBody"]["message"] == "pong").then_some(()));
    std::thread::scope(|scope| {
        let flood = scope.spawn(|| http(&sim, "POST", "/sim/flood?events=2000&bytes=3000", &[], "").json());
        let (mut events, mut bytes) = (0, 0);
        while events < 2000 {
            let frame = socket.read().unwrap();
            if frame.to_text().unwrap().contains(".conversations\"") {
                events += 1;
                bytes += frame.len();
            }
        }
        assert!(bytes / 2000 > 2500, "{}", bytes / 2000);
        assert_eq!(flood.join().unwrap()["sent"], 2000);
    });
    let state = http(&sim, "GET", "/sim/state", &[], "").json();
    assert!(state["frames_sent"].as_u64().unwrap() >= 2000);
    assert_eq!(state["sockets"]["notifications"], 1);
}

#[test]
fn who_reads_nothing_is_cut_off() {
    let sim = sim().socket_frames(16).start().unwrap();
    let client = log_in(&sim);
    let topics: Vec<String> = sim
        .queues()
        .iter()
        .map(|(id, _)| format!("v2.routing.queues.{id}.conversations"))
        .collect();
    let (id, uri) = client.channel();
    client.subscribe("PUT", &id, "", &topics);
    let mut socket = connect(&sim, &uri);
    say(&mut socket, &json!({"message": "ping"}));
    until(&mut socket, |f| (f["eventBody"]["message"] == "pong").then_some(()));
    http(&sim, "POST", "/sim/load?per_second=3000", &[], "");
    until_true("it is cut off", || {
        http(&sim, "GET", "/sim/state", &[], "").json()["sockets"]["notifications"] == 0
    });
    http(&sim, "POST", "/sim/load?per_second=0", &[], "");
    end(&mut socket);
}
