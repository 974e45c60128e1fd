//! What the supervisor makes of notices: connections that are confirmed, alive, near their end, or over.
//!
//! In: `Notice` · Out: lines in their next state, `Control` to the aggregator · Thread: the supervisor's.

use std::ops::ControlFlow;
use std::time::Instant;

use super::line::{Line, Place};
use super::policy::{self, Renew, Verdict};
use super::{End, Flow, Supervisor};
use crate::aggregator::Control;
use crate::model::snapshot::{ConnectionState, GapTopics};
use crate::notice::{CloseReason, ConnectionNews, Notice};
use crate::{Error, ErrorKind, Moment};

impl Supervisor {
    pub(super) fn on_notice(&mut self, notice: Notice) -> Flow {
        match notice {
            Notice::Stop => ControlFlow::Break(End::Stopped),
            Notice::OutputClosed(name) => {
                log::debug!("output {name}: nobody reads it any more");
                ControlFlow::Break(End::OutputClosed)
            }
            Notice::TokenRefused => {
                if let Some(held) = &mut self.token {
                    held.refresh_due = Instant::now();
                }
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
        let now = Instant::now();
        match news {
            ConnectionNews::Confirmed => self.on_confirmed(at, place),
            ConnectionNews::Alive => {
                if place == Place::Next
                    && let Some(overlap) = self.lines[at].promote(now)
                {
                    log::info!(
                        "the new connection took over after {} ms of overlap",
                        overlap.as_millis()
                    );
                    self.reconnects += 1;
                    self.token_is_second_try = false;
                    self.lines[at].backoff.on_streaming(now);
                    self.publish_connections();
                    self.baseline();
                }
            }
            ConnectionNews::SocketClosing if place == Place::Current => {
                log::info!("the service will close this connection soon");
                self.lines[at].rotate_at(now, Renew::Channel, "the service closes the socket soon");
            }
            ConnectionNews::MaxAge if place == Place::Current => {
                self.lines[at].rotate_at(now, Renew::Channel, "the channel is near its end");
            }
            ConnectionNews::TokenRevoked if place == Place::Current => {
                log::warn!("the token was revoked");
                self.token = None;
                self.lines[at].rotate_at(now, Renew::Token, "the token was revoked");
            }
            ConnectionNews::SocketClosing | ConnectionNews::MaxAge | ConnectionNews::TokenRevoked => {}
            ConnectionNews::Ended { reason, last_frame_at } => return self.on_ended(at, place, &reason, last_frame_at),
        }
        ControlFlow::Continue(())
    }

    fn on_confirmed(&mut self, at: usize, place: Place) {
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
        if std::mem::replace(&mut line.ever_confirmed, true) {
            self.reconnects += 1;
        }
        line.backoff.on_streaming(now);
        self.ever_streamed = true;
        self.token_is_second_try = false;
        self.control(Control::GapClosed {
            line: at,
            to: Moment::now(),
        });
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
        self.control(Control::ConnectionEnded(ended.number));
        self.audit_connection(ended.number, "ended", Some(reason));
        ended.reader.cut();
        self.publish_connections();
        match place {
            Place::Retiring(_) => {
                self.leave_channel(at, ended.channel);
                return ControlFlow::Continue(());
            }
            Place::Next => {
                log::warn!("the replacement ended before it took over: {reason}");
                // What carries the stream goes on, whatever the verdict on the replacement.
                let renew = match policy::after_close(reason, self.history()) {
                    Verdict::Retry(renew) => renew.max(Renew::Channel),
                    Verdict::GiveUp(_) => Renew::Channel,
                };
                self.retry_rotation(at, renew, "the last replacement failed", None);
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
                self.lines[at].promote(Instant::now());
                return ControlFlow::Continue(());
            }
            let from = last_frame_at.unwrap_or_else(Moment::now);
            self.control(Control::GapOpened {
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
            self.lines[at].channel.clone_from(&next.channel);
            self.lines[at].current = Some(next);
            self.set_state(ConnectionState::Connecting, Some(reason.to_string()), None, None);
            return ControlFlow::Continue(());
        }
        let asked = match reason {
            CloseReason::Upgrade { retry_after, .. } => *retry_after,
            _ => None,
        };
        let line = &mut self.lines[at];
        line.backoff.on_failure(Instant::now());
        let (exhausted, failures) = (line.backoff.exhausted(), line.backoff.failures());
        let pause = line.backoff.pause(fastrand::f64(), asked);
        match policy::after_close(reason, self.history()) {
            Verdict::GiveUp(error) => ControlFlow::Break(End::GaveUp(error)),
            Verdict::Retry(_) if exhausted => ControlFlow::Break(End::GaveUp(Error::new(
                ErrorKind::Transient,
                format!("giving up after {failures} failures in a row"),
                reason.to_string(),
            ))),
            Verdict::Retry(renew) => {
                if let CloseReason::TakenOver(_) = reason {
                    log::warn!("{reason}: is the same OAuth client used twice? Each program needs its own");
                }
                self.retry_line(at, renew, pause, failures, reason.to_string());
                ControlFlow::Continue(())
            }
        }
    }
}
