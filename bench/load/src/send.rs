//! Sends the frames over one WebSocket, and answers pings in between.
//!
//! In: an upgraded connection, options · Out: frames; what was sent and how long the client kept it waiting, on stdout ·
//! Thread: that of the connection; one more reads what the client sends.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant, UNIX_EPOCH};

use tungstenite::protocol::frame::FrameSocket;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tungstenite::{Message, WebSocket, protocol::Role};

use crate::AnyError;
use crate::frames::{self, Frames, frame};
use crate::options::{Options, Protocol};

/// Between the upgrade and the first frame: the client finishes its other calls meanwhile.
const SETTLE: Duration = Duration::from_secs(1);
/// Bytes of a write.
const WRITE_BYTES: usize = 256 * 1024;
/// A client that does not confirm the close within this time has hung.
const CLOSE_LIMIT: Duration = Duration::from_secs(60);
const PONG: &str = r#"{"topicName":"channel.metadata","eventBody":{"message":"pong"}}"#;

/// Something the client sent: a frame that answers it, or its close.
pub enum Heard {
    Answer(Vec<u8>),
    Text,
    Close,
}

/// Sends all frames, closes normally, and waits until the client has closed too.
///
/// # Errors
/// When the connection fails, or the client does not do its part.
pub fn run(mut connection: TcpStream, options: &Options) -> Result<(), AnyError> {
    let (tell, heard) = channel();
    let reading = connection.try_clone()?;
    std::thread::spawn(move || listen(reading, &tell));
    if options.protocol != Protocol::Notifications {
        while !matches!(heard.recv_timeout(CLOSE_LIMIT)?, Heard::Text) {}
        let confirmation: &[u8] = match options.protocol {
            Protocol::Events => br#"{"type":"ack"}"#,
            _ => br#"{"status":200,"connectionId":"bench"}"#,
        };
        let mut bytes = Vec::new();
        frame(&mut bytes, 1, confirmation);
        connection.write_all(&bytes)?;
    }
    let opened = Instant::now();
    // A paced run sends its first frame when the pause is over.
    let now_ms = (now_ns() / 1_000_000) as i64
        + if options.rate.is_some() {
            SETTLE.as_millis() as i64
        } else {
            0
        };
    let frames = frames::make(options, now_ms);
    std::thread::sleep(SETTLE.saturating_sub(opened.elapsed()));
    let began = now_ns();
    println!("sending {began}");
    let mut moments = Vec::new();
    let before = scheduled();
    let mut from = 0;
    for to in options.stops.iter().copied().chain([frames.ends.len()]) {
        let to = to.min(frames.ends.len());
        match options.rate {
            Some(rate) => send_paced(&mut connection, &frames, rate, &heard, &mut moments)?,
            None => send_all(&mut connection, &frames, from, to, &heard)?,
        }
        from = to;
        println!("sent {to} {}", now_ns());
        if !options.stops.is_empty() {
            wait_for_line()?;
        }
    }
    report(&frames, began, before);
    if let Some(file) = &options.times {
        let bytes: Vec<u8> = moments.iter().flat_map(|moment: &u64| moment.to_le_bytes()).collect();
        std::fs::write(file, bytes)?;
    }
    let mut close = Vec::new();
    frame(&mut close, 8, &1000_u16.to_be_bytes());
    connection.write_all(&close)?;
    connection.shutdown(Shutdown::Write)?;
    while !matches!(heard.recv_timeout(CLOSE_LIMIT)?, Heard::Close) {}
    Ok(())
}

/// Sends the frames `from..to` as fast as the client takes them.
fn send_all(
    connection: &mut TcpStream,
    frames: &Frames,
    mut from: usize,
    to: usize,
    heard: &Receiver<Heard>,
) -> Result<(), AnyError> {
    while from < to {
        let start = if from == 0 { 0 } else { frames.ends[from - 1] };
        let next = frames.ends[from..to].partition_point(|end| *end <= start + WRITE_BYTES);
        let next = from + next.max(1);
        connection.write_all(&frames.bytes[start..frames.ends[next - 1]])?;
        from = next;
        send_answers(connection, heard)?;
    }
    Ok(())
}

/// Sends each frame when it is due, and notes when that was.
fn send_paced(
    connection: &mut TcpStream,
    frames: &Frames,
    rate: u64,
    heard: &Receiver<Heard>,
    moments: &mut Vec<u64>,
) -> Result<(), AnyError> {
    let began = Instant::now();
    let mut start = 0;
    for (number, end) in frames.ends.iter().enumerate() {
        let due = Duration::from_nanos(number as u64 * 1_000_000_000 / rate);
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        moments.push(now_ns());
        connection.write_all(&frames.bytes[start..*end])?;
        start = *end;
        send_answers(connection, heard)?;
    }
    Ok(())
}

fn send_answers(connection: &mut TcpStream, heard: &Receiver<Heard>) -> Result<(), AnyError> {
    for heard in heard.try_iter() {
        match heard {
            Heard::Answer(bytes) => connection.write_all(&bytes)?,
            Heard::Text => {}
            Heard::Close => return Err("the client closed before the end".into()),
        }
    }
    Ok(())
}

/// Says how much was sent, which part of the time the load itself was at work or waited for a core (near 100 % the load was
/// what limited the speed), and how many nanoseconds it ran.
fn report(frames: &Frames, began: u64, before: [u64; 2]) {
    let took = (now_ns() - began).max(1);
    let [ran, waited] = scheduled();
    let (ran, waited) = (ran - before[0], waited - before[1]);
    let busy = (ran + waited) as f64 * 100.0 / took as f64;
    let e = &frames.expected;
    println!("load {} {} {busy:.0} {ran}", frames.ends.len(), frames.bytes.len());
    println!(
        "expected {} {} {} {} {}",
        e.offered, e.answered, e.abandoned, e.handled, e.active
    );
}

/// Nanoseconds for which this thread has run, and for which it was ready to run but had no core.
fn scheduled() -> [u64; 2] {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let mut numbers = text.split_whitespace().filter_map(|number| number.parse::<u64>().ok());
    [(); 2].map(|()| numbers.next().unwrap_or(0))
}

/// Reads what the client sends, until it closes.
pub fn listen(connection: TcpStream, tell: &Sender<Heard>) {
    let mut socket = FrameSocket::new(connection);
    while let Ok(Some(received)) = socket.read(None) {
        let mask = received.header().mask.unwrap_or_default();
        let payload = received.payload().iter().zip(mask.iter().cycle());
        let payload: Vec<u8> = payload.map(|(byte, mask)| byte ^ mask).collect();
        let mut answer = Vec::new();
        match received.header().opcode {
            OpCode::Control(Control::Ping) => frame(&mut answer, 10, &payload),
            OpCode::Data(Data::Text) if is_ping(&payload) => frame(&mut answer, 1, PONG.as_bytes()),
            OpCode::Control(Control::Close) => break,
            _ => {}
        }
        let heard = if answer.is_empty() {
            Heard::Text
        } else {
            Heard::Answer(answer)
        };
        if tell.send(heard).is_err() {
            return;
        }
    }
    // A closed connection is a close too.
    let _ = tell.send(Heard::Close);
}

/// The service's own form of a ping.
fn is_ping(text: &[u8]) -> bool {
    text.len() < 64 && text.windows(6).any(|part| part == b"\"ping\"")
}

/// Answers pings until the client closes.
pub fn answer(stream: impl Read + Write) {
    let mut socket = WebSocket::from_raw_socket(stream, Role::Server, None);
    loop {
        let sent = match socket.read() {
            Ok(Message::Text(text)) if is_ping(text.as_bytes()) => socket.send(Message::text(PONG)),
            Ok(_) => socket.flush(),
            Err(_) => return,
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Waits for a line, or the end, of stdin.
///
/// # Errors
/// When stdin cannot be read.
pub fn wait_for_line() -> io::Result<()> {
    io::stdin().read_line(&mut String::new()).map(drop)
}

/// Nanoseconds since 1970.
pub fn now_ns() -> u64 {
    UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as u64)
}
