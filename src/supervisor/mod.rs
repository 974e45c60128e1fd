//! Keeps the connections alive: logs in, plans, opens sockets, replaces them, and ends everything in order.
//!
//! In: configuration, notices of every thread · Out: running readers, `Control` to the aggregator, an `Outcome` ·
//! Thread: the one that calls [`Supervisor::run`] (main in the program, `gs-supervisor` in a library).
//!
//! Every decision is made by the state machine in [`core`]. The supervisor waits for the next notice or until something
//! is due, hands that to the state machine, and carries out its acts. None of them blocks: REST calls are made by threads
//! of their own ([`calls`]).

mod acts;
mod allowance;
mod calls;
mod channels;
pub(crate) mod choose;
mod core;
mod frozen;
mod line;
mod planning;
mod policy;
mod process;
mod repair;
mod session;
mod sockets;
mod stop;
mod takeovers;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use self::acts::{Act, Level, News};
use self::calls::Calls;
use self::core::{Clock, Core};
use self::frozen::{Frozen, Watch};
use self::sockets::{ReaderParts, Sockets};
use crate::config::Config;
use crate::engine::ControlSender;
use crate::event::notice::{ConnectionNews, Notice};
use crate::net::{Cancel, Net};
use crate::output::journal::Journal;
use crate::protocol::KeepBody;
use crate::reader::buffer::BufferSender;
use crate::reader::telemetry::Telemetry;
use crate::rest::RestClient;
use crate::{Error, ErrorKind, Moment};

pub(crate) use self::repair::{RepairParts, RepairThread};
pub(crate) use self::stop::Stopped;

/// Why a run ended.
#[derive(Debug)]
pub(crate) enum End {
    /// Somebody asked, or the duration is over.
    Stopped,
    /// The server ended the stream normally, and that was to be the end.
    ServerEnded,
    /// Nobody reads the output any more (closed stdout).
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
    /// Given before anything else where somebody asks to stop: it waits behind no notice.
    pub(crate) asked: Cancel,
    pub(crate) notices: Sender<Notice>,
    pub(crate) buffer: BufferSender,
    pub(crate) control: ControlSender,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) keep_body: KeepBody,
    pub(crate) journal: Journal,
    /// `None` where gaps cannot be repaired (`events`, `metrics`, backfill switched off).
    pub(crate) repair: Option<RepairThread>,
}

/// The driver of the state machine.
pub(crate) struct Supervisor {
    core: Core,
    calls: Calls,
    sockets: Sockets,
    inbox: Receiver<Notice>,
    asked: Cancel,
    ends_at: Option<Instant>,
    control: ControlSender,
    journal: Journal,
    repair: Option<RepairThread>,
    /// For the clean-up at the end.
    rest: RestClient,
}

impl Supervisor {
    pub(crate) fn new(parts: Parts) -> Self {
        let now = Instant::now();
        Self {
            core: Core::new(&parts.config, parts.until.end_of_stream, (now, Moment::now())),
            calls: Calls::new(&parts.config, &parts.rest, parts.notices.clone()),
            ends_at: parts.until.duration.and_then(|duration| now.checked_add(duration)),
            sockets: Sockets::new(ReaderParts {
                config: parts.config,
                net: parts.net,
                clock: Arc::clone(parts.rest.clock()),
                buffer: parts.buffer,
                notices: parts.notices,
                telemetry: parts.telemetry,
                journal: parts.journal.clone(),
                keep_body: parts.keep_body,
                hasher: crate::base::hash::Seeded::random(),
            }),
            inbox: parts.inbox,
            asked: parts.asked,
            control: parts.control,
            journal: parts.journal,
            repair: parts.repair,
            rest: parts.rest,
        }
    }

    /// Runs until the end, and ends everything that was started. The aggregator is told to finish; its thread is not
    /// joined here.
    pub(crate) fn run(mut self) -> Stopped {
        let end = match self.run_to_the_end() {
            ControlFlow::Break(end) => end,
            ControlFlow::Continue(never) => match never {},
        };
        self.stop(end)
    }

    fn run_to_the_end(&mut self) -> ControlFlow<End, std::convert::Infallible> {
        let mut watch = Watch::new();
        let acts = self.turn(Core::begin);
        self.carry_out(acts)?;
        loop {
            // What happened comes before what is due: it may have done it.
            while !self.asked.is_cancelled()
                && let Ok(notice) = self.inbox.try_recv()
            {
                self.on_notice(notice)?;
            }
            if self.asked.is_cancelled() {
                return ControlFlow::Break(End::Stopped);
            }
            if self.ends_at.is_some_and(|end| Instant::now() >= end) {
                return ControlFlow::Break(End::Stopped);
            }
            let acts = self.turn(Core::on_due);
            self.carry_out(acts)?;
            if self.core.is_settled()
                && let Some(repair) = &mut self.repair
            {
                repair.begin(Moment::now());
            }
            let due = [self.core.next_due(), self.ends_at].into_iter().flatten();
            let due = due.fold(Instant::now() + frozen::TICK, Instant::min);
            self.notice_stop(&mut watch)?;
            let notice = self.inbox.recv_deadline(due);
            // Before the news: what ended meanwhile was covered until then at most.
            self.notice_stop(&mut watch)?;
            match notice {
                Ok(notice) => self.on_notice(notice)?,
                Err(RecvTimeoutError::Timeout) => {}
                // Cannot happen while the calls hold a sender; an end is the safe answer.
                Err(RecvTimeoutError::Disconnected) => return ControlFlow::Break(End::Stopped),
            }
        }
    }

    /// Tells the state machine where the process did not run.
    fn notice_stop(&mut self, watch: &mut Watch) -> ControlFlow<End> {
        match watch.check() {
            Some(Frozen { since, lasted }) => {
                let acts = self.turn(|core, clock| core.on(News::Frozen { since, lasted }, clock));
                self.carry_out(acts)
            }
            None => ControlFlow::Continue(()),
        }
    }

    fn on_notice(&mut self, notice: Notice) -> ControlFlow<End> {
        let news = match notice {
            Notice::Stop => return ControlFlow::Break(End::Stopped),
            #[cfg(all(unix, feature = "cli"))]
            Notice::Asked(asked) => {
                drop(asked);
                return ControlFlow::Continue(());
            }
            Notice::OutputClosed(name) => {
                log::debug!("output {name}: nobody reads it any more");
                return ControlFlow::Break(End::OutputClosed);
            }
            Notice::AggregatorGone(what) => {
                let error = Error::new(ErrorKind::Internal, "aggregating", what);
                return ControlFlow::Break(End::GaveUp(error));
            }
            #[cfg(feature = "engine")]
            Notice::EngineRefused(error) => return ControlFlow::Break(End::GaveUp(error)),
            Notice::ClockUnsure => {
                self.calls.ask_the_time();
                return ControlFlow::Continue(());
            }
            Notice::TokenRefused => News::TokenRefused,
            Notice::Answered { call } => match self.calls.take(call) {
                Some(answer) => News::Answered(call, answer),
                None => return ControlFlow::Continue(()),
            },
            Notice::Connection { connection, news } => {
                if let ConnectionNews::Ended { .. } = news {
                    self.sockets.cut(connection);
                }
                News::Connection(connection, news)
            }
        };
        let acts = self.turn(|core, clock| core.on(news, clock));
        self.carry_out(acts)
    }

    fn turn(&mut self, turn: impl FnOnce(&mut Core, Clock<'_>) -> Vec<Act>) -> Vec<Act> {
        let clock = Clock {
            now: Instant::now(),
            at: Moment::now(),
            draw: &mut fastrand::f64,
        };
        turn(&mut self.core, clock)
    }

    /// Carries out all acts; one of them may end the run.
    fn carry_out(&mut self, acts: Vec<Act>) -> ControlFlow<End> {
        let mut end = ControlFlow::Continue(());
        for act in acts {
            match act {
                Act::Call(id, call) => self.calls.begin(id, call),
                Act::Open(open) => {
                    let connection = open.connection;
                    if let Err(error) = self.sockets.open(open, self.core.queues()) {
                        let acts = self.turn(|core, clock| core.on(News::NotOpened(connection, error), clock));
                        let then = self.carry_out(acts);
                        if end.is_continue() {
                            end = then;
                        }
                    }
                }
                Act::Close(connection) => self.sockets.close(connection),
                Act::Retire(connection) => self.sockets.retire(connection),
                Act::Cut(connection) => self.sockets.cut(connection),
                Act::Tell(change) => self.control.send(change),
                Act::Audit(entry) => self.journal.audit(|| entry),
                Act::Log(level, text) => log(level, &text),
                Act::TokenForRepair(token) => {
                    if let Some(repair) = &self.repair {
                        repair.set_token(token);
                    }
                }
                Act::QueuesForRepair(queues) => {
                    if let Some(repair) = &mut self.repair {
                        repair.set_queues(queues);
                    }
                }
                Act::End(why) => {
                    if end.is_continue() {
                        end = ControlFlow::Break(why);
                    }
                }
            }
        }
        end
    }
}

fn log(level: Level, text: &str) {
    let level = match level {
        Level::Debug => log::Level::Debug,
        Level::Info => log::Level::Info,
        Level::Warn => log::Level::Warn,
    };
    log::log!(level, "{text}");
}
