//! The options with which a simulator starts.
//!
//! In: the command line or a test · Out: [`Options`] · Thread: the caller's.

use super::script::Script;
use std::fmt;
use std::time::Duration;

/// One OAuth client that may log in.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credentials {
    /// The client id.
    pub client_id: String,
    /// The client secret.
    pub client_secret: String,
}

impl Credentials {
    /// A client with this id and secret.
    #[must_use]
    pub fn new(client_id: impl Into<String>, client_secret: impl Into<String>) -> Self {
        Self {
            client_id: client_id.into(),
            client_secret: client_secret.into(),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("client_id", &self.client_id)
            .field("client_secret", &"…")
            .finish()
    }
}

/// The options of a simulated organisation; [`Options::default`] is a small busy centre on a free loopback port.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Where to listen, `HOST:PORT`; port 0 picks a free one. Default `127.0.0.1:0`.
    pub listen: String,
    /// The same seed (and `epoch_ms`) gives the same centre: names, ids, and every conversation. Default 1.
    pub seed: u64,
    /// How many times faster than the wall clock the centre's clock runs, 0.01 to 100,000. All times that the service sends
    /// (in events and answers, `expires`, `Date` headers) are by the centre's clock. Lives and intervals of the service
    /// (token, channel, heartbeat, rate window) are shorter by this factor. Lengths of time that it sends (`expires_in`,
    /// `Retry-After`, `expires` less `Date`) are in real time. Default 1.
    pub speed: f64,
    /// Routing queues, 1 to 2,000. Default 6.
    pub queues: usize,
    /// Users who are agents, 1 to 20,000. Default 40.
    pub agents: usize,
    /// Users in all (those beyond `agents` never take a conversation); less than `agents` counts as `agents`. Default 0.
    pub users: usize,
    /// Mean number of conversations that arrive in a second of the centre's time; `None` suits the number of agents.
    pub arrivals_per_sec: Option<f64>,
    /// Who may log in. Default `simulator`/`simulator`.
    pub credentials: Vec<Credentials>,
    /// Life of an access token, 1 ms to 366 days. Default 24 h.
    pub token_life: Duration,
    /// Life of a notification channel, from its creation or its last subscription on, 1 ms to 366 days. Default 24 h.
    pub channel_life: Duration,
    /// Time between two heartbeats of a notification socket, 1 ms to 366 days. Default 30 s.
    pub heartbeat: Duration,
    /// REST requests in a minute for each token; 0 sets no limit. Default 300.
    pub requests_per_min: u32,
    /// Channels that a client may have; one more evicts the one that was unused longest. Default 20.
    pub max_channels: usize,
    /// Topics that a channel may have; combined ones count once. Default 1000.
    pub max_topics: usize,
    /// Topics that contain one of these texts are refused.
    pub forbidden_topics: Vec<String>,
    /// Permissions that the OAuth client lacks: topics and REST calls that need one are refused.
    pub missing_permissions: Vec<String>,
    /// The `events` socket answers a subscription with filters by an error 403.
    pub refuse_event_filters: bool,
    /// Frames that may wait for one socket; a peer that falls further behind is disconnected. Default 16,384.
    pub socket_frames: usize,
    /// The centre's time at the start, in Unix milliseconds; `None` is the wall clock.
    pub epoch_ms: Option<i64>,
    /// How long the centre has been running when the simulator starts, at most 24 h. Default 5 min.
    pub warm_up: Duration,
    /// Ended conversations are kept for this long of the centre's time (at most 100,000 of them); REST and
    /// the true numbers know no older ones. Threads whose customers will come back are kept until then. At most 366 days,
    /// default 6 h.
    pub retention: Duration,
    /// Some agents leave out after-call work that is optional for them: for 600 s the stream tells that it is expected, and
    /// REST does not. Default true.
    pub optional_after_call_work: bool,
    /// Clients connect through a TLS proxy, so addresses of sockets begin with `wss`. Default false.
    pub tls_front: bool,
    /// Control calls that the simulator makes by itself, each at its time. Default none.
    pub script: Option<Script>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            listen: "127.0.0.1:0".to_owned(),
            seed: 1,
            speed: 1.0,
            queues: 6,
            agents: 40,
            users: 0,
            arrivals_per_sec: None,
            credentials: vec![Credentials::new("simulator", "simulator")],
            token_life: Duration::from_secs(86_400),
            channel_life: Duration::from_secs(86_400),
            heartbeat: Duration::from_secs(30),
            requests_per_min: 300,
            max_channels: 20,
            max_topics: 1000,
            forbidden_topics: Vec::new(),
            missing_permissions: Vec::new(),
            refuse_event_filters: false,
            socket_frames: 16_384,
            epoch_ms: None,
            warm_up: Duration::from_secs(300),
            retention: Duration::from_secs(6 * 3600),
            optional_after_call_work: true,
            tls_front: false,
            script: None,
        }
    }
}

impl Options {
    /// The first option that is out of range, as a message.
    pub(super) fn problem(&self) -> Option<String> {
        let range = |name: &str, value: usize, low: usize, high: usize| {
            (value < low || value > high).then(|| format!("{name}: found {value}, allowed {low} to {high}"))
        };
        if !(0.01..=100_000.0).contains(&self.speed) {
            return Some(format!("speed: found {}, allowed 0.01 to 100000", self.speed));
        }
        if let Some(rate) = self.arrivals_per_sec.filter(|r| !(0.0..=10_000.0).contains(r)) {
            return Some(format!("arrivals_per_sec: found {rate}, allowed 0 to 10000"));
        }
        if self.credentials.is_empty() {
            return Some("credentials: none given, at least one client must be able to log in".to_owned());
        }
        const MS: Duration = Duration::from_millis(1);
        const YEAR: Duration = Duration::from_secs(366 * 86_400);
        const DAY: Duration = Duration::from_secs(86_400);
        let lengths = [
            ("heartbeat", self.heartbeat, MS, YEAR),
            ("token_life", self.token_life, MS, YEAR),
            ("channel_life", self.channel_life, MS, YEAR),
            ("warm_up", self.warm_up, Duration::ZERO, DAY),
            ("retention", self.retention, Duration::ZERO, YEAR),
        ];
        if let Some((name, found, low, high)) = lengths.iter().find(|(_, found, low, high)| found < low || found > high)
        {
            return Some(format!("{name}: found {found:?}, allowed {low:?} to {high:?}"));
        }
        range("queues", self.queues, 1, 2000)
            .or_else(|| range("agents", self.agents, 1, 20_000))
            .or_else(|| range("users", self.users, 0, 50_000))
            .or_else(|| range("max_channels", self.max_channels, 1, 10_000))
            .or_else(|| range("max_topics", self.max_topics, 1, 100_000))
            .or_else(|| range("socket_frames", self.socket_frames, 16, 1_000_000))
    }
}
