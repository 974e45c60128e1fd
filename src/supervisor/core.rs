//! The state machine of the supervisor: session, plan, lines and channels, and what goes between them.
//!
//! In: news, the time, random draws · Out: acts, and when something is due without news · Thread: none of its own (pure).
//!
//! It never waits. Whatever it waits for is either due at a time that [`Core::next_due`] tells, or the news of a call or
//! of a connection, each of which has its own limit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::acts::{Act, Answer, CallId, News, Numbers, Turn};
use super::line::Line;
use super::planning::Planning;
use super::process::Process;
use crate::config::Config;
use crate::event::change::Change;
use crate::event::notice::ConnectionNews;
use crate::event::state::ConnectionState;
use crate::rest::channels::Channel;
use crate::{Error, ErrorKind, Id, Moment, Secret};

/// For the sockets to close with 1000 at the end of the run.
pub(super) const CLOSE_LIMIT: Duration = Duration::from_millis(300);

/// See the module.
pub(super) struct Core {
    process: Process,
    planning: Planning,
    lines: Vec<Line>,
    numbers: Numbers,
    /// What was told of the connections last.
    told: (u32, u64, Option<Moment>),
    /// The run ends: the sockets have until then.
    closing: Option<Instant>,
}

/// The time and the chance of one turn.
pub(super) struct Clock<'a> {
    pub(super) now: Instant,
    /// The same by the clock of the calendar.
    pub(super) at: Moment,
    /// Draws evenly from `0.0..1.0`.
    pub(super) draw: &'a mut dyn FnMut() -> f64,
}

impl Core {
    /// `end_of_stream`: the run ends when the server ends the stream normally. The program began at `began`.
    pub(super) fn new(config: &Arc<Config>, end_of_stream: bool, began: (Instant, Moment)) -> Self {
        Self {
            planning: Planning::new(config, began.0),
            process: Process::new(Arc::clone(config), end_of_stream, began),
            lines: Vec::new(),
            numbers: Numbers::default(),
            told: (0, 0, None),
            closing: None,
        }
    }

    /// What is done at the beginning, beside what is due.
    pub(super) fn begin(&mut self, clock: Clock<'_>) -> Vec<Act> {
        self.turn(clock, |core, turn| {
            core.process.show(ConnectionState::Connecting, None, turn);
        })
    }

    /// Takes in what happened.
    pub(super) fn on(&mut self, news: News, clock: Clock<'_>) -> Vec<Act> {
        self.turn(clock, |core, turn| {
            if core.closing.is_some() {
                core.on_while_closing(&news, turn);
                return;
            }
            match news {
                News::Connection(number, news) => core.on_line_of(number, turn, |line, process, turn| {
                    line.on_connection(number, news, process, turn);
                }),
                News::NotOpened(number, error) => core.on_line_of(number, turn, |line, process, turn| {
                    line.on_not_opened(number, &error, process, turn);
                }),
                News::Answered(call, answer) => core.on_answer(call, answer, turn),
                News::TokenRefused => core.process.session.renew_soon(turn),
                News::Frozen { since, lasted } => {
                    turn.warn(format!("the process was stopped for {:.1} s", lasted.as_secs_f64()));
                    for at in 0..core.lines.len() {
                        core.on_line(at, turn, |line, process, turn| {
                            line.on_frozen(since, lasted, process, turn)
                        });
                    }
                }
            }
            core.tell_connections(turn);
        })
    }

    /// Does what is due, and what nothing stands in the way of any more: to be called after news, too.
    pub(super) fn on_due(&mut self, clock: Clock<'_>) -> Vec<Act> {
        self.turn(clock, |core, turn| {
            if let Some(until) = core.closing {
                if turn.now >= until {
                    core.lines.iter_mut().for_each(|line| line.cut(turn));
                }
                return;
            }
            core.process.session.on_due(turn);
            core.planning.on_due(&mut core.process, turn);
            for at in 0..core.lines.len() {
                core.on_line(at, turn, |line, process, turn| line.on_due(process, turn));
            }
            core.make_room(turn);
            core.tell_connections(turn);
        })
    }

    /// When something is due that no news will bring.
    pub(super) fn next_due(&self) -> Option<Instant> {
        if self.closing.is_some() {
            return self.closing.filter(|_| !self.is_closed());
        }
        let lines = self.lines.iter().map(|line| line.next_due(&self.process));
        let others = [self.process.session.next_due(), self.planning.next_due()];
        others.into_iter().chain(lines).flatten().min()
    }

    /// The run ends: all connections are asked to close, and until [`CLOSE_LIMIT`] their ends are awaited.
    pub(super) fn close(&mut self, clock: Clock<'_>) -> Vec<Act> {
        self.turn(clock, |core, turn| {
            core.closing = Some(turn.now + CLOSE_LIMIT);
            for line in &core.lines {
                line.close(turn);
            }
        })
    }

    /// Whether no connection is left, after [`Core::close`].
    pub(super) fn is_closed(&self) -> bool {
        self.closing.is_some() && !self.lines.iter().any(Line::has_connections)
    }

    /// Whether all lines stream, and nothing is about to change that.
    pub(super) fn is_settled(&self) -> bool {
        !self.lines.is_empty() && self.lines.iter().all(Line::is_settled)
    }

    /// The queues of the plan; `None` = all.
    pub(super) fn queues(&self) -> Option<&[Id]> {
        self.planning.plan()?.queues.as_deref()
    }

    pub(super) fn reconnects(&self) -> u64 {
        self.process.reconnects
    }

    /// The token, and every channel of it that may have topics.
    pub(super) fn to_clean(&self, now: Instant) -> Option<(Secret, Vec<Channel>)> {
        let token = self.process.session.usable(now)?;
        let channels = self.process.channels.to_clean(token.number);
        Some((token.secret.clone(), channels))
    }

    /// Goes on with this plan, as after a listing.
    #[cfg(test)]
    fn follow_for_test(&mut self, plan: super::planning::Plan, clock: Clock<'_>) -> Vec<Act> {
        self.turn(clock, |core, turn| {
            core.planning.set_plan(plan);
            core.follow_plan(turn);
        })
    }

    fn turn(&mut self, clock: Clock<'_>, act: impl FnOnce(&mut Self, &mut Turn<'_>)) -> Vec<Act> {
        let mut acts = Vec::new();
        let mut numbers = std::mem::take(&mut self.numbers);
        act(
            self,
            &mut Turn {
                now: clock.now,
                at: clock.at,
                draw: clock.draw,
                numbers: &mut numbers,
                acts: &mut acts,
            },
        );
        self.numbers = numbers;
        self.count();
        acts
    }

    /// One line's part of a turn.
    fn on_line(&mut self, at: usize, turn: &mut Turn<'_>, act: impl FnOnce(&mut Line, &mut Process, &mut Turn<'_>)) {
        self.count();
        if let Some(line) = self.lines.get_mut(at) {
            act(line, &mut self.process, turn);
        }
    }

    /// Counts what lines share.
    fn count(&mut self) {
        self.process.lines = self.lines.len();
        self.process.sockets = self.lines.iter().map(Line::sockets).sum();
        self.process.is_replacing = self.lines.iter().any(Line::is_replacing);
    }

    fn on_line_of(
        &mut self,
        connection: u32,
        turn: &mut Turn<'_>,
        act: impl FnOnce(&mut Line, &mut Process, &mut Turn<'_>),
    ) {
        let found = self.lines.iter().position(|line| line.has_connection(connection));
        if let Some(at) = found {
            self.on_line(at, turn, act);
        }
    }

    fn on_answer(&mut self, call: CallId, answer: Result<Answer, Error>, turn: &mut Turn<'_>) {
        if self.process.session.awaits(call) {
            self.on_token(answer, turn);
        } else if self.planning.awaits(call) {
            let listing = answer.and_then(|answer| match answer {
                Answer::Listing(listing) => Ok(*listing),
                _ => Err(Error::new(
                    ErrorKind::Internal,
                    "reading the listings",
                    "another answer came",
                )),
            });
            if self.planning.on_answer(listing, &mut self.process, turn) {
                self.follow_plan(turn);
            }
        } else if let Some(at) = self.lines.iter().position(|line| line.awaits(call)) {
            self.on_line(at, turn, |line, process, turn| {
                line.on_answer(call, answer, process, turn)
            });
        } else if !self.process.channels.on_answer(call, &answer, turn) {
            self.keep_channel(answer, turn);
        }
    }

    /// A channel that was created for something that is over lies idle.
    fn keep_channel(&mut self, answer: Result<Answer, Error>, turn: &mut Turn<'_>) {
        if let Ok(Answer::Channel { channel, token_number }) = answer
            && let Some(token) = self.process.session.usable(turn.now).cloned()
            && token.number == token_number
        {
            let key = self.process.channels.add(channel, token, turn);
            self.process.channels.put_idle(key);
        }
    }

    fn on_token(&mut self, answer: Result<Answer, Error>, turn: &mut Turn<'_>) {
        let token = answer.and_then(|answer| match answer {
            Answer::Token(token) => Ok(token),
            _ => Err(Error::new(
                ErrorKind::Internal,
                "asking for a token",
                "another answer came",
            )),
        });
        let is_renewal = self.process.session.usable(turn.now).is_some();
        match self.process.session.on_answer(token, turn) {
            Ok(()) => {
                self.process.channels.on_token(self.process.session.number());
                let why = match is_renewal {
                    true => "the token is near its end",
                    false => "the token was renewed meanwhile",
                };
                for line in &mut self.lines {
                    line.on_token(why, &self.process, turn);
                }
            }
            // The run ends.
            Err(error) if error.kind() == ErrorKind::Credentials => {}
            Err(error) => {
                self.planning.on_token_failed(&error, &mut self.process, turn);
                for at in 0..self.lines.len() {
                    self.on_line(at, turn, |line, process, turn| {
                        line.on_token_failed(&error, process, turn)
                    });
                }
            }
        }
    }

    /// There is a new plan: topics follow, lines begin and end.
    fn follow_plan(&mut self, turn: &mut Turn<'_>) {
        let Some(plan) = self.planning.plan() else { return };
        let planned = &plan.topics.channels;
        let reconnect = self.process.config.reconnect;
        for (number, topics) in planned.iter().enumerate() {
            match self.lines.get_mut(number) {
                Some(line) => line.set_topics(topics, turn),
                None => self.lines.push(Line::new(number, topics, reconnect, turn.now)),
            }
        }
        // Fewer channels than before: the last ones end.
        while self.lines.len() > planned.len().max(1) {
            if let Some(line) = self.lines.pop() {
                line.end(&mut self.process, turn);
            }
        }
    }

    /// Connections that were replaced close sooner where they stand in the way of a rotation of their line, or where all
    /// places are taken and somebody needs one.
    fn make_room(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now;
        let sockets: usize = self.lines.iter().map(Line::sockets).sum();
        let is_short = sockets >= super::process::MAX_SOCKETS && self.lines.iter().any(|line| line.needs_room(now));
        for line in &mut self.lines {
            if is_short || line.is_rotation_due(now) {
                line.make_room(turn);
            }
        }
    }

    /// Tells the state and the connections where they changed.
    fn tell_connections(&mut self, turn: &mut Turn<'_>) {
        if !self.lines.is_empty() && self.lines.iter().all(Line::is_streaming) {
            self.process.show(ConnectionState::Streaming, None, turn);
        }
        let open: usize = self.lines.iter().map(Line::confirmed).sum();
        let channels = self.lines.iter().filter_map(Line::current_channel);
        let expires = channels.filter_map(|key| self.process.channels.get(key)?.channel.expires);
        let now = (
            u32::try_from(open).unwrap_or(u32::MAX),
            self.process.reconnects,
            expires.min(),
        );
        // After the state, so that a snapshot that counts the reconnect also shows the state `streaming`.
        if self.told != now {
            self.told = now;
            let (open, reconnects, channel_expires_at) = now;
            turn.tell(Change::Connections {
                open,
                reconnects,
                channel_expires_at,
            });
        }
    }

    fn on_while_closing(&mut self, news: &News, turn: &mut Turn<'_>) {
        let ended = match news {
            News::Connection(number, ConnectionNews::Ended { .. }) | News::NotOpened(number, _) => *number,
            _ => return,
        };
        for line in &mut self.lines {
            line.on_closed(ended, turn.now);
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
