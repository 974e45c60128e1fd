//! Login, listings, channels, subscriptions, details over REST.
//!
//! In: a running simulator · Out: verdicts · Thread: the test's.

use super::*;
use std::collections::BTreeSet;

#[test]
fn login_takes_basic_credentials_only_when_right() {
    let sim = sim().start().unwrap();
    let client = log_in(&sim);
    assert_eq!(client.get("/api/v2/tokens/me")["OAuthClient"]["name"], "simulator");
    for (authorization, form, status, error) in [
        (
            "Basic c2ltdWxhdG9yOndyb25n",
            "grant_type=client_credentials",
            401,
            "invalid_client",
        ),
        ("Bearer x", "grant_type=client_credentials", 401, "invalid_client"),
        (
            "Basic c2ltdWxhdG9yOnNpbXVsYXRvcg==",
            "grant_type=password",
            400,
            "unsupported_grant_type",
        ),
    ] {
        let answer = login(&sim, authorization, form);
        assert_eq!((answer.status, answer.json()["error"].as_str()), (status, Some(error)));
        assert!(answer.json()["description"].is_string() && answer.json()["error_description"].is_string());
    }
    assert_eq!(
        http(&sim, "GET", "/api/v2/users", &[], "").code(),
        "authentication.required"
    );
    assert_eq!(
        http(&sim, "GET", "/api/v2/users", &[("Authorization", "Bearer x")], "").code(),
        "bad.credentials"
    );
    assert_eq!(client.call("HEAD", "/api/v2/tokens/me", &Value::Null).status, 200);
    assert_eq!(client.call("DELETE", "/api/v2/tokens/me", &Value::Null).status, 200);
    assert_eq!(client.call("GET", "/api/v2/tokens/me", &Value::Null).status, 401);
}

#[test]
fn listings_are_paged_and_filtered() {
    let sim = sim().start().unwrap();
    let client = log_in(&sim);
    let first = client.get("/api/v2/routing/queues?pageSize=2");
    assert_eq!(
        (first["total"].as_u64(), first["pageCount"].as_u64()),
        (Some(5), Some(3))
    );
    let mut seen = ids(&first);
    let mut page = first;
    while let Some(next) = page["nextUri"].as_str().map(str::to_owned) {
        page = client.get(&next);
        seen.extend(ids(&page));
    }
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 5);
    assert_eq!(seen.len(), 5);
    assert_eq!(
        client.get("/api/v2/routing/queues?name=sal*")["entities"][0]["name"],
        "Sales"
    );
    assert_eq!(
        ids(&client.get(&format!("/api/v2/routing/queues?id={}&id={}", seen[0], seen[3]))).len(),
        2
    );
    let queue = client.get(&format!("/api/v2/routing/queues/{}", seen[0]));
    assert!(queue["mediaSettings"]["call"]["serviceLevel"]["durationMs"].is_u64());
    let members = client.get(&format!("/api/v2/routing/queues/{}/members?pageSize=3", seen[0]));
    assert!(members["total"].is_null() && members["pageCount"].is_null() && members["lastUri"].is_null());
    assert_eq!(ids(&members).len(), 3);
    let users = client.get("/api/v2/users?pageSize=100&expand=presence,routingStatus");
    assert_eq!(ids(&users).len(), 30);
    assert!(users["entities"][0]["presence"]["presenceDefinition"]["id"].is_string());
    let wrong = client.call("GET", "/api/v2/routing/queues?pageSize=501", &Value::Null);
    assert_eq!((wrong.status, wrong.code().as_str()), (400, "bad.request"));
    let missing = client.call(
        "GET",
        "/api/v2/routing/queues/00000000-0000-4000-8000-000000000000",
        &Value::Null,
    );
    assert_eq!((missing.status, missing.code().as_str()), (404, "not.found"));
    assert_eq!(client.get("/api/v2/conversations")["total"], 0);
}

#[test]
fn the_21st_channel_evicts_the_longest_unused_one_without_a_socket() {
    let sim = sim().start().unwrap();
    let client = log_in(&sim);
    let channels: Vec<_> = (0..20).map(|_| client.channel()).collect();
    // The oldest is in use, so the second has to go.
    let mut used = connect(&sim, &channels[0].1);
    say(&mut used, &json!({"message": "ping"}));
    until(&mut used, |f| (f["eventBody"]["message"] == "pong").then_some(()));
    client.channel();
    let alive = |id: &str| {
        client
            .call("HEAD", &format!("/api/v2/notifications/channels/{id}"), &Value::Null)
            .status
    };
    assert_eq!(
        (alive(&channels[0].0), alive(&channels[1].0), alive(&channels[2].0)),
        (200, 404, 200)
    );
    assert_eq!(try_connect(&sim, &channels[1].1, None).err(), Some(404));
    assert_eq!(
        client.get("/api/v2/notifications/channels")["entities"]
            .as_array()
            .unwrap()
            .len(),
        20
    );
    let other = log_in(&sim);
    assert_eq!(other.get("/api/v2/notifications/channels")["entities"], json!([]));
    let hidden = other.get("/api/v2/notifications/channels?includechannels=oauthclient");
    assert_eq!(hidden["entities"].as_array().unwrap().len(), 20);
    assert!(
        hidden["entities"]
            .as_array()
            .unwrap()
            .iter()
            .all(|c| c["id"].is_null() && c["connectUri"].is_null())
    );
}

#[test]
fn subscriptions_follow_the_rules() {
    let sim = sim()
        .forbidden_topics(vec!["forbidden".into()])
        .missing_permissions(vec!["routing:queue:view".into()])
        .start()
        .unwrap();
    let client = log_in(&sim);
    let (channel, _) = client.channel();
    let presence = |id: &str| format!("v2.users.{id}.presence");
    let many: Vec<String> = (0..1001).map(|i| presence(&format!("u{i}"))).collect();
    assert_eq!(
        client.subscribe("PUT", &channel, "?ignoreErrors=true", &many).code(),
        "notification.subscription.too.many.subscriptions"
    );
    assert_eq!(client.subscribe("PUT", &channel, "", &many[..1000]).status, 200);
    assert_eq!(client.subscribe("POST", &channel, "", &many[1000..]).status, 400);
    assert_eq!(
        client.subscribe("PUT", &channel, "", &["v2.nonsense".into()]).code(),
        "notification.invalid.topic"
    );
    let refused = client.subscribe("PUT", &channel, "", &[presence("a"), presence("forbidden")]);
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (403, "notification.unauthorized.topic")
    );
    let list = format!("/api/v2/notifications/channels/{channel}/subscriptions");
    assert_eq!(ids(&client.get(&list)).len(), 1000, "a refused request changes nothing");

    let mixed = [
        presence("a"),
        presence("forbidden"),
        "v2.routing.queues.q.users".into(),
        "v2.users.b?presence&routingStatus".into(),
    ];
    let answer = client.subscribe("PUT", &channel, "?ignoreErrors=true", &mixed).json();
    let states: Vec<_> = answer["entities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["Permitted", "Rejected", "Rejected", "Permitted"]);
    assert_eq!(
        answer["entities"][2]["missingPermissions"],
        json!(["routing:queue:view"])
    );
    assert!(answer["entities"][1]["rejectionReason"].is_string());
    assert_eq!(ids(&client.get(&list)), [mixed[0].clone(), mixed[3].clone()]);
    assert_eq!(client.subscribe("POST", &channel, "", &[presence("c")]).status, 200);
    assert_eq!(ids(&client.get(&list)).len(), 3);
    assert_eq!(client.call("DELETE", &list, &Value::Null).status, 200);
    assert_eq!(ids(&client.get(&list)).len(), 0);
    assert_eq!(
        client
            .subscribe("PUT", "streaming-5-unknown", "", &[presence("a")])
            .status,
        404
    );
}

#[test]
fn part_of_a_combined_topic_can_be_refused() {
    let sim = sim().forbidden_topics(vec!["routingStatus".into()]).start().unwrap();
    let client = log_in(&sim);
    let (channel, _) = client.channel();
    let answer = client
        .subscribe(
            "PUT",
            &channel,
            "?ignoreErrors=true",
            &["v2.users.b?presence&routingStatus".into()],
        )
        .json();
    assert_eq!(
        answer["entities"][0],
        json!({"id": "v2.users.b?presence&routingStatus", "state": "Permitted"})
    );
    assert_eq!(answer["entities"][1]["id"], "v2.users.b.routingStatus");
    assert_eq!(answer["entities"][1]["state"], "Rejected");
}

#[test]
fn details_match_by_start_day_and_refuse_wrong_queries() {
    let sim = sim().epoch_ms(1_777_903_500_000).start().unwrap();
    let client = log_in(&sim);
    let path = "/api/v2/analytics/conversations/details/query";
    let hits = |interval: &str| {
        client.call("POST", path, &json!({"interval": interval})).json()["totalHits"]
            .as_u64()
            .unwrap()
    };
    // An hour of the same day finds conversations of its other hours.
    assert!(hits("2026-05-04T01:00:00Z/2026-05-04T02:00:00Z") > 50);
    assert_eq!(hits("2026-05-02T01:00:00Z/2026-05-03T00:00:00Z"), 0);
    for wrong in [
        json!({}),
        json!({"interval": "2026-05-04T01:00:00Z"}),
        json!({"interval": "2026-05-04T01:00:00Z/2026-05-04T02:00:00Z", "paging": {"pageSize": 101, "pageNumber": 1}}),
        json!({"interval": "2026-05-04T01:00:00Z/2026-05-04T02:00:00Z", "paging": {"pageSize": 10}}),
        json!({"interval": "2026-05-04T01:00:00Z/2026-05-04T02:00:00Z", "order": "up"}),
        json!({"interval": "2026-05-04T01:00:00Z/2026-05-04T02:00:00Z", "segmentFilters": [{"type": "or"}]}),
        json!({"interval": "2026-01-04T01:00:00Z/2026-05-04T02:00:00Z"}),
    ] {
        let answer = client.call("POST", path, &wrong);
        assert_eq!((answer.status, answer.code().as_str()), (400, "bad.request"), "{wrong}");
    }
    let found = client
        .call(
            "POST",
            path,
            &json!({"interval": "2026-05-04T01:00:00Z/2026-05-04T02:00:00Z"}),
        )
        .json();
    let id = found["conversations"][3]["conversationId"].as_str().unwrap();
    let by_id = client.get(&format!("/api/v2/analytics/conversations/details?id={id}"));
    assert_eq!(by_id["conversations"][0]["conversationId"], id);
    assert_eq!(client.get(&format!("/api/v2/conversations/{id}"))["id"], id);
    let queue = &sim.queues()[0].0;
    let query = json!({"filter": {"type": "or", "predicates": [{"dimension": "queueId", "value": queue}]}, "metrics": ["oMemberUsers"]});
    let observed = client
        .call("POST", "/api/v2/analytics/queues/observations/query", &query)
        .json();
    assert_eq!(observed["results"].as_array().unwrap().len(), 1);
    assert_eq!(observed["results"][0]["group"], json!({"queueId": queue}));
}

#[test]
fn subscriptions_can_vanish_while_the_socket_stays() {
    let sim = sim().start().unwrap();
    let client = log_in(&sim);
    let (channel, uri) = client.channel();
    let list = format!("/api/v2/notifications/channels/{channel}/subscriptions");
    let topics: Vec<String> = (sim.queues().iter().take(2))
        .flat_map(|(id, _)| {
            [
                format!("v2.routing.queues.{id}.conversations"),
                format!("v2.routing.queues.{id}.users"),
            ]
        })
        .collect();
    assert_eq!(client.subscribe("PUT", &channel, "", &topics).status, 200);
    let mut socket = connect(&sim, &uri);
    until(&mut socket, |f| {
        f["topicName"].as_str()?.ends_with(".conversations").then_some(())
    });
    let answer = http(
        &sim,
        "GET",
        &format!("/sim/unsubscribe?channel={channel}&topic=.conversations"),
        &[],
        "",
    );
    assert_eq!(answer.json(), json!({"channels": 1, "topics": 2}));
    assert_eq!(ids(&client.get(&list)), [topics[1].clone(), topics[3].clone()]);
    assert_eq!(
        http(&sim, "GET", "/sim/unsubscribe?channel=other", &[], "").json()["channels"],
        0
    );
    http(&sim, "GET", "/sim/unsubscribe?tell=1", &[], "");
    until(&mut socket, |f| {
        let told = f["topicName"] == "v2.subscription.updated" && f["eventBody"]["channelId"] == channel.as_str();
        told.then(|| assert_eq!(f["eventBody"]["systemTopicType"], "subscription_changed"))
    });
    assert_eq!(ids(&client.get(&list)).len(), 0);
    // The socket is as good as before.
    assert_eq!(client.subscribe("PUT", &channel, "", &topics).status, 200);
    until(&mut socket, |f| {
        f["topicName"].as_str()?.ends_with(".conversations").then_some(())
    });
}

#[test]
fn a_topic_can_be_missing_from_the_answer() {
    let sim = sim().start().unwrap();
    let client = log_in(&sim);
    let (channel, uri) = client.channel();
    let list = format!("/api/v2/notifications/channels/{channel}/subscriptions");
    let queues = sim.queues();
    let topics: Vec<String> = (queues.iter().take(2))
        .map(|(id, _)| format!("v2.routing.queues.{id}.conversations"))
        .collect();
    let lost = topics[0].clone();
    client.subscribe("PUT", &channel, "", &topics);
    sim.control(&format!("topic_missing?topic={}", queues[0].0)).unwrap();
    assert_eq!(ids(&client.get(&list)), topics[1..]);
    for flags in ["", "?ignoreErrors=true"] {
        let answer = client.subscribe("PUT", &channel, flags, &topics);
        assert_eq!(
            (answer.status, ids(&answer.json())),
            (200, topics[1..].to_vec()),
            "{flags}"
        );
        assert_eq!(ids(&client.get(&list)), topics[1..]);
    }
    let mut socket = connect(&sim, &uri);
    let mut others = 0;
    until(&mut socket, |f| {
        assert_ne!(f["topicName"], lost.as_str());
        others += usize::from(f["topicName"].as_str()?.ends_with(".conversations"));
        (others >= 5).then_some(())
    });
    sim.control("topic_missing?on=0").unwrap();
    assert_eq!(ids(&client.get(&list)), topics[1..], "it must be subscribed anew");
    assert_eq!(ids(&client.subscribe("PUT", &channel, "", &topics).json()), topics);
    until(&mut socket, |f| (f["topicName"] == lost.as_str()).then_some(()));
    assert!(sim.control("topic_missing").unwrap_err().contains("topic"));
}
