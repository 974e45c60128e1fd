//! Records as they leave: one JSON object a line.
//!
//! In: `Event`, `StateChange`, `Gap`, `Alert`, `Snapshot` · Out: bytes appended to a reused buffer, each record ended by a newline
//! · Thread: any (pure).

mod redact;

use std::io::{self, Write};

use serde::Serialize;

use crate::base::scrub;
use crate::event::Event;
use crate::event::alert::Alert;
use crate::event::gap::Gap;
pub(crate) use crate::event::state::StateChange;
use crate::model::snapshot::Snapshot;

pub(crate) use redact::{redact, redact_recorded};

/// What [`StreamBuilder::records`](crate::StreamBuilder::records) writes, a line each; the JSON forms are described in
/// `docs/records.md`.
///
/// ```
/// use genesys_stream::{Records, StreamBuilder};
///
/// fn with_log(builder: StreamBuilder) -> std::io::Result<StreamBuilder> {
///     Ok(builder.records(Records::Events, std::fs::File::create("events.ndjson")?))
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Records {
    /// A JSON record for each event with its verbatim body, for each change of state, each gap and each alert, and the last snapshot.
    Events,
    /// A JSON snapshot each `snapshot_interval`, and the last one.
    Snapshots,
    /// A short line for people for each event, without customer data, and a summary at the end.
    Lines,
}

/// The size of the blocks of a large record.
const BLOCK_BYTES: usize = 64 * 1024;

/// Whether bodies leave as they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bodies {
    /// Every character of the content.
    Verbatim,
    /// Names, addresses, attributes and notes emptied.
    Redacted,
}

/// Appends the record of an event. `seq` is its number among the events that this output writes.
pub(crate) fn event(out: &mut Vec<u8>, seq: u64, event: &Event, bodies: Bodies) {
    let begin = out.len();
    let head = event.record(Some(seq));
    match bodies {
        // Searched for secrets with the body.
        Bodies::Verbatim => unsearched_json(out, &head),
        Bodies::Redacted => json_as(out, &head, bodies),
    }
    // The body is the last field, and is copied as it came.
    out.pop();
    out.extend_from_slice(b",\"body\":");
    match (event.body.as_deref().map(str::trim), bodies) {
        (None | Some(""), _) => out.extend_from_slice(b"null"),
        (Some(body), Bodies::Verbatim) => one_line(out, body),
        (Some(body), Bodies::Redacted) => redact(out, body),
    }
    out.extend_from_slice(b"}\n");
    scrub::bytes(out, begin);
}

/// Appends the record of a state change.
pub(crate) fn state(out: &mut Vec<u8>, change: &StateChange) {
    #[derive(Serialize)]
    struct Record<'a> {
        record: &'static str,
        #[serde(flatten)]
        change: &'a StateChange,
    }
    json(
        out,
        &Record {
            record: "state",
            change,
        },
    );
    out.push(b'\n');
}

/// Appends the record of a gap as it is now.
pub(crate) fn gap(out: &mut Vec<u8>, gap: &Gap, bodies: Bodies) {
    #[derive(Serialize)]
    struct Record<'a> {
        record: &'static str,
        #[serde(flatten)]
        gap: &'a Gap,
    }
    json_as(out, &Record { record: "gap", gap }, bodies);
    out.push(b'\n');
}

/// Appends the record of an alert.
pub(crate) fn alert(out: &mut Vec<u8>, alert: &Alert, bodies: Bodies) {
    #[derive(Serialize)]
    struct Record<'a> {
        record: &'static str,
        #[serde(flatten)]
        alert: &'a Alert,
    }
    json_as(out, &Record { record: "alert", alert }, bodies);
    out.push(b'\n');
}

/// Appends a snapshot.
pub(crate) fn snapshot(out: &mut Vec<u8>, snapshot: &Snapshot, bodies: Bodies) {
    json_as(out, snapshot, bodies);
    out.push(b'\n');
}

/// Writes a snapshot in blocks: as one text, a large one would take tens of megabytes.
///
/// # Errors
/// Those of `out`.
pub(crate) fn write_snapshot(out: &mut dyn Write, snapshot: &Snapshot) -> io::Result<()> {
    without_secrets(out, |out| snapshot_to(out, snapshot))
}

/// Writes a snapshot; see [`without_secrets`].
///
/// # Errors
/// Those of `out`.
pub(crate) fn snapshot_to(mut out: &mut dyn Write, snapshot: &Snapshot) -> io::Result<()> {
    serde_json::to_writer(&mut out, snapshot)?;
    out.write_all(b"\n")
}

/// Writes what `write` writes, in blocks and without secrets.
///
/// # Errors
/// Those of `write` and of `out`.
pub(crate) fn without_secrets(
    out: &mut dyn Write,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut out = Scrubbing { out, held: Vec::new() };
    write(&mut out)?;
    out.flush()
}

/// Writes in blocks, without secrets.
struct Scrubbing<'a> {
    out: &'a mut dyn Write,
    held: Vec<u8>,
}

/// Of a block so much is held back: a secret may have begun there. None is longer.
const HELD_BACK_BYTES: usize = 8 * 1024;

impl Write for Scrubbing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        if self.held.len() >= BLOCK_BYTES + HELD_BACK_BYTES {
            scrub::bytes(&mut self.held, 0);
            let end = self.held.len().saturating_sub(HELD_BACK_BYTES);
            self.out.write_all(&self.held[..end])?;
            self.held.drain(..end);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        scrub::bytes(&mut self.held, 0);
        self.out.write_all(&self.held)?;
        self.held.clear();
        self.out.flush()
    }
}

/// Appends `value` as JSON; what cannot be written as JSON (no type here) leaves `null`.
fn json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    let start = out.len();
    unsearched_json(out, value);
    scrub::bytes(out, start);
}

/// As [`json`]; the caller searches it for secrets.
fn unsearched_json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    let start = out.len();
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

/// As [`json`], redacted where bodies are.
fn json_as<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T, bodies: Bodies) {
    match bodies {
        Bodies::Verbatim => json(out, value),
        Bodies::Redacted => {
            let mut verbatim = Vec::new();
            json(&mut verbatim, value);
            redact::redact_record(out, &String::from_utf8_lossy(&verbatim));
        }
    }
}

/// Appends JSON text as one line: line breaks between tokens become blanks, all else is kept byte by byte.
fn one_line(out: &mut Vec<u8>, text: &str) {
    // In blocks without an early end: the compiler can look at many bytes at once, and nearly no body has any.
    let has_control = |block: &[u8]| block.iter().fold(false, |found, b| found | (*b < 0x20));
    if !text.as_bytes().chunks(256).any(has_control) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    let mut in_string = false;
    let mut escaped = false;
    for b in text.bytes() {
        match b {
            // JSON allows no bare control character in a string; should one come, the record still stays one valid line.
            0..0x20 if in_string => {
                let _ = write!(out, "\\u{b:04x}");
            }
            b'\n' | b'\r' => out.push(b' '),
            b'"' if !escaped => {
                in_string = !in_string;
                out.push(b);
            }
            _ => out.push(b),
        }
        escaped = in_string && b == b'\\' && !escaped;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::Id;
    use crate::Moment;
    use crate::config::{AlertName, Protocol};
    use crate::event::EventKind;
    use crate::event::alert::{AlertLevel, AlertState};
    use crate::event::facts::Facts;
    use crate::model::snapshot::{ConnectionState, GapTopics};
    use proptest::prelude::*;
    use serde_json::Value;
    use std::time::Duration;

    pub(crate) fn moment(text: &str) -> Moment {
        Moment::parse(text).unwrap()
    }

    pub(crate) fn an_event(body: Option<&str>) -> Event {
        Event {
            received_at: moment("2026-05-04T14:05:30.123Z"),
            connection: 1,
            protocol: Protocol::Notifications,
            kind: EventKind::QueueConversation,
            topic: "v2.routing.queues.509f5a7f-cb31-5a43-ac00-8041a8ba3690.conversations".into(),
            conversation_id: Some(Id::new("1b3e08b8-e7c3-538a-87c3-a10b68b6b415")),
            queue_id: Some(Id::new("509f5a7f-cb31-5a43-ac00-8041a8ba3690")),
            user_id: None,
            service_time: moment("2026-05-04T14:05:30.123Z"),
            travel_ms: None,
            unreadable: 0,
            event_time: Some(moment("2026-05-04T14:05:30.000Z")),
            body: body.map(Into::into),
            fingerprint: 7,
            facts: Facts::None,
        }
    }

    fn line(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches('\n').count(), 1, "{text:?}");
        serde_json::from_str::<Value>(&text).expect(&text);
        text
    }

    #[test]
    fn an_event_has_every_key_in_its_place() {
        assert_eq!(
            line(|out| event(out, 1, &an_event(Some(r#"{"id": "ä", "n":1.0e2}"#)), Bodies::Verbatim)),
            concat!(
                r#"{"record":"event","schema":1,"seq":1,"received_at":"2026-05-04T14:05:30.123Z","protocol":"notifications","#,
                r#""kind":"queue_conversation","topic":"v2.routing.queues.509f5a7f-cb31-5a43-ac00-8041a8ba3690.conversations","#,
                r#""conversation_id":"1b3e08b8-e7c3-538a-87c3-a10b68b6b415","queue_id":"509f5a7f-cb31-5a43-ac00-8041a8ba3690","#,
                r#""user_id":null,"event_time":"2026-05-04T14:05:30.000Z","latency_ms":123,"body":{"id": "ä", "n":1.0e2}}"#,
                "\n"
            )
        );
    }

    #[test]
    fn an_event_serialises_as_its_record_without_seq() {
        for body in [Some(r#"{"id": "ä", "n":1.0e2}"#), None] {
            let record = line(|out| event(out, 1, &an_event(body), Bodies::Verbatim));
            let json = serde_json::to_string(&an_event(body)).unwrap();
            assert_eq!(json, record.trim_end().replace(r#""seq":1,"#, ""));
        }
        let text = serde_json::to_value(an_event(Some("no JSON"))).unwrap();
        assert_eq!(text["body"], "no JSON");
    }

    #[test]
    fn what_an_event_does_not_name_is_null() {
        let mut bare = an_event(None);
        bare.topic = "".into();
        bare.conversation_id = None;
        bare.queue_id = None;
        bare.event_time = None;
        assert!(
            line(|out| event(out, 2, &bare, Bodies::Verbatim)).ends_with(concat!(
                r#""topic":"","conversation_id":null,"queue_id":null,"user_id":null,"event_time":null,"latency_ms":null,"body":null}"#,
                "\n"
            ))
        );
    }

    #[test]
    fn topics_and_ids_cannot_break_out_of_their_strings() {
        let mut odd = an_event(Some("{}"));
        odd.topic = "a\"},\n\u{1}".into();
        odd.queue_id = Some(Id::new("\"\\"));
        let text = line(|out| event(out, 1, &odd, Bodies::Verbatim));
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["topic"], "a\"},\n\u{1}");
        assert_eq!(value["queue_id"], "\"\\");
    }

    #[test]
    fn control_records() {
        let mut change = StateChange {
            at: moment("2026-05-04T14:05:30Z"),
            state: ConnectionState::Backoff,
            cause: Some("socket closed (1006)".to_owned()),
            attempt: Some(3),
            retry_in: Some(Duration::from_millis(1500)),
        };
        assert_eq!(
            line(|out| state(out, &change)),
            concat!(
                r#"{"record":"state","at":"2026-05-04T14:05:30.000Z","state":"backoff","cause":"socket closed (1006)","attempt":3,"retry_in_ms":1500}"#,
                "\n"
            )
        );
        change = StateChange {
            state: ConnectionState::Streaming,
            cause: None,
            attempt: None,
            retry_in: None,
            ..change
        };
        assert!(line(|out| state(out, &change)).ends_with(concat!(
            r#""state":"streaming","cause":null,"attempt":null,"retry_in_ms":null}"#,
            "\n"
        )));
        let mut open = Gap {
            id: 1,
            topics: GapTopics::All,
            from: moment("2026-05-04T14:05:30Z"),
            to: None,
            cause: "silent".to_owned(),
            repaired: false,
        };
        assert_eq!(
            line(|out| gap(out, &open, Bodies::Verbatim)),
            concat!(
                r#"{"record":"gap","id":1,"topics":"all","from":"2026-05-04T14:05:30.000Z","to":null,"cause":"silent","repaired":false}"#,
                "\n"
            )
        );
        open.topics = GapTopics::Some(vec!["v2.a".to_owned()]);
        open.to = Some(moment("2026-05-04T14:06:00Z"));
        open.repaired = true;
        assert!(line(|out| gap(out, &open, Bodies::Verbatim)).contains(
            r#""topics":["v2.a"],"from":"2026-05-04T14:05:30.000Z","to":"2026-05-04T14:06:00.000Z","cause":"silent","repaired":true"#
        ));
    }

    #[test]
    fn no_secret_leaves_in_a_record_or_snapshot() {
        const PLANTED: &str = "planted-token-0123456789";
        let _secret = crate::Secret::new(PLANTED);
        let body = format!(r#"{{"id":"1","note":"{PLANTED}"}}"#);
        let of_event = line(|out| event(out, 1, &an_event(Some(&body)), Bodies::Verbatim));
        assert!(of_event.contains(r#""note":"<secret>""#), "{of_event}");
        let mut snapshot = (*crate::output::testing::numbered(1)).clone();
        // Longer than a block, so that some of the secrets are where a block ends.
        for n in 0..4000 {
            let queue = crate::model::snapshot::QueueSnapshot {
                name: Some(format!("{}{PLANTED}", "x".repeat(n % 50))),
                ..Default::default()
            };
            snapshot.queues.insert(Id::new(&n.to_string()), queue);
        }
        let mut file = Vec::new();
        write_snapshot(&mut file, &snapshot).unwrap();
        let text = String::from_utf8(file).unwrap();
        assert!(!text.contains("planted") && text.matches("<secret>").count() == 4000);
        assert_eq!(text, line(|out| super::snapshot(out, &snapshot, Bodies::Verbatim)));
    }

    #[test]
    fn redacted_records_keep_uuids_and_names_of_queues() {
        let mut event_of = an_event(Some(r#"{"id":"sip:erika"}"#));
        event_of.topic = "v2.routing.queues.Erika.conversations".into();
        event_of.queue_id = Some(Id::new("Erika"));
        let of_event = line(|out| event(out, 1, &event_of, Bodies::Redacted));
        let value: Value = serde_json::from_str(&of_event).unwrap();
        let queue = value["queue_id"].as_str().unwrap();
        assert!(queue.starts_with("h:"), "{of_event}");
        assert_eq!(value["topic"], format!("v2.routing.queues.{queue}.conversations"));
        assert_eq!(value["conversation_id"], "1b3e08b8-e7c3-538a-87c3-a10b68b6b415");
        let mut of_centre = (*crate::output::testing::numbered(1)).clone();
        let queue_of_centre = crate::model::snapshot::QueueSnapshot {
            name: Some("Sales".to_owned()),
            ..Default::default()
        };
        of_centre.queues.insert(Id::new("Erika"), queue_of_centre);
        let user = crate::model::snapshot::UserSnapshot {
            name: Some("Erika".to_owned()),
            ..Default::default()
        };
        of_centre.users.insert(Id::new("Erika"), user);
        let of_snapshot = line(|out| snapshot(out, &of_centre, Bodies::Redacted));
        let value: Value = serde_json::from_str(&of_snapshot).unwrap();
        assert_eq!(value["queues"][queue]["name"], "Sales");
        assert_eq!(value["users"][queue]["name"], Value::Null);
        assert!(
            !of_event.contains("rika") && !of_snapshot.contains("rika"),
            "{of_snapshot}"
        );
    }

    #[test]
    fn alerts_are_records_with_numbers_as_people_write_them() {
        let mut of_waiting = Alert {
            at: moment("2026-05-04T14:05:30Z"),
            queue_id: Id::new("q"),
            queue: Some("Sales".into()),
            name: AlertName::Waiting,
            state: AlertState::Firing,
            level: AlertLevel::Red,
            value: Some(7.0),
            threshold: 5.0,
            since: moment("2026-05-04T14:05:30Z"),
        };
        assert_eq!(
            line(|out| alert(out, &of_waiting, Bodies::Verbatim)),
            concat!(
                r#"{"record":"alert","at":"2026-05-04T14:05:30.000Z","queue_id":"q","queue":"Sales","name":"waiting","state":"firing","#,
                r#""level":"red","value":7,"threshold":5,"since":"2026-05-04T14:05:30.000Z"}"#,
                "\n"
            )
        );
        of_waiting.state = AlertState::Resolved;
        (of_waiting.value, of_waiting.threshold) = (None, 2.5);
        let resolved = line(|out| alert(out, &of_waiting, Bodies::Verbatim));
        assert!(
            resolved.contains(r#""state":"resolved","level":"red","value":null,"threshold":2.5,"#),
            "{resolved}"
        );
    }

    #[test]
    fn a_body_on_several_lines_becomes_one_line_and_keeps_its_spaces() {
        let mut out = Vec::new();
        one_line(&mut out, "{\r\n\t\"a\\\"\\\\\": [1,\t\"x  y\\n\"]\n}");
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{  \t\"a\\\"\\\\\": [1,\t\"x  y\\n\"] }"
        );
    }

    pub(crate) fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
            "[\\\\\"\n\t{}\\[\\]:,]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::hash_map("name|address|attributes|metrics|.{0,6}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_body_stays_what_it_says(body in any_json()) {
            for text in [body.to_string(), serde_json::to_string_pretty(&body).unwrap()] {
                let record = line(|out| event(out, 1, &an_event(Some(&text)), Bodies::Verbatim));
                // Both are read from text, so that the reader's rounding of floats is the same on both sides.
                let expected: Value = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(&serde_json::from_str::<Value>(&record).unwrap()["body"], &expected);
            }
        }

        #[test]
        fn no_text_at_all_breaks_the_line(text in "\\PC{0,40}|[\\x00-\\x7f]{0,40}") {
            let mut out = Vec::new();
            event(&mut out, 1, &an_event(Some(&text)), Bodies::Verbatim);
            prop_assert_eq!(out.iter().filter(|b| **b == b'\n').count(), 1);
        }
    }
}
