//! When the topics are covered and when they are not: the first word of a connection and its last.
//!
//! In: confirmations and ends of connections · Out: gaps, and what is tried next · Thread: none of its own (pure).

use std::time::Duration;

use super::super::End;
use super::super::acts::Turn;
use super::super::policy::Renew;
use super::super::policy::{self, History, Verdict};
use super::super::process::Process;
use super::connection::Connection;
use super::replacement::Replacement;
use super::{Line, Place, Stage};
use crate::event::change::Change;
use crate::event::gap::GapTopics;
use crate::event::notice::CloseReason;
use crate::event::state::ConnectionState;
use crate::{Error, ErrorKind, Moment};

/// A connection that the peer closes within this time, or before it is stable, was closed soon after it opened.
const SOON: Duration = Duration::from_secs(10);

impl Line {
    pub(super) fn on_confirmed(
        &mut self,
        place: Place,
        number: u32,
        since: Moment,
        process: &mut Process,
        turn: &mut Turn<'_>,
    ) {
        turn.audit_connection(number, "subscribed", None);
        let connection = match (place, &mut self.stage) {
            (Place::Current, Stage::Open(current)) => Some(current),
            (Place::Next, _) => self.replacement.as_mut().and_then(Replacement::open_mut),
            _ => None,
        };
        let Some(connection) = connection else { return };
        connection.confirmed = Some(since);
        if let Some(held) = connection.channel.and_then(|key| process.channels.get_mut(key)) {
            held.has_streamed = true;
        }
        if place == Place::Current {
            process.reconnects += u64::from(self.ever_confirmed);
            self.on_covered(since, process, turn);
        }
    }

    /// The topics are covered since then.
    pub(super) fn on_covered(&mut self, since: Moment, process: &mut Process, turn: &mut Turn<'_>) {
        self.ever_confirmed = true;
        self.backoff.on_streaming(turn.now);
        process.on_streaming();
        if std::mem::take(&mut self.is_in_gap) {
            turn.tell(Change::GapClosed {
                line: self.number,
                to: since,
            });
        }
        self.on_token("the token was renewed meanwhile", process, turn);
    }

    /// The topics are uncovered since then.
    fn on_uncovered(&mut self, from: Moment, reason: &CloseReason, process: &Process, turn: &mut Turn<'_>) {
        self.is_in_gap = true;
        turn.tell(Change::GapOpened {
            line: self.number,
            topics: match process.lines {
                1 => GapTopics::All,
                _ => GapTopics::Some(self.topics.to_vec()),
            },
            from,
            cause: reason.to_string(),
        });
    }

    pub(super) fn on_current_ended(
        &mut self,
        reason: &CloseReason,
        last_frame_at: Option<Moment>,
        process: &mut Process,
        turn: &mut Turn<'_>,
    ) {
        let Some(ended) = self.take_current(turn.now) else {
            return;
        };
        if ended.confirmed.is_some() {
            let last = last_frame_at.unwrap_or(turn.at);
            match self.next().and_then(|next| next.confirmed) {
                // The replacement was subscribed before this one was heard last: nothing is uncovered.
                Some(since) if since <= last => {}
                _ => self.on_uncovered(last, reason, process, turn),
            }
        }
        if process.end_of_stream && reason.is_normal_end() {
            turn.end(End::ServerEnded);
            return;
        }
        let Some(next) = self.take_next() else {
            self.on_line_ended(&ended, reason, process, turn);
            return;
        };
        // It is on its way already: it becomes the connection.
        let confirmed = next.confirmed;
        let left = std::mem::replace(&mut self.channel, next.channel);
        self.stage = Stage::Open(next);
        self.let_go_after(left, reason, process, turn);
        match confirmed {
            Some(since) => self.on_takeover(since, process, turn),
            None => process.show(ConnectionState::Connecting, Some(reason.to_string()), turn),
        }
    }

    /// Nothing carries the topics any more: what now.
    fn on_line_ended(&mut self, ended: &Connection, reason: &CloseReason, process: &mut Process, turn: &mut Turn<'_>) {
        let history = self.history_of(ended, reason, process, turn);
        self.renew = self.renew.max(self.drop_waiting_replacement());
        let held = self.channel.and_then(|key| process.channels.get(key));
        let name = held.map(|held| held.name()).unwrap_or_default();
        if policy::channel_is_gone(reason)
            && let Some(key) = self.channel.take()
        {
            process.channels.forget(key);
        }
        let asked = match reason {
            CloseReason::Upgrade { retry_after, .. } => *retry_after,
            _ => None,
        };
        let failures = self.backoff.on_failure(turn.now);
        let pause = turn.pause(&self.backoff, asked);
        let retry = (pause, failures);
        let token = ended.token.number;
        self.stage = Stage::Waiting(turn.now + pause);
        match policy::after_close(reason, history) {
            Verdict::GiveUp(error) => turn.end(End::GaveUp(error)),
            Verdict::Retry(_) | Verdict::StandBack if self.backoff.exhausted() => {
                let did = format!("giving up after {failures} failures in a row");
                turn.end(End::GaveUp(Error::new(ErrorKind::Transient, did, reason.to_string())));
            }
            Verdict::Retry(renew) => {
                if history.taken > 0 {
                    turn.warn(format!(
                        "another client of this OAuth client took channel {name} ({reason}). Each program needs its own"
                    ));
                } else if history.closed_early >= policy::MAX_CLOSED_EARLY {
                    turn.warn(format!(
                        "channel {name} was closed {} times in a row soon after it was opened: another client of this OAuth \
                         client may have taken it; making a new one",
                        history.closed_early
                    ));
                }
                self.retry(renew, token, retry, reason.to_string(), process, turn);
            }
            Verdict::StandBack => {
                let longest = process.config.reconnect.max;
                let pause = process.takeovers.pause(history.channels, longest, (turn.draw)());
                let cause = format!(
                    "another client of this OAuth client took channel {name}, the {}th in a row: standing back, so that the \
                     two do not fight. Each program needs its own OAuth client",
                    history.taken
                );
                self.retry(Renew::Channel, token, (pause, failures), cause, process, turn);
            }
        }
    }

    /// What went before the end of its connection, that end included.
    fn history_of(&self, ended: &Connection, reason: &CloseReason, process: &mut Process, turn: &Turn<'_>) -> History {
        let base = process.history();
        let stable_after = process.config.reconnect.stable_after;
        let token = process.session.usable(turn.now);
        let token_lives = token.is_some_and(|token| token.number == ended.token.number);
        let Some(held) = self.channel.and_then(|key| process.channels.get_mut(key)) else {
            return base;
        };
        let was_short = turn.now.duration_since(ended.started) < stable_after.min(SOON);
        held.closed_early = match reason {
            CloseReason::Closed { .. } if ended.confirmed.is_some() && was_short => held.closed_early + 1,
            _ => 0,
        };
        // A channel that carried a stream and is gone although its time and its token have not ended.
        let was_ours = held.has_streamed && token_lives && held.is_in_time(turn.at);
        let is_taken = matches!(reason, CloseReason::TakenOver(_)) || (policy::channel_is_gone(reason) && was_ours);
        History {
            reuses: held.reuses,
            closed_early: held.closed_early,
            taken: match is_taken {
                true => process.takeovers.on_taken(turn.now, stable_after.max(SOON)),
                false => 0,
            },
            channels: u32::try_from(process.lines).unwrap_or(u32::MAX),
            ..base
        }
    }
}
