//! A recording: what came over the wire and what was done about it, one JSON object a line.
//!
//! In: frames, changes, start and stop of a run · Out: lines, and back · Thread: any (pure).
//!
//! `docs/recording.md` describes each line. Writing and reading are the same derived form, so that neither can fall behind.

mod preface;
#[cfg(feature = "cli")]
mod reading;
#[cfg(all(test, feature = "cli"))]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(crate) use self::preface::Preface;
use crate::base::receipt::Receipt;
use crate::base::scrub;
use crate::event::change::Change;
use crate::model::Settings;
use crate::model::snapshot::OutputSnapshot;
use crate::output::record::{Bodies, redact, redact_recorded};
use crate::{Id, Moment};

/// The form of the lines; a file of another form is refused.
pub(crate) const SCHEMA: u32 = 3;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    /// When a frame came, or when a change was applied.
    #[serde(rename = "received_at")]
    pub(crate) at: Moment,
    /// Which connection brought it; none for what concerns the whole run.
    pub(crate) connection: Option<u32>,
    #[serde(flatten)]
    pub(crate) content: Content,
    /// Of a change: how many events had left the buffer (applied, merged or dropped) when it was applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<u64>,
    /// Of a frame: the fingerprints of its events. A redacted body may equal another that it did not equal when it came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) fingerprints: Vec<u64>,
    /// Of a frame: how far the service's clock was ahead of ours when it came, in milliseconds, where it was not equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) service_ahead_ms: Option<i64>,
}

impl Line {
    /// The bytes of the text in it.
    pub(crate) fn text_bytes(&self) -> usize {
        match &self.content {
            Content::Frame(Some(text)) => text.len(),
            // A page of conversations at most, which is answered before the next is asked for.
            _ => 0,
        }
    }
}

/// What a line holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub(crate) enum Content {
    /// A message as it came, without the channel id; none where it was no text.
    Frame(Option<Box<str>>),
    /// A change that came over REST.
    Rest(Change),
    /// Anything else.
    State(State),
}

/// What a line of the kind `state` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// The first line of a run.
    Start(Box<Start>),
    /// A connection is being made: what its decoder must know beside the channel.
    Opening { event_types: Vec<String>, queues: Vec<Id> },
    /// Frames that are no messages; 0 for the answer to the upgrade, which is a sign of life and counts as none.
    ControlFrames(u64),
    /// The last line of a run.
    Stop(Stop),
    /// A change that did not come over REST.
    #[serde(untagged)]
    Change(Change),
}

/// Whose numbers these are, and what they mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Start {
    pub(crate) schema: u32,
    /// Of the program.
    pub(crate) version: String,
    pub(crate) region: String,
    pub(crate) settings: Settings,
    /// Events of the run that stand in another file; 0 where the run begins here.
    pub(crate) events_before: u64,
}

/// What a replay cannot know otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stop {
    pub(crate) events_applied: u64,
    pub(crate) events_coalesced: u64,
    pub(crate) events_dropped: u64,
    pub(crate) outputs: BTreeMap<String, OutputSnapshot>,
}

impl Stop {
    /// Events that left the buffer.
    #[cfg(feature = "cli")]
    pub(crate) fn settled(&self) -> u64 {
        let parts = [self.events_coalesced, self.events_dropped];
        parts.into_iter().fold(self.events_applied, u64::saturating_add)
    }
}

impl Start {
    /// Of a run of this program.
    pub(crate) fn new(region: String, settings: Settings) -> Self {
        Self {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            region,
            settings,
            events_before: 0,
        }
    }
}

impl Line {
    fn new(at: Moment, connection: Option<u32>, content: Content) -> Self {
        Self {
            at,
            connection,
            content,
            after: None,
            fingerprints: Vec::new(),
            service_ahead_ms: None,
        }
    }

    /// A frame with the fingerprints of its events.
    pub(crate) fn frame(at: Receipt, connection: u32, text: Option<Box<str>>, fingerprints: Vec<u64>) -> Self {
        Self {
            fingerprints,
            service_ahead_ms: Some(at.service_ahead_ms()).filter(|ahead| *ahead != 0),
            ..Self::new(at.ours, Some(connection), Content::Frame(text))
        }
    }

    /// Anything but a frame and a change; `connection` is none where it concerns the whole run.
    pub(crate) fn state(at: Moment, connection: Option<u32>, state: State) -> Self {
        Self::new(at, connection, Content::State(state))
    }

    /// A change, applied at `at` when so many events had left the buffer.
    pub(crate) fn change(at: Moment, change: Change, after: u64) -> Self {
        let content = match change.is_from_rest() {
            true => Content::Rest(change),
            false => Content::State(State::Change(change)),
        };
        Self {
            after: Some(after),
            ..Self::new(at, None, content)
        }
    }

    /// Appends it, with its newline.
    pub(crate) fn write(&self, out: &mut Vec<u8>, bodies: Bodies) {
        let begin = out.len();
        let written = match bodies {
            Bodies::Verbatim => serde_json::to_writer(&mut *out, self),
            Bodies::Redacted => self.write_redacted(out),
        };
        match written {
            Ok(()) => {
                scrub::bytes(out, begin);
                out.push(b'\n');
            }
            // No type here can fail.
            Err(_) => out.truncate(begin),
        }
    }

    /// Without names, addresses, attributes and notes of customers and users, and identifiers that are no UUIDs.
    fn write_redacted(&self, out: &mut Vec<u8>) -> serde_json::Result<()> {
        let Content::Frame(Some(text)) = &self.content else {
            redact_recorded(out, &serde_json::to_string(self)?);
            return Ok(());
        };
        let mut emptied = Vec::new();
        redact(&mut emptied, text);
        let frame = Self {
            content: Content::Frame(String::from_utf8(emptied).ok().map(Into::into)),
            fingerprints: self.fingerprints.clone(),
            ..*self
        };
        serde_json::to_writer(out, &frame)
    }
}
