//! Formats of times, and the two clocks of the simulator.
//!
//! In: the wall clock, ISO 8601 text · Out: Unix milliseconds and text · Thread: any.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Unix milliseconds.
pub(super) type Ms = i64;

/// `2026-05-04T14:05:30.123Z`.
pub(super) fn iso(ms: Ms) -> String {
    let at =
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, second, milli) = at.to_hms_milli();
    format!(
        "{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z",
        u8::from(month)
    )
}

/// Reads an ISO 8601 time with `Z` or an offset.
pub(super) fn parse_iso(text: &str) -> Option<Ms> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()
}

/// Reads an interval `A/B` with A before B.
pub(super) fn parse_interval(text: &str) -> Option<(Ms, Ms)> {
    let (from, to) = text.split_once('/')?;
    let (from, to) = (parse_iso(from)?, parse_iso(to)?);
    (from < to).then_some((from, to))
}

/// Reads `PT1H30M`, `PT15M`, `PT10S`: hours, minutes and seconds as whole numbers.
pub(super) fn parse_period(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix("PT").filter(|r| !r.is_empty())?;
    let mut secs = 0u64;
    for (unit, factor) in [('H', 3600u64), ('M', 60), ('S', 1)] {
        let Some(end) = rest.find(unit) else { continue };
        let number: u64 = rest[..end].parse().ok()?;
        secs = secs.checked_add(number.checked_mul(factor)?)?;
        rest = &rest[end + 1..];
    }
    (rest.is_empty() && secs > 0).then(|| Duration::from_secs(secs))
}

/// `Mon, 04 May 2026 14:05:30 GMT`, for the header `Date`.
pub(super) fn http_date(ms: Ms) -> String {
    let at = OffsetDateTime::from_unix_timestamp(ms / 1000).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (weekday, month) = (at.weekday().to_string(), at.month().to_string());
    format!(
        "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
        &weekday[..3],
        at.day(),
        &month[..3],
        at.year(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

/// The time for which the centre's clock was paused.
#[derive(Debug, Default)]
struct Pauses {
    over: Duration,
    since: Option<Instant>,
}

/// Two clocks: the wall clock, by which tokens and channels expire, and the centre's clock, which runs `speed` times as
/// fast from its epoch. The service sends times of the centre's clock: in facts, in `Date` headers, as `expires`.
#[derive(Debug)]
pub(super) struct Clock {
    started: Instant,
    wall_start: Ms,
    epoch: Ms,
    speed: f64,
    // No other lock is taken while this one is held.
    pauses: Mutex<Pauses>,
}

impl Clock {
    pub(super) fn start(epoch: Option<Ms>, speed: f64) -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall_start = i64::try_from(wall.as_millis()).unwrap_or(0);
        Clock {
            started: Instant::now(),
            wall_start,
            epoch: epoch.unwrap_or(wall_start),
            speed,
            pauses: Mutex::default(),
        }
    }

    fn pauses(&self) -> MutexGuard<'_, Pauses> {
        self.pauses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pauses the centre's clock.
    pub(super) fn pause(&self) {
        self.pauses().since.get_or_insert_with(Instant::now);
    }

    /// Resumes the centre's clock from the time at which it was paused.
    pub(super) fn resume(&self) {
        let mut pauses = self.pauses();
        if let Some(since) = pauses.since.take() {
            pauses.over += since.elapsed();
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.pauses().since.is_some()
    }

    /// The centre's time at the start.
    pub(super) fn epoch(&self) -> Ms {
        self.epoch
    }

    /// The time of the wall clock.
    pub(super) fn wall(&self) -> Ms {
        self.wall_start + millis(self.started.elapsed())
    }

    /// The time of the centre's clock.
    pub(super) fn centre(&self) -> Ms {
        let pauses = self.pauses();
        let now = pauses.since.unwrap_or_else(Instant::now);
        let lived = now.saturating_duration_since(self.started).saturating_sub(pauses.over);
        self.epoch + (lived.as_secs_f64() * self.speed * 1000.0) as Ms
    }

    /// Converts a time of the wall clock to the centre's clock, for the service's answers. Its distance from now stays the
    /// same, so that a client that waits for it waits the right time.
    pub(super) fn to_centre(&self, at: Ms) -> Ms {
        self.centre() + (at - self.wall())
    }

    /// The real time until the centre's clock reaches `at`.
    pub(super) fn until(&self, at: Ms) -> Duration {
        if self.is_paused() {
            return Duration::from_secs(3600);
        }
        let left = (at - self.centre()).max(0) as f64 / 1000.0 / self.speed;
        Duration::from_secs_f64(left.min(3600.0))
    }

    /// A life or interval of the service in real time: divided by the speed, but not below 100 ms.
    pub(super) fn shorten(&self, length: Duration) -> Duration {
        length.div_f64(self.speed).max(Duration::from_millis(100).min(length))
    }
}

/// A length in whole milliseconds.
pub(super) fn millis(length: Duration) -> Ms {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read() {
        assert_eq!(iso(1_777_903_530_123), "2026-05-04T14:05:30.123Z");
        assert_eq!(parse_iso("2026-05-04T14:05:30.123Z"), Some(1_777_903_530_123));
        assert_eq!(parse_iso("2026-05-04T16:05:30.123+02:00"), Some(1_777_903_530_123));
        assert_eq!(parse_iso("yesterday"), None);
        assert_eq!(parse_interval("2026-05-04T14:00:00Z/2026-05-04T13:00:00Z"), None);
        assert_eq!(http_date(1_777_903_530_123), "Mon, 04 May 2026 14:05:30 GMT");
    }

    #[test]
    fn periods_are_hours_minutes_seconds() {
        assert_eq!(parse_period("PT1H30M"), Some(Duration::from_secs(5400)));
        assert_eq!(parse_period("PT10S"), Some(Duration::from_secs(10)));
        for wrong in ["PT", "P1D", "PT0S", "PT5", "1H", "PT1S1H", "PTxM"] {
            assert_eq!(parse_period(wrong), None, "{wrong}");
        }
    }
}
