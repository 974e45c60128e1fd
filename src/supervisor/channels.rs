//! The notification channels of a run: made, used again, renewed, left.
//!
//! In: what a line needs, REST answers · Out: channels with their topics subscribed · Thread: the supervisor's.
//!
//! The service has no way to delete a channel, and its 21st ends another one: so a channel is used again before one is
//! made, as long as its token and its time allow.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::policy::{MAX_CLOSED_EARLY, MAX_REUSES, Renew};
use super::{End, Flow, Supervisor};
use crate::config::Protocol;
use crate::rest::channels::{self, Channel};
use crate::{Error, ErrorKind, Moment, Secret};

/// A channel is renewed or replaced this long before its end; a short-lived one at 80 % of its life.
const MARGIN: Duration = Duration::from_secs(600);
/// Channels of one OAuth client (Genesys' limit, seen 2026-08).
const CHANNELS_A_CLIENT: usize = 20;
/// From so many on, those that exist at the start are worth a warning.
const MANY_CHANNELS: usize = 15;

/// A channel of ours, and what became of it so far.
#[derive(Clone, Debug)]
pub(super) struct HeldChannel {
    pub(super) channel: Channel,
    /// Number of the token that made it: it dies with that.
    pub(super) token: u64,
    /// Connections after the first.
    pub(super) reuses: u32,
    /// Connections in a row that the peer closed soon after they opened.
    pub(super) closed_early: u32,
    /// It carried a stream: when it is gone before its time, somebody took it.
    pub(super) has_streamed: bool,
    /// When it is to be renewed or replaced.
    pub(super) age_due: Option<Instant>,
}

impl HeldChannel {
    fn new(channel: Channel, token: u64, now: Instant) -> Self {
        let age_due = age(&channel).map(|age| now + age);
        Self {
            channel,
            token,
            reuses: 0,
            closed_early: 0,
            has_streamed: false,
            age_due,
        }
    }

    /// Whether it has not expired, as far as we know.
    pub(super) fn is_in_time(&self) -> bool {
        self.channel.expires.is_none_or(|expires| Moment::now() < expires)
    }

    /// Its name in logs: enough to recognise it in the logs of both programs, and nothing to connect with.
    pub(super) fn name(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.channel.id.reveal().hash(&mut hasher);
        format!("#{:08x}", hasher.finish() as u32)
    }
}

/// Why a channel is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Making {
    /// The first of its line, or a rotation.
    Planned,
    /// Something failed: counts against the bound an hour.
    AfterFailure,
}

impl Supervisor {
    /// The line's channel if it still serves, else one with its topics subscribed: one that lies idle, or a new one.
    pub(super) fn channel(
        &mut self,
        at: usize,
        (renew, making): (Renew, Making),
        token: &Secret,
    ) -> Result<HeldChannel, Error> {
        if renew == Renew::Nothing && self.channel_serves(at) {
            let held = self.lines[at].channel.as_mut();
            return held
                .map(|held| {
                    held.reuses += 1;
                    held.clone()
                })
                .ok_or_else(|| Error::new(ErrorKind::Internal, "using a channel again", "it is gone"));
        }
        let held = match self.take_idle() {
            Some(held) => held,
            None => self.make_channel(at, making, token)?,
        };
        let topics = self.lines[at].topics.clone();
        match self.subscribe(at, &held.channel, &topics, token) {
            Ok(()) => {
                log::info!("channel {}: {} topics subscribed", held.name(), topics.len());
                Ok(held)
            }
            Err(error) => {
                if error.status() != Some(404) {
                    self.idle.push(held);
                }
                Err(error)
            }
        }
    }

    /// Whether a reconnect of this line uses the same channel.
    fn channel_serves(&self, at: usize) -> bool {
        let channel = self.lines[at].channel.as_ref();
        channel.is_some_and(|held| held.token == self.token_number && held.is_in_time())
    }

    fn take_idle(&mut self) -> Option<HeldChannel> {
        let (now, token) = (Instant::now(), self.token_number);
        self.idle
            .retain(|held| held.token == token && held.reuses < MAX_REUSES && held.age_due.is_none_or(|due| now < due));
        let mut held = self.idle.pop()?;
        held.reuses += 1;
        Some(held)
    }

    fn make_channel(&mut self, at: usize, making: Making, token: &Secret) -> Result<HeldChannel, Error> {
        if !std::mem::replace(&mut self.channels_counted, true) {
            self.count_channels(token)?;
        }
        let now = Instant::now();
        if making == Making::AfterFailure {
            let wait = self.lines[at].allowance.wait(now);
            if !wait.is_zero() {
                return Err(
                    Error::new(ErrorKind::Transient, "creating a channel", self.bound_reached())
                        .with_retry_after(Some(wait)),
                );
            }
        }
        let channel = channels::create(&self.rest, token)?;
        self.audit_channel(at, &channel);
        if making == Making::AfterFailure {
            self.lines[at].allowance.take(now);
        }
        self.lines[at].ever_had_channel = true;
        Ok(HeldChannel::new(channel, self.token_number, now))
    }

    fn bound_reached(&self) -> String {
        format!(
            "the bound of {} channels an hour after failures is reached (reconnect.max_channels_per_hour)",
            self.config.reconnect.max_channels_per_hour
        )
    }

    /// What a connect of this line may renew, under the bound of channels an hour; or how long to wait, and why.
    pub(super) fn within_bound(&mut self, at: usize, renew: Renew) -> Result<(Renew, Making), (Duration, String)> {
        let line = &self.lines[at];
        let has_ended = line
            .channel
            .as_ref()
            .is_some_and(|held| held.token != self.token_number);
        if self.config.protocol != Protocol::Notifications || !line.ever_had_channel || has_ended {
            return Ok((renew, Making::Planned));
        }
        let serves = self.channel_serves(at);
        let wait = self.lines[at].allowance.wait(Instant::now());
        if wait.is_zero() || !self.idle.is_empty() || (renew == Renew::Nothing && serves) {
            return Ok((renew, Making::AfterFailure));
        }
        if serves {
            log::warn!("{}: the old channel is tried again", self.bound_reached());
            return Ok((Renew::Nothing, Making::AfterFailure));
        }
        Err((wait, self.bound_reached()))
    }

    /// Tells when the client's channels are about to run out. What cannot be counted is no reason not to stream.
    fn count_channels(&mut self, token: &Secret) -> Result<(), Error> {
        let existing = match channels::list(&self.rest, token, channels::Whose::Client) {
            Ok(list) => list.len(),
            Err(error) if error.kind() == ErrorKind::Stopped => return Err(error),
            Err(error) => {
                log::debug!("the existing channels were not counted: {error}");
                return Ok(());
            }
        };
        let needed = self.lines.len().max(1);
        if existing >= MANY_CHANNELS || existing + needed > CHANNELS_A_CLIENT {
            log::warn!(
                "{existing} of {CHANNELS_A_CLIENT} notification channels of this OAuth client exist already, and this run \
                 needs {needed}: one too many ends the channel of another program. Each program needs an OAuth client of \
                 its own; channels of earlier runs end within 24 hours"
            );
        } else {
            log::debug!("{existing} of {CHANNELS_A_CLIENT} notification channels exist already");
        }
        Ok(())
    }

    /// The channel of a running connection is near its end: subscribing again moves that on, or a new one takes over.
    pub(super) fn renew_channel(&mut self, at: usize) -> Flow {
        if let Some(current) = &mut self.lines[at].current {
            current.age_due = None;
        }
        let Some(held) = self.lines[at].channel.clone() else {
            return ControlFlow::Continue(());
        };
        match self.prolonged(at, &held) {
            Ok(Some(channel)) => {
                log::info!("channel {}: renewed", held.name());
                let renewed = HeldChannel {
                    age_due: age(&channel).map(|age| Instant::now() + age),
                    channel,
                    ..held
                };
                let line = &mut self.lines[at];
                if let Some(current) = &mut line.current {
                    current.age_due = renewed.age_due;
                    current.channel = Some(renewed.clone());
                }
                line.channel = Some(renewed);
                self.publish_connections();
                return ControlFlow::Continue(());
            }
            Ok(None) => {}
            Err(error) if error.kind() == ErrorKind::Stopped => return ControlFlow::Break(End::Stopped),
            Err(error) => log::debug!("the channel was not renewed: {error}"),
        }
        self.lines[at].rotate_at(Instant::now(), Renew::Channel, "the channel is near its end");
        ControlFlow::Continue(())
    }

    /// The channel with its new end, where subscribing again gave it one.
    fn prolonged(&mut self, at: usize, held: &HeldChannel) -> Result<Option<Channel>, Error> {
        let token = self.token()?;
        if held.token != self.token_number {
            return Ok(None);
        }
        let topics = self.lines[at].topics.clone();
        self.subscribe(at, &held.channel, &topics, &token)?;
        let list = channels::list(&self.rest, &token, channels::Whose::Token)?;
        let id = held.channel.id.reveal();
        let expires = list
            .into_iter()
            .find(|own| own.id.as_ref().is_some_and(|own| own.reveal() == id));
        Ok(expires.and_then(|own| own.expires).and_then(|expires| {
            let is_later = held.channel.expires.is_some_and(|before| expires > before);
            is_later.then(|| Channel {
                expires: Some(expires),
                ..held.channel.clone()
            })
        }))
    }

    /// Leaves no subscription on a channel that carries nothing any more, and keeps it for the next that needs one.
    /// If it cannot be done, the channel ends by itself.
    pub(super) fn leave_channel(&mut self, at: usize, left: Option<HeldChannel>) {
        let Some(left) = left else { return };
        let line = &self.lines[at];
        let used = line
            .channel
            .iter()
            .chain(line.connections().filter_map(|c| c.channel.as_ref()));
        if used.into_iter().any(|used| used.channel.id == left.channel.id) {
            return;
        }
        let Some(held) = self.token.as_ref() else { return };
        match channels::unsubscribe_all(&self.rest, &held.secret, &left.channel.id) {
            // One that somebody else may connect to is not used again.
            Ok(true) if left.closed_early < MAX_CLOSED_EARLY => self.idle.push(left),
            Ok(_) => {}
            Err(error) => log::debug!("the subscriptions of channel {} are left behind: {error}", left.name()),
        }
    }
}

/// How old a connection on this channel may get.
fn age(channel: &Channel) -> Option<Duration> {
    let left = u64::try_from(channel.expires?.millis_since(Moment::now())).ok()?;
    let left = Duration::from_millis(left);
    Some(left.saturating_sub(MARGIN).max(left.mul_f64(0.8)).min(left))
}
