//! When the topics are covered and when they are not: the first word of a connection and its last.
//!
//! In: confirmations and ends of connections · Out: gaps, and what is tried next · Thread: none of its own (pure).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::super::End;
use super::super::acts::Turn;
use super::super::policy::Renew;
use super::super::policy::{self, History, Verdict};
use super::super::process::Process;
use super::connection::Connection;
use super::replacement::Replacement;
use super::{Line, Place, Stage};
use crate::event::change::{Change, NOT_SUBSCRIBED};
use crate::event::gap::GapTopics;
use crate::event::notice::CloseReason;
use crate::event::state::ConnectionState;
use crate::{Error, ErrorKind, Moment};

/// A connection that the peer closes within this time, or before it is stable, was closed soon after it opened.
const SOON: Duration = Duration::from_secs(10);

/// After a stop of the process, a connection of a protocol that has nothing to read back counts as alive when it did not end
/// within this time: the end of a socket that died is noticed at once.
const OUTLIVED: Duration = Duration::from_secs(1);

/// The topics of a line, or some of them, are uncovered, and that was told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Uncovered {
    /// The first gap began then.
    pub(super) from: Moment,
    pub(super) until: Until,
}

/// What ends the gaps of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// The next connection.
    Connected,
    /// The subscriptions are read back whole: the gaps end at this moment, or then.
    ReadBack(Option<Moment>),
    /// What is missing is subscribed again.
    Subscribed,
    /// The connection did not end until then.
    Outlived(Instant),
}

impl Line {
    pub(super) fn on_confirmed(
        &mut self,
        place: Place,
        number: u32,
        since: Moment,
        process: &mut Process,
        turn: &mut Turn<'_>,
    ) {
        turn.audit_connection(number, "subscribed", None);
        let connection = match (place, &mut self.stage) {
            (Place::Current, Stage::Open(current)) => Some(current),
            (Place::Next, _) => self.replacement.as_mut().and_then(Replacement::open_mut),
            _ => None,
        };
        let Some(connection) = connection else { return };
        connection.confirmed = Some(since);
        if let Some(held) = connection.channel.and_then(|key| process.channels.get_mut(key)) {
            held.has_streamed = true;
        }
        if place == Place::Current {
            process.reconnects += u64::from(self.ever_confirmed);
            self.on_covered(since, process, turn);
        }
    }

    /// The connection carries the topics since then.
    pub(super) fn on_covered(&mut self, since: Moment, process: &mut Process, turn: &mut Turn<'_>) {
        self.ever_confirmed = true;
        self.backoff.on_streaming(turn.now);
        process.on_streaming();
        let is_doubted = self.is_doubted(process);
        if let Some(uncovered) = &mut self.uncovered {
            // What was stopped after its confirmation is confirmed once more.
            let end = (since >= uncovered.from).then_some(since);
            match end {
                _ if is_doubted => uncovered.until = Until::ReadBack(end),
                Some(since) => self.end_gap(since, turn),
                None => uncovered.until = Until::Outlived(turn.now + OUTLIVED),
            }
        }
        match is_doubted {
            true => self.read_back_now(turn.now),
            false => self.read_back_later(process, turn.now),
        }
        self.tell_covered(since, process, turn);
        self.on_token("the token was renewed meanwhile", process, turn);
    }

    /// Whether the subscriptions of the current channel are to be read back before they count.
    fn is_doubted(&self, process: &Process) -> bool {
        let held = self.current_channel().and_then(|key| process.channels.get(key));
        held.is_some_and(|held| held.is_doubted) && !process.lacks_read_back
    }

    pub(super) fn uncovered_until(&self) -> Option<Until> {
        self.uncovered.as_ref().map(|uncovered| uncovered.until)
    }

    /// The topics are covered again since then.
    pub(super) fn end_gap(&mut self, to: Moment, turn: &mut Turn<'_>) {
        if let Some(uncovered) = self.uncovered.take() {
            turn.tell(Change::GapClosed {
                line: self.number,
                to: to.max(uncovered.from),
            });
        }
    }

    /// These topics are uncovered since then.
    fn begin_gap(&mut self, topics: GapTopics, (from, until): (Moment, Until), cause: String, turn: &mut Turn<'_>) {
        let before = self.uncovered.take().map(|before| before.from);
        self.uncovered = Some(Uncovered {
            from: before.map_or(from, |before| before.min(from)),
            until,
        });
        turn.tell(Change::GapOpened {
            line: self.number,
            topics,
            from,
            cause,
        });
    }

    fn all_topics(&self, process: &Process) -> GapTopics {
        match process.lines {
            1 => GapTopics::All,
            _ => GapTopics::Some(self.topics.to_vec()),
        }
    }

    /// The topics are uncovered since then: the connection ended.
    fn on_uncovered(&mut self, from: Moment, reason: &CloseReason, process: &Process, turn: &mut Turn<'_>) {
        if let Some(Until::ReadBack(Some(end))) = self.uncovered_until() {
            // Not read back in time. If topics turn out to be gone, their gap reaches back to when they were there.
            self.end_gap(end.min(from), turn);
        }
        let topics = self.all_topics(process);
        self.begin_gap(topics, (from, Until::Connected), reason.to_string(), turn);
    }

    /// These topics are not subscribed any more; they were at `known`.
    pub(super) fn on_subscriptions_gone(
        &mut self,
        gone: Vec<String>,
        known: Moment,
        process: &Process,
        turn: &mut Turn<'_>,
    ) {
        let is_all = self.told_covered.iter().all(|topic| gone.contains(topic));
        let topics = match is_all && self.refused.is_empty() {
            true => self.all_topics(process),
            false => GapTopics::Some(gone),
        };
        let cause = "the subscriptions were gone".to_owned();
        self.begin_gap(topics, (known, Until::Subscribed), cause, turn);
    }

    /// The process did not run since then, for so long. What was covered is not, until it is confirmed once more.
    pub(in crate::supervisor) fn on_frozen(
        &mut self,
        since: Moment,
        lasted: Duration,
        process: &mut Process,
        turn: &mut Turn<'_>,
    ) {
        if let Some(upkeep) = &mut self.upkeep {
            upkeep.outdate();
        }
        let channels: Vec<_> = self.connections().filter_map(|connection| connection.channel).collect();
        for key in channels {
            if let Some(held) = process.channels.get_mut(key) {
                held.is_doubted = true;
            }
        }
        if !self.is_streaming() {
            return;
        }
        let until = match self.is_doubted(process) {
            true => Until::ReadBack(None),
            false => Until::Outlived(turn.now + OUTLIVED),
        };
        self.read_back_now(turn.now);
        let topics = self.all_topics(process);
        let cause = format!("the process was stopped for {} s", lasted.as_secs());
        self.begin_gap(topics, (since, until), cause, turn);
    }

    /// When the connection has outlived a stop of the process.
    pub(super) fn outlived_due(&self) -> Option<Instant> {
        match self.uncovered_until()? {
            Until::Outlived(due) if self.is_streaming() => Some(due),
            _ => None,
        }
    }

    /// The connection has outlived a stop of the process: the gap ends where that is due.
    pub(super) fn outlive(&mut self, turn: &mut Turn<'_>) {
        if self.outlived_due().is_some_and(|due| turn.now >= due) {
            self.end_gap(turn.at, turn);
        }
    }

    /// Tells which topics are covered, where that changed.
    pub(super) fn tell_covered(&mut self, since: Moment, process: &Process, turn: &mut Turn<'_>) {
        let Some(held) = self.current_channel().and_then(|key| process.channels.get(key)) else {
            return;
        };
        if !self.ever_told_covered || self.told_covered != held.accepted {
            self.ever_told_covered = true;
            self.told_covered.clone_from(&held.accepted);
            self.once_covered.extend(held.accepted.iter().cloned());
            turn.tell(Change::Covered {
                line: self.number,
                topics: held.accepted.clone(),
                since,
            });
        }
    }

    /// Tells which topics are refused, where that changed. Those that never were covered are uncovered since the program
    /// `began`, others since now.
    pub(super) fn tell_refused(&mut self, refused: BTreeMap<String, String>, began: Moment, turn: &mut Turn<'_>) {
        if self.refused == refused {
            return;
        }
        let is_lapsed = |topic: &String| self.once_covered.contains(topic) && !self.refused.contains_key(topic);
        let (lapsed, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
            refused.clone().into_iter().partition(|(topic, _)| is_lapsed(topic));
        let line = self.number;
        let told = |topics, since| Change::Refused { line, topics, since };
        turn.tell(told(others, began));
        if !lapsed.is_empty() {
            turn.tell(told(refused.clone(), turn.at));
        }
        self.refused = refused;
    }

    /// Whether the service's answer did not name some topics.
    pub(super) fn misses_topics(&self) -> bool {
        self.refused.values().any(|why| why == NOT_SUBSCRIBED)
    }

    pub(super) fn on_current_ended(
        &mut self,
        reason: &CloseReason,
        last_frame_at: Option<Moment>,
        process: &mut Process,
        turn: &mut Turn<'_>,
    ) {
        let Some(ended) = self.take_current(turn.now) else {
            return;
        };
        if ended.confirmed.is_some() {
            let last = last_frame_at.unwrap_or(turn.at);
            match self.next().and_then(|next| next.confirmed) {
                // The replacement was subscribed before this one was heard last: nothing is uncovered.
                Some(since) if since <= last => {}
                _ => self.on_uncovered(last, reason, process, turn),
            }
        }
        if process.end_of_stream && reason.is_normal_end() {
            turn.end(End::ServerEnded);
            return;
        }
        let Some(next) = self.take_next() else {
            self.on_line_ended(&ended, reason, process, turn);
            return;
        };
        // It is on its way already: it becomes the connection.
        let confirmed = next.confirmed;
        let left = std::mem::replace(&mut self.channel, next.channel);
        self.stage = Stage::Open(next);
        self.let_go_after(left, reason, process, turn);
        match confirmed {
            Some(since) => self.on_takeover(since, process, turn),
            None => process.show(ConnectionState::Connecting, Some(reason.to_string()), turn),
        }
    }

    /// Nothing carries the topics any more: what now.
    fn on_line_ended(&mut self, ended: &Connection, reason: &CloseReason, process: &mut Process, turn: &mut Turn<'_>) {
        let history = self.history_of(ended, reason, process, turn);
        self.renew = self.renew.max(self.drop_waiting_replacement());
        let held = self.channel.and_then(|key| process.channels.get(key));
        let name = held.map(|held| held.name()).unwrap_or_default();
        if policy::channel_is_gone(reason)
            && let Some(key) = self.channel.take()
        {
            process.channels.forget(key);
        }
        let asked = match reason {
            CloseReason::Upgrade { retry_after, .. } => *retry_after,
            _ => None,
        };
        let failures = self.backoff.on_failure(turn.now);
        let pause = turn.pause(&self.backoff, asked);
        let retry = (pause, failures);
        let token = ended.token.number;
        self.stage = Stage::Waiting(turn.now + pause);
        match policy::after_close(reason, history) {
            Verdict::GiveUp(error) => turn.end(End::GaveUp(error)),
            Verdict::Retry(_) | Verdict::StandBack if self.backoff.exhausted() => {
                let did = format!("giving up after {failures} failures in a row");
                turn.end(End::GaveUp(Error::new(ErrorKind::Transient, did, reason.to_string())));
            }
            Verdict::Retry(renew) => {
                if history.taken > 0 {
                    turn.warn(format!(
                        "another client of this OAuth client took channel {name} ({reason}). Each program needs its own"
                    ));
                } else if history.closed_early >= policy::MAX_CLOSED_EARLY {
                    turn.warn(format!(
                        "channel {name} was closed {} times in a row soon after it was opened: another client of this OAuth \
                         client may have taken it; making a new one",
                        history.closed_early
                    ));
                }
                self.retry(renew, token, retry, reason.to_string(), process, turn);
            }
            Verdict::StandBack => {
                let longest = process.config.reconnect.max;
                let pause = process.takeovers.pause(history.channels, longest, (turn.draw)());
                let cause = format!(
                    "another client of this OAuth client took channel {name}, the {}th in a row: standing back, so that the \
                     two do not fight. Each program needs its own OAuth client",
                    history.taken
                );
                self.retry(Renew::Channel, token, (pause, failures), cause, process, turn);
            }
        }
    }

    /// What went before the end of its connection, that end included.
    fn history_of(&self, ended: &Connection, reason: &CloseReason, process: &mut Process, turn: &Turn<'_>) -> History {
        let base = process.history();
        let stable_after = process.config.reconnect.stable_after;
        let token = process.session.usable(turn.now);
        let token_lives = token.is_some_and(|token| token.number == ended.token.number);
        let Some(held) = self.channel.and_then(|key| process.channels.get_mut(key)) else {
            return base;
        };
        let was_short = turn.now.duration_since(ended.started) < stable_after.min(SOON);
        held.closed_early = match reason {
            CloseReason::Closed { .. } if ended.confirmed.is_some() && was_short => held.closed_early + 1,
            _ => 0,
        };
        // A channel that carried a stream and is gone although its time and its token have not ended.
        let was_ours = held.has_streamed && token_lives && held.is_in_time(turn.at);
        let is_taken = matches!(reason, CloseReason::TakenOver(_)) || (policy::channel_is_gone(reason) && was_ours);
        History {
            reuses: held.reuses,
            closed_early: held.closed_early,
            taken: match is_taken {
                true => process.takeovers.on_taken(turn.now, stable_after.max(SOON)),
                false => 0,
            },
            channels: u32::try_from(process.lines).unwrap_or(u32::MAX),
            ..base
        }
    }
}
