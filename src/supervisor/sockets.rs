//! The readers of a run: one for each connection, opened, told to end, and taken away when they ended.
//!
//! In: what the state machine wants of connections · Out: running readers · Thread: the supervisor's.

use std::collections::BTreeMap;
use std::sync::Arc;

use crossbeam_channel::Sender;

use super::acts::Open;
use crate::config::Config;
use crate::event::notice::Notice;
use crate::net::Net;
use crate::output::journal::Journal;
use crate::output::recording::{Line, State};
use crate::protocol::opening::Opening;
use crate::protocol::{KeepBody, Options};
use crate::reader::buffer::BufferSender;
use crate::reader::telemetry::Telemetry;
use crate::reader::{Reader, Ticket};
use crate::rest::ServiceClock;
use crate::{Error, Id, Moment};

/// What every reader of a run is given.
pub(super) struct ReaderParts {
    pub(super) config: Arc<Config>,
    pub(super) net: Arc<Net>,
    pub(super) clock: Arc<ServiceClock>,
    pub(super) buffer: BufferSender,
    pub(super) notices: Sender<Notice>,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) journal: Journal,
    pub(super) keep_body: KeepBody,
    pub(super) hasher: crate::base::hash::Seeded,
}

/// See the module.
pub(super) struct Sockets {
    parts: ReaderParts,
    readers: BTreeMap<u32, Reader>,
}

impl Sockets {
    pub(super) fn new(parts: ReaderParts) -> Self {
        Self {
            parts,
            readers: BTreeMap::new(),
        }
    }

    /// Starts a reader. `queues` are those of the plan.
    ///
    /// # Errors
    /// When the ticket cannot be made, or the system gives no thread.
    pub(super) fn open(&mut self, open: Open, queues: Option<&[Id]>) -> Result<(), Error> {
        let parts = &self.parts;
        let number = open.connection;
        let opening = Opening::new(&parts.config, queues, open.connect_uri)?;
        parts.journal.record(|| {
            let event_types = parts.config.subscribe.event_types.clone();
            let queues = queues.unwrap_or_default().to_vec();
            Line::state(Moment::now(), Some(number), State::Opening { event_types, queues })
        });
        let reader = Reader::spawn(Ticket {
            connection: number,
            url: opening.address(&parts.config.hosts.api, &open.token),
            bearer: opening.bearer(&open.token),
            machine: opening.machine(Options {
                connection: number,
                bodies: parts.keep_body,
                hasher: parts.hasher.clone(),
            }),
            heartbeat: parts.config.heartbeat,
            buffer: parts.buffer.clone(),
            notices: parts.notices.clone(),
            telemetry: Arc::clone(&parts.telemetry),
            net: Arc::clone(&parts.net),
            clock: Arc::clone(&parts.clock),
            journal: parts.journal.clone(),
        })?;
        self.readers.insert(number, reader);
        Ok(())
    }

    /// Asks a reader to close its connection with 1000 and end.
    pub(super) fn close(&self, number: u32) {
        if let Some(reader) = self.readers.get(&number) {
            reader.close();
        }
    }

    /// Asks a reader to close its connection with 1000, deliver what is still on its way, and end.
    pub(super) fn retire(&self, number: u32) {
        if let Some(reader) = self.readers.get(&number) {
            reader.retire();
        }
    }

    /// Ends a reader at once, or takes away one that has ended: its thread ends within milliseconds.
    pub(super) fn cut(&mut self, number: u32) {
        if let Some(reader) = self.readers.remove(&number) {
            reader.cut();
        }
    }
}
