//! From nothing to an open socket: a token, a place, a channel with the topics; and what a failure on the way means.
//!
//! In: attempts that are due, answers, failures · Out: calls, sockets, pauses · Thread: none of its own (pure).

use std::time::Duration;

use super::super::acts::{Answer, Turn};
use super::super::channels::ChannelKey;
use super::super::policy::Renew;
use super::super::process::{Process, pause_for_token};
use super::connection::Connection;
use super::request::{Progress, Reason, Request, Taken};
use super::{Line, Stage};
use crate::Error;
use crate::config::Protocol;
use crate::event::state::ConnectionState;

/// How the request of a channel went on.
pub(super) enum Requested {
    /// The next call is under way.
    Goes(Request),
    /// The channel has the topics.
    Done(ChannelKey),
    Failed(Error),
}

impl Line {
    /// Connects where that is due: on the same channel while it serves, else on another one.
    pub(super) fn connect(&mut self, process: &mut Process, turn: &mut Turn<'_>) {
        let begins = match self.stage {
            Stage::Waiting(due) if turn.now >= due => true,
            Stage::AwaitingRoom => true,
            Stage::AwaitingToken => false,
            Stage::Waiting(_) | Stage::Requesting(_) | Stage::Open(_) => return,
        };
        if !process.has_room() {
            self.stage = Stage::AwaitingRoom;
            return;
        }
        if begins {
            process.show(ConnectionState::Connecting, None, turn);
        }
        let Some(token) = process.session.usable(turn.now).cloned() else {
            self.stage = Stage::AwaitingToken;
            process.session.ask(turn);
            return;
        };
        let planned = self.rotation.take().map_or(Renew::Nothing, |rotation| rotation.renew);
        self.renew = self.renew.max(planned);
        if process.protocol() != Protocol::Notifications {
            self.renew = Renew::Nothing;
            self.open(None, process, turn);
            return;
        }
        let serving = self
            .channel
            .filter(|key| process.channels.serves(*key, token.number, turn.at));
        if let (Renew::Nothing, Some(key)) = (self.renew, serving) {
            self.open_again(key, process, turn);
            return;
        }
        if let Some(request) = self.adopt_request(token.number, process) {
            self.stage = Stage::Requesting(request);
            return;
        }
        let ended = |key| {
            process
                .channels
                .get(key)
                .is_none_or(|held| held.token.number != token.number)
        };
        let is_planned = !self.ever_had_channel || self.channel.is_some_and(ended);
        let wait = self.allowance.wait(turn.now);
        if is_planned || wait.is_zero() || process.channels.has_idle(token.number, turn.now) {
            let reason = if is_planned {
                Reason::Planned
            } else {
                Reason::AfterFailure
            };
            let request = Request::begin(self.topics(), token, reason, process, turn);
            self.stage = Stage::Requesting(request);
            return;
        }
        let cause = process.bound_reached();
        if let Some(key) = serving {
            turn.warn(format!("{cause}: the old channel is tried again"));
            self.renew = Renew::Nothing;
            self.open_again(key, process, turn);
        } else {
            self.stage = Stage::Waiting(turn.now + wait);
            process.show_pause(wait, self.backoff.failures(), cause, turn);
        }
    }

    fn open_again(&mut self, key: ChannelKey, process: &mut Process, turn: &mut Turn<'_>) {
        if let Some(held) = process.channels.get_mut(key) {
            held.reuses += 1;
            held.is_doubted = true;
        }
        self.open(Some(key), process, turn);
    }

    pub(super) fn open_or_wait(&mut self, channel: Option<ChannelKey>, process: &mut Process, turn: &mut Turn<'_>) {
        match process.has_room() {
            true => self.open(channel, process, turn),
            false => self.stage = Stage::AwaitingRoom,
        }
    }

    fn open(&mut self, channel: Option<ChannelKey>, process: &mut Process, turn: &mut Turn<'_>) {
        self.stage = match Connection::open(channel, process, turn) {
            Some(connection) => Stage::Open(connection),
            None => Stage::AwaitingToken,
        };
    }

    pub(super) fn on_request_answer(
        &mut self,
        request: Request,
        answer: Result<Answer, Error>,
        process: &mut Process,
        turn: &mut Turn<'_>,
    ) -> Requested {
        let (is_creation, reason) = (request.channel().is_none(), request.reason);
        let progress = request.on_answer(answer, &self.refused, process, turn);
        if is_creation && matches!(progress, Progress::Goes(_)) {
            self.ever_had_channel = true;
            if reason == Reason::AfterFailure {
                self.allowance.take(turn.now);
            }
        }
        match progress {
            Progress::Done(key, taken) => {
                self.take_over_answer(key, taken, process, turn);
                Requested::Done(key)
            }
            Progress::Goes(request) => Requested::Goes(request),
            Progress::Failed(error) => Requested::Failed(error),
        }
    }

    /// What the service accepted and refused of the topics on a channel.
    pub(super) fn take_over_answer(
        &mut self,
        key: ChannelKey,
        taken: Taken,
        process: &mut Process,
        turn: &mut Turn<'_>,
    ) {
        if let Some(held) = process.channels.get_mut(key) {
            held.accepted = taken.accepted;
            held.verified = turn.at;
            held.is_doubted = false;
        }
        self.tell_refused(taken.refused, process.began, turn);
    }

    /// A step towards the connection failed.
    pub(super) fn on_error(&mut self, error: &Error, token_number: u64, process: &mut Process, turn: &mut Turn<'_>) {
        let failures = self.backoff.on_failure(turn.now);
        let pause = turn.pause(&self.backoff, error.retry_after());
        self.stage = Stage::Waiting(turn.now + pause);
        if let Some((renew, cause)) = process.judge(error, self.backoff.exhausted(), turn) {
            self.retry(renew, token_number, (pause, failures), cause, process, turn);
        }
    }

    /// Tries again after a pause, with this renewed; `token_number` is that of the token which failed.
    pub(super) fn retry(
        &mut self,
        renew: Renew,
        token_number: u64,
        (mut pause, failures): (Duration, u32),
        cause: String,
        process: &mut Process,
        turn: &mut Turn<'_>,
    ) {
        if renew == Renew::Token {
            process.session.refuse(token_number);
            pause = pause_for_token(pause, failures);
        }
        self.renew = self.renew.max(renew);
        self.stage = Stage::Waiting(turn.now + pause);
        process.show_pause(pause, failures, cause, turn);
    }
}
