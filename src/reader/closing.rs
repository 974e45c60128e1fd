//! The end of a connection: our close, and what the peer still sends until its own.
//!
//! In: the reason of the end · Out: a close frame, the last events · Thread: the reader's.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;

use super::{AHEAD_ROOM_WAIT, Ends, POLL_PAUSE, STOP_CHECK, Session, Stage};
use crate::event::notice::CloseReason;

/// How long we wait for the peer's close frame after ours. Part of the 300 ms that a stop allows for closing.
const CLOSE_LIMIT: Duration = Duration::from_millis(200);
/// The same for a connection that was replaced: events may still be on their way, and nobody waits for it.
const RETIRE_LIMIT: Duration = Duration::from_secs(5);

impl Session<'_> {
    /// Sends a close frame where the connection can still carry one, and reads until the peer's close: [`CLOSE_LIMIT`] at
    /// most, [`RETIRE_LIMIT`] for a connection that was replaced.
    pub(super) fn close_politely(&mut self, reason: &CloseReason) {
        let code = match reason {
            CloseReason::Stopped
            | CloseReason::Replaced
            | CloseReason::Refused(_)
            | CloseReason::HandshakeLate
            | CloseReason::ChannelGone
            | CloseReason::TakenOver(_)
            | CloseReason::Silence
            | CloseReason::PingUnanswered => CloseCode::Normal,
            CloseReason::TooLong => CloseCode::Size,
            CloseReason::Violation(_) => CloseCode::Protocol,
            _ => return,
        };
        self.is_closing = true;
        *self.signals.stage.lock().unwrap_or_else(PoisonError::into_inner) = Stage::Closing;
        self.socket.get_mut().set_write_limit(CLOSE_LIMIT);
        let frame = CloseFrame {
            code,
            reason: "".into(),
        };
        if self.socket.close(Some(frame)).is_err() {
            return;
        }
        // tungstenite asserts (debug builds) that nothing is read after a frame that it refused.
        if matches!(reason, CloseReason::TooLong | CloseReason::Violation(_)) {
            return;
        }
        // What the peer sent before it saw our close still counts. Reading it also keeps the close from becoming a reset.
        let limit = match reason {
            CloseReason::Replaced => RETIRE_LIMIT,
            _ => CLOSE_LIMIT,
        };
        let mut until = Instant::now() + limit;
        self.socket.get_mut().linger_after_wake();
        while Instant::now() < until && !self.signals.cut.is_cancelled() {
            if self.signals.stop.is_cancelled() {
                until = until.min(Instant::now() + CLOSE_LIMIT);
            }
            match self.read_while_closing(until.min(Instant::now() + STOP_CHECK)) {
                Ok(true) => {}
                // `cut` ends this wait.
                Ok(false) => {
                    let _ = self.signals.cut.wait(POLL_PAUSE);
                }
                Err(reason) => {
                    log::debug!("connection {}: after our close: {reason}", self.ticket.connection);
                    return;
                }
            }
        }
    }

    /// Takes what has come, then waits for data until `deadline`; whether a frame came.
    fn read_while_closing(&mut self, deadline: Instant) -> Ends<bool> {
        let has_more = self.take_frames()?;
        self.hand_over_ahead(Instant::now() + AHEAD_ROOM_WAIT);
        if has_more || self.outgoing.is_full() {
            return Ok(false);
        }
        self.read_until(deadline)?;
        Ok(self.received.is_some())
    }
}
