//! Lines of a recording, read back.
//!
//! In: bytes of a line · Out: `Line`, `Start` · Thread: any (pure).

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Line, Start, What};
use crate::Moment;
use crate::config::{Protocol, ServiceLevel, TotalsConfig, TotalsSince, WindowsConfig};
use crate::model::Settings;

impl Line {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it, without its content.
    pub(crate) fn read(line: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Raw<'a> {
            received_at: String,
            connection: Option<u32>,
            kind: String,
            #[serde(borrow)]
            data: Option<&'a RawValue>,
            #[serde(default)]
            fingerprints: Vec<u64>,
        }
        // The text of the error names place and shape, never the content.
        let raw: Raw<'_> = serde_json::from_slice(line).map_err(|error| format!("no line of a recording: {error}"))?;
        let data = raw.data.map_or("null", RawValue::get);
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

impl Start {
    /// What a line says of a start; none where it is no start. The inner error says what is wrong with it.
    pub(crate) fn of(line: &Line) -> Option<Result<Self, String>> {
        let What::State(data) = &line.what else { return None };
        let start = data.get("start")?;
        Some(Self::read(line.at, start).ok_or_else(|| {
            "this start of a recording cannot be read: it is of another version of the program".to_owned()
        }))
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::record::Bodies;
    use proptest::prelude::*;
    use serde_json::json;

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
