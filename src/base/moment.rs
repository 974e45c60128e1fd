//! A point in time with millisecond precision, as the service writes it.
//!
//! In: ISO 8601 text, clock readings · Out: `Moment` · Thread: any (plain data; only [`Moment::now`] reads a clock).

use std::fmt;
use std::num::NonZeroU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::OffsetDateTime;

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
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(NonZeroU64);

/// The last millisecond of year 9999: later moments cannot be written as ISO 8601 with four digits.
const MAX_MS: i64 = 253_402_300_799_999;
/// The first millisecond of year 0.
const MIN_MS: i64 = -62_167_219_200_000;
/// A moment is held as milliseconds since the one before [`MIN_MS`], so that an `Option<Moment>` takes eight bytes.
const BEFORE_MIN_MS: i64 = MIN_MS - 1;

/// The Unix epoch.
impl Default for Moment {
    fn default() -> Self {
        Self::from_epoch_ms(0)
    }
}

impl Moment {
    /// The current time by this machine's clock.
    #[must_use]
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// From milliseconds since the Unix epoch; clamped to the years 0 to 9999.
    #[must_use]
    pub fn from_epoch_ms(ms: i64) -> Self {
        let since = ms.clamp(MIN_MS, MAX_MS) - BEFORE_MIN_MS;
        Self(NonZeroU64::new(since.unsigned_abs()).unwrap_or(NonZeroU64::MIN))
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn epoch_ms(self) -> i64 {
        self.0.get().cast_signed() + BEFORE_MIN_MS
    }

    /// Reads an ISO 8601 date and time; digits beyond the millisecond are cut off.
    ///
    /// A time without `Z` or an offset is UTC, and one without seconds is read. The offset may lack its colon (`+0200`, as
    /// Genesys writes it) or its minutes, the fraction may follow a comma, `t` and `z` may be lower case, and a blank may
    /// stand for the `T`.
    ///
    /// Returns `None` for anything else: a date alone, an interval.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_usual_text(text.as_bytes(), &mut Day::default()).or_else(|| parse(text.as_bytes()))
    }

    /// Reads `YYYY-MM-DDTHH:MM:SS.mmmZ`, as Genesys nearly always writes a time, eight bytes at a time; `None` for any other
    /// text. `day` remembers the day of the time before, which is nearly always the same.
    #[inline]
    pub(crate) fn from_usual_text(text: &[u8], day: &mut Day) -> Option<Self> {
        let text: &[u8; 24] = text.try_into().ok()?;
        let ([date, middle, end], []) = text.as_chunks::<8>() else {
            return None;
        };
        let middle_digits = TIME.digits(middle)?;
        let end = SECONDS.digits(end)?;
        if (date, [middle[0], middle[1]]) != (&day.date, day.day) {
            let date_digits = DATE.digits(date)?;
            let year = two(date_digits, 0) * 100 + two(date_digits, 2);
            let (month, of_month) = (two(date_digits, 5), two(middle_digits, 0));
            let days = days_since_epoch(year as i64, month as i64, of_month as i64)?;
            *day = Day {
                date: *date,
                day: [middle[0], middle[1]],
                start_ms: days * 86_400_000,
            };
        }
        let (hour, minute, second) = (two(middle_digits, 3), two(middle_digits, 6), two(end, 1));
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let millis = (end >> 32 & 0xff) * 100 + two(end, 5);
        let ms = ((hour * 60 + minute) * 60 + second) * 1000 + millis;
        Some(Self::from_epoch_ms(day.start_ms + ms as i64))
    }

    /// `self − earlier` in milliseconds; negative when `earlier` is later.
    #[must_use]
    pub fn millis_since(self, earlier: Self) -> i64 {
        self.0.get().cast_signed() - earlier.0.get().cast_signed()
    }

    /// This moment moved later by `by`.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self::from_epoch_ms(
            self.epoch_ms()
                .saturating_add(i64::try_from(by.as_millis()).unwrap_or(MAX_MS)),
        )
    }

    /// This moment moved later by these milliseconds, or earlier where they are negative.
    pub(crate) fn plus_ms(self, ms: i64) -> Self {
        Self::from_epoch_ms(self.epoch_ms().saturating_add(ms))
    }

    /// This moment moved earlier by `by`.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self::from_epoch_ms(
            self.epoch_ms()
                .saturating_sub(i64::try_from(by.as_millis()).unwrap_or(MAX_MS)),
        )
    }
}

/// Reads `YYYY-MM-DD`, a separator, `HH:MM`, then seconds, a fraction and a zone where there are any.
fn parse(b: &[u8]) -> Option<Moment> {
    let digits = |from: usize, to: usize| -> Option<i64> {
        b.get(from..to)?
            .iter()
            .try_fold(0_i64, |n, c| c.is_ascii_digit().then(|| n * 10 + i64::from(c - b'0')))
    };
    let is = |at: usize, wanted: &[u8]| b.get(at).is_some_and(|c| wanted.contains(c));
    let sep = |at: usize, wanted: &[u8]| is(at, wanted).then_some(());
    let year = digits(0, 4)?;
    sep(4, b"-")?;
    let month = digits(5, 7)?;
    sep(7, b"-")?;
    let day = digits(8, 10)?;
    sep(10, b"Tt ")?;
    let hour = digits(11, 13)?;
    sep(13, b":")?;
    let minute = digits(14, 16)?;
    let mut end = 16;
    let (mut second, mut millis) = (0, 0);
    if is(end, b":") {
        second = digits(17, 19)?;
        end = 19;
        if is(end, b".,") {
            let len = b[20..].iter().take_while(|c| c.is_ascii_digit()).count();
            if len == 0 {
                return None;
            }
            let kept = len.min(3);
            millis = digits(20, 20 + kept)? * [0, 100, 10, 1][kept];
            end = 20 + len;
        }
    }
    let offset_minutes = offset_minutes(&b[end..])?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_since_epoch(year, month, day)?;
    let minutes = (days * 24 + hour) * 60 + minute - offset_minutes;
    Some(Moment::from_epoch_ms(minutes * 60_000 + second * 1000 + millis))
}

/// A day that was read, as text and in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Day {
    /// `YYYY-MM-`.
    date: [u8; 8],
    /// `DD`.
    day: [u8; 2],
    start_ms: i64,
}

/// Eight bytes of a time: digits where it has a `0`; everywhere else the bytes must be those of the pattern.
struct Pattern {
    bytes: u64,
    /// 127 less the greatest value of each byte.
    room: u64,
}

const DATE: Pattern = Pattern::new(b"0000-00-");
const TIME: Pattern = Pattern::new(b"00T00:00");
const SECONDS: Pattern = Pattern::new(b":00.000Z");

impl Pattern {
    const fn new(pattern: &[u8; 8]) -> Self {
        let mut room = [127; 8];
        let mut at = 0;
        while at < 8 {
            if pattern[at] == b'0' {
                room[at] = 127 - 9;
            }
            at += 1;
        }
        Self {
            bytes: u64::from_le_bytes(*pattern),
            room: u64::from_le_bytes(room),
        }
    }

    /// The digits as numbers, the other bytes zero.
    #[inline(always)]
    fn digits(&self, word: &[u8; 8]) -> Option<u64> {
        // A digit becomes its value, and any other byte where there should be one more than 9. With the room added, a byte
        // that is too great gets its high bit; one above 127 has it already.
        let digits = u64::from_le_bytes(*word) ^ self.bytes;
        const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
        let low = digits & !HIGH_BITS;
        (((low + self.room) | digits) & HIGH_BITS == 0).then_some(digits)
    }
}

/// The number of the two digits from this byte on.
#[inline(always)]
fn two(digits: u64, at: u32) -> u64 {
    (digits >> (8 * at) & 0xff) * 10 + (digits >> (8 * at + 8) & 0xff)
}

/// Days since 1970-01-01; `None` if there is no such day.
fn days_since_epoch(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) {
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
    Some(era_days + doe - 719_468)
}

/// The minutes of `Z`, `+02:00`, `+0200` or `+02`; none is UTC.
fn offset_minutes(zone: &[u8]) -> Option<i64> {
    let two = |tens: u8, ones: u8| {
        (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
    };
    let (sign, hours, minutes) = match *zone {
        [] | [b'Z' | b'z'] => return Some(0),
        [sign, a, b] => (sign, two(a, b)?, 0),
        [sign, a, b, c, d] | [sign, a, b, b':', c, d] => (sign, two(a, b)?, two(c, d)?),
        _ => return None,
    };
    let offset = (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)?;
    match sign {
        b'+' => Some(offset),
        b'-' => Some(-offset),
        _ => None,
    }
}

impl Moment {
    /// `2026-05-04T14:05:04.500Z`. Snapshots and records have many of these, and formatting directives take ten times as
    /// long.
    fn text(self) -> [u8; 24] {
        let secs = self.epoch_ms().div_euclid(1000);
        let millis = self.epoch_ms().rem_euclid(1000);
        // The conversion cannot fail in this range.
        let at = OffsetDateTime::from_unix_timestamp(secs).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        // All are below the power of ten of their places, and not negative.
        put_digits(&mut text[0..4], at.year().unsigned_abs());
        put_digits(&mut text[5..7], u8::from(at.month()).into());
        put_digits(&mut text[8..10], at.day().into());
        put_digits(&mut text[11..13], at.hour().into());
        put_digits(&mut text[14..16], at.minute().into());
        put_digits(&mut text[17..19], at.second().into());
        put_digits(&mut text[20..23], millis.unsigned_abs() as u32);
        text
    }
}

/// Writes the last digits of a number that have a place.
fn put_digits(places: &mut [u8], mut number: u32) {
    for place in places.iter_mut().rev() {
        *place = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

impl fmt::Display for Moment {
    /// `2026-05-04T14:05:04.500Z`, always 24 characters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.text()).unwrap_or_default())
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
        let distance = Duration::from_millis(at.epoch_ms().unsigned_abs());
        let there = if at.epoch_ms() < 0 {
            UNIX_EPOCH.checked_sub(distance)
        } else {
            UNIX_EPOCH.checked_add(distance)
        };
        there.unwrap_or(UNIX_EPOCH)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(str::from_utf8(&self.text()).unwrap_or_default())
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
        f.write_str("an ISO 8601 date and time")
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
        assert_eq!(ms("0000-01-01T00:00:00+12:00"), Some(MIN_MS), "clamped");
    }

    #[test]
    fn a_time_without_zone_is_utc_and_one_without_seconds_is_read() {
        let at = Moment::parse("2026-05-04T14:05:00.000Z").unwrap();
        for text in [
            "2026-05-04T14:05Z",
            "2026-05-04T14:05",
            "2026-05-04T14:05:00",
            "2026-05-04T14:05:00.000",
            "2026-05-04T14:05:00,000000Z",
            "2026-05-04t14:05:00z",
            "2026-05-04 14:05",
            "2026-05-04T16:05+02:00",
            "2026-05-04T16:05+0200",
            "2026-05-04T16:05+02",
            "2026-05-04T08:35:00,0-0530",
            "2026-05-05T00:05:00.0000000000+10:00",
        ] {
            assert_eq!(Moment::parse(text), Some(at), "{text}");
        }
        assert_eq!(Moment::parse("2026-05-04T14:05:00,25"), Some(at.plus_ms(250)));
    }

    #[test]
    fn refuses_what_is_no_moment() {
        for text in [
            "",
            "2026-05-04",
            "2026-05-04T14",
            "2026-05-04T14:05:",
            "2026-05-04T14:5",
            "2026-05-04T14:05.5Z",
            "2026-05-04T14:05:30ZZ",
            "2026-05-04T14:05:30+",
            "2026-05-04T14:05:30+2",
            "2026-05-04T14:05:30+24:00",
            "2026-05-04T14:05:30+02:60",
            "2026-05-04T14:05:30*02:00",
            "2026-05-04T14:05:30 +02:00",
            "2026-13-04T14:05:30Z",
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

        #[test]
        fn the_usual_layout_is_read_as_any_other(
            text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]\\.[0-9]{3}Z",
            at in 0_usize..24,
            byte in any::<u8>(),
        ) {
            // Of a text of the same day, or one that differs in a byte.
            let mut day = Day::default();
            prop_assert_eq!(Moment::from_usual_text(text.as_bytes(), &mut day), parse(text.as_bytes()));
            let mut changed = text.clone().into_bytes();
            changed[at] = byte;
            for text in [&changed, text.as_bytes(), &changed] {
                match Moment::from_usual_text(text, &mut day) {
                    Some(moment) => prop_assert_eq!(Some(moment), parse(text)),
                    None => prop_assert!(text == changed || parse(text).is_none()),
                }
            }
        }
    }
}
