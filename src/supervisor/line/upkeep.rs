//! The upkeep of a line's channels: renewed before their end, given another list of topics, read back.
//!
//! In: the age of a channel, lists that changed, the answers of REST · Out: calls, rotations where they fail · Thread:
//! none of its own (pure).

use std::sync::Arc;
use std::time::Instant;

use super::super::acts::{Answer, Call, CallId, Turn};
use super::super::channels::ChannelKey;
use super::super::policy::Renew;
use super::super::process::Process;
use super::coverage::Until;
use super::request::{Taken, Topics, take_in, unexpected};
use super::{Line, Stage};
use crate::{Error, Moment};

/// A call that changes the topics of a channel that the line uses.
#[derive(Debug)]
pub(super) struct Upkeep {
    call: CallId,
    work: Work,
    channel: ChannelKey,
    topics: Topics,
    /// The process was stopped since it began: its answer tells nothing of the time after.
    is_outdated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// The channel is near its end, and the same topics once more may move that on.
    Renewal,
    /// The topics changed, or the service does not have all of them.
    Subscription,
    /// The subscriptions are read back, since then.
    ReadBack { asked: Moment },
}

impl Upkeep {
    pub(super) fn new(call: CallId, work: Work, channel: ChannelKey, topics: Topics) -> Self {
        Self {
            call,
            work,
            channel,
            topics,
            is_outdated: false,
        }
    }

    pub(super) fn outdate(&mut self) {
        self.is_outdated = true;
    }

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
            self.upkeep = Some(Upkeep::new(call, Work::Renewal, key, topics));
        } else {
            self.replace_old_channel(turn);
        }
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
        self.upkeep = Some(Upkeep::new(call, Work::Subscription, key, topics));
    }

    pub(super) fn on_upkeep_answer(
        &mut self,
        answer: Result<Answer, Error>,
        process: &mut Process,
        turn: &mut Turn<'_>,
    ) {
        let Some(upkeep) = self.upkeep.take() else { return };
        let Upkeep { work, channel, .. } = upkeep;
        let is_used = self.uses(channel);
        let taken_in = match work {
            Work::ReadBack { asked } => {
                match upkeep.is_outdated {
                    true => self.read_back_now(turn.now),
                    false => self.on_read_back((channel, asked), answer, process, turn),
                }
                Ok(None)
            }
            Work::Renewal | Work::Subscription => {
                let subscribed = match answer {
                    Ok(Answer::Subscribed(entities)) => Ok((entities, None)),
                    Ok(Answer::Renewed(entities, expires)) => Ok((entities, expires)),
                    Ok(_) => Err(unexpected("subscribing")),
                    Err(error) => Err(error),
                };
                if let Some(held) = process.channels.get_mut(channel) {
                    // Also after a failure: the rotation that follows puts the list on another channel.
                    held.version = upkeep.topics.version;
                }
                subscribed.map(|(entities, expires)| {
                    // Where all are refused now, another channel would not help.
                    let taken = take_in(&upkeep.topics, &entities, &self.refused, turn);
                    self.on_subscribed(channel, upkeep.is_outdated, taken, process, turn);
                    expires
                })
            }
        };
        if !is_used {
            // It was to be left while the call was under way.
            self.let_go(channel, process, turn);
        }
        match (work, taken_in) {
            (Work::ReadBack { .. }, _) | (Work::Subscription, Ok(_)) => {}
            (Work::Renewal, Ok(Some(expires))) if is_used && self.renewed(channel, expires, process, turn) => {}
            (Work::Renewal, taken_in) => {
                if let Err(error) = taken_in {
                    turn.debug(format!("the channel was not renewed: {error}"));
                }
                if self.current_channel() == Some(channel) {
                    self.replace_old_channel(turn);
                }
            }
            (Work::Subscription, Err(error)) => {
                turn.warn(format!("the subscription was not changed in place: {error}"));
                self.rotate_at(turn.now, Renew::Channel, "the topics were not subscribed in place");
            }
        }
    }

    /// The topics were subscribed on a channel that the line uses.
    fn on_subscribed(
        &mut self,
        channel: ChannelKey,
        is_outdated: bool,
        taken: Taken,
        process: &mut Process,
        turn: &mut Turn<'_>,
    ) {
        self.take_over_answer(channel, taken, process, turn);
        if self.current_channel() != Some(channel) {
            return;
        }
        self.read_back_later(process, turn.now);
        if is_outdated {
            if let Some(held) = process.channels.get_mut(channel) {
                held.is_doubted = true;
            }
            self.read_back_now(turn.now);
        } else if self.is_streaming() {
            if let Some(Until::ReadBack(_) | Until::Subscribed) = self.uncovered_until() {
                self.end_gap(turn.at, turn);
            }
            self.tell_covered(turn.at, process, turn);
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
