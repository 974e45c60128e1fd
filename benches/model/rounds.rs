//! Times of the same work in many short pieces, of which the undisturbed ones count.
//!
//! In: work · Out: nanoseconds a step · Thread: main.

use std::time::{Duration, Instant};

/// Steps that are timed together.
pub(crate) const STEPS: usize = 32;

/// Times of pieces of [`STEPS`] steps.
#[derive(Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// Runs a piece, and notes its time if it counts.
    pub(crate) fn time(&mut self, counts: Counts, piece: impl FnOnce()) {
        let began = Instant::now();
        piece();
        let took = began.elapsed();
        if counts == Counts::Yes {
            self.0.push(took);
        }
    }

    /// Nanoseconds a step in the fastest tenth: others use this machine, too, and only ever slow a piece down.
    pub(crate) fn nanos(&mut self) -> f64 {
        self.0.sort_unstable();
        let tenth = self.0.get(self.0.len() / 10).copied().unwrap_or_default();
        tenth.as_nanos() as f64 / STEPS as f64
    }
}

/// Whether a piece's time counts; the first ones of a round only bring their data back to the caches.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counts {
    No,
    Yes,
}

/// Prints a line of results. Returns whether the dearest costs at most a fifth more than the cheapest.
pub(crate) fn verdict(what: &str, nanos: &[f64]) -> bool {
    let least = nanos.iter().copied().fold(f64::INFINITY, f64::min);
    let most = nanos.iter().copied().fold(0.0, f64::max);
    let growth = 100.0 * (most / least - 1.0);
    let holds = growth <= 20.0;
    let list: Vec<String> = nanos.iter().map(|nanos| format!("{nanos:>7.0}")).collect();
    let said = if holds {
        "flat within 20 %"
    } else {
        "NOT flat within 20 %"
    };
    println!("{what:<34}{} ns  {growth:>+5.1} %  {said}", list.join(""));
    holds
}
