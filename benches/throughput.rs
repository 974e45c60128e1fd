//! Throughput of the whole stream compared with a plain read, and the cost of its two most expensive steps.
//!
//! In: conversation events of 3 KB, made from the service's examples · Out: numbers on stdout · Thread: main; one more
//! writes frames as fast as it can, and the stream has its own threads.
//!
//! The upper limit ("ceiling") is a plain read of the same bytes from a loopback socket, measured in the same run.
//! `cargo bench` measures; without `--bench` (as under `cargo test --all-targets`) a few events only show that it works.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use genesys_stream::internals::{Heard, KeepBody, Machine, Model, Notifications, Options, QueueSet, Settings};
use genesys_stream::{Config, ConfigBuilder, Event, Id, Moment, Secret, Stream, WhenFull};
use tungstenite::handshake::derive_accept_key;

/// The queue of the examples.
const QUEUE: &str = "509f5a7f-cb31-5a43-ac00-8041a8ba3690";
/// The conversation of the examples.
const CONVERSATION: &str = "1b3e08b8-e7c3-538a-87c3-a10b68b6b415";
/// Smaller examples are padded to this size.
const EVENT_BYTES: usize = 3_000;
/// The events of one conversation from its beginning to its end.
const EXAMPLES: [&str; 7] = [
    include_str!("../tests/fixtures/ws-queue-conversation-1-waiting.json"),
    include_str!("../tests/fixtures/ws-queue-conversation-2-alerting.json"),
    include_str!("../tests/fixtures/ws-queue-conversation-3-no-answer-requeue.json"),
    include_str!("../tests/fixtures/ws-queue-conversation-4-connected.json"),
    include_str!("../tests/fixtures/ws-queue-conversation-5-held.json"),
    include_str!("../tests/fixtures/ws-queue-conversation-6-acw.json"),
    include_str!("../tests/fixtures/ws-queue-conversation-7-wrapped-up.json"),
];

type AnyError = Box<dyn std::error::Error>;

fn main() -> Result<(), AnyError> {
    let measures = std::env::args().any(|argument| argument == "--bench");
    let (events, rounds) = if measures { (28_000, 5) } else { (700, 1) };
    let texts = texts(events)?;
    let bytes = frames(&texts);
    println!(
        "{events} events, {} bytes each on average, median of {rounds} rounds",
        bytes.len() / events
    );

    let ceiling = median(rounds, || read_bare(&bytes))?;
    report("bare read of the same bytes (the ceiling)", events, ceiling, ceiling);
    for policy in [WhenFull::Block, WhenFull::Coalesce] {
        let took = median(rounds, || stream(&bytes, events as u64, policy))?;
        let what = format!("stream, when_full {}", policy.as_str());
        report(&what, events, took, ceiling);
    }

    let decoded = median(rounds, || Ok(decode(&texts).0))?;
    cost("decode", events, decoded);
    let all = decode(&texts).1;
    let applied = median(rounds, || apply(&all))?;
    cost("apply to the model", events, applied);
    Ok(())
}

fn median(rounds: usize, mut once: impl FnMut() -> Result<Duration, AnyError>) -> Result<Duration, AnyError> {
    let mut times = (0..rounds).map(|_| once()).collect::<Result<Vec<_>, _>>()?;
    times.sort();
    Ok(times[rounds / 2])
}

fn report(what: &str, events: usize, took: Duration, ceiling: Duration) {
    println!(
        "{what:42} {:>9.0} events/s  {:>5.1} % of the ceiling",
        events as f64 / took.as_secs_f64(),
        100.0 * ceiling.as_secs_f64() / took.as_secs_f64()
    );
}

fn cost(what: &str, events: usize, took: Duration) {
    let ns = took.as_secs_f64() * 1e9 / events as f64;
    println!("{what:42} {ns:>9.0} ns an event, on one thread");
}

/// The events of whole conversations, one conversation after the other, with times in the last hour.
fn texts(events: usize) -> Result<Vec<String>, AnyError> {
    let an_hour_ago = Moment::now().minus(Duration::from_secs(3600)).to_string();
    let hour = &an_hour_ago[.."2026-05-04T14".len()];
    let mut examples = Vec::new();
    for example in EXAMPLES {
        let mut frame: serde_json::Value = serde_json::from_str(&example.replace("2026-05-04T14", hour))?;
        let lacking = EVENT_BYTES.saturating_sub(frame.to_string().len() + 16);
        frame["eventBody"]["participants"][0]["attributes"]["padding"] = "x".repeat(lacking).into();
        examples.push(frame.to_string());
    }
    let text = |number: usize| {
        let id = format!("1b3e08b8-e7c3-538a-87c3-{:012x}", number / examples.len());
        examples[number % examples.len()].replace(CONVERSATION, &id)
    };
    Ok((0..events).map(text).collect())
}

/// The texts as WebSocket frames of a server.
fn frames(texts: &[String]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in texts {
        bytes.extend_from_slice(&[0x81, 126]);
        let length = u16::try_from(text.len()).expect("an event is below 64 KB");
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// The time of reading the bytes without using them.
fn read_bare(bytes: &[u8]) -> Result<Duration, AnyError> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().expect("a connection");
            stream.write_all(bytes).expect("the reader reads all");
        });
        let mut stream = TcpStream::connect(address)?;
        let mut buffer = vec![0; 64 * 1024];
        let (mut read, began) = (0, Instant::now());
        while read < bytes.len() {
            match stream.read(&mut buffer)? {
                0 => return Err("ended early".into()),
                n => read += n,
            }
        }
        Ok(began.elapsed())
    })
}

fn config(region: &str) -> ConfigBuilder {
    Config::builder()
        .region(region)
        .client_id("bench")
        .client_secret(Secret::new("bench"))
        .queue(QUEUE)
}

/// The time from the first byte of the first frame to the snapshot that contains all events.
fn stream(bytes: &[u8], events: u64, policy: WhenFull) -> Result<Duration, AnyError> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let config = config(&format!("http://{address}"))
        .when_full(policy)
        .without_backfill()
        .snapshot_interval(Duration::from_millis(10))
        .build()?;
    let (begun, began) = std::sync::mpsc::channel();
    let (tell, snapshots) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let stream = Stream::builder(config)
            .on_snapshot(move |snapshot| {
                let c = snapshot.counters;
                let done = c.events_applied + c.events_coalesced + c.events_dropped;
                // After the last event the receiver is gone.
                let _ = tell.send((Instant::now(), done, c.events_dropped));
            })
            .start()?;
        // Accepts connections until the socket has been served.
        scope.spawn(move || {
            while let Ok((connection, _)) = listener.accept() {
                if serve(connection, address, bytes, &begun) {
                    break;
                }
            }
        });
        let first = began.recv_timeout(Duration::from_secs(20))?;
        loop {
            let (at, done, dropped) = snapshots.recv_timeout(Duration::from_secs(20))?;
            if done >= events {
                drop(stream);
                return match dropped {
                    0 => Ok(at - first),
                    _ => Err(format!("{dropped} events were dropped").into()),
                };
            }
        }
    })
}

/// Serves one connection; true if it was the socket, which is then closed.
fn serve(
    mut connection: TcpStream,
    address: SocketAddr,
    bytes: &[u8],
    begun: &std::sync::mpsc::Sender<Instant>,
) -> bool {
    let Some(head) = head(&mut connection) else {
        return false;
    };
    let body = if head.starts_with("POST /oauth/token") {
        r#"{"access_token":"bench","token_type":"bearer","expires_in":86400}"#.to_owned()
    } else if head.starts_with("POST /api/v2/notifications/channels ") {
        format!(r#"{{"id":"c","connectUri":"ws://{address}/channels/c"}}"#)
    } else if head.starts_with("PUT ") {
        let permitted = |topic: &str| format!(r#"{{"id":"{topic}","state":"Permitted"}}"#);
        format!(
            r#"{{"entities":[{},{}]}}"#,
            permitted(&format!("v2.routing.queues.{QUEUE}.conversations")),
            permitted(&format!("v2.analytics.queues.{QUEUE}.observations"))
        )
    } else if head.starts_with("GET /api/v2/routing/queues") {
        format!(r#"{{"entities":[{{"id":"{QUEUE}","name":"Bench"}}],"pageCount":1,"total":1}}"#)
    } else if let Some(key) = header(&head, "sec-websocket-key") {
        let accept = derive_accept_key(key.as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        if connection.write_all(answer.as_bytes()).is_ok() {
            let _ = begun.send(Instant::now());
            let _ = connection.write_all(bytes);
            // Waits until the client closes the socket.
            while matches!(connection.read(&mut [0; 1024]), Ok(n) if n > 0) {}
        }
        return true;
    } else {
        "{}".to_owned()
    };
    // One request for each connection, so that one thread can serve all connections.
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = connection.write_all(answer.as_bytes());
    false
}

/// Reads a request with its body, and returns its head.
fn head(connection: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    let mut some = [0; 4096];
    loop {
        if let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&request[..end]).into_owned();
            let length: usize = header(&head, "content-length")
                .and_then(|n| n.parse().ok())
                .unwrap_or(0);
            if request.len() >= end + 4 + length {
                return Some(head);
            }
        }
        match connection.read(&mut some) {
            Ok(n) if n > 0 => request.extend_from_slice(&some[..n]),
            _ => return None,
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    fields
        .find(|(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// The time of decoding alone, and the events.
fn decode(texts: &[String]) -> (Duration, Vec<Event>) {
    let options = Options {
        bodies: KeepBody::Drop,
        ..Options::new(1)
    };
    let mut machine = Notifications::new(options);
    let mut events = Vec::with_capacity(texts.len());
    let mut heard = Vec::new();
    let now = Moment::now();
    let began = Instant::now();
    for text in texts {
        machine.on_text(text, now.into(), &mut heard);
        events.extend(heard.drain(..).filter_map(|heard| match heard {
            Heard::Event(event) => Some(event),
            _ => None,
        }));
    }
    let took = began.elapsed();
    assert_eq!(events.len(), texts.len(), "each text is an event");
    (took, events)
}

/// The time of applying the events to the model alone.
fn apply(events: &[Event]) -> Result<Duration, AnyError> {
    let settings = Settings::from(&config("eu-west-1").build()?);
    let now = Moment::now();
    let mut model = Model::new(settings, now);
    model.set_queues(QueueSet::These([Id::new(QUEUE)].into()));
    let began = Instant::now();
    for event in events {
        model.apply(event, now);
    }
    let took = began.elapsed();
    assert_eq!(model.events_applied(), events.len() as u64);
    Ok(took)
}
