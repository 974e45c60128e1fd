//! Asking a colleague: the customer on hold, advice, or a transfer with it.
//!
//! In: due actions · Out: facts · Thread: the centre's lock.

use super::facts::{Disconnect, Purpose, Step};
use super::{Action, Begins, Centre};
use crate::simulator::world::Media;

impl Centre {
    /// Puts the customer on hold and rings a free colleague.
    pub(super) fn consult(&mut self, key: u64, who: usize) {
        if !self.participant(key, who).is_some_and(|p| p.is_talking()) {
            return;
        }
        let free: Vec<usize> = (0..self.agents.len())
            .filter(|&u| self.agents[u].can_take(Media::Voice))
            .collect();
        let Some(&colleague) = free.get(self.rng.usize(..free.len().max(1))) else {
            return;
        };
        self.hold(key, who);
        let second = self.join(key, Purpose::User, Some(colleague), None, Begins::Alerting);
        if let Some(participant) = self.participant_mut(key, second) {
            participant.consulted_by = Some(who);
        }
        self.engage(colleague, key);
        self.touch(key, Step::UserStart(second));
        let rings = self.between(800, 3_000);
        self.after(rings, Action::ConsultAnswer(key, second));
    }

    pub(super) fn consult_answer(&mut self, key: u64, second: usize) {
        let now = self.now;
        let Some(participant) = self.participant_mut(key, second).filter(|p| p.is_alerting()) else {
            return;
        };
        participant.connected = Some(now);
        let user = participant.user;
        self.touch(key, Step::Other);
        if let Some(user) = user {
            self.refresh_routing(user);
        }
        let advice = self.between(4_000, 11_000);
        self.after(advice, Action::ConsultEnd(key, second));
    }

    /// The colleague gives advice and leaves, or takes the customer over.
    pub(super) fn consult_end(&mut self, key: u64, second: usize) {
        let Some(participant) = self.participant(key, second).filter(|p| p.is_talking()) else {
            return;
        };
        let (Some(asker), Some(colleague)) = (participant.consulted_by, participant.user) else {
            return;
        };
        if self.chance(0.4) && self.participant(key, asker).is_some_and(|p| p.is_talking()) {
            self.agent_leaves(key, asker, Disconnect::ConsultTransfer);
            let talk = self.between(5_000, 20_000);
            self.after(talk, Action::TalkEnd(key, second));
        } else {
            self.leave(key, second, Disconnect::Peer);
            self.touch(key, Step::UserEnd(second));
            self.disengage(colleague, key);
            self.unhold(key, asker);
        }
    }
}
