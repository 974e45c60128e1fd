//! The thread of one output and the queue in front of it.
//!
//! In: `Item`s over a bounded queue, snapshots over a slot that holds the newest · Out: calls of a `Sink`, one call of
//! `OnEnd` · Thread: `gs-out-<name>`.
//!
//! The thread wakes for an item, a flush, the time that the sink asked for, or when all senders are dropped. It takes what
//! waits in pieces, and flushes as soon as nothing waits: a lone item is written at once, those of a flood in large blocks.
//! [`Handover`] says what happens when the queue is full. Items for an output that has ended count as missed.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Select, Sender, bounded};

use super::Item;
use super::counters::OutputCounters;
use super::waiting::{self, Entry, Giver, Refused, Room, Taker};
use crate::model::snapshot::{OutputSnapshot, Snapshot};
use crate::{Error, ErrorKind};

/// What may wait for a slow output: some milliseconds of events at full speed.
pub(crate) const ROOM: Room = Room {
    items: 2048,
    bytes: 4 * 1024 * 1024,
};
/// The longest that a record waits in a batch while more keep coming: too short for the reader of a pipe to notice.
const BATCH: Duration = Duration::from_millis(100);
/// So many items at once are a flood: the next ones gather for [`GATHERED`], so that they do not wake the thread one by
/// one.
const FLOOD: usize = 16;
const GATHERED: Duration = Duration::from_millis(1);

/// Where an output's items go. Called on the output's thread only.
pub(crate) trait Sink: Send {
    /// The items that it wants.
    fn wants(&self) -> Wants;

    /// Called once, before all else: a sink with threads of its own counts there what they write or lose.
    fn attach(&mut self, counters: &Arc<OutputCounters>) {
        let _ = counters;
    }

    /// Takes an item; may buffer it until `flush`. Each wanted event and change, and with [`Snapshots::Each`] each
    /// snapshot, must in the end be counted as written or missed.
    fn take(&mut self, item: Item, counters: &OutputCounters) -> Result<(), Closed>;

    /// Writes what is buffered.
    fn flush(&mut self, counters: &OutputCounters) -> Result<(), Closed>;

    /// When it wants to be flushed even if no item arrives.
    fn due(&self) -> Option<Instant> {
        None
    }

    /// The last call. `last` is the last snapshot of the run.
    fn end(&mut self, last: Option<Arc<Snapshot>>, counters: &OutputCounters) -> Result<(), Closed>;
}

/// The reader of this output is gone (a closed pipe, a dropped receiver).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed;

/// The items that a sink wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wants {
    pub(crate) events: Events,
    /// State changes and gaps.
    pub(crate) changes: bool,
    /// Alerts.
    pub(crate) alerts: bool,
    /// Snapshots while the stream runs; the last one always goes to `end`.
    pub(crate) snapshots: Snapshots,
}

/// The events that a sink wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Events {
    None,
    /// All; it does not look at their facts, which may be missing.
    WithoutFacts,
    /// All, with their facts.
    Whole,
}

/// The snapshots that a sink wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Snapshots {
    /// Only the last of the run.
    None,
    /// The newest; one that is replaced before it was taken is not a loss.
    Newest,
    /// Each; one that is replaced before it was taken is missed.
    Each,
}

/// What happens to an item when the queue is full.
#[derive(Clone, Debug)]
pub(crate) enum Handover {
    /// It is dropped and counted as missed.
    DropWhenFull,
    /// It goes back to the caller, who keeps it until there is room, the output ends, or this channel is disconnected
    /// (the stream is stopping).
    WaitForRoom(Receiver<()>),
}

/// How an output's thread ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputEnded {
    /// It took every item.
    Finished,
    /// Its reader is gone (a closed pipe): the program ends quietly with exit code 0.
    Closed,
    /// A defect in this program.
    Panicked,
}

/// Called once, on the output's thread, when the thread ends.
pub(crate) type OnEnd = Box<dyn FnOnce(OutputEnded) + Send>;

#[derive(Default)]
struct Slot {
    newest: Mutex<Option<Arc<Snapshot>>>,
    last: Mutex<Option<Arc<Snapshot>>>,
}

fn swap<T>(place: &Mutex<Option<T>>, value: Option<T>) -> Option<T> {
    std::mem::replace(&mut *place.lock().unwrap_or_else(PoisonError::into_inner), value)
}

/// The handle of a running output. When it is dropped, the thread ends as soon as it has taken everything that is queued.
pub(crate) struct Output {
    name: String,
    wants: Wants,
    handover: Handover,
    /// The only strong reference: when it goes, the thread ends. [`OutputSender`]s hold weak ones.
    queue: Arc<Giver>,
    slot: Arc<Slot>,
    counters: Arc<OutputCounters>,
    done: Receiver<()>,
    thread: JoinHandle<()>,
}

/// Sends items to an output from any thread. It does not keep the output alive.
#[derive(Clone)]
pub(crate) struct OutputSender {
    queue: Weak<Giver>,
    counters: Arc<OutputCounters>,
}

impl OutputSender {
    /// Queues an item. Never blocks: an item for which there is no room is dropped and counted as missed.
    pub(crate) fn offer(&self, item: Item) {
        self.counters.offered();
        let taken = self.queue.upgrade().is_some_and(|queue| queue.push(item).is_ok());
        if !taken {
            self.counters.missed(1);
        }
    }

    /// Wakes the output's thread, which then flushes if it must.
    #[cfg(feature = "cli")]
    pub(crate) fn wake(&self) {
        if let Some(queue) = self.queue.upgrade() {
            queue.wake();
        }
    }
}

/// How an output ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutputReport {
    pub(crate) name: String,
    /// Written and missed in all.
    pub(crate) counts: OutputSnapshot,
    /// How many of the missed records were still waiting at the deadline; `None` if the output ended before it.
    pub(crate) abandoned: Option<u64>,
}

impl OutputReport {
    /// The warning about abandoned records, if there are any.
    pub(crate) fn warning(&self) -> Option<String> {
        let name = &self.name;
        self.abandoned
            .map(|count| format!("output {name}: did not end in time, {count} records abandoned"))
    }
}

impl Output {
    /// Starts the thread `gs-out-<name>`. `name` is also its key in `outputs` of the snapshot.
    ///
    /// # Errors
    /// If the operating system cannot start a thread.
    pub(crate) fn spawn(
        name: &str,
        sink: Box<dyn Sink>,
        handover: Handover,
        room: Room,
        on_end: OnEnd,
    ) -> Result<Self, Error> {
        let (queue, taker) = waiting::queue(room);
        let (alive, done) = bounded::<()>(0);
        let slot = Arc::new(Slot::default());
        let counters = Arc::new(OutputCounters::default());
        let wants = sink.wants();
        let mut sink = sink;
        sink.attach(&counters);
        let (its_slot, its_counters) = (Arc::clone(&slot), Arc::clone(&counters));
        let thread = std::thread::Builder::new()
            // Linux shows 15 bytes of a thread's name.
            .name(format!("gs-out-{name}").chars().take(15).collect())
            .spawn(move || {
                let mut exit = Exit {
                    counters: its_counters,
                    on_end: Some(on_end),
                    ended: OutputEnded::Panicked,
                    _alive: alive,
                };
                // Declared after `exit`, so that a panic too drops the sink (which restores a terminal) before `on_end`.
                let (mut sink, taker) = (sink, taker);
                let ended = drive(&mut *sink, &taker, &its_slot, &exit.counters);
                drop((sink, taker));
                exit.ended = ended;
            })
            .map_err(|error| {
                Error::caused_by(ErrorKind::Local, format!("starting the thread of output {name}"), error)
            })?;
        Ok(Self {
            name: name.to_owned(),
            wants,
            handover,
            queue: Arc::new(queue),
            slot,
            counters,
            done,
            thread,
        })
    }

    /// A sender to this output for other threads.
    pub(crate) fn sender(&self) -> OutputSender {
        OutputSender {
            queue: Arc::downgrade(&self.queue),
            counters: Arc::clone(&self.counters),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn wants(&self) -> Wants {
        self.wants
    }

    /// Written and missed so far.
    pub(crate) fn counts(&self) -> OutputSnapshot {
        self.counters.counts()
    }

    /// The counters, which outlive this handle.
    #[cfg(test)]
    pub(crate) fn counters(&self) -> Arc<OutputCounters> {
        Arc::clone(&self.counters)
    }

    /// Queues an item if it is wanted. Never blocks: if there is no room and the stream waits for this output, it returns
    /// the item, for [`Output::offer_again`] when there is room.
    pub(crate) fn try_offer(&self, item: &Item) -> Option<Item> {
        match item {
            Item::Snapshot(snapshot) => {
                self.offer_snapshot(snapshot);
                None
            }
            _ if !self.wants_item(item) => None,
            _ => {
                self.counters.offered();
                self.offer_again(item.clone())
            }
        }
    }

    /// Whether this item goes into its queue. (Snapshots go into a slot; audit entries and recorded lines come through an
    /// [`OutputSender`].)
    pub(crate) fn wants_item(&self, item: &Item) -> bool {
        match item {
            Item::Event(_) => self.wants.events != Events::None,
            Item::State(_) | Item::Gap(_) => self.wants.changes,
            Item::Alert(_) => self.wants.alerts,
            Item::Snapshot(_) | Item::Audited(_) | Item::Recorded(_) => false,
            #[cfg(feature = "engine")]
            Item::Shared(_) => false,
        }
    }

    /// Counts an item as offered that the caller keeps behind others.
    pub(crate) fn count_offered(&self) {
        self.counters.offered();
    }

    /// Tries to queue an item that is already counted as offered; returns it if there is still no room.
    pub(crate) fn offer_again(&self, item: Item) -> Option<Item> {
        match self.queue.push(item) {
            Ok(()) => None,
            Err(Refused::Full(item)) if self.is_waited_for() => Some(item),
            Err(_) => {
                self.counters.missed(1);
                None
            }
        }
    }

    /// Whether the stream waits for this output. While it is stopping it no longer does.
    fn is_waited_for(&self) -> bool {
        match &self.handover {
            Handover::DropWhenFull => false,
            Handover::WaitForRoom(stopping) => {
                !matches!(stopping.try_recv(), Err(crossbeam_channel::TryRecvError::Disconnected))
            }
        }
    }

    /// Makes `select` wake when there is room, the output has ended, or the stream is stopping.
    pub(crate) fn select_room<'a>(&'a self, select: &mut Select<'a>) {
        select.recv(self.queue.emptied());
        if let Handover::WaitForRoom(stopping) = &self.handover {
            select.recv(stopping);
        }
    }

    /// Queues an item, and waits for room if the stream waits for this output.
    #[cfg(test)]
    pub(crate) fn offer(&self, item: &Item) {
        let mut held = self.try_offer(item);
        while let Some(item) = held {
            let mut select = Select::new();
            self.select_room(&mut select);
            select.ready();
            held = self.offer_again(item);
        }
    }

    fn offer_snapshot(&self, snapshot: &Arc<Snapshot>) {
        if self.wants.snapshots == Snapshots::None {
            return;
        }
        let each = self.wants.snapshots == Snapshots::Each;
        if each {
            self.counters.offered();
        }
        let replaced = swap(&self.slot.newest, Some(Arc::clone(snapshot)));
        if replaced.is_none() {
            self.queue.wake();
        } else if each {
            self.counters.missed(1);
        }
    }

    /// Asks the output to write everything that it was given so far. Never blocks.
    pub(crate) fn ask_flush(&self) -> Flush {
        Flush(self.queue.flush())
    }

    /// Writes everything that the output was given so far; whether that was done by `deadline`.
    #[cfg(test)]
    pub(crate) fn flush(&self, deadline: Instant) -> bool {
        self.ask_flush().wait(deadline)
    }

    /// Ends the output: it takes what is queued, then `last`.
    pub(crate) fn end(self, last: Option<Arc<Snapshot>>) -> EndingOutput {
        swap(&self.slot.last, last);
        EndingOutput {
            name: self.name,
            counters: self.counters,
            done: self.done,
            thread: self.thread,
        }
    }

    /// Ends the output with `last` and waits for its thread. What is not written by `deadline` is abandoned and counted as
    /// missed.
    #[cfg(test)]
    pub(crate) fn close(self, last: Option<Arc<Snapshot>>, deadline: Instant) -> OutputReport {
        self.end(last).join(deadline)
    }
}

/// A flush that was asked for.
pub(crate) struct Flush(Receiver<()>);

impl Flush {
    /// Whether it was done by `deadline`, or the output has ended.
    pub(crate) fn wait(self, deadline: Instant) -> bool {
        self.0.recv_deadline(deadline) != Err(RecvTimeoutError::Timeout)
    }
}

/// An output whose end was asked for.
pub(crate) struct EndingOutput {
    name: String,
    counters: Arc<OutputCounters>,
    done: Receiver<()>,
    thread: JoinHandle<()>,
}

impl EndingOutput {
    /// Waits for the thread until `deadline`.
    pub(crate) fn join(self, deadline: Instant) -> OutputReport {
        let abandoned = match self.done.recv_deadline(deadline) {
            // A thread that hangs in a write cannot be woken. It is left running; the process is about to end.
            Err(RecvTimeoutError::Timeout) => Some(self.counters.waiting()),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                // A panic was reported through `OnEnd`.
                let _ = self.thread.join();
                None
            }
        };
        self.counters.end();
        OutputReport {
            name: self.name,
            counts: self.counters.counts(),
            abandoned,
        }
    }
}

/// When dropped: closes the counters and calls `on_end`, also after a panic.
struct Exit {
    counters: Arc<OutputCounters>,
    on_end: Option<OnEnd>,
    ended: OutputEnded,
    _alive: Sender<()>,
}

impl Drop for Exit {
    fn drop(&mut self) {
        self.counters.end();
        if let Some(on_end) = self.on_end.take() {
            on_end(self.ended);
        }
    }
}

fn drive(sink: &mut dyn Sink, taker: &Taker, slot: &Slot, counters: &OutputCounters) -> OutputEnded {
    let mut piece = Vec::new();
    let mut taken = 0;
    loop {
        if taken >= FLOOD {
            // Nobody sends on this channel, so this only lets the time pass.
            let _ = crossbeam_channel::never::<()>().recv_timeout(GATHERED);
        }
        let woken = match sink.due() {
            Some(due) => taker.filled().recv_deadline(due),
            None => taker.filled().recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let went = match woken {
            Err(RecvTimeoutError::Timeout) => sink.flush(counters).map(|()| 0),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => take_all(sink, taker, &mut piece, slot, counters),
        };
        match went {
            Err(Closed) => return OutputEnded::Closed,
            Ok(_) if woken == Err(RecvTimeoutError::Disconnected) => break,
            Ok(count) => taken = count,
        }
    }
    match sink.end(swap(&slot.last, None), counters) {
        Ok(()) => OutputEnded::Finished,
        Err(Closed) => OutputEnded::Closed,
    }
}

/// Takes what waits, and flushes when nothing waits and whenever [`BATCH`] has passed. Returns how many entries it took.
fn take_all(
    sink: &mut dyn Sink,
    taker: &Taker,
    piece: &mut Vec<Entry>,
    slot: &Slot,
    counters: &OutputCounters,
) -> Result<usize, Closed> {
    let mut until = Instant::now() + BATCH;
    let mut taken = 0;
    loop {
        taker.take(piece);
        if piece.is_empty() {
            break;
        }
        taken += piece.len();
        for entry in piece.drain(..) {
            let flushed = match entry {
                Entry::Item(item) => {
                    sink.take(item, counters)?;
                    if Instant::now() < until {
                        continue;
                    }
                    None
                }
                Entry::Flush(flushed) => Some(flushed),
            };
            take_newest(sink, slot, counters)?;
            sink.flush(counters)?;
            drop(flushed);
            until = Instant::now() + BATCH;
        }
    }
    take_newest(sink, slot, counters)?;
    sink.flush(counters)?;
    Ok(taken)
}

fn take_newest(sink: &mut dyn Sink, slot: &Slot, counters: &OutputCounters) -> Result<(), Closed> {
    match swap(&slot.newest, None) {
        Some(snapshot) => sink.take(Item::Snapshot(snapshot), counters),
        None => Ok(()),
    }
}

#[cfg(test)]
#[path = "sink_tests.rs"]
mod tests;
