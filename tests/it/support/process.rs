//! The program as a child: started in an empty environment, read line by line, signalled, waited for.
//!
//! In: arguments, variables · Out: lines, exit status · Thread: one reads stdout, one stderr.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, unbounded};

use super::PATIENCE;

/// A running program; killed when dropped.
pub struct Program {
    child: Child,
    lines: Receiver<String>,
    stderr: Receiver<String>,
}

/// A program that has ended.
pub struct Ended {
    /// The exit code, or 128 + the signal that killed it.
    pub code: i32,
    /// Lines of stdout that were not taken before.
    pub lines: Vec<String>,
    pub stderr: String,
    /// From the call of [`Program::wait`] on.
    pub took: Duration,
}

/// The program: `GS_PROGRAM`, such as a release build, else the one that was built with the tests.
pub fn path() -> PathBuf {
    let other = std::env::var_os("GS_PROGRAM");
    other.map_or_else(|| env!("CARGO_BIN_EXE_genesys-stream").into(), PathBuf::from)
}

/// A command of the program with nothing of the developer's environment.
pub fn command(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(path());
    command
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Starts the program.
pub fn program(arguments: &[&str], variables: &[(&str, &str)]) -> Program {
    start(&mut command(arguments, variables))
}

/// Starts the program through a shell that does this before, such as `ulimit -f 8`.
pub fn program_after(before: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Program {
    let plain = command(arguments, variables);
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", &format!("{before}\nexec \"$0\" \"$@\"")])
        .arg(plain.get_program())
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    start(&mut shell)
}

fn start(command: &mut Command) -> Program {
    let mut child = command.spawn().expect("the program starts");
    let lines = lines_of(child.stdout.take().expect("piped"));
    let stderr = lines_of(child.stderr.take().expect("piped"));
    Program { child, lines, stderr }
}

/// Sends a signal by its name, as a shell would.
pub fn signal(child: &Child, name: &str) {
    signal_to(child.id(), name);
}

/// Sends a signal to a child by its process id.
pub fn signal_to(child: u32, name: &str) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &child.to_string()])
        .status()
        .expect("kill");
    assert!(sent.success());
}

fn lines_of(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (tell, lines) = unbounded();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

impl Program {
    /// The first line of stdout, from here on, for which this holds.
    #[track_caller]
    pub fn line(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        self.lines_until(what, holds).pop().expect("that line")
    }

    /// The lines of stdout from here on to the first for which this holds, with that one.
    #[track_caller]
    pub fn lines_until(&self, what: &str, holds: impl Fn(&str) -> bool) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = Vec::new();
        while let Ok(line) = self.lines.recv_deadline(deadline) {
            lines.push(line);
            if lines.last().is_some_and(|line| holds(line)) {
                return lines;
            }
        }
        panic!(
            "no line: {what}; stderr: {:?}; stdout: {lines:?}",
            self.stderr.try_iter().collect::<Vec<_>>()
        );
    }

    /// The first line of stderr, from here on, for which this holds.
    #[track_caller]
    pub fn log_line(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = std::iter::from_fn(|| self.stderr.recv_deadline(deadline).ok());
        lines
            .find(|line| holds(line))
            .unwrap_or_else(|| panic!("no line: {what}"))
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name, as a shell would.
    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(mut self) -> Ended {
        let began = Instant::now();
        let deadline = began + PATIENCE;
        // Its pipes are closed when it ends.
        let mut lines = Vec::new();
        loop {
            match self.lines.recv_deadline(deadline) {
                Ok(line) => lines.push(line),
                Err(error) => {
                    assert!(error.is_disconnected(), "still running after {PATIENCE:?}");
                    break;
                }
            }
        }
        let stderr: Vec<String> = std::iter::from_fn(|| self.stderr.recv_deadline(deadline).ok()).collect();
        let status = self.child.wait().expect("a status");
        let took = began.elapsed();
        let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
        Ended {
            code: code.expect("a code or a signal"),
            lines,
            stderr: stderr.join("\n"),
            took,
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
