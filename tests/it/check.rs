//! `check`: every step, what it says when it fails, and that nothing is left behind.
//!
//! In: the built program, simulators and scripted peers with faults · Out: verdicts · Thread: the test's.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

use genesys_stream::Protocol;
use serde_json::{Value, json};

use crate::support::peer::{Answer, Behaviour, Socket, peer, sockets, sound, tls_peer};
use crate::support::process::{Ended, program};
use crate::support::{STOP_LIMIT, against_the_clock, busy, control, fixture_path, for_all_protocols, start};

const CREDENTIALS: [(&str, &str); 2] = [
    ("GENESYS_CLIENT_ID", "simulator"),
    ("GENESYS_CLIENT_SECRET", "simulator"),
];

/// What `check --json` said.
struct Checked {
    code: i32,
    steps: Vec<Value>,
    stderr: String,
}

impl Checked {
    #[track_caller]
    fn of(ended: Ended) -> Self {
        let read = |line: &String| serde_json::from_str(line).unwrap_or_else(|why| panic!("{line}: {why}"));
        Self {
            code: ended.code,
            steps: ended.lines.iter().map(read).collect(),
            stderr: ended.stderr,
        }
    }

    fn names(&self) -> Vec<&str> {
        self.steps
            .iter()
            .map(|step| step["step"].as_str().expect("a name"))
            .collect()
    }

    #[track_caller]
    fn step(&self, name: &str) -> &Value {
        let found = self.steps.iter().find(|step| step["step"] == name);
        found.unwrap_or_else(|| panic!("no step {name}: {:#?} {}", self.steps, self.stderr))
    }

    /// The step came out so, and its message and advice hold all these parts.
    #[track_caller]
    fn says(&self, name: &str, verdict: &str, parts: &[&str]) {
        let step = self.step(name);
        assert_eq!(step["verdict"], verdict, "{step:#}");
        assert_eq!(step["advice"].is_null(), verdict == "ok", "{step:#}");
        let text = step.to_string();
        for part in parts {
            assert!(text.contains(part), "{part}: {step:#}");
        }
    }

    /// The check failed with this step as its last.
    #[track_caller]
    fn ends_with(&self, name: &str) {
        let names = self.names();
        assert_eq!(self.code, 4, "{:#?} {}", self.steps, self.stderr);
        assert_eq!(names.last(), Some(&"summary"));
        assert_eq!(names[names.len() - 2], name, "{names:?}");
        self.says(name, "fail", &[]);
    }
}

fn check(url: &str, flags: &[&str]) -> Checked {
    let mut all = vec!["check", "--json", "--region", url];
    all.extend(flags);
    Checked::of(program(&all, &CREDENTIALS).wait())
}

#[test]
fn all_is_well() {
    let sim = start(busy());
    let url = sim.url();
    for_all_protocols(|protocol| {
        let checked = check(&url, &["--protocol", protocol.as_str()]);
        assert_eq!(checked.code, 0, "{:#?} {}", checked.steps, checked.stderr);
        let own: &[&str] = match protocol {
            Protocol::Notifications => &["permissions", "backfill"],
            Protocol::Events => &[],
            Protocol::Metrics => &["metrics"],
            other => panic!("no test for {other:?}"),
        };
        let mut expected = vec!["config", "dns", "tcp", "tls", "clock", "token", "queues"];
        expected.extend(own);
        expected.extend(["channel", "life", "summary"]);
        assert_eq!(checked.names(), expected);
        for step in &checked.steps {
            assert_eq!(step["verdict"], "ok", "{step:#}");
            assert_eq!((&step["record"], &step["schema"]), (&json!("check"), &json!(1)));
            assert!(step["took_ms"].is_u64() && step["details"].is_array());
        }
        checked.says("tls", "ok", &["not used (http, loopback)"]);
    });
    // A queue by its name is shown with its id, and the other way round.
    let truth = control(&sim, "truth");
    let (id, queue) = truth["queues"].as_object().expect("queues").iter().next().expect("one");
    let name = queue["name"].as_str().unwrap_or(id);
    for wanted in [id.as_str(), name] {
        let checked = check(&url, &["--queue", wanted]);
        assert_eq!(checked.code, 0);
        checked.says("queues", "ok", &["1 queue: ", id]);
        checked.says("permissions", "ok", &["2 topics permitted"]);
    }
}

#[test]
fn text_has_one_line_a_step() {
    let peer = sound();
    let ended = program(&["check", "--region", &peer.url()], &CREDENTIALS).wait();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let (last, steps) = ended.lines.split_last().expect("lines");
    assert!(last.contains("it can stream; warnings: 1"), "{last}");
    for line in steps {
        let is_step = line.starts_with("ok    ") || line.starts_with("warn  ");
        assert!(is_step || line.starts_with("      ->"), "{line}");
        assert!(is_step || line.chars().count() <= 100, "{line}");
    }
    // This peer does not tell the time. Advice stands on a line of its own.
    let clock = steps
        .iter()
        .position(|line| line.starts_with("warn  clock "))
        .expect("a warning");
    assert!(steps[clock + 1].starts_with("      -> Make sure"), "{steps:?}");
    assert_eq!(peer.log().count("DELETE", "/subscriptions"), 1);
    assert!(!ended.stderr.contains('\r'), "progress is for terminals");
}

#[test]
fn a_refused_login() {
    let sim = start(busy());
    let wrong = [("GENESYS_CLIENT_ID", "simulator"), ("GENESYS_CLIENT_SECRET", "hunter2")];
    let url = sim.url();
    let checked = Checked::of(program(&["check", "--json", "--region", &url], &wrong).wait());
    checked.ends_with("token");
    checked.says("token", "fail", &["401", "wrong region gives the same answer"]);
    assert!(!format!("{:?}", checked.steps).contains("hunter2"));
}

#[test]
fn a_failing_service() {
    let peer = peer(|asked, _| {
        let down = || {
            Answer::Json(
                503,
                json!({"message": "down", "code": "service.unavailable", "status": 503}),
            )
        };
        asked.is("POST", "/oauth/token").then(down)
    });
    let checked = check(&peer.url(), &[]);
    checked.ends_with("token");
    checked.says("token", "fail", &["503", "The service itself has a problem"]);
}

#[test]
fn an_unknown_queue_with_the_nearest_names() {
    let peer = sound();
    let checked = check(&peer.url(), &["--queue", "Sails"]);
    checked.ends_with("queues");
    checked.says("queues", "fail", &["Sails", "nearest of 2: \\\"Sales\\\""]);
    assert_eq!(peer.log().count("POST", "/channels"), 0, "nothing is subscribed then");
    // An id that is not listed is as wrong; it may be in another division.
    let foreign = "00000000-0000-4000-8000-00000000abcd";
    let checked = check(&peer.url(), &["--queue", foreign]);
    checked.ends_with("queues");
    checked.says("queues", "fail", &[foreign, "division"]);
}

#[test]
fn missing_permissions_are_named() {
    let sim = start(busy());
    control(&sim, "forbid?permission=analytics:queueObservation:view");
    let checked = check(&sim.url(), &[]);
    assert_eq!(checked.code, 4);
    checked.says(
        "permissions",
        "fail",
        &[
            "4 of 8 topics refused",
            "analytics:queueObservation:view",
            "Give the OAuth client a role",
            ".observations: ",
        ],
    );
    checked.says(
        "backfill",
        "warn",
        &["analytics:queueObservation:view", "gaps stay open"],
    );
    // The rest makes sense all the same.
    checked.says("life", "ok", &["ping answered"]);
    control(&sim, "forbid?topic=v2.");
    let checked = check(&sim.url(), &["--no-verify"]);
    checked.ends_with("permissions");
}

#[test]
fn a_socket_that_stays_silent() {
    let peer = peer(sockets(vec![Behaviour::MuteAfter(Vec::new(), 0)]));
    let checked = check(&peer.url(), &[]);
    checked.ends_with("life");
    checked.says("channel", "ok", &["socket open"]);
    checked.says("life", "fail", &["within 5 s", "A quiet queue is not the cause"]);
    assert_eq!(
        peer.log().count("DELETE", "/subscriptions"),
        1,
        "deleted also on failure"
    );
}

#[test]
fn an_upgrade_that_is_refused() {
    for (protocol, says) in [("notifications", "404"), ("events", "has none for this protocol")] {
        let peer = peer(|asked, _| {
            let gone = || Answer::Json(404, json!({"message": "gone", "code": "not.found", "status": 404}));
            asked.is_upgrade().then(gone)
        });
        let checked = check(&peer.url(), &["--protocol", protocol]);
        checked.ends_with("channel");
        checked.says("channel", "fail", &[says]);
    }
}

#[test]
fn the_tutorials_refusals() {
    let refused = json!({"type": "error", "message": "403 no"}).to_string();
    let peer = peer(move |asked, _| {
        asked
            .is_upgrade()
            .then(|| Answer::Socket(Behaviour::Says(refused.clone())))
    });
    let checked = check(&peer.url(), &["--protocol", "events"]);
    checked.ends_with("life");
    checked.says("life", "fail", &["403"]);
}

#[test]
fn metrics_without_data() {
    let peer = peer(|asked, _| {
        let empty = || Answer::Json(200, json!({"totalHits": 0}));
        asked.is("POST", "/details/query").then(empty)
    });
    let checked = check(&peer.url(), &["--protocol", "metrics"]);
    checked.ends_with("metrics");
    checked.says("metrics", "fail", &["no conversation", "--no-verify"]);
    let checked = check(&peer.url(), &["--protocol", "metrics", "--no-verify"]);
    assert_eq!(checked.code, 0, "{:#?}", checked.steps);
}

#[test]
fn waiting_for_a_heartbeat() {
    let heartbeat = json!({"topicName": "channel.metadata", "eventBody": {"message": "WebSocket Heartbeat"}});
    let after_a_pong = move |socket: &mut Socket| {
        let answered = |socket: &mut Socket| {
            while let Ok(message) = socket.read() {
                if message.to_text().is_ok_and(|text| text.contains("\"ping\"")) {
                    return;
                }
            }
        };
        answered(socket);
        let pong = json!({"topicName": "channel.metadata", "eventBody": {"message": "pong"}});
        for text in [pong.to_string(), heartbeat.to_string()] {
            let _ = socket.send(tungstenite::Message::text(text));
        }
        while socket.read().is_ok() {}
    };
    let peer = peer(sockets(vec![Behaviour::Custom(Box::new(after_a_pong))]));
    let checked = check(&peer.url(), &["--wait"]);
    assert_eq!(checked.code, 0, "{:#?}", checked.steps);
    checked.says(
        "life",
        "ok",
        &["ping answered", "heartbeat after", "no event yet, which is normal"],
    );
}

/// Channels of the OAuth client that a peer's listing has, and a check against it.
fn with_channels(count: usize) -> (Checked, usize) {
    let one = json!({"connectUri": "wss://h/x", "expires": "2026-05-05T14:00:00Z"});
    let listed = json!({"entities": vec![one; count]});
    let peer = peer(move |asked, _| {
        let is_list = asked.is("GET", "includechannels=oauthclient");
        is_list.then(|| Answer::Json(200, listed.clone()))
    });
    let checked = check(&peer.url(), &[]);
    let opened = peer.log().count("POST", "/channels");
    (checked, opened)
}

#[test]
fn channels_of_other_programs_are_counted_before_one_is_opened() {
    let (few, opened) = with_channels(14);
    assert_eq!((few.code, opened), (0, 1));
    few.says("channel", "ok", &[]);
    let (many, opened) = with_channels(15);
    assert_eq!((many.code, opened), (0, 1));
    many.says("channel", "warn", &["15 of 20", "an OAuth client of its own"]);
    many.says("life", "ok", &[]);
    let (all, opened) = with_channels(20);
    all.ends_with("channel");
    all.says("channel", "fail", &["20 of 20", "none was opened", "another program"]);
    assert_eq!(opened, 0);
}

#[test]
fn topics_that_do_not_exist_and_permissions_that_are_guessed() {
    let sim = start(busy());
    let checked = check(&sim.url(), &["--topic", "v2.nonsense.topic"]);
    checked.ends_with("permissions");
    checked.says(
        "permissions",
        "fail",
        &["may not exist", "availabletopics", "v2.nonsense.topic"],
    );
    let ended = program(
        &[
            "run",
            "--output",
            "none",
            "--region",
            &sim.url(),
            "--topic",
            "v2.nonsense.topic",
        ],
        &CREDENTIALS,
    )
    .wait();
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    assert!(ended.stderr.contains("may not exist"), "{}", ended.stderr);
    let peer = peer(|asked, _| {
        let refused = || Answer::Json(403, json!({"code": "not.authorized", "message": "no"}));
        asked.is("GET", "/api/v2/routing/queues").then(refused)
    });
    let checked = check(&peer.url(), &[]);
    checked.says("queues", "fail", &["a guess is routing:queue:view"]);
}

#[test]
fn a_secret_with_quotes_is_named_as_the_likely_cause() {
    let sim = start(busy());
    let url = sim.url();
    let quoted = [
        ("GENESYS_CLIENT_ID", "simulator"),
        ("GENESYS_CLIENT_SECRET", "\"simulator\""),
    ];
    let checked = Checked::of(program(&["check", "--json", "--region", &url], &quoted).wait());
    checked.ends_with("token");
    checked.says(
        "token",
        "fail",
        &["The likely cause: the client secret begins or ends with a quote"],
    );
}

#[test]
fn a_dead_port() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let checked = check(&format!("http://127.0.0.1:{port}"), &[]);
    checked.ends_with("tcp");
    checked.says("tcp", "fail", &["refused", "Nothing listens there"]);
}

#[test]
fn certificates() {
    let untrusted = tls_peer("self-signed", |_, _| None);
    let checked = check(&untrusted.url(), &[]);
    checked.ends_with("tls");
    checked.says("tls", "fail", &["Self Signed (Inspecting Proxy)", "--ca-file"]);
    let trusted = tls_peer("server", |_, _| None);
    let ca = fixture_path("tls/ca.pem");
    let checked = check(&trusted.url(), &["--ca-file", ca.to_str().unwrap()]);
    assert_eq!(checked.code, 0, "{:#?}", checked.steps);
    checked.says("tls", "ok", &["issued by \\\"Test Root (genesys-stream tests)\\\""]);
    checked.says("life", "ok", &[]);
}

/// A proxy that opens tunnels until the process ends; its port.
fn proxy() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let pump = |mut from: TcpStream, mut to: TcpStream| {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    };
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut client = client;
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    if client.read_exact(&mut byte).is_err() {
                        return;
                    }
                    head.push(byte[0]);
                }
                let head = String::from_utf8(head).unwrap();
                let target = head.split(' ').nth(1).expect("CONNECT host:port").to_owned();
                let Ok(server) = TcpStream::connect(target) else { return };
                client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").unwrap();
                let (one, other) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || pump(one, other));
                pump(server, client);
            });
        }
    });
    port
}

#[test]
fn through_a_proxy() {
    let trusted = tls_peer("server", |_, _| None);
    let ca = fixture_path("tls/ca.pem");
    let proxy = format!("http://127.0.0.1:{}", proxy());
    let checked = check(&trusted.url(), &["--ca-file", ca.to_str().unwrap(), "--proxy", &proxy]);
    assert_eq!(checked.code, 0, "{:#?}", checked.steps);
    checked.says("tcp", "ok", &["(proxy)"]);
    checked.says("tls", "ok", &["Test Root"]);
}

#[test]
fn a_clock_that_is_wrong() {
    let peer = peer(|asked, _| {
        let early = || ("Date", "Mon, 04 May 2026 14:00:00 GMT".to_owned());
        asked
            .is("GET", "/api/v2/tokens/me")
            .then(|| Answer::WithHeader(401, early(), json!({"code": "bad.credentials"})))
    });
    let checked = check(&peer.url(), &[]);
    assert_eq!(checked.code, 0);
    checked.says("clock", "warn", &["this machine's clock is", "NTP"]);
}

#[test]
fn a_wrong_configuration_is_a_usage_error() {
    let ended = program(
        &["check", "--json", "--region", "eu-wset-1", "--queue", ""],
        &CREDENTIALS,
    )
    .wait();
    assert!(ended.stderr.contains("eu-wset-1"), "{}", ended.stderr);
    let checked = Checked::of(ended);
    assert_eq!(checked.code, 2);
    checked.says("config", "fail", &["eu-west-1", "nothing was connected"]);
}

/// Whatever it waits for, it ends at once and cleans up, for which it has a second.
#[test]
fn a_signal_leaves_nothing_behind() {
    against_the_clock(|_| {
        let peer = peer(sockets(vec![Behaviour::MuteAfter(Vec::new(), 0)]));
        let running = program(&["check", "--region", &peer.url()], &CREDENTIALS);
        running.line("the socket is open", |line| line.starts_with("ok    channel"));
        running.signal("INT");
        let ended = running.wait();
        assert_eq!(ended.code, 4, "not passed: {:?} {}", ended.lines, ended.stderr);
        assert!(ended.took < STOP_LIMIT, "{:?}", ended.took);
        assert_eq!(peer.log().count("DELETE", "/subscriptions"), 1);
    });
}
