//! The record file: the lines of a recording, and the stop of the run.
//!
//! In: `Item::Recorded` · Out: lines · Thread: that of its output; readers never wait for it.

use std::sync::{Arc, Mutex, PoisonError};

use super::Item;
use super::sink::{Events, Snapshots, Wants};
use super::waiting::Room;
use super::writer::{Render, Rendered};
use crate::model::snapshot::Snapshot;
use crate::output::record::Bodies;
use crate::output::recording::{Line, Preface, State, Stop};

/// What may wait for a slow disk: a tenth of a second at full speed.
pub(crate) const ROOM: Room = Room {
    items: 8192,
    bytes: 32 * 1024 * 1024,
};

/// See the module.
pub(crate) struct Recorder {
    bodies: Bodies,
    /// What a new file begins with: the state before the lines in `waiting`.
    preface: Arc<Mutex<Preface>>,
    /// Lines that are rendered and not written yet.
    waiting: Vec<Arc<Line>>,
}

impl Recorder {
    /// A recorder that writes bodies in this form.
    pub(crate) fn new(bodies: Bodies) -> Self {
        Self {
            bodies,
            preface: Arc::default(),
            waiting: Vec::new(),
        }
    }

    /// Renders the lines that a file must begin with if the run continues in it.
    pub(crate) fn preface(&self) -> impl Fn() -> Vec<u8> + Send + use<> {
        let (preface, bodies) = (Arc::clone(&self.preface), self.bodies);
        move || {
            let mut out = Vec::new();
            let preface = preface.lock().unwrap_or_else(PoisonError::into_inner);
            preface.lines().for_each(|line| line.write(&mut out, bodies));
            out
        }
    }

    fn on_line(&mut self, line: &Arc<Line>, out: &mut Vec<u8>) {
        if out.is_empty() {
            let mut preface = self.preface.lock().unwrap_or_else(PoisonError::into_inner);
            self.waiting.drain(..).for_each(|line| preface.on_line(&line));
        }
        self.waiting.push(Arc::clone(line));
        line.write(out, self.bodies);
    }
}

impl Render for Recorder {
    fn wants(&self) -> Wants {
        Wants {
            events: Events::None,
            changes: false,
            alerts: false,
            snapshots: Snapshots::None,
        }
    }

    fn render(&mut self, item: &Item, out: &mut Vec<u8>) -> Rendered {
        match item {
            Item::Recorded(line) => {
                self.on_line(line, out);
                Rendered::Plain
            }
            _ => Rendered::Nothing,
        }
    }

    /// Appends the stop, as of the last snapshot.
    fn end(&mut self, last: Option<&Snapshot>, out: &mut Vec<u8>) {
        let Some(last) = last else { return };
        let counters = &last.counters;
        let stop = State::Stop(Stop {
            events_applied: counters.events_applied,
            events_coalesced: counters.events_coalesced,
            events_dropped: counters.events_dropped,
            outputs: last.outputs.clone(),
        });
        Line::state(last.generated_at, None, stop).write(out, self.bodies);
    }
}
