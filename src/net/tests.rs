//! Opening connections, plain, under TLS and through proxies: every wait has a deadline and ends on cancel.
//!
//! In: scripted servers on loopback · Out: verdicts · Thread: the test's.

use std::io::{ErrorKind as Io, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::scripted::{Server, accept_tls, assert_quick, dribble, fixture, server_config};
use super::*;

fn net(proxy: Option<&str>) -> Net {
    Net::with(proxy, Some(fixture("ca.pem")), |_| None).unwrap()
}

fn at(url: &str) -> Target {
    Url::parse(url).unwrap().target
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// Sends back what it receives, under TLS with this certificate.
fn tls_echo(certificate: &str) -> Server {
    let config = server_config(certificate);
    Server::raw(move |stream, _| {
        let mut stream = accept_tls(&config, stream);
        let mut heard = [0; 4];
        while stream.read_exact(&mut heard).is_ok() {
            stream.write_all(&heard).unwrap();
        }
    })
}

fn echoes(stream: &mut Stream) {
    stream.write_all(b"ping").unwrap();
    stream.flush().unwrap();
    let mut heard = [0; 4];
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"ping");
}

#[test]
fn tls_with_the_ca_file_by_name_and_address() {
    let server = tls_echo("server");
    let net = net(None);
    for host in ["localhost", "127.0.0.1"] {
        let target = at(&format!("https://{host}:{}", server.port()));
        let mut stream = open(&target, &net, soon(), &Cancel::new()).unwrap();
        echoes(&mut stream);
        let issuer = issuer::issuer_of(stream.peer_certificate().unwrap());
        assert_eq!(issuer.as_deref(), Some("Test Root (genesys-stream tests)"));
    }
}

#[test]
fn refused_certificates_are_explained() {
    for (certificate, says) in [
        ("wrong-host", "other.example"),
        ("self-signed", "issued by \"Self Signed (Inspecting Proxy)\""),
    ] {
        let server = tls_echo(certificate);
        let target = at(&format!("wss://localhost:{}", server.port()));
        let error = open(&target, &net(None), soon(), &Cancel::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Certificate, "{error}");
        let text = error.to_string();
        assert!(text.contains(says) && text.contains("--ca-file"), "{text}");
    }
    let server = tls_echo("server");
    let target = at(&format!("wss://localhost:{}", server.port()));
    let without = Net::with(None, None, |_| None).unwrap();
    let error = open(&target, &without, soon(), &Cancel::new()).unwrap_err();
    assert!(error.to_string().contains("its issuer is not trusted here"), "{error}");
}

#[test]
fn a_server_without_tls_is_reported_as_such() {
    let server = Server::raw(|mut stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = stream.read(&mut [0; 1000]);
    });
    let target = at(&format!("https://localhost:{}", server.port()));
    let error = open(&target, &net(None), soon(), &Cancel::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transient);
    assert!(error.to_string().contains("does not speak TLS"), "{error}");
}

#[test]
fn plain_targets_build_no_tls() {
    let server = Server::raw(|mut stream, _| {
        let _ = stream.write_all(b"ping");
    });
    let net = net(None);
    let target = at(&format!("ws://127.0.0.1:{}", server.port()));
    let mut stream = open(&target, &net, soon(), &Cancel::new()).unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "ping");
    assert!(format!("{:?}", net.tls).contains("data: None"), "{:?}", net.tls);
}

#[test]
fn tunnels_through_plain_and_tls_proxies() {
    let server = tls_echo("server");
    let port = server.port();
    for (certificate, scheme) in [(None, "http"), (Some("server"), "https")] {
        let proxy = Server::proxy(certificate, 200);
        let setting = format!("{scheme}://user:pass@localhost:{}", proxy.port());
        let net = net(Some(&setting));
        let mut stream = open(&at(&format!("wss://localhost:{port}")), &net, soon(), &Cancel::new()).unwrap();
        echoes(&mut stream);
        let seen = &proxy.seen()[0];
        assert_eq!(seen.line, format!("CONNECT localhost:{port} HTTP/1.1"));
        assert_eq!(
            seen.header("proxy-authorization").as_deref(),
            Some("Basic dXNlcjpwYXNz")
        );
    }
}

#[test]
fn a_plain_target_through_an_explicit_proxy_is_a_tunnel_too() {
    let server = Server::raw(|mut stream, _| {
        let mut heard = [0; 4];
        while stream.read_exact(&mut heard).is_ok() {
            stream.write_all(&heard).unwrap();
        }
    });
    let proxy = Server::proxy(None, 200);
    let net = net(Some(&format!("http://127.0.0.1:{}", proxy.port())));
    let target = at(&format!("http://127.0.0.1:{}", server.port()));
    let mut stream = open(&target, &net, soon(), &Cancel::new()).unwrap();
    echoes(&mut stream);
    assert_eq!(proxy.seen().len(), 1);
}

#[test]
fn a_refusing_proxy_is_quoted() {
    for (status, kind) in [(403, ErrorKind::Transient), (407, ErrorKind::Credentials)] {
        let proxy = Server::proxy(None, status);
        let net = net(Some(&format!("http://u:geheim@127.0.0.1:{}", proxy.port())));
        let error = open(&at("https://api.example"), &net, soon(), &Cancel::new()).unwrap_err();
        assert_eq!((error.kind(), error.status()), (kind, Some(status)));
        let text = error.to_string();
        assert!(text.contains(&format!("answered {status}")), "{text}");
        assert!(!text.contains("geheim"), "{text}");
    }
}

/// Accepts connections and sends nothing.
fn silent() -> Server {
    Server::raw(|mut stream, _| {
        let _ = stream.read_to_end(&mut Vec::new());
    })
}

#[test]
fn a_silent_peer_is_given_up_at_the_deadline() {
    let server = silent();
    let port = server.port();
    let gives_up = |net: &Net, url: String| {
        assert_quick(Duration::from_millis(600), || {
            let started = Instant::now();
            let deadline = started + Duration::from_millis(150);
            let error = open(&at(&url), net, deadline, &Cancel::new()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
            assert!(error.to_string().contains("in time"), "{error}");
            started.elapsed()
        });
    };
    gives_up(&net(None), format!("https://localhost:{port}"));
    gives_up(
        &net(Some(&format!("http://127.0.0.1:{port}"))),
        "https://api.example".to_owned(),
    );
    gives_up(
        &net(Some(&format!("https://localhost:{port}"))),
        "https://api.example".to_owned(),
    );
}

#[test]
fn cancel_ends_a_handshake_within_100_ms() {
    let (accepted, has_accepted) = crossbeam_channel::bounded(1);
    let server = Server::raw(move |mut stream, _| {
        let _ = stream.read(&mut [0; 1]);
        let _ = accepted.send(());
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let target = at(&format!("https://localhost:{}", server.port()));
    assert_quick(Duration::from_millis(100), || {
        let run = Cancel::new();
        let (own, target) = (run.child(), target.clone());
        let opening = std::thread::spawn(move || open(&target, &net(None), soon(), &own).unwrap_err());
        // The client's first bytes are here: it is inside the handshake.
        has_accepted.recv_timeout(Duration::from_secs(60)).unwrap();
        let started = Instant::now();
        run.cancel();
        assert_eq!(opening.join().unwrap().kind(), ErrorKind::Stopped);
        started.elapsed()
    });
}

#[test]
fn a_deadline_fires_while_tls_bytes_trickle() {
    let config = server_config("server");
    let server = Server::raw(move |stream, _| {
        let mut raw = stream.try_clone().unwrap();
        let mut tls = accept_tls(&config, stream);
        let mut heard = [0; 4];
        tls.read_exact(&mut heard).unwrap();
        // One record of 16 KiB, its ciphertext dribbled below TLS.
        tls.conn.writer().write_all(&[b'x'; 16_000]).unwrap();
        let mut record = Vec::new();
        while tls.conn.wants_write() {
            tls.conn.write_tls(&mut record).unwrap();
        }
        let _ = dribble(&mut raw, &record, Duration::from_millis(5));
    });
    let target = at(&format!("https://localhost:{}", server.port()));
    assert_quick(Duration::from_millis(400), || {
        let mut stream = open(&target, &net(None), soon(), &Cancel::new()).unwrap();
        stream.write_all(b"ping").unwrap();
        let started = Instant::now();
        stream.set_read_deadline(started + Duration::from_millis(300));
        let error = stream.read(&mut [0; 1000]).unwrap_err();
        let took = started.elapsed();
        assert_eq!(error.kind(), Io::WouldBlock);
        assert!(took >= Duration::from_millis(300), "{took:?}");
        took
    });
}

#[test]
fn nothing_is_lost_over_many_deadlines_inside_a_record() {
    let config = server_config("server");
    let text: Vec<u8> = (0..600_u32).map(|n| (n % 251) as u8).collect();
    let sent = text.clone();
    let server = Server::raw(move |stream, _| {
        let mut raw = stream.try_clone().unwrap();
        let mut tls = accept_tls(&config, stream);
        tls.read_exact(&mut [0; 4]).unwrap();
        tls.conn.writer().write_all(&sent).unwrap();
        let mut record = Vec::new();
        while tls.conn.wants_write() {
            tls.conn.write_tls(&mut record).unwrap();
        }
        let _ = dribble(&mut raw, &record, Duration::from_micros(300));
    });
    let target = at(&format!("https://localhost:{}", server.port()));
    let mut stream = open(&target, &net(None), soon(), &Cancel::new()).unwrap();
    stream.write_all(b"ping").unwrap();
    let (mut heard, mut due) = (Vec::new(), 0);
    let mut block = [0; 1000];
    let give_up = soon();
    while heard.len() < text.len() && Instant::now() < give_up {
        stream.set_read_deadline(Instant::now() + Duration::from_millis(2));
        match stream.read(&mut block) {
            Ok(0) => break,
            Ok(n) => heard.extend_from_slice(&block[..n]),
            Err(error) => {
                assert_eq!(error.kind(), Io::WouldBlock);
                due += 1;
            }
        }
    }
    assert_eq!(heard, text);
    assert!(due > 5, "{due} deadlines came due");
}

#[test]
fn a_close_without_close_notify_is_a_close() {
    let config = server_config("server");
    let server = Server::raw(move |stream, _| {
        let mut stream = accept_tls(&config, stream);
        stream.write_all(b"last words").unwrap();
        stream.sock.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = stream.read(&mut [0; 1]);
    });
    let target = at(&format!("https://localhost:{}", server.port()));
    let mut stream = open(&target, &net(None), soon(), &Cancel::new()).unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "last words");
}

#[test]
fn a_stalled_tls_write_is_a_failure() {
    let config = server_config("server");
    let (hold, held) = crossbeam_channel::bounded::<()>(0);
    let server = Server::raw(move |stream, _| {
        let mut stream = accept_tls(&config, stream);
        let _ = stream.read(&mut [0; 1]);
        let _ = held.recv_timeout(Duration::from_secs(120));
    });
    let target = at(&format!("https://localhost:{}", server.port()));
    let mut stream = open(&target, &net(None), soon(), &Cancel::new()).unwrap();
    stream.set_write_limit(Duration::from_millis(150));
    let started = Instant::now();
    let block = vec![0; 1 << 20];
    let mut outcome = Ok(());
    for _ in 0..64 {
        outcome = stream.write_all(&block).and_then(|()| stream.flush());
        if outcome.is_err() {
            break;
        }
    }
    assert_eq!(outcome.unwrap_err().kind(), Io::TimedOut);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    drop(hold);
}

#[test]
fn settings_that_cannot_be_used_are_refused_before_any_connection() {
    let missing = Net::with(None, Some("missing.pem".into()), |_| None).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Configuration);
    let proxy = Net::with(Some("socks5://localhost"), None, |_| None).unwrap_err();
    assert_eq!(proxy.kind(), ErrorKind::Configuration);
    let shared = Arc::new(net(None));
    assert!(Arc::ptr_eq(
        &shared.tls.config().unwrap(),
        &shared.tls.config().unwrap()
    ));
}

#[test]
fn an_unusable_proxy_of_the_environment_shows_before_anything_is_connected() {
    let config = |region: &str| {
        crate::Config::builder()
            .region(region)
            .client_id("x")
            .client_secret(crate::Secret::new("y"))
            .build()
            .unwrap()
    };
    let broken = |name: &str| (name == "HTTPS_PROXY").then(|| "garbage://x".to_owned());
    let error = Net::for_hosts(&config("eu-west-1"), broken).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("HTTPS_PROXY"), "{error}");
    Net::for_hosts(&config("http://127.0.0.1:1"), broken).unwrap();
    let exempt = |name: &str| match name {
        "NO_PROXY" => Some("*".to_owned()),
        _ => broken(name),
    };
    Net::for_hosts(&config("eu-west-1"), exempt).unwrap();
}
