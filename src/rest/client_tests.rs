//! The client against scripted servers: limits, cancel, errors, pooling, the budget.
//!
//! In: scripted servers on loopback · Out: verdicts · Thread: the test's.

use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::client::{Body, Limits, Method, Request, RestClient};
use super::rate::{Lane, Purpose, RateLimits};
use crate::config::Hosts;
use crate::net::scripted::{Reply, Server, assert_quick, fixture};
use crate::net::{Cancel, Net};
use crate::{ErrorKind, Secret};

fn hosts(base: &str) -> Hosts {
    Hosts {
        region: "here".to_owned(),
        login: base.to_owned(),
        api: base.to_owned(),
        streaming: base.replace("http", "ws"),
    }
}

fn limits() -> Limits {
    let rates = RateLimits {
        max_per_min: 10_000,
        backfill_max_per_min: 10_000,
    };
    Limits::with_rates(rates, Duration::from_secs(15))
}

fn client_with(base: &str, proxy: Option<&str>, cancel: Cancel, limits: Limits) -> RestClient {
    let net = Net::with(proxy, Some(fixture("ca.pem")), |_| None).unwrap();
    RestClient::new(hosts(base), Arc::new(net), cancel, limits)
}

/// A client whose hosts are all this server.
pub(super) fn client_of(server: &Server) -> RestClient {
    client_with(&format!("http://{}", server.address), None, Cancel::new(), limits())
}

fn token() -> Secret {
    Secret::new("the-token")
}

fn get<'a>(at: &'a str, token: &'a Secret) -> Request<'a> {
    Request::new("looking", Method::Get, at, token)
}

#[test]
fn calls_over_tls_and_through_a_proxy() {
    let server = Server::https("server", |_| Reply::json(200, r#"{"a":1}"#));
    let base = format!("https://localhost:{}", server.port());
    let proxy = Server::proxy(None, 200);
    let through = format!("http://127.0.0.1:{}", proxy.port());
    for proxy in [None, Some(through.as_str())] {
        let client = client_with(&base, proxy, Cancel::new(), limits());
        let answer = client.call(&get("/api/v2/x?y=1", &token())).unwrap();
        assert_eq!(answer.body, br#"{"a":1}"#);
    }
    let seen = server.seen();
    assert_eq!(seen[0].line, "GET /api/v2/x?y=1 HTTP/1.1");
    assert_eq!(seen[0].header("authorization").as_deref(), Some("Bearer the-token"));
    assert_eq!(proxy.seen().len(), 1);
}

#[test]
fn a_refused_certificate_is_reported() {
    let server = Server::https("self-signed", |_| Reply::json(200, "{}"));
    let base = format!("https://localhost:{}", server.port());
    let client = client_with(&base, None, Cancel::new(), limits());
    let error = client.call(&get("/x", &token())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Certificate);
    assert!(
        error.to_string().starts_with("looking (GET https://localhost"),
        "{error}"
    );
}

#[test]
fn connections_are_reused_while_the_server_keeps_them() {
    let server = Server::http(|seen| match seen.line.contains("/bye") {
        true => Reply::json(200, "{}").header("Connection", "close"),
        false => Reply::json(200, "{}").chunked(),
    });
    let client = client_of(&server);
    for path in ["/a", "/b", "/bye", "/c"] {
        client.call(&get(path, &token())).unwrap();
    }
    let connections: Vec<usize> = server.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [0, 0, 0, 1]);
}

#[test]
fn chunked_and_dribbled_answers_are_read() {
    let server = Server::http(|_| {
        Reply::json(200, r#"{"long":"enough for several chunks"}"#)
            .chunked()
            .dribble(Duration::from_micros(200))
    });
    let answer = client_of(&server).call(&get("/x", &token())).unwrap();
    assert_eq!(answer.body, br#"{"long":"enough for several chunks"}"#);
}

#[test]
fn the_total_limit_holds_while_bytes_trickle() {
    for secure in ["http", "https"] {
        let slow = |_: &_| Reply::json(200, &"x".repeat(5000)).dribble(Duration::from_millis(5));
        let server = match secure {
            "http" => Server::http(slow),
            _ => Server::https("server", slow),
        };
        let mut limits = limits();
        limits.call = Duration::from_millis(400);
        let base = format!("{secure}://localhost:{}", server.port());
        let client = client_with(&base, None, Cancel::new(), limits);
        assert_quick(Duration::from_millis(700), || {
            let started = Instant::now();
            let error = client.call(&get("/x", &token())).unwrap_err();
            let took = started.elapsed();
            assert_eq!(error.kind(), ErrorKind::Transient);
            assert!(error.to_string().contains("within 0.4 s"), "{error}");
            assert!(took >= Duration::from_millis(390), "{took:?}");
            took
        });
    }
}

#[test]
fn cancel_ends_a_wait_for_the_answer_within_100_ms() {
    let (asked, was_asked) = crossbeam_channel::bounded(2);
    let server = Server::raw(move |mut stream, _| {
        let _ = stream.read(&mut [0; 1000]);
        let _ = asked.send(());
        let _ = stream.read_to_end(&mut Vec::new());
    });
    // Over TLS the server is silent inside the handshake, else after the request.
    for scheme in ["http", "https"] {
        assert_quick(Duration::from_millis(100), || {
            let cancel = Cancel::new();
            let base = format!("{scheme}://localhost:{}", server.port());
            let client = client_with(&base, None, cancel.clone(), limits());
            let calling = std::thread::spawn(move || client.call(&get("/x", &token())).unwrap_err());
            was_asked.recv_timeout(Duration::from_secs(60)).unwrap();
            let started = Instant::now();
            cancel.cancel();
            assert_eq!(calling.join().unwrap().kind(), ErrorKind::Stopped);
            started.elapsed()
        });
    }
}

#[test]
fn cleaning_up_goes_on_after_the_run_is_stopped() {
    let server = Server::http(|_| Reply::json(200, "{}"));
    let run = Cancel::new();
    let client = client_with(&format!("http://{}", server.address), None, run.clone(), limits());
    let cleaning = client.scoped(Cancel::new(), Duration::from_millis(700));
    run.cancel();
    cleaning.call(&get("/x", &token())).unwrap();
    assert!(Arc::ptr_eq(client.budget(), cleaning.budget()));
}

#[test]
fn after_cancel_nothing_is_sent() {
    let server = Server::http(|_| Reply::json(200, "{}"));
    let cancel = Cancel::new();
    let client = client_with(&format!("http://{}", server.address), None, cancel.clone(), limits());
    cancel.cancel();
    assert_eq!(
        client.call(&get("/x", &token())).unwrap_err().kind(),
        ErrorKind::Stopped
    );
    assert!(server.seen().is_empty());
}

#[test]
fn the_documented_errors_are_reported() {
    let forbidden = include_str!("../../tests/fixtures/rest-error-403-missing-permissions.json");
    let server = Server::http(move |_| Reply::json(403, forbidden).header("ININ-Correlation-Id", "corr-1"));
    let error = client_of(&server)
        .call(&get("/api/v2/x?secret=1", &token()))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert_eq!(error.correlation_id(), Some("corr-1"));
    let text = error.to_string();
    assert!(text.contains("analytics:queueObservation:view"), "{text}");
    assert!(text.contains("/api/v2/x)") && !text.contains("secret"), "{text}");
}

#[test]
fn a_429_pauses_everybody_who_shares_the_lane() {
    let body = include_str!("../../tests/fixtures/rest-error-429.json");
    let server = Server::http(move |seen| match seen.line.contains("login") {
        true => Reply::json(200, "{}"),
        false => Reply::json(429, body).header("Retry-After", "42"),
    });
    let client = client_of(&server);
    let first = client.call(&get("/x", &token())).unwrap_err();
    assert_eq!((first.kind(), first.status()), (ErrorKind::Transient, Some(429)));
    assert_eq!(first.retry_after(), Some(Duration::from_secs(42)));
    let second = client.call(&get("/x", &token())).unwrap_err();
    assert_eq!((second.kind(), second.status()), (ErrorKind::Transient, None));
    assert!(second.retry_after().unwrap() > Duration::from_secs(40));
    assert!(client.budget().paused_until(Lane::Api).is_some());
    let token = token();
    let mut login = get("/login", &token);
    login.lane = Lane::Login;
    client.call(&login).unwrap();
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn redirects_are_not_followed() {
    let other = Server::http(|_| Reply::json(200, "{}"));
    let to = format!("http://{}/", other.address);
    let server = Server::http(move |_| Reply::empty(307).header("Location", &to));
    let token = token();
    for request in [
        get("/x", &token),
        Request::new("posting", Method::Post, "/x", &token).json("{}"),
    ] {
        let error = client_of(&server).call(&request).unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Transient, Some(307)));
    }
    assert!(other.seen().is_empty());
}

#[test]
fn a_broken_answer_is_transient() {
    let long = Server::http(|_| Reply::json(200, &"x".repeat(5000)));
    let mut limits = limits();
    limits.body_bytes = 4000;
    let client = client_with(&format!("http://{}", long.address), None, Cancel::new(), limits);
    let error = client.call(&get("/x", &token())).unwrap_err();
    assert!(error.to_string().contains("more than 4000 bytes"), "{error}");
    for garbage in [
        "",
        "SSH-2.0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
    ] {
        let server = Server::raw(move |mut stream, _| {
            let _ = stream.read(&mut [0; 1000]);
            let _ = std::io::Write::write_all(&mut stream, garbage.as_bytes());
        });
        let error = client_of(&server).call(&get("/x", &token())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
    }
}

#[test]
fn a_token_that_cannot_be_sent_is_not_shown() {
    let server = Server::http(|_| Reply::json(200, "{}"));
    let error = client_of(&server)
        .call(&get("/x", &Secret::new("gehe\nim")))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(!error.to_string().contains("gehe"), "{error}");
}

#[test]
fn bodies_and_purposes() {
    let server = Server::http(|_| Reply::empty(204));
    let token = token();
    let mut limits = limits();
    limits.rate.backfill_max_per_min = 1;
    limits.budget_wait = Duration::ZERO;
    let client = client_with(&format!("http://{}", server.address), None, Cancel::new(), limits);
    let request = || Request::new("asking", Method::Post, "/x", &token).json("[1]");
    client.call(&request().purpose(Purpose::Backfill)).unwrap();
    let error = client.call(&request().purpose(Purpose::Backfill)).unwrap_err();
    assert!(error.retry_after().is_some(), "{error}");
    client.call(&request()).unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].body, "[1]");
    assert_eq!(seen[0].header("content-type").as_deref(), Some("application/json"));
    let mut form = request();
    form.body = Body::Form("a=b");
    client.call(&form).unwrap();
    assert_eq!(server.seen()[2].body, "a=b");
}
