//! WebSockets of the simulator: one reading and one writing thread each, with a bounded queue of encoded frames.
//!
//! In: an upgraded TCP connection · Out: frames both ways · Thread: the connection's reads, `sim-write-N` writes.

pub(super) mod events;
mod frame;
mod measure;
pub(super) mod metrics;
pub(super) mod notifications;
mod outbox;
mod socket_faults;
pub(super) mod subscribed;

pub(super) use frame::{Frame, frame, text_frame};
pub(super) use outbox::{Counters, Outbox};
pub(super) use socket_faults::SocketFaults;

use crate::http_server::{Reply, Request, Response};
use crate::simulator::shared::Shared;
use outbox::SocketIo;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;
use tungstenite::error::ProtocolError;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::{Role, WebSocket, WebSocketConfig};
use tungstenite::{Error, Message};

/// The largest message a client may send, in bytes.
const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

/// The answer that upgrades the connection, or the refusal.
pub(super) fn upgrade(
    request: &Request,
    response: Response,
    run: impl FnOnce(TcpStream, Vec<u8>) + Send + 'static,
) -> Reply {
    let key = request.header("sec-websocket-key");
    let (Some(key), Some("13")) = (key, request.header("sec-websocket-version")) else {
        return Response::text(426, "this WebSocket needs Sec-WebSocket-Version 13 and a key")
            .header("Sec-WebSocket-Version", "13")
            .into();
    };
    let response = response
        .header("Upgrade", "websocket")
        .header("Connection", "Upgrade")
        .header("Sec-WebSocket-Accept", derive_accept_key(key.as_bytes()));
    let run_on = |stream: Arc<TcpStream>, early| {
        // Reader and writer are threads of their own.
        if let Ok(stream) = stream.try_clone() {
            run(stream, early);
        }
    };
    Reply::TakeOver(response, Box::new(run_on))
}

/// Whether a request asks for a WebSocket.
pub(super) fn wants_upgrade(request: &Request) -> bool {
    request.method == "GET" && request.header_has("connection", "upgrade") && request.header_has("upgrade", "websocket")
}

/// Serves one socket until it ends. `ready` is called with the outbox before anything is read, and may refuse the socket;
/// `on_text` is called with each text message.
fn serve(
    shared: &Shared,
    stream: TcpStream,
    early: Vec<u8>,
    heartbeat: Option<(Duration, Frame)>,
    ready: impl FnOnce(&Arc<Outbox>) -> bool,
    mut on_text: impl FnMut(&Outbox, &str),
) -> Option<Arc<Outbox>> {
    let common = (&shared.counters, &shared.socket_faults);
    let (outbox, writer) = Outbox::open(&stream, shared.options.socket_frames, heartbeat, common)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(8 * 1024)
        .write_buffer_size(0)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    let half = SocketIo::new(stream, Arc::clone(&outbox));
    let mut socket = WebSocket::from_partially_read(half, early, Role::Server, Some(config));
    if ready(&outbox) {
        // An outage that began during the upgrade could not reset this socket.
        if shared.outage().is_some() {
            outbox.reset();
        }
        loop {
            match socket.read() {
                Ok(Message::Text(text)) => on_text(&outbox, &text),
                Ok(_) => {}
                Err(Error::Capacity(_)) => {
                    outbox.close(1009, "message too big");
                    break;
                }
                // The connection ended without a close, or was reset here: a close frame could not be sent.
                Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => break,
                Err(Error::Protocol(_) | Error::Utf8(_)) => {
                    outbox.close(1002, "protocol error");
                    break;
                }
                Err(_) => break,
            }
        }
    }
    outbox.finish();
    let _ = writer.join();
    Some(outbox)
}
