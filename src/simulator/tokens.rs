//! Access tokens and their limits of requests in a minute.
//!
//! In: logins, requests · Out: which requests are allowed · Thread: under the lock of the registry.

use super::options::Options;
use super::when::Ms;
use std::collections::HashMap;

/// The rate window, in milliseconds.
const WINDOW_MS: Ms = 60_000;

pub(super) struct Token {
    pub client_id: String,
    pub expires: Ms,
    window_start: Ms,
    window_count: u32,
}

/// The state of a token's limit after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allowance {
    pub count: u32,
    pub allowed: u32,
    /// Seconds until the next window, at least 1.
    pub reset_secs: i64,
    pub refused: bool,
}

/// All tokens that were issued, by their text.
#[derive(Default)]
pub(super) struct Tokens(HashMap<String, Token>);

impl Tokens {
    pub(super) fn add(&mut self, client_id: &str, token: String, expires: Ms) {
        self.0.insert(
            token,
            Token {
                client_id: client_id.to_owned(),
                expires,
                window_start: 0,
                window_count: 0,
            },
        );
    }

    /// The token, if it is valid now.
    pub(super) fn valid(&self, token: &str, now: Ms) -> Option<&Token> {
        self.0.get(token).filter(|t| t.expires > now)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Counts one request against the token's limit.
    pub(super) fn count_request(&mut self, token: &str, now: Ms, options: &Options) -> Option<Allowance> {
        let window = (WINDOW_MS as f64 / options.speed).max(100.0) as Ms;
        let token = self.0.get_mut(token)?;
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

    pub(super) fn remove(&mut self, token: &str) {
        self.0.remove(token);
    }

    pub(super) fn contains(&self, token: &str) -> bool {
        self.0.contains_key(token)
    }

    pub(super) fn forget_expired(&mut self, now: Ms) {
        self.0.retain(|_, token| token.expires > now);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// The token of an `Authorization` header.
pub(super) fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
