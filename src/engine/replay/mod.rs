//! Plays a recording through the same decoders, aggregator and outputs, in the recording's order and on its time.
//!
//! In: a recording, a speed · Out: what the recorded run gave · Thread: `gs-replay`; it waits until a line is due, for
//! outputs, and for nothing when it is told to stop.
//!
//! Events wait until a line says that as many were applied, so that each change meets the numbers that it met then.

mod file;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;

pub(crate) use self::file::Recording;
use crate::config::{MetricsPayload, Protocol};
use crate::engine::{Aggregator, Finished, Recorded, ReplayEnd};
use crate::event::Event;
use crate::model::snapshot::{ConnectionState, OutputSnapshot};
use crate::net::{Cancel, Waited};
use crate::output::record::StateChange;
use crate::output::recording::{CHANNEL, Line, Start, What};
use crate::protocol::metrics::PayloadText;
use crate::protocol::opening::{ChannelSocket, Opening};
use crate::protocol::{Heard, KeepBody, Machine, Options};
use crate::reader::telemetry::Telemetry;
use crate::{Error, ErrorKind, Moment, Secret};

/// Outputs of a replay that was stopped have this long.
pub(crate) const OUTPUT_LIMIT: Duration = Duration::from_millis(700);
/// Between two words on progress.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// How far a replay is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    pub(crate) percent: u64,
    /// The recording's time.
    pub(crate) at: Moment,
}

/// Told about progress; with none when it is over.
pub(crate) type Tell = Box<dyn FnMut(Option<Progress>) + Send>;

/// How to play.
pub(crate) struct Pace {
    /// Times the recorded time; 0 = as fast as it goes.
    pub(crate) speed: f64,
    /// Recorded time between two snapshots that are shown.
    pub(crate) interval: Duration,
    pub(crate) tell: Option<Tell>,
}

/// Plays one recording.
pub(crate) struct Player {
    recording: Recording,
    aggregator: Aggregator,
    pace: Pace,
    keep_body: KeepBody,
    protocol: Protocol,
    hasher: std::hash::RandomState,
    machines: BTreeMap<u32, Box<dyn Machine>>,
    heard: Vec<Heard>,
    /// Decoded, and not applied yet.
    waiting: VecDeque<Box<Event>>,
    /// Events that left the buffer of the recorded run.
    settled: u64,
    now: Moment,
    began: (Instant, Moment),
    shown_at: Option<Moment>,
    told_at: Option<Instant>,
    stop: Option<Stop>,
}

/// The last line of a run.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Stop {
    after: u64,
    events_coalesced: u64,
    events_dropped: u64,
    outputs: BTreeMap<String, Counts>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Counts {
    written: u64,
    missed: u64,
}

impl Player {
    pub(crate) fn new(recording: Recording, aggregator: Aggregator, pace: Pace, keep_body: KeepBody) -> Self {
        let start = recording.start();
        Self {
            protocol: start.settings.protocol,
            now: start.at,
            began: (Instant::now(), start.at),
            recording,
            aggregator,
            pace,
            keep_body,
            hasher: std::hash::RandomState::new(),
            machines: BTreeMap::new(),
            heard: Vec::new(),
            waiting: VecDeque::new(),
            settled: 0,
            shown_at: None,
            told_at: None,
            stop: None,
        }
    }

    /// Plays to the end, or until `cancel`.
    ///
    /// # Errors
    /// The first broken line, after everything before it was played and the outputs ended in order.
    pub(crate) fn run(mut self, cancel: &Cancel) -> Result<Finished, Error> {
        let played = self.play(cancel);
        if let Some(tell) = &mut self.pace.tell {
            tell(None);
        }
        let stopping = || cancel.is_cancelled();
        let state = match (&self.stop, &played) {
            (Some(_), _) => None,
            (None, Ok(())) if cancel.is_cancelled() => Some("asked to stop".to_owned()),
            (None, Ok(())) => {
                self.apply_waiting(u64::MAX, cancel);
                log::warn!("the recording has no stop: it was cut off there");
                Some("the recording ends here".to_owned())
            }
            (None, Err(error)) => Some(error.to_string()),
        };
        let at = self.now;
        let end = ReplayEnd {
            at,
            state: state.map(|cause| StateChange {
                at,
                state: ConnectionState::Stopped,
                cause: Some(cause),
                attempt: None,
                retry_in: None,
            }),
            outputs: self.stop.map(|stop| {
                let counts = |counts: Counts| OutputSnapshot {
                    written: counts.written,
                    missed: counts.missed,
                };
                stop.outputs.into_iter().map(|(name, c)| (name, counts(c))).collect()
            }),
            limit: OUTPUT_LIMIT,
        };
        let finished = self.aggregator.finish_replay(end, &stopping);
        played.map(|()| finished)
    }

    fn play(&mut self, cancel: &Cancel) -> Result<(), Error> {
        self.begin(&self.recording.start().clone());
        while let Some(line) = self.recording.next_line()? {
            if self.wait_for(line.at, cancel) == Waited::Cancelled {
                return Ok(());
            }
            self.tell_progress(line.at);
            let at = line.at;
            self.on_line(line, cancel)
                .map_err(|what| self.recording.broken(&what))?;
            self.now = self.now.max(at);
            if self.is_snapshot_due() {
                self.shown_at = Some(self.now);
                self.aggregator.show_snapshot(self.now, &|| cancel.is_cancelled());
            }
        }
        Ok(())
    }

    fn wait_for(&mut self, at: Moment, cancel: &Cancel) -> Waited {
        if cancel.is_cancelled() {
            return Waited::Cancelled;
        }
        if self.pace.speed <= 0.0 {
            return Waited::TimedOut;
        }
        let (began, first) = self.began;
        let recorded = u64::try_from(at.millis_since(first)).unwrap_or(0);
        let due = Duration::try_from_secs_f64(recorded as f64 / 1000.0 / self.pace.speed).unwrap_or(Duration::MAX);
        let wait = due.saturating_sub(began.elapsed());
        match wait.is_zero() {
            true => Waited::TimedOut,
            false => cancel.wait(wait),
        }
    }

    fn tell_progress(&mut self, at: Moment) {
        let Some(tell) = &mut self.pace.tell else { return };
        let now = Instant::now();
        if self
            .told_at
            .is_none_or(|told| now.duration_since(told) >= PROGRESS_EVERY)
        {
            self.told_at = Some(now);
            let percent = self.recording.percent();
            tell(Some(Progress { percent, at }));
        }
    }

    /// Only where everything up to now was applied: after a change that says so.
    fn is_snapshot_due(&self) -> bool {
        let interval = i64::try_from(self.pace.interval.as_millis()).unwrap_or(i64::MAX);
        self.waiting.is_empty()
            && self
                .shown_at
                .is_none_or(|shown| self.now.millis_since(shown) >= interval)
    }

    fn begin(&mut self, start: &Start) {
        self.aggregator.begin_anew(start);
        self.protocol = start.settings.protocol;
        self.machines.clear();
        self.waiting.clear();
        self.settled = 0;
        self.stop = None;
        self.now = start.at;
        self.began = (Instant::now(), start.at);
    }

    fn on_line(&mut self, line: Line, cancel: &Cancel) -> Result<(), String> {
        if let Some(start) = Start::of(&line) {
            log::info!("the recording goes on with another run at {}", line.at);
            self.begin(&start?);
            return Ok(());
        }
        match line.what {
            What::Frame { text, fingerprints } => {
                let connection = line.connection.ok_or("a frame without its connection")?;
                self.on_frame(connection, text.as_deref(), &fingerprints, line.at)?;
            }
            What::Rest(data) | What::State(data) => self.on_change(line.connection, &data, line.at, cancel)?,
        }
        Ok(())
    }

    fn on_change(&mut self, connection: Option<u32>, data: &Value, at: Moment, cancel: &Cancel) -> Result<(), String> {
        if let Some(opening) = data.get("opening") {
            let connection = connection.ok_or("an opening without its connection")?;
            let list = |key: &str| -> Vec<String> {
                let texts = opening.get(key).and_then(Value::as_array).into_iter().flatten();
                texts.filter_map(|text| text.as_str().map(str::to_owned)).collect()
            };
            let machine = self.machine(connection, list("event_types"), list("queues"))?;
            self.machines.insert(connection, machine);
        } else if let Some(frames) = data.get("control_frames").and_then(Value::as_u64) {
            let telemetry = self.aggregator.telemetry();
            Telemetry::add(&telemetry.control_frames, frames);
            telemetry.on_frame(at);
        } else if let Some(stop) = data.get("stop") {
            let stop: Stop = serde_json::from_value(stop.clone()).map_err(|_| "a stop that cannot be read")?;
            self.on_stop(stop, cancel);
        } else {
            let change = Recorded::read(data).ok_or("a change that this version cannot read")?;
            self.apply_waiting(data.get("after").and_then(Value::as_u64).unwrap_or(u64::MAX), cancel);
            self.aggregator.on_recorded(change, at);
        }
        Ok(())
    }

    fn machine(
        &self,
        connection: u32,
        event_types: Vec<String>,
        queues: Vec<String>,
    ) -> Result<Box<dyn Machine>, String> {
        let options = Options {
            connection,
            bodies: self.keep_body,
            hasher: self.hasher.clone(),
        };
        let opening = match self.protocol {
            Protocol::Notifications => Opening::Notifications(ChannelSocket {
                id: Secret::new(CHANNEL),
                connect_uri: Secret::new(CHANNEL),
            }),
            Protocol::Events => Opening::Events { event_types, queues },
            // Only the decoding matters, and it does not depend on the payload.
            Protocol::Metrics => PayloadText::new(&MetricsPayload::default())
                .map(Opening::Metrics)
                .map_err(|error| error.to_string())?,
        };
        let mut machine = opening.machine(options);
        // Nothing is sent: it only has to be in the state of one that has asked.
        let _ = machine.on_open();
        Ok(machine)
    }

    fn on_frame(
        &mut self,
        connection: u32,
        text: Option<&str>,
        fingerprints: &[u64],
        at: Moment,
    ) -> Result<(), String> {
        if !self.machines.contains_key(&connection) {
            log::warn!("the recording misses the opening of connection {connection}");
            let machine = self.machine(connection, Vec::new(), Vec::new())?;
            self.machines.insert(connection, machine);
        }
        let telemetry = std::sync::Arc::clone(self.aggregator.telemetry());
        Telemetry::add(&telemetry.frames_received, 1);
        telemetry.on_frame(at);
        match (text, self.machines.get_mut(&connection)) {
            (Some(text), Some(machine)) => machine.on_text(text, at, &mut self.heard),
            _ => self.heard.push(Heard::Malformed("no text".to_owned())),
        }
        let mut fingerprints = fingerprints.iter();
        for heard in self.heard.drain(..) {
            match heard {
                Heard::Event(mut event) => {
                    Telemetry::add(&telemetry.decoded, 1);
                    // A redacted body may equal another that it did not equal then.
                    if let Some(fingerprint) = fingerprints.next() {
                        event.fingerprint = *fingerprint;
                    }
                    self.waiting.push_back(event);
                }
                Heard::ServerError(_) => Telemetry::add(&telemetry.server_errors, 1),
                Heard::Malformed(_) => Telemetry::add(&telemetry.malformed, 1),
                Heard::Incomplete { metric_type, .. } => {
                    // Warned of by the run.
                    let _ = telemetry.on_incomplete(&metric_type, Instant::now());
                }
                // What a reader does about the others is recorded as it was done.
                _ => {}
            }
        }
        Ok(())
    }

    /// Applies events until so many have left the buffer.
    fn apply_waiting(&mut self, until: u64, cancel: &Cancel) {
        let stopping = || cancel.is_cancelled();
        while self.settled < until && !stopping() {
            self.aggregator.wait_until_taken(&stopping);
            let Some(event) = self.waiting.pop_front() else {
                break;
            };
            self.settled += 1;
            self.aggregator.on_recorded_event(event);
        }
    }

    fn on_stop(&mut self, stop: Stop, cancel: &Cancel) {
        self.apply_waiting(stop.after, cancel);
        let left = self.waiting.len() as u64;
        self.waiting.clear();
        Telemetry::add(&self.aggregator.telemetry().dropped, left);
        if stop.events_dropped + stop.events_coalesced > 0 {
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

/// What went wrong with a file.
fn failed(path: &std::path::Path, what: impl Into<String>, kind: ErrorKind) -> Error {
    Error::new(kind, format!("replaying {}", path.display()), what)
}
