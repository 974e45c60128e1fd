//! The connections of a line: the one that carries it, the one that will, and those that were replaced.
//!
//! In: what the line decides, the time · Out: what each connection is told · Thread: none of its own (pure).

use std::time::{Duration, Instant};

use super::super::acts::{Act, Open, Turn};
use super::super::channels::ChannelKey;
use super::super::process::Process;
use super::super::session::HeldToken;
use crate::Moment;
use crate::event::change::Change;

/// A connection that was replaced is read for so long beside the new one: what the service already sent on its way, and
/// what it sends before it has taken note of the new subscription, comes there only.
const OVERLAP: Duration = Duration::from_secs(2);
/// The same where its place is needed.
const LEAST_OVERLAP: Duration = Duration::from_millis(300);
/// It closes so long before its token ends, rather than be ended.
const BEFORE_TOKEN_ENDS: Duration = Duration::from_millis(300);

/// One connection that is being opened or is open.
#[derive(Debug)]
pub(in crate::supervisor) struct Connection {
    pub(super) number: u32,
    pub(super) channel: Option<ChannelKey>,
    /// The token that it ends with.
    pub(super) token: HeldToken,
    /// Since when its topics are subscribed.
    pub(super) confirmed: Option<Moment>,
    /// Why it will end soon, where the service said so.
    pub(super) ends_soon: Option<&'static str>,
    /// Its channel was to be renewed, and that did not help.
    pub(super) is_renewal_tried: bool,
    pub(super) started: Instant,
}

impl Connection {
    /// Opens a socket: on this channel, or with the token in the other protocols. `None` where the channel or the token is
    /// gone.
    pub(super) fn open(channel: Option<ChannelKey>, process: &mut Process, turn: &mut Turn<'_>) -> Option<Self> {
        let held = channel.and_then(|key| process.channels.get(key));
        let token = match channel {
            Some(_) => held?.token.clone(),
            None => process.session.usable(turn.now)?.clone(),
        };
        let number = turn.numbers.connection();
        turn.tell(Change::ConnectionOpened { connection: number });
        turn.audit_connection(number, "opening", None);
        turn.act(Act::Open(Open {
            connection: number,
            connect_uri: held.map(|held| held.channel.connect_uri.clone()),
            token: token.secret.clone(),
        }));
        process.sockets += 1;
        Some(Connection {
            number,
            channel,
            token,
            confirmed: None,
            ends_soon: None,
            is_renewal_tried: false,
            started: turn.now,
        })
    }
}

/// The connections of a line that were replaced and have not ended.
#[derive(Debug, Default)]
pub(super) struct Retiring(Vec<Replaced>);

#[derive(Debug)]
struct Replaced {
    connection: Connection,
    phase: Phase,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// It is read as before.
    Overlap { since: Instant, until: Instant },
    /// It closes, and delivers what is still on its way.
    Retiring,
    /// It closes.
    Closing,
}

impl Retiring {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.0.iter().map(|replaced| &replaced.connection)
    }

    /// Was replaced just now: it is read beside the new one for a while.
    pub(super) fn overlap(&mut self, connection: Connection, now: Instant) {
        let latest = connection.token.ends.checked_sub(BEFORE_TOKEN_ENDS);
        let until = latest.map_or(now + OVERLAP, |latest| latest.min(now + OVERLAP));
        self.0.push(Replaced {
            connection,
            phase: Phase::Overlap { since: now, until },
        });
    }

    /// Is of no use: it closes at once.
    pub(super) fn close(&mut self, connection: Connection, turn: &mut Turn<'_>) {
        turn.act(Act::Close(connection.number));
        self.0.push(Replaced {
            connection,
            phase: Phase::Closing,
        });
    }

    pub(super) fn remove(&mut self, number: u32) -> Option<Connection> {
        let at = self
            .0
            .iter()
            .position(|replaced| replaced.connection.number == number)?;
        Some(self.0.remove(at).connection)
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        let dues = self.0.iter().filter_map(|replaced| match replaced.phase {
            Phase::Overlap { until, .. } => Some(until),
            Phase::Retiring | Phase::Closing => None,
        });
        dues.min()
    }

    /// Those that were read for long enough close.
    pub(super) fn on_due(&mut self, turn: &mut Turn<'_>) {
        for replaced in &mut self.0 {
            if matches!(replaced.phase, Phase::Overlap { until, .. } if turn.now >= until) {
                replaced.phase = Phase::Retiring;
                turn.act(Act::Retire(replaced.connection.number));
            }
        }
    }

    /// Their place is needed: the overlap is shortened, and those that deliver what is on its way close at once.
    pub(super) fn make_room(&mut self, turn: &mut Turn<'_>) {
        for replaced in &mut self.0 {
            match &mut replaced.phase {
                Phase::Overlap { since, until } => *until = (*until).min(*since + LEAST_OVERLAP),
                phase @ Phase::Retiring => {
                    *phase = Phase::Closing;
                    turn.act(Act::Close(replaced.connection.number));
                }
                Phase::Closing => {}
            }
        }
    }
}
