//! The newest snapshot in each form in which it is asked for, made once and shared.
//!
//! In: snapshots · Out: bytes · Thread: any (what is made lazily is made by the first who asks; others wait for that).

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::Terms;
use super::feed::Feed;
use super::picture::Picture;
use crate::model::snapshot::Snapshot;
use crate::output::record;

/// The page gets no more pictures than this allows: nobody reads faster.
const BETWEEN_PICTURES: Duration = Duration::from_millis(400);

/// A snapshot and its JSON.
pub(super) struct Published {
    pub(super) snapshot: Arc<Snapshot>,
    event: OnceLock<Arc<[u8]>>,
    /// Where the JSON stands in `event`.
    json_begins: usize,
}

impl Published {
    fn new(snapshot: Arc<Snapshot>) -> Self {
        let json_begins = Self::head(&snapshot).len();
        Self {
            snapshot,
            event: OnceLock::new(),
            json_begins,
        }
    }

    fn head(snapshot: &Snapshot) -> String {
        format!("id: {}\ndata: ", snapshot.revision)
    }

    /// As a server-sent event.
    pub(super) fn event(&self) -> Arc<[u8]> {
        let made = self.event.get_or_init(|| {
            let mut bytes = Self::head(&self.snapshot).into_bytes();
            // One line with its end: JSON holds no line end of its own.
            record::snapshot(&mut bytes, &self.snapshot);
            bytes.push(b'\n');
            bytes.into()
        });
        Arc::clone(made)
    }

    /// As one line of JSON.
    pub(super) fn json(&self) -> Vec<u8> {
        let event = self.event();
        event[self.json_begins..event.len() - 1].to_vec()
    }

    /// Names this snapshot among all of all runs.
    pub(super) fn tag(&self) -> String {
        format!("\"{}-{}\"", self.snapshot.started_at.epoch_ms(), self.snapshot.revision)
    }
}

/// A picture for the page and how it differs from the one before.
pub(super) struct Beat {
    snapshot: Arc<Snapshot>,
    terms: Terms,
    before: Option<Arc<Picture>>,
    picture: OnceLock<Arc<Picture>>,
    whole: OnceLock<Arc<[u8]>>,
    difference: OnceLock<Arc<[u8]>>,
}

impl Beat {
    fn picture(&self) -> &Arc<Picture> {
        self.picture
            .get_or_init(|| Arc::new(Picture::of(&self.snapshot, self.terms)))
    }

    /// The frame for a viewer.
    pub(super) fn frame(&self, has_the_one_before: bool) -> Arc<[u8]> {
        let made = match self.before.as_deref().filter(|_| has_the_one_before) {
            Some(before) => self
                .difference
                .get_or_init(|| self.picture().frame(Some(before)).into()),
            None => self.whole.get_or_init(|| self.picture().frame(None).into()),
        };
        Arc::clone(made)
    }
}

/// See the module.
pub(super) struct Board {
    pub(super) snapshots: Arc<Feed<Published>>,
    pub(super) pictures: Arc<Feed<Beat>>,
    pub(super) terms: Terms,
    next_picture: Mutex<Option<Instant>>,
}

impl Board {
    pub(super) fn new(terms: Terms) -> Self {
        Self {
            snapshots: Arc::default(),
            pictures: Arc::default(),
            terms,
            next_picture: Mutex::new(None),
        }
    }

    pub(super) fn publish(&self, snapshot: Arc<Snapshot>, now: Instant) {
        let mut next = self.next_picture.lock().unwrap_or_else(PoisonError::into_inner);
        let due = next.is_none_or(|next| next <= now);
        if due {
            *next = Some(now + BETWEEN_PICTURES);
        }
        drop(next);
        if due {
            self.picture(Arc::clone(&snapshot));
        }
        self.snapshots.publish(Published::new(snapshot));
    }

    fn picture(&self, snapshot: Arc<Snapshot>) {
        // Nobody looked at the one before: nobody needs a difference from it.
        let before = self.pictures.newest().and_then(|beat| beat.picture.get().cloned());
        self.pictures.publish(Beat {
            snapshot,
            terms: self.terms,
            before,
            picture: OnceLock::new(),
            whole: OnceLock::new(),
            difference: OnceLock::new(),
        });
    }

    /// Publishes the last one and waits for the viewers to take it, until `deadline` at most.
    pub(super) fn end(&self, last: Option<Arc<Snapshot>>, deadline: Instant) {
        if let Some(last) = last {
            self.picture(Arc::clone(&last));
            self.snapshots.publish(Published::new(last));
        }
        self.pictures.close();
        self.snapshots.close();
        // Who is too slow is cut off by the server's end.
        let _ = self.pictures.emptied_by(deadline) && self.snapshots.emptied_by(deadline);
    }
}
