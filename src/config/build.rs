//! Every key of the configuration with its range and its default, and the rules between keys.
//!
//! In: layers · Out: `Config` and notes, or all problems · Thread: any (pure except for reading files that hold secrets).

use std::time::Duration;

use super::credentials::{self, SecretSources};
use super::json::Value;
use super::outputs::{read_http, read_outputs};
use super::reading::{FileLayer, Given, Null, Reading, Switch, whole_in};
use super::region::{self, parse_http_url, parse_streaming_url};
use super::subscribe::read_subscribe;
use super::thresholds::{read_agent_limits, read_thresholds};
use super::time_zone::ZONE_DIRECTORIES;
use super::*;
use crate::base::problem::{ConfigProblem, Origin};
use crate::base::url::parse_proxy;

const DAY_SECS: u64 = 86_400;
const NULLABLE_SECTIONS: [&str; 1] = ["outputs.webhook"];

/// All layers, highest first, and where a secret may be.
pub(crate) struct Layers<'a> {
    pub above: &'a [Given],
    pub file: Option<&'a FileLayer>,
    /// Problems found before: a file that could not be read, flags that are no keys.
    pub problems: Vec<ConfigProblem>,
    pub secrets: SecretSources<'a>,
    pub proxy_from_env: ProxyVariables,
}

/// Whether the usual variables for proxies are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum ProxyVariables {
    Read,
    #[default]
    Ignored,
}

/// Checks everything; gives the whole configuration with notes for the user, or all problems.
pub(crate) fn build(layers: &Layers<'_>) -> Result<(Config, Vec<String>), Error> {
    let mut r = Reading::new(layers.above, layers.file);
    let mut notes = Vec::new();
    r.problems.extend_from_slice(&layers.problems);
    let hosts = read_hosts(&mut r, &mut notes);
    let ca_file = r.path("ca_file");
    if let Some(path) = &ca_file
        && let Err(error) = std::fs::File::open(path)
    {
        r.problem("ca_file", format!("{} cannot be read: {error}", path.display()));
    }
    let proxy = read_proxy(&mut r);
    let client_id = r.text("client_id", Null::Allowed, check_client_id);
    let client_secret = read_secret(&mut r, &layers.secrets);
    let protocol = r.one_of(
        "protocol",
        &[Protocol::Notifications, Protocol::Events, Protocol::Metrics].map(|p| (p.as_str(), p)),
        Protocol::default(),
    );
    let verify = r.switch("verify", Switch::On);
    let subscribe = read_subscribe(&mut r, protocol, &mut notes);
    let buffer = BufferConfig {
        capacity: r.whole("buffer.capacity", 1..=1_000_000, 5000) as usize,
        when_full: r.one_of(
            "buffer.when_full",
            &[
                ("coalesce", WhenFull::Coalesce),
                ("block", WhenFull::Block),
                ("drop-oldest", WhenFull::DropOldest),
                ("drop-newest", WhenFull::DropNewest),
            ],
            WhenFull::default(),
        ),
    };
    let heartbeat = HeartbeatConfig {
        interval: r.duration("heartbeat.interval_secs", 1..=3600, 20),
        timeout: r.duration("heartbeat.timeout_secs", 1..=3600, 10),
        silence: r.duration("heartbeat.silence_secs", 1..=3600, 45),
    };
    if heartbeat.silence <= heartbeat.interval {
        notes.push(format!(
            "heartbeat.silence_secs ({}) is not above heartbeat.interval_secs ({}): a quiet but healthy connection is given up before it is asked for a sign of life",
            heartbeat.silence.as_secs_f64(),
            heartbeat.interval.as_secs_f64()
        ));
    }
    let reconnect = read_reconnect(&mut r);
    let limits = LimitsConfig {
        connect: r.duration("limits.connect_secs", 1..=600, 10),
        handshake: r.duration("limits.handshake_secs", 1..=600, 10),
        rest: r.duration("limits.rest_secs", 1..=600, 15),
    };
    let token_refresh_before = r.duration("token.refresh_before_secs", 1..=DAY_SECS, 300);
    let stale_after = r.duration("freshness.stale_after_secs", allowed::STALE_AFTER_SECS, 30);
    let windows = read_windows(&mut r);
    let totals = TotalsConfig {
        since: r.one_of(
            "totals.since",
            &[("start", TotalsSince::Start), ("day", TotalsSince::Day)],
            TotalsSince::Start,
        ),
        utc_offset_minutes: r
            .text("totals.utc_offset", Null::Refused, period::parse_utc_offset)
            .unwrap_or(0),
        time_zone: r.text("totals.time_zone", Null::Allowed, |name| {
            TimeZone::read(name, ZONE_DIRECTORIES)
        }),
    };
    let model = ModelConfig {
        retention: r.duration("model.retention_secs", allowed::RETENTION_SECS, 7200),
        max_conversations: r.whole("model.max_conversations", allowed::CONVERSATIONS, 200_000) as usize,
        max_bytes: r.whole("model.max_bytes", allowed::MODEL_BYTES, 128 << 20) as usize,
        recheck: r.duration("model.recheck_secs", 1..=7 * DAY_SECS, 3600),
    };
    let rest_max_requests_per_min = r.whole("rest.max_requests_per_min", 1..=100_000, 300) as u32;
    let backfill = BackfillConfig {
        enabled: r.switch("backfill.enabled", Switch::On),
        max_requests_per_min: r.whole("backfill.max_requests_per_min", 1..=100_000, 120) as u32,
        lookback_days: r.whole("backfill.lookback_days", 0..=31, 31) as u32,
    };
    let thresholds = read_thresholds(&mut r);
    let agent_limits = read_agent_limits(&mut r);
    let outputs = read_outputs(&mut r);
    let http = read_http(&mut r);
    #[cfg(feature = "engine")]
    let engine = super::engine::read_engine(&mut r, protocol, outputs.record_file.as_deref());
    #[cfg(feature = "engine")]
    let (hosts, client_id, client_secret) = match engine.only_shows() {
        true => (
            Some(hosts.unwrap_or_else(|| Hosts::none(&engine.org))),
            Some(client_id.unwrap_or_default()),
            Some(client_secret.unwrap_or_else(|| Secret::new(""))),
        ),
        false => (hosts, client_id, client_secret),
    };

    let file_complete = !layers
        .problems
        .iter()
        .any(|p| matches!(p.origin, Origin::Unreadable { .. }))
        && layers.file.is_none_or(|file| file.document.complete);
    // A missing key may be in the part of the file that could not be read.
    if file_complete {
        report_missing(&mut r, hosts.is_some(), client_id.is_some(), client_secret.is_some());
    }
    let problems = r.finish(&NULLABLE_SECTIONS);
    if !problems.is_empty() {
        return Err(Error::configuration(problems));
    }
    let (Some(hosts), Some(client_id), Some(client_secret)) = (hosts, client_id, client_secret) else {
        // Only an incomplete file gets here, which was reported as a problem.
        return Err(Error::new(
            ErrorKind::Configuration,
            "configuration",
            "the file is incomplete",
        ));
    };
    let config = Config {
        hosts,
        ca_file,
        proxy,
        proxy_from_env: layers.proxy_from_env == ProxyVariables::Read,
        client_id,
        client_secret,
        protocol,
        verify,
        subscribe,
        buffer,
        heartbeat,
        reconnect,
        limits,
        token_refresh_before,
        stale_after,
        windows,
        totals,
        model,
        rest_max_requests_per_min,
        backfill,
        thresholds,
        agent_limits,
        outputs,
        http,
        #[cfg(feature = "engine")]
        engine,
    };
    Ok((config, notes))
}

fn read_hosts(r: &mut Reading<'_>, notes: &mut Vec<String>) -> Option<Hosts> {
    let region = r.text("region", Null::Allowed, |text| {
        region::parse(text).map(|parsed| (parsed.name.clone(), parsed))
    });
    let login = r.text("login_url", Null::Allowed, parse_http_url);
    let api = r.text("api_url", Null::Allowed, parse_http_url);
    let streaming = r.text("streaming_url", Null::Allowed, parse_streaming_url);
    if let Some((name, parsed)) = &region
        && let Some(meant) = parsed.maybe_meant
    {
        notes.push(format!(
            "region {name} is not one of Genesys' 18 domains and is taken as given; did you mean {meant}?"
        ));
    }
    let name_and_region = region.as_ref().map(|(name, parsed)| (name.as_str(), &parsed.region));
    region::hosts(name_and_region, login.as_ref(), api.as_ref(), streaming.as_ref())
}

fn read_proxy(r: &mut Reading<'_>) -> Option<Secret> {
    let from_flag = matches!(r.origin("proxy"), Some(Origin::Flag(_)));
    let (url, user) = r.text("proxy", Null::Allowed, |text| {
        let (url, user) = parse_proxy(text)?;
        if url.path != "/" || url.query.is_some() {
            return Err("a proxy's URL has no path and no query".to_owned());
        }
        Ok((url, user))
    })?;
    // Arguments are visible to every process of the machine.
    if from_flag && user.is_some() {
        r.problem(
            "proxy",
            "user information (user:password@) is not accepted in a flag; give the proxy in the file, or in HTTPS_PROXY",
        );
    }
    let user = user.map_or(String::new(), |user| format!("{user}@"));
    let url = format!("{}://{user}{}", url.scheme, url.target.host_header());
    Some(Secret::new(url))
}

fn check_client_id(text: &str) -> Result<String, String> {
    let right = !text.is_empty() && text.len() <= 256 && text.bytes().all(|b| b.is_ascii_graphic() && b != b':');
    if right {
        Ok(text.to_owned())
    } else {
        Err("the id of an OAuth client is needed, without spaces and colons".to_owned())
    }
}

fn read_secret(r: &mut Reading<'_>, sources: &SecretSources<'_>) -> Option<Secret> {
    let key = "client_secret_file";
    let file = r.path(key).map(|path| (path, r.origin(key).unwrap_or(Origin::Missing)));
    match credentials::find(sources, file) {
        Ok(secret) => secret,
        Err((origin, what)) => {
            let key = match origin {
                Origin::Setter(_) if sources.setter.is_some() => "client_secret",
                _ => key,
            };
            r.problems.push(ConfigProblem::new(origin, key, what));
            None
        }
    }
}

fn report_missing(r: &mut Reading<'_>, has_hosts: bool, has_id: bool, has_secret: bool) {
    if !has_hosts
        && r.origin("region")
            .is_none_or(|_| !r.problems.iter().any(|p| p.key == "region"))
    {
        let wrong_override = r.problems.iter().any(|p| p.key.ends_with("_url"));
        if !wrong_override {
            r.problem(
                "region",
                "missing; give it with --region, GENESYS_DOMAIN, GENESYS_REGION, GENESYSCLOUD_REGION, or \"region\" in the file (such as mypurecloud.ie or eu-west-1)",
            );
        }
    }
    if !has_id && !r.problems.iter().any(|p| p.key == "client_id") {
        r.problem(
            "client_id",
            "missing; give the id of an OAuth client (grant type client credentials) with --client-id, GENESYS_CLIENT_ID, GENESYSCLOUD_OAUTHCLIENT_ID, or \"client_id\" in the file",
        );
    }
    // A wrong secret was reported already: it is not missing.
    if !has_secret
        && !r
            .problems
            .iter()
            .any(|p| p.key.starts_with("client_secret") && !p.allowed.starts_with("unknown key"))
    {
        let how = "missing; give it with GENESYS_CLIENT_SECRET, GENESYSCLOUD_OAUTHCLIENT_SECRET, GENESYS_CLIENT_SECRET_FILE, \
            systemd's credential genesys-client-secret, or \"client_secret_file\" in the file";
        r.problems
            .push(ConfigProblem::new(Origin::Missing, "client secret", how));
    }
}

fn read_reconnect(r: &mut Reading<'_>) -> ReconnectConfig {
    let reconnect = ReconnectConfig {
        initial: r.duration("reconnect.initial_ms", 10..=3_600_000, 1000),
        max: r.duration("reconnect.max_ms", 10..=86_400_000, 60_000),
        max_attempts: r.whole("reconnect.max_attempts", 0..=1_000_000, 0) as u32,
        stable_after: r.duration("reconnect.stable_after_secs", 0..=DAY_SECS, 30),
        max_channels_per_hour: r.whole("reconnect.max_channels_per_hour", 2..=1_000_000, 60) as u32,
    };
    if reconnect.max < reconnect.initial {
        let key = match r.origin("reconnect.max_ms") {
            Some(_) => "reconnect.max_ms",
            None => "reconnect.initial_ms",
        };
        let ms = |length: Duration| length.as_nanos() as f64 / 1e6;
        let found = format!(
            "max_ms {} below initial_ms {}",
            ms(reconnect.max),
            ms(reconnect.initial)
        );
        r.problem(key, (found, "allowed is max_ms ≥ initial_ms"));
    }
    reconnect
}

fn read_windows(r: &mut Reading<'_>) -> WindowsConfig {
    WindowsConfig {
        granularity: r
            .text("windows.granularity", Null::Refused, period::parse_window)
            .unwrap_or(Duration::from_secs(60)),
        keep: r.whole("windows.keep", allowed::WINDOWS, 60) as usize,
        service_level: r
            .pick("windows.service_level_secs", Null::Refused, |node, complaints| {
                let key = "windows.service_level_secs";
                match (&node.value, whole_in(key, node, &allowed::WAIT_SECS)) {
                    (Value::Text(text), _) if text == "queue" => Some(ServiceLevel::Queue),
                    (_, Ok(secs)) => Some(ServiceLevel::Fixed(Duration::from_secs(secs))),
                    (_, Err(allowed)) => {
                        complaints.about(
                            key,
                            node,
                            format!("{allowed}, or \"queue\" for each queue's own setting"),
                        );
                        None
                    }
                }
            })
            .unwrap_or(ServiceLevel::Queue),
        short_abandon: r.duration("windows.short_abandon_secs", allowed::WAIT_SECS, 0),
    }
}
