//! The output that publishes a run's facts to a Redis stream.
//!
//! In: events, and what the engine tells · Out: entries, acknowledged and sent again after a connection was lost · Thread:
//! `gs-out-engine` takes, `gs-publish` talks to the engine, `gs-register` keeps the reader listed.
//!
//! Taking never waits for the network. What the engine does not take waits here, within `engine.buffer_bytes`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::client::{Engine, Node, is_refusal};
use super::entry::{Content, Entry, EntryId, SharedEvent, VERSION, What};
use super::held::Held;
use super::outbox::{Numbered, Outbox, Resumed};
use super::own_stream::{covered_until, last_of, newest_id};
use super::register::Register;
use super::resp::{self, Reply};
use super::restart::Restart;
use super::{readers_key, stream_key};
use crate::config::Config;
use crate::engine::ControlSender;
use crate::event::change::Change;
use crate::event::gap::{Gap, GapTopics};
use crate::event::notice::Notice;
use crate::event::state::ConnectionState;
use crate::model::snapshot::Snapshot;
use crate::net::Cancel;
use crate::output::Item;
use crate::output::counters::OutputCounters;
use crate::output::shared::{Shared, Told};
use crate::output::sink::{Closed, Events, Sink, Snapshots, Wants};
use crate::rest::ServiceClock;
use crate::{Error, ErrorKind, Moment};

/// Bytes of entries that are sent before their replies are read.
const BATCH_BYTES: usize = 512 << 10;
/// A reply to one of them comes within this time.
const REPLY_LIMIT: Duration = Duration::from_secs(10);
/// How long the stream of an earlier process must stand still before this one goes on with it: longer than between two
/// signs of life.
const STANDS_STILL: Duration = Duration::from_millis(2_500);
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Between two looks whether another process writes, and between two trims.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// Pauses after failures: the first, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];
/// The line of the gap between an earlier process and this one.
const RESTART_LINE: usize = usize::MAX;
const RESTARTED: &str = "the reader was restarted";
/// Its id in the stream, above those of the run's own gaps.
const RESTART_ID: u64 = 1 << 41;
/// What the end of the run waits for the engine to take.
const END_LIMIT: Duration = Duration::from_millis(500);

/// What the publisher is given.
pub(crate) struct PublisherParts {
    pub(crate) config: Arc<Config>,
    pub(crate) control: ControlSender,
    pub(crate) notices: Sender<Notice>,
    pub(crate) clock: Arc<ServiceClock>,
}

/// See the module.
pub(crate) struct Publisher {
    common: Arc<Common>,
    wake: Sender<()>,
    agent_names: bool,
    /// When all that holds was told last.
    told_at: Instant,
    tell_every: Duration,
    /// Counted as missed when this was looked at last.
    missed: u64,
    cancel: Cancel,
    done: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

/// What the threads of a publisher share.
struct Common {
    outbox: Mutex<Outbox>,
    counters: OnceLock<Arc<OutputCounters>>,
    is_ending: AtomicBool,
    restart: Mutex<Restart>,
    control: ControlSender,
}

impl Common {
    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn restart(&self) -> MutexGuard<'_, Restart> {
        self.restart.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The earlier process covered its topics until `exact` of the service's clock, `from` of ours.
    fn open_restart(&self, exact: Moment, from: Moment) {
        let mut restart = self.restart();
        restart.from = Some(exact);
        let gap = Gap {
            id: RESTART_ID,
            topics: GapTopics::All,
            from: exact,
            to: None,
            cause: RESTARTED.to_owned(),
            repaired: false,
        };
        let what = What::Gap(gap);
        self.outbox().push_first(&Content { at: exact, what });
        self.control.send(Change::GapOpened {
            line: RESTART_LINE,
            topics: GapTopics::All,
            from,
            cause: RESTARTED.to_owned(),
        });
        restart.is_open = true;
        self.close_restart(&mut restart);
    }

    fn on_streaming(&self, at: Moment) {
        let mut restart = self.restart();
        restart.streaming.get_or_insert(at);
        self.close_restart(&mut restart);
    }

    fn close_restart(&self, restart: &mut Restart) {
        if let (true, Some(to)) = (restart.is_open, restart.streaming) {
            restart.is_open = false;
            self.control.send(Change::GapClosed { line: RESTART_LINE, to });
        }
    }

    fn count_written(&self, count: u64) {
        self.counters.get().inspect(|counters| counters.wrote(count));
    }
}

impl Publisher {
    /// Starts its threads.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] for a CA file that cannot be used, [`ErrorKind::Local`] when the system gives no thread.
    pub(crate) fn start(parts: PublisherParts) -> Result<Self, Error> {
        let config = &parts.config.engine;
        let cancel = Cancel::new();
        let engine = Engine::new(&config.publish, &parts.config, cancel.clone())?;
        let run = format!("{:016x}", fastrand::u64(..));
        let share = format!("{}/{}", config.share.part, config.share.of);
        let held = Held::new(run.clone(), share.clone());
        let common = Arc::new(Common {
            outbox: Mutex::new(Outbox::new(held, config.buffer_bytes, config.ring)),
            counters: OnceLock::new(),
            is_ending: AtomicBool::new(false),
            restart: Mutex::default(),
            control: parts.control,
        });
        let (wake, woken) = bounded(1);
        let (alive, done) = bounded(0);
        let sending = Sending {
            key: stream_key(&config.org, &config.name),
            retention: config.retention,
            common: Arc::clone(&common),
            engine: engine.clone(),
            woken,
            notices: parts.notices.clone(),
            clock: parts.clock,
            has_begun: false,
            has_published: false,
            is_warned: false,
        };
        let register = Register {
            key: readers_key(&config.org),
            name: config.name.clone(),
            value: serde_json::json!({"run": run, "share": share, "version": env!("CARGO_PKG_VERSION")}).to_string(),
            engine,
            notices: parts.notices,
            is_listed: false,
        };
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(work);
            spawned.map_err(|error| Error::caused_by(ErrorKind::Local, "starting a thread that publishes", error))
        };
        let thread = spawn(
            "gs-publish",
            Box::new(move || {
                let _alive: Sender<()> = alive;
                sending.run();
            }),
        )?;
        spawn("gs-register", Box::new(move || register.run()))?;
        Ok(Self {
            common,
            wake,
            agent_names: config.agent_names,
            told_at: Instant::now(),
            // So that what is kept holds it several times.
            tell_every: (config.retention / 12).max(Duration::from_secs(10)),
            missed: 0,
            cancel,
            done,
            thread: Some(thread),
        })
    }

    fn push(&mut self, content: &Content, counters: &OutputCounters) {
        let mut outbox = self.common.outbox();
        // What the queue in front of us had no room for.
        let missed = counters.counts().missed;
        if missed > self.missed {
            outbox.lost(content.at);
        }
        if self.told_at.elapsed() >= self.tell_every {
            self.told_at = Instant::now();
            outbox.want_about();
        }
        outbox.push(content, true);
        counters.missed(outbox.take_missed());
        self.missed = counters.counts().missed;
    }

    fn share(&mut self, shared: &Shared, counters: &OutputCounters) {
        let what = match &shared.what {
            Told::Change(Change::State(change)) => {
                if change.state == ConnectionState::Streaming {
                    self.common.on_streaming(change.at);
                }
                counters.wrote(1);
                return;
            }
            Told::Change(Change::Users(names)) if !self.agent_names => {
                What::Change(Change::Users(names.keys().map(|user| (user.clone(), None)).collect()))
            }
            Told::Change(change) => {
                if let Change::Covered { since, .. } = change {
                    self.common.restart().covers(*since);
                }
                What::Change(change.clone())
            }
            Told::Gap(gap) => {
                let mut gap = gap.clone();
                let mut restart = self.common.restart();
                if let (RESTARTED, Some(from)) = (&*gap.cause, restart.from) {
                    (gap.id, gap.from) = (RESTART_ID, from);
                    gap.to = gap.to.map(|to| restart.ends(to));
                }
                What::Gap(gap)
            }
            // Before the first frame nothing is covered, and the service's time may not be known.
            Told::Alive { last_frame_at: None } => {
                counters.wrote(1);
                return;
            }
            Told::Alive { last_frame_at } => What::Cover { to: *last_frame_at },
        };
        self.push(&Content { at: shared.at, what }, counters);
    }
}

impl Sink for Publisher {
    fn wants(&self) -> Wants {
        Wants {
            events: Events::Whole,
            changes: false,
            alerts: false,
            snapshots: Snapshots::None,
        }
    }

    fn attach(&mut self, counters: &Arc<OutputCounters>) {
        // The only call.
        let _ = self.common.counters.set(Arc::clone(counters));
    }

    fn take(&mut self, item: Item, counters: &OutputCounters) -> Result<(), Closed> {
        match item {
            Item::Event(event) => {
                let what = What::Event(Box::new(SharedEvent::of(&event)));
                let at = event.service_time;
                self.push(&Content { at, what }, counters);
            }
            Item::Shared(shared) => self.share(&shared, counters),
            _ => {}
        }
        Ok(())
    }

    fn flush(&mut self, _: &OutputCounters) -> Result<(), Closed> {
        let _ = self.wake.try_send(());
        Ok(())
    }

    fn end(&mut self, last: Option<Arc<Snapshot>>, _: &OutputCounters) -> Result<(), Closed> {
        let cause = last.as_ref().and_then(|last| last.connection.cause.clone());
        let at = last.map_or_else(Moment::now, |last| last.as_of);
        let what = What::Down { cause };
        self.common.outbox().push(&Content { at, what }, false);
        self.common.is_ending.store(true, Ordering::SeqCst);
        let _ = self.wake.try_send(());
        let _ = self.done.recv_timeout(END_LIMIT);
        self.cancel.cancel();
        self.thread.take().map(JoinHandle::join);
        Ok(())
    }
}

/// The thread that sends.
struct Sending {
    key: String,
    retention: Duration,
    common: Arc<Common>,
    engine: Engine,
    woken: Receiver<()>,
    notices: Sender<Notice>,
    clock: Arc<ServiceClock>,
    /// It is known where an earlier process of this name stopped.
    has_begun: bool,
    /// An entry was acknowledged once.
    has_published: bool,
    /// The failure of now was logged.
    is_warned: bool,
}

/// Why a connection was given up.
enum Broken {
    /// It is made again.
    Lost(Error),
    /// The run cannot go on.
    Fatal(Error),
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self::Lost(error)
    }
}

impl Sending {
    fn run(mut self) {
        let mut pause = PAUSES[0];
        loop {
            let error = match self.talk(&mut pause) {
                Ok(()) => return,
                Err(Broken::Fatal(error)) => {
                    let _ = self.notices.send(Notice::EngineRefused(error));
                    return;
                }
                Err(Broken::Lost(error)) => error,
            };
            if is_refusal(&error) && !self.has_published {
                let _ = self.notices.send(Notice::EngineRefused(error));
                return;
            }
            if self.engine.is_stopped() || self.is_ending() {
                return;
            }
            if !std::mem::replace(&mut self.is_warned, true) {
                log::warn!("publishing waits: {error}");
            }
            self.engine.pause(pause);
            pause = (pause * 2).min(PAUSES[1]);
        }
    }

    fn is_ending(&self) -> bool {
        self.common.is_ending.load(Ordering::SeqCst)
    }

    /// One connection, until everything is sent at the end.
    fn talk(&mut self, pause: &mut Duration) -> Result<(), Broken> {
        let mut node = self.engine.connect(&self.key)?;
        if !self.has_begun {
            self.begin(&mut node)?;
        }
        // The last entry of the stream that is known to be ours.
        let mut acknowledged = self.common.outbox().acknowledged();
        let mut trimmed_at = None;
        let mut is_anew = false;
        let mut bytes = Vec::new();
        self.watch(&mut bytes, &mut trimmed_at);
        node.send(&bytes)?;
        let mut last = watched(&mut node, true)?;
        loop {
            if last != acknowledged {
                let resumed = self.common.outbox().resume(last);
                match resumed {
                    Resumed::Whole => {}
                    Resumed::Behind => log::warn!("the engine has lost entries; what is still here is sent again"),
                    Resumed::Foreign => return Err(self.foreign()),
                }
                acknowledged = last;
            }
            let is_ending = self.is_ending();
            let entries = self.common.outbox().hand_out(BATCH_BYTES, now_ms());
            if entries.is_empty() {
                if is_ending {
                    return Ok(());
                }
                let _ = self.woken.recv_timeout(CHECK_EVERY);
                continue;
            }
            bytes.clear();
            self.add_all(&mut bytes, &entries);
            let trims = self.watch(&mut bytes, &mut trimmed_at);
            node.send(&bytes)?;
            let outcome = added(&mut node, entries.len())?;
            last = watched(&mut node, trims)?;
            match outcome {
                Added::All => {
                    acknowledged = entries.last().map(|entry| (entry.n, entry.id));
                    self.acknowledge(entries.len());
                    is_anew = false;
                    *pause = PAUSES[0];
                    if std::mem::take(&mut self.is_warned) {
                        log::info!("publishing goes on");
                    }
                }
                // Somebody else changed the stream: it was wiped or trimmed, or another process writes.
                Added::Changed => {}
                // The stream was emptied, and the engine still knows the ids that it had.
                Added::Late if !std::mem::replace(&mut is_anew, true) => {
                    let newest = newest_id(&mut node, &self.key)?;
                    self.common.outbox().number_anew(newest, now_ms());
                }
                Added::Late => return Err(self.foreign()),
            }
        }
    }

    /// Adds all of these entries or none: none where the stream was changed since the connection watches it.
    fn add_all(&self, bytes: &mut Vec<u8>, entries: &[Numbered]) {
        resp::command(bytes, &["MULTI"]);
        for entry in entries {
            let (id, n) = (entry.id.to_string(), entry.n.to_string());
            let words = [
                "XADD",
                &self.key,
                &id,
                "n",
                &n,
                "v",
                VERSION,
                "k",
                entry.kind,
                "d",
                &entry.data,
            ];
            resp::command(bytes, &words);
        }
        resp::command(bytes, &["EXEC"]);
    }

    /// Watches the stream from now on, and asks for its last entry. Where it is due, the engine forgets the oldest entries
    /// first. Returns whether it is.
    fn watch(&self, bytes: &mut Vec<u8>, trimmed_at: &mut Option<Instant>) -> bool {
        let is_due = trimmed_at.is_none_or(|at| at.elapsed() >= CHECK_EVERY);
        if is_due {
            *trimmed_at = Some(Instant::now());
            let oldest = now_ms().saturating_sub(u64::try_from(self.retention.as_millis()).unwrap_or(u64::MAX));
            resp::command(bytes, &["XTRIM", &self.key, "MINID", "~", &oldest.to_string()]);
        }
        resp::command(bytes, &["WATCH", &self.key]);
        resp::command(bytes, &["XREVRANGE", &self.key, "+", "-", "COUNT", "1"]);
        is_due
    }

    fn acknowledge(&mut self, count: usize) {
        self.has_published = true;
        let mut outbox = self.common.outbox();
        let now = Instant::now();
        (0..count).for_each(|_| outbox.acknowledge(now));
        let written = outbox.take_written();
        drop(outbox);
        self.common.count_written(written);
    }

    /// The first connection: finds out where an earlier process of this name stopped.
    fn begin(&mut self, node: &mut Node) -> Result<(), Broken> {
        let last = last_of(node, &self.key)?;
        let ended_in_order = last.as_ref().is_some_and(|last| {
            let content = last.content.as_ref();
            matches!(
                content,
                Some(Content {
                    what: What::Down { .. },
                    ..
                })
            )
        });
        let found = last.as_ref().map(|entry| (entry.n, entry.id));
        if last.is_some() && !ended_in_order {
            let until = Instant::now() + STANDS_STILL;
            while Instant::now() < until && !self.engine.is_stopped() {
                self.engine.pause(LOOK_EVERY);
                if last_of(node, &self.key)?.map(|entry| (entry.n, entry.id)) != found {
                    return Err(self.foreign());
                }
            }
        }
        if let Some(to) = covered_until(node, &self.key)? {
            let kept = self.clock.receipt().service.minus(self.retention);
            let exact = to.max(kept);
            self.common.open_restart(exact, self.clock.ours(exact));
        }
        self.common.outbox().continue_after(found);
        self.has_begun = true;
        Ok(())
    }

    fn foreign(&self) -> Broken {
        let what = "another process publishes under this name; each reader needs an engine.name of its own";
        Broken::Fatal(Error::new(
            ErrorKind::Refused,
            format!("publishing to {}", self.key),
            what,
        ))
    }
}

fn now_ms() -> u64 {
    u64::try_from(Moment::now().epoch_ms()).unwrap_or(0)
}

/// What became of a batch.
enum Added {
    All,
    /// Nothing was added, because the stream was changed.
    Changed,
    /// Nothing was added, because the stream had later ids.
    Late,
}

fn reply(node: &mut Node, asked: &str) -> Result<Reply, Error> {
    let reply = node.receive(Instant::now() + REPLY_LIMIT)?;
    node.checked(reply, asked)
}

/// The replies to [`Sending::add_all`].
fn added(node: &mut Node, entries: usize) -> Result<Added, Error> {
    reply(node, "MULTI")?;
    for _ in 0..entries {
        reply(node, "XADD")?;
    }
    let replies = reply(node, "EXEC")?;
    if replies == Reply::Nothing {
        return Ok(Added::Changed);
    }
    match replies.items().last() {
        // Ids rise: an engine that has a later one than the last refuses all of them. Those before one that it takes
        // were in the stream already.
        Some(Reply::Error(text)) if text.contains("equal or smaller") => Ok(Added::Late),
        Some(last) => node.checked(last.clone(), "XADD").map(|_| Added::All),
        None => Ok(Added::Changed),
    }
}

/// The replies to [`Sending::watch`]: number and id of the last entry.
fn watched(node: &mut Node, trims: bool) -> Result<Option<(u64, EntryId)>, Error> {
    if trims {
        reply(node, "XTRIM")?;
    }
    reply(node, "WATCH")?;
    let last = reply(node, "XREVRANGE")?;
    Ok(last
        .items()
        .first()
        .and_then(Entry::of)
        .map(|entry| (entry.n, entry.id)))
}
