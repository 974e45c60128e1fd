//! Access tokens and their requests a minute.
//!
//! In: logins, requests · Out: who is allowed · Thread: under the hub's lock.

use super::channels::Hub;
use super::options::Options;
use super::when::Ms;

/// The rate window, in milliseconds.
const WINDOW_MS: Ms = 60_000;

pub(super) struct Token {
    pub client_id: String,
    pub expires: Ms,
    window_start: Ms,
    window_count: u32,
}

/// What a request has left of its token's minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allowance {
    pub count: u32,
    pub allowed: u32,
    /// Seconds until the window begins anew, at least 1.
    pub reset_secs: i64,
    pub refused: bool,
}

impl Hub {
    pub(super) fn log_in(&mut self, client_id: &str, token: String, expires: Ms) {
        self.tokens.insert(
            token,
            Token {
                client_id: client_id.to_owned(),
                expires,
                window_start: 0,
                window_count: 0,
            },
        );
    }

    /// The token, if it is good now.
    pub(super) fn token(&self, token: &str, now: Ms) -> Option<&Token> {
        self.tokens.get(token).filter(|t| t.expires > now)
    }

    pub(super) fn token_count(&self) -> usize {
        self.tokens.len()
    }

    /// Counts one request against the token's minute.
    pub(super) fn spend(&mut self, token: &str, now: Ms, options: &Options) -> Option<Allowance> {
        let window = (WINDOW_MS as f64 / options.speed).max(100.0) as Ms;
        let token = self.tokens.get_mut(token)?;
        if now - token.window_start >= window {
            token.window_start = now;
            token.window_count = 0;
        }
        let refused = options.requests_per_min > 0 && token.window_count >= options.requests_per_min;
        token.window_count += u32::from(!refused);
        let left = token.window_start + window - now;
        Some(Allowance {
            count: token.window_count,
            allowed: options.requests_per_min,
            reset_secs: (left + 999) / 1000,
            refused,
        })
    }
}
