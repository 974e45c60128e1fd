//! The thread of one output, and how it is handed its items.
//!
//! In: `Item`s over a bounded channel, snapshots over a slot that holds the newest · Out: calls of an `Outlet`, a notice at
//! every end · Thread: `gs-out-<name>`.
//!
//! Who wakes the thread: an item, a request to flush, the outlet's own next redraw, or the end of the senders.
//! If it is full: by [`Handover`]. If the other side is gone: counted as missed.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Select, SendTimeoutError, Sender, TrySendError, bounded, select};

use super::Item;
use super::tally::Tally;
use crate::model::snapshot::{OutputSnapshot, Snapshot};
use crate::{Error, ErrorKind};

/// Items that may wait for a slow output: about a tenth of a second at full speed; with bodies of 3 KB some 6 MB.
pub(crate) const CAPACITY: usize = 2048;
/// The longest that a record waits in a batch while more keep coming: a reader of a pipe sees it as at once.
const BATCH: Duration = Duration::from_millis(100);

/// What an output makes of items. Called on its own thread only.
pub(crate) trait Outlet: Send {
    /// Which items it wants.
    fn wants(&self) -> Wants;

    /// Told once, before it is driven: where it may count what it settles on threads of its own.
    fn attach(&mut self, tally: &Arc<Tally>) {
        let _ = tally;
    }

    /// Takes an item; may keep it back until `flush`. Each wanted event and change, and each snapshot where
    /// [`Snapshots::Each`] is wanted, must in the end be counted as written or missed.
    fn take(&mut self, item: Item, tally: &Tally) -> Result<(), Closed>;

    /// Lets out what was kept back.
    fn flush(&mut self, tally: &Tally) -> Result<(), Closed>;

    /// When it wants to be flushed although nothing came.
    fn due(&self) -> Option<Instant> {
        None
    }

    /// The end: nothing comes after. `last` is the last snapshot of the run.
    fn end(&mut self, last: Option<Arc<Snapshot>>, tally: &Tally) -> Result<(), Closed>;
}

/// Nobody reads this output any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed;

/// Which items an outlet wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wants {
    /// Events.
    pub(crate) events: bool,
    /// State changes and gaps.
    pub(crate) changes: bool,
    /// Snapshots while the stream runs; the last one is always given to `end`.
    pub(crate) snapshots: Snapshots,
}

/// Which snapshots an outlet wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Snapshots {
    /// None but the last.
    None,
    /// The newest; that one replaces another is no loss.
    Newest,
    /// Each is a record; one replaced before it was taken is missed.
    Each,
}

/// What happens when an output does not keep up.
#[derive(Clone, Debug)]
pub(crate) enum Handover {
    /// The item is counted as missed.
    Offer,
    /// The giver waits until there is room, the output ends, or this channel is disconnected (the stream is stopping).
    Wait(Receiver<()>),
}

/// How an output's thread ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputEnded {
    /// Everything was taken.
    Finished,
    /// Its reader is gone (a closed pipe): the program ends quietly with 0.
    Closed,
    /// A defect.
    Panicked,
}

/// Told once, from the output's thread, when that ends.
pub(crate) type Notice = Box<dyn FnOnce(OutputEnded) + Send>;

enum Message {
    Item(Item),
    /// Look into the slot.
    Snapshot,
    /// Answered by dropping the sender.
    Flush(Sender<()>),
}

#[derive(Default)]
struct Slot {
    newest: Mutex<Option<Arc<Snapshot>>>,
    last: Mutex<Option<Arc<Snapshot>>>,
}

fn swap<T>(place: &Mutex<Option<T>>, value: Option<T>) -> Option<T> {
    std::mem::replace(&mut *place.lock().unwrap_or_else(PoisonError::into_inner), value)
}

/// A running output, as its giver holds it. Dropping it ends the thread as soon as everything is taken.
pub(crate) struct Output {
    name: String,
    wants: Wants,
    handover: Handover,
    /// Its end is the end of the thread's work; taps hold it weakly.
    messages: Arc<Sender<Message>>,
    slot: Arc<Slot>,
    tally: Arc<Tally>,
    done: Receiver<()>,
    thread: JoinHandle<()>,
}

/// A second way to an output, for other threads than its giver's. It does not keep the output from ending.
#[derive(Clone)]
pub(crate) struct Tap {
    messages: Weak<Sender<Message>>,
    tally: Arc<Tally>,
}

impl Tap {
    /// Hands over an item; what there is no room for is counted as missed. Never blocks.
    pub(crate) fn offer(&self, item: Item) {
        self.tally.offered();
        let taken = self
            .messages
            .upgrade()
            .is_some_and(|messages| messages.try_send(Message::Item(item)).is_ok());
        if !taken {
            self.tally.missed(1);
        }
    }
}

/// What became of an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Closing {
    /// Its name.
    pub(crate) name: String,
    /// What it took and missed in all.
    pub(crate) counts: OutputSnapshot,
    /// How many of the missed were still waiting when its time was up; `None` if it ended by itself.
    pub(crate) abandoned: Option<u64>,
}

impl Closing {
    /// The line that names what was left behind, if something was.
    pub(crate) fn complaint(&self) -> Option<String> {
        let name = &self.name;
        self.abandoned
            .map(|count| format!("output {name}: did not end in time, {count} records abandoned"))
    }
}

impl Output {
    /// Starts the thread `gs-out-<name>`. `name` is also its key in `outputs` of the snapshot.
    ///
    /// # Errors
    /// If the operating system gives no thread.
    pub(crate) fn spawn(
        name: &str,
        outlet: Box<dyn Outlet>,
        handover: Handover,
        capacity: usize,
        notice: Notice,
    ) -> Result<Self, Error> {
        let (messages, inbox) = bounded(capacity);
        let (alive, done) = bounded::<()>(0);
        let slot = Arc::new(Slot::default());
        let tally = Arc::new(Tally::default());
        let wants = outlet.wants();
        let mut outlet = outlet;
        outlet.attach(&tally);
        let (its_slot, its_tally) = (Arc::clone(&slot), Arc::clone(&tally));
        let thread = std::thread::Builder::new()
            // 15 bytes is what Linux shows.
            .name(format!("gs-out-{name}").chars().take(15).collect())
            .spawn(move || {
                let mut exit = Exit {
                    tally: its_tally,
                    notice: Some(notice),
                    ended: OutputEnded::Panicked,
                    _alive: alive,
                };
                // A local after `exit`, so that also in a panic it is gone (a terminal restored) before anybody is told.
                let mut outlet = outlet;
                let ended = drive(&mut *outlet, &inbox, &its_slot, &exit.tally);
                drop(outlet);
                exit.ended = ended;
            })
            .map_err(|error| {
                Error::caused_by(ErrorKind::Local, format!("starting the thread of output {name}"), error)
            })?;
        Ok(Self {
            name: name.to_owned(),
            wants,
            handover,
            messages: Arc::new(messages),
            slot,
            tally,
            done,
            thread,
        })
    }

    /// A second way to it.
    pub(crate) fn tap(&self) -> Tap {
        Tap {
            messages: Arc::downgrade(&self.messages),
            tally: Arc::clone(&self.tally),
        }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Which items it wants.
    pub(crate) fn wants(&self) -> Wants {
        self.wants
    }

    /// Written and missed so far.
    pub(crate) fn counts(&self) -> OutputSnapshot {
        self.tally.counts()
    }

    /// Shares the counts beyond the life of this handle.
    #[cfg(test)]
    pub(crate) fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }

    /// Hands over an item if it is wanted. Never blocks: where the stream waits for this output and there is no room, the
    /// item comes back, for [`Output::offer_again`] once there is.
    pub(crate) fn try_offer(&self, item: &Item) -> Option<Item> {
        match item {
            Item::Snapshot(snapshot) => {
                self.offer_snapshot(snapshot);
                None
            }
            _ if !self.wants_item(item) => None,
            _ => {
                self.tally.offered();
                self.offer_again(item.clone())
            }
        }
    }

    /// Whether it takes this item into its queue.
    pub(crate) fn wants_item(&self, item: &Item) -> bool {
        match item {
            Item::Event(_) => self.wants.events,
            Item::State(_) | Item::Gap(_) => self.wants.changes,
            Item::Snapshot(_) | Item::Audited(_) | Item::Recorded(_) => false,
        }
    }

    /// The item will have to wait behind others.
    pub(crate) fn count_offered(&self) {
        self.tally.offered();
    }

    /// One more try with an item that was counted as offered; it comes back where there is still no room.
    pub(crate) fn offer_again(&self, item: Item) -> Option<Item> {
        match self.messages.try_send(Message::Item(item)) {
            Ok(()) => None,
            Err(TrySendError::Full(Message::Item(item))) if self.is_waited_for() => Some(item),
            Err(_) => {
                self.tally.missed(1);
                None
            }
        }
    }

    /// Whether the stream waits for it, which ends when the stream is stopping.
    fn is_waited_for(&self) -> bool {
        match &self.handover {
            Handover::Offer => false,
            Handover::Wait(stopping) => {
                !matches!(stopping.try_recv(), Err(crossbeam_channel::TryRecvError::Disconnected))
            }
        }
    }

    /// Makes `select` wake when there is room, the output has ended, or the stream is stopping.
    pub(crate) fn select_room<'a>(&'a self, select: &mut Select<'a>) {
        select.send(&self.messages);
        if let Handover::Wait(stopping) = &self.handover {
            select.recv(stopping);
        }
    }

    /// Hands over an item, and waits for room where the stream waits for this output.
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
            self.tally.offered();
        }
        let replaced = swap(&self.slot.newest, Some(Arc::clone(snapshot)));
        if replaced.is_none() {
            // No room means that the thread is busy: it looks into the slot before it waits again.
            let _ = self.messages.try_send(Message::Snapshot);
        } else if each {
            self.tally.missed(1);
        }
    }

    /// Asks for everything handed over so far to be let out; waits for room in the channel until `deadline` at most.
    pub(crate) fn ask_flush(&self, deadline: Instant) -> Flush {
        let (ack, acknowledged) = bounded(0);
        let asked = self.messages.send_deadline(Message::Flush(ack), deadline);
        Flush {
            acknowledged: (!matches!(asked, Err(SendTimeoutError::Timeout(_)))).then_some(acknowledged),
            done: self.done.clone(),
        }
    }

    /// Lets everything handed over so far out; whether that was done by `deadline`.
    #[cfg(test)]
    pub(crate) fn flush(&self, deadline: Instant) -> bool {
        self.ask_flush(deadline).wait(deadline)
    }

    /// Nothing comes any more but `last`.
    pub(crate) fn end(self, last: Option<Arc<Snapshot>>) -> Ending {
        swap(&self.slot.last, last);
        Ending {
            name: self.name,
            tally: self.tally,
            done: self.done,
            thread: self.thread,
        }
    }

    /// Ends it with `last`: drains, then joins. What is not written by `deadline` is abandoned and counted as missed.
    #[cfg(test)]
    pub(crate) fn close(self, last: Option<Arc<Snapshot>>, deadline: Instant) -> Closing {
        self.end(last).join(deadline)
    }
}

/// A flush under way.
pub(crate) struct Flush {
    /// None if there was no room to ask.
    acknowledged: Option<Receiver<()>>,
    done: Receiver<()>,
}

impl Flush {
    /// Whether it was done by `deadline`, or the output has ended.
    pub(crate) fn wait(self, deadline: Instant) -> bool {
        let Some(acknowledged) = self.acknowledged else {
            return false;
        };
        // Both: what waits in a bounded channel is not dropped with its receiver, so that after an end nobody may answer.
        select! {
            recv(acknowledged) -> _ => true,
            recv(self.done) -> _ => true,
            default(deadline.saturating_duration_since(Instant::now())) => false,
        }
    }
}

/// An output that is told to end.
pub(crate) struct Ending {
    name: String,
    tally: Arc<Tally>,
    done: Receiver<()>,
    thread: JoinHandle<()>,
}

impl Ending {
    /// Waits for the thread until `deadline`.
    pub(crate) fn join(self, deadline: Instant) -> Closing {
        let abandoned = match self.done.recv_deadline(deadline) {
            // A thread that hangs in a write cannot be woken: it is left behind, its process is about to end.
            Err(RecvTimeoutError::Timeout) => Some(self.tally.waiting()),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                // The panic of an output was told by its notice.
                let _ = self.thread.join();
                None
            }
        };
        self.tally.end();
        Closing {
            name: self.name,
            counts: self.tally.counts(),
            abandoned,
        }
    }
}

/// Ends the counting and tells, whatever ended the thread.
struct Exit {
    tally: Arc<Tally>,
    notice: Option<Notice>,
    ended: OutputEnded,
    _alive: Sender<()>,
}

impl Drop for Exit {
    fn drop(&mut self) {
        self.tally.end();
        if let Some(notice) = self.notice.take() {
            notice(self.ended);
        }
    }
}

fn drive(outlet: &mut dyn Outlet, inbox: &Receiver<Message>, slot: &Slot, tally: &Tally) -> OutputEnded {
    loop {
        let first = match outlet.due() {
            Some(due) => inbox.recv_deadline(due),
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let went = match first {
            Ok(message) => batch(outlet, message, inbox, slot, tally),
            Err(RecvTimeoutError::Timeout) => outlet.flush(tally),
            Err(RecvTimeoutError::Disconnected) => break,
        };
        if went.is_err() {
            return OutputEnded::Closed;
        }
    }
    let newest = take_newest(outlet, slot, tally);
    match newest.and_then(|()| outlet.end(swap(&slot.last, None), tally)) {
        Ok(()) => OutputEnded::Finished,
        Err(Closed) => OutputEnded::Closed,
    }
}

/// Takes what waits, and lets it out when nothing waits any more or [`BATCH`] has passed.
fn batch(
    outlet: &mut dyn Outlet,
    first: Message,
    inbox: &Receiver<Message>,
    slot: &Slot,
    tally: &Tally,
) -> Result<(), Closed> {
    let until = Instant::now() + BATCH;
    let mut next = Some(first);
    while let Some(message) = next {
        match message {
            Message::Item(item) => outlet.take(item, tally)?,
            Message::Snapshot => take_newest(outlet, slot, tally)?,
            Message::Flush(ack) => {
                take_newest(outlet, slot, tally)?;
                outlet.flush(tally)?;
                drop(ack);
            }
        }
        if Instant::now() >= until {
            break;
        }
        next = inbox.try_recv().ok();
    }
    take_newest(outlet, slot, tally)?;
    outlet.flush(tally)
}

fn take_newest(outlet: &mut dyn Outlet, slot: &Slot, tally: &Tally) -> Result<(), Closed> {
    match swap(&slot.newest, None) {
        Some(snapshot) => outlet.take(Item::Snapshot(snapshot), tally),
        None => Ok(()),
    }
}

#[cfg(test)]
#[path = "sink_tests.rs"]
mod tests;
