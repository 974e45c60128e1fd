//! Faults of sockets: settings for all sockets, and halts of reading and writing for one.
//!
//! In: control calls · Out: waits, repeated and delayed frames · Thread: any.

use super::frame::Frame;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many frames may be sent before a delayed one, at most.
const MOST_OVERTAKING: usize = 5;
/// How often a waiting thread checks whether the simulator stops.
const LOOK: Duration = Duration::from_millis(50);

/// Settings of all sockets.
#[derive(Default)]
pub(in crate::simulator) struct SocketFaults {
    pub duplicate_percent: AtomicU64,
    pub reorder_percent: AtomicU64,
    /// Pause after each byte; 0 for none.
    pub dribble_ms: AtomicU64,
    pub no_heartbeat: AtomicBool,
    pub stopping: AtomicBool,
}

/// The halts of one socket.
#[derive(Default)]
pub(super) struct Halts {
    until: Mutex<Until>,
    changed: Condvar,
}

#[derive(Default, Clone, Copy)]
struct Until {
    writing: Option<Instant>,
    reading: Option<Instant>,
}

/// What a socket stops doing for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Halt {
    Writing,
    Reading,
}

impl Halts {
    fn until(&self) -> MutexGuard<'_, Until> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self, halt: Halt, end: Instant) {
        let mut until = self.until();
        match halt {
            Halt::Writing => until.writing = Some(end),
            Halt::Reading => until.reading = Some(end),
        }
        drop(until);
        self.changed.notify_all();
    }

    pub(super) fn wake(&self) {
        self.changed.notify_all();
    }

    pub(super) fn is(&self, halt: Halt) -> bool {
        let now = Instant::now();
        self.until().of(halt).is_some_and(|end| end > now)
    }

    /// Waits until the halt is over, or the socket or the simulator ends.
    pub(super) fn wait(&self, halt: Halt, dead: &AtomicBool, socket_faults: &SocketFaults) {
        let mut until = self.until();
        while !dead.load(Ordering::SeqCst) && !socket_faults.stopping.load(Ordering::SeqCst) {
            let now = Instant::now();
            let Some(left) = until.of(halt).map(|end| end.saturating_duration_since(now)) else {
                return;
            };
            if left.is_zero() {
                return;
            }
            let waited = self.changed.wait_timeout(until, left.min(LOOK));
            until = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Until {
    fn of(&self, halt: Halt) -> Option<Instant> {
        match halt {
            Halt::Writing => self.writing,
            Halt::Reading => self.reading,
        }
    }
}

/// Frames that are delayed so that later ones are sent first.
pub(super) struct DelayedFrames {
    held: Vec<(usize, Frame)>,
    rng: fastrand::Rng,
}

impl DelayedFrames {
    pub(super) fn new(seed: u64) -> Self {
        DelayedFrames {
            held: Vec::new(),
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    /// Takes a frame, and returns the frames to send now.
    pub(super) fn pass(&mut self, frame: Frame, socket_faults: &SocketFaults) -> Vec<Frame> {
        let mut chance = |percent: &AtomicU64| {
            let percent = percent.load(Ordering::Relaxed);
            percent > 0 && self.rng.u64(..100) < percent
        };
        let copies = 1 + usize::from(chance(&socket_faults.duplicate_percent));
        let late = chance(&socket_faults.reorder_percent);
        let mut out = Vec::with_capacity(copies);
        for copy in 0..copies {
            // Of two copies the second is delayed, so that repetitions are out of order too.
            if late && copy + 1 == copies {
                let overtaking = self.rng.usize(1..=MOST_OVERTAKING);
                self.held.push((overtaking + 1, frame.clone()));
            } else {
                out.push(frame.clone());
            }
        }
        for (left, _) in &mut self.held {
            *left -= 1;
        }
        out.extend(self.held.extract_if(.., |(left, _)| *left == 0).map(|(_, frame)| frame));
        out
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// All delayed frames.
    pub(super) fn rest(&mut self) -> Vec<Frame> {
        self.held.drain(..).map(|(_, frame)| frame).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::text_frame;
    use super::*;

    #[test]
    fn every_frame_is_sent_although_late_or_twice() {
        let socket_faults = SocketFaults::default();
        socket_faults.reorder_percent.store(40, Ordering::Relaxed);
        socket_faults.duplicate_percent.store(30, Ordering::Relaxed);
        let mut late = DelayedFrames::new(5);
        let frames: Vec<Frame> = (0..500).map(|i| text_frame(&i.to_string())).collect();
        let mut out: Vec<Frame> = frames
            .iter()
            .flat_map(|f| late.pass(f.clone(), &socket_faults))
            .collect();
        out.extend(late.rest());
        assert!(out.len() > 600 && out.len() < 700, "{}", out.len());
        assert!(frames.iter().all(|f| out.contains(f)));
        let place = |f: &Frame| out.iter().position(|o| o == f).unwrap();
        let overtaken = frames.windows(2).filter(|p| place(&p[0]) > place(&p[1])).count();
        assert!(overtaken > 50, "{overtaken}");
    }

    #[test]
    fn without_faults_frames_are_sent_as_they_come() {
        let mut late = DelayedFrames::new(5);
        let frame = text_frame("x");
        assert_eq!(late.pass(frame.clone(), &SocketFaults::default()), [frame]);
        assert!(late.rest().is_empty());
    }
}
