//! What the engine retains, played into a core on recorded time.
//!
//! In: entries of all readers, merged by time · Out: the core that has applied them · Thread: the caller's (pure).
//!
//! Times are this machine's: the service's, plus how far this machine's clock is ahead.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::entry::Entry;
use super::joined::{Effect, Joined, connection};
use crate::Moment;
use crate::base::hash::Seeded;
use crate::config::Config;
use crate::engine::Core;
use crate::event::change::{Change, ClockLook};
use crate::event::gap::GapTopics;
use crate::event::state::{ConnectionState, StateChange};
use crate::model::Settings;

/// Between two ticks of recorded time.
const TICK: Duration = Duration::from_secs(1);

/// A reader of which nothing is retained for so long was not running. Less tells nothing: the service's clock is corrected, too.
const NOT_RUNNING: Duration = Duration::from_secs(60);

/// Gaps that were told, with their begin by the service's clock and by ours.
pub(super) type Gaps = VecDeque<(GapTopics, Moment, Moment)>;

/// See the module.
pub(super) struct Past {
    settings: Settings,
    core: Option<Box<Core>>,
    now: Moment,
    /// When each reader was heard last, by the service's clock; none where it is silent.
    heard: BTreeMap<usize, Option<Moment>>,
    gaps: Gaps,
    applied: u64,
}

impl Past {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            settings: Settings::from(config),
            core: None,
            now: Moment::from_epoch_ms(0),
            heard: BTreeMap::new(),
            gaps: VecDeque::new(),
            applied: 0,
        }
    }

    /// Plays the next entry.
    pub(super) fn play(&mut self, joined: &mut Joined, reader: usize, entry: Entry, ahead_ms: i64, hasher: &Seeded) {
        if let Some(content) = &entry.content {
            let at = content.at;
            self.advance(joined, at.plus_ms(ahead_ms), ahead_ms);
            self.heard.insert(reader, Some(at));
        }
        let effects = joined.take(reader, entry);
        self.apply(effects, ahead_ms, hasher);
    }

    /// Time passes until now; these readers are not heard.
    pub(super) fn end(&mut self, joined: &mut Joined, silent: &[usize], now: Moment, ahead_ms: i64) {
        self.advance(joined, now, ahead_ms);
        for reader in silent {
            let effects = joined.silent(*reader);
            self.apply(effects, ahead_ms, &Seeded::random());
        }
    }

    /// The core, the gaps that it has, and how many events were applied.
    pub(super) fn finish(self) -> (Box<Core>, Gaps, u64) {
        let now = self.now;
        let core = self.core.unwrap_or_else(|| Box::new(Core::new(self.settings, now)));
        (core, self.gaps, self.applied)
    }

    /// Time passes until `to`, in ticks. Readers that are not heard meanwhile cover nothing any more.
    fn advance(&mut self, joined: &mut Joined, to: Moment, ahead_ms: i64) {
        if self.core.is_none() {
            let mut core = Core::new(self.settings.clone(), to);
            let connecting = StateChange {
                at: to,
                state: ConnectionState::Connecting,
                cause: None,
                attempt: None,
                retry_in: None,
            };
            core.apply(Change::State(connecting), to);
            self.core = Some(Box::new(core));
            self.now = to;
        }
        while self.now.plus(TICK) <= to {
            self.now = self.now.plus(TICK);
            let clock = ClockLook {
                clock_ahead_ms: ahead_ms,
                ..ClockLook::default()
            };
            self.change(Change::Tick { clock, dropped: 0 });
            self.silence(joined, ahead_ms);
        }
    }

    /// Readers that were not running cover nothing any more.
    fn silence(&mut self, joined: &mut Joined, ahead_ms: i64) {
        let late = self.now.plus_ms(-ahead_ms).minus(NOT_RUNNING);
        let silent = self.heard.iter().filter(|(_, at)| at.is_some_and(|at| at < late));
        for reader in Vec::from_iter(silent.map(|(reader, _)| *reader)) {
            self.heard.insert(reader, None);
            let effects = joined.silent(reader);
            self.apply(effects, ahead_ms, &Seeded::random());
        }
    }

    fn apply(&mut self, effects: Vec<Effect>, ahead_ms: i64, hasher: &Seeded) {
        let ours = |at: Moment| at.plus_ms(ahead_ms);
        for effect in effects {
            match effect {
                Effect::Event { reader, at, event } => {
                    let event = event.event(connection(reader), at, ours(at), hasher);
                    self.core.as_mut().map(|core| core.apply_event(&event));
                    self.applied += 1;
                }
                Effect::Filled { topics, from } => {
                    let ids = self
                        .core
                        .as_ref()
                        .map_or_else(Vec::new, |core| core.closed_gaps(&topics, ours(from)));
                    self.change(Change::GapsRepaired { ids });
                }
                Effect::Change(change) => {
                    let change = match change {
                        Change::Covered { line, topics, since } => Change::Covered {
                            line,
                            topics,
                            since: ours(since),
                        },
                        Change::Refused { line, topics, since } => Change::Refused {
                            line,
                            topics,
                            since: ours(since),
                        },
                        Change::GapClosed { line, to } => Change::GapClosed { line, to: ours(to) },
                        Change::GapOpened {
                            line,
                            topics,
                            from,
                            cause,
                        } => {
                            self.gaps.push_back((topics.clone(), from, ours(from)));
                            Change::GapOpened {
                                line,
                                topics,
                                from: ours(from),
                                cause,
                            }
                        }
                        change => change,
                    };
                    self.change(change);
                }
            }
        }
    }

    /// What an engine would tell of it was told then.
    fn change(&mut self, change: Change) {
        let now = self.now;
        if let Some(core) = &mut self.core {
            drop(core.apply(change, now));
        }
    }
}
