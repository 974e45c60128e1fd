//! Consulting a colleague or an external expert while the customer is on hold, with a conference or a transfer at the end.
//!
//! In: due actions · Out: facts · Thread: the centre's lock.

use super::facts::{Disconnect, Purpose, Step};
use super::{Action, Begins, Centre};
use crate::simulator::world::Media;

impl Centre {
    /// Puts the customer on hold and calls a free colleague or an external expert.
    pub(super) fn consult(&mut self, key: u64, who: usize) {
        if !self.stay(key, who).is_some_and(|s| s.is_talking()) {
            return;
        }
        // The colleague who called a queue stands on the customer's side only while no external expert takes part.
        let from_inside = self.conversations.get(&key).is_none_or(|c| c.is_from_inside());
        if self.chance(0.2) && !from_inside {
            self.hold(key, who);
            let rings = self.between(2_000, 5_000);
            self.after(rings, Action::ExternalAnswer(key, who));
            return;
        }
        let free: Vec<usize> = (0..self.agents.len())
            .filter(|&u| self.agents[u].can_take(Media::Voice))
            .collect();
        let Some(&colleague) = free.get(self.rng.usize(..free.len().max(1))) else {
            return;
        };
        self.hold(key, who);
        let stay = self.new_stay(Media::Voice, None, Begins::Alerting);
        let second = self.join(key, Purpose::User, Some(colleague), stay);
        if let Some(participant) = self.participant_mut(key, second) {
            participant.consulted_by = Some(who);
        }
        self.engage(colleague, key, Media::Voice);
        self.touch(key, Step::UserStart(second));
        let rings = self.between(800, 3_000);
        self.after(rings, Action::ConsultAnswer(key, second));
    }

    pub(super) fn consult_answer(&mut self, key: u64, second: usize) {
        let now = self.now;
        let Some(stay) = self.stay_mut(key, second).filter(|s| s.is_alerting()) else {
            return;
        };
        stay.connected = Some(now);
        let user = self.participant(key, second).and_then(|p| p.user);
        self.touch(key, Step::Other);
        if let Some(user) = user {
            self.refresh_routing(user);
        }
        let advice = self.between(4_000, 11_000);
        self.after(advice, Action::ConsultEnd(key, second));
    }

    /// The external expert answers and joins as a participant.
    pub(super) fn external_answer(&mut self, key: u64, asker: usize) {
        if !self.stay(key, asker).is_some_and(|s| s.is_talking()) {
            return;
        }
        let stay = self.new_stay(Media::Voice, None, Begins::Connected);
        let second = self.join(key, Purpose::External, None, stay);
        if let Some(participant) = self.participant_mut(key, second) {
            participant.consulted_by = Some(asker);
        }
        self.touch(key, Step::Other);
        let advice = self.between(4_000, 11_000);
        self.after(advice, Action::ConsultEnd(key, second));
    }

    pub(super) fn external_leaves(&mut self, key: u64, who: usize) {
        if self.leave(key, who, Disconnect::Endpoint) {
            self.touch(key, Step::Other);
        }
    }

    /// Ends a consultation: the consulted person leaves, takes over the customer, or stays for a conference.
    pub(super) fn consult_end(&mut self, key: u64, second: usize) {
        let Some(participant) = self.participant(key, second).filter(|p| p.stay().is_talking()) else {
            return;
        };
        let Some(asker) = participant.consulted_by else {
            return;
        };
        let way = self.rng.f64();
        let talking = self.stay(key, asker).is_some_and(|s| s.is_talking());
        if talking && way < 0.35 {
            self.hand_over(key, asker, second, Disconnect::ConsultTransfer);
        } else if talking && way < 0.7 {
            self.unhold(key, asker);
            let together = self.between(3_000, 9_000);
            self.after(together, Action::ConferenceEnd(key, second));
        } else {
            self.dismiss(key, second);
            self.unhold(key, asker);
        }
    }

    /// Ends a conference: the consulted person or the agent leaves.
    pub(super) fn conference_end(&mut self, key: u64, second: usize) {
        let Some(participant) = self.participant(key, second).filter(|p| p.stay().is_talking()) else {
            return;
        };
        let asker = participant.consulted_by.unwrap_or(0);
        if self.stay(key, asker).is_some_and(|s| s.is_talking()) && self.chance(0.3) {
            self.hand_over(key, asker, second, Disconnect::ConferenceTransfer);
        } else {
            self.dismiss(key, second);
        }
    }

    fn hand_over(&mut self, key: u64, asker: usize, second: usize, how: Disconnect) {
        self.agent_leaves(key, asker, how);
        let talk = self.between(5_000, 20_000);
        self.after(talk, Action::TalkEnd(key, second));
    }

    fn dismiss(&mut self, key: u64, second: usize) {
        let Some(colleague) = self.participant(key, second).map(|p| p.user) else {
            return;
        };
        self.leave(key, second, Disconnect::Peer);
        match colleague {
            Some(user) => {
                self.touch(key, Step::UserEnd(second));
                self.disengage(user, key);
            }
            None => self.touch(key, Step::Other),
        }
    }
}
