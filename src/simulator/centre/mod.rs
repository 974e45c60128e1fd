//! The contact centre: a discrete-event simulation of arrivals, queues and agents, the same for the same seed.
//!
//! In: seed, sizes, the time to advance to · Out: facts, states and the changes since the last call · Thread: under one
//! lock.
//!
//! Everything that happens is an action that is due at a certain millisecond; `advance` runs the due actions in order.
//! Random numbers are drawn in that order only, so the facts do not depend on how often or how late `advance` is called.

mod action;
mod arrival;
mod callback;
mod consult;
pub(super) mod facts;
mod flow;
mod monitor;
mod people;
pub(super) mod stats;
mod talk;
mod thread;
mod work;

pub(super) use work::ALERTING_TIMEOUT_MS;

use self::action::Action;
use super::json::Id;
use super::options::Options;
use super::when::{Ms, millis};
use super::world::{Media, World};
use facts::{Before, Change, Conversation, Disconnect, Participant, Purpose, Span, Stay, Step};
use people::Agent;
use stats::Stats;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

/// The most ended conversations that are kept, whatever the retention: about 150 MB.
const MAX_ENDED: usize = 100_000;

/// The state in which a participant joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begins {
    Connected,
    /// Rings at an agent.
    Alerting,
    /// Waits until the queue takes it.
    Delayed,
    /// Waits until the service lets it in.
    Starting,
    /// A callback, due at this time.
    Scheduled(Ms),
}

/// A conversation in a queue.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    key: u64,
    visit: usize,
}

pub(super) struct Centre {
    pub world: Arc<World>,
    rng: fastrand::Rng,
    now: Ms,
    epoch: Ms,
    order: u64,
    due: BinaryHeap<Reverse<(Ms, u64, Action)>>,
    next_key: u64,
    conversations: BTreeMap<u64, Conversation>,
    open: BTreeSet<u64>,
    /// Those that may be forgotten, by their ends.
    ended: BTreeSet<(Ms, u64)>,
    /// Threads whose customers will come back.
    returning: BTreeSet<u64>,
    by_id: HashMap<Id, u64>,
    waiting: Vec<VecDeque<Waiting>>,
    /// Agents who are to have a waiting conversation again.
    wanted: HashMap<u64, usize>,
    pub agents: Vec<Agent>,
    pub stats: Stats,
    rate: f64,
    rate_generation: u64,
    retention: Ms,
    forgotten: u64,
    // The steps of the running action, by conversation.
    touched: Vec<(u64, Step)>,
    changes: Vec<Change>,
}

impl Centre {
    /// A centre that has been running for the warm-up time before `epoch`.
    pub(super) fn new(options: &Options, world: Arc<World>, epoch: Ms) -> Centre {
        let begin = epoch - millis(options.warm_up);
        let rate = options
            .arrivals_per_sec
            .unwrap_or((options.agents as f64 * 0.024).max(0.3));
        let mut centre = Centre {
            rng: fastrand::Rng::with_seed(options.seed ^ 0x6365_6e74_7265_0002),
            now: begin,
            epoch: begin,
            order: 0,
            due: BinaryHeap::new(),
            next_key: 1,
            conversations: BTreeMap::new(),
            open: BTreeSet::new(),
            ended: BTreeSet::new(),
            returning: BTreeSet::new(),
            by_id: HashMap::new(),
            waiting: world.queues.iter().map(|_| VecDeque::new()).collect(),
            wanted: HashMap::new(),
            agents: Vec::new(),
            stats: Stats::new(world.queues.len()),
            rate,
            rate_generation: 0,
            retention: millis(options.retention),
            forgotten: 0,
            touched: Vec::new(),
            changes: Vec::new(),
            world,
        };
        centre.init_agents();
        centre.schedule_arrival();
        centre.advance(epoch);
        centre
    }

    /// The centre's time.
    pub(super) fn now(&self) -> Ms {
        self.now
    }

    /// When the next action is due.
    pub(super) fn next_due(&self) -> Option<Ms> {
        self.due.peek().map(|Reverse((at, _, _))| *at)
    }

    /// Advances the centre to `to`, and returns the changes in order.
    pub(super) fn advance(&mut self, to: Ms) -> Vec<Change> {
        self.advance_some(to, usize::MAX)
    }

    /// Advances the centre towards `to`, but runs at most this many actions; the next call goes on.
    pub(super) fn advance_some(&mut self, to: Ms, most: usize) -> Vec<Change> {
        let mut left = most;
        let mut all = true;
        while let Some(&Reverse((at, _, action))) = self.due.peek() {
            if at > to {
                break;
            }
            if left == 0 {
                all = false;
                break;
            }
            left -= 1;
            self.due.pop();
            self.now = self.now.max(at);
            self.run(action);
            self.settle();
        }
        if all {
            self.now = self.now.max(to);
        }
        self.forget();
        std::mem::take(&mut self.changes)
    }

    /// Sets the mean number of arrivals in a second of the centre's time.
    /// With 0 nobody comes back either, and the callbacks that are not due yet are cancelled.
    pub(super) fn set_rate(&mut self, per_sec: f64) {
        self.rate = per_sec;
        self.rate_generation += 1;
        self.schedule_arrival();
        if per_sec <= 0.0 {
            self.after(0, Action::CancelCallbacks);
        }
    }

    /// Whether new conversations may arrive.
    pub(super) fn has_arrivals(&self) -> bool {
        self.rate > 0.0
    }

    /// All conversations that are kept, in the order of their starts.
    pub(super) fn conversations(&self) -> impl DoubleEndedIterator<Item = &Conversation> {
        self.conversations.values()
    }

    /// Conversations that have not ended.
    pub(super) fn open(&self) -> impl Iterator<Item = &Conversation> {
        self.open.iter().filter_map(|key| self.conversations.get(key))
    }

    /// How many ended conversations are no longer kept.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    pub(super) fn open_count(&self) -> usize {
        self.open.len()
    }

    pub(super) fn conversation(&self, id: &str) -> Option<&Conversation> {
        self.by_id
            .get(&Id::parse(id)?)
            .and_then(|key| self.conversations.get(key))
    }

    /// The user's stays in each of the user's current conversations.
    pub(super) fn work_of(&self, user: usize) -> impl Iterator<Item = &Stay> {
        let engaged = self.agents[user]
            .engaged
            .iter()
            .filter_map(|(key, _)| self.conversations.get(key));
        engaged.flat_map(move |c| {
            c.participants
                .iter()
                .filter(move |p| p.user == Some(user))
                .flat_map(|p| &p.stays)
        })
    }

    fn after(&mut self, delay: Ms, action: Action) {
        self.order += 1;
        self.due.push(Reverse((self.now + delay.max(1), self.order, action)));
    }

    /// A random length between two bounds, in milliseconds.
    fn between(&mut self, low: Ms, high: Ms) -> Ms {
        self.rng.i64(low..=high)
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.rng.f64() < probability
    }

    fn touch(&mut self, key: u64, step: Step) {
        self.touched.push((key, step));
    }

    /// Ends conversations in which nothing is left to do, and adds one change for each touched conversation.
    fn settle(&mut self) {
        while let Some(&(key, _)) = self.touched.first() {
            let mut steps = Vec::new();
            self.touched.retain(|&(other, step)| {
                if other == key {
                    steps.push(step);
                }
                other != key
            });
            let Some(conversation) = self.conversations.get_mut(&key) else {
                continue;
            };
            let over = conversation.participants.iter().all(Participant::is_done);
            if let Some(period) = conversation.periods.last_mut().filter(|p| over && p.end.is_none()) {
                period.end = Some(self.now);
                self.open.remove(&key);
                if !self.returning.contains(&key) {
                    self.ended.insert((self.now, key));
                }
            }
            let users = conversation.users();
            self.changes.push(Change::Conversation {
                at: self.now,
                conversation: conversation.clone(),
                steps,
            });
            for user in users {
                self.changes.push(Change::Load { user });
            }
        }
    }

    fn forget(&mut self) {
        let horizon = self.now - self.retention;
        while let Some(&(end, key)) = self.ended.first() {
            if self.ended.len() <= MAX_ENDED && end >= horizon {
                break;
            }
            self.ended.pop_first();
            if let Some(conversation) = self.conversations.remove(&key) {
                self.by_id.remove(&conversation.id);
                self.forgotten += 1;
            }
        }
    }

    /// A stay that begins now.
    fn new_stay(&mut self, media: Media, queue: Option<usize>, begins: Begins) -> Stay {
        Stay {
            communication: Id::random(&mut self.rng),
            media,
            queue,
            visit: None,
            start: self.now,
            before: match begins {
                Begins::Delayed => Before::Delay,
                Begins::Starting => Before::Contacting,
                _ => Before::Alert,
            },
            scheduled_for: match begins {
                Begins::Scheduled(at) => Some(at),
                _ => None,
            },
            connected: (begins == Begins::Connected).then_some(self.now),
            end: None,
            disconnect: None,
            holds: Vec::new(),
            parks: Vec::new(),
            after_call: facts::AfterCall::default(),
            call_back: None,
        }
    }

    /// Adds a participant. Returns its index.
    fn join(&mut self, key: u64, purpose: Purpose, user: Option<usize>, stay: Stay) -> usize {
        let id = Id::random(&mut self.rng);
        let Some(conversation) = self.conversations.get_mut(&key) else {
            return 0;
        };
        conversation.participants.push(Participant {
            id,
            purpose,
            user,
            consulted_by: None,
            monitoring: None,
            stays: vec![stay],
        });
        conversation.participants.len() - 1
    }

    fn participant(&self, key: u64, who: usize) -> Option<&Participant> {
        self.conversations.get(&key)?.participants.get(who)
    }

    fn participant_mut(&mut self, key: u64, who: usize) -> Option<&mut Participant> {
        self.conversations.get_mut(&key)?.participants.get_mut(who)
    }

    /// The newest stay of a participant.
    fn stay(&self, key: u64, who: usize) -> Option<&Stay> {
        self.participant(key, who).map(Participant::stay)
    }

    fn stay_mut(&mut self, key: u64, who: usize) -> Option<&mut Stay> {
        self.participant_mut(key, who).map(Participant::stay_mut)
    }

    /// Ends a participant's newest stay, with its hold and parking, now. False if it had ended before.
    fn leave(&mut self, key: u64, who: usize, disconnect: Disconnect) -> bool {
        let now = self.now;
        let Some(stay) = self.stay_mut(key, who).filter(|s| s.is_open()) else {
            return false;
        };
        stay.end = Some(now);
        stay.disconnect = Some(disconnect);
        let close = |spans: &mut Vec<Span>| {
            if let Some(span) = spans.last_mut().filter(|s| s.end.is_none()) {
                span.end = Some(now);
            }
        };
        close(&mut stay.holds);
        close(&mut stay.parks);
        if let Some(call) = stay.call_back.as_mut().filter(|call| call.end.is_none()) {
            call.end = Some(now);
        }
        true
    }

    /// Ends the stay of the customer or of the calling colleague.
    fn customer_leaves(&mut self, key: u64, disconnect: Disconnect) {
        if !self.leave(key, 0, disconnect) {
            return;
        }
        self.touch(key, Step::CustomerEnd);
        if let Some(user) = self.participant(key, 0).and_then(|p| p.user) {
            self.disengage(user, key);
        }
    }
}

#[cfg(test)]
mod tests;
