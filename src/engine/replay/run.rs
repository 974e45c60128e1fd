//! One recorded run, played line by line into a core of its own.
//!
//! In: lines of a recording · Out: records and snapshots, as the run gave them · Thread: `gs-replay`.
//!
//! A reader records a frame before its events enter the buffer; a change is recorded with the number of events that had
//! left the buffer when it was applied. So events wait here until a line says that as many were applied, and each change
//! meets the numbers that it met in the run.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use super::decoders::Decoders;
use super::delivery::Delivery;
use crate::Moment;
use crate::base::receipt::Receipt;
use crate::engine::core::{Core, Effect, Observed};
use crate::event::Event;
use crate::event::change::Change;
use crate::event::state::StateChange;
use crate::model::snapshot::{OutputSnapshot, Snapshot};
use crate::output::recording::{Content, Line, Start, State, Stop};
use crate::protocol::{Heard, KeepBody};
use crate::reader::telemetry::Telemetry;

pub(super) struct Run {
    core: Core,
    decoders: Decoders,
    telemetry: Telemetry,
    /// Decoded, and not applied yet.
    waiting: VecDeque<Event>,
    /// Events that left the buffer of the recorded run.
    settled: u64,
    /// The recording's time.
    now: Moment,
    stop: Option<Stop>,
}

impl Run {
    pub(super) fn new(start: &Start, at: Moment, bodies: KeepBody) -> Self {
        Self {
            core: Core::new(start.settings.clone(), at),
            decoders: Decoders::new(start.settings.protocol, bodies),
            telemetry: Telemetry::new(),
            waiting: VecDeque::new(),
            settled: start.events_before,
            now: at,
            stop: None,
        }
    }

    /// The recording's time.
    pub(super) fn now(&self) -> Moment {
        self.now
    }

    /// Whether everything that came up to now is in the numbers.
    pub(super) fn is_settled(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether its last line was played.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_some()
    }

    /// Plays a line; none may be the start of another run.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn play(&mut self, line: Line, delivery: &mut Delivery) -> Result<(), String> {
        let at = line.at;
        let connection = || line.connection.ok_or("its connection is missing");
        match line.content {
            Content::Frame(text) => {
                let service = at.plus_ms(line.service_ahead_ms.unwrap_or_default());
                let at = Receipt::new(at, service);
                self.on_frame(connection()?, text.as_deref(), &line.fingerprints, at)?;
            }
            Content::State(State::Opening { event_types, queues }) => {
                let queues = queues.iter().map(ToString::to_string).collect();
                self.decoders.open(connection()?, event_types, queues)?;
            }
            Content::State(State::ControlFrames(count)) => {
                Telemetry::add(&self.telemetry.control_frames, count);
                self.telemetry.on_frame(at);
            }
            Content::Rest(change) | Content::State(State::Change(change)) => {
                self.apply_waiting(line.after.unwrap_or(u64::MAX), delivery);
                self.apply(change, at, delivery);
            }
            Content::State(State::Stop(stop)) => {
                self.apply_waiting(stop.settled(), delivery);
                self.on_stop(stop);
            }
            Content::State(State::Start(_)) => return Err("a start of a run within a run".to_owned()),
        }
        self.now = self.now.max(at);
        Ok(())
    }

    /// Plays what the end of the recording cut off: events that wait are applied, and the stream has stopped.
    pub(super) fn cut_off(&mut self, cause: String, delivery: &mut Delivery) {
        self.apply_waiting(u64::MAX, delivery);
        let stopped = StateChange::stopped(self.now, cause);
        self.apply(Change::State(stopped), self.now, delivery);
    }

    /// The dashboard of now; after the stop with what the outputs of the recorded run took.
    pub(super) fn snapshot(&mut self, outputs: BTreeMap<String, OutputSnapshot>) -> Snapshot {
        let observed = Observed {
            counters: self.telemetry.counters(),
            last_frame_at: self.telemetry.last_frame_at(),
            outputs: self.stop.as_ref().map_or(outputs, |stop| stop.outputs.clone()),
        };
        self.core.snapshot(self.now, observed)
    }

    fn on_frame(
        &mut self,
        connection: u32,
        text: Option<&str>,
        fingerprints: &[u64],
        at: Receipt,
    ) -> Result<(), String> {
        Telemetry::add(&self.telemetry.frames_received, 1);
        self.telemetry.on_frame(at.ours);
        let mut all = Vec::new();
        self.decoders.decode(connection, text, at, &mut all)?;
        let mut fingerprints = fingerprints.iter();
        for heard in all {
            match heard {
                Heard::Event(mut event) => {
                    Telemetry::add(&self.telemetry.decoded, 1);
                    if let Some(fingerprint) = fingerprints.next() {
                        event.fingerprint = *fingerprint;
                    }
                    self.waiting.push_back(event);
                }
                Heard::ServerError(_) => Telemetry::add(&self.telemetry.server_errors, 1),
                Heard::Malformed(_) => Telemetry::add(&self.telemetry.malformed, 1),
                Heard::Incomplete {
                    metric_type,
                    unreadable,
                    ..
                } => {
                    Telemetry::add(&self.telemetry.unreadable, u64::from(unreadable));
                    // The run warned of it.
                    let _ = self.telemetry.on_incomplete(&metric_type, Instant::now());
                }
                // What a reader does about the others is recorded as it was done.
                _ => {}
            }
        }
        Ok(())
    }

    /// Applies events until so many have left the buffer.
    fn apply_waiting(&mut self, until: u64, delivery: &mut Delivery) {
        while self.settled < until && !delivery.is_stopped() {
            let Some(event) = self.waiting.pop_front() else { break };
            self.settled = self.settled.saturating_add(1);
            let applied = self.core.apply_event(&event);
            Telemetry::add(&self.telemetry.applied, 1);
            if applied.gets_record {
                delivery.event(event);
            }
        }
    }

    /// Records are shown again; what was audited and repaired then is not.
    fn apply(&mut self, change: Change, at: Moment, delivery: &mut Delivery) {
        if let Change::Tick { clock, .. } = &change
            && clock.stepped_ms != 0
        {
            self.telemetry.on_step(clock.stepped_ms, at);
            // The clock of the recording may have been set back.
            self.now = at;
        }
        for effect in self.core.apply(change, at) {
            match effect {
                Effect::Record(item) => delivery.outputs.offer(&item),
                Effect::Snapshot => {
                    self.now = self.now.max(at);
                    let counts = delivery.outputs.counts();
                    delivery.snapshot(self.snapshot(counts));
                }
                Effect::Warn(what) => log::warn!("{at}: {what}"),
                Effect::Inform(what) => log::info!("{at}: {what}"),
                Effect::Audit(_) | Effect::Repair(_) => {}
            }
        }
    }

    fn on_stop(&mut self, stop: Stop) {
        let left = self.waiting.len() as u64;
        self.waiting.clear();
        Telemetry::add(&self.telemetry.dropped, left);
        if stop.events_dropped > 0 || stop.events_coalesced > 0 {
            log::warn!(
                "the recorded run dropped {} events and merged {}: its replay applies each, so that its numbers may differ",
                stop.events_dropped,
                stop.events_coalesced
            );
        }
        let missed = stop.outputs.get("record_file").map_or(0, |counts| counts.missed);
        if missed > 0 {
            log::warn!("the recording misses {missed} lines that its disk was too slow for: the numbers may differ");
        }
        self.stop = Some(stop);
    }
}
