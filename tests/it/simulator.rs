//! The simulator seen from outside, through a raw HTTP client and a bare WebSocket: nothing of our own client is used.
//!
//! In: a running simulator · Out: verdicts on the service's rules · Thread: the test's.

use genesys_stream::simulator::{Builder, Simulator};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use tungstenite::client::IntoClientRequest;
use tungstenite::{Error, Message, WebSocket};

const PATIENCE: Duration = Duration::from_secs(10);

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    /// The error body's code, after checking its form.
    fn code(&self) -> String {
        let body = self.json();
        assert_eq!(body["status"], self.status);
        assert_eq!(
            body["contextId"].as_str(),
            self.header("ININ-Correlation-Id")
        );
        assert!(body["details"].is_array() && body["errors"].is_array());
        body["code"].as_str().unwrap().to_owned()
    }
}

fn http(sim: &Simulator, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut stream = TcpStream::connect(sim.local_addr()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
        sim.local_addr()
    );
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        request += &format!("Content-Length: {}\r\n", body.len());
    }
    stream
        .write_all(format!("{request}\r\n{body}").as_bytes())
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines
        .next()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    let headers = lines
        .filter_map(|l| l.split_once(": "))
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
        .collect();
    Answer {
        status,
        headers,
        body: body.to_owned(),
    }
}

/// A client with a token.
struct Client<'a> {
    sim: &'a Simulator,
    token: String,
}

fn log_in(sim: &Simulator) -> Client<'_> {
    // simulator:simulator
    let answer = login(
        sim,
        "Basic c2ltdWxhdG9yOnNpbXVsYXRvcg==",
        "grant_type=client_credentials",
    );
    assert_eq!(answer.status, 200, "{}", answer.body);
    let token = answer.json();
    assert_eq!(token["token_type"], "bearer");
    Client {
        sim,
        token: token["access_token"].as_str().unwrap().to_owned(),
    }
}

fn login(sim: &Simulator, authorization: &str, form: &str) -> Answer {
    let headers = [
        ("Authorization", authorization),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ];
    http(sim, "POST", "/oauth/token", &headers, form)
}

impl Client<'_> {
    fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        http(
            self.sim,
            method,
            path,
            &[("Authorization", &format!("Bearer {}", self.token))],
            &text,
        )
    }

    fn get(&self, path: &str) -> Value {
        let answer = self.call("GET", path, &Value::Null);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }

    /// Id and connectUri of a new channel.
    fn channel(&self) -> (String, String) {
        let answer = self.call("POST", "/api/v2/notifications/channels", &Value::Null);
        assert_eq!(answer.status, 200, "{}", answer.body);
        let channel = answer.json();
        (
            channel["id"].as_str().unwrap().to_owned(),
            channel["connectUri"].as_str().unwrap().to_owned(),
        )
    }

    fn subscribe(&self, method: &str, channel: &str, flags: &str, topics: &[String]) -> Answer {
        let body: Vec<Value> = topics.iter().map(|t| json!({"id": t})).collect();
        self.call(
            method,
            &format!("/api/v2/notifications/channels/{channel}/subscriptions{flags}"),
            &json!(body),
        )
    }
}

type Socket = WebSocket<TcpStream>;

fn try_connect(sim: &Simulator, uri: &str, bearer: Option<&str>) -> Result<Socket, u16> {
    let stream = TcpStream::connect(sim.local_addr()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut request = uri.into_client_request().unwrap();
    if let Some(token) = bearer {
        request
            .headers_mut()
            .insert("Authorization", format!("Bearer {token}").parse().unwrap());
    }
    match tungstenite::client::client(request, stream) {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::HandshakeError::Failure(Error::Http(response))) => {
            Err(response.status().as_u16())
        }
        Err(other) => panic!("{other}"),
    }
}

fn connect(sim: &Simulator, uri: &str) -> Socket {
    try_connect(sim, uri, None).unwrap_or_else(|status| panic!("refused with {status}"))
}

fn ws_url(sim: &Simulator, path: &str) -> String {
    format!("ws://{}{path}", sim.local_addr())
}

fn say(socket: &mut Socket, message: &Value) {
    socket.send(Message::text(message.to_string())).unwrap();
}

/// Reads frames until one gives an answer; a close or ten seconds are a failure.
fn until<T>(socket: &mut Socket, mut found: impl FnMut(&Value) -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Message::Text(text) = socket.read().unwrap() {
            let frame: Value = serde_json::from_str(&text).unwrap();
            if let Some(answer) = found(&frame) {
                return answer;
            }
        }
    }
    panic!("not seen within {PATIENCE:?}");
}

/// Reads to the end; the close code if there was a close frame.
fn end(socket: &mut Socket) -> Option<u16> {
    let mut code = None;
    loop {
        match socket.read() {
            Ok(Message::Close(frame)) => code = frame.map(|f| f.code.into()),
            Ok(_) => {}
            Err(Error::Io(e)) if e.kind() == std::io::ErrorKind::WouldBlock => {
                panic!("still open after {PATIENCE:?}")
            }
            Err(_) => return code,
        }
    }
}

fn sim() -> Builder {
    Simulator::builder().seed(7).queues(5).agents(30)
}

fn ids(listing: &Value) -> Vec<String> {
    listing["entities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn login_takes_basic_credentials_only_when_right() {
    let sim = sim().start().unwrap();
    let client = log_in(&sim);
    assert_eq!(
        client.get("/api/v2/tokens/me")["OAuthClient"]["name"],
        "simulator"
    );
    for (authorization, form, status, error) in [
        (
            "Basic c2ltdWxhdG9yOndyb25n",
            "grant_type=client_credentials",
            401,
            "invalid_client",
        ),
        (
            "Bearer x",
            "grant_type=client_credentials",
            401,
            "invalid_client",
        ),
        (
            "Basic c2ltdWxhdG9yOnNpbXVsYXRvcg==",
            "grant_type=password",
            400,
            "unsupported_grant_type",
        ),
    ] {
        let answer = login(&sim, authorization, form);
        assert_eq!(
            (answer.status, answer.json()["error"].as_str()),
            (status, Some(error))
        );
        assert!(
            answer.json()["description"].is_string()
                && answer.json()["error_description"].is_string()
        );
    }
    assert_eq!(
        http(&sim, "GET", "/api/v2/users", &[], "").code(),
        "authentication.required"
    );
    assert_eq!(
        http(
            &sim,
            "GET",
            "/api/v2/users",
            &[("Authorization", "Bearer x")],
            ""
        )
        .code(),
        "bad.credentials"
    );
    assert_eq!(
        client
            .call("HEAD", "/api/v2/tokens/me", &Value::Null)
            .status,
        200
    );
    assert_eq!(
        client
            .call("DELETE", "/api/v2/tokens/me", &Value::Null)
            .status,
        200
    );
    assert_eq!(
        client.call("GET", "/api/v2/tokens/me", &Value::Null).status,
        401
    );
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
        ids(&client.get(&format!(
            "/api/v2/routing/queues?id={}&id={}",
            seen[0], seen[3]
        )))
        .len(),
        2
    );
    let queue = client.get(&format!("/api/v2/routing/queues/{}", seen[0]));
    assert!(queue["mediaSettings"]["call"]["serviceLevel"]["durationMs"].is_u64());
    let members = client.get(&format!(
        "/api/v2/routing/queues/{}/members?pageSize=3",
        seen[0]
    ));
    assert!(
        members["total"].is_null()
            && members["pageCount"].is_null()
            && members["lastUri"].is_null()
    );
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
    assert_eq!(
        (missing.status, missing.code().as_str()),
        (404, "not.found")
    );
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
    until(&mut used, |f| {
        (f["eventBody"]["message"] == "pong").then_some(())
    });
    client.channel();
    let alive = |id: &str| {
        client
            .call(
                "HEAD",
                &format!("/api/v2/notifications/channels/{id}"),
                &Value::Null,
            )
            .status
    };
    assert_eq!(
        (
            alive(&channels[0].0),
            alive(&channels[1].0),
            alive(&channels[2].0)
        ),
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
    assert_eq!(
        other.get("/api/v2/notifications/channels")["entities"],
        json!([])
    );
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
        client
            .subscribe("PUT", &channel, "?ignoreErrors=true", &many)
            .code(),
        "notification.subscription.too.many.subscriptions"
    );
    assert_eq!(
        client.subscribe("PUT", &channel, "", &many[..1000]).status,
        200
    );
    assert_eq!(
        client.subscribe("POST", &channel, "", &many[1000..]).status,
        400
    );
    assert_eq!(
        client
            .subscribe("PUT", &channel, "", &["v2.nonsense".into()])
            .code(),
        "notification.invalid.topic"
    );
    let refused = client.subscribe("PUT", &channel, "", &[presence("a"), presence("forbidden")]);
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (403, "notification.unauthorized.topic")
    );
    let list = format!("/api/v2/notifications/channels/{channel}/subscriptions");
    assert_eq!(
        ids(&client.get(&list)).len(),
        1000,
        "a refused request changes nothing"
    );

    let mixed = [
        presence("a"),
        presence("forbidden"),
        "v2.routing.queues.q.users".into(),
        "v2.users.b?presence&routingStatus".into(),
    ];
    let answer = client
        .subscribe("PUT", &channel, "?ignoreErrors=true", &mixed)
        .json();
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
    assert_eq!(
        ids(&client.get(&list)),
        [mixed[0].clone(), mixed[3].clone()]
    );
    assert_eq!(
        client
            .subscribe("POST", &channel, "", &[presence("c")])
            .status,
        200
    );
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
    let sim = sim()
        .forbidden_topics(vec!["routingStatus".into()])
        .start()
        .unwrap();
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
fn sockets_answer_pings_and_beat_and_the_second_kicks_the_first() {
    let sim = sim().heartbeat(Duration::from_millis(200)).start().unwrap();
    let client = log_in(&sim);
    assert_eq!(
        try_connect(&sim, &ws_url(&sim, "/channels/streaming-5-unknown"), None).err(),
        Some(404)
    );
    let (id, uri) = client.channel();
    assert_eq!(
        http(&sim, "GET", &format!("/channels/{id}"), &[], "").status,
        426
    );
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
    say(
        &mut first,
        &json!({"message": "subscribe", "topics": ["nonsense"]}),
    );
    assert_eq!(
        until(&mut first, |f| f["result"].as_str().map(str::to_owned)),
        "400"
    );
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
fn all_four_kinds_of_traffic_come_within_ten_seconds() {
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
    let mut missing: BTreeSet<&str> = [
        ".conversations",
        ".observations",
        ".presence",
        ".routingStatus",
    ]
    .into();
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
        let sim = sim().seed(seed).epoch_ms(epoch).start().unwrap();
        let client = log_in(&sim);
        let mut all = Vec::new();
        for page in 1.. {
            let query = json!({
                "interval": "2026-05-04T00:00:00.000Z/2026-05-05T00:00:00.000Z",
                "paging": {"pageSize": 100, "pageNumber": page},
                "conversationFilters": [{"type": "and", "predicates": [{"dimension": "conversationEnd", "operator": "exists"}]}],
            });
            let answer = client
                .call(
                    "POST",
                    "/api/v2/analytics/conversations/details/query",
                    &query,
                )
                .json();
            let hits = answer["conversations"].as_array().unwrap().clone();
            if hits.is_empty() {
                break;
            }
            // What ended before the start is the same however long the simulators have been running.
            all.extend(
                hits.into_iter().filter(|c| {
                    c["conversationEnd"].as_str().unwrap() < "2026-05-04T14:05:00.000Z"
                }),
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
fn details_match_by_start_day_and_refuse_wrong_queries() {
    let sim = sim().epoch_ms(1_777_903_500_000).start().unwrap();
    let client = log_in(&sim);
    let path = "/api/v2/analytics/conversations/details/query";
    let hits = |interval: &str| {
        client
            .call("POST", path, &json!({"interval": interval}))
            .json()["totalHits"]
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
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "bad.request"),
            "{wrong}"
        );
    }
    let found = client
        .call(
            "POST",
            path,
            &json!({"interval": "2026-05-04T01:00:00Z/2026-05-04T02:00:00Z"}),
        )
        .json();
    let id = found["conversations"][3]["conversationId"]
        .as_str()
        .unwrap();
    let by_id = client.get(&format!("/api/v2/analytics/conversations/details?id={id}"));
    assert_eq!(by_id["conversations"][0]["conversationId"], id);
    assert_eq!(client.get(&format!("/api/v2/conversations/{id}"))["id"], id);
    let queue = &sim.queues()[0].0;
    let query = json!({"filter": {"type": "or", "predicates": [{"dimension": "queueId", "value": queue}]}, "metrics": ["oMemberUsers"]});
    let observed = client
        .call(
            "POST",
            "/api/v2/analytics/queues/observations/query",
            &query,
        )
        .json();
    assert_eq!(observed["results"].as_array().unwrap().len(), 1);
    assert_eq!(observed["results"][0]["group"], json!({"queueId": queue}));
}

#[test]
fn the_events_socket_acknowledges_or_refuses() {
    let sim = sim().start().unwrap();
    let client = log_in(&sim);
    assert_eq!(
        try_connect(
            &sim,
            &ws_url(&sim, "/api/v2/events?access_token=wrong"),
            None
        )
        .err(),
        Some(401)
    );
    assert_eq!(http(&sim, "GET", "/api/v2/events", &[], "").status, 426);
    let url = ws_url(
        &sim,
        &format!("/api/v2/events?access_token={}", client.token),
    );
    let mut socket = connect(&sim, &url);
    for wrong in [
        json!({"type": "hello"}),
        json!({"type": "subscribe", "subscription": {"eventTypes": []}}),
        json!({"type": "subscribe", "subscription": {"eventTypes": ["unknown"]}}),
    ] {
        say(&mut socket, &wrong);
        assert_eq!(
            until(&mut socket, |f| Some(f["type"].clone())),
            "error",
            "{wrong}"
        );
    }
    assert_eq!(
        http(&sim, "POST", "/sim/refuse_filters", &[], "").status,
        200
    );
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

#[test]
fn too_many_requests_and_troubles_on_demand() {
    let sim = sim().requests_per_min(3).start().unwrap();
    let client = log_in(&sim);
    for count in 1..=3 {
        let answer = client.call("GET", "/api/v2/tokens/me", &Value::Null);
        assert_eq!(
            answer.header("inin-ratelimit-count"),
            Some(count.to_string().as_str())
        );
        assert_eq!(answer.header("inin-ratelimit-allowed"), Some("3"));
    }
    let answer = client.call("GET", "/api/v2/tokens/me", &Value::Null);
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (429, "too.many.requests.retry.after")
    );
    let secs: u64 = answer.header("Retry-After").unwrap().parse().unwrap();
    assert!((1..=60).contains(&secs));
    // Another token has its own minute.
    let other = log_in(&sim);
    http(&sim, "POST", "/sim/429?secs=7&count=1", &[], "");
    assert_eq!(
        other
            .call("GET", "/api/v2/users", &Value::Null)
            .header("Retry-After"),
        Some("7")
    );
    http(&sim, "POST", "/sim/error?status=503&count=2", &[], "");
    assert_eq!(login(&sim, "Basic x", "").status, 503);
    assert_eq!(other.call("GET", "/api/v2/users", &Value::Null).status, 503);
    assert_eq!(other.call("GET", "/api/v2/users", &Value::Null).status, 200);
    // Only logins, and with a date.
    sim.control("429?secs=30&date=1&path=oauth").unwrap();
    assert_eq!(other.call("GET", "/api/v2/users", &Value::Null).status, 200);
    let date = login(&sim, "Basic x", "")
        .header("Retry-After")
        .unwrap()
        .to_owned();
    assert!(date.ends_with(" GMT"), "{date}");
    assert!(sim.control("429?secs=soon").unwrap_err().contains("secs"));
    assert_eq!(http(&sim, "GET", "/sim/nonsense", &[], "").status, 404);
    assert_eq!(
        http(&sim, "GET", "/sim/load?per_second=many", &[], "").status,
        400
    );
}

#[test]
fn a_channel_dies_with_its_token() {
    let sim = sim()
        .token_life(Duration::from_millis(1500))
        .start()
        .unwrap();
    let client = log_in(&sim);
    let (_, uri) = client.channel();
    let mut socket = connect(&sim, &uri);
    until(&mut socket, |f| (f["result"] == "404").then_some(()));
    assert!(end(&mut socket).is_some());
    assert_eq!(
        client.call("GET", "/api/v2/tokens/me", &Value::Null).status,
        401
    );

    let client = log_in(&sim);
    let (_, uri) = client.channel();
    let mut socket = connect(&sim, &uri);
    say(&mut socket, &json!({"message": "ping"}));
    until(&mut socket, |f| {
        (f["eventBody"]["message"] == "pong").then_some(())
    });
    http(&sim, "POST", "/sim/revoke", &[], "");
    until(&mut socket, |f| {
        (f["eventBody"]["systemTopicType"] == "token_revoked").then_some(())
    });
    end(&mut socket);
    assert_eq!(try_connect(&sim, &uri, None).err(), Some(404));
}

#[test]
fn sockets_are_closed_reset_and_warned_on_demand() {
    let sim = sim().start().unwrap();
    let client = log_in(&sim);
    let (_, uri) = client.channel();
    let open = || {
        let mut socket = connect(&sim, &uri);
        say(&mut socket, &json!({"message": "ping"}));
        until(&mut socket, |f| {
            (f["eventBody"]["message"] == "pong").then_some(())
        });
        socket
    };
    let mut socket = open();
    http(&sim, "POST", "/sim/close?code=1011&reason=test", &[], "");
    assert_eq!(end(&mut socket), Some(1011));
    let mut socket = open();
    http(&sim, "POST", "/sim/reset", &[], "");
    let error = loop {
        match socket.read() {
            Ok(_) => {}
            Err(e) => break e,
        }
    };
    assert!(
        matches!(&error, Error::Io(e) if e.kind() == std::io::ErrorKind::ConnectionReset),
        "{error:?}"
    );
    let mut socket = open();
    http(&sim, "POST", "/sim/socket_closing?after_secs=1", &[], "");
    until(&mut socket, |f| {
        (f["topicName"] == "v2.system.socket_closing").then_some(())
    });
    assert_eq!(end(&mut socket), Some(1001));
}

#[test]
fn a_flood_arrives_whole_and_a_slow_reader_does_not_stop_the_centre() {
    let sim = sim().start().unwrap();
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
    until(&mut socket, |f| {
        (f["eventBody"]["message"] == "pong").then_some(())
    });
    // Arrivals stop, so that soon only the flood comes.
    http(&sim, "POST", "/sim/load?per_second=0", &[], "");
    std::thread::scope(|scope| {
        let flood =
            scope.spawn(|| http(&sim, "POST", "/sim/flood?events=5000&bytes=3000", &[], "").json());
        let mut bytes = 0;
        for _ in 0..5000 {
            bytes += socket.read().unwrap().len();
        }
        assert!(bytes / 5000 > 2500, "{}", bytes / 5000);
        assert_eq!(flood.join().unwrap()["sent"], 5000);
    });
    let state = http(&sim, "GET", "/sim/state", &[], "").json();
    assert!(state["frames_sent"].as_u64().unwrap() >= 5000);
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
    http(&sim, "POST", "/sim/load?per_second=3000", &[], "");
    let deadline = Instant::now() + Duration::from_secs(30);
    while http(&sim, "GET", "/sim/state", &[], "").json()["sockets"]["notifications"] != 0 {
        assert!(Instant::now() < deadline, "still connected");
    }
    http(&sim, "POST", "/sim/load?per_second=0", &[], "");
    end(&mut socket);
}

#[test]
fn a_stop_closes_everything_at_once() {
    let sim = sim().start().unwrap();
    let client = log_in(&sim);
    let (_, uri) = client.channel();
    let mut socket = connect(&sim, &uri);
    let idle = TcpStream::connect(sim.local_addr()).unwrap();
    let addr = sim.local_addr();
    let begin = Instant::now();
    drop(client);
    drop(sim);
    assert!(
        begin.elapsed() < Duration::from_secs(2),
        "{:?}",
        begin.elapsed()
    );
    end(&mut socket);
    drop(idle);
    assert!(TcpStream::connect(addr).is_err());
}

/// Runs alone in a process of its own, so that all threads there are this simulator's.
#[test]
#[ignore = "started by `a_stop_leaves_no_thread`"]
fn alone() {
    let threads = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        tasks
            .filter_map(|t| std::fs::read_to_string(t.path().join("comm")).ok())
            .filter(|name| name.starts_with("sim-"))
            .count()
    };
    let sim = sim().start().unwrap();
    let client = log_in(&sim);
    let sockets: Vec<Socket> = (0..5).map(|_| connect(&sim, &client.channel().1)).collect();
    assert!(threads() >= 7, "{}", threads());
    drop(client);
    drop(sim);
    assert_eq!(threads(), 0);
    drop(sockets);
}

#[test]
#[cfg(target_os = "linux")]
fn a_stop_leaves_no_thread() {
    let run = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "simulator::alone"])
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(
        run.status.success() && out.contains("1 passed"),
        "{out}{}",
        String::from_utf8_lossy(&run.stderr)
    );
}
