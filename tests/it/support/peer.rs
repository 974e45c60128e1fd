//! A scripted other side: an organisation of two queues whose every answer a test can replace.
//!
//! In: what to answer differently · Out: a loopback port, the requests and messages that came · Thread: one that
//! accepts, one a connection. It shares nothing with the simulator and nothing with the client but tungstenite.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::protocol::{Role, WebSocket};
use tungstenite::{Message, Utf8Bytes};

pub use super::wire::{Asked, Wire};
use super::wire::{dribble, hold, read_request, write_answer};
use super::{PATIENCE, fixture_path};

/// The two queues that the peer lists.
pub const QUEUES: [(&str, &str); 2] = [
    ("509f5a7f-cb31-5a43-ac00-8041a8ba3690", "Sales"),
    ("7a1b0c2d-0000-4000-8000-000000000002", "Support"),
];

/// How a request is answered.
pub enum Answer {
    /// Status and body.
    Json(u16, Value),
    /// Status, one more header, and body.
    WithHeader(u16, (&'static str, String), Value),
    /// Status and text, called JSON.
    Text(u16, String),
    /// Nothing, while the connection stays open.
    Nothing,
    /// An upgrade, and what the socket then does.
    Socket(Behaviour),
    /// What the test's function writes; then the connection ends.
    Raw(Box<dyn FnOnce(&mut Wire) + Send>),
}

/// What an upgraded socket does. Except where said otherwise the subscription is confirmed first.
pub enum Behaviour {
    /// Sends these texts, then answers pings until the client ends it.
    Well(Vec<String>),
    /// Sends these texts, answers so many pings, then is silent with the connection open.
    MuteAfter(Vec<String>, usize),
    /// Is silent, then sends a frame of a thousand bytes, one byte every 100 ms, and answers nothing.
    Dribble,
    /// Sends these texts, then closes with this code and waits for the client's close.
    Close(Vec<String>, u16),
    /// Resets the connection.
    Reset,
    /// Ends the connection without a close.
    Drop,
    /// Does not confirm, but says this to the first message; then as `Well`.
    Says(String),
    /// Does as the test's function says, with the subscription confirmed.
    Custom(Box<dyn FnOnce(&mut Socket) + Send>),
}

pub type Socket = WebSocket<Wire>;

/// What came so far.
#[derive(Default)]
pub struct Log {
    pub asked: Vec<Asked>,
    /// Path and text of the messages on sockets; WebSocket pings as `<ping>`, closes as `<close CODE>`.
    pub said: Vec<(String, String)>,
}

impl Log {
    pub fn count(&self, method: &str, part: &str) -> usize {
        self.asked.iter().filter(|asked| asked.is(method, part)).count()
    }

    pub fn upgrades(&self) -> usize {
        self.asked.iter().filter(|asked| asked.is_upgrade()).count()
    }
}

struct Shared {
    address: SocketAddr,
    scheme: &'static str,
    stopping: AtomicBool,
    /// Given to channels and tokens, so that each has its own name.
    next: AtomicUsize,
    log: Mutex<Log>,
    changed: Condvar,
    open: Mutex<Vec<TcpStream>>,
}

/// The test's own answers: what it gives none for is answered as a sound organisation would.
pub type Script = dyn Fn(&Asked, &Peer) -> Option<Answer> + Send + Sync;

/// A running peer; it ends, with all its connections, when it is dropped.
#[derive(Clone)]
pub struct Peer {
    shared: Arc<Shared>,
    script: Arc<Script>,
    tls: Option<Arc<ServerConfig>>,
}

/// Ends the peer when the test ends.
pub struct Running(Peer);

impl std::ops::Deref for Running {
    type Target = Peer;

    fn deref(&self) -> &Peer {
        &self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.shared.address);
        for stream in self.shared.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// A sound organisation.
pub fn sound() -> Running {
    peer(|_, _| None)
}

/// One that answers otherwise where `script` says so.
pub fn peer(script: impl Fn(&Asked, &Peer) -> Option<Answer> + Send + Sync + 'static) -> Running {
    Running(Peer::start(Arc::new(script), None))
}

/// A server's side of TLS with this certificate of the fixtures.
pub fn tls_config(certificate: &str) -> Arc<ServerConfig> {
    let chain = CertificateDer::pem_file_iter(fixture_path(&format!("tls/{certificate}.pem")))
        .unwrap()
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    let key = PrivateKeyDer::from_pem_file(fixture_path(&format!("tls/{certificate}.key.pem"))).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Arc::new(config)
}

/// As [`peer`], under TLS with this certificate of the fixtures.
pub fn tls_peer(
    certificate: &str,
    script: impl Fn(&Asked, &Peer) -> Option<Answer> + Send + Sync + 'static,
) -> Running {
    Running(Peer::start(Arc::new(script), Some(tls_config(certificate))))
}

/// Different behaviours for one socket after the other; those beyond the list behave well.
pub fn sockets(behaviours: Vec<Behaviour>) -> impl Fn(&Asked, &Peer) -> Option<Answer> + Send + Sync {
    let left = Mutex::new(behaviours.into_iter());
    move |asked, _| {
        if !asked.is_upgrade() {
            return None;
        }
        left.lock().unwrap().next().map(Answer::Socket)
    }
}

impl Peer {
    fn start(script: Arc<Script>, tls: Option<Arc<ServerConfig>>) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = Peer {
            shared: Arc::new(Shared {
                address: listener.local_addr().unwrap(),
                scheme: if tls.is_some() { "https" } else { "http" },
                stopping: AtomicBool::new(false),
                next: AtomicUsize::new(1),
                log: Mutex::default(),
                changed: Condvar::new(),
                open: Mutex::default(),
            }),
            script,
            tls,
        };
        let accepting = peer.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.is_stopping() {
                    return;
                }
                let (Ok(stream), peer) = (stream, accepting.clone()) else {
                    return;
                };
                std::thread::spawn(move || peer.talk(stream));
            }
        });
        peer
    }

    pub fn url(&self) -> String {
        format!("{}://{}", self.shared.scheme, self.shared.address)
    }

    /// `ws://` or `wss://` with host and port.
    pub fn socket_url(&self) -> String {
        self.url().replacen("http", "ws", 1)
    }

    /// A number that no call gave before, from 1.
    pub fn next(&self) -> usize {
        self.shared.next.fetch_add(1, Ordering::SeqCst)
    }

    pub fn log(&self) -> MutexGuard<'_, Log> {
        self.shared.log.lock().unwrap()
    }

    /// Waits until this holds for what came.
    #[track_caller]
    pub fn until<T>(&self, what: &str, mut found: impl FnMut(&Log) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut log = self.log();
        loop {
            if let Some(found) = found(&log) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "not seen: {what}; asked: {:#?}; said: {:?}",
                log.asked,
                log.said
            );
            log = self.shared.changed.wait_timeout(log, left).unwrap().0;
        }
    }

    fn is_stopping(&self) -> bool {
        self.shared.stopping.load(Ordering::SeqCst)
    }

    fn note(&self, note: impl FnOnce(&mut Log)) {
        note(&mut self.log());
        self.shared.changed.notify_all();
    }

    fn talk(&self, stream: TcpStream) {
        // A test that hangs must not hang for ever.
        let _ = stream.set_read_timeout(Some(2 * PATIENCE));
        let _ = stream.set_nodelay(true);
        if let Ok(stream) = stream.try_clone() {
            self.shared.open.lock().unwrap().push(stream);
        }
        let mut wire = match &self.tls {
            None => Wire::Plain(stream),
            Some(config) => {
                let session = ServerConnection::new(Arc::clone(config)).unwrap();
                Wire::Tls(Box::new(StreamOwned::new(session, stream)))
            }
        };
        while let Some(asked) = read_request(&mut wire) {
            self.note(|log| log.asked.push(asked.clone()));
            let answer = (self.script)(&asked, self).unwrap_or_else(|| self.sound_answer(&asked));
            let written = match answer {
                Answer::Json(status, body) => write_answer(&mut wire, status, None, &body.to_string()),
                Answer::WithHeader(status, (name, value), body) => {
                    write_answer(&mut wire, status, Some((name, &value)), &body.to_string())
                }
                Answer::Text(status, body) => write_answer(&mut wire, status, None, &body),
                // Ends when the client, or the end of the peer, ends the connection.
                Answer::Nothing => wire.read(&mut [0]).and(Err(io::ErrorKind::UnexpectedEof.into())),
                Answer::Raw(write) => {
                    write(&mut wire);
                    let _ = wire.tcp().shutdown(Shutdown::Both);
                    return;
                }
                Answer::Socket(behaviour) => {
                    let key = asked.header("sec-websocket-key").expect("an upgrade").to_owned();
                    let accepted = format!(
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                         Sec-WebSocket-Accept: {}\r\n\r\n",
                        derive_accept_key(key.as_bytes())
                    );
                    if wire.write_all(accepted.as_bytes()).and_then(|()| wire.flush()).is_ok() {
                        self.behave(
                            &asked.path,
                            WebSocket::from_raw_socket(wire, Role::Server, None),
                            behaviour,
                        );
                    }
                    return;
                }
            };
            if written.is_err() {
                return;
            }
        }
    }

    /// What a sound organisation answers.
    pub fn sound_answer(&self, asked: &Asked) -> Answer {
        if asked.is_upgrade() {
            return Answer::Socket(Behaviour::Well(Vec::new()));
        }
        if asked.is("POST", "/oauth/token") {
            let token = format!("token-{}", self.next());
            return Answer::Json(
                200,
                json!({"access_token": token, "token_type": "bearer", "expires_in": 86_400}),
            );
        }
        if asked.is("GET", "/api/v2/routing/queues") {
            return queues(&QUEUES);
        }
        if asked.is("POST", "/subscriptions") || asked.is("PUT", "/subscriptions") {
            return permitted(asked, |_| true);
        }
        if asked.is("GET", "/subscriptions") {
            let log = self.log();
            let is_list = |before: &&Asked| {
                let same = before.path.split('?').next() == asked.path.split('?').next();
                same && matches!(before.method.as_str(), "PUT" | "POST")
            };
            return match log.asked.iter().rev().find(is_list) {
                Some(list) => permitted(list, |_| true),
                None => Answer::Json(200, json!({"entities": []})),
            };
        }
        if asked.is("DELETE", "/subscriptions") {
            return Answer::Text(200, String::new());
        }
        if asked.is("POST", "/api/v2/notifications/channels") {
            let id = format!("streaming-5-{}", self.next());
            let uri = format!("{}/channels/{id}", self.socket_url());
            return Answer::Json(
                200,
                json!({"id": id, "connectUri": uri, "expires": "2126-05-05T14:00:00.000Z"}),
            );
        }
        if asked.is("POST", "/api/v2/analytics/conversations/details/query") {
            return Answer::Json(200, json!({"conversations": [{"conversationId": "c"}], "totalHits": 1}));
        }
        if asked.is("POST", "/api/v2/analytics/queues/observations/query") {
            return Answer::Json(200, json!({"results": []}));
        }
        if asked.is("GET", "/api/v2/users") {
            return Answer::Json(
                200,
                json!({"entities": [], "total": 0, "pageCount": 0, "pageNumber": 1}),
            );
        }
        Answer::Json(
            404,
            json!({"message": "no such thing", "code": "not.found", "status": 404}),
        )
    }

    fn behave(&self, path: &str, mut socket: Socket, behaviour: Behaviour) {
        let says = match &behaviour {
            Behaviour::Says(text) => Some(text.clone()),
            _ => None,
        };
        if !self.confirm(path, &mut socket, says) {
            return;
        }
        let send_all = |socket: &mut Socket, texts: Vec<String>| {
            texts.into_iter().all(|text| socket.send(Message::text(text)).is_ok())
        };
        match behaviour {
            Behaviour::Well(texts) => {
                if send_all(&mut socket, texts) {
                    self.listen(path, &mut socket, usize::MAX);
                }
            }
            Behaviour::Says(_) => self.listen(path, &mut socket, usize::MAX),
            Behaviour::MuteAfter(texts, pings) => {
                if send_all(&mut socket, texts) {
                    self.listen(path, &mut socket, pings);
                    hold(socket.get_mut());
                }
            }
            Behaviour::Dribble => dribble(socket.get_mut()),
            Behaviour::Close(texts, code) => {
                let frame = CloseFrame {
                    code: code.into(),
                    reason: Utf8Bytes::from_static("as the test asked"),
                };
                if send_all(&mut socket, texts) && socket.close(Some(frame)).is_ok() {
                    self.listen(path, &mut socket, usize::MAX);
                }
            }
            Behaviour::Reset => {
                let _ = socket2::SockRef::from(socket.get_ref().tcp()).set_linger(Some(Duration::ZERO));
                // The clone that the end of the peer uses would keep it open.
                let address = socket.get_ref().tcp().peer_addr();
                let mut open = self.shared.open.lock().unwrap();
                open.retain(|stream| stream.peer_addr().ok() != address.as_ref().ok().copied());
            }
            Behaviour::Drop => {
                let _ = socket.get_ref().tcp().shutdown(Shutdown::Both);
            }
            Behaviour::Custom(run) => run(&mut socket),
        }
    }

    /// Confirms the subscription of the tutorials' sockets, or says `instead` to the first message.
    fn confirm(&self, path: &str, socket: &mut Socket, instead: Option<String>) -> bool {
        let answer = match (instead, path) {
            (Some(text), _) => text,
            (None, path) if path.starts_with("/api/v2/events") => json!({"type": "ack"}).to_string(),
            (None, path) if path.starts_with("/api/v2/analytics") => {
                json!({"status": 200, "connectionId": "c-1"}).to_string()
            }
            _ => return true,
        };
        loop {
            match socket.read() {
                Ok(Message::Text(text)) => {
                    self.note(|log| log.said.push((path.to_owned(), text.to_string())));
                    return socket.send(Message::text(answer)).is_ok();
                }
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    }

    /// Reads until the end, or until so many pings were answered.
    fn listen(&self, path: &str, socket: &mut Socket, pings: usize) {
        let mut answered = 0;
        while answered < pings {
            let said = match socket.read() {
                Ok(Message::Text(text)) => {
                    if text.contains(r#""ping""#) {
                        answered += 1;
                        let pong = json!({"topicName": "channel.metadata", "eventBody": {"message": "pong"}});
                        let _ = socket.send(Message::text(pong.to_string()));
                    } else if path.starts_with("/api/v2/events") {
                        // A second subscription, without the filter.
                        let _ = socket.send(Message::text(json!({"type": "ack"}).to_string()));
                    }
                    text.to_string()
                }
                Ok(Message::Ping(_)) => {
                    answered += 1;
                    // tungstenite answers by itself with the next flush.
                    let _ = socket.flush();
                    "<ping>".to_owned()
                }
                Ok(Message::Close(frame)) => {
                    let code = frame.map_or(1005, |frame| u16::from(frame.code));
                    format!("<close {code}>")
                }
                Ok(_) => continue,
                Err(_) => return,
            };
            self.note(|log| log.said.push((path.to_owned(), said)));
        }
    }
}

/// A listing of queues.
pub fn queues(queues: &[(&str, &str)]) -> Answer {
    let entities: Vec<Value> = queues
        .iter()
        .map(|(id, name)| json!({"id": id, "name": name}))
        .collect();
    Answer::Json(
        200,
        json!({"entities": entities, "total": entities.len(), "pageCount": 1, "pageNumber": 1, "pageSize": 100}),
    )
}

/// The answer to a subscription: each topic for itself.
pub fn permitted(asked: &Asked, permits: impl Fn(&str) -> bool) -> Answer {
    let topics: Vec<Value> = serde_json::from_str(&asked.body).unwrap_or_default();
    let entities: Vec<Value> = topics
        .iter()
        .filter_map(|topic| topic["id"].as_str())
        .map(|topic| match permits(topic) {
            true => json!({"id": topic, "state": "Permitted"}),
            false => json!({"id": topic, "state": "Rejected", "missingPermissions": ["routing:queue:view"]}),
        })
        .collect();
    Answer::Json(200, json!({"entities": entities}))
}

/// A notification as the service sends it.
pub fn notification(topic: &str, body: &Value) -> String {
    json!({"topicName": topic, "version": "2", "eventBody": body, "metadata": {"CorrelationId": "x"}}).to_string()
}

/// An event of the given protocol that counts as one.
pub fn event(protocol: genesys_stream::Protocol, number: usize) -> String {
    use genesys_stream::Protocol;
    match protocol {
        Protocol::Notifications => notification(
            &format!("v2.users.7a1b0c2d-0000-4000-8000-{number:012}.presence"),
            &json!({"source": "PURECLOUD", "presenceDefinition": {"id": "p", "systemPresence": "AVAILABLE"}}),
        ),
        Protocol::Events => json!({"type": "event", "event": {"type": "conversation:updated",
            "data": {"id": format!("c{number}"), "state": "connected"}}})
        .to_string(),
        Protocol::Metrics => json!({"timestamp": format!("2026-05-04T14:{:02}:{:02}Z", number / 60 % 60, number % 60),
            "metricType": "queue", "metrics": [{"name": "offered", "value": number}]})
        .to_string(),
        other => panic!("no event for {other:?}"),
    }
}
