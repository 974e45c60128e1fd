//! The state that the threads of one simulator share. No lock is taken while another one is held.
//!
//! In: everything · Out: everything · Thread: all.

use super::centre::Centre;
use super::channels::{Registry, Rules};
use super::options::Options;
use super::stream::subscribed::{EventSocket, MetricSocket};
use super::stream::{Counters, Outbox, SocketFaults};
use super::when::Clock;
use super::world::World;
use crossbeam_channel::Sender;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The form of `Retry-After`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RetryAfter {
    Secs(u64),
    /// As an HTTP date, this many seconds after the answer.
    Date(u64),
}

/// REST calls that a control call told the service to refuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RefusedCalls {
    pub status: u16,
    /// How many calls are still to be refused.
    pub count: u64,
    pub retry_after: Option<RetryAfter>,
    /// Only calls whose path contains this text.
    pub path: Option<String>,
}

/// The service cannot be reached for a while; the centre goes on working.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outage {
    pub until: Instant,
    pub rest: RestAccess,
}

/// Whether login and REST work in an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RestAccess {
    Refused,
    Served,
}

/// How the query of conversation details deviates from the request.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct DetailsQuirks {
    pub ignores_order: bool,
    pub ignores_filters: bool,
    pub ignores_paging: bool,
    /// Deeper pages are refused.
    pub deepest: Option<usize>,
}

/// Faults that control calls set while the simulator runs.
pub(super) struct Faults {
    pub rules: Rules,
    pub refuse_event_filters: bool,
    pub refused_calls: Option<RefusedCalls>,
    pub outage: Option<Outage>,
    pub details_quirks: DetailsQuirks,
    /// Announced closings: when, and of which sockets.
    pub closings: Vec<(Instant, Vec<Arc<Outbox>>)>,
}

pub(super) struct Shared {
    pub options: Options,
    pub clock: Clock,
    pub world: Arc<World>,
    pub counters: Arc<Counters>,
    pub socket_faults: Arc<SocketFaults>,
    /// Changes of the centre, and delayed frames, that are being sent to the sockets.
    pub unpublished: AtomicU64,
    pub stopping: AtomicBool,
    /// Wakes the centre's thread when something may be due earlier than before.
    pub wake: Sender<()>,
    pub local_addr: Mutex<String>,
    centre: Mutex<Centre>,
    registry: Mutex<Registry>,
    faults: Mutex<Faults>,
    events: Mutex<Vec<EventSocket>>,
    metrics: Mutex<Vec<MetricSocket>>,
    rng: Mutex<fastrand::Rng>,
}

impl Shared {
    pub(super) fn new(options: Options, clock: Clock, world: Arc<World>, centre: Centre, wake: Sender<()>) -> Shared {
        let faults = Faults {
            rules: Rules {
                forbidden: options.forbidden_topics.clone(),
                missing_permissions: options.missing_permissions.clone(),
                missing: Vec::new(),
            },
            closings: Vec::new(),
            refuse_event_filters: options.refuse_event_filters,
            refused_calls: None,
            outage: None,
            details_quirks: DetailsQuirks::default(),
        };
        Shared {
            options,
            clock,
            world,
            counters: Arc::default(),
            socket_faults: Arc::default(),
            unpublished: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            wake,
            local_addr: Mutex::new(String::new()),
            centre: Mutex::new(centre),
            registry: Mutex::default(),
            faults: Mutex::new(faults),
            events: Mutex::default(),
            metrics: Mutex::default(),
            // Secrets of the service (tokens, channel ids) are not part of the seeded facts.
            rng: Mutex::new(fastrand::Rng::new()),
        }
    }

    pub(super) fn centre(&self) -> MutexGuard<'_, Centre> {
        lock(&self.centre)
    }

    /// The current outage.
    pub(super) fn outage(&self) -> Option<Outage> {
        self.faults().outage.filter(|o| o.until > Instant::now())
    }

    /// All open sockets of all protocols.
    pub(super) fn all_sockets(&self) -> Vec<Arc<Outbox>> {
        let mut all: Vec<Arc<Outbox>> = self.registry().sockets().into_iter().map(|(_, s)| s).collect();
        all.extend(self.events().iter().map(|s| Arc::clone(&s.outbox)));
        all.extend(self.metrics().iter().map(|s| Arc::clone(&s.outbox)));
        all
    }

    pub(super) fn registry(&self) -> MutexGuard<'_, Registry> {
        lock(&self.registry)
    }

    /// A copy of the rules that say which topics are refused now.
    pub(super) fn rules(&self) -> Rules {
        self.faults().rules.clone()
    }

    pub(super) fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }

    pub(super) fn events(&self) -> MutexGuard<'_, Vec<EventSocket>> {
        lock(&self.events)
    }

    pub(super) fn metrics(&self) -> MutexGuard<'_, Vec<MetricSocket>> {
        lock(&self.metrics)
    }

    /// A random text of the characters that channel ids consist of.
    pub(super) fn random_text(&self, chars: usize) -> String {
        const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        let mut rng = lock(&self.rng);
        (0..chars)
            .map(|_| LETTERS[rng.usize(..LETTERS.len())] as char)
            .collect()
    }

    pub(super) fn random_id(&self) -> super::json::Id {
        super::json::Id::random(&mut lock(&self.rng))
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
