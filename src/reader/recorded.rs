//! What a connection puts into the recording, before its events go on.
//!
//! In: frames · Out: lines, without the channel's id · Thread: the reader's, which never waits for them.

use super::Session;
use crate::Moment;
use crate::output::recording::{CHANNEL, Line};
use crate::protocol::Heard;

impl Session<'_> {
    /// A message, and what was heard in it.
    pub(super) fn record_frame(&self, text: Option<&str>, at: Moment, heard: &[Heard]) {
        let ticket = &self.ticket;
        ticket.journal.record(|| {
            let id = ticket.hidden.as_ref().map(|id| id.reveal()).filter(|id| !id.is_empty());
            let text = text.map(|text| match id {
                Some(id) if text.contains(id) => text.replace(id, CHANNEL).into(),
                _ => text.into(),
            });
            let fingerprint = |heard: &Heard| match heard {
                Heard::Event(event) => Some(event.fingerprint),
                _ => None,
            };
            let fingerprints = heard.iter().filter_map(fingerprint).collect();
            Line::frame(at, ticket.connection, text, fingerprints)
        });
    }

    /// A frame that is no message; 0 for the answer to the upgrade.
    pub(super) fn record_sign_of_life(&self, control_frames: u64, at: Moment) {
        let ticket = &self.ticket;
        ticket
            .journal
            .record(|| Line::control_frames(at, ticket.connection, control_frames));
    }
}
