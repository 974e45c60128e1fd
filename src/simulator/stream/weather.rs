//! What sockets suffer: settings for all of them, and spells of silence for one.
//!
//! In: control calls · Out: waits and changes for the sockets' threads · Thread: any.

use super::frame::Frame;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A held-back frame lets so many others pass at most.
const MOST_OVERTAKING: usize = 5;
/// How often a waiting thread looks whether the simulator stops.
const LOOK: Duration = Duration::from_millis(50);

/// Settings that hold for all sockets until they are changed.
#[derive(Default)]
pub(in crate::simulator) struct Weather {
    pub duplicate_percent: AtomicU64,
    pub reorder_percent: AtomicU64,
    /// Between two bytes; 0 writes as fast as it goes.
    pub dribble_ms: AtomicU64,
    pub no_heartbeat: AtomicBool,
    pub stopping: AtomicBool,
}

/// One socket's spells.
#[derive(Default)]
pub(super) struct Spells {
    until: Mutex<Until>,
    changed: Condvar,
}

#[derive(Default, Clone, Copy)]
struct Until {
    silent: Option<Instant>,
    deaf: Option<Instant>,
}

/// What a socket does not do for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spell {
    /// Writes nothing.
    Silent,
    /// Reads nothing.
    Deaf,
}

impl Spells {
    fn until(&self) -> MutexGuard<'_, Until> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self, spell: Spell, end: Instant) {
        let mut until = self.until();
        match spell {
            Spell::Silent => until.silent = Some(end),
            Spell::Deaf => until.deaf = Some(end),
        }
        drop(until);
        self.changed.notify_all();
    }

    pub(super) fn wake(&self) {
        self.changed.notify_all();
    }

    pub(super) fn is(&self, spell: Spell) -> bool {
        let now = Instant::now();
        self.until().of(spell).is_some_and(|end| end > now)
    }

    /// Waits until the spell is over, or the socket or the simulator ends.
    pub(super) fn wait(&self, spell: Spell, dead: &AtomicBool, weather: &Weather) {
        let mut until = self.until();
        while !dead.load(Ordering::SeqCst) && !weather.stopping.load(Ordering::SeqCst) {
            let now = Instant::now();
            let Some(left) = until.of(spell).map(|end| end.saturating_duration_since(now)) else {
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
    fn of(&self, spell: Spell) -> Option<Instant> {
        match spell {
            Spell::Silent => self.silent,
            Spell::Deaf => self.deaf,
        }
    }
}

/// Frames held back so that others overtake them, and the dice.
pub(super) struct Late {
    held: Vec<(usize, Frame)>,
    rng: fastrand::Rng,
}

impl Late {
    pub(super) fn new(seed: u64) -> Self {
        Late {
            held: Vec::new(),
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    /// What is to be sent now that this frame has come.
    pub(super) fn pass(&mut self, frame: Frame, weather: &Weather) -> Vec<Frame> {
        let mut lot = |percent: &AtomicU64| {
            let percent = percent.load(Ordering::Relaxed);
            percent > 0 && self.rng.u64(..100) < percent
        };
        let copies = 1 + usize::from(lot(&weather.duplicate_percent));
        let late = lot(&weather.reorder_percent);
        let mut out = Vec::with_capacity(copies);
        for copy in 0..copies {
            // Of two copies the second is the late one, so that repetitions come out of order as well.
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

    /// Everything held back.
    pub(super) fn rest(&mut self) -> Vec<Frame> {
        self.held.drain(..).map(|(_, frame)| frame).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::text_frame;
    use super::*;

    #[test]
    fn every_frame_comes_though_late_or_twice() {
        let weather = Weather::default();
        weather.reorder_percent.store(40, Ordering::Relaxed);
        weather.duplicate_percent.store(30, Ordering::Relaxed);
        let mut late = Late::new(5);
        let frames: Vec<Frame> = (0..500).map(|i| text_frame(&i.to_string())).collect();
        let mut out: Vec<Frame> = frames.iter().flat_map(|f| late.pass(f.clone(), &weather)).collect();
        out.extend(late.rest());
        assert!(out.len() > 600 && out.len() < 700, "{}", out.len());
        assert!(frames.iter().all(|f| out.contains(f)));
        let place = |f: &Frame| out.iter().position(|o| o == f).unwrap();
        let overtaken = frames.windows(2).filter(|p| place(&p[0]) > place(&p[1])).count();
        assert!(overtaken > 50, "{overtaken}");
    }

    #[test]
    fn without_weather_frames_pass_as_they_come() {
        let mut late = Late::new(5);
        let frame = text_frame("x");
        assert_eq!(late.pass(frame.clone(), &Weather::default()), [frame]);
        assert!(late.rest().is_empty());
    }
}
