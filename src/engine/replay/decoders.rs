//! The decoders of the connections of a recorded run.
//!
//! In: openings and frames of a recording · Out: what was heard in them · Thread: `gs-replay`.

use std::collections::BTreeMap;

use crate::Secret;
use crate::base::receipt::Receipt;
use crate::config::{MetricsPayload, Protocol};
use crate::protocol::metrics::PayloadText;
use crate::protocol::opening::Opening;
use crate::protocol::{Heard, KeepBody, Machine, Options};

/// One decoder a connection.
pub(super) struct Decoders {
    protocol: Protocol,
    bodies: KeepBody,
    hasher: crate::base::hash::Seeded,
    machines: BTreeMap<u32, Box<dyn Machine>>,
}

impl Decoders {
    pub(super) fn new(protocol: Protocol, bodies: KeepBody) -> Self {
        Self {
            protocol,
            bodies,
            hasher: crate::base::hash::Seeded::random(),
            machines: BTreeMap::new(),
        }
    }

    /// A connection was made.
    ///
    /// # Errors
    /// Where its protocol cannot be set up.
    pub(super) fn open(
        &mut self,
        connection: u32,
        event_types: Vec<String>,
        queues: Vec<String>,
    ) -> Result<(), String> {
        let machine = self.machine(connection, event_types, queues)?;
        self.machines.insert(connection, machine);
        Ok(())
    }

    /// Decodes a frame; `heard` gets what was heard in it.
    ///
    /// # Errors
    /// Where its protocol cannot be set up.
    pub(super) fn decode(
        &mut self,
        connection: u32,
        text: Option<&str>,
        at: Receipt,
        heard: &mut Vec<Heard>,
    ) -> Result<(), String> {
        if !self.machines.contains_key(&connection) {
            log::warn!("the recording misses the opening of connection {connection}");
            self.open(connection, Vec::new(), Vec::new())?;
        }
        match (text, self.machines.get_mut(&connection)) {
            (Some(text), Some(machine)) => machine.on_text(text, at, heard),
            _ => heard.push(Heard::Malformed("no text".to_owned())),
        }
        Ok(())
    }

    fn machine(
        &self,
        connection: u32,
        event_types: Vec<String>,
        queues: Vec<String>,
    ) -> Result<Box<dyn Machine>, String> {
        let options = Options {
            connection,
            bodies: self.bodies,
            hasher: self.hasher.clone(),
        };
        let opening = match self.protocol {
            Protocol::Notifications => Opening::Notifications(Secret::derived("")),
            Protocol::Events => Opening::Events { event_types, queues },
            // Only the decoding matters, and it does not depend on the payload.
            Protocol::Metrics => PayloadText::new(&MetricsPayload::default())
                .map(Opening::Metrics)
                .map_err(|error| error.to_string())?,
        };
        let mut machine = opening.machine(options);
        // Nothing is sent: it only has to be in the state of one that has asked.
        let _ = machine.on_open();
        Ok(machine)
    }
}
