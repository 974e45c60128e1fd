//! Notices that the process did not run: it was stopped by a signal, or the machine slept.
//!
//! In: that the supervisor runs · Out: since when and for how long it did not run · Thread: the
//! supervisor's; [`is_late`] is pure.
//!
//! The supervisor never waits for longer than [`TICK`], so a wait that ended much later tells that nothing ran. A stop by a
//! signal does not stop the monotonic clock, but the sleep of the machine does on Linux: there the time since the boot is
//! read, too.

use std::time::{Duration, Instant};

use crate::Moment;

/// The longest wait of the supervisor. Together with [`LATE`] it tells a stop of 6 s surely from one of 5 s.
pub(super) const TICK: Duration = Duration::from_millis(900);
/// A wait that ended so much too late means that the process was stopped (docs/gaps.md); a busy machine is late by less.
const LATE: Duration = Duration::from_secs(5);

/// The process did not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frozen {
    /// The last moment at which it surely ran.
    pub(super) since: Moment,
    pub(super) lasted: Duration,
}

/// The last moment at which the supervisor ran.
pub(super) struct Watch {
    ran: Instant,
    /// The same since the boot of the machine.
    booted: Option<Duration>,
    at: Moment,
}

impl Watch {
    pub(super) fn new() -> Self {
        Self {
            ran: Instant::now(),
            booted: since_boot(),
            at: Moment::now(),
        }
    }

    /// The supervisor runs: to be called before and after each of its waits. Returns whether the process was stopped since
    /// the last call.
    pub(super) fn check(&mut self) -> Option<Frozen> {
        let before = std::mem::replace(self, Self::new());
        let slept = self
            .booted
            .zip(before.booted)
            .map(|(now, then)| now.saturating_sub(then));
        let took = self.ran.duration_since(before.ran).max(slept.unwrap_or_default());
        is_late(took).then_some(Frozen {
            since: before.at,
            lasted: took,
        })
    }
}

/// Whether a wait that took so long means a stop.
fn is_late(took: Duration) -> bool {
    took > TICK + LATE
}

/// The time since the boot, that of the sleep of the machine included; `None` where the system does not tell.
fn since_boot() -> Option<Duration> {
    let text = match cfg!(target_os = "linux") {
        true => std::fs::read_to_string("/proc/uptime").ok()?,
        false => return None,
    };
    let secs: f64 = text.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(secs).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_of_six_seconds_is_noticed_wherever_in_a_wait_it_begins_and_one_of_five_is_not() {
        for begins_after_ms in 0..=900 {
            // The wait ends with the stop, or at its own time if the stop is over by then.
            let ends = |stop_ms: u64| Duration::from_millis((begins_after_ms + stop_ms).max(900));
            assert!(is_late(ends(6_000)), "{begins_after_ms}");
            assert!(!is_late(ends(5_000)), "{begins_after_ms}");
        }
        assert_eq!(Watch::new().check(), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn linux_tells_the_time_since_the_boot() {
        assert!(since_boot().is_some_and(|time| time > Duration::ZERO));
    }
}
