//! What to send, from the command line.
//!
//! In: arguments · Out: `Options` · Thread: main.

use std::path::PathBuf;

/// The protocol whose frames are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Notifications,
    Events,
    Metrics,
}

/// What happens in the frames of `notifications`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// 2,000 conversations alive at any time, and observations of queues.
    Traffic,
    /// Each event opens a conversation of five participants.
    Open,
    /// Each event is an abandoned call; together they fill 60 windows of a minute for each queue.
    Windows,
}

/// What to send, and how.
#[derive(Debug)]
pub struct Options {
    pub protocol: Protocol,
    pub shape: Shape,
    pub events: usize,
    pub queues: usize,
    /// Events a second; without it as fast as the client takes them.
    pub rate: Option<u64>,
    /// Where the moment of each frame is written, as little-endian nanoseconds since 1970.
    pub times: Option<PathBuf>,
    /// After these numbers of events, wait for a line on stdin. With any, the close waits for one too.
    pub stops: Vec<usize>,
    /// Folder of `server.pem` and `server.key.pem`: speak TLS, and answer only (no events).
    pub tls: Option<PathBuf>,
}

/// The options, for whoever names another.
const ALLOWED: &str = "allowed are --protocol notifications|events|metrics, --shape traffic|open|windows, --events N, \
                       --queues N, --rate N, --times FILE, --stop-at N, --tls FOLDER";

impl Options {
    /// Reads pairs of `--name value`.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn from_args(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            protocol: Protocol::Notifications,
            shape: Shape::Traffic,
            events: 100_000,
            queues: 50,
            rate: None,
            times: None,
            stops: Vec::new(),
            tls: None,
        };
        while let Some(name) = args.next() {
            let value = args
                .next()
                .ok_or_else(|| format!("{name} is not known, or lacks its value; {ALLOWED}"))?;
            let number = || {
                value
                    .parse::<usize>()
                    .map_err(|_| format!("{name} {value}: a whole number is allowed"))
            };
            match (name.as_str(), value.as_str()) {
                ("--protocol", "notifications") => options.protocol = Protocol::Notifications,
                ("--protocol", "events") => options.protocol = Protocol::Events,
                ("--protocol", "metrics") => options.protocol = Protocol::Metrics,
                ("--shape", "traffic") => options.shape = Shape::Traffic,
                ("--shape", "open") => options.shape = Shape::Open,
                ("--shape", "windows") => options.shape = Shape::Windows,
                ("--events", _) => options.events = number()?,
                ("--queues", _) => options.queues = number()?.max(1),
                ("--rate", _) => options.rate = Some(number()?.max(1) as u64),
                ("--times", _) => options.times = Some(value.into()),
                ("--stop-at", _) => options.stops.push(number()?),
                ("--tls", _) => options.tls = Some(value.into()),
                _ => return Err(format!("{name} {value} is not known; {ALLOWED}")),
            }
        }
        Ok(options)
    }
}
