//! Sockets with absolute deadlines for reads and writes, plain or under TLS.
//!
//! In: a connected `TcpStream` · Out: `Stream`, read and written by its owner · Thread: the owner's; `wake` from any.
//!
//! SO_RCVTIMEO restarts with every system call, and both TLS and WebSocket read in loops: a peer that sends a byte now
//! and then could keep such a loop running for ever. [`DeadlineTcp`] therefore checks the clock before each call.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustls::{ClientConnection, StreamOwned};

use super::cancel::Registration;

/// The time limit of one write: a peer that reads nothing for so long is gone.
pub(crate) const WRITE_LIMIT: Duration = Duration::from_secs(5);

/// A read that waits for nothing may return so much after its deadline, or a 64th of its time where that is less.
const LATE_AT_MOST_MS: u64 = 20;

/// The most that one system call reads where the owner decides when the system is asked for data. Its memory is used as far as
/// data comes.
const BLOCK_BYTES: usize = 128 << 10;

/// What one system call has read.
#[derive(Debug)]
struct Block {
    bytes: Box<[u8]>,
    /// Not taken yet.
    left: Range<usize>,
    /// Whether the system may be asked for the next one.
    may_read: bool,
}

impl Block {
    /// Moves bytes into `buf`; returns how many.
    fn take(&mut self, buf: &mut [u8]) -> usize {
        let count = self.left.len().min(buf.len());
        let from = self.left.start;
        buf[..count].copy_from_slice(&self.bytes[from..from + count]);
        self.left.start += count;
        count
    }
}

/// A TCP stream with an absolute deadline for reads and one for each write.
///
/// A read that reaches its deadline returns `WouldBlock` and may be repeated under a new deadline: nothing is lost. A write
/// that reaches its deadline returns `TimedOut` and ends the connection, because part of it may have been sent. On Unix,
/// `TimedOut` from a read means that the kernel has given the peer up.
#[derive(Debug)]
pub(crate) struct DeadlineTcp {
    tcp: TcpStream,
    read_deadline: Instant,
    /// The last value of SO_RCVTIMEO, in milliseconds.
    read_armed_ms: u64,
    write_limit: Duration,
    /// The deadline of the write under way; `None` between writes.
    write_deadline: Option<Instant>,
    /// The last value of SO_SNDTIMEO, in milliseconds.
    write_armed_ms: u64,
    woken: Arc<AtomicBool>,
    /// Whether data that arrives after a wake is still read.
    lingers: bool,
    /// Set where the owner decides when the system is asked for data.
    block: Option<Block>,
    _registration: Option<Registration>,
}

impl DeadlineTcp {
    /// Takes a blocking stream; `registration` lets a stop signal shut it down until it is dropped.
    pub(crate) fn new(tcp: TcpStream, read_deadline: Instant, registration: Option<Registration>) -> Self {
        Self {
            tcp,
            read_deadline,
            read_armed_ms: 0,
            write_limit: WRITE_LIMIT,
            write_deadline: None,
            write_armed_ms: 0,
            woken: Arc::new(AtomicBool::new(false)),
            lingers: false,
            block: None,
            _registration: registration,
        }
    }

    fn arm_read(&mut self, remaining: Duration) -> io::Result<()> {
        let ms = whole_ms(remaining);
        // On a busy stream many reads happen within a few milliseconds: one system call serves them all.
        let late_ms = (ms / 64).min(LATE_AT_MOST_MS);
        if !(ms..=ms + late_ms).contains(&self.read_armed_ms) {
            self.tcp.set_read_timeout(Some(Duration::from_millis(ms)))?;
            self.read_armed_ms = ms;
        }
        Ok(())
    }

    fn arm_write(&mut self, remaining: Duration) -> io::Result<()> {
        let ms = whole_ms(remaining);
        if ms != self.write_armed_ms {
            self.tcp.set_write_timeout(Some(Duration::from_millis(ms)))?;
            self.write_armed_ms = ms;
        }
        Ok(())
    }

    /// One system call that returns data; waits for it until the deadline.
    fn read_system(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let remaining = self.read_deadline.saturating_duration_since(Instant::now());
            if remaining.is_zero() || (self.woken.load(Ordering::SeqCst) && !self.lingers) {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.arm_read(remaining)?;
            match self.tcp.read(buf) {
                Ok(0) if self.woken.load(Ordering::SeqCst) => return Err(ErrorKind::WouldBlock.into()),
                Err(error) if error.kind() == ErrorKind::Interrupted || ran_out(&error) => {}
                outcome => return outcome,
            }
        }
    }

    fn begin_write(&mut self) {
        if self.write_deadline.is_none() {
            self.write_deadline = Some(Instant::now() + self.write_limit);
        }
    }

    fn end_write(&mut self) {
        self.write_deadline = None;
    }

    /// Whether nothing waits to be read and the peer has not closed, as a pooled connection must be.
    fn is_idle(&mut self) -> bool {
        if self.tcp.set_nonblocking(true).is_err() {
            return false;
        }
        let peeked = self.tcp.peek(&mut [0; 1]);
        let blocking = self.tcp.set_nonblocking(false).is_ok();
        blocking && matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }
}

/// Milliseconds, rounded up so that no wait ends early; at least 1, because zero means "no limit" to the system.
fn whole_ms(remaining: Duration) -> u64 {
    u64::try_from(remaining.as_micros().div_ceil(1000))
        .unwrap_or(u64::MAX)
        .clamp(1, 3_600_000)
}

/// Whether the error says that SO_RCVTIMEO or SO_SNDTIMEO has passed.
fn ran_out(error: &io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock || (cfg!(windows) && error.kind() == ErrorKind::TimedOut)
}

impl Read for DeadlineTcp {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Some(mut block) = self.block.take() else {
            return self.read_system(buf);
        };
        let mut outcome = Ok(());
        if block.left.is_empty() {
            outcome = match std::mem::take(&mut block.may_read) {
                true => self.read_system(&mut block.bytes).map(|count| block.left = 0..count),
                false => Err(ErrorKind::WouldBlock.into()),
            };
        }
        let taken = block.take(buf);
        self.block = Some(block);
        outcome.map(|()| taken)
    }
}

impl Write for DeadlineTcp {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        // TLS also writes while it reads (key updates, alerts): such a write has a limit of its own.
        let deadline = self.write_deadline.unwrap_or_else(|| Instant::now() + self.write_limit);
        loop {
            let remaining = deadline.saturating_duration_since(Instant::now());
            if remaining.is_zero() {
                return Err(io::Error::new(
                    ErrorKind::TimedOut,
                    "the peer does not read what is written",
                ));
            }
            self.arm_write(remaining)?;
            match self.tcp.write(buf) {
                Err(error) if error.kind() == ErrorKind::Interrupted || ran_out(&error) => {}
                outcome => return outcome,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

type TlsStream<T> = StreamOwned<ClientConnection, T>;

/// A connection to the service: plain, under TLS, or under TLS through a proxy that is itself connected to under TLS.
///
/// Where the peer closes, each of them returns `Ok(0)`, whether or not TLS was closed properly.
pub(crate) enum Stream {
    /// Without TLS.
    Plain(DeadlineTcp),
    /// TLS to the target.
    Tls(Box<TlsStream<DeadlineTcp>>),
    /// TLS to the target, inside TLS to the proxy.
    TlsInTls(Box<TlsStream<TlsStream<DeadlineTcp>>>),
}

impl Stream {
    fn base(&mut self) -> &mut DeadlineTcp {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => &mut tls.sock,
            Self::TlsInTls(tls) => &mut tls.sock.sock,
        }
    }

    /// Sets the time from which reads return `WouldBlock`.
    pub(crate) fn set_read_deadline(&mut self, deadline: Instant) {
        self.base().read_deadline = deadline;
    }

    /// From now on a read returns data that has been received already, else `WouldBlock`; only after [`Stream::allow_read`] it
    /// asks the system, once, for as much as there is.
    pub(crate) fn read_in_blocks(&mut self) {
        self.base().block = Some(Block {
            bytes: vec![0; BLOCK_BYTES].into_boxed_slice(),
            left: 0..0,
            may_read: false,
        });
    }

    /// Lets the next read that finds no data here wait until `deadline` for data from the system.
    pub(crate) fn allow_read(&mut self, deadline: Instant) {
        let base = self.base();
        base.read_deadline = deadline;
        if let Some(block) = &mut base.block {
            block.may_read = true;
        }
    }

    /// Takes back what [`Stream::allow_read`] allowed.
    pub(crate) fn forbid_read(&mut self) {
        if let Some(block) = &mut self.base().block {
            block.may_read = false;
        }
    }

    /// Sets the time that a write may take from its first byte to its last; [`WRITE_LIMIT`] by default.
    pub(crate) fn set_write_limit(&mut self, limit: Duration) {
        self.base().write_limit = limit;
    }

    /// A handle with which another thread wakes this stream's owner.
    ///
    /// # Errors
    /// The process has no file descriptor left.
    pub(crate) fn shutdown_handle(&mut self) -> io::Result<ShutdownHandle> {
        let base = self.base();
        Ok(ShutdownHandle {
            tcp: base.tcp.try_clone()?,
            woken: Arc::clone(&base.woken),
        })
    }

    /// Allows reads again after [`ShutdownHandle::wake`]: each returns what has arrived, or `WouldBlock` at once. The end of
    /// the stream then looks like "nothing yet", so the caller needs a time limit.
    pub(crate) fn linger_after_wake(&mut self) {
        self.base().lingers = true;
    }

    /// Whether the connection can be used for another exchange: it is open and no unexpected data has arrived.
    pub(crate) fn is_idle(&mut self) -> bool {
        self.base().is_idle()
    }

    /// The target's certificate in DER; `None` on a plain connection.
    #[cfg(any(test, feature = "cli"))]
    pub(crate) fn peer_certificate(&self) -> Option<&[u8]> {
        let connection = match self {
            Self::Plain(_) => return None,
            Self::Tls(tls) => &tls.conn,
            Self::TlsInTls(tls) => &tls.conn,
        };
        connection.peer_certificates()?.first().map(AsRef::as_ref)
    }

    /// Whether everything given to `write` has been handed to the system.
    fn is_drained(&self) -> bool {
        match self {
            Self::Plain(_) => true,
            Self::Tls(tls) => !tls.conn.wants_write(),
            Self::TlsInTls(tls) => !tls.conn.wants_write() && !tls.sock.conn.wants_write(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let outcome = match self {
            Self::Plain(tcp) => tcp.read(buf),
            Self::Tls(tls) => tls.read(buf),
            Self::TlsInTls(tls) => tls.read(buf),
        };
        match outcome {
            // Many servers close without TLS's close_notify; for HTTP and WebSocket this is a disconnect like any other.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(0),
            outcome => outcome,
        }
    }
}

impl Write for Stream {
    /// The deadline holds until everything is written: a partial write does not restart it.
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.base().begin_write();
        let written = match self {
            Self::Plain(tcp) => tcp.write(buf),
            Self::Tls(tls) => tls.write(buf),
            Self::TlsInTls(tls) => tls.write(buf),
        }?;
        if written == buf.len() && self.is_drained() {
            self.base().end_write();
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.base().begin_write();
        match self {
            Self::Plain(tcp) => tcp.flush(),
            Self::Tls(tls) => tls.flush(),
            Self::TlsInTls(tls) => tls.flush(),
        }?;
        if self.is_drained() {
            self.base().end_write();
        }
        Ok(())
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Stream::Plain",
            Self::Tls(_) => "Stream::Tls",
            Self::TlsInTls(_) => "Stream::TlsInTls",
        })
    }
}

/// Wakes a thread that is blocked in a [`Stream`].
#[derive(Debug)]
pub(crate) struct ShutdownHandle {
    tcp: TcpStream,
    woken: Arc<AtomicBool>,
}

impl ShutdownHandle {
    /// Ends a blocked read with `WouldBlock`, and all later ones too; writing stays possible, so that the owner can send a
    /// proper close.
    pub(crate) fn wake(&self) {
        self.woken.store(true, Ordering::SeqCst);
        // Fails only where the connection is closed already.
        let _ = self.tcp.shutdown(Shutdown::Read);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn pair() -> (Stream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let far = listener.accept().unwrap().0;
        let in_long = Instant::now() + Duration::from_secs(600);
        (Stream::Plain(DeadlineTcp::new(near, in_long, None)), far)
    }

    #[test]
    fn a_deadline_fires_while_bytes_trickle() {
        crate::net::scripted::assert_quick(Duration::from_millis(400), || {
            let (mut near, mut far) = pair();
            let dribble = std::thread::spawn(move || {
                let (_sender, never) = crossbeam_channel::bounded::<()>(0);
                // Ends when the near side is gone.
                while far.write_all(b"x").is_ok() {
                    let _ = never.recv_timeout(Duration::from_millis(5));
                }
            });
            let started = Instant::now();
            near.set_read_deadline(started + Duration::from_millis(300));
            // A loop that waits for a complete message, as TLS and WebSocket have it.
            let error = near.read_exact(&mut [0; 100_000]).unwrap_err();
            let took = started.elapsed();
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            assert!(took >= Duration::from_millis(300), "{took:?}");
            near.set_read_deadline(Instant::now() + Duration::from_secs(60));
            assert_eq!(near.read(&mut [0; 1]).unwrap(), 1, "the stream goes on afterwards");
            drop(near);
            dribble.join().unwrap();
            took
        });
    }

    #[test]
    fn a_write_that_nobody_reads_fails() {
        crate::net::scripted::assert_quick(Duration::from_secs(3), || {
            let (mut near, _far) = pair();
            near.set_write_limit(Duration::from_millis(100));
            let started = Instant::now();
            let error = near.write_all(&vec![0; 64 << 20]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            started.elapsed()
        });
    }

    #[test]
    fn a_slow_reader_does_not_extend_the_limit() {
        crate::net::scripted::assert_quick(Duration::from_millis(900), || {
            let (mut near, mut far) = pair();
            near.set_write_limit(Duration::from_millis(300));
            let reader = std::thread::spawn(move || {
                let (_sender, never) = crossbeam_channel::bounded::<()>(0);
                let mut some = vec![0; 64 << 10];
                while far.read(&mut some).is_ok_and(|n| n > 0) {
                    let _ = never.recv_timeout(Duration::from_millis(20));
                }
            });
            let started = Instant::now();
            let error = near.write_all(&vec![0; 64 << 20]).unwrap_err();
            let took = started.elapsed();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            drop(near);
            reader.join().unwrap();
            took
        });
    }

    #[test]
    fn each_finished_write_has_its_own_limit() {
        let (mut near, far) = pair();
        near.set_write_limit(Duration::from_millis(30));
        near.write_all(b"one").unwrap();
        near.set_read_deadline(Instant::now() + Duration::from_millis(60));
        assert_eq!(near.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
        near.write_all(b"two").unwrap();
        near.flush().unwrap();
        drop(far);
    }

    #[test]
    fn waking_leaves_writing_possible() {
        let (mut near, mut far) = pair();
        let handle = near.shutdown_handle().unwrap();
        let owner = std::thread::spawn(move || {
            let error = near.read(&mut [0; 1]).unwrap_err();
            near.write_all(b"bye").unwrap();
            near.linger_after_wake();
            let until = Instant::now() + Duration::from_secs(60);
            let mut heard = Vec::new();
            let mut buf = [0; 16];
            while heard != b"late" && Instant::now() < until {
                match near.read(&mut buf) {
                    Ok(count) => heard.extend_from_slice(&buf[..count]),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
            }
            (error.kind(), heard)
        });
        handle.wake();
        let mut heard = [0; 3];
        far.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"bye");
        far.write_all(b"late").unwrap();
        assert_eq!(owner.join().unwrap(), (ErrorKind::WouldBlock, b"late".to_vec()));
    }

    #[test]
    fn in_blocks_the_system_is_asked_only_where_that_is_allowed() {
        let (mut near, mut far) = pair();
        near.read_in_blocks();
        far.write_all(b"one two").unwrap();
        let in_long = Instant::now() + Duration::from_secs(60);
        let mut buf = [0; 4];
        assert_eq!(near.read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        near.allow_read(in_long);
        assert_eq!((near.read(&mut buf).unwrap(), &buf), (4, b"one "));
        assert_eq!(
            (near.read(&mut buf).unwrap(), &buf[..3]),
            (3, &b"two"[..]),
            "it is here"
        );
        far.write_all(b"more").unwrap();
        assert_eq!(near.read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        near.allow_read(in_long);
        near.forbid_read();
        assert_eq!(near.read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        near.allow_read(in_long);
        assert_eq!((near.read(&mut buf).unwrap(), &buf), (4, b"more"));
        near.allow_read(Instant::now() + Duration::from_millis(2));
        assert_eq!(near.read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        drop(far);
        near.allow_read(in_long);
        assert_eq!(near.read(&mut buf).unwrap(), 0);
    }

    #[test]
    fn idle_means_open_and_quiet() {
        let (mut near, mut far) = pair();
        assert!(near.is_idle());
        far.write_all(b"x").unwrap();
        near.set_read_deadline(Instant::now() + Duration::from_secs(60));
        // Waits until the byte has arrived, without taking it.
        if let Stream::Plain(tcp) = &near {
            tcp.tcp.peek(&mut [0; 1]).unwrap();
        }
        assert!(!near.is_idle());
        assert_eq!(near.read(&mut [0; 1]).unwrap(), 1);
        drop(far);
        assert_eq!(near.read(&mut [0; 1]).unwrap(), 0);
        assert!(!near.is_idle());
    }
}
