//! The requests and replies of one connection.
//!
//! In: a TCP connection · Out: replies · Thread: `<name>-http-N`.

use super::request::{Failure, RequestReader};
use super::{Limits, Reply, Response, Shared, Waiting};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// After the last reply, what the peer still sends is read for this long: closing a socket with unread bytes resets the
/// connection, and the peer may then lose the reply.
const DRAIN_TIME: Duration = Duration::from_millis(500);

/// A body of at most this size is written together with its head.
const COPIED_BYTES: usize = 64 * 1024;

/// Writes all bytes, or fails when that takes longer than `limit` in all, however slowly the peer takes them.
pub(crate) fn write_within(mut stream: &TcpStream, mut bytes: &[u8], limit: Duration) -> io::Result<()> {
    let deadline = Instant::now() + limit;
    while !bytes.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_write_timeout(Some(left.max(Duration::from_millis(1))))?;
        match stream.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => bytes = &bytes[n..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

pub(super) fn serve(stream: &Arc<TcpStream>, shared: &Shared, waiting: &Waiting) {
    let Shared { limits, handler, .. } = shared;
    let _ = stream.set_nodelay(true);
    let peer = stream.peer_addr().ok().map(|peer| peer.ip());
    let mut reader = RequestReader::new();
    while !shared.stopping.load(Ordering::SeqCst) {
        waiting.begin(&shared.next_wait);
        let request = reader.next(stream, limits);
        waiting.end();
        let request = match request {
            Ok(mut request) => {
                request.peer = peer;
                request
            }
            Err(Failure::Gone) => return,
            Err(Failure::Refuse(status, why)) => {
                waiting.begin(&shared.next_wait);
                refuse(stream, status, why, limits);
                return;
            }
        };
        let reply = catch_unwind(AssertUnwindSafe(|| handler(&request)))
            .unwrap_or_else(|_| Reply::Response(Response::text(500, "the handler of this request failed")));
        match reply {
            Reply::Response(response) => {
                let connection = if request.keep_alive { "keep-alive" } else { "close" };
                let (bytes, rest) = match request.method.as_str() {
                    "HEAD" => (response.head_bytes(Some(connection)), &[][..]),
                    // A copy of a large body would take as much memory again.
                    _ if response.body().len() > COPIED_BYTES => {
                        (response.head_bytes(Some(connection)), response.body())
                    }
                    _ => (response.to_bytes(Some(connection)), &[][..]),
                };
                // A peer that does not read its answer waits as one that sends nothing, and goes first where room is needed.
                waiting.begin(&shared.next_wait);
                let began = Instant::now();
                if write_within(stream, &bytes, limits.write_time).is_err()
                    || write_within(stream, rest, limits.write_time.saturating_sub(began.elapsed())).is_err()
                {
                    return;
                }
                if !request.keep_alive {
                    drain(stream);
                    return;
                }
            }
            #[cfg(feature = "simulator")]
            Reply::Drop => {
                // With a linger time of zero, closing the last handle resets the connection.
                let _ = socket2::SockRef::from(&**stream).set_linger(Some(Duration::ZERO));
                return;
            }
            Reply::TakeOver(response, take_over) => {
                if write_within(stream, &response.to_bytes(None), limits.write_time).is_err() {
                    return;
                }
                let _ = stream.set_read_timeout(None);
                let _ = stream.set_write_timeout(Some(limits.write_time));
                let _ = catch_unwind(AssertUnwindSafe(|| {
                    take_over(Arc::clone(stream), reader.into_leftover())
                }));
                return;
            }
        }
    }
}

/// Answers 503 to a connection that is one too many, on the accept thread.
pub(super) fn refuse_full(mut stream: &TcpStream) {
    // The accept thread must not wait for a peer: what has arrived is read, and nothing else.
    let _ = stream.set_nonblocking(true);
    let _ = stream.read(&mut [0u8; 8192]);
    let _ = stream.write_all(
        &Response::text(503, "too many connections")
            .header("Retry-After", "1")
            .to_bytes(Some("close")),
    );
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.read(&mut [0u8; 8192]);
}

fn refuse(stream: &TcpStream, status: u16, why: &str, limits: &Limits) {
    let bytes = Response::text(status, why).to_bytes(Some("close"));
    if write_within(stream, &bytes, limits.write_time).is_ok() {
        drain(stream);
    }
}

/// Ends the sending side and reads what the peer still sends.
fn drain(mut stream: &TcpStream) {
    let _ = stream.shutdown(Shutdown::Write);
    let deadline = Instant::now() + DRAIN_TIME;
    let mut sink = [0u8; 8192];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero()
            || stream
                .set_read_timeout(Some(left.max(Duration::from_millis(1))))
                .is_err()
        {
            return;
        }
        if !matches!(stream.read(&mut sink), Ok(n) if n > 0) {
            return;
        }
    }
}
