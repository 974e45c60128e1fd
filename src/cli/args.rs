//! The definition of the command line: every flag with its help. Values are checked together with the configuration.
//!
//! In: arguments · Out: flags as typed · Thread: main.

use std::path::PathBuf;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{ArgAction, Args, Parser, Subcommand, ValueHint};

use super::help;
use crate::config::{METRIC_TYPES, METRICS};

/// Live numbers of a Genesys Cloud contact centre.
#[derive(Debug, Parser)]
#[command(name = "genesys-stream", version, about, after_long_help = help::of_program())]
#[command(arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub verbosity: Verbosity,
    #[command(subcommand)]
    pub command: Command,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Verbosity {
    /// Log more (-v debug, -vv trace); RUST_LOG overrides
    #[arg(short = 'v', long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Log less (-q warnings, -qq errors)
    #[arg(short = 'q', long, global = true, action = ArgAction::Count)]
    pub quiet: u8,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Connect and stream
    #[command(after_long_help = help::of_run())]
    Run(Box<RunFlags>),
    /// Try every step from the name lookup to the stream, and say what to do where one fails
    #[command(after_long_help = help::examples::CHECK)]
    Check(Box<CheckFlags>),
    /// Print which topics would be subscribed on which channels, without subscribing
    #[command(after_long_help = help::examples::PLAN)]
    Plan(Box<PlanFlags>),
    /// Play a recording through the outputs, at its own speed
    #[command(after_long_help = help::examples::REPLAY)]
    Replay(Box<ReplayFlags>),
    /// Say what one conversation was counted for, and why
    #[command(after_long_help = help::examples::EXPLAIN)]
    Explain(ExplainFlags),
    /// Inspect an audit file
    #[command(subcommand, after_long_help = help::examples::AUDIT)]
    Audit(AuditCommand),
    /// Start the embedded simulator and run against it; needs no account, network or flags
    #[cfg(feature = "simulator")]
    #[command(after_long_help = help::examples::DEMO)]
    Demo(Box<DemoFlags>),
    /// Serve the simulator until stopped
    #[cfg(feature = "simulator")]
    #[command(after_long_help = help::examples::SIMULATE)]
    Simulate(SimulateFlags),
    /// Print completions for a shell
    #[command(after_long_help = help::examples::COMPLETIONS)]
    Completions(CompletionsFlags),
    /// Print the manual page (roff)
    #[command(after_long_help = help::examples::MAN)]
    Man,
}

/// Flags of `run`.
#[derive(Debug, Args)]
pub struct RunFlags {
    #[command(flatten)]
    pub file: FileFlags,
    #[command(flatten)]
    pub connection: ConnectionFlags,
    #[command(flatten)]
    pub subscription: SubscriptionFlags,
    #[command(flatten)]
    pub output: OutputFlags,
    #[command(flatten)]
    pub engine: EngineFlags,
    #[cfg(feature = "engine")]
    #[command(flatten)]
    pub sharing: SharingFlags,
    #[command(flatten)]
    pub stop: StopFlags,
}

/// Flags of `check`.
#[derive(Debug, Args)]
pub struct CheckFlags {
    #[command(flatten)]
    pub file: FileFlags,
    #[command(flatten)]
    pub connection: ConnectionFlags,
    #[command(flatten)]
    pub subscription: SubscriptionFlags,
    /// Also wait for a heartbeat of the service (notifications), or for the answer to a WebSocket ping
    #[arg(long, help_heading = "Check")]
    pub wait: bool,
    #[command(flatten)]
    pub form: FormFlags,
}

/// Flags of `plan`.
#[derive(Debug, Args)]
pub struct PlanFlags {
    #[command(flatten)]
    pub file: FileFlags,
    #[command(flatten)]
    pub connection: ConnectionFlags,
    #[command(flatten)]
    pub subscription: SubscriptionFlags,
    #[command(flatten)]
    pub form: FormFlags,
}

/// Flags of `replay`.
#[derive(Debug, Args)]
pub struct ReplayFlags {
    /// The recording that `run --record FILE` made
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub recording: PathBuf,
    /// How many times faster than recorded; 0 = as fast as possible
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = parse_replay_speed)]
    pub speed: f64,
    #[command(flatten)]
    pub file: FileFlags,
    #[command(flatten)]
    pub output: OutputFlags,
}

fn parse_replay_speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if (0.0..=100_000.0).contains(&speed) => Ok(speed),
        _ => Err("allowed is a number from 0 to 100000".to_owned()),
    }
}

/// Flags of `explain`.
#[derive(Debug, Args)]
pub struct ExplainFlags {
    /// A recording that `run --record FILE` made, or a saved answer with conversation details
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// The conversation
    #[arg(long, value_name = "ID", value_hint = ValueHint::Other)]
    pub conversation: String,
    #[command(flatten)]
    pub form: FormFlags,
}

/// What to do with an audit file.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check the hash chain of an audit file: exit code 0 if it is whole, 4 if not
    #[command(after_long_help = help::examples::AUDIT)]
    Verify {
        /// The file, or a rotated one (FILE.1 is the newest of these)
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
}

/// The form of the result.
#[derive(Debug, Args)]
pub struct FormFlags {
    /// JSON instead of text
    #[arg(long, help_heading = "Form")]
    pub json: bool,
}

/// Flags of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsFlags {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

#[cfg(feature = "simulator")]
/// Flags of `demo`: those of `run` without the connection, which is the simulator's.
#[derive(Debug, Args)]
pub struct DemoFlags {
    #[command(flatten)]
    pub file: FileFlags,
    #[command(flatten)]
    pub subscription: SubscriptionFlags,
    #[command(flatten)]
    pub output: OutputFlags,
    #[command(flatten)]
    pub engine: EngineFlags,
    #[command(flatten)]
    pub stop: StopFlags,
    #[command(flatten)]
    pub centre: CentreFlags,
}

/// The configuration file.
#[derive(Debug, Args)]
pub struct FileFlags {
    /// Configuration file (JSON)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
}

/// Where to connect, and with which account.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub struct ConnectionFlags {
    /// Profile of the Genesys CLI (~/.gc/config.toml) with region, id and secret; below the environment, above the file
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
    pub profile: Option<String>,
    /// AWS region (eu-west-1), Genesys domain (mypurecloud.ie), place (Ireland), address, or base URL
    #[arg(long, value_name = "REGION", value_hint = ValueHint::Other)]
    pub region: Option<String>,
    /// URL of the login, instead of the region's
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, hide_short_help = true)]
    pub login_url: Option<String>,
    /// URL of the API, instead of the region's
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, hide_short_help = true)]
    pub api_url: Option<String>,
    /// URL of the sockets, instead of the region's
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, hide_short_help = true)]
    pub streaming_url: Option<String>,
    /// Id of an OAuth client with the grant type client credentials
    #[arg(long, value_name = "ID", value_hint = ValueHint::Other)]
    pub client_id: Option<String>,
    /// File with certificates that are trusted in addition to the system's
    #[arg(long, value_name = "PEM", value_hint = ValueHint::FilePath)]
    pub ca_file: Option<String>,
    /// Proxy for REST and sockets, instead of HTTPS_PROXY, ALL_PROXY and NO_PROXY
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub proxy: Option<String>,
}

/// What is subscribed: all queues where no queue, user or topic is given.
#[derive(Debug, Args)]
#[command(next_help_heading = "Subscription (without queue, user and topic: all queues)")]
pub struct SubscriptionFlags {
    /// Protocol [default: notifications]
    #[arg(long, value_name = "NAME", value_parser = Suggested(&["notifications", "events", "metrics"]))]
    pub protocol: Option<String>,
    /// Queue by id or name, or all (repeatable)
    #[arg(long, value_name = "ID_OR_NAME", value_hint = ValueHint::Other)]
    pub queue: Vec<String>,
    /// User by id, or queue-members: those of the queues given with --queue (repeatable)
    #[arg(long, value_name = "ID", value_hint = ValueHint::Other)]
    pub user: Vec<String>,
    /// Notification topic, verbatim (repeatable)
    #[arg(long, value_name = "TOPIC", value_hint = ValueHint::Other)]
    pub topic: Vec<String>,
    /// Event type of the events protocol (repeatable) [default: conversation:updated, routing:queue:updated]
    #[arg(long, value_name = "TYPE", value_hint = ValueHint::Other, hide_short_help = true)]
    pub event_type: Vec<String>,
    /// Metric of the metrics protocol (repeatable) [default: offered, answered, serviceLevelPercent, avgWaitTime]
    #[arg(long, value_name = "NAME", value_parser = Suggested(&METRICS), hide_short_help = true)]
    pub metric: Vec<String>,
    /// Metric type of the metrics protocol (repeatable) [default: queue, agent]
    #[arg(long, value_name = "NAME", value_parser = Suggested(&METRIC_TYPES), hide_short_help = true)]
    pub metric_type: Vec<String>,
    /// Do not check first that the metrics are available (metrics protocol)
    #[arg(long, hide_short_help = true)]
    pub no_verify: bool,
}

/// Where results go.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputFlags {
    /// What is written to stdout [default: auto = live on a terminal (? there lists its keys), lines elsewhere]
    #[arg(long, value_name = "FORM", value_parser = Suggested(&["auto", "live", "events", "snapshots", "lines", "none"]))]
    pub output: Option<String>,
    /// Remove names of people, addresses, attributes and notes from records, recordings and webhooks, and replace identifiers
    /// that are not UUIDs by hashes; the snapshot file and HTTP are not redacted
    #[arg(long)]
    pub redact: bool,
    /// Write snapshots to this file (at most one per second: outputs.snapshot_every_secs)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub snapshot_file: Option<String>,
    /// Milliseconds between snapshots [default: 1000]
    #[arg(long, value_name = "N", value_hint = ValueHint::Other, hide_short_help = true)]
    pub interval_ms: Option<String>,
    /// Serve the live page, /metrics, /readyz and /api/snapshot here; except on loopback this needs --token-file
    #[arg(long, value_name = "HOST:PORT", value_hint = ValueHint::Other)]
    pub listen: Option<String>,
    /// File with the token of the page (at least 16 characters)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub token_file: Option<String>,
    /// Name by which the page may be opened, besides loopback and the listen address (repeatable)
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Hostname, hide_short_help = true)]
    pub allowed_host: Vec<String>,
    /// Post each snapshot to this URL (more settings: outputs.webhook in the configuration file)
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub webhook: Option<String>,
    /// Append an audit trail to this file, each line chained to the one before (see `audit verify`)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub audit_file: Option<String>,
    /// Record the stream to this file, for `replay`: raw frames, with customers' data unless --redact is given
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub record: Option<String>,
    /// Append the log to this file instead of stderr
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub log_file: Option<String>,
}

/// How the stream behaves under load and after failures.
#[derive(Debug, Args)]
#[command(next_help_heading = "Behaviour")]
pub struct EngineFlags {
    /// Events that may wait to be applied [default: 5000]
    #[arg(long, value_name = "N", value_hint = ValueHint::Other, hide_short_help = true)]
    pub buffer: Option<String>,
    /// What happens when more events wait [default: coalesce]
    #[arg(long, value_name = "POLICY", value_parser = Suggested(&["coalesce", "block", "drop-oldest", "drop-newest"]), hide_short_help = true)]
    pub when_full: Option<String>,
    /// Give up after so many failures in a row; 0 = never [default: 0]
    #[arg(long, value_name = "N", value_hint = ValueHint::Other, hide_short_help = true)]
    pub max_attempts: Option<String>,
    /// Do not use REST to read the state at the start and to repair gaps
    #[arg(long, hide_short_help = true)]
    pub no_backfill: bool,
}

/// Sharing through Redis.
#[cfg(feature = "engine")]
#[derive(Debug, Args)]
#[command(next_help_heading = "Sharing (see docs/sharing.md)")]
pub struct SharingFlags {
    /// Read Genesys and publish facts to this Redis, for dashboards that run with --from
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub publish: Option<String>,
    /// Show what all readers publish to this Redis; needs no Genesys account
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub from: Option<String>,
    /// Organisation: all its readers and dashboards give the same
    #[arg(long, value_name = "ORG", value_hint = ValueHint::Other)]
    pub org: Option<String>,
    /// Name of this reader, its own within the organisation
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
    pub name: Option<String>,
    /// Take this part of all queues and users only [default: 1/1]
    #[arg(long, value_name = "PART/PARTS", value_hint = ValueHint::Other)]
    pub share: Option<String>,
}

/// When the program stops by itself.
#[derive(Debug, Args)]
#[command(next_help_heading = "Stopping")]
pub struct StopFlags {
    /// Stop after this time (90, 90s, 1m30s), with exit code 0
    #[arg(long, value_name = "TIME", value_hint = ValueHint::Other)]
    pub duration: Option<String>,
    /// Stop, with exit code 0, when the server ends the stream normally
    #[arg(long)]
    pub once: bool,
}

#[cfg(feature = "simulator")]
/// The simulated contact centre.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Simulated centre")]
pub struct CentreFlags {
    /// Seed of the random numbers; the same seed gives the same centre
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// How many times faster than real time the centre runs
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = parse_speed)]
    pub speed: f64,
    /// Number of routing queues
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=2000))]
    pub queues: u32,
    /// Number of users who answer conversations
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub agents: u32,
    /// File with faults at given times, one per line: `1m30s outage?secs=20` (see docs/simulator.md)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub script: Option<PathBuf>,
}

#[cfg(feature = "simulator")]
/// Flags of `simulate`.
#[derive(Debug, Args)]
pub struct SimulateFlags {
    /// Address to serve on; port 0 picks a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8080", value_parser = parse_listen)]
    pub listen: String,
    #[command(flatten)]
    pub centre: CentreFlags,
}

#[cfg(feature = "simulator")]
fn parse_speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if (0.01..=100_000.0).contains(&speed) => Ok(speed),
        _ => Err("allowed is a number from 0.01 to 100000".to_owned()),
    }
}

#[cfg(feature = "simulator")]
fn parse_listen(text: &str) -> Result<String, String> {
    let port = text.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>()));
    match port {
        Some((host, Ok(_))) if !host.is_empty() => Ok(text.to_owned()),
        _ => Err("allowed is HOST:PORT, such as 127.0.0.1:0".to_owned()),
    }
}

/// Shows words in help and completions but accepts any, because wrong ones are reported together with all other problems.
#[derive(Clone)]
struct Suggested(&'static [&'static str]);

impl TypedValueParser for Suggested {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().map(|word| PossibleValue::new(*word))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_has_help() {
        for command in Cli::command().get_subcommands() {
            for flag in command.get_arguments() {
                assert!(flag.get_help().is_some(), "{} {}", command.get_name(), flag.get_id());
            }
        }
    }

    #[test]
    fn check_and_plan_take_all_flags_of_connection_and_subscription() {
        let command = Cli::command();
        let longs = |name: &str| -> Vec<String> {
            let flags = command.find_subcommand(name).unwrap().get_arguments();
            flags.filter_map(|flag| flag.get_long().map(str::to_owned)).collect()
        };
        for flag in
            "config profile protocol region login-url api-url streaming-url client-id ca-file proxy queue user topic \
             event-type metric metric-type no-verify json"
                .split_whitespace()
        {
            for name in ["check", "plan"] {
                assert!(longs(name).iter().any(|long| long == flag), "{name} --{flag}");
            }
        }
        assert!(longs("check").iter().any(|long| long == "wait"));
    }

    #[test]
    fn every_command_has_examples() {
        for command in Cli::command().get_subcommands() {
            let after = command
                .get_after_long_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            let example = format!("  genesys-stream {}", command.get_name());
            assert!(
                after.contains("Examples:") && after.contains(&example),
                "{}",
                command.get_name()
            );
        }
    }

    #[test]
    fn run_has_the_documented_flags() {
        let command = Cli::command();
        let run = command.find_subcommand("run").unwrap();
        let has = |name: &str| run.get_arguments().any(|a| a.get_long() == Some(name));
        for name in "config profile protocol region login-url api-url streaming-url client-id ca-file proxy queue user topic \
             event-type metric metric-type output redact snapshot-file interval-ms listen token-file allowed-host webhook audit-file \
             record log-file buffer when-full max-attempts no-backfill no-verify duration once"
            .split_whitespace()
        {
            assert!(has(name), "--{name}");
        }
        assert!(!has("client-secret"));
    }
}
