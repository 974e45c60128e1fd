//! Files that people or earlier runs wrote: configurations, recordings, audit files, scripts of the simulator.
//!
//! In: a choice, a file · Out: a panic where a promise does not hold · Thread: the fuzzer's.
#![no_main]

use fuzz::{Input, is_json};
use genesys_stream::fuzzing::{recorded, redacted_recorded, replay, verify_audit};
use genesys_stream::simulator::Script;
use genesys_stream::{Config, ErrorKind, Origin, Secret};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};

const FIRST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// All that is wrong has a place in the file; what is right is JSON, and is the same however it is laid out.
fn configuration(text: &str) {
    let read = |text: &str| {
        let config = Config::builder().client_id("fuzz").client_secret(Secret::new("fuzz"));
        config.region("mypurecloud.ie").json("fuzz.json", text).build()
    };
    let lines = text.lines().count().max(1);
    match read(text) {
        Ok(config) => {
            let shown = serde_json::to_string(&config).expect("a configuration can be written");
            assert!(is_json(&shown));
            // Without the mark of byte order that some editors write.
            let text = text.strip_prefix('\u{feff}').unwrap_or(text);
            let value: serde_json::Value = serde_json::from_str(text).expect("what is taken is JSON");
            for laid_out in [value.to_string(), format!("{value:#}")] {
                let again = read(&laid_out).expect("the same configuration");
                assert_eq!(serde_json::to_string(&again).expect("JSON"), shown);
            }
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(!error.problems().is_empty(), "{error}");
            for problem in error.problems() {
                if let Origin::File { line, column, .. } = &problem.origin {
                    assert!((1..=lines + 1).contains(line) && *column >= 1, "{problem:?}");
                }
            }
        }
    }
}

/// A line that is read is written as a line that is read the same; the whole is played, with the same numbers where it is
/// redacted.
fn recording(text: &[u8]) {
    for line in text.split(|byte| *byte == b'\n').take(64) {
        let Ok((verbatim, redacted)) = recorded(line) else {
            continue;
        };
        for written in [&verbatim, &redacted] {
            assert!(written.ends_with('\n') && is_json(written), "{written:?} is no line");
            let (again, _) = recorded(written.trim_end().as_bytes()).unwrap_or_else(|what| panic!("{written}: {what}"));
            // Ids that are redacted stand in another order.
            let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
            assert!(
                again == *written || written == &redacted && value(&again) == value(written),
                "{again} is not {written}"
            );
        }
        if let Ok(text) = std::str::from_utf8(line) {
            assert!(is_json(&redacted_recorded(text)));
        }
    }
    let snapshots = [false, true].map(|is_redacted| {
        replay(text, |line| match recorded(line) {
            Ok((_, redacted)) if is_redacted => redacted.trim_end().as_bytes().to_vec(),
            _ => line.to_vec(),
        })
    });
    let numbers = snapshots.map(|snapshot| {
        let snapshot = snapshot.ok().flatten();
        snapshot.map(|snapshot| {
            assert!(is_json(&serde_json::to_string(&snapshot).expect("JSON")));
            (snapshot.totals, snapshot.counters, snapshot.all_queues)
        })
    });
    let [verbatim, redacted] = &numbers;
    assert_eq!(verbatim, redacted, "a redacted recording gives other numbers");
}

fn sha256(line: &[u8]) -> String {
    Sha256::digest(line).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The chain once more, by another reading and another hash: whole, or the first line that does not fit is near.
fn audit_file(text: &[u8]) {
    let ours = verify_audit(text);
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let has_end = lines.pop().is_some_and(<[u8]>::is_empty);
    let field = |line: &[u8], key: &str| {
        let value: serde_json::Value = serde_json::from_slice(line).ok()?;
        Some(value.get(key)?.as_str()?.to_owned())
    };
    let prev = |line: &[u8]| {
        let prev = field(line, "prev").filter(|prev| prev.len() == FIRST.len());
        let prev = prev.filter(|prev| prev.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        (field(line, "at").is_some() && field(line, "kind").is_some()).then_some(prev)
    };
    let is_torn = |n: usize| prev(lines[n]).is_none();
    let fits = |n: usize| match prev(lines[n]) {
        // Excused by the next line alone.
        None => n + 1 < lines.len() && !is_torn(n + 1) && field(lines[n + 1], "kind").as_deref() == Some("torn"),
        Some(_) if n == 0 => true,
        Some(prev) => prev == sha256(lines[n - 1]),
    };
    let first_wrong = (0..lines.len()).find(|n| !fits(*n));
    match (ours, first_wrong) {
        (Ok((count, torn)), None) => {
            assert!(has_end);
            assert_eq!(count, lines.len() as u64);
            let theirs: Vec<u64> = (0..lines.len()).filter(|n| is_torn(*n)).map(|n| n as u64 + 1).collect();
            assert_eq!(torn, theirs);
        }
        (Err(line), Some(wrong)) => {
            let wrong = wrong as u64 + 1;
            // Which of two neighbours was changed, the one after them shows.
            assert!(
                line == wrong || line + 1 == wrong || line == wrong + 1,
                "line {line}, and not {wrong}"
            );
        }
        (Err(_), None) => assert!(!has_end, "a whole chain is called broken"),
        (Ok(_), Some(wrong)) => panic!("line {} is wrong, and was not seen", wrong + 1),
    }
}

/// Milliseconds of `1h2m3.5s`; none where a digit beyond the millisecond matters.
fn millis(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut sum = 0;
    for (unit, ms) in [('d', 86_400_000), ('h', 3_600_000), ('m', 60_000), ('s', 1_000)] {
        let Some((number, after)) = rest.split_once(unit) else {
            continue;
        };
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        if whole.len() > 9 || part.len() > 3 {
            return None;
        }
        let part = format!("{part}000");
        sum += whole.parse::<u64>().unwrap_or(0) * ms + part[..3].parse::<u64>().ok()? * ms / 1000;
        rest = after;
    }
    Some(sum)
}

/// Every line of a script that is taken is a time and a call, in time order.
fn script(text: &str) {
    let calls: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    match Script::read(text) {
        Ok(_) => {
            let mut before = 0;
            for (n, line) in calls.iter().enumerate() {
                let (time, call) = line.split_once(char::is_whitespace).expect("a time and a call");
                let Some(at) = millis(time) else { return };
                assert!(at >= before, "{line:?} is before the line above it");
                before = at;
                let call = call.trim().trim_start_matches("/sim/");
                assert!(call != "loop" || n + 1 == calls.len(), "{line:?} is not the last");
            }
            // The same lines once more are later than what comes after them, unless all are at one time or none are there.
            let call = calls.last().and_then(|line| line.split_once(char::is_whitespace));
            let is_looped = call.is_some_and(|(_, call)| call.trim().trim_start_matches("/sim/") == "loop");
            if is_looped {
                assert!(
                    Script::read(&format!("{text}\n366d reset")).is_err(),
                    "something follows a loop"
                );
            }
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            let last = text.lines().count();
            for problem in problems.lines().filter_map(|line| line.strip_prefix("line ")) {
                let number = problem
                    .split(':')
                    .next()
                    .and_then(|number| number.parse::<usize>().ok());
                assert!(number.is_none_or(|number| (1..=last).contains(&number)), "{problem}");
            }
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let kind = input.below(4);
    let text = std::str::from_utf8(input.0);
    match (kind, text) {
        (0, Ok(text)) => configuration(text),
        (1, _) => recording(input.0),
        (2, _) => audit_file(input.0),
        (3, Ok(text)) => script(text),
        _ => {}
    }
});
