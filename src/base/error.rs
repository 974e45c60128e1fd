//! The error of this crate: what was done, what came back, and who must act.
//!
//! In: failures of every module · Out: one printable `Error` · Thread: any (plain data).

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::problem::{ConfigProblem, in_order};
use super::scrub;

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

/// What was done, what came back, and who must act.
///
/// Its `Display` is one line (a wrong configuration: a line for each problem), holds no secret, and ends with the
/// service's correlation id where there is one.
///
/// ```
/// use genesys_stream::{Config, ErrorKind};
///
/// let error = Config::builder().region("eu-wset-1").build().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Configuration);
/// for problem in error.problems() {
///     println!("{problem}");
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Error {
    kind: ErrorKind,
    did: String,
    came_back: String,
    correlation_id: Option<String>,
    status: Option<u16>,
    retry_after: Option<Duration>,
    cause: Cause,
}

/// What is behind an error.
#[derive(Clone, Debug, Default)]
enum Cause {
    #[default]
    Unknown,
    /// An error of the system or of a library, whose text is in `came_back` as well.
    Source(Arc<dyn std::error::Error + Send + Sync>),
    Configuration(Arc<[ConfigProblem]>),
}

impl Error {
    /// `did` names the step ("asking for a token at https://login…"), `came_back` what happened then.
    pub(crate) fn new(kind: ErrorKind, did: impl Into<String>, came_back: impl Into<String>) -> Self {
        Self {
            kind,
            did: scrubbed(did.into()),
            came_back: scrubbed(came_back.into()),
            correlation_id: None,
            status: None,
            retry_after: None,
            cause: Cause::default(),
        }
    }

    /// The step `did` failed with this error.
    pub(crate) fn caused_by(
        kind: ErrorKind,
        did: impl Into<String>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self::new(kind, did, source.to_string()).with_source(source)
    }

    /// All problems of a configuration, one a line.
    pub(crate) fn configuration(problems: Vec<ConfigProblem>) -> Self {
        let problems = in_order(problems);
        let plural = if problems.len() == 1 { "" } else { "s" };
        let mut text = format!("{} problem{plural}, nothing was connected", problems.len());
        for problem in &problems {
            text.push_str(&format!("\n  {problem}"));
        }
        Self {
            cause: Cause::Configuration(problems.into()),
            ..Self::new(ErrorKind::Configuration, "configuration", text)
        }
    }

    /// Keeps the underlying error; of one that shows a secret, which a peer may have repeated, only the text without it.
    #[must_use]
    pub(crate) fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        let source: Arc<dyn std::error::Error + Send + Sync> = Arc::new(source);
        self.cause = Cause::Source(match shows_secret(&*source) {
            true => Arc::new(Told(scrubbed(source.to_string()))),
            false => source,
        });
        self
    }

    /// Adds the service's correlation id, for a support case.
    #[must_use]
    pub(crate) fn with_correlation_id(mut self, id: Option<String>) -> Self {
        self.correlation_id = id.map(scrubbed);
        self
    }

    /// Changes the kind, where the larger step knows better who must act.
    #[must_use]
    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// Adds the HTTP status that came back.
    #[must_use]
    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Adds how long the service asked us to wait.
    #[must_use]
    pub(crate) fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    /// Names the larger step before the step that failed.
    #[must_use]
    pub(crate) fn while_doing(mut self, larger: &str) -> Self {
        self.did = scrubbed(format!("{larger}: {}", self.did));
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

    /// All problems of a wrong configuration in the order of their places: flags, setters, environment, the file from top
    /// to bottom, what is missing. Empty for every other error.
    #[must_use]
    pub fn problems(&self) -> &[ConfigProblem] {
        match &self.cause {
            Cause::Configuration(problems) => problems,
            _ => &[],
        }
    }

    /// The service's correlation id for a support case, if one came back.
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

impl std::error::Error for Error {
    /// The error of the system or of a library that caused this one, where there is one; `Display` shows its text already.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            Cause::Source(source) => Some(&**source),
            _ => None,
        }
    }
}

/// What is left of an error whose text held a secret.
#[derive(Debug)]
struct Told(String);

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Told {}

/// Whether an error or one behind it shows a secret.
fn shows_secret(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    std::iter::from_fn(|| {
        let error = next?;
        next = error.source();
        Some(error)
    })
    .any(|error| matches!(scrub::text(&format!("{error} {error:?}")), Cow::Owned(_)))
}

/// Without secrets, which a peer may have repeated.
fn scrubbed(text: String) -> String {
    match scrub::text(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(clean) => clean,
    }
}

/// The text of a panic.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::problem::Origin;
    use std::error::Error as _;
    use std::io;

    #[test]
    fn the_underlying_error_is_kept() {
        let error = Error::caused_by(
            ErrorKind::Local,
            "reading a file",
            io::Error::from(io::ErrorKind::NotFound),
        );
        let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
        assert_eq!(source.map(io::Error::kind), Some(io::ErrorKind::NotFound));
        assert_eq!(error.to_string(), "reading a file: entity not found");
        assert!(Error::new(ErrorKind::Local, "a", "b").source().is_none());
    }

    #[test]
    fn neither_an_error_nor_one_behind_it_shows_a_secret() {
        let secret = crate::Secret::passing("repeated-by-a-peer-in-an-error");
        let inner = io::Error::other(format!("bad header {}", secret.reveal()));
        let outer = Error::new(ErrorKind::Transient, "reading", "it failed").with_source(inner);
        let whole = Error::caused_by(ErrorKind::Transient, "asking", outer).while_doing(secret.reveal());
        let mut shown = vec![whole.to_string(), format!("{whole:?}")];
        let mut next = whole.source();
        while let Some(error) = next {
            shown.extend([error.to_string(), format!("{error:?}")]);
            next = error.source();
        }
        assert!(shown.len() > 4);
        for text in shown {
            assert!(!text.contains(secret.reveal()), "{text}");
        }
    }

    #[test]
    fn problems_come_in_order_of_their_place() {
        let problem = |origin| ConfigProblem::new(origin, "k", ("1", "w"));
        let at = |line| Origin::File {
            file: "f.json".into(),
            line,
            column: 1,
        };
        let error = Error::configuration(vec![
            ConfigProblem::new(Origin::Missing, "k", "w"),
            problem(at(9)),
            problem(at(2)),
            problem(Origin::Variable("V")),
            problem(Origin::Flag("--x")),
            problem(Origin::Flag("--x")),
        ]);
        assert_eq!(
            error.to_string(),
            "configuration: 5 problems, nothing was connected\n  --x: found 1; w\n  V: found 1; w\n  \
             f.json:2:1: k: found 1; w\n  f.json:9:1: k: found 1; w\n  k: w"
        );
        let lines: Vec<_> = error.problems().iter().map(ConfigProblem::line).collect();
        assert_eq!(lines, [None, None, Some(2), Some(9), None]);
    }
}
