//! A configuration in one line, and the names of its enums.
//!
//! In: `Config` · Out: one line each · Thread: any (pure).

#[cfg(feature = "cli")]
use super::Stdout;
use super::{Config, WhenFull};

impl Config {
    /// One line for the log, without secrets: region, client, protocol, what is subscribed.
    #[must_use]
    pub fn summary(&self) -> String {
        #[cfg(feature = "engine")]
        if let (true, Some(node)) = (self.engine.only_shows(), self.engine.from.first()) {
            return format!("organisation {}, from the engine at {node}", self.engine.org);
        }
        let subscribe = &self.subscribe;
        let some = |list: &[String], what: &str| match list {
            [] => String::new(),
            [one] => format!(", {what} {one}"),
            more => format!(", {} {what}s", more.len()),
        };
        let queues = if subscribe.all_queues() {
            ", all queues".to_owned()
        } else {
            some(&subscribe.queues, "queue")
        };
        format!(
            "region {} ({}), client {}, protocol {}{queues}{}{}",
            self.hosts.region,
            self.hosts.api,
            self.client_id,
            self.protocol.as_str(),
            some(&subscribe.users, "user"),
            some(&subscribe.topics, "topic"),
        )
    }
}

impl WhenFull {
    /// The name used in flags and files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Coalesce => "coalesce",
            Self::Block => "block",
            Self::DropOldest => "drop-oldest",
            Self::DropNewest => "drop-newest",
        }
    }
}

#[cfg(feature = "cli")]
impl Stdout {
    /// Replaces `Auto` by `Live` on a terminal and by `Lines` elsewhere.
    #[must_use]
    pub fn resolved(self, terminal: Terminal) -> Self {
        match (self, terminal) {
            (Self::Auto, Terminal::Yes) => Self::Live,
            (Self::Auto, Terminal::No) => Self::Lines,
            (other, _) => other,
        }
    }
}

/// Whether stdout is a terminal.
#[cfg(feature = "cli")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminal {
    /// A terminal.
    Yes,
    /// A pipe or a file.
    No,
}

#[cfg(feature = "cli")]
impl Terminal {
    /// Asks the operating system about this process's stdout.
    #[must_use]
    pub fn of_stdout() -> Self {
        if std::io::IsTerminal::is_terminal(&std::io::stdout()) {
            Self::Yes
        } else {
            Self::No
        }
    }
}
