//! The steps to a stream, tried one by one with advice where one fails (`check`), and the plan of a run (`plan`).
//!
//! In: a configuration, REST answers, one socket · Out: `Finding`s one by one, a `Planned` · Thread: the caller's,
//! which waits; each step has its own time limit and ends at once on cancel. Nothing stays subscribed.

mod life;
mod network;
pub(crate) mod plan;
mod service;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::{Config, Protocol};
use crate::net::{Cancel, Net};
use crate::rest::channels::{self, Channel};
use crate::rest::{Limits, RestClient};
use crate::{Error, ErrorKind, Secret};

/// The time limit for removing the subscriptions.
const CLEANUP_LIMIT: Duration = Duration::from_secs(5);
/// The same after a stop.
const CLEANUP_LIMIT_STOPPED: Duration = Duration::from_millis(1000);

/// The steps, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Config,
    Dns,
    Tcp,
    Tls,
    Clock,
    Token,
    Queues,
    Users,
    Permissions,
    Metrics,
    Backfill,
    Channel,
    Life,
    /// Reported only where it fails.
    Cleanup,
}

impl Step {
    /// The name in text and JSON.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Clock => "clock",
            Self::Token => "token",
            Self::Queues => "queues",
            Self::Users => "users",
            Self::Permissions => "permissions",
            Self::Metrics => "metrics",
            Self::Backfill => "backfill",
            Self::Channel => "channel",
            Self::Life => "life",
            Self::Cleanup => "cleanup",
        }
    }
}

/// How a step ended, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Ok,
    Warn,
    Fail,
}

impl Verdict {
    /// The name in text and JSON.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// The result of one step.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) step: Step,
    pub(crate) verdict: Verdict,
    pub(crate) took: Duration,
    /// What was found, in one line.
    pub(crate) message: String,
    /// What to do, in one line; always given where the verdict is `Fail`.
    pub(crate) advice: Option<String>,
    /// One line each, such as queues or refused topics.
    pub(crate) details: Vec<String>,
}

/// Receives each step as it happens.
pub(crate) trait Reporter {
    /// A step begins; `what` says what it waits for.
    fn begins(&mut self, step: Step, what: &str);
    /// The step has ended.
    fn found(&mut self, finding: &Finding);
}

/// The result of the whole check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The worst verdict.
    pub(crate) worst: Verdict,
    /// Whether it was stopped before its end.
    pub(crate) interrupted: bool,
}

/// Which sign of life the check waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// An answer to a ping, or the subscription's confirmation.
    Answer,
    /// A heartbeat as well.
    Heartbeat,
}

/// A check under way.
struct Check<'a> {
    config: &'a Config,
    net: Arc<Net>,
    rest: RestClient,
    cancel: Cancel,
    reporter: &'a mut dyn Reporter,
    worst: Verdict,
    token: Option<Secret>,
    /// The channel whose subscriptions must be removed at the end.
    channel: Option<Channel>,
    /// Channels of the OAuth client before the check made its own; 0 where the service did not say.
    channels_before: usize,
}

/// The check has ended: a step failed that the later ones need, or it was stopped.
struct CheckEnded;

type StepResult<T = ()> = Result<T, CheckEnded>;

/// A step's verdict, and what it found.
struct Judgement {
    verdict: Verdict,
    message: String,
    advice: Option<String>,
    details: Vec<String>,
}

impl Judgement {
    fn ok(message: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Ok,
            message: message.into(),
            advice: None,
            details: Vec::new(),
        }
    }

    fn warn(message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Warn,
            advice: Some(advice.into()),
            ..Self::ok(message)
        }
    }

    fn fail(message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Fail,
            ..Self::warn(message, advice)
        }
    }

    fn with(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }
}

/// Tries all steps but `config`, whose failures the caller reports, since it builds the configuration.
///
/// # Errors
/// [`ErrorKind::Configuration`] where CA file or proxy cannot be used; nothing was connected then.
pub(crate) fn check(
    config: &Config,
    awaited: Awaited,
    cancel: &Cancel,
    reporter: &mut dyn Reporter,
) -> Result<Outcome, Error> {
    let began = Instant::now();
    let net = Arc::new(Net::new(config)?);
    let rest = RestClient::new(
        config.hosts.clone(),
        Arc::clone(&net),
        cancel.clone(),
        Limits::new(config),
    );
    let mut check = Check {
        config,
        net,
        rest,
        cancel: cancel.clone(),
        reporter,
        worst: Verdict::Ok,
        token: None,
        channel: None,
        channels_before: 0,
    };
    check.report(Step::Config, began, Judgement::ok(config.summary()));
    // The verdicts say how it ended.
    let _ = check.steps(awaited);
    check.clean_up();
    Ok(Outcome {
        worst: check.worst,
        interrupted: cancel.is_cancelled(),
    })
}

impl Check<'_> {
    fn steps(&mut self, awaited: Awaited) -> StepResult {
        let targets = self.targets();
        self.dns(&targets)?;
        self.tcp(&targets)?;
        self.tls(&targets)?;
        self.clock()?;
        let token = self.log_in()?;
        let queues = self.queues(&token)?;
        match self.config.protocol {
            Protocol::Notifications => {
                let queues = queues.unwrap_or_default();
                let users = self.users(&token, &queues)?;
                self.permissions(&token, &queues, &users)?;
                self.backfill(&token, &queues)?;
                self.life(&token, Vec::new(), awaited)
            }
            Protocol::Events | Protocol::Metrics => {
                self.metrics(&token, queues.as_deref())?;
                self.life(&token, queues.unwrap_or_default(), awaited)
            }
        }
    }

    /// Reports a step that has ended.
    fn report(&mut self, step: Step, began: Instant, judgement: Judgement) {
        self.worst = self.worst.max(judgement.verdict);
        self.reporter.found(&Finding {
            step,
            verdict: judgement.verdict,
            took: began.elapsed(),
            message: judgement.message,
            advice: judgement.advice,
            details: judgement.details,
        });
    }

    /// Ends the check with this step. A stop is not reported as a failure of the step.
    fn end<T>(&mut self, step: Step, began: Instant, error: &Error, advice: &str) -> StepResult<T> {
        if error.kind() != ErrorKind::Stopped && !self.cancel.is_cancelled() {
            self.report(step, began, Judgement::fail(error.to_string(), advice));
        }
        Err(CheckEnded)
    }

    /// Removes the subscriptions, however the check ended.
    fn clean_up(&mut self) {
        let (Some(channel), Some(token)) = (self.channel.take(), self.token.clone()) else {
            return;
        };
        let began = Instant::now();
        let limit = if self.cancel.is_cancelled() {
            CLEANUP_LIMIT_STOPPED
        } else {
            CLEANUP_LIMIT
        };
        // A stop signal of its own: that of the check may have been given.
        let rest = self.rest.scoped(Cancel::new(), limit);
        if let Err(error) = channels::unsubscribe_all(&rest, &token, &channel.id) {
            let advice = "Nothing to do: they end with their channel, within 24 hours.";
            self.report(Step::Cleanup, began, Judgement::warn(error.to_string(), advice));
        }
    }
}

/// Advice for a failure of the service or the network that may pass.
fn advice_for_transient(error: &Error) -> String {
    match error.status() {
        _ if is_page(error) => PAGE_ADVICE.to_owned(),
        Some(429) => "The service limits requests: other programs may use the same OAuth client, or make too many requests. Give this program an OAuth client of its own, or try again in a minute.".to_owned(),
        Some(500..) => "The service itself has a problem: try again in some minutes, and look at the status page of Genesys Cloud.".to_owned(),
        _ => "Try again; if it fails again, check what is between this machine and the service (firewall, proxy).".to_owned(),
    }
}

/// Advice for a failed REST call with a token; `permission` is what the call needs.
fn advice(error: &Error, permission: &str) -> String {
    match (error.kind(), error.status()) {
        _ if is_page(error) => PAGE_ADVICE.to_owned(),
        (ErrorKind::Credentials, Some(403)) => match named_permissions(&error.to_string()) {
            Some(named) => role_advice(&named),
            None => guessed_role_advice(permission),
        },
        (ErrorKind::Credentials, _) => {
            "The token was refused: it was revoked, the OAuth client was disabled, or the region is wrong.".to_owned()
        }
        (ErrorKind::Refused, _) => "The service refuses this request: check the configuration.".to_owned(),
        _ => advice_for_transient(error),
    }
}

/// Whether a page for people was answered in place of JSON.
fn is_page(error: &Error) -> bool {
    error.to_string().contains("an HTML page instead of JSON")
}

const PAGE_ADVICE: &str = "A proxy blocks this, or this network wants a login first: open the address in a browser on this \
    machine, log in there or have the address allowed; where a proxy is needed, give it with --proxy or HTTPS_PROXY.";

/// The permissions that a text of the service names, such as `routing:queue:view`.
fn named_permissions(text: &str) -> Option<String> {
    // Not a time of day, which has such parts too.
    let is_part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let named = text
        .split(|c: char| !c.is_ascii_alphanumeric() && c != ':')
        .filter(|word| {
            let parts: Vec<&str> = word.trim_end_matches(':').split(':').collect();
            parts.len() == 3 && parts.into_iter().all(is_part)
        });
    let named: Vec<&str> = named.map(|word| word.trim_end_matches(':')).collect();
    (!named.is_empty()).then(|| named.join(", "))
}

/// Advice where the service does not say what is missing; `permissions` is what such a call usually needs.
fn guessed_role_advice(permissions: &str) -> String {
    format!(
        "The service does not say what is missing; a guess is {permissions}. {}",
        role_advice("it")
    )
}

/// Advice for a missing permission.
fn role_advice(permissions: &str) -> String {
    format!(
        "Give the OAuth client a role that holds {permissions}, for the divisions of the queues (Admin > Integrations > \
         OAuth > the client > Roles)."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guess_is_told_as_a_guess() {
        let refused = |text: &str| Error::new(ErrorKind::Credentials, "asking", text).with_status(403);
        let told = advice(
            &refused("403 missing.permissions: You need [routing:queue:view]."),
            "a:b:c",
        );
        assert!(
            told.starts_with("Give the OAuth client a role that holds routing:queue:view,"),
            "{told}"
        );
        let told = advice(&refused("403 not.authorized (POST http://127.0.0.1:80/x)"), "a:b:c");
        assert!(
            told.starts_with("The service does not say what is missing; a guess is a:b:c."),
            "{told}"
        );
        let told = advice(&refused("403: an HTML page instead of JSON: a block page"), "a:b:c");
        assert!(told.contains("in a browser"), "{told}");
    }
}
