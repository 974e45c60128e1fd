//! One viewer that stays: server-sent events until it leaves.
//!
//! In: the newest states of a feed · Out: frames on its socket · Thread: the connection's.
//!
//! Who wakes it: a new state, its heartbeat, or the end. While a slow viewer takes a frame, newer states replace each
//! other; one that does not take a frame in time is let go.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::feed::{Seat, Woken};
use crate::http_server::connection::write_within;

/// A comment is sent when nothing else was for this long: proxies keep the connection, a dead viewer is noticed.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A frame must be taken within this time.
pub(super) const FRAME_TIME: Duration = Duration::from_secs(10);

/// Sends `frame_of(state, whether it has the one before)` for the newest state, again and again.
pub(super) fn serve<T>(mut stream: TcpStream, seat: &Seat<T>, frame_of: impl Fn(&T, bool) -> Arc<[u8]>) {
    let mut seen = 0;
    loop {
        let sent = match seat.feed.next(seen, Instant::now() + HEARTBEAT) {
            Woken::New(number, state) => {
                let has_the_one_before = number == seen + 1 && seen > 0;
                seen = number;
                write_within(&mut stream, &frame_of(&state, has_the_one_before), FRAME_TIME)
            }
            Woken::Quiet => write_within(&mut stream, b":\n\n", FRAME_TIME),
            Woken::Closed => return,
        };
        if sent.is_err() {
            return;
        }
    }
}
