//! Answers of proxies to CONNECT, HTTP dates, ISO 8601 times, URLs: each held to a reader that shares no code with the program's.
//!
//! In: a choice, bytes · Out: a panic where the two disagree · Thread: the fuzzer's.
#![no_main]

use std::time::Duration;

use fuzz::{Input, days};
use genesys_stream::fuzzing::{connect, http_date, pause, url};
use genesys_stream::{ErrorKind, Moment};
use libfuzzer_sys::fuzz_target;

/// The longest answer to CONNECT that has to be taken, and the most fields.
const HEAD_BYTES: usize = 16 * 1024;
const FIELDS: usize = 64;
/// The longest pause that the program makes.
const LONGEST: Duration = Duration::from_secs(3600);

/// Status and length of a complete head of an answer; whether nobody may refuse it.
fn head(bytes: &[u8]) -> Option<(u16, usize, bool)> {
    let mut at = 0;
    let mut is_strict = true;
    let mut lines = Vec::new();
    loop {
        let end = at + bytes[at..].iter().position(|b| *b == b'\n')?;
        let line = bytes[at..end].strip_suffix(b"\r");
        is_strict &= line.is_some();
        let line = line.unwrap_or(&bytes[at..end]);
        at = end + 1;
        match line {
            // Before the first line some readers skip empty ones.
            [] if lines.is_empty() => is_strict = false,
            [] => break,
            _ => lines.push(line),
        }
    }
    let rest = lines[0]
        .strip_prefix(b"HTTP/1.0")
        .or_else(|| lines[0].strip_prefix(b"HTTP/1.1"))?;
    let [b' ', digits @ ..] = rest else { return None };
    let (code, reason) = digits.split_at_checked(3)?;
    if !code.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let is_text = |b: &u8| matches!(b, b' ' | b'\t' | 0x21..=0x7e | 0x80..);
    is_strict &= reason.first() == Some(&b' ') && reason.iter().all(is_text) && code[0] != b'0';
    for field in &lines[1..] {
        let colon = field.iter().position(|b| *b == b':');
        let is_field = colon.is_some_and(|colon| {
            let is_tchar = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
            colon > 0 && field[..colon].iter().all(is_tchar) && field[colon..].iter().all(is_text)
        });
        is_strict &= is_field;
    }
    is_strict &= lines.len() <= FIELDS && at <= HEAD_BYTES;
    let code = code.iter().fold(0, |n, b| n * 10 + u16::from(b - b'0'));
    Some((code, at, is_strict))
}

/// The same of the final answer, with the interim answers before it.
fn final_head(bytes: &[u8]) -> Option<(u16, usize, bool)> {
    let (mut at, mut is_strict) = (0, true);
    loop {
        let (status, length, is_strict_itself) = head(&bytes[at..])?;
        at += length;
        is_strict &= is_strict_itself && at <= HEAD_BYTES;
        if status / 100 != 1 || status == 101 {
            return Some((status, at, is_strict));
        }
    }
}

fn tunnel(mut input: Input<'_>) {
    let parts = input.parts();
    let whole = parts.concat();
    let answer = connect([&whole[..]]);
    let read = final_head(&whole);
    let is_success = |status: u16| (200..300).contains(&status);
    match (&answer, read) {
        (Ok(()), Some((status, _, _))) => assert!(is_success(status), "{status} opened a tunnel"),
        (Ok(()), None) => panic!("no complete head opened a tunnel"),
        (Err(error), Some((status, length, true))) => {
            assert!(
                !is_success(status) || length < whole.len(),
                "{status} opened no tunnel: {error}"
            );
            if !is_success(status) && whole.len() <= 1024 {
                assert_eq!(error.status(), Some(status), "{error}");
            }
        }
        _ => {}
    }
    if let (Ok(()), true) = (&answer, whole.len() <= 1024) {
        assert_eq!(
            read.map(|(_, length, _)| length),
            Some(whole.len()),
            "data before the client's was ignored"
        );
    }
    // In parts it ends at the end of a part, so that only what came with the head is seen.
    if let (Ok(()), Some((status, ..))) = (connect(parts), read) {
        assert!(is_success(status));
    }
    if let Err(error) = answer {
        let is_known = matches!(error.kind(), ErrorKind::Transient | ErrorKind::Credentials);
        let text = error.to_string();
        assert!(is_known && !text.contains("password-of-the-proxy"), "{text}");
    }
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const DAYS: [&str; 7] = [
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
];

fn number(text: &str, digits: usize) -> Option<i64> {
    (text.len() == digits && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

/// A date of RFC 9110, 5.6.7, in milliseconds since 1970: all that the standard allows it to mean.
fn dates(text: &str) -> Vec<i64> {
    let of = |day_name: &str, (year, month, day): (i64, &str, i64), time: &str, is_short: bool| {
        let month = MONTHS.iter().position(|name| *name == month)? as i64 + 1;
        let since = days(year, month, day)?;
        let name = DAYS[usize::try_from(since.rem_euclid(7)).ok()?];
        let [hour, minute, second] = time.split(':').collect::<Vec<_>>()[..] else {
            return None;
        };
        let (hour, minute, second) = (number(hour, 2)?, number(minute, 2)?, number(second, 2)?);
        let is_day = day_name == if is_short { &name[..3] } else { name };
        (is_day && hour < 24 && minute < 60 && second < 60)
            .then_some(((since * 24 + hour) * 60 + minute) * 60_000 + second * 1000)
    };
    // The crate `httpdate` does not look at what stands between date and time of the second form: harmless.
    // It ignores line ends around a date, too, which no field has.
    let mut text = if text.is_ascii() { text.trim() } else { text }.to_owned();
    if let (Some(comma), true) = (text.find(','), text.len() > 11)
        && text.as_bytes().get(comma + 4) == Some(&b'-')
        && text.is_ascii()
        && text.len() > comma + 12
    {
        text.replace_range(comma + 11..comma + 12, " ");
    }
    let words: Vec<&str> = text.split(' ').collect();
    match words[..] {
        // Sun, 06 Nov 1994 08:49:37 GMT
        [name, day, month, year, time, "GMT"] => {
            let read = || {
                let name = name.strip_suffix(',')?;
                of(name, (number(year, 4)?, month, number(day, 2)?), time, true)
            };
            read().into_iter().collect()
        }
        // Sunday, 06-Nov-94 08:49:37 GMT
        [name, date, time, "GMT"] => {
            let [day, month, year] = date.split('-').collect::<Vec<_>>()[..] else {
                return Vec::new();
            };
            // Of two centuries the one that is near.
            let read = || {
                let year = number(year, 2)?;
                let century = if year < 70 { 2000 } else { 1900 };
                of(
                    name.strip_suffix(',')?,
                    (year + century, month, number(day, 2)?),
                    time,
                    false,
                )
            };
            read().into_iter().collect()
        }
        // Sun Nov  6 08:49:37 1994
        [name, month, "", day, time, year] => {
            let read = || of(name, (number(year, 4)?, month, number(day, 1)?), time, true);
            read().into_iter().collect()
        }
        [name, month, day, time, year] => {
            let read = || of(name, (number(year, 4)?, month, number(day, 2)?), time, true);
            read().into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn date(text: &str) {
    let (ours, allowed) = (http_date(text), dates(text));
    match ours {
        Some(at) => assert!(allowed.contains(&at.epoch_ms()), "{text:?} is read as {at}"),
        None => assert!(allowed.iter().all(|ms| *ms < 0), "{text:?} is not read"),
    }
    let now = Moment::from_epoch_ms(784_111_777_000);
    let waits = pause(text, now);
    assert!(waits.is_none_or(|pause| pause <= LONGEST), "{text:?}: {waits:?}");
    let digits = text.trim();
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        let secs = digits.parse().unwrap_or(u64::MAX);
        assert_eq!(waits, Some(Duration::from_secs(secs).min(LONGEST)));
    }
}

/// A time as `docs/records.md` allows it, in milliseconds since 1970.
fn iso(text: &str) -> Option<i64> {
    let (date, time) = text.split_at_checked(10)?;
    let [year, month, day] = date.split('-').collect::<Vec<_>>()[..] else {
        return None;
    };
    let days = days(number(year, 4)?, number(month, 2)?, number(day, 2)?)?;
    let time = time.strip_prefix(['T', 't', ' '])?;
    let zone = time.find(['Z', 'z', '+', '-']).unwrap_or(time.len());
    let (time, zone) = time.split_at(zone);
    let (time, fraction) = match time.split_once(['.', ',']) {
        Some((time, fraction)) => (time, Some(fraction)),
        None => (time, None),
    };
    let parts: Vec<&str> = time.split(':').collect();
    let (hour, minute, second) = match parts[..] {
        [hour, minute] if fraction.is_none() => (number(hour, 2)?, number(minute, 2)?, 0),
        [hour, minute, second] => (number(hour, 2)?, number(minute, 2)?, number(second, 2)?),
        _ => return None,
    };
    let ms = match fraction {
        None => 0,
        Some(digits) if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) => return None,
        Some(digits) => format!("{digits}00")[..3].parse().ok()?,
    };
    let offset = match zone {
        "" | "Z" | "z" => 0,
        _ => {
            let (sign, zone) = zone.split_at(1);
            let (hours, minutes) = match (zone.len(), zone.split_once(':')) {
                (2, None) => (zone, "00"),
                (4, None) => zone.split_at_checked(2)?,
                (_, Some(parts)) => parts,
                _ => return None,
            };
            let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
            if !matches!(sign, "+" | "-") || hours > 23 || minutes > 59 {
                return None;
            }
            if sign == "-" {
                -(hours * 60 + minutes)
            } else {
                hours * 60 + minutes
            }
        }
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(((days * 24 + hour) * 60 + minute - offset) * 60_000 + second * 1000 + ms)
}

fn time(text: &str) {
    let (ours, other) = (Moment::parse(text), iso(text));
    match (ours, other) {
        (Some(ours), Some(other)) => {
            // What lies outside of the years 0 to 9999 is moved to their border.
            assert_eq!(ours, Moment::from_epoch_ms(other), "{text:?}");
            assert_eq!(Moment::parse(&ours.to_string()), Some(ours), "{text:?}");
        }
        (None, None) => {}
        (ours, other) => panic!("{text:?} is {ours:?} and {other:?}"),
    }
}

/// Whom a connection reaches must be what the text says: nothing of it is skipped over.
fn address(text: &str) {
    let Some((scheme, host, port, path, query)) = url(text) else {
        return;
    };
    let rest = &text[text.find("://").expect("an absolute URL") + 3..];
    let begin = text[..text.len() - rest.len()].to_ascii_lowercase();
    assert_eq!(begin, format!("{scheme}://"));
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let shown = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.clone()
    };
    let given = authority.to_ascii_lowercase();
    let is_default = given == shown && port == if matches!(&*scheme, "https" | "wss") { 443 } else { 80 };
    let given_port = given.strip_prefix(&shown).and_then(|rest| rest.strip_prefix(':'));
    let is_given = given_port.is_some_and(|digits| digits.parse() == Ok(port));
    // An IPv6 address has several texts.
    let is_v6 = host.contains(':') && given.starts_with('[');
    assert!(is_default || is_given || is_v6, "{text:?} leads to {host}:{port}");
    assert!(
        !host.is_empty() && port > 0 && !host.contains(['@', '\\', '/', '?', '#', ' ', '%']),
        "{host:?}"
    );
    assert!(path.starts_with('/'), "{path:?}");
    assert!(query.is_none_or(|query| rest.contains(&query)));
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let kind = input.below(4);
    if kind == 0 {
        return tunnel(input);
    }
    let Ok(text) = std::str::from_utf8(input.0) else {
        return;
    };
    match kind {
        1 => date(text),
        2 => time(text),
        _ => address(text),
    }
});
