//! The one error of this crate: what we did, what came back, and who must act.
//!
//! In: failures of every band · Out: one printable `Error` · Thread: any (plain data).

use std::fmt;
use std::time::Duration;

/// Who must act on an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The configuration or the command line is wrong; nothing was connected.
    Configuration,
    /// The service refused the credentials, or every permission that is needed.
    Credentials,
    /// The service refused a request for good (for instance 400 on a subscription, a foreign `connectUri`).
    Refused,
    /// A certificate could not be verified.
    Certificate,
    /// The network or the peer failed in a way that may pass.
    Transient,
    /// `verify` found no data for the metrics asked for.
    NoData,
    /// A file or a stream of this machine failed.
    Local,
    /// Stopped on request before it was done.
    Stopped,
    /// A defect in this crate, for instance a panic in a thread.
    Internal,
}

/// What we did, what came back, who must act.
///
/// Its `Display` is one line, holds no secret, and ends with the service's correlation id where there is one.
///
/// ```
/// use genesys_stream::{Error, ErrorKind};
/// let error = Error::new(ErrorKind::Refused, "subscribing to 3 topics", "400 notification.invalid.topic");
/// assert_eq!(error.to_string(), "subscribing to 3 topics: 400 notification.invalid.topic");
/// ```
#[derive(Clone, Debug)]
pub struct Error {
    kind: ErrorKind,
    did: String,
    came_back: String,
    correlation_id: Option<String>,
    status: Option<u16>,
    retry_after: Option<Duration>,
}

impl Error {
    /// `did` names the step ("asking for a token at https://login…"), `came_back` what happened then.
    pub fn new(kind: ErrorKind, did: impl Into<String>, came_back: impl Into<String>) -> Self {
        Self {
            kind,
            did: did.into(),
            came_back: came_back.into(),
            correlation_id: None,
            status: None,
            retry_after: None,
        }
    }

    /// Adds the service's correlation id, for a support case.
    #[must_use]
    pub fn with_correlation_id(mut self, id: Option<String>) -> Self {
        self.correlation_id = id;
        self
    }

    /// Changes who must act, where the larger step knows better.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// Adds the HTTP status that came back.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Adds how long the service asked us to wait.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    /// Puts the larger step before the smaller one that failed.
    #[must_use]
    pub fn while_doing(mut self, larger: &str) -> Self {
        self.did = format!("{larger}: {}", self.did);
        self
    }

    /// Who must act.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The HTTP status that came back, if one did.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// How long the service asked us to wait, if it did.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The service's correlation id, if one came back.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&str> {
        self.correlation_id.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.did, self.came_back)?;
        if let Some(id) = &self.correlation_id {
            write!(f, " (correlation id {id})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// The text of a panic, where it has one.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a text".to_owned())
}
