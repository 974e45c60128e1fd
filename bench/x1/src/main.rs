//! The yardstick: one thread reads a WebSocket and counts, until the server closes.
//!
//! In: URL, first text to send (may be empty), file for the moments (may be missing) · Out: counts on stdout · Thread: main.

use std::net::TcpStream;
use std::path::PathBuf;

use tungstenite::{Error, Message};
use x1::Counts;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let url = args.next().ok_or("the URL is missing")?;
    let first = args.next().unwrap_or_default();
    let times = args.next().map(PathBuf::from);
    let mut counts = Counts {
        moments: times.as_ref().map(|_| Vec::new()),
        ..Counts::default()
    };
    let address = url.trim_start_matches("ws://").split('/').next().unwrap_or_default();
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let (mut socket, _) = tungstenite::client(url.as_str(), stream)?;
    if !first.is_empty() {
        socket.send(Message::text(first))?;
    }
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => counts.read(&text)?,
            Ok(_) => {}
            Err(Error::ConnectionClosed | Error::AlreadyClosed) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(counts.report(times.as_deref())?)
}
