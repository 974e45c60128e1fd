//! Ranges of values that decide how much memory a model takes: in the configuration, and in recordings, which hold them too.
//!
//! In: numbers · Out: whether they are allowed · Thread: any (pure).

use std::ops::RangeInclusive;
#[cfg(feature = "cli")]
use std::time::Duration;

const DAY_SECS: u64 = 86_400;
/// `freshness.stale_after_secs`.
pub(crate) const STALE_AFTER_SECS: RangeInclusive<u64> = 1..=DAY_SECS;
/// `model.retention_secs`.
pub(crate) const RETENTION_SECS: RangeInclusive<u64> = 1..=30 * DAY_SECS;
/// `model.max_conversations`.
pub(crate) const CONVERSATIONS: RangeInclusive<u64> = 1..=10_000_000;
/// `model.max_bytes`.
pub(crate) const MODEL_BYTES: RangeInclusive<u64> = 1 << 20..=1 << 40;
/// `windows.keep`.
pub(crate) const WINDOWS: RangeInclusive<u64> = 1..=100_000;
/// `windows.service_level_secs` where it is a number, and `windows.short_abandon_secs`.
pub(crate) const WAIT_SECS: RangeInclusive<u64> = 0..=DAY_SECS;
/// `totals.utc_offset`.
#[cfg(feature = "cli")]
const OFFSET_MINUTES: RangeInclusive<i32> = -1439..=1439;

/// Whether a window may be so long: a whole number of windows makes a day.
pub(crate) fn is_window(secs: u64) -> bool {
    (1..=DAY_SECS).contains(&secs) && DAY_SECS.is_multiple_of(secs)
}

/// Whether a recording may hold this duration. Its milliseconds are not required to be whole seconds.
#[cfg(feature = "cli")]
pub(crate) fn holds(secs: &RangeInclusive<u64>, duration: Duration) -> bool {
    duration <= Duration::from_secs(*secs.end()) && (*secs.start() == 0 || !duration.is_zero())
}

/// Whether these settings of windows and totals are some that the configuration allows.
#[cfg(feature = "cli")]
pub(crate) fn are_windows(windows: &super::WindowsConfig, totals: &super::TotalsConfig) -> bool {
    let is_threshold = match windows.service_level {
        super::ServiceLevel::Queue => true,
        super::ServiceLevel::Fixed(threshold) => holds(&WAIT_SECS, threshold),
    };
    windows.granularity.subsec_nanos() == 0
        && is_window(windows.granularity.as_secs())
        && WINDOWS.contains(&(windows.keep as u64))
        && is_threshold
        && holds(&WAIT_SECS, windows.short_abandon)
        && OFFSET_MINUTES.contains(&totals.utc_offset_minutes)
        && totals
            .time_zone
            .as_ref()
            .is_none_or(super::time_zone::TimeZone::is_usable)
}
