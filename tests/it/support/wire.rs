//! The bytes of a scripted peer: plain or TLS, requests, answers, and frames that never end.
//!
//! In: a connection · Out: requests · Thread: the connection's.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustls::{ServerConnection, StreamOwned};

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// Path and query.
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub at: Instant,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub fn is(&self, method: &str, part: &str) -> bool {
        self.method == method && self.path.contains(part)
    }

    pub fn is_upgrade(&self) -> bool {
        self.header("upgrade").is_some()
    }
}

/// Both ways, with the TCP connection beneath at hand.
pub enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Wire {
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Wire::Plain(stream) => stream,
            Wire::Tls(stream) => &stream.sock,
        }
    }
}

impl Read for Wire {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Wire::Plain(stream) => stream.read(buf),
            Wire::Tls(stream) => stream.read(buf),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Wire::Plain(stream) => stream.write(buf),
            Wire::Tls(stream) => stream.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Wire::Plain(stream) => stream.flush(),
            Wire::Tls(stream) => stream.flush(),
        }
    }
}

/// Waits, without reading a frame, until the other side ends the connection.
pub fn hold(wire: &mut Wire) {
    let mut waste = [0; 1024];
    while matches!(wire.read(&mut waste), Ok(n) if n > 0) {}
}

/// Sends a frame byte by byte, until the other side ends the connection.
pub fn dribble(wire: &mut Wire) {
    // A text frame of 1000 bytes: its head says so, its body never ends in time.
    let head = [0x81, 126, 0x03, 0xe8];
    for byte in head.iter().copied().chain(std::iter::repeat_n(b'x', 1000)) {
        if wire.write_all(&[byte]).and_then(|()| wire.flush()).is_err() {
            return;
        }
        // Being slow is the fault that is played here; nothing waits for it.
        std::thread::sleep(Duration::from_millis(100));
    }
}

pub fn read_request(wire: &mut Wire) -> Option<Asked> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break end + 4;
        }
        let mut some = [0; 4096];
        match wire.read(&mut some) {
            Ok(n) if n > 0 => bytes.extend_from_slice(&some[..n]),
            _ => return None,
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let mut lines = text.lines();
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let mut body = bytes.split_off(head);
    let mut asked = Asked {
        method,
        path,
        headers,
        body: String::new(),
        at: Instant::now(),
    };
    let length: usize = asked.header("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
    while body.len() < length {
        let mut some = [0; 4096];
        match wire.read(&mut some) {
            Ok(n) if n > 0 => body.extend_from_slice(&some[..n]),
            _ => return None,
        }
    }
    asked.body = String::from_utf8_lossy(&body).into_owned();
    Some(asked)
}

pub fn write_answer(wire: &mut Wire, status: u16, header: Option<(&str, &str)>, body: &str) -> io::Result<()> {
    let header = header.map_or_else(String::new, |(name, value)| format!("{name}: {value}\r\n"));
    let answer = format!(
        "HTTP/1.1 {status} Scripted\r\nContent-Type: application/json\r\n{header}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    wire.write_all(answer.as_bytes())?;
    wire.flush()
}
