//! Visitors of the HTTP server who take all that it gives: connections, time, and guesses of the token.
//!
//! In: an address · Out: requests, whole and in parts · Thread: its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Connections that are held at a time: more than the server takes.
const HELD: usize = 600;

/// Comes again and again until `over`.
pub fn visit(address: SocketAddr, over: &AtomicBool) {
    let mut held = Vec::new();
    let mut number = 0_usize;
    while !over.load(Ordering::SeqCst) {
        number += 1;
        match TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
            Ok(mut stream) => {
                let said: &[u8] = match number % 4 {
                    // Heads and bodies that never end, requests whose answers nobody reads, wrong tokens.
                    0 => b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ",
                    1 => b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 8000\r\n\r\ntoken=",
                    2 => b"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer wrong\r\n\r\n",
                    _ => b"",
                };
                let _ = stream.write_all(said);
                held.push(stream);
            }
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
        if held.len() > HELD {
            held.drain(..HELD / 10);
        }
    }
}

/// Asks with the token; the body of a whole answer with status 200.
pub fn ask(address: SocketAddr, path: &str, token: &str) -> Result<Vec<u8>, String> {
    let ask = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        // By this version no answer comes in chunks.
        write!(
            stream,
            "GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().map_err(|error| format!("{path}: {error}"))?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    match end {
        Some(end) if answer.starts_with(b"HTTP/1.1 200 ") => Ok(answer[end + 4..].to_vec()),
        _ => Err(format!(
            "{path}: {}",
            String::from_utf8_lossy(&answer[..answer.len().min(200)])
        )),
    }
}
