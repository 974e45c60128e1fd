//! The settings of a program: for each its setter, its key in the file, and how it is read from a `Config`.
//!
//! In: calls of a program · Out: values for the builder, values of a `Config` · Thread: any (pure).
//!
//! Keys without a setter are given as JSON ([`ConfigBuilder::json`]).

use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::json::Value;
use super::{Config, ConfigBuilder, Protocol, WhenFull};
use crate::Secret;
use crate::base::problem::Origin;

/// Makes a setter of `ConfigBuilder` and, where a type follows, a method of `Config` under the same name that reads it.
macro_rules! settings {
    ($($(#[$doc:meta])* $method:ident($argument:ident: $type:ty) $(-> $read:ty)?: $key:literal = $value:expr
        $(, |$config:ident| $reading:expr)?;)*) => {
        impl ConfigBuilder {
            $($(#[$doc])*
            #[must_use]
            pub fn $method(mut self, $argument: $type) -> Self {
                self.give($key, Origin::Setter(stringify!($method)), $value);
                self
            })*
        }

        impl Config {
            $($(#[doc = concat!("The value in effect of [`ConfigBuilder::", stringify!($method), "`].")]
            #[must_use]
            pub fn $method(&self) -> $read {
                let $config = self;
                $reading
            })?)*
        }
    };
}

/// Makes a setter of `ConfigBuilder` that adds an item to a list, and a method of `Config` that reads the list.
macro_rules! lists {
    ($($(#[$doc:meta])* $method:ident, $reader:ident: $key:literal = |$config:ident| $reading:expr;)*) => {
        impl ConfigBuilder {
            $($(#[$doc])*
            #[must_use]
            pub fn $method(mut self, item: impl Into<String>) -> Self {
                self.give_item($key, Origin::Setter(stringify!($method)), item.into());
                self
            })*
        }

        impl Config {
            $(#[doc = concat!("All items of [`ConfigBuilder::", stringify!($method), "`], else the default ones.")]
            #[must_use]
            pub fn $reader(&self) -> &[String] {
                let $config = self;
                $reading
            })*
        }
    };
}

/// Makes a setter of `ConfigBuilder` that turns a switch, and a method of `Config` that says whether it is on.
macro_rules! switches {
    ($($(#[$doc:meta])* $method:ident, $(#[$read_doc:meta])* $reader:ident: $key:literal = $switch:literal,
        |$config:ident| $reading:expr;)*) => {
        impl ConfigBuilder {
            $($(#[$doc])*
            #[must_use]
            pub fn $method(mut self) -> Self {
                self.give($key, Origin::Setter(stringify!($method)), Value::Bool($switch));
                self
            })*
        }

        impl Config {
            $($(#[$read_doc])*
            #[must_use]
            pub fn $reader(&self) -> bool {
                let $config = self;
                $reading
            })*
        }
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

settings! {
    /// Where the organisation is: an AWS region (`eu-west-1`), a Genesys domain (`mypurecloud.ie`), a host below one, or a
    /// base URL such as that of the simulator.
    region(region: impl Into<String>) -> &str: "region" = text(region), |it| &it.hosts.region;
    /// Base URL of the login, where it differs from the region's; `http://` on loopback only.
    login_url(url: impl Into<String>) -> &str: "login_url" = text(url), |it| &it.hosts.login;
    /// Base URL of the API, where it differs from the region's; `http://` on loopback only.
    api_url(url: impl Into<String>) -> &str: "api_url" = text(url), |it| &it.hosts.api;
    /// Base URL of the sockets, where it differs from the region's; `ws://` on loopback only.
    streaming_url(url: impl Into<String>) -> &str: "streaming_url" = text(url), |it| &it.hosts.streaming;
    /// PEM file with certificates that are trusted in addition to the system's.
    ca_file(file: impl AsRef<Path>) -> Option<&Path>: "ca_file" = path(file.as_ref()), |it| it.ca_file.as_deref();
    /// Proxy for REST calls and sockets, `http://` or `https://`; it may hold user information (`user:password@`).
    proxy(url: impl Into<String>) -> Option<&Secret>: "proxy" = text(url), |it| it.proxy.as_ref();
    /// Id of an OAuth client with the grant type "client credentials".
    client_id(id: impl Into<String>) -> &str: "client_id" = text(id), |it| &it.client_id;
    /// File that holds the secret of the OAuth client; a newline at its end is ignored.
    client_secret_file(file: impl AsRef<Path>): "client_secret_file" = path(file.as_ref());
    /// The protocol to speak; [`Protocol::Notifications`] by default.
    protocol(protocol: Protocol) -> Protocol: "protocol" = text(protocol.as_str()), |it| it.protocol;
    /// With all queues: how often their listing is read again; 1 s to 24 h, 300 s by default.
    refresh_queues_every(duration: Duration) -> Duration: "subscribe.refresh_secs"
        = Value::Duration(duration), |it| it.subscribe.refresh;
    /// `metrics` protocol: granularity of the payload, such as `PT1M` (the default).
    metrics_granularity(period: impl Into<String>) -> &str: "subscribe.metrics.granularity"
        = text(period), |it| &it.subscribe.metrics.granularity;
    /// Events that may wait between reader and aggregator; 1 to 1,000,000, 5,000 by default.
    buffer_capacity(events: usize) -> usize: "buffer.capacity" = whole(events), |it| it.buffer.capacity;
    /// What happens to events when the buffer is full; [`WhenFull::Coalesce`] by default.
    when_full(policy: WhenFull) -> WhenFull: "buffer.when_full" = text(policy.as_str()), |it| it.buffer.when_full;
    /// Time between two pings; 1 s to 1 h, 20 s by default.
    heartbeat_interval(duration: Duration) -> Duration: "heartbeat.interval_secs"
        = Value::Duration(duration), |it| it.heartbeat.interval;
    /// Time within which a ping must be answered; 1 s to 1 h, 10 s by default.
    heartbeat_timeout(duration: Duration) -> Duration: "heartbeat.timeout_secs"
        = Value::Duration(duration), |it| it.heartbeat.timeout;
    /// A connection is given up after this long without any frame; 1 s to 1 h, 45 s by default.
    silence_limit(duration: Duration) -> Duration: "heartbeat.silence_secs"
        = Value::Duration(duration), |it| it.heartbeat.silence;
    /// Upper bound of the pause after the first failure; 10 ms to 1 h, 1 s by default.
    reconnect_initial(duration: Duration) -> Duration: "reconnect.initial_ms"
        = Value::Duration(duration), |it| it.reconnect.initial;
    /// Upper bound of every pause; 10 ms to 24 h, 60 s by default, not less than `reconnect_initial`.
    reconnect_max(duration: Duration) -> Duration: "reconnect.max_ms"
        = Value::Duration(duration), |it| it.reconnect.max;
    /// Failures in a row after which the stream gives up; 0 (the default) = never.
    max_attempts(attempts: u32) -> u32: "reconnect.max_attempts" = whole(attempts), |it| it.reconnect.max_attempts;
    /// Streaming this long starts the pauses anew; 0 to 24 h, 30 s by default.
    stable_after(duration: Duration) -> Duration: "reconnect.stable_after_secs"
        = Value::Duration(duration), |it| it.reconnect.stable_after;
    /// Limit of a name lookup and TCP connect together; 1 s to 10 min, 10 s by default.
    connect_limit(duration: Duration) -> Duration: "limits.connect_secs"
        = Value::Duration(duration), |it| it.limits.connect;
    /// Limit of a TLS handshake, and of a WebSocket upgrade; 1 s to 10 min, 10 s by default.
    handshake_limit(duration: Duration) -> Duration: "limits.handshake_secs"
        = Value::Duration(duration), |it| it.limits.handshake;
    /// Limit of a whole REST call; 1 s to 10 min, 15 s by default.
    rest_limit(duration: Duration) -> Duration: "limits.rest_secs" = Value::Duration(duration), |it| it.limits.rest;
    /// Notification channels that the failures of one connection may create in an hour; at least 2, 60 by default.
    max_channels_per_hour(channels: u32) -> u32: "reconnect.max_channels_per_hour"
        = whole(channels), |it| it.reconnect.max_channels_per_hour;
    /// How long before its end a token is replaced, at most (20 % of its life if that is less); 1 s to 24 h, 300 s by
    /// default.
    refresh_token_before(duration: Duration) -> Duration: "token.refresh_before_secs"
        = Value::Duration(duration), |it| it.token_refresh_before;
    /// Data older than this is stale; 1 s to 24 h, 30 s by default.
    stale_after(duration: Duration) -> Duration: "freshness.stale_after_secs"
        = Value::Duration(duration), |it| it.stale_after;
    /// Length of a window: `PT<n>S`, `PT<n>M` or `PT<n>H` that divides a day evenly, `PT1M` by default.
    window_granularity(period: impl Into<String>) -> Duration: "windows.granularity"
        = text(period), |it| it.windows.granularity;
    /// Windows that are kept; 1 to 100,000, 60 by default.
    windows_kept(windows: usize) -> usize: "windows.keep" = whole(windows), |it| it.windows.keep;
    /// REST requests a minute, all callers together; 1 to 100,000, 300 by default.
    max_requests_per_min(requests: u32) -> u32: "rest.max_requests_per_min"
        = whole(requests), |it| it.rest_max_requests_per_min;
    /// Time between two snapshots; 10 ms to 1 h, 1 s by default.
    snapshot_interval(duration: Duration) -> Duration: "outputs.interval_ms"
        = Value::Duration(duration), |it| it.outputs.interval;
    /// File that is replaced atomically with each snapshot; none by default.
    snapshot_file(file: impl AsRef<Path>) -> Option<&Path>: "outputs.snapshot_file"
        = path(file.as_ref()), |it| it.outputs.snapshot_file.as_deref();
    /// Hash-chained audit file; none by default.
    audit_file(file: impl AsRef<Path>) -> Option<&Path>: "outputs.audit_file"
        = path(file.as_ref()), |it| it.outputs.audit_file.as_deref();
    /// Recording for the program's `replay`; none by default.
    record_file(file: impl AsRef<Path>) -> Option<&Path>: "outputs.record_file"
        = path(file.as_ref()), |it| it.outputs.record_file.as_deref();
    /// Where snapshots are posted; none by default. A signature, events instead of snapshots: see [`ConfigBuilder::json`].
    webhook(url: impl Into<String>): "outputs.webhook.url" = text(url);
}

lists! {
    /// Adds a queue by id or name; `all` (the default) for every queue.
    queue, queues: "subscribe.queues" = |it| &it.subscribe.queues;
    /// Adds a user by id; `queue-members` for the members of the queues that are named (or `all`).
    user, users: "subscribe.users" = |it| &it.subscribe.users;
    /// Adds a topic as it is.
    topic, topics: "subscribe.topics" = |it| &it.subscribe.topics;
    /// `events` protocol: adds an event type (the first call replaces the default ones).
    event_type, event_types: "subscribe.event_types" = |it| &it.subscribe.event_types;
    /// `metrics` protocol: adds a metric (the first call replaces the default ones).
    metric, metrics: "subscribe.metrics.metrics" = |it| &it.subscribe.metrics.metrics;
    /// `metrics` protocol: adds a metric type (the first call replaces the default ones).
    metric_type, metric_types: "subscribe.metrics.metricTypes" = |it| &it.subscribe.metrics.metric_types;
}

switches! {
    /// `metrics` protocol: does not check that there is data for the metrics before the socket is opened.
    without_verification,
    /// `metrics` protocol: whether the presence of data is checked before the socket is opened.
    verifies: "verify" = false, |it| it.verify;
    /// Does not repair gaps through REST.
    without_backfill,
    /// Whether gaps are repaired through REST.
    backfills: "backfill.enabled" = false, |it| it.backfill.enabled;
    /// Empties names, addresses, attributes and notes in records.
    redacted,
    /// Whether names, addresses, attributes and notes are emptied in records.
    redacts: "outputs.redact" = true, |it| it.outputs.redact;
}
