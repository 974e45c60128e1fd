//! A recording: what came over the wire and what was done about it, a JSON object a line.
//!
//! In: frames, facts of REST, changes · Out: lines, and back · Thread: any (pure).
//!
//! `{"received_at":…,"connection":…,"kind":"frame|rest|state","data":…}`. The data of a frame is its text as a JSON
//! string (`null` for a message that is no text); in a redacted recording `fingerprints` stand beside it, so that
//! repetitions are still told from news. The data of the other kinds is an object; `after` in it says how many events had
//! left the buffer when it was applied. The first line of a run is `{"start":{…}}`, its last `{"stop":{…}}`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::config::{Protocol, ServiceLevel, TotalsConfig, TotalsSince, WindowsConfig};
use crate::model::Settings;
use crate::record::{Bodies, redact};
use crate::{Id, Moment};

/// What stands for a channel id, which opens the channel to anyone.
pub(crate) const CHANNEL: &str = "<channel>";

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) at: Moment,
    /// Which connection brought it; none for what concerns the whole run.
    pub(crate) connection: Option<u32>,
    pub(crate) what: What,
}

/// What a line holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    /// A text message.
    Frame {
        /// As it came, without the channel id; none where it was no text.
        text: Option<Box<str>>,
        /// Of the events in it.
        fingerprints: Vec<u64>,
    },
    /// Facts of REST.
    Rest(Value),
    /// Anything else.
    State(Value),
}

impl Line {
    /// Of the whole run.
    pub(crate) fn state(at: Moment, data: Value) -> Self {
        Self {
            at,
            connection: None,
            what: What::State(data),
        }
    }

    /// Of one connection.
    pub(crate) fn of(connection: u32, at: Moment, what: What) -> Self {
        Self {
            at,
            connection: Some(connection),
            what,
        }
    }

    /// Appends it, with its newline.
    pub(crate) fn write(&self, out: &mut Vec<u8>, bodies: Bodies) {
        let (kind, data) = match &self.what {
            What::Frame { text, .. } => ("frame", frame(text.as_deref(), bodies)),
            What::Rest(data) => ("rest", redacted(data, bodies)),
            What::State(data) => ("state", data.to_string()),
        };
        let connection = self.connection.map_or("null".to_owned(), |number| number.to_string());
        let head = format!(
            "{{\"received_at\":\"{}\",\"connection\":{connection},\"kind\":\"{kind}\",\"data\":",
            self.at
        );
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(data.as_bytes());
        if let (What::Frame { fingerprints, .. }, Bodies::Redacted) = (&self.what, bodies) {
            out.extend_from_slice(b",\"fingerprints\":");
            out.extend_from_slice(Value::from(fingerprints.as_slice()).to_string().as_bytes());
        }
        out.extend_from_slice(b"}\n");
    }

    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it, without its content.
    #[cfg(feature = "cli")]
    pub(crate) fn read(line: &[u8]) -> Result<Self, String> {
        #[derive(serde::Deserialize)]
        struct Raw<'a> {
            received_at: String,
            connection: Option<u32>,
            kind: String,
            #[serde(borrow)]
            data: Option<&'a serde_json::value::RawValue>,
            #[serde(default)]
            fingerprints: Vec<u64>,
        }
        // The text of the error names place and shape, never the content.
        let raw: Raw<'_> = serde_json::from_slice(line).map_err(|error| format!("no line of a recording: {error}"))?;
        let data = raw.data.map_or("null", serde_json::value::RawValue::get);
        let wrong = |_| "no line of a recording: its data cannot be read".to_owned();
        let what = match raw.kind.as_str() {
            "frame" => What::Frame {
                text: serde_json::from_str::<Option<Box<str>>>(data).map_err(wrong)?,
                fingerprints: raw.fingerprints,
            },
            "rest" => What::Rest(serde_json::from_str(data).map_err(wrong)?),
            "state" => What::State(serde_json::from_str(data).map_err(wrong)?),
            _ => return Err("no line of a recording: its kind is none of frame, rest and state".to_owned()),
        };
        Ok(Self {
            at: Moment::parse(&raw.received_at).ok_or("no line of a recording: its received_at is no time")?,
            connection: raw.connection,
            what,
        })
    }
}

fn frame(text: Option<&str>, bodies: Bodies) -> String {
    let mut emptied = Vec::new();
    let text = match (text, bodies) {
        (None, _) => return "null".to_owned(),
        (Some(text), Bodies::Verbatim) => text,
        (Some(text), Bodies::Redacted) => {
            redact(&mut emptied, text);
            // Made from text.
            std::str::from_utf8(&emptied).unwrap_or("null")
        }
    };
    Value::from(text).to_string()
}

fn redacted(data: &Value, bodies: Bodies) -> String {
    let text = data.to_string();
    match bodies {
        Bodies::Verbatim => text,
        Bodies::Redacted => {
            let mut emptied = Vec::new();
            redact(&mut emptied, &text);
            String::from_utf8(emptied).unwrap_or_default()
        }
    }
}

/// What the first line of a run says: whose numbers they are, and what they mean.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Start {
    pub(crate) at: Moment,
    pub(crate) region: String,
    pub(crate) settings: Settings,
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Start {
    /// As a line.
    pub(crate) fn line(&self) -> Line {
        let Settings {
            protocol,
            stale_after,
            retention,
            max_conversations,
            windows,
            totals,
        } = self.settings;
        let service_level = match windows.service_level {
            ServiceLevel::Queue => Value::from("queue"),
            ServiceLevel::Fixed(threshold) => Value::from(millis(threshold)),
        };
        let since = match totals.since {
            TotalsSince::Start => "start",
            TotalsSince::Day => "day",
        };
        let start = json!({
            "schema": 1, "version": env!("CARGO_PKG_VERSION"), "region": self.region, "protocol": protocol.as_str(),
            "stale_after_ms": millis(stale_after), "retention_ms": millis(retention),
            "max_conversations": max_conversations, "granularity_ms": millis(windows.granularity),
            "windows_kept": windows.keep, "service_level_ms": service_level,
            "short_abandon_ms": millis(windows.short_abandon), "totals_since": since,
            "utc_offset_minutes": totals.utc_offset_minutes,
        });
        Line::state(self.at, json!({ "start": start }))
    }

    /// What a line says of a start; none where it is no start. The inner error says what is wrong with it.
    #[cfg(feature = "cli")]
    pub(crate) fn of(line: &Line) -> Option<Result<Self, String>> {
        let What::State(data) = &line.what else { return None };
        let start = data.get("start")?;
        Some(Self::read(line.at, start).ok_or_else(|| {
            "this start of a recording cannot be read: it is of another version of the program".to_owned()
        }))
    }

    #[cfg(feature = "cli")]
    fn read(at: Moment, start: &Value) -> Option<Self> {
        let text = |key: &str| start.get(key)?.as_str();
        let number = |key: &str| start.get(key)?.as_u64();
        let duration = |key: &str| number(key).map(Duration::from_millis);
        let protocols = [Protocol::Notifications, Protocol::Events, Protocol::Metrics];
        let name = text("protocol")?;
        let service_level = match text("service_level_ms") {
            Some(_) => ServiceLevel::Queue,
            None => ServiceLevel::Fixed(duration("service_level_ms")?),
        };
        Some(Self {
            at,
            region: text("region")?.to_owned(),
            settings: Settings {
                protocol: protocols.into_iter().find(|protocol| protocol.as_str() == name)?,
                stale_after: duration("stale_after_ms")?,
                retention: duration("retention_ms")?,
                max_conversations: usize::try_from(number("max_conversations")?).ok()?,
                windows: WindowsConfig {
                    // A window without a length would be divided by.
                    granularity: duration("granularity_ms").filter(|length| !length.is_zero())?,
                    keep: usize::try_from(number("windows_kept")?).ok()?.max(1),
                    service_level,
                    short_abandon: duration("short_abandon_ms")?,
                },
                totals: TotalsConfig {
                    since: match text("totals_since")? {
                        "day" => TotalsSince::Day,
                        _ => TotalsSince::Start,
                    },
                    utc_offset_minutes: i32::try_from(start.get("utc_offset_minutes")?.as_i64()?).ok()?,
                },
            },
        })
    }
}

/// A connection is being made: what its machine must know beside the channel.
pub(crate) fn opening(event_types: &[String], queues: &[Id]) -> What {
    let queues: Vec<String> = queues.iter().map(Id::to_string).collect();
    What::State(json!({"opening": {"event_types": event_types, "queues": queues}}))
}

/// A frame that is no message (or the answer to the upgrade, which counts as none).
pub(crate) fn sign_of_life(control_frames: u64) -> What {
    What::State(json!({ "control_frames": control_frames }))
}

#[cfg(all(test, feature = "cli"))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at() -> Moment {
        Moment::parse("2026-05-04T14:05:30.123Z").unwrap()
    }

    fn written(line: &Line, bodies: Bodies) -> String {
        let mut out = Vec::new();
        line.write(&mut out, bodies);
        assert_eq!(out.iter().filter(|b| **b == b'\n').count(), 1);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_frame_is_kept_to_the_letter() {
        let what = What::Frame {
            text: Some("{\"a\": \"é\\n\"}\n".into()),
            fingerprints: Vec::new(),
        };
        let line = Line::of(3, at(), what);
        let text = written(&line, Bodies::Verbatim);
        assert_eq!(
            text,
            concat!(
                r#"{"received_at":"2026-05-04T14:05:30.123Z","connection":3,"kind":"frame","#,
                r#""data":"{\"a\": \"é\\n\"}\n"}"#,
                "\n"
            )
        );
        assert_eq!(Line::read(text.trim_end().as_bytes()).unwrap(), line);
    }

    #[test]
    fn a_redacted_frame_keeps_what_tells_it_from_others() {
        let what = What::Frame {
            text: Some(r#"{"name":"Erika","id":"x"}"#.into()),
            fingerprints: vec![u64::MAX],
        };
        let text = written(&Line::of(3, at(), what), Bodies::Redacted);
        assert!(!text.contains("Erika"), "{text}");
        let What::Frame { text, fingerprints } = Line::read(text.as_bytes()).unwrap().what else {
            panic!("no frame")
        };
        assert_eq!(
            (&*text.unwrap(), &*fingerprints),
            (r#"{"name":"","id":"x"}"#, &[u64::MAX][..])
        );
        let rest = Line::state(at(), json!({"cause": "x"}));
        assert_eq!(Line::read(written(&rest, Bodies::Redacted).as_bytes()).unwrap(), rest);
        let names = Line {
            what: What::Rest(json!({"users": [{"id": "u", "name": "Erika"}]})),
            ..rest
        };
        assert!(!written(&names, Bodies::Redacted).contains("Erika"));
    }

    #[test]
    fn a_start_says_what_the_numbers_mean() {
        let config = crate::Config::builder()
            .region("http://127.0.0.1:1")
            .client_id("c")
            .client_secret(crate::Secret::new("s"))
            .json(
                "x",
                r#"{"windows":{"granularity":"PT30M","keep":3,"service_level_secs":11,"short_abandon_secs":2},
                    "totals":{"since":"day","utc_offset":"-02:30"},"protocol":"events"}"#,
            )
            .build()
            .unwrap();
        let start = Start {
            at: at(),
            region: config.hosts.region.clone(),
            settings: Settings::from(&config),
        };
        let line = Line::read(written(&start.line(), Bodies::Verbatim).as_bytes()).unwrap();
        assert_eq!(Start::of(&line).unwrap().unwrap(), start);
        assert!(Start::of(&Line::state(at(), json!({"start": {}}))).unwrap().is_err());
        assert!(Start::of(&Line::state(at(), json!({}))).is_none());
    }

    #[test]
    fn what_is_no_line_is_refused_without_showing_it() {
        for text in [
            "",
            "{}",
            "[]",
            "hunter2",
            r#"{"received_at":"hunter2","connection":1,"kind":"state","data":{}}"#,
            r#"{"received_at":"2026-05-04T14:05:30Z","connection":1,"kind":"hunter2","data":{}}"#,
            r#"{"received_at":"2026-05-04T14:05:30Z","connection":1,"kind":"frame","data":{"hunter2":1}}"#,
        ] {
            let wrong = Line::read(text.as_bytes()).unwrap_err();
            assert!(
                wrong.starts_with("no line of a recording") && !wrong.contains("hunter2"),
                "{wrong}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_frame_comes_back(text in ".{0,60}|[\\x00-\\x7f]{0,60}", connection in any::<u32>()) {
            let what = What::Frame { text: Some(text.into()), fingerprints: Vec::new() };
            let line = Line::of(connection, at(), what);
            prop_assert_eq!(Line::read(written(&line, Bodies::Verbatim).as_bytes()).unwrap(), line);
        }

        #[test]
        fn nothing_panics(line in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Line::read(&line);
        }
    }
}
