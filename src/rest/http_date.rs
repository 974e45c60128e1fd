//! `Retry-After` and HTTP dates, in the three forms that RFC 9110 asks readers to take.
//!
//! In: header text, the time it came · Out: a pause · Thread: none of its own (pure).

use std::time::Duration;

use time::{Date, Month, Time};

use crate::Moment;

/// Longest pause that is believed: beyond it the header is a mistake, and trying again costs one request.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// Reads `Retry-After`: seconds or a date. A date that has passed is zero; `None` where it is neither.
pub(crate) fn retry_after(text: &str, now: Moment) -> Option<Duration> {
    let text = text.trim();
    if digits_only(text) {
        // Too many digits for a number are a long pause as well.
        let secs = text.parse::<u64>().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(secs).min(LONGEST_PAUSE));
    }
    if let Some(digits) = text.strip_prefix('-') {
        return digits_only(digits).then_some(Duration::ZERO);
    }
    let ms = http_date(text, now)?.millis_since(now);
    Some(Duration::from_millis(u64::try_from(ms).unwrap_or(0)).min(LONGEST_PAUSE))
}

/// Reads an HTTP date: IMF-fixdate, the RFC 850 form (whose two-digit year lies at most 50 years after `now`), asctime.
pub(crate) fn http_date(text: &str, now: Moment) -> Option<Moment> {
    let words: Vec<&str> = text.split([' ', ',', '-']).filter(|word| !word.is_empty()).collect();
    let (day, month, year, clock) = match *words.as_slice() {
        [_, day, month, year, clock, "GMT" | "UTC"] => (day, month, year, clock),
        [_, month, day, clock, year] => (day, month, year, clock),
        _ => return None,
    };
    let month = match month {
        "Jan" => Month::January,
        "Feb" => Month::February,
        "Mar" => Month::March,
        "Apr" => Month::April,
        "May" => Month::May,
        "Jun" => Month::June,
        "Jul" => Month::July,
        "Aug" => Month::August,
        "Sep" => Month::September,
        "Oct" => Month::October,
        "Nov" => Month::November,
        "Dec" => Month::December,
        _ => return None,
    };
    let year = match year.len() {
        4 => i32::try_from(digits(year)?).ok()?,
        2 => full_year(i32::try_from(digits(year)?).ok()?, now)?,
        _ => return None,
    };
    let mut parts = clock.split(':');
    let mut part = || parts.next().filter(|part| part.len() == 2).and_then(digits);
    let (hour, minute, second) = (part()?, part()?, part()?);
    if parts.next().is_some() {
        return None;
    }
    let small = |number: u32| u8::try_from(number).ok();
    // A leap second is the end of its minute here.
    let time = Time::from_hms(small(hour)?, small(minute)?, small(second)?.min(59)).ok()?;
    let date = Date::from_calendar_date(year, month, small(digits(day)?)?).ok()?;
    let secs = date.with_time(time).assume_utc().unix_timestamp();
    (second <= 60).then(|| Moment::from_epoch_ms(secs.saturating_mul(1000)))
}

fn digits_only(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit())
}

fn digits(text: &str) -> Option<u32> {
    (digits_only(text) && text.len() <= 4)
        .then(|| text.parse().ok())
        .flatten()
}

/// RFC 9110, section 5.6.7: a year that seems more than 50 years ahead is the last one with these digits.
fn full_year(two_digits: i32, now: Moment) -> Option<i32> {
    let this_year: i32 = now.to_string().get(..4)?.parse().ok()?;
    let year = this_year - this_year.rem_euclid(100) + two_digits;
    Some(if year > this_year + 50 { year - 100 } else { year })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn now() -> Moment {
        Moment::parse("1994-11-06T08:49:00Z").unwrap()
    }

    #[test]
    fn takes_the_three_forms() {
        let expected = Moment::parse("1994-11-06T08:49:37Z");
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(http_date(text, now()), expected, "{text}");
            assert_eq!(retry_after(text, now()), Some(Duration::from_secs(37)), "{text}");
        }
        let in_2026 = Moment::parse("2026-01-01T00:00:00Z").unwrap();
        let last_century = http_date("Sunday, 06-Nov-94 08:49:37 GMT", in_2026).unwrap();
        assert_eq!(last_century.to_string().get(..4), Some("1994"));
        let next = http_date("Sunday, 06-Nov-31 08:49:37 GMT", in_2026).unwrap();
        assert_eq!(next.to_string().get(..4), Some("2031"));
    }

    #[test]
    fn seconds_past_dates_and_huge_values() {
        assert_eq!(retry_after(" 42 ", now()), Some(Duration::from_secs(42)));
        assert_eq!(retry_after("0", now()), Some(Duration::ZERO));
        assert_eq!(retry_after("-5", now()), Some(Duration::ZERO));
        assert_eq!(
            retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now()),
            Some(Duration::ZERO)
        );
        assert_eq!(retry_after("99999", now()), Some(LONGEST_PAUSE));
        assert_eq!(retry_after("99999999999999999999999", now()), Some(LONGEST_PAUSE));
        assert_eq!(retry_after("Fri, 31 Dec 9999 23:59:59 GMT", now()), Some(LONGEST_PAUSE));
    }

    #[test]
    fn refuses_what_is_neither() {
        for text in [
            "",
            "soon",
            "1.5",
            "-",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 08:49:37 +0100",
            "Sun, 06 Nov 194 08:49:37 GMT",
        ] {
            assert_eq!(retry_after(text, now()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,40}|[A-Z][a-z]{2}, [0-9]{1,5} [A-Z][a-z]{2} [0-9]{1,6} [0-9:]{1,9} GMT") {
            let _ = retry_after(&text, now());
        }
    }
}
