//! What the repair's thread does: jobs as they come, what is due again, what was not seen for long.
//!
//! In: jobs, answers of the aggregator · Out: passes, repaired gaps · Thread: `gs-repair`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, select};

use super::pass::{Asker, Found, Over};
use super::query::{Interval, Which, span};
use super::schedule::{Again, Schedule, Work};
use crate::aggregator::{Control, FromRepair, Repair};
use crate::config::Config;
use crate::topic_plan::TopicQueues;
use crate::{Error, Id, Moment};

/// The recheck looks this many times in its period, so that nothing is asked for much later than configured.
const LOOKS_A_PERIOD: u32 = 10;
/// Between two looks at the least and at the most.
const LOOKS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(60));
/// Conversations that one recheck asks for at the most: some calls, and the next ones later.
const RECHECKED_AT_ONCE: usize = 500;

/// What is asked for again is what ended shortly before: conversations that began this long before a gap, at the most.
/// Older ones were shown by the first pass, or are asked for by their ids.
const LATE_REACH: Duration = Duration::from_secs(3600);

/// Whether the service answers a kind of question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Willing {
    Yes,
    /// It did not last time; that was said.
    NotLately,
    /// It lacks a permission: it is not asked again.
    Never,
}

/// Which time some work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    First,
    /// After a while, for what REST shows late.
    Again,
}

/// The thread's own.
pub(super) struct Room {
    asker: Asker,
    config: Arc<Config>,
    inbox: Receiver<Repair>,
    schedule: Schedule,
    /// When the model is looked at for idle conversations.
    next_look: Option<Instant>,
    /// What was rechecked, and when.
    rechecked: HashMap<Id, Instant>,
    observations: Willing,
    details: Willing,
    nothing_said: bool,
    /// The last start.
    begun: Option<Moment>,
}

impl Room {
    pub(super) fn new(config: Arc<Config>, asker: Asker, inbox: Receiver<Repair>) -> Self {
        Self {
            asker,
            inbox,
            schedule: Schedule::default(),
            next_look: Some(Instant::now() + between_looks(&config)),
            rechecked: HashMap::new(),
            observations: Willing::Yes,
            details: Willing::Yes,
            nothing_said: false,
            begun: None,
            config,
        }
    }

    /// Ends with [`Over::Stopped`] only.
    pub(super) fn run(mut self) -> Result<(), Over> {
        loop {
            let due = [self.schedule.next_due(), self.next_look].into_iter().flatten().min();
            let due = due.map_or_else(crossbeam_channel::never, crossbeam_channel::at);
            let job = select! {
                recv(self.inbox) -> job => Some(job.map_err(|_| Over::Stopped)?),
                recv(due) -> _ => None,
                recv(self.asker.cancel.receiver()) -> _ => return Err(Over::Stopped),
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
    fn gather(&mut self, first: Repair) -> Result<Work, Over> {
        let mut work = Work::default();
        for job in std::iter::once(first).chain(self.inbox.try_iter()) {
            match job {
                Repair::Start { at } => {
                    work.starts.push(at);
                    self.begun = Some(at);
                    let day = self.asker.ask(|answer| FromRepair::DayStart { at, answer })?;
                    if let Some(midnight) = day.filter(|_| self.details != Willing::Never) {
                        work.gaps.push((midnight, at));
                        work.covered_from = Some(midnight);
                    }
                }
                Repair::Gap { id, from, to } => {
                    work.add_gap(id, (from, to), self.remembered_since().max(self.begun.unwrap_or(from)));
                }
            }
        }
        Ok(work)
    }

    fn see_to(&mut self, work: Work) -> Result<(), Over> {
        let queues = self.asker.access.queues();
        self.observe(&queues)?;
        if queues.conversations.is_empty() {
            if !std::mem::replace(&mut self.nothing_said, true) {
                log::info!("repair: no queue's conversations are subscribed, there is nothing to ask for");
            }
            return Ok(());
        }
        if self.details == Willing::Never || work.is_empty() {
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
        let mut found = Found::default();
        let open = if work.gaps.is_empty() {
            HashSet::new()
        } else {
            self.open()?
        };
        match self.pass(&work, Round::First, &queues.conversations, open, &mut found) {
            Ok(()) => {}
            Err(Over::Refused(error)) => {
                self.give_up(&error);
                return Ok(());
            }
            Err(Over::Stopped) => return Err(Over::Stopped),
        }
        self.details = Willing::Yes;
        if let Some(from) = work.covered_from {
            self.tell(FromRepair::CoveredFrom(from));
        }
        if !work.ledger.is_empty() {
            self.tell(FromRepair::Repaired(work.ledger.clone()));
        }
        log::info!(
            "repair: done, {} conversations on {} pages in {:.1} s",
            found.conversations,
            found.pages,
            began.elapsed().as_secs_f64()
        );
        let open = self.open()?;
        self.schedule.done_first(work, open, Instant::now());
        Ok(())
    }

    fn see_to_again(&mut self, mut again: Again) -> Result<(), Over> {
        let queues = self.asker.access.queues().conversations;
        if self.details == Willing::Never || queues.is_empty() {
            return Ok(());
        }
        let still = self.open()?;
        again.open.retain(|id| still.contains(id));
        let mut found = Found::default();
        match self.pass(&again.work, Round::Again, &queues, again.open.clone(), &mut found) {
            Ok(()) => log::debug!("repair: asked again, {} conversations", found.conversations),
            Err(Over::Refused(error)) => self.give_up(&error),
            Err(Over::Stopped) => return Err(Over::Stopped),
        }
        self.schedule.done_again(again, Instant::now());
        Ok(())
    }

    /// `open` are conversations of which is to be known what became of them.
    fn pass(
        &self,
        work: &Work,
        round: Round,
        queues: &[Id],
        mut open: HashSet<Id>,
        found: &mut Found,
    ) -> Result<(), Over> {
        let intervals = match round {
            Round::First => work.intervals(),
            Round::Again => work.intervals_since(self.remembered_since()),
        };
        for at in &work.starts {
            self.open_at(*at, queues, &intervals, &mut open, found)?;
        }
        if !work.gaps.is_empty() {
            let (reach, which) = match round {
                Round::First => (self.lookback(), Which::All),
                Round::Again => (LATE_REACH, Which::Newest),
            };
            let span = span(&work.gaps, reach, Moment::now());
            self.asker
                .conversations((span, queues, which), &intervals, &mut open, found)?;
        }
        self.asker.by_ids(open.into_iter().collect(), &intervals, found)
    }

    /// Who was there at a start: conversations without an end, and those with after-call work.
    fn open_at(
        &self,
        at: Moment,
        queues: &[Id],
        intervals: &[Interval],
        open: &mut HashSet<Id>,
        found: &mut Found,
    ) -> Result<(), Over> {
        // Those that are open began within the look-back, whatever is asked for besides.
        let span = span(&[(at, at)], self.lookback(), at);
        let mut ask = |which| self.asker.conversations((span, queues, which), intervals, open, found);
        match ask(Which::Open) {
            // It does not know the filter: everything is asked for, and what was not open does not enter.
            Err(Over::Refused(error)) if error.status() == Some(400) => {
                log::info!("repair: asking for all conversations instead of the open ones: {error}");
                ask(Which::All)
            }
            Ok(()) => match ask(Which::OpenSegment) {
                Err(Over::Refused(error)) if error.status() == Some(400) => {
                    log::debug!("repair: after-call work at the start stays unknown: {error}");
                    Ok(())
                }
                other => other,
            },
            other => other,
        }
    }

    fn observe(&mut self, queues: &TopicQueues) -> Result<(), Over> {
        if self.observations == Willing::Never {
            return Ok(());
        }
        match self.asker.observations(&queues.statistics) {
            Err(Over::Refused(error)) => {
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
    fn recheck(&mut self) -> Result<(), Over> {
        self.next_look = Some(Instant::now() + between_looks(&self.config));
        if self.details == Willing::Never {
            self.next_look = None;
            return Ok(());
        }
        let period = self.config.model.recheck;
        self.rechecked.retain(|_, asked| asked.elapsed() < period);
        let before = Moment::now().minus(period);
        let at_most = self.rechecked.len() + RECHECKED_AT_ONCE;
        let mut idle: Vec<Id> = self.asker.ask(|answer| FromRepair::Idle {
            before,
            at_most,
            answer,
        })?;
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
        match self.asker.by_ids(idle, &[], &mut Found::default()) {
            Err(Over::Refused(error)) => {
                self.give_up(&error);
                Ok(())
            }
            other => other,
        }
    }

    /// What ended since then is still remembered, some time for the pass included; what is older and not remembered may
    /// have been counted and forgotten.
    fn remembered_since(&self) -> Moment {
        Moment::now().minus(self.config.model.retention / 2)
    }

    fn lookback(&self) -> Duration {
        Duration::from_secs(u64::from(self.config.backfill.lookback_days) * 86_400)
    }

    fn open(&self) -> Result<HashSet<Id>, Over> {
        Ok(self.asker.ask(FromRepair::Open)?.into_iter().collect())
    }

    fn tell(&self, message: FromRepair) {
        self.asker.control.send(Control::Repair(message));
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
        Some(401 | 403) => Willing::Never,
        _ => Willing::NotLately,
    }
}
