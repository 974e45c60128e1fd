//! Recordings with numbers that no run writes: they are refused or played, and take no memory for it.
//!
//! In: the lines that `docs/recording.md` shows, each number in turn replaced · Out: verdicts · Thread: the test's own.

use super::delivery::Delivery;
use super::run::Run;
use crate::net::Cancel;
use crate::output::Outputs;
use crate::output::recording::Line;
use crate::protocol::KeepBody;

const EXTREMES: [&str; 8] = [
    "0",
    "-1",
    "1",
    "4294967295",
    "277000000000000",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
];

fn lines() -> impl Iterator<Item = &'static str> {
    let page = include_str!("../../../docs/recording.md");
    page.lines().filter(|line| line.starts_with("{\"received_at\""))
}

/// The places of the whole numbers in a line; those in texts are among them.
fn numbers(line: &str) -> Vec<std::ops::Range<usize>> {
    let bytes = line.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let length = bytes[at..].iter().take_while(|b| b.is_ascii_digit()).count();
        if length > 0 && at > 0 && matches!(bytes[at - 1], b':' | b',' | b'[') {
            found.push(at..at + length);
        }
        at += length.max(1);
    }
    found
}

fn play(start: &str, line: &str) {
    let Ok(start) = Line::read(start.as_bytes()) else {
        return;
    };
    let begin = start.as_start().expect("a start");
    let mut run = Run::new(begin, start.at, KeepBody::Drop);
    let mut delivery = Delivery::new(Outputs::default(), Cancel::new());
    if let Ok(line) = Line::read(line.as_bytes()) {
        // What is wrong with it, at most.
        let _ = run.play(line, &mut delivery);
    }
    run.cut_off("the end".to_owned(), &mut delivery);
    let snapshot = run.snapshot(Default::default());
    let json = serde_json::to_string(&snapshot).expect("JSON");
    assert!(json.len() < 1 << 20, "{} bytes of snapshot", json.len());
}

#[test]
fn a_number_that_no_run_writes_is_refused_or_played() {
    let start = lines().find(|line| line.contains("{\"start\"")).expect("a start");
    let frame = lines().next().expect("a frame");
    let mut played = 0;
    for line in lines() {
        for place in numbers(line) {
            for extreme in EXTREMES {
                let mut changed = line.to_owned();
                changed.replace_range(place.clone(), extreme);
                match line == start {
                    true => play(&changed, frame),
                    false => play(start, &changed),
                }
                played += 1;
            }
        }
    }
    assert!(played > 200, "{played}");
}

#[test]
fn ranges_of_the_configuration_hold() {
    let start = lines().find(|line| line.contains("{\"start\"")).expect("a start");
    for (key, allowed, refused) in [
        ("\"keep\":60", "\"keep\":100000", "\"keep\":100001"),
        (
            "\"granularity_ms\":60000",
            "\"granularity_ms\":3600000",
            "\"granularity_ms\":7000",
        ),
        (
            "\"granularity_ms\":60000",
            "\"granularity_ms\":1000",
            "\"granularity_ms\":1",
        ),
        (
            "\"stale_after_ms\":30000",
            "\"stale_after_ms\":86400000",
            "\"stale_after_ms\":86400001",
        ),
        (
            "\"retention_ms\":7200000",
            "\"retention_ms\":1000",
            "\"retention_ms\":0",
        ),
        (
            "\"max_conversations\":200000",
            "\"max_conversations\":1",
            "\"max_conversations\":10000001",
        ),
        (
            "\"max_bytes\":134217728",
            "\"max_bytes\":1048576",
            "\"max_bytes\":1099511627777",
        ),
        (
            "\"short_abandon_ms\":0",
            "\"short_abandon_ms\":1000",
            "\"short_abandon_ms\":86400001",
        ),
        (
            "\"utc_offset_minutes\":0",
            "\"utc_offset_minutes\":-1439",
            "\"utc_offset_minutes\":1440",
        ),
        (
            "\"utc_offset_minutes\":0",
            "\"utc_offset_minutes\":0,\"time_zone\":{\"name\":\"x\",\"first_secs\":3600,\"changes\":[[1000000000,7200]]}",
            "\"utc_offset_minutes\":0,\"time_zone\":{\"name\":\"x\",\"first_secs\":3600,\"changes\":[[9223372036854775807,7200]]}",
        ),
    ] {
        assert!(start.contains(key), "{key}");
        assert!(Line::read(start.replace(key, allowed).as_bytes()).is_ok(), "{allowed}");
        let what = Line::read(start.replace(key, refused).as_bytes()).unwrap_err();
        assert!(what.contains("settings that no run can have"), "{refused}: {what}");
    }
}
