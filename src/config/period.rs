//! Lengths of time as the service writes them (`PT30M`), and offsets from UTC (`+02:00`).
//!
//! In: text of flags, environment, file · Out: seconds, minutes · Thread: any (pure).

use std::time::Duration;

/// `PT<n>S`, `PT<n>M` or `PT<n>H` with n at least 1; in seconds.
pub(crate) fn parse_simple(text: &str) -> Option<u64> {
    let rest = text.strip_prefix("PT")?;
    let unit = match rest.bytes().last()? {
        b'S' => 1,
        b'M' => 60,
        b'H' => 3600,
        _ => return None,
    };
    let digits = &rest[..rest.len() - 1];
    if digits.is_empty() || digits.len() > 9 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    (number > 0).then_some(number * unit)
}

/// `PT` with hours, minutes and seconds in this order, at least one of them (`PT1H30M`); in seconds.
pub(crate) fn parse_compound(text: &str) -> Option<u64> {
    let mut rest = text.strip_prefix("PT")?;
    let mut total = 0_u64;
    let mut units: &[(char, u64)] = &[('H', 3600), ('M', 60), ('S', 1)];
    while !rest.is_empty() {
        let len = rest.bytes().take_while(u8::is_ascii_digit).count();
        if len == 0 || len > 9 {
            return None;
        }
        let number: u64 = rest[..len].parse().ok()?;
        let unit = rest[len..].chars().next()?;
        let at = units.iter().position(|(letter, _)| *letter == unit)?;
        total += number * units[at].1;
        units = &units[at + 1..];
        rest = &rest[len + 1..];
    }
    (total > 0).then_some(total)
}

/// The length of a window: a whole number of windows makes a day.
pub(crate) fn parse_window(text: &str) -> Result<Duration, String> {
    const ALLOWED: &str =
        "allowed is PT<n>S, PT<n>M or PT<n>H that divides a day evenly, such as PT10S, PT1M, PT15M, PT30M, PT1H";
    match parse_simple(text) {
        Some(secs) if super::allowed::is_window(secs) => Ok(Duration::from_secs(secs)),
        Some(_) => Err(format!("windows of this length do not fill a day evenly; {ALLOWED}")),
        None => Err(ALLOWED.to_owned()),
    }
}

/// `+HH:MM` or `-HH:MM` below 24 hours; in minutes east.
pub(crate) fn parse_utc_offset(text: &str) -> Result<i32, String> {
    let allowed = || "allowed is an offset from UTC such as +02:00 or -05:30".to_owned();
    let bytes = text.as_bytes();
    let sign = match bytes.first() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return Err(allowed()),
    };
    if bytes.len() != 6 || bytes[3] != b':' {
        return Err(allowed());
    }
    let two = |at: usize| -> Option<i32> {
        let (tens, ones) = (bytes[at], bytes[at + 1]);
        (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| i32::from(tens - b'0') * 10 + i32::from(ones - b'0'))
    };
    match (two(1), two(4)) {
        (Some(hours @ 0..=23), Some(minutes @ 0..=59)) => Ok(sign * (hours * 60 + minutes)),
        _ => Err(allowed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn periods() {
        assert_eq!(parse_simple("PT30M"), Some(1800));
        for wrong in [
            "PT0M",
            "30M",
            "PTM",
            "PT1D",
            "P1D",
            "PT-1M",
            "pt1m",
            "PT1H30M",
            "PT9999999999S",
        ] {
            assert_eq!(parse_simple(wrong), None, "{wrong}");
        }
        assert_eq!(parse_compound("PT1H30M"), Some(5400));
        assert_eq!(parse_compound("PT90S"), Some(90));
        for wrong in ["PT", "PT1M1H", "PT1H1H", "PT5", "PT1é", "PT0S"] {
            assert_eq!(parse_compound(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn windows_fill_a_day() {
        for (text, secs) in [
            ("PT10S", 10),
            ("PT1M", 60),
            ("PT30M", 1800),
            ("PT1H", 3600),
            ("PT24H", 86_400),
        ] {
            assert_eq!(parse_window(text), Ok(Duration::from_secs(secs)));
        }
        assert!(parse_window("PT7M").unwrap_err().contains("evenly"));
        assert!(parse_window("PT25H").is_err());
    }

    #[test]
    fn offsets() {
        assert_eq!(parse_utc_offset("+00:00"), Ok(0));
        assert_eq!(parse_utc_offset("-05:30"), Ok(-330));
        assert_eq!(parse_utc_offset("+23:59"), Ok(1439));
        for wrong in [
            "", "Z", "02:00", "+2:00", "+24:00", "+02:60", "+0200", "+0a:00", "+é2:0",
        ] {
            assert!(parse_utc_offset(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "(PT)?[+-]?[0-9HMS:é]{0,12}") {
            let _ = (parse_simple(&text), parse_compound(&text), parse_window(&text), parse_utc_offset(&text));
        }
    }
}
