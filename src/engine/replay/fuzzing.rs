//! A whole recording, played without a file, for `fuzz/`.
//!
//! In: lines of a recording · Out: the last snapshot · Thread: any.

use std::collections::BTreeMap;

use super::delivery::Delivery;
use super::run::Run;
use crate::model::snapshot::Snapshot;
use crate::net::Cancel;
use crate::output::Outputs;
use crate::output::recording::Line;
use crate::protocol::KeepBody;

/// Plays the lines as they are, or redacted first; none where the first is no start of a run.
///
/// # Errors
/// What is wrong with the first line that cannot be played.
pub fn replay(text: &[u8], redact: impl Fn(&[u8]) -> Vec<u8>) -> Result<Option<Snapshot>, String> {
    let mut run: Option<Run> = None;
    let mut delivery = Delivery::new(Outputs::default(), Cancel::new());
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let line = Line::read(&redact(line))?;
        match (line.as_start(), &mut run) {
            (Some(start), _) => run = Some(Run::new(start, line.at, KeepBody::Drop)),
            (None, Some(run)) => run.play(line, &mut delivery)?,
            (None, None) => return Ok(None),
        }
    }
    Ok(run.map(|mut run| {
        run.cut_off("the recording ends here".to_owned(), &mut delivery);
        run.snapshot(BTreeMap::new())
    }))
}
