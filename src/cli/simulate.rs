//! `simulate`, and the simulator of `demo`.
//!
//! In: flags, credentials from the environment · Out: address lines on stdout · Thread: main.

use std::ffi::OsString;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use super::args::{CentreFlags, SimulateFlags};
use super::signals::SignalWatch;
use crate::base::url::{is_loopback, split_host_port};
use crate::config::{ConfigBuilder, whole_file};
use crate::simulator::{Credentials, Options, Script, Simulator};
use crate::{Error, ErrorKind, Secret};

/// The settings of a simulator.
pub struct SimulatorSettings {
    pub listen: String,
    pub centre: CentreFlags,
    pub client_id: String,
    pub client_secret: Secret,
}

impl SimulatorSettings {
    /// For `demo`: a free loopback port and the default credentials.
    pub fn for_demo(centre: &CentreFlags) -> Self {
        Self {
            listen: "127.0.0.1:0".to_owned(),
            centre: centre.clone(),
            client_id: "simulator".to_owned(),
            client_secret: Secret::new("simulator"),
        }
    }

    /// For `simulate`: the credentials of the variables that a client reads, else `simulator` and `simulator`.
    fn for_simulate(flags: SimulateFlags, variables: impl Fn(&str) -> Option<OsString>) -> Result<Self, Error> {
        let (client_id, client_secret) = ConfigBuilder::credentials_from(&variables)?;
        Ok(Self {
            listen: flags.listen,
            centre: flags.centre,
            client_id: client_id.unwrap_or_else(|| "simulator".to_owned()),
            client_secret: client_secret.unwrap_or_else(|| Secret::new("simulator")),
        })
    }
}

/// A simulator that runs until this is dropped.
pub struct Running {
    pub url: String,
    simulator: Simulator,
}

impl Running {
    /// Connects to the simulator; without a loopback interface a demo would try for ever.
    ///
    /// # Errors
    /// [`ErrorKind::Local`] where this machine cannot connect to itself within 2 s.
    pub fn reach(&self) -> Result<(), Error> {
        const LIMIT: Duration = Duration::from_secs(2);
        let connected = TcpStream::connect_timeout(&self.simulator.local_addr(), LIMIT);
        connected.map(drop).map_err(|error| {
            let what = format!(
                "{error}; this machine cannot connect to itself: its loopback interface is missing or down (`ip link set lo up`)"
            );
            Error::new(ErrorKind::Local, format!("connecting to the simulator at {}", self.url), what)
        })
    }
}

/// Starts a simulator.
pub fn start(settings: &SimulatorSettings) -> Result<Running, Error> {
    let options = Options {
        listen: settings.listen.clone(),
        seed: settings.centre.seed,
        speed: settings.centre.speed,
        queues: settings.centre.queues as usize,
        agents: settings.centre.agents as usize,
        credentials: vec![Credentials::new(&settings.client_id, settings.client_secret.reveal())],
        script: settings.centre.script.as_deref().map(read_script).transpose()?,
        ..Options::default()
    };
    let simulator = Simulator::start(options).map_err(|error| {
        let kind = match error.kind() {
            std::io::ErrorKind::InvalidInput => ErrorKind::Configuration,
            _ => ErrorKind::Local,
        };
        Error::new(
            kind,
            format!("starting the simulator on {}", settings.listen),
            error.to_string(),
        )
    })?;
    Ok(Running {
        url: simulator.url(),
        simulator,
    })
}

/// The longest script that is read.
const MOST_SCRIPT_BYTES: u64 = 64 << 20;

fn read_script(file: &Path) -> Result<Script, Error> {
    let wrong = |what: String| Error::new(ErrorKind::Configuration, format!("reading {}", file.display()), what);
    let text = whole_file::read(file, MOST_SCRIPT_BYTES).map_err(|error| wrong(error.to_string()))?;
    let text = String::from_utf8(text).map_err(|_| wrong("it is no valid UTF-8 text".to_owned()))?;
    Script::read(&text).map_err(wrong)
}

/// Serves until a signal comes.
pub fn serve(flags: SimulateFlags) -> Result<(), Error> {
    let signals = SignalWatch::start()?;
    let settings = SimulatorSettings::for_simulate(flags, |name| std::env::var_os(name))?;
    let running = start(&settings)?;
    if !split_host_port(&settings.listen).is_ok_and(|(host, _)| is_loopback(&host)) {
        log::warn!(
            "{} can be reached from other machines, and the simulator uses plain HTTP: everybody there can use and disturb it",
            settings.listen
        );
    }
    // A closed stdout does not stop the server.
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(address_lines(&running.url, &settings).as_bytes());
    let _ = stdout.flush();
    drop(stdout);
    let (stop, stopped) = crossbeam_channel::bounded::<()>(0);
    signals.on_stop(move || drop(stop));
    // Returns when the signal's action drops the sender.
    let _ = stopped.recv();
    drop(running);
    Ok(())
}

/// The first line has the address, the others the environment to copy. A secret of the user's own is not repeated.
fn address_lines(url: &str, settings: &SimulatorSettings) -> String {
    let secret = match settings.client_secret.reveal() {
        "simulator" => "export GENESYS_CLIENT_SECRET=simulator",
        _ => "# GENESYS_CLIENT_SECRET: the secret of this simulator's own environment",
    };
    let id = quoted(&settings.client_id);
    format!("listening on {url}\nexport GENESYS_DOMAIN={url}\nexport GENESYS_CLIENT_ID={id}\n{secret}\n")
}

/// The text as one word of a shell.
fn quoted(text: &str) -> String {
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::args::{Cli, Command};
    use super::*;
    use clap::Parser;

    fn settings(pairs: &'static [(&str, &str)]) -> SimulatorSettings {
        let Command::Simulate(flags) = Cli::try_parse_from(["genesys-stream", "simulate", "--speed", "2.5"])
            .unwrap()
            .command
        else {
            panic!()
        };
        let variables = |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v));
        SimulatorSettings::for_simulate(flags, variables).unwrap()
    }

    #[test]
    fn credentials_come_from_the_clients_variables() {
        let default = settings(&[]);
        assert_eq!(default.client_id, "simulator");
        assert_eq!(
            address_lines("http://127.0.0.1:1", &default),
            "listening on http://127.0.0.1:1\nexport GENESYS_DOMAIN=http://127.0.0.1:1\n\
             export GENESYS_CLIENT_ID=simulator\nexport GENESYS_CLIENT_SECRET=simulator\n"
        );
        let own = settings(&[
            ("GENESYS_CLIENT_ID", "it's me"),
            ("GENESYSCLOUD_OAUTHCLIENT_SECRET", "hunter2"),
        ]);
        assert_eq!((own.client_secret.reveal(), own.centre.speed), ("hunter2", 2.5));
        let lines = address_lines("http://127.0.0.1:1", &own);
        assert!(lines.contains("GENESYS_CLIENT_ID='it'\\''s me'"), "{lines}");
        assert!(!lines.contains("hunter2"), "{lines}");
    }
}
