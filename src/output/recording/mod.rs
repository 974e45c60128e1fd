//! A recording: what came over the wire and what was done about it, a JSON object a line.
//!
//! In: frames, facts of REST, changes · Out: lines, and back · Thread: any (pure).
//!
//! `{"received_at":…,"connection":…,"kind":"frame|rest|state","data":…}`. The data of a frame is its text as a JSON
//! string (`null` for a message that is no text); in a redacted recording `fingerprints` stand beside it, so that
//! repetitions are still told from news. The data of the other kinds is an object; `after` in it says how many events had
//! left the buffer when it was applied. The first line of a run is `{"start":{…}}`, its last `{"stop":{…}}`.

#[cfg(feature = "cli")]
mod reading;

use std::time::Duration;

use serde_json::{Value, json};

use crate::config::{ServiceLevel, TotalsSince};
use crate::model::Settings;
use crate::output::record::{Bodies, redact};
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
