//! The three kinds of sockets: handshakes, answers, refusals.
//!
//! In: a running simulator · Out: verdicts · Thread: the test's.

use super::*;
use std::collections::BTreeSet;

#[test]
fn sockets_answer_pings_and_beat_and_the_second_kicks_the_first() {
    let sim = sim().heartbeat(Duration::from_millis(200)).start().unwrap();
    let client = log_in(&sim);
    assert_eq!(
        try_connect(&sim, &ws_url(&sim, "/channels/streaming-5-unknown"), None).err(),
        Some(404)
    );
    let (id, uri) = client.channel();
    assert_eq!(http(&sim, "GET", &format!("/channels/{id}"), &[], "").status, 426);
    let mut first = connect(&sim, &uri);
    first.send(Message::text("12:00:00")).unwrap();
    say(&mut first, &json!({"message": "ping"}));
    until(&mut first, |f| {
        (f["topicName"] == "channel.metadata" && f["eventBody"]["message"] == "pong").then_some(())
    });
    for _ in 0..2 {
        until(&mut first, |f| {
            (f["eventBody"]["message"] == "WebSocket Heartbeat").then_some(())
        });
    }
    first.send(Message::Ping("hello".into())).unwrap();
    let pong = loop {
        if let Message::Pong(payload) = first.read().unwrap() {
            break payload;
        }
    };
    assert_eq!(&pong[..], b"hello");

    say(
        &mut first,
        &json!({"message": "subscribe", "topics": ["v2.users.a.presence"], "correlationId": "c1"}),
    );
    let result = until(&mut first, |f| f["result"].is_string().then(|| f.clone()));
    assert_eq!(
        result,
        json!({"result": "200", "status": "subscribed", "correlationId": "c1"})
    );
    say(&mut first, &json!({"message": "subscribe", "topics": ["nonsense"]}));
    assert_eq!(until(&mut first, |f| f["result"].as_str().map(str::to_owned)), "400");
    say(
        &mut first,
        &json!({"message": "unsubscribe", "topics": ["v2.users.a.presence"]}),
    );
    assert_eq!(
        until(&mut first, |f| f["status"].as_str().map(str::to_owned)),
        "unsubscribed"
    );

    let mut second = connect(&sim, &uri);
    until(&mut first, |f| {
        (f["eventBody"]["reason"] == "another_channel_subscribed").then_some(())
    });
    assert_eq!(end(&mut first), Some(1000));
    until(&mut second, |f| {
        (f["eventBody"]["message"] == "WebSocket Heartbeat").then_some(())
    });
    second.close(None).unwrap();
    assert!(end(&mut second).is_some() || !second.can_read());
}

#[test]
fn the_events_socket_acknowledges_or_refuses() {
    let sim = sim().start().unwrap();
    let client = log_in(&sim);
    assert_eq!(
        try_connect(&sim, &ws_url(&sim, "/api/v2/events?access_token=wrong"), None).err(),
        Some(401)
    );
    assert_eq!(http(&sim, "GET", "/api/v2/events", &[], "").status, 426);
    let url = ws_url(&sim, &format!("/api/v2/events?access_token={}", client.token));
    let mut socket = connect(&sim, &url);
    for wrong in [
        json!({"type": "hello"}),
        json!({"type": "subscribe", "subscription": {"eventTypes": []}}),
        json!({"type": "subscribe", "subscription": {"eventTypes": ["unknown"]}}),
    ] {
        say(&mut socket, &wrong);
        assert_eq!(until(&mut socket, |f| Some(f["type"].clone())), "error", "{wrong}");
    }
    assert_eq!(http(&sim, "POST", "/sim/refuse_filters", &[], "").status, 200);
    let queue = sim.queues()[0].0.clone();
    let types = json!(["conversation:updated", "routing:queue:updated"]);
    say(
        &mut socket,
        &json!({"type": "subscribe", "subscription": {"eventTypes": types, "filters": {"routingQueueIds": [queue]}}}),
    );
    assert_eq!(until(&mut socket, |f| Some(f["status"].clone())), 403);
    say(
        &mut socket,
        &json!({"type": "subscribe", "subscription": {"eventTypes": types}}),
    );
    assert_eq!(until(&mut socket, |f| Some(f["type"].clone())), "ack");
    let mut kinds = BTreeSet::new();
    until(&mut socket, |f| {
        kinds.insert(f["event"]["type"].as_str()?.to_owned());
        let data = &f["event"]["data"];
        assert!(data["id"].is_string());
        assert!(data["state"].is_string() || data["statistics"]["averageWaitTime"].is_f64());
        (kinds.len() == 2).then_some(())
    });
    http(&sim, "GET", "/sim/error_frame?message=oops", &[], "");
    until(&mut socket, |f| {
        (f["type"] == "error" && f["message"] == "oops").then_some(())
    });
}

#[test]
fn the_metrics_socket_checks_its_payload_and_sends_what_was_asked() {
    let sim = sim().start().unwrap();
    let client = log_in(&sim);
    let url = ws_url(&sim, "/api/v2/analytics/conversations/details/query");
    assert_eq!(try_connect(&sim, &url, None).err(), Some(401));
    assert_eq!(try_connect(&sim, &url, Some("wrong")).err(), Some(401));
    let mut socket = try_connect(&sim, &url, Some(&client.token)).unwrap();
    let queue = sim.queues()[1].0.clone();
    let mut payload = json!({
        "metricTypes": ["queue", "agent"],
        "timeWindows": [{"start": "now-PT1H", "end": "now"}],
        "granularity": "PT1M",
        "metrics": ["offered", "serviceLevelPercent"],
        "entityFilters": {"queueIds": [queue]},
    });
    say(&mut socket, &json!({"metricTypes": ["nothing"]}));
    assert_eq!(until(&mut socket, |f| Some(f["status"].clone())), 400);
    say(&mut socket, &payload);
    let answer = until(&mut socket, |f| Some(f.clone()));
    assert!(answer["status"] == 200 && answer["connectionId"].is_string());
    let mut kinds = BTreeSet::new();
    until(&mut socket, |f| {
        let kind = f["metricType"].as_str()?.to_owned();
        assert!(f["timestamp"].is_string());
        assert_eq!(f["metrics"].as_array().unwrap().len(), 2);
        assert_eq!(f["metrics"][0]["name"], "offered");
        assert!(f["metrics"][0]["value"].as_f64().unwrap() > 0.0);
        if kind == "queue" {
            assert_eq!(f["queueId"], queue.as_str());
        }
        kinds.insert(kind);
        (kinds.len() == 2).then_some(())
    });
    payload["metrics"] = json!([]);
    say(&mut socket, &payload);
    assert_eq!(until(&mut socket, |f| f["status"].as_u64()), 400);
}
