//! The aggregator in a replay: the same folding, with the recording's time and in its order.
//!
//! In: events and changes of a recording · Out: as ever · Thread: `gs-replay`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Aggregator, Finished, Recorded};
use crate::Moment;
use crate::event::Event;
use crate::model::Model;
use crate::model::snapshot::{GapTopics, OutputSnapshot};
use crate::output::Item;
use crate::output::record::StateChange;
use crate::output::recording::Start;
use crate::reader::telemetry::Telemetry;

/// How soon a wait for slow outputs notices that it shall end.
const LOOK_UP: Duration = Duration::from_millis(100);
/// A reader of the last records who takes longer than a day is gone.
const PATIENCE: Duration = Duration::from_secs(86_400);

/// Whether the replay shall end.
pub(crate) type Stopping<'a> = &'a dyn Fn() -> bool;

/// How a replay ends.
pub(crate) struct ReplayEnd {
    pub(crate) at: Moment,
    /// The last state, where the recording does not hold it.
    pub(crate) state: Option<StateChange>,
    /// What the outputs of the recorded run took.
    pub(crate) outputs: Option<BTreeMap<String, OutputSnapshot>>,
    /// For the outputs, where it was stopped; else they are waited for until they are done.
    pub(crate) limit: Duration,
}

impl Aggregator {
    /// A run begins: nothing of one before is left but the outputs.
    pub(crate) fn begin_anew(&mut self, start: &Start) {
        self.time = Some(start.at);
        self.telemetry = Arc::new(Telemetry::new());
        self.model = Model::new(start.settings, start.at);
        self.connection.protocol = start.settings.protocol;
        self.connection.since = start.at;
        self.connection.refused_topics.clear();
        self.refused.clear();
        self.line_gaps.clear();
        self.gap_begins.clear();
        self.drop_gap = None;
    }

    /// Waits until the outputs have room: nothing is given while they hold something.
    pub(crate) fn wait_until_taken(&mut self, stopping: Stopping<'_>) {
        while self.outputs.is_holding() && !stopping() {
            self.wait_for_outputs(Instant::now() + LOOK_UP);
        }
    }

    /// The counters of the run.
    pub(crate) fn telemetry(&self) -> &Arc<Telemetry> {
        &self.telemetry
    }

    /// An event, at the time at which it came.
    pub(crate) fn on_recorded_event(&mut self, event: Box<Event>) {
        self.time = Some(event.received_at);
        self.apply_event(event);
    }

    /// A change, at the time at which it was applied.
    pub(crate) fn on_recorded(&mut self, change: Recorded, at: Moment) {
        self.time = Some(at);
        match change {
            Recorded::Control(control) => {
                // A recording holds no end: that is the replay's own.
                let _ = self.on_control(control);
            }
            Recorded::Tick { ahead_ms } => {
                self.model.set_service_ahead(at, ahead_ms);
                for stale in self.model.on_tick(at) {
                    log::warn!("metric type {}: stale at {at}", stale.metric_type);
                }
            }
            Recorded::DropGapOpened { from, cause } => {
                self.drop_gap = Some(self.open_gap(GapTopics::All, from, &cause));
            }
            Recorded::DropGapClosed { to } => {
                if let Some(id) = self.drop_gap.take() {
                    self.close_gap(id, to);
                }
            }
        }
    }

    /// Shows the outputs the dashboard of this moment, and waits until they have taken it.
    pub(crate) fn show_snapshot(&mut self, at: Moment, stopping: Stopping<'_>) {
        self.time = Some(at);
        let snapshot = self.snapshot();
        self.outputs.offer(&Item::Snapshot(snapshot));
        self.let_out(stopping);
    }

    fn let_out(&mut self, stopping: Stopping<'_>) {
        self.wait_until_taken(stopping);
        while !stopping() && !self.outputs.flush(Instant::now() + LOOK_UP) {}
    }

    /// The end.
    pub(crate) fn finish_replay(mut self, end: ReplayEnd, stopping: Stopping<'_>) -> Finished {
        self.time = Some(end.at);
        if let Some(state) = end.state {
            self.on_state(state);
        }
        self.let_out(stopping);
        self.recorded_outputs = end.outputs;
        let last = self.snapshot();
        let patience = if stopping() { end.limit } else { PATIENCE };
        let mut abandoned = Vec::new();
        for closing in std::mem::take(&mut self.outputs).close(Some(&last), Instant::now() + patience) {
            abandoned.extend(closing.complaint());
            if closing.abandoned.is_none() && closing.counts.missed > 0 {
                abandoned.push(format!(
                    "output {}: {} records missed",
                    closing.name, closing.counts.missed
                ));
            }
        }
        Finished {
            snapshot: last,
            abandoned,
        }
    }
}
