//! The writing side of a socket: a bounded queue of encoded frames and the thread that writes them.
//!
//! In: frames from any thread, without waiting · Out: bytes on the connection, heartbeats · Thread: `sim-write-N`.
//!
//! Frames are encoded once and shared by all sockets. A peer whose queue is full is disconnected, so that a slow client
//! cannot delay the centre.

use super::frame::{Frame, frame};
use super::socket_faults::{DelayedFrames, Halt, Halts, SocketFaults};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, never, select};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// Frames are gathered into one write up to about this many bytes.
const WRITE_BYTES: usize = 64 * 1024;
/// How long the peer may take to answer our close frame.
const CLOSE_TIME: Duration = Duration::from_secs(1);
/// A write that makes no progress for this long ends the connection.
const STALL_TIME: Duration = Duration::from_secs(30);
/// Frames of `/sim/flood` that may wait, in a queue of their own.
const BULK_FRAMES: usize = 64;

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// Counts for `/sim/state`.
#[derive(Default)]
pub(in crate::simulator) struct Counters {
    pub frames_sent: AtomicU64,
    pub requests: AtomicU64,
}

enum Item {
    Frame(Frame),
    Close(Frame),
    End,
}

/// The queue of frames for one socket.
pub(in crate::simulator) struct Outbox {
    /// Unique in this process.
    pub id: u64,
    queue: Sender<Item>,
    bulk: Sender<Frame>,
    // `None` after the end, so that this handle does not keep the connection open.
    stream: Mutex<Option<TcpStream>>,
    dead: AtomicBool,
    socket_faults: Arc<SocketFaults>,
    halts: Halts,
    delayed: Mutex<DelayedFrames>,
}

impl Outbox {
    /// Starts the writer of a connection.
    pub(super) fn open(
        stream: &TcpStream,
        frames: usize,
        heartbeat: Option<(Duration, Frame)>,
        (counters, socket_faults): (&Arc<Counters>, &Arc<SocketFaults>),
    ) -> Option<(Arc<Outbox>, JoinHandle<()>)> {
        let (queue, from_queue) = bounded(frames);
        let (bulk, from_bulk) = bounded(BULK_FRAMES);
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let writing = stream.try_clone().ok()?;
        let _ = writing.set_write_timeout(Some(STALL_TIME));
        let outbox = Arc::new(Outbox {
            id,
            queue,
            bulk,
            stream: Mutex::new(Some(stream.try_clone().ok()?)),
            dead: AtomicBool::new(false),
            socket_faults: Arc::clone(socket_faults),
            halts: Halts::default(),
            delayed: Mutex::new(DelayedFrames::new(id)),
        });
        let writer = Writer {
            stream: writing,
            outbox: Arc::clone(&outbox),
            from_queue,
            from_bulk,
            heartbeat,
            counters: Arc::clone(counters),
        };
        let thread = Builder::new()
            .name(format!("sim-write-{}", id % 10_000))
            .spawn(move || writer.run())
            .ok()?;
        Some((outbox, thread))
    }

    /// Queues a frame. If the queue is full, the peer is too slow and is disconnected.
    pub(in crate::simulator) fn send(&self, frame: Frame) {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(Item::Frame(frame)) {
            self.cut();
        }
    }

    /// Queues an event's frame; with faults set, it may be sent twice or after later frames.
    pub(in crate::simulator) fn send_event(&self, frame: Frame) {
        let now = self.delayed().pass(frame, &self.socket_faults);
        now.into_iter().for_each(|frame| self.send(frame));
    }

    /// Queues the frames that were delayed.
    pub(in crate::simulator) fn send_delayed(&self) {
        let rest = self.delayed().rest();
        rest.into_iter().for_each(|frame| self.send(frame));
    }

    /// Whether frames are delayed.
    pub(in crate::simulator) fn has_delayed(&self) -> bool {
        !self.delayed().is_empty()
    }

    fn delayed(&self) -> MutexGuard<'_, DelayedFrames> {
        self.delayed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops writing until `end`; frames wait in the queue.
    pub(in crate::simulator) fn silence(&self, end: Instant) {
        self.halts.begin(Halt::Writing, end);
    }

    /// Stops reading and writing until `end`.
    pub(in crate::simulator) fn stall(&self, end: Instant) {
        self.halts.begin(Halt::Writing, end);
        self.halts.begin(Halt::Reading, end);
    }

    /// Queues one frame of `/sim/flood`; waits for room up to `limit`. False if there was none.
    pub(in crate::simulator) fn send_bulk(&self, frame: Frame, limit: Duration) -> bool {
        !self.dead.load(Ordering::Relaxed) && self.bulk.send_timeout(frame, limit).is_ok()
    }

    /// Sends a close frame after the frames in the queue.
    pub(in crate::simulator) fn close(&self, code: u16, reason: &str) {
        self.send_delayed();
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend_from_slice(reason.as_bytes().get(..reason.len().min(120)).unwrap_or_default());
        if self.queue.try_send(Item::Close(frame(0x8, &payload))).is_err() {
            self.cut();
        }
    }

    /// Ends the connection without a close frame.
    pub(in crate::simulator) fn cut(&self) {
        self.dead.store(true, Ordering::SeqCst);
        self.halts.wake();
        if let Some(stream) = self.stream.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Wakes a writer that waits for something to write.
        let _ = self.queue.try_send(Item::End);
    }

    /// Resets the connection: the peer sees an error instead of an end.
    pub(in crate::simulator) fn reset(&self) {
        self.dead.store(true, Ordering::SeqCst);
        self.halts.wake();
        if let Some(stream) = self.stream.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            // With a linger time of zero, closing the last handle sends RST. Shutting down the reading side wakes the
            // reading thread, which holds a handle too.
            let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
            let _ = stream.shutdown(Shutdown::Read);
        }
        let _ = self.queue.try_send(Item::End);
    }

    /// Called when reading has ended: the writer writes the frames in the queue and ends.
    pub(super) fn finish(&self) {
        // A socket that must not write does not write its queue either.
        if self.halts.is(Halt::Writing) || self.queue.try_send(Item::End).is_err() {
            self.cut();
        }
    }
}

/// The thread that writes.
struct Writer {
    stream: TcpStream,
    outbox: Arc<Outbox>,
    from_queue: Receiver<Item>,
    from_bulk: Receiver<Frame>,
    heartbeat: Option<(Duration, Frame)>,
    counters: Arc<Counters>,
}

impl Writer {
    fn run(mut self) {
        self.write_all();
        let reset = self.outbox.dead.load(Ordering::SeqCst);
        self.outbox.dead.store(true, Ordering::SeqCst);
        if !reset {
            let _ = self.stream.shutdown(Shutdown::Both);
        }
        *self.outbox.stream.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn write_all(&mut self) {
        let mut next_heartbeat = self.heartbeat.as_ref().map(|(every, _)| Instant::now() + *every);
        let mut closing: Option<Instant> = None;
        let mut bytes = Vec::new();
        let no_bulk = never();
        while !self.outbox.dead.load(Ordering::SeqCst) {
            let now = Instant::now();
            if let (Some(at), Some((every, frame))) = (next_heartbeat, &self.heartbeat)
                && at <= now
                && closing.is_none()
            {
                if !self.outbox.socket_faults.no_heartbeat.load(Ordering::Relaxed) {
                    bytes.extend_from_slice(frame);
                    self.counters.frames_sent.fetch_add(1, Ordering::Relaxed);
                }
                next_heartbeat = Some(now + *every);
            }
            if closing.is_some_and(|limit| limit <= now) {
                return;
            }
            if bytes.is_empty() {
                let wake = closing
                    .or(next_heartbeat)
                    .map_or(Duration::from_secs(3600), |at| at.saturating_duration_since(now));
                let bulk = if closing.is_some() { &no_bulk } else { &self.from_bulk };
                let item = select! {
                    recv(self.from_queue) -> item => item.ok(),
                    recv(bulk) -> frame => frame.ok().map(Item::Frame),
                    default(wake) => continue,
                };
                if !self.take(item, &mut bytes, &mut closing) {
                    return;
                }
            }
            while bytes.len() < WRITE_BYTES {
                let item = match self.from_queue.try_recv() {
                    Ok(item) => item,
                    Err(_) => match self.from_bulk.try_recv() {
                        Ok(frame) => Item::Frame(frame),
                        Err(_) => break,
                    },
                };
                if !self.take(Some(item), &mut bytes, &mut closing) {
                    let _ = self.write(&bytes);
                    return;
                }
            }
            if self.write(&bytes).is_err() {
                return;
            }
            bytes.clear();
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (outbox, mut left) = (&self.outbox, bytes);
        outbox.halts.wait(Halt::Writing, &outbox.dead, &outbox.socket_faults);
        while let (ms @ 1.., Some((first, rest))) = (
            outbox.socket_faults.dribble_ms.load(Ordering::Relaxed),
            left.split_first(),
        ) {
            if outbox.dead.load(Ordering::SeqCst) || outbox.socket_faults.stopping.load(Ordering::SeqCst) {
                break;
            }
            self.stream.write_all(&[*first])?;
            left = rest;
            std::thread::sleep(Duration::from_millis(ms));
        }
        if outbox.dead.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::NotConnected.into());
        }
        self.stream.write_all(left)
    }

    /// Adds an item to `bytes`. False if it was the end.
    fn take(&self, item: Option<Item>, bytes: &mut Vec<u8>, closing: &mut Option<Instant>) -> bool {
        match item {
            // Nothing is written after our close frame.
            Some(Item::Frame(_) | Item::Close(_)) if closing.is_some() => true,
            Some(Item::Frame(frame)) => {
                bytes.extend_from_slice(&frame);
                self.counters.frames_sent.fetch_add(1, Ordering::Relaxed);
                true
            }
            Some(Item::Close(frame)) => {
                bytes.extend_from_slice(&frame);
                *closing = Some(Instant::now() + CLOSE_TIME);
                true
            }
            Some(Item::End) | None => false,
        }
    }
}

/// The connection for tungstenite, which reads from it, and writes its pongs and answers to close frames to it.
pub(super) struct SocketIo {
    stream: TcpStream,
    outbox: Arc<Outbox>,
}

impl SocketIo {
    pub(super) fn new(stream: TcpStream, outbox: Arc<Outbox>) -> Self {
        SocketIo { stream, outbox }
    }
}

impl Read for SocketIo {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        let outbox = &self.outbox;
        // After the read, in which the thread is most of the time; the bytes are used when reading is allowed again.
        outbox.halts.wait(Halt::Reading, &outbox.dead, &outbox.socket_faults);
        Ok(read)
    }
}

impl Write for SocketIo {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outbox.send(bytes.into());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_carry_their_length_in_three_forms() {
        assert_eq!(&frame(1, b"hi")[..], b"\x81\x02hi");
        assert_eq!(&frame(1, &[b'x'; 300])[..4], &[0x81, 126, 1, 44]);
        let long = frame(1, &vec![b'x'; 70_000]);
        assert_eq!(&long[..10], &[0x81, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70]);
        assert_eq!(long.len(), 70_010);
    }
}
