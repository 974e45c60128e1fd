//! The reading of requests without a socket, for `fuzz/`.
//!
//! In: bytes as they arrive · Out: requests, the status of a refusal · Thread: any (pure).

use super::{Failure, RequestReader};
use crate::http_server::Limits;

/// A request as the handlers get it.
#[derive(Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// As sent.
    pub method: String,
    /// Percent-decoded.
    pub path: String,
    /// As sent.
    pub query: String,
    /// In their order; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
    /// Whether the connection stays open after it.
    pub keep_alive: bool,
}

/// The limits of a head and of a body, in bytes.
#[must_use]
pub fn http_limits() -> (usize, usize) {
    (Limits::default().head_bytes, Limits::default().body_bytes)
}

/// The requests of a connection on which these parts arrive, and the status of the refusal that ends it.
#[must_use]
pub fn http_requests<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> (Vec<HttpRequest>, Option<u16>) {
    let limits = Limits::default();
    let mut reader = RequestReader::new();
    let (mut requests, mut head) = (Vec::new(), None);
    for part in parts {
        reader.buffer.extend_from_slice(part);
        loop {
            if head.is_none() {
                head = match reader.parse(&limits) {
                    Ok(head) => head,
                    Err(Failure::Refuse(status, _)) => return (requests, Some(status)),
                    Err(Failure::Gone) => return (requests, None),
                };
                if let Some(head) = &head {
                    reader.buffer.drain(..head.bytes);
                }
            }
            let Some(whole) = head.take_if(|head| reader.buffer.len() >= head.body_bytes) else {
                break;
            };
            let request = whole.request;
            let is_last = !request.keep_alive;
            requests.push(HttpRequest {
                method: request.method,
                path: request.path,
                query: request.query,
                headers: request.headers,
                body: reader.buffer.drain(..whole.body_bytes).collect(),
                keep_alive: request.keep_alive,
            });
            if is_last {
                return (requests, None);
            }
        }
    }
    (requests, None)
}
