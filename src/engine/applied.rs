//! When events were in the model, for the latency in the benchmarks.
//!
//! In: numbers of applied events · Out: moments · Thread: noted on the aggregator's, taken on any.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::UNIX_EPOCH;

/// When each event of this process was in the model.
pub static APPLIED: Applied = Applied(OnceLock::new());

/// Moments, in nanoseconds since 1970; none are kept before the first call of [`Applied::begin`].
pub struct Applied(OnceLock<Mutex<Vec<u64>>>);

impl Applied {
    /// From now on moments are noted; `capacity` of them without an allocation.
    pub fn begin(&self, capacity: usize) {
        self.0.get_or_init(|| Mutex::new(Vec::with_capacity(capacity)));
    }

    /// Takes what was noted.
    pub fn take(&self) -> Vec<u64> {
        let noted = self
            .0
            .get()
            .map(|noted| noted.lock().unwrap_or_else(PoisonError::into_inner));
        noted.map(|mut noted| std::mem::take(&mut *noted)).unwrap_or_default()
    }

    pub(crate) fn note(&self, count: usize) {
        if let Some(noted) = self.0.get() {
            let now = UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as u64);
            let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
            noted.extend(std::iter::repeat_n(now, count));
        }
    }
}
