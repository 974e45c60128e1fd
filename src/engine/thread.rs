//! The engine's thread: applies events and changes to the core, and carries out their effects.
//!
//! In: events from the buffer, `Control` messages, its own ticks · Out: `Item`s to outputs, audit entries, lines of the
//! recording, repair jobs, published snapshots · Thread: `gs-aggregator`.
//!
//! It waits for events, a message or its next tick, whichever is first, and applies a batch of events before it looks at
//! messages and the clock again. Where the buffer's policy is `block` and an output has no room, it stops in the middle of a
//! batch until there is; messages and snapshots go on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, select};

use super::control::{Ask, Control, Finish, Repair, StateAndCause};
use super::core::{Core, Effect, Observed};
use super::handle::{AggregatorThread, Finished};
use crate::config::Config;
use crate::event::change::Change;
use crate::event::notice::Notice;
use crate::event::state::StateChange;
use crate::model::Settings;
use crate::model::snapshot::Snapshot;
use crate::output::journal::Journal;
use crate::output::recording::{Line, Start, State};
use crate::output::sink::Events;
use crate::output::{Item, Outputs};
use crate::reader::buffer::{Batch, BufferReceiver};
use crate::reader::telemetry::Telemetry;
use crate::rest::ServiceClock;
use crate::{Error, Moment};

/// A batch of so many events is part of a flood: more will follow at once.
const FLOOD_EVENTS: usize = 16;
/// How long events of a flood gather when none waits, so that they do not wake the engine at each read of a reader.
const GATHERED: Duration = Duration::from_millis(1);

/// What the engine is given.
pub(crate) struct AggregatorParts<'a> {
    pub(crate) config: &'a Config,
    pub(crate) buffer: BufferReceiver,
    pub(crate) control: Receiver<Control>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) outputs: Outputs,
    pub(crate) journal: Journal,
    /// Takes gaps that REST has to fill in; none if nothing repairs gaps.
    pub(crate) repairs: Option<Sender<Repair>>,
    pub(crate) clock: Arc<ServiceClock>,
    pub(crate) notices: Sender<Notice>,
}

/// See the module.
pub(crate) struct Aggregator {
    core: Core,
    buffer: BufferReceiver,
    /// The batch that is being applied.
    batch: Batch,
    /// Whether the last batch was part of a flood.
    floods: bool,
    control: Receiver<Control>,
    telemetry: Arc<Telemetry>,
    outputs: Outputs,
    journal: Journal,
    repairs: Option<Sender<Repair>>,
    clock: Arc<ServiceClock>,
    /// The newest time inside facts that the clock was told.
    newest: Option<Moment>,
    notices: Sender<Notice>,
    published: Arc<Mutex<Arc<Snapshot>>>,
    /// Who wants to know each state; whoever is gone is removed at the next one.
    watchers: Vec<Sender<StateAndCause>>,
    ticks: Ticks,
}

/// Longest time between two ticks. Between two snapshots that are further apart, ticks notice what time alone shows:
/// dropped events, data that became stale, numbers that differ.
const LONGEST_TICK: Duration = Duration::from_secs(1);

/// When the next tick and the next snapshot are due, and how many events had been dropped at the last tick.
struct Ticks {
    /// Between two snapshots.
    interval: Duration,
    next_snapshot: Instant,
    next: Instant,
    /// Events that had been dropped at the last tick.
    dropped: u64,
}

impl Ticks {
    fn new(interval: Duration) -> Self {
        let now = Instant::now();
        Self {
            interval,
            next_snapshot: now + interval,
            next: now + interval.min(LONGEST_TICK),
            dropped: 0,
        }
    }

    /// Plans the next tick. Returns whether a snapshot is due at this one.
    fn advance(&mut self) -> bool {
        // Counted from now, so that late ticks are not followed by a burst.
        let now = Instant::now();
        let is_due = now >= self.next_snapshot;
        if is_due {
            self.next_snapshot = now + self.interval;
        }
        self.next = self.next_snapshot.min(now + LONGEST_TICK);
        is_due
    }
}

impl Aggregator {
    pub(crate) fn new(parts: AggregatorParts<'_>) -> Self {
        let now = Moment::now();
        let config = parts.config;
        let settings = Settings::from(config);
        parts.journal.record(|| {
            let start = Start::new(config.hosts.region.clone(), settings.clone());
            Line::state(now, None, State::Start(Box::new(start)))
        });
        let mut core = Core::new(settings, now);
        let outputs = parts.outputs.counts();
        let first = core.snapshot(
            now,
            Observed {
                outputs,
                ..Observed::default()
            },
        );
        let interval = config.outputs.interval;
        Self {
            core,
            buffer: parts.buffer,
            batch: Batch::default(),
            floods: false,
            control: parts.control,
            telemetry: parts.telemetry,
            outputs: parts.outputs,
            journal: parts.journal,
            repairs: parts.repairs,
            clock: parts.clock,
            newest: None,
            notices: parts.notices,
            published: Arc::new(Mutex::new(Arc::new(first))),
            watchers: Vec::new(),
            ticks: Ticks::new(interval),
        }
    }

    /// The slot that holds the newest snapshot.
    pub(crate) fn published(&self) -> Arc<Mutex<Arc<Snapshot>>> {
        Arc::clone(&self.published)
    }

    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn spawn(self) -> Result<AggregatorThread, Error> {
        let notices = self.notices.clone();
        AggregatorThread::spawn(move || self.run(), notices)
    }

    fn run(mut self) -> Finished {
        loop {
            while let Ok(message) = self.control.try_recv() {
                if let Some(end) = self.on_message(message) {
                    return self.finish(end);
                }
            }
            if Instant::now() >= self.ticks.next {
                self.tick();
            }
            if self.outputs.is_holding() {
                self.wait_for_room();
                continue;
            }
            if self.apply_batch() {
                continue;
            }
            if std::mem::take(&mut self.floods) {
                self.wait_for_message(self.ticks.next.min(Instant::now() + GATHERED));
                continue;
            }
            let until_tick = self.ticks.next.saturating_duration_since(Instant::now());
            select! {
                recv(self.control) -> message => match message {
                    Ok(message) => {
                        if let Some(end) = self.on_message(message) {
                            return self.finish(end);
                        }
                    }
                    // The supervisor ended in a panic; what was applied is kept.
                    Err(_) => {
                        let now = Instant::now();
                        let state = StateChange::stopped(Moment::now(), "the supervisor is gone");
                        return self.finish(Finish { state, drain_until: now, outputs_until: now });
                    }
                },
                recv(self.buffer.filled()) -> filled => {
                    if filled.is_err() {
                        // No reader is left; only messages can come.
                        self.wait_for_message(self.ticks.next);
                    }
                },
                default(until_tick) => {}
            }
        }
    }

    /// Waits for a message until `until`, whatever is in the buffer. After the end of the buffer's senders the `select!` of
    /// [`Self::run`] would spin.
    fn wait_for_message(&mut self, until: Instant) {
        let mut ready = crossbeam_channel::Select::new();
        ready.recv(&self.control);
        // The loop receives the message itself.
        let _ = ready.ready_deadline(until);
    }

    /// Waits for a message, the tick, or room in an output that the stream waits for. Events stay in the buffer meanwhile.
    fn wait_for_room(&mut self) {
        let mut ready = crossbeam_channel::Select::new();
        ready.recv(&self.control);
        self.outputs.select_room(&mut ready);
        let _ = ready.ready_deadline(self.ticks.next);
        self.outputs.offer_held();
    }

    /// Applies the batch in hand or else the oldest that waits, as far as the outputs have room; whether there was one.
    fn apply_batch(&mut self) -> bool {
        if self.batch.is_empty() && !self.buffer.take(&mut self.batch) {
            return false;
        }
        let wanted = self.outputs.wanted_events();
        let before = self.batch.len();
        self.floods = before >= FLOOD_EVENTS && self.buffer.is_large();
        while !self.outputs.is_holding()
            && let Some(event) = self.batch.oldest()
        {
            let applied = self.core.apply_event(event);
            if let Some(effect) = applied.effect {
                self.carry_out([effect]);
            }
            let event = match wanted {
                _ if !applied.gets_record => None,
                Events::None => None,
                Events::WithoutFacts => self.batch.pop_without_facts(),
                Events::Whole => self.batch.pop(),
            };
            match event {
                Some(event) => self.outputs.offer(&Item::Event(Arc::new(event))),
                None => self.batch.skip(1),
            }
        }
        // Before any change is recorded, which tells how many events have left the buffer.
        Telemetry::add(&self.telemetry.applied, (before - self.batch.len()) as u64);
        #[cfg(feature = "internals")]
        super::applied::APPLIED.note(before - self.batch.len());
        let newest = self.core.model().newest_time();
        if newest != self.newest {
            self.newest = newest;
            newest.into_iter().for_each(|at| self.clock.prove(at));
        }
        true
    }

    /// Looks at the clocks before anything is translated by them, if one was stepped or a date told of another difference.
    fn notice_clocks(&mut self) {
        if self.clock.has_changed() {
            self.tick();
        }
    }

    /// Returns when it was applied.
    fn apply(&mut self, change: Change) -> Moment {
        self.notice_clocks();
        let now = Moment::now();
        if let Change::Tick { clock, .. } = &change
            && clock.stepped_ms != 0
        {
            self.telemetry.on_step(clock.stepped_ms, now);
        }
        self.journal
            .record(|| Line::change(now, change.clone(), self.telemetry.settled()));
        if let Change::State(change) = &change {
            let told = |watcher: &Sender<StateAndCause>| watcher.send((change.state, change.cause.clone())).is_ok();
            self.watchers.retain(told);
        }
        let effects = self.core.apply(change, now);
        self.carry_out(effects);
        now
    }

    fn carry_out(&mut self, effects: impl IntoIterator<Item = Effect>) {
        for effect in effects {
            match effect {
                Effect::Record(item) => self.outputs.offer(&item),
                Effect::Snapshot => {
                    let snapshot = self.snapshot();
                    self.outputs.offer(&Item::Snapshot(snapshot));
                }
                Effect::Audit(entry) => self.journal.audit(|| entry),
                Effect::Repair(job) => {
                    if let Some(repairs) = &self.repairs {
                        // If the repair's thread has ended, the gap stays unrepaired.
                        let _ = repairs.send(job);
                    }
                }
                Effect::Warn(what) => log::warn!("{what}"),
                Effect::Inform(what) => log::info!("{what}"),
            }
        }
    }

    fn on_message(&mut self, message: Control) -> Option<Finish> {
        match message {
            Control::Change(change) => {
                self.apply(change);
            }
            Control::Ask(ask) => self.answer(ask),
            Control::Finish(finish) => return Some(finish),
        }
        None
    }

    /// Answers a question. The caller may have timed out; then nobody receives the answer.
    fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Snapshot(answer) => {
                let _ = answer.send(self.snapshot());
            }
            Ask::States(watcher) => {
                if watcher.send(self.core.state()).is_ok() {
                    self.watchers.push(watcher);
                }
            }
            Ask::Conversations { found, done } => {
                let counted = self.core.select(found);
                if !counted.is_empty() {
                    self.apply(Change::Conversations(counted));
                }
                let _ = done.send(());
            }
            Ask::Open(answer) => {
                let _ = answer.send(self.core.model().conversations().open().collect());
            }
            Ask::Idle {
                before,
                at_most,
                answer,
            } => {
                // Our clock may have been stepped in the meantime, and the service's may run faster: how long ago counts.
                let now = Moment::now();
                let before = self.core.model().as_of(now).plus_ms(before.millis_since(now));
                let _ = answer.send(self.core.model().conversations().idle_since(before, at_most));
            }
            Ask::DayStart { at, answer } => {
                let _ = answer.send(self.core.model().day_start(at));
            }
        }
    }

    fn tick(&mut self) {
        if self.ticks.advance() {
            self.carry_out([Effect::Snapshot]);
        } else {
            self.pass_time();
        }
        if self.clock.wants_measuring() {
            // Fails only when the stream ends.
            let _ = self.notices.send(Notice::ClockUnsure);
        }
    }

    /// Returns the time that the tick has.
    fn pass_time(&mut self) -> Moment {
        let clock = self.clock.look();
        let dropped = self.newly_dropped();
        self.apply(Change::Tick { clock, dropped })
    }

    /// Events that were dropped since the last tick.
    fn newly_dropped(&mut self) -> u64 {
        let dropped = self.telemetry.counters().events_dropped;
        dropped - std::mem::replace(&mut self.ticks.dropped, dropped)
    }

    /// Each snapshot comes with a tick, so that the history contains what it shows.
    fn snapshot(&mut self) -> Arc<Snapshot> {
        let now = self.pass_time();
        self.snapshot_at(now)
    }

    fn snapshot_at(&mut self, now: Moment) -> Arc<Snapshot> {
        let observed = Observed {
            counters: self.telemetry.counters(),
            last_frame_at: self.telemetry.last_frame_at(),
            outputs: self.outputs.counts(),
        };
        let snapshot = Arc::new(self.core.snapshot(now, observed));
        *self.published.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&snapshot);
        snapshot
    }

    fn finish(mut self, end: Finish) -> Finished {
        let mut abandoned = Vec::new();
        while Instant::now() < end.drain_until {
            if self.outputs.is_holding() {
                self.outputs.wait_for_room(end.drain_until);
                continue;
            }
            if !self.apply_batch() {
                break;
            }
        }
        let discarded = self.buffer.discard(&mut self.batch);
        if discarded > 0 {
            abandoned.push(format!(
                "{discarded} events in the buffer were dropped: there was no time to apply them"
            ));
        }
        let dropped = self.newly_dropped();
        self.apply(Change::Drained { dropped });
        self.apply(Change::State(end.state));
        // The last snapshot counts what the outputs have written by then; half of the time is left for that snapshot.
        let left = end.outputs_until.saturating_duration_since(Instant::now());
        let flush_until = Instant::now() + left / 2;
        while self.outputs.is_holding() && Instant::now() < flush_until {
            self.outputs.wait_for_room(flush_until);
        }
        self.outputs.flush(flush_until);
        // No tick any more: it would end a gap of what was dropped at the stop.
        self.notice_clocks();
        let last = self.snapshot_at(Moment::now());
        for closing in self.outputs.close(Some(&last), end.outputs_until) {
            abandoned.extend(closing.warning());
        }
        Finished {
            snapshot: last,
            abandoned,
        }
    }
}
