//! The load process, and the clients that it is sent to.
//!
//! In: what to send, which client · Out: running children, what they tell · Thread: main.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::AnyError;

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Client {
    Ours,
    /// The program that writes all events to a file.
    OursToFile,
    /// A program that uses our library, up to the model.
    Model,
    /// The same, up to its callback for events.
    Callback,
    X1,
    Tokio,
    Python,
}

impl Client {
    /// Its name in the tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::OursToFile => "ours to file",
            Self::Model => "our model",
            Self::Callback => "our callback",
            Self::X1 => "x1",
            Self::Tokio => "tokio",
            Self::Python => "Python",
        }
    }
}

/// Where everything is.
pub struct Places {
    /// The checkout.
    pub root: PathBuf,
    /// The binaries of the benchmarks.
    pub binaries: PathBuf,
    /// Files of a run.
    pub scratch: PathBuf,
    /// An interpreter that has `websockets`, if there is one.
    pub python: Option<String>,
}

/// A running load; killed when dropped.
pub struct Load {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: BufReader<ChildStdout>,
    pub port: u16,
}

/// A running client; killed when dropped.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Load {
    /// Starts a load and waits until it listens.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(places: &Places, args: &[&str]) -> Result<Self, AnyError> {
        let mut child = Command::new(places.binaries.join("load"))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("the load has no pipes".into());
        };
        let mut load = Self {
            child,
            stdin: Some(stdin),
            lines: BufReader::new(stdout),
            port: 0,
        };
        load.port = load.told("listening")?[0] as u16;
        Ok(load)
    }

    /// The numbers of the next line that begins with this word.
    ///
    /// # Errors
    /// When the load ends before.
    pub fn told(&mut self, word: &str) -> Result<Vec<u64>, AnyError> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.lines.read_line(&mut line)? == 0 {
                return Err(format!("the load ended before it told: {word}").into());
            }
            let mut words = line.split_whitespace();
            if words.next() == Some(word) {
                return Ok(words.map(str::parse).collect::<Result<_, _>>()?);
            }
        }
    }

    /// Lets it go on after a stop.
    ///
    /// # Errors
    /// When it has ended.
    pub fn go_on(&mut self) -> Result<(), AnyError> {
        Ok(self.stdin.as_mut().ok_or("the load is finished")?.write_all(b"\n")?)
    }

    /// Lets it end.
    ///
    /// # Errors
    /// When it failed.
    pub fn finish(mut self) -> Result<(), AnyError> {
        self.stdin = None;
        if self.child.wait()?.success() {
            Ok(())
        } else {
            Err("the load failed".into())
        }
    }
}

impl Places {
    /// Where the program writes its snapshots.
    pub fn snapshot_file(&self) -> PathBuf {
        self.scratch.join("snapshot.json")
    }

    /// The program, with the settings of all figures: `--output none`, the buffer of the default size, no event lost.
    pub fn program(&self, url: &str) -> Command {
        let mut command = Command::new(self.root.join("target/release/genesys-stream"));
        clean(&mut command);
        command.args([
            "run",
            "-q",
            "-q",
            "--client-id",
            "bench",
            "--region",
            url,
            "--when-full",
            "block",
        ]);
        // Should nobody end it.
        command.args(["--duration", "170"]);
        command.stdout(Stdio::null());
        command
    }

    /// Starts a client that reads until the server closes.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self, client: Client, protocol: &str, port: u16, times: Option<&Path>) -> Result<Running, AnyError> {
        let first = if protocol == "notifications" { "" } else { "{}" };
        let base = format!("http://127.0.0.1:{port}");
        let socket = format!("ws://127.0.0.1:{port}/socket");
        let mut command = match client {
            Client::Ours | Client::OursToFile => {
                let mut command = self.program(&base);
                command.args(["--protocol", protocol, "--no-verify", "--once", "--interval-ms", "1000"]);
                command.arg("--snapshot-file").arg(self.snapshot_file());
                if client == Client::OursToFile {
                    command.args(["--output", "events"]);
                    command.stdout(std::fs::File::create(self.scratch.join("events.ndjson"))?);
                } else {
                    command.args(["--output", "none"]);
                }
                command
            }
            Client::Model | Client::Callback => {
                let place = if client == Client::Model { "model" } else { "callback" };
                let mut command = Command::new(self.binaries.join("ours"));
                command.args([&base, place]);
                command
            }
            Client::X1 | Client::Tokio => {
                let name = if client == Client::X1 { "x1" } else { "tokio-client" };
                let mut command = Command::new(self.binaries.join(name));
                command.args([&socket, first]);
                command
            }
            Client::Python => {
                let mut command = Command::new(self.python.as_deref().ok_or("there is no Python with websockets")?);
                command.arg(self.root.join("bench/python/client.py"));
                command.args([&socket, first]);
                command
            }
        };
        if !matches!(client, Client::Ours | Client::OursToFile) {
            clean(&mut command);
            command.stdout(Stdio::piped()).stderr(Stdio::null());
            if let Some(times) = times {
                command.arg(times);
            }
        }
        Ok(Running(command.stdin(Stdio::null()).spawn()?))
    }
}

/// Nothing of the caller's environment but the path gets to a client.
fn clean(command: &mut Command) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    command
        .env_clear()
        .env("PATH", path)
        .env("GENESYS_CLIENT_SECRET", "bench");
}
