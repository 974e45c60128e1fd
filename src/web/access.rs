//! Who may ask: the check of `Host`, the token, the cookie of the login form, the limit on wrong attempts.
//!
//! In: request fields, the clock · Out: whether access is allowed · Thread: any (one mutex over the counts of attempts).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use crate::http_server::Request;
use crate::{Moment, Secret};

/// A login lasts for a month; each visit of the page begins a new month, so a wall screen stays logged in.
const COOKIE_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
/// Wrong attempts are counted over this long.
const ATTEMPTS_PER: Duration = Duration::from_secs(60);
/// Wrong logins of one address in that time; further ones are answered 429.
const WRONG_LOGINS: u32 = 10;
/// Wrong bearer tokens of one address in that time: more, because a wrongly configured program repeats its request.
const WRONG_BEARERS: u32 = 100;
/// Addresses whose attempts are counted; all further addresses share one count.
const MOST_PEERS: usize = 1024;

/// Host names that are answered: loopback names, the listen address, `allowed_hosts`.
pub(super) struct Hosts {
    names: Vec<String>,
    /// Listening on every address of the machine, so any address is answered. A page of another site (DNS rebinding)
    /// gains nothing by that: its `Host` is its own name, not an address.
    any_address: bool,
}

impl Hosts {
    /// `listen_host` is the host of `http.listen`, without the port.
    pub(super) fn new(listen_host: &str, listening: IpAddr, allowed: &[String]) -> Self {
        let mut names: Vec<String> = allowed.iter().map(|name| name.to_ascii_lowercase()).collect();
        names.push(bare(listen_host).to_ascii_lowercase());
        Self {
            names,
            any_address: listening.is_unspecified(),
        }
    }

    /// Whether a request may be answered: it has exactly one `Host`, and that is known.
    pub(super) fn admit(&self, request: &Request) -> bool {
        let mut hosts = request.headers.iter().filter(|(name, _)| name == "host");
        match (hosts.next(), hosts.next()) {
            (Some((_, host)), None) => self.knows(host),
            _ => false,
        }
    }

    fn knows(&self, host_and_port: &str) -> bool {
        let Some(host) = host_of(host_and_port) else {
            return false;
        };
        let host = host.to_ascii_lowercase();
        let address = host.parse::<IpAddr>().ok();
        host == "localhost"
            || address.is_some_and(|ip| ip.is_loopback() || self.any_address)
            || self.names.contains(&host)
    }
}

/// The host of `host`, `host:port`, `[v6]:port`; a v6 address without brackets.
fn host_of(text: &str) -> Option<&str> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(inside) => inside
            .split_once(']')
            .filter(|(host, _)| host.parse::<Ipv6Addr>().is_ok())?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port_is_one = rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    (port_is_one && !host.is_empty()).then_some(host)
}

fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host)
}

/// How a request proved that it may have what it asks for, or why not.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// By the token, in the header or the form.
    ByToken,
    /// By the cookie.
    ByCookie,
    Missing,
    Wrong,
    /// Too many wrong attempts from this address; it may try again after so many seconds.
    TooMany(u64),
}

/// Compares tokens and cookies with the configured token.
pub(super) struct TokenCheck {
    /// Random, of this process: the tags that it gives are compared in constant time.
    comparing: hmac::Key,
    token: hmac::Tag,
    /// Derived from the token, so that a cookie survives a restart, but no change of the token.
    cookies: hmac::Key,
    cookie_name: String,
    logins: Attempts,
    bearers: Attempts,
}

impl TokenCheck {
    /// `port` becomes part of the cookie's name: browsers send cookies to every port of a host, and two programs may run there.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub(super) fn new(token: &Secret, port: u16) -> Result<Self, String> {
        let mut key = [0_u8; 32];
        SystemRandom::new()
            .fill(&mut key)
            .map_err(|_| "the operating system gives no randomness".to_owned())?;
        let comparing = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let of_token = hmac::Key::new(hmac::HMAC_SHA256, token.reveal().as_bytes());
        let derived = hmac::sign(&of_token, b"genesys-stream: key of the page's cookies");
        Ok(Self {
            token: hmac::sign(&comparing, token.reveal().as_bytes()),
            comparing,
            cookies: hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()),
            cookie_name: format!("genesys_stream_{port}"),
            logins: Attempts::new(WRONG_LOGINS),
            bearers: Attempts::new(WRONG_BEARERS),
        })
    }

    /// Checks a request's header or, without one, its cookie.
    pub(super) fn check(&self, request: &Request, at: Moment, now: Instant) -> Access {
        if let Some(credentials) = request.header("authorization") {
            let bearer = match credentials.split_once(' ') {
                Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim_start(),
                _ => return Access::Wrong,
            };
            return self.bearers.attempt(request.peer, now, || self.is_token(bearer));
        }
        let cookies = request.headers.iter().filter(|(name, _)| name == "cookie");
        let cookie = cookies
            .flat_map(|(_, value)| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, _)| *name == self.cookie_name);
        match cookie {
            Some((_, value)) if self.is_cookie(value, at) => Access::ByCookie,
            _ => Access::Missing,
        }
    }

    /// Checks what was typed into the form.
    pub(super) fn log_in(&self, typed: &str, peer: Option<IpAddr>, now: Instant) -> Access {
        self.logins.attempt(peer, now, || self.is_token(typed))
    }

    fn is_token(&self, text: &str) -> bool {
        hmac::verify(&self.comparing, text.as_bytes(), self.token.as_ref()).is_ok()
    }

    /// The value of `Set-Cookie` for a browser that has logged in.
    pub(super) fn cookie(&self, at: Moment) -> String {
        let ends = at.plus(COOKIE_LIFE).epoch_ms() / 1000;
        let tag = hmac::sign(&self.cookies, ends.to_string().as_bytes());
        format!(
            "{}={ends}.{}; Max-Age={}; Path=/; HttpOnly; SameSite=Strict",
            self.cookie_name,
            URL_SAFE_NO_PAD.encode(tag),
            COOKIE_LIFE.as_secs()
        )
    }

    /// The value of `Set-Cookie` for a browser that logs out.
    pub(super) fn no_cookie(&self) -> String {
        format!("{}=; Max-Age=0; Path=/; HttpOnly; SameSite=Strict", self.cookie_name)
    }

    fn is_cookie(&self, value: &str, at: Moment) -> bool {
        let Some((ends, tag)) = value.split_once('.') else {
            return false;
        };
        let Ok(tag) = URL_SAFE_NO_PAD.decode(tag) else {
            return false;
        };
        hmac::verify(&self.cookies, ends.as_bytes(), &tag).is_ok()
            && ends.parse::<i64>().is_ok_and(|ends| at.epoch_ms() / 1000 < ends)
    }
}

/// Wrong attempts of each address in the last minute.
struct Attempts {
    most: u32,
    counts: Mutex<HashMap<Option<IpAddr>, (Instant, u32)>>,
}

impl Attempts {
    fn new(most: u32) -> Self {
        Self {
            most,
            counts: Mutex::new(HashMap::new()),
        }
    }

    fn attempt(&self, peer: Option<IpAddr>, now: Instant, is_right: impl FnOnce() -> bool) -> Access {
        // The right token always enters: otherwise strangers behind the same proxy could keep its owner out.
        if is_right() {
            return Access::ByToken;
        }
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.retain(|_, (begun, _)| now.saturating_duration_since(*begun) < ATTEMPTS_PER);
        let peer = peer.filter(|_| counts.len() < MOST_PEERS || counts.contains_key(&peer));
        let (begun, count) = counts.entry(peer).or_insert((now, 0));
        if *count >= self.most {
            let left = ATTEMPTS_PER.saturating_sub(now.saturating_duration_since(*begun));
            return Access::TooMany(left.as_secs() + 1);
        }
        *count += 1;
        Access::Wrong
    }
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
