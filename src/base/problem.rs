//! What is wrong with a setting: where it was given, what was found, what is allowed.
//!
//! In: findings of the configuration's checks · Out: `ConfigProblem`, one line each · Thread: any (plain data).

use crate::base::order::Ordered as _;
use std::fmt;
use std::sync::Arc;

/// Where a value of the configuration was given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// A flag of the program, with its dashes.
    Flag(&'static str),
    /// A method of [`ConfigBuilder`](crate::ConfigBuilder).
    Setter(&'static str),
    /// An environment variable.
    Variable(&'static str),
    /// A place in the configuration file.
    File {
        /// The file as it was named.
        file: Arc<str>,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
    },
    /// The configuration file as a whole, which could not be read.
    Unreadable {
        /// The file as it was named.
        file: Arc<str>,
    },
    /// Nowhere: the value is missing.
    Missing,
}

impl Origin {
    /// Orders problems: flags, setters, environment, the file from top to bottom, what is missing.
    fn rank(&self) -> (u8, usize, usize) {
        match self {
            Self::Flag(_) => (0, 0, 0),
            Self::Setter(_) => (1, 0, 0),
            Self::Variable(_) => (2, 0, 0),
            Self::File { line, column, .. } => (3, *line, *column),
            Self::Unreadable { .. } => (3, 0, 0),
            Self::Missing => (4, 0, 0),
        }
    }
}

/// One thing that is wrong with a configuration. Its `Display` is one line and holds no secret.
///
/// ```
/// use genesys_stream::{Config, Origin};
///
/// let error = Config::builder().json("my.json", "{\"buffer\": {\"capacity\": 0}}").build().unwrap_err();
/// let problem = &error.problems()[0];
/// assert_eq!((problem.file(), problem.line()), (Some("my.json"), Some(1)));
/// assert_eq!((problem.key.as_str(), problem.found.as_deref()), ("buffer.capacity", Some("0")));
/// assert_eq!(problem.allowed, "allowed is a whole number from 1 to 1000000");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigProblem {
    /// Where the value was given.
    pub origin: Origin,
    /// Dotted path of the key, such as `buffer.capacity`; empty where the fault is outside any key.
    pub key: String,
    /// What was found, shortened to a line and without secrets; `None` where `allowed` says it all.
    pub found: Option<String>,
    /// What is allowed or what to do, with the nearest known word where there is one.
    pub allowed: String,
}

impl ConfigProblem {
    pub(crate) fn new(origin: Origin, key: impl Into<String>, finding: impl Into<Finding>) -> Self {
        let Finding { found, allowed } = finding.into();
        Self {
            origin,
            key: key.into(),
            found,
            allowed,
        }
    }

    /// The configuration file, where the value stands in one or the file could not be read.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        match &self.origin {
            Origin::File { file, .. } | Origin::Unreadable { file } => Some(file),
            _ => None,
        }
    }

    /// The line in the file, from 1.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        match self.origin {
            Origin::File { line, .. } => Some(line),
            _ => None,
        }
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match &self.origin {
            Origin::Flag(flag) => write!(f, "{flag}: ")?,
            Origin::Setter(method) => write!(f, "{method}() ({key}): ")?,
            Origin::Variable(name) => write!(f, "{name}: ")?,
            Origin::File { file, line, column } if key.is_empty() => write!(f, "{file}:{line}:{column}: ")?,
            Origin::File { file, line, column } => write!(f, "{file}:{line}:{column}: {key}: ")?,
            Origin::Unreadable { file } => write!(f, "{file}: ")?,
            Origin::Missing => write!(f, "{key}: ")?,
        }
        if let Some(found) = &self.found {
            write!(f, "found {found}; ")?;
        }
        f.write_str(&self.allowed)
    }
}

/// What a check says of a value: `(found, allowed)`, or a text that says both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) found: Option<String>,
    pub(crate) allowed: String,
}

impl From<String> for Finding {
    fn from(allowed: String) -> Self {
        Self { found: None, allowed }
    }
}

impl From<&str> for Finding {
    fn from(allowed: &str) -> Self {
        allowed.to_owned().into()
    }
}

impl<F: Into<String>, A: Into<String>> From<(F, A)> for Finding {
    fn from((found, allowed): (F, A)) -> Self {
        Self {
            found: Some(found.into()),
            allowed: allowed.into(),
        }
    }
}

/// Puts problems in the order of their places, without repetitions.
pub(crate) fn in_order(mut problems: Vec<ConfigProblem>) -> Vec<ConfigProblem> {
    problems.order_by_key(|problem| problem.origin.rank());
    problems.dedup();
    problems
}
