//! A reader always leaves a last notice, also when its machine panics; its events are in the buffer before its notices.
//!
//! In: a machine that panics or stays unconfirmed, a small peer that sends frames in one write · Out: verdicts · Thread: the tests' and `gs-reader-1`.

use std::net::TcpListener;
use std::time::Duration;

use super::*;
use crate::base::receipt::Receipt;
use crate::config::{BufferConfig, WhenFull};
use crate::reader::buffer::tests::{event, what};
use crate::reader::buffer::{Batch, buffer};

const SECOND: Duration = Duration::from_secs(1);

/// Panics at the first frame; never confirms, for which it has so long.
struct Panics(Duration);

impl Machine for Panics {
    fn on_open(&mut self) -> Vec<String> {
        vec!["hello".to_owned()]
    }

    fn handshake_limit(&self) -> Option<Duration> {
        Some(self.0)
    }

    fn ping(&self) -> Ping {
        Ping::Control
    }

    fn on_text(&mut self, text: &str, _: Receipt, heard: &mut Vec<Heard>) {
        match text {
            "closing" => heard.push(Heard::SocketClosing),
            "boo" => panic!("on purpose: {text}"),
            _ => heard.push(Heard::Event(event(text, 0))),
        }
    }
}

/// A peer that takes one connection, says `says` after the client's first frame, and then only listens.
fn peer(says: &'static [&'static str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("the reader");
        let mut socket = tungstenite::accept(stream).expect("an upgrade");
        while let Ok(message) = socket.read() {
            if message.is_text() {
                // They are sent together.
                let written = says.iter().try_for_each(|text| socket.write(Message::text(*text)));
                written.and_then(|()| socket.flush()).expect("frames");
            }
        }
    });
    format!("ws://{address}/")
}

/// What a reader leaves of a connection on which the peer says `says`.
struct Left {
    reason: CloseReason,
    /// How many events were in the buffer when the notice of the closing socket came.
    when_closing: Option<usize>,
    /// The events in the buffer at the end.
    events: usize,
    counters: crate::model::snapshot::Counters,
}

fn what_is_left(says: &'static [&'static str]) -> Left {
    let telemetry = Arc::new(Telemetry::new());
    let config = BufferConfig {
        capacity: 800,
        when_full: WhenFull::Block,
    };
    let (buffer, receiver) = buffer(config, Arc::clone(&telemetry));
    let (notices, inbox) = crossbeam_channel::unbounded();
    let ticket = Ticket {
        journal: Journal::default(),
        connection: 1,
        url: Secret::new(peer(says)),
        bearer: None,
        machine: Box::new(Panics(if says.is_empty() { SECOND / 2 } else { SECOND * 60 })),
        heartbeat: HeartbeatConfig {
            interval: SECOND * 20,
            timeout: SECOND * 10,
            silence: SECOND * 45,
        },
        buffer,
        notices,
        telemetry: Arc::clone(&telemetry),
        clock: Arc::new(ServiceClock::new()),
        net: Arc::new(Net::with(None, None, |_| None).expect("no proxy, no certificates")),
    };
    let reader = Reader::spawn(ticket).expect("a thread");
    let mut taken = Vec::new();
    let mut take_all = || {
        let mut batch = Batch::default();
        while receiver.take(&mut batch) {
            while let Some(event) = batch.pop() {
                taken.push(what(&event).0);
            }
        }
        taken.len()
    };
    let mut when_closing = None;
    let reason = loop {
        match inbox.recv_timeout(SECOND * 60).expect("a last notice") {
            Notice::Connection {
                news: ConnectionNews::SocketClosing,
                ..
            } => when_closing = Some(take_all()),
            Notice::Connection {
                connection: 1,
                news: ConnectionNews::Ended { reason, .. },
            } => break reason,
            other => panic!("{other:?}"),
        }
    };
    let events = take_all();
    let sent = says.iter().filter(|text| !["closing", "boo"].contains(text));
    assert!(taken.iter().eq(sent), "{taken:?}");
    reader.cut();
    assert!(inbox.try_recv().is_err(), "the last notice is the last");
    Left {
        reason,
        when_closing,
        events,
        counters: telemetry.counters(),
    }
}

#[test]
fn a_panic_is_caught_and_told() {
    let left = what_is_left(&["boo"]);
    assert_eq!(left.reason.to_string(), "reader panicked: on purpose: boo");
}

#[test]
fn events_before_a_panic_are_not_lost() {
    let left = what_is_left(&["a", "b", "boo"]);
    assert!(matches!(left.reason, CloseReason::Panicked(_)));
    assert_eq!((left.events, left.counters.events_decoded), (2, 2));
}

#[test]
fn events_are_in_the_buffer_before_a_later_notice() {
    let left = what_is_left(&["a", "b", "closing", "c", "boo"]);
    assert!(left.when_closing.is_some_and(|events| events >= 2));
    assert_eq!(left.events, 3);
}

#[test]
fn a_subscription_that_is_never_confirmed_ends_in_time() {
    assert!(matches!(what_is_left(&[]).reason, CloseReason::HandshakeLate));
}
