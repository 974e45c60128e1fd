//! The command line: every flag once, with its help; what the values mean is checked with the configuration.
//!
//! In: arguments · Out: flags as typed · Thread: main.

use std::path::PathBuf;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{ArgAction, Args, Parser, Subcommand};

use crate::config::{METRIC_TYPES, METRICS};

const AFTER_HELP: &str = "\
Examples:
  genesys-stream demo                                   a contact centre without any account
  export GENESYS_REGION=eu-west-1 GENESYS_CLIENT_ID=... GENESYS_CLIENT_SECRET=...
  genesys-stream run                                    all queues, live on the terminal
  genesys-stream run --queue Sales --output events      one JSON record an event
  genesys-stream simulate --listen 127.0.0.1:8080       a service to develop against

Exit codes: 0 stopped as asked, 1 gave up at run time, 2 usage or configuration,
3 credentials or permission refused, 4 no data for the metrics.
The client secret is never a flag: see `genesys-stream run --help`.";

const RUN_AFTER_HELP: &str = "\
The client secret comes from GENESYS_CLIENT_SECRET, GENESYSCLOUD_OAUTHCLIENT_SECRET, the file named by
GENESYS_CLIENT_SECRET_FILE, systemd's credential genesys-client-secret, or client_secret_file in the
configuration file. Flags win over the environment (GENESYS_DOMAIN, GENESYS_REGION, GENESYSCLOUD_REGION,
GENESYS_CLIENT_ID, GENESYSCLOUD_OAUTHCLIENT_ID), which wins over the file, which wins over the defaults.

Examples:
  genesys-stream run --region eu-west-1 --queue Sales --queue Support
  genesys-stream run --queue all --output snapshots --interval-ms 5000 --snapshot-file numbers.json
  genesys-stream run --user queue-members --queue Sales --output events --redact > events.jsonl
  genesys-stream run --protocol metrics --metric offered --metric answered --metric-type queue
  genesys-stream run --region http://127.0.0.1:8080 --duration 60 -v";

const REPLAY_AFTER_HELP: &str = "\
Protocol, windows and totals are those of the recorded run. Flags about where results go hold as for `run`;
--audit-file and --record have no effect.

Examples:
  genesys-stream replay monday.jsonl                    live on the terminal, as it was
  genesys-stream replay monday.jsonl --speed 60 --listen 127.0.0.1:9464
  genesys-stream replay monday.jsonl --speed 0 --output none --snapshot-file end.json";

#[cfg(feature = "simulator")]
const DEMO_AFTER_HELP: &str = "\
Examples:
  genesys-stream demo                                   live on the terminal until Ctrl-C
  genesys-stream demo --duration 10 --output lines
  genesys-stream demo --protocol metrics --metric offered --output events";

#[cfg(feature = "simulator")]
const SIMULATE_AFTER_HELP: &str = "\
The first line on stdout is `listening on http://HOST:PORT`; the lines after it are the environment to copy.
Credentials are simulator/simulator, or those of GENESYS_CLIENT_ID and GENESYS_CLIENT_SECRET.

Examples:
  genesys-stream simulate --listen 127.0.0.1:8080
  genesys-stream simulate --listen 127.0.0.1:0 --seed 7 --speed 60 --queues 20 --agents 200";

/// Live numbers of a Genesys Cloud contact centre.
#[derive(Debug, Parser)]
#[command(name = "genesys-stream", version, about, after_help = AFTER_HELP)]
#[command(disable_help_subcommand = true, arg_required_else_help = true)]
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
    /// Connect and stream: the main job
    #[command(after_help = RUN_AFTER_HELP)]
    Run(Box<RunFlags>),
    /// Play a recording through the same outputs, on its own time
    #[command(after_help = REPLAY_AFTER_HELP)]
    Replay(Box<ReplayFlags>),
    /// Look at an audit file
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Start the embedded simulator and run against it: no account, no network, no flags needed
    #[cfg(feature = "simulator")]
    #[command(after_help = DEMO_AFTER_HELP)]
    Demo(Box<DemoFlags>),
    /// Serve the simulator until stopped
    #[cfg(feature = "simulator")]
    #[command(after_help = SIMULATE_AFTER_HELP)]
    Simulate(SimulateFlags),
}

/// Flags of `replay`.
#[derive(Debug, Args)]
pub struct ReplayFlags {
    /// The recording, as `run --record FILE` made it
    #[arg(value_name = "FILE")]
    pub recording: PathBuf,
    /// How many times faster than recorded; 0 = as fast as it goes
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

/// What to do with an audit file.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check the chain of an audit file: exit 0 when it is whole, 4 with the first broken line when not
    Verify {
        /// The file, or a rotated one (FILE.1 is the youngest of these)
        file: PathBuf,
    },
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
    #[command(flatten)]
    pub stop: StopFlags,
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

/// Where the configuration file is.
#[derive(Debug, Args)]
pub struct FileFlags {
    /// Configuration file (JSON)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Where and as whom to connect.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub struct ConnectionFlags {
    /// AWS region (eu-west-1), Genesys domain (mypurecloud.ie), host, or base URL (http://127.0.0.1:8080)
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    /// Login elsewhere than the region says
    #[arg(long, value_name = "URL")]
    pub login_url: Option<String>,
    /// API elsewhere than the region says
    #[arg(long, value_name = "URL")]
    pub api_url: Option<String>,
    /// Sockets elsewhere than the region says
    #[arg(long, value_name = "URL")]
    pub streaming_url: Option<String>,
    /// OAuth client of the grant type client credentials
    #[arg(long, value_name = "ID")]
    pub client_id: Option<String>,
    /// Certificates (PEM) trusted beside the system's
    #[arg(long, value_name = "PEM")]
    pub ca_file: Option<String>,
    /// Proxy for REST and sockets; otherwise HTTPS_PROXY, ALL_PROXY and NO_PROXY hold
    #[arg(long, value_name = "URL")]
    pub proxy: Option<String>,
}

/// What is subscribed. Without any queue, user or topic, all queues are.
#[derive(Debug, Args)]
#[command(next_help_heading = "Subscription (without queue, user and topic: all queues)")]
pub struct SubscriptionFlags {
    /// Protocol [default: notifications]
    #[arg(long, value_name = "NAME", value_parser = Suggested(&["notifications", "events", "metrics"]))]
    pub protocol: Option<String>,
    /// Queue by id or name, or all (repeatable)
    #[arg(long, value_name = "ID_OR_NAME")]
    pub queue: Vec<String>,
    /// User by id, or queue-members (repeatable)
    #[arg(long, value_name = "ID")]
    pub user: Vec<String>,
    /// Notification topic as it is (repeatable)
    #[arg(long, value_name = "TOPIC")]
    pub topic: Vec<String>,
    /// Event type of the events protocol (repeatable) [default: conversation:updated, routing:queue:updated]
    #[arg(long, value_name = "TYPE")]
    pub event_type: Vec<String>,
    /// Metric of the metrics protocol (repeatable) [default: offered, answered, serviceLevelPercent, avgWaitTime]
    #[arg(long, value_name = "NAME", value_parser = Suggested(&METRICS))]
    pub metric: Vec<String>,
    /// Metric type of the metrics protocol (repeatable) [default: queue, agent]
    #[arg(long, value_name = "NAME", value_parser = Suggested(&METRIC_TYPES))]
    pub metric_type: Vec<String>,
    /// Do not prove first that the metrics are available (metrics protocol)
    #[arg(long)]
    pub no_verify: bool,
}

/// Where results go.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputFlags {
    /// What goes to stdout [default: auto = live on a terminal, lines elsewhere]
    #[arg(long, value_name = "FORM", value_parser = Suggested(&["auto", "live", "events", "snapshots", "lines", "none"]))]
    pub output: Option<String>,
    /// Empty names, addresses, attributes and notes in records
    #[arg(long)]
    pub redact: bool,
    /// Replace this file atomically with each snapshot
    #[arg(long, value_name = "FILE")]
    pub snapshot_file: Option<String>,
    /// Milliseconds between two snapshots [default: 1000]
    #[arg(long, value_name = "N")]
    pub interval_ms: Option<String>,
    /// Serve page, metrics and health on this address (not acted on by this version yet)
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// Post each snapshot to this address (see outputs.webhook in the configuration file for more)
    #[arg(long, value_name = "URL")]
    pub webhook: Option<String>,
    /// Append an audit trail, each line chained to the one before (see `audit verify`)
    #[arg(long, value_name = "FILE")]
    pub audit_file: Option<String>,
    /// Record what comes, for `replay`: raw frames, with customers' data unless --redact is given
    #[arg(long, value_name = "FILE")]
    pub record: Option<String>,
    /// Append the log here instead of stderr
    #[arg(long, value_name = "FILE")]
    pub log_file: Option<String>,
}

/// How the stream behaves under load and after failures.
#[derive(Debug, Args)]
#[command(next_help_heading = "Behaviour")]
pub struct EngineFlags {
    /// Events that may wait between reader and aggregator [default: 5000]
    #[arg(long, value_name = "N")]
    pub buffer: Option<String>,
    /// What happens when they are more [default: coalesce]
    #[arg(long, value_name = "POLICY", value_parser = Suggested(&["coalesce", "block", "drop-oldest", "drop-newest"]))]
    pub when_full: Option<String>,
    /// Failures in a row before giving up; 0 = never [default: 0]
    #[arg(long, value_name = "N")]
    pub max_attempts: Option<String>,
    /// Do not ask REST who is there at the start, nor repair gaps through it
    #[arg(long)]
    pub no_backfill: bool,
}

/// When to stop by itself.
#[derive(Debug, Args)]
#[command(next_help_heading = "Stopping")]
pub struct StopFlags {
    /// Stop by itself after so many seconds, exit 0
    #[arg(long, value_name = "SECS")]
    pub duration: Option<String>,
    /// Stop, exit 0, when the server ends the stream normally
    #[arg(long)]
    pub once: bool,
}

#[cfg(feature = "simulator")]
/// The simulated contact centre.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Simulated centre")]
pub struct CentreFlags {
    /// The same seed gives the same centre
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// How many times faster than the clock the centre lives
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = parse_speed)]
    pub speed: f64,
    /// Routing queues
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=2000))]
    pub queues: u32,
    /// Users who take conversations
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub agents: u32,
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

/// Shows words in help and completions, and accepts any: wrong ones are reported with all other problems at once.
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
    fn the_definition_holds_together() {
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
    fn run_has_the_flags_of_the_contract() {
        let command = Cli::command();
        let run = command.find_subcommand("run").unwrap();
        let has = |name: &str| run.get_arguments().any(|a| a.get_long() == Some(name));
        for name in "config protocol region login-url api-url streaming-url client-id ca-file proxy queue user topic \
             event-type metric metric-type output redact snapshot-file interval-ms listen webhook audit-file record \
             log-file buffer when-full max-attempts no-backfill no-verify duration once"
            .split_whitespace()
        {
            assert!(has(name), "--{name}");
        }
        assert!(!has("client-secret"));
    }
}
