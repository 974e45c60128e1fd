//! The notification channels of a run: which exist, which carry a line, which lie idle for the next that needs one.
//!
//! In: channels that were created, left and lost · Out: the channel that a line uses next · Thread: none of its own
//! (pure).
//!
//! The service has no way to delete a channel, and the 21st of an OAuth client ends another one: so a channel is used
//! again before one is created, as long as its token and its time allow.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::time::{Duration, Instant};

use super::acts::{Answer, Call, CallId, Turn};
use super::policy::{MAX_CLOSED_EARLY, MAX_REUSES};
use super::session::HeldToken;
use crate::rest::channels::{CHANNELS_A_CLIENT, Channel, MANY_CHANNELS};
use crate::{Error, Moment, Secret};

/// A channel is renewed or replaced this long before its end; a short-lived one at 80 % of its life.
const MARGIN: Duration = Duration::from_secs(600);

/// Names a channel of this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ChannelKey(u64);

/// A channel of this run, and what became of it so far.
#[derive(Debug)]
pub(super) struct HeldChannel {
    pub(super) channel: Channel,
    /// The token that created it: the channel ends with it.
    pub(super) token: HeldToken,
    /// Connections after the first.
    pub(super) reuses: u32,
    /// Connections in a row that the peer closed soon after they opened.
    pub(super) closed_early: u32,
    /// It carried a stream: when it is gone before its time, somebody took it.
    pub(super) has_streamed: bool,
    /// When it is to be renewed or replaced.
    pub(super) age_due: Option<Instant>,
    /// Version of the line's topics that is subscribed on it.
    pub(super) version: u32,
    /// The topics that the service accepted last, one by one.
    pub(super) accepted: Vec<String>,
    /// The last moment at which they were known to be subscribed.
    pub(super) verified: Moment,
    /// Something happened since that may have ended the subscriptions: they are to be read back.
    pub(super) is_doubted: bool,
    usage: Usage,
}

/// What a channel is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Usage {
    /// A line has it.
    Line,
    /// Its topics are being removed.
    Leaving(CallId),
    /// It carries nothing and can be used again.
    Idle,
    /// It cannot be used again, because a call that changes its topics may be under way; it ends by itself.
    Abandoned,
}

impl HeldChannel {
    /// Whether it has not expired, as far as is known.
    pub(super) fn is_in_time(&self, at: Moment) -> bool {
        self.channel.expires.is_none_or(|expires| at < expires)
    }

    /// Its name in logs: enough to recognise it in the logs of both programs, and nothing to connect with.
    pub(super) fn name(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.channel.id.reveal().hash(&mut hasher);
        format!("#{:08x}", hasher.finish() as u32)
    }

    pub(super) fn expires(&mut self, expires: Moment, turn: &Turn<'_>) {
        self.channel.expires = Some(expires);
        self.age_due = age_due(&self.channel, turn);
    }
}

/// When the connection on this channel is to be renewed.
fn age_due(channel: &Channel, turn: &Turn<'_>) -> Option<Instant> {
    let left = u64::try_from(channel.expires?.millis_since(turn.at)).ok()?;
    let left = Duration::from_millis(left);
    Some(turn.now + left.saturating_sub(MARGIN).max(left.mul_f64(0.8)).min(left))
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Channels {
    held: BTreeMap<ChannelKey, HeldChannel>,
    next: u64,
}

impl Channels {
    /// A channel was created for a line.
    pub(super) fn add(&mut self, channel: Channel, token: HeldToken, turn: &Turn<'_>) -> ChannelKey {
        let key = ChannelKey(self.next);
        self.next += 1;
        let held = HeldChannel {
            age_due: age_due(&channel, turn),
            channel,
            token,
            reuses: 0,
            closed_early: 0,
            has_streamed: false,
            version: 0,
            accepted: Vec::new(),
            verified: turn.at,
            is_doubted: false,
            usage: Usage::Line,
        };
        self.held.insert(key, held);
        key
    }

    pub(super) fn get(&self, key: ChannelKey) -> Option<&HeldChannel> {
        self.held.get(&key)
    }

    pub(super) fn get_mut(&mut self, key: ChannelKey) -> Option<&mut HeldChannel> {
        self.held.get_mut(&key)
    }

    /// The address and the id of a channel, as a call needs them.
    pub(super) fn id(&self, key: ChannelKey) -> Secret {
        self.get(key)
            .map_or_else(|| Secret::new(""), |held| held.channel.id.clone())
    }

    /// Whether a line can connect to this channel again.
    pub(super) fn serves(&self, key: ChannelKey, token_number: u64, at: Moment) -> bool {
        self.get(key)
            .is_some_and(|held| held.token.number == token_number && held.is_in_time(at))
    }

    fn idle(&self, token_number: u64, now: Instant) -> Option<ChannelKey> {
        let serves = |held: &HeldChannel| {
            held.usage == Usage::Idle
                && held.token.number == token_number
                && held.reuses < MAX_REUSES
                && held.age_due.is_none_or(|due| now < due)
        };
        let found = self.held.iter().rev().find(|(_, held)| serves(held));
        found.map(|(key, _)| *key)
    }

    /// Whether a channel lies idle that a line could use.
    pub(super) fn has_idle(&self, token_number: u64, now: Instant) -> bool {
        self.idle(token_number, now).is_some()
    }

    /// An idle channel, for a line.
    pub(super) fn take_idle(&mut self, token_number: u64, now: Instant) -> Option<ChannelKey> {
        let key = self.idle(token_number, now)?;
        let held = self.held.get_mut(&key)?;
        held.reuses += 1;
        held.usage = Usage::Line;
        Some(key)
    }

    /// Whether a channel will be idle soon.
    pub(super) fn is_leaving_one(&self) -> bool {
        let mut all = self.held.values();
        all.any(|held| matches!(held.usage, Usage::Leaving(_)))
    }

    /// No line uses it any more, and it has no topics.
    pub(super) fn put_idle(&mut self, key: ChannelKey) {
        self.set_usage(key, Usage::Idle);
    }

    /// No line uses it any more, and a call that changes its topics may be under way.
    pub(super) fn abandon(&mut self, key: ChannelKey) {
        self.set_usage(key, Usage::Abandoned);
    }

    fn set_usage(&mut self, key: ChannelKey, usage: Usage) {
        if let Some(held) = self.held.get_mut(&key) {
            held.usage = usage;
        }
    }

    /// The channel does not exist any more.
    pub(super) fn forget(&mut self, key: ChannelKey) {
        self.held.remove(&key);
    }

    /// No line uses it any more: its topics are removed, and it is kept for the next that needs one. Where that fails it
    /// ends by itself.
    pub(super) fn leave(&mut self, key: ChannelKey, token: Option<&HeldToken>, turn: &mut Turn<'_>) {
        let Some(held) = self.held.get_mut(&key) else { return };
        match token {
            Some(token) => {
                let call = turn.call(Call::LeaveChannel {
                    token: token.secret.clone(),
                    channel: held.channel.id.clone(),
                });
                held.usage = Usage::Leaving(call);
            }
            // It ended with its token.
            None => self.forget(key),
        }
    }

    /// The answer to a call that leaves a channel. Returns whether it was one.
    pub(super) fn on_answer(&mut self, call: CallId, answer: &Result<Answer, Error>, turn: &mut Turn<'_>) -> bool {
        let is_it = |held: &HeldChannel| held.usage == Usage::Leaving(call);
        let Some((&key, held)) = self.held.iter().find(|(_, held)| is_it(held)) else {
            return false;
        };
        match answer {
            // One that somebody else may connect to is not used again.
            Ok(Answer::Left(true)) if held.closed_early < MAX_CLOSED_EARLY => self.put_idle(key),
            Ok(_) => self.forget(key),
            Err(error) => {
                let name = held.name();
                turn.debug(format!("the subscriptions of channel {name} are left behind: {error}"));
                // The call may still have its effect later.
                self.abandon(key);
            }
        }
        true
    }

    /// A new token came: what was created by an earlier one and carries nothing ends with that.
    pub(super) fn on_token(&mut self, token_number: u64) {
        self.held
            .retain(|_, held| held.usage == Usage::Line || held.token.number == token_number);
    }

    /// Every channel of this token that may have topics.
    pub(super) fn to_clean(&self, token_number: u64) -> Vec<Channel> {
        let of_token = self.held.values().filter(|held| held.token.number == token_number);
        of_token.map(|held| held.channel.clone()).collect()
    }

    /// Each channel that is being left awaits a call that is under way.
    #[cfg(test)]
    pub(super) fn check(&self, under_way: &super::core::tests::UnderWay) {
        for held in self.held.values() {
            if let Usage::Leaving(call) = held.usage {
                assert!(under_way.calls.contains(&call), "no call is under way");
            }
        }
    }
}

/// Tells when the client's channels are about to run out.
pub(super) fn warn_of_count(existing: usize, needed: usize, turn: &mut Turn<'_>) {
    if existing >= MANY_CHANNELS || existing + needed > CHANNELS_A_CLIENT {
        turn.warn(format!(
            "{existing} of {CHANNELS_A_CLIENT} notification channels of this OAuth client exist already, and this run needs \
             {needed}: one too many ends the channel of another program. Each program needs an OAuth client of its own; \
             channels of earlier runs end within 24 hours"
        ));
    } else {
        turn.debug(format!(
            "{existing} of {CHANNELS_A_CLIENT} notification channels exist already"
        ));
    }
}
