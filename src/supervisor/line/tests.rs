//! What must hold of a line in every state: nothing waits for what will not come.
//!
//! In: a line, what is under way around it · Out: verdicts · Thread: the test's. The histories are those of the state
//! machine as a whole (`core`).

use super::coverage::Until;
use super::*;
use crate::supervisor::core::tests::UnderWay;

impl Line {
    pub(in crate::supervisor) fn open_connections(&self) -> usize {
        self.connections().count()
    }

    pub(in crate::supervisor) fn has_retiring(&self) -> bool {
        !self.retiring.is_empty()
    }

    pub(in crate::supervisor) fn current_number(&self) -> Option<u32> {
        self.current().map(|current| current.number)
    }

    /// Whether its channel has the topics that are wanted now.
    pub(in crate::supervisor) fn is_up_to_date(&self, process: &Process) -> bool {
        let held = self.channel.and_then(|key| process.channels.get(key));
        held.is_none_or(|held| held.version == self.version)
    }

    /// Whether its topics are covered as far as it knows.
    pub(in crate::supervisor) fn is_covered(&self) -> bool {
        self.is_streaming() && self.uncovered.is_none()
    }

    /// A gap either ends by itself or awaits something that is under way.
    fn check_gap(&self, under_way: &UnderWay, process: &Process) {
        if !self.is_streaming() {
            return;
        }
        let is_asking = self.upkeep.is_some();
        match self.uncovered_until() {
            None => {}
            Some(Until::Connected) => panic!("it is connected"),
            Some(Until::ReadBack(_)) if is_asking => {}
            Some(Until::ReadBack(_)) => under_way.wakes_by(self.read_back_due().expect("it is read back")),
            Some(Until::Subscribed) => assert!(
                is_asking
                    || self.rotation.is_some()
                    || self.replacement.is_some()
                    || !self.is_up_to_date(process) && !under_way.is_token_usable,
                "what is missing is not subscribed"
            ),
            Some(Until::Outlived(due)) => under_way.wakes_by(due),
        }
    }

    /// Each state either awaits something that is under way, or has a time at which it goes on.
    pub(in crate::supervisor) fn check(&self, under_way: &UnderWay, process: &Process) {
        for connection in self.connections() {
            assert!(
                under_way.sockets.contains(&connection.number),
                "a connection that is over"
            );
        }
        match &self.stage {
            Stage::Waiting(due) => under_way.wakes_by(*due),
            Stage::AwaitingToken => assert!(under_way.is_token_asked, "nobody asks for the token"),
            Stage::AwaitingRoom => assert!(
                under_way.is_full && under_way.has_retiring,
                "it waits for room, and nothing makes room"
            ),
            Stage::Requesting(request) => request.check(under_way),
            Stage::Open(_) => {}
        }
        match &self.replacement {
            Some(next) if next.awaits_token() => assert!(under_way.is_token_asked, "nobody asks for the token"),
            Some(next) => match next.open() {
                Some(next) => under_way.wakes_by(next.started + replacement::limit(process)),
                None => assert!(
                    under_way.calls.iter().any(|call| next.awaits(*call)),
                    "no call is under way"
                ),
            },
            None => {}
        }
        if self.replacement.as_ref().is_some_and(|next| next.open().is_some()) {
            assert!(self.current().is_some(), "a replacement of nothing");
        }
        if let Some(rotation) = self
            .rotation
            .filter(|_| self.is_streaming() && self.replacement.is_none())
        {
            let is_held_up = under_way.is_replacing || self.has_retiring() || under_way.is_full || under_way.is_leaving;
            if under_way.now < rotation.due || !is_held_up {
                under_way.wakes_by(rotation.due);
            }
        }
        if let Some(upkeep) = &self.upkeep {
            assert!(
                under_way.calls.iter().any(|call| upkeep.awaits(*call)),
                "no call is under way"
            );
        } else if !self.is_up_to_date(process) {
            assert!(!under_way.is_token_usable, "the topics are not followed");
        }
        self.check_gap(under_way, process);
        if let Some(key) = self.channel {
            assert!(process.channels.get(key).is_some(), "its channel is forgotten");
        }
    }
}

impl Request {
    fn check(&self, under_way: &UnderWay) {
        assert!(
            under_way.calls.iter().any(|call| self.awaits(*call)),
            "no call is under way"
        );
    }
}
