//! Shared by the tests of outputs: a snapshot, events, and writers that block, fail or close.
//!
//! In: a script of writes · Out: scripted writers, sample records · Thread: any.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::Item;
use crate::config::Protocol;
use crate::model::snapshot::{
    ConnectionSnapshot, ConnectionState, Counters, Gap, GapTopics, LiveNumbers, LiveTotals, QueueSnapshot, Snapshot,
    UserSnapshot,
};
use crate::output::record::StateChange;
use crate::output::record::tests::{an_event, moment};
use crate::{Id, Moment};

/// The deadline for something that must happen.
pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

pub(crate) const SALES: &str = "509f5a7f-cb31-5a43-ac00-8041a8ba3690";
pub(crate) const SUPPORT: &str = "0a93101a-f7f4-50f8-8121-7d9be44b0dca";

/// Two queues and three users of a stream without problems.
pub(crate) fn a_snapshot() -> Snapshot {
    let at = moment("2026-05-04T14:05:30.500Z");
    let queue = |name: &str, waiting: u64, longest: Option<f64>| QueueSnapshot {
        name: Some(name.to_owned()),
        live: LiveNumbers {
            waiting: waiting.into(),
            interacting: 4.into(),
            after_call_work: 1.into(),
        },
        longest_wait_secs: longest,
        ..QueueSnapshot::default()
    };
    let user = |routing: &str, presence: &str| UserSnapshot {
        routing_status: Some(routing.to_owned()),
        presence: Some(presence.to_owned()),
        ..UserSnapshot::default()
    };
    Snapshot {
        schema: 1,
        revision: 42,
        generated_at: at,
        started_at: moment("2026-05-04T14:00:00Z"),
        as_of: at,
        connection: ConnectionSnapshot {
            state: ConnectionState::Streaming,
            protocol: Protocol::Notifications,
            connections: 1,
            reconnects: 0,
            since: moment("2026-05-04T14:00:01Z"),
            last_frame_at: Some(moment("2026-05-04T14:05:30.100Z")),
            token_expires_at: None,
            channel_expires_at: None,
            clock_ahead_ms: 0,
            cause: None,
            refused_topics: BTreeMap::new(),
            gaps_total: 0,
            gaps: Vec::new(),
        },
        counters: Counters {
            frames_received: 1300,
            events_decoded: 1234,
            events_applied: 1230,
            events_coalesced: 4,
            ..Counters::default()
        },
        outputs: BTreeMap::new(),
        latency: BTreeMap::new(),
        freshness: BTreeMap::new(),
        all_queues: None,
        totals: LiveTotals {
            active_conversations: Some(14),
            live: LiveNumbers {
                waiting: 5.into(),
                interacting: 8.into(),
                after_call_work: 2.into(),
            },
        },
        queues: BTreeMap::from([
            (Id::new(SALES), queue("Sales", 1, Some(12.5))),
            (Id::new(SUPPORT), queue("Support", 4, Some(95.0))),
        ]),
        users: BTreeMap::from([
            (Id::new("u1"), user("INTERACTING", "ON_QUEUE")),
            (Id::new("u2"), user("INTERACTING", "ON_QUEUE")),
            (Id::new("u3"), user("OFF_QUEUE", "MEAL")),
        ]),
        metrics: BTreeMap::new(),
    }
}

pub(crate) fn numbered(revision: u64) -> Arc<Snapshot> {
    Arc::new(Snapshot {
        revision,
        ..a_snapshot()
    })
}

pub(crate) fn event_item(body: &str) -> Item {
    Item::Event(Arc::new(an_event(Some(body))))
}

pub(crate) fn state_item() -> Item {
    Item::State(Arc::new(StateChange {
        at: moment("2026-05-04T14:05:30Z"),
        state: ConnectionState::Streaming,
        cause: None,
        attempt: None,
        retry_in: None,
    }))
}

pub(crate) fn a_gap(from: Moment, to: Option<Moment>) -> Gap {
    Gap {
        id: 1,
        topics: GapTopics::All,
        from,
        to,
        cause: "socket closed (1006)".to_owned(),
        repaired: false,
    }
}

/// What one call of `write` does.
#[derive(Debug)]
pub(crate) enum WriteStep {
    /// Takes at most so many bytes.
    Take(usize),
    Fail(io::ErrorKind),
}

#[derive(Debug, Default)]
struct Inner {
    script: VecDeque<WriteStep>,
    written: Vec<u8>,
    /// Calls of `write` wait while this is set.
    blocked: bool,
    /// How many calls of `write` began.
    calls: usize,
}

/// A writer that follows its script, then takes everything; the test holds a clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScriptedWriter(Arc<(Mutex<Inner>, Condvar)>);

impl ScriptedWriter {
    pub(crate) fn new(script: impl IntoIterator<Item = WriteStep>) -> Self {
        let this = Self::default();
        this.0.0.lock().unwrap().script = script.into_iter().collect();
        this
    }

    pub(crate) fn blocked() -> Self {
        let this = Self::default();
        this.0.0.lock().unwrap().blocked = true;
        this
    }

    pub(crate) fn unblock(&self) {
        self.0.0.lock().unwrap().blocked = false;
        self.0.1.notify_all();
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.0.lock().unwrap().written.clone()).unwrap()
    }

    fn wait(&self, met: impl Fn(&Inner) -> bool) {
        let inner = self.0.0.lock().unwrap();
        let (_inner, late) = self
            .0
            .1
            .wait_timeout_while(inner, Duration::from_secs(60), |inner| !met(inner))
            .unwrap();
        assert!(!late.timed_out(), "the writer was not called in time");
    }

    /// Waits until `write` was called.
    pub(crate) fn wait_for_call(&self) {
        self.wait(|inner| inner.calls > 0);
    }

    /// Waits until this many lines were written.
    pub(crate) fn wait_for_lines(&self, count: usize) {
        self.wait(|inner| inner.written.iter().filter(|b| **b == b'\n').count() >= count);
    }

    pub(crate) fn wait_for(&self, text: &str) {
        self.wait(|inner| String::from_utf8_lossy(&inner.written).contains(text));
    }
}

impl Write for ScriptedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (mutex, changed) = &*self.0;
        let mut inner = mutex.lock().unwrap();
        inner.calls += 1;
        changed.notify_all();
        while inner.blocked {
            inner = changed.wait(inner).unwrap();
        }
        let count = match inner.script.pop_front() {
            Some(WriteStep::Fail(kind)) => return Err(kind.into()),
            Some(WriteStep::Take(most)) => most.min(bytes.len()),
            None => bytes.len(),
        };
        inner.written.extend_from_slice(&bytes[..count]);
        changed.notify_all();
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
