//! A connection to the node of the engine that serves a key.
//!
//! In: the configured nodes, a key, commands · Out: replies · Thread: the caller's, which waits.
//!
//! Every key of ours is asked for alone, so a cluster needs no map of slots: a node that does not serve the key names the one
//! that does. After any failure the connection is dropped and made anew from the configured nodes, because a master may
//! have been replaced.

use std::io::{ErrorKind as IoKind, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::resp::{self, Reply};
use crate::base::url::{Security, Target};
use crate::config::Config;
use crate::config::engine::EngineConfig;
use crate::net::{self, Cancel, Net, Stream};
use crate::{Error, ErrorKind, Secret};

/// How long a reply may take.
const REPLY_LIMIT: Duration = Duration::from_secs(10);
/// How often a node may send us to another one.
const MOVES: usize = 5;

/// Where the engine is, and who we are there.
#[derive(Clone)]
pub(super) struct Engine {
    nodes: Vec<Target>,
    user: Option<String>,
    password: Option<Secret>,
    net: Arc<Net>,
    cancel: Cancel,
}

/// A connection to one node.
pub(super) struct Node {
    stream: Stream,
    at: String,
    /// Received, and not read as replies yet.
    received: Vec<u8>,
}

impl Engine {
    /// At these nodes. Proxies are for the web, and not used.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] for a CA file that cannot be used.
    pub(super) fn new(nodes: &[Target], config: &Config, cancel: Cancel) -> Result<Self, Error> {
        let EngineConfig { user, password, .. } = &config.engine;
        let mut net = Net::with(None, config.ca_file.clone(), |_| None)?;
        net.limits = config.limits;
        Ok(Self {
            nodes: nodes.to_vec(),
            user: user.clone(),
            password: password.clone(),
            net: Arc::new(net),
            cancel,
        })
    }

    /// Whether it was told to stop.
    pub(super) fn is_stopped(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Waits, at most so long; ends at once when it is told to stop.
    pub(super) fn pause(&self, time: Duration) {
        let _ = self.cancel.wait(time);
    }

    /// Connects to the node that serves `key`: the first configured one that answers, or the one that it names.
    ///
    /// # Errors
    /// [`ErrorKind::Credentials`] for a refused password, [`ErrorKind::Refused`] for a missing right,
    /// [`ErrorKind::Certificate`], [`ErrorKind::Stopped`], else [`ErrorKind::Transient`].
    pub(super) fn connect(&self, key: &str) -> Result<Node, Error> {
        let mut failure = None;
        for node in &self.nodes {
            match self.connect_through(node, key) {
                Ok(node) => return Ok(node),
                Err(error) if error.kind() == ErrorKind::Stopped => return Err(error),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        Err(failure.unwrap_or_else(|| Error::new(ErrorKind::Internal, "connecting to the engine", "it has no node")))
    }

    fn connect_through(&self, first: &Target, key: &str) -> Result<Node, Error> {
        let mut target = first.clone();
        for _ in 0..MOVES {
            let mut node = self.open(&target)?;
            match node.ask(&["TYPE", key]) {
                Ok(_) => return Ok(node),
                Err(error) => match moved_to(&error, &target) {
                    Some(other) if other.security == Security::Plain && !other.is_loopback() => {
                        return Err(Error::new(
                            ErrorKind::Refused,
                            format!("connecting to the engine at {first}"),
                            format!(
                                "it names the node {other} on another machine, and redis:// is for this machine only; use rediss://"
                            ),
                        ));
                    }
                    Some(other) => target = other,
                    None => return Err(error),
                },
            }
        }
        let what = "its nodes send us from one to the other";
        Err(Error::new(
            ErrorKind::Transient,
            format!("connecting to the engine at {first}"),
            what,
        ))
    }

    fn open(&self, target: &Target) -> Result<Node, Error> {
        let deadline = Instant::now() + self.net.limits.opening();
        let mut node = Node {
            stream: net::open(target, &self.net, deadline, &self.cancel)?,
            at: target.to_string(),
            received: Vec::new(),
        };
        if let Some(password) = &self.password {
            let mut words = vec!["AUTH"];
            words.extend(self.user.as_deref());
            words.push(password.reveal());
            node.ask(&words)?;
        }
        Ok(node)
    }
}

impl Node {
    /// Sends a command and waits for its reply.
    ///
    /// # Errors
    /// As [`Engine::connect`]; an error that the engine answers is one of these, with its text.
    pub(super) fn ask(&mut self, words: &[&str]) -> Result<Reply, Error> {
        let mut bytes = Vec::new();
        resp::command(&mut bytes, words);
        self.send(&bytes)?;
        let reply = self.receive(Instant::now() + REPLY_LIMIT)?;
        self.checked(reply, words.first().copied().unwrap_or_default())
    }

    /// Sends commands.
    ///
    /// # Errors
    /// [`ErrorKind::Transient`] where the connection is lost.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let sent = self.stream.write_all(bytes).and_then(|()| self.stream.flush());
        sent.map_err(|error| self.lost(&error.to_string()))
    }

    /// The next reply, also where that is an error.
    ///
    /// # Errors
    /// [`ErrorKind::Transient`] where the connection is lost, or no reply comes until `deadline`.
    pub(super) fn receive(&mut self, deadline: Instant) -> Result<Reply, Error> {
        self.stream.set_read_deadline(deadline);
        let mut piece = vec![0; 128 << 10];
        let mut tried = None;
        loop {
            // A long reply is looked at again only once it has doubled.
            if tried.is_none_or(|tried| self.received.len() >= 2 * tried || self.received.ends_with(b"\r\n"))
                && !self.received.is_empty()
            {
                match resp::reply(&self.received) {
                    Ok(Some((reply, length))) => {
                        self.received.drain(..length);
                        return Ok(reply);
                    }
                    Ok(None) => tried = Some(self.received.len()),
                    Err(what) => return Err(self.lost(what)),
                }
            }
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(self.lost("it closed the connection")),
                Ok(count) => self.received.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == IoKind::WouldBlock => return Err(self.lost("no answer in time")),
                Err(error) => return Err(self.lost(&error.to_string())),
            }
        }
    }

    /// A reply that is no error.
    ///
    /// # Errors
    /// What the engine answered.
    pub(super) fn checked(&self, reply: Reply, asked: &str) -> Result<Reply, Error> {
        let Reply::Error(text) = reply else { return Ok(reply) };
        let kind = match text.split(' ').next() {
            Some("WRONGPASS" | "NOAUTH") => ErrorKind::Credentials,
            Some("NOPERM") => ErrorKind::Refused,
            // Without a password on its side, Redis answers so to AUTH.
            _ if text.contains("without any password") => ErrorKind::Credentials,
            _ => ErrorKind::Transient,
        };
        Err(Error::new(kind, format!("{asked} at the engine {}", self.at), text))
    }

    fn lost(&self, what: &str) -> Error {
        Error::new(
            ErrorKind::Transient,
            format!("talking to the engine {}", self.at),
            what.to_owned(),
        )
    }
}

/// Whether an error will come again until somebody changes settings, here or at the engine.
pub(super) fn is_refusal(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Credentials | ErrorKind::Refused | ErrorKind::Certificate
    )
}

/// Where an answer sends us: `MOVED 3999 127.0.0.1:6381`. Without a host it is that of the node which answered.
fn moved_to(error: &Error, from: &Target) -> Option<Target> {
    let text = error.to_string();
    let (_, rest) = text.split_once("MOVED ").or_else(|| text.split_once("ASK "))?;
    let address = rest.split_whitespace().nth(1)?;
    let (host, port) = address.rsplit_once(':')?;
    Some(Target {
        security: from.security,
        host: match host {
            "" | "?" => from.host.clone(),
            host => host.trim_matches(['[', ']']).to_owned(),
        },
        port: port.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// What connecting to a node that answers so comes to.
    fn connecting(answer: &'static str) -> Error {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let keys = format!(r#"{{"engine":{{"from":"redis://127.0.0.1:{port}","org":"o"}}}}"#);
        let mut config = Config::builder().json("x", &keys).build().unwrap();
        config.engine.password = Some(Secret::new("right"));
        let node = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut piece = [0; 1000];
            for answer in answer.split_inclusive('\n') {
                let _ = stream.read(&mut piece).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        let engine = Engine::new(&config.engine.from, &config, Cancel::new()).unwrap();
        let error = engine.connect("k").err().unwrap();
        node.join().unwrap();
        error
    }

    #[test]
    fn a_plain_connection_does_not_leave_this_machine() {
        let error = connecting("+OK\r\n-MOVED 3999 203.0.113.1:6381\r\n");
        assert!(
            is_refusal(&error) && error.to_string().contains("use rediss://"),
            "{error}"
        );
    }

    #[test]
    fn only_a_wrong_password_is_an_error_of_credentials() {
        for (answer, kind) in [
            ("-WRONGPASS invalid username-password pair\r\n", ErrorKind::Credentials),
            (
                "-ERR AUTH <password> called without any password configured\r\n",
                ErrorKind::Credentials,
            ),
            ("-ERR max number of clients reached\r\n", ErrorKind::Transient),
        ] {
            assert_eq!(connecting(answer).kind(), kind, "{answer}");
        }
    }

    #[test]
    fn an_answer_may_send_us_to_another_node() {
        let from = Target {
            security: Security::Plain,
            host: "h".to_owned(),
            port: 1,
        };
        let of = |text: &str| {
            let error = Error::new(ErrorKind::Transient, "TYPE at the engine h:1", text.to_owned());
            moved_to(&error, &from).map(|target| target.to_string())
        };
        assert_eq!(of("MOVED 3999 127.0.0.1:6381").as_deref(), Some("127.0.0.1:6381"));
        assert_eq!(of("MOVED 3999 :6382").as_deref(), Some("h:6382"));
        assert_eq!(of("MOVED 3999 ::1:6383").as_deref(), Some("[::1]:6383"));
        assert_eq!(of("CLUSTERDOWN Hash slot not served"), None);
    }
}
