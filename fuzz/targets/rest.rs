//! Answers of the REST API, from the bytes of a connection on: each call gives what an independent reading of the JSON gives, or
//! an error that shows no secret.
//!
//! In: a call, answers · Out: a panic where a promise does not hold · Thread: the fuzzer's.
#![no_main]

use std::time::Duration;

use fuzz::{Input, is_json};
use genesys_stream::fuzzing::{Answered, Dashboard, SECRETS, rest_call};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const ID_BYTES: usize = 256;
const NAME_BYTES: usize = 1024;
/// The longest life of a token that is believed.
const LONGEST_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// The bodies between lines of `~`, and what stands before a body: heads of answers, or a status.
fn answers(bytes: &[u8]) -> Vec<(u16, Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    for part in bytes.split(|byte| *byte == b'~').take(4) {
        let mut input = Input(part);
        let status = match input.byte() {
            // The whole answer comes from the fuzzer.
            255 => 0,
            0..200 => 200,
            choice => [201, 204, 302, 400, 401, 403, 404, 429, 500, 503, 100, 999][usize::from(choice) % 12],
        };
        let body = input.0.to_vec();
        let answer = match status {
            0 => body.clone(),
            status => {
                let head = format!(
                    "HTTP/1.1 {status} X\r\nDate: Mon, 04 May 2026 14:00:00 GMT\r\nContent-Type: application/json\r\n\
                     inin-correlation-id: 7-{}\r\nContent-Length: {}\r\n\r\n",
                    SECRETS[usize::from(status) % 3],
                    body.len()
                );
                [head.as_bytes(), &body].concat()
            }
        };
        all.push((status, body, answer));
    }
    all
}

fn entries<'a>(body: &'a Value, key: &str) -> Vec<&'a Value> {
    body[key]
        .as_array()
        .map(|list| list.iter().collect())
        .unwrap_or_default()
}

/// The ids of a listing's entities, each once; of users also from an object inside.
fn ids(body: &Value, is_of_users: bool) -> Vec<(String, Option<String>)> {
    let mut all: Vec<(String, Option<String>)> = Vec::new();
    for entity in entries(body, "entities") {
        let field = |key: &str| match &entity[key] {
            Value::String(text) => Some(text.clone()),
            _ if is_of_users => entity["user"][key].as_str().map(str::to_owned),
            _ => None,
        };
        let Some(id) = field("id").filter(|id| id.len() <= ID_BYTES) else {
            continue;
        };
        if !all.iter().any(|(known, _)| Dashboard::same_id(known, &id)) {
            all.push((id, field("name")));
        }
    }
    all
}

fn is_same_listing(ours: &[(String, Option<String>)], theirs: &[(String, Option<String>)]) -> bool {
    ours.len() == theirs.len()
        && ours.iter().zip(theirs).all(|((id, name), (other, full))| {
            let is_name = match (name, full) {
                (Some(name), Some(full)) => {
                    full.starts_with(name.as_str()) && name.len() + 4 > full.len().min(NAME_BYTES)
                }
                (None, None) => true,
                _ => false,
            };
            Dashboard::same_id(id, other) && is_name
        })
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let call = input.below(12) as u8;
    let answers = answers(input.0);
    let [(status, body, _), ..] = &answers[..] else {
        return;
    };
    let is_plain = *status == 200 && answers.len() == 1;
    let read = serde_json::from_slice::<Value>(body).ok().filter(|_| is_plain);
    let result = rest_call(call, answers.iter().map(|(_, _, answer)| answer.clone()).collect());
    match &result {
        Err(error) => {
            let text = error.to_string();
            let shown = format!("{text}{error:?}");
            assert!(!SECRETS.iter().any(|secret| shown.contains(secret)), "{shown}");
            assert!(
                !text.contains(['\n', '\r', '\0', '\u{1b}']) && text.chars().count() < 1500,
                "{text}"
            );
            assert!(
                error
                    .retry_after()
                    .is_none_or(|pause| pause <= Duration::from_secs(3600))
            );
        }
        Ok(Answered::Named(all)) => {
            let is_short = |(id, name): &(String, Option<String>)| {
                id.len() <= ID_BYTES && name.as_ref().is_none_or(|name| name.len() <= NAME_BYTES)
            };
            assert!(all.iter().all(is_short), "{all:?}");
            // Keys that are there twice are read differently.
            if let Some(read) = read.filter(|read| is_json(&read.to_string()) && read.to_string().len() == body.len()) {
                let mut theirs = ids(&read, call != 0);
                if call == 2 {
                    theirs.retain(|(id, _)| ["q1", "q2"].iter().any(|asked| Dashboard::same_id(asked, id)));
                }
                assert!(is_same_listing(all, &theirs), "{all:?} is not {theirs:?}");
            }
        }
        Ok(Answered::Rows(all)) => {
            assert_eq!(all.len(), 2, "one entry for each queue that was asked for");
            if let Some(read) = read {
                let rows: usize = entries(&read, "results")
                    .iter()
                    .map(|group| entries(group, "data").len())
                    .sum();
                assert!(all.iter().map(|(_, rows)| rows).sum::<usize>() <= rows);
            }
        }
        Ok(Answered::Conversations(count)) => {
            if let (Some(read), 4) = (read, call) {
                assert_eq!(*count, entries(&read, "conversations").len());
            }
        }
        Ok(Answered::Token(token, life)) => {
            assert!(
                !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()),
                "{token:?}"
            );
            assert!(*life >= Duration::from_secs(1) && *life <= LONGEST_LIFE, "{life:?}");
            if let Some(read) = read {
                assert_eq!(read["access_token"], token.as_str());
                let secs = read["expires_in"].as_f64().expect("a life");
                assert!((life.as_secs_f64() - secs.min(LONGEST_LIFE.as_secs_f64())).abs() < 0.001);
            }
        }
        Ok(Answered::Channel(id, address)) => {
            assert!(!id.is_empty());
            // Whoever answers may send the stream nowhere else.
            let rest = address.to_ascii_lowercase();
            let rest = rest
                .strip_prefix("wss://streaming.example")
                .unwrap_or_else(|| panic!("{address}"));
            assert!(
                rest.is_empty() || rest.starts_with(['/', '?', '#']) || rest.starts_with(":443"),
                "{address}"
            );
        }
        Ok(Answered::Listed(all)) => {
            if let Some(read) = read {
                assert!(call == 11 || all.len() == entries(&read, "entities").len(), "{all:?}");
            }
        }
    }
    // A page of conversations is read once more where it is applied.
    if call == 4 {
        let mut dashboard = Dashboard::new(Default::default(), &[], 1_777_903_500_000, (100, 1 << 24, 1));
        let applied = dashboard.details(body, 1_777_905_000_000);
        let is_page = serde_json::from_slice::<Value>(body).is_ok_and(|body| body.is_object());
        assert!(is_page || applied.is_err());
        let snapshot = dashboard.snapshot(1_777_905_000_000);
        assert!(is_json(&serde_json::to_string(&snapshot).expect("JSON")));
    }
});
