//! What all lines of a process share: the session, the channels, the places for sockets, the state that is shown.
//!
//! In: what lines tell · Out: verdicts on failures, state changes · Thread: none of its own (pure).

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::End;
use super::acts::Turn;
use super::channels::Channels;
use super::policy::{self, History, Renew, Verdict};
use super::session::Session;
use super::takeovers::Takeovers;
use crate::config::{Config, Protocol};
use crate::event::change::Change;
use crate::event::state::{ConnectionState, StateChange};
use crate::{Error, Moment};

/// Open sockets of one process, those that are being closed included: as many as an OAuth client has channels.
pub(super) const MAX_SOCKETS: usize = 20;

/// See the module.
pub(super) struct Process {
    pub(super) config: Arc<Config>,
    /// The run ends when the server ends the stream normally.
    pub(super) end_of_stream: bool,
    pub(super) session: Session,
    pub(super) channels: Channels,
    pub(super) takeovers: Takeovers,
    /// A stream was established in this run.
    pub(super) ever_streamed: bool,
    pub(super) reconnects: u64,
    /// When the program began.
    pub(super) began: Moment,
    /// The service does not tell which topics a channel has.
    pub(super) lacks_read_back: bool,
    /// Lines there are, sockets that are open or promised, and whether a line makes a replacement: counted anew before
    /// each line's part of a turn.
    pub(super) lines: usize,
    pub(super) sockets: usize,
    pub(super) is_replacing: bool,
    shown: Option<ConnectionState>,
}

impl Process {
    pub(super) fn new(config: Arc<Config>, end_of_stream: bool, (now, at): (Instant, Moment)) -> Self {
        Self {
            session: Session::new(&config, now),
            config,
            end_of_stream,
            channels: Channels::default(),
            takeovers: Takeovers::default(),
            ever_streamed: false,
            reconnects: 0,
            began: at,
            lacks_read_back: false,
            lines: 0,
            sockets: 0,
            is_replacing: false,
            shown: None,
        }
    }

    pub(super) fn protocol(&self) -> Protocol {
        self.config.protocol
    }

    pub(super) fn has_room(&self) -> bool {
        self.sockets < MAX_SOCKETS
    }

    /// A stream is on.
    pub(super) fn on_streaming(&mut self) {
        self.ever_streamed = true;
        self.session.on_success();
    }

    pub(super) fn history(&self) -> History {
        History {
            ever_streamed: self.ever_streamed,
            token_is_second_try: self.session.is_second_try(),
            ..History::new(self.protocol())
        }
    }

    /// What a failed step means: what to renew, and the cause in words. `None` where it ends the run.
    pub(super) fn judge(&self, error: &Error, exhausted: bool, turn: &mut Turn<'_>) -> Option<(Renew, String)> {
        let verdict = policy::after_error(error, self.history());
        let renew = match verdict {
            Verdict::GiveUp(error) => {
                turn.end(End::GaveUp(error));
                return None;
            }
            Verdict::Retry(renew) => renew,
            // Only the end of a connection tells that a channel was taken.
            Verdict::StandBack => Renew::Channel,
        };
        if exhausted {
            let attempts = self.config.reconnect.max_attempts;
            let doing = format!("giving up after {attempts} failures in a row");
            turn.end(End::GaveUp(error.clone().while_doing(&doing)));
            return None;
        }
        Some((renew, error.to_string()))
    }

    /// Failures may create no more channels for a while.
    pub(super) fn bound_reached(&self) -> String {
        let most = self.config.reconnect.max_channels_per_hour;
        format!("the bound of {most} channels an hour after failures is reached (reconnect.max_channels_per_hour)")
    }

    /// Something waits before its next attempt.
    pub(super) fn show_pause(&mut self, pause: Duration, attempt: u32, cause: String, turn: &mut Turn<'_>) {
        turn.warn(format!("{cause}; next attempt in {:.1} s", pause.as_secs_f64()));
        turn.audit_error(&cause);
        self.shown = Some(ConnectionState::Backoff);
        turn.tell(Change::State(StateChange {
            at: turn.at,
            state: ConnectionState::Backoff,
            cause: Some(cause),
            attempt: Some(attempt),
            retry_in: Some(pause),
        }));
    }

    /// Tells a state where it differs from the last one.
    pub(super) fn show(&mut self, state: ConnectionState, cause: Option<String>, turn: &mut Turn<'_>) {
        if self.shown != Some(state) {
            self.shown = Some(state);
            turn.tell(Change::State(StateChange {
                at: turn.at,
                state,
                cause,
                attempt: None,
                retry_in: None,
            }));
        }
    }
}

/// A fresh token is asked for at once the first time, and with a pause when that did not help.
pub(super) fn pause_for_token(pause: Duration, failures: u32) -> Duration {
    match failures {
        0 | 1 => Duration::ZERO,
        _ => pause,
    }
}
