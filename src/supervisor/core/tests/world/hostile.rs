//! A service that means harm: it refuses, ends and revokes at once whatever is begun. And a clock that is set.
//!
//! In: random choices · Out: news, counts of what is begun · Thread: the test's.

use std::time::{Duration, Instant};

use super::World;
use crate::event::notice::{CloseReason, ConnectionNews};
use crate::supervisor::acts::{Call, CallId, News};
use crate::{Error, ErrorKind, Moment};

/// What one line may begin in ten seconds, calls and connections together, however a peer behaves. The most that was seen in
/// 2,000 histories is 61: the pauses are short while each attempt gets a little further. Without pauses it is thousands.
const MOST_BEGUN: usize = 200;
const WINDOW: Duration = Duration::from_secs(10);

/// The longest wait of anything that does not stream: the longest `Retry-After`, and its jitter.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(3_660);

impl World {
    /// Our wall clock is set, forward or back.
    pub(super) fn set_clock(&mut self) {
        let by = [1_500, 60_000, 3_600_000, 90_000_000][self.number(4)] * [1, -1][self.number(2)];
        self.at = Moment::from_epoch_ms(self.at.epoch_ms() + by);
        self.settings += 1;
        self.settle();
    }

    /// For so long everything is answered at once, badly: what is begun stays bounded.
    pub(in crate::supervisor::core) fn endure(&mut self, lasting: Duration) {
        let began = self.now;
        // What a connection says is said once.
        let mut said = std::collections::BTreeSet::new();
        while !self.ended && self.now < began + lasting {
            if self.is_over() {
                self.next_choice = 0;
            }
            let calls: Vec<_> = self.calls.keys().copied().collect();
            let number = self.next_socket(|_| true);
            if let Some(id) = self.pick(&calls) {
                self.answer_badly(id);
            } else if let Some(number) = number.filter(|number| !said.contains(number)) {
                said.insert(number);
                self.harm(number);
            } else if let Some(number) = number.filter(|_| self.one_in(2)) {
                let reason = self.passing_reason();
                self.end(number, reason);
            } else {
                let due = self.core.next_due().expect("something wakes it");
                let wait = due.saturating_duration_since(self.now).min(Duration::from_secs(30));
                // A step of its own, where it is due at once.
                self.pass(wait.max(Duration::from_millis(1)));
            }
            let most = MOST_BEGUN * self.core.lines.len().max(1);
            let since = |at: &Instant| self.now.duration_since(*at) < WINDOW;
            let begun = self.begun.iter().rev().take_while(|at| since(at)).count();
            assert!(begun <= most, "{begun} calls and connections begun within {WINDOW:?}");
        }
    }

    pub(super) fn news_of_one_that_was_cut(&mut self) {
        let cut = self.cut.clone();
        if let Some(number) = self.pick(&cut) {
            let news = match self.number(3) {
                0 => ConnectionNews::Confirmed(self.at),
                1 => ConnectionNews::Alive,
                _ => ConnectionNews::Ended {
                    reason: CloseReason::Stopped,
                    last_frame_at: None,
                },
            };
            let acts = self.turn(|core, clock| core.on(News::Connection(number, news), clock));
            assert!(acts.is_empty(), "news of connection {number}, which is over: {acts:?}");
        }
    }

    pub(super) fn fail_to_open_one(&mut self) {
        if self.one_in(4)
            && let Some(number) = self.socket(|socket| socket.confirmed.is_none() && !socket.is_told)
        {
            self.sockets.remove(&number);
            let error = Error::new(ErrorKind::Transient, "opening a socket", "no thread");
            self.tell(News::NotOpened(number, error));
        }
    }

    /// As badly as it can be without the end of the run.
    fn answer_badly(&mut self, id: CallId) {
        let error = Error::new(ErrorKind::Transient, "calling", "no");
        let error = match self.number(6) {
            0 => error.with_status(429).with_retry_after(Some(Duration::ZERO)),
            1 => error.with_status(503),
            2 => Error::new(ErrorKind::Refused, "calling", "no").with_status(404),
            _ => return self.answer(id, false),
        };
        let is_login = matches!(self.calls.get(&id), Some(Call::Token));
        if is_login && error.kind() == ErrorKind::Refused {
            return self.answer(id, false);
        }
        self.calls.remove(&id);
        self.asked.remove(&id);
        self.tell(News::Answered(id, Err(error)));
    }

    /// A reason that ends no run.
    fn passing_reason(&mut self) -> CloseReason {
        let busy = |status| CloseReason::Upgrade {
            status,
            retry_after: Some(Duration::ZERO),
        };
        match self.number(8) {
            0 => CloseReason::Dial(Error::new(ErrorKind::Transient, "dialling", "refused")),
            1 => busy(429),
            2 => busy(503),
            3 => busy(302),
            4 => CloseReason::UpgradeFailed("no answer".to_owned()),
            5 => CloseReason::Closed { code: Some(1001) },
            6 => CloseReason::Violation("opcode".to_owned()),
            _ => CloseReason::Lost("reset".to_owned()),
        }
    }

    /// One of all the ways in which a connection can be spoilt.
    fn harm(&mut self, number: u32) {
        match self.number(5) {
            0 => {
                let reason = self.passing_reason();
                self.end(number, reason);
            }
            1 => self.tell_of(number, ConnectionNews::SocketClosing),
            2 => self.tell_of(number, ConnectionNews::TokenRevoked),
            3 => {
                self.confirm(number);
                self.end(number, CloseReason::Lost("reset".to_owned()));
            }
            _ => {
                self.confirm(number);
                self.show_life(number);
                let is_revoked = self.one_in(2);
                self.tell_of(
                    number,
                    match is_revoked {
                        true => ConnectionNews::TokenRevoked,
                        false => ConnectionNews::SocketClosing,
                    },
                );
            }
        }
    }

    fn tell_of(&mut self, number: u32, news: ConnectionNews) {
        if self.sockets.contains_key(&number) {
            self.hear(number);
            self.tell(News::Connection(number, news));
        }
    }

    /// Nothing waits longer than the service may ask for.
    pub(super) fn is_patient(&self) {
        let is_idle = self.calls.is_empty() && self.sockets.is_empty();
        if is_idle && !self.ended && !self.is_stopping {
            let due = self.core.next_due().expect("something wakes it");
            let wait = due.saturating_duration_since(self.now);
            assert!(wait <= LONGEST_WAIT, "it waits for {wait:?}");
        }
    }

    /// Notes that a call or a connection is begun.
    pub(super) fn note_begun(&mut self) {
        self.begun.push(self.now);
    }
}
