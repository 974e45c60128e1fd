//! The upkeep of a line's channels: renewed before their end, and given another list of topics.
//!
//! In: the age of a channel, lists that changed, the answers of REST · Out: calls, rotations where they fail · Thread:
//! none of its own (pure).

use std::sync::Arc;
use std::time::Instant;

use super::super::acts::{Answer, Call, CallId, Turn};
use super::super::channels::ChannelKey;
use super::super::policy::Renew;
use super::super::process::Process;
use super::request::{Topics, take_in, unexpected};
use super::{Line, Stage};
use crate::{Error, Moment};

/// A call that changes the topics of a channel that the line uses.
#[derive(Debug)]
pub(super) struct Upkeep {
    call: CallId,
    work: Work,
    channel: ChannelKey,
    topics: Topics,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// The channel is near its end, and the same topics once more may move that on.
    Renewal,
    /// The topics changed.
    Subscription,
}

impl Upkeep {
    pub(super) fn awaits(&self, call: CallId) -> bool {
        self.call == call
    }

    pub(super) fn channel(&self) -> ChannelKey {
        self.channel
    }
}

impl Line {
    /// When the channel of the connection is to be renewed.
    pub(super) fn renewal_due(&self, process: &Process) -> Option<Instant> {
        let current = self.current().filter(|current| !current.is_renewal_tried)?;
        let held = process.channels.get(current.channel?)?;
        (self.replacement.is_none() && self.upkeep.is_none())
            .then_some(held.age_due)
            .flatten()
    }

    /// The channel of a running connection is near its end: subscribing again moves that on, or another one takes over.
    pub(super) fn renew_channel(&mut self, process: &mut Process, turn: &mut Turn<'_>) {
        if self.renewal_due(process).is_none_or(|due| turn.now < due) {
            return;
        }
        let Stage::Open(current) = &mut self.stage else { return };
        current.is_renewal_tried = true;
        let (Some(key), token) = (current.channel, current.token.clone()) else {
            return;
        };
        let is_usable = |newest: &super::super::session::HeldToken| newest.number == token.number;
        if process.session.usable(turn.now).is_some_and(is_usable) {
            let topics = self.topics();
            let call = turn.call(Call::RenewChannel {
                token: token.secret,
                channel: process.channels.id(key),
                topics: Arc::clone(&topics.ids),
            });
            self.begin_upkeep(call, Work::Renewal, key, topics);
        } else {
            self.replace_old_channel(turn);
        }
    }

    fn begin_upkeep(&mut self, call: CallId, work: Work, channel: ChannelKey, topics: Topics) {
        self.upkeep = Some(Upkeep {
            call,
            work,
            channel,
            topics,
        });
    }

    fn replace_old_channel(&mut self, turn: &Turn<'_>) {
        self.rotate_at(turn.now, Renew::Channel, "the channel is near its end");
    }

    /// Channels that the line uses get the list of topics that is wanted now.
    pub(super) fn follow_topics(&mut self, process: &mut Process, turn: &mut Turn<'_>) {
        if self.upkeep.is_some() {
            return;
        }
        let next = self.next().and_then(|next| next.channel);
        let outdated = |key: &ChannelKey| {
            let held = process.channels.get(*key);
            held.is_some_and(|held| held.version != self.version)
        };
        let Some(key) = self.channel.into_iter().chain(next).find(outdated) else {
            return;
        };
        // Without a token the session obtains one by itself.
        let Some(token) = process.session.usable(turn.now) else {
            return;
        };
        let topics = self.topics();
        let call = turn.call(Call::Subscribe {
            token: token.secret.clone(),
            channel: process.channels.id(key),
            topics: Arc::clone(&topics.ids),
        });
        self.begin_upkeep(call, Work::Subscription, key, topics);
    }

    pub(super) fn on_upkeep_answer(
        &mut self,
        answer: Result<Answer, Error>,
        process: &mut Process,
        turn: &mut Turn<'_>,
    ) {
        let Some(Upkeep {
            work, channel, topics, ..
        }) = self.upkeep.take()
        else {
            return;
        };
        let taken_in = match answer {
            Ok(Answer::Subscribed(entities)) => take_in(&topics, &entities, turn).map(|()| None),
            Ok(Answer::Renewed(entities, expires)) => take_in(&topics, &entities, turn).map(|()| expires),
            Ok(_) => Err(unexpected("subscribing")),
            Err(error) => Err(error),
        };
        if let Some(held) = process.channels.get_mut(channel) {
            // Also after a failure: the rotation that follows puts the list on another channel.
            held.version = topics.version;
        }
        let is_used = self.uses(channel);
        if !is_used {
            // It was to be left while the call was under way.
            self.let_go(channel, process, turn);
        }
        match (work, taken_in) {
            (Work::Renewal, Ok(Some(expires))) if is_used && self.renewed(channel, expires, process, turn) => {}
            (Work::Renewal, taken_in) => {
                if let Err(error) = taken_in {
                    turn.debug(format!("the channel was not renewed: {error}"));
                }
                if self.current_channel() == Some(channel) {
                    self.replace_old_channel(turn);
                }
            }
            (Work::Subscription, Ok(_)) => {}
            (Work::Subscription, Err(error)) => {
                turn.warn(format!("the subscription was not changed in place: {error}"));
                self.rotate_at(turn.now, Renew::Channel, "the queues changed");
            }
        }
    }

    /// Whether subscribing again has moved the channel's end.
    fn renewed(&mut self, key: ChannelKey, expires: Moment, process: &mut Process, turn: &mut Turn<'_>) -> bool {
        let Some(held) = process.channels.get_mut(key) else {
            return false;
        };
        if held.channel.expires.is_none_or(|before| expires <= before) {
            return false;
        }
        turn.info(format!("channel {}: renewed", held.name()));
        held.expires(expires, turn);
        if let Stage::Open(current) = &mut self.stage
            && current.channel == Some(key)
        {
            current.is_renewal_tried = false;
        }
        true
    }
}
