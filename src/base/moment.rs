//! A point in time with millisecond precision, as the service writes it.
//!
//! In: ISO 8601 text, clock readings · Out: `Moment` · Thread: any (plain data; only [`Moment::now`] reads a clock).

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Milliseconds since 1970-01-01T00:00:00Z; negative before. From the year 0 to the year 9999: what is outside counts as the
/// nearest.
///
/// All durations in the numbers of this crate are differences of two moments, so they are exact to the millisecond.
///
/// ```
/// use genesys_stream::Moment;
/// let entered = Moment::parse("2026-05-04T14:05:04.500Z").unwrap();
/// let answered = Moment::parse("2026-05-04T16:05:30+02:00").unwrap();
/// assert_eq!(answered.millis_since(entered), 25_500);
/// assert_eq!(answered.to_string(), "2026-05-04T14:05:30.000Z");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(i64);

/// The last millisecond of year 9999: later moments cannot be written as ISO 8601 with four digits.
const MAX_MS: i64 = 253_402_300_799_999;
/// The first millisecond of year 0.
const MIN_MS: i64 = -62_167_219_200_000;

impl Moment {
    /// The current time by this machine's clock.
    #[must_use]
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// From milliseconds since the Unix epoch; clamped to the years 0 to 9999.
    #[must_use]
    pub fn from_epoch_ms(ms: i64) -> Self {
        Self(ms.clamp(MIN_MS, MAX_MS))
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn epoch_ms(self) -> i64 {
        self.0
    }

    /// Reads an ISO 8601 date and time with `Z` or an offset; digits beyond the millisecond are cut off.
    ///
    /// Returns `None` for anything else: a date alone, a local time without offset, an interval.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        parse_utc_shape(text.as_bytes()).or_else(|| parse_any(text))
    }

    /// `self − earlier` in milliseconds; negative when `earlier` is later.
    #[must_use]
    pub fn millis_since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }

    /// This moment moved later by `by`.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self::from_epoch_ms(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(MAX_MS)))
    }

    /// This moment moved later by these milliseconds, or earlier where they are negative.
    pub(crate) fn plus_ms(self, ms: i64) -> Self {
        Self::from_epoch_ms(self.0.saturating_add(ms))
    }

    /// This moment moved earlier by `by`.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self::from_epoch_ms(self.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(MAX_MS)))
    }
}

/// The form of nearly every time of the service: `2026-05-04T14:05:04Z`, with a fraction of up to 9 digits.
fn parse_utc_shape(b: &[u8]) -> Option<Moment> {
    let digits = |from: usize, to: usize| -> Option<i64> {
        b.get(from..to)?
            .iter()
            .try_fold(0_i64, |n, c| c.is_ascii_digit().then(|| n * 10 + i64::from(c - b'0')))
    };
    let sep = |at: usize, c: u8| (b.get(at) == Some(&c)).then_some(());
    let year = digits(0, 4)?;
    sep(4, b'-')?;
    let month = digits(5, 7)?;
    sep(7, b'-')?;
    let day = digits(8, 10)?;
    sep(10, b'T')?;
    let hour = digits(11, 13)?;
    sep(13, b':')?;
    let minute = digits(14, 16)?;
    sep(16, b':')?;
    let second = digits(17, 19)?;
    let (millis, end) = match b.get(19)? {
        b'Z' => (0, 19),
        b'.' => {
            let len = b.get(20..)?.iter().take_while(|c| c.is_ascii_digit()).count();
            if len == 0 || len > 9 {
                return None;
            }
            let kept = digits(20, 20 + len.min(3))?;
            (kept * [0, 100, 10, 1][len.min(3)], 20 + len)
        }
        _ => return None,
    };
    sep(end, b'Z')?;
    if b.len() != end + 1 || !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let month_days = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if day < 1 || day > month_days {
        return None;
    }
    // Days since the epoch, counted in years that begin in March so that the leap day comes last.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let era_days = y.div_euclid(400) * 146_097;
    let yoe = y.rem_euclid(400);
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + (153 * m + 2) / 5 + day - 1;
    let days = era_days + doe - 719_468;
    Some(Moment(
        ((days * 24 + hour) * 60 + minute) * 60_000 + second * 1000 + millis,
    ))
}

/// Offsets and rarer forms; Genesys also writes offsets without a colon (`+0000`).
fn parse_any(text: &str) -> Option<Moment> {
    if text.len() < 20 || text.len() > 40 || !text.is_ascii() {
        return None;
    }
    let with_colon;
    let bytes = text.as_bytes();
    let sign_at = bytes.len() - 5;
    let text = if matches!(bytes[sign_at], b'+' | b'-') && bytes[sign_at + 1..].iter().all(u8::is_ascii_digit) {
        with_colon = format!("{}:{}", &text[..sign_at + 3], &text[sign_at + 3..]);
        &with_colon
    } else {
        text
    };
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000_000))
        .ok()
        .map(Moment::from_epoch_ms)
}

impl fmt::Display for Moment {
    /// `2026-05-04T14:05:04.500Z`, always 24 characters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.0.div_euclid(1000);
        let millis = self.0.rem_euclid(1000);
        // The conversion cannot fail in this range.
        let at = OffsetDateTime::from_unix_timestamp(secs).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{millis:03}Z",
            at.year(),
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute(),
            at.second()
        )
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Cut to the millisecond at or before it, and clamped to the years 0 to 9999.
impl From<SystemTime> for Moment {
    fn from(at: SystemTime) -> Self {
        let ms = match at.duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(MAX_MS),
            Err(before) => i64::try_from(before.duration().as_nanos().div_ceil(1_000_000)).map_or(MIN_MS, |ms| -ms),
        };
        Self::from_epoch_ms(ms)
    }
}

/// Exact where the system's clock reaches that far (on Windows not before the year 1601); else the epoch.
impl From<Moment> for SystemTime {
    fn from(at: Moment) -> Self {
        let distance = Duration::from_millis(at.0.unsigned_abs());
        let there = if at.0 < 0 {
            UNIX_EPOCH.checked_sub(distance)
        } else {
            UNIX_EPOCH.checked_add(distance)
        };
        there.unwrap_or(UNIX_EPOCH)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads what [`Moment::parse`] reads; anything else is an error.
impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(MomentText)
    }
}

struct MomentText;

impl de::Visitor<'_> for MomentText {
    type Value = Moment;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an ISO 8601 date and time with Z or an offset")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Moment, E> {
        Moment::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_the_shapes_of_the_service() {
        let ms = |t: &str| Moment::parse(t).map(Moment::epoch_ms);
        assert_eq!(ms("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(ms("2026-05-04T14:05:30.000Z"), Some(1_777_903_530_000));
        assert_eq!(ms("2026-05-04T14:05:30.1Z"), Some(1_777_903_530_100));
        assert_eq!(ms("2026-05-04T14:05:30.123456789Z"), Some(1_777_903_530_123));
        assert_eq!(ms("2026-05-04T16:05:30.000+0200"), Some(1_777_903_530_000));
        assert_eq!(ms("2026-05-04T16:05:30+02:00"), Some(1_777_903_530_000));
        assert_eq!(ms("2024-02-29T00:00:00Z"), Some(1_709_164_800_000));
    }

    #[test]
    fn refuses_what_is_no_moment() {
        for text in [
            "",
            "2026-05-04",
            "2026-05-04T14:05:30",
            "2026-02-30T14:05:30Z",
            "2026-05-04T24:05:30Z",
            "2026-05-04T14:05:30.Z",
            "2026-05-04T14:00:00.000Z/2026-05-04T14:30:00.000Z",
            "not a time at all, but long enough",
            "2026-05-04T14:05:30é+0200",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_system_time_is_cut_to_the_millisecond_at_or_before_it() {
        let micros = |n| Duration::from_micros(n);
        assert_eq!(Moment::from(UNIX_EPOCH + micros(1_999)).epoch_ms(), 1);
        assert_eq!(Moment::from(UNIX_EPOCH - micros(1_999)).epoch_ms(), -2);
        assert_eq!(Moment::from(UNIX_EPOCH - micros(2_000)).epoch_ms(), -2);
    }

    #[test]
    fn refuses_what_is_no_moment_in_json() {
        assert!(serde_json::from_str::<Moment>("\"2026-05-04\"").is_err());
        assert!(serde_json::from_str::<Moment>("0").is_err());
    }

    proptest! {
        #[test]
        fn text_and_back(ms in MIN_MS..MAX_MS) {
            let moment = Moment::from_epoch_ms(ms);
            prop_assert_eq!(Moment::parse(&moment.to_string()), Some(moment));
            let json = serde_json::to_string(&moment).unwrap();
            prop_assert_eq!(serde_json::from_str::<Moment>(&json).unwrap(), moment);
            prop_assert_eq!(Moment::from(SystemTime::from(moment)), moment);
        }

        #[test]
        fn never_panics(text in "\\PC{0,40}") {
            let _ = Moment::parse(&text);
        }
    }
}
