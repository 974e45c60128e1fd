//! The newest snapshot in each form in which it is asked for. Each form is made once and shared.
//!
//! In: snapshots, as they come and as they are asked for · Out: bytes · Thread: any (a form is made by the first viewer that needs it; others wait for that).

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::Settings;
use super::feed::Feed;
use super::picture::{self, History, Scene, shown_totals};
use super::viewer::Seen;
use crate::model::snapshot::{ConnectionState, LiveNumbers, LiveTotals, Snapshot};
use crate::output::last_changes::LastChanges;
use crate::output::{Item, record};

/// At least this long between two pictures for the page: nobody reads faster.
const BETWEEN_PICTURES: Duration = Duration::from_millis(400);

/// A snapshot that is older is not of this moment any more: with the time that the engine may take to answer, what a
/// request is told was true within the last second.
const OF_THIS_MOMENT: Duration = Duration::from_millis(500);

/// Asks the engine for a snapshot of this moment; may take a second, and give none.
pub(super) type Ask = Box<dyn Fn() -> Option<Arc<Snapshot>> + Send + Sync>;

/// A snapshot and its JSON.
pub(super) struct Published {
    pub(super) snapshot: Arc<Snapshot>,
    came_at: Instant,
    event: OnceLock<Arc<Vec<u8>>>,
    /// Where the JSON begins in `event`.
    json_begins: usize,
}

impl Published {
    fn new(snapshot: Arc<Snapshot>) -> Self {
        let json_begins = Self::head(&snapshot).len();
        Self {
            snapshot,
            came_at: Instant::now(),
            event: OnceLock::new(),
            json_begins,
        }
    }

    fn head(snapshot: &Snapshot) -> String {
        format!("id: {}\ndata: ", snapshot.revision)
    }

    /// As a server-sent event.
    pub(super) fn event(&self) -> Arc<Vec<u8>> {
        let made = self.event.get_or_init(|| {
            let mut bytes = Self::head(&self.snapshot).into_bytes();
            // One line with its end: JSON holds no line end of its own.
            record::snapshot(&mut bytes, &self.snapshot, record::Bodies::Verbatim);
            bytes.push(b'\n');
            // Kept for as long as the snapshot, and never copied.
            bytes.shrink_to_fit();
            bytes.into()
        });
        Arc::clone(made)
    }

    /// As one line of JSON.
    pub(super) fn json(&self) -> (Arc<Vec<u8>>, Range<usize>) {
        let event = self.event();
        let part = self.json_begins..event.len() - 1;
        (event, part)
    }

    /// The entity tag: different for each snapshot of each run.
    pub(super) fn tag(&self) -> String {
        format!("\"{}-{}\"", self.snapshot.started_at.epoch_ms(), self.snapshot.revision)
    }
}

/// As many minutes as the page's small charts have room for.
const MINUTES: usize = 60;
const MINUTE_MS: i64 = 60_000;

/// A snapshot as the page gets it.
pub(super) struct Picture {
    scene: Scene,
    /// Whether a viewer has got the picture before.
    has_before: bool,
    /// What that was made of, until the difference from it is made: a snapshot of many queues is large.
    before: Mutex<Option<Scene>>,
    settings: Settings,
    whole: OnceLock<Arc<Vec<u8>>>,
    difference: OnceLock<Arc<Vec<u8>>>,
}

impl Picture {
    /// As a server-sent event for a viewer that has `seen` so much.
    pub(super) fn event(&self, seen: Seen) -> Arc<Vec<u8>> {
        let event = |before: Option<Scene>| picture::event(&self.scene, before.as_ref(), &self.settings).into();
        let made = match (seen, self.has_before) {
            (Seen::OneBefore, true) => self.difference.get_or_init(|| event(self.take_before())),
            _ => self.whole.get_or_init(|| event(None)),
        };
        Arc::clone(made)
    }

    fn take_before(&self) -> Option<Scene> {
        self.before.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn was_sent(&self) -> bool {
        self.whole.get().is_some() || self.difference.get().is_some()
    }
}

/// What is published for the viewers.
pub(super) struct Board {
    pub(super) snapshots: Arc<Feed<Published>>,
    pub(super) pictures: Arc<Feed<Picture>>,
    pub(super) settings: Settings,
    last_changes: Mutex<LastChanges>,
    history: Mutex<History>,
    next_picture: Mutex<Option<Instant>>,
    ask: OnceLock<Ask>,
    asked: Mutex<Asked>,
}

/// What the engine was asked for last, and when.
#[derive(Default)]
struct Asked {
    at: Option<Instant>,
    answer: Option<Arc<Published>>,
}

impl Board {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            snapshots: Arc::default(),
            pictures: Arc::default(),
            settings,
            last_changes: Mutex::default(),
            history: Mutex::default(),
            next_picture: Mutex::new(None),
            ask: OnceLock::new(),
            asked: Mutex::default(),
        }
    }

    pub(super) fn ask_through(&self, ask: Ask) {
        // Called once.
        let _ = self.ask.set(ask);
    }

    /// The newest snapshot; where none is of this moment, the engine is asked for one. One caller asks, others wait for the
    /// same answer.
    pub(super) fn current(&self) -> Option<Arc<Published>> {
        let is_young = |at: Instant| at.elapsed() < OF_THIS_MOMENT;
        let newest = self.snapshots.newest();
        let ask = self.ask.get();
        let Some(ask) = ask.filter(|_| !newest.as_ref().is_some_and(|newest| is_young(newest.came_at))) else {
            return newest;
        };
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if !asked.at.is_some_and(is_young) {
            if let Some(snapshot) = ask() {
                asked.answer = Some(Arc::new(Published::new(snapshot)));
            }
            asked.at = Some(Instant::now());
        }
        let revision = |published: &Arc<Published>| published.snapshot.revision;
        newest.into_iter().chain(asked.answer.clone()).max_by_key(revision)
    }

    /// Remembers a change for the pictures from the next one on.
    pub(super) fn note(&self, item: &Item) {
        let newest = self.snapshots.newest();
        let clock_ahead_ms = newest.map_or(0, |newest| newest.snapshot.connection.clock_ahead_ms);
        self.last_changes().take(item, clock_ahead_ms);
    }

    /// The history with this snapshot.
    fn history(&self, snapshot: &Snapshot) -> History {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let past_ms = snapshot.as_of.epoch_ms().rem_euclid(MINUTE_MS);
        let minute = snapshot.as_of.plus_ms(-past_ms);
        if history.last_key_value().is_none_or(|(newest, _)| *newest < minute) {
            let history = Arc::make_mut(&mut history);
            let totals = match snapshot.connection.state {
                ConnectionState::Streaming => shown_totals(snapshot),
                _ => LiveTotals {
                    active_conversations: None,
                    live: LiveNumbers::UNKNOWN,
                },
            };
            history.insert(minute, totals);
            if history.len() > MINUTES {
                history.pop_first();
            }
        }
        Arc::clone(&history)
    }

    fn last_changes(&self) -> MutexGuard<'_, LastChanges> {
        self.last_changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes a snapshot, and a picture of it if one is due.
    pub(super) fn publish(&self, snapshot: Arc<Snapshot>, now: Instant) {
        let mut next = self.next_picture.lock().unwrap_or_else(PoisonError::into_inner);
        let due = next.is_none_or(|next| next <= now);
        if due {
            *next = Some(now + BETWEEN_PICTURES);
        }
        drop(next);
        if due {
            self.publish_picture(Arc::clone(&snapshot));
        }
        self.snapshots.publish(Published::new(snapshot));
        // Who asks just now gets a newer one.
        if let Ok(mut asked) = self.asked.try_lock() {
            asked.answer = None;
        }
    }

    fn publish_picture(&self, snapshot: Arc<Snapshot>) {
        let newest = self.pictures.newest().filter(|newest| newest.was_sent());
        let changes = self.last_changes().entries();
        self.pictures.publish(Picture {
            scene: Scene {
                history: self.history(&snapshot),
                snapshot,
                changes,
            },
            has_before: newest.is_some(),
            before: Mutex::new(newest.map(|newest| newest.scene.clone())),
            settings: self.settings.clone(),
            whole: OnceLock::new(),
            difference: OnceLock::new(),
        });
    }

    /// Publishes the last snapshot and waits until the viewers have taken it, or for `deadline`.
    pub(super) fn end(&self, last: Option<Arc<Snapshot>>, deadline: Instant) {
        if let Some(last) = last {
            self.publish_picture(Arc::clone(&last));
            self.snapshots.publish(Published::new(last));
        }
        self.pictures.close();
        self.snapshots.close();
        // A viewer that is too slow is cut off when the server stops.
        let _ = self.pictures.emptied_by(deadline) && self.snapshots.emptied_by(deadline);
    }
}
