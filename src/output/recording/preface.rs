//! The lines that a file begins with if a run continues in it, so that the file can be replayed by itself.
//!
//! In: the lines of a run · Out: its start and the current state, as lines · Thread: any (pure).
//!
//! A recording continues in a new file after its file was deleted, moved or truncated.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Content, Line, State};
use crate::Moment;
use crate::event::change::Change;

/// The current state of a run, as lines.
#[derive(Debug, Default)]
pub(crate) struct Preface {
    /// The newest line of each key.
    lines: BTreeMap<Key, Arc<Line>>,
    /// Events in the frames so far.
    events: u64,
    /// Time of the last line.
    at: Moment,
}

/// A line replaces the one before it of the same key. The order is that of the lines in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Start,
    State,
    Token,
    Connections,
    Queues,
    Users,
    Members,
    Covered(usize),
    Refused(usize),
    Gone,
    /// One of the open gaps of a line, by its begin.
    Gap(usize, Moment),
    Opening(u32),
    Connection(u32),
}

impl Preface {
    /// A line was recorded.
    pub(crate) fn on_line(&mut self, line: &Arc<Line>) {
        self.events += line.fingerprints.len() as u64;
        self.at = line.at;
        if let Some(key) = key(line) {
            self.lines.insert(key, Arc::clone(line));
        }
        match &line.content {
            Content::State(State::Change(Change::ConnectionEnded { connection })) => {
                self.lines.remove(&Key::Opening(*connection));
                self.lines.remove(&Key::Connection(*connection));
            }
            Content::State(State::Change(Change::GapClosed { line, .. })) => {
                self.lines
                    .retain(|key, _| !matches!(key, Key::Gap(of, _) if of == line));
            }
            _ => {}
        }
    }

    /// The lines, with the time of the last line. The start says how many events came before it.
    pub(crate) fn lines(&self) -> impl Iterator<Item = Line> {
        self.lines.values().map(|line| {
            let mut again = Line::clone(line);
            again.at = self.at;
            if let Content::State(State::Start(start)) = &mut again.content {
                start.events_before = self.events;
            }
            again
        })
    }
}

fn key(line: &Line) -> Option<Key> {
    let change = match &line.content {
        Content::State(State::Start(_)) => return Some(Key::Start),
        Content::State(State::Opening { .. }) => return line.connection.map(Key::Opening),
        Content::State(State::Change(change)) | Content::Rest(change) => change,
        _ => return None,
    };
    match change {
        Change::State(_) => Some(Key::State),
        Change::Token { .. } => Some(Key::Token),
        Change::Connections { .. } => Some(Key::Connections),
        Change::Queues(_) | Change::AnyQueue {} => Some(Key::Queues),
        Change::Users(_) => Some(Key::Users),
        Change::Members(_) => Some(Key::Members),
        Change::Covered { line, .. } => Some(Key::Covered(*line)),
        Change::Gone(_) => Some(Key::Gone),
        Change::Refused { line, .. } => Some(Key::Refused(*line)),
        Change::GapOpened { line, from, .. } => Some(Key::Gap(*line, *from)),
        Change::ConnectionOpened { connection } => Some(Key::Connection(*connection)),
        // The others describe a moment, not a state; and what REST told of the time before is not in the new file.
        _ => None,
    }
}
