//! Reading one HTTP request within the limits, and parsing it.
//!
//! In: bytes of a connection · Out: a [`Request`], or the status of a refusal · Thread: the connection's.

#[cfg(feature = "fuzzing")]
pub mod fuzzing;

use super::Limits;
use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::time::{Duration, Instant};

/// Most header fields a request may have.
const MAX_HEADERS: usize = 64;
/// What may stand around a field's value and counts as nothing (RFC 9110, 5.6.3): no other white space of Unicode.
const OPTIONAL_SPACE: [char; 2] = [' ', '\t'];

/// A parsed request with its whole body.
#[derive(Debug)]
pub(crate) struct Request {
    /// The method as sent, e.g. `GET`.
    pub method: String,
    /// The path, percent-decoded, without the query.
    pub path: String,
    /// The raw query after `?`, empty without one.
    pub query: String,
    /// Header fields in their order; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; empty without one.
    pub body: Vec<u8>,
    /// The peer's address, if the socket tells it.
    pub peer: Option<IpAddr>,
    pub keep_alive: bool,
    /// Whether an answer may come in chunks: not before HTTP/1.1.
    pub takes_chunks: bool,
}

impl Request {
    /// The first field of this name (lower case).
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Whether a comma-separated field contains this token, in upper or lower case.
    pub(crate) fn header_has(&self, name: &str, token: &str) -> bool {
        self.headers.iter().filter(|(n, _)| n == name).any(|(_, v)| {
            v.split(',')
                .any(|t| t.trim_matches(OPTIONAL_SPACE).eq_ignore_ascii_case(token))
        })
    }

    /// The query's parameters, decoded, in their order.
    pub(crate) fn parameters(&self) -> Vec<(String, String)> {
        form_pairs(&self.query)
    }
}

/// The pairs of `a=b&c=d`; `%xx` and `+` are decoded.
pub(crate) fn form_pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(&key.replace('+', " ")), decode(&value.replace('+', " ")))
        })
        .collect()
}

/// Decodes `%xx`.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            b'%' => {
                let hex = bytes
                    .get(i + 1..i + 3)
                    // Rust reads `+f` as a number, too.
                    .filter(|h| h.iter().all(u8::is_ascii_hexdigit))
                    .and_then(|h| std::str::from_utf8(h).ok())
                    .and_then(|h| u8::from_str_radix(h, 16).ok());
                match hex {
                    Some(byte) => {
                        out.push(byte);
                        i += 2;
                    }
                    None => out.push(b'%'),
                }
            }
            byte => out.push(byte),
        }
        i += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Why no request came.
#[derive(Debug)]
pub(super) enum Failure {
    /// Refuse with this status and close.
    Refuse(u16, &'static str),
    /// Nothing to answer: the peer left, or sent no request in the idle time.
    Gone,
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Failure::Gone
    }
}

/// Reads the requests of one connection. Bytes read beyond a request are kept for the next one.
pub(super) struct RequestReader {
    buffer: Vec<u8>,
    served: bool,
}

struct Head {
    request: Request,
    bytes: usize,
    body_bytes: usize,
    expects_continue: bool,
}

impl RequestReader {
    pub(super) fn new() -> Self {
        RequestReader {
            buffer: Vec::new(),
            served: false,
        }
    }

    /// Bytes that came after the last request.
    pub(super) fn into_leftover(self) -> Vec<u8> {
        self.buffer
    }

    pub(super) fn next(&mut self, mut stream: &TcpStream, limits: &Limits) -> Result<Request, Failure> {
        let mut deadline = None;
        if self.buffer.is_empty() && self.served {
            if !self.fill(stream, Instant::now() + limits.idle_time)? {
                return Err(Failure::Gone);
            }
        } else if self.buffer.is_empty() {
            deadline = Some(Instant::now() + limits.head_time);
        }
        let deadline = deadline.unwrap_or_else(|| Instant::now() + limits.head_time);
        let head = loop {
            if let Some(head) = self.parse(limits)? {
                break head;
            }
            match self.fill(stream, deadline) {
                Ok(true) => {}
                Ok(false) if self.buffer.is_empty() => return Err(Failure::Gone),
                Ok(false) => {
                    return Err(Failure::Refuse(408, "the request's head did not arrive in time"));
                }
                Err(_) => return Err(Failure::Gone),
            }
        };
        let Head {
            mut request,
            bytes,
            body_bytes,
            expects_continue,
        } = head;
        self.buffer.drain(..bytes);
        if expects_continue && self.buffer.len() < body_bytes {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let deadline = Instant::now() + limits.body_time;
        while self.buffer.len() < body_bytes {
            if !self.fill(stream, deadline)? {
                return Err(Failure::Refuse(408, "the request's body did not arrive in time"));
            }
        }
        request.body = self.buffer.drain(..body_bytes).collect();
        self.served = true;
        Ok(request)
    }

    /// Reads once; false when the deadline has passed. The end of the stream is an error.
    fn fill(&mut self, mut stream: &TcpStream, deadline: Instant) -> io::Result<bool> {
        let mut chunk = [0u8; 8192];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            match stream.read(&mut chunk) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    self.buffer.extend_from_slice(&chunk[..n]);
                    return Ok(true);
                }
                Err(e)
                    if matches!(
                        e.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
                    ) => {}
                Err(e) => return Err(e),
            }
        }
    }

    fn parse(&mut self, limits: &Limits) -> Result<Option<Head>, Failure> {
        // Empty lines before a request line are allowed (RFC 9112, 2.2).
        let blank = self.buffer.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        self.buffer.drain(..blank);
        if self.buffer.is_empty() {
            return Ok(None);
        }
        let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut parsed = httparse::Request::new(&mut fields);
        let bytes = match parsed.parse(&self.buffer) {
            Ok(httparse::Status::Complete(bytes)) => bytes,
            Ok(httparse::Status::Partial) if self.buffer.len() <= limits.head_bytes => {
                return Ok(None);
            }
            Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
                return Err(Failure::Refuse(431, "the request's header fields are too large"));
            }
            Err(_) => return Err(Failure::Refuse(400, "this is not an HTTP/1.1 request")),
        };
        if bytes > limits.head_bytes {
            return Err(Failure::Refuse(431, "the request's header fields are too large"));
        }
        let headers: Vec<(String, String)> = parsed
            .headers
            .iter()
            .map(|h| {
                (
                    h.name.to_ascii_lowercase(),
                    String::from_utf8_lossy(h.value).trim_matches(OPTIONAL_SPACE).to_owned(),
                )
            })
            .collect();
        let target = parsed.path.unwrap_or("/");
        // The absolute form, as proxies send it, has scheme and host before the path.
        let target = match target.split_once("://") {
            Some((_, rest)) if !target.starts_with('/') => rest.find('/').map_or("/", |at| &rest[at..]),
            _ => target,
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let old = parsed.version == Some(0);
        let mut request = Request {
            method: parsed.method.unwrap_or_default().to_owned(),
            path: decode(path),
            query: query.to_owned(),
            headers,
            body: Vec::new(),
            peer: None,
            keep_alive: false,
            takes_chunks: !old,
        };
        request.keep_alive = if old {
            request.header_has("connection", "keep-alive")
        } else {
            !request.header_has("connection", "close")
        };
        let body_bytes = body_length(&request, limits)?;
        let expects_continue = !old
            && request
                .header("expect")
                .is_some_and(|v| v.eq_ignore_ascii_case("100-continue"));
        Ok(Some(Head {
            request,
            bytes,
            body_bytes,
            expects_continue,
        }))
    }
}

fn body_length(request: &Request, limits: &Limits) -> Result<usize, Failure> {
    if request.header("transfer-encoding").is_some() {
        return Err(Failure::Refuse(
            411,
            "a body needs Content-Length; Transfer-Encoding is not supported",
        ));
    }
    let mut length: Option<u64> = None;
    for (_, value) in request.headers.iter().filter(|(name, _)| name == "content-length") {
        let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
        let this = if digits {
            value.parse().unwrap_or(u64::MAX)
        } else {
            return Err(Failure::Refuse(400, "Content-Length is not a number"));
        };
        if length.is_some_and(|other| other != this) {
            return Err(Failure::Refuse(400, "two different Content-Length fields"));
        }
        length = Some(this);
    }
    match length {
        Some(n) if n > limits.body_bytes as u64 => Err(Failure::Refuse(413, "the request's body is too large")),
        Some(n) => usize::try_from(n).map_err(|_| Failure::Refuse(413, "the request's body is too large")),
        None => Ok(0),
    }
}
