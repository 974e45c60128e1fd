//! Supervisors who monitor an agent, and sometimes take the conversation over.
//!
//! In: due actions · Out: facts · Thread: the centre's lock.

use super::facts::{Disconnect, Monitoring, Purpose, Step};
use super::{Action, Begins, Centre};
use crate::simulator::world::ON_QUEUE;

impl Centre {
    pub(super) fn monitor(&mut self, key: u64, whom: usize) {
        let Some((media, queue)) = self
            .stay(key, whom)
            .filter(|s| s.is_talking())
            .map(|s| (s.media, s.queue))
        else {
            return;
        };
        // Team leads, and users who take no conversations now.
        let is_free = |user: &usize| {
            let agent = &self.agents[*user];
            agent.engaged.is_empty() && (self.world.users[*user].lead || agent.presence != ON_QUEUE)
        };
        let free: Vec<usize> = (0..self.agents.len()).filter(is_free).collect();
        let Some(&user) = free.get(self.rng.usize(..free.len().max(1))) else {
            return;
        };
        let stay = self.new_stay(media, queue, Begins::Connected);
        let who = self.join(key, Purpose::User, Some(user), stay);
        if let Some(monitor) = self.participant_mut(key, who) {
            monitor.monitoring = Some(Monitoring { whom, until: None });
        }
        self.engage(user, key, media);
        self.touch(key, Step::UserStart(who));
        let listens = self.between(3_000, 9_000);
        self.after(listens, Action::MonitorEnd(key, who));
    }

    /// The monitor takes over from the agent, or leaves.
    pub(super) fn monitor_end(&mut self, key: u64, who: usize) {
        let now = self.now;
        let Some(monitoring) = self.participant(key, who).and_then(|p| p.monitoring) else {
            return;
        };
        let agent = self.stay(key, monitoring.whom).filter(|s| s.is_talking());
        let agent = agent.and_then(|s| Some((s.queue?, s.media)));
        let takes_over = self.chance(0.45);
        let Some((queue, media)) = agent.filter(|_| takes_over) else {
            return self.agent_leaves(key, who, Disconnect::Peer);
        };
        let Some(monitor) = self.participant_mut(key, who).filter(|p| p.stay().is_talking()) else {
            return;
        };
        monitor.monitoring = Some(Monitoring {
            until: Some(now),
            ..monitoring
        });
        let user = monitor.user;
        self.agent_leaves(key, monitoring.whom, Disconnect::Transfer);
        self.stats.transferred(now, queue, media);
        if let Some(user) = user {
            self.refresh_routing(user);
        }
        let talk = self.between(5_000, 20_000);
        self.after(talk, Action::TalkEnd(key, who));
    }
}
