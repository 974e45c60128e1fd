//! A small HTTP/1.1 server for the live page and the simulator: a thread for each connection, hard limits.
//!
//! In: TCP connections · Out: requests to a handler, its replies to the peer · Thread: `<name>-accept` and `<name>-http-N`.
//!
//! Own code on `httparse` (which the WebSocket crate brings anyway), because a handler must be able to take the socket
//! over: the simulator's WebSockets and the page's event streams need that, with limits on time. The well-kept servers
//! bring an async runtime (hyper, axum) or know no time limit for a slow peer (tiny_http 0.12 and rouille on it; see its
//! issue 143). What no part of this program needs is left out: TLS, chunked bodies (answered 411), HTTP/2.
//!
//! The server holds these limits ([`Limits`]): connections at one time, bytes of head and body, and the time for head,
//! body, reply and the pause between two requests. Each wait for a peer has an absolute deadline, so a peer that sends
//! one byte at a time holds a thread no longer than one that sends nothing.

mod chunks;
pub(crate) mod connection;
mod request;
mod response;

pub(crate) use chunks::Chunks;
#[cfg(feature = "fuzzing")]
pub use request::fuzzing;
pub(crate) use request::{Request, form_pairs};
pub(crate) use response::{Body, Reply, Response};

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// How much of this process peers may use; the defaults suit a loopback or office network.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Connections at one time. One more takes the place of the connection on which no request was answered for the
    /// longest time; if a request is being answered on each, it is answered 503 and closed.
    pub connections: usize,
    /// Request line and header fields together, in bytes; more is answered 431.
    pub head_bytes: usize,
    /// A request's body, in bytes; more is answered 413.
    pub body_bytes: usize,
    /// From the first byte of a request (or the connection's start) to the end of its head; longer is answered 408.
    pub head_time: Duration,
    /// From the end of the head to the end of the body; longer is answered 408.
    pub body_time: Duration,
    /// Between two requests of a kept connection; longer closes it silently.
    pub idle_time: Duration,
    /// One reply must be taken by the peer within this time.
    pub write_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 256,
            head_bytes: 16 * 1024,
            body_bytes: 1024 * 1024,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(60),
            write_time: Duration::from_secs(10),
        }
    }
}

/// Descriptors that are left to the rest of the program: its sockets to the service and its files.
const RESERVED_DESCRIPTORS: u64 = 32;

/// As many connections as the process may have descriptors for, `wanted` at most and one at least.
pub(crate) fn within_descriptors(wanted: usize) -> usize {
    allowed_by(descriptors(), wanted)
}

fn allowed_by(descriptors: Option<u64>, wanted: usize) -> usize {
    let left = descriptors.map_or(u64::MAX, |most| most.saturating_sub(RESERVED_DESCRIPTORS));
    usize::try_from(left).unwrap_or(usize::MAX).clamp(1, wanted)
}

/// How many descriptors the process may have open (`RLIMIT_NOFILE`), where the system tells.
#[cfg(all(unix, feature = "cli"))]
fn descriptors() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// Not known without the crate that asks for it.
#[cfg(not(all(unix, feature = "cli")))]
fn descriptors() -> Option<u64> {
    None
}

/// Answers requests; called on the connection's thread, many at a time.
pub(crate) type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

/// A listening server. Dropping it closes the listener and all connections, and joins their threads.
pub(crate) struct Server {
    shared: Arc<Shared>,
    local_addr: SocketAddr,
    accept: Option<JoinHandle<()>>,
}

struct Shared {
    limits: Limits,
    handler: Box<Handler>,
    stopping: AtomicBool,
    next_id: AtomicU64,
    /// Numbers the waits of all connections for a request.
    next_wait: AtomicU64,
    open: Mutex<HashMap<u64, Open>>,
    threads: Mutex<HashMap<u64, JoinHandle<()>>>,
    /// Connections whose threads are about to end and can be joined.
    finished: Mutex<Vec<u64>>,
}

struct Open {
    /// Shared with the connection's thread, so that a connection takes one descriptor. To shut the socket down, which
    /// wakes that thread.
    socket: Arc<TcpStream>,
    waiting: Arc<Waiting>,
}

/// Since when a connection waits for a request.
#[derive(Default)]
struct Waiting(AtomicU64);

impl Waiting {
    /// A request is being answered.
    const NOT: u64 = 0;

    /// The wait begins, at a number that grows with each wait of any connection.
    /// A wait that has begun already goes on: for an answer to be taken, and then for the next request.
    fn begin(&self, turn: &AtomicU64) {
        if self.since().is_none() {
            self.0.store(turn.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
        }
    }

    fn end(&self) {
        self.0.store(Self::NOT, Ordering::SeqCst);
    }

    fn since(&self) -> Option<u64> {
        Some(self.0.load(Ordering::SeqCst)).filter(|turn| *turn != Self::NOT)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// Binds `addr` (port 0 picks a free one) and starts to answer. `handler` makes the handler when the port is known.
    /// The threads' names begin with `name` (at most 3 bytes, so that they stay within the 15 bytes that Linux keeps).
    ///
    /// # Errors
    /// When the address cannot be bound, `handler` fails, or the thread cannot be started.
    pub(crate) fn bind(
        addr: SocketAddr,
        name: &'static str,
        limits: Limits,
        handler: impl FnOnce(u16) -> Result<Box<Handler>, String>,
    ) -> io::Result<Server> {
        let listener = TcpListener::bind(addr)?;
        let local_addr = listener.local_addr()?;
        let handler = handler(local_addr.port()).map_err(io::Error::other)?;
        let shared = Arc::new(Shared {
            limits,
            handler,
            stopping: AtomicBool::new(false),
            next_id: AtomicU64::new(1),
            next_wait: AtomicU64::new(Waiting::NOT + 1),
            open: Mutex::new(HashMap::new()),
            threads: Mutex::new(HashMap::new()),
            finished: Mutex::new(Vec::new()),
        });
        let for_accept = Arc::clone(&shared);
        let accept = Builder::new()
            .name(format!("{name}-accept"))
            .spawn(move || accept_loop(&listener, name, &for_accept))?;
        Ok(Server {
            shared,
            local_addr,
            accept: Some(accept),
        })
    }

    /// The bound address.
    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Connections open now.
    #[cfg(test)]
    pub(crate) fn open_connections(&self) -> usize {
        locked(&self.shared.open).len()
    }

    /// Takes no new connection, shuts all sockets down and joins all threads. Done by drop as well.
    pub(crate) fn stop(&mut self) {
        let Some(accept) = self.accept.take() else {
            return;
        };
        self.shared.stopping.store(true, Ordering::SeqCst);
        // A blocked accept() ends only with a connection.
        let mut wake = self.local_addr;
        if wake.ip().is_unspecified() {
            wake.set_ip(if wake.is_ipv4() {
                Ipv4Addr::LOCALHOST.into()
            } else {
                Ipv6Addr::LOCALHOST.into()
            });
        }
        // Without a loopback interface it cannot be woken, and ends with the process.
        if TcpStream::connect_timeout(&wake, Duration::from_secs(1)).is_ok() {
            let _ = accept.join();
        }
        for open in locked(&self.shared.open).values() {
            let _ = open.socket.shutdown(Shutdown::Both);
        }
        let threads: Vec<_> = locked(&self.shared.threads).drain().collect();
        for (_, thread) in threads {
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn accept_loop(listener: &TcpListener, name: &str, shared: &Arc<Shared>) {
    for incoming in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        for id in locked(&shared.finished).drain(..) {
            if let Some(thread) = locked(&shared.threads).remove(&id) {
                let _ = thread.join();
            }
        }
        match incoming {
            Ok(stream) => start_connection(stream, name, shared),
            // Out of file descriptors, or the peer has gone already: a pause, because this would come back at once.
            Err(_) => std::thread::park_timeout(Duration::from_millis(20)),
        }
    }
}

fn start_connection(stream: TcpStream, name: &str, shared: &Arc<Shared>) {
    if locked(&shared.open).len() >= shared.limits.connections && !make_room(shared) {
        connection::refuse_full(&stream);
        return;
    }
    let socket = Arc::new(stream);
    let id = shared.next_id.fetch_add(1, Ordering::Relaxed);
    let waiting = Arc::new(Waiting::default());
    waiting.begin(&shared.next_wait);
    let open = Open {
        socket: Arc::clone(&socket),
        waiting: Arc::clone(&waiting),
    };
    locked(&shared.open).insert(id, open);
    // Locked until the thread's handle is in the map: a thread that ends at once must find it there to be joined.
    let mut threads = locked(&shared.threads);
    let for_thread = Arc::clone(shared);
    let spawned = Builder::new()
        .name(format!("{name}-http-{}", id % 100_000))
        .spawn(move || {
            let _registered = Registered {
                id,
                shared: Arc::clone(&for_thread),
            };
            connection::serve(&socket, &for_thread, &waiting);
        });
    match spawned {
        Ok(thread) => {
            threads.insert(id, thread);
        }
        Err(_) => {
            drop(threads);
            locked(&shared.open).remove(&id);
        }
    }
}

/// Ends the connection that waits for a request for the longest time, so that peers that hold connections open without
/// using them, or send their requests slowly, keep nobody out. `false` if none waits.
fn make_room(shared: &Shared) -> bool {
    let mut open = locked(&shared.open);
    let idle = open.iter().filter_map(|(id, open)| Some((open.waiting.since()?, *id)));
    let Some((_, id)) = idle.min() else {
        return false;
    };
    if let Some(open) = open.remove(&id) {
        let _ = open.socket.shutdown(Shutdown::Both);
    }
    true
}

/// An open connection; dropping it removes the connection, however its thread ends.
struct Registered {
    id: u64,
    shared: Arc<Shared>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        locked(&self.shared.open).remove(&self.id);
        locked(&self.shared.finished).push(self.id);
    }
}

#[cfg(test)]
mod tests;
