//! Every way in which a connection ends: the stream comes back by itself, and the gap is recorded and closed.
//!
//! In: faults of the simulator and of a scripted peer · Out: verdicts · Thread: one a protocol.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;
use genesys_stream::simulator::Simulator;
use genesys_stream::{ConnectionState, Events, GapTopics, Protocol, Snapshot, Stream};
use serde_json::{Value, json};
use tungstenite::Message;

use crate::support::peer::{self, Answer, Behaviour, event, peer, sockets};
use crate::support::{
    PATIENCE, Watched, against_the_clock, built, busy, config, control, eventually, fixture_path, for_all_protocols,
    impatient, start, watch, watch_with,
};

/// Exactly one gap, of all topics, closed, with this cause; and the stream is on again.
fn assert_one_gap(snapshot: &Snapshot, cause: &str) {
    let connection = &snapshot.connection;
    assert_eq!(connection.state, ConnectionState::Streaming);
    assert_eq!(connection.gaps_total, 1, "{:?}", connection.gaps);
    let gap = &connection.gaps[0];
    assert!(gap.cause.contains(cause), "{gap:?}");
    assert_eq!(gap.topics, GapTopics::All);
    let to = gap.to.unwrap_or_else(|| panic!("still open: {gap:?}"));
    assert!(gap.from <= to, "{gap:?}");
}

/// Streams from a simulator, plays the fault, and waits until it streams again.
fn comes_back(protocol: Protocol, fault: &str, cause: &str) {
    let sim = start(busy());
    let stream = watch(config(&sim.url(), protocol));
    let before = stream.until_fed();
    control(&sim, fault);
    let back = stream.until_reconnected(1);
    assert_one_gap(&back, cause);
    stream.until("fed again", |s| {
        s.counters.events_applied > back.counters.events_applied + 2
    });
    let last = stream.stop().snapshot;
    assert_eq!(last.connection.reconnects, 1);
    assert!(last.counters.events_applied > before.counters.events_applied);
}

#[test]
fn after_a_close() {
    for_all_protocols(|protocol| comes_back(protocol, "close?code=1011", "socket closed (1011)"));
}

#[test]
fn after_a_normal_close() {
    for_all_protocols(|protocol| comes_back(protocol, "close?code=1001", "socket closed (1001)"));
}

#[test]
fn after_a_reset() {
    for_all_protocols(|protocol| comes_back(protocol, "reset", "socket closed (1006)"));
}

#[test]
fn after_revoked_tokens() {
    for_all_protocols(|protocol| {
        let sim = start(busy());
        let stream = watch(config(&sim.url(), protocol));
        stream.until_fed();
        control(&sim, "revoke");
        let back = stream.until_reconnected(1);
        stream.until("fed again", |s| {
            s.counters.events_applied > back.counters.events_applied + 2
        });
        stream.stop();
    });
}

/// What a scripted first socket does, and the cause that its gap gets.
fn comes_back_from(protocol: Protocol, behaviour: Behaviour, causes: &[&str]) {
    let peer = peer(sockets(vec![behaviour, Behaviour::Well(vec![event(protocol, 900)])]));
    let stream = watch(impatient(&peer.url(), protocol));
    let back = stream.until_reconnected(1);
    let cause = back.connection.gaps[0].cause.clone();
    assert!(causes.contains(&cause.as_str()), "{cause}");
    assert_one_gap(&back, &cause);
    stream.until("fed", |s| s.counters.events_applied >= 1);
    stream.stop();
}

/// A half-open connection: it stays open and nothing arrives.
#[test]
fn after_silence() {
    for_all_protocols(|protocol| {
        comes_back_from(
            protocol,
            Behaviour::MuteAfter(vec![event(protocol, 1)], 0),
            &["silence", "ping unanswered"],
        );
    });
}

/// Bytes that never make a frame are no sign of life.
#[test]
fn after_a_dribble() {
    for_all_protocols(|protocol| comes_back_from(protocol, Behaviour::Dribble, &["silence", "ping unanswered"]));
}

/// The same under TLS, where a read of bytes that make no record must not move the deadline.
#[test]
fn after_a_dribble_under_tls() {
    for_all_protocols(|protocol| {
        // It goes on for longer than any test waits.
        let peer = peer::tls_peer("server", sockets(vec![Behaviour::Dribble]));
        let stream = watch(impatient(&peer.url(), protocol).ca_file(fixture_path("tls/ca.pem")));
        let back = stream.until_reconnected(1);
        assert!(["silence", "ping unanswered"].contains(&back.connection.gaps[0].cause.as_str()));
        stream.stop();
    });
}

#[test]
fn after_an_end_without_a_close() {
    for_all_protocols(|protocol| {
        comes_back_from(
            protocol,
            Behaviour::Drop,
            &["socket closed (1006): ended without a close"],
        );
    });
}

/// A frame that breaks the WebSocket protocol, and one beyond every limit.
#[test]
fn after_broken_frames() {
    for_all_protocols(|protocol| {
        let raw = |bytes: &'static [u8]| {
            Behaviour::Custom(Box::new(move |socket| {
                use std::io::{Read, Write};
                let _ = socket.get_mut().write_all(bytes);
                let _ = socket.get_mut().read(&mut [0; 64]);
            }))
        };
        // A reserved opcode; and the head of a text of 2^40 bytes.
        let reserved = raw(&[0x83, 0x00]);
        let huge = raw(&[0x81, 127, 0, 0, 1, 0, 0, 0, 0, 0]);
        let peer = peer(sockets(vec![reserved, huge]));
        let stream = watch(config(&peer.url(), protocol));
        let back = stream.until_reconnected(2);
        let causes: Vec<&str> = back.connection.gaps.iter().map(|gap| gap.cause.as_str()).collect();
        assert!(causes[0].starts_with("WebSocket protocol broken"), "{causes:?}");
        assert_eq!(causes[1], "message longer than the limit");
        stream.stop();
    });
}

/// A failed upgrade opens no second gap and is tried again.
#[test]
fn after_failed_upgrades() {
    for_all_protocols(|protocol| {
        let peer = peer(move |asked, peer| {
            if !asked.is_upgrade() {
                return None;
            }
            match peer.log().upgrades() {
                1 => Some(Answer::Socket(Behaviour::Close(vec![event(protocol, 1)], 1012))),
                2 => Some(Answer::Json(503, json!({"message": "later"}))),
                3 => Some(Answer::Text(200, "no socket here".to_owned())),
                _ => None,
            }
        });
        let stream = watch(config(&peer.url(), protocol));
        let back = stream.until_reconnected(1);
        assert_one_gap(&back, "socket closed (1012)");
        assert_eq!(peer.log().upgrades(), 4);
        stream.stop();
    });
}

/// The simulator ends and another one starts on its port; the client reconnects without being restarted.
#[test]
fn after_a_restart_of_the_service() {
    for_all_protocols(|protocol| {
        let sim = start(busy());
        let address = sim.local_addr().to_string();
        let stream = watch(config(&sim.url(), protocol));
        stream.until_fed();
        drop(sim);
        stream.until("its end noticed", |s| s.connection.state == ConnectionState::Backoff);
        let sim = restarted(&address);
        let back = stream.until_reconnected(1);
        assert_eq!(back.connection.gaps_total, 1, "{:?}", back.connection.gaps);
        stream.until("fed again", |s| {
            s.counters.events_applied > back.counters.events_applied + 2
        });
        stream.stop();
        drop(sim);
    });
}

/// A port is free again a moment after its listener ended.
fn restarted(address: &str) -> Simulator {
    eventually("a free port", || {
        busy().listen(address).start().map_err(|error| error.to_string())
    })
}

/// Enough to verify `metrics` with, and little to fill in through REST.
const SHORT_PAST: Duration = Duration::from_secs(20);

/// A token near its end is replaced without interruption: no gap, and nothing that another connection hears is missed
/// or told twice.
#[test]
fn a_token_near_its_end_is_replaced_without_interruption() {
    for_all_protocols(|protocol| against_the_clock(|factor| is_replaced(protocol, factor)));
}

fn is_replaced(protocol: Protocol, factor: u32) {
    // At speed 1 the simulator does not shorten lives.
    let sim = start(
        Simulator::builder()
            .seed(7)
            .queues(3)
            .agents(60)
            .arrivals_per_sec(20.0)
            .warm_up(SHORT_PAST)
            .token_life(Duration::from_secs(5) * factor),
    );
    let (builder, events) = Stream::builder(built(config(&sim.url(), protocol))).events(100_000);
    let stream = watch_with(builder);
    let started = stream.until_fed();
    let other = (protocol != Protocol::Metrics).then(|| {
        // Begun later, its token outlives the rotation of the first.
        stream.until("its own start", |s| {
            s.generated_at.millis_since(started.generated_at) > 2_000 * i64::from(factor)
        });
        let (builder, events) = Stream::builder(built(config(&sim.url(), protocol))).events(100_000);
        (watch_with(builder), events)
    });
    if let Some((other, _)) = &other {
        other.until_fed();
    }
    let replaced = stream.until_reconnected(1);
    let count = replaced.counters.events_applied;
    stream.until("fed by the new connection", |s| s.counters.events_applied > count + 5);
    assert!(replaced.connection.token_expires_at > started.connection.token_expires_at);
    let expected = other.map(|(other, heard)| {
        let snapshot = finish(other);
        assert_eq!(
            snapshot.connection.reconnects, 0,
            "the connection to compare with must be one"
        );
        bodies(heard)
    });
    let last = finish(stream);
    assert_eq!(last.connection.gaps_total, 0, "{:?}", last.connection.gaps);
    if let Some(expected) = expected {
        compare(&expected, &bodies(events));
    }
}

/// Stops the stream; everything that was sent to it is applied.
fn finish(stream: Watched) -> std::sync::Arc<Snapshot> {
    let report = stream.stop();
    assert!(report.abandoned.is_empty(), "{:?}", report.abandoned);
    assert_eq!(report.snapshot.counters.events_dropped, 0);
    report.snapshot
}

fn bodies(events: Events) -> Vec<(String, String)> {
    events
        .map(|event| {
            (
                event.topic.to_string(),
                event.body.as_deref().unwrap_or_default().to_owned(),
            )
        })
        .collect()
}

/// Each event of `expected` is in `got` exactly as often: `got` began earlier and ended later.
fn compare(expected: &[(String, String)], got: &[(String, String)]) {
    fn count(list: &[(String, String)]) -> HashMap<&(String, String), usize> {
        let mut counts = HashMap::new();
        for item in list {
            *counts.entry(item).or_default() += 1;
        }
        counts
    }
    assert!(expected.len() > 10, "too few to compare: {}", expected.len());
    let got = count(got);
    for (event, times) in count(expected) {
        assert_eq!(got.get(event), Some(&times), "{event:?}");
    }
}

/// Events that both connections of a replacement deliver count once in the numbers, and get one record.
#[test]
fn what_both_connections_deliver_counts_once() {
    // The old one is read for 2 s beside the new one.
    against_the_clock(|_| both_deliver());
}

fn both_deliver() {
    let topic = "v2.users.7a1b0c2d-0000-4000-8000-000000000009.presence";
    let say = move |socket: &mut peer::Socket| {
        for n in 1..=3 {
            let body =
                json!({"source": n.to_string(), "presenceDefinition": {"id": "p", "systemPresence": "AVAILABLE"}});
            let _ = socket.send(Message::text(peer::notification(topic, &body)));
        }
    };
    // Each waits until the test says so: first both are open, then one after the other delivers.
    let (first_go, first_wait) = bounded::<()>(1);
    let (second_go, second_wait) = bounded::<()>(1);
    let first = Behaviour::Custom(Box::new(move |socket| {
        let closing = peer::notification("v2.system.socket_closing", &json!({"message": "soon"}));
        let _ = socket.send(Message::text(closing));
        let _ = first_wait.recv();
        say(socket);
        while socket.read().is_ok() {}
    }));
    let second = Behaviour::Custom(Box::new(move |socket| {
        let _ = second_wait.recv();
        say(socket);
        while socket.read().is_ok() {}
    }));
    let peer = peer(sockets(vec![first, second]));
    let (builder, events) = Stream::builder(built(config(&peer.url(), Protocol::Notifications))).events(100);
    let stream = watch_with(builder);
    peer.until("both open", |log| (log.upgrades() == 2).then_some(()));
    stream.until("both confirmed", |s| s.connection.connections == 2);
    first_go.send(()).expect("the first socket waits");
    stream.until("the first heard", |s| s.counters.events_applied == 3);
    second_go.send(()).expect("the second socket waits");
    stream.until("both heard", |s| {
        s.counters.events_applied == 6 && s.connection.connections == 1
    });
    let last = finish(stream);
    assert_eq!((last.counters.duplicates, last.connection.gaps_total), (3, 0));
    assert_eq!(last.connection.reconnects, 1);
    let sources: Vec<Value> = events
        .map(|event| serde_json::from_str::<Value>(event.body.as_deref().expect("a body")).expect("JSON"))
        .map(|body| body["source"].clone())
        .collect();
    assert_eq!(sources, ["1", "2", "3"]);
}

/// The same for the tutorials' sockets, whose connections end with their token: both are subscribed with handshakes of
/// their own, and an event counts once.
#[test]
fn what_both_connections_of_a_tutorial_deliver_counts_once() {
    std::thread::scope(|scope| {
        for protocol in [Protocol::Events, Protocol::Metrics] {
            scope.spawn(move || against_the_clock(|factor| both_of_a_tutorial_deliver(protocol, factor)));
        }
    });
}

fn both_of_a_tutorial_deliver(protocol: Protocol, factor: u32) {
    let say = move |socket: &mut peer::Socket| {
        for n in 1..=3 {
            let _ = socket.send(Message::text(event(protocol, n)));
        }
    };
    let (first_go, first_wait) = bounded::<()>(1);
    let (second_go, second_wait) = bounded::<()>(1);
    let waits_and_says = |wait: crossbeam_channel::Receiver<()>| {
        Behaviour::Custom(Box::new(move |socket: &mut peer::Socket| {
            let _ = wait.recv();
            say(socket);
            while socket.read().is_ok() {}
        }))
    };
    let upgrades = sockets(vec![waits_and_says(first_wait), waits_and_says(second_wait)]);
    let peer = peer(move |asked, peer| {
        if asked.is("POST", "/oauth/token") && peer.log().count("POST", "/oauth/token") == 1 {
            let token = json!({"access_token": "token-a", "token_type": "bearer", "expires_in": 5 * factor});
            return Some(Answer::Json(200, token));
        }
        upgrades(asked, peer)
    });
    let (builder, events) = Stream::builder(built(config(&peer.url(), protocol))).events(100);
    let stream = watch_with(builder);
    stream.until("both confirmed", |s| s.connection.connections == 2);
    first_go.send(()).expect("the first socket waits");
    stream.until("the first heard", |s| s.counters.events_applied == 3);
    second_go.send(()).expect("the second socket waits");
    stream.until("both heard", |s| {
        s.counters.events_applied == 6 && s.connection.connections == 1
    });
    let last = finish(stream);
    assert_eq!(
        (
            last.counters.duplicates,
            last.connection.gaps_total,
            last.connection.reconnects
        ),
        (3, 0, 1),
        "{protocol:?}"
    );
    assert_eq!(events.count(), 3, "{protocol:?}");
}

/// The peer neither writes nor reads.
#[test]
fn after_a_stall() {
    for_all_protocols(|protocol| {
        let sim = start(busy());
        let stream = watch(impatient(&sim.url(), protocol));
        stream.until_fed();
        control(&sim, "stall");
        let back = stream.until_reconnected(1);
        assert!(["silence", "ping unanswered"].contains(&back.connection.gaps[0].cause.as_str()));
        stream.stop();
    });
}

/// A storm of 429 on login, REST and upgrades, with both forms of Retry-After: it waits as asked and then streams.
#[test]
fn after_a_storm_of_429() {
    for_all_protocols(|protocol| {
        std::thread::scope(|scope| {
            // A date has whole seconds, so most of each second asked for may be lost to rounding.
            for (date, least_ms) in [(0, 4_000), (1, 100)] {
                scope.spawn(move || {
                    let sim = start(busy());
                    let began = Instant::now();
                    control(&sim, &format!("429?secs=1&count=4&date={date}"));
                    let stream = watch(config(&sim.url(), protocol));
                    stream.until_fed();
                    let took = began.elapsed();
                    assert!(took >= Duration::from_millis(least_ms), "{date}: {took:?}");
                    stream.stop();
                });
            }
        });
    });
}

/// One connection is replaced several times in a row, each time before its token ends.
#[test]
fn several_short_tokens_in_a_row_leave_no_gap() {
    for_all_protocols(|protocol| {
        against_the_clock(|factor| {
            let sim = start(
                busy()
                    .speed(1.0)
                    .arrivals_per_sec(20.0)
                    .warm_up(SHORT_PAST)
                    .token_life(Duration::from_secs(4) * factor),
            );
            let stream = watch(config(&sim.url(), protocol));
            let third = stream.until_reconnected(3);
            assert_eq!(third.connection.gaps_total, 0, "{:?}", third.connection.gaps);
            stream.stop();
        });
    });
}

/// A connection is replaced before its token ends, and the old one is closed.
#[test]
fn short_tokens_are_renewed_in_time() {
    for_all_protocols(|protocol| {
        against_the_clock(|factor| {
            let life_secs = 5 * factor;
            let peer = peer(move |asked, peer| {
                asked.is("POST", "/oauth/token").then(|| {
                    let token = format!("token-{}", peer.next());
                    Answer::Json(
                        200,
                        json!({"access_token": token, "token_type": "Bearer", "expires_in": life_secs}),
                    )
                })
            });
            let began = Instant::now();
            let stream = watch(config(&peer.url(), protocol));
            let renewed = stream.until_reconnected(1);
            let took = began.elapsed();
            assert!(
                took < Duration::from_secs(life_secs.into()),
                "after the token's end: {took:?}"
            );
            assert_eq!(renewed.connection.gaps_total, 0, "{:?}", renewed.connection.gaps);
            peer.until("the old one closed", |log| {
                log.said.iter().any(|(_, said)| said == "<close 1000>").then_some(())
            });
            let log = peer.log();
            assert_eq!((log.count("POST", "/oauth/token"), log.upgrades()), (2, 2));
            drop(log);
            stream.stop();
        });
    });
}

/// Events that the service still sends to the old connection, for a second after the new one took over, count.
#[test]
fn the_old_connection_is_heard_for_a_while_beside_the_new_one() {
    for_all_protocols(|protocol| against_the_clock(|_| the_old_one_is_heard(protocol)));
}

fn the_old_one_is_heard(protocol: Protocol) {
    const LATE: usize = 10;
    let (new_one, is_replaced) = bounded::<()>(1);
    let old = Behaviour::Custom(Box::new(move |socket| {
        let pace = Some(Duration::from_millis(100));
        socket.get_ref().tcp().set_read_timeout(pace).expect("a timeout");
        let began = Instant::now();
        let mut left = 0;
        while began.elapsed() < PATIENCE {
            if is_replaced.try_recv().is_ok() {
                left = LATE;
            }
            if left > 0 {
                left -= 1;
                if socket.send(Message::text(event(protocol, 100 + left))).is_err() {
                    return;
                }
            }
            match socket.read() {
                Err(tungstenite::Error::Io(error))
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    ) => {}
                Err(_) => return,
                Ok(_) => {}
            }
        }
    }));
    let new = Behaviour::Custom(Box::new(move |socket| {
        let _ = new_one.send(());
        let _ = socket.send(Message::text(event(protocol, 1)));
        while socket.read().is_ok() {}
    }));
    let behave = sockets(vec![old, new]);
    let tokens = std::sync::atomic::AtomicU32::new(0);
    let peer = peer(move |asked, peer| {
        if asked.is("POST", "/oauth/token") {
            let number = tokens.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            // The first is replaced after 8 s, and both are read for 1.7 s then.
            let life = if number == 0 { 10 } else { 600 };
            return Some(Answer::Json(
                200,
                json!({"access_token": format!("token-{number}"), "token_type": "bearer", "expires_in": life}),
            ));
        }
        behave(asked, peer)
    });
    let stream = watch(config(&peer.url(), protocol));
    let last = stream.until("everything late was heard", |s| s.counters.events_applied > LATE as u64);
    assert_eq!(last.connection.gaps_total, 0, "{:?}", last.connection.gaps);
    assert_eq!(last.connection.reconnects, 1);
    stream.stop();
}
