//! What a handler answers: a response, or taking the connection over.
//!
//! In: status, fields, body · Out: bytes for the wire · Thread: the connection's.

use std::fmt::Write as _;
use std::net::TcpStream;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Takes a connection over. It gets the socket (blocking, with a time limit on writes only) and the bytes that came after
/// the request.
pub(crate) type TakeOver = Box<dyn FnOnce(Arc<TcpStream>, Vec<u8>) + Send>;

/// What a handler answers.
pub(crate) enum Reply {
    /// A whole response; the connection is kept for the next request.
    Response(Response),
    /// The response is sent, then the function is called with the socket; the connection ends when it returns.
    TakeOver(Response, TakeOver),
    /// No answer: the connection is reset.
    #[cfg(feature = "simulator")]
    Drop,
}

impl From<Response> for Reply {
    fn from(response: Response) -> Self {
        Reply::Response(response)
    }
}

/// A response: status, header fields, body.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Body,
}

/// The body of a response.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    Own(Vec<u8>),
    /// A part of bytes that others have, too.
    Shared(Arc<Vec<u8>>, Range<usize>),
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(bytes, part) => bytes.get(part.clone()).unwrap_or_default(),
        }
    }
}

impl Response {
    /// An empty response.
    pub(crate) fn new(status: u16) -> Self {
        Response {
            status,
            headers: Vec::new(),
            body: Body::Own(Vec::new()),
        }
    }

    /// A body with its media type.
    pub(crate) fn with_body(status: u16, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let mut response = Response::new(status).header("Content-Type", media_type);
        response.body = Body::Own(body.into());
        response
    }

    /// As [`Response::with_body`], without a copy.
    pub(crate) fn with_part(status: u16, media_type: &str, bytes: Arc<Vec<u8>>, part: Range<usize>) -> Self {
        let mut response = Response::new(status).header("Content-Type", media_type);
        response.body = Body::Shared(bytes, part);
        response
    }

    /// Plain text with a line end.
    pub(crate) fn text(status: u16, text: &str) -> Self {
        Response::with_body(status, "text/plain; charset=utf-8", format!("{text}\n"))
    }

    /// Adds a field. Line ends in the value become spaces, because they would begin another field.
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<str>) -> Self {
        let value = value.as_ref().replace(['\r', '\n'], " ");
        self.headers.push((name.to_owned(), value));
        self
    }

    /// The whole response. Without `connection`, no `Connection` and `Content-Length` are added to the handler's own fields.
    pub(super) fn to_bytes(&self, connection: Option<&str>) -> Vec<u8> {
        let mut bytes = self.head_bytes(connection);
        bytes.extend_from_slice(self.body());
        bytes
    }

    /// The body, if this status has one.
    pub(super) fn body(&self) -> &[u8] {
        if self.is_bodyless() { &[] } else { &self.body }
    }

    fn is_bodyless(&self) -> bool {
        self.status < 200 || self.status == 204 || self.status == 304
    }

    /// The response without its body, as the answer to a HEAD request.
    pub(super) fn head_bytes(&self, connection: Option<&str>) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if let Some(connection) = connection {
            if !self.is_bodyless() {
                let _ = write!(head, "Content-Length: {}\r\n", self.body.len());
            }
            let _ = write!(head, "Connection: {connection}\r\n");
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}
