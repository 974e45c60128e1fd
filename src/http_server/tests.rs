//! Each limit of the HTTP server, tried with a raw socket.
//!
//! In: bytes as a peer might send them · Out: what came back · Thread: the test's and the server's.

use super::*;
use std::io::{Read, Write};

/// Longer than anything takes here, however busy the machine is.
fn patient() -> Limits {
    Limits {
        head_time: Duration::from_secs(60),
        body_time: Duration::from_secs(60),
        idle_time: Duration::from_secs(60),
        ..Limits::default()
    }
}

fn server(limits: Limits) -> Server {
    let handler = |request: &Request| -> Reply {
        match request.path.as_str() {
            "/panic" => panic!("asked for"),
            "/take" => Reply::TakeOver(
                Response::new(101).header("Upgrade", "echo"),
                Box::new(|stream, leftover| {
                    let mut stream = &*stream;
                    let _ = stream.write_all(&leftover);
                    let mut byte = [0u8; 1];
                    while matches!(stream.read(&mut byte), Ok(1)) {
                        let _ = stream.write_all(&byte);
                    }
                }),
            ),
            path => Response::text(
                200,
                &format!(
                    "{} {} {:?} {}",
                    request.method,
                    path,
                    request.parameters(),
                    String::from_utf8_lossy(&request.body)
                ),
            )
            .into(),
        }
    };
    Server::bind("127.0.0.1:0".parse().unwrap(), "t", limits, |_| Ok(Box::new(handler))).unwrap()
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.local_addr()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

/// Sends and reads until the server closes.
fn whole(server: &Server, bytes: &[u8]) -> String {
    let mut stream = connect(server);
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Reads one response with its body.
fn one(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut byte = [0u8; 1];
    while !text.ends_with(b"\r\n\r\n") {
        assert_eq!(
            stream.read(&mut byte).unwrap(),
            1,
            "closed after {:?}",
            String::from_utf8_lossy(&text)
        );
        text.push(byte[0]);
    }
    let head = String::from_utf8(text).unwrap();
    let length: usize = head
        .lines()
        .find_map(|l| l.strip_prefix("Content-Length: "))
        .map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    head + &String::from_utf8(body).unwrap()
}

#[test]
fn keeps_the_connection_and_answers_pipelined_requests_in_order() {
    let server = server(patient());
    let mut stream = connect(&server);
    stream.write_all(b"GET /a?x=1%202&y=+ HTTP/1.1\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /c%20d%+fe HTTP/1.1\r\n\r\n").unwrap();
    assert!(one(&mut stream).contains(r#"GET /a [("x", "1 2"), ("y", " ")]"#));
    assert!(one(&mut stream).contains("POST /b [] abc"));
    // Only two hexadecimal digits are an escape.
    assert!(one(&mut stream).contains("GET /c d%+fe"));
}

#[test]
fn head_gets_the_length_but_no_body() {
    let answer = whole(&server(patient()), b"HEAD /a HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert!(answer.contains("Content-Length: "), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[test]
fn refuses_what_it_should() {
    let server = server(patient());
    let huge = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(100));
    for (status, request) in [
        (431, huge.as_str()),
        (431, many.as_str()),
        (400, "\x16\x03\x01 garbage\r\n\r\n"),
        (
            400,
            "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        ),
        (400, "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
        (400, "POST / HTTP/1.1\r\nContent-Length: \u{a0}1\r\n\r\na"),
        (400, "POST / HTTP/1.1\r\nContent-Length: 1\u{2003}\r\n\r\na"),
        (400, "POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\na"),
        (400, "POST / HTTP/1.1\r\nContent-Length : 1\r\n\r\na"),
        (400, "POST / HTTP/1.1\r\nX: y\r\n Content-Length: 1\r\n\r\na"),
        (411, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        (
            411,
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        ),
        (413, "POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n"),
        (
            413,
            "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999999\r\n\r\n",
        ),
        (500, "GET /panic HTTP/1.1\r\nConnection: close\r\n\r\n"),
    ] {
        let answer = whole(&server, request.as_bytes());
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request:.60} gave {answer}"
        );
    }
}

#[test]
fn a_head_or_body_sent_byte_by_byte_ends_at_its_deadline() {
    let server = server(Limits {
        head_time: Duration::from_millis(300),
        body_time: Duration::from_millis(300),
        ..patient()
    });
    for start in ["GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n"] {
        let mut stream = connect(&server);
        stream.write_all(start.as_bytes()).unwrap();
        let mut writer = stream.try_clone().unwrap();
        let (answered, is_answered) = crossbeam_channel::bounded::<()>(0);
        let sender = std::thread::spawn(move || {
            while writer.write_all(b"x").is_ok() {
                // A byte every 20 ms until the answer has come.
                if !matches!(
                    is_answered.recv_timeout(Duration::from_millis(20)),
                    Err(crossbeam_channel::RecvTimeoutError::Timeout)
                ) {
                    return;
                }
            }
        });
        let mut answer = [0u8; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 408");
        drop(answered);
        sender.join().unwrap();
    }
}

#[test]
fn an_idle_connection_is_closed_and_a_slow_byte_by_byte_request_answered() {
    let server = server(Limits {
        idle_time: Duration::from_secs(1),
        ..patient()
    });
    let mut stream = connect(&server);
    for byte in b"GET /slow HTTP/1.1\r\n\r\n" {
        stream.write_all(&[*byte]).unwrap();
    }
    assert!(one(&mut stream).contains("GET /slow"));
    assert_eq!(stream.read(&mut [0u8; 1]).unwrap(), 0);
}

#[test]
fn one_connection_too_many_takes_an_idle_ones_place_or_gets_503() {
    let server = server(Limits {
        connections: 2,
        ..patient()
    });
    let mut first = connect(&server);
    let mut second = connect(&server);
    // A connection that was taken over counts as busy, one that sends its request slowly does not.
    first.write_all(b"GET /take HTTP/1.1\r\n\r\n").unwrap();
    one(&mut first);
    second.write_all(b"GET / HT").unwrap();
    let mut third = connect(&server);
    third.write_all(b"GET /take HTTP/1.1\r\n\r\n").unwrap();
    assert!(one(&mut third).starts_with("HTTP/1.1 101 "));
    assert!(!matches!(second.read(&mut [0u8; 1]), Ok(1)), "its place was needed");
    let mut fourth = connect(&server);
    let mut answer = String::new();
    let _ = fourth.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    first.write_all(b"x").unwrap();
    first.read_exact(&mut [0u8; 1]).unwrap();
    assert_eq!(server.open_connections(), 2);
}

#[test]
fn who_waits_longest_goes_first_whoever_came_first() {
    let server = server(Limits {
        connections: 2,
        ..patient()
    });
    let mut first = connect(&server);
    one_request(&mut first);
    let mut second = connect(&server);
    one_request(&mut second);
    until_all_wait(&server);
    // From now on the second waits for a longer time than the first.
    one_request(&mut first);
    until_all_wait(&server);
    let mut third = connect(&server);
    one_request(&mut third);
    assert!(!matches!(second.read(&mut [0u8; 1]), Ok(1)), "its place was needed");
    one_request(&mut first);
}

#[test]
fn peers_that_do_not_read_their_answers_keep_nobody_out() {
    let server = server(Limits {
        connections: 2,
        write_time: Duration::from_secs(60),
        ..patient()
    });
    let many = b"GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".repeat(1000);
    let mut deaf = [connect(&server), connect(&server)];
    for peer in &mut deaf {
        peer.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
        // Until the server cannot write any more, and therefore reads no more.
        while peer.write_all(&many).is_ok() {}
    }
    until_all_wait(&server);
    one_request(&mut connect(&server));
}

#[test]
fn connections_leave_descriptors_to_the_rest_of_the_program() {
    assert_eq!(allowed_by(None, 512), 512);
    assert_eq!(allowed_by(Some(1024), 512), 512);
    assert_eq!(allowed_by(Some(256), 512), 224);
    assert_eq!(allowed_by(Some(64), 512), 32);
    assert_eq!(allowed_by(Some(8), 512), 1);
    #[cfg(all(unix, feature = "cli"))]
    assert!(descriptors().is_some_and(|most| most > 0), "the system tells");
}

#[test]
#[cfg(target_os = "linux")]
fn a_connection_takes_one_descriptor() {
    let server = server(patient());
    // Sockets with the server's port as their own, of this process and of all others, by their inodes.
    let port = format!(":{:04X}", server.local_addr().port());
    let mut streams: Vec<_> = (0..8).map(|_| connect(&server)).collect();
    streams.iter_mut().for_each(one_request);
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let inodes: Vec<String> = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields.len() > 9 && fields[1].ends_with(&port) && fields[3] == "01")
        .map(|fields| format!("socket:[{}]", fields[9]))
        .collect();
    assert_eq!(inodes.len(), streams.len());
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    let ends = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    let ours = ends.filter(|end| inodes.iter().any(|inode| end.as_os_str() == inode.as_str()));
    assert_eq!(ours.count(), streams.len());
}

/// A thread may have answered, and not begun to wait for the next request.
fn until_all_wait(server: &Server) {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    let all_wait = || {
        locked(&server.shared.open)
            .values()
            .all(|open| open.waiting.since().is_some())
    };
    while !all_wait() {
        assert!(std::time::Instant::now() < deadline, "a connection does not wait");
        std::thread::yield_now();
    }
}

fn one_request(stream: &mut TcpStream) {
    stream.write_all(b"GET /a HTTP/1.1\r\n\r\n").unwrap();
    assert!(one(stream).starts_with("HTTP/1.1 200 "));
}

#[test]
fn expect_continue_is_answered_before_the_body() {
    let server = server(patient());
    let mut stream = connect(&server);
    stream
        .write_all(b"POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        .unwrap();
    assert!(one(&mut stream).starts_with("HTTP/1.1 100 "));
    stream.write_all(b"hi").unwrap();
    assert!(one(&mut stream).ends_with("[] hi\n"));
}

#[test]
fn a_taken_over_socket_keeps_early_bytes_and_ends_with_the_server() {
    let mut server = server(patient());
    let mut stream = connect(&server);
    stream.write_all(b"GET /take HTTP/1.1\r\n\r\nearly").unwrap();
    assert!(one(&mut stream).starts_with("HTTP/1.1 101 "));
    let mut echo = [0u8; 5];
    stream.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"early");
    let (done, stopped) = crossbeam_channel::bounded(1);
    std::thread::spawn(move || {
        server.stop();
        let _ = done.send(server);
    });
    let server = stopped.recv_timeout(Duration::from_secs(60)).expect("it stops");
    assert!(matches!(stream.read(&mut echo), Ok(0) | Err(_)));
    assert!(TcpStream::connect(server.local_addr()).is_err());
}
