//! Opening a WebSocket on a stream of our own, and reading its errors.
//!
//! In: `Ticket` · Out: an upgraded `Socket`, or the reason why not · Thread: the reader's.

use std::time::Instant;

use tungstenite::client::client_with_config;
use tungstenite::handshake::HandshakeError;
use tungstenite::http::HeaderValue;
use tungstenite::http::header::{AUTHORIZATION, RETRY_AFTER, USER_AGENT};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{WebSocket, client::IntoClientRequest};

use super::Ticket;
use crate::event::notice::CloseReason;
use crate::net::{self, Cancel, ShutdownHandle, Stream, Url};
use crate::rest::retry_after;
use crate::{Error, ErrorKind, Moment};

/// The longest message that is read, in bytes: over a hundred times the longest that the service sends. A frame header that
/// announces more allocates nothing.
const MAX_MESSAGE_BYTES: usize = 4 << 20;

/// The stream beneath reads the system in larger blocks. rustls hands out at most 16 KiB a read, and a larger buffer is
/// zero-filled before each.
const READ_BUFFER_BYTES: usize = 16 << 10;

pub(super) type Socket = WebSocket<Stream>;

/// Dials and upgrades. `cut` ends it in every state.
pub(super) fn open_socket(ticket: &Ticket, cut: &Cancel) -> Result<(Socket, ShutdownHandle), CloseReason> {
    let url = Url::parse(ticket.url.reveal()).map_err(|wrong| {
        CloseReason::Dial(Error::new(
            ErrorKind::Refused,
            "opening the stream",
            format!("its address {wrong}"),
        ))
    })?;
    let limits = ticket.net.limits;
    let deadline = Instant::now() + limits.opening();
    let mut stream = net::open(&url.target, &ticket.net, deadline, cut).map_err(CloseReason::Dial)?;
    let wake = stream
        .shutdown_handle()
        .map_err(|error| CloseReason::Lost(error.to_string()))?;
    stream.set_read_deadline(Instant::now() + limits.handshake);
    let mut request = ticket
        .url
        .reveal()
        .into_client_request()
        .map_err(|_| CloseReason::Violation("bad address".to_owned()))?;
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, HeaderValue::from_static(net::USER_AGENT));
    if let Some(bearer) = &ticket.bearer {
        let mut value = HeaderValue::try_from(format!("Bearer {}", bearer.reveal()))
            .map_err(|_| CloseReason::Violation("the token is no header value".to_owned()))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(1 << 20)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    match client_with_config(request, stream, Some(config)) {
        Ok((mut socket, _)) => {
            socket.get_mut().read_in_blocks();
            Ok((socket, wake))
        }
        Err(HandshakeError::Interrupted(_)) => Err(CloseReason::UpgradeFailed(format!(
            "no answer within {} s",
            limits.handshake.as_secs()
        ))),
        Err(HandshakeError::Failure(tungstenite::Error::Http(answer))) => Err(CloseReason::Upgrade {
            status: answer.status().as_u16(),
            retry_after: answer
                .headers()
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok())
                .and_then(|value| retry_after(value, Moment::now())),
        }),
        Err(HandshakeError::Failure(error)) => Err(CloseReason::UpgradeFailed(close_reason(error).to_string())),
    }
}

/// What an error of the socket means for its connection.
pub(super) fn close_reason(error: tungstenite::Error) -> CloseReason {
    use std::io::ErrorKind as Io;
    use tungstenite::Error as Ws;
    match error {
        Ws::ConnectionClosed | Ws::AlreadyClosed => CloseReason::Closed { code: None },
        // From a write: our write limit. From a read: the kernel gave up (TCP_USER_TIMEOUT).
        Ws::Io(error) if error.kind() == Io::TimedOut => CloseReason::WriteStalled,
        // Many servers end without a TLS close_notify.
        Ws::Io(error) if error.kind() == Io::UnexpectedEof => CloseReason::Lost("ended without a close".to_owned()),
        Ws::Io(error) => CloseReason::Lost(error.to_string()),
        Ws::Capacity(_) => CloseReason::TooLong,
        Ws::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
            CloseReason::Lost("ended without a close".to_owned())
        }
        Ws::WriteBufferFull(_) => CloseReason::WriteStalled,
        error @ (Ws::Protocol(_) | Ws::Utf8(_)) => CloseReason::Violation(error.to_string()),
        error => CloseReason::Lost(error.to_string()),
    }
}
