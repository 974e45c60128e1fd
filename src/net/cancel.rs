//! The stop signal, which ends every wait, socket and dial.
//!
//! In: `cancel()` from any thread · Out: a flag, a disconnected channel, sockets shut down · Thread: any (one mutex, held briefly).

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

/// The message of a channel on which nothing is ever sent: receivers wait for its disconnection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Never {}

/// How a [`Cancel::wait`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// By the signal.
    Cancelled,
    /// By the time limit.
    TimedOut,
}

/// A stop signal; once given it stays given. Clones are the same signal.
#[derive(Clone)]
pub(crate) struct Cancel(Arc<Scope>);

struct Scope {
    cancelled: AtomicBool,
    ended: Receiver<Never>,
    state: Mutex<State>,
}

struct State {
    /// Dropped when the signal is given, which disconnects every receiver.
    sender: Option<Sender<Never>>,
    sockets: BTreeMap<u64, TcpStream>,
    next_socket: u64,
    children: Vec<Weak<Scope>>,
}

impl Scope {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cancel(&self) {
        // Before any socket is shut down: a thread that wakes from a read must find the flag set.
        self.cancelled.store(true, Ordering::SeqCst);
        let children = {
            let mut state = self.state();
            state.sender = None;
            for socket in state.sockets.values() {
                // Fails only where the peer has closed already.
                let _ = socket.shutdown(Shutdown::Both);
            }
            std::mem::take(&mut state.children)
        };
        for child in children.iter().filter_map(Weak::upgrade) {
            child.cancel();
        }
    }
}

impl Cancel {
    /// A new signal without a parent.
    pub(crate) fn new() -> Self {
        let (sender, ended) = crossbeam_channel::bounded(0);
        Self(Arc::new(Scope {
            cancelled: AtomicBool::new(false),
            ended,
            state: Mutex::new(State {
                sender: Some(sender),
                sockets: BTreeMap::new(),
                next_socket: 0,
                children: Vec::new(),
            }),
        }))
    }

    /// A child: given together with this signal, or alone.
    pub(crate) fn child(&self) -> Self {
        let child = Self::new();
        let late = {
            let mut state = self.0.state();
            state.children.retain(|known| known.strong_count() > 0);
            state.children.push(Arc::downgrade(&child.0));
            self.is_cancelled()
        };
        if late {
            child.cancel();
        }
        child
    }

    /// Gives the signal: sets the flag, then disconnects receivers, shuts registered sockets down and cancels children.
    /// Further calls change nothing.
    pub(crate) fn cancel(&self) {
        self.0.cancel();
    }

    /// Whether the signal was given.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    /// A channel that disconnects when the signal is given, for `select!`.
    pub(crate) fn receiver(&self) -> &Receiver<Never> {
        &self.0.ended
    }

    /// Waits for the signal, at most `timeout`.
    pub(crate) fn wait(&self, timeout: Duration) -> Waited {
        match self.0.ended.recv_timeout(timeout) {
            Ok(never) => match never {},
            Err(RecvTimeoutError::Disconnected) => Waited::Cancelled,
            Err(RecvTimeoutError::Timeout) => Waited::TimedOut,
        }
    }

    /// Until the registration is dropped, shuts `socket` down in both directions when the signal is given; at once if it
    /// was given already.
    ///
    /// # Errors
    /// The process has no file descriptor left for the second handle.
    pub(crate) fn register(&self, socket: &TcpStream) -> io::Result<Registration> {
        let handle = socket.try_clone()?;
        let mut state = self.0.state();
        // Under the lock, so that a signal given at the same time either finds the socket in the table or is seen here.
        if self.is_cancelled() {
            let _ = handle.shutdown(Shutdown::Both);
        }
        let id = state.next_socket;
        state.next_socket += 1;
        state.sockets.insert(id, handle);
        drop(state);
        Ok(Registration {
            scope: Arc::clone(&self.0),
            id,
        })
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancel")
            .field("cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

/// A socket registered with a [`Cancel`]; dropping this unregisters the socket without closing it.
pub(crate) struct Registration {
    scope: Arc<Scope>,
    id: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let handle = self.scope.state().sockets.remove(&self.id);
        drop(handle);
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Registration")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::TcpListener;
    use std::time::Instant;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (near, listener.accept().unwrap().0)
    }

    #[test]
    fn a_blocked_reader_wakes_and_finds_the_flag_set() {
        let (mut near, _far) = pair();
        let cancel = Cancel::new();
        let registration = cancel.register(&near).unwrap();
        let seen = cancel.clone();
        let reader = std::thread::spawn(move || {
            let read = near.read(&mut [0; 1]);
            (read.unwrap_or(0), seen.is_cancelled())
        });
        cancel.cancel();
        assert_eq!(reader.join().unwrap(), (0, true));
        drop(registration);
    }

    #[test]
    fn a_late_registration_is_shut_at_once() {
        let (mut near, _far) = pair();
        let cancel = Cancel::new();
        cancel.cancel();
        let _registration = cancel.register(&near).unwrap();
        assert_eq!(near.read(&mut [0; 1]).unwrap(), 0);
    }

    #[test]
    fn a_dropped_registration_leaves_the_socket_open() {
        let (mut near, far) = pair();
        let cancel = Cancel::new();
        drop(cancel.register(&near).unwrap());
        cancel.cancel();
        near.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        assert_eq!(
            near.read(&mut [0; 1]).unwrap_err().kind(),
            io::ErrorKind::WouldBlock,
            "still open"
        );
        drop(far);
    }

    #[test]
    fn children_end_with_the_parent_or_alone() {
        let run = Cancel::new();
        let (one, two) = (run.child(), run.child());
        one.cancel();
        assert!(one.is_cancelled() && !two.is_cancelled() && !run.is_cancelled());
        run.cancel();
        assert!(two.is_cancelled());
        assert!(run.child().is_cancelled(), "created after the signal");
        assert_eq!(two.wait(Duration::from_secs(5)), Waited::Cancelled);
    }

    #[test]
    fn a_wait_ends_by_time_or_by_the_signal() {
        let cancel = Cancel::new();
        assert_eq!(cancel.wait(Duration::from_millis(1)), Waited::TimedOut);
        let other = cancel.clone();
        let waiter = std::thread::spawn(move || other.wait(Duration::from_secs(600)));
        let started = Instant::now();
        cancel.cancel();
        assert_eq!(waiter.join().unwrap(), Waited::Cancelled);
        assert!(started.elapsed() < Duration::from_secs(60));
    }
}
