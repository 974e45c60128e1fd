//! Turns flags into a configuration: each flag into its key, checked together with environment and file.
//!
//! In: flags as typed · Out: `ConfigBuilder`, options of `run` that are no keys · Thread: main.

use std::ffi::OsString;
use std::time::Duration;

use super::args::{ConnectionFlags, EngineFlags, FileFlags, OutputFlags, StopFlags, SubscriptionFlags};
use crate::base::problem::{ConfigProblem, Origin};
use crate::config::ConfigBuilder;
use crate::config::message::found_text;
use crate::config::reading::Switch;

/// The options of `run` that are not part of the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// Stop by itself after this long.
    pub duration: Option<Duration>,
    /// Stop when the server ends the stream normally and everything received is applied.
    pub once: bool,
}

/// Ten years; a longer duration is a typing error.
const MAX_DURATION_SECS: u64 = 315_360_000;

/// Flags that do not exist, because arguments are visible to every process of the machine.
const SECRET_FLAGS: [&str; 8] = [
    "--client-secret",
    "--client_secret",
    "--clientsecret",
    "--secret",
    "--password",
    "--token",
    "--access-token",
    "--webhook-secret",
];

/// Refuses secrets among the arguments before clap could repeat them in a message.
pub fn refuse_secret_flags(arguments: &[OsString]) -> Result<(), String> {
    for argument in arguments {
        let text = argument.to_string_lossy();
        if text == "--" {
            break;
        }
        let name = text.split('=').next().unwrap_or_default().to_ascii_lowercase();
        if SECRET_FLAGS.contains(&name.as_str()) {
            return Err(format!(
                "{name} is not a flag: arguments are visible to every process of this machine (its value is not shown)\n\
                 \n\
                 Give the client secret in one of these ways:\n  \
                 GENESYS_CLIENT_SECRET or GENESYSCLOUD_OAUTHCLIENT_SECRET in the environment\n  \
                 GENESYS_CLIENT_SECRET_FILE in the environment, the path of a file that holds it\n  \
                 systemd's credential genesys-client-secret\n  \
                 \"client_secret_file\" in the configuration file"
            ));
        }
    }
    Ok(())
}

/// A builder that takes flags.
pub struct Settings {
    pub builder: ConfigBuilder,
}

impl Settings {
    /// Starts from a builder that has its other layers.
    pub fn new(builder: ConfigBuilder) -> Self {
        Self { builder }
    }

    pub fn file(&mut self, flags: &FileFlags) {
        if let Some(file) = &flags.config {
            self.builder = std::mem::take(&mut self.builder).file(file);
        }
    }

    pub fn connection(&mut self, flags: &ConnectionFlags) {
        if let Some(name) = &flags.profile {
            self.builder = std::mem::take(&mut self.builder).profile(name);
        }
        self.text("region", "--region", &flags.region);
        self.text("login_url", "--login-url", &flags.login_url);
        self.text("api_url", "--api-url", &flags.api_url);
        self.text("streaming_url", "--streaming-url", &flags.streaming_url);
        self.text("client_id", "--client-id", &flags.client_id);
        self.text("ca_file", "--ca-file", &flags.ca_file);
        self.text("proxy", "--proxy", &flags.proxy);
    }

    pub fn subscription(&mut self, flags: &SubscriptionFlags) {
        self.text("protocol", "--protocol", &flags.protocol);
        self.list("subscribe.queues", "--queue", &flags.queue);
        self.list("subscribe.users", "--user", &flags.user);
        self.list("subscribe.topics", "--topic", &flags.topic);
        self.list("subscribe.event_types", "--event-type", &flags.event_type);
        self.list("subscribe.metrics.metrics", "--metric", &flags.metric);
        self.list("subscribe.metrics.metricTypes", "--metric-type", &flags.metric_type);
        if flags.no_verify {
            self.builder
                .give_switch("verify", Origin::Flag("--no-verify"), Switch::Off);
        }
    }

    pub fn output(&mut self, flags: &OutputFlags) {
        self.text("outputs.stdout", "--output", &flags.output);
        if flags.redact {
            self.builder
                .give_switch("outputs.redact", Origin::Flag("--redact"), Switch::On);
        }
        self.text("outputs.snapshot_file", "--snapshot-file", &flags.snapshot_file);
        self.number("outputs.interval_ms", "--interval-ms", &flags.interval_ms);
        self.text("http.listen", "--listen", &flags.listen);
        self.text("http.token_file", "--token-file", &flags.token_file);
        self.list("http.allowed_hosts", "--allowed-host", &flags.allowed_host);
        self.text("outputs.webhook.url", "--webhook", &flags.webhook);
        self.text("outputs.audit_file", "--audit-file", &flags.audit_file);
        self.text("outputs.record_file", "--record", &flags.record);
        self.text("outputs.log_file", "--log-file", &flags.log_file);
    }

    pub fn engine(&mut self, flags: &EngineFlags) {
        self.number("buffer.capacity", "--buffer", &flags.buffer);
        self.text("buffer.when_full", "--when-full", &flags.when_full);
        self.number("reconnect.max_attempts", "--max-attempts", &flags.max_attempts);
        if flags.no_backfill {
            self.builder
                .give_switch("backfill.enabled", Origin::Flag("--no-backfill"), Switch::Off);
        }
    }

    #[cfg(feature = "engine")]
    pub fn sharing(&mut self, flags: &super::args::SharingFlags) {
        self.text("engine.publish", "--publish", &flags.publish);
        self.text("engine.from", "--from", &flags.from);
        self.text("engine.org", "--org", &flags.org);
        self.text("engine.name", "--name", &flags.name);
        self.text("engine.share", "--share", &flags.share);
    }

    /// The options; a wrong value is added to the problems of the configuration.
    pub fn stop(&mut self, flags: &StopFlags) -> RunOptions {
        let mut options = RunOptions {
            duration: None,
            once: flags.once,
        };
        if let Some(text) = &flags.duration {
            match read_duration(text) {
                Some(secs @ 1..=MAX_DURATION_SECS) => options.duration = Some(Duration::from_secs(secs)),
                _ => {
                    let allowed = "allowed are times such as 90 (seconds), 90s, 1m30s, 2h, 1d, from 1 s to ten years";
                    let finding = (found_text("duration", text), allowed);
                    self.builder
                        .add_problem(ConfigProblem::new(Origin::Flag("--duration"), "duration", finding));
                }
            }
        }
        options
    }

    fn text(&mut self, key: &'static str, flag: &'static str, value: &Option<String>) {
        if let Some(text) = value {
            self.builder.give_text(key, Origin::Flag(flag), text);
        }
    }

    fn number(&mut self, key: &'static str, flag: &'static str, value: &Option<String>) {
        if let Some(text) = value {
            self.builder.give_number(key, Origin::Flag(flag), text);
        }
    }

    fn list(&mut self, key: &'static str, flag: &'static str, items: &[String]) {
        for item in items {
            self.builder.give_item(key, Origin::Flag(flag), item.clone());
        }
    }
}

/// Reads `90`, `90s`, `1m30s`: parts of days, hours, minutes and seconds in this order.
fn read_duration(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut secs = None;
    for (unit, factor) in [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)] {
        let Some((number, after)) = rest.split_once(unit) else {
            continue;
        };
        secs = Some(whole(number)?.checked_mul(factor)?.checked_add(secs.unwrap_or(0))?);
        rest = after;
    }
    if rest.is_empty() {
        secs
    } else {
        whole(rest).filter(|_| secs.is_none())
    }
}

/// A number of digits only.
fn whole(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::super::args::{Cli, Command};
    use super::*;
    use crate::Secret;
    use crate::config::{Config, Protocol, ServiceLevel, Stdout, WhenFull};
    use clap::Parser;

    // Without the simulator, `run` is the only command.
    #[allow(irrefutable_let_patterns)]
    fn load(line: &str) -> (Result<Config, String>, RunOptions) {
        let words = std::iter::once("genesys-stream").chain(line.split_whitespace());
        let Command::Run(flags) = Cli::try_parse_from(words).unwrap().command else {
            panic!("{line}")
        };
        let mut settings = Settings::new(Config::builder().client_secret(Secret::new("s")));
        settings.file(&flags.file);
        settings.connection(&flags.connection);
        settings.subscription(&flags.subscription);
        settings.output(&flags.output);
        settings.engine(&flags.engine);
        let options = settings.stop(&flags.stop);
        (settings.builder.build().map_err(|e| e.to_string()), options)
    }

    #[test]
    fn every_flag_reaches_its_key() {
        let (config, options) = load(
            "run --region eu-west-1 --login-url https://l.example --api-url https://a.example --streaming-url wss://s.example \
             --client-id id --proxy http://p:1 --protocol metrics --queue all --queue Sales --user queue-members \
             --topic v2.x --event-type a:b --metric offered --metric-type queue --no-verify --output lines --redact \
             --snapshot-file s.json --interval-ms 50 --listen 127.0.0.1:1 --allowed-host wall.example --webhook https://w.example --audit-file a \
             --record r --log-file l --buffer 7 --when-full block --max-attempts 3 --no-backfill --duration 1m9s --once",
        );
        let config = config.unwrap();
        assert_eq!(options.duration, Some(Duration::from_secs(69)));
        assert!(options.once);
        assert_eq!(config.hosts.region, "eu-west-1");
        assert_eq!(config.hosts.login, "https://l.example");
        assert_eq!(config.hosts.api, "https://a.example");
        assert_eq!(config.hosts.streaming, "wss://s.example");
        assert_eq!(config.client_id, "id");
        assert_eq!(config.proxy.as_ref().map(Secret::reveal), Some("http://p:1"));
        assert_eq!(config.protocol, Protocol::Metrics);
        let subscribe = &config.subscribe;
        assert_eq!(subscribe.queues, ["all", "Sales"]);
        assert_eq!(subscribe.users, ["queue-members"]);
        assert_eq!(subscribe.topics, ["v2.x"]);
        assert_eq!(subscribe.event_types, ["a:b"]);
        assert_eq!(subscribe.metrics.metrics, ["offered"]);
        assert_eq!(subscribe.metrics.metric_types, ["queue"]);
        assert!(!config.verify && config.outputs.redact && !config.backfill.enabled);
        let outputs = &config.outputs;
        assert_eq!(
            (outputs.stdout, outputs.interval),
            (Stdout::Lines, Duration::from_millis(50))
        );
        assert_eq!(outputs.snapshot_file.as_deref(), Some("s.json".as_ref()));
        assert_eq!(outputs.audit_file.as_deref(), Some("a".as_ref()));
        assert_eq!(outputs.record_file.as_deref(), Some("r".as_ref()));
        assert_eq!(outputs.log_file.as_deref(), Some("l".as_ref()));
        assert_eq!(
            outputs.webhook.as_ref().map(|w| w.url.as_str()),
            Some("https://w.example")
        );
        assert_eq!(config.http.listen.as_deref(), Some("127.0.0.1:1"));
        assert_eq!(config.http.allowed_hosts, ["wall.example"]);
        assert_eq!((config.buffer.capacity, config.buffer.when_full), (7, WhenFull::Block));
        assert_eq!(config.reconnect.max_attempts, 3);
        assert_eq!(config.windows.service_level, ServiceLevel::Queue);
    }

    #[test]
    fn durations_as_people_write_them() {
        for (text, secs) in [
            ("90", Some(90)),
            ("90s", Some(90)),
            ("1m30s", Some(90)),
            (" 2h ", Some(7200)),
            ("1d1s", Some(86_401)),
            ("90m", Some(5400)),
            ("", None),
            ("s", None),
            ("1m30", None),
            ("30s1m", None),
            ("1.5h", None),
            ("-1", None),
            ("+1", None),
            ("1 s", None),
            ("99999999999999999999d", None),
        ] {
            assert_eq!(read_duration(text), secs, "{text:?}");
        }
    }

    #[test]
    fn wrong_values_name_their_flag() {
        let (config, _) = load(
            "run --region eu-wset-1 --client-id id --protocol metric --buffer 0 --interval-ms 1s --when-full wait \
             --max-attempts 1.5 --duration 0 --metric offerd --user a/b --login-url http://l.example",
        );
        let text = config.unwrap_err();
        for part in [
            "10 problems",
            "--region: found \"eu-wset-1\"",
            "--protocol: found \"metric\"",
            "--buffer: found 0",
            "--interval-ms: found \"1s\"",
            "--when-full: found \"wait\"",
            "--max-attempts: found 1.5",
            "--duration: found \"0\"",
            "--metric: found \"offerd\"",
            "--user: found \"a/b\"",
            "--login-url: ",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn secrets_among_the_arguments_are_refused_and_not_shown() {
        for line in [
            "run --client-secret hunter2",
            "run --client-secret=hunter2",
            "--TOKEN hunter2",
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let text = refuse_secret_flags(&words).unwrap_err();
            assert!(
                text.contains("GENESYS_CLIENT_SECRET_FILE") && !text.contains("hunter2"),
                "{text}"
            );
        }
        assert!(refuse_secret_flags(&["run".into(), "--client-id".into(), "x".into()]).is_ok());
    }
}
