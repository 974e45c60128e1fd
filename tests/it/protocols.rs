//! One suite for all three protocols: what a stream does whichever it uses.
//!
//! In: the simulator, and a scripted peer where it has no such fault · Out: verdicts · Thread: one a protocol.

use std::time::{Duration, Instant};

use genesys_stream::{ConfigBuilder, ConnectionState, Ended, ErrorKind, Protocol, Secret, Stream};
use serde_json::json;

use crate::support::peer::{self, Answer, Asked, Behaviour, Peer, event, peer, sockets, sound};
use crate::support::{
    PROTOCOLS, STOP_LIMIT, Watched, against_the_clock, built, busy, config, control, fixture_path, for_all_protocols,
    less_patient, start, watch, watch_with,
};

#[test]
fn streams_and_counts() {
    for_all_protocols(|protocol| {
        let sim = start(busy());
        let stream = watch(config(&sim.url(), protocol));
        let now = stream.until("ten events, and numbers made of them", |s| {
            s.counters.events_applied >= 10
                && match protocol {
                    Protocol::Notifications => s.queues.values().all(|queue| queue.name.is_some()),
                    Protocol::Events => s.freshness.contains_key("conversation"),
                    Protocol::Metrics => s.metrics.contains_key("queue.offered"),
                    other => panic!("no test for {other:?}"),
                }
        });
        assert_eq!(now.connection.protocol, protocol);
        assert_eq!((now.connection.connections, now.connection.reconnects), (1, 0));
        assert!(now.connection.token_expires_at.is_some());
        assert!(now.connection.last_frame_at.is_some());
        assert_eq!(
            now.connection.channel_expires_at.is_some(),
            protocol == Protocol::Notifications
        );
        if protocol == Protocol::Notifications {
            assert_eq!(now.queues.len(), 4, "all queues are meant");
        }
        let report = stream.stop();
        let counters = report.snapshot.counters;
        assert_eq!(report.ended, Ended::Stopped);
        assert!(counters.frames_received >= counters.events_decoded, "{counters:?}");
        assert_eq!(
            (counters.events_dropped, counters.malformed, counters.unknown),
            (0, 0, 0),
            "{counters:?}"
        );
        assert_eq!(
            report.snapshot.connection.gaps_total, 0,
            "{:?}",
            report.snapshot.connection.gaps
        );
    });
}

#[test]
fn the_numbers_sent_are_the_numbers_counted() {
    for_all_protocols(|protocol| {
        let texts: Vec<String> = (1..=200).map(|n| event(protocol, n)).chain(["{]".to_owned()]).collect();
        let peer = peer(sockets(vec![Behaviour::Well(texts)]));
        // The first ping is the only one.
        let stream = watch(config(&peer.url(), protocol).heartbeat_interval(Duration::from_secs(600)));
        // Notifications: the answer to the ping; others: the confirmation of the subscription.
        const ANSWERS: u64 = 1;
        stream.until("all", |s| {
            let c = &s.counters;
            c.malformed == 1 && c.events_applied == 200 && c.frames_received >= 201 + ANSWERS
        });
        let counters = stream.stop().snapshot.counters;
        assert_eq!(counters.frames_received, 201 + ANSWERS, "{counters:?}");
        assert_eq!((counters.events_decoded, counters.duplicates), (200, 0), "{counters:?}");
    });
}

#[test]
fn a_wrong_secret_ends_it_at_once() {
    for_all_protocols(|protocol| {
        let sim = start(busy());
        let wrong = config(&sim.url(), protocol).client_secret(Secret::new("hunter2"));
        let error = watch(wrong).gives_up_at_once();
        assert_eq!(error.kind(), ErrorKind::Credentials, "{error}");
        let text = error.to_string();
        assert!(text.contains("region") && !text.contains("hunter2"), "{text}");
        assert_eq!(
            control(&sim, "state")["requests"],
            1,
            "refused credentials are not asked for again"
        );
    });
}

#[test]
fn a_refused_token_is_renewed_once() {
    for_all_protocols(|protocol| {
        // The first request with a token is refused, whichever it is.
        let refused = |asked: &Asked, times: usize, peer: &Peer| {
            let with_token = !asked.is("POST", "/oauth/token");
            let before = peer
                .log()
                .asked
                .iter()
                .filter(|a| !a.is("POST", "/oauth/token"))
                .count();
            let body = json!({"message": "no", "code": "bad.credentials", "status": 401});
            (with_token && before <= times).then_some(Answer::Json(401, body))
        };
        let once = peer(move |asked, peer| refused(asked, 1, peer));
        let stream = watch(config(&once.url(), protocol));
        stream.until_streaming();
        stream.stop();
        assert_eq!(once.log().count("POST", "/oauth/token"), 2);

        let always = peer(move |asked, peer| refused(asked, usize::MAX, peer));
        let error = watch(config(&always.url(), protocol)).ends().expect_err("gives up");
        assert_eq!(error.kind(), ErrorKind::Credentials, "{error}");
        assert_eq!(always.log().count("POST", "/oauth/token"), 2);
    });
}

#[test]
fn too_many_requests_are_waited_for_in_both_forms() {
    for_all_protocols(|protocol| {
        std::thread::scope(|scope| {
            for step in ["login", "upgrade"] {
                for form in ["seconds", "date"] {
                    scope.spawn(move || waits_after_429(protocol, step, form));
                }
            }
        });
    });
}

fn waits_after_429(protocol: Protocol, step: &'static str, form: &str) {
    let concerned = move |asked: &Asked| match step {
        "login" => asked.is("POST", "/oauth/token"),
        _ => asked.is_upgrade(),
    };
    let value = match form {
        "seconds" => "1".to_owned(),
        // Dates have whole seconds: one of two seconds ahead asks for one second at least.
        _ => {
            let at = time::OffsetDateTime::now_utc() + Duration::from_secs(2);
            let form = time::macros::format_description!(
                "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
            );
            at.format(&form).expect("a date")
        }
    };
    let dated_at = Instant::now();
    let peer = peer(move |asked, peer| {
        let first = concerned(asked) && peer.log().asked.iter().filter(|a| concerned(a)).count() == 1;
        let body = json!({"message": "too many", "code": "too.many.requests", "status": 429});
        first.then(|| Answer::WithHeader(429, ("Retry-After", value.clone()), body))
    });
    let stream = watch(config(&peer.url(), protocol));
    stream.until_streaming();
    stream.stop();
    let times: Vec<Instant> = peer.log().asked.iter().filter(|a| concerned(a)).map(|a| a.at).collect();
    assert_eq!(times.len(), 2, "{step} {form}: asked again once");
    let waited = times[1] - times[0];
    let least = match form {
        "seconds" => Duration::from_secs(1),
        // Up to a second of the two is lost to the rounding, and what passed before the answer counts as waited.
        _ => Duration::from_secs(1).saturating_sub(times[0] - dated_at),
    };
    assert!(waited >= least, "{step} {form}: waited {waited:?}");
}

/// Pings are sent in the protocol's own form; an unanswered ping ends the connection long before the silence limit.
#[test]
fn pings_are_sent_and_their_answers_missed() {
    for_all_protocols(|protocol| {
        let peer = peer(sockets(vec![Behaviour::MuteAfter(Vec::new(), 1)]));
        let hasty = config(&peer.url(), protocol)
            .heartbeat_interval(Duration::from_secs(1))
            .heartbeat_timeout(Duration::from_secs(1))
            .silence_limit(Duration::from_secs(60));
        let stream = watch(hasty);
        let back = stream.until_reconnected(1);
        let gap = &back.connection.gaps[0];
        assert_eq!(gap.cause, "ping unanswered");
        stream.stop();
        let form = match protocol {
            Protocol::Notifications => r#"{"message":"ping"}"#,
            _ => "<ping>",
        };
        let pings = peer.log().said.iter().filter(|(_, said)| said == form).count();
        assert!(pings >= 1, "{:?}", peer.log().said);
    });
}

/// While pings are answered, a connection without events is kept.
#[test]
fn a_quiet_connection_is_kept() {
    let is_kept = |protocol, factor| {
        let peer = sound();
        let stream = watch(less_patient(&peer.url(), protocol, factor));
        peer.until("four pings", |log| {
            let pings = log.said.iter().filter(|(_, said)| said.contains("ping")).count();
            (pings >= 4).then_some(())
        });
        let snapshot = stream.stop().snapshot;
        assert_eq!((snapshot.connection.reconnects, snapshot.connection.gaps_total), (0, 0));
    };
    for_all_protocols(|protocol| against_the_clock(|factor| is_kept(protocol, factor)));
}

/// A stop in time, for all protocols.
fn in_time(test: impl Fn(Protocol) + Sync) {
    for_all_protocols(|protocol| against_the_clock(|_| test(protocol)));
}

/// Stops a stream that is in this state by `ready`.
fn stops(protocol: Protocol, what: &str, with: ConfigBuilder, ready: impl FnOnce(&Watched)) {
    let stream = watch(with);
    ready(&stream);
    let report = stream.stop_within(STOP_LIMIT);
    assert_eq!(report.ended, Ended::Stopped, "{protocol:?} {what}");
}

#[test]
fn stops_before_the_token_is_answered() {
    in_time(|protocol| {
        let peer = peer(|asked, _| asked.is("POST", "/oauth/token").then_some(Answer::Nothing));
        stops(protocol, "login", config(&peer.url(), protocol), |_| {
            peer.until("login", |log| (log.count("POST", "/oauth/token") == 1).then_some(()));
        });
    });
}

/// Connecting never ends: TCP to a host that does not accept, TLS with a host that does not answer.
#[test]
fn stops_while_connecting() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent_address = silent.local_addr().expect("an address");
    // Nobody accepts, and the backlog has room for one connection: later ones wait.
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    full.bind(&any.into()).and_then(|()| full.listen(0)).expect("a port");
    let full_address = full
        .local_addr()
        .ok()
        .and_then(|address| address.as_socket())
        .expect("an address");
    let waiting: Vec<_> = (0..3)
        .map(|_| std::net::TcpStream::connect_timeout(&full_address, Duration::from_millis(100)))
        .collect();
    // Some systems accept more than the backlog allows; the fault cannot be played there.
    let unreachable = waiting
        .iter()
        .any(Result::is_err)
        .then(|| format!("http://{full_address}"));
    for url in unreachable.into_iter().chain([format!("https://{silent_address}")]) {
        against_the_clock(|_| {
            stops(
                Protocol::Notifications,
                &url,
                config(&url, Protocol::Notifications),
                |stream| {
                    stream.until("its first snapshots", |s| s.revision > 5);
                },
            );
        });
    }
}

#[test]
fn stops_while_rest_is_not_answered() {
    in_time(|protocol| {
        let peer = peer(|asked, _| (asked.path.starts_with("/api") && !asked.is_upgrade()).then_some(Answer::Nothing));
        let with = config(&peer.url(), protocol).queue("Sales");
        stops(protocol, "listing", with, |_| {
            peer.until("a call", |log| {
                log.asked.iter().any(|a| a.path.starts_with("/api")).then_some(())
            });
        });
    });
}

#[test]
fn stops_while_the_upgrade_hangs() {
    in_time(|protocol| {
        let peer = peer(|asked, _| asked.is_upgrade().then_some(Answer::Nothing));
        stops(protocol, "upgrade", config(&peer.url(), protocol), |_| {
            peer.until("an upgrade", |log| (log.upgrades() == 1).then_some(()));
        });
    });
}

#[test]
fn stops_while_streaming_and_closes_with_1000() {
    in_time(|protocol| {
        let peer = sound();
        stops(protocol, "streaming", config(&peer.url(), protocol), |stream| {
            stream.until_streaming();
        });
        peer.until("a close", |log| {
            log.said.iter().any(|(_, said)| said == "<close 1000>").then_some(())
        });
    });
}

/// A peer that does not answer the close cannot delay the stop.
#[test]
fn stops_while_the_peer_is_mute() {
    in_time(|protocol| {
        let peer = peer(sockets(vec![Behaviour::MuteAfter(vec![event(protocol, 1)], 0)]));
        stops(protocol, "mute", config(&peer.url(), protocol), |stream| {
            stream.until_fed();
        });
    });
}

#[test]
fn stops_in_the_pause_between_attempts() {
    in_time(|protocol| {
        let peer = peer(|asked, _| {
            let body = json!({"message": "later", "code": "service.unavailable", "status": 503});
            asked
                .is_upgrade()
                .then(|| Answer::WithHeader(503, ("Retry-After", "600".to_owned()), body))
        });
        stops(protocol, "pause", config(&peer.url(), protocol), |stream| {
            let paused = stream.until("a pause", |s| s.connection.state == ConnectionState::Backoff);
            assert_eq!(paused.connection.cause.as_deref(), Some("upgrade answered with 503"));
        });
    });
}

/// A stop does not wait for a pause that the service asked for: at login, at the listing, for the second token.
#[test]
fn stops_in_a_pause_that_was_asked_for() {
    in_time(|protocol| {
        for step in ["login", "rest", "second login"] {
            let peer = peer(move |asked, peer| {
                let login = asked.is("POST", "/oauth/token");
                let is_asked = match step {
                    "login" => login,
                    "rest" => asked.path.starts_with("/api") && !asked.is_upgrade(),
                    _ => login && peer.log().count("POST", "/oauth/token") > 1,
                };
                let body = json!({"message": "too many", "code": "too.many.requests", "status": 429});
                if is_asked {
                    return Some(Answer::WithHeader(429, ("Retry-After", "600".to_owned()), body));
                }
                let short = json!({"access_token": "token-a", "token_type": "bearer", "expires_in": 2});
                login.then_some(Answer::Json(200, short))
            });
            let with = config(&peer.url(), protocol).queue("Sales");
            stops(protocol, step, with, |stream| {
                if step == "second login" {
                    peer.until("asked again", |log| {
                        (log.count("POST", "/oauth/token") == 2).then_some(())
                    });
                } else {
                    stream.until("a pause", |s| s.connection.state == ConnectionState::Backoff);
                }
            });
        }
    });
}

#[test]
fn gives_up_after_so_many_failures() {
    for_all_protocols(|protocol| {
        let peer = peer(sockets((0..9).map(|_| Behaviour::Reset).collect()));
        let ended = watch(config(&peer.url(), protocol).max_attempts(3)).ends();
        let error = ended.expect_err("gives up");
        assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
        assert!(error.to_string().contains("3 failures"), "{error}");
        assert_eq!(peer.log().upgrades(), 3);
    });
}

#[test]
fn an_unreachable_login_is_tried_again() {
    for_all_protocols(|protocol| {
        let peer = peer(|asked, peer| {
            let logins = peer.log().count("POST", "/oauth/token");
            match (asked.is("POST", "/oauth/token"), logins) {
                (true, 1) => Some(Answer::Json(503, json!({"message": "later"}))),
                (true, 2) => Some(Answer::Text(200, "<html>not what was asked for</html>".to_owned())),
                (true, 3) => Some(Answer::Json(200, json!({"token_type": "bearer"}))),
                _ => None,
            }
        });
        let stream = watch(config(&peer.url(), protocol));
        stream.until_streaming();
        stream.stop();
        assert_eq!(peer.log().count("POST", "/oauth/token"), 4);
    });
}

#[test]
fn ends_by_itself_after_its_duration() {
    in_time(|protocol| {
        let sim = start(busy());
        let began = Instant::now();
        let builder = Stream::builder(built(config(&sim.url(), protocol))).duration(Duration::from_secs(1));
        let report = watch_with(builder).ends().expect("an end in order");
        let took = began.elapsed();
        assert_eq!(report.ended, Ended::Stopped);
        assert!(took >= Duration::from_secs(1), "{took:?}");
        assert!(took < Duration::from_secs(1) + STOP_LIMIT, "{took:?}");
    });
}

/// `--once`: only a normal close ends the stream, with everything received applied, for which there are 700 ms.
#[test]
fn ends_with_the_servers_normal_end() {
    in_time(|protocol| {
        let texts = |from: usize| (from..from + 50).map(|n| event(protocol, n)).collect();
        let peer = peer(sockets(vec![
            Behaviour::Close(texts(0), 1011),
            Behaviour::Close(texts(50), 1000),
        ]));
        let builder = Stream::builder(built(config(&peer.url(), protocol))).until_the_server_ends();
        let report = watch_with(builder).ends().expect("an end in order");
        assert_eq!(report.ended, Ended::ServerEnded);
        assert_eq!(
            report.snapshot.counters.events_applied, 100,
            "{:?}",
            report.snapshot.counters
        );
        assert_eq!(report.snapshot.connection.reconnects, 1);
    });
}

#[test]
fn streams_under_tls() {
    for_all_protocols(|protocol| {
        let texts = vec![event(protocol, 1), event(protocol, 2)];
        let peer = peer::tls_peer("server", sockets(vec![Behaviour::Well(texts)]));
        let trusting = config(&peer.url(), protocol).ca_file(fixture_path("tls/ca.pem"));
        let stream = watch(trusting);
        stream.until("two events", |s| s.counters.events_applied == 2);
        stream.stop();
        peer.until("a close", |log| {
            log.said.iter().any(|(_, said)| said == "<close 1000>").then_some(())
        });
    });
}

#[test]
fn a_certificate_that_fails_ends_it_at_once() {
    for_all_protocols(|protocol| {
        for certificate in ["wrong-host", "self-signed"] {
            let peer = peer::tls_peer(certificate, |_, _| None);
            let trusting = config(&peer.url(), protocol).ca_file(fixture_path("tls/ca.pem"));
            let error = watch(trusting).gives_up_at_once();
            assert_eq!(error.kind(), ErrorKind::Certificate, "{certificate}: {error}");
            assert!(peer.log().asked.is_empty());
        }
    });
}

/// Panics and errors of a program's callbacks are counted; the stream goes on.
#[test]
fn failing_callbacks_end_nothing() {
    for_all_protocols(|protocol| {
        let texts = (0..30).map(|n| event(protocol, n)).collect();
        let peer = peer(sockets(vec![Behaviour::Well(texts)]));
        let mut number = 0;
        let stream = watch_with(
            Stream::builder(built(config(&peer.url(), protocol))).on_event(move |_| {
                number += 1;
                match number % 3 {
                    0 => panic!("a defect of the program"),
                    1 => Err("a failure of the program"),
                    _ => Ok(()),
                }
            }),
        );
        stream.until("all called", |s| {
            s.outputs.get("callback").is_some_and(|o| o.written + o.missed == 30)
        });
        let snapshot = stream.stop().snapshot;
        assert_eq!(
            (
                snapshot.outputs["callback"].written,
                snapshot.outputs["callback"].missed
            ),
            (10, 20)
        );
        assert_eq!(snapshot.counters.events_applied, 30);
    });
}

/// No state, cause or `Debug` shows a secret.
#[test]
fn nothing_shows_a_secret() {
    for protocol in PROTOCOLS {
        let shown = format!(
            "{:?}",
            built(config("http://127.0.0.1:1", protocol).client_secret(Secret::new("hunter2")))
        );
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    for_all_protocols(|protocol| {
        let peer = peer(sockets(vec![Behaviour::Drop]));
        let stream = watch(config(&peer.url(), protocol));
        let back = stream.until_reconnected(1);
        let text = serde_json::to_string(&*back).expect("JSON");
        assert!(!text.contains("token-") && !text.contains("streaming-5"), "{text}");
        stream.stop();
    });
}

/// Each step has its own limit, here the shortest that can be configured: the upgrade, the login, the calls after it.
#[test]
fn hanging_steps_are_given_up() {
    for_all_protocols(|protocol| against_the_clock(|factor| are_given_up(protocol, Duration::from_secs(1) * factor)));
}

fn are_given_up(protocol: Protocol, limit: Duration) {
    let hangs = |step: &'static str| {
        peer(move |asked, peer| {
            let concerned = |asked: &Asked| match step {
                "upgrade" => asked.is_upgrade(),
                "login" => asked.is("POST", "/oauth/token"),
                _ => asked.path.starts_with("/api") && !asked.is_upgrade(),
            };
            let first = concerned(asked) && peer.log().asked.iter().filter(|a| concerned(a)).count() == 1;
            first.then_some(Answer::Nothing)
        })
    };
    let peers = ["upgrade", "login", "rest"].map(hangs);
    let began = Instant::now();
    let streams = peers.each_ref().map(|peer| {
        let quick = config(&peer.url(), protocol).queue("Sales");
        watch(quick.handshake_limit(limit).rest_limit(limit))
    });
    for stream in streams {
        stream.until_streaming();
        assert!(began.elapsed() >= limit, "{:?}", began.elapsed());
        stream.stop();
    }
    let [upgrade, login, _] = peers;
    assert_eq!(upgrade.log().upgrades(), 2);
    assert_eq!(login.log().count("POST", "/oauth/token"), 2);
}
