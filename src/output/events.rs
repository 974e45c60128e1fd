//! `events`: one JSON record for each event, state change, gap and alert, and the last snapshot at the end.
//!
//! In: `Item`s · Out: NDJSON lines · Thread: that of its output.

use super::Item;
use super::sink::{Events, Snapshots, Wants};
use super::writer::{Render, Rendered};
use crate::model::snapshot::Snapshot;
use crate::output::record::{self, Bodies};

/// Renders records and numbers the events: `seq` starts at 1 and has no holes.
pub(crate) struct Records {
    bodies: Bodies,
    seq: u64,
}

impl Records {
    pub(crate) fn new(bodies: Bodies) -> Self {
        Self { bodies, seq: 0 }
    }
}

impl Render for Records {
    fn wants(&self) -> Wants {
        Wants {
            events: Events::WithoutFacts,
            changes: true,
            alerts: true,
            snapshots: Snapshots::None,
        }
    }

    fn render(&mut self, item: &Item, out: &mut Vec<u8>) -> Rendered {
        match item {
            Item::Event(event) => {
                self.seq += 1;
                record::event(out, self.seq, event, self.bodies);
                Rendered::Numbered
            }
            Item::State(change) => {
                record::state(out, change);
                Rendered::Plain
            }
            Item::Gap(gap) => {
                record::gap(out, gap, self.bodies);
                Rendered::Plain
            }
            Item::Alert(alert) => {
                record::alert(out, alert, self.bodies);
                Rendered::Plain
            }
            _ => Rendered::Nothing,
        }
    }

    fn end(&mut self, last: Option<&Snapshot>, out: &mut Vec<u8>) {
        if let Some(last) = last {
            record::snapshot(out, last, self.bodies);
        }
    }

    fn take_back(&mut self, count: u64) {
        self.seq -= count;
    }
}
