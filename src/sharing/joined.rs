//! What all readers tell, joined into what one dashboard applies.
//!
//! In: entries of each reader, which reader is not heard · Out: events and changes, with the service's times · Thread: any
//! (pure).
//!
//! Facts of conversations are joined by the model, whoever tells them. Facts without a time of their own are taken from one
//! covering reader at a time, because their order says which is newer.

use std::collections::{BTreeMap, BTreeSet};

use super::coverage::{Act, Coverage};
use super::entry::{Entry, SharedEvent, What};
use crate::event::change::{Change, Membership};
use crate::event::gap::GapTopics;
use crate::event::queue::Queue;
use crate::{Id, Moment};

/// Something for the dashboard.
#[derive(Debug)]
pub(super) enum Effect {
    /// An event that this reader received when the service's clock showed `at`.
    Event {
        reader: usize,
        at: Moment,
        event: SharedEvent,
    },
    Change(Change),
    /// The gap of these topics that began at `from` is filled.
    Filled {
        topics: GapTopics,
        from: Moment,
    },
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Joined {
    coverage: Coverage,
    readers: BTreeMap<usize, Reader>,
    /// What the dashboard was told last, by kind.
    told: BTreeMap<Kind, Change>,
    covered_from: Option<Moment>,
    /// Whose undated facts of a topic count.
    chosen: BTreeMap<String, usize>,
    /// The last undated facts of each reader, by topic and part.
    undated: BTreeMap<String, Undated>,
}

/// By reader and part of the topic.
type Undated = BTreeMap<(usize, String), (Moment, SharedEvent)>;

#[derive(Debug, Default)]
struct Reader {
    run: Option<String>,
    last: Option<u64>,
    /// Entries before the next one are missing, or cannot be read.
    is_missing: bool,
    /// The time of the first entry that is here.
    first: Option<Moment>,
    changes: BTreeMap<(Kind, usize), Change>,
    covered_from: Option<Moment>,
}

/// Changes of which the newest holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Queues,
    Users,
    Members,
    Gone,
    Covered,
    Refused,
}

/// Lines of readers are told apart by this.
const LINES: usize = 1000;

impl Joined {
    /// Takes an entry; the entries of a reader come in their order.
    pub(super) fn take(&mut self, reader: usize, entry: Entry) -> Vec<Effect> {
        let mut effects = Vec::new();
        let known = self.readers.entry(reader).or_default();
        let is_next = |last: u64| last.checked_add(1) == Some(entry.n);
        known.is_missing |= known.last.replace(entry.n).is_some_and(|last| !is_next(last));
        let Some(content) = entry.content else {
            known.is_missing = true;
            self.coverage.silent(reader);
            self.tell_gaps(&mut effects);
            return effects;
        };
        let is_missing = std::mem::take(&mut known.is_missing);
        let at = content.at;
        known.first.get_or_insert(at);
        if is_missing {
            log::warn!("entries of reader {} are missing before number {}", reader + 1, entry.n);
            self.coverage.hole(reader, at);
        }
        match content.what {
            What::Event(event) => self.event(reader, at, *event, &mut effects),
            What::Change(change) => self.change(reader, change, &mut effects),
            What::Gap(gap) => self.coverage.gap(reader, &gap),
            What::Cover { to } => self.coverage.proven(reader, to),
            What::Down { .. } => self.coverage.silent(reader),
            What::About(about) => {
                self.coverage.run(reader, &about.run);
                let known = self.readers.entry(reader).or_default();
                if known.run.as_ref() != Some(&about.run) {
                    let connection = connection(reader);
                    if known.run.is_some() {
                        effects.push(Effect::Change(Change::ConnectionEnded { connection }));
                    }
                    effects.push(Effect::Change(Change::ConnectionOpened { connection }));
                    known.run = Some(about.run);
                    known
                        .changes
                        .retain(|(kind, _), _| !matches!(kind, Kind::Covered | Kind::Refused));
                    known.covered_from = None;
                }
                about
                    .changes
                    .into_iter()
                    .for_each(|change| self.change(reader, change, &mut effects));
                about.gaps.iter().for_each(|gap| self.coverage.gap(reader, gap));
            }
        }
        self.tell_gaps(&mut effects);
        effects
    }

    /// Nothing is heard of a reader any more.
    pub(super) fn silent(&mut self, reader: usize) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.coverage.silent(reader);
        let topics: Vec<String> = self
            .chosen
            .iter()
            .filter(|(_, of)| **of == reader)
            .map(|(topic, _)| topic.clone())
            .collect();
        for topic in topics {
            self.choose(&topic, &mut effects);
        }
        self.tell_gaps(&mut effects);
        effects
    }

    fn tell_gaps(&mut self, effects: &mut Vec<Effect>) {
        for act in self.coverage.take_acts() {
            effects.push(match act {
                Act::Open {
                    line,
                    topics,
                    from,
                    cause,
                } => Effect::Change(Change::GapOpened {
                    line,
                    topics,
                    from,
                    cause,
                }),
                Act::Close { line, to } => Effect::Change(Change::GapClosed { line, to }),
                Act::Filled { topics, from } => Effect::Filled { topics, from },
            });
        }
    }

    fn event(&mut self, reader: usize, at: Moment, event: SharedEvent, effects: &mut Vec<Effect>) {
        if let Some(topic) = event.undated().map(str::to_owned) {
            let part = (reader, event.part());
            self.undated
                .entry(topic.clone())
                .or_default()
                .insert(part, (at, event.clone()));
            let chosen = self.chosen.get(&topic).copied();
            if chosen.is_none_or(|chosen| !self.coverage.does_cover(chosen, &topic)) {
                let new = self.coverage.covers_now(&topic).unwrap_or(reader);
                self.chosen.insert(topic.clone(), new);
                if chosen.is_some_and(|chosen| chosen != new) && new != reader {
                    self.tell_undated(&topic, new, effects);
                }
            }
            if self.chosen.get(&topic) != Some(&reader) {
                return;
            }
        }
        effects.push(Effect::Event { reader, at, event });
    }

    /// Chooses another reader for the undated facts of a topic; what that one told last counts.
    fn choose(&mut self, topic: &str, effects: &mut Vec<Effect>) {
        if let Some(new) = self.coverage.covers_now(topic)
            && self.chosen.insert(topic.to_owned(), new) != Some(new)
        {
            self.tell_undated(topic, new, effects);
        }
    }

    fn tell_undated(&self, topic: &str, of: usize, effects: &mut Vec<Effect>) {
        let known = self.undated.get(topic).into_iter().flatten();
        for ((reader, _), (at, event)) in known.filter(|((reader, _), _)| *reader == of) {
            effects.push(Effect::Event {
                reader: *reader,
                at: *at,
                event: event.clone(),
            });
        }
    }

    fn change(&mut self, reader: usize, change: Change, effects: &mut Vec<Effect>) {
        let known = self.readers.entry(reader).or_default();
        let (kind, line) = match &change {
            Change::Queues(_) | Change::AnyQueue {} => (Kind::Queues, 0),
            Change::Users(_) => (Kind::Users, 0),
            Change::Members(_) => (Kind::Members, 0),
            Change::Gone(_) => (Kind::Gone, 0),
            Change::Covered { line, .. } => (Kind::Covered, *line),
            Change::Refused { line, .. } => (Kind::Refused, *line),
            Change::CoveredFrom { at } => {
                known.covered_from = Some(*at);
                self.tell_covered_from(effects);
                return;
            }
            Change::Conversations(_) | Change::Observations(_) | Change::Lost(_) | Change::Unreadable { .. } => {
                effects.push(Effect::Change(change));
                return;
            }
            _ => return,
        };
        if line >= LINES {
            log::warn!("reader {} tells of line {line}, which cannot be", reader + 1);
            return;
        }
        if known.changes.get(&(kind, line)) == Some(&change) {
            return;
        }
        known.changes.insert((kind, line), change.clone());
        if let Change::Covered { line, topics, since } = change {
            let since = known.first.map_or(since, |first| first.max(since));
            self.coverage.covered(reader, line, &topics, since);
            let line = reader * LINES + line;
            effects.push(Effect::Change(Change::Covered { line, topics, since }));
            return;
        }
        let joined = match kind {
            Kind::Queues => self.queues(),
            Kind::Users => self.users(),
            Kind::Members => self.members(),
            Kind::Gone => self.gone(),
            Kind::Refused | Kind::Covered => self.refused(),
        };
        if self.told.get(&kind) != Some(&joined) {
            self.told.insert(kind, joined.clone());
            effects.push(Effect::Change(joined));
        }
    }

    fn all(&self, kind: Kind) -> impl Iterator<Item = &Change> {
        let changes = self.readers.values().flat_map(|reader| &reader.changes);
        changes
            .filter(move |((of, _), _)| *of == kind)
            .map(|(_, change)| change)
    }

    fn queues(&self) -> Change {
        let mut queues: BTreeMap<Id, Queue> = BTreeMap::new();
        for change in self.all(Kind::Queues) {
            match change {
                Change::Queues(own) => queues.extend(own.iter().map(|queue| (queue.id.clone(), queue.clone()))),
                any => return any.clone(),
            }
        }
        Change::Queues(queues.into_values().collect())
    }

    fn users(&self) -> Change {
        let mut users: BTreeMap<Id, Option<String>> = BTreeMap::new();
        for change in self.all(Kind::Users) {
            let Change::Users(own) = change else { continue };
            for (user, name) in own {
                let known = users.entry(user.clone()).or_default();
                *known = known.take().or_else(|| name.clone());
            }
        }
        Change::Users(users)
    }

    fn members(&self) -> Change {
        let mut members: BTreeMap<Id, BTreeSet<Id>> = BTreeMap::new();
        for change in self.all(Kind::Members) {
            let Change::Members(own) = change else { continue };
            for member in own {
                members
                    .entry(member.user.clone())
                    .or_default()
                    .extend(member.queues.iter().cloned());
            }
        }
        let of_user = |(user, queues): (Id, BTreeSet<Id>)| Membership {
            user,
            queues: queues.into_iter().collect(),
        };
        Change::Members(members.into_iter().map(of_user).collect())
    }

    fn gone(&self) -> Change {
        let mut gone = BTreeSet::new();
        for change in self.all(Kind::Gone) {
            let Change::Gone(own) = change else { continue };
            gone.extend(own.iter().cloned());
        }
        Change::Gone(gone.into_iter().collect())
    }

    /// Topics that a reader was refused and that no other covers.
    fn refused(&self) -> Change {
        let mut all = BTreeMap::new();
        let mut earliest: Option<Moment> = None;
        for change in self.all(Kind::Refused) {
            let Change::Refused { topics, since, .. } = change else {
                continue;
            };
            let uncovered = topics
                .iter()
                .filter(|(topic, _)| self.coverage.covers_now(topic).is_none());
            all.extend(uncovered.map(|(topic, why)| (topic.clone(), why.clone())));
            earliest = Some(earliest.map_or(*since, |earliest| earliest.min(*since)));
        }
        Change::Refused {
            line: 0,
            topics: all,
            since: earliest.unwrap_or(Moment::from_epoch_ms(0)),
        }
    }

    /// REST gave what was before, once it did so for all readers.
    fn tell_covered_from(&mut self, effects: &mut Vec<Effect>) {
        let all: Option<Vec<Moment>> = self.readers.values().map(|reader| reader.covered_from).collect();
        let at = all.and_then(|all| all.into_iter().max());
        if at.is_some() && at != self.covered_from {
            self.covered_from = at;
            effects.extend(at.map(|at| Effect::Change(Change::CoveredFrom { at })));
        }
    }
}

/// The number under which the dashboard knows a reader: as that of a connection.
pub(super) fn connection(reader: usize) -> u32 {
    u32::try_from(reader + 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::entry::{About, Content, EntryId};
    use super::*;

    fn at(secs: i64) -> Moment {
        Moment::from_epoch_ms(secs * 1000)
    }

    fn entry(n: u64, secs: i64, what: What) -> Entry {
        let id = EntryId { ms: n, seq: 0 };
        Entry {
            id,
            n,
            content: Some(Content { at: at(secs), what }),
        }
    }

    fn about(run: &str, changes: Vec<Change>) -> What {
        What::About(Box::new(About {
            run: run.to_owned(),
            version: String::new(),
            share: String::new(),
            changes,
            gaps: Vec::new(),
        }))
    }

    fn waiting(count: u32) -> What {
        let text = format!(
            r#"{{"topic":"t","kind":"queue_observation","queue":"q","facts":{{"observations":{{"queue":"q","rows":[{{"metric":"oWaiting","stats":{{"count":{count}.0}}}}]}}}}}}"#
        );
        What::Event(Box::new(serde_json::from_str(&text).unwrap()))
    }

    fn covered(since: i64) -> Change {
        Change::Covered {
            line: 0,
            topics: vec!["t".to_owned()],
            since: at(since),
        }
    }

    fn events(effects: &[Effect]) -> Vec<usize> {
        let reader = |effect: &Effect| match effect {
            Effect::Event { reader, .. } => Some(*reader),
            _ => None,
        };
        effects.iter().filter_map(reader).collect()
    }

    #[test]
    fn undated_facts_come_from_one_covering_reader() {
        let mut joined = Joined::default();
        for reader in 0..3 {
            joined.take(reader, entry(1, 0, about("r", vec![covered(0)])));
        }
        let mut told = Vec::new();
        for (n, count) in [(2, 3), (3, 4), (4, 3)] {
            for reader in [1, 0, 2] {
                let effects = joined.take(reader, entry(n, 1, waiting(count)));
                told.extend(events(&effects));
            }
        }
        assert_eq!(told, [0, 0, 0]);
        // The next one tells what it said last.
        assert_eq!(events(&joined.silent(0)), [1]);
        assert_eq!(events(&joined.take(1, entry(5, 2, waiting(5)))), [1]);
    }

    #[test]
    fn what_readers_subscribe_is_joined_and_told_when_it_changes() {
        let queue = |id: &str| Queue {
            id: Id::new(id),
            name: None,
            service_levels: Vec::new(),
        };
        let mut joined = Joined::default();
        let told = |effects: Vec<Effect>| -> Vec<Change> {
            let change = |effect| match effect {
                Effect::Change(change @ (Change::Queues(_) | Change::Users(_))) => Some(change),
                _ => None,
            };
            effects.into_iter().filter_map(change).collect()
        };
        let users = |id: &str, name: Option<&str>| Change::Users([(Id::new(id), name.map(str::to_owned))].into());
        let one = joined.take(
            0,
            entry(
                1,
                0,
                about("r", vec![Change::Queues(vec![queue("b")]), users("u", None)]),
            ),
        );
        assert_eq!(told(one), [Change::Queues(vec![queue("b")]), users("u", None)]);
        let other = joined.take(
            1,
            entry(1, 0, What::Change(Change::Queues(vec![queue("a"), queue("b")]))),
        );
        assert_eq!(told(other), [Change::Queues(vec![queue("a"), queue("b")])]);
        assert_eq!(
            told(joined.take(0, entry(2, 1, about("r", vec![Change::Queues(vec![queue("b")])])))),
            []
        );
        assert_eq!(
            told(joined.take(1, entry(2, 1, What::Change(users("u", Some("Lena")))))),
            [users("u", Some("Lena"))]
        );
    }

    #[test]
    fn numbers_that_cannot_be_are_left_out() {
        let mut joined = Joined::default();
        let line = Change::Covered {
            line: LINES,
            topics: vec!["t".to_owned()],
            since: at(0),
        };
        let effects = joined.take(0, entry(u64::MAX, 0, about("r", vec![line])));
        assert!(!format!("{effects:?}").contains("Covered"), "{effects:?}");
        joined.take(0, entry(0, 1, What::Cover { to: Some(at(1)) }));
    }

    #[test]
    fn what_was_before_the_retained_part_is_not_covered() {
        let mut joined = Joined::default();
        let effects = joined.take(0, entry(900, 50, about("r", vec![covered(10)])));
        let since = effects.iter().find_map(|effect| match effect {
            Effect::Change(Change::Covered { since, .. }) => Some(*since),
            _ => None,
        });
        assert_eq!(since, Some(at(50)));
        // Numbers that are missing are a gap.
        joined.take(0, entry(901, 60, What::Cover { to: Some(at(60)) }));
        let effects = joined.take(0, entry(903, 70, What::Cover { to: Some(at(70)) }));
        let opened = |effects: &[Effect], since: i64| {
            let mut all = effects.iter();
            all.any(|effect| matches!(effect, Effect::Change(Change::GapOpened { from, .. }) if *from == at(since)))
        };
        assert!(opened(&effects, 60), "{effects:?}");
        // So is an entry of another version.
        let unreadable = Entry {
            content: None,
            ..entry(904, 75, What::Cover { to: None })
        };
        let effects = joined.take(0, unreadable);
        assert!(opened(&effects, 70), "{effects:?}");
        let effects = joined.take(0, entry(905, 80, What::Cover { to: Some(at(80)) }));
        let closed = effects
            .iter()
            .any(|effect| matches!(effect, Effect::Change(Change::GapClosed { to, .. }) if *to == at(80)));
        assert!(closed, "{effects:?}");
    }
}
