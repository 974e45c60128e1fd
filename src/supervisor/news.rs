//! What the supervisor makes of notices: connections that are confirmed, alive, near their end, or over.
//!
//! In: `Notice` · Out: lines in their next state, `Control` to the aggregator · Thread: the supervisor's.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::line::{Line, Place};
use super::policy::{self, History, Renew, Verdict};
use super::{End, Flow, Supervisor};
use crate::event::change::Change;
use crate::event::notice::{CloseReason, ConnectionNews, Notice};
use crate::model::snapshot::{ConnectionState, GapTopics};
use crate::{Error, ErrorKind, Moment};

/// A connection that the peer closes within this time, or before it is stable, was closed soon after it opened.
const SOON: Duration = Duration::from_secs(10);

/// What is left of a connection.
struct Over {
    confirmed: bool,
    /// Number of its token.
    token: u64,
    lived: Duration,
}

impl Supervisor {
    pub(super) fn on_notice(&mut self, notice: Notice) -> Flow {
        match notice {
            Notice::Stop => ControlFlow::Break(End::Stopped),
            Notice::OutputClosed(name) => {
                log::debug!("output {name}: nobody reads it any more");
                ControlFlow::Break(End::OutputClosed)
            }
            Notice::TokenRefused => {
                self.refresh_token_now();
                ControlFlow::Continue(())
            }
            Notice::AggregatorGone(what) => {
                ControlFlow::Break(End::GaveUp(Error::new(ErrorKind::Internal, "aggregating", what)))
            }
            Notice::Connection { connection, news } => {
                let found = self
                    .lines
                    .iter()
                    .enumerate()
                    .find_map(|(at, line)| line.place_of(connection).map(|place| (at, place)));
                match found {
                    Some((at, place)) => self.on_news(at, place, news),
                    None => ControlFlow::Continue(()),
                }
            }
        }
    }

    fn on_news(&mut self, at: usize, place: Place, news: ConnectionNews) -> Flow {
        match news {
            ConnectionNews::Confirmed(since) => self.on_confirmed(at, place, since),
            ConnectionNews::Alive => {
                if place == Place::Next {
                    self.take_over(at);
                }
            }
            ConnectionNews::SocketClosing => {
                log::info!("the service will close this connection soon");
                self.ends_soon(at, place, "the service closes the socket soon");
            }
            ConnectionNews::TokenRevoked => {
                log::warn!("the token was revoked");
                if let Some(connection) = self.lines[at].at(place) {
                    let token = connection.token;
                    self.drop_token(token);
                }
                self.ends_soon(at, place, "the token was revoked");
            }
            ConnectionNews::Ended { reason, last_frame_at } => return self.on_ended(at, place, &reason, last_frame_at),
        }
        ControlFlow::Continue(())
    }

    fn on_confirmed(&mut self, at: usize, place: Place, since: Moment) {
        let now = Instant::now();
        let Some(connection) = self.lines[at].at(place) else {
            return;
        };
        connection.confirmed = true;
        let number = connection.number;
        self.audit_connection(number, "subscribed", None);
        if place != Place::Current {
            self.publish_connections();
            return;
        }
        let line = &mut self.lines[at];
        if let Some(held) = &mut line.channel {
            held.has_streamed = true;
        }
        if std::mem::replace(&mut line.ever_confirmed, true) {
            self.reconnects += 1;
        }
        line.backoff.on_streaming(now);
        self.ever_streamed = true;
        self.token_is_second_try = false;
        self.keep_up_with_token(at);
        self.control(Change::GapClosed { line: at, to: since });
        let all = self.lines.iter().all(Line::is_streaming);
        if all {
            self.set_state(ConnectionState::Streaming, None, None, None);
        }
        // After the state: whoever sees the reconnect sees the stream on.
        self.publish_connections();
        if all {
            self.baseline();
        }
    }

    fn on_ended(&mut self, at: usize, place: Place, reason: &CloseReason, last_frame_at: Option<Moment>) -> Flow {
        let Some(ended) = self.lines[at].remove(place) else {
            return ControlFlow::Continue(());
        };
        let was_confirmed = ended.confirmed;
        let over = Over {
            confirmed: ended.confirmed,
            token: ended.token,
            lived: ended.started.elapsed(),
        };
        self.control(Change::ConnectionEnded {
            connection: ended.number,
        });
        self.audit_connection(ended.number, "ended", Some(reason));
        ended.reader.cut();
        self.publish_connections();
        let is_gone = policy::channel_is_gone(reason);
        match place {
            Place::Retiring(_) => {
                self.leave_channel(at, ended.channel.filter(|_| !is_gone));
                return ControlFlow::Continue(());
            }
            Place::Next => {
                log::warn!("the replacement ended before it took over: {reason}");
                // What carries the stream goes on, whatever the verdict on the replacement.
                let verdict = policy::after_close(reason, self.history());
                if let Verdict::Retry(Renew::Token) = verdict {
                    self.drop_token(ended.token);
                }
                self.leave_channel(at, ended.channel.filter(|_| !is_gone));
                self.replace_again(at, Renew::Channel);
                return ControlFlow::Continue(());
            }
            Place::Current => {}
        }
        if was_confirmed {
            let topics = match self.lines.len() {
                1 => GapTopics::All,
                _ => GapTopics::Some(self.lines[at].topics.clone()),
            };
            if self.lines[at].next.as_ref().is_some_and(|next| next.confirmed) {
                // The replacement was subscribed before this one ended: nothing is uncovered.
                self.take_over(at);
                self.leave_channel(at, ended.channel.filter(|_| !is_gone));
                return ControlFlow::Continue(());
            }
            let from = last_frame_at.unwrap_or_else(Moment::now);
            self.control(Change::GapOpened {
                line: at,
                topics,
                from,
                cause: reason.to_string(),
            });
        }
        if self.until.end_of_stream && reason.is_normal_end() {
            return ControlFlow::Break(End::ServerEnded);
        }
        if let Some(next) = self.lines[at].next.take() {
            // It is on its way already: it simply becomes the connection.
            let left = std::mem::replace(&mut self.lines[at].channel, next.channel.clone());
            self.lines[at].current = Some(next);
            self.leave_channel(at, left.filter(|_| !is_gone));
            self.set_state(ConnectionState::Connecting, Some(reason.to_string()), None, None);
            return ControlFlow::Continue(());
        }
        self.on_line_ended(at, &over, reason)
    }

    /// Nothing carries the topics of this line any more: what now.
    fn on_line_ended(&mut self, at: usize, ended: &Over, reason: &CloseReason) -> Flow {
        let history = self.history_of(at, ended, reason);
        let line = &mut self.lines[at];
        let channel = match policy::channel_is_gone(reason) {
            true => line.channel.take(),
            false => line.channel.clone(),
        };
        let name = channel.map_or_else(String::new, |held| held.name());
        let asked = match reason {
            CloseReason::Upgrade { retry_after, .. } => *retry_after,
            _ => None,
        };
        line.backoff.on_failure(Instant::now());
        let (exhausted, failures) = (line.backoff.exhausted(), line.backoff.failures());
        let pause = line.backoff.pause(fastrand::f64(), asked);
        let verdict = policy::after_close(reason, history);
        let taken = history.taken;
        match verdict {
            Verdict::GiveUp(error) => ControlFlow::Break(End::GaveUp(error)),
            Verdict::Retry(_) | Verdict::StandBack if exhausted => ControlFlow::Break(End::GaveUp(Error::new(
                ErrorKind::Transient,
                format!("giving up after {failures} failures in a row"),
                reason.to_string(),
            ))),
            Verdict::Retry(renew) => {
                if taken > 0 {
                    log::warn!(
                        "another client of this OAuth client took channel {name} ({reason}). Each program needs its own"
                    );
                } else if history.closed_early >= policy::MAX_CLOSED_EARLY {
                    log::warn!(
                        "channel {name} was closed {} times in a row soon after it was opened: another client of this OAuth \
                         client may have taken it; making a new one",
                        history.closed_early
                    );
                }
                self.retry_line(at, (renew, ended.token), pause, failures, reason.to_string());
                ControlFlow::Continue(())
            }
            Verdict::StandBack => {
                let pause = self
                    .rivals
                    .pause(history.channels, self.config.reconnect.max, fastrand::f64());
                let cause = format!(
                    "another client of this OAuth client took channel {name}, the {taken}th in a row: standing back, so that \
                     the two do not fight. Each program needs its own OAuth client"
                );
                self.retry_line(at, (Renew::Channel, ended.token), pause, failures, cause);
                ControlFlow::Continue(())
            }
        }
    }

    /// What went before the end of this line's connection, that end included.
    fn history_of(&mut self, at: usize, ended: &Over, reason: &CloseReason) -> History {
        let now = Instant::now();
        let stable_after = self.config.reconnect.stable_after;
        let base = self.history();
        let token_lives = ended.token == self.token_number && self.token.as_ref().is_some_and(|token| now < token.ends);
        let Some(held) = &mut self.lines[at].channel else {
            return base;
        };
        let was_short = ended.lived < stable_after.min(SOON);
        held.closed_early = match reason {
            CloseReason::Closed { .. } if ended.confirmed && was_short => held.closed_early + 1,
            _ => 0,
        };
        // A channel that carried a stream and is gone although its time and its token have not ended.
        let was_ours = held.has_streamed && token_lives && held.is_in_time();
        let is_taken = matches!(reason, CloseReason::TakenOver(_)) || (policy::channel_is_gone(reason) && was_ours);
        let taken = match is_taken {
            true => self.rivals.on_taken(now, stable_after.max(SOON)),
            false => 0,
        };
        History {
            reuses: held.reuses,
            closed_early: held.closed_early,
            taken,
            channels: u32::try_from(self.lines.len()).unwrap_or(u32::MAX),
            ..base
        }
    }
}
