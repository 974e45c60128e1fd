//! A line: the topics of one channel, and the connections that carry them one after the other.
//!
//! In: news of its connections, answers to its calls, the time · Out: acts · Thread: none of its own (pure).
//!
//! Its *stage* is that of the connection that carries the topics: it waits for its next attempt, for a token, for a
//! place, for a channel, or is open. Beside that it may make a *replacement*, which takes over once it has shown life;
//! what was replaced *retires*. Only a stage that is open and confirmed covers the topics; everything else after the
//! first confirmation is a gap.
//!
//! | file | holds |
//! |---|---|
//! | `connecting` | from nothing to an open socket, and what a failure on the way means |
//! | `coverage` | the first word of a connection and its last: gaps, and what is tried next |
//! | `replacement` | the next connection, made before the current one ends |
//! | `upkeep` | a channel that stays: renewed, and given other topics |
//! | `readback` | whether the topics of a channel are still subscribed |
//! | `request` | a channel that is being obtained |
//! | `connection` | one connection, and those that were replaced |

mod connecting;
mod connection;
mod coverage;
mod readback;
mod replacement;
mod request;
#[cfg(test)]
mod tests;
mod upkeep;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use self::connecting::Requested;
use self::connection::{Connection, Retiring};
use self::coverage::Uncovered;
use self::readback::ReadBack;
use self::replacement::{Replacement, Rotation};
use self::request::{Request, Topics};
use self::upkeep::Upkeep;
use super::acts::{Act, Answer, CallId, Turn};
use super::allowance::Allowance;
use super::channels::ChannelKey;
use super::policy::{self, Renew};
use super::process::Process;
use crate::Error;
use crate::config::ReconnectConfig;
use crate::event::change::Change;
use crate::event::notice::{CloseReason, ConnectionNews};
use crate::net::backoff::Backoff;

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
    uncovered: Option<Uncovered>,
    /// Refused topics with their reasons, as told.
    refused: BTreeMap<String, String>,
    /// Accepted topics, as told, and whether that was told.
    told_covered: Vec<String>,
    ever_told_covered: bool,
    /// Topics that were covered at some time.
    once_covered: HashSet<String>,
    read_back: ReadBack,
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
            uncovered: None,
            refused: BTreeMap::new(),
            told_covered: Vec::new(),
            ever_told_covered: false,
            once_covered: HashSet::new(),
            read_back: ReadBack::new(reconnect, now),
        }
    }

    /// Whether a connection carries its topics now.
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
            self.read_back_due(),
            self.outlived_due(),
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
        self.read_subscriptions_back(process, turn);
        self.outlive(turn);
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
                Requested::Goes(request) => self.stage = Stage::Requesting(request),
                Requested::Done(key) => {
                    self.use_channel(key, process, turn);
                    self.renew = Renew::Nothing;
                    self.open_or_wait(Some(key), process, turn);
                }
                Requested::Failed(error) => self.on_error(&error, token_number, process, turn),
            }
        }
    }

    /// A socket could not be opened, for a reason on this side.
    pub(super) fn on_not_opened(&mut self, number: u32, error: &Error, process: &mut Process, turn: &mut Turn<'_>) {
        turn.tell(Change::ConnectionEnded { connection: number });
        match self.place_of(number) {
            Some(Place::Current) => {
                self.take_current(turn.now);
                self.on_error(error, process.session.number(), process, turn);
            }
            Some(Place::Next) => self.on_replacement_failed(error, process, turn),
            Some(Place::Retiring) | None => {}
        }
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
            ConnectionNews::SubscriptionsChanged => self.on_subscriptions_changed(number, turn),
            ConnectionNews::TokenRevoked => {
                turn.warn("the token was revoked");
                if let Some(connection) = self.connections().find(|c| c.number == number) {
                    process.session.refuse(connection.token.number);
                }
                self.ends_soon(place, "the token was revoked", turn);
            }
            ConnectionNews::Ended { reason, last_frame_at } => {
                turn.tell(Change::ConnectionEnded { connection: number });
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

    /// Ends the line, because the plan has no topics for it any more: cuts its connections and leaves its channels.
    pub(super) fn end(mut self, process: &mut Process, turn: &mut Turn<'_>) {
        for connection in self.connections() {
            turn.act(Act::Cut(connection.number));
            turn.tell(Change::ConnectionEnded {
                connection: connection.number,
            });
        }
        // Its topics are not wanted any more, so a gap of theirs ends now.
        self.end_gap(turn.at, turn);
        self.tell_refused(BTreeMap::new(), turn.at, turn);
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
