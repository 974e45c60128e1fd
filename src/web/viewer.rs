//! One viewer of a stream of server-sent events, until it leaves.
//!
//! In: the newest states of a feed · Out: events on its socket · Thread: the connection's.
//!
//! The thread is woken by a new state, after the time of a heartbeat, or by the end of the feed. While a slow viewer
//! takes an event, newer states replace each other; a viewer that does not take an event in time is disconnected.

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::feed::{Next, Place};
use crate::http_server::connection::write_within;

/// A comment is sent after this long without an event: proxies keep the connection, and a dead viewer is noticed.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// An event must be taken within this time.
pub(super) const EVENT_TIME: Duration = Duration::from_secs(10);

/// What a viewer has got of the states before the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// The one before the newest, so a difference from it is enough.
    OneBefore,
    /// None, or only older ones.
    NotOneBefore,
}

/// Sends the event that `event_of` makes of the newest state, again and again.
pub(super) fn serve<T>(stream: &TcpStream, place: &Place<T>, event_of: impl Fn(&T, Seen) -> Arc<Vec<u8>>) {
    let mut last = 0;
    loop {
        let sent = match place.feed.next(last, Instant::now() + HEARTBEAT) {
            Next::New(number, state) => {
                // 0 before the first.
                let seen = match last > 0 && number == last + 1 {
                    true => Seen::OneBefore,
                    false => Seen::NotOneBefore,
                };
                last = number;
                write_within(stream, &event_of(&state, seen), EVENT_TIME)
            }
            Next::Timeout => write_within(stream, b":\n\n", EVENT_TIME),
            Next::Closed => return,
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Writes all of an answer within a time.
pub(super) struct Within<'a> {
    stream: &'a TcpStream,
    until: Instant,
}

impl<'a> Within<'a> {
    pub(super) fn new(stream: &'a TcpStream, time: Duration) -> Self {
        let until = Instant::now() + time;
        Self { stream, until }
    }
}

impl Write for Within<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write_within(self.stream, bytes, self.until.saturating_duration_since(Instant::now()))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
