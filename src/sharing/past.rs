//! What the engine retains, played into a core on recorded time.
//!
//! In: entries of all readers, merged by time · Out: the core that has applied them · Thread: the caller's (pure).
//!
//! Times are this machine's: the service's, plus how far this machine's clock is ahead.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::entry::{Content, Entry, What};
use super::held::Held;
use super::joined::{Effect, Joined, connection};
use super::time::with_times;
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

/// Times that are later than now by more are no times.
const TOO_LATE: Duration = Duration::from_secs(600);

/// Gaps that were told, with their begin by the service's clock and by ours.
pub(super) type Gaps = VecDeque<(GapTopics, Moment, Moment)>;

/// See the module.
pub(super) struct Past {
    settings: Settings,
    retention: Duration,
    /// How far this machine's clock is ahead; one value for all that is played, so that a gap is found by its begin.
    ahead_ms: Option<i64>,
    /// Events before this time of the service's clock are left out.
    from: Moment,
    /// What held of each reader then.
    before: BTreeMap<usize, Held>,
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
            retention: config.engine.retention,
            ahead_ms: None,
            from: Moment::from_epoch_ms(0),
            before: BTreeMap::new(),
            core: None,
            now: Moment::from_epoch_ms(0),
            heard: BTreeMap::new(),
            gaps: VecDeque::new(),
            applied: 0,
        }
    }

    /// Called before anything is played; the first call counts.
    pub(super) fn begin(&mut self, ahead_ms: i64, now: Moment) {
        if self.ahead_ms.is_none() {
            self.ahead_ms = Some(ahead_ms);
            self.from = now.plus_ms(-ahead_ms).minus(self.retention);
        }
    }

    /// Keeps what holds of a reader from a content that is too old to be played.
    fn note_before(&mut self, reader: usize, content: &Content) {
        let at = content.at;
        let What::About(about) = &content.what else {
            if let Some(held) = self.before.get_mut(&reader) {
                held.note(content);
            }
            return;
        };
        let mut held = Held::new(about.run.clone(), about.share.clone());
        let changes = about.changes.iter().cloned().map(What::Change);
        for what in changes.chain(about.gaps.iter().cloned().map(What::Gap)) {
            held.note(&Content { at, what });
        }
        self.before.insert(reader, held);
    }

    fn ours(&self, at: Moment) -> Moment {
        at.plus_ms(self.ahead_ms.unwrap_or(0))
    }

    /// Plays the next entry, unless its time is out of bounds.
    pub(super) fn play(&mut self, joined: &mut Joined, reader: usize, entry: Entry, now: Moment, hasher: &Seeded) {
        if let Some(content) = &entry.content {
            let at = content.at;
            if self.ours(at) > now.plus(TOO_LATE) {
                return;
            }
            if at < self.from && !self.heard.contains_key(&reader) {
                self.note_before(reader, content);
                return;
            }
            self.advance(joined, self.ours(at));
            if self.heard.insert(reader, Some(at)).is_none()
                && let Some(held) = self.before.remove(&reader)
            {
                let what = What::About(Box::new(held.about()));
                let (id, n) = (entry.id, entry.n.saturating_sub(1));
                let content = Some(Content { at, what });
                let effects = joined.take(reader, Entry { id, n, content });
                self.apply(effects, hasher);
            }
        }
        let effects = joined.take(reader, entry);
        self.apply(effects, hasher);
    }

    /// Time passes until now; these readers are not heard.
    pub(super) fn end(&mut self, joined: &mut Joined, silent: &[usize], now: Moment) {
        self.advance(joined, now);
        for reader in silent {
            let effects = joined.silent(*reader);
            self.apply(effects, &Seeded::random());
        }
    }

    /// The core, the gaps that it has, and how many events were applied.
    pub(super) fn finish(self) -> (Box<Core>, Gaps, u64) {
        let now = self.now;
        let core = self.core.unwrap_or_else(|| Box::new(Core::new(self.settings, now)));
        (core, self.gaps, self.applied)
    }

    /// Time passes until `to`, in ticks. Readers that are not heard meanwhile cover nothing any more.
    fn advance(&mut self, joined: &mut Joined, to: Moment) {
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
                clock_ahead_ms: self.ahead_ms.unwrap_or(0),
                ..ClockLook::default()
            };
            self.change(Change::Tick { clock, dropped: 0 });
            self.silence(joined);
        }
    }

    /// Readers that were not running cover nothing any more.
    fn silence(&mut self, joined: &mut Joined) {
        let late = self.now.plus_ms(-self.ahead_ms.unwrap_or(0)).minus(NOT_RUNNING);
        let silent = self.heard.iter().filter(|(_, at)| at.is_some_and(|at| at < late));
        for reader in Vec::from_iter(silent.map(|(reader, _)| *reader)) {
            self.heard.insert(reader, None);
            let effects = joined.silent(reader);
            self.apply(effects, &Seeded::random());
        }
    }

    fn apply(&mut self, effects: Vec<Effect>, hasher: &Seeded) {
        let ahead_ms = self.ahead_ms.unwrap_or(0);
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
                    if let Change::GapOpened { topics, from, .. } = &change {
                        self.gaps.push_back((topics.clone(), *from, ours(*from)));
                    }
                    self.change(with_times(change, ours));
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

#[cfg(test)]
mod tests {
    use super::super::entry::{About, EntryId};
    use super::*;
    use crate::event::gap::Gap;

    fn played(entries: Vec<(u64, Moment, What)>) -> Gaps {
        let keys = r#"{"engine":{"from":"redis://127.0.0.1","org":"o","retention_secs":60}}"#;
        let mut past = Past::new(&Config::builder().json("x", keys).build().unwrap());
        let mut joined = Joined::default();
        // Changes while it is played count for nothing.
        past.begin(0, Moment::now());
        past.begin(3_600_000, Moment::now());
        for (n, at, what) in entries {
            let id = EntryId { ms: n, seq: 0 };
            let content = Some(Content { at, what });
            past.play(
                &mut joined,
                0,
                Entry { id, n, content },
                Moment::now(),
                &Seeded::random(),
            );
        }
        past.end(&mut joined, &[], Moment::now());
        past.finish().1
    }

    #[test]
    fn what_is_older_than_the_retention_tells_only_what_holds() {
        let now = Moment::now();
        let ago = |secs: i64| now.plus_ms(-1000 * secs);
        let covered = Change::Covered {
            line: 0,
            topics: vec!["t".to_owned()],
            since: ago(500),
        };
        let about = About {
            run: "r".to_owned(),
            version: String::new(),
            share: String::new(),
            changes: vec![covered],
            gaps: Vec::new(),
        };
        let gap = |id: u64, from: i64, to: i64| {
            What::Gap(Gap {
                id,
                topics: GapTopics::All,
                from: ago(from),
                to: Some(ago(to)),
                cause: String::new(),
                repaired: false,
            })
        };
        let gaps = played(vec![
            (1, ago(400), What::About(Box::new(about))),
            (2, ago(300), gap(1, 310, 300)),
            (3, ago(50), What::Cover { to: Some(ago(50)) }),
            (4, ago(45), What::Cover { to: Some(ago(45)) }),
            // As late as a broken clock may tell; time does not pass until then.
            (5, now.plus_ms(i64::from(u32::MAX) * 1000), What::Cover { to: None }),
            (6, ago(40), What::Cover { to: Some(ago(40)) }),
        ]);
        // Covered, but for the entry that is left out.
        assert_eq!(gaps, [(GapTopics::All, ago(45), ago(45))]);
    }
}
