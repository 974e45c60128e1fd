//! A socket that never stops talking, and still answers pings.
//!
//! In: the texts of frames by their number · Out: frames, until the client ends the connection · Thread: the peer's.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tungstenite::Message;

use crate::support::peer::{Answer, Asked, Behaviour, Peer, Socket, notification};

/// What peers sent, in bytes.
pub type Sent = Arc<AtomicU64>;

/// What a peer answers otherwise than a sound organisation.
pub type Script = Box<dyn Fn(&Asked, &Peer) -> Option<Answer> + Send + Sync>;

/// Frames are written in blocks of about this size.
const BLOCK_BYTES: usize = 256 << 10;

/// Between two looks at what the client says.
const LOOKS_EVERY: Duration = Duration::from_millis(500);

/// How often a flood goes through its texts: as fast as the socket takes them, or so many frames a second.
#[derive(Clone, Copy)]
pub enum Pace {
    FlatOut,
    PerSecond(u32),
}

/// Every socket is flooded with the texts that `next` makes of a number; numbers go on over all connections.
pub fn flood(sent: &Sent, pace: Pace, next: impl Fn(u64) -> String + Send + Sync + 'static) -> Script {
    let (sent, next, number) = (Arc::clone(sent), Arc::new(next), Arc::new(AtomicU64::new(0)));
    Box::new(move |asked, _| {
        let (sent, next, number) = (Arc::clone(&sent), Arc::clone(&next), Arc::clone(&number));
        let pour = move |socket: &mut Socket| {
            pour(socket, pace, &sent, &|| next(number.fetch_add(1, Ordering::Relaxed)));
        };
        asked
            .is_upgrade()
            .then(|| Answer::Socket(Behaviour::Custom(Box::new(pour))))
    })
}

fn pour(socket: &mut Socket, pace: Pace, sent: &AtomicU64, next: &dyn Fn() -> String) {
    let mut looked = Instant::now();
    loop {
        let mut block = Vec::new();
        match pace {
            Pace::FlatOut => {
                while block.len() < BLOCK_BYTES {
                    frame(&mut block, &next());
                }
            }
            Pace::PerSecond(frames) => {
                frame(&mut block, &next());
                // The pace of the attack; nothing waits for it.
                std::thread::sleep(Duration::from_secs(1) / frames);
            }
        }
        if socket.get_mut().write_all(&block).is_err() {
            return;
        }
        sent.fetch_add(block.len() as u64, Ordering::Relaxed);
        if looked.elapsed() > LOOKS_EVERY {
            looked = Instant::now();
            if !answer_pings(socket) {
                return;
            }
        }
    }
}

/// Answers the pings that have come; whether the connection goes on.
fn answer_pings(socket: &mut Socket) -> bool {
    let limit = |socket: &Socket, limit| socket.get_ref().tcp().set_read_timeout(Some(limit)).is_ok();
    let mut goes_on = limit(socket, Duration::from_millis(1));
    while goes_on {
        match socket.read() {
            Ok(Message::Text(text)) if text.contains(r#""ping""#) => {
                let pong = notification("channel.metadata", &serde_json::json!({"message": "pong"}));
                goes_on = socket.send(Message::text(pong)).is_ok();
            }
            // Pings of WebSocket are answered with the next flush.
            Ok(_) => goes_on = socket.flush().is_ok(),
            Err(tungstenite::Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => break,
            Err(_) => goes_on = false,
        }
    }
    goes_on
}

/// Appends a text frame of a server.
fn frame(block: &mut Vec<u8>, text: &str) {
    block.push(0x81);
    match text.len() {
        short @ 0..=125 => block.push(short as u8),
        middle @ 126..=0xffff => {
            block.push(126);
            block.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            block.push(127);
            block.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    block.extend_from_slice(text.as_bytes());
}
