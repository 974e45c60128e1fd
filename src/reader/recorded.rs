//! What a connection writes into the recording, before its events enter the buffer.
//!
//! In: frames · Out: lines, without the channel's id · Thread: the reader's, which never waits for the file.

use super::Session;
use crate::Moment;
use crate::base::receipt::Receipt;
use crate::output::recording::{Line, State};
use crate::protocol::Heard;

impl Session<'_> {
    /// A text or binary message, with the fingerprints of the events in it.
    pub(super) fn record_frame(&self, text: Option<&str>, at: Receipt, heard: &[Heard]) {
        let ticket = &self.ticket;
        ticket.journal.record(|| {
            let fingerprint = |heard: &Heard| match heard {
                Heard::Event(event) => Some(event.fingerprint),
                _ => None,
            };
            let fingerprints = heard.iter().filter_map(fingerprint).collect();
            Line::frame(at, ticket.connection, text.map(Into::into), fingerprints)
        });
    }

    /// A control frame (1), or the answer to the upgrade (0): both count as a sign of life.
    pub(super) fn record_sign_of_life(&self, control_frames: u64, at: Moment) {
        let ticket = &self.ticket;
        ticket
            .journal
            .record(|| Line::state(at, Some(ticket.connection), State::ControlFrames(control_frames)));
    }
}
