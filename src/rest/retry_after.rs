//! Reads the headers `Retry-After` and `Date`; the crate `httpdate` reads their dates.
//!
//! In: header text, the time of the answer · Out: a pause, a `Moment` · Thread: none of its own (pure).

use std::time::Duration;

use crate::Moment;

/// The longest pause that is obeyed: a longer one is a mistake of the service, and trying again costs one request.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// Reads `Retry-After`: seconds or a date. A date in the past and a negative number are zero; `None` for anything else.
pub(crate) fn retry_after(text: &str, now: Moment) -> Option<Duration> {
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit()) {
        return Some(match text.parse::<i64>() {
            Ok(secs) => Duration::from_secs(u64::try_from(secs).unwrap_or(0)).min(LONGEST_PAUSE),
            // Too many digits for a number.
            Err(_) if digits == text => LONGEST_PAUSE,
            Err(_) => Duration::ZERO,
        });
    }
    let ms = http_date(text)?.millis_since(now);
    Some(Duration::from_millis(u64::try_from(ms).unwrap_or(0)).min(LONGEST_PAUSE))
}

/// Reads an HTTP date in the three forms of RFC 9110, section 5.6.7.
pub(super) fn http_date(text: &str) -> Option<Moment> {
    httpdate::parse_http_date(text).ok().map(Moment::from)
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
            assert_eq!(http_date(text), expected, "{text}");
            assert_eq!(retry_after(text, now()), Some(Duration::from_secs(37)), "{text}");
        }
        let this_century = http_date("Thursday, 06-Nov-31 08:49:37 GMT").unwrap();
        assert_eq!(this_century.to_string().get(..4), Some("2031"));
    }

    #[test]
    fn seconds_past_dates_and_huge_values() {
        assert_eq!(retry_after(" 42 ", now()), Some(Duration::from_secs(42)));
        assert_eq!(retry_after("0", now()), Some(Duration::ZERO));
        assert_eq!(retry_after("-5", now()), Some(Duration::ZERO));
        assert_eq!(retry_after("-99999999999999999999999", now()), Some(Duration::ZERO));
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
            "--5",
            "Mon, 06 Nov 1994 08:49:37 GMT",
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
