//! The outputs: one thread each, which the stream waits for only with `buffer.when_full = block`.
//!
//! In: `Item`s from the aggregator · Out: bytes, files, screens, callbacks · Thread: `gs-out-<name>` each.
//!
//! An output is a [`sink::Sink`] (it writes the items) on the thread of a [`sink::Output`] (it queues, counts, flushes and
//! ends). The aggregator holds all of them as [`Outputs`].

pub(crate) mod appending;
pub(crate) mod audit_file;
pub(crate) mod callback;
pub(crate) mod counters;
mod events;
mod failure_log;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub(crate) mod journal;
pub(crate) mod last_changes;
pub(crate) mod lines;
#[cfg(feature = "cli")]
pub(crate) mod live;
pub(crate) mod record;
pub(crate) mod recorder;
pub(crate) mod recording;
#[cfg(feature = "engine")]
pub(crate) mod shared;
pub(crate) mod sink;
pub(crate) mod snapshot_file;
pub(crate) mod snapshots;
mod summary;
#[cfg(test)]
mod testing;
pub(crate) mod text;
pub(crate) mod waiting;
pub(crate) mod webhook;
pub(crate) mod writer;

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::Select;

use self::events::Records;
use crate::audit::Entry;
use crate::base::inserted::Inserted as _;
use crate::event::Event;
use crate::event::alert::Alert;
use crate::model::snapshot::{Gap, OutputSnapshot, Snapshot};
use crate::output::record::{Bodies, StateChange};
use crate::output::recording::Line;
use lines::Lines;
use sink::Sink;
use snapshots::SnapshotLines;
use writer::LineSink;

pub(crate) use sink::{Output, OutputReport};

/// What outputs are given. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    /// An event.
    Event(Arc<Event>),
    /// A change of the stream's state.
    State(Arc<StateChange>),
    /// A gap that opened or changed.
    Gap(Arc<Gap>),
    /// An alert that began, changed its level, or ended.
    Alert(Arc<Alert>),
    /// The current dashboard.
    Snapshot(Arc<Snapshot>),
    /// An entry of the audit file; sent through a [`sink::OutputSender`] only.
    Audited(Arc<Entry>),
    /// A line of the recording; sent through a [`sink::OutputSender`] only.
    Recorded(Arc<Line>),
    /// What is told the readers of a shared stream; sent through a [`sink::OutputSender`] only.
    #[cfg(feature = "engine")]
    Shared(Arc<shared::Shared>),
}

impl Item {
    /// About how many bytes it takes while it waits for an output.
    fn bytes(&self) -> usize {
        match self {
            Self::Event(event) => event.bytes(),
            Self::Recorded(line) => size_of::<Line>() + line.text_bytes(),
            #[cfg(feature = "engine")]
            Self::Shared(_) => 1024,
            // Few, or of a size that does not depend on what is received.
            Self::State(_) | Self::Gap(_) | Self::Alert(_) | Self::Snapshot(_) | Self::Audited(_) => 256,
        }
    }
}

/// A sink that writes such records as lines onto any writer.
pub(crate) fn line_sink<W: Write + Send + 'static>(
    name: &'static str,
    records: record::Records,
    bodies: Bodies,
    writer: W,
) -> Box<dyn Sink> {
    match records {
        record::Records::Events => Box::new(LineSink::new(name, Records::new(bodies), writer)),
        record::Records::Snapshots => Box::new(LineSink::new(name, SnapshotLines(bodies), writer)),
        record::Records::Lines => Box::new(LineSink::new(name, Lines::default(), writer)),
    }
}

/// The most items held back for outputs that the stream waits for: one event, and the changes of state and gaps until
/// there is room for it.
const MAX_HELD: usize = 1_000;

/// All outputs of a stream.
#[derive(Default)]
pub(crate) struct Outputs {
    all: Vec<Output>,
    /// Items that an output (by its index) had no room for and must not miss, oldest first.
    held: VecDeque<(usize, Item)>,
}

impl Outputs {
    pub(crate) fn add(&mut self, output: Output) {
        self.all.push(output);
    }

    /// What the outputs together want of events. If that is nothing, the aggregator need not share them.
    pub(crate) fn wanted_events(&self) -> sink::Events {
        let wanted = self.all.iter().map(|output| output.wants().events);
        wanted.max().unwrap_or(sink::Events::None)
    }

    /// Gives an item to every output that wants it. Never blocks: an item for which an output has no room is held back if
    /// the stream waits for that output. No event must be offered while [`Outputs::is_holding`].
    pub(crate) fn offer(&mut self, item: &Item) {
        for (at, output) in self.all.iter().enumerate() {
            let is_behind = output.wants_item(item) && self.held.iter().any(|(of, _)| *of == at);
            let back = if is_behind {
                output.count_offered();
                Some(item.clone())
            } else {
                output.try_offer(item)
            };
            // An item beyond the limit is dropped; it was counted as offered and is never written, so it counts as missed.
            if let Some(item) = back.filter(|_| self.held.len() < MAX_HELD) {
                self.held.push_back((at, item));
            }
        }
    }

    /// Whether an item is held back until an output has room.
    pub(crate) fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    /// Makes `select` wake when there may be room for an item that is held back.
    pub(crate) fn select_room<'a>(&'a self, select: &mut Select<'a>) {
        for (at, output) in self.all.iter().enumerate() {
            if self.held.iter().any(|(of, _)| *of == at) {
                output.select_room(select);
            }
        }
    }

    /// Queues the items that were held back, as far as there is room now.
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

    /// Waits until there may be room for an item that is held back, until `deadline` at most, and queues what fits.
    pub(crate) fn wait_for_room(&mut self, deadline: Instant) {
        let mut ready = Select::new();
        self.select_room(&mut ready);
        // Which output it is does not matter: all are tried.
        let _ = ready.ready_deadline(deadline);
        self.offer_held();
    }

    /// Written and missed, by output.
    pub(crate) fn counts(&self) -> BTreeMap<String, OutputSnapshot> {
        let all = self.all.iter();
        all.map(|output| (output.name().to_owned(), output.counts())).inserted()
    }

    /// Waits until everything offered so far was written or missed; whether that was before `deadline`.
    pub(crate) fn flush(&self, deadline: Instant) -> bool {
        // All requests before the first answer, so that the outputs work at the same time.
        let asked: Vec<_> = self.all.iter().map(Output::ask_flush).collect();
        asked.into_iter().all(|flush| flush.wait(deadline))
    }

    /// Ends all outputs at the same time; each writes what is queued, then `last`. What is not written by `deadline` is
    /// abandoned and counted as missed.
    pub(crate) fn close(self, last: Option<&Arc<Snapshot>>, deadline: Instant) -> Vec<OutputReport> {
        let ending: Vec<_> = self.all.into_iter().map(|output| output.end(last.cloned())).collect();
        ending.into_iter().map(|ending| ending.join(deadline)).collect()
    }
}
