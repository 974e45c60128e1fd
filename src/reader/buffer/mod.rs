//! The bounded hand-over from readers to the aggregator.
//!
//! In: events of all readers · Out: events, oldest first · Thread: senders on readers, one receiver on the aggregator.
//!
//! A crossbeam channel of `capacity` carries tickets. The events wait in slots behind one mutex, because `coalesce` must
//! change events that wait and a channel gives no access to them. The mutex is never held during a wait. At most
//! `capacity` events plus one per sender are in memory.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, select};

use crate::config::{BufferConfig, WhenFull};
use crate::event::Event;
use crate::event::coalesce::{EntityKey, entity_key, merge};
use crate::net::cancel::Never;
use crate::reader::telemetry::Telemetry;

/// A channel on which nothing is ever sent: its disconnection is the stop signal.
pub(crate) type StopSignal = Receiver<Never>;

/// What became of an event that was sent.
#[derive(Debug)]
pub(crate) enum Sent {
    /// The event waits, was merged into another, or was dropped and counted, as the policy says.
    Done,
    /// The buffer is still full and the time is over, or a stop came: the event comes back.
    NotYet(Box<Event>),
}

/// Where readers put events.
#[derive(Clone)]
pub(crate) struct BufferSender {
    shared: Arc<Shared>,
    tickets: Sender<u64>,
}

/// Where the aggregator takes them.
pub(crate) struct BufferReceiver {
    shared: Arc<Shared>,
}

struct Shared {
    policy: WhenFull,
    slots: Mutex<Slots>,
    /// The receiving end, here because `drop-oldest` takes tickets too.
    waiting: Receiver<u64>,
    telemetry: Arc<Telemetry>,
}

#[derive(Default)]
struct Slots {
    /// Ticket of `events[0]`.
    first: u64,
    /// `None` once taken; the front is never `None`.
    events: VecDeque<Option<Box<Event>>>,
    /// The newest waiting event of each entity (`coalesce` only).
    by_entity: HashMap<EntityKey, u64>,
}

impl Slots {
    fn put(&mut self, event: Box<Event>, key: Option<EntityKey>) -> u64 {
        let ticket = self.first + self.events.len() as u64;
        self.events.push_back(Some(event));
        if let Some(key) = key {
            self.by_entity.insert(key, ticket);
        }
        ticket
    }

    fn slot(&mut self, ticket: u64) -> Option<&mut Option<Box<Event>>> {
        let at = usize::try_from(ticket.checked_sub(self.first)?).ok()?;
        self.events.get_mut(at)
    }

    fn take(&mut self, ticket: u64, policy: WhenFull) -> Option<Box<Event>> {
        let event = self.slot(ticket)?.take()?;
        while matches!(self.events.front(), Some(None)) {
            self.events.pop_front();
            self.first += 1;
        }
        if policy == WhenFull::Coalesce
            && let Some(key) = entity_key(&event)
            && self.by_entity.get(&key) == Some(&ticket)
        {
            self.by_entity.remove(&key);
        }
        Some(event)
    }
}

impl Shared {
    fn slots(&self) -> MutexGuard<'_, Slots> {
        // A panic while merging leaves at worst one event unmerged; the slots stay consistent.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops the oldest waiting event, if any waits.
    fn drop_oldest(&self) {
        if let Ok(ticket) = self.waiting.try_recv()
            && self.slots().take(ticket, self.policy).is_some()
        {
            Telemetry::add(&self.telemetry.dropped, 1);
        }
    }
}

/// A buffer for `config.capacity` events. Losses and merges are counted in `telemetry`.
pub(crate) fn buffer(config: BufferConfig, telemetry: Arc<Telemetry>) -> (BufferSender, BufferReceiver) {
    let (tickets, waiting) = bounded(config.capacity.max(1));
    let shared = Arc::new(Shared {
        policy: config.when_full,
        slots: Mutex::new(Slots::default()),
        waiting,
        telemetry,
    });
    (
        BufferSender {
            shared: Arc::clone(&shared),
            tickets,
        },
        BufferReceiver { shared },
    )
}

impl BufferSender {
    /// Hands an event over. `coalesce` and `block` wait for room until `until` or `stop`.
    ///
    /// After that `coalesce` drops the oldest event; `block` gives the event back ([`Sent::NotYet`]), so that the reader
    /// can serve its timers and try again.
    pub(crate) fn send(&self, event: Box<Event>, until: Instant, stop: &StopSignal) -> Sent {
        let shared = &self.shared;
        let coalesce = shared.policy == WhenFull::Coalesce;
        let key = if coalesce { entity_key(&event) } else { None };
        let ticket = {
            let mut slots = shared.slots();
            if self.tickets.is_full()
                && let Some(waiting) = key.as_ref().and_then(|key| slots.by_entity.get(key)).copied()
                && let Some(Some(waiting)) = slots.slot(waiting)
            {
                merge(waiting, *event);
                Telemetry::add(&shared.telemetry.coalesced, 1);
                return Sent::Done;
            }
            slots.put(event, key)
        };
        let mut ticket = match self.tickets.try_send(ticket) {
            Ok(()) => return Sent::Done,
            Err(TrySendError::Full(ticket) | TrySendError::Disconnected(ticket)) => ticket,
        };
        match shared.policy {
            WhenFull::DropNewest => {
                if shared.slots().take(ticket, shared.policy).is_some() {
                    Telemetry::add(&shared.telemetry.dropped, 1);
                }
                Sent::Done
            }
            WhenFull::Block | WhenFull::Coalesce => {
                let sent = select! {
                    send(self.tickets, ticket) -> sent => sent.is_ok(),
                    recv(stop) -> _ => return self.give_back(ticket),
                    default(until.saturating_duration_since(Instant::now())) => false,
                };
                match (sent, coalesce) {
                    (true, _) => Sent::Done,
                    (false, false) => self.give_back(ticket),
                    (false, true) => {
                        self.push_out_oldest(&mut ticket);
                        Sent::Done
                    }
                }
            }
            WhenFull::DropOldest => {
                self.push_out_oldest(&mut ticket);
                Sent::Done
            }
        }
    }

    /// Whether an event can come back because the buffer is full.
    pub(crate) fn gives_back(&self) -> bool {
        self.shared.policy == WhenFull::Block
    }

    fn give_back(&self, ticket: u64) -> Sent {
        match self.shared.slots().take(ticket, self.shared.policy) {
            Some(event) => Sent::NotYet(event),
            None => Sent::Done,
        }
    }

    fn push_out_oldest(&self, ticket: &mut u64) {
        // The loop ends: each round takes one ticket out, and each sender puts in at most one.
        while let Err(TrySendError::Full(back)) = self.tickets.try_send(*ticket) {
            *ticket = back;
            self.shared.drop_oldest();
        }
    }
}

impl BufferReceiver {
    /// Tickets of waiting events, for `select!`; each must be given to [`BufferReceiver::take`].
    pub(crate) fn tickets(&self) -> &Receiver<u64> {
        &self.shared.waiting
    }

    /// The event of a ticket.
    pub(crate) fn take(&self, ticket: u64) -> Option<Box<Event>> {
        self.shared.slots().take(ticket, self.shared.policy)
    }

    /// Empties the buffer and counts what was in it as dropped.
    pub(crate) fn discard(&self) -> u64 {
        let mut discarded = 0;
        while let Ok(ticket) = self.shared.waiting.try_recv() {
            if self.take(ticket).is_some() {
                discarded += 1;
            }
        }
        Telemetry::add(&self.shared.telemetry.dropped, discarded);
        discarded
    }
}

#[cfg(test)]
mod tests;
