//! Peers that mean harm, at each step on the way to a stream: the stream comes up once they are sound, and a stop ends at once.
//!
//! In: a scripted peer · Out: verdicts · Thread: one a protocol.
//!
//! What no scripted peer can show, such as waits of hours, the random histories of the state machine do (`supervisor::core`).

use std::io::Write;
use std::net::Shutdown;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use genesys_stream::{ConfigBuilder, ConnectionState, Moment, Protocol};
use serde_json::json;
use tungstenite::handshake::derive_accept_key;

use crate::support::peer::{Answer, Asked, Behaviour, Peer, Wire, peer};
use crate::support::{STOP_LIMIT, against_the_clock, config, for_all_protocols, watch};

/// Attempts that follow each other at once, and as many channels as they ask for.
fn eager(url: &str, protocol: Protocol) -> ConfigBuilder {
    config(url, protocol)
        .reconnect_initial(Duration::from_millis(10))
        .reconnect_max(Duration::from_millis(10))
        .json("test", r#"{"reconnect":{"max_channels_per_hour":100000}}"#)
}

/// The answer to an upgrade, and what confirms the subscription where the protocol confirms it.
fn handshake(asked: &Asked, protocol: Protocol) -> Vec<u8> {
    let accept = derive_accept_key(asked.header("sec-websocket-key").expect("an upgrade").as_bytes());
    let mut bytes = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    )
    .into_bytes();
    let confirmation = match protocol {
        Protocol::Events => r#"{"type":"ack"}"#,
        Protocol::Metrics => r#"{"status":200,"connectionId":"c-1"}"#,
        _ => return bytes,
    };
    bytes.extend_from_slice(&[0x81, confirmation.len() as u8]);
    bytes.extend_from_slice(confirmation.as_bytes());
    bytes
}

/// Bytes, and then the end of the connection.
fn cut(bytes: Vec<u8>) -> Answer {
    Answer::Raw(Box::new(move |wire: &mut Wire| {
        // The client may have gone on without the rest.
        let _ = wire.write_all(&bytes);
    }))
}

/// A stream is cut, and then every handshake ends one byte later than the one before: one gap, until the first whole one.
#[test]
fn a_handshake_that_ends_at_every_byte_is_one_gap() {
    for_all_protocols(|protocol| {
        let attempts = Arc::new(AtomicUsize::new(0));
        let last_broken = Arc::new(Mutex::new(None));
        let (count, told) = (Arc::clone(&attempts), Arc::clone(&last_broken));
        let (tell, wait) = crossbeam_channel::bounded::<()>(0);
        let peer = peer(move |asked, _| {
            if !asked.is_upgrade() {
                return None;
            }
            let bytes = handshake(asked, protocol);
            match count.fetch_add(1, Ordering::SeqCst) {
                0 => {
                    let wait = wait.clone();
                    Some(Answer::Socket(Behaviour::Custom(Box::new(move |socket| {
                        let _ = wait.recv();
                        let _ = socket.get_ref().tcp().shutdown(Shutdown::Both);
                    }))))
                }
                // The last byte completes it.
                attempt if attempt <= bytes.len() => {
                    *told.lock().unwrap() = Some(Moment::now());
                    Some(cut(bytes[..attempt - 1].to_vec()))
                }
                _ => None,
            }
        });
        let stream = watch(eager(&peer.url(), protocol));
        stream.until_streaming();
        let cut_at = Moment::now();
        drop(tell);
        let back = stream.until_reconnected(1);
        let broken = attempts.load(Ordering::SeqCst) - 2;
        assert!(broken > 120, "{broken} attempts");
        let connection = &back.connection;
        assert_eq!(
            (connection.gaps_total, connection.reconnects),
            (1, 1),
            "{:?}",
            connection.gaps
        );
        let gap = &connection.gaps[0];
        let to = gap.to.expect("closed");
        let last_broken = last_broken.lock().unwrap().expect("a broken handshake");
        assert!(gap.from <= cut_at, "{gap:?} begins after {cut_at}");
        assert!(to >= last_broken, "{gap:?} ends before {last_broken}");
        assert!(stream.stop().abandoned.is_empty());
    });
}

/// The answer of each step ends one byte later than the one before: the step is tried again until it is whole.
#[test]
fn an_answer_that_ends_at_every_byte_is_asked_for_again() {
    const STEPS: [(&str, &str); 4] = [
        ("POST", "/oauth/token"),
        ("GET", "/routing/queues"),
        ("POST", "/notifications/channels"),
        ("PUT", "/subscriptions"),
    ];
    let tried: Arc<[AtomicUsize; 4]> = Arc::default();
    let count = Arc::clone(&tried);
    let peer = peer(move |asked, peer| {
        let path = asked.path.split('?').next().unwrap_or_default();
        let step = STEPS
            .iter()
            .position(|(method, end)| asked.method == *method && path.ends_with(end))?;
        let Answer::Json(status, body) = peer.sound_answer(asked) else {
            return None;
        };
        let body = body.to_string();
        let mut bytes = format!("HTTP/1.1 {status} OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
        let head = bytes.len();
        bytes.extend_from_slice(body.as_bytes());
        let attempt = count[step].fetch_add(1, Ordering::SeqCst);
        // All of the head, and a body of which much or little is missing.
        let ends = (0..=head).chain([head + 1, head + body.len() / 2, bytes.len() - 1]);
        let end = ends.into_iter().nth(attempt);
        end.map(|end| cut(bytes[..end].to_vec()))
    });
    let stream = watch(eager(&peer.url(), Protocol::Notifications).without_backfill());
    let up = stream.until_streaming();
    assert_eq!(up.connection.gaps_total, 0, "{:?}", up.connection.gaps);
    for (step, tried) in STEPS.iter().zip(&*tried) {
        let tried = tried.load(Ordering::SeqCst);
        assert!((35..80).contains(&tried), "{step:?}: tried {tried} times");
    }
    stream.stop();
}

/// What is no upgrade, or no whole one, and whether the program has to end it by itself.
fn strange_upgrades(elsewhere: &str) -> Vec<(&'static str, Vec<u8>)> {
    let head = |first: &str, more: &str| format!("HTTP/1.1 {first}\r\n{more}\r\n").into_bytes();
    vec![
        (
            "a redirect",
            head("301 Moved", &format!("Location: {elsewhere}/\r\nContent-Length: 0\r\n")),
        ),
        (
            "another",
            head(
                "307 Moved",
                &format!("Location: {}/\r\n", elsewhere.replace("http", "ws")),
            ),
        ),
        ("a 1xx", head("103 Early Hints", "Link: </x>\r\n")),
        ("many 1xx", head("100 Continue", "").repeat(1_000)),
        (
            "no key",
            head(
                "101 Switching Protocols",
                "Upgrade: websocket\r\nConnection: Upgrade\r\n",
            ),
        ),
        (
            "a wrong key",
            head(
                "101 Switching Protocols",
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n",
            ),
        ),
        (
            "a long head",
            head("101 Switching Protocols", &"X: y\r\n".repeat(100_000)),
        ),
        ("a long body", [head("200 OK", ""), vec![b'x'; 10_000_000]].concat()),
        ("no HTTP", b"SSH-2.0-OpenSSH_9.6\r\n\r\n".to_vec()),
        ("zeros", vec![0; 100_000]),
    ]
}

/// None of them is a stream, none is followed elsewhere, and the next sound answer is taken.
#[test]
fn strange_answers_to_an_upgrade_are_not_believed() {
    for_all_protocols(|protocol| {
        let elsewhere = crate::support::peer::sound();
        let all = strange_upgrades(&elsewhere.url());
        let many = all.len();
        let left = Mutex::new(all.into_iter());
        let peer = peer(move |asked, _| {
            let next = asked.is_upgrade().then(|| left.lock().unwrap().next())?;
            next.map(|(_, bytes)| cut(bytes))
        });
        let stream = watch(eager(&peer.url(), protocol));
        let up = stream.until_streaming();
        assert_eq!(peer.log().upgrades(), many + 1);
        assert_eq!((up.connection.gaps_total, up.connection.reconnects), (0, 0));
        assert!(elsewhere.log().asked.is_empty(), "{:?}", elsewhere.log().asked);
        stream.stop();
    });
}

/// Answers without end, at each step: no stop waits for them.
#[test]
fn a_stop_waits_for_no_endless_answer() {
    const ENDLESS: [(&str, &str); 3] = [
        ("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n"),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nX: ", "y"),
    ];
    for_all_protocols(|protocol| {
        for step in ["/oauth/token", "/routing/queues", "upgrade"] {
            against_the_clock(|factor| {
                ENDLESS
                    .iter()
                    .for_each(|endless| stops_in(protocol, step, *endless, factor));
            });
        }
    });
}

fn stops_in(protocol: Protocol, step: &'static str, (first, again): (&'static str, &'static str), factor: u32) {
    let (tell, began) = crossbeam_channel::bounded(1);
    let peer = peer(move |asked: &Asked, _: &Peer| {
        let is_it = match step {
            "upgrade" => asked.is_upgrade(),
            _ => asked.path.contains(step),
        };
        let tell = tell.clone();
        is_it.then(|| {
            Answer::Raw(Box::new(move |wire: &mut Wire| {
                let mut goes_on = wire.write_all(first.as_bytes()).is_ok();
                let _ = tell.try_send(());
                while goes_on {
                    // Slowly, so that no limit of size ends it first.
                    std::thread::sleep(Duration::from_millis(5));
                    goes_on = wire.write_all(again.as_bytes()).is_ok();
                }
            }))
        })
    });
    let stream = watch(config(&peer.url(), protocol).queue("Sales"));
    began
        .recv_timeout(crate::support::PATIENCE)
        .expect("the step is asked for");
    let shown = stream.until("a snapshot", |s| s.revision > 2);
    assert_ne!(shown.connection.state, ConnectionState::Streaming, "{step}");
    let stopped = Instant::now();
    let report = stream.stop();
    let took = stopped.elapsed();
    assert!(
        report.abandoned.is_empty(),
        "{protocol:?} {step} {again:?}: {:?}",
        report.abandoned
    );
    assert!(
        took < STOP_LIMIT * factor,
        "{protocol:?} {step} {again:?}: the stop took {took:?}"
    );
}

/// Tokens that are over before they are there: none is used, and the login is asked again, not at once for ever.
#[test]
fn tokens_without_a_life_are_not_used() {
    for_all_protocols(|protocol| {
        let lives = [
            json!(0),
            json!(-1),
            json!(0.4),
            json!("soon"),
            json!(null),
            json!({}),
            json!(-1e300),
        ];
        let many = lives.len();
        let left = Mutex::new(lives.into_iter());
        let peer = peer(move |asked, _| {
            if !asked.is("POST", "/oauth/token") {
                return None;
            }
            let life = left.lock().unwrap().next()?;
            let body = json!({"access_token": "over-before-it-began", "token_type": "bearer", "expires_in": life});
            Some(Answer::Json(200, body))
        });
        let stream = watch(eager(&peer.url(), protocol));
        stream.until_streaming();
        let log = peer.log();
        assert_eq!(log.count("POST", "/oauth/token"), many + 1);
        let is_used = |asked: &&Asked| {
            let all = asked.headers.iter().map(|(_, value)| value.as_str());
            all.chain([asked.path.as_str()])
                .any(|text| text.contains("over-before"))
        };
        assert!(!log.asked.iter().any(|asked| is_used(&asked)), "{:?}", log.asked);
        drop(log);
        stream.stop();
    });
}
