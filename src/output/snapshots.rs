//! `snapshots`: one line with a JSON snapshot each interval and at the end.
//!
//! In: `Item::Snapshot` · Out: NDJSON lines · Thread: that of its output.

use super::Item;
use super::sink::{Events, Snapshots, Wants};
use super::writer::{Render, Rendered};
use crate::model::snapshot::Snapshot;
use crate::output::record::{self, Bodies};

/// Renders each snapshot as a line.
pub(crate) struct SnapshotLines(pub(crate) Bodies);

impl Render for SnapshotLines {
    fn wants(&self) -> Wants {
        Wants {
            events: Events::None,
            changes: false,
            alerts: false,
            snapshots: Snapshots::Each,
        }
    }

    fn render(&mut self, item: &Item, out: &mut Vec<u8>) -> Rendered {
        match item {
            Item::Snapshot(snapshot) => {
                record::snapshot(out, snapshot, self.0);
                Rendered::Plain
            }
            _ => Rendered::Nothing,
        }
    }

    fn end(&mut self, last: Option<&Snapshot>, out: &mut Vec<u8>) {
        if let Some(last) = last {
            record::snapshot(out, last, self.0);
        }
    }
}
