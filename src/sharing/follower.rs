//! The run of a dashboard: feeds the engine of this process with what readers publish, instead of connecting to Genesys.
//!
//! In: `News` of the threads that read, notices · Out: events to the buffer, changes to the engine, `Stopped` · Thread: the
//! one that calls [`Follower::run`] (main in the program, `gs-supervisor` in a library).
//!
//! What is retained is played first, into a core of its own, on recorded time and merged by time over all readers. Then
//! the engine takes that core over, and entries are applied as they come.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, after, select, unbounded};

use super::client::{Engine, is_refusal};
use super::entry::{Content, Entry, What};
use super::joined::{Effect, Joined, connection};
use super::past::Past;
use super::source::{self, Credit, News};
use super::stream_key;
use super::time::{EngineTime, with_times};
use crate::base::hash::Seeded;
use crate::config::Config;
use crate::engine::{ControlSender, Core, Finish};
use crate::event::change::Change;
use crate::event::gap::GapTopics;
use crate::event::notice::Notice;
use crate::event::state::{ConnectionState, ORDERLY_STOPS, StateChange};
use crate::net::Cancel;
use crate::reader::buffer::{Batch, BufferSender, Sent};
use crate::reader::telemetry::Telemetry;
use crate::rest::ServiceClock;
use crate::supervisor::{End, Stopped, Until};
use crate::{Error, ErrorKind, Moment};

/// Between two looks at what is due.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A look that is so late tells that this process did not run.
const FROZEN: Duration = Duration::from_secs(2);
/// A stream from which nothing comes for so long does not delay the start any more.
const STALLED: Duration = Duration::from_secs(10);
/// For the engine to empty the buffer; then for the outputs.
const END_LIMIT: Duration = Duration::from_millis(700);
/// Gaps that are remembered with the time that the dashboard was told.
const REMEMBERED: usize = 500;

/// What a dashboard is given.
pub(crate) struct FollowerParts {
    pub(crate) config: Arc<Config>,
    pub(crate) until: Until,
    pub(crate) inbox: Receiver<Notice>,
    /// Given before anything else where somebody asks to stop.
    pub(crate) asked: Cancel,
    pub(crate) buffer: BufferSender,
    pub(crate) control: ControlSender,
    /// Gives the engine the core that was fed with the past.
    pub(crate) take_over: Sender<Box<Core>>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) clock: Arc<ServiceClock>,
}

/// See the module.
pub(crate) struct Follower {
    config: Arc<Config>,
    engine: Engine,
    inbox: Receiver<Notice>,
    asked: Cancel,
    ends_at: Option<Instant>,
    /// Why the run ends.
    end: Option<End>,
    buffer: BufferSender,
    batch: Batch,
    control: ControlSender,
    take_over: Sender<Box<Core>>,
    telemetry: Arc<Telemetry>,
    tell: Sender<News>,
    news: Receiver<News>,
    readers: Vec<Reader>,
    joined: Joined,
    time: EngineTime,
    hasher: Seeded,
    /// What is retained, while it is played.
    past: Option<Past>,
    /// Gaps by topics and begin by the service's clock, with the begin that the dashboard was told.
    gaps: VecDeque<(GapTopics, Moment, Moment)>,
    state: (ConnectionState, Option<String>),
    has_connected: bool,
    /// A stream was read once.
    has_read: bool,
    losses: u64,
    heard: u32,
}

/// A reader whose stream is read.
struct Reader {
    name: String,
    credit: Credit,
    /// Entries that wait for their turn while the past is played, and how many pieces they were.
    waiting: VecDeque<Entry>,
    pieces: usize,
    /// Whether it was listened to, and its stream read to the end once.
    is_known: bool,
    is_read: bool,
    /// Something came from it while it was listened to.
    is_alive: bool,
    heard_at: Instant,
    is_silent: bool,
}

/// Whether the run ends by this notice.
fn end_of(notice: Notice) -> Option<End> {
    match notice {
        Notice::Stop => Some(End::Stopped),
        Notice::OutputClosed(_) => Some(End::OutputClosed),
        Notice::AggregatorGone(what) => {
            let error = Error::new(ErrorKind::Internal, "aggregating", what);
            Some(End::GaveUp(error))
        }
        // A question is answered by being dropped.
        _ => None,
    }
}

impl Follower {
    /// # Errors
    /// [`ErrorKind::Configuration`] for a CA file that cannot be used, [`ErrorKind::Local`] when the system gives no thread.
    pub(crate) fn new(parts: FollowerParts) -> Result<Self, Error> {
        let config = parts.config;
        let engine = Engine::new(&config.engine.from, &config, parts.asked.child())?;
        // Cannot grow: a few pieces of each reader, and a list of readers a second.
        let (tell, news) = unbounded();
        source::look_for_readers(engine.clone(), &config.engine.org, tell.clone())?;
        Ok(Self {
            engine,
            inbox: parts.inbox,
            asked: parts.asked,
            ends_at: parts
                .until
                .duration
                .and_then(|duration| Instant::now().checked_add(duration)),
            end: None,
            buffer: parts.buffer,
            batch: Batch::default(),
            control: parts.control,
            take_over: parts.take_over,
            telemetry: parts.telemetry,
            tell,
            news,
            readers: Vec::new(),
            joined: Joined::default(),
            time: EngineTime::new(parts.clock),
            hasher: Seeded::random(),
            past: Some(Past::new(&config)),
            config,
            gaps: VecDeque::new(),
            state: (ConnectionState::Connecting, None),
            has_connected: false,
            has_read: false,
            losses: 0,
            heard: 0,
        })
    }

    /// Runs until the end. The engine is told to finish; its thread is not joined here.
    pub(crate) fn run(mut self) -> Stopped {
        self.show(ConnectionState::Connecting, None);
        let end = self.follow();
        let cause = match &end {
            End::Stopped => ORDERLY_STOPS[0].to_owned(),
            End::ServerEnded => ORDERLY_STOPS[1].to_owned(),
            End::OutputClosed => ORDERLY_STOPS[2].to_owned(),
            End::GaveUp(error) => error.to_string(),
        };
        self.asked.cancel();
        let drain_until = Instant::now() + END_LIMIT;
        let outputs_until = drain_until + END_LIMIT;
        self.control.send(Finish {
            state: StateChange::stopped(Moment::now(), cause),
            drain_until,
            outputs_until,
        });
        Stopped {
            end,
            drain_until,
            outputs_until,
            abandoned: Vec::new(),
        }
    }

    fn follow(&mut self) -> End {
        let mut looked_at = Instant::now();
        loop {
            if let Some(end) = self.end.take() {
                return end;
            }
            if self.must_stop() {
                return End::Stopped;
            }
            let due = after(LOOK_EVERY);
            select! {
                recv(self.inbox) -> notice => match notice {
                    Ok(notice) => self.end = end_of(notice),
                    Err(_) => return End::Stopped,
                },
                recv(self.news) -> news => {
                    if let Ok(news) = news
                        && let Err(error) = self.on_news(news)
                    {
                        return End::GaveUp(error);
                    }
                }
                recv(due) -> _ => {}
            }
            let now = Instant::now();
            if now.saturating_duration_since(looked_at) >= LOOK_EVERY {
                let frozen = now.saturating_duration_since(looked_at) >= FROZEN;
                looked_at = now;
                self.look(now, frozen);
            }
        }
    }

    fn on_news(&mut self, news: News) -> Result<(), Error> {
        match news {
            News::Readers(names) => {
                self.has_connected = true;
                for name in names {
                    if self.readers.iter().all(|reader| reader.name != name) {
                        self.add_reader(name)?;
                    }
                }
                match (&self.past, self.readers.is_empty()) {
                    (None, _) => self.show(ConnectionState::Streaming, None),
                    (Some(_), true) => self.show(ConnectionState::Connecting, Some("no reader publishes".to_owned())),
                    (Some(_), false) => {
                        self.show(ConnectionState::Connecting, Some("reading what is retained".to_owned()));
                    }
                }
            }
            News::Unreachable(error) => {
                if is_refusal(&error) && !self.has_connected {
                    return Err(error);
                }
                self.show(ConnectionState::Backoff, Some(error.to_string()));
            }
            News::Now(reader, entry, received) => {
                self.readers[reader].is_known = true;
                self.readers[reader].is_alive = entry.is_some();
                if let Some(content) = entry.and_then(|entry| entry.content) {
                    self.time.learn(content.at, received);
                }
            }
            News::Piece(reader, entries, is_last) => {
                self.has_read = true;
                self.on_piece(reader, entries, is_last);
            }
            News::Lost(_, error) if is_refusal(&error) && !self.has_read => return Err(error),
            News::Lost(reader, error) => {
                self.losses += 1;
                log::debug!("reader {}: {error}", self.readers[reader].name);
            }
        }
        if self.past.is_some() {
            self.play();
        }
        Ok(())
    }

    fn add_reader(&mut self, name: String) -> Result<(), Error> {
        log::info!("reader {name} publishes");
        let (number, engine) = (self.readers.len(), self.engine.clone());
        let key = stream_key(&self.config.engine.org, &name);
        let credit = source::read_stream(engine, key, number, self.tell.clone())?;
        self.readers.push(Reader {
            name,
            credit,
            waiting: VecDeque::new(),
            pieces: 0,
            is_known: false,
            is_read: false,
            is_alive: false,
            heard_at: Instant::now(),
            is_silent: false,
        });
        Ok(())
    }

    fn on_piece(&mut self, number: usize, entries: Vec<Entry>, is_last: bool) {
        let received = Instant::now();
        let reader = &mut self.readers[number];
        reader.is_read |= is_last;
        if self.past.is_some() {
            // What is retained is older than what was learned, but for what came meanwhile.
            let newest = entries
                .iter()
                .filter_map(|entry| Some(entry.content.as_ref()?.at))
                .max();
            newest.inspect(|at| self.time.learn_more(*at, received));
            reader.heard_at = received;
            reader.pieces += 1;
            reader.waiting.extend(entries);
            return;
        }
        if !entries.is_empty() {
            reader.heard_at = received;
            reader.is_silent = false;
            self.telemetry.on_frame(Moment::now());
        }
        reader.credit.give();
        for entry in entries {
            match &entry.content {
                Some(Content {
                    at,
                    what: What::Cover { .. },
                }) => self.time.learn(*at, received),
                Some(content) => self.time.learn_more(content.at, received),
                None => {}
            }
            let effects = self.joined.take(number, entry);
            self.apply(effects);
        }
        self.hand_over();
    }

    /// Plays what is retained, as far as it is here from all readers; at its end the engine takes over.
    fn play(&mut self) {
        let Some(mut past) = self.past.take() else { return };
        let now = Instant::now();
        let is_awaited = |reader: &Reader| {
            let is_stalled = now.saturating_duration_since(reader.heard_at) >= STALLED;
            reader.waiting.is_empty() && !(reader.is_read || is_stalled)
        };
        if self.readers.is_empty() || self.readers.iter().any(|reader| !reader.is_known && is_awaited(reader)) {
            self.past = Some(past);
            return;
        }
        past.begin(self.time.ahead_ms(), Moment::now());
        while !self.asked.is_cancelled() && !self.readers.iter().any(is_awaited) {
            let waiting = self
                .readers
                .iter()
                .enumerate()
                .filter(|(_, reader)| !reader.waiting.is_empty());
            let at = |reader: &Reader| {
                reader
                    .waiting
                    .front()
                    .and_then(|entry| Some(entry.content.as_ref()?.at))
            };
            let Some((number, _)) = waiting.min_by_key(|(_, reader)| at(reader)) else {
                let silent = self.readers.iter().enumerate().filter(|(_, reader)| !reader.is_alive);
                let silent = Vec::from_iter(silent.map(|(number, _)| number));
                past.end(&mut self.joined, &silent, Moment::now());
                self.go_live(past);
                return;
            };
            let reader = &mut self.readers[number];
            let entry = reader.waiting.pop_front();
            if reader.waiting.is_empty() {
                (0..std::mem::take(&mut reader.pieces)).for_each(|_| reader.credit.give());
            }
            if let Some(entry) = entry {
                past.play(&mut self.joined, number, entry, Moment::now(), &self.hasher);
            }
        }
        self.past = Some(past);
    }

    fn go_live(&mut self, past: Past) {
        let now = Instant::now();
        for reader in &mut self.readers {
            (0..std::mem::take(&mut reader.pieces)).for_each(|_| reader.credit.give());
            reader.heard_at = now;
            reader.is_silent = !reader.is_alive;
        }
        let (core, gaps, applied) = past.finish();
        self.gaps = gaps;
        Telemetry::add(&self.telemetry.decoded, applied);
        Telemetry::add(&self.telemetry.applied, applied);
        self.telemetry.on_frame(Moment::now());
        // Before any message that follows; there is room for one.
        let _ = self.take_over.try_send(core);
        self.show(ConnectionState::Streaming, None);
    }

    /// Applies what the readers told, now.
    fn apply(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Event { reader, at, event } => {
                    Telemetry::add(&self.telemetry.decoded, 1);
                    self.batch
                        .push(event.event(connection(reader), at, Moment::now(), &self.hasher));
                    if self.batch.len() >= self.buffer.batch_events() {
                        self.hand_over();
                    }
                }
                Effect::Change(change) => {
                    self.hand_over();
                    let begin = match &change {
                        Change::GapOpened { from, .. } => Some(*from),
                        _ => None,
                    };
                    let change = with_times(change, |at| self.time.ours(at));
                    if let (Some(begin), Change::GapOpened { topics, from, .. }) = (begin, &change) {
                        self.gaps.push_back((topics.clone(), begin, *from));
                        if self.gaps.len() > REMEMBERED {
                            self.gaps.pop_front();
                        }
                    }
                    self.control.send(change);
                }
                Effect::Filled { topics, from } => {
                    let known = self.gaps.iter().find(|gap| (&gap.0, gap.1) == (&topics, from));
                    if let Some((_, _, ours)) = known {
                        self.control.filled(topics, *ours);
                    }
                }
            }
        }
    }

    fn must_stop(&self) -> bool {
        self.asked.is_cancelled() || self.ends_at.is_some_and(|end| Instant::now() >= end)
    }

    /// Hands the events in hand over to the engine; where there is no room, until the run ends.
    fn hand_over(&mut self) {
        while !self.batch.is_empty() && self.end.is_none() && !self.must_stop() {
            let until = Instant::now() + Duration::from_secs(1);
            if self.buffer.send(&mut self.batch, until, self.asked.receiver()) == Sent::Done {
                break;
            }
            self.end = self.inbox.try_recv().ok().and_then(end_of);
        }
    }

    /// Notices readers that are not heard any more.
    fn look(&mut self, now: Instant, was_frozen: bool) {
        if self.past.is_some() {
            self.play();
            return;
        }
        let limit = self.config.engine.dead_after;
        for number in 0..self.readers.len() {
            let reader = &mut self.readers[number];
            if was_frozen {
                // What came meanwhile waits to be read.
                reader.heard_at = now;
            }
            if !reader.is_silent && now.saturating_duration_since(reader.heard_at) >= limit {
                reader.is_silent = true;
                log::warn!("reader {} is not heard", reader.name);
                let effects = self.joined.silent(number);
                self.apply(effects);
            }
        }
        self.hand_over();
        let heard = self.readers.iter().filter(|reader| !reader.is_silent).count();
        let heard = u32::try_from(heard).unwrap_or(u32::MAX);
        if self.heard != heard {
            self.heard = heard;
            self.control.send(Change::Connections {
                open: heard,
                reconnects: self.losses,
                channel_expires_at: None,
            });
        }
    }

    /// Shows a state, if it is another one.
    fn show(&mut self, state: ConnectionState, cause: Option<String>) {
        let is_first = self.state == (ConnectionState::Connecting, None);
        if self.state == (state, cause.clone()) && !is_first {
            return;
        }
        self.state = (state, cause.clone());
        self.control.send(Change::State(StateChange {
            at: Moment::now(),
            state,
            cause,
            attempt: None,
            retry_in: None,
        }));
    }
}
