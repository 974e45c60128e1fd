//! What the repair's thread does: jobs as they come, what is due again, what was not seen for long.
//!
//! In: jobs, answers of the aggregator · Out: passes, repaired gaps · Thread: `gs-repair`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, select};

use super::lost::Unknown;
use super::pass::{Aborted, Asker, Findings, Read};
use super::query::{Query, Which, span};
use super::schedule::{Again, Schedule, Work};
use crate::config::Config;
use crate::engine::{Ask, Repair};
use crate::event::change::Change;
use crate::protocol::topic_plan::TopicQueues;
use crate::{Error, Id, Moment};

/// The recheck looks this many times in its period, so that nothing is asked for much later than configured.
const LOOKS_A_PERIOD: u32 = 10;
/// Between two looks at the least and at the most.
const LOOKS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(60));
/// Conversations that one recheck asks for at the most: some calls, and the next ones later.
const RECHECKED_AT_ONCE: usize = 500;

/// Where a service does not sort by ends, this is asked for again: conversations that began this long before a gap, at the
/// most. Older ones were shown by the first pass, or are asked for by their ids.
const LATE_REACH: Duration = Duration::from_secs(3600);
/// Where a service does not know open segments, this is looked through for after-call work: what ended this long before
/// the start, at the most.
const AFTER_CALL_WORK: Duration = Duration::from_secs(3600);
/// A stream that began so long after the program began is a gap until then: what ended in it is asked for, too.
const LATE_START_MS: i64 = 5_000;
/// A service that refused for want of a permission is asked again after this: it may have been given meanwhile.
const PERMISSION_PAUSE: Duration = Duration::from_secs(60);

/// Whether the service answers a kind of question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Willing {
    Yes,
    /// It did not last time; that was said.
    NotLately,
    /// A permission is missing: it is not asked before then.
    NotBefore(Instant),
}

impl Willing {
    fn is_asked(self) -> bool {
        !matches!(self, Self::NotBefore(then) if Instant::now() < then)
    }
}

/// Which time some work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    First,
    /// After a while, for what REST shows late.
    Again,
}

/// The thread's own.
pub(super) struct Worker {
    asker: Asker,
    config: Arc<Config>,
    inbox: Receiver<Repair>,
    schedule: Schedule,
    /// When the model is looked at for idle conversations.
    next_look: Option<Instant>,
    /// What was rechecked, and when.
    rechecked: HashMap<Id, Instant>,
    unknown: Unknown,
    observations: Willing,
    details: Willing,
    nothing_said: bool,
    /// When the program began, by our clock.
    started: Moment,
    /// The last start, by the service's clock.
    begun: Option<Moment>,
    /// The first, by our clock and the service's.
    first_begun: Option<(Moment, Moment)>,
    /// The service does not tell the open ones from others: that is not asked for again.
    unfiltered: bool,
    /// Nor does it sort by ends.
    unsorted: bool,
}

impl Worker {
    pub(super) fn new(config: Arc<Config>, asker: Asker, inbox: Receiver<Repair>) -> Self {
        Self {
            asker,
            inbox,
            schedule: Schedule::default(),
            next_look: Some(Instant::now() + between_looks(&config)),
            rechecked: HashMap::new(),
            unknown: Unknown::default(),
            observations: Willing::Yes,
            details: Willing::Yes,
            nothing_said: false,
            started: Moment::now(),
            begun: None,
            first_begun: None,
            unfiltered: false,
            unsorted: false,
            config,
        }
    }

    /// Ends with [`Aborted::Stopped`] only.
    pub(super) fn run(mut self) -> Result<(), Aborted> {
        loop {
            let due = [self.schedule.next_due(), self.next_look].into_iter().flatten().min();
            let due = due.map_or_else(crossbeam_channel::never, crossbeam_channel::at);
            let job = select! {
                recv(self.inbox) -> job => Some(job.map_err(|_| Aborted::Stopped)?),
                recv(due) -> _ => None,
                recv(self.asker.cancel.receiver()) -> _ => return Err(Aborted::Stopped),
            };
            if let Some(job) = job {
                let work = self.gather(job)?;
                self.see_to(work)?;
            }
            while let Some(again) = self.schedule.take_due(Instant::now()) {
                self.see_to_again(again)?;
            }
            if self.next_look.is_some_and(|due| Instant::now() >= due) {
                self.recheck()?;
            }
        }
    }

    /// This job and all that wait: one pass serves them.
    fn gather(&mut self, first: Repair) -> Result<Work, Aborted> {
        let mut work = Work::default();
        let waiting: Vec<Repair> = self.inbox.try_iter().collect();
        for job in std::iter::once(first).chain(waiting) {
            match job {
                Repair::Start { at } => {
                    let ours = at;
                    let at = self.begins(at)?;
                    work.add_start(at);
                    if self.first_begun.is_none() && ours.millis_since(self.started) >= LATE_START_MS {
                        let started = self.asker.client.clock().surely_by(self.started);
                        work.add_since(started);
                        work.covered_from = Some(started);
                    }
                    self.first_begun.get_or_insert((ours, at));
                    self.begun = Some(at);
                    let day = self.asker.ask(|answer| Ask::DayStart { at, answer })?;
                    if let Some(midnight) = day.filter(|_| self.details.is_asked()) {
                        work.add_since(midnight);
                        work.covered_from = Some(midnight);
                    }
                }
                Repair::Gap { id, from, since } => {
                    let since = match self.first_begun {
                        // The difference of the clocks is not known exactly, but which of the two came first is.
                        Some((ours, service)) if from >= ours => since.max(service),
                        _ => since,
                    };
                    work.add_gap(id, since, self.remembered_since().max(self.begun.unwrap_or(since)));
                }
            }
        }
        Ok(work)
    }

    /// The moment `at` by the service's clock, not too early: what ends later is told by the stream. An answer shows how
    /// the clocks differ.
    fn begins(&mut self, at: Moment) -> Result<Moment, Aborted> {
        let queues = self.asker.access.queues();
        self.observe(&queues)?;
        Ok(self.asker.client.clock().surely_by(at))
    }

    fn see_to(&mut self, work: Work) -> Result<(), Aborted> {
        let queues = self.asker.access.queues();
        if work.start.is_none() {
            self.observe(&queues)?;
        }
        if queues.conversations.is_empty() {
            if !std::mem::replace(&mut self.nothing_said, true) {
                log::info!("repair: no queue's conversations are subscribed, there is nothing to ask for");
            }
            return Ok(());
        }
        if !self.details.is_asked() || work.is_empty() {
            return Ok(());
        }
        let began = Instant::now();
        log::info!(
            "repair: {} of {} queues",
            match work.ledger.len() {
                0 => "the beginning".to_owned(),
                1 => "one gap".to_owned(),
                gaps => format!("{gaps} gaps"),
            },
            queues.conversations.len()
        );
        let open = match work.since {
            None => HashSet::new(),
            Some(_) => self.open()?,
        };
        let mut findings = Findings::new(work.enters_since(), &queues.conversations, open);
        match self.pass(&work, Round::First, &queues.conversations, &mut findings) {
            Ok(()) => {}
            Err(Aborted::Refused(error)) => {
                self.give_up(&error);
                return Ok(());
            }
            Err(Aborted::Stopped) => return Err(Aborted::Stopped),
        }
        self.details = Willing::Yes;
        if let Some(from) = work.covered_from {
            self.tell(Change::CoveredFrom { at: from });
        }
        if !work.ledger.is_empty() {
            self.tell(Change::GapsRepaired {
                ids: work.ledger.clone(),
            });
        }
        log::info!(
            "repair: done, {} conversations in {} answers in {:.1} s",
            findings.conversations,
            findings.pages,
            began.elapsed().as_secs_f64()
        );
        let open = self.open()?;
        self.schedule.done_first(work, open, Instant::now());
        Ok(())
    }

    fn see_to_again(&mut self, mut again: Again) -> Result<(), Aborted> {
        let queues = self.asker.access.queues().conversations;
        if !self.details.is_asked() || queues.is_empty() {
            return Ok(());
        }
        let still = self.open()?;
        again.open.retain(|id| still.contains(id));
        // What is not remembered any more may have been counted and forgotten.
        let since = again.work.enters_since().max(Some(self.remembered_since()));
        let mut findings = Findings::new(since, &queues, again.open.clone());
        match self.pass(&again.work, Round::Again, &queues, &mut findings) {
            Ok(()) => log::debug!("repair: asked again, {} conversations", findings.conversations),
            Err(Aborted::Refused(error)) => self.give_up(&error),
            Err(Aborted::Stopped) => return Err(Aborted::Stopped),
        }
        self.schedule.done_again(again, Instant::now());
        Ok(())
    }

    /// The open ones, those that ended since, and by their ids what no page showed: as much as happened, not as much as
    /// there is. Only a service that does not keep to filter or order is read through.
    fn pass(&mut self, work: &Work, round: Round, queues: &[Id], findings: &mut Findings) -> Result<(), Aborted> {
        let now = self.asker.client.clock().latest(Moment::now());
        let of = |which, from: Moment, reach| Query {
            span: span(from, reach, now),
            queues,
            which,
        };
        let lookback = Duration::from_secs(u64::from(self.config.backfill.lookback_days) * 86_400);
        let from = work.enters_since().unwrap_or(now);
        if !self.unfiltered {
            match self.asker.conversations(of(Which::Open, from, lookback), findings) {
                Ok(Read::Whole) => {}
                Ok(Read::Untrue) => {
                    log::info!("repair: the service does not filter, asking for all conversations");
                    self.unfiltered = true;
                }
                Err(Aborted::Refused(error)) if error.status() == Some(400) => {
                    log::info!("repair: asking for all conversations instead of the open ones: {error}");
                    self.unfiltered = true;
                }
                Err(aborted) => return Err(aborted),
            }
        }
        if self.unfiltered && round == Round::First {
            self.asker.conversations(of(Which::All, from, lookback), findings)?;
        } else {
            if let Some(at) = work.start {
                self.after_call_work(at, of(Which::OpenSegment, at, lookback), findings)?;
            }
            if let Some(since) = work.since {
                let since = since.max(findings.since.unwrap_or(since));
                let is_sorted = self.ended(of(Which::Ended(since), since, lookback), findings)?;
                match round {
                    _ if is_sorted => {}
                    Round::First => drop(self.asker.conversations(of(Which::All, since, lookback), findings)?),
                    Round::Again => {
                        let query = of(Which::Began(since.minus(LATE_REACH)), since, LATE_REACH);
                        // Where it does not sort at all, what is open is asked for by ids still.
                        self.asker.conversations(query, findings)?;
                    }
                }
            }
        }
        self.asker.by_ids(findings.open.iter().cloned().collect(), findings)?;
        Ok(())
    }

    /// Those that ended since; false where the service does not sort by ends.
    fn ended(&mut self, query: Query<'_>, findings: &mut Findings) -> Result<bool, Aborted> {
        if self.unsorted {
            return Ok(false);
        }
        match self.asker.conversations(query, findings) {
            Ok(Read::Whole) => return Ok(true),
            Ok(Read::Untrue) => log::info!("repair: the service does not sort by ends, asking for all conversations"),
            Err(Aborted::Refused(error)) if error.status() == Some(400) => {
                log::info!("repair: asking for all conversations instead of the last to end: {error}");
            }
            Err(aborted) => return Err(aborted),
        }
        self.unsorted = true;
        Ok(false)
    }

    /// Who has after-call work at a start, though the conversation ended.
    fn after_call_work(&mut self, at: Moment, query: Query<'_>, findings: &mut Findings) -> Result<(), Aborted> {
        match self.asker.conversations(query, findings) {
            Ok(Read::Whole) => Ok(()),
            Err(Aborted::Refused(error)) if error.status() != Some(400) => Err(Aborted::Refused(error)),
            Err(Aborted::Stopped) => Err(Aborted::Stopped),
            Ok(Read::Untrue) | Err(Aborted::Refused(_)) => {
                let since = at.minus(AFTER_CALL_WORK);
                let which = Which::Ended(since);
                if !self.ended(Query { which, ..query }, findings)? {
                    let which = Which::Began(since);
                    self.asker.conversations(Query { which, ..query }, findings)?;
                }
                Ok(())
            }
        }
    }

    fn observe(&mut self, queues: &TopicQueues) -> Result<(), Aborted> {
        if !self.observations.is_asked() {
            return Ok(());
        }
        match self.asker.observations(&queues.statistics) {
            Err(Aborted::Refused(error)) => {
                self.observations = refused(self.observations, &error, |error| {
                    log::warn!("the queues' statistics are missing where the stream did not carry them: {error}");
                });
                Ok(())
            }
            other => other,
        }
    }

    /// The service will not answer: gaps stay as they are.
    fn give_up(&mut self, error: &Error) {
        self.details = refused(self.details, error, |error| {
            let advice = match error.status() {
                Some(401 | 403) => ". Give the OAuth client a role with analytics:conversationDetail:view",
                _ => "",
            };
            log::warn!("gaps stay unrepaired: {error}{advice}");
        });
    }

    /// Asks for open conversations of which nothing came for long.
    fn recheck(&mut self) -> Result<(), Aborted> {
        self.next_look = Some(Instant::now() + between_looks(&self.config));
        if !self.details.is_asked() {
            return Ok(());
        }
        let period = self.config.model.recheck;
        self.rechecked.retain(|_, asked| asked.elapsed() < period);
        let before = Moment::now().minus(period);
        let at_most = self.rechecked.len() + RECHECKED_AT_ONCE;
        let mut idle: Vec<Id> = self.asker.ask(|answer| Ask::Idle {
            before,
            at_most,
            answer,
        })?;
        self.unknown.retain(&idle.iter().cloned().collect());
        idle.retain(|id| !self.rechecked.contains_key(id));
        idle.truncate(RECHECKED_AT_ONCE);
        if idle.is_empty() {
            return Ok(());
        }
        log::info!(
            "repair: nothing came of {} open conversations for long, asking",
            idle.len()
        );
        let now = Instant::now();
        self.rechecked.extend(idle.iter().map(|id| (id.clone(), now)));
        let mut findings = Findings::new(None, &[], idle.iter().cloned().collect());
        match self.asker.by_ids(idle, &mut findings) {
            Ok(answered) => {
                let lost = self.unknown.answered(&answered, &findings.open);
                if !lost.is_empty() {
                    log::warn!(
                        "repair: {} open conversations are not known to the service, they leave the live numbers",
                        lost.len()
                    );
                    self.tell(Change::Lost(lost));
                }
                Ok(())
            }
            Err(Aborted::Refused(error)) => {
                self.give_up(&error);
                Ok(())
            }
            Err(Aborted::Stopped) => Err(Aborted::Stopped),
        }
    }

    /// What ended since then is still remembered, some time for the pass included; what is older and not remembered may
    /// have been counted and forgotten.
    fn remembered_since(&self) -> Moment {
        let at = Moment::now().minus(self.config.model.retention / 2);
        self.asker.client.clock().latest(at)
    }

    fn open(&self) -> Result<HashSet<Id>, Aborted> {
        Ok(self.asker.ask(Ask::Open)?.into_iter().collect())
    }

    fn tell(&self, change: Change) {
        self.asker.control.send(change);
    }
}

fn between_looks(config: &Config) -> Duration {
    (config.model.recheck / LOOKS_A_PERIOD).clamp(LOOKS.0, LOOKS.1)
}

/// What a refusal makes of the willingness; it is said once.
fn refused(before: Willing, error: &Error, say: impl FnOnce(&Error)) -> Willing {
    match before {
        Willing::Yes => say(error),
        _ => log::debug!("repair: refused again: {error}"),
    }
    match error.status() {
        Some(401 | 403) => Willing::NotBefore(Instant::now() + PERMISSION_PAUSE),
        _ => Willing::NotLately,
    }
}
