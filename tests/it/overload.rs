//! More events than the buffer holds, and receivers that do not keep up: every lost event is counted.
//!
//! In: a flood of the simulator, tiny buffers · Out: verdicts · Thread: the test's and one that controls the flood.

use std::time::{Duration, Instant};

use genesys_stream::simulator::Simulator;
use genesys_stream::{Protocol, Snapshot, Stream, StreamBuilder, WhenFull};
use tungstenite::Message;

use crate::support::peer::{Behaviour, event, peer, sockets};
use crate::support::{PATIENCE, built, config, control, eventually, for_all_protocols, start, watch_with};

/// Events of a flood: enough to overrun the small buffers here.
const FLOOD: u64 = 2_000;
const BYTES: u64 = 3_000;

/// A centre at rest: all its events are those of the flood.
fn quiet() -> Simulator {
    start(
        Simulator::builder()
            .seed(3)
            .queues(3)
            .agents(10)
            .arrivals_per_sec(0.0)
            .warm_up(Duration::ZERO)
            .requests_per_min(0),
    )
}

/// Floods a stream with this policy that is subscribed to conversations only; returns its last snapshot.
fn flood(policy: WhenFull, capacity: usize, with: impl FnOnce(StreamBuilder) -> StreamBuilder) -> Snapshot {
    let sim = quiet();
    let mut builder = config(&sim.url(), Protocol::Notifications)
        .buffer_capacity(capacity)
        .when_full(policy);
    for (id, _) in sim.queues() {
        builder = builder.topic(format!("v2.routing.queues.{id}.conversations"));
    }
    let stream = watch_with(with(Stream::builder(built(builder))));
    stream.until_streaming();
    std::thread::scope(|scope| {
        let flooding = scope.spawn(|| control(&sim, &format!("flood?events={FLOOD}&bytes={BYTES}")));
        stream.until("all events", |s| {
            let c = &s.counters;
            c.events_decoded == FLOOD && c.events_buffered == 0
        });
        assert_eq!(flooding.join().expect("the flood")["sent"], FLOOD);
    });
    let snapshot = stream.stop().snapshot;
    assert_eq!(snapshot.counters.events_decoded, FLOOD);
    assert_eq!(snapshot.connection.reconnects, 0);
    (*snapshot).clone()
}

#[test]
fn by_default_what_does_not_fit_is_merged() {
    let c = flood(WhenFull::default(), 4, |builder| builder).counters;
    assert_eq!(c.events_applied + c.events_coalesced, FLOOD, "{c:?}");
    assert_eq!(c.events_dropped, 0, "{c:?}");
}

#[test]
fn with_block_everything_is_applied() {
    let c = flood(WhenFull::Block, 4, |builder| builder).counters;
    assert_eq!(
        (c.events_applied, c.events_coalesced, c.events_dropped),
        (FLOOD, 0, 0),
        "{c:?}"
    );
}

/// A receiver that is slower than the stream for a while.
fn slow(builder: StreamBuilder) -> StreamBuilder {
    let mut number = 0_u32;
    builder.on_event(move |_| {
        number += 1;
        if number < 200 {
            // Being slow is the fault that is played here; nothing waits for it.
            std::thread::sleep(Duration::from_millis(2));
        }
    })
}

/// With `block` a slow callback makes the socket wait: no event is missed.
#[test]
fn with_block_a_slow_callback_misses_nothing() {
    let snapshot = flood(WhenFull::Block, 8, slow);
    let c = snapshot.counters;
    assert_eq!((c.events_applied, c.events_dropped), (FLOOD, 0), "{c:?}");
    let callback = snapshot.outputs["callback"];
    assert_eq!((callback.written, callback.missed), (FLOOD, 0));
}

/// The dropping policies lose events, count every one, and record a gap.
#[test]
fn the_dropping_policies_count_what_they_drop() {
    for policy in [WhenFull::DropOldest, WhenFull::DropNewest] {
        let snapshot = flood(policy, 1, |builder| builder);
        let c = snapshot.counters;
        assert_eq!(c.events_applied + c.events_dropped, FLOOD, "{policy:?}: {c:?}");
        assert!(c.events_dropped > 0, "{policy:?}: the flood fitted through: {c:?}");
        assert_eq!(c.events_coalesced, 0, "{policy:?}");
        assert!(snapshot.connection.gaps_total >= 1, "{policy:?}");
        let causes = snapshot.connection.gaps.iter().all(|gap| gap.cause.contains("dropped"));
        assert!(causes, "{policy:?}: {:?}", snapshot.connection.gaps);
    }
}

/// Nobody reads the channel of events: the stream goes on, and the events that it misses are counted.
#[test]
fn an_unread_channel_of_events_stops_nothing() {
    let mut unread = None;
    let snapshot = flood(WhenFull::default(), 5_000, |builder| {
        let (builder, events) = builder.events(10);
        unread = Some(events);
        builder
    });
    let c = snapshot.counters;
    assert_eq!(
        (c.events_applied + c.events_coalesced, c.events_dropped),
        (FLOOD, 0),
        "{c:?}"
    );
    let channel = snapshot.outputs["events"];
    assert_eq!(channel.written, 10);
    assert_eq!(channel.written + channel.missed, c.events_applied);
    assert_eq!(unread.expect("given").count(), 10);
}

/// With `block` an unread channel stops the events, but does not delay the end.
#[test]
fn with_block_an_unread_channel_does_not_hold_up_the_end() {
    let texts = (0..2_000).map(|n| event(Protocol::Notifications, n)).collect();
    let peer = peer(sockets(vec![Behaviour::Well(texts)]));
    let with = config(&peer.url(), Protocol::Notifications)
        .buffer_capacity(4)
        .when_full(WhenFull::Block);
    let (builder, events) = Stream::builder(built(with)).events(10);
    let stream = watch_with(builder);
    stream.until("the channel full", |s| s.outputs["events"].written == 10);
    let c = stream.stop().snapshot.counters;
    assert!(c.events_applied < 2_000, "{c:?}");
    assert_eq!(events.count(), 10);
}

/// With `block` and a receiver that does not read, events wait but snapshots go on; once it reads, it misses nothing.
#[test]
fn with_block_an_unread_channel_freezes_no_snapshot() {
    for_all_protocols(|protocol| {
        // More than an output (2,048), the buffer and the channel hold together.
        const EVENTS: usize = 4_000;
        let texts = (0..EVENTS).map(|n| event(protocol, n)).collect();
        let peer = peer(sockets(vec![Behaviour::Well(texts)]));
        let with = config(&peer.url(), protocol)
            .buffer_capacity(4)
            .when_full(WhenFull::Block);
        let (builder, events) = Stream::builder(built(with)).events(10);
        let stream = watch_with(builder);
        let full = stream.until("the channel full", |s| s.outputs["events"].written == 10);
        let later = stream.until("snapshots go on", |s| s.revision > full.revision + 20);
        assert!(later.generated_at > full.generated_at);
        // Without an answer within a second the last published snapshot is returned.
        let asked = eventually("one that is asked for is answered", || {
            let began = Instant::now();
            let asked = stream.stream().snapshot();
            let took = began.elapsed();
            (took < Duration::from_millis(900))
                .then_some(asked)
                .ok_or_else(|| format!("{took:?}"))
        });
        assert!(asked.revision > later.revision);
        assert!(asked.counters.events_applied < EVENTS as u64, "{:?}", asked.counters);
        let reading = std::thread::spawn(move || events.count());
        stream.until("all taken", |s| s.outputs["events"].written == EVENTS as u64);
        let last = stream.stop().snapshot;
        assert_eq!(reading.join().expect("a count"), EVENTS);
        assert_eq!((last.outputs["events"].missed, last.counters.events_dropped), (0, 0));
    });
}

/// The same while the peer sends pings: the reader answers them although nobody takes its events.
#[test]
fn with_block_and_no_room_pings_are_still_answered() {
    for_all_protocols(|protocol| {
        // More than output, buffer and channel hold together.
        const EVENTS: usize = 2_500;
        let (tell, answered) = crossbeam_channel::bounded(1);
        let behaviour = Behaviour::Custom(Box::new(move |socket| {
            for n in 0..EVENTS {
                let _ = socket.send(Message::text(event(protocol, n)));
            }
            let _ = socket.send(Message::Ping("are you there".into()));
            while let Ok(message) = socket.read() {
                if message.is_pong() {
                    let _ = tell.try_send(());
                }
            }
        }));
        let peer = peer(sockets(vec![behaviour]));
        let with = config(&peer.url(), protocol)
            .buffer_capacity(4)
            .when_full(WhenFull::Block);
        let (builder, events) = Stream::builder(built(with)).events(10);
        let stream = watch_with(builder);
        answered.recv_timeout(PATIENCE).expect("the ping is answered");
        let full = stream.until("events that wait", |s| s.counters.events_decoded == EVENTS as u64);
        assert!(full.counters.events_buffered > 100, "{:?}", full.counters);
        let reading = std::thread::spawn(move || events.count());
        stream.until("all taken", |s| s.outputs["events"].written == EVENTS as u64);
        let last = stream.stop().snapshot;
        assert_eq!(reading.join().expect("a count"), EVENTS);
        assert_eq!((last.counters.events_dropped, last.connection.reconnects), (0, 0));
    });
}
