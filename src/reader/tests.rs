//! A reader always leaves a last notice, also when its machine panics.
//!
//! In: a machine that panics or stays unconfirmed, a small peer · Out: verdicts · Thread: the tests' and `gs-reader-1`.

use std::net::TcpListener;
use std::time::Duration;

use super::*;
use crate::base::receipt::Receipt;
use crate::config::{BufferConfig, WhenFull};
use crate::reader::buffer::buffer;

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

    fn on_text(&mut self, text: &str, _: Receipt, _: &mut Vec<Heard>) {
        panic!("on purpose: {text}");
    }
}

/// A peer that takes one connection, says `says` after the client's first frame, and then only listens.
fn peer(says: Option<&'static str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("the reader");
        let mut socket = tungstenite::accept(stream).expect("an upgrade");
        while let Ok(message) = socket.read() {
            if let (true, Some(says)) = (message.is_text(), says) {
                socket.send(Message::text(says)).expect("a frame");
            }
        }
    });
    format!("ws://{address}/")
}

fn how_it_ends(says: Option<&'static str>) -> CloseReason {
    let telemetry = Arc::new(Telemetry::new());
    let config = BufferConfig {
        capacity: 4,
        when_full: WhenFull::Block,
    };
    let (buffer, _receiver) = buffer(config, Arc::clone(&telemetry));
    let (notices, inbox) = crossbeam_channel::unbounded();
    let ticket = Ticket {
        journal: Journal::default(),
        hidden: None,
        connection: 1,
        url: Secret::new(peer(says)),
        bearer: None,
        machine: Box::new(Panics(if says.is_some() { SECOND * 60 } else { SECOND / 2 })),
        heartbeat: HeartbeatConfig {
            interval: SECOND * 20,
            timeout: SECOND * 10,
            silence: SECOND * 45,
        },
        buffer,
        notices,
        telemetry,
        clock: Arc::new(ServiceClock::new()),
        net: Arc::new(Net::with(None, None, |_| None).expect("no proxy, no certificates")),
    };
    let reader = Reader::spawn(ticket).expect("a thread");
    let reason = match inbox.recv_timeout(SECOND * 60).expect("a last notice") {
        Notice::Connection {
            connection: 1,
            news: ConnectionNews::Ended { reason, .. },
        } => reason,
        other => panic!("{other:?}"),
    };
    reader.cut();
    assert!(inbox.try_recv().is_err(), "the last notice is the last");
    reason
}

#[test]
fn a_panic_is_caught_and_told() {
    let reason = how_it_ends(Some("boo"));
    assert_eq!(reason.to_string(), "reader panicked: on purpose: boo");
}

#[test]
fn a_subscription_that_is_never_confirmed_ends_in_time() {
    assert!(matches!(how_it_ends(None), CloseReason::HandshakeLate));
}
