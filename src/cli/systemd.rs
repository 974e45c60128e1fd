//! Tells systemd that the program is ready, what it does, that it is alive, and that it stops.
//!
//! In: the states of a run, `NOTIFY_SOCKET` and `WATCHDOG_USEC` · Out: datagrams as sd_notify(3) sends them · Thread: its
//! own (`gs-systemd`), only where systemd asks.
//!
//! Ready means: configuration, secret and queues are right and it streams, or its first attempt failed in a way that is
//! tried again. A start at boot therefore fails on what an operator must change, and does not wait for the network.

use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{never, select, tick};

use crate::event::state::ConnectionState;
use crate::stream::Pulse;

/// Where datagrams go.
#[derive(Clone)]
pub(super) struct Notifier(Option<Arc<(UnixDatagram, SocketAddr)>>);

impl Notifier {
    /// Reads the socket's name from the environment; without one nothing is ever sent.
    pub(super) fn from_environment() -> Self {
        Self(std::env::var("NOTIFY_SOCKET").ok().and_then(|name| {
            let opened = open(&name);
            if let Err(error) = &opened {
                log::warn!("NOTIFY_SOCKET {name}: {error}; systemd is not told that the program is ready");
            }
            opened.ok().map(Arc::new)
        }))
    }

    /// Sends one datagram. It never waits: systemd that does not take it misses it.
    pub(super) fn tell(&self, text: &str) {
        if let Some((socket, address)) = self.0.as_deref() {
            let _ = socket.send_to_addr(text.as_bytes(), address);
        }
    }

    /// Follows a run to its end, on a thread of its own.
    pub(super) fn follow(&self, pulse: Pulse) -> io::Result<()> {
        if self.0.is_some() {
            let this = self.clone();
            let thread = std::thread::Builder::new().name("gs-systemd".to_owned());
            thread.spawn(move || this.run(&pulse))?;
        }
        Ok(())
    }

    fn run(&self, pulse: &Pulse) {
        let states = pulse.states();
        let watchdog = watchdog().map_or_else(never, |limit| tick(limit / 2));
        let mut ready = "READY=1\n";
        loop {
            select! {
                recv(states) -> state => {
                    let Ok((state, cause)) = state else { return };
                    let cause = cause.map(|cause| format!(": {}", cause.replace('\n', " "))).unwrap_or_default();
                    let event = match state {
                        ConnectionState::Connecting => "",
                        ConnectionState::Streaming | ConnectionState::Backoff => std::mem::take(&mut ready),
                        ConnectionState::Stopped => "STOPPING=1\n",
                    };
                    self.tell(&format!("{event}STATUS={}{cause}", state.as_str()));
                }
                recv(watchdog) -> _ => {
                    if pulse.beats() {
                        self.tell("WATCHDOG=1");
                    }
                }
            }
        }
    }
}

fn open(name: &str) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.strip_prefix('@') {
        #[cfg(target_os = "linux")]
        Some(name) => <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

/// How long systemd waits for a sign of life, if it watches this process.
fn watchdog() -> Option<Duration> {
    let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
    let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
    let limit = number("WATCHDOG_USEC").filter(|limit| ours && *limit > 1)?;
    Some(Duration::from_micros(limit))
}
