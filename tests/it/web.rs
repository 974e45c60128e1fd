//! The page, metrics, health and snapshots over HTTP: what they say, to whom, and what hostile peers get.
//!
//! In: a stream on a simulator, raw HTTP · Out: verdicts · Thread: the test's; the stream has its own.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use genesys_stream::simulator::Simulator;
use genesys_stream::{ConfigBuilder, ErrorKind, Protocol, QueueSnapshot, Snapshot, Stream};
use serde_json::Value;

use crate::support::{PATIENCE, Watched, built, busy, config, control, eventually, start, watch};
use crate::web_asking::{Answer, connect, events, get, raw};

fn listening(url: &str, address: &str) -> ConfigBuilder {
    config(url, Protocol::Notifications).json("test", format!(r#"{{"http":{{"listen":"{address}"}}}}"#))
}

fn serving(url: &str) -> (Watched, SocketAddr) {
    let stream = watch(listening(url, "127.0.0.1:0"));
    let address = stream.stream().http_address().expect("http.listen is set");
    (stream, address)
}

/// Asks until the answer is as wanted.
#[track_caller]
fn until(what: &str, ask: impl Fn() -> Answer, holds: impl Fn(&Answer) -> bool) -> Answer {
    eventually(what, || {
        let answer = ask();
        match holds(&answer) {
            true => Ok(answer),
            false => Err(format!("{} {}", answer.status, answer.body)),
        }
    })
}

/// Samples by series.
fn samples(text: &str) -> BTreeMap<&str, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a sample");
            (series, value.parse().expect("a number"))
        })
        .collect()
}

#[test]
fn metrics_snapshot_and_events_tell_the_same() {
    let sim = start(busy());
    // A second apart, so that both can be asked for between two.
    let builder = listening(&sim.url(), "127.0.0.1:0").snapshot_interval(Duration::from_secs(1));
    let stream = watch(builder);
    let address = stream.stream().http_address().expect("http.listen is set");
    stream.until("answered calls", |s| {
        s.queues
            .values()
            .any(|queue| queue.totals.is_some_and(|totals| totals.answered > 0))
    });
    let (snapshot, metrics) = eventually("both of one snapshot", || {
        let snapshot = get(address, "/api/snapshot", &[]);
        let metrics = get(address, "/metrics", &[]);
        let after = get(address, "/api/snapshot", &[]);
        // The first snapshot may be at one output before it is at another.
        let same = snapshot.status == 200 && snapshot.body == after.body;
        same.then_some((snapshot, metrics))
            .ok_or_else(|| "another one came".to_owned())
    });
    assert_eq!(
        metrics.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let samples = samples(&metrics.body);
    let json: Value = serde_json::from_str(&snapshot.body).expect("JSON");
    let mut compared = 0;
    for (id, queue) in json["queues"].as_object().expect("queues") {
        let series = |name: &str| {
            let labels = format!("{{queue_id=\"{id}\",queue={}}}", queue["name"]);
            samples.get(format!("genesys_queue_{name}{labels}").as_str()).copied()
        };
        assert_eq!(series("waiting_conversations"), queue["waiting"].as_f64());
        assert_eq!(series("longest_wait_seconds"), queue["longest_wait_secs"].as_f64());
        for name in ["offered", "answered", "abandoned", "handled", "wrapups"] {
            assert_eq!(series(name), queue["totals"][name].as_f64(), "{name}");
            compared += 1;
        }
        let percent = queue["totals"]["service_level_percent"].as_f64();
        assert_eq!(series("service_level_ratio"), percent.map(|percent| percent / 100.0));
    }
    assert!(compared > 0);
    let applied = samples["genesys_stream_events_applied_total"];
    assert_eq!(Some(applied), json["counters"]["events_applied"].as_f64());
    let open = get(
        address,
        "/metrics",
        &[("Accept", "application/openmetrics-text; version=1.0.0")],
    );
    assert!(open.body.ends_with("# EOF\n"));
    assert!(
        open.header("content-type")
            .expect("a type")
            .starts_with("application/openmetrics-text")
    );

    // A snapshot is not sent again to whoever has its tag.
    let tag = until(
        "304",
        || {
            let tag = get(address, "/api/snapshot", &[])
                .header("etag")
                .expect("a tag")
                .to_owned();
            get(address, "/api/snapshot", &[("If-None-Match", &tag)])
        },
        |answer| answer.status == 304,
    );
    assert!(tag.body.is_empty());

    // Events are the same snapshots, each newer than the one before; the last one is the last of the run.
    let mut events = events(address, "/api/events", &[]);
    let mut seen = 0;
    for _ in 0..3 {
        let event: Value = serde_json::from_str(&events.next().expect("an event")).expect("JSON");
        let revision = event["revision"].as_u64().expect("a revision");
        assert_eq!(event["record"], "snapshot");
        assert!(revision > seen);
        seen = revision;
    }
    let report = stream.stop();
    let last: Value = serde_json::from_str(&events.last().expect("the last")).expect("JSON");
    assert_eq!(last["connection"]["state"], "stopped");
    assert_eq!(last["revision"].as_u64(), Some(report.snapshot.revision));
    assert!(report.snapshot.outputs["http"].written > 0);
}

#[test]
fn ready_only_while_streaming_and_alive_always() {
    let sim = start(busy());
    let (stream, address) = serving(&sim.url());
    let readyz = || get(address, "/readyz", &[]);
    until("ready", readyz, |answer| answer.status == 200);
    control(&sim, "outage?secs=3600");
    let answer = until("not ready", readyz, |answer| answer.status == 503);
    assert!(answer.body.starts_with("not ready: "), "{}", answer.body);
    assert_eq!(get(address, "/healthz", &[]).body, "ok\n");
    until(
        "the metric",
        || get(address, "/metrics", &[]),
        |answer| samples(&answer.body).get("genesys_stream_ready") == Some(&0.0),
    );
    stream.stop();
}

/// The topic of one queue is refused, and later there is no stream; snapshots are an hour apart, so the answers do not wait
/// for one.
#[test]
fn answers_are_of_this_moment_whatever_the_interval() {
    let sim = start(busy());
    let queue = sim_queue(&sim);
    control(&sim, &format!("forbid?topic=v2.routing.queues.{queue}.conversations"));
    let builder = listening(&sim.url(), "127.0.0.1:0").snapshot_interval(Duration::from_secs(3600));
    let stream = watch(builder);
    let address = stream.stream().http_address().expect("http.listen is set");
    let readyz = || get(address, "/readyz", &[]);
    let answer = until("degraded", readyz, |answer| answer.status == 200);
    assert!(answer.body.starts_with("degraded: 1 of "), "{}", answer.body);
    assert!(answer.body.contains("queues unknown (refused: "), "{}", answer.body);
    let snapshot: Value = serde_json::from_str(&get(address, "/api/snapshot", &[]).body).expect("JSON");
    for (id, shown) in snapshot["queues"].as_object().expect("queues") {
        assert_eq!(shown["waiting"].is_null(), *id == queue, "{shown}");
        assert_eq!(shown["unknown"].is_null(), *id != queue, "{shown}");
    }
    let metrics = get(address, "/metrics", &[]).body;
    let unknown = format!("genesys_queue_unknown{{queue_id=\"{queue}\"");
    assert!(metrics.lines().any(|line| line.starts_with(&unknown)), "{metrics}");

    control(&sim, "outage?secs=3600");
    let answer = until("not ready", readyz, |answer| answer.status == 503);
    assert!(answer.body.starts_with("not ready: "), "{}", answer.body);
    let snapshot: Value = serde_json::from_str(&get(address, "/api/snapshot", &[]).body).expect("JSON");
    for shown in snapshot["queues"].as_object().expect("queues").values() {
        assert!(shown["waiting"].is_null() && shown["unknown"].is_string(), "{shown}");
    }
    stream.stop();
}

/// Genesys' own numbers are compared with ours, and nothing lasting is found in the simulator.
#[test]
fn the_self_check_finds_nothing_in_a_healthy_centre() {
    let sim = start(busy());
    let stream = watch(config(&sim.url(), Protocol::Notifications));
    let observed = |s: &Snapshot| s.queues.values().filter_map(|queue| queue.observed).collect::<Vec<_>>();
    stream.until("both counts of all queues", |s| {
        !s.queues.is_empty() && observed(s).len() == s.queues.len()
    });
    stream.until("somebody talks by both counts", |s| {
        let agrees = |queue: &QueueSnapshot| {
            let observed = queue.observed.map(|observed| observed.interacting);
            observed > Some(0) && observed == queue.live.interacting.known()
        };
        s.queues.values().any(agrees)
    });
    let last = stream.stop().snapshot;
    assert!(observed(&last).iter().all(|observed| observed.differs_since.is_none()));
}

/// The id of a queue.
fn sim_queue(sim: &Simulator) -> String {
    let truth = control(sim, "truth");
    let queues = truth["queues"].as_object().expect("queues");
    queues.keys().next().expect("a queue").clone()
}

#[test]
fn a_token_is_asked_for_and_opens_by_header_and_form() {
    let sim = start(busy());
    let file = std::env::temp_dir().join(format!("gs-web-token-{}", std::process::id()));
    std::fs::write(&file, "open sesame for ever\n").expect("a file");
    let json = serde_json::json!({"http": {"listen": "0.0.0.0:0", "token_file": file}}).to_string();
    let stream = watch(config(&sim.url(), Protocol::Notifications).json("test", json));
    let address = stream.stream().http_address().expect("http.listen is set");
    let address = SocketAddr::from(([127, 0, 0, 1], address.port()));
    stream.until_streaming();
    for path in [
        "/",
        "/metrics",
        "/api/snapshot",
        "/api/events",
        "/api/page",
        "/api/page/day",
    ] {
        let answer = get(address, path, &[]);
        assert_eq!(answer.status, 401, "{path}");
        assert!(!answer.body.contains("queues\":"), "{path}");
        assert_eq!(
            get(address, path, &[("Authorization", "Bearer open")]).status,
            401,
            "{path}"
        );
    }
    assert_eq!(get(address, "/healthz", &[]).status, 200);
    assert!(matches!(get(address, "/readyz", &[]).status, 200 | 503));
    assert_eq!(
        get(address, "/metrics", &[("Authorization", "Bearer open sesame for ever")]).status,
        200
    );

    let log_in = |path: &str, token: &str, fields: &str| {
        let body = format!("token={token}");
        raw(
            address,
            format!(
                "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .as_bytes(),
        )
    };
    // The view that was asked for outlives the login; its address is text of a stranger.
    let view = "kiosk&queues=Sales,%22VIP%22&title=a%3Cb";
    let form = get(address, &format!("/?{view}&x=\"><i>"), &[]);
    assert_eq!(form.status, 401);
    let action = format!("action=\"/login?{}&amp;x=&quot;>&lt;i>\"", view.replace('&', "&amp;"));
    assert!(form.body.contains(&action), "{}", form.body);
    let answer = log_in(
        &format!("/login?{view}"),
        "open+sesame+for+ever",
        "Origin: http://127.0.0.1\r\n",
    );
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some(&*format!("/?{view}")))
    );
    let set = answer.header("set-cookie").expect("a cookie").to_owned();
    assert!(
        set.contains("HttpOnly") && set.contains("SameSite=Strict") && !set.contains("sesame"),
        "{set}"
    );
    let cookie = set.split(';').next().expect("a pair");
    assert!(get(address, "/", &[("Cookie", cookie)]).body.contains("EventSource"));
    assert_eq!(get(address, "/", &[("Cookie", "genesys_stream=1")]).status, 401);
    // Another site's page cannot log a browser in.
    assert_eq!(
        log_in("/login", "open+sesame+for+ever", "Origin: http://evil.example\r\n").status,
        403
    );
    for elsewhere in ["Sec-Fetch-Site: cross-site\r\n", "Origin: null\r\n", "Origin: \r\n"] {
        assert_eq!(
            log_in("/login", "open+sesame+for+ever", elsewhere).status,
            403,
            "{elsewhere}"
        );
    }
    // A browser logs out, and no other site can make it.
    let log_out = |fields: &str| {
        let request = format!(
            "POST /logout HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}Connection: close\r\nContent-Length: 0\r\n\r\n"
        );
        raw(address, request.as_bytes())
    };
    let out = log_out("Origin: http://127.0.0.1\r\n");
    assert_eq!((out.status, out.header("location")), (303, Some("/login")));
    let unset = out.header("set-cookie").expect("a cookie");
    assert!(unset.contains("=; Max-Age=0"), "{unset}");
    assert_eq!(unset.split('=').next(), cookie.split('=').next());
    assert_eq!(log_out("Origin: http://evil.example\r\n").status, 403);
    // After some wrong tokens others are answered 429; the right one still enters, whoever else has this address.
    until("429", || log_in("/login", "wrong", ""), |answer| answer.status == 429);
    assert_eq!(log_in("/login", "open+sesame+for+ever", "").status, 303);
    assert_eq!(get(address, "/", &[("Cookie", cookie)]).status, 200);
    let report = stream.stop();
    assert!(
        !serde_json::to_string(&*report.snapshot)
            .expect("JSON")
            .contains("sesame")
    );
    std::fs::remove_file(&file).expect("it is there");
}

#[test]
fn strange_hosts_methods_and_paths_are_refused() {
    let sim = start(busy());
    let (stream, address) = serving(&sim.url());
    stream.until_streaming();
    for (host, status) in [
        ("localhost:1", 200),
        ("[::1]", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("10.0.0.1", 421),
    ] {
        let request = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(raw(address, request.as_bytes()).status, status, "{host}");
    }
    assert_eq!(
        raw(address, b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n").status,
        421
    );
    for (method, path, status) in [
        ("GET", "/nothing", 404),
        ("GET", "/../etc/passwd", 404),
        ("POST", "/", 405),
        ("DELETE", "/api/snapshot", 405),
        ("OPTIONS", "/metrics", 405),
    ] {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = raw(address, request.as_bytes());
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.header("access-control-allow-origin"), None);
        assert_eq!(answer.header("allow").is_some(), status == 405);
    }
    let page = get(address, "/", &[]);
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(
        policy.starts_with("default-src 'none'; script-src 'sha256-"),
        "{policy}"
    );
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    let head = raw(
        address,
        b"HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    assert_eq!((head.status, head.body.len()), (200, 0));
    stream.stop();
}

/// Each of them is refused or cut off; the stream and other viewers are not disturbed.
#[test]
fn hostile_peers_are_cut_off_and_hold_up_nobody() {
    let sim = start(busy());
    let (stream, address) = serving(&sim.url());
    stream.until_streaming();
    let long = "a".repeat(20_000);
    for (bytes, status) in [
        ("\u{16}\u{3}\u{1} hello\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), 400),
        (format!("GET /{long} HTTP/1.1\r\n\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n"), 431),
        (
            "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n\r\n".to_owned(),
            413,
        ),
        (
            "POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
            411,
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_owned(),
            400,
        ),
    ] {
        assert_eq!(raw(address, bytes.as_bytes()).status, status, "{:.60}", bytes);
    }
    // More unfinished requests than there is room for, and viewers that read nothing.
    let mut slow: Vec<_> = (0..520).map(|_| connect(address)).collect();
    for stream in &mut slow {
        // The server may have cut it off already to make room.
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: loc");
    }
    let mut deaf: Vec<_> = (0..20).map(|_| connect(address)).collect();
    for stream in &mut deaf {
        stream
            .write_all(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .expect("taken");
    }
    let before = stream.until_fed().counters.events_applied;
    assert_eq!(get(address, "/healthz", &[]).status, 200);
    assert!(events(address, "/api/page", &[]).take(3).count() == 3);
    stream.until("goes on", |s| s.counters.events_applied > before + 10);
    // A request whose head does not arrive is answered or cut off.
    let mut answer = String::new();
    slow[519].set_read_timeout(Some(PATIENCE)).expect("a limit");
    let _ = slow[519].read_to_string(&mut answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
    stream.stop();
}

#[test]
fn two_hundred_viewers_get_every_picture() {
    let sim = start(busy());
    let stream = watch(listening(&sim.url(), "127.0.0.1:0").snapshot_interval(Duration::from_millis(500)));
    let address = stream.stream().http_address().expect("http.listen is set");
    stream.until_fed();
    let mut viewers: Vec<_> = (0..200).map(|_| events(address, "/api/page", &[])).collect();
    for viewer in &mut viewers {
        let mut picture = || -> Value { serde_json::from_str(&viewer.next().expect("a picture")).expect("JSON") };
        let whole = picture();
        assert_eq!(whole["whole"], true);
        let as_of = |picture: &Value| picture["patch"]["as_of"].as_str().map(str::to_owned);
        let mut last = as_of(&whole);
        for _ in 0..3 {
            let next = picture();
            assert!(as_of(&next) > last);
            last = as_of(&next);
        }
    }
    let viewing = samples(&get(address, "/metrics", &[]).body)["genesys_stream_viewers"];
    assert_eq!(viewing, 200.0);
    stream.stop();
}

#[test]
fn an_address_in_use_is_a_configuration_error_before_anything_is_connected() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let peer = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    peer.set_nonblocking(true).expect("set");
    let url = format!("http://{}", peer.local_addr().expect("an address"));
    let error = Stream::start(built(listening(&url, &address))).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(
        error.to_string().contains(&address) && error.to_string().contains("another program"),
        "{error}"
    );
    assert!(peer.accept().is_err(), "nothing was connected");
}

/// The distribution of waits has every answered and abandoned visit, and grows with the bound.
#[test]
fn waits_are_those_of_answered_and_abandoned_visits() {
    let sim = start(busy());
    let (stream, address) = serving(&sim.url());
    let queues: Vec<_> = stream.until_fed().queues.keys().cloned().collect();
    let waits = |answer: &Answer| {
        let value = |name: &str, labels: &str| -> Option<u64> {
            let begin = format!("genesys_queue_{name}{{{labels}");
            let line = answer.body.lines().find(|line| line.starts_with(&begin))?;
            line.rsplit(' ').next()?.parse().ok()
        };
        let mut visits = 0;
        for id in &queues {
            let queue = format!("queue_id=\"{id}\"");
            let within: Option<Vec<u64>> = ["5", "10", "20", "30", "60", "120", "300", "600", "+Inf"]
                .iter()
                .map(|le| value("wait_within", &format!("{queue},le=\"{le}\"")))
                .collect();
            let within = within?;
            assert!(within.is_sorted(), "{within:?}");
            let ended = value("answered", &queue)? + value("abandoned", &queue)?;
            assert_eq!(within.last(), Some(&ended), "{queue}");
            visits += ended;
        }
        (visits > 0).then_some(visits)
    };
    until(
        "visits",
        || get(address, "/metrics", &[]),
        |answer| waits(answer).is_some(),
    );
    stream.stop();
}

/// Dashboard and alert rules use no name that `/metrics` does not have.
#[test]
fn dashboard_and_rules_use_the_names_of_the_metrics() {
    let sim = start(busy());
    let (stream, address) = serving(&sim.url());
    stream.until("answered calls", |s| {
        s.queues.values().any(|queue| {
            queue
                .totals
                .is_some_and(|totals| totals.average_handle_secs.is_some() && totals.service_level_percent.is_some())
                && queue.longest_wait_secs.is_some()
                && !queue.observations.is_empty()
        })
    });
    let has_all = |answer: &Answer| {
        let have: Vec<&str> = answer
            .body
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "))
            .collect();
        let have: Vec<&str> = have.iter().filter_map(|line| line.split(' ').next()).collect();
        let mut used = 0;
        for file in [
            "contrib/grafana/genesys-stream.json",
            "contrib/prometheus/genesys-stream.rules.yml",
        ] {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            let text = std::fs::read_to_string(path).expect("the file");
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            for name in text.split(|c| !word(c)).filter(|name| name.starts_with("genesys_")) {
                used += 1;
                // A family without samples is left out, and no alert fires here.
                if !have.contains(&name) && name != "genesys_queue_alert" {
                    return Err(format!("{file}: {name}"));
                }
            }
        }
        assert!(used > 50, "{used} names found");
        Ok(())
    };
    let answer = until(
        "every name",
        || get(address, "/metrics", &[]),
        |answer| has_all(answer).is_ok(),
    );
    assert_eq!(has_all(&answer), Ok(()));
    stream.stop();
}
