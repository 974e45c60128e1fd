//! Fills in through REST what the stream could not carry: who was there at the start, and what happened in gaps.
//!
//! In: `Repair` jobs of supervisor and aggregator, token and queues · Out: facts and repaired gaps to the aggregator ·
//! Thread: `gs-repair`, which waits for jobs and for what is due; it ends when the run is stopped, in every state.
//!
//! * One pass serves all gaps that wait: statistics of the queues, conversations of the intervals page by page, then
//!   those that the model has open and that no page showed, by their ids. When all of it succeeded the gaps are repaired.
//! * What REST may show late is asked for twice more ([`schedule`]).
//! * An open conversation of which nothing came for `model.recheck_secs` is asked for by its id.
//! * Live events go on meanwhile: the model joins both, in any order.

mod access;
mod pass;
mod query;
mod schedule;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, select};

use self::access::Access;
use self::pass::{Asker, Found, Over};
use self::query::{Which, span};
use self::schedule::{Again, Schedule, Work};
use super::Supervisor;
use super::line::Line;
use crate::aggregator::{Control, ControlSender, FromRepair, Repair};
use crate::config::Config;
use crate::net::Cancel;
use crate::net::cancel::Never;
use crate::notice::Notice;
use crate::rest::{Limits, RestClient};
use crate::topic_plan::TopicQueues;
use crate::{Error, ErrorKind, Id, Moment, Secret};

/// The recheck looks this many times in its period, so that nothing is asked for much later than configured.
const LOOKS_A_PERIOD: u32 = 10;
/// Between two looks at the least and at the most.
const LOOKS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(60));
/// Conversations that one recheck asks for at the most: some calls, and the next ones later.
const RECHECKED_AT_ONCE: usize = 500;

/// What is asked for again is what ended shortly before: conversations that began this long before a gap, at the most.
/// Older ones were shown by the first pass, or are asked for by their ids.
const LATE_REACH: Duration = Duration::from_secs(3600);

/// What the thread is given.
pub(crate) struct RepairParts<'a> {
    pub(crate) config: Arc<Config>,
    /// The run's client; the repair has connections of its own and shares the budget.
    pub(crate) client: &'a RestClient,
    pub(crate) cancel: Cancel,
    pub(crate) control: ControlSender,
    pub(crate) notices: Sender<Notice>,
    /// Where supervisor and aggregator put jobs.
    pub(crate) jobs: (Sender<Repair>, Receiver<Repair>),
}

/// The running thread, as the supervisor holds it.
pub(crate) struct RepairThread {
    access: Arc<Access>,
    jobs: Sender<Repair>,
    stop: StopOnDrop,
    /// Disconnects when the thread has ended.
    done: Receiver<Never>,
    thread: JoinHandle<()>,
    /// There are queues of which the beginning was not asked for.
    start_due: bool,
}

impl RepairThread {
    /// Starts it.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn spawn(parts: RepairParts<'_>) -> Result<Self, Error> {
        let access = Arc::new(Access::new());
        let (alive, done) = bounded(0);
        let (jobs, inbox) = parts.jobs;
        let cancel = parts.cancel;
        let room = Room {
            asker: Asker {
                client: parts.client.scoped(cancel.clone(), Limits::new(&parts.config).call),
                control: parts.control,
                notices: parts.notices,
                access: Arc::clone(&access),
                cancel: cancel.clone(),
                pauses: parts.config.reconnect,
            },
            inbox,
            schedule: Schedule::default(),
            next_look: Some(Instant::now() + between_looks(&parts.config)),
            rechecked: HashMap::new(),
            observations: Willing::Yes,
            details: Willing::Yes,
            nothing_said: false,
            begun: None,
            config: parts.config,
        };
        let thread = std::thread::Builder::new()
            .name("gs-repair".to_owned())
            .spawn(move || {
                let _alive: Sender<Never> = alive;
                // The stop needs no word of its own.
                let _ = room.run();
            })
            .map_err(|error| Error::new(ErrorKind::Local, "starting the repair's thread", error.to_string()))?;
        Ok(Self {
            access,
            jobs,
            stop: StopOnDrop(cancel),
            done,
            thread,
            start_due: false,
        })
    }

    /// A new token.
    pub(super) fn set_token(&self, token: Secret) {
        self.access.set_token(token);
    }

    /// The queues of a new plan.
    pub(super) fn set_queues(&mut self, queues: TopicQueues) {
        self.start_due |= self.access.set_queues(queues);
    }

    /// The stream is on: asks for the beginning where that is due.
    fn begin(&mut self, at: Moment) {
        if std::mem::take(&mut self.start_due) {
            // A thread that a defect ended takes no jobs.
            let _ = self.jobs.send(Repair::Start { at });
        }
    }

    /// Asks it to end; returns at once.
    pub(super) fn stop(&self) {
        self.stop.0.cancel();
    }

    /// Waits for its end. Returns whether it came by `deadline`.
    pub(super) fn ends_by(self, deadline: Instant) -> bool {
        if let Err(RecvTimeoutError::Timeout) = self.done.recv_deadline(deadline) {
            return false;
        }
        if let Err(panic) = self.thread.join() {
            let what = crate::error::panic_text(&*panic);
            log::error!("repair: a defect ended it: {what}");
        }
        true
    }
}

/// Whoever loses the thread out of sight has stopped it.
struct StopOnDrop(Cancel);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Supervisor {
    /// Asks who waits and talks already, the first time and where queues are new, once all lines stream what they shall.
    pub(super) fn baseline(&mut self) {
        let is_settled = |line: &Line| line.is_streaming() && line.rotation.is_none() && line.next.is_none();
        if self.lines.iter().all(is_settled)
            && let Some(repair) = &mut self.repair
        {
            repair.begin(Moment::now());
        }
    }
}

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
struct Room {
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
    /// Ends with [`Over::Stopped`] only.
    fn run(mut self) -> Result<(), Over> {
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
        intervals: &[(Moment, Moment)],
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
