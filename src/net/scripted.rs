//! Scripted servers for the tests of this crate's network code.
//!
//! In: what to answer · Out: a loopback port, what was asked · Thread: one that accepts, one a connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A connection that can be read and written.
pub(crate) trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

/// One request as it was received.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) line: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// Number of its connection, from 0.
    pub(crate) connection: usize,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone())
    }
}

/// One answer: bytes, and how they are sent.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    chunked: bool,
    /// The pause between two bytes.
    dribble: Option<Duration>,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self {
            status,
            headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
            body: body.as_bytes().to_vec(),
            chunked: false,
            dribble: None,
        }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self::json(status, "")
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    pub(crate) fn dribble(mut self, pause: Duration) -> Self {
        self.dribble = Some(pause);
        self
    }

    fn bytes(&self, seen: &Seen) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Scripted\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut body = Vec::new();
        if self.chunked {
            head.push_str("Transfer-Encoding: chunked\r\n");
            for chunk in self.body.chunks(7) {
                body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                body.extend_from_slice(chunk);
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(b"0\r\n\r\n");
        } else if self.status != 204 {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
            body.clone_from(&self.body);
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        if !seen.line.starts_with("HEAD") {
            bytes.extend_from_slice(&body);
        }
        bytes
    }
}

/// A server that runs until this is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Arc<AtomicBool>,
}

impl Server {
    /// Calls `talk` for each accepted connection, with its number, on a thread of its own.
    pub(crate) fn raw(talk: impl Fn(TcpStream, usize) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let talk = Arc::new(talk);
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                if stopping.load(Ordering::SeqCst) {
                    return;
                }
                let (talk, stream) = (Arc::clone(&talk), stream.unwrap());
                // A test that hangs must not hang for ever.
                stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
                std::thread::spawn(move || talk(stream, number));
            }
        });
        Self {
            address,
            seen: Arc::default(),
            stop,
        }
    }

    /// Answers HTTP requests.
    pub(crate) fn http(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::http_knowing_itself(move |seen, _| answer(seen))
    }

    /// Answers HTTP requests, knowing its own port.
    pub(crate) fn http_knowing_itself(answer: impl Fn(&Seen, u16) -> Reply + Send + Sync + 'static) -> Self {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let note = Arc::clone(&seen);
        let server = Self::raw(move |stream, number| {
            let port = stream.local_addr().unwrap().port();
            serve(stream, number, &note, &|seen: &Seen| answer(seen, port));
        });
        server.with_seen(seen)
    }

    /// Answers HTTP requests under TLS with a certificate of the fixtures.
    pub(crate) fn https(certificate: &str, answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let note = Arc::clone(&seen);
        let config = server_config(certificate);
        let server = Self::raw(move |stream, number| {
            serve(accept_tls(&config, stream), number, &note, &answer);
        });
        server.with_seen(seen)
    }

    /// A CONNECT proxy, itself under TLS if a certificate is named; `status` is its answer.
    pub(crate) fn proxy(certificate: Option<&str>, status: u16) -> Self {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let note = Arc::clone(&seen);
        let config = certificate.map(server_config);
        let server = Self::raw(move |stream, number| {
            let own = stream.try_clone().unwrap();
            let mut near: Box<dyn Wire> = match &config {
                Some(config) => Box::new(accept_tls(config, stream)),
                None => Box::new(stream),
            };
            let Some(request) = read_request(&mut near, number) else {
                return;
            };
            let target = request.line.split(' ').nth(1).unwrap().to_owned();
            note.lock().unwrap().push(request);
            if status != 200 {
                let _ = write!(near, "HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n");
                return;
            }
            let far = TcpStream::connect(target).unwrap();
            write!(near, "HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
            near.flush().unwrap();
            shuttle(near, &own, far);
        });
        server.with_seen(seen)
    }

    fn with_seen(mut self, seen: Arc<Mutex<Vec<Seen>>>) -> Self {
        self.seen = seen;
        self
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

/// Copies in both directions on one thread, because a TLS connection cannot be split.
fn shuttle(mut near: Box<dyn Wire>, near_tcp: &TcpStream, mut far: TcpStream) {
    near_tcp.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
    far.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
    let mut block = vec![0; 64 << 10];
    let until = Instant::now() + Duration::from_secs(30);
    let quiet = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
    while Instant::now() < until {
        match near.read(&mut block) {
            Ok(0) => return,
            Ok(n) => far.write_all(&block[..n]).unwrap(),
            Err(error) if quiet(&error) => {}
            Err(_) => return,
        }
        match far.read(&mut block) {
            Ok(0) => return,
            Ok(n) => {
                if near.write_all(&block[..n]).and_then(|()| near.flush()).is_err() {
                    return;
                }
            }
            Err(error) if quiet(&error) => {}
            Err(_) => return,
        }
    }
}

fn serve(mut stream: impl Wire, number: usize, note: &Mutex<Vec<Seen>>, answer: &dyn Fn(&Seen) -> Reply) {
    while let Some(seen) = read_request(&mut stream, number) {
        note.lock().unwrap().push(seen.clone());
        let reply = answer(&seen);
        let bytes = reply.bytes(&seen);
        let sent = match reply.dribble {
            None => stream.write_all(&bytes).and_then(|()| stream.flush()),
            Some(pause) => dribble(&mut stream, &bytes, pause),
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Writes one byte at a time.
pub(crate) fn dribble(stream: &mut impl Wire, bytes: &[u8], pause: Duration) -> std::io::Result<()> {
    let (_sender, never) = crossbeam_channel::bounded::<()>(0);
    for byte in bytes {
        stream.write_all(&[*byte])?;
        stream.flush()?;
        let _ = never.recv_timeout(pause);
    }
    Ok(())
}

/// Asserts that one of ten runs stays within the limit: the machine of a test may be busy.
pub(crate) fn assert_quick(limit: Duration, mut measure: impl FnMut() -> Duration) {
    let mut times = Vec::new();
    for _ in 0..10 {
        times.push(measure());
        if times.last().is_some_and(|time| *time < limit) {
            return;
        }
    }
    panic!("{times:?}, none within {limit:?}");
}

fn read_request(stream: &mut impl Wire, connection: usize) -> Option<Seen> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let line = lines.next()?.to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut seen = Seen {
        line,
        headers,
        body: String::new(),
        connection,
    };
    let length = seen.header("content-length").map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    seen.body = String::from_utf8(body).unwrap();
    Some(seen)
}

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/tls")
        .join(name)
}

/// TLS with `<name>.pem` and `<name>.key.pem` of the fixtures.
pub(crate) fn server_config(name: &str) -> Arc<ServerConfig> {
    let chain = vec![CertificateDer::from_pem_file(fixture(&format!("{name}.pem"))).unwrap()];
    let key = PrivateKeyDer::from_pem_file(fixture(&format!("{name}.key.pem"))).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Arc::new(config)
}

pub(crate) fn accept_tls(config: &Arc<ServerConfig>, stream: TcpStream) -> StreamOwned<ServerConnection, TcpStream> {
    StreamOwned::new(ServerConnection::new(Arc::clone(config)).unwrap(), stream)
}
