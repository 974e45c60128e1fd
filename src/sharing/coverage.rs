//! The join of what all readers cover: a topic's gap is what none of them covered and REST did not repair.
//!
//! In: what each reader covers, its gaps, which reader is heard · Out: gaps to open, to close, and those that are filled
//! · Thread: any (pure).
//!
//! All times are the service's. For each topic a reader covers stretches of time: from when it was subscribed, or heard
//! again, until the reader was last known to cover it; less the reader's gaps; and the gaps that the reader repaired.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::Moment;
use crate::event::gap::{Gap, GapTopics};

/// Stretches in order that neither overlap nor touch. One without an end ends at [`FOREVER`].
type Stretches = Vec<(i64, i64)>;

/// The end of what still goes on.
const FOREVER: i64 = i64::MAX;
/// What is remembered of a reader: stretches that ended, and gaps.
const REMEMBERED: usize = 500;

/// Something to tell the dashboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Nobody covers these topics since `from`.
    Open {
        line: usize,
        topics: GapTopics,
        from: Moment,
        cause: String,
    },
    /// The gap of this line ended.
    Close { line: usize, to: Moment },
    /// The gap of these topics that began at `from` is filled.
    Filled { topics: GapTopics, from: Moment },
}

/// What is known of all readers.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    readers: BTreeMap<usize, Reader>,
    told: Vec<Told>,
    /// Topics that a reader does not subscribe any more.
    left: BTreeSet<String>,
    lines: usize,
    is_dirty: bool,
}

#[derive(Debug, Default)]
struct Reader {
    /// Topics of its lines, and since when.
    lines: BTreeMap<usize, Arc<BTreeMap<String, i64>>>,
    /// What it covered until then, before its process ended or entries were missing.
    before: Vec<Ended>,
    gaps: BTreeMap<(String, u64), ReaderGap>,
    /// Until when it covers its topics, where it is not heard any more.
    until: Option<i64>,
    /// The newest moment up to which it said that it covers them.
    proven: Option<i64>,
    run: String,
}

/// Topics that a run of a reader covered until then.
#[derive(Debug)]
struct Ended {
    run: String,
    topics: Arc<BTreeMap<String, i64>>,
    until: i64,
}

#[derive(Debug)]
struct ReaderGap {
    /// All where there is none.
    topics: Option<BTreeSet<String>>,
    from: i64,
    to: i64,
    is_repaired: bool,
    cause: String,
}

/// A gap that the dashboard was told.
#[derive(Debug)]
struct Told {
    line: usize,
    topics: GapTopics,
    names: BTreeSet<String>,
    from: i64,
    to: i64,
}

impl Coverage {
    fn reader(&mut self, reader: usize) -> &mut Reader {
        self.is_dirty = true;
        self.readers.entry(reader).or_default()
    }

    /// A process of this reader tells of itself. One that is new ends what the one before it covered.
    pub(super) fn run(&mut self, reader: usize, run: &str) {
        let known = self.reader(reader);
        if known.run != run {
            known.end();
            known.run = run.to_owned();
        }
    }

    /// Entries of this reader are missing: what it covers begins anew at `at`.
    pub(super) fn hole(&mut self, reader: usize, at: Moment) {
        let known = self.reader(reader);
        let lines = known.lines.clone();
        known.end();
        let later = |topics: Arc<BTreeMap<String, i64>>| {
            let begin = |since: &i64| (*since).max(at.epoch_ms());
            Arc::new(
                topics
                    .iter()
                    .map(|(topic, since)| (topic.clone(), begin(since)))
                    .collect(),
            )
        };
        known.lines = lines.into_iter().map(|(line, topics)| (line, later(topics))).collect();
    }

    /// The topics of a line, those that are new since `since`.
    pub(super) fn covered(&mut self, reader: usize, line: usize, topics: &[String], since: Moment) {
        let known = self.reader(reader);
        let before = known.lines.get(&line).cloned().unwrap_or_default();
        let since = since.epoch_ms();
        let of = |topic: &String| (topic.clone(), before.get(topic).copied().unwrap_or(since));
        known.lines.insert(line, Arc::new(topics.iter().map(of).collect()));
        // What is not subscribed any more was covered until now.
        let until = known.proven.unwrap_or(since);
        let gone: BTreeMap<String, i64> = before
            .iter()
            .filter(|(topic, _)| !topics.contains(topic))
            .map(|(topic, since)| (topic.clone(), *since))
            .collect();
        if !gone.is_empty() {
            let names: Vec<String> = gone.keys().cloned().collect();
            known.before.push(Ended {
                run: known.run.clone(),
                topics: Arc::new(gone),
                until,
            });
            self.left.extend(names);
        }
    }

    /// A gap of a reader.
    pub(super) fn gap(&mut self, reader: usize, gap: &Gap) {
        let known = self.reader(reader);
        let topics = match &gap.topics {
            GapTopics::All => None,
            GapTopics::Some(topics) => Some(topics.iter().cloned().collect()),
        };
        let told = ReaderGap {
            topics,
            from: gap.from.epoch_ms(),
            to: gap.to.map_or(FOREVER, Moment::epoch_ms),
            is_repaired: gap.repaired,
            cause: gap.cause.clone(),
        };
        known.gaps.insert((known.run.clone(), gap.id), told);
        if known.gaps.len() > REMEMBERED {
            known.gaps.pop_first();
        }
    }

    /// A reader said that its topics are covered up to `to`.
    pub(super) fn proven(&mut self, reader: usize, to: Option<Moment>) {
        let known = self.readers.entry(reader).or_default();
        known.proven = known.proven.max(to.map(Moment::epoch_ms));
        if known.until.take().is_some() {
            self.is_dirty = true;
        }
    }

    /// Nothing is heard of a reader: it covers its topics up to what it said last.
    pub(super) fn silent(&mut self, reader: usize) {
        let known = self.readers.entry(reader).or_default();
        if known.until.is_none() {
            known.until = Some(known.proven.unwrap_or(i64::MIN));
            self.is_dirty = true;
        }
    }

    /// The first reader that covers a topic now.
    pub(super) fn covers_now(&self, topic: &str) -> Option<usize> {
        let covers = |reader: &Reader| reader.covered(topic).last().is_some_and(|last| last.1 == FOREVER);
        self.readers
            .iter()
            .find(|(_, reader)| covers(reader))
            .map(|(number, _)| *number)
    }

    /// Whether this reader covers a topic now.
    pub(super) fn does_cover(&self, reader: usize, topic: &str) -> bool {
        let known = self.readers.get(&reader);
        known.is_some_and(|known| known.covered(topic).last().is_some_and(|last| last.1 == FOREVER))
    }

    /// What changed since the last call, for the dashboard.
    pub(super) fn take_acts(&mut self) -> Vec<Act> {
        match std::mem::take(&mut self.is_dirty) {
            true => self.compare(),
            false => Vec::new(),
        }
    }

    fn compare(&mut self) -> Vec<Act> {
        let topics: BTreeSet<String> = self.readers.values().flat_map(Reader::topics).cloned().collect();
        let uncovered: BTreeMap<&String, Stretches> =
            topics.iter().map(|topic| (topic, self.uncovered(topic))).collect();
        let mut acts = Vec::new();
        for told in &mut self.told {
            let of_topics = || told.names.iter().filter_map(|topic| uncovered.get(topic)).flatten();
            let overlapping = of_topics().filter(|(from, to)| *from < told.to && *to > told.from);
            let end = overlapping.map(|(_, to)| *to).max();
            if told.to == FOREVER && end != Some(FOREVER) {
                told.to = end.unwrap_or(told.from);
                let to = Moment::from_epoch_ms(told.to);
                acts.push(Act::Close { line: told.line, to });
            }
            if end.is_none() {
                let (topics, from) = (told.topics.clone(), Moment::from_epoch_ms(told.from));
                acts.push(Act::Filled { topics, from });
                told.names.clear();
            }
        }
        self.told.retain(|told| !told.names.is_empty());
        let mut new: BTreeMap<Stretches, BTreeSet<String>> = BTreeMap::new();
        for (topic, stretches) in &uncovered {
            let told = self.told.iter().filter(|told| told.names.contains(*topic));
            let rest = without(stretches, &merged(told.map(|told| (told.from, told.to)).collect()));
            if !rest.is_empty() {
                new.entry(rest).or_default().insert((*topic).clone());
            }
        }
        for (stretches, names) in new {
            let all = match names.len() == topics.len() {
                true => GapTopics::All,
                false => GapTopics::Some(names.iter().cloned().collect()),
            };
            for (from, to) in stretches {
                let (line, begin) = (self.lines, Moment::from_epoch_ms(from));
                self.lines += 1;
                let cause = self.cause(names.first().map_or("", String::as_str), from);
                acts.push(Act::Open {
                    line,
                    topics: all.clone(),
                    from: begin,
                    cause,
                });
                if to != FOREVER {
                    acts.push(Act::Close {
                        line,
                        to: Moment::from_epoch_ms(to),
                    });
                }
                let (topics, names) = (all.clone(), names.clone());
                self.told.push(Told {
                    line,
                    topics,
                    names,
                    from,
                    to,
                });
            }
        }
        if self.told.len() > REMEMBERED {
            let surplus = self.told.len() - REMEMBERED;
            self.told.drain(..surplus);
        }
        acts
    }

    /// When no reader covered a topic, since one did for the first time.
    fn uncovered(&self, topic: &str) -> Stretches {
        let all = self.readers.values().flat_map(|reader| reader.covered(topic)).collect();
        let covered = merged(all);
        let mut uncovered: Stretches = covered.windows(2).map(|two| (two[0].1, two[1].0)).collect();
        let is_wanted = || {
            let mut lines = self.readers.values().flat_map(|reader| reader.lines.values());
            !self.left.contains(topic) || lines.any(|topics| topics.contains_key(topic))
        };
        if let Some(last) = covered.last().filter(|last| last.1 != FOREVER && is_wanted()) {
            uncovered.push((last.1, FOREVER));
        }
        uncovered
    }

    fn cause(&self, topic: &str, from: i64) -> String {
        let mut gaps = self.readers.values().flat_map(|reader| reader.gaps.values());
        let gap = gaps.find(|gap| gap.concerns(topic) && gap.from == from);
        gap.map_or_else(|| "no reader is heard".to_owned(), |gap| gap.cause.clone())
    }
}

impl Reader {
    /// What it covers ends with what it said last.
    fn end(&mut self) {
        let until = self.until.or(self.proven).unwrap_or(i64::MIN);
        for topics in std::mem::take(&mut self.lines).into_values() {
            self.before.push(Ended {
                run: self.run.clone(),
                topics,
                until,
            });
        }
        let surplus = self.before.len().saturating_sub(REMEMBERED);
        self.before.drain(..surplus);
        // A gap that was open is closed by the end of what is covered.
        for gap in self.gaps.values_mut().filter(|gap| gap.to == FOREVER) {
            gap.to = until.max(gap.from);
        }
    }

    fn topics(&self) -> impl Iterator<Item = &String> {
        let before = self.before.iter().map(|ended| &ended.topics);
        self.lines.values().chain(before).flat_map(|topics| topics.keys())
    }

    fn covered(&self, topic: &str) -> Stretches {
        let until = self.until.unwrap_or(FOREVER);
        let now = self
            .lines
            .values()
            .filter_map(|topics| Some((&self.run, (*topics.get(topic)?, until))));
        let ended = |ended: &Ended| Some((*ended.topics.get(topic)?, ended.until));
        let before = self.before.iter().filter_map(|one| Some((&one.run, ended(one)?)));
        // A gap is one of its run: the time before a run was covered by the run before.
        let of_run = |(run, stretch): (&String, (i64, i64))| {
            let gaps = self
                .gaps
                .iter()
                .filter(|((of, _), gap)| of == run && !gap.is_repaired && gap.concerns(topic));
            without(
                &merged(vec![stretch]),
                &merged(gaps.map(|(_, gap)| (gap.from, gap.to)).collect()),
            )
        };
        let mut covered: Stretches = now.chain(before).flat_map(of_run).collect();
        let repaired = self.gaps.values().filter(|gap| gap.is_repaired && gap.concerns(topic));
        covered.extend(repaired.map(|gap| (gap.from, gap.to)));
        merged(covered)
    }
}

impl ReaderGap {
    fn concerns(&self, topic: &str) -> bool {
        self.topics.as_ref().is_none_or(|topics| topics.contains(topic))
    }
}

fn merged(mut stretches: Stretches) -> Stretches {
    stretches.retain(|(from, to)| from < to);
    stretches.sort_unstable();
    let mut all: Stretches = Vec::new();
    for (from, to) in stretches {
        match all.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => all.push((from, to)),
        }
    }
    all
}

/// What of `stretches` is in none of `others`; both are merged.
fn without(stretches: &Stretches, others: &Stretches) -> Stretches {
    let mut left = Vec::new();
    for &(mut from, to) in stretches {
        for &(begin, end) in others {
            if begin >= to || end <= from {
                continue;
            }
            if begin > from {
                left.push((from, begin));
            }
            from = end;
        }
        if from < to {
            left.push((from, to));
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Moment {
        Moment::from_epoch_ms(secs * 1000)
    }

    fn topics(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn gap(id: u64, from: i64, to: Option<i64>, repaired: bool) -> Gap {
        Gap {
            id,
            topics: GapTopics::All,
            from: at(from),
            to: to.map(at),
            cause: format!("cause {id}"),
            repaired,
        }
    }

    fn opened(line: usize, from: i64, cause: &str) -> Act {
        Act::Open {
            line,
            topics: GapTopics::All,
            from: at(from),
            cause: cause.to_owned(),
        }
    }

    fn closed(line: usize, to: i64) -> Act {
        Act::Close { line, to: at(to) }
    }

    fn filled(from: i64) -> Act {
        Act::Filled {
            topics: GapTopics::All,
            from: at(from),
        }
    }

    /// Readers that all cover the same topic since their second.
    fn readers(since: &[i64]) -> Coverage {
        let mut coverage = Coverage::default();
        for (reader, since) in since.iter().enumerate() {
            coverage.run(reader, "first");
            coverage.covered(reader, 0, &topics(&["t"]), at(*since));
        }
        assert_eq!(coverage.take_acts(), []);
        coverage
    }

    #[test]
    fn a_gap_of_one_reader_is_none_while_another_covers() {
        let mut all = readers(&[0, 1]);
        all.gap(0, &gap(1, 10, None, false));
        assert_eq!(all.take_acts(), []);
        all.gap(1, &gap(1, 12, None, false));
        assert_eq!(all.take_acts(), [opened(0, 12, "cause 1")]);
        all.gap(0, &gap(1, 10, Some(20), false));
        assert_eq!(all.take_acts(), [closed(0, 20)]);
        all.gap(1, &gap(1, 12, Some(30), false));
        assert_eq!(all.take_acts(), []);
        all.gap(1, &gap(1, 12, Some(30), true));
        assert_eq!(all.take_acts(), [filled(12)], "one of them repaired it");
    }

    #[test]
    fn a_gap_that_is_told_late_counts_all_the_same() {
        let mut all = readers(&[0, 0]);
        all.gap(0, &gap(1, 10, Some(20), false));
        assert_eq!(all.take_acts(), []);
        // A silence that is noticed after 45 s.
        all.gap(1, &gap(1, 18, None, false));
        assert_eq!(all.take_acts(), [opened(0, 18, "cause 1"), closed(0, 20)]);
    }

    #[test]
    fn a_reader_that_is_not_heard_covers_until_its_last_word() {
        let mut all = readers(&[0, 0]);
        all.proven(0, Some(at(30)));
        all.proven(1, Some(at(31)));
        all.silent(0);
        assert_eq!(all.take_acts(), []);
        all.silent(1);
        assert_eq!(all.take_acts(), [opened(0, 31, "no reader is heard")]);
        // Its entries were only late.
        all.proven(1, Some(at(60)));
        assert_eq!(all.take_acts(), [closed(0, 31), filled(31)]);
    }

    #[test]
    fn a_restarted_reader_repairs_the_time_since_its_last_word() {
        let mut all = readers(&[0]);
        all.proven(0, Some(at(30)));
        all.silent(0);
        assert_eq!(all.take_acts(), [opened(0, 30, "no reader is heard")]);
        all.run(0, "second");
        all.proven(0, Some(at(50)));
        all.gap(0, &gap(1, 30, None, false));
        all.covered(0, 0, &topics(&["t"]), at(60));
        assert_eq!(all.take_acts(), []);
        all.gap(0, &gap(1, 30, Some(60), false));
        assert_eq!(all.take_acts(), [closed(0, 60)]);
        all.gap(0, &gap(1, 30, Some(60), true));
        assert_eq!(all.take_acts(), [filled(30)]);
    }

    #[test]
    fn missing_entries_end_what_a_reader_covers() {
        let mut all = readers(&[0, 40]);
        all.proven(0, Some(at(30)));
        all.hole(0, at(50));
        assert_eq!(all.take_acts(), [opened(0, 30, "no reader is heard"), closed(0, 40)]);
        assert!(all.does_cover(0, "t"));
    }

    #[test]
    fn topics_are_told_apart() {
        let mut all = Coverage::default();
        for reader in 0..2 {
            all.run(reader, "r");
        }
        all.covered(0, 0, &topics(&["a", "b"]), at(0));
        all.covered(1, 0, &topics(&["c"]), at(0));
        let mut mine = gap(1, 5, None, false);
        mine.topics = GapTopics::Some(topics(&["b"]));
        all.gap(0, &mine);
        let open = |line, names: &[&str], from| Act::Open {
            line,
            topics: GapTopics::Some(topics(names)),
            from: at(from),
            cause: "cause 1".to_owned(),
        };
        assert_eq!(all.take_acts(), [open(0, &["b"], 5)]);
        assert_eq!(
            (all.covers_now("a"), all.covers_now("b"), all.covers_now("c")),
            (Some(0), None, Some(1))
        );
        all.gap(1, &gap(1, 7, None, false));
        assert_eq!(all.take_acts(), [open(1, &["c"], 7)]);
        // A topic that its reader does not subscribe any more has no gap.
        all.proven(0, Some(at(9)));
        all.covered(0, 0, &topics(&["b"]), at(10));
        assert_eq!(all.take_acts(), []);
    }

    #[test]
    fn stretches_are_subtracted() {
        let one = |from, to| vec![(from, to)];
        assert_eq!(without(&one(0, 10), &vec![(2, 3), (5, 20)]), [(0, 2), (3, 5)]);
        assert_eq!(without(&one(0, FOREVER), &one(4, 6)), [(0, 4), (6, FOREVER)]);
        assert_eq!(without(&one(0, 4), &one(0, FOREVER)), []);
        assert_eq!(merged(vec![(5, 7), (1, 2), (2, 3), (6, 9), (4, 4)]), [(1, 3), (5, 9)]);
    }
}
