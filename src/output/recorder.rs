//! The record file: lines of a recording as they come, and how the run ended.
//!
//! In: `Item::Recorded` · Out: lines · Thread: that of its output; readers never wait for it.

use super::Item;
use super::sink::{Snapshots, Wants};
use super::writer::{Render, Rendered};
use crate::model::snapshot::Snapshot;
use crate::output::record::Bodies;
use crate::output::recording::{Line, Stop};

/// Lines that may wait for a slow disk: a tenth of a second at full speed; with frames of 3 KB some 25 MB.
pub(crate) const CAPACITY: usize = 8192;

/// See the module.
pub(crate) struct Recorder {
    bodies: Bodies,
}

impl Recorder {
    /// Writes bodies so.
    pub(crate) fn new(bodies: Bodies) -> Self {
        Self { bodies }
    }
}

impl Render for Recorder {
    fn wants(&self) -> Wants {
        Wants {
            events: false,
            changes: false,
            snapshots: Snapshots::None,
        }
    }

    fn render(&mut self, item: &Item, out: &mut Vec<u8>) -> Rendered {
        match item {
            Item::Recorded(line) => {
                line.write(out, self.bodies);
                Rendered::Plain
            }
            _ => Rendered::Nothing,
        }
    }

    /// The stop: the moment of the last snapshot, and what only this run knows of it.
    fn end(&mut self, last: Option<&Snapshot>, out: &mut Vec<u8>) {
        let Some(last) = last else { return };
        let counters = &last.counters;
        let stop = Stop {
            events_coalesced: counters.events_coalesced,
            events_dropped: counters.events_dropped,
            outputs: last.outputs.clone(),
        };
        let settled = counters.events_applied + counters.events_coalesced + counters.events_dropped;
        Line::stop(last.generated_at, stop, settled).write(out, self.bodies);
    }
}
