//! The socket and its first signs of life, through an ordinary reader whose machine is listened to.
//!
//! In: a channel, or ids for the tutorials' sockets · Out: findings · Thread: the caller's waits; `gs-reader-1` reads.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, select_biased, unbounded};

use super::{Check, End, Go, Patience, Step, Told, Verdict, advice_for_transient, role_advice};
use crate::config::{BufferConfig, HeartbeatConfig, Protocol, WhenFull};
use crate::event::notice::{CloseReason, ConnectionNews, Notice};
use crate::output::journal::Journal;
use crate::protocol::opening::{ChannelSocket, Opening};
use crate::protocol::{Heard, KeepBody, Machine, Options, Ping};
use crate::reader::buffer::buffer;
use crate::reader::telemetry::Telemetry;
use crate::reader::{Reader, Ticket};
use crate::{Error, ErrorKind, Id, Moment, Secret};

/// The answer to the first ping is due after this (`docs/operation.md#check`).
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// With `Patience::Heartbeat` a WebSocket is asked this often, where the protocol has no heartbeat of its own.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// A reader that was told to close is done by then.
const GOODBYE: Duration = Duration::from_millis(400);

/// What the machine heard.
#[derive(Debug)]
enum Sign {
    /// The socket was upgraded.
    Open,
    Pong,
    Heartbeat,
    Event,
    ServerError(String),
}

/// A machine that tells what it hears, and keeps events from going further.
struct Listened {
    inner: Box<dyn Machine>,
    signs: Sender<Sign>,
}

impl Machine for Listened {
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

    fn on_text(&mut self, text: &str, now: Moment, heard: &mut Vec<Heard>) {
        self.inner.on_text(text, now, heard);
        heard.retain(|heard| {
            let sign = match heard {
                Heard::Pong => Sign::Pong,
                Heard::Alive => Sign::Heartbeat,
                Heard::Event(_) => Sign::Event,
                Heard::ServerError(text) => Sign::ServerError(text.clone()),
                _ => return true,
            };
            // Nobody listens any more only when the check is over.
            let _ = self.signs.send(sign);
            !matches!(heard, Heard::Event(_))
        });
    }
}

/// What came so far on the socket.
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

/// A socket on trial.
struct Trial {
    reader: Reader,
    signs: Receiver<Sign>,
    notices: Receiver<Notice>,
    seen: Seen,
}

/// Why a wait ended without what was waited for.
enum Missed {
    TooLate,
    Ended(CloseReason),
    Stopped,
}

impl Trial {
    /// Waits until this holds.
    fn until(&mut self, check: &Check<'_>, deadline: Instant, holds: impl Fn(&Seen) -> bool) -> Result<(), Missed> {
        loop {
            if holds(&self.seen) {
                return Ok(());
            }
            let wait = deadline.saturating_duration_since(Instant::now());
            select_biased! {
                recv(check.cancel.receiver()) -> _ => return Err(Missed::Stopped),
                recv(self.signs) -> sign => match sign {
                    Ok(Sign::Open) => self.seen.open = true,
                    Ok(Sign::Pong) => self.seen.pong = true,
                    Ok(Sign::Heartbeat) => self.seen.heartbeat = true,
                    Ok(Sign::Event) => self.seen.events += 1,
                    Ok(Sign::ServerError(text)) => self.seen.server_error = Some(text),
                    // The reader is gone; its notice says why.
                    Err(_) => self.on_notice(deadline)?,
                },
                recv(self.notices) -> notice => self.take(notice.ok())?,
                default(wait) => return Err(Missed::TooLate),
            }
        }
    }

    fn on_notice(&mut self, deadline: Instant) -> Result<(), Missed> {
        let notice = self.notices.recv_deadline(deadline);
        self.take(notice.ok())
    }

    fn take(&mut self, notice: Option<Notice>) -> Result<(), Missed> {
        match notice {
            Some(Notice::Connection { news, .. }) => match news {
                ConnectionNews::Confirmed(_) => self.seen.confirmed = true,
                ConnectionNews::Alive => self.seen.alive = true,
                ConnectionNews::Ended { reason, .. } => return Err(Missed::Ended(reason)),
                ConnectionNews::SocketClosing | ConnectionNews::TokenRevoked => {}
            },
            Some(_) => {}
            None => return Err(Missed::TooLate),
        }
        Ok(())
    }

    /// Closes with 1000, and waits for the end.
    fn close(mut self) {
        self.reader.close();
        let deadline = Instant::now() + GOODBYE;
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
    pub(super) fn life(&mut self, token: &Secret, queues: Vec<Id>, patience: Patience) -> Go {
        let began = Instant::now();
        self.reporter.begins(Step::Channel, "opening the socket");
        let (mut trial, told) = match self.trial(token, queues, patience) {
            Ok(trial) => trial,
            Err(error) => return self.end(Step::Channel, began, &error, "Look at the message above."),
        };
        let opened = trial.until(self, began + self.config.limits.opening(), |seen| seen.open);
        if let Err(missed) = opened {
            let go = self.missed(Step::Channel, began, &trial, missed, self.config.limits.opening());
            trial.close();
            return go;
        }
        self.tell(Step::Channel, began, Told::ok(told));
        let go = self.first_signs(&mut trial, patience);
        trial.close();
        go
    }

    fn first_signs(&mut self, trial: &mut Trial, patience: Patience) -> Go {
        let began = Instant::now();
        let notifications = self.config.protocol == Protocol::Notifications;
        let message = if notifications {
            self.reporter
                .begins(Step::Life, "waiting for the answer to a ping, at most 5 s");
            match trial.until(self, began + ANSWER_LIMIT, |seen| seen.pong) {
                Ok(()) => format!("ping answered in {} ms", began.elapsed().as_millis()),
                // The service need not know the ping: what comes is life.
                Err(Missed::TooLate) if trial.seen.events > 0 || trial.seen.heartbeat => {
                    "the ping stayed without an answer, but frames come".to_owned()
                }
                Err(missed) => return self.missed(Step::Life, began, trial, missed, ANSWER_LIMIT),
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
        if patience == Patience::Heartbeat {
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
                Err(Missed::TooLate) => {
                    message.push_str(&format!(", no heartbeat within {} s", limit.as_secs()));
                    unanswered = true;
                }
                Err(missed) => return self.missed(Step::Life, began, trial, missed, limit),
            }
        }
        match trial.seen.events {
            0 => message.push_str("; no event yet, which is no error: in quiet queues nothing happens"),
            1 => message.push_str("; 1 event came"),
            several => message.push_str(&format!("; {several} events came")),
        }
        let told = match &trial.seen.server_error {
            Some(text) => Told::warn(
                format!("{message}; the service reports: {text}"),
                "Look at the service's message; the socket itself works.",
            ),
            None if unanswered => Told::warn(
                message,
                "It can stream; a connection that dies unnoticed is found by its silence alone, after heartbeat.silence_secs.",
            ),
            None => Told::ok(message),
        };
        let failed = told.verdict == Verdict::Fail;
        self.tell(Step::Life, began, told);
        if failed { Err(End) } else { Ok(()) }
    }

    /// What was waited for did not come.
    fn missed(&mut self, step: Step, began: Instant, trial: &Trial, missed: Missed, limit: Duration) -> Go {
        let reason = match missed {
            Missed::Stopped => return Err(End),
            Missed::Ended(reason) => reason,
            Missed::TooLate => {
                let frames = if trial.seen.events > 0 {
                    ""
                } else {
                    " and nothing else came"
                };
                let told = Told::fail(
                    format!("no answer within {} s{frames}", limit.as_secs()),
                    "The socket opened but stays silent: a proxy or firewall on the way may swallow WebSocket frames. Have this \
                     host exempted, or try another way out. A quiet queue is not the cause: the ping is answered whatever happens.",
                );
                self.tell(step, began, told);
                return Err(End);
            }
        };
        let advice = match &reason {
            CloseReason::Refused(refusal) if refusal.status == Some(403) => role_advice("the permissions of this subscription"),
            CloseReason::Refused(_) => "The service does not take this subscription: compare it with the configuration.".to_owned(),
            CloseReason::HandshakeLate => {
                "The service did not confirm the subscription: Genesys documents no such socket; use --protocol notifications.".to_owned()
            }
            CloseReason::Upgrade { status: 401 | 403, .. } => {
                "The socket refuses this client; a proxy may have changed the request.".to_owned()
            }
            CloseReason::Upgrade { status: 404, .. } if self.config.protocol != Protocol::Notifications => {
                "There is no such socket: Genesys' published API lists none for this protocol; use --protocol notifications."
                    .to_owned()
            }
            CloseReason::Upgrade { .. } | CloseReason::UpgradeFailed(_) => {
                "What answers there speaks no WebSocket: a proxy may not let the upgrade through.".to_owned()
            }
            CloseReason::Dial(error) => advice_for_transient(error),
            _ => "Try again; if it stays, a proxy or firewall on the way may cut WebSockets.".to_owned(),
        };
        let error = Error::new(ErrorKind::Transient, "opening the stream", reason.to_string());
        self.end(step, began, &error, &advice)
    }

    /// Starts a reader; also says what was opened.
    fn trial(&self, token: &Secret, queues: Vec<Id>, patience: Patience) -> Result<(Trial, String), Error> {
        let options = Options {
            connection: 1,
            bodies: KeepBody::Drop,
            hasher: std::hash::RandomState::new(),
        };
        let channel = self.channel.as_ref().map(|channel| ChannelSocket {
            id: channel.id.clone(),
            connect_uri: channel.connect_uri.clone(),
        });
        let queues = (!queues.is_empty()).then_some(queues.as_slice());
        let opening = Opening::new(self.config, queues, channel)?;
        let api = &self.config.hosts.api;
        let told = match opening.shown_address(api) {
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
        let (tell_sign, signs) = unbounded();
        let (tell_notice, notices) = unbounded();
        let telemetry = Arc::new(Telemetry::new());
        let small = BufferConfig {
            capacity: 1,
            when_full: WhenFull::DropNewest,
        };
        // Events end in the machine: nothing ever waits here.
        let (buffer, _) = buffer(small, Arc::clone(&telemetry));
        let heartbeat = match patience {
            Patience::Heartbeat if self.config.protocol != Protocol::Notifications => HeartbeatConfig {
                interval: ASK_EVERY,
                ..self.config.heartbeat
            },
            _ => self.config.heartbeat,
        };
        let reader = Reader::spawn(Ticket {
            connection: 1,
            url: opening.address(api, token),
            bearer: opening.bearer(token),
            machine: Box::new(Listened {
                inner: opening.machine(options),
                signs: tell_sign,
            }),
            heartbeat,
            buffer,
            notices: tell_notice,
            telemetry,
            net: Arc::clone(&self.net),
            journal: Journal::default(),
            hidden: None,
        })?;
        Ok((
            Trial {
                reader,
                signs,
                notices,
                seen: Seen::default(),
            },
            told,
        ))
    }
}
