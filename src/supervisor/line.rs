//! One line: the topics of one channel and the connections that carry them, one after the other.
//!
//! In: readers that were spawned, news of them · Out: what holds now · Thread: the supervisor's.
//!
//! At most two generations are alive: `current` carries the stream, `next` is being made before `current` is broken.

use std::time::{Duration, Instant};

use super::allowance::Allowance;
use super::channels::HeldChannel;
use super::policy::Renew;
use crate::config::ReconnectConfig;
use crate::net::backoff::Backoff;
use crate::reader::Reader;

/// The topics of one channel; the only line of the protocols that have no channels.
pub(super) struct Line {
    /// Empty in `events` and `metrics`.
    pub(super) topics: Vec<String>,
    /// The channel that a reconnect uses again while it is valid (`notifications`).
    pub(super) channel: Option<HeldChannel>,
    /// Whether one was ever made for it.
    pub(super) ever_had_channel: bool,
    /// Channels that its failures may create.
    pub(super) allowance: Allowance,
    /// What failures ask to be renewed with the next connect.
    pub(super) renew: Renew,
    /// Carries the stream, or is about to.
    pub(super) current: Option<Connection>,
    /// Will take over from `current` once it has shown life.
    pub(super) next: Option<Connection>,
    /// Was replaced, and is read for a while or says goodbye.
    pub(super) retiring: Vec<Connection>,
    pub(super) backoff: Backoff,
    /// When to connect; `None` while `current` is there.
    pub(super) connect_due: Option<Instant>,
    /// When, and with what renewed, the connection shall be replaced while it runs.
    pub(super) rotation: Option<(Instant, Renew, &'static str)>,
    /// Streamed at least once: the next confirmation is a reconnect.
    pub(super) ever_confirmed: bool,
}

/// One connection as the supervisor sees it.
pub(super) struct Connection {
    pub(super) number: u32,
    pub(super) reader: Reader,
    pub(super) confirmed: bool,
    pub(super) channel: Option<HeldChannel>,
    /// Number of the token that it was made with.
    pub(super) token: u64,
    /// When that token ends, and it with it.
    pub(super) token_ends: Option<Instant>,
    /// Why it will end soon, where the service said so before it took over.
    pub(super) ends_soon: Option<&'static str>,
    /// When its channel is to be renewed or replaced.
    pub(super) age_due: Option<Instant>,
    pub(super) started: Instant,
    /// When it was replaced, while it is still read as before.
    pub(super) replaced: Option<Replaced>,
}

/// A connection that was replaced and has not begun to say goodbye.
#[derive(Clone, Copy)]
pub(super) struct Replaced {
    at: Instant,
    goodbye_due: Instant,
}

/// A connection that was replaced is read for so long beside the new one: what the service already sent on its way, and
/// what it sends before it has taken note of the new subscription, comes there only.
const OVERLAP: Duration = Duration::from_secs(2);
/// The same where its place is needed.
const LEAST_OVERLAP: Duration = Duration::from_millis(300);
/// It says goodbye so long before its token ends, rather than be ended.
const BEFORE_TOKEN_ENDS: Duration = Duration::from_millis(300);

/// Which of a line's connections a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Current,
    Next,
    Retiring(usize),
}

impl Line {
    pub(super) fn new(topics: Vec<String>, reconnect: ReconnectConfig, now: Instant) -> Self {
        Self {
            topics,
            channel: None,
            ever_had_channel: false,
            allowance: Allowance::new(reconnect.max_channels_per_hour, now),
            renew: Renew::Nothing,
            current: None,
            next: None,
            retiring: Vec::new(),
            backoff: Backoff::new(reconnect),
            connect_due: Some(now),
            rotation: None,
            ever_confirmed: false,
        }
    }

    /// Where the connection of this number is.
    pub(super) fn place_of(&self, number: u32) -> Option<Place> {
        let is = |connection: &Option<Connection>| connection.as_ref().is_some_and(|c| c.number == number);
        if is(&self.current) {
            Some(Place::Current)
        } else if is(&self.next) {
            Some(Place::Next)
        } else {
            self.retiring
                .iter()
                .position(|c| c.number == number)
                .map(Place::Retiring)
        }
    }

    pub(super) fn at(&mut self, place: Place) -> Option<&mut Connection> {
        match place {
            Place::Current => self.current.as_mut(),
            Place::Next => self.next.as_mut(),
            Place::Retiring(at) => self.retiring.get_mut(at),
        }
    }

    /// Takes the connection out, for good.
    pub(super) fn remove(&mut self, place: Place) -> Option<Connection> {
        match place {
            Place::Current => self.current.take(),
            Place::Next => self.next.take(),
            Place::Retiring(at) => (at < self.retiring.len()).then(|| self.retiring.remove(at)),
        }
    }

    /// Whether its topics are covered now.
    pub(super) fn is_streaming(&self) -> bool {
        self.current.as_ref().is_some_and(|c| c.confirmed)
    }

    /// When the next connection that was replaced is to say goodbye.
    pub(super) fn goodbye_due(&self) -> Option<Instant> {
        let replaced = self.retiring.iter().filter_map(|old| old.replaced);
        replaced.map(|replaced| replaced.goodbye_due).min()
    }

    /// Connections that were replaced long enough ago say goodbye.
    pub(super) fn say_goodbyes(&mut self, now: Instant) {
        for old in &mut self.retiring {
            if old.replaced.take_if(|replaced| now >= replaced.goodbye_due).is_some() {
                old.reader.retire();
            }
        }
    }

    /// Their place is needed: those that are read beside the new one say goodbye soon, the others end.
    pub(super) fn hurry_goodbyes(&mut self) {
        for old in &mut self.retiring {
            match &mut old.replaced {
                Some(replaced) => replaced.goodbye_due = replaced.goodbye_due.min(replaced.at + LEAST_OVERLAP),
                None => old.reader.close(),
            }
        }
    }

    /// Open sockets, as far as we know.
    pub(super) fn connections(&self) -> impl Iterator<Item = &Connection> {
        self.current.iter().chain(&self.next).chain(&self.retiring)
    }

    /// `next` takes over: it becomes `current`, and what it replaces says goodbye. Returns the overlap.
    pub(super) fn promote(&mut self, now: Instant) -> Option<Duration> {
        let next = self.next.take()?;
        let overlap = now.duration_since(next.started);
        self.channel = next.channel.clone();
        if let Some(mut old) = self.current.replace(next) {
            let latest = old.token_ends.and_then(|ends| ends.checked_sub(BEFORE_TOKEN_ENDS));
            let goodbye_due = latest.map_or(now + OVERLAP, |latest| latest.min(now + OVERLAP));
            old.replaced = Some(Replaced { at: now, goodbye_due });
            self.retiring.push(old);
        }
        self.rotation = None;
        self.connect_due = None;
        Some(overlap)
    }

    /// Asks for a replacement at `when`; an earlier or more thorough request stands.
    pub(super) fn rotate_at(&mut self, when: Instant, renew: Renew, why: &'static str) {
        self.rotation = Some(match self.rotation.take() {
            Some((earlier, stronger, first_why)) => (earlier.min(when), stronger.max(renew), first_why),
            None => (when, renew, why),
        });
    }
}
