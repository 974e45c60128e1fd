//! What is subscribed: the listings are read and planned at the start, and again where queues are wanted.
//!
//! In: the answers of the listings, the time · Out: calls for them, a `Plan` · Thread: none of its own (pure).

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use super::acts::{Act, Call, CallId, Listing, Turn};
use super::channels::warn_of_count;
use super::choose;
use super::policy::Renew;
use super::process::{Process, pause_for_token};
use crate::base::inserted::Inserted as _;
use crate::config::{Config, Protocol};
use crate::event::change::{Change, Membership};
use crate::event::queue::Queue;
use crate::net::backoff::Backoff;
use crate::protocol::topic_plan::{TopicPlan, TopicQueues, Wish};
use crate::{Error, Id};

/// What is subscribed, in ids.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    /// Queues of the plan; `None` = all (the listing was not read).
    pub(super) queues: Option<Vec<Id>>,
    /// Topics, one list a channel; one empty list in the other protocols.
    pub(super) topics: TopicPlan,
}

/// See the module.
pub(super) struct Planning {
    step: Step,
    plan: Option<Plan>,
    /// When the listing is to be read again.
    relist_due: Option<Instant>,
    /// Failures before there is a plan.
    backoff: Backoff,
    /// Listings in a row without any queue.
    empty: u32,
    /// The queues that were chosen by name or id; empty where all are meant.
    named: Vec<Queue>,
    /// Those of them that the listing does not contain any more.
    gone: Vec<Id>,
    /// Keys below `thresholds.queues` that were no queue's name or id at the last listing.
    unmatched: Vec<String>,
    /// The hash of the memberships that were told last: mostly they are the same again.
    members: Option<u64>,
    hasher: RandomState,
    /// How much of a listing was told as unreadable: the next ones mostly have the same.
    unreadable: u32,
}

/// After a listing without any queue it is read again; the pause doubles with each, up to that between listings.
const EMPTY_PAUSE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The listing is read when this is due.
    Waiting(Option<Instant>),
    AwaitingToken,
    /// With the token of this number.
    Asking(CallId, u64),
}

impl Planning {
    pub(super) fn new(config: &Config, now: Instant) -> Self {
        Self {
            step: Step::Waiting(Some(now)),
            plan: None,
            relist_due: None,
            backoff: Backoff::new(config.reconnect),
            empty: 0,
            named: Vec::new(),
            gone: Vec::new(),
            unmatched: Vec::new(),
            members: None,
            hasher: RandomState::new(),
            unreadable: 0,
        }
    }

    pub(super) fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }

    pub(super) fn awaits(&self, call: CallId) -> bool {
        matches!(self.step, Step::Asking(own, _) if own == call)
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        match self.step {
            Step::Waiting(due) => due,
            Step::AwaitingToken | Step::Asking(..) => None,
        }
    }

    pub(super) fn on_due(&mut self, process: &mut Process, turn: &mut Turn<'_>) {
        match self.step {
            Step::Waiting(Some(due)) if turn.now >= due => {
                let refresh = process.config.subscribe.refresh;
                self.relist_due = turn.now.checked_add(refresh).filter(|_| follows(&process.config));
            }
            Step::AwaitingToken => {}
            Step::Waiting(_) | Step::Asking(..) => return,
        }
        let Some(token) = process.session.usable(turn.now).cloned() else {
            self.step = Step::AwaitingToken;
            process.session.ask(turn);
            return;
        };
        let is_first = self.plan.is_none();
        let protocol = process.protocol();
        let call = turn.call(Call::Listing {
            token: token.secret,
            known: self.named.clone(),
            verify: is_first && protocol == Protocol::Metrics && process.config.verify,
            count_channels: is_first && protocol == Protocol::Notifications,
        });
        self.step = Step::Asking(call, token.number);
    }

    /// No token could be obtained.
    pub(super) fn on_token_failed(&mut self, error: &Error, process: &mut Process, turn: &mut Turn<'_>) {
        if !matches!(self.step, Step::AwaitingToken) {
            return;
        }
        match self.plan {
            Some(_) => self.step = Step::Waiting(self.relist_due),
            None => self.retry(error, process, turn),
        }
    }

    /// The answer to the call for the listings. Returns whether there is a plan to follow.
    pub(super) fn on_answer(
        &mut self,
        answer: Result<Listing, Error>,
        process: &mut Process,
        turn: &mut Turn<'_>,
    ) -> bool {
        if let Ok(listing) = &answer
            && listing.choice.sees_none
        {
            let pause = self.pause_after_empty(process, turn);
            if self.plan.is_some() || listing.choice.is_unresolved {
                self.wait_for_queues(pause, process, turn);
                return false;
            }
        } else if answer.is_ok() {
            self.empty = 0;
        }
        let planned = answer.and_then(|listing| self.make_plan(listing, &process.config, turn));
        match (planned, &self.plan) {
            (Ok(plan), None) if plan.topics.channels.is_empty() => {
                let pause = self.relist_due.map_or(process.config.subscribe.refresh, |due| {
                    due.saturating_duration_since(turn.now)
                });
                self.wait_for_queues(pause, process, turn);
                false
            }
            (Ok(plan), _) => {
                self.plan = Some(plan);
                self.step = Step::Waiting(self.relist_due);
                true
            }
            (Err(error), None) => {
                self.retry(&error, process, turn);
                false
            }
            (Err(error), Some(_)) => {
                if error.status() == Some(401) {
                    process.session.renew_soon(turn);
                }
                turn.warn(format!("the listing of queues was not read again: {error}"));
                turn.audit_error(&error);
                self.step = Step::Waiting(self.relist_due);
                false
            }
        }
    }

    /// The client sees no queue: the listing is read again soon. Returns after which pause.
    fn pause_after_empty(&mut self, process: &Process, turn: &mut Turn<'_>) -> Duration {
        let refresh = process.config.subscribe.refresh;
        let pause = EMPTY_PAUSE.saturating_mul(1 << self.empty.min(20)).min(refresh);
        self.empty += 1;
        self.relist_due = turn.now.checked_add(pause);
        turn.warn(format!(
            "the listing has no queue; it is read again in {} s. A guess: the OAuth client needs a role with routing:queue:view for \
             the divisions of your queues",
            pause.as_secs()
        ));
        pause
    }

    /// Without queues the plan stays as it is; where there is none yet, nothing can be subscribed.
    fn wait_for_queues(&mut self, pause: Duration, process: &mut Process, turn: &mut Turn<'_>) {
        self.step = Step::Waiting(Some(turn.now + pause));
        if self.plan.is_none() {
            self.backoff = Backoff::new(process.config.reconnect);
            let reason = if wants_queues(&process.config) {
                "no queue is visible"
            } else {
                "no queue was asked for, and no topic; name queues with --queue"
            };
            process.show_pause(pause, 0, format!("there is nothing to subscribe: {reason}"), turn);
        }
    }

    /// Tells which of the named queues are not listed any more, where that changed.
    fn tell_gone(&mut self, gone: Vec<Id>, turn: &mut Turn<'_>) {
        if self.gone == gone {
            return;
        }
        let name = |id: &Id| {
            let queue = self.named.iter().find(|queue| queue.id == *id);
            queue
                .and_then(|queue| queue.name.clone())
                .unwrap_or_else(|| id.to_string())
        };
        for id in gone.iter().filter(|id| !self.gone.contains(id)) {
            let text = format!("queue {} is not listed any more: its numbers are unknown", name(id));
            turn.audit_error(&text);
            turn.warn(text);
        }
        for id in self.gone.iter().filter(|id| !gone.contains(id)) {
            turn.info(format!("queue {} is listed again", name(id)));
        }
        turn.tell(Change::Gone(gone.clone()));
        self.gone = gone;
    }

    /// Warns of thresholds that hold for no queue, where that changed. A queue without a name may be any of them.
    fn warn_of_thresholds(&mut self, config: &Config, queues: &[Queue], turn: &mut Turn<'_>) {
        let of_thresholds = &config.thresholds.queues;
        if of_thresholds.is_empty() || queues.iter().any(|queue| queue.name.is_none()) {
            return;
        }
        let ids: BTreeSet<&Id> = queues.iter().map(|queue| &queue.id).inserted();
        let folded = |name: &str| name.trim().to_lowercase();
        let names = queues.iter().filter_map(|queue| queue.name.as_deref());
        let names: BTreeSet<String> = names.map(folded).inserted();
        let is_of_none = |key: &&String| !names.contains(&folded(key)) && !ids.contains(&Id::new(key.trim()));
        let unmatched = Vec::from_iter(of_thresholds.keys().filter(is_of_none).cloned());
        for key in unmatched.iter().filter(|key| !self.unmatched.contains(key)) {
            turn.warn(format!(
                "thresholds.queues.{key}: no subscribed queue has this name or id; its thresholds hold for none"
            ));
        }
        self.unmatched = unmatched;
    }

    /// There is no plan yet: tries again after a pause.
    fn retry(&mut self, error: &Error, process: &mut Process, turn: &mut Turn<'_>) {
        let token_number = match self.step {
            Step::Asking(_, number) => number,
            Step::Waiting(_) | Step::AwaitingToken => process.session.number(),
        };
        let failures = self.backoff.on_failure(turn.now);
        let mut pause = turn.pause(&self.backoff, error.retry_after());
        self.step = Step::Waiting(Some(turn.now + pause));
        let Some((renew, cause)) = process.judge(error, self.backoff.exhausted(), turn) else {
            return;
        };
        if renew == Renew::Token {
            process.session.refuse(token_number);
            pause = pause_for_token(pause, failures);
            self.step = Step::Waiting(Some(turn.now + pause));
        }
        process.show_pause(pause, failures, cause, turn);
    }

    /// Counts what cannot be read of the listings, and again only what is more than before.
    fn tell_unreadable(&mut self, unreadable: u32, turn: &mut Turn<'_>) {
        let more = unreadable.saturating_sub(self.unreadable);
        if more > 0 {
            self.unreadable = unreadable;
            turn.warn(format!(
                "{more} entries or names of the listings cannot be read, or are over a limit"
            ));
            turn.tell(Change::Unreadable { count: more });
        }
    }

    fn make_plan(&mut self, listing: Listing, config: &Config, turn: &mut Turn<'_>) -> Result<Plan, Error> {
        #[cfg(feature = "engine")]
        let listing = of_share(listing, config.engine.share);
        let Listing {
            choice,
            users,
            channels,
        } = listing;
        if let Some(error) = &choice.unnamed {
            let text = format!("queues go without their names: {error}");
            match self.plan {
                None => turn.warn(text),
                Some(_) => turn.debug(text),
            }
        }
        self.tell_unreadable(choice.unreadable.saturating_add(users.unreadable), turn);
        let queues = choice.ids();
        if !config.subscribe.all_queues() {
            if choice.listed {
                self.tell_gone(choice.gone, turn);
            }
            self.named = choice.queues.clone().unwrap_or_default();
        }
        match choice.queues {
            Some(chosen) => {
                let queues = with_those_of_topics(config, chosen, &choice.listing);
                self.warn_of_thresholds(config, &queues, turn);
                turn.tell(Change::Queues(queues));
            }
            None => turn.tell(Change::AnyQueue {}),
        }
        if config.protocol != Protocol::Notifications {
            return Ok(Plan {
                queues,
                topics: TopicPlan {
                    channels: vec![Vec::new()],
                },
            });
        }
        if let Some(error) = &users.unnamed {
            turn.warn(format!("users go without their names: {error}"));
        }
        let queues = queues.unwrap_or_default();
        let user_ids: Vec<Id> = users.names.keys().cloned().collect();
        if !users.names.is_empty() {
            turn.tell(Change::Users(users.names));
        }
        if let Some(queues) = users.queues {
            let hash = self.hasher.hash_one(&queues);
            if self.members != Some(hash) {
                self.members = Some(hash);
                let of_user = |(user, queues)| Membership { user, queues };
                turn.tell(Change::Members(queues.into_iter().map(of_user).collect()));
            }
        }
        let wish = Wish {
            queues: &queues,
            users: &user_ids,
            topics: &config.subscribe.topics,
        };
        let before = self.plan.as_ref().map(|plan| plan.topics.clone()).unwrap_or_default();
        let topics = TopicPlan::new(&wish, &before)?;
        turn.act(Act::QueuesForRepair(TopicQueues::of(&wish)));
        match channels {
            Some(Ok(existing)) => warn_of_count(existing, topics.channels.len().max(1), turn),
            Some(Err(error)) => turn.debug(format!("the existing channels were not counted: {error}")),
            None => {}
        }
        Ok(Plan {
            queues: Some(queues),
            topics,
        })
    }
}

/// Whether the listing is read again: queues that are made later are subscribed where all are meant, names follow, and named
/// queues that are gone are told.
fn follows(config: &Config) -> bool {
    wants_queues(config) && config.protocol == Protocol::Notifications
}

/// Whether queues are named, or all are meant.
fn wants_queues(config: &Config) -> bool {
    let subscribe = &config.subscribe;
    subscribe.all_queues() || !subscribe.queues.is_empty()
}

/// What this process takes of all queues and users.
#[cfg(feature = "engine")]
fn of_share(mut listing: Listing, share: crate::config::engine::Share) -> Listing {
    let takes = |id: &Id| share.takes(&id.to_string());
    if let Some(queues) = &mut listing.choice.queues {
        queues.retain(|queue| takes(&queue.id));
    }
    listing.choice.gone.retain(takes);
    listing.users.names.retain(|user, _| takes(user));
    if let Some(queues) = &mut listing.users.queues {
        queues.retain(|user, _| takes(user));
    }
    listing
}

/// The chosen queues, and those that a free topic names.
fn with_those_of_topics(config: &Config, mut chosen: Vec<Queue>, listing: &[Queue]) -> Vec<Queue> {
    let named = TopicQueues::of(&Wish {
        topics: &config.subscribe.topics,
        ..Wish::default()
    });
    for id in named.conversations.into_iter().chain(named.statistics) {
        if chosen.iter().all(|queue| queue.id != id) {
            let listed = listing.iter().find(|queue| queue.id == id).cloned();
            chosen.extend(listed.map_or_else(|| choose::unnamed([id]), |queue| vec![queue]));
        }
    }
    chosen
}

#[cfg(test)]
impl Planning {
    pub(super) fn set_plan(&mut self, plan: Plan) {
        self.plan = Some(plan);
        self.step = Step::Waiting(None);
    }

    /// It awaits something that is under way, or has a time at which it goes on.
    pub(super) fn check(&self, under_way: &super::core::tests::UnderWay) {
        match self.step {
            Step::Waiting(Some(due)) => under_way.wakes_by(due),
            Step::Waiting(None) => assert!(self.plan.is_some(), "it waits for nothing"),
            Step::AwaitingToken => assert!(under_way.is_token_asked, "nobody asks for the token"),
            Step::Asking(call, _) => assert!(under_way.calls.contains(&call), "no call is under way"),
        }
    }
}
