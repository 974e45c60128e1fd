//! Make before break: the next connection of a line is made while the current one still carries the stream.
//!
//! In: rotations that are due, the answers and the news of the replacement · Out: acts · Thread: none of its own (pure).
//!
//! One replacement at a time in the process, from its first call on: the new channels of a token's rotation come one by
//! one, so that the service's limit of channels never ends one that still streams.

use std::time::{Duration, Instant};

use super::super::acts::{Answer, CallId, Turn};
use super::super::channels::ChannelKey;
use super::super::policy::{self, Renew, Verdict};
use super::super::process::Process;
use super::connecting::Requested;
use super::connection::Connection;
use super::request::{Reason, Request, unexpected};
use super::{Line, Place, Stage};
use crate::config::Protocol;
use crate::event::notice::CloseReason;
use crate::{Error, ErrorKind, Moment};

/// Beyond the opening of its socket a replacement has this long to be subscribed and to show life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// A connection younger than this that is to end already is replaced with a pause.
const YOUNG: Duration = Duration::from_secs(10);

/// A replacement for one that failed.
const AGAIN: &str = "the last replacement failed";

/// Until a replacement that was opened is given up.
pub(super) fn limit(process: &Process) -> Duration {
    process.config.limits.opening() + SIGN_OF_LIFE
}

/// The connection shall be replaced while it runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rotation {
    pub(super) due: Instant,
    pub(super) renew: Renew,
    pub(super) why: &'static str,
    /// It was due, and something stood in its way.
    was_held_up: bool,
}

/// A replacement that is being made.
#[derive(Debug)]
pub(super) struct Replacement {
    renew: Renew,
    why: &'static str,
    step: Step,
}

#[derive(Debug)]
enum Step {
    AwaitingToken,
    Requesting(Request),
    Open(Connection),
}

impl Replacement {
    pub(super) fn open(&self) -> Option<&Connection> {
        match &self.step {
            Step::Open(next) => Some(next),
            Step::AwaitingToken | Step::Requesting(_) => None,
        }
    }

    pub(super) fn open_mut(&mut self) -> Option<&mut Connection> {
        match &mut self.step {
            Step::Open(next) => Some(next),
            Step::AwaitingToken | Step::Requesting(_) => None,
        }
    }

    pub(super) fn awaits(&self, call: CallId) -> bool {
        matches!(&self.step, Step::Requesting(request) if request.awaits(call))
    }

    pub(super) fn awaits_token(&self) -> bool {
        matches!(self.step, Step::AwaitingToken)
    }

    /// The channel that its topics are being put on.
    pub(super) fn requested_channel(&self) -> Option<ChannelKey> {
        match &self.step {
            Step::Requesting(request) => request.channel(),
            Step::AwaitingToken | Step::Open(_) => None,
        }
    }
}

impl Line {
    /// Asks for a replacement at `due`; an earlier or more thorough request stands.
    pub(super) fn rotate_at(&mut self, due: Instant, renew: Renew, why: &'static str) {
        self.rotation = Some(match self.rotation.take() {
            Some(first) => Rotation {
                due: first.due.min(due),
                renew: first.renew.max(renew),
                ..first
            },
            None => Rotation {
                due,
                renew,
                why,
                was_held_up: false,
            },
        });
    }

    /// When a rotation is due. One that is held up is not: news will tell when that is over.
    pub(super) fn rotation_due(&self, process: &Process) -> Option<Instant> {
        let rotation = self.rotation?;
        let is_awaited = self.is_streaming() && self.replacement.is_none();
        (is_awaited && !(rotation.was_held_up && self.is_held_up(process))).then_some(rotation.due)
    }

    /// Whether a rotation has to wait: for another one, for connections that close, or for a channel that is being left.
    fn is_held_up(&self, process: &Process) -> bool {
        let is_in_the_way = process.is_replacing || !self.retiring.is_empty();
        is_in_the_way || !process.has_room() || process.channels.is_leaving_one()
    }

    pub(in crate::supervisor) fn is_rotation_due(&self, now: Instant) -> bool {
        self.is_streaming() && self.replacement.is_none() && self.rotation.is_some_and(|rotation| now >= rotation.due)
    }

    /// Begins a replacement that is due and that nothing stands in the way of, or goes on with one that waited for its
    /// token.
    pub(super) fn replace(&mut self, process: &mut Process, turn: &mut Turn<'_>) {
        if self.replacement.as_ref().is_some_and(Replacement::awaits_token) {
            self.go_on_replacing(process, turn);
            return;
        }
        if !self.is_rotation_due(turn.now) {
            return;
        }
        if self.is_held_up(process) {
            if let Some(rotation) = &mut self.rotation {
                rotation.was_held_up = true;
            }
            return;
        }
        let Some(rotation) = self.rotation.take() else { return };
        turn.info(format!(
            "making a new connection before the old one ends: {}",
            rotation.why
        ));
        self.replacement = Some(Replacement {
            // It never shares the channel of the old one.
            renew: rotation.renew.max(Renew::Channel),
            why: rotation.why,
            step: Step::AwaitingToken,
        });
        self.go_on_replacing(process, turn);
    }

    fn go_on_replacing(&mut self, process: &mut Process, turn: &mut Turn<'_>) {
        let Some(mut next) = self.replacement.take() else {
            return;
        };
        let Some(token) = process.session.usable(turn.now).cloned() else {
            process.session.ask(turn);
            self.replacement = Some(next);
            return;
        };
        if process.protocol() != Protocol::Notifications {
            if let Some(connection) = Connection::open(None, process, turn) {
                next.step = Step::Open(connection);
                self.replacement = Some(next);
            }
            return;
        }
        let (reason, wait) = match next.why {
            AGAIN => (Reason::AfterFailure, self.allowance.wait(turn.now)),
            _ => (Reason::Planned, Duration::ZERO),
        };
        if !wait.is_zero() && !process.channels.has_idle(token.number, turn.now) {
            self.replacement = Some(next);
            let error = Error::new(ErrorKind::Transient, "creating a channel", process.bound_reached())
                .with_retry_after(Some(wait));
            self.on_replacement_failed(&error, process, turn);
            return;
        }
        next.step = Step::Requesting(Request::begin(self.topics(), token, reason, process, turn));
        self.replacement = Some(next);
    }

    /// The answer to the replacement's call for a channel.
    pub(super) fn on_replacement_answer(
        &mut self,
        answer: Result<Answer, Error>,
        process: &mut Process,
        turn: &mut Turn<'_>,
    ) {
        let Some(Replacement { renew, why, step }) = self.replacement.take() else {
            return;
        };
        let Step::Requesting(request) = step else { return };
        let token_number = request.token.number;
        let step = match self.on_request_answer(request, answer, process, turn) {
            Requested::Goes(request) => Step::Requesting(request),
            Requested::Done(key) if self.current().is_some() => match Connection::open(Some(key), process, turn) {
                Some(connection) => Step::Open(connection),
                None => {
                    self.fail_replacement(&unexpected("opening the replacement"), renew, why, turn);
                    return;
                }
            },
            // The connection that it was to replace has ended meanwhile: the next attempt uses this channel.
            Requested::Done(key) => {
                self.use_channel(key, process, turn);
                self.renew = Renew::Nothing;
                return;
            }
            Requested::Failed(error) => {
                if error.status() == Some(401) && token_number == process.session.number() {
                    process.session.renew_soon(turn);
                }
                self.fail_replacement(&error, renew, why, turn);
                return;
            }
        };
        self.replacement = Some(Replacement { renew, why, step });
    }

    /// A step of the replacement failed.
    pub(super) fn on_replacement_failed(&mut self, error: &Error, process: &mut Process, turn: &mut Turn<'_>) {
        if let Some(Replacement { renew, why, step }) = self.replacement.take() {
            if let Step::Open(connection) = step
                && let Some(key) = connection.channel
            {
                self.let_go(key, process, turn);
            }
            self.fail_replacement(error, renew, why, turn);
        }
    }

    fn fail_replacement(&mut self, error: &Error, renew: Renew, why: &'static str, turn: &mut Turn<'_>) {
        turn.audit_error(error);
        if self.current().is_none() {
            // What it was to replace has ended: the line connects by itself.
            turn.warn(format!("the replacement failed: {error}"));
            return;
        }
        turn.warn(format!("the replacement failed, the old connection goes on: {error}"));
        self.retry_rotation(renew, why, error.retry_after(), turn);
    }

    fn retry_rotation(&mut self, renew: Renew, why: &'static str, asked: Option<Duration>, turn: &mut Turn<'_>) {
        self.backoff.on_failure(turn.now);
        let pause = turn.pause(&self.backoff, asked);
        self.rotate_at(turn.now + pause, renew, why);
    }

    /// Gives up a replacement that showed no life in time.
    pub(super) fn give_up_late_replacement(&mut self, process: &Process, turn: &mut Turn<'_>) {
        let is_late = |next: &Connection| turn.now >= next.started + limit(process);
        if self.next().is_some_and(is_late)
            && let Some(next) = self.take_next()
        {
            turn.warn(format!(
                "connection {}: the replacement showed no life in time",
                next.number
            ));
            self.retiring.close(next, turn);
            self.retry_rotation(Renew::Channel, AGAIN, None, turn);
        }
    }

    /// The replacement ended before it took over. The current connection goes on in any case.
    pub(super) fn on_next_ended(&mut self, reason: &CloseReason, process: &mut Process, turn: &mut Turn<'_>) {
        let Some(ended) = self.take_next() else { return };
        turn.warn(format!("the replacement ended before it took over: {reason}"));
        let verdict = policy::after_close(reason, process.history());
        if let Verdict::Retry(Renew::Token) = verdict {
            process.session.refuse(ended.token.number);
        }
        self.let_go_after(ended.channel, reason, process, turn);
        self.retry_rotation(Renew::Channel, AGAIN, None, turn);
    }

    pub(super) fn take_next(&mut self) -> Option<Connection> {
        match self.replacement.take() {
            Some(Replacement {
                step: Step::Open(next), ..
            }) => Some(next),
            other => {
                self.replacement = other;
                None
            }
        }
    }

    /// The replacement has shown life and takes over.
    pub(super) fn take_over(&mut self, process: &mut Process, turn: &mut Turn<'_>) {
        let Some(next) = self.take_next() else { return };
        turn.info(format!(
            "the new connection took over after {} ms of overlap",
            turn.now.duration_since(next.started).as_millis()
        ));
        let since = next.confirmed.unwrap_or(turn.at);
        self.channel = next.channel;
        if let Some(old) = self.take_current(turn.now) {
            self.retiring.overlap(old, turn.now);
        }
        self.stage = Stage::Open(next);
        self.on_takeover(since, process, turn);
    }

    /// The replacement, subscribed since then, is the connection now.
    pub(super) fn on_takeover(&mut self, since: Moment, process: &mut Process, turn: &mut Turn<'_>) {
        self.rotation = None;
        process.reconnects += 1;
        if let Some(why) = self.current().and_then(|current| current.ends_soon) {
            self.ends_soon(Place::Current, why, turn);
        }
        self.on_covered(since, process, turn);
    }

    /// The service said that this connection will end.
    pub(super) fn ends_soon(&mut self, place: Place, why: &'static str, turn: &mut Turn<'_>) {
        let connection = match (place, &mut self.stage) {
            (Place::Current, Stage::Open(current)) => current,
            (Place::Next, _) => {
                if let Some(next) = self.replacement.as_mut().and_then(Replacement::open_mut) {
                    next.ends_soon = Some(why);
                }
                return;
            }
            _ => return,
        };
        connection.ends_soon = Some(why);
        // Who is told so of each connection as soon as it stands must not rotate without a pause.
        let is_young = turn.now.duration_since(connection.started) < YOUNG;
        let pause = if is_young {
            self.backoff.on_failure(turn.now);
            turn.pause(&self.backoff, None).min(YOUNG)
        } else {
            Duration::ZERO
        };
        self.rotate_at(turn.now + pause, Renew::Channel, why);
    }

    /// The line's connection ended: a replacement that has not begun yet is not needed. Returns what it was to renew.
    pub(super) fn drop_waiting_replacement(&mut self) -> Renew {
        let waiting = self.replacement.take_if(|next| next.awaits_token());
        waiting.map_or(Renew::Nothing, |next| next.renew)
    }

    /// The channel that a replacement is obtaining, for the connection itself. One of another token is of no use.
    pub(super) fn adopt_request(&mut self, token_number: u64, process: &mut Process) -> Option<Request> {
        let next = self.replacement.take()?;
        match next.step {
            Step::Requesting(request) if request.token.number == token_number => Some(request),
            Step::Requesting(request) => {
                if let Some(key) = request.channel() {
                    process.channels.abandon(key);
                }
                None
            }
            step @ (Step::AwaitingToken | Step::Open(_)) => {
                self.replacement = Some(Replacement { step, ..next });
                None
            }
        }
    }
}
