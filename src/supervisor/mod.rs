//! Keeps the spring flowing: logs in, plans, starts readers, replaces them, and ends everything in order.
//!
//! In: configuration, notices of every thread · Out: tickets to readers, `Control` to the aggregator, an `Outcome` ·
//! Thread: the one that calls [`Supervisor::run`] (main in the program, `gs-supervisor` in a library).
//!
//! It waits in one place only: for the next notice, until the next thing is due. REST calls are made here, each under
//! its own limit, and end at once when the run is stopped.

mod allowance;
mod audited;
mod channels;
pub(crate) mod choose;
pub(crate) mod connect;
mod line;
mod news;
pub(crate) mod policy;
mod relist;
mod repair;
mod rivals;
mod rotate;
mod stop;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use self::channels::HeldChannel;
use self::connect::{HeldToken, Plan};
use self::line::{Connection, Line};
use self::policy::{History, Renew, Verdict};
pub(crate) use self::repair::{RepairParts, RepairThread};
use self::rivals::Rivals;
pub(crate) use self::stop::Stopped;
use crate::config::Config;
use crate::engine::{Control, ControlSender};
use crate::event::change::Change;
use crate::event::notice::Notice;
use crate::model::snapshot::ConnectionState;
use crate::net::Net;
use crate::net::backoff::Backoff;
use crate::output::journal::Journal;
use crate::output::record::StateChange;
use crate::protocol::KeepBody;
use crate::reader::Reader;
use crate::reader::buffer::BufferSender;
use crate::reader::telemetry::Telemetry;
use crate::rest::RestClient;
use crate::{Error, ErrorKind, Moment};

/// Why a run ended.
#[derive(Debug)]
pub(crate) enum End {
    /// Somebody asked, or the duration is over.
    Stopped,
    /// The server ended the stream normally, and that was to be the end.
    ServerEnded,
    /// An output's reader is gone.
    OutputClosed,
    /// It cannot go on.
    GaveUp(Error),
}

/// When a run ends by itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Until {
    /// After this long.
    pub(crate) duration: Option<Duration>,
    /// When the server ends the stream normally.
    pub(crate) end_of_stream: bool,
}

/// What the supervisor is given.
pub(crate) struct Parts {
    pub(crate) config: Arc<Config>,
    pub(crate) until: Until,
    pub(crate) net: Arc<Net>,
    pub(crate) rest: RestClient,
    pub(crate) inbox: Receiver<Notice>,
    pub(crate) notices: Sender<Notice>,
    pub(crate) buffer: BufferSender,
    pub(crate) control: ControlSender,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) keep_body: KeepBody,
    pub(crate) journal: Journal,
    /// There where gaps can be repaired.
    pub(crate) repair: Option<RepairThread>,
}

/// See the module.
pub(crate) struct Supervisor {
    config: Arc<Config>,
    until: Until,
    net: Arc<Net>,
    rest: RestClient,
    inbox: Receiver<Notice>,
    notices: Sender<Notice>,
    buffer: BufferSender,
    control: ControlSender,
    telemetry: Arc<Telemetry>,
    keep_body: KeepBody,
    journal: Journal,
    repair: Option<RepairThread>,
    hasher: std::hash::RandomState,

    ends_at: Option<Instant>,
    token: Option<HeldToken>,
    /// Counts tokens: a channel dies with the one that made it.
    token_number: u64,
    token_is_second_try: bool,
    verified: bool,
    plan: Option<Plan>,
    /// When to prepare again; `None` once there is a plan.
    prepare_due: Option<Instant>,
    /// Failures of the steps before there are lines.
    backoff: Backoff,
    /// When the listing is read again.
    relist_due: Option<Instant>,
    /// Not before this a new token is asked for again.
    token_retry_at: Instant,
    /// Failures to renew the token, while the old one still serves.
    token_backoff: Backoff,
    lines: Vec<Line>,
    /// Channels that carry nothing now, for the next line that needs one.
    idle: Vec<HeldChannel>,
    channels_counted: bool,
    rivals: Rivals,
    next_connection: u32,
    reconnects: u64,
    ever_streamed: bool,
    state: Option<(ConnectionState, Option<String>)>,
}

type Flow = ControlFlow<End>;

/// Until it is looked again whether there is room for one more socket.
const FOR_ROOM: Duration = Duration::from_millis(50);

impl Supervisor {
    pub(crate) fn new(parts: Parts) -> Self {
        let now = Instant::now();
        let reconnect = parts.config.reconnect;
        let backoff = Backoff::new(reconnect);
        Self {
            ends_at: parts.until.duration.and_then(|duration| now.checked_add(duration)),
            config: parts.config,
            until: parts.until,
            net: parts.net,
            rest: parts.rest,
            inbox: parts.inbox,
            notices: parts.notices,
            buffer: parts.buffer,
            control: parts.control,
            telemetry: parts.telemetry,
            keep_body: parts.keep_body,
            journal: parts.journal,
            repair: parts.repair,
            hasher: std::hash::RandomState::new(),
            token: None,
            token_number: 0,
            token_is_second_try: false,
            verified: false,
            plan: None,
            prepare_due: Some(now),
            backoff,
            relist_due: None,
            token_retry_at: now,
            token_backoff: Backoff::new(reconnect),
            lines: Vec::new(),
            idle: Vec::new(),
            channels_counted: false,
            rivals: Rivals::default(),
            next_connection: 1,
            reconnects: 0,
            ever_streamed: false,
            state: None,
        }
    }

    /// Runs until the end, and ends everything that was started. The aggregator is told to finish; its thread is not
    /// joined here.
    pub(crate) fn run(mut self) -> Stopped {
        self.set_state(ConnectionState::Connecting, None, None, None);
        let end = loop {
            // What happened while a call was under way comes before what is due: it may have done it.
            if let ControlFlow::Break(end) = self.heed_what_came() {
                break end;
            }
            if let ControlFlow::Break(end) = self.see_to_what_is_due() {
                break end;
            }
            let notice = match self.next_due() {
                Some(due) => self.inbox.recv_deadline(due),
                None => self.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match notice {
                Ok(notice) => {
                    if let ControlFlow::Break(end) = self.on_notice(notice) {
                        break end;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                // Cannot happen while we hold a sender ourselves; an end is the safe answer.
                Err(RecvTimeoutError::Disconnected) => break End::Stopped,
            }
        };
        self.stop(end)
    }

    fn heed_what_came(&mut self) -> Flow {
        while let Ok(notice) = self.inbox.try_recv() {
            self.on_notice(notice)?;
        }
        ControlFlow::Continue(())
    }

    fn control(&self, message: impl Into<Control>) {
        self.control.send(message);
    }

    fn history(&self) -> History {
        History {
            ever_streamed: self.ever_streamed,
            token_is_second_try: self.token_is_second_try,
            ..History::new(self.config.protocol)
        }
    }

    fn next_due(&self) -> Option<Instant> {
        let mut due = [self.ends_at, self.prepare_due, self.relist_due, self.token_due()];
        let lines = self.lines.iter().enumerate().flat_map(|(at, line)| {
            let renewable = line.current.as_ref().filter(|_| line.next.is_none());
            [
                line.connect_due,
                self.rotation_due(at),
                renewable.and_then(|current| current.age_due),
                line.next.as_ref().map(|next| next.started + self.replacement_limit()),
                line.goodbye_due(),
            ]
        });
        due.iter_mut().map(|due| due.take()).chain(lines).flatten().min()
    }

    fn token_due(&self) -> Option<Instant> {
        let due = self.token.as_ref()?.refresh_due;
        (self.plan.is_some()).then(|| due.max(self.token_retry_at))
    }

    fn see_to_what_is_due(&mut self) -> Flow {
        let passed = |due: Option<Instant>| due.is_some_and(|due| Instant::now() >= due);
        if passed(self.ends_at) {
            return ControlFlow::Break(End::Stopped);
        }
        if passed(self.prepare_due) {
            self.on_prepare_due()?;
        }
        if passed(self.token_due()) {
            self.refresh_token()?;
        }
        if passed(self.relist_due) {
            self.relist();
        }
        self.hurry_goodbyes();
        for at in 0..self.lines.len() {
            self.lines[at].say_goodbyes(Instant::now());
            if passed(self.lines[at].connect_due) {
                self.connect(at)?;
            }
            self.drop_late_next(at);
            let renewable = self.lines[at]
                .current
                .as_ref()
                .filter(|_| self.lines[at].next.is_none());
            if passed(renewable.and_then(|current| current.age_due)) {
                self.renew_channel(at)?;
            }
            if passed(self.rotation_due(at)) {
                self.replace(at)?;
            }
        }
        ControlFlow::Continue(())
    }

    fn on_prepare_due(&mut self) -> Flow {
        self.prepare_due = None;
        match self.prepare() {
            Ok(plan) if plan.topics.channels.is_empty() => {
                let cause = "there is nothing to subscribe: no queue is visible. Give the OAuth client a role with \
                             routing:queue:view for the divisions of your queues";
                self.backoff = Backoff::new(self.config.reconnect);
                self.pause(None, self.config.subscribe.refresh, 0, cause.to_owned());
                ControlFlow::Continue(())
            }
            Ok(plan) => {
                let now = Instant::now();
                self.backoff = Backoff::new(self.config.reconnect);
                self.lines = plan
                    .topics
                    .channels
                    .iter()
                    .map(|topics| Line::new(topics.clone(), self.config.reconnect, now))
                    .collect();
                if self.config.subscribe.all_queues() && self.config.protocol == crate::config::Protocol::Notifications
                {
                    self.relist_due = now.checked_add(self.config.subscribe.refresh);
                }
                self.plan = Some(plan);
                ControlFlow::Continue(())
            }
            Err(error) => {
                self.backoff.on_failure(Instant::now());
                let (exhausted, failures) = (self.backoff.exhausted(), self.backoff.failures());
                let pause = self.backoff.pause(fastrand::f64(), error.retry_after());
                match self.judge(error, exhausted)? {
                    (Renew::Token, cause) => {
                        self.drop_token(self.token_number);
                        self.pause(None, self.pause_for_token(pause, failures), failures, cause);
                    }
                    (_, cause) => self.pause(None, pause, failures, cause),
                }
                ControlFlow::Continue(())
            }
        }
    }

    /// What a failed step means: the end, or what to renew and the cause in words.
    fn judge(&mut self, error: Error, exhausted: bool) -> ControlFlow<End, (Renew, String)> {
        if error.kind() == ErrorKind::Stopped {
            return ControlFlow::Break(End::Stopped);
        }
        match policy::after_error(&error, self.history()) {
            Verdict::GiveUp(error) => ControlFlow::Break(End::GaveUp(error)),
            Verdict::Retry(_) if exhausted => ControlFlow::Break(End::GaveUp(error.while_doing(&format!(
                "giving up after {} failures in a row",
                self.config.reconnect.max_attempts
            )))),
            Verdict::Retry(renew) => ControlFlow::Continue((renew, error.to_string())),
            // Only connections tell of rivals.
            Verdict::StandBack => ControlFlow::Continue((Renew::Channel, error.to_string())),
        }
    }

    /// Waits before the next attempt: of line `at`, or of the preparation.
    fn pause(&mut self, at: Option<usize>, pause: Duration, attempt: u32, cause: String) {
        log::warn!("{cause}; next attempt in {:.1} s", pause.as_secs_f64());
        self.audit_error(&cause);
        let due = Some(Instant::now() + pause);
        match at {
            Some(at) => self.lines[at].connect_due = due,
            None => self.prepare_due = due,
        }
        self.set_state(ConnectionState::Backoff, Some(cause), Some(attempt), Some(pause));
    }

    fn refresh_token(&mut self) -> Flow {
        match self.fresh_token() {
            Ok(_) => {
                let now = Instant::now();
                self.token_backoff = Backoff::new(self.config.reconnect);
                for line in &mut self.lines {
                    // The token is fresh already: what is renewed is what hangs on it.
                    line.rotate_at(now, Renew::Channel, "the token is near its end");
                }
                ControlFlow::Continue(())
            }
            Err(error) if error.kind() == ErrorKind::Stopped => ControlFlow::Break(End::Stopped),
            // A refusal for good: the old token still carries the stream, but not for long, and nothing will follow.
            Err(error) if error.kind() == ErrorKind::Credentials => ControlFlow::Break(End::GaveUp(error)),
            Err(error) => {
                self.token_backoff.on_failure(Instant::now());
                let wait = self.token_backoff.pause(fastrand::f64(), error.retry_after());
                self.audit_error(&error);
                log::warn!(
                    "the token was not renewed; next attempt in {:.1} s: {error}",
                    wait.as_secs_f64()
                );
                self.token_retry_at = Instant::now() + wait;
                ControlFlow::Continue(())
            }
        }
    }

    /// Another token is needed soon: the service refused the one of now.
    fn refresh_token_now(&mut self) {
        if let Some(held) = &mut self.token {
            held.refresh_due = Instant::now();
        }
    }

    /// The token of this number is no good; a younger one may be.
    fn drop_token(&mut self, number: u64) {
        if number == self.token_number {
            self.token = None;
            self.token_is_second_try = true;
        }
    }

    /// A fresh token is asked for at once the first time, and with a pause when that did not help.
    fn pause_for_token(&self, pause: Duration, failures: u32) -> Duration {
        match failures {
            0 | 1 => Duration::ZERO,
            _ => pause,
        }
    }

    fn connect(&mut self, at: usize) -> Flow {
        if !self.has_room_for_socket() {
            // Whoever says goodbye was told to hurry.
            self.lines[at].connect_due = Some(Instant::now() + FOR_ROOM);
            return ControlFlow::Continue(());
        }
        let line = &mut self.lines[at];
        line.connect_due = None;
        let planned = line.rotation.take().map_or(Renew::Nothing, |rotation| rotation.1);
        let wanted = planned.max(std::mem::replace(&mut line.renew, Renew::Nothing));
        let (renew, making) = match self.within_bound(at, wanted) {
            Ok(renew) => renew,
            Err((wait, cause)) => {
                self.lines[at].renew = wanted;
                let failures = self.lines[at].backoff.failures();
                self.pause(Some(at), wait, failures, cause);
                return ControlFlow::Continue(());
            }
        };
        self.set_state(ConnectionState::Connecting, None, None, None);
        match self
            .ticket(at, (renew, making))
            .and_then(|(ticket, channel)| self.spawn(ticket, channel))
        {
            Ok(connection) => {
                let line = &mut self.lines[at];
                let left = std::mem::replace(&mut line.channel, connection.channel.clone());
                line.current = Some(connection);
                self.leave_channel(at, left);
                ControlFlow::Continue(())
            }
            Err(error) => {
                self.lines[at].renew = renew;
                self.on_line_error(at, error)
            }
        }
    }

    fn spawn(&mut self, ticket: crate::reader::Ticket, channel: Option<HeldChannel>) -> Result<Connection, Error> {
        let number = ticket.connection;
        self.control(Change::ConnectionOpened { connection: number });
        self.audit_connection(number, "opening", None);
        let reader = Reader::spawn(ticket)?;
        Ok(Connection {
            number,
            reader,
            confirmed: false,
            token: self.token_number,
            token_ends: self.token.as_ref().map(|held| held.ends),
            ends_soon: None,
            age_due: channel.as_ref().and_then(|held| held.age_due),
            channel,
            started: Instant::now(),
            replaced: None,
        })
    }

    fn on_line_error(&mut self, at: usize, error: Error) -> Flow {
        let line = &mut self.lines[at];
        line.backoff.on_failure(Instant::now());
        let (exhausted, failures) = (line.backoff.exhausted(), line.backoff.failures());
        let pause = line.backoff.pause(fastrand::f64(), error.retry_after());
        let (renew, cause) = self.judge(error, exhausted)?;
        self.retry_line(at, (renew, self.token_number), pause, failures, cause);
        ControlFlow::Continue(())
    }

    /// `renew`, and the number of the token that it is about.
    fn retry_line(&mut self, at: usize, renew: (Renew, u64), pause: Duration, failures: u32, cause: String) {
        let (renew, token) = renew;
        let mut pause = pause;
        if renew == Renew::Token {
            self.drop_token(token);
            pause = self.pause_for_token(pause, failures);
        }
        let line = &mut self.lines[at];
        line.renew = line.renew.max(renew);
        self.pause(Some(at), pause, failures, cause);
    }

    fn publish_connections(&self) {
        let open = self
            .lines
            .iter()
            .flat_map(Line::connections)
            .filter(|connection| connection.confirmed)
            .count();
        let channel_expires_at = self
            .lines
            .iter()
            .filter_map(|line| line.current.as_ref()?.channel.as_ref()?.channel.expires)
            .min();
        self.control(Change::Connections {
            open: u32::try_from(open).unwrap_or(u32::MAX),
            reconnects: self.reconnects,
            channel_expires_at,
        });
    }

    /// Publishes a state where it differs from the last one; every pause is news.
    fn set_state(
        &mut self,
        state: ConnectionState,
        cause: Option<String>,
        attempt: Option<u32>,
        retry_in: Option<Duration>,
    ) {
        let known = (state, cause.clone());
        if state != ConnectionState::Backoff && self.state.as_ref().is_some_and(|(old, _)| *old == state) {
            return;
        }
        self.state = Some(known);
        self.control(Change::State(StateChange {
            at: Moment::now(),
            state,
            cause,
            attempt,
            retry_in,
        }));
    }
}
