//! The access token of a run: obtained when somebody needs one, renewed before its end, replaced where it is refused.
//!
//! In: the answers of the login, refusals, the time · Out: calls for a token · Thread: none of its own (pure).
//!
//! At most one call for a token is under way; everything that needs a token waits for that call.

use std::time::{Duration, Instant};

use super::End;
use super::acts::{Act, Call, CallId, Turn};
use crate::audit::entries;
use crate::config::{Config, ReconnectConfig};
use crate::event::change::Change;
use crate::net::backoff::Backoff;
use crate::rest::oauth::Token;
use crate::{Error, ErrorKind, Secret};

/// A token of this run.
#[derive(Clone, Debug)]
pub(super) struct HeldToken {
    /// Counts the tokens of the run, from 1. A channel ends with the token that created it.
    pub(super) number: u64,
    pub(super) secret: Secret,
    /// When nothing may be begun with it any more.
    pub(super) ends: Instant,
}

/// See the module.
pub(super) struct Session {
    refresh_before: Duration,
    reconnect: ReconnectConfig,
    held: Option<HeldToken>,
    /// When the held token is to be renewed.
    refresh_due: Instant,
    /// Number of the newest token.
    number: u64,
    /// The call for a token, and when it began.
    call: Option<(CallId, Instant)>,
    /// The token was replaced because it was refused, and nothing has worked since.
    is_second_try: bool,
    /// Not before this the token is renewed again.
    retry_at: Instant,
    /// Failures to renew it.
    backoff: Backoff,
}

impl Session {
    pub(super) fn new(config: &Config, now: Instant) -> Self {
        Self {
            refresh_before: config.token_refresh_before,
            reconnect: config.reconnect,
            held: None,
            refresh_due: now,
            number: 0,
            call: None,
            is_second_try: false,
            retry_at: now,
            backoff: Backoff::new(config.reconnect),
        }
    }

    /// The token, where it has not ended.
    pub(super) fn usable(&self, now: Instant) -> Option<&HeldToken> {
        self.held.as_ref().filter(|held| now < held.ends)
    }

    /// Number of the newest token; 0 before the first.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn is_second_try(&self) -> bool {
        self.is_second_try
    }

    /// Something worked with the token.
    pub(super) fn on_success(&mut self) {
        self.is_second_try = false;
    }

    pub(super) fn awaits(&self, call: CallId) -> bool {
        self.call.is_some_and(|(own, _)| own == call)
    }

    /// Whether a call for a token is under way.
    #[cfg(test)]
    pub(super) fn is_asking(&self) -> bool {
        self.call.is_some()
    }

    /// Somebody needs a token: asks for one, unless that is under way.
    pub(super) fn ask(&mut self, turn: &mut Turn<'_>) {
        if self.call.is_none() {
            self.call = Some((turn.call(Call::Token), turn.now));
        }
    }

    /// The service refused the token of this number. A newer one may still be valid.
    pub(super) fn refuse(&mut self, number: u64) {
        if number == self.number {
            self.held = None;
            self.is_second_try = true;
        }
    }

    /// The service refused the newest token where nothing depends on it at once: another is needed soon.
    pub(super) fn renew_soon(&mut self, turn: &mut Turn<'_>) {
        match self.held {
            Some(_) => self.refresh_due = turn.now,
            None => self.ask(turn),
        }
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        if self.call.is_some() || self.number == 0 {
            return None;
        }
        // One that was refused is replaced at once.
        let due = self.held.as_ref().map_or(self.retry_at, |_| self.refresh_due);
        Some(due.max(self.retry_at))
    }

    /// Renews the token where that is due. The first one is obtained when somebody needs it.
    pub(super) fn on_due(&mut self, turn: &mut Turn<'_>) {
        if self.next_due().is_some_and(|due| turn.now >= due) {
            self.ask(turn);
        }
    }

    /// The answer to the call for a token.
    ///
    /// # Errors
    /// Its failure, for those that wait for the token. The run ends where the credentials are refused.
    pub(super) fn on_answer(&mut self, answer: Result<Token, Error>, turn: &mut Turn<'_>) -> Result<(), Error> {
        let asked = self.call.take().map_or(turn.now, |(_, asked)| asked);
        match answer {
            Ok(token) => {
                self.hold(token, asked, turn);
                Ok(())
            }
            Err(error) => {
                self.on_failure(&error, turn);
                Err(error)
            }
        }
    }

    fn hold(&mut self, token: Token, asked: Instant, turn: &mut Turn<'_>) {
        turn.info(format!("token: valid for {} s", token.life.as_secs()));
        turn.act(Act::Audit(entries::token(token.life, token.expires_at, turn.at)));
        turn.tell(Change::Token {
            expires_at: token.expires_at,
        });
        turn.act(Act::TokenForRepair(token.secret.clone()));
        self.number += 1;
        self.backoff = Backoff::new(self.reconnect);
        // A fifth of its life at most: a short-lived token is to be used, too.
        self.refresh_due = asked + token.life.saturating_sub(self.refresh_before.min(token.life / 5));
        self.held = Some(HeldToken {
            number: self.number,
            secret: token.secret,
            ends: asked + token.life,
        });
    }

    fn on_failure(&mut self, error: &Error, turn: &mut Turn<'_>) {
        // A refusal for good: the old token still carries the stream, but not for long, and nothing will follow.
        if error.kind() == ErrorKind::Credentials {
            turn.end(End::GaveUp(error.clone()));
            return;
        }
        self.backoff.on_failure(turn.now);
        let wait = turn.pause(&self.backoff, error.retry_after());
        self.retry_at = turn.now + wait;
        if self.usable(turn.now).is_some() {
            turn.audit_error(error);
            turn.warn(format!(
                "the token was not renewed; next attempt in {:.1} s: {error}",
                wait.as_secs_f64()
            ));
        }
    }
}
