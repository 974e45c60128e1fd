//! Lines of a recording, read back and checked.
//!
//! In: bytes of a line · Out: `Line` · Thread: any (pure).

use serde::Deserialize;
use serde_json::error::Category;

use super::{Content, Line, SCHEMA, Start, State};
use crate::config::allowed;

impl Line {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it, without its content.
    pub(crate) fn read(line: &[u8]) -> Result<Self, String> {
        let read = serde_json::from_slice::<Self>(line).map_err(|error| no_line(&error));
        match &read {
            Ok(line) if line.as_start().is_some_and(|start| start.schema != SCHEMA) => {}
            Ok(line) if line.as_start().is_some_and(|start| !is_usable(start)) => {
                return Err("this start of a recording has settings that no run can have".to_owned());
            }
            Ok(_) => return read,
            Err(_) => {}
        }
        match other_schema(line) {
            Some(what) => Err(what),
            None => read,
        }
    }

    /// The start of a run, where it is one.
    pub(crate) fn as_start(&self) -> Option<&Start> {
        match &self.content {
            Content::State(State::Start(start)) => Some(start),
            _ => None,
        }
    }
}

/// Without the text of the error, which may hold a value.
fn no_line(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        Category::Data => "a field is missing, unknown or of another type",
        Category::Eof => "it ends too soon",
        Category::Syntax | Category::Io => "it is no JSON",
    };
    format!("no line of a recording: {what} (column {})", error.column())
}

/// Whether the configuration allows these settings: what a file says sizes no memory beyond what a run may take.
fn is_usable(start: &Start) -> bool {
    let settings = &start.settings;
    allowed::are_windows(&settings.windows, &settings.totals)
        && allowed::holds(&allowed::STALE_AFTER_SECS, settings.stale_after)
        && allowed::holds(&allowed::RETENTION_SECS, settings.retention)
        && allowed::CONVERSATIONS.contains(&(settings.max_conversations as u64))
        && allowed::MODEL_BYTES.contains(&(settings.max_bytes as u64))
}

/// Refuses the start of a run that was recorded in another form.
fn other_schema(line: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Recorded {
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        start: Version,
    }
    #[derive(Deserialize)]
    struct Version {
        schema: u64,
        version: String,
    }
    let Version { schema, version } = serde_json::from_slice::<Recorded>(line).ok()?.data.start;
    let version: String = version.chars().filter(|c| c.is_ascii_graphic()).take(20).collect();
    (schema != u64::from(SCHEMA)).then(|| {
        format!(
            "found a recording of schema {schema}, written by version {version}; this version reads schema {SCHEMA} only: \
             replay it with the version that wrote it, or record anew with run --record FILE"
        )
    })
}
