//! The writing half of a socket: a bounded queue of ready frames and the thread that writes them.
//!
//! In: frames from any thread, never waiting · Out: bytes on the connection, heartbeats · Thread: `sim-write-N`.
//!
//! Frames are encoded once and shared by all sockets. A peer that falls further behind than the queue holds is cut off, so
//! that no slow client can hold up the centre.

use super::frame::{Frame, frame};
use super::weather::{Late, Spell, Spells, Weather};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, never, select};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// Frames are gathered into one write up to about this many bytes.
const WRITE_BYTES: usize = 64 * 1024;
/// After our close frame the peer gets this long to answer with its own.
const CLOSE_TIME: Duration = Duration::from_secs(1);
/// A write that makes no progress for this long ends the connection.
const STALL_TIME: Duration = Duration::from_secs(30);
/// Frames of a flood that may wait beside the ordinary queue.
const BULK_FRAMES: usize = 64;

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// What the simulator has done so far, for `/sim/state`.
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

/// Where everybody puts frames for one socket.
pub(in crate::simulator) struct Outbox {
    /// Tells sockets apart.
    pub id: u64,
    queue: Sender<Item>,
    bulk: Sender<Frame>,
    // Emptied at the end, so that nobody keeps the connection half alive.
    stream: Mutex<Option<TcpStream>>,
    dead: AtomicBool,
    weather: Arc<Weather>,
    spells: Spells,
    late: Mutex<Late>,
}

impl Outbox {
    /// Starts the writer of a connection.
    pub(super) fn open(
        stream: &TcpStream,
        frames: usize,
        heartbeat: Option<(Duration, Frame)>,
        (counters, weather): (&Arc<Counters>, &Arc<Weather>),
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
            weather: Arc::clone(weather),
            spells: Spells::default(),
            late: Mutex::new(Late::new(id)),
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

    /// Puts a frame into the queue. If it is full, the peer is too slow and is cut off.
    pub(in crate::simulator) fn send(&self, frame: Frame) {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(Item::Frame(frame)) {
            self.cut();
        }
    }

    /// Sends an event's frame as the weather is: twice, or later than others, or as it comes.
    pub(in crate::simulator) fn send_event(&self, frame: Frame) {
        let now = self.late().pass(frame, &self.weather);
        now.into_iter().for_each(|frame| self.send(frame));
    }

    /// Sends what was held back.
    pub(in crate::simulator) fn send_late(&self) {
        let rest = self.late().rest();
        rest.into_iter().for_each(|frame| self.send(frame));
    }

    /// Whether something is held back.
    pub(in crate::simulator) fn has_late(&self) -> bool {
        !self.late().is_empty()
    }

    fn late(&self) -> MutexGuard<'_, Late> {
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes nothing until then; what is to be sent waits.
    pub(in crate::simulator) fn silence(&self, end: Instant) {
        self.spells.begin(Spell::Silent, end);
    }

    /// Neither reads nor writes until then.
    pub(in crate::simulator) fn stall(&self, end: Instant) {
        self.spells.begin(Spell::Silent, end);
        self.spells.begin(Spell::Deaf, end);
    }

    /// Puts one frame of a flood beside the queue, waiting for room up to `limit`. False when there was none.
    pub(in crate::simulator) fn send_bulk(&self, frame: Frame, limit: Duration) -> bool {
        !self.dead.load(Ordering::Relaxed) && self.bulk.send_timeout(frame, limit).is_ok()
    }

    /// Closes from our side after what waits already.
    pub(in crate::simulator) fn close(&self, code: u16, reason: &str) {
        self.send_late();
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend_from_slice(reason.as_bytes().get(..reason.len().min(120)).unwrap_or_default());
        if self.queue.try_send(Item::Close(frame(0x8, &payload))).is_err() {
            self.cut();
        }
    }

    /// Cuts the connection off without a word.
    pub(in crate::simulator) fn cut(&self) {
        self.dead.store(true, Ordering::SeqCst);
        self.spells.wake();
        if let Some(stream) = self.stream.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Wakes a writer that waits for something to write.
        let _ = self.queue.try_send(Item::End);
    }

    /// Resets the connection: the peer sees an error, not an end.
    pub(in crate::simulator) fn reset(&self) {
        self.dead.store(true, Ordering::SeqCst);
        self.spells.wake();
        if let Some(stream) = self.stream.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            // With no time to linger, closing the last handle sends RST; reading is shut down to wake the reader, who
            // would otherwise keep a handle.
            let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
            let _ = stream.shutdown(Shutdown::Read);
        }
        let _ = self.queue.try_send(Item::End);
    }

    /// The reader is done: the writer writes what waits and ends.
    pub(super) fn finish(&self) {
        // A silent socket has no last words.
        if self.spells.is(Spell::Silent) || self.queue.try_send(Item::End).is_err() {
            self.cut();
        }
    }
}

/// The writer's own side.
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
        let mut next_beat = self.heartbeat.as_ref().map(|(every, _)| Instant::now() + *every);
        let mut closing: Option<Instant> = None;
        let mut bytes = Vec::new();
        let no_bulk = never();
        while !self.outbox.dead.load(Ordering::SeqCst) {
            let now = Instant::now();
            if let (Some(at), Some((every, frame))) = (next_beat, &self.heartbeat)
                && at <= now
                && closing.is_none()
            {
                if !self.outbox.weather.no_heartbeat.load(Ordering::Relaxed) {
                    bytes.extend_from_slice(frame);
                    self.counters.frames_sent.fetch_add(1, Ordering::Relaxed);
                }
                next_beat = Some(now + *every);
            }
            if closing.is_some_and(|limit| limit <= now) {
                return;
            }
            if bytes.is_empty() {
                let wake = closing
                    .or(next_beat)
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
        outbox.spells.wait(Spell::Silent, &outbox.dead, &outbox.weather);
        while let (ms @ 1.., Some((first, rest))) =
            (outbox.weather.dribble_ms.load(Ordering::Relaxed), left.split_first())
        {
            if outbox.dead.load(Ordering::SeqCst) || outbox.weather.stopping.load(Ordering::SeqCst) {
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

    /// False when this was the end.
    fn take(&self, item: Option<Item>, bytes: &mut Vec<u8>, closing: &mut Option<Instant>) -> bool {
        match item {
            // Nothing follows our close frame but the end.
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

/// What tungstenite reads from and writes its own pongs and close answers to.
pub(super) struct Half {
    stream: TcpStream,
    outbox: Arc<Outbox>,
}

impl Half {
    pub(super) fn new(stream: TcpStream, outbox: Arc<Outbox>) -> Self {
        Half { stream, outbox }
    }
}

impl Read for Half {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        let outbox = &self.outbox;
        // After the read, since the thread stands in it most of the time; what it brought is not looked at until then.
        outbox.spells.wait(Spell::Deaf, &outbox.dead, &outbox.weather);
        Ok(read)
    }
}

impl Write for Half {
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
