//! Every step of the way to the stream, tried one by one, and what to do where one fails; and the plan alone.
//!
//! In: a configuration, REST answers, one socket · Out: `Finding`s as they come, a `Planned` · Thread: the caller's,
//! which waits; each step has its own limit and ends at once on cancel. Nothing is left subscribed.

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

/// Removing the subscriptions may take this long; after a stop, the shorter time.
const CLEANUP_LIMIT: Duration = Duration::from_secs(5);
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
    /// Told only where it fails.
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

/// How a step came out; the later, the worse.
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

/// What one step found.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) step: Step,
    pub(crate) verdict: Verdict,
    pub(crate) took: Duration,
    /// What was found, in a line.
    pub(crate) message: String,
    /// What to do, in a line; there is always one where the verdict is `Fail`.
    pub(crate) advice: Option<String>,
    /// One line each: queues, topics that were refused.
    pub(crate) details: Vec<String>,
}

/// Hears of each step as it happens.
pub(crate) trait Reporter {
    /// A step begins; `what` says what is waited for.
    fn begins(&mut self, step: Step, what: &str);
    /// It came out so.
    fn found(&mut self, finding: &Finding);
}

/// How the whole came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The worst verdict.
    pub(crate) worst: Verdict,
    /// It was stopped before its end.
    pub(crate) interrupted: bool,
}

/// How long the check waits for signs of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// For an answer.
    Answer,
    /// For a heartbeat, too.
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
    /// What must be cleaned up.
    channel: Option<Channel>,
}

/// The step failed and the later ones make no sense, or the check was stopped.
struct End;

type Go<T = ()> = Result<T, End>;

/// One step: what it found so far.
struct Told {
    verdict: Verdict,
    message: String,
    advice: Option<String>,
    details: Vec<String>,
}

impl Told {
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

/// Tries everything. The `config` step is the caller's, who has built the configuration.
///
/// # Errors
/// [`ErrorKind::Configuration`] where CA file or proxy cannot be used; nothing was connected then.
pub(crate) fn check(
    config: &Config,
    patience: Patience,
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
    };
    check.tell(Step::Config, began, Told::ok(config.summary()));
    // How it ended is in the verdicts.
    let _ = check.steps(patience);
    check.clean_up();
    Ok(Outcome {
        worst: check.worst,
        interrupted: cancel.is_cancelled(),
    })
}

impl Check<'_> {
    fn steps(&mut self, patience: Patience) -> Go {
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
                self.life(&token, Vec::new(), patience)
            }
            Protocol::Events | Protocol::Metrics => {
                self.metrics(&token, queues.as_deref())?;
                self.life(&token, queues.unwrap_or_default(), patience)
            }
        }
    }

    /// Tells the reporter.
    fn tell(&mut self, step: Step, began: Instant, told: Told) {
        self.worst = self.worst.max(told.verdict);
        self.reporter.found(&Finding {
            step,
            verdict: told.verdict,
            took: began.elapsed(),
            message: told.message,
            advice: told.advice,
            details: told.details,
        });
    }

    /// Ends the check with this step; a stop is no verdict on the step.
    fn end<T>(&mut self, step: Step, began: Instant, error: &Error, advice: &str) -> Go<T> {
        if error.kind() != ErrorKind::Stopped && !self.cancel.is_cancelled() {
            self.tell(step, began, Told::fail(error.to_string(), advice));
        }
        Err(End)
    }

    /// Leaves no subscription behind, whatever happened.
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
        // The signal that stopped the check must not stop this.
        let rest = self.rest.scoped(Cancel::new(), limit);
        if let Err(error) = channels::unsubscribe_all(&rest, &token, &channel.id) {
            let advice = "Nothing to do: they end with their channel, 24 hours from now at the latest.";
            self.tell(Step::Cleanup, began, Told::warn(error.to_string(), advice));
        }
    }
}

/// What to do where the service or the network failed in a way that may pass.
fn advice_for_transient(error: &Error) -> String {
    match error.status() {
        Some(429) => "The service limits requests: other programs use the same OAuth client, or ask too often. Give this program a client of its own, or try again in a minute.".to_owned(),
        Some(500..) => "The service itself fails: try again in some minutes, and look at the status page of Genesys Cloud.".to_owned(),
        _ => "Try again; if it stays, look at what stands between this machine and the service (firewall, proxy).".to_owned(),
    }
}

/// What to do about an error of a REST call with a token.
fn advice(error: &Error, permission: &str) -> String {
    match (error.kind(), error.status()) {
        (ErrorKind::Credentials, Some(403)) => role_advice(permission),
        (ErrorKind::Credentials, _) => {
            "The token was refused: it was revoked, the OAuth client was disabled, or the region is another.".to_owned()
        }
        (ErrorKind::Refused, _) => {
            "The service does not take this request: compare it with the configuration.".to_owned()
        }
        _ => advice_for_transient(error),
    }
}

/// Where permissions come from.
fn role_advice(permissions: &str) -> String {
    format!(
        "Give the OAuth client a role that holds {permissions}, for the divisions of the queues (Admin > Integrations > \
         OAuth > the client > Roles)."
    )
}
