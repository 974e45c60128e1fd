//! Whether the topics are still subscribed.
//!
//! In: confirmed connections, messages of the service, the answers of REST, the time · Out: calls, gaps · Thread: none of
//! its own (pure).
//!
//! They are read back when the channel was connected again, when the service says that they changed, after the process was
//! stopped, and every 10 minutes. What is missing is subscribed again.

use std::time::{Duration, Instant};

use super::super::acts::{Answer, Call, Turn};
use super::super::channels::ChannelKey;
use super::super::process::Process;
use super::Line;
use super::coverage::Until;
use super::request::unexpected;
use super::upkeep::{Upkeep, Work};
use crate::config::ReconnectConfig;
use crate::net::backoff::Backoff;
use crate::protocol::topic_plan::{Entity, missing};
use crate::{Error, Moment};

/// Between two reads.
const PERIOD: Duration = Duration::from_secs(600);
/// The same while a topic is missing from the service's answer.
const PERIOD_OF_MISSING: Duration = Duration::from_secs(60);
/// Between two reads that messages of the service ask for: our own subscriptions cause such messages, too.
const BETWEEN_MESSAGES: Duration = Duration::from_secs(5);
/// A service that answers so often in a row that there is no such thing does not offer the call. Its channels are taken to
/// keep their topics.
const LACKS_AFTER: u32 = 3;
/// Without a token the session asks for one by itself; meanwhile the read waits.
const WITHOUT_TOKEN: Duration = Duration::from_secs(1);

/// When the subscriptions of a line are read back.
#[derive(Debug)]
pub(super) struct ReadBack {
    due: Instant,
    /// When they were read or subscribed last.
    last: Instant,
    /// Refused topics are asked for again, too.
    asks_again: bool,
    backoff: Backoff,
}

impl ReadBack {
    pub(super) fn new(reconnect: ReconnectConfig, now: Instant) -> Self {
        Self {
            due: now,
            last: now,
            asks_again: true,
            backoff: Backoff::new(reconnect),
        }
    }

    /// They are known to be there.
    fn is_done(&mut self, period: Duration, reconnect: ReconnectConfig, now: Instant) {
        *self = Self {
            due: now + period,
            last: now,
            asks_again: true,
            backoff: Backoff::new(reconnect),
        };
    }
}

impl Line {
    /// When the subscriptions are to be read back.
    pub(super) fn read_back_due(&self) -> Option<Instant> {
        let is_possible = self.upkeep.is_none() && self.is_streaming() && self.current_channel().is_some();
        is_possible.then_some(self.read_back.due)
    }

    /// The subscriptions are to be read back at once.
    pub(super) fn read_back_now(&mut self, now: Instant) {
        self.read_back.due = self.read_back.due.min(now);
    }

    /// They were subscribed just now.
    pub(super) fn read_back_later(&mut self, process: &Process, now: Instant) {
        let period = match self.misses_topics() {
            true => PERIOD_OF_MISSING,
            false => PERIOD,
        };
        self.read_back.is_done(period, process.config.reconnect, now);
    }

    /// The service says that the subscriptions of a connection changed.
    pub(super) fn on_subscriptions_changed(&mut self, number: u32, turn: &mut Turn<'_>) {
        if self.current().is_some_and(|current| current.number == number) {
            let due = (self.read_back.last + BETWEEN_MESSAGES).max(turn.now);
            if due < self.read_back.due {
                self.read_back.due = due;
                // Else asking for what is refused would cause the next message, and so on.
                self.read_back.asks_again = false;
            }
        }
    }

    /// Reads them back where that is due.
    pub(super) fn read_subscriptions_back(&mut self, process: &mut Process, turn: &mut Turn<'_>) {
        if self.read_back_due().is_none_or(|due| turn.now < due) {
            return;
        }
        let Some(key) = self.current_channel() else { return };
        let Some(token) = process.session.usable(turn.now) else {
            self.read_back.due = turn.now + WITHOUT_TOKEN;
            return;
        };
        let call = turn.call(Call::ReadBack {
            token: token.secret.clone(),
            channel: process.channels.id(key),
        });
        let asked = turn.at;
        self.upkeep = Some(Upkeep::new(call, Work::ReadBack { asked }, key, self.topics()));
    }

    /// The answer to a call about this channel that began at `asked`.
    pub(super) fn on_read_back(
        &mut self,
        (key, asked): (ChannelKey, Moment),
        answer: Result<Answer, Error>,
        process: &mut Process,
        turn: &mut Turn<'_>,
    ) {
        if self.current_channel() != Some(key) {
            return;
        }
        let listed = match answer {
            Ok(Answer::ReadBack(entities)) => Ok(entities),
            Ok(_) => Err(unexpected("reading the subscriptions back")),
            Err(error) => Err(error),
        };
        match listed {
            Ok(listed) => self.compare(key, asked, &listed, process, turn),
            Err(error)
                if is_lack(&error)
                    && (process.lacks_read_back || self.read_back.backoff.failures() + 1 >= LACKS_AFTER) =>
            {
                if !std::mem::replace(&mut process.lacks_read_back, true) {
                    turn.warn(format!(
                        "the service does not tell which topics are subscribed, so a channel that is connected again is taken \
                         to have kept them: {error}"
                    ));
                }
                self.read_back_later(process, turn.now);
                self.on_read_back_whole(key, process, turn);
            }
            Err(error) => {
                if error.status() == Some(401) {
                    process.session.renew_soon(turn);
                }
                let failures = self.read_back.backoff.on_failure(turn.now);
                let pause = turn.pause(&self.read_back.backoff, error.retry_after());
                self.read_back.due = turn.now + pause;
                let text = format!(
                    "the subscriptions were not read back; next attempt in {:.1} s: {error}",
                    pause.as_secs_f64()
                );
                match failures {
                    1 => turn.warn(text),
                    _ => turn.debug(text),
                }
            }
        }
    }

    fn compare(
        &mut self,
        key: ChannelKey,
        asked: Moment,
        listed: &[Entity],
        process: &mut Process,
        turn: &mut Turn<'_>,
    ) {
        let asks_again = self.read_back.asks_again && !self.refused.is_empty();
        let Some(held) = process.channels.get_mut(key) else {
            return;
        };
        let gone = missing(&held.accepted, listed);
        let known = held.verified;
        if asks_again || !gone.is_empty() {
            // Outdated: the list is sent again.
            held.version = 0;
        }
        if gone.is_empty() {
            held.verified = held.verified.max(asked);
            self.read_back_later(process, turn.now);
            self.on_read_back_whole(key, process, turn);
        } else {
            let is_all = gone.len() == held.accepted.len();
            turn.warn(format!(
                "{} topics are not subscribed any more; subscribing again",
                if is_all {
                    "all".to_owned()
                } else {
                    gone.len().to_string()
                }
            ));
            self.read_back_later(process, turn.now);
            self.on_subscriptions_gone(gone, known, process, turn);
        }
    }

    fn on_read_back_whole(&mut self, key: ChannelKey, process: &mut Process, turn: &mut Turn<'_>) {
        if let Some(held) = process.channels.get_mut(key) {
            held.is_doubted = false;
        }
        if let Some(Until::ReadBack(end)) = self.uncovered_until() {
            self.end_gap(end.unwrap_or(turn.at), turn);
        }
    }
}

/// The service does not offer this call, or not to us.
fn is_lack(error: &Error) -> bool {
    let will_pass = [401, 408, 425, 429];
    error
        .status()
        .is_some_and(|status| status == 501 || (400..500).contains(&status) && !will_pass.contains(&status))
}
