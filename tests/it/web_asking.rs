//! HTTP as a program without a library asks.
//!
//! In: an address, requests · Out: answers, server-sent events · Thread: the caller's.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::support::PATIENCE;

/// What came back.
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    /// The first field of this name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
    stream
}

/// Sends these bytes and reads to the end.
#[track_caller]
pub fn raw(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = connect(address);
    stream.write_all(bytes).expect("taken");
    let mut answer = Vec::new();
    // A refused peer's connection may end in a reset after the answer.
    let _ = stream.read_to_end(&mut answer);
    let text = String::from_utf8(answer).expect("text");
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no head: {text:?}"));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status");
    Answer {
        status: status.parse().expect("a number"),
        headers: lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect(),
        body: body.to_owned(),
    }
}

fn request(path: &str, fields: &[(&str, &str)]) -> String {
    let fields: String = fields
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{fields}\r\n")
}

#[track_caller]
pub fn get(address: SocketAddr, path: &str, fields: &[(&str, &str)]) -> Answer {
    raw(address, request(path, fields).as_bytes())
}

/// The data of each server-sent event, until the server ends.
pub fn events(address: SocketAddr, path: &str, fields: &[(&str, &str)]) -> impl Iterator<Item = String> {
    let mut stream = connect(address);
    stream.write_all(request(path, fields).as_bytes()).expect("taken");
    BufReader::new(stream)
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| line.strip_prefix("data: ").map(str::to_owned))
}
