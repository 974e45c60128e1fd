//! Where results leave: each output is one thread that never holds up the stream unless it is told to.
//!
//! In: `Item`s from the aggregator · Out: bytes, files, screens, callbacks · Thread: `gs-out-<name>` each.
//!
//! An output is an [`sink::Outlet`] (what it makes of an item) driven by a thread of [`sink::Output`] (how it is handed
//! over, counted, flushed and closed). [`Outputs`] is what the aggregator holds.

pub(crate) mod appending;
pub(crate) mod audit_file;
pub(crate) mod callback;
mod complaint;
mod events;
pub(crate) mod journal;
pub(crate) mod lines;
#[cfg(feature = "cli")]
pub(crate) mod live;
pub(crate) mod record;
pub(crate) mod recorder;
pub(crate) mod recording;
pub(crate) mod sink;
pub(crate) mod snapshot_file;
pub(crate) mod snapshots;
mod summary;
pub(crate) mod tally;
#[cfg(test)]
mod testing;
pub(crate) mod text;
pub(crate) mod webhook;
pub(crate) mod writer;

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::Select;

use self::events::Records;
use crate::audit::Entry;
use crate::event::Event;
use crate::model::snapshot::{Gap, OutputSnapshot, Snapshot};
use crate::output::record::{Bodies, StateChange};
use crate::output::recording::Line;
use lines::Lines;
use sink::Outlet;
use snapshots::SnapshotLines;
use writer::LineOutlet;

pub(crate) use sink::{Closing, Output};

/// What the aggregator hands to outputs. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    /// An event that gets a record.
    Event(Arc<Event>),
    /// The stream took on another state.
    State(Arc<StateChange>),
    /// A gap opened or changed.
    Gap(Arc<Gap>),
    /// The dashboard of now.
    Snapshot(Arc<Snapshot>),
    /// An entry of the audit file; it comes through a [`sink::Tap`] only.
    Audited(Arc<Entry>),
    /// A line of the recording; likewise.
    Recorded(Arc<Line>),
}

/// The outlet of a line output on any writer.
pub(crate) fn line_outlet<W: Write + Send + 'static>(
    name: &'static str,
    records: record::Records,
    bodies: Bodies,
    writer: W,
) -> Box<dyn Outlet> {
    match records {
        record::Records::Events => Box::new(LineOutlet::new(name, Records::new(bodies), writer)),
        record::Records::Snapshots => Box::new(LineOutlet::new(name, SnapshotLines, writer)),
        record::Records::Lines => Box::new(LineOutlet::new(name, Lines::default(), writer)),
    }
}

/// Items that may wait for outputs that are waited for: one event, and what happens to the stream meanwhile.
const HELD_AT_MOST: usize = 1_000;

/// All outputs of a stream.
#[derive(Default)]
pub(crate) struct Outputs {
    all: Vec<Output>,
    /// What an output (by its place) had no room for and is not to miss, oldest first.
    held: VecDeque<(usize, Item)>,
}

impl Outputs {
    /// Adds one.
    pub(crate) fn add(&mut self, output: Output) {
        self.all.push(output);
    }

    /// Whether any output takes events: if not, none need be shared.
    pub(crate) fn want_events(&self) -> bool {
        self.all.iter().any(|output| output.wants().events)
    }

    /// Hands an item to every output that wants it; never blocks. What an output that is waited for has no room for is
    /// held: whoever gives events must give none while [`Outputs::is_holding`].
    pub(crate) fn offer(&mut self, item: &Item) {
        for (at, output) in self.all.iter().enumerate() {
            let is_behind = output.wants_item(item) && self.held.iter().any(|(of, _)| *of == at);
            let back = if is_behind {
                output.count_offered();
                Some(item.clone())
            } else {
                output.try_offer(item)
            };
            // What is too much stays counted as offered and not written: missed.
            if let Some(item) = back.filter(|_| self.held.len() < HELD_AT_MOST) {
                self.held.push_back((at, item));
            }
        }
    }

    /// Whether something waits for room in an output.
    pub(crate) fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    /// Makes `select` wake when there may be room for what is held.
    pub(crate) fn select_room<'a>(&'a self, select: &mut Select<'a>) {
        for (at, output) in self.all.iter().enumerate() {
            if self.held.iter().any(|(of, _)| *of == at) {
                output.select_room(select);
            }
        }
    }

    /// Hands over what is held as far as there is room now.
    pub(crate) fn offer_held(&mut self) {
        let mut still = Vec::new();
        for (at, item) in std::mem::take(&mut self.held) {
            let back = match &self.all.get(at) {
                Some(output) if !still.contains(&at) => output.offer_again(item),
                _ => Some(item),
            };
            if let Some(item) = back {
                still.push(at);
                self.held.push_back((at, item));
            }
        }
    }

    /// Waits until there may be room for what is held, or `deadline`, and hands over what there is room for.
    pub(crate) fn wait_for_room(&mut self, deadline: Instant) {
        let mut ready = Select::new();
        self.select_room(&mut ready);
        // Only the waiting matters.
        let _ = ready.ready_deadline(deadline);
        self.offer_held();
    }

    /// Written and missed, by output.
    pub(crate) fn counts(&self) -> BTreeMap<String, OutputSnapshot> {
        BTreeMap::from_iter(
            self.all
                .iter()
                .map(|output| (output.name().to_owned(), output.counts())),
        )
    }

    /// Waits until everything handed over so far was written or given up; whether that was before `deadline`.
    pub(crate) fn flush(&self, deadline: Instant) -> bool {
        // First every request, then every answer: the outputs work at the same time.
        let asked: Vec<_> = self.all.iter().map(|output| output.ask_flush(deadline)).collect();
        asked.into_iter().all(|flush| flush.wait(deadline))
    }

    /// Ends all outputs at the same time, each with `last` after everything handed over before. What is not written by
    /// `deadline` is abandoned and counted as missed.
    pub(crate) fn close(self, last: Option<&Arc<Snapshot>>, deadline: Instant) -> Vec<Closing> {
        let ending: Vec<_> = self.all.into_iter().map(|output| output.end(last.cloned())).collect();
        ending.into_iter().map(|ending| ending.join(deadline)).collect()
    }
}
