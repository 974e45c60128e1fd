//! Agents: presence, routing status and current conversations.
//!
//! In: due actions, the work of conversations · Out: states and their changes · Thread: the centre's lock.

use super::facts::{Change, Routing};
use super::{Action, Centre};
use crate::simulator::when::Ms;
use crate::simulator::world::{AVAILABLE, Media, OFFLINE, ON_QUEUE};

/// The presences (as indexes) that agents take when they go off queue; repetitions are weights.
const BREAKS: [usize; 8] = [2, 3, 4, 4, 5, 6, 7, AVAILABLE];

/// A user's state.
#[derive(Debug)]
pub(in crate::simulator) struct Agent {
    /// Index of the presence.
    pub presence: usize,
    pub presence_since: Ms,
    pub routing: Routing,
    pub routing_since: Ms,
    pub not_responding: bool,
    /// Keys of the conversations in which the agent alerts, talks or does after-call work, and whether each is digital.
    pub engaged: Vec<(u64, bool)>,
    pub idle_since: Ms,
    lead: bool,
    pending: Option<usize>,
}

impl Agent {
    /// Whether the agent can take a conversation: one voice conversation or two digital ones at a time.
    pub(super) fn can_take(&self, media: Media) -> bool {
        let digital = matches!(media, Media::Message | Media::Email);
        let room = self.engaged.is_empty() || (digital && self.engaged.len() < 2 && self.engaged.iter().all(|e| e.1));
        self.presence == ON_QUEUE && !self.lead && !self.not_responding && self.pending.is_none() && room
    }
}

impl Centre {
    /// Sets the initial state of all users.
    pub(super) fn init_agents(&mut self) {
        for user in 0..self.world.users.len() {
            let is_agent = !self.world.users[user].queues.is_empty();
            let presence = match self.rng.u8(..10) {
                0..7 if is_agent => ON_QUEUE,
                7 | 8 => AVAILABLE,
                _ => OFFLINE,
            };
            let now = self.now;
            self.agents.push(Agent {
                presence,
                presence_since: now,
                routing: if presence == ON_QUEUE {
                    Routing::Idle
                } else {
                    Routing::OffQueue
                },
                routing_since: now,
                not_responding: false,
                engaged: Vec::new(),
                idle_since: now,
                lead: self.world.users[user].lead,
                pending: None,
            });
            if is_agent {
                let first = self.between(1_000, 60_000);
                self.after(first, Action::Presence(user));
            }
        }
    }

    pub(super) fn engage(&mut self, user: usize, key: u64, media: Media) {
        let digital = matches!(media, Media::Message | Media::Email);
        self.agents[user].engaged.push((key, digital));
    }

    pub(super) fn disengage(&mut self, user: usize, key: u64) {
        if let Some(at) = self.agents[user].engaged.iter().position(|e| e.0 == key) {
            self.agents[user].engaged.remove(at);
        }
        self.agents[user].idle_since = self.now;
        if self.agents[user].engaged.is_empty()
            && let Some(presence) = self.agents[user].pending.take()
        {
            self.set_presence(user, presence);
        }
        self.refresh_routing(user);
        self.offer_work(user);
    }

    pub(super) fn recover(&mut self, user: usize) {
        self.agents[user].not_responding = false;
        self.refresh_routing(user);
        self.offer_work(user);
    }

    /// Derives the routing status from presence and conversations.
    pub(super) fn refresh_routing(&mut self, user: usize) {
        let mut talking = false;
        let mut consulted = false;
        for &(key, _) in &self.agents[user].engaged {
            let Some(conversation) = self.conversations.get(&key) else {
                continue;
            };
            for (who, p, s) in conversation.stays().filter(|(_, p, _)| p.user == Some(user)) {
                let busy = (s.is_talking() || s.after_call.is_open()) && !p.listens_in();
                let at_work = who > 0 && s.queue.is_some();
                talking |= busy && at_work;
                consulted |= busy && !at_work;
            }
        }
        let agent = &mut self.agents[user];
        let routing = if agent.presence != ON_QUEUE {
            Routing::OffQueue
        } else if talking {
            Routing::Interacting
        } else if consulted {
            Routing::Communicating
        } else if agent.not_responding {
            Routing::NotResponding
        } else {
            Routing::Idle
        };
        if routing != agent.routing {
            agent.routing = routing;
            agent.routing_since = self.now;
            self.changes.push(Change::Routing { user });
        }
    }

    pub(super) fn presence_due(&mut self, user: usize) {
        let lead = self.world.users[user].lead;
        let next = if self.agents[user].presence == ON_QUEUE {
            if self.chance(0.02) {
                OFFLINE
            } else {
                BREAKS[self.rng.usize(..BREAKS.len())]
            }
        } else if lead && self.chance(0.4) {
            let other = BREAKS[self.rng.usize(..BREAKS.len())];
            if other == self.agents[user].presence {
                ON_QUEUE
            } else {
                other
            }
        } else {
            ON_QUEUE
        };
        if self.agents[user].engaged.is_empty() {
            self.set_presence(user, next);
            self.refresh_routing(user);
            self.offer_work(user);
        } else {
            self.agents[user].pending = Some(next);
        }
        let stay = match (lead, next == ON_QUEUE) {
            (true, _) => self.between(2_500, 7_000),
            (false, true) => self.between(25_000, 90_000),
            (false, false) => self.between(6_000, 20_000),
        };
        self.after(stay, Action::Presence(user));
    }

    fn set_presence(&mut self, user: usize, presence: usize) {
        let now = self.now;
        let agent = &mut self.agents[user];
        if agent.presence == presence {
            return;
        }
        let (was, is) = (agent.presence == ON_QUEUE, presence == ON_QUEUE);
        agent.presence = presence;
        agent.presence_since = now;
        agent.idle_since = now;
        self.changes.push(Change::Presence { user });
        if was != is {
            self.changes.push(Change::Joined { user, joined: is });
        }
    }
}
