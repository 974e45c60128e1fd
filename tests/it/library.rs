//! The stream in a program: handles, events, snapshots, errors, ends.
//!
//! In: the public interface · Out: verdicts · Thread: the test's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use genesys_stream::{Config, ConnectionState, Ended, ErrorKind, Origin, Protocol, Secret, Stream};

use crate::support::peer::{Behaviour, event, peer, sockets, sound};
use crate::support::{PATIENCE, STOP_LIMIT, built, busy, config, for_all_protocols, start, watch, watch_with};

#[test]
fn events_come_one_by_one_and_end_with_the_stream() {
    for_all_protocols(|protocol| {
        let texts = (0..5).map(|n| event(protocol, n)).collect();
        let peer = peer(sockets(vec![Behaviour::Well(texts)]));
        let (builder, events) = Stream::builder(built(config(&peer.url(), protocol))).events(10);
        let stream = builder.start().expect("threads");
        for _ in 0..5 {
            let event = events.next_within(PATIENCE).expect("an event");
            assert_eq!((event.protocol, event.connection), (protocol, 1));
            assert!(event.body.is_some(), "bodies are kept where somebody reads them");
        }
        assert!(
            events.next_within(Duration::from_millis(1)).is_none(),
            "there is no sixth"
        );
        stream.stop().expect("an end in order");
        assert_eq!(events.count(), 0);
    });
}

/// Dropping the receiver of the events does not end the stream.
#[test]
fn a_dropped_channel_of_events_stops_nothing() {
    let sim = start(busy());
    let (builder, events) = Stream::builder(built(config(&sim.url(), Protocol::Events))).events(1);
    drop(events);
    let stream = watch_with(builder);
    stream.until("many", |s| s.counters.events_applied >= 10);
    let snapshot = stream.stop().snapshot;
    assert_eq!(snapshot.outputs["events"].written, 0);
}

#[test]
fn a_snapshot_is_there_from_the_first_moment_on() {
    let peer = sound();
    let stream = Stream::start(built(config(&peer.url(), Protocol::Notifications))).expect("threads");
    let first = stream.snapshot();
    let second = stream.snapshot();
    assert!(second.revision > first.revision);
    assert_eq!(first.connection.protocol.as_str(), "notifications");
    let report = stream.stop().expect("an end in order");
    assert!(report.snapshot.revision > second.revision);
}

#[test]
fn a_handle_stops_it_from_another_thread() {
    let peer = sound();
    let stream = watch(config(&peer.url(), Protocol::Metrics));
    stream.until_streaming();
    let handle = stream.stream().stop_handle();
    std::thread::spawn(move || {
        handle.stop();
        // Calling it again changes nothing.
        handle.stop();
    });
    stream.until("stopped", |s| s.connection.state == ConnectionState::Stopped);
    let snapshot = stream.stream().snapshot();
    assert_eq!(
        snapshot.connection.state,
        ConnectionState::Stopped,
        "the last one stays"
    );
    assert_eq!(stream.stop().ended, Ended::Stopped);
}

#[test]
fn dropping_it_stops_it() {
    let peer = sound();
    let stream = watch(config(&peer.url(), Protocol::Events));
    stream.until_streaming();
    let began = Instant::now();
    drop(stream);
    assert!(began.elapsed() < STOP_LIMIT, "{:?}", began.elapsed());
    peer.until("a close", |log| {
        log.said.iter().any(|(_, said)| said == "<close 1000>").then_some(())
    });
}

/// Two streams in a process share nothing.
#[test]
fn two_streams_in_one_process() {
    let sims = [start(busy()), start(busy().seed(8).queues(2))];
    let streams: Vec<_> = sims
        .iter()
        .map(|sim| watch(config(&sim.url(), Protocol::Notifications)))
        .collect();
    let queues: Vec<usize> = streams.iter().map(|stream| stream.until_fed().queues.len()).collect();
    assert_eq!(queues, [4, 2]);
    for stream in streams {
        stream.stop();
    }
}

/// A snapshot each interval, and one at the end; a panic in between ends nothing.
#[test]
fn the_dashboard_callback_gets_the_last_snapshot() {
    let peer = peer(sockets(vec![Behaviour::Well(vec![event(Protocol::Events, 1)])]));
    let (tell, told) = crossbeam_channel::unbounded();
    let mut first = true;
    let stream = Stream::builder(built(config(&peer.url(), Protocol::Events)))
        .on_snapshot(move |snapshot| {
            let _ = tell.send(Arc::new(snapshot.clone()));
            assert!(!std::mem::take(&mut first), "a defect of the program");
        })
        .start()
        .expect("threads");
    let deadline = Instant::now() + PATIENCE;
    while told
        .recv_deadline(deadline)
        .expect("snapshots go on")
        .counters
        .events_applied
        == 0
    {}
    let report = stream.stop().expect("an end in order");
    let last = told.iter().last().expect("a last one");
    assert_eq!(last.connection.state, ConnectionState::Stopped);
    assert_eq!(last.counters, report.snapshot.counters);
    assert_eq!(last.totals.active_conversations, Some(1));
}

#[test]
fn a_missing_ca_file_shows_at_the_start() {
    let wrong = Config::builder()
        .region("eu-west-1")
        .client_id("x")
        .client_secret(Secret::new("y"))
        .ca_file("/nowhere/ca.pem")
        .build();
    let error = wrong
        .and_then(|config| Stream::start(config).map(drop))
        .expect_err("no such file");
    assert!(
        matches!(error.kind(), ErrorKind::Configuration | ErrorKind::Local),
        "{error}"
    );
    assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
}

#[test]
fn waiting_for_streaming_ends_when_it_streams() {
    for_all_protocols(|protocol| {
        let peer = sound();
        let stream = Stream::start(built(config(&peer.url(), protocol))).expect("threads");
        stream.wait_streaming(PATIENCE).expect("it streams");
        assert_eq!(stream.snapshot().connection.state, ConnectionState::Streaming);
        stream.wait_streaming(PATIENCE).expect("it still streams");
        stream.stop().expect("an end in order");
    });
}

/// When the time is over, the error names the last cause, and the stream goes on.
#[test]
fn waiting_for_streaming_is_limited() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let nobody = format!("http://{}", free.local_addr().expect("an address"));
    drop(free);
    let stream = watch(config(&nobody, Protocol::Events));
    stream.until("backoff", |s| s.connection.state == ConnectionState::Backoff);
    let began = Instant::now();
    let error = stream
        .stream()
        .wait_streaming(Duration::from_millis(50))
        .expect_err("nobody is there");
    assert!(began.elapsed() < PATIENCE);
    assert_eq!(error.kind(), ErrorKind::Transient);
    assert!(error.to_string().contains("refused"), "{error}");
    assert!(!stream.stream().is_finished());
    stream.stop();
}

/// When the stream ends, the error says why, long before the limit.
#[test]
fn waiting_for_streaming_ends_with_the_stream() {
    let sim = start(busy());
    let wrong = config(&sim.url(), Protocol::Events).client_secret(Secret::new("wrong"));
    let stream = Stream::start(built(wrong)).expect("threads");
    let error = stream.wait_streaming(Duration::MAX).expect_err("the secret is wrong");
    assert_eq!(error.kind(), ErrorKind::Credentials, "{error}");
    assert_eq!(
        stream.wait().expect_err("the same").to_string(),
        error.to_string(),
        "both say what ended it"
    );

    let peer = sound();
    let stream = Stream::start(built(config(&peer.url(), Protocol::Events))).expect("threads");
    stream.stop_handle().stop();
    let error = loop {
        // It may stream for a moment before it stops.
        if let Err(error) = stream.wait_streaming(PATIENCE) {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
}

#[test]
fn all_problems_of_a_configuration_are_typed() {
    let file = "{\n\"buffer\": {\"capacty\": 5},\n\"protocol\": \"metric\"}";
    let error = Config::builder()
        .region("eu-west-1")
        .client_id("x")
        .client_secret(Secret::new("y"))
        .silence_limit(Duration::ZERO)
        .json("my.json", file)
        .build()
        .expect_err("three problems");
    let problems: Vec<_> = error
        .problems()
        .iter()
        .map(|p| (p.file(), p.line(), p.key.as_str(), p.found.as_deref()))
        .collect();
    assert_eq!(
        problems,
        [
            (None, None, "heartbeat.silence_secs", Some("0ns")),
            (Some("my.json"), Some(2), "buffer.capacty", None),
            (Some("my.json"), Some(3), "protocol", Some("\"metric\"")),
        ]
    );
    assert_eq!(error.problems()[0].origin, Origin::Setter("silence_limit"));
    let allowed: Vec<_> = error.problems().iter().map(|p| p.allowed.as_str()).collect();
    assert_eq!(allowed[1], "unknown key; did you mean buffer.capacity?");
    assert!(allowed[2].contains("metrics; did you mean metrics?"), "{}", allowed[2]);
}

#[test]
fn an_error_names_its_source() {
    use std::error::Error as _;
    let config = config("http://127.0.0.1:1", Protocol::Events).record_file("/nowhere/recording");
    let error = Stream::start(built(config)).expect_err("no such directory");
    let source = error
        .source()
        .and_then(|source| source.downcast_ref::<std::io::Error>());
    assert_eq!(source.map(std::io::Error::kind), Some(std::io::ErrorKind::NotFound));
    assert!(error.problems().is_empty());
}

#[test]
fn debug_shows_what_it_is_and_no_secret() {
    let sim = start(busy());
    let config = config(&sim.url(), Protocol::Events).client_secret(Secret::new("hunter2"));
    let builder = Stream::builder(built(config)).duration(Duration::MAX);
    let mut texts = vec![format!("{sim:?}"), format!("{builder:?}")];
    let stream = builder.start().expect("threads");
    texts.push(format!("{stream:?}"));
    texts.push(format!("{:?}", stream.stop_handle()));
    for (text, begins) in texts
        .iter()
        .zip(["Simulator {", "StreamBuilder {", "Stream {", "StopHandle {"])
    {
        assert!(text.starts_with(begins), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}

/// A length that is too long for a simulator is an error at its start, not a panic.
#[test]
fn a_simulator_refuses_lengths_out_of_range() {
    let refused = |builder: genesys_stream::simulator::Builder, name: &str| {
        let error = builder.speed(0.01).start().expect_err("out of range");
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert!(error.to_string().starts_with(name), "{error}");
    };
    refused(busy().heartbeat(Duration::ZERO), "heartbeat:");
    refused(busy().heartbeat(Duration::MAX), "heartbeat:");
    refused(busy().token_life(Duration::MAX), "token_life:");
    refused(busy().channel_life(Duration::MAX), "channel_life:");
    refused(busy().warm_up(Duration::MAX), "warm_up:");
    refused(busy().retention(Duration::MAX), "retention:");
}
