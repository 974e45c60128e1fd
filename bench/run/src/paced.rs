//! How long an event takes from the socket to the client's state, at a steady pace.
//!
//! In: client, events a second · Out: the median and the 99th percentile · Thread: main.
//!
//! The load notes when it writes each frame, the client when it is done with each event, both by the clock of this machine;
//! events are matched by their order. *x1* and tokio are done when an event is counted. Ours is done when the event is in the
//! model, so that a snapshot asked for then has it; the moment is noted behind each batch, on the thread of the model. A
//! second figure is the callback of a library user, which gets the event one hand-over between threads later.

use crate::AnyError;
use crate::load::{Client, Load, Places};

/// Microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Latency {
    pub median_us: f64,
    pub p99_us: f64,
}

/// Runs a client once at `rate` events a second.
///
/// # Errors
/// When something fails, or the client has missed an event.
pub fn run(places: &Places, client: Client, rate: u64, events: u64) -> Result<Latency, AnyError> {
    let (sent, done) = (places.scratch.join("sent"), places.scratch.join("done"));
    let args = [
        "--events",
        &events.to_string(),
        "--rate",
        &rate.to_string(),
        "--times",
        &sent.to_string_lossy(),
    ];
    let mut load = Load::start(places, &args)?;
    let mut running = places.start(client, "notifications", load.port, Some(&done))?;
    let status = running.0.wait()?;
    if !status.success() {
        return Err(format!("{client:?} ended with {status}").into());
    }
    load.told("expected")?;
    load.finish()?;
    let moments = |path| -> Result<Vec<u64>, AnyError> {
        let bytes = std::fs::read(path)?;
        let numbers = bytes
            .chunks_exact(8)
            .map(|bytes| bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
        Ok(numbers.collect())
    };
    let (sent, done) = (moments(sent)?, moments(done)?);
    if sent.len() != done.len() {
        return Err(format!("{client:?} was done with {} events of {}", done.len(), sent.len()).into());
    }
    let mut took: Vec<f64> = sent
        .iter()
        .zip(&done)
        .map(|(sent, done)| done.saturating_sub(*sent) as f64 / 1000.0)
        .collect();
    took.sort_by(f64::total_cmp);
    Ok(Latency {
        median_us: took[took.len() / 2],
        p99_us: took[took.len() * 99 / 100],
    })
}
