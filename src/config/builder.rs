//! Puts a configuration together: setters over environment over file over defaults.
//!
//! In: setters, flags, environment, file · Out: `Config` · Thread: any.

use std::ffi::OsString;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::build::{Layers, ProxyVariables, build};
use super::credentials::{SecretSources, Variables};
use super::json::{Node, Value};
use super::problem::{Origin, Problem};
#[cfg(feature = "cli")]
use super::reading::Switch;
use super::reading::{FileLayer, Given};
use super::{Config, Protocol, Stdout, WhenFull};
use crate::{Error, Secret};

/// Room for more topics than can be subscribed; what is longer is some other file.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// Variables for keys of the file; of each line the first that is set and not empty counts.
const VARIABLES: [(&str, &[&str]); 2] = [
    ("region", &["GENESYS_DOMAIN", "GENESYS_REGION", "GENESYSCLOUD_REGION"]),
    ("client_id", &["GENESYS_CLIENT_ID", "GENESYSCLOUD_OAUTHCLIENT_ID"]),
];

/// Builds a [`Config`]; see [`Config::builder`].
#[derive(Default)]
pub struct ConfigBuilder {
    given: Vec<Given>,
    secret: Option<Secret>,
    variables: Option<Box<Variables<'static>>>,
    proxy_variables: ProxyVariables,
    file: Option<Source>,
    problems: Vec<Problem>,
}

enum Source {
    Path(PathBuf),
    Text { name: String, text: String },
}

impl fmt::Debug for ConfigBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&str> = self.given.iter().map(|given| given.key).collect();
        f.debug_struct("ConfigBuilder")
            .field("given", &keys)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// Starts a configuration for use in a program. Nothing of the environment is read unless asked for.
    ///
    /// ```
    /// use genesys_stream::{Secret, config::{Config, Protocol}};
    ///
    /// let config = Config::builder()
    ///     .region("eu-west-1")
    ///     .client_id("d7a3b0c1-0000-4000-8000-000000000001")
    ///     .client_secret(Secret::new("from your vault"))
    ///     .protocol(Protocol::Notifications)
    ///     .queue("Sales")
    ///     .build()?;
    /// assert_eq!(config.hosts.api, "https://api.mypurecloud.ie");
    ///
    /// let error = Config::builder().region("eu-wset-1").build().unwrap_err();
    /// assert!(error.to_string().contains("did you mean eu-west-1?"));
    /// # Ok::<(), genesys_stream::Error>(())
    /// ```
    #[must_use]
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::default()
    }
}

/// One setter a line: method, key, type, how it becomes JSON.
macro_rules! setters {
    ($($(#[$doc:meta])* $method:ident($argument:ident: $type:ty) $key:literal => $value:expr;)*) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $method(mut self, $argument: $type) -> Self {
            self.set($key, stringify!($method), $value);
            self
        })*
    };
}

/// One setter a line for items of a list: each call adds one.
macro_rules! adders {
    ($($(#[$doc:meta])* $method:ident $key:literal;)*) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $method(mut self, item: impl Into<String>) -> Self {
            self.give_item($key, Origin::Setter(stringify!($method)), item.into());
            self
        })*
    };
}

fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

fn path(path: &Path) -> Value {
    Value::Text(path.to_string_lossy().into_owned())
}

fn whole(number: impl fmt::Display) -> Value {
    Value::Number(number.to_string())
}

/// A fraction stays one, and is refused by the checks: nothing is rounded behind the caller's back.
fn secs(duration: Duration) -> Value {
    match duration.subsec_nanos() {
        0 => whole(duration.as_secs()),
        _ => whole(duration.as_secs_f64()),
    }
}

fn millis(duration: Duration) -> Value {
    match duration.subsec_nanos() % 1_000_000 {
        0 => whole(duration.as_millis()),
        _ => whole(duration.as_secs_f64() * 1000.0),
    }
}

impl ConfigBuilder {
    setters! {
        /// An AWS region, a Genesys domain, a host below it, or a base URL (for the simulator).
        region(region: impl Into<String>) "region" => text(region);
        /// Login elsewhere than the region says.
        login_url(url: impl Into<String>) "login_url" => text(url);
        /// API elsewhere than the region says.
        api_url(url: impl Into<String>) "api_url" => text(url);
        /// Sockets elsewhere than the region says.
        streaming_url(url: impl Into<String>) "streaming_url" => text(url);
        /// PEM file with certificates that are trusted beside the system's.
        ca_file(file: impl AsRef<Path>) "ca_file" => path(file.as_ref());
        /// Proxy for REST and sockets; user information is accepted here.
        proxy(url: impl Into<String>) "proxy" => text(url);
        /// OAuth client of the grant type "client credentials".
        client_id(id: impl Into<String>) "client_id" => text(id);
        /// File that holds the secret; a newline at its end is ignored.
        client_secret_file(file: impl AsRef<Path>) "client_secret_file" => path(file.as_ref());
        /// Which protocol is spoken.
        protocol(protocol: Protocol) "protocol" => text(protocol.as_str());
        /// How often the listing of queues is read again; whole seconds.
        refresh_queues_every(duration: Duration) "subscribe.refresh_secs" => secs(duration);
        /// `metrics` protocol: granularity such as `PT1M`.
        metrics_granularity(period: impl Into<String>) "subscribe.metrics.granularity" => text(period);
        /// Events that may wait between reader and aggregator; at least 1.
        buffer_capacity(events: usize) "buffer.capacity" => whole(events);
        /// What happens when they are more.
        when_full(policy: WhenFull) "buffer.when_full" => text(policy.as_str());
        /// Time between two pings; whole seconds, at least 1.
        heartbeat_interval(duration: Duration) "heartbeat.interval_secs" => secs(duration);
        /// Within which their answer is due; whole seconds, at least 1.
        heartbeat_timeout(duration: Duration) "heartbeat.timeout_secs" => secs(duration);
        /// Without any frame for this long the connection is given up; whole seconds, at least 1.
        silence_limit(duration: Duration) "heartbeat.silence_secs" => secs(duration);
        /// Upper bound of the first pause; whole milliseconds, at least 10.
        reconnect_initial(duration: Duration) "reconnect.initial_ms" => millis(duration);
        /// Upper bound of every pause; whole milliseconds.
        reconnect_max(duration: Duration) "reconnect.max_ms" => millis(duration);
        /// Failures in a row before giving up; 0 = never.
        max_attempts(attempts: u32) "reconnect.max_attempts" => whole(attempts);
        /// Streaming this long makes the next failure the first again; whole seconds.
        stable_after(duration: Duration) "reconnect.stable_after_secs" => secs(duration);
        /// Limit of name lookup and TCP connect; whole seconds.
        connect_limit(duration: Duration) "limits.connect_secs" => secs(duration);
        /// Limit of each TLS handshake and of a WebSocket upgrade; whole seconds.
        handshake_limit(duration: Duration) "limits.handshake_secs" => secs(duration);
        /// Limit of a REST call in all; whole seconds.
        rest_limit(duration: Duration) "limits.rest_secs" => secs(duration);
        /// Notification channels that one connection's failures may create in an hour.
        max_channels_per_hour(channels: u32) "reconnect.max_channels_per_hour" => whole(channels);
        /// How long before its end a token is replaced, at most; whole seconds.
        refresh_token_before(duration: Duration) "token.refresh_before_secs" => secs(duration);
        /// Data older than this is stale; whole seconds.
        stale_after(duration: Duration) "freshness.stale_after_secs" => secs(duration);
        /// Length of a window such as `PT30M`.
        window_granularity(period: impl Into<String>) "windows.granularity" => text(period);
        /// How many windows are kept.
        windows_kept(windows: usize) "windows.keep" => whole(windows);
        /// Requests a minute to the REST API.
        max_requests_per_min(requests: u32) "rest.max_requests_per_min" => whole(requests);
        /// Time between two snapshots; whole milliseconds.
        snapshot_interval(duration: Duration) "outputs.interval_ms" => millis(duration);
        /// Replaced atomically with each snapshot.
        snapshot_file(file: impl AsRef<Path>) "outputs.snapshot_file" => path(file.as_ref());
        /// Hash-chained audit file.
        audit_file(file: impl AsRef<Path>) "outputs.audit_file" => path(file.as_ref());
        /// Recording for `replay`.
        record_file(file: impl AsRef<Path>) "outputs.record_file" => path(file.as_ref());
        /// Where snapshots are posted; more about it stands in a file ([`ConfigBuilder::json`]).
        webhook(url: impl Into<String>) "outputs.webhook.url" => text(url);
        /// What the program prints; a library prints nothing.
        stdout(stdout: Stdout) "outputs.stdout" => text(stdout.as_str());
    }

    adders! {
        /// Adds a queue by id or name; `all` for every queue.
        queue "subscribe.queues";
        /// Adds a user by id; `queue-members` for the members of the subscribed queues.
        user "subscribe.users";
        /// Adds a topic as it is.
        topic "subscribe.topics";
        /// `events` protocol: adds an event type (the first call replaces the default ones).
        event_type "subscribe.event_types";
        /// `metrics` protocol: adds a metric (the first call replaces the default ones).
        metric "subscribe.metrics.metrics";
        /// `metrics` protocol: adds a metric type (the first call replaces the default ones).
        metric_type "subscribe.metrics.metricTypes";
    }

    /// The secret of the OAuth client.
    #[must_use]
    pub fn client_secret(mut self, secret: Secret) -> Self {
        self.secret = Some(secret);
        self
    }

    /// Does without the proof that metrics are available (`metrics` protocol).
    #[must_use]
    pub fn without_verification(mut self) -> Self {
        self.set("verify", "without_verification", Value::Bool(false));
        self
    }

    /// Does without the repair of gaps through REST.
    #[must_use]
    pub fn without_backfill(mut self) -> Self {
        self.set("backfill.enabled", "without_backfill", Value::Bool(false));
        self
    }

    /// Empties names, addresses, attributes and notes in records.
    #[must_use]
    pub fn redacted(mut self) -> Self {
        self.set("outputs.redact", "redacted", Value::Bool(true));
        self
    }

    /// Reads this JSON file beneath setters and environment.
    #[must_use]
    pub fn file(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(Source::Path(file.into()));
        self
    }

    /// As [`ConfigBuilder::file`], with the text at hand; `name` is what messages call it.
    #[must_use]
    pub fn json(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.file = Some(Source::Text {
            name: name.into(),
            text: text.into(),
        });
        self
    }

    /// Reads region, client and secret from the environment of this process, beneath setters and above the file;
    /// the usual variables for proxies hold too.
    #[must_use]
    pub fn environment(self) -> Self {
        self.environment_from(|name| std::env::var_os(name))
    }

    /// As [`ConfigBuilder::environment`], from elsewhere; proxies are still those of the process.
    #[must_use]
    pub fn environment_from(mut self, variables: impl Fn(&str) -> Option<OsString> + 'static) -> Self {
        self.variables = Some(Box::new(variables));
        self.proxy_variables = ProxyVariables::Read;
        self
    }

    /// Checks everything. Notes (settings that are odd, or without effect) go to the log as warnings.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) with all problems in one message, one a line. Nothing was connected.
    pub fn build(self) -> Result<Config, Error> {
        let (config, notes) = self.build_with_notes()?;
        for note in notes {
            log::warn!("{note}");
        }
        Ok(config)
    }

    /// As [`ConfigBuilder::build`], with the notes for the caller to show.
    ///
    /// # Errors
    /// As [`ConfigBuilder::build`].
    pub fn build_with_notes(self) -> Result<(Config, Vec<String>), Error> {
        let mut problems = self.problems;
        let file = match self.file {
            None => None,
            Some(Source::Text { name, text }) => Some(FileLayer::read(&name, text)),
            Some(Source::Path(path)) => match read_file(&path) {
                Ok(text) => Some(FileLayer::read(&path.display().to_string(), text)),
                Err(what) => {
                    problems.push(Problem {
                        origin: Origin::Unreadable,
                        key: String::new(),
                        what: format!("{}: {what}", path.display()),
                    });
                    None
                }
            },
        };
        let mut above = self.given;
        if let Some(variables) = &self.variables {
            for (key, names) in VARIABLES {
                if let Some((name, value)) = first_set(variables, names) {
                    above.push(Given {
                        key,
                        origin: Origin::Variable(name),
                        node: Node {
                            value: text(value.to_string_lossy().trim()),
                            at: 0,
                        },
                    });
                }
            }
        }
        build(&Layers {
            above: &above,
            file: file.as_ref(),
            problems,
            secrets: SecretSources {
                setter: self.secret.as_ref(),
                variables: self.variables.as_deref(),
            },
            proxy_from_env: self.proxy_variables,
        })
    }

    fn set(&mut self, key: &'static str, method: &'static str, value: Value) {
        self.give(key, Origin::Setter(method), value);
    }

    /// Gives a key a value above environment and file; the last one given holds.
    pub(crate) fn give(&mut self, key: &'static str, origin: Origin, value: Value) {
        self.given.retain(|given| given.key != key);
        self.given.push(Given {
            key,
            origin,
            node: Node { value, at: 0 },
        });
    }

    /// Gives a key a text.
    #[cfg(feature = "cli")]
    pub(crate) fn give_text(&mut self, key: &'static str, origin: Origin, value: &str) {
        self.give(key, origin, text(value));
    }

    /// Gives a key a number; what is none stays a text, and is refused by the checks.
    #[cfg(feature = "cli")]
    pub(crate) fn give_number(&mut self, key: &'static str, origin: Origin, value: &str) {
        let number = value.parse::<f64>().is_ok_and(f64::is_finite);
        self.give(key, origin, if number { whole(value) } else { text(value) });
    }

    /// Gives a key `true` or `false`.
    #[cfg(feature = "cli")]
    pub(crate) fn give_switch(&mut self, key: &'static str, origin: Origin, switch: Switch) {
        self.give(key, origin, Value::Bool(switch == Switch::On));
    }

    /// Points everything at a simulator of this process, whatever file and environment say about the connection.
    #[cfg(feature = "cli")]
    #[must_use]
    pub(crate) fn connection_overridden(mut self, url: &str, client_id: &str, client_secret: Secret) -> Self {
        for key in ["login_url", "api_url", "streaming_url", "ca_file", "proxy"] {
            self.set(key, "connection_overridden", Value::Null);
        }
        self.proxy_variables = ProxyVariables::Ignored;
        self.region(url).client_id(client_id).client_secret(client_secret)
    }

    /// Adds a problem that was found elsewhere, to be listed with the others.
    #[cfg(feature = "cli")]
    pub(crate) fn add_problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Adds an item to the list of a key.
    pub(crate) fn give_item(&mut self, key: &'static str, origin: Origin, item: String) {
        let item = Node {
            value: Value::Text(item),
            at: 0,
        };
        if let Some(given) = self.given.iter_mut().find(|given| given.key == key)
            && let Value::List(items) = &mut given.node.value
        {
            items.push(item);
        } else {
            self.give(key, origin, Value::List(vec![item]));
        }
    }
}

impl ConfigBuilder {
    /// Id and secret as the environment has them, for the other side of the wire: the simulator.
    #[cfg(all(feature = "cli", feature = "simulator"))]
    pub(crate) fn credentials_from(variables: &Variables<'_>) -> Result<(Option<String>, Option<Secret>), Error> {
        let sources = SecretSources {
            setter: None,
            variables: Some(variables),
        };
        let id = first_set(variables, VARIABLES[1].1).map(|(_, value)| value.to_string_lossy().trim().to_owned());
        match super::credentials::find(&sources, None) {
            Ok(secret) => Ok((id, secret)),
            Err((origin, what)) => Err(super::problem::to_error(vec![Problem {
                origin,
                key: String::new(),
                what,
            }])),
        }
    }
}

fn first_set(variables: &Variables<'_>, names: &[&'static str]) -> Option<(&'static str, OsString)> {
    let set = |name: &&'static str| Some((*name, variables(name).filter(|value| !value.is_empty())?));
    names.iter().find_map(set)
}

fn read_file(path: &Path) -> Result<String, String> {
    let cannot = |e: std::io::Error| format!("cannot be read: {e}");
    let file = std::fs::File::open(path).map_err(cannot)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("longer than {MAX_FILE_BYTES} bytes: no configuration"));
    }
    String::from_utf8(bytes).map_err(|e| {
        let line = e.as_bytes()[..e.utf8_error().valid_up_to()]
            .iter()
            .filter(|&&b| b == b'\n')
            .count()
            + 1;
        format!("line {line} is no valid UTF-8 text")
    })
}
