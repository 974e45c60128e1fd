//! Make before break: the next connection of a line is made while the current one still carries the stream.
//!
//! In: rotations that are due · Out: replacements under way · Thread: the supervisor's.
//!
//! One replacement at a time, at most two generations a line, and never more sockets than the service gives channels.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::channels::Making;
use super::line::{Line, Place};
use super::policy::Renew;
use super::{End, Flow, Supervisor};
use crate::ErrorKind;

/// Beyond the opening of its socket a replacement has this long to be subscribed and to show life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// Open sockets of one process, live and new and those that say goodbye: as many as a client has channels.
const MAX_SOCKETS: usize = 20;

/// A rotation that goodbyes stand in the way of looks after them this often.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A connection younger than this that is to end already is replaced with a pause.
const YOUNG: Duration = Duration::from_secs(10);

/// A replacement for one that failed.
const AGAIN: &str = "the last replacement failed";

impl Supervisor {
    /// When the rotation of this line can begin, if one is wanted and nothing stands in its way.
    pub(super) fn rotation_due(&self, at: usize) -> Option<Instant> {
        let line = &self.lines[at];
        let one_is_new = self.lines.iter().any(|line| line.next.is_some());
        let due = line.rotation.as_ref().map(|rotation| rotation.0)?;
        if line.current.is_none() || one_is_new {
            return None;
        }
        let may = line.retiring.is_empty() && self.has_room_for_socket();
        // Goodbyes stand in its way: they are hurried with each look.
        Some(if may { due } else { due.max(Instant::now() + LOOK_AGAIN) })
    }

    pub(super) fn has_room_for_socket(&self) -> bool {
        self.lines.iter().flat_map(Line::connections).count() < MAX_SOCKETS
    }

    /// Whoever says goodbye at length and stands in the way of a rotation that is due, or of a new socket, closes now.
    pub(super) fn hurry_goodbyes(&mut self) {
        let now = Instant::now();
        let is_full = !self.has_room_for_socket();
        for line in &mut self.lines {
            let is_due = line.rotation.as_ref().is_some_and(|rotation| now >= rotation.0);
            if is_full || is_due {
                line.hurry_goodbyes();
            }
        }
    }

    /// Makes the next connection of a line before its current one is broken.
    pub(super) fn replace(&mut self, at: usize) -> Flow {
        let Some((_, renew, why)) = self.lines[at].rotation.take() else {
            return ControlFlow::Continue(());
        };
        log::info!("making a new connection before the old one ends: {why}");
        let making = match why {
            AGAIN => Making::AfterFailure,
            _ => Making::Planned,
        };
        match self
            .ticket(at, (renew.max(Renew::Channel), making))
            .and_then(|(ticket, channel)| self.spawn(ticket, channel))
        {
            Ok(connection) => {
                self.lines[at].next = Some(connection);
                ControlFlow::Continue(())
            }
            Err(error) if error.kind() == ErrorKind::Stopped => ControlFlow::Break(End::Stopped),
            Err(error) => {
                log::warn!("the replacement failed, the old connection goes on: {error}");
                self.audit_error(&error);
                self.retry_rotation(at, renew, why, error.retry_after());
                ControlFlow::Continue(())
            }
        }
    }

    /// After a replacement that was under way failed.
    pub(super) fn replace_again(&mut self, at: usize, renew: Renew) {
        self.retry_rotation(at, renew, AGAIN, None);
    }

    fn retry_rotation(&mut self, at: usize, renew: Renew, why: &'static str, asked: Option<Duration>) {
        let line = &mut self.lines[at];
        line.backoff.on_failure(Instant::now());
        let pause = line.backoff.pause(fastrand::f64(), asked);
        line.rotate_at(Instant::now() + pause, renew, why);
    }

    /// A replacement that did not show life by then is given up.
    pub(super) fn replacement_limit(&self) -> Duration {
        self.config.limits.opening() + SIGN_OF_LIFE
    }

    /// Gives up a replacement that showed no life in time.
    pub(super) fn drop_late_next(&mut self, at: usize) {
        let limit = self.replacement_limit();
        let line = &mut self.lines[at];
        if let Some(next) = line.next.take_if(|next| Instant::now() >= next.started + limit) {
            log::warn!("connection {}: the replacement showed no life in time", next.number);
            next.reader.close();
            line.retiring.push(next);
            self.replace_again(at, Renew::Channel);
        }
    }

    /// The replacement has shown life and takes over.
    pub(super) fn take_over(&mut self, at: usize) {
        let now = Instant::now();
        let Some(overlap) = self.lines[at].promote(now) else {
            return;
        };
        log::info!(
            "the new connection took over after {} ms of overlap",
            overlap.as_millis()
        );
        self.reconnects += 1;
        self.token_is_second_try = false;
        self.lines[at].backoff.on_streaming(now);
        if let Some(why) = self.lines[at].current.as_ref().and_then(|current| current.ends_soon) {
            self.ends_soon(at, Place::Current, why);
        }
        self.keep_up_with_token(at);
        self.publish_connections();
        self.baseline();
    }

    /// The service said that this connection will end.
    pub(super) fn ends_soon(&mut self, at: usize, place: Place, why: &'static str) {
        let now = Instant::now();
        let line = &mut self.lines[at];
        let Some(connection) = line.at(place) else { return };
        connection.ends_soon = Some(why);
        let is_young = now.duration_since(connection.started) < YOUNG;
        if place != Place::Current {
            return;
        }
        // Who is told so of each connection as soon as it stands must not rotate without a pause.
        let pause = if is_young {
            line.backoff.on_failure(now);
            line.backoff.pause(fastrand::f64(), None).min(YOUNG)
        } else {
            Duration::ZERO
        };
        line.rotate_at(now + pause, Renew::Channel, why);
    }

    /// A connection that was begun with a token which has been renewed meanwhile ends with the old one: it is next.
    pub(super) fn keep_up_with_token(&mut self, at: usize) {
        let newest = self.token_number;
        let line = &mut self.lines[at];
        if line.current.as_ref().is_some_and(|current| current.token != newest) {
            line.rotate_at(Instant::now(), Renew::Channel, "the token was renewed meanwhile");
        }
    }
}
