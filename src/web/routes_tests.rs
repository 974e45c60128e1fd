//! Answers with snapshots of few and of very many queues.
//!
//! In: requests, snapshots · Out: verdicts · Thread: the test's, one that reads.

use std::io::Read as _;
use std::net::TcpListener;

use super::super::{Settings, testing};
use super::*;
use crate::config::TotalsSince;
use crate::model::snapshot::{LiveNumbers, QueueSnapshot, Snapshot};

fn site(snapshot: Snapshot) -> Site {
    let board = Board::new(Settings {
        stale_after: Duration::from_secs(30),
        interval: Duration::from_secs(1),
        totals_since: TotalsSince::Start,
        source: "service",
        limits: String::new(),
    });
    board.publish(Arc::new(snapshot), Instant::now());
    let hosts = Hosts::new("127.0.0.1", [127, 0, 0, 1].into(), &[]);
    Site::new(Arc::new(board), hosts, None, 8)
}

fn request(method: &str) -> Request {
    Request {
        method: method.to_owned(),
        path: "/api/snapshot".to_owned(),
        query: String::new(),
        headers: vec![("host".to_owned(), "localhost".to_owned())],
        body: Vec::new(),
        peer: None,
        keep_alive: true,
        takes_chunks: false,
    }
}

/// What is written after the head.
fn taken_over(reply: Reply) -> (Response, Vec<u8>) {
    let Reply::TakeOver(head, take_over) = reply else {
        panic!("it is one piece");
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let stream = Arc::new(listener.accept().unwrap().0);
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        peer.read_to_end(&mut bytes).map(|_| bytes)
    });
    take_over(stream, Vec::new());
    (head, reader.join().unwrap().unwrap())
}

#[test]
fn a_snapshot_of_very_many_queues_is_whole_and_comes_in_chunks() {
    let mut snapshot = testing::snapshot();
    let live = LiveNumbers {
        waiting: 7.into(),
        ..LiveNumbers::default()
    };
    let queue = |n: usize| {
        let queue = QueueSnapshot {
            live,
            ..QueueSnapshot::default()
        };
        (Id::new(&format!("q{n}")), queue)
    };
    snapshot.queues.extend((0..IN_ONE_PIECE).map(queue));
    let few = site(snapshot.clone());
    let Reply::Response(response) = few.answer(&request("GET")) else {
        panic!("it is in chunks");
    };
    let read = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
    let expected = |snapshot: &Snapshot| serde_json::to_value(snapshot).unwrap();
    assert!(read(&response.body) == expected(&snapshot));

    snapshot.queues.extend([queue(IN_ONE_PIECE)]);
    let many = site(snapshot.clone());
    let (head, body) = taken_over(many.answer(&request("GET")));
    assert!(read(&body) == expected(&snapshot));
    let field = |name: &str| {
        head.headers
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.as_str())
    };
    assert_eq!((head.status, field("Connection")), (200, Some("close")));
    let tag = field("ETag").unwrap().to_owned();
    let mut again = request("GET");
    again.headers.push(("if-none-match".to_owned(), tag));
    assert!(matches!(many.answer(&again), Reply::Response(response) if response.status == 304));
    assert!(taken_over(many.answer(&request("HEAD"))).1.is_empty());

    let asked = || Request {
        takes_chunks: true,
        ..request("GET")
    };
    let held = Vec::from_iter((0..MOST_IN_CHUNKS).map(|_| many.answer(&asked())));
    let is_refused = |reply: Reply| matches!(reply, Reply::Response(response) if response.status == 503 && response.body.starts_with(b"too many"));
    assert!(!held.is_empty() && is_refused(many.answer(&asked())));
    drop(held);
    assert!(!is_refused(many.answer(&asked())));
    let mut head = asked();
    head.method = "HEAD".to_owned();
    assert!(taken_over(many.answer(&head)).1.is_empty());
    let old = taken_over(many.answer(&request("GET"))).0;
    assert!(old.headers.iter().all(|(name, _)| name != "Transfer-Encoding"));

    let chunked = |path: &str| {
        let asked = Request {
            path: path.to_owned(),
            ..asked()
        };
        let (head, body) = taken_over(many.answer(&asked));
        let is_chunked = ("Transfer-Encoding".to_owned(), "chunked".to_owned());
        assert!(head.headers.contains(&is_chunked), "{:?}", head.headers);
        unchunked(&body)
    };
    assert!(read(&chunked("/api/snapshot")) == expected(&snapshot));
    let metrics = String::from_utf8(chunked("/metrics")).unwrap();
    assert!(metrics.len() > 100_000, "it is more than one chunk");
    for n in 0..=IN_ONE_PIECE {
        let series = format!("genesys_queue_waiting_conversations{{queue_id=\"q{n}\",queue=\"\"}} 7\n");
        assert_eq!(metrics.matches(&series).count(), 1, "{series}");
    }
    assert!(metrics.ends_with('\n') && metrics.contains("\nprocess_start_time_seconds "));
}

/// A body without the chunks that it came in.
fn unchunked(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = chunks.windows(2).position(|two| two == b"\r\n").unwrap();
        let bytes = usize::from_str_radix(std::str::from_utf8(&chunks[..end]).unwrap(), 16).unwrap();
        let (chunk, rest) = chunks[end + 2..].split_at(bytes);
        body.extend_from_slice(chunk);
        let rest = rest.strip_prefix(b"\r\n").unwrap();
        if bytes == 0 {
            assert!(rest.is_empty());
            return body;
        }
        chunks = rest;
    }
}
