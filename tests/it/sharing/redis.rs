//! A real `redis-server` on a free loopback port, with a folder of its own; ended with the test.
//!
//! In: arguments of the server · Out: its address, answers of `redis-cli` · Thread: the test's.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::support::process::signal_to;
use crate::support::until_true;

/// A running server.
pub struct Redis {
    pub port: u16,
    folder: PathBuf,
    arguments: Vec<String>,
    child: Child,
}

/// Ports that are tried.
const PORTS: usize = 5;

static STARTED: AtomicU32 = AtomicU32::new(0);

/// Whether there is a server to test with. Without one the tests pass and say so, but not in CI.
pub fn is_installed() -> bool {
    let found = Command::new("redis-server").arg("--version").output().is_ok();
    assert!(
        found || std::env::var_os("CI").is_none(),
        "redis-server is not installed"
    );
    if !found {
        eprintln!("SKIPPED: redis-server is not installed (apt-get install redis-server)");
    }
    found
}

/// A port on which nothing listens.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

impl Redis {
    /// Starts one with these further arguments.
    pub fn start(arguments: &[&str]) -> Redis {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        // Somebody else may take a port that was free when it was chosen.
        let started = (0..PORTS).find_map(|_| Self::at(free_port(), &arguments));
        started.expect("a redis-server on one of the ports")
    }

    /// Starts one at this port, if nothing listens there.
    pub fn at(port: u16, arguments: &[String]) -> Option<Redis> {
        let number = STARTED.fetch_add(1, Ordering::SeqCst);
        let folder = std::env::temp_dir().join(format!("gs-redis-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let child = spawn(port, &folder, arguments);
        let mut redis = Redis {
            port,
            folder,
            arguments: arguments.to_vec(),
            child,
        };
        redis.is_up().then_some(redis)
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("a status");
    }

    /// Starts it again at the same address, with what is in its folder.
    pub fn start_again(&mut self) {
        self.child = spawn(self.port, &self.folder, &self.arguments);
        assert!(self.is_up(), "the port was taken meanwhile");
    }

    pub fn signal(&self, name: &str) {
        signal_to(self.child.id(), name);
    }

    /// What `redis-cli` prints.
    pub fn cli(&self, words: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(words)
            .output()
            .expect("redis-cli");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Waits until it answers, or ended because something else listens at its port.
    fn is_up(&mut self) -> bool {
        let mut has_ended = false;
        until_true("the server answers", || {
            has_ended = self.child.try_wait().expect("a status").is_some();
            let answers = || ["PONG", "NOAUTH"].iter().any(|word| self.cli(&["PING"]).contains(word));
            has_ended || (TcpStream::connect(("127.0.0.1", self.port)).is_ok() && answers())
        });
        !has_ended
    }
}

fn spawn(port: u16, folder: &Path, arguments: &[String]) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .arg("--dir")
        .arg(folder)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server")
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
