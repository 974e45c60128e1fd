//! A line: the topics of one channel, and the connections that carry them one after the other.
//!
//! In: news of its connections, answers to its calls, the time · Out: acts · Thread: none of its own (pure).
//!
//! Its *stage* is that of the connection that carries the topics: it waits for its next attempt, for a token, for a
//! place, for a channel, or is open. Beside that it may make a *replacement*, which takes over once it has shown life;
//! what was replaced *retires*. Only a stage that is open and confirmed covers the topics; everything else after the
//! first confirmation is a gap.

mod connection;
mod replacement;
mod request;
#[cfg(test)]
mod tests;
mod upkeep;

use std::sync::Arc;
use std::time::{Duration, Instant};

use self::connection::{Connection, Retiring};
use self::replacement::{Replacement, Rotation};
use self::request::{Progress, Reason, Request, Topics};
use self::upkeep::Upkeep;
use super::End;
use super::acts::{Act, Answer, CallId, Open, Turn};
use super::allowance::Allowance;
use super::channels::ChannelKey;
use super::policy::{self, History, Renew, Verdict};
use super::process::{Process, pause_for_token};
use crate::config::{Protocol, ReconnectConfig};
use crate::engine::Control;
use crate::event::notice::{CloseReason, ConnectionNews};
use crate::model::snapshot::{ConnectionState, GapTopics};
use crate::net::backoff::Backoff;
use crate::protocol::opening::ChannelSocket;
use crate::{Error, ErrorKind, Moment};

/// A connection that the peer closes within this time, or before it is stable, was closed soon after it opened.
const SOON: Duration = Duration::from_secs(10);

/// See the module.
pub(super) struct Line {
    /// From 0.
    number: usize,
    /// Empty in `events` and `metrics`.
    topics: Arc<[String]>,
    /// Counts the lists of topics.
    version: u32,
    stage: Stage,
    rotation: Option<Rotation>,
    replacement: Option<Replacement>,
    retiring: Retiring,
    /// The channel that a reconnect uses again while it serves (`notifications`).
    channel: Option<ChannelKey>,
    upkeep: Option<Upkeep>,
    /// What the next attempt must renew.
    renew: Renew,
    backoff: Backoff,
    /// Channels that its failures may create.
    allowance: Allowance,
    ever_had_channel: bool,
    /// It streamed: the next confirmation is a reconnect.
    ever_confirmed: bool,
    /// Its topics are uncovered, and that was told.
    is_in_gap: bool,
}

/// How far the connection is that carries the topics.
#[derive(Debug)]
enum Stage {
    /// The next attempt is due then.
    Waiting(Instant),
    /// The session asks for a token.
    AwaitingToken,
    /// As many sockets are open as may be; those that were replaced are closing.
    AwaitingRoom,
    Requesting(Request),
    /// Its socket is being opened, or is open: `confirmed` tells.
    Open(Connection),
}

/// Which of a line's connections something is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Current,
    Next,
    Retiring,
}

impl Line {
    pub(super) fn new(number: usize, topics: &[String], reconnect: ReconnectConfig, now: Instant) -> Self {
        Self {
            number,
            topics: topics.into(),
            version: 1,
            stage: Stage::Waiting(now),
            rotation: None,
            replacement: None,
            retiring: Retiring::default(),
            channel: None,
            upkeep: None,
            renew: Renew::Nothing,
            backoff: Backoff::new(reconnect),
            allowance: Allowance::new(reconnect.max_channels_per_hour, now),
            ever_had_channel: false,
            ever_confirmed: false,
            is_in_gap: false,
        }
    }

    /// Whether its topics are covered now.
    pub(super) fn is_streaming(&self) -> bool {
        matches!(&self.stage, Stage::Open(current) if current.confirmed.is_some())
    }

    /// Whether it streams, and nothing is about to change that.
    pub(super) fn is_settled(&self) -> bool {
        self.is_streaming() && self.rotation.is_none() && self.replacement.is_none()
    }

    /// Whether a replacement is being made, from its first call on.
    pub(super) fn is_replacing(&self) -> bool {
        self.replacement.is_some()
    }

    /// Sockets that are open, or promised to a replacement.
    pub(super) fn sockets(&self) -> usize {
        let promised = self.replacement.as_ref().is_some_and(|next| next.open().is_none());
        self.connections().count() + usize::from(promised)
    }

    /// Connections that are subscribed.
    pub(super) fn confirmed(&self) -> usize {
        self.connections().filter(|c| c.confirmed.is_some()).count()
    }

    /// The channel of the connection that carries the topics.
    pub(super) fn current_channel(&self) -> Option<ChannelKey> {
        self.current()?.channel
    }

    pub(super) fn has_connection(&self, number: u32) -> bool {
        self.place_of(number).is_some()
    }

    pub(super) fn has_connections(&self) -> bool {
        self.connections().next().is_some()
    }

    /// Whether it waits for the answer to this call.
    pub(super) fn awaits(&self, call: CallId) -> bool {
        matches!(&self.stage, Stage::Requesting(request) if request.awaits(call))
            || self.replacement.as_ref().is_some_and(|next| next.awaits(call))
            || self.upkeep.as_ref().is_some_and(|upkeep| upkeep.awaits(call))
    }

    fn current(&self) -> Option<&Connection> {
        match &self.stage {
            Stage::Open(current) => Some(current),
            _ => None,
        }
    }

    fn next(&self) -> Option<&Connection> {
        self.replacement.as_ref()?.open()
    }

    fn connections(&self) -> impl Iterator<Item = &Connection> {
        self.current()
            .into_iter()
            .chain(self.next())
            .chain(self.retiring.iter())
    }

    fn place_of(&self, number: u32) -> Option<Place> {
        let is_it = |connection: Option<&Connection>| connection.is_some_and(|c| c.number == number);
        if is_it(self.current()) {
            Some(Place::Current)
        } else if is_it(self.next()) {
            Some(Place::Next)
        } else {
            let mut retiring = self.retiring.iter();
            retiring.any(|c| c.number == number).then_some(Place::Retiring)
        }
    }

    fn take_current(&mut self, now: Instant) -> Option<Connection> {
        match std::mem::replace(&mut self.stage, Stage::Waiting(now)) {
            Stage::Open(current) => Some(current),
            other => {
                self.stage = other;
                None
            }
        }
    }

    fn topics(&self) -> Topics {
        Topics {
            line: self.number,
            version: self.version,
            ids: Arc::clone(&self.topics),
        }
    }

    /// When something of this line is due that no news will bring.
    pub(super) fn next_due(&self, process: &Process) -> Option<Instant> {
        let stage = match self.stage {
            Stage::Waiting(due) => Some(due),
            _ => None,
        };
        let limit = self.next().map(|next| next.started + replacement::limit(process));
        let dues = [
            stage,
            limit,
            self.retiring.next_due(),
            self.rotation_due(process),
            self.renewal_due(process),
        ];
        dues.into_iter().flatten().min()
    }

    /// Does everything that is due and that nothing stands in the way of.
    pub(super) fn on_due(&mut self, process: &mut Process, turn: &mut Turn<'_>) {
        self.retiring.on_due(turn);
        self.connect(process, turn);
        self.give_up_late_replacement(process, turn);
        self.renew_channel(process, turn);
        self.replace(process, turn);
        self.follow_topics(process, turn);
    }

    /// Whether it waits for a place for one more socket.
    pub(super) fn needs_room(&self, now: Instant) -> bool {
        matches!(self.stage, Stage::AwaitingRoom) || self.is_rotation_due(now)
    }

    /// Connections that were replaced close soon: their places are needed.
    pub(super) fn make_room(&mut self, turn: &mut Turn<'_>) {
        self.retiring.make_room(turn);
    }

    /// Another list of topics; it goes to the channels that stand.
    pub(super) fn set_topics(&mut self, topics: &[String], turn: &mut Turn<'_>) {
        if *self.topics != *topics {
            turn.info(format!(
                "the queues changed: {} topics on channel {}",
                topics.len(),
                self.number + 1
            ));
            self.topics = topics.into();
            self.version += 1;
        }
    }

    /// There is a token of another number: connections that began with an earlier one end with that.
    pub(super) fn on_token(&mut self, why: &'static str, process: &Process, turn: &Turn<'_>) {
        let newest = process.session.number();
        if self.current().is_some_and(|current| current.token.number != newest) {
            // The token is fresh already: what is renewed is what hangs on it.
            self.rotate_at(turn.now, Renew::Channel, why);
        }
    }

    /// No token could be obtained.
    pub(super) fn on_token_failed(&mut self, error: &Error, process: &mut Process, turn: &mut Turn<'_>) {
        if matches!(self.stage, Stage::AwaitingToken) {
            self.on_error(error, process.session.number(), process, turn);
        }
        if self.replacement.as_ref().is_some_and(Replacement::awaits_token) {
            self.on_replacement_failed(error, process, turn);
        }
    }

    /// The answer to one of its calls.
    pub(super) fn on_answer(
        &mut self,
        call: CallId,
        answer: Result<Answer, Error>,
        process: &mut Process,
        turn: &mut Turn<'_>,
    ) {
        if self.upkeep.as_ref().is_some_and(|upkeep| upkeep.awaits(call)) {
            self.on_upkeep_answer(answer, process, turn);
        } else if self.replacement.as_ref().is_some_and(|next| next.awaits(call)) {
            self.on_replacement_answer(answer, process, turn);
        } else if let Stage::Requesting(request) = std::mem::replace(&mut self.stage, Stage::Waiting(turn.now)) {
            let token_number = request.token.number;
            match self.on_request_answer(request, answer, process, turn) {
                Progress::Goes(request) => self.stage = Stage::Requesting(request),
                Progress::Done(key) => {
                    self.use_channel(key, process, turn);
                    self.renew = Renew::Nothing;
                    self.open_or_wait(Some(key), process, turn);
                }
                Progress::Failed(error) => self.on_error(&error, token_number, process, turn),
            }
        }
    }

    fn on_request_answer(
        &mut self,
        request: Request,
        answer: Result<Answer, Error>,
        process: &mut Process,
        turn: &mut Turn<'_>,
    ) -> Progress {
        let (is_creation, reason) = (request.channel().is_none(), request.reason);
        let progress = request.on_answer(answer, process, turn);
        if is_creation && matches!(progress, Progress::Goes(_)) {
            self.ever_had_channel = true;
            if reason == Reason::AfterFailure {
                self.allowance.take(turn.now);
            }
        }
        progress
    }

    /// A socket could not be opened, for a reason on this side.
    pub(super) fn on_not_opened(&mut self, number: u32, error: &Error, process: &mut Process, turn: &mut Turn<'_>) {
        turn.tell(Control::ConnectionEnded(number));
        match self.place_of(number) {
            Some(Place::Current) => {
                self.take_current(turn.now);
                self.on_error(error, process.session.number(), process, turn);
            }
            Some(Place::Next) => self.on_replacement_failed(error, process, turn),
            Some(Place::Retiring) | None => {}
        }
    }

    /// Connects where that is due: on the same channel while it serves, else on another one.
    fn connect(&mut self, process: &mut Process, turn: &mut Turn<'_>) {
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
        }
        self.open(Some(key), process, turn);
    }

    fn open_or_wait(&mut self, channel: Option<ChannelKey>, process: &mut Process, turn: &mut Turn<'_>) {
        match process.has_room() {
            true => self.open(channel, process, turn),
            false => self.stage = Stage::AwaitingRoom,
        }
    }

    fn open(&mut self, channel: Option<ChannelKey>, process: &mut Process, turn: &mut Turn<'_>) {
        self.stage = match open(channel, process, turn) {
            Some(connection) => Stage::Open(connection),
            None => Stage::AwaitingToken,
        };
    }

    /// A step towards the connection failed.
    fn on_error(&mut self, error: &Error, token_number: u64, process: &mut Process, turn: &mut Turn<'_>) {
        let failures = self.backoff.on_failure(turn.now);
        let pause = turn.pause(&self.backoff, error.retry_after());
        self.stage = Stage::Waiting(turn.now + pause);
        if let Some((renew, cause)) = process.judge(error, self.backoff.exhausted(), turn) {
            self.retry(renew, token_number, (pause, failures), cause, process, turn);
        }
    }

    /// Tries again after a pause, with this renewed; `token_number` is that of the token which failed.
    fn retry(
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

    /// This channel is the line's from now on.
    fn use_channel(&mut self, key: ChannelKey, process: &mut Process, turn: &mut Turn<'_>) {
        if let Some(left) = self.channel.replace(key) {
            self.let_go(left, process, turn);
        }
    }

    /// Leaves a channel that nothing of this line uses any more.
    fn let_go(&self, key: ChannelKey, process: &mut Process, turn: &mut Turn<'_>) {
        if self.uses(key) {
            return;
        }
        if self.upkeep.as_ref().is_some_and(|upkeep| upkeep.channel() == key) {
            // It is left when that call has ended.
            process.channels.abandon(key);
            return;
        }
        let token = process.session.usable(turn.now).cloned();
        process.channels.leave(key, token.as_ref(), turn);
    }

    fn uses(&self, key: ChannelKey) -> bool {
        self.channel == Some(key) || self.connections().any(|connection| connection.channel == Some(key))
    }

    /// The channel of a connection that ended with this reason.
    fn let_go_after(&self, key: Option<ChannelKey>, reason: &CloseReason, process: &mut Process, turn: &mut Turn<'_>) {
        match key {
            Some(key) if policy::channel_is_gone(reason) && !self.uses(key) => process.channels.forget(key),
            Some(key) => self.let_go(key, process, turn),
            None => {}
        }
    }

    /// News of one of its connections.
    pub(super) fn on_connection(
        &mut self,
        number: u32,
        news: ConnectionNews,
        process: &mut Process,
        turn: &mut Turn<'_>,
    ) {
        let Some(place) = self.place_of(number) else { return };
        match news {
            ConnectionNews::Confirmed(since) => self.on_confirmed(place, number, since, process, turn),
            ConnectionNews::Alive => {
                if place == Place::Next {
                    self.take_over(process, turn);
                }
            }
            ConnectionNews::SocketClosing => {
                turn.info("the service will close this connection soon");
                self.ends_soon(place, "the service closes the socket soon", turn);
            }
            ConnectionNews::TokenRevoked => {
                turn.warn("the token was revoked");
                if let Some(connection) = self.connections().find(|c| c.number == number) {
                    process.session.refuse(connection.token.number);
                }
                self.ends_soon(place, "the token was revoked", turn);
            }
            ConnectionNews::Ended { reason, last_frame_at } => {
                turn.tell(Control::ConnectionEnded(number));
                turn.audit_connection(number, "ended", Some(&reason));
                match place {
                    Place::Current => self.on_current_ended(&reason, last_frame_at, process, turn),
                    Place::Next => self.on_next_ended(&reason, process, turn),
                    Place::Retiring => {
                        let channel = self.retiring.remove(number).and_then(|ended| ended.channel);
                        self.let_go_after(channel, &reason, process, turn);
                    }
                }
            }
        }
    }

    fn on_confirmed(&mut self, place: Place, number: u32, since: Moment, process: &mut Process, turn: &mut Turn<'_>) {
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
    fn on_covered(&mut self, since: Moment, process: &mut Process, turn: &mut Turn<'_>) {
        self.ever_confirmed = true;
        self.backoff.on_streaming(turn.now);
        process.on_streaming();
        if std::mem::take(&mut self.is_in_gap) {
            turn.tell(Control::GapClosed {
                line: self.number,
                to: since,
            });
        }
        self.on_token("the token was renewed meanwhile", process, turn);
    }

    /// The topics are uncovered since then.
    fn on_uncovered(&mut self, from: Moment, reason: &CloseReason, process: &Process, turn: &mut Turn<'_>) {
        self.is_in_gap = true;
        turn.tell(Control::GapOpened {
            line: self.number,
            topics: match process.lines {
                1 => GapTopics::All,
                _ => GapTopics::Some(self.topics.to_vec()),
            },
            from,
            cause: reason.to_string(),
        });
    }

    fn on_current_ended(
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

    /// It is no longer wanted: its connections are cut, its channels left, and nothing of it is awaited any more.
    pub(super) fn end(mut self, process: &mut Process, turn: &mut Turn<'_>) {
        for connection in self.connections() {
            turn.act(Act::Cut(connection.number));
            turn.tell(Control::ConnectionEnded(connection.number));
        }
        // Its topics are no longer asked for: what of them was uncovered is so up to now.
        if self.is_in_gap {
            turn.tell(Control::GapClosed {
                line: self.number,
                to: turn.at,
            });
        }
        let mut left: Vec<ChannelKey> = self.connections().filter_map(|c| c.channel).collect();
        left.extend(self.channel.take());
        left.sort_unstable();
        left.dedup();
        let token = process.session.usable(turn.now).cloned();
        let being_changed = self.upkeep.as_ref().map(Upkeep::channel);
        for key in left {
            match being_changed == Some(key) {
                true => process.channels.abandon(key),
                false => process.channels.leave(key, token.as_ref(), turn),
            }
        }
        let requests = [
            match self.stage {
                Stage::Requesting(request) => request.channel(),
                _ => None,
            },
            self.replacement.as_ref().and_then(Replacement::requested_channel),
        ];
        for key in requests.into_iter().flatten() {
            process.channels.abandon(key);
        }
    }

    /// The run ends: all its connections close.
    pub(super) fn close(&self, turn: &mut Turn<'_>) {
        for connection in self.connections() {
            turn.act(Act::Close(connection.number));
        }
    }

    /// The run ends: all its connections end at once.
    pub(super) fn cut(&mut self, turn: &mut Turn<'_>) {
        for connection in self.connections() {
            turn.act(Act::Cut(connection.number));
        }
        self.take_current(turn.now);
        self.replacement = None;
        self.retiring = Retiring::default();
    }

    /// The run ends: this connection has ended.
    pub(super) fn on_closed(&mut self, number: u32, now: Instant) {
        match self.place_of(number) {
            Some(Place::Current) => drop(self.take_current(now)),
            Some(Place::Next) => self.replacement = None,
            Some(Place::Retiring) => drop(self.retiring.remove(number)),
            None => {}
        }
    }
}

/// Opens a socket: on this channel, or with the token in the other protocols. `None` where the channel or the token is
/// gone.
fn open(channel: Option<ChannelKey>, process: &mut Process, turn: &mut Turn<'_>) -> Option<Connection> {
    let held = channel.and_then(|key| process.channels.get(key));
    let token = match channel {
        Some(_) => held?.token.clone(),
        None => process.session.usable(turn.now)?.clone(),
    };
    let number = turn.numbers.connection();
    turn.tell(Control::ConnectionOpened(number));
    turn.audit_connection(number, "opening", None);
    turn.act(Act::Open(Open {
        connection: number,
        channel: held.map(|held| ChannelSocket {
            id: held.channel.id.clone(),
            connect_uri: held.channel.connect_uri.clone(),
        }),
        token: token.secret.clone(),
    }));
    process.sockets += 1;
    Some(Connection {
        number,
        channel,
        token,
        confirmed: None,
        ends_soon: None,
        is_renewal_tried: false,
        started: turn.now,
    })
}
