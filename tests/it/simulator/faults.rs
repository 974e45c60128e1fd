//! Outages, silence, stalls and disturbed frames on demand.
//!
//! In: a running simulator · Out: verdicts on what a peer sees · Thread: the test's.

use super::*;

fn ping(socket: &mut Socket) {
    say(socket, &json!({"message": "ping"}));
}

fn is_pong(frame: &Value) -> Option<()> {
    (frame["eventBody"]["message"] == "pong").then_some(())
}

/// A channel with all queues' conversations and its socket, which has shown life.
fn listen(sim: &Simulator) -> (Client<'_>, String, Socket) {
    let client = log_in(sim);
    let queues = sim.queues();
    let topics: Vec<String> = queues
        .iter()
        .map(|(id, _)| format!("v2.routing.queues.{id}.conversations"))
        .collect();
    let (id, uri) = client.channel();
    assert_eq!(client.subscribe("PUT", &id, "", &topics).status, 200);
    let mut socket = connect(sim, &uri);
    ping(&mut socket);
    until(&mut socket, is_pong);
    (client, uri, socket)
}

/// Nothing arrives for so long. On a busy machine this may miss a defect; it never fails without one.
fn assert_silent(socket: &mut Socket, length: Duration) {
    socket.get_ref().set_read_timeout(Some(length)).unwrap();
    match socket.read() {
        Err(Error::Io(e)) if e.kind() == std::io::ErrorKind::WouldBlock => {}
        other => panic!("{other:?}"),
    }
    socket.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
}

fn is_reset(sim: &Simulator, uri: &str) -> bool {
    let stream = TcpStream::connect(sim.local_addr()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    match tungstenite::client::client(uri, stream) {
        Err(tungstenite::HandshakeError::Failure(Error::Io(e))) => e.kind() == std::io::ErrorKind::ConnectionReset,
        other => panic!("{:?}", other.map(|_| "connected").map_err(|e| e.to_string())),
    }
}

#[test]
fn an_outage_resets_and_refuses_while_the_centre_works_on() {
    let sim = sim().speed(20.0).start().unwrap();
    let (client, uri, mut socket) = listen(&sim);
    let offered = || {
        sim.truth(&TruthQuery::default())["all_queues"]["totals"]["offered"]
            .as_u64()
            .unwrap()
    };
    let before = offered();
    sim.control("outage?secs=600").unwrap();
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
    assert!(is_reset(&sim, &uri));
    assert_eq!(
        client.call("GET", "/api/v2/tokens/me", &Value::Null).code(),
        "service.unavailable"
    );
    assert_eq!(
        login(
            &sim,
            "Basic c2ltdWxhdG9yOnNpbXVsYXRvcg==",
            "grant_type=client_credentials"
        )
        .status,
        503
    );
    until_true("the centre works on", || offered() >= before + 10);
    // REST alone may go on.
    sim.control("outage?secs=600&rest=1").unwrap();
    client.get("/api/v2/tokens/me");
    assert!(is_reset(&sim, &uri));
    assert!(
        http(&sim, "GET", "/sim/state", &[], "").json()["outage_secs_left"]
            .as_f64()
            .unwrap()
            > 500.0
    );
    sim.control("outage?secs=0").unwrap();
    // The same channel goes on with its subscriptions.
    let mut socket = connect(&sim, &uri);
    until(&mut socket, |f| {
        f["topicName"].as_str()?.ends_with(".conversations").then_some(())
    });
    assert!(sim.control("outage").unwrap_err().contains("secs"));
}

#[test]
fn an_outage_ends_by_itself() {
    let sim = sim().start().unwrap();
    let client = log_in(&sim);
    let call = || client.call("GET", "/api/v2/tokens/me", &Value::Null).status;
    against_the_clock(|factor| {
        sim.control(&format!("outage?secs={}", 0.3 * f64::from(factor)))
            .unwrap();
        assert_eq!(call(), 503);
    });
    until_true("the end of the outage", || call() == 200);
}

#[test]
fn a_silent_socket_answers_later_and_a_stalled_one_does_not_hold_up_the_stop() {
    against_the_clock(|_| silent_and_stalled());
}

fn silent_and_stalled() {
    let sim = sim().arrivals_per_sec(0.0).warm_up(Duration::ZERO).start().unwrap();
    let (client, _, mut socket) = listen(&sim);
    sim.control("silence?secs=600").unwrap();
    ping(&mut socket);
    assert_silent(&mut socket, Duration::from_millis(150));
    // Those that come later are not silent.
    let (_, other) = client.channel();
    let mut other = connect(&sim, &other);
    ping(&mut other);
    until(&mut other, is_pong);
    sim.control("silence?secs=0").unwrap();
    until(&mut socket, is_pong);
    sim.control("stall?secs=600").unwrap();
    ping(&mut socket);
    assert_silent(&mut socket, Duration::from_millis(150));
    let begin = Instant::now();
    drop(client);
    drop(sim);
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
}

#[test]
fn bytes_dribble_and_heartbeats_stop() {
    let sim = sim()
        .heartbeat(Duration::from_millis(100))
        .arrivals_per_sec(0.0)
        .warm_up(Duration::ZERO)
        .start()
        .unwrap();
    let (_, _, mut socket) = listen(&sim);
    sim.control("no_heartbeat").unwrap();
    ping(&mut socket);
    until(&mut socket, is_pong);
    assert_silent(&mut socket, Duration::from_millis(350));
    sim.control("dribble?ms=5").unwrap();
    let begin = Instant::now();
    ping(&mut socket);
    until(&mut socket, is_pong);
    // The pong has 63 bytes of text and two before.
    assert!(begin.elapsed() > Duration::from_millis(300), "{:?}", begin.elapsed());
    sim.control("dribble?ms=0").unwrap();
    sim.control("no_heartbeat?on=0").unwrap();
    until(&mut socket, |f| {
        (f["eventBody"]["message"] == "WebSocket Heartbeat").then_some(())
    });
}

#[test]
fn all_events_come_twice() {
    let sim = sim().speed(20.0).start().unwrap();
    let (_, _, mut socket) = listen(&sim);
    sim.control("duplicate?percent=100").unwrap();
    ping(&mut socket);
    until(&mut socket, is_pong);
    let mut last: Option<Value> = None;
    for _ in 0..10 {
        let event = until(&mut socket, |f| {
            f["topicName"].as_str()?.ends_with("conversations").then(|| f.clone())
        });
        last = match last.take() {
            None => Some(event),
            Some(first) => {
                assert_eq!(first, event);
                None
            }
        };
    }
}

#[test]
fn garbage_and_oversize_arrive_as_ordered() {
    let sim = sim().arrivals_per_sec(0.0).warm_up(Duration::ZERO).start().unwrap();
    let (_, _, mut socket) = listen(&sim);
    sim.control("garbage?count=8").unwrap();
    let texts: Vec<String> = (0..8)
        .map(|_| socket.read().unwrap().into_text().unwrap().to_string())
        .collect();
    let objects = texts
        .iter()
        .filter(|t| serde_json::from_str::<Value>(t).is_ok_and(|v| v.is_object()));
    assert_eq!((texts[0].as_str(), objects.count()), ("garbage", 2));
    sim.control("garbage?kind=binary").unwrap();
    assert!(socket.read().unwrap().is_binary());
    sim.control("oversize?bytes=2000000").unwrap();
    let large = socket.read().unwrap();
    assert_eq!(large.len(), 2_000_000);
    assert!(serde_json::from_str::<Value>(&large.into_text().unwrap()).is_ok());
    sim.control("garbage?kind=utf8").unwrap();
    assert!(matches!(socket.read(), Err(Error::Utf8(_))));
    assert!(sim.control("garbage?kind=x").unwrap_err().contains("kind"));
}

#[test]
fn a_paused_centre_stands_still_and_goes_on_where_it_stood() {
    let sim = sim().speed(100.0).start().unwrap();
    let (_, _, mut socket) = listen(&sim);
    sim.control("pause").unwrap();
    let state = || http(&sim, "GET", "/sim/state", &[], "").json();
    until_true("the centre settled", || state()["settled"] == true);
    let truth = sim.truth(&TruthQuery::default());
    // What is on its way comes, and the service is alive.
    ping(&mut socket);
    until(&mut socket, is_pong);
    assert_eq!(sim.truth(&TruthQuery::default()), truth);
    assert_eq!(state()["paused"], true);
    sim.control("pause?on=0").unwrap();
    until(&mut socket, |f| {
        f["topicName"].as_str()?.ends_with(".conversations").then_some(())
    });
    let later = sim.truth(&TruthQuery::default());
    let offered = |t: &Value| t["all_queues"]["totals"]["offered"].as_u64().unwrap();
    assert!(later["as_of"].as_str() > truth["as_of"].as_str() && offered(&later) >= offered(&truth));
}
