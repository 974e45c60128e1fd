//! The steps `channel` and `life`: the socket and its first signs of life, through an ordinary reader.
//!
//! In: a channel, or queue ids for the other protocols' sockets · Out: findings · Thread: the caller's waits; `gs-reader-1`
//! reads.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, select_biased, unbounded};

use super::service::CHANNEL_ADVICE;
use super::{Awaited, Check, CheckEnded, Judgement, Step, StepResult, Verdict, advice_for_transient, role_advice};
use crate::base::plural::counted;
use crate::base::receipt::Receipt;
use crate::config::{BufferConfig, HeartbeatConfig, Protocol, WhenFull};
use crate::event::notice::{CloseReason, ConnectionNews, Notice};
use crate::output::journal::Journal;
use crate::protocol::opening::Opening;
use crate::protocol::{Heard, KeepBody, Machine, Options, Ping};
use crate::reader::buffer::buffer;
use crate::reader::telemetry::Telemetry;
use crate::reader::{Reader, Ticket};
use crate::rest::ServiceClock;
use crate::rest::channels::{CHANNELS_A_CLIENT, MANY_CHANNELS};
use crate::{Error, ErrorKind, Id, Moment, Secret};

/// The time limit for the answer to the first ping (`docs/troubleshooting.md#check`).
const PONG_LIMIT: Duration = Duration::from_secs(5);
/// With `Awaited::Heartbeat`, the interval of WebSocket pings where the protocol has no heartbeat of its own.
const PING_INTERVAL: Duration = Duration::from_secs(1);
/// The time limit for closing the socket.
const CLOSE_LIMIT: Duration = Duration::from_millis(400);

/// What came on the socket.
#[derive(Debug)]
enum Sign {
    /// The socket was upgraded.
    Open,
    Pong,
    Heartbeat,
    Event,
    ServerError(String),
}

/// A machine that passes on what it receives as signs, and drops events.
struct ObservedMachine {
    inner: Box<dyn Machine>,
    signs: Sender<Sign>,
}

impl Machine for ObservedMachine {
    fn on_open(&mut self) -> Vec<String> {
        let _ = self.signs.send(Sign::Open);
        self.inner.on_open()
    }

    fn handshake_limit(&self) -> Option<Duration> {
        self.inner.handshake_limit()
    }

    fn ping(&self) -> Ping {
        self.inner.ping()
    }

    fn on_text(&mut self, text: &str, at: Receipt, heard: &mut Vec<Heard>) {
        self.inner.on_text(text, at, heard);
        heard.retain(|heard| {
            let sign = match heard {
                Heard::Pong => Sign::Pong,
                Heard::Alive => Sign::Heartbeat,
                Heard::Event(_) => Sign::Event,
                Heard::ServerError(text) => Sign::ServerError(text.clone()),
                _ => return true,
            };
            // Fails only when the check is over.
            let _ = self.signs.send(sign);
            !matches!(heard, Heard::Event(_))
        });
    }
}

/// What has come on the socket so far.
#[derive(Default)]
struct Seen {
    confirmed: bool,
    alive: bool,
    pong: bool,
    heartbeat: bool,
    open: bool,
    events: u64,
    server_error: Option<String>,
}

/// The connection under test.
struct TrialConnection {
    reader: Reader,
    signs: Receiver<Sign>,
    notices: Receiver<Notice>,
    seen: Seen,
}

/// Why a wait failed.
enum WaitFailed {
    TooLate,
    Ended(CloseReason),
    Stopped,
}

impl TrialConnection {
    /// Waits until `holds` is true.
    fn until(&mut self, check: &Check<'_>, deadline: Instant, holds: impl Fn(&Seen) -> bool) -> Result<(), WaitFailed> {
        loop {
            if holds(&self.seen) {
                return Ok(());
            }
            let wait = deadline.saturating_duration_since(Instant::now());
            select_biased! {
                recv(check.cancel.receiver()) -> _ => return Err(WaitFailed::Stopped),
                recv(self.signs) -> sign => match sign {
                    Ok(Sign::Open) => self.seen.open = true,
                    Ok(Sign::Pong) => self.seen.pong = true,
                    Ok(Sign::Heartbeat) => self.seen.heartbeat = true,
                    Ok(Sign::Event) => self.seen.events += 1,
                    Ok(Sign::ServerError(text)) => self.seen.server_error = Some(text),
                    // The reader has ended; its notice says why.
                    Err(_) => self.on_notice(deadline)?,
                },
                recv(self.notices) -> notice => self.take(notice.ok())?,
                default(wait) => return Err(WaitFailed::TooLate),
            }
        }
    }

    fn on_notice(&mut self, deadline: Instant) -> Result<(), WaitFailed> {
        let notice = self.notices.recv_deadline(deadline);
        self.take(notice.ok())
    }

    fn take(&mut self, notice: Option<Notice>) -> Result<(), WaitFailed> {
        match notice {
            Some(Notice::Connection { news, .. }) => match news {
                ConnectionNews::Confirmed(_) => self.seen.confirmed = true,
                ConnectionNews::Alive => self.seen.alive = true,
                ConnectionNews::Ended { reason, .. } => return Err(WaitFailed::Ended(reason)),
                ConnectionNews::SocketClosing | ConnectionNews::SubscriptionsChanged | ConnectionNews::TokenRevoked => {
                }
            },
            Some(_) => {}
            None => return Err(WaitFailed::TooLate),
        }
        Ok(())
    }

    /// Closes with 1000 and waits for the end.
    fn close(mut self) {
        self.reader.close();
        let deadline = Instant::now() + CLOSE_LIMIT;
        while !matches!(
            self.notices
                .recv_deadline(deadline)
                .map(|notice| self.take(Some(notice))),
            Ok(Err(_)) | Err(_)
        ) {}
        self.reader.cut();
    }
}

impl Check<'_> {
    /// Opens the socket and waits for the first sign of life.
    pub(super) fn life(&mut self, token: &Secret, queues: Vec<Id>, awaited: Awaited) -> StepResult {
        let began = Instant::now();
        self.reporter.begins(Step::Channel, "opening the socket");
        let (mut trial, message) = match self.trial(token, queues, awaited) {
            Ok(trial) => trial,
            Err(error) => return self.end(Step::Channel, began, &error, "See the message above."),
        };
        let opened = trial.until(self, began + self.config.limits.opening(), |seen| seen.open);
        if let Err(missed) = opened {
            let go = self.missed(Step::Channel, began, &trial, missed, self.config.limits.opening());
            trial.close();
            return go;
        }
        let judgement = match self.channels_before {
            0..MANY_CHANNELS => Judgement::ok(message),
            before => Judgement::warn(
                format!(
                    "{message}; {before} of {CHANNELS_A_CLIENT} notification channels of this OAuth client existed before"
                ),
                format!("Beyond {CHANNELS_A_CLIENT} the service ends the oldest of them. {CHANNEL_ADVICE}"),
            ),
        };
        self.report(Step::Channel, began, judgement);
        let go = self.first_signs(&mut trial, awaited);
        trial.close();
        go
    }

    fn first_signs(&mut self, trial: &mut TrialConnection, awaited: Awaited) -> StepResult {
        let began = Instant::now();
        let notifications = self.config.protocol == Protocol::Notifications;
        let message = if notifications {
            self.reporter
                .begins(Step::Life, "waiting for the answer to a ping, at most 5 s");
            match trial.until(self, began + PONG_LIMIT, |seen| seen.pong) {
                Ok(()) => format!("ping answered in {} ms", began.elapsed().as_millis()),
                // The service need not answer the ping: any frame is a sign of life.
                Err(WaitFailed::TooLate) if trial.seen.events > 0 || trial.seen.heartbeat => {
                    "the ping was not answered, but frames come".to_owned()
                }
                Err(missed) => return self.missed(Step::Life, began, trial, missed, PONG_LIMIT),
            }
        } else {
            self.reporter
                .begins(Step::Life, "waiting for the subscription's confirmation");
            let limit = Duration::from_secs(15);
            if let Err(missed) = trial.until(self, began + limit, |seen| seen.confirmed) {
                return self.missed(Step::Life, began, trial, missed, limit);
            }
            format!("subscription confirmed in {} ms", began.elapsed().as_millis())
        };
        let mut message = message;
        let mut unanswered = notifications && !trial.seen.pong;
        if awaited == Awaited::Heartbeat {
            let limit = self.config.heartbeat.silence;
            let what = format!("waiting for a heartbeat, at most {} s", limit.as_secs());
            self.reporter.begins(Step::Life, &what);
            let waited = Instant::now();
            let holds = |seen: &Seen| if notifications { seen.heartbeat } else { seen.alive };
            match trial.until(self, waited + limit, holds) {
                Ok(()) if notifications => {
                    message.push_str(&format!(", heartbeat after {} s", waited.elapsed().as_secs()));
                }
                Ok(()) => message.push_str(", and a sign of life after it"),
                Err(WaitFailed::TooLate) => {
                    message.push_str(&format!(", no heartbeat within {} s", limit.as_secs()));
                    unanswered = true;
                }
                Err(missed) => return self.missed(Step::Life, began, trial, missed, limit),
            }
        }
        match trial.seen.events {
            0 => message.push_str("; no event yet, which is normal for quiet queues"),
            events => message.push_str(&format!("; {} came", counted(events as usize, "event"))),
        }
        let judgement = match &trial.seen.server_error {
            Some(text) => Judgement::warn(
                format!("{message}; the service reports: {text}"),
                "See the service's message; the socket itself works.",
            ),
            None if unanswered => Judgement::warn(
                message,
                "It can stream; a dead connection is noticed only by its silence, after heartbeat.silence_secs.",
            ),
            None => Judgement::ok(message),
        };
        let failed = judgement.verdict == Verdict::Fail;
        self.report(Step::Life, began, judgement);
        if failed { Err(CheckEnded) } else { Ok(()) }
    }

    /// Ends the check because the sign that was waited for did not come.
    fn missed(
        &mut self,
        step: Step,
        began: Instant,
        trial: &TrialConnection,
        missed: WaitFailed,
        limit: Duration,
    ) -> StepResult {
        let reason = match missed {
            WaitFailed::Stopped => return Err(CheckEnded),
            WaitFailed::Ended(reason) => reason,
            WaitFailed::TooLate => {
                let frames = if trial.seen.events > 0 {
                    ""
                } else {
                    " and nothing else came"
                };
                let judgement = Judgement::fail(
                    format!("no answer within {} s{frames}", limit.as_secs()),
                    "The socket is open but silent: a proxy or firewall may drop WebSocket frames. Have this host exempted, or try \
                     another network. A quiet queue is not the cause, because the service answers the ping in any case.",
                );
                self.report(step, began, judgement);
                return Err(CheckEnded);
            }
        };
        let advice = match &reason {
            CloseReason::Refused(refusal) if refusal.status == Some(403) => role_advice("the permissions of this subscription"),
            CloseReason::Refused(_) => "The service refuses this subscription: check the configuration.".to_owned(),
            CloseReason::HandshakeLate => {
                "The service did not confirm the subscription: Genesys does not document this socket; use --protocol notifications.".to_owned()
            }
            CloseReason::Upgrade { status: 401 | 403, .. } => {
                "The socket refuses this client; a proxy may have changed the request.".to_owned()
            }
            CloseReason::Upgrade { status: 404, .. } if self.config.protocol != Protocol::Notifications => {
                "There is no such socket: Genesys' published API has none for this protocol; use --protocol notifications."
                    .to_owned()
            }
            CloseReason::Upgrade { .. } | CloseReason::UpgradeFailed(_) => {
                "What answers there does not speak WebSocket: a proxy may block the upgrade.".to_owned()
            }
            CloseReason::Dial(error) => advice_for_transient(error),
            _ => "Try again; if it fails again, a proxy or firewall may cut WebSockets.".to_owned(),
        };
        let error = Error::new(ErrorKind::Transient, "opening the stream", reason.to_string());
        self.end(step, began, &error, &advice)
    }

    /// Starts a reader; also returns the message about what it opens.
    fn trial(&self, token: &Secret, queues: Vec<Id>, awaited: Awaited) -> Result<(TrialConnection, String), Error> {
        let options = Options {
            connection: 1,
            bodies: KeepBody::Drop,
            hasher: crate::base::hash::Seeded::random(),
        };
        let connect_uri = self.channel.as_ref().map(|channel| channel.connect_uri.clone());
        let queues = (!queues.is_empty()).then_some(queues.as_slice());
        let opening = Opening::new(self.config, queues, connect_uri)?;
        let api = &self.config.hosts.api;
        let message = match opening.shown_address(api) {
            Some(address) => {
                let place = address.split('?').next().unwrap_or_default();
                format!("socket open at {place}")
            }
            None => {
                let expires = self.channel.as_ref().and_then(|channel| channel.expires);
                let hours = expires.map(|at| at.millis_since(Moment::now()).max(0) as f64 / 3_600_000.0);
                let life = hours.map_or(String::new(), |hours| format!(", channel lives {hours:.0} h"));
                format!("socket open at {}{life}", self.config.hosts.streaming)
            }
        };
        // Cannot grow: both are read at once, and a connection tells little.
        let (tell_sign, signs) = unbounded();
        let (tell_notice, notices) = unbounded();
        let telemetry = Arc::new(Telemetry::new());
        let small = BufferConfig {
            capacity: 1,
            when_full: WhenFull::DropNewest,
        };
        // The machine drops events: nothing ever waits in this buffer.
        let (buffer, _) = buffer(small, Arc::clone(&telemetry));
        let heartbeat = match awaited {
            Awaited::Heartbeat if self.config.protocol != Protocol::Notifications => HeartbeatConfig {
                interval: PING_INTERVAL,
                ..self.config.heartbeat
            },
            _ => self.config.heartbeat,
        };
        let reader = Reader::spawn(Ticket {
            connection: 1,
            url: opening.address(api, token),
            bearer: opening.bearer(token),
            machine: Box::new(ObservedMachine {
                inner: opening.machine(options),
                signs: tell_sign,
            }),
            heartbeat,
            buffer,
            notices: tell_notice,
            telemetry,
            net: Arc::clone(&self.net),
            clock: Arc::new(ServiceClock::new()),
            journal: Journal::default(),
        })?;
        Ok((
            TrialConnection {
                reader,
                signs,
                notices,
                seen: Seen::default(),
            },
            message,
        ))
    }
}
